"""Comparisons of forecasters: agreement with statsmodels and arch, size where they are equal, power where not."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tsgan.errors import ConfigError, DataError
from tsgan.evaluation.risk.comparisons import diebold_mariano, model_confidence_set
from tsgan.evaluation.risk.scores import fz0


def persistent(shape: tuple[int, int], rho: float, seed: int) -> Any:
    """Simulate standard normal AR(1) series, one a row."""
    steps = np.random.default_rng(seed).standard_normal(shape)
    series = steps.copy()
    for t in range(1, shape[1]):
        series[:, t] = rho * series[:, t - 1] + np.sqrt(1 - rho**2) * steps[:, t]
    return series


def table(n: int, means: dict[str, float], seed: int) -> pd.DataFrame:
    losses = np.random.default_rng(seed).standard_normal((n, len(means)))
    return pd.DataFrame(losses + list(means.values()), columns=list(means))


# Diebold-Mariano


def test_diebold_mariano_by_hand() -> None:
    # differences 1, -1, 2, 0: mean .5, autocovariances 5/4 and (-.75 - 2.25 - .75) / 4, weight 1/2 at lag 1
    result = diebold_mariano([2.0, 1.0, 3.0, 5.0], [1.0, 2.0, 1.0, 5.0], lags=1)
    assert result.difference == 0.5
    assert result.statistic == pytest.approx(0.5 / np.sqrt((1.25 - 3.75 / 4) / 4))
    assert result.p_value == pytest.approx(2 * stats.norm.sf(result.statistic))
    assert result.words.startswith("The mean loss of B is 0.5 lower, no more than chance explains (t = 1.79")


@pytest.mark.parametrize(("lags", "used"), [(None, 6), (0, 0), (1, 1), (20, 20)])
def test_diebold_mariano_agrees_with_a_regression_of_statsmodels(lags: int | None, used: int) -> None:
    from statsmodels.api import OLS

    a, b = persistent((2, 900), 0.5, seed=1)
    result = diebold_mariano(a, b, lags=lags)
    options = {"maxlags": used, "use_correction": False}
    fitted = OLS(a - b, np.ones(900)).fit(cov_type="HAC", cov_kwds=options)
    assert result.lags == used
    assert (result.difference, result.statistic, result.p_value) == pytest.approx(
        (fitted.params[0], fitted.tvalues[0], fitted.pvalues[0])
    )


def test_diebold_mariano_changes_sign_with_the_order() -> None:
    a, b = persistent((2, 300), 0.3, seed=2)
    one, other = diebold_mariano(a, b), diebold_mariano(b, a)
    assert (one.difference, one.statistic, one.p_value) == (-other.difference, -other.statistic, other.p_value)


def test_losses_of_one_date_count_once() -> None:
    a, b = persistent((2, 400), 0.3, seed=3)
    copies = diebold_mariano(np.tile(a[:, None], 18), np.tile(b[:, None], 18))
    assert copies[1:4] == pytest.approx(diebold_mariano(a, b)[1:4])
    apart = np.random.default_rng(4).standard_normal((400, 3))
    assert diebold_mariano(apart, 0 * apart)[:4] == pytest.approx(
        diebold_mariano(apart.mean(axis=1), np.zeros(400))[:4]
    )


def test_differences_that_do_not_vary() -> None:
    loss = np.random.default_rng(5).integers(0, 9, 100).astype(float)
    same = diebold_mariano(loss, loss)
    assert same[:3] == (0, 0, 1)
    assert same.words == "The mean losses are the same on 100 dates."
    assert diebold_mariano(loss, loss + 1)[:3] == (-1, -np.inf, 0)


@pytest.mark.parametrize("horizon", [1, 10])
def test_equally_good_forecasters_differ_as_often_as_promised(horizon: int) -> None:
    # both forecast the deviation of a normal law with independent errors of the same size, once a step or overlapping
    n, level = 1_250, 0.05
    steps = np.random.default_rng(6).standard_normal((500, n + horizon)).cumsum(axis=1)
    y = (steps[:, horizon:] - steps[:, :-horizon]) / np.sqrt(horizon)
    v, e = stats.norm.ppf(level), -stats.norm.pdf(stats.norm.ppf(level)) / level
    deviations = np.exp(0.2 * persistent((1_000, n), 0.7, seed=7)).reshape(2, 500, n)
    a, b = (fz0(y, v * s, e * s, level) for s in deviations)
    rejected = [diebold_mariano(*pair, horizon=horizon).p_value <= 0.05 for pair in zip(a, b, strict=True)]
    assert np.mean(rejected) == pytest.approx(0.05, abs=3.5 * np.sqrt(0.05 * 0.95 / 500))


def test_the_truth_beats_a_wrong_deviation() -> None:
    y = np.random.default_rng(8).standard_normal((2_500, 4))
    v, e = stats.norm.ppf(0.05), -stats.norm.pdf(stats.norm.ppf(0.05)) / 0.05
    result = diebold_mariano(fz0(y, v, e, 0.05), fz0(y, 0.7 * v, 0.7 * e, 0.05))
    assert result.statistic < -4
    assert "of A is" in result.words
    assert "lower, more than chance explains" in result.words


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones(50), np.ones(49), r"same dates and assets, got shapes \(50,\) and \(49,\)"),
        (np.ones((50, 2)), np.ones(50), "same dates and assets"),
        (np.where(np.arange(50) == 7, np.nan, 1), np.ones(50), "losses of A must be finite, .* observation 7"),
        (np.ones(50), np.ones((50, 2, 2)), r"losses of B must be an array \(time,\) or \(time, assets\)"),
        ([], [], "losses of A must be an array"),
        (np.ones(4), np.ones(4), "3 lags need 5 dates or more, got 4; take fewer lags"),
    ],
)
def test_losses_that_cannot_be_compared(a: Any, b: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        diebold_mariano(a, b, lags=3)


@pytest.mark.parametrize("options", [{"horizon": 0}, {"lags": -1}])
def test_options_of_diebold_mariano(options: Any) -> None:
    with pytest.raises(ConfigError, match="horizon must be 1 or more and the lags 0 or more"):
        diebold_mariano(np.ones(50), np.zeros(50), **options)


# Model confidence set


def test_the_set_holds_the_best_and_leaves_out_the_clearly_worse() -> None:
    losses = table(500, {"worst": 1.0, "best": 0.0, "near": 0.02, "bad": 0.4}, seed=9)
    found = model_confidence_set(losses)
    assert list(found.index) == ["worst", "best", "near", "bad"]
    assert list(found.columns) == ["mean_loss", "p_value", "included"]
    assert found["mean_loss"].to_numpy() == pytest.approx(losses.mean().to_numpy())
    assert found["included"].to_dict() == {"worst": False, "best": True, "near": True, "bad": False}
    assert found["p_value"].max() == 1
    assert model_confidence_set(losses, size=0.999)["included"].sum() == 1


def test_the_set_is_that_of_arch() -> None:
    from arch.bootstrap import MCS

    losses = table(300, {"a": 0.0, "b": 0.1, "c": 0.2, "d": 0.3}, seed=10)
    reference = MCS(losses, size=0.1, reps=500, block_size=5, seed=3)
    reference.compute()
    found = model_confidence_set(losses, block=5, n_bootstrap=500, seed=3)
    assert found["p_value"].to_dict() == reference.pvalues["Pvalue"].to_dict()
    assert sorted(found.index[found["included"]]) == reference.included
    pd.testing.assert_frame_equal(found, model_confidence_set(losses, block=5, n_bootstrap=500, seed=3))


def test_models_with_the_same_losses_are_judged_as_one() -> None:
    losses = table(300, {"a": 0.0, "b": 0.5, "c": 0.1}, seed=11)
    twins = losses.assign(twin=losses["b"], again=losses["a"])
    found = model_confidence_set(twins)
    p = found["p_value"].to_dict()
    assert (p["twin"], p["again"]) == (p["b"], p["a"])
    pd.testing.assert_frame_equal(found.loc[["a", "b", "c"]], model_confidence_set(losses))
    alone = model_confidence_set(twins[["a", "again"]])
    assert alone["p_value"].tolist() == [1, 1]
    assert alone["included"].all()


def test_a_constant_difference_is_clear() -> None:
    loss = np.random.default_rng(12).integers(0, 9, 100)
    found = model_confidence_set(pd.DataFrame({"worse": loss + 1, "better": loss}))
    assert found["included"].tolist() == [False, True]


def test_equal_models_all_stay_as_often_as_promised() -> None:
    rows = np.random.default_rng(13).standard_normal((200, 100, 3))
    kept = [
        model_confidence_set(pd.DataFrame(losses, columns=list("abc")), n_bootstrap=199, block=2)["included"].all()
        for losses in rows
    ]
    assert np.mean(kept) == pytest.approx(0.9, abs=3.5 * np.sqrt(0.09 / 200))


def test_blocks_lengthen_with_memory_and_horizon() -> None:
    # two models of slow differences: short blocks take their common drift for news
    slow = pd.DataFrame(persistent((2, 600), 0.97, seed=14).T, columns=["a", "b"])
    default, short = model_confidence_set(slow), model_confidence_set(slow, block=1)
    long = model_confidence_set(slow, horizon=40)
    assert short["p_value"].min() < default["p_value"].min()
    pd.testing.assert_frame_equal(long, model_confidence_set(slow, block=80))


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (np.ones((50, 2)), "must be a DataFrame with one column a model"),
        (pd.DataFrame(np.ones((50, 2)), columns=["a", "a"]), "each with a name of its own"),
        (pd.DataFrame(np.ones((19, 2))), "20 dates or more, got 19"),
        (pd.DataFrame({"a": [np.nan] * 50, "b": 1.0}), "losses must be finite, .* observation 0"),
        (pd.DataFrame(), "losses must be an array"),
    ],
)
def test_tables_that_are_none(losses: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        model_confidence_set(losses)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 1.0}, "size must lie between 0 and 1, got 1"),
        ({"block": 0}, "block must be 1 or more, got 0"),
        ({"horizon": 0}, "horizon must be 1 or more"),
        ({"n_bootstrap": 0}, "n_bootstrap must be 1 or more"),
    ],
)
def test_options_of_the_set(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        model_confidence_set(table(50, {"a": 0.0, "b": 0.0}, seed=15), **options)
