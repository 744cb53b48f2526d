"""Facts of paths beside pandas, and goals: met or not, and how far away."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tsgan.events import FACTS, NEAR, Aim, Goal, fact, portfolio
from tsgan.returns import Floats

YEAR = 252.0
LENGTH = 40


def some(n: int = 60, length: int = LENGTH, assets: int = 3, seed: int = 0) -> Floats:
    """Log returns of paths, calm and wild ones, of assets that differ."""
    rng = np.random.default_rng(seed)
    scale = np.exp(rng.normal(-4.5, 0.5, (n, 1, 1))) * np.linspace(0.3, 2, assets)
    return np.asarray(scale * rng.standard_t(5, (n, length, assets)))


def by_pandas(returns: Floats, asset: int | None) -> pd.DataFrame:
    """The four facts of every path, from simple prices one path at a time."""
    rows = []
    for path in returns:
        prices = pd.DataFrame(np.vstack([np.ones(path.shape[1]), np.exp(path).cumprod(axis=0)]))
        value = prices.mean(axis=1) if asset is None else prices[asset]  # equal money: one unit in each at the start
        log = pd.Series(np.log(value)).diff().dropna()
        rows.append(
            {
                "return": value.iloc[-1] / value.iloc[0] - 1,
                "drawdown": (1 - value / value.cummax()).max(),
                "volatility": log.std(ddof=0) * YEAR**0.5,
                "trend": log.mean() * YEAR,
            }
        )
    return pd.DataFrame(rows)


def goal(name: str, low: float, high: float, asset: int | None = None) -> Goal:
    return Goal(name, asset, low, high)


def value(name: str, number: float, asset: int | None = None) -> Goal:
    return Goal(name, asset, number, number)


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("asset", [None, 0, 2])
@pytest.mark.parametrize("assets", [1, 3])
def test_facts_are_those_of_prices(name: str, asset: int | None, assets: int) -> None:
    returns = some(assets=assets)
    asset = None if asset is None else min(asset, assets - 1)
    np.testing.assert_allclose(
        fact(returns, value(name, 0, asset), YEAR), by_pandas(returns, asset)[name], rtol=1e-9, atol=1e-13
    )


def test_a_drawdown_counts_from_the_start_price() -> None:
    falling = np.full((1, 5, 1), np.log(0.9))
    np.testing.assert_allclose(fact(falling, value("drawdown", 0), YEAR), 1 - 0.9**5)
    assert fact(-falling, value("drawdown", 0), YEAR) == 0


def test_the_portfolio_of_one_asset_is_the_asset_and_of_equal_ones_each_of_them() -> None:
    returns = some(assets=1)
    np.testing.assert_array_equal(portfolio(returns), returns[:, :, 0])
    np.testing.assert_allclose(portfolio(np.repeat(returns, 4, axis=2)), returns[:, :, 0], atol=1e-14)


def test_what_holds_for_each_order_of_the_assets() -> None:
    returns = some()
    for name in FACTS:
        np.testing.assert_allclose(
            fact(returns[:, :, ::-1], value(name, 0), YEAR), fact(returns, value(name, 0), YEAR), rtol=1e-12
        )


# how far --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("asset", [None, 1])
def test_distance_is_0_where_the_fact_lies_between_the_bounds_and_only_there(name: str, asset: int | None) -> None:
    returns = some(300)
    facts = fact(returns, value(name, 0, asset), YEAR)
    low, high = np.quantile(facts, (0.3, 0.6))
    aim = Aim((goal(name, low, high, asset),), returns, YEAR)
    np.testing.assert_array_equal(aim.distance(returns) == 0, (low <= facts) & (facts <= high))
    assert (aim.distance(returns) >= 0).all()


@pytest.mark.parametrize("name", FACTS)
def test_distance_grows_with_what_is_missing(name: str) -> None:
    returns = some(300)
    facts = fact(returns, value(name, 0), YEAR)
    low = np.quantile(facts, 0.9)
    distance = Aim((goal(name, low, 10.0 if name != "drawdown" else 1),), returns, YEAR).distance(returns)
    order = np.argsort(facts)
    assert (np.diff(distance[order]) <= 0).all()
    assert distance[order][0] > 0


def test_bounds_belong_to_the_event() -> None:
    returns = np.zeros((1, LENGTH, 1))
    for name in FACTS:
        assert Aim((goal(name, 0, 0.5),), some(assets=1), YEAR).distance(returns) == 0
        assert Aim((goal(name, -0.5, 0),), some(assets=1), YEAR).distance(returns) == 0


def test_the_farthest_goal_counts_and_all_must_be_met() -> None:
    returns = some(300)
    one = goal("return", -0.05, 0.05, 0)
    other = goal("drawdown", 0.05, 1)
    both, first, second = (Aim(goals, returns, YEAR).distance(returns) for goals in ((one, other), (one,), (other,)))
    np.testing.assert_array_equal(both, np.maximum(first, second))


def test_distances_have_no_unit() -> None:
    """Paths with all returns doubled are as far from a return doubled in logs."""
    returns = some(300)
    low = np.log(1.1)
    one = Aim((goal("return", np.expm1(low), 1e6, 0),), returns, YEAR).distance(returns)
    two = Aim((goal("return", np.expm1(2 * low), 1e6, 0),), 2 * returns, YEAR).distance(2 * returns)
    np.testing.assert_allclose(one, two, rtol=1e-9)


def test_without_goals_everything_is_met() -> None:
    returns = some()
    aim = Aim((), returns, YEAR)
    assert (aim.distance(returns) == 0).all()
    np.testing.assert_array_equal(aim.adjust(returns), returns)


def test_a_drawdown_of_0_is_an_event_and_no_value() -> None:
    rising = np.abs(some(4))
    aim = Aim((goal("drawdown", 0, 0),), some(), YEAR)
    almost = rising.copy()
    almost[:, 7] = -1e-4
    np.testing.assert_array_equal(aim.adjust(almost), almost)
    assert (aim.distance(rising) == 0).all()
    assert (aim.distance(almost) > 0).all()


# values ---------------------------------------------------------------------------------------------------------------

VALUES = {"return": -0.03, "volatility": 0.2, "trend": -0.4}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(("assets", "asset"), [(1, None), (1, 0), (3, 1)])
@pytest.mark.parametrize("length", [5, LENGTH, 300])
def test_near_paths_are_taken_onto_the_value_exactly(name: str, assets: int, asset: int | None, length: int) -> None:
    returns = some(4000, length, assets)
    wanted = value(name, float(np.quantile(fact(returns, value(name, 0, asset), YEAR), 0.4)), asset)
    aim = Aim((wanted,), returns, YEAR)
    adjusted = aim.adjust(returns)
    met = aim.distance(adjusted) == 0
    assert 0.02 < met.mean() < 0.5
    np.testing.assert_allclose(fact(adjusted[met], wanted, YEAR), wanted.low, rtol=1e-9, atol=1e-12)
    far = np.abs(fact(adjusted[~met], wanted, YEAR) - wanted.low)
    assert far.min() > 1e-4 * abs(wanted.low)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(("assets", "asset"), [(1, None), (3, None), (3, 1)])
def test_far_paths_and_other_assets_are_left_alone(name: str, assets: int, asset: int | None) -> None:
    returns = some(2000, assets=assets)
    given = returns.copy()
    wanted = value(name, VALUES[name], asset)
    aim = Aim((wanted,), returns, YEAR)
    adjusted = aim.adjust(returns)
    np.testing.assert_array_equal(returns, given)  # the paths that came in are the caller's
    far = aim.distance(returns) > 1
    assert far.any()
    np.testing.assert_allclose(adjusted[far], returns[far], rtol=1e-9, atol=1e-15)
    if asset is not None:
        np.testing.assert_array_equal(adjusted[:, :, :asset], returns[:, :, :asset])
        np.testing.assert_array_equal(adjusted[:, :, asset + 1 :], returns[:, :, asset + 1 :])


@pytest.mark.parametrize("name", ["return", "trend"])
def test_what_is_added_is_less_than_chance_adds(name: str) -> None:
    returns = some(2000)
    aim = Aim((value(name, VALUES[name]),), returns, YEAR)
    added = (aim.adjust(returns) - returns).sum(axis=1)
    assert np.abs(added).max() > 0
    deviation = portfolio(returns).sum(axis=1).std()
    assert np.abs(added).max() <= NEAR * deviation * (1 + 1e-9)
    np.testing.assert_allclose(added, np.repeat(added[:, :1], 3, axis=1), atol=1e-12)  # every asset alike


def test_a_calm_asset_meets_its_value_as_a_wild_one_does() -> None:
    """A return that is tiny beside others' must not be met by being small."""
    calm = some(4000, 20, 1) / 100
    wanted = value("return", -0.0005)
    aim = Aim((wanted,), calm, YEAR)
    adjusted = aim.adjust(calm)
    met = aim.distance(adjusted) == 0
    np.testing.assert_allclose(fact(adjusted[met], wanted, YEAR), -0.0005, atol=1e-12)
    assert met.mean() < 0.3


