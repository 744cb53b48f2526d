"""Warm start: maximum likelihood of the one-step law, one parallel pass over all dates a step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tsgan.config import WarmStartConfig
from tsgan.generator import Generator
from tsgan.guidance import subsets

_FASTER = 5  # times the learning rate of shares, which have a long way to go


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

    First what they say alone, without the memory, twice: what is clear is shrunk less the second time. Then which share
    of it the memory does not know, and how much of the memory is kept beside it.

    Parameters
    ----------
    x : (time, assets) standardised returns
    states : (time + 1, assets, 3, half-lives) memory before each of them and after the last
    given : (time, inputs) covariates of each of them
    """
    guidance = generator.guidance
    assert guidance is not None
    guidance.fix_moments(given)
    guidance.start_from(generator.skew, generator.tail, generator.calm)
    some = subsets(guidance.blocks).to(x.device)
    twice = torch.cat((states, states[:, :, :2]), 2)  # without memory, any will do

    def climb(steps: int, parameters: list[nn.Parameter], remember: Callable[[Tensor], Tensor]) -> None:
        quick = (guidance.forget, guidance.share)
        groups = [
            {"params": [p], "lr": (_FASTER if any(p is q for q in quick) else 1) * config.learning_rate}
            for p in parameters
        ]
        optimiser = torch.optim.Adam(groups)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(steps):
            known = given * some[torch.randint(len(some), (), generator=rng, device=some.device)]
            optimiser.zero_grad()
            loss = negative_log_posterior_given(generator, x, remember(known), known).sum()
            loss.backward(inputs=parameters)
            optimiser.step()
            schedule.step()

    climb(config.steps, guidance.alone(), lambda _: twice)
    guidance.relax()
    climb((config.steps + 1) // 2, guidance.alone(), lambda _: twice)
    guidance.take_memory()
    climb(
        config.steps,
        [guidance.share, *guidance.trained()],
        lambda known: generator.remember_unexplained(x, states, known, centre=True),
    )
    with torch.no_grad():
        for subset in some:
            generator.remember_unexplained(x, states, given * subset, centre=True)


def negative_log_posterior_given(generator: Generator, x: Tensor, states: Tensor, given: Tensor) -> Tensor:
    """What is lowered where some covariates are known: (assets,).

    (time, assets), (time + 1, assets, 5, half-lives), (time, inputs)
    """
    guidance = generator.guidance
    assert guidance is not None
    likelihood = generator.log_density(x, states[:-1], given=given).mean(0)
    return guidance.penalty() / len(x) / x.shape[1] - likelihood
