"""The joint noise: every margin standard normal, the dependence of the data, days that are new."""

import numpy as np
import torch
from scipy import stats

from tsgan.joint import JointNoise, market_level, normal_scores


def draw(scores: torch.Tensor, time: int, past: torch.Tensor | None = None) -> torch.Tensor:
    """One path's noise (time, assets): at a deviation of 1, or of a random day where all days are random."""
    rng = torch.Generator().manual_seed(0)
    if past is None:
        past = torch.rand(scores.shape, generator=rng) + 0.5
        now = past[torch.randint(len(past), (time,), generator=rng)]
    else:
        now = torch.ones((time, scores.shape[1]))
    shocks = JointNoise(scores, market_level(past), blur=0.2, neighbours=0.2)(1, time, rng)
    return torch.cat([shock(deviations) for shock, deviations in zip(shocks, now[:, None], strict=True)])


def dependent(days: int = 4000) -> torch.Tensor:
    """Two assets that crash together: a common shock on falling days only."""
    rng = np.random.default_rng(0)
    common = np.minimum(rng.standard_t(3, (days, 1)), 0)
    return torch.tensor(common + 0.7 * rng.standard_normal((days, 2)))


def tail_dependence(x: np.ndarray, level: float = 0.05) -> float:
    low = x <= np.quantile(x, level, axis=0)
    return float(low.all(axis=1).mean() / level)


def test_scores_are_normal_whatever_the_data() -> None:
    scores = normal_scores(dependent())
    np.testing.assert_allclose(scores.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(scores.std(0), 1, atol=1e-3)
    assert stats.kstest(scores[:, 0].numpy(), "norm").pvalue > 0.999


def test_margins_stay_standard_normal_and_crashes_stay_joint() -> None:
    scores = normal_scores(dependent())
    drawn = draw(scores, 200_000).numpy()
    assert max(stats.kstest(column, "norm").statistic for column in drawn.T) < 0.006
    real = scores.numpy()
    assert abs(np.array(np.corrcoef(drawn.T))[0, 1] - np.array(np.corrcoef(real.T))[0, 1]) < 0.02
    gaussian = stats.multivariate_normal(cov=np.cov(real.T)).rvs(200_000, random_state=0)
    assert tail_dependence(drawn) > tail_dependence(gaussian) + 0.05
    assert tail_dependence(drawn) > tail_dependence(real) - 0.08


def test_days_are_new() -> None:
    scores = normal_scores(dependent(500))
    drawn = draw(scores, 300)
    nearest = torch.cdist(drawn, scores).min(1).values
    assert (nearest > 0).all()
    assert nearest.median() > 0.02


def test_days_are_drawn_from_a_market_as_volatile_as_now() -> None:
    """Here assets move together on volatile days only; the path's deviation of 1 is the calmest, then the wildest."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((4000, 2))
    z[2000:, 1] = z[2000:, 0]
    deviations = torch.linspace(0, 3, 4000).exp()[:, None].expand(4000, 2)
    scores = normal_scores(torch.tensor(z))
    calm, wild = (draw(scores, 4000, d).numpy() for d in (deviations, deviations / 20))
    assert abs(np.array(np.corrcoef(calm.T))[0, 1]) < 0.06
    assert np.array(np.corrcoef(wild.T))[0, 1] > 0.95


def test_margins_stay_standard_normal_however_volatile_the_market_is() -> None:
    """Here innovations are three times as large on calm days: a wrong volatility must not come back by the noise."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((4000, 2)) + 0.3
    z[:2000] *= 3
    deviations = torch.linspace(0, 3, 4000).exp()[:, None].expand(4000, 2)
    scores = normal_scores(torch.tensor(z))
    for now in (deviations, deviations / 4, deviations / 20):
        drawn = draw(scores, 20_000, now).numpy()
        assert max(stats.kstest(column, "norm").statistic for column in drawn.T) < 0.02


def test_one_asset_is_plain_noise() -> None:
    one = torch.ones(10, 1)
    shocks = JointNoise(one, one[:, 0], blur=0.2, neighbours=0.2)(3, 4, torch.Generator().manual_seed(5))
    drawn = torch.stack([shock(one[:3]) for shock in shocks], 1)
    assert torch.equal(drawn, torch.randn((3, 4, 1), generator=torch.Generator().manual_seed(5)))
