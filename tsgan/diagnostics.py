"""What is recorded while a law trains: what every step tells of itself, and every few steps a look at fresh paths.

A look runs the generator from the same days with the same noise each time, so that its curves are smooth and it takes
no random number of the training's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tsgan.generator import Generator
from tsgan.joint import JointNoise
from tsgan.windows import Batch

EVERY = 10  # steps between two looks, which together cost a few hundredths of a fit
_WINDOWS = 64  # that a look runs from, spread evenly over the slice
_COPY_STEPS, _COPY_LEVEL = 20, 0.005  # those of the copy guard (:mod:`tsgan.evaluation.copies`), in either half
_COPY_QUERIES = 1000  # windows that say how near new ones come
_ACF_LAGS, _LEVERAGE_LAGS = 10, 5
_DIGITS = 6  # of a stored value, more than anything here is known to


class Record(NamedTuple):
    """What one generator step looked like; what is None was not looked at, or does not exist for this fit."""

    step: int
    wasserstein: float
    """Critics' mean estimate, f(real) - f(fake), on the batch of the last critic step"""
    penalty: float | None
    """Their mean gradient penalty, unweighted"""
    likelihood: float
    """Mean one-step log likelihood, what anchors the generator"""
    seconds: float
    """Seconds since the start"""
    slope: float | None = None
    """Mean norm of the critics' gradient in a path, at the penalty's points; 1 is asked for"""
    critic_gradient: float | None = None
    """Norm of the critics' gradient in all of their parameters"""
    generator_gradient: float | None = None
    """Norm of the generator's gradient in all of its parameters, the anchor's included"""
    pull: float | None = None
    """Mean norm of a critic's gradient in a generated path: all that the generator hears of it"""
    training: float | None = None
    """Critics' estimate on fixed training windows"""
    validation: float | None = None
    """The same on windows whose future lies in the validation slice"""
    distance: float | None = None
    """Mean distance of real and generated windows, which bounds the estimate of a critic of slope 1"""
    diversity: float | None = None
    """How far a generated path is from the one most like it, over the same of real ones; 0: all alike"""
    copies: float | None = None
    """Share of generated windows of 20 steps nearer to the data than 1 % of new real ones would be"""
    facts: float | None = None
    """Mean difference of stylized facts, in the deviations that they have between windows of the data"""
    volatility: float | None = None
    """Deviation of generated returns over the real ones'"""
    persistence: float | None = None
    """Weight of the remembered variance in the next, mean over assets"""
    tail: float | None = None
    """Tail parameter of the innovation, mean over assets; 1 is normal, less is heavier"""
    skew: float | None = None
    """Skew parameter of the innovation, mean over assets"""


Estimate = Callable[[Tensor, Tensor], Tensor]  # real and fake windows, (n, past + future, assets + inputs) -> a scalar


def to_columns(records: Sequence[Record]) -> dict[str, list[Any]]:
    """Turn records into lists by name, for JSON; values to six digits."""
    return {name: [_rounded(getattr(record, name)) for record in records] for name in Record._fields}


def from_columns(stored: dict[str, list[Any]] | list[list[Any]]) -> list[Record]:
    """Invert :func:`to_columns`; older files hold a list a record."""
    if isinstance(stored, list):
        return [Record(*row) for row in stored]
    return [Record(**dict(zip(stored, row, strict=True))) for row in zip(*stored.values(), strict=True)]


def present(record: Record) -> dict[str, float]:
    """Values of a record that are there, by name, to six digits."""
    return {name: value for name in Record._fields if (value := _rounded(getattr(record, name))) is not None}


def _rounded(value: float | None) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def windows_at(
    x: Tensor, states: Tensor, given: Tensor, origins: tuple[int, int], past: int, future: int
) -> Batch | None:
    """Windows spread evenly over a range of origins, all covariates known; None if there are not two origins.

    Parameters
    ----------
    x, states, given : (time, assets), (time + 1, assets, 3 or 5, half-lives), (time, inputs)
    origins : first and last possible position of the first future step
    """
    first, last = origins
    if last <= first:
        return None
    at = torch.linspace(first, last, min(_WINDOWS, last - first + 1), dtype=torch.float64).long().to(x.device)
    steps = at[:, None] + torch.arange(-past, future, device=x.device)
    rows = x[steps]
    return Batch(rows[:, :past], rows[:, past:], states[at], given[steps])


