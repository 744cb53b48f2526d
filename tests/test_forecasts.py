"""Classical forecasts: the law they are fitted to, closed forms, causality, and what happens when a fit fails."""

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from tsgan.datasets.processes import Garch
from tsgan.errors import DataError
from tsgan.evaluation import breach_share, fixed_forecasts, fz0
from tsgan.evaluation.forecasts import tail_of_law, tail_of_sample

LEVELS = (0.05, 0.01)
GJR = Garch(alpha=0.02, gamma=0.12, beta=0.9, nu=8.0)
N_TRAIN = 3_000
METHODS = ["GJR-skewt", "historical"]


def forecast(method: str, returns: Any, n_train: int, levels: Any = LEVELS) -> Any:
    """Forecasts of one series by one method."""
    return fixed_forecasts(returns[:, None], n_train, levels, [method])[method]


@pytest.fixture(scope="module")
def returns() -> Any:
    return GJR.simulate(1, 5_000, seed=1)[0]


@pytest.fixture(scope="module")
def fitted(returns: Any) -> Any:
    return forecast("GJR-skewt", returns, N_TRAIN)


@pytest.mark.parametrize("method", METHODS)
def test_forecasts_are_a_pair_a_date(method: str, returns: Any) -> None:
    forecasts = forecast(method, returns, N_TRAIN)
    assert list(forecasts) == list(LEVELS)
    for pair in forecasts.values():
        assert pair.var.shape == pair.es.shape == (2_000, 1)
        assert np.all((pair.es < pair.var) & (pair.var < 0))
    assert np.all(forecasts[0.01].var < forecasts[0.05].var)


@pytest.mark.parametrize("level", LEVELS)
def test_a_fitted_gjr_recovers_the_quantile_of_its_own_law(level: float, returns: Any, fitted: Any) -> None:
    exact = GJR.one_step_quantile(returns, level)[N_TRAIN:-1]
    assert np.median(fitted[level].var[:, 0] / exact) == pytest.approx(1, abs=0.06)  # estimation error of 3,000 returns
    assert np.corrcoef(fitted[level].var[:, 0], exact)[0, 1] > 0.98
    share = breach_share(returns[N_TRAIN:], fitted[level].var[:, 0])
    assert share == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / 2_000))


@pytest.mark.parametrize("level", LEVELS)
def test_a_fitted_gjr_scores_better_than_a_constant_on_its_own_law(level: float, returns: Any, fitted: Any) -> None:
    y = returns[N_TRAIN:, None]
    constant = forecast("historical", returns, N_TRAIN)[level]
    gjr = fitted[level]
    assert fz0(y, gjr.var, gjr.es, level).mean() < fz0(y, constant.var, constant.es, level).mean()


@pytest.mark.parametrize("method", METHODS)
def test_forecasts_know_the_past_only(method: str, returns: Any) -> None:
    y = returns[:1_200]
    changed = y.copy()
    changed[1_100:] *= -2
    before, after = forecast(method, y, 1_000), forecast(method, changed, 1_000)
    for level in LEVELS:
        assert np.array_equal(before[level].var[:101], after[level].var[:101])
        assert np.array_equal(before[level].es[:101], after[level].es[:101])


@pytest.mark.parametrize("method", METHODS)
def test_forecasts_have_the_unit_of_the_returns(method: str, returns: Any) -> None:
    y = returns[:1_200]
    plain, percent = forecast(method, y, 1_000), forecast(method, 100 * y, 1_000)
    for level in LEVELS:  # rounding moves the optimiser's last steps
        assert percent[level].var == pytest.approx(100 * plain[level].var, rel=1e-4)
        assert percent[level].es == pytest.approx(100 * plain[level].es, rel=1e-4)


def test_forecasts_are_those_of_arch(returns: Any, fitted: Any) -> None:
    from arch import arch_model

    scale = returns[:N_TRAIN].std()
    model = arch_model(returns / scale, p=1, o=1, q=1, dist="skewt", rescale=False)
    result = model.fit(last_obs=N_TRAIN, disp="off")
    ahead = result.forecast(horizon=1, start=N_TRAIN - 1, reindex=False)
    mean, variance = ahead.mean.to_numpy()[:-1, 0], ahead.variance.to_numpy()[:-1, 0]
    z = np.asarray(model.distribution.ppf(np.array([0.01]), result.params[-2:]))[0]
    assert fitted[0.01].var[:, 0] == pytest.approx(scale * (mean + np.sqrt(variance) * z), rel=1e-4)


@pytest.mark.parametrize("level", LEVELS)
def test_shortfall_by_quadrature_agrees_with_closed_forms(level: float) -> None:
    from arch.univariate.distribution import Normal, SkewStudent

    none = np.empty(0)
    v, e = tail_of_law(Normal(), none, level)
    assert (v, e) == pytest.approx((stats.norm.ppf(level), -stats.norm.pdf(stats.norm.ppf(level)) / level), rel=1e-9)
    for shape in (np.array([2.1, -0.3]), np.array([5.0, 0.2]), np.array([30.0, -0.1])):
        law = SkewStudent()
        v, e = tail_of_law(law, shape, level)
        assert e == pytest.approx(law.partial_moment(1, v, shape) / level, rel=1e-6)
    symmetric = tail_of_law(SkewStudent(), np.array([5.0, 0.0]), level)[1]
    unit = stats.t(5, scale=np.sqrt(3 / 5))
    tail, _ = integrate.quad(lambda x: x * unit.pdf(x), -np.inf, unit.ppf(level))
    assert symmetric == pytest.approx(tail / level, rel=1e-7)


def test_historical_forecasts_are_quantile_and_tail_mean_of_the_training_returns() -> None:
    y = np.concatenate((np.arange(-50.0, 51.0), [7.0, 8.0]))
    constant = forecast("historical", y, 101, (0.05,))[0.05]
    assert constant.var[:, 0] == pytest.approx([-45.0, -45.0])
    assert constant.es[:, 0] == pytest.approx([-47.5, -47.5])


def test_the_tail_of_a_sample_is_taken_along_the_last_axis() -> None:
    sample = np.random.default_rng(0).standard_normal((3, 2, 101))
    var, es = tail_of_sample(sample, 0.1)
    assert var.shape == es.shape == (3, 2)
    assert es[1, 1] == pytest.approx(np.sort(sample[1, 1])[:11].mean())
    assert tail_of_sample(np.full(7, 0.1), 0.05) == pytest.approx((0.1, 0.1))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("values", "n_train", "sentence"),
    [
        (np.zeros(60), 50, "are all equal"),
        (np.full(60, np.nan), 50, "finite returns, row 0 of column 1"),
        (np.arange(60.0), 60, "cannot fit on 60 of 60 returns"),
        (np.arange(60.0), 40, "at least 50 rows"),
    ],
)
def test_returns_that_cannot_be_used_are_refused(method: str, values: Any, n_train: int, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        forecast(method, values, n_train)
