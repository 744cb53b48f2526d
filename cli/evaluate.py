"""``tsgan evaluate``: the facts of real and synthetic prices side by side."""

from collections.abc import Hashable
from itertools import groupby
from math import isfinite
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tsgan.cli import options
from tsgan.cli.console import say_json, say_table
from tsgan.cli.files import read_pair

if TYPE_CHECKING:
    from rich.table import Table


def evaluate(
    real: options.Real,
    synth: options.Synth,
    columns: options.Columns = None,
    missing: options.MissingPrices = options.Missing.ERROR,
    start: options.From = None,
    end: options.To = None,
    json: options.Json = False,
) -> None:
    """Compare synthetic paths with the real prices.

    Examples
    --------
    tsgan evaluate prices.csv synth.csv
    tsgan evaluate prices.csv synth.parquet --columns SPY --json
    """
    prices, paths = read_pair(real, synth, columns=columns, missing=missing, start=start, end=end)

    from tsgan.evaluation.facts import compare

    facts = compare(prices, paths).rename_axis(["asset", "fact"]).reset_index().to_dict("records")
    if json:
        say_json({"real": str(real), "synthetic": str(synth), "facts": facts})
    else:
        say_table(_table(facts))


def _table(facts: "list[dict[Hashable, Any]]") -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table("asset", "fact", box=box.SIMPLE_HEAD)
    columns = {"real": "", "synthetic": "", "difference": "+"}
    for name in columns:
        table.add_column(name, justify="right")
    for asset, group in groupby(facts, key=itemgetter("asset")):
        for i, row in enumerate(group):
            numbers = (f"{row[name]:{sign}.4g}" if isfinite(row[name]) else "–" for name, sign in columns.items())
            table.add_row(Text("" if i else str(asset)), Text(str(row["fact"])), *numbers)
        table.add_section()
    return table
