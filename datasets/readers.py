"""Prices from a CSV file, a Parquet file or a frame, in any of the layouts that data vendors use.

bytes -> table of text and numbers -> rows with dates -> one column an asset -> `check_prices`.
"""

from __future__ import annotations

import csv
import datetime
import difflib
import gzip
import io
import os
import re
import sys
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsgan.datasets.checks import (
    check_prices,
    counted,
    iso,
    naive_dates,
    require_numbers,
    shown,
    warn,
    with_ordered_dates,
)
from tsgan.errors import ConfigError, DataError

__all__ = ["read_covariates", "read_prices"]

DATE_NAMES = frozenset({"date", "datetime", "timestamp", "time", "day", "data"})
TICKER_NAMES = frozenset({"ticker", "tickers", "tic", "symbol", "asset", "instrument", "security", "stock", "coin"})
TICKER_NAMES |= {"pair", "isin", "series", "variable", "name"}
# In order of preference: the adjusted close is what an investor earned.
ADJUSTED_NAMES = ("adj close", "adjclose", "adjusted close")
CLOSE_NAMES = (*ADJUSTED_NAMES, "close", "close last")
PRICE_NAMES = (*CLOSE_NAMES, "price", "last", "value")
BAR_NAMES = frozenset({"open", "high", "low", "volume"})
MEMORY_OF_TEXT = 10  # bytes of memory that a byte of text takes at most while it is read: 9, measured
LONGEST_NAME = 200  # characters; more are no name, and no sentence could show them
MISSING_MARKS = [".", "-", "--", "ND", "n.a."]  # FRED, exports by hand, the Federal Reserve; beside those pandas knows


def read_prices(
    source: str | os.PathLike[str] | pd.DataFrame | pd.Series[Any],
    *,
    columns: str | Sequence[str] | None = None,
    leave_out: Sequence[str] = (),
    missing: str = "error",
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
) -> pd.DataFrame:
    """Read prices and validate them with `check_prices`.

    Understood are, by content rather than by suffix: CSV with comma, semicolon or tab (also gzipped, also with a
    decimal comma) and Parquet; with one column an asset, as one bar file (open, high, low, close: the adjusted close
    if there is one, else the close, named after the file), as a long table (date, ticker, price), or as yfinance
    writes and returns them.

    Parameters
    ----------
    source : path, DataFrame or Series
        The prices. Dates are the index, or a column named like a date, or the first column that holds dates. Dates
        such as 03/17/2020 are accepted where a day beyond 12 settles which number is the day; time zones are dropped
        and wall-clock time is kept.
    columns : str or sequence of str, optional
        The assets to keep, in this order; nothing else is validated. In a bar file also one of its own columns
        (``"Open"``).
    leave_out : sequence of str
        Columns that are no prices, such as covariates; they may be absent.
    missing : {"error", "drop"}
        Refuse missing prices, or keep the rows that are complete in all columns.
    start, end : str or date, optional
        First and last date to use, both included.

    Returns
    -------
    DataFrame
        As `check_prices` returns it: float64, one column an asset, index ``date``.

    Raises
    ------
    DataError
        The source cannot be read or its prices cannot be used.
    ConfigError
        An option is not possible.

    Warns
    -----
    DataWarning
        See `check_prices`.
    """
    return check_prices(read_columns(source, columns, leave_out), missing=missing, start=start, end=end)


def read_columns(
    source: str | os.PathLike[str] | pd.DataFrame | pd.Series[Any],
    columns: str | Sequence[str] | None = None,
    leave_out: Sequence[str] = (),
) -> pd.DataFrame:
    """Read one column of numbers an asset as `read_prices` does, not yet checked: prices may be missing."""
    wanted = [columns] if isinstance(columns, str) else None if columns is None else [str(name) for name in columns]
    if wanted == []:
        raise ConfigError("columns is empty; name at least one, or leave it out to use all")
    table, stem = _table(source)
    table = table[[label for label in table.columns if label not in leave_out]] if leave_out else table
    prices = _one_column_an_asset(_dated(table), stem, wanted)
    if wanted is not None:
        prices = _selected(prices, wanted)
    require_numbers(prices)  # before sorting, while the row numbers are those of the source
    return prices


