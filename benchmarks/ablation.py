"""What every part of the training is worth: held-out paths and one-step risk with the part changed or left out.

    python benchmarks/ablation.py [--variants conv lstm ...] [--steps 120] [--seeds 1] [--all] [--series NAME ...]
                                  [--jobs 1] [--summary] [--out benchmarks/results/ablation.csv]

Every variant is fitted to the training days of the 11 quick series of protocol H (--all: of all 46; --series: of those
named; 1999 2004 2009 2014 are protocol R with fits every 1,250 days) and keeps the law after 0, a third, two thirds and
all of --steps, whether or not the choice of steps would keep them. 0 steps are the warm start. Paths are judged as in
heldout.py; one-step VaR and ES of the test days, by the parameters of the training days, by FZ0 (returns in %).
Distances are shown relative to the warm start of the same series and seed: the geometric mean with its standard error
over series, and the mean over groups of measures; FZ0 as the difference to it, mean over series (standard error).

Members of the family, such as "wgan-lp lstm", bound slopes as their papers did and have the default's rates and steps
otherwise (wgan-clip keeps its slow RMSprop for the critic); with ", paper" all settings are the paper's.

Rows (panel, series, variant, steps, seed, measure, distance) are appended to --out as soon as they are known, and what
is there is not computed again. Prints Markdown.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Collection, Iterator
from contextlib import nullcontext
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from heldout import MEASURES, PANELS, PATHS, QUICK, Series, distances, load_panel, stream
from records import append, markdown, read, work
from torch import Tensor, nn
from torch.nn import functional

from tsgan import Config, fitting, penalties
from tsgan.config import PRESETS, TrainingConfig
from tsgan.critics import ConvCritic
from tsgan.evaluation import fz0
from tsgan.generator import Generator
from tsgan.joint import JointNoise
from tsgan.law import Law
from tsgan.objectives import OBJECTIVES
from tsgan.returns import log_returns
from tsgan.training import Trained, train
from tsgan.windows import Windows

OUT = Path(__file__).parent / "results" / "ablation.csv"
LEVELS = (0.05, 0.025, 0.01)
KINDS = ("conv", "lstm")
KEY = ["panel", "series", "variant", "steps", "seed", "measure"]
GROUPS = {
    "level": ("sd", "W1", "W5", "W20"),
    "tails": ("ES97.5", "ES99", "ES97.5 10d", "Hill"),
    "shape": ("S1", "S20"),
    "dependence": ("ACF(r)", "ACF(|r|)", "ACF(r²)", "leverage"),
}


def with_our_rates(objective: str) -> dict[str, object]:
    """Settings of the training with an objective's bound of the slope, and everything else as by default."""
    ours = {name: getattr(Config().training, name) for name in PRESETS[objective]}
    kept = ["penalty"] + ["optimiser", "critic_learning_rate", "critic_steps"] * (objective == "wgan-clip")
    return {**ours, **{name: PRESETS[objective][name] for name in kept}, "objective": objective}


class WithoutPast(ConvCritic):
    """Sees the future only, as unconditional GANs do."""

    def forward(self, future: Tensor, past: Tensor) -> Tensor:
        return super().forward(future, past[:, :0])


class WithBlocks(ConvCritic):
    """Residual blocks of another kind."""

    block: type[nn.Module]

    def __init__(self, assets: int, conditions: int = 0, **sizes: int) -> None:
        super().__init__(assets, conditions, **sizes)
        self.blocks = nn.ModuleList(self.block(32) for _ in self.blocks)


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, (1, 5), padding=(0, 2)) for _ in range(2))


class NormOnMainPath(WithBlocks):
    """LayerNorm after every block's sum: what follows does not see the amplitude."""

    class block(Block):  # noqa: N801
        def forward(self, x: Tensor) -> Tensor:
            h = x + self.second(functional.silu(self.first(functional.silu(x))))
            return functional.layer_norm(h.permute(0, 2, 3, 1), (1, h.shape[-1], h.shape[1])).permute(0, 3, 1, 2)


