"""What the README and the pages of the site speak of is there: commands, options, outputs, periods, pictures, links."""

from __future__ import annotations

import ast
import importlib
import re
import runpy
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tsgan.cli.main import app
from tsgan.evaluation import MEASURES, evaluate
from tsgan.scenarios import PERIODS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")))
TEXT = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
GROUP = typer.main.get_command(app)
TUTORIALS = {path.stem for path in (ROOT / "examples").glob("*.py")}


def found(pattern: str, flags: re.RegexFlag = re.MULTILINE) -> list[tuple[str, str]]:
    return [(name, match) for name, text in TEXT.items() for match in re.findall(pattern, text, flags)]


def linked(pattern: str) -> list[tuple[str, str]]:
    """Targets of links; what looks like one in a block of code is none."""
    prose = {name: re.sub(r"```.*?```", "", text, flags=re.DOTALL) for name, text in TEXT.items()}
    return [(name, target) for name, text in prose.items() for target in re.findall(pattern, text)]


@pytest.mark.parametrize(("page", "line"), found(r"^\$ tsgan (.*)$"))
def test_commands_have_such_options(page: str, line: str) -> None:
    name, *args = shlex.split(line, comments=True)
    GROUP.commands[name].make_context(name, args)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("page", "block"), found(r"```python\n(.*?)```", re.DOTALL))
def test_python_is_python(page: str, block: str) -> None:
    ast.parse(block)


def test_all_named_periods_are_listed() -> None:
    listed = re.findall(
        r"^\| `([\w-]+)` \| ([\d-]{10}) \| ([\d-]{10}) \| (.*) \|$", TEXT["conditions.md"], re.MULTILINE
    )
    assert {name: tuple(rest) for name, *rest in listed} == {name: tuple(period) for name, period in PERIODS.items()}


def test_pictures_are_there_and_small() -> None:
    pictures = linked(r"!\[[^]]+\]\(([^)]+)\)")
    assert {page for page, _ in pictures} >= {"README.md", "index.md"}
    for page, picture in pictures:
        folder = ROOT if page == "README.md" else DOCS
        assert 0 < (folder / picture).stat().st_size <= 200_000


def test_links_lead_somewhere() -> None:
    for page, target in linked(r"(?<!!)\[[^]]+\]\(([^)\s]+)\)"):
        folder = ROOT if page == "README.md" else DOCS
        path = target.partition("#")[0]
        if "://" in target:
            assert re.fullmatch(r"https://[\w.-]+\.[a-z]+(/\S*)?", target), f"{page}: {target}"
        elif path.startswith("tutorials/"):
            assert path.removeprefix("tutorials/") in {*TUTORIALS, "index"}, f"{page}: {target}"
        elif path:
            assert (folder / path).exists(), f"{page}: {target}"


# the site -------------------------------------------------------------------------------------------------------------


def test_every_page_is_in_the_contents() -> None:
    tables = re.findall(r"```\{toctree\}\n(.*?)```", TEXT["index.md"], re.DOTALL)
    listed = [line for table in tables for line in table.splitlines() if line and not line.startswith(":")]
    assert sorted(listed) == sorted(
        [*(path.stem for path in DOCS.glob("*.md") if path.stem != "index"), "tutorials/index"]
    )


def test_settings_of_the_site_load() -> None:
    settings = runpy.run_path(str(DOCS / "conf.py"))
    assert settings["nitpicky"] is True
    for name in settings["html_extra_path"]:
        assert (DOCS / name).is_file()
    executed = settings["sphinx_gallery_conf"]["filename_pattern"]
    assert {name for name in TUTORIALS if not re.search(executed, f"/{name}.py")} == {"backtest_engine"}


def test_commands_and_measures_are_written_from_the_program() -> None:
    generated = runpy.run_path(str(DOCS / "generated.py"))
    commands, measures = ("\n".join(generated[name]()) for name in ("commands", "measures"))
    for name, command in GROUP.commands.items():  # type: ignore[attr-defined]
        assert f"\ntsgan {name}\n---" in f"\n{commands}"
        for option in (option for parameter in command.params for option in parameter.opts if option[:2] == "--"):
            assert option in commands
    assert all(f"``{measure.name}``" in measures for measure in MEASURES)


def test_descriptions_beside_a_name_are_told_from_types() -> None:
    described = runpy.run_path(str(DOCS / "docstrings.py"))["described"]
    given = ["Say.", "", "Parameters", "----------", "n : number of paths", "start : state that paths", "    begin in"]
    given += ["x : array (n,)", "    Returns.", "", "Raises", "------", "A : B"]
    wanted = [*given[:4], "n", "    number of paths", "start", "    state that paths", *given[6:]]
    assert described(given) == wanted


def test_every_public_name_is_in_the_reference() -> None:
    for module in ("tsgan", "tsgan.datasets", "tsgan.evaluation", "tsgan.evaluation.risk"):
        for name in set(importlib.import_module(module).__all__) - {"__version__"}:
            assert re.search(rf"^   {name}$", TEXT["api.md"], re.MULTILINE), f"{module}.{name}"


def test_the_listing_for_language_models_has_pages_that_are_there() -> None:
    text = (DOCS / "llms.txt").read_text(encoding="utf-8")
    assert re.match(r"# tsgan\n\n> ", text)
    pages = re.findall(r"\]\(([\w/]+)\.html\)", text)
    assert {page for page in pages if "/" not in page} <= {path.stem for path in DOCS.glob("*.md")}
    assert {page.removeprefix("tutorials/") for page in pages if "/" in page} <= TUTORIALS
    assert len(pages) > 10
    for line in re.findall(r"`tsgan (.*?)`", text):
        name, *args = shlex.split(line)
        GROUP.commands[name].make_context(name, args)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_the_quickstart_prints_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert evaluate.__kwdefaults__
    monkeypatch.setitem(evaluate.__kwdefaults__, "draws", 60)  # of 300: a third of the time, the same sentences
    blocks = re.findall(r"```console\n\$ tsgan (.*)\n((?:(?!\$ |```).*\n)+)```", TEXT["quickstart.md"])
    assert [command.split()[0] for command, _ in blocks] == ["data", "fit", "sample", "evaluate"]
    for command, shown in blocks:
        quick = ["--steps", "0"] if command.startswith("fit ") else []  # as many as the fit keeps, says the page
        result = CliRunner().invoke(app, [*shlex.split(command), *quick], catch_exceptions=False)
        assert result.exit_code == 0
        printed = iter(_words(line) for line in result.stdout.splitlines())
        for line in shown.splitlines():
            assert line == "..." or _words(line) in printed, f"tsgan {command} does not print {line!r}"


def _words(line: str) -> list[str]:
    """Words of a line; numbers are those of a machine."""
    return re.sub(r"-?\d[\d,.]*", "#", line).split()
