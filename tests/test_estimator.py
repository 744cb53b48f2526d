"""TSGAN as users hold it: fit, sample, save, load."""

import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from tsgan import TSGAN, Config, ConfigError, DataError, DataWarning, Paths, TrainingWarning
from tsgan.datasets import load
from tsgan.procedure import candidates, rows_needed, slices
from tsgan.progress import Progress

TINY = Config().with_training(steps=2)


def test_paths_are_dated_positive_and_in_the_users_columns(panel_model: TSGAN, panel: pd.DataFrame) -> None:
    paths = panel_model.sample(7, length=30, random_state=1)
    assert isinstance(paths, Paths)
    assert paths.returns.shape == paths.prices.shape == (7, 30, 3)
    assert np.isfinite(paths.returns).all()
    assert (paths.prices > 0).all()
    assert paths.columns == list(panel.columns)
    assert paths.dates[0] > panel.index[-1]
    assert (paths.dates.day_of_week < 5).all()
    np.testing.assert_allclose(paths.prices[:, 0], panel.to_numpy()[-1] * np.exp(paths.returns[:, 0]))


@pytest.mark.parametrize("start", ["stationary", "last"])
def test_path_i_does_not_depend_on_how_many_are_drawn(model: TSGAN, start: Literal["stationary", "last"]) -> None:
    many = model.sample(1000, length=20, start=start, random_state=3).returns
    few = model.sample(10, length=20, start=start, random_state=3).returns
    assert np.array_equal(many[:10], few)
    assert not np.array_equal(few[0], few[1])
    assert not np.array_equal(many, model.sample(1000, length=20, start=start, random_state=4).returns)


def test_same_seed_same_model(prices: pd.DataFrame, model: TSGAN) -> None:
    again = TSGAN(config=TINY, random_state=0, device="cpu").fit(prices)
    other = TSGAN(config=TINY, random_state=1, device="cpu").fit(prices)
    for name, value in model.law_.generator.state_dict().items():
        assert torch.equal(value, again.law_.generator.state_dict()[name]), name
    assert not np.array_equal(model.sample(2, random_state=0).returns, other.sample(2, random_state=0).returns)


def test_scaling_all_prices_changes_no_return(prices: pd.DataFrame, model: TSGAN) -> None:
    again = TSGAN(config=TINY, random_state=0, device="cpu").fit(prices * 37.0)
    a, b = (m.sample(5, length=20, random_state=0) for m in (model, again))
    np.testing.assert_allclose(b.returns, a.returns, atol=1e-5)
    np.testing.assert_allclose(b.prices, 37 * a.prices, rtol=1e-4)


def test_file_round_trip_is_exact(panel_model: TSGAN, tmp_path: Path) -> None:
    panel_model.save(tmp_path / "model.tsgan")
    again = TSGAN.load(tmp_path / "model.tsgan", device="cpu")
    assert again.describe() == panel_model.describe()
    starts: tuple[Literal["stationary", "last"], ...] = ("stationary", "last")
    for start in starts:
        a, b = (m.sample(5, length=20, start=start, random_state=0) for m in (panel_model, again))
        assert np.array_equal(a.returns, b.returns)
        assert np.array_equal(a.prices, b.prices)
        assert a.dates.equals(b.dates)


def test_history_moves_state_price_and_date(model: TSGAN, prices: pd.DataFrame) -> None:
    calm, wild = prices.iloc[-300:].copy(), prices.iloc[-300:].copy()
    signs = np.where(np.arange(60) % 2, 1.0, -1.0)
    calm.iloc[-60:, 0] = calm.iloc[-61, 0] * np.exp(0.0005 * signs)
    wild.iloc[-60:, 0] = wild.iloc[-61, 0] * np.exp(0.04 * signs)
    spread = {}
    for name, history in (("calm", calm), ("wild", wild)):
        paths = model.sample(400, length=5, history=history, random_state=0)
        assert paths.start_price.tolist() == history.iloc[-1].tolist()
        assert paths.dates[0] > history.index[-1]
        spread[name] = paths.returns.std()
    assert spread["wild"] > 3 * spread["calm"]


