"""Paths of a model under a few conditions: the conditions are those of the data, the numbers those of the paths."""

from __future__ import annotations

import dataclasses
import shlex

import numpy as np
import pandas as pd
import pytest

from tsgan import TSGAN, Config, ConfigError
from tsgan.conditions import parse_given
from tsgan.evaluation.conditional import Case, conditions_table, under_conditions, worth
from tsgan.evaluation.risk import var_es
from tsgan.regimes import Regimes

QUICK = dataclasses.replace(
    Config().with_training(steps=0), warm_start=dataclasses.replace(Config().warm_start, steps=30)
)


@pytest.fixture(scope="module")
def drawn(model: TSGAN) -> list[Case]:
    return under_conditions(model, length=40, n=200)


def fitted(prices: pd.DataFrame, covariates: pd.DataFrame) -> TSGAN:
    return TSGAN(config=QUICK, random_state=0, device="cpu").fit(prices, covariates=covariates)


def numbers(prices: pd.DataFrame) -> pd.DataFrame:
    """A category and a skewed number."""
    rng = np.random.default_rng(3)
    mood = rng.choice(["rare", "flat", "very loud"], len(prices), p=[0.1, 0.3, 0.6])
    return pd.DataFrame({"mood": mood, "VIX": np.exp(3 + 0.4 * rng.standard_normal(len(prices)))}, prices.index)


def test_volatilities_are_met_and_are_multiples_of_the_data_s(drawn: list[Case], model: TSGAN) -> None:
    usual = model.returns_.std() * model.periods_per_year_**0.5
    for case, multiple in zip(drawn[-3:], (0.5, 1, 2), strict=True):
        assert case.bounds is not None
        assert case.bounds[0] == case.bounds[1] == pytest.approx(multiple * usual, rel=0.005)
        assert case.volatility == pytest.approx(case.bounds[0], rel=1e-6)


def test_regimes_lie_between_their_bounds(drawn: list[Case], model: TSGAN) -> None:
    regimes = Regimes.of(model.returns_, model.periods_per_year_)
    for case, name in zip(drawn[1:4], ("calm", "normal", "stressed"), strict=True):
        low, high = regimes.bounds(name)
        assert low <= case.volatility <= high
        assert case.bounds == (low or None, high if np.isfinite(high) else None)


def test_the_command_line_is_asked_for_the_same(drawn: list[Case], prices: pd.DataFrame) -> None:
    more = under_conditions(fitted(prices, numbers(prices)[["mood"]]), length=10, n=5)
    assert len(more) == 9
    for case in (*drawn, *more):
        option, value = shlex.split(case.option)
        if option == "--given":
            assert parse_given([value]) == case.ask["condition"]
        else:
            assert (option, value) == ("--start", case.ask["start"])


def test_a_number_is_given_at_its_deciles_before_any_category(prices: pd.DataFrame) -> None:
    covariates = numbers(prices)
    low, high = under_conditions(fitted(prices, covariates), length=10, n=5)[1:3]
    for case, level, words in ((low, 0.1, "low decile"), (high, 0.9, "high decile")):
        value = case.ask["condition"]["VIX"]
        assert value == pytest.approx(covariates["VIX"].quantile(level), rel=0.005)
        assert case.title == f"VIX {value:g}, {words}"


def test_the_most_frequent_categories_are_given_where_there_is_no_number(prices: pd.DataFrame) -> None:
    cases = under_conditions(fitted(prices, numbers(prices)[["mood"]]), length=10, n=5)
    assert [case.title for case in cases[1:3]] == ["mood very loud", "mood flat"]
    assert [case.row for case in cases] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_the_table_holds_the_numbers_of_the_paths(drawn: list[Case]) -> None:
    table = conditions_table(drawn)
    assert table["paths"].tolist() == [200] * 7
    assert [table[name][0] for name in ("method", "effective_samples", "probability")] == [None] * 3
    assert set(table["method"][1:]) <= {"rejection", "splitting"}
    assert table["probability"][4:].tolist() == [None] * 3  # of values
    assert drawn[0].paths is not None
    r = drawn[0].paths.returns[..., 0]
    for steps in (1, 10):
        sums = np.expm1(np.stack([r[:, i : i + steps].sum(axis=1) for i in range(40 - steps + 1)]).ravel())
        worst = np.sort(sums)[: int(0.025 * (len(sums) - 1)) + 1]
        assert table[f"es_{steps}"][0] == pytest.approx(worst.mean())


def test_the_shortfall_of_a_whole_path_is_that_of_var_es(panel_model: TSGAN) -> None:
    case = under_conditions(panel_model, length=10, n=100)[0]
    assert case.paths is not None
    assert conditions_table([case])["es_10"][0] == pytest.approx(
        float(var_es(case.paths, [0.025], weights=[1 / 3] * 3)["ES"].iloc[0])
    )
    np.testing.assert_allclose(worth(case.paths), 100 * (case.paths.prices / case.paths.start_price).mean(axis=2))


def test_few_and_short_paths_have_no_shortfall_and_impossible_ones_a_reason(model: TSGAN) -> None:
    table = conditions_table(under_conditions(model, length=4, n=8))
    assert table[["es_1", "es_10"]].isna().all(axis=None)
    assert [bool(reason) for reason in table["reason"]] == [False] * 4 + [True] * 3
    assert table["paths"].tolist() == [8] * 4 + [0] * 3


def test_the_seed_decides_and_progress_is_told(model: TSGAN, drawn: list[Case]) -> None:
    shares = list[float]()
    again = under_conditions(model, length=40, n=200, progress=shares.append)
    assert shares == pytest.approx(np.arange(1, 8) / 7)
    assert [case.volatility for case in again] == [case.volatility for case in drawn]


@pytest.mark.parametrize("options", [{"n": 0}, {"length": 0}, {"random_state": -1}])
def test_impossible_options_are_refused(model: TSGAN, options: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        under_conditions(model, **options)  # type: ignore[arg-type]
