"""``tsgan download``: prices from Yahoo Finance."""

from pathlib import Path
from typing import Annotated

import typer

from tsgan.cli import options
from tsgan.cli.console import counted
from tsgan.cli.files import require_writable
from tsgan.files import atomic_path
from tsgan.progress import share_progress


def download(
    tickers: Annotated[
        list[str], typer.Argument(metavar="TICKER...", help="Yahoo's names, such as SPY ^GSPC EURUSD=X BTC-USD.")
    ],
    start: Annotated[
        str | None,
        typer.Option("--start", metavar="DATE", help="First date wanted.", show_default="the first there is"),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--end", metavar="DATE", help="Last date wanted, included.", show_default="today")
    ] = None,
    interval: Annotated[
        str, typer.Option("--interval", metavar="1d|1wk|1mo|1h", help="Length of a bar; hours of two years at most.")
    ] = "1d",
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The file to write; its suffix says how, .csv or .parquet.")
    ] = Path("prices.csv"),
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask Yahoo again for what it answered in the last 12 hours.")
    ] = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Download adjusted closing prices from Yahoo Finance.

    Prices are adjusted for splits and dividends. The only command that uses a network. Answers are kept in the user's
    cache folder, or in that of TSGAN_CACHE, so that a second try asks for the missing tickers only. The last row may
    be of a day that is still trading.

    Examples
    --------
    tsgan download SPY --out prices.csv
    tsgan download SPY QQQ TLT --start 2010-01-01 --out etfs.parquet
    tsgan download BTC-USD --interval 1h --out hours.csv
    """
    require_writable(out, force=force, suffixes=(".csv", ".parquet"))
    from tsgan.datasets import yahoo

    with share_progress(not quiet) as progress:
        prices = yahoo.download(tickers, start, end, interval=interval, refresh=refresh, progress=progress)
        progress("done", 1)
    with atomic_path(out) as partial:
        if out.suffix == ".parquet":
            prices.to_parquet(partial)
        else:
            prices.to_csv(partial)
    if quiet:
        return
    first, last = (f"{date:%Y-%m-%d}" for date in prices.index[[0, -1]])
    print(f"wrote {counted(len(prices), 'row')} ({', '.join(prices.columns)}, {first} to {last}) to {out}")
    gaps = int(prices.isna().any(axis=1).sum())
    if gaps:
        print(f"{counted(gaps, 'row')} miss a price of some ticker; `tsgan fit {out} --missing drop` leaves them out")
