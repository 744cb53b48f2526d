"""The command line: what is printed where, exit codes, and that no file is lost, half-written or overwritten."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from tsgan import progress
from tsgan.cli.main import app
from tsgan.cli.sample import parse_start_date, parse_start_price
from tsgan.config import Config
from tsgan.datasets import load
from tsgan.diagnostics import Record
from tsgan.errors import ConfigError, DataWarning, TrainingError
from tsgan.files import atomic_path
from tsgan.progress import Progress

COMMANDS = ("fit", "update", "sample", "evaluate", "risk", "backtest", "plot", "info", "data", "download", "doctor")
REGIMES = ("calm", "normal", "stressed")
ROWS = 700


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


def tsgan(*args: object) -> Result:
    """Run a command in this process."""
    result = CliRunner().invoke(app, [str(arg) for arg in args], catch_exceptions=False)
    return Result(result.exit_code, result.stdout, result.stderr)


def command(*args: object) -> list[str]:
    """Return the words of a command for a process of its own."""
    return [sys.executable, "-m", "tsgan", *(str(arg) for arg in args)]


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def garch_prices() -> pd.DataFrame:
    """Simulate daily prices whose volatility clusters."""
    rng = np.random.default_rng(5)
    variance, returns = 1e-4, []
    for shock in rng.standard_normal(ROWS):
        returns.append(np.sqrt(variance) * shock)
        variance = 2e-6 + 0.1 * returns[-1] ** 2 + 0.88 * variance
    dates = pd.bdate_range("2020-01-01", periods=ROWS, name="date")
    return pd.DataFrame({"A": 100 * np.exp(np.cumsum(returns))}, index=dates)


@dataclass(frozen=True)
class Project:
    """A folder with prices, a model fitted to them and paths drawn from it."""

    folder: Path
    fitted: Result
    sampled: Result

    @property
    def prices(self) -> Path:
        return self.folder / "prices.csv"

    @property
    def model(self) -> Path:
        return self.folder / "model.tsgan"

    @property
    def synth(self) -> Path:
        return self.folder / "synth.csv"


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    torch.set_num_threads(1)  # so small a fit gains nothing from two, and crawls where other work wants the cores
    folder = tmp_path_factory.mktemp("project")
    garch_prices().to_csv(folder / "prices.csv")
    fitted = tsgan("fit", folder / "prices.csv", "--steps", 2, "--out", folder / "model.tsgan")
    sampled = tsgan(
        "sample", "--model", folder / "model.tsgan", "--n", 20, "--length", 120, "--out", folder / "synth.csv"
    )
    return Project(folder, fitted, sampled)


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


# the group ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_help_tells_examples_and_every_option(name: str) -> None:
    result = tsgan(name, "--help")
    assert result.code == 0
    assert f"\n    tsgan {name}" in result.out
    assert "\x1b" not in result.out


def test_help_lists_the_commands() -> None:
    result = tsgan("--help")
    assert result.code == 0
    listed = result.out.split("Commands:")[1]
    assert [line.split()[0] for line in listed.strip().splitlines()] == list(COMMANDS)
    assert "..." not in listed, "a summary is too long for 80 columns"


def modules_after(commands: list[list[str]]) -> set[str]:
    """What a process has imported after some command lines, all of which must end with 0."""
    code = (
        "import sys\nfrom tsgan.cli.main import app\n"
        f"for command in {commands!r}:\n"
        "    try: app(command)\n"
        "    except SystemExit as done: assert done.code == 0\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stderr.split())


def test_help_imports_nothing_heavy() -> None:
    heavy = {"torch", "pandas", "numpy", "arch", "scipy", "sklearn", "statsmodels", "matplotlib", "pyarrow"}
    loaded = modules_after([[*filter(None, [name]), "--help"] for name in ("", *COMMANDS)])
    assert "tsgan.cli.fit" in loaded
    assert loaded & heavy == set()


def test_sampling_imports_nothing_that_only_fits_and_judgements_need(project: Project, tmp_path: Path) -> None:
    unneeded = {
        "arch",
        "exchange_calendars",
        "jinja2",
        "matplotlib",
        "rich",
        "skfolio",
        "sklearn.ensemble",
        "statsmodels",
        "torch._dynamo",
        "tsgan.evaluation",
        "yfinance",
    }
    options = ["--model", project.folder / "model.tsgan", "--n", "1", "--out", tmp_path / "path.csv"]
    loaded = modules_after([["sample", *map(str, options)]])
    assert "tsgan.law" in loaded
    assert loaded & unneeded <= modules_after([["--version"]])  # typer 0.16 loads rich for itself


def test_defaults_in_the_help_are_those_of_the_configuration() -> None:
    text = " ".join(tsgan("fit", "--help").out.split())
    training = Config().training
    assert f"[default: ({training.steps});" in text
    assert f"[default: ({training.critic})]" in text
    assert f"[default: ({training.objective}, with settings of tsgan's own)]" in text


def test_version() -> None:
    result = tsgan("--version")
    assert result.code == 0
    assert result.out == f"tsgan {version('tsgan')}\n"


def test_the_package_runs_as_a_module() -> None:
    run = subprocess.run([sys.executable, "-m", "tsgan", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"tsgan {version('tsgan')}\n"


@pytest.mark.parametrize(
    "args",
    [(), ("unknown",), ("fit",), ("fit", "x.csv", "--steps", "-1"), ("sample", "--n", 0), ("sample", "--seed", -1)],
)
def test_usage_errors_have_exit_code_2(args: tuple[object, ...]) -> None:
    assert tsgan(*args).code == 2


def test_a_reader_that_goes_away_is_no_error(project: Project) -> None:
    run = subprocess.Popen(
        command("info", project.model, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stderr is not None
    run.stdout.close()
    with run.stderr as errors:
        assert errors.read() == ""
    assert run.wait(60) == 141


# data -----------------------------------------------------------------------------------------------------------------


def test_data_exports_a_series(tmp_path: Path) -> None:
    out = tmp_path / "prices.csv"
    result = tsgan("data", "sp500", "--out", out)
    assert result == (0, f"wrote 5,031 rows (SP500, 1999-01-04 to 2018-12-31) to {out}\n", "")
    assert out.read_text().splitlines()[:2] == ["date,SP500", f"1999-01-04,{load('sp500')['SP500'].to_numpy()[0]}"]
    written = pd.read_csv(out, index_col="date", parse_dates=True)
    np.testing.assert_array_equal(written.to_numpy(), load("sp500").to_numpy())


def test_data_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert tsgan("data").out.split() == ["sp500", "nasdaq", "wti", "vix"]
    assert tsgan("data", "VIX").code == 0
    assert files(tmp_path) == {"vix.csv"}
    unknown = tsgan("data", "dax")
    assert (unknown.code, unknown.out) == (2, "")
    assert "the names are sp500, nasdaq, wti, vix" in unknown.err


# files are not overwritten, folders are looked at before the work -----------------------------------------------------


@pytest.mark.parametrize(
    ("args", "name"),
    [
        (("fit", "{prices}"), "model.tsgan"),
        (("fit", "{prices}", "--resume"), "model.tsgan"),
        (("fit", "{prices}", "--dry-run"), "model.tsgan"),
        (("sample", "--model", "{model}"), "synth.csv"),
        (("plot", "{prices}", "{synth}"), "paths.png"),
        (("data", "vix"), "vix.csv"),
    ],
)
def test_nothing_is_overwritten_without_force(
    project: Project, args: tuple[str, ...], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("mine")
    words = [arg.format(prices=project.prices, model=project.model, synth=project.synth) for arg in args]
    result = tsgan(*words)
    assert result == (2, "", f"error: {name} exists; replace it with --force or write elsewhere with --out\n")
    assert files(tmp_path) == {name}
    assert Path(name).read_text() == "mine"


def test_force_replaces(project: Project, tmp_path: Path) -> None:
    for args in (
        ("sample", "--model", project.model, "--n", 1, "--length", 2, "--out", tmp_path / "synth.csv"),
        ("plot", project.prices, project.synth, "--out", tmp_path / "paths.png"),
        ("data", "vix", "--out", tmp_path / "vix.csv"),
    ):
        out = Path(str(args[-1]))
        out.write_text("mine")
        assert tsgan(*args, "--force").code == 0
        assert out.read_bytes() != b"mine"
    assert files(tmp_path) == {"synth.csv", "paths.png", "vix.csv"}


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("absent/{}", "absent does not exist; create it with: mkdir -p "),
        ("folder.csv", "folder.csv is not a regular file"),
    ],
)
@pytest.mark.parametrize(
    ("args", "name"),
    [(("fit", "{prices}"), "m.csv"), (("sample", "--model", "{model}"), "s.csv"), (("data", "vix"), "v.csv")],
)
def test_impossible_output(
    project: Project, args: tuple[str, ...], name: str, out: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "folder.csv").mkdir()
    words = [arg.format(prices=project.prices, model=project.model) for arg in args]
    result = tsgan(*words, "--force", "--out", tmp_path / out.format(name))
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert files(tmp_path) == {"folder.csv"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(project: Project, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    result = tsgan("fit", project.prices, "--out", tmp_path / "model.tsgan")
    assert (result.code, result.out) == (2, "")
    assert f"cannot write to the folder {tmp_path}: Permission denied" in result.err


@pytest.mark.parametrize(
    ("args", "suffixes"),
    [
        (("sample", "--model", "absent", "--out", "synth.xlsx"), ".csv, .parquet, .npz"),
        (("plot", "absent", "absent", "--out", "paths.xlsx"), ".png, .pdf, .svg"),
        (("data", "sp500", "--out", "prices.xlsx"), ".csv"),
    ],
)
def test_unknown_suffix(args: tuple[str, ...], suffixes: str) -> None:
    result = tsgan(*args)
    assert (result.code, result.out) == (2, "")
    assert ".xlsx" in result.err
    assert result.err.rstrip().endswith(suffixes)


# fit ------------------------------------------------------------------------------------------------------------------


def test_fit_says_its_verdict_and_where_the_model_is(project: Project) -> None:
    code, out, err = project.fitted
    assert code == 0, err
    *verdict, last = out.splitlines()
    assert verdict
    assert last == f"wrote {project.model}"
    assert "\x1b" not in out + err
    assert {"prices.csv", "model.tsgan", "synth.csv"} == files(project.folder), "a checkpoint or a temporary file"


def test_fit_shows_progress_in_plain_lines(project: Project) -> None:
    first, *lines = [line for line in project.fitted.err.splitlines() if not line.startswith("note: ")]
    prices = garch_prices()
    assert first == f"A: {len(prices)} rows, {prices.index[0]:%Y-%m-%d} to {prices.index[-1]:%Y-%m-%d}"
    shares = [int(line.split("%")[0]) for line in lines]
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert any("ETA" in line for line in lines)
    assert any("Wasserstein" in line and "penalty" in line for line in lines)


def test_quiet_json_and_same_seed(project: Project, tmp_path: Path) -> None:
    """Also that --resume without a checkpoint starts anew."""
    model = tmp_path / "again.tsgan"
    code, out, err = tsgan("fit", project.prices, "--steps", 2, "--out", model, "--quiet", "--json", "--resume")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert set(result) == {"out", "seconds", "verdict", "model"}
    assert result["out"] == str(model)
    assert result["verdict"] == project.fitted.out.splitlines()[:-1]
    assert result["model"]["config"]["training"]["steps"] == 2
    again = tsgan("sample", "--model", model, "--n", 20, "--length", 120, "--out", tmp_path / "synth.csv", "--quiet")
    assert again == (0, "", "")
    assert (tmp_path / "synth.csv").read_bytes() == project.synth.read_bytes()


def test_dry_run_writes_nothing(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = tsgan("fit", project.prices, "--dry-run", "--json")
    assert code == 0
    plan = json.loads(out)
    assert plan["rows"] == ROWS
    assert plan["assets"] == ["A"]
    code, out, _ = tsgan("fit", project.prices, "--dry-run")
    assert code == 0
    assert f"rows {ROWS}" in " ".join(out.split())
    assert files(tmp_path) == set()


def test_a_notice_about_the_data_is_a_note(project: Project, tmp_path: Path) -> None:
    backwards = tmp_path / "backwards.csv"
    pd.read_csv(project.prices)[::-1].to_csv(backwards, index=False)
    args = ("fit", backwards, "--dry-run", "--out", tmp_path / "model.tsgan")
    said = tsgan(*args)
    assert said.code == 0
    assert said.err == "note: the rows came newest first; they were sorted by date\n"
    assert tsgan(*args, "--quiet").err == ""
    assert tsgan(*args).err == said.err, "quiet must not outlast its command"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--columns", "B"), "there is no column 'B'"),
        (("--columns", "A,,B"), "--columns must be names separated by commas"),
        (("--from", "yesterday"), "ISO date"),
        (("--from", "2030"), "no row lies between"),
        (("--critic", "mlp"), "conv, lstm, both"),
        (("--objective", "gan"), "objective must be one of wgan-clip, wgan-gp, wgan-lp, spectral, cramer, not 'gan'"),
        (("--config", "absent.toml"), "absent.toml: No such file"),
        (("--device", "abacus"), "abacus"),
        (("--calendar", "NOWHERE"), "NOWHERE"),
        (("--to", "2020-03"), "rows"),
    ],
)
def test_what_cannot_be_fitted(project: Project, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    result = tsgan("fit", project.prices, "--out", tmp_path / "model.tsgan", *options)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert message in result.err
    assert files(tmp_path) == set()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[training]\nsteps = ", "is not a TOML file"),
        ("[training]\nstep = 3", "did you mean 'steps'"),
        ("[training]\nsteps = 'many'", "steps in [training] must be a whole number"),
    ],
)
def test_configuration_file_with_errors(project: Project, tmp_path: Path, content: str, message: str) -> None:
    config = tmp_path / "run.toml"
    config.write_text(content)
    result = tsgan("fit", project.prices, "--config", config, "--out", tmp_path / "model.tsgan")
    assert result.code == 2
    assert f"error: {config}" in result.err
    assert message in result.err


@pytest.fixture
def fitted_with(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Collect the options with which models are made; what is fitted with them fails."""
    options: list[dict[str, Any]] = []

    class Spy:
        def __init__(self, **given: Any) -> None:
            options.append(given)

        def fit(self, *_: Any, **__: Any) -> None:
            raise TrainingError("nothing usable")

    monkeypatch.setattr("tsgan.estimator.TSGAN", Spy)
    return options


