"""Paths of a law that reach a goal: by waiting for them where that is short, by splitting where it is not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tsgan.device import random_stream
from tsgan.errors import ConfigError
from tsgan.events import Aim, Goal, fact
from tsgan.joint import Noise
from tsgan.law import Law
from tsgan.returns import Floats
from tsgan.splitting import POPULATION, Population, effective_samples, split

_LEVEL_SPREAD = 0.3  # what the volatility of later years misses that of a training history by, in logs, on 78 series
_PILOT = 2048
_WAIT = 1 / 64  # share of paths that reach the goal by chance, above which waiting for them is shorter
_POPULATIONS = 1
_ORIGIN_MOVES = 0.2
_PILOT_KEY, _WAIT_KEY, _SPLIT_KEY = 0, 1, 2


@dataclass(frozen=True)
class Conditioning:
    """How paths came to reach a goal, and how often paths do.

    Attributes
    ----------
    method : "rejection" (paths were drawn until enough of them reached it) or "splitting" (see tsgan.splitting)
    effective_samples : how many independent paths the paths are worth; splitting returns relatives
    probability : share of paths that reach the goal by chance; None where a value was asked for
    interval : 95 % confidence interval of the probability
    """

    method: str
    effective_samples: float
    probability: float | None
    interval: tuple[float, float] | None


class Particles(NamedTuple):
    """Everything random about n paths."""

    origin: Tensor
    """(n,) state that each starts from"""
    level: Tensor
    """(n, volatility goals) how far the level of volatility is from the usual, standard normal"""
    noise: Noise


class Reach:
    """Paths of a law from given states to given goals: a problem for :mod:`tsgan.splitting`.

    Parameters
    ----------
    law : where paths come from
    states : (origins, assets, 3, half-lives) where they start, all alike
    length : steps
    goals : what they must reach. For the value of a volatility the level of the volatility is uncertain, as it is
        between eras: log-normal around the law's with a deviation of 30 %.
    drift : (assets,) what is added to every log return
    """

    def __init__(
        self,
        law: Law,
        states: Tensor,
        length: int,
        goals: tuple[Goal, ...],
        drift: Floats,
        periods_per_year: float,
        seed: int,
    ) -> None:
        self.law, self.states, self.length, self.drift, self.seed = law, states, length, drift, seed
        self.levels = tuple(goal.asset for goal in goals if goal.is_value and goal.fact == "volatility")
        self.aim = Aim((), np.zeros((1, 1, 1)), 1.0)
        pilot = self.paths(self.draw(_PILOT, self._stream(_PILOT_KEY)))
        self.aim = Aim(goals, pilot, periods_per_year)
        self.reached = float((self.distance(self.aim.adjust(pilot)) == 0).mean())

    def sample(self, n: int) -> tuple[Floats, Conditioning]:
        """Draw n paths that all reach the goals; path i does not depend on n.

        Raises
        ------
        ConfigError
            They are out of reach.
        """
        return self._wait(n) if self.reached >= _WAIT else self._split(n)

    def draw(self, n: int, rng: torch.Generator) -> Particles:
        """Random numbers of n paths."""
        device = self.law.device
        origin = torch.randint(len(self.states), (n,), generator=rng, device=device)
        level = torch.randn((n, len(self.levels)), generator=rng, device=device)
        return Particles(origin, level, self.law.noise.draw(n, self.length, rng))

    def pick(self, particles: Particles, rows: NDArray[np.int64]) -> Particles:
        """Those of some paths."""
        index = torch.as_tensor(rows, device=self.law.device)
        noise = Noise(*(field[index] for field in particles.noise))
        return Particles(particles.origin[index], particles.level[index], noise)

    def move(self, particles: Particles, rng: torch.Generator) -> Particles:
        """Draw a random share of a path's steps anew, wholly or in part, and shuffle them in half of the paths."""
        new = self.draw(len(particles.origin), rng)
        n, device = len(particles.origin), self.law.device

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, generator=rng, device=device)

        share = self.length ** -uniform(n, 1)  # from one step to all, alike in logs
        part = uniform(n, 1)
        steps = uniform(n, self.length) < share
        weight = torch.where(steps, part, 0.0)[..., None]
        fresh = (1 - weight.square()).sqrt() * particles.noise.fresh + weight * new.noise.fresh
        order = _shuffled(torch.where(uniform(n, 1) < 0.5, steps, False), uniform(n, self.length))
        fresh = fresh.gather(1, order[..., None].expand_as(fresh))
        again = (steps & (uniform(n, self.length) < part))[:, : new.noise.days.shape[1]]
        days = torch.where(again, new.noise.days, particles.noise.days)
        days = days.gather(1, order[:, : days.shape[1]])
        weight = torch.where(uniform(n, 1) < 0.5, part, 0.0)
        level = (1 - weight.square()).sqrt() * particles.level + weight * new.level
        origin = torch.where(uniform(n) < _ORIGIN_MOVES, new.origin, particles.origin)
        return Particles(origin, level, Noise(fresh, days))

    def paths(self, particles: Particles) -> Floats:
        """Log returns (n, length, assets), taken onto a value that they have come very near to."""
        returns = self.law.follow(self.states[particles.origin], particles.noise)
        for column, asset in zip(particles.level.T, self.levels, strict=True):
            chosen = slice(None) if asset is None else slice(asset, asset + 1)
            centre = self._centre[chosen]
            factor = np.exp(_LEVEL_SPREAD * column.cpu().double().numpy())[:, None, None]
            returns[:, :, chosen] = centre + factor * (returns[:, :, chosen] - centre)
        return self.aim.adjust(returns + self.drift)

    def distance(self, paths: Floats) -> Floats:
        """How far paths are from the goals: (n,)."""
        return self.aim.distance(paths)

    @property
    def _centre(self) -> Floats:
        return np.asarray(self.law.generator.drift.cpu().double().numpy() * self.law.scaling.deviation)

    def _wait(self, n: int) -> tuple[Floats, Conditioning]:
        found, tried, hits = [], 0, 0
        for chunk in range(math.ceil(n / POPULATION)):
            rng, here = self._stream(_WAIT_KEY, chunk), 0
            while here < POPULATION:
                paths = self.paths(self.draw(2 * POPULATION, rng))
                reached = paths[self.distance(paths) == 0]
                found.append(reached[: POPULATION - here])
                here, tried, hits = here + len(reached), tried + len(paths), hits + len(reached)
        share = hits / tried
        return np.concatenate(found)[:n], self._outcome("rejection", float(n), share, (1 - share) / hits)

    def _split(self, n: int) -> tuple[Floats, Conditioning]:
        chunks = max(math.ceil(n / POPULATION), _POPULATIONS)
        populations = []
        for chunk in range(chunks):
            populations.append(split(self, self._stream(_SPLIT_KEY, chunk)))
            self._require_reached(populations[-1])
        probabilities = np.exp([population.log_probability for population in populations])
        paths = np.concatenate([population.paths for population in populations])[:n]
        families = np.concatenate([p.ancestors + POPULATION * k for k, p in enumerate(populations)])[:n]
        errors = probabilities * np.sqrt([population.variance for population in populations])
        relative = float((errors**2).sum()) / probabilities.sum() ** 2
        return paths, self._outcome(
            "splitting", effective_samples(_description(paths), families), float(probabilities.mean()), relative
        )

    def _outcome(self, method: str, effective: float, probability: float, relative: float) -> Conditioning:
        if any(goal.is_value for goal in self.aim.goals):
            return Conditioning(method, effective, None, None)
        factor = math.exp(1.96 * math.sqrt(math.log1p(relative)))
        return Conditioning(method, effective, probability, (probability / factor, min(1.0, probability * factor)))

    def _require_reached(self, population: Population) -> None:
        if population.nearest == 0:
            return
        nearest = population.paths[self.distance(population.paths).argmin()][None]
        facts = ", ".join(
            f"{goal.fact} {fact(nearest, goal, self.aim.periods_per_year)[0]:.4g}" for goal in self.aim.goals
        )
        raise ConfigError(
            f"what is asked for is out of reach of {self.length} steps: its probability is below 1e-12; the nearest "
            f"path has {facts}; ask for less, or for a longer path (length)"
        )

    def _stream(self, *keys: int) -> torch.Generator:
        return random_stream(self.seed, 1, *keys, device=self.law.device)


def _shuffled(steps: Tensor, keys: Tensor) -> Tensor:
    """Order of time in which some steps have changed places: (n, time) whether they do, and random numbers."""
    places = torch.arange(steps.shape[1], device=steps.device)
    source = torch.argsort(torch.where(steps, keys, 1 + places), dim=1)
    target = torch.argsort(torch.where(steps, 0, 1 + places), dim=1, stable=True)
    return torch.empty_like(source).scatter_(1, target, source)


def _description(paths: Floats) -> Floats:
    """Facts of paths in which relatives would be alike: (n, length, assets) -> (n, 6)."""
    r = paths.mean(axis=2)
    walk = r.cumsum(axis=1)
    half = walk[:, walk.shape[1] // 2 - 1 if walk.shape[1] > 1 else 0]
    size = np.log(np.abs(r).mean(axis=1) + 1e-12)
    return np.stack((walk[:, -1], half, size, walk.min(axis=1), walk.max(axis=1), r.min(axis=1)), axis=1)