def test_history_at_the_end_of_the_training_data_is_start_last(model: TSGAN, prices: pd.DataFrame) -> None:
    last = model.sample(5, length=10, start="last", random_state=0)
    for rows in (2, 50, len(prices)):
        history = model.sample(5, length=10, history=prices.iloc[-rows:], random_state=0)
        np.testing.assert_allclose(history.returns, last.returns, rtol=1e-4, atol=1e-6)
        assert history.dates.equals(last.dates)


def test_a_future_price_changes_nothing_before_it(model: TSGAN, prices: pd.DataFrame) -> None:
    history = prices.iloc[:400]
    planted = prices.copy()
    planted.iloc[400:] *= 1.3
    a = model.sample(5, length=10, history=history, random_state=0)
    b = model.sample(5, length=10, history=planted.iloc[:400], random_state=0)
    assert np.array_equal(a.returns, b.returns)
    states = model.law_.states(model.returns_)
    changed = model.returns_.copy()
    changed[400:] += 0.1
    assert torch.equal(states[:401], model.law_.states(changed)[:401])


def test_stationary_and_last_start_differ_in_state_only(model: TSGAN) -> None:
    a = model.sample(300, length=3, start="stationary", random_state=0)
    b = model.sample(300, length=3, start="last", random_state=0)
    assert a.dates.equals(b.dates)
    assert not np.array_equal(a.returns, b.returns)


