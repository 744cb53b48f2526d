"""Classical generators of return paths, all behind one call: returns -> baselines that sample and forecast one step.

Parameters are fitted once, volatility models by `arch`, each asset by itself; several assets are tied together by a
Gaussian copula of constant correlation (Bollerslev 1990), or by drawing whole days at once. All returns are log returns
a step, in the unit of the returns fitted to.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tsgan.config import check_whole
from tsgan.datasets.checks import warn
from tsgan.errors import ConfigError, DataError, DataWarning, FitWarning
from tsgan.evaluation.forecasts import Forecast, tail_of_sample
from tsgan.evaluation.volatility import (
    MODELS,
    SCORES,
    Margin,
    constant_volatility,
    filter_volatility,
    fit_margin,
    run_margins,
)

__all__ = [
    "BASELINES",
    "Baseline",
    "Bootstrap",
    "FilteredSimulation",
    "GarchModel",
    "Gaussian",
    "fit_baselines",
    "fixed_forecasts",
]

Floats: TypeAlias = npt.NDArray[np.float64]

MIN_ROWS = 50  # fewer returns say nothing about a volatility
WINDOW = 250  # rows of the short historical simulation: one year of trading days
_CHUNK = 200  # paths drawn together, always so many, so that path i does not depend on how many are asked for


class Baseline(Protocol):
    """What every classical generator can do."""

    @property
    def name(self) -> str:
        """Name in tables, one of `BASELINES`."""

    def sample(self, n_samples: int, length: int, random_state: int = 0) -> Floats:
        """Draw unconditional paths.

        Parameters
        ----------
        n_samples, length : int
            Number of paths, and steps of each.
        random_state : int
            Seed; path i is the same however many paths are drawn.

        Returns
        -------
        array (n_samples, length, assets)
            Log returns a step.

        Raises
        ------
        ConfigError
            An option is not a whole number, or too small.
        """

    def one_step(self, history: npt.ArrayLike, levels: Sequence[float]) -> dict[float, Forecast]:
        """Forecast VaR and ES of the step after each row of a history; the parameters stay as they were fitted.

        Parameters
        ----------
        history : array (time, assets)
            Log returns a step, best from the first training day on: what came before is taken to be usual.
        levels : sequence of float
            Probabilities of the lower tail, such as (.05, .01).

        Returns
        -------
        dict
            Level -> `Forecast` of arrays (time, assets), exact, without simulation: entry t knows
            ``history[: t + 1]`` and is for the return after it.

        Raises
        ------
        DataError
            The history is not finite, or not of the assets fitted.
        ConfigError
            A level does not lie between 0 and 1.
        """

    def states(self, history: npt.ArrayLike) -> Floats:
        """Work out what the future depends on after each row of a history; the parameters stay as they were fitted.

        Parameters
        ----------
        history : array (time, assets)
            As for ``one_step``.

        Returns
        -------
        array (time, ...)
            Entry t knows ``history[: t + 1]``: a volatility, a window of days, or nothing.
        """

    def run(self, states: Floats, length: int, rng: np.random.Generator, copies: int = 1) -> Floats:
        """Draw paths that go on from given states.

        Parameters
        ----------
        states : array (n, ...)
            Entries of what ``states`` returned.
        length, copies : int
            Steps of a path, and paths from each state.
        rng : Generator
            Source of randomness.

        Returns
        -------
        array (n x copies, length, assets)
            Log returns a step; the paths of the first state come first.
        """


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Independent normal returns, jointly normal across assets; all calls are those of `Baseline`.

    Parameters
    ----------
    name : str
        Name in tables.
    mean : array (assets,)
        Mean return.
    covariance : array (assets, assets)
        Covariance of the returns.
    """

    name: str
    mean: Floats
    covariance: Floats

    def sample(self, n_samples: int, length: int, random_state: int = 0) -> Floats:
        """Draw independent days."""
        return _in_chunks(partial(self.run, np.empty((_CHUNK, 0)), length), n_samples, length, random_state)

    def states(self, history: npt.ArrayLike) -> Floats:
        """There is nothing to know: (time, 0)."""
        return np.empty((len(_history(history, len(self.mean))), 0))

    def run(self, states: Floats, length: int, rng: np.random.Generator, copies: int = 1) -> Floats:
        """Draw independent days."""
        root = _root(self.covariance)
        drawn = self.mean + rng.standard_normal((length, len(states) * copies, len(root))) @ root
        return np.asarray(drawn.transpose(1, 0, 2))

    def one_step(self, history: npt.ArrayLike, levels: Sequence[float]) -> dict[float, Forecast]:
        """Forecast the same after every row: the closed form."""
        from scipy.stats import norm

        history, deviation = _history(history, len(self.mean), levels), np.sqrt(np.diag(self.covariance))
        quantile = {level: norm.ppf(level) for level in levels}
        return {
            level: _every_row(history, self.mean + deviation * z, self.mean - deviation * norm.pdf(z) / level)
            for level, z in quantile.items()
        }


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Real days drawn again, all assets of a day together; all calls are those of `Baseline`.

    Blocks have geometric lengths and wrap around from the last day to the first, as in `arch.bootstrap`.

    Parameters
    ----------
    name : str
        Name in tables.
    rows : array (time, assets)
        The days to draw from.
    block : float
        Mean length of a block in days; 1 draws independent days.
    rolling : bool
        Whether forecasts use the last ``len(rows)`` days of the history instead of ``rows``, once it has so many.

    Source: Politis and Romano (1994); Politis and White (2004) for the length that `fit_baselines` takes.
    """

    name: str
    rows: Floats
    block: float = 1.0
    rolling: bool = False

    def sample(self, n_samples: int, length: int, random_state: int = 0) -> Floats:
        """Draw blocks of days, each from a random day on."""
        states = np.broadcast_to(self.rows, (_CHUNK, *self.rows.shape)) if self.rolling else np.empty((_CHUNK, 0))
        return _in_chunks(partial(self.run, states, length), n_samples, length, random_state)

    def states(self, history: npt.ArrayLike) -> Floats:
        """Return the days that can follow each row where they roll, (time, days, assets), else nothing, (time, 0)."""
        history, size = _history(history, self.rows.shape[1]), len(self.rows)
        if not self.rolling:
            return np.empty((len(history), 0))
        first = np.broadcast_to(self.rows, (min(size - 1, len(history)), *self.rows.shape))
        if len(history) < size:
            return first
        windows = np.lib.stride_tricks.sliding_window_view(history, size, axis=0)
        return np.concatenate((first, windows.transpose(0, 2, 1)))

    def run(self, states: Floats, length: int, rng: np.random.Generator, copies: int = 1) -> Floats:
        """Draw blocks of days, of the rows or, where they roll, of each state's own days."""
        n, steps = len(states) * copies, np.arange(length)
        day = rng.integers(len(self.rows), size=(n, length))
        if self.block > 1:
            begins = rng.random((n, length)) * self.block < 1
            first = np.maximum.accumulate(np.where(begins, steps, 0), axis=1)  # where the block of a step began
            day = (np.take_along_axis(day, first, axis=1) + steps - first) % len(self.rows)
        if not self.rolling:
            return np.asarray(self.rows[day])
        return np.asarray(states[np.repeat(np.arange(len(states)), copies)[:, None], day])

    def one_step(self, history: npt.ArrayLike, levels: Sequence[float]) -> dict[float, Forecast]:
        """Forecast empirical quantile and tail mean: a path has no memory beyond the day that it was drawn from."""
        history, size = _history(history, self.rows.shape[1], levels), len(self.rows)
        forecasts = {}
        for level in levels:
            forecast = _every_row(history, *tail_of_sample(self.rows.T, level))
            if self.rolling and len(history) >= size:
                for asset, values in enumerate(history.T):  # one at a time: the windows take 250 times its memory
                    windows = np.lib.stride_tricks.sliding_window_view(values, size)
                    forecast.var[size - 1 :, asset], forecast.es[size - 1 :, asset] = tail_of_sample(windows, level)
            forecasts[level] = forecast
        return forecasts


