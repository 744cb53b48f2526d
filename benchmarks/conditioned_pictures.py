"""Pictures of protocol C for docs/pictures: fans of prices by condition, calibration, ranks, laws of the process."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from conditioned import MAIN, cases_of, fitted, unfitted
from conditioned_laws import EXACT_PATHS, PROCESS_PATHS, PROCESS_STEPS, WORLDS, exact, make_history
from conditioned_paths import LENGTHS, MULTIPLES, PLAIN, PLAIN_SEED
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from PIL import Image

from tsgan.errors import TrainingWarning
from tsgan.evaluation.plots import MEDIAN, REAL, REFERENCE, STYLE, SYNTHETIC

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
DOTS_PER_INCH, COLOURS = 110, 160
FANS: dict[str, dict[str, Any]] = {
    "nothing asked": {},
    "volatility = 0.10": {"condition": {"volatility": 0.10}},
    "volatility = 0.40": {"condition": {"volatility": 0.40}},
    "regime = stressed": {"condition": {"regime": "stressed"}},
    "return <= -0.20": {"condition": {"return": (None, -0.2)}},
    "like = gfc (2007-10-09 to 2009-03-09)": {"like": "gfc"},
}
OUTER, INNER = "#CFE2F0", "#8ABADB"  # of the fans, lighter shades of the synthetic colour
PANELS = (("category", "calm"), ("category", "wild"), ("category", "not known"), ("two", "news 1"))
TITLES = ("state given: calm", "state given: wild", "state not known", "news held at 1")
RANKED = ("tsgan, yearly", "GJR-skewt, yearly", "tsgan, no history")


def draw(steps: int, known: pd.DataFrame) -> None:
    """Write all pictures; those of numbers that are not known are left out."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    parts = dict(list(known.groupby("part")))
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)
        save(fans(steps), "fans")
        if {"calibration", "events"} <= set(parts):
            save(calibration(parts["calibration"], parts["events"]), "calibration")
        if "pit" in parts:
            save(ranks(parts["pit"]), "ranks")
        save(laws(steps), "process")


