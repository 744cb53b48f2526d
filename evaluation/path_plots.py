"""Pictures of price paths: what ``paths.plot`` draws, one panel at a time or four on a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tsgan.calendars import infer_calendar
from tsgan.datasets import check_prices
from tsgan.errors import DataError
from tsgan.evaluation import plots
from tsgan.evaluation.tables import path_arrays, price_returns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PathPlots", "overview"]

Floats: TypeAlias = npt.NDArray[np.float64]
Prices: TypeAlias = "pd.DataFrame | pd.Series[Any]"


class PathPlots:
    """Pictures of price paths, alone or beside real prices.

    Each method draws on ``ax``, or else on a new figure of pyplot, and returns the axes as pandas does: in a notebook
    the picture shows, in a script ``axes.figure.savefig("paths.png")`` writes it. ``real`` are prices of the same
    assets, dates by columns, or a Series; ``asset`` is the one to draw, the first by default.

    Parameters
    ----------
    prices : (paths, time, assets), all > 0
    returns : (paths, steps, assets) log returns, those between the prices, and that before the first where it is known
    dates : (time,) dates of the prices
    assets : names of the assets

    Examples
    --------
    >>> axes = paths.plot.fan(prices)  # doctest: +SKIP
    >>> axes.figure.savefig("fan.png")  # doctest: +SKIP
    """

    def __init__(self, prices: Floats, returns: Floats, dates: pd.DatetimeIndex, assets: Sequence[str]) -> None:
        self._prices, self._returns, self._dates, self._assets = prices, returns, dates, list(assets)

    @classmethod
    def of_table(cls, paths: pd.DataFrame) -> PathPlots:
        """Take the paths from a long table of prices: ``path``, ``date``, then one column an asset.

        Raises
        ------
        DataError
            See `read_paths`.
        """
        found = path_arrays(paths)
        return cls(found.prices, found.returns, found.dates, found.assets)

    def __call__(self, real: Prices | None = None, asset: str | None = None) -> npt.NDArray[Any]:
        """Draw four panels on a page: the fan, the tails, the ACF, and quantiles (without ``real``: drawdowns).

        Returns
        -------
        (2, 2) axes

        Raises
        ------
        DataError
            There is no such asset, or the prices cannot be used.
        """
        from matplotlib import pyplot as plt

        with _style():
            return self._page(plt.figure(figsize=_PAGE, layout="constrained"), real, asset)

    def fan(self, real: Prices | None = None, asset: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw prices: bands of 50 and 90 % of the paths, their median, some of them singly, and recent real ones.

        The first price continues the real ones; the volatility does so too with ``sample(start="last")``, and is that
        of a random day otherwise.

        Raises
        ------
        DataError
            There is no such asset, or the prices cannot be used.
        """
        return self._panel(_fan, real, asset, ax)

    def tails(self, real: Prices | None = None, asset: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the density of one return with a logarithmic axis, beside that of the normal law.

        Raises
        ------
        DataError
            There is no such asset, the prices cannot be used, or the returns do not vary.
        """
        return self._panel(_tails, real, asset, ax)

    def acf(self, real: Prices | None = None, asset: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the autocorrelation of absolute returns, real and synthetic on pieces of one length.

        Raises
        ------
        DataError
            There is no such asset, the prices cannot be used, or the paths have fewer than four returns.
        """
        if self._returns.shape[1] < 4:
            raise DataError(
                f"an autocorrelation needs paths of at least 4 returns, these have {self._returns.shape[1]}; draw "
                "longer ones (length=)"
            )
        return self._panel(_acf, real, asset, ax)

    def drawdowns(self, real: Prices | None = None, asset: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the share of paths whose deepest drawdown is at most so deep, real ones on pieces of one length.

        Raises
        ------
        DataError
            There is no such asset, or the prices cannot be used.
        """
        return self._panel(_drawdowns, real, asset, ax)

    def correlation(self, real: Prices | None = None, ax: Axes | None = None) -> Axes:
        """Draw the correlations of the assets' returns; with ``real`` theirs above the diagonal.

        Raises
        ------
        DataError
            There is only one asset, or the prices cannot be used.
        """
        if len(self._assets) == 1:
            raise DataError(f"a correlation needs two assets, the paths have {self._assets[0]!r} alone")
        matrix, title = _correlations(self._returns.reshape(-1, len(self._assets))), "Correlation of returns"
        if real is not None:
            theirs = price_returns(self._real(real, self._assets))
            matrix = np.where(np.triu(np.ones_like(matrix), 1) > 0, _correlations(theirs), matrix)
            title = f"{title}: real above the diagonal, synthetic below"
        side = max(5.2, 0.32 * len(matrix) + 1.2)
        with _style():
            axes = _new_axes((side, side)) if ax is None else ax
            plots.draw_correlation(axes, matrix, self._assets)
            axes.set(title=title, xlabel="blue: above 0, orange: below; the stronger the fuller")
        return axes

    def _panel(self, draw: Draw, real: Prices | None, asset: str | None, ax: Axes | None) -> Axes:
        chosen = self._chosen(real, asset)
        with _style():
            axes = _new_axes((7.2, 4.4)) if ax is None else ax
            axes.set_title(f"{self._title(chosen, asset)}: {draw(axes, chosen)}")
        return axes

    def _page(self, figure: Figure, real: Prices | None, asset: str | None) -> npt.NDArray[Any]:
        chosen = self._chosen(real, asset)
        paths, time = chosen.prices.shape
        what = f"{self._title(chosen, asset)}: {paths:,} synthetic paths of {time:,} steps"
        figure.suptitle(what, fontweight="bold")
        panels: npt.NDArray[Any] = figure.subplots(2, 2)
        draws = (_fan, _tails, _acf, _drawdowns if real is None else _quantiles)
        for mark, axes, draw in zip("abcd", panels.flat, draws, strict=True):
            axes.set_title(f"({mark}) {draw(axes, chosen)}")
        return panels

    def _title(self, chosen: _Asset, asked: str | None) -> str:
        count = len(self._assets)
        return chosen.name if asked is not None or count == 1 else f"{chosen.name}, the first of {count} assets"

    def _chosen(self, real: Prices | None, asset: str | None) -> _Asset:
        name = self._assets[0] if asset is None else asset
        if name not in self._assets:
            raise DataError(f"the synthetic paths have no asset {name!r}; they have {_listed(self._assets)}")
        at, history = self._assets.index(name), None if real is None else self._real(real, [name])
        x = None if history is None else price_returns(history)[None]
        return _Asset(name, self._prices[..., at], self._returns[..., [at]], self._dates, history, x)

    def _real(self, real: Prices, names: list[str]) -> pd.DataFrame:
        """Real prices of some assets, checked; a Series of a single asset may have any name."""
        if isinstance(real, pd.Series):
            real = real.to_frame(names[0] if len(self._assets) == 1 else real.name)
        if isinstance(real, pd.DataFrame):
            absent = [name for name in names if name not in real.columns]
            if absent:
                raise DataError(f"the real prices have no asset {absent[0]!r}; they have {_listed(real.columns)}")
            real = real[names]
        return check_prices(real, min_rows=3)


def overview(real: pd.DataFrame, synthetic: pd.DataFrame, asset: str | None = None) -> Figure:
    """Draw real and synthetic prices of one asset side by side, four panels on a page.

    (a) the recent real prices, a year at most, and the fan of synthetic paths; (b) the density of one return with a
    logarithmic axis; (c) the autocorrelation of absolute returns, real beside the band of the synthetic paths, both on
    pieces of one length; (d) quantiles against quantiles.

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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    paths = PathPlots.of_table(synthetic)
    figure = Figure(figsize=_PAGE, layout="constrained")
    FigureCanvasAgg(figure)
    with _style():
        paths._page(figure, real, asset)
    return figure


# panels ---------------------------------------------------------------------------------------------------------------

_PAGE = (12, 8.2)


class _Asset(NamedTuple):
    """What is drawn of an asset."""

    name: str
    prices: Floats
    """(paths, time)"""
    y: Floats
    """Synthetic returns, (paths, steps, 1)"""
    dates: pd.DatetimeIndex
    history: pd.DataFrame | None
    """Real prices, one column"""
    x: Floats | None
    """Real returns, (1, steps, 1)"""


Draw: TypeAlias = Callable[["Axes", _Asset], str]
"""Draws a panel with its legend, and returns its title."""


def _fan(axes: Axes, asset: _Asset) -> str:
    before, recent = None, None
    if asset.history is not None:
        year = round(infer_calendar(pd.DatetimeIndex(asset.history.index)).periods_per_year)
        shown = asset.history.iloc[-max(2, min(year, plots.HISTORY_RATIO * len(asset.dates))) :, 0]
        before, recent = shown.index, shown.to_numpy()
    plots.draw_paths(axes, before, recent, asset.dates, asset.prices, headroom=0.14)
    plots.label_dates(axes)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc="upper left", ncols=4, columnspacing=1.2, handlelength=1.6)
    paths = len(asset.prices)
    fan = f"a fan of {paths:,} paths, {min(plots.SINGLE_PATHS, paths)} singly" if paths > 1 else "one path"
    return f"Prices: {'' if recent is None else 'the real ones, and '}{fan}"


def _tails(axes: Axes, asset: _Asset) -> str:
    if asset.x is None and np.ptp(asset.y) == 0:  # real ones that do not vary are refused before
        raise DataError(f"the returns of {asset.name!r} do not vary, so they have no density to draw")
    plots.draw_density(axes, None if asset.x is None else asset.x.ravel(), asset.y.ravel())
    axes.legend(loc="upper left")
    return "Density of one return"


def _acf(axes: Axes, asset: _Asset) -> str:
    plots.draw_memory(axes, asset.x, asset.y)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="upper right")
    return f"Volatility clustering: ACF of |r|, {_common_length(asset):,} returns a path"


def _quantiles(axes: Axes, asset: _Asset) -> str:
    assert asset.x is not None
    plots.draw_quantiles(axes, asset.x.ravel(), asset.y.ravel())
    axes.legend(loc="upper left")
    return "Quantiles of one return"


def _drawdowns(axes: Axes, asset: _Asset) -> str:
    plots.draw_drawdowns(axes, asset.x, asset.y)
    axes.legend(loc="lower right" if len(asset.prices) > 1 else "best")
    return f"Deepest drawdown within {_common_length(asset):,} steps"


def _common_length(asset: _Asset) -> int:
    return int(min(asset.y.shape[1], np.inf if asset.x is None else asset.x.shape[1]))


def _correlations(r: Floats) -> Floats:
    """Correlation matrix of (time, assets); NaN beside an asset that does not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.corrcoef(r, rowvar=False))


def _new_axes(size: tuple[float, float]) -> Axes:
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def _style() -> AbstractContextManager[None]:
    from matplotlib import rc_context

    return rc_context(plots.STYLE)


def _listed(names: Any) -> str:
    return ", ".join(map(repr, list(names)[:15]))
