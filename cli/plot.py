"""``tsgan plot``: a picture of real and synthetic prices, or of a model's paths under conditions."""

from pathlib import Path
from typing import Annotated

import typer

from tsgan.cli import options
from tsgan.cli.files import load_model, read_pair, require_writable
from tsgan.errors import ConfigError
from tsgan.files import atomic_path

SUFFIXES = (".png", ".pdf", ".svg")


def plot(
    real: options.RealOrNone = None,
    synth: options.SynthOrNone = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", metavar="FILE", help="Draw paths of this model under conditions.", show_default="REAL and SYNTH"
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help=f"The picture to write: {', '.join(SUFFIXES)}.")
    ] = Path("paths.png"),
    columns: options.Columns = None,
    missing: options.MissingPrices = options.Missing.ERROR,
    start: options.From = None,
    end: options.To = None,
    force: options.Force = False,
) -> None:
    """Draw paths beside real prices, or a model's under conditions.

    Examples
    --------
    tsgan plot prices.csv synth.csv --out paths.png
    tsgan plot --model model.tsgan --out conditions.png
    """
    require_writable(out, force=force, suffixes=SUFFIXES)
    if model is None and real is not None and synth is not None:
        prices, paths = read_pair(real, synth, columns=columns, missing=missing, start=start, end=end)
        from tsgan.evaluation import overview

        figure = overview(prices, paths)
    elif model is not None and not any((real, columns, start, end)):
        loaded = load_model(model)
        from tsgan.evaluation.plots import conditions_figure

        figure = conditions_figure(loaded)
    else:
        raise ConfigError("give REAL and SYNTH, or --model alone (without --columns, --from, --to)")
    with atomic_path(out) as temporary:
        figure.savefig(temporary)
    print(f"wrote {out}")
