"""What is installed is what the folders hold, under the one name tsgan."""

import importlib
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tsgan"
LINKED = ("cli", "datasets", "evaluation")


def configuration() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def python_files() -> list[Path]:
    """All modules as they are installed, as paths relative to the root; links are not needed, a clone may have none."""
    found = set[Path]()
    for source, installed in ((PACKAGE, Path("tsgan")), *((ROOT / name, Path("tsgan", name)) for name in LINKED)):
        for folder, subfolders, names in os.walk(source):  # which follows no links
            subfolders[:] = [name for name in subfolders if name != "__pycache__"]
            found |= {installed / Path(folder, name).relative_to(source) for name in names if name.endswith(".py")}
    return sorted(found)


def module_name(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = [module_name(file) for file in python_files()]


def test_the_listed_packages_are_the_folders_that_hold_python_files() -> None:
    folders = {file.parent for file in python_files()}
    assert set(configuration()["tool"]["setuptools"]["packages"]) == {".".join(folder.parts) for folder in folders}
    assert {folder / "__init__.py" for folder in folders} <= set(python_files())


@pytest.mark.parametrize("name", LINKED)
def test_linked_folders_are_relative_links_and_mapped(name: str) -> None:
    assert configuration()["tool"]["setuptools"]["package-dir"][f"tsgan.{name}"] == name
    link = PACKAGE / name
    target = os.readlink(link) if link.is_symlink() else link.read_text()  # what git writes where it makes no links
    assert Path(target) == Path("..", name)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_every_module_imports_by_its_full_name(name: str) -> None:
    assert importlib.import_module(name).__name__ == name


def test_every_public_name_resolves() -> None:
    tsgan = importlib.import_module("tsgan")
    assert tsgan.__all__
    for name in tsgan.__all__:
        assert getattr(tsgan, name) is not None


def test_import_does_not_load_the_heavy_libraries() -> None:
    heavy = ["torch", "arch", "statsmodels", "matplotlib", "yfinance", "joblib", "lightning_fabric", "dask", "ray"]
    code = f"import json, sys, tsgan; print(json.dumps([m for m in {heavy!r} if m in sys.modules]))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == []


def test_what_comes_along_is_permissive_and_listed() -> None:
    run = subprocess.run([sys.executable, ROOT / ".ci" / "licences.py"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    listed = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    names = [line.split(" | ")[0] + " |" for line in run.stdout.splitlines()]
    assert len(names) > 30
    assert not [name for name in names if name not in listed]


def tracked_copy(target: Path) -> Path:
    """Copy what git tracks to ``target``: building in the tree itself would leave build/ and stale files there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source, copy = ROOT / name, target / name
        if source.is_file() and not source.is_symlink():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
    return target


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the wheel is built from what git tracks")
    # Without the links, as on a system that has none: the package-dir map alone must do.
    source = tracked_copy(tmp_path_factory.mktemp("source"))
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    run = subprocess.run([*command, "--wheel-dir", target, source], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    (wheel,) = target.glob("tsgan-*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_every_module_and_the_type_marker(wheel_names: set[str]) -> None:
    assert {file.as_posix() for file in python_files()} <= wheel_names
    assert "tsgan/py.typed" in wheel_names


def test_the_wheel_installs_one_name_only(wheel_names: set[str]) -> None:
    top_level = {name.split("/")[0] for name in wheel_names}
    version = configuration()["project"]["version"]
    assert top_level == {"tsgan", f"tsgan-{version}.dist-info"}
