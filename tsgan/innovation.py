"""The law of one standardised innovation: sinh-arcsinh (Jones and Pewsey 2009, Biometrika 96).

``y = sinh((asinh(z) + skew) / tail)`` with z standard normal is skewed for skew != 0 and heavier-tailed than
the normal law for tail < 1. Here y is shifted and scaled to mean 0 and variance 1, so that a volatility
multiplied by it stays a volatility. All functions take parameters of shape (assets,) that broadcast against the
last dimension of z or e, and are differentiable in the parameters.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

_HALF_WIDTH, _NODES = 10.0, 801  # the normal density at 10 is 8e-23; a kink costs the trapezoid rule O(step^3) = 1e-5


class Innovation(NamedTuple):
    """A standardised innovation law for every asset; each field has shape (assets,).

    Attributes
    ----------
    skew, tail : shape parameters; (0, 1) is the normal law.
    shift, scale : mean and standard deviation of the raw sinh-arcsinh law, taken out.
    lower, upper : E[e^2 1(e < 0)] and E[e^2 1(e >= 0)]; they sum to 1.
    """

    skew: Tensor
    tail: Tensor
    shift: Tensor
    scale: Tensor
    lower: Tensor
    upper: Tensor

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
        """Quantile of the innovation at a probability level in (0, 1), shape (assets,)."""
        z = torch.special.ndtri(torch.tensor(level, dtype=torch.float64)).to(self.skew)
        return self.from_normal(z.expand_as(self.skew))

    def tail_mean(self, level: float) -> Tensor:
        """Mean of the innovation below its quantile at level, shape (assets,): expected shortfall's building block."""
        upper = torch.special.ndtri(torch.tensor(level, dtype=torch.float64)).item()
        z = torch.linspace(-_HALF_WIDTH, upper, _NODES, dtype=torch.float64)
        weight = torch.exp(-0.5 * z * z)
        weight[[0, -1]] *= 0.5
        law = Innovation(*(field.cpu().double() for field in self))
        return ((weight / weight.sum()) @ law.from_normal(z[:, None])).to(self.skew)


def innovation(skew: Tensor, tail: Tensor) -> Innovation:
    """Standardise the sinh-arcsinh law by quadrature.

    Parameters
    ----------
    skew, tail : tensors of shape (assets,), tail > 0.
    """
    z = torch.linspace(-_HALF_WIDTH, _HALF_WIDTH, _NODES, dtype=skew.dtype, device=skew.device)
    weight = torch.softmax(-0.5 * z * z, 0)
    y = _raw(z[:, None], skew, tail)
    shift = weight @ y
    scale = (weight @ (y - shift).square()).sqrt()
    square = ((y - shift) / scale).square()
    lower = weight @ torch.where(y < shift, square, 0.0)
    return Innovation(skew, tail, shift, scale, lower, 1 - lower)


def _raw(z: Tensor, skew: Tensor, tail: Tensor) -> Tensor:
    return torch.sinh((torch.asinh(z) + skew) / tail)


def _log_cosh(x: Tensor) -> Tensor:
    return x.abs() + torch.log1p(torch.exp(-2 * x.abs())) - math.log(2)
