"""The risk section: a rolling backtest as a page of its own, or as a section of the report of an evaluation."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import datetime
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from tsgan.errors import DataError
from tsgan.evaluation import plots
from tsgan.evaluation.page import WIDE, Chart, as_text, environment, frame, inline, new_figure, quiet_numpy, records
from tsgan.evaluation.report import is_report
from tsgan.evaluation.risk.rolling_backtest import MODEL, RollingBacktest
from tsgan.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["check_place", "is_backtest", "render", "write_backtest"]

MARK = '<meta name="generator" content="tsgan risk backtest">'
MAX_ASSETS = 4  # whose figures are shown: the page stays small and quick to read
VERDICTS = ("fail", "warn", "pass", "not computable")
HALF = (5.8, 2.8)  # inches
_RIGHT, _LABELS, _BOTTOM = 0.2, 0.42, 0.28  # inches around a panel: of its last date, of the levels, below

Section: TypeAlias = "dict[str, Any]"


def write_backtest(backtest: RollingBacktest, path: str | os.PathLike[str]) -> None:
    """Write a backtest to a page of its own; into the report of an evaluation, put it as a section.

    Parameters
    ----------
    backtest : RollingBacktest
        What to show.
    path : path
        The file. The report of an evaluation gets the section, in place of an earlier one; anything else is replaced.
        The file appears whole or not at all.

    Raises
    ------
    DataError
        The report is of a version that has no place for the section.
    """
    page = render(backtest)
    if Path(path).is_file() and is_report(path):
        check_place(path)
        report = Path(path).read_text(encoding="utf-8")
        for name, content in (("risk link", _link(backtest)), ("risk", _section(page))):
            before, after = _marks(name)
            report = report[: report.index(before) + len(before)] + content + report[report.index(after) :]
        page = report
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def is_backtest(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a page that `write_backtest` wrote, so that it can be made again and may be replaced."""
    with open(path, "rb") as file:
        return MARK.encode() in file.read(500)


def check_place(path: str | os.PathLike[str]) -> None:
    """Raise a DataError unless the report of an evaluation has a place for the risk section."""
    report = Path(path).read_text(encoding="utf-8", errors="replace")
    if any(report.count(mark) != 1 for name in ("risk link", "risk") for mark in _marks(name)):
        raise DataError(
            f"{path} is a report without a place for the risk section, of another version of tsgan or edited since; "
            "make it again with tsgan evaluate, or write elsewhere"
        )


def render(backtest: RollingBacktest) -> str:
    """Return a backtest as one HTML page that needs nothing else: no network, no script, no other file.

    Parameters
    ----------
    backtest : RollingBacktest
        What to show.

    Returns
    -------
    str
        Below 1 MB for four assets of 5,000 dates. All texts of the backtest are escaped.
    """
    made = environment()
    made.filters.update(fixed=_fixed, p=_p_value, colour=_colour)
    names = _worst_first(backtest)
    with quiet_numpy():
        shown = [_asset(backtest, name) | _charts(backtest, name, i) for i, name in enumerate(names[:MAX_ASSETS])]
        others = [_asset(backtest, name) for name in names[MAX_ASSETS:]]
    tests = backtest.tests.sort_values("p_value", kind="stable")
    rejects = tests["verdict"].isin(("fail", "warn"))
    return made.get_template("backtest.html.j2").render(
        b=backtest,
        model=MODEL,
        several=len(names) > 1,
        levels=backtest.settings["levels"],
        counts=[(verdict, int((tests["verdict"] == verdict).sum())) for verdict in VERDICTS],
        shown=shown,
        others=others,
        rejecting=records(tests[rejects]),
        passing=records(tests[~rejects]),
        settings=_settings(backtest),
    )


def _section(page: str) -> str:
    found = re.search(r'<section id="risk".*</section>\n', page, re.DOTALL)
    assert found is not None, "the template holds it"
    return f"\n{found[0]}"


def _link(backtest: RollingBacktest) -> str:
    return f'<a href="#risk">VaR and ES: {backtest.verdict}</a>'


def _marks(name: str) -> tuple[str, str]:
    """What stands before and after the place in the template; texts are escaped, so that they cannot hold it."""
    return f"<!-- {name} -->", f"<!-- end of {name} -->"


# tables ---------------------------------------------------------------------------------------------------------------


def _worst_first(backtest: RollingBacktest) -> list[str]:
    """Names of the assets, the one with the lowest p-value first."""
    least = backtest.tests.groupby("asset")["p_value"].min()
    return sorted(map(str, backtest.realised.columns), key=lambda name: float(least.fillna(-1).get(name, -1)))