class Looks:
    """Looks at a generator and its critics, on windows of the training slice and perhaps of a later one.

    Parameters
    ----------
    x : (time, assets) standardised training returns, of which paths may be copies
    windows, later : where paths start, and what is compared with; later is None where there is no validation slice
    rng : a stream that nothing else draws from
    """

    def __init__(self, x: Tensor, windows: Batch, later: Batch | None, noise: JointNoise, rng: torch.Generator) -> None:
        self.windows, self.later = windows, later
        self.count = len(windows.past)
        both = windows if later is None else Batch(*map(torch.cat, zip(windows, later, strict=True)))
        self.origins = both
        self.real = both.with_future(both.future)
        self.shocks = noise(len(both.past), both.future.shape[1], rng)
        self.ahead = both.given[:, both.past.shape[1] :] if both.given.shape[-1] else None
        self.apart = _nearest_of_others(windows.future)
        facts = stylized_facts(windows.future)
        self.facts, self.spread = facts.mean(0), facts.std(0) + 1e-3
        self.copies = CopyCheck(x) if len(x) >= 10 * _COPY_STEPS <= 10 * windows.future.shape[1] else None

    @torch.no_grad()
    def __call__(self, generator: Generator, estimate: Estimate, reference: Tensor) -> dict[str, Tensor]:
        """Scalars on the device, by the names of :class:`Record`; nothing waits for them."""
        future = generator(self.origins.state, self.shocks, reference, given=self.ahead)[0]
        fake = self.origins.with_future(future)
        ours, real = future[: self.count], self.windows.future
        found = {
            "training": estimate(self.real[: self.count], fake[: self.count]),
            "distance": (self.real - fake.roll(1, 0)).flatten(1).norm(dim=1).mean(),
            "diversity": _nearest_of_others(ours) / self.apart.clamp(min=1e-6),
            "facts": ((stylized_facts(ours).mean(0) - self.facts) / self.spread).abs().mean(),
            "volatility": (ours.square().mean() / real.square().mean()).sqrt(),
            "persistence": (0.998 * torch.sigmoid(generator.persistence)).mean(),
            "tail": generator.innovations().usual.tail.mean(),
            "skew": generator.innovations().usual.skew.mean(),
        }
        if self.later is not None:
            found["validation"] = estimate(self.real[self.count :], fake[self.count :])
        if self.copies is not None:
            found["copies"] = self.copies(ours)
        return found


def stylized_facts(x: Tensor) -> Tensor:
    """Five facts of every window: (n, time, assets) -> (n, 5, assets).

    Log variance, tails (log of deviation over mean |x|), asymmetry (share of x |x|), volatility clustering (mean
    autocorrelation of |x|) and leverage (mean correlation of x with later |x|).
    """
    x = x - x.mean(1, keepdim=True)
    size = x.abs()
    variance = x.square().mean(1).clamp(min=1e-8)
    tails = (variance.sqrt() / size.mean(1).clamp(min=1e-4)).log()
    asymmetry = (x * size).mean(1) / variance
    wild = size - size.mean(1, keepdim=True)
    spread = wild.square().mean(1).clamp(min=1e-8)
    time = x.shape[1]
    clusters = [(wild[:, : time - k] * wild[:, k:]).sum(1) / time for k in range(1, _ACF_LAGS + 1)]
    leverage = [(x[:, : time - k] * wild[:, k:]).sum(1) / time for k in range(1, _LEVERAGE_LAGS + 1)]
    of_clusters = torch.stack(clusters).mean(0) / spread
    of_leverage = torch.stack(leverage).mean(0) / (variance * spread).sqrt()
    return torch.stack((variance.log(), tails, asymmetry, of_clusters, of_leverage), 1)


class CopyCheck:
    """The copy guard of :mod:`tsgan.evaluation.copies` on the device and without its verdict.

    Parameters
    ----------
    x : (time, assets) standardised training returns
    """

    def __init__(self, x: Tensor) -> None:
        half = len(x) // 2
        self.halves = [_units(part.unfold(0, _COPY_STEPS, 1).mT) for part in (x[:half], x[half:])]
        self.limits = []
        for mine, other in (self.halves, self.halves[::-1]):
            some = other[:: max(1, len(other) // _COPY_QUERIES)]
            self.limits.append(_nearest(some, mine).quantile(_COPY_LEVEL))

    def __call__(self, paths: Tensor) -> Tensor:
        """Share of the windows of paths (n, time, assets) that are near to either half."""
        pieces = paths.shape[1] // _COPY_STEPS
        windows = _units(paths[:, : pieces * _COPY_STEPS].reshape(-1, _COPY_STEPS, paths.shape[2]))
        near = [_nearest(windows, half) < limit for half, limit in zip(self.halves, self.limits, strict=True)]
        share: Tensor = torch.logical_or(*near).to(paths.dtype).mean()
        return share


def _units(windows: Tensor) -> Tensor:
    """Centred and of length 1, asset by asset: (n, time, assets) -> (n, time x assets)."""
    centred = windows - windows.mean(1, keepdim=True)
    unit: Tensor = nn.functional.normalize(centred, dim=1, eps=1e-6).flatten(1)
    return unit / math.sqrt(windows.shape[2])


def _nearest(windows: Tensor, reference: Tensor) -> Tensor:
    """Distance to the nearest of a reference, both of length 1: (n, k), (m, k) -> (n,)."""
    likeness: Tensor = torch.cat([(part @ reference.T).amax(1) for part in windows.split(250)])
    return (2 - 2 * likeness).clamp(min=0).sqrt()


def _nearest_of_others(x: Tensor) -> Tensor:
    """Mean distance of a window's shape to the nearest other's: (n, time, assets) -> scalar."""
    unit = _units(x)
    likeness: Tensor = unit @ unit.T - 4 * torch.eye(len(unit), device=x.device)
    return (2 - 2 * likeness.amax(1)).clamp(min=0).sqrt().mean()
