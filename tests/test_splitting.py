"""Splitting on a law whose tails are known: probabilities, intervals, the paths themselves, and when to give up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from tsgan import TSGAN
from tsgan.conditioning import Particles, Reach, Scene, _shuffled
from tsgan.events import Goal
from tsgan.returns import Floats
from tsgan.season import Season
from tsgan.splitting import POPULATION, Population, effective_samples, join, split

STEPS = 16
SEEDS = 20


class Sums:
    """Z, the sum of 16 normal steps over 4, must exceed x; like everything here it is moved by a random share."""

    def __init__(self, x: float) -> None:
        self.x = x

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        return torch.randn((n, STEPS), generator=rng, dtype=torch.float64)

    def pick(self, particles: Tensor, rows: NDArray[np.int64]) -> Tensor:
        return particles[torch.as_tensor(rows)]

    def move(self, particles: Tensor, rng: torch.Generator) -> Tensor:
        steps = torch.rand(particles.shape, generator=rng) < torch.rand((len(particles), 1), generator=rng)
        weight = torch.where(steps, torch.rand((len(particles), 1), generator=rng), 0.0).double()
        return (1 - weight**2).sqrt() * particles + weight * self.draw(len(particles), rng)

    def paths(self, particles: Tensor) -> Floats:
        return np.asarray(particles.numpy()[:, :, None])

    def distance(self, paths: Floats) -> Floats:
        return np.maximum(self.x - score(paths), 0)


def score(paths: Floats) -> Floats:
    return np.asarray(paths.sum(axis=(1, 2)) / STEPS**0.5)


def populations(problem: Sums) -> list[Population]:
    return [split(problem, torch.Generator().manual_seed(seed)) for seed in range(SEEDS)]


@pytest.fixture(scope="module", params=[0.0, 1.0, 2.5, 4.0], ids=lambda x: f"Z>{x:g}")
def tail(request: pytest.FixtureRequest) -> tuple[float, list[Population]]:
    return request.param, populations(Sums(request.param))


def test_every_path_is_in_the_event(tail: tuple[float, list[Population]]) -> None:
    x, found = tail
    for population in found:
        assert population.nearest == 0
        assert population.paths.shape == (POPULATION, STEPS, 1)
        assert score(population.paths).min() >= x


def test_the_probability_is_right_on_average(tail: tuple[float, list[Population]]) -> None:
    x, found = tail
    estimates = np.exp([population.log_probability for population in found])
    error = estimates.std(ddof=1) / SEEDS**0.5
    assert abs(estimates.mean() - stats.norm.sf(x)) < 3 * error
    assert error < 0.1 * stats.norm.sf(x)


def test_the_interval_covers_the_probability(tail: tuple[float, list[Population]]) -> None:
    x, found = tail
    truth, estimates = stats.norm.logsf(x), np.array([population.log_probability for population in found])
    width = 1.96 * np.sqrt(np.log1p([population.variance for population in found]))
    assert np.mean(np.abs(estimates - truth) <= width) >= 0.8
    assert width.mean() < 4 * 1.96 * estimates.std(ddof=1)  # and is not just wide


def test_paths_follow_the_law_within_the_event(tail: tuple[float, list[Population]]) -> None:
    """Mean of Z given Z > x is the inverse Mills ratio; given Z the steps are normal around Z / 4."""
    x, found = tail
    z = np.array([score(population.paths) for population in found])
    truth = stats.truncnorm(x, np.inf)
    for moment, exact in ((z, truth.mean()), (z**2, truth.moment(2))):
        means = moment.mean(axis=1)
        assert abs(means.mean() - exact) < 3.5 * means.std(ddof=1) / SEEDS**0.5
    steps = np.array([p.paths[:, :, 0] - score(p.paths)[:, None] / STEPS**0.5 for p in found])
    spreads = steps.var(axis=(1, 2))
    assert abs(spreads.mean() - (1 - 1 / STEPS)) < 3.5 * spreads.std(ddof=1) / SEEDS**0.5


class Marked(Sums):
    """The first step never moves, and does not count."""

    def move(self, particles: Tensor, rng: torch.Generator) -> Tensor:
        return torch.cat([particles[:, :1], super().move(particles, rng)[:, 1:]], dim=1)

    def distance(self, paths: Floats) -> Floats:
        return np.maximum(self.x - score(paths[:, 1:]), 0)


def test_ancestors_are_those_of_the_first_draw() -> None:
    problem = Marked(2.5)
    first = problem.draw(POPULATION, torch.Generator().manual_seed(5))
    population = split(problem, torch.Generator().manual_seed(5))
    np.testing.assert_array_equal(population.paths[:, 0, 0], first[population.ancestors, 0])
    assert 1 < len(np.unique(population.ancestors)) < POPULATION


def test_the_first_paths_are_the_least_related(tail: tuple[float, list[Population]]) -> None:
    for population in tail[1]:
        first, some = (len(np.unique(a)) for a in (population.ancestors[:64], np.sort(population.ancestors)[:64]))
        assert first >= some


def test_a_rarer_event_has_fewer_families_and_a_wider_interval() -> None:
    common, rare = (split(Sums(x), torch.Generator().manual_seed(0)) for x in (1.5, 4.5))
    assert len(np.unique(common.ancestors)) > len(np.unique(rare.ancestors))
    assert common.variance < rare.variance


def test_the_same_stream_gives_the_same_bits() -> None:
    one, two, other = (split(Sums(2.5), torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.paths, two.paths)
    assert one.log_probability == two.log_probability
    assert not np.array_equal(one.paths, other.paths)


# giving up ------------------------------------------------------------------------------------------------------------


class Floor(Sums):
    """No path is nearer than 1."""

    def distance(self, paths: Floats) -> Floats:
        return 1 + np.abs(score(paths))


class Everywhere(Sums):
    """All paths are equally far away."""

    def distance(self, paths: Floats) -> Floats:
        return np.full(len(paths), 2.0)


class Steps(Sums):
    """Only whole numbers can be seen of how far away a path is; most paths are alike."""

    def distance(self, paths: Floats) -> Floats:
        return np.maximum(np.ceil(self.x - np.maximum(score(paths), 1)), 0)


@pytest.mark.parametrize(("problem", "nearest"), [(Sums(50.0), 1.0), (Floor(0.0), 1.0), (Everywhere(0.0), 2.0)])
def test_what_is_out_of_reach_is_reported(problem: Sums, nearest: float) -> None:
    population = split(problem, torch.Generator().manual_seed(0))
    assert population.nearest >= nearest
    assert (problem.distance(population.paths) > 0).all()
    assert population.log_probability < 0 or isinstance(problem, Everywhere)


def test_paths_that_are_all_alike_do_not_stop_it() -> None:
    """Nearly all paths are at the largest distance: the way goes on with the others."""
    for x in (2.0, 3.0):
        found = populations(Steps(x))
        estimates = np.exp([population.log_probability for population in found])
        assert all(score(population.paths).min() >= x for population in found)
        assert abs(estimates.mean() - stats.norm.sf(x)) < 3 * estimates.std(ddof=1) / SEEDS**0.5


# what relatives are worth ---------------------------------------------------------------------------------------------


def test_independent_paths_are_worth_their_number() -> None:
    facts = np.random.default_rng(0).normal(size=(300, 3))
    assert effective_samples(facts, np.arange(300)) == 300


@pytest.mark.parametrize("m", [2, 5, 30])
def test_copies_are_worth_one(m: int) -> None:
    facts = np.random.default_rng(0).normal(size=(300 // m, 3)).repeat(m, axis=0)
    families = np.arange(300 // m).repeat(m)
    np.testing.assert_allclose(effective_samples(facts, families), 300 / m)
    mixed = np.random.default_rng(1).permutation(300)
    np.testing.assert_allclose(effective_samples(facts[mixed], 1000 - 7 * families[mixed]), 300 / m)


def test_one_family_is_worth_one() -> None:
    assert effective_samples(np.random.default_rng(0).normal(size=(300, 3)), np.full(300, 17)) == 1


def test_relatives_that_are_not_alike_are_worth_nearly_their_number_and_the_worst_fact_counts() -> None:
    rng = np.random.default_rng(0)
    families, strangers = np.arange(500).repeat(4), rng.normal(size=(2000, 1))
    alike = rng.normal(size=(500, 1)).repeat(4, axis=0)
    assert effective_samples(strangers, families) > 0.8 * 2000
    np.testing.assert_allclose(effective_samples(np.hstack([strangers, alike]), families), 500)


def test_half_alike() -> None:
    """Correlation 1/2 in families of 5: n / (1 + 4 / 2)."""
    rng = np.random.default_rng(0)
    facts = rng.normal(size=(2000, 1)).repeat(5, axis=0) + rng.normal(size=(10_000, 1))
    np.testing.assert_allclose(effective_samples(facts, np.arange(2000).repeat(5)), 10_000 / 3, rtol=0.05)


def test_facts_that_never_differ_are_no_error() -> None:
    assert 1 <= effective_samples(np.ones((6, 2)), np.array([0, 0, 1, 1, 2, 2])) <= 6


# moves ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_only_marked_steps_change_places(share: float) -> None:
    rng = torch.Generator().manual_seed(0)
    steps = torch.rand((200, 50), generator=rng) < share
    order = _shuffled(steps, torch.rand((200, 50), generator=rng))
    places = torch.arange(50).expand(200, 50)
    assert torch.equal(order.sort(dim=1).values, places)
    assert torch.equal(order[~steps], places[~steps])
    if share:
        assert not torch.equal(order, places)


def test_every_order_of_the_marked_steps_is_as_likely() -> None:
    rng = torch.Generator().manual_seed(0)
    steps = torch.tensor([[False, True, True, False, True]]).expand(60_000, 5)
    order = _shuffled(steps, torch.rand((60_000, 5), generator=rng))[:, [1, 2, 4]]
    _, counts = torch.unique(order, dim=0, return_counts=True)
    assert len(counts) == 6
    assert stats.chisquare(counts.numpy()).pvalue > 0.001


class Moved(NamedTuple):
    """Particles before and after many moves."""

    reach: Reach
    before: Particles
    after: Particles


@pytest.fixture(scope="module")
def moved(panel_model: TSGAN) -> Moved:
    """Nothing is asked for but a volatility, whose level is random too."""
    scene = Scene(panel_model.law_, panel_model.states_[:-1], np.zeros(3), Season.none(3), panel_model.dates_[:0])
    goals = (Goal("volatility", None, 0.2, 0.2), Goal("volatility", 1, 0.2, 0.2))
    reach = Reach(scene, 12, goals, 252.0, seed=0)
    rng = torch.Generator().manual_seed(1)
    before = reach.draw(600, rng)
    after = before
    for _ in range(150):
        after = reach.move(after, rng)
    return Moved(reach, before, after)


def test_moves_keep_the_law_of_all_random_numbers(moved: Moved) -> None:
    origin, level, noise = moved.after
    assert stats.kstest(noise.fresh.flatten().numpy(), "norm").pvalue > 0.01
    assert stats.kstest(level.flatten().numpy(), "norm").pvalue > 0.01
    days = moved.reach.law.noise.near.shape[1]
    assert stats.chisquare(np.bincount(noise.days.flatten().numpy(), minlength=days)).pvalue > 0.01
    assert stats.kstest((origin.numpy() + 0.5) / len(moved.reach.scene.states), "uniform").pvalue > 0.01


def test_moves_leave_the_random_numbers_independent(moved: Moved) -> None:
    fresh = moved.after.noise.fresh.numpy()
    table = np.hstack([fresh.reshape(600, -1), moved.after.level.numpy()])
    for values in (table, table**2):
        correlation = np.corrcoef(values.T)[np.triu_indices(table.shape[1], 1)]
        assert abs(correlation.mean()) < 4 / (len(correlation) * 600) ** 0.5
        assert abs(correlation.std() * 600**0.5 - 1) < 0.1


def test_moves_forget_where_they_came_from_without_touching_it(moved: Moved) -> None:
    before, after = (p.noise.fresh.flatten(1).numpy() for p in (moved.before, moved.after))
    assert abs(np.corrcoef(before.ravel(), after.ravel())[0, 1]) < 0.05
    rng = torch.Generator().manual_seed(1)
    again = moved.reach.draw(600, rng)
    assert torch.equal(again.noise.fresh, moved.before.noise.fresh)


def test_a_move_is_small_or_large(moved: Moved) -> None:
    """From a step in part to all steps: rare events need the small ones, the way between them the large ones."""
    once = moved.reach.move(moved.before, torch.Generator().manual_seed(2))
    changed = (once.noise.fresh != moved.before.noise.fresh).any(dim=2).sum(dim=1)
    assert changed.min() <= 1
    assert changed.max() == 12
    np.testing.assert_array_equal(moved.reach.paths(moved.before), moved.reach.paths(moved.before))


def test_particles_are_picked_and_joined_whole(moved: Moved) -> None:
    rows = np.array([5, 0, 5])
    picked = moved.reach.pick(moved.before, rows)
    both = join(moved.before, picked)
    for field, whole in zip(
        (both.origin, both.level, *both.noise), (*moved.before[:2], *moved.before.noise), strict=True
    ):
        assert torch.equal(field[:600], whole)
        assert torch.equal(field[600:], whole[[5, 0, 5]])
