"""What the parts of protocol C share: series, models fitted to them, and what a part is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tsgan import TSGAN, Config
from tsgan.datasets import load, read_prices

FOLDER = Path(os.environ.get("TSGAN_DATA", Path(__file__).parents[2] / "shared" / "data"))
MAIN, LONG = "SP500", "SP500 since 1950"
FILES = {
    LONG: ("sp500_daily", "SP500"),
    "IJT": ("etf_panel_daily", "IJT"),
    "SHY": ("etf_panel_daily", "SHY"),
    "EUR": ("fx_energy_daily", "EUR"),
    "BRENT": ("fx_energy_daily", "BRENT"),
    "DOGE": ("crypto_daily", "DOGE"),
}
Found = dict[tuple[str, str], float]
"""(case, measure) -> value"""


class Run(NamedTuple):
    """A piece of work."""

    part: str
    series: str
    steps: int
    """Adversarial steps at most"""
    seed: int


class Part(NamedTuple):
    """What a part measures, and how it is shown."""

    runs: Callable[[], Iterator[tuple[str, int]]]
    """Series and seeds"""
    judge: Callable[[Run], Found]
    show: Callable[[pd.DataFrame], str]


def all_series() -> Iterator[tuple[str, int]]:
    """Six series, or the first alone; seed 0."""
    yield MAIN, 0
    yield from ((name, 0) for name in FILES if name != LONG and present())


@cache
def present() -> bool:
    """Whether the folder of series is there."""
    there = FOLDER.exists()
    if not there:
        print(f"{FOLDER} is not there: only {MAIN} is judged", file=sys.stderr)
    return there


@cache
def prices_of(name: str) -> pd.DataFrame:
    if name == MAIN:
        return load(name)
    file, column = FILES[name]
    return read_prices(FOLDER / f"{file}.csv")[[column]]


def half(name: str) -> int:
    """Prices of the first half, to which parameters are fitted where the second half judges."""
    return len(prices_of(name)) // 2


def unfitted(steps: int, seed: int) -> TSGAN:
    return TSGAN(config=Config().with_training(steps=steps), random_state=seed)


@cache
def fitted(name: str, steps: int, rows: int | None = None) -> TSGAN:
    """Model of a series, or of its first rows."""
    return unfitted(steps, 0).fit(prices_of(name).iloc[:rows])


def own_volatility(model: TSGAN) -> float:
    return float(model.returns_[:, 0].std() * model.periods_per_year_**0.5)


def cases_of(known: pd.DataFrame) -> Iterator[tuple[str, str, Any]]:
    """Series, case and its measures, in the order in which they came."""
    for (series, case), rows in known.groupby(["series", "case"], sort=False):
        yield series, case, rows.set_index("measure")["value"]


def share(hits: list[bool]) -> str:
    return f"{sum(hits)} of {len(hits)}"
