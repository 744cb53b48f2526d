"""Ways in which training fails, each told from the records so far by one small function.

A detector says in words, with numbers, what is wrong at the last of some records, or None; that it has been so for a
while is asked in one place. Its thresholds lie between what ordinary fits show and what provoked failures do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import NamedTuple

from tsgan.diagnostics import Record

NOT_FINITE = "not a number"
DIVERGENCE = "divergence"
PENALTY = "exploding penalty"
VANISHED = "vanished generator gradient"
COLLAPSE = "mode collapse"
OVERFITTED = "overfitted critic"

_LOST = 1.0  # nats: a usual step has become e times less likely
_PENALTY = 5.0  # gradients three times as long as they should be
_PULL = 0.1  # where the critics' whole gradient should have the norm 1
_DIVERSITY = 0.7  # of the data's
_STRETCH = 6  # looks in which a critic is seen to overfit
_ROSE, _FELL = 0.15, 0.03  # of the distance of windows, in that stretch: the training and the validation estimate

_ADVICE = {
    NOT_FINITE: "lower generator_learning_rate or critic_learning_rate in [training]",
    DIVERGENCE: "lower generator_learning_rate or critic_learning_rate in [training]",
    PENALTY: "lower critic_learning_rate or raise penalty in [training]",
    VANISHED: "raise critic_learning_rate, critic_steps or critic_warm_up in [training]",
    COLLAPSE: "lower generator_learning_rate or raise anchor in [training]",
    OVERFITTED: "lower critic_learning_rate or critic_steps in [training], or fit to more rows",
}


class Failure(NamedTuple):
    """What went wrong, and since when."""

    kind: str
    since: int
    """First step at which it was so; only what was kept before is used"""
    step: int
    """Step at which it was certain"""
    what: str
    """What was seen then, with its numbers"""

    @property
    def advice(self) -> str:
        """What to change."""
        return _ADVICE[self.kind]

    @property
    def sentence(self) -> str:
        """What happened, without a capital and a full stop."""
        since = f" since step {self.since}" if self.since < self.step else ""
        return f"training stopped at step {self.step}, {self.kind}{since}: {self.what}"


def not_finite(step: int, what: str) -> Failure:
    """Name numbers that are none."""
    return Failure(NOT_FINITE, step, step, what)


def find_failure(records: Sequence[Record]) -> Failure | None:
    """Name what has become certain with the last of the records from the first step on, if anything has."""
    last = records[-1]
    for name, value in last._asdict().items():
        if value is not None and not isfinite(value):
            return not_finite(last.step, f"no finite {name.replace('_', ' ')}")
    looks = [record for record in records if record.training is not None] if last.training is not None else []
    for kind, wrong, on_looks, times in _DETECTORS:
        seen = looks if on_looks else records
        if len(seen) < times:
            continue
        since, what = seen[-times].step, wrong(seen)
        if what and all(wrong(seen[: len(seen) - back]) for back in range(1, times)):
            return Failure(kind, since, last.step, what)
    return None


def estimate_left(records: Sequence[Record]) -> str | None:
    """Whether the estimate is larger than that of any critic of slope 1, which is bounded by the windows' distance."""
    bound = next((record.distance for record in reversed(records) if record.distance is not None), None)
    if bound is None or abs(records[-1].wasserstein) <= bound:
        return None
    return f"the Wasserstein estimate of {records[-1].wasserstein:.3g} is beyond the windows' distance of {bound:.3g}"


def likelihood_lost(records: Sequence[Record]) -> str | None:
    """Whether the generator has left the data, which its anchor should prevent."""
    first, now = records[0].likelihood, records[-1].likelihood
    return None if now >= first - _LOST else f"the log likelihood of a step fell from {first:.3g} to {now:.3g}"


def penalty_exploded(records: Sequence[Record]) -> str | None:
    """Whether the critics' gradients are far from the norm 1."""
    penalty, slope = records[-1].penalty, records[-1].slope
    if penalty is None or penalty <= _PENALTY:
        return None
    return f"the gradient penalty is {penalty:.3g}" + (f", the mean slope {slope:.3g}" if slope is not None else "")


def gradient_vanished(records: Sequence[Record]) -> str | None:
    """Whether the generator hears nothing of its critics, where the penalty asks for slopes of 1 and not for less."""
    penalty, slope, pull = records[-1].penalty, records[-1].slope, records[-1].pull
    if penalty is None or slope is None or pull is None or pull >= _PULL:
        return None
    asked = penalty >= 0.99 * (1 - slope) ** 2  # a mean square is no less; that of slopes above 1 alone may be
    return f"the critics' gradient in a generated path is {pull:.2g}" if asked else None


def modes_collapsed(looks: Sequence[Record]) -> str | None:
    """Whether generated paths are like one another."""
    diversity = looks[-1].diversity
    if diversity is None or diversity >= _DIVERSITY:
        return None
    return f"generated paths are {diversity:.2g} times as far from one another as real ones"


def critic_overfitted(looks: Sequence[Record]) -> str | None:
    """Whether the estimate rose on training windows while it fell on validation windows."""
    before, now = looks[max(0, len(looks) - _STRETCH)], looks[-1]
    if len(looks) < _STRETCH or None in (before.validation, now.validation):
        return None
    assert before.training is not None
    assert now.training is not None
    assert before.validation is not None
    assert now.validation is not None
    assert now.distance is not None
    rose, fell = (now.training - before.training) / now.distance, (before.validation - now.validation) / now.distance
    if rose < _ROSE or fell < _FELL:
        return None
    return (
        f"from step {before.step} on the Wasserstein estimate rose from {before.training:.3g} to {now.training:.3g} on "
        f"training windows and fell from {before.validation:.3g} to {now.validation:.3g} on validation windows"
    )


_DETECTORS: tuple[tuple[str, Callable[[Sequence[Record]], str | None], bool, int], ...] = (
    (DIVERGENCE, estimate_left, False, 5),
    (DIVERGENCE, likelihood_lost, False, 5),
    (PENALTY, penalty_exploded, False, 5),
    (VANISHED, gradient_vanished, False, 20),  # a critic needs some steps to find its slope
    (COLLAPSE, modes_collapsed, True, 2),
    (OVERFITTED, critic_overfitted, True, 1),  # looks at a stretch by itself
)
"""Kind, detector, whether it is for looks only, and how many times on end something is wrong before it is a failure"""
