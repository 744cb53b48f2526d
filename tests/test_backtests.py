"""Tests of VaR and ES forecasts: closed forms, other implementations, size under right and power against wrong ones."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from tsgan.datasets.processes import Garch
from tsgan.errors import ConfigError, DataError
from tsgan.evaluation.risk.backtests import (
    Backtest,
    Simulation,
    acerbi_szekely,
    backtest,
    berkowitz,
    christoffersen_independence,
    conditional_coverage,
    dynamic_quantile,
    holm,
    kupiec,
    mcneil_frey,
    traffic_light,
)

LEVELS = (0.05, 0.025, 0.01)
GJR = Garch(alpha=0.02, gamma=0.14, beta=0.88, nu=8.0)
NAMES = [
    "Kupiec",
    "Christoffersen",
    "conditional coverage",
    "dynamic quantile",
    "Acerbi-Szekely Z1",
    "Acerbi-Szekely Z2",
    "McNeil-Frey",
]


def hits(x: int, n: int) -> Any:
    """Say that the first x of n are breaches."""
    return np.arange(n) < x


def tail(law: Any, level: float) -> tuple[float, float]:
    """Quantile and mean below it, by quadrature over equal probabilities."""
    return float(law.ppf(level)), float(law.ppf((np.arange(200_000) + 0.5) / 200_000 * level).mean())


def garch_forecasts(n_paths: int, n: int, level: float, seed: int) -> tuple[Any, Any, Any]:
    """Returns of a GJR-GARCH with t innovations, and their exact VaR and ES, each (n_paths, n)."""
    returns = GJR.simulate(n_paths, n + 250, seed)
    volatility = GJR.one_step_volatility(returns)[:, 250:-1]
    v, e = tail(stats.t(GJR.nu, scale=np.sqrt(1 - 2 / GJR.nu)), level)
    return returns[:, 250:], v * volatility, e * volatility


def assert_share(rejected: Any, share: float, standard_errors: float = 3.5) -> None:
    """Check a share of rejections, up to its binomial error."""
    error = np.sqrt(share * (1 - share) / len(rejected))
    assert np.mean(rejected) == pytest.approx(share, abs=standard_errors * error)


# Closed forms


def test_kupiec_by_hand() -> None:
    # ten breaches in 250 days at 1 %: 2 (240 ln(.96 / .99) + 10 ln(.04 / .01))
    result = kupiec(hits(10, 250), 0.01)
    assert result.statistic == pytest.approx(2 * (240 * np.log(0.96 / 0.99) + 10 * np.log(4)))
    assert result.statistic == pytest.approx(12.9555, abs=5e-5)
    assert result.p_value == pytest.approx(stats.chi2.sf(result.statistic, 1))
    assert result.words == (
        "10 breaches in 250 forecasts where 2.5 are expected; hardly compatible with right forecasts (p < 0.001)."
    )


@pytest.mark.parametrize("level", LEVELS)
def test_kupiec_at_its_ends(level: float) -> None:
    assert kupiec(hits(0, 250), level).statistic == pytest.approx(-2 * 250 * np.log(1 - level))
    assert kupiec(hits(250, 250), level).statistic == pytest.approx(-2 * 250 * np.log(level))
    exact = kupiec(hits(int(1_000 * level), 1_000), level)
    assert exact.statistic == pytest.approx(0, abs=1e-9)
    assert exact.p_value == pytest.approx(1, abs=1e-4)


def test_independence_by_hand() -> None:
    # pairs: 00 four times, 01 twice, 10 twice, 11 once
    result = christoffersen_independence([0, 0, 1, 1, 0, 0, 0, 1, 0, 0])
    apart = 4 * np.log(4 / 6) + 2 * np.log(2 / 6) + 2 * np.log(2 / 3) + np.log(1 / 3)
    assert result.statistic == pytest.approx(2 * (apart - 6 * np.log(6 / 9) - 3 * np.log(3 / 9)), abs=1e-12)
    assert result.words.startswith("A breach came 1 step after 1 of 3 breaches and after 2 of 6 other forecasts; comp")


def test_independence_without_successive_breaches() -> None:
    # pairs: 00 three times, 01 once, 10 once, 11 never
    result = christoffersen_independence([0, 0, 1, 0, 0, 0])
    apart = 3 * np.log(3 / 4) + np.log(1 / 4)
    assert result.statistic == pytest.approx(2 * (apart - 4 * np.log(4 / 5) - np.log(1 / 5)))
    for constant in (hits(0, 50), hits(50, 50)):
        none = christoffersen_independence(constant)
        assert (none.statistic, none.p_value) == (0, 1)
    last = christoffersen_independence([0, 0, 0, 1])  # nothing comes after the only breach
    assert last.statistic == pytest.approx(0, abs=1e-12)


def test_conditional_coverage_is_the_sum() -> None:
    breaches = np.random.default_rng(1).random(500) < 0.08
    both = conditional_coverage(breaches, 0.05)
    parts = kupiec(breaches, 0.05).statistic + christoffersen_independence(breaches).statistic
    assert both.statistic == pytest.approx(parts)
    assert both.p_value == pytest.approx(stats.chi2.sf(parts, 2))


def test_coverage_ignores_the_order_and_independence_does_not() -> None:
    rng = np.random.default_rng(2)
    clustered = np.repeat(rng.random(50) < 0.1, 10)
    shuffled = rng.permutation(clustered)
    assert kupiec(clustered, 0.05).statistic == pytest.approx(kupiec(shuffled, 0.05).statistic)
    assert christoffersen_independence(clustered).p_value < 1e-6 < christoffersen_independence(shuffled).p_value


def test_acerbi_szekely_by_hand() -> None:
    # breaches -3 and -2 with ES -2: Z1 = 1 - (1.5 + 1) / 2, Z2 = 1 - (1.5 + 1) / (10 .1)
    y = np.array([-3.0, -2.0, -0.5, 1, 1, 1, 1, 1, 1, 1])
    z1, z2 = acerbi_szekely(y, np.full(10, -1.0), np.full(10, -2.0), 0.1)
    assert z1.statistic == pytest.approx(-0.25)
    assert z2.statistic == pytest.approx(-1.5)
    assert "2 breaches is 1.25 times the forecast ES" in z1.words


@pytest.mark.parametrize("level", LEVELS)
def test_acerbi_szekely_are_zero_on_average_for_the_normal_law(level: float) -> None:
    v, e = stats.norm.ppf(level), -stats.norm.pdf(stats.norm.ppf(level)) / level
    y = np.random.default_rng(3).standard_normal(1_000_000)
    z1, z2 = acerbi_szekely(y, np.full(len(y), v), np.full(len(y), e), level, simulation=Simulation(n=19))
    ratios = np.where(y <= v, y / e, 0)
    assert z1.statistic == pytest.approx(0, abs=4 * ratios[y <= v].std() / np.sqrt((y <= v).sum()))
    assert z2.statistic == pytest.approx(0, abs=4 * ratios.std() / level / 1_000)


def test_without_breaches_es_alone_cannot_be_tested() -> None:
    y, v, e = np.ones(250), np.full(250, -1.0), np.full(250, -2.0)
    z1, z2 = acerbi_szekely(y, v, e, 0.05)
    assert np.isnan([z1.statistic, z1.p_value]).all()
    assert z1.words == "There is no breach; the test cannot be made."
    assert z2.statistic == 1
    assert z2.p_value > 0.99
    residuals = mcneil_frey(y, v, e)
    assert np.isnan([residuals.statistic, residuals.p_value]).all()
    assert residuals.words == "There is no breach; the test cannot be made."
    y[7] = -3
    assert np.isnan(mcneil_frey(y, v, e).p_value)
    assert "1 breach is 50.0% above ES; the test cannot" in mcneil_frey(y, v, e).words


@pytest.mark.parametrize("breaches", range(13))
def test_traffic_light_has_the_supervisors_zones(breaches: int) -> None:
    result = traffic_light(hits(breaches, 250))
    colour = "Green" if breaches <= 4 else "Yellow" if breaches <= 9 else "Red"
    assert result.words.split(":")[0] == colour
    assert result.statistic == breaches
    assert result.p_value == pytest.approx(stats.binom.sf(breaches - 1, 250, 0.01))


# Other implementations


@pytest.mark.parametrize(("x", "n", "level"), [(0, 250, 0.01), (7, 250, 0.01), (30, 1_000, 0.05), (40, 40, 0.025)])
def test_kupiec_agrees_with_vartests(x: int, n: int, level: float) -> None:
    # the only test the two have in common: its duration test is another test of independence, and its Berkowitz test
    # one of the tail of a normal VaR
    vartests = pytest.importorskip("vartests")
    theirs = vartests.kupiec_test(hits(x, n), risk_conf_level=1 - level)
    ours = kupiec(hits(x, n), level)
    assert (ours.statistic, ours.p_value) == pytest.approx((theirs["statistic"], theirs["p-value"]))


@pytest.mark.parametrize("lags", [0, 1, 4])
def test_dynamic_quantile_agrees_with_a_regression_of_statsmodels(lags: int) -> None:
    from statsmodels.api import OLS

    y, v, _ = (path[0] for path in garch_forecasts(1, 800, 0.05, seed=4))
    breaches = y <= v
    excess = breaches - 0.05
    columns = [np.ones(800 - lags), *(excess[lags - k : 800 - k] for k in range(1, lags + 1)), v[lags:]]
    fitted = OLS(excess[lags:], np.column_stack(columns)).fit()
    result = dynamic_quantile(breaches, v, 0.05, lags=lags)
    explained = float(np.sum(fitted.fittedvalues**2)) / (0.05 * 0.95)
    assert result.statistic == pytest.approx(explained)
    assert result.p_value == pytest.approx(stats.chi2.sf(explained, lags + 2))


def test_dynamic_quantile_counts_independent_regressors() -> None:
    breaches = np.random.default_rng(5).random(500) < 0.05
    noise = np.random.default_rng(6).standard_normal(500)
    constant = dynamic_quantile(breaches, np.full(500, -0.0123), 0.05)
    assert constant.p_value == pytest.approx(stats.chi2.sf(constant.statistic, 5))
    again = dynamic_quantile(breaches, -0.0123 + 1e-17 * noise, 0.05)
    assert again.statistic == pytest.approx(constant.statistic)
    none = dynamic_quantile(hits(0, 500), np.full(500, -1.0), 0.05)  # the lags are constant, too
    assert none.statistic == pytest.approx(496 * 0.05 / 0.95)
    assert none.p_value == pytest.approx(stats.chi2.sf(496 * 0.05 / 0.95, 1))


def test_dynamic_quantile_does_not_depend_on_the_unit_of_var() -> None:
    breaches = np.random.default_rng(7).random(500) < 0.05
    v = -np.exp(0.3 * np.random.default_rng(8).standard_normal(500))
    statistics = [dynamic_quantile(breaches, scale * v + shift, 0.05).statistic for scale, shift in ((1, 0), (1e-6, 3))]
    assert statistics[0] == pytest.approx(statistics[1])


def test_mcneil_frey_is_a_t_statistic_and_a_bootstrap_of_it() -> None:
    rng = np.random.default_rng(9)
    y, v, e = rng.standard_normal(400), np.full(400, -1.6), np.full(400, -2.0)
    volatility = np.exp(0.1 * rng.standard_normal(400))
    residuals = ((y - e) / volatility)[y <= v]
    n = len(residuals)
    result = mcneil_frey(y, v, e, volatility=volatility, simulation=Simulation(n=9_999))
    assert result.statistic == pytest.approx(stats.ttest_1samp(residuals, 0).statistic * np.sqrt(n / (n - 1)))
    centred = residuals - residuals.mean()
    drawn = rng.choice(centred, (9_999, n))
    bootstrap = drawn.mean(axis=1) / drawn.std(axis=1) * np.sqrt(n)
    assert result.p_value == pytest.approx(np.mean(bootstrap <= result.statistic), abs=4 * np.sqrt(0.5 / 9_999))


def test_mcneil_frey_draws_overlapping_breaches_as_one() -> None:
    # breaches 1 to 3 and 8, 9 steps from the start: five breaches over one step, two clusters over five steps
    y, v, e = np.ones(20), np.full(20, -1.0), np.full(20, -2.0)
    y[[1, 2, 3, 8, 9]] = -2.2, -2.4, -2.6, -1.5, -1.6
    total = np.array([-0.1 - 0.2 - 0.3, 0.25 + 0.2])
    error = np.sqrt(((total - np.array([3, 2]) * total.sum() / 5) ** 2).sum())
    result = mcneil_frey(y, v, e, simulation=Simulation(horizon=5))
    assert result.statistic == pytest.approx(total.sum() / error)
    assert mcneil_frey(y, v, e).statistic == pytest.approx(
        total.sum() / 5 / (np.std([1, 2, 3, -2.5, -2]) / 10 / 5**0.5)
    )


def test_berkowitz_agrees_with_an_autoregression_of_statsmodels() -> None:
    from statsmodels.tsa.ar_model import AutoReg

    z = 0.1 + 1.1 * np.random.default_rng(10).standard_normal(300)
    result = berkowitz(stats.norm.cdf(z))
    ratio = 2 * (AutoReg(z, 1).fit().llf - stats.norm.logpdf(z[1:]).sum())
    assert result.statistic == pytest.approx(ratio)
    assert result.p_value == pytest.approx(stats.chi2.sf(ratio, 3))


def test_holm_agrees_with_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(11).random(12) ** 3
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert holm([0.01, np.nan, 0.04, 0.03]) == pytest.approx([0.03, np.nan, 0.06, 0.06], nan_ok=True)
    assert holm([]).shape == (0,)


# Simulated p-values


def test_ranks_are_uniform_and_overlap_as_sums_do() -> None:
    (u,) = Simulation(n=100, seed=12).ranks(4_000)
    (overlapping,) = Simulation(n=100, horizon=10, seed=12).ranks(4_000)
    for ranks in (u, overlapping):
        assert ranks.shape == (100, 4_000)
        assert np.mean(ranks <= 0.05) == pytest.approx(0.05, abs=0.003)
    z = stats.norm.ppf(overlapping)
    for lag in (1, 5, 9, 10, 15):
        assert np.mean(z[:, lag:] * z[:, :-lag]) == pytest.approx(max(0, 1 - lag / 10), abs=0.03)
    assert sum(len(batch) for batch in Simulation(n=250).ranks(3)) == 250


def test_simulated_p_values_agree_with_chi_square_where_that_law_holds() -> None:
    rng = np.random.default_rng(13)
    breaches, v = rng.random(5_000) < 0.05, -np.exp(0.3 * rng.standard_normal(5_000))
    simulation = Simulation(n=1_000)
    for by_simulation, by_law in (
        (conditional_coverage(breaches, 0.05, simulation=simulation), conditional_coverage(breaches, 0.05)),
        (dynamic_quantile(breaches, v, 0.05, simulation=simulation), dynamic_quantile(breaches, v, 0.05)),
    ):
        assert by_simulation.statistic == by_law.statistic
        assert by_simulation.p_value == pytest.approx(by_law.p_value, abs=0.06)


def test_same_seed_same_p_value() -> None:
    y, v, e = (path[0] for path in garch_forecasts(1, 500, 0.05, seed=14))
    assert backtest(y, v, e, 0.05, n_simulations=300) == backtest(y, v, e, 0.05, n_simulations=300)
    other = backtest(y, v, e, 0.05, n_simulations=300, seed=1)
    assert other != backtest(y, v, e, 0.05, n_simulations=300)


def test_another_unit_changes_nothing() -> None:
    y, v, e = (path[0] for path in garch_forecasts(1, 500, 0.05, seed=15))
    for one, other in zip(
        backtest(y, v, e, 0.05, n_simulations=99),
        backtest(100 * y, 100 * v, 100 * e, 0.05, n_simulations=99),
        strict=True,
    ):
        assert one[1:3] == pytest.approx(other[1:3])


def test_acerbi_szekely_takes_draws_of_the_forecasters_law() -> None:
    law = stats.t(10)
    v, e = tail(law, 0.025)
    rng = np.random.default_rng(16)
    y = 1.05 * law.rvs(1_000, random_state=rng)
    forecasts = (np.full(1_000, v), np.full(1_000, e))
    by_draws = acerbi_szekely(y, *forecasts, 0.025, draws=law.rvs((2_000, 1_000), random_state=rng))
    for exact, default in zip(by_draws, acerbi_szekely(y, *forecasts, 0.025), strict=True):
        assert exact.statistic == default.statistic
        assert default.p_value == pytest.approx(exact.p_value, abs=0.06)  # the tail of this law is nearly exponential


# Size


@pytest.fixture(scope="module")
def true_forecasts() -> dict[str, Any]:
    """P-values of every test on 400 series of 750 exact forecasts at 2.5 %."""
    found: dict[str, list[float]] = {}
    for i, (y, v, e) in enumerate(zip(*garch_forecasts(400, 750, 0.025, seed=17), strict=True)):
        for result in backtest(y, v, e, 0.025, n_simulations=199, seed=i):
            found.setdefault(result.name, []).append(result.p_value)
    return {name: np.array(p) for name, p in found.items()}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "Christoffersen"])
def test_right_forecasts_are_rejected_as_often_as_promised(name: str, true_forecasts: dict[str, Any]) -> None:
    assert_share(true_forecasts[name] <= 0.05, 0.05)


def test_few_successions_make_chi_square_too_mild_for_independence(true_forecasts: dict[str, Any]) -> None:
    assert np.mean(true_forecasts["Christoffersen"] <= 0.05) < 0.04
    p = [
        christoffersen_independence(np.random.default_rng(i).random(750) < 0.025, simulation=Simulation(199, seed=i))[2]
        for i in range(400)
    ]
    assert_share(np.array(p) <= 0.05, 0.05)


def test_dynamic_quantile_at_one_percent_needs_its_simulated_p_value() -> None:
    asymptotic, simulated = [], []
    for i, (y, v, _) in enumerate(zip(*garch_forecasts(500, 750, 0.01, seed=18), strict=True)):
        asymptotic.append(dynamic_quantile(y <= v, v, 0.01).p_value)
        simulated.append(dynamic_quantile(y <= v, v, 0.01, simulation=Simulation(199, seed=i)).p_value)
    assert np.mean(np.array(asymptotic) <= 0.05) > 0.07
    assert_share(np.array(simulated) <= 0.05, 0.05)


def test_berkowitz_has_its_size() -> None:
    u = np.random.default_rng(19).random((1_000, 250))
    assert_share(np.array([berkowitz(series).p_value for series in u]) <= 0.05, 0.05)


def overlapping_forecasts(n_paths: int, n: int, level: float, seed: int) -> tuple[Any, float, float]:
    """Ten-day returns at every step, of daily returns of Student's law with 5 degrees of freedom; their VaR and ES."""

    def sums(paths: int, steps: int, rng: Any) -> Any:
        walk = np.cumsum(np.pad(rng.standard_t(5, (paths, steps + 9)), ((0, 0), (1, 0))), axis=1)
        return walk[:, 10:] - walk[:, :-10]

    many = np.sort(sums(500_000, 1, np.random.default_rng(seed + 1)).ravel())
    k = int(level * len(many))
    return sums(n_paths, n, np.random.default_rng(seed)), float(many[k - 1]), float(many[:k].mean())


