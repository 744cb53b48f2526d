"""Stylized facts of returns (Cont 2001), measured on real and synthetic paths and set side by side.

Every fact is a pure function from log returns ``(paths, time, assets)`` to one value an asset. `FACTS`, `CROSS_FACTS`
and `DISTANCES` list them with unit, meaning and reference; `compare` walks the lists.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tsgan.calendars import infer_calendar
from tsgan.errors import DataError

__all__ = [
    "CROSS_FACTS",
    "DISTANCES",
    "FACTS",
    "Fact",
    "PathArrays",
    "abs_acf_rms",
    "acf",
    "annualised_volatility",
    "compare",
    "cross_correlation",
    "expected_shortfall",
    "hill_index",
    "kurtosis",
    "leverage",
    "log_returns",
    "mean_abs_acf",
    "mean_abs_correlation",
    "mean_correlation",
    "mean_square_acf",
    "path_arrays",
    "pieces",
    "read_paths",
    "return_acf",
    "skewness",
    "tail_dependence",
    "value_at_risk",
    "wasserstein",
]

Floats: TypeAlias = npt.NDArray[np.float64]

ABS_LAGS = 100  # clustering: half a trading year, beyond the noise of one path of 252 steps
SQUARE_LAGS = 20
LEVERAGE_LAGS = 10
TAIL_SHARE = 0.025  # of all returns: the tail whose index is estimated
FFT_BLOCK = 2**22  # numbers transformed at once, 32 MiB: bounds the memory of the correlations


# correlations in time -------------------------------------------------------------------------------------------------


def cross_correlation(x: Floats, y: Floats, lags: int) -> Floats:
    """Sample correlation of x_t with y_{t+k} at the lags k = 1 ... ``lags``, path by path.

    Sums are divided by the length of the path at every lag, deviations taken from the mean of the path: the usual
    estimator, positive semidefinite, biased towards zero on short paths. Compare paths of one length only.

    Parameters
    ----------
    x, y : array (paths, time, assets)
        Two series.
    lags : int
        Highest lag, below ``time``.

    Returns
    -------
    array (paths, lags, assets)
        NaN where a path is constant.

    Raises
    ------
    DataError
        The paths have too few steps for the lags.
    """
    paths, time, assets = x.shape
    if not 1 <= lags < time:
        raise DataError(f"a correlation at lag {lags} needs paths of at least {lags + 1} returns, got {time}")
    padded = 1 << (time + lags - 1).bit_length()  # zeros behind the path keep its end from meeting its start
    block = max(1, FFT_BLOCK // (padded * assets))
    sums = np.empty((paths, lags, assets))
    for first in range(0, paths, block):
        rows = slice(first, first + block)
        spectrum_x, spectrum_y = (np.fft.rfft(_centred(z[rows]), padded, axis=1) for z in (x, y))
        sums[rows] = np.fft.irfft(spectrum_x.conj() * spectrum_y, padded, axis=1)[:, 1 : lags + 1]
    return _ratio(sums, time * x.std(axis=1, keepdims=True) * y.std(axis=1, keepdims=True))


def acf(x: Floats, lags: int) -> Floats:
    """Sample autocorrelation at the lags 1 ... ``lags``, path by path: `cross_correlation` of a series with itself.

    Parameters
    ----------
    x : array (paths, time, assets)
        A series: returns, absolute returns, squares.
    lags : int
        Highest lag, below ``time``.

    Returns
    -------
    array (paths, lags, assets)
        NaN where a path is constant.
    """
    return cross_correlation(x, x, lags)


def return_acf(returns: Floats) -> Floats:
    """Autocorrelation of r at lag 1, mean over paths: near 0 in liquid markets (fact 1 of Cont 2001)."""
    return _mean(acf(returns, 1))


def mean_abs_acf(returns: Floats) -> Floats:
    """Autocorrelation of |r|, mean over the lags 1-100 and over paths: volatility clustering (fact 6 of Cont 2001)."""
    return _mean(acf(np.abs(returns), ABS_LAGS))


def mean_square_acf(returns: Floats) -> Floats:
    """Autocorrelation of r², mean over the lags 1-20 and over paths: volatility clustering (Engle 1982)."""
    return _mean(acf(np.square(returns), SQUARE_LAGS))


def leverage(returns: Floats) -> Floats:
    """Correlation of r_t with r²_{t+k}, mean over k = 1 ... 10 and over paths: below 0 where losses raise volatility.

    Source: fact 9 of Cont (2001); Bouchaud, Matacz and Potters (2001).
    """
    return _mean(cross_correlation(returns, np.square(returns), LEVERAGE_LAGS))


# the distribution of one return ---------------------------------------------------------------------------------------


def annualised_volatility(returns: Floats, periods_per_year: float) -> Floats:
    """Standard deviation of all returns times the root of the number of periods a year.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step.
    periods_per_year : float
        Steps a year: 252 for business days.

    Returns
    -------
    array (assets,)
        Log return per root year: .16 is 16 % a year.
    """
    return np.asarray(returns.std(axis=(0, 1)) * np.sqrt(periods_per_year))


def skewness(returns: Floats) -> Floats:
    """Skewness of a path, median over paths: below 0 where losses are larger than gains (fact 3 of Cont 2001)."""
    return np.asarray(np.median(_standardised_moment(returns, 3), axis=0))


def kurtosis(returns: Floats) -> Floats:
    """Kurtosis of a path, median over paths: 3 for a normal law (fact 2 of Cont 2001).

    The median, since one extreme return decides the kurtosis of all paths pooled. Grows with the length of the paths.
    """
    return np.asarray(np.median(_standardised_moment(returns, 4), axis=0))


def value_at_risk(returns: Floats, level: float) -> Floats:
    """Quantile of all returns: a log return, below 0 for a loss.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step.
    level : float
        Probability in the lower tail, such as .05.

    Returns
    -------
    array (assets,)
    """
    return np.asarray(np.quantile(_pooled(returns), level, axis=0))


def expected_shortfall(returns: Floats, level: float) -> Floats:
    """Mean of all returns at or below `value_at_risk`: a log return, below 0 for a loss.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step.
    level : float
        Probability in the lower tail, such as .05.

    Returns
    -------
    array (assets,)
    """
    pooled = _pooled(returns)
    return np.asarray(pooled.mean(axis=0, where=pooled <= value_at_risk(returns, level)))


def hill_index(returns: Floats) -> Floats:
    """Tail index of losses by Hill's estimator on the largest 2.5 % of all returns: about 3 for stocks, low is heavy.

    P(loss > x) falls as x to the power of minus the index. NaN where fewer returns than that are losses, and for fewer
    than 40 returns.

    Source: Hill (1975), A simple general approach to inference about the tail of a distribution, Annals of Statistics.
    """
    losses = -_pooled(returns)
    k = int(TAIL_SHARE * len(losses))
    if k == 0:
        return _nan(returns)
    top = -np.partition(-losses, k, axis=0)[: k + 1]
    threshold, beyond = top[k], top[:k]
    usable = threshold > 0
    excess = np.log(np.where(usable, beyond, 1) / np.where(usable, threshold, 1)).mean(axis=0)
    return _ratio(np.where(usable, 1.0, np.nan), excess)


# several assets -------------------------------------------------------------------------------------------------------


def mean_correlation(returns: Floats) -> Floats:
    """Correlation of the returns of two assets on the same date, mean over pairs; a scalar array."""
    return _mean_of_pairs(_correlation(_pooled(returns)))


def mean_abs_correlation(returns: Floats) -> Floats:
    """Correlation of |r| of two assets on the same date, mean over pairs: common volatility; a scalar array."""
    return _mean_of_pairs(_correlation(np.abs(_pooled(returns))))


def tail_dependence(returns: Floats, level: float = 0.05) -> Floats:
    """P(one asset in its lower tail, given that another is), mean over pairs; a scalar array.

    ``level`` under independence, 1 for equal assets.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Log returns per step.
    level : float
        Probability of the lower tail.

    Source: the empirical tail concentration; Joe (2014), Dependence Modeling with Copulas, chapter 2.
    """
    pooled = _pooled(returns)
    low = (pooled <= np.quantile(pooled, level, axis=0)).astype(np.float64)
    size = np.sqrt(low.sum(axis=0))
    return _mean_of_pairs(low.T @ low / np.outer(size, size))


# distances between real and synthetic ---------------------------------------------------------------------------------


def wasserstein(real: Floats, synthetic: Floats) -> Floats:
    """Wasserstein-1 distance of the laws of one return, in standard deviations of the real returns; 0 is equal.

    Parameters
    ----------
    real, synthetic : array (paths, time, assets)
        Log returns per step; all paths are pooled.

    Returns
    -------
    array (assets,)
    """
    from scipy.stats import wasserstein_distance

    x, y = _pooled(real), _pooled(synthetic)
    distances = [wasserstein_distance(x[:, i], y[:, i]) for i in range(x.shape[1])]
    return _ratio(np.array(distances), x.std(axis=0))


def abs_acf_rms(real: Floats, synthetic: Floats) -> Floats:
    """Root mean square over the lags 1-100 of the difference in the ACF of |r|, each the mean over its paths.

    Parameters
    ----------
    real, synthetic : array (paths, time, assets)
        Log returns per step, paths of one length.

    Returns
    -------
    array (assets,)
        0 is equal.
    """
    difference = acf(np.abs(real), ABS_LAGS).mean(axis=0) - acf(np.abs(synthetic), ABS_LAGS).mean(axis=0)
    return np.asarray(np.sqrt(np.square(difference).mean(axis=0)))


# the registry ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fact:
    """A measure of returns and how to read it.

    Parameters
    ----------
    name : str
        As in the index of `compare`.
    function : callable
        In `FACTS` from returns (paths, time, assets) to (assets,); in `CROSS_FACTS` to a scalar array; in `DISTANCES`
        from real and synthetic returns to (assets,).
    unit : str
        Unit of the value.
    meaning : str
        What the value says.
    reference : str
        Where it comes from.
    per_path : bool
        Whether the value depends on the length of the paths, so that both sides must be cut to the same length.
    min_steps : int
        Fewest returns a path for which it can be computed.
    annualised : bool
        Whether the function also takes ``periods_per_year``.
    """

    name: str
    function: Callable[..., Floats]
    unit: str
    meaning: str
    reference: str
    per_path: bool = False
    min_steps: int = 1
    annualised: bool = False


LOG_RETURN = "log return"
BOUCHAUD = "Bouchaud, Matacz and Potters (2001), Leverage effect in financial markets, Physical Review Letters 87"
CONT = "Cont (2001), Empirical properties of asset returns, Quantitative Finance 1"
ENGLE = "Engle (1982), Autoregressive conditional heteroscedasticity, Econometrica 50"
HILL = "Hill (1975), A simple general approach to inference about the tail of a distribution, Annals of Statistics 3"
JOE = "Joe (2014), Dependence Modeling with Copulas, chapter 2"
RISK = "McNeil, Frey and Embrechts (2015), Quantitative Risk Management, section 2.3"
VILLANI = "Villani (2009), Optimal Transport, chapter 6"

FACTS: tuple[Fact, ...] = (
    Fact(
        "volatility", annualised_volatility, "per year", "annualised standard deviation of returns", CONT,
        annualised=True,
    ),
    Fact(
        "skewness", skewness, "1", "asymmetry of a path, median over paths; below 0: losses larger than gains", CONT,
        per_path=True, min_steps=2,
    ),
    Fact(
        "kurtosis", kurtosis, "1", "heaviness of both tails of a path, median over paths; 3 for a normal law", CONT,
        per_path=True, min_steps=2,
    ),
    Fact("VaR 5%", partial(value_at_risk, level=0.05), LOG_RETURN, "return that 5 % of steps stay below", RISK),
    Fact("VaR 1%", partial(value_at_risk, level=0.01), LOG_RETURN, "return that 1 % of steps stay below", RISK),
    Fact("ES 5%", partial(expected_shortfall, level=0.05), LOG_RETURN, "mean return of the worst 5 % of steps", RISK),
    Fact("ES 1%", partial(expected_shortfall, level=0.01), LOG_RETURN, "mean return of the worst 1 % of steps", RISK),
    Fact("Hill index", hill_index, "1", "tail index of the largest 2.5 % of losses; low is heavy, 3 for stocks", HILL),
    Fact(
        "ACF r", return_acf, "1", "autocorrelation of returns at lag 1; near 0 in liquid markets", CONT,
        per_path=True, min_steps=2,
    ),
    Fact(
        "ACF |r|", mean_abs_acf, "1", "volatility clustering: autocorrelation of |r|, mean over the lags 1-100", CONT,
        per_path=True, min_steps=ABS_LAGS + 1,
    ),
    Fact(
        "ACF r^2", mean_square_acf, "1", "volatility clustering: autocorrelation of r², mean over the lags 1-20", ENGLE,
        per_path=True, min_steps=SQUARE_LAGS + 1,
    ),
    Fact(
        "leverage", leverage, "1", "correlation of r with the next 10 r²; below 0: losses raise volatility", BOUCHAUD,
        per_path=True, min_steps=LEVERAGE_LAGS + 1,
    ),
)  # fmt: skip
"""Facts of each asset by itself."""

CROSS_FACTS: tuple[Fact, ...] = (
    Fact("correlation", mean_correlation, "1", "correlation of returns, mean over pairs of assets", CONT),
    Fact("correlation |r|", mean_abs_correlation, "1", "common volatility: correlation of |r|, mean over pairs", CONT),
    Fact(
        "tail dependence", tail_dependence, "1",
        "chance that an asset is in its worst 5 % when another one is, mean over pairs; .05 if independent", JOE,
    ),
)  # fmt: skip
"""Facts of several assets together."""

DISTANCES: tuple[Fact, ...] = (
    Fact("W1", wasserstein, "real deviations", "Wasserstein-1 distance of the laws of one return; 0 is equal", VILLANI),
    Fact(
        "ACF |r| RMS", abs_acf_rms, "1", "root mean square difference of the ACF of |r|, lags 1-100; 0 is equal", CONT,
        per_path=True, min_steps=ABS_LAGS + 1,
    ),
)  # fmt: skip
"""Distances of an asset's synthetic returns from its real ones."""


