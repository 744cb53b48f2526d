"""Protocol Q: the table of Quant GAN (Wiese et al. 2020) on the S&P 500, May 2009 to 2018, with its noise band.

    python benchmarks/quantgan_table.py [--generators tsgan ...] [--seeds 1] [--jobs 1]
                                        [--out benchmarks/results/quantgan.csv] [--summary]

Every generator is fitted to the whole series and draws 500 paths of 4,000 steps, which are held against that same
series: in-sample, as published, so that a bootstrap is hard to beat and only values outside the band say something.
Rows (generator, seed, measure, distance) are appended to --out as soon as they are known, and what is there is not
computed again; --summary computes nothing. Prints Markdown: medians over seeds, bold where they lie in the band.

The band is that of a perfect generator: 5 to 95 % of the distances of 500 pseudo-histories from 500 paths of their law,
once of block bootstraps (mean block 250) of the series, which decides, and once simulated from FHS(EGARCH-skewt), which
repeats no block and is the narrower for correlations. DY(h) is the sum over 120 bins of equal real mass of |log ratio
of mass|, EMD(h) the Wasserstein-1 distance of log returns, both of overlapping h-step returns. No path is left out; the
last column is the share of paths with a move beyond twice the largest real one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from generators import GENERATORS, MODELS, REFERENCE, Sampler, block_bootstrap, fit_classical, fit_model
from heldout import correlation
from joblib import Parallel, delayed
from records import append, markdown, read

from tsgan.datasets import load
from tsgan.evaluation import measures as m
from tsgan.returns import log_returns

OUT = Path(__file__).parent / "results" / "quantgan.csv"
PATHS, STEPS = 500, 4000
LAGS, BINS = 250, 120
HORIZONS = (1, 5, 20, 100)
FLOOR_SEED = 10**6  # far from the seeds of the oracle's paths
KEY = ["generator", "seed", "measure"]
BANDS = ("block bootstrap", REFERENCE)
LEVELS = (0.05, 0.5, 0.95)
EXTREME = "paths beyond 2× the real extreme"
PUBLISHED = {  # of the TCN, the best of the paper; its EMD is in other units
    "ACF(r)": 0.0212, "ACF(|r|)": 0.0248, "ACF(r²)": 0.0214, "leverage": 0.3291,
    "DY(1)": 19.1, "DY(5)": 21.1, "DY(20)": 26.3, "DY(100)": 28.1,
}  # fmt: skip


def main() -> None:
    options = parse()
    prices = load("sp500").loc["2009-05-01":"2018-12-31"]
    if not options.summary:
        tasks = list(missing(options, prices, read(options.out, KEY)))
        start = time.perf_counter()
        results = Parallel(options.jobs, return_as="generator_unordered")(delayed(task)() for task in tasks)
        for done, rows in enumerate(results, 1):
            append(options.out, rows)
            print(f"{done}/{len(tasks)} after {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    print(summary(read(options.out, KEY)))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generators", nargs="+", choices=GENERATORS, default=list(GENERATORS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="generators at once, one thread each")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--summary", action="store_true", help="only print what --out holds")
    return parser.parse_args()


def missing(
    options: argparse.Namespace, prices: pd.DataFrame, known: pd.DataFrame
) -> Iterator[Callable[[], pd.DataFrame]]:
    """Pieces of work that are not in the file."""
    done = set(zip(known.generator, known.seed, strict=True))
    for law in BANDS:
        if (band_name(law, LEVELS[0]), 0) not in done:
            yield partial(band, prices, law)
    for name in (*options.generators, "oracle"):
        seeds = [seed for seed in range(options.seeds) if (name, seed) not in done]
        if seeds and name not in MODELS:
            yield partial(judge_classical, prices, name, seeds)
    for name in (name for name in MODELS if name in options.generators):
        for seed in range(options.seeds):
            if (name, seed) not in done:
                yield partial(judge_model, prices, name, seed)


def judge_classical(prices: pd.DataFrame, name: str, seeds: Sequence[int]) -> pd.DataFrame:
    sampler = block_bootstrap(real_returns(prices)) if name == "oracle" else fit_classical(prices, [name])[name]
    return pd.concat([judge(prices, name, sampler, seed) for seed in seeds])


def judge_model(prices: pd.DataFrame, name: str, seed: int) -> pd.DataFrame:
    return judge(prices, name, fit_model(prices, name, seed), seed)


def judge(prices: pd.DataFrame, name: str, sampler: Sampler, seed: int) -> pd.DataFrame:
    real, paths = real_returns(prices), sampler(PATHS, STEPS, seed)
    values = {measure: float(value[0]) for measure, value in distances(real[None, :, None], paths).items()}
    values[EXTREME] = float((np.abs(paths).max(axis=1) > 2 * np.abs(real).max()).mean())
    return rows(name, seed, values)


def band(prices: pd.DataFrame, law: str) -> pd.DataFrame:
    """Distances of 500 pseudo-histories, side by side as if they were assets, from 500 paths of their law."""
    real = real_returns(prices)
    sampler = block_bootstrap(real) if law == BANDS[0] else fit_classical(prices, [law])[law]
    histories = sampler(PATHS, len(real), FLOOR_SEED).transpose(2, 1, 0)
    values = distances(histories, sampler(PATHS, STEPS, 0))
    quantiles = {level: {k: float(np.quantile(v, level)) for k, v in values.items()} for level in LEVELS}
    return pd.concat([rows(band_name(law, level), 0, q) for level, q in quantiles.items()])


def band_name(law: str, level: float) -> str:
    return f"band {law} {level}"


def real_returns(prices: pd.DataFrame) -> np.ndarray:
    return log_returns(prices.to_numpy())[:, 0]


def rows(generator: str, seed: int, values: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame([(generator, seed, *item) for item in values.items()], columns=[*KEY, "distance"])


# measures -------------------------------------------------------------------------------------------------------------


def distances(real: np.ndarray, paths: np.ndarray) -> dict[str, np.ndarray]:
    """Measure -> (histories,) distances of the paths (paths, steps, 1) from each history (1, time, histories)."""
    values = {}
    for name, x in {"ACF(r)": lambda r: r, "ACF(|r|)": np.abs, "ACF(r²)": np.square}.items():
        values[name] = m.rms_difference(*(correlation(x(r), x(r), LAGS) for r in (real, paths)))
    values["leverage"] = m.norm_difference(*(correlation(r, r**2, LAGS) for r in (real, paths)))
    for steps in HORIZONS:
        values[f"DY({steps})"] = density_distance(m.h_step(real, steps)[0].T, m.h_step(paths, steps).ravel())
    for steps in HORIZONS:
        x, y = (m.law(r, steps)[:, :-1] for r in (real, paths))
        values[f"EMD({steps})"] = np.abs(x - y).mean(axis=1)
    return values


def density_distance(real: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Sum over bins of equal real mass of |log ratio of mass|: (histories, n), (values,) -> (histories,)."""
    edges = np.quantile(real, np.linspace(0, 1, BINS + 1)[1:-1], axis=1).T
    below = np.searchsorted(np.sort(generated), edges)
    mass = np.diff(below, axis=1, prepend=0, append=len(generated))
    mass = np.maximum(mass, 0.5) / len(generated)  # an empty bin has no logarithm
    return np.asarray(np.abs(np.log(mass * BINS)).sum(axis=1))


