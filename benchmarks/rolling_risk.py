"""Protocol R: VaR and ES forecast at every date from what was known before it, and held against what came.

    python benchmarks/rolling_risk.py [--panels sp] [--models GJR-skewt ... tsgan] [--seeds 1] [--horizon 1]
                                      [--refit DAYS] [--samples 10000] [--quick] [--jobs 1] [--summary]
                                      [--out benchmarks/results/rolling_risk]

Panels: sp, the S&P 500 from 2000-01-03 to 2019-12-31, classical methods fitted to the last 2,500 days every 20 days and
models of ours every 250; sp early, the same from 1960 to 1999, on which choices of the model were made; etf and fx,
each asset alone, fitted to the last 2,000 and 2,500 days every 250 days from the first date that has so many before it.
"tsgan together" and "tsgan warm start together" are fitted to all series of a panel at once. --refit gives another
number of days to all. Over one day the figures are exact; over --horizon 10 they come from --samples draws at every
date, and dates overlap.

Forecasts are kept in --out, one file a (panel, series, model, seed, horizon, draws, refit), and what is there is not
computed again; --summary computes nothing. --quick takes 4 of the 18 ETFs and 4 of the 16 fx series. Prints Markdown.
Reads the tidy daily files in the folder TSGAN_DATA (default: beside the repository).

FZ0 is that of returns in %, the mean over dates of the daily mean over series, so that a date counts once; t is that of
Diebold and Mariano against the GJR skew-t. --seeds are those of models of ours. Several have a row each; one of mean
scores, in which a date's loss is the mean over the seeds; and one of seeds pooled, a forecaster of its own, whose VaR
and ES are the means over the seeds. The 90 % model confidence sets are those of the classical methods and one row of
ours; classical methods are marked by the set with the last row. The simulated p-values of the dynamic quantile test are
Holm's over the three levels. Over several days all tests allow for the overlap.

Filtered simulation has 4.95 / 2.50 / 1.13 % of breaches where 4.85 / 2.48 / 1.09 % are printed, since its residuals are
standardised here, which long paths need. With residuals as fitted the printed figures come out.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from generators import MODELS as ALONE
from generators import unfitted
from heldout import FOLDER, QUICK
from heldout import PANELS as HELD_OUT
from records import markdown, work

from tsgan import TSGAN
from tsgan.datasets import read_prices
from tsgan.errors import TrainingWarning
from tsgan.evaluation import BASELINES, fz0, rolling_forecasts
from tsgan.evaluation.risk.backtests import Simulation, acerbi_szekely, conditional_coverage, dynamic_quantile, holm
from tsgan.evaluation.risk.comparisons import diebold_mariano, model_confidence_set

OUT = Path(__file__).parent / "results" / "rolling_risk"
SP_DATES = {"sp": ("2000-01-03", "2019-12-31"), "sp early": ("1960-01-04", "1999-12-31")}
PANELS = {**HELD_OUT, "sp early": HELD_OUT["sp"]}
TOGETHER = {f"{model} together": model for model in ALONE}
"""Those fitted to a whole panel, and what each of them is"""
MODELS = {model: model for model in ALONE} | TOGETHER
LEVELS = (0.05, 0.025, 0.01)
REFERENCE = "GJR-skewt"
CLASSICAL = (REFERENCE, "FHS GJR-skewt", "EGARCH-skewt", "GARCH-normal", "historical 250")
SET_SIZE = 0.10

CHECKED = ("FZ0", "breaches, %", "dynamic quantile")
PUBLISHED = {  # what the protocol prints for those at the levels
    "GJR-skewt": ((0.7747, 0.9512, 1.1662), (5.07, 2.60, 0.93), (0.037, 0.157, 0.375)),
    "FHS GJR-skewt": ((0.7766, 0.9582, 1.1735), (4.85, 2.48, 1.09), (0.102, 0.022, 0.344)),
    "EGARCH-skewt": ((0.7832, 0.9713, 1.1933), (5.13, 2.76, 1.09), (0.007, 0, 0.001)),
    "GARCH-normal": ((0.8135, 1.0268, 1.2983), (5.59, 3.68, 1.91), (0.001, 0, 0)),
    "historical 250": ((0.9346, 1.1473, 1.4038), (5.41, 3.34, 1.63), (0, 0, 0)),
    **dict.fromkeys(MODELS, ((0.7672, 0.9394, 1.1452), (4.61, 2.54, 0.99), (0.104, 0, 0.066))),  # their prototype
}


class Series(NamedTuple):
    """One series of a panel, with the first date to forecast."""

    panel: str
    name: str
    prices: pd.DataFrame
    start: pd.Timestamp


class Task(NamedTuple):
    """Forecasts by one model, of one series or of all of a panel."""

    all_series: list[Series]
    model: str
    seed: int
    horizon: int
    refit: int
    samples: int

    def files(self, folder: Path) -> dict[str, Path]:
        """Name of a series -> where its forecasts are kept."""
        steps = f"horizon {self.horizon}" + (f" draws {self.samples}" if self.horizon > 1 else "")
        name = f"{self.model} seed {self.seed} {steps} refit {self.refit}"
        file = f"{re.sub('[^a-z0-9]+', '-', name.lower())}.parquet"
        return {series.name: folder / series.panel / series.name / file for series in self.all_series}


def main() -> None:
    options = parse()
    panels = {panel: load(panel, options) for panel in options.panels}
    if not options.summary:
        todo = [t for t in tasks(panels, options) if not all(file.exists() for file in t.files(options.out).values())]
        for _ in work([partial(forecast, task, options.out) for task in todo], options.jobs):
            pass  # each keeps its own file
    known = [read_panel(all_series, options) for all_series in panels.values()]
    print(summary(known, options.horizon, check=options.horizon == 1 and not options.refit))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--panels", nargs="+", choices=PANELS, default=["sp"])
    parser.add_argument("--models", nargs="+", choices=(*BASELINES, *MODELS), default=[*CLASSICAL, *ALONE])
    parser.add_argument("--seeds", type=int, default=1, help="of each model of ours")
    parser.add_argument("--horizon", type=int, default=1, help="days ahead")
    parser.add_argument("--refit", type=int, help="days between fits, of all models")
    parser.add_argument("--samples", type=int, default=10_000, help="draws at each date, over several days")
    parser.add_argument("--quick", action="store_true", help="4 series of a panel")
    parser.add_argument("--jobs", type=int, default=1, help="forecasts at once, one thread each")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--summary", action="store_true", help="only print what --out holds")
    options = parser.parse_args()
    if options.quick and not TOGETHER.keys().isdisjoint(options.models):
        parser.error("models fitted to a whole panel need all of it: leave out --quick")
    models = dict.fromkeys((REFERENCE, *options.models))  # the others are compared with it
    options.models = sorted(models, key=lambda model: list(MODELS).index(model) if model in MODELS else -1)
    return options


# data and forecasts ---------------------------------------------------------------------------------------------------


def load(panel: str, options: argparse.Namespace) -> list[Series]:
    file, train = PANELS[panel]
    prices = read_prices(FOLDER / f"{file}.csv")
    if panel in SP_DATES:
        start, end = map(pd.Timestamp, SP_DATES[panel])
        prices = prices.loc[:end]
    else:
        start = prices.index[train + options.horizon]
    names = [name for name in prices if panel in SP_DATES or not options.quick or name in QUICK[panel]]
    return [Series(panel, name, prices[[name]], start) for name in names]


def tasks(panels: dict[str, list[Series]], options: argparse.Namespace) -> list[Task]:
    """All that is asked for, models of ours last."""
    return [
        task_of(fitted, model, seed, options)
        for model in options.models
        for seed in seeds_of(model, options)
        for all_series in panels.values()
        for fitted in ([all_series] if model in TOGETHER else [[series] for series in all_series])
    ]


def seeds_of(model: str, options: argparse.Namespace) -> range:
    return range(options.seeds if model in MODELS else 1)


def task_of(all_series: list[Series], model: str, seed: int, options: argparse.Namespace) -> Task:
    refit = options.refit or (20 if all_series[0].panel in SP_DATES and model not in MODELS else 250)
    return Task(all_series, model, seed, options.horizon, refit, options.samples)


def forecast(task: Task, folder: Path) -> None:
    torch.set_num_threads(1)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)  # few steps are what the warm start is
        table = rolling_forecasts(
            forecaster(task.model, task.seed),
            pd.concat([series.prices for series in task.all_series], axis=1),
            task.all_series[0].start,
            task.horizon,
            LEVELS,
            n_samples=task.samples,
            refit_every=task.refit,
            train_window=PANELS[task.all_series[0].panel][1],
            random_state=task.seed,
        )
    table.attrs["seconds"] = (time.perf_counter() - start) / len(task.all_series)
    for name, file in task.files(folder).items():
        figures = table[name] if len(task.all_series) > 1 else table
        figures.columns = [f"{figure} {level:g}" for figure, level in figures.columns]
        file.parent.mkdir(parents=True, exist_ok=True)
        figures.astype(np.float32).to_parquet(file.with_suffix(".part"))
        file.with_suffix(".part").rename(file)  # what has its name is whole


def forecaster(model: str, seed: int) -> TSGAN | str:
    if model not in MODELS:
        return model
    return unfitted(MODELS[model], seed)


# what is known of a panel ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One forecaster, a line of the tables."""

    name: str
    ours: bool
    losses: dict[float, pd.DataFrame]
    """Level -> (dates, series)"""
    figures: pd.DataFrame | None = None
    """VaR and ES in %, (dates, (figure and level, series)); None where only losses are known"""
    seconds: float | None = None
    failed: int = 0
    """Fits that failed, where the last parameters were kept"""