# real beside synthetic ------------------------------------------------------------------------------------------------


def compare(real: pd.DataFrame, paths: pd.DataFrame, periods_per_year: float | None = None) -> pd.DataFrame:
    """Set the facts of real prices and of synthetic price paths side by side.

    Facts that depend on the length of a path are measured on pieces of one length on both sides: the real returns are
    cut to the synthetic length, or the synthetic ones to the real length where that is shorter (see `pieces`).

    Parameters
    ----------
    real : DataFrame
        Prices, one column an asset, DatetimeIndex; may hold assets that ``paths`` do not have.
    paths : DataFrame
        Long table of synthetic prices: ``path``, ``date``, then one column an asset. The price that a path starts from
        is not in it, so that a path's first return is from its first row to its second.
    periods_per_year : float, optional
        Steps a year, inferred from the dates of ``real`` by default.

    Returns
    -------
    DataFrame
        Index ``asset``, ``fact``; columns ``real``, ``synthetic`` and ``difference`` = synthetic - real, NaN where
        the paths have too few steps (`Fact.min_steps`). For several assets the facts of all together have the asset
        ``all``. Of a distance, ``real`` is 0: that of the real returns from themselves.

    Raises
    ------
    DataError
        The prices cannot be used, or an asset of the paths is not among the real ones.
    """
    arrays = path_arrays(paths)
    synthetic, assets = arrays.returns, arrays.assets
    history = log_returns(_selected(real, assets))[None]
    length = min(history.shape[1], synthetic.shape[1])
    sides = _Sides(
        whole=(history, synthetic),
        cut=(pieces(history, length), pieces(synthetic, length)),
        periods_per_year=_periods_per_year(real) if periods_per_year is None else periods_per_year,
    )
    single = [(fact.name, *_both(fact, sides)) for fact in FACTS]
    single += [(fact.name, *_apart(fact, sides)) for fact in DISTANCES]
    rows = [(asset, name, x[i], y[i]) for i, asset in enumerate(assets) for name, x, y in single]
    if len(assets) > 1:
        rows += [("all", fact.name, *_both(fact, sides)) for fact in CROSS_FACTS]
    table = pd.DataFrame(rows, columns=["asset", "fact", "real", "synthetic"]).set_index(["asset", "fact"])
    table = table.astype("float64")
    return table.assign(difference=table["synthetic"] - table["real"])


