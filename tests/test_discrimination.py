"""Classifiers that tell synthetic windows from real ones: what they see, and what they must not see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tsgan.datasets.processes import Garch
from tsgan.evaluation import MEASURES
from tsgan.evaluation import discrimination as d
from tsgan.evaluation.controls import CONTROLS

LAW = Garch(alpha=0.1, beta=0.88)
CLASSIFIERS = [m for m in MEASURES if m.fact == "discrimination"]
every_classifier = pytest.mark.parametrize("measure", CLASSIFIERS, ids=lambda measure: measure.name)


def history(seed: int) -> Any:
    return LAW.simulate(1, 5_000, seed)[..., None]


@every_classifier
def test_replicates_are_hardly_told_apart_and_controls_are(measure: Any) -> None:
    paths = measure.statistic(LAW.simulate(500, 252, seed=1)[..., None])
    histories = [history(100 + seed) for seed in range(10)]
    real = [measure.statistic(h) for h in histories]
    chance = [measure.distance(r, paths)[0] for r in real]
    assert np.mean(chance) < 0.06
    for control in ("i.i.d. Gaussian", "shuffled in time", "i.i.d. bootstrap"):
        rng = np.random.default_rng(7)
        drawn = [measure.statistic(CONTROLS[control](h[0], 200, 252, rng)) for h in histories]
        told = [measure.distance(r, x)[0] for r, x in zip(real, drawn, strict=True)]
        assert np.mean(told) > 2.5 * np.mean(chance)
        assert np.min(told) > np.median(chance)


@every_classifier
def test_which_side_is_called_real_does_not_matter(measure: Any) -> None:
    a, b = (measure.statistic(LAW.simulate(20, 300, seed)[..., None]) for seed in (1, 2))
    assert measure.distance(a, b) == pytest.approx(measure.distance(b, a), abs=0.011)  # trees break ties by order


@every_classifier
def test_laws_without_a_common_window_are_always_told_apart(measure: Any) -> None:
    rng = np.random.default_rng(0)
    noise, wave = rng.standard_normal((5, 400, 1)), np.sin(np.arange(2_000.0) / 3).reshape(5, 400, 1)
    assert measure.distance(measure.statistic(noise), measure.statistic(wave)) == pytest.approx(0.5, abs=0.01)


@every_classifier
def test_a_price_that_stands_still_for_months_is_no_trouble(measure: Any) -> None:
    r = history(1)
    r[:, 1_000:1_400] = 0.0
    assert np.isfinite(measure.statistic(r)).all()
    assert np.isfinite(measure.distance(measure.statistic(r), measure.statistic(history(2)))).all()


def test_the_accuracy_is_of_windows_that_the_classifier_has_not_seen() -> None:
    """Windows with random labels: a classifier that knows them by heart would be right, held out it is not."""
    rng = np.random.default_rng(3)
    paths = rng.standard_normal((2, 40, 600, 1))
    for measure in CLASSIFIERS:
        assert measure.distance(*(measure.statistic(side) for side in paths)) < 0.12


def test_recurrent_states_are_those_of_a_gated_recurrent_unit() -> None:
    windows = np.random.default_rng(1).standard_normal((7, d.STEPS, 2))
    into, around = d._weights()
    unit = torch.nn.GRU(2, d.UNITS, bias=False, batch_first=True, dtype=torch.float64)
    unit.load_state_dict({"weight_ih_l0": torch.tensor(into.T), "weight_hh_l0": torch.tensor(around.T)})
    inputs = torch.tensor(np.stack((windows.mean(2), np.abs(windows).mean(2)), -1))
    states, last = unit(inputs)
    mean, final, product = np.split(d._states(windows), 3, axis=1)
    assert mean == pytest.approx(states.mean(1).detach().numpy())
    assert final == pytest.approx(last[0].detach().numpy())
    assert product == pytest.approx((states[:, 1:] * states[:, :-1]).sum(1).detach().numpy() / d.STEPS)


def test_statistics_of_a_known_window() -> None:
    r = np.resize([1.0, -1.0], 4_000).reshape(1, -1, 1)
    one = d._halves(d.path_statistics(r))[0, 0]
    assert one[0] == pytest.approx(0)  # log of the deviation
    assert one[[2, 3, 4, 5]] == pytest.approx([-1, 1, 0, 1])  # extremes, skewness, kurtosis
    assert one[6] == pytest.approx(-(d.STEPS - 1) / d.STEPS)
    assert d.volatility_spread(d.path_statistics(r)) == pytest.approx(1)
