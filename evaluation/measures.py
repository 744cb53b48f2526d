"""Stylized facts of returns (Cont 2001) as distances between a real and a synthetic sample.

Every measure reduces a sample of log returns ``(paths, time, assets)`` to one summary, its *statistic*,
``(assets, k)``, or ``(1, k)`` where it is about several assets together. A *distance* compares two such summaries, 0 is
identical; a *number* is what a reader sees of one side. So the real summary is computed once, however many samples are
held against it. `MEASURES` lists them all; `needs` says whether a sample is long and wide enough for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tsgan.errors import DataError
from tsgan.evaluation.discrimination import (
    MIN_RETURNS,
    MIN_STEPS,
    NO_DEVIATION,
    boosting_distance,
    path_statistics,
    recurrent_distance,
    recurrent_states,
    volatility_spread,
)

__all__ = [
    "MEASURES",
    "Measure",
    "acf",
    "cross_correlation",
    "needs",
    "pieces",
]

Floats: TypeAlias = npt.NDArray[np.float64]

RETURN_LAGS = 20  # a month
ABS_LAGS = 100  # clustering: half a trading year, beyond the noise of one path of 252 steps
LEVERAGE_LAGS = 50
MEMORY_LAGS = 250  # a year
WEEK = 5  # steps of a block volatility and of a coarse volatility
COARSE_LAGS = 5  # weeks
HILL_SHARE = 0.025  # of all returns: the tail whose index is estimated
TAIL_SHARE = 0.05  # of all returns: the tail of every other measure of tails
HORIZONS = (1, 5, 20, 60)  # steps: a day, a week, a month, a quarter
GRID = 512  # cells of a quantile function
LEAST_ACF = 0.01  # below it an autocorrelation is noise: its standard error is .014 in 5,000 returns
DECAY = 0.94  # RiskMetrics
BARRIER = 5.0  # standard deviations of a one-step return
PASSAGE_STEPS = 125  # half a trading year
PASSAGE_STRIDE = 25
SIGNATURE_STEPS = 20
SIGNATURE_STRIDE = 10
FIRST_WINDOW = 8  # steps of the shortest window of the detrended fluctuation analysis
FFT_BLOCK = 2**22  # numbers transformed at once, 32 MiB: bounds the memory of the correlations


@dataclass(frozen=True)
class Measure:
    """A stylized fact made measurable, and how to read it.

    Parameters
    ----------
    name : str
        Short and unique.
    fact : str
        The fact that it belongs to, in plain words.
    statistic : callable
        From log returns per step (paths, time, assets) to the summary of the sample, (assets, k); of a measure of
        several assets together (1, k).
    distance : callable
        From the real and the synthetic summary to (assets,), or (1,). 0 is identical, lower is better. It does not
        change when all returns of an asset, real and synthetic, are multiplied by one positive number. Infinite where
        only the synthetic side is beyond comparison, such as a VaR that is no loss.
    number : callable
        From a summary to the one number that a reader sees for a side, (assets,) or (1,).
    unit : str
        Unit of that number.
    meaning : str
        What the number says, in a sentence.
    reference : str
        Where the measure comes from.
    per_path : bool
        Whether it depends on the length of the paths, so that both sides must be cut to one length, see `pieces`.
    min_steps : int
        Fewest returns a path for which it can be computed.
    min_returns : int
        Fewest returns of all paths together for which it can be computed.
    together : bool
        Whether it is about all assets together, so that summary and distance have one row.
    min_assets : int
        Fewest assets.
    notices_scale : bool
        Whether the distance changes when only one side is multiplied by a number.
    """

    name: str
    fact: str
    statistic: Callable[[Floats], Floats]
    distance: Callable[[Floats, Floats], Floats]
    number: Callable[[Floats], Floats]
    unit: str
    meaning: str
    reference: str
    per_path: bool = False
    min_steps: int = 2
    min_returns: int = 2
    together: bool = False
    min_assets: int = 1
    notices_scale: bool = False


# correlations in time -------------------------------------------------------------------------------------------------


def cross_correlation(x: Floats, y: Floats, lags: int) -> Floats:
    """Sample correlation of x_t with y_{t+k} at the lags k = 1 ... ``lags``, path by path.

    Sums are divided by the length of the path at every lag, deviations taken from the mean of the path: the usual
    estimator, positive semidefinite, biased towards zero on short paths. Compare paths of one length only.

    Parameters
    ----------
    x, y : array (paths, time, assets)
        Two series.
    lags : int
        Highest lag, below ``time``.

    Returns
    -------
    array (paths, lags, assets)
        NaN where a path is constant.

    Raises
    ------
    DataError
        The paths have too few steps for the lags.
    """
    padded = _padded(x, lags)
    sums = np.empty((len(x), lags, x.shape[2]))
    for rows, spectrum in _cross_spectra(x, y, padded):
        sums[rows] = np.fft.irfft(spectrum, padded, axis=1)[:, 1 : lags + 1]
    return _ratio(sums, x.shape[1] * _deviation(x) * _deviation(y))


def acf(x: Floats, lags: int) -> Floats:
    """Sample autocorrelation at the lags 1 ... ``lags``, path by path: `cross_correlation` of a series with itself.

    Parameters
    ----------
    x : array (paths, time, assets)
        A series: returns, absolute returns, squares.
    lags : int
        Highest lag, below ``time``.

    Returns
    -------
    array (paths, lags, assets)
        NaN where a path is constant.
    """
    return cross_correlation(x, x, lags)


def mean_cross_correlation(x: Floats, y: Floats, lags: int) -> Floats:
    """Mean over paths of `cross_correlation`: of the spectra first, so that one transform back is enough.

    Parameters
    ----------
    x, y : array (paths, time, assets)
        Two series.
    lags : int
        Highest lag, below ``time``.

    Returns
    -------
    array (assets, lags)
        NaN where a path is constant.
    """
    padded = _padded(x, lags)
    weight = _ratio(np.ones(1), len(x) * x.shape[1] * _deviation(x) * _deviation(y))
    total = sum((weight[rows] * spectrum).sum(axis=0) for rows, spectrum in _cross_spectra(x, y, padded))
    return np.ascontiguousarray(np.fft.irfft(total, padded, axis=0)[1 : lags + 1].T)


def return_acf(returns: Floats) -> Floats:
    """Autocorrelation of r at the lags 1-20, mean over paths: (paths, time, assets) -> (assets, 20)."""
    return mean_cross_correlation(returns, returns, RETURN_LAGS)


def abs_acf(returns: Floats, lags: int = ABS_LAGS) -> Floats:
    """Autocorrelation of |r|, mean over paths: (paths, time, assets) -> (assets, lags)."""
    size = np.abs(returns)
    return mean_cross_correlation(size, size, lags)


def square_acf(returns: Floats) -> Floats:
    """Autocorrelation of r² at the lags 1-100, mean over paths: (paths, time, assets) -> (assets, 100)."""
    square = np.square(returns)
    return mean_cross_correlation(square, square, ABS_LAGS)


def leverage(returns: Floats) -> Floats:
    """Correlation of r_t with r²_{t+k}, k = 1 ... 50, mean over paths: (paths, time, assets) -> (assets, 50)."""
    return mean_cross_correlation(returns, np.square(returns), LEVERAGE_LAGS)


def robust_ljung_box(returns: Floats) -> Floats:
    """Portmanteau statistic of 20 autocorrelations that allows for changing volatility, median over paths.

    Q = Σ_k (Σ_t x_t x_{t+k})² / Σ_t x_t² x_{t+k}² with x the deviation from the mean of the path: every squared
    autocorrelation is divided by its variance under heteroskedasticity instead of by 1/T. About χ²(20), mean 20, where
    returns are not autocorrelated, however their volatility clusters.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step, more than 20 a path.

    Returns
    -------
    array (assets, 1)

    Source: Lo and MacKinlay (1988), equation 19; Diebold (1988); Lobato, Nankervis and Savin (2001).
    """
    _require_steps(returns, RETURN_LAGS + 1)
    x = _paths_last(_centred(returns) / _positive(_deviation(returns)))
    total = np.zeros(x.shape[:2])
    for lag in range(1, RETURN_LAGS + 1):
        product = x[..., :-lag] * x[..., lag:]
        total += _ratio(np.square(product.sum(axis=-1)), np.einsum("apt,apt->ap", product, product))
    return np.asarray(np.median(total, axis=1))[:, None]


def acf_decay(returns: Floats) -> Floats:
    """Slope of the logarithm of ACF(|r|) on the logarithm of the lag, lags 1-250: near 0 is long memory.

    Fitted to the mean over paths. Autocorrelations below .01 count as .01, since noise has no logarithm. Every lag has
    the weight 1/lag, so that every octave of lags counts the same and the many long lags, mostly noise, do not decide.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step, more than 250 a path.

    Returns
    -------
    array (assets, 1)

    Source: Ding, Granger and Engle (1993); fact 8 of Cont (2001).
    """
    lags = np.arange(1.0, MEMORY_LAGS + 1)
    return _slope(np.log(lags), np.log(np.maximum(abs_acf(returns, MEMORY_LAGS), LEAST_ACF)), 1 / lags)[:, None]


def hurst(returns: Floats) -> Floats:
    """Hurst exponent of |r| by detrended fluctuation analysis: .5 without long memory, near 1 with very long memory.

    The summed deviations of |r| are cut into windows of 8, 16, 32, ... steps, up to a quarter of the path; the variance
    about a line fitted in each window, mean over windows and paths, grows with their length s as s to the power of
    twice the exponent. The factor s² / (s² - 4) makes this exact for independent values at every s.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step, at least 64 a path.

    Returns
    -------
    array (assets, 1)

    Source: Peng et al. (1994), Mosaic organization of DNA nucleotides, Physical Review E 49.
    """
    time = returns.shape[1]
    _require_steps(returns, 8 * FIRST_WINDOW)
    size = np.abs(returns)
    profile = _paths_last(_centred(size) / _positive(_deviation(size))).cumsum(axis=-1)
    lengths = FIRST_WINDOW * 2 ** np.arange(int(np.log2(time // (4 * FIRST_WINDOW))) + 1)
    variances = [_variance_about_line(_cut(profile, s)).mean(axis=(1, 2)) * s**2 / (s**2 - 4) for s in lengths.tolist()]
    growth = _slope(np.log(lengths), np.log(_positive(np.stack(variances, axis=1))), np.ones(len(lengths)))
    return growth[:, None] / 2


def coarse_fine(returns: Floats) -> Floats:
    """How much better coarse volatility foretells fine volatility than fine does coarse, 1-5 weeks ahead.

    Of every 5 steps, |sum of the returns| is the coarse volatility v_c and the mean of the |returns| the fine one v_f;
    the statistic is corr(v_c(t), v_f(t + 5l)) - corr(v_f(t), v_c(t + 5l)), l = 1 ... 5, over all t, mean over paths.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step, at least 30 a path.

    Returns
    -------
    array (assets, 5)
        Above 0 in markets, 0 for a law that is the same in reversed time.

    Source: Müller et al. (1997); Zumbach (2009), Time reversal invariance in finance, Quantitative Finance 9.
    """
    coarse, fine = np.abs(h_step(returns, WEEK)), h_step(np.abs(returns), WEEK) / WEEK
    days = WEEK * COARSE_LAGS
    asymmetry = mean_cross_correlation(coarse, fine, days) - mean_cross_correlation(fine, coarse, days)
    return np.ascontiguousarray(asymmetry[:, WEEK - 1 :: WEEK])


# tails and shape ------------------------------------------------------------------------------------------------------


def skewness(returns: Floats) -> Floats:
    """Skewness of a path, median over paths: (paths, time, assets) -> (assets, 1)."""
    x, variance = _centred(returns), np.square(_positive(_deviation(returns)))[:, 0]
    return np.asarray(np.median((x * x * x).mean(axis=1) / variance**1.5, axis=0))[:, None]


def kurtosis(returns: Floats) -> Floats:
    """Kurtosis of a path, 3 for a normal law, median over paths: (paths, time, assets) -> (assets, 1).

    The median, since one extreme return decides the kurtosis of all paths pooled. Grows with the length of the paths.
    """
    square, variance = np.square(_centred(returns)), np.square(_positive(_deviation(returns)))[:, 0]
    return np.asarray(np.median(np.square(square).mean(axis=1) / np.square(variance), axis=0))[:, None]


def filtered_kurtosis(returns: Floats) -> Floats:
    """Kurtosis of returns divided by their EWMA(.94) volatility, median over paths: heavy tails given the volatility.

    The variance forecast of the first return is the variance of the path, then v' = .94 v + .06 r².

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step.

    Returns
    -------
    array (assets, 1)

    Source: J.P. Morgan (1996), RiskMetrics technical document, section 5.2.
    """
    from scipy.signal import lfilter

    first = np.square(_positive(_deviation(returns)))
    later, _ = lfilter([1 - DECAY], [1, -DECAY], np.square(returns), axis=1, zi=DECAY * first)
    return kurtosis(returns / np.sqrt(_positive(np.concatenate((first, later[:, :-1]), axis=1))))


def hill_index(returns: Floats, side: int) -> Floats:
    """Tail index of losses or gains by Hill's estimator on the largest 2.5 % of all returns: about 3 for stocks.

    P(loss > x) falls as x to the power of minus the index. NaN where fewer returns than that are losses, and for fewer
    than 40 returns.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step.
    side : int
        -1 for losses, 1 for gains.

    Returns
    -------
    array (assets, 1)

    Source: Hill (1975), A simple general approach to inference about the tail of a distribution, Annals of Statistics.
    """
    beyond, threshold = _tail(returns, side, HILL_SHARE)
    usable = threshold > 0
    excess = np.log(np.where(usable, beyond, 1) / np.where(usable, threshold, 1)).mean(axis=1, keepdims=True)
    return _ratio(np.where(usable, 1.0, np.nan), excess)


def gpd_shape(returns: Floats, side: int) -> Floats:
    """Shape of the generalized Pareto law of what exceeds the 5 % quantile of losses or gains: 0 for thin tails.

    By probability-weighted moments, which cannot fail to converge: 2 - a0 / (a0 - 2 a1) with a0 the mean of the
    exceedances and a1 the mean of exceedance × share of larger ones. In the limit 1 / tail index.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step; at least 40 in all.
    side : int
        -1 for losses, 1 for gains.

    Returns
    -------
    array (assets, 1)

    Source: Hosking and Wallis (1987), Parameter and quantile estimation for the generalized Pareto distribution,
    Technometrics 29, section 3.
    """
    beyond, threshold = _tail(returns, side, TAIL_SHARE)
    excess, count = beyond - threshold, beyond.shape[1]
    if count < 2:
        return np.full((len(excess), 1), np.nan)
    mean = excess.mean(axis=1, keepdims=True)
    weighted = (excess * (np.arange(count) / (count - 1))).mean(axis=1, keepdims=True)
    return 2 - _ratio(mean, mean - 2 * weighted)


def tail_asymmetry(returns: Floats) -> Floats:
    """(L - G) / (L + G), with L the mean of the worst 5 % of returns, taken positive, and G the mean of the best 5 %.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step.

    Returns
    -------
    array (assets, 1)
        Above 0 where losses are larger than gains.
    """
    worst, _, best = _scaled_cells(returns, np.array([0, TAIL_SHARE, 1 - TAIL_SHARE, 1])).T
    return _ratio(-worst - best, best - worst)[:, None]


def first_passage(returns: Floats) -> Floats:
    """Logarithm of the mean number of steps until the log price has first risen, and first fallen, by 5 deviations.

    The price starts anew every 25 steps of a path and is followed for 125; the deviation is that of all one-step
    returns of the sample, and their mean is subtracted, so that a trend is not taken for asymmetry. A passage that does
    not happen within 125 steps counts as 125: the restricted mean, which has no bias from censoring. A median would be
    the 125 itself where fewer than half of the windows pass, as in half of the decades of the S&P 500.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step, at least 125 a path.

    Returns
    -------
    array (assets, 2)
        Logarithm of steps: up, down.

    Source: Jensen, Johansen and Simonsen (2003), Inverse statistics in economics: the gain-loss asymmetry, Physica A
    324; Royston and Parmar (2013) on the restricted mean.
    """
    _require_steps(returns, PASSAGE_STEPS)
    pooled = _pooled(returns)
    barrier = BARRIER * _positive(_deviation(pooled))
    prices = np.concatenate((np.zeros((len(returns), 1, returns.shape[2])), returns.cumsum(axis=1)), axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(prices, PASSAGE_STEPS + 1, axis=1)[:, ::PASSAGE_STRIDE]
    trend = pooled.mean(axis=1, keepdims=True) * np.arange(1, PASSAGE_STEPS + 1)
    moves = windows[..., 1:] - windows[..., :1] - trend  # (paths, starts, assets, steps)
    steps = [_first_true(side * moves >= barrier).mean(axis=(0, 1)) for side in (1, -1)]
    return np.where(np.isnan(barrier), np.nan, np.log(np.stack(steps, axis=1)))


def sums_kurtosis(returns: Floats) -> Floats:
    """Return Hogg's kurtosis of the returns over 1, 5, 20 and 60 steps.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step, more than 60 a path.

    Returns
    -------
    array (assets, 4)
        One value a horizon.

    Source: fact 4 of Cont (2001); see :func:`hogg_kurtosis`.
    """
    return np.stack([hogg_kurtosis(returns, steps) for steps in HORIZONS], axis=-1)


def hogg_kurtosis(returns: Floats, steps: int) -> Floats:
    """Hogg's kurtosis of the overlapping sums of so many returns: 2.585 for a normal law, whatever its scale.

    (mean of the best 5 % - mean of the worst 5 %) / (mean of the better half - mean of the worse half), of the
    sums of all paths. Needs only a finite mean and no single return can decide it, unlike the fourth moment
    of the few independent sums that a history has; and it looks at the tails, unlike Moors' octiles.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step.
    steps : int
        Returns in a sum, at most ``time``.

    Returns
    -------
    array (assets,)

    Source: Hogg (1974), Adaptive robust procedures, Journal of the American Statistical Association 69; Kim and White
    (2004), On more robust estimation of skewness and kurtosis.
    """
    cells = _scaled_cells(h_step(returns, steps), np.array([0, 0.05, 0.5, 0.95, 1]))
    tails, middle = cells[:, 3] - cells[:, 0], cells[:, 2] - cells[:, 1]
    return _ratio(tails, 0.1 * tails + 0.9 * middle)


def block_volatility_variation(returns: Floats) -> Floats:
    """Standard deviation over mean of the root mean square return of every 5 steps: bursts of volatility.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step, at least 5 a path.

    Returns
    -------
    array (assets, 1)
        0 for constant volatility of blocks; .32 for independent normal returns.
    """
    _require_steps(returns, WEEK)
    squares = _cut(_paths_last(np.square(returns)), WEEK).mean(axis=-1)
    volatility = np.sqrt(squares).reshape(len(squares), -1)
    return _ratio(_positive(_deviation(volatility)), volatility.mean(axis=1, keepdims=True))


# several assets -------------------------------------------------------------------------------------------------------


def correlation(returns: Floats) -> Floats:
    """Correlation of the returns of two assets on the same date: (paths, time, assets) -> (1, pairs)."""
    return _pairs(_correlation(_pooled(returns)))


def abs_correlation(returns: Floats) -> Floats:
    """Correlation of |r| of two assets on the same date, common volatility: (paths, time, assets) -> (1, pairs)."""
    return _pairs(_correlation(np.abs(_pooled(returns))))


def tail_dependence(returns: Floats, level: float = TAIL_SHARE) -> Floats:
    """P(one asset in its lower tail, given that another is); ``level`` under independence, 1 for equal assets.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step.
    level : float
        Probability of the lower tail.

    Returns
    -------
    array (1, pairs)

    Source: the empirical tail concentration; Joe (2014), Dependence Modeling with Copulas, chapter 2.
    """
    pooled = _pooled(returns)
    low = (pooled <= np.quantile(pooled, level, axis=1)[:, None]).astype(np.float64)
    size = np.sqrt(low.sum(axis=1))
    varies = np.where(_deviation(pooled)[:, 0] > 0, 1.0, np.nan)
    return _pairs(_ratio(low @ low.T, np.outer(size, size)) * np.outer(varies, varies))


def crisis_correlation(returns: Floats) -> Floats:
    """Correlation of two assets on the worst 5 % of dates of the portfolio with equal risk in every asset.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step.

    Returns
    -------
    array (1, pairs)

    Source: Longin and Solnik (2001), Extreme correlation of international equity markets, Journal of Finance 56.
    """
    pooled = _pooled(returns)
    standard = (pooled - pooled.mean(axis=1, keepdims=True)) / _positive(_deviation(pooled))
    portfolio = standard.mean(axis=0)
    worst = ~(portfolio > np.quantile(portfolio, TAIL_SHARE))  # all dates where the quantile is missing
    return _pairs(_correlation(standard[:, worst]))


# distribution ---------------------------------------------------------------------------------------------------------


def h_step(returns: Floats, steps: int) -> Floats:
    """Overlapping sums of consecutive returns, never across two paths.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step.
    steps : int
        Returns in a sum, at most ``time``.

    Returns
    -------
    array (paths, time - steps + 1, assets)

    Raises
    ------
    DataError
        The paths have fewer returns than that.
    """
    _require_steps(returns, steps)
    if steps == 1:
        return returns
    sums = returns.cumsum(axis=1)
    first = sums[:, steps - 1 : steps]
    return np.concatenate((first, sums[:, steps:] - sums[:, :-steps]), axis=1)


def quantile_cells(ordered: Floats, edges: Floats) -> Floats:
    """Means of the empirical quantile function between given probabilities.

    Of the cell from 0 to a level this is the expected shortfall at that level; of many narrow cells it is the quantile
    function itself, in a form that does not depend on the size of the sample and keeps its mean.

    Parameters
    ----------
    ordered : array (assets, n)
        Values in ascending order, NaN last.
    edges : array (cells + 1,)
        Ascending probabilities.

    Returns
    -------
    array (assets, cells)
        NaN where a value is.

    Source: Acerbi and Tasche (2002), On the coherence of expected shortfall, Journal of Banking and Finance 26.
    """
    count = ordered.shape[1]
    sums = np.concatenate((np.zeros((len(ordered), 1)), ordered.cumsum(axis=1)), axis=1)
    position = edges * count
    whole = np.minimum(position.astype(np.int64), count - 1)
    integral = sums[:, whole] + (position - whole) * ordered[:, whole]
    cells = np.diff(integral) / (count * np.diff(edges))
    return np.where(np.isnan(ordered[:, -1:]), np.nan, cells)


def law(returns: Floats, steps: int = 1) -> Floats:
    """Quantile function of the h-step returns of all paths, and their standard deviation.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step.
    steps : int
        The h.

    Returns
    -------
    array (assets, 513)
        Means of the quantile function in 512 cells of equal probability, then the standard deviation; log returns.
    """
    ordered = _ordered(h_step(returns, steps))
    return np.concatenate((quantile_cells(ordered, np.linspace(0, 1, GRID + 1)), _deviation(ordered)), axis=1)


def signature(increments: Floats) -> Floats:
    """Signature of piecewise linear paths up to depth 3, by Chen's identity.

    Parameters
    ----------
    increments : array (dimensions, steps, paths)
        Increments of the paths.

    Returns
    -------
    array (dimensions + dimensions² + dimensions³, paths)
        Iterated integrals; the words in lexicographic order, short ones first.

    Source: Chevyrev and Kormilitzin (2016), A primer on the signature method in machine learning, section 1.3.
    """
    d, _, paths = increments.shape
    one, two, three = (np.zeros((d,) * depth + (paths,)) for depth in (1, 2, 3))
    for dx in np.moveaxis(increments, 1, 0):
        three += (two + (one / 2 + dx / 6)[:, None] * dx)[:, :, None] * dx
        two += (one + dx / 2)[:, None] * dx
        one += dx
    return np.concatenate([level.reshape(-1, paths) for level in (one, two, three)])


def expected_signature(returns: Floats) -> Floats:
    """Mean signature, up to depth 3, of (time, price) over windows of 20 steps that start every 10.

    Time runs from 0 to 1. The price is the sum of the returns, standardised with mean and deviation of all returns of
    the sample, over the root of 20: so its end has variance 1 where returns are not autocorrelated.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step, at least 20 a path.

    Returns
    -------
    array (assets, 14)
        The words t, x, tt, tx, xt, xx, ttt, ..., xxx.

    Source: Chevyrev and Oberhauser (2022), Signature moments to characterize laws of stochastic processes, Journal of
    Machine Learning Research 23.
    """
    _require_steps(returns, SIGNATURE_STEPS)
    pooled = _pooled(returns)
    mean, deviation = pooled.mean(axis=1), _positive(_deviation(pooled))[:, 0]
    standard = (returns - mean) / (deviation * np.sqrt(SIGNATURE_STEPS))
    windows = np.lib.stride_tricks.sliding_window_view(standard, SIGNATURE_STEPS, axis=1)[:, ::SIGNATURE_STRIDE]
    price = windows.transpose(3, 2, 0, 1).reshape(SIGNATURE_STEPS, -1)  # (steps, assets x paths x starts)
    increments = np.stack((np.full_like(price, 1 / SIGNATURE_STEPS), price))
    words = signature(increments)
    return np.ascontiguousarray(words.reshape(len(words), returns.shape[2], -1).mean(axis=2).T)


# tail risk ------------------------------------------------------------------------------------------------------------


def volatility(returns: Floats) -> Floats:
    """Standard deviation of all returns, NaN of constant ones: (paths, time, assets) -> (assets, 1)."""
    return _positive(_deviation(_pooled(returns)))


def value_at_risk(returns: Floats, level: float, steps: int) -> Floats:
    """Quantile of the h-step returns of all paths: a log return, below 0 for a loss.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step.
    level : float
        Probability in the lower tail, such as .05.
    steps : int
        The h.

    Returns
    -------
    array (assets, 1)
    """
    return np.asarray(np.quantile(_pooled(h_step(returns, steps)), level, axis=1))[:, None]


def expected_shortfall(returns: Floats, level: float, steps: int) -> Floats:
    """Mean of the worst h-step returns of all paths: a log return, below 0 for a loss.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step.
    level : float
        Share of returns that are the worst, such as .05.
    steps : int
        The h.

    Returns
    -------
    array (assets, 1)
    """
    return quantile_cells(_ordered(h_step(returns, steps)), np.array([0, level]))


def maximum_drawdown(returns: Floats) -> Floats:
    """Quantile function over paths of the largest fall of the log price from an earlier high.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step.

    Returns
    -------
    array (assets, 512)
        Means in 512 cells of equal probability; a log return, taken positive.

    Source: Magdon-Ismail et al. (2004), On the maximum drawdown of a Brownian motion, J. of Applied Probability 41.
    """
    price = returns.cumsum(axis=1)
    high = np.maximum(np.maximum.accumulate(price, axis=1), 0.0)  # the price starts at 0
    falls = (high - price).max(axis=1)
    return quantile_cells(_ordered(falls[:, None]), np.linspace(0, 1, GRID + 1))


# distances between two summaries --------------------------------------------------------------------------------------


def rms_difference(real: Floats, synthetic: Floats) -> Floats:
    """Root mean square of the difference; of a single value the absolute difference: (n, k), (n, k) -> (n,)."""
    return np.asarray(np.sqrt(np.square(real - synthetic).mean(axis=1)))


def norm_difference(real: Floats, synthetic: Floats) -> Floats:
    """Euclidean length of the difference: (n, k), (n, k) -> (n,)."""
    return np.asarray(np.linalg.norm(real - synthetic, axis=1))


def log_ratio(real: Floats, synthetic: Floats, sign: int = 1) -> Floats:
    """Root mean square of the logarithm of the ratio; of a single value its absolute value.

    .1 is a deviation of about 10 %, in either direction.

    Parameters
    ----------
    real, synthetic : array (n, k)
        Summaries.
    sign : int
        Sign that the values must have: -1 for a quantile of losses.

    Returns
    -------
    array (n,)
        NaN where a real value has another sign or either is missing, infinite where only a synthetic value has.
    """
    x, y = sign * real, sign * synthetic
    both = (x > 0) & (y > 0)
    logarithm = np.log(np.where(both, y, 1) / np.where(both, x, 1))
    undefined = np.where((x > 0) & (y <= 0), np.inf, np.nan)
    return rms_difference(np.where(both, logarithm, undefined), np.zeros_like(x))


def wasserstein(real: Floats, synthetic: Floats) -> Floats:
    """Wasserstein-1 distance of two laws, see `law`, in real standard deviations: (n, 513), (n, 513) -> (n,)."""
    distance = np.abs(real[:, :-1] - synthetic[:, :-1]).mean(axis=1)
    return _ratio(distance, real[:, -1])


def standardised_wasserstein(real: Floats, synthetic: Floats) -> Floats:
    """Wasserstein-1 distance of two laws, see `law`, each with mean 0 and deviation 1: (n, 513), (n, 513) -> (n,)."""
    return np.asarray(np.abs(_standardised(real) - _standardised(synthetic)).mean(axis=1))


def relative_wasserstein(real: Floats, synthetic: Floats) -> Floats:
    """Wasserstein-1 distance of two laws, in units of the real mean: quantile cells (n, k), (n, k) -> (n,)."""
    return _ratio(np.abs(real - synthetic).mean(axis=1), real.mean(axis=1))


def energy_distance(real: Floats, synthetic: Floats) -> Floats:
    """Root of the energy distance of two laws, see `law`, in real standard deviations.

    2 E|X - Y| - E|X - X'| - E|Y - Y'| is twice the integral of the squared difference of the distribution functions.

    Parameters
    ----------
    real, synthetic : array (n, 513)
        Summaries.

    Returns
    -------
    array (n,)

    Source: Székely and Rizzo (2013), Energy statistics, Journal of Statistical Planning and Inference 143.
    """
    values = np.concatenate((real[:, :-1], synthetic[:, :-1]), axis=1)
    order = np.argsort(values, axis=1)
    gap = np.where(order < GRID, 1 / GRID, -1 / GRID).cumsum(axis=1)[:, :-1]
    area = (np.square(gap) * np.diff(np.take_along_axis(values, order, axis=1))).sum(axis=1)
    return np.asarray(np.sqrt(2 * _ratio(area, real[:, -1])))


# the one number of a side ---------------------------------------------------------------------------------------------


def _first(summary: Floats) -> Floats:
    return summary[:, 0]


def _mean(summary: Floats) -> Floats:
    return np.asarray(summary.mean(axis=1))


def _law_deviation(summary: Floats) -> Floats:
    return summary[:, -1]


def _law_mean_deviation(summary: Floats) -> Floats:
    return np.asarray(np.abs(_standardised(summary)).mean(axis=1))


def _law_mean_difference(summary: Floats) -> Floats:
    """E|X - X'| of two independent draws."""
    return np.asarray(summary[:, :-1] @ (np.arange(1 - GRID, GRID, 2) * 2 / GRID**2))


