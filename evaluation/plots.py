"""One picture of real and synthetic prices: paths, density, memory of volatility, tails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tsgan.calendars import infer_calendar
from tsgan.errors import DataError
from tsgan.evaluation.facts import ABS_LAGS, acf, log_returns, path_arrays, pieces

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["overview"]

Floats: TypeAlias = npt.NDArray[np.float64]

# Okabe and Ito (2008), Color Universal Design: told apart by all forms of colour vision, and in grey
REAL, SYNTHETIC, MEDIAN, REFERENCE = "#000000", "#0072B2", "#D55E00", "#8A8A8A"
STYLE: Any = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": "#666666",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}
SINGLE_PATHS = 15
HISTORY_RATIO = 3  # real steps shown, at most, for each synthetic one: a short fan must not be squeezed to a line
LOG_RANGE = 2.5  # highest over lowest price from which the axis of prices is logarithmic


def overview(real: pd.DataFrame, synthetic: pd.DataFrame, asset: str | None = None) -> Figure:
    """Draw real and synthetic prices of one asset side by side, four panels on a page.

    (a) the recent real prices, a year at most, and the fan of synthetic paths; (b) the density of one return with a
    logarithmic axis; (c) the autocorrelation of |r|, real beside the band of the synthetic paths, both on pieces of
    one length; (d) quantiles against quantiles.

    Parameters
    ----------
    real : DataFrame
        Prices, one column an asset, DatetimeIndex.
    synthetic : DataFrame
        Long table of synthetic prices: ``path``, ``date``, then one column an asset.
    asset : str, optional
        The asset to draw; the first of ``synthetic`` by default.

    Returns
    -------
    Figure
        With an Agg canvas: ``figure.savefig("overview.png")`` needs no display. No state of pyplot is touched.

    Raises
    ------
    DataError
        The asset is in neither table, or the prices cannot be used.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    paths = path_arrays(synthetic)
    name = paths.assets[0] if asset is None else asset
    for assets, what in ((list(real.columns), "real prices"), (paths.assets, "synthetic paths")):
        if name not in assets:
            raise DataError(f"the {what} have no asset {name!r}; they have {', '.join(map(repr, assets[:15]))}")
    history, chosen = real[name], paths.assets.index(name)
    x, y = log_returns(real[[name]])[None], paths.returns[..., [chosen]]
    with rc_context(STYLE):
        figure = Figure(figsize=(12, 8.2), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(f"{name}: {y.shape[0]:,} synthetic paths of {y.shape[1] + 1:,} steps", fontweight="bold")
        axes: Any = figure.subplots(2, 2)
        _draw_paths(axes[0, 0], history, paths.prices[..., chosen], paths.dates)
        _draw_density(axes[0, 1], x.ravel(), y.ravel())
        _draw_memory(axes[1, 0], x, y)
        _draw_quantiles(axes[1, 1], x.ravel(), y.ravel())
    return figure


def _draw_paths(axes: Axes, history: pd.Series[Any], prices: Floats, dates: pd.DatetimeIndex) -> None:
    """Draw the recent real prices, a year of them at most, and the fan of synthetic ones, (paths, time)."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    year = round(infer_calendar(pd.DatetimeIndex(history.index)).periods_per_year)
    recent = history.iloc[-max(2, min(year, HISTORY_RATIO * len(dates))) :]
    low, lower, middle, upper, high = np.quantile(prices, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    axes.fill_between(dates, low, high, color=SYNTHETIC, alpha=0.16, linewidth=0, label="5–95 %")
    axes.fill_between(dates, lower, upper, color=SYNTHETIC, alpha=0.28, linewidth=0, label="25–75 %")
    singles = prices[:SINGLE_PATHS]
    axes.plot(dates, singles.T, color=SYNTHETIC, linewidth=0.6, alpha=0.6)
    axes.plot(dates, middle, color=MEDIAN, linewidth=1.6, label="synthetic: median")
    axes.plot(recent.index, recent, color=REAL, linewidth=1.2, label="real")
    shown = (min(recent.min(), low.min(), singles.min()), max(recent.max(), high.max(), singles.max()))
    _scale_prices(axes, *shown)
    locator = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set(
        title=f"(a) Prices: the recent real ones and the synthetic fan, {len(singles)} paths singly", ylabel="price"
    )
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc="upper left", ncols=4, columnspacing=1.2, handlelength=1.6)


def _scale_prices(axes: Axes, low: float, high: float) -> None:
    """Leave room for the legend above the prices; where they span much, make their axis logarithmic."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    decades = np.log10(high / low)
    if high > LOG_RANGE * low:
        axes.set_yscale("log")
        steps = (1, 1.5, 2, 3, 5, 7) if decades < 1 else (1, 2, 5) if decades < 3 else (1,)
        axes.yaxis.set_major_locator(LogLocator(subs=steps))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(low / 10 ** (0.05 * decades), high * 10 ** (0.14 * decades))
    else:
        axes.set_ylim(low - 0.05 * (high - low), high + 0.14 * (high - low))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda price, _: f"{price:,.10g}"))


