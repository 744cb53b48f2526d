"""Many fits at once: the same bit by bit wherever they run, and one that fails takes none of the others with it."""

from __future__ import annotations

import os
import pickle
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from joblib import parallel_config

from tsgan import TSGAN, Config, ConfigError, DataError, TrainingError, TrainingWarning, fit_each
from tsgan.config import WarmStartConfig
from tsgan.evaluation import rolling_forecasts
from tsgan.jobs import results

QUICK = Config(warm_start=WarmStartConfig(steps=20)).with_training(steps=1)


@pytest.fixture(scope="module")
def model() -> TSGAN:
    return TSGAN(config=QUICK, random_state=5, device="cpu")


@pytest.fixture(scope="module")
def one_by_one(model: TSGAN, panel: pd.DataFrame) -> dict[str, TSGAN]:
    return fit_each(panel, model, n_jobs=1)


def law(model: TSGAN) -> dict[str, torch.Tensor]:
    return {**model.law_.generator.state_dict(), **model.law_.noise.state_dict()}


def same(first: TSGAN, second: TSGAN) -> bool:
    one, other = law(first), law(second)
    paths, again = (m.sample(3, length=5, random_state=2).prices for m in (first, second))
    return one.keys() == other.keys() and all(map(torch.equal, one.values(), other.values())) and (paths == again).all()


@contextmanager
def loky() -> Iterator[None]:
    with parallel_config(backend="loky", n_jobs=2):
        yield


@contextmanager
def threads() -> Iterator[None]:
    with parallel_config(backend="threading", n_jobs=3):
        yield


@contextmanager
def dask() -> Iterator[None]:
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None)
    with cluster, distributed.Client(cluster), parallel_config(backend="dask"):
        yield


@contextmanager
def ray() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=DeprecationWarning)
        warnings.simplefilter("ignore", category=FutureWarning)
        engine = pytest.importorskip("ray")
        joblib = pytest.importorskip("ray.util.joblib")
        engine.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        joblib.register_ray()
        try:
            with parallel_config(backend="ray", n_jobs=2):
                yield
        finally:
            engine.shutdown()