def _asset(backtest: RollingBacktest, name: str) -> Section:
    """What the tables of one asset hold: methods by level, and tests with a cell a level."""
    levels = backtest.settings["levels"]
    table = backtest.table[backtest.table["asset"] == name]
    tests = backtest.tests[backtest.tests["asset"] == name]
    cells = {(row["test"], row["level"]): row for row in records(tests)}
    return {
        "name": name,
        "methods": [_group(table[table["level"] == level], level) for level in levels],
        "tests": [
            {"test": test, "cells": [cells.get((test, level)) for level in levels]} for test in tests["test"].unique()
        ],
    }


def _group(table: pd.DataFrame, level: float) -> Section:
    dates = int(table["dates"].iloc[0])
    best = table.dropna(subset="fz0").sort_values("fz0")["method"].tolist()[:1]
    return {"level": level, "dates": dates, "expected": level * dates, "best": best, "rows": records(table)}


def _settings(backtest: RollingBacktest) -> list[tuple[str, str, bool]]:
    """Name, value, and whether it is code: what was forecast, and how to do it again."""
    given = dict(backtest.settings)
    command, date = given.pop("command", None), given.pop("date", None)
    refit, window = given.pop("refit_every"), given.pop("train_window")
    rows = [
        ("Dates", f"{len(backtest.realised):,}, {given.pop('start')} to {given.pop('end')}", False),
        ("Horizon", _steps(given.pop("horizon")), False),
        ("Levels", ", ".join(f"{100 * level:g} %" for level in given.pop("levels")), False),
        ("Refits", "never" if refit is None else f"every {_steps(refit).replace('step', 'date')}", False),
        ("Training window", f"{window:,} returns", False),
    ]
    weights = given.pop("weights")
    if weights is not None:
        rows.append(("Weights", as_text(weights), False))
    rows += [(name.replace("_", " ").capitalize(), as_text(value), False) for name, value in given.items()]
    if command is not None:
        rows.append(("Command", as_text(command), True))
    return [*rows, ("Made", as_text(date or datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z")), False)]


def _steps(count: int) -> str:
    return f"{count:,} step{'' if count == 1 else 's'}"


def _fixed(value: float, digits: int) -> str:
    """So many decimals; a dash for what is no number."""
    return "–" if isnan(value) else f"{value:.{digits}f}".replace("-", "−")


def _colour(words: str) -> str:
    """What the words of the traffic light begin with."""
    return words.partition(":")[0]


def _p_value(p: float) -> str:
    return "–" if isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


# figures --------------------------------------------------------------------------------------------------------------


def _charts(backtest: RollingBacktest, asset: str, number: int) -> Section:
    """Draw the forecasts of one asset at the smallest level, and how they got to their figures at all levels."""
    level = min(backtest.settings["levels"])
    steps = _steps(backtest.settings["horizon"])

    def bands(axes: Axes) -> str:
        count = plots.draw_risk_bands(axes, backtest, asset, level)
        return (
            f"Bars: returns over {steps}. Band: from VaR down to ES at {100 * level:g} %. Dots: the {count:,} returns "
            "at or below VaR."
        )

    def breaches(axes: Axes) -> str:
        plots.draw_breaches(axes, backtest, asset)
        band = " Grey: where right forecasts are on 90 % of dates." if backtest.settings["horizon"] == 1 else ""
        return f"Rising lines: more breaches than forecast; steps that follow one another: they cluster.{band}"

    def losses(axes: Axes) -> str:
        best = plots.draw_loss_advantage(axes, backtest, asset)
        if not best:
            raise DataError("There is no loss to compare.")
        against = ", ".join(f"{name} at {100 * level:g} %" for level, name in best.items())
        return f"Rising lines: tsgan is better. Against the classical method with the lowest loss: {against}."

    return {
        "bands": _chart(f"r{number}", f"Forecasts at {100 * level:g} %, and what came", bands, WIDE, _RIGHT),
        "charts": [
            _chart(f"r{number}-b", "Breaches beyond those expected, added up", breaches, HALF, _LABELS),
            _chart(f"r{number}-l", "Loss saved against the best classical method, added up", losses, HALF, _LABELS),
        ],
    }


def _chart(key: str, title: str, draw: Callable[[Axes], str], size: tuple[float, float], right: float) -> Chart:
    """Draw one panel, or say why it cannot be drawn."""
    try:
        with new_figure(size=size) as (figure, axes):
            caption = draw(axes[0])
            frame(figure, axes[0], right=right, bottom=_BOTTOM)
        return Chart(title, caption, inline(figure, key, f"{title}. {caption}"))
    except DataError as error:
        return Chart(title, "", reason=str(error))
