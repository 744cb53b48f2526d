"""The library names the options of a remedy as Python gives them; the command line says its own."""

from __future__ import annotations

import ast
import re
import shlex

_OPTIONS = {
    "columns": "--columns",
    "condition_on": "--condition-on",
    "end": "--to",
    "kind": "--kind",
    "missing": "--missing",
    "start": "--from",
    "steps": "--steps",
}
_TEXT = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_OPTION = re.compile(rf"\b({'|'.join(_OPTIONS)})=({_TEXT}|\d+|\[(?:{_TEXT}|\.\.\.|, )*\])")


def shell_words(message: str) -> str:
    """Return a message with the options it names as a shell takes them.

    >>> shell_words("use missing='drop' or columns=['A', 'Hong Kong']")
    "use --missing drop or --columns 'A,Hong Kong'"
    """
    return _OPTION.sub(_as_option, message)


def _as_option(found: re.Match[str]) -> str:
    value = ast.literal_eval(found[2])
    if isinstance(value, list):
        value = ",".join("..." if name is ... else name for name in value)
    return f"{_OPTIONS[found[1]]} {shlex.quote(str(value))}"