def test_training_error_has_exit_code_3(project: Project, tmp_path: Path, fitted_with: list[dict[str, Any]]) -> None:
    result = tsgan("fit", project.prices, "--out", tmp_path / "model.tsgan")
    assert result == (3, "", "error: nothing usable\n")
    assert files(tmp_path) == set()


def test_options_go_before_the_file_and_the_file_before_the_defaults(
    project: Project, tmp_path: Path, fitted_with: list[dict[str, Any]]
) -> None:
    config = tmp_path / "run.toml"
    config.write_text("[training]\nsteps = 7\nbatch = 8\n")
    tsgan("fit", project.prices, "--out", tmp_path / "m", "--config", config, "--critic", "lstm", "--seed", 3)
    tsgan("fit", project.prices, "--out", tmp_path / "m", "--config", config, "--steps", 9)
    first, second = (given["config"].training for given in fitted_with)
    assert (first.steps, first.batch, first.critic) == (7, 8, "lstm")
    assert (second.steps, second.batch, second.critic) == (9, 8, Config().training.critic)
    assert [given["random_state"] for given in fitted_with] == [3, 0]


def test_an_objective_brings_what_neither_file_nor_options_say(
    project: Project, tmp_path: Path, fitted_with: list[dict[str, Any]]
) -> None:
    config = tmp_path / "run.toml"
    config.write_text("[training]\nobjective = 'cramer'\ncritic_steps = 2\n")
    tsgan("fit", project.prices, "--out", tmp_path / "m", "--config", config, "--steps", 9)
    tsgan("fit", project.prices, "--out", tmp_path / "m", "--config", config, "--objective", "wgan-clip")
    tsgan("fit", project.prices, "--out", tmp_path / "m", "--objective", "wgan-gp")
    first, second, third = (given["config"].training for given in fitted_with)
    assert (first.objective, first.betas, first.critic_steps, first.steps) == ("cramer", (0.5, 0.9), 2, 9)
    assert (second.objective, second.optimiser, second.critic_steps) == ("wgan-clip", "rmsprop", 2)
    assert third == Config().with_training(objective="wgan-gp").training


