"""Pathwise gradients of a free run, without a graph of its steps (the adjoint method; Giles and Glasserman 2006).

A run is made first, step by step and without a graph. From its path, what it remembered before every step follows at
once, and with it the law of every step: one parallel pass over all of them, which also gives the slope of each step's
return in its memory. Only the adjoints go backwards step by step, in a few small operations; the gradients of the
parameters are again one parallel pass. With few assets, a step's many small operations are what costs; with many of
them it is the numbers themselves, and plain autograd, which goes through them only once, is quicker. It is also used
for laws with covariates, which have a second memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from tsgan.generator import Generator
from tsgan.joint import Shock

_MANY_ASSETS = 10  # as quick either way with these, twice as slow by adjoints with 50


def free_run(
    generator: Generator, state: Tensor, shocks: Iterable[Shock], reference: Tensor, given: Tensor | None = None
) -> Tensor:
    """Run freely from a state, with gradients in the generator's parameters but not in the state.

    Parameters
    ----------
    state : (n, assets, 3, half-lives)
    shocks : one a step, as :meth:`Generator.forward` takes them
    reference : states of real days, which the generator's neutral level has been fixed to and goes on to follow
    given : (n, time, inputs) covariates of every step

    Returns
    -------
    (n, time, assets) standardised returns, the same as without gradients. A backward pass through them should name
    the parameters as its ``inputs``, which spares it what nobody asks for.
    """
    if state.shape[1] > _MANY_ASSETS or given is not None:
        by_autograd: Tensor = generator(state, shocks, reference, given=given)[0]
        return by_autograd
    with torch.no_grad():
        path = generator(state, shocks)[0]
    x = path.transpose(0, 1)  # (time, n, assets)
    states = remembered(generator, state, x).requires_grad_()
    shared = states.detach()[..., :2, :].mean(2, keepdim=True)
    market = shared.expand(-1, -1, x.shape[2], -1, -1).contiguous().requires_grad_()  # as every asset sees it

    step = generator.prepare(reference)
    mean, scale, innovation = step(states.flatten(0, 1), market=market.flatten(0, 1))
    with torch.no_grad():
        noise = innovation.to_normal((x.flatten(0, 1) - mean) / scale)
    y = scale * innovation.from_normal(noise)
    slopes = torch.autograd.grad(y.sum(), (states, market), retain_graph=True, materialize_grads=True)
    steps = (a.unflatten(0, x.shape[:2]) for a in (mean, y))
    attach: Callable[..., Tensor] = _Adjoint.apply
    return attach(path, *steps, *slopes, generator.momentum, generator.decay)


def remembered(generator: Generator, state: Tensor, x: Tensor) -> Tensor:
    """What a run remembers before each of its steps, all at once.

    (n, assets, 3, half-lives) before the first, (time, n, assets) returns -> (time, n, assets, 3, half-lives)
    """
    decay, drift = generator.decay, generator.drift
    signed = averages(x, state[:, :, 2], decay[2])
    y = x - drift - ((signed - drift[:, None]) * generator.momentum).sum(-1)
    squares = torch.stack((y.clamp(max=0), y.clamp(min=0)), -1).square()
    return torch.cat((averages(squares, state[:, :, :2], decay[0]), signed.unsqueeze(-2)), -2)


def averages(values: Tensor, initial: Tensor, decay: Tensor) -> Tensor:
    """Exponential averages before each step.

    (time, ...), (..., half-lives), (half-lives,) -> (time, ..., half-lives)
    """
    time = len(values)
    steps = torch.arange(time, device=values.device)
    powers = decay[:, None] ** steps  # (half-lives, time)
    age = steps[:, None] - 1 - steps  # of what came with step j, before step t
    weights = (1 - decay[:, None, None]) * powers[:, age.clamp(min=0)].tril(-1)  # (half-lives, time, time)
    before = (weights.flatten(0, 1) @ values.flatten(1)).unflatten(0, weights.shape[:2])
    start = torch.einsum("kt,...k->kt...", powers, initial).flatten(2)
    found: Tensor = (before + start).permute(1, 2, 0).reshape(*values.shape, -1)
    return found


class _Adjoint(torch.autograd.Function):
    """The path; backwards, what each step's mean and innovation did to it and to everything that came later."""

    @staticmethod
    def forward(ctx: Any, path: Tensor, mean: Tensor, y: Tensor, *constants: Tensor) -> Tensor:
        """Hand on the path, (n, time, assets), of steps (time, n, assets)."""
        ctx.save_for_backward(y, *constants)
        return path.clone()

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of mean and y; one of the state before each step is carried along."""
        y, slope, market_slope, momentum, decay = ctx.saved_tensors
        assets, squares = y.shape[-1], 2 * decay.shape[-1]
        keep = decay.flatten()
        take = torch.block_diag(*(1 - decay)[:, None]).mT  # (3 half-lives, 3): from the state's adjoint to the terms'
        mean_slope = torch.cat((momentum.new_zeros(assets, squares), momentum), -1)
        slope, market_slope = slope.flatten(-2), market_slope.flatten(-2)
        gain = torch.stack((2 * y.clamp(max=0), 2 * y.clamp(min=0), torch.ones_like(y)), -1)
        direct = torch.nn.functional.pad(outputs[0].transpose(0, 1).unsqueeze(-1), (2, 0))
        adjoint, found = torch.zeros_like(slope[0]), []
        for t in range(len(slope) - 1, -1, -1):
            terms = torch.addcmul(direct[t], adjoint @ take, gain[t])  # (n, assets, 3): of both squares' roots and x
            of_y = terms.sum(-1, keepdim=True)
            adjoint = torch.addcmul(of_y * slope[t], adjoint, keep).addcmul_(terms[..., 2:], mean_slope)
            if assets > 1:
                adjoint[..., :squares] += (of_y * market_slope[t]).mean(1, keepdim=True)
            found.append(terms)
        terms = torch.stack(found[::-1])
        return None, terms[..., 2], terms.sum(-1), None, None, None, None
