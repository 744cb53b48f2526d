"""Paths that keep running: the generator's own stationary law, at the price of one window a step.

Continuations of real pasts teach the conditional law; what a path becomes when it runs on from itself is only seen
in long free runs. A pool of paths is therefore continued by one window at every step, like the persistent chains of
Tieleman (2008), and a few of them start again from a real date each time.
"""

from __future__ import annotations

import torch

from tsgan.windows import Batch, Windows

_RESTARTS = 0.05  # share of paths that start again at each step: a path runs for 20 windows on average


class Pool:
    """Running paths, as (past, state) pairs on the device of the windows; they know no covariate."""

    def __init__(self, windows: Windows, size: int, rng: torch.Generator) -> None:
        self.windows, self.rng = windows, rng
        self.now = windows.draw(size, rng)
        self.now = self.now._replace(given=torch.zeros_like(self.now.given))

    def origins(self, n: int) -> Batch:
        """Draw n of the running paths: their last steps and their states, future not yet known."""
        chosen = torch.randperm(len(self.now.past), generator=self.rng, device=self.now.past.device)[:n]
        return Batch(*(field[chosen] for field in self.now))

    def advance(self, future: torch.Tensor, state: torch.Tensor) -> None:
        """Continue every path by what was generated from :attr:`now`; some start again from a real date."""
        past = torch.cat((self.now.past, future), 1)[:, -self.windows.past :]
        fresh = self.windows.draw(len(past), self.rng)
        again = torch.rand(len(past), generator=self.rng, device=past.device) < _RESTARTS
        self.now = Batch(
            torch.where(again[:, None, None], fresh.past, past),
            fresh.future,
            torch.where(again[:, None, None, None], fresh.state, state),
            self.now.given,
        )
