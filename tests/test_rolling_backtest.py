"""The rolling backtest: right forecasts pass, wrong ones fail, and the tables say who is better and what went wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from tsgan import TSGAN, ConfigError, DataError
from tsgan.datasets.processes import Garch, StudentT, prices
from tsgan.evaluation.risk import diebold_mariano, fz0, rolling_backtest
from tsgan.evaluation.risk.rolling_backtest import (
    TRAIN_WINDOW,
    RollingBacktest,
    check_methods,
    training_prices,
)

MODULE = sys.modules[RollingBacktest.__module__]  # by its name one gets the function that is called the same
Floats = npt.NDArray[np.float64]
LAW = Garch(omega=2e-6, alpha=0.03, beta=0.88, gamma=0.14, nu=6.0)
LEVELS = (0.05, 0.025, 0.01)
FIRST, ROWS = 300, 1_300  # the volatility that the first forecast needs is known after so many returns
TIMES, OF = 19, 20

Law = Callable[[Floats, float], tuple[Floats, Floats]]
"""Returns of an asset up to the last origin, and a level -> the true VaR and ES of the step after each, from 0 on"""


def garch(returns: Floats, level: float) -> tuple[Floats, Floats]:
    volatility = LAW.one_step_volatility(returns)
    unit = StudentT(LAW.nu, volatility=1)
    return volatility * unit.quantile(level), volatility * unit.expected_shortfall(level)


def forecaster(
    law: Law = garch, scale: Mapping[str, float] | float = 1.0, failed: Sequence[str] = ()
) -> Callable[..., pd.DataFrame]:
    """Stand in for `rolling_forecasts`: the true figures, those of a method times its scale."""

    def forecasts(
        method: object, frame: pd.DataFrame, start: object, horizon: int, levels: Sequence[float], *_: Any, **__: Any
    ) -> pd.DataFrame:
        name = method if isinstance(method, str) else "tsgan"
        factor = scale if isinstance(scale, float) else scale[name]
        first = int(frame.index.searchsorted(pd.Timestamp(str(start))))
        returns = np.diff(np.log(frame.to_numpy()), axis=0)
        found = {}
        for i, asset in enumerate(frame.columns):
            for level in levels:
                figures = law(returns[:, i], level)
                for figure, values in zip(("VaR", "ES"), figures, strict=True):
                    found[asset, figure, level] = factor * values[first - horizon : len(returns) + 1 - horizon]
        table = pd.DataFrame(found, index=frame.index[first:])
        table.columns.names = ["asset", "figure", "level"]
        table.attrs["failed_refits"] = list(failed)
        return table if len(frame.columns) > 1 else table.droplevel("asset", axis=1)

    return forecasts


def run(
    monkeypatch: pytest.MonkeyPatch, history: pd.DataFrame, fake: Callable[..., pd.DataFrame], **options: Any
) -> RollingBacktest:
    """Backtest forecasts that are given."""
    monkeypatch.setattr(MODULE, "rolling_forecasts", fake)
    return rolling_backtest(TSGAN(), history, history.index[FIRST], **{"against": (), **options})


def simulated(seed: int, assets: int = 1, rows: int = ROWS) -> pd.DataFrame:
    return prices(np.stack([LAW.simulate(1, rows, seed=100 * i + seed)[0] for i in range(assets)], axis=-1))


# right and wrong forecasts --------------------------------------------------------------------------------------------


def test_right_forecasts_pass_and_wrong_ones_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = failed = 0
    for seed in range(OF):
        history = simulated(seed)
        right = run(monkeypatch, history, forecaster())
        wrong = run(monkeypatch, history, forecaster(scale=0.7))
        passed += not right.failed("fail")
        failed += wrong.failed("fail") and wrong.failed("warn") and wrong.headline.endswith(" %.")
    assert passed >= TIMES
    assert failed >= TIMES


def test_overlapping_right_forecasts_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of five normal returns, forecast at every step: textbook p-values would reject far too often."""

    def normal(returns: Floats, level: float) -> tuple[Floats, Floats]:
        z = stats.norm.ppf(level)
        deviation = np.full(len(returns) + 1, 0.01 * 5**0.5)
        return deviation * z, -deviation * stats.norm.pdf(z) / level

    passed = textbook = 0
    for seed in range(OF):
        history = prices(np.random.default_rng(seed).normal(scale=0.01, size=(1_000, 1)))
        result = run(monkeypatch, history, forecaster(normal), horizon=5, levels=(0.05,))
        passed += not result.failed("fail")
        hits = (result.realised["A"] <= result.of("tsgan", "A")["VaR", 0.05]).to_numpy()
        textbook += bool(stats.binomtest(int(hits.sum()), len(hits), 0.05).pvalue < 0.05)
        log = np.log(history["A"].to_numpy())
        assert result.realised["A"].to_numpy() == pytest.approx((log[5:] - log[:-5])[FIRST - 5 :])
    assert passed >= TIMES
    assert textbook > OF - TIMES


