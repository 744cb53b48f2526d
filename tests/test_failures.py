"""Every way to fail, provoked for real: it is named, training stops, and nothing of it is kept."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tsgan import TSGAN, Config, TrainingWarning, failures, fitting
from tsgan.diagnostics import Record
from tsgan.failures import Failure, find_failure
from tsgan.fitting import Fit, fit_laws
from tsgan.joint import JointNoise, Noise

CPU = torch.device("cpu")
RETURNS = np.random.default_rng(0).standard_t(5, (600, 1)) * 0.01
RATES = Config().training


def settings(**training: Any) -> Config:
    small = {"steps": 40, "batch": 16, "past": 32, "future": 32, "critic_warm_up": 30}
    config = Config().with_training(**{**small, **training})
    return dataclasses.replace(config, warm_start=dataclasses.replace(config.warm_start, steps=100))


def fit(returns: Any = RETURNS, later: int = 100, **training: Any) -> Fit:
    config = settings(**training)
    steps = config.training.steps
    return fit_laws(returns, config, [0, 1, steps // 2, steps], 0, CPU, lambda _: None, later=later)


def check(fit: Fit, *kinds: str) -> Failure:
    """Return why a fit stopped, after a look at what was kept."""
    assert fit.stopped is not None
    assert fit.stopped.kind in kinds
    assert fit.stopped.kind in fit.stopped.sentence
    assert 0 in fit.laws
    assert max(fit.laws) < max(1, fit.stopped.since)
    assert all(value.isfinite().all() for law in fit.laws.values() for value in law.generator.state_dict().values())
    for name in fit.stopped.advice.removesuffix(" in [training]").replace(",", " ").split():
        assert "_" not in name or hasattr(RATES, name)
    return fit.stopped


def test_an_ordinary_fit_does_not_fail() -> None:
    assert fit(steps=25).stopped is None


def test_a_generator_with_a_hundred_times_the_rate_breaks() -> None:
    check(fit(generator_learning_rate=100 * RATES.generator_learning_rate), failures.NOT_FINITE, failures.DIVERGENCE)


def test_a_generator_that_leaves_the_data_diverges() -> None:
    found = check(fit(generator_learning_rate=40 * RATES.generator_learning_rate), failures.DIVERGENCE)
    assert "log likelihood of a step fell from -1." in found.what


HASTY = {"critic_learning_rate": 4 * RATES.critic_learning_rate, "critic_steps": 5, "steps": 50}


def test_the_penalty_of_a_hasty_critic_explodes_where_it_weighs_little() -> None:
    found = check(fit(RETURNS[:200], later=60, penalty=0.1, **HASTY), failures.PENALTY)
    assert found.what.startswith("the gradient penalty is ")


def test_a_critic_without_a_penalty_leaves_the_scale_of_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    detectors = [one for one in failures._DETECTORS if one[0] == failures.DIVERGENCE]
    monkeypatch.setattr(failures, "_DETECTORS", detectors)  # the penalty's own would be first
    found = check(fit(RETURNS[:200], later=60, penalty=0.0, **HASTY), failures.DIVERGENCE)
    assert "is beyond the windows' distance of" in found.what


@pytest.mark.parametrize("critic", ["conv", "lstm"])
def test_a_frozen_critic_gives_the_generator_no_gradient(critic: str) -> None:
    found = check(fit(critic=critic, critic_learning_rate=1e-12), failures.VANISHED)
    assert found.step == 20


class Silence(JointNoise):
    """Noise that is none: every path from a state is the same."""

    def draw(self, n: int, time: int, rng: torch.Generator) -> Noise:
        fresh, days = super().draw(n, time, rng)
        return Noise(torch.zeros_like(fresh), days)


def test_a_generator_without_noise_has_collapsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "JointNoise", Silence)
    found = check(fit(), failures.COLLAPSE)
    assert (found.since, found.step) == (1, 10)


def test_a_critic_of_few_rows_learns_them_by_heart() -> None:
    found = check(fit(RETURNS[:200], later=60, steps=80, critic_steps=5), failures.OVERFITTED)
    assert "rose from" in found.what


def records(count: int = 100, every: int = 10, **changes: Any) -> list[Record]:
    """Records of a sound training; a change gives a value by the step."""
    sound = Record(
        0, 0.1, 0.01, -1.4, 0.0, 1.0, 5.0, 0.05, 0.3, None, None, None, None, None, None, None, None, None, None
    )
    looked = {"training": 0.1, "validation": 0.1, "distance": 17.0, "diversity": 1.0}
    found = []
    for step in range(1, count + 1):
        look = looked if step % every == 0 or step == 1 else {}
        new = {name: value(step) for name, value in changes.items() if name not in looked or look}
        found.append(sound._replace(step=step, seconds=float(step), **{**look, **new}))
    return found


def first_failure(records: list[Record]) -> Failure | None:
    found = (find_failure(records[:count]) for count in range(1, len(records) + 1))
    return next((failure for failure in found if failure), None)


@pytest.mark.parametrize(
    ("kind", "since", "step", "changes"),
    [
        (failures.NOT_FINITE, 7, 7, {"penalty": lambda t: float("inf") if t == 7 else 0.1}),
        (failures.DIVERGENCE, 30, 34, {"wasserstein": lambda t: 0.1 if t < 30 else -40.0}),
        (failures.DIVERGENCE, 30, 34, {"likelihood": lambda t: -1.4 if t < 30 else -3.0}),
        (failures.PENALTY, 30, 34, {"penalty": lambda t: 0.1 if t < 30 else 9.0}),
        (failures.VANISHED, 30, 49, {"pull": lambda t: 0.3 if t < 30 else 0.001}),
        (failures.COLLAPSE, 30, 40, {"diversity": lambda t: 1.0 if t < 30 else 0.3}),
        (failures.OVERFITTED, 50, 50, {"training": lambda t: t / 15, "validation": lambda t: -t / 75}),
    ],
)
def test_a_failure_is_found_when_it_is_certain_and_dated_back(kind: str, since: int, step: int, changes: Any) -> None:
    failure = first_failure(records(**changes))
    assert failure is not None
    assert (failure.kind, failure.since, failure.step) == (kind, since, step)


def test_what_passes_or_does_not_exist_is_no_failure() -> None:
    assert first_failure(records()) is None
    assert first_failure(records(wasserstein=lambda t: 40.0 if t % 5 else 0.1)) is None
    assert first_failure(records(diversity=lambda t: 0.1 if t == 30 else 1.0)) is None
    assert first_failure(records(training=lambda t: t / 15, validation=lambda t: t / 30)) is None  # it learns
    absent: Any = {name: lambda t: None for name in ("penalty", "slope", "pull", "validation", "diversity")}
    assert first_failure(records(**absent)) is None


def test_a_failed_training_is_told_kept_and_not_used(
    prices: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    config = settings(generator_learning_rate=40 * RATES.generator_learning_rate)
    with pytest.warns(TrainingWarning, match="divergence since step .* goes back to its warm start.*lower generator"):
        model = TSGAN(config=config, random_state=0, device="cpu").fit(prices)
    assert model.fit_["steps"] == 0
    assert model.training_.failed_choosing is not None
    assert model.training_.failed_choosing.kind == failures.DIVERGENCE
    assert model.training_.final == []
    assert any("divergence" in sentence for sentence in model.verdict_)
    model.save(tmp_path / "model.tsgan")
    assert TSGAN.load(tmp_path / "model.tsgan", "cpu").training_ == model.training_
    assert "divergence" in model.training_.describe()["choosing"]