def read_covariates(
    source: str | os.PathLike[str] | pd.DataFrame, *, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read what a market is conditioned on: numbers or categories, in the file formats of `read_prices`.

    Parameters
    ----------
    source : path or DataFrame
        Dates and a column a covariate; values may be missing.
    columns : sequence of str, optional
        The covariates to keep, in this order.

    Returns
    -------
    DataFrame
        Numbers or text, index ``date``, ascending.

    Raises
    ------
    DataError
        The source cannot be read, or lacks a column.
    """
    table = _dated(_table(source)[0])
    table = table.set_axis([str(name) for name in table.columns], axis=1)
    if columns is not None:
        _require_known(list(columns), list(table.columns))
        table = table[list(columns)]
    return with_ordered_dates(table)


def _table(source: object) -> tuple[pd.DataFrame, str | None]:
    """Return the source as a table, and the name that its file suggests for an asset."""
    if isinstance(source, pd.Series):
        source = source.to_frame("price" if source.name is None else source.name)
    if isinstance(source, pd.DataFrame):
        table = _with_text(source)
        return _with_numbers(table, _decimal_mark(table, None)), None
    if not isinstance(source, str | os.PathLike):
        raise DataError(f"prices must be a path, a DataFrame or a Series, got {type(source).__name__}")
    path = Path(os.fsdecode(source))
    unzipped = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return _read_file(path), unzipped.stem


# files ---------------------------------------------------------------------------------------------------------------


def _read_file(path: Path) -> pd.DataFrame:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == b"PAR1":
            return _read_parquet(path)
        return _read_text(_content(path, zipped=magic[:2] == b"\x1f\x8b"), path)
    except (OSError, EOFError, zlib.error) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else error
        raise DataError(f"{path} cannot be read: {reason}") from error


def _content(path: Path, *, zipped: bool) -> bytes:
    """Return the bytes of a file of text, unless the table that they make would not fit into memory."""
    room = _memory() // MEMORY_OF_TEXT
    parts, size = [], 0
    with gzip.open(path) if zipped else path.open("rb") as file:
        while part := file.read(1 << 24):
            parts.append(part)
            size += len(part)
            if size > room:
                raise DataError(
                    f"{path} holds more than {room:,} bytes of text, for which {room * MEMORY_OF_TEXT:,} bytes of "
                    "memory are needed, all that there is; keep fewer rows or columns, or write it as Parquet"
                )
    return b"".join(parts)


def _memory() -> int:
    """Bytes of memory that this machine has, where the system says it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return sys.maxsize


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except ImportError as error:
        raise DataError(f"{path} is a Parquet file, for which pyarrow is needed: pip install pyarrow") from error
    except ValueError as error:  # ArrowInvalid among them
        raise DataError(f"{path} is a damaged Parquet file: {error}") from error
    table = _with_text(table)
    return _with_numbers(table, _decimal_mark(table, None))


def _read_text(content: bytes, path: Path) -> pd.DataFrame:
    encoding = _encoding(content, path)
    lines = content[: 1 << 20].decode(encoding, errors="ignore").splitlines()
    filled = [i for i, line in enumerate(lines) if line.strip(" \t,;") and not re.match("sep=.$", line)]  # Excel's hint
    if not filled:
        raise DataError(f"{path} is empty; expected a header and one row for each date")
    sample = [lines[i] for i in filled[:5]]
    separator = _separator(sample)
    header, depth = _header(list(csv.reader(sample, delimiter=separator, skipinitialspace=True)), path)
    if len(filled) <= depth:
        raise DataError(f"{path} has a header but no rows; expected one row for each date")
    options = {"sep": separator, "encoding": encoding, "names": range(len(header)), "skiprows": filled[0] + depth}
    table = _parse(content, path, _ticker_as_text(header), options).set_axis(header, axis=1)
    mark = _decimal_mark(table, separator)
    if mark == ",":  # numbers such as 1.234 were misread as fractions: once more, as text
        table = _parse(content, path, "str", options).set_axis(header, axis=1)
    return _with_numbers(table, mark)


def _encoding(content: bytes, path: Path) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) and content[2:4] != b"\0\0":  # that would be UTF-32
        return "utf-16"
    if content.startswith(b"PK\x03\x04"):
        raise DataError(f"{path} is a zip archive or an Excel workbook; unpack it, or save the sheet as CSV")
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in content[:4096]):
        raise DataError(f"{path} is neither text nor Parquet; expected prices in a Parquet file or as CSV, in UTF-8")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"  # has a sign for every byte


