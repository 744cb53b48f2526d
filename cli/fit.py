"""``tsgan fit``: learn a model from prices."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsgan.cli import options
from tsgan.cli.console import complain, counted, say_json, say_values
from tsgan.cli.files import (
    checkpoint_of,
    goes_on,
    read_config,
    read_each,
    read_known,
    read_real,
    require_file,
    require_folder,
    require_no_checkpoint,
    require_writable,
)
from tsgan.config import CRITICS, PRESETS, Config
from tsgan.errors import ConfigError, DataError, ModelFileError, TrainingError
from tsgan.progress import fit_progress, share_progress

if TYPE_CHECKING:
    import pandas as pd

    from tsgan.estimator import TSGAN
    from tsgan.progress import Listener, Progress

DEFAULTS = Config().training


def fit(
    prices: options.Prices,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="The model file to write, or the folder of models with --each.",
            show_default="model.tsgan, or models",
        ),
    ] = None,
    each: Annotated[
        bool, typer.Option("--each", help="One model a column, from its first price to its last: OUT/COLUMN.tsgan.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", metavar="N", min=-1, help="Fits at once with --each, -1 for one a processor.", show_default="1"
        ),
    ] = None,
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
    objective: Annotated[
        str | None,
        typer.Option(
            "--objective",
            metavar="|".join(PRESETS),
            help="Train as the paper of this objective did: its optimiser, rates and schedule; "
            "settings that are given go over them.",
            show_default=f"{DEFAULTS.objective}, with settings of tsgan's own",
        ),
    ] = None,
    steps: options.Steps = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="TOML", help="File of settings; options of the command line go before it."),
    ] = None,
    device: options.Device = "auto",
    devices: Annotated[
        int,
        typer.Option("--devices", metavar="N", min=1, help="Processes that train a model together, a device for each."),
    ] = 1,
    strategy: Annotated[
        str, typer.Option("--strategy", metavar="ddp", help="How they share the work: ddp, a share of every batch.")
    ] = "ddp",
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
        bool,
        typer.Option(
            "--resume",
            help="Go on from the checkpoint FILE.ckpt of an interrupted run, if any; with --each from its files.",
        ),
    ] = False,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log", metavar="FILE", help="Write what every step is like, one JSON object a line.", show_default="none"
        ),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option("--tensorboard", metavar="DIR", help="Write the same for TensorBoard.", show_default="none"),
    ] = None,
    force: options.Force = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would be done and write nothing.")
    ] = False,
    threads: options.Threads = None,
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
    tsgan fit prices.csv --objective cramer --critic lstm --out cramer.tsgan
    tsgan fit prices.csv --log training.jsonl --tensorboard runs
    tsgan fit etfs.parquet --each --jobs 4 --out models
    """
    if jobs is not None and not each:
        raise ConfigError("--jobs is the number of fits at once, of which there are several with --each only")
    if each and (log or tensorboard):
        raise ConfigError("--log and --tensorboard follow one fit, and with --each there are several")
    require_file(prices)
    out = out or Path("models" if each else "model.tsgan")
    checkpoint = checkpoint_of(out)
    if not each:
        require_writable(out, force=force or resume)
        require_no_checkpoint(checkpoint, force=force or resume or dry_run)
    if log:
        require_writable(log, force=force or resume, option="--log")
    settings = read_config(config, objective=objective, critic=critic, steps=steps)

    from tsgan.estimator import TSGAN

    known = read_known(prices, covariates, condition_on)
    model = TSGAN(
        config=settings,
        condition_on=condition_on,
        random_state=seed,
        device=device,
        devices=devices,
        strategy=strategy,
        calendar=calendar,
        periods_per_year=periods_per_year,
    )
    if each:
        found = read_each(prices, columns=columns, leave_out=condition_on or [], missing=missing, start=start, end=end)
        if dry_run:
            plans = _plans(model, found, known)
            say_json(plans) if json else say_values(plans)
            return
        _fit_each(model, found, known, out, jobs, resume=resume, force=force, quiet=quiet, json=json)
        return
    table = read_real(prices, columns=columns, leave_out=condition_on or [], missing=missing, start=start, end=end)
    if dry_run:
        plan = model.plan(table, covariates=known)
        say_json(plan) if json else say_values(plan)
        return
    begin = time.monotonic()
    read = [] if quiet else [_described(table)]
    if resume and not force and _is_done(out, model, table, known):
        model = TSGAN.load(out, device)
    else:
        require_writable(out, force=force)
        with goes_on(checkpoint, [checkpoint]):
            with fit_progress(not quiet) as shown, _logs(log, tensorboard, again=resume) as logs:

                def progress(state: "Progress") -> None:
                    while read:  # once the fit has begun: what it refuses is said alone
                        complain(read.pop())
                    for listen in (shown, *logs):
                        listen(state)

                model.fit(table, covariates=known, progress=progress, checkpoint=checkpoint, resume=resume)
            model.save(out)
    checkpoint.unlink(missing_ok=True)
    if json:
        seconds = round(time.monotonic() - begin, 1)
        say_json({"out": str(out), "seconds": seconds, "verdict": model.verdict_, "model": model.describe()})
    elif not quiet:
        print(*model.verdict_, f"wrote {out}", sep="\n")


