"""All that is measured of speed, and a short profile that says where a default fit spends its time.

    python benchmarks/speed.py [--parts penalty loop fit cost sampling scale startup profile]
                               [--out benchmarks/results]

Runs speed_training.py (penalty, loop, fit, cost), speed_sampling.py, speed_scale.py and speed_startup.py as they
stand, each with its JSON in the folder --out; speed_quality.py, which takes longer, runs by itself. Ratios within a run
are what counts: other work on the machine moves all seconds alike. Prints Markdown.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import subprocess
import sys
from pathlib import Path

import torch
from records import markdown

from tsgan import TSGAN
from tsgan.datasets import load

HERE = Path(__file__).parent
TRAINING = ("penalty", "loop", "fit", "cost")
SCRIPTS = {part: ("speed_training.py", "--parts", part) for part in TRAINING}
SCRIPTS |= {name: (f"speed_{name}.py",) for name in ("sampling", "scale", "startup")}
STAGES = {  # what a fit is made of, by the functions that do it
    "warm start (likelihood)": ("warmstart.py", "warm_start"),
    "critic steps": ("training.py", "critic_step"),
    "fake windows for the critic": ("training.py", "fake_windows"),
    "free run of the generator step, forward": ("pathwise.py", "free_run"),
    "its adjoints": ("pathwise.py", "backward"),
    "level of free runs": ("level.py", "match_level"),
    "path scores that choose the steps": ("selection.py", "path_scores"),
    "verdict beside GJR-GARCH": ("verdict.py", "one_step_verdict"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = (*SCRIPTS, "profile")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    for part in options.parts:
        print(f"\n## {part}\n", flush=True)
        if part == "profile":
            print(profile())
        else:
            script, *rest = SCRIPTS[part]
            out = options.out / f"speed_{part}.json"
            subprocess.run([sys.executable, HERE / script, *rest, "--out", out], check=True)


def profile() -> str:
    """Share of each stage in a default fit of the S&P 500 of `arch`, on one thread."""
    torch.set_num_threads(1)
    profiler = cProfile.Profile()
    profiler.runcall(TSGAN(random_state=0, device="cpu").fit, load("sp500"))
    stats = pstats.Stats(profiler)
    spent = {
        (Path(file).name, function): (calls, cumulative)
        for (file, _, function), (_, calls, _, cumulative, _) in stats.stats.items()  # type: ignore[attr-defined]
        if "tsgan" in file
    }
    total = stats.total_tt  # type: ignore[attr-defined]
    lines = []
    for stage, key in STAGES.items():
        calls, seconds = spent.get(key, (0, 0.0))
        lines.append(
            {"stage": stage, "calls": f"{calls:,}", "seconds": f"{seconds:.1f}", "share": f"{seconds / total:.0%}"}
        )
    return f"{total:.1f} s in all, the profiler's own time included\n\n{markdown(lines)}"


if __name__ == "__main__":
    main()