@dataclass(frozen=True, eq=False)
class GarchModel:
    """Volatility models with innovations of a parametric law; all calls are those of `Baseline`.

    Each asset follows its own `Margin` exactly; a Gaussian copula of constant correlation ties the innovations of a
    day. A path starts from the fitted variances of a random training day. EGARCH with heavy-tailed innovations has no
    finite variance in theory (Nelson 1991), so that a rare path is very wild; it is left as it is.

    Parameters
    ----------
    name : str
        Name in tables.
    margins : tuple of Margin
        One an asset.
    correlation : array (assets, assets)
        Correlation of the normal scores of the innovations.
    tables : tuple of array
        `Margin.quantiles` of each.
    """

    name: str
    margins: tuple[Margin, ...]
    correlation: Floats
    tables: tuple[Floats, ...] = field(repr=False)

    def sample(self, n_samples: int, length: int, random_state: int = 0) -> Floats:
        """Draw innovations by the copula and run the volatilities along them."""
        return _from_random_days(self, self.margins, n_samples, length, random_state)

    def states(self, history: npt.ArrayLike) -> Floats:
        """Volatility of the step after each row: (time, assets)."""
        return filter_volatility(self.margins, _history(history, len(self.margins)))

    def run(self, states: Floats, length: int, rng: np.random.Generator, copies: int = 1) -> Floats:
        """Draw innovations by the copula and run the volatilities along them."""
        root = _root(self.correlation)
        z = rng.standard_normal((length, len(states) * copies, len(root))) @ root
        for asset, table in enumerate(self.tables):
            z[..., asset] = np.interp(z[..., asset], SCORES, table)
        return run_margins(self.margins, np.repeat(states, copies, axis=0), z).transpose(1, 0, 2)

    def one_step(self, history: npt.ArrayLike, levels: Sequence[float]) -> dict[float, Forecast]:
        """Forecast mean + filtered volatility times quantile, or tail mean, of the law."""
        history = _history(history, len(self.margins), levels)
        return _scaled(self.margins, history, levels, filtered=False)


