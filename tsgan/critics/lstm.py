"""A recurrent critic: an LSTM (Hochreiter and Schmidhuber 1997) over short patches of the path."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from tsgan.critics.features import VIEWS, channels


class LSTMCritic(nn.Module):
    """Score of a path given its past; LayerNorm inside the residual branch only.

    Parameters
    ----------
    assets : number of assets
    conditions : columns of covariates behind the assets, in future and past
    width : units of the LSTM
    patch : steps read at once; a month of a path is five reads, not twenty
    outputs : numbers that a path is turned into, by default a score
    """

    def __init__(self, assets: int, conditions: int = 0, width: int = 48, patch: int = 4, *, outputs: int = 1) -> None:
        super().__init__()
        self.conditions, self.patch = conditions, patch
        self.lstm = nn.LSTM((VIEWS * assets + 1 + conditions) * patch, width)
        self.branch = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU())
        self.join = nn.Linear(width, width)
        self.score = nn.Linear(width, outputs)

    def forward(self, future: Tensor, past: Tensor) -> Tensor:
        """(n, time, assets + conditions), (n, past, assets + conditions) -> (n,), or (n, outputs) of several."""
        x = channels(future, past, self.conditions)
        x = functional.pad(x, (0, 0, -x.shape[1] % self.patch, 0))
        reads = x.unflatten(1, (-1, self.patch)).flatten(2).transpose(0, 1)  # (reads, n, patch * channels)
        h: Tensor = self.lstm(reads)[0]
        mean = h.mean(0) + self.join(self.branch(h).mean(0))  # linear: joined once, not at every read
        score: Tensor = self.score(mean)
        return score.squeeze(-1)
