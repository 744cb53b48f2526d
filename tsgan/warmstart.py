"""Warm start: maximum likelihood of the one-step law, one parallel pass over all dates a step."""

from __future__ import annotations

import torch
from torch import Tensor

from tsgan.config import WarmStartConfig
from tsgan.generator import Generator
from tsgan.guidance import hide

_HIDDEN = 0.5
_ALL = 30.0  # the logit of forgetting everything
_FASTER = 5  # times the learning rate of that logit, which has a long way to go


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


def guide(
    generator: Generator, x: Tensor, states: Tensor, given: Tensor, config: WarmStartConfig, rng: torch.Generator
) -> None:
    """Fit the effect of covariates, in place; the law without them stays as it is.

    First what they say alone, without the memory; then how much of the memory is kept beside it.

    Parameters
    ----------
    x : (time, assets) standardised returns
    states : (time, assets, 3, half-lives) memory before each of them
    given : (time, inputs) covariates of each of them
    """
    guidance = generator.guidance
    assert guidance is not None
    guidance.fix_moments(given)
    guidance.start_from(generator.skew, generator.tail, generator.calm)
    for forget, parameters in (
        (_ALL, [guidance.variance, guidance.level, *guidance.trained()[1:]]),
        (0.0, guidance.trained()),
    ):
        with torch.no_grad():
            guidance.forget.fill_(forget)
        groups = [
            {"params": [p], "lr": (_FASTER if p is guidance.forget else 1) * config.learning_rate} for p in parameters
        ]
        optimiser = torch.optim.Adam(groups)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)
        for _ in range(config.steps):
            optimiser.zero_grad()
            negative_log_posterior_given(generator, x, states, given, rng).sum().backward()
            optimiser.step()
            schedule.step()


def negative_log_posterior_given(
    generator: Generator, x: Tensor, states: Tensor, given: Tensor, rng: torch.Generator
) -> Tensor:
    """What is lowered where covariates are known, some of them hidden at random on each day: (assets,)."""
    guidance = generator.guidance
    assert guidance is not None
    # an only one is never hidden, since nothing is then to be learned
    known = hide(given, guidance.blocks, _HIDDEN if len(guidance.blocks) > 1 else 0.0, rng)
    likelihood = generator.log_density(x, states, given=known).mean(0)
    return guidance.penalty() / len(x) / x.shape[1] - likelihood
