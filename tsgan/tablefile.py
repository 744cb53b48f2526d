"""A file of paths that grows part by part: the long table with the columns path, date and one for each asset.

A run that is cut off leaves two files beside the one it was to write: ``OUT.partial`` with the parts that are complete,
and ``OUT.partial.json`` with where they end. Another run can go on from there, to the same bytes, and none throws them
away unasked.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow.csv import WriteOptions, write_csv
from pyarrow.parquet import FileMetaData, ParquetWriter, read_metadata

from tsgan.errors import ConfigError
from tsgan.files import atomic_path, flush, regular_target, sole_writer

if TYPE_CHECKING:
    from tsgan.conditioning import Conditioning
    from tsgan.paths import Kind, Paths

_VALUES = 2**20  # of a part: a row group of a sensible size, some 100 MB while it is written
_SECONDS = 1.0  # between notes of where a part ends: seeing each of them on the disk would take as long as its numbers


class TableFile:
    """Parts of a table, one after the other in one file.

    Parameters
    ----------
    path : the file, which ends where the last of the parts does
    suffix : .csv or .parquet
    kind : what of the paths is written
    paths, ends : number of paths that are in the file, and where each part ends, in bytes
    """

    def __init__(self, path: Path, suffix: str, kind: Kind, paths: int = 0, ends: Iterable[int] = ()) -> None:
        self.path, self.suffix, self.kind, self.paths, self.ends = path, suffix, kind, paths, list(ends)

    def add(self, part: Paths) -> None:
        """Write one more part."""
        table = _table(part, self.kind)
        with self.path.open("ab") as file:
            if self.suffix == ".csv":
                self._add_csv(table, file)
            else:
                self._add_parquet(table, file)
        end = self.path.stat().st_size
        self.paths, self.ends = self.paths + len(part), [*self.ends, end]  # at once: an interruption notes both

    def finish(self) -> None:
        """Make one table of the parts; nothing can be added to it."""
        if self.suffix == ".parquet":
            with self.path.open("rb+") as file:
                whole = _footer(file, self.ends[0])
                for end in self.ends[1:]:
                    whole.append_row_groups(_footer(file, end))
                footer = io.BytesIO()
                whole.write_metadata_file(footer)
                file.seek(0, os.SEEK_END)
                file.write(footer.getvalue()[len(_MARK) :])

    def _add_csv(self, table: pa.Table, file: BinaryIO) -> None:
        if not self.ends:
            file.write(_csv_header(table.column_names))  # Arrow would quote every name
        write_csv(table, file, WriteOptions(include_header=False))

    def _add_parquet(self, table: pa.Table, file: BinaryIO) -> None:
        """Write a Parquet file behind what is there, with offsets that count from the beginning of all.

        Arrow refuses to append, but asks the descriptor for each offset: it begins a file elsewhere and is then given
        the descriptor of this one. The footer that it writes below the part is not looked at by those who read the
        last one.
        """
        if not self.ends:
            file.write(_MARK)
            file.flush()
        with tempfile.TemporaryDirectory() as elsewhere:
            begun = os.path.join(elsewhere, "begun")
            with (
                pa.OSFile(begun, "wb") as sink,
                # dictionaries take half of the time, and compression makes as little of runs of numbers without them
                ParquetWriter(sink, table.schema, use_dictionary=False) as writer,
            ):
                os.dup2(file.fileno(), _descriptor(begun))
                writer.write_table(table)


def _descriptor(path: str) -> int:
    """Find the descriptor of a file that this process has open; OSFile.fileno fails before pyarrow 25."""
    wanted = os.stat(path)
    for descriptor in range(2**16):
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), wanted):
                return descriptor
    raise OSError(f"{path} is not open")


def write_table(paths: Paths, path: Path, suffix: str, kind: Kind) -> None:
    """Write paths to an empty file."""
    table = TableFile(path, suffix, kind)
    for part in _in_parts([paths]):
        table.add(part)
    table.finish()


class _Left(NamedTuple):
    """What a run has written that was cut off."""

    paths: int = 0
    ends: Sequence[int] = ()
    conditioning: Conditioning | None = None


def write_resumable(
    draw: Callable[[int], Iterable[Paths]],
    out: Path,
    kind: Kind,
    key: str,
    *,
    resume: bool,
    force: bool,
    report: Callable[[int], None],
) -> Conditioning | None:
    """Write paths while they are drawn; the file appears under its name only when it is complete.

    Interrupted, killed or out of disk, this leaves the parts that are complete, killed those of a second before; after
    any other error nothing.

    Parameters
    ----------
    draw : gives all paths from a number on
    key : what the paths depend on; what a run with another key has left is not gone on with
    resume : go on from what an earlier run has left
    force : begin anew, whatever an earlier run has left that cannot be gone on with
    report : called with the number of paths that are written, at the start and after each part

    Returns
    -------
    How the paths came to satisfy a condition.

    Raises
    ------
    ConfigError
        There is something at ``out`` that is no regular file, another run is writing it, or what an earlier one has
        left would be lost.
    OSError
        The folder cannot be written to, or the disk is full; the error names ``out``.
    """
    target = regular_target(out)
    partial = target.with_name(target.name + ".partial")
    log = partial.with_name(partial.name + ".json")
    digest = hashlib.sha256(key.encode()).hexdigest()
    left = _left(partial, log, digest, resume=resume, force=force)
    table, conditioning = TableFile(partial, target.suffix, kind, left.paths, left.ends), left.conditioning
    chunks = draw(table.paths)
    try:
        with sole_writer(partial):
            try:
                _note(log, digest, table, conditioning)
                with partial.open("ab") as file:
                    file.truncate(table.ends[-1] if table.ends else 0)
                report(table.paths)
                due = 0.0
                for part in _in_parts(chunks):
                    table.add(part)
                    conditioning = part.conditioning
                    if time.monotonic() >= due:
                        flush(partial)
                        _note(log, digest, table, conditioning)
                        due = time.monotonic() + _SECONDS
                    report(table.paths)
                table.finish()
                flush(partial)
                os.replace(partial, target)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt | OSError | MemoryError) and table.paths:
                    with suppress(OSError):  # an older note stays good
                        flush(partial)
                        _note(log, digest, table, conditioning)
                    error.add_note(f"the same command with --resume goes on from {partial}")
                else:
                    partial.unlink(missing_ok=True)
                    log.unlink(missing_ok=True)
                raise
    except OSError as error:
        if error.filename not in (None, str(partial), str(log)):
            raise
        named = OSError(error.errno, error.strerror, os.fspath(out))
        named.__notes__ = getattr(error, "__notes__", [])
        raise named from error
    log.unlink()
    return conditioning


def _note(log: Path, digest: str, table: TableFile, conditioning: Conditioning | None) -> None:
    """Keep what another run needs to go on."""
    known = {"key": digest, "paths": table.paths, "ends": table.ends}
    with atomic_path(log) as temporary:
        temporary.write_text(json.dumps({**known, "conditioning": conditioning and asdict(conditioning)}))


def _left(partial: Path, log: Path, digest: str, *, resume: bool, force: bool) -> _Left:
    """What can be gone on with; a ConfigError where something else would be lost."""
    if not log.exists():
        if partial.exists() and partial.stat().st_size:
            raise ConfigError(f"{partial} is in the way, and not of an interrupted run; move it, or name another file")
        return _Left()
    try:
        done = json.loads(log.read_text())
        found = _Left(done["paths"], done["ends"], _conditioning(done["conditioning"]))
        same = done["key"] == digest and (not found.ends or partial.stat().st_size >= found.ends[-1])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        found, same = _Left(-1), False
    if resume and same:
        return found
    if found.paths == 0 or force:
        return _Left()
    if resume:
        raise ConfigError(
            f"{partial} was left by a run with another model or other options, or is damaged; --resume goes on with "
            "the command that wrote it, --force begins anew"
        )
    raise ConfigError(
        f"{partial} holds what an interrupted run has written; --resume goes on with the same command, --force begins "
        "anew"
    )


def _conditioning(values: dict[str, Any] | None) -> Conditioning | None:
    from tsgan.conditioning import Conditioning

    if values is None:
        return None
    interval = values["interval"]
    return Conditioning(**{**values, "interval": interval and tuple(interval)})


def _in_parts(chunks: Iterable[Paths]) -> Iterator[Paths]:
    """Yield the same paths in parts of a size that depends on the shape of a path only, the last one smaller."""
    waiting: Paths | None = None
    for chunk in chunks:
        size = max(1, _VALUES // (chunk.length * len(chunk.columns)))
        for start, stop in _cuts(len(chunk), size, 0 if waiting is None else len(waiting)):
            piece = chunk[start:stop]
            waiting = piece if waiting is None else waiting.followed_by(piece)
            if len(waiting) == size:
                yield waiting
                waiting = None
    if waiting is not None:
        yield waiting


def _cuts(count: int, size: int, waiting: int) -> Iterator[tuple[int, int]]:
    """Where to cut so many paths, of which the first ones complete the part that some already wait for.

    >>> list(_cuts(10, 4, 1))
    [(0, 3), (3, 7), (7, 10)]
    """
    return pairwise([0, *range(size - waiting, count, size), count])


def _table(paths: Paths, kind: Kind) -> pa.Table:
    values, count = paths.values(kind), len(paths)
    if paths.daily:
        dates, date_type = paths.dates.to_numpy().astype("datetime64[D]").astype(np.int32), pa.date32()
    else:
        dates, date_type = paths.dates.to_numpy().astype("datetime64[s]").astype(np.int64), pa.timestamp("s")
    columns = [
        pa.array(np.repeat(np.arange(paths.first, paths.first + count), paths.length)),
        pa.array(np.tile(dates, count)).view(date_type),
        *(pa.array(column) for column in np.ascontiguousarray(values.reshape(-1, values.shape[-1]).T)),
    ]
    return pa.Table.from_arrays(columns, names=["path", "date", *paths.columns])


_MARK = b"PAR1"  # what a Parquet file begins and ends with


def _footer(file: BinaryIO, end: int) -> FileMetaData:
    """Footer of a part: its length and the mark are the last eight bytes."""
    file.seek(end - 8)
    size = 8 + int.from_bytes(file.read(4), "little")
    file.seek(end - size)
    return read_metadata(io.BytesIO(file.read(size)))


def _csv_header(names: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(names)
    return line.getvalue().encode()
