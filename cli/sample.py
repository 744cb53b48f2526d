"""``tsgan sample``: draw price paths from a model."""

import sys
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsgan.cli import options
from tsgan.cli.console import complain, counted, say_json
from tsgan.cli.files import load_asked, require_writable
from tsgan.errors import ConfigError
from tsgan.progress import share_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tsgan.paths import Paths


class Start(StrEnum):
    """Where paths begin."""

    STATIONARY = "stationary"
    LAST = "last"


class Kind(StrEnum):
    """What is written."""

    PRICES = "prices"
    RETURNS = "returns"


def sample(
    model: options.Model = Path("model.tsgan"),
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, help="Number of paths.")] = 1000,
    length: Annotated[int, typer.Option("--length", metavar="STEPS", min=1, help="Length of a path in steps.")] = 252,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="File to write; .csv, .parquet or .npz says the format.")
    ] = Path("synth.csv"),
    start: Annotated[
        Start, typer.Option("--start", help="Begin in the state of a random training date each, or of the last one.")
    ] = Start.STATIONARY,
    history: options.History = None,
    given: options.Given = None,
    like: options.Like = None,
    covariates: options.Ahead = None,
    missing: options.NotAhead = options.MissingCovariates.IGNORE,
    start_price: Annotated[
        str | None,
        typer.Option(
            "--start-price",
            metavar="X|A=X,B=Y",
            help="Price before the first step, for all assets or for each.",
            show_default="the last known",
        ),
    ] = None,
    start_date: Annotated[
        str | None,
        typer.Option(
            "--start-date",
            metavar="DATE",
            help="Begin at this date, or at the next one of the calendar, such as 2024-01-31.",
            show_default="after the last known",
        ),
    ] = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    kind: Annotated[Kind, typer.Option("--kind", help="Write prices, or log returns per step.")] = Kind.PRICES,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from FILE.partial of the same command, interrupted, if any.")
    ] = False,
    force: options.Force = False,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Draw dated price paths from a model.

    The table has the columns path (0, 1, …), date and one for each asset. It is written while paths are drawn, so
    there may be more of them than fit in memory; only .npz is put together in memory, and cannot be resumed.

    Examples
    --------
    tsgan sample --n 1000 --out synth.csv
    tsgan sample --start last --length 10 --out next.parquet
    tsgan sample --history recent.csv --start-price 100 --out from100.csv
    tsgan sample --given volatility=0.4 --given "return<=-0.2" --out crash.csv
    tsgan sample --like lehman --out crisis.csv
    """
    from tsgan.paths import check_suffix
    from tsgan.tablefile import write_resumable

    check_suffix(out)
    if resume and out.suffix == ".npz":
        raise ConfigError("--resume needs a .csv or .parquet file; .npz is written at once, at the end")
    require_writable(out, force=force)
    price = None if start_price is None else parse_start_price(start_price)
    date = None if start_date is None else parse_start_date(start_date)
    loaded, asked = load_asked(model, device, history, given, like, covariates, missing, quiet=quiet)
    wanted = {
        **asked,
        "start": start.value,
        "start_price": price,
        "start_date": date,
        "random_state": seed,
    }
    with share_progress(not quiet and not json and sys.stderr.isatty()) as progress:
        if out.suffix == ".npz":
            paths = loaded.sample(n, length, **wanted, progress=progress)
            paths.save(out, kind.value)
            met = paths.conditioning
        else:
            read = [path and sha256(path.read_bytes()).hexdigest() for path in (model, history, covariates)]
            said = (n, length, start, given, like, missing, price, date, seed, device, kind)

            def begin(first: int) -> "Iterator[Paths]":
                if resume and not quiet:
                    complain(
                        f"goes on after {first:,} of {n:,} paths"
                        if first
                        else "starts anew: no run with these options was interrupted"
                    )
                return loaded.iter_sample(n, length, **wanted, first=first, progress=progress)

            met = write_resumable(
                begin,
                out,
                kind.value,
                repr((read, said, version("tsgan"), version("torch"))),
                resume=resume,
                force=force,
                report=lambda done: progress("sampling", done / n),
            )
    rows = n * length
    if json:
        size: dict[str, Any] = {"rows": rows, "paths": n, "length": length, "assets": loaded.columns_}
        say_json({"out": str(out), "kind": kind, **size, "conditioning": met and asdict(met)})
    elif not quiet:
        shape = f"{counted(n, 'path')} × {counted(length, 'step')}, {counted(len(loaded.columns_), 'asset')}"
        print(*met.sentences(n) if met else (), f"wrote {counted(rows, 'row')} ({shape}) to {out}", sep="\n")


def parse_start_price(text: str) -> float | dict[str, float]:
    """Return ``100`` as a number, ``A=1,B=2`` as a number for each asset.

    >>> parse_start_price("EURUSD=X=1.1,SPY=450")
    {'EURUSD=X': 1.1, 'SPY': 450.0}
    """
    try:
        if "=" not in text:
            return float(text)
        pairs = (part.rsplit("=", 1) for part in text.split(","))
        return {name.strip(): float(price) for name, price in pairs}
    except ValueError as error:
        raise ConfigError(f"--start-price must be a price such as 100, or A=1,B=2, got {text!r}") from error


def parse_start_date(text: str) -> str:
    """Return ISO text, such as ``2024-01-31`` or ``2024-01-31 15:30``; 03/04/2024 could be either of two days."""
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ConfigError(f"--start-date must be an ISO date such as 2024-01-31, got {text!r}") from error
