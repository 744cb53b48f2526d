"""Covariates: known at one price, used for the return to the next; unknown where they are missing."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from tsgan import TSGAN, Config, ConfigError, DataError, DataWarning, ModelFileError
from tsgan.cli.main import app
from tsgan.covariates import FORETELL_NOTHING, Covariate, Covariates, Inputs, known_at
from tsgan.datasets import read_covariates
from tsgan.evaluation import rolling_forecasts
from tsgan.fitting import fit_laws
from tsgan.objectives import OBJECTIVES
from tsgan.store import read_model, write_model

DATES = pd.bdate_range("2020-01-01", periods=60, name="date")
QUICK = dataclasses.replace(
    Config().with_training(steps=2, critic_warm_up=2),
    warm_start=dataclasses.replace(Config().warm_start, steps=400),
)

SHORT = dataclasses.replace(QUICK, warm_start=dataclasses.replace(QUICK.warm_start, steps=20))  # where any law will do


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    level = np.exp(0.4 * rng.standard_normal(60) + 3)
    return pd.DataFrame({"VIX": level, "sign": rng.standard_normal(60), "mood": ["up", "down", "flat"] * 20}, DATES)


def market(rows: int = 800) -> pd.DataFrame:
    """Prices whose log volatility is that of a mood, quiet or loud, known the day before; and a number that is it."""
    rng = np.random.default_rng(1)
    loud = np.cumsum(rng.random(rows) < 0.05) % 2 == 1
    r = np.where(loud[:-1], 0.02, 0.005) * rng.standard_normal(rows - 1)
    prices = 100 * np.exp(np.concatenate(([0.0], r.cumsum())))
    dates = pd.bdate_range("2015-01-01", periods=rows, name="date")
    mood = np.where(loud, "loud", "quiet")
    return pd.DataFrame({"X": prices, "mood": mood, "fear": np.where(loud, 30.0, 15.0) + rng.random(rows)}, dates)


@pytest.fixture(scope="module")
def guided() -> TSGAN:
    return TSGAN(config=QUICK, condition_on=["mood", "fear"], random_state=0, device="cpu").fit(market())


def volatility(model: TSGAN, **options: object) -> float:
    return float(model.sample(300, length=60, random_state=0, **options).returns.std())  # type: ignore[arg-type]


class TestInputs:
    def test_numbers_are_standardised_in_logs_where_that_is_less_skewed(self) -> None:
        learned = Covariates.learn(table())
        vix, sign, mood = learned.each
        assert vix.in_logs
        assert not sign.in_logs
        inputs = learned.encode(table())
        np.testing.assert_allclose(inputs[:, [0, 7]].mean(0), 0, atol=1e-12)
        np.testing.assert_allclose(inputs[:, [0, 7]].std(0), 1)
        assert learned.blocks == (7, 7, 4)
        bends = np.maximum(inputs[:, [7]] - [-1, -0.5, 0, 0.5, 1], 0)
        np.testing.assert_allclose(inputs[:, 8:13], bends)
        assert mood.categories == ["down", "flat", "up"]

    def test_one_input_a_category_and_a_flag_for_what_is_known(self) -> None:
        learned = Covariates.learn(table())
        inputs = learned.encode(table().iloc[:3])
        np.testing.assert_array_equal(inputs[:, 14:], [[0, 0, 1, 1], [1, 0, 0, 1], [0, 1, 0, 1]])

    def test_what_is_missing_is_unknown_and_its_block_zero(self) -> None:
        holes = table()
        holes.loc[DATES[1], ["VIX", "mood"]] = [np.nan, None]
        inputs = Covariates.learn(holes).encode(holes)
        np.testing.assert_array_equal(inputs[1, [*range(7), *range(14, 18)]], 0)
        assert inputs[1, 13] == 1

    def test_round_trip_through_json(self) -> None:
        learned = Covariates.learn(table())
        again = Covariates.from_list(json.loads(json.dumps(learned.to_list())))
        np.testing.assert_array_equal(again.encode(table()), learned.encode(table()))

    def test_known_is_the_last_value_on_or_before_a_date(self) -> None:
        monthly = pd.DataFrame({"rate": [1.0, np.nan, 3.0]}, pd.to_datetime(["2020-01-15", "2020-01-31", "2020-02-15"]))
        known = known_at(monthly, pd.to_datetime(["2020-01-14", "2020-01-15", "2020-02-14", "2020-02-15"]))
        np.testing.assert_array_equal(known["rate"], [np.nan, 1, 1, 3])

    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            (["same"] * 60, "2 to 20 categories"),
            ([str(k) for k in range(60)], "60 different texts"),
            ([5.0] * 60, "not all the same"),
            ([np.inf, *range(59)], "finite numbers"),
            ([np.nan] * 40 + [1.0] * 20, "20 known values"),
        ],
    )
    def test_what_cannot_be_learned_gets_a_sentence(self, values: list[object], sentence: str) -> None:
        with pytest.raises(DataError, match=sentence):
            Covariate.learn("odd", pd.Series(values, DATES))

    @pytest.mark.parametrize("name", ["volatility", "return", "SPY:trend"])
    def test_names_of_other_conditions_are_taken(self, name: str) -> None:
        with pytest.raises(DataError, match="rename the column"):
            Covariates.learn(pd.DataFrame({name: range(60)}, DATES))

    def test_every_subset_can_be_given_so_there_may_not_be_many(self) -> None:
        with pytest.raises(DataError, match="9 covariates are too many"):
            Covariates.learn(pd.DataFrame({f"c{k}": np.arange(60.0) for k in range(9)}, DATES))


class TestOverAHorizon:
    learned = Covariates.learn(table())
    ahead = pd.bdate_range("2020-04-01", periods=3)

    def test_constant_path_and_series(self) -> None:
        constant = self.learned.over({"sign": 0.5}, self.ahead)
        np.testing.assert_array_equal(constant, self.learned.over({"sign": [0.5, 0.5, 0.5]}, self.ahead))
        assert (constant[:, 13] == 1).all()
        assert (constant[:, [6, 17]] == 0).all()  # nothing is said about the others
        some = self.learned.over({"sign": [0.5, None, 0.5]}, self.ahead)
        np.testing.assert_array_equal(some[:, 13], [1, 0, 1])

    def test_a_series_with_dates_conditions_the_step_after_each(self) -> None:
        dated = pd.Series(["up", "down", "flat"], pd.to_datetime(["2020-03-31", "2020-04-01", "2020-04-02"]))
        inputs = self.learned.over({"mood": dated}, self.ahead)
        np.testing.assert_array_equal(inputs, self.learned.over({"mood": ["up", "down", "flat"]}, self.ahead))

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            ({"VIX": -1}, "VIX must be a number > 0, not -1"),
            ({"VIX": "high"}, "VIX must be a number > 0, not high"),
            ({"mood": "sad"}, "one of down, flat, up, not 'sad'"),
            ({"sign": [1, 2]}, "2 values for 3 steps"),
        ],
    )
    def test_impossible_values_get_a_sentence(self, given: dict[str, object], sentence: str) -> None:
        with pytest.raises(ConfigError, match=sentence):
            self.learned.over(given, self.ahead)

    def test_values_never_seen_are_an_extrapolation(self) -> None:
        with pytest.warns(DataWarning, match="VIX = 500 lies outside what the model has seen"):
            self.learned.over({"VIX": 500}, self.ahead)


class TestModel:
    def test_each_covariate_alone_and_both_together_set_the_volatility(self, guided: TSGAN) -> None:
        for loud, quiet in (({"mood": "loud"}, {"mood": "quiet"}), ({"fear": 30.5}, {"fear": 15.5})):
            assert volatility(guided, condition=loud) == pytest.approx(0.02, rel=0.15)
            assert volatility(guided, condition=quiet) == pytest.approx(0.005, rel=0.15)
        both = {"mood": "loud", "fear": 30.5}
        assert volatility(guided, condition=both) == pytest.approx(0.02, rel=0.15)

    def test_the_law_without_them_is_that_of_a_model_that_never_saw_them(self) -> None:
        config, whole = SHORT.with_training(steps=0), market().drop(columns="fear")
        plain, guided = (TSGAN(config=config, condition_on=on, random_state=0, device="cpu") for on in (None, ["mood"]))
        plain.fit(whole[["X"]])
        guided.fit(whole)
        one, two = (m.sample(20, length=30, random_state=0).returns for m in (plain, guided))
        np.testing.assert_array_equal(one, two)

    def test_no_look_ahead(self) -> None:
        changed = market()
        changed.loc[changed.index[500] :, "fear"] = 99.0
        steps = [
            Covariates((Covariate("fear", None),)).encode(known_at(m[["fear"]], pd.DatetimeIndex(m.index)))
            for m in (market(), changed)
        ]
        assert np.array_equal(steps[0][:500], steps[1][:500])  # conditions of the first 500 returns

    def test_a_file_of_their_own_is_the_same_as_columns_beside_the_prices(self) -> None:
        whole = market()
        beside = TSGAN(config=SHORT, condition_on=["mood", "fear"], random_state=0, device="cpu").fit(whole)
        apart = TSGAN(config=SHORT, random_state=0, device="cpu").fit(
            whole[["X"]], covariates=whole[["mood", "fear"]].tz_localize("UTC").sample(frac=1, random_state=0)
        )
        one, two = (m.sample(20, 30, condition={"mood": "loud"}, random_state=0).returns for m in (beside, apart))
        np.testing.assert_array_equal(one, two)

    def test_what_is_missing_at_sampling(self, guided: TSGAN) -> None:
        usual = float(np.diff(np.log(market()["X"])).std())
        assert volatility(guided) == pytest.approx(usual, rel=0.25)
        assert volatility(guided, missing="history") == pytest.approx(usual, rel=0.25)
        last = volatility(guided, missing="history", start="last")
        assert 0.004 < last < 0.021
        with pytest.raises(ConfigError, match="nothing is said about fear"):
            guided.sample(5, condition={"mood": "loud"}, missing="error")
        with pytest.raises(ConfigError, match="missing must be one of"):
            guided.sample(5, missing="guess")  # type: ignore[arg-type]

    def test_a_frame_over_the_horizon_turns_the_volatility_on(self, guided: TSGAN) -> None:
        dates = guided.sample(1, length=40).dates
        mood = pd.DataFrame({"mood": ["quiet"] * 20 + ["loud"] * 20}, dates - pd.Timedelta(days=1))
        size = guided.sample(300, length=40, condition=mood, random_state=0).returns.std(axis=(0, 2))
        assert size[20:].mean() == pytest.approx(0.02, rel=0.2)
        assert size[:20].mean() == pytest.approx(0.005, rel=0.2)

    def test_combined_with_events_history_and_volatility(self, guided: TSGAN) -> None:
        recent = market()[["X"]].iloc[-30:]
        paths = guided.sample(
            100, length=30, history=recent, condition={"mood": "loud", "return": (None, -0.1)}, random_state=0
        )
        assert (paths.prices[:, -1, 0] / paths.start_price[0] <= 0.9 + 1e-12).all()
        assert paths.conditioning is not None
        assert paths.conditioning.probability is not None
        other = guided.sample(
            100, length=30, history=recent, condition={"mood": "quiet", "return": (None, -0.1)}, random_state=0
        )
        assert other.conditioning is not None
        assert other.conditioning.probability is not None
        assert paths.conditioning.probability > 10 * other.conditioning.probability

    def test_a_period_brings_its_covariates(self, guided: TSGAN) -> None:
        whole = market()
        loud = (whole["mood"] == "loud").to_numpy()
        run = int(np.flatnonzero(np.convolve(loud, np.ones(20), "valid") == 20)[0])
        first, last = (str(whole.index[run + k].date()) for k in (1, 19))
        quiet = {"volatility": (None, 10.0)}  # any; the covariates alone make it loud
        paths = guided.sample(100, length=40, like=f"{first}:{last}", condition=quiet, random_state=0)
        assert paths.returns.std() == pytest.approx(0.02, rel=0.25)

    def test_the_file_keeps_everything(self, guided: TSGAN, tmp_path: Path) -> None:
        guided.save(tmp_path / "m.tsgan")
        again = TSGAN.load(tmp_path / "m.tsgan", device="cpu")
        assert again.describe() == guided.describe()
        assert again.condition_on == ["mood", "fear"]
        for options in ({"condition": {"mood": "loud"}}, {"missing": "history"}, {}):
            one, two = (m.sample(20, 30, random_state=0, **options).returns for m in (guided, again))
            np.testing.assert_array_equal(one, two)

    def test_a_file_of_the_law_before_is_refused(self, guided: TSGAN, tmp_path: Path) -> None:
        guided.save(tmp_path / "m.tsgan")
        tensors, document = read_model(tmp_path / "m.tsgan")
        tensors["generator.guidance.neutral"] = tensors["generator.neutral"].clone()
        write_model(tmp_path / "m.tsgan", tensors, document)
        with pytest.raises(ModelFileError, match="fit it again"):
            TSGAN.load(tmp_path / "m.tsgan")

    def test_verdict_says_what_they_are_worth(self, guided: TSGAN) -> None:
        said = next(line for line in guided.verdict_ if "covariates" in line)
        assert re.search("(raise|lower) the mean log score", said)
        assert "nothing beyond" not in said

    def test_new_rows_bring_theirs_or_leave_them_unknown(self, guided: TSGAN, tmp_path: Path) -> None:
        guided.save(tmp_path / "m.tsgan")
        longer = market(820)
        longer["X"] *= market()["X"].iloc[0] / longer["X"].iloc[0]
        longer.iloc[:800, 0] = market()["X"].to_numpy()
        longer.iloc[800:, 0] = market()["X"].iloc[-1] * np.exp(0.001 * np.arange(1, 21))
        with_them, without = (TSGAN.load(tmp_path / "m.tsgan", device="cpu") for _ in range(2))
        with_them.update(longer)
        without.update(longer[["X"]])
        assert with_them.inputs_[800:, [2, 9]].all()
        assert not without.inputs_[800:].any()
        assert len(with_them.inputs_) == len(with_them.dates_) == 820

    def test_forecasts_of_risk_are_from_prices_alone(self, guided: TSGAN) -> None:
        whole, start = market(), "2018-01-10"
        seen = pytest.warns(DataWarning, match="no test of it")
        with seen:
            plain = rolling_forecasts(guided, whole[["X"]], start)
        with seen:
            pd.testing.assert_frame_equal(rolling_forecasts(guided, whole, start), plain)
        fresh = TSGAN(config=SHORT.with_training(steps=0), condition_on=["mood", "fear"], random_state=0, device="cpu")
        refitted = rolling_forecasts(fresh, whole, start, refit_every=100, train_window=700)
        assert refitted.shape == plain.shape

    def test_unknown_names_get_a_sentence(self) -> None:
        with pytest.raises(DataError, match="no covariate 'VIX'"):
            TSGAN(condition_on=["VIX"]).fit(market()[["X"]])

    @pytest.mark.parametrize(
        ("objective", "critic"),
        [(None, "conv"), (None, "lstm"), *((name, "both") for name in OBJECTIVES)],
    )
    def test_training_moves_their_effect(self, objective: str | None, critic: str) -> None:
        config, whole = SHORT.with_training(objective=objective, critic=critic, critic_warm_up=2), market()
        learned = Covariates.learn(whole[["mood"]])
        inputs = Inputs(learned.encode(whole[["mood"]])[:-1], learned.blocks)
        returns = np.diff(np.log(whole[["X"]].to_numpy()), axis=0)
        fits = [fit_laws(returns, config, [0, 2], 0, torch.device("cpu"), lambda _: None, inputs) for _ in range(2)]
        before, after, again = (law.generator.guidance for law in (*fits[0].laws.values(), fits[1].laws[2]))
        assert before is not None
        assert after is not None
        assert again is not None
        assert torch.equal(before.variance, after.variance)  # what they say alone stays
        assert not torch.equal(before.forget, after.forget)
        assert torch.equal(after.forget, again.forget)  # same seed, same bits


def test_the_command_line_fits_and_samples_with_them(tmp_path: Path) -> None:
    run = CliRunner()
    prices, moods, model, out = (tmp_path / name for name in ("p.csv", "moods.csv", "m.tsgan", "s.csv"))
    config = tmp_path / "run.toml"
    config.write_text("[warm_start]\nsteps = 100\n[training]\nsteps = 0\n")
    whole = market()
    whole[["X", "fear"]].to_csv(prices)
    whole[["mood"]].to_csv(moods)
    fit = ["fit", str(prices), "--config", str(config), "--out", str(model), "--covariates", str(moods)]
    result = run.invoke(app, [*fit, "--condition-on", "mood", "--condition-on", "fear", "--quiet"])
    assert result.exit_code == 0, result.output
    described = json.loads(run.invoke(app, ["info", str(model), "--json"]).stdout)
    assert described["covariates"]["mood"] == {"categories": ["loud", "quiet"]}
    assert described["assets"] == ["X"]
    sample = ["sample", "--model", str(model), "--n", "20", "--length", "20", "--out", str(out), "--force"]
    for more in (
        ["--given", "mood=loud"],
        ["--given", "fear=20", "--missing", "history"],
        ["--covariates", str(moods)],
    ):
        result = run.invoke(app, [*sample, *more])
        assert result.exit_code == 0, result.output
    fitted = TSGAN.load(model)
    fitted.fit_["verdict"] = [f"The mood is worth -0.0021: {FORETELL_NOTHING}."]
    fitted.save(model)
    for more in (["--given", "mood=loud"], ["--covariates", str(moods)]):
        assert f"note: The mood is worth -0.0021: {FORETELL_NOTHING}." in run.invoke(app, [*sample, *more]).stderr
    assert "note: The mood" not in run.invoke(app, sample).stderr
    assert run.invoke(app, [*sample, "--given", "mood=loud", "--quiet"]).output == ""
    result = run.invoke(app, [*sample, "--given", "mood=sad"])
    assert result.exit_code == 2
    assert "one of loud, quiet" in result.output
    result = run.invoke(app, [*fit, "--condition-on", "MOOD", "--force"])
    assert result.exit_code == 2
    assert "there is no column 'MOOD'" in result.output


def test_covariates_are_read_from_the_files_of_prices(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "c.csv")
    read = read_covariates(tmp_path / "c.csv", columns=["mood", "VIX"])
    assert list(read.columns) == ["mood", "VIX"]
    pd.testing.assert_index_equal(read.index, pd.DatetimeIndex(DATES.as_unit("us").to_numpy(), name="date"))
    np.testing.assert_allclose(read["VIX"], table()["VIX"])
