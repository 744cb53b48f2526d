"""``tsgan plot``: a picture of real and synthetic prices."""

from pathlib import Path
from typing import Annotated

import typer

from tsgan.cli import options
from tsgan.cli.files import read_pair, require_writable
from tsgan.files import atomic_path

SUFFIXES = (".png", ".pdf", ".svg")


def plot(
    real: options.Real,
    synth: options.Synth,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help=f"The picture to write: {', '.join(SUFFIXES)}.")
    ] = Path("paths.png"),
    columns: options.Columns = None,
    missing: options.MissingPrices = options.Missing.ERROR,
    start: options.From = None,
    end: options.To = None,
    force: options.Force = False,
) -> None:
    """Draw a picture of synthetic paths beside the real prices.

    Examples
    --------
    tsgan plot prices.csv synth.csv --out paths.png
    """
    require_writable(out, force=force, suffixes=SUFFIXES)
    prices, paths = read_pair(real, synth, columns=columns, missing=missing, start=start, end=end)

    from tsgan.evaluation.plots import overview

    figure = overview(prices, paths)
    with atomic_path(out) as temporary:
        figure.savefig(temporary)
    print(f"wrote {out}")
