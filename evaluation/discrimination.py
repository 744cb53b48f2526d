"""Whether a classifier can tell synthetic windows from real ones: better than guessing on windows it has not seen.

Every path is cut in two halves in time. A classifier learns from windows of one half which side they come from and is
asked about windows of the other half; then the halves change places. Both sides have equal weight, so that guessing
is right half of the time, and the distance is |accuracy - .5|. A side is summarised by 100 windows of each half, taken
evenly over their volatility, so that their choice has no chance in it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tsgan.errors import DataError

__all__ = [
    "MIN_RETURNS",
    "MIN_STEPS",
    "boosting_distance",
    "path_statistics",
    "recurrent_distance",
    "recurrent_states",
    "volatility_spread",
]

Floats: TypeAlias = npt.NDArray[np.float64]

STEPS, STRIDE = 50, 25  # of a window, and between the starts of windows
WINDOWS = 100  # of each half that a side is summarised by
MIN_STEPS, MIN_RETURNS = 2 * STEPS, 40 * STRIDE  # a window in each half, and 20 windows in each of a single path
UNITS = 32  # of the recurrent network
TREES = 20
NO_DEVIATION = 1e-10  # of the mean: a smaller deviation is the rounding of a constant series
_CALMEST = 1e-3  # of the deviation of all returns: a calmer window, such as a price that stood still, counts as so
_RIDGE = 0.01


def path_statistics(returns: Floats) -> Floats:
    """Fourteen statistics of 100 windows of each half, means over assets.

    They are the volatility, sum, extremes, skewness and kurtosis of a window, its autocorrelations, leverage, trend of
    volatility and drawdown, and the mean correlation of its assets.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step, at least 100 a path.

    Returns
    -------
    array (1, 2 x 100 x 14)
        NaN where an asset is constant or not finite.
    """
    summary = _halves(_summary(returns, _statistics))
    summary[..., 0] += np.log(_deviations(returns)).mean()
    return summary.reshape(1, -1)


def recurrent_states(returns: Floats) -> Floats:
    """What a small gated recurrent unit (GRU) remembers of 100 windows of each half.

    It reads the mean over assets of r and of |r|, in standard deviations of all returns. Its recurrent weights are
    random and fixed, only the read-out is trained: with some hundred windows that tells two laws apart as well as a GRU
    that is trained throughout, in a sixtieth of the time (docs/experiments.md).

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step, at least 100 a path.

    Returns
    -------
    array (1, 2 x 100 x 97)
        Log volatility, mean state, last state and mean product of following states; NaN where an asset is constant
        or not finite.

    Source: Cho et al. (2014) for the unit; Jaeger (2001) for random recurrent weights with a trained read-out.
    """
    return _summary(returns, _states)


def boosting_distance(real: Floats, synthetic: Floats) -> Floats:
    """|accuracy - .5| of gradient boosting on the statistics of held-out windows: two `path_statistics` -> (1,)."""
    return _distance(real, synthetic, _boosting)


def recurrent_distance(real: Floats, synthetic: Floats) -> Floats:
    """|accuracy - .5| of a linear read-out of the recurrent network on held-out windows: two summaries -> (1,)."""
    return _distance(real, synthetic, _read_out)


def volatility_spread(summary: Floats) -> Floats:
    """How much wilder the wildest 5 % of windows are than the calmest 5 %: a summary -> (1,)."""
    low, high = np.quantile(_halves(summary)[..., 0], [0.05, 0.95])
    return np.array([np.exp(high - low)])


# windows --------------------------------------------------------------------------------------------------------------


def _summary(returns: Floats, describe: Callable[[Floats], Floats]) -> Floats:
    """Description of standardised windows of each half, beginning with their log volatility: one row."""
    half = returns.shape[1] // 2
    if half < STEPS:
        raise DataError(f"this needs paths of at least {MIN_STEPS} returns, got {returns.shape[1]}")
    scaled = returns / _deviations(returns)
    windows = np.concatenate([_windows(part) for part in (scaled[:, :half], scaled[:, -half:])])
    level = np.log(np.maximum(windows.std(axis=1), _CALMEST)).mean(axis=1)
    return np.column_stack((level, describe(windows))).reshape(1, -1)


def _deviations(returns: Floats) -> Floats:
    """Standard deviation of each asset, NaN where it is rounding only: (assets,)."""
    deviation, mean = returns.std(axis=(0, 1)), returns.mean(axis=(0, 1))
    return np.where(deviation > NO_DEVIATION * np.abs(mean), deviation, np.nan)


def _windows(returns: Floats) -> Floats:
    """Choose windows evenly over their volatility: (paths, time, assets) -> (WINDOWS, STEPS, assets)."""
    every = np.lib.stride_tricks.sliding_window_view(returns, STEPS, axis=1)[:, ::STRIDE]
    every = np.moveaxis(every.reshape(-1, *every.shape[2:]), -1, 1)
    order = np.argsort(np.square(every).sum(axis=(1, 2)), kind="stable")
    return every[order[np.linspace(0, len(order) - 1, WINDOWS).round().astype(np.int64)]]


def _halves(summary: Floats) -> Floats:
    """(1, k) -> (2, WINDOWS, features)."""
    return summary.reshape(2, WINDOWS, -1)


# what a window is like ------------------------------------------------------------------------------------------------


def _statistics(windows: Floats) -> Floats:
    """(n, steps, assets) -> (n, 13) means over assets."""
    centred = windows - windows.mean(axis=1, keepdims=True)
    deviation = np.maximum(windows.std(axis=1), _CALMEST)
    z = centred / deviation[:, None]
    size = np.abs(windows)
    walk = z.cumsum(axis=1)
    early, late = np.maximum(np.stack([part.mean(axis=1) for part in np.split(size, 2, axis=1)]), _CALMEST)
    clustering = [_correlation(size - size.mean(axis=1, keepdims=True), lag) for lag in range(1, 6)]
    each_asset = [
        windows.sum(axis=1) / deviation,
        z.min(axis=1),
        z.max(axis=1),
        (z * z * z).mean(axis=1),
        np.square(z * z).mean(axis=1),
        _correlation(centred, 1),
        *clustering[:2],
        np.mean(clustering[2:], axis=0),
        (z[:, :-1] * np.square(z[:, 1:])).mean(axis=1),
        np.log(late / early),
        (walk - np.maximum.accumulate(walk, axis=1)).min(axis=1),
    ]
    together = np.square(z.mean(axis=2)).mean(axis=1)  # grows with the mean correlation of the assets
    return np.column_stack([statistic.mean(axis=1) for statistic in each_asset] + [together])


def _correlation(x: Floats, lag: int) -> Floats:
    """Autocorrelation of centred windows (n, steps, assets) at a lag, 0 for a constant one: (n, assets)."""
    power = np.square(x).sum(axis=1)
    products = (x[:, lag:] * x[:, :-lag]).sum(axis=1)
    return np.asarray(np.divide(products, power, out=np.zeros_like(power), where=power > 0))


def _states(windows: Floats) -> Floats:
    """States of the recurrent network over each window: (n, steps, assets) -> (n, 3 x UNITS)."""
    inputs = np.stack((windows.mean(axis=2), np.abs(windows).mean(axis=2)), axis=-1)
    into, around = _weights()
    state = mean = product = np.zeros((len(windows), UNITS))
    for x in (inputs @ into).transpose(1, 0, 2):
        h = state @ around
        reset, update = (_sigmoid(x[:, gate] + h[:, gate]) for gate in _GATES[:2])
        candidate = np.tanh(x[:, _GATES[2]] + reset * h[:, _GATES[2]])
        before, state = state, update * state + (1 - update) * candidate
        mean, product = mean + state / STEPS, product + before * state / STEPS
    return np.concatenate((mean, state, product), axis=1)


_GATES = tuple(slice(i * UNITS, (i + 1) * UNITS) for i in range(3))  # reset, update, candidate


@cache
def _weights() -> tuple[Floats, Floats]:
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.5, (2, 3 * UNITS)), rng.normal(0, UNITS**-0.5, (UNITS, 3 * UNITS))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x))


# classifiers ----------------------------------------------------------------------------------------------------------

Classifier: TypeAlias = Callable[[Floats, Floats], Callable[[Floats], npt.NDArray[np.bool_]]]
"""Learns from real and synthetic windows, (n, features) each; what it returns says of windows whether they are real"""


def _distance(real: Floats, synthetic: Floats, learn: Classifier) -> Floats:
    if not (np.isfinite(real).all() and np.isfinite(synthetic).all()):
        return np.array([np.nan])
    a, b = _halves(real), _halves(synthetic)
    correct = []
    for seen, asked in ((0, 1), (1, 0)):
        is_real = learn(a[seen], b[seen])
        correct += [is_real(a[asked]).mean(), 1 - is_real(b[asked]).mean()]
    return np.array([abs(np.mean(correct) - 0.5)])


def _boosting(real: Floats, synthetic: Floats) -> Callable[[Floats], npt.NDArray[np.bool_]]:
    from sklearn.ensemble import GradientBoostingClassifier

    trees = GradientBoostingClassifier(n_estimators=TREES, max_depth=2, random_state=0)
    trees.fit(np.concatenate((real, synthetic)), np.repeat([1, 0], [len(real), len(synthetic)]))
    return lambda windows: np.asarray(trees.decision_function(windows) > 0)


def _read_out(real: Floats, synthetic: Floats) -> Callable[[Floats], npt.NDArray[np.bool_]]:
    """Ridge regression of the side on the standardised states."""
    x, y = np.concatenate((real, synthetic)), np.repeat([1.0, -1.0], [len(real), len(synthetic)])
    mean, deviation = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-12)
    z = (x - mean) / deviation
    weights = np.linalg.solve(z.T @ z / len(z) + _RIDGE * np.eye(z.shape[1]), z.T @ y / len(z))
    return lambda windows: np.asarray((windows - mean) / deviation @ weights > 1e-9)  # identical sides: rounding
