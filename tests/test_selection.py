"""Selection without self-deception: which rows choose, which judge, and which state is the one that is chosen."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tsgan import Config
from tsgan.calendars import infer_calendar
from tsgan.diagnostics import to_columns
from tsgan.fitting import Fit, fit_laws
from tsgan.procedure import Choice, choose, fit_all, slices

CPU = torch.device("cpu")
RETURNS = np.random.default_rng(0).standard_t(5, (700, 1)) * 0.01
TRAIN_END, CHOOSE_END = slices(len(RETURNS))
TINY = dataclasses.replace(
    Config().with_training(steps=3, batch=8, past=32, future=32, critic_warm_up=5),
    warm_start=dataclasses.replace(Config().warm_start, steps=20),
)


def altered(rows: slice) -> Any:
    returns = RETURNS.copy()
    returns[rows] = -2 * returns[rows][::-1]
    return returns


def choice_of(returns: Any) -> Choice:
    dates = pd.bdate_range("2020-01-01", periods=len(returns))
    return choose(returns, dates, infer_calendar(dates), TINY, 0, CPU, lambda _: None)


@pytest.fixture(scope="module")
def choice() -> Choice:
    return choice_of(RETURNS)


def without_seconds(choice: Choice) -> dict[str, Any]:
    return {**to_columns(choice.records), "seconds": None}


def test_the_last_slice_chooses_nothing_and_is_what_judges(choice: Choice) -> None:
    other = choice_of(altered(slice(CHOOSE_END, None)))
    assert (other.steps, other.scores) == (choice.steps, choice.scores)
    assert without_seconds(other) == without_seconds(choice)
    assert other.verdict != choice.verdict


def test_the_validation_slice_chooses_and_trains_nothing(choice: Choice) -> None:
    other = choice_of(altered(slice(TRAIN_END, CHOOSE_END)))
    trained = {"validation", "distance"}  # which look at its windows
    mine, theirs = ({k: v for k, v in without_seconds(c).items() if k not in trained} for c in (choice, other))
    assert mine == theirs
    assert set(other.scores) == set(choice.scores) == {0, 1, 2, 3}
    assert all(other.scores[step] != choice.scores[step] for step in choice.scores)


def test_the_law_that_is_kept_has_seen_all_rows() -> None:
    once = Choice(2, {}, [], [])
    laws = [fit_all(returns, once, TINY, 0, CPU, lambda _: None)[0] for returns in (RETURNS, altered(slice(690, None)))]
    assert laws[0].scaling.deviation == pytest.approx(RETURNS.std(axis=0), rel=0.05)
    assert laws[0].scaling.deviation != laws[1].scaling.deviation
    assert len(laws[0].noise.scores) == len(RETURNS)
    assert not torch.equal(laws[0].generator.weights, laws[1].generator.weights)


def test_candidates_are_moving_averages_of_the_generator() -> None:
    def weights(average: float) -> list[torch.Tensor]:
        config = dataclasses.replace(TINY, training=dataclasses.replace(TINY.training, average=average))
        fit: Fit = fit_laws(RETURNS, config, [0, 1, 2, 3], 0, CPU, lambda _: None)
        return [fit.laws[step].generator.weights.detach() for step in range(4)]

    raw, averaged = weights(0.0), weights(0.75)
    assert torch.equal(raw[0], averaged[0])
    for step, (before, _) in enumerate(itertools.pairwise(averaged), 1):
        torch.testing.assert_close(averaged[step], 0.75 * before + 0.25 * raw[step])
    assert not torch.equal(raw[3], averaged[3])