@pytest.mark.parametrize("level", [0.1, 0.2, 0.4])
def test_a_portfolio_meets_its_volatility_nearly(level: float) -> None:
    returns = some(4000)
    wanted = value("volatility", level)
    aim = Aim((wanted,), returns, YEAR)
    adjusted = aim.adjust(returns)
    met = aim.distance(adjusted) == 0
    assert met.any()
    np.testing.assert_allclose(fact(adjusted[met], wanted, YEAR), level, rtol=3e-3)


def test_a_portfolio_meets_its_return_exactly() -> None:
    returns = some(4000)
    wanted = value("return", -0.03)
    aim = Aim((wanted,), returns, YEAR)
    adjusted = aim.adjust(returns)
    met = aim.distance(adjusted) == 0
    np.testing.assert_allclose(fact(adjusted[met], wanted, YEAR), -0.03, atol=1e-12)


def test_a_return_and_a_volatility_are_met_together() -> None:
    returns = some(20_000, assets=1)
    goals = (value("return", -0.03), value("volatility", 0.2, 0))
    for order in (goals, goals[::-1]):
        aim = Aim(order, returns, YEAR)
        adjusted = aim.adjust(returns)
        met = aim.distance(adjusted) == 0
        assert met.any()
        np.testing.assert_allclose(fact(adjusted[met], goals[0], YEAR), -0.03, atol=1e-12)
        np.testing.assert_allclose(fact(adjusted[met], goals[1], YEAR), 0.2, rtol=1e-9)


def test_values_of_a_portfolio_and_of_an_asset_are_met_together() -> None:
    returns = some(20_000)
    goals = (value("return", -0.04, 2), value("return", -0.03))
    aim = Aim(goals, returns, YEAR)
    adjusted = aim.adjust(returns)
    met = aim.distance(adjusted) == 0
    assert met.any()
    np.testing.assert_allclose(fact(adjusted[met], goals[0], YEAR), -0.04, atol=1e-12)
    np.testing.assert_allclose(fact(adjusted[met], goals[1], YEAR), -0.03, atol=2e-3)


def test_a_path_is_adjusted_alone() -> None:
    """What happens to a path does not depend on which others are there."""
    returns = some(200)
    aim = Aim((value("return", -0.03), value("volatility", 0.2, 1)), returns, YEAR)
    np.testing.assert_allclose(aim.adjust(returns)[50:60], aim.adjust(returns[50:60]), rtol=1e-12, atol=1e-15)
