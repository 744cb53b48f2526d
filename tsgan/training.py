"""The adversarial loop on windows of [past | future]; what is played for comes from :mod:`tsgan.objectives`.

Real windows are two stretches of data. Half of the fakes continue a real past, which teaches the conditional law; the
other half continue the generator's own, which teaches what its free runs become.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tsgan import pathwise, penalties
from tsgan.checkpoint import NOWHERE, Checkpoint
from tsgan.config import TrainingConfig
from tsgan.diagnostics import EVERY, Looks, Record
from tsgan.failures import NOT_FINITE, Failure, find_failure
from tsgan.generator import Generator
from tsgan.joint import JointNoise, Noise, Shock
from tsgan.objectives import OBJECTIVES, Output
from tsgan.optimisers import optimiser
from tsgan.pool import Pool
from tsgan.precision import autocast, tf32
from tsgan.ranks import ALONE, Ranks
from tsgan.state import State
from tsgan.windows import Batch, Windows

_READ_SECONDS = 0.5  # between two looks at the losses; a GPU waits for nobody in between


class Unread(NamedTuple):
    """What a step found, still on the device."""

    step: int
    names: tuple[str, ...]
    values: Tensor
    seconds: float


class Trained(NamedTuple):
    """What training gives back."""

    kept: dict[int, Generator]
    """The generator before the first step, number 0, and its moving average after each of those asked for"""
    stopped: Failure | None
    """Why training ended early; only what came before is kept then"""


@tf32(False)
def train(
    generator: Generator,
    critics: list[nn.Module],
    windows: Windows,
    noise: JointNoise,
    anchor: Callable[[Generator], Tensor],
    config: TrainingConfig,
    keep: Collection[int],
    weight_decay: float,
    rng: torch.Generator,
    on_step: Callable[[Record], None],
    looks: Looks,
    ranks: Ranks = ALONE,
    checkpoint: Checkpoint = NOWHERE,
    others: Sequence[torch.Generator] = (),
) -> Trained:
    """Train generator and critics against each other, in place.

    Parameters
    ----------
    anchor : the loss that ties the generator to the data's one-step law, a scalar
    keep : steps whose moving average of the generator is kept
    weight_decay : of the generator's correcting network, as in the warm start
    on_step : called with the record of every step, of several at once where they are quick; those of an earlier run
        that is gone on from come first
    looks : what every few steps are looked at with
    ranks : the processes that train together, all with the same arguments; each computes its share of every batch
    checkpoint : where the state is kept, and what it was when training was interrupted
    others : streams of random numbers that windows and anchor draw from, beside ``rng``
    """
    ranks.average(list(generator.parameters()))  # warm starts on several GPUs may differ in their last bits
    reference = windows.states[torch.randperm(len(windows.states), generator=rng, device=windows.x.device)[:1024]]
    state = first_state(generator, critics, windows, config, weight_decay, (rng, *others))
    if checkpoint.state:
        state.restore(checkpoint.state)
        for record in state.records:
            on_step(record)
    averaged, pool, kept, records = state.averaged, state.pool, state.kept, state.records
    critic_optimiser, generator_optimiser = state.optimisers
    judging, learned = map(parameters, state.optimisers)
    unread: list[Unread] = []
    last_read = time.perf_counter()
    start = last_read - (records[-1].seconds if records else 0)
    for step in range(1 + len(records), config.steps + 1):
        generator.fix_neutral(reference)
        for _ in range(critic_rounds(step, config)):
            fakes = fake_windows(generator, windows, pool, noise, rng, ranks)
            for fake in fakes.split(config.batch):
                batch = windows.draw(len(fake), rng)
                real = batch.with_future(batch.future)
                with tf32(config.precision == "tf32"):
                    gap, penalty, slope = critic_step(critics, critic_optimiser, real, fake, config, rng, ranks)

        origins = both(windows.draw(config.batch // 2, rng), pool.origins(config.batch // 2))
        origins, shocks = shared(origins, noise.draw(len(origins.past), config.future, rng), noise, ranks)
        future = pathwise.free_run(generator, origins.state, shocks, reference, given=known_ahead(origins))
        pulls: list[Tensor] = []
        paths = [origins.with_future(noted(future, pulls)) for _ in critics]
        # the last real windows that the critics saw are independent of these origins
        score = generator_score(critics, ranks.share(real), paths, config)
        tie = anchor(generator)
        generator_optimiser.zero_grad()
        (score + config.anchor * tie).backward(inputs=learned)
        ranks.average([p.grad for p in learned])
        generator_optimiser.step()

        follow(averaged, generator, config.average)
        if step in keep:
            kept[step] = copy.deepcopy(averaged)
            kept[step].fix_neutral(reference)
        found = {
            "wasserstein": -gap,
            "likelihood": -tie.detach(),
            **({"penalty": penalty, "slope": slope} if config.penalty else {}),
            "critic_gradient": length(judging),
            "generator_gradient": length(learned),
            "pull": len(future) * torch.stack([pull.flatten(1).norm(dim=1).mean() for pull in pulls]).sum(),
        }
        if step % EVERY == 0 or step in (1, config.steps) or step in keep:
            found |= looks(generator, partial(estimate, critics, config=config), reference)
        now = time.perf_counter()
        unread.append(Unread(step, tuple(found), ranks.mean(torch.stack(list(found.values()))), now - start))
        last = step == config.steps
        soon = ranks.size > 1 or checkpoint.asked_to_stop  # several stop at the same step
        if last or soon or now - last_read >= _READ_SECONDS:
            for record in read(unread):
                records.append(record)
                failure = find_failure(records)
                if failure is None or failure.kind != NOT_FINITE:
                    on_step(record)
                if failure:
                    return Trained({k: g for k, g in kept.items() if k < failure.since}, failure)
            unread, last_read = [], now
            checkpoint.keep_state(state.tensors, last=last)
    return Trained(kept, None)


def first_state(
    generator: Generator,
    critics: list[nn.Module],
    windows: Windows,
    config: TrainingConfig,
    weight_decay: float,
    streams: Sequence[torch.Generator],
) -> State:
    """Everything as it is before the first step; the pool begins with the first of the streams."""
    judging = [{"params": [p for critic in critics for p in critic.parameters()], "weight_decay": 0.0}]
    groups = generator.parameter_groups(weight_decay)
    optimisers = (
        optimiser(config.optimiser, judging, config.critic_learning_rate, config.betas),
        optimiser(config.optimiser, groups, config.generator_learning_rate, config.betas),
    )
    pool = Pool(windows, config.critic_steps * config.batch // 2, streams[0])
    kept = {0: copy.deepcopy(generator)}
    return State(generator, copy.deepcopy(generator), critics, optimisers, pool, streams, kept, [])


def parameters(optimiser: torch.optim.Optimizer) -> list[nn.Parameter]:
    """All that an optimiser moves."""
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


@torch.no_grad()
def follow(averaged: Generator, generator: Generator, decay: float) -> None:
    """Move the exponential average of all parameters by one step."""
    for mean, new in zip(averaged.parameters(), generator.parameters(), strict=True):
        mean.lerp_(new, 1 - decay)


def read(unread: list[Unread]) -> list[Record]:
    """Fetch what was found from its device: the only place where training waits for it."""
    values = iter(torch.cat([step.values for step in unread]).tolist())
    return [
        Record(**{"step": step.step, "penalty": None, "seconds": step.seconds} | {k: next(values) for k in step.names})
        for step in unread
    ]


def length(parameters: list[nn.Parameter]) -> Tensor:
    """Norm of the gradient in all parameters together."""
    norm: Tensor = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]).norm()
    return norm


@torch.no_grad()
def fake_windows(
    generator: Generator,
    windows: Windows,
    pool: Pool,
    noise: JointNoise,
    rng: torch.Generator,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Continue real pasts and the pool's, in random order. The pool moves on.

    Returns
    -------
    (2 pool size, past + future, assets + inputs)
    """
    size = len(pool.now.past)
    origins = both(windows.draw(size, rng), pool.now)
    mine, shocks = shared(origins, noise.draw(2 * size, windows.future, rng), noise, ranks)
    future, state = map(ranks.whole, generator(mine.state, shocks, given=known_ahead(mine)))
    pool.advance(future[size:], state[size:])
    order = torch.randperm(2 * size, generator=rng, device=future.device)
    return origins.with_future(future)[order]


