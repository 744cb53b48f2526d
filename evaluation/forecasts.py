"""One-step forecasts of VaR and ES of one series, all behind one call: returns, rows to fit on, levels -> forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tsgan.datasets.checks import warn
from tsgan.errors import DataError

__all__ = ["Forecast", "converged", "gjr_forecasts", "historical_forecasts", "tail_of_law", "tail_of_sample"]

Floats: TypeAlias = npt.NDArray[np.float64]

# What is tried, in this order: options of arch.arch_model, and what to call it.
_GARCH = (
    ("a GJR-GARCH(1,1) with skewed t innovations", {"p": 1, "o": 1, "q": 1, "dist": "skewt"}),
    ("a GARCH(1,1) with normal innovations", {"p": 1, "o": 0, "q": 1, "dist": "normal"}),
)


class Forecast(NamedTuple):
    """One-step forecasts for consecutive dates.

    Parameters
    ----------
    var : array (time,), or (time, assets) where a method forecasts several assets
        Quantile, in the unit of the returns.
    es : array of the same shape
        Mean below the quantile, in the unit of the returns.
    """

    var: Floats
    es: Floats


def gjr_forecasts(returns: npt.ArrayLike, n_train: int, levels: Sequence[float]) -> dict[float, Forecast]:
    """Forecast with a GJR-GARCH(1,1) with skewed t innovations and constant mean.

    The parameters are fitted to the training returns and then fixed; the volatility of each later date is filtered
    from all returns before it. If the fit does not converge, a GARCH(1,1) with normal innovations takes its place, and
    `historical_forecasts` if that fails too, each with a warning.

    Parameters
    ----------
    returns : array (time,)
        Returns per step, in any unit.
    n_train : int
        Number of returns to fit on.
    levels : sequence of float
        Probabilities of the lower tail, such as (.05, .01).

    Returns
    -------
    dict
        Level -> `Forecast` for ``returns[n_train:]``.

    Raises
    ------
    DataError
        The returns are not a finite series, or the number to fit on is not possible.

    Warns
    -----
    DataWarning
        A fit did not converge.

    Source: Glosten, Jagannathan and Runkle (1993); Hansen (1994).
    """
    y = _series(returns, n_train)
    scale = y[:n_train].std()  # the optimiser works best near unit deviation
    if not scale > 0:
        raise DataError(f"the {n_train:,} returns to fit on are all equal; a volatility needs some that differ")
    for name, options in _GARCH:
        fitted = _fit(y / scale, n_train, options)
        if fitted is not None:
            mean, volatility, law, shape = fitted
            return {
                level: Forecast(*(scale * (mean + volatility * z) for z in tail_of_law(law, shape, level)))
                for level in levels
            }
        warn(f"{name} did not converge on {n_train:,} returns; a simpler method takes its place")
    return historical_forecasts(y, n_train, levels)


def historical_forecasts(returns: npt.ArrayLike, n_train: int, levels: Sequence[float]) -> dict[float, Forecast]:
    """Forecast the same for every date: quantile and tail mean of the training returns (historical simulation).

    Parameters
    ----------
    returns : array (time,)
        Returns per step, in any unit.
    n_train : int
        Number of returns to take the quantile of.
    levels : sequence of float
        Probabilities of the lower tail, such as (.05, .01).

    Returns
    -------
    dict
        Level -> `Forecast` for ``returns[n_train:]``.

    Raises
    ------
    DataError
        The returns are not a finite series, or the number to fit on is not possible.
    """
    y = _series(returns, n_train)
    known, dates = y[:n_train], np.ones(len(y) - n_train)
    forecasts = {}
    for level in levels:
        var, es = tail_of_sample(known, level)
        forecasts[level] = Forecast(var * dates, es * dates)
    return forecasts


def converged(model: Any, **options: Any) -> Any | None:
    """Fit a model of `arch`.

    Parameters
    ----------
    model : arch.univariate model
        Its returns should have about unit deviation, near which the optimiser works best.
    **options
        Further options of ``model.fit``, such as ``last_obs``.

    Returns
    -------
    arch.univariate.base.ARCHModelResult or None
        None if the optimiser gave up or found parameters that are not finite.
    """
    try:
        result = model.fit(disp="off", show_warning=False, **options)
    except (ValueError, np.linalg.LinAlgError):
        return None
    return result if result.convergence_flag == 0 and np.isfinite(result.params).all() else None


def tail_of_law(law: Any, shape: Floats, level: float) -> tuple[float, float]:
    """Quantile of a standardised law of innovations, and the mean below it.

    Parameters
    ----------
    law : arch.univariate.distribution.Distribution
        The law.
    shape : array (parameters,)
        Its shape parameters.
    level : float
        Probability in the lower tail.

    Returns
    -------
    float, float
        The mean is that of the quantiles over (0, level), by Gauss-Legendre quadrature.
    """
    nodes, weights = np.polynomial.legendre.leggauss(128)
    # u = level x^8 flattens the pole of ppf(u) ~ u^(-1/nu) at 0: with nu > 2 the integrand starts as x^3 or smoother
    x = (nodes + 1) / 2
    tail = law.ppf(level * x**8, shape)
    return float(law.ppf(np.array([level]), shape)[0]), float(np.sum(weights / 2 * 8 * x**7 * tail))


def tail_of_sample(sample: Floats, level: float) -> tuple[Floats, Floats]:
    """Empirical quantile, and the mean of the values that do not exceed it.

    Parameters
    ----------
    sample : array (..., n)
        Values whose order does not matter.
    level : float
        Probability in the lower tail.

    Returns
    -------
    array (...), array (...)
    """
    quantile = np.quantile(sample, level, axis=-1)
    below = sample <= quantile[..., None]
    mean = np.where(below, sample, 0.0).sum(axis=-1) / below.sum(axis=-1)
    return quantile, np.minimum(mean, quantile)  # the mean of equal values may round to above them


def _series(returns: npt.ArrayLike, n_train: int) -> Floats:
    y = np.asarray(returns, dtype=np.float64)
    if y.ndim != 1 or not np.isfinite(y).all():
        what = "holds missing or infinite values" if y.ndim == 1 else f"has the shape {y.shape}"
        raise DataError(f"forecasts need one series of finite returns, this one {what}")
    if not 2 <= n_train < len(y):
        raise DataError(
            f"cannot fit on {n_train:,} of {len(y):,} returns; at least 2, and at least 1 must be left over"
        )
    return y


def _fit(y: Floats, n_train: int, options: dict[str, Any]) -> tuple[float, Floats, Any, Floats] | None:
    """Return mean, volatility of each later date, law of the innovation and its shape; None if the fit failed."""
    from arch import arch_model

    model = arch_model(y, mean="Constant", vol="GARCH", rescale=False, **options)
    result = converged(model, last_obs=n_train)
    if result is None:
        return None
    volatility = model.fix(result.params).conditional_volatility[n_train:]
    if not np.isfinite(volatility).all():
        return None
    law = model.distribution
    shape = np.asarray(result.params)[len(result.params) - law.num_params :]
    return float(result.params["mu"]), np.asarray(volatility), law, shape
