"""`tsgan doctor` says what is there and what is not."""

from __future__ import annotations

import importlib.metadata
import json

import pytest
from typer.testing import CliRunner

from tsgan.cli import doctor
from tsgan.cli.main import app


def test_what_is_there() -> None:
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["packages"]["torch"] == importlib.metadata.version("torch")
    assert found["computes"]["device"] in ("cpu", "cuda")
    assert found["computes"]["threads"] >= 1
    assert {"dask", "ray", "fabric", "skfolio", "calendars"} <= set(found["extras"])
    assert not {"dev", "docs"} & set(found["extras"])
    assert "torch" in CliRunner().invoke(app, ["doctor"]).stdout


def test_what_is_missing_or_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    have = {"torch": "1.9", "ray": None, "scipy": None}

    def version(name: str) -> str:
        if (known := have.get(name, "1000")) is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return known

    monkeypatch.setattr(doctor, "version", version)
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 2
    found = json.loads(done.stdout)
    assert found["packages"]["torch"].startswith("1.9, needs >=")
    assert found["packages"]["scipy"].startswith("missing, needs >=")
    assert found["extras"]["ray"] == "missing; pip install 'tsgan[ray]'"
    assert found["extras"]["skfolio"] == "skfolio 1000"
    assert "pip install --upgrade" in done.stderr
