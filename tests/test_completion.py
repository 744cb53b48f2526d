"""Completion as shells ask for it: in a process of its own, quick, of what can be listed, and of files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tsgan.cli.completion import GIVEN
from tsgan.events import FACTS
from tsgan.objectives import OBJECTIVES
from tsgan.regimes import NAMES
from tsgan.scenarios import PERIODS

CODE = "import sys; sys.argv[0] = 'tsgan'; from tsgan.cli.main import main; main()"


def ask(*args: str, **variables: str) -> str:
    """What the command says with some variables in its environment."""
    command, environment = [sys.executable, "-c", CODE, *args], {**os.environ, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def completed(line: str, shell: str = "bash") -> list[str]:
    """What a shell completes a line to, whose last word is begun."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_TYPER_COMPLETE_ARGS": line}
    said = ask(**asked, _TSGAN_COMPLETE=f"complete_{shell}", _TYPER_COMPLETE_FISH_ACTION="get-args")
    return said.split("\n")[:-1] if said.strip() else []


def test_commands_and_options_are_completed() -> None:
    assert {"fit", "sample", "doctor"} <= set(completed("tsgan "))
    assert completed("tsgan eva") == ["evaluate"]
    assert {"--objective", "--out"} <= set(completed("tsgan fit --o"))


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("fit --objective ", {*OBJECTIVES}),
        ("fit --critic ", {"conv", "lstm", "both"}),
        ("fit --missing ", {"error", "drop"}),
        ("fit --device c", {"cpu", "cuda", "cuda:1"}),
        ("sample --start ", {"stationary", "last"}),
        ("sample --given ", {*GIVEN}),
        ("sample --like ", {*PERIODS}),
        ("sample --like c", {"china-2015", "calm-2017", "covid"}),
        ("evaluate --fail-on ", {"fail", "warn"}),
        ("plot --only ", {"fan", "tails", "acf", "drawdowns", "correlation"}),
    ],
)
def test_values_that_can_be_listed_are_completed(line: str, values: set[str]) -> None:
    assert set(completed(f"tsgan {line}")) == values


@pytest.mark.parametrize("line", ["fit ", "fit pri", "sample --model ", "evaluate prices.csv syn", "fit --config "])
def test_files_are_left_to_the_shell(line: str) -> None:
    assert completed(f"tsgan {line}") == []
    assert "_files" in "".join(completed(f"tsgan {line}", "zsh"))


def test_conditions_that_are_completed_are_all_there_are() -> None:
    assert {text.partition("=")[0] for text in GIVEN} == {*FACTS, "regime"}
    assert [text.partition("=")[2] for text in GIVEN if text.startswith("regime")] == [*NAMES]


def test_other_shells_get_the_same_and_what_it_means() -> None:
    assert "lehman" in "".join(completed("tsgan sample --like leh", "zsh"))
    assert completed("tsgan sample --like leh", "fish") == [f"lehman\t{PERIODS['lehman'].what}"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_installing_it_is_one_option(shell: str, tmp_path: Path) -> None:
    aside = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    assert "_TSGAN_COMPLETE" in ask("--show-completion", shell, **aside)
    assert "installed" in ask("--install-completion", shell, **aside)
    written = [file for file in tmp_path.rglob("*") if file.is_file() and "tsgan" in file.name]
    assert len(written) == 1
    assert "_TSGAN_COMPLETE" in written[0].read_text()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_itself_completes(tmp_path: Path) -> None:
    program = tmp_path / "tsgan"
    program.write_text(f'#!/bin/sh\nexec \'{sys.executable}\' -c "{CODE}" "$@"\n')
    program.chmod(0o755)
    script = (
        f'PATH="{tmp_path}:$PATH"; source <(_TSGAN_COMPLETE=source_bash tsgan)\n'
        "COMP_WORDS=(tsgan fit --objective wgan); COMP_CWORD=3; _tsgan_completion tsgan\n"
        'printf "%s\\n" "${COMPREPLY[@]}"; complete -p tsgan'
    )
    said = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True).stdout
    *values, rule = said.splitlines()
    assert set(values) == {name for name in OBJECTIVES if name.startswith("wgan")}
    assert "-o default" in rule  # files, where nothing is completed


def test_completing_imports_nothing_heavy() -> None:
    heavy = {"torch", "pandas", "numpy", "scipy", "sklearn", "matplotlib", "pyarrow"}
    code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {CODE}"
    for line in ("tsgan fit --objective ", "tsgan sample --like ", "tsgan "):
        words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_TSGAN_COMPLETE": "complete_bash"}
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **words}, capture_output=True, text=True, check=True
        )
        assert done.stdout
        assert not heavy & set(done.stderr.split())
