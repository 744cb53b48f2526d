"""``tsgan plot``: pictures of real and synthetic prices, or of a model's paths under conditions."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tsgan.cli import options
from tsgan.cli.files import load_model, read_pair, require_writable
from tsgan.errors import ConfigError
from tsgan.files import atomic_path

SUFFIXES = (".png", ".pdf", ".svg")


class Panel(StrEnum):
    """A picture of its own; they are methods of ``paths.plot``."""

    FAN = "fan"
    TAILS = "tails"
    ACF = "acf"
    DRAWDOWNS = "drawdowns"
    CORRELATION = "correlation"


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
    only: Annotated[
        Panel | None, typer.Option("--only", help="One picture of REAL and SYNTH.", show_default="four on a page")
    ] = None,
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
    tsgan plot prices.csv synth.csv --columns SPY --only drawdowns --out drawdowns.png
    tsgan plot --model model.tsgan --out conditions.png
    """
    require_writable(out, force=force, suffixes=SUFFIXES)
    if model is None and real is not None and synth is not None:
        prices, paths = read_pair(real, synth, columns=columns, missing=missing, start=start, end=end)
        from tsgan.evaluation.path_plots import PathPlots, overview

        if only is None:
            figure = overview(prices, paths)
        else:
            import matplotlib as mpl

            mpl.use("agg")  # no window, where there is a display
            figure = getattr(PathPlots.of_table(paths), only)(prices).figure
    elif model is not None and not any((real, only, columns, start, end)):
        loaded = load_model(model)
        from tsgan.evaluation.plots import conditions_figure

        figure = conditions_figure(loaded)
    else:
        raise ConfigError("give REAL and SYNTH, or --model alone (without --only, --columns, --from, --to)")
    with atomic_path(out) as temporary:
        figure.savefig(temporary)
    print(f"wrote {out}")
