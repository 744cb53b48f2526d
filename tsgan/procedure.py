"""How a fit stays honest: one slice trains, a later one chooses, the last one judges, and all rows make the model.

The law is fitted to the first 70 % of the returns. Its path score on the next 15 % decides how many adversarial steps
are kept: the number with the best score, if that is clearly better than the warm start's, otherwise none. That law,
which has seen neither, is then judged on the last 15 %. The model that is kept is fitted to all rows, by what was
chosen.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
import torch

from tsgan.calendars import Calendar, iso
from tsgan.checkpoint import NOWHERE, Checkpoint
from tsgan.config import Config
from tsgan.covariates import FORETELL_NOTHING, Inputs
from tsgan.diagnostics import Record, from_columns, to_columns
from tsgan.errors import DataError, TrainingWarning, option
from tsgan.failures import Failure
from tsgan.fitting import Fit, fit_laws, require_usable
from tsgan.law import Law
from tsgan.progress import Listener, Progress
from tsgan.ranks import ALONE, Ranks
from tsgan.returns import Floats
from tsgan.season import Season
from tsgan.selection import path_scores

FEW_STEPS = 30
_TRAIN_SHARE, _CHOOSE_SHARE = 0.70, 0.15
_CANDIDATES = 3  # states compared besides the warm start, evenly spaced in steps
_CLEAR = 1.0  # standard errors by which adversarial steps must improve the score to be kept
_BLOCKS = 8
_CHOOSE, _SCORE, _KEEP = 0, 1, 2  # seeds of the stages are seed + these
_WARM_START_UNITS = 20  # what a warm start costs, in adversarial steps; for the progress only


class Choice(NamedTuple):
    """What the first half of a fit found out."""

    steps: int
    """Adversarial steps that are kept"""
    scores: dict[int, float]
    """Path score of each candidate there, lower is better"""
    verdict: list[str]
    """Sentences on the last slice"""
    records: list[Record]
    """Training of the candidates"""
    failure: Failure | None = None
    """Why it ended early"""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        failure = self.failure._asdict() if self.failure else None
        return {**self._asdict(), "records": to_columns(self.records), "failure": failure}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Invert :meth:`to_dict`."""
        return cls(
            values["steps"],
            {int(step): score for step, score in values["scores"].items()},
            values["verdict"],
            from_columns(values["records"]),
            Failure(**values["failure"]) if values["failure"] else None,
        )


def rows_needed(config: Config) -> int:
    """Fewest prices that a fit can be made from: the training slice must hold a window and some origins."""
    returns = (config.training.past + config.training.future + 64) / _TRAIN_SHARE
    return int(returns) + 2


def slices(rows: int) -> tuple[int, int]:
    """Ends of the training and the validation slice of so many returns."""
    return int(rows * _TRAIN_SHARE), int(rows * (_TRAIN_SHARE + _CHOOSE_SHARE))


def require_moving(prices: pd.DataFrame) -> None:
    """Refuse prices of which one stands still in all rows that train, with a DataError that names it."""
    end = slices(len(prices) - 1)[0]
    values = prices.to_numpy()[: end + 1]
    still = np.flatnonzero((values == values[0]).all(axis=0))
    if len(still):
        moves = prices.index[int(np.argmax(prices.iloc[:, still[0]].to_numpy() != values[0, still[0]])) - 1]
        raise DataError(
            f"column {str(prices.columns[still[0]])!r} does not move before {moves:%Y-%m-%d}, and nothing can be "
            f"learned from the first {_TRAIN_SHARE:.0%} of the rows; start later with "
            f"{option('start', iso(moves))}"
        )


