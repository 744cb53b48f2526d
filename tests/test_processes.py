"""Simulated processes: exact moments agree with their formulas, with arch, and with what is simulated."""

from math import inf
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from tsgan.datasets.processes import AR1, Garch, GarchPair, MarkovSwitching, StudentT, prices
from tsgan.errors import ConfigError, DataError

PROCESSES: list[Any] = [
    Garch(),
    Garch(nu=8.0),
    Garch(gamma=0.06, alpha=0.03, beta=0.9),
    Garch(gamma=0.06, alpha=0.03, beta=0.85, nu=10.0),
    AR1(),
    AR1(phi=-0.12),
    StudentT(),
    StudentT(nu=inf),
    GarchPair(),
]


def within(draws: Any, exact: Any, errors: float = 4.0) -> bool:
    """Whether the mean over independent draws (the first axis) lies within some standard errors of the exact value."""
    draws = np.asarray(draws)
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    return bool(np.all(np.abs(draws.mean(axis=0) - exact) < errors * error))


@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_simulation_has_the_shape_asked_for_and_repeats_itself(process: Any) -> None:
    r = process.simulate(3, 7, seed=1)
    assert r.shape == (3, 7, 2) if isinstance(process, GarchPair) else (3, 7)
    assert np.array_equal(r, process.simulate(3, 7, seed=1))
    assert not np.array_equal(r, process.simulate(3, 7, seed=2))


@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_simulated_variance_is_the_exact_one(process: Any) -> None:
    r = process.simulate(1_000, 250, seed=3)
    assert within((r**2).mean(axis=1), process.variance())
    assert within(r.mean(axis=1), 0.0)


@pytest.mark.parametrize("process", [p for p in PROCESSES if np.all(np.isfinite(p.kurtosis()))], ids=repr)
def test_simulated_squares_have_the_exact_moments(process: Any) -> None:
    lags = 5
    r = process.simulate(4_000, 100, seed=4)
    u = r**2 / process.variance()  # mean 1, E u² = kurtosis
    variance = process.kurtosis() - 1
    assert within((u**2).mean(axis=1), process.kurtosis(), errors=4.5)
    for lag, exact in enumerate(process.acf_squares(lags), start=1):
        products = (u[:, lag:] - 1) * (u[:, :-lag] - 1)
        assert within(products.mean(axis=1), exact * variance, errors=4.5)


def test_garch_moments_are_those_of_the_textbook() -> None:
    process = Garch(omega=1e-5, alpha=0.1, beta=0.8)  # Bollerslev (1986): 3 (1 - p²) / (1 - p² - 2 alpha²)
    assert process.variance() == pytest.approx(1e-4)
    assert process.kurtosis() == pytest.approx(3 * (1 - 0.81) / (1 - 0.81 - 0.02))
    first = 0.1 * (1 - 0.8 * 0.9) / (1 - 0.64 - 2 * 0.8 * 0.1)
    assert process.acf_squares(3) == pytest.approx(first * np.array([1, 0.9, 0.81]))


def test_moments_that_are_infinite_are_said_to_be() -> None:
    assert Garch(nu=4.0).kurtosis() == inf
    assert Garch(alpha=0.3, beta=0.69).kurtosis() == inf
    assert Garch(alpha=0.0, beta=0.5, nu=3.0).kurtosis() == inf
    assert StudentT(nu=4.0).kurtosis() == inf
    with pytest.raises(ConfigError, match="variance is infinite"):
        Garch(nu=4.0).acf_squares(3)


def test_gjr_has_a_leverage_effect_and_garch_has_none() -> None:
    products = [process.simulate(2_000, 200, seed=5) for process in (Garch(), Garch(alpha=0.02, gamma=0.12, beta=0.9))]
    symmetric, leveraged = ((r[:, :-1] * r[:, 1:] ** 2).mean(axis=1) for r in products)
    assert within(symmetric, 0.0)
    assert leveraged.mean() < -5 * leveraged.std() / np.sqrt(len(leveraged))


@pytest.mark.parametrize("process", [Garch(), Garch(gamma=0.1, alpha=0.02, beta=0.9)], ids=repr)
def test_one_step_volatility_is_that_of_arch(process: Garch) -> None:
    from arch import arch_model

    r = process.simulate(1, 800, seed=6)[0]
    scale = 1 / np.sqrt(process.variance())
    model = arch_model(r * scale, mean="Zero", p=1, o=1, q=1, rescale=False)
    fixed = model.fix([process.omega * scale**2, process.alpha, process.gamma, process.beta])
    ours = process.one_step_volatility(r)
    assert ours.shape == (801,)
    # the starting values differ and are forgotten
    assert ours[300:-1] == pytest.approx(fixed.conditional_volatility[300:] / scale, rel=1e-9)


def test_one_step_volatility_knows_the_past_only() -> None:
    r = Garch().simulate(2, 50, seed=7)
    changed = r.copy()
    changed[:, 30:] *= 3
    ours, theirs = Garch().one_step_volatility(r), Garch().one_step_volatility(changed)
    assert np.array_equal(ours[:, :31], theirs[:, :31])
    assert np.all(theirs[:, 31] > ours[:, 31])


@pytest.mark.parametrize("process", [Garch(), Garch(nu=6.0)], ids=repr)
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_one_step_quantile_is_breached_as_often_as_it_says(process: Garch, level: float) -> None:
    r = process.simulate(400, 600, seed=8)
    breaches = (r <= process.one_step_quantile(r, level)[:, :-1])[:, 300:]
    assert within(breaches.mean(axis=1), level)


