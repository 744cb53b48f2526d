"""Where what came lies in its forecast law: uniform and independent under the true law, not under a wrong one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tsgan import TSGAN, Config, DataError
from tsgan.config import WarmStartConfig
from tsgan.datasets.processes import Garch
from tsgan.datasets.processes import prices as as_prices
from tsgan.evaluation import fit_baselines
from tsgan.evaluation.risk import berkowitz, rolling_pit
from tsgan.returns import log_returns


@pytest.fixture(scope="module")
def market() -> pd.DataFrame:
    return as_prices(Garch(alpha=0.1, beta=0.85).simulate(1, 4_000, seed=11)[0])


@pytest.fixture(scope="module")
def fitted(market: pd.DataFrame) -> Any:
    return fit_baselines(log_returns(market.to_numpy()), ["GARCH-normal", "normal"])


def test_ranks_in_the_right_law_are_uniform_and_independent(market: pd.DataFrame, fitted: Any) -> None:
    pit = rolling_pit(fitted["GARCH-normal"], market, market.index[1_000], n_samples=2_000)
    ranks = pit.to_numpy()[:, 0]
    assert pit.index[0] == market.index[1_000]
    assert ((ranks > 0) & (ranks < 1)).all()
    assert stats.kstest(ranks, "uniform").pvalue > 0.01
    assert berkowitz(ranks).p_value > 0.01


def test_ranks_in_a_wrong_law_are_not(market: pd.DataFrame, fitted: Any) -> None:
    constant = rolling_pit(fitted["normal"], market, market.index[1_000], n_samples=2_000)
    narrow = replace(fitted["normal"], covariance=fitted["normal"].covariance / 2)
    for pit in (constant**3, rolling_pit(narrow, market, market.index[1_000], n_samples=2_000)):
        assert berkowitz(pit.to_numpy()[:, 0]).p_value < 1e-6


def test_a_model_gives_the_ranks_of_its_closed_form(market: pd.DataFrame) -> None:
    config = Config(warm_start=WarmStartConfig(steps=10)).with_training(steps=0, past=32, future=32)
    model = TSGAN(config=config, random_state=0, device="cpu").fit(market.iloc[:1_000])
    pit = rolling_pit(model, market.iloc[:1_060], market.index[1_001], n_samples=20_000)
    x = model.law_.standardise(log_returns(market.to_numpy())[1_000:1_059])
    mean, scale, innovation = model.law_.generator.prepare()(model.states(market)[1_000:1_059])
    exact = stats.norm.cdf(innovation.to_normal((x - mean) / scale).detach().numpy())
    assert pit.to_numpy() == pytest.approx(exact, abs=4 * np.sqrt(0.25 / 20_000))


def test_no_later_price_is_known_and_what_cannot_be_is_refused(market: pd.DataFrame, fitted: Any) -> None:
    changed = market.copy()
    changed.iloc[1_050:] *= 1.3
    before, after = (
        rolling_pit(fitted["GARCH-normal"], p.iloc[:1_100], market.index[1_000], horizon=5, n_samples=500)
        for p in (market, changed)
    )
    pd.testing.assert_frame_equal(before.iloc[:50], after.iloc[:50])
    portfolio = rolling_pit(fitted["normal"], market.iloc[:1_010], market.index[1_000], weights=[0.5], n_samples=200)
    assert list(portfolio.columns) == ["portfolio"]
    with pytest.raises(DataError, match="nothing to forecast"):
        rolling_pit(fitted["normal"], market, "2200-01-01")
