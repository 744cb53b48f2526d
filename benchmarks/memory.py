"""Memory of a fit and of a sample, as processes: what a user has to have.

    python benchmarks/memory.py [--quick]

Prints, in Markdown, the most memory (resident, MiB) that `tsgan fit` and `tsgan sample` held for simulated prices of so
many rows and assets and paths of so many steps, and beside it the size of what was written. Warm start and a few
adversarial steps: more of them hold no more. --quick takes the smallest of each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from records import markdown

FITS = ((1_000, 1), (5_000, 1), (20_000, 1), (5_000, 10), (5_000, 50), (2_500, 100))  # rows, assets
SAMPLES = (  # paths, steps, assets, format
    (1_000, 252, 1, "npz"),
    (10_000, 252, 1, "npz"),
    (100_000, 252, 1, "npz"),
    (100_000, 252, 1, "csv"),
    (100_000, 252, 1, "parquet"),
    (1_000, 10_000, 1, "parquet"),
    (10, 1_000_000, 1, "parquet"),
    (10_000, 252, 10, "parquet"),
    (10_000, 252, 50, "parquet"),
)
FEW = 5  # adversarial steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the smallest fit and sample only")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("Fits:\n\n" + markdown([fit(folder, *size) for size in FITS[: 1 if quick else None]]))
        lines = [sample(folder, *size) for size in SAMPLES[: 1 if quick else None]]
        print("\nSamples:\n\n" + markdown(lines))


def fit(folder: Path, rows: int, assets: int) -> dict[str, str]:
    mib = most(["fit", str(prices(folder, rows, assets)), "--steps", str(FEW), "--out", str(folder / "x.tsgan")])
    return {"rows": f"{rows:,}", "assets": str(assets), "MiB": f"{mib:.0f}"}


def sample(folder: Path, n: int, length: int, assets: int, form: str) -> dict[str, str]:
    model, out = folder / f"{assets}.tsgan", folder / f"paths.{form}"
    if not model.exists():
        most(["fit", str(prices(folder, 1_000, assets)), "--steps", "0", "--out", str(model)])
    asked = ["--n", str(n), "--length", str(length), "--out", str(out)]
    mib = most(["sample", "--model", str(model), *asked])
    written = out.stat().st_size / 2**20
    return {
        "paths": f"{n:,}",
        "steps": f"{length:,}",
        "assets": str(assets),
        "to": f".{form}",
        "MiB": f"{mib:.0f}",
        "MiB written": f"{written:.0f}",
    }


def prices(folder: Path, rows: int, assets: int) -> Path:
    """A file of heavy-tailed random walks on business days."""
    file = folder / "prices.parquet"
    rng = np.random.default_rng(0)
    walks = 100 * np.exp(np.cumsum(0.01 * rng.standard_t(5, (rows, assets)), axis=0))
    dates = pd.bdate_range("1950-01-02", periods=rows, name="date")
    pd.DataFrame(walks, dates, [f"A{k}" for k in range(assets)]).to_parquet(file)
    return file


def most(arguments: list[str]) -> float:
    """Run a command, which must succeed, say which on stderr, and return the most memory it held, in MiB."""
    print("tsgan", *arguments, file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "tsgan", *arguments, "--quiet", "--force"]
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()