class _Sides(NamedTuple):
    """Real and synthetic returns, as they are and cut to pieces of one length."""

    whole: tuple[Floats, Floats]
    cut: tuple[Floats, Floats]
    periods_per_year: float


def _both(fact: Fact, sides: _Sides) -> tuple[Floats, Floats]:
    """Return the values of a fact on the real and on the synthetic side."""
    x, y = sides.cut if fact.per_path else sides.whole
    if min(x.shape[1], y.shape[1]) < fact.min_steps:
        return _nan(x), _nan(x)
    options = {"periods_per_year": sides.periods_per_year} if fact.annualised else {}
    return fact.function(x, **options), fact.function(y, **options)


def _apart(fact: Fact, sides: _Sides) -> tuple[Floats, Floats]:
    """Return the distances of the real returns from themselves, 0, and of the synthetic ones from them."""
    x, y = sides.cut if fact.per_path else sides.whole
    if min(x.shape[1], y.shape[1]) < fact.min_steps:
        return _nan(x), _nan(x)
    return np.zeros(x.shape[-1]), fact.function(x, y)


def _periods_per_year(real: pd.DataFrame) -> float:
    if not isinstance(real.index, pd.DatetimeIndex):
        raise DataError(f"the index of the real prices must hold dates, it holds {real.index.dtype}")
    return infer_calendar(real.index).periods_per_year


