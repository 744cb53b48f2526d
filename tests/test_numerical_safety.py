"""Prices that strain the arithmetic: parameters and paths are finite, or there is a clear refusal."""

import warnings

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from tsgan import TSGAN, Config
from tsgan.config import WarmStartConfig
from tsgan.datasets import check_prices
from tsgan.errors import ConfigError, DataError, TsganWarning

Floats = npt.NDArray[np.float64]
TINY = Config(warm_start=WarmStartConfig(steps=20)).with_training(steps=0, past=32, future=32)
ROWS = 300
USUAL = np.random.default_rng(0).standard_t(5, ROWS) * 0.01
ZEROS = np.random.default_rng(1).random(ROWS) < 0.5


def table(*returns: Floats, start: float = 100.0) -> pd.DataFrame:
    steps = np.vstack((np.zeros(len(returns)), np.stack(returns, axis=1)))
    dates = pd.bdate_range("2020-01-01", periods=len(steps), name="date")
    return pd.DataFrame(start * np.exp(steps.cumsum(0)), index=dates, columns=[f"A{i}" for i in range(len(returns))])


def put(row: int, value: float) -> Floats:
    returns = USUAL.copy()
    returns[row] = value
    return returns


def fitted(prices: pd.DataFrame) -> TSGAN:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", TsganWarning)
        return TSGAN(config=TINY, random_state=0, device="cpu").fit(prices)


POSSIBLE = {
    "one huge outlier": table(put(200, 5.0)),
    "a huge outlier at the beginning": table(put(0, 20.0)),
    "a huge outlier at the end": table(put(-1, 20.0)),
    "prices about 1e-12": table(USUAL, start=1e-12),
    "prices about 1e12": table(USUAL, start=1e12),
    "prices about 1e-300": table(USUAL, start=1e-300),
    "returns about 1e-12": table(USUAL * 1e-10),
    "returns about 1": table(USUAL * 100),
    "half of the returns zero": table(np.where(ZEROS, 0.0, USUAL)),
    "nearly all returns zero": table(np.where(np.arange(ROWS) % 20, 0.0, USUAL)),
    "one return that is not zero": table(np.where(np.arange(ROWS) == 7, 0.01, 0.0)),
    "perfectly correlated": table(USUAL, USUAL),
    "perfectly opposed": table(USUAL, -USUAL),
    "perfectly correlated at other scales": table(USUAL, 1e-6 * USUAL),
    "two returns in turn": table(np.where(np.arange(ROWS) % 2, 0.01, -0.01)),
    "nearly a straight line": table(0.001 + 1e-9 * USUAL),
}


@pytest.mark.parametrize("name", POSSIBLE)
def test_paths_are_finite_and_positive(name: str) -> None:
    model = fitted(POSSIBLE[name])
    assert all(bool(value.isfinite().all()) for value in model.law_.generator.state_dict().values())
    paths = model.sample(20, 100, random_state=0)
    assert np.isfinite(paths.prices).all()
    assert (paths.prices > 0).all()


@pytest.mark.slow
def test_a_hundred_assets_of_three_hundred_rows() -> None:
    returns = np.random.default_rng(2).standard_t(5, (100, 299)) * 0.01
    paths = fitted(table(*returns)).sample(20, 100, random_state=0)
    assert paths.prices.shape == (20, 100, 100)
    assert np.isfinite(paths.prices).all()
    assert (paths.prices > 0).all()


def test_constant_prices_are_refused() -> None:
    with pytest.raises(DataError, match=r"column 'A0' never moves .*use prices that move"):
        fitted(table(0 * USUAL))


def test_prices_that_stand_still_while_the_law_trains_are_refused_with_a_start_that_works() -> None:
    # some 70 % of the rows train
    quiet = table(USUAL, np.where(np.arange(ROWS) < 215, 0.0, USUAL))
    with pytest.raises(DataError, match=r"column 'A1' does not move before 2020-10-28.*start='2020-10-28'") as caught:
        fitted(quiet)
    start = str(caught.value).split("'")[-2]
    later = pd.concat((quiet.loc[start:], table(USUAL, USUAL).set_axis(pd.bdate_range("2022-01-03", periods=301))))
    assert np.isfinite(fitted(later).sample(5, 20, random_state=0).prices).all()


def test_three_rows_that_dropping_leaves_are_refused() -> None:
    prices = table(USUAL, USUAL[::-1])
    prices.iloc[3:, 1] = np.nan
    with pytest.warns(TsganWarning, match="dropped 298"):
        prices = check_prices(prices, missing="drop")
    with pytest.raises(DataError, match=r"184 rows are needed, 3 rows came"):
        fitted(prices)


def test_paths_beyond_what_a_number_can_hold_are_refused() -> None:
    model = fitted(table(put(200, -300.0)))
    paths = model.sample(20, 300, random_state=0)
    assert np.isfinite(paths.returns).all()
    with pytest.raises(ConfigError, match=r"1e-308 to 1e308; take a smaller length, or returns instead of prices"):
        _ = paths.prices


@pytest.mark.slow
def test_ten_million_steps_are_finite_and_long_runs_stay_stationary() -> None:
    model = fitted(table(USUAL))
    for part in model.iter_sample(10_000, 1_000, random_state=0):
        prices = part.prices
        assert np.isfinite(prices).all()
        assert (prices > 0).all()
    returns = model.sample(32, 100_000, random_state=1).returns[..., 0]
    tenths = returns.reshape(32, 10, -1).var(-1)
    # the deviation of the mean over the paths says what chance alone makes of the difference
    difference = tenths[:, -1] - tenths[:, 0]
    assert abs(difference.mean()) < 4 * difference.std(ddof=1) / 32**0.5
    assert tenths.mean(0) == pytest.approx(np.full(10, USUAL.var()), rel=0.15)
