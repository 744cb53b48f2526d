"""Nothing is executed that comes in, nothing goes out, and no name breaks out of a page."""

import ast
import re
import socket
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
