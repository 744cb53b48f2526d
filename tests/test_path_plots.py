"""`paths.plot`: what each picture holds, alone and beside real prices, on ordinary and on awkward paths."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

from matplotlib import pyplot as plt  # the backend comes first

from tsgan import Paths
from tsgan.datasets.processes import Garch
from tsgan.datasets.processes import prices as priced
from tsgan.errors import DataError
from tsgan.evaluation.measures import acf
from tsgan.events import max_drawdown

KINDS = ("fan", "tails", "acf", "drawdowns")
NAMES = ["A", "B"]


@pytest.fixture(autouse=True)
def no_figure_stays() -> Iterator[None]:
    yield
    plt.close("all")


def paths_of(returns: Any, dates: pd.DatetimeIndex | None = None) -> Paths:
    """Paths from 100 of returns (paths, time) or (paths, time, assets)."""
    r = np.asarray(returns)
    r = r[..., None] if r.ndim == 2 else r
    dates = pd.bdate_range("2024-01-02", periods=r.shape[1]) if dates is None else dates
    return Paths(r, np.full(r.shape[2], 100.0), dates, NAMES[: r.shape[2]])


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    return priced(np.stack([Garch().simulate(1, 800, seed=seed)[0] for seed in (1, 2)], axis=1))


@pytest.fixture(scope="module")
def paths() -> Paths:
    return paths_of(np.stack([Garch().simulate(40, 120, seed=seed) for seed in (3, 4)], axis=2))


def line(axes: Any, start: str) -> Any:
    return next(found for found in axes.get_lines() if str(found.get_label()).startswith(start))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("asset", [None, "B"])
def test_a_picture_has_title_units_and_legend(
    paths: Paths, real: pd.DataFrame, kind: str, beside: bool, asset: str | None
) -> None:
    axes = getattr(paths.plot, kind)(real if beside else None, asset)
    assert axes.get_title(loc="left").startswith("B: " if asset else "A, the first of 2 assets: ")
    assert axes.get_ylabel()
    assert axes.get_xlabel() or kind == "fan"  # dates need no name
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert any(label.startswith("real") for label in labels) == beside
    assert any("synthetic" in label for label in labels)


@pytest.mark.parametrize("kind", [*KINDS, "correlation"])
def test_axes_of_the_caller_are_drawn_on_and_the_style_stays_the_callers(
    paths: Paths, real: pd.DataFrame, kind: str
) -> None:
    mine, before = plt.subplots()[1], dict(mpl.rcParams)
    assert getattr(paths.plot, kind)(real, ax=mine) is mine
    assert len(plt.get_fignums()) == 1
    assert dict(mpl.rcParams) == before


def test_the_pictures_hold_the_numbers(paths: Paths, real: pd.DataFrame) -> None:
    r = paths.returns[..., 1]
    median = line(paths.plot.fan(asset="B"), "synthetic: median")
    assert median.get_ydata() == pytest.approx(np.median(paths.prices[..., 1], axis=0))
    at, density = (np.asarray(v) for v in line(paths.plot.tails(asset="B"), "synthetic").get_data())
    assert np.nansum(density) * (at[1] - at[0]) == pytest.approx(1)
    memory = line(paths.plot.acf(asset="B"), "synthetic").get_ydata()
    assert memory == pytest.approx(acf(np.abs(r)[..., None], 60).mean(axis=(0, 2)))
    depth, share = (np.asarray(v) for v in line(paths.plot.drawdowns(asset="B"), "synthetic").get_data())
    exact = max_drawdown(r)
    assert share == pytest.approx([(100 * exact <= at).mean() for at in depth])
    shown = line(paths.plot.fan(real["B"].to_frame(), asset="B"), "real").get_ydata()
    assert np.array_equal(shown, real["B"].to_numpy()[-252:])


def test_correlations_of_both_sides(paths: Paths, real: pd.DataFrame) -> None:
    ours = np.array(np.corrcoef(paths.returns.reshape(-1, 2).T))[0, 1]
    theirs = np.array(np.corrcoef(np.diff(np.log(real.to_numpy()), axis=0).T))[0, 1]

    def drawn(axes: Any) -> list[str]:
        return [text.get_text().replace("−", "-") for text in axes.texts]

    assert drawn(paths.plot.correlation()) == [f"{ours:.2f}"] * 2
    axes = paths.plot.correlation(real)
    assert drawn(axes) == [f"{theirs:.2f}", f"{ours:.2f}"]
    assert "real above the diagonal" in axes.get_title(loc="left")


def test_four_panels_on_a_page(paths: Paths, real: pd.DataFrame) -> None:
    page = paths.plot(real, "B")
    assert page.shape == (2, 2)
    assert [axes.get_title(loc="left")[:3] for axes in page.flat] == ["(a)", "(b)", "(c)", "(d)"]
    assert page[0, 0].figure.get_suptitle() == "B: 40 synthetic paths of 120 steps"
    assert page[1, 1].get_ylabel() == "synthetic log return (%)"
    assert paths.plot()[1, 1].get_xlabel() == "deepest drawdown of a path (%)"
    assert len(plt.get_fignums()) == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "awkward",
    [
        pytest.param(paths_of(Garch().simulate(1, 60, seed=5)), id="one path"),
        pytest.param(paths_of(Garch().simulate(30, 4, seed=5)), id="four steps"),
        pytest.param(
            paths_of(Garch().simulate(20, 50, seed=6), pd.date_range("2024-01-02 09:00", periods=50, freq="h")),
            id="hours",
        ),
        pytest.param(
            paths_of(Garch().simulate(20, 50, seed=6), pd.date_range("2024-01-06", periods=50)), id="seven days a week"
        ),
    ],
)
def test_awkward_paths_are_drawn(awkward: Paths, kind: str, real: pd.DataFrame) -> None:
    for beside in (None, real):
        getattr(awkward.plot, kind)(beside).figure.canvas.draw()


def test_an_explosion_does_not_hide_the_rest() -> None:
    r = Garch().simulate(60, 100, seed=2)
    r[3, 50], r[5, 20] = -2.0, 3.0
    paths = paths_of(r)
    bands = np.quantile(paths.prices, (0.05, 0.95), axis=1)
    low, high = paths.plot.fan().get_ylim()
    assert low > 0.5 * bands[0].min()
    assert high < 2 * bands[1].max()


def test_a_series_is_the_only_asset_and_otherwise_needs_its_name(paths: Paths, real: pd.DataFrame) -> None:
    single = paths_of(paths.returns[..., 0])
    shown = line(single.plot.fan(real["B"].tz_localize("UTC")), "real").get_ydata()
    assert np.array_equal(shown, real["B"].to_numpy()[-252:])
    assert line(paths.plot.fan(real["B"], "B"), "real") is not None
    with pytest.raises(DataError, match="the real prices have no asset 'A'; they have 'B'"):
        paths.plot.fan(real["B"])


def test_what_cannot_be_drawn_is_said(paths: Paths, real: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="the synthetic paths have no asset 'C'; they have 'A', 'B'"):
        paths.plot.tails(asset="C")
    with pytest.raises(DataError, match="the real prices have no asset 'B'; they have 'A'"):
        paths.plot.correlation(real[["A"]])
    with pytest.raises(DataError, match="a correlation needs two assets, the paths have 'A' alone"):
        paths_of(paths.returns[..., 0]).plot.correlation()
    with pytest.raises(DataError, match="at least 4 returns, these have 3"):
        paths_of(paths.returns[:, :3, 0]).plot.acf()
    with pytest.raises(DataError, match="the returns of 'A' do not vary"):
        paths_of(np.zeros((3, 20))).plot.tails()
    with pytest.raises(DataError, match="prices must be a DataFrame or a Series"):
        paths.plot.fan(real.to_numpy())  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(DataError, match="missing"):
        paths.plot.fan(real.mask(real == real.iloc[5, 0]))


def test_paths_import_no_matplotlib_before_they_are_drawn() -> None:
    code = (
        "import sys, numpy as np, pandas as pd\n"
        "from tsgan import Paths\n"
        "paths = Paths(np.zeros((3, 9, 1)), np.array([1.0]), pd.bdate_range('2024', periods=9), ['A'])\n"
        "paths.prices, paths.to_frame()\n"
        "assert not {'matplotlib', 'tsgan.evaluation'} & set(sys.modules)\n"
        "paths.plot.fan\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