def _separator(lines: list[str]) -> str:
    """Return the separator found in every line most often; quoted text does not count."""
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines]
    return max(";\t,", key=lambda mark: (min(line.count(mark) for line in bare), mark == ","))


def _header(cells: list[list[str]], path: Path) -> tuple[pd.Index[Any], int]:
    """Return the column names and the number of lines that they take."""
    first = [cell.strip() for cell in cells[0]]
    if _is_date_text(first[0]):
        raise DataError(
            f"{path} has no header: its first line begins with {shown(first[0])}; add one, such as Date,SPY,QQQ"
        )
    depth = 3 if _is_yfinance(cells) else 1
    width = max(len(row) if any(row[len(first) :]) else 0 for row in cells[depth:]) if len(cells) > depth else 0
    if width > len(first):
        raise DataError(
            f"{path} has {counted(len(first), 'column name')}, but {width} values in a row; "
            "begin with one line that names every column"
        )
    long = next((i for i, name in enumerate(first) if len(name) > LONGEST_NAME), None)
    if long is not None:
        raise DataError(
            f"{path} names column {long + 1} with {len(first[long]):,} characters, {shown(first[long])}; expected a "
            f"header of names of up to {LONGEST_NAME}, such as Date,SPY,QQQ"
        )
    if depth == 1:
        return pd.Index([name or f"Unnamed: {i}" for i, name in enumerate(first)], dtype=object), 1
    names = [(cells[2][0], ""), *zip(first[1:], (cell.strip() for cell in cells[1][1:]), strict=False)]
    return pd.MultiIndex.from_tuples(names), 3


def _is_yfinance(cells: list[list[str]]) -> bool:
    """Whether there are three header lines: prices, tickers (or the reverse), and the name of the dates alone."""
    return len(cells) >= 3 and _plain(cells[2][0]) in DATE_NAMES and len(cells[2]) > 1 and not any(cells[2][1:])


def _parse(content: bytes, path: Path, dtype: Any, options: dict[str, Any]) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # values beyond the last column would be lost
            table = pd.read_csv(
                io.BytesIO(content),
                header=None,
                index_col=False,
                dtype=dtype,
                na_values=MISSING_MARKS,
                skipinitialspace=True,
                low_memory=False,  # one type a column, whatever its length
                **options,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, UnicodeError) as error:
        raise DataError(f"{path} is not a table separated by {options['sep']!r}: {str(error).strip()}") from error
    return _with_text(table)


