"""Tables of paths: read as they were written, or refused with a sentence."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsgan import Paths
from tsgan.datasets.processes import GarchPair
from tsgan.errors import DataError
from tsgan.evaluation import read_paths
from tsgan.evaluation.tables import path_arrays, price_returns


def long_table(returns: Any, start: float = 100.0, names: str = "AB") -> pd.DataFrame:
    """Prices of paths (paths, time, assets) as a long table; the start price is its first row."""
    paths, time, assets = returns.shape
    log_prices = np.concatenate((np.zeros((paths, 1, assets)), returns.cumsum(axis=1)), axis=1)
    frame = pd.DataFrame(start * np.exp(log_prices).reshape(-1, assets), columns=list(names[:assets]))
    frame.insert(0, "path", np.repeat(np.arange(paths), time + 1))
    frame.insert(1, "date", np.tile(pd.bdate_range("2024-01-01", periods=time + 1), paths))
    return frame


@pytest.fixture(scope="module")
def pair() -> Any:
    return GarchPair().simulate(20, 300, seed=1)


def test_paths_are_taken_as_their_table_is(pair: Any) -> None:
    dates = pd.bdate_range("2024-01-01", periods=40)
    paths = Paths(pair[:3, :40], np.array([100.0, 50.0]), dates, ["A", "B"])
    mine, other = path_arrays(paths), path_arrays(paths.to_frame())
    np.testing.assert_array_equal(mine.prices, other.prices)
    assert (mine.assets, list(mine.dates)) == (["A", "B"], list(dates))


def test_the_first_return_of_a_path_is_from_its_first_row_to_its_second(pair: Any) -> None:
    returns = pair[:3, :40]
    arrays = path_arrays(long_table(returns))
    np.testing.assert_allclose(arrays.returns, returns, atol=1e-12)
    shuffled = long_table(returns).sample(frac=1, random_state=0)
    np.testing.assert_allclose(path_arrays(shuffled).returns, returns, atol=1e-12)


@pytest.mark.parametrize(
    ("prices", "sentence"),
    [
        (pd.DataFrame({"A": [1.0]}), "a return needs two prices, the table has 1 row"),
        (pd.DataFrame({"A": [1.0, -1.0]}), "column 'A' is -1"),
        (pd.DataFrame({"A": [1.0, np.nan]}), "column 'A' is nan"),
    ],
)
def test_prices_that_have_no_returns_are_refused(prices: pd.DataFrame, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        price_returns(prices)


@pytest.fixture
def table(pair: Any) -> pd.DataFrame:
    return long_table(pair[:3, :40])


def write(frame: pd.DataFrame, file: Path) -> Path:
    if file.suffix == ".csv":
        frame.to_csv(file, index=False)
    elif file.suffix == ".parquet":
        frame.to_parquet(file, index=False)
    else:
        dates = frame["date"][frame["path"] == frame["path"].iloc[0]].to_numpy()
        columns = np.array(list(frame.columns[2:]))
        values = frame[frame.columns[2:]].to_numpy().reshape(-1, len(dates), len(columns))
        np.savez(file, prices=values, dates=dates, columns=columns)
    return file


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_paths_are_read_as_they_were_written(suffix: str, table: pd.DataFrame, tmp_path: Path) -> None:
    frame = read_paths(write(table, tmp_path / f"synth{suffix}"))
    assert list(frame.columns) == ["path", "date", "A", "B"]
    assert frame["date"].dt.tz is None
    pd.testing.assert_frame_equal(frame, table, check_dtype=False, check_exact=suffix != ".csv")


def test_dates_without_a_time_and_times_of_day_are_read(table: pd.DataFrame, tmp_path: Path) -> None:
    days = read_paths(write(table.assign(date=table["date"].dt.date), tmp_path / "days.parquet"))
    assert (days["date"] == table["date"]).all()
    hours = table.assign(date=table["date"] + pd.to_timedelta(np.arange(len(table)) % 24, unit="h"))
    assert (read_paths(write(hours, tmp_path / "hours.csv"))["date"] == hours["date"]).all()


def change(table: pd.DataFrame, row: int, column: str, new: Any) -> pd.DataFrame:
    table = table.astype({column: object}) if isinstance(new, str) else table.copy()
    table.loc[row, column] = new
    return table


BAD: list[tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = [
    (lambda t: t.drop(columns="path"), r"expected the columns path, date and one for each asset, found date, A, B"),
    (lambda t: t[["path", "date"]], r"found path, date$"),
    (lambda t: t.assign(path=0.5), r"the column path must hold whole numbers, it holds float64"),
    (lambda t: change(t, 3, "date", "yesterday"), r"the column date must hold dates such as 2020-01-31"),
    (lambda t: change(t, 3, "date", pd.NaT), r"the date of row 4 is missing"),
    (lambda t: t.iloc[:0], r"there are no paths|must hold"),
    (lambda t: change(t, 4, "date", t["date"][3]), r"path 0 has more than one row on 2024-01-04"),
    (lambda t: t.iloc[:42], r"path 1 has 1 row; a path needs at least 2"),
    (lambda t: t.iloc[:-1], r"must have one length, but path 2 has 40 rows and path 0 has 41"),
    (lambda t: change(t, 50, "B", np.nan), r"column 'B' is nan at path 1, 2024-01-12 00:00:00 \(1 such value\)"),
    (lambda t: change(t, 50, "B", np.inf), r"column 'B' is inf at path 1"),
    (lambda t: change(t, 50, "A", 0.0), r"column 'A' is 0 at path 1"),
    (lambda t: t.assign(A=t["A"] - 100), r"are these returns rather than prices\?"),
    (lambda t: change(t, 50, "A", "much"), r"column 'A' must hold numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "sentence"), BAD, ids=[sentence for _, sentence in BAD])
def test_files_that_cannot_be_used_are_refused_with_a_sentence(
    spoil: Any, sentence: str, table: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=sentence) as raised:
        read_paths(write(spoil(table), tmp_path / "synth.csv"))
    assert "synth.csv" in str(raised.value)


def test_files_of_another_kind_are_refused_with_a_sentence(table: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"synth\.xlsx: a file of paths ends in \.csv, \.parquet, \.npz"):
        read_paths(tmp_path / "synth.xlsx")
    for suffix in (".csv", ".parquet", ".npz"):
        with pytest.raises(DataError, match="there is no such file"):
            read_paths(tmp_path / f"none{suffix}")
        for content in (b"", b"no file of paths\n\x00\xff"):
            broken = tmp_path / f"broken{suffix}"
            broken.write_bytes(content)
            with pytest.raises(DataError, match=f"broken{suffix}"):
                read_paths(broken)
        whole = write(table, tmp_path / f"whole{suffix}").read_bytes()
        if suffix != ".csv":
            (tmp_path / f"half{suffix}").write_bytes(whole[: len(whole) // 2])
            with pytest.raises(DataError, match=f"half{suffix} cannot be read"):
                read_paths(tmp_path / f"half{suffix}")


def test_arrays_of_another_layout_are_refused_with_a_sentence(tmp_path: Path) -> None:
    file, dates = tmp_path / "synth.npz", np.arange("2024-01-01", "2024-01-04", dtype="datetime64[D]")
    np.savez(file, returns=np.zeros((2, 3, 1)), dates=dates, columns=np.array(["A"]))
    with pytest.raises(DataError, match="there is no array prices; it holds returns, dates, columns"):
        read_paths(file)
    np.savez(file, prices=np.ones((2, 4, 1)), dates=dates, columns=np.array(["A"]))
    with pytest.raises(DataError, match=r"got prices \(2, 4, 1\), dates \(3,\), columns \(1,\)"):
        read_paths(file)
    np.savez(file, prices=np.ones((2, 3, 1)), dates=dates, columns=np.array(["A"], dtype=object))
    with pytest.raises(DataError, match="cannot be read"):  # nothing in a file is ever executed
        read_paths(file)


def test_importing_the_evaluation_is_light() -> None:
    heavy = ["torch", "arch", "statsmodels", "matplotlib", "scipy", "sklearn"]
    code = f"import json, sys, tsgan.evaluation; print(json.dumps([m for m in {heavy!r} if m in sys.modules]))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == []
