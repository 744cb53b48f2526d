"""Nothing is executed that comes in, nothing goes out, and no name breaks out of a page."""

import ast
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tsgan import TSGAN
from tsgan.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
MODULES = [
    path for folder in ("tsgan", "cli", "datasets", "evaluation") for path in sorted((ROOT / folder).rglob("*.py"))
]


# nothing is executed -------------------------------------------------------------------------------------------------

EXECUTING_MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "code",
    "codeop",
    "yaml",
}
EXECUTING_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
EXECUTING_CALLS |= {"torch.load", "joblib.load", "pd.read_pickle", "pandas.read_pickle", "np.load", "numpy.load"}
HARMLESS = {"pickle.PicklingError"}  # an exception, which joblib raises


def suspects(source: str) -> list[str]:
    """Return what could execute something that was read, as names with their lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names if name.name.split(".")[0] in EXECUTING_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{name.name}" for name in node.names]
            bad = node.module.split(".")[0] in EXECUTING_MODULES
            found += [(node.lineno, name) for name in names if bad or name in EXECUTING_CALLS]
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in EXECUTING_CALLS or any(
                word.arg in ("allow_pickle", "shell")
                and not (isinstance(word.value, ast.Constant) and not word.value.value)
                for word in node.keywords
            ):
                found.append((node.lineno, name))
    return [f"{name}, line {line}" for line, name in found if name not in HARMLESS]


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(ROOT)) for path in MODULES])
def test_no_module_can_execute_what_it_reads(path: Path) -> None:
    assert suspects(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "import os, marshal", "from pickle import loads", "from yaml import load", "import dill as d",
        "eval(text)", "torch.load(path, weights_only=True)", "np.load(path)", "NpzFile(f, allow_pickle=True)",
        "read(f, allow_pickle=flag)", "from torch import x\njoblib.load(p)", "subprocess.run(words, shell=True)",
        "from joblib import load", "__import__(name)",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(source: str) -> None:
    assert suspects(source)


def test_a_model_file_holds_no_pickle(tmp_path: Path, model: TSGAN) -> None:
    model.save(tmp_path / "m.tsgan")
    content = (tmp_path / "m.tsgan").read_bytes()
    size = int.from_bytes(content[:8], "little")
    assert content[8 : 8 + size].isascii()  # the text, behind which numbers only come
    for mark in (b"\x80\x02", b"\x80\x03", b"\x80\x04\x95", b"\x80\x05\x95", b"PK\x03\x04"):
        assert not content.startswith(mark)
        assert mark not in content[8 : 8 + size]


# nothing goes out, and names stay names ------------------------------------------------------------------------------

NAMES = ["<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>"]


class Reader(HTMLParser):
    """Reads a page: its tags with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def tsgan(*args: object) -> str:
    result = CliRunner().invoke(app, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result.stdout


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Let nothing reach another machine; what was tried."""
    tried: list[object] = []
    connect = socket.socket.connect

    def refuse(*args: Any, **options: Any) -> Any:
        tried.append(args)
        raise OSError("no network in this test")

    def connect_here(self: socket.socket, address: Any) -> None:
        here = self.family == getattr(socket, "AF_UNIX", None) or address[0] in ("127.0.0.1", "::1", "localhost")
        (connect if here else refuse)(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket.socket, "sendto", refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    return tried


def test_the_guard_refuses_other_machines(offline: list[object]) -> None:
    with pytest.raises(OSError, match="no network"):
        socket.create_connection(("192.0.2.1", 80))
    with socket.socket() as other, pytest.raises(OSError, match="no network"):
        other.connect(("192.0.2.1", 80))
    assert len(offline) == 2


@pytest.mark.slow
def test_every_command_stays_offline_and_every_page_escapes_its_names(tmp_path: Path, offline: list[object]) -> None:
    rng = np.random.default_rng(0)
    returns = rng.standard_t(5, (420, 2)) * 0.01
    dates = pd.bdate_range("2020-01-01", periods=421, name="Date")
    table = pd.DataFrame(100 * np.exp(np.vstack((np.zeros(2), returns)).cumsum(0)), index=dates, columns=NAMES)
    files = [tmp_path / name for name in ("all.csv", "early.csv", "m.tsgan", "synth.csv")]
    prices, early, model, synth = files
    table.to_csv(prices)
    table.iloc[:400].to_csv(early)
    (tmp_path / "run.toml").write_text("[training]\nsteps = 0\npast = 32\nfuture = 32\n")
    pages = {name: tmp_path / f"{name}.html" for name in ("evaluate", "backtest")}

    tsgan("fit", early, "--config", tmp_path / "run.toml", "--out", model)
    tsgan("update", model, prices, "--out", tmp_path / "new.tsgan")
    tsgan("sample", "--model", model, "--n", 8, "--length", 120, "--out", synth)
    tsgan("evaluate", early, synth, "--out", pages["evaluate"])
    backtest = ("--model", model, "--start", dates[401].date(), "--levels", ".05", "--against", "historical 250")
    tsgan("backtest", prices, *backtest, "--out", pages["backtest"])
    tsgan("plot", early, synth, "--out", tmp_path / "p.svg")
    tsgan("info", model)
    tsgan("data", "sp500", "--out", tmp_path / "sp500.csv")

    assert offline == []
    for page in pages.values():
        html = page.read_text(encoding="utf-8")
        read = Reader(html)
        assert "script" not in {tag for tag, _ in read.tags}
        assert "img" not in {tag for tag, _ in read.tags}
        assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
        assert all(name in read.text for name in NAMES)
    assert not re.search(r"<script|<img|\bonerror\s*=\s*[^&]*>", (tmp_path / "p.svg").read_text(encoding="utf-8"))


GUARD = """
import os, sys
from pathlib import Path

here = Path(__file__).parent
(here / f"guarded-{os.getpid()}").touch()
local = {None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}

def guard(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        host = args[1][0] if isinstance(args[1], tuple) else None  # otherwise a file, or of a connected socket
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = args[0]
    else:
        return
    if host not in local:
        with open(here / "tried", "a") as file:
            print(event, args, file=file)
        raise OSError("no network in this test")

sys.addaudithook(guard)
"""


@pytest.fixture
def guarded(tmp_path: Path) -> Callable[..., tuple[int, set[str]]]:
    """Run Python where all processes refuse what is not of this machine; how many there were, and what they tried."""
    folder = tmp_path / "guard"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(GUARD)
    paths = str(folder), *filter(None, [os.environ.get("PYTHONPATH")])

    def run(code: str, *args: object) -> tuple[int, set[str]]:
        command = [sys.executable, "-c", code, *map(str, args)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        tried = folder / "tried"
        return len(list(folder.glob("guarded-*"))), set(tried.read_text().splitlines()) if tried.exists() else set()

    return run


def test_the_guard_of_processes_refuses_other_machines(guarded: Callable[..., tuple[int, set[str]]]) -> None:
    code = """
import contextlib, socket
for reach in (lambda: socket.create_connection(("192.0.2.1", 80)), lambda: socket.gethostbyname("example.org"),
              lambda: socket.socket().connect(("192.0.2.1", 80))):
    with contextlib.suppress(OSError):
        reach()
        raise SystemExit("reached")
"""
    processes, tried = guarded(code)
    assert processes == 1
    assert {line.split(" ")[0] for line in tried} == {"socket.getaddrinfo", "socket.gethostbyname", "socket.connect"}


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--each", "--jobs", "2"], ["--devices", "2"]])
def test_processes_that_work_together_stay_on_this_machine(
    options: list[str], prices: pd.DataFrame, tmp_path: Path, guarded: Callable[..., tuple[int, set[str]]]
) -> None:
    """By sockets that Python opens; those of gloo are torch's own, and meet at 127.0.0.1."""
    if "--devices" in options:
        pytest.importorskip("lightning_fabric")
    prices.assign(OTHER=1e4 / prices["GARCH"]).to_csv(tmp_path / "prices.csv")
    (tmp_path / "run.toml").write_text(
        "[warm_start]\nsteps = 10\n[training]\nsteps = 2\ncritic_warm_up = 2\nbatch = 8\n"
    )
    files = tmp_path / "prices.csv", "--config", tmp_path / "run.toml", "--out", tmp_path / "out"
    processes, tried = guarded("from tsgan.cli.main import main; main()", "fit", *files, "--device", "cpu", *options)
    assert tried == set()
    assert processes >= (3 if "--jobs" in options else 2)
    assert (tmp_path / "out").exists()


def test_names_from_files_give_a_terminal_no_orders(tmp_path: Path) -> None:
    file = tmp_path / "prices.parquet"
    dates = pd.bdate_range("2020-01-01", periods=600)
    walk = 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(0).standard_normal(600)))
    pd.DataFrame({"\x1b[2J\x1b]0;hi\x07": walk}, dates.rename("date")).to_parquet(file)
    plan = CliRunner().invoke(app, ["fit", str(file), "--dry-run"])
    assert plan.exit_code == 0, plan.output
    refused = CliRunner().invoke(app, ["fit", str(file), "--columns", "SPY"])
    assert refused.exit_code == 2
    for said in (plan.output, refused.output):
        assert "[2J" in said
        assert not {"\x1b", "\x07"} & set(said)
