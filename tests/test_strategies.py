"""Strategies over paths: closed forms, published numbers, no look-ahead, and errors that name variant and path."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tsgan import ConfigError, DataError, DataWarning
from tsgan.evaluation.risk import (
    deflated_sharpe_ratio,
    mean_reversion,
    momentum,
    probabilistic_sharpe_ratio,
    probability_of_backtest_overfitting,
    strategy_distribution,
)
from tsgan.evaluation.risk.strategies import FIGURES, Strategy
from tsgan.paths import Paths
from tsgan.returns import Floats

STEPS = 60


def make_paths(returns: Floats, first: str = "2024-01-01") -> Paths:
    """Paths of (n, length, assets) log returns from 100 on business days, assets A, B, ..."""
    assets = returns.shape[2]
    dates = pd.bdate_range(first, periods=returns.shape[1])
    return Paths(returns, np.full(assets, 100.0), dates, [chr(65 + i) for i in range(assets)])


def noise(n: int = 20, length: int = STEPS, assets: int = 1, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(3e-4, 0.01, (n, length, assets))


def hold(prices: pd.DataFrame) -> pd.Series[Any]:
    values = prices.to_numpy()
    return pd.Series((values[1:] / values[:-1] - 1).mean(axis=1), index=prices.index[1:])


def cash(prices: pd.DataFrame) -> pd.Series[Any]:
    return pd.Series(1e-4, index=prices.index[1:])


def always(returns: list[float]) -> Strategy:
    """A strategy that earns the same on every path, on its last dates."""
    return lambda prices: pd.Series(returns, index=prices.index[-len(returns) :])


def figures(returns: list[float], **options: Any) -> pd.Series[Any]:
    result = strategy_distribution(always(returns), make_paths(noise(2)), **options)
    return result.table.iloc[0]


# figures --------------------------------------------------------------------------------------------------------------


def test_buy_and_hold_earns_what_the_paths_do() -> None:
    paths = make_paths(noise())
    table = strategy_distribution(hold, paths, periods_per_year=STEPS).table
    simple = np.expm1(paths.returns[:, :, 0])
    assert table["annual_return"].to_numpy() == pytest.approx(np.expm1(paths.returns.sum(axis=(1, 2))))  # a whole year
    assert table["volatility"].to_numpy() == pytest.approx(simple.std(axis=1, ddof=1) * STEPS**0.5)
    assert table["var_5"].to_numpy() == pytest.approx(np.quantile(simple, 0.05, axis=1))
    sharpe = simple.mean(axis=1) / simple.std(axis=1, ddof=1) * STEPS**0.5
    assert table["sharpe"].to_numpy() == pytest.approx(sharpe)
    assert list(table.columns) == list(FIGURES)
    assert table.index.names == ["path", "variant"]
    assert table.index.get_level_values("path").tolist() == list(range(20))


def test_drawdown_is_the_largest_fall_from_an_earlier_high_and_counts_from_the_start() -> None:
    assert figures([0.5, -0.2, -0.5, 1.0, -0.1])["max_drawdown"] == pytest.approx(0.6)
    assert figures([-0.25, 0.5, 0.1])["max_drawdown"] == pytest.approx(0.25)
    assert figures([0.25, 0.5, 0.1])["max_drawdown"] == 0


def test_annual_return_is_geometric() -> None:
    assert figures([0.5, -0.5], periods_per_year=2)["annual_return"] == pytest.approx(0.75 - 1)
    assert figures([0.1, 0.1, 0.2], periods_per_year=12)["annual_return"] == pytest.approx((1.1 * 1.1 * 1.2) ** 4 - 1)


def test_a_loss_of_everything_is_not_earned_back() -> None:
    ruined = figures([0.1, -1.5, 9.0, 9.0])
    assert ruined["annual_return"] == -1
    assert ruined["max_drawdown"] == 1


def test_periods_per_year_come_from_the_dates() -> None:
    daily = strategy_distribution(hold, make_paths(noise(2)))
    assert daily.periods_per_year == 252
    paths = make_paths(noise(2))
    weekly = Paths(paths.returns, paths.start_price, pd.date_range("2024-01-05", periods=STEPS, freq="W-FRI"), ["A"])
    found = strategy_distribution(hold, weekly)
    assert found.periods_per_year == 52
    ratio = daily.table["volatility"].to_numpy() / found.table["volatility"].to_numpy()
    assert ratio == pytest.approx((252 / 52) ** 0.5)


def test_figures_do_not_depend_on_the_scale_of_prices() -> None:
    paths = make_paths(noise(4, assets=2))
    dearer = Paths(paths.returns, 50 * paths.start_price, paths.dates, paths.columns)
    variants = {"momentum": lambda p: momentum(p, 5), "reversion": mean_reversion}
    one, other = (strategy_distribution(variants, p).table for p in (paths, dearer))
    pd.testing.assert_frame_equal(one, other)


def test_dates_left_out_are_days_without_a_position() -> None:
    paths = make_paths(noise(3))

    def on_fridays(prices: pd.DataFrame) -> pd.Series[Any]:
        held = hold(prices)
        return held[held.index.isin(prices.index[[4, 9, 14]])].iloc[::-1]  # in any order

    def flat(prices: pd.DataFrame) -> pd.Series[Any]:
        held = hold(prices)
        return held.where(held.index.isin(prices.index[[4, 9, 14]]), 0.0).iloc[3:]

    one, other = (strategy_distribution(f, paths).table.to_numpy() for f in (on_fridays, flat))
    assert one == pytest.approx(other)


def test_a_zero_before_the_first_price_change_is_no_return() -> None:
    paths = make_paths(noise(3))
    filled = strategy_distribution(lambda p: p.pct_change().mean(axis=1).fillna(0.0), paths)
    assert filled.table.to_numpy() == pytest.approx(strategy_distribution(hold, paths).table.to_numpy())


def test_constant_returns_have_no_sharpe_ratio_and_are_counted() -> None:
    result = strategy_distribution({"cash": cash, "hold": hold}, make_paths(noise(7)))
    summary = result.summary()
    assert result.table.xs("cash", level="variant")["sharpe"].isna().all()
    assert summary["undefined"]["cash", "sharpe"] == 7
    assert np.isnan(summary["median"]["cash", "sharpe"])
    assert summary["undefined"].sum() == 14  # and the deflated one
    # interest of a price that is rounded is constant too
    steady = make_paths(np.full((2, STEPS, 1), 1e-4))
    assert strategy_distribution(hold, steady).table["sharpe"].isna().all()


# what a strategy sees -------------------------------------------------------------------------------------------------


def seen(paths: Paths | pd.DataFrame) -> pd.DataFrame:
    """The first frame that a strategy is given."""
    frames: list[pd.DataFrame] = []

    def watch(prices: pd.DataFrame) -> pd.Series[Any]:
        frames.append(prices.copy())
        return hold(prices)

    strategy_distribution(watch, paths)
    return frames[0]


@pytest.mark.parametrize(
    ("dates", "before"),
    [
        (pd.bdate_range("2024-01-01", periods=4), "2023-12-29"),  # a Monday: the Friday before
        (pd.bdate_range("2024-01-03", periods=4), "2024-01-02"),
        (pd.date_range("2024-01-01", periods=9), "2023-12-31"),
        (pd.date_range("2024-01-05", periods=4, freq="W-FRI"), "2023-12-29"),
        (pd.date_range("2024-01-31", periods=24, freq="MS"), "2024-01-01"),
        (pd.date_range("2024-01-01 09:00", periods=30, freq="h")[[0, 1, 2, 24, 25, 26]], "2023-12-29 11:00"),
        (pd.bdate_range("2024-01-01", periods=4, tz="Europe/Berlin"), "2023-12-29"),
    ],
)
def test_the_frame_begins_with_the_start_price(dates: pd.DatetimeIndex, before: str) -> None:
    paths = Paths(noise(1, len(dates), 2), np.array([100.0, 7.0]), dates, ["A", "B"])
    frame = seen(paths)
    assert frame.columns.tolist() == ["A", "B"]
    assert frame.iloc[0].tolist() == [100.0, 7.0]
    assert frame.index[0] == pd.Timestamp(before, tz=dates.tz)
    assert frame.index[1:].equals(dates)
    assert np.diff(np.log(frame.to_numpy()), axis=0) == pytest.approx(paths.returns[0])


def test_a_long_table_is_run_as_it_is() -> None:
    paths = make_paths(noise(4))
    table = paths.to_frame().assign(path=lambda t: 10 + t["path"])
    assert seen(table).to_numpy() == pytest.approx(paths.prices[0])
    shorter = Paths(paths.returns[:, 1:], paths.prices[0, 0], paths.dates[1:], paths.columns)
    result = strategy_distribution(hold, table)
    assert result.table.index.get_level_values("path").tolist() == [10, 11, 12, 13]
    assert result.table.to_numpy() == pytest.approx(strategy_distribution(hold, shorter).table.to_numpy())


def test_a_strategy_may_write_into_its_prices() -> None:
    def spoil(prices: pd.DataFrame) -> pd.Series[Any]:
        returns = hold(prices)
        prices.iloc[:] = 1.0
        return returns

    paths = make_paths(noise(3))
    before = paths.prices.copy()
    history = next(iter(paths))
    result = strategy_distribution({"spoil": spoil, "hold": hold}, paths, history=history)
    assert (paths.prices == before).all()
    assert (history.to_numpy() == before[0]).all()
    spoilt, held = (result.table.xs(name, level="variant").to_numpy() for name in ("spoil", "hold"))
    assert spoilt == pytest.approx(held)


@pytest.mark.parametrize("strategy", [momentum, mean_reversion])
def test_reference_strategies_do_not_know_the_future(strategy: Callable[[pd.DataFrame, int], pd.Series[Any]]) -> None:
    prices = seen(make_paths(noise(1, 200, 3)))
    changed = prices.copy()
    changed.iloc[100:] *= np.random.default_rng(1).uniform(0.5, 2, (len(prices) - 100, 3))
    before = prices.index[:100]
    one, other = (strategy(frame, 20) for frame in (prices, changed))
    assert one.loc[: before[-1]].equals(other.loc[: before[-1]])
    assert len(one.loc[: before[-1]]) == 100 - 21
    # the first return after the change is of the old positions
    position = np.sign(prices.iloc[99] - prices.iloc[79])
    side = 1 if strategy is momentum else -1
    assert other.iloc[100 - 21] == pytest.approx(side * (position * (changed.iloc[100] / prices.iloc[99] - 1)).mean())


def test_momentum_earns_on_trends_and_mean_reversion_on_swings() -> None:
    trend = np.full((1, 79, 2), 0.01) * [1, -1]
    swing = 0.01 * np.where(np.arange(79) % 2, 1, -1)[None, :, None]
    variants = {"momentum": lambda p: momentum(p, 1), "reversion": lambda p: mean_reversion(p, 1)}
    earned = {
        name: strategy_distribution(variants, make_paths(r), periods_per_year=78).table["annual_return"].to_numpy()
        for name, r in {"trend": trend, "swing": swing}.items()
    }
    each = (np.expm1(0.01) - np.expm1(-0.01)) / 2  # long the one that rises, short the one that falls
    assert earned["trend"] == pytest.approx([(1 + each) ** 78 - 1, (1 - each) ** 78 - 1])
    up_and_down = (1 + np.expm1(0.01)) * (1 - np.expm1(-0.01)), (1 - np.expm1(0.01)) * (1 + np.expm1(-0.01))
    assert earned["swing"] == pytest.approx([up_and_down[1] ** 39 - 1, up_and_down[0] ** 39 - 1])


# history --------------------------------------------------------------------------------------------------------------


def test_ranks_are_shares_of_paths_below_the_history() -> None:
    paths = make_paths(noise(50))
    history = seen(make_paths(noise(50)[[7]]))  # path 7 itself
    result = strategy_distribution({"hold": hold, "cash": cash}, paths, history=history)
    assert result.historical is not None
    assert result.ranks is not None
    held = result.table.xs("hold", level="variant")
    assert result.historical.loc["hold"].to_numpy() == pytest.approx(held.loc[7].to_numpy())
    for figure in ("annual_return", "sharpe", "max_drawdown", "var_5"):
        below = (held[figure] < held[figure][7]).mean() + 0.5 / 50  # the tie with itself counts half
        assert result.ranks[figure]["hold"] == pytest.approx(below)
    assert result.ranks["annual_return"]["cash"] == 0.5
    assert np.isnan(result.ranks["sharpe"]["cash"])
    summary = result.summary()
    assert summary["historical"]["hold", "sharpe"] == result.historical["sharpe"]["hold"]
    assert summary["rank"]["hold", "sharpe"] == result.ranks["sharpe"]["hold"]
    assert summary["low"]["hold", "sharpe"] == pytest.approx(held["sharpe"].quantile(0.05))
    assert "<table" in result._repr_html_()


def test_the_rank_of_a_history_of_the_same_law_is_uniform() -> None:
    paths = make_paths(noise(60))
    ranks = []
    for seed in range(40):
        history = seen(make_paths(noise(1, seed=100 + seed)))
        found = strategy_distribution(hold, paths, history=history).ranks
        assert found is not None
        ranks.append(found["sharpe"]["hold"])
    assert stats.kstest(ranks, "uniform").pvalue > 0.01


def test_a_history_of_another_length_is_used_with_a_warning() -> None:
    paths, history = make_paths(noise(2)), seen(make_paths(noise(1, 300)))
    with pytest.warns(DataWarning, match="the history has 300 steps and the paths 60"):
        strategy_distribution(hold, paths, history=history)


def test_the_history_may_hold_other_columns_in_another_order() -> None:
    paths = make_paths(noise(3, assets=2))
    history = seen(make_paths(noise(1, assets=3)))[["C", "B", "A"]]
    result = strategy_distribution(lambda p: p["A"].pct_change().iloc[1:] * (p.shape[1] == 2), paths, history=history)
    assert result.historical is not None
    expected = history["A"].pct_change().iloc[1:].std() * 252**0.5
    assert result.historical["volatility"].item() == pytest.approx(expected)
    assert result.historical.index.tolist() == ["strategy"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda h: h.rename(columns={"A": "X"}), "the history has no column A, .* it has X"),
        (lambda h: h.iloc[::-1], "ascending dates"),
        (lambda h: h.reset_index(drop=True), "not RangeIndex"),
        (lambda h: h * 0, "prices must be positive"),
    ],
)
def test_a_history_that_cannot_be_used(spoil: Callable[[pd.DataFrame], pd.DataFrame], words: str) -> None:
    paths = make_paths(noise(2))
    with pytest.raises(DataError, match=words):
        strategy_distribution(hold, paths, history=spoil(next(iter(paths))))


# several variants -----------------------------------------------------------------------------------------------------


def skilled(edge: float, seed: int) -> Strategy:
    """A strategy that adds an edge to noise of its own, drawn anew on each path."""

    def strategy(prices: pd.DataFrame) -> pd.Series[Any]:
        rng = np.random.default_rng([seed, int(1e9 * prices.to_numpy()[-1, 0]) % 2**32])
        return pd.Series(rng.normal(edge, 0.01, len(prices) - 1), index=prices.index[1:])

    return strategy


def test_a_variant_with_skill_is_not_overfitted_and_noise_is() -> None:
    paths = make_paths(noise(100, 250))
    history = seen(make_paths(noise(1, 250, seed=9)))
    lucky = {f"v{i}": skilled(0.0, i) for i in range(8)}
    good = strategy_distribution(lucky | {"good": skilled(0.006, 99)}, paths, history=history)
    assert good.best == "good"
    assert good.pbo is not None
    assert good.pbo < 0.01
    assert good.best_below_median == 0
    assert good.deflated_sharpe["good"] > 0.95 > good.deflated_sharpe.drop("good").max()
    none = strategy_distribution(lucky, paths, history=history)
    assert none.best_below_median == pytest.approx(0.5, abs=4 * 0.5 / 100**0.5)
    assert none.deflated_sharpe.max() < 0.95
    between = strategy_distribution(lucky, paths)
    assert between.pbo == pytest.approx(0.5, abs=0.05)
    assert between.historical is None
    assert between.ranks is None
    assert between.best is None
    assert between.best_below_median is None


def test_overfitting_between_paths_counts_all_pairs() -> None:
    variants = {f"v{i}": skilled(0.0005 * i, i) for i in range(4)}
    result = strategy_distribution(variants, make_paths(noise(12)))
    sharpe = result.table["sharpe"].unstack("variant")[list(variants)].to_numpy()
    below = [sharpe[j, sharpe[i].argmax()] <= np.median(sharpe[j]) for i in range(12) for j in range(12) if i != j]
    assert result.pbo == pytest.approx(np.mean(below))
    assert result.deflated_sharpe.index.tolist() == list(variants)


def test_a_single_variant_has_nothing_to_choose_from() -> None:
    paths = make_paths(noise(3))
    result = strategy_distribution(hold, paths, history=seen(paths))
    assert result.pbo is None
    assert result.best_below_median is None
    r = np.expm1(paths.returns[1, :, 0])
    expected = probabilistic_sharpe_ratio(
        r.mean() / r.std(ddof=1), len(r), float(stats.skew(r)), float(stats.kurtosis(r, fisher=False))
    )
    assert result.table["deflated_sharpe"].iloc[1] == pytest.approx(expected)


def test_variants_with_different_warm_ups_are_compared_on_common_steps() -> None:
    paths = make_paths(noise(3, 120))
    history = seen(paths)
    windows = {f"{w} days": partial(momentum, window=w) for w in (1, 5, 40)}
    result = strategy_distribution(windows, paths, history=history)
    common = pd.DataFrame({name: strategy(history) for name, strategy in windows.items()}).dropna()
    assert len(common) == 120 - 40
    assert result.pbo == probability_of_backtest_overfitting(common)


def test_the_table_keeps_the_order_of_the_variants() -> None:
    variants = {"z": hold, "a": cash, "m": momentum}
    paths = make_paths(noise(2, 100))
    result = strategy_distribution(variants, paths, history=seen(paths))
    assert result.table.index.get_level_values("variant").tolist() == 2 * ["z", "a", "m"]
    assert result.summary().index.get_level_values("variant").unique().tolist() == ["z", "a", "m"]
    assert result.historical is not None
    assert result.historical.index.tolist() == ["z", "a", "m"]


# probability of backtest overfitting ----------------------------------------------------------------------------------


def by_hand(returns: Floats, blocks: int) -> float:
    """CSCV as the paper tells it, one combination after the other."""
    parts, logits = np.array_split(returns, blocks), []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[i] for i in chosen])
        outside = np.concatenate([parts[i] for i in range(blocks) if i not in chosen])
        best = (inside.mean(axis=0) / inside.std(axis=0, ddof=1)).argmax()
        rank = stats.rankdata(outside.mean(axis=0) / outside.std(axis=0, ddof=1))[best] / (returns.shape[1] + 1)
        logits.append(np.log(rank / (1 - rank)))
    return float((np.array(logits) <= 0).mean())


@pytest.mark.parametrize(("variants", "blocks", "rows"), [(2, 2, 40), (5, 6, 101), (8, 8, 333), (3, 10, 64)])
def test_overfitting_agrees_with_the_paper_step_by_step(variants: int, blocks: int, rows: int) -> None:
    rng = np.random.default_rng(variants)
    returns = rng.normal(np.linspace(0, 0.05, variants), np.linspace(0.5, 2, variants), (rows, variants))
    found = probability_of_backtest_overfitting(pd.DataFrame(returns), blocks)
    assert found == pytest.approx(by_hand(returns, blocks))
    assert 0 < found < 1 or blocks == 2


def test_noise_is_overfitted_half_of_the_time() -> None:
    found = [
        probability_of_backtest_overfitting(pd.DataFrame(np.random.default_rng(seed).standard_t(4, (160, 10))), 10)
        for seed in range(200)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=3 * np.std(found) / 200**0.5)


def test_overfitting_is_nought_of_a_dominant_variant_and_one_of_a_reversal() -> None:
    returns = np.random.default_rng(0).normal(0, 0.01, (320, 6))
    dominant = returns.copy()
    dominant[:, 3] += 0.01
    assert probability_of_backtest_overfitting(pd.DataFrame(dominant)) == 0
    early, late = np.repeat([[1.0, 0.0]], 100, axis=0), np.repeat([[0.0, 1.0]], 100, axis=0)
    reversal = 0.1 * np.concatenate([early, late]) + 0.01 * np.random.default_rng(1).standard_normal((200, 2))
    assert probability_of_backtest_overfitting(pd.DataFrame(reversal), 2) == 1


def test_overfitting_ignores_the_unit_and_the_order_of_variants() -> None:
    returns = pd.DataFrame(np.random.default_rng(5).normal(0.02, 1, (200, 4)))
    found = probability_of_backtest_overfitting(returns)
    assert probability_of_backtest_overfitting(100 * returns) == pytest.approx(found)
    assert probability_of_backtest_overfitting(returns.iloc[:, [2, 0, 3, 1]]) == pytest.approx(found)


def test_a_constant_variant_has_a_sharpe_ratio_of_zero() -> None:
    rng = np.random.default_rng(6)
    interest = np.full(200, 1e-4) * (1 + 1e-13 * rng.standard_normal(200))  # as rounded prices have it
    losing, winning = rng.normal([[-0.05], [0.05]], 0.01, (2, 200))
    assert probability_of_backtest_overfitting(pd.DataFrame({"cash": interest, "losing": losing})) == 0
    assert probability_of_backtest_overfitting(pd.DataFrame({"cash": interest, "winning": winning})) == 0


@pytest.mark.parametrize(
    ("returns", "blocks", "error", "words"),
    [
        (np.zeros((100, 1)), 16, DataError, "2 or more variants"),
        (np.zeros((31, 3)), 16, DataError, "need 32 common returns .* there are 31"),
        (np.full((100, 3), np.nan), 16, DataError, "300 of 300 returns are missing"),
        (np.zeros((100, 3)), 7, ConfigError, "even number from 2 to 20, not 7"),
        (np.zeros((100, 3)), 22, ConfigError, "even number from 2 to 20, not 22"),
    ],
)
def test_overfitting_refuses_what_it_cannot_use(
    returns: Floats, blocks: int, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        probability_of_backtest_overfitting(pd.DataFrame(returns), blocks)


# Sharpe ratios --------------------------------------------------------------------------------------------------------


def test_deflated_sharpe_ratio_is_that_of_the_paper() -> None:
    # Bailey and López de Prado (2014): annual 2.5 from 1,250 days, 250 a year, best of N with an annual variance of 1/2
    annual = 250
    found = [deflated_sharpe_ratio(2.5 / annual**0.5, n, 0.5 / annual, 1250, -3, 10) for n in (100, 46)]
    assert found == pytest.approx([0.9004, 0.9505], abs=5e-5)
    normal = deflated_sharpe_ratio(2.5 / annual**0.5, 88, 0.5 / annual, 1250)
    assert normal == pytest.approx(0.95, abs=5e-3)  # "N = 88 for the same confidence under normal returns"


def test_probabilistic_sharpe_ratio_is_that_of_the_paper() -> None:
    # Bailey and López de Prado (2012), 24 monthly returns
    assert probabilistic_sharpe_ratio(0.458, 24) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic_sharpe_ratio(0.458, 24, -2.448, 10.164) == pytest.approx(0.913, abs=5e-4)


def test_probabilistic_sharpe_ratio_of_the_truth_is_uniform() -> None:
    true, n = 0.3, 500
    draws = np.random.default_rng(0).standard_gamma(4, (2000, n))  # skewness 1, kurtosis 4.5
    returns = (draws - 4) / 2 + true
    sharpes = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
    found = [probabilistic_sharpe_ratio(s, n, 1.0, 4.5, true) for s in sharpes]
    assert stats.kstest(found, "uniform").pvalue > 0.01
    wrong = [probabilistic_sharpe_ratio(s, n, -1.0, 4.5, true) for s in sharpes]
    assert stats.kstest(wrong, "uniform").pvalue < 1e-4


@pytest.mark.parametrize("n", [5, 20, 100, 1000])
def test_the_deflation_is_the_expected_maximum_of_the_trials(n: int) -> None:
    draws = 0.02 * np.random.default_rng(n).standard_normal((20_000, n)).max(axis=1)
    assert deflated_sharpe_ratio(draws.mean(), n, 0.02**2, 1000) == pytest.approx(0.5, abs=0.03)


def test_one_trial_deflates_nothing_and_more_deflate_more() -> None:
    trials = [deflated_sharpe_ratio(0.1, n, 0.01, 250, -0.5, 6) for n in (1, 2, 5, 50)]
    assert trials[0] == probabilistic_sharpe_ratio(0.1, 250, -0.5, 6)
    assert trials == sorted(trials, reverse=True)
    assert deflated_sharpe_ratio(0.1, 50, 0.0, 250) == probabilistic_sharpe_ratio(0.1, 250)


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"n_obs must be 2 or more returns, not 1"):
        probabilistic_sharpe_ratio(0.1, 1)
    with pytest.raises(ConfigError, match=r"at least 1 \+ skew², here 10, not 7; is it the excess over 3\?"):
        probabilistic_sharpe_ratio(0.1, 100, -3, 7)
    with pytest.raises(ConfigError, match=r"n_trials must be 1 or more"):
        deflated_sharpe_ratio(0.1, 0, 0.1, 100)
    with pytest.raises(ConfigError, match=r"sharpe_variance 0 or more, not 5 and -1"):
        deflated_sharpe_ratio(0.1, 5, -1, 100)


# processes and progress -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("pickled_by_value")
def test_processes_change_nothing() -> None:
    scale = 2.0  # held by the closure
    variants: dict[str, Strategy] = {"lambda": lambda p: scale * momentum(p, 5), "hold": hold}
    paths = make_paths(noise(130))
    history = seen(paths)
    one, two = (strategy_distribution(variants, paths, history=history, jobs=jobs) for jobs in (None, 2))
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)
    assert one.pbo == two.pbo
    with pytest.raises(DataError, match="strategy 'late' failed on path 101: ZeroDivisionError: ") as caught:
        strategy_distribution({"hold": hold, "late": fails_on(paths, 101)}, paths, jobs=2)
    assert caught.value.__cause__ is not None
    lock = threading.Lock()
    with pytest.raises(ConfigError, match="use jobs=1"):
        strategy_distribution({"lock": lambda p: hold(p) * (lock is not None)}, paths, jobs=2)


def test_progress_is_told_from_nought_to_one() -> None:
    told: list[tuple[str, float]] = []
    strategy_distribution(hold, make_paths(noise(30)), progress=lambda stage, share: told.append((stage, share)))
    shares = [share for _, share in told]
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(shares)
    assert {stage for stage, _ in told} == {"paths"}


def test_a_bar_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    strategy_distribution(hold, make_paths(noise(3)), progress=True)
    out, err = capsys.readouterr()
    assert not out
    assert "100%" in err


# errors ---------------------------------------------------------------------------------------------------------------


def fails_on(paths: Paths, number: int) -> Strategy:
    last = paths.prices[number, -1, 0]

    def strategy(prices: pd.DataFrame) -> pd.Series[Any]:
        if prices.iloc[-1, 0] == last:
            1 / 0  # noqa: B018
        return hold(prices)

    return strategy


def test_a_strategy_that_fails_is_named_with_its_path() -> None:
    paths = make_paths(noise(9))
    with pytest.raises(DataError, match=r"'late' failed on path 6: ZeroDivisionError: division by zero") as caught:
        strategy_distribution({"hold": hold, "late": fails_on(paths, 6)}, paths)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(DataError, match=r"'late' failed on the history: ZeroDivisionError"):
        strategy_distribution({"late": fails_on(paths, 6)}, paths, history=seen(make_paths(paths.returns[[6]])))


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        (lambda p: hold(p).to_numpy(), "expected a pandas Series .* got ndarray"),
        (lambda p: p.pct_change().iloc[1:], "got DataFrame; return one of its columns"),
        (lambda p: None, "got NoneType"),
        (lambda p: hold(p).iloc[:0], "returned nothing; its warm-up must be shorter than the 61 prices"),
        (lambda p: momentum(p, 100), "returned nothing"),
        (lambda p: hold(p).reset_index(drop=True), "60 of 60 returns are on dates that the prices do not have"),
        (lambda p: hold(p).shift(freq="B"), "1 of 60 returns .* index them like the prices, 2023-12-29 to 2024-03-22"),
        (lambda p: pd.concat([hold(p), hold(p).iloc[:1]]), "a date more than once"),
        (lambda p: hold(p) > 0, "expected returns as numbers, got the dtype bool"),
        (lambda p: hold(p).astype(str), "expected returns as numbers"),
        (lambda p: p.pct_change().mean(axis=1), r"return of 2023-12-29 is nan \(1 of 61 .*dropna"),
        (lambda p: hold(p) * np.inf, "are missing or infinite"),
        (lambda p: hold(p).iloc[-1:], "needs 2 returns, got 1"),
    ],
)
def test_what_a_strategy_must_not_return(strategy: Strategy, words: str) -> None:
    with pytest.raises(DataError, match=rf"strategy 'mine' on path 0.*{words}"):
        strategy_distribution({"mine": strategy}, make_paths(noise(2)))


def test_options_that_are_not_possible() -> None:
    paths, wrong = make_paths(noise(2)), {"a": 1}
    with pytest.raises(ConfigError, match="mapping of strategies is empty"):
        strategy_distribution({}, paths)
    with pytest.raises(ConfigError, match=r"strategy 'a' must be a callable .* not int"):
        strategy_distribution(wrong, paths)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="periods_per_year must be a positive number"):
        strategy_distribution(hold, paths, periods_per_year=0)
    with pytest.raises(DataError, match=r"paths must be Paths or a long table .* not list"):
        strategy_distribution(hold, [paths])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="there are no paths"):
        strategy_distribution(hold, make_paths(noise(0)))
    with pytest.raises(DataError, match="at least 2 steps"):
        strategy_distribution(hold, make_paths(noise(2, 1)))
    with pytest.raises(DataError, match="expected the columns path, date"):
        strategy_distribution(hold, next(iter(paths)))
    with pytest.raises(ConfigError, match="window must be 1 step or more, not 0"):
        momentum(next(iter(paths)), 0)
