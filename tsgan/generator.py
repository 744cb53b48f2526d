"""The generator: a recurrent stochastic-volatility network, memory and noise -> next return.

One step of every asset (all quantities standardised by the asset's own deviation; market is the mean over assets)::

    base     = 1 - p + p (sum_k w_k state_k / s_k + sum_k v_k market_k / s_k)
    variance = base^0.95 exp(g(state) - neutral)
    mean     = drift + sum_k b_k (signed average_k - drift)        fitted beforehand (:mod:`tsgan.drift`)
    e        = innovation(noise, base)                             mean 0, variance 1, skewed, heavy-tailed
    y        = sqrt(variance) e                                    its squares are remembered
    x        = mean + y

The weights w and v are a softmax together (one asset has no market), s_k the innovation's own share of falling or
rising squares, so that the base is a convex combination of 1 and past variances: a free run can neither die nor
explode in the mean. The power below 1 lets very high volatility fall back, without it single paths run to a hundred
times the sample's deviation; above twice the highest volatility of the data it is 0.5. g is a small network.
``neutral`` takes its mean effect out, and after training it is set so that free runs have the data's level
(:func:`tsgan.level.match_level`). The innovation's tails depend on how calm the market is: equity indices jump out of
a calm more often than a turbulent market does, each in units of its own volatility.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple
from weakref import proxy

import torch
from torch import Tensor, nn

from tsgan.config import GeneratorConfig
from tsgan.guidance import Guidance
from tsgan.innovation import Innovation, InnovationFamily, innovation_family
from tsgan.joint import Shock
from tsgan.memory import decay_factors, differentiable_averages, remember, terms
from tsgan.replay import recorded

_HEADROOM = math.log(4.0)  # above the highest log variance of real days: twice their volatility
_ELASTICITY_BEYOND = 0.5  # the power of the variance above that: no data speak for more
_UNEXPLAINED = [3, 4, 2]  # rows of a state that are the memory of what covariates do not explain
_MANY_STEPS = 32  # above, repeating a recorded step is quicker than taking it again
_SMALL = 1e-4  # keeps the logarithm of an average of squares finite after a run of equal prices; 1 is a usual square


class Generator(nn.Module):
    """The law of the next standardised return of every asset, given its memory.

    Parameters
    ----------
    assets : number of assets; they share no parameter, so one network serves volatilities from 1 % to 100 %. They
        touch each other through the market's memory and through the noise.
    config : sizes and half-lives.
    blocks : inputs of every covariate that the law can be given (:mod:`tsgan.guidance`)

    Attributes
    ----------
    drift : (assets,) mean standardised return
    momentum : (assets, half-lives) weights of the signed averages in the mean
    """

    decay: Tensor
    drift: Tensor
    momentum: Tensor
    neutral: Tensor
    top: Tensor

    def __init__(self, assets: int, config: GeneratorConfig, blocks: Sequence[int] = ()) -> None:
        super().__init__()
        count, width = len(config.half_lives), config.width
        self.config = config
        squares = 2 if assets == 1 else 4  # own falling and rising squares, the market's
        slow_first = torch.linspace(-1.0, 0.0, count).repeat(assets, squares)  # start from longer memories
        self.weights = nn.Parameter(slow_first)
        self.persistence = nn.Parameter(torch.full((assets,), 3.0))
        self.skew = nn.Parameter(torch.zeros(assets))
        self.tail = nn.Parameter(torch.full((assets,), 0.5))
        self.calm = nn.Parameter(torch.zeros(assets))
        self.hidden = nn.Parameter(torch.randn(assets, 3 * count, width) / math.sqrt(3 * count))
        self.hidden_bias = nn.Parameter(torch.zeros(assets, 1, width))
        self.output = nn.Parameter(torch.randn(assets, width, 1) * 0.1 / math.sqrt(width))
        self.register_buffer("decay", torch.tensor(decay_factors(config.half_lives), dtype=torch.float32))
        self.register_buffer("drift", torch.zeros(assets))
        self.register_buffer("momentum", torch.zeros(assets, count))
        self.register_buffer("neutral", torch.zeros(assets))
        self.register_buffer("top", torch.full((assets,), 3.0))
        self.guidance = Guidance(assets, blocks) if blocks else None

    def innovations(self) -> InnovationFamily:
        """Laws of the standardised innovation of every asset, from a usual market to a calm one."""
        return innovation_family(0.5 * self.skew, 0.3 + nn.functional.softplus(self.tail), self.tail_stretch())

    def tail_stretch(self) -> Tensor:
        """How much heavier the tails of calm days are, as a log ratio of the tail parameter: (assets,)."""
        return 0.7 * torch.tanh(self.calm)

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Groups for an optimiser: only the correcting network decays, the law's own parameters are free."""
        correction = [self.hidden, self.hidden_bias, self.output]
        law = [self.weights, self.persistence, self.skew, self.tail, self.calm]
        if self.guidance is not None:
            law += self.guidance.trained()
        return [{"params": correction, "weight_decay": weight_decay}, {"params": law, "weight_decay": 0.0}]

    def fix_neutral(self, states: Tensor) -> None:
        """Store what :meth:`prepare` would take from the states of real days."""
        with torch.no_grad():
            step = self.prepare(states)
            self.top.copy_(step.top)
            self.neutral.copy_(step.neutral)

    def prepare(self, reference: Tensor | None = None) -> _Step:
        """Everything that does not change from step to step, computed once a rollout.

        With reference states of real days, ``neutral`` and ``top`` follow the parameters: the mean variance of these
        days is kept, and well above the highest of them the response weakens.
        """
        count = len(self.config.half_lives)
        family = self.innovations()
        share = torch.stack((family.lower, family.upper), -1).repeat_interleave(count, -1)  # (assets, 2 half-lives)
        return _Step(self, family, share, reference)

    def log_density(
        self, x: Tensor, states: Tensor, reference: Tensor | None = None, given: Tensor | None = None
    ) -> Tensor:
        """Log density of the next return given the state and, if known, covariates.

        (n, assets), (n, assets, 3 or 5, half-lives), (n, inputs) -> (n, assets)
        """
        if given is not None and self.guidance is not None:
            given = self.guidance.complete(given)
        mean, scale, innovation = self.prepare(reference)(states, given)
        return innovation.log_density((x - mean) / scale) - scale.log()

    def remember_unexplained(self, x: Tensor, states: Tensor, given: Tensor, centre: bool = False) -> Tensor:
        """Put beside the memory of a history its squares without what covariates explain of them.

        Parameters
        ----------
        x : (time, assets) standardised returns
        states : (time + 1, assets, 3, half-lives) memory before each and after the last; of the first, rows behind
            these are the memory to begin with
        given : (time, inputs) covariates of each; a return is remembered as it is where none is known
        centre : let what is left have the variance 1 in this history

        Returns
        -------
        (time + 1, assets, 5, half-lives); falling and rising squares are behind the three rows of states
        """
        assert self.guidance is not None
        step = self.prepare()
        y = x - step.base_and_mean(step.inside(states[:-1, :, :3]).flatten(1, 2))[1].T
        given = self.guidance.complete(given)
        if centre:
            self.guidance.centre(y, given)
        squares = terms(x, y * torch.exp(-0.5 * self.guidance.explained(given).T))[:, :2].mT
        first = states[0, :, 3:] if states.shape[2] == 5 else states[0, :, :2]
        return torch.cat((states[:, :, :3], differentiable_averages(squares, self.decay[:2], first)), 2)

    def forward(
        self,
        state: Tensor,
        shocks: Sequence[Shock],
        reference: Tensor | None = None,
        copies: int = 1,
        given: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Run freely from a state.

        Parameters
        ----------
        state : (n, assets, 3, half-lives), or with 5 rows (:meth:`remember_unexplained`) where covariates are given
        shocks : one a step: the noise (n x copies, assets), which may depend on the step's conditional deviations
        copies : paths from each state, whose first step has one law
        given : (n, time, inputs) covariates of every step, with one copy only

        Returns
        -------
        Standardised returns (n x copies, time, assets) and the state after the last step. Step t depends on shocks up
        to t.
        """
        step = self.prepare(reference)
        if given is not None and self.guidance is not None:
            given = self.guidance.complete(given.flatten(0, 1)).unflatten(0, given.shape[:2])
        state, path = step.inside(state), []
        # with gradients each step needs memory of its own; without them the old state's is used again, for speed
        run = None
        if not torch.is_grad_enabled():
            run = state.new_empty(len(shocks), len(state), state.shape[-1] * copies)
        alike = given is None and state.device.type == "cpu" and len(shocks) > _MANY_STEPS
        for t, shock in enumerate(shocks):
            if alike and run is not None and t > 0:
                step.replay(state, shocks[t:], run[t:])
                break
            now = None if given is None else given[:, t]
            x, state = step.advance(state, shock, now, copies if t == 0 else 1, None if run is None else run[t])
            path.append(x)
        run = torch.stack(path) if run is None else run
        return run.permute(2, 0, 1), step.outside(state)


class _Room(NamedTuple):
    """Memory that the steps of a free run use again and again, so that it stays in the cache; None for new memory."""

    linear: Tensor | None = None
    logs: Tensor | None = None
    hidden: Tensor | None = None
    curves: Tensor | None = None
    terms: Tensor | None = None


class _Step:
    """One step's law; holds what is the same at every step.

    Inside, assets come first and paths last: batched products need the one, and numbers that are treated alike lie
    side by side by the other. Results of shape (n, assets) are views of that. Averages of squares are carried with a
    floor, as averages of squares each so much larger: that costs less than to add it before their logarithm is taken.
    """

    def __init__(self, net: Generator, family: InnovationFamily, share: Tensor, reference: Tensor | None) -> None:
        self.family = family
        self.kept = _Room()
        self.p = 0.998 * torch.sigmoid(net.persistence)
        squares = share.shape[-1]
        shares = torch.cat((share, share.mean(0).expand_as(share)), -1)[:, : net.weights.shape[-1]]
        own, self.market = (self.p[:, None] * torch.softmax(net.weights, -1) / shares).tensor_split((squares,), -1)
        momentum = net.momentum
        mean = net.drift * (1 - momentum.sum(-1))
        nothing = torch.zeros_like
        self.bias = torch.stack((1 - (1 + _SMALL) * self.p, mean), -1)[..., None]  # without the floor's share
        variance, mean_weights = torch.cat((own, nothing(momentum)), -1), torch.cat((nothing(own), momentum), -1)
        self.linear = torch.stack((variance, mean_weights), 1)  # (assets, 2, 3 half-lives)
        self.squares = squares
        floor = _SMALL * torch.stack((family.lower, family.upper, nothing(family.lower)), -1)
        self.floor = floor[:, [0, 1, 2, 0, 1], None]  # (assets, 5, 1), one for each row of a state
        self.from_squares, self.from_signed = (0.5 * net.hidden[:, :squares]).mT, net.hidden[:, squares:].mT
        self.hidden_bias = net.hidden_bias.mT - self.from_squares @ share.log()[..., None]
        self.output = net.config.reach * net.output.mT
        self.elasticity = net.config.elasticity
        self.top, self.neutral, self.decay = net.top, net.neutral, net.decay
        if reference is not None:
            flat = self.inside(reference).flatten(1, 2)
            base = self.base_and_mean(flat)[0]
            self.top = base.log().amax(-1).detach() + _HEADROOM
            self.neutral = (self.log_variance(flat, base.log()).exp().mean(-1) / base.mean(-1)).log()
        self.guided = None if net.guidance is None else net.guidance.prepare()

    def __call__(
        self, state: Tensor, given: Tensor | None = None, market: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Innovation]:
        """Conditional mean and standard deviation, each (n, assets), and the law of the innovation.

        Parameters
        ----------
        state : (n, assets, 3 or 5, half-lives)
        given : (n, inputs) covariates
        market : (n, assets, 2, half-lives) the market's squares as every asset sees them; otherwise from the state
        """
        if market is not None:
            market = _paths_last(market, self.floor.mean(0, keepdim=True))
        found = self.law(self.inside(state), given, market)
        self.kept = _Room()  # what was found stays the caller's
        return found

    def inside(self, state: Tensor) -> Tensor:
        """Copy a state, (n, assets, 3 or 5, half-lives), to what :meth:`law` takes: with paths last and the floor."""
        return _paths_last(state, self.floor)

    def outside(self, state: Tensor) -> Tensor:
        """Invert :meth:`inside`."""
        return (state - self.floor[:, : state.shape[1], None]).permute(3, 0, 1, 2)

    def advance(
        self, state: Tensor, shock: Shock, given: Tensor | None = None, copies: int = 1, out: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Next returns (assets, n x copies), and the state with paths last that remembers them.

        The returns are written to ``out`` if that is given, and the state over the old one.
        """
        mean, scale, innovation = self.law(state, given)
        if copies > 1:
            state = state.repeat_interleave(copies, -1)
            mean, scale, *law = (a.repeat_interleave(copies, 0) for a in (mean, scale, *innovation[1:]))
            innovation = Innovation(innovation.skew, *law)
        y = scale * innovation.from_normal(shock(scale))
        x = torch.add(mean.T, y.T, out=out)
        y, unexplained = y.T, None
        if given is not None and self.guided is not None:
            guidance = self.guided.guidance
            y = y + guidance.shift(given).T  # the memory's squares are around the mean that it knows of itself
            unexplained = y * torch.exp(-0.5 * guidance.explained(given))
        between = self.room(state.shape[-1]).terms
        return x, remember(state, x, y, self.decay, unexplained, self.floor, between, None if out is None else state)

    def replay(self, state: Tensor, shocks: Sequence[Shock], run: Tensor) -> None:
        """Advance with each shock, as :meth:`advance` does, without Python between a step's operations."""
        known = [*self.tensors(), *self.room(state.shape[-1])]
        noise, count, step = shocks[0].func, len(shocks[0].args), proxy(self)  # a recording keeps what it was made from

        def once(state: Tensor, out: Tensor, *numbers: Tensor) -> Tensor:
            x: Tensor = step.advance(state, partial(noise, *numbers[:count]), out=out)[0]
            return x

        inputs = (state.clone(), run[0], *shocks[0].args, *known)
        call = recorded((noise, self.elasticity), once, inputs)
        for out, shock in zip(run, shocks, strict=True):
            call(state, out, *shock.args, *known)

    def law(
        self, state: Tensor, given: Tensor | None = None, market: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Innovation]:
        """Do the same from a state with paths last and the floor: (assets, 3 or 5, half-lives, n)."""
        mean, log_variance, calmness = self.recall(state[:, :3].flatten(1, 2), market)
        curves = self.room(state.shape[-1]).curves
        innovation = self.family.at(calmness, None if curves is None else curves.mT)
        if given is not None and self.guided is not None:
            mean = mean + self.guided.guidance.shift(given)
            _, remembered, calmness = self.recall(state[:, _UNEXPLAINED].flatten(1, 2))
            log_variance, innovation = self.guided(given, remembered, calmness, log_variance, innovation)
        return mean, torch.exp(0.5 * log_variance).T, innovation

    def recall(self, flat: Tensor, market: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Mean (n, assets), log variance (assets, n) and calmness (n, assets) that a memory tells."""
        base, mean = self.base_and_mean(flat, market)
        base = base.log()
        log_variance = self.log_variance(flat, base) - self.neutral[:, None]
        calmness = -torch.tanh(base.clamp(max=0)).T  # 0 from the mean variance upwards
        return mean.T, log_variance, calmness

    def base_and_mean(self, flat: Tensor, market: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Variance before the power and the network's factor, and the mean: each (assets, n)."""
        base, mean = torch.baddbmm(self.bias, self.linear, flat, out=self.room(flat.shape[-1]).linear).unbind(1)
        if self.market.shape[-1]:
            if market is None:
                base = base + self.market @ flat[:, : self.squares].mean(0)
            else:
                base = base + torch.bmm(self.market[:, None], market.flatten(1, 2)).squeeze(1)
        return base, mean

    def tensors(self) -> list[Tensor]:
        """All numbers that make the law of a step, without covariates."""
        own = [value for value in vars(self).values() if isinstance(value, Tensor)]
        return [*own, *self.family.usual, *self.family.curves]

    def room(self, n: int) -> _Room:
        """Memory for what is large in a step; with gradients every step needs its own."""
        if torch.is_grad_enabled():
            return _Room()
        if self.kept.logs is None or self.kept.logs.shape[-1] != n:
            assets, width, squares = self.from_squares.shape
            sizes = ((assets, 2, n), (assets, squares, n), (assets, width, n), (3, assets, n), (assets, 3, n))
            self.kept = _Room(*map(self.bias.new_empty, sizes))
        return self.kept

    def log_variance(self, flat: Tensor, base: Tensor) -> Tensor:
        """Log of the variance before it is made neutral, from the state and the log of its base: -> (assets, n)."""
        room = self.room(flat.shape[-1])
        logs = torch.log(flat[:, : self.squares], out=room.logs)
        hidden = torch.bmm(self.from_squares, logs, out=room.hidden)
        hidden = hidden.baddbmm_(self.from_signed, flat[:, self.squares :]).add_(self.hidden_bias).tanh_()
        correction = torch.bmm(self.output, hidden).squeeze(1)
        beyond = nn.functional.softplus(base - self.top[:, None], beta=4)
        return correction.add(base, alpha=self.elasticity).sub(beyond, alpha=self.elasticity - _ELASTICITY_BEYOND)


def _paths_last(state: Tensor, floor: Tensor) -> Tensor:
    """Copy with a floor added to each row: (n, assets, rows, half-lives) -> (assets, rows, half-lives, n)."""
    copy = state.permute(1, 2, 3, 0).clone(memory_format=torch.contiguous_format)
    return copy.add_(floor[:, : copy.shape[1], None])
