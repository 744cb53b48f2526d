"""WGAN: every weight of a critic is clamped after each of its steps (Arjovsky, Chintala and Bottou 2017).

Slopes are bounded by some number that nobody knows, so that critics find a multiple of the distance.
"""

import torch
from torch import nn

from tsgan.config import TrainingConfig
from tsgan.objectives.objective import Objective


@torch.no_grad()
def clamp(critic: nn.Module, config: TrainingConfig) -> None:
    """Weights to [-c, c], in place."""
    for parameter in critic.parameters():
        parameter.clamp_(-config.clip, config.clip)


WGAN_CLIP = Objective(settle=clamp)