# summary --------------------------------------------------------------------------------------------------------------


def summary(known: pd.DataFrame) -> str:
    table = known.groupby(["generator", "measure"]).distance.median().unstack()
    measures = [name for name in known.measure.unique() if name != EXTREME]
    lines = []
    for law in BANDS:
        low, middle, high = (table.loc[band_name(law, level)] for level in LEVELS)
        cells = {k: f"{middle[k]:.3g} [{low[k]:.3g} – {high[k]:.3g}]" for k in measures}
        lines.append({"generator": f"noise band, {law}"} | cells | {EXTREME: ""})
    high = table.loc[band_name(BANDS[0], LEVELS[-1])]
    published = {k: f"{PUBLISHED[k]:.4g}" if k in PUBLISHED else "" for k in measures}
    lines.append({"generator": "Quant GAN, published"} | published | {EXTREME: ""})
    for name in (name for name in (*GENERATORS, "oracle") if name in table.index):
        values = {k: f"{table.loc[name, k]:.3g}" for k in measures}
        inside = {k: f"**{v}**" if table.loc[name, k] <= high[k] else v for k, v in values.items()}
        lines.append({"generator": name} | inside | {EXTREME: f"{table.loc[name, EXTREME]:.2%}"})
    seeds = known.seed.nunique()
    return f"Quant GAN's table: medians over {seeds} seed{'s' * (seeds > 1)}.\n\n" + markdown(lines)


if __name__ == "__main__":
    main()
