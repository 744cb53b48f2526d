"""The noise floor: how far apart two independent finite samples of one law are.

A distance says nothing by itself. Here every measure is taken between pseudo-histories and paths of the same law, in
the number and length of the synthetic ones. Half of the pseudo-histories are a stationary bootstrap of the real
returns (Politis and Romano 1994, mean block 250 steps), which keeps everything but knows only the volatility regimes
that came; alone it calls one true replicate in three false. Half come from a GJR-GARCH fitted to the real returns,
which draws new regimes. Where the law is known (a simulated process) its own draws take their place and the floor is
exact.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed

from tsgan.errors import DataError, DataWarning
from tsgan.evaluation.baselines import MIN_ROWS, Bootstrap, fit_baselines
from tsgan.evaluation.measures import Floats, Measure, needs, pieces

MEAN_BLOCK = 250
_RETURNS, _SIDES = 200, 20  # the paths' own sampling error: draw them until they have 200 times the history's returns
_BATCHES = 10  # of histories, between which progress is told
Draw = Callable[[int, int, int], Floats]
"""Draws a sample of a law: (paths, length, seed) -> log returns (paths, length, assets)"""


class Sample(NamedTuple):
    """Returns as they are, and cut to the length at which paths are compared."""

    whole: Floats
    cut: Floats

    @classmethod
    def of(cls, returns: Floats, length: int) -> Sample:
        """Cut (paths, time, assets) log returns to pieces of ``length`` steps."""
        return cls(returns, pieces(returns, length))

    def seen_by(self, measure: Measure) -> Floats:
        """The returns that a measure looks at."""
        return self.cut if measure.per_path else self.whole


class Floor(NamedTuple):
    """Distances between samples of one law.

    Attributes
    ----------
    measures : those that can be computed
    distances : (draws, columns); the columns of measure i are ``columns[i]``, one an asset or one in all
    columns : slices
    """

    measures: tuple[Measure, ...]
    distances: Floats
    columns: tuple[slice, ...]

    def quantile(self, level: float) -> Floats:
        """Quantile of every column: (columns,)."""
        return np.asarray(np.nanquantile(self.distances, level, axis=0))

    def excess(self, distances: Floats) -> Floats:
        """Distances (..., columns) on one scale for all measures: 0 is the floor's median, 1 its 95 % quantile.

        The scale is logarithmic, so that measures of which chance makes little count as much as those with a wide
        floor. NaN where the floor has no width.
        """
        median, high = self.quantile(0.5), self.quantile(0.95)
        usable = (median > 0) & (high > median)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(usable, np.log(distances / median) / np.log(high / median), np.nan))

    def limit(self, level: float) -> float:
        """Quantile of the largest excess of all columns: a true replicate is below ``limit(.99)`` 99 times of 100."""
        return float(np.quantile(np.nanmax(self.excess(self.distances), axis=1), level))


def block_bootstrap(returns: Floats, mean_block: float = MEAN_BLOCK) -> Draw:
    """Stationary bootstrap of a history as a law to draw from.

    Parameters
    ----------
    returns : (time, assets) log returns; all assets of a day stay together, the end is followed by the start
    mean_block : mean length of the geometric blocks, in steps
    """
    return Bootstrap("block bootstrap", returns, min(mean_block, len(returns) / 2)).sample


def pseudo_histories(returns: Floats) -> list[Draw]:
    """Laws that a history (time, assets) may be a sample of: its block bootstrap, and a GJR-GARCH if it is stable."""
    if len(returns) < MIN_ROWS:
        raise DataError(f"an evaluation needs at least {MIN_ROWS} real returns, got {len(returns)}")
    laws = [block_bootstrap(returns)]
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always", DataWarning)
        fitted = fit_baselines(returns, ["GJR-skewt"])["GJR-skewt"]
    if not doubts:
        laws.append(fitted.sample)
    return laws


def noise_floor(
    measures: Sequence[Measure],
    laws: Sequence[Draw],
    time: int,
    paths: int,
    length: int,
    *,
    draws: int = 300,
    seed: int = 0,
    jobs: int = 1,
    progress: Callable[[float], None] = lambda share: None,
) -> Floor:
    """Distances between histories and paths that come from one law.

    Parameters
    ----------
    measures : those of `MEASURES` to compute; ones that the samples are too small for are left out
    laws : what the histories are drawn from, in turn
    time : steps of a history
    paths, length : number and steps of the synthetic paths
    draws : number of histories
    seed : of all draws
    jobs : processes
    progress : called with the share that is done
    """
    compared = min(time, length)
    sides = int(np.clip(np.ceil(_RETURNS * time / (paths * length)), 1, _SIDES))
    shown = [
        Sample.of(law(paths, length, seed + 1 + side), compared) for side in range(sides) for law in laws
    ]  # the laws alternate
    first = Sample.of(laws[0](1, time, seed), compared)
    usable = tuple(m for m in measures if needs(m, first.seen_by(m)) is None and needs(m, shown[0].seen_by(m)) is None)
    if not usable:
        why = next(w for m in measures for s in (shown[0], first) if (w := needs(m, s.seen_by(m))))
        raise DataError(f"no measure can be computed from {paths:,} paths of {length:,} returns: {why}")
    synthetic = []
    for side in shown:
        synthetic.append([m.statistic(side.seen_by(m)) for m in usable])
        progress(0.3 * len(synthetic) / len(shown))
    rows: list[Floats] = []
    with Parallel(n_jobs=jobs) as parallel:
        for batch in np.array_split(np.arange(draws), max(1, min(draws, _BATCHES))):
            each = -(-len(batch) // len(laws))
            drawn = [law(each, time, seed + 1000 + int(batch[0])) for law in laws]
            histories = [drawn[i % len(laws)][i // len(laws), None] for i in range(len(batch))]
            # the paths are of the history's own law, each side in its turn
            places = [i % len(laws) + len(laws) * (int(batch[0] + i) // len(laws) % sides) for i in range(len(batch))]
            rows.extend(
                parallel(
                    delayed(_distances)(usable, history, compared, synthetic[place])
                    for place, history in zip(places, histories, strict=True)
                )
            )
            progress(0.3 + 0.7 * len(rows) / draws)
    widths = [m.distance(s, s).shape[0] for m, s in zip(usable, synthetic[0], strict=True)]
    ends = np.cumsum([0, *widths])
    columns = tuple(slice(int(a), int(b)) for a, b in pairwise(ends))
    return Floor(usable, np.array(rows), columns)


def _distances(measures: Sequence[Measure], history: Floats, length: int, synthetic: Sequence[Floats]) -> Floats:
    real = Sample.of(history, length)
    parts = [m.distance(m.statistic(real.seen_by(m)), s) for m, s in zip(measures, synthetic, strict=True)]
    return np.concatenate(parts)
