"""One-step VaR and ES on the last 30 % of many series, fitted on the first 70 %, against GJR-GARCH skew-t.

    python benchmarks/one_step.py [--steps 0] [--set generator.elasticity=0.9 ...] [--series SP500 EUR ...]

Reads the tidy daily files in the folder TSGAN_DATA (default: beside the repository) and `arch`'s S&P 500.
Prints the difference of FZ0 (returns in %) to GJR at 5, 2.5 and 1 %, negative = better, by group, with the share of
series on which the law is better. --steps are adversarial steps; 0 judges the warm start.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tsgan import Config
from tsgan.datasets import load, read_prices
from tsgan.evaluation import fixed_forecasts, fz0
from tsgan.fitting import fit_laws
from tsgan.returns import log_returns

LEVELS = (0.05, 0.025, 0.01)
FOLDER = Path(os.environ.get("TSGAN_DATA", Path(__file__).parents[2] / "shared" / "data"))
PANELS = {"etf": "etf_panel_daily", "fx": "fx_energy_daily", "crypto": "crypto_daily", "us": "us_equities_daily"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", nargs="*", default=[], metavar="section.name=value", dest="settings")
    parser.add_argument("--series", nargs="*", default=[])
    options = parser.parse_args()
    config = configured(options.settings).with_training(steps=options.steps)
    rows = {}
    for group, name, returns in series():
        if not options.series or name in options.series:
            rows[group, name] = differences(returns, config, options.seed)
            print(f"{group:8}{name:12}" + "".join(f"{d:9.4f}" for d in rows[group, name].values()), flush=True)
    table = pd.DataFrame(rows).T
    summary = pd.concat({"mean": table.groupby(level=0).mean(), "better": (table < 0).groupby(level=0).mean()}, axis=1)
    summary.loc["all"] = pd.concat({"mean": table.mean(), "better": (table < 0).mean()})
    print(summary.round(4).to_string())


def configured(settings: list[str]) -> Config:
    tables: dict[str, dict[str, float]] = {}
    for setting in settings:
        place, _, value = setting.partition("=")
        section, _, name = place.partition(".")
        tables.setdefault(section, {})[name] = int(value) if value.isdigit() else float(value)
    return Config.from_dict(tables)


def series() -> Iterator[tuple[str, str, np.ndarray]]:
    """Group, name and log returns of each series; the S&P 500 since 1950 in overlapping stretches of 5,000 days."""
    yield "sp", "arch", log_returns(load("sp500").to_numpy())[:, 0]
    long = log_returns(read_prices(FOLDER / "sp500_daily.csv").to_numpy())[:, 0]
    for first in range(0, len(long) - 5000, 2250):
        yield "sp", f"from {first}", long[first : first + 5000]
    for group, file in PANELS.items():
        prices = read_prices(FOLDER / f"{file}.csv")
        for name, returns in zip(prices.columns, log_returns(prices.to_numpy()).T, strict=True):
            yield group, name, returns


def differences(returns: np.ndarray, config: Config, seed: int) -> dict[float, float]:
    percent, first = 100 * returns, int(0.7 * len(returns))
    steps = config.training.steps
    law = fit_laws(returns[:first, None], config, [steps], seed, torch.device("cpu"), lambda _: None).laws[steps]
    states = law.states(returns[:, None])[first:-1]
    gjr = fixed_forecasts(percent[:, None], first, LEVELS, ["GJR-skewt"])["GJR-skewt"]
    row = {}
    for level in LEVELS:
        var, es = (100 * risk[:, 0] for risk in law.value_at_risk(states, level))
        ours, theirs = (
            fz0(percent[first:], v, e, level).mean()
            for v, e in ((var, es), (gjr[level].var[:, 0], gjr[level].es[:, 0]))
        )
        row[level] = ours - theirs
    return row


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
