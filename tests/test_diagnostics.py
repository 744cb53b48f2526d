"""What is recorded of a training: true to its definitions, on the slices it names, and without any effect."""

import dataclasses
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tsgan import TSGAN, Config, DataError
from tsgan.covariates import Inputs
from tsgan.diagnostics import CopyCheck, Looks, Record, from_columns, stylized_facts, to_columns, windows_at
from tsgan.evaluation.copies import copy_guard
from tsgan.evaluation.curves import PANELS, training_figure
from tsgan.fitting import Fit, fit_laws
from tsgan.history import History
from tsgan.logs import json_lines, tensorboard
from tsgan.progress import Progress
from tsgan.training import length

CPU = torch.device("cpu")
RETURNS = np.random.default_rng(0).standard_t(5, (700, 2)) * 0.01
INPUTS = Inputs(np.random.default_rng(1).standard_normal((700, 3)), (2, 1))
TINY = dataclasses.replace(
    Config().with_training(steps=12, batch=8, past=32, future=32, critic_warm_up=5),
    warm_start=dataclasses.replace(Config().warm_start, steps=20),
)


def fit(returns: Any = RETURNS, later: int = 100, covariates: Inputs | None = None, critic: str = "conv") -> Fit:
    config = TINY.with_training(critic=critic)
    return fit_laws(returns, config, [0, 4, 12], 0, CPU, lambda _: None, covariates, later=later)


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit()


def weights(fit: Fit) -> torch.Tensor:
    return torch.cat([value.flatten() for law in fit.laws.values() for value in law.generator.state_dict().values()])


def column(fit: Fit, name: str) -> list[float]:
    return [value for record in fit.records if (value := getattr(record, name)) is not None]


def test_rows_that_are_only_looked_at_change_nothing_but_the_validation_estimate(fitted: Fit) -> None:
    without, altered = fit(RETURNS[:600], later=0), RETURNS.copy()
    altered[600:] *= -3
    other = fit(altered)
    assert torch.equal(weights(fitted), weights(without))
    assert torch.equal(weights(fitted), weights(other))
    assert column(fitted, "training") == pytest.approx(column(other, "training"), abs=1e-5)
    assert not set(column(fitted, "validation")) & set(column(other, "validation"))
    assert not column(without, "validation")
    assert column(without, "wasserstein") == column(fitted, "wasserstein")


def test_a_look_is_taken_at_both_ends_every_ten_steps_and_where_a_state_is_kept(fitted: Fit) -> None:
    assert [record.step for record in fitted.records if record.training is not None] == [1, 4, 10, 12]
    assert [record.step for record in fitted.records] == list(range(1, 13))


@pytest.mark.parametrize(("covariates", "critic"), [(None, "conv"), (INPUTS, "both")])
def test_every_value_is_there_finite_and_in_its_range(covariates: Inputs | None, critic: str) -> None:
    looked = fit(covariates=covariates, critic=critic).records[-1]
    values: dict[str, Any] = looked._asdict()
    assert None not in values.values()
    assert all(np.isfinite(value) for value in values.values())
    for name in ("penalty", "slope", "critic_gradient", "generator_gradient", "pull", "facts"):
        assert values[name] > 0, name
    assert 15 < values["distance"] < 25  # two independent windows of 64 steps and 2 assets: the root of 2 64 2, 16
    assert 0.8 < values["diversity"] < 1.1
    assert 0 <= values["copies"] < 0.1
    assert 0.7 < values["volatility"] < 1.4
    assert 0 < values["persistence"] < 1


def test_the_norm_of_a_gradient_is_over_all_parameters() -> None:
    weight = torch.nn.Parameter(torch.tensor([3.0, 0.0]))
    other = torch.nn.Parameter(torch.tensor(2.0))
    (weight.square().sum() + 4 * other).backward()
    assert length([weight, other]).item() == pytest.approx(np.sqrt(36 + 16))


