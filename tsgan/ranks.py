"""Several processes that train one model together, each on a device of its own, by Lightning Fabric.

All of them draw the same random numbers for the whole batch, and each computes its share of the rows; gradients are
averaged. Losses and penalties are means over rows, so the steps are those of one process up to rounding; only the
Cramér GAN compares rows with each other, those of one process, and has steps of the same mean.

The process that fits is the first; it starts the others and sends them what to fit. Fabric's own launchers would run
the user's script again (popen) or import its main module (spawn), and refuse notebooks. The backend is Fabric's choice
for the device: gloo for CPUs, NCCL for CUDA.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from tsgan.checkpoint import Checkpoint
from tsgan.config import Config, check_whole
from tsgan.covariates import Inputs
from tsgan.errors import ConfigError, TrainingError
from tsgan.returns import Floats
from tsgan.store import read_model

if TYPE_CHECKING:
    from lightning_fabric.strategies import DDPStrategy

STRATEGIES = ("ddp",)
_TIMEOUT = timedelta(minutes=10)
_READY = b"."


@dataclass(frozen=True)
class Ranks:
    """One of the processes, as the loop sees it; by default the only one, which has everything and waits for nobody."""

    rank: int = 0
    size: int = 1
    strategy: DDPStrategy | None = None
    helpers: tuple[subprocess.Popen[bytes], ...] = ()
    """The other processes, known to the first"""

    def tell(
        self,
        returns: Floats,
        config: Config,
        keep: Sequence[int],
        seed: int,
        covariates: Inputs | None,
        later: int,
        checkpoint: Checkpoint,
    ) -> None:
        """Send the others the arguments of a fit, in which they take part from now on."""
        if not self.helpers:
            return
        given = None if covariates is None else (covariates.values.tolist(), covariates.blocks)
        left = str(checkpoint.path) if checkpoint.state else None  # not written again before all have made a step
        for helper in self.helpers:
            _send(helper.stdin, returns.tolist(), config.to_dict(), keep, seed, given, later, left)

    def share(self, x: Tensor) -> Tensor:
        """Rows of this process, of a number that can be divided."""
        return x.chunk(self.size)[self.rank]

    def whole(self, x: Tensor) -> Tensor:
        """All rows, from the shares of all; without gradients."""
        if self.strategy is None:
            return x
        parts = x.new_zeros((self.size, *x.shape))
        parts[self.rank] = x
        gathered: Tensor = self.strategy.all_reduce(parts, reduce_op="sum")
        return gathered.flatten(0, 1)

    def mean(self, x: Tensor) -> Tensor:
        """Mean over all processes."""
        if self.strategy is None:
            return x
        mean: Tensor = self.strategy.all_reduce(x, reduce_op="mean")
        return mean

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor | None]) -> None:
        """Put the mean over all processes in the place of each, in one message."""
        if self.strategy is None:
            return
        present = [x for x in tensors if x is not None]
        means = self.mean(torch.cat([x.flatten() for x in present])).split([x.numel() for x in present])
        for x, mean in zip(present, means, strict=True):
            x.copy_(mean.view_as(x))


ALONE = Ranks()


def check_devices(count: int, strategy: str, device: torch.device, config: Config) -> None:
    """Refuse a number of devices that one model cannot be trained on, with a ConfigError that says why."""
    check_whole("devices", count)
    if strategy not in STRATEGIES:
        raise ConfigError(f"strategy must be {' or '.join(STRATEGIES)}, not {strategy!r}")
    if count == 1:
        return
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"devices={count} is possible for the device cpu or cuda, not {device.type}")
    if str(device) != device.type:
        raise ConfigError(f"devices={count} takes the first {count} of device='cuda'; give that, not {str(device)!r}")
    if device.type == "cuda" and count > torch.cuda.device_count():
        raise ConfigError(f"devices={count}, but this machine has {torch.cuda.device_count()} CUDA devices")
    if config.training.batch % (2 * count):
        raise ConfigError(
            f"batch in [training] must be a multiple of {2 * count} for devices={count}, not {config.training.batch}"
        )
    if importlib.util.find_spec("lightning_fabric") is None:
        raise ConfigError("several devices need Lightning Fabric; install it with: pip install 'tsgan[fabric]'")
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        raise ConfigError("torch.distributed is in use in this process; fit with devices=1, or in another process")


@contextmanager
def on_devices(device: torch.device, count: int) -> Iterator[Ranks]:
    """Start the other processes, if there are to be any, and end them with the block.

    Raises
    ------
    TrainingError
        One of them ended before.
    """
    if count == 1:
        yield ALONE
        return
    from lightning_fabric.plugins.environments.lightning import find_free_network_port

    port, threads = find_free_network_port(), torch.get_num_threads()
    if device.type == "cpu":
        threads = max(1, threads // count)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    command = [sys.executable, "-P", "-c", "from tsgan.ranks import help_out; help_out()"]
    helpers: list[subprocess.Popen[bytes]] = []
    before = torch.get_num_threads()
    try:
        for rank in range(1, count):
            pipe = subprocess.PIPE  # a session of its own: Ctrl-C is for the first process
            helper = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, start_new_session=True)
            helpers.append(helper)
            _send(helper.stdin, rank, count, device.type, port, threads)
        for helper in helpers:
            assert helper.stdout is not None
            if helper.stdout.read(1) != _READY:
                raise TrainingError("a process for another device could not be started; it says why above")
        torch.set_num_threads(threads)
        yield Ranks(0, count, _join(0, count, device.type, port), tuple(helpers))
    except (RuntimeError, BrokenPipeError) as error:
        if isinstance(error, TrainingError):
            raise
        for helper in helpers:
            with suppress(subprocess.TimeoutExpired):  # one that failed takes a moment to say so
                code = helper.wait(1)
                raise TrainingError(f"a process for another device ended with {code}; it says why above") from error
        raise
    finally:
        torch.set_num_threads(before)
        for helper in helpers:
            helper.kill()
            helper.communicate()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def help_out() -> None:
    """Take part in the fits of the first process until it is gone: what the others run."""
    from tsgan.fitting import fit_laws

    rank, count, kind, port, threads = json.loads(sys.stdin.buffer.readline())
    torch.set_num_threads(threads)
    sys.stdout.buffer.write(_READY)
    sys.stdout.buffer.flush()
    strategy = _join(rank, count, kind, port)
    for line in sys.stdin.buffer:
        returns, config, keep, seed, given, later, left = json.loads(line)
        checkpoint = Checkpoint()
        if left is not None:
            checkpoint.state = read_model(left)[0]
        covariates = None if given is None else Inputs(np.array(given[0]), tuple(given[1]))
        told = np.array(returns), Config.from_dict(config), keep, seed
        mine = Ranks(rank, count, strategy)
        fit_laws(*told, strategy.root_device, lambda _: None, covariates, mine, later, checkpoint)


def _send(pipe: IO[bytes] | None, *values: Any) -> None:
    """Write one line of JSON, which executes nothing where it is read; it gives back every bit of a float."""
    assert pipe is not None
    pipe.write(json.dumps(values).encode() + b"\n")
    pipe.flush()


def _join(rank: int, count: int, kind: str, port: int) -> DDPStrategy:
    """Meet the other processes; returns when all are there."""
    from lightning_fabric.accelerators import ACCELERATOR_REGISTRY
    from lightning_fabric.plugins.environments import LightningEnvironment
    from lightning_fabric.strategies import DDPStrategy

    class Place(LightningEnvironment):  # type: ignore[misc]
        creates_processes_externally = True
        main_address = "127.0.0.1"
        main_port = port

        def local_rank(self) -> int:
            return rank

        def node_rank(self) -> int:
            return 0

    devices = [torch.device(kind) if kind == "cpu" else torch.device(kind, place) for place in range(count)]
    accelerator = ACCELERATOR_REGISTRY.get(kind)
    strategy = DDPStrategy(accelerator, devices, cluster_environment=Place(), timeout=_TIMEOUT)
    speaks = logging.getLogger("lightning_fabric")
    level = speaks.level
    speaks.setLevel(logging.WARNING)  # it greets every process
    try:
        with patch.dict(os.environ):  # it leaves addresses there
            strategy.setup_environment()
    finally:
        speaks.setLevel(level)
    return strategy