BACKENDS = [threads, loky, pytest.param(dask, marks=pytest.mark.slow), pytest.param(ray, marks=pytest.mark.slow)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_fits_are_the_same_on_any_backend(
    backend: Callable[[], Iterator[None]], model: TSGAN, panel: pd.DataFrame, one_by_one: dict[str, TSGAN]
) -> None:
    refitted: Any = panel[["STOCK"]].iloc[:520], panel.index[470], 3, (0.05,), None, "auto", 500, 25, 460
    with backend():  # type: ignore[attr-defined]
        fitted = fit_each(panel, model)
        forecasts = rolling_forecasts(model, *refitted)
        paths = one_by_one["STOCK"].sample(3_000, length=5, random_state=1)
    assert np.array_equal(paths.returns, one_by_one["STOCK"].sample(3_000, length=5, random_state=1).returns)
    assert list(fitted) == list(panel.columns)
    assert all(same(fitted[name], one_by_one[name]) for name in one_by_one)
    assert all(fitted[name].verdict_ == one_by_one[name].verdict_ for name in one_by_one)
    pd.testing.assert_frame_equal(forecasts, rolling_forecasts(model, *refitted), check_exact=True)


def test_each_is_the_model_of_its_ticker_alone(model: TSGAN, panel: pd.DataFrame, one_by_one: dict[str, TSGAN]) -> None:
    alone = TSGAN(config=QUICK, random_state=5, device="cpu").fit(panel["STOCK"])
    assert same(one_by_one["STOCK"], alone)
    assert same(fit_each(panel[["COIN", "STOCK"]], model)["STOCK"], alone)
    assert not hasattr(model, "law_")


def test_a_series_is_one_ticker_and_nothing_is_none(
    model: TSGAN, panel: pd.DataFrame, one_by_one: dict[str, TSGAN]
) -> None:
    assert same(fit_each(panel["STOCK"], model)["STOCK"], one_by_one["STOCK"])
    with pytest.raises(DataError, match="no prices"):
        fit_each({}, model)


def test_a_model_can_be_pickled(one_by_one: dict[str, TSGAN], panel_model: TSGAN) -> None:
    for fitted in (one_by_one["COIN"], panel_model):
        assert same(pickle.loads(pickle.dumps(fitted)), fitted)


def test_a_ticker_begins_with_its_first_price_and_ends_with_its_last(
    model: TSGAN, panel: pd.DataFrame, one_by_one: dict[str, TSGAN]
) -> None:
    listed = panel.copy()
    listed.iloc[:150, 0] = np.nan
    listed.iloc[-30:, 2] = np.nan
    fitted = fit_each(listed, model)
    assert (fitted["BOND"].dates_[0], fitted["COIN"].dates_[-1]) == (panel.index[150], panel.index[-31])
    assert same(fitted["STOCK"], one_by_one["STOCK"])


def test_what_fails_is_named_and_takes_none_with_it(
    model: TSGAN, panel: pd.DataFrame, one_by_one: dict[str, TSGAN]
) -> None:
    broken, told = panel[["STOCK", "BOND"]].copy(), list[tuple[str, float]]()
    broken.iloc[300:305, 1] = np.nan
    left_out = r"^BOND could not be fitted and is left out: column 'BOND' misses 5 prices"
    with pytest.warns(TrainingWarning, match=left_out), parallel_config(backend="loky", n_jobs=2):
        fitted = fit_each(broken, model, progress=lambda *said: told.append(said))
    assert list(fitted) == ["STOCK"]
    assert same(fitted["STOCK"], one_by_one["STOCK"])
    assert told == [("1 of 2 tickers", 0.5), ("2 of 2 tickers", 1.0)]
    with pytest.raises(DataError, match="'BOND'"):
        fit_each(broken[["BOND"]], model)


def test_warnings_come_back_from_other_processes_with_the_name_of_the_ticker(model: TSGAN, panel: pd.DataFrame) -> None:
    unsorted = panel[["STOCK"]].iloc[::-1]
    with pytest.warns(UserWarning, match="^STOCK: .*sorted"):
        fit_each(unsorted, model, n_jobs=2)


def test_covariates_go_with_every_ticker(panel: pd.DataFrame) -> None:
    model = TSGAN(config=QUICK, condition_on=["COIN"], random_state=5, device="cpu")
    fitted = fit_each(panel, model)
    assert list(fitted) == ["BOND", "STOCK"]
    assert all(each.covariates_.names == ["COIN"] for each in fitted.values())
    beside = TSGAN(config=QUICK, random_state=5, device="cpu")
    assert same(fit_each(panel[["BOND"]], beside, covariates=panel[["COIN"]])["BOND"], fitted["BOND"])


def test_histories_may_have_dates_of_their_own(model: TSGAN, panel: pd.DataFrame, one_by_one: dict[str, TSGAN]) -> None:
    fitted = fit_each({"a": panel["STOCK"], "b": panel["BOND"].iloc[100:]}, model)
    assert same(fitted["a"], one_by_one["STOCK"])
    assert fitted["b"].dates_[0] == panel.index[100]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda p: p[["BOND", "BOND"]], DataError, "the frame has two columns 'BOND'; expected one column a ticker"),
        (lambda p: p[[]], DataError, "the frame has no column of prices; expected one column a ticker"),
    ],
)
def test_frames_that_are_refused(
    change: Callable[[pd.DataFrame], pd.DataFrame], error: type[Exception], message: str, panel: pd.DataFrame
) -> None:
    with pytest.raises(error, match=message):
        fit_each(change(panel), TSGAN(config=QUICK))


@pytest.mark.parametrize("n_jobs", [0, -2, 1.5, True])
def test_numbers_of_workers_that_are_refused(n_jobs: int, panel: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="n_jobs must be a whole number >= "):
        fit_each(panel, TSGAN(config=QUICK), n_jobs=n_jobs)


def state_of_the_process(place: int) -> tuple[int, int]:
    time.sleep(0.05 * (3 - place))  # the first ends last
    return place, torch.get_num_threads()


@pytest.mark.usefixtures("pickled_by_value")
@pytest.mark.parametrize("backend", [threads, loky])
def test_results_keep_their_order_and_use_one_thread(backend: Callable[[], Iterator[None]]) -> None:
    before = torch.get_num_threads(), list(warnings.filters)
    with backend():  # type: ignore[attr-defined]
        done = list(results(partial(state_of_the_process, place) for place in range(4)))
    assert [result for result, _ in done] == [(place, 1) for place in range(4)]
    assert (torch.get_num_threads(), list(warnings.filters)) == before


def end_the_process(place: int) -> None:
    os._exit(place)


@pytest.mark.usefixtures("pickled_by_value")
def test_a_worker_that_ends_is_a_sentence() -> None:
    with pytest.raises(TrainingError, match="processes that work side by side was ended"), loky():
        list(results(partial(end_the_process, 1) for _ in range(2)))
