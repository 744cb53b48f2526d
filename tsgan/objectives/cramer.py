"""Cramér GAN: the energy distance between paths that the critic has transformed (Bellemare et al. 2017, algorithm 1).

Critics return a vector h(x). Half of a batch is compared with the other half, which is independent of it, so that the
gradients of small batches are unbiased. Several processes do so in their own shares of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tsgan.objectives.objective import Objective, Output

_OUTPUTS = 256  # as in public implementations (docs/objectives.md)
_SMOOTH = 0.01  # |.| without its kink: the penalty's difference quotient needs smoothness


def distance(h: Tensor, others: Tensor) -> Tensor:
    """Mean Euclidean distance to others: (n, k), (m, k) -> (n,)."""
    return ((h[:, None] - others).square().sum(-1) + _SMOOTH).sqrt().mean(1)


def score(h: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """f(x) = E|h(x) - h(fake')| - E|h(x) - h(real')|, with the second halves: (n, k), (m, k), (m, k) -> (n,)."""
    return distance(h, fake.chunk(2)[1]) - distance(h, real.chunk(2)[1])


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """f(fake) - f(real) of the first halves, whose mean is minus the energy distance: (n, k), (n, k) -> (n / 2,)."""
    return score(fake.chunk(2)[0], real, fake) - score(real.chunk(2)[0], real, fake)


def generator_loss(output: Output, real: Tensor, fake: Tensor) -> Tensor:
    """|h(real) - h(fake)| + |h(real) - h(fake')| - |h(fake) - h(fake')|: paths (n, ...), (m, ...) -> (m / 2,)."""
    with torch.no_grad():
        of_real = output(real)
    first, second = output(fake).chunk(2)
    return distance(first, of_real) + distance(second, of_real) - distance(first, second)


CRAMER = Objective(critic_loss, generator_loss, score, outputs=_OUTPUTS)