@dataclass(frozen=True, eq=False)
class FilteredSimulation:
    """Filtered historical simulation: volatility models with fitted residuals drawn again.

    All calls are those of `Baseline`. The residuals of all assets on a day are drawn together, days independently;
    a path starts from the fitted variances of a random training day.

    Parameters
    ----------
    name : str
        Name in tables.
    margins : tuple of Margin
        One an asset; their law is not used.

    Source: Barone-Adesi, Giannopoulos and Vosper (1999).
    """

    name: str
    margins: tuple[Margin, ...]

    def sample(self, n_samples: int, length: int, random_state: int = 0) -> Floats:
        """Draw residuals of whole days and run the volatilities along them."""
        return _from_random_days(self, self.margins, n_samples, length, random_state)

    def states(self, history: npt.ArrayLike) -> Floats:
        """Volatility of the step after each row: (time, assets)."""
        return filter_volatility(self.margins, _history(history, len(self.margins)))

    def run(self, states: Floats, length: int, rng: np.random.Generator, copies: int = 1) -> Floats:
        """Draw residuals of whole days and run the volatilities along them."""
        residuals = np.stack([margin.residuals for margin in self.margins], axis=-1)
        z = residuals[rng.integers(len(residuals), size=(length, len(states) * copies))]
        return run_margins(self.margins, np.repeat(states, copies, axis=0), z).transpose(1, 0, 2)

    def one_step(self, history: npt.ArrayLike, levels: Sequence[float]) -> dict[float, Forecast]:
        """Forecast mean + filtered volatility times quantile, or tail mean, of the residuals."""
        history = _history(history, len(self.margins), levels)
        return _scaled(self.margins, history, levels, filtered=True)


def fit_baselines(returns: npt.ArrayLike | pd.DataFrame, names: Sequence[str] | None = None) -> dict[str, Baseline]:
    r"""Fit the classical generators to returns.

    The margins of a volatility model are fitted once and shared by the parametric and the filtered version. Where a
    fit does not converge, GARCH-normal takes its place for that asset, and a constant volatility with the empirical
    law if that fails too, each with a warning.

    Parameters
    ----------
    returns : array or DataFrame (time, assets)
        Log returns a step, at least 50 rows; notes name the columns of a frame.
    names : sequence of str, optional
        Which of `BASELINES`; all by default.

    Returns
    -------
    dict
        Name -> `Baseline`, in the order of `BASELINES`. The stationary bootstrap's mean block is the median over assets
        of `arch.bootstrap.optimal_block_length` of \|r\|, whose memory is the long one.

    Raises
    ------
    DataError
        The returns are not a finite table, too short, constant in a column, or a name is unknown.

    Warns
    -----
    FitWarning
        A fit did not converge.
    DataWarning
        A fit found a variance that does not return to a mean.
    """
    y = _training(returns)
    unknown = sorted(set(names or ()) - set(BASELINES))
    if unknown:
        raise DataError(f"there is no baseline {', '.join(map(repr, unknown))}; there are {', '.join(BASELINES)}")
    named = returns.columns if isinstance(returns, pd.DataFrame) else (f"column {i + 1}" for i in range(y.shape[1]))
    labels = [str(name) for name in named]
    fits = _Fits(y, labels)
    return {name: make(name, fits) for name, make in _MAKERS.items() if names is None or name in names}


