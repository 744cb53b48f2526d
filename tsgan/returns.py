"""Prices and log returns, exact inverses of each other; all returns in tsgan are log returns a step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def log_returns(prices: Floats) -> Floats:
    """Log returns of consecutive rows: (time, assets) prices > 0 -> (time - 1, assets)."""
    return np.ascontiguousarray(np.diff(np.log(prices), axis=0))


def prices_from(returns: Floats, start: Floats) -> Floats:
    """Prices after each step, positive by construction.

    Parameters
    ----------
    returns : (..., time, assets) log returns
    start : (assets,) prices before the first step

    Returns
    -------
    (..., time, assets)
    """
    return np.asarray(start * np.exp(np.cumsum(returns, axis=-2)))
