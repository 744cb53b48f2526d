"""Spectral normalisation: weights divided by their largest singular value (Miyato, Kataoka, Koyama and Yoshida 2018).

Every matrix and every convolution, as the matrix (outputs, inputs x width), then has the norm 1. That bounds the slope
of a critic, but not by 1: convolutions overlap, a recurrent network reads many times. The loss is Wasserstein's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import ParametrizationList

from tsgan.config import TrainingConfig
from tsgan.objectives.objective import Objective


def normalise(critic: nn.Module) -> None:
    """Let all matrices of a critic, those of an LSTM too, be what is left of them after division by their norm."""
    for module in list(critic.modules()):
        for name, parameter in list(module.named_parameters(recurse=False)):
            if parameter.ndim > 1:
                spectral_norm(module, name)
        if isinstance(module, nn.LSTM):
            module.register_forward_hook(_forget)
    for weight in _normalised(critic):
        weight.eval()


@torch.no_grad()
def iterate(critic: nn.Module, config: TrainingConfig) -> None:
    """Follow the singular vectors by one step of the power iteration, once a critic step: all passes see one critic."""
    for weight in _normalised(critic):
        weight.train()
        weight()
        weight.eval()


def _normalised(critic: nn.Module) -> list[ParametrizationList]:
    return [module for module in critic.modules() if isinstance(module, ParametrizationList)]


def _forget(lstm: nn.LSTM, inputs: Any, output: Any) -> None:
    """An LSTM keeps the weights it last used, which are now results of a graph and could not be copied with it."""
    lstm._flat_weights = []


SPECTRAL = Objective(prepare=normalise, settle=iterate)
