"""How quick training is: the penalty, the loop, a default fit, and what they cost as steps, batch and assets grow.

    python benchmarks/speed_training.py [--parts penalty loop fit cost] [--repeats 7] [--device cpu] [--threads 1]
                                        [--out benchmarks/results/speed_training.json]

- penalty: value and parameter gradients, in first order and by double backward, at the shapes of the training.
- loop: a generator step with its critic steps, against a plain WGAN-GP loop with the same networks and batches: double
  backward, one critic pass a batch, autograd through the generator's steps, losses read at every step.
- fit: seconds of TSGAN().fit on the S&P 500 of `arch`, 5,031 rows.
- cost: seconds of a few steps of the loop; slope is that of the logarithms, 1 where the cost is linear. Rows of
  simulated returns; a fixed share of a step does not depend on its size, so that slopes stay below 1.

What is compared runs in turns, and the best of the repeats counts. Prints Markdown.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from records import markdown
from torch import Tensor, nn

from tsgan import TSGAN, Config, losses, penalties
from tsgan.config import TrainingConfig
from tsgan.critics import ConvCritic, LSTMCritic
from tsgan.datasets import load
from tsgan.device import random_stream
from tsgan.diagnostics import Looks, windows_at
from tsgan.fitting import build, joint_noise
from tsgan.generator import Generator
from tsgan.joint import JointNoise
from tsgan.law import Scaling, states_of
from tsgan.pool import Pool
from tsgan.training import both, fake_windows, judge, train
from tsgan.warmstart import negative_log_posterior
from tsgan.windows import Windows

CRITICS: dict[str, type[nn.Module]] = {"conv": ConvCritic, "lstm": LSTMCritic}
CONDITIONS = (0, 3)
ASSETS = (1, 2, 5, 10, 20, 50, 100)
BATCHES = (16, 32, 64, 128, 256)
STEPS = (2, 4, 8, 16)
ROWS = 1500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = ("penalty", "loop", "fit", "cost")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = {}
    if "penalty" in options.parts:
        found["penalty"] = penalty_times(options.repeats, options.device)
    if "loop" in options.parts:
        found["loop"] = loop_times(max(1, options.repeats // 2), options.device)
    if "fit" in options.parts:
        found["fit"] = [{"rows": 5031, "seconds": round(fit_seconds(options.device), 1)}]
    if "cost" in options.parts:
        found["cost"] = cost(max(1, options.repeats // 3), options.device)
    for part, lines in found.items():
        print(f"\n{part}\n\n" + markdown([{key: f"{value}" for key, value in line.items()} for line in lines]))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(found, indent=1))


def best_seconds(runs: Mapping[str, Callable[[], object]], repeats: int, device: torch.device) -> dict[str, float]:
    """Least seconds of each run after a first one, all in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds[name].append(time.perf_counter() - start)
    return {name: min(values[1:]) for name, values in seconds.items()}


def penalty_times(repeats: int, device: torch.device) -> list[dict[str, object]]:
    """Milliseconds of the penalty with its parameter gradients, by both ways."""
    config, lines = Config().training, []
    for (name, kind), conditions in itertools.product(CRITICS.items(), CONDITIONS):
        torch.manual_seed(0)
        critic = kind(1, conditions).to(device)
        x = torch.randn(config.batch, config.past + config.future, 1 + conditions, device=device)

        def gradient(norm: Callable[..., Tensor], critic: nn.Module = critic, x: Tensor = x) -> Tensor:
            penalty = penalties.two_sided(norm(lambda path: judge(critic, path, config), x)).mean()
            found = torch.autograd.grad(penalty, list(critic.parameters()), allow_unused=True, materialize_grads=True)
            return torch.cat([part.flatten() for part in found])

        def exact(gradient: Callable[..., Tensor] = gradient) -> Tensor:
            return gradient(penalties.gradient_norm_exact)

        def first(gradient: Callable[..., Tensor] = gradient) -> Tensor:
            return gradient(penalties.gradient_norm)

        found = best_seconds({"exact": exact, "first": first}, repeats, device)
        lines.append(
            {
                "critic": name,
                "conditions": conditions,
                "double backward, ms": round(1e3 * found["exact"], 1),
                "first order, ms": round(1e3 * found["first"], 1),
                "times faster": round(found["exact"] / found["first"], 2),
                "error of the gradient": f"{((first() - exact()).norm() / exact().norm()).item():.0e}",
            }
        )
    return lines


