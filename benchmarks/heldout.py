"""Protocol H: paths from models fitted to the past, held against the years that followed, on 46 daily series.

    python benchmarks/heldout.py [--quick] [--panels sp etf fx] [--generators tsgan ...] [--seeds 1] [--jobs 1]
                                 [--out benchmarks/results/heldout.csv] [--summary]

Every generator is fitted to the training days of each series alone and draws 200 unconditional paths of the test's
length; 14 measures hold them against the test days. Rows (panel, series, generator, seed, measure, distance) are
appended to --out as soon as they are known, and what is there is not computed again; --summary computes nothing.
--quick takes 11 series, chosen once. Prints Markdown. Reads the tidy daily files in the folder TSGAN_DATA (default:
beside the repository).

A distance is one of the test days from all paths pooled, or, for correlations, from the mean over paths. Where the
protocol leaves it open, its printed numbers decide: correlations at a lag divide by the number of their terms, sums
over days overlap, filtered simulations draw standardised residuals, Hill's measure is the difference of 1 / index of
the largest 2.5 % of losses (docs/experiments.md says what they do not decide, and which of them are not met).

Every series has random numbers of its own: with one stream for all, the same chance befalls every series.

Panels: sp, the S&P 500 in 12 folds of 2,500 training and 1,250 test days, test windows back to back from December 1959
to 2019; etf and fx, each asset with 2,000 and 2,500 training days, tested on the rest.

The floor is the median distance between two samples of one law: of 200 pseudo-histories, block bootstraps (mean block
250) of the test days, from 200 such paths. The oracle is the same bootstrap of the test days held against the test days
themselves: it knows the answer.
"""

from __future__ import annotations

import argparse
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from generators import GENERATORS, MODELS, OPPONENTS, REFERENCE, Sampler, block_bootstrap, fit_classical, fit_model
from records import append, markdown, read, work

from tsgan.datasets import read_prices
from tsgan.evaluation import measures as m
from tsgan.returns import log_returns

FOLDER = Path(os.environ.get("TSGAN_DATA", Path(__file__).parents[2] / "shared" / "data"))
OUT = Path(__file__).parent / "results" / "heldout.csv"
PANELS = {"sp": ("sp500_daily", 2500), "etf": ("etf_panel_daily", 2000), "fx": ("fx_energy_daily", 2500)}
FOLDS, FOLD_TEST = 12, 1250
QUICK = {  # the crises of 1987, 2008 and neither; shares, government bonds, credit; majors, a carry currency, energy
    "sp": ("1964", "1984", "2004"),
    "etf": ("IJT", "SOXX", "TLT", "EMB"),
    "fx": ("EUR", "JPY", "BRL", "BRENT"),
}
PATHS = 200
FLOOR_SEED = 10**6  # far from the seeds of the oracle's paths
KEY = ["panel", "series", "generator", "seed", "measure"]


def correlation(x: np.ndarray, y: np.ndarray, lags: int) -> np.ndarray:
    """Correlation of x_t with y_{t+k}, k = 1 ... lags, mean over paths: sums divided by their number of terms."""
    return m.mean_cross_correlation(x, y, lags) * x.shape[1] / (x.shape[1] - np.arange(1, lags + 1))


Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]
MEASURES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Distance]] = {
    "W1": (partial(m.law, steps=1), m.wasserstein),
    "W5": (partial(m.law, steps=5), m.wasserstein),
    "W20": (partial(m.law, steps=20), m.wasserstein),
    "S1": (partial(m.law, steps=1), m.standardised_wasserstein),
    "S20": (partial(m.law, steps=20), m.standardised_wasserstein),
    "ACF(r)": (lambda r: correlation(r, r, 20), m.rms_difference),
    "ACF(|r|)": (lambda r: correlation(np.abs(r), np.abs(r), 100), m.rms_difference),
    "ACF(r²)": (lambda r: correlation(r**2, r**2, 100), m.rms_difference),
    "leverage": (lambda r: correlation(r, r**2, 50), m.norm_difference),
    "sd": (m.volatility, m.log_ratio),
    "ES97.5": (partial(m.expected_shortfall, level=0.025, steps=1), partial(m.log_ratio, sign=-1)),
    "ES99": (partial(m.expected_shortfall, level=0.01, steps=1), partial(m.log_ratio, sign=-1)),
    "ES97.5 10d": (partial(m.expected_shortfall, level=0.025, steps=10), partial(m.log_ratio, sign=-1)),
    "Hill": (lambda r: 1 / m.hill_index(r, side=-1), m.rms_difference),
}

