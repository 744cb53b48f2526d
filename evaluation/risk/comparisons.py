"""Which of several forecasters is better: tests of the losses (scores) of their forecasts, lower being better."""

from __future__ import annotations

from math import ceil, erfc, inf, sqrt
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tsgan.errors import ConfigError, DataError

__all__ = ["Comparison", "diebold_mariano", "model_confidence_set"]

Floats: TypeAlias = npt.NDArray[np.float64]

MIN_DATES = 20  # fewer do not give the autocorrelations that the length of the blocks is chosen by


class Comparison(NamedTuple):
    """Result of comparing forecaster A with forecaster B.

    Parameters
    ----------
    difference : float
        Mean loss of A less that of B, in the unit of the losses; negative if A is better.
    statistic : float
        The difference over its standard error, t.
    p_value : float
        Probability that equally good forecasters differ at least so much, in either direction.
    lags : int
        Autocovariances in the standard error.
    words : str
        What was found, as a sentence.
    """

    difference: float
    statistic: float
    p_value: float
    lags: int
    words: str


def diebold_mariano(
    loss_a: npt.ArrayLike, loss_b: npt.ArrayLike, *, horizon: int = 1, lags: int | None = None
) -> Comparison:
    """Test whether two forecasters have the same mean loss.

    The mean difference over its Newey-West standard error (Bartlett weights) is compared with a standard normal law.

    Parameters
    ----------
    loss_a, loss_b : array (time,) or (time, assets)
        Loss of each forecast of A and of B, such as `fz0`. Assets are averaged first, so that a date counts once
        however many assets move together on it.
    horizon : int
        Steps that a forecast looks ahead, one forecast being made at every step.
    lags : int, optional
        Autocovariances in the standard error; by default 4 (time / 100)^(2/9) rounded down, or twice the horizon if
        that is more: Bartlett weights need more than the horizon - 1 lags at which overlapping forecasts correlate.
        Differences that persist for months need more yet: with a half-life of 23 days 10 % of equally good pairs are
        rejected at 5 %.

    Returns
    -------
    Comparison
        With t = 0 and p = 1 if the losses are the same.

    Raises
    ------
    DataError
        The losses are not two arrays of the same shape, are not finite, or not more than the lags.
    ConfigError
        The horizon is not positive or the number of lags negative.

    Source: Diebold and Mariano (1995), Comparing predictive accuracy, Journal of Business and Economic Statistics 13;
    Newey and West (1987, 1994).
    """
    a, b = _losses("losses of A", loss_a), _losses("losses of B", loss_b)
    if a.shape != b.shape:
        raise DataError(f"losses of A and B must be of the same dates and assets, got shapes {a.shape} and {b.shape}")
    days = (a - b).reshape(len(a), -1).mean(axis=1)
    if lags is None:
        lags = max(int(4 * (len(days) / 100) ** (2 / 9)), 2 * horizon)
    if horizon < 1 or lags < 0:
        raise ConfigError(f"the horizon must be 1 or more and the lags 0 or more, got {horizon} and {lags}")
    if len(days) <= lags + 1:
        raise DataError(f"{lags} lags need {lags + 2} dates or more, got {len(days)}; take fewer lags")
    difference = float(days.mean())
    error = sqrt(_long_run_variance(days, lags) / len(days))
    t = difference / error if error > 0 else 0.0 if difference == 0 else np.copysign(inf, difference)
    p = erfc(abs(t) / sqrt(2))
    verdict = "more than" if p < 0.05 else "no more than"
    words = (
        f"The mean loss of {'A' if difference < 0 else 'B'} is {abs(difference):.3g} lower, {verdict} chance explains "
        f"(t = {t:.2f}, p = {p:.2g}, {len(days):,} dates)."
    )
    if difference == 0:
        words = f"The mean losses are the same on {len(days):,} dates."
    return Comparison(difference, float(t), p, lags, words)


