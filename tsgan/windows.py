"""Training windows: the real past, what followed it, and the state of the memory in between."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """Windows of one batch; n windows, standardised returns."""

    past: Tensor
    """(n, past, assets) returns before the origin"""
    future: Tensor
    """(n, future, assets) returns from the origin on"""
    state: Tensor
    """(n, assets, 3, half-lives) memory at the origin"""


class Windows:
    """All windows of a history, drawn at random; they stay on one device and are gathered there.

    Parameters
    ----------
    x : (time, assets) standardised returns
    states : (time + 1, assets, 3, half-lives) memory before each step
    past, future : lengths in steps
    """

    def __init__(self, x: Tensor, states: Tensor, past: int, future: int) -> None:
        self.x, self.states, self.past, self.future = x, states, past, future
        self._steps = torch.arange(-past, future, device=x.device)

    def __len__(self) -> int:
        return len(self.x) - self.past - self.future + 1

    def draw(self, n: int, rng: torch.Generator) -> Batch:
        """Draw n windows with replacement, every origin alike."""
        return self.at(torch.randint(len(self), (n,), generator=rng, device=self.x.device) + self.past)

    def at(self, origins: Tensor) -> Batch:
        """Windows around given origins: (n,) positions of the first future step."""
        rows = self.x[origins[:, None] + self._steps]
        return Batch(rows[:, : self.past], rows[:, self.past :], self.states[origins])
