"""Prices and log returns, exact inverses of each other; all returns in tsgan are log returns a step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsgan.errors import ConfigError, option

Floats = NDArray[np.float64]


def log_returns(prices: Floats) -> Floats:
    """Log returns of consecutive rows: (time, assets) prices > 0 -> (time - 1, assets)."""
    return np.ascontiguousarray(np.diff(np.log(prices), axis=0))


def prices_from(returns: Floats, start: Floats) -> Floats:
    """Prices after each step, finite and positive.

    Parameters
    ----------
    returns : (..., time, assets) log returns
    start : (assets,) prices before the first step

    Returns
    -------
    (..., time, assets)

    Raises
    ------
    ConfigError
        They leave what a number can hold, about 1e-308 to 1e308.
    """
    with np.errstate(over="ignore", under="ignore"):
        prices = np.asarray(start * np.exp(np.cumsum(returns, axis=-2)))
    if not (prices.min(initial=1.0) > 0 and prices.max(initial=1.0) < np.inf):  # also where one is no number
        raise ConfigError(
            "some path leaves the prices that a number can hold, about 1e-308 to 1e308; take a smaller length, or "
            f"returns instead of prices ({option('kind', 'returns')})"
        )
    return prices
