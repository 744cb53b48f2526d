"""``tsgan evaluate``: whether synthetic paths are good, with a verdict, a table and a report."""

import shlex
import sys
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsgan.cli import options
from tsgan.cli.console import complain, say_json, say_table
from tsgan.cli.files import load_model, read_pair, read_real, require_writable
from tsgan.progress import share_progress

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

REPORT = Path("report.html")
MAX_ASSETS = 4  # whose measures are listed in full; of more only those that do not pass


class Against(StrEnum):
    """What the paths may be ranked against."""

    BASELINES = "baselines"


def evaluate(
    real: options.Real,
    synth: options.Synth,
    columns: options.Columns = None,
    missing: options.MissingPrices = options.Missing.ERROR,
    start: options.From = None,
    end: options.To = None,
    against: Annotated[
        Against | None, typer.Option("--against", help="Rank the paths among the classical methods.")
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option("--test", metavar="LATER", help="Later prices that the generator has not seen, to rank on."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="FILE",
            help="The model: its training and its paths under conditions become sections.",
            show_default="none",
        ),
    ] = None,
    fail_on: options.FailOnVerdict = None,
    seed: options.Seed = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The report to write.", show_default=str(REPORT))
    ] = None,
    force: options.Force = False,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Judge synthetic paths against the real prices that they imitate.

    Every measure is held against its noise floor: how far apart two samples of one law are. Writes a table, a verdict
    and report.html (replacing only a report of its own without --force); with --json the report is written if --out
    names it.

    Examples
    --------
    tsgan evaluate prices.csv synth.csv
    tsgan evaluate prices.csv synth.csv --against baselines --test later.csv
    tsgan evaluate prices.csv synth.csv --model model.tsgan
    tsgan evaluate prices.csv synth.csv --json --fail-on fail
    """
    report = out or (None if json else REPORT)
    if report is not None:
        require_writable(report, force=force or (out is None and _own(report)), suffixes=(".html",))
    prices, paths = read_pair(real, synth, columns=columns, missing=missing, start=start, end=end)
    assets = ",".join(map(str, prices.columns))
    later = None if test is None else read_real(test, columns=assets, missing=missing, start=None, end=None)

    loaded = None if model is None else load_model(model)
    files = {"real": real, "synthetic": synth, "test": test, "model": model}

    from tsgan.evaluation.judge import evaluate as judge

    with share_progress(not quiet) as progress:
        evaluation = judge(
            prices,
            paths,
            against_baselines=against is not None or test is not None,
            test=later,
            model=loaded,
            seed=seed,
            settings={
                "command": shlex.join(["tsgan", *sys.argv[1:]]),
                "files": {name: str(file) for name, file in files.items() if file is not None},
            },
            progress=progress,
        )
    if report is not None:
        from tsgan.evaluation.report import write_report

        write_report(evaluation, report)
    if json:
        say_json(evaluation.to_dict())
    elif not quiet:
        say_table(_table(evaluation.table))
        for sentence in evaluation.reasons:
            print(sentence)
        print(f"{evaluation.verdict.upper()}: {evaluation.headline}")
        print(f"wrote {report}")
    if fail_on is not None and evaluation.failed(fail_on):
        complain(f"the verdict is {evaluation.verdict}, and --fail-on is {fail_on}")
        raise typer.Exit(1)


def _own(report: Path) -> bool:
    """Whether a file is a report that this command wrote."""
    from tsgan.evaluation.report import is_report

    return report.is_file() and is_report(report)


def _table(measures: "pd.DataFrame") -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    style = {"fail": "bold red", "warn": "yellow", "pass": "green"}
    listed = measures
    if measures["asset"].nunique() > MAX_ASSETS:
        listed = measures[measures["verdict"] != "pass"]
    left = len(measures) - len(listed)
    title = f"{left:,} measures that pass are left out; the report has them" if left else None
    table = Table("asset", "measure", box=box.SIMPLE_HEAD, caption=title, caption_justify="left")
    for name in ("real", "synthetic", "distance", "chance (5-95 %)", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict")
    for asset, group in listed.groupby("asset", sort=False):
        for i, row in enumerate(group.to_dict("records")):
            floor = f"{_number(row['floor_low'])} to {_number(row['floor_high'])}" if row["distance"] >= 0 else "–"
            numbers = [_number(row[name]) for name in ("real", "synthetic", "distance")]
            shown = Text(row["verdict"], style.get(row["verdict"], ""))
            label = Text("" if i else str(asset))
            table.add_row(label, Text(row["measure"]), *numbers, floor, _number(row["ratio"]), shown)
        table.add_section()
    return table


def _number(value: Any) -> str:
    return f"{value:.3g}" if isfinite(value) else "–"
