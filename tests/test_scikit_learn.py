"""scikit-learn's own checks of an estimator, and its manners that they do not cover."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

from tsgan import TSGAN, Config
from tsgan.procedure import rows_needed

SMALL = Config.from_dict({"warm_start": {"steps": 3}, "training": {"steps": 0, "past": 32, "future": 32}})


class OfArrays(TSGAN):
    """The estimator on the arrays of the checks: their rows, over and over, become the returns of dated prices.

    What is no array of finite numbers goes to the estimator as it is.
    """

    def fit(self, prices: Any, y: None = None) -> Self:  # type: ignore[override]  # the checks know X and y only
        return super().fit(_dated(prices), y)


def _dated(values: Any) -> Any:
    array = np.asarray(values)
    if not (array.ndim == 2 and len(array) > 1 and array.dtype.kind in "fiu" and np.isfinite(array).all()):
        return values
    rows, columns = rows_needed(SMALL) - 1, array.shape[1]
    noise = np.random.default_rng(0).standard_normal((rows, columns))
    spread = (array - array.mean(axis=0)) / (array.std(axis=0) + 1e-9)
    returns = 0.01 * (np.resize(spread, (rows, columns)) + 0.1 * noise)
    prices = 100 * np.exp(np.vstack([np.zeros((1, columns)), returns]).cumsum(axis=0))
    names = getattr(values, "columns", [f"x{i}" for i in range(columns)])
    return pd.DataFrame(prices, index=pd.bdate_range("2020-01-01", periods=rows + 1), columns=names)


NOT_APPLICABLE = {
    "check_complex_data": "complex arrays are refused as all arrays are, since prices have dates",
    "check_dtype_object": "arrays of objects are refused as all arrays are, also where they hold numbers",
    "check_estimator_sparse_array": "sparse arrays are refused as all arrays are, without the word sparse",
    "check_estimator_sparse_data": "sparse matrices are refused as all arrays are, without the word sparse",
    "check_estimator_sparse_matrix": "sparse matrices are refused as all arrays are, without the word sparse",
    "check_estimator_sparse_tag": "sparse arrays are refused as all arrays are, without the word sparse",
    "check_estimators_empty_data_messages": "no column is refused in words of prices and assets, not of features",
    "check_estimators_nan_inf": "missing prices are refused by that name, column and date, not as NaN",
    "check_fit2d_1sample": "one row is refused in words of prices and rows, not of samples",
}
"""Checks of any version of scikit-learn that must fail, and why. One that is not here must pass, a new one too."""


def checks() -> Iterator[Any]:
    model = OfArrays(config=SMALL, random_state=0, device="cpu")
    if hasattr(estimator_checks, "estimator_checks_generator"):
        found = estimator_checks.estimator_checks_generator(model)
    else:  # scikit-learn < 1.6
        found = estimator_checks.check_estimator(model, generate_only=True)
    for estimator, check in found:
        name = check.func.__name__
        reason = NOT_APPLICABLE.get(name)
        marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
        yield pytest.param(estimator, check, id="-".join([name, *map(str, check.keywords)]), marks=marks)


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
@pytest.mark.filterwarnings("ignore::UserWarning")  # some checks warn themselves, of what they do or skip
def test_check(estimator: TSGAN, check: Callable[[TSGAN], None]) -> None:
    check(estimator)


def test_names_of_columns_are_the_features(prices: pd.DataFrame, model: TSGAN, panel_model: TSGAN) -> None:
    estimator_checks.check_dataframe_column_names_consistency("TSGAN", OfArrays(config=SMALL, device="cpu"))
    assert (model.n_features_in_, list(model.feature_names_in_)) == (1, list(prices.columns))
    assert (panel_model.n_features_in_, list(panel_model.feature_names_in_)) == (3, panel_model.columns_)


def test_a_clone_has_the_parameters_and_nothing_of_the_fit(model: TSGAN) -> None:
    again = clone(model)
    assert again.get_params() == model.get_params()
    assert vars(again).keys() == again.get_params().keys()
    assert again.set_params(random_state=7, config=SMALL) is again
    assert (again.random_state, again.config, model.random_state) == (7, SMALL, 0)
    with pytest.raises(ValueError, match="Invalid parameter 'steps'"):
        again.set_params(steps=3)


def test_a_fit_changes_neither_prices_nor_parameters(prices: pd.DataFrame) -> None:
    given, names = prices.copy(), ["GARCH"]
    estimator = TSGAN(config=SMALL, random_state=0, device="cpu")
    before = estimator.get_params()
    assert estimator.fit(given) is estimator
    pd.testing.assert_frame_equal(given, prices)
    assert estimator.get_params() == before
    assert estimator.columns_ == names


@pytest.mark.parametrize(
    "use",
    [
        lambda model, to: model.sample(5),
        lambda model, to: next(model.iter_sample(5)),
        lambda model, to: model.save(to),
        lambda model, to: model.describe(),
        lambda model, to: model.training_,
        lambda model, to: model.update(pd.DataFrame()),
        lambda model, to: model.states(pd.DataFrame()),
        lambda model, to: model.known_before(pd.Timestamp("2020-01-01")),
    ],
)
def test_what_needs_a_fit_says_so_as_scikit_learn_does(use: Callable[[TSGAN, Path], Any], tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match="This TSGAN instance is not fitted yet"):
        use(TSGAN(), tmp_path / "model.tsgan")
    assert not hasattr(TSGAN(), "training_")


def test_it_is_the_last_step_of_a_pipeline(prices: pd.DataFrame, model: TSGAN) -> None:
    tidy = FunctionTransformer(lambda frame: frame.dropna())
    raw = prices.copy()
    raw.loc[pd.Timestamp("2014-12-31")] = np.nan
    pipeline = make_pipeline(tidy, TSGAN(**{**model.get_params(), "device": "cpu"})).fit(raw)
    drawn = pipeline[-1].sample(3, length=5, random_state=0)
    assert np.array_equal(drawn.returns, model.sample(3, length=5, random_state=0).returns)
    assert pipeline.get_params()["tsgan__random_state"] == 0


def test_notebooks_show_its_parameters(model: TSGAN) -> None:
    for estimator in (TSGAN(random_state=12_345), clone(model).set_params(random_state=12_345)):
        assert "random_state=12345" in repr(estimator)
        assert "TSGAN" in estimator._repr_html_()
        assert "12345" in estimator._repr_html_()
    assert "TSGAN" in model._repr_html_()