class WithoutNorm(WithBlocks):
    """No LayerNorm."""

    class block(Block):  # noqa: N801
        def forward(self, x: Tensor) -> Tensor:
            return x + self.second(functional.silu(self.first(functional.silu(x))))


class Attention(nn.Module):
    """x + gain * self-attention(x), the gain learned from 0 (Zhang et al. 2019, SAGAN)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key = (nn.Conv2d(width, width // 8, 1) for _ in range(2))
        self.value, self.join = nn.Conv2d(width, width // 2, 1), nn.Conv2d(width // 2, width, 1)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (part(x).flatten(2) for part in (self.query, self.key, self.value))  # (n, channels, time)
        looks = torch.softmax(query.mT @ key, -1)  # (n, time, time): at whom each step looks
        return x + self.gain * self.join((value @ looks.mT).unsqueeze(2))


class WithAttention(ConvCritic):
    """An attention block behind the first residual block, where a step is eight days."""

    def __init__(self, assets: int, conditions: int = 0, **sizes: int) -> None:
        super().__init__(assets, conditions, **sizes)
        self.blocks[1] = nn.Sequential(Attention(32), self.blocks[1])


def grown(
    generator: Generator,
    critics: list[nn.Module],
    windows: Windows,
    noise: JointNoise,
    anchor: Callable[[Generator], Tensor],
    config: TrainingConfig,
    keep: Collection[int],
    *others: Any,
) -> Trained:
    """Training on windows of 64, 128 and 256 steps in turn, a third of the steps each (Karras et al. 2018).

    The networks go on, optimisers and moving average begin again; critics average over time, so they take any length.
    """
    kept: dict[int, Generator] = {}
    ends = [0, config.steps // 3, config.steps * 2 // 3, config.steps]
    for (start, end), parts in zip(pairwise(ends), (4, 2, 1), strict=True):
        past, future = config.past // parts, config.future // parts
        stage = dataclasses.replace(config, steps=end - start, past=past, future=future)
        shorter = Windows(windows.x, windows.states, past, future, windows.known)
        here = [step - start for step in keep if start < step <= end]
        trained = train(generator, critics, shorter, noise, anchor, stage, here, *others)
        kept |= {start + step: law for step, law in trained.kept.items() if step or not start}
        if trained.stopped:
            return Trained(kept, trained.stopped)
    return Trained(kept, None)


VARIANTS: dict[str, tuple[dict[str, object], tuple[object, str, object] | None]] = {
    # name -> changes of the training configuration, and what else is replaced
    "conv": ({}, None),
    "lstm": ({"critic": "lstm"}, None),
    "both": ({"critic": "both"}, None),
    "no anchor": ({"anchor": 0.0}, None),
    "anchor 10": ({"anchor": 10.0}, None),
    "no past": ({}, (fitting, "ConvCritic", WithoutPast)),
    "mixing 1/2": ({}, (penalties, "interpolate", partial(penalties.interpolate, mixing=0.5))),
    "no penalty": ({"penalty": 0.0}, None),
    "norm on main path": ({}, (fitting, "ConvCritic", NormOnMainPath)),
    "no norm": ({}, (fitting, "ConvCritic", WithoutNorm)),
    "1 critic step": ({"critic_steps": 1}, None),
    "5 critic steps": ({"critic_steps": 5}, None),
    "windows of 64": ({"past": 32, "future": 32}, None),
    "windows of 128": ({"past": 64, "future": 64}, None),
    "attention": ({}, (fitting, "ConvCritic", WithAttention)),
    "growing windows": ({}, (fitting, "train", grown)),
    **{f"{o} {c}": ({**with_our_rates(o), "critic": c}, None) for o in OBJECTIVES for c in KINDS},
    **{f"{o} {c}, paper": ({"objective": o, "critic": c}, None) for o in OBJECTIVES for c in KINDS},
}


def main() -> None:
    options = parse()
    if not options.summary:
        for rows in work(list(missing(options, read(options.out, KEY))), options.jobs):
            append(options.out, rows)
    known = read(options.out, KEY)
    print(summary(known[known.series.isin([s.name for s in chosen(options)])]))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--steps", type=int, default=Config().training.steps)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--all", action="store_true", help="46 series instead of 11")
    parser.add_argument("--series", nargs="+", metavar="NAME", help="these series instead")
    parser.add_argument("--jobs", type=int, default=1, help="fits at once, one thread each")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--summary", action="store_true", help="only print what --out holds")
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> list[Series]:
    known = [s for panel in PANELS for s in load_panel(panel)]
    if options.series:
        return [s for s in known if s.name in options.series]
    return [s for s in known if options.all or s.name in QUICK[s.panel]]


def missing(options: argparse.Namespace, known: pd.DataFrame) -> Iterator[Callable[[], pd.DataFrame]]:
    done = set(known[["panel", "series", "variant", "steps", "seed"]].itertuples(index=False, name=None))
    for variant, seed, s in product(options.variants, range(options.seeds), chosen(options)):
        if (s.panel, s.name, variant, options.steps, seed) not in done:
            yield partial(judge, s, variant, options.steps, seed)


def judge(series: Series, variant: str, steps: int, seed: int) -> pd.DataFrame:
    torch.set_num_threads(1)
    changes, replaced = VARIANTS[variant]
    config = Config().with_training(steps=steps, **changes)
    returns = log_returns(series.prices.to_numpy())
    keep = [steps * k // 3 for k in range(4)]
    with patch.object(*replaced) if replaced else nullcontext():
        fit = fitting.fit_laws(returns, config, keep, seed, torch.device("cpu"), lambda _: None)
    lines = []
    for kept, law in fit.laws.items():
        values = held_out(series, law, returns, seed) | one_step(series, law, returns)
        lines += [(series.panel, series.name, variant, kept, seed, *item) for item in values.items()]
    return pd.DataFrame(lines, columns=[*KEY, "distance"])


def held_out(series: Series, law: Law, returns: np.ndarray, seed: int) -> dict[str, float]:
    rng = torch.Generator().manual_seed(stream(series, seed))
    states = law.states(returns)[:-1]
    starts = torch.randint(len(states), (PATHS,), generator=rng)
    return distances(series.test[None, :, None], law.run(states[starts], len(series.test), rng))


def one_step(series: Series, law: Law, returns: np.ndarray) -> dict[str, float]:
    """FZ0 of the test days, their parameters those of the training days."""
    states = law.states(np.concatenate((returns, series.test[:, None])))[len(returns) : -1]
    return {
        f"FZ0 {level:g}": float(
            fz0(100 * series.test, *(100 * f[:, 0] for f in law.value_at_risk(states, level)), level).mean()
        )
        for level in LEVELS
    }


def summary(known: pd.DataFrame) -> str:
    distance = known.set_index(KEY).distance.unstack("measure")
    start = distance.xs(0, level="steps")
    beside = start.reindex(distance.index.droplevel("steps")).set_axis(distance.index)
    logs = np.log(distance[list(MEASURES)] / beside[list(MEASURES)])
    scored = [f"FZ0 {level:g}" for level in LEVELS]
    better = distance[scored] - beside[scored]
    lines = []
    for variant in [name for name in VARIANTS if name in distance.index.unique("variant")]:
        for steps in distance.xs(variant, level="variant").index.unique("steps"):
            if steps == 0:
                continue
            rows = logs.xs((variant, steps), level=("variant", "steps"))
            scores = better.xs((variant, steps), level=("variant", "steps"))
            count, of_series = len(rows), rows.mean(axis=1).groupby(["panel", "series"]).mean()
            scores = scores.groupby(["panel", "series"]).mean()
            lines.append(
                {
                    "variant": variant,
                    "steps": str(steps),
                    "fits": str(count),
                    "all measures": f"{np.exp(of_series.mean()):.3f} (x {np.exp(of_series.sem()):.3f})",
                    **{group: f"{np.exp(rows[list(names)].to_numpy().mean()):.3f}" for group, names in GROUPS.items()},
                    "FZ0 at 5 / 2.5 / 1 %": " / ".join(
                        f"{scores[c].mean():+.4f} ({scores[c].sem():.4f})" for c in scores
                    ),
                }
            )
    return "Distances relative to the warm start's, below 1 is better:\n\n" + markdown(lines)


if __name__ == "__main__":
    main()
