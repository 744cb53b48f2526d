"""The level of free runs: that of the data's years, whatever one crisis did."""

import math

import numpy as np
import pytest
import torch

from tsgan.config import Config
from tsgan.fitting import fit_laws
from tsgan.level import level


def test_level_is_the_log_variance_of_every_asset() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 5000, 2) * torch.tensor([1.0, 0.1])
    np.testing.assert_allclose(level(x), [0, 2 * math.log(0.1)], atol=0.03)


def test_one_crisis_moves_the_level_less_than_the_variance() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 2500, 1)
    crisis = x.clone()
    crisis[:, 1000:1060] *= 8
    variance = (crisis.var() / x.var()).log()
    assert 0 < level(crisis) - level(x) < 0.5 * variance


def test_equal_prices_have_a_level() -> None:
    assert torch.isfinite(level(torch.zeros(1, 600, 1))).all()


@pytest.mark.parametrize("steps", [400, 3000])
def test_free_runs_have_the_level_of_the_data(steps: int) -> None:
    rng = np.random.default_rng(1)
    volatility = np.repeat(np.exp(0.3 * rng.standard_normal(steps // 50)), 50)
    returns = 0.01 * (volatility * rng.standard_t(6, steps))[:, None]
    law = fit_laws(returns, Config(), [0], 0, torch.device("cpu"), lambda _: None).laws[0]
    states = law.states(returns)[torch.randint(steps, (500,))]
    runs = law.run(states, min(steps, 2000), torch.Generator().manual_seed(0))
    ours, data = (level(law.standardise(r)) for r in (runs, returns[None]))
    assert abs(float(ours - data)) < 0.08
