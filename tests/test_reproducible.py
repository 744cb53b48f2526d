"""What is the same bit by bit from run to run: fits and paths, in other processes and on other numbers of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tsgan.datasets import load
from tsgan.store import read_model

SETTINGS = """
[warm_start]
steps = 20
[training]
steps = 6
critic_warm_up = 3
batch = 8
past = 32
future = 32
"""


def run(*args: object) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", "from tsgan.cli.main import main; main()", *map(str, args), "--quiet"]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def content(path: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    tensors, document = read_model(path)
    for half in ("choosing", "final"):
        del document["fit"]["training"][half]["seconds"]
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}, document


def test_a_warm_start_is_the_same_file_in_every_process(tmp_path: Path) -> None:
    load("sp500").iloc[:500].to_csv(tmp_path / "prices.csv")
    (tmp_path / "run.toml").write_text(SETTINGS)
    settings = "--config", tmp_path / "run.toml", "--device", "cpu", "--steps", 0
    for name in "ab":
        run("fit", tmp_path / "prices.csv", *settings, "--out", tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_fits_and_paths_are_the_same_in_every_process_on_one_thread_or_two(
    tmp_path: Path,
) -> None:
    load("sp500").iloc[:700].to_csv(tmp_path / "prices.csv")
    (tmp_path / "run.toml").write_text(SETTINGS)
    models, paths = [], []
    for threads in (1, 2):
        model, synth = tmp_path / f"{threads}.tsgan", tmp_path / f"{threads}.csv"
        settings = "--config", tmp_path / "run.toml", "--device", "cpu", "--threads", threads
        run("fit", tmp_path / "prices.csv", *settings, "--out", model)
        run("sample", "--model", model, "--n", 300, "--length", 20, "--threads", threads, "--out", synth)
        models.append(content(model))
        paths.append(synth.read_bytes())
    assert models[0] == models[1]
    assert paths[0] == paths[1]
