"""What the critics multiply in. The generator's law, whose free runs add up for years, always computes in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from tsgan.errors import ConfigError


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse what a device does not have, with a ConfigError."""
    if precision == "tf32" and device.type != "cuda":
        raise ConfigError(f"precision tf32 exists on CUDA devices only, not on {device.type}; use float32 or bf16")


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Let CUDA round float32 factors to TF32, or not (PyTorch's own default is to let convolutions); then restore."""
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = allowed
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Where bf16 is asked for, products and convolutions take it; everything else stays as it is."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
