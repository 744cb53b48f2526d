"""What a forecast of VaR and ES is, and the tails of laws and samples that forecasts are made of."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Forecast", "tail_of_law", "tail_of_sample"]

Floats: TypeAlias = npt.NDArray[np.float64]


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