@pytest.fixture(scope="module")
def true_overlapping_forecasts() -> dict[str, Any]:
    """P-values of every test on 200 series of 1,000 exact ten-day forecasts; `textbook` is Kupiec's of one day."""
    returns, v, e = overlapping_forecasts(200, 1_000, 0.05, seed=20)
    found: dict[str, list[float]] = {}
    for i, y in enumerate(returns):
        results = backtest(y, np.full(len(y), v), np.full(len(y), e), 0.05, horizon=10, n_simulations=199, seed=i)
        for result in (*results, kupiec(y <= v, 0.05)._replace(name="textbook")):
            found.setdefault(result.name, []).append(result.p_value)
    return {name: np.array(p) for name, p in found.items()}


@pytest.mark.parametrize("name", NAMES)
def test_right_overlapping_forecasts_are_rejected_about_as_often_as_promised(
    name: str, true_overlapping_forecasts: dict[str, Any]
) -> None:
    # up to four binomial errors: the steps simulated are normal, these are not
    assert np.mean(true_overlapping_forecasts[name] <= 0.05) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)
    assert np.mean(true_overlapping_forecasts["textbook"] <= 0.05) > 0.3


# Power


def test_constant_forecasts_miss_the_clusters_of_a_garch() -> None:
    y = Garch(alpha=0.1, beta=0.88).simulate(1, 5_000, seed=21)[0]
    constant = np.full(len(y), np.quantile(y, 0.05, method="inverted_cdf"))
    breaches = y <= constant
    assert kupiec(breaches, 0.05).p_value > 0.9
    assert christoffersen_independence(breaches).p_value < 0.01
    assert conditional_coverage(breaches, 0.05).p_value < 0.01
    assert dynamic_quantile(breaches, constant, 0.05, simulation=Simulation()).p_value < 0.001


