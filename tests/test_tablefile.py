"""Files that grow part by part: whole or not at all, and the same bytes after an interruption anywhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tsgan import TSGAN, ConfigError, tablefile
from tsgan.conditioning import Conditioning
from tsgan.paths import Paths
from tsgan.tablefile import write_resumable

N, LENGTH = 90, 7
SUFFIXES = [".csv", ".parquet"]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tablefile, "_VALUES", 10 * LENGTH * 2)  # ten paths of two assets


def whole(first: int = 0, hours: int = 0) -> Paths:
    returns = 0.01 * np.random.default_rng(0).standard_normal((N, LENGTH, 2))
    dates = pd.bdate_range("2024-01-01", periods=LENGTH) + pd.Timedelta(hours, "h")
    return Paths(returns, np.array([100.0, 50.0]), dates, ["A", 'B "b"'])[first:]


def draw(first: int, size: int = 13) -> Iterator[Paths]:
    paths = whole(first)
    return (paths[at : at + size] for at in range(0, len(paths), size))


def write(
    out: Path,
    *,
    resume: bool = False,
    force: bool = False,
    key: str = "k",
    source: Callable[[int], Iterator[Paths]] = draw,
) -> list[int]:
    """Write, and return the numbers of paths that were reported."""
    reported: list[int] = []
    write_resumable(source, out, "prices", key, resume=resume, force=force, report=reported.append)
    return reported


def stopped_after(paths: int, error: BaseException) -> Callable[[int], Iterator[Paths]]:
    def source(first: int) -> Iterator[Paths]:
        for part in draw(first):
            if part.first >= paths:
                raise error
            yield part

    return source


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, parse_dates=["date"]) if path.suffix == ".csv" else pd.read_parquet(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("hours", [0, 15])
def test_the_file_holds_the_long_table(tmp_path: Path, suffix: str, hours: int) -> None:
    out = tmp_path / f"a{suffix}"
    paths = whole(hours=hours)
    assert paths.save(out) == N * LENGTH
    table = read(out)
    assert list(table.columns) == ["path", "date", "A", 'B "b"']
    table["date"] = pd.to_datetime(table["date"])
    pd.testing.assert_frame_equal(table, paths.to_frame(), check_dtype=False, rtol=1e-15)
    assert names(tmp_path) == {out.name}


def test_each_part_is_a_row_group_that_other_readers_understand(tmp_path: Path) -> None:
    out = tmp_path / "a.parquet"
    assert write(out) == list(range(0, N + 1, 10))
    file = pq.ParquetFile(out)
    assert file.metadata.num_row_groups == N // 10
    assert file.metadata.num_rows == N * LENGTH
    whole_frame = whole().to_frame()
    for group in (0, 4, 8):
        part = file.read_row_group(group).to_pandas()
        part["date"] = pd.to_datetime(part["date"])
        expected = whole_frame.iloc[70 * group : 70 * (group + 1)].reset_index(drop=True)
        pd.testing.assert_frame_equal(part, expected, check_dtype=False)
    few = pq.read_table(out, filters=[("path", "=", 33)])  # by the statistics of the row groups
    assert len(few) == LENGTH


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("after", [26, 52, 78])
def test_interrupted_and_resumed_gives_the_same_bytes(tmp_path: Path, suffix: str, after: int) -> None:
    straight, out = tmp_path / f"straight{suffix}", tmp_path / f"out{suffix}"
    write(straight)
    with pytest.raises(KeyboardInterrupt) as stop:
        write(out, source=stopped_after(after, KeyboardInterrupt()))
    assert "--resume" in stop.value.__notes__[0]
    assert names(tmp_path) == {straight.name, f"{out.name}.partial", f"{out.name}.partial.json"}
    with out.with_name(f"{out.name}.partial").open("ab") as file:
        file.write(b"half a part")
    reported = write(out, resume=True)
    assert reported[0] > 0
    assert reported[-1] == N
    assert out.read_bytes() == straight.read_bytes()
    assert names(tmp_path) == {straight.name, out.name}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_left_is_lost_only_by_force(tmp_path: Path, suffix: str) -> None:
    straight, out = tmp_path / f"straight{suffix}", tmp_path / f"out{suffix}"
    assert write(straight, resume=True)[0] == 0  # nothing there
    partial, log = (out.with_name(out.name + end) for end in (".partial", ".partial.json"))

    def kept(**options: Any) -> str:
        left = partial.read_bytes(), log.read_bytes()
        with pytest.raises(ConfigError) as refused:
            write(out, **options)
        assert (partial.read_bytes(), log.read_bytes()) == left
        return str(refused.value)

    with pytest.raises(KeyboardInterrupt):
        write(out, source=stopped_after(50, KeyboardInterrupt()))
    assert "--resume goes on with the same command, --force begins anew" in kept()
    assert "another model or other options" in kept(resume=True, key="another")
    partial.write_bytes(partial.read_bytes()[:100])  # cut off
    assert "or is damaged" in kept(resume=True)
    for odd in ('{"key": ', '{"a": 1}', "[]", '{"key": "k", "paths": 1, "ends": 3, "conditioning": 4}'):
        log.write_text(odd)
        assert "or is damaged" in kept(resume=True)
    assert write(out, resume=True, force=True)[0] == 0
    assert out.read_bytes() == straight.read_bytes()
    partial.write_text("precious")
    with pytest.raises(ConfigError, match="is in the way"):
        write(out, force=True)
    assert partial.read_text() == "precious"


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    refused = []

    def source(first: int) -> Iterator[Paths]:
        for part in draw(first):
            with pytest.raises(ConfigError) as error:
                write(out, resume=True)
            refused.append(str(error.value))
            yield part

    write(out, source=source)
    assert "another run is writing" in refused[0]
    assert len(read(out)) == N * LENGTH
    assert names(tmp_path) == {"a.csv"}


def test_what_was_known_of_a_condition_goes_on_too(tmp_path: Path) -> None:
    known = Conditioning("splitting", 40.0, 0.01, (0.009, 0.011))

    def conditioned(first: int) -> Iterator[Paths]:
        for part in draw(first):
            part.conditioning = known
            yield part

    def cut_off(done: int) -> None:
        if done == N:
            raise KeyboardInterrupt

    out = tmp_path / "a.csv"
    with pytest.raises(KeyboardInterrupt):
        write_resumable(conditioned, out, "prices", "k", resume=False, force=False, report=cut_off)
    found = write_resumable(lambda _: iter(()), out, "prices", "k", resume=True, force=False, report=lambda _: None)
    assert found == known
    assert len(read(out)) == N * LENGTH


def test_an_interruption_before_the_first_part_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.csv", source=stopped_after(0, KeyboardInterrupt()))
    assert names(tmp_path) == set()


def test_an_error_leaves_the_old_file_and_names_the_one_that_was_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    out.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write(out, source=stopped_after(50, ZeroDivisionError()))
    assert names(tmp_path) == {"a.csv"}
    with pytest.raises(OSError, match="No space") as full:
        write(out, source=stopped_after(50, OSError(28, "No space left on device")))
    assert (full.value.errno, full.value.filename) == (28, str(out))
    assert "--resume" in full.value.__notes__[0]  # what is written stays, a disk can be emptied
    assert out.read_text() == "old"
    assert write(out, resume=True)[0] > 0
    assert len(read(out)) == N * LENGTH


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_an_os_error(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / f"a{suffix}"
    opened = Path.open

    def full(path: Path, mode: str = "r", *rest: object, **options: object) -> object:
        return opened(Path("/dev/full") if path.name.endswith(".partial") else path, mode, *rest, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    monkeypatch.setattr(tablefile, "_VALUES", 10**6)
    with pytest.raises(OSError, match="a\\."):
        write(out)
    assert names(tmp_path) == set()


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "a.csv").symlink_to(tmp_path / "there" / "b.csv")
    write(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").is_symlink()
    assert len(read(tmp_path / "there" / "b.csv")) == N * LENGTH


# the command ----------------------------------------------------------------------------------------------------------


def command(*args: object) -> list[str]:
    return [sys.executable, "-c", "from tsgan.cli.main import main; main()", "sample", *map(str, args)]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_killed_command_goes_on(model: TSGAN, tmp_path: Path, suffix: str) -> None:
    file, straight, out = tmp_path / "m.tsgan", tmp_path / f"straight{suffix}", tmp_path / f"out{suffix}"
    model.save(file)
    options = ("--model", file, "--n", 30_000, "--length", 100)
    subprocess.run(command(*options, "--out", straight), check=True, capture_output=True)
    log = tmp_path / f"{out.name}.partial.json"

    def written() -> int:
        return int(json.loads(log.read_text())["paths"]) if log.exists() else 0

    for _ in range(2):  # killed twice, each time at some point behind a complete part
        before = written()
        run = subprocess.Popen(command(*options, "--out", out, "--resume", "--quiet"))
        while run.poll() is None and written() == before:
            time.sleep(0.002)
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert not out.exists()
    last = subprocess.run(command(*options, "--out", out, "--resume"), check=True, capture_output=True, text=True)
    assert last.stderr.startswith("goes on after ")
    assert last.stdout == f"wrote 3,000,000 rows (30,000 paths × 100 steps, 1 asset) to {out}\n"
    assert out.read_bytes() == straight.read_bytes()
    assert names(tmp_path) == {"m.tsgan", straight.name, out.name}
    other = subprocess.run(
        command("--model", file, "--n", 10, "--out", tmp_path / f"b{suffix}", "--resume"),
        check=True,
        capture_output=True,
        text=True,
    )
    assert other.stderr == "starts anew: no run with these options was interrupted\n"