class Setting:
    """Everything that a loop needs, on simulated returns with a common factor."""

    def __init__(self, assets: int, config: TrainingConfig, device: torch.device) -> None:
        rng = np.random.default_rng(0)
        returns = 0.01 * (rng.standard_t(5, (ROWS, assets)) + rng.standard_t(5, (ROWS, 1)))
        whole = dataclasses.replace(Config(), training=config)
        self.config, self.device = config, device
        self.generator, self.critics = build(assets, whole, 0, device)
        scaling = Scaling.of(returns, self.generator)
        self.x = torch.as_tensor(returns / scaling.deviation, dtype=torch.float32, device=device)
        self.states = states_of(self.generator, returns, scaling)
        self.windows = Windows(self.x, self.states, config.past, config.future)
        self.noise = joint_noise(self.generator, self.x, self.states[:-1])
        self.prior = whole.warm_start
        origins = (config.past, ROWS - config.future)
        seen = windows_at(self.x, self.states, self.x[:, :0], origins, config.past, config.future)
        assert seen is not None
        self.looks = Looks(self.x, seen, None, self.noise, random_stream(1, device=device))

    def anchor(self, generator: Generator) -> Tensor:
        return negative_log_posterior(generator, self.x, self.states[:-1], self.prior).mean()

    def train(self) -> None:
        rng = random_stream(0, device=self.device)
        train(
            self.generator,
            self.critics,
            self.windows,
            self.noise,
            self.anchor,
            self.config,
            [self.config.steps],
            10.0,
            rng,
            lambda _: None,
            self.looks,
        )

    def train_plainly(self) -> None:
        rng = random_stream(0, device=self.device)
        plain_loop(self.generator, self.critics, self.windows, self.noise, self.anchor, self.config, rng)


def plain_loop(
    generator: Generator,
    critics: list[nn.Module],
    windows: Windows,
    noise: JointNoise,
    anchor: Callable[[Generator], Tensor],
    config: TrainingConfig,
    rng: torch.Generator,
) -> None:
    """WGAN-GP as it is usually written: what the package's loop does, with the same batches, and nothing made quick."""
    reference = windows.states[:1024]
    pool = Pool(windows, config.critic_steps * config.batch // 2, rng)
    critic_optimiser = torch.optim.Adam(
        [p for critic in critics for p in critic.parameters()], config.critic_learning_rate, config.betas
    )
    generator_optimiser = torch.optim.AdamW(generator.parameter_groups(10.0), config.generator_learning_rate)
    for _ in range(config.steps):
        generator.fix_neutral(reference)
        for fake in fake_windows(generator, windows, pool, noise, rng).split(config.batch):
            batch = windows.draw(len(fake), rng)
            real = batch.with_future(batch.future)
            for critic in critics:
                loss = losses.critic_loss(judge(critic, real, config), judge(critic, fake, config)).mean()
                between = penalties.interpolate(real, fake, rng)

                def score(path: Tensor, critic: nn.Module = critic) -> Tensor:
                    return judge(critic, path, config)

                slope = penalties.two_sided(penalties.gradient_norm_exact(score, between)).mean()
                critic_optimiser.zero_grad()
                (loss + config.penalty * slope).backward()
                critic_optimiser.step()
                loss.item(), slope.item()
        origins = both(windows.draw(config.batch // 2, rng), pool.origins(config.batch // 2))
        shocks = noise(len(origins.past), config.future, rng)
        paths = origins.with_future(generator(origins.state, shocks, reference)[0])
        score_of_paths = torch.stack([judge(critic, paths, config).mean() for critic in critics]).mean()
        generator_optimiser.zero_grad()
        loss = config.anchor * anchor(generator) - score_of_paths
        loss.backward()
        generator_optimiser.step()
        loss.item()


def loop_times(repeats: int, device: torch.device) -> list[dict[str, object]]:
    """Milliseconds of a generator step with its critic steps, beside a plain loop's."""
    lines = []
    for critic in CRITICS:
        config = dataclasses.replace(Config().training, critic=critic, steps=3, critic_warm_up=0)
        setting = Setting(1, config, device)
        found = best_seconds({"plain": setting.train_plainly, "ours": setting.train}, repeats, device)
        lines.append(
            {
                "critic": critic,
                "plain loop, ms a step": round(1e3 * found["plain"] / config.steps),
                "tsgan, ms a step": round(1e3 * found["ours"] / config.steps),
                "times faster": round(found["plain"] / found["ours"], 2),
            }
        )
    return lines


def fit_seconds(device: torch.device) -> float:
    """Seconds of a default fit."""
    prices = load("sp500")
    start = time.perf_counter()
    TSGAN(random_state=0, device=str(device)).fit(prices)
    return time.perf_counter() - start


def cost(repeats: int, device: torch.device) -> list[dict[str, object]]:
    """Seconds of two generator steps with more and more of one thing, and the slope of their logarithms."""
    base = dataclasses.replace(Config().training, steps=2, critic_warm_up=0)
    lines = []
    for what, sizes in (("steps", STEPS), ("batch", BATCHES), ("assets", ASSETS)):
        seconds = []
        for size in sizes:
            config = base if what == "assets" else dataclasses.replace(base, **{what: size})
            setting = Setting(size if what == "assets" else 1, config, device)
            seconds.append(best_seconds({what: setting.train}, repeats, device)[what])
        slope = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
        last = np.log(seconds[-1] / seconds[-2]) / np.log(sizes[-1] / sizes[-2])
        lines.append(
            {
                "of": what,
                "sizes": ", ".join(map(str, sizes)),
                "seconds": ", ".join(f"{second:.2f}" for second in seconds),
                "slope": round(float(slope), 2),
                "slope of the last two": round(float(last), 2),
            }
        )
    return lines


if __name__ == "__main__":
    main()
