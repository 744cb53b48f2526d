"""How long a command takes before it does anything, as whole processes.

    python benchmarks/speed_startup.py [--repeats 7] [--out benchmarks/results/speed_startup.json]

The help, the first path of a small model, and beside them what Python itself and the libraries under tsgan take to be
imported. One of each in turn, so that all see the same machine; medians. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from records import markdown

from tsgan import TSGAN, Config
from tsgan.datasets import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    seconds = startup(options.repeats)
    print(table(seconds))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(seconds, indent=1))


def startup(repeats: int) -> dict[str, list[float]]:
    """Seconds of every process, a list of repeats each."""
    with tempfile.TemporaryDirectory() as folder:
        model, paths = Path(folder, "model.tsgan"), Path(folder, "path.csv")
        TSGAN(config=Config().with_training(steps=0), random_state=0).fit(load("sp500")).save(model)
        tsgan = [sys.executable, "-m", "tsgan"]
        processes = {
            "python, nothing": [sys.executable, "-c", ""],
            "import pandas": [sys.executable, "-c", "import pandas"],
            "import torch": [sys.executable, "-c", "import torch"],
            "import torch, pandas, sklearn.base": [sys.executable, "-c", "import torch, pandas, sklearn.base"],
            "tsgan --help": [*tsgan, "--help"],
            "tsgan sample --n 1": [*tsgan, "sample", "--model", model, "--n", "1", "--out", paths, "--force"],
        }
        seconds: dict[str, list[float]] = {name: [] for name in processes}
        for _ in range(repeats):
            for name, command in processes.items():
                start = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                seconds[name].append(round(time.perf_counter() - start, 3))
    return seconds


def table(seconds: dict[str, list[float]]) -> str:
    return markdown(
        [
            {"process": name, "seconds (median)": f"{statistics.median(s):.2f}", "range": f"{min(s):.2f}–{max(s):.2f}"}
            for name, s in seconds.items()
        ]
    )


if __name__ == "__main__":
    main()
