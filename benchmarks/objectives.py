"""Curves of the five objectives with both critics: what their estimates look like on one series.

    python benchmarks/objectives.py [--steps 120] [--seed 0] [--out docs/pictures/objectives.png]

Fits to the first 85 % of the S&P 500 that ships with arch, of which the last 15 are not trained on: the critics'
estimate on training and on validation windows, each divided by the windows' distance, which bounds that of any function
of slope 1. Settings as in ablation.py. Prints, in Markdown, the seconds of a step and the last values; whether a fit
stopped, and why.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from ablation import KINDS, with_our_rates
from matplotlib import pyplot as plt
from records import markdown

from tsgan import Config, fitting
from tsgan.datasets import load
from tsgan.objectives import OBJECTIVES
from tsgan.returns import log_returns

COLOURS = {"training": "#0072B2", "validation": "#D55E00"}  # of Okabe and Ito


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=Config().training.steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/objectives.png"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    returns = log_returns(load("sp500").to_numpy())
    returns = returns[: int(0.85 * len(returns))]
    figure, axes = plt.subplots(2, len(OBJECTIVES), figsize=(13, 5), sharex=True, sharey=True, layout="constrained")
    lines = []
    for row, critic in zip(axes, KINDS, strict=True):
        for axis, objective in zip(row, OBJECTIVES, strict=True):
            config = Config().with_training(steps=options.steps, **with_our_rates(objective), critic=critic)
            fit = fitting.fit_laws(
                returns,
                config,
                [options.steps],
                options.seed,
                torch.device("cpu"),
                lambda _: None,
                later=int(0.15 * len(returns)),
            )
            draw(axis, fit, f"{objective}, {critic}")
            lines.append({"objective": objective, "critic": critic, **numbers(fit)})
            print(lines[-1], flush=True)
    axes[0, 0].legend(frameon=False)
    for axis in axes[-1]:
        axis.set_xlabel("generator steps")
    for row in axes:
        row[0].set_ylabel("estimate / distance of windows")
    figure.savefig(options.out, dpi=150)
    print("\n" + markdown(lines))


def draw(axis: plt.Axes, fit: fitting.Fit, title: str) -> None:
    looks = [record for record in fit.records if record.training is not None]
    for name, colour in COLOURS.items():
        shares = [getattr(record, name) / record.distance for record in looks]
        axis.plot([record.step for record in looks], shares, color=colour, label=name)
    axis.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    axis.set_title(title, fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)


def numbers(fit: fitting.Fit) -> dict[str, str]:
    first, *_, last = fit.records
    looks = [record for record in fit.records if record.training is not None]
    shown = ("training", "validation", "slope", "pull", "facts", "volatility")
    values = {name: getattr(looks[-1], name) for name in shown}
    return {
        "seconds a step": f"{(last.seconds - first.seconds) / max(1, len(fit.records) - 1):.2f}",
        **{name: "–" if value is None else f"{value:.3f}" for name, value in values.items()},
        "stopped": fit.stopped.sentence if fit.stopped else "no",
    }


if __name__ == "__main__":
    main()