def both(first: Batch, second: Batch) -> Batch:
    """One after the other."""
    return Batch(*map(torch.cat, zip(first, second, strict=True)))


def shared(origins: Batch, drawn: Noise, noise: JointNoise, ranks: Ranks) -> tuple[Batch, list[Shock]]:
    """Origins of this process and their shocks, of those of all."""
    return Batch(*map(ranks.share, origins)), noise.shocks(Noise(*map(ranks.share, drawn)))


def known_ahead(origins: Batch) -> Tensor | None:
    """Covariates of the future steps: (n, future, inputs); None if the law has none."""
    return origins.given[:, origins.past.shape[1] :] if origins.given.shape[-1] else None


def critic_rounds(step: int, config: TrainingConfig) -> int:
    """How many times the critic steps of a generator step are made before it: often, where critics warm up."""
    every = config.critic_warm_up_every
    if step > config.critic_warm_ups and not (every and step % every == 0):
        return 1
    most = 1 + config.steps  # not longer than the training itself
    return max(1, min(math.ceil(config.critic_warm_up / config.critic_steps), most))


def judge(critic: nn.Module, paths: Tensor, config: TrainingConfig) -> Tensor:
    """A critic's outputs for whole windows: (n, past + future, assets + inputs) -> (n,) or (n, outputs)."""
    with autocast(config.precision, paths.device):
        scores: Tensor = critic(paths[:, config.past :], paths[:, : config.past])
    return scores.to(paths.dtype)