def fixed_forecasts(
    returns: npt.ArrayLike, n_train: int, levels: Sequence[float], names: Sequence[str]
) -> dict[str, dict[float, Forecast]]:
    """Forecast every return after the first ``n_train``, by parameters that are fitted to those and then fixed.

    Parameters
    ----------
    returns : array (time, assets)
        Log returns a step.
    n_train : int
        Number of returns to fit on, at least 50.
    levels : sequence of float
        Probabilities of the lower tail, such as (.05, .01).
    names : sequence of str
        Which of `BASELINES`.

    Returns
    -------
    dict
        Name -> level -> `Forecast` of arrays (time - n_train, assets) for ``returns[n_train:]``.

    Raises
    ------
    DataError
        As of `fit_baselines`, or nothing is left to forecast.
    """
    y = _table(returns, "forecasts need")
    if not n_train < len(y):
        raise DataError(f"cannot fit on {n_train:,} of {len(y):,} returns; at least 1 must be left over")
    with warnings.catch_warnings():
        # a variance that does not return to a mean is a matter of long paths
        warnings.filterwarnings("ignore", ".* does not return to a mean", DataWarning)
        fitted = fit_baselines(y[:n_train], names)
    return {
        name: {
            level: Forecast(forecast.var[n_train - 1 :], forecast.es[n_train - 1 :])
            for level, forecast in baseline.one_step(y[:-1], levels).items()
        }
        for name, baseline in fitted.items()
    }


class _Fits:
    """Training returns (time, assets), and the margins fitted to them, each once."""

    def __init__(self, returns: Floats, labels: list[str]) -> None:
        self.returns, self.labels = returns, labels
        self._known: dict[str, tuple[Margin, ...]] = {}

    def margins(self, model: str) -> tuple[Margin, ...]:
        if model not in self._known:
            self._known[model] = tuple(self._margin(model, asset) for asset in range(self.returns.shape[1]))
        return self._known[model]

    def _margin(self, model: str, asset: int) -> Margin:
        y = self.returns[:, asset]
        margin = fit_margin(y, model)
        if margin is not None:
            return margin
        simpler = "GARCH-normal" if model != "GARCH-normal" else "a constant volatility"
        warn(
            f"{model} did not converge on the {len(y):,} returns of {self.labels[asset]}; {simpler} takes its place",
            FitWarning,
        )
        return constant_volatility(y) if model == "GARCH-normal" else self.margins("GARCH-normal")[asset]


def _gaussian(name: str, fits: _Fits) -> Baseline:
    y = fits.returns
    return Gaussian(name, y.mean(axis=0), np.cov(y.T, bias=True).reshape(y.shape[1], y.shape[1]))


def _historical(name: str, fits: _Fits) -> Baseline:
    return Bootstrap(name, fits.returns)


def _historical_window(name: str, fits: _Fits) -> Baseline:
    return Bootstrap(name, fits.returns[-WINDOW:], rolling=True)


def _stationary_bootstrap(name: str, fits: _Fits) -> Baseline:
    from arch.bootstrap import optimal_block_length

    lengths = optimal_block_length(np.abs(fits.returns))["stationary"].to_numpy()
    return Bootstrap(name, fits.returns, block=max(1.0, float(np.median(lengths))))


def _parametric(name: str, fits: _Fits) -> Baseline:
    margins = fits.margins(name)
    _warn_of_explosion(name, margins, fits.labels, filtered=False)
    tables = tuple(margin.quantiles() for margin in margins)
    scores = [margin.scores(table) for margin, table in zip(margins, tables, strict=True)]
    return GarchModel(name, margins, np.atleast_2d(np.corrcoef(scores)), tables)


def _filtered(name: str, fits: _Fits) -> Baseline:
    margins = tuple(_standardised(margin) for margin in fits.margins(name.removeprefix("FHS ")))
    _warn_of_explosion(name, margins, fits.labels, filtered=True)
    return FilteredSimulation(name, margins)


def _standardised(margin: Margin) -> Margin:
    """Residuals of mean 0 and deviation 1: fitted ones miss that by up to 4 %, and the volatility feeds on it."""
    z = margin.residuals - margin.residuals.mean()
    return dataclasses.replace(margin, residuals=z / z.std() if z.std() > 0 else z)