def _month_kurtosis(summary: Floats) -> Floats:
    return summary[:, HORIZONS.index(20)]


def _up_over_down(summary: Floats) -> Floats:
    return np.asarray(np.exp(summary[:, 0] - summary[:, 1]))


def _variance_ratio(summary: Floats) -> Floats:
    """Twice the word xx, the variance of a window's end."""
    return 2 * summary[:, 5]


# the registry ---------------------------------------------------------------------------------------------------------

COUNT, SHARE, LOG_RETURN = "1", "share", "log return"
CONT = "Cont (2001), Empirical properties of asset returns, Quantitative Finance 1"
BOUCHAUD = "Bouchaud, Matacz and Potters (2001), Leverage effect in financial markets, Physical Review Letters 87"
DING = "Ding, Granger and Engle (1993), A long memory property of stock market returns, Journal of Empirical Finance 1"
ENGLE = "Engle (1982), Autoregressive conditional heteroscedasticity, Econometrica 50"
FRIEDMAN = "Friedman (2001), Greedy function approximation: a gradient boosting machine, Annals of Statistics 29"
HILL = "Hill (1975), A simple general approach to inference about the tail of a distribution, Annals of Statistics 3"
HOGG = "Hogg (1974), Adaptive robust procedures, Journal of the American Statistical Association 69"
HOSKING = "Hosking and Wallis (1987), Estimation for the generalized Pareto distribution, Technometrics 29"
JAEGER = "Jaeger (2001), The echo state approach to analysing and training recurrent neural networks"
JENSEN = "Jensen, Johansen and Simonsen (2003), Inverse statistics in economics, Physica A 324"
JOE = "Joe (2014), Dependence Modeling with Copulas, chapter 2"
LONGIN = "Longin and Solnik (2001), Extreme correlation of international equity markets, Journal of Finance 56"
LO = "Lo and MacKinlay (1988), Stock market prices do not follow random walks, Review of Financial Studies 1"
MAGDON = "Magdon-Ismail et al. (2004), On the maximum drawdown of a Brownian motion, Journal of Applied Probability 41"
METRICS = "J.P. Morgan (1996), RiskMetrics technical document, section 5.2"
PENG = "Peng et al. (1994), Mosaic organization of DNA nucleotides, Physical Review E 49"
RISK = "McNeil, Frey and Embrechts (2015), Quantitative Risk Management, section 2.3"
SIGNATURE = "Chevyrev and Oberhauser (2022), Signature moments, Journal of Machine Learning Research 23"
SZEKELY = "Székely and Rizzo (2013), Energy statistics, Journal of Statistical Planning and Inference 143"
VILLANI = "Villani (2009), Optimal Transport, chapter 6"
ZUMBACH = "Zumbach (2009), Time reversal invariance in finance, Quantitative Finance 9"


