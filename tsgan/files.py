"""Files appear whole or not at all."""

from __future__ import annotations

import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tsgan.errors import ConfigError


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends without an error.

    The temporary file has the same suffix and is on the same file system, so that the replacement is atomic; it is
    flushed to the disk before, and removed when the block fails or is interrupted. What a killed process has left of
    its own is removed, too, where files can be locked. Links are followed.

    Parameters
    ----------
    path : path
        The file to write or to replace.

    Yields
    ------
    Path
        An empty file to write to.

    Raises
    ------
    ConfigError
        There is something at ``path`` that is no regular file.
    OSError
        The folder is missing or cannot be written to, or the disk is full; the error names ``path``.
    """
    target = regular_target(path)
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(4)}{target.suffix}")
    _remove_left(target)
    try:
        file = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)  # as open() would, by the umask
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    if not _lock(file):
        os.close(file)
        file = -1
    try:
        yield temporary
        flush(temporary)
        os.replace(temporary, target)
    except OSError as error:
        if error.filename not in (None, os.fspath(temporary)):  # about some other file
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
        if file >= 0:
            os.close(file)


def _remove_left(target: Path) -> None:
    """Remove temporary files of a target that no process is writing any more."""
    stem, suffix = glob.escape(f".{target.stem}."), glob.escape(target.suffix)
    for left in target.parent.glob(f"{stem}{'[0-9a-f]' * 8}{suffix}"):
        with suppress(OSError), left.open("rb+") as file:
            if _lock(file.fileno()):
                left.unlink()


def _lock(file: int) -> bool:
    """Lock an open file until it is closed; False if another process has, or where there are no such locks."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Make a file, if there is none, and keep other runs from writing it too; where there are such locks.

    Raises
    ------
    ConfigError
        Another run is writing it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"another run is writing {path}; wait for its end, or name another file") from error
        yield


def regular_target(path: str | os.PathLike[str]) -> Path:
    """Follow links to the file that is to be written; a ConfigError says if there is something else."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise ConfigError(f"{os.fspath(path)} is not a regular file and is not replaced; name another file")
    return target


def flush(path: Path) -> None:
    """See that the content of a file is on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
