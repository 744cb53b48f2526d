"""The files that commands read and write; what can fail about them fails before the long part."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsgan.cli.console import complain
from tsgan.config import Config
from tsgan.errors import ConfigError, DataError, ModelFileError

if TYPE_CHECKING:
    import pandas as pd

    from tsgan.estimator import TSGAN


def require_writable(out: Path, *, force: bool, suffixes: Sequence[str] = (), option: str = "--out") -> None:
    """Raise unless a file can be written to ``out``: right suffix, nothing there (or --force), a writable folder."""
    if suffixes and out.suffix not in suffixes:
        raise ConfigError(f"the format of {out} follows its suffix, which must be one of {', '.join(suffixes)}")
    if out.exists() and not out.is_file():
        raise ConfigError(f"{out} is not a regular file; name a file to write to with {option}")
    if out.exists() and not force:
        raise ConfigError(f"{out} exists; replace it with --force or write elsewhere with {option}")
    folder = Path(os.path.realpath(out)).parent
    if not folder.is_dir():
        raise ConfigError(f"the folder {folder} does not exist; create it with: mkdir -p {folder}")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ConfigError(f"cannot write to the folder {folder}: {error.strerror}; use {option}") from error


def require_file(path: Path) -> None:
    """Raise unless there is a file to read, before anything about what would be written."""
    if not path.exists():
        raise DataError(f"{path} cannot be read: there is no such file")


def require_no_checkpoint(checkpoint: Path, *, force: bool) -> None:
    """Raise where an interrupted fit has left work that a new one would write over."""
    if checkpoint.exists() and not force:
        raise ConfigError(
            f"{checkpoint} holds what an interrupted fit has done; --resume goes on with the same command, "
            "--force begins anew"
        )
    require_writable(checkpoint, force=True)


def require_folder(out: Path) -> None:
    """Raise unless files can be written to the folder ``out``, which is made if only it is missing."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is not a folder; name one to write the models to with --out")
    try:
        out.mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {out}: {error.strerror}; use --out") from error


def checkpoint_of(out: Path) -> Path:
    """Name the file from which the fit of a model goes on."""
    return out.with_name(out.name + ".ckpt")


@contextmanager
def goes_on(where: Path, left: Sequence[Path]) -> Iterator[None]:
    """Let what stops the block say how to go on, if there is something left to go on from."""
    try:
        yield
    except (KeyboardInterrupt, OSError) as stop:
        if any(file.exists() for file in left):
            stop.add_note(f"the same command with --resume goes on from {where}")
        raise


def read_config(path: Path | None, **training: Any) -> Config:
    """Read the settings of a TOML file over the defaults; settings of the training given beside it go over the file's.

    An objective given so brings what the file does not say; None leaves a setting as it is.
    """
    tables: dict[str, Any] = {}
    if path is not None:
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
            Config.from_dict(tables)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
        except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number of 5,000 digits, too many brackets
            raise ConfigError(f"{path} is not a TOML file that can be read: {error}") from error
    given = {name: value for name, value in training.items() if value is not None}
    return Config.from_dict({**tables, "training": {**tables.get("training", {}), **given}})


def load_model(path: Path, device: str = "auto") -> TSGAN:
    """Load a model, or say how to make one."""
    if not path.exists():
        raise ModelFileError(f"there is no model file {path}; make one first: tsgan fit prices.csv --out {path}")
    from tsgan.estimator import TSGAN

    return TSGAN.load(path, device=device)


def load_asked(
    path: Path,
    device: str,
    history: Path | None,
    given: Sequence[str] | None,
    like: str | None,
    covariates: Path | None,
    missing: str,
    *,
    quiet: bool,
) -> tuple[TSGAN, dict[str, Any]]:
    """Load a model, and read what its paths are asked to be: keywords of ``TSGAN.sample``."""
    from tsgan.conditions import parse_given
    from tsgan.covariates import FORETELL_NOTHING
    from tsgan.datasets import read_covariates, read_prices

    condition = parse_given(given or [])
    model = load_model(path, device)
    recent = None if history is None else read_prices(history)
    if covariates is not None:
        table = read_covariates(covariates)
        condition |= {name: table[name] for name in table.columns if name not in condition}
    if not quiet and condition.keys() & set(model.covariates_.names):
        for sentence in model.verdict_:
            if FORETELL_NOTHING in sentence:
                complain(f"note: {sentence}")
    return model, {"history": recent, "condition": condition, "like": like, "missing": str(missing)}


def read_known(prices: Path, covariates: Path | None, names: Sequence[str] | None) -> pd.DataFrame | None:
    """Read covariates: all or some columns of their own file, or columns of the prices'."""
    if covariates is None and not names:
        return None
    from tsgan.datasets import read_covariates

    if covariates is None:
        return read_covariates(prices, columns=names)
    table = read_covariates(covariates)
    beside = [name for name in names or [] if name not in table]
    if beside:
        table = table.join(read_covariates(prices, columns=beside), how="outer")
    return table if names is None else table[list(names)]


def read_real(
    path: Path,
    *,
    columns: str | None,
    missing: str,
    start: str | None,
    end: str | None,
    leave_out: Sequence[str] = (),
) -> pd.DataFrame:
    """Read prices; ``columns`` are names separated by commas."""
    from tsgan.datasets import read_prices

    wanted = None if columns is None else _names(columns)
    return read_prices(path, columns=wanted, leave_out=leave_out, missing=missing, start=start, end=end)


def read_each(
    path: Path,
    *,
    columns: str | None,
    missing: str,
    start: str | None,
    end: str | None,
    leave_out: Sequence[str] = (),
) -> dict[str, pd.DataFrame | DataError]:
    """Read the prices of every ticker by itself, or why they cannot be used."""
    from tsgan.datasets.checks import check_prices
    from tsgan.datasets.readers import read_columns
    from tsgan.tickers import histories

    table = read_columns(path, None if columns is None else _names(columns), leave_out)
    each: dict[str, pd.DataFrame | DataError] = {}
    for name, prices in histories(table).items():
        try:
            each[name] = check_prices(prices, missing=missing, start=start, end=end)
        except DataError as error:
            each[name] = error
    return each


def read_pair(
    real: Path, synth: Path, *, columns: str | None, missing: str, start: str | None, end: str | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read real prices and synthetic paths of the same assets: the chosen columns, or all of the paths."""
    from tsgan.evaluation.tables import read_paths

    paths = read_paths(synth)
    prices = read_real(real, columns=columns, missing=missing, start=start, end=end)
    assets = [name for name in paths.columns if name not in ("path", "date")]
    wanted = assets if columns is None else list(prices.columns)
    if not set(wanted) <= set(assets) & set(prices.columns):
        raise DataError(
            f"{real} and {synth} hold different assets: {', '.join(prices.columns)} and {', '.join(assets)}; "
            "choose some that both have with --columns"
        )
    return prices[wanted], paths[["path", "date", *wanted]]


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ConfigError(f"--columns must be names separated by commas, such as SPY,QQQ, got {text!r}")
    return names