def _over(steps: int) -> str:
    return "one step" if steps == 1 else f"{steps} steps"


def _wasserstein_measure(steps: int) -> Measure:
    return Measure(
        f"W {steps}", "distribution", partial(law, steps=steps), wasserstein, _law_deviation, LOG_RETURN,
        f"standard deviation of the returns over {_over(steps)}; the distance is how far probability must be moved to "
        "turn one law into the other, in real deviations",
        VILLANI, min_steps=steps + 1, notices_scale=True,
    )  # fmt: skip


def _shape_measure(steps: int) -> Measure:
    return Measure(
        f"S {steps}", "distribution", partial(law, steps=steps), standardised_wasserstein, _law_mean_deviation, COUNT,
        f"mean absolute deviation of the returns over {_over(steps)}, in standard deviations: .80 for a normal law, "
        "less where most are small and a few large; the distance is between the laws with equal mean and deviation",
        VILLANI, min_steps=steps + 1,
    )  # fmt: skip


def _var_measure(level: float, steps: int) -> Measure:
    return Measure(
        f"VaR {100 * level:g}%" + f", {steps} steps" * (steps > 1), "tail risk",
        partial(value_at_risk, level=level, steps=steps), partial(log_ratio, sign=-1), _first, LOG_RETURN,
        f"return over {_over(steps)} that only {100 * level:g} % of returns stay below",
        RISK, min_steps=steps + 1, min_returns=round(1 / level), notices_scale=True,
    )  # fmt: skip


