"""Reading and checking prices: every layout, every rule, and the files of real data where they are present."""

import datetime
import gzip
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsgan.datasets import check_prices, read_prices
from tsgan.errors import ConfigError, DataError, DataWarning

DATA = Path(os.environ.get("TSGAN_DATA", Path(__file__).resolve().parents[1] / ".." / "shared" / "data"))
NEEDS_PANDAS_3 = pytest.mark.skipif(int(pd.__version__.split(".")[0]) < 3, reason="pandas 2 reads dates in nanoseconds")
DATES = ["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-17"]


def prices(columns: str = "A,B", rows: int = 4) -> pd.DataFrame:
    """Return a small clean table; asset k starts at 10 (k + 1)."""
    names = columns.split(",")
    values = np.array([[10.0 * (k + 1) + 0.5 * t + 0.25 for k in range(len(names))] for t in range(rows)])
    index = pd.DatetimeIndex(pd.date_range("2020-01-01", periods=rows).to_numpy().astype("datetime64[us]"), name="date")
    return pd.DataFrame(values, index=index, columns=pd.Index(names, dtype="str"))


@contextmanager
def no_warning() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextmanager
def warned(*patterns: str) -> Iterator[None]:
    """Expect exactly these warnings, in this order."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    messages = [str(one.message) for one in caught]
    assert all(one.category is DataWarning for one in caught), messages
    assert len(messages) == len(patterns), messages
    for pattern, message in zip(patterns, messages, strict=True):
        assert re.search(pattern, message), message


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def to_file(text: str | bytes, name: str = "prices.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return to_file


# the files of real data ----------------------------------------------------------------------------------------------

EMPTY_FX = r"dropped 12 columns without any price: 'Austria', 'Belgium'"
TIDY = [
    ("sp500_daily.csv", (18_484, 1), "SP500", "1950-01-03", "2023-06-16", []),
    (
        "us_equities_daily.csv", (5_244, 4), "SPY,IWM,IBM,AIG", "2000-05-26", "2021-03-31",
        [r"^6 log returns beyond 0\.4.*'AIG' 2008-09-15 -0\.871.*1 more; an unadjusted split\? or genuine"],
    ),
    (
        "etf_panel_daily.csv", (3_334, 18),
        "IJT,IUSV,DVY,IBB,SOXX,IGF,ICLN,ACWX,SCZ,AAXJ,PFF,EMB,USIG,BND,MBB,IEF,TLT,SHY", "2010-01-04", "2023-03-31", [],
    ),
    (
        "fx_energy_daily.csv", (4_674, 16),
        "EUR,GBP,JPY,CHF,AUD,NZD,CAD,SEK,NOK,MXN,BRL,ZAR,KRW,SGD,BRENT,HENRYHUB", "1999-01-04", "2017-12-01",
        [r"^3 log returns.*'HENRYHUB' 2003-02-24"],
    ),
    (
        "crypto_daily.csv", (1_971, 6), "ETH,LTC,XRP,ADA,DOGE,LINK", "2017-11-09", "2023-04-02",
        [r"^25 log returns.*'DOGE' 2021-01-28 \+1\.516.*20 more"],
    ),
    ("spy_hourly.csv", (40_832, 1), "SPY", "1998-01-02 09:00", "2021-03-31 15:00", []),
    ("nzdusd_hourly.csv", (74_451, 1), "NZDUSD", "2007-01-01 21:00", "2018-12-31 21:00", []),
    (
        "messy_ohlcv_asfound.csv", (3_323, 1), "messy_ohlcv_asfound", "2010-01-04", "2023-03-31",
        [r"^1 log return .*2020-07-27 -4\.602"],
    ),
]  # fmt: skip


def data_file(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the real data file {name} is not present (set TSGAN_DATA to its folder)")
    return path


@pytest.mark.parametrize(("name", "shape", "columns", "first", "last", "expected"), TIDY, ids=[row[0] for row in TIDY])
def test_real_file_reads(
    name: str, shape: tuple[int, int], columns: str, first: str, last: str, expected: list[str]
) -> None:
    path = data_file(name)
    with warned(*expected):
        frame = read_prices(path)
    assert frame.shape == shape
    assert list(frame.columns) == columns.split(",")
    assert frame.index[0] == pd.Timestamp(first)
    assert frame.index[-1] == pd.Timestamp(last)
    assert frame.index.name == "date"
    assert frame.index.is_unique
    assert frame.index.is_monotonic_increasing
    assert (frame.dtypes == "float64").all()
    assert (frame > 0).all(axis=None)


def test_bar_file_uses_the_adjusted_close() -> None:
    path = data_file("messy_ohlcv_asfound.csv")
    raw = pd.read_csv(path)
    with pytest.warns(DataWarning):
        frame = read_prices(path)
    np.testing.assert_array_equal(frame.to_numpy()[:, 0], raw["Adj Close"])


def test_messy_fx_names_a_remedy_that_works() -> None:
    path = data_file("messy_fx_h10_asfound.csv")
    with warned(EMPTY_FX), pytest.raises(DataError) as caught:
        read_prices(path)
    message = str(caught.value)
    assert "column 'Euro' misses 7,486 prices: 7,305 before its first on 1999-01-04 and 181 inside" in message
    remedy = re.search(r"missing='drop' \(keeps ([\d,]+) rows, (\S+) to (\S+)\)", message)
    assert remedy
    with warned(EMPTY_FX, r"dropped 7,496 of 12,240 rows", r"'Venezuela' 79%", r"^2 log returns.*'Venezuela'"):
        frame = read_prices(path, missing="drop")
    assert frame.shape == (int(remedy[1].replace(",", "")), 22) == (4_744, 22)
    assert frame.index[0] == pd.Timestamp(remedy[2])
    assert frame.index[-1] == pd.Timestamp(remedy[3])


DROPPED = r"dropped [\d,]+ of 5,279 rows for missing prices; [\d,]+ remain"
TRAPS = [
    ("XU100.IS", [DROPPED, r"'XU100.IS' 2020-07-27 -4\.602"]),
    ("KENT.IS", [DROPPED, r"'KENT.IS' 2020-02-18 -2\.050"]),
    ("PGSUS.IS", [DROPPED + ", from 2013-04-26", r"2013-07-23 \+0\.426 \(across a gap of 88 days\)"]),
    ("ISKUR.IS", [DROPPED + ", from 2010-01-04 to 2016-11-01", r"'ISKUR.IS' 68%", r"^2 log returns"]),
    ("AIG_raw", [DROPPED, r"^7 log returns.*2008-09-15 -0\.871.*2009-07-01 \+2\.773.*2 more"]),
    ("IWM_raw", [DROPPED, r"^1 log return .*2005-06-09 -0\.681"]),
    ("SNAP", [DROPPED + ", from 2017-03-02", r"2022-05-24 -0\.564 and 'SNAP' 2022-07-22 -0\.496"]),
    ("DOGE-USD", [DROPPED + ", from 2017-11-09", r"2021-01-28 \+1\.516"]),
]


@pytest.mark.parametrize(("column", "expected"), TRAPS, ids=[row[0] for row in TRAPS])
def test_trap_is_reported(column: str, expected: list[str]) -> None:
    path = data_file("messy_mixed_panel.csv")
    with warned(*expected):
        frame = read_prices(path, columns=[column], missing="drop")
    assert list(frame.columns) == [column]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("CL=F", r"column 'CL=F' is -37\.63 on 2020-04-20: a log return needs positive.*start='2020-04-21'"),
        ("SHIB-USD", r"column 'SHIB-USD' is 0 on 2020-08-01 \(the first of 217\).*start='2021-04-16'"),
    ],
)
def test_trap_is_refused_and_the_remedy_works(column: str, expected: str) -> None:
    path = data_file("messy_mixed_panel.csv")
    with pytest.raises(DataError, match=expected) as caught:
        read_prices(path, columns=[column], missing="drop")
    later = str(caught.value).split("start='")[1].split("'")[0]
    with pytest.warns(DataWarning):
        frame = read_prices(path, columns=[column], missing="drop", start=later)
    assert frame.index[0] >= pd.Timestamp(later)


def test_columns_without_a_common_date_are_named() -> None:
    path = data_file("messy_mixed_panel.csv")
    expected = (
        r"no row is left.*'SNAP' \(2017-03-02 to 2023-03-31\) and 'ISKUR.IS' \(2010-01-04 to 2016-11-01\) have no"
    )
    with pytest.raises(DataError, match=expected):
        read_prices(path, columns=["SNAP", "AIG_raw", "ISKUR.IS"], missing="drop")
    with pytest.raises(DataError, match="no row is complete: columns 'SNAP'"):
        read_prices(path, columns=["SNAP", "AIG_raw", "ISKUR.IS"])


def test_returns_are_told_from_prices() -> None:
    prices = pd.DataFrame({"A": 20 * [100.0, 99]}, pd.bdate_range("2024-01-01", periods=40))
    with pytest.raises(DataError, match=r"'A' is -0\.01.* look like returns; give prices, such as \(1 \+ returns\)"):
        check_prices(prices.pct_change().dropna())


def test_all_columns_with_prices_that_are_not_positive_are_named_at_once() -> None:
    expected = (
        r"'CL=F' is -37\.63 on 2020-04-20 and column 'SHIB-USD' is 0 .*columns=\['XU100.IS', 'KENT.IS', .*does not hide"
    )
    with pytest.raises(DataError, match=expected):
        read_prices(data_file("messy_mixed_panel.csv"), missing="drop")


# files: separators, encodings, numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["csv", "txt", "csv.gz", "parquet"])
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    frame = prices("SPY,QQQ,Hong Kong", 30) * (1 + 1e-9 * np.pi)
    path = tmp_path / f"prices.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path)
    with no_warning():
        pd.testing.assert_frame_equal(read_prices(path), frame)
        pd.testing.assert_frame_equal(read_prices(str(path)), frame)
        pd.testing.assert_frame_equal(read_prices(frame), frame)


def test_content_counts_rather_than_suffix(tmp_path: Path) -> None:
    frame = prices()
    frame.to_parquet(tmp_path / "really_parquet.csv")
    (tmp_path / "really_gzip.csv").write_bytes(gzip.compress(frame.to_csv().encode()))
    pd.testing.assert_frame_equal(read_prices(tmp_path / "really_parquet.csv"), frame)
    pd.testing.assert_frame_equal(read_prices(tmp_path / "really_gzip.csv"), frame)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators(write: Any, separator: str) -> None:
    frame = prices("A,B,C")
    pd.testing.assert_frame_equal(read_prices(write(frame.to_csv(sep=separator), "a.txt")), frame)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_encodings(write: Any, encoding: str) -> None:
    frame = prices("Société,Rößler" + (" €" if encoding != "latin-1" else ""))
    pd.testing.assert_frame_equal(read_prices(write(frame.to_csv(), encoding=encoding)), frame)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_that_no_mark_tells(write: Any, encoding: str) -> None:
    with pytest.raises(DataError, match=r"neither text nor Parquet; expected .* in UTF-8"):
        read_prices(write(prices().to_csv(), encoding=encoding))


def test_the_hint_that_excel_reads_is_no_header(write: Any) -> None:
    text = "sep=;\nDate;A\n2020-01-01;10,25\n2020-01-02;10,75\n"
    pd.testing.assert_frame_equal(read_prices(write(text)), prices("A", 2))


def test_text_that_memory_has_no_room_for_is_refused_before_it_is_read(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = prices(rows=9).to_csv().encode()
    files = [write(text), write(gzip.compress(b"\0" * 100_000_000), "bomb.csv.gz")]
    assert read_prices(files[0]).shape == (9, 2)
    monkeypatch.setattr("tsgan.datasets.readers._memory", lambda: 10 * (len(text) - 1))
    for file in files:
        with pytest.raises(DataError, match=r"more than [\d,]+ bytes of text, for which [\d,]+ bytes of memory"):
            read_prices(file)


def test_thousands_of_columns(write: Any) -> None:
    values = 1 + np.random.default_rng(0).random((3, 5_000)) / 10
    names = [f"A{i}" for i in range(values.shape[1])]
    days = pd.date_range("2020-01-01", periods=3, name="date")
    frame = pd.DataFrame(values, index=days.as_unit("us"), columns=names)
    text = frame.to_csv()
    read = read_prices(write(text))
    assert list(read.columns) == names
    np.testing.assert_allclose(read.to_numpy(), values)
    holes = frame.mask(np.eye(3, values.shape[1], dtype=bool) | (np.arange(values.shape[1]) < 3))
    with warned("dropped 3 columns"):
        assert read_prices(write(holes.to_csv())).shape == (3, values.shape[1] - 3)
    gaps = frame.mask(np.arange(values.shape[1]) % 3 == np.arange(3)[:, None])
    with pytest.raises(DataError, match="some columns have no date in common"):
        read_prices(write(gaps.to_csv()))


def test_windows_line_ends_blank_lines_and_spaces(write: Any) -> None:
    text = "\r\nDate, A\r\n2020-01-01, 10.25\r\n\r\n2020-01-02, 10.75\r\n,\r\n\r\n"
    pd.testing.assert_frame_equal(read_prices(write(text)), prices("A", 2))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Date;A;B\n2020-01-01;10,5;1.234\n2020-01-02;10,25;1.235,5\n", [[10.5, 1234.0], [10.25, 1235.5]]),
        ("Date;A;B\n2020-01-01;1,234;2,5\n2020-01-02;1,235;2\n", [[1.234, 2.5], [1.235, 2.0]]),
        ("Date;A\n2020-01-01;1,234\n2020-01-02;1,235\n", [[1.234], [1.235]]),
        ("Date;A\n2020-01-01;1,234\n2020-01-02;1,235.5\n", [[1234.0], [1235.5]]),
        ('Date,A\n2020-01-01,"1,234.50"\n2020-01-02,"999"\n', [[1234.5], [999.0]]),
        ('Date,A\n2020-01-01,"1,234,567"\n2020-01-02,"999,000"\n', [[1234567.0], [999000.0]]),
        ('Date,A,B\n2020-01-01,"1,234",1.5\n2020-01-02,"1,235",1.7\n', [[1234.0, 1.5], [1235.0, 1.7]]),
        ('"Date","A"\n"2020-01-01","12,50"\n"2020-01-02","1.212,75"\n', [[12.5], [1212.75]]),
        ("Date;A\n2020-01-01;1 234,5\n2020-01-02;1\u00a0235,5\n", [[1234.5], [1235.5]]),
        ("Date,A\n2020-01-01,1e1\n2020-01-02,.5\n", [[10.0], [0.5]]),
        ("Date,A\n2020-01-01,'10.5'\n2020-01-02,11\n", None),
        ('Date,A\n2020-01-01,"1,234"\n2020-01-02,"1,235"\n', None),
        ('Date,A,B\n2020-01-01,"12,50","1,234.5"\n2020-01-02,"12,75","1,235.5"\n', None),
    ],
)
def test_numbers(write: Any, text: str, values: list[list[float]] | None) -> None:
    if values is None:
        with pytest.raises(DataError, match=r"column 'A' holds .* on 2020-01-01 \(row 1\), expected a price"):
            read_prices(write(text))
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            np.testing.assert_array_equal(read_prices(write(text)).to_numpy(), values)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b"Date,A,B\n", "has a header but no rows"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "neither text nor Parquet"),
        (b"PK\x03\x04rest", "Excel workbook"),
        (b"PAR1 and nothing that follows", "damaged Parquet|cannot be read"),
        (gzip.compress(b"Date,A\n2020-01-01,1\n" * 50, mtime=0)[:40], "cannot be read"),
        (b"2020-01-01,1.5\n2020-01-02,1.6\n", "has no header: its first line begins with '2020-01-01'"),
        (b"Date,A\n2020-01-01,1,5\n", "has 2 column names, but 3 values"),
        (b"A title\nDate,A\n2020-01-01,1\n", "has 1 column name, but 2 values in a row; begin with one line"),
        (b'Date,A\n"2020-01-01,1\n2020-01-02,2\n', "is not a table separated by ','"),
        (b"Date,A\n" + b"2020-01-01,1\n" * 9 + b"2020-01-02,1,234\n", "is not a table separated by ','"),
        (b"Date,A\n" + b"2020-01-01,1,\n" * 9 + b"2020-01-02,1,234\n", "is not a table separated by ','"),
        (b"just a sentence\nand another\n", "no column holds dates"),
        (b"Date\n2020-01-01\n2020-01-02\n", "no price column"),
        (b"A,B\n1,2\n3,4\n", "no column holds dates .*'A', 'B'"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\xff\xfe", "is empty"),
        (b"Date,A,A\n2020-01-01,1,2\n2020-01-02,1.1,2.1\n", "column 'A' occurs more than once; rename"),
        (b"Date," + b"A" * 300 + b"\n2020-01-01,1\n", "names column 2 with 300 characters, 'AAA"),
        (b"Date,A\n2020-01-01," + b"x" * 300 + b"\n", r"column 'A' holds 'x{78}… on 2020-01-01"),
        pytest.param(
            b"Date,A\n2020-01-01," + b"9" * 400 + b"\n",
            r"column 'A' holds 9{79}… on 2020-01-01 \(row 1\)",
            marks=NEEDS_PANDAS_3,
        ),
        (b"Date,A\n10000-01-01,1\n", "no column holds dates .*'10000-01-01'"),
        pytest.param(
            b"Date,A\n0000-01-01,1\n",
            "row 1 has the date 0000-01-01.*from the year 1 to 9999",
            marks=NEEDS_PANDAS_3,
        ),
        pytest.param(
            b"Date,A\n20200101,1\n1e400,2\n",
            r"column 'Date' holds inf \(row 2\), which is no date",
            marks=NEEDS_PANDAS_3,
        ),
        (b"Date,A\n2020-01-01 10:00 EST,1\n", r"'2020-01-01 10:00 EST' \(row 1\), which is not a date like the others"),
        (b"Date,A\n1,2\n2,4\n", "no column holds dates .*'Date' begins with '1'"),
    ],
)
def test_files_that_hold_no_prices(write: Any, content: bytes, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        read_prices(write(content))


def test_sources_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.csv cannot be read: there is no such file"):
        read_prices(tmp_path / "nothing.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_prices(tmp_path)
    with pytest.raises(DataError, match="must be a path, a DataFrame or a Series, got list"):
        read_prices([1.0, 2.0])  # type: ignore[arg-type]


# dates ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        ["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-17"],
        ["2020/1/2", "2020/1/3", "2020/1/6", "2020/1/17"],
        ["2020.01.02", "2020.01.03", "2020.01.06", "2020.01.17"],
        ["20200102", "20200103", "20200106", "20200117"],
        ["2/1/2020", "3/1/2020", "6/1/2020", "17/1/2020"],
        ["01/02/2020", "01/03/2020", "01/06/2020", "01/17/2020"],
        ["01/02/20", "01/03/20", "01/06/20", "01/17/20"],
        ["02.01.2020", "03.01.2020", "06.01.2020", "17.01.2020"],
        ["01/02/2020 12:00 AM", "01/03/2020 12:00 AM", "01/06/2020 12:00 AM", "01/17/2020 12:00 AM"],
        ["02-Jan-2020", "03-Jan-2020", "06-Jan-2020", "17-Jan-2020"],
        ['"Jan 02, 2020"', '"Jan 03, 2020"', '"Jan 06, 2020"', '"Jan 17, 2020"'],
        ["2 January 2020", "3 January 2020", "6 January 2020", "17 January 2020"],
        ["1577923200", "1578009600", "1578268800", "1579219200"],
        ["1577923200000", "1578009600000", "1578268800000", "1579219200000"],
        ["2020-01-02 00:00:00-05:00", "2020-01-03 00:00:00-05:00", "2020-01-06 00:00:00-04:00", "2020-01-17T00:00Z"],
        ["2020-01-02 00:00:00+0530", "2020-01-03 00:00+0530", "2020-01-06T00:00:00.000", "2020-01-17 00:00 UTC"],
    ],
)
def test_dates(write: Any, written: list[str]) -> None:
    text = "Date,A\n" + "".join(f"{date},{10 + i}\n" for i, date in enumerate(written))
    with no_warning():
        frame = read_prices(write(text))
    assert list(frame.index) == [pd.Timestamp(date) for date in DATES]
    assert frame.index.dtype == "datetime64[us]"


@pytest.mark.parametrize(
    "name", ["Date", "DATETIME", "timestamp", "Time", "day", "Data", "", "Datum", "observation_date"]
)
def test_date_column_is_found_by_name_or_content(write: Any, name: str) -> None:
    frame = prices("A,B")
    for columns in ([name, "A", "B"], ["A", name, "B"]):
        table = frame.reset_index(names=name)[columns]
        pd.testing.assert_frame_equal(read_prices(write(table.to_csv(index=False))), frame)
        pd.testing.assert_frame_equal(read_prices(table.rename(columns={"": "Datum"})), frame)


def test_row_numbers_are_neither_dates_nor_prices(write: Any, tmp_path: Path) -> None:
    frame = prices("A,B")
    numbered = frame.reset_index()
    pd.testing.assert_frame_equal(read_prices(write(numbered.to_csv())), frame)
    numbered.to_csv(tmp_path / "once.csv")
    pd.read_csv(tmp_path / "once.csv").to_csv(tmp_path / "twice.csv", index=False)
    pd.testing.assert_frame_equal(read_prices(tmp_path / "twice.csv"), frame)
    numbered.to_parquet(tmp_path / "numbered.parquet")
    pd.testing.assert_frame_equal(read_prices(tmp_path / "numbered.parquet"), frame)


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["01/02/2020", "02/03/2020"], r"such as '01/02/2020' may be day/month or month/day; write ISO dates"),
        (["13/02/2020", "02/13/2020"], r"such as '13/02/2020' contradict each other; write ISO dates"),
        pytest.param(
            ["2020-01-01T09", "2020-01-02T09-05"],
            r"column 'Date' mixes dates with and without UTC offset.*ISO dates",
            marks=NEEDS_PANDAS_3,
        ),
        (["2020-01-01", "yesterday"], r"column 'Date' holds 'yesterday' \(row 2\), which is not a date.*ISO dates"),
        (["2020-02-28", "2020-02-30"], r"'2020-02-30' \(row 2\)"),
        (["2020-01-01", ""], r"row 2 has prices but no date in column 'Date'"),
    ],
)
def test_dates_that_cannot_be_known(write: Any, dates: list[str], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        read_prices(write(f"Date,A\n{dates[0]},1\n{dates[1]},2\n"))


def test_time_zone_is_dropped_and_wall_clock_time_kept() -> None:
    local = prices().tz_localize("America/New_York")
    pd.testing.assert_frame_equal(read_prices(local), prices())
    mixed = prices().set_axis([stamp.to_pydatetime() for stamp in local.index], axis=0)
    pd.testing.assert_frame_equal(check_prices(mixed), prices())


@NEEDS_PANDAS_3
@pytest.mark.parametrize("year", ["0001", "1677", "2262", "2300", "9999"])
def test_years_that_nanoseconds_cannot_count(write: Any, year: str) -> None:
    frame = read_prices(write(f"Date,A\n{year}-09-20,10.25\n{year}-09-21,10.75\n"))
    assert [str(date.date()) for date in frame.index] == [f"{year}-09-20", f"{year}-09-21"]


def test_clocks_that_change(write: Any) -> None:
    """In spring an hour is missing, in autumn one comes twice: only the second loses what the time zone said."""
    text = "time,A\n2020-03-29 00:30+01:00,10.25\n2020-03-29 01:30+01:00,10.5\n2020-03-29 03:30+02:00,10.75\n"
    spring = read_prices(write(text))
    assert [date.hour for date in spring.index] == [0, 1, 3]
    autumn = "time,A\n2020-10-25 01:30+02:00,1\n2020-10-25 02:30+02:00,1.1\n2020-10-25 02:30+01:00,1.2\n"
    with pytest.raises(DataError, match=r"2020-10-25T02:30 occurs 2 times.*clocks were set back, write the times in U"):
        read_prices(write(autumn))
    utc = "time,A\n2020-10-24 23:30Z,1\n2020-10-25 00:30Z,1.1\n2020-10-25 01:30Z,1.2\n"
    assert [date.hour for date in read_prices(write(utc)).index] == [23, 0, 1]


def test_index_of_text_days_or_periods() -> None:
    frame = prices("A,B")
    days = pd.DatetimeIndex(frame.index)
    for index in (days.strftime("%Y-%m-%d"), days.date, days.to_period("D")):
        pd.testing.assert_frame_equal(read_prices(frame.set_axis(index, axis=0)), frame)
        pd.testing.assert_frame_equal(read_prices(frame.set_axis(index, axis=0).rename_axis("x").reset_index()), frame)


# layouts -------------------------------------------------------------------------------------------------------------


def bars(close: bool = True, adjusted: str | None = "Adj Close") -> pd.DataFrame:
    base = prices("Open,High,Low")
    base["Close"] = base["Open"] + 1
    if adjusted:
        base[adjusted] = base["Open"] + 2
    base["Volume"] = [0, 5, 7, 0]
    return base if close else base.drop(columns="Close")


@pytest.mark.parametrize("adjusted", ["Adj Close", "adj_close", "Adj_Close", "ADJ CLOSE", None])
@pytest.mark.parametrize("lower", [False, True])
def test_bar_file(tmp_path: Path, adjusted: str | None, lower: bool) -> None:
    table = bars(adjusted=adjusted)
    table = table.rename(columns=str.lower) if lower else table
    table.to_csv(tmp_path / "XU100.IS.csv")
    frame = read_prices(tmp_path / "XU100.IS.csv")
    assert list(frame.columns) == ["XU100.IS"]
    np.testing.assert_array_equal(frame["XU100.IS"], table["Open" if not lower else "open"] + (2 if adjusted else 1))


def test_bars_of_a_frame_keep_the_name_of_the_close() -> None:
    assert list(read_prices(bars()).columns) == ["Adj Close"]
    assert list(read_prices(bars(adjusted=None)).columns) == ["Close"]
    assert list(read_prices(bars()[["Close", "Volume"]]).columns) == ["Close"]


def test_bars_with_columns_that_are_not_prices(write: Any) -> None:
    text = (
        '"Date","Price","Open","High","Low","Vol.","Change %","Currency"\n'
        '"01/31/2020","1,234.50","1,230.00","1,240.00","1,220.00","1.2M","0.33%","USD"\n'
        '"01/30/2020","1,230.50","1,230.00","1,240.00","1,220.00","1.1M","0.10%","USD"\n'
    )
    with warned("newest first"):
        frame = read_prices(write(text, "gold.csv"))
    assert frame["gold"].tolist() == [1230.5, 1234.5]
    with no_warning():
        bars = read_prices(write("<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>\n20200101,1,2,1,1.5\n20200102,1,2,1,1.7\n"))
    assert bars["prices"].tolist() == [1.5, 1.7]


def test_a_column_of_a_bar_file_can_be_asked_for() -> None:
    assert list(read_prices(bars(), columns=["Close", "Open"]).columns) == ["Close", "Open"]


def test_long_table(write: Any) -> None:
    frame = prices("SPY,AAPL,005930")
    long = frame.reset_index().melt("date", var_name="Symbol", value_name="Adj_Close")
    long["close"] = 1.0
    for order in (long, long.sort_values("date", kind="stable")):
        with no_warning():
            pd.testing.assert_frame_equal(read_prices(order), frame)
            pd.testing.assert_frame_equal(read_prices(write(order.to_csv(index=False))), frame)
            chosen = read_prices(write(order.to_csv(index=False)), columns=["AAPL", "SPY"])
        pd.testing.assert_frame_equal(chosen, frame[["AAPL", "SPY"]])


def test_long_table_as_melt_and_stack_leave_it() -> None:
    frame = prices("SPY,AAPL")
    pd.testing.assert_frame_equal(read_prices(frame.reset_index().melt("date")), frame)
    stacked: Any = frame.rename_axis(columns="ticker").stack()
    stacked = stacked.rename("price")
    pd.testing.assert_frame_equal(read_prices(stacked), frame)


def test_long_table_of_bars(write: Any) -> None:
    table = pd.concat([bars().assign(Name="SPY"), bars().assign(Name="QQQ")])
    frame = read_prices(write(table.to_csv()))
    assert list(frame.columns) == ["SPY", "QQQ"]
    np.testing.assert_array_equal(frame["QQQ"], bars()["Adj Close"])


def test_long_table_faults(write: Any) -> None:
    text = "date,ticker,close\n2020-01-01,A,1\n2020-01-01,B,2\n2020-01-02,A,3\n2020-01-02,B,{}\n2020-01-02,{},{}\n"
    with pytest.raises(DataError, match=r"'B' has several prices on 2020-01-02"):
        read_prices(write(text.format(4, "B", 5)))
    with warned("dropped 1 row, exact copies of another"):
        assert read_prices(write(text.format(2.5, "B", 2.5)), columns="B").shape == (2, 1)
    with pytest.raises(DataError, match=r"row 5 has no 'ticker'"):
        read_prices(write(text.format(4, "", 5)))
    with pytest.raises(DataError, match=r"column 'close' holds 'n/k' on 2020-01-02 \(row 5\)"):
        read_prices(write(text.format(4, "B", "n/k")), columns=["B"])
    with pytest.warns(DataWarning, match=r"'A' 2020-01-02 \+1\.099"):
        assert read_prices(write(text.format(4, "B", "n/k")), columns=["A"]).shape == (2, 1)
    with pytest.raises(DataError, match=r"no column 'C'.*Available: A, B"):
        read_prices(write(text.format(4, "B", 5)), columns=["C"])


def yahoo(tickers: str = "SPY,QQQ", fields: str = "Close,High,Low,Open,Volume", order: tuple[int, int] = (0, 1)) -> Any:
    """Return a table as yfinance makes it; the close of ticker k is that of `prices`, other fields differ."""
    base = prices(tickers)
    parts = {(field, name): base[name] + 3 * i for i, field in enumerate(fields.split(",")) for name in base}
    frame = pd.DataFrame(parts, index=base.index.rename("Date"))
    frame.columns.names = ["Price", "Ticker"]
    return frame.reorder_levels(list(order), axis=1)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(
    "fields", ["Close,High,Low,Open,Volume", "Adj Close,Close,High,Low,Open,Volume", "Close,Adj Close"]
)
@pytest.mark.parametrize("tickers", ["SPY", "SPY,QQQ"])
def test_yfinance_frame_and_file(write: Any, tickers: str, fields: str, order: tuple[int, int]) -> None:
    table = yahoo(tickers, fields, order)
    expected = prices(tickers) + (3 if fields == "Close,Adj Close" else 0)
    with no_warning():
        pd.testing.assert_frame_equal(read_prices(table), expected)
        pd.testing.assert_frame_equal(read_prices(write(table.to_csv())), expected)
        pd.testing.assert_frame_equal(read_prices(table.reset_index()), expected)


def test_yfinance_file_as_it_is_written(write: Any) -> None:
    text = "Price,Close,High,Low,Open,Volume\nTicker,SPY,SPY,SPY,SPY,SPY\nDate,,,,,\n2020-01-01,10.25,11,9,10,0\n"
    frame = read_prices(write(text + "2020-01-02,10.75,11,9,10,3\n", "download.csv"))
    pd.testing.assert_frame_equal(frame, prices("SPY", 2))


def test_levels_that_are_not_those_of_yfinance() -> None:
    table = yahoo("SPY,QQQ", "High,Low")
    with pytest.raises(DataError, match="2 levels of column names without a level that names the close"):
        read_prices(table)
    uneven = yahoo("SPY,QQQ", "Close,Adj Close").drop(columns=[("Adj Close", "SPY"), ("Close", "QQQ")])
    with pytest.raises(DataError, match="some tickers have an adjusted close"):
        read_prices(uneven)
    with pytest.raises(DataError, match=r"got 2 levels; tsgan\.datasets\.read_prices"):
        check_prices(yahoo())


def test_series() -> None:
    assert list(read_prices(prices("SPY")["SPY"]).columns) == ["SPY"]
    assert list(read_prices(prices("SPY")["SPY"].rename(None)).columns) == ["price"]
    assert list(check_prices(prices("SPY")["SPY"].rename(None)).columns) == ["price"]


# columns -------------------------------------------------------------------------------------------------------------


def test_columns_are_selected_in_the_order_asked_for() -> None:
    frame = prices("A,B,C")
    pd.testing.assert_frame_equal(read_prices(frame, columns=["C", "A"]), frame[["C", "A"]])
    pd.testing.assert_frame_equal(read_prices(frame, columns="B"), frame[["B"]])
    with pytest.raises(ConfigError, match="columns is empty"):
        read_prices(frame, columns=[])


def test_unknown_column_lists_what_there_is() -> None:
    with pytest.raises(DataError, match=r"no column 'spyy'; did you mean 'SPY'\? Available: SPY, QQQ"):
        read_prices(prices("SPY,QQQ"), columns=["spyy"])


def test_only_the_selected_columns_are_validated(write: Any) -> None:
    text = "Date,A,note,B,B,gone,zero\n2020-01-01,10.25,x,1,2,,0\n2020-01-02,10.75,y,3,4,,0\n"
    with no_warning():
        pd.testing.assert_frame_equal(read_prices(write(text), columns=["A"]), prices("A", 2))
    with pytest.raises(DataError, match="column 'B' occurs more than once"):
        read_prices(write(text), columns=["A", "B"])
    with pytest.raises(DataError, match="column 'gone' was asked for and holds no price at all"):
        read_prices(write(text), columns=["A", "gone"])
    with pytest.raises(DataError, match=r"'zero' is 0 on 2020-01-01 \(the first of 2\).*out with columns=\['A'\]"):
        read_prices(write(text), columns=["A", "zero"])


def test_text_column_names_date_row_value_and_remedy(write: Any) -> None:
    text = "Date,A,note,Hong Kong\n2020-01-02,1,,2\n2020-01-01,1.1,12.5,3\n2020-01-03,1.2,halt,4\n"
    expected = r"column 'note' holds 'halt' on 2020-01-03 \(row 3\), expected a price; .*columns=\['A', 'Hong Kong'\]"
    with pytest.raises(DataError, match=expected):
        read_prices(write(text))


# check_prices: one rule after the other ------------------------------------------------------------------------------


def test_a_clean_frame_passes_unchanged_and_untouched() -> None:
    frame = prices("B,A")
    before = frame.copy(deep=True)
    with no_warning():
        checked = check_prices(frame)
        pd.testing.assert_frame_equal(checked, frame)
        pd.testing.assert_frame_equal(check_prices(checked), checked)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("dtype", ["float32", "Float64", "double[pyarrow]", object])
def test_every_numeric_dtype_becomes_float64(dtype: Any) -> None:
    pd.testing.assert_frame_equal(check_prices(prices().astype(dtype)), prices())


def test_decimals_integers_and_names_that_are_not_text() -> None:
    frame = pd.DataFrame({1: [Decimal("1.5"), Decimal("1.7")], 2: [1, 2]}, index=prices(rows=2).index)
    with pytest.warns(DataWarning, match="unadjusted split"):
        checked = check_prices(frame)
    assert list(checked.columns) == ["1", "2"]
    assert (checked.dtypes == "float64").all()


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (np.ones((3, 2)), r"must be a DataFrame or a Series.*got ndarray; wrap an array"),
        (prices().reset_index(drop=True), r"index of the prices must hold dates.*got integer such as 0"),
        (prices().set_axis(["a", "b", "c", "d"], axis=0), r"must hold dates.*got string such as 'a'"),
        (prices().set_axis([pd.NaT, *prices().index[1:]], axis=0), "row 1 has no date"),
        (prices()[[]], "no price column"),
        (prices().iloc[:0], "no rows"),
        (prices("A,A"), "column 'A' occurs more than once"),
        (prices().assign(B="x"), r"column 'B' holds 'x' on 2020-01-01 \(row 1\), expected a price.*columns=\['A'\]"),
        (prices().assign(B=pd.Timestamp("2020-01-01")), "column 'B' holds Timestamp"),
        (prices().assign(A=1 + 2j), "column 'A' holds"),
        (prices() * np.nan, "no column holds a price: 'A', 'B' are empty"),
        (
            prices().assign(B=[1.0, np.inf, 2.0, 3.0]),
            r"column 'B' is inf on 2020-01-02: a price must be finite.*columns=\['A'\]",
        ),
        (
            prices().assign(B=[1.0, 0.0, -2.5, 3.0]),
            r"column 'B' is 0 on 2020-01-02 \(the first of 2\): a log return needs",
        ),
        (prices().assign(B=7.0), r"column 'B' never moves \(it is 7 from 2020-01-01 to 2020-01-04\).*columns=\['A'\]"),
        (prices("A").assign(A=7.0), "never moves .*use prices that move"),
    ],
)
def test_refused(frame: Any, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        check_prices(frame)


def test_problems_are_looked_for_in_a_fixed_order() -> None:
    frame = prices("A,A").assign(C="text", D=-1.0)
    frame = frame.set_axis(["2020-01-01"] * 4, axis=0)
    for expected, repaired in [
        ("more than once", frame),
        ("must hold dates", frame := frame.set_axis(["A", "B", "C", "D"], axis=1)),
        ("occurs 4 times", frame := frame.set_axis(pd.DatetimeIndex(frame.index), axis=0)),
        ("holds 'text'", frame := frame.set_axis(prices().index, axis=0)),
        ("'D' is -1", frame := frame.drop(columns="C")),
        ("9 rows are needed", frame.drop(columns="D")),
    ]:
        with pytest.raises(DataError, match=expected):
            check_prices(repaired, min_rows=9)


def test_unsorted_rows_are_sorted_and_said() -> None:
    frame = prices(rows=5)
    with warned("newest first; they were sorted"):
        pd.testing.assert_frame_equal(check_prices(frame.iloc[::-1]), frame)
    with warned(r"not in the order of their dates \(2 steps back in time\); they were sorted"):
        pd.testing.assert_frame_equal(check_prices(frame.iloc[[2, 0, 3, 1, 4]]), frame)


def test_repeated_dates() -> None:
    frame = prices().assign(B=[1.0, np.nan, 1.2, 1.3])
    twice = pd.concat([frame, frame.iloc[[1, 1]]]).sort_index()
    with warned("dropped 2 rows, exact copies", "dropped 1 of 4 rows for missing prices; 3 remain"):
        assert len(check_prices(twice, missing="drop")) == 3
    twice.iloc[1, 0] = 99.0
    with pytest.raises(DataError, match=r"the date 2020-01-02 occurs 2 times with different prices \(1 date repeated"):
        check_prices(twice)


def test_empty_columns_are_dropped_in_one_warning() -> None:
    frame = prices().assign(X=np.nan, Y=None)
    with warned("dropped 2 columns without any price: 'X', 'Y'"):
        pd.testing.assert_frame_equal(check_prices(frame), prices())


NAN = np.nan
HOLES = [
    (
        [NAN, NAN, 3, 4, 5, 6],
        "misses 2 prices: 2 before its first on 2020-01-03; use start='2020-01-03', or missing='drop'",
    ),
    (
        [1, 2, 3, 4, NAN, NAN],
        "misses 2 prices: 2 after its last on 2020-01-04; use end='2020-01-04', or missing='drop'",
    ),
    (
        [NAN, 2, 3, 4, 5, NAN],
        "1 before its first on 2020-01-02 and 1 after .*; use start='2020-01-02' and end='2020-01-05', or",
    ),
    ([1, 2, NAN, NAN, 5, 6], r"2 inside, the first on 2020-01-03; use missing='drop' \(keeps 4 rows, 2020-01-01 to"),
    (
        [NAN, 2, NAN, 4, NAN, 6],
        "1 before its first on 2020-01-02 and 2 inside, the first on 2020-01-03; use missing='drop'",
    ),
]


@pytest.mark.parametrize(("values", "expected"), HOLES)
def test_missing_prices_are_located_and_every_remedy_works(values: list[float], expected: str) -> None:
    frame = prices(rows=6).assign(B=np.array(values) * 0.1 + 5)
    with pytest.raises(DataError, match="column 'B' " + ".*" + expected) as caught:
        check_prices(frame)
    message = str(caught.value)
    complete = frame.dropna()
    with warned(f"dropped {6 - len(complete)} of 6 rows for missing prices; {len(complete)} remain"):
        pd.testing.assert_frame_equal(check_prices(frame, missing="drop"), complete)
    start, end = (re.search(rf"--{option} (\S+)", message) for option in ("from", "to"))
    if start or end:
        with no_warning():
            chosen = check_prices(frame, start=start[1] if start else None, end=end[1] if end else None)
        pd.testing.assert_frame_equal(chosen, complete)


def test_the_column_that_misses_most_is_named() -> None:
    frame = prices("A,B,C").assign(B=[NAN, 1, 1.1, 1.2], C=[NAN, NAN, 2.0, 2.1])
    with pytest.raises(
        DataError,
        match=r"column 'C' misses 2 prices: .*; 'B' misses 1; use start=.* or columns=\['A'\] \(keeps all 4 rows, from",
    ):
        check_prices(frame)


def test_nothing_left_names_the_columns_without_a_common_date() -> None:
    frame = prices("A,B,C").assign(B=[1, 1.1, NAN, NAN], C=[NAN, NAN, 2.0, 2.1])
    expected = r"'B' \(2020-01-01 to 2020-01-02\) and 'C' \(2020-01-03 to 2020-01-04\) have no date in common"
    for missing in ("error", "drop"):
        with pytest.raises(DataError, match=expected):
            check_prices(frame, missing=missing)
    with pytest.raises(DataError, match="'C' has no price in this range"):
        check_prices(frame, missing="drop", end="2020-01-02")
    three = prices("A,B,C", 3).assign(A=[NAN, 1, 1.1], B=[1, NAN, 1.1], C=[1, 1.1, NAN])
    with pytest.raises(DataError, match="have no date in common on which all have a price"):
        check_prices(three, missing="drop")


def test_dropping_does_not_hide_prices_that_are_not_positive() -> None:
    frame = prices().assign(B=[NAN, 1.0, 1.1, 1.2])
    frame.iloc[0, 0] = 0.0
    with pytest.raises(
        DataError, match=r"column 'A' is 0 on 2020-01-01.*columns=\['B'\] or start later with start='2020-01-02'"
    ):
        check_prices(frame, missing="drop")
    assert len(check_prices(frame, start="2020-01-02")) == 3


def test_large_returns_are_kept_and_listed() -> None:
    frame = prices(rows=12).assign(B=[10.0 * 2.0 ** (i % 2) for i in range(12)])
    with warned(r"^11 log returns beyond 0\.4 in size \(kept\): 'B' 2020-01-02 \+0\.693, .* and 6 more; an unadjusted"):
        pd.testing.assert_frame_equal(check_prices(frame), frame)
    below = prices("A", 3).assign(A=[1.0, np.exp(0.39), 1.0])
    with no_warning():
        check_prices(below)


def test_gross_returns_are_not_taken_for_prices_without_a_word() -> None:
    steps = np.random.default_rng(0).normal(0, 0.01, (300, 2))
    frame = pd.DataFrame(1 + steps, pd.bdate_range("2020-01-01", periods=300), ["A", "B"])
    with warned(
        r"column 'A', 'B' forgets its level .*; if these are gross returns, give prices, such as returns\.cumprod"
    ):
        check_prices(frame)
    with no_warning():
        check_prices(frame.cumprod())


def test_stale_prices_are_said() -> None:
    frame = prices(rows=5).assign(B=[1.0, 1.0, 1.0, 1.0, 1.1])
    with warned("share of zero returns: 'B' 75%; illiquid, pegged or rounded"):
        check_prices(frame)


@pytest.mark.parametrize(
    ("start", "end", "rows"),
    [
        ("2020-01-02", None, 47),
        (None, "2020-01-02", 48),
        (datetime.date(2020, 1, 2), datetime.date(2020, 1, 2), 24),
        ("2020-01-02T10:00", "2020-01-02 12:00", 3),
        (pd.Timestamp("2020-01-02"), datetime.datetime(2020, 1, 2, 5), 6),
        ("2020", "2020-01", 71),
    ],
)
def test_range_of_dates_includes_both_ends(start: Any, end: Any, rows: int) -> None:
    index = pd.date_range("2020-01-01", periods=71, freq="h")
    frame = pd.DataFrame({"A": np.linspace(10, 11, 71)}, index=index)
    assert len(check_prices(frame, start=start, end=end)) == rows


def test_options_that_are_not_possible() -> None:
    with pytest.raises(ConfigError, match="missing must be 'error' or 'drop', got 'fill'"):
        check_prices(prices(), missing="fill")
    for wrong in ("tomorrow", "03/02/2020", "2020-02-31", 2020):
        with pytest.raises(ConfigError, match="start must be an ISO date such as 2017-03-02"):
            check_prices(prices(), start=wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="start='2020-01-03' is after end='2020-01-02'"):
        check_prices(prices(), start="2020-01-03", end="2020-01-02")
    with pytest.raises(
        DataError, match=r"no row lies between 2021 and the last date; .* from 2020-01-01 to 2020-01-04"
    ):
        check_prices(prices(), start="2021")


def test_length() -> None:
    with pytest.raises(DataError, match=r"500 rows are needed, 4 rows came \(2020-01-01 to 2020-01-04\)"):
        check_prices(prices(), min_rows=500)
    assert len(check_prices(prices(), min_rows=4)) == 4
    assert len(check_prices(prices(rows=1))) == 1


def test_warnings_point_at_the_caller() -> None:
    with pytest.warns(DataWarning) as caught:
        read_prices(prices().iloc[::-1])
    assert caught[0].filename == __file__


def test_a_million_rows_are_read_in_seconds() -> None:
    index = pd.date_range("2000-01-01", periods=1_000_000, freq="min")
    walk = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 1e-4, (len(index), 2)), axis=0))
    frame = pd.DataFrame(walk, index=index, columns=["A", "B"])
    assert check_prices(frame.reset_index().set_index("index")).shape == (1_000_000, 2)
