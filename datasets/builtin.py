"""Real series that ship inside the package arch, a core dependency: they work without a network."""

from __future__ import annotations

import importlib

import pandas as pd

from tsgan.errors import DataError

__all__ = ["NAMES", "load"]

# name -> the column of arch.data.<name>.load() that holds its daily close
_CLOSES = {"sp500": "Adj Close", "nasdaq": "Adj Close", "wti": "DCOILWTICO", "vix": "vix"}

NAMES: tuple[str, ...] = tuple(_CLOSES)
"""The names that `load` knows."""


def load(name: str) -> pd.DataFrame:
    """Load a real daily series that needs no download.

    Parameters
    ----------
    name : {"sp500", "nasdaq", "wti", "vix"}
        S&P 500 and Nasdaq Composite indices (1999-2018), West Texas Intermediate oil, spot (1986-2019), and the VIX
        volatility index (2014-2019), in any case.

    Returns
    -------
    DataFrame
        One column of daily closes, named by the upper-case name; days without a price are left out. Index ``date``.

    Raises
    ------
    DataError
        There is no such series.

    Notes
    -----
    The data are those of the package arch (Kevin Sheppard, NCSA licence): the indices come from Yahoo Finance, oil and
    the VIX from FRED.
    """
    key = name.lower()
    if key not in _CLOSES:
        raise DataError(f"there is no built-in series {name!r}; the names are {', '.join(NAMES)}")
    raw: pd.DataFrame = importlib.import_module(f"arch.data.{key}").load()
    closes = raw[[_CLOSES[key]]].dropna().astype("float64")
    dates = pd.DatetimeIndex(closes.index, name="date").as_unit("us")  # as all prices here have them
    return closes.set_axis([key.upper()], axis=1).set_axis(dates, axis=0)
