"""Pictures of real and synthetic returns: panels to draw on any axes, and pages of conditions and of risk.

A panel is a function ``draw_...(axes, real, synthetic)``; it draws, labels its axes and sets neither title nor legend.
Where ``real`` may be None, the synthetic side is drawn alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tsgan.errors import DataError
from tsgan.evaluation.conditional import LENGTH, PATHS, under_conditions, worth
from tsgan.evaluation.measures import ABS_LAGS, HORIZONS, acf, cross_correlation, hogg_kurtosis, pieces
from tsgan.events import max_drawdown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tsgan.estimator import TSGAN
    from tsgan.evaluation.conditional import Case
    from tsgan.evaluation.risk import RollingBacktest
    from tsgan.paths import Paths

__all__ = ["conditions_figure", "risk_bands"]

Floats: TypeAlias = npt.NDArray[np.float64]

# Okabe and Ito (2008), Color Universal Design: told apart by all forms of colour vision, and in grey
REAL, SYNTHETIC, MEDIAN, REFERENCE = "#000000", "#0072B2", "#D55E00", "#8A8A8A"
ABOVE, BELOW = "#5AA9D6", "#E59A62"  # fields of a correlation above and below 0, light enough for a number on them
EDGE, GRID = "#666666", "#E4E4E4"
STYLE: Any = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": EDGE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "text.parse_math": False,  # a name may hold $
}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of a fan
SINGLE_PATHS = 15
HISTORY_RATIO = 3  # real steps shown, at most, for each synthetic one: a short fan must not be squeezed to a line
LOG_RANGE = 2.5  # highest over lowest price from which the axis of prices is logarithmic
NORMAL_KURTOSIS = 2.585  # of Hogg, of a normal law
TAIL_LEVELS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2)
MIN_TAIL = 10  # returns below the smallest level of tail dependence that is drawn
MIN_BATCHES = 5  # of synthetic paths, to draw a band of them
LEVEL_COLOURS = (SYNTHETIC, MEDIAN, REAL, REFERENCE)  # of the levels of VaR and ES, the smallest first
LEVEL_STYLES: Any = ("-", "--", "-.", ":")
SLOTS = 700  # dates drawn side by side; where there are more, each slot shows the extremes of its dates


def label_dates(axes: Axes, most: int = 8) -> None:
    """Label an axis of dates as short as can be; no hours where there are only a few days."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    days = np.ptp(axes.dataLim.intervalx)
    least = int(np.clip(days, 1, 3)) if np.isfinite(days) else 1
    locator = AutoDateLocator(minticks=least, maxticks=most)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


# one asset ------------------------------------------------------------------------------------------------------------


def draw_paths(
    axes: Axes,
    before: Any,
    real: Floats | None,
    after: Any,
    prices: Floats,
    *,
    headroom: float,
    singles: int = SINGLE_PATHS,
) -> None:
    """Draw real prices (time,) at ``before``, and the fan and single ones of prices (paths, time) at ``after``."""
    single = prices[:singles]
    low, high = single.min(), single.max()
    if len(prices) == 1:
        axes.plot(after, prices[0], color=SYNTHETIC, linewidth=1.2, label="synthetic")
    else:
        lower, middle, upper = _draw_bands(axes, after, prices)
        axes.plot(after, single.T, color=SYNTHETIC, linewidth=0.6, alpha=0.6)
        axes.plot(after, middle, color=MEDIAN, linewidth=1.6, label="synthetic: median")
        least, most = lower.min(), upper.max()  # single paths may leave the axis: one explosion must not hide the rest
        low, high = min(least, max(low, least**2 / most)), max(most, min(high, most**2 / least))
    if real is not None:
        axes.plot(before, real, color=REAL, linewidth=1.2, label="real")
        low, high = min(low, real.min()), max(high, real.max())
    _scale_prices(axes, low, high, headroom)
    axes.set_ylabel("price")


