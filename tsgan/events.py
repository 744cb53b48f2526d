"""Facts of a path that it can be asked for, and how far a path is from having them.

A goal bounds a fact, ends included. A value is a goal of no width, which no path has by chance: where a path comes very
near, the rest is made up by moving every step alike, by less than chance moves the fact itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tsgan.returns import Floats

FACTS = ("return", "drawdown", "volatility", "trend")
NEAR = 0.1  # of the fact's deviation, how near a path must come to a value; a step of a year moves by 1/160 of its own
_NEAR_VOLATILITY = 0.1  # in logs: the level of the volatility is uncertain by far more
_ROUNDING = 1e-9
_NEARLY = 2e-3  # what values of a portfolio may miss: it is not quite linear in the returns of its assets


class Goal(NamedTuple):
    """Bounds of a fact of one asset or, for None, of equal money in all of them, held from the start."""

    fact: str
    asset: int | None
    low: float
    high: float

    @property
    def is_value(self) -> bool:
        """Whether the fact must have one value; no drawdown can, only be 0."""
        return self.low == self.high and self.fact != "drawdown"


def fact(returns: Floats, goal: Goal, periods_per_year: float) -> Floats:
    """Measure the fact of a goal.

    (n, length, assets) log returns -> (n,): simple return from the start price, largest drawdown as a share of the
    highest price before it, annualised standard deviation, annualised mean of the log returns.
    """
    r = _series(returns, goal.asset)
    if goal.fact == "return":
        return np.asarray(np.expm1(r.sum(axis=1)))
    if goal.fact == "volatility":
        return np.asarray(r.std(axis=1) * periods_per_year**0.5)
    if goal.fact == "trend":
        return np.asarray(r.mean(axis=1) * periods_per_year)
    return max_drawdown(r)


def max_drawdown(returns: Floats) -> Floats:
    """Deepest fall of the price from its highest level before, the start included, as a share: (n, length) -> (n,)."""
    log_price = np.pad(returns.cumsum(axis=1), ((0, 0), (1, 0)))
    return np.asarray(-np.expm1((log_price - np.maximum.accumulate(log_price, axis=1)).min(axis=1)))


class Aim:
    """Several goals together, for paths of one length.

    Parameters
    ----------
    goals : what is asked for
    pilot : (n, length, assets) log returns of paths on which nothing was asked; they say what is much for each fact
    periods_per_year : steps in a year
    """

    def __init__(self, goals: tuple[Goal, ...], pilot: Floats, periods_per_year: float) -> None:
        self.goals, self.periods_per_year = goals, periods_per_year
        natural = [_natural(goal.fact, fact(pilot, goal, periods_per_year)) for goal in goals]
        self.scales = [max(float(values.std()), 1e-12) for values in natural]
        values = [goal for goal in goals if goal.is_value]
        # each leaves those before it as they are, but for a portfolio whose assets are moved one by one
        self._values = sorted(values, key=lambda goal: (goal.fact != "volatility", goal.asset is not None))
        self._assets = pilot.shape[2]

    def adjust(self, returns: Floats) -> Floats:
        """Take paths that are very near a value onto it, and leave all others as they are."""
        if self._values:
            returns = returns.copy()
        for _ in range(1 + len(self._values)):
            for goal in self._values:
                chosen = columns_of(goal.asset)
                miss = self._miss(returns, goal)
                miss = np.where(np.abs(miss) <= self._near(goal), miss, 0.0)[:, None, None]
                if goal.fact == "volatility":
                    centre = returns[:, :, chosen].mean(axis=1, keepdims=True)
                    returns[:, :, chosen] = centre + (returns[:, :, chosen] - centre) * np.exp(-miss)
                else:
                    steps = returns.shape[1] if goal.fact == "return" else self.periods_per_year
                    returns[:, :, chosen] -= miss / steps
        return returns

    def distance(self, returns: Floats) -> Floats:
        """Measure how far paths are from all goals, in deviations of the fact that is farthest; 0 where all are met.

        (n, length, assets) -> (n,)
        """
        farthest = np.zeros(len(returns))
        for goal, scale in zip(self.goals, self.scales, strict=True):
            miss = np.abs(self._miss(returns, goal))
            farthest = np.maximum(farthest, np.where(miss <= self._tolerance(goal), 0, miss / scale))
        return farthest

    def _near(self, goal: Goal) -> float:
        """How near a path must come to a value to be taken onto it, in the fact's natural unit."""
        if goal.fact == "volatility":
            return _NEAR_VOLATILITY
        return NEAR * self.scales[self.goals.index(goal)]

    def _tolerance(self, goal: Goal) -> float:
        """What a path that was taken onto a value may miss it by, in the fact's natural unit."""
        if not goal.is_value:
            return 0.0
        shifted_alone = goal.fact != "volatility" and len(self._values) == 1
        if goal.asset is not None or self._assets == 1 or shifted_alone:
            return _ROUNDING
        return min(_NEARLY, 0.1 * self._near(goal))

    def _miss(self, returns: Floats, goal: Goal) -> Floats:
        """Signed way from the bounds in the fact's natural unit; exactly 0 within them."""
        value = fact(returns, goal, self.periods_per_year)
        within = (value >= goal.low) & (value <= goal.high)
        nearest = _natural(goal.fact, np.clip(value, goal.low, goal.high))
        return np.where(within, 0.0, _natural(goal.fact, value) - nearest)


def columns_of(asset: int | None) -> slice:
    """Positions of one asset or, for None, of all of them."""
    return slice(None) if asset is None else slice(asset, asset + 1)


def portfolio(returns: Floats) -> Floats:
    """Log returns of equal money in all assets, held from the start: (n, length, assets) -> (n, length)."""
    if returns.shape[2] == 1:
        return returns[:, :, 0]
    value = np.log(np.exp(returns.cumsum(axis=1)).mean(axis=2))
    return np.diff(value, axis=1, prepend=0)


def _series(returns: Floats, asset: int | None) -> Floats:
    return portfolio(returns) if asset is None else returns[:, :, asset]


def _natural(name: str, values: Floats) -> Floats:
    """Scale on which a fact has no bounds, or nearly none."""
    if name == "return":
        return np.log1p(np.maximum(values, -1 + 1e-12))
    if name == "volatility":
        return np.log(np.maximum(values, 1e-12))
    return -np.log1p(-np.minimum(values, 1 - 1e-12)) if name == "drawdown" else values
