"""``tsgan backtest``: VaR and ES of every date, forecast by a model and by the classical methods, and tested."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsgan.cli import options
from tsgan.cli.console import complain, counted, say_json, say_table
from tsgan.cli.files import load_model, read_real, require_writable
from tsgan.errors import ConfigError
from tsgan.progress import fit_progress, share_progress

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table
    from rich.text import Text

    from tsgan.estimator import TSGAN

PAGE = Path("backtest.html")
SHARE = 0.3  # of the rows, the last ones, that are forecast unless --start says otherwise
MAX_ASSETS = 4  # whose tests are listed in full; of more only those that reject
READING = "DM t: loss FZ0 of tsgan less the method's, in standard errors; below -1.96 tsgan is clearly better."
STYLE = {"fail": "bold red", "warn": "yellow"}


def backtest(
    prices: options.Prices,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", metavar="FILE", help="A model fitted to prices before --start.", show_default="fitted here"
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--start", metavar="DATE", help="First date to forecast, such as 2015-01-02.", show_default="the last 30 %"
        ),
    ] = None,
    levels: options.Levels = ".05,.025,.01",
    horizon: Annotated[
        int, typer.Option("--horizon", metavar="N", min=1, help="Steps from what is known to the date forecast.")
    ] = 1,
    refit: Annotated[
        int | None,
        typer.Option("--refit", metavar="N", min=1, help="Fit again every so many dates.", show_default="never"),
    ] = None,
    train_window: Annotated[
        int | None,
        typer.Option(
            "--train-window",
            metavar="N",
            min=1,
            help="Returns before a forecast that are fitted to.",
            show_default="2500, or all there are before --start",
        ),
    ] = None,
    weights: options.Weights = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="A,B",
            help="Classical methods to stand beside.",
            show_default="GJR-skewt,FHS GJR-skewt,EGARCH-skewt,historical 250",
        ),
    ] = None,
    n: Annotated[
        int, typer.Option("--n", metavar="N", min=1, help="Draws a date, where there is no closed form.")
    ] = 10_000,
    steps: options.Steps = None,
    columns: options.Columns = None,
    missing: options.MissingPrices = options.Missing.ERROR,
    first: options.From = None,
    last: options.To = None,
    fail_on: options.FailOnVerdict = None,
    seed: options.Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="The page to write; a report of tsgan evaluate gets a section.",
            show_default=str(PAGE),
        ),
    ] = None,
    force: options.Force = False,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Forecast VaR and ES of past dates, and put the model on trial.

    Each date is forecast from the prices before it, by the model and by classical methods on the same schedule. Writes
    a table of the methods, one of the model's tests with a verdict, and backtest.html; with --json the page is written
    if --out names it. A model fails if a test rejects it at 1 % after correction for their number. With --weights only
    the assets that they name are read, unless --columns or --model says otherwise.

    Examples
    --------
    tsgan backtest prices.csv
    tsgan backtest etfs.csv --weights SPY=0.6,TLT=0.4 --horizon 10 --refit 250
    tsgan backtest prices.csv --model model.tsgan --start 2015 --levels 1% --fail-on fail
    tsgan backtest prices.csv --out report.html    a section in the report of tsgan evaluate
    """
    page = out or (None if json else PAGE)
    if page is not None:
        _require_place(page, force=force)
    _require_options(start=start, model=model, steps=steps)
    shares = None if weights is None else options.parse_weights(weights)

    from tsgan.evaluation.risk.estimates import check_draws, check_levels, weight_vector
    from tsgan.evaluation.risk.rolling_backtest import OPPONENTS, check_methods, rolling_backtest, training_prices

    wanted = check_levels(options.parse_levels(levels))
    methods = OPPONENTS if against is None else check_methods([name.strip() for name in against.split(",")])
    if horizon > 1 or shares is not None:
        check_draws(n, wanted)
    if shares is not None and columns is None and model is None:
        columns = ",".join(shares)
    table = read_real(prices, columns=columns, missing=missing, start=first, end=last)
    if shares is not None:
        weight_vector(shares, list(table.columns))
    begin = start or str(table.index[len(table) - max(1, round(SHARE * len(table)))])
    training = training_prices(table, begin, horizon, train_window)
    forecaster = load_model(model) if model else _new_model(training, steps, seed, fits=refit is None, quiet=quiet)
    source = str(model) if model else f"fitted to {counted(len(training) - 1, 'return')} before the first forecast"

    with share_progress(not quiet) as progress:
        result = rolling_backtest(
            forecaster,
            table,
            begin,
            horizon,
            wanted,
            shares,
            against=methods,
            n_samples=n,
            refit_every=refit,
            train_window=len(training) - 1,
            random_state=seed,
            settings={
                "model": source,
                "files": {"prices": str(prices)},
                "command": shlex.join(["tsgan", *sys.argv[1:]]),
            },
            progress=progress,
        )
    if page is not None:
        from tsgan.evaluation.risk.report import write_backtest

        write_backtest(result, page)
    if json:
        say_json(result.to_dict())
    elif not quiet:
        say_table(_methods(result.table))
        print(READING)
        say_table(_tests(result.tests))
        print(*result.reasons, f"{result.verdict.upper()}: {result.headline}", f"wrote {page}", sep="\n")
    if fail_on is not None and result.failed(fail_on):
        complain(f"the verdict is {result.verdict}, and --fail-on is {fail_on}")
        raise typer.Exit(1)


