"""How much of the best backtest is selection: the probability of overfitting and the deflated Sharpe ratio."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tsgan.errors import ConfigError, DataError

__all__ = [
    "below_median",
    "deflated_sharpe_ratio",
    "probabilistic_sharpe_ratio",
    "probability_of_backtest_overfitting",
]

Bools: TypeAlias = npt.NDArray[np.bool_]
Floats: TypeAlias = npt.NDArray[np.float64]

BLOCKS = 16  # of the cross-validation, as in the paper: 12,870 ways to choose half of them
_MAX_BLOCKS = 20  # 184,756 ways; two more would be 705,432
_ROUNDING = 1e-9  # returns that differ by less of the largest are constant
_EULER = 0.5772156649015329
_NORMAL = NormalDist()


def probability_of_backtest_overfitting(returns: pd.DataFrame, blocks: int = BLOCKS) -> float:
    """Probability that the variant with the best backtest is no better than the median variant afterwards.

    Combinatorially symmetric cross-validation: time is cut into blocks, each way to choose half of them is a backtest,
    and the other half is what comes afterwards. The probability is the share of these ways in which the variant of the
    highest Sharpe ratio in the one half is at or below the median of the variants in the other, which is where the
    logit of its relative rank is at most 0. .5 if the choice says nothing (of an even number of variants; of three 2/3,
    as the median itself counts), 0 if one variant is always the best, and up to 1 if what did well does badly later.

    Parameters
    ----------
    returns : DataFrame (time, variants)
        Returns a step of at least two variants over the same dates.
    blocks : int
        Even number of blocks, 2 to 20, as long as each other up to one step.

    Returns
    -------
    float
        A constant half has a Sharpe ratio of 0 here.

    Raises
    ------
    DataError
        There are fewer than two variants or two steps a block, or a return is no finite number.
    ConfigError
        The number of blocks is not possible.

    Source: Bailey, Borwein, López de Prado and Zhu (2017), The probability of backtest overfitting, Journal of
    Computational Finance 20, section 2.
    """
    values = _trials(returns, blocks)
    parts = np.array_split(values - values.mean(axis=0), blocks)  # centred: sums of squares lose nothing to the mean
    counts = np.array([[len(part)] for part in parts], dtype=np.float64)
    sums = np.array([part.sum(axis=0) for part in parts])
    squares = np.array([(part**2).sum(axis=0) for part in parts])
    rounding = np.maximum(1e-12 * values.var(axis=0), (_ROUNDING * np.abs(values).max(axis=0)) ** 2)

    def sharpe(chosen: Floats) -> Floats:
        n = chosen @ counts
        mean = chosen @ sums / n
        variance = (chosen @ squares - n * mean**2) / (n - 1)
        moves = variance > rounding
        return np.asarray(np.where(moves, values.mean(axis=0) + mean, 0) / np.sqrt(np.where(moves, variance, 1)))

    inside = _halves(blocks)
    best = sharpe(inside).argmax(axis=1)
    return float(np.take_along_axis(below_median(sharpe(1 - inside)), best[:, None], axis=1).mean())


def probabilistic_sharpe_ratio(
    sharpe: float, n_obs: int, skew: float = 0.0, kurtosis: float = 3.0, benchmark: float = 0.0
) -> float:
    """Probability that the true Sharpe ratio is above a benchmark, given the estimate and the law of the returns.

    Parameters
    ----------
    sharpe, benchmark : float
        Sharpe ratio a step, estimated and to be exceeded; an annual one divided by the root of the steps in a year.
    n_obs : int
        Returns that the estimate is from, at least 2.
    skew, kurtosis : float
        Of the returns; the kurtosis is 3 for the normal law.

    Returns
    -------
    float

    Raises
    ------
    ConfigError
        There are too few returns, or no law has this skewness and kurtosis.

    Source: Bailey and López de Prado (2012), The Sharpe ratio efficient frontier, Journal of Risk 15, equation 11.
    """
    if n_obs < 2:
        raise ConfigError(f"n_obs must be 2 or more returns, not {n_obs}")
    if not kurtosis >= (1 + skew**2) * (1 - 1e-9):  # also true of NaN
        raise ConfigError(
            f"kurtosis must be at least 1 + skew², here {1 + skew**2:.4g}, not {kurtosis:.4g}; is it the excess over 3?"
        )
    variance = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2  # of the estimate, times the number of returns
    distance = (sharpe - benchmark) * (n_obs - 1) ** 0.5
    return _NORMAL.cdf(distance / max(variance, 1e-12) ** 0.5)  # 0 of a law with two values


def deflated_sharpe_ratio(
    sharpe: float, n_trials: float, sharpe_variance: float, n_obs: int, skew: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Probability that the true Sharpe ratio is above what the best of several worthless trials would show.

    The benchmark of `probabilistic_sharpe_ratio` is the expected maximum of the trials' Sharpe ratios when all true
    ones are 0: sd ((1 - g) z(1 - 1/N) + g z(1 - 1/(N e))), with Euler's constant g and the normal quantile z; 0 of one
    trial.

    Parameters
    ----------
    sharpe : float
        Sharpe ratio a step of the variant chosen.
    n_trials : float
        Independent trials N that it was chosen from, at least 1.
    sharpe_variance : float
        Variance of the trials' Sharpe ratios a step; an annual one divided by the steps in a year.
    n_obs, skew, kurtosis
        See `probabilistic_sharpe_ratio`.

    Returns
    -------
    float

    Raises
    ------
    ConfigError
        A number is not possible.

    Source: Bailey and López de Prado (2014), The deflated Sharpe ratio, Journal of Portfolio Management 40.
    """
    if not (n_trials >= 1 and sharpe_variance >= 0):
        raise ConfigError(
            f"n_trials must be 1 or more and sharpe_variance 0 or more, not {n_trials:g} and {sharpe_variance:g}"
        )
    benchmark = sharpe_variance**0.5 * _expected_maximum(n_trials)
    return probabilistic_sharpe_ratio(sharpe, n_obs, skew, kurtosis, benchmark)


