"""``tsgan data``: a real series that ships with a dependency."""

from pathlib import Path
from typing import Annotated

import typer

from tsgan.cli import options
from tsgan.cli.console import counted
from tsgan.cli.files import require_writable
from tsgan.files import atomic_path


def data(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The series; without it, the names are listed.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The CSV file to write.", show_default="NAME.csv")
    ] = None,
    force: options.Force = False,
) -> None:
    """Write a real price series to a CSV file, without a network.

    Examples
    --------
    tsgan data
    tsgan data sp500 --out prices.csv
    """
    from tsgan.datasets import load
    from tsgan.datasets.builtin import NAMES

    if name is None:
        print(*NAMES, sep="\n")
        return
    series = load(name)
    out = Path(f"{name.lower()}.csv") if out is None else out
    require_writable(out, force=force, suffixes=(".csv",))
    with atomic_path(out) as temporary:
        series.to_csv(temporary, date_format="%Y-%m-%d")
    first, last = (f"{date:%Y-%m-%d}" for date in series.index[[0, -1]])
    print(f"wrote {counted(len(series), 'row')} ({', '.join(series.columns)}, {first} to {last}) to {out}")
