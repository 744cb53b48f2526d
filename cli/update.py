"""``tsgan update``: new rows for a fitted model."""

from pathlib import Path
from typing import Annotated

import typer

from tsgan.cli import options
from tsgan.cli.console import counted, say_json
from tsgan.cli.files import load_model, read_known, require_writable
from tsgan.cli.progress import progress_on_stderr


def update(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="The model file; replaced unless --out names another.")
    ],
    prices: options.Prices,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The model file to write.", show_default="MODEL")
    ] = None,
    refit: Annotated[
        bool, typer.Option("--refit", help="Fit the law anew to all rows, with the steps chosen at the first fit.")
    ] = False,
    covariates: options.Covariates = None,
    missing: options.MissingPrices = options.Missing.ERROR,
    device: options.Device = "auto",
    force: options.Force = False,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Take new rows of PRICES into a model, without a full fit.

    PRICES are the whole history downloaded again, or its new rows; columns that the model does not know are ignored.
    The law stays as it was fitted, unless --refit is given; paths go on from the new last row.

    Examples
    --------
    tsgan update model.tsgan prices.csv
    tsgan update model.tsgan january.csv --out january.tsgan
    tsgan update model.tsgan prices.csv --refit
    """
    loaded = load_model(model, device)
    target = out or model
    require_writable(target, force=force or out is None)

    from tsgan.calendars import iso
    from tsgan.datasets import read_prices

    rows = len(loaded.dates_)
    table = read_prices(prices, columns=loaded.columns_, missing=missing)
    known = read_known(prices, covariates, loaded.covariates_.names)
    with progress_on_stderr(quiet=quiet or not refit) as progress:
        loaded.update(table, covariates=known, refit=refit, progress=progress)
    loaded.save(target)
    added = loaded.dates_[rows:]
    ends = [iso(added[0]), iso(added[-1])]
    if json:
        result = {"out": str(target), "rows_added": len(added), "dates_added": ends, "refitted": refit}
        say_json({**result, "model": loaded.describe()})
    elif not quiet:
        refitted = f"; refitted to {counted(len(loaded.dates_), 'row')}" if refit else ""
        print(f"{counted(len(added), 'row')} added, {' to '.join(ends)}{refitted}; wrote {target}")