@pytest.mark.parametrize("nu", [3.0, 6.0, inf])
def test_student_quantile_and_shortfall_agree_with_integration(nu: float) -> None:
    process = StudentT(nu=nu, volatility=0.02)
    law = stats.norm(scale=0.02) if nu == inf else stats.t(nu, scale=0.02 * np.sqrt((nu - 2) / nu))
    assert law.std() == pytest.approx(0.02)
    assert process.quantile(0.05) == pytest.approx(law.ppf(0.05))
    tail, _ = integrate.quad(lambda x: x * law.pdf(x), -inf, law.ppf(0.05))
    assert process.expected_shortfall(0.05) == pytest.approx(tail / 0.05, rel=1e-6)


def test_ar1_has_its_autocorrelation() -> None:
    r = AR1(phi=0.5, volatility=0.01).simulate(1_000, 100, seed=9)
    for lag, exact in enumerate(AR1(phi=0.5).acf(4), start=1):
        assert within((r[:, lag:] * r[:, :-lag]).mean(axis=1) / 1e-4, exact)


def test_each_asset_of_a_pair_is_a_garch_and_their_covariance_is_exact() -> None:
    pair = GarchPair(correlation=-0.4, volatilities=(0.01, 0.03))
    r = pair.simulate(2_000, 200, seed=10)
    assert within((r[..., 0] * r[..., 1]).mean(axis=1), pair.covariance()[0, 1])
    assert pair.covariance()[0, 1] == pytest.approx(-0.4 * 0.01 * 0.03)
    breaches = (r[..., 1] <= pair.margin(1).one_step_quantile(r[..., 1], 0.05)[:, :-1])[:, 100:]
    assert within(breaches.mean(axis=1), 0.05)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Garch(alpha=0.2, beta=0.8), "below 1 for a finite variance, got 1"),
        (lambda: Garch(nu=2.0), "nu must be above 2"),
        (lambda: StudentT(nu=1.5), "nu must be above 2"),
        (lambda: AR1(phi=1.0), "phi must lie between -1 and 1"),
        (lambda: GarchPair(correlation=1.0), "the correlation must lie"),
        (lambda: GarchPair(alpha=0.1, beta=0.9), "below 1 for a finite variance"),
    ],
)
def test_laws_without_a_variance_are_refused(make: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        make()


def test_prices_are_the_inverse_of_log_returns() -> None:
    r = GarchPair().simulate(1, 20, seed=11)[0]
    frame = prices(r, start=50.0)
    assert list(frame.columns) == ["A", "B"]
    assert len(frame) == 21
    assert (frame.iloc[0] == 50.0).all()
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert frame.index[0] == pd.Timestamp("2000-01-03")
    assert (frame.index.day_of_week < 5).all()
    assert np.diff(np.log(frame.to_numpy()), axis=0) == pytest.approx(r)
    assert prices(r[:, 0]).equals(prices(r[:, :1]))
    with pytest.raises(DataError, match=r"got the shape \(3, 4, 5\)"):
        prices(np.zeros((3, 4, 5)))


SWITCHING = [MarkovSwitching(), MarkovSwitching((0.01, -0.02), (0.01, 0.03), (0.7, 0.4))]


@pytest.mark.parametrize("process", SWITCHING, ids=repr)
def test_switching_returns_have_the_exact_moments(process: MarkovSwitching) -> None:
    r, states = process.simulate_with_states(4_000, 100, seed=9)
    assert np.array_equal(r, process.simulate(4_000, 100, seed=9))
    d = r - process.mean()
    assert within(d.mean(axis=1), 0)
    assert within((d**2).mean(axis=1), process.variance())
    assert within((d**4).mean(axis=1), process.kurtosis() * process.variance() ** 2)
    assert within(states.mean(axis=1), process.shares()[1])
    u = d**2 / process.variance() - 1
    for lag, (plain, square) in enumerate(zip(process.acf(3), process.acf_squares(3), strict=True), start=1):
        assert within((d[:, lag:] * d[:, :-lag]).mean(axis=1), plain * process.variance())
        assert within((u[:, lag:] * u[:, :-lag]).mean(axis=1), square * (process.kurtosis() - 1))


@pytest.mark.parametrize("process", SWITCHING, ids=repr)
def test_switching_states_stay_as_often_as_they_say(process: MarkovSwitching) -> None:
    r, states = process.simulate_with_states(2_000, 200, seed=10)
    for state, (mean, volatility, stay) in enumerate(
        zip(process.means, process.volatilities, process.persistence, strict=True)
    ):
        mine = r[states == state]
        assert within(mine, mean)
        assert within((mine - mean) ** 2, volatility**2)
        assert within((states[:, 1:] == state)[states[:, :-1] == state], stay)


@pytest.mark.parametrize("process", SWITCHING, ids=repr)
@pytest.mark.parametrize("steps", [1, 2, 20])
def test_sums_of_switching_returns_have_the_exact_law(process: MarkovSwitching, steps: int) -> None:
    weights, means, deviations = process.law_of_sum(steps)
    assert weights.sum() == pytest.approx(1)
    assert weights @ means == pytest.approx(steps * process.mean())
    sums = process.simulate(20_000, steps, seed=11).sum(axis=1)
    exact = stats.norm.cdf(np.sort(sums)[:, None], means, deviations) @ weights
    assert stats.kstest(exact, "uniform").pvalue > 0.001


def test_a_switching_process_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="persistence"):
        MarkovSwitching(persistence=(1.0, 0.9))
    with pytest.raises(ConfigError, match="volatilities"):
        MarkovSwitching(volatilities=(0.0, 0.01))
