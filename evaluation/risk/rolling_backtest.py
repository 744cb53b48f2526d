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
from tsgan.datasets.checks import counted
from tsgan.errors import ConfigError, DataError
from tsgan.evaluation.baselines import BASELINES
from tsgan.evaluation.risk.backtests import backtest, holm
from tsgan.evaluation.risk.comparisons import diebold_mariano, model_confidence_set
from tsgan.evaluation.risk.estimates import Weights, realised_values, weight_vector
from tsgan.evaluation.risk.rolling import forecast_origins, rolling_forecasts
from tsgan.evaluation.risk.scores import fz0
from tsgan.progress import Shares, share_progress

if TYPE_CHECKING:
    from tsgan.estimator import TSGAN

__all__ = [
    "MODEL",
    "OPPONENTS",
    "TRAIN_WINDOW",
    "RollingBacktest",
    "check_methods",
    "rolling_backtest",
    "training_prices",
]

Floats: TypeAlias = npt.NDArray[np.float64]

OPPONENTS = ("GJR-skewt", "FHS GJR-skewt", "EGARCH-skewt", "historical 250")
"""Classical methods that a model stands beside, unless others are asked for"""
MODEL = "tsgan"
TRAIN_WINDOW = 2500
_FAIL, _WARN = 0.01, 0.05
_SIMULATIONS = 2_000
_CLOSER = 200  # times the number of tests, where a p-value is below 1 %: enough for a corrected one far below that
_ALL = "all"  # the one row where no test can be made
_COLOUR = "Basel traffic light"
_CLEAR = 1.96  # Diebold-Mariano t
_TESTS = 7  # of one asset and level
_SENTENCES = 12  # about assets and levels; more are summed up
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
        verdict (pass, warn, fail, not computable; not counted for the traffic light, which says what Kupiec's test
        says), words
    verdict : pass, warn or fail
    headline : the verdict in a sentence
    reasons : further sentences: who wins, what failed
    realised : what came, one column an asset, or "portfolio"
    forecasts : method, "tsgan" for the model -> frame of :func:`rolling_forecasts`
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

    def losses(self, asset: str, level: float) -> pd.DataFrame:
        """Loss FZ0 of every date and method, of returns in percent; NaN for a method without one on some date."""
        return _Case(asset, level, self.settings["horizon"], self.realised, self.forecasts).losses()


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
    train_window: int = TRAIN_WINDOW,
    random_state: int = 0,
    settings: dict[str, Any] | None = None,
    progress: bool | Shares = False,
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
    progress : bool or callable
        True shows it on stderr, a callable is called with the stage and the share of the whole that is done.

    Raises
    ------
    DataError
        The prices cannot be used or are too few.
    ConfigError
        An option is not possible.
    """
    begin = time.perf_counter()
    prices = check_prices(prices, min_rows=2)
    learned = list(getattr(model, "columns_", prices.columns))
    if set(learned) <= set(prices.columns):
        prices = prices[[name for name in prices.columns if name in learned]]
    known = list(prices.columns)
    shares = None if weights is None else weight_vector(weights, known)
    methods: dict[str, TSGAN | str] = {MODEL: model, **{name: name for name in check_methods(against)}}
    forecasts: dict[str, pd.DataFrame] = {}
    with share_progress(progress) as report:
        for done, (name, method) in enumerate(methods.items()):

            def tell(_: str, share: float, name: str = name, done: int = done) -> None:
                report(name, (done + share) / (len(methods) + 1))

            tell(name, 0.0)
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
        cases = [_Case(str(asset), level, horizon, realised, forecasts) for asset in realised for level in levels]
        table = pd.DataFrame([row for case in cases for row in case.methods()])
        tests = _tests(cases, random_state, lambda share: report("tests", (len(methods) + share) / (len(methods) + 1)))
    seen = _seen(model, prices, index[0], horizon, refit_every)
    return RollingBacktest(
        table=table,
        tests=tests,
        verdict=_verdict(tests, bool(seen)),
        headline=_headline(tests, len(index)),
        reasons=[
            *_clearest(tests),
            *_not_tested(tests),
            *_comparisons(table),
            *_failed_refits(forecasts),
            *seen,
        ],
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


def check_methods(names: Sequence[str]) -> tuple[str, ...]:
    """The names of classical methods as they are, all known."""
    for name in names:
        if name not in BASELINES:
            raise ConfigError(f"there is no classical method {name!r}; there are {', '.join(BASELINES)}")
    return tuple(names)


def training_prices(
    prices: pd.DataFrame, start: str | pd.Timestamp, horizon: int = 1, train_window: int | None = None
) -> pd.DataFrame:
    """Prices that methods are fitted to before the first forecast.

    Parameters
    ----------
    prices, start, horizon
        As for `rolling_backtest`, the prices checked.
    train_window : int, optional
        Number of returns; by default `TRAIN_WINDOW`, or as many as there are.

    Returns
    -------
    DataFrame
        The last row is the origin of the first forecast.

    Raises
    ------
    DataError
        There are not so many returns before the first forecast, or nothing is left to forecast.
    ConfigError
        The start is no date.
    """
    origin = int(forecast_origins(prices, start, horizon)[0])
    if train_window is not None and train_window > origin:
        raise DataError(
            f"{counted(origin, 'return')} come before the origin of the first forecast, {iso(prices.index[origin])}, "
            f"and the training window asks for {train_window:,}; give a longer history, start later or take a shorter "
            "window"
        )
    return prices.iloc[origin - min(train_window or TRAIN_WINDOW, origin) : origin + 1]


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

    def losses(self) -> pd.DataFrame:
        """FZ0 of every date and method, of returns in percent; NaN where a method has none."""
        return pd.DataFrame({method: self._losses(method) for method in self.forecasts}, index=self.realised.index)

    def methods(self) -> list[dict[str, Any]]:
        """Rows of the table of methods."""
        losses = self.losses()
        usable = losses.columns[losses.notna().all()]
        included = pd.Series(False, losses.columns)
        if len(losses) >= _DATES and len(usable):
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
                {**about, "test": _ALL, "statistic": np.nan, "p_value": np.nan, "words": f"Not computable: {error}."}
            ]
        return [
            {**about, "test": r.name, "statistic": r.statistic, "p_value": r.p_value, "words": r.words} for r in results
        ]

    def _losses(self, method: str) -> Floats:
        """NaN throughout if any forecast has none, such as a VaR that is a gain."""
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


def _tests(cases: Sequence[_Case], seed: int, progress: Callable[[float], None]) -> pd.DataFrame:
    """Rows of all tests; where a p-value is low enough for the correction to matter, it is simulated more closely."""
    closer = _CLOSER * len(cases) * _TESTS
    rows: list[dict[str, Any]] = []
    for done, case in enumerate(cases):
        progress(done / len(cases))
        found = case.tests(seed, _SIMULATIONS)
        if closer > _SIMULATIONS and any(row["p_value"] < _FAIL for row in found):
            found = case.tests(seed, closer)
        rows += found
    progress(1.0)
    tests = pd.DataFrame(rows)
    counts = tests["p_value"].notna() & (tests["test"] != _COLOUR)
    tests["adjusted"] = np.nan
    if counts.any():
        tests.loc[counts, "adjusted"] = holm(tests.loc[counts, "p_value"])
    verdicts = np.select(
        [tests["test"] == _COLOUR, tests["p_value"].isna(), tests["adjusted"] < _FAIL, tests["p_value"] < _WARN],
        ["not counted", "not computable", "fail", "warn"],
        "pass",
    )
    return tests.assign(verdict=verdicts)


def _verdict(tests: pd.DataFrame, seen: bool) -> str:
    """The worst of all; what could not be tested at all, or by dates already seen, has to be looked at."""
    verdicts = tests["verdict"].mask(tests["test"] == _ALL, "warn")
    return str(max(["warn" if seen else "pass", *verdicts], key=lambda verdict: _WORST.get(verdict, -1)))


def _clearest(tests: pd.DataFrame) -> list[str]:
    """What the clearest of the tests that reject has found."""
    rejecting = tests[tests["verdict"].isin(("fail", "warn"))].sort_values("p_value")
    return [f"{_which(row)}: {row['words']}" for row in _records(rejecting)[:1]]


def _which(row: dict[str, Any]) -> str:
    return f"{row['test']} of {row['asset']} at {100 * row['level']:g} %"


def _not_tested(tests: pd.DataFrame) -> list[str]:
    rows = _records(tests[tests["test"] == _ALL])
    return [f"{row['asset']} at {100 * row['level']:g} %: {row['words']}" for row in rows]


def _headline(tests: pd.DataFrame, dates: int) -> str:
    known = tests[tests["adjusted"].notna()]
    if known.empty:
        return f"Nothing can be tested on {dates:,} dates. {tests['words'].iloc[0]}"
    which = _which(_records(known.sort_values("p_value"))[0])
    failed, warned = (int((known["verdict"] == verdict).sum()) for verdict in ("fail", "warn"))
    if failed:
        return (
            f"{failed} of {len(known)} tests reject{'s' if failed == 1 else ''} the forecasts after correction for "
            f"their number, most clearly {which}."
        )
    if warned:
        return (
            f"No test rejects after correction for their number; {warned} of {len(known)} "
            f"{'does by itself' if warned == 1 else 'do by themselves'} "
            f"({0.05 * len(known):.0f} would by chance), most clearly {which}."
        )
    return f"None of {len(known)} tests rejects the forecasts on {dates:,} dates; whose are best, their losses say."


def _comparisons(table: pd.DataFrame) -> list[str]:
    """Say for every asset and level who has the lowest loss, and whether the model could be the best."""
    compared = table.dropna(subset="fz0").sort_values("fz0", kind="stable").groupby(["asset", "level"], sort=False)
    if compared.ngroups > _SENTENCES:
        return _summary(table, compared["method"].first())
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
            clear = [f"clearly worse (t = {best['dm_t']:.2f})"] if best["dm_t"] > _CLEAR else []
            outside = [] if own["in_set"] else ["not in the 90 % set of the best"]
            place = " and ".join(clear + outside) or "which may still be the best"
            sentences.append(
                f"{where}: {best['method']} has the lowest loss FZ0, {best['fz0']:.4f}; tsgan has {own['fz0']:.4f}, "
                f"{place}."
            )
    return sentences


def _summary(table: pd.DataFrame, lowest: pd.Series[Any]) -> list[str]:
    """The same of many assets and levels: who has the lowest loss how often, and where the model is not the best."""
    counts = lowest.value_counts()
    won = [f"tsgan has the lowest loss FZ0 at {counts.get(MODEL, 0):,} of {len(lowest):,} assets and levels"]
    won += [f"{method} at {count:,}" for method, count in counts.items() if method != MODEL]
    own = table[(table["method"] == MODEL) & table["fz0"].notna() & ~table["in_set"]]
    places = [f"{row['asset']} at {100 * row['level']:g} %" for row in _records(own)]
    listed = ", ".join(places[:_SENTENCES]) + (" ..." if len(places) > _SENTENCES else "")
    lost = f"It is not in the 90 % set of the best at {len(places):,}{': ' if places else ''}{listed}."
    return [f"{', '.join(won)}. {lost}"]


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", frame.to_dict("records"))


def _failed_refits(forecasts: dict[str, pd.DataFrame]) -> list[str]:
    return [
        f"{counted(len(failed), 'refit')} of {method} failed and kept the last parameters, the first on {failed[0]}."
        for method, frame in forecasts.items()
        if (failed := frame.attrs["failed_refits"])
    ]


def _seen(
    model: TSGAN, prices: pd.DataFrame, first: pd.Timestamp, horizon: int, refit_every: int | None
) -> Sequence[str]:
    """Say where a model has seen what it forecasts."""
    last = getattr(model, "fitted_until_", None)
    origin = prices.index[int(prices.index.searchsorted(first)) - horizon]
    if last is None or refit_every is not None or last <= origin:
        return ()
    return (
        f"The model was fitted to prices up to {iso(last)}, after the first origin, {iso(origin)}: these figures "
        "are no test of it.",
    )
