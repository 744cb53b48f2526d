"""Paths that reach what was asked for: every one of them, as often as chance has it, whatever their number."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from tsgan import TSGAN, ConfigError, Paths
from tsgan.regimes import NAMES, Regimes
from tsgan.returns import Floats

LENGTH = 20
YEAR = 252  # steps, of the business days of the fixtures


def facts(paths: Paths, asset: str | None = None) -> pd.DataFrame:
    """Facts of every path, from its prices alone; None for equal money in all assets."""
    start = np.broadcast_to(paths.start_price, (len(paths), 1, len(paths.columns)))
    relative = np.concatenate([start, paths.prices], axis=1) / paths.start_price
    value = relative.mean(axis=2) if asset is None else relative[:, :, paths.columns.index(asset)]
    log = np.diff(np.log(value), axis=1)
    return pd.DataFrame(
        {
            "return": value[:, -1] - 1,
            "drawdown": (1 - value / np.maximum.accumulate(value, axis=1)).max(axis=1),
            "volatility": log.std(axis=1) * YEAR**0.5,
            "trend": log.mean(axis=1) * YEAR,
            "worst step": log.min(axis=1),
        }
    )


def shortfall(values: Floats) -> float:
    """Mean of the worst 5 %."""
    return float(np.sort(values.ravel())[: math.ceil(0.05 * values.size)].mean())


@pytest.fixture(scope="module")
def plain(model: TSGAN) -> pd.DataFrame:
    return facts(model.sample(20_000, LENGTH, random_state=100))


@pytest.fixture(scope="module")
def plain_panel(panel_model: TSGAN) -> dict[str | None, pd.DataFrame]:
    paths = panel_model.sample(12_000, 20, random_state=100)
    return {asset: facts(paths, asset) for asset in (None, *paths.columns)}


# every path -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "method"),
    [
        ({"return": (None, -0.05)}, "rejection"),
        ({"return": (0.05, 0.1)}, "rejection"),
        ({"return": (None, -0.15)}, "splitting"),
        ({"return": (0.2, None)}, "splitting"),
        ({"return": (-0.13, -0.129)}, "splitting"),
        ({"drawdown": (0.08, None)}, "rejection"),
        ({"drawdown": (None, 0.02)}, "rejection"),
        ({"drawdown": (0.15, None)}, "splitting"),
        ({"drawdown": (None, 0.002)}, "splitting"),
        ({"volatility": (0.2, None)}, "rejection"),
        ({"volatility": (None, 0.05)}, "splitting"),
        ({"trend": (0.5, None)}, "rejection"),
        ({"GARCH": (None, -0.02), "drawdown": (None, 0.05), "volatility": (0.12, 0.2)}, "rejection"),
        ({"return": (0.1, None), "drawdown": (0.08, None)}, "splitting"),
    ],
)
def test_an_event_holds_on_every_path(model: TSGAN, condition: dict[str, Any], method: str) -> None:
    paths = model.sample(150, LENGTH, condition=condition, random_state=1)
    measured = facts(paths)
    for name, (low, high) in condition.items():
        values = measured["return" if name == "GARCH" else name]
        assert values.min() >= (-np.inf if low is None else low) - 1e-12
        assert values.max() <= (np.inf if high is None else high) + 1e-12
    assert len(np.unique(measured["worst step"])) > 100
    assert paths.conditioning is not None
    assert paths.conditioning.method == method


@pytest.mark.parametrize(
    ("condition", "method"),
    [
        ({"STOCK": (None, -0.05)}, "rejection"),
        ({"STOCK": (None, -0.1)}, "splitting"),
        ({"return": (None, -0.05)}, "rejection"),
        ({"COIN:drawdown": (0.2, None), "BOND:return": (0.001, None)}, "rejection"),
        ({"COIN:volatility": (None, 0.3), "return": (0.01, 0.05)}, "rejection"),
    ],
)
def test_an_event_of_a_panel_holds_on_every_path(panel_model: TSGAN, condition: dict[str, Any], method: str) -> None:
    paths = panel_model.sample(120, 20, condition=condition, random_state=1)
    for name, (low, high) in condition.items():
        asset, _, fact = name.partition(":") if name[0].isupper() else (None, "", name)
        values = facts(paths, asset)[fact or "return"]
        assert values.min() >= (-np.inf if low is None else low) - 1e-12
        assert values.max() <= (np.inf if high is None else high) + 1e-12
    assert paths.conditioning is not None
    assert paths.conditioning.method == method


@pytest.mark.parametrize("wanted", [-0.12, -0.03, 0.001])
def test_a_return_is_met_exactly(model: TSGAN, wanted: float) -> None:
    paths = model.sample(100, LENGTH, condition={"return": wanted}, random_state=1)
    np.testing.assert_allclose(facts(paths)["return"], wanted, atol=1e-9)
    assert len(np.unique(paths.returns[:, 0, 0])) > 50
    assert paths.conditioning is not None
    assert paths.conditioning.probability is None
    assert paths.conditioning.interval is None


@pytest.mark.parametrize("name", ["BOND", "STOCK", "COIN"])
@pytest.mark.parametrize("wanted", [-0.2, 0.5])
def test_an_asset_meets_its_return_exactly_whether_it_is_calm_or_wild(
    panel_model: TSGAN, plain_panel: dict[str | None, pd.DataFrame], name: str, wanted: float
) -> None:
    wanted *= plain_panel[name]["return"].std()
    paths = panel_model.sample(100, 20, condition={name: wanted}, random_state=1)
    np.testing.assert_allclose(facts(paths, name)["return"], wanted, atol=1e-9)


def test_a_portfolio_meets_its_return_exactly(panel_model: TSGAN) -> None:
    paths = panel_model.sample(100, 20, condition={"return": -0.03}, random_state=1)
    np.testing.assert_allclose(facts(paths)["return"], -0.03, atol=1e-9)
    assert facts(paths, "COIN")["return"].std() > 0.01


@pytest.mark.parametrize("wanted", [0.07, 0.15, 0.5])
def test_a_volatility_is_met_exactly(model: TSGAN, wanted: float) -> None:
    paths = model.sample(100, LENGTH, condition={"volatility": wanted}, random_state=1)
    np.testing.assert_allclose(facts(paths)["volatility"], wanted, rtol=1e-6)


def test_a_portfolio_meets_its_volatility_nearly_and_an_asset_exactly(panel_model: TSGAN) -> None:
    for wanted in (0.1, 0.2, 0.4):
        paths = panel_model.sample(100, 20, condition={"volatility": wanted}, random_state=1)
        np.testing.assert_allclose(facts(paths)["volatility"], wanted, rtol=3e-3)
    paths = panel_model.sample(100, 20, condition={"STOCK:volatility": 0.25}, random_state=1)
    np.testing.assert_allclose(facts(paths, "STOCK")["volatility"], 0.25, rtol=1e-6)


def test_the_trend_of_a_path_can_be_a_value_too(model: TSGAN) -> None:
    for length in (10, 60):
        paths = model.sample(100, length, condition={"trend": (0.3, 0.3)}, random_state=1)
        np.testing.assert_allclose(facts(paths)["trend"], 0.3, atol=1e-9)


def test_each_path_has_its_own_return(model: TSGAN, panel_model: TSGAN) -> None:
    wanted = np.random.default_rng(0).uniform(-0.08, 0.08, 150)
    paths = model.sample(150, LENGTH, condition={"return": wanted}, random_state=1)
    np.testing.assert_allclose(facts(paths)["return"], wanted, atol=1e-9)
    assert paths.conditioning is not None
    assert paths.conditioning.method == "by value"
    assert paths.conditioning.effective_samples == 150
    for name in ("STOCK", "return"):
        paths = panel_model.sample(100, 20, condition={name: list(wanted[:100])}, random_state=1)
        np.testing.assert_allclose(
            facts(paths, "STOCK" if name == "STOCK" else None)["return"], wanted[:100], atol=1e-9
        )
    assert facts(paths, "COIN")["return"].std() > 0.05


def test_a_rare_return_of_its_own_is_reached_by_splitting(model: TSGAN) -> None:
    wanted = np.array([-0.25, 0.0, -0.25, 0.01, -0.251])
    paths = model.sample(5, LENGTH, condition={"return": wanted}, random_state=1)
    np.testing.assert_allclose(facts(paths)["return"], wanted, atol=1e-9)
    assert len(np.unique(paths.returns[:, 0, 0])) == 5


def test_what_is_moved_onto_a_value_is_moved_little(model: TSGAN) -> None:
    """Steps of paths with a common return are as spread as those of paths that have it by chance."""
    by_value = model.sample(300, LENGTH, condition={"return": 0.01}, random_state=1).returns
    by_chance = model.sample(300, LENGTH, condition={"return": (0.005, 0.015)}, random_state=2).returns
    np.testing.assert_allclose(by_value.std(), by_chance.std(), rtol=0.08)


# whatever their number ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "method"),
    [
        ({"return": (None, -0.05)}, "rejection"),
        ({"return": (None, -0.12)}, "splitting"),
        ({"volatility": 0.2}, "rejection"),
        ({"volatility": 0.5}, "splitting"),
        ({"regime": "stressed", "trend": 0.2}, "rejection"),
    ],
)
def test_path_i_does_not_depend_on_how_many_are_drawn(model: TSGAN, condition: dict[str, Any], method: str) -> None:
    many, few = (model.sample(n, 12, condition=condition, random_state=3) for n in (200, 50))
    assert np.array_equal(many.returns[:50], few.returns)
    assert many.conditioning is not None
    assert few.conditioning is not None
    assert few.conditioning.method == many.conditioning.method == method
    assert few.conditioning.probability == many.conditioning.probability
    assert few.conditioning.interval == many.conditioning.interval
    assert few.conditioning.effective_samples <= many.conditioning.effective_samples <= 200


@pytest.mark.parametrize("low", [-0.05, -0.12])
def test_same_seed_same_bits(model: TSGAN, low: float) -> None:
    one, two, other = (model.sample(50, 10, condition={"return": (None, low)}, random_state=s) for s in (3, 3, 4))
    assert np.array_equal(one.returns, two.returns)
    assert one.conditioning == two.conditioning
    assert not np.isclose(one.returns, other.returns).all(axis=(1, 2)).any()


@pytest.mark.parametrize("low", [-0.04, -0.12])
def test_nor_beyond_a_thousand(model: TSGAN, low: float) -> None:
    """Paths are made a thousand at a time."""
    many, few = (model.sample(n, 10, condition={"return": (None, low)}, random_state=3) for n in (1100, 30))
    assert np.array_equal(many.returns[:30], few.returns)
    assert not np.isin(many.returns[1024:, 0, 0], many.returns[:1024, 0, 0]).any()
    assert facts(many)["return"].max() <= low + 1e-12


def test_each_value_is_met_the_same_way_however_many_follow(model: TSGAN) -> None:
    wanted = np.random.default_rng(0).uniform(-0.08, 0.08, 100)
    many, few = (model.sample(n, LENGTH, condition={"return": wanted[:n]}, random_state=1).returns for n in (100, 20))
    assert np.array_equal(many[:20], few)


def test_no_condition_changes_nothing(model: TSGAN) -> None:
    one = model.sample(20, LENGTH, random_state=1)
    two = model.sample(20, LENGTH, condition={}, random_state=1)
    assert np.array_equal(one.returns, two.returns)
    assert one.conditioning is two.conditioning is None


# as often as chance has it --------------------------------------------------------------------------------------------


def agrees(paths: Paths, share: float, n: int) -> bool:
    """Whether the stated probability is the share of n plain paths, within three joint standard errors in logs."""
    met = paths.conditioning
    assert met is not None
    assert met.probability is not None
    assert met.interval is not None
    low, high = met.interval
    assert 0 <= low < met.probability < high <= 1
    error = math.hypot(math.log(high / met.probability) / 1.96, math.sqrt((1 - share) / (share * n)))
    return abs(math.log(met.probability / share)) < 3 * error


@pytest.mark.parametrize(
    ("condition", "name", "sign"),
    [
        ({"return": (None, -0.05)}, "return", -1),
        ({"drawdown": (0.08, None)}, "drawdown", 1),
        ({"volatility": (0.2, None)}, "volatility", 1),
        ({"trend": (0.5, None)}, "trend", 1),
    ],
)
def test_the_probability_is_the_share_of_plain_paths(
    model: TSGAN, plain: pd.DataFrame, condition: dict[str, Any], name: str, sign: int
) -> None:
    bound = next(b for b in condition[name] if b is not None)
    share = float((sign * plain[name] >= sign * bound).mean())
    paths = model.sample(100, LENGTH, condition=condition, random_state=1)
    assert paths.conditioning is not None
    assert paths.conditioning.method == "rejection"
    assert agrees(paths, share, len(plain))


@pytest.mark.parametrize(
    ("name", "share"), [("return", 0.01), ("return", 0.001), ("drawdown", 0.005), ("volatility", 0.005)]
)
def test_so_it_is_where_paths_are_reached_by_splitting(
    model: TSGAN, plain: pd.DataFrame, name: str, share: float
) -> None:
    bound = float(plain[name].quantile(share if name == "return" else 1 - share))
    condition = {name: (None, bound) if name == "return" else (bound, None)}
    paths = model.sample(100, LENGTH, condition=condition, random_state=2)
    assert paths.conditioning is not None
    assert paths.conditioning.method == "splitting"
    assert agrees(paths, share, len(plain))


@pytest.mark.parametrize(("asset", "share"), [(None, 0.1), ("STOCK", 0.007)])
def test_so_it_is_for_a_panel(
    panel_model: TSGAN, plain_panel: dict[str | None, pd.DataFrame], asset: str | None, share: float
) -> None:
    bound = float(plain_panel[asset]["return"].quantile(share))
    paths = panel_model.sample(50, 20, condition={asset or "return": (None, bound)}, random_state=2)
    assert agrees(paths, share, len(plain_panel[asset]))


def test_split_paths_are_those_that_chance_brings(model: TSGAN, plain: pd.DataFrame) -> None:
    """Facts that were not asked for, beside plain paths that had the rare return by chance."""
    bound = float(plain["return"].quantile(0.01))
    waited = plain[plain["return"] <= bound]
    runs = [model.sample(512, LENGTH, condition={"return": (None, bound)}, random_state=seed) for seed in range(3)]
    for name in ("return", "worst step", "volatility", "drawdown"):
        means = np.array([facts(run)[name].mean() for run in runs])
        error = math.hypot(means.std(ddof=1) / 3**0.5, waited[name].std() / len(waited) ** 0.5)
        assert abs(means.mean() - waited[name].mean()) < 4 * error, name


def test_rare_enough_has_common_ancestors_and_says_so(model: TSGAN) -> None:
    common, rare = (
        model.sample(200, LENGTH, condition={"return": (None, low)}, random_state=1).conditioning
        for low in (-0.03, -0.25)
    )
    assert common is not None
    assert rare is not None
    assert common.effective_samples == 200
    assert 1 <= rare.effective_samples < 200
    (sentence,) = common.sentences(200)
    assert sentence.startswith(
        f"{100 * (common.probability or 0):.3g} % of all paths do what was asked for (95 % interval"
    )
    said = rare.sentences(200)
    assert len(said) == 2
    assert "the 200 paths have common ancestors: they are worth" in said[1]
    value = model.sample(20, LENGTH, condition={"volatility": 0.15}, random_state=1).conditioning
    assert value is not None
    assert value.sentences(20) == []


# volatility, trend, regime, period ------------------------------------------------------------------------------------


def test_volatility_is_met_on_average_and_raises_the_shortfall(model: TSGAN, panel_model: TSGAN) -> None:
    for fitted, factors in ((model, (0.5, 1, 2, 3)), (panel_model, (0.5, 1, 2))):
        own = facts(fitted.sample(500, LENGTH, random_state=1))["volatility"].mean()
        steps, ends = [], []
        for factor in factors:
            paths = fitted.sample(150, LENGTH, condition={"volatility": factor * own}, random_state=1)
            measured = facts(paths)
            np.testing.assert_allclose(measured["volatility"].mean(), factor * own, rtol=0.05)
            steps.append(shortfall(paths.returns.mean(axis=2)))
            ends.append(shortfall(measured["return"].to_numpy()))
        assert steps == sorted(steps, reverse=True)
        assert ends == sorted(ends, reverse=True)


def test_a_volatility_is_no_flat_line(model: TSGAN) -> None:
    """Wild paths are wild as the market is: their volatility clusters, and they are not one path scaled."""
    paths = model.sample(200, 40, condition={"volatility": 0.3}, random_state=1).returns[:, :, 0]
    halves = paths[:, :20].std(axis=1) / paths[:, 20:].std(axis=1)
    assert np.log(halves).std() > 0.2
    correlation = np.array(np.corrcoef(paths))
    assert np.abs(correlation[np.triu_indices(200, 1)]).mean() < 0.3


@pytest.mark.parametrize(
    "condition", [{}, {"volatility": 0.12}, {"volatility": 0.3}, {"regime": "stressed"}, {"volatility": (0.2, None)}]
)
@pytest.mark.parametrize("trend", [-0.5, 0.3])
def test_a_trend_is_met_on_average(model: TSGAN, condition: dict[str, Any], trend: float) -> None:
    trends = facts(model.sample(1000, LENGTH, condition={"trend": trend, **condition}, random_state=5))["trend"]
    assert abs(trends.mean() - trend) < 3.5 * trends.std() / 1000**0.5


def test_a_trend_moves_every_step_alike(model: TSGAN) -> None:
    one, two = (model.sample(20, LENGTH, condition={"trend": t}, random_state=1).returns for t in (0.0, YEAR * 0.01))
    np.testing.assert_allclose(two - one, 0.01, atol=1e-12)


def test_the_trend_of_one_asset_leaves_the_others_alone(panel_model: TSGAN) -> None:
    plain = panel_model.sample(1000, 20, random_state=1)
    paths = panel_model.sample(1000, 20, condition={"STOCK:trend": 1.0, "BOND:trend": -0.1}, random_state=1)
    np.testing.assert_array_equal(paths.returns[:, :, 2], plain.returns[:, :, 2])
    for asset, trend in (("STOCK", 1.0), ("BOND", -0.1)):
        trends = facts(paths, asset)["trend"]
        assert abs(trends.mean() - trend) < 3.5 * trends.std() / 1000**0.5


@pytest.mark.parametrize("condition", [{}, {"volatility": 0.3}])
def test_the_trend_of_a_portfolio_is_that_of_its_value(panel_model: TSGAN, condition: dict[str, Any]) -> None:
    """Not the mean of its assets' trends, which is 3 % a year less here."""
    length, n = (252, 2000) if not condition else (40, 1000)
    paths = panel_model.sample(n, length, condition={"trend": 0.1, **condition}, random_state=5)
    trends = facts(paths)["trend"]
    assert abs(trends.mean() - 0.1) < 3.5 * trends.std() / n**0.5


