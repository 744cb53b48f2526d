"""Where tensors live, and streams of random numbers that belong to a seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from tsgan.errors import ConfigError

_MANY_ASSETS = 5


def resolve_device(name: str) -> torch.device:
    """Turn auto, cpu, cuda, cuda:1 or mps into a device that is there; a ConfigError says what is."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if available["cuda"] else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    present = [kind for kind, there in available.items() if there]
    if device.type not in available:
        raise ConfigError(f"device must be auto, cpu, cuda, cuda:1 or mps, not {name!r}")
    if device.type not in present:
        raise ConfigError(f"device {name!r} is not available on this machine; available: auto, {', '.join(present)}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device {name!r} does not exist; CUDA devices here: {torch.cuda.device_count()}")
    return device


@contextmanager
def threads_for(assets: int) -> Iterator[None]:
    """Compute with one thread while tensors are small; several would spend their time waiting for each other.

    Only lowers the number that torch is set to, and restores it.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if assets < _MANY_ASSETS else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def random_stream(seed: int, *keys: int, device: torch.device | None = None) -> torch.Generator:
    """Random numbers for one purpose: a stream of its own for every seed and key."""
    state = np.random.SeedSequence(seed, spawn_key=keys).generate_state(1, np.uint64)[0]
    return torch.Generator(device or "cpu").manual_seed(int(state >> np.uint64(1)))
