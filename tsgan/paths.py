"""What sampling returns: dated price paths."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from html import escape
from operator import index
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from tsgan.calendars import iso
from tsgan.errors import ConfigError
from tsgan.files import atomic_path
from tsgan.returns import Floats, prices_from
from tsgan.tablefile import write_table

if TYPE_CHECKING:
    from tsgan.conditioning import Conditioning
    from tsgan.evaluation.path_plots import PathPlots

Kind = Literal["prices", "returns"]
Bars = Literal["close", "ohlcv"]
SUFFIXES = (".csv", ".parquet", ".npz")
_BAR = ("Open", "High", "Low", "Close", "Volume")


class Paths:
    """Price paths of one or more assets over common dates.

    ``len(paths)`` is their number; ``paths[3]`` and iteration give a frame of prices, dates by assets, ``paths[:10]``
    the first ten paths, and ``np.asarray(paths)`` is :attr:`prices`.

    Parameters
    ----------
    returns : (n, length, assets) log returns a step
    start_price : (assets,) prices that every path continues from, one step before its first date
    dates : (length,) dates of the steps
    columns : names of the assets
    conditioning : how the paths came to satisfy a condition, and how rare that is; None where there was none
    first : number of the first path, where these are a part of more
    random_start : whether each begins in the market's state on a random day, as by default, instead of on a given one

    Examples
    --------
    >>> import pandas as pd
    >>> dates = pd.bdate_range("2024-01-01", periods=2)
    >>> paths = Paths(np.zeros((3, 2, 1)), np.array([100.0]), dates, ["SPY"])
    >>> len(paths), paths.prices.shape
    (3, (3, 2, 1))
    >>> paths[1:]
    Paths(2 paths x 2 steps, 2024-01-01 to 2024-01-02, SPY)
    >>> float(paths[-1].loc["2024-01-02", "SPY"])
    100.0
    """

    def __init__(
        self,
        returns: Floats,
        start_price: Floats,
        dates: pd.DatetimeIndex,
        columns: list[str],
        conditioning: Conditioning | None = None,
        first: int = 0,
        *,
        random_start: bool = False,
    ) -> None:
        self.returns, self.start_price, self.dates, self.columns = returns, start_price, dates, columns
        self.conditioning, self.first, self.random_start = conditioning, first, random_start

    @cached_property
    def prices(self) -> Floats:
        """Prices after each step, (n, length, assets), all > 0."""
        return prices_from(self.returns, self.start_price)

    @property
    def length(self) -> int:
        """Steps of a path."""
        return len(self.dates)

    @property
    def daily(self) -> bool:
        """Whether no date has a time of day."""
        return bool((self.dates == self.dates.normalize()).all())

    @property
    def plot(self) -> PathPlots:
        """Pictures: ``plot()``, ``plot.fan()``, ``.tails()``, ``.acf()``, ``.drawdowns()`` and ``.correlation()``."""
        from tsgan.evaluation.path_plots import PathPlots

        return PathPlots(self.prices, self.returns, self.dates, self.columns)

    def __len__(self) -> int:
        return len(self.returns)

    @overload
    def __getitem__(self, at: SupportsIndex) -> pd.DataFrame: ...

    @overload
    def __getitem__(self, at: slice) -> Paths: ...

    def __getitem__(self, at: SupportsIndex | slice) -> pd.DataFrame | Paths:
        """Prices of the path at a position, dates by assets; or the paths of a slice, which keep their numbers."""
        if not isinstance(at, slice):
            return self._closes(self.prices[index(at)])
        start, stop, step = at.indices(len(self))
        if step != 1:
            raise ConfigError(f"paths keep their numbers only in their order, without gaps: a step of {step} has none")
        return self._like(self.returns[start:stop], self.conditioning, self.first + start)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is None:  # only if need be; np.array takes None since NumPy 2
            return np.asarray(self.prices, dtype=dtype)
        return np.array(self.prices, dtype=dtype, copy=copy)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """One frame of prices after the other, as :meth:`iter_prices` yields them."""
        return self.iter_prices()

    def __repr__(self) -> str:
        dates = f"{iso(self.dates[0])} to {iso(self.dates[-1])}"
        return f"Paths({len(self)} paths x {self.length} steps, {dates}, {', '.join(self.columns)})"

    def _repr_html_(self) -> str:
        """For notebooks: what :func:`repr` says, and where each asset starts and ends."""
        ends = self.start_price * np.exp(self.returns.sum(axis=1))
        table = pd.DataFrame(np.quantile(ends, (0.05, 0.5, 0.95), axis=0).T, index=self.columns)
        table.columns = pd.Index(["last price, 5 %", "median", "95 %"])
        table.insert(0, "start price", self.start_price)
        return f"<p>{escape(repr(self))}</p>{table.to_html(float_format='{:,.6g}'.format)}"

    def values(self, kind: Kind) -> Floats:
        """Return ``prices`` or ``returns``."""
        if kind not in ("prices", "returns"):
            raise ConfigError(f"kind must be 'prices' or 'returns', not {kind!r}")
        return self.prices if kind == "prices" else self.returns

    def followed_by(self, more: Paths) -> Paths:
        """Return these paths and those that :meth:`TSGAN.iter_sample` gave after them."""
        return self._like(np.concatenate((self.returns, more.returns)), more.conditioning, self.first)

    def to_frame(self, kind: Kind = "prices") -> pd.DataFrame:
        """Return one long table: columns path (0, 1, ...), date, and one for each asset.

        The first row of a path is the price after its first step; :attr:`start_price` is the one before it.

        Parameters
        ----------
        kind : "prices", or "returns" for log returns a step
        """
        values = self.values(kind)
        frame = pd.DataFrame(values.reshape(-1, values.shape[-1]), columns=self.columns)
        frame.insert(0, "path", np.repeat(self.first + np.arange(len(self)), self.length))
        frame.insert(1, "date", np.tile(self.dates.to_numpy(), len(self)))
        return frame

    def to_wide(self) -> pd.DataFrame:
        """Return the prices of all paths side by side, as vectorbt takes them.

        Returns
        -------
        DataFrame
            (length, n * assets): dates by columns of two levels, ``path`` (0, 1, ...) and ``asset``; ``wide[3]`` is the
            frame of path 3.
        """
        numbers = range(self.first, self.first + len(self))
        columns = pd.MultiIndex.from_product([numbers, self.columns], names=["path", "asset"])
        values = self.prices.transpose(1, 0, 2).reshape(self.length, -1)
        return pd.DataFrame(values, index=self.dates.rename("date"), columns=columns)

    def iter_prices(self, kind: Bars = "close") -> Iterator[pd.DataFrame]:
        """Yield one dated frame a path, for engines that test a strategy on one history at a time.

        The model knows closing prices only. Bars are made of them: a bar opens at the close before (the first one at
        ``start_price``), its high and low are the larger and the smaller of open and close, its volume is 0. There is
        no range within the day and no gap over night: a stop or a limit fills as if the price went straight from one
        close to the next, which flatters stops, and nothing that needs volume can be tested.

        Parameters
        ----------
        kind : "close" for dates by assets; "ohlcv" for dates by Open, High, Low, Close, Volume, as backtesting.py and
            backtrader take one asset. Of several assets the columns then have two levels, ``asset`` and ``field``, and
            ``frame["SPY"]`` holds the bars of one of them.

        Yields
        ------
        DataFrame
            Path 0, 1, ...; each frame is the caller's own.

        Raises
        ------
        ConfigError
            There is no such kind.
        """
        if kind not in ("close", "ohlcv"):
            raise ConfigError(f"kind must be 'close' or 'ohlcv', not {kind!r}")
        return map(self._closes if kind == "close" else self._bars, self.prices)

    def to_zipline(self, folder: str | PathLike[str], volume: int = 1_000_000_000) -> list[Path]:
        """Write a folder a path in the layout of zipline's csvdir bundles.

        Path 3 of SPY becomes ``<folder>/00003/daily/SPY.csv`` with the columns date, open, high, low, close, volume,
        dividend (0) and split (1); ``csvdir_equities(["daily"], "<folder>/00003")`` ingests it. Bars are those of
        :meth:`iter_prices`. zipline demands a row for each session of the bundle's calendar and nothing else, so fit
        with ``TSGAN(calendar="NYSE")`` or register the bundle with a calendar that has the paths' dates. It
        stores prices in thousandths: raise ``start_price`` where that is too coarse.

        Parameters
        ----------
        folder : a folder that is empty or does not exist, since zipline takes whatever lies there for an asset
        volume : the volume of every bar, not learned: zipline fills no order where it is 0, and its default
            slippage fills up to a small share of it in one bar

        Returns
        -------
        The folders, one a path.

        Raises
        ------
        ConfigError
            The folder holds something, the paths are not daily, or a name cannot be zipline's file name.
        OSError
            Something cannot be written.
        """
        root = Path(folder)
        self._check_zipline(root)
        written = [root / f"{number:05d}" for number in range(self.first, self.first + len(self))]
        for target, prices in zip(written, self.prices, strict=True):
            (target / "daily").mkdir(parents=True)
            for asset, bars in zip(self.columns, self._bar_values(prices), strict=True):
                table = pd.DataFrame(bars, index=self.dates.rename("date"), columns=[name.lower() for name in _BAR])
                with atomic_path(target / "daily" / f"{asset}.csv") as partial:
                    table.assign(volume=volume, dividend=0.0, split=1.0).to_csv(partial, date_format="%Y-%m-%d")
        return written

    def save(self, path: str | PathLike[str], kind: Kind = "prices") -> int:
        """Write all paths; the suffix says how: .csv and .parquet hold the long table of :meth:`to_frame`.

        .npz holds the arrays ``prices`` or ``returns`` (n, length, assets), ``dates``, ``columns`` and ``start_price``.
        The file appears under its name only when it is complete.

        Returns
        -------
        The number of rows of the long table.
        """
        path = Path(path)
        check_suffix(path)
        values = self.values(kind)
        with atomic_path(path) as partial:
            if path.suffix == ".npz":
                self._write_npz(partial, kind, values)
            else:
                write_table(self, partial, path.suffix, kind)
        return len(self) * self.length

    def _like(self, returns: Floats, conditioning: Conditioning | None, first: int) -> Paths:
        """Other paths of the same start, dates and assets."""
        told = self.start_price, self.dates, self.columns, conditioning, first
        return Paths(returns, *told, random_start=self.random_start)

    def _closes(self, prices: Floats) -> pd.DataFrame:
        return pd.DataFrame(prices, index=self.dates, columns=self.columns, copy=True)

    def _bars(self, prices: Floats) -> pd.DataFrame:
        values = np.concatenate(self._bar_values(prices), axis=1)
        columns = pd.MultiIndex.from_product([self.columns, _BAR], names=["asset", "field"])
        return pd.DataFrame(values, index=self.dates, columns=columns if len(self.columns) > 1 else list(_BAR))

    def _bar_values(self, prices: Floats) -> Floats:
        """Bars of a path: (length, assets) closes -> (assets, length, 5) open, high, low, close, volume."""
        opens = np.vstack([self.start_price, prices[:-1]])
        high, low = np.maximum(opens, prices), np.minimum(opens, prices)
        return np.stack([opens, high, low, prices, np.zeros_like(prices)], axis=-1).swapaxes(0, 1)

    def _check_zipline(self, root: Path) -> None:
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise ConfigError(f"{root} is not an empty folder; name a new one, or empty it first")
        if not self.daily:
            raise ConfigError(
                f"zipline's daily bundles take one bar a day, but the paths have times of day, such as "
                f"{iso(self.dates[0])}; fit the model to daily prices"
            )
        unfit = [name for name in self.columns if not name or set(name) & set("./\\")]
        if unfit:
            raise ConfigError(
                f"{unfit[0]!r} cannot be the name of a zipline file, which has no dot or slash; rename the column "
                "before the fit"
            )

    def _write_npz(self, path: Path, kind: Kind, values: Floats) -> None:
        arrays: dict[str, Any] = {
            kind: values,
            "dates": self.dates.to_numpy(),
            "columns": np.array(self.columns),
            "start_price": self.start_price,
        }
        np.savez_compressed(path, **arrays)


def check_suffix(path: Path) -> None:
    """Refuse a file name whose suffix names no format."""
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path.name}: the suffix says how paths are written; use one of {', '.join(SUFFIXES)}")
