"""How good paths are after how many seconds of fitting: protocol H against the time that a fit took.

    python benchmarks/speed_quality.py [--series 11] [--steps 120] [--seed 0]
                                       [--out benchmarks/results/speed_quality.csv]

On series of heldout.py's quick selection: `arch`'s fits of GJR-GARCH and filtered simulation, tsgan's warm start, tsgan
after more and more adversarial steps, and a plain WGAN-GP loop (speed_training.py: eager, double backward) with the
same networks from their random beginning, without warm start and likelihood. Free runs of all of ours get the level of
the training days, which the seconds leave out. Seconds are of one fit to 2,000 to 2,500 days on one thread, medians
over series; the distance is the geometric mean of the 14 measures relative to the reference of heldout.py. Simulation
is timed on 10,000 paths of 252 steps, given as seconds for a million. Rows are appended to --out as soon as they are
known. Prints Markdown.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from generators import REFERENCE
from heldout import MEASURES, PANELS, PATHS, QUICK, Series, distances, load_panel, stream
from records import append, markdown, read, work
from speed_training import plain_loop

from tsgan import Config, TrainingWarning
from tsgan.device import random_stream
from tsgan.evaluation import fit_baselines
from tsgan.fitting import build, fit_laws, joint_noise
from tsgan.law import Law, Scaling, states_of
from tsgan.level import match_level
from tsgan.returns import Floats, log_returns
from tsgan.warmstart import negative_log_posterior
from tsgan.windows import Windows

OUT = Path(__file__).parent / "results" / "speed_quality.csv"
CPU = torch.device("cpu")
CLASSICAL = ("GJR-skewt", REFERENCE)
TIMED = 10_000
KEY = ["panel", "series", "generator", "seed", "measure"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=11)
    parser.add_argument("--steps", type=int, default=Config().training.steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    known = read(options.out, KEY)
    done = set(known[["panel", "series", "seed"]].itertuples(index=False, name=None))
    chosen = [s for panel in PANELS for s in load_panel(panel) if s.name in QUICK[panel]]
    chosen = chosen[:: max(1, len(chosen) // options.series)][: options.series]
    todo = [s for s in chosen if (s.panel, s.name, options.seed) not in done]
    for rows in work([partial(judge, s, options.steps, options.seed) for s in todo], 1):
        append(options.out, rows)
    print(summary(read(options.out, KEY)))


def judge(series: Series, steps: int, seed: int) -> pd.DataFrame:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", TrainingWarning)
    returns, lines = log_returns(series.prices.to_numpy()), []
    for name, seconds, sampler in fits(returns, steps, seed):
        values = distances(series.test[None, :, None], sampler(PATHS, len(series.test), stream(series, seed)))
        start = time.perf_counter()
        sampler(TIMED, 252, 0)
        a_million = (time.perf_counter() - start) * 1e6 / TIMED
        values |= {"seconds of the fit": seconds, "seconds of a million paths": a_million}
        lines += [(series.panel, series.name, name, seed, *item) for item in values.items()]
    return pd.DataFrame(lines, columns=[*KEY, "distance"])


def fits(returns: Floats, steps: int, seed: int) -> Iterator[tuple[str, float, Callable[[int, int, int], Floats]]]:
    """Name, seconds, and a sampler (paths, steps, seed) of everything that is compared."""
    for name in CLASSICAL:
        start = time.perf_counter()
        fitted = fit_baselines(returns, [name])[name]
        yield name, time.perf_counter() - start, fitted.sample
    config = Config().with_training(steps=steps)
    keep = [steps * k // 3 for k in range(4)]
    start, seconds = time.perf_counter(), []
    fit = fit_laws(returns, config, keep, seed, CPU, lambda _: seconds.append(time.perf_counter() - start))
    for kept, law in fit.laws.items():
        yield f"tsgan, {kept:3d} steps", seconds[kept], sampler_of(law, returns)
    yield from plain_fits(returns, config, steps // 3, seed)


def plain_fits(
    returns: Floats, config: Config, steps: int, seed: int
) -> Iterator[tuple[str, float, Callable[[int, int, int], Floats]]]:
    """The plain loop after so many steps, twice and three times as many."""
    generator, critics = build(1, config, seed, CPU)
    scaling, rng = Scaling.of(returns, generator), random_stream(seed)
    generator.drift.copy_(torch.as_tensor(scaling.usual[:, 2]))
    x = torch.as_tensor(returns / scaling.deviation, dtype=torch.float32)
    states = states_of(generator, returns, scaling)
    windows = Windows(x, states, config.training.past, config.training.future)
    training = dataclasses.replace(config.training, steps=steps, anchor=0.0)
    spent = 0.0
    for part in (1, 2, 3):
        start = time.perf_counter()
        noise = joint_noise(generator, x, states[:-1])
        plain_loop(
            generator,
            critics,
            windows,
            noise,
            lambda g: negative_log_posterior(g, x, states[:-1], config.warm_start).mean(),
            training,
            rng,
        )
        spent += time.perf_counter() - start
        match_level(generator, x, states[:-1], noise, rng)
        yield f"plain WGAN-GP, {part * steps:3d} steps", spent, sampler_of(Law(generator, noise, scaling), returns)


def sampler_of(law: Law, returns: Floats) -> Callable[[int, int, int], Floats]:
    states = law.states(returns)[:-1]

    def sample(paths: int, length: int, seed: int) -> Floats:
        rng = torch.Generator().manual_seed(seed)
        return law.run(states[torch.randint(len(states), (paths,), generator=rng)], length, rng)

    return sample


def summary(known: pd.DataFrame) -> str:
    distance = known.set_index(KEY).distance.unstack("generator")
    measured = distance[distance.index.get_level_values("measure").isin(MEASURES)]
    logs = np.log(measured).sub(np.log(measured[REFERENCE]), axis=0)
    seconds = distance.xs("seconds of the fit", level="measure").median()
    a_million = distance.xs("seconds of a million paths", level="measure").median()
    lines = [
        {
            "generator": name,
            "seconds of the fit": f"{seconds[name]:.1f}",
            "distance relative to " + REFERENCE: f"{np.exp(logs[name].mean()):.3f}",
            "seconds of a million paths of 252 steps": f"{a_million[name]:.0f}",
        }
        for name in sorted(distance.columns, key=lambda name: (name.split(",")[0], seconds[name]))
    ]
    series = distance.groupby(level=["panel", "series"]).ngroups
    return f"{series} series, medians of seconds\n\n" + markdown(lines)


if __name__ == "__main__":
    main()
