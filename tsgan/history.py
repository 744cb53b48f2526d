"""How a model was trained: the records of both halves of its fit and what went wrong, as the model file keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from tsgan.diagnostics import Record, from_columns, to_columns
from tsgan.failures import Failure


class History(NamedTuple):
    """Training of a model."""

    choosing: list[Record]
    """The first half of the fit, which chooses the steps; with estimates on the validation slice"""
    final: list[Record]
    """The second half, on all rows; none where no steps were chosen"""
    failed_choosing: Failure | None = None
    """Why the first half ended early"""
    failed_final: Failure | None = None
    """Why the second half ended early, after which the model is its warm start"""

    def __repr__(self) -> str:
        return f"History({'; '.join(f'{half}: {said}' for half, said in self.describe().items())})"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        failures = [failure and failure._asdict() for failure in self[2:]]
        return dict(zip(self._fields, (*map(to_columns, self[:2]), *failures), strict=True))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Invert :meth:`to_dict`; older files say nothing of failures."""
        failures = (values.get(name) for name in cls._fields[2:])
        return cls(
            from_columns(values["choosing"]),
            from_columns(values["final"]),
            *(Failure(**failure) if failure else None for failure in failures),
        )

    def describe(self) -> dict[str, str]:
        """Say in a sentence how each half went."""
        halves = (self.choosing, self.failed_choosing), (self.final, self.failed_final)
        return dict(zip(self._fields, (_said(*half) for half in halves), strict=False))


def _said(records: list[Record], failure: Failure | None) -> str:
    if not records:
        return "no steps"
    first, last = records[0], records[-1]
    curve = f"Wasserstein {first.wasserstein:.3g} to {last.wasserstein:.3g}"
    said = f"{last.step} steps in {last.seconds:.0f} s, {curve}"
    return f"{said}; {failure.sentence}; {failure.advice}" if failure else said
