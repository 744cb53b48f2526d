"""From a condition to a scene: where paths may start, which covariates surround them, and which goals they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from tsgan.conditioning import Scene
from tsgan.conditions import Wish
from tsgan.covariates import Covariates
from tsgan.errors import ConfigError
from tsgan.events import Goal, columns_of, fact
from tsgan.law import Law
from tsgan.regimes import NAMES, Regimes
from tsgan.returns import Floats
from tsgan.scenarios import find_period
from tsgan.season import Season

Missing: TypeAlias = Literal["ignore", "history", "error"]
MISSING = ("ignore", "history", "error")

_LEAST_STEPS = 5  # of a path whose volatility means anything
_SIMILAR = 0.05  # share of the days whose covariates are most like the last known ones


class Known(NamedTuple):
    """What a model knows of its market."""

    law: Law
    states: torch.Tensor
    """(time + 1, assets, 3, half-lives) before each known step and after the last; 5 rows where covariates are given"""
    returns: Floats
    """(time, assets) log returns"""
    dates: pd.DatetimeIndex
    """(time + 1,)"""
    covariates: Covariates
    inputs: Floats
    """(time + 1, inputs) covariates known before each step and after the last"""
    season: Season
    periods_per_year: float


def scene_of(
    known: Known,
    wish: Wish,
    like: str | None,
    after: torch.Tensor | None,
    last: bool,
    missing: Missing,
    dates: pd.DatetimeIndex,
) -> Scene:
    """Set the scene of a wish.

    Parameters
    ----------
    like : a period of the data that paths are to be like
    after : (1, assets, 3 or 5, half-lives) state at the end of a history from which all paths start, or None
    last : whether they all start from the last known state
    missing : what to do about covariates that nothing is said about
    dates : (length,) of the paths

    Raises
    ------
    ConfigError
        Something that is asked for does not exist.
    """
    given = known.covariates.over(wish.covariates, dates)
    silent = [name for name in known.covariates.names if name not in wish.covariates]
    one_place = last or after is not None
    if like is not None:
        period = find_period(like, known.dates)
        steps = period.start + np.arange(len(dates)) % (period.stop - period.start)
        given += known.inputs[steps] * known.covariates.is_input_of(silent)
        rows, silent = np.array([period.start]), []
    else:
        rows = np.array([len(known.returns)]) if one_place else _rows_of_regime(known, wish.regime)
    if silent and missing == "error":
        raise ConfigError(
            f"the model was fitted with covariates and nothing is said about {', '.join(silent)}; give them in the "
            "condition, or let missing be 'ignore' or 'history'"
        )
    states, history = known.states[torch.as_tensor(rows)] if after is None else after, None
    if silent and missing == "history":
        history = known.inputs * known.covariates.is_input_of(silent)
        if one_place:
            rows = _similar(history)
            states = states.expand(len(rows), *states.shape[1:])
    return Scene(
        known.law,
        states,
        _drift(known, wish.trends),
        known.season,
        dates,
        _tensor(known, given) if given.any() or history is not None else None,
        None if history is None else _tensor(known, history),
        None if history is None else torch.as_tensor(rows, device=known.law.device),
    )


def goals_of(known: Known, wish: Wish, like: str | None, length: int) -> tuple[Goal, ...]:
    """Goals of a wish, those of its regime or period included.

    Raises
    ------
    ConfigError
        Paths are too short to have a volatility, or goals contradict each other.
    """
    goals = wish.goals
    volatilities = [goal for goal in goals if goal.fact == "volatility"]
    if volatilities and length < _LEAST_STEPS:
        raise ConfigError(f"paths of {length} steps have no volatility; ask for it with length {_LEAST_STEPS} or more")
    if wish.regime is not None and length >= _LEAST_STEPS:
        low, high = _regimes(known).bounds(wish.regime)
        clash = next((g for g in volatilities if g.asset is None and (g.low > high or g.high < low)), None)
        if clash:
            raise ConfigError(
                f"the volatility of regime {wish.regime} lies between {low:.3g} and {high:.3g}, not at "
                f"{clash.low:g}; leave out one of them"
            )
        goals += (Goal("volatility", None, low, high),)
    elif like is not None and not volatilities and length >= _LEAST_STEPS:
        period = find_period(like, known.dates)
        goal = Goal("volatility", None, 0, 0)
        value = float(fact(known.returns[None, period], goal, known.periods_per_year)[0])
        goals += (goal._replace(low=value, high=value),)
    if wish.each and goals:
        raise ConfigError("a return for each path cannot be combined with other facts, a regime or a period")
    return goals


def _regimes(known: Known) -> Regimes:
    return Regimes.of(known.returns, known.periods_per_year)


def _rows_of_regime(known: Known, regime: str | None) -> NDArray[np.int64]:
    """Known steps that paths may start before."""
    rows = np.arange(len(known.returns))
    return rows if regime is None else rows[_regimes(known).labels[:-1] == NAMES.index(regime)]


def _similar(inputs: Floats) -> NDArray[np.int64]:
    """Rows whose inputs are most like those of the last row."""
    distance = np.linalg.norm(inputs[:-1] - inputs[-1], axis=1)
    return np.argsort(distance, kind="stable")[: max(1, round(_SIMILAR * len(distance)))]


def _drift(known: Known, trends: Sequence[tuple[int | None, float]]) -> Floats:
    """What is added to every log return, (assets,), so that its mean is the trend that is asked for."""
    mean = known.season.mean_of(known.law.drift)
    added = np.zeros(len(mean))
    for asset, trend in trends:
        chosen = columns_of(asset)
        added[chosen] = trend / known.periods_per_year - mean[chosen].mean()
    return added


def _tensor(known: Known, values: Floats) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float32, device=known.law.device)