def test_start_price_and_start_date(panel_model: TSGAN) -> None:
    paths = panel_model.sample(2, length=5, start_price=100, start_date="2030-06-01", random_state=0)
    assert paths.dates[0] == pd.Timestamp("2030-06-03")  # the first of June 2030 is a Saturday
    np.testing.assert_allclose(paths.prices[:, 0], 100 * np.exp(paths.returns[:, 0]))
    each = panel_model.sample(2, length=5, start_price={"COIN": 3, "BOND": 1, "STOCK": 2}, random_state=0)
    assert each.start_price.tolist() == [1, 2, 3]
    exact = panel_model.sample(2, length=5, start_date="2030-06-03", random_state=0)
    assert exact.dates[0] == pd.Timestamp("2030-06-03")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n_samples": 0}, "n_samples must be a whole number >= 1, not 0"),
        ({"n_samples": 5, "length": 2.5}, "length must be a whole number"),
        ({"n_samples": 5, "start": "middle"}, "start must be 'stationary' or 'last'"),
        ({"n_samples": 5, "start_price": -1}, "start_price must be finite and > 0"),
        ({"n_samples": 5, "start_price": {"X": 1}}, "start_price needs one price for each of GARCH"),
        ({"n_samples": 5, "start_date": "soon"}, "start_date must be a date"),
        ({"n_samples": 5, "condition": {"volatilty": 0.4}}, "did you mean 'volatility'"),
        ({"n_samples": 5, "random_state": -1}, "random_state must be a whole number"),
    ],
)
def test_impossible_samples_get_a_sentence(model: TSGAN, options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        model.sample(**options)  # type: ignore[arg-type]  # wrong on purpose


def test_history_of_other_assets_is_refused(model: TSGAN, panel: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="the history has no column 'GARCH'"):
        model.sample(5, history=panel)


def test_too_few_rows_says_how_many_are_needed(prices: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=f"{rows_needed(Config()):,}"):
        TSGAN().fit(prices.iloc[:300])
    TSGAN(config=TINY, random_state=0).fit(prices.iloc[: rows_needed(Config())])


def test_a_series_is_one_asset(prices: pd.DataFrame, model: TSGAN) -> None:
    again = TSGAN(config=TINY, random_state=0, device="cpu").fit(prices["GARCH"])
    assert np.array_equal(again.sample(3, random_state=0).returns, model.sample(3, random_state=0).returns)
    history = model.sample(3, history=prices["GARCH"].iloc[-50:], random_state=0)
    assert history.columns == ["GARCH"]


def test_progress_counts_to_its_end(prices: pd.DataFrame) -> None:
    seen: list[Progress] = []
    TSGAN(config=TINY, random_state=0, device="cpu").fit(prices, progress=seen.append)
    done = [p.done for p in seen]
    assert done == sorted(done)
    assert seen[-1].done == seen[-1].total
    assert {"warm start", "choosing the steps", "judging on later days", "training on all rows"} == {
        p.stage for p in seen
    }
    assert {p.half for p in seen if p.record} == {"choosing"} | ({"all rows"} if seen[-1].record else set())


def test_plan_trains_nothing_and_names_everything(prices: pd.DataFrame) -> None:
    plan = TSGAN(config=TINY).plan(prices)
    assert plan["rows"] == len(prices)
    assert plan["calendar"] == "business days"
    assert plan["periods_per_year"] == 252
    deviation = float(np.log(prices["GARCH"]).diff().std(ddof=0)) * 252**0.5
    assert plan["annual_volatility"] == {"GARCH": pytest.approx(deviation)}
    assert plan["parameters"]["critics"] > plan["parameters"]["generator"] > 0


def test_few_steps_are_said(prices: pd.DataFrame) -> None:
    with pytest.warns(TrainingWarning, match="1 adversarial steps are few"):
        TSGAN(config=Config().with_training(steps=1), random_state=0).fit(prices)
    with warnings.catch_warnings(action="error"):  # who asks for none knows what comes of it
        model = TSGAN(config=Config().with_training(steps=0), random_state=0).fit(prices)
    assert model.fit_["steps"] == 0


def test_slices_and_candidates() -> None:
    assert slices(1000) == (700, 850)
    assert candidates(150) == [0, 50, 100, 150]
    assert candidates(1) == [0, 1]
    assert candidates(0) == [0]


def test_assets_of_very_different_volatility_keep_theirs(panel_model: TSGAN) -> None:
    paths = panel_model.sample(500, length=100, random_state=0)
    ratio = paths.returns.std(axis=(0, 1)) / panel_model.law_.scaling.deviation
    np.testing.assert_allclose(ratio, 1, atol=0.25)
    correlation = np.array(np.corrcoef(paths.returns.reshape(-1, 3).T))
    assert correlation[1, 2] > 0.5
    assert abs(correlation[0, 1]) < 0.2


def test_intraday_and_seven_day_calendars(prices: pd.DataFrame) -> None:
    daily = prices.set_axis(pd.date_range("2020-01-01", periods=len(prices), name="date"))
    paths = TSGAN(config=TINY, random_state=0).fit(daily).sample(2, length=9, random_state=0)
    assert (np.diff(paths.dates) == np.timedelta64(1, "D")).all()
    hours = pd.date_range("2020-01-06", periods=6 * len(prices), freq="h", name="date")
    session = hours[(hours.day_of_week < 5) & hours.hour.isin(range(9, 16))]
    hourly = prices.set_axis(session[: len(prices)])
    model = TSGAN(config=TINY, random_state=0).fit(hourly)
    assert set(model.sample(2, length=50, random_state=0).dates.hour) == set(range(9, 16))
    assert model.periods_per_year_ == 1764


def test_a_config_that_is_none_is_refused() -> None:
    prices = load("sp500")
    with pytest.raises(ConfigError, match=r"config must be a Config, such as Config\(\).with_training\(steps=60\)"):
        TSGAN(config={"training": {"steps": 0}}).fit(prices)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="there is no setting of the training called 'step'; did you mean 'steps'"):
        Config().with_training(step=0)


def test_a_generator_of_numpy_is_a_seed_that_moves_on(model: TSGAN, tmp_path: Path) -> None:
    for make in (np.random.default_rng, np.random.RandomState):
        source = make(7)
        first, second, again = (model.sample(3, 5, random_state=rng).returns for rng in (source, source, make(7)))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, second)
    moved = clone(model).set_params(random_state=np.random.default_rng(7))
    moved.__dict__ |= {name: value for name, value in vars(model).items() if name.endswith("_")}
    moved.save(tmp_path / "model.tsgan")
    assert TSGAN.load(tmp_path / "model.tsgan").random_state is None


def test_a_new_unit_in_the_data_is_in_the_verdict(prices: pd.DataFrame) -> None:
    date = prices.index[300]
    broken = pd.concat((prices.loc[:date].iloc[:-1], prices.loc[date:] / 4))
    with pytest.warns(DataWarning, match=r"times 0\.2"):
        model = TSGAN(config=Config().with_training(steps=0), random_state=0).fit(broken)
    assert [f"on {date:%Y-%m-%d}, and paths do the like" in sentence for sentence in model.verdict_].count(True) == 1
