"""Shared: a short simulated price history, and a tiny model fitted to it once."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tsgan import TSGAN, Config

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a background job: tests and what they start need Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)  # two busy processes on two cores wait for each other's threads; results do not change


@pytest.fixture
def pickled_by_value(request: pytest.FixtureRequest) -> None:
    """Functions of the test's module are sent to other processes whole, which cannot import a test."""
    for name in ("cloudpickle", "joblib.externals.cloudpickle"):  # older joblibs bring one of their own
        if importlib.util.find_spec(name):
            importlib.import_module(name).register_pickle_by_value(request.module)


def garch_returns(steps: int, seed: int, assets: int = 1) -> np.ndarray:
    """GARCH(1,1) log returns with normal innovations, about 16 % a year: (steps, assets)."""
    z = np.random.default_rng(seed).standard_normal((steps, assets))
    r, variance = np.empty_like(z), np.full(assets, 1e-4)
    for t in range(steps):
        r[t] = np.sqrt(variance) * z[t]
        variance = 2e-6 + 0.10 * r[t] ** 2 + 0.88 * variance
    return r


def price_frame(returns: np.ndarray, names: list[str], first: str = "2015-01-01") -> pd.DataFrame:
    """Prices from 100 on business days."""
    prices = 100 * np.exp(np.vstack([np.zeros((1, returns.shape[1])), returns]).cumsum(axis=0))
    return pd.DataFrame(prices, index=pd.bdate_range(first, periods=len(prices), name="date"), columns=names)


@pytest.fixture(scope="session")
def prices() -> pd.DataFrame:
    return price_frame(garch_returns(700, 0), ["GARCH"])


@pytest.fixture(scope="session")
def later(prices: pd.DataFrame) -> pd.DataFrame:
    """The same prices and the 12 rows that came since."""
    longer = price_frame(garch_returns(712, 0), ["GARCH"])
    pd.testing.assert_frame_equal(longer.iloc[:701], prices, check_freq=False)
    return longer


@pytest.fixture(scope="session")
def panel() -> pd.DataFrame:
    """Three assets: one calm, one wild, two of them correlated."""
    r = garch_returns(700, 1, 3) * [0.1, 1.0, 3.0]
    r[:, 2] = 3 * (0.8 * r[:, 1] + 0.6 * r[:, 2] / 3)
    return price_frame(r, ["BOND", "STOCK", "COIN"])


@pytest.fixture(scope="session")
def model(prices: pd.DataFrame) -> TSGAN:
    return TSGAN(config=Config().with_training(steps=2), random_state=0, device="cpu").fit(prices)


@pytest.fixture(scope="session")
def panel_model(panel: pd.DataFrame) -> TSGAN:
    return TSGAN(config=Config().with_training(steps=2, critic="both"), random_state=0, device="cpu").fit(panel)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Real prices that are not part of the project; tests that need them skip where they are absent."""
    folder = Path(os.environ.get("TSGAN_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no folder of real prices at {folder}; set TSGAN_DATA to one")
    return folder
