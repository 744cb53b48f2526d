"""Rolling forecasts: VaR and expected shortfall at every date, from what was known a horizon before it."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, cpu_count, delayed

from tsgan.calendars import iso
from tsgan.config import check_whole
from tsgan.datasets import check_prices
from tsgan.datasets.checks import counted, warn
from tsgan.errors import ConfigError, DataError, DataWarning, FitWarning, TrainingError, TsganWarning
from tsgan.evaluation.baselines import BASELINES, MIN_ROWS, Baseline, fit_baselines
from tsgan.evaluation.risk.estimates import (
    Weights,
    check_draws,
    check_levels,
    horizon_values,
    realised_values,
    tails,
    weight_vector,
)
from tsgan.jobs import results
from tsgan.progress import Shares, share_progress
from tsgan.returns import log_returns

if TYPE_CHECKING:
    from tsgan.estimator import TSGAN

__all__ = ["rolling_forecasts", "rolling_pit"]

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Prices: TypeAlias = "pd.DataFrame | pd.Series[float]"

_BATCH = 100  # origins between which progress is told


def rolling_forecasts(
    model: TSGAN | Baseline | str,
    prices: Prices,
    start: str | pd.Timestamp,
    horizon: int = 1,
    levels: Sequence[float] = (0.05, 0.025, 0.01),
    weights: Weights | None = None,
    method: str = "auto",
    n_samples: int = 10_000,
    refit_every: int | None = None,
    train_window: int = 2500,
    random_state: int = 0,
    *,
    n_jobs: int | None = None,
    progress: bool | Shares = False,
) -> pd.DataFrame:
    """Forecast VaR and expected shortfall at every date from ``start`` on, each from the prices up to its origin only.

    Parameters
    ----------
    model : TSGAN, Baseline, or the name of one of `BASELINES`
        A fitted one keeps its parameters unless ``refit_every`` is given; one that is not fitted, or a name, is fitted
        to the ``train_window`` returns before the first origin.
    prices : DataFrame or Series
        Prices with dates as the index, from well before ``start`` on: the state of the market is worked out from them.
    start : str or Timestamp
        The first date to forecast, or the next one that the prices have.
    horizon : int
        Steps from the origin of a forecast to its date.
    levels : sequence of float
        Probabilities of the lower tail, in (0, .5).
    weights : mapping of columns to numbers, or sequence with one a column of the prices, optional
        Shares of the portfolio's value in each asset at the origin, which is then held; negative for a short position.
        They need not sum to one, the rest is cash.
    method : {"auto", "exact", "sample"}
        "exact" takes the closed form of the one-step law of an asset, "sample" takes draws, "auto" the closed form
        where there is one.
    n_samples : int
        Draws for each date; those of a date depend on it and the seed alone.
    refit_every : int, optional
        Fit the parameters again every so many dates; by default never.
    train_window : int
        Number of returns before the origin that are fitted to.
    random_state : int
        Seed of the draws, and of the fits of a TSGAN that has none.
    n_jobs : int, optional
        Fits at once, -1 for one a processor; by default what ``joblib.parallel_config`` says, otherwise one. The
        forecasts are the same for any number and any backend.
    progress : bool or callable
        True shows it on stderr, a callable is called with the stage and the share of the whole that is done.

    Returns
    -------
    DataFrame
        Indexed by the date forecast, the end of the horizon; columns ("VaR" | "ES", level), for several assets without
        weights (asset, "VaR" | "ES", level). Log returns of the horizon for an asset, simple returns for a portfolio:
        the quantile, and the mean below it. ``attrs["failed_refits"]`` lists the origins, as dates, at which a fit
        failed and the last parameters were kept.

    Raises
    ------
    DataError
        The prices cannot be used, or are too few before ``start``.
    ConfigError
        An option is not possible.
    TrainingError
        The first fit of a TSGAN failed.

    Warns
    -----
    FitWarning
        A refit failed and the last parameters were kept.
    DataWarning
        A fitted TSGAN has seen prices from ``start`` on: its forecasts are no test of it.
    """
    levels = check_levels(levels)
    exact = _is_exact(method, horizon, weights is not None)
    if not exact:
        check_draws(n_samples, levels)
    plan = _Plan.of(model, prices, start, horizon, weights, n_samples, refit_every, train_window, random_state, n_jobs)
    with share_progress(progress) as report:
        tell = partial(report, "forecasts")
        found = plan.exact(levels, tell) if exact else plan.sampled(lambda values, _: tails(values, levels), tell)
    several = plan.shares is None and len(plan.columns) > 1
    frame = pd.DataFrame(
        found.reshape(len(found), -1), index=plan.ends, columns=_columns(plan.columns if several else None, levels)
    )
    frame.attrs["failed_refits"] = plan.failures()
    return frame


def rolling_pit(
    model: TSGAN | Baseline | str,
    prices: Prices,
    start: str | pd.Timestamp,
    horizon: int = 1,
    weights: Weights | None = None,
    n_samples: int = 10_000,
    refit_every: int | None = None,
    train_window: int = 2500,
    random_state: int = 0,
    *,
    n_jobs: int | None = None,
    progress: bool | Shares = False,
) -> pd.DataFrame:
    """Find where what came lies in its forecast law, at every date: the probability integral transform.

    Uniform on (0, 1) if the whole law is right, and independent over time for one step: what `berkowitz` tests.

    Parameters
    ----------
    model, prices, start, horizon, weights, n_samples, refit_every, train_window, random_state, n_jobs, progress
        As in `rolling_forecasts`; always from draws.

    Returns
    -------
    DataFrame
        Indexed by the date forecast, one column an asset, or "portfolio": the share of draws below what came, with what
        came placed at random among its neighbours, so that no value is 0 or 1. ``attrs["failed_refits"]`` as in
        `rolling_forecasts`.

    Raises
    ------
    DataError, ConfigError, TrainingError
        As in `rolling_forecasts`.

    Source: Rosenblatt (1952), Remarks on a multivariate transformation, Annals of Mathematical Statistics 23; Diebold,
    Gunther and Tay (1998), Evaluating density forecasts, International Economic Review 39.
    """
    plan = _Plan.of(model, prices, start, horizon, weights, n_samples, refit_every, train_window, random_state, n_jobs)
    came = realised_values(plan.prices, plan.ends, horizon, plan.shares)
    known = came.to_numpy()

    def rank(values: Floats, place: int) -> Floats:
        chance = np.random.default_rng((random_state, place)).random(len(values))
        below, equal = ((compare(values, known[place, :, None])).sum(axis=1) for compare in (np.less, np.equal))
        return np.asarray((below + chance * (1 + equal)) / (n_samples + 1))

    with share_progress(progress) as report:
        found = plan.sampled(rank, partial(report, "forecasts"))
    frame = pd.DataFrame(found, index=plan.ends, columns=came.columns)
    frame.attrs["failed_refits"] = plan.failures()
    return frame


@dataclass(frozen=True)
class _Plan:
    """What is to be forecast by whom, checked before the long part; rows count prices."""

    forecaster: _Forecaster
    prices: pd.DataFrame
    shares: Floats | None
    origins: Integers
    horizon: int
    n_samples: int
    refit_every: int | None
    window: int
    seed: int
    n_jobs: int | None
    failed: list[pd.Timestamp] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        model: TSGAN | Baseline | str,
        prices: Prices,
        start: str | pd.Timestamp,
        horizon: int,
        weights: Weights | None,
        n_samples: int,
        refit_every: int | None,
        window: int,
        seed: int,
        n_jobs: int | None,
    ) -> _Plan:
        for name, value in (("horizon", horizon), ("n_samples", n_samples), ("train_window", window)):
            check_whole(name, value)
        check_whole("random_state", seed, 0)
        if refit_every is not None:
            check_whole("refit_every", refit_every)
        forecaster = _forecaster(model, seed)
        table = forecaster.columns_of(prices)
        shares = None if weights is None else _shares(weights, prices, list(table.columns))
        origins = forecast_origins(table, start, horizon)
        return cls(forecaster, table, shares, origins, horizon, n_samples, refit_every, window, seed, n_jobs)

    @property
    def columns(self) -> list[str]:
        return list(self.prices.columns)

    @property
    def ends(self) -> pd.DatetimeIndex:
        """Dates forecast."""
        return pd.DatetimeIndex(self.prices.index[self.origins + self.horizon])

    def exact(self, levels: Sequence[float], progress: Callable[[float], None]) -> Floats:
        """Figures in closed form: (origins, assets, 2, levels)."""
        found: list[Floats] = []
        for fitted, first, block in self._blocks():
            known, ends = self.prices.iloc[first : block[-1] + 1], self._after(block)
            found.append(fitted.exact(known, block - first, ends, levels))
            progress((block[-1] - self.origins[0] + 1) / len(self.origins))
        return np.concatenate(found)

    def sampled(self, figure: Callable[[Floats, int], Floats], progress: Callable[[float], None]) -> Floats:
        """Figures of draws, of each origin by itself: ``figure(values (assets or 1, draws), number of the origin)``."""
        found: list[Floats] = []
        for fitted, first, block in self._blocks():
            seen = self.prices.iloc[first : block[-1] + 1]
            states, dates = fitted.states(seen), pd.DatetimeIndex(seen.index)

            def one(
                row: int, fitted: _Forecaster = fitted, first: int = first, states: Any = states, dates: Any = dates
            ) -> Floats:
                key = self.seed, dates[row].value % 2**63
                over = self._after(row + first + np.arange(self.horizon))
                paths = fitted.run(states[row : row + 1], over, self.n_samples, *key)
                return figure(horizon_values(paths, self.shares), row + first - int(self.origins[0]))

            for part in np.array_split(block - first, -(-len(block) // _BATCH)):
                found.extend(_in_threads(one, part))
                progress(len(found) / len(self.origins))
        return np.stack(found)

    def _after(self, rows: Integers) -> pd.DatetimeIndex:
        """Dates of the rows after some."""
        return pd.DatetimeIndex(self.prices.index[rows + 1])

    def failures(self) -> list[str]:
        """Say which refits failed, and list their dates."""
        dates = [iso(date) for date in self.failed]
        if dates:
            when = ", ".join(dates[:3]) + (" ..." if len(dates) > 3 else "")
            refits = counted(len(dates), "refit")
            warn(f"{refits} of {self.forecaster.name} failed ({when}); the last parameters were kept", FitWarning)
        return dates

    def _blocks(self) -> Iterator[tuple[_Forecaster, int, Integers]]:
        """Origins that share their parameters: the forecaster, the first row that it may look at, and their rows."""
        prices, origins, window = self.prices, self.origins, self.window
        if self.forecaster.fitted and self.refit_every is None:
            _check_unseen(self.forecaster, prices, origins)
            yield self.forecaster, 0, origins
            return
        if origins[0] < window:
            raise DataError(
                f"the first forecast has {origins[0]:,} returns before its origin, {iso(prices.index[origins[0]])}, "
                f"and train_window asks for {window:,}; give a longer history, start later or take a shorter window"
            )
        every = self.refit_every or len(origins)
        blocks = [origins[at : at + every] for at in range(0, len(origins), every)]
        firsts = [int(block[0]) - window for block in blocks]
        fits = (
            partial(_fit, self.forecaster, prices.iloc[first : block[0] + 1], again=first > firsts[0])
            for block, first in zip(blocks, firsts, strict=True)
        )
        current: _Forecaster | None = None
        for block, first, (fitted, said) in zip(blocks, firsts, results(fits, self.n_jobs), strict=True):
            for text, category in said:
                warn(text, category)
            if not isinstance(fitted, Exception):
                current = fitted
            elif current is None:
                raise fitted
            else:
                self.failed.append(prices.index[block[0]])
            yield current, first, block


def _in_threads(one: Callable[[int], Floats], rows: Integers) -> list[Floats]:
    from tsgan.device import threads_for

    with threads_for(1):  # torch's own threads would wait for each other
        return list(Parallel(cpu_count(), require="sharedmem")(delayed(one)(row) for row in rows.tolist()))


# forecasters ----------------------------------------------------------------------------------------------------------


class _Forecaster(Protocol):
    """What can be fitted and forecast with; rows count prices, row 0 being the first."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def fitted(self) -> bool:
        """Whether it has parameters."""

    @property
    def memory(self) -> int:
        """Steps of history that it needs before its first origin, unless it knows what came before."""

    def columns_of(self, prices: Prices) -> pd.DataFrame:
        """The prices of its assets, in their order, checked."""

    def known_before(self, first: pd.Timestamp) -> int:
        """Steps before a date that it has seen and remembers."""

    def fit(self, prices: pd.DataFrame) -> _Forecaster:
        """One with parameters fitted to prices; FitWarning, TrainingError or DataError where that fails."""

    def states(self, prices: pd.DataFrame) -> Any:
        """State after each row."""

    def exact(self, prices: pd.DataFrame, rows: Integers, dates: pd.DatetimeIndex, levels: Sequence[float]) -> Floats:
        """Figures of the step after each of some rows, and its date: (rows, assets, 2, levels)."""

    def run(self, state: Any, dates: pd.DatetimeIndex, copies: int, *key: int) -> Floats:
        """Paths of log returns from one state, (copies, dates, assets), with a random stream for each key."""


