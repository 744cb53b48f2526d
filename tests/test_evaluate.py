"""An evaluation that can say no: it accepts replicates of the true law and refuses the negative controls."""

import numpy as np
import pandas as pd
import pytest

from tsgan import TSGAN, DataError
from tsgan.cli.evaluate import _table
from tsgan.datasets.processes import Garch, prices
from tsgan.evaluation import evaluate
from tsgan.evaluation.controls import CONTROLS
from tsgan.evaluation.copies import copy_guard
from tsgan.evaluation.floor import Sample, block_bootstrap, noise_floor
from tsgan.evaluation.judge import Judge
from tsgan.evaluation.measures import MEASURES, Floats

LAW = Garch(omega=2e-6, alpha=0.02, beta=0.88, gamma=0.16, nu=6.0)  # losses raise volatility, tails are heavy
TIME, PATHS, LENGTH, SEEDS = 4000, 200, 250, 20
NOTICES_SCALE = {m.name for m in MEASURES if m.notices_scale}
MEMORY = {"ACF |r|", "ACF r^2", "ACF decay", "Hurst |r|", "Ljung-Box", "block volatility", "filtered kurtosis"}
DIRECTION = {"leverage", "coarse-fine", "first passage", "signature"}
TAILS = {m.name for m in MEASURES if m.fact == "heavy tails"} | {"kurtosis of sums", "filtered kurtosis"}
BODY = {"W 1", "S 1", "energy", "volatility", "skewness", "tail asymmetry"}
RISK = {m.name for m in MEASURES if m.fact == "tail risk"}
SUMS = {"W 5", "W 20", "W 60", "S 20", "kurtosis of sums", "signature"} | {m for m in RISK if "10 steps" in m}
TOLD = {m.name for m in MEASURES if m.fact == "discrimination"}
MAY_FAIL = {  # what each control violates; it must fail one of them, and nothing else
    "i.i.d. Gaussian": MEMORY | DIRECTION | TAILS | BODY | RISK | SUMS | TOLD,
    "shuffled in time": MEMORY | DIRECTION | SUMS | TOLD | {"kurtosis", "maximum drawdown", "skewness"},
    "reversed in time": DIRECTION | TOLD | {"filtered kurtosis"},
    "scaled by 1.5": NOTICES_SCALE,
    "i.i.d. bootstrap": MEMORY | DIRECTION | SUMS | TOLD | {"kurtosis", "maximum drawdown", "skewness"},
    "exact copy": set[str](),
}


def draw(paths: int, length: int, seed: int) -> Floats:
    return LAW.simulate(paths, length, seed)[..., None]


def mild(paths: int, length: int, seed: int) -> Floats:
    return Garch().simulate(paths, length, seed)[..., None]


@pytest.fixture(scope="module")
def judge() -> Judge:
    """The exact floor of the law; each test puts its own history in."""
    return Judge.of(draw(1, TIME, 1)[0], (PATHS, LENGTH, 1), law=draw)


def on(judge: Judge, history: Floats) -> Judge:
    return judge._replace(real=Sample.of(history[None], judge.length))


def pooled(judge: Judge, scores: Floats) -> float:
    median = judge.floor.quantile(0.5)
    return float(np.log(np.maximum(scores, median) / median).mean())


def test_controls_fail_what_they_violate_and_replicates_pass(judge: Judge) -> None:
    failures: dict[str, list[set[str]]] = {name: [] for name in (*CONTROLS, "replicate")}
    copied: dict[str, list[str]] = {name: [] for name in failures}
    better = dict.fromkeys(CONTROLS, 0)
    for seed in range(SEEDS):
        history = draw(1, TIME, 100 + seed)[0]
        here, rng = on(judge, history), np.random.default_rng(seed)
        paths = {name: control(history, PATHS, LENGTH, rng) for name, control in CONTROLS.items()}
        paths["replicate"] = draw(PATHS, LENGTH, 200 + seed)
        scores = {name: here.scores(drawn) for name, drawn in paths.items()}
        for name, drawn in paths.items():
            verdicts = zip(here.names(), here.verdicts(scores[name]), strict=True)
            failures[name].append({measure for measure, verdict in verdicts if verdict == "fail"})
            copied[name].append(copy_guard(history, drawn, seed).verdict)
        bad = {name: bool(failures[name][-1]) or copied[name][-1] == "fail" for name in paths}
        merit = {name: (bad[name], pooled(here, scores[name])) for name in paths}  # as the ranking sorts
        for name in CONTROLS:
            better[name] += merit[name] < merit["replicate"]
    for name, allowed in MAY_FAIL.items():
        caught = [bool(f & allowed) or c == "fail" for f, c in zip(failures[name], copied[name], strict=True)]
        assert np.mean(caught) >= 0.9, name
        beyond = [f - allowed for f in failures[name]]
        assert np.mean([bool(b) for b in beyond]) <= 0.1, (name, beyond)
    assert copied["exact copy"] == ["fail"] * SEEDS
    assert copied["scaled by 1.5"] == ["fail"] * SEEDS
    for name in ("replicate", "i.i.d. Gaussian", "shuffled in time", "i.i.d. bootstrap"):
        assert copied[name].count("fail") <= 1, name
    assert sum(map(bool, failures["replicate"])) <= 2  # 1 of 100 by construction: three of 20 have a chance of .1 %
    assert max(better.values()) <= 1, better


