"""Trading strategies over synthetic price paths: what a backtest would have shown in other histories of the same law.

A strategy is any function prices -> simple returns a step. Its figures on many paths say how much of the figure on the
one real history is luck; where several variants were tried, the probability of backtest overfitting and the deflated
Sharpe ratio say how much of the best one's is selection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pickle import PicklingError
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed

from tsgan.calendars import infer_calendar, iso
from tsgan.datasets.checks import warn
from tsgan.errors import ConfigError, DataError
from tsgan.evaluation.risk.overfitting import (
    below_median,
    deflated_sharpe_ratio,
    probability_of_backtest_overfitting,
)
from tsgan.evaluation.tables import path_arrays, price_returns
from tsgan.paths import Paths
from tsgan.progress import Shares, share_progress

__all__ = [
    "FIGURES",
    "Strategy",
    "StrategyDistribution",
    "mean_reversion",
    "momentum",
    "strategy_distribution",
]

Floats: TypeAlias = npt.NDArray[np.float64]
Strategy: TypeAlias = "Callable[[pd.DataFrame], pd.Series[Any]]"
"""Prices, dates by assets -> simple returns a step, indexed by dates of the prices"""

FIGURES = ("annual_return", "volatility", "sharpe", "max_drawdown", "var_5", "deflated_sharpe")
"""Figures of one strategy on one path, in the order of the tables; units in `StrategyDistribution`"""
_VAR_LEVEL = 0.05
_PARTS = 100  # of the paths, between which progress is told and processes share the work
_LIKE_LENGTH = 1.25  # up to this ratio of lengths drawdowns of paths and history are compared without a warning
_ROUNDING = 1e-9  # returns that differ by less of the largest are constant


@dataclass(frozen=True)
class StrategyDistribution:
    """The result of :func:`strategy_distribution`.

    Figures: ``annual_return`` (geometric, a fraction), ``volatility`` (annual standard deviation, a fraction),
    ``sharpe`` (annual, no interest deducted; NaN of constant returns), ``max_drawdown`` (largest fall of the wealth
    from an earlier high, a fraction, positive), ``var_5`` (5 % quantile of the returns a step: a return, usually
    negative) and ``deflated_sharpe`` (a probability, see `deflated_sharpe_ratio`, the variants being the trials; of a
    single variant the probabilistic Sharpe ratio against 0).

    Attributes
    ----------
    table : one row a (path, variant), one column a figure
    historical : the figures on the real prices, one row a variant; None without a history
    ranks : share of the paths whose figure is below the historical one, ties counted half, 0 to 1, one row a variant;
        None without a history
    pbo : probability of backtest overfitting. With a history that of its returns by cross-validation, see
        `probability_of_backtest_overfitting`; without one, how often the variant best on one path is no better than the
        median variant on another. None of a single variant
    best : the variant with the highest Sharpe ratio on the history; None without a history
    best_below_median : share of the paths on which the Sharpe ratio of ``best`` is no better than the median variant's;
        None without a history, or of a single variant
    periods_per_year : steps in a year that the figures were made annual with
    """

    table: pd.DataFrame
    historical: pd.DataFrame | None
    ranks: pd.DataFrame | None
    pbo: float | None
    best: str | None
    best_below_median: float | None
    periods_per_year: float

    @property
    def deflated_sharpe(self) -> pd.Series[float]:
        """Deflated Sharpe ratio of every variant on the history; without one, its median over the paths."""
        source = self.table.groupby("variant", sort=False).median() if self.historical is None else self.historical
        return source["deflated_sharpe"]

    def summary(self) -> pd.DataFrame:
        """One row a (variant, figure): 5, 50 and 95 % quantile over the paths, historical value and rank.

        ``undefined`` counts the paths on which there is no such figure (the Sharpe ratio of constant returns); the
        quantiles and the rank are over the others.
        """
        groups = self.table.groupby("variant", sort=False)
        columns = {
            "low": _long(groups.quantile(0.05)),
            "median": _long(groups.quantile(0.5)),
            "high": _long(groups.quantile(0.95)),
            "undefined": _long(self.table.isna().groupby("variant", sort=False).sum()),
        }
        if self.historical is not None and self.ranks is not None:
            columns |= {"historical": _long(self.historical), "rank": _long(self.ranks)}
        return pd.DataFrame(columns)

    def _repr_html_(self) -> str:
        return str(self.summary().to_html(float_format="{:.4g}".format))


def strategy_distribution(
    strategy: Strategy | Mapping[str, Strategy],
    paths: Paths | pd.DataFrame,
    *,
    history: pd.DataFrame | None = None,
    periods_per_year: float | None = None,
    jobs: int | None = None,
    progress: bool | Shares = False,
) -> StrategyDistribution:
    """Run a strategy, or several variants of it, over all paths and over the real history.

    Parameters
    ----------
    strategy : callable, or mapping of names to callables
        Each is given a frame of prices, dates by assets, and returns a Series of simple returns a step, indexed by
        dates of the frame. It may begin late (after a warm-up); on dates left out after its first one it is taken to
        be out of the market, with a return of 0. A 0 on the first date, before which there is no price, is not
        counted; a return of -1 or less is the loss of everything. The frame is the strategy's own, to change freely.
    paths : Paths, or DataFrame
        Of `Paths` the frame begins with the start price, on the date that their calendar has before the first (the
        Friday before a Monday; `Paths` do not say it). Of a long table (path, date, assets, see `read_paths`) it begins
        with the table's first row.
    history : DataFrame, optional
        Real prices, with the columns of the paths and best of their length: drawdowns grow with the length.
    periods_per_year : float, optional
        Steps in a year; by default from the paths' dates, such as 252 for business days.
    jobs : int, optional
        Processes, -1 for one a processor; by default one, or what ``joblib.parallel_config`` says. With several the
        strategy may be a lambda or a closure, but what it holds is copied to each.
    progress : bool or callable
        True shows it on stderr, a callable is called with the stage and the share of it that is done.

    Returns
    -------
    StrategyDistribution
        The same for any number of jobs.

    Raises
    ------
    DataError
        A strategy failed or did not return what it should, or prices cannot be used.
    ConfigError
        An option is not possible.

    Examples
    --------
    >>> returns = np.random.default_rng(0).normal(0, 0.01, (50, 252, 1))
    >>> paths = Paths(returns, np.array([100.0]), pd.bdate_range("2024-01-01", periods=252), ["SPY"])
    >>> variants = {"fast": momentum, "slow": lambda prices: momentum(prices, window=120)}
    >>> strategy_distribution(variants, paths).table.shape
    (100, 6)
    """
    variants, markets = _variants(strategy), _markets(paths)
    annual = _periods(periods_per_year, markets.dates)
    backtest = None if history is None else _Backtest.of(variants, _history(history, markets), annual)
    with share_progress(progress) as report:
        figures = _over_paths(variants, markets, annual, jobs, report)
    names = pd.Index(list(variants), name="variant")
    index = pd.MultiIndex.from_product([pd.Index(markets.numbers, name="path"), names])
    sharpes = np.nan_to_num(figures[:, :, FIGURES.index("sharpe")])
    below, several = below_median(sharpes), len(variants) > 1
    if backtest is None:
        return StrategyDistribution(
            table=_table(figures, index),
            historical=None,
            ranks=None,
            pbo=_overfitting_between(sharpes, below) if several else None,
            best=None,
            best_below_median=None,
            periods_per_year=annual,
        )
    return StrategyDistribution(
        table=_table(figures, index),
        historical=_table(backtest.figures, names),
        ranks=_table(_ranks(figures, backtest.figures), names),
        pbo=backtest.pbo,
        best=str(names[backtest.best]),
        best_below_median=float(below[:, backtest.best].mean()) if several else None,
        periods_per_year=annual,
    )


def _overfitting_between(sharpes: Floats, below: npt.NDArray[np.bool_]) -> float:
    """How often the variant best on one path is at or below the median on another, over all pairs of paths."""
    n, best = len(sharpes), sharpes.argmax(axis=1)
    if n < 2:
        return float("nan")
    itself = below[np.arange(n), best].sum()
    return float((below.sum(axis=0)[best].sum() - itself) / (n * (n - 1)))


class _Backtest(NamedTuple):
    """The variants on the real history."""

    figures: Floats
    """(variants, figures)"""
    pbo: float | None
    best: int

    @classmethod
    def of(cls, variants: Mapping[str, Strategy], history: _Markets, annual: float) -> _Backtest:
        returns = _returns(variants, history, 0)
        figures = _figures(returns, annual)
        common = min(map(len, returns))  # all end with the history
        aligned = pd.DataFrame({name: r[-common:] for name, r in zip(variants, returns, strict=True)})
        pbo = probability_of_backtest_overfitting(aligned) if len(variants) > 1 else None
        return cls(figures, pbo, int(np.nan_to_num(figures[:, FIGURES.index("sharpe")]).argmax()))


# runs -----------------------------------------------------------------------------------------------------------------


class _Markets(NamedTuple):
    """Prices that strategies are run on: (n, time, assets)."""

    prices: Floats
    dates: pd.Index[Any]
    columns: list[str]
    numbers: list[int]
    """Of the paths; none of the history"""

    def frame(self, i: int) -> pd.DataFrame:
        """A copy, as a strategy may write into it."""
        return pd.DataFrame(self.prices[i].copy(), index=self.dates, columns=self.columns)

    def place(self, i: int) -> str:
        return f"path {self.numbers[i]}" if self.numbers else "the history"

    def part(self, chosen: npt.NDArray[np.int64]) -> _Markets:
        return self._replace(prices=self.prices[chosen], numbers=[self.numbers[i] for i in chosen])


def _over_paths(
    variants: Mapping[str, Strategy], markets: _Markets, annual: float, jobs: int | None, report: Shares
) -> Floats:
    """Figures on all paths, (paths, variants, figures), in their order whatever the number of processes."""
    n = len(markets.prices)
    report("paths", 0.0)
    parts = (markets.part(chosen) for chosen in np.array_split(np.arange(n), min(n, _PARTS)))
    run = Parallel(n_jobs=jobs, return_as="generator", max_nbytes=None)  # mapped arrays could not be written to
    done: list[Floats] = []
    try:
        for figures in run(delayed(_run)(variants, part, annual) for part in parts):
            done.extend(figures)
            report("paths", len(done) / n)
    except PicklingError as error:
        raise ConfigError(
            f"a strategy cannot be copied to other processes ({error.__cause__ or error}); use jobs=1, or let it open "
            "files and connections itself"
        ) from error
    return np.array(done)


def _run(variants: Mapping[str, Strategy], markets: _Markets, annual: float) -> list[Floats]:
    return [_figures(_returns(variants, markets, i), annual) for i in range(len(markets.prices))]


def _returns(variants: Mapping[str, Strategy], markets: _Markets, i: int) -> list[Floats]:
    """Returns of every variant, each from its first date to the last date of the prices."""
    return [_checked(_call(f, name, markets, i), name, markets, i) for name, f in variants.items()]


def _call(strategy: Strategy, name: str, markets: _Markets, i: int) -> object:
    try:
        return strategy(markets.frame(i))
    except Exception as error:
        raise DataError(
            f"strategy {name!r} failed on {markets.place(i)}: {type(error).__name__}: {error}; it is given "
            f"{len(markets.dates):,} prices of {', '.join(markets.columns[:5])}, with dates as index"
        ) from error


def _checked(result: object, name: str, markets: _Markets, i: int) -> Floats:
    """Returns (steps,) of a strategy, validated in the order type, dates, dtype, values, length."""
    what, dates = f"strategy {name!r} on {markets.place(i)}", markets.dates
    if not isinstance(result, pd.Series):
        raise DataError(
            f"{what}: expected a pandas Series of simple returns, indexed by dates of the prices, got "
            f"{type(result).__name__}" + ("; return one of its columns" if isinstance(result, pd.DataFrame) else "")
        )
    if result.empty:
        raise DataError(f"{what} returned nothing; its warm-up must be shorter than the {len(dates):,} prices")
    places = dates.get_indexer(result.index)
    if (places < 0).any():
        wrong = result.index[int(np.argmax(places < 0))]
        raise DataError(
            f"{what}: {int((places < 0).sum()):,} of {len(places):,} returns are on dates that the prices do not have, "
            f"the first on {wrong!r}; index them like the prices, {iso(dates[0])} to {iso(dates[-1])}"
        )
    if len(np.unique(places)) < len(places):
        raise DataError(f"{what} returned a date more than once; expected one return a date")
    values = _numbers(result, what)[np.argsort(places)]
    whole = np.zeros(len(dates) - int(places.min()))
    whole[np.sort(places) - int(places.min())] = values
    whole = whole[1:] if places.min() == 0 and whole[0] == 0 else whole
    if len(whole) < 2:
        raise DataError(f"{what}: a standard deviation needs 2 returns, got {len(whole)}; shorten its warm-up")
    return whole


def _numbers(result: pd.Series[Any], what: str) -> Floats:
    if not pd.api.types.is_numeric_dtype(result.dtype) or result.dtype.kind not in "fiu":
        raise DataError(f"{what}: expected returns as numbers, got the dtype {result.dtype}")
    values = result.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = ~np.isfinite(values)
    if bad.any():
        at = int(bad.argmax())
        raise DataError(
            f"{what}: the return of {iso(result.index[at])} is {values[at]:g} ({int(bad.sum()):,} of {len(bad):,} are "
            "missing or infinite); leave out the warm-up, for instance with .dropna()"
        )
    return values


# figures --------------------------------------------------------------------------------------------------------------


def _figures(returns: Sequence[Floats], annual: float) -> Floats:
    """`FIGURES` of every variant: (variants, figures)."""
    sharpes = np.array([_sharpe(r) for r in returns])
    known = sharpes[~np.isnan(sharpes)]
    spread = float(known.var(ddof=1)) if len(known) > 1 else 0.0
    return np.array(
        [
            (
                _annual_return(r, annual),
                r.std(ddof=1) * annual**0.5,
                sharpe * annual**0.5,
                _max_drawdown(r),
                np.quantile(r, _VAR_LEVEL),
                _deflated(r, sharpe, len(returns), spread),
            )
            for r, sharpe in zip(returns, sharpes.tolist(), strict=True)
        ]
    )


def _sharpe(returns: Floats) -> float:
    """Sharpe ratio a step; NaN of constant returns."""
    moves = np.ptp(returns) > _ROUNDING * np.abs(returns).max()
    return float(returns.mean() / returns.std(ddof=1)) if moves else float("nan")


def _wealth(returns: Floats) -> Floats:
    """Wealth from 1 on, (steps + 1,); what is lost whole stays lost."""
    return np.cumprod(np.concatenate([[1.0], np.maximum(1 + returns, 0)]))


def _annual_return(returns: Floats, annual: float) -> float:
    with np.errstate(over="ignore"):
        return float(_wealth(returns)[-1] ** (annual / len(returns)) - 1)


def _max_drawdown(returns: Floats) -> float:
    wealth = _wealth(returns)
    return float((1 - wealth / np.maximum.accumulate(wealth)).max())


def _deflated(returns: Floats, sharpe: float, n_trials: int, spread: float) -> float:
    if np.isnan(sharpe):
        return float("nan")
    z = (returns - returns.mean()) / returns.std()
    return deflated_sharpe_ratio(sharpe, n_trials, spread, len(returns), float((z**3).mean()), float((z**4).mean()))


def _ranks(figures: Floats, historical: Floats) -> Floats:
    """Share of the paths below the historical figure, (variants, figures); NaN where either is not known."""
    known = ~np.isnan(figures) & ~np.isnan(historical)
    below = (figures < historical) + 0.5 * (figures == historical)
    count = known.sum(axis=0)
    return np.asarray(np.where(count > 0, (below * known).sum(axis=0) / np.maximum(count, 1), np.nan))


def _table(figures: Floats, index: pd.Index[Any]) -> pd.DataFrame:
    return pd.DataFrame(figures.reshape(-1, len(FIGURES)), index=index, columns=list(FIGURES))


def _long(table: pd.DataFrame) -> pd.Series[Any]:
    """Variants by figures -> one value a (variant, figure), in the order of both, with those not known."""
    index = pd.MultiIndex.from_product([table.index, FIGURES], names=["variant", "figure"])
    return pd.Series(table[list(FIGURES)].to_numpy().ravel(), index=index)


# what comes in --------------------------------------------------------------------------------------------------------


def _variants(strategy: Strategy | Mapping[str, Strategy]) -> dict[str, Strategy]:
    if isinstance(strategy, Mapping):
        variants = {str(name): variant for name, variant in strategy.items()}
    else:
        name = getattr(strategy, "__name__", "strategy")
        variants = {"strategy" if name == "<lambda>" else name: strategy}
    if not variants:
        raise ConfigError("the mapping of strategies is empty; give at least one name with a callable")
    wrong = [name for name, variant in variants.items() if not callable(variant)]
    if wrong:
        kind = type(variants[wrong[0]]).__name__
        raise ConfigError(f"strategy {wrong[0]!r} must be a callable prices -> returns, not {kind}")
    return variants


def _markets(paths: Paths | pd.DataFrame) -> _Markets:
    if isinstance(paths, pd.DataFrame):
        arrays = path_arrays(paths)
        markets = _Markets(arrays.prices, arrays.dates, arrays.assets, sorted(paths["path"].unique().tolist()))
    elif isinstance(paths, Paths):
        start = np.broadcast_to(paths.start_price, (len(paths), 1, len(paths.columns)))
        dates = _with_date_before(paths.dates)
        markets = _Markets(np.concatenate([start, paths.prices], axis=1), dates, paths.columns, list(range(len(paths))))
    else:
        raise DataError(f"paths must be Paths or a long table (path, date, assets), not {type(paths).__name__}")
    if not len(markets.prices):
        raise DataError("there are no paths to run a strategy on; sample at least one")
    return markets


def _with_date_before(dates: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Put before the first date the one that its calendar has there, such as a Friday before a Monday."""
    if len(dates) < 2:
        raise DataError("a strategy needs paths of at least 2 steps; these have 1")
    calendar, step = infer_calendar(dates), dates.to_series().diff().median()
    back = step * (pd.Timedelta(days=8) // step + 2)  # more than a week, or than a month: surely a date comes after it
    enough = int(2 * calendar.periods_per_year * (back / pd.Timedelta(days=365))) + 2
    earlier = calendar.after(dates[0] - back, enough)
    earlier = earlier[earlier < dates[0]]
    return dates.insert(0, earlier[-1] if len(earlier) else dates[0] - step)


def _history(history: pd.DataFrame, markets: _Markets) -> _Markets:
    names = [str(column) for column in history.columns]
    missing = [name for name in markets.columns if name not in names]
    if missing:
        raise DataError(
            f"the history has no column {', '.join(missing)}, which the paths have; it has {', '.join(names)}"
        )
    prices = history.set_axis(names, axis=1)[markets.columns]
    dates = prices.index
    if not (isinstance(dates, pd.DatetimeIndex) and dates.is_unique and dates.is_monotonic_increasing):
        raise DataError(
            f"the history needs ascending dates as index, each only once, not {type(dates).__name__}; read it with "
            "read_prices, or set and sort its index"
        )
    steps, theirs = len(price_returns(prices)), len(markets.dates) - 1
    if max(steps, theirs) > _LIKE_LENGTH * min(steps, theirs):
        warn(
            f"the history has {steps:,} steps and the paths {theirs:,}: drawdowns grow with the length and Sharpe "
            f"ratios vary less; sample paths of {steps:,} steps, or give as much of the history as the paths are long"
        )
    return _Markets(prices.to_numpy(dtype=np.float64)[None], dates, markets.columns, [])


def _periods(periods_per_year: float | None, dates: pd.Index[Any]) -> float:
    if periods_per_year is None:
        return infer_calendar(pd.DatetimeIndex(dates)).periods_per_year
    if not (np.isfinite(periods_per_year) and periods_per_year > 0):
        raise ConfigError(f"periods_per_year must be a positive number such as 252, not {periods_per_year!r}")
    return float(periods_per_year)


# reference strategies -------------------------------------------------------------------------------------------------


def momentum(prices: pd.DataFrame, window: int = 60) -> pd.Series[Any]:
    """Hold what rose over a window and sell short what fell, every asset with the same weight.

    Positions are those of the signs at the previous step: no return depends on a price that was not known.

    Parameters
    ----------
    prices : DataFrame (time, assets)
    window : int
        Steps looked back, at least 1.

    Returns
    -------
    Series (time - window - 1,)
        Simple returns a step, without costs; gross exposure 1.

    Source: Moskowitz, Ooi and Pedersen (2012), Time series momentum, Journal of Financial Economics 104.
    """
    return _follow_signs(prices, window, 1)


def mean_reversion(prices: pd.DataFrame, window: int = 5) -> pd.Series[Any]:
    """Sell short what rose over a window and hold what fell: the opposite of `momentum`, by default over a week.

    Parameters
    ----------
    prices : DataFrame (time, assets)
    window : int
        Steps looked back, at least 1.

    Returns
    -------
    Series (time - window - 1,)
        Simple returns a step, without costs; gross exposure 1.

    Source: Lehmann (1990), Fads, martingales, and market efficiency, Quarterly Journal of Economics 105.
    """
    return _follow_signs(prices, window, -1)


def _follow_signs(prices: pd.DataFrame, window: int, side: int) -> pd.Series[Any]:
    if window < 1:
        raise ConfigError(f"window must be 1 step or more, not {window}")
    values = prices.to_numpy(dtype=np.float64)
    signs = np.sign(values[window:-1] - values[: -window - 1])  # row t: known at step window + t
    returns = values[window + 1 :] / values[window:-1] - 1
    return pd.Series((side * signs * returns).mean(axis=1), index=prices.index[window + 1 :])
