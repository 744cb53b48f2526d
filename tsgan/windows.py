"""Training windows: the real past, what followed it, and the state of the memory in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

Known: TypeAlias = Callable[[], tuple[Tensor, Tensor]]
"""Covariates (time, inputs) of which a random subset is known, and the memory (time + 1, assets, 5, half-lives)"""


class Batch(NamedTuple):
    """Windows of one batch; n windows, standardised returns."""

    past: Tensor
    """(n, past, assets) returns before the origin"""
    future: Tensor
    """(n, future, assets) returns from the origin on"""
    state: Tensor
    """(n, assets, 3, half-lives) memory at the origin; 5 rows if the law has covariates"""
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
    known : draws the covariates that are known, and the memory that goes with them; None if the law has none
    """

    def __init__(
        self,
        x: Tensor,
        states: Tensor,
        past: int,
        future: int,
        known: Known | None = None,
    ) -> None:
        self.x, self.states, self.past, self.future, self.known = x, states, past, future, known
        self._steps = torch.arange(-past, future, device=x.device)

    def __len__(self) -> int:
        return len(self.x) - self.past - self.future + 1

    def draw(self, n: int, rng: torch.Generator) -> Batch:
        """Draw n windows with replacement, every origin alike; half of them know no covariate, the others some."""
        origins = torch.randint(len(self), (n,), generator=rng, device=self.x.device) + self.past
        batch = self.at(origins)
        if self.known is None:
            return batch
        given, states = self.known()
        some = torch.rand((n, 1, 1), generator=rng, device=self.x.device) < 0.5
        return batch._replace(state=states[origins], given=some * given[origins[:, None] + self._steps])

    def at(self, origins: Tensor) -> Batch:
        """Windows around given origins, no covariate known: (n,) positions of the first future step."""
        rows = self.x[origins[:, None] + self._steps]
        return Batch(rows[:, : self.past], rows[:, self.past :], self.states[origins], rows[..., :0])
