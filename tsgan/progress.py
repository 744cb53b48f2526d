"""How far the work is: told to a callable, or shown on stderr by a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console

    from tsgan.diagnostics import Record

BLOCKS = "▁▂▃▄▅▆▇█"


class Progress(NamedTuple):
    """How far a fit has come; done and total count adversarial steps, other work is converted to them."""

    stage: str
    done: int
    total: int
    record: Record | None = None
    """Of the adversarial step that was made, if one was"""
    half: str = ""
    """Half of a fit: choosing, or all rows"""


Listener = Callable[[Progress], None]
Shares = Callable[[str, float], None]


def untold(stage: str, share: float) -> None:
    """Tell nobody."""


@contextmanager
def fit_progress(wanted: bool | Listener | None) -> Iterator[Listener]:
    """Yield what a fit calls with its progress: the callable that was given, a line on stderr (True), or nothing."""
    if callable(wanted):
        yield wanted
        return
    if not wanted:
        yield lambda _: None
        return
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:
        with _live_line(console) as report:
            yield report
    else:
        yield _plain_lines()


@contextmanager
def share_progress(wanted: bool | Shares) -> Iterator[Shares]:
    """Yield what other work calls with its stage and the share of the whole that is done; as :func:`fit_progress`."""
    if callable(wanted):
        yield wanted
        return
    with fit_progress(wanted) as report:
        yield lambda stage, share: report(Progress(stage, round(1000 * share), 1000))


@contextmanager
def _live_line(console: Console) -> Iterator[Listener]:
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=None),
        progress.TaskProgressColumn(),
        progress.TextColumn("{task.fields[left]}", markup=False),
        progress.TextColumn("{task.fields[losses]}", markup=False),
    )
    with progress.Progress(*columns, console=console, expand=True) as bar:
        task = bar.add_task("preparing", total=None, left="", losses="")
        clock, curve = Clock(), Curve(16 if console.width >= 100 else 6)

        def report(state: Progress) -> None:
            left, losses = clock.left(state), curve.after(state)
            bar.update(task, description=state.stage, completed=state.done, total=state.total, left=left, losses=losses)

        yield report


def _plain_lines() -> Listener:
    """Return a reporter that prints a line for about every tenth of the work."""
    clock = Clock()
    last = -1

    def report(state: Progress) -> None:
        nonlocal last
        left = clock.left(state)
        tenth = 10 * state.done // state.total
        if tenth > last:
            last = tenth
            share = f"{state.done / state.total:4.0%}"
            print(*filter(None, (share, state.stage, left, _losses(state))), sep="  ", file=sys.stderr)

    return report


class Clock:
    """Time since the first report, and the time left if the rest takes as long a unit of work."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._first: int | None = None

    def left(self, state: Progress) -> str:
        """Return ``ETA 1:23``, at the end ``in 2:05``, and nothing before there is something to judge by."""
        elapsed = time.monotonic() - self._start
        if self._first is None:  # a resumed fit begins with work that took no time
            self._first = state.done
        worked = state.done - self._first
        if state.done >= state.total:
            return f"in {_duration(elapsed)}"
        return f"ETA {_duration(elapsed * (state.total - state.done) / worked)}" if worked else ""


class Curve:
    """The critics' estimates of the Wasserstein distance in the half of a fit that is under way."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._half, self._values, self._shown = "", list[float](), ""

    def after(self, state: Progress) -> str:
        """Return the curve so far and the last values; they stay until there are others."""
        if state.half != self._half:
            self._half, self._values, self._shown = state.half, [], ""
        if state.record:
            self._values.append(state.record.wasserstein)
            self._shown = f"{sparkline(self._values, self._width)} {_losses(state)}"
        return self._shown


def sparkline(values: Sequence[float], width: int = 16) -> str:
    """Return a curve as a line of blocks, each the mean of its share of the values."""
    shares = [values[i * len(values) // width : (i + 1) * len(values) // width] for i in range(width)]
    means = [sum(share) / len(share) for share in shares if share]
    low, high = min(means), max(means)
    return "".join(BLOCKS[round((len(BLOCKS) - 1) * (mean - low) / ((high - low) or 1))] for mean in means)


def _losses(state: Progress) -> str:
    """Return the critics' estimate of the Wasserstein distance and the gradient penalty, where there are any."""
    if state.record is None:
        return ""
    parts = (("Wasserstein", state.record.wasserstein), ("penalty", state.record.penalty))
    return "  ".join(f"{name} {value:.3f}" for name, value in parts if value is not None)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
