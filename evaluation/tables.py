"""Tables of prices and of price paths, as arrays: validated once, where they come in."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tsgan.errors import DataError
from tsgan.returns import log_returns

if TYPE_CHECKING:
    from tsgan.paths import Paths

__all__ = ["PathArrays", "path_arrays", "price_returns", "read_paths"]

Floats: TypeAlias = npt.NDArray[np.float64]


def price_returns(prices: pd.DataFrame) -> Floats:
    """Log returns of a table of prices.

    Parameters
    ----------
    prices : DataFrame
        One column an asset, all positive.

    Returns
    -------
    array (time - 1, assets)

    Raises
    ------
    DataError
        There are fewer than two rows, or a price is missing, infinite, zero or negative.
    """
    if len(prices) < 2:
        raise DataError(f"a return needs two prices, the table has {len(prices)} row{'' if len(prices) == 1 else 's'}")
    return log_returns(_positive(prices, lambda row: f"{prices.index[row]}"))


class PathArrays(NamedTuple):
    """A long table of price paths as arrays.

    Parameters
    ----------
    prices : array (paths, time, assets)
        Positive prices.
    dates : DatetimeIndex (time,)
        Dates of the first path.
    assets : list of str
        Names of the assets, in the order of the columns.
    """

    prices: Floats
    dates: pd.DatetimeIndex
    assets: list[str]

    @property
    def returns(self) -> Floats:
        """Log returns per step, (paths, time - 1, assets); the first is from the first row to the second."""
        return np.diff(np.log(self.prices), axis=1)


def path_arrays(paths: Paths | pd.DataFrame) -> PathArrays:
    """Validate a long table of price paths and return it as arrays.

    Parameters
    ----------
    paths : Paths or DataFrame
        A table has the columns ``path``, ``date``, then one an asset, as `read_paths` returns them.

    Returns
    -------
    PathArrays

    Raises
    ------
    DataError
        See `read_paths`.
    """
    frame = _checked(paths if isinstance(paths, pd.DataFrame) else paths.to_frame(), "the table of paths")
    assets = list(frame.columns[2:])
    prices = frame[assets].to_numpy().reshape(frame["path"].nunique(), -1, len(assets))
    return PathArrays(prices, pd.DatetimeIndex(frame["date"].iloc[: prices.shape[1]]), assets)


# files of paths -------------------------------------------------------------------------------------------------------


def read_paths(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read price paths as ``tsgan sample`` writes them.

    Parameters
    ----------
    path : path
        ``.csv`` or ``.parquet`` with the columns ``path``, ``date`` and one an asset; ``.npz`` with the arrays
        ``prices`` (paths, time, assets), ``dates`` (time,) and ``columns`` (assets,).

    Returns
    -------
    DataFrame
        ``path`` (integer), ``date`` (datetime), then one float column an asset, ordered by path and date.

    Raises
    ------
    DataError
        The file cannot be read, is laid out differently, or holds prices that cannot be used: missing, infinite, zero
        or negative ones, paths of fewer than two rows or of different lengths.
    """
    file = Path(os.fsdecode(path))
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".csv": pd.read_csv,
        ".parquet": pd.read_parquet,
        ".npz": _read_arrays,
    }
    if file.suffix.lower() not in readers:
        raise DataError(f"{file}: a file of paths ends in {', '.join(readers)}, not in {file.suffix!r}")
    try:
        frame = readers[file.suffix.lower()](file)
    except FileNotFoundError as error:
        raise DataError(f"{file}: there is no such file") from error
    except DataError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{file} cannot be read as a file of paths: {error}") from error
    return _checked(frame, str(file))