def test_an_es_too_small_is_found_by_the_tests_of_es_alone() -> None:
    y, v, e = (path[0] for path in garch_forecasts(1, 5_000, 0.05, seed=22))
    results = {result.name: result for result in backtest(y, v, np.minimum(0.8 * e, v), 0.05)}
    for name in NAMES:
        if name in {"Acerbi-Szekely Z1", "Acerbi-Szekely Z2", "McNeil-Frey"}:
            assert results[name].p_value < 0.01
            assert "hardly compatible" in results[name].words
        else:
            assert results[name].p_value > 0.05
    cautious = {result.name: result.p_value for result in backtest(y, v, 1.25 * e, 0.05)}
    assert min(cautious["Acerbi-Szekely Z1"], cautious["McNeil-Frey"]) > 0.9  # too much of ES is no risk


def test_normal_forecasts_of_student_returns_are_found() -> None:
    law = stats.t(4, scale=np.sqrt(0.5))  # variance 1
    y = law.rvs(5_000, random_state=23)
    v, e = (np.full(len(y), x) for x in tail(stats.norm, 0.01))
    assert all(result.p_value < 0.01 for result in backtest(y, v, e, 0.01) if result.name not in {"Christoffersen"})
    assert traffic_light(y <= v).words.startswith("Red")


