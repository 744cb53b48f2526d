"""VaR and ES of random portfolios of 18 ETFs, one day ahead: what a joint law is for.

    python benchmarks/portfolios.py [--models "FHS GJR-skewt" "tsgan warm start"] [--seeds 1] [--portfolios 10]
                                    [--samples 10000]

The first 2,000 days of the panel are fitted to, once; every later day is forecast from the days before it. Long-only
portfolios have weights uniform on the simplex, long-short ones normal weights; each is scaled to a deviation of 1 % on
the training days, so that all count alike. Prints the mean of FZ0 over portfolios and days, and its difference to the
first model in standard errors of the daily means (Diebold and Mariano). Reads the tidy file in the folder TSGAN_DATA
(default: beside the repository). "FHS GJR-skewt" of several assets is filtered simulation with whole days of residuals.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings

import numpy as np
import pandas as pd
import torch
from generators import MODELS, unfitted
from heldout import FOLDER
from records import markdown

from tsgan import TSGAN
from tsgan.datasets import read_prices
from tsgan.errors import TrainingWarning
from tsgan.evaluation import BASELINES, fz0, rolling_forecasts
from tsgan.evaluation.risk.comparisons import diebold_mariano
from tsgan.evaluation.risk.estimates import realised_values
from tsgan.returns import log_returns

TRAIN = 2000
LEVELS = (0.05, 0.025, 0.01)


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    prices = read_prices(FOLDER / "etf_panel_daily.csv", missing="drop")
    held = portfolios(prices, options.portfolios)
    losses: dict[str, dict[str, np.ndarray]] = {}
    for model in options.models:
        for seed in range(options.seeds if model in MODELS else 1):
            name = f"{model}, seed {seed}" if model in MODELS else model
            begin = time.perf_counter()
            forecaster = fitted(prices, model, seed)
            losses[name] = {
                kind: np.mean([loss(forecaster, prices, weights, options.samples) for weights in each], axis=0)
                for kind, each in held.items()
            }
            print(f"{name}: {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
    print(markdown(rows(losses)))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=(*BASELINES, *MODELS), default=["FHS GJR-skewt", *MODELS])
    parser.add_argument("--seeds", type=int, default=1, help="of each model of ours")
    parser.add_argument("--portfolios", type=int, default=10, help="of each kind")
    parser.add_argument("--samples", type=int, default=10_000, help="draws of a day")
    return parser.parse_args()


def portfolios(prices: pd.DataFrame, count: int) -> dict[str, list[np.ndarray]]:
    """Weights of each kind, scaled to a deviation of 1 % on the training days."""
    training = np.expm1(log_returns(prices.to_numpy()[: TRAIN + 1]))
    rng = np.random.default_rng(0)
    assets = training.shape[1]
    kinds = {
        "long-only": rng.dirichlet(np.ones(assets), count),
        "long-short": rng.standard_normal((count, assets)),
    }
    return {kind: [0.01 * each / (training @ each).std() for each in weights] for kind, weights in kinds.items()}


def fitted(prices: pd.DataFrame, model: str, seed: int) -> TSGAN | str:
    if model not in MODELS:
        return model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)  # few steps are what the warm start is
        return unfitted(model, seed).fit(prices.iloc[: TRAIN + 1])


def loss(forecaster: TSGAN | str, prices: pd.DataFrame, weights: np.ndarray, samples: int) -> np.ndarray:
    """FZ0 of a portfolio in %, (days, levels)."""
    start = prices.index[TRAIN + 1]
    forecasts = rolling_forecasts(
        forecaster, prices, start, levels=LEVELS, weights=weights, n_samples=samples, train_window=TRAIN
    )
    came = 100 * realised_values(prices, pd.DatetimeIndex(forecasts.index), 1, weights)["portfolio"].to_numpy()
    figures = [(100 * forecasts["VaR", level], 100 * forecasts["ES", level], level) for level in LEVELS]
    return np.stack([fz0(came, var.to_numpy(), es.to_numpy(), level) for var, es, level in figures], axis=1)


def rows(losses: dict[str, dict[str, np.ndarray]]) -> list[dict[str, str]]:
    first = next(iter(losses.values()))
    lines = []
    for name, by_kind in losses.items():
        line = {"model": name}
        for kind, daily in by_kind.items():
            line[f"{kind}, FZ0 at 5 / 2.5 / 1 %"] = " / ".join(f"{mean:.4f}" for mean in daily.mean(axis=0))
            tests = [diebold_mariano(daily[:, i], first[kind][:, i]) for i in range(len(LEVELS))]
            statistics = " / ".join(f"{test.statistic:.1f}" for test in tests)
            line[f"t, {kind}"] = "" if by_kind is first else statistics
        lines.append(line)
    return lines


if __name__ == "__main__":
    main()