def model_confidence_set(
    losses: pd.DataFrame,
    *,
    size: float = 0.10,
    horizon: int = 1,
    block: int | None = None,
    n_bootstrap: int = 1_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Find the set of models that holds the best one with probability 1 - ``size``.

    Models are taken out one by one, the one first that is clearest worse than another, until those left do not differ:
    largest t-statistic of all pairs, stationary bootstrap. A wide set says that the data cannot tell, not that the
    models are good.

    Parameters
    ----------
    losses : DataFrame (time, models)
        Loss of every model on every date.
    size : float
        Probability that the best model is not in the set.
    horizon : int
        Steps that a forecast looks ahead, one forecast being made at every step.
    block : int, optional
        Mean length of the bootstrap's blocks, in steps; by default the optimal length for the mean of each model's
        loss less the models' average, the longest of them, or twice the horizon if that is more.
    n_bootstrap : int
        Number of bootstrap samples.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    DataFrame
        A row a model, as in ``losses``: ``mean_loss``; ``p_value``, the smallest ``size`` that would leave it out;
        ``included``. Models with the same losses share their row's figures.

    Raises
    ------
    DataError
        The losses are not a finite table with a name for each of its models, or too short.
    ConfigError
        An option is out of range.

    Source: Hansen, Lunde and Nason (2011), The model confidence set, Econometrica 79; Patton, Politis and White (2009)
    for the blocks.
    """
    values = _losses("losses", losses)
    if not isinstance(losses, pd.DataFrame) or not losses.columns.is_unique:
        raise DataError("losses must be a DataFrame with one column a model, each with a name of its own")
    if len(losses) < MIN_DATES:
        raise DataError(f"a model confidence set needs the losses of {MIN_DATES} dates or more, got {len(losses)}")
    if not 0 < size < 1:
        raise ConfigError(f"the size must lie between 0 and 1, got {size:g}")
    for name, number in (("horizon", horizon), ("block", 1 if block is None else block), ("n_bootstrap", n_bootstrap)):
        if number < 1:
            raise ConfigError(f"{name} must be 1 or more, got {number}")
    different, which = np.unique(values, axis=1, return_inverse=True)  # equal models have no variance to divide by
    p_values = np.ones(different.shape[1])
    if len(p_values) > 1:
        length = _block_length(different, horizon) if block is None else block
        p_values = _confidence_p_values(different, length, n_bootstrap, seed)
    p = p_values[which.ravel()]
    columns = {"mean_loss": values.mean(axis=0), "p_value": p, "included": p > size}
    return pd.DataFrame(columns, index=losses.columns)


def _confidence_p_values(losses: Floats, block: int, n_bootstrap: int, seed: int) -> Floats:
    from arch.bootstrap import MCS

    # the size matters only for MCS.included, which is not used
    procedure = MCS(losses, size=0.1, reps=n_bootstrap, block_size=block, seed=seed)
    with np.errstate(divide="ignore", invalid="ignore"):  # a constant difference has no variance: infinite t, p = 0
        procedure.compute()
    return procedure.pvalues["Pvalue"].sort_index().to_numpy(dtype=np.float64)


def _block_length(losses: Floats, horizon: int) -> int:
    from arch.bootstrap import optimal_block_length

    relative = losses - losses.mean(axis=1, keepdims=True)
    moving = np.ptp(relative, axis=0) > 1e-12 * np.abs(losses).max()  # a constant difference needs no blocks
    lengths = optimal_block_length(relative[:, moving])["stationary"] if moving.any() else [1.0]
    return max(ceil(max(lengths)), 2 * horizon)


def _long_run_variance(x: Floats, lags: int) -> float:
    centred = x - x.mean()
    weights = 1 - np.arange(1, lags + 1) / (lags + 1)
    covariances = [float(centred[k:] @ centred[:-k]) for k in range(1, lags + 1)]
    return (float(centred @ centred) + 2 * float(weights @ covariances)) / len(x)


def _losses(name: str, losses: npt.ArrayLike) -> Floats:
    array = np.asarray(losses, dtype=np.float64)
    if array.ndim not in {1, 2} or array.size == 0:
        raise DataError(f"{name} must be an array (time,) or (time, assets), got one of shape {array.shape}")
    if not np.isfinite(array).all():
        date = int(np.argwhere(~np.isfinite(array))[0, 0])
        raise DataError(f"{name} must be finite, but those of observation {date} are not; leave such dates out")
    return array
