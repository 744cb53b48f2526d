"""How covariates change the law of the next return: a part of the generator that is silent where none is given.

Volatility has two factors (Engle, Ghysels and Sohn 2013): what the covariates c of a step explain, and a memory of
returns that are freed of it. With everything else as in :mod:`tsgan.generator`::

    log tau      = a . c - the mean effect of a . c on the squares of the history
    log variance = log tau + keep (that of the memory of returns / sqrt(tau)) + level
    mean         = mean from the memory + b . c
    keep         = product of (1 - k_j), j known

and innovations of their own, since what a covariate explains need not be explained by heavy tails. A level of
volatility that covariates explain does not enter the memory, so it is not counted twice: a year with the VIX at 50 has
the volatility of a VIX of 50. Each covariate's a is fitted without any memory, which cannot run away; then a share of
it is kept that the memory does not know already, none of a covariate that means nothing.

Where nothing is known the law is the one without covariates, to the bit. In training subsets of the covariates are
hidden at random, so that any of them can be given alone, as in classifier-free guidance (Ho and Salimans 2022); where
some are known, the others are what a linear regression on those says of them. Each subset has a tau, and so a memory,
of its own.
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
_CLEAR = 0.1  # effects above this are shrunk less the second time
_RIDGE = 1e-3  # covariates have a deviation of about 1; one-hot inputs and their flag are dependent
_SMALL = 1e-4  # of the usual variance: a history of equal prices has a logarithm, too
_ALL = 30.0  # a logit of everything


class Guidance(nn.Module):
    """Effect of covariates on the one-step law of every asset.

    Parameters
    ----------
    assets : number of assets
    blocks : inputs of each covariate; the last of a block says whether it is known, and all are 0 where it is not
    """

    usual: Tensor
    known: Tensor
    block: Tensor
    moments: Tensor
    strictness: Tensor

    def __init__(self, assets: int, blocks: Sequence[int]) -> None:
        super().__init__()
        inputs = sum(blocks)
        self.blocks = tuple(blocks)
        self.variance = nn.Parameter(torch.zeros(assets, inputs))
        self.share = nn.Parameter(torch.zeros(assets, len(blocks)))
        self.level = nn.Parameter(torch.zeros(assets, 2 ** len(blocks)))
        self.mean = nn.Parameter(torch.zeros(assets, inputs))
        self.forget = nn.Parameter(torch.zeros(assets, len(blocks)))
        self.skew = nn.Parameter(torch.zeros(assets))
        self.tail = nn.Parameter(torch.full((assets,), 0.5))
        self.calm = nn.Parameter(torch.zeros(assets))
        self.register_buffer("usual", torch.zeros(assets, 2 ** len(blocks)))
        flags = torch.cumsum(torch.tensor(self.blocks), 0) - 1
        self.register_buffer("known", flags, persistent=False)
        block = torch.arange(len(blocks)).repeat_interleave(torch.tensor(blocks))
        self.register_buffer("block", block, persistent=False)
        self.register_buffer("moments", torch.zeros(inputs, inputs))
        self.register_buffer("strictness", torch.ones(assets, inputs), persistent=False)

    @torch.no_grad()
    def start_from(self, skew: Tensor, tail: Tensor, calm: Tensor) -> None:
        """Begin with the innovations of the law without covariates, and without its memory."""
        for mine, theirs in ((self.skew, skew), (self.tail, tail), (self.calm, calm)):
            mine.copy_(theirs)
        self.forget.fill_(_ALL)
        self.share.fill_(_ALL)

    @torch.no_grad()
    def relax(self) -> None:
        """Shrink clear effects less from now on (Candes, Wakin and Boyd 2008): a Laplace prior takes from all alike."""
        self.strictness = 1 / (1 + self.variance.abs() / _CLEAR)

    @torch.no_grad()
    def take_memory(self) -> None:
        """Begin to use the memory, and half of what the covariates say alone."""
        for parameter in (self.forget, self.share, self.level):
            parameter.zero_()

    def prepare(self) -> GuidedStep:
        """Everything that does not change from step to step."""
        tail = 0.3 + nn.functional.softplus(self.tail)
        family = innovation_family(0.5 * self.skew, tail, 0.7 * torch.tanh(self.calm))
        return GuidedStep(self, family)

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

    def alone(self) -> list[nn.Parameter]:
        """Parameters of the law without memory."""
        return [self.variance, self.level, self.mean, self.skew, self.tail, self.calm]

    def trained(self) -> list[nn.Parameter]:
        """Parameters of the law beside the memory, which is without what covariates explain: that stays as it is."""
        return [self.forget, self.level, self.mean, self.skew, self.tail, self.calm]

    def penalty(self) -> Tensor:
        """Minus the log prior of the weights: a scalar."""
        size = torch.sqrt(self.variance.square() + 1e-4)  # without the kink of |a|
        variance = _SERIAL / _VARIANCE_SCALE * (self.strictness * size).sum()
        return variance + 0.5 * (self.mean / _MEAN_SCALE).square().sum()

    def explained(self, given: Tensor) -> Tensor:
        """Log tau, what the covariates explain of the variance: (n, inputs) -> (assets, n); 0 where none is known."""
        weights = torch.sigmoid(self.share)[:, self.block] * self.variance
        return weights @ self._without_marks(given).T + self.usual[:, self._pattern(given)]

    def centre(self, y: Tensor, given: Tensor) -> None:
        """Let y / sqrt(tau) have the variance 1 where most is known in a history: (time, assets), (time, inputs)."""
        pattern = self._pattern(given)
        days, column = pattern == pattern.max(), nn.functional.one_hot(pattern.max(), self.usual.shape[1])
        self.usual = others = self.usual.detach() * (1 - column)
        left = (y[days].square() * torch.exp(-self.explained(given[days]).T)).mean(0)
        self.usual = others + left.clamp(min=_SMALL).log()[:, None] * column

    def shift(self, given: Tensor) -> Tensor:
        """What is added to the mean: (n, inputs) -> (n, assets)."""
        return self._without_marks(given) @ self.mean.T

    def log_variance(self, given: Tensor, remembered: Tensor) -> Tensor:
        """Log variance from that of the memory of what is not explained: (n, inputs), (assets, n) -> (assets, n)."""
        known = given[:, self.known]
        keep = torch.addcmul(torch.ones_like(known), torch.sigmoid(self.forget)[:, None], known, value=-1).prod(-1)
        return torch.addcmul(self.explained(given) + self.level[:, self._pattern(given)], keep, remembered)

    def _without_marks(self, given: Tensor) -> Tensor:
        """Inputs without the marks of what is known."""
        return given.index_fill(1, self.known, 0.0)

    def _pattern(self, given: Tensor) -> Tensor:
        """Which covariates are known, as a number in binary; each subset leaves another part of the variance open."""
        known = given[:, self.known] > 0
        return (known * 2 ** torch.arange(known.shape[1], device=known.device)).sum(-1)


class GuidedStep(NamedTuple):
    """What is the same at every step: the effect of covariates and its innovations."""

    guidance: Guidance
    family: InnovationFamily

    def __call__(
        self, given: Tensor, remembered: Tensor, calmness: Tensor, log_variance: Tensor, without: Innovation
    ) -> tuple[Tensor, Innovation]:
        """Log variance (assets, n) and innovation where something is known; elsewhere those without covariates.

        Parameters
        ----------
        given : (n, inputs)
        remembered, calmness : (assets, n) log variance and (n, assets) from the memory of what is not explained
        log_variance, without : log variance and innovation without covariates
        """
        some = given[:, self.guidance.known].any(-1)
        guided = self.guidance.log_variance(given, remembered)
        within = self.family.at(calmness)
        fields = (torch.where(some[:, None], b, a) for a, b in zip(without, within, strict=True))
        return torch.where(some, guided, log_variance), Innovation(*fields)


def subsets(blocks: Sequence[int]) -> Tensor:
    """What can be known together: (subsets, inputs) of 1 and 0, every subset of the covariates but none."""
    known = torch.tensor(list(product((0.0, 1.0), repeat=len(blocks)))[1:])
    return known.repeat_interleave(torch.tensor(blocks), 1)
