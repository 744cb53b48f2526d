"""``tsgan info``: what a model file holds."""

from pathlib import Path
from typing import Annotated

import typer

from tsgan.cli import options
from tsgan.cli.console import say_json, say_values
from tsgan.cli.files import load_model


def info(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model file.")],
    json: options.Json = False,
) -> None:
    """Show what a model learned from, how, and its verdict.

    Examples
    --------
    tsgan info model.tsgan
    tsgan info model.tsgan --json
    """
    description = load_model(model, "cpu").describe()
    say_json(description) if json else say_values(description)
