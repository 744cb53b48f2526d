"""Options that more than one command has, each declared once."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tsgan.cli.completion import GIVEN, one_of, periods
from tsgan.config import TrainingConfig
from tsgan.errors import ConfigError, TsganWarning


class Missing(StrEnum):
    """What to do with missing prices."""

    ERROR = "error"
    DROP = "drop"


class MissingCovariates(StrEnum):
    """What to do about covariates that are not given."""

    IGNORE = "ignore"
    HISTORY = "history"
    ERROR = "error"


class FailOn(StrEnum):
    """What makes a command fail."""

    FAIL = "fail"
    WARN = "warn"


def _silence_notes(quiet: bool) -> bool:
    if quiet:
        warnings.simplefilter("ignore", TsganWarning)  # until the command ends: `notes` restores the filters
    return quiet


_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _limit_threads(context: typer.Context, count: int | None) -> int | None:
    if count is not None:
        context.with_resource(_threads(count))
    return count


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Compute with so many threads: libraries that are yet to be loaded, those that are, and processes started here."""
    from unittest.mock import patch

    from threadpoolctl import threadpool_limits

    with patch.dict(os.environ, dict.fromkeys(_THREAD_COUNTS, str(count))), threadpool_limits(count):
        torch = sys.modules.get("torch")
        before = torch.get_num_threads() if torch else None
        if torch:
            torch.set_num_threads(count)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)


Prices = Annotated[
    Path, typer.Argument(metavar="PRICES", help="CSV or Parquet file of prices: dates and a column an asset.")
]
_REAL = typer.Argument(metavar="REAL", help="CSV or Parquet file of the real prices.")
_SYNTH = typer.Argument(metavar="SYNTH", help="Paths that `tsgan sample` wrote.")
Real = Annotated[Path, _REAL]
Synth = Annotated[Path, _SYNTH]
RealOrNone = Annotated[Path | None, _REAL]
SynthOrNone = Annotated[Path | None, _SYNTH]
Columns = Annotated[
    str | None,
    typer.Option("--columns", metavar="A,B", help="Assets to use, in this order.", show_default="all"),
]
MissingPrices = Annotated[
    Missing,
    typer.Option("--missing", help="Refuse missing prices, or drop the rows that miss one; none is ever filled."),
]
Covariates = Annotated[
    Path | None,
    typer.Option(
        "--covariates",
        metavar="FILE",
        help="CSV or Parquet file of what the market is conditioned on, with dates of its own.",
        show_default="columns of PRICES",
    ),
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="DATE", help="First date to use, such as 2010 or 2010-01-04.", show_default="first"),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="DATE", help="Last date to use, included.", show_default="last"),
]
Model = Annotated[Path, typer.Option("--model", metavar="FILE", help="The model file.")]
History = Annotated[
    Path | None,
    typer.Option("--history", metavar="PRICES", help="Prices at whose end the paths begin instead."),
]
Given = Annotated[
    list[str] | None,
    typer.Option(
        "--given",
        metavar="NAME=X|NAME<=X|NAME>=X",
        autocompletion=one_of(GIVEN),
        help="What paths satisfy; repeatable: volatility, trend, return, drawdown, regime, a covariate.",
        show_default="nothing",
    ),
]
Like = Annotated[
    str | None,
    typer.Option(
        "--like",
        metavar="PERIOD",
        autocompletion=periods,
        help="Begin like a period of the data, 2008-09-01:2009-03-31 or a name such as lehman, with its volatility "
        "(of equal money in all assets).",
        show_default="no period",
    ),
]
Ahead = Annotated[
    Path | None,
    typer.Option("--covariates", metavar="FILE", help="Covariates over the dates of the paths, a column each."),
]
NotAhead = Annotated[
    MissingCovariates,
    typer.Option("--missing", help="Covariates not given: average over them, follow their own history, or refuse."),
]
Levels = Annotated[
    str, typer.Option("--levels", metavar="A,B", help="Probabilities of the lower tail, such as .05,.01 or 5%,1%.")
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="A=X,B=Y",
        help="Of a portfolio with such shares of its value in each asset.",
        show_default="each asset alone",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps",
        metavar="N",
        min=0,
        help="Adversarial steps at most, after the warm start.",
        show_default=str(TrainingConfig().steps),
    ),
]
FailOnVerdict = Annotated[
    FailOn | None, typer.Option("--fail-on", help="Exit with 1 if the verdict is so bad.", show_default="never")
]
Device = Annotated[
    str,
    typer.Option("--device", metavar="auto|cpu|cuda|cuda:1|mps", help="Where to compute; auto takes a GPU if any."),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        min=1,
        callback=_limit_threads,
        help="Threads to compute with; more or fewer may change last bits.",
        show_default="one a processor",
    ),
]
Seed = Annotated[
    int,
    typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="The same seed gives the same result, bit by bit."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the output file if there is one.")]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", callback=_silence_notes, help="Print nothing but errors (and what --json asks for)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object, for programs.")]


def parse_levels(text: str) -> list[float]:
    """Return ``.05,.01`` or ``5%,1%`` as numbers.

    >>> parse_levels("5%, 2.5%, .01")
    [0.05, 0.025, 0.01]
    """
    try:
        parts = [part.strip() for part in text.split(",")]
        return [float(Decimal(part.rstrip("% ")) / (100 if part.endswith("%") else 1)) for part in parts]
    except InvalidOperation as error:
        raise ConfigError(f"--levels must be numbers such as .05,.01 or 5%,1%, got {text!r}") from error


def parse_weights(text: str) -> dict[str, float]:
    """Return ``A=.6,B=.4`` as a number for each asset.

    >>> parse_weights("EURUSD=X=1, SPY=-0.5")
    {'EURUSD=X': 1.0, 'SPY': -0.5}
    """
    try:
        pairs = [part.rsplit("=", 1) for part in text.split(",")]
        weights = {name.strip(): float(share) for name, share in pairs}
    except ValueError as error:
        raise ConfigError(f"--weights must be shares of assets such as SPY=0.6,TLT=0.4, got {text!r}") from error
    if len(weights) < len(pairs):
        raise ConfigError(f"--weights names an asset twice: {text}")
    return weights
