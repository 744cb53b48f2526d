"""Conditions taken apart: every row of the table has one meaning, and what is not possible gets a sentence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsgan import ConfigError
from tsgan.conditions import Wish, parse_given, understand
from tsgan.events import FACTS, Goal
from tsgan.regimes import NAMES

ASSETS = ["SPY", "TLT", "EURUSD=X", "A:B"]
LEARNED = ["VIX", "weather"]
NOTHING = Wish((), None, (), None, {})


def wish(condition: Any, assets: list[str] = ASSETS) -> Wish:
    return understand(condition, assets, LEARNED)


def refusal(condition: Any, assets: list[str] = ASSETS) -> str:
    with pytest.raises(ConfigError) as caught:
        wish(condition, assets)
    return str(caught.value)


# what there is --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "goal"),
    [
        ({"volatility": 0.4}, Goal("volatility", None, 0.4, 0.4)),
        ({"volatility": (0.1, 0.2)}, Goal("volatility", None, 0.1, 0.2)),
        ({"volatility": (None, 0.2)}, Goal("volatility", None, 0, 0.2)),
        ({"volatility": (0.1, None)}, Goal("volatility", None, 0.1, math.inf)),
        ({"trend": (-0.1, 0.1)}, Goal("trend", None, -0.1, 0.1)),
        ({"trend": (None, 0.1)}, Goal("trend", None, -math.inf, 0.1)),
        ({"return": -0.2}, Goal("return", None, -0.2, -0.2)),
        ({"return": (None, -0.2)}, Goal("return", None, -1, -0.2)),
        ({"return": (-0.2, None)}, Goal("return", None, -0.2, math.inf)),
        ({"drawdown": (0.3, None)}, Goal("drawdown", None, 0.3, 1)),
        ({"drawdown": (None, 0.3)}, Goal("drawdown", None, 0, 0.3)),
        ({"drawdown": (None, 0)}, Goal("drawdown", None, 0, 0)),
        ({"drawdown": (0.1, 0.3)}, Goal("drawdown", None, 0.1, 0.3)),
        ({"TLT": 0.05}, Goal("return", 1, 0.05, 0.05)),
        ({"TLT": (None, -0.1)}, Goal("return", 1, -1, -0.1)),
        ({"TLT:return": (None, -0.1)}, Goal("return", 1, -1, -0.1)),
        ({"SPY:volatility": 0.3}, Goal("volatility", 0, 0.3, 0.3)),
        ({"EURUSD=X:drawdown": (0.1, None)}, Goal("drawdown", 2, 0.1, 1)),
        ({"A:B": 0.1}, Goal("return", 3, 0.1, 0.1)),
        ({"A:B:volatility": 0.1}, Goal("volatility", 3, 0.1, 0.1)),
        ({"SPY:trend": (0, None)}, Goal("trend", 0, 0, math.inf)),
    ],
)
def test_a_fact_of_a_path_is_a_goal(condition: dict[str, Any], goal: Goal) -> None:
    assert wish(condition) == NOTHING._replace(goals=(goal,))


def test_a_trend_is_an_expectation_not_a_goal() -> None:
    assert wish({"trend": 0.1}) == NOTHING._replace(trends=((None, 0.1),))
    both = wish({"SPY:trend": 0.1, "TLT:trend": -0.1})
    assert both == NOTHING._replace(trends=((0, 0.1), (1, -0.1)))


@pytest.mark.parametrize("values", [[0.1, -0.2], np.array([0.1, -0.2]), pd.Series([0.1, -0.2], index=[7, 9])])
@pytest.mark.parametrize(("name", "asset"), [("return", None), ("SPY", 0), ("TLT:return", 1)])
def test_a_return_can_have_a_value_for_each_path(values: Any, name: str, asset: int | None) -> None:
    result = wish({name: values})
    assert result.each is not None
    goal, each = result.each
    assert (goal.fact, goal.asset, result.goals) == ("return", asset, ())
    np.testing.assert_array_equal(each, [0.1, -0.2])


@pytest.mark.parametrize("name", NAMES)
def test_regimes(name: str) -> None:
    assert wish({"regime": name}) == NOTHING._replace(regime=name)


def test_covariates_go_through_untouched_and_before_facts_of_the_same_name() -> None:
    values = [1.0, None, "x"]
    assert wish({"VIX": values}).covariates["VIX"] is values
    assert understand({"SPY": 3}, ASSETS, ["SPY"]) == NOTHING._replace(covariates={"SPY": 3})
    assert understand({"regime": 3}, ASSETS, ["regime"]) == NOTHING._replace(covariates={"regime": 3})


@pytest.mark.parametrize("condition", [None, {}, pd.DataFrame()])
def test_no_condition(condition: Any) -> None:
    assert wish(condition) == NOTHING


def test_everything_together_and_all_kinds_of_numbers() -> None:
    result = wish(
        {
            "volatility": np.float32(0.5),
            "SPY": (np.float64(-0.5), np.int64(0)),
            "drawdown": (None, np.float16(0.5)),
            "TLT:trend": 1,
            "regime": "calm",
            "VIX": 20,
        }
    )
    assert result.goals == (
        Goal("volatility", None, 0.5, 0.5), Goal("return", 0, -0.5, 0), Goal("drawdown", None, 0, 0.5)
    )  # fmt: skip
    assert (result.trends, result.regime, result.covariates) == (((1, 1.0),), "calm", {"VIX": 20})


def test_covariates_have_values_and_no_bounds() -> None:
    with pytest.raises(ConfigError, match="VIX is a covariate: give its value"):
        understand(parse_given(["VIX<=20"]), ASSETS, ["VIX"])


def test_a_data_frame_gives_covariates_over_dates() -> None:
    table = pd.DataFrame({"VIX": [1.0, 2.0]}, index=pd.bdate_range("2024-01-01", periods=2))
    result = wish(table)
    pd.testing.assert_series_equal(result.covariates["VIX"], table["VIX"])
    assert "no condition 'VXI'" in refusal(table.rename(columns={"VIX": "VXI"}))
    assert "volatility must be a number" in refusal(table.rename(columns={"VIX": "volatility"}))


# what there is not ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["vol", "volatlity", "SPX", "SPY:vol", "SPY:", ":return", "return:SPY", " SPY", "", ":", 1, True, None, math.nan,
     ("SPY",), ("SPY", "return"), pd.Timestamp("2024-01-01"), b"SPY"],
)  # fmt: skip
def test_an_unknown_name_is_told_what_is_possible(name: Any) -> None:
    said = refusal({name: 0.1})
    assert f"there is no condition {name!r}" in said
    for possible in (*FACTS, "regime", *LEARNED, *ASSETS, "SPY:return"):
        assert possible in said


@pytest.mark.parametrize(
    ("name", "meant"),
    [("volatlity", "volatility"), ("SPYY", "SPY"), ("SPY:volatilty", "SPY:volatility"), ("VIXX", "VIX")],
)
def test_a_misspelt_name_is_guessed(name: str, meant: str) -> None:
    assert f"did you mean {meant!r}?" in refusal({name: 0.1})


def test_a_long_list_of_assets_is_cut() -> None:
    said = refusal({"nothing": 1}, [f"ASSET{i}" for i in range(500)])
    assert "…" in said
    assert len(said) < 500


@pytest.mark.parametrize(
    ("condition", "sentences"),
    [
        ({"volatility": 40}, ["such as 0.4 for 40 % a year and 20 at most, not 40"]),
        ({"volatility": 0}, ["volatility must be a number > 0", "not 0"]),
        ({"volatility": -0.1}, ["volatility must be a number > 0", "not -0.1"]),
        ({"volatility": (None, 0)}, ["volatility must be a number > 0"]),
        ({"return": -1}, ["return must be a number > -1", "not -1"]),
        ({"SPY": (None, -1.5)}, ["SPY must be a number > -1", "not -1.5"]),
        ({"SPY:volatility": "high"}, ["SPY:volatility must be a number > 0", "not 'high'"]),
        ({"return": [0.1, -2]}, ["return must be a number > -1", "not -2"]),
        ({"volatility": [0.1, 0.2]}, ["volatility must be a number > 0, or (low, high)", "not [0.1, 0.2]"]),
        ({"drawdown": 0.3}, ["drawdown needs bounds such as drawdown>=0.3 or (0.3, None)"]),
        ({"drawdown": (0.3, 0.3)}, ["drawdown needs bounds that differ"]),
        ({"drawdown": (1.2, None)}, ["drawdown must be bounds between 0 and 1", "not 1.2"]),
        ({"drawdown": (-0.1, None)}, ["drawdown must be bounds between 0 and 1", "not -0.1"]),
        ({"drawdown": (1, None)}, ["no path can have drawdown >= 1", "prices stay above 0"]),
        ({"volatility": (0.3, 0.2)}, ["no path can have volatility >= 0.3 and <= 0.2"]),
        ({"SPY": (0.3, 0.2)}, ["no path can have SPY >= 0.3 and <= 0.2"]),
        ({"return": (None, None)}, ["return needs (low, high), of which one may be None", "(None, None)"]),
        ({"return": ()}, ["return needs (low, high)"]),
        ({"return": (0.1,)}, ["return needs (low, high)"]),
        ({"trend": (0.1, 0.2, 0.3)}, ["trend needs (low, high)"]),
        ({"trend": "up"}, ["trend must be a number", "not 'up'"]),
        ({"regime": "wild"}, ["regime must be one of calm, normal, stressed", "not 'wild'", "tsgan info"]),
        ({"SPY": [0.1], "TLT": [0.1]}, ["only one return can have a value for each path"]),
        ({"SPY": (None, -0.2), "SPY:return": (-0.1, None)}, ["no path can have return >= -0.1 and <= -0.2"]),
        ({"trend": 0.1, "SPY:trend": 0.2}, ["cannot be given beside that of one asset", "SPY:trend"]),
        ({"SPY:trend": 0.2, "trend": 0.1}, ["cannot be given beside that of one asset", "SPY:trend"]),
    ],
)
def test_what_no_path_can_have_is_refused_with_what_is_possible(
    condition: dict[str, Any], sentences: list[str]
) -> None:
    said = refusal(condition)
    for sentence in sentences:
        assert sentence in said


def test_one_asset_is_all_assets() -> None:
    assert "no path can have return" in refusal({"return": (None, -0.2), "SPY": (-0.1, None)}, ["SPY"])
    assert wish({"return": (None, -0.1), "SPY": (-0.2, None)}, ["SPY"]).goals == (
        Goal("return", None, -1, -0.1), Goal("return", 0, -0.2, math.inf)
    )  # fmt: skip
    assert wish({"return": (None, -0.2), "SPY": (-0.1, None)})  # of several assets, another may fall


@pytest.mark.parametrize("condition", [5, 0, True, "volatility", "", [("volatility", 0.2)], ["volatility"], object()])
def test_a_condition_that_is_none(condition: Any) -> None:
    assert "a condition is a dict of names and values" in refusal(condition)


JUNK = [
    math.nan, math.inf, -math.inf, True, False, np.True_, None, "x", "", "0.2", "nan", b"1", 1j, 10**400, -(10**400),
    object(), type, slice(1), range(3), {}, {1: 2}, set(), [[1]], [None], ["a"], [math.nan], [True, 0.1], [[1], [1, 2]],
    [0.1, (1, 2)], (math.nan, 1), (1, math.inf), ("a", "b"), ({}, []), ("calm",), (True, False), (0.1, pd.NA),
    (np.array([0.1, 0.2]), 1), (pd.Series([1, 2]), None), ([1], None), np.array(1.0), np.array([[1.0, 2.0]]),
    np.array([math.nan]), np.array([True]), np.array(["calm"]), np.array(["calm", "normal"]), np.ma.masked,
    pd.Series([0.1, None]), pd.Series(["a"]), pd.Series(["calm", "normal"]), pd.DataFrame({"a": [1]}), pd.NA, pd.NaT,
    pd.Timestamp("2024-01-01"), pd.Timedelta(1, "D"), ["calm"], "CALM",
]  # fmt: skip


@pytest.mark.parametrize("name", [*FACTS, "regime", "SPY", "SPY:drawdown", "A:B:volatility"])
@pytest.mark.parametrize("value", JUNK, ids=lambda value: " ".join(repr(value)[:20].split()))  # without addresses
def test_junk_gets_one_short_line(name: str, value: Any) -> None:
    said = refusal({name: value})
    assert said.startswith(f"{name} ")
    assert "\n" not in said
    assert len(said) < 250


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text(max_size=5) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
        | st.lists(inner, max_size=3).map(lambda each: pd.Series(each, dtype=object))
    ),
    max_leaves=6,
)
names = st.sampled_from([*FACTS, "regime", "SPY", "TLT:return", "A:B:trend", "SPY:drawdown"]) | st.text(max_size=8)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(names, anything, max_size=3))
def test_anything_is_understood_or_refused(condition: dict[str, Any]) -> None:
    try:
        result = wish(condition)
    except ConfigError:
        return
    for goal in result.goals:
        assert goal.fact in FACTS
        assert goal.low <= goal.high
        assert not math.isnan(goal.low + goal.high) or {goal.low, goal.high} == {-math.inf, math.inf}
    assert all(math.isfinite(trend) for _, trend in result.trends)
    assert result.each is None or bool((result.each[1] > -1).all())
    assert result.regime in (None, *NAMES)


@settings(max_examples=200, deadline=None)
@given(st.floats(-0.99, 5), st.floats(-0.99, 5))
def test_bounds_come_in_order_or_not_at_all(one: float, two: float) -> None:
    low, high = sorted((one, two))
    assert wish({"return": (low, high)}).goals == (Goal("return", None, low, high),)
    if low < high:
        assert "the lower bound must come first" in refusal({"return": (high, low)})


# --given --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "condition"),
    [
        ([], {}),
        (["volatility=0.4"], {"volatility": 0.4}),
        (["return<=-0.2"], {"return": (None, -0.2)}),
        (["drawdown>=0.3"], {"drawdown": (0.3, None)}),
        (["return>=-0.3", "return<=-0.2"], {"return": (-0.3, -0.2)}),
        (["return<=-0.2", "return>=-0.3"], {"return": (-0.3, -0.2)}),
        ([" SPY  <= -1e-1 "], {"SPY": (None, -0.1)}),
        (["SPY:volatility=.3"], {"SPY:volatility": 0.3}),
        (["EURUSD=X=0.1"], {"EURUSD=X": 0.1}),
        (["EURUSD=X<=-0.1", "EURUSD=X>=-0.2"], {"EURUSD=X": (-0.2, -0.1)}),
        (["EURUSD=X:volatility=0.1"], {"EURUSD=X:volatility": 0.1}),
        (["regime=stressed", "VIX=30", "weather=very wet"], {"regime": "stressed", "VIX": 30.0, "weather": "very wet"}),
    ],
)
def test_given(texts: list[str], condition: dict[str, Any]) -> None:
    assert parse_given(texts) == condition
    wish(condition)


@pytest.mark.parametrize(
    "text",
    ["", "volatility", "volatility=", "=0.4", "<=0.4", "volatility<0.4", "volatility>0.4", "return=<0.2", "return=>0.2",
     "return<=>0.2", "return≤0.2", "vola\ntility=0.4"],
)  # fmt: skip
def test_a_text_that_is_no_condition(text: str) -> None:
    with pytest.raises(ConfigError, match="--given must be NAME=VALUE, NAME<=VALUE or NAME>=VALUE") as caught:
        parse_given([text])
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["return<=low", "return<=-20%%", "return>=-0,2", "regime<=calm"])
def test_a_bound_is_a_number(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--given .* needs a number, not "):
        parse_given([text])


@pytest.mark.parametrize(
    "texts",
    [
        ["return=0.1", "return=0.2"],
        ["return=0.1", "return=0.1"],
        ["return=0.1", "return>=0.1"],
        ["return<=0.1", "return=0.1"],
        ["return<=0.1", "return<=0.2"],
        ["return>=0.1", "return>=0.2"],
        ["return>=0", "return<=0.1", "return<=0.2"],
        ["return>=0", "return<=0.1", "return>=-0.2"],
        ["regime=calm", "regime=stressed"],
    ],
)
def test_a_name_is_given_once_or_as_two_bounds(texts: list[str]) -> None:
    with pytest.raises(ConfigError, match="twice; give it once, or one >= and one <="):
        parse_given(texts)


@pytest.mark.parametrize("texts", [["return=nan"], ["return<=inf"], ["volatility>=-inf"], ["return<=0", "return>=0.1"]])
def test_numbers_that_no_path_can_have_are_refused_in_the_end(texts: list[str]) -> None:
    refusal(parse_given(texts))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=12) | st.from_regex(r"[a-z]{1,4}(=|<=|>=)-?[0-9.]{1,4}", fullmatch=True), max_size=3))
def test_any_text_is_parsed_or_refused(texts: list[str]) -> None:
    try:
        condition = parse_given(texts)
    except ConfigError:
        return
    assert len(condition) <= len(texts)
    for value in condition.values():
        assert isinstance(value, float | str | tuple)


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["=", "<=", ">="]))
def test_numbers_survive_as_they_are(number: float, sign: str) -> None:
    value = parse_given([f"EURUSD=X{sign}{number!r}"])["EURUSD=X"]
    assert value == {"=": number, "<=": (None, number), ">=": (number, None)}[sign]


def test_a_percentage_is_its_hundredth() -> None:
    assert parse_given(["volatility=40%", "return<=-20%", "mood=5%up"]) == {
        "volatility": 0.4,
        "return": (None, -0.2),
        "mood": "5%up",
    }