def _es_measure(level: float, steps: int) -> Measure:
    return Measure(
        f"ES {100 * level:g}%" + f", {steps} steps" * (steps > 1), "tail risk",
        partial(expected_shortfall, level=level, steps=steps), partial(log_ratio, sign=-1), _first, LOG_RETURN,
        f"mean return over {_over(steps)} in the worst {100 * level:g} % of cases",
        RISK, min_steps=steps + 1, min_returns=round(1 / level), notices_scale=True,
    )  # fmt: skip


MEASURES: tuple[Measure, ...] = (
    Measure(
        "ACF r", "no linear autocorrelation", return_acf, rms_difference, _mean, COUNT,
        "how much a return tells about the next 20: mean autocorrelation, near 0 in liquid markets",
        CONT, per_path=True, min_steps=RETURN_LAGS + 1,
    ),
    Measure(
        "Ljung-Box", "no linear autocorrelation", robust_ljung_box, log_ratio, _first, COUNT,
        "evidence of autocorrelation at 20 lags that allows for volatility clustering; about 20 where there is none, "
        "above 31 in one path of 20",
        LO, per_path=True, min_steps=RETURN_LAGS + 1,
    ),
    Measure(
        "Hill, losses", "heavy tails", partial(hill_index, side=-1), log_ratio, _first, COUNT,
        "tail index of the largest 2.5 % of losses: about 3 for stocks, lower means larger crashes",
        HILL, min_returns=40,
    ),
    Measure(
        "Hill, gains", "heavy tails", partial(hill_index, side=1), log_ratio, _first, COUNT,
        "tail index of the largest 2.5 % of gains: about 3 for stocks, lower means larger jumps upwards",
        HILL, min_returns=40,
    ),
    Measure(
        "GPD shape, losses", "heavy tails", partial(gpd_shape, side=-1), rms_difference, _first, COUNT,
        "shape of the worst 5 % of returns: 0 for thin tails, about .3 for stocks, higher means larger crashes",
        HOSKING, min_returns=40,
    ),
    Measure(
        "GPD shape, gains", "heavy tails", partial(gpd_shape, side=1), rms_difference, _first, COUNT,
        "shape of the best 5 % of returns: 0 for thin tails, about .3 for stocks, higher means larger jumps upwards",
        HOSKING, min_returns=40,
    ),
    Measure(
        "kurtosis", "heavy tails", kurtosis, log_ratio, _first, COUNT,
        "weight of extreme returns in a typical path: 3 for a normal law, higher means more extremes",
        CONT, per_path=True,
    ),
    Measure(
        "skewness", "gain/loss asymmetry", skewness, rms_difference, _first, COUNT,
        "asymmetry of a typical path: below 0 where large losses outweigh large gains",
        CONT, per_path=True,
    ),
    Measure(
        "tail asymmetry", "gain/loss asymmetry", tail_asymmetry, rms_difference, _first, COUNT,
        "how much larger the worst 5 % of returns are than the best 5 %, as a share of both: 0 is symmetric",
        CONT, min_returns=20,
    ),
    Measure(
        "first passage", "gain/loss asymmetry", first_passage, rms_difference, _up_over_down, "ratio",
        "how many times longer the price takes to rise by 5 standard deviations than to fall by as many: above 1 where "
        "markets fall faster than they rise",
        JENSEN, min_steps=PASSAGE_STEPS,
    ),
    Measure(
        "kurtosis of sums", "aggregational Gaussianity", sums_kurtosis, log_ratio, _month_kurtosis, COUNT,
        "heaviness of the tails of 20-step returns, by Hogg's ratio of tail means: 2.59 for a normal law; the distance "
        "is over 1, 5, 20 and 60 steps",
        HOGG, min_steps=HORIZONS[-1] + 1,
    ),
    Measure(
        "block volatility", "intermittency", block_volatility_variation, log_ratio, _first, COUNT,
        "how much volatility differs from week to week: deviation over mean, .32 for independent normal returns",
        CONT, min_steps=2 * WEEK,
    ),
    Measure(
        "ACF |r|", "volatility clustering", abs_acf, rms_difference, _mean, COUNT,
        "how long calm and wild times last: mean autocorrelation of |r| over 100 steps, 0 without clustering",
        CONT, per_path=True, min_steps=ABS_LAGS + 1,
    ),
    Measure(
        "ACF r^2", "volatility clustering", square_acf, rms_difference, _mean, COUNT,
        "how long the effect of large moves lasts: mean autocorrelation of r² over 100 steps, 0 without clustering",
        ENGLE, per_path=True, min_steps=ABS_LAGS + 1,
    ),
    Measure(
        "filtered kurtosis", "conditional heavy tails", filtered_kurtosis, log_ratio, _first, COUNT,
        "kurtosis of returns divided by the volatility forecast for the day: above 3 where surprises remain extreme",
        METRICS, per_path=True,
    ),
    Measure(
        "ACF decay", "long memory", acf_decay, rms_difference, _first, COUNT,
        "how fast clustering fades over a year: power of the lag, about -.3 for stocks, lower means faster",
        DING, per_path=True, min_steps=MEMORY_LAGS + 1,
    ),
    Measure(
        "Hurst |r|", "long memory", hurst, rms_difference, _first, COUNT,
        "persistence of volatility: .5 if it has no memory, towards 1 if calm and wild years alternate",
        PENG, per_path=True, min_steps=8 * FIRST_WINDOW,
    ),
    Measure(
        "leverage", "leverage", leverage, norm_difference, _mean, COUNT,
        "correlation of a return with volatility in the 50 steps after it: below 0 where losses raise volatility",
        BOUCHAUD, per_path=True, min_steps=LEVERAGE_LAGS + 1,
    ),
    Measure(
        "coarse-fine", "asymmetry of time scales", coarse_fine, rms_difference, _mean, COUNT,
        "how much better weekly moves foretell daily volatility than the reverse: above 0 in markets, 0 if time could "
        "run backwards",
        ZUMBACH, per_path=True, min_steps=WEEK * (COARSE_LAGS + 1),
    ),
    Measure(
        "correlation", "several assets", correlation, rms_difference, _mean, COUNT,
        "correlation of the returns of two assets on the same date, mean over pairs",
        CONT, together=True, min_assets=2,
    ),
    Measure(
        "correlation |r|", "several assets", abs_correlation, rms_difference, _mean, COUNT,
        "common volatility: correlation of the size of returns of two assets on the same date, mean over pairs",
        CONT, together=True, min_assets=2,
    ),
    Measure(
        "tail dependence", "several assets", tail_dependence, rms_difference, _mean, SHARE,
        "chance that an asset is in its worst 5 % when another one is, mean over pairs; .05 if independent",
        JOE, min_returns=20, together=True, min_assets=2,
    ),
    Measure(
        "crisis correlation", "several assets", crisis_correlation, rms_difference, _mean, COUNT,
        "correlation of two assets on the worst 5 % of dates of a portfolio of all, mean over pairs: well below the "
        "ordinary one for a normal law, nearer to it where markets crash together",
        LONGIN, min_returns=60, together=True, min_assets=2,
    ),
    *(_wasserstein_measure(steps) for steps in HORIZONS),
    *(_shape_measure(steps) for steps in (1, 20)),
    Measure(
        "signature", "distribution", expected_signature, norm_difference, _variance_ratio, "ratio",
        "variance of 20-step returns over that of 20 independent steps: below 1 where moves are taken back; the "
        "distance is between all moments of the path up to the third",
        SIGNATURE, min_steps=SIGNATURE_STEPS,
    ),
    Measure(
        "energy", "distribution", law, energy_distance, _law_mean_difference, LOG_RETURN,
        "how far two returns drawn at random lie apart in the mean; the distance compares the laws of one step",
        SZEKELY, notices_scale=True,
    ),
    Measure(
        "volatility", "tail risk", volatility, log_ratio, _first, LOG_RETURN,
        "standard deviation of the returns over one step",
        CONT, notices_scale=True,
    ),
    *(_var_measure(level, steps) for steps in (1, 10) for level in (0.05, 0.025, 0.01)),
    *(_es_measure(level, steps) for steps in (1, 10) for level in (0.05, 0.025, 0.01)),
    Measure(
        "maximum drawdown", "tail risk", maximum_drawdown, relative_wasserstein, _mean, LOG_RETURN,
        "largest fall from an earlier high within a path, mean over paths; the distance compares all paths, in units "
        "of the real mean",
        MAGDON, per_path=True, notices_scale=True,
    ),
    Measure(
        "boosting", "discrimination", path_statistics, boosting_distance, volatility_spread, "ratio",
        "volatility of the wildest 5 % of windows of 50 steps over that of the calmest 5 %; the distance is how far "
        "from guessing gradient boosting tells windows it has not seen from real ones: 0 guessing, .5 always right",
        FRIEDMAN, together=True, min_steps=MIN_STEPS, min_returns=MIN_RETURNS, notices_scale=True,
    ),
    Measure(
        "recurrent network", "discrimination", recurrent_states, recurrent_distance, volatility_spread, "ratio",
        "as above; the distance is how far from guessing a small GRU with a trained read-out tells windows it has not "
        "seen from real ones: 0 guessing, .5 always right",
        JAEGER, together=True, min_steps=MIN_STEPS, min_returns=MIN_RETURNS,
    ),
)  # fmt: skip
"""Every measure, in the order of the facts."""


