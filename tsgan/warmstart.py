"""Warm start: maximum likelihood of the one-step law, one parallel pass over all dates a step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tsgan.config import WarmStartConfig
from tsgan.generator import Generator
from tsgan.guidance import hide
from tsgan.joint import JointNoise
from tsgan.memory import run_memory

_HIDDEN = 0.5
_STRETCH = 256  # steps that the generator's own past may have
_REFRESH = 20  # calls after which it is run anew


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


def guide(generator: Generator, loss: GuidedLoss, config: WarmStartConfig) -> None:
    """Fit the effect of covariates, in place; the law without them stays as it is."""
    guidance = generator.guidance
    assert guidance is not None
    guidance.start_from(generator.skew, generator.tail, generator.calm)
    optimiser = torch.optim.AdamW(guidance.parameter_groups(), config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)
    for _ in range(config.steps):
        optimiser.zero_grad()
        loss(generator).sum().backward()
        optimiser.step()
        schedule.step()


class GuidedLoss:
    """Negative log posterior where covariates are known, some of them hidden at random.

    Half of it is that of real returns after their real past. In the other half the past of up to 256 steps is the
    generator's own, run under the same covariates (scheduled sampling, Bengio et al. 2015): a scenario holds the VIX at
    50 for a year, and what the path then remembers is its own doing. Without it, memory and covariate each answer for
    the other, and volatility runs away under values that are seen only for days.

    Parameters
    ----------
    x : (time, assets) standardised returns
    states : (time, assets, 3, half-lives) memory before each of them
    given : (time, inputs) covariates of each of them
    noise : of the generator's own past
    """

    def __init__(self, x: Tensor, states: Tensor, given: Tensor, noise: JointNoise, rng: torch.Generator) -> None:
        self.x, self.states, self.given, self.noise, self.rng = x, states, given, noise, rng
        self._calls = 0
        self._rows, self._imagined, self._known = slice(0, 0), states[:0], given[:0]

    def __call__(self, generator: Generator) -> Tensor:
        """What is lowered, per step: (assets,)."""
        guidance = generator.guidance
        assert guidance is not None
        if self._calls % _REFRESH == 0:
            self._imagine(generator, guidance.blocks)
        self._calls += 1
        known = hide(self.given, guidance.blocks, self._share(guidance.blocks), self.rng)
        real = generator.log_density(self.x, self.states, given=known).mean(0)
        own = generator.log_density(self.x[self._rows], self._imagined, given=self._known).mean(0)
        return guidance.penalty() / len(self.x) / self.x.shape[1] - 0.5 * (real + own)

    @torch.no_grad()
    def _imagine(self, generator: Generator, blocks: Sequence[int]) -> None:
        """Run the generator over stretches that fill the history, each from the real state where it begins."""
        steps = min(_STRETCH, len(self.x))
        count = len(self.x) // steps
        offset = int(torch.randint(len(self.x) - count * steps + 1, (1,), generator=self.rng, device=self.x.device))
        self._rows = slice(offset, offset + count * steps)
        given = hide(self.given[self._rows].unflatten(0, (count, steps)), blocks, self._share(blocks), self.rng)
        start = self.states[self._rows][::steps]
        path = generator(start, self.noise(count, steps, self.rng), given=given)[0]
        drift, momentum = (v.cpu().double().numpy() for v in (generator.drift, generator.momentum))
        runs = [
            run_memory(own, generator.config.half_lives, first, drift, momentum)[:-1]
            for own, first in zip(path.cpu().double().numpy(), start.cpu().double().numpy(), strict=True)
        ]
        self._imagined = torch.as_tensor(np.concatenate(runs), dtype=self.x.dtype, device=self.x.device)
        self._known = given.flatten(0, 1)

    @staticmethod
    def _share(blocks: Sequence[int]) -> float:
        """Probability that a covariate is hidden; the only one never is, since nothing is then to be learned."""
        return _HIDDEN if len(blocks) > 1 else 0.0
