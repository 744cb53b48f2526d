"""``tsgan update``: new rows for a fitted model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsgan.cli import options
from tsgan.cli.console import counted, say_json
from tsgan.cli.files import checkpoint_of, goes_on, load_model, read_known, require_no_checkpoint, require_writable
from tsgan.errors import ConfigError
from tsgan.progress import fit_progress

if TYPE_CHECKING:
    import pandas as pd

    from tsgan.estimator import TSGAN


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
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint FILE.ckpt of an interrupted --refit, if any.")
    ] = False,
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
    if resume and not refit:
        raise ConfigError("--resume goes on with a fit, and without --refit there is none")
    loaded = load_model(model, device)
    target = out or model
    checkpoint = checkpoint_of(target)
    require_writable(target, force=force or out is None or resume)
    if refit:
        require_no_checkpoint(checkpoint, force=force or resume)

    from tsgan.calendars import iso
    from tsgan.datasets import read_prices

    rows = len(loaded.dates_)
    table = read_prices(prices, columns=loaded.columns_, missing=missing)
    known = read_known(prices, covariates, loaded.covariates_.names)
    done = _done(target, loaded, table) if resume and not force else None
    if done is None:
        require_writable(target, force=force or out is None)
        with goes_on(checkpoint, [checkpoint] if refit else []):
            with fit_progress(refit and not quiet) as progress:
                loaded.update(
                    table, covariates=known, refit=refit, progress=progress, checkpoint=checkpoint, resume=resume
                )
            loaded.save(target)
    loaded = done or loaded
    if refit:
        checkpoint.unlink(missing_ok=True)
    added = loaded.dates_[rows:]
    ends = [iso(date) for date in added[[0, -1]]] if len(added) else []
    if json:
        result = {"out": str(target), "rows_added": len(added), "dates_added": ends, "refitted": refit}
        say_json({**result, "model": loaded.describe()})
    elif not quiet:
        refitted = f"; refitted to {counted(len(loaded.dates_), 'row')}" if refit else ""
        between = f", {' to '.join(ends)}" if ends else ""
        print(f"{counted(len(added), 'row')} added{between}{refitted}; wrote {target}")


def _done(target: Path, model: "TSGAN", prices: "pd.DataFrame") -> "TSGAN | None":
    """Load the model that an earlier run has refitted to all of these prices, if it has."""
    if not target.exists():
        return None
    found = load_model(target, model.device)
    refitted = found.fit_["scores"] == model.fit_["scores"]  # of one and the same first fit
    return found if refitted and found.fitted_until_ == found.dates_[-1] == prices.index[-1] else None