def generator_score(critics: list[nn.Module], real: Tensor, paths: list[Tensor], config: TrainingConfig) -> Tensor:
    """What the generator lowers, a mean over critics, the paths of each, (n, past + future, assets + inputs)."""
    loss = OBJECTIVES[config.objective].generator_loss
    outputs = (partial(judge, critic, config=config) for critic in critics)
    return torch.stack([loss(output, real, seen).mean() for output, seen in zip(outputs, paths, strict=True)]).mean()


def noted(x: Tensor, gradients: list[Tensor]) -> Tensor:
    """The same numbers, whose gradient is noted when it comes: two critics may pull against each other."""
    seen = x.view_as(x)
    seen.register_hook(gradients.append)
    return seen


def estimate(critics: list[nn.Module], real: Tensor, fake: Tensor, config: TrainingConfig) -> Tensor:
    """Critics' mean estimate of the distance of whole windows, (n, past + future, assets + inputs) each."""
    critic_loss = OBJECTIVES[config.objective].critic_loss
    found = [critic_loss(judge(critic, real, config), judge(critic, fake, config)).mean() for critic in critics]
    return -torch.stack(found).mean()


def critic_step(
    critics: list[nn.Module],
    optimiser: torch.optim.Optimizer,
    real: Tensor,
    fake: Tensor,
    config: TrainingConfig,
    rng: torch.Generator,
    ranks: Ranks = ALONE,
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of every critic on windows (n, past + future, assets + inputs); mean loss, penalty and gradient norm."""
    real, fake, between = map(ranks.share, (real, fake, penalties.interpolate(real, fake, rng)))
    gap = penalty = slope = torch.zeros((), device=real.device)
    for critic in critics:
        terms = critic_terms(partial(judge, critic, config=config), real, fake, between, config)
        gap, penalty, slope = (total + term for total, term in zip((gap, penalty, slope), terms, strict=True))
    optimiser.zero_grad()
    (gap + config.penalty * penalty).backward()
    ranks.average([p.grad for critic in critics for p in critic.parameters()])
    optimiser.step()
    for critic in critics:
        OBJECTIVES[config.objective].settle(critic, config)
    return gap.detach() / len(critics), penalty.detach() / len(critics), slope / len(critics)


def critic_terms(
    output: Output, real: Tensor, fake: Tensor, between: Tensor, config: TrainingConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean loss of one critic, its mean penalty, unweighted, and mean slope; these are 0 where they have no weight."""
    objective = OBJECTIVES[config.objective]
    of_real, of_fake = output(torch.cat((real, fake))).chunk(2)
    loss = objective.critic_loss(of_real, of_fake).mean()
    if not config.penalty:
        return loss, torch.zeros_like(loss), torch.zeros_like(loss)

    def score(x: Tensor) -> Tensor:
        return objective.score(output(x), of_real, of_fake)

    norm = penalties.gradient_norm(score, between, penalties.STEPS[config.precision])
    return loss, objective.penalty(norm).mean(), norm.detach().mean()
