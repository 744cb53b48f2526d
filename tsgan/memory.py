"""What a path remembers of its past: exponential averages of its returns at many half-lives.

The state of one asset is, for every half-life, the average of y^2 on falling days, of y^2 on rising days, and of x,
with x the standardised return and y = x - its mean at the time; instead of the shortest average of x it is the last x
itself. It is a multi-horizon version of the GJR-GARCH state (Glosten, Jagannathan and Runkle 1993); sums of such
averages decay over the horizons like the long memory of Corsi's HAR model (2009).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.signal import lfilter
from torch import Tensor

from tsgan.returns import Floats


def decay_factors(half_lives: Sequence[float]) -> Floats:
    """Weight that yesterday's average keeps: (3, half-lives), for half-lives in steps."""
    factors = np.tile(0.5 ** (1 / np.asarray(half_lives, float)), (3, 1))
    factors[2, 0] = 0
    return factors


def terms(x: Tensor, y: Tensor, floor: Tensor | None = None, out: Tensor | None = None) -> Tensor:
    """The quantities that are averaged: (assets, n) returns, and these less their mean -> (assets, 3, n).

    A floor, (assets, 2 or more, 1), is what is added to the squares.
    """
    down, up = y.clamp(max=0), y.clamp(min=0)
    floor = y.new_zeros(1, 2, 1) if floor is None else floor
    squares = torch.addcmul(floor[:, 0], down, down), torch.addcmul(floor[:, 1], up, up)
    return torch.stack((*squares, x), dim=1, out=out)


def remember(
    state: Tensor,
    x: Tensor,
    y: Tensor,
    decay: Tensor,
    unexplained: Tensor | None = None,
    floor: Tensor | None = None,
    between: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Take one more return into the state.

    Parameters
    ----------
    state : (assets, 3, half-lives, n), with paths last, or with two rows more, of the squares that covariates do not
        explain
    x, y : (assets, n) standardised returns of the step, and these less their mean
    decay : (3, half-lives)
    unexplained : (assets, n) y without what covariates explain of its size; None takes y
    floor : (assets, 2 or more, 1) what the squares in the state are raised by; nothing by default
    between, out : memory for the terms and for the new state, which may be the old one's; new memory by default
    """
    new = terms(x, y, floor, between)
    if state.shape[1] > new.shape[1]:
        new = torch.cat((new, terms(x, y if unexplained is None else unexplained, floor)[:, :2]), 1)
        decay = torch.cat((decay, decay[:2]))
    taken: Tensor = torch.lerp(new.unsqueeze(2), state, decay[..., None], out=out)
    return taken


def run_memory(x: Floats, half_lives: Sequence[float], initial: Floats, drift: Floats, weights: Floats) -> Floats:
    """State before each step of a history, and after its last one.

    Parameters
    ----------
    x : (time, assets) standardised returns
    initial : (assets, 3, half-lives), or (assets, 3, 1) for every half-life alike; the averages before the first step
    drift, weights : (assets,), (assets, half-lives); the mean of a step is drift + weights @ (signed averages - drift)

    Returns
    -------
    (time + 1, assets, 3, half-lives); entry t knows x[:t] only.
    """
    decays = decay_factors(half_lives)
    signed = averages(x, decays[2], initial[:, 2])
    y = residuals(x, signed[:-1], drift, weights)
    falling = averages(np.minimum(y, 0) ** 2, decays[0], initial[:, 0])
    rising = averages(np.maximum(y, 0) ** 2, decays[1], initial[:, 1])
    return np.stack((falling, rising, signed), axis=2)


def residuals(x: Floats, signed: Floats, drift: Floats, weights: Floats) -> Floats:
    """Returns less their mean at the time, drift + weights @ (signed averages before them - drift).

    (time, assets), (time, assets, half-lives), (assets,), (assets, half-lives) -> (time, assets)
    """
    return np.asarray(x - drift - ((signed - drift[:, None]) * weights).sum(-1))


def averages(values: Floats, decay: Floats, initial: Floats) -> Floats:
    """Exponential averages before each step and after the last.

    (time, assets), (half-lives,), (assets, half-lives) or (assets, 1) -> (time + 1, assets, half-lives)
    """
    found = np.empty((len(values) + 1, values.shape[1], len(decay)))
    found[0] = initial
    for k, kept in enumerate(decay):
        found[1:, :, k] = lfilter([1 - kept], [1, -kept], values, axis=0, zi=kept * found[:1, :, k])[0]
    return found


def differentiable_averages(values: Tensor, decay: Tensor, initial: Tensor) -> Tensor:
    """Exponential averages before each step and after the last, as one convolution with gradients.

    (time, assets, rows), (rows, half-lives), (assets, rows, half-lives) -> (time + 1, assets, rows, half-lives)
    """
    steps = len(values)
    length = next_fast_len(2 * steps)
    powers = decay.double() ** torch.arange(steps + 1, device=values.device)[:, None, None]
    weights = ((1 - decay.double()) * powers[:-1]).unsqueeze(1)
    spectrum = torch.fft.rfft(values.double().unsqueeze(-1), length, dim=0)
    spectrum = spectrum * torch.fft.rfft(weights, length, dim=0)
    since = torch.fft.irfft(spectrum, length, dim=0)[:steps].clamp(min=0)  # rounding can be below 0
    start = powers.unsqueeze(1) * initial.double()
    return torch.cat((start[:1], start[1:] + since)).to(values.dtype)
