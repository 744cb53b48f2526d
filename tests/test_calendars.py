"""Dates go on as the data had them: properties of every kind of calendar, and real files continued and compared."""

import builtins
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsgan.calendars import Calendar, infer_calendar
from tsgan.errors import ConfigError, DataError, DataWarning, ModelFileError

DATA = Path(os.environ.get("TSGAN_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
DAY = pd.Timedelta(days=1)


def at_times(days: pd.DatetimeIndex, times: list[str]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([day + pd.Timedelta(time) for day in days for time in times])


def hours(first: int, last: int) -> list[str]:
    return [f"{hour}h" for hour in range(first, last + 1)]


def currency_hours() -> pd.DatetimeIndex:
    """24 hours a day from Sunday 21:00 to Friday 20:00."""
    index = pd.date_range("2023-01-01 21:00", "2023-06-30", freq="h")
    hour_of_week = index.day_of_week.to_numpy() * 24 + index.hour.to_numpy()
    return pd.DatetimeIndex(index[(hour_of_week <= 4 * 24 + 20) | (hour_of_week >= 6 * 24 + 21)])


def without_holidays(index: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Drop every 23rd date, as holidays do."""
    return pd.DatetimeIndex(index[np.arange(len(index)) % 23 != 5])


BUSINESS = pd.bdate_range("2022-01-03", "2023-06-16")
EVERY_DAY = pd.date_range("2022-01-01", "2022-12-31")
SUNDAY_TO_THURSDAY = EVERY_DAY[~EVERY_DAY.day_of_week.isin([4, 5])]
MONTHS = pd.period_range("2015-01", "2022-12", freq="M")
QUARTERS = pd.period_range("2001-02", "2022-12", freq="M")[::3]
YEARS = pd.period_range("1950", "2022", freq="Y")


def starts(periods: pd.PeriodIndex) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(periods.to_timestamp(how="start"))


def ends(periods: pd.PeriodIndex) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(periods.to_timestamp(how="end").normalize())


def to_business(dates: pd.DatetimeIndex, roll: Any) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.busday_offset(dates.to_numpy().astype("datetime64[D]"), 0, roll=roll))


# name, index, description, periods a year
KINDS: dict[str, tuple[pd.DatetimeIndex, str, float]] = {
    "business days": (BUSINESS, "business days", 252),
    "holidays": (without_holidays(BUSINESS), "business days", 252),
    "closing times": (BUSINESS + pd.Timedelta(hours=16), "business days 16:00", 252),
    "every day": (EVERY_DAY, "every day", 365),
    "Sunday to Thursday": (SUNDAY_TO_THURSDAY, "Sun–Thu", 252),
    "three days a week": (BUSINESS[BUSINESS.day_of_week.isin([0, 2, 4])], "Mon, Wed, Fri", 252 * 3 / 5),
    "hourly": (at_times(BUSINESS, hours(9, 15)), "Mon–Fri 09:00–15:00, 7 bars a day", 252 * 7),
    "two a day": (at_times(BUSINESS, ["9h30min", "16h"]), "Mon–Fri 09:30–16:00, 2 bars a day", 252 * 2),
    "minutes": (
        at_times(BUSINESS[:15], [f"{m}min" for m in range(570, 960)]),
        "Mon–Fri 09:30–15:59, 390 bars a day",
        252 * 390,
    ),
    "seconds of a day": (
        at_times(BUSINESS[:1], [f"{s}s" for s in range(3600)]),
        "Mon–Fri 00:00–00:59:59, 3600 bars a day",
        252 * 3600,
    ),
    "currencies": (currency_hours(), "Sun 21:00–Fri 20:00, 120 bars a week", 252 * 24),
    "crypto hours": (
        pd.date_range("2022-01-01", "2022-02-15", freq="h"),
        "Mon–Sun 00:00–23:00, 24 bars a day",
        365 * 24,
    ),
    "bars of thirteen minutes": (
        at_times(BUSINESS[3:18], [f"{m}min" for m in range(570, 960, 13)]),
        "Mon–Fri 09:30–15:47, 30 bars a day",
        252 * 30,
    ),
    "weekly": (pd.date_range("2020-01-03", periods=100, freq="7D"), "weekly", 52),
    "month ends": (ends(MONTHS), "month ends", 12),
    "month starts": (starts(MONTHS), "month starts", 12),
    "business month ends": (to_business(ends(MONTHS), "backward"), "business month ends", 12),
    "business month starts": (to_business(starts(MONTHS), "forward"), "business month starts", 12),
    "quarter ends": (ends(QUARTERS), "quarter ends", 4),
    "half-year starts": (starts(MONTHS[::6]), "6-month starts", 2),
    "year ends": (ends(YEARS), "year ends", 1),
    "every two days": (pd.date_range("2022-01-01", periods=60, freq="2D"), "every 2 days", 365.25 / 2),
    "every five hours": (pd.date_range("2022-01-01", periods=120, freq="5h"), "every 5 hours", 365.25 * 24 / 5),
    "fortnights": (pd.date_range("2022-01-01", periods=60, freq="14D"), "every 14 days", 365.25 / 14),
    "irregular": (
        pd.Timestamp("2020-01-01") + pd.to_timedelta(np.cumsum([11, 23, 18, 29, 12] * 8), unit="D"),
        "irregular, continued every 18 days (median spacing)",
        365.25 / 18,
    ),
}
EXACT = [name for name in KINDS if name not in {"holidays", "irregular", "seconds of a day"}]
INDICES = [pytest.param(index, id=name) for name, (index, _, _) in KINDS.items()]


@pytest.mark.parametrize(("index", "description", "periods"), KINDS.values(), ids=KINDS)
def test_kind_is_recognised(index: pd.DatetimeIndex, description: str, periods: float) -> None:
    calendar = infer_calendar(index)
    assert calendar.description == description
    assert calendar.periods_per_year == pytest.approx(periods, rel=1e-12)


@pytest.mark.parametrize("index", INDICES)
def test_dates_ascend_after_the_last_and_are_as_many_as_asked(index: pd.DatetimeIndex) -> None:
    for n in (0, 1, 2, 200):  # pandas 2 counts in nanoseconds, which end in 2262
        dates = infer_calendar(index).after(index[-1], n)
        assert len(dates) == n
        assert dates.is_monotonic_increasing
        assert dates.is_unique
        assert (dates > index[-1]).all()
        assert dates.tz is None


@pytest.mark.parametrize("index", INDICES)
def test_two_pieces_are_one_piece(index: pd.DatetimeIndex) -> None:
    calendar = infer_calendar(index)
    whole = calendar.after(index[-1], 200)
    first = calendar.after(index[-1], 71)
    assert whole.equals(first.append(calendar.after(first[-1], 129)))


@pytest.mark.parametrize("index", INDICES)
def test_survives_json(index: pd.DatetimeIndex) -> None:
    calendar = infer_calendar(index)
    text = json.dumps(calendar.to_dict())
    assert len(text) < 500
    assert Calendar.from_dict(json.loads(text)) == calendar


@pytest.mark.parametrize("index", [KINDS[name][0] for name in EXACT], ids=EXACT)
def test_the_first_part_continues_as_the_second(index: pd.DatetimeIndex) -> None:
    """Data that follow a rule exactly are reproduced exactly."""
    cut = len(index) * 2 // 3
    continued = infer_calendar(index[:cut]).after(index[cut - 1], len(index) - cut)
    assert (continued == index[cut:]).all()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_unit_of_the_index_is_kept(unit: Any) -> None:
    for index, _, _ in KINDS.values():
        coarse = infer_calendar(index.as_unit(unit))
        dates = coarse.after(pd.Timestamp("2023-06-16 00:00:01"), 50)
        assert dates.unit == unit
        assert (dates == infer_calendar(index).after(pd.Timestamp("2023-06-16 00:00:01"), 50)).all()
        assert (coarse.after(pd.Timestamp("2023-06-16 00:00:00.4"), 50) > pd.Timestamp("2023-06-16 00:00:00.4")).all()
        assert coarse.description == infer_calendar(index).description


@settings(deadline=None, max_examples=60)
@given(
    weekdays=st.sets(st.integers(0, 6), min_size=2),
    minutes=st.sets(st.integers(0, 1439), min_size=1, max_size=5),
    weeks=st.integers(4, 30),
    start=st.integers(0, 20_000),
    n=st.integers(1, 400),
)
def test_any_weekly_pattern_goes_on(weekdays: set[int], minutes: set[int], weeks: int, start: int, n: int) -> None:
    days = pd.date_range(pd.Timestamp("1970-01-05") + start * DAY, periods=7 * weeks)
    days = days[days.day_of_week.isin(sorted(weekdays))]
    index = at_times(days, [f"{minute}min" for minute in sorted(minutes)])
    dates = infer_calendar(index).after(index[-1], n)
    assert len(dates) == n
    assert (dates[1:] > dates[:-1]).all()
    assert set(dates.day_of_week) <= weekdays
    assert set(dates.hour * 60 + dates.minute) <= minutes


def test_a_few_dates_of_one_week_make_a_working_week() -> None:
    index = pd.DatetimeIndex(["2023-06-14", "2023-06-15", "2023-06-16"])
    assert infer_calendar(index).description == "business days"
    friday_to_monday = pd.DatetimeIndex(["2023-06-16", "2023-06-19"])
    assert infer_calendar(friday_to_monday).description == "business days"
    with_saturday = pd.DatetimeIndex(["2023-06-15", "2023-06-16", "2023-06-17"])
    assert infer_calendar(with_saturday).description == "every day"
    thursday_to_wednesday = KINDS["bars of thirteen minutes"][0][:150]
    assert infer_calendar(thursday_to_wednesday).description == "Mon–Fri 09:30–15:47, 30 bars a day"


def test_rare_slots_and_odd_times_are_left_out() -> None:
    saturdays = pd.DatetimeIndex(["2022-03-05", "2022-09-17"])
    odd = pd.DatetimeIndex(["2022-05-11 15:59:37"])
    index = BUSINESS.append(saturdays).append(odd).sort_values()
    assert infer_calendar(pd.DatetimeIndex(index)).description == "business days"


def test_the_recent_pattern_goes_on_after_a_change() -> None:
    """The New York exchange traded on Saturdays until 1952."""
    old = pd.date_range("1940-01-01", "1952-05-31")
    index = old[old.day_of_week < 6].append(pd.bdate_range("1952-06-02", "1955-12-30"))
    assert infer_calendar(pd.DatetimeIndex(index)).description == "business days"


def test_thinly_traded_minutes_keep_the_hours_and_the_number_of_bars() -> None:
    full = at_times(pd.bdate_range("2023-01-02", periods=100), [f"{m}min" for m in range(570, 960)])
    index = full[np.random.default_rng(0).random(len(full)) < 0.3]
    calendar = infer_calendar(index)
    dates = calendar.after(index[-1], 5_000)
    assert set(dates.day_of_week) == {0, 1, 2, 3, 4}
    assert ((dates.hour * 60 + dates.minute) >= 570).all()
    assert ((dates.hour * 60 + dates.minute) < 960).all()
    assert calendar.periods_per_year == pytest.approx(0.3 * 390 * 252, rel=0.1)


def test_transactions_at_random_times_keep_the_hours_and_the_number() -> None:
    seconds = np.random.default_rng(1).integers(9 * 3600, 17 * 3600, size=(15, 200))
    days = pd.bdate_range("2023-01-05", periods=15)
    index = pd.DatetimeIndex(
        sorted({day + pd.Timedelta(seconds=int(s)) for day, row in zip(days, seconds, strict=True) for s in row})
    )
    calendar = infer_calendar(index)
    dates = calendar.after(index[-1], 2_000)
    assert set(dates.day_of_week) == {0, 1, 2, 3, 4}
    assert set(dates.hour) == set(range(9, 17))
    assert calendar.periods_per_year == pytest.approx(200 * 252, rel=0.02)


def test_a_holiday_at_the_end_of_a_long_bar_does_not_double_it() -> None:
    fridays = pd.date_range("2023-01-06", "2024-03-22", freq="7D")
    dates = infer_calendar(fridays).after(pd.Timestamp("2024-03-28"), 2)  # Thursday before Good Friday
    assert list(dates) == [pd.Timestamp("2024-04-05"), pd.Timestamp("2024-04-12")]
    month_ends = KINDS["business month ends"][0]
    dates = infer_calendar(month_ends).after(pd.Timestamp("2024-03-28"), 2)
    assert list(dates) == [pd.Timestamp("2024-04-30"), pd.Timestamp("2024-05-31")]


def test_a_million_dates() -> None:
    for name in ("business days", "hourly"):
        index = KINDS[name][0].as_unit("us")
        dates = infer_calendar(index).after(index[-1], 1_000_000)
        assert dates.is_monotonic_increasing
        assert dates[-1].year < 9999


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("unit", ["us", "ns"])
def test_dates_beyond_the_bounds_are_refused_in_a_sentence(index: pd.DatetimeIndex, unit: Any) -> None:
    calendar = infer_calendar(index.as_unit(unit))
    with pytest.raises(ConfigError, match="would reach the year"):
        calendar.after(index[-1], 10**14)
    # The last date that is allowed is made without overflow, whatever the number that leads to it.
    n = int((2259 - index[-1].year) * calendar.periods_per_year) if unit == "ns" else 10
    assert len(calendar.after(index[-1], min(n, 1_000_000))) == min(n, 1_000_000)


def test_wrong_arguments() -> None:
    with pytest.raises(DataError, match="1 dates"):
        infer_calendar(BUSINESS[:1])
    with pytest.raises(ConfigError, match="-1"):
        infer_calendar(BUSINESS).after(BUSINESS[-1], -1)
    with pytest.raises(ModelFileError, match="newer version"):
        Calendar.from_dict({"kind": "lunar", "unit": "ns", "exchange": None})
    with pytest.raises(ConfigError, match="would reach"):
        infer_calendar(BUSINESS.as_unit("ns")).after(pd.Timestamp("3000-01-01"), 1)


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Australia/Sydney"])
def test_time_zones_follow_the_local_clock(zone: str) -> None:
    local = at_times(BUSINESS, hours(9, 15)).tz_localize(zone)
    calendar = infer_calendar(local)
    dates = calendar.after(local[-1], 7 * 260)
    assert str(dates.tz) == zone
    assert set(dates.hour) == set(range(9, 16))
    assert dates.tz_localize(None).equals(calendar.after(local[-1].tz_localize(None), 7 * 260))


def test_skipped_and_repeated_hours_of_a_time_zone() -> None:
    index = pd.date_range("2023-01-02", "2023-03-01", freq="h", tz="America/New_York")
    dates = infer_calendar(index).after(index[-1], 24 * 400)
    assert len(dates) == 24 * 400
    assert dates.is_monotonic_increasing
    assert dates.is_unique
    steps = np.diff(dates.tz_convert("UTC").tz_localize(None).to_numpy()) / np.timedelta64(1, "h")
    assert set(steps) == {1.0, 2.0}  # the hour that autumn repeats comes once
    repeated = pd.Timestamp("2023-11-05 06:10", tz="UTC").tz_convert("America/New_York")  # the second 01:10
    assert (infer_calendar(index).after(repeated, 3) > repeated).all()


# Sessions of an exchange


def test_sessions_of_an_exchange() -> None:
    pytest.importorskip("exchange_calendars", reason="the extra 'calendars' is not installed")
    calendar = infer_calendar(BUSINESS, name="nyse")
    dates = calendar.after(pd.Timestamp("2023-06-16"), 300)
    assert calendar.description == "XNYS sessions"
    assert calendar.periods_per_year == 252
    assert dates[0] == pd.Timestamp("2023-06-20")  # the 19th was Juneteenth
    assert pd.Timestamp("2023-11-23") not in dates  # Thanksgiving
    assert pd.Timestamp("2024-03-29") not in dates  # Good Friday
    assert dates.is_monotonic_increasing
    assert len(dates) == 300
    assert dates.equals(dates[:100].append(calendar.after(dates[99], 200)))
    assert Calendar.from_dict(json.loads(json.dumps(calendar.to_dict()))) == calendar
    closing = infer_calendar(BUSINESS + pd.Timedelta(hours=16), name="XNYS").after(
        pd.Timestamp("2023-06-16 16:00"), 300
    )
    assert (closing == dates + pd.Timedelta(hours=16)).all()


def test_sessions_go_on_as_the_weekly_pattern_where_knowledge_ends() -> None:
    pytest.importorskip("exchange_calendars", reason="the extra 'calendars' is not installed")
    calendar = infer_calendar(BUSINESS, name="XHKG")
    with pytest.warns(DataWarning, match="XHKG are known until 20"):
        dates = calendar.after(BUSINESS[-1], 252 * 30)
    assert len(dates) == 252 * 30
    assert dates.is_monotonic_increasing
    assert dates.is_unique
    assert dates.unit == BUSINESS.unit
    with pytest.warns(DataWarning, match="weekly pattern"):
        assert calendar.after(dates[-11], 10).equals(dates[-10:])


def test_an_always_open_calendar() -> None:
    pytest.importorskip("exchange_calendars", reason="the extra 'calendars' is not installed")
    index = KINDS["every day"][0]
    dates = infer_calendar(index, name="24/7").after(index[-1], 100)
    assert dates.equals(infer_calendar(index).after(index[-1], 100))


def test_exchanges_that_cannot_be_used() -> None:
    pytest.importorskip("exchange_calendars", reason="the extra 'calendars' is not installed")
    with pytest.raises(ConfigError, match=r"unknown calendar 'XNYZ'; did you mean .*XNYS"):
        infer_calendar(BUSINESS, name="XNYZ")
    with pytest.raises(ConfigError, match="not daily"):
        infer_calendar(KINDS["hourly"][0], name="NYSE")
    with pytest.raises(ConfigError, match="not daily"):
        infer_calendar(KINDS["weekly"][0], name="NYSE")
    with pytest.raises(ConfigError, match="cannot make the sessions of XHKG"):
        infer_calendar(BUSINESS, name="XHKG").after(pd.Timestamp("1950-01-03"), 5)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "exchange_calendars":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r'pip install "tsgan\[calendars\]"'):
        infer_calendar(BUSINESS, name="NYSE")


# Real files


def dates_of(file: str) -> pd.DatetimeIndex:
    path = DATA / file
    if not path.is_file():
        pytest.skip(f"{path} is absent; TSGAN_DATA names the folder of price files")
    return pd.DatetimeIndex(pd.read_csv(path, usecols=["Date"], parse_dates=["Date"])["Date"])


@pytest.mark.parametrize(
    ("file", "description", "periods", "hit"),
    [
        ("sp500_daily.csv", "business days", 252, 0.95),
        ("us_equities_daily.csv", "business days", 252, 0.95),
        ("crypto_daily.csv", "every day", 365, 1.0),
        ("spy_hourly.csv", "Mon–Fri 09:00–15:00, 7 bars a day", 1764, 0.95),
        ("nzdusd_hourly.csv", "Sun 21:00–Fri 20:00, 120 bars a week", 6048, 0.95),
    ],
)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_real_dates_are_continued(file: str, description: str, periods: float, hit: float, share: float) -> None:
    index = dates_of(file)
    cut = int(len(index) * share)
    calendar = infer_calendar(index[:cut])
    assert calendar.description == description
    assert calendar.periods_per_year == pytest.approx(periods)
    future = index[cut : cut + 250]
    continued = calendar.after(index[cut - 1], 400)
    assert continued[-1] > future[-1]
    assert future.isin(continued).mean() >= hit
    # What the pattern has in excess are holidays: few, but a fortnight of hourly bars may hold Christmas and New Year.
    assert continued[continued <= future[-1]].isin(future).mean() >= 0.7


def test_real_sessions_are_continued() -> None:
    pytest.importorskip("exchange_calendars", reason="the extra 'calendars' is not installed")
    index = dates_of("us_equities_daily.csv")
    continued = infer_calendar(index[:-750], name="NYSE").after(index[-751], 750)
    assert list(continued) == list(index[-750:])