def test_windows_are_spread_over_their_range() -> None:
    x = torch.arange(200.0)[:, None]
    states = torch.arange(201.0)[:, None, None, None]
    batch = windows_at(x, states, x[:, :0], (100, 168), 32, 32)
    assert batch is not None
    assert batch.future[0, 0, 0] == batch.state[0, 0, 0, 0] == 100
    assert batch.future[-1, -1, 0] == 199
    assert batch.past[0, -1, 0] == 99
    few = windows_at(x, states, x[:, :0], (166, 168), 32, 32)
    assert few is not None
    assert len(few.past) == 3
    assert windows_at(x, states, x[:, :0], (169, 168), 32, 32) is None


def test_too_short_a_validation_slice_has_no_estimate() -> None:
    assert not column(fit(RETURNS[:400], later=31), "validation")


def test_copies_are_found_as_the_copy_guard_finds_them() -> None:
    rng = np.random.default_rng(2)
    x = torch.as_tensor(RETURNS / RETURNS.std(axis=0), dtype=torch.float32)
    check = CopyCheck(x)
    starts = rng.integers(640, size=64)
    replayed = np.stack([RETURNS[s : s + 60] for s in starts]) * 2.0  # also if rescaled
    new = rng.standard_t(5, (64, 60, 2)) * 0.01
    for paths in (replayed, new):
        share = float(check(torch.as_tensor(paths / RETURNS.std(axis=0), dtype=torch.float32)))
        assert share == pytest.approx(copy_guard(RETURNS, paths).share, abs=0.05)
    assert float(check(torch.as_tensor(replayed, dtype=torch.float32))) > 0.9


def test_facts_are_those_of_the_textbook() -> None:
    x = torch.as_tensor(np.random.default_rng(3).standard_t(4, (5, 400, 2)))
    facts = stylized_facts(x).numpy()
    r = x.numpy()[2, :, 1]
    r = r - r.mean()
    assert facts.shape == (5, 5, 2)
    wild = np.abs(r) - np.abs(r).mean()
    acf = [(wild[k:] * wild[:-k]).sum() / (wild**2).sum() for k in range(1, 11)]
    leverage = [(r[:-k] * wild[k:]).sum() / len(r) / (r.std() * wild.std()) for k in range(1, 6)]
    expected = [
        np.log(r.var()),
        np.log(r.std() / np.abs(r).mean()),
        (r * np.abs(r)).mean() / r.var(),
        np.mean(acf),
        np.mean(leverage),
    ]
    np.testing.assert_allclose(facts[2, :, 1], expected, atol=1e-9)
    assert np.isfinite(stylized_facts(torch.zeros(2, 40, 1)).numpy()).all()  # equal prices


def test_paths_that_repeat_one_another_are_less_diverse(fitted: Fit) -> None:
    law = fitted.laws[0]
    x = law.standardise(RETURNS[:600])
    batch = windows_at(x, law.states(RETURNS[:600]), x[:, :0], (32, 568), 32, 32)
    assert batch is not None

    def diversity(modes: int) -> float:
        looks = Looks(x, batch, None, law.noise, torch.Generator().manual_seed(0))
        alike = torch.arange(64) % modes
        looks.origins = looks.origins._replace(state=looks.origins.state[alike])
        looks.shocks = law.noise.shocks(type(drawn)(*(field[alike] for field in drawn)))
        return float(looks(law.generator, lambda real, fake: real.mean() - fake.mean(), batch.state)["diversity"])

    drawn = law.noise.draw(64, 32, torch.Generator().manual_seed(0))
    assert diversity(64) == pytest.approx(1, abs=0.1)
    assert diversity(60) < diversity(64)
    assert diversity(8) < 1e-2


def test_records_come_back_from_their_columns(fitted: Fit) -> None:
    stored = json.loads(json.dumps(to_columns(fitted.records)))
    again = from_columns(stored)
    assert to_columns(again) == stored
    for old, new in zip(fitted.records, again, strict=True):
        for a, b in zip(old, new, strict=True):
            assert (a is None and b is None) or a == pytest.approx(b, rel=1e-5)
    assert len(json.dumps(stored)) < 200 * len(again)


