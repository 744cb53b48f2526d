"""Rolling forecasts put on trial: a model's VaR and ES beside the classical methods', with the tests of a regulator.

The rule: the model fails if a test rejects it at 1 % after Holm's correction for all tests, levels and assets, so that
right forecasts pass 99 times of 100 however much is tested; it is to be looked at if a test rejects at its own 5 %.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from tsgan.calendars import iso
from tsgan.datasets import check_prices
from tsgan.errors import DataError
from tsgan.evaluation.risk.backtests import backtest, holm
from tsgan.evaluation.risk.comparisons import diebold_mariano, model_confidence_set
from tsgan.evaluation.risk.estimates import Weights, horizon_values, weight_vector
from tsgan.evaluation.risk.rolling import rolling_forecasts
from tsgan.evaluation.risk.scores import fz0
from tsgan.returns import log_returns

if TYPE_CHECKING:
    from tsgan.estimator import TSGAN

__all__ = ["OPPONENTS", "RollingBacktest", "realised_values", "rolling_backtest"]

Floats: TypeAlias = npt.NDArray[np.float64]

OPPONENTS = ("GJR-skewt", "FHS GJR-skewt", "EGARCH-skewt", "historical 250")
"""Classical methods that a model stands beside, unless others are asked for"""
MODEL = "tsgan"
_FAIL, _WARN = 0.01, 0.05
_SIMULATIONS = 200  # times the number of tests: enough for a corrected p-value far below 1 %
_COUNT_ONLY = "Basel traffic light"  # says in words what Kupiec's test says as a p-value
_CLEAR = 1.96  # Diebold-Mariano t
_TESTS = 7  # of one asset and level
_DATES = 50  # fewer losses are not compared
_WORST = {"pass": 0, "warn": 1, "fail": 2}


@dataclass(frozen=True)
class RollingBacktest:
    """The result of :func:`rolling_backtest`.

    Attributes
    ----------
    table : one row an (asset, level, method): asset, level, method, dates, breaches, share, fz0 (mean, returns in
        percent, lower is better), dm_t (Diebold-Mariano t of the model against the method, negative where the model is
        better), in_set (whether in the 90 % model confidence set), failed_refits
    tests : one row an (asset, level, test) of the model: asset, level, test, statistic, p_value, adjusted (Holm),
        verdict (pass, warn, fail, not computable), words
    verdict : pass, warn or fail
    headline : the verdict in a sentence
    reasons : further sentences: who wins, what failed
    realised : what came, one column an asset, or "portfolio"
    forecasts : method -> frame of :func:`rolling_forecasts`
    settings : start, end, horizon, levels, refit_every, train_window, weights, seed, seconds, and what the caller adds
    """

    table: pd.DataFrame
    tests: pd.DataFrame
    verdict: str
    headline: str
    reasons: list[str]
    realised: pd.DataFrame
    forecasts: dict[str, pd.DataFrame]
    settings: dict[str, Any]

    def failed(self, on: str) -> bool:
        """Whether the verdict is as bad as ``on``, "fail" or "warn"."""
        return _WORST[self.verdict] >= _WORST[on]

    def to_frame(self) -> pd.DataFrame:
        """The table of methods."""
        return self.table.copy()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON, without the forecasts of every date."""
        return {
            "verdict": self.verdict,
            "headline": self.headline,
            "reasons": self.reasons,
            "methods": _records(self.table),
            "tests": _records(self.tests),
            "settings": self.settings,
        }

    def of(self, method: str, asset: str) -> pd.DataFrame:
        """Forecasts of one method for one asset, or "portfolio": columns ("VaR" | "ES", level)."""
        return _of_asset(self.forecasts[method], asset)