def test_floor_covers_true_replicates() -> None:
    """Each measure of a replicate lies in its 5-95 % band in 90 % of 200 draws, within 4.5 standard errors."""
    time, paths, length, draws = 1000, 100, 200, 200
    floor = noise_floor(MEASURES, [draw], time, paths, length, draws=draws, seed=50_000)
    low, high = floor.quantile(0.05), floor.quantile(0.95)
    again = noise_floor(MEASURES, [draw], time, paths, length, draws=draws, seed=90_000).distances
    inside = ((again >= low) & (again <= high)).mean(axis=0)
    error = np.sqrt(2 * 0.9 * 0.1 / draws)  # of the replicates and of the band
    assert np.abs(inside - 0.9).max() < 4.5 * error
    assert abs(inside.mean() - 0.9) < 2 * error


def test_floor_is_reproducible_and_does_not_depend_on_processes() -> None:
    some = MEASURES[:3]
    one, two = (noise_floor(some, [draw], 500, 20, 100, draws=12, seed=3, jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(one.distances, two.distances)


def test_block_bootstrap_replays_blocks_of_the_stated_length() -> None:
    history = np.arange(2000.0)[:, None]
    drawn = block_bootstrap(history)(200, 1000, 0)[..., 0]
    follows = np.isclose(np.diff(drawn, axis=1) % 2000, 1)
    assert abs((1 - follows.mean()) - 1 / 250) < 4.5 * np.sqrt(1 / 250 / follows.size)
    np.testing.assert_allclose(np.histogram(drawn, 10)[0] / drawn.size, 0.1, atol=0.03)


def test_copy_guard_finds_copies_even_scaled_and_accepts_new_paths() -> None:
    history = draw(1, 3000, 7)[0]
    rng = np.random.default_rng(0)
    for copied in (CONTROLS["exact copy"], CONTROLS["scaled by 1.5"]):
        found = copy_guard(history, copied(history, 50, 100, rng))
        assert found.verdict == "fail"
        assert found.share > 0.95
    new = copy_guard(history, draw(50, 100, 8))
    assert new.verdict == "pass"
    assert new.share < 0.03
    little = copy_guard(history[:300], mild(50, 100, 8))
    assert little.verdict == "pass"
    assert copy_guard(history[:300], CONTROLS["exact copy"](history[:300], 50, 100, rng)).verdict == "fail"
    short = copy_guard(history[:100], draw(50, 100, 8))
    assert short.verdict == "not computable"
    assert "200 real returns" in short.words


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    return prices(mild(1, 1500, 11)[0]).rename(columns=str)


def long_table(real: pd.DataFrame, returns: Floats) -> pd.DataFrame:
    frames = []
    for i, path in enumerate(returns):
        frame = prices(path, first_date="2030-01-01").set_axis(list(real.columns), axis=1)
        frames.append(frame.rename_axis("date").reset_index().assign(path=i))
    return pd.concat(frames)[["path", "date", *real.columns]]


def test_evaluation_of_a_replicate_and_of_a_wrong_law(real: pd.DataFrame) -> None:
    good = evaluate(real, long_table(real, mild(60, 200, 12)), against_baselines=True, draws=60)
    bad = evaluate(real, long_table(real, 3 * mild(60, 200, 12)), against_baselines=True, draws=60)
    assert good.verdict in {"pass", "warn"}
    assert not good.failed("fail")
    assert bad.verdict == "fail"
    assert bad.failed("warn")
    assert "further from the data than chance allows" in bad.headline
    volatility = bad.table.set_index("measure").loc["volatility"]
    assert volatility["verdict"] == "fail"
    assert volatility["synthetic"] == pytest.approx(3 * volatility["real"], rel=0.3)
    assert bad.ranking is not None
    assert good.ranking is not None
    assert bad.ranking.iloc[-1]["name"] == "synthetic"
    assert "synthetic" in set(good.ranking["name"][:8])  # models fitted to this very history may come before
    assert any("is best of 11" in sentence for sentence in bad.reasons)
    assert bad.reasons[-1].startswith("May they be used? Not where these matter: ")
    assert "tail risk" in bad.reasons[-1]
    assert good.reasons[-1].startswith(("May they be used? Yes", "May they be used? With care"))
    row = good.table[good.table["verdict"] == "pass"].iloc[0]
    assert f"within chance, which reaches {row['floor_high']:.2g}" in row["words"]
    assert set(bad.table["baseline"]) > {"stationary bootstrap"}
    again = evaluate(real, long_table(real, mild(60, 200, 12)), draws=60)
    pd.testing.assert_frame_equal(
        again.table.drop(columns=["baseline", "baseline_distance"]),
        good.table.drop(columns=["baseline", "baseline_distance"]),
    )


def test_what_cannot_be_computed_is_said_and_the_rest_is_reported(real: pd.DataFrame) -> None:
    result = evaluate(real, long_table(real, mild(5, 40, 13)), draws=20)
    table = result.table.set_index("measure")
    assert table.loc["ACF |r|", "verdict"] == "not computable"
    assert "ACF |r| needs paths of at least 101 returns, got 40" in str(table.loc["ACF |r|", "words"])
    assert table.loc["W 1", "verdict"] in {"pass", "warn", "fail"}
    assert "correlation" not in table.index  # one asset: nothing to say about several


def test_constant_paths_fail_and_a_single_path_is_judged(real: pd.DataFrame) -> None:
    constant = evaluate(real, long_table(real, np.zeros((3, 150, 1))), against_baselines=True, draws=20)
    assert constant.verdict == "fail"
    assert "Nothing can be measured" in constant.headline
    assert constant.reasons[-1] == "May they be used? Nothing is known that speaks for it."
    assert constant.ranking is not None
    assert constant.ranking["name"].iloc[-1] == "synthetic"
    single = evaluate(real, long_table(real, mild(1, 300, 14)), draws=20)
    assert (single.table["verdict"] != "not computable").sum() > 30


def test_what_is_too_short_for_everything_is_refused_with_a_sentence(real: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="no measure can be computed from 3 paths of 1 returns"):
        evaluate(real, long_table(real, mild(3, 1, 15)), draws=20)
    with pytest.raises(DataError, match="at least 50 real returns, got 30"):
        evaluate(real.iloc[:31], long_table(real, mild(3, 150, 15)), draws=20)


def test_an_evaluation_without_power_says_so(real: pd.DataFrame) -> None:
    few = evaluate(real.iloc[:120], long_table(real, mild(20, 10, 15)), draws=40)
    assert any("negative controls fail. Not caught" in sentence for sentence in few.reasons)
    assert not few.reasons[-1].startswith("May they be used? Yes")


def test_copies_may_be_used_as_resampled_history(real: pd.DataFrame) -> None:
    history = np.diff(np.log(real.to_numpy()), axis=0)
    copies = CONTROLS["exact copy"](history, 20, 150, np.random.default_rng(0))
    copied = evaluate(real, long_table(real, copies), draws=20)
    assert copied.reasons[-1] == "May they be used? As resampled history, not as new data."


def test_assets_that_the_prices_do_not_have_are_named(real: pd.DataFrame) -> None:
    other = long_table(real, mild(3, 150, 15)).rename(columns={real.columns[0]: "GOLD"})
    with pytest.raises(DataError, match="no column GOLD"):
        evaluate(real, other)


def test_a_model_of_other_assets_is_refused(real: pd.DataFrame, model: TSGAN) -> None:
    with pytest.raises(DataError, match="the model has the assets GARCH, the paths have A; give the model that"):
        evaluate(real, long_table(real, mild(3, 150, 15)), model=model)


def test_later_prices_are_ranked_on(real: pd.DataFrame) -> None:
    later = prices(mild(1, 800, 16)[0]).set_axis(list(real.columns), axis=1)
    result = evaluate(real, long_table(real, mild(30, 150, 17)), against_baselines=True, test=later, draws=20)
    assert result.ranking is not None
    assert "no method has seen" in str(result.ranking.loc[0, "words"])


def test_several_assets_are_judged_together(real: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    common = mild(1, 1500, 18)[0]
    pair = np.hstack([common, 0.6 * common + 0.004 * rng.standard_normal(common.shape)])
    two = prices(pair).set_axis(["A", "B"], axis=1)
    apart = long_table(two, np.concatenate([mild(60, 200, 19), mild(60, 200, 20)], axis=2))
    table = evaluate(two, apart, draws=40).table.set_index(["asset", "measure"])
    assert table.loc[("all", "correlation"), "verdict"] == "fail"
    assert {"A", "B", "all"} == set(table.index.get_level_values("asset"))


def test_of_many_assets_the_terminal_lists_what_does_not_pass(real: pd.DataFrame) -> None:
    result = evaluate(real, long_table(real, 3 * mild(20, 150, 12)), draws=20)
    few = pd.concat([result.table.assign(asset=str(i)) for i in range(4)])
    many = pd.concat([result.table.assign(asset=str(i)) for i in range(5)])
    passed = int((many["verdict"] == "pass").sum())
    assert _table(few).row_count == len(few)
    assert _table(many).row_count == len(many) - passed > 0
    assert _table(few).caption is None
    assert _table(many).caption == f"{passed:,} measures that pass are left out; the report has them"
