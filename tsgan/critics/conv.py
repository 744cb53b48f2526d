"""A convolutional critic: residual blocks at halving resolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsgan.critics.features import VIEWS, channels


class ConvCritic(nn.Module):
    """Score of a path given its past.

    LayerNorm stands inside the residual branches only: on the main path it would erase the amplitude, and the
    generator would let volatility die. There is no BatchNorm, since the penalty belongs to single
    samples. SiLU is smooth, which the first-order penalty needs. Time is the second dimension of a picture of height 1,
    its channels next to each other in memory, which convolutions are written for.

    Parameters
    ----------
    assets : number of assets
    conditions : columns of covariates behind the assets, in future and past
    width : channels
    blocks : residual blocks; each halves the resolution
    outputs : numbers that a path is turned into, by default a score
    """

    def __init__(self, assets: int, conditions: int = 0, width: int = 32, blocks: int = 3, *, outputs: int = 1) -> None:
        super().__init__()
        self.conditions = conditions
        self.stem = nn.Conv2d(VIEWS * assets + 1 + conditions, width, kernel_size=(1, 8), stride=(1, 4))
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(blocks))
        self.score = nn.Linear(width, outputs)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's annotations lack it

    def forward(self, future: Tensor, past: Tensor) -> Tensor:
        """(n, time, assets + conditions), (n, past, assets + conditions) -> (n,), or (n, outputs) of several."""
        views = channels(future, past, self.conditions).transpose(1, 2).unsqueeze(2)  # (n, views, 1, past + time)
        h = self.stem(views)  # (n, width, 1, (past + time) / 4 - 1)
        for block in self.blocks:
            h = functional.avg_pool2d(block(h), (1, 2), ceil_mode=True)
        score: Tensor = self.score(functional.silu(h).mean((2, 3)))
        return score.squeeze(-1)


class ResidualBlock(nn.Module):
    """x + conv(silu(layer norm(conv(silu(x))))), shape kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, kernel_size=(1, 5), padding=(0, 2))
        self.second = nn.Conv2d(width, width, kernel_size=(1, 5), padding=(0, 2))

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, 1, time) -> the same."""
        h = self.first(functional.silu(x)).permute(0, 2, 3, 1)
        h = functional.layer_norm(h, h.shape[1:]).permute(0, 3, 1, 2)
        y: Tensor = x + self.second(functional.silu(h))
        return y
