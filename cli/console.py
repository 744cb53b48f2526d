"""What the commands say: results on stdout; progress, notes and errors on stderr."""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from tsgan.cli.wording import shell_words
from tsgan.errors import TsganWarning

if TYPE_CHECKING:
    from rich.table import Table


def complain(text: str) -> None:
    """Print a line on stderr, its options as a shell gives them."""
    print(printable(shell_words(text)), file=sys.stderr)


def printable(text: str) -> str:
    """Text whose signs a terminal only shows: names from a file may hold others, which it would obey."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "\N{REPLACEMENT CHARACTER}" for sign in text)


@contextmanager
def notes() -> Iterator[None]:
    """Print each TsganWarning of the block once, as a line ``note: …`` on stderr."""
    said = set[str]()
    show = warnings.showwarning

    def note(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, TsganWarning):
            show(message, category, filename, lineno, file, line)
        elif str(message) not in said:
            said.add(str(message))
            complain(f"note: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", TsganWarning)
        warnings.showwarning = note
        yield


def say_json(values: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout; numbers that JSON does not know become null."""
    print(json.dumps(_plain(values), indent=2, ensure_ascii=False, allow_nan=False, default=str))


def say_values(values: Mapping[str, Any], indent: int = 0) -> None:
    """Print names and values, one a line, nested tables indented."""
    margin = " " * indent
    width = max((len(name) for name, value in values.items() if not _is_block(value)), default=0)
    for name, value in values.items():
        label = printable(name.replace("_", " "))
        if not _is_block(value):
            print(f"{margin}{label:<{width}}  {_text(value)}")
        elif isinstance(value, Mapping):
            print(f"{margin}{label}")
            say_values(value, indent + 2)
        else:
            print(f"{margin}{label}", *map(printable, map(str, value)), sep=f"\n{margin}  ")


def say_table(table: Table) -> None:
    """Print a Rich table on stdout: fitted to a terminal, in full width elsewhere."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = 10_000  # measured without a limit
        console.width = max(console.measure(table).maximum, 1)
    console.print(table)


def counted(count: int, noun: str) -> str:
    """Return ``1 asset``, ``1,000 assets``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _is_block(value: Any) -> bool:
    """Whether a value takes lines of its own: a table, or sentences."""
    if isinstance(value, Mapping):
        return len(value) > 0
    return isinstance(value, list) and any(isinstance(item, str) and len(item) > 60 for item in value)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        nested = any(isinstance(item, list | tuple) for item in value)
        return f"{counted(len(value), 'record')}, see --json" if nested else ", ".join(map(_text, value)) or "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "–" if value is None or value == {} else printable(str(value))
