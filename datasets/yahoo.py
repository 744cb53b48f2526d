"""Prices from Yahoo Finance, by yfinance: the only place where tsgan uses a network."""

from __future__ import annotations

import logging
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from tsgan.errors import ConfigError, DataError, DataWarning
from tsgan.files import atomic_path

__all__ = ["INTERVALS", "cache_folder", "download"]

INTERVALS = ("1d", "1wk", "1mo", "1h")
"""Lengths of a bar that can be asked for."""

_TICKER = re.compile(r"[\^$]?[A-Za-z0-9][A-Za-z0-9.=&_-]{0,23}")
_TIMEOUT = 20.0  # seconds that one request may take
_WAITS = (1.0, 5.0)  # seconds before the second and the third attempt
_FRESH = pd.Timedelta(hours=12)
_UNKNOWN = ("no timezone found", "no price data found", "no data found", "delisted", "not found")


def download(
    tickers: str | Sequence[str],
    start: str | pd.Timestamp | None = None,
    end: str | pd.Timestamp | None = None,
    *,
    interval: str = "1d",
    refresh: bool = False,
    progress: Callable[[str, float], None] | None = None,
) -> pd.DataFrame:
    """Download closing prices, adjusted for splits and dividends, from Yahoo Finance.

    Every ticker's answer is kept in :func:`cache_folder` and used again for 12 hours; where Yahoo cannot be reached an
    older one is used, with a warning. Requests that fail are repeated twice, until it is clear that there is no
    connection.

    Parameters
    ----------
    tickers : Yahoo's names, such as ``"SPY"``, ``["^GSPC", "EURUSD=X", "BTC-USD"]``
    start, end : first and last date wanted, both included; default: all there is
    interval : {"1d", "1wk", "1mo", "1h"}
        Length of a bar; Yahoo has hourly bars of the last two years only.
    refresh : ask again for what the cache holds
    progress : called with a ticker and the share of the whole that is done before it

    Returns
    -------
    DataFrame
        One column a ticker, in the order given, in the currencies they are quoted in; index ``date``, without a time
        zone for days and longer bars, for hours in that of the exchange, or in UTC where tickers are of several. A
        price is missing where others have one.

    Raises
    ------
    ConfigError
        A ticker, date or interval that cannot be.
    DataError
        Yahoo does not know a ticker, or could not be reached. What could be had of the others is in the cache.

    Notes
    -----
    The last row may be of a day that is still trading. Yahoo's terms of use allow personal use.
    """
    names = _checked([tickers] if isinstance(tickers, str) else tickers)
    if interval not in INTERVALS:
        raise ConfigError(f"interval must be one of {', '.join(INTERVALS)}, not {interval!r}")
    first, last = _date("start", start), _date("end", end)
    if first is not None and last is not None and last < first:
        raise ConfigError(f"end, {last:%Y-%m-%d}, lies before start, {first:%Y-%m-%d}")
    closes: dict[str, pd.Series] = {}
    failed: dict[str, Exception] = {}
    for done, name in enumerate(names):
        if progress is not None:
            progress(name, done / len(names))
        reachable = not any(isinstance(error, ConnectionError) for error in failed.values())
        try:
            closes[name] = _closes(name, first, last, interval, refresh, _WAITS if reachable else ())
        except (DataError, ConnectionError) as error:
            failed[name] = error
    if failed:
        raise DataError(_told(failed, len(names)))
    table = pd.concat(closes, axis=1, sort=True)
    return table.set_axis(pd.DatetimeIndex(table.index, name="date").as_unit("us"))  # as all prices here have them


