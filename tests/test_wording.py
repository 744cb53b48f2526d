"""The library names options as Python gives them, the command line as a shell does."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tsgan import DataError
from tsgan.cli.main import app
from tsgan.cli.wording import shell_words
from tsgan.datasets import read_prices


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ("use missing='drop' (keeps 2 rows)", "use --missing drop (keeps 2 rows)"),
        ("start='2020-01-03' and end='2020-01-05', or", "--from 2020-01-03 and --to 2020-01-05, or"),
        ("out with columns=['A', 'B']", "out with --columns A,B"),
        ("columns=['Hong Kong', \"O'Neil\", 'a]b', ...] or", """--columns 'Hong Kong,O'"'"'Neil,a]b,...' or"""),
        ("steps=40 or more", "--steps 40 or more"),
        ("condition_on=['VIX'] in", "--condition-on VIX in"),
        ("restart='x' and starts=3 and start=x stay", "restart='x' and starts=3 and start=x stay"),
    ],
)
def test_options_of_a_message(python: str, shell: str) -> None:
    assert shell_words(python) == shell


def test_the_remedy_of_a_refusal_works_in_python_and_in_a_shell(tmp_path: Path) -> None:
    steps = np.random.default_rng(0).normal(0, 0.01, (500, 2))
    prices = pd.DataFrame(100 * np.exp(steps.cumsum(0)), pd.bdate_range("2020-01-01", periods=500), ["A", "Hong Kong"])
    prices.iloc[3:5, 0] = 0.0
    file = tmp_path / "prices.csv"
    prices.to_csv(file)
    with pytest.raises(
        DataError, match=r"leave the column out with columns=\['Hong Kong'\] or start later with start='2"
    ):
        read_prices(file)
    assert len(read_prices(file, columns=["Hong Kong"])) == 500
    refused = CliRunner().invoke(app, ["fit", str(file), "--dry-run"])
    assert refused.exit_code == 2
    column, start = refused.stderr.split("leave the column out with ")[1].split("; ")[0].split(" (")[0].split(" or ")
    for remedy in (column, start.removeprefix("start later with ")):
        assert CliRunner().invoke(app, ["fit", str(file), "--dry-run", *shlex.split(remedy)]).exit_code == 0
