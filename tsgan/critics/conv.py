"""A convolutional critic: residual blocks at halving resolutions."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from tsgan.critics.features import VIEWS, channels


class ConvCritic(nn.Module):
    """Score of a path given its past.

    LayerNorm stands inside the residual branches only: on the main path it would erase the amplitude, and the
    generator would let volatility die. There is no BatchNorm, since the penalty belongs to single
    samples. SiLU is smooth, which the first-order penalty needs.

    Parameters
    ----------
    assets : number of assets
    conditions : columns of covariates behind the assets, in future and past
    width : channels
    blocks : residual blocks; each halves the resolution
    """

    def __init__(self, assets: int, conditions: int = 0, width: int = 32, blocks: int = 3) -> None:
        super().__init__()
        self.conditions = conditions
        self.stem = nn.Conv1d(VIEWS * assets + 1 + conditions, width, kernel_size=8, stride=4)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(blocks))
        self.score = nn.Linear(width, 1)

    def forward(self, future: Tensor, past: Tensor) -> Tensor:
        """(n, time, assets + conditions), (n, past, assets + conditions) -> (n,)."""
        h = self.stem(channels(future, past, self.conditions))  # (n, width, (past + time) / 4 - 1)
        for block in self.blocks:
            h = functional.avg_pool1d(block(h), 2, ceil_mode=True)
        score: Tensor = self.score(functional.silu(h).mean(-1))
        return score.squeeze(-1)


class ResidualBlock(nn.Module):
    """x + conv(silu(layer norm(conv(silu(x))))), shape kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(width, width, kernel_size=5, padding=2)
        self.second = nn.Conv1d(width, width, kernel_size=5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, time) -> the same."""
        h = self.first(functional.silu(x))
        h = functional.layer_norm(h, h.shape[1:])
        y: Tensor = x + self.second(functional.silu(h))
        return y
