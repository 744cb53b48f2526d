"""How covariates change the law of the next return: a part of the generator that is silent where none is given.

With c the covariates of a step, of which each may be unknown, and everything else as in :mod:`tsgan.generator`::

    log variance = keep (that of the memory) + (1 - keep) (a . c + level)      keep = product of (1 - k_j), j known
    mean         = mean from the memory + b . c

and innovations of their own, since what a covariate explains need not be explained by heavy tails. What the covariates
alone say of the variance, a . c + level, is fitted without any memory: the forecast is a weighted mean of two. In a
scenario that holds the VIX at 50 for a year the memory comes to agree with what a VIX of 50 means; with a free to
answer for the memory's lag, volatility would run away (tried).

Where nothing is known the law is the one without covariates, to the bit. In training each covariate is hidden at
random, so that any of them can be given alone, as in classifier-free guidance (Ho and Salimans 2022); where some are
known, the others are what a linear regression on those says of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, product
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tsgan.innovation import Innovation, InnovationFamily, innovation_family

_MEAN_SCALE = 0.05  # of the normal prior on b: returns are hard to foretell
_VARIANCE_SCALE = 0.6  # of the Laplace prior on a: small effects are shrunk away
_SERIAL = 12.0  # so many days count for one in it: covariates and volatility move slowly, and often together by chance
_RIDGE = 1e-3  # covariates have a deviation of about 1; one-hot inputs and their flag are dependent


class Guidance(nn.Module):
    """Effect of covariates on the one-step law of every asset.

    Parameters
    ----------
    assets : number of assets
    blocks : inputs of each covariate; the last of a block says whether it is known, and all are 0 where it is not
    """

    neutral: Tensor
    known: Tensor
    moments: Tensor

    def __init__(self, assets: int, blocks: Sequence[int]) -> None:
        super().__init__()
        inputs = sum(blocks)
        self.blocks = tuple(blocks)
        self.variance = nn.Parameter(torch.zeros(assets, inputs))
        self.level = nn.Parameter(torch.zeros(assets, 2 ** len(blocks)))
        self.mean = nn.Parameter(torch.zeros(assets, inputs))
        self.forget = nn.Parameter(torch.zeros(assets, len(blocks)))
        self.skew = nn.Parameter(torch.zeros(assets))
        self.tail = nn.Parameter(torch.full((assets,), 0.5))
        self.calm = nn.Parameter(torch.zeros(assets))
        self.register_buffer("neutral", torch.zeros(assets))
        flags = torch.cumsum(torch.tensor(self.blocks), 0) - 1
        self.register_buffer("known", flags, persistent=False)
        self.register_buffer("moments", torch.zeros(inputs, inputs))

    @torch.no_grad()
    def start_from(self, skew: Tensor, tail: Tensor, calm: Tensor) -> None:
        """Begin with the innovations of the law without covariates."""
        for mine, theirs in ((self.skew, skew), (self.tail, tail), (self.calm, calm)):
            mine.copy_(theirs)

    def prepare(self, neutral: Tensor | None = None) -> GuidedStep:
        """Everything that does not change from step to step; with ``neutral`` instead of the level of the fit."""
        tail = 0.3 + nn.functional.softplus(self.tail)
        family = innovation_family(0.5 * self.skew, tail, 0.7 * torch.tanh(self.calm))
        return GuidedStep(self, family, self.neutral if neutral is None else neutral)

    @torch.no_grad()
    def fix_moments(self, given: Tensor) -> None:
        """Learn how covariates go together: (time, inputs)."""
        whole = given[(given[:, self.known] > 0).all(-1)]
        self.moments.copy_(whole.T @ whole / max(1, len(whole)))

    @torch.no_grad()
    def complete(self, given: Tensor) -> Tensor:
        """Fill in what is not known where something is; what was known stays marked: (n, inputs) -> (n, inputs)."""
        flags, completed = given[:, self.known] > 0, given
        ends = list(accumulate(self.blocks))
        inputs = [range(end - size, end) for end, size in zip(ends, self.blocks, strict=True)]
        for some in list(product((False, True), repeat=len(inputs)))[1:-1]:
            here = [k for block, known in zip(inputs, some, strict=True) if known for k in block]
            missing = [k for block, known in zip(inputs, some, strict=True) if not known for k in block[:-1]]
            among = self.moments[here][:, here] + _RIDGE * torch.eye(len(here), device=given.device)
            fill = torch.zeros_like(self.moments)
            fill[here, here] = 1
            fill[torch.tensor(here)[:, None], missing] = torch.linalg.solve(among, self.moments[here][:, missing])
            same = (flags == torch.tensor(some, device=given.device)).all(-1, keepdim=True)
            completed = torch.where(same, given @ fill, completed)
        return completed

    def trained(self) -> list[nn.Parameter]:
        """All parameters but what the covariates alone say of the variance."""
        return [self.forget, self.mean, self.skew, self.tail, self.calm]

    def penalty(self) -> Tensor:
        """Minus the log prior of the weights: a scalar."""
        size = torch.sqrt(self.variance.square() + 1e-4)  # without the kink of |a|
        variance = _SERIAL / _VARIANCE_SCALE * size.sum()
        return variance + 0.5 * (self.mean / _MEAN_SCALE).square().sum()

    def shift(self, given: Tensor) -> Tensor:
        """What is added to the mean: (n, inputs) -> (n, assets)."""
        return self._without_marks(given) @ self.mean.T

    def log_variance(self, given: Tensor, remembered: Tensor) -> Tensor:
        """Log variance with covariates from the memory's: (n, inputs), (assets, n) -> (assets, n)."""
        known = given[:, self.known]
        keep = torch.addcmul(torch.ones_like(known), torch.sigmoid(self.forget)[:, None], known, value=-1).prod(-1)
        alone = self.variance @ self._without_marks(given).T + self.level[:, self._pattern(known)]
        return torch.lerp(alone, remembered, keep)

    def _without_marks(self, given: Tensor) -> Tensor:
        """Inputs without the marks of what is known."""
        return given.index_fill(1, self.known, 0.0)

    @staticmethod
    def _pattern(known: Tensor) -> Tensor:
        """Which covariates are known, as a number in binary; each subset leaves another part of the variance open."""
        return ((known > 0) * 2 ** torch.arange(known.shape[1], device=known.device)).sum(-1)