def test_older_files_have_fewer_values() -> None:
    history = History.from_dict({"choosing": [[1, 0.1, 0.2, -1.4, 0.5]], "final": []})
    assert history.choosing == [Record(1, 0.1, 0.2, -1.4, 0.5)]
    assert history.failed_choosing is None
    assert History.from_dict(json.loads(json.dumps(history.to_dict()))) == history
    assert repr(history).startswith("History(choosing: 1 steps in 0 s, ")
    assert history.describe()["final"] == "no steps"


# what listens ---------------------------------------------------------------------------------------------------------


def test_every_record_is_a_line_as_soon_as_it_is_there(prices: pd.DataFrame, tmp_path: Path) -> None:
    lengths, path = [], tmp_path / "log.jsonl"
    with json_lines(path) as log:

        def listen(progress: Any) -> None:
            log(progress)
            lengths.append(path.read_text().count("\n"))

        model = TSGAN(config=TINY, random_state=0, device="cpu").fit(prices, progress=listen)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    choosing = [line for line in lines if line.pop("half") == "choosing"]
    assert max(lengths) == len(lines)
    assert len(set(lengths)) > 1
    assert choosing == [
        {name: value for name, value in record._asdict().items() if value is not None}
        for record in model.training_.choosing
    ]
    assert len(lines) - len(choosing) == len(model.training_.final)


def test_tensorboard_gets_the_same_scalars(prices: pd.DataFrame, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with tensorboard(tmp_path) as listen:
        model = TSGAN(config=TINY, random_state=0, device="cpu").fit(prices, progress=listen)
    events = EventAccumulator(str(tmp_path)).Reload()
    written = {event.step: event.value for event in events.Scalars("choosing/wasserstein")}
    assert written == pytest.approx({record.step: record.wasserstein for record in model.training_.choosing}, rel=1e-5)


def test_a_resumed_fit_takes_the_place_of_what_tensorboard_has(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for again, steps in ((False, 5), (True, 3)):
        with tensorboard(tmp_path, again=again) as listen:
            for step in range(1, steps + 1):
                listen(Progress("training", step, 9, Record(step, 0.1 * step, 0.2, -1.4, 1.0), "choosing"))
        time.sleep(1.1)  # files are ordered by the second of their names
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Scalars("choosing/wasserstein")] == [1, 2, 3]


# pictures -------------------------------------------------------------------------------------------------------------


def test_curves_hold_the_records_and_mark_the_chosen_step(model: TSGAN) -> None:
    records = [Record(step, 0.1 * step, 0.2, -1.4, 1.0 * step, training=0.5 * step) for step in range(1, 5)]

    scores = {"0": 1.0, "2": 0.9, "4": 0.95}
    fitted: Any = SimpleNamespace(training_=History(records, records[:2]), fit_={"steps": 2, "scores": scores})
    figure = training_figure(fitted)
    assert len(figure.axes) == len(PANELS) == 9
    for axes, mark in zip(figure.axes, "abcdefghi", strict=True):
        assert axes.get_title(loc="left").startswith(f"({mark})")
        assert axes.get_xlabel() == "step"
        assert axes.get_ylabel()
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert np.asarray(lines["training windows"].get_ydata()).tolist() == [0.5, 1.0, 1.5, 2.0]
    assert list(np.asarray(lines["chosen: 2"].get_xdata())) == [2, 2]
    assert "validation windows" not in lines
    training_figure(model)


def test_a_model_without_steps_has_no_curves() -> None:
    fitted: Any = SimpleNamespace(training_=History([], []), fit_={"steps": 0, "scores": {"0": 1.0}})
    with pytest.raises(DataError, match="no record of an adversarial step"):
        training_figure(fitted)
