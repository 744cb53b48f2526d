"""``tsgan risk``: the figures are those of the paths that it draws, in simple returns, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tsgan import TSGAN
from tsgan.cli.main import app

N = 2000


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


def risk(model: Path, *args: object) -> Result:
    """Run the command in this process."""
    words = ["risk", "--model", model, "--n", N, *args]
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    return Result(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, model: TSGAN) -> Path:
    file = tmp_path_factory.mktemp("alone") / "model.tsgan"
    model.save(file)
    return file


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, panel_model: TSGAN) -> Path:
    file = tmp_path_factory.mktemp("several") / "panel.tsgan"
    panel_model.save(file)
    return file


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def figures(result: Result) -> pd.DataFrame:
    """The rows of the JSON, named by asset and level."""
    assert (result.code, result.err) == (0, "")
    written = json.loads(result.out)
    assert written["unit"] == "simple return"
    table = pd.DataFrame(written["risk"])
    return table.set_index(table["asset"] + " " + table["level"].astype(str))


def tail(returns: np.ndarray, level: float) -> tuple[float, float]:
    """Quantile of some draws, and the mean of those that do not exceed it."""
    var = np.quantile(returns, level)
    return float(var), float(returns[returns <= var].mean())


def test_an_asset_from_the_last_known_row(alone: Path, model: TSGAN) -> None:
    table = figures(risk(alone, "--horizon", 5, "--levels", "5%,1%", "--seed", 3, "--json"))
    paths = model.sample(N, 5, start="last", random_state=3)
    ends = paths.prices[:, -1, 0] / model.last_price_[0] - 1
    for level in (0.05, 0.01):
        row = table.loc[f"GARCH {level}"]
        np.testing.assert_allclose((row["VaR"], row["ES"]), tail(ends, level), rtol=1e-12)
        assert row["VaR_low"] < row["VaR"] < row["VaR_high"] < 0
        assert row["ES_low"] < row["ES"] < row["ES_high"] < 0


def test_a_portfolio(several: Path, panel_model: TSGAN) -> None:
    table = figures(risk(several, "--horizon", 3, "--levels", ".05", "--weights", "STOCK=0.6,BOND=0.4", "--json"))
    ends = panel_model.sample(N, 3, start="last", random_state=0).prices[:, -1] / panel_model.last_price_ - 1
    assert [*table.index] == ["portfolio 0.05"]
    row = table.iloc[0]
    np.testing.assert_allclose((row["VaR"], row["ES"]), tail(ends @ [0.4, 0.6, 0.0], 0.05), rtol=1e-12)


def test_a_history_and_its_day_are_where_the_paths_begin(
    alone: Path, model: TSGAN, later: pd.DataFrame, tmp_path: Path
) -> None:
    later.to_csv(tmp_path / "later.csv")
    result = risk(alone, "--history", tmp_path / "later.csv", "--json")
    assert json.loads(result.out)["after"] == str(later.index[-1].date())
    ends = np.expm1(model.sample(N, 1, history=later, random_state=0).returns[:, 0, 0])
    np.testing.assert_allclose(figures(result)["VaR"]["GARCH 0.05"], tail(ends, 0.05)[0], rtol=1e-9)


def test_under_a_condition(alone: Path) -> None:
    calm = figures(risk(alone, "--horizon", 20, "--given", "volatility=0.1", "--levels", ".05", "--json"))
    wild = figures(risk(alone, "--horizon", 20, "--given", "volatility=0.3", "--levels", ".05", "--json"))
    assert wild["ES"].iloc[0] < 2 * calm["ES"].iloc[0] < 0
    like = risk(alone, "--like", "2016-01-01:2016-03-31", "--json")
    assert figures(like)["VaR"].max() < 0
    falls = risk(alone, "--horizon", 20, "--given", "return<=-0.02", "-q", "--json")
    assert figures(falls)["VaR"].max() <= -0.02
    assert 0 < json.loads(falls.out)["conditioning"]["probability"] < 1


def test_what_a_person_reads(several: Path, panel_model: TSGAN) -> None:
    result = risk(several, "--horizon", 2, "--levels", "5%", "--given", "return<=-0.001")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[1].split() == ["asset", "level", "VaR", "95", "%", "interval", "ES", "95", "%", "interval"]
    assert [line.split()[0] for line in lines if " to -" in line] == ["BOND", "STOCK", "COIN"]
    assert any("of all paths do what was asked for" in line for line in lines)
    last = panel_model.dates_[-1].date()
    assert lines[-1].startswith(f"Simple returns of the 2 steps after {last}, to ")
    assert lines[-1].endswith(f"{N:,} paths; a loss is below 0.")
    assert risk(several, "--quiet") == (0, "", "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--levels", "60%"), "a level is the probability of the lower tail"),
        (("--n", 50, "--levels", ".01"), "50 draws have none below the level 0.01; take 100"),
        (("--weights", "SPY=1"), "the weights name 'SPY'; the prices have the columns GARCH"),
        (("--weights", "GARCH:1"), "--weights must be shares of assets such as SPY=0.6,TLT=0.4"),
        (("--given", "volatility"), "--given"),
        (("--like", "lehman", "--history", "absent.csv"), "absent.csv cannot be read: there is no such file"),
    ],
)
def test_what_is_refused(alone: Path, options: tuple[object, ...], said: str) -> None:
    result = risk(alone, *options)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert said in result.err


def test_without_a_model(tmp_path: Path) -> None:
    result = risk(tmp_path / "absent.tsgan")
    assert (result.code, result.out) == (2, "")
    assert "make one first: tsgan fit prices.csv" in result.err
