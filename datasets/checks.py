"""Prices are checked once, here: type, columns, index, dtype, values, length. Every later stage trusts the result."""

from __future__ import annotations

import datetime
import decimal
import numbers
import re
import sys
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tsgan.errors import ConfigError, DataError, DataWarning, option

__all__ = ["check_prices"]

JUMP = 0.4  # |log return| from which a split is suspected; genuine crashes are as large, so nothing is ever deleted
HUGE = 1.0  # |log return| that is hardly ever genuine: to a third, or from it
STALE = 0.5  # share of zero returns from which a column is called stale
MANY = 2_000  # columns of which not every pair is compared
RETURNS = 0.2  # share of values below 0 from which a column is taken for returns; prices have one or two of them
FORGETFUL = 0.3  # autocorrelation of log levels, row to row, below which a column is hardly one of prices
LISTED = 5  # how many examples a message lists before it counts the rest

Bools = npt.NDArray[np.bool_]


def check_prices(
    frame: pd.DataFrame | pd.Series[Any],
    *,
    missing: str = "error",
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
    min_rows: int | None = None,
) -> pd.DataFrame:
    """Validate a table of prices and bring it into the one form that the package works with.

    Nothing is ever filled, interpolated or clipped. What cannot be used is an error that names column, date, value
    and remedy; what can be used but should be known is a warning, one for each kind of problem.

    Parameters
    ----------
    frame : DataFrame or Series
        Prices, one column an asset, with dates as the index.
    missing : {"error", "drop"}
        Refuse missing prices, or keep the rows that are complete in all columns.
    start, end : str or date, optional
        First and last date to use, both included. Text without a time (``"2017"``, ``"2017-03-02"``) means the whole
        year, month or day.
    min_rows : int, optional
        Fewest rows that are acceptable.

    Returns
    -------
    DataFrame
        float64, all finite and positive, columns named by text in the order given; index ascending, unique, without
        time zone (wall-clock time is kept), named ``date``.

    Raises
    ------
    DataError
        The prices cannot be used.
    ConfigError
        An option is not possible.

    Warns
    -----
    DataWarning
        Rows were sorted or dropped, a column is empty or stale or looks like gross returns, a return looks like an
        unadjusted split.
    """
    if missing not in ("error", "drop"):
        raise ConfigError(f"missing must be 'error' or 'drop', got {missing!r}; missing prices are never filled")
    prices = _as_table(frame)
    prices = _with_named_columns(prices)
    prices = with_ordered_dates(prices)
    prices = _as_floats(prices)
    prices = _between(prices, start, end)
    _refuse_infinite(prices)
    _refuse_nonpositive(prices)
    prices = _complete(prices, missing)
    _refuse_constant(prices)
    _warn_forgetful(prices)
    _warn_stale(prices)
    warn_jumps(prices)
    _refuse_short(prices, min_rows)
    return prices


# type and columns ----------------------------------------------------------------------------------------------------


def _as_table(frame: object) -> pd.DataFrame:
    if isinstance(frame, pd.Series):
        return frame.to_frame("price" if frame.name is None else frame.name)
    if isinstance(frame, pd.DataFrame):
        return frame
    raise DataError(
        f"prices must be a DataFrame or a Series with dates as the index, got {type(frame).__name__}; "
        "wrap an array as pd.DataFrame(values, index=dates, columns=names)"
    )


def _with_named_columns(frame: pd.DataFrame) -> pd.DataFrame:
    if isinstance(frame.columns, pd.MultiIndex):
        raise DataError(
            "prices must have one level of column names, one column an asset, got "
            f"{frame.columns.nlevels} levels; tsgan.datasets.read_prices(frame) picks the closing prices"
        )
    if frame.shape[1] == 0:
        raise DataError("the table has no price column; expected dates and one column for each asset")
    names = pd.Index([str(name) for name in frame.columns], dtype=object)
    if names.has_duplicates:
        repeated = list(dict.fromkeys(names[names.duplicated()]))
        raise DataError(f"column {_listed(repeated)} occurs more than once; rename or remove the copies")
    return frame.set_axis(names, axis=1)