def _draw_density(axes: Axes, x: Floats, y: Floats) -> None:
    """Draw histograms of real and synthetic returns with a logarithmic axis, and the normal law for comparison."""
    low, high = _common_range(x, y)
    edges = np.linspace(low, high, int(np.clip(1.25 * np.sqrt(x.size), 15, 120)))
    middles, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    ours, theirs = (np.histogram(r, edges)[0] / (100 * width * r.size) for r in (y, x))
    ours, theirs = (np.where(density > 0, density, np.nan) for density in (ours, theirs))
    label = f"synthetic, {y.size:,} returns"
    axes.plot(100 * middles, ours, color=SYNTHETIC, marker=".", markersize=3.5, label=label)
    axes.plot(100 * middles, theirs, "o", color=REAL, markersize=3, label=f"real, {x.size:,} returns")
    normal = np.exp(-0.5 * ((middles - x.mean()) / x.std()) ** 2) / (100 * x.std() * np.sqrt(2 * np.pi))
    axes.plot(100 * middles, normal, color=REFERENCE, linestyle="--", linewidth=1, label="normal law")
    axes.set_yscale("log")
    one_return = 1 / (100 * width * max(x.size, y.size))  # the least density that is not 0
    axes.set_ylim(0.4 * one_return, 8 * np.nanmax([ours, theirs, normal]))
    axes.set(title="(b) Density of one return", xlabel="log return per step (%)", ylabel="density (per %)")
    outside = int(np.sum((y < low) | (y > high)))
    if outside:
        axes.annotate(f"{outside:,} synthetic beyond the axis", (0.99, 0.02), xycoords="axes fraction", ha="right")
    axes.legend(loc="upper left")


def _draw_memory(axes: Axes, x: Floats, y: Floats) -> None:
    """Draw the autocorrelation of |r|: real, and mean and band of the synthetic paths; (paths, time, 1) each."""
    from matplotlib.ticker import MaxNLocator

    length = min(x.shape[1], y.shape[1])
    lags = min(ABS_LAGS, length // 2)  # beyond, the estimate is mostly its bias
    at = np.arange(1, lags + 1)
    if lags > 0:
        real, synthetic = (acf(np.abs(pieces(r, length)), lags)[..., 0] for r in (x, y))
        low, high = np.quantile(synthetic, [0.05, 0.95], axis=0)
        axes.fill_between(
            at, low, high, color=SYNTHETIC, alpha=0.2, linewidth=0, label="single synthetic paths, 5–95 %"
        )
        axes.plot(at, synthetic.mean(axis=0), color=SYNTHETIC, linewidth=1.6, label="synthetic, mean over paths")
        axes.plot(at, real.mean(axis=0), color=REAL, linewidth=1.2, label=_pieces_label(len(real)))
        axes.legend(loc="upper right")
    axes.axhline(0, color=REFERENCE, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(
        title=f"(c) Volatility clustering: ACF of |r|, {length:,} returns a path",
        xlabel="lag (steps)",
        ylabel="autocorrelation",
    )


def _pieces_label(count: int) -> str:
    return "real" if count == 1 else f"real, mean over {count:,} pieces"


def _draw_quantiles(axes: Axes, x: Floats, y: Floats) -> None:
    """Draw the synthetic quantiles at the probabilities of the sorted real returns."""
    probabilities = (np.arange(x.size) + 0.5) / x.size
    theirs, ours = 100 * np.sort(x), 100 * np.quantile(y, probabilities)
    ends = np.array([min(theirs[0], ours[0]), max(theirs[-1], ours[-1])])
    axes.plot(ends, ends, color=REFERENCE, linestyle="--", linewidth=1, label="equal")
    axes.plot(theirs, ours, color=SYNTHETIC, linestyle="none", marker="o", markersize=3, label="one dot a real return")
    axes.set(title="(d) Quantiles of one return", xlabel="real log return (%)", ylabel="synthetic log return (%)")
    axes.legend(loc="upper left")


def _common_range(x: Floats, y: Floats) -> tuple[float, float]:
    """Range of both, but no further than twice the real extremes: a single explosion must not hide the rest."""
    low, high = x.min(), x.max()
    return float(max(2 * min(low, 0), min(low, y.min()))), float(min(2 * max(high, 0), max(high, y.max())))
