"""The drift: real autocorrelation is found whole, spurious one is not, and paths have what the data have."""

import numpy as np
import pandas as pd
import pytest

from tsgan import TSGAN, Config
from tsgan.config import GeneratorConfig
from tsgan.drift import fit_drift

HALF_LIVES = GeneratorConfig().half_lives


def autoregression(coefficient: float, steps: int, seed: int) -> np.ndarray:
    """(steps, 1) log returns around a mean, with Student t(5) surprises."""
    surprises = 0.01 * np.random.default_rng(seed).standard_t(5, steps) * 0.6**0.5
    x = np.empty(steps)
    x[0] = surprises[0]
    for t in range(1, steps):
        x[t] = coefficient * x[t - 1] + surprises[t]
    return 0.0005 + x[:, None]


@pytest.mark.parametrize("coefficient", [0.5, 0.2, -0.12, -0.3])
def test_real_autocorrelation_is_found_whole(coefficient: float) -> None:
    weights = np.mean([fit_drift(autoregression(coefficient, 5000, s), HALF_LIVES, 0.01)[0] for s in range(5)], 0)
    error = ((1 - coefficient**2) / 5000 / 5) ** 0.5
    assert abs(weights[0] - coefficient) < 3 * error + 0.01
    assert np.abs(weights[1:]).max() < 0.05


def test_spurious_autocorrelation_is_not() -> None:
    weights = np.stack([fit_drift(autoregression(0, 2500, seed), HALF_LIVES, 0.01)[0] for seed in range(20)])
    assert np.median(np.abs(weights).max(1)) < 0.01
    assert (np.abs(weights[:, 0]) > 0.05).sum() <= 1


def test_units_do_not_matter() -> None:
    returns = autoregression(0.2, 2000, 0)
    expected = fit_drift(returns, HALF_LIVES, 0.01)
    np.testing.assert_allclose(fit_drift(returns * 1e-6, HALF_LIVES, 0.01), expected, rtol=1e-6, atol=1e-9)


def test_one_outlier_decides_nothing() -> None:
    returns = autoregression(0.2, 3000, 0)
    crash = returns.copy()
    crash[1500:1502] = -0.6  # two such days in a row look like autocorrelation to least squares
    change = fit_drift(crash, HALF_LIVES, 0.01) - fit_drift(returns, HALF_LIVES, 0.01)
    assert np.abs(change).max() < 0.05


def test_a_trend_cannot_run_away() -> None:
    returns = np.cumsum(np.random.default_rng(0).standard_normal((2000, 1)), 0)
    assert np.abs(fit_drift(returns, HALF_LIVES, 0.01)).sum() <= 0.9 + 1e-9


def test_paths_have_the_autocorrelation_of_the_data_and_its_volatility() -> None:
    returns = autoregression(0.3, 3000, 1)
    prices = pd.DataFrame({"AR": 100 * np.exp(np.cumsum(np.append(0, returns)))}, pd.bdate_range("2010", periods=3001))
    model = TSGAN(config=Config().with_training(steps=0), random_state=0)
    model.fit(prices)
    drawn = model.sample(100, length=1000, random_state=0).returns[..., 0]
    drawn = drawn - drawn.mean()
    lag = (drawn[:, 1:] * drawn[:, :-1]).mean() / drawn.var()
    data = returns[:, 0] - returns.mean()
    assert abs(lag - (data[1:] * data[:-1]).mean() / data.var()) < 0.03
    assert abs(np.log(drawn.std() / data.std())) < 0.05
