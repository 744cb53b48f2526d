"""One member of the family, by what it does differently; as it stands, WGAN-GP without its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor, nn

from tsgan import losses, penalties
from tsgan.config import TrainingConfig

Output: TypeAlias = Callable[[Tensor], Tensor]
"""A critic: paths (n, time, assets) -> (n,), or (n, outputs)"""


def _minus_score(output: Output, real: Tensor, fake: Tensor) -> Tensor:
    return losses.generator_loss(output(fake))


def _itself(h: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    return h


def _as_it_is(critic: nn.Module, config: TrainingConfig | None = None) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Objective:
    """Pure functions of what critics put out, and what is done to a critic's weights to bound its slope."""

    critic_loss: Callable[[Tensor, Tensor], Tensor] = losses.critic_loss
    """Outputs for real and fake paths -> what critics lower, a value a path; minus its mean is the distance"""
    generator_loss: Callable[[Output, Tensor, Tensor], Tensor] = _minus_score
    """A critic, real paths and fake ones -> what the generator lowers, a value a path"""
    score: Callable[[Tensor, Tensor, Tensor], Tensor] = _itself
    """Outputs for some paths, for real and for fake ones -> (n,), the function whose slope is penalised"""
    penalty: Callable[[Tensor], Tensor] = penalties.two_sided
    """Of the norm of that slope; it counts by its weight in the configuration, 0 for none"""
    outputs: int = 1
    """Numbers that a critic turns a path into"""
    prepare: Callable[[nn.Module], None] = _as_it_is
    """What is done to a new critic"""
    settle: Callable[[nn.Module, TrainingConfig], None] = _as_it_is
    """What is done to a critic after each of its steps"""