class Panel(NamedTuple):
    """All forecasters on the series of a panel, the reference first."""

    name: str
    came: pd.DataFrame
    """(dates, series) log returns of the horizon, in %"""
    rows: list[Row]
    inside: dict[str, pd.DataFrame]
    """Name of a row -> (series, levels), whether the model confidence set holds it"""


def read_panel(all_series: Sequence[Series], options: argparse.Namespace) -> Panel:
    came = 100 * pd.concat([np.log(series.prices).diff(options.horizon) for series in all_series], axis=1)
    rows = []
    for model in options.models:
        tables = [read_seed(all_series, model, seed, options) for seed in seeds_of(model, options)]
        rows += rows_of(model, {seed: table for seed, table in enumerate(tables) if table is not None}, came)
    name = all_series[0].panel
    if not rows or rows[0].name != REFERENCE:
        raise SystemExit(f"{options.out} does not hold all forecasts of panel {name} by {REFERENCE}")
    came = came.loc[rows[0].losses[LEVELS[0]].index]
    return Panel(name, came, rows, confidence_sets(rows, options.horizon))


def read_seed(all_series: Sequence[Series], model: str, seed: int, options: argparse.Namespace) -> pd.DataFrame | None:
    files = task_of(list(all_series), model, seed, options).files(options.out)
    missing = sum(not file.exists() for file in files.values())
    if missing:
        print(f"{model}, seed {seed}: {missing} of {len(files)} series are missing, left out", file=sys.stderr)
        return None
    tables = {name: pd.read_parquet(file) for name, file in files.items()}
    figures = 100 * pd.concat(tables, axis=1).astype(float).swaplevel(axis=1)
    figures.attrs = {
        "seconds": sum(table.attrs["seconds"] for table in tables.values()),
        "failed": sum(len(table.attrs["failed_refits"]) for table in tables.values()),
    }
    return figures