def _with_text(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with objects that are text typed as text."""
    objects = [i for i, dtype in enumerate(table.dtypes) if pd.api.types.is_object_dtype(dtype)]
    texts = [i for i in objects if pd.api.types.infer_dtype(table.iloc[:, i], skipna=True) == "string"]
    return _replaced(table, {i: table.iloc[:, i].astype("string") for i in texts})


def _replaced(table: pd.DataFrame, columns: dict[int, pd.Series[Any]]) -> pd.DataFrame:
    """Return the table with the columns at these positions replaced; names may repeat."""
    if not columns:
        return table
    parts = {i: columns.get(i, table.iloc[:, i]) for i in range(table.shape[1])}
    return pd.DataFrame(parts, index=table.index).set_axis(table.columns, axis=1)


def _ticker_as_text(header: pd.Index[Any]) -> dict[int, str]:
    """Return the type that keeps 005930 a ticker."""
    long = _long_positions(header)
    return {long[0]: "str"} if long else {}


# numbers -------------------------------------------------------------------------------------------------------------


def _number_pattern(point: str, comma: str) -> str:
    group = f"[{comma}'\u00a0\u202f ]"
    return rf"[-+]?(?:(?:\d{{1,3}}(?:{group}\d{{3}})+|\d+)(?:[{point}]\d*)?|[{point}]\d+)(?:[eE][-+]?\d+)?"


PATTERNS = {".": _number_pattern(".", ","), ",": _number_pattern(",", ".")}


def _decimal_mark(table: pd.DataFrame, separator: str | None) -> str | None:
    """Return which of point and comma marks decimals in the text of a table; None where it cannot be known."""
    texts = [table.iloc[:, i].str.strip() for i in _text_positions(table)]
    point = any(_only(text, ".", ",") for text in texts)
    comma = any(_only(text, ",", ".") for text in texts)
    if point and comma:
        return None
    if point or comma:
        return "." if point else ","
    if any(_has_fractions(table.iloc[:, i]) for i in range(table.shape[1])):
        return "."
    if any(text.str.contains(",", regex=False).any() and _matches(text, ",").any() for text in texts):
        return "," if separator == ";" else None  # 1,234: files with semicolons have them for their decimal commas
    return "."


def _text_positions(table: pd.DataFrame) -> list[int]:
    """Return the columns of text that may be numbers: neither dates nor tickers by their name."""
    long = _long_positions(table.columns)
    return [
        i
        for i, (label, dtype) in enumerate(zip(table.columns, table.dtypes, strict=True))
        if isinstance(dtype, pd.StringDtype) and _label(label) not in DATE_NAMES and not (long and i == long[0])
    ]


def _matches(text: pd.Series[str], mark: str) -> pd.Series[bool]:
    return text.str.fullmatch(PATTERNS[mark]).fillna(False).astype(bool)


def _only(text: pd.Series[str], mark: str, other: str) -> bool:
    return bool((_matches(text, mark) & ~_matches(text, other)).any())


def _has_fractions(column: pd.Series[Any]) -> bool:
    if not pd.api.types.is_float_dtype(column.dtype):
        return False
    return bool((column.dropna() % 1 != 0).any())


def _with_numbers(table: pd.DataFrame, mark: str | None) -> pd.DataFrame:
    """Return the table with the columns of text that are all numbers converted; any others stay for the checks."""
    texts = {i: table.iloc[:, i].str.strip() for i in _text_positions(table)} if mark else {}
    numeric = {i: text for i, text in texts.items() if (_matches(text, str(mark)) | text.isna()).all()}
    return _replaced(table, {i: _converted(text, str(mark)) for i, text in numeric.items()})


def _converted(text: pd.Series[str], mark: str) -> pd.Series[float]:
    bare = text.str.replace(rf"[^\d{mark}eE+-]", "", regex=True)
    return bare.str.replace(",", ".", regex=False).astype("float64")


# dates ---------------------------------------------------------------------------------------------------------------

YEAR_FIRST = re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}(?!\d)|\d{4}-\d{2}$|\d{8}$")
YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})(?!\d)")
MONTH_FORMATS = ("%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%b %d %Y", "%d-%b-%y")
MONTH_NAME = re.compile(r"\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{2,4}|[A-Za-z]{3,9} \d{1,2},? \d{4}")
CLOCK = re.compile(r"([T ])\d{1,2}:\d{2}(:\d{2})?(\.\d+)?( ?[AaPp][Mm])?$")
ZONE = r"^(.*\d:\d{2}.*?) *(?:Z|UTC|GMT|[-+]\d{2}(?::?\d{2})?)$"
FIRST_NUMBER_OF_A_DATE = 10_000_000  # both YYYYMMDD and seconds since 1970 are larger; row numbers are smaller


def _dated(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its dates as the index and without row numbers."""
    if isinstance(table.index, pd.MultiIndex):
        table = table.reset_index()
    table = _without_row_numbers(table)
    if _holds_dates(pd.Series(table.index), str(table.index.name)):
        dates = pd.Series(table.index, name=table.index.name)
    else:
        position = _date_position(table)
        dates = table.iloc[:, position]
        table = table.iloc[:, [i for i in range(table.shape[1]) if i != position]]
    filled = dates.notna().to_numpy() | table.notna().any(axis=1).to_numpy()  # blank lines at the end are no rows
    index = _parsed(dates[filled])
    return table[filled].set_axis(index.rename("date"), axis=0)


def _without_row_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Drop columns without a name that are empty, or that come first and count the rows."""
    unnamed = [i for i, label in enumerate(table.columns) if re.match(r"(unnamed: \d+)?$", _label(label))]
    useless = {i for i in unnamed if table.iloc[:, i].isna().all() or (i == 0 and _is_whole(table.iloc[:, i]))}
    return table.iloc[:, [i for i in range(table.shape[1]) if i not in useless]] if useless else table


def _is_whole(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype) and bool((column.dropna() % 1 == 0).all())


def _date_position(table: pd.DataFrame) -> int:
    labels = [_label(label) for label in table.columns]
    named = [i for i, label in enumerate(labels) if label in DATE_NAMES]
    candidates: list[int] = [*named, *range(len(labels))]
    found = next((i for i in candidates if _holds_dates(table.iloc[:, i], labels[i])), None)
    if found is not None:
        return found
    names = ", ".join(shown(str(name)) for name in table.columns[:10])
    example = (
        f", and {shown(str(table.columns[named[0]]))} begins with {_example(table.iloc[:, named[0]])}" if named else ""
    )
    raise DataError(
        f"no column holds dates (there are {names}{example}); expected one with ISO dates such as 2017-03-02"
    )


def _example(column: pd.Series[Any]) -> str:
    present = column.dropna()
    return shown(str(present.iloc[0])) if len(present) else "nothing"


def _holds_dates(column: pd.Series[Any], name: str) -> bool:
    """Whether a column holds dates, judged by its type or by its first value; numbers only under a date's name."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype) or isinstance(column.dtype, pd.PeriodDtype):
        return True
    first = next(iter(column.dropna().iloc[:1]), None)
    if isinstance(first, str):
        return _is_date_text(first)
    if isinstance(first, int | float | np.number):
        return _plain(name) in DATE_NAMES and abs(float(first)) >= FIRST_NUMBER_OF_A_DATE
    return isinstance(first, datetime.date)


def _is_date_text(text: str) -> bool:
    return any(pattern.match(text.strip()) for pattern in (YEAR_FIRST, YEAR_LAST, MONTH_NAME))


def _parsed(column: pd.Series[Any]) -> pd.DatetimeIndex:
    """Return the dates of a column of any type as wall-clock time."""
    if column.isna().any():
        row = int(np.argmax(column.isna().to_numpy())) + 1
        raise DataError(f"row {row} has prices but no date in column {shown(str(column.name))}; every row needs a date")
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _from_numbers(column)
    if isinstance(column.dtype, pd.StringDtype) or isinstance(column.iloc[0], str):
        return _from_text(column.astype("str").str.strip())
    return naive_dates(pd.Index(column))


def _from_numbers(column: pd.Series[Any]) -> pd.DatetimeIndex:
    """Return the dates of whole numbers: YYYYMMDD, or seconds, ms, us or ns since 1970."""
    beyond = ~(column.astype("float64").abs() < 2.0**63)
    if beyond.any():
        row = int(np.argmax(beyond.to_numpy()))
        raise DataError(
            f"column {shown(str(column.name))} holds {column.iloc[row]:g} (row {row + 1}), which is no date; "
            "write ISO dates such as 2017-03-02"
        )
    numbers = column.astype("int64")
    if numbers.between(18_000_101, 22_001_231).all():
        return _strictly(numbers.astype("str"), ["%Y%m%d"])
    size = float(numbers.abs().max())
    unit = next(unit for unit, limit in {"s": 1e11, "ms": 1e14, "us": 1e17, "ns": np.inf}.items() if size < limit)
    return pd.DatetimeIndex(numbers.to_numpy().astype(f"datetime64[{unit}]"))


def _from_text(text: pd.Series[str]) -> pd.DatetimeIndex:
    if text.str.contains(":", regex=False).any():
        text = text.str.replace(ZONE, r"\1", regex=True)
    first = str(text.iloc[0])
    if YEAR_FIRST.match(first):
        return _strictly(text.str.replace(r"^(\d{4})[/.](\d{1,2})[/.]", r"\1-\2-", regex=True), ["ISO8601"])
    clock = _clock_format(first)
    numeric = YEAR_LAST.match(first)
    if not numeric:
        return _strictly(text, [date + clock for date in MONTH_FORMATS])
    mark, year = numeric[2], "%Y" if len(numeric[4]) == 4 else "%y"
    order = ("%d", "%m") if _day_comes_first(text) else ("%m", "%d")
    return _strictly(text, [mark.join([*order, year]) + clock])


def _clock_format(example: str) -> str:
    found = CLOCK.search(example)
    if not found:
        return ""
    gap, seconds, fraction, half = found.groups()
    clock = ("%I:%M" if half else "%H:%M") + (":%S" if seconds else "") + (".%f" if fraction else "")
    return gap + clock + (f"{half[:-2]}%p" if half else "")


def _day_comes_first(text: pd.Series[str]) -> bool:
    """Decide between day/month and month/day by the days beyond 12."""
    parts = text.str.extract(r"^(\d{1,2})[-/.](\d{1,2})[-/.]")
    first, second = (pd.to_numeric(parts[i]).max() > 12 for i in (0, 1))
    if first == second:
        reason = "contradict each other" if first else "may be day/month or month/day"
        raise DataError(f"dates such as {shown(text.iloc[0])} {reason}; write ISO dates such as 2017-03-02")
    return bool(first)


def _strictly(text: pd.Series[str], formats: list[str]) -> pd.DatetimeIndex:
    """Parse all of the text with the first format that understands most of it, or raise."""
    try:
        parsed = max((pd.to_datetime(text, format=one, errors="coerce") for one in formats), key=pd.Series.count)
    except ValueError as error:  # UTC offsets behind hours alone, which ZONE leaves there
        raise DataError(
            f"column {shown(str(text.name))} mixes dates with and without UTC offset, or with several; "
            "write ISO dates such as 2017-03-02 or 2017-03-02 09:30"
        ) from error
    if parsed.isna().any():
        row = int(np.argmax(parsed.isna().to_numpy()))
        raise DataError(
            f"column {shown(str(text.name))} holds {shown(text.iloc[row])} (row {row + 1}), which is not a date like "
            "the others; write ISO dates such as 2017-03-02"
        )
    return naive_dates(pd.DatetimeIndex(parsed))


# layouts -------------------------------------------------------------------------------------------------------------


def _plain(label: object) -> str:
    """Return a label for comparison: ``Adj_Close``, ``adj close`` and ``<ADJ_CLOSE>`` are the same."""
    return re.sub(r"[\s_./<>-]+", " ", str(label)).strip().lower()


def _label(label: object) -> str:
    """Return the plain name of a column; of several levels the first that says something."""
    return _plain(next((part for part in label if part), "") if isinstance(label, tuple) else label)


def _one_column_an_asset(table: pd.DataFrame, stem: str | None, wanted: list[str] | None) -> pd.DataFrame:
    if isinstance(table.columns, pd.MultiIndex):
        return _from_levels(table)
    long = _long_positions(table.columns)
    if long:
        return _pivoted(table, *long, wanted)
    close = _bar_close(table.columns)
    if close is None or (wanted and set(wanted) <= set(table.columns)):
        return table
    name = wanted[0] if wanted and len(wanted) == 1 else stem or str(table.columns[close])
    return table.iloc[:, [close]].set_axis([name], axis=1)


def _first_of(names: Sequence[str], labels: list[str]) -> int | None:
    return next((labels.index(name) for name in names if name in labels), None)


def _long_positions(columns: pd.Index[Any]) -> tuple[int, int] | None:
    """Return the positions of ticker and price if the names are those of a long table."""
    labels = [_label(label) for label in columns]
    ticker = next((i for i, label in enumerate(labels) if label in TICKER_NAMES), None)
    price = _first_of(PRICE_NAMES, labels)
    return None if ticker is None or price is None else (ticker, price)


def _bar_close(columns: pd.Index[Any]) -> int | None:
    """Return the position of the price to use if the names are those of one asset's bars."""
    labels = [_label(label) for label in columns]
    if {"open", "high", "low"} <= set(labels):
        return _first_of(PRICE_NAMES, labels)
    only_bars = set(labels) <= BAR_NAMES | set(CLOSE_NAMES) and len(labels) > 1
    return _first_of(CLOSE_NAMES, labels) if only_bars else None


def _from_levels(table: pd.DataFrame) -> pd.DataFrame:
    """Return the closes of a table as yfinance makes it: (Price, Ticker), or (Ticker, Price), above each column."""
    levels = [[_plain(value) for value in table.columns.get_level_values(i)] for i in range(table.columns.nlevels)]
    prices = next((i for i, values in enumerate(levels) if set(values) & set(CLOSE_NAMES)), None)
    if len(levels) != 2 or prices is None:
        raise DataError(
            f"the table has {len(levels)} levels of column names without a level that names the close; "
            "expected (Price, Ticker) as yfinance returns them, or one level with one column an asset"
        )
    tickers = table.columns.get_level_values(1 - prices)
    for name in CLOSE_NAMES:
        chosen = [i for i, value in enumerate(levels[prices]) if value == name]
        if set(tickers[chosen]) == set(tickers):
            return table.iloc[:, chosen].set_axis(tickers[chosen], axis=1)
    raise DataError("some tickers have an adjusted close and some only a close; expected the same for all of them")


def _pivoted(table: pd.DataFrame, ticker: int, price: int, wanted: list[str] | None) -> pd.DataFrame:
    """Return a long table with one column for each ticker, in the order in which they appear."""
    long = pd.DataFrame({"ticker": table.iloc[:, ticker], "price": table.iloc[:, price]})
    if long["ticker"].isna().any():
        row = int(np.argmax(long["ticker"].isna().to_numpy())) + 1
        raise DataError(f"row {row} has no {shown(str(table.columns[ticker]))}; every row of a long table needs one")
    long["ticker"] = long["ticker"].astype("str").str.strip()
    if wanted is not None:
        _require_known(wanted, list(long["ticker"].unique()))
        long["price"] = long["price"].where(long["ticker"].isin(wanted))
        long = _with_numbers(long, _decimal_mark(long, None))
    require_numbers(long[["price"]].set_axis([table.columns[price]], axis=1))
    long = long if wanted is None else long[long["ticker"].isin(wanted)]
    order = long["ticker"].unique()
    wide = _without_repeats(long).set_index("ticker", append=True)["price"].unstack("ticker")
    return wide[list(order)].rename_axis(columns=None)


def _without_repeats(long: pd.DataFrame) -> pd.DataFrame:
    rows = long.reset_index()
    exact = rows.duplicated()
    again = rows[~exact].duplicated(["date", "ticker"])
    if again.any():
        first = rows[~exact][again].iloc[0]
        raise DataError(
            f"{shown(first['ticker'])} has several prices on {iso(first['date'])} "
            f"({counted(int(again.sum()), 'such row')} in all); "
            "keep one row for each date and ticker"
        )
    if exact.any():
        warn(f"dropped {counted(int(exact.sum()), 'row')}, exact copies of another row")
    return long[~exact.to_numpy()]


def _selected(table: pd.DataFrame, wanted: list[str]) -> pd.DataFrame:
    table = table.set_axis([str(name) for name in table.columns], axis=1)
    _require_known(wanted, list(table.columns))
    chosen = table[wanted]
    empty = [name for name in wanted if chosen[[name]].isna().all(axis=None)]
    if empty:
        raise DataError(f"column {shown(empty[0])} was asked for and holds no price at all; leave it out")
    return chosen


def _require_known(wanted: list[str], available: list[str]) -> None:
    unknown = next((name for name in wanted if name not in available), None)
    if unknown is None:
        return
    folded = {name.lower(): name for name in available}
    close = difflib.get_close_matches(unknown.lower(), folded, n=1)
    guess = f"; did you mean {shown(folded[close[0]])}?" if close else "."
    listed = ", ".join(f"{name:.60}" for name in available[:40]) + (
        f" and {len(available) - 40:,} more" if len(available) > 40 else ""
    )
    raise DataError(f"there is no column {shown(unknown)}{guess} Available: {listed}")
