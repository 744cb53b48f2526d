"""The joint law of one day's noise over the assets: a smoothed empirical copula.

Each asset's innovations follow its own fitted law exactly; only their dependence comes from the data. A day of the
training data is drawn, its normal scores are blurred by Gaussian noise of the same correlation, and shrunk so that
every margin stays standard normal (a smoothed bootstrap with variance correction, Silverman and Young 1987, on the
copula). Days are new, while joint tails that no elliptical copula has are kept.
"""

from __future__ import annotations

import math

import torch
from scipy.stats import norm, rankdata
from torch import Tensor, nn


class JointNoise(nn.Module):
    """Source of noise: independent in time, dependent over assets, each margin standard normal.

    Parameters
    ----------
    scores : (days, assets) normal scores of the training innovations; ``normal_scores`` makes them.
    blur : standard deviation of the added noise relative to the scores'.
    """

    scores: Tensor
    factor: Tensor

    def __init__(self, scores: Tensor, blur: float) -> None:
        super().__init__()
        self.blur = blur
        self.register_buffer("scores", scores)
        exact = scores.cpu().double()
        jitter = 1e-6 * torch.eye(scores.shape[1], dtype=torch.float64)
        self.register_buffer("factor", torch.linalg.cholesky(exact.T @ exact / len(exact) + jitter).to(scores))

    def forward(self, n: int, time: int, rng: torch.Generator) -> Tensor:
        """Draw (n, time, assets) noise."""
        days, assets = self.scores.shape
        fresh = torch.randn((n, time, assets), generator=rng, device=self.scores.device)
        if assets == 1:
            return fresh
        drawn = self.scores[torch.randint(days, (n, time), generator=rng, device=self.scores.device)]
        blurred: Tensor = (drawn + self.blur * (fresh @ self.factor.T)) / math.sqrt(1 + self.blur**2)
        return blurred


def normal_scores(innovations: Tensor) -> Tensor:
    """Normal scores of each column by its ranks: (days, assets) -> the same shape, every margin exactly normal."""
    ranks = rankdata(innovations.cpu().double().numpy(), axis=0)
    scores = norm.ppf((ranks - 0.5) / len(ranks))
    return torch.as_tensor(scores / scores.std(axis=0), dtype=torch.float32, device=innovations.device)
