"""Measures: what every one must satisfy, other implementations, closed forms, known laws."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from tsgan.datasets.processes import AR1, Garch, GarchPair, StudentT
from tsgan.errors import DataError
from tsgan.evaluation import measures
from tsgan.evaluation.measures import MEASURES, Measure, acf, cross_correlation, needs, pieces

BY_NAME = {measure.name: measure for measure in MEASURES}
FACTS = {
    "no linear autocorrelation", "heavy tails", "gain/loss asymmetry", "aggregational Gaussianity", "intermittency",
    "volatility clustering", "conditional heavy tails", "long memory", "leverage", "asymmetry of time scales",
    "several assets", "distribution", "tail risk", "discrimination",
}  # fmt: skip
every_measure = pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)


def distance(measure: Measure, real: Any, synthetic: Any) -> Any:
    return measure.distance(measure.statistic(real), measure.statistic(synthetic))


def number(name: str, returns: Any) -> Any:
    return BY_NAME[name].number(BY_NAME[name].statistic(returns))


@pytest.fixture(scope="module")
def pair() -> Any:
    return GarchPair().simulate(20, 300, seed=1)


@pytest.fixture(scope="module")
def other() -> Any:
    """Another law: heavier tails, another correlation, skewed."""
    e = GarchPair(correlation=0.1, alpha=0.2, beta=0.7).simulate(15, 280, seed=2)
    return e - 20 * np.square(e) + 20 * np.square(e).mean()


# what every measure must satisfy --------------------------------------------------------------------------------------


def test_names_are_unique_and_every_fact_is_measured() -> None:
    assert len(BY_NAME) == len(MEASURES)
    assert {measure.fact for measure in MEASURES} == FACTS


@every_measure
def test_measures_are_documented(measure: Measure) -> None:
    assert measure.unit
    assert len(measure.meaning) > 40
    assert not measure.meaning.endswith(".")
    assert measure.reference.count("(")  # a year


@every_measure
def test_shapes_and_finite_distances(measure: Measure, pair: Any, other: Any) -> None:
    real, synthetic = measure.statistic(pair), measure.statistic(other)
    rows = 1 if measure.together else 2
    assert real.ndim == 2
    assert real.shape == synthetic.shape  # whatever the number and length of the paths
    assert real.shape[0] == rows
    assert np.isfinite(real).all()
    value = measure.distance(real, synthetic)
    assert value.shape == measure.number(real).shape == (rows,)
    assert np.isfinite(value).all()
    assert (value > 0).all()
    assert np.isfinite(measure.number(real)).all()
    assert np.array_equal(measure.statistic(pair), real)  # deterministic


@every_measure
def test_a_sample_has_no_distance_from_itself(measure: Measure, pair: Any) -> None:
    assert distance(measure, pair, pair.copy()) == pytest.approx(0, abs=1e-12)


@every_measure
def test_the_order_of_paths_does_not_matter(measure: Measure, pair: Any) -> None:
    order = np.random.default_rng(6).permutation(len(pair))
    assert measure.statistic(pair[order]) == pytest.approx(measure.statistic(pair), rel=1e-9, abs=1e-12)


@every_measure
def test_the_returns_are_left_as_they_were(measure: Measure) -> None:
    one = Garch().simulate(1, 300, seed=3)[..., None]
    r = np.concatenate((one, one), axis=2) if measure.min_assets > 1 else one
    before = r.copy()
    measure.statistic(r)
    assert np.array_equal(r, before)


@every_measure
def test_the_unit_of_returns_does_not_matter(measure: Measure, pair: Any, other: Any) -> None:
    units = np.array([100.0, 0.03])
    assert distance(measure, units * pair, units * other) == pytest.approx(distance(measure, pair, other))


@every_measure
def test_a_scaled_side_is_noticed_exactly_where_that_is_said(measure: Measure, pair: Any, other: Any) -> None:
    apart, scaled = distance(measure, pair, other), distance(measure, pair, 1.5 * other)
    if measure.notices_scale:
        always = measure.fact == "discrimination" and apart == 0.5  # nothing is further than told apart every time
        assert always or (np.abs(scaled - apart) > 0.01).all()
        assert (distance(measure, pair, 1.5 * pair) > 0.1).all()
    else:
        assert scaled == pytest.approx(apart)


@every_measure
def test_assets_are_measured_one_by_one_or_together(measure: Measure, pair: Any) -> None:
    if not measure.together:
        alone = np.concatenate([measure.statistic(pair[..., [asset]]) for asset in (0, 1)])
        assert alone == pytest.approx(measure.statistic(pair), rel=1e-9, abs=1e-12)
    else:
        assert measure.statistic(pair[..., ::-1]) == pytest.approx(measure.statistic(pair))
    if measure.min_assets == 2:
        with pytest.raises(DataError, match="needs at least 2 assets, got 1"):
            measure.statistic(pair[..., :1])


@every_measure
def test_what_a_measure_needs_is_enough(measure: Measure) -> None:
    for seed in range(3):
        r = GarchPair().simulate(1, max(measure.min_steps, measure.min_returns), seed)
        assert needs(measure, r) is None
        assert np.isfinite(measure.statistic(r)).all()
        assert np.isfinite(measure.number(measure.statistic(r))).all()


@every_measure
def test_what_a_measure_lacks_is_said_in_a_sentence(measure: Measure, pair: Any) -> None:
    steps, least = measure.min_steps, measure.min_returns
    short = f"{measure.name} needs paths of at least {steps} returns, got {steps - 1}"
    assert needs(measure, pair[:, : steps - 1]) == short
    if least > steps:
        few = f"{measure.name} needs at least {least} returns in all, got {least - 1}"
        assert needs(measure, pair.reshape(1, -1, 2)[:, : least - 1]) == few
    assert needs(measure, np.full_like(pair, 0.001)) == (
        f"{measure.name} needs finite returns that vary, but those of asset 1 of 2 are constant"
    )
    broken = pair.copy()
    broken[3, 7, 1] = np.nan
    if measure.together:
        assert str(needs(measure, broken)).endswith("those of asset 2 of 2 are not finite everywhere")
    if measure.min_assets > 1:
        assert needs(measure, pair[..., :1]) == f"{measure.name} needs at least 2 assets, got 1"
    if not measure.together:
        assert needs(measure, broken) is None
        assert str(needs(measure, broken[..., 1:])).endswith("those of asset 1 of 1 are not finite everywhere")


@pytest.mark.parametrize("measure", [m for m in MEASURES if m.min_steps > 20], ids=lambda measure: measure.name)
def test_paths_that_are_too_short_are_refused(measure: Measure, pair: Any) -> None:
    one_sum_is_enough = measure.name in ("kurtosis of sums", "W 60", "W 20", "S 20")
    with pytest.raises(DataError, match="needs paths of at least"):
        measure.statistic(pair[:, : measure.min_steps - 1 - one_sum_is_enough])


@every_measure
@pytest.mark.parametrize("where", [(3, 7), (0, 0), (19, 299)])
def test_a_missing_return_makes_its_asset_missing_and_no_other(
    measure: Measure, where: tuple[int, int], pair: Any
) -> None:
    broken = pair.copy()
    broken[(*where, 1)] = np.nan
    values = np.stack([distance(measure, broken, pair), distance(measure, pair, broken)])
    assert np.isnan(values[:, -1]).all()
    assert np.isnan(measure.number(measure.statistic(broken))[-1])
    if not measure.together:
        assert values[:, 0] == pytest.approx(0, abs=1e-12)


@every_measure
@pytest.mark.parametrize("level", [0.0, 0.001, -0.37])
def test_constant_returns_give_nothing_and_no_warning(measure: Measure, level: float, pair: Any) -> None:
    flat = pair.copy()
    flat[..., 1] = level
    values = distance(measure, flat, pair)
    if measure.fact != "tail risk" or measure.name == "volatility":
        assert np.isnan(values[-1])
    distance(measure, pair, flat)  # a law at one point is a law: some distances from it exist
    if not measure.together:
        assert values[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("measure", [m for m in MEASURES if m.per_path], ids=lambda measure: measure.name)
def test_measures_of_paths_are_silent_about_one_constant_path(measure: Measure, pair: Any) -> None:
    flat = pair.copy()
    flat[4] = 0.002
    if measure.name == "maximum drawdown":
        assert np.isfinite(measure.statistic(flat)).all()  # a path that never falls
    else:
        assert np.isnan(measure.statistic(flat)).any()


@pytest.mark.parametrize("measure", [m for m in MEASURES if not m.per_path], ids=lambda measure: measure.name)
def test_measures_that_pool_hardly_notice_where_paths_end(measure: Measure) -> None:
    r = GarchPair().simulate(20, 3_000, seed=4)
    cut = measure.number(measure.statistic(r.reshape(100, 600, 2)))
    assert cut == pytest.approx(measure.number(measure.statistic(r)), rel=0.08, abs=0.01)


# correlations in time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("time", [101, 256, 300])
def test_acf_agrees_with_statsmodels(time: int, pair: Any) -> None:
    from statsmodels.tsa.stattools import acf as reference

    x = np.abs(pair[:4, :time])
    ours = acf(x, 100)
    assert ours.shape == (4, 100, 2)
    for path in range(4):
        for asset in range(2):
            assert ours[path, :, asset] == pytest.approx(reference(x[path, :, asset], nlags=100, fft=False)[1:])


def test_cross_correlation_agrees_with_statsmodels(pair: Any) -> None:
    from statsmodels.tsa.stattools import ccf

    r = pair[0, :, 0]
    ours = cross_correlation(r[None, :, None], r[None, :, None] ** 2, 10)[0, :, 0]
    # statsmodels: ccf(x, y)[k] correlates x_{t+k} with y_t
    assert ours == pytest.approx(ccf(r**2, r, adjusted=False, nlags=11)[1:])


def test_mean_correlations_are_the_mean_of_those_of_the_paths(pair: Any) -> None:
    assert measures.abs_acf(pair) == pytest.approx(acf(np.abs(pair), 100).mean(axis=0).T)
    assert measures.leverage(pair) == pytest.approx(cross_correlation(pair, pair**2, 50).mean(axis=0).T)


def test_correlations_do_not_depend_on_how_paths_are_blocked(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, mean = acf(pair, 50), measures.return_acf(pair)
    monkeypatch.setattr(measures, "FFT_BLOCK", 1)
    assert acf(pair, 50) == pytest.approx(whole)
    assert measures.return_acf(pair) == pytest.approx(mean)


def test_acf_of_a_known_series_and_of_a_constant_one() -> None:
    x = np.array([1.0, -1.0, 1.0, -1.0])[None, :, None]
    assert acf(x, 3)[0, :, 0] == pytest.approx([-0.75, 0.5, -0.25])
    assert np.isnan(acf(np.full((1, 5, 1), 0.1), 2)).all()
    with pytest.raises(DataError, match="a correlation at lag 4 needs paths of at least 5 returns, got 4"):
        acf(x, 4)


def test_robust_ljung_box_is_its_formula(pair: Any) -> None:
    x = pair - pair.mean(axis=1, keepdims=True)
    products = [x[:, k:] * x[:, :-k] for k in range(1, 21)]
    by_path = sum(p.sum(axis=1) ** 2 / (p**2).sum(axis=1) for p in products)
    assert measures.robust_ljung_box(pair)[:, 0] == pytest.approx(np.median(by_path, axis=0))


def test_robust_ljung_box_allows_for_clustering_but_not_for_autocorrelation() -> None:
    clustered = Garch(alpha=0.15, beta=0.8).simulate(300, 2_000, seed=5)[..., None]
    assert measures.robust_ljung_box(clustered) == pytest.approx(stats.chi2.median(20), abs=2)  # 4 errors of .45
    plain = 2_000 * (acf(clustered, 20) ** 2).sum(axis=1)
    assert np.median(plain) > 25
    assert measures.robust_ljung_box(AR1(phi=0.1).simulate(50, 2_000, seed=5)[..., None]) > 31


def test_decay_of_exact_power_laws_and_of_noise(monkeypatch: pytest.MonkeyPatch, pair: Any) -> None:
    lags = np.arange(1.0, 251)
    monkeypatch.setattr(measures, "abs_acf", lambda returns, lags_: np.stack([0.4 * lags**-0.3, np.full(250, -0.1)]))
    assert measures.acf_decay(pair)[:, 0] == pytest.approx([-0.3, 0])


def test_hurst_exponent_is_detrended_fluctuation_analysis(pair: Any) -> None:
    x = np.abs(pair[:1, :, :1])[0, :, 0]
    profile = np.cumsum(x - x.mean()) / x.std()
    lengths, values = [8, 16, 32, 64], []
    for s in lengths:
        windows = [profile[i : i + s] for i in range(0, 300 - s + 1, s)]
        residuals = [w - np.polyval(np.polyfit(np.arange(s), w, 1), np.arange(s)) for w in windows]
        values.append(np.mean(np.square(residuals)) * s**2 / (s**2 - 4))
    expected = np.polyfit(np.log(lengths), np.log(values), 1)[0] / 2
    assert measures.hurst(pair[:1, :, :1])[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize("time", [64, 252, 2_000])
def test_hurst_exponent_of_independent_returns_is_a_half_at_every_length(time: int) -> None:
    r = StudentT(nu=8).simulate(400_000 // time, time, seed=6)[..., None]
    assert measures.hurst(r) == pytest.approx(0.5, abs=0.02)


def test_coarse_fine_is_its_formula(pair: Any) -> None:
    r = pair[0, :, 0]
    weeks = np.lib.stride_tricks.sliding_window_view(r, 5)
    coarse, fine = np.abs(weeks.sum(axis=1)), np.abs(weeks).mean(axis=1)
    c, f = coarse - coarse.mean(), fine - fine.mean()
    scale = len(c) * c.std() * f.std()
    expected = [(c[:-k] @ f[k:] - f[:-k] @ c[k:]) / scale for k in (5, 10, 15, 20, 25)]
    assert measures.coarse_fine(pair[:1, :, :1])[0] == pytest.approx(expected)


def test_time_reversal_turns_the_sign_of_coarse_fine_and_takes_the_leverage_away(pair: Any) -> None:
    assert measures.coarse_fine(pair[:, ::-1]) == pytest.approx(-measures.coarse_fine(pair))
    r = Garch(alpha=0.02, gamma=0.15, beta=0.88).simulate(50, 2_000, seed=8)[..., None]
    assert number("leverage", r) < -0.015
    assert number("leverage", -r) == pytest.approx(-number("leverage", r))
    assert abs(number("leverage", r[:, ::-1])) < 0.005
    assert distance(BY_NAME["leverage"], r, r[:, ::-1]) > 0.15


# tails and shape ------------------------------------------------------------------------------------------------------


def test_moments_agree_with_scipy(pair: Any) -> None:
    assert number("skewness", pair) == pytest.approx(np.median(stats.skew(pair, axis=1), axis=0))
    assert number("kurtosis", pair) == pytest.approx(np.median(stats.kurtosis(pair, axis=1, fisher=False), axis=0))
    assert number("volatility", pair) == pytest.approx(pair.reshape(-1, 2).std(axis=0))


def test_filtered_kurtosis_is_its_recursion(pair: Any) -> None:
    r = pair[0, :, 0]
    variance, residuals = r.var(), []
    for x in r:
        residuals.append(x / np.sqrt(variance))
        variance = 0.94 * variance + 0.06 * x**2
    expected = stats.kurtosis(residuals, fisher=False)
    assert measures.filtered_kurtosis(pair[:1, :, :1])[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize("index", [2.5, 4.0])
def test_tail_estimators_on_exact_pareto_quantiles(index: float) -> None:
    n = 200_000
    losses = ((np.arange(n) + 0.5) / n) ** (-1 / index)
    for side in (-1, 1):
        r = side * losses.reshape(1, -1, 1)
        assert measures.hill_index(r, side) == pytest.approx(index, rel=0.01)
        assert measures.gpd_shape(r, side) == pytest.approx(1 / index, abs=0.01)  # of a Pareto law exactly, everywhere
    top = losses[:5_001]
    assert measures.hill_index(-losses.reshape(1, -1, 1), -1) == pytest.approx(1 / np.log(top[:-1] / top[-1]).mean())


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.4])
def test_gpd_shape_of_exact_quantiles(shape: float) -> None:
    excess = stats.genpareto.ppf((np.arange(20_000) + 0.5) / 20_000, shape)
    body = np.linspace(-1.0, 0.0, 380_000)
    r = np.concatenate((body, excess)).reshape(1, -1, 1)
    assert measures.gpd_shape(r, 1) == pytest.approx(shape, abs=0.01)


def test_tail_estimators_need_forty_returns_and_enough_losses() -> None:
    assert np.isnan(measures.hill_index(np.full((1, 39, 1), -1.0), -1))
    assert np.isnan(measures.gpd_shape(np.arange(39.0).reshape(1, 39, 1), -1))
    gains = np.linspace(0.1, 1.0, 100).reshape(1, -1, 1)
    assert np.isnan(measures.hill_index(gains, -1))
    assert np.isfinite(measures.hill_index(gains, 1))


def test_losses_and_gains_change_places_with_the_sign(pair: Any) -> None:
    for name in ("Hill", "GPD shape"):
        assert number(f"{name}, losses", pair) == pytest.approx(number(f"{name}, gains", -pair))
    for name in ("tail asymmetry", "skewness"):
        assert number(name, -pair) == pytest.approx(-number(name, pair))
    assert number("first passage", -pair) == pytest.approx(1 / number("first passage", pair))


def test_tail_asymmetry_of_known_returns() -> None:
    r = np.concatenate((np.full(5, -3.0), np.zeros(90), np.full(5, 1.0))).reshape(1, 100, 1)
    assert number("tail asymmetry", r) == pytest.approx(0.5)  # (3 - 1) / (3 + 1)


def test_first_passage_of_a_known_path() -> None:
    r = np.zeros((1, 125, 1))
    r[0, 9], r[0, 29] = 1.0, -1.0  # deviation .126, barrier .632: up at step 10; down never, counted as 125
    assert np.exp(measures.first_passage(r)[0]) == pytest.approx([10, 125])
    r[0, 9] = 0.0  # deviation .089, barrier .445; the mean of -.008 a step, taken out, never reaches it
    assert np.exp(measures.first_passage(r)[0]) == pytest.approx([125, 30])


def test_block_volatility_of_known_blocks() -> None:
    r = np.repeat([1.0, 3.0], 5).reshape(1, 10, 1) * np.resize([1.0, -1.0], 10)[None, :, None]
    assert number("block volatility", r) == pytest.approx(0.5)  # 1 and 3: deviation 1, mean 2


# several assets -------------------------------------------------------------------------------------------------------


def test_correlations_agree_with_numpy(pair: Any) -> None:
    pooled = pair.reshape(-1, 2)
    assert number("correlation", pair) == pytest.approx(np.corrcoef(pooled.T)[0, 1])
    assert number("correlation |r|", pair) == pytest.approx(np.corrcoef(np.abs(pooled).T)[0, 1])


def test_distance_of_correlations_is_the_root_mean_square_over_pairs() -> None:
    e = np.random.default_rng(9).standard_normal((4, 2_000, 3))
    real = np.stack((e[..., 0], e[..., 0] + e[..., 1], e[..., 2]), axis=-1)
    matrices = [np.corrcoef(r.reshape(-1, 3).T) for r in (real, e)]
    frobenius = np.linalg.norm(matrices[0] - matrices[1])  # counts every one of the 3 pairs twice
    assert distance(BY_NAME["correlation"], real, e) == pytest.approx(frobenius / np.sqrt(6))


def test_equal_assets_depend_fully(pair: Any) -> None:
    twice = np.repeat(pair[..., :1], 2, axis=2) * [1.0, 5.0]
    for name in ("correlation", "correlation |r|", "tail dependence", "crisis correlation"):
        assert number(name, twice) == pytest.approx(1)


# distribution ---------------------------------------------------------------------------------------------------------


def test_h_step_returns_are_overlapping_sums_within_paths(pair: Any) -> None:
    expected = np.lib.stride_tricks.sliding_window_view(pair, 20, axis=1).sum(axis=-1)
    assert measures.h_step(pair, 20) == pytest.approx(expected)
    assert measures.h_step(pair, 300)[:, 0] == pytest.approx(pair.sum(axis=1))


@pytest.mark.parametrize("n", [1, 7, 100, 1_000])
def test_cells_are_integrals_of_the_empirical_quantile_function(n: int) -> None:
    values = np.sort(np.random.default_rng(n).standard_normal((1, n)))
    edges = np.array([0, 0.013, 0.05, 0.5, 1])
    fine = (np.arange(1_000_000) + 0.5) / 1_000_000
    quantiles = values[0, (fine * n).astype(int)]
    expected = [quantiles[(fine > a) & (fine < b)].mean() for a, b in pairwise(edges)]
    assert measures.quantile_cells(values, edges)[0] == pytest.approx(expected, abs=1e-3)
    assert measures.law(values[..., None])[0, :-1].mean() == pytest.approx(values.mean())


def test_wasserstein_of_a_shift_is_the_shift(pair: Any) -> None:
    deviation = pair.reshape(-1, 2).std(axis=0)
    shifted = pair + 0.3 * deviation
    for steps in (1, 5, 20):
        expected = 0.3 * steps * deviation / measures.h_step(pair, steps).reshape(-1, 2).std(axis=0)
        assert distance(BY_NAME[f"W {steps}"], pair, shifted) == pytest.approx(expected)
    assert distance(BY_NAME["S 20"], pair, 2 * shifted) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("steps", [1, 5, 20, 60])
def test_wasserstein_agrees_with_scipy(steps: int, pair: Any, other: Any) -> None:
    ours = distance(BY_NAME[f"W {steps}"], pair, other)
    for asset in range(2):
        x, y = (measures.h_step(r, steps)[..., asset].ravel() for r in (pair, other))
        assert ours[asset] == pytest.approx(stats.wasserstein_distance(x, y) / x.std(), rel=0.01)


def test_energy_distance_agrees_with_scipy(pair: Any, other: Any) -> None:
    ours = distance(BY_NAME["energy"], pair, other)
    for asset in range(2):
        x, y = (r[..., asset].ravel() / pair[..., asset].std() for r in (pair, other))
        assert ours[asset] == pytest.approx(stats.energy_distance(x, y), rel=0.01)


def test_signature_of_a_line_is_its_exponential() -> None:
    step = np.array([0.3, -0.7])
    words = measures.signature(np.repeat(step[:, None, None], 10, axis=1) / 10)[:, 0]
    second, third = np.multiply.outer(step, step) / 2, np.multiply.outer(np.multiply.outer(step, step), step) / 6
    assert words == pytest.approx(np.concatenate((step, second.ravel(), third.ravel())))


def test_signature_is_the_iterated_integral_and_obeys_the_shuffle_product() -> None:
    dx = np.random.default_rng(11).standard_normal((2, 6, 3))
    words = measures.signature(dx)
    one, two, three = words[:2], words[2:6].reshape(2, 2, -1), words[6:].reshape(2, 2, 2, -1)
    assert one == pytest.approx(dx.sum(axis=1))
    assert two + two.transpose(1, 0, 2) == pytest.approx(one[:, None] * one)
    # word i times word jk is ijk + jik + jki
    shuffled = three + three.transpose(1, 0, 2, 3) + three.transpose(2, 0, 1, 3)
    assert shuffled == pytest.approx(one[:, None, None] * two)
    start = np.concatenate((np.zeros((2, 1, 3)), dx.cumsum(axis=1)), axis=1)
    middle = (start[:, :-1] + start[:, 1:]) / 2
    assert two == pytest.approx(np.einsum("itp,jtp->ijp", middle, dx))  # of a polygon the midpoint rule is exact


def test_signature_distance_sees_the_order_of_returns() -> None:
    r = AR1(phi=0.3).simulate(20, 2_000, seed=12)[..., None]
    shuffled = np.random.default_rng(0).permuted(r, axis=1)
    assert distance(BY_NAME["W 1"], r, shuffled) == pytest.approx(0, abs=1e-12)
    assert distance(BY_NAME["signature"], r, shuffled) > 0.3


# tail risk ------------------------------------------------------------------------------------------------------------


def test_tail_risk_of_an_arithmetic_series() -> None:
    r = np.arange(-50.0, 50.0).reshape(1, -1, 1)
    assert number("VaR 5%", r) == pytest.approx(-45.05)
    assert number("ES 5%", r) == pytest.approx(-48)
    assert number("ES 1%", r) == pytest.approx(-50)
    assert number("ES 2.5%", r) == pytest.approx((-50 - 49 - 48 / 2) / 2.5)  # half of the third counts


def test_maximum_drawdown_is_the_largest_fall_from_a_high(pair: Any) -> None:
    r = np.array([-0.1, 0.3, -0.2, 0.1, -0.3, 0.5]).reshape(1, 6, 1)
    assert number("maximum drawdown", r) == pytest.approx(0.4)
    assert number("maximum drawdown", np.abs(r)) == pytest.approx(0)
    price = np.concatenate((np.zeros((20, 1, 2)), pair.cumsum(axis=1)), axis=1)
    falls = [[max(p[: i + 1].max() - p[i] for i in range(301)) for p in price[..., k]] for k in (0, 1)]
    assert number("maximum drawdown", pair) == pytest.approx(np.mean(falls, axis=1))
    assert distance(BY_NAME["maximum drawdown"], pair, 1.5 * pair) == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["volatility", "VaR 1%", "ES 2.5%, 10 steps"])
def test_the_logarithm_of_the_ratio_is_that_of_the_scale_in_both_directions(name: str, pair: Any) -> None:
    assert distance(BY_NAME[name], pair, 1.5 * pair) == pytest.approx(np.log(1.5))
    assert distance(BY_NAME[name], 1.5 * pair, pair) == pytest.approx(np.log(1.5))


def test_a_synthetic_side_without_losses_is_infinitely_far(pair: Any) -> None:
    gains = np.abs(pair) + 0.001
    assert np.isposinf(distance(BY_NAME["VaR 1%"], pair, gains)).all()
    assert np.isnan(distance(BY_NAME["VaR 1%"], gains, pair)).all()
    assert np.isnan(measures.log_ratio(np.full((1, 1), np.nan), np.ones((1, 1)))).all()


# known laws -----------------------------------------------------------------------------------------------------------

NORMAL, CORRELATED = AR1(phi=0.0), AR1(phi=0.5)
HEAVY = StudentT(nu=5.0, volatility=0.02)
CLUSTERED = Garch(alpha=0.1, beta=0.85, omega=5e-6)
CALM = Garch(alpha=0.05, beta=0.9, omega=5e-6)


def normal_tail(level: float) -> float:
    """Mean of a standard normal value above its quantile, times the level."""
    return float(stats.norm.pdf(stats.norm.ppf(level)))


def sum_deviation(process: AR1, steps: int) -> Any:
    """Standard deviation of a sum of returns over that of one."""
    lags = np.arange(1, steps)
    return np.sqrt(steps + 2 * ((steps - lags) * process.acf(steps - 1)).sum())


def student_tail(function: Callable[[float], float], share: float) -> float:
    """Integral of a function of the size of a loss, over the tail beyond a quantile, in units of ``HEAVY``."""
    scale = np.sqrt(3 / 5)  # variance 1
    density = stats.t(5, scale=scale).pdf
    return float(integrate.quad(lambda x: function(x) * density(x), student_quantile(share), np.inf)[0])


def student_quantile(share: float) -> float:
    return float(stats.t(5, scale=np.sqrt(3 / 5)).isf(share))


def student_hill() -> float:
    u = student_quantile(0.025)
    return 0.025 / student_tail(lambda x: np.log(x / u), 0.025)


def student_gpd_shape(share: float = 0.05) -> float:
    u, tail = student_quantile(share), stats.t(5, scale=np.sqrt(3 / 5)).sf
    a0 = student_tail(lambda x: x - u, share) / share
    a1 = student_tail(lambda x: (x - u) * tail(x) / share, share) / share
    return 2 - a0 / (a0 - 2 * a1)


def chi_variation(count: int) -> Any:
    """Deviation over mean of the root mean square of normal values."""
    mean = stats.chi(count).mean() / np.sqrt(count)
    return np.sqrt(1 - mean**2) / mean


LAWS: list[tuple[str, Any, Callable[[], Any]]] = [
    ("ACF r", CORRELATED, lambda: CORRELATED.acf(20)),
    ("ACF r", CLUSTERED, lambda: 0.0),
    ("ACF |r|", HEAVY, lambda: 0.0),
    ("ACF r^2", CLUSTERED, lambda: CLUSTERED.acf_squares(100)),
    ("ACF r^2", CORRELATED, lambda: CORRELATED.acf_squares(100)),
    ("ACF decay", HEAVY, lambda: 0.0),
    ("Hurst |r|", HEAVY, lambda: 0.5),
    ("leverage", CLUSTERED, lambda: 0.0),
    ("coarse-fine", CORRELATED, lambda: 0.0),  # a Gaussian series is the same in reversed time
    ("Hill, losses", HEAVY, student_hill),
    ("Hill, gains", HEAVY, student_hill),
    ("GPD shape, losses", HEAVY, student_gpd_shape),
    ("GPD shape, gains", HEAVY, student_gpd_shape),
    ("kurtosis", NORMAL, lambda: 3.0),
    ("kurtosis", CALM, CALM.kurtosis),
    ("skewness", CORRELATED, lambda: 0.0),
    ("tail asymmetry", HEAVY, lambda: 0.0),
    ("kurtosis of sums", CORRELATED, lambda: normal_tail(0.05) / 0.05 / (normal_tail(0.5) / 0.5)),
    ("block volatility", NORMAL, lambda: chi_variation(5)),
    ("S 1", NORMAL, lambda: np.sqrt(2 / np.pi)),
    ("S 20", CORRELATED, lambda: np.sqrt(2 / np.pi)),
    ("W 20", CORRELATED, lambda: 0.01 * sum_deviation(CORRELATED, 20)),
    ("signature", CORRELATED, lambda: sum_deviation(CORRELATED, 20) ** 2 / 20),
    ("energy", NORMAL, lambda: 0.02 / np.sqrt(np.pi)),
    ("volatility", HEAVY, lambda: 0.02),
    *((f"VaR {100 * a:g}%", HEAVY, lambda a=a: HEAVY.quantile(a)) for a in (0.05, 0.025, 0.01)),
    *((f"ES {100 * a:g}%", HEAVY, lambda a=a: HEAVY.expected_shortfall(a)) for a in (0.05, 0.025, 0.01)),
    ("VaR 1%, 10 steps", CORRELATED, lambda: 0.01 * sum_deviation(CORRELATED, 10) * stats.norm.ppf(0.01)),
    ("ES 5%, 10 steps", CORRELATED, lambda: -0.01 * sum_deviation(CORRELATED, 10) * normal_tail(0.05) / 0.05),
]
WHOLE = {"ACF r", "ACF |r|", "ACF r^2", "leverage", "coarse-fine", "kurtosis of sums"}  # every column is known


@pytest.mark.parametrize(("name", "process", "exact"), LAWS, ids=[f"{name}, {law!r}" for name, law, _ in LAWS])
def test_measures_recover_known_laws_within_monte_carlo_error(name: str, process: Any, exact: Any) -> None:
    r = process.simulate(60, 5_000, seed=7)[..., None]
    measure = BY_NAME[name]
    summaries = [measure.statistic(r[i : i + 3]) for i in range(0, 60, 3)]
    groups = np.array([s[0] if name in WHOLE else measure.number(s) for s in summaries])
    error = groups.std(axis=0, ddof=1) / np.sqrt(len(groups))
    bias = 0.02 * np.abs(exact()) + 1e-3 * (name not in ("volatility", "W 20", "energy") and "%" not in name)
    assert (np.abs(groups.mean(axis=0) - exact()) < 4.5 * error + bias).all()


def test_gpd_shape_of_student_returns_tends_to_one_over_the_tail_index() -> None:
    shapes = [student_gpd_shape(share) for share in (0.05, 0.01, 1e-3, 1e-4)]
    assert (np.diff(shapes) > 0).all()  # what is estimated at 5 % is not yet the limit
    assert shapes[0] == pytest.approx(0.125, abs=0.005)
    assert shapes[-1] == pytest.approx(1 / 5, abs=0.015)


def test_filtered_kurtosis_of_returns_with_that_very_volatility_is_normal() -> None:
    riskmetrics = Garch(alpha=0.06, beta=0.9399, omega=1e-8)
    r = riskmetrics.simulate(60, 3_000, seed=13)[..., None]
    assert number("kurtosis", r) > 3.5
    assert number("filtered kurtosis", r) == pytest.approx(3, abs=0.08)


def test_first_passage_of_normal_returns() -> None:
    r = NORMAL.simulate(400, 1_000, seed=14)[..., None]
    barrier = 5 + 0.5826  # the walk overshoots by .5826 deviations in the mean (Siegmund 1985)
    steps = np.arange(1, 125)
    survival = 2 * stats.norm.cdf(barrier / np.sqrt(steps)) - 1  # reflection principle
    assert np.exp(measures.first_passage(r)[0]) == pytest.approx(1 + survival.sum(), rel=0.02)


def test_drawdown_of_normal_returns() -> None:
    r = NORMAL.simulate(4_000, 1_000, seed=15)[..., None]
    expected = 0.01 * (np.sqrt(np.pi / 2 * 1_000) - 2 * 0.5826)  # Brownian motion without drift, less the grid's share
    assert number("maximum drawdown", r) == pytest.approx(expected, rel=0.02)  # 4 errors of .4 %


def test_distances_of_two_normal_laws() -> None:
    grid = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000).reshape(1, -1, 1)
    assert distance(BY_NAME["W 1"], grid, grid + 0.5) == pytest.approx(0.5, rel=1e-3)
    assert distance(BY_NAME["W 1"], grid, 1.5 * grid) == pytest.approx(0.5 * np.sqrt(2 / np.pi), rel=1e-3)
    assert distance(BY_NAME["S 1"], grid, 1.5 * grid + 3) == pytest.approx(0, abs=1e-9)
    folded = stats.foldnorm(0.5 / np.sqrt(2), scale=np.sqrt(2)).mean()  # E|X - Y|, with X - Y ~ N(-.5, 2)
    expected = np.sqrt(2 * folded - 4 / np.sqrt(np.pi))
    assert distance(BY_NAME["energy"], grid, grid + 0.5) == pytest.approx(expected, rel=2e-3)


def test_joint_measures_of_normal_pairs() -> None:
    rho, level = 0.6, 0.05
    r = GarchPair(correlation=rho, alpha=0.0, beta=0.0).simulate(200, 2_000, seed=16)
    size = (2 / np.pi) * (np.sqrt(1 - rho**2) + rho * np.arcsin(rho) - 1) / (1 - 2 / np.pi)
    q = stats.norm.ppf(level)
    both = stats.multivariate_normal(cov=[[1, rho], [rho, 1]]).cdf([q, q]) / level
    # sum and difference of the assets are independent, and the worst days bound the sum only
    mean = normal_tail(level) / level
    common, apart = (1 + rho) * (1 - q * mean - mean**2), 1 - rho  # variance of a truncated normal value
    expected = {
        "correlation": (rho, 0.006),
        "correlation |r|": (size, 0.006),
        "tail dependence": (both, 0.015),
        "crisis correlation": ((common - apart) / (common + apart), 0.03),
    }
    for name, (value, error) in expected.items():
        assert number(name, r) == pytest.approx(value, abs=error)


def test_correlation_of_a_clustered_pair() -> None:
    r = GarchPair(correlation=0.6, alpha=0.05, beta=0.85).simulate(100, 1_000, seed=9)
    assert number("correlation", r) == pytest.approx(0.6, abs=0.01)  # 4 standard errors of 100,000 returns


# pieces ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("time", "length", "count"), [(10, 5, 2), (11, 5, 3), (7, 7, 1), (9, 1, 9), (5_030, 251, 21)])
def test_pieces_cover_every_return_in_order(time: int, length: int, count: int) -> None:
    r = np.arange(2 * time * 3).reshape(2, time, 3).astype(float)
    cut = pieces(r, length)
    assert cut.shape == (2 * count, length, 3)
    assert set(cut.ravel()) == set(r.ravel())
    assert np.all(np.diff(cut[..., 0], axis=1) == 3)  # consecutive within a piece
    assert np.array_equal(cut[0, 0], r[0, 0])
    assert np.array_equal(cut[-1, -1], r[-1, -1])
