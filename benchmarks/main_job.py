"""What the main job reaches: fit and sample the S&P 500 with defaults, against the series and against GJR-GARCH.

    python benchmarks/main_job.py [--seeds 5] [--jobs 1] [--steps N] [--out benchmarks/results/main_job.json]

For every seed: seconds and peak memory of the fit; paths of the series' own length against the series (W1, ACF of |r|,
VaR, ES, leverage); the daily moves beyond the historical extreme in 10,000 x 252 against what a generalised Pareto fit
of the real tail predicts; and one-step FZ0 on the last 30 %, fitted on the first 70 %, beside GJR-GARCH skew-t and
historical simulation. Prints a Markdown table of all seeds and the median.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from scipy.stats import genpareto

from tsgan import TSGAN, Config
from tsgan.datasets import load
from tsgan.evaluation import fixed_forecasts, fz0
from tsgan.evaluation.measures import acf, leverage
from tsgan.returns import log_returns

LEVELS = (0.05, 0.01)
OWN_LENGTH_PATHS, YEAR_PATHS = 1000, 10_000  # the mean ACF of 200 paths still has an error of .005


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1, help="seeds run at once, one thread each; 1 gives clean times")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    prices = load("sp500")
    config = Config().with_training(steps=options.steps)
    threads = 1 if options.jobs > 1 else None
    rows = Parallel(options.jobs)(delayed(one_seed)(prices, config, seed, threads) for seed in range(options.seeds))
    table = pd.DataFrame(rows).set_index("seed").T
    table["median"] = table.median(axis=1)
    print(markdown(table))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(rows, indent=1))


def one_seed(prices: pd.DataFrame, config: Config, seed: int, threads: int | None = None) -> dict[str, float]:
    if threads:
        torch.set_num_threads(threads)
    start = time.perf_counter()
    model = TSGAN(config=config, random_state=seed).fit(prices)
    row: dict[str, float] = {
        "seed": seed,
        "fit seconds": time.perf_counter() - start,
        "steps chosen": model.fit_["steps"],
    }
    row["peak memory GiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    real = log_returns(prices.to_numpy())
    own = model.sample(OWN_LENGTH_PATHS, length=len(real), random_state=seed).returns
    row |= own_length(real, own) | extremes(real, model, seed) | held_out(prices, config, seed)
    print(json.dumps(row), flush=True)
    return row


def own_length(real: np.ndarray, paths: np.ndarray) -> dict[str, float]:
    """Paths of the series' own length against the series, pooled over paths."""
    pooled, r = np.sort(paths.ravel()), np.sort(real[:, 0])
    quantiles = np.quantile(pooled, (np.arange(len(r)) + 0.5) / len(r))
    memory = acf(np.abs(paths), 100).mean(axis=0) - acf(np.abs(real[None]), 100)[0]
    row = {
        "W1 / sd": np.abs(quantiles - r).mean() / r.std(),
        "sd ratio": pooled.std() / r.std(),
        "ACF|r| RMS": np.sqrt((memory**2).mean()),
        "leverage": leverage(paths)[0, :10].mean(),
        "leverage real": leverage(real[None])[0, :10].mean(),
    }
    for level in LEVELS:
        (v, e), (v0, e0) = tail(pooled, level), tail(r, level)
        row |= {f"VaR {level:.0%} error": v / v0 - 1, f"ES {level:.0%} error": e / e0 - 1}
    return row


def tail(returns: np.ndarray, level: float) -> tuple[float, float]:
    quantile = np.quantile(returns, level)
    return quantile, returns[returns <= quantile].mean()


def extremes(real: np.ndarray, model: TSGAN, seed: int) -> dict[str, float]:
    """Moves beyond the largest historical one in 10,000 years, and the 90 % interval that the real tail predicts.

    The tail beyond the 97.5 % quantile of |r| is fitted by a generalised Pareto law; its uncertainty, and that of the
    largest move itself, come from refits on block bootstraps (mean block 250) of the series.
    """
    size = np.abs(real[:, 0])
    years = model.sample(YEAR_PATHS, length=252, random_state=seed).returns
    count = int((np.abs(years) > size.max()).sum())
    rng = np.random.default_rng(0)
    predicted = [expected_beyond(block_bootstrap(size, rng), size.max(), years.size, rng) for _ in range(500)]
    low, high = np.quantile(predicted, [0.05, 0.95])
    return {
        "moves beyond": count,
        "predicted low": low,
        "predicted high": high,
        "largest / historical": np.abs(years).max() / size.max(),
    }


def expected_beyond(size: np.ndarray, extreme: float, days: int, rng: np.random.Generator) -> float:
    threshold = np.quantile(size, 0.975)
    shape, _, scale = genpareto.fit(size[size > threshold] - threshold, floc=0)
    return float(rng.poisson(days * 0.025 * genpareto.sf(extreme - threshold, shape, scale=scale)))


def block_bootstrap(values: np.ndarray, rng: np.random.Generator, mean_block: float = 250) -> np.ndarray:
    """Stationary bootstrap (Politis and Romano 1994)."""
    steps, jumps = np.arange(len(values)), rng.random(len(values)) < 1 / mean_block
    jumps[0] = True
    starts = rng.integers(len(values), size=jumps.sum())
    block = np.cumsum(jumps) - 1
    return values[(starts[block] + steps - steps[jumps][block]) % len(values)]


def held_out(prices: pd.DataFrame, config: Config, seed: int) -> dict[str, float]:
    """One-step VaR and ES on the last 30 %, everything fitted on the first 70 %."""
    returns = 100 * log_returns(prices.to_numpy())
    first = int(0.7 * len(returns))
    model = TSGAN(config=config, random_state=seed).fit(prices.iloc[: first + 1])
    states = model.law_.states(returns / 100)[first:-1]
    y = returns[first:, 0]
    classical = fixed_forecasts(returns, first, LEVELS, ["GJR-skewt", "historical"])
    row = {}
    for level in LEVELS:
        var, es = (100 * risk[:, 0] for risk in model.law_.value_at_risk(states, level))
        row[f"FZ0 {level:.0%}"] = fz0(y, var, es, level).mean()
        row[f"breaches {level:.0%}"] = (y <= var).mean()
        for name, forecasts in classical.items():
            row[f"FZ0 {level:.0%} {name}"] = fz0(y[:, None], *forecasts[level], level).mean()
    return row


def markdown(table: pd.DataFrame) -> str:
    lines = ["| measure | " + " | ".join(map(str, table.columns)) + " |", "| --- |" + " --- |" * table.shape[1]]
    lines += [
        f"| {name} | " + " | ".join(f"{v:.4g}" for v in values) + " |"
        for name, values in zip(table.index, table.to_numpy(), strict=True)
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
