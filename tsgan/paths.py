"""What sampling returns: dated price paths."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from tsgan.calendars import iso
from tsgan.errors import ConfigError
from tsgan.files import atomic_path
from tsgan.returns import Floats, prices_from

Kind = Literal["prices", "returns"]
SUFFIXES = (".csv", ".parquet", ".npz")
_ROWS_AT_ONCE = 1_000_000


class Paths:
    """Price paths of one or more assets over common dates.

    Parameters
    ----------
    returns : (n, length, assets) log returns a step
    start_price : (assets,) prices that every path continues from, one step before its first date
    dates : (length,) dates of the steps
    columns : names of the assets

    Examples
    --------
    >>> import pandas as pd
    >>> dates = pd.bdate_range("2024-01-01", periods=2)
    >>> paths = Paths(np.zeros((3, 2, 1)), np.array([100.0]), dates, ["SPY"])
    >>> len(paths), paths.prices.shape
    (3, (3, 2, 1))
    """

    def __init__(self, returns: Floats, start_price: Floats, dates: pd.DatetimeIndex, columns: list[str]) -> None:
        self.returns, self.start_price, self.dates, self.columns = returns, start_price, dates, columns

    @cached_property
    def prices(self) -> Floats:
        """Prices after each step, (n, length, assets), all > 0."""
        return prices_from(self.returns, self.start_price)

    @property
    def length(self) -> int:
        """Steps of a path."""
        return len(self.dates)

    def __len__(self) -> int:
        return len(self.returns)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """One frame of prices after the other: dates by assets."""
        for path in self.prices:
            yield pd.DataFrame(path, index=self.dates, columns=self.columns)

    def __repr__(self) -> str:
        dates = f"{iso(self.dates[0])} to {iso(self.dates[-1])}"
        return f"Paths({len(self)} paths x {self.length} steps, {dates}, {', '.join(self.columns)})"

    def to_frame(self, kind: Kind = "prices") -> pd.DataFrame:
        """Return one long table: columns path (0, 1, ...), date, and one for each asset.

        Parameters
        ----------
        kind : "prices", or "returns" for log returns a step
        """
        return self._frame(self._values(kind), 0)

    def save(self, path: str | PathLike[str], kind: Kind = "prices") -> int:
        """Write all paths; the suffix says how: .csv and .parquet hold the long table of :meth:`to_frame`.

        .npz holds the arrays ``prices`` or ``returns`` (n, length, assets), ``dates``, ``columns`` and ``start_price``.
        The file appears under its name only when it is complete.

        Returns
        -------
        The number of rows of the long table.
        """
        path, values = Path(path), self._values(kind)
        check_suffix(path)
        with atomic_path(path) as partial:
            if path.suffix == ".npz":
                self._write_npz(partial, kind, values)
            else:
                self._write_table(partial, values)
        return len(self) * self.length

    def _values(self, kind: Kind) -> Floats:
        if kind not in ("prices", "returns"):
            raise ConfigError(f"kind must be 'prices' or 'returns', not {kind!r}")
        return self.prices if kind == "prices" else self.returns

    def _frame(self, values: Floats, first: int) -> pd.DataFrame:
        count = len(values)
        frame = pd.DataFrame(values.reshape(-1, values.shape[-1]), columns=self.columns)
        frame.insert(0, "path", np.repeat(np.arange(first, first + count), self.length))
        frame.insert(1, "date", np.tile(self.dates.to_numpy(), count))
        return frame

    def _write_npz(self, path: Path, kind: Kind, values: Floats) -> None:
        arrays: dict[str, Any] = {
            kind: values,
            "dates": self.dates.to_numpy(),
            "columns": np.array(self.columns),
            "start_price": self.start_price,
        }
        np.savez_compressed(path, **arrays)

    def _write_table(self, path: Path, values: Floats) -> None:
        import pyarrow as pa
        from pyarrow.csv import CSVWriter, WriteOptions
        from pyarrow.parquet import ParquetWriter

        daily = bool((self.dates == self.dates.normalize()).all())
        date_type = pa.date32() if daily else pa.timestamp("s")
        assets = [(name, pa.float64()) for name in self.columns]
        schema = pa.schema([("path", pa.int64()), ("date", date_type), *assets])
        with path.open("wb") as file:
            if path.suffix == ".csv":
                file.write(_csv_header(schema.names))  # Arrow would quote every name
                writer = CSVWriter(file, schema, write_options=WriteOptions(include_header=False))
            else:
                writer = ParquetWriter(file, schema)
            with writer:
                step = max(1, _ROWS_AT_ONCE // self.length)
                for first in range(0, len(values), step):
                    frame = self._frame(values[first : first + step], first)
                    writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))


def _csv_header(names: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(names)
    return line.getvalue().encode()


def check_suffix(path: Path) -> None:
    """Refuse a file name whose suffix names no format."""
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path.name}: the suffix says how paths are written; use one of {', '.join(SUFFIXES)}")
