"""Work that is told of as it is done, distances in a CSV file that grows row by row, and tables in Markdown."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd
from joblib import Parallel, delayed

Result = TypeVar("Result")


def work(tasks: Sequence[Callable[[], Result]], jobs: int) -> Iterator[Result]:
    """Results of tasks as they are done, so many at once; stderr says how far it is."""
    print(f"{len(tasks)} tasks to do", file=sys.stderr)
    start = time.perf_counter()
    results = Parallel(jobs, return_as="generator_unordered")(delayed(task)() for task in tasks)
    for done, result in enumerate(results, 1):
        yield result
        print(f"{done}/{len(tasks)} after {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)


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
