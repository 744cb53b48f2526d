"""Options that act by themselves."""

from __future__ import annotations

import os
import subprocess
import sys

import torch
import typer
from typer.testing import CliRunner

from tsgan.cli import options


def test_threads_are_those_asked_for_until_the_command_ends() -> None:
    app, seen = typer.Typer(), []

    @app.command()
    def command(threads: options.Threads = None) -> None:
        seen.append((threads, torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")))

    before = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    assert CliRunner().invoke(app, ["--threads", "3"]).exit_code == 0
    assert CliRunner().invoke(app, []).exit_code == 0
    assert seen == [(3, 3, "3"), (None, *before)]
    assert CliRunner().invoke(app, ["--threads", "0"]).exit_code == 2


def test_threads_of_libraries_that_are_loaded_later() -> None:
    code = """
import sys, typer
from tsgan.cli import options
app = typer.Typer()
@app.command()
def command(threads: options.Threads = None):
    assert "torch" not in sys.modules
    import torch
    print(torch.get_num_threads())
app()
"""
    command = [sys.executable, "-c", code, "--threads", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "1\n"
