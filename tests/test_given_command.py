"""``tsgan sample --given`` and ``--like``: what is written, printed and refused; ``tsgan info`` says what there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tsgan import TSGAN
from tsgan.cli.main import app
from tsgan.regimes import NAMES

N, LENGTH = 40, 20
PERIOD = "2016-01-01:2016-03-31"


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


def tsgan(*args: object) -> Result:
    """Run a command in this process."""
    result = CliRunner().invoke(app, [str(arg) for arg in args], catch_exceptions=False)
    return Result(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, model: TSGAN, panel_model: TSGAN) -> Path:
    """A folder with model.tsgan of one asset, GARCH, and panel.tsgan of BOND, STOCK and COIN."""
    folder = tmp_path_factory.mktemp("models")
    model.save(folder / "model.tsgan")
    panel_model.save(folder / "panel.tsgan")
    return folder


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def sample(files: Path, *options: object, name: str = "model") -> Result:
    return tsgan("sample", "--model", files / f"{name}.tsgan", "--n", N, "--length", LENGTH, "--seed", 1, *options)


def drawn(kind: str = "returns") -> np.ndarray:
    """What was written to synth.npz: (n, length, assets)."""
    with np.load("synth.npz") as arrays:
        return np.asarray(arrays[kind])


def conditioned(files: Path, *options: object, name: str = "model") -> tuple[np.ndarray, dict[str, Any]]:
    """Log returns, and the block of the JSON that says how they came about."""
    result = sample(files, *options, "--json", "--kind", "returns", "--out", "synth.npz", "--force", name=name)
    assert (result.code, result.err) == (0, "")
    written = json.loads(result.out)
    assert (written["paths"], written["length"], written["rows"]) == (N, LENGTH, N * LENGTH)
    block = written["conditioning"]
    assert block is None or set(block) == {"method", "effective_samples", "probability", "interval"}
    return drawn(), block


# what is written ------------------------------------------------------------------------------------------------------


def test_two_bounds_and_another_fact_hold_on_every_path(files: Path) -> None:
    returns, block = conditioned(
        files, "--given", "return>=-0.08", "--given", "return<=-0.02", "--given", "drawdown<=0.09"
    )
    path = returns[:, :, 0].cumsum(axis=1)
    assert ((np.expm1(path[:, -1]) >= -0.08 - 1e-12) & (np.expm1(path[:, -1]) <= -0.02 + 1e-12)).all()
    highest = np.maximum(np.maximum.accumulate(path, axis=1), 0)
    assert (1 - np.exp(path - highest)).max() <= 0.09 + 1e-12
    assert block["method"] == "rejection"
    assert block["effective_samples"] == N
    assert block["interval"][0] < block["probability"] < block["interval"][1]


def test_values(files: Path) -> None:
    returns, block = conditioned(files, "--given", "volatility=0.2", "--given", "return=0.01")
    np.testing.assert_allclose(returns[:, :, 0].std(axis=1) * 252**0.5, 0.2, rtol=1e-6)
    np.testing.assert_allclose(np.expm1(returns[:, :, 0].sum(axis=1)), 0.01, atol=1e-9)
    assert block["probability"] is block["interval"] is None


def test_one_asset_of_several(files: Path) -> None:
    returns, block = conditioned(files, "--given", "STOCK<=-0.02", "--given", "COIN:volatility>=0.5", name="panel")
    assert np.expm1(returns[:, :, 1].sum(axis=1)).max() <= -0.02 + 1e-12
    assert (returns[:, :, 2].std(axis=1) * 252**0.5).min() >= 0.5 - 1e-12
    assert 0 < block["probability"] < 1


def test_a_rare_event_says_what_its_paths_are_worth(files: Path) -> None:
    returns, block = conditioned(files, "--given", "return<=-0.2")
    assert np.expm1(returns.sum(axis=(1, 2))).max() <= -0.2 + 1e-12
    assert block["method"] == "splitting"
    assert 1 <= block["effective_samples"] <= N
    assert 0 < block["interval"][0] < block["probability"] < block["interval"][1] < 0.001


def test_the_same_as_in_python(files: Path, model: TSGAN) -> None:
    returns, block = conditioned(files, "--given", "return<=-0.05", "--given", "regime=stressed")
    condition = {"return": (None, -0.05), "regime": "stressed"}
    paths = model.sample(N, LENGTH, condition=condition, random_state=1)
    np.testing.assert_array_equal(returns, paths.returns)
    assert paths.conditioning is not None
    assert block["probability"] == paths.conditioning.probability
    assert tuple(block["interval"]) == paths.conditioning.interval


def test_like_a_period(files: Path, model: TSGAN, prices: pd.DataFrame) -> None:
    returns, block = conditioned(files, "--like", PERIOD)
    log = np.log(prices["GARCH"]).diff()["2016-01-01":"2016-03-31"]
    np.testing.assert_allclose(returns[:, :, 0].std(axis=1), log.std(ddof=0), rtol=1e-6)
    np.testing.assert_array_equal(returns, model.sample(N, LENGTH, like=PERIOD, random_state=1).returns)
    assert block["probability"] is None
    both, _ = conditioned(files, "--like", PERIOD, "--given", "return<=-0.01")
    assert np.expm1(both.sum(axis=(1, 2))).max() <= -0.01 + 1e-12


def test_stressed_is_worse_than_calm(files: Path) -> None:
    worst = [np.quantile(conditioned(files, "--given", f"regime={name}")[0], 0.05) for name in NAMES]
    assert worst == sorted(worst, reverse=True)


def test_given_goes_with_a_history_and_a_start(files: Path, prices: pd.DataFrame) -> None:
    recent = prices.iloc[200:600]
    recent.to_csv("recent.csv")
    options = ("--given", "drawdown>=0.03", "--history", "recent.csv", "--start-price", 50, "--out", "a.csv", "--quiet")
    assert sample(files, *options) == (0, "", "")
    table = pd.read_csv("a.csv", parse_dates=["date"])
    assert table["date"].min() == recent.index[-1] + pd.offsets.BDay()
    values = np.hstack([np.full((N, 1), 50.0), table["GARCH"].to_numpy().reshape(N, LENGTH)])
    assert (1 - values / np.maximum.accumulate(values, axis=1)).max(axis=1).min() >= 0.03 - 1e-9
    last = sample(files, "--given", "trend=0.5", "--start", "last", "--out", "b.csv", "--quiet")
    assert last == (0, "", "")


def test_without_a_condition_the_block_is_null(files: Path) -> None:
    assert conditioned(files)[1] is None
    assert conditioned(files, "--given", "trend=0.1")[1] is None  # met by moving the mean: no path is chosen


# what is printed ------------------------------------------------------------------------------------------------------


def test_how_rare_it_is_is_said_before_what_was_written(files: Path) -> None:
    code, out, err = sample(files, "--given", "return<=-0.05")
    assert (code, err) == (0, "")
    chance, wrote = out.splitlines()
    assert chance.endswith(" %)")
    assert " % of all paths do what was asked for (95 % interval " in chance
    assert wrote == f"wrote 800 rows ({N} paths × {LENGTH} steps, 1 asset) to synth.csv"


def test_so_are_common_ancestors(files: Path) -> None:
    code, out, err = sample(files, "--given", "return<=-0.3")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 3
    assert f"the {N} paths have common ancestors: they are worth" in out.splitlines()[1]


def test_a_search_tells_how_far_it_is(model: TSGAN) -> None:
    told: list[tuple[str, float]] = []
    model.sample(10, LENGTH, condition={"return": (None, -0.15)}, random_state=1, progress=lambda *at: told.append(at))
    stages = [stage for stage, _ in told]
    assert stages[0] == stages[-1] == "sampling"
    levels = [int(stage.split()[-1].replace(",", "")) for stage in stages if stage.startswith("searching")]
    assert levels[0] == 2
    assert levels == sorted(levels)
    assert levels[-1] > 100
    told.clear()
    model.sample(10, LENGTH, condition={"return": (None, 0.0)}, random_state=1, progress=lambda *at: told.append(at))
    assert ("waiting for such paths", 1.0) in told


def test_a_value_is_not_rare_or_common(files: Path) -> None:
    code, out, err = sample(files, "--given", "volatility=0.15")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 1


def test_quiet_is_quiet(files: Path) -> None:
    assert sample(files, "--given", "return<=-0.05", "--quiet") == (0, "", "")


def test_info_shows_the_regimes(files: Path, model: TSGAN) -> None:
    code, out, err = tsgan("info", files / "model.tsgan", "--json")
    assert (code, err) == (0, "")
    regimes = json.loads(out)["regimes"]
    assert regimes == model.describe()["regimes"]
    for name in NAMES:
        assert set(regimes[name]) >= {"volatility", "share", "persistence", "longest"}
    code, out, err = tsgan("info", files / "model.tsgan")
    assert (code, err) == (0, "")
    for text in ("regimes", *NAMES, "persistence", "longest", *regimes["stressed"]["longest"]):
        assert text in out


# what is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--given", "volatility"), "--given must be NAME=VALUE, NAME<=VALUE or NAME>=VALUE"),
        (("--given", ""), "--given must be NAME=VALUE"),
        (("--given", "return<-0.2"), "--given must be NAME=VALUE"),
        (("--given", "return<=-20%%"), "<= needs a number, not '-20%%'"),
        (("--given", "return=0.1", "--given", "return=0.2"), "--given says return twice"),
        (("--given", "return<=0.1", "--given", "return<=0.2"), "--given says return twice"),
        (("--given", "return>=0.2", "--given", "return<=0.1"), "no path can have return >= 0.2 and <= 0.1"),
        (("--given", "volatlity=0.4"), "did you mean 'volatility'?"),
        (("--given", "SPY<=-0.1"), "possible: return, drawdown, volatility, trend, regime, GARCH"),
        (("--given", "VIX=30"), "with --condition-on VIX in the fit"),
        (
            ("--given", "volatility=high"),
            "volatility must be a number > 0, or (low, high), such as 0.4 for 40 % a year and 20 at most, not 'high'",
        ),
        (("--given", "volatility=-0.4"), "volatility must be a number > 0"),
        (("--given", "volatility=nan"), "volatility must be a number > 0"),
        (("--given", "return<=-1"), "return must be a number > -1"),
        (("--given", "drawdown=0.3"), "drawdown needs bounds such as drawdown>=0.3"),
        (("--given", "drawdown>=1.3"), "drawdown must be bounds between 0 and 1"),
        (("--given", "regime=wild"), "regime must be one of calm, normal, stressed"),
        (("--given", "regime<=calm"), "<= needs a number"),
        (("--given", "regime>=1"), "regime must be one of calm, normal, stressed"),
        (("--given", "return>=50", "--length", 3), "out of reach of 3 steps"),
        (("--given", "volatility=0.3", "--length", 3), "paths of 3 steps have no volatility"),
        (("--like", "gfc"), "the model knows 2015-01-01 to 2017-09-07"),
        (("--like", "crisis"), "a period is FIRST:LAST, such as 2008-09-01:2009-03-31, or a name"),
        (("--like", "2016-01-04"), "a period is FIRST:LAST"),
        (("--like", PERIOD, "--start", "last"), "like says where the paths start"),
    ],
)
def test_what_is_not_possible_is_a_sentence(files: Path, options: tuple[object, ...], sentence: str) -> None:
    result = sample(files, *options)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert len(result.err.splitlines()) == 1
    assert sentence in result.err
    assert list(Path.cwd().iterdir()) == []