def _expected_maximum(n: float) -> float:
    """Approximate mean of the largest of n standard normal numbers."""
    if n == 1:
        return 0.0
    quantile = _NORMAL.inv_cdf
    return max(0.0, (1 - _EULER) * quantile(1 - 1 / n) + _EULER * quantile(1 - 1 / (n * np.e)))


@lru_cache(maxsize=2)
def _halves(blocks: int) -> Floats:
    """All ways to choose half of the blocks, (ways, blocks), 1 where chosen."""
    chosen = np.array(list(combinations(range(blocks), blocks // 2)))
    halves = np.zeros((len(chosen), blocks))
    np.put_along_axis(halves, chosen, 1, axis=1)
    return halves


def below_median(sharpes: Floats) -> Bools:
    """Where a variant is at or below the median variant of its row: (n, variants)."""
    return np.asarray(sharpes <= np.median(sharpes, axis=1, keepdims=True))


def _trials(returns: pd.DataFrame, blocks: int) -> Floats:
    if blocks not in range(2, _MAX_BLOCKS + 1, 2):
        raise ConfigError(f"blocks must be an even number from 2 to {_MAX_BLOCKS}, not {blocks!r}")
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2:
        raise DataError(f"overfitting is a matter of choice: expected (time, 2 or more variants), got {values.shape}")
    if len(values) < 2 * blocks:
        raise DataError(
            f"{blocks} blocks of at least 2 steps need {2 * blocks} common returns of the variants, there are "
            f"{len(values)}; use a longer history or a shorter warm-up"
        )
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise DataError(f"{bad:,} of {values.size:,} returns are missing or infinite; keep the steps that all have")
    return values
