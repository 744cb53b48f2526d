"""``tsgan risk``: VaR and expected shortfall ahead, from a model."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsgan.cli import options
from tsgan.cli.console import counted, say_json, say_table
from tsgan.cli.files import load_asked
from tsgan.progress import share_progress

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def risk(
    model: options.Model = Path("model.tsgan"),
    horizon: Annotated[int, typer.Option("--horizon", metavar="STEPS", min=1, help="Steps ahead.")] = 1,
    levels: options.Levels = ".05,.025,.01",
    weights: options.Weights = None,
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, help="Number of paths.")] = 20_000,
    history: options.History = None,
    given: options.Given = None,
    like: options.Like = None,
    covariates: options.Ahead = None,
    missing: options.NotAhead = options.MissingCovariates.IGNORE,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Say the VaR and ES of the next steps, from today on.

    Paths begin after the last row that the model knows, after --history, or like a period. VaR is the quantile of the
    simple return over the whole horizon, ES the mean below it; a loss is below 0. The intervals are those of the draws;
    whether such figures could be trusted on past dates is for tsgan backtest to say.

    Examples
    --------
    tsgan risk --horizon 10
    tsgan risk --weights SPY=0.6,TLT=0.4 --levels 5%,1%
    tsgan risk --history recent.csv --n 100000
    tsgan risk --horizon 20 --given volatility=0.4
    """
    import pandas as pd

    from tsgan.calendars import iso
    from tsgan.evaluation.risk.estimates import check_draws, check_levels, var_es, weight_vector

    wanted = check_levels(options.parse_levels(levels))
    check_draws(n, wanted)
    shares = None if weights is None else options.parse_weights(weights)
    loaded, asked = load_asked(model, device, history, given, like, covariates, missing, quiet=quiet)
    held = {name: {name: 1.0} for name in loaded.columns_}
    if shares is not None:
        weight_vector(shares, loaded.columns_)
        held = {"portfolio": shares}
    with share_progress(not quiet and not json) as progress:
        begin: dict[str, Any] = {} if like else {"start": "last"}
        paths = loaded.sample(n, horizon, random_state=seed, progress=progress, **begin, **asked)
    table = pd.concat({name: var_es(paths, wanted, weights=each) for name, each in held.items()}, names=["asset"])
    known = loaded.dates_ if asked["history"] is None else asked["history"].index
    first, last = iso(known[-1]), iso(paths.dates[-1])
    if json:
        size = {"paths": n, "horizon": horizon, "after": first, "until": last, "unit": "simple return"}
        met = paths.conditioning and asdict(paths.conditioning)
        say_json({**size, "risk": table.reset_index().to_dict("records"), "conditioning": met})
    elif not quiet:
        say_table(_table(table))
        if paths.conditioning:
            print(*paths.conditioning.sentences(n), sep="\n")
        ahead = f"{counted(horizon, 'step')} after {first}, to {last}"
        print(f"Simple returns of the {ahead}, {counted(n, 'path')}; a loss is below 0.")


def _table(risks: "pd.DataFrame") -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table("asset", "level", box=box.SIMPLE_HEAD)
    for name in ("VaR", "95 % interval", "ES", "95 % interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for asset, group in risks.reset_index().groupby("asset", sort=False):
        for i, row in enumerate(group.to_dict("records")):
            cells = [
                cell
                for name in ("VaR", "ES")
                for cell in (_percent(row[name]), f"{_percent(row[f'{name}_low'])} to {_percent(row[f'{name}_high'])}")
            ]
            table.add_row(Text("" if i else str(asset)), f"{100 * row['level']:g} %", *cells)
        table.add_section()
    return table


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"
