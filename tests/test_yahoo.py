"""Downloads, without a network: yfinance gets answers as Yahoo writes them, or its own frames, or none at all."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yfinance
from typer.testing import CliRunner

from tsgan.cli.main import app
from tsgan.datasets import check_prices, download, read_prices, yahoo
from tsgan.errors import ConfigError, DataError, DataWarning

DAYS = pd.bdate_range("2024-01-02", periods=300)
OFFLINE = "['{}']: DNSError('Failed to perform, curl: (6) Could not resolve host: query2.finance.yahoo.com.')"
LIMITED = "['{}']: YFRateLimitError('Too Many Requests. Rate limited. Try after a while.')"
DELISTED = "['{}']: possibly delisted; no timezone found"


def frame(ticker: str, index: pd.DatetimeIndex = DAYS) -> pd.DataFrame:
    """A frame as `yfinance.download` makes it of one ticker."""
    rng = np.random.default_rng(sum(ticker.encode()))
    close = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(len(index))))
    fields = {
        "Close": close,
        "High": 1.01 * close,
        "Low": 0.99 * close,
        "Open": close,
        "Volume": np.full(len(index), 9),
    }
    columns = pd.MultiIndex.from_product([fields, [ticker]], names=["Price", "Ticker"])
    return pd.DataFrame(np.column_stack(list(fields.values())), index.rename("Date"), columns)


class Yahoo:
    """In the place of `yfinance.download`; counts the requests."""

    def __init__(self) -> None:
        self.answers: dict[str, pd.DataFrame | str] = {}
        self.asked: list[dict[str, Any]] = []

    def __call__(self, ticker: str, **options: Any) -> pd.DataFrame:
        self.asked.append({"ticker": ticker, **options})
        answer = self.answers.get(ticker, OFFLINE)
        if isinstance(answer, str):
            logger = logging.getLogger("yfinance")
            logger.error("\n1 Failed download:")
            for text in answer.splitlines():
                logger.error(text.format(ticker))
            return frame(ticker).iloc[:0]
        return answer


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Yahoo:
    fake = Yahoo()
    monkeypatch.setattr(yfinance, "download", fake)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setenv("TSGAN_CACHE", str(tmp_path / "cache"))
    return fake


def test_columns_in_the_order_given(online: Yahoo) -> None:
    online.answers = {"QQQ": frame("QQQ"), "BTC-USD": frame("BTC-USD", pd.date_range(DAYS[0], DAYS[-1], name="Date"))}
    prices = download(["qqq", "BTC-USD", "QQQ"])
    assert list(prices) == ["QQQ", "BTC-USD"]
    assert prices.index.tolist() == pd.date_range(DAYS[0], DAYS[-1]).tolist()
    assert prices.index.name == "date"
    assert prices["QQQ"].dropna().to_dict() == frame("QQQ")["Close"]["QQQ"].to_dict()
    assert all(request["auto_adjust"] and request["timeout"] and not request["threads"] for request in online.asked)


def test_both_ends_are_included(online: Yahoo) -> None:
    online.answers = {"SPY": frame("SPY")}
    download("SPY", "2024-01-02", "2024-06-28")
    assert online.asked[0]["start"] == pd.Timestamp("2024-01-02")
    assert online.asked[0]["end"] == pd.Timestamp("2024-06-29")  # which yfinance leaves out
    download("SPY")
    assert online.asked[1]["period"] == "max"


def test_hours_are_those_of_the_exchange(online: Yahoo, tmp_path: Path) -> None:
    hours = pd.date_range("2024-03-08 09:30", periods=60, freq="h", tz="America/New_York")  # over the change of time
    online.answers = {"SPY": frame("SPY", hours)}
    for _ in range(2):  # from Yahoo, then from the cache
        index = pd.DatetimeIndex(download("SPY", interval="1h").index)
        assert str(index.tz) == "America/New_York"
        assert (index == hours).all()
    assert len(online.asked) == 1
    wall = hours.tz_localize(None).tolist()
    assert check_prices(download("SPY", interval="1h")).index.tolist() == wall
    for file in (tmp_path / "hours.csv", tmp_path / "hours.parquet"):
        assert CliRunner().invoke(app, ["download", "SPY", "--interval", "1h", "--out", str(file)]).exit_code == 0
        assert read_prices(file).index.tolist() == wall


def test_hours_of_several_exchanges_are_in_utc(online: Yahoo) -> None:
    hours = pd.date_range("2024-03-08 09:30", periods=60, freq="h", tz="America/New_York")
    online.answers = {"SPY": frame("SPY", hours), "^FTSE": frame("^FTSE", hours.tz_convert("Europe/London"))}
    for _ in range(2):
        prices = download(["SPY", "^FTSE"], interval="1h")
        assert str(pd.DatetimeIndex(prices.index).tz) == "UTC"
        assert (prices.index == hours).all()
        assert prices.notna().all(axis=None)


def test_a_zone_that_nobody_knows_is_asked_again(online: Yahoo) -> None:
    hours = pd.date_range("2024-03-08 09:30", periods=60, freq="h", tz="America/New_York")
    online.answers = {"SPY": frame("SPY", hours)}
    download("SPY", interval="1h")
    (file,) = yahoo.cache_folder().glob("SPY*")
    file.write_text(file.read_text().replace("America/New_York", "Mars/Olympus"))
    assert str(pd.DatetimeIndex(download("SPY", interval="1h").index).tz) == "America/New_York"
    assert len(online.asked) == 2


def test_answers_are_kept_for_half_a_day(online: Yahoo) -> None:
    online.answers = {"^GSPC": frame("^GSPC")}
    first = download("^GSPC")
    pd.testing.assert_frame_equal(download("^GSPC"), first, check_freq=False)
    assert len(online.asked) == 1
    download("^GSPC", refresh=True)
    assert len(online.asked) == 2
    download("^GSPC", start="2024-02-01")
    assert len(online.asked) == 3, "another span is another answer"
    age(yahoo.cache_folder(), hours=13)
    download("^GSPC")
    assert len(online.asked) == 4


def age(folder: Path, hours: float) -> None:
    for file in folder.iterdir():
        os.utime(file, (time.time() - 3600 * hours,) * 2)


def test_without_a_network_an_old_answer_is_used_and_dated(online: Yahoo) -> None:
    online.answers = {"SPY": frame("SPY")}
    known = download("SPY")
    age(yahoo.cache_folder(), hours=50)
    online.answers = {}
    with pytest.warns(DataWarning, match=r"SPY: Yahoo could not be asked.*resolve host.*the answer of 20\d\d-"):
        pd.testing.assert_frame_equal(download("SPY"), known, check_freq=False)


def test_damaged_cache_is_no_cache(online: Yahoo) -> None:
    online.answers = {"SPY": frame("SPY")}
    known = download("SPY")
    for content in (b"", b"date,SPY\nyesterday,1\n", b"\xff\xfe\x00", b"date,SPY\n2024-01-02,high\n"):
        for file in yahoo.cache_folder().iterdir():
            file.write_bytes(content)
        pd.testing.assert_frame_equal(download("SPY"), known, check_freq=False)
    assert len(online.asked) == 5


def test_cache_that_cannot_be_written_loses_nothing(online: Yahoo, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    online.answers = {"SPY": frame("SPY")}
    with pytest.warns(DataWarning, match="cache cannot be written"):
        assert len(download("SPY")) == len(DAYS)


@pytest.mark.parametrize("why", [OFFLINE, LIMITED, "['{}']: Timeout('Operation timed out after 20 seconds')"])
def test_failed_requests_are_repeated(online: Yahoo, why: str) -> None:
    online.answers = {"SPY": why}
    with pytest.raises(DataError, match="1 of 1 tickers could not be downloaded: SPY: Yahoo could not be asked"):
        download("SPY")
    assert len(online.asked) == 3
    online.answers = {}
    with pytest.raises(DataError, match="SPY, QQQ, TLT: Yahoo could not be asked"):
        download(["SPY", "QQQ", "TLT"])
    assert len(online.asked) == 3 + 3 + 1 + 1, "without a connection the rest is asked for once"


def test_request_that_succeeds_the_second_time(online: Yahoo, monkeypatch: pytest.MonkeyPatch) -> None:
    online.answers = {"SPY": LIMITED}
    monkeypatch.setattr(time, "sleep", lambda seconds: seconds and online.answers.update(SPY=frame("SPY")))
    assert len(download("SPY")) == len(DAYS)


def test_ticker_that_could_not_be_asked_for_is_not_called_delisted(online: Yahoo) -> None:
    online.answers = {
        "SPY": "Failed to get ticker '{0}' reason: curl: (6) Could not resolve host\n$SPY: possibly delisted"
    }
    with pytest.raises(DataError, match=r"SPY: Yahoo could not be asked: curl: .6. Could not resolve host$"):
        download("SPY")


def test_unknown_tickers_are_named_and_the_others_kept(online: Yahoo) -> None:
    online.answers = {"SPY": frame("SPY"), "SPYY": DELISTED, "QQQQ": DELISTED}
    with pytest.raises(DataError, match=r"2 of 3 tickers .*: SPYY, QQQQ: Yahoo has no prices .*no timezone found"):
        download(["SPY", "SPYY", "QQQQ"])
    assert len(online.asked) == 3, "what does not exist is not asked for again"
    download("SPY")
    assert len(online.asked) == 3


@pytest.mark.parametrize(
    "ticker",
    ["../SPY", "SPY/../x", "..", ".", "", " ", "SPY?range=1d", "a b", "SPY#", "%2e%2e", "é", "x" * 40],
)
def test_tickers_that_are_none(online: Yahoo, ticker: str) -> None:
    with pytest.raises(ConfigError, match="is no ticker of Yahoo's; they look like SPY"):
        download(ticker)
    assert not online.asked


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"start": "soon"}, "start must be a date such as 2010-01-04, not 'soon'"),
        ({"end": "2024-02-31"}, "end must be a date"),
        ({"start": "2024-02-01", "end": "2024-01-01"}, "end, 2024-01-01, lies before start, 2024-02-01"),
        ({"interval": "5m"}, "interval must be one of 1d, 1wk, 1mo, 1h, not '5m'"),
    ],
)
def test_options_that_cannot_be(online: Yahoo, options: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        download("SPY", **options)  # type: ignore[arg-type]


def test_yfinance_is_left_as_it_was(online: Yahoo) -> None:
    logger = logging.getLogger("yfinance")
    before = logger.handlers, logger.propagate
    with pytest.raises(DataError):
        download("SPY")
    assert (logger.handlers, logger.propagate) == before


def test_command(online: Yahoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    online.answers = {"SPY": frame("SPY"), "GLD": frame("GLD", DAYS[5:])}
    done = CliRunner().invoke(app, ["download", "SPY", "GLD", "--start", "2024-01-02", "--out", "two.csv"])
    assert done.exit_code == 0, done.output
    assert "wrote 300 rows (SPY, GLD, 2024-01-02 to " in done.stdout
    assert "5 rows miss a price of some ticker; `tsgan fit two.csv --missing drop`" in done.stdout
    with pytest.warns(DataWarning, match="dropped 5 of 300 rows"):
        assert read_prices("two.csv", missing="drop").shape == (295, 2)
    again = CliRunner().invoke(app, ["download", "SPY", "--out", "two.csv"])
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert CliRunner().invoke(app, ["download", "SPY", "--out", "one.parquet"]).exit_code == 0
    pd.testing.assert_frame_equal(read_prices("one.parquet"), download("SPY"), check_freq=False)
    nothing = CliRunner().invoke(app, ["download", "TLT", "--out", "none.csv"])
    assert nothing.exit_code == 2
    assert "Could not resolve host" in nothing.stderr
    assert not Path("none.csv").exists()


def chart(ticker: str) -> dict[str, Any]:
    """What Yahoo's chart service answers: unadjusted bars, a split, adjusted closes."""
    stamps = [int(day.tz_localize("America/New_York").timestamp()) + 34200 for day in DAYS]
    close = frame(ticker)["Close"][ticker].tolist()
    meta = {
        "currency": "USD", "symbol": ticker, "exchangeName": "PCX", "instrumentType": "ETF", "gmtoffset": -18000,
        "firstTradeDate": stamps[0], "regularMarketTime": stamps[-1], "timezone": "EST",
        "exchangeTimezoneName": "America/New_York", "priceHint": 2, "dataGranularity": "1d", "range": "",
        "regularMarketPrice": close[-1], "chartPreviousClose": close[0], "validRanges": ["1d", "1mo", "max"],
        "currentTradingPeriod": {
            part: {"timezone": "EST", "start": stamps[-1] + k, "end": stamps[-1] + k + 1, "gmtoffset": -18000}
            for k, part in enumerate(("pre", "regular", "post"))
        },
    }  # fmt: skip
    bars = {"open": close, "high": close, "low": close, "close": close, "volume": [9] * len(close)}
    indicators = {"quote": [bars], "adjclose": [{"adjclose": [price / 2 for price in close]}]}
    result = {"meta": meta, "timestamp": stamps, "indicators": indicators}
    return {"chart": {"result": [result], "error": None}}


class Response:
    """An answer over HTTP."""

    status_code = 200

    def __init__(self, content: dict[str, Any]) -> None:
        self.text = json.dumps(content)
        self.json: Callable[[], dict[str, Any]] = lambda: content


def test_what_yahoo_writes_becomes_adjusted_closes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TSGAN_CACHE", str(tmp_path / "cache"))
    yfinance.set_tz_cache_location(str(tmp_path / "zones"))
    asked = []

    def get(self: object, url: str, *_: Any, **__: Any) -> Response:
        asked.append(url)
        return Response(chart("SPY"))

    for name in ("get", "cache_get"):
        monkeypatch.setattr(yfinance.data.YfData, name, get)
    prices = download("SPY", "2024-01-02")
    assert asked
    assert all("/v8/finance/chart/SPY" in url for url in asked)
    np.testing.assert_allclose(prices["SPY"], frame("SPY")["Close"]["SPY"] / 2)
    assert prices.index.tolist() == DAYS.tolist()