@dataclass(frozen=True)
class _Model:
    """A TSGAN."""

    model: TSGAN
    seed: int
    """Of the fits, if the model has none"""
    seen_until: pd.Timestamp | None = None
    """Last date that a model that came fitted was fitted to"""
    name = "tsgan"

    @property
    def fitted(self) -> bool:
        return hasattr(self.model, "law_")

    @property
    def memory(self) -> int:
        return int(max(self.model.law_.generator.config.half_lives)) if self.fitted else 0

    def columns_of(self, prices: Prices) -> pd.DataFrame:
        if not self.fitted:  # covariates take no part in forecasts
            if isinstance(prices, pd.DataFrame):
                prices = prices.drop(columns=list(self.model.condition_on or []), errors="ignore")
            return check_prices(prices, min_rows=2)
        own = self.model.columns_
        if isinstance(prices, pd.Series) and len(own) == 1:
            prices = prices.to_frame(own[0])
        if isinstance(prices, pd.DataFrame) and set(own) <= set(prices.columns):
            prices = prices[own]
        table = check_prices(prices, min_rows=2)
        missing = [name for name in own if name not in table.columns]
        if missing:
            raise DataError(
                f"the prices have no column {', '.join(map(repr, missing))}; the model knows {', '.join(own)}; "
                f"the prices have {', '.join(table.columns)}"
            )
        return table[own]

    def known_before(self, first: pd.Timestamp) -> int:
        return self.model.known_before(first)

    def fit(self, prices: pd.DataFrame) -> _Model:
        from sklearn.base import clone

        model = clone(self.model).set_params(condition_on=None)
        if model.random_state is None:
            model.set_params(random_state=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)  # of an opponent in the verdict of the fit, not of the model
            return _Model(model.fit(prices), self.seed)

    def states(self, prices: pd.DataFrame) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # said when all the prices came
            return self.model.states(prices)

    def exact(self, prices: pd.DataFrame, rows: Integers, dates: pd.DatetimeIndex, levels: Sequence[float]) -> Floats:
        states, law, season = self.states(prices)[rows], self.model.law_, self.model.season_
        tails = (law.value_at_risk(states, level) for level in levels)
        return np.stack([np.stack([season.back(figure, dates) for figure in tail], -1) for tail in tails], -1)

    def run(self, state: Any, dates: pd.DatetimeIndex, copies: int, *key: int) -> Floats:
        from tsgan.device import random_stream

        law, season = self.model.law_, self.model.season_
        return season.back(law.run(state, len(dates), random_stream(*key, device=law.device), copies), dates)


