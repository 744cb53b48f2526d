"""The mean of the next return, from the returns before it: fitted first, so that volatility is that of what is left.

An autoregression on the last return and on exponential averages of returns. Squares of the returns themselves would
count a day twice, by its own size and by the mean it gives the next one: with the positive autocorrelation of an index
before 1980 and leverage on top, free runs would feed on themselves.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from tsgan.memory import averages, decay_factors
from tsgan.returns import Floats

_ROUNDS = 100
_SMOOTH = 0.94  # RiskMetrics' decay of the variance that weighs the days
_FREEDOM = 5.0  # of the Student law that a day's surprise is taken from
_LARGEST = 0.9  # of the weights' sum: below 1 the mean cannot run away
_SMALL = 1e-3  # of the usual variance


def fit_drift(returns: Floats, half_lives: tuple[float, ...], scale: float) -> Floats:
    """Weights of the signed averages in the mean of the next return.

    The optimum next to nothing under a Cauchy prior, which shrinks spurious autocorrelation away and lets real one
    through nearly whole; optima farther off, such as those of the trends of the 1970s, do not hold in later years. Days
    are weighed by their expected variance and by how surprising they are (a Student law): repeated least squares.

    Parameters
    ----------
    returns : (time, assets) log returns
    scale : of the prior

    Returns
    -------
    (assets, half-lives); the mean is ``centre + weights @ (averages - centre)``, the centre being the mean return
    """
    centre = returns.mean(0)
    signed = averages(returns - centre, decay_factors(half_lives)[2], np.zeros((returns.shape[1], 1)))[:-1]
    columns = zip(signed.transpose(1, 0, 2), (returns - centre).T, strict=True)
    return np.stack([_fit_one(x, y, scale) for x, y in columns])


def _fit_one(x: Floats, y: Floats, scale: float) -> Floats:
    """(time, half-lives), (time,) -> (half-lives,)."""
    usual = y.var()
    variance = lfilter([1 - _SMOOTH], [1, -_SMOOTH], y * y, zi=[_SMOOTH * usual])[0]
    variance = np.maximum(np.concatenate(([usual], variance[:-1])), _SMALL * usual)
    weights = np.zeros(x.shape[1])
    for _ in range(_ROUNDS):
        surprise = (y - x @ weights) ** 2 / variance
        weighted = x * ((_FREEDOM + 1) / (_FREEDOM + surprise) / variance)[:, None]
        prior = np.diag(2 / (scale**2 + weights**2))
        weights = np.linalg.solve(weighted.T @ x + prior, weighted.T @ y)
    return np.asarray(weights * min(1.0, _LARGEST / max(np.abs(weights).sum(), 1e-12)))
