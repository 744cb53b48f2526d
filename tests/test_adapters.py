"""Into other tools: scenarios for skfolio, frames and files for backtesting engines."""

import inspect
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from tsgan import TSGAN, Config, ConfigError, DataError, Paths
from tsgan.adapters.skfolio import TSGANDistribution
from tsgan.config import TrainingConfig, WarmStartConfig

CONFIG = Config(warm_start=WarmStartConfig(steps=10), training=TrainingConfig(steps=0))
TINY = TSGAN(config=CONFIG, random_state=0, device="cpu")


def frozen_one(estimator: Any) -> Any:
    return pytest.importorskip("sklearn.frozen", reason="scikit-learn 1.6 has it").FrozenEstimator(estimator)


@pytest.fixture(scope="module")
def returns(panel: pd.DataFrame) -> pd.DataFrame:
    return panel.pct_change().iloc[1:]


@pytest.fixture(scope="module")
def fitted(returns: pd.DataFrame) -> TSGANDistribution:
    return TSGANDistribution(TINY, random_state=1).fit(returns)


@pytest.fixture(scope="module")
def known(fitted: TSGANDistribution) -> TSGAN:
    """A fitted model, to be frozen."""
    return fitted.model_


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of prices of every fit of a TSGAN from now on."""
    rows: list[int] = []
    fit = TSGAN.fit

    def counted(self: TSGAN, prices: pd.DataFrame, *args: Any, **options: Any) -> TSGAN:
        rows.append(len(prices))
        return fit(self, prices, *args, **options)

    monkeypatch.setattr(TSGAN, "fit", counted)
    return rows


def with_params(fitted: TSGANDistribution, **params: Any) -> TSGANDistribution:
    """The same fitted estimator with other parameters of sampling."""
    other: TSGANDistribution = clone(fitted).set_params(**params)
    other.__dict__.update({name: value for name, value in vars(fitted).items() if name.endswith("_")})
    return other


# the estimator ---------------------------------------------------------------------------------------------------


def test_the_module_does_without_skfolio() -> None:
    import subprocess

    code = "import sys; sys.modules['skfolio'] = None; from tsgan.adapters.skfolio import TSGANDistribution"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_samples_are_the_models_own_returns(fitted: TSGANDistribution, panel: pd.DataFrame) -> None:
    scenarios = fitted.sample(2000)
    assert type(scenarios) is np.ndarray
    assert scenarios.shape == (2000, 3)
    assert np.isfinite(scenarios).all()
    paths = fitted.model_.sample(2000, length=1, start="last", random_state=1)
    np.testing.assert_allclose(scenarios, np.expm1(paths.returns[:, 0]), rtol=1e-4, atol=1e-7)
    assert list(fitted.feature_names_in_) == list(panel.columns)
    assert fitted.n_features_in_ == 3
    assert np.array_equal(scenarios[:10], fitted.sample(n_samples=10))


def test_the_prices_are_those_the_returns_came_from(fitted: TSGANDistribution, panel: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(fitted.prices_.iloc[1:], 100 * (panel / panel.iloc[0]).iloc[1:], check_freq=False)
    assert fitted.prices_.iloc[0].tolist() == [100, 100, 100]
    assert fitted.prices_.index[0] < panel.index[1]


@pytest.mark.parametrize("start", ["last", "stationary"])
def test_a_horizon_compounds_its_steps(fitted: TSGANDistribution, start: str) -> None:
    ten = with_params(fitted, horizon=10, start=start).sample(300)
    history = fitted.prices_ if start == "last" else None
    steps = np.expm1(fitted.model_.sample(300, length=10, history=history, random_state=1).returns)
    np.testing.assert_allclose(1 + ten, np.prod(1 + steps, axis=1))


def test_it_clones_and_its_parameters_nest() -> None:
    pytest.importorskip("skfolio")
    from skfolio.prior import SyntheticData

    prior = SyntheticData(distribution_estimator=TSGANDistribution(clone(TINY), horizon=5))
    prior.set_params(distribution_estimator__horizon=7, distribution_estimator__model__random_state=3)
    copy = clone(prior).distribution_estimator
    assert copy.get_params(deep=False).keys() == {"model", "horizon", "start", "random_state"}
    assert (copy.horizon, copy.model.random_state) == (7, 3)
    assert not hasattr(copy, "model_")


def test_arrays_and_frames_without_dates_are_business_days(fitted: TSGANDistribution, returns: pd.DataFrame) -> None:
    array = TSGANDistribution(TINY, random_state=1).fit(returns.to_numpy())
    np.testing.assert_allclose(array.sample(50), fitted.sample(50), rtol=1e-3, atol=1e-6)
    assert not hasattr(array, "feature_names_in_")
    assert list(array.prices_.columns) == ["x0", "x1", "x2"]
    assert (pd.DatetimeIndex(array.prices_.index).day_of_week < 5).all()


def test_the_seed_is_also_the_fits_where_it_has_none(known: TSGAN, returns: pd.DataFrame) -> None:
    unseeded = TSGAN(config=CONFIG, device="cpu")
    model = TSGANDistribution(unseeded, random_state=0).fit(returns).model_
    assert unseeded.random_state is None
    assert np.array_equal(model.sample(20, random_state=1).returns, known.sample(20, random_state=1).returns)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"horizon": 0}, "horizon must be a whole number >= 1, not 0"),
        ({"horizon": 1.5}, "horizon must be a whole number"),
        ({"start": "middle"}, "start must be 'last' or 'stationary', not 'middle'"),
    ],
)
def test_impossible_parameters_get_a_sentence_before_the_fit(
    params: dict[str, Any], sentence: str, fitted: TSGANDistribution, returns: pd.DataFrame, fits: list[int]
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        TSGANDistribution(TINY, **params).fit(returns)
    assert not fits
    with pytest.raises(ConfigError, match=sentence):
        with_params(fitted, **params).sample(5)


def test_conditioning_and_unfitted_get_a_sentence(fitted: TSGANDistribution) -> None:
    with pytest.raises(ConfigError, match="conditioning must be None in this version"):
        fitted.sample(5, conditioning={"STOCK": -0.2})
    with pytest.raises(NotFittedError):
        TSGANDistribution().sample(5)
    assert list(inspect.signature(fitted.sample).parameters) == ["n_samples", "conditioning"]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [(np.nan, "is nan, which is not finite"), (-1.0, "is -1, which is not above -1"), (np.inf, "is inf")],
)
def test_unusable_returns_get_a_sentence(value: float, sentence: str, returns: pd.DataFrame) -> None:
    bad = returns.copy()
    bad.iloc[7, 1] = value
    with pytest.raises(DataError, match=rf"the linear return of 'STOCK' in row 7 of X {sentence}.*\(1 in all\)"):
        TSGANDistribution(TINY).fit(bad)


def test_rows_out_of_order_are_refused(returns: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="the dates of X must increase"):
        TSGANDistribution(TINY).fit(returns.iloc[::-1])


def test_a_frozen_model_keeps_its_law_and_reads_the_state_off_the_returns(
    known: TSGAN, returns: pd.DataFrame, fits: list[int]
) -> None:
    calm, wild = returns.iloc[-300:].copy(), returns.iloc[-300:].copy()
    calm.iloc[-60:] *= 0.1
    wild.iloc[-60:] *= 3
    frozen = TSGANDistribution(frozen_one(known), random_state=0)
    spread = [clone(frozen).fit(X).sample(2000).std(axis=0) for X in (calm, wild)]
    assert (spread[1] > 2 * spread[0]).all()
    assert not fits
    here = clone(frozen).fit(returns)
    expected = known.sample(50, length=1, start="last", random_state=0).returns[:, 0]
    np.testing.assert_allclose(here.sample(50), np.expm1(expected), rtol=1e-3, atol=1e-6)


def test_a_frozen_model_follows_the_order_of_the_columns(known: TSGAN, returns: pd.DataFrame) -> None:
    frozen = TSGANDistribution(frozen_one(known), random_state=0)
    straight = clone(frozen).fit(returns).sample(50)
    np.testing.assert_allclose(clone(frozen).fit(returns[["COIN", "BOND", "STOCK"]]).sample(50), straight[:, [2, 0, 1]])
    unnamed = clone(frozen).fit(returns.to_numpy())
    assert list(unnamed.prices_.columns) == known.columns_
    with pytest.raises(DataError, match="the frozen model knows the assets BOND, STOCK, COIN, but X has BOND, STOCK;"):
        clone(frozen).fit(returns[["BOND", "STOCK"]])
    with pytest.raises(NotFittedError):
        TSGANDistribution(frozen_one(TSGAN())).fit(returns)


# in skfolio ------------------------------------------------------------------------------------------------------


def test_synthetic_data_holds_the_samples(fitted: TSGANDistribution, returns: pd.DataFrame) -> None:
    prior = pytest.importorskip("skfolio.prior")
    model = prior.SyntheticData(TSGANDistribution(TINY, random_state=1), n_samples=500).fit(returns)
    assert np.array_equal(model.return_distribution_.returns, fitted.sample(500))
    assert list(model.feature_names_in_) == list(returns.columns)
    refused = prior.SyntheticData(TSGANDistribution(TINY), sample_args={"conditioning": {"STOCK": -0.2}})
    with pytest.raises(ConfigError, match="conditioning must be None"):
        refused.fit(returns)


def test_minimum_cvar_prefers_the_calm_asset(returns: pd.DataFrame) -> None:
    skfolio = pytest.importorskip("skfolio")
    from skfolio.optimization import MeanRisk
    from skfolio.prior import SyntheticData

    weights = {}
    for columns in (["BOND", "STOCK", "COIN"], ["COIN", "BOND", "STOCK"]):
        prior = SyntheticData(TSGANDistribution(TINY, horizon=5, random_state=1), n_samples=1000)
        model = MeanRisk(risk_measure=skfolio.RiskMeasure.CVAR, prior_estimator=prior).fit(returns[columns])
        weights[columns[0]] = pd.Series(model.weights_, columns)
        assert np.isfinite(model.predict(returns[columns]).cvar)
    for found in weights.values():
        assert found.sum() == pytest.approx(1)
        assert found.idxmax() == "BOND"


def test_the_whole_estimator_frozen_is_not_fitted_again(
    fitted: TSGANDistribution, returns: pd.DataFrame, fits: list[int]
) -> None:
    prior = pytest.importorskip("skfolio.prior")
    model = prior.SyntheticData(frozen_one(fitted), n_samples=200).fit(returns.iloc[:50])
    assert not fits
    assert np.array_equal(model.return_distribution_.returns, fitted.sample(200))


@pytest.mark.parametrize("frozen", [False, True])
def test_cross_validation_fits_each_fold_unless_frozen(
    frozen: bool, known: TSGAN, returns: pd.DataFrame, fits: list[int]
) -> None:
    skfolio = pytest.importorskip("skfolio")
    from skfolio.model_selection import WalkForward, cross_val_predict
    from skfolio.optimization import MeanRisk
    from skfolio.prior import SyntheticData

    distribution = TSGANDistribution(frozen_one(known) if frozen else TINY, random_state=1)
    model = MeanRisk(
        risk_measure=skfolio.RiskMeasure.CVAR,
        prior_estimator=SyntheticData(distribution_estimator=distribution, n_samples=300),
    )
    portfolio = cross_val_predict(model, returns, cv=WalkForward(train_size=580, test_size=60))
    assert fits == ([] if frozen else [581, 581])
    assert len(portfolio) == 2
    assert np.isfinite(portfolio.returns).all()
    assert not np.array_equal(portfolio[0].weights, portfolio[1].weights)


# engines ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def paths() -> Paths:
    """Two assets, three paths of five business days."""
    returns = 0.02 * np.random.default_rng(0).standard_normal((3, 5, 2))
    dates = pd.bdate_range("2024-01-02", periods=5, name="date")
    return Paths(returns, np.array([100.0, 20.0]), dates, ["SPY", "BTC-USD"])


@pytest.fixture
def single(paths: Paths) -> Paths:
    return Paths(paths.returns[..., :1], paths.start_price[:1], paths.dates, paths.columns[:1])


def check_bars(bars: pd.DataFrame, closes: np.ndarray, before: float) -> None:
    assert list(bars.columns) == ["Open", "High", "Low", "Close", "Volume"]
    assert np.array_equal(bars["Close"], closes)
    assert np.array_equal(bars["Open"], [before, *closes[:-1]])
    assert np.array_equal(bars["High"], bars[["Open", "Close"]].max(axis=1))
    assert np.array_equal(bars["Low"], bars[["Open", "Close"]].min(axis=1))
    assert (bars["Volume"] == 0).all()


def test_closes_are_the_paths_one_by_one(paths: Paths) -> None:
    frames, again = list(paths.iter_prices()), list(paths)
    assert len(frames) == len(paths)
    for frame, same, prices in zip(frames, again, paths.prices, strict=True):
        pd.testing.assert_frame_equal(frame, same)
        assert np.array_equal(frame.to_numpy(), prices)
        assert frame.index.equals(paths.dates)
        assert list(frame.columns) == paths.columns
    before = paths.prices.copy()
    for frame in (next(paths.iter_prices()), next(paths.iter_prices("ohlcv"))):
        frame.iloc[:] = -1
    assert np.array_equal(paths.prices, before)


def test_bars_of_one_asset(single: Paths) -> None:
    for bars, prices in zip(single.iter_prices("ohlcv"), single.prices, strict=True):
        assert bars.index.equals(single.dates)
        check_bars(bars, prices[:, 0], 100.0)


def test_bars_of_several_assets_are_a_wide_frame(paths: Paths) -> None:
    for bars, prices in zip(paths.iter_prices("ohlcv"), paths.prices, strict=True):
        assert bars.columns.names == ["asset", "field"]
        assert bars.shape == (5, 10)
        for asset, closes, before in zip(paths.columns, prices.T, paths.start_price, strict=True):
            check_bars(pd.DataFrame(bars[asset]), closes, before)


def test_the_wide_frame_holds_path_by_path(paths: Paths) -> None:
    wide = paths.to_wide()
    assert wide.shape == (5, 6)
    assert wide.columns.names == ["path", "asset"]
    for number, frame in enumerate(paths):
        pd.testing.assert_frame_equal(pd.DataFrame(wide[number]), frame, check_names=False)


def test_unknown_kind_is_refused_at_once(paths: Paths) -> None:
    with pytest.raises(ConfigError, match="kind must be 'close' or 'ohlcv', not 'open'"):
        paths.iter_prices("open")  # type: ignore[arg-type]  # wrong on purpose


def test_zipline_files_hold_the_bars(paths: Paths, tmp_path: Path) -> None:
    folders = paths.to_zipline(tmp_path / "bundles", volume=5000)
    assert [str(folder.relative_to(tmp_path)) for folder in folders] == [f"bundles/0000{i}" for i in range(3)]
    for folder, bars in zip(folders, paths.iter_prices("ohlcv"), strict=True):
        assert sorted(file.name for file in folder.rglob("*.*")) == ["BTC-USD.csv", "SPY.csv"]
        for asset in paths.columns:
            table = pd.read_csv(folder / "daily" / f"{asset}.csv", parse_dates=[0], index_col=0)
            assert table.index.name == "date"
            assert list(table.columns) == ["open", "high", "low", "close", "volume", "dividend", "split"]
            assert (table.index == paths.dates).all()
            prices = bars[asset][["Open", "High", "Low", "Close"]]
            np.testing.assert_allclose(table.iloc[:, :4].to_numpy(), prices.to_numpy(), rtol=1e-15)
            assert (table[["volume", "dividend", "split"]] == [5000, 0, 1]).all(axis=None)


def test_what_zipline_could_not_read_is_refused(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "OLD.csv").touch()
    with pytest.raises(ConfigError, match="is not an empty folder"):
        paths.to_zipline(tmp_path)
    hourly = Paths(paths.returns, paths.start_price, paths.dates + pd.Timedelta(hours=9), paths.columns)
    with pytest.raises(ConfigError, match="such as 2024-01-02 09:00"):
        hourly.to_zipline(tmp_path / "new")
    for name in ("BRK.B", "BTC/USD"):
        with pytest.raises(ConfigError, match=f"'{name}' cannot be the name of a zipline file"):
            Paths(paths.returns, paths.start_price, paths.dates, ["SPY", name]).to_zipline(tmp_path / "new")
    assert not (tmp_path / "new").exists()
