"""The law of one standardised innovation: sinh-arcsinh (Jones and Pewsey 2009, Biometrika 96).

``y = sinh((asinh(z) + skew) / tail)`` with z standard normal is skewed for skew != 0 and heavier-tailed than
the normal law for tail < 1. Here y is shifted and scaled to mean 0 and variance 1, so that a volatility
multiplied by it stays a volatility. Parameters broadcast against the last dimensions of z or e, and everything is
differentiable in them.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

_HALF_WIDTH, _NODES = 10.0, 801  # the normal density at 10 is 8e-23; a kink costs the trapezoid rule O(step^3) = 1e-5
_DEGREE = 4  # of the polynomials that standardise a family; even a stretch of 0.7 has errors below 3e-3


class Innovation(NamedTuple):
    """A standardised innovation law; each field has shape (assets,) or (n, assets).

    Attributes
    ----------
    skew, tail : shape parameters; (0, 1) is the normal law.
    shift, scale : mean and standard deviation of the raw sinh-arcsinh law, taken out.
    """

    skew: Tensor
    tail: Tensor
    shift: Tensor
    scale: Tensor

    def from_normal(self, z: Tensor) -> Tensor:
        """Turn standard normal numbers (..., assets) into innovations of the same shape; increasing in z."""
        return (_raw(z, self.skew, self.tail) - self.shift) / self.scale

    def to_normal(self, e: Tensor) -> Tensor:
        """Invert :meth:`from_normal`."""
        return torch.sinh(self.tail * torch.asinh(self.shift + self.scale * e) - self.skew)

    def log_density(self, e: Tensor) -> Tensor:
        """Log density of innovations e (..., assets), same shape (Jones and Pewsey 2009, equation 2)."""
        y = self.shift + self.scale * e
        angle = self.tail * torch.asinh(y) - self.skew
        slope = self.scale.log() + self.tail.log() + _log_cosh(angle) - 0.5 * torch.log1p(y * y)
        return slope - 0.5 * torch.sinh(angle).square() - 0.5 * math.log(2 * math.pi)

    def quantile(self, level: float) -> Tensor:
        """Quantile of the innovation at a probability level in (0, 1), shape of the fields."""
        z = torch.special.ndtri(torch.tensor(level, dtype=torch.float64)).to(self.tail)
        return self.from_normal(z.expand_as(self.tail))

    def tail_mean(self, level: float) -> Tensor:
        """Mean of the innovation below its quantile at level, shape of the fields: expected shortfall's part."""
        upper = torch.special.ndtri(torch.tensor(level, dtype=torch.float64)).item()
        z = torch.linspace(-_HALF_WIDTH, upper, _NODES, dtype=torch.float64)
        weight = torch.exp(-0.5 * z * z)
        weight[[0, -1]] *= 0.5
        weight = weight / weight.sum()
        law = Innovation(*(field.cpu().double() for field in self))
        mean = torch.zeros_like(law.tail)
        for node, share in zip(z, weight, strict=True):  # node by node: n rows times 801 nodes may not fit in memory
            mean += share * law.from_normal(node)
        return mean.to(self.tail)


class InnovationFamily(NamedTuple):
    """The innovation laws between a usual market and a calm one, which differ in their tails.

    Attributes
    ----------
    usual : the law at calmness 0, fields of shape (assets,)
    curves : polynomials in the calmness, highest power first, of shift, log scale and log tail: each (3, 1, assets)
    lower, upper : (assets,) E[e^2 1(e < 0)] and E[e^2 1(e >= 0)] of the usual law; they sum to 1
    """

    usual: Innovation
    curves: tuple[Tensor, ...]
    lower: Tensor
    upper: Tensor

    def at(self, calmness: Tensor, out: Tensor | None = None) -> Innovation:
        """Law at a calmness in [0, 1]: (n, assets) -> fields (n, assets), in ``out`` (3, n, assets) if given."""
        highest, second, *others = self.curves
        curve = torch.mul(highest, calmness, out=out).add_(second)
        for coefficient in others:
            curve = torch.addcmul(coefficient, curve, calmness, out=out)
        shift, scale, tail = curve[0], *torch.exp(curve[1:], out=None if out is None else curve[1:])
        return Innovation(self.usual.skew, tail, shift, scale)


def innovation(skew: Tensor, tail: Tensor) -> Innovation:
    """Standardise the sinh-arcsinh law by quadrature.

    Parameters
    ----------
    skew, tail : tensors of shape (assets,), or a tail of shape (n, assets); tail > 0.
    """
    z, weight = _quadrature(tail)
    y = _raw(z.reshape(-1, *[1] * tail.dim()), skew, tail)
    shift = torch.tensordot(weight, y, 1)
    scale = torch.tensordot(weight, (y - shift).square(), 1).sqrt()
    return Innovation(skew, tail, shift, scale)


def innovation_family(skew: Tensor, tail: Tensor, stretch: Tensor) -> InnovationFamily:
    """Standardise all laws between tail (calmness 0) and tail * exp(-stretch) (calmness 1), interpolating between some.

    Parameters
    ----------
    skew, tail, stretch : tensors of shape (assets,), tail > 0; stretch > 0 gives calm markets heavier tails.
    """
    nodes, powers = _interpolation(tail.dtype, tail.device)
    laws = innovation(skew, tail * torch.exp(-stretch * nodes[:, None]))
    curves = torch.tensordot(powers, torch.stack((laws.shift, laws.scale.log(), laws.tail.log()), 1), 1)
    usual = innovation(skew, tail)
    z, weight = _quadrature(tail)
    e = usual.from_normal(z[:, None])
    lower = weight @ torch.where(e < 0, e.square(), 0.0)
    return InnovationFamily(usual, curves.unsqueeze(2).unbind(), lower, 1 - lower)


@cache  # moved to a GPU once, not at every step
@torch.inference_mode(False)  # whoever comes first: training needs to differentiate with them
def _interpolation(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Nodes in [0, 1], and what turns values there into coefficients of a polynomial, highest power first."""
    angles = torch.arange(_DEGREE + 1, dtype=torch.float64) + 0.5
    nodes = 0.5 - 0.5 * torch.cos(math.pi * angles / (_DEGREE + 1))
    return nodes.to(device, dtype), torch.linalg.inv(torch.linalg.vander(nodes)).flip(0).to(device, dtype)


def _quadrature(like: Tensor) -> tuple[Tensor, Tensor]:
    z = torch.linspace(-_HALF_WIDTH, _HALF_WIDTH, _NODES, dtype=like.dtype, device=like.device)
    return z, torch.softmax(-0.5 * z * z, 0)


def _raw(z: Tensor, skew: Tensor, tail: Tensor) -> Tensor:
    return torch.sinh((_asinh(z) + skew) / tail)


def _asinh(z: Tensor) -> Tensor:
    """Do as torch.asinh, which takes seven times as long; for numbers such as noise, not for gradients at 0."""
    size = z.abs()
    return size.square().add_(1).sqrt_().add_(size).log_().copysign_(z)


def _log_cosh(x: Tensor) -> Tensor:
    return x.abs() + torch.log1p(torch.exp(-2 * x.abs())) - math.log(2)
