"""A model's paths under a few telling conditions: from today, in every regime, calmer and wilder than usual."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from tsgan.calendars import iso
from tsgan.config import check_whole
from tsgan.errors import ConfigError
from tsgan.evaluation.risk.estimates import tails
from tsgan.events import Goal, fact, portfolio
from tsgan.regimes import NAMES, Regimes
from tsgan.returns import Floats

if TYPE_CHECKING:
    from tsgan.estimator import TSGAN
    from tsgan.paths import Paths

__all__ = ["LENGTH", "PATHS", "Case", "conditions_table", "under_conditions", "worth"]

LENGTH = 126  # steps: half a year of days
PATHS = 1000  # of a condition; fewer take as long, since goals are reached by batches of 1,024
_LEVEL = 0.025
_HORIZONS = (1, 10)  # steps of an expected shortfall
_MULTIPLES = {0.5: "Half the usual volatility", 1.0: "The usual volatility", 2.0: "Twice the usual volatility"}
_DECILES = {0.1: "low decile", 0.9: "high decile"}


class Case(NamedTuple):
    """One condition, and the paths that satisfy it."""

    title: str
    option: str
    """How ``tsgan sample`` is asked for it"""
    row: int
    """What it stands beside in a picture: 0 where paths start and covariates, 1 regimes, 2 volatilities"""
    ask: dict[str, Any]
    """How ``TSGAN.sample`` is asked for it"""
    bounds: tuple[float | None, float | None] | None = None
    """Annualised volatilities that are asked for, None for an open end; alike where it is one value"""
    paths: Paths | None = None
    volatility: float = math.nan
    """Annualised volatility of the median path; that of equal money in all assets where there are several"""
    reason: str = ""
    """Why there are no paths"""


def under_conditions(
    model: TSGAN,
    length: int = LENGTH,
    n: int = PATHS,
    random_state: int | None = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> list[Case]:
    """Draw paths from today, in the three regimes, and at half, once and twice the volatility of the data.

    If the model learned covariates, also at the low and the high decile of the first number among them; where there is
    none, at the two most frequent categories of the first.

    Parameters
    ----------
    model : TSGAN
        Fitted.
    length, n : int
        Steps of a path, and paths of a condition.
    random_state : int, optional
        Seed, the same for all conditions.
    progress : callable
        Called with the share of the conditions that are done.

    Returns
    -------
    list of Case
        A condition that no path can satisfy has a reason in place of paths.
    """
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(model, "law_")
    check_whole("length", length)
    check_whole("n", n)
    goal, cases = Goal("volatility", None, 0, 0), _cases(model)
    for i, case in enumerate(cases):
        try:
            paths = model.sample(n, length, random_state=random_state, **case.ask)
            realised = float(np.median(fact(paths.returns, goal, model.periods_per_year_)))
            cases[i] = case._replace(paths=paths, volatility=realised)
        except ConfigError as error:
            if "condition" not in case.ask:
                raise
            cases[i] = case._replace(reason=str(error))
        progress((i + 1) / len(cases))
    return cases


def worth(paths: Paths) -> Floats:
    """Prices of one asset; of several, what 100 become that are put alike into all of them: (paths, length)."""
    if len(paths.columns) == 1:
        return paths.prices[..., 0]
    return np.asarray(100 * np.exp(portfolio(paths.returns).cumsum(axis=1)))


def conditions_table(cases: Sequence[Case]) -> pd.DataFrame:
    """What paths are like under every condition.

    Returns
    -------
    DataFrame
        One row a condition: condition; option (of tsgan sample); paths; volatility_low and volatility_high, annualised,
        that were asked for, None where nothing was; volatility, that of the median path; es_1 and es_10, the mean of
        the worst 2.5 % of all simple returns of so many steps within the paths; method, effective_samples and
        probability as in :class:`tsgan.conditioning.Conditioning`, None where nothing had to be reached; reason, why
        there are no paths.
    """
    return pd.DataFrame([_row(case) for case in cases], dtype=object)


def _row(case: Case) -> dict[str, Any]:
    low, high = case.bounds or (None, None)
    row = {"condition": case.title, "option": case.option, "paths": 0, "volatility_low": low, "volatility_high": high}
    shortfalls: dict[str, float | None] = {f"es_{horizon}": None for horizon in _HORIZONS}
    how: dict[str, Any] = dict.fromkeys(("method", "effective_samples", "probability"))
    if case.paths is not None:
        shortfalls = {f"es_{horizon}": _shortfall(case.paths, horizon) for horizon in _HORIZONS}
        if case.paths.conditioning is not None:
            how = {name: getattr(case.paths.conditioning, name) for name in how}
        row["paths"] = len(case.paths)
    realised = None if case.paths is None else case.volatility
    return {**row, "volatility": realised, **shortfalls, **how, "reason": case.reason}


def _shortfall(paths: Paths, horizon: int) -> float | None:
    """Mean of the worst simple returns of so many steps, wherever within the paths; None where they are too few."""
    walk = np.pad(portfolio(paths.returns).cumsum(axis=1), ((0, 0), (1, 0)))
    sums = (walk[:, horizon:] - walk[:, :-horizon]).ravel()
    return float(tails(np.expm1(sums), [_LEVEL])[1, 0]) if len(sums) * _LEVEL >= 1 else None


# which conditions -----------------------------------------------------------------------------------------------------


def _cases(model: TSGAN) -> list[Case]:
    year = model.periods_per_year_
    regimes = Regimes.of(model.returns_, year)
    usual = float(np.log(np.exp(model.returns_).mean(axis=1)).std() * year**0.5)
    today = Case(f"From today, {iso(model.dates_[-1])}", "--start last", 0, {"start": "last"})
    return [
        today,
        *(_given(title, 0, name, value) for title, name, value in _covariates(model)),
        *(_given(f"{name.capitalize()} regime", 1, "regime", name, regimes.bounds(name)) for name in NAMES),
        *(
            _given(title, 2, "volatility", value, (value, value))
            for title, value in ((title, _rounded(multiple * usual)) for multiple, title in _MULTIPLES.items())
        ),
    ]


def _given(title: str, row: int, name: str, value: float | str, bounds: tuple[float, float] | None = None) -> Case:
    option = f"--given {shlex.quote(f'{name}={value}')}"
    low, high = bounds or (0.0, math.inf)
    ends = None if bounds is None else (low if low > 0 else None, high if math.isfinite(high) else None)
    return Case(title, option, row, {"condition": {name: value}}, ends)


def _covariates(model: TSGAN) -> list[tuple[str, str, float | str]]:
    """Titles, and two values of a covariate; nothing where the model learned none."""
    each = model.covariates_.each
    if not each:
        return []
    position = next((i for i, covariate in enumerate(each) if covariate.categories is None), 0)
    covariate, first = each[position], sum(model.covariates_.blocks[:position])
    block = model.inputs_[:, first : first + covariate.inputs]
    known = block[block[:, -1] == 1, :-1]
    if covariate.categories is not None:
        frequent = np.argsort(-known.sum(axis=0), kind="stable")[:2]
        return [
            (f"{covariate.name} {text}", covariate.name, text)
            for text in map(covariate.categories.__getitem__, frequent)
        ]
    values = list[tuple[str, str, float | str]]()
    for level, words in _DECILES.items():
        value = covariate.mean + covariate.deviation * float(np.quantile(known[:, 0], level))
        rounded = _rounded(math.exp(value) if covariate.in_logs else value)
        seen = min(max(rounded, covariate.least), covariate.most)
        values.append((f"{covariate.name} {seen:g}, {words}", covariate.name, seen))
    return values


def _rounded(value: float) -> float:
    """Three digits: what a person would ask for."""
    return float(f"{value:.3g}")