def _read_arrays(file: Path) -> pd.DataFrame:
    with file.open("rb") as stream, np.lib.npyio.NpzFile(stream, allow_pickle=False) as arrays:
        missing = {"prices", "dates", "columns"} - set(arrays.files)
        if missing:
            raise DataError(
                f"{file}: there is no array {', '.join(sorted(missing))}; it holds {', '.join(arrays.files)}"
            )
        prices, dates, columns = arrays["prices"], arrays["dates"], arrays["columns"]
    if prices.ndim != 3 or prices.shape[1:] != dates.shape + columns.shape:
        shapes = f"prices {prices.shape}, dates {dates.shape}, columns {columns.shape}"
        raise DataError(
            f"{file}: expected prices (paths, time, assets), dates (time,), columns (assets,), got {shapes}"
        )
    paths, time, assets = prices.shape
    frame = pd.DataFrame(prices.reshape(paths * time, assets), columns=[str(name) for name in columns])
    frame.insert(0, "path", np.repeat(np.arange(paths), time))
    frame.insert(1, "date", np.tile(dates, paths))
    return frame


def _checked(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return a long table of paths in the one form that is trusted from here on, or say what is wrong with it."""
    names = [str(name) for name in frame.columns]
    if names[:2] != ["path", "date"] or len(names) < 3 or len(set(names)) < len(names):
        found = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
        raise DataError(f"{source}: expected the columns path, date and one for each asset, found {found}")
    frame = frame.set_axis(names, axis=1)
    if not pd.api.types.is_integer_dtype(frame["path"]):
        raise DataError(f"{source}: the column path must hold whole numbers, it holds {frame['path'].dtype}")
    frame = frame.assign(date=_dates(frame["date"], source)).sort_values(["path", "date"], ignore_index=True)
    _require_lengths(frame, source)
    numbers, dates = frame["path"], frame["date"]
    values = _positive(frame[names[2:]], lambda row: f"path {numbers[row]}, {dates[row]}", source)
    return frame.assign(**dict(zip(names[2:], values.T, strict=True)))


def _dates(column: pd.Series[Any], source: str) -> pd.Series[Any]:
    if pd.api.types.is_datetime64_any_dtype(column):
        dates = column
    else:
        try:
            dates = pd.to_datetime(column.astype(str), format="ISO8601")
        except ValueError as error:
            raise DataError(f"{source}: the column date must hold dates such as 2020-01-31: {error}") from error
    if dates.isna().any():
        raise DataError(f"{source}: the date of row {int(dates.isna().to_numpy().argmax()) + 1} is missing")
    return dates


def _require_lengths(frame: pd.DataFrame, source: str) -> None:
    if frame.empty:
        raise DataError(f"{source}: there are no paths")
    repeated = frame.duplicated(["path", "date"])
    if repeated.any():
        row = int(repeated.to_numpy().argmax())
        raise DataError(f"{source}: path {frame['path'][row]} has more than one row on {frame['date'][row]}")
    rows = frame.groupby("path").size()
    if rows.min() < 2:
        raise DataError(f"{source}: path {rows.idxmin()} has 1 row; a path needs at least 2, for one return")
    if rows.min() < rows.max():
        raise DataError(
            f"{source}: paths must have one length, but path {rows.idxmin()} has {rows.min():,} rows and "
            f"path {rows.idxmax()} has {rows.max():,}"
        )


def _positive(prices: pd.DataFrame, label: Callable[[int], str], source: str = "the prices") -> Floats:
    """Return the prices as floats, or name the first that is no positive number."""
    for name, column in prices.items():
        if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            raise DataError(f"{source}: column {name!r} must hold numbers, it holds {column.dtype}")
    values = prices.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = ~(np.isfinite(values) & (values > 0))
    if bad.any():
        row, column_number = (int(i) for i in np.argwhere(bad)[0])
        value = values[row, column_number]
        hint = "; are these returns rather than prices?" if (values < 0).any() else ""
        raise DataError(
            f"{source}: prices must be positive numbers, but column {prices.columns[column_number]!r} is {value:g} at "
            f"{label(row)} ({int(bad.sum()):,} such value{'' if bad.sum() == 1 else 's'}){hint}"
        )
    return values
