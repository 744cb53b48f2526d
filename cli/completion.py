"""What a shell completes beside commands and options: values that can be listed. Files are left to the shell."""

import re
from collections.abc import Callable, Iterable
from typing import Any, get_type_hints

_VALUES = re.compile(r"[a-z0-9][a-z0-9:-]*(\|[a-z0-9][a-z0-9:-]*)*")

GIVEN = (
    "volatility=", "trend=", "return=", "drawdown=", "regime=calm", "regime=normal", "regime=stressed",
)  # fmt: skip
"""Beginnings of a condition; those of single assets and covariates are the model's."""


def complete_metavars(command: Callable[..., Any]) -> None:
    """Let every option of a command whose metavar lists its values, such as conv|lstm|both, complete them."""
    for annotation in get_type_hints(command, include_extras=True).values():
        for option in getattr(annotation, "__metadata__", ()):
            if option.metavar and option.autocompletion is None and _VALUES.fullmatch(option.metavar):
                option.autocompletion = one_of(option.metavar.split("|"))


def one_of(values: Iterable[str]) -> Callable[[str], list[str]]:
    """Return a completion by some values."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return complete


def periods(incomplete: str) -> list[tuple[str, str]]:
    """Complete the name of a period, and say what happened in it."""
    from tsgan.scenarios import PERIODS

    return [(name, period.what) for name, period in PERIODS.items() if name.startswith(incomplete)]
