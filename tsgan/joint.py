"""The joint law of one day's noise over the assets: a smoothed empirical copula that knows the market's volatility.

Each asset's innovations follow its own fitted law; only their dependence comes from the data. A day of the training
data is drawn among those on which the market was about as volatile as the path is now, since assets move together
more in turbulent markets. Its normal scores among those days are blurred by Gaussian noise of the same correlation,
and shrunk (a smoothed bootstrap with variance correction, Silverman and Young 1987, on the copula): every margin stays
standard normal, however volatile the market is. Days are new, while joint tails that no elliptical copula has are kept.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import torch
from scipy.stats import norm, rankdata
from torch import Tensor, nn

Shock: TypeAlias = partial[Tensor]
"""The noise of one step: a function, some tensors, and what it is still to be given, the step's conditional deviations,
(n, assets) -> (n, assets). What is no tensor is in the function."""


class Noise(NamedTuple):
    """The random numbers behind n paths; a path is a function of its state and these."""

    fresh: Tensor
    """(n, time, assets) standard normal numbers"""
    days: Tensor
    """(n, time) days that are drawn, each counted among those of a market; (n, 0) for one asset"""


_MARKETS = 21  # states of the market, from the calmest to the wildest, that have days of their own


class JointNoise(nn.Module):
    """Source of noise: dependent over assets, each margin standard normal.

    Parameters
    ----------
    scores : (days, assets) normal scores of the training innovations; ``normal_scores`` makes them.
    levels : (days,) how volatile the market was; ``market_level`` measures it.
    blur : standard deviation of the added noise relative to the scores'.
    neighbours : share of the days, those of the most similar volatility, that a day is drawn from.
    """

    scores: Tensor
    levels: Tensor
    factor: Tensor
    borders: Tensor
    near: Tensor

    def __init__(self, scores: Tensor, levels: Tensor, blur: float, neighbours: float) -> None:
        super().__init__()
        self.blur = blur
        levels, calm_first = levels.sort(stable=True)
        scores = scores[calm_first]
        days, assets = scores.shape
        width = max(1, round(neighbours * days))
        starts = torch.linspace(0, days - width, _MARKETS).round().long().tolist()
        self.register_buffer("scores", scores)
        self.register_buffer("levels", levels)
        exact = scores.cpu().double()
        jitter = 1e-6 * torch.eye(assets, dtype=torch.float64)
        self.register_buffer("factor", torch.linalg.cholesky(exact.T @ exact / days + jitter).to(scores))
        between = [(a + b + width) // 2 for a, b in pairwise(starts)]
        self.register_buffer("borders", levels[between], persistent=False)
        near = [normal_scores(scores[start : start + width]) for start in starts] if assets > 1 else [scores]
        self.register_buffer("near", torch.stack(near), persistent=False)

    def forward(self, n: int, time: int, rng: torch.Generator) -> list[Shock]:
        """Draw the noise of n paths, one shock a step; all random numbers are drawn here, the days when they come."""
        return self.shocks(self.draw(n, time, rng))

    def draw(self, n: int, time: int, rng: torch.Generator) -> Noise:
        """Draw the random numbers of n paths."""
        assets, device = self.scores.shape[1], self.scores.device
        fresh = torch.randn((n, time, assets), generator=rng, device=device)
        days = torch.randint(self.near.shape[1], (n, time if assets > 1 else 0), generator=rng, device=device)
        return Noise(fresh, days)

    def shocks(self, noise: Noise) -> list[Shock]:
        """Shocks of given random numbers, one a step."""
        if self.scores.shape[1] == 1:
            return known(noise.fresh)
        spread = math.sqrt(1 + self.blur**2)
        fresh = self.blur / spread * (noise.fresh @ self.factor.T)
        days = self.near / spread, self.borders
        return [partial(_near, *days, *step) for step in zip(_steps(fresh), noise.days.unbind(1), strict=True)]


def known(noise: Tensor) -> list[Shock]:
    """Shocks that are given: (n, time, assets) noise."""
    return [partial(_same, z) for z in _steps(noise)]


def _steps(noise: Tensor) -> list[Tensor]:
    """Noise of each step, with the numbers of an asset side by side: (n, time, assets) -> (n, assets) each."""
    return [z.T for z in noise.permute(1, 2, 0).contiguous()]


@torch.no_grad()
def _near(near: Tensor, borders: Tensor, fresh: Tensor, day: Tensor, deviations: Tensor) -> Tensor:
    """Blurred scores of the days, each counted among those of the market that is most like the path's."""
    market = torch.searchsorted(borders, market_level(deviations))
    scores = near.flatten(0, 1)[market * near.shape[1] + day]
    blurred: Tensor = scores.T.contiguous().T + fresh
    return blurred


def market_level(deviations: Tensor) -> Tensor:
    """How volatile the market is as a whole: (n, assets) conditional deviations -> (n,) mean logs."""
    return deviations.log().mean(-1)


def _same(noise: Tensor, deviations: Tensor) -> Tensor:
    return noise


def normal_scores(innovations: Tensor) -> Tensor:
    """Normal scores of each column by its ranks: (days, assets) -> the same shape, every margin exactly normal."""
    ranks = rankdata(innovations.cpu().double().numpy(), axis=0)
    scores = norm.ppf((ranks - 0.5) / len(ranks))
    return torch.as_tensor(scores / scores.std(axis=0), dtype=torch.float32, device=innovations.device)
