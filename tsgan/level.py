"""Hold the level: free runs get the variance of the training data."""

from __future__ import annotations

import torch
from torch import Tensor

from tsgan.generator import Generator
from tsgan.joint import JointNoise

_PATHS, _STEPS, _ROUNDS = 768, 2500, 2  # the variance of so many steps has an error of about 3 %


@torch.no_grad()
def match_level(generator: Generator, x: Tensor, states: Tensor, noise: JointNoise, rng: torch.Generator) -> None:
    """Shift ``generator.neutral`` until free runs have the data's mean squared standardised return.

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
    for _ in range(_ROUNDS):
        ratio = generator(start, shocks)[0].square().mean((0, 1)) / x.square().mean(0)
        generator.neutral += (1 - generator.config.elasticity * persistence) * ratio.log()
