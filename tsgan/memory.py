"""What a path remembers of its past: exponential averages of its returns at many half-lives.

The state of one asset is, for every half-life, the average of x^2 on falling days, of x^2 on rising days, and of x,
with x the standardised return. It is a multi-horizon version of the GJR-GARCH state (Glosten, Jagannathan and Runkle
1993); sums of such averages decay over the horizons like the long memory of Corsi's HAR model (2009).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.signal import lfilter
from torch import Tensor

from tsgan.returns import Floats


def decay_factors(half_lives: Sequence[float]) -> Floats:
    """Weight that yesterday's average keeps, for half-lives in steps."""
    return np.asarray(0.5 ** (1 / np.asarray(half_lives, float)))


def terms(x: Tensor) -> Tensor:
    """The quantities that are averaged: (..., ) standardised returns -> (..., 3)."""
    down, up = x.clamp(max=0), x.clamp(min=0)
    return torch.stack((down * down, up * up, x), dim=-1)


def remember(state: Tensor, x: Tensor, decay: Tensor) -> Tensor:
    """Take one more return into the state.

    Parameters
    ----------
    state : (..., 3, half-lives)
    x : (...,) standardised returns of the step
    decay : (half-lives,)
    """
    return torch.lerp(terms(x).unsqueeze(-1), state, decay)


def run_memory(x: Floats, half_lives: Sequence[float], initial: Floats) -> Floats:
    """State before each step of a history, and after its last one.

    Parameters
    ----------
    x : (time, assets) standardised returns
    initial : (assets, 3, half-lives), or (assets, 3, 1) for every half-life alike; the averages before the first step

    Returns
    -------
    (time + 1, assets, 3, half-lives); entry t knows x[:t] only.
    """
    down, up = np.minimum(x, 0), np.maximum(x, 0)
    values = np.stack((down * down, up * up, x), axis=-1)
    states = np.empty((len(x) + 1, *initial.shape[:2], len(half_lives)))
    states[0] = initial
    for k, decay in enumerate(decay_factors(half_lives)):
        states[1:, ..., k] = lfilter([1 - decay], [1, -decay], values, axis=0, zi=decay * states[:1, ..., k])[0]
    return states