PUBLISHED = {  # mean distances on the S&P folds, in the order of PUBLISHED_MEASURES
    "EGARCH-skewt": (0.163, 0.285, 0.0685, 0.318, 0.234, 0.255, 0.290),
    "FHS EGARCH-skewt": (0.155, 0.279, 0.0681, 0.322, 0.236, 0.262, 0.299),
    "stationary bootstrap 100": (0.164, 0.248, 0.0730, 0.351, 0.243, 0.295, 0.353),
}
PUBLISHED_MEASURES = ("W1", "W20", "ACF(|r|)", "leverage", "sd", "ES97.5", "ES97.5 10d")
PUBLISHED_RANKS = dict(
    zip(
        ("EGARCH-skewt", "FHS EGARCH-skewt", "GJR-skewt", "FHS GJR-skewt", "stationary bootstrap 20",
         "stationary bootstrap 100", "stationary bootstrap 250", "GARCH-normal", "GARCH-t", "historical", "normal",
         "historical 250"),
        ((5.02, 0.984), (5.07, 1), (5.55, 1.100), (5.62, 1.104), (6.29, 1.153), (6.34, 1.155), (6.83, 1.187),
         (6.38, 1.212), (6.47, 1.206), (6.77, 1.208), (8.03, 1.411), (9.63, 2.277)),
        strict=True,
    )
)  # fmt: skip


class Series(NamedTuple):
    """One series of a panel, cut in two."""

    panel: str
    name: str
    prices: pd.DataFrame
    """Training prices, one column"""
    test: np.ndarray
    """(time,) log returns of the test days"""


