"""What the loop of :mod:`tsgan.training` carries from one step to the next, as tensors and back, to the bit."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tsgan.diagnostics import Record
from tsgan.generator import Generator
from tsgan.pool import Pool
from tsgan.windows import Batch


class State(NamedTuple):
    """Everything that decides the steps to come; all of it changes in place."""

    generator: Generator
    averaged: Generator
    critics: Sequence[nn.Module]
    optimisers: Sequence[torch.optim.Optimizer]
    pool: Pool
    streams: Sequence[torch.Generator]
    """All streams of random numbers that a step draws from"""
    kept: dict[int, Generator]
    records: list[Record]

    def tensors(self) -> dict[str, Tensor]:
        """Everything by name; records as a table of numbers in which what is None is NaN."""
        rows = [[math.nan if value is None else value for value in record] for record in self.records]
        found = {"records": torch.tensor(rows, dtype=torch.float64).reshape(len(rows), len(Record._fields))}
        for name, module in self._modules():
            found |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
        for k, optimiser in enumerate(self.optimisers):
            for parameter, moments in optimiser.state_dict()["state"].items():
                found |= {f"optimiser.{k}.{parameter}.{key}": value for key, value in moments.items()}
        found |= {f"stream.{k}": stream.get_state() for k, stream in enumerate(self.streams)}
        return found | {f"pool.{name}": value for name, value in self.pool.now._asdict().items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Become the state of these tensors."""
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}  # aligned as torch aligns them
        self.records[:] = [_record(row) for row in tensors["records"].tolist()]
        for step in sorted({int(name.split(".")[1]) for name in tensors if name.startswith("kept.")}):
            self.kept[step] = copy.deepcopy(self.generator)
        for name, module in self._modules():
            module.load_state_dict(_under(name, tensors))
        for k, optimiser in enumerate(self.optimisers):
            moments: dict[int, dict[str, Tensor]] = {}
            for name, value in _under(f"optimiser.{k}", tensors).items():
                parameter, _, key = name.partition(".")
                moments.setdefault(int(parameter), {})[key] = value
            optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
        for k, stream in enumerate(self.streams):
            stream.set_state(tensors[f"stream.{k}"])
        device = self.pool.now.past.device
        self.pool.now = Batch(**{name: value.to(device) for name, value in _under("pool", tensors).items()})

    def _modules(self) -> Iterator[tuple[str, nn.Module]]:
        yield "generator", self.generator
        yield "averaged", self.averaged
        yield from ((f"critic.{k}", critic) for k, critic in enumerate(self.critics))
        yield from ((f"kept.{step}", generator) for step, generator in self.kept.items())


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors whose names begin with a prefix and a point, without it."""
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")}


def _record(row: list[float]) -> Record:
    values = [None if math.isnan(value) else value for value in row]
    return Record(*values)._replace(step=int(row[0]))  # type: ignore[arg-type]  # fields that are never None are not
