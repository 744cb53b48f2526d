"""``tsgan info``: what a model file holds."""

from pathlib import Path
from typing import Annotated

import typer

from tsgan.cli import options
from tsgan.cli.console import say_json, say_values
from tsgan.cli.files import load_model, require_writable
from tsgan.cli.plot import SUFFIXES
from tsgan.files import atomic_path


def info(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model file.")],
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help=f"Draw the curves of its training: {', '.join(SUFFIXES)}.",
            show_default="none",
        ),
    ] = None,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Show what a model learned from, how, and its verdict.

    Examples
    --------
    tsgan info model.tsgan
    tsgan info model.tsgan --json
    tsgan info model.tsgan --plot training.png
    """
    if plot:
        require_writable(plot, force=force, suffixes=SUFFIXES, option="--plot")
    loaded = load_model(model, "cpu")
    if plot:
        from tsgan.evaluation.curves import training_figure

        figure = training_figure(loaded)
        with atomic_path(plot) as temporary:
            figure.savefig(temporary)
    description = loaded.describe()
    if json:
        say_json(description)
        return
    say_values(description | {"training": loaded.training_.describe()})
    if plot:
        print(f"wrote {plot}")