def test_berkowitz_finds_a_wrong_mean_deviation_or_memory() -> None:
    z = np.random.default_rng(26).standard_normal(5_000)
    assert berkowitz(stats.norm.cdf(z)).p_value > 0.05
    for wrong in (0.9 * z, z + 0.1, (z[1:] + 0.1 * z[:-1]) / np.sqrt(1.01)):
        assert berkowitz(stats.norm.cdf(wrong)).p_value < 0.001


def test_ten_day_forecasts_too_small_are_found() -> None:
    returns, v, e = overlapping_forecasts(1, 5_000, 0.05, seed=24)
    y = returns[0]
    results = backtest(y, np.full(len(y), 0.75 * v), np.full(len(y), 0.75 * e), 0.05, horizon=10, n_simulations=500)
    p = {result.name: result.p_value for result in results}
    assert max(p["Kupiec"], p["conditional coverage"], p["dynamic quantile"], p["Acerbi-Szekely Z2"]) < 0.05


# All at once


def test_backtest_runs_what_applies() -> None:
    y, v, e = (path[0] for path in garch_forecasts(1, 300, 0.01, seed=25))
    for level, horizon, more in ((0.05, 1, []), (0.01, 1, ["Basel traffic light"]), (0.01, 10, [])):
        results = backtest(y, v, e, level, horizon=horizon, n_simulations=99)
        assert [result.name for result in results] == NAMES + more
        for result in results:
            assert isinstance(result, Backtest)
            assert np.isnan(result.p_value) or 0 < result.p_value <= 1
            assert result.words[0].isupper() or result.words[0].isdigit()
            assert result.words.endswith(".")


