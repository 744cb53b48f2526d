"""Batches of paths: the same bits whatever n, threads and cuts; a free run is the recursion, step by step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tsgan import TSGAN, ConfigError
from tsgan.batches import STREAM, batches, in_order, stream_of
from tsgan.joint import Noise
from tsgan.law import Law
from tsgan.paths import Paths


@pytest.fixture
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize("shape", [(252, 1), (1, 1), (10_000, 1), (252, 20), (1_000_000, 1), (252, 500)])
def test_batches_follow_each_other_and_do_not_depend_on_n(shape: tuple[int, int]) -> None:
    many, each = list(batches(100_000, *shape)), stream_of(*shape)
    assert [stream for part in many for stream in part] == list(range(many[-1].stop))
    assert many[-1].start * each < 100_000 <= many[-1].stop * each
    assert len(many[0]) == 1
    for n in (1, 512, 513, 5_000):
        few = list(batches(n, *shape))
        assert few == many[: len(few)]


def test_a_stream_of_long_paths_holds_few_of_them() -> None:
    assert stream_of(252, 1) == stream_of(16_384, 1) == stream_of(252, 50) == STREAM
    for length, assets in ((20_000, 1), (1_000_000, 1), (1_000_000, 3), (5_000, 50)):
        assert stream_of(length, assets) * length * assets <= 2**23
    assert stream_of(10**8, 1) == 1


def test_a_path_of_a_short_stream_is_the_same_however_many_are_drawn(
    model: TSGAN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsgan.batches._STREAM_LARGEST", 2_000)  # 20 paths of 100 steps
    whole = model.sample(95, 100, random_state=4)
    np.testing.assert_array_equal(model.sample(21, 100, random_state=4).returns, whole.returns[:21])
    parts = list(model.iter_sample(95, 100, random_state=4, first=33))
    np.testing.assert_array_equal(np.concatenate([part.returns for part in parts]), whole.returns[33:])
    assert len({path.tobytes() for path in whole.returns}) == 95


def test_results_come_in_order_and_a_few_ahead_only(two_threads: None) -> None:
    begun: list[int] = []
    second = threading.Event()

    def work(part: range) -> int:
        begun.append(part.start)
        if part.start == 0:
            assert second.wait(10)  # the second part is worked on meanwhile
        second.set()
        assert torch.get_num_threads() == 1
        return part.start

    results = in_order(work, (range(k, k + 1) for k in range(50)), 2)
    assert next(results) == 0
    assert max(begun) <= 3
    assert list(results) == list(range(1, 50))
    assert torch.get_num_threads() == 2


def test_an_error_of_a_part_is_raised(two_threads: None) -> None:
    def work(part: range) -> int:
        return 1 // (3 - part.start)

    results = in_order(work, (range(k, k + 1) for k in range(50)), 2)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("name", ["model", "panel_model"])
def test_one_or_two_threads_give_the_same_bits(name: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    one = model.sample(5_000, length=30, random_state=3).returns
    torch.set_num_threads(2)
    try:
        two = model.sample(5_000, length=30, random_state=3).returns
    finally:
        torch.set_num_threads(1)
    assert np.array_equal(one, two)


@pytest.mark.parametrize("n", [1, 511, 513, 2_047, 4_097])
def test_path_i_does_not_depend_on_n_across_batches(model: TSGAN, n: int) -> None:
    whole = model.sample(6_000, length=20, random_state=4).returns
    assert np.array_equal(model.sample(n, length=20, random_state=4).returns, whole[:n])


OPTIONS: list[dict[str, Any]] = [
    {},
    {"start": "last"},
    {"condition": {"trend": 0.1}},
    {"condition": {"regime": "stressed"}},
    {"condition": {"volatility": 0.3}},
    {"condition": {"return": (None, -0.1)}},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_parts_together_are_the_sample(model: TSGAN, options: dict[str, Any]) -> None:
    whole = model.sample(2_500, length=20, random_state=5, **options)
    parts = list(model.iter_sample(2_500, length=20, random_state=5, **options))
    assert len(parts) > 1
    assert [part.first for part in parts] == list(np.cumsum([0, *map(len, parts)])[:-1])
    assert np.array_equal(np.concatenate([part.returns for part in parts]), whole.returns)
    assert parts[-1].conditioning == whole.conditioning
    table = pd.concat([part.to_frame() for part in parts], ignore_index=True)
    pd.testing.assert_frame_equal(table, whole.to_frame())
    for first in (1, 700, 2_499):
        rest = list(model.iter_sample(2_500, length=20, random_state=5, first=first, **options))
        assert rest[0].first == first
        assert np.array_equal(np.concatenate([part.returns for part in rest]), whole.returns[first:])


def test_rare_paths_come_in_populations(model: TSGAN) -> None:
    options: dict[str, Any] = {"length": 20, "random_state": 5, "condition": {"return": (None, -0.25)}}
    whole = model.sample(1_500, **options)
    parts = list(model.iter_sample(1_500, **options))
    assert [len(part) for part in parts] == [1_024, 476]
    assert np.array_equal(np.concatenate([part.returns for part in parts]), whole.returns)
    assert whole.conditioning is not None
    assert whole.conditioning.method == "splitting"
    assert parts[-1].conditioning == whole.conditioning


def test_paths_from_a_history_and_with_returns_of_their_own(model: TSGAN, prices: pd.DataFrame) -> None:
    recent = prices.tail(200)
    whole = model.sample(1_200, length=5, history=recent, random_state=1)
    parts = list(model.iter_sample(1_200, length=5, history=recent, random_state=1))
    assert np.array_equal(np.concatenate([part.returns for part in parts]), whole.returns)
    condition = {"return": np.linspace(-0.02, 0.02, 30)}
    (part,) = model.iter_sample(30, length=20, random_state=1, condition=condition)
    assert np.array_equal(part.returns, model.sample(30, length=20, random_state=1, condition=condition).returns)


def test_iter_sample_refuses_before_the_first_part(model: TSGAN) -> None:
    with pytest.raises(ConfigError, match="length must be a whole number"):
        model.iter_sample(10, length=0)
    with pytest.raises(ConfigError, match="first must be a whole number"):
        model.iter_sample(10, first=-1)


def test_nothing_is_kept_of_parts_that_are_gone(model: TSGAN) -> None:
    """n x length would be 2 TB."""
    parts = model.iter_sample(1_000_000_000, length=252, random_state=0)
    assert isinstance(next(parts), Paths)
    assert next(parts).first == STREAM


@pytest.mark.parametrize("name", ["model", "panel_model"])
def test_a_free_run_is_the_recursion_step_by_step(name: str, request: pytest.FixtureRequest) -> None:
    """The memory that steps share without gradients changes nothing: each step is the one-step law's own."""
    law: Law = request.getfixturevalue(name).law_
    states = request.getfixturevalue(name).states_[100:164]
    noise = law.noise.draw(64, 40, torch.Generator().manual_seed(0))
    untouched = states.clone()
    with torch.no_grad():
        run, last = law.generator(states, law.noise.shocks(noise))
    assert torch.equal(states, untouched)
    with torch.enable_grad():
        with_gradients, also_last = law.generator(states, law.noise.shocks(noise))
    assert with_gradients.requires_grad
    torch.testing.assert_close(run, with_gradients, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(last, also_last, rtol=1e-4, atol=1e-5)
    state = states
    for t in range(40):
        step = Noise(noise.fresh[:, t : t + 1], noise.days[:, t : t + 1])
        with torch.no_grad():
            mean, scale, innovation = law.generator.prepare()(state)
            (shock,) = law.noise.shocks(step)
            expected = mean + scale * innovation.from_normal(shock(scale))
            x, state = law.generator(state, law.noise.shocks(step))
        torch.testing.assert_close(x[:, 0], expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(x[:, 0], run[:, t], rtol=1e-3, atol=1e-4)


def test_a_step_that_is_taken_again_leaves_what_it_found_before(panel_model: TSGAN) -> None:
    law, states = panel_model.law_, panel_model.states_
    with torch.no_grad():
        step = law.generator.prepare()
        mean, scale, innovation = step(states[:50])
        before = [field.clone() for field in (mean, scale, *innovation)]
        step(states[50:100])
    assert all(torch.equal(a, b) for a, b in zip(before, (mean, scale, *innovation), strict=True))