def needs(measure: Measure, returns: Floats) -> str | None:
    """Say why a measure cannot be computed from a sample.

    Parameters
    ----------
    measure : Measure
        One of `MEASURES`.
    returns : array (paths, time, assets)
        Log returns per step; for a measure with ``per_path`` already cut to the common length.

    Returns
    -------
    str or None
        A sentence with what the measure needs and what came; None where it can be computed. A measure of each asset
        by itself can be computed as long as one asset has returns that are finite and vary, and gives NaN for the
        others; a measure of several assets together needs that of all.
    """
    paths, time, assets = returns.shape
    if assets < measure.min_assets:
        return f"{measure.name} needs at least {measure.min_assets} assets, got {assets}"
    if time < measure.min_steps:
        return f"{measure.name} needs paths of at least {measure.min_steps} returns, got {time}"
    if paths * time < measure.min_returns:
        return f"{measure.name} needs at least {measure.min_returns} returns in all, got {paths * time}"
    finite = np.asarray(np.isfinite(returns).all(axis=(0, 1)))
    usable = np.asarray(finite & (returns != returns[:1, :1]).any(axis=(0, 1)))
    if usable.all() or (usable.any() and not measure.together):
        return None
    first = int((~usable).argmax())
    trouble = "constant" if finite[first] else "not finite everywhere"
    return f"{measure.name} needs finite returns that vary, but those of asset {first + 1} of {assets} are {trouble}"


