"""How dates go on after the last known one: inferred from the data, or the sessions of an exchange.

Bars up to daily repeat a *weekly pattern*, the set of (weekday, time of day) slots that the data use. Business days,
Sunday-to-Thursday exchanges, seven-day crypto, sessions of seven hourly bars and 24-hour currencies from Sunday evening
to Friday are then the same thing. Longer bars are weeks, months, quarters or years; what fits none of these goes on by
its median spacing.
"""

import difflib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import pandas as pd

from tsgan.errors import ConfigError, DataError, DataWarning, ModelFileError

__all__ = ["Calendar", "infer_calendar"]

Unit: TypeAlias = Literal["s", "ms", "us", "ns"]
Ticks: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]  # times since 1970-01-01, counted in the calendar's unit
MonthDay: TypeAlias = Literal["end", "start", "business end", "business start"]

TICKS_PER_SECOND: dict[Unit, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
BUSINESS_DAYS = (0, 1, 2, 3, 4)
MONTH_DAYS: tuple[MonthDay, ...] = ("end", "start", "business end", "business start")

EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
RECENT_WEEKS = 104  # an exchange that changed its hours goes on with the new ones
LONG_BAR_DAYS = 4.0  # a larger median spacing is not a weekly pattern of several slots
TRADING_WEEKS = 252 / 5  # weeks a year that an exchange with holidays trades
ALL_WEEKS = 365 / 7  # weeks a year of a market that never closes
MOST_SLOTS = 2**21  # bars a week that a model file may declare; one a second is 604,800
LAST_YEAR = 9999  # ISO 8601 dates have four digits for the year
LAST_SESSION = pd.Timestamp("2200-12-31")  # for exchanges whose holidays follow rules without an end


@dataclass(frozen=True)
class WeeklyPattern:
    """Slots of the week, in ticks since Monday 00:00, ascending; a single slot means weekly bars."""

    slots: tuple[int, ...]


@dataclass(frozen=True)
class MonthPattern:
    """A day of every ``step``-th month, those whose number (year * 12 + month - 1) leaves ``phase`` modulo ``step``."""

    step: int
    phase: int
    day: MonthDay


@dataclass(frozen=True)
class FixedStep:
    """Always the same time, in ticks, from one bar to the next."""

    step: int
    regular: bool  # False: the median of irregular spacings


Rule: TypeAlias = WeeklyPattern | MonthPattern | FixedStep


@dataclass(frozen=True)
class Calendar:
    """The dates at which prices come.

    Made by `infer_calendar`; all fields follow from the data.

    Parameters
    ----------
    rule : WeeklyPattern, MonthPattern or FixedStep
        How dates repeat.
    unit : {"s", "ms", "us", "ns"}
        Resolution of the data's index: ticks are counted in it and dates come back in it.
    exchange : str, optional
        Name of an exchange in `exchange_calendars`, whose sessions replace the weekly pattern as far as they are known.
    """

    rule: Rule
    unit: Unit
    exchange: str | None = None

    @property
    def periods_per_year(self) -> float:
        """Bars a year: 252 for business days, 365 for every day, 52, 12, 4, 1 for longer bars."""
        match self.rule:
            case WeeklyPattern(slots=(_,)):
                return 52.0
            case WeeklyPattern(slots):
                never_closes = len({slot // self._day for slot in slots}) == len(WEEKDAYS)
                # multiplied first, so that 252 and 365 come out exactly
                return len(slots) * 365 / 7 if never_closes else len(slots) * 252 / 5
            case MonthPattern(step):
                return 12.0 / step
            case FixedStep(step):
                return 365.25 * self._day / step

    @property
    def description(self) -> str:
        """The calendar in a few words, such as "business days" or "Mon–Fri 09:00–15:00, 7 bars a day"."""
        if self.exchange is not None:
            return f"{self.exchange} sessions"
        match self.rule:
            case WeeklyPattern(slots):
                return _describe_week(slots, self._day)
            case MonthPattern(step, _, day):
                return _describe_months(step, day)
            case FixedStep(step, regular):
                spacing = _describe_time(step / self._day * 86_400)
                return f"every {spacing}" if regular else f"irregular, continued every {spacing} (median spacing)"

    def after(self, last: pd.Timestamp, n: int) -> pd.DatetimeIndex:
        """Return the next ``n`` dates.

        Parameters
        ----------
        last : Timestamp
            The last known date. If it has a time zone, the pattern is one of local times and the dates have it too;
            local times that the clock skips are left out, and of those it repeats the first is taken.
        n : int
            Number of dates.

        Returns
        -------
        DatetimeIndex
            ``n`` ascending dates, all strictly after ``last``, in the unit of the data's index.

        Raises
        ------
        ConfigError
            If ``n`` is negative or the dates would leave what a date can be.
        """
        if n < 0:
            raise ConfigError(f"cannot make {n} dates; the number must be 0 or more")
        if last.tzinfo is None:
            return self._naive_after(last, n)
        wall_clock, wanted = last.tz_localize(None), n
        while True:
            naive = self._naive_after(wall_clock, wanted)
            dates = naive.tz_localize(last.tz, nonexistent="NaT", ambiguous=np.ones(len(naive), dtype=bool))
            dates = pd.DatetimeIndex(dates[dates > last])  # also drops NaT
            if len(dates) >= n:
                return dates[:n]
            wanted += n - len(dates) + 64

    def to_dict(self) -> dict[str, Any]:
        """Return the calendar as a small dictionary of JSON values, the inverse of `from_dict`."""
        match self.rule:
            case WeeklyPattern(slots):
                rule: dict[str, Any] = {"kind": "week", "runs": _to_runs(slots)}
            case MonthPattern(step, phase, day):
                rule = {"kind": "months", "step": step, "phase": phase, "day": day}
            case FixedStep(step, regular):
                rule = {"kind": "step", "step": step, "regular": regular}
        return {"unit": self.unit, "exchange": self.exchange, **rule}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Calendar":
        """Return the calendar that `to_dict` wrote.

        Raises
        ------
        ModelFileError
            If the calendar is of a kind that this version does not know, or is impossible.
        """
        rule: Rule
        match values:
            case {"kind": "week", "runs": runs} if _are_runs(runs):
                rule = WeeklyPattern(_from_runs(runs))
            case {"kind": "months", "step": int(step), "phase": int(phase), "day": day} if day in MONTH_DAYS:
                rule = MonthPattern(step, phase, day)
            case {"kind": "step", "step": int(step), "regular": bool(regular)}:
                rule = FixedStep(step, regular)
            case {"kind": "week" | "months" | "step"}:
                raise ModelFileError(f"no calendar is {values!s:.100}")
            case _:
                kind = repr(values.get("kind"))
                raise ModelFileError(
                    f"unknown kind of calendar {kind:.100}; it was written by a newer version of tsgan"
                )
        calendar = cls(rule, values.get("unit", ""), values.get("exchange"))
        if not calendar._is_possible():
            raise ModelFileError(f"no calendar is {values!s:.100}")
        return calendar

    def _is_possible(self) -> bool:
        """Whether `infer_calendar` can have made it."""
        if self.unit not in [*TICKS_PER_SECOND] or not (self.exchange is None or isinstance(self.exchange, str)):
            return False
        match self.rule:
            case WeeklyPattern(slots):
                return slots[0] >= 0 and slots[-1] < 7 * self._day and all(a < b for a, b in pairwise(slots))
            case MonthPattern(step, phase, _):
                return 0 <= phase < step <= 12 * LAST_YEAR
            case FixedStep(step):
                return 0 < step <= LAST_YEAR * 366 * self._day

    @property
    def _day(self) -> int:
        return 86_400 * TICKS_PER_SECOND[self.unit]

    def _naive_after(self, last: pd.Timestamp, n: int) -> pd.DatetimeIndex:
        self._check_range(self._tick(last), n)
        if self.exchange is None:
            return self._rule_after(last, n)
        sessions = _sessions_after(self.exchange, last, n).as_unit(self.unit)
        missing = n - len(sessions)
        if missing == 0:
            return sessions
        known_until = sessions[-1] if len(sessions) else last
        warnings.warn(
            f"the sessions of {self.exchange} are known until {known_until:%Y-%m-%d}; "
            f"the {missing:,} dates after it follow the weekly pattern without holidays",
            DataWarning,
            stacklevel=3,
        )
        return pd.DatetimeIndex(sessions.append(self._rule_after(known_until, missing)))

    def _rule_after(self, last: pd.Timestamp, n: int) -> pd.DatetimeIndex:
        tick = self._tick(last)
        match self.rule:
            case WeeklyPattern(slots):
                ticks = _week_after(slots, tick, n, self._day)
            case MonthPattern():
                ticks = _months_after(self.rule, tick, n, self._day)
            case FixedStep(step):
                ticks = tick + step * np.arange(1, n + 1, dtype=np.int64)
        return pd.DatetimeIndex(ticks.view(f"datetime64[{self.unit}]"))

    def _tick(self, last: pd.Timestamp) -> int:
        """Count ``last`` in the calendar's unit, as a Python integer: it may lie beyond what the unit can hold."""
        return int(last.asm8.view(np.int64)) * TICKS_PER_SECOND[self.unit] // TICKS_PER_SECOND[last.unit]

    def _check_range(self, tick: int, n: int) -> None:
        """Refuse, before anything is computed, dates that the unit or four digits for the year cannot hold."""
        year_ticks = 365.25 * self._day
        last_year = min(LAST_YEAR, int(1970 + np.iinfo(np.int64).max / year_ticks))
        reached = 1970 + tick / year_ticks + (n + 1) / self.periods_per_year
        if reached >= last_year:
            raise ConfigError(
                f"{n:,} dates ({self.description}) would reach the year {reached:.0f}; dates in the unit "
                f"{self.unit!r} of the data end before {last_year}: take a smaller length or an earlier start date"
            )


def iso(date: pd.Timestamp) -> str:
    """ISO text of a date, with the time of day where there is one.

    >>> iso(pd.Timestamp("2024-01-31")), iso(pd.Timestamp("2024-01-31 09:30"))
    ('2024-01-31', '2024-01-31 09:30')
    """
    if date == date.normalize():
        return f"{date:%Y-%m-%d}"
    return f"{date:%Y-%m-%d %H:%M}" if date.second == 0 else f"{date:%Y-%m-%d %H:%M:%S}"


def infer_calendar(index: pd.DatetimeIndex, name: str | None = None) -> Calendar:
    """Infer how the dates of ``index`` go on.

    Parameters
    ----------
    index : DatetimeIndex
        At least two dates, strictly ascending.
    name : str, optional
        An exchange, such as "NYSE", "XLON" or "24/7", whose sessions are to be used; for daily data only.

    Returns
    -------
    Calendar
        The weekly pattern, the months or the step that the dates follow.

    Raises
    ------
    DataError
        If there are fewer than two dates.
    ConfigError
        If ``name`` is unknown, the data are not daily, or `exchange_calendars` is not installed.
    """
    if len(index) < 2:
        raise DataError(f"a calendar cannot be inferred from {len(index)} dates; at least 2 are needed")
    unit = index.unit
    day = 86_400 * TICKS_PER_SECOND[unit]
    ticks = index.tz_localize(None).to_numpy().view(np.int64)
    calendar = Calendar(_infer_rule(ticks, day), unit)
    if name is None:
        return calendar
    exchange = _resolve_exchange(name)
    if not _is_daily(calendar.rule, day):
        raise ConfigError(
            f"the sessions of an exchange ({name!r}) are dates, but the data are not daily ({calendar.description}); "
            "leave the calendar out and the data's own pattern goes on"
        )
    return Calendar(calendar.rule, unit, exchange)


def _infer_rule(ticks: Ticks, day: int) -> Rule:
    spacings = np.diff(ticks)
    median = int(np.median(spacings))
    if median > LONG_BAR_DAYS * day:
        return _infer_long_bars(ticks, median, day)
    slots = _usual_slots(ticks, day)
    busiest_week = _busiest_week(ticks, day)
    if len(slots) > 1.25 * len(busiest_week):
        # No week has so many bars: they wander through the week (bars of two days, of five hours) or come at random.
        step = _most_common(spacings)
        if np.sum(spacings == step) >= max(4, 0.8 * len(spacings)) and 7 * day % step:
            return FixedStep(step, regular=True)
        slots = busiest_week
    if ticks[-1] - ticks[0] < 6 * day:
        slots = _fill_unseen_days(slots, day)
    return WeeklyPattern(tuple(slots.tolist()))


def _usual_slots(ticks: Ticks, day: int) -> Ticks:
    """Return the slots that are used in at least half of the recent weeks, compared with the slot used most."""
    week, slot = np.divmod(ticks + EPOCH_WEEKDAY * day, 7 * day)
    slots, counts = np.unique(slot[week > week[-1] - RECENT_WEEKS], return_counts=True)
    # one less, as data begin and end within a week: of up to three weeks every slot seen is taken
    usual: Ticks = slots[2 * counts >= counts.max() - 1]
    return usual


def _busiest_week(ticks: Ticks, day: int) -> Ticks:
    """Return the slots of the recent seven days that have most bars."""
    recent = ticks[ticks > ticks[-1] - RECENT_WEEKS * 7 * day]
    first = np.arange(len(recent))
    end = np.searchsorted(recent, recent + 7 * day)
    busiest = int(np.argmax(end - first))
    return np.sort((recent[busiest : end[busiest]] + EPOCH_WEEKDAY * day) % (7 * day))


def _fill_unseen_days(slots: Ticks, day: int) -> Ticks:
    """Complete less than a week of data: other days of the working week look like the busiest day seen."""
    weekdays = slots // day
    busiest = np.bincount(weekdays).argmax()
    times = slots[weekdays == busiest] % day
    expected = range(7) if 5 in weekdays else BUSINESS_DAYS
    unseen = [weekday * day + times for weekday in expected if weekday not in weekdays]
    return np.sort(np.concatenate([slots, *unseen]))


def _infer_long_bars(ticks: Ticks, median: int, day: int) -> Rule:
    """Take the rule that reproduces most of the dates; the median spacing if none reproduces half of them."""
    days = ticks // day
    scored = [(_share_on(rule, days, day), rule) for rule in _long_rules(ticks, median, day)]
    share, best = max(scored, key=lambda pair: pair[0], default=(0.0, FixedStep(median, regular=False)))
    if share >= 0.5:
        return best
    regular = bool(np.mean(np.diff(ticks) == median) >= 0.8)
    return FixedStep(median, regular)


def _long_rules(ticks: Ticks, median: int, day: int) -> list[Rule]:
    if 5 * day <= median <= 9 * day:
        return [WeeklyPattern((_most_common((ticks + EPOCH_WEEKDAY * day) % (7 * day)),))]
    step = round(median / (365.25 / 12 * day))
    if step == 0:
        return []
    phase = _most_common(_month_number(ticks // day) % step)
    return [MonthPattern(step, phase, month_day) for month_day in MONTH_DAYS]


def _share_on(rule: Rule, days: Ticks, day: int) -> float:
    """Return the share of dates, as days since 1970-01-01, that lie on the rule."""
    if isinstance(rule, MonthPattern):
        months = _month_number(days)
        return float(np.mean((months % rule.step == rule.phase) & (_day_of_month(months, rule.day) == days)))
    assert isinstance(rule, WeeklyPattern)
    return float(np.mean((days + EPOCH_WEEKDAY) % 7 == rule.slots[0] // day))


def _most_common(values: Ticks) -> int:
    unique, counts = np.unique(values, return_counts=True)
    return int(unique[counts.argmax()])


def _is_daily(rule: Rule, day: int) -> bool:
    if not isinstance(rule, WeeklyPattern) or len(rule.slots) < 2:
        return False
    return len({slot % day for slot in rule.slots}) == 1


def _week_after(slots: tuple[int, ...], last: int, n: int, day: int) -> Ticks:
    if len(slots) == 1:
        last += 3 * day  # a Thursday before a Friday without trading ends its week: the next date is not that Friday
    week, within = divmod(last + EPOCH_WEEKDAY * day, 7 * day)
    pattern = np.asarray(slots, dtype=np.int64)
    position = np.searchsorted(pattern, within, side="right") + np.arange(n, dtype=np.int64)
    ticks: Ticks = (week + position // len(pattern)) * 7 * day + pattern[position % len(pattern)] - EPOCH_WEEKDAY * day
    return ticks


def _months_after(rule: MonthPattern, last: int, n: int, day: int) -> Ticks:
    last_day, time = divmod(last, day)
    # The last trading day of a month can lie some days before its end: that end is then not the next date.
    earliest = last_day + (10 if rule.day.endswith("end") else 0)
    month = int(_month_number(np.array([last_day]))[0])
    first = month + (rule.phase - month) % rule.step
    months = first + rule.step * np.arange(n + 2, dtype=np.int64)
    days = _day_of_month(months, rule.day)
    return days[days > earliest][:n] * day + time


def _month_number(days: Ticks) -> Ticks:
    """Return year * 12 + month - 1 of days since 1970-01-01."""
    return days.view("datetime64[D]").astype("datetime64[M]").view(np.int64) + 1970 * 12


def _day_of_month(months: Ticks, day: MonthDay) -> Ticks:
    """Return the first or last (business) day of months, as days since 1970-01-01."""
    month = (months - 1970 * 12).view("datetime64[M]")
    if day.endswith("start"):
        dates = month.astype("datetime64[D]")
    else:
        dates = (month + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    if day.startswith("business"):
        dates = np.busday_offset(dates, 0, roll="forward" if day.endswith("start") else "backward")
    return dates.view(np.int64)


def _exchange_calendars() -> ModuleType:
    try:
        import exchange_calendars
    except ImportError as error:
        raise ConfigError(
            "the sessions of an exchange need the package exchange_calendars; "
            'install it with: pip install "tsgan[calendars]"'
        ) from error
    return cast("ModuleType", exchange_calendars)


def _resolve_exchange(name: str) -> str:
    library = _exchange_calendars()
    known = {each.upper(): each for each in library.get_calendar_names(include_aliases=True)}
    if name.upper() in known:
        return str(library.resolve_alias(known[name.upper()]))
    close = [known[each] for each in difflib.get_close_matches(name.upper(), known, n=5)]
    hint = f"did you mean {', '.join(close)}?" if close else "names are market codes such as XNYS, or NYSE, LSE, 24/7"
    raise ConfigError(f"unknown calendar {name!r}; {hint}")


def _sessions_after(exchange: str, last: pd.Timestamp, n: int) -> pd.DatetimeIndex:
    """Return up to ``n`` sessions after ``last``, at its time of day; fewer where the calendar's knowledge ends."""
    library = _exchange_calendars()
    today = last.normalize()
    wanted_days = 40 + n * 365 // 200  # no exchange has fewer than 200 sessions a year
    with warnings.catch_warnings():
        # Deprecations of pandas and numpy that the library runs into are not the user's concern.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        try:
            bound = library.get_calendar(exchange).bound_max() or LAST_SESSION
            if today >= bound:
                return pd.DatetimeIndex([])
            start = today - pd.Timedelta(days=30)  # so that there is a session even just before the bound
            end = today + pd.Timedelta(days=min(wanted_days, (bound - today).days))
            calendar = library.get_calendar(exchange, start=start, end=end)
        except (ValueError, NotImplementedError, library.errors.CalendarError) as error:
            raise ConfigError(f"exchange_calendars cannot make the sessions of {exchange}: {error}") from error
    sessions = pd.DatetimeIndex(calendar.sessions)
    return sessions[sessions > today][:n] + (last - today)


def _to_runs(slots: tuple[int, ...]) -> list[list[int]]:
    """Compress ascending integers to runs [first, step, count], so that minute bars stay small in JSON."""
    runs: list[list[int]] = []
    for slot in slots:
        if runs and (runs[-1][2] == 1 or slot == runs[-1][0] + runs[-1][1] * runs[-1][2]):
            run = runs[-1]
            run[1] = slot - run[0] if run[2] == 1 else run[1]
            run[2] += 1
        else:
            runs.append([slot, 0, 1])
    return runs


def _are_runs(runs: object) -> bool:
    """Whether these are runs of whole numbers, of which not too many would come."""
    if not isinstance(runs, list) or not runs:
        return False
    if not all(isinstance(run, list) and len(run) == 3 and all(type(n) is int for n in run) for run in runs):
        return False
    counts: list[int] = [count for _, _, count in runs]
    return min(counts) > 0 and sum(counts) <= MOST_SLOTS


def _from_runs(runs: Iterable[Iterable[int]]) -> tuple[int, ...]:
    return tuple(first + step * i for first, step, count in runs for i in range(count))


def _describe_week(slots: tuple[int, ...], day: int) -> str:
    if len(slots) == 1:
        return "weekly"
    times_of: dict[int, list[int]] = {}
    for slot in slots:
        times_of.setdefault(slot // day, []).append(slot % day)
    times = next(iter(times_of.values()))
    if any(other != times for other in times_of.values()):
        return _describe_round_week(slots, day)
    days = _describe_days(tuple(times_of))
    if len(times) == 1:
        words = {"Mon–Fri": "business days", "Mon–Sun": "every day"}.get(days, days)
        return words if times[0] == 0 else f"{words} {_describe_clock(times[0], day)}"
    return f"{days} {_describe_clock(times[0], day)}–{_describe_clock(times[-1], day)}, {len(times)} bars a day"


def _describe_round_week(slots: tuple[int, ...], day: int) -> str:
    """Describe days that differ from each other, from the end of the longest pause to its beginning."""
    pauses = [after - before for before, after in pairwise((*slots, slots[0] + 7 * day))]
    close = pauses.index(max(pauses))
    first, last = slots[(close + 1) % len(slots)], slots[close]
    words = [f"{WEEKDAYS[slot // day]} {_describe_clock(slot % day, day)}" for slot in (first, last)]
    return f"{words[0]}–{words[1]}, {len(slots)} bars a week"


def _describe_days(days: tuple[int, ...]) -> str:
    """Describe weekdays, as a range if they follow each other, also over the end of the week."""
    starts = [day for day in days if (day - 1) % 7 not in days]
    if len(starts) > 1 or len(days) == 1:
        return ", ".join(WEEKDAYS[day] for day in days)
    first = starts[0] if starts else 0
    return f"{WEEKDAYS[first]}–{WEEKDAYS[(first + len(days) - 1) % 7]}"


def _describe_months(step: int, day: MonthDay) -> str:
    noun = {1: "month", 3: "quarter", 12: "year"}.get(step, f"{step}-month")
    prefix, _, edge = day.rpartition(" ")
    return f"{prefix} {noun} {edge}s".lstrip()


def _describe_clock(time: int, day: int) -> str:
    seconds = time * 86_400 // day
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}"
    return f"{clock}:{seconds % 60:02d}" if seconds % 60 else clock


def _describe_time(seconds: float) -> str:
    for noun, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= length:
            return f"{seconds / length:.4g} {noun}"
    return f"{seconds:.4g} seconds"
