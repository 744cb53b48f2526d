"""Volatility by the time of the week: measured, taken out before the law is learned, and given back at its dates."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tsgan import TSGAN, Config
from tsgan.calendars import infer_calendar
from tsgan.datasets import read_prices
from tsgan.datasets.processes import Garch
from tsgan.errors import DataWarning, ModelFileError
from tsgan.evaluation import rolling_forecasts
from tsgan.evaluation.risk import rolling_pit
from tsgan.procedure import choose
from tsgan.returns import log_returns
from tsgan.season import Season
from tsgan.store import read_model, write_model

HOURS = range(9, 16)
BY_HOUR = np.array([2.0, 1.0, 0.8, 0.6, 0.6, 0.8, 1.0])
BY_HOUR /= np.sqrt(np.mean(BY_HOUR**2))
BY_DAY = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.6])
BY_DAY /= np.sqrt(np.mean(BY_DAY**2))
QUICK = dataclasses.replace(
    Config().with_training(steps=0), warm_start=dataclasses.replace(Config().warm_start, steps=60)
)
HOURLY = Path(__file__).parents[2] / "shared" / "data" / "spy_hourly.csv"


def sessions(rows: int) -> pd.DatetimeIndex:
    hours = pd.date_range("2015-01-05", periods=6 * rows, freq="h", name="date")
    return hours[(hours.day_of_week < 5) & hours.hour.isin(HOURS)][:rows]


def market(rows: int = 4200) -> pd.DataFrame:
    """Prices of a GJR-GARCH whose bars have the volatility of their hour; the first of 4,900."""
    dates, law = sessions(4900), Garch(omega=0.02, alpha=0.02, gamma=0.08, beta=0.92)
    usual = law.simulate(1, 4899, 0)[0] / law.variance() ** 0.5
    returns = 0.003 * usual * BY_HOUR[dates.hour[1:] - 9]
    prices = pd.DataFrame({"X": 100 * np.exp(np.concatenate(([0], np.cumsum(returns))))}, dates)
    return prices.iloc[:rows]


def coin(rows: int = 2000) -> pd.DataFrame:
    """Prices of every day, calmer at weekends; the first of 2,400."""
    dates, law = pd.date_range("2016-01-01", periods=2400, name="date"), Garch(omega=0.02, alpha=0.05, beta=0.93)
    usual = law.simulate(1, 2399, 0)[0] / law.variance() ** 0.5
    returns = 0.03 * usual * BY_DAY[dates.day_of_week[1:]]
    prices = pd.DataFrame({"COIN": 100 * np.exp(np.concatenate(([0], np.cumsum(returns))))}, dates)
    return prices.iloc[:rows]


def season_of(prices: pd.DataFrame) -> Season:
    dates = pd.DatetimeIndex(prices.index)
    return Season.of(log_returns(prices.to_numpy()), dates[1:], infer_calendar(dates))


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    return market()


@pytest.fixture(scope="module")
def model(prices: pd.DataFrame) -> TSGAN:
    return TSGAN(config=QUICK, random_state=0).fit(prices)


def test_factors_of_a_known_season_are_found(prices: pd.DataFrame) -> None:
    season = season_of(prices)
    assert len(season.times) == 35
    found = list(season.by_time_of_day().values())
    assert list(season.by_time_of_day()) == [f"{hour:02d}:00" for hour in HOURS]
    np.testing.assert_allclose(np.log(found), np.log(BY_HOUR), atol=0.08)  # 600 bars an hour: two standard errors
    on_average = np.square(season.at(pd.DatetimeIndex(prices.index[1:]))).mean()
    assert on_average == pytest.approx(1)


def test_a_weekend_that_is_wild_is_found_by_its_day(prices: pd.DataFrame) -> None:
    returns, dates = log_returns(prices.to_numpy()), pd.DatetimeIndex(prices.index[1:])
    monday = (dates.day_of_week == 0) & (dates.hour == 9)
    returns[monday] *= 3
    season = Season.of(returns, dates, infer_calendar(dates))
    ratio = season.at(dates)[monday][0, 0] / season.at(dates)[(dates.day_of_week == 2) & (dates.hour == 9)][0, 0]
    assert 1.4 < ratio < 3  # 120 Mondays are drawn towards the other days


def test_few_bars_say_little() -> None:
    few = season_of(market(100)).factors
    assert np.ptp(np.log(few)) < np.ptp(np.log(BY_HOUR))


def test_what_is_taken_out_comes_back(prices: pd.DataFrame) -> None:
    season, returns, dates = season_of(prices), log_returns(prices.to_numpy()), pd.DatetimeIndex(prices.index[1:])
    usual = season.without(returns, dates)
    np.testing.assert_allclose(season.back(usual, dates) - season.lift, returns, atol=1e-15)
    np.testing.assert_allclose(season.back(np.stack((usual, usual)), dates)[1] - season.lift, returns, atol=1e-15)
    assert season.mean_of(usual.mean(axis=0)) == pytest.approx(returns.mean(axis=0), rel=1e-9)
    hours = pd.Series(np.square(usual[:, 0])).groupby(dates.hour).mean()
    assert hours.max() / hours.min() < 1.6  # 11 before


def test_times_that_there_have_not_been(prices: pd.DataFrame) -> None:
    season = season_of(prices)
    saturday, night = pd.DatetimeIndex(["2024-01-06 09:00"]), pd.DatetimeIndex(["2024-01-08 03:00"])
    assert season.at(saturday)[0, 0] == pytest.approx(BY_HOUR[0], rel=0.2)  # as that hour of another day
    assert season.at(night).tolist() == [[1.0]]
    berlin = pd.DatetimeIndex(["2024-01-08 09:00"]).tz_localize("Europe/Berlin")
    assert season.at(berlin) == season.at(pd.DatetimeIndex(["2024-01-08 09:00"]))


@pytest.mark.parametrize("freq", ["B", "W", "ME", "36h"])
def test_business_days_and_longer_bars_have_none(freq: str) -> None:
    dates = pd.date_range("2001-01-01", periods=400, freq=freq)
    returns = np.random.default_rng(0).normal(size=(400, 2))
    season = Season.of(returns, dates, infer_calendar(dates))
    assert len(season.times) == 0
    assert season.without(returns, dates) is returns
    assert season.back(returns, dates) is returns
    assert season.at(dates).tolist() == np.ones((400, 2)).tolist()


def test_days_of_a_market_that_never_closes_differ() -> None:
    prices = coin()
    season, dates = season_of(prices), pd.DatetimeIndex(prices.index[1:])
    assert list(season.by_day_of_week()) == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    np.testing.assert_allclose(np.log(list(season.by_day_of_week().values())), np.log(BY_DAY), atol=0.15)
    assert season.by_time_of_day() == {}
    assert np.square(season.at(dates)).mean() == pytest.approx(1)
    returns = log_returns(prices.to_numpy())
    np.testing.assert_allclose(season.back(season.without(returns, dates), dates) - season.lift, returns, atol=1e-15)


def test_days_that_are_alike_differ_little() -> None:
    """Five years of Student t noise with 3 degrees of freedom."""
    dates = pd.date_range("2015-01-01", periods=1826)
    returns = np.random.default_rng(0).standard_t(3, (1826, 1))
    factors = Season.of(returns, dates, infer_calendar(dates)).factors
    assert factors.min() > 0.85
    assert factors.max() < 1.2


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Asia/Tokyo"])
def test_the_hour_of_a_daily_bar_is_nothing(zone: str) -> None:
    dates = pd.date_range("2015-01-01", periods=1500, tz=zone).tz_convert("UTC")
    returns = np.random.default_rng(0).normal(size=(1500, 1)) * np.where(dates.day_of_week == 5, 0.4, 1.0)[:, None]
    season = Season.of(returns, dates, infer_calendar(dates))
    plain = Season.of(returns, dates.normalize(), infer_calendar(dates.normalize()))
    assert season.times.tolist() == (86_400 * np.arange(7)).tolist()
    np.testing.assert_allclose(season.factors, plain.factors)
    assert season.by_day_of_week()["Sat"] < 0.6


def test_a_bar_of_a_few_hours_on_sundays() -> None:
    dates = pd.date_range("2015-01-01", periods=1500)
    dates = dates[dates.day_of_week != 5]
    returns = np.random.default_rng(0).normal(size=(len(dates), 1)) * np.where(dates.day_of_week == 6, 0.3, 1)[:, None]
    season = Season.of(returns, dates, infer_calendar(dates))
    assert list(season.by_day_of_week()) == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sun"]
    assert season.by_day_of_week()["Sun"] < 0.5


def test_a_share_filled_over_weekends_has_none_and_a_coin_beside_it_has() -> None:
    prices = coin()
    weekday = pd.DatetimeIndex(prices.index).day_of_week < 5
    share = pd.Series(market(2000)["X"].to_numpy(), prices.index).where(weekday).ffill()
    both = prices.assign(SHARE=share).iloc[5:]
    season = season_of(both)
    assert (season.factors[:, 1] == 1).all()
    assert season.factors[5, 0] < 0.7


def test_an_asset_that_stands_still_at_night_has_none() -> None:
    """Sessions on a grid of all hours, their last price through the night: no factor makes such bars alike."""
    grid = market().resample("h").last().ffill()
    grid = grid[pd.DatetimeIndex(grid.index).day_of_week < 5].iloc[:4200]
    with pytest.warns(DataWarning, match="prices that often do not move"):
        model = TSGAN(config=QUICK, random_state=0).fit(grid)
    season, dates = model.season_, pd.DatetimeIndex(grid.index[1:])
    assert len(season.times) == 120
    assert (season.factors == 1).all()
    np.testing.assert_array_equal(season.without(model.returns_, dates), model.returns_)
    paths = model.sample(400, length=480, random_state=0)
    assert paths.returns.std() == pytest.approx(model.returns_.std(), rel=0.15)
    error = paths.returns.mean(axis=(1, 2)).std() / 20
    assert paths.returns.mean() == pytest.approx(model.returns_.mean(), abs=4 * error)


def test_the_mean_stays_where_one_hour_earns_everything() -> None:
    prices = market()
    dates = pd.DatetimeIndex(prices.index)
    earns = np.where(dates.hour == 9, 0.001, 0.0)  # a quarter of the deviation of a bar
    rising = prices.mul(np.exp(np.cumsum(earns)), axis=0)
    model = TSGAN(config=QUICK, random_state=0).fit(rising)
    wanted = model.returns_.mean()
    for condition, mean in ((None, wanted), ({"trend": 0.5}, 0.5 / model.periods_per_year_)):
        paths = model.sample(4000, length=140, condition=condition, random_state=0)
        error = paths.returns.mean(axis=(1, 2)).std() / 4000**0.5
        assert paths.returns.mean() == pytest.approx(mean, abs=4 * error)
        assert 4 * error < 0.4 * wanted


def test_noise_with_heavy_tails_is_no_season() -> None:
    """Ten days of minutes, Student t with 3 degrees of freedom: few bars at a time, and wild ones."""
    minutes = pd.to_timedelta(np.arange(570, 960), unit="min")
    days = pd.bdate_range("2023-01-02", periods=10)
    dates = pd.DatetimeIndex((days.to_numpy()[:, None] + minutes.to_numpy()).ravel())
    returns = 1e-3 * np.random.default_rng(0).standard_t(3, (len(dates), 1))
    season = Season.of(returns, dates, infer_calendar(dates))
    assert season.factors.min() > 0.7
    assert season.factors.max() < 1.5
    assert season.without(returns, dates).std() == pytest.approx(returns.std(), rel=0.06)


def test_bars_that_all_move_alike_are_no_division_by_nought() -> None:
    dates = sessions(700)[3:]
    alike = np.where(np.arange(697) % 2, 0.01, -0.01)[:, None]
    season = Season.of(alike[dates.hour != 13], dates[dates.hour != 13], infer_calendar(sessions(700)))
    np.testing.assert_allclose(season.factors, 1, rtol=0.05)


def test_hours_are_told_with_their_seconds() -> None:
    times = np.array([34200, 34215, 36000])
    season = Season(times, np.array([[1.0], [2.0], [3.0]]), np.zeros(1))
    assert season.by_time_of_day() == {"09:30": 1.0, "09:30:15": 2.0, "10:00": 3.0}


def test_days_whose_hour_changes_with_the_clock_have_none() -> None:
    dates = pd.date_range("2015-01-01", periods=1500, freq="B", tz="America/New_York").tz_convert("UTC")
    returns = np.random.default_rng(0).normal(size=(1500, 1))
    assert len(Season.of(returns, dates, infer_calendar(dates)).times) == 0


def test_paths_have_the_volatility_of_their_hours(model: TSGAN, prices: pd.DataFrame) -> None:
    paths = model.sample(400, length=140, random_state=0)
    for drawn in (paths, model.sample(400, length=140, start="last", random_state=0)):
        found = drawn.returns[:, :, 0].std(axis=0)
        by_hour = pd.Series(found).groupby(drawn.dates.hour).mean()
        np.testing.assert_allclose(np.log(by_hour / found.mean()), np.log(BY_HOUR / BY_HOUR.mean()), atol=0.15)
    assert paths.returns.std() == pytest.approx(log_returns(prices.to_numpy()).std(), rel=0.15)


def test_paths_under_a_condition_have_it_too(model: TSGAN) -> None:
    wanted = 1.5 * model.describe()["annual_volatility"]["X"]
    paths = model.sample(100, length=140, condition={"volatility": wanted}, random_state=0)
    found = pd.Series(paths.returns[:, :, 0].std(axis=0)).groupby(paths.dates.hour).mean()
    assert found[9] > 2 * found[12]
    each = paths.returns[:, :, 0].std(axis=1) * model.periods_per_year_**0.5
    np.testing.assert_allclose(each, wanted, rtol=0.02)


def test_forecasts_know_the_hour(model: TSGAN) -> None:
    later, start = market(4900), sessions(4900)[4200]
    with pytest.warns(DataWarning, match="no test of it"):
        seen = rolling_forecasts(model, later, sessions(4900)[4000], levels=[0.05])
    assert len(seen) == 900
    forecast = rolling_forecasts(model, later, start, levels=[0.05])
    hour = pd.DatetimeIndex(forecast.index).hour
    var = -forecast["VaR", 0.05]
    assert var[hour == 9].median() > 2 * var[hour == 12].median()
    drawn = rolling_forecasts(model, later, start, levels=[0.05], method="sample", n_samples=4000)
    np.testing.assert_allclose(drawn["VaR", 0.05], forecast["VaR", 0.05], rtol=0.2)
    pit = rolling_pit(model, later, start, n_samples=1000).iloc[:, 0]
    outside = (pit - 0.5).abs() > 0.45
    assert outside[hour == 9].mean() == pytest.approx(0.1, abs=0.08)
    assert outside[hour == 12].mean() == pytest.approx(0.1, abs=0.08)


@pytest.mark.parametrize(("first", "alike"), [(3600, True), (2000, False)])
def test_what_chooses_the_steps_knows_no_season_of_the_days_that_judge(
    first: int, alike: bool, prices: pd.DataFrame
) -> None:
    returns, dates = log_returns(prices.to_numpy()), pd.DatetimeIndex(prices.index[1:])
    changed = returns.copy()
    changed[first:] *= np.where(dates.hour == 12, 5, 1)[first:, None]
    told = dates, infer_calendar(dates), QUICK, 0, torch.device("cpu"), lambda _: None
    assert (choose(returns, *told).scores == choose(changed, *told).scores) == alike


def test_memory_is_that_of_usual_times(model: TSGAN, prices: pd.DataFrame) -> None:
    states = model.states(prices.iloc[-600:])
    torch.testing.assert_close(states[1:], model.states_[-600:][1:])
    usual = model.season_.without(model.returns_, pd.DatetimeIndex(model.dates_[1:]))
    torch.testing.assert_close(model.law_.states(usual), model.states_)


def test_new_rows_and_a_refit(model: TSGAN, prices: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "model.tsgan"
    model.save(file)
    later = market(4900)
    kept = TSGAN.load(file).update(later)
    assert np.array_equal(kept.season_.factors, model.season_.factors)
    assert len(kept.states_) == 4900
    refitted = TSGAN.load(file).update(later, refit=True)
    assert not np.array_equal(refitted.season_.factors, model.season_.factors)
    np.testing.assert_allclose(refitted.season_.factors, season_of(later).factors)


def test_a_file_keeps_it_and_older_ones_have_none(model: TSGAN, tmp_path: Path) -> None:
    file = tmp_path / "model.tsgan"
    model.save(file)
    loaded = TSGAN.load(file)
    for one, other in zip(loaded.season_, model.season_, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(
        loaded.sample(3, 20, random_state=0).returns, model.sample(3, 20, random_state=0).returns
    )
    tensors, document = read_model(file)
    older = {name: tensor for name, tensor in tensors.items() if not name.startswith("season.")}
    write_model(file, older, document)
    assert len(TSGAN.load(file).season_.times) == 0
    for name, value, said in (
        ("season.times", tensors["season.times"].flip(0), "impossible times, factors or means"),
        ("season.factors", 1e6 * tensors["season.factors"], "impossible times, factors or means"),
        ("season.factors", torch.nan * tensors["season.factors"], "not finite"),
        ("season.factors", tensors["season.factors"][1:], r"is float64 \(34, 1\), expected float64 \(35, 1\)"),
        ("season.other", tensors["season.lift"].clone(), "which no model has"),
        ("season.lift", tensors["season.lift"] + 1, "impossible times, factors or means"),
    ):
        write_model(file, tensors | {name: value}, document)
        with pytest.raises(ModelFileError, match=said):
            TSGAN.load(file)


def test_a_file_of_daily_prices_says_nothing_of_it(tmp_path: Path) -> None:
    dates = pd.bdate_range("2015-01-01", periods=700, name="date")
    model = TSGAN(config=QUICK, random_state=0).fit(market(700).set_axis(dates))
    model.save(tmp_path / "model.tsgan")
    assert not [name for name in read_model(tmp_path / "model.tsgan")[0] if "season" in name]
    assert model.describe()["volatility_by_time_of_day"] == {}
    assert model.describe()["volatility_by_day_of_week"] == {}


def test_a_coin_through_its_whole_life(tmp_path: Path) -> None:
    file = tmp_path / "model.tsgan"
    model = TSGAN(config=QUICK, random_state=0).fit(coin())
    model.save(file)
    loaded = TSGAN.load(file)
    assert loaded.describe()["volatility_by_day_of_week"] == model.season_.by_day_of_week()
    for condition in (None, {"volatility": 0.8}):
        paths = loaded.sample(400, length=140, condition=condition, random_state=0)
        by_day = pd.Series(paths.returns[:, :, 0].std(axis=0)).groupby(paths.dates.day_of_week).mean()
        assert list(by_day.index) == list(range(7))
        np.testing.assert_allclose(np.log(by_day / by_day.mean()), np.log(BY_DAY / BY_DAY.mean()), atol=0.15)
    later = coin(2400)
    forecast = rolling_forecasts(loaded, later, later.index[2000], levels=[0.05])
    var = -forecast["VaR", 0.05].groupby(pd.DatetimeIndex(forecast.index).day_of_week).mean()
    assert var[5] < 0.7 * var[2]
    kept = loaded.update(later).season_
    np.testing.assert_array_equal(kept.factors, model.season_.factors)
    refitted = TSGAN.load(file).update(later, refit=True).season_
    np.testing.assert_allclose(refitted.factors, season_of(later).factors)


def test_info_says_it(model: TSGAN) -> None:
    said = model.describe()["volatility_by_time_of_day"]
    assert list(said) == [f"{hour:02d}:00" for hour in HOURS]
    assert said["09:00"] > 1.5
    assert said["12:00"] < 0.8
    assert list(model.describe()["volatility_by_day_of_week"]) == ["Mon", "Tue", "Wed", "Thu", "Fri"]


def test_real_hourly_bars_are_breached_alike_at_every_hour() -> None:
    """SPY 2019 to 2021, VaR at 5 % of single hours: breached as often at the open as at noon."""
    if not HOURLY.exists():
        pytest.skip(f"no {HOURLY.name} beside the project")
    bars = read_prices(HOURLY).iloc[-6000:]
    model = TSGAN(config=QUICK, random_state=0).fit(bars.iloc[:4000])
    assert model.describe()["volatility_by_time_of_day"]["09:00"] > 1.5
    forecast = rolling_forecasts(model, bars, bars.index[4000], levels=[0.05])["VaR", 0.05]
    breached = log_returns(bars.to_numpy())[-len(forecast) :, 0] <= forecast.to_numpy()
    for hour in (9, 12):
        assert 0.01 < breached[pd.DatetimeIndex(forecast.index).hour == hour].mean() < 0.12
