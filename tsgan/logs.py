"""Listeners of a fit, for ``TSGAN.fit(progress=...)``: records as JSON lines, and as scalars for TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from tsgan.diagnostics import present
from tsgan.errors import ConfigError
from tsgan.progress import Listener, Progress


@contextmanager
def json_lines(path: str | PathLike[str]) -> Iterator[Listener]:
    """Write every record as it comes: one JSON object a line, with the half of the fit that it belongs to.

    A fit that ends early leaves whole lines; one that is resumed tells them all again.

    Examples
    --------
    >>> with json_lines("training.jsonl") as log:  # doctest: +SKIP
    ...     TSGAN().fit(prices, progress=log)
    """
    with Path(path).open("w", encoding="utf-8", buffering=1) as file:

        def listen(progress: Progress) -> None:
            if progress.record:
                file.write(json.dumps({"half": progress.half, **present(progress.record)}) + "\n")

        yield listen


@contextmanager
def tensorboard(folder: str | PathLike[str], *, again: bool = False) -> Iterator[Listener]:
    """Write every record's values as scalars ``half/name``, for ``tensorboard --logdir FOLDER``.

    Parameters
    ----------
    again : take the place of what is in the folder, as a resumed fit does, which tells all of its records again

    Raises
    ------
    ConfigError
        The package ``tensorboard`` is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        what = "TensorBoard's files need its package; install it with: pip install 'tsgan[tensorboard]'"
        raise ConfigError(what) from error
    with SummaryWriter(str(folder), purge_step=0 if again else None) as writer:

        def listen(progress: Progress) -> None:
            if progress.record:
                for name, value in present(progress.record).items():
                    writer.add_scalar(f"{progress.half}/{name}", value, progress.record.step)

        yield listen
