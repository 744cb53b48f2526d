"""How fast paths are sampled, beside a plain random walk and `arch`, in one interleaved run.

    python benchmarks/speed_sampling.py --rounds 5 --out speed_sampling.json

Wall times; the best and the median of the rounds. `--threads` sets what torch may use.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from arch import arch_model
from records import markdown

from tsgan import TSGAN, Config
from tsgan.datasets import load
from tsgan.errors import TrainingWarning
from tsgan.evaluation import fit_baselines
from tsgan.returns import log_returns

LENGTH = 252
ASSETS = 20
# VmHWM, since ru_maxrss would begin with the memory of the process that starts this one
COMMAND = """
import sys
from tsgan.cli.main import app
app(sys.argv[1:], standalone_mode=False)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def panel(assets: int = ASSETS, steps: int = 1_500) -> pd.DataFrame:
    """Prices that share a volatility, and move together."""
    rng = np.random.default_rng(0)
    volatility = 0.01 * np.exp(0.5 * np.sin(np.arange(steps) / 60))[:, None]
    r = volatility * (0.7 * rng.standard_t(5, (steps, 1)) + 0.7 * rng.standard_t(5, (steps, assets)))
    names = [f"A{k:02d}" for k in range(assets)]
    return pd.DataFrame(100 * np.exp(r.cumsum(0)), pd.bdate_range("2015-01-01", periods=steps, name="date"), names)


def fitted(prices: pd.DataFrame) -> TSGAN:
    """A model that samples as any other does; its warm start alone takes no time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)
        return TSGAN(config=Config().with_training(steps=0), random_state=0, device="cpu").fit(prices)


def random_walk(paths: int, length: int = LENGTH) -> None:
    np.cumsum(0.01 * np.random.default_rng(0).standard_normal((paths, length)), axis=1)


def samplers(one: TSGAN, many: TSGAN, paths: int) -> dict[str, tuple[Callable[[], object], int]]:
    """Each with the number of returns that a call draws."""
    returns = log_returns(load("sp500").to_numpy())
    model = arch_model(100 * returns[:, 0], o=1, dist="skewt")
    parameters = model.fit(disp="off").params
    classical = fit_baselines(returns, ["GJR-skewt"])["GJR-skewt"]
    few = max(1, paths // 1_000)
    big = 10 * paths
    return {
        "tsgan, 1 asset": (lambda: one.sample(paths, LENGTH, random_state=0), paths * LENGTH),
        f"tsgan, 1 asset, {big:,} paths": (lambda: drain(one, big), big * LENGTH),
        f"tsgan, {ASSETS} assets": (
            lambda: many.sample(paths // 5, LENGTH, random_state=0),
            paths // 5 * LENGTH * ASSETS,
        ),
        "NumPy Gaussian random walk": (lambda: random_walk(paths), paths * LENGTH),
        "arch simulate, GJR skew-t": (
            lambda: [model.simulate(parameters, LENGTH) for _ in range(few)],
            few * LENGTH,
        ),
        "vectorised GJR skew-t": (lambda: classical.sample(paths // 5, LENGTH), paths // 5 * LENGTH),
    }


def drain(model: TSGAN, paths: int) -> None:
    """Draw all of them and keep none."""
    for _ in model.iter_sample(paths, LENGTH, random_state=0):
        pass


def interleaved(work: dict[str, tuple[Callable[[], object], int]], rounds: int) -> dict[str, dict[str, float]]:
    """Millions of returns a second of each: all of them in turn, once a round."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, (call, _) in work.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {
        name: {"best": returns / min(seconds[name]) / 1e6, "median": returns / statistics.median(seconds[name]) / 1e6}
        for name, (_, returns) in work.items()
    }


@contextmanager
def saved(model: TSGAN) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.tsgan")
        yield Path(folder)


def streamed(model: TSGAN, paths: int, suffix: str) -> dict[str, float]:
    """Wall time and peak memory of the command, and the size of what it writes."""
    with saved(model) as folder:
        out = folder / f"paths{suffix}"
        options = [
            "sample",
            "--model",
            folder / "model.tsgan",
            "--n",
            paths,
            "--length",
            LENGTH,
            "--out",
            out,
            "--quiet",
        ]
        start = time.perf_counter()
        run = subprocess.run(
            [sys.executable, "-c", COMMAND, *map(str, options)], check=True, capture_output=True, text=True
        )
        seconds = time.perf_counter() - start
        return {
            "paths": paths,
            "seconds": seconds,
            "MiB": int(run.stdout) / 1024,
            "file MiB": out.stat().st_size / 2**20,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paths", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--streamed", type=int, nargs="*", default=[100_000, 200_000], metavar="PATHS")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    one = fitted(load("sp500"))
    speeds = interleaved(samplers(one, fitted(panel()), options.paths), options.rounds)
    files = {
        f"{n:,} paths to {suffix}": streamed(one, n, suffix)
        for suffix in (".parquet", ".csv")
        for n in options.streamed
    }
    walk = speeds["NumPy Gaussian random walk"]["best"]
    print(f"Torch {torch.__version__}, {options.threads} threads, {LENGTH} steps, best of {options.rounds} rounds\n")
    print(
        markdown(
            [
                {
                    "sampler": name,
                    "million returns a second": f"{speed['best']:.1f}",
                    "median": f"{speed['median']:.1f}",
                    "share of the random walk's": f"{speed['best'] / walk:.2f}",
                }
                for name, speed in speeds.items()
            ]
        )
    )
    if files:
        print()
        print(
            markdown(
                [{"tsgan sample": name, **{k: f"{v:,.0f}" for k, v in run.items()}} for name, run in files.items()]
            )
        )
    if options.out:
        record = {"torch": torch.__version__, "threads": options.threads, "speeds": speeds, "streamed": files}
        options.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
