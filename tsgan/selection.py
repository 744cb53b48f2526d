"""How good a law is on days it has not seen, by a proper score of whole paths."""

from __future__ import annotations

import numpy as np
import torch

from tsgan.device import random_stream
from tsgan.law import Law
from tsgan.returns import Floats

_HORIZONS = (1, 5, 20, 60)
_ORIGINS, _PATHS = 128, 32


def path_scores(law: Law, returns: Floats, first: int, seed: int) -> Floats:
    """Energy scores of continuations of a history, one an origin; lower is better.

    From up to 128 origins, 32 paths are run and summarised by their return and the log of their mean absolute return
    at 1, 5, 20 and 60 steps. The energy score (Gneiting and Raftery 2007) of these summaries is proper: the true law
    has the lowest expectation.

    Parameters
    ----------
    returns : (time, assets) log returns, of which the rows from ``first`` on are scored

    Returns
    -------
    (origins,) means over assets; the same origins and noise for every law of the same seed.
    """
    longest = min(_HORIZONS[-1], len(returns) - first)
    origins = np.unique(np.linspace(first, len(returns) - longest, _ORIGINS).astype(int))
    states = law.states(returns)[torch.as_tensor(origins, device=law.device)]
    paths = law.run(states.repeat_interleave(_PATHS, 0), longest, random_stream(seed, device=law.device))
    truth = np.stack([returns[o : o + longest] for o in origins])
    horizons = [h for h in _HORIZONS if h <= longest]
    drawn = _summary(paths / law.scaling.deviation, horizons).reshape(len(origins), _PATHS, -1, 2 * len(horizons))
    seen = _summary(truth / law.scaling.deviation, horizons)
    return np.asarray(energy_score(drawn, seen).mean(axis=1))


def energy_score(drawn: Floats, seen: Floats) -> Floats:
    """E|X - y| - E|X - X'| / 2 with X, X' from the draws: (n, draws, ..., k), (n, ..., k) -> (n, ...)."""
    draws = drawn.shape[1]
    miss = np.linalg.norm(drawn - seen[:, None], axis=-1).mean(axis=1)
    spread = np.zeros_like(miss)
    for shift in range(1, draws):
        spread += np.linalg.norm(drawn - np.roll(drawn, shift, axis=1), axis=-1).mean(axis=1)
    return np.asarray(miss - spread / (draws - 1) / 2)


def _summary(x: Floats, horizons: list[int]) -> Floats:
    """Scaled return and log mean absolute return at each horizon: (n, time, assets) -> (n, assets, 2 horizons)."""
    total, size = np.cumsum(x, axis=1), np.cumsum(np.abs(x), axis=1)
    parts = [total[:, h - 1] / h**0.5 for h in horizons]
    parts += [np.log(size[:, h - 1] / h + 0.05) for h in horizons]
    return np.stack(parts, axis=-1)