def candidates(steps: int) -> list[int]:
    """Numbers of adversarial steps that are compared; 0 is the warm start.

    >>> candidates(150)
    [0, 50, 100, 150]
    """
    return sorted({steps * k // _CANDIDATES for k in range(_CANDIDATES + 1)})


def kept_steps(scores: dict[int, Floats]) -> int:
    """The number of steps with the lowest mean score, if it beats the warm start by a standard error; otherwise 0.

    Neighbouring origins look at the same days, so the error of the paired difference comes from the means of a few
    long blocks of them.
    """
    best = min(scores, key=lambda steps: float(scores[steps].mean()))
    difference = scores[best] - scores[0]
    count = min(_BLOCKS, len(difference))
    if count < 2:
        return 0
    blocks = np.array([block.mean() for block in np.array_split(difference, count)])
    return best if blocks.mean() < -_CLEAR * blocks.std(ddof=1) / count**0.5 else 0


def choose(
    returns: Floats,
    dates: pd.DatetimeIndex,
    calendar: Calendar,
    config: Config,
    seed: int,
    device: torch.device,
    progress: Listener,
    covariates: Inputs | None = None,
    ranks: Ranks = ALONE,
    checkpoint: Checkpoint = NOWHERE,
) -> Choice:
    """Fit on the first slice, choose on the second, judge on the third; or recall what came of it.

    Parameters
    ----------
    returns : (time, assets) log returns
    dates, calendar : (time,) their dates, and how these go on
    covariates : what is known before each of them
    checkpoint : where the result is kept, and on the way to it the state of the training
    """
    from tsgan.evaluation.verdict import one_step_verdict

    work = _work(config.training.steps)
    if checkpoint.choice:
        choice = Choice.from_dict(checkpoint.choice)
        total = work + _work(choice.steps)
        for record in choice.records:
            progress(Progress("going on", work + _resumed_work(checkpoint), total, record, "choosing"))
        return choice
    train_end, choose_end = slices(len(returns))
    season = Season.of(returns[:train_end], dates[:train_end], calendar)
    usual = season.without(returns, dates)
    tracker = _Tracker(progress, "choosing the steps", "choosing", 0, 2 * work, _resumed_work(checkpoint))
    fit = fit_laws(
        usual[:choose_end],
        config,
        candidates(config.training.steps),
        seed + _CHOOSE,
        device,
        tracker,
        covariates.until(choose_end) if covariates else None,
        ranks,
        later=choose_end - train_end,
        checkpoint=checkpoint,
    )
    scores = {steps: path_scores(law, usual[:choose_end], train_end, seed + _SCORE) for steps, law in fit.laws.items()}
    steps = kept_steps(scores)
    if 0 < config.training.steps < FEW_STEPS:  # who asks for none knows what comes of it
        message = f"{config.training.steps} adversarial steps are few: the model is little more than its warm start"
        warnings.warn(
            f"{message}; {option('steps', FEW_STEPS)} or more let the critic speak", TrainingWarning, stacklevel=3
        )
    _warn_of(fit, 4)
    tracker.say("judging on later days", work)
    try:
        verdict = one_step_verdict(fit.laws[steps], season, returns, choose_end, dates)
    except DataError as error:  # a forecast that cannot be scored is no reason to lose the fit
        verdict = [f"The last days could not be judged: {error}."]
    if config.training.steps:
        kept = f"{steps:,}" if steps else "none (the warm start is kept)"
        verdict.append(f"Adversarial steps that the validation slice asked for, of {config.training.steps:,}: {kept}.")
    if covariates:
        verdict.append(_worth_of_covariates(fit.laws[steps], usual, covariates, choose_end))
    if fit.stopped:
        verdict.append(f"While the steps were chosen, {fit.stopped.sentence}.")
    choice = Choice(steps, {k: float(s.mean()) for k, s in scores.items()}, verdict, fit.records, fit.stopped)
    checkpoint.keep_choice(choice.to_dict())
    return choice


def fit_all(
    returns: Floats,
    choice: Choice,
    config: Config,
    seed: int,
    device: torch.device,
    progress: Listener,
    covariates: Inputs | None = None,
    ranks: Ranks = ALONE,
    checkpoint: Checkpoint = NOWHERE,
) -> tuple[Law, list[Record], Failure | None]:
    """Fit to all rows with the chosen number of steps; after a failure the law is the warm start's.

    Returns are those of usual times, without the season of their bars.

    Raises
    ------
    TrainingError
        If not even the warm start gave a usable law.
    """
    before = _work(config.training.steps)
    total = before + _work(choice.steps)
    tracker = _Tracker(progress, "training on all rows", "all rows", before, total, _resumed_work(checkpoint))
    told = [choice.steps], seed + _KEEP, device, tracker, covariates, ranks
    fit = fit_laws(returns, config, *told, checkpoint=checkpoint)
    _warn_of(fit, 4)
    law = fit.laws[max(fit.laws)]
    require_usable(law.generator)
    return law, fit.records, fit.stopped


def _warn_of(fit: Fit, stacklevel: int) -> None:
    if fit.stopped:
        used = f"{max(fit.laws)} steps at most" if max(fit.laws) else "its warm start"
        message = f"{fit.stopped.sentence}; the model goes back to {used}; {fit.stopped.advice}"
        warnings.warn(message, TrainingWarning, stacklevel=stacklevel)


def _worth_of_covariates(law: Law, returns: Floats, covariates: Inputs, first: int) -> str:
    """Sentence on what the covariates add to the log score of the steps from ``first`` on."""
    with torch.no_grad():
        x, states = law.standardise(returns)[first:], law.states(returns, given=covariates.values)[first:-1]
        given = torch.as_tensor(covariates.values[first:], dtype=x.dtype, device=x.device)
        gain = law.generator.log_density(x, states, given=given) - law.generator.log_density(x, states)
    mean, blocks = gain.mean(), torch.stack([part.mean() for part in gain.mean(1).tensor_split(_BLOCKS)])
    error = float(blocks.std() / _BLOCKS**0.5)
    worth = "" if mean > error else f": {FORETELL_NOTHING}"
    return (
        f"The covariates {'raise' if mean > 0 else 'lower'} the mean log score of the last {len(x):,} days by "
        f"{abs(float(mean)):.4f} (standard error {error:.4f}){worth}."
    )


def _work(steps: int) -> int:
    return steps + _WARM_START_UNITS


def _resumed_work(checkpoint: Checkpoint) -> int:
    """Work of the half under way that an interrupted run has done."""
    return _work(checkpoint.steps) if checkpoint.steps else 0


class _Tracker:
    """Turns the steps of one stage into the progress of the whole fit; what an interrupted run has done stays done."""

    def __init__(self, progress: Listener, stage: str, half: str, before: int, total: int, resumed: int) -> None:
        self.progress, self.stage, self.half, self.before, self.total = progress, stage, half, before, total
        self.resumed = before + resumed
        self.say("warm start", before)

    def say(self, stage: str, done: int, record: Record | None = None) -> None:
        """Report work done, with the record of the step if there is one."""
        self.progress(Progress(stage, max(done, self.resumed), self.total, record, self.half))

    def __call__(self, record: Record | None) -> None:
        self.say(self.stage, self.before + _work(record.step if record else 0), record)