@pytest.mark.parametrize("name", ["model", "panel_model"])
def test_regimes_keep_their_bounds_and_their_order(request: pytest.FixtureRequest, name: str) -> None:
    fitted: TSGAN = request.getfixturevalue(name)
    regimes, shortfalls = Regimes.of(fitted.returns_, YEAR), []
    for regime in NAMES:
        paths = fitted.sample(200, LENGTH, condition={"regime": regime}, random_state=1)
        low, high = regimes.bounds(regime)
        assert facts(paths)["volatility"].between(low - 1e-12, high + 1e-12).all()
        shortfalls.append(shortfall(paths.returns.mean(axis=2)))
    assert shortfalls == sorted(shortfalls, reverse=True)


def test_a_regime_of_a_short_path_is_where_it_starts(model: TSGAN) -> None:
    spreads = [model.sample(2000, 2, condition={"regime": name}, random_state=1).returns.std() for name in NAMES]
    assert spreads[0] < 0.9 * spreads[1] < 0.8 * spreads[2]


PERIOD = "2016-01-01:2016-03-31"


def period_volatility(prices: pd.DataFrame) -> float:
    """Annualised volatility of equal money over the period, from prices."""
    rows = prices.loc["2015-12-31":"2016-03-31"]
    value = (rows / rows.iloc[0]).mean(axis=1)
    return float(np.log(value).diff().dropna().std(ddof=0) * YEAR**0.5)