@dataclass(frozen=True)
class _Classical:
    """A classical method."""

    name: str
    baseline: Baseline | None = None
    memory = MIN_ROWS

    @property
    def fitted(self) -> bool:
        return self.baseline is not None

    @property
    def _own(self) -> Baseline:
        assert self.baseline is not None, "fitted before it forecasts"
        return self.baseline

    def columns_of(self, prices: Prices) -> pd.DataFrame:
        return check_prices(prices, min_rows=2)

    def known_before(self, first: pd.Timestamp) -> int:
        return 0

    def fit(self, prices: pd.DataFrame) -> _Classical:
        returns = pd.DataFrame(log_returns(prices.to_numpy()), columns=prices.columns)
        return replace(self, baseline=fit_baselines(returns, [self.name])[self.name])

    def states(self, prices: pd.DataFrame) -> Any:
        states = self._own.states(log_returns(prices.to_numpy()))
        return np.concatenate((states[:1], states))  # nothing is known after the first price, and no origin is there

    def exact(self, prices: pd.DataFrame, rows: Integers, dates: pd.DatetimeIndex, levels: Sequence[float]) -> Floats:
        forecasts = self._own.one_step(log_returns(prices.to_numpy()), levels)
        figures = [np.stack((forecasts[level].var, forecasts[level].es), -1) for level in levels]
        return np.stack(figures, -1)[rows - 1]

    def run(self, state: Any, dates: pd.DatetimeIndex, copies: int, *key: int) -> Floats:
        return self._own.run(state, len(dates), np.random.default_rng(key), copies)


