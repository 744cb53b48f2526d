"""``tsgan fit``: learn a model from prices."""

import time
from pathlib import Path
from typing import Annotated

import typer

from tsgan.cli import options
from tsgan.cli.console import say_json, say_values
from tsgan.cli.files import read_config, read_known, read_real, require_writable
from tsgan.cli.progress import progress_on_stderr
from tsgan.config import CRITICS, Config

DEFAULTS = Config().training


def fit(
    prices: options.Prices,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The model file to write.")] = Path("model.tsgan"),
    columns: options.Columns = None,
    missing: options.MissingPrices = options.Missing.ERROR,
    condition_on: Annotated[
        list[str] | None,
        typer.Option(
            "--condition-on",
            metavar="NAME",
            help="Column that paths can be conditioned on, numbers or categories; repeatable.",
            show_default="all of --covariates",
        ),
    ] = None,
    covariates: options.Covariates = None,
    start: options.From = None,
    end: options.To = None,
    critic: Annotated[
        str | None,
        typer.Option("--critic", metavar="|".join(CRITICS), help="The critic's network.", show_default=DEFAULTS.critic),
    ] = None,
    steps: options.Steps = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="TOML", help="File of settings; options of the command line go before it."),
    ] = None,
    device: options.Device = "auto",
    calendar: Annotated[
        str | None,
        typer.Option(
            "--calendar",
            metavar="NAME",
            help="Exchange whose sessions date the paths, such as NYSE.",
            show_default="the pattern of the dates",
        ),
    ] = None,
    periods_per_year: Annotated[
        float | None,
        typer.Option(
            "--periods-per-year",
            metavar="X",
            help="Steps a year, to annualise volatilities.",
            show_default="by the calendar",
        ),
    ] = None,
    seed: options.Seed = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint FILE.ckpt of an interrupted run, if any.")
    ] = False,
    force: options.Force = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done and write nothing.")
    ] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Learn a model from PRICES and write it to a file.

    Examples
    --------
    tsgan fit prices.csv
    tsgan fit etfs.parquet --columns SPY,QQQ,TLT --from 2010 --calendar NYSE
    tsgan fit prices.csv --condition-on VIX --covariates vix.csv
    tsgan fit prices.csv --critic both --steps 300 --seed 1 --out both.tsgan
    """
    require_writable(out, force=force)
    settings = read_config(config).with_training(critic=critic, steps=steps)

    from tsgan.estimator import TSGAN

    known = read_known(prices, covariates, condition_on)
    table = read_real(prices, columns=columns, leave_out=condition_on or [], missing=missing, start=start, end=end)
    model = TSGAN(
        config=settings,
        condition_on=condition_on,
        random_state=seed,
        device=device,
        calendar=calendar,
        periods_per_year=periods_per_year,
    )
    if dry_run:
        plan = model.plan(table, covariates=known)
        say_json(plan) if json else say_values(plan)
        return
    begin = time.monotonic()
    checkpoint = out.with_name(out.name + ".ckpt")
    try:
        with progress_on_stderr(quiet=quiet) as progress:
            model.fit(table, covariates=known, progress=progress, checkpoint=checkpoint, resume=resume)
    except KeyboardInterrupt as stop:
        if checkpoint.exists():
            stop.add_note(f"the same command with --resume goes on from {checkpoint}")
        raise
    model.save(out)
    checkpoint.unlink(missing_ok=True)
    if json:
        seconds = round(time.monotonic() - begin, 1)
        say_json({"out": str(out), "seconds": seconds, "verdict": model.verdict_, "model": model.describe()})
    elif not quiet:
        print(*model.verdict_, f"wrote {out}", sep="\n")
