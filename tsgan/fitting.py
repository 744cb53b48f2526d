"""One fit: warm start, adversarial steps, level. Returns in, laws out."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import nn

from tsgan.checkpoint import NOWHERE, Checkpoint
from tsgan.config import Config
from tsgan.covariates import Inputs
from tsgan.critics import ConvCritic, LSTMCritic
from tsgan.device import random_stream
from tsgan.diagnostics import Looks, Record, windows_at
from tsgan.drift import fit_drift
from tsgan.errors import TrainingError
from tsgan.failures import Failure, not_finite
from tsgan.generator import Generator
from tsgan.guidance import subsets
from tsgan.joint import JointNoise, market_level, normal_scores
from tsgan.law import Law, Scaling, states_of
from tsgan.level import match_level
from tsgan.objectives import OBJECTIVES
from tsgan.precision import check_precision
from tsgan.ranks import ALONE, Ranks
from tsgan.returns import Floats
from tsgan.training import train
from tsgan.warmstart import guide, negative_log_posterior, negative_log_posterior_given, warm_start
from tsgan.windows import Known, Windows

_REMEMBERED = 8  # subsets of covariates whose memory is kept: all of three
_INIT, _TRAIN, _LEVEL, _GUIDE, _KNOWN, _LOOKS = 0, 1, 2, 3, 4, 5  # keys of the random streams of one fit


class Fit(NamedTuple):
    """What a fit gives back."""

    laws: dict[int, Law]
    """The law after each number of adversarial steps asked for; 0 is the warm start, which is always there"""
    records: list[Record]
    """One of every step"""
    stopped: Failure | None
    """Why training ended early"""


def fit_laws(
    returns: Floats,
    config: Config,
    keep: Collection[int],
    seed: int,
    device: torch.device,
    on_step: Callable[[Record | None], None],
    covariates: Inputs | None = None,
    ranks: Ranks = ALONE,
    later: int = 0,
    checkpoint: Checkpoint = NOWHERE,
) -> Fit:
    """Fit on log returns and keep the law after some numbers of adversarial steps.

    Parameters
    ----------
    returns : (time, assets) log returns
    on_step : called with None when the warm start is done, then with the record of every step, also of those that an
        interrupted run has made
    covariates : what is known before each step
    ranks : the processes that make this fit together
    later : how many of the last rows are for the critics' validation estimate only; nothing is learned from them
    checkpoint : where the state of the training is kept, and what to go on from; the warm start is made again

    Raises
    ------
    TrainingError
        Not even the warm start is usable.
    """
    check_precision(config.training.precision, device)
    ranks.tell(returns, config, list(keep), seed, covariates, later, checkpoint)
    everything, all_covariates = returns, covariates
    returns = everything[: len(everything) - later]
    covariates = covariates.until(len(returns)) if covariates else None
    blocks = covariates.blocks if covariates else ()
    generator, critics = build(returns.shape[1], config, seed, device, blocks)
    momentum = fit_drift(returns, config.generator.half_lives, config.warm_start.momentum_scale)
    generator.momentum.copy_(torch.as_tensor(momentum))
    scaling = Scaling.of(returns, generator)
    generator.drift.copy_(torch.as_tensor(scaling.usual[:, 2]))
    x = torch.as_tensor(returns / scaling.deviation, dtype=torch.float32, device=device)
    states = states_of(generator, returns, scaling)
    warm_start(generator, x, states[:-1], config.warm_start)
    require_usable(generator)
    noise = joint_noise(generator, x, states[:-1])
    known, chooses = None, random_stream(seed, _KNOWN)  # not on the device, which nobody should wait for
    if covariates:
        given = torch.as_tensor(covariates.values, dtype=torch.float32, device=device)
        guide(generator, x, states, given, config.warm_start, random_stream(seed, _GUIDE, device=device))
        known = _known(generator, x, states, given, chooses)
    looks = _looks(generator, everything, all_covariates, len(returns), scaling, noise, config, seed)
    on_step(None)

    records: list[Record] = []

    def after_step(record: Record) -> None:
        records.append(record)
        on_step(record)

    def anchor(g: Generator) -> torch.Tensor:
        without = negative_log_posterior(g, x, states[:-1], config.warm_start).mean()
        if known is None:
            return without
        some, memory = known()
        return 0.5 * (without + negative_log_posterior_given(g, x, memory, some).mean())

    with checkpoint.stops_after_a_step():
        kept, stopped = train(
            generator,
            critics,
            Windows(x, states, config.training.past, config.training.future, known),
            noise,
            anchor,
            dataclasses.replace(config.training, steps=max(keep)),
            keep,
            config.warm_start.weight_decay,
            random_stream(seed, _TRAIN, device=device),
            after_step,
            looks,
            ranks,
            checkpoint,
            (chooses,),
        )
    broken = [step for step, g in kept.items() if step and not all(p.isfinite().all() for p in g.parameters())]
    if broken:  # by the very step after which they were kept: their losses were those before it
        kept = {step: g for step, g in kept.items() if step not in broken}
        stopped = stopped or not_finite(min(broken), "parameters are not finite")
    laws = {}
    for step in sorted(kept):
        match_level(kept[step], x, states[:-1], noise, random_stream(seed, _LEVEL, device=device))
        laws[step] = Law(kept[step], noise, scaling)
    return Fit(laws, records, stopped)


def require_usable(generator: Generator) -> None:
    """Raise a TrainingError where a generator holds no finite numbers."""
    if not all(value.isfinite().all() for value in generator.state_dict().values()):
        raise TrainingError(
            "training produced nothing usable: the likelihood of the returns has no finite maximum; "
            "look at the data (unadjusted splits? long runs of equal prices?), "
            "or lower learning_rate in [warm_start]"
        )


def _looks(
    generator: Generator,
    returns: Floats,
    covariates: Inputs | None,
    end: int,
    scaling: Scaling,
    noise: JointNoise,
    config: Config,
    seed: int,
) -> Looks:
    """Looks from days of the training slice, which ends at a row, and from those whose future lies behind it."""
    device, past, future = noise.scores.device, config.training.past, config.training.future
    x = torch.as_tensor(returns / scaling.deviation, dtype=torch.float32, device=device)
    states, given = states_of(generator, returns, scaling), x[:, :0]
    if covariates:
        given = torch.as_tensor(covariates.values, dtype=torch.float32, device=device)
        with torch.no_grad():
            states = generator.remember_unexplained(x, states, given)
    windows = windows_at(x, states, given, (past, end - future), past, future)
    assert windows is not None
    later = windows_at(x, states, given, (end, len(x) - future), past, future) if len(x) > end else None
    return Looks(x[:end], windows, later, noise, random_stream(seed, _LOOKS, device=device))


def _known(
    generator: Generator, x: torch.Tensor, states: torch.Tensor, given: torch.Tensor, rng: torch.Generator
) -> Known:
    """Subsets of the covariates of a history, with the memory of each, which training does not change."""
    assert generator.guidance is not None
    some, generator = subsets(generator.guidance.blocks).to(x.device), copy.deepcopy(generator)

    @lru_cache(maxsize=_REMEMBERED)
    @torch.no_grad()
    def subset(k: int) -> tuple[torch.Tensor, torch.Tensor]:
        known = given * some[k]
        return known, generator.remember_unexplained(x, states, known)

    return lambda: subset(int(torch.randint(len(some), (), generator=rng)))


def build(
    assets: int, config: Config, seed: int, device: torch.device, blocks: Sequence[int] = ()
) -> tuple[Generator, list[nn.Module]]:
    """New networks; their first weights depend on the seed only, not on the device."""
    kinds: dict[str, list[type[nn.Module]]] = {
        "conv": [ConvCritic],
        "lstm": [LSTMCritic],
        "both": [ConvCritic, LSTMCritic],
    }
    objective = OBJECTIVES[config.training.objective]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_stream(seed, _INIT).initial_seed())
        generator = Generator(assets, config.generator, blocks)
        critics: list[nn.Module] = [
            kind(assets, sum(blocks), outputs=objective.outputs) for kind in kinds[config.training.critic]
        ]
        for critic in critics:
            objective.prepare(critic)
    return generator.to(device), [critic.to(device) for critic in critics]


@torch.no_grad()
def joint_noise(generator: Generator, x: torch.Tensor, states: torch.Tensor) -> JointNoise:
    """Source of the noise that a generator sees in a history, (time, assets), given the memory before each step."""
    mean, scale, innovation = generator.prepare()(states)
    scores = normal_scores(innovation.to_normal((x - mean) / scale))
    return JointNoise(scores, market_level(scale), generator.config.blur, generator.config.neighbours)