def test_like_a_period_is_as_volatile_as_it(model: TSGAN, prices: pd.DataFrame) -> None:
    paths = model.sample(100, LENGTH, like=PERIOD, random_state=1)
    np.testing.assert_allclose(facts(paths)["volatility"], period_volatility(prices), rtol=1e-6)
    months = model.sample(100, LENGTH, like="2016-01:2016-03", random_state=1)
    assert np.array_equal(months.returns, paths.returns)  # a month is all of it


def test_like_a_period_of_a_panel(panel_model: TSGAN, panel: pd.DataFrame) -> None:
    paths = panel_model.sample(100, 20, like=PERIOD, random_state=1)
    np.testing.assert_allclose(facts(paths)["volatility"], period_volatility(panel), rtol=3e-3)


def test_like_a_period_starts_there_and_a_condition_goes_before_its_volatility(model: TSGAN) -> None:
    calm, wild = (f"{d.date()}:{(d + pd.Timedelta(60, 'D')).date()}" for d in extremes(model))
    near = [model.sample(2000, 2, like=period, random_state=1).returns.std() for period in (calm, wild)]
    assert near[0] < near[1]
    paths = model.sample(50, LENGTH, like=wild, condition={"volatility": 0.1}, random_state=1)
    np.testing.assert_allclose(facts(paths)["volatility"], 0.1, rtol=1e-6)
    both = model.sample(50, LENGTH, like=wild, condition={"return": (None, -0.02)}, random_state=1)
    measured = facts(both)
    assert measured["return"].max() <= -0.02 + 1e-12
    np.testing.assert_allclose(measured["volatility"], measured["volatility"].iloc[0], rtol=1e-6)


