"""Distances in a CSV file that grows row by row, and tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd


def append(path: Path, table: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = table.to_csv(index=False, header=not path.exists(), float_format="%.6g")
    with path.open("a") as file:
        file.write(text)


def read(path: Path, key: Sequence[str]) -> pd.DataFrame:
    """Rows of the key columns and a distance; of several rows of one key the last one counts."""
    if not path.exists():
        return pd.DataFrame(columns=[*key, "distance"])
    text = path.read_text()
    if not text.endswith("\n"):
        path.write_text(text[: text.rfind("\n") + 1])  # the last line was cut off and may hold half a number
    return pd.read_csv(path, dtype={"series": str}).drop_duplicates(list(key), keep="last")


def markdown(lines: Sequence[Mapping[str, str]]) -> str:
    head = list(lines[0])
    table = [head, ["---"] * len(head), *([line[key] for key in head] for line in lines)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table)
