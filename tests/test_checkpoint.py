"""A fit goes on from its checkpoint to the same bits: after Ctrl-C, after SIGTERM, after a kill at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from tsgan import TSGAN, Config, ModelFileError, TrainingWarning, checkpoint, training
from tsgan.checkpoint import Checkpoint
from tsgan.cli.files import checkpoint_of
from tsgan.cli.main import app
from tsgan.progress import Progress
from tsgan.store import read_model, write_model

SMALL = Config.from_dict(
    {
        "warm_start": {"steps": 10},
        "training": {"steps": 6, "critic_warm_up": 3, "batch": 8, "past": 32, "future": 32},
    }
)
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints are written after every step."""
    monkeypatch.setattr(training, "_READ_SECONDS", 0)
    monkeypatch.setattr(checkpoint, "SAVE_SECONDS", 0)
    monkeypatch.setattr(checkpoint, "_SHARE", 1e9)


def stop_at(half: str, step: int) -> Callable[[Progress], None]:
    def listen(progress: Progress) -> None:
        if progress.half == half and progress.record and progress.record.step == step:
            raise KeyboardInterrupt

    return listen


def content(path: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """All of a model file but the seconds that its steps took."""
    tensors, document = read_model(path)
    for half in ("choosing", "final"):
        del document["fit"]["training"][half]["seconds"]
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}, document


# in one process -------------------------------------------------------------------------------------------------------


