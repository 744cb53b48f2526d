"""The loop and what feeds it: windows, the pool, the choice of steps; same seed, same bits."""

import copy
import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch

from tsgan import Config, TrainingError, TrainingWarning, fitting, procedure, training
from tsgan.config import TrainingConfig
from tsgan.diagnostics import Looks, Record, windows_at
from tsgan.failures import NOT_FINITE, not_finite
from tsgan.fitting import Fit, build, fit_laws
from tsgan.generator import Generator
from tsgan.joint import JointNoise
from tsgan.law import Scaling, states_of
from tsgan.objectives import OBJECTIVES
from tsgan.pool import Pool
from tsgan.selection import energy_score
from tsgan.training import Trained, Unread, generator_score, noted, train
from tsgan.warmstart import negative_log_posterior
from tsgan.windows import Windows

CPU = torch.device("cpu")
RETURNS = np.random.default_rng(0).standard_t(5, (600, 2)) * 0.01
TINY = dataclasses.replace(
    Config().with_training(steps=3, batch=8, past=32, future=32, critic_warm_up=5),
    warm_start=dataclasses.replace(Config().warm_start, steps=20),
)


def windows(blocks: tuple[int, ...] = (), device: torch.device = CPU) -> Windows:
    generator = Generator(RETURNS.shape[1], TINY.generator)
    scaling = Scaling.of(RETURNS, generator)
    x = torch.as_tensor(RETURNS / scaling.deviation, dtype=torch.float32).to(device)
    states = states_of(generator, RETURNS, scaling).to(device)
    given = torch.randn(len(x), sum(blocks), generator=torch.Generator().manual_seed(0)).to(device)
    of_given = torch.cat((states, states[:, :, :2]), 2)
    return Windows(x, states, 32, 32, (lambda: (given, of_given)) if blocks else None)


def test_windows_hold_what_followed_and_the_state_before_it() -> None:
    some = windows()
    batch = some.at(torch.tensor([32, 100]))
    assert torch.equal(batch.past[1], some.x[68:100])
    assert torch.equal(batch.future[1], some.x[100:132])
    assert torch.equal(batch.state[1], some.states[100])
    assert len(some) == 600 - 64 + 1


def test_pool_goes_on_from_where_it_was() -> None:
    pool = Pool(windows(), 50, torch.Generator().manual_seed(0))
    before = pool.now
    future, state = torch.full((50, 32, 2), 7.0), torch.full_like(before.state, 9.0)
    pool.advance(future, state)
    went_on = (pool.now.state == 9).flatten(1).all(1)
    assert 40 <= went_on.sum() < 50  # a few start again from a real date
    assert (pool.now.past[went_on] == 7).all()


@pytest.mark.parametrize("critic", ["conv", "lstm", "both"])
def test_same_seed_same_bits(critic: str) -> None:
    config = dataclasses.replace(TINY, training=dataclasses.replace(TINY.training, critic=critic))
    fits = [fit_laws(RETURNS, config, [0, 3], seed, CPU, lambda _: None) for seed in (1, 1, 2)]
    weights = [torch.cat([p.flatten() for p in fit.laws[3].generator.parameters()]) for fit in fits]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert all(record.penalty is not None and record.penalty >= 0 for record in fits[0].records)
    assert all(np.isfinite(record.wasserstein) for record in fits[0].records)
    assert set(fits[0].laws) == {0, 3}


