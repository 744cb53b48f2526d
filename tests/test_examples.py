"""The tutorials run as they stand, without a warning, and draw what their pages show."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NEEDS = {"backtest_engine": "backtesting", "portfolio_cvar": "skfolio"}


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_runs(script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    if script.stem in NEEDS:
        pytest.importorskip(NEEDS[script.stem])
    plt.switch_backend("Agg")
    monkeypatch.setattr(plt, "show", lambda: None)
    monkeypatch.setattr(sys, "argv", [str(script)])
    try:
        runpy.run_path(str(script), run_name="__main__")
        assert capsys.readouterr().out
        assert bool(plt.get_fignums()) == (script.stem != "backtest_engine")
    finally:
        plt.close("all")


def test_each_begins_with_a_title() -> None:
    for script in EXAMPLES.glob("*.py"):
        opening, title, line = script.read_text(encoding="utf-8").splitlines()[:3]
        assert opening == '"""'
        assert line == "=" * len(title)