class GuidedStep(NamedTuple):
    """What is the same at every step: the effect of covariates, its innovations and its neutral level."""

    guidance: Guidance
    family: InnovationFamily
    neutral: Tensor

    def __call__(
        self, given: Tensor, remembered: Tensor, neutral: Tensor, calmness: Tensor, without: Innovation
    ) -> tuple[Tensor, Innovation]:
        """Log variance (assets, n) and innovation where something is known; elsewhere those without covariates.

        Parameters
        ----------
        given : (n, inputs)
        remembered : (assets, n) log variance before it is made neutral
        neutral : (assets,) what makes it so without covariates; free runs have another level than single steps
        calmness : (n, assets)
        without : innovation without covariates
        """
        some = given[:, self.guidance.known].any(-1)
        guided = self.guidance.log_variance(given, remembered - self.neutral[:, None])
        within = self.family.at(calmness)
        fields = (torch.where(some[:, None], b, a) for a, b in zip(without, within, strict=True))
        return torch.where(some, guided, remembered - neutral[:, None]), Innovation(*fields)


def hide(given: Tensor, blocks: Sequence[int], share: float, rng: torch.Generator) -> Tensor:
    """Make covariates unknown at random, each with a probability, for all steps of a row: (n, ..., inputs)."""
    kept = torch.rand((len(given), len(blocks)), generator=rng, device=given.device) >= share
    kept = torch.cat([one.expand(-1, size) for one, size in zip(kept.split(1, 1), blocks, strict=True)], 1)
    return given * kept.reshape(len(given), *[1] * (given.dim() - 2), -1)