def fit(prices: pd.DataFrame, config: Config = SMALL, devices: int = 1, **options: Any) -> TSGAN:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "6 adversarial steps are few", TrainingWarning)
        return TSGAN(config=config, random_state=3, device="cpu", devices=devices).fit(prices, **options)


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize(
    ("settings", "table"),
    [
        ({}, "prices"),
        ({"critic": "both", "objective": "spectral", "critic_steps": 1}, "prices"),
        ({"critic": "lstm", "objective": "cramer", "critic_steps": 1}, "panel"),
        ({"objective": "wgan-clip", "critic_warm_up": 3}, "prices"),
        ({}, "covariates"),
    ],
)
def test_a_resumed_fit_is_the_uninterrupted_one(
    settings: dict[str, Any],
    table: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tsgan.procedure.kept_steps", max)  # so that the second half has steps
    prices = request.getfixturevalue("prices" if table == "covariates" else table)
    known = prices.pct_change().abs().set_axis(["size"], axis=1) if table == "covariates" else None
    options: dict[str, Any] = {"config": SMALL.with_training(**settings), "covariates": known}
    fit(prices, **options).save(tmp_path / "straight")
    options |= {"checkpoint": tmp_path / "c", "resume": True}
    for half, step in (("choosing", 1), ("choosing", 4), ("all rows", 1), ("all rows", 6)):
        with pytest.raises(KeyboardInterrupt):
            fit(prices, progress=stop_at(half, step), **options)
    seen: list[Progress] = []
    fit(prices, progress=seen.append, **options).save(tmp_path / "resumed")
    assert content(tmp_path / "resumed") == content(tmp_path / "straight")
    told = [(progress.half, progress.record.step) for progress in seen if progress.record]
    assert told == [(half, step) for half in ("choosing", "all rows") for step in range(1, 7)]
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert done[0] == seen[-1].total - 1  # five of six steps of the second half are behind it


@pytest.mark.slow
@pytest.mark.usefixtures("every_step")
def test_several_processes_go_on_together(prices: pd.DataFrame, tmp_path: Path) -> None:
    pytest.importorskip("lightning_fabric")
    options: dict[str, Any] = {"checkpoint": tmp_path / "c", "resume": True, "devices": 2}
    fit(prices, devices=2).save(tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        fit(prices, progress=stop_at("choosing", 4), **options)
    assert Checkpoint(tmp_path / "c", read_model(tmp_path / "c")[1]["key"], resume=True).steps == 3
    fit(prices, **options).save(tmp_path / "resumed")
    assert content(tmp_path / "resumed") == content(tmp_path / "straight")


@pytest.mark.usefixtures("every_step")
def test_a_checkpoint_serves_its_own_fit_only(prices: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "c"
    with pytest.raises(KeyboardInterrupt):
        fit(prices, checkpoint=file, progress=stop_at("choosing", 4))
    key = read_model(file)[1]["key"]
    assert Checkpoint(file, key, resume=True).steps == 3
    assert not Checkpoint(file, key).state, "without resume"
    for other in (prices.iloc[1:], prices * 2):
        with pytest.warns(TrainingWarning, match="of other data"), pytest.raises(KeyboardInterrupt):
            TSGAN(config=SMALL, random_state=3, device="cpu").fit(
                other, checkpoint=tmp_path / "c", resume=True, progress=stop_at("choosing", 1)
            )
    with pytest.warns(TrainingWarning, match="another configuration, seed"), pytest.raises(KeyboardInterrupt):
        TSGAN(config=SMALL, random_state=4, device="cpu").fit(
            prices, checkpoint=tmp_path / "c", resume=True, progress=stop_at("choosing", 1)
        )
    whole = file.read_bytes()
    for damaged in (b"", b"{half", whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1])):
        file.write_bytes(damaged)
        with pytest.warns(TrainingWarning, match="damaged or no checkpoint; the fit starts anew"):
            assert not Checkpoint(file, key, resume=True).state
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Checkpoint(tmp_path / "absent", key, resume=True).choice is None


def test_a_checkpoint_is_no_model(tmp_path: Path) -> None:
    write_model(tmp_path / "c", {"records": torch.zeros(1)}, {"key": "k", "choice": None})
    with pytest.raises(ModelFileError, match="does not hold what a model of its format holds"):
        TSGAN.load(tmp_path / "c")


@pytest.mark.usefixtures("every_step")
def test_a_fit_goes_on_where_no_checkpoint_can_be_written(prices: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.warns(TrainingWarning, match="no checkpoint could be written to .*; the fit goes on without"):
        model = TSGAN(config=SMALL, random_state=3, device="cpu").fit(prices, checkpoint=tmp_path / "gone" / "c")
    assert model.law_.generator is not None


def test_state_is_written_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("tsgan.checkpoint.time.monotonic", lambda: now[0])
    kept, made = Checkpoint(tmp_path / "c", "key"), list[float]()

    def tensors() -> dict[str, torch.Tensor]:
        made.append(now[0])
        return {"records": torch.zeros(1)}

    for second in range(25):
        now[0] = second
        kept.keep_state(tensors, last=second == 24)
    assert made == [10, 20, 24]


@POSIX
def test_ctrl_c_waits_for_the_step_and_the_second_does_not(tmp_path: Path) -> None:
    kept, steps = Checkpoint(tmp_path / "c", "key"), list[int]()

    def work() -> None:
        with kept.stops_after_a_step():
            signal.raise_signal(signal.SIGINT)
            steps.append(1)
            kept.keep_state(lambda: {"records": torch.zeros(1)}, last=False)
            steps.append(2)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == [1]
    assert Checkpoint(tmp_path / "c", "key", resume=True).steps == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def impatient() -> None:
        with Checkpoint(tmp_path / "d", "key").stops_after_a_step():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            steps.append(3)

    with pytest.raises(KeyboardInterrupt):
        impatient()
    assert steps == [1]
    assert not (tmp_path / "d").exists()


# processes ------------------------------------------------------------------------------------------------------------

CHILD = """
import os, signal, sys, threading
from pathlib import Path
import arch.univariate, torch._dynamo, typer.rich_utils  # what takes long to import, once for all children
from tsgan import checkpoint, estimator, procedure, training
from tsgan.cli.main import app
from tsgan.datasets import readers
from tsgan.evaluation import verdict

training._READ_SECONDS, checkpoint.SAVE_SECONDS, checkpoint._SHARE = 0, 0, 1e9
procedure.kept_steps = max  # so that the second half has steps
calls = 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def at_call(number, where):
    def counted(what):
        def call(*args):
            global calls
            calls += 1
            if calls == number and where == "before":
                die()
            if calls == number and where == "amid" and what is write:
                write(args[0], args[1][: len(args[1]) // 2])
                die()
            result = what(*args)
            if calls == number:
                die()
            return result
        return call
    write = Path.write_bytes
    Path.write_bytes = lambda self, data: counted_write(self, data)
    counted_write = counted(write)
    os.replace, os.fsync, os.unlink = counted(os.replace), counted(os.fsync), counted(os.unlink)

print("ready", flush=True)
for line in sys.stdin:
    how, number, where = line.split()
    child = os.fork()
    if not child:
        if how == "call":
            at_call(int(number), where)
        elif how == "time":
            threading.Timer(float(number), die).start()
        try:
            app(sys.argv[1:])
        except SystemExit as end:
            os._exit(end.code or 0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def project(prices: pd.DataFrame, tmp_path: Path) -> Path:
    prices.to_csv(tmp_path / "prices.csv")
    tables = {
        "warm_start": {"steps": 10},
        "training": {"steps": 8, "critic_warm_up": 3, "critic_steps": 1, "batch": 8, "past": 32, "future": 32},
    }
    lines = [f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in table.items()) for name, table in tables.items()]
    (tmp_path / "run.toml").write_text("".join(lines))
    return tmp_path


def arguments(project: Path, out: str, *more: str) -> list[str]:
    files = str(project / "prices.csv"), "--config", str(project / "run.toml"), "--out", str(project / out)
    return ["fit", *files, "--seed", "3", "--device", "cpu", "--quiet", *more]


def each(project: Path, out: str, *more: str) -> list[str]:
    """Arguments of one fit a ticker, of two."""
    one = pd.read_csv(project / "prices.csv", index_col="date")["GARCH"]
    pd.DataFrame({"A": one, "B": 1e4 / one}).to_csv(project / "each.csv")
    given = [str(project / "each.csv"), *arguments(project, out)[2:], "--each"]
    return ["fit", *given, *more]


def refit(project: Path, out: str, later: pd.DataFrame) -> list[str]:
    """Arguments of a refit in place of a model, which is fitted first."""
    later.to_csv(project / "later.csv")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tsgan.procedure.kept_steps", max)  # so that the refit has steps
        assert CliRunner().invoke(app, arguments(project, out)).exit_code == 0
    files = str(project / out), str(project / "later.csv")
    return ["update", *files, "--refit", "--device", "cpu", "--quiet"]


@contextmanager
def runs(project: Path, command: list[str]) -> Iterator[Callable[[str], int]]:
    """Yield what runs a command in a new process that may kill itself, and returns its exit code."""
    script = project / "child.py"
    script.write_text(CHILD)
    with subprocess.Popen(
        [sys.executable, str(script), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        given, told = server.stdin, server.stdout
        assert told.readline() == "ready\n"

        def run(how: str) -> int:
            given.write(how + "\n")
            given.flush()
            return int(told.readline())

        yield run
        given.close()


def test_what_an_interrupted_fit_has_done_is_not_written_over(prices: pd.DataFrame, tmp_path: Path) -> None:
    data, model = tmp_path / "prices.csv", tmp_path / "model.tsgan"
    prices.to_csv(data)
    left = checkpoint_of(model)
    left.write_bytes(b"hours of work")
    done = CliRunner().invoke(app, ["fit", str(data), "--steps", "1", "--out", str(model)])
    assert done.exit_code == 2
    assert f"{left} holds what an interrupted fit has done; --resume goes on" in done.stderr
    assert left.read_bytes() == b"hours of work"
    assert not model.exists()


def kill_again_and_again(
    run: Callable[[str], int], check: Callable[[], None], start_anew: Callable[[], None], seconds: float, kills: int
) -> None:
    """Kill a command at some time, or at some call that writes, amid it or around, and let it go on, so many times."""
    rng, killed, whole = random.Random(0), 0, 0
    while killed < kills or not whole:
        where = rng.choice(("before", "amid", "after"))
        how = rng.choice((f"time {rng.uniform(0.1, 1) * seconds} 0", f"call {rng.randint(1, 70)} {where}"))
        code = run(how)
        assert code in (0, -signal.SIGKILL), how
        check()
        killed += code != 0
        if not code:
            whole += 1
            start_anew()


KILLS = int(os.environ.get("TSGAN_KILLS", "20"))


@pytest.mark.slow
@POSIX
def test_killed_at_any_moment_it_goes_on_to_the_same_model(project: Path) -> None:
    """Twenty kills; TSGAN_KILLS says another number."""
    with runs(project, arguments(project, "straight.tsgan")) as run:
        begin = time.monotonic()
        assert run("never 0 0") == 0
        took = time.monotonic() - begin
    expected, out = content(project / "straight.tsgan"), project / "killed.tsgan"
    assert expected[1]["fit"]["steps"] == 8

    def check() -> None:
        assert not out.exists() or content(out) == expected, "a file of that name is whole, also after a kill"

    def start_anew() -> None:
        out.unlink()
        assert names(project) == {"prices.csv", "run.toml", "child.py", "straight.tsgan"}

    with runs(project, arguments(project, "killed.tsgan", "--resume")) as run:
        kill_again_and_again(run, check, start_anew, took, KILLS)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.slow
@POSIX
def test_a_refit_that_is_killed_goes_on_and_never_harms_the_model(project: Path, later: pd.DataFrame) -> None:
    command, out = refit(project, "m.tsgan", later), project / "m.tsgan"
    before = out.read_bytes()
    with runs(project, command) as run:
        begin = time.monotonic()
        assert run("never 0 0") == 0
        took = time.monotonic() - begin
    expected = content(out)
    assert expected[1]["fit"]["fitted_rows"] == len(later)
    out.write_bytes(before)

    def check() -> None:
        assert out.read_bytes() == before or content(out) == expected

    def start_anew() -> None:
        assert content(out) == expected
        assert names(project) == {"prices.csv", "later.csv", "run.toml", "child.py", "m.tsgan"}
        out.write_bytes(before)

    with runs(project, [*command, "--resume"]) as run:
        kill_again_and_again(run, check, start_anew, took, KILLS // 6)


@pytest.mark.slow
@POSIX
def test_fits_of_each_ticker_that_are_killed_go_on_to_the_same_models(project: Path) -> None:
    with runs(project, each(project, "straight")) as run:
        begin = time.monotonic()
        assert run("never 0 0") == 0
        took = time.monotonic() - begin
    expected = {name: content(project / "straight" / name) for name in ("A.tsgan", "B.tsgan")}
    folder = project / "killed"

    def check() -> None:
        for file in folder.glob("[AB].tsgan"):
            assert content(file) == expected[file.name]

    def start_anew() -> None:
        assert names(folder) == set(expected)
        for file in folder.iterdir():
            file.unlink()

    with runs(project, each(project, "killed", "--resume")) as run:
        kill_again_and_again(run, check, start_anew, took, KILLS // 6)


# stopped from outside -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_two_fits_at_once_are_stopped_and_go_on(number: signal.Signals, project: Path) -> None:
    """SIGINT goes to the workers too, as Ctrl-C in a terminal does; SIGKILL leaves them to themselves."""
    command = [sys.executable, "-c", "from tsgan.cli.main import main; main()"]
    assert CliRunner().invoke(app, each(project, "straight")).exit_code == 0
    with subprocess.Popen(
        [*command, *each(project, "models", "--jobs", "2")], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while not list(project.glob("models/[AB]*.ckpt")):
            time.sleep(0.005)
            assert process.poll() is None
        send = os.killpg if number == signal.SIGINT else os.kill
        send(process.pid, number)
        _, said = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130
        assert said == f"interrupted; the same command with --resume goes on from {project / 'models'}\n"
    again = subprocess.run([*command, *each(project, "models", "--jobs", "2", "--resume")], check=False)
    assert again.returncode == 0
    for name in ("A.tsgan", "B.tsgan"):
        assert content(project / "models" / name) == content(project / "straight" / name)


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_refit_saves_and_says_how_to_go_on(
    number: signal.Signals, project: Path, later: pd.DataFrame
) -> None:
    command, out = refit(project, "m.tsgan", later), project / "m.tsgan"
    before, seen = out.read_bytes(), list[int]()
    told = TSGAN.update

    def stopped(self: TSGAN, *args: Any, progress: object, **options: Any) -> TSGAN:
        def listen(state: Progress) -> None:
            if state.record and not seen:  # the second would not wait
                seen.append(state.record.step)
                signal.raise_signal(number)

        return told(self, *args, progress=listen, **options)

    handler = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as the command does
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(TSGAN, "update", stopped)
            result = CliRunner().invoke(app, command)
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert (result.exit_code, result.stderr) == (
        130, f"interrupted; the same command with --resume goes on from {out}.ckpt\n"
    )  # fmt: skip
    assert out.read_bytes() == before
    assert CliRunner().invoke(app, [*command, "--resume"]).exit_code == 0
    resumed = content(out)
    assert not Path(f"{out}.ckpt").exists()
    out.write_bytes(before)
    assert CliRunner().invoke(app, command).exit_code == 0
    assert content(out) == resumed
    done = CliRunner().invoke(app, [*command[:-1], "--resume"])
    assert (done.exit_code, done.stdout) == (0, f"0 rows added; refitted to {len(later)} rows; wrote {out}\n")
    assert CliRunner().invoke(app, [*command[:3], "--resume"]).exit_code == 2


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", ["choosing the steps", "judging on later days", "training on all rows"])
def test_a_stopped_command_saves_and_says_how_to_go_on(
    number: signal.Signals, stage: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsgan.procedure.kept_steps", max)
    seen, out = list[int](), project / "m.tsgan"
    told = TSGAN.fit

    def stopped(self: TSGAN, *args: Any, progress: Callable[[Progress], None], **options: Any) -> TSGAN:
        def listen(state: Progress) -> None:
            progress(state)
            if not seen and state.stage == stage and (state.record is None) == (stage == "judging on later days"):
                seen.append(state.done)
                signal.raise_signal(number)

        return told(self, *args, progress=listen, **options)

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as the command does
    try:
        with monkeypatch.context() as patched:
            patched.setattr(TSGAN, "fit", stopped)
            result = CliRunner().invoke(app, arguments(project, "m.tsgan"))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert result.exit_code == 130
    assert result.stderr.endswith(f"interrupted; the same command with --resume goes on from {out}.ckpt\n")
    assert not out.exists()
    assert seen
    again = CliRunner().invoke(app, arguments(project, "m.tsgan", "--resume"))
    assert again.exit_code == 0, again.output
    assert not Path(f"{out}.ckpt").exists()


def test_a_folder_that_is_removed_is_a_sentence(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "folder").mkdir()
    told = TSGAN.fit

    def removed(self: TSGAN, *args: Any, **options: Any) -> TSGAN:
        (project / "folder").rmdir()
        return told(self, *args, **options)

    monkeypatch.setattr(TSGAN, "fit", removed)
    result = CliRunner().invoke(app, arguments(project, "folder/m.tsgan"))
    assert result.exit_code == 2
    assert result.stderr == f"error: {project / 'folder' / 'm.tsgan'}: No such file or directory\n"


@pytest.mark.usefixtures("every_step")
def test_a_model_that_was_written_before_the_kill_is_recognised(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsgan.procedure.kept_steps", max)
    out, saved = project / "m.tsgan", list[bytes]()
    file = Path(f"{out}.ckpt")
    write = TSGAN.save

    def kept(self: TSGAN, path: Path) -> None:
        saved.append(file.read_bytes())
        write(self, path)

    monkeypatch.setattr(TSGAN, "save", kept)
    assert CliRunner().invoke(app, arguments(project, "m.tsgan")).exit_code == 0
    expected = content(out)

    def resume() -> tuple[int, str]:
        file.write_bytes(saved[0])
        result = CliRunner().invoke(app, arguments(project, "m.tsgan", "--resume"))
        return result.exit_code, result.stderr

    assert resume() == (0, "")
    assert content(out) == expected
    assert not file.exists()
    assert len(saved) == 1, "nothing is fitted again"
    assert CliRunner().invoke(app, arguments(project, "m.tsgan", "--resume")).exit_code == 0, "killed at its very end"
    mine = arguments(project, "m.tsgan", "--force", "--periods-per-year", "250")
    assert CliRunner().invoke(app, mine).exit_code == 0
    replaced = out.read_bytes()
    assert resume() == (2, f"error: {out} exists; replace it with --force or write elsewhere with --out\n")
    assert out.read_bytes() == replaced
    assert file.exists()