def _draw_bands(axes: Axes, at: Any, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Draw where 90 and 50 % of values (paths, time) lie; 5, 50 and 95 % quantiles, (time,) each."""
    low, lower, middle, upper, high = np.quantile(values, QUANTILES, axis=0)
    axes.fill_between(at, low, high, color=SYNTHETIC, alpha=0.16, linewidth=0, label="5–95 %")
    axes.fill_between(at, lower, upper, color=SYNTHETIC, alpha=0.28, linewidth=0, label="25–75 %")
    return low, middle, high


def _scale_prices(axes: Axes, low: float, high: float, headroom: float) -> None:
    """Leave room above the prices, as for a legend; where they span much, make their axis logarithmic."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    decades = np.log10(high / low)
    if high > LOG_RANGE * low:
        axes.set_yscale("log")
        steps = (1, 1.5, 2, 3, 5, 7) if decades < 1 else (1, 2, 5) if decades < 3 else (1,)
        axes.yaxis.set_major_locator(LogLocator(subs=steps))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(low / 10 ** (0.05 * decades), high * 10 ** (headroom * decades))
    else:
        axes.set_ylim(low - 0.05 * (high - low), high + headroom * (high - low))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda price, _: f"{price:,.10g}"))


def draw_density(axes: Axes, x: Floats | None, y: Floats) -> None:
    """Draw histograms of real and synthetic returns with a logarithmic axis, and the normal law for comparison."""
    low, high = _common_range(np.quantile(y, (1e-4, 1 - 1e-4)) if x is None else x, y)
    of_normal = y if x is None else x
    edges = np.linspace(low, high, int(np.clip(1.25 * np.sqrt(of_normal.size), 15, 120)))
    middles, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    looks: Any = [("synthetic", y, {"color": SYNTHETIC, "marker": ".", "markersize": 3.5})]
    if x is not None:
        looks.append(("real", x, {"color": REAL, "marker": "o", "markersize": 3, "linestyle": "none"}))
    mean, deviation = of_normal.mean(), of_normal.std()
    normal = np.exp(-0.5 * ((middles - mean) / deviation) ** 2) / (100 * deviation * np.sqrt(2 * np.pi))
    peak = normal.max()
    for name, r, look in looks:
        density = np.histogram(r, edges)[0] / (100 * width * r.size)
        axes.plot(100 * middles, np.where(density > 0, density, np.nan), label=f"{name}, {r.size:,} returns", **look)
        peak = max(peak, density.max())
    axes.plot(100 * middles, normal, color=REFERENCE, linestyle="--", linewidth=1, label="normal law")
    axes.set_yscale("log")
    one_return = 1 / (100 * width * max(r.size for _, r, _ in looks))  # the least density that is not 0
    axes.set_ylim(0.4 * one_return, 8 * peak)
    axes.set(xlabel="log return per step (%)", ylabel="density (per %)")
    outside = int(np.sum((y < low) | (y > high)))
    if outside:
        axes.annotate(
            f"{outside:,} synthetic beyond the axis", (0.99, 0.97), xycoords="axes fraction", ha="right", va="top"
        )


def _common_range(x: Floats, y: Floats) -> tuple[float, float]:
    """Range of both, but no further than twice the real extremes: a single explosion must not hide the rest."""
    low, high = x.min(), x.max()
    return float(max(2 * min(low, 0), min(low, y.min()))), float(min(2 * max(high, 0), max(high, y.max())))


def draw_quantiles(axes: Axes, x: Floats, y: Floats, dots: int | None = None) -> None:
    """Draw the synthetic quantiles at the probabilities of the sorted real returns: of all, or of about ``dots``.

    Where only some are drawn, they are dense in the tails and hold the extremes.
    """
    order = np.arange(x.size)
    if dots is not None and dots < x.size:
        u = (1 - np.cos(np.linspace(0, np.pi, dots))) / 2
        order = np.unique((u * (x.size - 1)).round().astype(np.int64))
    theirs, ours = 100 * np.sort(x)[order], 100 * np.quantile(y, (order + 0.5) / x.size)
    ends = np.array([min(theirs[0], ours[0]), max(theirs[-1], ours[-1])])
    axes.plot(ends, ends, color=REFERENCE, linestyle="--", linewidth=1, label="equal")
    axes.plot(theirs, ours, color=SYNTHETIC, linestyle="none", marker="o", markersize=3, label="one dot a real return")
    axes.set(xlabel="real log return (%)", ylabel="synthetic log return (%)")


