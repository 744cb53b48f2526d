"""One model a ticker: many fits that do not need each other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone

from tsgan.datasets.checks import counted, warn
from tsgan.errors import DataError, TrainingError, TrainingWarning
from tsgan.estimator import TSGAN, Prices
from tsgan.jobs import results
from tsgan.progress import Progress, Shares, share_progress

Failure = DataError | TrainingError


def fit_each(
    prices: Prices | Mapping[str, Prices],
    model: TSGAN | None = None,
    *,
    covariates: pd.DataFrame | None = None,
    n_jobs: int | None = None,
    progress: bool | Shares = False,
) -> dict[str, TSGAN]:
    """Fit one model to every ticker by itself.

    Each is the model that ``model`` would become if it were fitted to that ticker alone, bit by bit, with any number
    of workers and any backend of ``joblib.parallel_config``: loky's processes, threads, Dask or Ray.

    Parameters
    ----------
    prices : frame with a column a ticker, each from its first price to its last; or one frame or series a ticker
    model : what to fit, with its configuration and its seed, which is that of every fit; it stays as it is
    covariates : as in :meth:`TSGAN.fit`, the same for all tickers
    n_jobs : fits at once, -1 for one a processor; by default what ``joblib.parallel_config`` says, otherwise one
    progress : True shows it on stderr; a callable is called with what is done, in words and as a share

    Returns
    -------
    Ticker -> fitted model, in the order of the prices, without those that failed.

    Raises
    ------
    DataError, TrainingError
        As of :meth:`TSGAN.fit`, if no ticker could be fitted.
    ConfigError
        An option is not possible.

    Warns
    -----
    TrainingWarning
        A ticker could not be fitted and is left out.

    Examples
    --------
    >>> from joblib import parallel_config
    >>> with parallel_config(backend="loky", n_jobs=4):  # doctest: +SKIP
    ...     models = fit_each(prices, TSGAN(random_state=0))
    """
    model = TSGAN() if model is None else model
    if isinstance(prices, pd.Series):
        prices = prices.to_frame("price" if prices.name is None else prices.name)
    if not len(prices):
        raise DataError("there are no prices to fit to; expected one column, frame or series a ticker")
    each = histories(prices, model.condition_on or []) if isinstance(prices, pd.DataFrame) else prices
    fitted: dict[str, TSGAN] = {}
    failed: dict[str, Failure] = {}
    with share_progress(progress) as report:
        for done, (name, result) in enumerate(fits(each, model, covariates, n_jobs), 1):
            if isinstance(result, TSGAN):
                fitted[name] = result
            else:
                failed[name] = result
            report(f"{done} of {counted(len(each), 'ticker')}", done / len(each))
    if not fitted and failed:
        raise next(iter(failed.values()))
    for name, error in failed.items():
        warn(f"{name} could not be fitted and is left out: {error}", TrainingWarning)
    return fitted


def histories(prices: pd.DataFrame, beside: Sequence[str] = ()) -> dict[str, pd.DataFrame]:
    """Split a frame into one a ticker, from its first price to its last, each with the columns that go beside it."""
    names = [name for name in prices.columns if name not in beside]
    twice = prices.columns[prices.columns.duplicated()]
    if not names or len(twice):
        what = f"has two columns {str(twice[0])!r}" if len(twice) else "has no column of prices"
        raise DataError(f"the frame {what}; expected one column a ticker")
    common = [name for name in prices.columns if name in beside]
    each = {}
    for name in names:
        rows = np.flatnonzero(prices[name].notna())
        there = slice(rows[0], rows[-1] + 1) if len(rows) else slice(None)
        each[str(name)] = prices[[name, *common]].iloc[there]
    return each


def fits(
    each: Mapping[str, Prices],
    model: TSGAN,
    covariates: pd.DataFrame | None = None,
    n_jobs: int | None = None,
    checkpoints: Mapping[str, Path] | None = None,
    resume: bool = False,
) -> Iterator[tuple[str, TSGAN | Failure]]:
    """Fit one model a ticker and yield it, or why there is none, in the order of the tickers.

    Each fit keeps its checkpoint, if there are files for them, and goes on from it.
    """
    files = checkpoints or dict.fromkeys(each)
    tasks = (
        partial(_fit, clone(model), prices, covariates, files[name], resume, os.getpid())
        for name, prices in each.items()
    )
    for name, (result, said) in zip(each, results(tasks, n_jobs), strict=True):
        for text, category in said:
            warn(f"{name}: {text}", category)
        yield name, result


def _fit(
    model: TSGAN, prices: Prices, covariates: pd.DataFrame | None, checkpoint: Path | None, resume: bool, owner: int
) -> TSGAN | Failure:
    def leave_alone(_: Progress) -> None:
        # a worker of loky's outlives a command that was killed, and would write what the next one goes on from
        if checkpoint and owner not in (os.getpid(), os.getppid()):
            os._exit(1)

    try:
        return model.fit(prices, covariates=covariates, progress=leave_alone, checkpoint=checkpoint, resume=resume)
    except (DataError, TrainingError) as error:
        return error