def main() -> None:
    options = parse()
    known = read(options.out, KEY)
    if not options.summary:
        for rows in work(list(missing(options, known)), options.jobs):
            append(options.out, rows)
        known = read(options.out, KEY)
    wanted = {(s.panel, s.name) for s in chosen(options)}
    print(summary(known[[pair in wanted for pair in zip(known.panel, known.series, strict=True)]]))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="11 series instead of 46")
    parser.add_argument("--panels", nargs="+", choices=PANELS, default=list(PANELS))
    parser.add_argument("--generators", nargs="+", choices=GENERATORS, default=list(GENERATORS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="series at once, one thread each")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--summary", action="store_true", help="only print what --out holds")
    options = parser.parse_args()
    options.generators = list(dict.fromkeys((REFERENCE, *options.generators)))  # the others are relative to it
    return options


# data -----------------------------------------------------------------------------------------------------------------


def chosen(options: argparse.Namespace) -> Iterator[Series]:
    for panel in options.panels:
        for series in load_panel(panel):
            if not options.quick or series.name in QUICK[panel]:
                yield series


def load_panel(panel: str) -> Iterator[Series]:
    file, train = PANELS[panel]
    prices = read_prices(FOLDER / f"{file}.csv")
    if panel == "sp":
        for first in range(0, FOLDS * FOLD_TEST, FOLD_TEST):
            part = prices.iloc[first : first + train + FOLD_TEST + 1]
            yield cut(panel, str(part.index[train + 1].year), part, train)
    else:
        for name in prices.columns:
            yield cut(panel, name, prices[[name]], train)


def cut(panel: str, name: str, prices: pd.DataFrame, train: int) -> Series:
    return Series(panel, name, prices.iloc[: train + 1], log_returns(prices.to_numpy()[train:])[:, 0])


# work -----------------------------------------------------------------------------------------------------------------


def missing(options: argparse.Namespace, known: pd.DataFrame) -> Iterator[Callable[[], pd.DataFrame]]:
    """Pieces of work that are not in the file: quick ones of all series first, models of ours last."""
    done = {key for key, rows in known.groupby(KEY[:4]) if len(rows) == len(MEASURES)}
    classical = [name for name in options.generators if name not in MODELS]
    all_series = list(chosen(options))
    for s in all_series:
        keys = [(name, seed) for name in (*classical, "oracle") for seed in range(options.seeds)] + [("floor", 0)]
        todo = [key for key in keys if (s.panel, s.name, *key) not in done]
        if todo:
            yield partial(judge_classical, s, todo)
    for name in (name for name in MODELS if name in options.generators):
        for seed in range(options.seeds):
            for s in all_series:
                if (s.panel, s.name, name, seed) not in done:
                    yield partial(judge_model, s, name, seed)


def judge_classical(series: Series, keys: Sequence[tuple[str, int]]) -> pd.DataFrame:
    samplers = fit_classical(series.prices, list({name for name, _ in keys}))
    samplers["oracle"] = block_bootstrap(series.test)
    tables = [floor(series) if name == "floor" else judge(series, name, samplers[name], seed) for name, seed in keys]
    return pd.concat(tables)


def judge_model(series: Series, name: str, seed: int) -> pd.DataFrame:
    return judge(series, name, fit_model(series.prices, name, seed), seed)


def judge(series: Series, name: str, sampler: Sampler, seed: int) -> pd.DataFrame:
    paths = sampler(PATHS, len(series.test), stream(series, seed))
    return rows(series, name, seed, distances(series.test[None, :, None], paths))


def floor(series: Series) -> pd.DataFrame:
    """Median distance of 200 pseudo-histories, side by side as if they were assets, from 200 paths of their law."""
    sampler, steps = block_bootstrap(series.test), len(series.test)
    histories = sampler(PATHS, steps, stream(series, FLOOR_SEED)).transpose(2, 1, 0)
    return rows(series, "floor", 0, distances(histories, sampler(PATHS, steps, stream(series, 0))))


def stream(series: Series, seed: int) -> int:
    """Seed of a series' paths: its own."""
    return zlib.crc32(f"{series.panel} {series.name} {seed}".encode())


def distances(real: np.ndarray, paths: np.ndarray) -> dict[str, float]:
    """Median over the real histories, (1, time, histories), of the distances of the paths from each."""
    return {
        name: float(np.median(distance(statistic(real), statistic(paths))))
        for name, (statistic, distance) in MEASURES.items()
    }


def rows(series: Series, generator: str, seed: int, values: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame(
        [(series.panel, series.name, generator, seed, *item) for item in values.items()], columns=[*KEY, "distance"]
    )


# summary --------------------------------------------------------------------------------------------------------------


def summary(known: pd.DataFrame) -> str:
    distance = known.pivot(index=["panel", "series", "seed", "measure"], columns="generator", values="distance")
    floors = distance.pop("floor").groupby(level=[0, 1, 3]).first()
    floors = floors.reindex(distance.index.droplevel("seed")).to_numpy()
    shown = [name for name in (*GENERATORS, "oracle") if name in distance]
    seeds, series = distance.index.unique("seed").size, distance.groupby(level=[0, 1]).ngroups
    title = f"Held-out paths: {series} series, {seeds} seed{'s' * (seeds > 1)}, distances relative to {REFERENCE}."
    parts = [title, main_table(distance, floors, shown), "Ratio per measure, all panels:", per_measure(distance, shown)]
    if all(name in distance for name in OPPONENTS):
        parts += ["Measured here / printed in the protocol:", check_table(distance)]
    return "\n\n".join(parts)


def main_table(distance: pd.DataFrame, floors: np.ndarray, shown: list[str]) -> str:
    """Ranks among the twelve opponents, of others among the twelve and themselves; ratios to the reference."""
    logs = log_ratios(distance)
    floored = log_ratios(distance.clip(lower=pd.Series(floors, distance.index), axis=0))
    panels = [panel for panel in PANELS if panel in distance.index.unique("panel")]
    lines = []
    for name in shown:
        values, places = logs[name].dropna(), ranks(distance, name)
        lines.append(
            {
                "generator": name,
                "series": str(values.groupby(level=["panel", "series"]).ngroups),
                "mean rank": f"{places.mean():.2f}",
                "rank " + " / ".join(panels): slashed(places, panels, 2),
                "ratio " + " / ".join(panels): slashed(values, panels, 3, np.exp),
                "pooled ratio": f"{np.exp(values.mean()):.3f}",
                "95 % interval": interval(values),
                "floored ratio": f"{np.exp(floored[name].mean()):.3f}",
            }
        )
    return markdown(lines)


def ranks(distance: pd.DataFrame, name: str) -> pd.Series:
    """Rank of a generator among the opponents, where all that the file holds are known: 1 is the smallest distance."""
    opponents = [other for other in OPPONENTS if other in distance and other != name]
    known = distance[[*opponents, name]].dropna()
    return 1 + known[opponents].lt(known[name], axis=0).sum(axis=1)


def log_ratios(distance: pd.DataFrame) -> pd.DataFrame:
    logs = np.log(distance)
    return logs.sub(logs[REFERENCE], axis=0)


def interval(logs: pd.Series) -> str:
    """95 % interval of the geometric mean when series, with all their seeds, are drawn again within their panels."""
    sums = logs.groupby(level=["panel", "series"]).agg(["sum", "size"])
    if sums.groupby(level="panel").size().min() < 2:
        return ""
    rng, total = np.random.default_rng(0), np.zeros((2000, 2))
    for _, panel in sums.groupby(level="panel"):
        total += panel.to_numpy()[rng.integers(len(panel), size=(2000, len(panel)))].sum(axis=1)
    low, high = np.quantile(np.exp(total[:, 0] / total[:, 1]), [0.025, 0.975])
    return f"{low:.3f} – {high:.3f}"


def per_measure(distance: pd.DataFrame, shown: list[str]) -> str:
    table = np.exp(log_ratios(distance)[shown].groupby(level="measure").mean()).T[list(MEASURES)]
    return markdown([{"generator": g, **{k: f"{v:.3f}" for k, v in row.items()}} for g, row in table.iterrows()])


def check_table(distance: pd.DataFrame) -> str:
    """Published beside measured; mean ranks and ratios need all 46 series."""
    ratios = np.exp(log_ratios(distance).mean())
    means = distance[distance.index.get_level_values("panel") == "sp"].groupby(level="measure").mean()
    lines = []
    for name, (rank, ratio) in PUBLISHED_RANKS.items():
        line = {"generator": name, "rank": f"{ranks(distance, name).mean():.2f} / {rank}"}
        line["ratio"] = f"{ratios[name]:.3f} / {ratio}"
        for k, measure in enumerate(PUBLISHED_MEASURES):
            known = name in PUBLISHED and measure in means.index
            line[f"{measure} sp"] = f"{means.loc[measure, name]:.4f} / {PUBLISHED[name][k]}" if known else ""
        lines.append(line)
    return markdown(lines)


def slashed(values: pd.Series, panels: list[str], digits: int, unit: Callable[[float], float] = float) -> str:
    means = values.groupby(level="panel").mean()
    return " / ".join(f"{unit(means[panel]):.{digits}f}" if panel in means else "" for panel in panels)


if __name__ == "__main__":
    main()
