"""Scores of forecasts of value at risk and expected shortfall: arrays in, one value an observation out.

VaR and ES are returns: the quantile v and the mean e below it, both negative, e <= v. A lower mean score is better, and
the true law has the lowest (the scores are consistent).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tsgan.errors import DataError

__all__ = ["breach_share", "fz0", "quantile_loss"]

Floats: TypeAlias = npt.NDArray[np.float64]


def quantile_loss(returns: npt.ArrayLike, var: npt.ArrayLike, level: float) -> Floats:
    """Quantile (pinball) loss of a VaR forecast: (a - 1{y <= v}) (y - v).

    Parameters
    ----------
    returns : array
        What came, y, in any unit.
    var : array, broadcast against ``returns``
        Forecast quantile v, in the same unit.
    level : float
        Probability a of a return at or below v, such as .05.

    Returns
    -------
    array
        One loss an observation, in the unit of the returns; 0 is perfect foresight.

    Source: Koenker and Bassett (1978), Regression quantiles, Econometrica 46.
    """
    y, v = np.asarray(returns, dtype=np.float64), np.asarray(var, dtype=np.float64)
    return np.asarray((level - (y <= v)) * (y - v))


def fz0(returns: npt.ArrayLike, var: npt.ArrayLike, es: npt.ArrayLike, level: float) -> Floats:
    """Joint score FZ0 of VaR and ES forecasts: -1{y <= v} (v - y) / (a e) + v / e + ln(-e) - 1.

    Another unit of the returns adds a constant to every score, so that differences between forecasts do not depend
    on it.

    Parameters
    ----------
    returns : array
        What came, y, in any unit.
    var : array, broadcast against ``returns``
        Forecast quantile v <= 0, in the same unit.
    es : array, broadcast against ``returns``
        Forecast expected shortfall e <= v, e < 0, in the same unit.
    level : float
        Probability a of a return at or below v, such as .05.

    Returns
    -------
    array
        One score an observation, without unit.

    Raises
    ------
    DataError
        A forecast is not a possible pair of a negative quantile and shortfall.

    Source: Patton, Ziegel and Chen (2019), Dynamic semiparametric models for expected shortfall.
    """
    y, v, e = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (returns, var, es)))
    possible = (e <= v) & (v <= 0) & (e < 0)  # also false for NaN
    if not possible.all():
        i = int(np.argmin(possible))
        raise DataError(
            f"the score FZ0 needs forecasts with ES <= VaR <= 0 and ES < 0, but those of observation {i} are "
            f"VaR {v.flat[i]:g} and ES {e.flat[i]:g}"
        )
    breach = np.where(y <= v, v - y, 0.0)
    return np.asarray(-breach / (level * e) + v / e + np.log(-e) - 1)


def breach_share(returns: npt.ArrayLike, var: npt.ArrayLike) -> float:
    """Share of the observations at or below their forecast quantile; the level if the forecasts are right.

    Parameters
    ----------
    returns : array
        What came.
    var : array, broadcast against ``returns``
        Forecast quantile, in the same unit.

    Returns
    -------
    float
    """
    return float(np.mean(np.asarray(returns, dtype=np.float64) <= np.asarray(var, dtype=np.float64)))
