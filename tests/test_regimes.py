"""Regimes of a history whose calm and wild times are known."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tsgan import TSGAN
from tsgan.regimes import NAMES, Regimes
from tsgan.returns import Floats

YEAR = 252.0
CALM, WILD = 0.05, 0.5  # annualised


def history(*parts: tuple[int, float], assets: int = 1, seed: int = 0) -> Floats:
    """Log returns of stretches: steps and annualised volatility each."""
    rng = np.random.default_rng(seed)
    pieces = [volatility / YEAR**0.5 * rng.standard_normal((steps, assets)) for steps, volatility in parts]
    return np.concatenate(pieces)


def dates(returns: Floats) -> pd.DatetimeIndex:
    return pd.bdate_range("2020-01-01", periods=len(returns) + 1)


def described(returns: Floats) -> dict[str, dict[str, object]]:
    description = Regimes.of(returns, YEAR).describe(dates(returns))
    return {name: description[name] for name in NAMES}


@pytest.fixture(scope="module")
def halves() -> Floats:
    return history((500, CALM), (500, WILD))


def test_a_calm_half_and_a_wild_half(halves: Floats) -> None:
    labels = Regimes.of(halves, YEAR).labels
    assert len(labels) == len(halves) + 1
    assert set(labels[21:480]) <= {0, 1}
    assert (labels[21:480] == 0).mean() > 0.6
    assert set(labels[530:]) <= {1, 2}
    assert labels[530:].mean() > 1.1


def test_labels_follow_the_volatility_of_the_month_before(halves: Floats) -> None:
    regimes = Regimes.of(halves, YEAR)
    squares = halves[:, 0] ** 2
    for t in (21, 22, 100, 499, 520, 700, 1000):
        volatility = (squares[t - 21 : t].mean() * YEAR) ** 0.5
        low, high = regimes.bounds(NAMES[regimes.labels[t]])
        assert low < volatility <= high
    assert (regimes.labels[:21] == 1).all()  # nothing is known yet


def test_the_future_changes_no_label_but_through_the_borders(halves: Floats) -> None:
    regimes = Regimes.of(halves, YEAR)
    changed = halves.copy()
    changed[900:] = changed[900:][::-1]  # the same returns in another order
    again = Regimes.of(changed, YEAR)
    np.testing.assert_allclose(again.borders, regimes.borders, rtol=0.02)
    assert (again.labels[:901] == regimes.labels[:901]).mean() > 0.99


def test_borders_are_quantiles_of_the_monthly_volatility(halves: Floats) -> None:
    regimes = Regimes.of(halves, YEAR)
    low, high = regimes.borders
    assert 0.5 * CALM < low < 1.5 * CALM
    assert 0.9 * WILD < high < 1.6 * WILD
    shares = np.bincount(regimes.labels[21:]) / len(regimes.labels[21:])
    np.testing.assert_allclose(shares, (0.3, 0.6, 0.1), atol=0.01)


def test_bounds_cover_all_volatilities_without_overlap(halves: Floats) -> None:
    calm, normal, stressed = (Regimes.of(halves, YEAR).bounds(name) for name in NAMES)
    assert calm[0] == 0
    assert (calm[1], normal[1]) == (normal[0], stressed[0])
    assert stressed[1] == np.inf
    assert calm[1] < normal[1]


def test_units(halves: Floats) -> None:
    once, twice = Regimes.of(halves, YEAR), Regimes.of(2 * halves, YEAR)
    np.testing.assert_allclose(twice.borders, 2 * np.array(once.borders))
    np.testing.assert_array_equal(twice.labels, once.labels)
    np.testing.assert_allclose(Regimes.of(halves, 4 * YEAR).borders, 2 * np.array(once.borders))


def test_the_market_is_the_mean_of_its_assets() -> None:
    panel = history((200, CALM), (200, WILD), assets=3)
    one, alone = Regimes.of(panel, YEAR), Regimes.of(panel.mean(axis=1, keepdims=True), YEAR)
    assert one.borders == alone.borders
    np.testing.assert_array_equal(one.labels, alone.labels)
    np.testing.assert_array_equal(Regimes.of(panel[:, ::-1], YEAR).labels, one.labels)


# described ------------------------------------------------------------------------------------------------------------


def test_a_description_counts_what_the_labels_say(halves: Floats) -> None:
    regimes, days = Regimes.of(halves, YEAR), dates(halves)
    description = described(halves)
    assert sum(float(str(each["share"])) for each in description.values()) == pytest.approx(1, abs=0.002)
    for position, (name, each) in enumerate(description.items()):
        mine = pd.Series(regimes.labels == position, index=days)
        runs = mine[mine].groupby((mine != mine.shift()).cumsum()[mine])
        low, high = regimes.bounds(name)
        assert each["volatility"] == [round(low, 4), None if np.isinf(high) else round(high, 4)]
        assert each["share"] == pytest.approx(mine.mean(), abs=5e-4)
        assert each["stretches"] == len(runs)
        assert each["mean_steps"] == pytest.approx(runs.size().mean(), abs=0.05)
        assert each["persistence"] == pytest.approx(1 - len(runs) / mine.sum(), abs=5e-5)
        longest = runs.get_group(runs.size().idxmax()).index
        assert each["longest"] == [f"{longest[0]:%Y-%m-%d}", f"{longest[-1]:%Y-%m-%d}"]


def test_now_is_the_last_stretch(halves: Floats) -> None:
    for returns in (halves, halves[::-1], halves[:700]):
        labels, days = Regimes.of(returns, YEAR).labels, dates(returns)
        now = Regimes.of(returns, YEAR).describe(days)["now"]
        since = int(np.flatnonzero(labels != labels[-1]).max(initial=-1)) + 1
        assert now == {"regime": NAMES[labels[-1]], "since": f"{days[since]:%Y-%m-%d}"}


def test_the_longest_stretch_of_calm_lies_in_the_calm_time() -> None:
    returns = history((300, WILD), (400, CALM / 10), (300, WILD))
    days = dates(returns)
    first, last = (pd.Timestamp(str(text)) for text in described(returns)["calm"]["longest"])  # type: ignore[attr-defined]
    assert days[300] < first < last <= days[721]


def test_persistent_times_have_long_stretches() -> None:
    lasting = described(history(*((250, v) for v in (CALM, 0.15, WILD) * 3)))
    fleeting = described(history(*((21, v) for v in (CALM, 0.15, WILD) * 36)))
    for name in ("calm", "normal"):
        assert lasting[name]["mean_steps"] > fleeting[name]["mean_steps"]  # type: ignore[operator]
        assert 0 < lasting[name]["persistence"] < 1  # type: ignore[operator]


def test_a_description_is_plain_json_and_survives_it(halves: Floats, model: TSGAN) -> None:
    description = Regimes.of(halves, YEAR).describe(dates(halves))
    assert json.loads(json.dumps(description, allow_nan=False)) == description
    assert list(description) == ["now", *NAMES]
    of_a_model = model.describe()["regimes"]
    assert json.loads(json.dumps(of_a_model, allow_nan=False)) == of_a_model


@pytest.mark.parametrize("steps", [21, 22, 25, 40])
def test_a_short_history_is_mostly_normal_and_no_error(steps: int) -> None:
    returns = history((steps, 0.2))
    regimes = Regimes.of(returns, YEAR)
    assert np.isfinite(regimes.borders).all()
    assert len(regimes.labels) == steps + 1
    assert (regimes.labels[:21] == 1).all()
    description = regimes.describe(dates(returns))
    json.dumps(description, allow_nan=False)
    if steps == 21:
        assert description["stressed"] == {
            "volatility": [round(regimes.borders[1], 4), None], "share": 0.0, "stretches": 0, "mean_steps": None,
            "persistence": None, "longest": None,
        }  # fmt: skip


def test_a_market_that_never_changes() -> None:
    returns = np.tile([[0.01], [-0.01]], (100, 1))
    regimes = Regimes.of(returns, YEAR)
    np.testing.assert_allclose(regimes.borders, 0.01 * YEAR**0.5)
    json.dumps(regimes.describe(dates(returns)), allow_nan=False)
