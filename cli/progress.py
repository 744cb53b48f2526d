"""How far a fit is, on stderr: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tsgan.cli.console import complain

if TYPE_CHECKING:
    from rich.console import Console

    from tsgan.procedure import Progress

    Reporter = Callable[[Progress], None]

BLOCKS = "▁▂▃▄▅▆▇█"


@contextmanager
def progress_on_stderr(*, quiet: bool) -> Iterator[Reporter | None]:
    """Yield what a fit calls with its progress; None if nothing is to be shown."""
    if quiet:
        yield None
        return
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:
        with _live_line(console) as reporter:
            yield reporter
    else:
        yield _plain_lines()


@contextmanager
def share_on_stderr(*, quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """Yield what an evaluation calls with its stage and the share of the whole that is done."""
    from tsgan.procedure import Progress

    with progress_on_stderr(quiet=quiet) as reporter:

        def report(stage: str, share: float) -> None:
            if reporter is not None:
                reporter(Progress(stage, round(1000 * share), 1000))

        yield report


@contextmanager
def _live_line(console: Console) -> Iterator[Reporter]:
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


def _plain_lines() -> Reporter:
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
            complain("  ".join(filter(None, (share, state.stage, left, _losses(state)))))

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