def _is_done(out: Path, model: "TSGAN", prices: "pd.DataFrame", covariates: "pd.DataFrame | None") -> bool:
    """Whether a file holds what a fit of a model would make, since an earlier run has ended it."""
    from tsgan.estimator import TSGAN

    try:
        found = TSGAN.load(out, device="cpu").fit_.get("fingerprint")
    except (FileNotFoundError, ModelFileError):
        return False
    return bool(found == model.plan(prices, covariates=covariates)["fingerprint"])


def _described(table: "pd.DataFrame") -> str:
    """Say what was read, so that another column or range than was meant shows."""
    from tsgan.calendars import iso

    names = ", ".join(table.columns[:5]) + (f" and {len(table.columns) - 5:,} more" if len(table.columns) > 5 else "")
    return f"{names}: {counted(len(table), 'row')}, {iso(table.index[0])} to {iso(table.index[-1])}"


@contextmanager
def _logs(log: Path | None, tensorboard: Path | None, *, again: bool) -> "Iterator[list[Listener]]":
    """Yield what writes the records of a fit to the files asked for; again where an earlier run has written some."""
    from tsgan import logs

    with ExitStack() as files:
        found = [files.enter_context(logs.json_lines(log))] if log else []
        if tensorboard:
            found.append(files.enter_context(logs.tensorboard(tensorboard, again=again)))
        yield found


def _fit_each(
    model: "TSGAN",
    found: "Mapping[str, pd.DataFrame | DataError]",
    covariates: "pd.DataFrame | None",
    folder: Path,
    jobs: int | None,
    *,
    resume: bool,
    force: bool,
    quiet: bool,
    json: bool,
) -> None:
    """Write one model a ticker as soon as it is fitted; those that fail are named and take none with them."""
    from tsgan.estimator import TSGAN
    from tsgan.tickers import fits

    files = _model_files(folder, found)
    failed: dict[str, DataError | TrainingError] = {
        name: prices for name, prices in found.items() if isinstance(prices, DataError)
    }
    each = {name: prices for name, prices in found.items() if not isinstance(prices, DataError)}
    require_folder(folder)
    checkpoints = {name: checkpoint_of(file) for name, file in files.items()}
    if resume and not force:
        there = [name for name, prices in each.items() if _is_done(files[name], model, prices, covariates)]
        for name in there:
            del each[name]
            checkpoints[name].unlink(missing_ok=True)
        if there and not quiet:
            complain(f"keeps {counted(len(there), 'model')} that an earlier run has written to {folder}")
    for name in each:
        require_writable(files[name], force=force)
        require_no_checkpoint(checkpoints[name], force=force or resume)
    for name, error in failed.items():
        complain(f"{name}: {error}")
    begin, verdicts = time.monotonic(), {}
    with goes_on(folder, [*files.values(), *checkpoints.values()]), share_progress(not quiet) as progress:
        for done, (name, result) in enumerate(fits(each, model, covariates, jobs, checkpoints, resume), 1):
            if isinstance(result, TSGAN):
                result.save(files[name])
                checkpoints[name].unlink(missing_ok=True)
                verdicts[name] = result.verdict_
            else:
                failed[name] = result
                complain(f"{name}: {result}")
            progress(f"{done} of {counted(len(each), 'ticker')}", done / len(each))
    if json:
        seconds = round(time.monotonic() - begin, 1)
        models = {name: {"out": str(files[name]), "verdict": verdict} for name, verdict in verdicts.items()}
        errors = {name: str(error) for name, error in failed.items()}
        say_json({"out": str(folder), "seconds": seconds, "models": models, "failed": errors})
    elif verdicts and not quiet:
        print(*(f"wrote {files[name]}" for name in verdicts), sep="\n")
    if failed:
        kind = TrainingError if any(isinstance(error, TrainingError) for error in failed.values()) else DataError
        raise kind(f"{len(failed)} of {counted(len(found), 'ticker')} could not be fitted: {', '.join(failed)}")


def _plans(
    model: "TSGAN", found: "Mapping[str, pd.DataFrame | DataError]", covariates: "pd.DataFrame | None"
) -> dict[str, Any]:
    """What a fit of every ticker would do, or why there would be none."""
    plans: dict[str, Any] = {}
    for name, prices in found.items():
        try:
            if isinstance(prices, DataError):
                raise prices
            plans[name] = model.plan(prices, covariates=covariates)
        except DataError as error:
            plans[name] = {"error": str(error)}
    return plans


def _model_files(folder: Path, names: "Mapping[str, object]") -> dict[str, Path]:
    """Name a file for every ticker; signs that a file system may not take become _."""
    files = {name: folder / (re.sub(r"[^-\w.^=+@]", "_", name) + ".tsgan") for name in names}
    taken: dict[Path, str] = {}
    for name, file in files.items():
        if file in taken:
            raise ConfigError(f"{taken[file]!r} and {name!r} would both be written to {file}; choose with --columns")
        taken[file] = name
    return files