def extremes(model: TSGAN) -> list[pd.Timestamp]:
    """Dates after the calmest and the wildest month, apart from the ends."""
    volatility = pd.Series(model.returns_[:, 0] ** 2, index=model.dates_[1:]).rolling(21).mean()[30:-60]
    return [volatility.index[int(volatility.argmin())], volatility.index[int(volatility.argmax())]]


NO_PERIODS: list[Any] = [
    "GFC", "crisis", "", ":", "2016", "2016-01-04", "2016-01-04:", ":2016-01-04", "a:b", "NaT:NaT", "1:2",
    "2016-01-04Z:2016-03-31", "2016-13-01:2016-14-01", "2016-01-04:2016-02-01:2016-03-01",
    5, ("2016-01-04", "2016-03-31"), ["gfc"], math.nan, {}, b"gfc",
]  # fmt: skip


@pytest.mark.parametrize(
    ("like", "sentences"),
    [
        ("gfc", ["fewer than 5 steps lie in 'gfc' (2007-10-09 to 2009-03-09)", "the model knows 2015-01-01 to"]),
        ("2001-01-01:2002-01-01", ["the model knows 2015-01-01 to", "name a period of at least 5 steps"]),
        ("2030-01-01:2031-01-01", ["the model knows 2015-01-01 to", "name a period of at least 5 steps"]),
        ("2016-03-31:2016-01-04", ["fewer than 5 steps"]),
        ("2016-01-04:2016-01-07", ["fewer than 5 steps"]),
        *((like, ["a period is FIRST:LAST, such as 2008-09-01:2009-03-31, or a name", "covid"]) for like in NO_PERIODS),
    ],
)
def test_a_period_that_is_none(model: TSGAN, like: Any, sentences: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        model.sample(5, LENGTH, like=like)
    for sentence in sentences:
        assert sentence in str(caught.value)


# together with everything else ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "condition",
    [
        {"return": (None, -0.05)},
        {"return": (None, -0.14)},
        {"volatility": 0.2},
        {"return": -0.03},
        {"regime": "calm"},
        {"trend": 0.5, "drawdown": (0.05, None)},
    ],
)
@pytest.mark.parametrize("start", ["last", "history"])
def test_paths_go_on_from_a_history(
    model: TSGAN, prices: pd.DataFrame, condition: dict[str, Any], start: Literal["last", "history"]
) -> None:
    history = prices.iloc[100:500]
    if start == "last":
        plain = model.sample(60, LENGTH, start="last", random_state=1)
        paths = model.sample(60, LENGTH, start="last", condition=condition, random_state=1)
        assert paths.start_price == prices.iloc[-1].to_numpy()
    else:
        plain = model.sample(60, LENGTH, history=history, random_state=1)
        paths = model.sample(60, LENGTH, history=history, condition=condition, random_state=1)
        assert paths.start_price == history.iloc[-1].to_numpy()
        assert paths.dates[0] == history.index[-1] + pd.offsets.BDay()
    assert paths.dates.equals(plain.dates)
    np.testing.assert_allclose(paths.prices[:, 0], paths.start_price * np.exp(paths.returns[:, 0]))
    measured = facts(paths)
    for name, wanted in condition.items():
        if name in ("return", "volatility", "drawdown"):
            low, high = wanted if isinstance(wanted, tuple) else (wanted, wanted)
            assert measured[name].min() >= (-np.inf if low is None else low) - 1e-9
            assert measured[name].max() <= (np.inf if high is None else high) + 1e-9


