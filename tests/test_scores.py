"""Scores of risk forecasts: closed forms under the normal law, lowest for the truth, one value an observation."""

import numpy as np
import pytest
from scipy import integrate, stats

from tsgan.errors import DataError
from tsgan.evaluation import breach_share, fz0, quantile_loss

LEVELS = (0.05, 0.025, 0.01)
NORMAL = {level: (stats.norm.ppf(level), -stats.norm.pdf(stats.norm.ppf(level)) / level) for level in LEVELS}


@pytest.fixture(scope="module")
def normal_returns() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(1).standard_normal(1_000_000)


@pytest.mark.parametrize(
    ("level", "var", "es", "score"),
    [(0.05, -1.645, -2.063, 0.724), (0.025, -1.960, -2.338, 0.849), (0.01, -2.326, -2.665, 0.980)],
)
def test_fz0_of_the_normal_law_is_the_closed_form(
    level: float, var: float, es: float, score: float, normal_returns: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> None:
    v, e = NORMAL[level]
    assert (v, e) == pytest.approx((var, es), abs=6e-4)
    # at the truth, E 1{y <= v}(v - y) = a (v - e), so that the expected score is ln(-e)
    assert np.log(-e) == pytest.approx(score, abs=6e-4)
    values = fz0(normal_returns, v, e, level)
    assert values.shape == normal_returns.shape
    assert values.mean() == pytest.approx(np.log(-e), abs=4 * values.std() / 1_000)


@pytest.mark.parametrize("level", LEVELS)
def test_fz0_is_lowest_at_the_truth(level: float) -> None:
    def expected(v: float, e: float) -> float:
        below, _ = integrate.quad(lambda y: float(fz0(y, v, e, level)) * stats.norm.pdf(y), -12, v)
        above, _ = integrate.quad(lambda y: float(fz0(y, v, e, level)) * stats.norm.pdf(y), v, 12)
        return float(below + above)

    v, e = NORMAL[level]
    best = expected(v, e)
    assert best == pytest.approx(np.log(-e), abs=1e-6)
    for factor_v, factor_e in ((0.95, 1), (1.05, 1), (1, 0.95), (1, 1.05), (1.03, 1.03), (0.97, 0.97)):
        assert expected(factor_v * v, factor_e * e) > best + 1e-5


def test_another_unit_adds_a_constant_to_fz0() -> None:
    y, v, e = np.array([-3.0, -1.0, 2.0]), np.array([-1.5, -1.6, -1.7]), np.array([-2.0, -2.1, -2.2])
    assert fz0(100 * y, 100 * v, 100 * e, 0.05) - fz0(y, v, e, 0.05) == pytest.approx(np.log(100))


def test_fz0_term_by_term() -> None:
    # breach: -(v - y) / (a e) + v / e + ln(-e) - 1 with y = -3, v = -1, e = -2, a = .05
    breach, none = fz0([-3.0, 1.0], -1.0, -2.0, 0.05)
    assert none == pytest.approx(0.5 + np.log(2) - 1)
    assert breach == pytest.approx(none + 2 / (0.05 * 2))
    assert fz0(-1.0, -1.0, -2.0, 0.05) == pytest.approx(none)  # y = v is a breach of size 0


@pytest.mark.parametrize(
    ("var", "es"),
    [(0.1, -1.0), (-1.0, -0.9), (0.0, 0.0), (np.nan, -1.0), (-1.0, np.nan)],
)
def test_fz0_names_the_observation_whose_forecast_is_impossible(var: float, es: float) -> None:
    with pytest.raises(DataError, match=r"ES <= VaR <= 0 .* observation 1 are VaR"):
        fz0(np.zeros(3), np.array([-1.0, var, -1.0]), np.array([-2.0, es, -2.0]), 0.05)


def test_quantile_loss_is_lowest_at_the_sample_quantile() -> None:
    y = np.random.default_rng(2).standard_normal(999)
    candidates = np.sort(y)
    losses = quantile_loss(y[:, None], candidates, 0.05).mean(axis=0)
    assert candidates[losses.argmin()] == pytest.approx(np.quantile(y, 0.05, method="inverted_cdf"))
    assert quantile_loss([-2.0, 2.0], -1.0, 0.05) == pytest.approx([0.95, 0.15])
    assert quantile_loss([1.0, -1.0], [1.0, -1.0], 0.3) == pytest.approx([0.0, 0.0])


def test_quantile_loss_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import mean_pinball_loss

    y, v = np.random.default_rng(3).standard_normal((2, 500))
    assert quantile_loss(y, v, 0.025).mean() == pytest.approx(mean_pinball_loss(y, v, alpha=0.025))


def test_breach_share_counts_returns_at_or_below_the_quantile() -> None:
    assert breach_share([-2.0, -1.0, 0.0, 1.0], -1.0) == 0.5
    assert breach_share([-2.0, -1.0], [-2.5, -1.0]) == 0.5
