"""Negative controls: paths that must not pass. An evaluation that accepts one of them proves nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tsgan.evaluation.measures import Floats

Control = Callable[[Floats, int, int, np.random.Generator], Floats]
"""From log returns (time, assets) to paths (n, length, assets)"""


def gaussian(returns: Floats, n: int, length: int, rng: np.random.Generator) -> Floats:
    """Independent normal returns with the real means and covariances."""
    return rng.multivariate_normal(returns.mean(axis=0), np.atleast_2d(np.cov(returns.T)), size=(n, length))


def shuffled(returns: Floats, n: int, length: int, rng: np.random.Generator) -> Floats:
    """The real returns in random order: the law of one return is exact, all memory is gone."""
    return np.stack([_stretches(rng.permutation(returns), 1, length, rng)[0] for _ in range(n)])


def reversed_in_time(returns: Floats, n: int, length: int, rng: np.random.Generator) -> Floats:
    """Stretches of the real returns run backwards: only the direction of time is wrong."""
    return np.asarray(_stretches(returns, n, length, rng)[:, ::-1])


def scaled(returns: Floats, n: int, length: int, rng: np.random.Generator) -> Floats:
    """Stretches of the real returns times 1.5: only the level of risk is wrong."""
    return 1.5 * _stretches(returns, n, length, rng)


def iid_bootstrap(returns: Floats, n: int, length: int, rng: np.random.Generator) -> Floats:
    """Days drawn independently from the real ones."""
    return np.asarray(returns[rng.integers(len(returns), size=(n, length))])


def copy(returns: Floats, n: int, length: int, rng: np.random.Generator) -> Floats:
    """Stretches of the real returns as they are."""
    return _stretches(returns, n, length, rng)


CONTROLS: dict[str, Control] = {
    "i.i.d. Gaussian": gaussian,
    "shuffled in time": shuffled,
    "reversed in time": reversed_in_time,
    "scaled by 1.5": scaled,
    "i.i.d. bootstrap": iid_bootstrap,
    "exact copy": copy,
}


def _stretches(returns: Floats, n: int, length: int, rng: np.random.Generator) -> Floats:
    """Stretches from random dates; the end is followed by the start."""
    starts = rng.integers(len(returns), size=(n, 1))
    return np.asarray(returns[(starts + np.arange(length)) % len(returns)])
