"""The generator: a recurrent stochastic-volatility network, memory and noise -> next return.

One step, for every asset by itself (all quantities standardised by the asset's own deviation)::

    e        = innovation(noise)                                   mean 0, variance 1, skewed, heavy-tailed
    base     = 1 - p + p sum_k w_k state_k / s_k
    variance = base^0.95 exp(g(state) - neutral)
    mean     = drift + sum_k b_k (signed average_k - drift)
    x        = mean + sqrt(variance) e

The weights w are a softmax, s_k the innovation's own share of falling or rising squares, so that the base is a convex
combination of 1 and past variances: a free run can neither die nor explode in the mean. The power below 1 lets very
high volatility fall back, without it single paths run to a hundred times the sample's deviation. g is a small
network; ``neutral`` takes its mean effect out, and after training it is set so that free runs have the data's
variance (:func:`tsgan.level.match_level`).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from tsgan.config import GeneratorConfig
from tsgan.innovation import Innovation, innovation
from tsgan.memory import SIGNED, decay_factors, remember

_SMALL = 1e-4  # keeps the logarithm of an average of squares finite after a run of equal prices; 1 is a usual square


class Generator(nn.Module):
    """The law of the next standardised return of every asset, given its memory.

    Parameters
    ----------
    assets : number of assets; they share no parameter, so one network serves volatilities from 1 % to 100 %.
    config : sizes and half-lives.
    """

    decay: Tensor
    drift: Tensor
    neutral: Tensor
    top: Tensor

    def __init__(self, assets: int, config: GeneratorConfig) -> None:
        super().__init__()
        count, width = len(config.half_lives), config.width
        self.config = config
        slow_first = torch.linspace(-1.0, 0.0, count).repeat(assets, 2)  # start from longer memories
        self.weights = nn.Parameter(slow_first)
        self.persistence = nn.Parameter(torch.full((assets,), 3.0))
        self.skew = nn.Parameter(torch.zeros(assets))
        self.tail = nn.Parameter(torch.full((assets,), 0.5))
        self.momentum = nn.Parameter(torch.zeros(assets, count))
        self.hidden = nn.Parameter(torch.randn(assets, 3 * count, width) / math.sqrt(3 * count))
        self.hidden_bias = nn.Parameter(torch.zeros(assets, 1, width))
        self.output = nn.Parameter(torch.randn(assets, width, 1) * 0.1 / math.sqrt(width))
        self.register_buffer("decay", torch.tensor(decay_factors(config.half_lives), dtype=torch.float32))
        self.register_buffer("drift", torch.zeros(assets))
        self.register_buffer("neutral", torch.zeros(assets))
        self.register_buffer("top", torch.full((assets,), 3.0))

    def innovation(self) -> Innovation:
        """Law of the standardised innovation of every asset."""
        return innovation(0.5 * self.skew, 0.3 + nn.functional.softplus(self.tail))

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Groups for an optimiser: only the correcting network decays, the law's own parameters are free."""
        correction = [self.hidden, self.hidden_bias, self.output]
        law = [self.weights, self.persistence, self.skew, self.tail, self.momentum]
        return [{"params": correction, "weight_decay": weight_decay}, {"params": law, "weight_decay": 0.0}]

    def drift_weights(self) -> Tensor:
        """Weights of the averages of signed returns in the drift: (assets, half-lives)."""
        return 0.1 * self.momentum

    def fix_neutral(self, states: Tensor) -> None:
        """Store what :meth:`prepare` would take from the states of real days."""
        with torch.no_grad():
            step = self.prepare(states)
            self.top.copy_(step.top)
            self.neutral.copy_(step.neutral)

    def prepare(self, reference: Tensor | None = None) -> _Step:
        """Everything that does not change from step to step, computed once a rollout.

        With reference states of real days, ``neutral`` and ``top`` follow the parameters: the mean variance of these
        days is kept, and the highest of them is where the response weakens.
        """
        count = len(self.config.half_lives)
        law = self.innovation()
        share = torch.stack((law.lower, law.upper), -1).repeat_interleave(count, -1)  # (assets, 2 half-lives)
        return _Step(self, law, share, reference)

    def log_density(self, x: Tensor, states: Tensor, reference: Tensor | None = None) -> Tensor:
        """Log density of the next return given the state: (n, assets), (n, assets, 3, half-lives) -> (n, assets)."""
        step = self.prepare(reference)
        mean, scale = step.moments(states)
        return step.law.log_density((x - mean) / scale) - scale.log()

    def forward(self, state: Tensor, noise: Tensor, reference: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Run freely from a state.

        Parameters
        ----------
        state : (n, assets, 3, half-lives)
        noise : (n, time, assets) standard normal

        Returns
        -------
        Standardised returns (n, time, assets) and the state after the last step. Step t depends on noise up to t.
        """
        step, path = self.prepare(reference), []
        for innovations in step.law.from_normal(noise).unbind(1):
            mean, scale = step.moments(state)
            x = mean + scale * innovations
            state = remember(state, x, self.decay)
            path.append(x)
        return torch.stack(path, 1), state


class _Step:
    """One step's law; holds what is the same at every step."""

    def __init__(self, net: Generator, law: Innovation, share: Tensor, reference: Tensor | None) -> None:
        self.net, self.law, self.share = net, law, share
        self.p = 0.998 * torch.sigmoid(net.persistence)
        self.weights = self.p[:, None] * torch.softmax(net.weights, -1) / share
        self.floor = 1 - self.p
        self.momentum = net.drift_weights()
        self.top, self.neutral = net.top, net.neutral
        if reference is not None:
            self.top = self.base_variance(reference).log().amax(0).detach()
            self.neutral = self.neutral_on(reference)

    def neutral_on(self, states: Tensor) -> Tensor:
        """The shift that keeps the mean variance of given states at the base's: -> (assets,)."""
        base = self.base_variance(states).mean(0)
        return (torch.exp(self.log_variance(states)).mean(0) / base).log()

    def base_variance(self, state: Tensor) -> Tensor:
        """Variance before the network's factor: (n, assets, 3, half-lives) -> (n, assets)."""
        return self.floor + (state[..., :SIGNED, :].flatten(-2) * self.weights).sum(-1)

    def log_variance(self, state: Tensor) -> Tensor:
        """Log of the variance before it is made neutral: -> (n, assets)."""
        net = self.net
        squares = torch.log(state[..., :SIGNED, :].flatten(-2) / self.share + _SMALL)
        features = torch.cat((0.5 * squares, state[..., SIGNED, :]), -1).transpose(0, 1)  # (assets, n, features)
        hidden = torch.tanh(torch.baddbmm(net.hidden_bias, features, net.hidden))
        correction = net.config.reach * torch.bmm(hidden, net.output).squeeze(-1).T
        base = self.base_variance(state).log()
        beyond = nn.functional.softplus(4 * (base - self.top)) / 4  # how far above all that the data showed, in logs
        return (
            net.config.elasticity * base - (net.config.elasticity - net.config.elasticity_beyond) * beyond + correction
        )

    def moments(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Conditional mean and standard deviation, each (n, assets)."""
        drift = self.net.drift
        mean = drift + ((state[..., SIGNED, :] - drift[:, None]) * self.momentum).sum(-1)
        log_variance = self.log_variance(state) - self.neutral
        return mean, torch.exp(0.5 * log_variance)
