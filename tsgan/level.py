"""Hold the level: free runs get the volatility of the training data."""

from __future__ import annotations

import torch
from torch import Tensor

from tsgan.generator import Generator
from tsgan.joint import JointNoise

_PATHS, _STEPS, _ROUNDS = 768, 2500, 2  # the variance of so many steps has an error of about 3 %
_BLOCK = 250
_SMALL = 1e-4  # of the usual variance: a block of equal prices has a logarithm, too


@torch.no_grad()
def match_level(generator: Generator, x: Tensor, states: Tensor, noise: JointNoise, rng: torch.Generator) -> None:
    """Shift ``generator.neutral`` until free runs have the data's :func:`level`.

    The same noise is used in every round, and the feedback of a shift through the memory is known
    (1 / (1 - elasticity p)), so a few Newton steps are enough.

    Parameters
    ----------
    x : (time, assets) standardised training returns
    states : (time, assets, 3, half-lives) memory before each of them; free runs start from dates all over it
    """
    steps = min(_STEPS, len(x))
    start = states[torch.linspace(0, len(states) - 1, _PATHS, device=x.device).long()]
    shocks = noise(_PATHS, steps, rng)
    persistence = generator.prepare().p
    target = level(x[None])
    for _ in range(_ROUNDS):
        difference = level(generator(start, shocks)[0]) - target
        generator.neutral += (1 - generator.config.elasticity * persistence) * difference


def level(x: Tensor) -> Tensor:
    """Mean log variance of blocks of a year of trading days: (n, time, assets) -> (assets,).

    One crisis moves it less than it moves the variance of all days, so it foretells that of later years better.
    """
    block = min(_BLOCK, x.shape[1])
    sums = torch.cumsum(x.double().square(), 1)
    sums = torch.cat((torch.zeros_like(sums[:, :1]), sums), 1)
    variance = (sums[:, block:] - sums[:, :-block])[:, :: max(1, block // 5)] / block
    return variance.clamp(min=_SMALL).log().mean((0, 1)).to(x.dtype)
