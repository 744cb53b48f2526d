"""Paths on which something holds that is too rare to wait for, and how rare it is.

Subset simulation (Au and Beck 2001) as a sequential Monte Carlo sampler (Cérou, Del Moral, Furon and Guyader 2012):
a population of paths from the law keeps its nearest half, copies it and moves the copies by Metropolis steps that
leave the law within the level unchanged, until the level is the event itself. A path is moved by drawing some of its
random numbers anew; nothing about a path is scaled or shifted. The product of the shares that were kept estimates the
probability without bias; its variance follows from the ancestors that are left (Lee and Whiteley 2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from tsgan.returns import Floats

POPULATION = 1024  # paths moved together; always so many, so that a path never depends on how many are asked for
_KEEP = 0.5
_MOVES, _LAST_MOVES = 6, 40
_SMALLEST = 1e-12  # probability below which an event counts as out of reach

P = TypeVar("P")


class Problem(Protocol[P]):
    """What splitting needs to know of a law and of an event; P holds the random numbers of n paths."""

    def draw(self, n: int, rng: torch.Generator) -> P:
        """Random numbers of n paths."""

    def pick(self, particles: P, rows: NDArray[np.int64]) -> P:
        """Those of some paths."""

    def move(self, particles: P, rng: torch.Generator) -> P:
        """Draw some of each path's random numbers anew; reversible with respect to their law."""

    def paths(self, particles: P) -> Floats:
        """Their log returns: (n, length, assets)."""

    def distance(self, paths: Floats) -> Floats:
        """How far each path is from the event, 0 where it holds: (n,)."""


class Population(NamedTuple):
    """Paths on which the event holds, from one population."""

    paths: Floats
    """(POPULATION, length, assets) log returns"""
    ancestors: NDArray[np.int64]
    """(POPULATION,) the path of the first draw that each descends from"""
    log_probability: float
    """Log of the estimated probability of the event"""
    variance: float
    """Estimated relative variance of the probability"""
    nearest: float
    """0; or, where the event was out of reach, the smallest distance seen"""


def split(problem: Problem[P], rng: torch.Generator, tell: Callable[[float], None] = lambda _: None) -> Population:
    """Run one population to the event, or to where it becomes hopeless; tell the probability of each level."""
    particles = problem.draw(POPULATION, rng)
    paths = problem.paths(particles)
    distance, ancestors = problem.distance(paths), np.arange(POPULATION)
    log_probability = 0.0
    while True:
        level = float(np.quantile(distance, _KEEP, method="inverted_cdf"))
        if level == distance.max() > 0:  # half of them are alike: the next level is that of the nearer ones
            level = float(max(distance[distance < level], default=level))
        near = np.flatnonzero(distance <= level)
        log_probability += math.log(len(near) / POPULATION)
        if log_probability < math.log(_SMALLEST) or (level > 0 and len(near) == POPULATION):
            return Population(paths, ancestors, log_probability, math.inf, level)
        tell(math.exp(log_probability))
        chosen = near[_copies(len(near), rng)]
        particles, paths, distance = problem.pick(particles, chosen), paths[chosen], distance[chosen]
        ancestors = ancestors[chosen]
        for _ in range(_MOVES if level > 0 else _LAST_MOVES):
            moved = problem.move(particles, rng)
            new_paths = problem.paths(moved)
            new_distance = problem.distance(new_paths)
            accepted = np.flatnonzero(new_distance <= level)
            particles = _replaced(problem, particles, moved, accepted)
            paths[accepted], distance[accepted] = new_paths[accepted], new_distance[accepted]
        if level == 0:
            return Population(paths, ancestors, log_probability, _relative_variance(ancestors), 0.0)


def effective_samples(facts: Floats, families: NDArray[np.int64]) -> float:
    """Number of independent paths that relatives are worth.

    n / (1 + (m - 1) c) with m the mean family size seen from a path and c the intraclass correlation of a fact of the
    paths (Kish 1965, section 5.4); the smallest over several facts.

    Parameters
    ----------
    facts : (n, facts) numbers about each path
    families : (n,) label of its ancestor
    """
    n = len(families)
    _, family, sizes = np.unique(families, return_inverse=True, return_counts=True)
    groups = len(sizes)
    if groups == n:
        return float(n)
    seen = float((sizes**2).sum()) / n
    if groups == 1:
        return 1.0
    typical = (n - seen) / (groups - 1)  # size that makes the variance components unbiased
    means = np.stack([np.bincount(family, column) / sizes for column in facts.T], axis=1)
    within = ((facts - means[family]) ** 2).sum(axis=0) / (n - groups)
    between = (sizes[:, None] * (means - facts.mean(axis=0)) ** 2).sum(axis=0) / (groups - 1)
    shared = np.maximum(between - within, 0) / typical
    correlation = shared / np.maximum(shared + within, 1e-300)
    return float(n / (1 + (seen - 1) * correlation.max()))


def _copies(survivors: int, rng: torch.Generator) -> NDArray[np.int64]:
    """Positions that copy every survivor as often as possible, the remainder at random: (POPULATION,).

    The first of them are all different, so that the first paths of a population are the least related.
    """
    order = torch.randperm(survivors, generator=rng, device=rng.device).cpu().numpy()
    return np.asarray(np.resize(order, POPULATION))


def _replaced(problem: Problem[P], old: P, new: P, rows: NDArray[np.int64]) -> P:
    source = np.arange(POPULATION)
    source[rows] += POPULATION
    return problem.pick(join(old, new), source)


def join(*parts: Any) -> Any:
    """One after the other: nested named tuples of tensors."""
    first = parts[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(parts)
    return type(first)(*(join(*fields) for fields in zip(*parts, strict=True)))


def _relative_variance(ancestors: NDArray[np.int64]) -> float:
    """How much more often two paths share an ancestor than a path is drawn twice, in a population of its size.

    Lee and Whiteley (2018), theorem 1, for copies that are as even as possible, which have no noise of their own.
    """
    shares = np.bincount(ancestors) / POPULATION
    return float(1 - POPULATION / (POPULATION - 1) * (1 - (shares**2).sum()))
