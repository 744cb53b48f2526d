"""Warm start: maximum likelihood of the one-step law, one parallel pass over all dates a step."""

from __future__ import annotations

import torch
from torch import Tensor

from tsgan.config import WarmStartConfig
from tsgan.generator import Generator


def warm_start(generator: Generator, x: Tensor, states: Tensor, config: WarmStartConfig) -> float:
    """Fit the generator's one-step law to a history, in place.

    Parameters
    ----------
    x : (time, assets) standardised returns
    states : (time, assets, 3, half-lives) memory before each of them

    Returns
    -------
    Mean negative log likelihood an asset and step.
    """
    optimiser = torch.optim.AdamW(generator.parameter_groups(config.weight_decay), config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)
    for _ in range(config.steps):
        loss = negative_log_posterior(generator, x, states, config).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    generator.fix_neutral(states)
    with torch.no_grad():
        return float(-generator.log_density(x, states).mean())


def negative_log_posterior(generator: Generator, x: Tensor, states: Tensor, config: WarmStartConfig) -> Tensor:
    """What the warm start lowers, per step and asset: (assets,).

    A Laplace prior shrinks spurious differences between tails to nothing and lets real ones through.
    """
    likelihood = generator.log_density(x, states, reference=states).mean(0)
    size = torch.sqrt(generator.tail_stretch().square() + 1e-6)  # without the kink of |x|
    return size / config.stretch_scale / len(x) - likelihood
