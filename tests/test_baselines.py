"""Classical generators: the laws they are fitted to, paths and forecasts of one law, causality, joint days, seeds."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tsgan.datasets.processes import Garch, GarchPair
from tsgan.errors import ConfigError, DataError, DataWarning
from tsgan.evaluation import BASELINES, Baseline, baselines, fit_baselines, volatility
from tsgan.evaluation.baselines import Bootstrap, FilteredSimulation, GarchModel
from tsgan.evaluation.volatility import SCORES, filter_volatility, fit_margin, run_margins

LEVELS = (0.05, 0.01)
GJR = Garch(alpha=0.03, gamma=0.08, beta=0.9, nu=7.0)
PAIR = GarchPair(correlation=0.6)
PARAMETRIC = ("GARCH-normal", "GARCH-t", "GJR-skewt", "EGARCH-skewt")
CONDITIONAL = (*PARAMETRIC, "FHS GJR-skewt", "FHS EGARCH-skewt")


@pytest.fixture(scope="module")
def returns() -> Any:
    return GJR.simulate(1, 6_000, seed=1).T


@pytest.fixture(scope="module")
def single(returns: Any) -> dict[str, Baseline]:
    return fit_baselines(returns)


@pytest.fixture(scope="module")
def pair() -> Any:
    return PAIR.simulate(1, 3_000, seed=2)[0]


@pytest.fixture(scope="module")
def joint(pair: Any) -> dict[str, Baseline]:
    return fit_baselines(pair)


def margins_of(baseline: Baseline) -> Any:
    assert isinstance(baseline, GarchModel | FilteredSimulation)
    return baseline.margins


def correlation_of(days: Any) -> float:
    return float(np.asarray(np.corrcoef(days.T))[0, 1])


def block_of(baseline: Baseline) -> float:
    assert isinstance(baseline, Bootstrap)
    return baseline.block


@pytest.mark.parametrize("name", BASELINES)
def test_paths_go_on_from_the_state_of_a_history(name: str, joint: dict[str, Baseline], pair: Any) -> None:
    baseline = joint[name]
    states, rng = baseline.states(pair), np.random.default_rng
    assert len(states) == len(pair)
    assert np.array_equal(baseline.states(pair[:300]), states[:300])  # nothing later is known
    chosen = states[[100, 400]]
    drawn = baseline.run(chosen, 3, rng(1), copies=20_000).reshape(2, 20_000, 3, 2)
    forecasts = baseline.one_step(pair, (0.05,))[0.05]
    for state, row in enumerate((100, 400)):
        expected = forecasts.var[row]
        shares = (drawn[state, :, 0] <= expected).mean(axis=0)
        assert shares == pytest.approx(0.05, abs=0.01)  # of discrete laws a tie may count
    assert np.array_equal(baseline.run(chosen, 3, rng(1), copies=20_000).reshape(drawn.shape), drawn)


def test_baselines_come_in_the_order_of_the_table(single: dict[str, Baseline], returns: Any) -> None:
    assert tuple(single) == BASELINES
    assert [baseline.name for baseline in single.values()] == list(BASELINES)
    assert list(fit_baselines(returns[:300], ["stationary bootstrap", "normal"])) == ["normal", "stationary bootstrap"]


@pytest.mark.parametrize("name", BASELINES)
def test_paths_have_the_variance_of_the_returns(name: str, joint: dict[str, Baseline], pair: Any) -> None:
    paths = joint[name].sample(2_000, 250, random_state=3)
    assert paths.shape == (2_000, 250, 2)
    assert np.isfinite(paths).all()
    real = pair[-250:] if name == "historical 250" else pair
    assert paths.std(axis=(0, 1)) == pytest.approx(real.std(axis=0), rel=0.08)
    assert paths[:, :5].std(axis=(0, 1)) == pytest.approx(paths[:, -5:].std(axis=(0, 1)), rel=0.1)  # stationary


@pytest.mark.parametrize("name", BASELINES)
def test_assets_keep_their_correlation(name: str, joint: dict[str, Baseline], pair: Any) -> None:
    real = pair[-250:] if name == "historical 250" else pair
    # volatilities of constant-correlation models move together less than those of the law, which costs some correlation
    tolerance = 0.06 if name in CONDITIONAL else 0.02
    paths = joint[name].sample(1_000, 250).reshape(-1, 2)
    assert correlation_of(paths) == pytest.approx(correlation_of(real), abs=tolerance)


@pytest.mark.parametrize("name", [*PARAMETRIC[1:3], "FHS GJR-skewt"])
def test_volatility_clusters_as_in_the_law(name: str, single: dict[str, Baseline]) -> None:
    ours, exact = (
        correlation_of(np.stack([size[:, 10:].ravel(), size[:, :-10].ravel()], axis=-1))
        for size in (np.abs(single[name].sample(400, 1_000)[..., 0]), np.abs(GJR.simulate(400, 1_000, seed=5)))
    )
    assert ours == pytest.approx(exact, abs=0.06)


def test_parameters_are_recovered_in_the_unit_of_the_returns(single: dict[str, Baseline]) -> None:
    (margin,) = margins_of(single["GJR-skewt"])
    assert (margin.alpha, margin.gamma, margin.beta) == pytest.approx((0.03, 0.08, 0.9), abs=0.025)
    assert margin.omega / (1 - margin.persistence(filtered=False)) == pytest.approx(GJR.variance(), rel=0.15)
    assert margin.shape == pytest.approx([7.0, 0.0], abs=1.2)
    assert margin.persistence(filtered=False) == pytest.approx(GJR.persistence(), abs=0.015)
    assert margin.persistence(filtered=True) == pytest.approx(margin.persistence(filtered=False), abs=0.005)


@pytest.mark.parametrize("model", PARAMETRIC)
def test_a_fitted_model_is_fitted_again_from_its_own_paths(model: str, single: dict[str, Baseline]) -> None:
    (margin,) = margins_of(single[model])
    path = single[model].sample(1, 20_000)[0, :, 0]
    again = fit_margin(path, model)
    assert again is not None
    for name in ("alpha", "gamma", "beta"):
        assert getattr(again, name) == pytest.approx(getattr(margin, name), abs=0.03)
    if margin.exponential:
        assert again.omega / (1 - again.beta) == pytest.approx(margin.omega / (1 - margin.beta), rel=0.02)
    else:
        assert again.omega == pytest.approx(margin.omega, rel=0.4)


def test_filtered_and_parametric_versions_share_their_margins(single: dict[str, Baseline]) -> None:
    for model in ("GJR-skewt", "EGARCH-skewt"):
        (filtered,), (parametric,) = margins_of(single[f"FHS {model}"]), margins_of(single[model])
        for field in ("mean", "omega", "alpha", "gamma", "beta", "law"):
            assert getattr(filtered, field) is getattr(parametric, field)
        np.testing.assert_allclose([filtered.residuals.mean(), filtered.residuals.std()], [0, 1], atol=1e-12)


@pytest.mark.parametrize("name", CONDITIONAL)
def test_filtered_volatilities_are_those_of_arch(name: str, single: dict[str, Baseline], returns: Any) -> None:
    (margin,) = margins_of(single[name])
    ours = filter_volatility((margin,), returns)[:-1, 0]
    assert ours[300:] == pytest.approx(np.sqrt(margin.variance[301:]), rel=1e-6)  # the start is forgotten by then


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "historical 250"])  # which follows the history
def test_forecasts_are_those_of_the_law_that_is_sampled(name: str, joint: dict[str, Baseline]) -> None:
    baseline = joint[name]
    paths = baseline.sample(4, 3_000, random_state=4)
    for level in LEVELS:
        forecasts = [baseline.one_step(path, LEVELS)[level] for path in paths]
        breaches = np.array([path[1:] <= f.var[:-1] for path, f in zip(paths, forecasts, strict=True)])
        excess = np.array([path[1:] - f.es[:-1] for path, f in zip(paths, forecasts, strict=True)])
        error = 4 if name == "stationary bootstrap" else 1  # whose days come in blocks
        assert breaches.mean() == pytest.approx(level, abs=error * 4 * np.sqrt(level / breaches[..., 0].size))
        scale = np.std([f.es for f in forecasts]) + np.abs(np.mean([f.es for f in forecasts]))
        assert excess[breaches].mean() / scale == pytest.approx(0, abs=0.08 * error)


@pytest.mark.parametrize("name", BASELINES)
def test_quantiles_are_those_of_draws_of_the_next_step(name: str, joint: dict[str, Baseline], pair: Any) -> None:
    baseline = joint[name]
    forecast = baseline.one_step(pair, (0.05,))[0.05]
    if name in CONDITIONAL:  # the last day's forecast, from innovations as they are sampled: through a path of one step
        last = baseline.states(pair)[-1:]
        if isinstance(baseline, GarchModel):
            draws = baseline.run(last, 1, np.random.default_rng(0), copies=40_000)[:, 0]
        else:
            residuals = np.stack([m.residuals for m in margins_of(baseline)], -1)
            draws = run_margins(margins_of(baseline), np.repeat(last, len(pair), axis=0), residuals[None])[0]
    else:
        draws = baseline.sample(40_000, 1)[:, 0]
    if name == "historical 250":
        draws = pair[-250:]
    assert np.quantile(draws, 0.05, axis=0) == pytest.approx(forecast.var[-1], rel=0.03)


def test_filtered_forecasts_are_volatility_times_the_tail_of_the_residuals(
    single: dict[str, Baseline], returns: Any
) -> None:
    (margin,) = margins_of(single["FHS GJR-skewt"])
    forecast = single["FHS GJR-skewt"].one_step(returns, LEVELS)[0.05]
    deviation = filter_volatility((margin,), returns)
    quantile = np.quantile(margin.residuals, 0.05)
    assert forecast.var == pytest.approx(margin.mean + deviation * quantile)
    assert forecast.es == pytest.approx(margin.mean + deviation * margin.residuals[margin.residuals <= quantile].mean())


def test_normal_forecasts_have_the_closed_form(single: dict[str, Baseline], returns: Any) -> None:
    forecast = single["normal"].one_step(returns[:3], (0.01,))[0.01]
    mean, deviation = returns.mean(), returns.std()
    assert forecast.var == pytest.approx(np.full((3, 1), mean - 2.326348 * deviation), rel=1e-6)
    assert forecast.es == pytest.approx(np.full((3, 1), mean - 2.665214 * deviation), rel=1e-6)


@pytest.mark.parametrize("name", BASELINES)
def test_forecasts_know_the_past_only(name: str, joint: dict[str, Baseline], pair: Any) -> None:
    history, changed = pair[:600], pair[:600].copy()
    changed[400:] *= -3
    before, after = (joint[name].one_step(h, LEVELS) for h in (history, changed))
    short = joint[name].one_step(history[:400], LEVELS)
    for level in LEVELS:
        for i in (0, 1):
            assert before[level][i].shape == (600, 2)
            assert np.array_equal(before[level][i][:400], after[level][i][:400])
            assert np.array_equal(before[level][i][:400], short[level][i])
    if name in CONDITIONAL:
        assert np.all(before[0.05].var[400] != after[0.05].var[400])


def test_the_short_history_rolls_over_its_window(single: dict[str, Baseline], returns: Any) -> None:
    forecast = single["historical 250"].one_step(returns[:600], (0.05,))[0.05]
    assert forecast.var[400, 0] == pytest.approx(np.quantile(returns[151:401, 0], 0.05))
    assert forecast.var[248, 0] == pytest.approx(
        np.quantile(returns[-250:, 0], 0.05)
    )  # too few days known: those fitted


@pytest.mark.parametrize("name", BASELINES)
def test_paths_depend_on_the_seed_and_their_number_alone(name: str, joint: dict[str, Baseline]) -> None:
    few, many, other = (joint[name].sample(n, 20, random_state=seed) for n, seed in ((3, 7), (450, 7), (3, 8)))
    assert np.array_equal(few, many[:3])
    assert np.array_equal(many, joint[name].sample(450, 20, random_state=7))
    assert not np.any(few == other) or name.startswith(("historical", "stationary"))
    assert not np.array_equal(few, other)
    assert len(np.unique(many[:, 0, 0])) > 150  # neither paths nor chunks repeat each other
    assert not np.array_equal(many[:200], many[200:400])


@pytest.mark.parametrize("name", ["historical", "stationary bootstrap"])
def test_bootstraps_draw_whole_days(name: str, joint: dict[str, Baseline], pair: Any) -> None:
    days = {tuple(day) for day in pair}
    assert all(tuple(day) in days for day in joint[name].sample(20, 50).reshape(-1, 2))


def test_filtered_innovations_are_whole_days_of_residuals(joint: dict[str, Baseline]) -> None:
    margins = margins_of(joint["FHS GJR-skewt"])
    path = joint["FHS GJR-skewt"].sample(1, 2)[0]
    start = np.stack([m.variance for m in margins], -1)
    days = np.stack([m.residuals for m in margins], -1)
    mean = np.array([m.mean for m in margins])
    first = {tuple(z) for z in np.round(days, 6)}
    found = [tuple(np.round((path[0] - mean) / np.sqrt(v), 6)) in first for v in start]
    assert any(found)


def test_blocks_are_as_long_on_average_as_asked(returns: Any) -> None:
    rows = np.arange(1_000.0)[:, None]
    paths = Bootstrap("blocks", rows, block=25.0).sample(400, 500)[..., 0]
    continued = (paths[:, 1:] - paths[:, :-1]) % 1_000 == 1
    assert continued.mean() == pytest.approx(1 - 1 / 25, abs=0.004)
    assert np.any((paths[:, :-1] == 999) & (paths[:, 1:] == 0))  # blocks wrap around
    assert np.bincount(paths.astype(int).ravel(), minlength=1_000).std() / 200 < 0.5  # every day is equally likely


def test_the_block_is_the_median_of_those_of_absolute_returns(joint: dict[str, Baseline], pair: Any) -> None:
    from arch.bootstrap import optimal_block_length

    lengths = [optimal_block_length(np.abs(asset))["stationary"].iloc[0] for asset in pair.T]
    assert block_of(joint["stationary bootstrap"]) == pytest.approx(np.median(lengths))
    assert block_of(joint["stationary bootstrap"]) > 3 * optimal_block_length(pair[:, 0])["stationary"].iloc[0]


@pytest.mark.parametrize("model", PARAMETRIC)
def test_tabulated_quantiles_are_those_of_the_law_in_both_tails(model: str, single: dict[str, Baseline]) -> None:
    (margin,) = margins_of(single[model])
    for score in (-4.0005, -1.3333, 0.0, 0.7771, 4.0005):
        exact = float(margin.law.ppf(np.array([stats.norm.cdf(score)]), margin.shape)[0])
        assert np.interp(score, SCORES, margin.quantiles()) == pytest.approx(exact, rel=1e-5, abs=1e-9)
    assert np.all(np.diff(margin.quantiles()) > 0)


def test_margins_keep_their_law_beside_each_other(joint: dict[str, Baseline], pair: Any) -> None:
    baseline = joint["GARCH-t"]
    assert isinstance(baseline, GarchModel)
    steady = tuple(replace(m, mean=0.0, variance=np.ones(1)) for m in baseline.margins)
    z = replace(baseline, margins=steady).sample(20_000, 1)[:, 0]
    for asset, margin in enumerate(baseline.margins):
        law = stats.t(margin.shape[0], scale=np.sqrt(1 - 2 / margin.shape[0]))
        assert stats.kstest(z[:, asset], law.cdf).pvalue > 0.001
    assert baseline.correlation[0, 1] == pytest.approx(PAIR.correlation, abs=0.04)


# fits that go wrong ---------------------------------------------------------------------------------------------------


def test_a_failed_fit_falls_back_to_garch_and_then_to_a_constant(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    y, fit = pair[:1_000], fit_margin
    only_garch = lambda y, model: fit(y, model) if model == "GARCH-normal" or y.std() < 0.015 else None  # noqa: E731
    monkeypatch.setattr(baselines, "fit_margin", only_garch)
    with pytest.warns(DataWarning, match=r"EGARCH-skewt did not converge on the 1,000 returns of column 2; GARCH-norm"):
        mixed = fit_baselines(y, ["GARCH-normal", "EGARCH-skewt"])
    garch, egarch = (margins_of(baseline) for baseline in mixed.values())
    assert egarch[0].exponential
    assert egarch[1] is garch[1]
    paths = mixed["EGARCH-skewt"].sample(1_000, 100)
    assert paths.std(axis=(0, 1)) == pytest.approx(y.std(axis=0), rel=0.2)
    forecast, expected = (baseline.one_step(y, (0.05,))[0.05].var[:, 1] for baseline in mixed.values())
    assert np.array_equal(forecast, expected)

    monkeypatch.setattr(baselines, "fit_margin", lambda *_: None)
    with pytest.warns(DataWarning) as caught:
        constant = fit_baselines(y, ["GJR-skewt", "FHS GJR-skewt"])
    assert len(caught) == 4  # two models, two assets, each once
    for baseline in constant.values():
        assert correlation_of(baseline.sample(1_000, 100).reshape(-1, 2)) == pytest.approx(0.6, abs=0.07)
        forecast = baseline.one_step(y[:5], (0.05,))[0.05].var
        assert forecast == pytest.approx(np.tile(np.quantile(y, 0.05, axis=0), (5, 1)))


def test_an_optimiser_that_gives_up_is_a_failed_fit(returns: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from arch.univariate.base import ARCHModelResult

    monkeypatch.setattr(ARCHModelResult, "convergence_flag", property(lambda _: 9))
    assert fit_margin(returns[:500, 0], "GARCH-t") is None


def test_a_variance_without_a_mean_is_said(single: dict[str, Baseline], returns: Any, monkeypatch: Any) -> None:
    (margin,) = margins_of(single["GARCH-normal"])
    monkeypatch.setattr(baselines, "fit_margin", lambda *_: replace(margin, beta=1.02 - margin.alpha))
    with pytest.warns(DataWarning, match=r"GARCH-normal fitted to column 1 does not return to a mean \(pers.* 1\.0200"):
        explosive = fit_baselines(returns, ["GARCH-normal"])["GARCH-normal"]
    start = explosive.sample(2_000, 1).std()  # paths start from what was fitted
    assert start == pytest.approx(returns.std(), rel=0.1)


def test_an_exponential_volatility_stays_a_number_and_says_when_it_was_held(single: dict[str, Baseline]) -> None:
    (margin,) = margins_of(single["EGARCH-skewt"])
    z, start = np.random.default_rng(0).standard_normal((300, 50, 1)), np.sqrt(margin.variance[:50, None])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calm = run_margins((margin,), start, z)
    wild = replace(margin, alpha=40.0, beta=1.0)
    with pytest.warns(DataWarning, match="log variance reached 600"):
        held = run_margins((wild,), start, z)
    assert np.isfinite(calm).all()
    assert np.isfinite(held).all()


# what is refused ------------------------------------------------------------------------------------------------------


def bad_returns() -> Iterator[Any]:
    good = GJR.simulate(2, 60, seed=0).T
    missing, constant = good.copy(), good.copy()
    missing[3, 1] = np.nan
    constant[:, 1] = 0.001
    yield pytest.param(good[:, 0], r"have the shape \(60,\)", id="one dimension")
    yield pytest.param(good[:, :0], r"have the shape \(60, 0\)", id="no column")
    yield pytest.param(missing, "row 3 of column 2 holds nan", id="missing")
    yield pytest.param(good[:1], "at least 50 rows of returns to be fitted to, these are 1", id="one row")
    yield pytest.param(constant, "column 2 of 2 are all equal; leave it out", id="constant")


@pytest.mark.parametrize(("values", "sentence"), list(bad_returns()))
def test_returns_that_cannot_be_fitted_are_refused(values: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        fit_baselines(values)


def test_an_unknown_name_is_refused_with_the_possible_ones(returns: Any) -> None:
    with pytest.raises(DataError, match="there is no baseline 'TimeGAN'; there are normal, historical, historical 250"):
        fit_baselines(returns, ["normal", "TimeGAN"])


@pytest.mark.parametrize("name", ["normal", "historical", "GARCH-t", "FHS GJR-skewt"])
def test_bad_requests_are_refused(name: str, joint: dict[str, Baseline], pair: Any) -> None:
    baseline = joint[name]
    for history, sentence in (
        (pair[:, :1], r"shape \(3000, 1\); the baseline was fitted to \(time, 2\)"),
        (pair[:0], r"shape \(0, 2\)"),
        (pair[0], r"shape \(2,\)"),
        (np.full((3, 2), np.inf), "row 0 of column 1 holds inf"),
    ):
        with pytest.raises(DataError, match=sentence):
            baseline.one_step(history, LEVELS)
    with pytest.raises(ConfigError, match="between 0 and 1, not 5"):
        baseline.one_step(pair, (5,))
    for arguments, sentence in (((0, 5), "n_samples"), ((5, 1.5), "length"), ((5, 5, -1), "random_state")):
        with pytest.raises(ConfigError, match=f"{sentence} must be a whole number"):
            baseline.sample(*arguments)


def test_the_table_of_models_is_complete() -> None:
    assert set(volatility.MODELS) == set(PARAMETRIC) < set(BASELINES)
