"""The adversarial loop: WGAN-GP on windows of [past | future] (Gulrajani et al. 2017).

Real windows are two stretches of data. Half of the fakes continue a real past, which teaches the conditional law; the
other half continue the generator's own, which teaches what its free runs become.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tsgan import losses, pathwise, penalties
from tsgan.config import TrainingConfig
from tsgan.diagnostics import EVERY, Looks, Record
from tsgan.failures import NOT_FINITE, Failure, find_failure
from tsgan.generator import Generator
from tsgan.joint import JointNoise, Noise, Shock
from tsgan.pool import Pool
from tsgan.precision import autocast, tf32
from tsgan.ranks import ALONE, Ranks
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
) -> Trained:
    """Train generator and critics against each other, in place.

    Parameters
    ----------
    anchor : the loss that ties the generator to the data's one-step law, a scalar
    keep : steps whose moving average of the generator is kept
    weight_decay : of the generator's correcting network, as in the warm start
    on_step : called with the record of every step, of several at once where they are quick
    looks : what every few steps are looked at with
    ranks : the processes that train together, all with the same arguments; each computes its share of every batch
    """
    ranks.average(list(generator.parameters()))  # warm starts on several GPUs may differ in their last bits
    kept = {0: copy.deepcopy(generator)}
    averaged = copy.deepcopy(generator)
    reference = windows.states[torch.randperm(len(windows.states), generator=rng, device=windows.x.device)[:1024]]
    pool = Pool(windows, config.critic_steps * config.batch // 2, rng)
    judging = [p for critic in critics for p in critic.parameters()]
    critic_optimiser = torch.optim.Adam(judging, config.critic_learning_rate, config.betas)
    groups = generator.parameter_groups(weight_decay)
    generator_optimiser = torch.optim.AdamW(groups, config.generator_learning_rate, config.betas)
    learned = [p for group in groups for p in group["params"]]
    warm_up = min(config.critic_warm_up // config.critic_steps, config.steps)  # not longer than the training itself
    records: list[Record] = []
    unread: list[Unread] = []
    start = last_read = time.perf_counter()
    for step in range(1, config.steps + 1):
        generator.fix_neutral(reference)
        for _ in range(1 if step > 1 else 1 + warm_up):
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
        future.register_hook(pulls.append)
        paths = origins.with_future(future)
        score = torch.stack([losses.generator_loss(judge(critic, paths, config)).mean() for critic in critics]).mean()
        tie = anchor(generator)
        generator_optimiser.zero_grad()
        (score + config.anchor * tie).backward(inputs=learned)
        ranks.average([p.grad for p in learned])
        generator_optimiser.step()

        with torch.no_grad():
            for mean, new in zip(averaged.parameters(), generator.parameters(), strict=True):
                mean.lerp_(new, 1 - config.average)
        if step in keep:
            kept[step] = copy.deepcopy(averaged)
            kept[step].fix_neutral(reference)
        found = {
            "wasserstein": -gap,
            "penalty": penalty,
            "likelihood": -tie.detach(),
            "slope": slope,
            "critic_gradient": length(judging),
            "generator_gradient": length(learned),
            "pull": len(paths) * pulls[0].flatten(1).norm(dim=1).mean(),
        }
        if step % EVERY == 0 or step in (1, config.steps) or step in keep:
            found |= looks(generator, partial(mean_score, critics, config=config), reference)
        now = time.perf_counter()
        unread.append(Unread(step, tuple(found), ranks.mean(torch.stack(list(found.values()))), now - start))
        if ranks.size > 1 or now - last_read >= _READ_SECONDS or step == config.steps:  # several stop at the same step
            for record in read(unread):
                records.append(record)
                failure = find_failure(records)
                if failure is None or failure.kind != NOT_FINITE:
                    on_step(record)
                if failure:
                    return Trained({k: g for k, g in kept.items() if k < failure.since}, failure)
            unread, last_read = [], now
    return Trained(kept, None)


def read(unread: list[Unread]) -> list[Record]:
    """Fetch what was found from its device: the only place where training waits for it."""
    values = iter(torch.cat([step.values for step in unread]).tolist())
    return [
        Record(step=step.step, seconds=step.seconds, **{name: next(values) for name in step.names}) for step in unread
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


def judge(critic: nn.Module, paths: Tensor, config: TrainingConfig) -> Tensor:
    """Scores of whole windows: (n, past + future, assets + inputs) -> (n,)."""
    with autocast(config.precision, paths.device):
        scores: Tensor = critic(paths[:, config.past :], paths[:, : config.past])
    return scores.to(paths.dtype)


def mean_score(critics: list[nn.Module], paths: Tensor, config: TrainingConfig) -> Tensor:
    """Mean scores of all critics: (n, past + future, assets + inputs) -> (n,)."""
    scores: Tensor = torch.stack([judge(critic, paths, config) for critic in critics])
    return scores.mean(0)


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
    step = penalties.STEPS[config.precision]
    for critic in critics:

        def score(x: Tensor, critic: nn.Module = critic) -> Tensor:
            return judge(critic, x, config)

        real_score, fake_score = score(torch.cat((real, fake))).chunk(2)
        gap = gap + losses.critic_loss(real_score, fake_score).mean()
        norm = penalties.gradient_norm(score, between, step)
        penalty = penalty + penalties.two_sided(norm).mean()
        slope = slope + norm.detach().mean()
    optimiser.zero_grad()
    (gap + config.penalty * penalty).backward()
    ranks.average([p.grad for critic in critics for p in critic.parameters()])
    optimiser.step()
    return gap.detach() / len(critics), penalty.detach() / len(critics), slope / len(critics)
