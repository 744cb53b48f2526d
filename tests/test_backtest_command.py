"""``tsgan backtest``: table, JSON, exit codes, the page and the section in a report, and a sentence for bad input."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tsgan import TSGAN, Config, ConfigError, TrainingError
from tsgan.cli.main import app
from tsgan.cli.options import parse_levels, parse_weights
from tsgan.datasets.processes import Garch, prices
from tsgan.evaluation import BASELINES
from tsgan.evaluation.risk.rolling_backtest import OPPONENTS

ROWS, LAST = 700, 520  # rows in all, and the last of those that the model is fitted to
QUICK = ("--levels", ".05", "--against", "historical 250,GJR-skewt", "--quiet", "--json")


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


def tsgan(*args: object) -> Result:
    """Run a command in this process."""
    result = CliRunner().invoke(app, [str(arg) for arg in args], catch_exceptions=False)
    return Result(result.exit_code, result.stdout, result.stderr)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@dataclass(frozen=True)
class Project:
    """A folder with prices of two assets, and a model of both fitted to the first of them."""

    folder: Path
    table: pd.DataFrame

    @property
    def prices(self) -> Path:
        return self.folder / "prices.csv"

    @property
    def model(self) -> Path:
        return self.folder / "model.tsgan"

    @property
    def start(self) -> str:
        return str(self.table.index[LAST].date())

    def backtest(self, *options: object) -> Result:
        """Run the command with the model."""
        return tsgan("backtest", self.prices, "--model", self.model, "--start", self.start, *options)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("backtest")
    law = Garch(alpha=0.05, beta=0.88, gamma=0.1)
    returns = np.stack([law.simulate(1, ROWS - 1, seed=seed)[0] for seed in (1, 2)], axis=-1)
    table = prices(returns)
    table.to_csv(folder / "prices.csv")
    model = TSGAN(config=Config().with_training(steps=2), random_state=0, device="cpu")
    model.fit(table.iloc[:LAST]).save(folder / "model.tsgan")
    return Project(folder, table)


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


# what is printed ------------------------------------------------------------------------------------------------------


def test_tables_reasons_verdict_and_page(project: Project, tmp_path: Path) -> None:
    code, out, err = project.backtest()
    assert code == 0, err
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[2].split() == ["asset", "level", "method", "breaches", "share", "FZ0", "DM", "t", "set", "refits"]
    for method in ("tsgan", *OPPONENTS):
        assert sum(bool(re.search(rf" {{3}}{method} +\d+ +[\d.]+ % ", line)) for line in lines) == 2 * 3
    assert "(corrected)" in out
    for test in ("Kupiec", "dynamic quantile", "Acerbi-Szekely Z2", "McNeil-Frey"):
        assert sum(bool(re.match(rf"  [AB ]       {test} ", line)) for line in lines) == 2
    assert re.fullmatch(r"(PASS|WARN|FAIL): .*\.", lines[-2])
    assert lines[-1] == "wrote backtest.html"
    assert sum("lowest loss FZ0" in line for line in lines) == 2 * 3
    assert "\x1b" not in out
    assert "100%  tests" in err
    assert files(tmp_path) == {"backtest.html"}
    page = (tmp_path / "backtest.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.endswith("</html>\n")
    assert page.count("<svg") == page.count("</svg>")
    assert re.sub(r"^\w+: ", "", lines[-2]) in page


def test_json(project: Project, tmp_path: Path) -> None:
    code, out, err = project.backtest(*QUICK)
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["verdict"] in {"pass", "warn", "fail"}
    settings = result["settings"]
    assert (settings["start"], settings["end"]) == (project.start, str(project.table.index[-1].date()))
    assert settings["model"] == str(project.model)
    assert settings["files"] == {"prices": str(project.prices)}
    assert [row["method"] for row in result["methods"]] == 2 * ["tsgan", "historical 250", "GJR-skewt"]
    for row in result["methods"]:
        assert row["dates"] == ROWS - LAST
        assert row["share"] == pytest.approx(row["breaches"] / row["dates"])
    assert {row["test"] for row in result["tests"]} >= {"Kupiec", "Christoffersen", "McNeil-Frey"}
    assert files(tmp_path) == set()
    assert project.backtest(*QUICK).out != ""
    again = json.loads(project.backtest(*QUICK).out)
    assert [again[name] for name in ("methods", "tests")] == [result[name] for name in ("methods", "tests")]


def test_quiet_is_quiet(project: Project, tmp_path: Path) -> None:
    assert project.backtest("--levels", "5%", "--against", "historical 250", "--quiet") == (0, "", "")
    assert files(tmp_path) == {"backtest.html"}


def test_of_many_assets_only_the_tests_that_reject_are_listed(tmp_path: Path) -> None:
    from io import StringIO

    from rich.console import Console

    from tsgan.cli.backtest import _tests

    rows = [
        {"asset": asset, "level": level, "test": test, "p_value": 0.5, "adjusted": 1.0, "verdict": "pass", "words": ""}
        for asset in "ABCDE"
        for test in ("Kupiec", "McNeil-Frey")
        for level in (0.05, 0.01)
    ]
    rows[5] |= {"p_value": 1e-6, "adjusted": 2e-5, "verdict": "fail"}
    screen = StringIO()
    Console(file=screen, width=100).print(_tests(pd.DataFrame(rows)))
    shown = screen.getvalue()
    assert shown.count("Kupiec") + shown.count("McNeil-Frey") == 1
    assert "<0.001 (<0.001)" in shown
    assert "18 tests that do not reject are left out" in shown


# how it is forecast ---------------------------------------------------------------------------------------------------


def test_a_model_is_fitted_where_none_is_given(project: Project) -> None:
    code, out, err = tsgan(
        "backtest", project.prices, "--steps", 0, "--columns", "B", "--levels", "5%", "--against", "historical 250",
        "--json", "--seed", 3,
    )  # fmt: skip
    assert code == 0, err
    assert "warm start" in err
    assert "100%  tests" in err
    settings = json.loads(out)["settings"]
    assert settings["start"] == str(project.table.index[round(0.7 * ROWS)].date())
    assert settings["train_window"] == round(0.7 * ROWS) - 1
    assert settings["model"] == f"fitted to {settings['train_window']} returns before the first forecast"
    assert settings["seed"] == 3
    assert settings["levels"] == [0.05]


def test_a_portfolio_reads_its_assets_only(project: Project, tmp_path: Path) -> None:
    holes = project.table.assign(C=np.nan).reset_index()
    holes.loc[5, "C"] = 1.0
    holes.to_csv(tmp_path / "holes.csv", index=False)
    options = ("--horizon", 5, "--n", 200, "--steps", 0, *QUICK)
    code, out, err = tsgan("backtest", tmp_path / "holes.csv", "--weights", "B=.6,A=.4", *options)
    assert code == 0, err
    result = json.loads(out)
    assert {row["asset"] for row in result["methods"]} == {"portfolio"}
    assert result["settings"]["weights"] == {"B": 0.6, "A": 0.4}
    assert result["settings"]["horizon"] == 5
    refused = tsgan("backtest", tmp_path / "holes.csv", *options)
    assert refused.code == 2
    assert "column 'C' misses" in refused.err


def test_refits_and_one_that_fails(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    fit, origins = TSGAN.fit, list[pd.Timestamp]()

    def first_only(self: TSGAN, table: pd.DataFrame, *args: Any, **options: Any) -> TSGAN:
        origins.append(table.index[-1])
        if len(origins) > 1:
            raise TrainingError("nothing usable")
        return fit(self, table, *args, **options)

    monkeypatch.setattr(TSGAN, "fit", first_only)
    out = project.backtest("--refit", 100, "--columns", "A,B", "--levels", "5%", "--against", "historical 250").out
    assert len(origins) == 2
    (row,) = [line for line in out.splitlines() if re.match(r" *A +5 % +tsgan", line)]
    assert row.split()[-1] == "1"
    (row,) = [line for line in out.splitlines() if re.match(r" +historical 250", line)][:1]
    assert row.split()[-1] == "0"
    assert f"1 refit of tsgan failed and kept the last parameters, the first on {origins[1].date()}." in out
    page = Path("backtest.html").read_text(encoding="utf-8")
    assert "1 refit of tsgan failed" in page


# exit codes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "fail_on", "code"), [(1.0, "fail", 0), (0.5, "fail", 1), (0.5, "warn", 1), (0.5, None, 0)]
)
def test_fail_on(
    project: Project, monkeypatch: pytest.MonkeyPatch, scale: float, fail_on: str | None, code: int
) -> None:
    from tsgan.law import Law

    value_at_risk = Law.value_at_risk

    def scaled(self: Law, *args: Any) -> Any:
        var, es = value_at_risk(self, *args)
        return scale * var, scale * es

    monkeypatch.setattr(Law, "value_at_risk", scaled)
    result = project.backtest(*QUICK, *(("--fail-on", fail_on) if fail_on else ()))
    assert result.code == code
    verdict = json.loads(result.out)["verdict"]
    assert (verdict == "fail") == (scale < 1)
    assert result.err == (f"the verdict is fail, and --fail-on is {fail_on}\n" if code else "")


# files ----------------------------------------------------------------------------------------------------------------


def test_its_own_page_is_replaced_and_nothing_else(project: Project, tmp_path: Path) -> None:
    options = ("--levels", ".05", "--against", "historical 250", "--quiet")
    for out in ((), ("--out", "backtest.html")):
        for _ in range(2):
            assert project.backtest(*options, *out) == (0, "", "")
    mine = tmp_path / "backtest.html"
    mine.write_text("<p>mine</p>")
    for out in ((), ("--out", "backtest.html")):
        refused = project.backtest(*options, *out)
        assert refused == (
            2,
            "",
            "error: backtest.html exists; replace it with --force or write elsewhere with --out\n",
        )
        assert mine.read_text() == "<p>mine</p>"
    assert project.backtest(*options, "--force").code == 0
    assert mine.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert project.backtest(*options, "--out", "backtest.pdf").code == 2


def test_a_report_of_evaluate_gets_a_section(project: Project, tmp_path: Path) -> None:
    synth, report = tmp_path / "synth.csv", tmp_path / "report.html"
    drawn = tsgan("sample", "--model", project.model, "--n", 20, "--length", 120, "--out", synth, "--quiet")
    assert drawn.code == 0
    assert tsgan("evaluate", project.prices, synth, "--out", report, "--quiet").code == 0
    evaluated = report.read_text(encoding="utf-8")
    assert '<section id="risk"' not in evaluated
    options = ("--against", "historical 250", "--quiet", "--out", report)
    for level in ("5%", "2.5%"):
        assert project.backtest("--levels", level, *options) == (0, "", "")
        both = report.read_text(encoding="utf-8")
        assert both.count('<section id="risk"') == both.count('href="#risk"') == 1
        assert f"Forecasts at {level[:-1]} %, and what came" in both
        assert both.endswith("</html>\n")
    assert "Forecasts at 5 %, and what came" not in both
    ids = re.findall(r'\bid="([^"]+)"', both)
    assert len(set(ids)) == len(ids)
    for part in evaluated.split("<!-- risk"):
        assert part.partition("-->")[2] in both
    report.write_text(evaluated.replace("<!-- risk -->", ""), encoding="utf-8")
    refused = project.backtest("--levels", "5%", *options)
    assert refused.code == 2
    assert "without a place for the risk section" in refused.err


# bad input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--levels", "0"), "a level is the probability of the lower tail, above 0 and below .5 such as .05, not 0"),
        (("--levels", ".05,.5"), "below .5 such as .05, not 0.5"),
        (("--levels", "5%,95%"), "not 0.95"),
        (("--levels", "-.05"), "not -0.05"),
        (("--levels", "nan"), "not nan"),
        (("--levels", ".05,.05"), "different numbers"),
        (("--levels", "five"), "--levels must be numbers such as .05,.01 or 5%,1%, got 'five'"),
        (("--levels", ""), "--levels must be numbers"),
        (("--horizon", 0), "--horizon"),
        (("--horizon", 600), "needs more than 600 prices before it"),
        (("--refit", 0), "--refit"),
        (("--start", "2040"), "there is nothing to forecast from 2040-01-01 on: the prices end on"),
        (("--start", "03/04/2024"), "--start must be an ISO date such as 2015 or 2015-01-02, got '03/04/2024'"),
        (("--start", "2024-13-01"), "start must be a date"),
        (("--weights", "A=.6,Z=.4"), "Z"),
        (("--weights", "A"), "--weights must be shares of assets such as SPY=0.6,TLT=0.4, got 'A'"),
        (("--weights", "A=much"), "--weights must be shares"),
        (("--weights", "A=1,A=2"), "names an asset twice"),
        (("--weights", "A=0,B=0"), "not all 0"),
        (("--weights", "A=1,C=1", "--columns", "A,B"), "the weights name 'C'; the prices have the columns A, B"),
        (("--against", "crystal ball"), "there is no classical method 'crystal ball'; there are "),
        (("--against", ""), "there is no classical method ''; there are "),
        (("--train-window", 650), "and the training window asks for 650; give a longer history, start later or take a"),
        (("--n", 10, "--horizon", 2), "10 draws have none below the level 0.01; take 100"),
        (("--to", "2000-06"), "rows"),
        (("--columns", "Z"), "there is no column 'Z'"),
    ],
)
def test_what_cannot_be_forecast(
    project: Project, tmp_path: Path, options: tuple[object, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("the long part began")

    monkeypatch.setattr("tsgan.procedure.choose", never)
    result = tsgan("backtest", project.prices, *options)
    assert (result.code, result.out) == (2, "")
    assert message in " ".join(result.err.split())
    assert "Traceback" not in result.err
    assert files(tmp_path) == set()


def test_what_cannot_be_forecast_with_a_model(project: Project, tmp_path: Path) -> None:
    short = tmp_path / "short.csv"
    project.table.iloc[-150:].set_axis(project.table.index[-150:] + pd.Timedelta(3640, "D")).to_csv(short)
    for options, message in (
        (("--steps", 3), "--steps is for a model that is fitted here; leave it out, or leave out --model"),
        (("--model", tmp_path / "absent.tsgan"), f"there is no model file {tmp_path / 'absent.tsgan'}"),
        (("--columns", "A"), "the prices have no column 'B'; the model knows A, B"),
        (("--weights", "A=.6,Z=.4"), "the weights name 'Z'; the prices have the columns A, B"),
    ):
        result = project.backtest(*options)
        assert (result.code, result.out) == (2, ""), options
        assert message in result.err
    result = tsgan("backtest", short, "--model", project.model, "--against", "historical 250", "--quiet")
    assert (result.code, result.out) == (2, "")
    assert "tsgan remembers 256: give a longer history or start later" in result.err
    assert files(tmp_path) == {"short.csv"}


def test_a_history_too_short_to_fit_is_a_sentence(project: Project) -> None:
    result = tsgan("backtest", project.prices, "--start", str(project.table.index[200].date()), "--quiet")
    assert (result.code, result.out) == (2, "")
    assert "rows" in result.err


def test_dates_out_of_order_are_sorted_with_a_note(project: Project, tmp_path: Path) -> None:
    shuffled = tmp_path / "shuffled.csv"
    project.table.sample(frac=1, random_state=0).to_csv(shuffled)
    options = ("--model", project.model, "--start", project.start, "--levels", "5%", "--against", "historical 250")
    code, out, err = tsgan("backtest", shuffled, *options, "--json")
    assert code == 0
    assert "note: the rows were not in the order of their dates" in err
    ordered = json.loads(tsgan("backtest", project.prices, *options, "--json", "--quiet").out)
    assert json.loads(out)["methods"] == ordered["methods"]


def test_a_model_that_has_seen_the_dates_is_noted(project: Project) -> None:
    early = str(project.table.index[LAST - 50].date())
    code, out, err = tsgan(
        "backtest", project.prices, "--model", project.model, "--start", early, "--levels", "5%", "--against",
        "historical 250", "--fail-on", "warn",
    )  # fmt: skip
    assert code == 1  # whatever the tests say, it is no pass
    assert "note: the model was fitted to prices up to" in err
    assert "these figures are no test of it." in out


# parsing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "levels"),
    [(".05,.025,.01", [0.05, 0.025, 0.01]), ("5%, 2.5 %,1%", [0.05, 0.025, 0.01]), ("0.1%", [0.001])],
)
def test_levels_are_shares_or_percents(text: str, levels: list[float]) -> None:
    assert parse_levels(text) == levels


def test_weights_are_named() -> None:
    assert parse_weights("EURUSD=X=.25, SPY=-1") == {"EURUSD=X": 0.25, "SPY": -1.0}
    with pytest.raises(ConfigError, match=r"SPY=0\.6,TLT=0\.4"):
        parse_weights("SPY:.6")


def test_the_help_names_the_methods_that_are_taken() -> None:
    text = "".join(tsgan("backtest", "--help").out.split())
    assert "".join(",".join(OPPONENTS).split()) in text
    assert set(OPPONENTS) <= set(BASELINES)
