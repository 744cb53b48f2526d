"""Gradient penalties (Gulrajani et al. 2017; one-sided: Petzka, Fischer and Lukovnikov 2017).

A penalty is a function of the norm of the critic's gradient, taken over the whole path of one sample. The norm comes
from one of two functions with the same value and the same gradient in the critic's parameters: the exact one needs a
double backward pass, the other only first-order passes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Score = Callable[[Tensor], Tensor]  # (n, time, assets) -> (n,)

# Half the length of a difference: errors grow with the square of longer ones, and by rounding off with shorter ones.
# With these the parameter gradients agree with autograd's to 1e-6 in float64, 1e-3 in float32 and 1e-1 in bf16.
STEPS = {"float64": 1e-4, "float32": 0.015, "tf32": 0.1, "bf16": 0.3}


def interpolate(real: Tensor, fake: Tensor, rng: torch.Generator, mixing: float | None = None) -> Tensor:
    """Points between real and fake paths, uniform on each line: x = u real + (1 - u) fake; with mixing, u is that."""
    u = torch.rand((len(real), 1, 1), generator=rng, device=real.device)
    return torch.lerp(fake, real, u if mixing is None else torch.full_like(u, mixing))


def two_sided(norm: Tensor) -> Tensor:
    """(norm - 1)^2, WGAN-GP."""
    return (norm - 1).square()


def one_sided(norm: Tensor) -> Tensor:
    """max(0, norm - 1)^2, WGAN-LP."""
    return (norm - 1).clamp(min=0).square()


def gradient_norm(score: Score, x: Tensor, step: float = STEPS["float32"]) -> Tensor:
    """Norm of the critic's gradient at every path, without double backward.

    With v the unit gradient, d norm / d parameters is the derivative of (f(x + h v) - f(x - h v)) / 2h, v held
    constant. The critic must be smooth (SiLU, tanh): kinks make the difference quotient wrong.

    Parameters
    ----------
    x : (n, time, assets)
    step : h, by the precision that the critic computes in

    Returns
    -------
    (n,); differentiable in the critic's parameters, not in x.
    """
    norm, direction = _slope(score, x)
    nudge = step * direction
    ahead, behind = score(torch.cat((x + nudge, x - nudge))).chunk(2)
    derivative = (ahead - behind) / (2 * step)
    return norm + derivative - derivative.detach()


def gradient_norm_exact(score: Score, x: Tensor) -> Tensor:
    """The same norm by automatic differentiation twice; cuDNN's recurrent kernels cannot do it and are switched off."""
    x = x.detach().requires_grad_()
    with torch.backends.cudnn.flags(enabled=False):
        (gradient,) = torch.autograd.grad(score(x).sum(), x, create_graph=True)
    norm: Tensor = gradient.flatten(1).norm(dim=1)
    return norm


def _slope(score: Score, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(score(x).sum(), x)
    norm = gradient.flatten(1).norm(dim=1)
    return norm, gradient / norm.clamp(min=1e-12)[:, None, None]