def _forecaster(model: TSGAN | Baseline | str, seed: int) -> _Forecaster:
    from tsgan.estimator import TSGAN

    if isinstance(model, TSGAN):
        return _Model(model, seed, model.fitted_until_ if hasattr(model, "law_") else None)
    if isinstance(model, str):
        if model not in BASELINES:
            raise ConfigError(f"there is no classical method {model!r}; there are {', '.join(BASELINES)}")
        return _Classical(model)
    if not all(hasattr(model, what) for what in ("name", "one_step", "states", "run")):
        raise ConfigError(
            f"the model must be a TSGAN, a baseline or a name ({', '.join(BASELINES)}), not {type(model).__name__}"
        )
    return _Classical(model.name, model)


def _fit(forecaster: _Forecaster, known: pd.DataFrame, again: bool) -> _Forecaster | Exception:
    """Fit to what is known, or say why not. Only the first fit speaks, and keeps what takes the place of a method."""
    with warnings.catch_warnings():
        if again:
            warnings.simplefilter("ignore", TsganWarning)
            warnings.simplefilter("error", FitWarning)
        try:
            return forecaster.fit(known)
        except (FitWarning, TrainingError, DataError) as error:
            return error


def _check_unseen(forecaster: _Forecaster, prices: pd.DataFrame, origins: Integers) -> None:
    """A fitted forecaster should not have seen what it forecasts, and needs a history as long as its memory."""
    if origins[0] + forecaster.known_before(prices.index[0]) < forecaster.memory:
        raise DataError(
            f"the first forecast has {origins[0]:,} returns before its origin, {iso(prices.index[origins[0]])}; "
            f"{forecaster.name} remembers {forecaster.memory:,}: give a longer history or start later"
        )
    last = forecaster.seen_until if isinstance(forecaster, _Model) else None
    if last is not None and last > prices.index[origins[0]]:
        warn(
            f"the model was fitted to prices up to {iso(last)}, after the first origin, "
            f"{iso(prices.index[origins[0]])}: these forecasts are no test of it; give refit_every=, or start later"
        )