@pytest.mark.parametrize("critic", ["conv", "lstm", "both"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_trains_with_every_critic(objective: str, critic: str) -> None:
    config = TINY.with_training(
        objective=objective, critic=critic, steps=2, batch=8, past=32, future=32, critic_warm_up=10
    )
    fits = [fit_laws(RETURNS, config, [0, 2], 1, CPU, lambda _: None) for _ in range(2)]
    weights = [torch.cat([p.flatten() for p in fit.laws[2].generator.parameters()]) for fit in fits]
    assert torch.equal(*weights)
    assert fits[0].stopped is None
    assert not torch.equal(fits[0].laws[0].generator.weights, fits[0].laws[2].generator.weights)
    assert all(np.isfinite(record.wasserstein) for record in fits[0].records)
    assert all((record.penalty is None) == (objective in ("wgan-clip", "spectral")) for record in fits[0].records)


def test_the_critic_moves_the_generator() -> None:
    fit = fit_laws(RETURNS, TINY, [0, 3], 0, CPU, lambda _: None)
    before, after = (fit.laws[step].generator.weights for step in (0, 3))
    assert not torch.equal(before, after)


def test_critics_that_pull_against_each_other_are_heard_one_by_one() -> None:
    """Together they tell the generator nothing, which is no vanished gradient: each has the slope that it should."""

    class Sum(torch.nn.Module):
        def __init__(self, sign: float) -> None:
            super().__init__()
            self.sign = sign

        def forward(self, future: torch.Tensor, past: torch.Tensor) -> torch.Tensor:
            return self.sign * future.sum((1, 2)) / 8

    future = torch.randn(5, 64, 1, requires_grad=True)
    pulls: list[torch.Tensor] = []
    critics: list[torch.nn.Module] = [Sum(1.0), Sum(-1.0)]
    paths = [torch.cat((torch.randn(5, 32, 1), noted(future, pulls)), 1) for _ in critics]
    generator_score(critics, paths[0].detach(), paths, TrainingConfig(past=32, future=64)).backward()
    assert future.grad is not None
    assert future.grad.abs().max() == 0
    assert [2 * 5 * pull.flatten(1).norm(dim=1).mean().item() for pull in pulls] == pytest.approx([1, 1])


def test_divergence_ends_training_and_keeps_the_warm_start() -> None:
    wild = dataclasses.replace(TINY, training=dataclasses.replace(TINY.training, critic_learning_rate=1e30))
    fit = fit_laws(RETURNS, wild, [0, 3], 0, CPU, lambda _: None)
    assert fit.stopped is not None
    assert fit.stopped.kind == NOT_FINITE
    assert 0 in fit.laws
    assert all(torch.isfinite(p).all() for p in fit.laws[0].generator.parameters())


def test_divergence_is_found_late_and_nothing_of_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_READ_SECONDS", float("inf"))
    calls = itertools.count(1)

    def anchor(generator: Generator) -> torch.Tensor:
        return generator.skew.square().sum() * (float("nan") if next(calls) == 3 else 1.0)

    seen: list[Record] = []
    config = dataclasses.replace(TINY.training, steps=6)
    kept, stopped = train_with(config, CPU, [0, 2, 3, 6], anchor, seen.append)
    assert stopped == not_finite(3, "no finite likelihood")
    assert set(kept) == {0, 2}
    assert all(torch.isfinite(p).all() for p in kept[2].parameters())
    assert [record.step for record in seen] == [1, 2]


@pytest.mark.parametrize(("objective", "blocks"), [("wgan-gp", (2, 3)), *((name, ()) for name in OBJECTIVES)])
def test_the_loop_never_waits_for_its_device(
    objective: str, blocks: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the meta device a tensor from elsewhere fails, and so does every look at a value, but for the one place."""
    looks = []

    def read(unread: list[Unread]) -> list[Record]:
        looks.append(len(unread))
        assert all(step.values.is_meta for step in unread)
        assert "validation" in unread[-1].names
        return [Record(step.step, 0.0, 0.0, 0.0, step.seconds) for step in unread]

    monkeypatch.setattr(training, "read", read)
    monkeypatch.setattr(training, "_READ_SECONDS", float("inf"))
    config = TINY.with_training(
        objective=objective, critic="both", critic_steps=1, steps=2, batch=8, past=32, future=32, critic_warm_up=0
    ).training
    seen: list[Record] = []
    some = windows(blocks)

    def anchor(generator: Generator) -> torch.Tensor:
        return negative_log_posterior(generator, some.x.to("meta"), some.states[:-1].to("meta"), TINY.warm_start).mean()

    kept, stopped = train_with(config, torch.device("meta"), [2], anchor, seen.append, blocks)
    assert stopped is None
    assert looks == [2]
    assert all(p.is_meta for p in kept[2].parameters())


def train_with(
    config: TrainingConfig,
    device: torch.device,
    keep: list[int],
    anchor: Callable[[Generator], torch.Tensor],
    on_step: Callable[[Record], None],
    blocks: tuple[int, ...] = (),
) -> Trained:
    generator, critics = build(2, dataclasses.replace(TINY, training=config), 0, CPU, blocks)
    scores = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    noise = JointNoise(scores, torch.ones(50), 0.2, 0.2).to(device)
    rng = torch.Generator().manual_seed(0)
    critics = [critic.to(device) for critic in critics]
    some, given = windows(blocks, device), torch.zeros(len(RETURNS), sum(blocks), device=device)
    states = torch.cat((some.states, some.states[:, :, :2]), 2) if blocks else some.states
    batch, later = (windows_at(some.x, states, given, origins, 32, 32) for origins in ((32, 400), (500, 568)))
    assert batch is not None
    looks = Looks(some.x, batch, later, noise, torch.Generator().manual_seed(1))
    return train(generator.to(device), critics, some, noise, anchor, config, keep, 10.0, rng, on_step, looks)


def test_nothing_usable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> Fit:
        fit = fit_laws(RETURNS, TINY, [0], 0, CPU, lambda _: None)
        with torch.no_grad():
            fit.laws[0].generator.skew.fill_(float("nan"))
        return fit

    monkeypatch.setattr(procedure, "fit_laws", broken)
    choice = procedure.Choice(0, {0: 1.0}, [], [])
    with pytest.raises(TrainingError, match="nothing usable"):
        procedure.fit_all(RETURNS, choice, TINY, 0, CPU, lambda _: None)


def test_steps_are_kept_where_they_are_clearly_better_than_the_warm_start() -> None:
    origin = np.random.default_rng(0).standard_normal(100)
    noise = 0.1 * np.random.default_rng(1).standard_normal(100)
    assert procedure.kept_steps({0: origin, 50: origin - 0.1 + noise, 100: origin - 0.2 + noise}) == 100
    assert procedure.kept_steps({0: origin, 50: origin - 0.2 + noise, 100: origin - 0.1 + noise}) == 50
    assert procedure.kept_steps({0: origin, 50: origin - 0.001 + noise - noise.mean()}) == 0
    assert procedure.kept_steps({0: origin, 50: origin + 0.1 + noise, 100: origin + 0.2}) == 0
    assert (
        procedure.kept_steps({0: origin[:3], 50: origin[:3] - 0.2 + noise[:3] / 100}) == 50
    )  # few origins, few blocks
    assert procedure.kept_steps({0: origin[:1], 50: origin[:1] - 0.2}) == 0  # one says nothing about its error


def test_the_loop_reports_every_step() -> None:
    seen: list[Record] = []
    kept, stopped = train_with(TINY.training, CPU, [2], lambda g: g.skew.square().sum(), seen.append)
    assert stopped is None
    assert set(kept) == {0, 2}
    assert [record.step for record in seen] == [1, 2, 3]
    assert all(a.seconds < b.seconds for a, b in itertools.pairwise(seen))


def test_energy_score_is_proper() -> None:
    rng = np.random.default_rng(0)
    seen = rng.standard_normal((4000, 2))
    scores = {scale: energy_score(scale * rng.standard_normal((4000, 16, 2)), seen).mean() for scale in (0.5, 1.0, 2.0)}
    assert min(scores, key=scores.__getitem__) == 1.0
    one = energy_score(np.zeros((1, 4, 1)), np.array([[3.0]]))
    np.testing.assert_allclose(one, 3.0)


def test_a_state_broken_by_its_last_step_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(generator: Generator, *_: object) -> Trained:
        after = copy.deepcopy(generator)
        with torch.no_grad():
            after.skew.fill_(float("nan"))
        return Trained({0: generator, 3: after}, None)

    monkeypatch.setattr(fitting, "train", broken)
    fit = fit_laws(RETURNS, TINY, [3], 0, CPU, lambda _: None)
    assert set(fit.laws) == {0}
    assert fit.stopped == not_finite(3, "parameters are not finite")
    with pytest.warns(TrainingWarning, match="stopped at step 3, not a number: parameters are not finite"):
        procedure.fit_all(RETURNS, procedure.Choice(3, {0: 1.0}, [], []), TINY, 0, CPU, lambda _: None)
