"""What moves the two players: Adam, or RMSprop without momentum; weights decay apart from the gradient in both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


def optimiser(
    name: str, groups: Iterable[dict[str, Any]], rate: float, betas: tuple[float, float]
) -> torch.optim.Optimizer:
    """Optimiser of some groups of ``params``, each with its decoupled ``weight_decay`` (Loshchilov and Hutter 2019).

    Parameters
    ----------
    name : adam or rmsprop
    betas : Adam's decay rates; RMSprop's is the 0.99 that WGAN was trained with
    """
    if name == "adam":
        return torch.optim.AdamW(groups, rate, betas)
    decays = [group["weight_decay"] for group in groups]
    found = torch.optim.RMSprop([{"params": group["params"]} for group in groups], rate)

    @torch.no_grad()
    def decay(*_: Any) -> None:
        for group, weight_decay in zip(found.param_groups, decays, strict=True):
            torch._foreach_mul_(group["params"], 1 - group["lr"] * weight_decay)

    found.register_step_pre_hook(decay)
    return found
