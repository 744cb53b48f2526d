"""Many assets jointly: 18 ETFs from 1 % to 29 % a year, fitted by likelihood alone; the critic is a benchmark."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tsgan import Config
from tsgan.datasets import read_prices
from tsgan.evaluation.baselines import Bootstrap
from tsgan.fitting import fit_laws
from tsgan.returns import log_returns

PATHS = 720  # of 240 the deviation of a calm asset still moves by a tenth from seed to seed, of 60 by more


@pytest.fixture(scope="module")
def real(data_folder: Path) -> np.ndarray:
    return log_returns(read_prices(data_folder / "etf_panel_daily.csv").to_numpy())


@pytest.fixture(scope="module")
def runs(real: np.ndarray) -> np.ndarray:
    """Free runs of the history's own length."""
    law = fit_laws(real, Config().with_training(steps=0), [0], 0, torch.device("cpu"), lambda _: None).laws[0]
    rng = torch.Generator().manual_seed(0)
    return law.run(law.states(real)[torch.randint(len(real), (PATHS,), generator=rng)], len(real), rng)


def mean_of_pairs(matrix: np.ndarray) -> float:
    return float(matrix[np.triu_indices(len(matrix), 1)].mean())


def correlation(r: np.ndarray) -> float:
    return mean_of_pairs(np.corrcoef(r.T))


def correlation_of_absolute_returns(r: np.ndarray) -> float:
    return mean_of_pairs(np.corrcoef(np.abs(r).T))


def lower_tail_dependence(r: np.ndarray) -> float:
    low = (r <= np.quantile(r, 0.05, axis=0)).astype(float)
    return mean_of_pairs(low.T @ low / (0.05 * len(r)))


def test_calm_and_wild_assets_keep_their_own_volatility(real: np.ndarray, runs: np.ndarray) -> None:
    deviation = real.std(axis=0) * 252**0.5
    assert deviation.min() < 0.02
    assert deviation.max() > 0.28
    np.testing.assert_allclose(runs.std(axis=(0, 1)) / real.std(axis=0), 1, atol=0.15)


@pytest.mark.parametrize(
    "statistic",
    [correlation, correlation_of_absolute_returns, lower_tail_dependence],
)
def test_dependence_of_the_data_is_that_of_some_paths(statistic, real: np.ndarray, runs: np.ndarray) -> None:  # type: ignore[no-untyped-def]
    """The real history lies inside the range of single paths, not beyond its middle 99 %."""
    low, high = np.quantile([statistic(r) for r in runs], [0.005, 0.995])
    assert low < statistic(real) < high


def test_every_pair_has_its_own_correlation(real: np.ndarray, runs: np.ndarray) -> None:
    """The paths' pairs miss the data's by no more than what is due to chance in a history of this length."""
    upper = np.triu_indices(real.shape[1], 1)
    ours, theirs = (np.corrcoef(r.T)[upper] for r in (runs.reshape(-1, real.shape[1]), real))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.97
    histories = Bootstrap("block bootstrap", real, 250).sample(100, len(real), 0)
    chance = [np.abs(np.corrcoef(history.T)[upper] - theirs).mean() for history in histories]
    assert np.abs(ours - theirs).mean() < np.quantile(chance, 0.9)  # .060 where 90 % of chance are below .074
