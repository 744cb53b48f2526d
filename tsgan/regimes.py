"""Calm, normal and stressed times of a history, by the volatility of the month before."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsgan.calendars import iso
from tsgan.returns import Floats

NAMES = ("calm", "normal", "stressed")
_QUANTILES = (0.3, 0.9)  # of the volatility, between the regimes
_MONTH = 21


class Regimes(NamedTuple):
    """Regimes of a history, by the realised volatility of the assets' mean return over the last 21 steps."""

    borders: tuple[float, float]
    """Annualised volatilities between calm and normal, normal and stressed: the 30 and 90 % quantiles"""
    labels: NDArray[np.int64]
    """(time + 1,) position in NAMES of the regime before each step and after the last; as usual before 21 steps"""

    @classmethod
    def of(cls, returns: Floats, periods_per_year: float) -> Self:
        """Find the regimes of (time, assets) log returns."""
        squares = pd.Series(returns.mean(axis=1) ** 2)
        volatility = np.sqrt(squares.rolling(_MONTH).mean().to_numpy() * periods_per_year)
        low, high = (float(q) for q in np.nanquantile(volatility, _QUANTILES))
        labels = np.searchsorted((low, high), np.insert(volatility, 0, np.nan), side="left")
        labels[:_MONTH] = 1
        return cls((low, high), labels)

    def bounds(self, name: str) -> tuple[float, float]:
        """Annualised volatilities that a path of a regime lies between."""
        edges = (0.0, *self.borders, np.inf)
        position = NAMES.index(name)
        return edges[position], edges[position + 1]

    def describe(self, dates: pd.DatetimeIndex) -> dict[str, Any]:
        """The present regime; bounds, share of the days, mean length and longest stretch of each: plain values."""
        starts = np.flatnonzero(np.diff(self.labels, prepend=-1))
        kinds, lengths = self.labels[starts], np.diff(np.append(starts, len(self.labels)))
        now = {"regime": NAMES[self.labels[-1]], "since": iso(dates[starts[-1]])}
        description: dict[str, Any] = {"now": now}
        for position, name in enumerate(NAMES):
            mine = np.flatnonzero(kinds == position)
            low, high = self.bounds(name)
            steps = int(lengths[mine].sum())
            description[name] = {
                "volatility": [round(low, 4), None if np.isinf(high) else round(high, 4)],
                "share": round(steps / len(self.labels), 3),
                "stretches": len(mine),
                "mean_steps": round(steps / len(mine), 1) if len(mine) else None,
                "persistence": round(1 - len(mine) / steps, 4) if steps else None,
                "longest": _stretch(dates, starts[mine], lengths[mine]),
            }
        return description


def _stretch(dates: pd.DatetimeIndex, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[str] | None:
    if not len(starts):
        return None
    longest = int(lengths.argmax())
    first = int(starts[longest])
    return [iso(dates[first]), iso(dates[first + int(lengths[longest]) - 1])]
