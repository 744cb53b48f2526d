"""Every generator that the benchmarks compare, behind one call: training prices -> samplers of log returns."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch

from tsgan import TSGAN, Config
from tsgan.errors import TrainingWarning
from tsgan.evaluation import BASELINES, fit_baselines
from tsgan.evaluation.baselines import Bootstrap
from tsgan.returns import log_returns

Sampler = Callable[[int, int, int], np.ndarray]
"""Number of paths, steps, seed -> log returns (paths, steps, 1)"""

REFERENCE = "FHS EGARCH-skewt"
BLOCKS = {f"stationary bootstrap {days}": days for days in (20, 100, 250)}
MODELS = {"tsgan warm start": 0, "tsgan": None}  # adversarial steps at most; None is the default. The quick one first
GENERATORS = (*BASELINES, *BLOCKS, *MODELS)
OPPONENTS = tuple(name for name in GENERATORS if name not in ("stationary bootstrap", *MODELS))  # the twelve


def fit_classical(prices: pd.DataFrame, names: Sequence[str]) -> dict[str, Sampler]:
    """Fit those of the names that are no model of ours, once for all seeds."""
    returns = log_returns(prices.to_numpy())
    fitted = dict(fit_baselines(returns, [name for name in names if name in BASELINES]))
    fitted |= {name: Bootstrap(name, returns, block) for name, block in BLOCKS.items() if name in names}
    return {name: baseline.sample for name, baseline in fitted.items()}


def unfitted(name: str, seed: int) -> TSGAN:
    """A TSGAN with defaults, or its warm start."""
    return TSGAN(config=Config().with_training(steps=MODELS[name]), random_state=seed)


def fit_model(prices: pd.DataFrame, name: str, seed: int) -> Sampler:
    """Fit one of ours."""
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)  # few steps are what the warm start is
        model = unfitted(name, seed).fit(prices)
    return lambda paths, steps, seed: model.sample(paths, length=steps, random_state=seed).returns


def block_bootstrap(returns: np.ndarray, mean_block: float = 250) -> Sampler:
    """Sampler of pseudo-histories of (time,) returns: what the noise floor and the oracle are made of."""
    return Bootstrap("block bootstrap", returns[:, None], mean_block).sample