# tables ---------------------------------------------------------------------------------------------------------------


def test_p_values_are_corrected_by_holm_over_tests_levels_and_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, simulated(1, assets=2), forecaster(scale=0.93))
    counted = result.tests[result.tests["test"] != "Basel traffic light"]
    assert len(counted) == 2 * 3 * 7
    expected = multipletests(counted["p_value"], method="holm")[1]
    assert counted["adjusted"].to_numpy() == pytest.approx(expected)
    rules = np.select([counted["adjusted"] < 0.01, counted["p_value"] < 0.05], ["fail", "warn"], "pass")
    assert counted["verdict"].tolist() == rules.tolist()
    colours = result.tests[result.tests["test"] == "Basel traffic light"]
    assert colours["level"].tolist() == [0.01, 0.01]
    assert (colours["adjusted"].isna() & (colours["verdict"] == "not counted")).all()


def test_of_many_assets_p_values_are_simulated_closely_enough_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 105 tests, 2,000 simulations could not give a p-value that fails after correction."""
    result = run(monkeypatch, simulated(1, assets=5, rows=700), forecaster(scale=0.6))
    simulated_only = result.tests[result.tests["test"].str.startswith(("Acerbi", "McNeil", "dynamic"))]
    assert (simulated_only["adjusted"] < 0.01).sum() > 10


def test_the_table_holds_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    methods = {"tsgan": 1.0, "GJR-skewt": 1.2, "historical 250": 0.7}
    history = simulated(3)
    result = run(monkeypatch, history, forecaster(scale=methods), against=("GJR-skewt", "historical 250"))
    returns = np.diff(np.log(history["A"].to_numpy()))[FIRST - 1 :]
    assert result.realised["A"].to_numpy() == pytest.approx(returns)
    assert result.table["method"].tolist() == [*methods] * 3
    for row in result.table.to_dict("records"):
        var, es = (result.of(row["method"], "A")[figure, row["level"]].to_numpy() for figure in ("VaR", "ES"))
        assert row["dates"] == len(returns) == ROWS - FIRST + 1
        assert row["breaches"] == (returns <= var).sum()
        assert row["share"] == row["breaches"] / row["dates"]
        losses = fz0(100 * returns, 100 * var, 100 * es, row["level"])
        assert row["fz0"] == pytest.approx(losses.mean())
        assert result.losses("A", row["level"])[row["method"]].to_numpy() == pytest.approx(losses)


def test_the_sign_of_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    history = simulated(4)
    better = run(monkeypatch, history, forecaster(scale={"tsgan": 1.0, "GJR-skewt": 0.6}), against=("GJR-skewt",))
    worse = run(monkeypatch, history, forecaster(scale={"tsgan": 0.6, "GJR-skewt": 1.0}), against=("GJR-skewt",))
    for result, sign in ((better, -1), (worse, 1)):
        own, other = (result.table[result.table["method"] == name] for name in ("tsgan", "GJR-skewt"))
        assert own["dm_t"].isna().all()
        assert (sign * other["dm_t"] > 1.96).all()
        assert (sign * (own["fz0"].to_numpy() - other["fz0"].to_numpy()) > 0).all()
        assert own["in_set"].tolist() == [sign < 0] * 3
        losses = result.losses("A", 0.05)
        expected = diebold_mariano(losses["tsgan"], losses["GJR-skewt"]).statistic
        assert other["dm_t"].iloc[0] == pytest.approx(expected)
    assert "A at 5 %: tsgan has the lowest loss FZ0" in better.reasons[-3]
    assert better.reasons[-3].endswith("clearly better than GJR-skewt.")
    assert "A at 5 %: GJR-skewt has the lowest loss FZ0" in worse.reasons[-3]
    assert "clearly worse" in worse.reasons[-3]
    assert worse.reasons[-3].endswith("not in the 90 % set of the best.")


def test_a_close_race_is_called_one(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(
        monkeypatch,
        simulated(5),
        forecaster(scale={"tsgan": 1.01, "GJR-skewt": 1.0}),
        against=("GJR-skewt",),
        levels=(0.05,),
    )
    (row,) = result.table[result.table["method"] == "GJR-skewt"].to_dict("records")
    assert abs(row["dm_t"]) < 1.96
    assert "may still be the best" in result.reasons[-1] or "not clearly better than any" in result.reasons[-1]


def test_many_assets_are_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    scale = {"tsgan": 0.6, "GJR-skewt": 1.0}
    result = run(monkeypatch, simulated(1, assets=5, rows=700), forecaster(scale=scale), against=("GJR-skewt",))
    (sentence,) = [reason for reason in result.reasons if "lowest loss" in reason]
    lowest = result.table.loc[result.table.groupby(["asset", "level"])["fz0"].idxmin(), "method"]
    own = int((lowest == "tsgan").sum())
    assert sentence.startswith(
        f"tsgan has the lowest loss FZ0 at {own} of 15 assets and levels, GJR-skewt at {15 - own}."
    )
    outside = int((~result.table.loc[result.table["method"] == "tsgan", "in_set"]).sum())
    assert f"not in the 90 % set of the best at {outside}: A at 5 %" in sentence


# what goes wrong ------------------------------------------------------------------------------------------------------


def test_failed_refits_stand_in_the_table_and_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, simulated(6), forecaster(failed=["2001-03-05"]))
    assert result.table["failed_refits"].tolist() == [1, 1, 1]
    assert "1 refit of tsgan failed and kept the last parameters, the first on 2001-03-05." in result.reasons


def test_impossible_forecasts_are_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def gains(returns: Floats, level: float) -> tuple[Floats, Floats]:
        var, es = garch(returns, level)
        return var, np.where(np.arange(len(es)) == FIRST + 7, 0.01, es)

    result = run(monkeypatch, simulated(7), forecaster(gains, {"tsgan": 1.0, "GJR-skewt": 1.0}), against=("GJR-skewt",))
    assert set(result.tests["verdict"]) == {"not computable"}
    assert result.verdict == "warn"
    assert result.headline.startswith("Nothing can be tested")
    assert any("A at 1 %: Not computable: VaR and ES are returns with ES <= VaR" in reason for reason in result.reasons)
    assert result.table["fz0"].isna().all()
    assert not result.table["in_set"].any()


def test_unknown_methods_are_refused_before_the_long_part(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> pd.DataFrame:
        raise AssertionError("forecasts were made")

    monkeypatch.setattr(MODULE, "rolling_forecasts", never)
    history = simulated(0, rows=400)
    with pytest.raises(ConfigError, match=r"no classical method 'crystal ball'; there are .*GJR-skewt"):
        rolling_backtest(TSGAN(), history, history.index[FIRST], against=("GJR-skewt", "crystal ball"))


def test_few_dates_are_tested_but_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    scale = {"tsgan": 1.0, "GJR-skewt": 0.7}
    result = run(monkeypatch, simulated(8, rows=FIRST + 30), forecaster(scale=scale), against=("GJR-skewt",))
    assert len(result.realised) == 31
    assert result.table["dm_t"].isna().all()
    assert not result.table["in_set"].any()


def test_training_prices_end_at_the_first_origin() -> None:
    history = simulated(0, rows=400)
    for horizon in (1, 5):
        training = training_prices(history, history.index[300], horizon)
        assert training.index[-1] == history.index[300 - horizon]
        assert len(training) == 300 - horizon + 1 <= TRAIN_WINDOW
    assert len(training_prices(history, history.index[300], train_window=100)) == 101
    with pytest.raises(DataError, match=r"299 returns come before the origin of the first forecast, .* asks for 300;"):
        training_prices(history, history.index[300], train_window=300)


def test_names_of_methods_are_kept() -> None:
    assert check_methods(["EGARCH-skewt"]) == ("EGARCH-skewt",)


# with a model ---------------------------------------------------------------------------------------------------------


def test_a_model_of_several_assets_and_a_portfolio_of_them(panel_model: TSGAN, panel: pd.DataFrame) -> None:
    later = panel.set_axis(panel.index + pd.Timedelta(3640, "D"))  # not seen in the fit
    start, stages = later.index[560], list[tuple[str, float]]()
    result = rolling_backtest(
        panel_model,
        later[["COIN", "BOND", "STOCK"]],  # in another order than the model knows
        start,
        levels=(0.05,),
        against=("historical 250",),
        train_window=500,
        progress=lambda stage, share: stages.append((stage, share)),
    )
    assert list(result.realised.columns) == ["COIN", "BOND", "STOCK"]
    assert set(result.table["asset"]) == {"BOND", "STOCK", "COIN"}
    for asset in panel.columns:
        log = np.log(later[asset])
        assert result.realised[asset].to_numpy() == pytest.approx(log.diff()[start:].to_numpy())
        deviation = result.realised[asset].std()
        assert -4 * deviation < result.of("tsgan", asset)["VaR", 0.05].mean() < -0.5 * deviation
    shares = [share for _, share in stages]
    assert (shares[0], shares[-1]) == (0, 1)
    assert shares == sorted(shares)
    assert [stage for stage, _ in stages][:1] == ["tsgan"]
    assert {stage for stage, _ in stages} == {"tsgan", "historical 250", "tests"}

    held = rolling_backtest(
        panel_model, later, start, horizon=5, levels=(0.05,), weights={"STOCK": 0.6, "BOND": 0.4},
        against=("historical 250",), n_samples=200, train_window=500,
    )  # fmt: skip
    assert list(held.realised.columns) == ["portfolio"]
    growth = later / later.shift(5) - 1
    expected = (0.4 * growth["BOND"] + 0.6 * growth["STOCK"])[start:]
    assert held.realised["portfolio"].to_numpy() == pytest.approx(expected.to_numpy())
    assert held.settings["weights"] == {"BOND": 0.4, "STOCK": 0.6, "COIN": 0.0}
    assert held.settings["horizon"] == 5
    assert (held.of("tsgan", "portfolio")["ES", 0.05] < held.of("tsgan", "portfolio")["VaR", 0.05]).all()


def test_a_model_that_has_seen_the_dates_is_said_to_have(model: TSGAN, prices: pd.DataFrame) -> None:
    options: dict[str, Any] = {"against": (), "levels": (0.05,)}
    with pytest.warns(UserWarning, match="these forecasts are no test of it"):
        result = rolling_backtest(model, prices, prices.index[600], **options)
    last = prices.index[-1].date()
    assert any(f"fitted to prices up to {last}" in reason and "no test of it" in reason for reason in result.reasons)
    later = prices.set_axis(prices.index + pd.Timedelta(3640, "D"))
    assert not any(
        "no test" in reason for reason in rolling_backtest(model, later, later.index[600], **options).reasons
    )


def test_a_model_whose_assets_are_missing_is_refused(panel_model: TSGAN, panel: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"no column 'COIN'; the model knows BOND, STOCK, COIN; .* STOCK, BOND"):
        rolling_backtest(panel_model, panel[["STOCK", "BOND"]], panel.index[600])


def test_plain_values_go_to_json(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, simulated(9), forecaster(), settings={"command": "tsgan backtest"})
    values = json.loads(json.dumps(result.to_dict(), default=str))
    assert set(values) == {"verdict", "headline", "reasons", "methods", "tests", "settings"}
    assert len(values["methods"]) == 3
    assert values["settings"]["command"] == "tsgan backtest"
    pd.testing.assert_frame_equal(result.to_frame(), result.table)