# what comes in and goes out -------------------------------------------------------------------------------------------


def forecast_origins(prices: pd.DataFrame, start: str | pd.Timestamp, horizon: int) -> Integers:
    date = _date(start)
    first = int(prices.index.searchsorted(date))
    if first == len(prices):
        raise DataError(f"there is nothing to forecast from {iso(date)} on: the prices end on {iso(prices.index[-1])}")
    if first < horizon + 1:
        raise DataError(
            f"the first forecast, for {iso(prices.index[first])}, needs more than {horizon:,} prices before it, there "
            f"are {first:,}; start later"
        )
    return np.arange(first, len(prices)) - horizon


def _date(start: object) -> pd.Timestamp:
    """A date as wall-clock time, as the prices have theirs."""
    try:
        date = pd.Timestamp(start) if isinstance(start, str | datetime.date | np.datetime64) else pd.NaT
    except ValueError:
        date = pd.NaT
    if not isinstance(date, pd.Timestamp):
        raise ConfigError(f"start must be a date such as 2020-01-02, not {start!r}")
    return date.tz_localize(None)


def _shares(weights: Weights, given: Prices, columns: list[str]) -> Floats:
    """Weights in the order of the forecaster's columns; a sequence of them has the order of the prices that came."""
    order = columns if isinstance(given, pd.Series) else [name for name in map(str, given.columns) if name in columns]
    return weight_vector(weights, order)[[order.index(name) for name in columns]]


def _columns(assets: list[str] | None, levels: tuple[float, ...]) -> pd.MultiIndex:
    figures = (["VaR", "ES"], levels)
    if assets is None:
        return pd.MultiIndex.from_product(figures, names=["figure", "level"])
    return pd.MultiIndex.from_product([assets, *figures], names=["asset", "figure", "level"])


def _is_exact(method: str, horizon: int, portfolio: bool) -> bool:
    if method not in ("auto", "exact", "sample"):
        raise ConfigError(f"method must be 'auto', 'exact' or 'sample', not {method!r}")
    closed = horizon == 1 and not portfolio
    if method == "exact" and not closed:
        what = "a portfolio" if portfolio else f"{horizon} steps"
        raise ConfigError(f"there is no closed form for {what}, only for one step of an asset; take method='sample'")
    return closed and method != "sample"