def _require_options(*, start: str | None, model: Path | None, steps: int | None) -> None:
    """Refuse a start that could be two dates, such as 03/04/2024, and what does not go together."""
    if start is not None and not re.fullmatch(r"\d{4}(-\d{2}){0,2}([T ]\d{2}:\d{2}(:\d{2})?)?", start):
        raise ConfigError(f"--start must be an ISO date such as 2015 or 2015-01-02, got {start!r}")
    if model is not None and steps is not None:
        raise ConfigError("--steps is for a model that is fitted here; leave it out, or leave out --model")


def _require_place(page: Path, *, force: bool) -> None:
    """Raise unless the page can be written: nothing there, its own earlier page, or a report that takes a section."""
    ours = False
    if page.is_file():
        from tsgan.evaluation.report import is_report
        from tsgan.evaluation.risk.report import check_place, is_backtest

        if is_report(page):
            check_place(page)
        ours = is_report(page) or is_backtest(page)
    require_writable(page, force=force or ours, suffixes=(".html",))


def _new_model(training: "pd.DataFrame", steps: int | None, seed: int, *, fits: bool, quiet: bool) -> "TSGAN":
    """Return a model, fitted unless the backtest fits it again and again by itself."""
    from tsgan.config import Config
    from tsgan.estimator import TSGAN

    model = TSGAN(config=Config().with_training(steps=steps), random_state=seed)
    if fits:
        with fit_progress(not quiet) as progress:
            model.fit(training, progress=progress)
    return model


def _methods(methods: "pd.DataFrame") -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table("asset", "level", "method", box=box.SIMPLE_HEAD)
    for name in ("breaches", "share", "FZ0", "DM t"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("in 90 %\nset")
    table.add_column("failed\nrefits", justify="right")
    asset = None
    for _, group in methods.groupby(["asset", "level"], sort=False):
        for i, row in enumerate(group.to_dict("records")):
            table.add_row(
                Text("" if row["asset"] == asset else str(row["asset"])),
                "" if i else f"{100 * row['level']:g} %",
                Text(row["method"]),
                f"{row['breaches']:,}",
                f"{100 * row['share']:.2f} %",
                _number(row["fz0"], 4),
                _number(row["dm_t"], 2),
                "yes" if row["in_set"] else "no",
                Text(str(row["failed_refits"]), "yellow" if row["failed_refits"] else ""),
            )
            asset = row["asset"]
        table.add_section()
    return table


def _tests(tests: "pd.DataFrame") -> "Table":
    """One row a test and asset with its p-values, and those corrected for the number of tests, at every level."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    levels = tests["level"].unique()
    listed = tests
    if tests["asset"].nunique() > MAX_ASSETS:
        key = tests["asset"] + "\n" + tests["test"]
        listed = tests[key.isin(key[tests["verdict"].isin(STYLE)])]
    title = None if len(listed) == len(tests) else f"{len(tests) - len(listed):,} tests that do not reject are left out"
    table = Table("asset", "test", box=box.SIMPLE_HEAD, caption=title, caption_justify="left")
    for level in levels:
        table.add_column(f"p at {100 * level:g} %\n(corrected)", justify="right", no_wrap=True)
    table.add_column("verdict")
    for asset, group in listed.groupby("asset", sort=False):
        for i, (test, rows) in enumerate(group.groupby("test", sort=False)):
            at = {row["level"]: _cell(row) for row in rows.to_dict("records")}
            cells = [at.get(level, Text()) for level in levels]
            table.add_row(Text("" if i else str(asset)), Text(str(test)), *cells, _worst([*rows["verdict"]]))
        table.add_section()
    return table


def _cell(row: Mapping[Any, Any]) -> "Text":
    from rich.text import Text

    if row["verdict"] == "not counted":  # the traffic light
        return Text(row["words"].partition(":")[0])
    corrected = f"({_p_value(row['adjusted'])})" if isfinite(row["adjusted"]) else ""
    return Text(f"{_p_value(row['p_value'])} {corrected:>8}", STYLE.get(row["verdict"], ""))


def _worst(verdicts: Sequence[str]) -> "Text":
    from rich.text import Text

    worst = next((v for v in ("fail", "warn", "pass", "not computable", "not counted") if v in verdicts), "")
    return Text(worst, STYLE.get(worst, "green" if worst == "pass" else ""))


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if isfinite(value) else "–"


def _p_value(p: float) -> str:
    return "–" if not isfinite(p) else "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