def test_the_probability_knows_the_state_of_the_history(model: TSGAN, prices: pd.DataFrame) -> None:
    signs = np.where(np.arange(60) % 2, 1.0, -1.0)
    probability = {}
    for name, size in (("calm", 0.001), ("wild", 0.03)):
        history = prices.iloc[-300:].copy()
        history.iloc[-60:, 0] = history.iloc[-61, 0] * np.exp(size * signs)
        met = model.sample(
            20, LENGTH, history=history, condition={"return": (None, -0.08)}, random_state=1
        ).conditioning
        assert met is not None
        probability[name] = met.probability
    assert probability["wild"] > 5 * probability["calm"]  # type: ignore[operator]


def test_start_price_and_start_date_go_with_a_condition(panel_model: TSGAN) -> None:
    paths = panel_model.sample(
        20,
        20,
        condition={"STOCK": (None, -0.05)},
        start_price={"BOND": 1, "STOCK": 2, "COIN": 3},
        start_date="2030-06-03",
    )
    assert paths.start_price.tolist() == [1, 2, 3]
    assert paths.dates[0] == pd.Timestamp("2030-06-03")
    assert (paths.prices[:, -1, 1] <= 2 * 0.95 + 1e-12).all()


def test_an_event_of_one_asset_leaves_the_others_free_but_takes_related_ones_with_it(
    panel_model: TSGAN, plain_panel: dict[str | None, pd.DataFrame]
) -> None:
    paths = panel_model.sample(300, 20, condition={"STOCK": (None, -0.1)}, random_state=1)
    assert facts(paths, "STOCK")["return"].max() <= -0.1
    free = {asset: plain_panel[asset]["return"] for asset in ("BOND", "COIN")}
    coin, bond = (facts(paths, asset)["return"] for asset in ("COIN", "BOND"))
    assert coin.mean() < free["COIN"].mean() - free["COIN"].std()
    assert coin.std() > 0.3 * free["COIN"].std()
    assert abs(bond.mean() - free["BOND"].mean()) < free["BOND"].std()


# refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "length"),
    [
        ({"return": (None, -0.9999)}, 2),
        ({"return": (50, None)}, 5),
        ({"volatility": 1e-9}, 6),
        ({"return": (None, -0.1), "drawdown": (None, 0.05)}, 4),
        ({"return": 0.01, "trend": (None, 0.0)}, 3),
        ({"return": [0.01, -0.9]}, 2),
    ],
)
def test_what_is_out_of_reach_is_refused_with_the_nearest_path(
    model: TSGAN, condition: dict[str, Any], length: int
) -> None:
    with pytest.raises(ConfigError, match=f"out of reach of {length} steps.*the nearest path has .*ask for less"):
        model.sample(2, length, condition=condition, random_state=1)


def test_a_step_down_where_most_steps_go_up(model: TSGAN) -> None:
    """Most paths of one step have no drawdown at all and are equally far away."""
    paths = model.sample(20, 1, condition={"drawdown": (0.02, None), "trend": 3.0}, random_state=1)
    assert facts(paths)["return"].max() <= -0.02 + 1e-12


@pytest.mark.parametrize("length", [1, 4])
@pytest.mark.parametrize(
    "condition", [{"volatility": 0.2}, {"volatility": (0.1, None)}, {"GARCH:volatility": (0.1, 1)}]
)
def test_a_few_steps_have_no_volatility(model: TSGAN, condition: dict[str, Any], length: int) -> None:
    with pytest.raises(ConfigError, match=f"paths of {length} steps have no volatility; .* length 5 or more"):
        model.sample(2, length, condition=condition)
    assert len(model.sample(2, 5, condition=condition, random_state=1)) == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"condition": {"return": [0.1, 0.2]}}, "one return a path is 2 values for 3 paths"),
        ({"condition": {"return": []}}, "one return a path is 0 values for 3 paths"),
        ({"condition": {"return": [0.0, 0.1, 0.2], "volatility": 0.2}}, "cannot be combined"),
        ({"condition": {"return": [0.0, 0.1, 0.2], "regime": "calm"}}, "cannot be combined"),
        ({"condition": {"return": [0.0, 0.1, 0.2]}, "like": PERIOD}, "cannot be combined"),
        ({"condition": {"regime": "calm", "volatility": 0.9}}, "the volatility of regime calm lies between 0 and"),
        ({"condition": {"regime": "stressed", "volatility": (None, 0.01)}}, "the volatility of regime stressed lies"),
        ({"condition": {"SPY": -0.1}}, "there is no condition 'SPY'"),
        ({"condition": {"VIX": 30}}, "condition_on=.* in the fit"),
        ({"like": PERIOD, "start": "last"}, "like says where the paths start"),
    ],
)
def test_what_cannot_be_asked_for(model: TSGAN, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        model.sample(3, LENGTH, **options)


def test_like_a_period_or_from_a_history_not_both(model: TSGAN, prices: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="like says where the paths start"):
        model.sample(3, LENGTH, like=PERIOD, history=prices)