# index ---------------------------------------------------------------------------------------------------------------


def with_ordered_dates(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with an index of ascending, unique dates without time zone."""
    if not len(frame):
        raise DataError("the table has column names but no rows; expected one row for each date")
    dates = naive_dates(frame.index)
    if dates.hasnans:
        row = int(np.argmax(dates.isna())) + 1
        raise DataError(f"row {row} has no date; every row needs one")
    beyond = np.asarray((dates.year < 1) | (dates.year > 9999))
    if beyond.any():
        row = int(np.argmax(beyond))
        raise DataError(f"row {row + 1} has the date {dates[row]!s}; dates go from the year 1 to 9999: correct it")
    # a fresh index: without freq, always in microseconds, so that equal prices compare equal
    frame = frame.set_axis(pd.DatetimeIndex(dates.as_unit("us").to_numpy(), name="date"), axis=0)
    return _without_copies(_ascending(frame))


def naive_dates(index: pd.Index[Any]) -> pd.DatetimeIndex:
    """Return the dates of an index as wall-clock time, without time zone."""
    if isinstance(index, pd.PeriodIndex):
        return index.to_timestamp()
    if isinstance(index, pd.DatetimeIndex):
        return index.tz_localize(None)
    if index.inferred_type in ("date", "datetime"):  # Python objects, perhaps with several UTC offsets
        return pd.DatetimeIndex([pd.Timestamp(value).tz_localize(None) for value in index])
    example = f" such as {index[0]!r}" if len(index) else ""
    raise DataError(
        f"the index of the prices must hold dates (a DatetimeIndex), got {index.inferred_type}{example}; "
        "use frame.set_index(pd.to_datetime(dates)), or tsgan.datasets.read_prices(frame), which finds the dates"
    )


def _ascending(frame: pd.DataFrame) -> pd.DataFrame:
    if frame.index.is_monotonic_increasing:
        return frame
    if frame.index.is_monotonic_decreasing:
        warn("the rows came newest first; they were sorted by date")
        return frame.iloc[::-1]
    backward = int((frame.index[1:] < frame.index[:-1]).sum())
    warn(f"the rows were not in the order of their dates ({counted(backward, 'step')} back in time); they were sorted")
    return frame.sort_index(kind="stable")


def _without_copies(frame: pd.DataFrame) -> pd.DataFrame:
    if frame.index.is_unique:
        return frame
    repeated = frame[frame.index.duplicated(keep=False)]
    copies = repeated.reset_index().duplicated().to_numpy()
    if (~copies).sum() > repeated.index.nunique():
        raise _conflict(repeated[~copies].index)
    warn(f"dropped {counted(int(copies.sum()), 'row')}, exact copies of another row")
    return frame[~frame.index.duplicated()]


def _conflict(dates: pd.Index[Any]) -> DataError:
    counts = dates.value_counts(sort=False)
    several = counts[counts > 1]
    first = iso(several.index[0])
    clock = "; where clocks were set back, write the times in UTC" if "T" in first else ""
    return DataError(
        f"the date {first} occurs {several.iloc[0]} times with different prices "
        f"({counted(len(several), 'date')} repeated in all); keep one row for each date, or, if the file is a long "
        f"table of several assets, name its columns date, ticker, close{clock}"
    )


# dtype ---------------------------------------------------------------------------------------------------------------


def _as_floats(frame: pd.DataFrame) -> pd.DataFrame:
    require_numbers(frame)
    if not (frame.dtypes == np.float64).all():
        floats = {name: _float_column(frame[name]) for name in frame.columns}
        frame = pd.DataFrame(floats, index=frame.index)
    held = frame.notna().any().to_numpy()
    empty = list(frame.columns[~held])
    if not held.any():
        raise DataError(f"no column holds a price: {_listed(empty)} are empty; expected one price a row")
    if empty:
        warn(f"dropped {counted(len(empty), 'column')} without any price: {_listed(empty)}")
    kept = frame.to_numpy()[:, held]
    return pd.DataFrame(kept, index=frame.index, columns=pd.Index(frame.columns[held], dtype="str"))


def _float_column(column: pd.Series[Any]) -> npt.NDArray[np.float64]:
    if not pd.api.types.is_numeric_dtype(column.dtype):  # objects, by now known to be numbers or missing
        column = pd.to_numeric(column, errors="coerce")
    return column.to_numpy(dtype="float64", na_value=np.nan)


def require_numbers(frame: pd.DataFrame) -> None:
    """Raise a DataError that names column, date, row and value where a column holds something else than numbers."""
    bad = {i: _first_text(frame.iloc[:, i]) for i, dtype in enumerate(frame.dtypes) if not _is_number(dtype)}
    found = {i: row for i, row in bad.items() if row is not None}
    if not found:
        return
    position, row = next(iter(found.items()))
    value = frame.iat[row, position]
    names = [str(name) for i, name in enumerate(frame.columns) if i not in found]
    others = f" ({counted(len(found), 'column')} like this in all)" if len(found) > 1 else ""
    remedy = f"choose the columns that hold prices with {_columns_option(names)}" if names else "check the table"
    raise DataError(
        f"column {shown(str(frame.columns[position]))} holds {shown(value)} on {iso(frame.index[row])} "
        f"(row {row + 1}), expected a price{others}; {_comma_hint(value)}{remedy}"
    )


def _is_number(dtype: Any) -> bool:
    return pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype)


def _first_text(column: pd.Series[Any]) -> int | None:
    dtype = column.dtype
    bad = column.notna().to_numpy(dtype=bool)
    if pd.api.types.is_object_dtype(dtype):
        bad = bad & ~np.array([_is_float(value) for value in column], dtype=bool)
    if not bad.any():
        return None
    if isinstance(dtype, pd.StringDtype):  # point at 'n/k' rather than at the '12.5' above it
        unlike = bad & ~column.str.fullmatch(r"[-+\d.,' ]+").to_numpy(dtype=bool, na_value=True)
        bad = unlike if unlike.any() else bad
    return int(np.argmax(bad))


def _is_float(value: object) -> bool:
    """Whether an object is a number, and if whole one that a float can hold."""
    if isinstance(value, int):
        return abs(value) <= sys.float_info.max
    return isinstance(value, numbers.Real | decimal.Decimal)


def _comma_hint(value: object) -> str:
    plain = isinstance(value, str) and re.fullmatch(r"[-+\d.,' ]+", value)
    return "write numbers with a decimal point and without thousands separators, or " if plain else ""


# values --------------------------------------------------------------------------------------------------------------


def _between(frame: pd.DataFrame, start: str | datetime.date | None, end: str | datetime.date | None) -> pd.DataFrame:
    first = None if start is None else _edge("start", start)
    last = None if end is None else _edge("end", end)
    if first is not None and last is not None and first > last:
        raise ConfigError(f"the range is empty: {option('start', str(start))} is after {option('end', str(end))}")
    chosen = frame.loc[first:last]
    if len(frame) and not len(chosen):
        raise DataError(
            f"no row lies between {start or 'the first date'} and {end or 'the last date'}; "
            f"the prices run from {iso(frame.index[0])} to {iso(frame.index[-1])}"
        )
    return chosen


def _edge(name: str, value: object) -> pd.Timestamp:
    if isinstance(value, datetime.datetime):
        return pd.Timestamp(value).tz_localize(None)
    text = value.isoformat() if isinstance(value, datetime.date) else value
    try:
        if not isinstance(text, str) or not re.match(r"\d{4}(-\d{2})*([T ]\d{2}:\d{2}(:\d{2})?)?$", text):
            raise ValueError("not ISO")
        period = pd.Period(text)
    except ValueError as error:
        raise ConfigError(f"{name} must be an ISO date such as 2017-03-02, got {value!r}") from error
    return period.start_time if name == "start" else period.end_time


def _refuse_infinite(frame: pd.DataFrame) -> None:
    bad = np.isinf(frame.to_numpy())
    if bad.any():
        raise DataError(f"{_found(frame, bad)}: a price must be finite; correct it, or {_elsewhere(frame, bad)}")


def _refuse_nonpositive(frame: pd.DataFrame) -> None:
    bad = frame.to_numpy() <= 0
    negative = (frame.to_numpy() < 0).sum(axis=0)
    if (negative > max(RETURNS * len(frame), 10)).any():
        raise DataError(f"{_found(frame, bad)}: these look like returns; give prices, such as (1 + returns).cumprod()")
    if bad.any():
        raise DataError(
            f"{_found(frame, bad)}: a log return needs positive prices; {_elsewhere(frame, bad)} "
            f"({option('missing', 'drop')} does not hide them)"
        )


def _found(frame: pd.DataFrame, bad: Bools) -> str:
    """Return the first bad value of each column, e.g. ``column 'CL=F' is -37.63 on 2020-04-20``."""
    values = frame.to_numpy()
    columns = [int(column) for column in np.flatnonzero(bad.any(axis=0))]
    firsts = [(column, int(np.argmax(bad[:, column]))) for column in columns]
    parts = [
        f"column {shown(frame.columns[column])} is {values[row, column]:.8g} on {iso(frame.index[row])}"
        + (f" (the first of {bad[:, column].sum():,})" if bad[:, column].sum() > 1 else "")
        for column, row in firsts
    ]
    return _joined(parts)


def _elsewhere(frame: pd.DataFrame, bad: Bools) -> str:
    """Return how to leave the bad values out: other columns, a later start."""
    good = [str(name) for i, name in enumerate(frame.columns) if not bad[:, i].any()]
    last = int(np.flatnonzero(bad.any(axis=1))[-1])
    remedies = [f"leave the column out with {_columns_option(good)}"] if good else []
    if last + 2 < len(frame):
        remedies.append(f"start later with {option('start', iso(frame.index[last + 1]))}")
    return " or ".join(remedies) or "use other prices"


def _complete(frame: pd.DataFrame, missing: str) -> pd.DataFrame:
    present = frame.notna()
    complete = np.asarray(present.to_numpy().all(axis=1), dtype=bool)
    if complete.all():
        return frame
    if missing == "error":
        raise DataError(f"{_missing(present)}; {_missing_remedy(present, complete)}")
    if not complete.any():
        raise DataError(f"no row is left after dropping those with a missing price: {_disjoint(present)}")
    kept = frame.loc[complete]
    warn(
        f"dropped {len(frame) - len(kept):,} of {counted(len(frame), 'row')} for missing prices; "
        f"{len(kept):,} remain, from {iso(kept.index[0])} to {iso(kept.index[-1])}"
    )
    return kept


def _missing(present: pd.DataFrame) -> str:
    """Return which column misses most prices, how many and where, and which others miss some."""
    counts = (~present).sum().sort_values(ascending=False, kind="stable")
    counts = counts[counts > 0]
    worst, *others = (str(name) for name in counts.index)
    also = f"; {_joined([f'{shown(name)} misses {counts[name]:,}' for name in others])}" if others else ""
    return f"column {shown(worst)} misses {counted(int(counts.max()), 'price')}: {_where(present[worst])}{also}"


def _where(present: pd.Series[Any]) -> str:
    at = np.flatnonzero(present.to_numpy())
    if not len(at):
        return "it has none in this range"
    before, after = int(at[0]), len(present) - 1 - int(at[-1])
    inside = int((~present).sum()) - before - after
    parts = [f"{before:,} before its first on {iso(present.index[at[0]])}"] if before else []
    if inside:
        gap = int(at[np.argmax(np.diff(at) > 1)]) + 1
        parts.append(f"{inside:,} inside, the first on {iso(present.index[gap])}")
    if after:
        parts.append(f"{after:,} after its last on {iso(present.index[at[-1]])}")
    return _joined(parts)


def _missing_remedy(present: pd.DataFrame, complete: Bools) -> str:
    """Return options that are known to work, because they were tried on the pattern of missing prices."""
    if not complete.any():
        return f"no row is complete: {_disjoint(present)}"
    first, last = (int(i) for i in np.flatnonzero(complete)[[0, -1]])
    dates = present.index
    rows = counted(int(complete.sum()), "row")
    kept = f"{option('missing', 'drop')} (keeps {rows}, {iso(dates[first])} to {iso(dates[last])})"
    whole = [str(name) for name in present.columns[present.all()]]
    if whole:
        kept += f", or {_columns_option(whole)} (keeps all {len(dates):,} rows, from {iso(dates[0])})"
    if not complete[first : last + 1].all():
        return f"use {kept}"
    options = [option("start", iso(dates[first]))] if first else []
    options += [option("end", iso(dates[last]))] if last < len(dates) - 1 else []
    return f"use {' and '.join(options)}, or {kept}"


def _disjoint(present: pd.DataFrame) -> str:
    """Return the columns that have no date in common, and the remedy."""
    if present.shape[1] > MANY:  # no room for all pairs
        return "some columns have no date in common; choose fewer columns"
    held = present.to_numpy(dtype=np.float64)
    pairs = np.argwhere(np.triu(held.T @ held == 0))
    if not len(pairs):
        return "the columns have no date in common on which all have a price; choose fewer columns"
    names = present.columns
    one, two = min(pairs.tolist(), key=lambda pair: pair[0] != pair[1])
    if one == two:
        return f"column {shown(names[one])} has no price in this range; leave it out or change the range"
    return (
        f"columns {shown(names[one])} ({_range(present.iloc[:, one])}) and {shown(names[two])} "
        f"({_range(present.iloc[:, two])}) have no date in common; leave one of them out"
    )


def _range(present: pd.Series[Any]) -> str:
    dates = present.index[present.to_numpy()]
    return f"{iso(dates[0])} to {iso(dates[-1])}"


def _refuse_constant(frame: pd.DataFrame) -> None:
    values = frame.to_numpy()
    constant = (values == values[:1]).all(axis=0)
    if len(frame) > 2 and constant.any():  # two rows: one quiet step, such as a new row after the last known
        good = [str(name) for name in frame.columns[~constant]]
        remedy = f"leave it out with {_columns_option(good)}" if good else "use prices that move"
        bad = [str(name) for name in frame.columns[constant]]
        raise DataError(
            f"column {_listed(bad)} never moves (it is {values[0, constant][0]:.8g} from {iso(frame.index[0])} to "
            f"{iso(frame.index[-1])}), so all its returns are zero; {remedy}"
        )


def _warn_forgetful(frame: pd.DataFrame) -> None:
    """Warn of levels that are forgotten from row to row, as gross returns are and prices are not."""
    if len(frame) < 100:  # of a random walk this short the autocorrelation itself is low now and then
        return
    levels = np.log(frame.to_numpy())
    levels = levels - levels.mean(axis=0)
    memory = (levels[1:] * levels[:-1]).sum(axis=0) / (levels**2).sum(axis=0)
    forgetful = [str(name) for name, kept in zip(frame.columns, memory, strict=True) if kept < FORGETFUL]
    if forgetful:
        warn(
            f"column {_listed(forgetful)} forgets its level from one row to the next, as returns do and prices do not; "
            "if these are gross returns, give prices, such as returns.cumprod()"
        )


def _warn_stale(frame: pd.DataFrame) -> None:
    still = (np.diff(frame.to_numpy(), axis=0) == 0).sum(axis=0) / max(len(frame) - 1, 1)
    stale = [f"{shown(name)} {share:.0%}" for name, share in zip(frame.columns, still, strict=True) if share > STALE]
    if stale:
        warn(
            f"prices that often do not move, share of zero returns: {_joined(stale)}; "
            "illiquid, pegged or rounded? A model of continuous returns fits them badly"
        )


def warn_jumps(frame: pd.DataFrame) -> None:
    """Warn of log returns that are as large as those of a split."""
    returns = np.diff(np.log(frame.to_numpy()), axis=0)
    rows, columns = np.nonzero(np.abs(returns) > JUMP)
    if not len(rows):
        return
    largest = np.sort(np.argsort(-np.abs(returns[rows, columns]), kind="stable")[:LISTED])
    days = np.diff(frame.index.to_numpy()).astype("timedelta64[s]").astype(np.float64) / 86_400
    unusual = max(5 * float(np.median(days)), 2.0)
    parts = [
        f"{shown(frame.columns[column])} {iso(frame.index[row + 1])} {returns[row, column]:+.3f}"
        + (f" (times {np.exp(returns[row, column]):.3g})" if abs(returns[row, column]) > HUGE else "")
        + (f" (across a gap of {days[row]:.0f} days)" if days[row] > unusual else "")
        for row, column in zip(rows[largest], columns[largest], strict=True)
    ]
    warn(
        f"{counted(len(rows), 'log return')} beyond {JUMP:g} in size (kept): {_joined(parts, len(rows))}; "
        "an unadjusted split? or genuine"
        + ("; if it is a split or a new unit, adjust the prices before it" if np.abs(returns).max() > HUGE else "")
    )


# length --------------------------------------------------------------------------------------------------------------


def _refuse_short(frame: pd.DataFrame, min_rows: int | None) -> None:
    if min_rows is not None and len(frame) < min_rows:
        raise DataError(
            f"{min_rows:,} rows are needed, {counted(len(frame), 'row')} came ({iso(frame.index[0])} to "
            f"{iso(frame.index[-1])}); use a longer history, or fewer columns if rows were dropped"
        )


# words ---------------------------------------------------------------------------------------------------------------


def warn(message: str, category: type[Warning] = DataWarning) -> None:
    """Issue a warning that points at the first caller outside this package."""
    depth = 1
    while sys._getframe(depth).f_globals.get("__name__", "").startswith("tsgan.") and sys._getframe(depth).f_back:
        depth += 1
    warnings.warn(message, category, stacklevel=depth + 1)


def iso(date: Any) -> str:
    """Return a date as the options accept it: ``2017-03-02``, or ``2017-03-02T10:00`` where there is a time of day."""
    stamp = pd.Timestamp(date)
    if stamp == stamp.normalize():
        return str(stamp)[:10]
    return stamp.isoformat(timespec="auto" if stamp.second or stamp.microsecond else "minutes")


def shown(value: object) -> str:
    """Return a value as a sentence shows it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 row``, ``1,234 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _joined(parts: list[str], total: int | None = None) -> str:
    """Return the first parts as an enumeration that counts the rest."""
    total = total or len(parts)
    if total > LISTED:
        return f"{', '.join(parts[:LISTED])} and {total - LISTED:,} more"
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _listed(names: Iterable[str]) -> str:
    quoted = [shown(name) for name in names]
    most = 3 * LISTED
    return ", ".join(quoted[:most]) + (f" and {len(quoted) - most:,} more" if len(quoted) > most else "")


def _columns_option(names: list[str]) -> str:
    """Return ``columns=['A', 'B']``, cut where there are many."""
    listed = [*map(shown, names[: 2 * LISTED]), *["..."] * (len(names) > 2 * LISTED)]
    return f"columns=[{', '.join(listed)}]"
