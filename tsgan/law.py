"""A fitted law of returns: what is needed to run a market forward from any history."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tsgan.generator import Generator
from tsgan.joint import JointNoise, Noise
from tsgan.memory import averages, decay_factors, residuals, run_memory
from tsgan.returns import Floats


class Scaling(NamedTuple):
    """Units of the law; both come from the training returns."""

    deviation: Floats
    """(assets,) deviation of a log return r from its mean at the time; x = r / deviation is the standardised return"""
    usual: Floats
    """(assets, 3) what a history not yet seen is taken to leave in the memory: the mean of everything there"""

    @classmethod
    def of(cls, returns: Floats, generator: Generator) -> Scaling:
        """Measure (time, assets) log returns, given a generator with their momentum."""
        centre, weights = returns.mean(axis=0), _array(generator.momentum)
        signed = averages(returns, decay_factors(generator.config.half_lives)[2], centre[:, None])[:-1]
        y = residuals(returns, signed, centre, weights)
        deviation = y.std(axis=0)
        y = y / deviation
        usual = (np.minimum(y, 0) ** 2, np.maximum(y, 0) ** 2, returns / deviation)
        return cls(deviation, np.stack(usual, axis=-1).mean(axis=0))


class Law(NamedTuple):
    """Generator, noise and units together, on one device."""

    generator: Generator
    noise: JointNoise
    scaling: Scaling

    @property
    def device(self) -> torch.device:
        """Where the law computes."""
        return self.generator.neutral.device

    @property
    def drift(self) -> Floats:
        """(assets,) mean log return a step."""
        return np.asarray(_array(self.generator.drift) * self.scaling.deviation)

    def standardise(self, returns: Floats) -> Tensor:
        """(time, assets) log returns -> standardised returns on the law's device."""
        return _tensor(returns / self.scaling.deviation, self.device)

    def states(self, returns: Floats, before: Floats | None = None, given: Floats | None = None) -> Tensor:
        """Memory before each step of a history and after its last; by default it begins with the usual memory.

        (time, assets) log returns -> (time + 1, assets, 3, half-lives), or with 5 rows if covariates (time, inputs) of
        its steps are given
        """
        states = states_of(self.generator, returns, self.scaling, before)
        if given is None:
            return states
        if before is not None and before.shape[1] == 5:
            states = torch.cat((states, _tensor(before[:, 3:], self.device).expand(len(states), -1, -1, -1)), 2)
        with torch.no_grad():
            return self.generator.remember_unexplained(self.standardise(returns), states, _tensor(given, self.device))

    def run(self, states: Tensor, length: int, rng: torch.Generator, copies: int = 1) -> Floats:
        """Run freely from given states, with so many paths from each.

        (n, assets, 3, half-lives) -> log returns (n x copies, length, assets); those from the first state come first.
        """
        return self.follow(states, self.noise.draw(len(states) * copies, length, rng), copies)

    @torch.inference_mode()
    def follow(self, states: Tensor, noise: Noise, copies: int = 1, given: Tensor | None = None) -> Floats:
        """Run from given states by given random numbers, with covariates (n, length, inputs); see :meth:`run`."""
        x = self.generator(states, self.noise.shocks(noise), copies=copies, given=given)[0]
        return np.asarray(x.cpu().contiguous().numpy() * self.scaling.deviation)

    @torch.no_grad()
    def value_at_risk(self, states: Tensor, level: float) -> tuple[Floats, Floats]:
        """Exact quantile and expected shortfall of the next log return, both (n, assets), at a level such as 0.01."""
        mean, scale, innovation = self.generator.prepare()(states)
        bounds = (mean + scale * innovation.quantile(level), mean + scale * innovation.tail_mean(level))
        quantile, shortfall = (b.cpu().double().numpy() * self.scaling.deviation for b in bounds)
        return quantile, shortfall


def states_of(generator: Generator, returns: Floats, scaling: Scaling, before: Floats | None = None) -> Tensor:
    """Memory of log returns in given units; see :meth:`Law.states`."""
    before = scaling.usual[..., None] if before is None else before
    drift, momentum = _array(generator.drift), _array(generator.momentum)
    memory = run_memory(returns / scaling.deviation, generator.config.half_lives, before, drift, momentum)
    return _tensor(memory, generator.drift.device)


def _tensor(values: Floats, device: torch.device) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32, device=device)


def _array(values: Tensor) -> Floats:
    return np.asarray(values.cpu().double().numpy())
