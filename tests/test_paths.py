"""Paths as a container: numpy's and Python's protocols, copies and other processes."""

from __future__ import annotations

import copy
import warnings
from operator import getitem

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed

from tsgan import TSGAN, ConfigError, Paths


@pytest.fixture(scope="module")
def paths() -> Paths:
    returns = 0.01 * np.random.default_rng(0).standard_normal((12, 5, 2))
    return Paths(returns, np.array([100.0, 50.0]), pd.bdate_range("2024-01-01", periods=5), ["A", "<B>"])


def same(a: Paths, b: Paths) -> bool:
    equal = np.array_equal(a.returns, b.returns) and np.array_equal(a.prices, b.prices) and a.dates.equals(b.dates)
    return equal and (a.columns, a.first) == (b.columns, b.first)


def test_an_array_of_paths_is_their_prices(paths: Paths) -> None:
    array = np.asarray(paths)
    assert array.shape == (12, 5, 2)
    assert np.array_equal(array, paths.prices)
    assert np.shares_memory(array, paths.prices)
    assert not np.shares_memory(np.array(paths), paths.prices)
    assert np.asarray(paths, dtype=np.float32).dtype == np.float32
    assert np.mean(paths, axis=0) == pytest.approx(paths.prices.mean(axis=0))


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="copy=False means this since NumPy 2")
def test_no_copy_is_made_where_none_may_be(paths: Paths) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.shares_memory(np.array(paths, copy=False), paths.prices)
        assert not np.shares_memory(np.array(paths, copy=True), paths.prices)
    with pytest.raises(ValueError, match="copy"):
        np.array(paths, dtype=np.float32, copy=False)


def test_a_position_is_a_frame_and_a_slice_is_paths(paths: Paths) -> None:
    for i, frame in enumerate(paths):
        pd.testing.assert_frame_equal(frame, frame)
        pd.testing.assert_frame_equal(paths[np.int64(i - len(paths))], frame)
    assert paths[0].index.equals(paths.dates)
    assert list(paths[0].columns) == paths.columns
    part = paths[3:7]
    assert isinstance(part, Paths)
    assert (len(part), part.first) == (4, 3)
    assert np.array_equal(part.prices, paths.prices[3:7])
    assert part[1:].to_frame()["path"].unique().tolist() == [4, 5, 6]
    assert paths[-2:].first == 10
    assert same(paths[:], paths)
    assert len(paths[20:]) == 0
    with pytest.raises(IndexError):
        paths[12]
    with pytest.raises(ConfigError, match="a step of 2 has none"):
        paths[::2]
    with pytest.raises(TypeError):
        paths["A"]  # type: ignore[call-overload]  # wrong on purpose


def test_a_frame_of_a_path_is_the_callers_own(paths: Paths) -> None:
    before = paths.prices.copy()
    frame = paths[2]
    frame.iloc[:] = 0.0
    assert np.array_equal(paths.prices, before)


def test_a_notebook_shows_start_and_ends_and_no_foreign_markup(paths: Paths) -> None:
    html = paths._repr_html_()
    assert "12 paths x 5 steps" in html
    assert "<B>" not in html
    assert html.count("&lt;B&gt;") == 2
    assert f"{np.median(paths.prices[:, -1, 0]):,.6g}" in html


def test_paths_and_models_are_copied_and_go_to_other_processes_and_back(model: TSGAN) -> None:
    drawn = model.sample(6, length=8, random_state=1)
    assert same(copy.deepcopy(drawn), drawn)
    assert same(copy.deepcopy(model).sample(6, length=8, random_state=1), drawn)
    given = model.sample(4, length=30, condition={"volatility": 0.3}, random_state=2)
    assert copy.deepcopy(given).conditioning == given.conditioning
    there = Parallel(n_jobs=2)(delayed(getitem)(drawn, slice(at, at + 3)) for at in (0, 3))
    assert all(same(found, drawn[at : at + 3]) for at, found in zip((0, 3), there, strict=True))
    again = Parallel(n_jobs=2)(delayed(TSGAN.sample)(model, 6, length=8, random_state=1) for _ in range(2))
    assert all(same(found, drawn) for found in again)
