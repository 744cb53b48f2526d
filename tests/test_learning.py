"""A known law is learned: GARCH(1,1), whose volatility, kurtosis and memory have closed forms."""

import numpy as np
import pytest
import torch

from tsgan.config import Config
from tsgan.datasets.processes import Garch
from tsgan.evaluation.measures import acf
from tsgan.fitting import fit_laws
from tsgan.law import Law

STEPS, LAGS = 6000, 20
PROCESS = Garch(omega=2e-6, alpha=0.08, beta=0.90)


@pytest.fixture(scope="module")
def returns() -> np.ndarray:
    return np.asarray(PROCESS.simulate(1, STEPS + 2000, seed=5)[0])


@pytest.fixture(scope="module")
def law(returns: np.ndarray) -> Law:
    """Fitted to the first 6,000 steps; the rest is held out."""
    config = Config().with_training(steps=15)
    fit = fit_laws(returns[:STEPS, None], config, [15], 0, torch.device("cpu"), lambda _: None)
    return fit.laws[15]


@pytest.fixture(scope="module")
def free_runs(law: Law, returns: np.ndarray) -> np.ndarray:
    states = law.states(returns[:STEPS, None])[:-1]
    rng = torch.Generator().manual_seed(0)
    starts = torch.randint(len(states), (64,), generator=rng)
    return law.run(states[starts], STEPS, rng)[..., 0]


def replicates(statistic) -> np.ndarray:  # type: ignore[no-untyped-def]  # a lambda of paths
    """The statistic of 200 independent histories of the true law: what a history of this length can know."""
    return np.asarray(statistic(PROCESS.simulate(200, STEPS, seed=9)))


@pytest.mark.parametrize("level", [0.05, 0.01])
def test_one_step_quantile_is_the_true_one(law: Law, returns: np.ndarray, level: float) -> None:
    """Within 6 % (RMS): parameters fitted to 6,000 rows carry an error, and the law is not a GARCH exactly."""
    learned = law.value_at_risk(law.states(returns[:, None])[STEPS:-1], level)[0][:, 0]
    true = PROCESS.one_step_quantile(returns[None], level)[0][STEPS:-1]
    ratio = learned / true
    assert abs(ratio.mean() - 1) < 0.04
    assert np.sqrt(np.mean((ratio - 1) ** 2)) < 0.06


def test_variance_lies_within_sampling_error(free_runs: np.ndarray) -> None:
    band = np.quantile(replicates(lambda r: r.var(axis=1)), [0.005, 0.995])
    assert band[0] < free_runs.var() < band[1]


def test_kurtosis_lies_within_sampling_error(free_runs: np.ndarray) -> None:
    def kurtosis(r: np.ndarray) -> np.ndarray:
        return np.asarray(np.mean((r - r.mean(1, keepdims=True)) ** 4, axis=1) / r.var(axis=1) ** 2)

    band = np.quantile(replicates(kurtosis), [0.005, 0.995])
    assert band[0] < np.median(kurtosis(free_runs)) < band[1]


def test_autocorrelation_of_squares_lies_within_sampling_error(free_runs: np.ndarray) -> None:
    exact = PROCESS.acf_squares(LAGS)
    band = np.quantile(replicates(lambda r: acf(r[..., None] ** 2, LAGS)[..., 0]), [0.005, 0.995], axis=0)
    learned = acf(free_runs[..., None] ** 2, LAGS)[..., 0].mean(axis=0)
    assert (band[0] < learned).all()
    assert (learned < band[1]).all()
    assert np.abs(learned - exact).mean() < 0.06


def test_independent_returns_stay_independent() -> None:
    """No clustering and no autocorrelation is invented where there is none."""
    r = np.random.default_rng(3).standard_normal((4000, 1)) * 0.01
    fit = fit_laws(r, Config().with_training(steps=5), [5], 0, torch.device("cpu"), lambda _: None)
    law = fit.laws[5]
    rng = torch.Generator().manual_seed(0)
    runs = law.run(law.states(r)[-1:].repeat(64, 1, 1, 1), 4000, rng)
    for series in (runs, np.abs(runs)):
        assert np.abs(acf(series, 20).mean(axis=0)).max() < 0.03
