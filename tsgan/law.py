"""A fitted law of returns: what is needed to run a market forward from any history."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tsgan.generator import Generator
from tsgan.joint import JointNoise
from tsgan.memory import run_memory
from tsgan.returns import Floats


class Scaling(NamedTuple):
    """Units of the law; both come from the training returns."""

    deviation: Floats
    """(assets,) standard deviation of a log return; x = r / deviation is the standardised return"""
    usual: Floats
    """(assets, 3) mean falling square, rising square and return of x: the memory of a history not yet seen"""

    @classmethod
    def of(cls, returns: Floats) -> Scaling:
        """Measure (time, assets) log returns."""
        deviation = returns.std(axis=0)
        x = returns / deviation
        usual = np.stack((np.minimum(x, 0) ** 2, np.maximum(x, 0) ** 2, x), axis=-1).mean(axis=0)
        return cls(deviation, usual)


class Law(NamedTuple):
    """Generator, noise and units together, on one device."""

    generator: Generator
    noise: JointNoise
    scaling: Scaling

    @property
    def device(self) -> torch.device:
        """Where the law computes."""
        return self.generator.neutral.device

    def standardise(self, returns: Floats) -> Tensor:
        """(time, assets) log returns -> standardised returns on the law's device."""
        return _tensor(returns / self.scaling.deviation, self.device)

    def states(self, returns: Floats) -> Tensor:
        """Memory before each step of a history and after its last.

        (time, assets) log returns -> (time + 1, assets, 3, half-lives)
        """
        return states_of(returns, self.scaling, self.generator.config.half_lives, self.device)

    @torch.no_grad()
    def run(self, states: Tensor, length: int, rng: torch.Generator, copies: int = 1) -> Floats:
        """Run freely from given states, with so many paths from each.

        (n, assets, 3, half-lives) -> log returns (n x copies, length, assets); those from the first state come first.
        """
        shocks = self.noise(len(states) * copies, length, rng)
        x = self.generator(states, shocks, copies=copies)[0]
        return np.asarray(x.cpu().double().numpy() * self.scaling.deviation)

    @torch.no_grad()
    def value_at_risk(self, states: Tensor, level: float) -> tuple[Floats, Floats]:
        """Exact quantile and expected shortfall of the next log return, both (n, assets), at a level such as 0.01."""
        mean, scale, innovation = self.generator.prepare()(states)
        bounds = (mean + scale * innovation.quantile(level), mean + scale * innovation.tail_mean(level))
        quantile, shortfall = (b.cpu().double().numpy() * self.scaling.deviation for b in bounds)
        return quantile, shortfall


def states_of(returns: Floats, scaling: Scaling, half_lives: tuple[float, ...], device: torch.device) -> Tensor:
    """Memory of log returns in given units; see :meth:`Law.states`."""
    return _tensor(run_memory(returns / scaling.deviation, half_lives, scaling.usual[..., None]), device)


def _tensor(values: Floats, device: torch.device) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32, device=device)