# Bad inputs

DAYS = np.ones(100)


@pytest.mark.parametrize(
    ("returns", "var", "es", "message"),
    [
        (DAYS, -DAYS[:99], -2 * DAYS, r"var must be one number for each of the 100 observations, .* \(99,\)"),
        (DAYS, -DAYS, -2.0, r"es must be one number for each of the 100 observations, .* \(\)"),
        (
            np.where(np.arange(100) == 7, np.nan, DAYS),
            -DAYS,
            -2 * DAYS,
            "returns must be finite, .* observation 7 is nan",
        ),
        (DAYS, -DAYS, -np.inf * DAYS, "es must be finite, .* observation 0 is -inf; leave such dates out"),
        (DAYS, DAYS, 2 * DAYS, "ES <= VaR and ES < 0, .* VaR 1 and ES 2; change the sign"),
        (DAYS, -2 * DAYS, -DAYS, "ES <= VaR and ES < 0, .* VaR -2 and ES -1"),
        (DAYS[:, None], -DAYS, -DAYS, r"returns must be a series of numbers, .* \(100, 1\)"),
        ([], [], [], "1 observations or more, got 0"),
        (DAYS[:5], -DAYS[:5], -DAYS[:5], "11 observations or more, got 5; test a longer period"),
    ],
)
def test_series_that_cannot_be_tested(returns: Any, var: Any, es: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        backtest(returns, var, es, 0.05)


@pytest.mark.parametrize("level", [0.0, 0.5, 0.95, -0.05, np.nan])
def test_a_level_that_is_none(level: float) -> None:
    for test in (
        lambda: kupiec(hits(3, 100), level),
        lambda: conditional_coverage(hits(3, 100), level),
        lambda: dynamic_quantile(hits(3, 100), -DAYS, level),
        lambda: acerbi_szekely(DAYS, -DAYS, -DAYS, level),
        lambda: traffic_light(hits(3, 100), level),
    ):
        with pytest.raises(ConfigError, match=r"must lie between 0 and \.5"):
            test()


def test_breaches_that_are_none() -> None:
    for breaches in ([0.0, 0.5], [-1.2, 0.4], [[True, False]], True, [np.nan, 1.0]):
        with pytest.raises(DataError, match=r"series of true and false \(returns <= var\)"):
            kupiec(breaches, 0.05)
    with pytest.raises(DataError, match="2 observations or more, got 1"):
        christoffersen_independence([True])
    with pytest.raises(DataError, match="11 observations or more, got 10"):
        christoffersen_independence(hits(1, 10), simulation=Simulation(horizon=10))


def test_options_out_of_range() -> None:
    with pytest.raises(ConfigError, match="horizon must be 1 or more, got 0"):
        Simulation(horizon=0)
    with pytest.raises(ConfigError, match="number of simulated series must be 1 or more, got 0"):
        Simulation(n=0)
    with pytest.raises(ConfigError, match="number of lags must be 0 or more, got -1"):
        dynamic_quantile(hits(3, 100), -DAYS, 0.05, lags=-1)
    with pytest.raises(DataError, match="volatility must be positive, but that of observation 0"):
        mcneil_frey(DAYS, -DAYS, -DAYS, volatility=0 * DAYS)
    with pytest.raises(DataError, match=r"draws must be finite and of shape \(n, 100\)"):
        acerbi_szekely(DAYS, -DAYS, -DAYS, 0.05, draws=np.ones((10, 99)))


@pytest.mark.parametrize("u", [0.0, 1.0, 1.5])
def test_ranks_outside_the_open_interval(u: float) -> None:
    with pytest.raises(DataError, match=r"both excluded, but that of observation 2 .* take \(number"):
        berkowitz([0.3, 0.4, u, 0.2, 0.9])


def test_p_values_that_are_none() -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        holm([0.5, 1.5])
