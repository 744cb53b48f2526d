"""Steps that are recorded and repeated: the law of the model at hand, to the bit, as operation by operation."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tsgan import TSGAN, generator, replay


@pytest.fixture(autouse=True)
def nothing_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "_RECORDED", {})


def scaled(by: float) -> Callable[[Tensor], Tensor]:
    """Work that knows a tensor otherwise, beside the one it takes."""
    factor = torch.tensor(by)
    work: Callable[..., Tensor] = lambda x, *_: x * factor  # noqa: E731  # a closure, as the steps are
    x = torch.ones(3)
    call = replay.recorded("scaled", work, (x, factor))
    return lambda x: call(x, factor)


def test_a_recording_takes_the_tensors_of_who_repeats_it() -> None:
    two, three = scaled(2.0), scaled(3.0)
    assert len(replay._RECORDED) == 1
    assert two(torch.ones(3)).tolist() == [2.0] * 3
    assert three(torch.ones(3)).tolist() == [3.0] * 3


def test_other_shapes_types_and_kinds_are_recorded_anew() -> None:
    def double(x: Tensor) -> Tensor:
        return 2 * x

    for kind, x in (("a", torch.ones(3)), ("a", torch.ones(4)), ("a", torch.ones(3).double()), ("b", torch.ones(3))):
        assert torch.equal(replay.recorded(kind, double, (x,))(x), 2 * x)
    assert len(replay._RECORDED) == 4


@pytest.mark.parametrize("missing", ["switched off", "not supported", "too many"])
def test_work_goes_on_without_recordings(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing == "switched off":
        monkeypatch.setattr(torch.jit, "trace", lambda work, *_, **__: work)  # as PYTORCH_JIT=0 does
    elif missing == "not supported":
        monkeypatch.setattr(sys, "version_info", (3, 14))
    else:
        monkeypatch.setattr(replay, "_MOST", 0)
    two, three = scaled(2.0), scaled(3.0)
    assert not replay._RECORDED
    assert two(torch.ones(3)).tolist() == [2.0] * 3
    assert three(torch.ones(3)).tolist() == [3.0] * 3


@pytest.mark.parametrize("name", ["model", "panel_model"])
@pytest.mark.parametrize("options", [{}, {"start": "last"}, {"condition": {"volatility": 0.3}}], ids=str)
def test_paths_are_the_same_bits_with_and_without(
    name: str, options: dict[str, Any], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: TSGAN = request.getfixturevalue(name)
    recorded = model.sample(1_500, length=40, random_state=3, **options).returns
    assert replay._RECORDED
    monkeypatch.setattr(generator, "_MANY_STEPS", 10**9)
    assert np.array_equal(recorded, model.sample(1_500, length=40, random_state=3, **options).returns)


def test_models_of_the_same_shapes_keep_their_own_laws(model: TSGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    states = model.states_[100:164]
    other = generator.Generator(1, model.law_.generator.config)
    other.fix_neutral(model.states_[:500])
    noise = model.law_.noise.draw(64, 40, torch.Generator().manual_seed(0))
    runs = []
    for steps in (generator._MANY_STEPS, 10**9):
        monkeypatch.setattr(generator, "_MANY_STEPS", steps)
        for net in (model.law_.generator, other):
            with torch.no_grad():
                runs.append(net(states, model.law_.noise.shocks(noise))[0])
    assert len(replay._RECORDED) == 1
    assert torch.equal(runs[0], runs[2])
    assert torch.equal(runs[1], runs[3])
    assert not torch.allclose(runs[0], runs[1], rtol=0.01)


def test_a_recording_keeps_nothing_of_the_run_it_was_made_in(model: TSGAN) -> None:
    law = model.law_
    shocks = law.noise.shocks(law.noise.draw(64, 40, torch.Generator().manual_seed(0)))
    noise = weakref.ref(shocks[2].args[0])
    with torch.no_grad():
        law.generator(model.states_[:64], shocks)
    del shocks
    gc.collect()
    assert replay._RECORDED
    assert noise() is None
