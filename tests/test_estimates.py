"""VaR and expected shortfall of paths: closed forms, intervals that cover, portfolios, and what is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tsgan import TSGAN, ConfigError, DataError, DataWarning, Paths
from tsgan.conditioning import Conditioning
from tsgan.evaluation import var_es
from tsgan.evaluation.forecasts import tail_of_sample
from tsgan.evaluation.risk.estimates import check_levels, horizon_values, tails, weight_vector
from tsgan.returns import Floats

LEVELS = (0.05, 0.025, 0.01)
COLUMNS = ["VaR", "VaR_low", "VaR_high", "ES", "ES_low", "ES_high"]


def make_paths(returns: Floats, start_price: float = 100.0) -> Paths:
    """Paths of (n, length, assets) log returns, assets A, B, ..."""
    _, length, assets = returns.shape
    dates = pd.bdate_range("2024-01-01", periods=length)
    return Paths(returns, np.full(assets, start_price), dates, [chr(65 + i) for i in range(assets)])


def one_step(values: Floats) -> Paths:
    return make_paths(values.reshape(len(values), 1, -1))


def normal_sample(n: int) -> Floats:
    """As even a sample of the standard normal law as there is, in random order."""
    return np.random.default_rng(0).permutation(stats.norm.ppf((np.arange(n) + 0.5) / n))


@pytest.fixture(scope="module")
def paths() -> Paths:
    return make_paths(np.random.default_rng(0).normal(2e-4, 0.02, (4_000, 5, 3)))


# figures --------------------------------------------------------------------------------------------------------------


def test_normal_draws_have_the_textbook_figures() -> None:
    table = var_es(one_step(normal_sample(400_000)), LEVELS)
    assert list(table.columns) == COLUMNS
    assert table.index.tolist() == list(LEVELS)
    assert table["VaR"].to_numpy() == pytest.approx([-1.645, -1.960, -2.326], abs=1e-3)
    assert table["ES"].to_numpy() == pytest.approx([-2.063, -2.338, -2.665], abs=1e-3)


@pytest.mark.parametrize("shape", [(1_000,), (4, 357), (2, 3, 101)])
def test_tails_are_those_of_a_sample_at_every_level_at_once(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(len(shape)).standard_t(3, shape)
    levels = (0.01, 0.3, 0.05, 0.1234, 0.499)
    before = values.copy()
    found = tails(values, levels)
    assert found.shape == (*shape[:-1], 2, len(levels))
    assert np.array_equal(values, before)
    for i, level in enumerate(levels):
        for figure, expected in enumerate(tail_of_sample(values, level)):
            assert found[..., figure, i] == pytest.approx(expected, rel=1e-12)
        assert found[..., 0, i] == pytest.approx(np.quantile(values, level, axis=-1), rel=1e-12)


def test_figures_move_and_stretch_with_the_draws() -> None:
    values = np.random.default_rng(1).standard_t(4, (3, 5_000))
    assert tails(0.3 * values + 2, LEVELS) == pytest.approx(0.3 * tails(values, LEVELS) + 2)
    assert tails(values[:, ::-1], LEVELS) == pytest.approx(tails(values, LEVELS))
    assert np.all(tails(values, LEVELS)[:, 1] < tails(values, LEVELS)[:, 0])


def test_of_equal_draws_both_figures_are_their_value() -> None:
    assert np.all(tails(np.full((2, 100), -0.25), LEVELS) == -0.25)


def test_an_asset_is_measured_in_log_returns_of_the_first_steps(paths: Paths) -> None:
    table = var_es(paths, LEVELS, horizon=2)
    assert table.index.names == ["asset", "level"]
    assert table.index.tolist() == [(asset, level) for asset in "ABC" for level in LEVELS]
    total = paths.returns[:, :2].sum(axis=1)
    for asset in range(3):
        for level in LEVELS:
            expected = tail_of_sample(total[:, asset], level)
            assert table.loc[(chr(65 + asset), level), ["VaR", "ES"]].to_numpy() == pytest.approx(expected)


def test_the_horizon_is_the_whole_length_by_default(paths: Paths) -> None:
    pd.testing.assert_frame_equal(var_es(paths, LEVELS), var_es(paths, LEVELS, horizon=5))
    assert not var_es(paths, LEVELS).equals(var_es(paths, LEVELS, horizon=4))


# portfolios and profits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [[0.5, 0.0, -2.0], {"C": -2, "A": 0.5}, pd.Series({"A": 0.5, "C": -2.0})])
def test_a_portfolio_is_bought_at_the_start_and_held(weights: Any, paths: Paths) -> None:
    table = var_es(paths, LEVELS, horizon=3, weights=weights)
    grown = np.exp(paths.returns[:, :3].sum(axis=1)) - 1
    expected = [tail_of_sample(0.5 * grown[:, 0] - 2 * grown[:, 2], level) for level in LEVELS]
    assert table.index.tolist() == list(LEVELS)
    assert table[["VaR", "ES"]].to_numpy() == pytest.approx(np.array(expected))


def test_profits_of_shares_held_are_the_portfolio_s(paths: Paths) -> None:
    portfolio = var_es(paths, LEVELS, horizon=3, weights=[0.2, 0.3, 0.5])

    def simple_return(prices: Floats) -> Floats:
        assert prices.shape == (4_000, 4, 3)
        assert np.all(prices[:, 0] == 100)
        return np.asarray((prices[:, -1] / prices[:, 0] - 1) @ [0.2, 0.3, 0.5])

    pd.testing.assert_frame_equal(var_es(paths, LEVELS, horizon=3, profit=simple_return), portfolio)
    pd.testing.assert_frame_equal(
        var_es(paths, LEVELS, horizon=3, profit=lambda p: 1e6 * simple_return(p)), 1e6 * portfolio
    )


def test_a_sold_call_loses_what_the_price_rises_above_its_strike() -> None:
    """One step of N(0, .1), a call at the money sold for 5: the figures are those of the upper tail of the price."""
    sold = var_es(
        one_step(0.1 * normal_sample(400_000)), (0.05,), profit=lambda p: 5 - np.maximum(p[:, -1, 0] - 100, 0)
    )
    z = stats.norm.ppf(0.95)
    assert sold["VaR"].to_numpy() == pytest.approx(105 - 100 * np.exp(0.1 * z), rel=1e-3)
    mean_price = 100 * np.exp(0.005) * stats.norm.cdf(0.1 - z) / 0.05  # of a log-normal price above its 95 % quantile
    assert sold["ES"].to_numpy() == pytest.approx(105 - mean_price, rel=1e-3)


def test_an_asset_that_is_not_held_does_not_matter_however_far_it_runs(paths: Paths) -> None:
    wild = paths.returns[:, :, :2].copy()
    wild[:3, :, 1] = 500.0  # prices beyond what numbers can hold
    alone = horizon_values(wild[:, :, :1], np.array([1.0]))
    assert np.array_equal(horizon_values(wild, np.array([1.0, 0.0])), alone)


# intervals ------------------------------------------------------------------------------------------------------------


def covered(draw: Callable[..., Floats], exact: tuple[float, float], n: int, level: float) -> tuple[float, float]:
    """Shares of 2,000 samples whose 95 % intervals hold the exact VaR and ES."""
    table = var_es(make_paths(draw(size=(n, 1, 2_000), random_state=1)), (level,))
    var, es = exact
    inside_var = (table["VaR_low"] <= var) & (var < table["VaR_high"])
    inside_es = (table["ES_low"] <= es) & (es <= table["ES_high"])
    return float(inside_var.mean()), float(inside_es.mean())


def shortfall(law: Any, level: float) -> float:
    return float(law.expect(lambda x: x, ub=law.ppf(level)) / level)


FOUR_ERRORS = 4 * np.sqrt(0.05 * 0.95 / 2_000)  # of the share of 2,000 intervals, each of which covers or does not


@pytest.mark.parametrize(("n", "level"), [(500, 0.05), (1_000, 0.01)])
def test_the_interval_of_the_quantile_covers_as_often_as_order_statistics_do(n: int, level: float) -> None:
    """The number of draws below the quantile is binomial, whatever the law, so that the coverage is known exactly."""
    below = stats.binom(n, level)
    low, high = below.ppf([0.025, 0.975])
    expected = below.cdf(high) - below.cdf(low - 1)
    assert 0.95 <= expected < 0.98
    for law in (stats.norm(), stats.t(4)):
        share, _ = covered(law.rvs, (law.ppf(level), shortfall(law, level)), n, level)
        assert share == pytest.approx(expected, abs=FOUR_ERRORS)


@pytest.mark.parametrize(
    ("law", "n", "level", "missed"),
    [
        (stats.norm(), 2_000, 0.05, 0.015),  # 100 draws in the tail
        (stats.norm(), 2_000, 0.01, 0.04),  # 20: their mean is not yet normal
        (stats.t(4), 2_000, 0.05, 0.05),  # a tail whose variance is itself badly known
    ],
)
def test_the_interval_of_the_shortfall_covers(law: Any, n: int, level: float, missed: float) -> None:
    """Large samples reach 95 %; the parameter ``missed`` says how much a tail of few or wild draws may cost."""
    _, share = covered(law.rvs, (law.ppf(level), shortfall(law, level)), n, level)
    assert 0.95 - missed - FOUR_ERRORS < share < 0.95 + FOUR_ERRORS


def test_relatives_are_worth_fewer_paths() -> None:
    alone = np.random.default_rng(2).standard_normal(1_000)
    family = Conditioning("splitting", 1_000.0, 0.01, (0.008, 0.012))
    dates = pd.bdate_range("2024-01-01", periods=1)
    told = Paths(np.repeat(alone, 4)[:, None, None], np.array([100.0]), dates, ["A"], family)
    honest, narrow = var_es(told, LEVELS), var_es(one_step(np.repeat(alone, 4)), LEVELS)
    ends = ["VaR_low", "VaR_high"]
    pd.testing.assert_frame_equal(honest[ends], var_es(one_step(alone), LEVELS)[ends])
    for figure in ("VaR", "ES"):
        width = [table[f"{figure}_high"] - table[f"{figure}_low"] for table in (honest, narrow)]
        assert np.all(width[0] > 1.5 * width[1])


def test_more_confidence_is_a_wider_interval_and_more_paths_a_narrower_one(paths: Paths) -> None:
    few = make_paths(paths.returns[:1_000])
    wide, usual, rough = var_es(paths, confidence=0.99), var_es(paths), var_es(few)
    for figure in ("VaR", "ES"):
        width = [t[f"{figure}_high"] - t[f"{figure}_low"] for t in (usual, wide, rough)]
        assert np.all(width[1] > width[0])
        assert np.median(width[2] / width[0]) == pytest.approx(2, abs=0.6)
        assert np.all((usual[f"{figure}_low"] < usual[figure]) & (usual[figure] < usual[f"{figure}_high"]))


def test_an_end_is_infinite_where_so_few_paths_say_nothing_about_it() -> None:
    values = np.random.default_rng(0).standard_normal(100)
    row = var_es(one_step(values), (0.01,)).loc[0.01]
    assert row["VaR_low"] == row["ES_low"] == -np.inf
    assert row["ES_high"] == np.inf
    assert np.isfinite(row[["VaR", "VaR_high", "ES"]]).all()
    assert var_es(one_step(values[:3]), (0.4,))["VaR_high"].tolist() == [np.inf]  # all three may lie below the quantile


# what is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"levels": (0.05, 0.5)}, "above 0 and below .5 such as .05, not 0.5"),
        ({"levels": (0,)}, "above 0 and below .5 such as .05, not 0"),
        ({"levels": (np.nan,)}, "above 0 and below .5 such as .05, not nan"),
        ({"levels": (0.05, 0.05)}, "one or more different numbers"),
        ({"levels": ()}, "one or more different numbers"),
        ({"levels": 0.05}, "levels must be a sequence of one or more different numbers, not 0.05"),
        ({"levels": ("low",)}, "levels must be numbers"),
        ({"levels": (1e-4,)}, "4,000 draws have none below the level 0.0001; take 10,000"),
        ({"horizon": 0}, "whole number of steps from 1 to the paths' 5, not 0"),
        ({"horizon": 6}, "whole number of steps from 1 to the paths' 5, not 6"),
        ({"horizon": True}, "whole number of steps"),
        ({"horizon": 1.5}, "whole number of steps"),
        ({"confidence": 1.0}, "confidence must lie between 0 and 1, not 1.0"),
        ({"weights": [1, 0, 0], "profit": lambda p: p[:, -1, 0]}, "give weights= or profit=, not both"),
    ],
)
def test_impossible_requests_get_a_sentence(options: dict[str, Any], sentence: str, paths: Paths) -> None:
    with pytest.raises(ConfigError, match=sentence):
        var_es(paths, **options)


@pytest.mark.parametrize(
    ("profit", "sentence"),
    [
        (lambda prices: prices[:, -1], r"each of the 4,000 paths, got the shape \(4000, 3\)"),
        (lambda prices: prices[:7, -1, 0], r"got the shape \(7,\)"),
        (lambda prices: np.where(np.arange(len(prices)) == 5, np.nan, 0.0), "got values that are not finite"),
    ],
)
def test_a_profit_that_is_no_number_a_path_is_refused(profit: Any, sentence: str, paths: Paths) -> None:
    with pytest.raises(DataError, match=sentence):
        var_es(paths, profit=profit)


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ([0.5, 0.5], r"the weights have the shape \(2,\), the prices 3 columns: A, B, C"),
        (1.0, r"the weights have the shape \(\)"),
        ("A", "weights must be numbers, not 'A'"),
        ({"A": 1, "D": 1}, "the weights name 'D'; the prices have the columns A, B, C"),
        ({}, "the weights are empty"),
        ({"A": "much"}, "weights must be numbers"),
        ({"A": None}, "finite and not all 0"),
        ([0, 0, 0], "finite and not all 0"),
        ([1, np.inf, 0], "finite and not all 0"),
        (pd.Series([0.5, 0.5], index=["A", "A"]), "name an asset more than once: A, A"),
    ],
)
def test_weights_that_fit_no_portfolio_are_refused(weights: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        weight_vector(weights, ["A", "B", "C"])


def test_levels_come_back_as_they_were_given() -> None:
    assert check_levels([0.01, 0.05, 1e-3]) == (0.01, 0.05, 0.001)
    assert check_levels(list(np.array([0.025]))) == (0.025,)


def test_what_is_no_paths_and_weights_in_percent_are_refused() -> None:
    with pytest.raises(DataError, match="var_es needs the Paths that a model's sample returns, got DataFrame"):
        var_es(pd.DataFrame())  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ConfigError, match=r"a weight of 60 is 6,000 % of the portfolio's value; write shares of 1"):
        weight_vector({"SPY": 60, "TLT": 40}, ["SPY", "TLT"])


def test_risk_of_random_days_is_said(model: TSGAN) -> None:
    with pytest.warns(DataWarning, match="state on random days.*start='last' or history="):
        var_es(model.sample(500, 2, random_state=0)[:400], (0.05,))
    with warnings.catch_warnings(action="error"):
        var_es(model.sample(500, 2, start="last", random_state=0), (0.05,))