def test_interrupted_fit_says_how_to_go_on(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, checkpoint: Path, **__: Any) -> None:
        checkpoint.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr("tsgan.estimator.TSGAN.fit", interrupted)
    out = tmp_path / "model.tsgan"
    result = tsgan("fit", project.prices, "--out", out)
    assert result == (130, "", f"interrupted; the same command with --resume goes on from {out}.ckpt\n")
    assert files(tmp_path) == {"model.tsgan.ckpt"}


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_leaves_no_broken_file(tmp_path: Path) -> None:
    load("sp500").to_csv(tmp_path / "prices.csv")
    args = command("fit", tmp_path / "prices.csv", "--out", tmp_path / "model.tsgan")
    run = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stderr is not None
    begun = next(line for line in run.stderr if "%" in line)
    assert begun.startswith("  0%")
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert out == ""
    assert err.splitlines()[-1].startswith("interrupted; ")
    assert "Traceback" not in err
    assert files(tmp_path) == {"prices.csv"}


# progress -------------------------------------------------------------------------------------------------------------


def report_all(report: Callable[[Progress], None], total: int = 400) -> None:
    for done in range(total + 1):
        record = Record(done, 0.5, 0.25, -1.4, 9.0) if done >= 100 else None
        report(Progress("training on all rows" if record else "warm start", done, total, record))