def save(figure: Figure, name: str) -> None:
    """With so few colours that the file is small."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DOTS_PER_INCH)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(COLOURS)
    picture.save(FOLDER / f"{name}.png", optimize=True)


def panels(rows: int, columns: int, size: tuple[float, float], **shared: bool) -> tuple[Figure, Any]:
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def legend_below(figure: Figure, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


# fans -----------------------------------------------------------------------------------------------------------------


def fans(steps: int) -> Figure:
    """Value of 100 invested, for each condition."""
    model = fitted(MAIN, steps)
    figure, axes = panels(2, 3, (10, 6.2), sharex=True, sharey=True)
    for axis, (title, asked) in zip(axes.flat, FANS.items(), strict=True):
        paths = model.sample(1000, 252, start_price=100.0, random_state=0, **asked)
        fan(axis, np.insert(paths.prices[:, :, 0], 0, 100.0, axis=1))
        axis.set_title(title)
    value_axis(axes[0, 0])
    for axis in axes[:, 0]:
        axis.set_ylabel("value of 100, logarithmic")
    for axis in axes[1]:
        axis.set_xlabel("trading days")
    legend_below(figure, axes[0, 0])
    figure.suptitle("S&P 500: 1,000 synthetic years for each of six conditions", x=0.01, ha="left")
    return figure


def fan(axis: Axes, values: np.ndarray) -> None:
    days = np.arange(values.shape[1])
    low, quarter, middle, three, high = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95), axis=0)
    axis.fill_between(days, low, high, color=OUTER, lw=0, label="5 to 95 % of the paths")
    axis.fill_between(days, quarter, three, color=INNER, lw=0, label="25 to 75 %")
    for k, path in enumerate(values[:3]):
        axis.plot(days, path, color=REAL, lw=0.6, label="three paths" if k == 0 else None)
    axis.plot(days, middle, color=MEDIAN, lw=2, label="median")


def value_axis(axis: Axes) -> None:
    axis.set_yscale("log")
    axis.set_ylim(32, 190)
    axis.yaxis.set_major_locator(FixedLocator([35, 50, 70, 100, 140]))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_xlim(0, 252)


# calibration ----------------------------------------------------------------------------------------------------------


def calibration(volatilities: pd.DataFrame, events: pd.DataFrame) -> Figure:
    """What was asked for against what came, and told probabilities against shares of plain paths."""
    figure, axes = panels(1, 2, (10, 4.9))
    draw_volatilities(axes[0, 0], volatilities)
    draw_probabilities(axes[0, 1], events)
    return figure


def draw_volatilities(axis: Axes, known: pd.DataFrame) -> None:
    asked = np.array(MULTIPLES)
    axis.fill_between(asked, 0.95 * asked, 1.05 * asked, color=REFERENCE, alpha=0.35, lw=0, label="within 5 %")
    means = known[known.measure == "ratio"]
    case = means.case.str.split(" ")
    for length, marker, size in zip(LENGTHS, ("x", "o"), (6, 11), strict=True):
        mine = means[case.str[0] == str(length)]
        x = case[mine.index].str[1].astype(float)
        name = f"{mine.series.nunique()} series, paths of {length} steps"
        axis.plot(x, x * mine.value, marker, mfc="none", color=SYNTHETIC, ms=size, label=name)
    for side in ("x", "y"):
        log_axis(axis, side, MULTIPLES)
    worst = 100 * known[known.measure == "worst"].value.max()
    axis.set_xlabel("volatility asked for, times the sample's own")
    axis.set_ylabel("mean volatility of the paths, times the sample's own")
    axis.set_title(f"Volatility: the farthest of all paths is off by {worst:.1f} %")
    axis.legend(loc="upper left")


def draw_probabilities(axis: Axes, known: pd.DataFrame) -> None:
    plain = known[(known.seed == PLAIN_SEED) & (known.measure == "probability")].set_index("case")["value"]
    cases = [(case, values) for _, case, values in cases_of(known[known.seed == 0])]
    ends = np.array([0.07, 45])
    axis.plot(ends, ends, color=REFERENCE, lw=1)
    for method, colour, marker, splitting in (("waiting", SYNTHETIC, "o", 0), ("splitting", MEDIAN, "s", 1)):
        mine = [(plain[case], v) for case, v in cases if v["splitting"] == splitting]
        if not mine:
            continue
        x, y, low, high = (
            100 * np.array(a) for a in zip(*[(p, v["probability"], v["low"], v["high"]) for p, v in mine], strict=True)
        )
        axis.errorbar(
            x, y, (y - low, high - y), fmt=marker, color=colour, mfc="none", ms=6, capsize=4, lw=1.5,
            label=f"paths by {method}, 95 % interval",
        )  # fmt: skip
    for place, (case, _) in enumerate(sorted(cases, key=lambda item: plain[item[0]])):
        offset, aligned = ((8, -9), "left") if place % 2 == 0 else ((-8, 4), "right")
        at = (100 * plain[case], 100 * plain[case])
        axis.annotate(short(case), at, offset, textcoords="offset points", ha=aligned, fontsize=8)
    for side in ("x", "y"):
        log_axis(axis, side, (0.1, 0.3, 1, 3, 10, 30))
    axis.set_xlim(0.05, 110)
    axis.set_xlabel(f"share of {PLAIN:,} plain paths, %")
    axis.set_ylabel("probability told with 1,000 paths, %")
    axis.set_title("Probability of an event, S&P 500, 252 steps")
    axis.legend(loc="upper left")


def short(case: str) -> str:
    return (
        case.replace(", 10 steps from the last state", ", 10 steps")
        .replace("<=", " ≤ ")
        .replace(">=", " ≥ ")
        .replace("-", "−")
    )


def log_axis(axis: Axes, side: str, ticks: tuple[float, ...]) -> None:
    (axis.set_xscale if side == "x" else axis.set_yscale)("log")
    mine = axis.xaxis if side == "x" else axis.yaxis
    mine.set_major_locator(FixedLocator(list(ticks)))
    mine.set_minor_locator(NullLocator())
    mine.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


# ranks ----------------------------------------------------------------------------------------------------------------


def ranks(known: pd.DataFrame) -> Figure:
    """Shares of the ranks in tenths of (0, 1), for three laws of the S&P 500."""
    table = {law: values for series, law, values in cases_of(known) if series == MAIN}
    figure, axes = panels(1, len(RANKED), (10, 3.9), sharey=True)
    for axis, law in zip(axes[0], RANKED, strict=True):
        values = table[law]
        shares = 100 * np.array([values[f"decile {k}"] for k in range(1, 11)])
        error = 196 * np.sqrt(0.09 / values["dates"])
        axis.axhspan(10 - error, 10 + error, color=REFERENCE, alpha=0.35, lw=0, label="95 % of right forecasts")
        axis.bar(np.arange(10) / 10 + 0.05, shares, 0.08, color=SYNTHETIC, label="ranks")
        p = values["Berkowitz"]
        axis.set_title(
            f"{law.replace('yearly', 'fitted yearly')}\nBerkowitz p " + (f"= {p:.2f}" if p >= 0.005 else "< 0.005")
        )
        axis.set_xlabel("rank of the return in its forecast law")
    axes[0, 0].set_ylabel("share of the dates, %")
    axes[0, 0].set_ylim(0, 16)
    legend_below(figure, axes[0, 0])
    figure.suptitle(f"S&P 500: ranks of {table[RANKED[0]]['dates']:,.0f} one-day returns after 2008", x=0.01, ha="left")
    return figure


# process --------------------------------------------------------------------------------------------------------------


def laws(steps: int) -> Figure:
    """Quantiles of 20-step returns given covariates against the exact ones."""
    figure, axes = panels(1, len(PANELS), (11, 3.8))
    models: dict[str, Any] = {}
    for axis, (name, case), title in zip(axes[0], PANELS, TITLES, strict=True):
        world = WORLDS[name]
        if name not in models:
            history = make_history(world, 0)
            models[name] = unfitted(steps, 0).fit(history.prices, covariates=history.covariates), history.estimated
        model, estimated = models[name]
        condition, given = world.cases[case]
        ours = model.sample(PROCESS_PATHS, PROCESS_STEPS, condition=condition, random_state=0).returns[:, :, 0]
        samples = (exact(world, given, EXACT_PATHS, 10**6), ours, exact(world, given, PROCESS_PATHS, 10**5, estimated))
        draw_quantiles(axis, *(100 * x.sum(axis=1) for x in samples))
        axis.set_title(title)
        axis.set_xlabel("exact quantile, %")
    axes[0, 0].set_ylabel("quantile, %")
    legend_below(figure, axes[0, 0])
    figure.suptitle(
        "Quantiles (1 to 99 %) of 20-step log returns, in %, of a simulated process with two states", x=0.01, ha="left"
    )
    return figure


def draw_quantiles(axis: Axes, truth: np.ndarray, ours: np.ndarray, estimated: np.ndarray) -> None:
    levels = np.linspace(0.01, 0.99, 50)
    x = np.quantile(truth, levels)
    axis.plot(x[[0, -1]], x[[0, -1]], color=REFERENCE, lw=1, label="exact")
    axis.plot(x, np.quantile(estimated, levels), color=MEDIAN, lw=1.5, ls="--", label="true model, estimated")
    axis.plot(x, np.quantile(ours, levels), "o", color=SYNTHETIC, ms=3.5, label="tsgan")
