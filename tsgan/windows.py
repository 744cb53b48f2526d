"""Training windows: the real past, what followed it, and the state of the memory in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tsgan.guidance import hide


class Batch(NamedTuple):
    """Windows of one batch; n windows, standardised returns."""

    past: Tensor
    """(n, past, assets) returns before the origin"""
    future: Tensor
    """(n, future, assets) returns from the origin on"""
    state: Tensor
    """(n, assets, 3, half-lives) memory at the origin"""
    given: Tensor
    """(n, past + future, inputs) covariates of every step, some hidden; no inputs if the law has none"""

    def with_future(self, future: Tensor) -> Tensor:
        """Paths as critics see them, covariates behind the assets: (n, past + future, assets + inputs)."""
        return torch.cat((torch.cat((self.past, future), 1), self.given), -1)


class Windows:
    """All windows of a history, drawn at random; they stay on one device and are gathered there.

    Parameters
    ----------
    x : (time, assets) standardised returns
    states : (time + 1, assets, 3, half-lives) memory before each step
    past, future : lengths in steps
    given : (time, inputs) covariates of each step
    blocks : inputs of each covariate
    """

    def __init__(
        self,
        x: Tensor,
        states: Tensor,
        past: int,
        future: int,
        given: Tensor | None = None,
        blocks: Sequence[int] = (),
    ) -> None:
        self.x, self.states, self.past, self.future = x, states, past, future
        self.given, self.blocks = x[:, :0] if given is None else given, blocks
        self._steps = torch.arange(-past, future, device=x.device)

    def __len__(self) -> int:
        return len(self.x) - self.past - self.future + 1

    def draw(self, n: int, rng: torch.Generator) -> Batch:
        """Draw n windows with replacement, every origin alike; half of them know no covariate, the others some."""
        batch = self.at(torch.randint(len(self), (n,), generator=rng, device=self.x.device) + self.past)
        if not self.blocks:
            return batch
        some = torch.rand((n, 1, 1), generator=rng, device=self.x.device) < 0.5
        return batch._replace(given=some * hide(batch.given, self.blocks, 0.5, rng))

    def at(self, origins: Tensor) -> Batch:
        """Windows around given origins: (n,) positions of the first future step."""
        steps = origins[:, None] + self._steps
        rows = self.x[steps]
        return Batch(rows[:, : self.past], rows[:, self.past :], self.states[origins], self.given[steps])
