"""The copy guard: whether generated windows are nearer to the training data than new real ones would be.

Windows of returns are standardised, so that a rescaled copy is found too. The training data are cut in halves; what is
usual is how near a window of one half comes to its nearest neighbour in the other. A generated window is called a copy
where it is nearer to a half than the nearest 0.5 % of the other half's windows: about 1 % of new windows, and nearly
all of a bootstrap's. Where few windows say what is near it is more, which the verdict allows for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tsgan.evaluation.measures import Floats

STEPS = 20
EXPECTED = 0.01
_WARN, _FAIL = 0.03, 0.06  # shares, and how much is added to them for a threshold known from few windows
_WARN_FEW, _FAIL_FEW = 1.5, 3.0
_MOST = 4000  # generated windows looked at
_SHOWN = 3


class Copies(NamedTuple):
    """What the copy guard found."""

    share: float
    """Share of generated windows nearer to the training data than 1 % of new real ones would be; NaN: not computable"""
    verdict: str
    """pass, warn, fail or not computable"""
    words: str
    pairs: list[tuple[Floats, Floats, float]]
    """The nearest generated windows, first asset, log returns: (generated, training, distance)"""

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, and the share that is expected."""
        return {**self._asdict(), "expected": EXPECTED}


def copy_guard(real: Floats, synthetic: Floats, seed: int = 0) -> Copies:
    """Compare generated windows with the training data.

    Parameters
    ----------
    real : (time, assets) log returns of the training data
    synthetic : (paths, length, assets) log returns
    seed : of the choice of the windows that are looked at
    """
    half = len(real) // 2
    if half < 5 * STEPS or synthetic.shape[1] < STEPS:
        need = f"it needs at least {10 * STEPS} real returns and paths of at least {STEPS}"
        came = f"got {len(real)} and {synthetic.shape[1]}"
        return Copies(float("nan"), "not computable", f"The copy guard cannot be computed: {need}, {came}.", [])
    halves = [_windows(real[:half]), _windows(real[half:])]
    standard = [_standardised(h) for h in halves]
    limits = [np.quantile(_nearest(standard[1 - i], standard[i])[0], EXPECTED / 2) for i in (0, 1)]
    rng = np.random.default_rng(seed)
    paths = rng.integers(len(synthetic), size=_MOST)
    starts = rng.integers(synthetic.shape[1] - STEPS + 1, size=_MOST)
    shown = synthetic[paths[:, None], starts[:, None] + np.arange(STEPS)]
    found = [_nearest(_standardised(shown), reference) for reference in standard]
    share = float(np.mean((found[0][0] < limits[0]) | (found[1][0] < limits[1])))
    nearest = np.minimum(found[0][0], found[1][0])
    pairs = []
    for i in np.argsort(nearest)[:_SHOWN]:
        side = int(found[1][0][i] < found[0][0][i])
        pairs.append((shown[i, :, 0], halves[side][found[side][1][i], :, 0], float(nearest[i])))
    apart = len(halves[0]) / STEPS  # windows that do not overlap: the threshold is an extreme of so many
    verdict = "fail" if share > _FAIL + _FAIL_FEW / apart else "warn" if share > _WARN + _WARN_FEW / apart else "pass"
    says = {
        "pass": "the paths are new",
        "warn": "more than chance: some paths follow the training data closely",
        "fail": "the paths replay the training data",
    }[verdict]
    words = (
        f"{100 * share:.1f} % of the synthetic windows of {STEPS} steps are nearer to the training data than 1 % of "
        f"new real ones would be: {says}."
    )
    return Copies(share, verdict, words, pairs)


def _windows(returns: Floats) -> Floats:
    """All windows of a history: (time, assets) -> (windows, steps, assets)."""
    windows = np.lib.stride_tricks.sliding_window_view(returns, STEPS, axis=0)
    return np.asarray(np.moveaxis(windows, -1, 1))


def _standardised(windows: Floats) -> Floats:
    """Centred and of length 1, asset by asset: (n, steps, assets) -> (n, steps x assets)."""
    centred = windows - windows.mean(axis=1, keepdims=True)
    size = np.sqrt(np.square(centred).sum(axis=1, keepdims=True))
    unit = np.divide(centred, size, out=np.zeros_like(centred), where=size > 0)
    return np.asarray(unit.reshape(len(windows), -1) / np.sqrt(windows.shape[-1]))


def _nearest(windows: Floats, reference: Floats) -> tuple[Floats, np.ndarray[Any, np.dtype[np.int64]]]:
    """Distance to the nearest reference window and its place; both sides have length 1."""
    best, place = np.empty(len(windows)), np.empty(len(windows), dtype=np.int64)
    for first in range(0, len(windows), 1000):
        likeness = windows[first : first + 1000] @ reference.T
        place[first : first + 1000] = likeness.argmax(axis=1)
        best[first : first + 1000] = likeness.max(axis=1)
    return np.sqrt(np.maximum(2 - 2 * best, 0)), place
