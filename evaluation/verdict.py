"""The short verdict of a fit: one-step risk on held-out days, beside the classical methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from tsgan.calendars import iso
from tsgan.evaluation.baselines import fixed_forecasts
from tsgan.evaluation.risk.scores import fz0
from tsgan.returns import Floats

if TYPE_CHECKING:
    from tsgan.law import Law
    from tsgan.season import Season

LEVELS = (0.05, 0.01)
_OPPONENTS = {"GJR-skewt": "GJR-GARCH skew-t", "historical": "historical simulation"}
"""Baselines, and what a reader is told"""
_CLEAR = 1.96  # standard errors that a mean difference of scores must have to be called one


def one_step_verdict(law: Law, season: Season, returns: Floats, first: int, dates: pd.DatetimeIndex) -> list[str]:
    """Judge one-step VaR and expected shortfall from row ``first`` on.

    The opponents are fitted to the rows before ``first``, more than the law has seen; all parameters stay fixed.

    Parameters
    ----------
    law, season : fitted to rows before ``first``
    returns : (time, assets) log returns
    dates : (time,) their dates

    Returns
    -------
    Sentences.
    """
    percent = 100 * returns
    y = percent[first:]
    states = law.states(season.without(returns, dates))[first:-1]
    scores: dict[str, dict[float, Floats]] = {"tsgan": {}}
    shares = []
    for level in LEVELS:
        var, es = (100 * season.back(risk, dates[first:]) for risk in law.value_at_risk(states, level))
        shares.append(f"{100 * np.mean(y <= var):.2f} %")
        scores["tsgan"][level] = fz0(y, var, es, level)
    with threadpool_limits(1, "blas"):  # scipy's optimisers end elsewhere with two threads
        opponents = fixed_forecasts(percent, first, LEVELS, list(_OPPONENTS))
    for baseline, forecasts in opponents.items():
        scores[_OPPONENTS[baseline]] = {level: fz0(y, *forecasts[level], level) for level in LEVELS}
    table = ", ".join(
        f"{name} " + " / ".join(f"{by_level[level].mean():.4f}" for level in LEVELS)
        for name, by_level in scores.items()
    )
    together = f", all {y.shape[1]} assets together" if y.shape[1] > 1 else ""
    return [
        f"Held out: {len(y):,} steps, {iso(dates[first])} to {iso(dates[-1])}, judged by a law fitted before.",
        f"VaR at 5 % / 1 % was breached on {' / '.join(shares)} of the steps{together}.",
        f"Joint VaR/ES loss FZ0 at 5 % / 1 %, lower is better: {table}.",
        *(_comparison(scores, name) for name in _OPPONENTS.values()),
    ]


def _comparison(scores: dict[str, dict[float, Floats]], opponent: str) -> str:
    """Say who wins over both levels, if the difference is clear against its error over time."""
    difference = sum(scores["tsgan"][level] - scores[opponent][level] for level in LEVELS)
    daily = np.asarray(difference).mean(axis=1)  # assets of a day move together and count once
    t = daily.mean() / (daily.std(ddof=1) / len(daily) ** 0.5)
    if abs(t) < _CLEAR:
        lead = "ahead, but not clearly" if t < 0 else "behind, but not clearly"
        return f"Against {opponent}: level (tsgan {lead}, t = {t:.1f})."
    return f"Against {opponent}: {'tsgan is better' if t < 0 else f'{opponent} is better'} (t = {t:.1f})."
