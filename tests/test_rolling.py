"""Rolling forecasts: the contract, no look into the future, exact against sampled, refits, seeds, what is refused."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats
from threadpoolctl import threadpool_limits

from tsgan import TSGAN, Config, ConfigError, DataError, DataWarning, FitWarning, TrainingError
from tsgan.config import WarmStartConfig
from tsgan.datasets.processes import Garch
from tsgan.datasets.processes import prices as as_prices
from tsgan.evaluation import BASELINES, fit_baselines, rolling_forecasts
from tsgan.evaluation.baselines import GarchModel, Gaussian
from tsgan.evaluation.risk import rolling
from tsgan.evaluation.risk.estimates import realised_values, tails
from tsgan.returns import log_returns

Floats = npt.NDArray[np.float64]

QUICK = Config(warm_start=WarmStartConfig(steps=10)).with_training(steps=0, past=32, future=32)
LEVELS = (0.05, 0.025, 0.01)
SEEN = 500  # prices that the fitted models know
WINDOW = 460  # returns that a refit sees
PARAMETRIC = ("normal", "GARCH-normal", "GARCH-t", "GJR-skewt", "EGARCH-skewt")


@pytest.fixture(scope="module")
def early(prices: pd.DataFrame) -> TSGAN:
    return TSGAN(config=QUICK, random_state=0, device="cpu").fit(prices.iloc[:SEEN])


@pytest.fixture(scope="module")
def early_panel(panel: pd.DataFrame) -> TSGAN:
    return TSGAN(config=QUICK, random_state=0, device="cpu").fit(panel.iloc[:SEEN])


def returns_of(prices: pd.DataFrame) -> Floats:
    return log_returns(prices.to_numpy())


def from_row(row: int, prices: pd.DataFrame) -> pd.Timestamp:
    return pd.Timestamp(prices.index[row])


def var(frame: pd.DataFrame, level: float = 0.05) -> Floats:
    return frame["VaR", level].to_numpy()


def of_asset(frame: pd.DataFrame, column: int) -> pd.DataFrame:
    asset = frame.columns.get_level_values("asset").unique()[column]
    return frame.loc[:, [asset]].droplevel("asset", axis=1)


# the contract ---------------------------------------------------------------------------------------------------------


def test_the_call_is_the_one_that_scripts_make() -> None:
    parameters = inspect.signature(rolling_forecasts).parameters.values()
    positional = [p for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert [p.name for p in positional[:3]] == ["model", "prices", "start"]
    assert {p.name: p.default for p in positional[3:]} == {
        "horizon": 1,
        "levels": (0.05, 0.025, 0.01),
        "weights": None,
        "method": "auto",
        "n_samples": 10_000,
        "refit_every": None,
        "train_window": 2500,
        "random_state": 0,
    }
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters if p not in positional)


@pytest.mark.parametrize(("horizon", "method"), [(1, "auto"), (1, "sample"), (5, "auto")])
def test_forecasts_are_dated_by_the_end_of_the_horizon(
    horizon: int, method: str, early: TSGAN, prices: pd.DataFrame
) -> None:
    part = prices.iloc[:520]
    frame = rolling_forecasts(early, part, from_row(510, part), horizon, method=method, n_samples=200)
    assert frame.index.tolist() == part.index[510:].tolist()
    assert frame.index.name == "date"
    assert list(frame) == list(product(("VaR", "ES"), LEVELS))
    assert frame.attrs["failed_refits"] == []
    assert np.all(frame["ES"].to_numpy() <= frame["VaR"].to_numpy())
    assert np.all(frame.to_numpy() < 0)


def test_several_assets_have_columns_each_and_a_portfolio_has_one(early_panel: TSGAN, panel: pd.DataFrame) -> None:
    part = panel.iloc[:505]
    assets = rolling_forecasts(early_panel, part, from_row(503, part), levels=(0.05, 0.01))
    assert list(assets) == list(product(("BOND", "STOCK", "COIN"), ("VaR", "ES"), (0.05, 0.01)))
    portfolio = rolling_forecasts(early_panel, part, from_row(503, part), levels=(0.01,), weights=[1, 1, 1])
    assert list(portfolio) == [("VaR", 0.01), ("ES", 0.01)]


def test_a_day_without_prices_starts_on_the_next(early: TSGAN, prices: pd.DataFrame) -> None:
    monday = next(date for date in prices.index[SEEN:] if date.day_of_week == 0)
    frame = rolling_forecasts(early, prices, monday - pd.Timedelta(days=2))
    assert frame.index[0] == monday
    pd.testing.assert_frame_equal(frame, rolling_forecasts(early, prices, monday))


def test_dates_with_a_time_zone_are_wall_clock_time(early: TSGAN, prices: pd.DataFrame) -> None:
    local = prices.tz_localize("America/New_York")
    start = local.index[690]
    frame = rolling_forecasts(early, local, start)
    pd.testing.assert_frame_equal(frame, rolling_forecasts(early, prices, start.tz_localize(None)))


@pytest.mark.parametrize("name", [None, "another"])
def test_a_series_is_the_one_asset_of_a_model_whatever_its_name(
    name: str | None, early: TSGAN, prices: pd.DataFrame
) -> None:
    series = prices["GARCH"].rename(name)
    start = from_row(690, prices)
    pd.testing.assert_frame_equal(rolling_forecasts(early, series, start), rolling_forecasts(early, prices, start))


def test_columns_are_found_by_name(early_panel: TSGAN, panel: pd.DataFrame) -> None:
    turned = panel[["COIN", "BOND", "STOCK"]].assign(OTHER=panel["COIN"] * 2)
    start = from_row(690, panel)
    pd.testing.assert_frame_equal(
        rolling_forecasts(early_panel, turned, start), rolling_forecasts(early_panel, panel, start)
    )


def test_progress_rises_to_one(early: TSGAN, prices: pd.DataFrame) -> None:
    told: list[tuple[str, float]] = []
    start = from_row(550, prices)
    rolling_forecasts(early, prices, start, method="sample", n_samples=100, progress=lambda *said: told.append(said))
    stages, seen = zip(*told, strict=True)
    assert set(stages) == {"forecasts"}
    assert len(seen) > 1
    assert list(seen) == sorted(seen)
    assert seen[-1] == 1


# no look into the future ----------------------------------------------------------------------------------------------

REFITTED = {"refit_every": 40, "train_window": WINDOW}


def tried() -> list[Any]:
    """Forecasters, and how they are asked: the fixture or name, and options."""
    sampled = {"method": "sample", "n_samples": 200}
    weekly = {"horizon": 5, "n_samples": 200}
    cases = [("early", options) for options in ({}, sampled, weekly)]
    cases += [("unfitted", REFITTED | options) for options in ({}, weekly)]
    cases += [(name, REFITTED | options) for name in BASELINES for options in ({}, weekly)]
    cases += [("FHS GJR-skewt", REFITTED | sampled)]
    return [pytest.param(*case, id=f"{case[0]} {', '.join(map(str, case[1].values()))}") for case in cases]


@pytest.mark.parametrize(("name", "options"), tried())
def test_no_forecast_knows_a_price_after_its_origin(
    name: str, options: dict[str, Any], early: TSGAN, prices: pd.DataFrame
) -> None:
    """Change every price after a date, or leave them out: forecasts from origins up to that date stay as they were."""
    model: TSGAN | str = {"early": early, "unfitted": TSGAN(config=QUICK, random_state=0, device="cpu")}.get(name, name)
    horizon, first, end = options.get("horizon", 1), SEEN + 10, SEEN + 70
    last, known = first + 40 - horizon, prices.iloc[:end]  # the last date that is known is the origin of the second fit
    planted = known.copy()
    planted.iloc[last + 1 :] *= np.random.default_rng(0).uniform(0.85, 1.15, (end - last - 1, 1))
    whole, changed, cut = (
        rolling_forecasts(model, history, from_row(first, prices), **options)
        for history in (known, planted, known.iloc[: last + 1])
    )
    untouched = last - first + horizon + 1  # dates whose origin is not after the last known one
    pd.testing.assert_frame_equal(whole.iloc[:untouched], changed.iloc[:untouched], check_exact=True)
    if name not in ("normal", "historical", "stationary bootstrap"):  # which know nothing but their parameters
        assert np.any(whole.iloc[untouched:] != changed.iloc[untouched:])
    # products of a float32 matrix may round otherwise when it has other rows
    pd.testing.assert_frame_equal(whole.iloc[: len(cut)], cut, rtol=1e-5)


def test_refitted_parameters_know_no_price_after_their_origin(prices: pd.DataFrame) -> None:
    """A constant forecast moves at a refit only: the last refit is the first that may know the planted prices."""
    planted = prices.iloc[:400].copy()
    planted.iloc[341:] *= np.random.default_rng(0).uniform(0.85, 1.15, (59, 1))
    whole, changed = (
        rolling_forecasts("normal", history, from_row(301, prices), refit_every=20, train_window=100)
        for history in (prices.iloc[:400], planted)
    )
    moved = np.flatnonzero(np.any(whole != changed, axis=1))
    assert moved[0] == 60  # origins 300, 320, 340, 360: the first one after row 340


# exact and sampled ----------------------------------------------------------------------------------------------------

DRAWS = 100_000


def exact_between(
    sampled: pd.DataFrame, exact: Callable[[tuple[float, ...]], pd.DataFrame], level: float, atoms: float = 0.0
) -> None:
    """Sampled figures lie where the binomial law lets them, in terms of exact ones at neighbouring levels.

    The share of draws below an exact quantile has the standard error sqrt(a (1 - a) / n), so that the sampled quantile
    lies between the exact ones at a -/+ 4 errors. The tail mean's error is that of its quantile and of the mean of the
    draws below: 10 errors hold both. ``atoms`` is the probability of one value of a discrete law, which a quantile may
    miss.
    """
    for figure, errors in (("VaR", 4), ("ES", 10)):
        width = errors * np.sqrt(level * (1 - level) / DRAWS) + atoms
        bounds = exact((level - width, level + width))[figure].to_numpy()
        found = sampled[figure, level].to_numpy()
        assert np.all((bounds[:, 0] <= found) & (found <= bounds[:, 1])), (figure, level)


def test_draws_of_an_asset_have_its_exact_law(early: TSGAN, prices: pd.DataFrame) -> None:
    start = from_row(696, prices)
    sampled = rolling_forecasts(early, prices, start, method="sample", n_samples=DRAWS)
    for level in LEVELS:
        exact_between(sampled, lambda levels: rolling_forecasts(early, prices, start, levels=levels), level)


@pytest.mark.parametrize("name", BASELINES)
def test_draws_of_a_classical_method_have_its_exact_law(name: str, prices: pd.DataFrame) -> None:
    start, (baseline,) = from_row(696, prices), fit_baselines(returns_of(prices)[:SEEN], [name]).values()
    sampled = rolling_forecasts(baseline, prices, start, method="sample", n_samples=DRAWS)
    days = 250 if name == "historical 250" else SEEN
    atoms = 0.0 if name in PARAMETRIC else 1 / (days - 1)
    for level in LEVELS:
        exact_between(sampled, lambda levels: rolling_forecasts(baseline, prices, start, levels=levels), level, atoms)


def test_draws_of_several_classical_assets_have_their_exact_laws(panel: pd.DataFrame) -> None:
    start, (baseline,) = from_row(696, panel), fit_baselines(returns_of(panel)[:SEEN], ["GJR-skewt"]).values()
    sampled = rolling_forecasts(baseline, panel, start, method="sample", n_samples=DRAWS)
    for column in range(3):

        def exact(levels: tuple[float, ...], column: int = column) -> pd.DataFrame:
            return of_asset(rolling_forecasts(baseline, panel, start, levels=levels), column)

        for level in LEVELS:
            exact_between(of_asset(sampled, column), exact, level)


def test_draws_of_several_assets_have_their_exact_laws_on_every_date(early_panel: TSGAN, panel: pd.DataFrame) -> None:
    """Their noise is drawn from 100 days of a similar market, blurred: tails end a little before those of the law."""
    exact, sampled = (
        rolling_forecasts(early_panel, panel, from_row(SEEN, panel), method=method, n_samples=20_000)
        for method in ("exact", "sample")
    )
    for figure, tolerance in (("VaR", 0.05), ("ES", 0.07)):
        ratio = (sampled / exact).xs(figure, axis=1, level="figure").to_numpy()
        assert ratio == pytest.approx(np.ones_like(ratio), abs=tolerance)  # four errors of 200 draws below 1 %
        assert ratio.mean(axis=0) == pytest.approx(np.ones(9), abs=0.04)


# horizons -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [2, 10])
def test_independent_normal_days_add_up_in_closed_form(horizon: int, prices: pd.DataFrame) -> None:
    (baseline,) = fit_baselines(returns_of(prices)[:SEEN], ["normal"]).values()
    assert isinstance(baseline, Gaussian)
    sampled = rolling_forecasts(baseline, prices, from_row(698, prices), horizon, n_samples=DRAWS)
    mean, deviation = horizon * baseline.mean[0], np.sqrt(horizon * baseline.covariance[0, 0])

    def exact(levels: tuple[float, ...]) -> pd.DataFrame:
        z = stats.norm.ppf(levels)
        figures = np.concatenate((mean + deviation * z, mean - deviation * stats.norm.pdf(z) / levels))
        columns = pd.MultiIndex.from_product([["VaR", "ES"], levels])
        return pd.DataFrame(np.tile(figures, (len(sampled), 1)), sampled.index, columns)

    for level in LEVELS:
        exact_between(sampled, exact, level)


def test_ten_garch_steps_have_the_variance_and_the_quantile_of_the_recursion(prices: pd.DataFrame) -> None:
    """The variance of the sum is known: the mean variance approaches its long-run level by the persistence."""
    returns, horizon = returns_of(prices), 10
    (baseline,) = fit_baselines(returns[:SEEN], ["GARCH-normal"]).values()
    assert isinstance(baseline, GarchModel)
    (margin,) = baseline.margins
    variance = float(baseline.states(returns[:-horizon])[-1, 0]) ** 2
    long_run, persistence = margin.omega / (1 - margin.alpha - margin.beta), margin.alpha + margin.beta
    expected = sum(long_run + persistence**k * (variance - long_run) for k in range(horizon))

    rng, total, now = np.random.default_rng(0), np.zeros(DRAWS), np.full(DRAWS, variance)
    for _ in range(horizon):
        shock = np.sqrt(now) * rng.standard_normal(DRAWS)
        total += margin.mean + shock
        now = margin.omega + margin.alpha * shock**2 + margin.beta * now
    drawn = baseline.run(baseline.states(returns[:-horizon])[-1:], horizon, rng, DRAWS).sum(axis=1)
    for sample in (total, drawn):
        error = np.sqrt((stats.kurtosis(sample, axis=None) + 2) / DRAWS)  # relative error of a variance
        assert sample.var() == pytest.approx(expected, rel=4 * error)

    frame = rolling_forecasts(baseline, prices, from_row(700, prices), horizon, n_samples=DRAWS)
    for level in LEVELS:
        width = 4 * np.sqrt(2 * level * (1 - level) / DRAWS)  # two samples are compared
        low, high = np.quantile(total, (level - width, level + width))
        assert low <= var(frame, level)[0] <= high
    assert frame["ES", 0.05].iloc[0] == pytest.approx(tails(total, (0.05,))[1, 0], rel=0.03)


def test_longer_horizons_are_riskier_and_their_means_add_up(early: TSGAN, prices: pd.DataFrame) -> None:
    """Squares of daily deviations add up over independent steps; volatility that reverts keeps near that."""
    frames = [rolling_forecasts(early, prices, from_row(600, prices), h, n_samples=2_000) for h in (1, 4, 16)]
    median = [float(np.median(var(frame))) for frame in frames]
    assert median[1] / median[0] == pytest.approx(2, rel=0.2)
    assert median[2] / median[0] == pytest.approx(4, rel=0.25)


# portfolios -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [1, 5])
def test_all_in_one_asset_earns_its_simple_return(horizon: int, early_panel: TSGAN, panel: pd.DataFrame) -> None:
    start = from_row(690, panel)
    options: dict[str, Any] = {"horizon": horizon, "method": "sample", "n_samples": 5_000}
    assets = rolling_forecasts(early_panel, panel, start, **options)
    for asset in panel.columns:
        alone = rolling_forecasts(early_panel, panel, start, weights={asset: 1}, **options)
        for level in LEVELS:
            assert var(alone, level) == pytest.approx(np.expm1(assets[asset, "VaR", level]), rel=1e-3)


def test_a_short_position_loses_what_the_upper_tail_gains(panel: pd.DataFrame) -> None:
    (baseline,) = fit_baselines(returns_of(panel), ["normal"]).values()
    assert isinstance(baseline, Gaussian)
    frame = rolling_forecasts(baseline, panel, from_row(698, panel), weights={"COIN": -1}, n_samples=DRAWS)
    mean, deviation = baseline.mean[2], np.sqrt(baseline.covariance[2, 2])
    for level in LEVELS:
        width = 4 * np.sqrt(level * (1 - level) / DRAWS)
        low, high = -np.expm1(mean - deviation * stats.norm.ppf([level - width, level + width]))
        assert np.all((low <= var(frame, level)) & (var(frame, level) <= high))


def test_weights_agree_however_they_are_given(early_panel: TSGAN, panel: pd.DataFrame) -> None:
    def forecast(weights: Any, prices: pd.DataFrame = panel) -> pd.DataFrame:
        return rolling_forecasts(early_panel, prices, from_row(690, panel), weights=weights, n_samples=500)

    expected = forecast([0.5, 0.0, -0.2])
    turned = panel[["COIN", "STOCK", "BOND"]]
    for frame in (
        forecast({"COIN": -0.2, "BOND": 0.5}),
        forecast(pd.Series({"COIN": -0.2, "BOND": 0.5, "STOCK": 0.0})),
        forecast(np.array([0.5, 0.0, -0.2])),
        forecast([-0.2, 0.0, 0.5], turned),  # a sequence has the order of the prices, not of the model
    ):
        pd.testing.assert_frame_equal(frame, expected)


def test_what_is_not_invested_is_cash(early_panel: TSGAN, panel: pd.DataFrame) -> None:
    whole, half = (
        rolling_forecasts(early_panel, panel, from_row(690, panel), weights=weights, n_samples=500)
        for weights in ([0.6, 1.0, 0.4], [0.3, 0.5, 0.2])
    )
    assert half.to_numpy() == pytest.approx(whole.to_numpy() / 2)


# refits ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["historical", "historical 250", "GARCH-normal"])
@pytest.mark.parametrize("horizon", [1, 3])
def test_classical_parameters_are_those_of_the_window_before_every_so_many_dates(
    name: str, horizon: int, prices: pd.DataFrame
) -> None:
    first, every, window = 401, 25, 300
    frame = rolling_forecasts(
        name, prices.iloc[:470], from_row(first, prices), horizon, refit_every=every, train_window=window, n_samples=300
    )
    returns = returns_of(prices)[:469]  # return i ends on row i + 1
    for at in range(0, len(frame), every):
        origin = first + at - horizon
        with threadpool_limits(1, "blas"):  # as refits are made: scipy's optimisers end elsewhere with two
            (baseline,) = fit_baselines(returns[origin - window : origin], [name]).values()
        block = frame.iloc[at : at + every]
        if horizon == 1:
            manual = baseline.one_step(returns[origin - window :], LEVELS)
            for level in LEVELS:
                assert np.array_equal(var(block, level), manual[level].var[window - 1 :][: len(block), 0])
                assert np.array_equal(block["ES", level], manual[level].es[window - 1 :][: len(block), 0])
        else:
            again = rolling_forecasts(
                baseline, prices.iloc[origin - window : 470], block.index[0], horizon, n_samples=300
            )
            pd.testing.assert_frame_equal(block, again.iloc[: len(block)])


def test_a_model_is_refitted_to_the_window_before_every_so_many_dates(prices: pd.DataFrame) -> None:
    first, every = 501, 20
    unfitted = TSGAN(config=QUICK, random_state=3, device="cpu")
    part = prices.iloc[: first + 2 * every]
    frame = rolling_forecasts(unfitted, part, from_row(first, prices), refit_every=every, train_window=WINDOW)
    assert not hasattr(unfitted, "law_")
    for at in (0, every):
        origin = first + at - 1
        manual = TSGAN(config=QUICK, random_state=3, device="cpu").fit(prices.iloc[origin - WINDOW : origin + 1])
        block = frame.iloc[at : at + every]
        states = manual.states(part.iloc[origin - WINDOW :])[WINDOW:-1][: len(block)]
        quantile, shortfall = manual.law_.value_at_risk(states, 0.05)
        assert var(block) == pytest.approx(quantile[:, 0], rel=1e-5)
        assert block["ES", 0.05].to_numpy() == pytest.approx(shortfall[:, 0], rel=1e-5)


def test_without_refits_what_is_not_fitted_is_fitted_once(prices: pd.DataFrame) -> None:
    frame = rolling_forecasts("normal", prices, from_row(401, prices), train_window=200)
    (baseline,) = fit_baselines(returns_of(prices)[200:400], ["normal"]).values()
    assert np.all(var(frame) == baseline.one_step(returns_of(prices)[:1], (0.05,))[0.05].var[0, 0])


def test_a_fitted_model_can_be_refitted_and_stays_what_it_was(early: TSGAN, prices: pd.DataFrame) -> None:
    part, options = prices.iloc[:490], dict[str, Any](refit_every=50, train_window=WINDOW)
    before = {name: value.clone() for name, value in early.law_.generator.state_dict().items()}
    refitted = rolling_forecasts(early, part, from_row(480, prices), **options)  # no warning: not seen
    fresh = rolling_forecasts(TSGAN(config=QUICK, random_state=0, device="cpu"), part, from_row(480, prices), **options)
    pd.testing.assert_frame_equal(refitted, fresh)
    assert all(bool((before[name] == value).all()) for name, value in early.law_.generator.state_dict().items())


def fail_after_the_first(fit: Callable[..., Any], fail: Callable[[], None]) -> Callable[..., Any]:
    calls = []

    def fit_or_fail(*args: Any) -> Any:
        calls.append(args)
        if len(calls) > 1:
            fail()
        return fit(*args)

    return fit_or_fail


def not_converged() -> None:
    warnings.warn("it did not converge", FitWarning, stacklevel=1)


def nothing_usable() -> None:
    raise TrainingError("nothing usable")


def test_a_failed_classical_refit_keeps_the_last_parameters(
    prices: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "fit_baselines", fail_after_the_first(fit_baselines, not_converged))
    options: dict[str, Any] = {"refit_every": 20, "train_window": 300}
    with pytest.warns(FitWarning, match="2 refits of GARCH-normal failed .*; the last parameters were kept") as caught:
        frame = rolling_forecasts("GARCH-normal", prices.iloc[:451], from_row(401, prices), **options)
    assert len(caught) == 1
    assert frame.attrs["failed_refits"] == [f"{prices.index[row]:%Y-%m-%d}" for row in (420, 440)]
    returns = returns_of(prices)[:450]
    with threadpool_limits(1, "blas"):
        (first,) = fit_baselines(returns[100:400], ["GARCH-normal"]).values()
    kept = first.one_step(returns[120:], (0.05,))[0.05].var[:, 0]  # what it may look at moves on
    assert np.array_equal(var(frame)[20:40], kept[299:319])


def test_what_fits_warn_of_is_said_by_the_first(prices: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    def fit_and_warn(*args: Any) -> Any:
        warnings.warn("this should be known", DataWarning, stacklevel=1)
        return fit_baselines(*args)

    monkeypatch.setattr(rolling, "fit_baselines", fit_and_warn)
    with pytest.warns(DataWarning, match="this should be known") as caught:
        rolling_forecasts("normal", prices.iloc[:451], from_row(401, prices), refit_every=20, train_window=300)
    assert len(caught) == 1


def test_a_failed_refit_of_a_model_keeps_the_last_parameters(
    prices: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TSGAN, "fit", fail_after_the_first(TSGAN.fit, nothing_usable))
    with pytest.warns(FitWarning, match=r"1 refit of tsgan failed \(\d{4}-\d\d-\d\d\); the last parameters were kept"):
        frame = rolling_forecasts(
            TSGAN(config=QUICK, random_state=0, device="cpu"),
            prices.iloc[:531],
            from_row(501, prices),
            refit_every=20,
            train_window=WINDOW,
        )
    assert frame.attrs["failed_refits"] == [f"{prices.index[520]:%Y-%m-%d}"]
    monkeypatch.undo()
    first = TSGAN(config=QUICK, random_state=0, device="cpu").fit(prices.iloc[500 - WINDOW : 501])
    states = first.states(prices.iloc[500 - WINDOW : 530])[WINDOW:]
    # the later block begins in the middle of what the first fit has seen, and goes on from its memory there
    assert var(frame) == pytest.approx(first.law_.value_at_risk(states, 0.05)[0][:, 0], rel=1e-4)


def test_a_window_of_equal_prices_is_a_failed_refit(prices: pd.DataFrame) -> None:
    still = prices.iloc[:300].copy()
    still.iloc[150:240] = still["GARCH"].iloc[150]
    with pytest.warns(FitWarning, match="1 refit of normal failed"):
        frame = rolling_forecasts("normal", still, from_row(101, prices), refit_every=20, train_window=60)
    assert frame.attrs["failed_refits"] == [f"{prices.index[220]:%Y-%m-%d}"]


def test_a_first_classical_fit_that_fails_is_said_and_its_substitute_is_kept(
    prices: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsgan.evaluation.baselines.fit_margin", lambda y, model: None)
    with pytest.warns(FitWarning) as caught:
        frame = rolling_forecasts(
            "GARCH-normal", prices.iloc[:410], from_row(401, prices), refit_every=5, train_window=300
        )
    first, later = (str(warning.message) for warning in caught)
    assert first.startswith("GARCH-normal did not converge")
    assert later.startswith("1 refit of GARCH-normal failed")
    assert frame.attrs["failed_refits"] == [f"{prices.index[405]:%Y-%m-%d}"]
    assert np.isfinite(frame.to_numpy()).all()


def test_a_first_fit_of_a_model_that_fails_is_an_error(prices: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TSGAN, "fit", lambda *args: nothing_usable())
    with pytest.raises(TrainingError, match="nothing usable"):
        rolling_forecasts(TSGAN(config=QUICK), prices, from_row(690, prices), train_window=WINDOW)


# seeds ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["early", "EGARCH-skewt"])
@pytest.mark.parametrize("horizon", [1, 5])
def test_draws_depend_on_the_seed_and_the_date_alone(
    name: str, horizon: int, early: TSGAN, prices: pd.DataFrame
) -> None:
    model: Any = early if name == "early" else fit_baselines(returns_of(prices)[:SEEN], [name])[name]
    options: dict[str, Any] = {"horizon": horizon, "method": "sample", "n_samples": 200}
    whole = rolling_forecasts(model, prices.iloc[:660], from_row(520, prices), **options)
    assert whole.equals(rolling_forecasts(model, prices.iloc[:660], from_row(520, prices), **options))
    inner = rolling_forecasts(model, prices.iloc[:640], from_row(530, prices), **options)
    assert whole.loc[inner.index].equals(inner)
    other = rolling_forecasts(model, prices.iloc[:660], from_row(520, prices), random_state=1, **options)
    assert not np.any(whole == other)
    spread = whole.diff().to_numpy()[1:] != 0
    assert spread.all()  # each date has draws of its own


def test_draws_of_a_date_do_not_depend_on_where_the_history_begins(prices: pd.DataFrame) -> None:
    """A method without a memory: nothing but the date and the seed is left."""
    (baseline,) = fit_baselines(returns_of(prices), ["normal"]).values()
    long, short = (
        rolling_forecasts(baseline, history, from_row(690, prices), method="sample", n_samples=200)
        for history in (prices, prices.iloc[100:])
    )
    assert long.equals(short)


def test_a_model_without_a_seed_is_fitted_with_the_one_of_the_forecasts(prices: pd.DataFrame) -> None:
    """Also one that came fitted, since it is fitted anew."""

    def ask(model: TSGAN, seed: int) -> pd.DataFrame:
        return rolling_forecasts(
            model,
            prices.iloc[:490],
            from_row(480, prices),
            refit_every=20,
            train_window=WINDOW,
            random_state=seed,
        )

    unfitted = TSGAN(config=QUICK, device="cpu")
    first = ask(unfitted, 0)
    assert not first.equals(ask(unfitted, 1))
    fitted = TSGAN(config=QUICK, device="cpu").fit(prices.iloc[: WINDOW + 1])
    pd.testing.assert_frame_equal(ask(fitted, 0), first)


# what was known before ------------------------------------------------------------------------------------------------


def test_a_model_that_has_seen_what_it_forecasts_says_so(early: TSGAN, prices: pd.DataFrame) -> None:
    with pytest.warns(DataWarning, match="fitted to prices up to .* these forecasts are no test of it"):
        rolling_forecasts(early, prices, from_row(SEEN - 1, prices))
    rolling_forecasts(early, prices, from_row(SEEN, prices))  # the first origin is its last day: no warning


def test_prices_that_follow_the_training_data_need_no_history(early: TSGAN, prices: pd.DataFrame) -> None:
    short, whole = (
        rolling_forecasts(early, history, from_row(SEEN + 5, prices)) for history in (prices.iloc[SEEN - 1 :], prices)
    )
    pd.testing.assert_frame_equal(short, whole, rtol=1e-4)


def test_prices_long_after_the_training_data_need_a_history_as_long_as_the_memory(
    early: TSGAN, prices: pd.DataFrame
) -> None:
    gap = prices.iloc[SEEN + 20 :]
    with pytest.raises(DataError, match=r"has 4 returns before its origin, .*; tsgan remembers 256"):
        rolling_forecasts(early, gap, gap.index[5])


def test_what_the_prices_warn_of_is_said_once(early: TSGAN, prices: pd.DataFrame) -> None:
    split = prices.copy()
    split.iloc[300:] /= 2
    with pytest.warns(DataWarning, match="unadjusted split") as caught:
        rolling_forecasts(early, split, from_row(690, prices), method="sample", n_samples=100)
    assert len(caught) == 1


# what is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"start": "2030-01-01"}, DataError, "nothing to forecast from 2030-01-01 on: the prices end on 20"),
        ({"start": "2015-01-01"}, DataError, "needs more than 1 prices before it, there are 0; start later"),
        ({"start": "2015-01-07", "horizon": 5}, DataError, "needs more than 5 prices before it, there are 4"),
        ({"start": "2015-06-01"}, DataError, "tsgan remembers 256: give a longer history or start later"),
        ({"start": "soon"}, ConfigError, "start must be a date such as 2020-01-02, not 'soon'"),
        ({"start": None}, ConfigError, "start must be a date such as 2020-01-02, not None"),
        ({"start": 5}, ConfigError, "start must be a date such as 2020-01-02, not 5"),
        ({"weights": [1, 1]}, ConfigError, r"the weights have the shape \(2,\), the prices 1 columns: GARCH"),
        ({"weights": {"SPY": 1}}, ConfigError, "the weights name 'SPY'; the prices have the columns GARCH"),
        ({"levels": (0.05, 0.6)}, ConfigError, "above 0 and below .5 such as .05, not 0.6"),
        ({"levels": (0.05, 0.05)}, ConfigError, "one or more different numbers"),
        ({"levels": ()}, ConfigError, "one or more different numbers"),
        ({"horizon": 0}, ConfigError, "horizon must be a whole number >= 1, not 0"),
        ({"horizon": True}, ConfigError, "horizon must be a whole number >= 1, not True"),
        ({"horizon": 1.5}, ConfigError, "horizon must be a whole number >= 1, not 1.5"),
        ({"method": "best"}, ConfigError, "method must be 'auto', 'exact' or 'sample', not 'best'"),
        ({"method": "exact", "horizon": 2}, ConfigError, "no closed form for 2 steps, only for one step of an asset"),
        ({"method": "exact", "weights": [1]}, ConfigError, "no closed form for a portfolio"),
        ({"method": "sample", "n_samples": 99}, ConfigError, "99 draws have none below the level 0.01; take 100"),
        ({"n_samples": 0}, ConfigError, "n_samples must be a whole number >= 1"),
        ({"refit_every": 0}, ConfigError, "refit_every must be a whole number >= 1"),
        ({"random_state": -1}, ConfigError, "random_state must be a whole number >= 0, not -1"),
        ({"random_state": None}, ConfigError, "random_state must be a whole number >= 0, not None"),
        ({"refit_every": 10, "train_window": 700}, DataError, "train_window asks for 700; give a longer history"),
        ({"refit_every": 10, "train_window": 60}, DataError, "184 rows are needed, 61 rows came"),
        ({"model": "GARCH-x"}, ConfigError, "no classical method 'GARCH-x'; there are normal, historical"),
        ({"model": "normal", "train_window": 20}, DataError, "need at least 50 rows"),
        ({"model": 3}, ConfigError, "must be a TSGAN, a baseline or a name .*, not int"),
        (
            {"model": pd.Series([1.0], name="model")},
            ConfigError,
            "must be a TSGAN, a baseline or a name .*, not Series",
        ),
    ],
)
def test_impossible_requests_get_a_sentence(
    options: dict[str, Any], error: type[Exception], sentence: str, early: TSGAN, prices: pd.DataFrame
) -> None:
    request: dict[str, Any] = {"model": early, "prices": prices, "start": from_row(690, prices)} | options
    with pytest.raises(error, match=sentence):
        rolling_forecasts(**request)


def test_too_few_draws_are_refused_before_anything_is_fitted(
    prices: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TSGAN, "fit", lambda *args: nothing_usable())
    with pytest.raises(ConfigError, match="50 draws have none below"):
        rolling_forecasts(TSGAN(config=QUICK), prices, from_row(690, prices), horizon=5, n_samples=50)


def test_prices_that_cannot_be_used_are_refused(early: TSGAN, prices: pd.DataFrame, panel: pd.DataFrame) -> None:
    missing = prices.copy()
    missing.iloc[100] = np.nan
    start = from_row(690, prices)
    with pytest.raises(DataError, match="column 'GARCH' misses 1 price"):
        rolling_forecasts(early, missing, start)
    with pytest.raises(DataError, match="no column 'GARCH'; the model knows GARCH; the prices have BOND, STOCK, COIN"):
        rolling_forecasts(early, panel, start)
    (single,) = fit_baselines(returns_of(prices), ["normal"]).values()
    with pytest.raises(DataError, match=r"the baseline was fitted to \(time, 1\)"):
        rolling_forecasts(single, panel, start)


def test_prices_in_another_order_are_sorted_and_said(early: TSGAN, prices: pd.DataFrame) -> None:
    with pytest.warns(DataWarning, match="newest first; they were sorted by date"):
        frame = rolling_forecasts(early, prices.iloc[::-1], from_row(690, prices))
    pd.testing.assert_frame_equal(frame, rolling_forecasts(early, prices, from_row(690, prices)))


# a known law ----------------------------------------------------------------------------------------------------------


def test_forecasts_of_a_known_law_are_its_quantiles() -> None:
    """A GARCH fitted once to a long history of that law, and the exact conditional quantile of every later date."""
    law = Garch()
    path = law.simulate(1, 3_000, seed=4)
    history = as_prices(path[0])
    frame = rolling_forecasts("GARCH-normal", history, history.index[2_501], levels=(0.05, 0.01), train_window=2_400)
    for level in (0.05, 0.01):
        exact = law.one_step_quantile(path[0], level)[-len(frame) - 1 : -1]
        assert np.median(var(frame, level) / exact) == pytest.approx(1, abs=0.05)  # of 2,400 returns
        assert np.corrcoef(var(frame, level), exact)[0, 1] > 0.98


def test_an_opponent_that_does_not_converge_is_no_failed_refit_of_the_model(
    prices: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict of every fit compares with a GJR-GARCH, whose fits fail here."""
    from tsgan.evaluation import baselines

    monkeypatch.setattr(baselines, "fit_margin", lambda y, model: None)
    model = TSGAN(config=QUICK, random_state=0, device="cpu")
    frame = rolling_forecasts(
        model, prices.iloc[: WINDOW + 9], prices.index[WINDOW + 1], refit_every=4, train_window=WINDOW
    )
    assert frame.attrs["failed_refits"] == []


def test_values_that_came_are_those_that_end_on_the_dates(prices: pd.DataFrame) -> None:
    table = prices.iloc[:50]
    came = realised_values(table, pd.DatetimeIndex(table.index[10:20]), 5, None)
    levels = np.log(table.to_numpy())
    np.testing.assert_allclose(came.to_numpy(), levels[10:20] - levels[5:15])
    for wrong in ("2200-01-01", str(table.index[3])):
        with pytest.raises(DataError, match="hold no 5 steps that end on"):
            realised_values(table, pd.DatetimeIndex([wrong]), 5, None)
