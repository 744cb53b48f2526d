"""Protocol Q: the table of Quant GAN (Wiese et al. 2020) on the S&P 500, May 2009 to 2018, with its noise band.

    python benchmarks/quantgan_table.py [--generators tsgan ...] [--seeds 1] [--jobs 1] [--count 10000]
                                        [--out benchmarks/results/quantgan.csv] [--summary]

Every generator is fitted to the whole series and draws 500 paths of 4,000 steps, which are held against that same
series: in-sample, as published, so that a bootstrap is hard to beat and only values outside the band say something.
Rows (generator, seed, measure, distance) are appended to --out as soon as they are known, and what is there is not
computed again; --summary computes nothing. Prints Markdown: medians over seeds, bold in the noise band, in italics
below it, where only the series' own days drawn again come.

DY(h) is the sum over 120 bins of equal real mass of |log ratio of mass|, EMD(h) the Wasserstein-1 distance of log
returns, both of overlapping h-step returns. The copy guard's share is about 1 % of new paths and most of a block
bootstrap's; its verdict is the worst of the seeds. No path is ever removed: the last column says how many of --count
paths, drawn for it, hold a day below twice the worst real one or above twice the best, which others leave out. 10,000
paths take .5 to 9 s of one thread for a classical generator, 18 s for tsgan, and .6 GiB of memory in all.

A noise band is that of a perfect generator: 5 to 95 % of the distances of 500 pseudo-histories from 500 paths of their
law. Simulated from FHS(EGARCH-skewt) its medians for the three ACF and leverage are .0218 / .0314 / .0269 / .346: the
protocol's floor, .0221 / .0310 / .0269 / .351. Block bootstraps of the series (mean block 250) give .0203 / .0290 /
.0254 / .294, less: their histories are a few long pieces of one and the same series, the more alike the longer the
blocks (ACF of r .0182 at 500 days, .0160 at 1,000). But they assume no model. So both bands are shown, and "in the
band" is the stricter: not above the upper end of either, nor below the lower end of both.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from generators import GENERATORS, MODELS, REFERENCE, Sampler, block_bootstrap, fit_classical, fit_model
from heldout import correlation
from records import append, markdown, read, work

from tsgan.datasets import load
from tsgan.evaluation import measures as m
from tsgan.evaluation.copies import copy_guard
from tsgan.returns import log_returns

OUT = Path(__file__).parent / "results" / "quantgan.csv"
PATHS, STEPS = 500, 4000
LAGS, BINS = 250, 120
HORIZONS = (1, 5, 20, 100)
FLOOR_SEED = 10**6  # far from the seeds of the oracle's paths
COUNT_SEEDS = 1000  # seed s counts with the seeds from 1000 (s + 1) on
KEY = ["generator", "seed", "measure"]
BANDS = ("block bootstrap", REFERENCE)
LEVELS = (0.05, 0.5, 0.95)
GUARD, VERDICT = "copy guard", "copy guard verdict"
INSIDE = "in the band"
VERDICTS = ("pass", "warn", "fail")  # in the file by their number
PUBLISHED = {  # of the TCN, the best of the paper; its EMD is in other units
    "ACF(r)": 0.0212, "ACF(|r|)": 0.0248, "ACF(r²)": 0.0214, "leverage": 0.3291,
    "DY(1)": 19.1, "DY(5)": 21.1, "DY(20)": 26.3, "DY(100)": 28.1,
}  # fmt: skip


def main() -> None:
    options = parse()
    prices = load("sp500").loc["2009-05-01":"2018-12-31"]
    if not options.summary:
        for rows in work(list(missing(options, prices, read(options.out, KEY))), options.jobs):
            append(options.out, rows)
    print(summary(read(options.out, KEY), options.count))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generators", nargs="+", choices=GENERATORS, default=list(GENERATORS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="generators at once, one thread each")
    parser.add_argument("--count", type=int, default=10_000, help="paths among which the extreme ones are counted")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--summary", action="store_true", help="only print what --out holds")
    return parser.parse_args()


def missing(
    options: argparse.Namespace, prices: pd.DataFrame, known: pd.DataFrame
) -> Iterator[Callable[[], pd.DataFrame]]:
    """Pieces of work that are not in the file."""
    complete = known[known.measure == extreme(options.count)]
    done = set(zip(complete.generator, complete.seed, strict=True))
    for law in BANDS:
        if band_name(law, LEVELS[-1]) not in set(known.generator):
            yield partial(band, prices, law)
    for name in (*options.generators, "oracle"):
        seeds = [seed for seed in range(options.seeds) if (name, seed) not in done]
        if seeds and name not in MODELS:
            yield partial(judge_classical, prices, name, seeds, options.count)
    for name in (name for name in MODELS if name in options.generators):
        for seed in range(options.seeds):
            if (name, seed) not in done:
                yield partial(judge_model, prices, name, seed, options.count)


def judge_classical(prices: pd.DataFrame, name: str, seeds: Sequence[int], count: int) -> pd.DataFrame:
    sampler = block_bootstrap(real_returns(prices)) if name == "oracle" else fit_classical(prices, [name])[name]
    return pd.concat([judge(prices, name, sampler, seed, count) for seed in seeds])


def judge_model(prices: pd.DataFrame, name: str, seed: int, count: int) -> pd.DataFrame:
    return judge(prices, name, fit_model(prices, name, seed), seed, count)


def judge(prices: pd.DataFrame, name: str, sampler: Sampler, seed: int, count: int) -> pd.DataFrame:
    real, paths = real_returns(prices), sampler(PATHS, STEPS, seed)
    values = {measure: float(value[0]) for measure, value in distances(real[None, :, None], paths).items()}
    copies = copy_guard(real[:, None], paths)
    values |= {GUARD: copies.share, VERDICT: VERDICTS.index(copies.verdict)}
    values[extreme(count)] = sum(beyond(real, chunk) for chunk in chunks(sampler, seed, count))
    return rows(name, seed, values)


def chunks(sampler: Sampler, seed: int, count: int) -> Iterator[np.ndarray]:
    """New paths, a few at a time: 10,000 of 4,000 steps take 320 MB."""
    for chunk, first in enumerate(range(0, count, PATHS)):
        yield sampler(min(PATHS, count - first), STEPS, COUNT_SEEDS * (seed + 1) + chunk)


def beyond(real: np.ndarray, paths: np.ndarray) -> int:
    """Number of paths that fall below twice the worst real return or rise above twice the best."""
    return int(((paths < 2 * real.min()) | (paths > 2 * real.max())).any(axis=(1, 2)).sum())


def extreme(count: int) -> str:
    return f"beyond 2× the real extremes, of {count:,} paths"


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


def summary(known: pd.DataFrame, count: int) -> str:
    table = known.groupby(["generator", "measure"]).distance.median().unstack()
    bands = {law: table.loc[[band_name(law, level) for level in LEVELS]].dropna(axis=1) for law in BANDS}
    measures = [name for name in known.measure.unique() if name in bands[REFERENCE]]
    low, _, high = np.minimum(*(bands[law][measures].to_numpy() for law in BANDS))
    lines = [{"generator": f"noise band, {law}"} | band_cells(bands[law]) for law in BANDS]
    lines.append({"generator": "Quant GAN, published"} | {k: f"{v:.4g}" for k, v in PUBLISHED.items()})
    worst = known[known.measure == VERDICT].groupby("generator").distance.max()
    for name in (name for name in (*GENERATORS, "oracle") if name in table.index):
        values = table.loc[name]
        cells = [marked(value, *ends) for value, *ends in zip(values[measures], low, high, strict=True)]
        line = {"generator": name} | dict(zip(measures, cells, strict=True))
        line[INSIDE] = f"{sum(cell.startswith('**') for cell in cells)} of {len(cells)}"
        if name in worst:
            line[GUARD] = f"{values[GUARD]:.1%} {VERDICTS[int(worst[name])]}"
        if values.get(extreme(count), np.nan) >= 0:
            line[extreme(count)] = f"{values[extreme(count)]:,.0f}"
        lines.append(line)
    columns, seeds = ["generator", *measures, INSIDE, GUARD, extreme(count)], known.seed.nunique()
    title = f"Quant GAN's table: medians over {seeds} seed{'s' * (seeds > 1)}. No path is removed."
    return f"{title}\n\n{markdown([{k: line.get(k, '') for k in columns} for line in lines])}"


def band_cells(band: pd.DataFrame) -> dict[str, str]:
    return {k: f"{middle:.3g} [{low:.3g} – {high:.3g}]" for k, (low, middle, high) in band.items()}


def marked(value: float, low: float, high: float) -> str:
    """Bold in the band, in italics below it."""
    mark = "" if value > high else "*" if value < low else "**"
    return f"{mark}{value:.3g}{mark}"


if __name__ == "__main__":
    main()