# one length for both sides --------------------------------------------------------------------------------------------


def pieces(returns: Floats, length: int) -> Floats:
    """Cut every path into the fewest pieces of one length that cover it.

    The pieces are spread evenly, so that they overlap a little where the path is not a multiple of the length: every
    return is used.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Returns.
    length : int
        Steps a piece, at most ``time``.

    Returns
    -------
    array (paths x pieces, length, assets)
        All pieces of the first path, then those of the second, and so on.
    """
    paths, time, assets = returns.shape
    if length == time:
        return returns
    count = -(-time // length)
    starts = np.linspace(0, time - length, count).round().astype(np.int64)
    steps = starts[:, None] + np.arange(length)
    return returns[:, steps].reshape(paths * count, length, assets)


# small helpers --------------------------------------------------------------------------------------------------------


def _require_steps(returns: Floats, steps: int) -> None:
    if returns.shape[1] < steps:
        raise DataError(f"this needs paths of at least {steps} returns, got {returns.shape[1]}")


def _ratio(a: Floats, b: Floats) -> Floats:
    """Return a / b, NaN where b is not above 0."""
    return np.asarray(np.divide(a, b, out=np.full(np.broadcast_shapes(a.shape, b.shape), np.nan), where=b > 0))


def _positive(x: Floats) -> Floats:
    """Return x, NaN where it is not above 0: what may be divided by."""
    return np.where(x > 0, x, np.nan)


def _deviation(x: Floats) -> Floats:
    """Standard deviation along the second axis, which stays with length 1; 0 where it is rounding only."""
    deviation = x.std(axis=1, keepdims=True)
    return np.where(deviation <= NO_DEVIATION * np.abs(x.mean(axis=1, keepdims=True)), 0.0, deviation)


def _centred(x: Floats) -> Floats:
    return np.asarray(x - x.mean(axis=1, keepdims=True))


def _pooled(returns: Floats) -> Floats:
    """Returns of all paths, asset by asset: a copy (assets, paths x time)."""
    return np.array(returns.reshape(-1, returns.shape[-1]).T, order="C")


def _ordered(returns: Floats) -> Floats:
    """`_pooled` in ascending order, NaN last."""
    pooled = _pooled(returns)
    pooled.sort(axis=1)
    return pooled


def _paths_last(x: Floats) -> Floats:
    """(paths, time, assets) -> (assets, paths, time), so that a path lies in one stretch of memory."""
    return np.ascontiguousarray(x.transpose(2, 0, 1))


def _cut(x: Floats, length: int) -> Floats:
    """Cut (assets, paths, time) into (assets, paths, windows, length), leaving out an incomplete last window."""
    assets, paths, time = x.shape
    count = time // length
    return x[..., : count * length].reshape(assets, paths, count, length)


def _scaled_cells(returns: Floats, edges: Floats) -> Floats:
    """`quantile_cells` of all returns in their standard deviations: (paths, time, assets) -> (assets, cells)."""
    ordered = _ordered(returns)
    return np.asarray(quantile_cells(ordered, edges) / _positive(_deviation(ordered)))


def _tail(returns: Floats, side: int, share: float) -> tuple[Floats, Floats]:
    """Return the largest losses (side -1) or gains (1), (assets, k), and the next one, (assets, 1); descending."""
    ordered = _ordered(returns)
    k = int(share * ordered.shape[1])
    if k == 0:
        missing = np.full((len(ordered), 1), np.nan)
        return missing, missing
    top = -ordered[:, : k + 1] if side < 0 else ordered[:, : -k - 2 : -1]
    top = np.where(np.isnan(ordered[:, -1:]), np.nan, top)
    return top[:, :k], top[:, k:]


def _first_true(hit: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the number, from 1, of the first True along the last axis; the length of the axis where there is none."""
    first = hit.argmax(axis=-1)
    ever = np.take_along_axis(hit, first[..., None], axis=-1)[..., 0]
    return np.asarray(np.where(ever, first + 1, hit.shape[-1]))


def _variance_about_line(x: Floats) -> Floats:
    """Mean square distance from the line of least squares along the last axis."""
    steps = np.arange(x.shape[-1]) - (x.shape[-1] - 1) / 2
    centred = x - x.mean(axis=-1, keepdims=True)
    squares = np.einsum("...t,...t->...", centred, centred)
    return np.asarray((squares - np.square(centred @ steps) / (steps @ steps)) / x.shape[-1])


def _slope(x: Floats, y: Floats, weight: Floats) -> Floats:
    """Weighted least squares slope of every row of y on x: (k,), (n, k), (k,) -> (n,)."""
    centred = x - np.average(x, weights=weight)
    return np.asarray(y @ (weight * centred) / (weight @ np.square(centred)))


def _standardised(summary: Floats) -> Floats:
    """Quantile function of a `law` with its mean moved to 0 and its standard deviation to 1."""
    return _ratio(_centred(summary[:, :-1]), summary[:, -1:])


def _correlation(x: Floats) -> Floats:
    """Correlation matrix of the rows."""
    standard = _centred(x) / _positive(_deviation(x))
    return np.asarray(standard @ standard.T / x.shape[1])


def _pairs(matrix: Floats) -> Floats:
    """Values of every pair of assets: (assets, assets) -> (1, pairs)."""
    if len(matrix) < 2:
        raise DataError(f"a measure of several assets together needs at least 2 assets, got {len(matrix)}")
    return matrix[np.triu_indices(len(matrix), 1)][None]


def _padded(x: Floats, lags: int) -> int:
    """Return a length that is quick to transform, with zeros that keep a path's end from meeting its start."""
    time = x.shape[1]
    if not 1 <= lags < time:
        raise DataError(f"a correlation at lag {lags} needs paths of at least {lags + 1} returns, got {time}")
    lengths: list[int] = [factor << (-(-(time + lags) // factor) - 1).bit_length() for factor in (1, 3, 5, 9, 15)]
    return min(lengths)


def _cross_spectra(x: Floats, y: Floats, padded: int) -> Iterator[tuple[slice, npt.NDArray[Any]]]:
    """Cross-spectra (paths, frequencies, assets) of the deviations of x and y, a block of paths at a time."""
    block = max(1, FFT_BLOCK // (padded * x.shape[2]))
    for first in range(0, len(x), block):
        rows = slice(first, first + block)
        spectrum = np.fft.rfft(_centred(x[rows]), padded, axis=1)
        other = spectrum if y is x else np.fft.rfft(_centred(y[rows]), padded, axis=1)
        yield rows, spectrum.conj() * other