_MAKERS: dict[str, Callable[[str, _Fits], Baseline]] = {
    "normal": _gaussian,
    "historical": _historical,
    f"historical {WINDOW}": _historical_window,
    "stationary bootstrap": _stationary_bootstrap,
    **dict.fromkeys(MODELS, _parametric),
    "FHS GJR-skewt": _filtered,
    "FHS EGARCH-skewt": _filtered,
}
BASELINES: tuple[str, ...] = tuple(_MAKERS)


def _warn_of_explosion(name: str, margins: tuple[Margin, ...], labels: list[str], filtered: bool) -> None:
    for label, margin in zip(labels, margins, strict=True):
        persistence = margin.persistence(filtered)
        if persistence > 1 - 1e-6:  # where the optimiser stops at its bound
            warn(
                f"the variance of {name} fitted to {label} does not return to a mean (persistence "
                f"{persistence:.4f}); paths start from fitted variances, long ones may drift away from them"
            )


def _scaled(
    margins: tuple[Margin, ...], history: Floats, levels: Sequence[float], filtered: bool
) -> dict[float, Forecast]:
    """Forecasts mean + volatility times quantile, or tail mean, of the innovation."""
    mean, volatility = np.array([margin.mean for margin in margins]), filter_volatility(margins, history)
    tails = {level: np.array([margin.tail(level, filtered) for margin in margins]).T for level in levels}
    return {level: Forecast(mean + volatility * var, mean + volatility * es) for level, (var, es) in tails.items()}


def _every_row(history: Floats, var: Floats, es: Floats) -> Forecast:
    return Forecast(*(np.tile(risk, (len(history), 1)) for risk in (var, es)))


def _from_random_days(baseline: Baseline, margins: tuple[Margin, ...], n: int, length: int, seed: int) -> Floats:
    """Paths that start from the fitted volatilities of random training days."""
    volatility = np.sqrt(np.stack([margin.variance for margin in margins], axis=-1))

    def draw(rng: np.random.Generator) -> Floats:
        return baseline.run(volatility[rng.integers(len(volatility), size=_CHUNK)], length, rng)

    return _in_chunks(draw, n, length, seed)


def _in_chunks(draw: Callable[[np.random.Generator], Floats], n: int, length: int, seed: int) -> Floats:
    """Paths (n, length, assets) from ``draw``, which gives (chunk, length, assets); one random stream a chunk."""
    for name, value, least in (("n_samples", n, 1), ("length", length, 1), ("random_state", seed, 0)):
        check_whole(name, value, least)
    chunks = []
    for chunk, first in enumerate(range(0, n, _CHUNK)):
        drawn = draw(np.random.default_rng(np.random.SeedSequence((seed, chunk))))
        chunks.append(drawn[: n - first])
    return np.concatenate(chunks)


def _root(covariance: Floats) -> Floats:
    """Return R with R'R = covariance, which may be singular: z R has it where z is standard normal."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))).T)


def _training(returns: npt.ArrayLike) -> Floats:
    y = _table(returns, "baselines are fitted to")
    if len(y) < MIN_ROWS:
        raise DataError(f"baselines need at least {MIN_ROWS} rows of returns to be fitted to, these are {len(y):,}")
    constant = np.flatnonzero(y.max(axis=0) == y.min(axis=0))
    if len(constant):
        columns = ", ".join(str(column + 1) for column in constant)
        raise DataError(f"the returns of column {columns} of {y.shape[1]} are all equal; leave it out")
    return y


def _history(history: npt.ArrayLike, assets: int, levels: Sequence[float] = ()) -> Floats:
    y = _table(history, "forecasts need")
    if y.shape[1] != assets or not len(y):
        raise DataError(f"the history has the shape {y.shape}; the baseline was fitted to (time, {assets}) returns")
    for level in levels:
        if not 0 < level < 1:
            raise ConfigError(f"a level must lie between 0 and 1, not {level!r}")
    return y


def _table(returns: npt.ArrayLike, what: str) -> Floats:
    y = np.asarray(returns, dtype=np.float64)
    if y.ndim != 2 or not y.shape[1]:
        raise DataError(f"{what} log returns of the shape (time, assets), these have the shape {y.shape}")
    if not np.isfinite(y).all():
        row, column = np.argwhere(~np.isfinite(y))[0]
        raise DataError(f"{what} finite returns, row {row:,} of column {column + 1} holds {y[row, column]}")
    return y
