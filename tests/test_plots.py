"""The overview picture: what its panels hold, on ordinary and on awkward data."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsgan import TSGAN
from tsgan.datasets.processes import Garch, GarchPair, prices
from tsgan.errors import DataError
from tsgan.evaluation import conditions_figure, overview, plots
from tsgan.evaluation.measures import acf


def after(real: pd.DataFrame, returns: Any) -> pd.DataFrame:
    """Continue real prices by returns (paths, time, assets), as a long table."""
    paths, time, assets = returns.shape
    values = real.iloc[-1].to_numpy() * np.exp(returns.cumsum(axis=1))
    frame = pd.DataFrame(values.reshape(-1, assets), columns=real.columns)
    dates = pd.bdate_range(real.index[-1], periods=time + 1)[1:]
    frame.insert(0, "path", np.repeat(np.arange(paths), time))
    frame.insert(1, "date", np.tile(dates, paths))
    return frame


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    return prices(Garch().simulate(1, 1_000, seed=1)[0])


@pytest.fixture(scope="module")
def synthetic(real: pd.DataFrame) -> pd.DataFrame:
    return after(real, Garch().simulate(40, 210, seed=2)[..., None])


def test_four_panels_with_titles_and_units_are_saved_without_a_display(
    real: pd.DataFrame, synthetic: pd.DataFrame, tmp_path: Path
) -> None:
    figure = overview(real, synthetic)
    assert len(figure.axes) == 4
    assert "40 synthetic paths of 210 steps" in figure.get_suptitle()
    for axes, mark in zip(figure.axes, "abcd", strict=True):
        assert axes.get_title(loc="left").startswith(f"({mark})")
        assert axes.get_ylabel()
    assert figure.axes[1].get_yscale() == "log"
    figure.savefig(tmp_path / "overview.png")
    assert (tmp_path / "overview.png").read_bytes().startswith(b"\x89PNG")


def test_panels_hold_the_numbers(real: pd.DataFrame, synthetic: pd.DataFrame) -> None:
    axes = overview(real, synthetic).axes
    real_line = next(line for line in axes[0].get_lines() if line.get_label() == "real")
    assert np.array_equal(np.asarray(real_line.get_ydata()), real["A"].to_numpy()[-252:])
    assert len(axes[0].get_lines()) == 15 + 2
    x = np.diff(np.log(real["A"].to_numpy()))
    y = np.diff(np.log(synthetic["A"].to_numpy().reshape(40, 210)), axis=1)
    memory = next(line for line in axes[2].get_lines() if line.get_label() == "synthetic, mean over paths")
    assert memory.get_ydata() == pytest.approx(acf(np.abs(y)[..., None], 100).mean(axis=(0, 2)))
    dots = axes[3].get_lines()[1]
    assert dots.get_xdata() == pytest.approx(100 * np.sort(x))


def test_density_integrates_to_one(real: pd.DataFrame, synthetic: pd.DataFrame) -> None:
    for line in overview(real, synthetic).axes[1].get_lines()[:2]:
        at, density = (np.asarray(v, dtype=float) for v in line.get_data())
        assert np.nansum(density) * (at[1] - at[0]) == pytest.approx(1, abs=1e-6)


def test_an_explosion_is_counted_and_does_not_hide_the_rest(real: pd.DataFrame) -> None:
    r = Garch().simulate(40, 210, seed=2)
    r[3, 50] = -2.0
    axes = overview(real, after(real, r[..., None])).axes[1]
    assert [text.get_text() for text in axes.texts] == ["1 synthetic beyond the axis"]
    assert axes.get_xlim()[0] > -30


def test_prices_that_span_much_have_a_logarithmic_axis(real: pd.DataFrame, synthetic: pd.DataFrame) -> None:
    wide = after(real, 4 * Garch().simulate(30, 250, seed=3)[..., None])
    assert overview(real, wide).axes[0].get_yscale() == "log"
    assert overview(real, synthetic).axes[0].get_yscale() == "linear"


def test_any_asset_can_be_drawn() -> None:
    real = prices(GarchPair().simulate(1, 300, seed=4)[0])
    synthetic = after(real, GarchPair().simulate(5, 60, seed=5))
    assert overview(real, synthetic).get_suptitle().startswith("A, the first of 2 assets:")
    assert overview(real, synthetic, "B").get_suptitle().startswith("B:")
    with pytest.raises(DataError, match="the synthetic paths have no asset 'C'; they have 'A', 'B'"):
        overview(real, synthetic, "C")
    with pytest.raises(DataError, match="the real prices have no asset 'B'; they have 'A'"):
        overview(real[["A"]], synthetic, "B")
    with pytest.raises(DataError, match="the synthetic paths have no asset 'B'"):
        overview(real, synthetic.drop(columns="B"), "B")


@pytest.mark.parametrize(("paths", "length", "rows"), [(1, 2, 3), (1, 400, 30), (3, 30, 400)])
def test_few_paths_and_few_steps_are_drawn(paths: int, length: int, rows: int, tmp_path: Path) -> None:
    real = prices(Garch().simulate(1, rows, seed=6)[0])
    figure = overview(real, after(real, Garch().simulate(paths, length, seed=7)[..., None]))
    figure.savefig(tmp_path / "few.png")
    assert (tmp_path / "few.png").stat().st_size > 0


def test_the_state_of_pyplot_is_not_touched() -> None:
    code = (
        "import sys, matplotlib\n"
        "state = lambda: {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if 'backend' not in name}\n"
        "before = state()\n"
        "from tsgan.datasets.processes import Garch, prices\n"
        "from tsgan.evaluation import overview\n"
        "real = prices(Garch().simulate(1, 300, 1)[0])\n"
        "long = real.reset_index().assign(path=0)[['path', 'date', 'A']]\n"
        "overview(real, long).savefig(sys.argv[1], format='png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert state() == before\n"
    )
    subprocess.run([sys.executable, "-c", code, "/dev/null"], check=True)


# paths under conditions -----------------------------------------------------------------------------------------------


def titles(figure: Any) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]


def test_a_model_is_drawn_under_seven_conditions_on_one_axis(model: TSGAN, tmp_path: Path) -> None:
    figure = conditions_figure(model, length=30, n=50)
    assert [title.split("\n")[0] for title in titles(figure)] == [
        "From today, 2017-09-07", "Calm regime", "Normal regime", "Stressed regime",
        "Half the usual volatility", "The usual volatility", "Twice the usual volatility",
    ]  # fmt: skip
    assert all("\nrealised volatility " in title and title.endswith(" %") for title in titles(figure))
    assert figure.get_suptitle() == "Price of GARCH: 50 paths of 30 steps a panel"
    drawn = [axes for axes in figure.axes if axes.axison]
    assert len(drawn) == 7
    assert len({axes.get_ylim() for axes in drawn}) == 1
    figure.savefig(tmp_path / "conditions.png")
    assert (tmp_path / "conditions.png").read_bytes().startswith(b"\x89PNG")


def test_conditions_that_no_path_can_meet_are_excused(model: TSGAN, tmp_path: Path) -> None:
    figure = conditions_figure(model, length=4, n=10)
    excuses = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert len(excuses) == 3  # volatilities; a regime is then only where a path begins
    assert all("paths of 4 steps have no volatility" in excuse for excuse in excuses)
    figure.savefig(tmp_path / "short.png")


@pytest.mark.parametrize("assets", [1, 3])
def test_bands_of_a_fan_are_nested_quantiles(model: TSGAN, panel_model: TSGAN, assets: int) -> None:
    from matplotlib.figure import Figure

    paths = (model if assets == 1 else panel_model).sample(80, length=25, random_state=0)
    axes = Figure().subplots()
    plots.draw_fan(axes, paths)
    together = 100 * (paths.prices / paths.start_price).mean(axis=2)  # equal money, held
    expected = np.quantile(paths.prices[..., 0] if assets == 1 else together, (0.05, 0.25, 0.5, 0.75, 0.95), axis=0)
    start, median = axes.get_lines()
    assert median.get_ydata() == pytest.approx(expected[2])
    assert np.asarray(start.get_ydata()) == pytest.approx(paths.start_price[0] if assets == 1 else 100)
    dates = plots._date_numbers(paths.dates)
    outer, inner = (np.asarray(band.get_paths()[0].vertices) for band in axes.collections)
    for vertices, low, high in ((outer, expected[0], expected[4]), (inner, expected[1], expected[3])):
        at = [vertices[vertices[:, 0] == date, 1] for date in dates]
        assert [y.min() for y in at] == pytest.approx(low)
        assert [y.max() for y in at] == pytest.approx(high)
    assert (np.diff(expected, axis=0) >= 0).all()
    least, most = axes.get_ylim()
    assert least < expected.min() < expected.max() < most