def draw_memory(
    axes: Axes, x: Floats | None, y: Floats, of: Callable[[Floats], Floats] = np.abs, max_lag: int = ABS_LAGS
) -> None:
    """Draw the autocorrelation of a function of r: real, mean and band of the synthetic paths; (paths, time, 1)."""
    x, y = (None, y) if x is None else _one_length(x, y)
    lags = _lags(y, max_lag)
    if lags > 1:
        _draw_lags(axes, None if x is None else acf(of(x), lags)[..., 0], acf(of(y), lags)[..., 0])
    _finish_lags(axes, "autocorrelation")


def draw_leverage(axes: Axes, x: Floats, y: Floats, max_lag: int) -> None:
    """Draw the correlation of r with r² of the lags after it: real, mean and band; (paths, time, 1)."""
    x, y = _one_length(x, y)
    lags = _lags(y, max_lag)
    if lags > 1:
        _draw_lags(axes, *(cross_correlation(r, np.square(r), lags)[..., 0] for r in (x, y)))
    _finish_lags(axes, "correlation")


def _one_length(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    length = min(x.shape[1], y.shape[1])
    return pieces(x, length), pieces(y, length)


def _lags(y: Floats, most: int) -> int:
    return min(most, int(y.shape[1]) // 2)  # beyond, the estimate is mostly its bias


def _draw_lags(axes: Axes, real: Floats | None, synthetic: Floats) -> None:
    """Draw correlations (pieces, lags) of both sides; a constant piece has none and is left out."""
    at = np.arange(1, synthetic.shape[1] + 1)
    synthetic = synthetic[np.isfinite(synthetic).all(axis=1)]
    if len(synthetic) == 1:
        axes.plot(at, synthetic[0], color=SYNTHETIC, linewidth=1.6, label="synthetic")
    elif len(synthetic):
        low, high = np.quantile(synthetic, [0.05, 0.95], axis=0)
        label = "single synthetic paths, 5–95 %"
        axes.fill_between(at, low, high, color=SYNTHETIC, alpha=0.2, linewidth=0, label=label)
        axes.plot(at, synthetic.mean(axis=0), color=SYNTHETIC, linewidth=1.6, label="synthetic, mean over paths")
    real = synthetic[:0] if real is None else real[np.isfinite(real).all(axis=1)]
    if len(real):
        axes.plot(at, real.mean(axis=0), color=REAL, linewidth=1.2, label=_pieces_label(len(real)))


def _finish_lags(axes: Axes, what: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.axhline(0, color=REFERENCE, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="lag (steps)", ylabel=what)


def _pieces_label(count: int) -> str:
    return "real" if count == 1 else f"real, mean over {count:,} pieces"


def draw_kurtosis(axes: Axes, x: Floats, y: Floats) -> tuple[list[int], Floats, Floats]:
    """Draw Hogg's kurtosis of returns summed over `HORIZONS`, (paths, time, 1): all real, and synthetic with its band.

    The band is that of batches of synthetic paths with as many returns as the real history has.

    Returns
    -------
    horizons that the paths are long enough for, real and synthetic kurtosis (horizons,)
    """
    from matplotlib.ticker import FixedLocator

    length = min(x.shape[1], y.shape[1])
    horizons = [h for h in HORIZONS if 2 * h <= length]
    if not horizons:
        raise DataError(f"The kurtosis of one step needs paths of at least 2 returns, these have {length:,}.")

    def kurtosis(r: Floats) -> Floats:
        return np.array([hogg_kurtosis(r, steps)[0] for steps in horizons])

    parts = batches(y, x.shape[0] * x.shape[1])
    real, ours = map(kurtosis, _one_length(x, y))
    at = np.arange(len(horizons))
    if len(parts) >= MIN_BATCHES:
        each = np.array([kurtosis(part) for part in parts])
        low, high = np.quantile(each[np.isfinite(each).all(axis=1)], [0.05, 0.95], axis=0)
        axes.fill_between(at, low, high, color=SYNTHETIC, alpha=0.2, linewidth=0)
    axes.plot(at, ours, color=SYNTHETIC, marker="o", markersize=4, linewidth=1.6)
    axes.plot(at, real, color=REAL, marker="o", markersize=4, linewidth=1.2)
    axes.axhline(NORMAL_KURTOSIS, color=REFERENCE, linestyle="--", linewidth=1)
    axes.xaxis.set_major_locator(FixedLocator(at.tolist()))
    axes.set_xticklabels([str(h) for h in horizons])
    axes.set(xlabel="steps in a sum", ylabel="kurtosis (Hogg)")
    return horizons, real, ours


def batches(y: Floats, returns: int) -> Floats:
    """Paths (paths, time, assets) in batches of about as many returns as are asked for: (batches, n, time, assets)."""
    paths, time, assets = y.shape
    time = min(time, returns)
    each = min(paths, max(1, round(returns / time)))
    count = paths // each
    return y[: count * each, :time].reshape(count, each, time, assets)


def draw_drawdowns(axes: Axes, x: Floats | None, y: Floats) -> tuple[float, float]:
    """Draw the share of paths whose deepest drawdown is at most so deep, (paths, time, 1), on pieces of one length.

    The band holds 90 % of such curves if the real pieces came from the synthetic law and were independent.

    Returns
    -------
    median deepest drawdown of the real pieces (NaN without any) and of the synthetic paths, as shares
    """
    from scipy.stats import binom

    x, y = (y[:0], y) if x is None else _one_length(x, y)
    real, ours = (np.sort(max_drawdown(r[..., 0])) for r in (x, y))
    at = np.linspace(0, 1.05 * max([*real[-1:], float(np.quantile(ours, 0.999))]), 120)
    share = np.searchsorted(ours, at, side="right") / len(ours)
    if len(real) and len(ours) > 1:
        low, high = (binom.ppf(level, len(real), share) / len(real) for level in (0.05, 0.95))
        label = "as many synthetic ones, 5–95 %"
        axes.fill_between(100 * at, low, high, color=SYNTHETIC, alpha=0.2, linewidth=0, label=label)
    axes.plot(100 * at, share, color=SYNTHETIC, linewidth=1.6, label=f"synthetic, {_counted(len(ours), 'path')}")
    if len(real):
        steps = np.concatenate(([0], np.arange(1, len(real) + 1) / len(real), [1]))
        at_real = 100 * np.concatenate(([0], real, at[-1:]))
        label = f"real, {_counted(len(real), 'piece')}"
        axes.step(at_real, steps, color=REAL, linewidth=1.2, where="post", label=label)
    axes.set(xlabel="deepest drawdown of a path (%)", ylabel="share of paths below", ylim=(-0.02, 1.02))
    return float(np.median(real)) if len(real) else float("nan"), float(np.median(ours))


def _counted(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def draw_neighbours(axes: Axes, synthetic: Floats, training: Floats) -> None:
    """Draw a synthetic window of returns over the nearest one of the training data, (steps,) each."""
    at = np.arange(1, len(synthetic) + 1)
    axes.plot(at, training, color=REAL, linewidth=1.2)
    axes.plot(at, synthetic, color=SYNTHETIC, linewidth=1.4)
    axes.axhline(0, color=REFERENCE, linewidth=0.8)
    axes.set_xlabel("step")


# several assets -------------------------------------------------------------------------------------------------------


def draw_correlation(axes: Axes, matrix: Floats, names: Sequence[str]) -> None:
    """Draw a matrix of correlations as fields, the stronger the fuller; with numbers where there is room."""
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    n = len(matrix)
    fields = [(i, j) for i in range(n) for j in range(n) if i != j and np.isfinite(matrix[i, j])]
    colours = [to_rgba(ABOVE if matrix[i, j] > 0 else BELOW, min(1.0, abs(matrix[i, j]))) for i, j in fields]
    squares = PatchCollection([Rectangle((j - 0.48, i - 0.48), 0.96, 0.96) for i, j in fields])
    squares.set(facecolor=colours, edgecolor="none")
    axes.add_collection(squares)
    if n <= 10:
        for i, j in fields:
            axes.text(j, i, f"{matrix[i, j]:.2f}".replace("-", "−"), ha="center", va="center")
    axes.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5), aspect="equal")
    axes.set_xticks(range(n), labels=names, rotation=0 if n * max(map(len, names)) <= 30 else 90)
    axes.set_yticks(range(n), labels=names)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def draw_tail_dependence(axes: Axes, x: Floats, y: Floats) -> None:
    """Draw P(one asset in its lower tail, given that another is), mean over pairs, against the level of the tail.

    Real (time, assets), and synthetic (paths, time, assets) with the band of batches of as many returns.
    """
    levels = np.array([level for level in TAIL_LEVELS if level * len(x) >= MIN_TAIL])
    if not len(levels):
        raise DataError(
            f"Tails need at least {MIN_TAIL / TAIL_LEVELS[-1]:.0f} real returns, the history has {len(x):,}."
        )
    parts = batches(y, len(x))
    if len(parts) >= MIN_BATCHES:
        each = np.array([_tail_concentration(part.reshape(-1, part.shape[-1]), levels) for part in parts])
        low, high = np.quantile(each, [0.05, 0.95], axis=0)
        axes.fill_between(100 * levels, low, high, color=SYNTHETIC, alpha=0.2, linewidth=0)
    ours = _tail_concentration(y.reshape(-1, y.shape[-1]), levels)
    axes.plot(100 * levels, ours, color=SYNTHETIC, marker="o", markersize=3, linewidth=1.6)
    axes.plot(100 * levels, _tail_concentration(x, levels), color=REAL, marker="o", markersize=3, linewidth=1.2)
    axes.plot(100 * levels, levels, color=REFERENCE, linestyle="--", linewidth=1)
    axes.set(xlabel="level of the tail (%)", ylabel="chance that another asset is in its tail", ylim=(0, None))


def _tail_concentration(r: Floats, levels: Floats) -> Floats:
    """Lower-tail dependence at several levels from one sorting: (time, assets) -> (levels,)."""
    ordered = np.sort(r, axis=0)
    pairs = np.triu_indices(r.shape[1], 1)
    values = []
    for level in levels:
        low = (r <= ordered[max(1, round(level * len(r))) - 1]).astype(np.float64)
        size = np.sqrt(low.sum(axis=0))
        values.append((low.T @ low / np.outer(size, size))[pairs].mean())
    return np.array(values)


# paths under conditions -----------------------------------------------------------------------------------------------


def conditions_figure(model: TSGAN, length: int = LENGTH, n: int = PATHS, random_state: int | None = 0) -> Figure:
    """Draw fans of a model's paths under a few conditions, all with one vertical axis.

    From today; in the calm, the normal and the stressed regime; at half, once and twice the volatility of the data; at
    two values of a covariate if the model learned any.

    Parameters
    ----------
    model : TSGAN
        Fitted.
    length, n : int
        Steps of a path, and paths of a panel.
    random_state : int, optional
        Seed.

    Returns
    -------
    Figure
        With an Agg canvas: ``figure.savefig("conditions.png")`` needs no display. No state of pyplot is touched.

    Raises
    ------
    ConfigError
        There cannot be such paths.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    cases = under_conditions(model, length, n, random_state)
    rows: list[list[Case | None]] = [[case for case in cases if case.row == row] for row in range(3)]
    if len(rows[0]) == 1:  # it stands beside the regimes, and what is below it is free
        rows = [rows[0] + rows[1], [None, *rows[2]]]
    shown = fan_range(cases)
    with rc_context(STYLE):
        layout = ConstrainedLayoutEngine(h_pad=0.08)
        figure = Figure(figsize=(3.3 * len(rows[0]), 2.9 * len(rows) + 0.7), layout=layout)
        FigureCanvasAgg(figure)
        what = worth_of(model.columns_)
        title = f"{what[0].upper()}{what[1:]}: {n:,} paths of {length:,} steps a panel"
        figure.suptitle(title, fontweight="bold")
        panels: Any = figure.subplots(len(rows), len(rows[0]), squeeze=False)
        for axes, case in zip(panels.flat, (case for row in rows for case in row), strict=True):
            if case is None:
                axes.set_axis_off()
                axes.legend(**_legend_of_fan(panels[0, 0]), loc="center", labelspacing=0.9)
            else:
                _draw_case(axes, case, shown)
        if len(rows) > 2:
            figure.legend(**_legend_of_fan(panels[0, 0]), loc="outside lower center", ncols=4)
    return figure


def _legend_of_fan(axes: Axes) -> Any:
    """Handles and labels of a fan, its inner band over the outer one as it is drawn."""
    handles, labels = axes.get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))
    inner = (named["5–95 %"], named["25–75 %"])
    order = {"median": named["median"], "25–75 %": inner, "5–95 %": named["5–95 %"], "start": named["start"]}
    return {"handles": list(order.values()), "labels": list(order)}


def _draw_case(axes: Axes, case: Case, shown: tuple[float, float]) -> None:
    if case.paths is None:
        axes.set_title(f"{case.title}\n")
        axes.set_axis_off()
        axes.text(0.5, 0.5, f"Not drawn: {case.reason}", ha="center", va="center", wrap=True)
        return
    draw_fan(axes, case.paths, shown)
    axes.set_title(f"{case.title}\nrealised volatility {100 * case.volatility:.3g} %")


def draw_fan(axes: Axes, paths: Paths, shown: tuple[float, float] | None = None) -> None:
    """Draw the median and the 5–95 and 25–75 % bands of prices over the dates of paths, and the price they start from.

    Of several assets, what 100 become that are put alike into all of them. The vertical axis holds ``shown``, by
    default the bands.
    """
    values = worth(paths)
    start = float(paths.start_price[0]) if len(paths.columns) == 1 else 100.0
    axes.axhline(start, color=REFERENCE, linestyle="--", linewidth=1, label="start")
    low, middle, high = _draw_bands(axes, paths.dates, values)
    axes.plot(paths.dates, middle, color=MEDIAN, linewidth=1.6, label="median")
    label_dates(axes, most=6)
    least, most = shown or (min(start, low.min()), max(start, high.max()))
    _scale_prices(axes, least, most, headroom=0.05)


def fan_range(cases: Sequence[Case]) -> tuple[float, float]:
    """Lowest and highest price that a band of any condition reaches."""
    ends = [
        np.quantile(worth(case.paths), (QUANTILES[0], QUANTILES[-1]), axis=0)
        for case in cases
        if case.paths is not None
    ]
    return float(np.min(ends)), float(np.max(ends))


def worth_of(columns: Sequence[str]) -> str:
    """What a fan shows of such assets, in words."""
    return f"price of {columns[0]}" if len(columns) == 1 else f"100 put alike into all {len(columns)} assets"


# forecasts of value at risk and expected shortfall --------------------------------------------------------------------


def risk_bands(backtest: RollingBacktest, asset: str | None = None, level: float | None = None) -> Figure:
    """Draw the forecasts of a rolling backtest over what came, breaches marked; below, how it got to its figures.

    (a) realised returns, and the band from VaR to ES; (b) breaches beyond those expected, added up, at every level; (c)
    how much lower the loss FZ0 is than that of the best classical method, added up.

    Parameters
    ----------
    backtest : RollingBacktest
        What :func:`tsgan.evaluation.rolling_backtest` returned.
    asset : str, optional
        The asset to draw, or "portfolio"; the first by default.
    level : float, optional
        The level of (a); the smallest by default.

    Returns
    -------
    Figure
        With an Agg canvas: ``figure.savefig("risk.png")`` needs no display. No state of pyplot is touched.

    Raises
    ------
    DataError
        The backtest has no such asset or level.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    assets, levels = list(backtest.realised.columns), sorted(backtest.settings["levels"])
    name, chosen = assets[0] if asset is None else asset, levels[0] if level is None else level
    if name not in assets or chosen not in levels:
        raise DataError(
            f"the backtest has no forecasts of {name!r} at the level {chosen:g}; it has {', '.join(map(repr, assets))} "
            f"at {', '.join(f'{known:g}' for known in levels)}"
        )
    with rc_context(STYLE):
        figure = Figure(figsize=(12, 8.2), layout="constrained")
        FigureCanvasAgg(figure)
        steps = backtest.settings["horizon"]
        figure.suptitle(f"{name}: VaR and ES of {steps:,} step{'' if steps == 1 else 's'}", fontweight="bold")
        axes: Any = figure.subplot_mosaic([["bands", "bands"], ["breaches", "losses"]], height_ratios=(1.25, 1))
        draw_risk_bands(axes["bands"], backtest, name, chosen)
        axes["bands"].set_title("(a) What came, and the forecasts of it")
        axes["bands"].legend(loc="upper left", ncols=3)
        draw_breaches(axes["breaches"], backtest, name)
        axes["breaches"].set_title("(b) Breaches beyond those expected")
        draw_loss_advantage(axes["losses"], backtest, name)
        axes["losses"].set_title("(c) Loss FZ0 saved against the best classical method")
    return figure


def draw_risk_bands(axes: Axes, backtest: RollingBacktest, asset: str, level: float) -> int:
    """Draw realised returns as bars, the band from VaR to ES at one level, and a dot for every breach.

    Returns
    -------
    number of breaches
    """
    dates = _date_numbers(backtest.realised.index)
    returns, forecasts = 100 * backtest.realised[asset].to_numpy(), backtest.of("tsgan", asset)
    var, es = (100 * forecasts[figure, level].to_numpy() for figure in ("VaR", "ES"))
    lows, highs = _extremes(returns)
    bars = np.stack((np.minimum(returns[lows], 0), np.maximum(returns[highs], 0), np.full(len(lows), np.nan)), axis=1)
    axes.plot(
        dates[lows].repeat(3), bars.ravel(), color=REFERENCE, linewidth=0.7, solid_capstyle="butt", label="return"
    )
    above, below = _outline(var), _outline(es)
    axes.fill(
        np.concatenate((dates[above], dates[below][::-1])), np.concatenate((var[above], es[below][::-1])),
        color=SYNTHETIC, alpha=0.3, linewidth=0, label=f"VaR to ES at {100 * level:g} %",
    )  # fmt: skip
    axes.plot(dates[above], var[above], color=SYNTHETIC, linewidth=1)
    breach = returns <= var
    axes.plot(
        dates[breach], returns[breach], "o", color=MEDIAN, markersize=3.4, label=f"breach ({breach.sum():,})", zorder=3
    )
    axes.axhline(0, color=REFERENCE, linewidth=0.8)
    _date_axis(axes, dates)
    axes.set_ylabel(f"{'simple' if asset == 'portfolio' else 'log'} return (%)")
    return int(breach.sum())


def draw_breaches(axes: Axes, backtest: RollingBacktest, asset: str) -> None:
    """Draw for every level the breaches beyond those expected, added up, over the deviation of their final number.

    With forecasts of one step the band holds 90 % of right ones at any date.
    """
    realised, forecasts = backtest.realised[asset].to_numpy(), backtest.of("tsgan", asset)
    dates, n = _date_numbers(backtest.realised.index), len(realised)
    if backtest.settings["horizon"] == 1:  # else they overlap, and their number varies more
        width = 1.645 * np.sqrt(np.arange(1, n + 1) / n)
        shown = np.unique(np.linspace(0, n - 1, min(n, 60)).round().astype(np.int64))
        axes.fill_between(dates[shown], -width[shown], width[shown], color=REFERENCE, alpha=0.2, linewidth=0)
    surplus = {
        level: ((realised <= forecasts["VaR", level].to_numpy()) - level).cumsum() / np.sqrt(n * level * (1 - level))
        for level in sorted(backtest.settings["levels"])
    }
    _draw_levels(axes, dates, surplus)
    axes.set_ylabel("standard deviations")


def draw_loss_advantage(axes: Axes, backtest: RollingBacktest, asset: str) -> dict[float, str]:
    """Draw for every level how much lower the loss FZ0 is than that of the best classical method, added up.

    Returns
    -------
    level -> the classical method with the lowest mean loss there; a level without a loss is left out
    """
    advantage, best = {}, {}
    for level in sorted(backtest.settings["levels"]):
        losses = backtest.losses(asset, level).dropna(axis=1)
        means = losses.drop(columns="tsgan", errors="ignore").mean()
        if "tsgan" in losses and len(means):
            best[level] = str(means.idxmin())
            advantage[level] = (losses[best[level]] - losses["tsgan"]).to_numpy().cumsum()
    _draw_levels(axes, _date_numbers(backtest.realised.index), advantage)
    axes.set_ylabel("sum of FZ0, theirs less tsgan's")
    return best


def _draw_levels(axes: Axes, dates: Floats, values: Mapping[float, Floats]) -> None:
    """Draw one line a level over the dates, each with its level at the end."""
    shown = np.unique(np.linspace(0, len(dates) - 1, min(len(dates), SLOTS // 2)).round().astype(np.int64))
    for i, (level, line) in enumerate(values.items()):
        colour, style = (options[i % len(options)] for options in (LEVEL_COLOURS, LEVEL_STYLES))
        axes.plot(dates[shown], line[shown], color=colour, linestyle=style, linewidth=1.2, label=f"{100 * level:g} %")
    axes.axhline(0, color=REFERENCE, linewidth=0.8)
    _date_axis(axes, dates)
    axes.margins(y=0.08)
    low, high = axes.get_ylim()
    ends = sorted(((float(line[-1]), i, level) for i, (level, line) in enumerate(values.items())), reverse=True)
    beneath = np.inf  # labels keep a distance
    for end, i, level in ends:
        beneath = min(end, beneath - 0.075 * (high - low))
        axes.annotate(
            f"{100 * level:g} %", (1.012, (beneath - low) / (high - low)), xycoords="axes fraction", va="center",
            color=LEVEL_COLOURS[i % len(LEVEL_COLOURS)], annotation_clip=False,
        )  # fmt: skip


def _extremes(values: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positions of the lowest and the highest value in each of at most `SLOTS` slots of neighbours."""
    slots = np.array_split(np.arange(len(values)), min(len(values), SLOTS))
    lows = np.array([slot[values[slot].argmin()] for slot in slots])
    return lows, np.array([slot[values[slot].argmax()] for slot in slots])


def _outline(values: Floats) -> npt.NDArray[np.int64]:
    """Positions that a line needs to be seen as if all were drawn: the extremes of each slot, and both ends."""
    return np.unique(np.concatenate((*_extremes(values), [0, len(values) - 1])))


def _date_numbers(dates: Any) -> Floats:
    from matplotlib.dates import date2num

    return np.asarray(date2num(dates.to_numpy()), dtype=np.float64)  # type: ignore[no-untyped-call]


def _date_axis(axes: Axes, dates: Floats) -> None:
    label_dates(axes)
    edge = 0.004 * (dates[-1] - dates[0]) or 1.0
    axes.set_xlim(dates[0] - edge, dates[-1] + edge)