def cache_folder() -> Path:
    """Folder of the answers that are kept: that of the variable TSGAN_CACHE, else the system's for caches."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("TSGAN_CACHE") or user_cache_path("tsgan", appauthor=False)) / "yahoo"


def _checked(tickers: Sequence[str]) -> list[str]:
    names = [str(ticker).strip().upper() for ticker in tickers]
    if not names:
        raise ConfigError("there is no ticker to download; name one, such as SPY")
    for name in names:
        if not _TICKER.fullmatch(name):
            raise ConfigError(f"{name!r} is no ticker of Yahoo's; they look like SPY, ^GSPC, BRK-B, EURUSD=X or 7203.T")
    return list(dict.fromkeys(names))


def _date(name: str, value: str | pd.Timestamp | None) -> pd.Timestamp | None:
    if value is None:
        return None
    try:
        date = pd.Timestamp(value)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{name} must be a date such as 2010-01-04, not {value!r}") from error
    if pd.isna(date):
        raise ConfigError(f"{name} must be a date such as 2010-01-04, not {value!r}")
    return date.tz_localize(None).normalize()


def _closes(
    ticker: str,
    start: pd.Timestamp | None,
    end: pd.Timestamp | None,
    interval: str,
    refresh: bool,
    waits: Sequence[float],
) -> pd.Series:
    """Closes of one ticker: from the cache if it is fresh, else from Yahoo, else from the cache however old."""
    span = "_".join("" if date is None else f"{date:%Y-%m-%d}" for date in (start, end))
    file = cache_folder() / f"{ticker}_{interval}_{span}.csv"
    known, age = _kept(file)
    if known is not None and age < _FRESH and not refresh:
        return known
    try:
        closes = _ask(ticker, start, end, interval, waits)
    except ConnectionError as error:
        if known is None:
            raise
        when = f"{pd.Timestamp.now() - age:%Y-%m-%d %H:%M}"
        warnings.warn(f"{ticker}: {error}; the answer of {when} is used", DataWarning, stacklevel=4)
        return known
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(file) as partial:
            _write(closes, partial)
    except OSError as error:  # no reason to lose what was downloaded
        warnings.warn(f"the cache cannot be written: {error.filename}: {error.strerror}", DataWarning, stacklevel=4)
    return closes


def _kept(file: Path) -> tuple[pd.Series | None, pd.Timedelta]:
    """Closes in a file of the cache and its age; a file that cannot be read is none."""
    try:
        age = pd.Timedelta(seconds=time.time() - file.stat().st_mtime)
        closes = pd.read_csv(file, index_col=0, parse_dates=[0]).iloc[:, 0].astype("float64")
        dates, (_, _, zone) = pd.DatetimeIndex(closes.index, name="date"), str(closes.index.name).partition(" ")
        return closes.set_axis(dates.tz_convert(zone) if zone else dates), age
    except (OSError, ValueError, TypeError, KeyError):  # of zones too
        return None, pd.Timedelta(0)


def _write(closes: pd.Series, file: Path) -> None:
    """Write closes for `_kept`: hours in UTC, where every hour comes once, with the exchange's zone in the header."""
    dates = pd.DatetimeIndex(closes.index)
    if dates.tz is None:
        closes.to_csv(file, index_label="date")
    else:
        closes.set_axis(dates.tz_convert("UTC")).to_csv(file, index_label=f"date {dates.tz}")


def _ask(
    ticker: str, start: pd.Timestamp | None, end: pd.Timestamp | None, interval: str, waits: Sequence[float]
) -> pd.Series:
    """Ask Yahoo, again after each wait if that fails.

    Raises
    ------
    DataError
        Yahoo answered that there is nothing.
    ConnectionError
        There was no answer.
    """
    why = ""
    for wait in (0.0, *waits):
        time.sleep(wait)
        frame, why = _request(ticker, start, end, interval)
        if frame is not None:
            closes = frame["Close", ticker].dropna().astype("float64").rename(ticker)
            dates = pd.DatetimeIndex(closes.index, name="date")
            if len(closes):
                return closes.set_axis(dates)
        if any(text in why.lower() for text in _UNKNOWN):
            raise DataError(f"Yahoo has no prices of it for these dates ({why})")
    raise ConnectionError(f"Yahoo could not be asked: {why or 'its answer was empty'}")


def _request(
    ticker: str, start: pd.Timestamp | None, end: pd.Timestamp | None, interval: str
) -> tuple[pd.DataFrame | None, str]:
    """One request: a frame with columns (Price, Ticker), or None; and what yfinance complained of."""
    import yfinance

    after = None if end is None else end + pd.Timedelta(days=1)  # yfinance leaves its end out
    with _complaints() as said, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its use of pandas
        frame = yfinance.download(
            ticker,
            start=start,
            end=after,
            period="max" if start is None and end is None else None,
            interval=interval,
            auto_adjust=True,
            actions=False,
            group_by="column",
            multi_level_index=True,
            threads=False,
            progress=False,
            timeout=_TIMEOUT,
        )
    return (None if frame is None or frame.empty else frame), _reason(said)


def _reason(said: list[str]) -> str:
    """Why a request failed: what yfinance said first, since it goes on to call delisted what it could not ask for."""
    first = next((text for text in said if not text.endswith("Failed download:")), "")
    return re.sub(r"^(\$\S+: |\[.*?\]: |Failed to get ticker .* reason: )", "", first).partition(" See http")[0]


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect what yfinance logs, which is all it says of a failure, and print none of it."""
    said: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage().strip())

    logger, collector = logging.getLogger("yfinance"), Collector(logging.ERROR)
    handlers, propagate = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [collector], False
    try:
        yield said
    finally:
        logger.handlers, logger.propagate = handlers, propagate


def _told(failed: dict[str, Exception], count: int) -> str:
    """Sentence on the tickers that could not be had."""
    reasons: dict[str, list[str]] = {}
    for name, error in failed.items():
        reasons.setdefault(str(error), []).append(name)
    what = "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items())
    return f"{len(failed)} of {count} tickers could not be downloaded: {what}"
