"""Paths of a law that reach a goal: by waiting for them where that is short, by splitting where it is not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from tsgan.batches import batches, in_order, stream_of
from tsgan.device import random_stream
from tsgan.errors import ConfigError
from tsgan.events import NEAR, Aim, Goal, columns_of, fact, portfolio
from tsgan.joint import Noise
from tsgan.law import Law
from tsgan.progress import Shares, untold
from tsgan.returns import Floats
from tsgan.season import Season
from tsgan.splitting import POPULATION, Population, effective_samples, join, split

_LEVEL_SPREAD = 0.3  # what the volatility of later years misses that of a training history by, in logs, on 78 series
_PILOT = 2048
_WAIT = 1 / 64  # share of paths that reach the goal by chance, above which waiting for them is shorter
_BATCHES = 32  # of paths that are waited for, where each path has a value of its own
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

    def sentences(self, n: int) -> list[str]:
        """What a person should know about n paths."""
        said = []
        if self.probability is not None and self.interval is not None:
            low, high = self.interval
            said.append(
                f"{100 * self.probability:.3g} % of all paths do what was asked for "
                f"(95 % interval {100 * low:.3g} to {100 * high:.3g} %)"
            )
        if self.effective_samples < 0.99 * n:
            said.append(
                f"the {n:,} paths have common ancestors: they are worth {self.effective_samples:,.0f} independent ones "
                "(draw more where that is too few)"
            )
        return said


class Particles(NamedTuple):
    """Everything random about n paths."""

    origin: Tensor
    """(n,) state that each starts from"""
    level: Tensor
    """(n, volatility goals) how far the level of volatility is from the usual, standard normal"""
    noise: Noise


class Scene(NamedTuple):
    """Where paths start and what surrounds them."""

    law: Law
    states: Tensor
    """(origins, assets, 3, half-lives) the state at each place where a path may start"""
    drift: Floats
    """(assets,) what is added to every log return"""
    season: Season
    dates: pd.DatetimeIndex
    """(length,) of the steps"""
    given: Tensor | None = None
    """(length, inputs) covariates that are the same on every path, 0 where they are not given"""
    history: Tensor | None = None
    """(time, inputs) covariates that follow their own history, 0 where they do not; the end goes on at the start"""
    starts: Tensor | None = None
    """(origins,) row of the history that conditions the first step from each origin"""

    def follow(self, origin: Tensor, noise: Noise) -> Floats:
        """Log returns (n, length, assets) from origins (n,) by given random numbers."""
        given = self.given
        if given is not None:
            given = given.expand(len(origin), -1, -1)
            if self.history is not None and self.starts is not None:
                steps = torch.arange(given.shape[1], device=given.device)
                given = given + self.history[(self.starts[origin][:, None] + steps) % len(self.history)]
        returns = self.season.back(self.law.follow(self.states[origin], noise, given=given), self.dates)
        if self.drift.any():
            returns += self.drift
        return returns

    def draw(self, n: int, length: int, rng: torch.Generator) -> tuple[Tensor, Noise]:
        """Origins, all alike, and random numbers of n paths."""
        origin = torch.randint(len(self.states), (n,), generator=rng, device=self.law.device)
        return origin, self.law.noise.draw(n, length, rng)

    def batches(self, n: int, length: int, seed: int, first: int = 0) -> Iterator[Floats]:
        """Log returns of the paths from ``first`` to n, some at a time (paths, length, assets), each as in any n."""
        each = stream_of(length, len(self.drift))
        parts = (part for part in batches(n, length, len(self.drift)) if each * part.stop > first)
        threads = torch.get_num_threads() if self.law.device.type == "cpu" else 1
        return in_order(partial(self.batch, n, length, seed, first), parts, threads)

    def batch(self, n: int, length: int, seed: int, first: int, streams: range) -> Floats:
        """Those of the paths from ``first`` to n that some streams of random numbers hold."""
        returns = self.follow(*self._numbers(length, seed, streams))
        start = stream_of(length, len(self.drift)) * streams.start
        return returns[max(0, first - start) : n - start]

    def _numbers(self, length: int, seed: int, streams: range) -> tuple[Tensor, Noise]:
        """What :meth:`draw` draws from some streams, together; the parts need not stay while paths follow them."""
        rngs = (random_stream(seed, stream, device=self.law.device) for stream in streams)
        each = stream_of(length, len(self.drift))
        origins, noises = zip(*(self.draw(each, length, rng) for rng in rngs), strict=True)
        return torch.cat(origins), join(*noises)

    def sample(self, n: int, length: int, seed: int) -> Floats:
        """Log returns (n, length, assets) of all of them together."""
        return np.concatenate(list(self.batches(n, length, seed)))


class Reach:
    """Paths that reach goals: a problem for :mod:`tsgan.splitting`.

    Parameters
    ----------
    scene : where paths start and what surrounds them
    length : steps
    goals : what they must reach. For the value of a volatility the level of the volatility is uncertain, as it is
        between eras: log-normal around the law's with a deviation of 30 %.
    """

    def __init__(self, scene: Scene, length: int, goals: tuple[Goal, ...], periods_per_year: float, seed: int) -> None:
        self.scene, self.law, self.length, self.seed = scene, scene.law, length, seed
        self.levels = tuple(goal.asset for goal in goals if goal.is_value and goal.fact == "volatility")
        self.aim = Aim((), np.zeros((1, 1, 1)), 1.0)
        self.pilot = self.paths(self.draw(_PILOT, self.stream(_PILOT_KEY)))
        self.aim = Aim(goals, self.pilot, periods_per_year)
        self.reached = float((self.distance(self.aim.adjust(self.pilot)) == 0).mean())

    def batches(self, n: int, tell: Shares = untold) -> Iterator[tuple[Floats, Conditioning]]:
        """Draw n paths that all reach the goals, some at a time, with what is known from all so far.

        Path i does not depend on n. What is done and its share of the whole are told while a part is searched for.

        Raises
        ------
        ConfigError
            They are out of reach.
        """
        return self._wait(n, tell) if self.reached >= _WAIT else self._split(n, tell)

    def sample(self, n: int) -> tuple[Floats, Conditioning]:
        """Draw n of them together."""
        parts = list(self.batches(n))
        return np.concatenate([paths for paths, _ in parts]), parts[-1][1]

    def draw(self, n: int, rng: torch.Generator) -> Particles:
        """Random numbers of n paths."""
        level = torch.randn((n, len(self.levels)), generator=rng, device=self.law.device)
        origin, noise = self.scene.draw(n, self.length, rng)
        return Particles(origin, level, noise)

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
        returns = self.scene.follow(particles.origin, particles.noise)
        for column, asset in zip(particles.level.T, self.levels, strict=True):
            chosen = columns_of(asset)
            centre = self._mean[chosen]
            factor = np.exp(_LEVEL_SPREAD * column.cpu().double().numpy())[:, None, None]
            returns[:, :, chosen] = centre + factor * (returns[:, :, chosen] - centre)
        return self.aim.adjust(returns)

    def distance(self, paths: Floats) -> Floats:
        """How far paths are from the goals: (n,)."""
        return self.aim.distance(paths)

    @property
    def _mean(self) -> Floats:
        """Mean log return of each asset: (assets,)."""
        return self.scene.season.mean_of(self.law.drift) + self.scene.drift

    def _wait(self, n: int, tell: Shares) -> Iterator[tuple[Floats, Conditioning]]:
        tried = hits = 0
        for chunk, first in enumerate(range(0, n, POPULATION)):
            rng, found, here = self.stream(_WAIT_KEY, chunk), [], 0
            while here < POPULATION:
                paths = self.paths(self.draw(2 * POPULATION, rng))
                reached = paths[self.distance(paths) == 0]
                found.append(reached[: POPULATION - here])
                here, tried, hits = here + len(reached), tried + len(paths), hits + len(reached)
                tell("waiting for such paths", min(1.0, (first + here) / n))
            share, done = hits / tried, min(n, first + POPULATION)
            yield np.concatenate(found)[: n - first], self._outcome("rejection", float(done), share, (1 - share) / hits)

    def _split(self, n: int, tell: Shares) -> Iterator[tuple[Floats, Conditioning]]:
        probabilities, errors, facts, families = [], [], [], []
        for chunk, first in enumerate(range(0, n, POPULATION)):
            told = partial(_tell_level, tell, first / n)
            population = split(self, self.stream(_SPLIT_KEY, chunk), told)
            self._require_reached(population)
            paths = population.paths[: n - first]
            probabilities.append(math.exp(population.log_probability))
            errors.append(probabilities[-1] * math.sqrt(population.variance))
            facts.append(_description(paths))
            families.append(population.ancestors[: n - first] + first)
            effective = effective_samples(np.concatenate(facts), np.concatenate(families))
            relative = float(np.square(errors).sum()) / sum(probabilities) ** 2
            yield paths, self._outcome("splitting", effective, float(np.mean(probabilities)), relative)

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

    def stream(self, *keys: int) -> torch.Generator:
        """Random numbers of a part of the work."""
        return random_stream(self.seed, 1, *keys, device=self.law.device)


def reach_each(
    scene: Scene, length: int, goal: Goal, values: Floats, periods_per_year: float, seed: int
) -> tuple[Floats, Conditioning]:
    """Paths whose returns have one given value each: (n,) values -> (n, length, assets).

    Values that are alike, within a tenth of a return's deviation in logs, are reached together, by paths that chance
    brings there or by splitting; then each path is taken onto its own value by moving every step alike.

    Raises
    ------
    ConfigError
        A value is out of reach.
    """
    wanted = np.log1p(values)
    reach = Reach(scene, length, (), periods_per_year, seed)
    width = NEAR * float(np.log1p(fact(reach.pilot, goal, periods_per_year)).std())
    groups = np.round(wanted / width).astype(int)
    returns, effective = np.empty((len(values), length, len(scene.drift))), 0.0
    missing = {int(group): list(np.flatnonzero(groups == group)) for group in np.unique(groups)}
    rng = reach.stream(_WAIT_KEY)
    for _ in range(_BATCHES):
        if not missing:
            break
        drawn = reach.paths(reach.draw(2 * POPULATION, rng))
        found = np.round(np.log1p(fact(drawn, goal, periods_per_year)) / width).astype(int)
        for group, rows in missing.items():
            here = np.flatnonzero(found == group)[: len(rows)]
            returns[rows[: len(here)]] = drawn[here]
            effective += len(here)
            del rows[: len(here)]
        missing = {group: rows for group, rows in missing.items() if rows}
    for group, rows in missing.items():
        value = float(np.expm1(group * width))
        near = Reach(scene, length, (goal._replace(low=value, high=value),), periods_per_year, seed)
        returns[rows], conditioning = near.sample(len(rows))
        effective += conditioning.effective_samples
    chosen = columns_of(goal.asset)
    miss = wanted - np.log1p(fact(returns, goal, periods_per_year))
    returns[:, :, chosen] += (miss / length)[:, None, None]
    return returns, Conditioning("by value", effective, None, None)


def with_trend(
    scene: Scene,
    length: int,
    goals: tuple[Goal, ...],
    trends: Sequence[tuple[int | None, float]],
    periods_per_year: float,
    seed: int,
) -> Scene:
    """Make up for what changes the mean returns of the assets, None for all of them, whose trends were asked for.

    Wild paths fall more often than calm ones do, and equal money in assets grows faster than they do on average. Moving
    every step alike changes no volatility.
    """
    volatilities = tuple(goal for goal in goals if goal.fact == "volatility")
    asked = {asset for asset, _ in trends}
    together = None in asked and len(scene.drift) > 1
    if volatilities:
        paths, _ = Reach(scene, length, volatilities, periods_per_year, seed).sample(_PILOT)
    elif together:
        paths = scene.sample(_PILOT, length, seed)
    else:
        return scene
    added = np.zeros(len(scene.drift))
    if volatilities:
        mine = [asset for asset in range(len(added)) if None in asked or asset in asked]
        added[mine] = (scene.law.drift + scene.drift - paths.mean(axis=(0, 1)))[mine]
    if together:
        paths = paths + added
        added -= portfolio(paths).mean() - paths.mean()
    return scene._replace(drift=scene.drift + added)


def _tell_level(tell: Shares, share: float, probability: float) -> None:
    tell(f"searching, at 1 path of {1 / probability:,.0f}", share)


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