def test_plain_progress_is_a_line_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.fit_progress(True) as report:
        report_all(report)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line[:4] for line in err.splitlines()] == [f"{share:3}%" for share in range(0, 101, 10)]
    assert err.splitlines()[5].split("  ")[1:] == [
        "training on all rows",
        "ETA 0:00",
        "Wasserstein 0.500",
        "penalty 0.250",
    ]


def test_progress_that_is_not_wanted_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.fit_progress(False) as report, progress.share_progress(False) as shares:
        report_all(report)
        shares("sampling", 0.5)
    assert capsys.readouterr() == ("", "")


def test_a_callable_is_told_itself() -> None:
    told: list[object] = []
    with (
        progress.fit_progress(told.append) as report,
        progress.share_progress(lambda *said: told.append(said)) as shares,
    ):
        report(Progress("warm start", 1, 2))
        shares("sampling", 0.5)
    assert told == [Progress("warm start", 1, 2), ("sampling", 0.5)]


def test_python_shows_its_progress_on_request(capsys: pytest.CaptureFixture[str], panel_model: Any) -> None:
    panel_model.sample(3, 5, random_state=0)
    assert capsys.readouterr() == ("", "")
    panel_model.sample(3, 5, random_state=0, progress=True)
    assert capsys.readouterr().err.splitlines() == ["  0%  sampling", "100%  sampling  in 0:00"]


def test_live_progress_in_a_terminal() -> None:
    screen = io.StringIO()
    with progress._live_line(Console(file=screen, force_terminal=True, color_system=None, width=100)) as report:
        report_all(report)
    last = screen.getvalue().rsplit("\n", 1)[0].rsplit("\r", 1)[-1]
    for word in ("training on all rows", "100%", "in 0:00", "Wasserstein 0.500", "penalty 0.250"):
        assert word in last


def test_a_sparkline_follows_the_means_of_its_values() -> None:
    assert progress.sparkline([0.0, 1.0, 2.0, 7.0]) == "▁▂▃█"
    assert progress.sparkline([5.0]) == "▁"
    assert progress.sparkline([0.0, 0.0, 3.5, 3.5, 7.0, 7.0], width=3) in ("▁▄█", "▁▅█")
    assert len(progress.sparkline(list(range(1000)))) == 16