def rolling_backtest(
    model: TSGAN,
    prices: pd.DataFrame,
    start: str | pd.Timestamp,
    horizon: int = 1,
    levels: Sequence[float] = (0.05, 0.025, 0.01),
    weights: Weights | None = None,
    *,
    against: Sequence[str] = OPPONENTS,
    n_samples: int = 10_000,
    refit_every: int | None = None,
    train_window: int = 2500,
    random_state: int = 0,
    settings: dict[str, Any] | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> RollingBacktest:
    """Forecast VaR and ES at every date from ``start`` on by a model and by classical methods, and test them.

    Parameters
    ----------
    model, prices, start, horizon, levels, weights, n_samples, refit_every, train_window, random_state
        As in :func:`rolling_forecasts`; the classical methods are fitted on the same schedule.
    against : sequence of str
        Classical methods, of `BASELINES`.
    settings : dict, optional
        What a report should say beside the options: files, command.
    progress : callable
        Called with the stage and the share of the whole that is done.

    Raises
    ------
    DataError
        The prices cannot be used or are too few.
    ConfigError
        An option is not possible.
    """
    begin = time.perf_counter()
    prices = check_prices(prices, min_rows=2)
    known = [name for name in getattr(model, "columns_", prices.columns) if name in prices.columns]
    prices = prices[known]
    shares = None if weights is None else weight_vector(weights, known)
    methods: dict[str, TSGAN | str] = {MODEL: model, **{name: name for name in against}}
    forecasts: dict[str, pd.DataFrame] = {}
    for done, (name, method) in enumerate(methods.items()):

        def tell(share: float, name: str = name, done: int = done) -> None:
            progress(name, (done + share) / (len(methods) + 1))

        forecasts[name] = rolling_forecasts(
            method,
            prices,
            start,
            horizon,
            levels,
            shares,
            n_samples=n_samples,
            refit_every=refit_every,
            train_window=train_window,
            random_state=random_state,
            progress=tell,
        )
    index = pd.DatetimeIndex(forecasts[MODEL].index)
    realised = realised_values(prices, index, horizon, shares)
    progress("tests", len(methods) / (len(methods) + 1))
    cases = [_Case(str(asset), level, horizon, realised, forecasts) for asset in realised for level in levels]
    table = pd.DataFrame([row for case in cases for row in case.methods()])
    tests = _tests(cases, random_state)
    progress("done", 1.0)
    return RollingBacktest(
        table=table,
        tests=tests,
        verdict=max(["pass", *tests["verdict"]], key=lambda verdict: _WORST.get(verdict, -1)),
        headline=_headline(tests, len(index)),
        reasons=[*_comparisons(table), *_failed_refits(forecasts)],
        realised=realised,
        forecasts=forecasts,
        settings={
            "start": iso(index[0]),
            "end": iso(index[-1]),
            "horizon": horizon,
            "levels": list(levels),
            "refit_every": refit_every,
            "train_window": train_window,
            "weights": None if shares is None else dict(zip(known, shares.tolist(), strict=True)),
            "seed": random_state,
            "seconds": round(time.perf_counter() - begin, 1),
            **(settings or {}),
        },
    )


def realised_values(prices: pd.DataFrame, dates: pd.DatetimeIndex, horizon: int, shares: Floats | None) -> pd.DataFrame:
    """What came, in the units of the forecasts: log returns of the horizon that ends on each date, or the portfolio's.

    Parameters
    ----------
    prices : DataFrame (time, assets)
    dates : ends of the horizons, dates of the prices
    horizon : steps
    shares : array (assets,), optional
        Shares of a portfolio's value at the beginning of each horizon.

    Returns
    -------
    DataFrame (dates, assets), or with the one column "portfolio".
    """
    ends = prices.index.get_indexer(dates)
    returns = log_returns(prices.to_numpy())
    windows = np.stack([returns[end - horizon : end] for end in ends.tolist()])
    columns = list(prices.columns) if shares is None else ["portfolio"]
    return pd.DataFrame(horizon_values(windows, shares).T, index=dates, columns=columns)


def _of_asset(frame: pd.DataFrame, asset: str) -> pd.DataFrame:
    return cast("pd.DataFrame", frame[asset]) if frame.columns.nlevels == 3 else frame


@dataclass(frozen=True)
class _Case:
    """One asset, or portfolio, at one level."""

    asset: str
    level: float
    horizon: int
    realised: pd.DataFrame
    forecasts: dict[str, pd.DataFrame]

    @property
    def returns(self) -> Floats:
        return self.realised[self.asset].to_numpy()

    def figures(self, method: str) -> tuple[Floats, Floats]:
        """VaR and ES of every date."""
        frame = _of_asset(self.forecasts[method], self.asset)
        return frame["VaR", self.level].to_numpy(), frame["ES", self.level].to_numpy()

    def methods(self) -> list[dict[str, Any]]:
        """Rows of the table of methods."""
        losses = pd.DataFrame({method: self._losses(method) for method in self.forecasts})
        usable = losses.columns[losses.notna().all()]
        included = pd.Series(False, losses.columns)
        if len(losses) >= _DATES:
            included[usable] = model_confidence_set(losses[usable], horizon=self.horizon)["included"]
        return [
            {
                "asset": self.asset,
                "level": self.level,
                "method": method,
                "dates": len(losses),
                "breaches": int((self.returns <= self.figures(method)[0]).sum()),
                "share": float((self.returns <= self.figures(method)[0]).mean()),
                "fz0": float(losses[method].mean()),
                "dm_t": self._against(losses, method),
                "in_set": bool(included[method]),
                "failed_refits": len(self.forecasts[method].attrs["failed_refits"]),
            }
            for method in self.forecasts
        ]

    def tests(self, seed: int, simulations: int) -> list[dict[str, Any]]:
        """Rows of the table of tests, not yet corrected for their number."""
        about = {"asset": self.asset, "level": self.level}
        try:
            results = backtest(
                self.returns,
                *self.figures(MODEL),
                self.level,
                horizon=self.horizon,
                n_simulations=simulations,
                seed=seed,
            )
        except DataError as error:
            return [
                {**about, "test": "all", "statistic": np.nan, "p_value": np.nan, "words": f"Not computable: {error}."}
            ]
        return [
            {**about, "test": r.name, "statistic": r.statistic, "p_value": r.p_value, "words": r.words} for r in results
        ]

    def _losses(self, method: str) -> Floats:
        """FZ0 of returns in percent; NaN where the forecasts have none, such as a VaR that is a gain."""
        try:
            var, es = self.figures(method)
            return fz0(100 * self.returns, 100 * var, 100 * es, self.level)
        except DataError:
            return np.full(len(self.returns), np.nan)

    def _against(self, losses: pd.DataFrame, method: str) -> float:
        pair = losses[[MODEL, method]]
        if method == MODEL or pair.isna().any(axis=None) or len(pair) < _DATES:
            return float("nan")
        return diebold_mariano(pair[MODEL], pair[method], horizon=self.horizon).statistic


def _tests(cases: Sequence[_Case], seed: int) -> pd.DataFrame:
    expected = len(cases) * _TESTS
    tests = pd.DataFrame([row for case in cases for row in case.tests(seed, _SIMULATIONS * expected)])
    counted = tests["p_value"].notna() & (tests["test"] != _COUNT_ONLY)
    tests["adjusted"] = np.nan
    if counted.any():
        tests.loc[counted, "adjusted"] = holm(tests.loc[counted, "p_value"])
    verdicts = np.select(
        [tests["p_value"].isna(), tests["adjusted"] < _FAIL, counted & (tests["p_value"] < _WARN)],
        ["not computable", "fail", "warn"],
        "pass",
    )
    return tests.assign(verdict=verdicts)


def _headline(tests: pd.DataFrame, dates: int) -> str:
    known = tests[tests["adjusted"].notna()]
    if known.empty:
        return f"Nothing can be tested on {dates:,} dates. {tests['words'].iloc[0]}"
    worst = _records(known.sort_values("p_value"))[0]
    which = f"{worst['test']} of {worst['asset']} at {100 * worst['level']:g} %"
    failed, warned = (int((known["verdict"] == verdict).sum()) for verdict in ("fail", "warn"))
    if failed:
        return f"{failed} of {len(known)} tests reject the forecasts; the clearest is {which}: {worst['words']}"
    if warned:
        return (
            f"No test rejects after correction for their number; {warned} of {len(known)} do by themselves "
            f"({0.05 * len(known):.0f} would by chance). The lowest p-value is that of {which}: {worst['words']}"
        )
    return f"None of {len(known)} tests rejects the forecasts on {dates:,} dates."


def _comparisons(table: pd.DataFrame) -> list[str]:
    """Say for every asset and level who has the lowest loss, and whether the model could be the best."""
    sentences = []
    for _, rows in table.groupby(["asset", "level"], sort=False):
        known = _records(rows.dropna(subset="fz0").sort_values("fz0"))
        own = next((row for row in known if row["method"] == MODEL), None)
        if own is None:
            continue
        best, where = known[0], f"{own['asset']} at {100 * own['level']:g} %"
        if best is own:
            clear = [row["method"] for row in known if row["dm_t"] < -_CLEAR]
            beaten = f"clearly better than {', '.join(clear)}" if clear else "not clearly better than any"
            sentences.append(f"{where}: tsgan has the lowest loss FZ0, {own['fz0']:.4f}, {beaten}.")
        else:
            place = "may still be the best" if own["in_set"] else "is not in the 90 % set of the best"
            sentences.append(
                f"{where}: {best['method']} has the lowest loss FZ0, {best['fz0']:.4f}; tsgan has {own['fz0']:.4f} and "
                f"{place}."
            )
    return sentences


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", frame.to_dict("records"))


def _failed_refits(forecasts: dict[str, pd.DataFrame]) -> list[str]:
    return [
        f"{len(failed)} refits of {method} failed and kept the last parameters, the first on {failed[0]}."
        for method, frame in forecasts.items()
        if (failed := frame.attrs["failed_refits"])
    ]