def rows_of(model: str, seeds: dict[int, pd.DataFrame], came: pd.DataFrame) -> list[Row]:
    """Rows of the seeds of a model; of several also their mean score, and the mean of their forecasts."""
    ours, several = model in MODELS, len(seeds) > 1
    rows = [
        Row(f"{model}, seed {seed}" if several else model, ours, losses(figures, came), figures, **figures.attrs)
        for seed, figures in seeds.items()
    ]
    if several:
        mean = {level: mean_of([row.losses[level] for row in rows]) for level in LEVELS}
        pooled = mean_of(list(seeds.values()))
        rows.append(Row(f"{model}, mean score of {len(seeds)} seeds", ours, mean))
        rows.append(Row(f"{model}, {len(seeds)} seeds pooled", ours, losses(pooled, came), pooled))
    return rows


def mean_of(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return sum(tables[1:], tables[0]) / len(tables)


def losses(figures: pd.DataFrame, came: pd.DataFrame) -> dict[float, pd.DataFrame]:
    y = came.loc[figures.index]
    return {
        level: pd.DataFrame(
            fz0(y, figures[f"VaR {level:g}"][y.columns], figures[f"ES {level:g}"][y.columns], level), y.index, y.columns
        )
        for level in LEVELS
    }


def confidence_sets(rows: Sequence[Row], horizon: int) -> dict[str, pd.DataFrame]:
    """Which rows are inside, series by series: each of ours among the classical ones, these beside the last row."""
    classical, ours = [row for row in rows if not row.ours], [row for row in rows if row.ours]
    sets = [confidence_set([*classical, row], horizon) for row in ours] or [confidence_set(classical, horizon)]
    own = {row.name: found for row, found in zip(ours, sets, strict=False)}
    return {row.name: own.get(row.name, sets[-1])[row.name] for row in rows}


def confidence_set(rows: Sequence[Row], horizon: int) -> dict[str, pd.DataFrame]:
    series = rows[0].losses[LEVELS[0]].columns
    inside = {row.name: pd.DataFrame(False, series, LEVELS) for row in rows}
    for name in series:
        for level in LEVELS:
            table = pd.DataFrame({row.name: row.losses[level][name] for row in rows})
            included = model_confidence_set(table, size=SET_SIZE, horizon=horizon)["included"]
            for row in rows:
                inside[row.name].loc[name, level] = included[row.name]
    return inside


def together(panels: Sequence[Panel]) -> Panel:
    """All series of several panels, with the rows that all of them have; a date has a mean over those it knows."""
    by_name = [{row.name: row for row in panel.rows} for panel in panels]
    names = [name for name in by_name[0] if all(name in rows for rows in by_name)]
    return Panel(
        " and ".join(panel.name for panel in panels),
        pd.concat([panel.came for panel in panels], axis=1, sort=True),
        [joined([rows[name] for rows in by_name]) for name in names],
        {name: pd.concat([panel.inside[name] for panel in panels]) for name in names},
    )


def joined(parts: Sequence[Row]) -> Row:
    first, failed = parts[0], sum(part.failed for part in parts)
    table = {level: pd.concat([part.losses[level] for part in parts], axis=1, sort=True) for level in LEVELS}
    seconds = None if first.seconds is None else sum(part.seconds for part in parts)
    return Row(first.name, first.ours, table, None, seconds, failed)


# tables ---------------------------------------------------------------------------------------------------------------


def summary(panels: Sequence[Panel], horizon: int, check: bool) -> str:
    many = [panel for panel in panels if panel.name not in SP_DATES]
    parts = []
    for panel in [*panels, *([together(many)] if len(many) > 1 else [])]:
        parts += [title(panel, horizon), scores_table(panel, horizon)]
        if panel.name in SP_DATES:
            tests = {row.name: tests_of(row, panel.came, horizon) for row in panel.rows if row.figures is not None}
            parts += ["P-values of tests, with the share of breaches and the statistic Z2:", tests_table(tests)]
            if check and panel.name == "sp":
                parts += ["Measured here / printed in the protocol:", check_table(panel, tests)]
    return "\n\n".join(parts)


def title(panel: Panel, horizon: int) -> str:
    series, days = panel.came.shape[1], len(panel.came)
    ahead = "1 day" if horizon == 1 else f"{horizon} days"
    levels = " / ".join(f"{100 * level:g}" for level in LEVELS)
    return f"Panel {panel.name}: {series} series, {days:,} dates, {ahead} ahead. Cells are for levels of {levels} %."


def scores_table(panel: Panel, horizon: int) -> str:
    return markdown([scores_line(row, panel, horizon) for row in panel.rows])


def scores_line(row: Row, panel: Panel, horizon: int) -> dict[str, str]:
    reference = panel.rows[0]
    against = [diebold_mariano(daily(row, a), daily(reference, a), horizon=horizon) for a in LEVELS]
    versus = {f"less {REFERENCE}'s": cells((c.difference for c in against), "+.4f")}
    versus["t"] = cells((c.statistic for c in against), ".2f")
    inside = panel.inside[row.name]
    if len(inside) > 1:
        versus["% of series better"] = cells((100 * better(row, reference, a) for a in LEVELS), ".0f")
        held = cells(100 * inside.mean(), ".0f")
    else:
        held = " / ".join("yes" if it else "no" for it in inside.iloc[0])
    return {
        "model": row.name,
        "FZ0": cells((daily(row, a).mean() for a in LEVELS), form("FZ0")),
        **{name: "" if row is reference else cell for name, cell in versus.items()},
        "% of series in the 90 % set" if len(inside) > 1 else "in the 90 % set": held,
        "seconds": "" if row.seconds is None else f"{row.seconds:,.0f}",
        "failed fits": "" if row.seconds is None else str(row.failed),
    }


def daily(row: Row, level: float) -> pd.Series:
    return row.losses[level].mean(axis=1)


def better(row: Row, reference: Row, level: float) -> float:
    return float((row.losses[level].mean() < reference.losses[level].mean()).mean())


def tests_of(row: Row, came: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Tests of one series, (levels, tests): p-values, but for the share of breaches and Z2 itself."""
    y = came.iloc[:, 0].to_numpy()
    figures = row.figures.droplevel(1, axis=1)
    lines = [tests_at(y, figures[f"VaR {a:g}"].to_numpy(), figures[f"ES {a:g}"].to_numpy(), a, horizon) for a in LEVELS]
    tests = pd.DataFrame(lines, index=LEVELS)
    tests["simulated, Holm"] = holm(tests["simulated, Holm"])
    return tests


def tests_at(y: np.ndarray, v: np.ndarray, e: np.ndarray, level: float, horizon: int) -> dict[str, float]:
    """Laws of statistics are simulated where forecasts overlap; the textbook's are wrong there."""
    simulation, hits = Simulation(horizon=horizon), y <= v
    z2 = acerbi_szekely(y, v, e, level, simulation=simulation)[1]
    coverage = conditional_coverage(hits, level, simulation=simulation if horizon > 1 else None)
    return {
        "breaches, %": 100 * hits.mean(),
        **({"dynamic quantile": dynamic_quantile(hits, v, level).p_value} if horizon == 1 else {}),
        "simulated, Holm": dynamic_quantile(hits, v, level, simulation=simulation).p_value,
        "conditional coverage": coverage.p_value,
        "Z2": z2.statistic,
        "p of Z2": z2.p_value,
    }


def tests_table(tests: dict[str, pd.DataFrame]) -> str:
    lines = [
        {"model": name, **{test: cells(values, form(test)) for test, values in table.items()}}
        for name, table in tests.items()
    ]
    return markdown(lines)


def check_table(panel: Panel, tests: dict[str, pd.DataFrame]) -> str:
    """Measured beside published, where the protocol's own days between fits are kept."""
    lines = []
    for row in panel.rows:
        model = row.name.split(",")[0]
        if row.name in tests and model in PUBLISHED:
            measured = {"FZ0": [daily(row, a).mean() for a in LEVELS], **tests[row.name]}
            pairs = {name: beside(measured[name], PUBLISHED[model][i], form(name)) for i, name in enumerate(CHECKED)}
            lines.append({"model": row.name, **pairs})
    return markdown(lines)


def form(figure: str) -> str:
    return {"FZ0": ".4f", "breaches, %": ".2f"}.get(figure, ".3f")


def beside(measured: Iterable[float], printed: Iterable[float], form: str) -> str:
    return ", ".join(f"{m:{form}} / {p:{form}}" for m, p in zip(measured, printed, strict=True))


def cells(values: Iterable[float], form: str) -> str:
    return " / ".join(f"{value:{form}}" for value in values)


if __name__ == "__main__":
    main()
