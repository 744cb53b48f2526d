"""How the volatility of a bar depends on its time of the week, where bars are shorter than a day or weekends trade.

A session's first bar holds the night, its middle is calm, a currency sleeps with its traders: up to a factor of ten
that comes again every day and would otherwise be taken for news (Andersen and Bollerslev 1997, Journal of Empirical
Finance 4). Days differ too where there are more than five a week: coins are calmer at weekends, the few hours of a
currency's Sunday are a bar of their own. The law is learned from returns without it, and paths get it back at the
dates that they run through.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsgan.calendars import EPOCH_WEEKDAY, TICKS_PER_SECOND, WEEKDAYS, Calendar, WeeklyPattern
from tsgan.returns import Floats

_AROUND = 2  # weeks of bars whose mean square says how volatile the market is in the middle of them
_LARGEST = 25.0  # times their mean that a square counts for at most: one jump says little about its time of the week
_SPREAD = 0.3  # variance of the log mean square between times of day, against which errors of the mean are weighed
_WEEK_SPREAD = 0.1  # the same between days of the week at one time of day
_STILL = 0.5  # share of bars at a time or on a day that do not move, beyond which the law is left to deal with them
_MOST = 100.0  # times the usual volatility, and its inverse: beyond them is no bar of a market
_DAY, _WEEK = 86_400, 7 * 86_400
_BUSINESS_DAYS = 5  # a week; the days of such markets are alike but for what their number of bars cannot tell


class Season(NamedTuple):
    """Factors of the volatility at every time of the week; none for business days and longer bars."""

    times: NDArray[np.int64]
    """(times,) seconds since Monday 00:00, ascending; of daily bars those at which their days begin"""
    factors: Floats
    """(times, assets) relative to the usual volatility; their squares are 1 in the mean over the bars they come from"""
    lift: Floats
    """(assets,) what every log return gets back beside them, so that the mean is that of the data: wild bars may earn
    more than others"""

    @classmethod
    def none(cls, assets: int) -> Self:
        """Of bars that are all alike."""
        return cls(np.zeros(0, dtype=np.int64), np.ones((0, assets)), np.zeros(assets))

    @classmethod
    def of(cls, returns: Floats, dates: pd.DatetimeIndex, calendar: Calendar) -> Self:
        """Measure (time, assets) log returns of the bars that end at dates.

        Squares are taken relative to those of the weeks around them, so that a crisis counts like any other time. The
        factor of a time of the week is drawn towards that of the same time on all days, and that one towards 1, the
        more the fewer bars there are and the more their squares differ. Assets that stand still at some hour or on
        some day have none.
        """
        times, assets = _times_of_week(calendar), returns.shape[1]
        if not len(times):
            return cls.none(assets)
        squares = np.square(returns)
        around = pd.DataFrame(squares).rolling(_AROUND * len(times), min_periods=1, center=True).mean().to_numpy()
        relative = np.divide(squares, around, out=np.ones_like(squares), where=around > 0)
        days, day = np.unique(times % _DAY, return_inverse=True)
        place = _places(_seconds(dates), times)
        relative, place = relative[place >= 0], place[place >= 0]
        one = np.ones((len(days), assets))
        spread, relative = relative.var(axis=0).clip(min=1.0), relative.clip(max=_LARGEST)
        of_day = _means(relative, day[place], one, spread / _SPREAD)
        of_week = _means(relative, place, of_day[day], spread / _WEEK_SPREAD)
        stands = pd.DataFrame(relative == 0)
        still = [(stands.groupby(by).mean() > _STILL).any() for by in (day[place], times[place] // _DAY)]
        season = cls(times, np.where(np.any(still, axis=0), 1.0, np.sqrt(of_week)), np.zeros(assets))
        usual = np.sqrt(np.square(season.at(dates)).mean(axis=0))
        season = season._replace(factors=(season.factors / usual).clip(1 / _MOST, _MOST))
        earned = season.mean_of(season.without(returns, dates).mean(axis=0))
        return season._replace(lift=returns.mean(axis=0) - earned)

    def at(self, dates: pd.DatetimeIndex) -> Floats:
        """Factors of the bars that end at dates, (time, assets); 1 at a time of the day that there has not been."""
        factors = np.concatenate((self.factors, np.ones((1, self.factors.shape[1]))))
        return np.asarray(factors[_places(_seconds(dates), self.times)])

    def without(self, returns: Floats, dates: pd.DatetimeIndex) -> Floats:
        """Log returns as they would be at a usual time: (time, assets)."""
        return returns / self.at(dates) if len(self.times) else returns

    def back(self, returns: Floats, dates: pd.DatetimeIndex) -> Floats:
        """Give usual log returns (..., time, assets), or quantiles of them, the season of their dates."""
        return returns * self.at(dates) + self.lift if len(self.times) else returns

    def mean_of(self, mean: Floats) -> Floats:
        """Mean log return a bar, over a week, that a usual mean log return becomes: (assets,)."""
        return mean * self.factors.mean(axis=0) + self.lift if len(self.times) else mean

    def by_time_of_day(self) -> dict[str, float]:
        """Mean factor over days and assets at every time of the day, such as {"09:30": 2.1}; empty for daily bars."""
        if (self.times % _DAY == 0).all():
            return {}
        clock = pd.to_timedelta(self.times % _DAY, unit="s")
        means = pd.Series(self.factors.mean(axis=1)).groupby(clock).mean()
        return {str(time)[-8:].removesuffix(":00"): float(mean) for time, mean in means.items()}

    def by_day_of_week(self) -> dict[str, float]:
        """Mean factor over times and assets on every day of the week, such as {"Sat": 0.8}."""
        mean, day = self.factors.mean(axis=1), self.times // _DAY
        return {WEEKDAYS[one]: float(mean[day == one].mean()) for one in np.unique(day)}

    @property
    def is_possible(self) -> bool:
        """Whether it can have been measured: times ascend within a week, and no bar is beyond what markets have."""
        times, factors = self.times, self.factors
        ascending = bool((np.diff(times) > 0).all()) and bool(((times >= 0) & (times < _WEEK)).all())
        return ascending and bool(((factors >= 1 / _MOST) & (factors <= _MOST)).all())


def _times_of_week(calendar: Calendar) -> NDArray[np.int64]:
    """Times of a week's bars in seconds, where there are several a day; beginnings of more than five days; or none."""
    if not isinstance(calendar.rule, WeeklyPattern):
        return np.zeros(0, dtype=np.int64)
    times = np.unique(np.asarray(calendar.rule.slots, dtype=np.int64) // TICKS_PER_SECOND[calendar.unit])
    days = np.unique(times // _DAY)
    if len(times) > 1.5 * len(days):  # daily bars change their hour
        return times
    return days * _DAY if len(days) > _BUSINESS_DAYS else times[:0]


def _seconds(dates: pd.DatetimeIndex) -> NDArray[np.int64]:
    """Seconds since Monday 00:00 by the clock on the wall."""
    ticks = dates.tz_localize(None).as_unit("s").to_numpy().view(np.int64)
    return np.asarray((ticks + EPOCH_WEEKDAY * _DAY) % _WEEK)


def _places(seconds: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Place of each among the times, of one at the same time of another day if it is none, and -1 if there is none."""
    if (times % _DAY == 0).all():  # daily bars
        seconds = seconds - seconds % _DAY
    place = np.full(len(seconds), -1)
    for one, other in ((seconds % _DAY, times % _DAY), (seconds, times)):
        known, first = np.unique(other, return_index=True)
        at = np.minimum(np.searchsorted(known, one), len(known) - 1)
        if len(known):
            place = np.where(known[at] == one, first[at], place)
    return place


def _means(values: Floats, group: NDArray[np.int64], prior: Floats, credit: Floats) -> Floats:
    """Mean of each group, drawn in logs towards a prior that counts as so many values: (groups, assets)."""
    means, count = _plain_means(values, group, len(prior))
    logs = np.log(means.clip(1 / _MOST**2))
    return np.asarray(np.exp((count * logs + credit * np.log(prior)) / (count + credit)))


def _plain_means(values: Floats, group: NDArray[np.int64], groups: int) -> tuple[Floats, NDArray[np.int64]]:
    """Mean of each group, 1 of an empty one, and its size: (groups, assets), (groups, 1)."""
    sums = np.stack([np.bincount(group, column, groups) for column in values.T], axis=1)
    count = np.bincount(group, minlength=groups)[:, None]
    return np.divide(sums, count, out=np.ones_like(sums), where=count > 0), count
