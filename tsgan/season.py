"""How the volatility of a bar depends on its time of the week, where bars are shorter than a day.

A session's first bar holds the night, its middle is calm, a currency sleeps with its traders: up to a factor of ten
that comes again every day and would otherwise be taken for news (Andersen and Bollerslev 1997, Journal of Empirical
Finance 4). The law is learned from returns without it, and paths get it back at the dates that they run through.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsgan.calendars import EPOCH_WEEKDAY, TICKS_PER_SECOND, Calendar, WeeklyPattern
from tsgan.returns import Floats

_AROUND = 2  # weeks of bars whose mean square says how volatile the market is in the middle of them
_CREDIT = 10.0  # bars at a time of the day before its own mean counts as much as that of all bars
_WEEK_CREDIT = 100.0  # bars at a time of the week before it counts as much as that time of all days
_MOST = 100.0  # times the usual volatility, and its inverse: beyond them is no bar of a market
_DAY, _WEEK = 86_400, 7 * 86_400


class Season(NamedTuple):
    """Factors of the volatility at every time of the week; none for daily bars and longer ones."""

    times: NDArray[np.int64]
    """(times,) seconds since Monday 00:00, ascending"""
    factors: Floats
    """(times, assets) relative to the usual volatility; their squares are 1 in the mean over the bars they come from"""
    mean: Floats
    """(assets,) log return of a bar, which the factors leave alone"""

    @classmethod
    def none(cls, assets: int) -> Self:
        """Of bars that are all alike."""
        return cls(np.zeros(0, dtype=np.int64), np.ones((0, assets)), np.zeros(assets))

    @classmethod
    def of(cls, returns: Floats, dates: pd.DatetimeIndex, calendar: Calendar) -> Self:
        """Measure (time, assets) log returns of the bars that end at dates.

        Squares are taken relative to those of the weeks around them, so that a crisis counts like any other time. The
        factor of a time of the week is drawn towards that of the same time on all days, and that one towards 1, the
        more the fewer bars there are.
        """
        times, mean = _times_of_week(calendar), returns.mean(axis=0)
        if not len(times):
            return cls.none(returns.shape[1])
        squares = np.square(returns - mean)
        around = pd.DataFrame(squares).rolling(_AROUND * len(times), min_periods=1, center=True).mean().to_numpy()
        relative = np.divide(squares, around, out=np.ones_like(squares), where=around > 0)
        days, day = np.unique(times % _DAY, return_inverse=True)
        place = _places(_seconds(dates), times)
        known = place >= 0
        of_day = _means(relative[known], day[place[known]], np.ones((len(days), 1)), _CREDIT)
        of_week = _means(relative[known], place[known], of_day[day], _WEEK_CREDIT)
        season = cls(times, np.sqrt(of_week), mean)
        usual = np.sqrt(np.square(season.at(dates)).mean(axis=0))
        return season._replace(factors=(season.factors / usual).clip(1 / _MOST, _MOST))

    def at(self, dates: pd.DatetimeIndex) -> Floats:
        """Factors of the bars that end at dates, (time, assets); 1 at a time of the day that there has not been."""
        factors = np.concatenate((self.factors, np.ones((1, self.factors.shape[1]))))
        return np.asarray(factors[_places(_seconds(dates), self.times)])

    def without(self, returns: Floats, dates: pd.DatetimeIndex) -> Floats:
        """Log returns as they would be at a usual time: (time, assets)."""
        return self.mean + (returns - self.mean) / self.at(dates) if len(self.times) else returns

    def back(self, returns: Floats, dates: pd.DatetimeIndex) -> Floats:
        """Invert :meth:`without`, for (..., time, assets) returns or quantiles of them."""
        return self.mean + (returns - self.mean) * self.at(dates) if len(self.times) else returns

    def describe(self) -> dict[str, float]:
        """Mean factor over days and assets at every time of the day, such as {"09:30": 2.1}."""
        clock = self.times % _DAY
        return {
            f"{time // 3600:02d}:{time // 60 % 60:02d}": float(self.factors[clock == time].mean())
            for time in np.unique(clock).tolist()
        }

    @property
    def is_possible(self) -> bool:
        """Whether it can have been measured: times ascend within a week, and no bar is beyond what markets have."""
        times, factors = self.times, self.factors
        ascending = bool((np.diff(times) > 0).all()) and bool(((times >= 0) & (times < _WEEK)).all())
        return ascending and bool(((factors >= 1 / _MOST) & (factors <= _MOST)).all())


def _times_of_week(calendar: Calendar) -> NDArray[np.int64]:
    """Times of a week's bars in seconds, where there are several a day; otherwise none."""
    if not isinstance(calendar.rule, WeeklyPattern):
        return np.zeros(0, dtype=np.int64)
    times = np.unique(np.asarray(calendar.rule.slots, dtype=np.int64) // TICKS_PER_SECOND[calendar.unit])
    return times if len(np.unique(times % _DAY)) > 1 else times[:0]


def _seconds(dates: pd.DatetimeIndex) -> NDArray[np.int64]:
    """Seconds since Monday 00:00 by the clock on the wall."""
    ticks = dates.tz_localize(None).as_unit("s").to_numpy().view(np.int64)
    return np.asarray((ticks + EPOCH_WEEKDAY * _DAY) % _WEEK)


def _places(seconds: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Place of each among the times, of one at the same time of another day if it is none, and -1 if there is none."""
    place = np.full(len(seconds), -1)
    for one, other in ((seconds % _DAY, times % _DAY), (seconds, times)):
        known, first = np.unique(other, return_index=True)
        at = np.minimum(np.searchsorted(known, one), len(known) - 1)
        if len(known):
            place = np.where(known[at] == one, first[at], place)
    return place


def _means(values: Floats, group: NDArray[np.int64], prior: Floats, credit: float) -> Floats:
    """Mean of each group, drawn in logs towards a prior that counts as so many values: (groups, assets)."""
    groups, assets = len(prior), values.shape[1]
    sums = np.stack([np.bincount(group, values[:, k], groups) for k in range(assets)], axis=1)
    count = np.bincount(group, minlength=groups)[:, None]
    means = np.divide(sums, count, out=np.ones_like(sums), where=count > 0)
    logs = np.log(means.clip(1 / _MOST**2))  # there may be bars that never move
    return np.asarray(np.exp((count * logs + credit * np.log(prior)) / (count + credit)))
