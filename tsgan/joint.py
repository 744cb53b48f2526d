"""The joint law of one day's noise over the assets: a smoothed empirical copula that knows the market's volatility.

Each asset's innovations follow its own fitted law; only their dependence comes from the data. A day of the training
data is drawn among those on which the market was about as volatile as the path is now, since assets move together
more in turbulent markets. Its normal scores are blurred by Gaussian noise of the same correlation, and shrunk so that
every margin stays standard normal (a smoothed bootstrap with variance correction, Silverman and Young 1987, on the
copula). Days are new, while joint tails that no elliptical copula has are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from scipy.stats import norm, rankdata
from torch import Tensor, nn

Shock: TypeAlias = Callable[[Tensor], Tensor]
"""The noise of one step, given the step's conditional deviations: (n, assets) -> (n, assets)"""


class JointNoise(nn.Module):
    """Source of noise: dependent over assets, each margin standard normal.

    Parameters
    ----------
    scores : (days, assets) normal scores of the training innovations; ``normal_scores`` makes them.
    deviations : (days, assets) their conditional deviations.
    blur : standard deviation of the added noise relative to the scores'.
    neighbours : share of the days, those of the most similar volatility, that a day is drawn from.
    """

    scores: Tensor
    levels: Tensor
    factor: Tensor

    def __init__(self, scores: Tensor, deviations: Tensor, blur: float, neighbours: float) -> None:
        super().__init__()
        self.blur, self.neighbours = blur, neighbours
        levels, calm_first = market_level(deviations).sort()
        self.register_buffer("scores", scores[calm_first])
        self.register_buffer("levels", levels)
        exact = scores.cpu().double()
        jitter = 1e-6 * torch.eye(scores.shape[1], dtype=torch.float64)
        self.register_buffer("factor", torch.linalg.cholesky(exact.T @ exact / len(exact) + jitter).to(scores))

    def forward(self, n: int, time: int, rng: torch.Generator) -> list[Shock]:
        """Draw the noise of n paths, one shock a step; all random numbers are drawn here, the days when they come."""
        days, assets = self.scores.shape
        fresh = torch.randn((n, time, assets), generator=rng, device=self.scores.device)
        if assets == 1:
            return known(fresh)
        fresh = self.blur * (fresh @ self.factor.T)
        away = torch.rand((n, time), generator=rng, device=self.scores.device) - 0.5
        places = (away * self.neighbours * days).long()
        return [partial(self._near, *step) for step in zip(fresh.unbind(1), places.unbind(1), strict=True)]

    @torch.no_grad()
    def _near(self, fresh: Tensor, places: Tensor, deviations: Tensor) -> Tensor:
        """Blurred scores of the days so many places from the one that was most like now; both ends reflect."""
        days = len(self.scores)
        day = torch.searchsorted(self.levels, market_level(deviations)) + places
        day = torch.where(day < 0, -1 - day, day)
        day = torch.where(day >= days, 2 * days - 1 - day, day)
        blurred: Tensor = (self.scores[day] + fresh) / math.sqrt(1 + self.blur**2)
        return blurred


def known(noise: Tensor) -> list[Shock]:
    """Shocks that are given: (n, time, assets) noise."""
    return [partial(_same, z) for z in noise.unbind(1)]


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