def test_time_left_counts_from_where_the_work_began(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    clock = progress.Clock()
    assert clock.left(Progress("resumed", 50, 100)) == ""
    now = 60.0
    assert clock.left(Progress("resumed", 60, 100)) == "ETA 4:00"
    now = 7200.0
    assert clock.left(Progress("resumed", 100, 100)) == "in 2:00:00"


# sample ---------------------------------------------------------------------------------------------------------------


def test_sample_says_how_many_rows_it_wrote(project: Project) -> None:
    assert project.sampled == (0, f"wrote 2,400 rows (20 paths × 120 steps, 1 asset) to {project.synth}\n", "")
    table = pd.read_csv(project.synth)
    assert list(table.columns) == ["path", "date", "A"]
    assert len(table) == 2400
    assert (table["A"] > 0).all()
    assert table["date"].str.fullmatch(r"\d{4}-\d{2}-\d{2}").all()


def draw(project: Project, out: Path, *options: object) -> pd.DataFrame:
    result = tsgan("sample", "--model", project.model, "--out", out, *options)
    assert result.code == 0, result.err
    return pd.read_parquet(out) if out.suffix == ".parquet" else pd.read_csv(out)


def test_path_i_is_the_same_however_many_are_drawn(project: Project, tmp_path: Path) -> None:
    few = draw(project, tmp_path / "few.csv", "--n", 3, "--length", 120)
    pd.testing.assert_frame_equal(few, pd.read_csv(project.synth).head(360))


def test_seeds_differ(project: Project, tmp_path: Path) -> None:
    one, two = (draw(project, tmp_path / f"{seed}.csv", "--seed", seed, "--n", 2, "--length", 5) for seed in (0, 1))
    assert not np.isclose(one["A"], two["A"]).any()


def test_formats_hold_the_same(project: Project, tmp_path: Path) -> None:
    size = ("--n", 2, "--length", 5)
    table = draw(project, tmp_path / "a.csv", *size)
    pd.testing.assert_series_equal(draw(project, tmp_path / "a.parquet", *size)["A"], table["A"])
    assert tsgan("sample", "--model", project.model, "--out", tmp_path / "a.npz", *size).code == 0
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_allclose(arrays["prices"].ravel(), table["A"], rtol=1e-12)


def test_start_price_date_and_kind(project: Project, tmp_path: Path) -> None:
    size = ("--n", 2, "--length", 5)
    prices = draw(project, tmp_path / "p.csv", *size, "--start-price", 50, "--start-date", "2030-01-01")
    returns = draw(project, tmp_path / "r.csv", *size, "--kind", "returns")
    by_path = prices.groupby("path")["A"]
    np.testing.assert_allclose(by_path.first(), 50 * np.exp(returns.groupby("path")["A"].first()))
    assert prices["date"].min() == "2030-01-01"
    named = draw(project, tmp_path / "n.csv", *size, "--start-price", "A=50", "--start-date", "2030-01-01")
    pd.testing.assert_frame_equal(named, prices)


def test_sample_continues_a_history(project: Project, tmp_path: Path) -> None:
    recent = (
        pd.read_csv(project.prices).tail(300).assign(date=lambda t: pd.to_datetime(t["date"]) + pd.Timedelta(3640, "D"))
    )
    recent.to_csv(tmp_path / "recent.csv", index=False)
    paths = draw(project, tmp_path / "a.csv", "--history", tmp_path / "recent.csv", "--n", 2, "--length", 5)
    assert pd.to_datetime(paths["date"]).min() > recent["date"].max()
    last = draw(project, tmp_path / "b.csv", "--start", "last", "--n", 2, "--length", 5)
    assert pd.to_datetime(last["date"]).min() > pd.to_datetime(pd.read_csv(project.prices)["date"]).max()


def test_sample_json(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "a.npz"
    code, text, err = tsgan("sample", "--model", project.model, "--n", 2, "--length", 3, "--out", out, "--json")
    assert (code, err) == (0, "")
    assert json.loads(text) == {
        "out": str(out), "kind": "prices", "rows": 6, "paths": 2, "length": 3, "assets": ["A"], "conditioning": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--start-price", "cheap"), "--start-price must be a price such as 100, or A=1,B=2"),
        (("--start-price", "B=3"), "B"),
        (("--start-price", "-1"), "start_price"),
        (("--start-date", "03/04/2024"), "--start-date must be an ISO date"),
        (("--history", "absent.csv"), "absent.csv cannot be read: there is no such file"),
        (("--device", "abacus"), "abacus"),
    ],
)
def test_what_cannot_be_sampled(project: Project, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    result = tsgan("sample", "--model", project.model, "--out", tmp_path / "a.csv", *options)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert files(tmp_path) == set()


@pytest.mark.parametrize(
    ("text", "value"),
    [("100", 100.0), ("A=1,B=2.5", {"A": 1.0, "B": 2.5}), ("EURUSD=X=1.1, SPY=450", {"EURUSD=X": 1.1, "SPY": 450.0})],
)
def test_start_price_is_a_number_or_one_an_asset(text: str, value: object) -> None:
    assert parse_start_price(text) == value


def test_start_date_has_one_meaning_only() -> None:
    assert parse_start_date("2024-01-31 15:30") == "2024-01-31T15:30:00"
    for text in ("03/04/2024", "2024", "soon"):
        with pytest.raises(ConfigError, match="ISO date"):
            parse_start_date(text)


# models that are not there or broken ----------------------------------------------------------------------------------


def test_missing_model_says_how_to_make_one(tmp_path: Path) -> None:
    model = tmp_path / "model.tsgan"
    for args in (("sample", "--model", model, "--out", tmp_path / "a.csv"), ("info", model)):
        result = tsgan(*args)
        assert (result.code, result.out) == (2, "")
        assert f"there is no model file {model}" in result.err
        assert "tsgan fit prices.csv" in result.err


def test_broken_model_is_refused(project: Project, tmp_path: Path) -> None:
    content = bytearray(project.model.read_bytes())
    content[-1] ^= 1
    for name, broken in (("flipped", bytes(content)), ("short", bytes(content[:100])), ("text", b"date,A\n")):
        model = tmp_path / name
        model.write_bytes(broken)
        result = tsgan("info", model)
        assert (result.code, result.out) == (2, ""), name
        assert result.err.startswith(f"error: {model} is ")
        assert "Traceback" not in result.err


# info, evaluate, plot -------------------------------------------------------------------------------------------------


def test_info(project: Project) -> None:
    code, text, err = tsgan("info", project.model, "--json")
    assert (code, err) == (0, "")
    description = json.loads(text)
    assert description["assets"] == ["A"]
    assert description["rows"] == ROWS
    assert description["verdict"] == project.fitted.out.splitlines()[:-1]
    code, text, err = tsgan("info", project.model)
    assert (code, err) == (0, "")
    assert len(text.splitlines()) < 100
    assert "volatility by day of week  –" in text
    for sentence in description["verdict"]:
        assert sentence in text


def test_info_tells_and_draws_the_training(project: Project, tmp_path: Path) -> None:
    training = json.loads(tsgan("info", project.model, "--json").out)["training"]
    assert training["choosing"]["step"] == [1, 2]
    assert training["failed_choosing"] is None
    assert "  choosing  2 steps in " in tsgan("info", project.model).out
    picture = tmp_path / "training.png"
    code, out, err = tsgan("info", project.model, "--plot", picture)
    assert (code, err) == (0, "")
    assert out.endswith(f"wrote {picture}\n")
    assert picture.read_bytes().startswith(b"\x89PNG")
    for again in (picture, tmp_path / "training.txt"):
        assert tsgan("info", project.model, "--plot", again).code == 2
    assert tsgan("info", project.model, "--plot", picture, "--force", "--json").code == 0


def test_a_log_grows_with_the_fit(project: Project, tmp_path: Path) -> None:
    log = tmp_path / "training.jsonl"
    args = ("fit", project.prices, "--steps", 2, "--out", tmp_path / "model.tsgan", "--quiet", "--log", log)
    assert tsgan(*args) == (0, "", "")
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert [record["step"] for record in records if record["half"] == "choosing"] == [1, 2]
    assert (
        records[0]["wasserstein"]
        == json.loads(tsgan("info", project.model, "--json").out)["training"]["choosing"]["wasserstein"][0]
    )
    again = tsgan(*args, "--force")
    assert again.code == 0
    assert len(log.read_text().splitlines()) == len(records)
    (tmp_path / "model.tsgan").unlink()
    assert "training.jsonl exists; replace it with --force or write elsewhere with --log" in tsgan(*args).err


def test_logs_that_cannot_be_get_a_sentence(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    out = tmp_path / "model.tsgan"
    result = tsgan("fit", project.prices, "--out", out, "--tensorboard", tmp_path / "runs")
    assert result.code == 2
    assert "pip install 'tsgan[tensorboard]'" in result.err
    result = tsgan("fit", project.prices, "--each", "--out", tmp_path / "models", "--log", tmp_path / "log")
    assert result.code == 2
    assert "--log and --tensorboard follow one fit" in result.err
    assert files(tmp_path) == set()


def test_a_training_that_gives_nothing_usable_exits_with_3(project: Project, tmp_path: Path) -> None:
    settings = tmp_path / "run.toml"
    settings.write_text("[warm_start]\nlearning_rate = 1e30\nsteps = 20\n[training]\nsteps = 2\n")
    result = tsgan("fit", project.prices, "--config", settings, "--out", tmp_path / "model.tsgan", "--quiet")
    assert result.code == 3
    assert result.err.startswith("error: training produced nothing usable")
    assert "model.tsgan" not in files(tmp_path)


def test_evaluate_prints_a_table_a_verdict_and_writes_a_report(project: Project, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    code, out, err = tsgan("evaluate", project.prices, project.synth, "--out", report)
    assert code == 0
    assert out.split()[:5] == ["asset", "measure", "real", "synthetic", "distance"]
    assert "volatility" in out
    assert "negative controls" in out
    assert any(line.startswith(("PASS: ", "WARN: ", "FAIL: ")) for line in out.splitlines())
    assert out.endswith(f"wrote {report}\n")
    assert "noise floor" in err
    assert "\x1b" not in out
    assert report.read_text().startswith("<!DOCTYPE html>")
    assert tsgan("evaluate", project.prices, project.synth, "--out", report).code == 2  # named: not replaced unasked


def test_evaluate_replaces_its_own_report_only(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert tsgan("evaluate", project.prices, project.synth, "--quiet") == (0, "", "")
    (tmp_path / "report.html").write_text("<p>mine</p>")
    result = tsgan("evaluate", project.prices, project.synth, "--quiet")
    assert result.code == 2
    assert "report.html exists; replace it with --force" in result.err
    assert (tmp_path / "report.html").read_text() == "<p>mine</p>"


def test_evaluate_json(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = tsgan("evaluate", project.prices, project.synth, "--json", "--quiet", "--columns", "A")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["settings"]["files"] == {"real": str(project.prices), "synthetic": str(project.synth)}
    assert result["verdict"] in {"pass", "warn", "fail"}
    (volatility,) = [row for row in result["measures"] if row["measure"] == "volatility"]
    returns = np.diff(np.log(pd.read_csv(project.prices)["A"]))
    assert volatility["asset"] == "A"
    np.testing.assert_allclose(volatility["real"], returns.std(), rtol=0.02)
    assert len(result["controls"]) == 6
    assert files(tmp_path) == set()


def test_evaluate_ranks_and_fails_on_request(project: Project, tmp_path: Path) -> None:
    wild = pd.read_csv(project.synth)
    wild["A"] = 100 * (wild["A"] / 100) ** 3
    wild.to_csv(tmp_path / "wild.csv", index=False)
    command = ("evaluate", project.prices, tmp_path / "wild.csv", "--json", "--quiet", "--against", "baselines")
    code, out, err = tsgan(*command, "--fail-on", "fail", "--test", project.prices)
    assert code == 1
    assert err == "the verdict is fail, and --fail-on is fail\n"
    result = json.loads(out)
    assert result["ranking"][-1]["name"] == "synthetic"
    assert len(result["ranking"]) == 11
    assert tsgan(*command).code == 0  # only on request


@pytest.mark.parametrize("name", ["evaluate", "plot"])
def test_different_assets_are_refused(project: Project, tmp_path: Path, name: str) -> None:
    other = tmp_path / "other.csv"
    pd.read_csv(project.prices).rename(columns={"A": "B"}).to_csv(other, index=False)
    out = ("--out", tmp_path / "paths.png") if name == "plot" else ()
    for options in ((), ("--columns", "B")):
        result = tsgan(name, other, project.synth, *out, *options)
        assert (result.code, result.out) == (2, "")
        assert "hold different assets: B and A" in result.err
    assert files(tmp_path) == {"other.csv"}


def test_assets_that_were_not_learned_are_left_out(project: Project, tmp_path: Path) -> None:
    more = tmp_path / "more.csv"
    pd.read_csv(project.prices).assign(B=lambda table: table["A"] * 2).to_csv(more, index=False)
    command = ("evaluate", project.synth, "--json", "--quiet")
    alone, among = (tsgan(command[0], real, *command[1:]) for real in (project.prices, more))
    assert alone.code == among.code == 0
    assert json.loads(alone.out)["measures"] == json.loads(among.out)["measures"]


def test_plot_writes_a_picture(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "paths.png"
    assert tsgan("plot", project.prices, project.synth, "--out", out) == (0, f"wrote {out}\n", "")
    assert out.read_bytes().startswith(b"\x89PNG")
    assert files(tmp_path) == {"paths.png"}


@pytest.mark.parametrize("only", ["fan", "tails", "acf", "drawdowns"])
def test_plot_writes_one_panel(project: Project, only: str, tmp_path: Path) -> None:
    out = tmp_path / "panel.svg"
    assert tsgan("plot", project.prices, project.synth, "--only", only, "--out", out) == (0, f"wrote {out}\n", "")
    assert "<svg" in out.read_text()


def test_correlations_of_one_asset_are_refused_in_a_sentence(project: Project, tmp_path: Path) -> None:
    done = tsgan("plot", project.prices, project.synth, "--only", "correlation", "--out", tmp_path / "panel.svg")
    assert (done.code, done.out, files(tmp_path)) == (2, "", set())
    assert "a correlation needs two assets, the paths have 'A' alone" in done.err


def test_plot_draws_a_model_under_conditions(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "conditions.png"
    assert tsgan("plot", "--model", project.model, "--out", out) == (0, f"wrote {out}\n", "")
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("{prices}",),
        ("{prices}", "--model", "{model}"),
        ("{prices}", "{synth}", "--model", "{model}"),
        ("--model", "{model}", "--columns", "A"),
        ("--model", "{model}", "--from", "2020"),
        ("--model", "{model}", "--only", "fan"),
    ],
)
def test_plot_needs_prices_and_paths_or_a_model(project: Project, args: tuple[str, ...], tmp_path: Path) -> None:
    words = [arg.format(prices=project.prices, synth=project.synth, model=project.model) for arg in args]
    said = "error: give REAL and SYNTH, or --model alone (without --only, --columns, --from, --to)\n"
    assert tsgan("plot", *words, "--out", tmp_path / "paths.png") == (2, "", said)
    assert files(tmp_path) == set()


def test_evaluate_shows_a_model_under_conditions(project: Project, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    command = ("evaluate", project.prices, project.synth, "--json", "--quiet")
    code, text, err = tsgan(*command, "--model", project.model, "--out", report)
    assert (code, err) == (0, "")
    result = json.loads(text)
    assert result["settings"]["files"]["model"] == str(project.model)
    shown = result["conditions"]
    assert [row["option"] for row in shown][:4] == ["--start last", *(f"--given regime={r}" for r in REGIMES)]
    assert len(shown) == 7
    for row in shown[4:]:
        assert row["volatility"] == pytest.approx(row["volatility_low"]) == pytest.approx(row["volatility_high"])
        assert row["es_10"] < row["es_1"] < 0
    assert '<section id="conditions"' in report.read_text()
    assert "conditions" not in json.loads(tsgan(*command).out)


def test_evaluate_refuses_a_model_of_other_assets(project: Project, tmp_path: Path) -> None:
    for name in ("prices", "synth"):
        table = pd.read_csv(getattr(project, name)).rename(columns={"A": "B"})
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    report = ("--out", tmp_path / "report.html")
    result = tsgan("evaluate", tmp_path / "prices.csv", tmp_path / "synth.csv", "--model", project.model, *report)
    assert (result.code, result.out) == (2, "")
    assert "error: the model has the assets A, the paths have B; give the model that the paths were drawn" in result.err
    assert "noise floor" not in result.err
    assert files(tmp_path) == {"prices.csv", "synth.csv"}


# notes ----------------------------------------------------------------------------------------------------------------


def test_a_note_is_said_once_and_other_warnings_stay_warnings(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warned(*_: Any, **__: Any) -> dict[str, Any]:
        for _repeated in range(2):
            warnings.warn("few steps", DataWarning, stacklevel=1)
        warnings.warn("a library's own", UserWarning, stacklevel=1)
        return {}

    monkeypatch.setattr("tsgan.estimator.TSGAN.plan", warned)
    with pytest.warns(UserWarning, match="a library's own"):
        result = tsgan("fit", project.prices, "--dry-run", "--out", tmp_path / "m")
    assert result == (0, "", "note: few steps\n")


# files appear whole or not at all -------------------------------------------------------------------------------------


def test_atomic_path_replaces_when_all_went_well(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")
    with atomic_path(target) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".csv")
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert files(tmp_path) == {"a.csv"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_atomic_path_keeps_the_old_file_when_something_fails(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")

    def write_half() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert target.read_text() == "old"
    assert files(tmp_path) == {"a.csv"}


@pytest.mark.skipif(os.name != "posix", reason="modes and links")
def test_atomic_path_has_usual_permissions_and_follows_links(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("a.csv")
    plain = tmp_path / "plain"
    plain.touch()
    with atomic_path(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a.csv").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_atomic_path_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "absent" / "a.csv"
    with pytest.raises(FileNotFoundError) as raised, atomic_path(target):
        pass
    assert raised.value.filename == str(target)

    def fill_the_disk() -> None:
        with atomic_path(tmp_path / "a.csv"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left") as full:
        fill_the_disk()
    assert full.value.filename == str(tmp_path / "a.csv")
    assert files(tmp_path) == set()
    with pytest.raises(ConfigError, match="not a regular file"), atomic_path(tmp_path):
        pass


# one model a ticker ---------------------------------------------------------------------------------------------------


@pytest.fixture
def tickers(tmp_path: Path) -> Path:
    """Prices of three tickers: one is listed later, one has a hole."""
    one = garch_prices()["A"]
    table = pd.DataFrame({"A": one, "B/C": one[::-1].to_numpy(), "GAP": one**0.5})
    table.iloc[:60, 1] = np.nan
    table.iloc[300:305, 2] = np.nan
    table.to_csv(tmp_path / "prices.csv")
    (tmp_path / "quick.toml").write_text("[warm_start]\nsteps = 20\n[training]\nsteps = 0\n")
    return tmp_path / "prices.csv"


def fit_each(prices: Path, *options: object) -> Result:
    folder = prices.parent
    return tsgan("fit", prices, "--each", "--config", folder / "quick.toml", "--out", folder / "models", *options)


def test_each_ticker_has_a_model_and_one_that_fails_is_named(tickers: Path) -> None:
    result = fit_each(tickers, "--jobs", 2, "--json")
    models = tickers.parent / "models"
    assert result.code == 2
    assert files(models) == {"A.tsgan", "B_C.tsgan"}
    assert "GAP: column 'GAP' misses 5 prices" in result.err
    assert result.err.endswith("error: 1 of 3 tickers could not be fitted: GAP\n")
    said = json.loads(result.out)
    assert {name: one["out"] for name, one in said["models"].items()} == {
        "A": str(models / "A.tsgan"),
        "B/C": str(models / "B_C.tsgan"),
    }
    assert list(said["failed"]) == ["GAP"]
    rows = json.loads(tsgan("info", models / "B_C.tsgan", "--json").out)["rows"]
    assert rows == ROWS - 60


def test_models_that_are_there_are_kept_and_none_is_replaced(tickers: Path) -> None:
    first = fit_each(tickers, "--columns", "A")
    assert (first.code, first.out) == (0, f"wrote {tickers.parent / 'models' / 'A.tsgan'}\n")
    there = (tickers.parent / "models" / "A.tsgan").read_bytes()
    refused = fit_each(tickers, "--columns", "A,B/C")
    assert refused.code == 2
    assert "A.tsgan exists; replace it with --force" in refused.err
    resumed = fit_each(tickers, "--columns", "A,B/C", "--resume")
    assert (resumed.code, resumed.out) == (0, f"wrote {tickers.parent / 'models' / 'B_C.tsgan'}\n")
    assert (tickers.parent / "models" / "A.tsgan").read_bytes() == there


def test_a_ticker_whose_training_fails_has_exit_code_3(tickers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise TrainingError("nothing usable")

    monkeypatch.setattr("tsgan.estimator.TSGAN.fit", fail)
    result = fit_each(tickers, "--columns", "A")
    assert result.code == 3
    assert "A: nothing usable" in result.err


def test_tickers_need_files_of_their_own(tmp_path: Path) -> None:
    one = garch_prices()["A"]
    pd.DataFrame({"B/C": one, "B:C": one}).to_csv(tmp_path / "prices.csv")
    result = tsgan("fit", tmp_path / "prices.csv", "--each", "--out", tmp_path / "models")
    assert result.code == 2
    assert "'B/C' and 'B:C' would both be written to" in result.err
    assert not (tmp_path / "models").exists()


def test_a_plan_for_each_ticker_writes_nothing(tickers: Path) -> None:
    plans = json.loads(fit_each(tickers, "--dry-run", "--json").out)
    assert plans["B/C"]["rows"] == ROWS - 60
    assert "misses 5 prices" in plans["GAP"]["error"]
    assert not (tickers.parent / "models").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--jobs", "2"), "with --each only"),
        (("--each", "--jobs", "0"), "n_jobs must be a whole number >= 1, or -1"),
        (("--strategy", "fsdp"), "strategy must be ddp, not 'fsdp'"),
    ],
)
def test_what_cannot_be_scaled(tickers: Path, options: tuple[str, ...], message: str) -> None:
    result = tsgan("fit", tickers, "--columns", "A", "--out", tickers.parent / "out", *options)
    assert result.code == 2
    assert message in result.err
