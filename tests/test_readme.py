"""What the README speaks of is there: commands and their options, named periods, pictures."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer

from tsgan.cli.main import app
from tsgan.scenarios import PERIODS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ tsgan (.*)$", README, re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_have_such_options(line: str) -> None:
    name, *args = shlex.split(line, comments=True)
    group = typer.main.get_command(app)
    group.commands[name].make_context(name, args)  # type: ignore[attr-defined]


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_python_is_python(block: str) -> None:
    ast.parse(block)


def test_all_named_periods_are_listed() -> None:
    listed = re.findall(r"^\| `([\w-]+)` \| ([\d-]{10}) \| ([\d-]{10}) \| (.*) \|$", README, re.MULTILINE)
    assert {name: tuple(rest) for name, *rest in listed} == {name: tuple(period) for name, period in PERIODS.items()}


def test_pictures_are_there_and_small() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert pictures
    for picture in pictures:
        assert 0 < (ROOT / picture).stat().st_size <= 200_000
