"""A thousand fits and samples in one process: does anything grow?

    python benchmarks/soak.py [--rounds 1000]

Every round fits a small model (a few adversarial steps, all stages), saves and loads it, and draws paths: as they come,
under a condition, and from the end of a history. Prints, in Markdown, the memory that the process holds, what of it is
in use (where glibc tells: the rest is what its allocator keeps for later), open files, threads and the objects that
Python tracks after some of the rounds, and the growth of both a round over the second half.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import tempfile
import threading
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from records import markdown

from tsgan import TSGAN, Config
from tsgan.config import WarmStartConfig
from tsgan.errors import TsganWarning

ROWS = 500
SHOWN = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1000)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore", TsganWarning)
    lines, held, used = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for done in range(rounds + 1):
            if done:
                one(done, Path(folder) / "model.tsgan")
            held.append(resident())
            used.append(in_use())
            if done % max(1, rounds // SHOWN) == 0:
                lines.append(
                    {
                        "rounds": str(done),
                        "MiB": f"{held[-1]:.0f}",
                        "in use": f"{used[-1]:.1f}",
                        "open files": str(len(os.listdir("/proc/self/fd"))),
                        "threads": str(threading.active_count()),
                        "objects": f"{len(gc.get_objects()):,}",
                    }
                )
                print(lines[-1], flush=True)
    grown = " held, ".join(f"{1024 * growth(sizes[len(sizes) // 2 :]):+.1f} KiB" for sizes in (held, used))
    print("\n" + markdown(lines) + f"\n\nSecond half, a round: {grown} in use.")


def one(seed: int, file: Path) -> None:
    config = Config(warm_start=WarmStartConfig(steps=20)).with_training(
        steps=2, past=32, future=32, batch=8, critic_warm_up=3, critic=("conv", "lstm", "both")[seed % 3]
    )
    TSGAN(config=config, random_state=seed).fit(prices(seed)).save(file)
    model = TSGAN.load(file)
    model.sample(100, length=50, random_state=seed)
    model.sample(10, length=50, condition={"volatility": 0.3}, random_state=seed)
    model.sample(10, length=50, history=prices(seed).iloc[-300:], random_state=seed)


def prices(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    walks = 100 * np.exp(np.cumsum(0.01 * rng.standard_t(5, (ROWS, 1 + seed % 2)), axis=0))
    return pd.DataFrame(walks, pd.bdate_range("2020-01-01", periods=ROWS), list("AB")[: walks.shape[1]])


def growth(sizes: list[float]) -> float:
    """Slope of sizes over their number."""
    return float(np.polyfit(np.arange(len(sizes)), sizes, 1)[0]) if len(sizes) > 1 else 0.0


class Mallinfo(ctypes.Structure):
    """What glibc's mallinfo2 returns."""

    _fields_ = [
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd")),
        *((name, ctypes.c_size_t) for name in ("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")),
    ]


def in_use() -> float:
    """Memory that was allocated and not given back, in MiB; NaN where the C library does not tell."""
    tell = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if tell is None:
        return float("nan")
    gc.collect()
    tell.restype = Mallinfo
    told = tell()
    return float(told.uordblks + told.hblkhd) / 2**20


def resident() -> float:
    """Memory that the process holds, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
