"""The real series that ship inside arch."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tsgan.datasets import check_prices, load
from tsgan.datasets.builtin import NAMES
from tsgan.errors import DataError, DataWarning


@pytest.mark.parametrize(
    ("name", "rows", "first", "last"),
    [
        ("sp500", 5_031, "1999-01-04", "2018-12-31"),
        ("nasdaq", 5_031, "1999-01-04", "2018-12-31"),
        ("wti", 8_321, "1986-01-02", "2019-01-03"),
        ("vix", 1_259, "2014-01-03", "2019-01-03"),
    ],
)
def test_series(name: str, rows: int, first: str, last: str) -> None:
    frame = load(name)
    assert list(frame.columns) == [name.upper()]
    assert frame.shape == (rows, 1)
    assert frame.index.name == "date"
    assert frame.index[0] >= pd.Timestamp(first)
    assert frame.index[-1] <= pd.Timestamp(last)
    assert (frame.dtypes == "float64").all()
    assert (frame > 0).all(axis=None)


def test_indices_are_clean() -> None:
    for name in ("sp500", "nasdaq"):
        pd.testing.assert_frame_equal(check_prices(load(name), min_rows=5_031), load(name))


def test_large_moves_are_genuine() -> None:
    with pytest.warns(DataWarning, match="'WTI' 1991-01-17"):  # the first night of the Gulf War
        check_prices(load("wti"))
    with pytest.warns(DataWarning, match=r"'VIX' 2018-02-05 \+0\.768"):  # the end of the short-volatility trade
        check_prices(load("vix"))


def test_known_closes() -> None:
    closes = load("SP500")["SP500"]
    np.testing.assert_allclose(closes.loc["2008-09-15"], 1192.70, atol=0.01)
    np.testing.assert_allclose(closes.iloc[-1], 2506.85, atol=0.01)


def test_names() -> None:
    assert NAMES == ("sp500", "nasdaq", "wti", "vix")
    with pytest.raises(DataError, match="no built-in series 'dax'; the names are sp500, nasdaq, wti, vix"):
        load("dax")


def test_importing_the_readers_is_light() -> None:
    code = "import sys, tsgan.datasets.readers, tsgan.datasets.builtin; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "tsgan.datasets" in loaded
    assert not {"torch", "arch", "yfinance", "pyarrow.parquet"} & set(loaded)