def pieces(returns: Floats, length: int) -> Floats:
    """Cut every path into the fewest pieces of one length that cover it.

    The pieces are spread evenly, so that they overlap a little where the path is not a multiple of the length: every
    return is used.

    Parameters
    ----------
    returns : array (paths, time, assets)
        Returns.
    length : int
        Steps a piece, at most ``time``.

    Returns
    -------
    array (paths x pieces, length, assets)
        All pieces of the first path, then those of the second, and so on.
    """
    paths, time, assets = returns.shape
    if length == time:
        return returns
    count = -(-time // length)
    starts = np.linspace(0, time - length, count).round().astype(np.int64)
    steps = starts[:, None] + np.arange(length)
    return returns[:, steps].reshape(paths * count, length, assets)


def log_returns(prices: pd.DataFrame) -> Floats:
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
    return np.diff(np.log(_positive(prices, lambda row: f"{prices.index[row]}")), axis=0)


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


def path_arrays(paths: pd.DataFrame) -> PathArrays:
    """Validate a long table of price paths and return it as arrays.

    Parameters
    ----------
    paths : DataFrame
        Columns ``path``, ``date``, then one an asset, as `read_paths` returns them.

    Returns
    -------
    PathArrays

    Raises
    ------
    DataError
        See `read_paths`.
    """
    frame = _checked(paths, "the table of paths")
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


def _selected(real: pd.DataFrame, assets: list[str]) -> pd.DataFrame:
    known = real.set_axis([str(name) for name in real.columns], axis=1)
    unknown = [name for name in assets if name not in known.columns]
    if unknown:
        raise DataError(
            f"the paths have the asset {unknown[0]!r}, which the real prices do not have; theirs are "
            f"{', '.join(map(repr, known.columns[:15]))}"
        )
    return known[assets]


# small helpers --------------------------------------------------------------------------------------------------------


def _nan(returns: Floats) -> Floats:
    return np.full(returns.shape[-1], np.nan)


def _ratio(a: Floats, b: Floats) -> Floats:
    """Return a / b, NaN where b is 0."""
    return np.asarray(np.divide(a, b, out=np.full(np.broadcast_shapes(a.shape, b.shape), np.nan), where=b > 0))


def _centred(x: Floats) -> Floats:
    return np.asarray(x - x.mean(axis=1, keepdims=True))


def _mean(x: Floats) -> Floats:
    """Mean over paths and lags: (paths, lags, assets) -> (assets,)."""
    return np.asarray(x.mean(axis=(0, 1)))


def _pooled(returns: Floats) -> Floats:
    return returns.reshape(-1, returns.shape[-1])


def _standardised_moment(returns: Floats, order: int) -> Floats:
    """E[(r - mean)^order] / deviation^order of each path: (paths, time, assets) -> (paths, assets)."""
    centred = _centred(returns)
    return _ratio((centred**order).mean(axis=1), np.square(centred).mean(axis=1) ** (order / 2))


def _correlation(x: Floats) -> Floats:
    centred = x - x.mean(axis=0)
    deviation = np.sqrt(np.square(centred).sum(axis=0))
    return _ratio(centred.T @ centred, np.outer(deviation, deviation))


def _mean_of_pairs(matrix: Floats) -> Floats:
    return np.asarray(matrix[np.triu_indices(len(matrix), 1)].mean())
