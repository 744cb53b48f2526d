"""What more workers bring: fits a second over loky's workers, and the training loop over DDP's processes.

    python benchmarks/speed_scale.py [--tickers 2] [--steps 20] [--rounds 3] [--out benchmarks/results/speed_scale.json]

Fits of so many simulated tickers, with warm starts of 50 steps, by 1 and by 2 workers, and adversarial steps of one
model by 1 and by 2 processes over gloo, in turn, so many rounds, after one round that starts the workers; medians, and
the ratio to one within each round. The seconds of DDP count the loop alone; starting the processes is given apart.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from records import markdown

from tsgan import TSGAN, Config, fit_each
from tsgan.config import WarmStartConfig
from tsgan.fitting import fit_laws
from tsgan.ranks import on_devices

WORKERS = (1, 2)
CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tickers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    returns = 0.01 * np.random.default_rng(0).standard_t(5, (1000, options.tickers))
    dates = pd.bdate_range("2015-01-01", periods=1000)
    prices = pd.DataFrame(100 * np.exp(returns.cumsum(axis=0)), dates, [f"T{i}" for i in range(options.tickers)])
    config = Config(warm_start=WarmStartConfig(steps=50)).with_training(steps=options.steps)

    def fits(workers: int) -> dict[str, float]:
        start = time.perf_counter()
        fit_each(prices, TSGAN(config=config, random_state=0, device="cpu"), n_jobs=workers)
        return {"fits a second": options.tickers / (time.perf_counter() - start)}

    def steps(processes: int) -> dict[str, float]:
        start = time.perf_counter()
        with on_devices(CPU, processes) as ranks:
            started = time.perf_counter() - start
            fit = fit_laws(returns[:, :1], config, [options.steps], 0, CPU, lambda _: None, None, ranks)
        return {"steps a second": options.steps / fit.records[-1].seconds, "seconds to start": started}

    record = {
        "cores": os.cpu_count(),
        "load before": os.getloadavg()[0],
        "fits": rounds(fits, options.rounds),
        "steps": rounds(steps, options.rounds),
    }
    print(f"{record['cores']} cores, load before {record['load before']:.1f}, {options.rounds} rounds\n")
    print(markdown([*lines("one model a ticker, loky", record["fits"]), *lines("one model, DDP", record["steps"])]))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(record, indent=1))


def rounds(measure: Callable[[int], dict[str, float]], count: int) -> dict[int, list[dict[str, float]]]:
    """Figures by number of workers, one of each round; the first round starts workers and does not count."""
    taken = [{workers: measure(workers) for workers in WORKERS} for _ in range(count + 1)][1:]
    return {workers: [one[workers] for one in taken] for workers in WORKERS}


def lines(what: str, taken: dict[int, list[dict[str, float]]]) -> list[dict[str, str]]:
    rate = next(iter(taken[1][0]))
    found = []
    for workers, each in taken.items():
        ratios = [one[rate] / alone[rate] for one, alone in zip(each, taken[1], strict=True)]
        start = f"{np.median([one['seconds to start'] for one in each]):.1f}" if "seconds to start" in each[0] else ""
        found.append(
            {
                "work": what,
                "workers": str(workers),
                "a second": f"{np.median([one[rate] for one in each]):.2f} {rate.split()[0]}",
                "ratio to one": f"{np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                "seconds to start": start,
            }
        )
    return found


if __name__ == "__main__":
    main()
