"""The same defaults on very different series: does every seed finish, does a law die or explode, is it of use?

    python benchmarks/robustness.py [--models "tsgan warm start"] [--cases AIG ...] [--seeds 20] [--jobs 1] [--summary]
                                    [--out benchmarks/results/robustness.csv]

Every case is cut in two: fitted to the first days, judged on the rest as in protocol H (heldout.py), 200 unconditional
paths of the test's length. What is kept of a fit, as (case, model, seed, measure, distance):

- ratio: geometric mean over the 14 measures of the distance to that of the i.i.d. bootstrap of the training returns;
  below 1 is better. One seed of the bootstrap for each of the model.
- deviation: that of all paths over that of the training returns; below .5 has collapsed, above 2 exploded.
- wildest: deviation of the wildest path over that of the training returns.
- largest: the largest move of all paths over the largest of the training returns.
- steps, seconds: adversarial steps kept, and how long the fit took.

A fit that fails, or draws anything that is not finite, ends the benchmark with its error. Prints Markdown.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from generators import MODELS, fit_classical, unfitted
from heldout import FOLDER, PATHS, distances
from records import append, markdown, read, work

from tsgan.datasets import read_prices
from tsgan.errors import TsganWarning
from tsgan.returns import log_returns

OUT = Path(__file__).parent / "results" / "robustness.csv"
KEY = ["case", "model", "seed", "measure"]


class Case(NamedTuple):
    """Rows of one column of a file, and how many of them are fitted to."""

    file: str
    column: str
    first: int
    train: int
    test: int
    about: str


CASES = {
    "index": Case("sp500_daily", "SP500", -4000, 2800, 1200, "index, 2007 to 2023"),
    "AIG": Case("us_equities_daily", "AIG", 0, 3700, 1500, "share with days of -87 %, -65 % and +57 %"),
    "CHF": Case("fx_energy_daily", "CHF", 0, 3600, 1000, "currency with a peg and its end, -13 %"),
    "crypto": Case("crypto_daily", "DOGE", 0, 1370, 600, "7 days a week, a day of +152 %"),
    "bonds": Case("etf_panel_daily", "SHY", 0, 2300, 1000, "1 % a year, 11 % of days without a change"),
    "hourly": Case("spy_hourly", "SPY", -15000, 10000, 4000, "7 bars a session, the first holds the night"),
    "short": Case("sp500_daily", "SP500", -1400, 600, 600, "600 rows"),
}


def main() -> None:
    options = parse()
    if not options.summary:
        known = read(options.out, KEY)
        done = set(known[KEY[:3]].itertuples(index=False, name=None))
        for rows in work(list(missing(options, done)), options.jobs):
            append(options.out, rows)
    print(summary(read(options.out, KEY)))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=1, help="fits at once, one thread each")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--summary", action="store_true", help="only print what --out holds")
    return parser.parse_args()


def missing(options: argparse.Namespace, done: set[tuple[str, str, int]]) -> Iterator[Callable[[], pd.DataFrame]]:
    for model in options.models:
        for seed in range(options.seeds):
            for case in options.cases:
                if (case, model, seed) not in done:
                    yield partial(judge, case, model, seed)


def judge(name: str, model: str, seed: int) -> pd.DataFrame:
    torch.set_num_threads(1)
    case = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TsganWarning)
        prices = read_prices(FOLDER / f"{case.file}.csv")[[case.column]].iloc[case.first :][: case.train + case.test]
        past = prices.iloc[: case.train]
        start = time.perf_counter()
        fitted = unfitted(model, seed).fit(past)
    seconds = time.perf_counter() - start
    returns = log_returns(prices.to_numpy())
    train, test = returns[: case.train - 1], returns[case.train - 1 :]
    paths = fitted.sample(PATHS, length=len(test), random_state=seed).returns
    if not np.isfinite(paths).all():
        raise AssertionError(f"{name}, seed {seed}: paths are not finite")
    bootstrap = fit_classical(past, ["historical"])["historical"](PATHS, len(test), seed)
    ours, theirs = (np.array(list(distances(test.T[..., None], p).values())) for p in (paths, bootstrap))
    values = {
        "ratio": np.exp(np.log(ours / theirs).mean()),
        "deviation": paths.std() / train.std(),
        "wildest": paths.std(axis=1).max() / train.std(),
        "largest": np.abs(paths).max() / np.abs(train).max(),
        "steps": fitted.fit_["steps"],
        "seconds": seconds,
    }
    return pd.DataFrame([(name, model, seed, *item) for item in values.items()], columns=[*KEY, "distance"])


def summary(known: pd.DataFrame) -> str:
    table = known.set_index(KEY).distance.unstack("measure")
    lines = []
    for name, case in CASES.items():
        for model in (m for m in MODELS if (name, m) in table.index.droplevel("seed")):
            rows = table.loc[name, model]
            kept = int((rows.steps > 0).sum())
            lines.append(
                {
                    "case": f"{name}: {case.about}",
                    "model": model,
                    "seeds": str(len(rows)),
                    "worse than i.i.d.": str(int((rows.ratio >= 1).sum())),
                    **{m: spread(rows[m]) for m in ("ratio", "deviation", "wildest", "largest")},
                    "steps kept": f"{kept} of {len(rows)}",
                    "seconds": f"{rows.seconds.median():.0f}",
                }
            )
    return "Median over seeds, and lowest to highest:\n\n" + markdown(lines)


def spread(values: pd.Series) -> str:
    return f"{values.median():.2f} ({values.min():.2f} to {values.max():.2f})"


if __name__ == "__main__":
    main()
