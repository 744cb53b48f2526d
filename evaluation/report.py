"""One self-contained HTML page of an evaluation: verdict, tables and figures, readable offline, dark and printed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tsgan.errors import DataError
from tsgan.evaluation import curves, plots
from tsgan.evaluation.conditional import Case, conditions_table
from tsgan.evaluation.measures import HORIZONS, acf, cross_correlation, pieces
from tsgan.evaluation.page import (
    Chart,
    as_number,
    as_percent,
    as_text,
    environment,
    frame,
    inline,
    new_figure,
    quiet_numpy,
    records,
    thinned,
)
from tsgan.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Evaluated", "is_report", "render", "write_report"]

Floats: TypeAlias = npt.NDArray[np.float64]

MARK = '<meta name="generator" content="tsgan evaluation report">'
MODEL = "synthetic"  # the name of the judged paths in the ranking
MAX_ASSETS = 4  # whose figures are shown: the page stays small and quick to read
MAX_FIELDS = 20  # assets in a heat map
FOLD_FROM = 12  # passing rows from which on they are folded
GROUPS = {
    "fail": "Measures that fail",
    "warn": "Measures to look at",
    "not computable": "Measures that could not be computed",
    "pass": "Measures that pass",
}

RETURN_LAGS, CLUSTER_LAGS, LEVERAGE_LAGS = 20, 100, 50
MIN_LAGS = 5  # fewer are no curve
FAN = (3.1, 2.1)  # inches
POINTS = 130  # drawn along a price path: more would not be seen, and the page must stay small
HISTORY_STEPS = 60  # real prices shown, at least
JUMP = 0.25  # difference of log prices between the end of the history and the start of paths that is no continuation


class Evaluated(Protocol):
    """What the page shows; `tsgan.evaluation.Evaluation` is one.

    The attributes: ``table`` (one row a measure and asset), ``verdict``, ``headline``, ``reasons``, ``controls``,
    ``copies``, ``ranking``, log returns ``real`` (time, assets) and ``synthetic`` (paths, length, assets),
    ``real_prices`` with dates, ``synthetic_prices`` (paths, length or length + 1, assets), ``assets``, ``conditions``
    (paths of a model, none if there is none), ``training`` (that model's, if it is known), ``settings``.
    """

    @property
    def table(self) -> pd.DataFrame: ...  # noqa: D102 - described above
    @property
    def verdict(self) -> str: ...  # noqa: D102
    @property
    def headline(self) -> str: ...  # noqa: D102
    @property
    def reasons(self) -> list[str]: ...  # noqa: D102
    @property
    def controls(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def copies(self) -> dict[str, Any]: ...  # noqa: D102
    @property
    def ranking(self) -> pd.DataFrame | None: ...  # noqa: D102
    @property
    def real(self) -> Floats: ...  # noqa: D102
    @property
    def synthetic(self) -> Floats: ...  # noqa: D102
    @property
    def real_prices(self) -> pd.DataFrame: ...  # noqa: D102
    @property
    def synthetic_prices(self) -> Floats: ...  # noqa: D102
    @property
    def assets(self) -> list[str]: ...  # noqa: D102
    @property
    def conditions(self) -> Sequence[Case]: ...  # noqa: D102
    @property
    def training(self) -> curves.Curves | None: ...  # noqa: D102
    @property
    def settings(self) -> dict[str, Any]: ...  # noqa: D102


def write_report(evaluation: Evaluated, path: str | os.PathLike[str]) -> None:
    """Write the page of `render` to a file that appears whole or not at all.

    Parameters
    ----------
    evaluation : Evaluated
        What to show.
    path : path
        The file, replaced where it exists.
    """
    page = render(evaluation)
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def is_report(path: str | os.PathLike[str]) -> bool:
    """Whether a file was written by `write_report`, so that it can be made again and may be replaced."""
    with open(path, "rb") as file:
        return MARK.encode() in file.read(500)


def render(evaluation: Evaluated) -> str:
    """Return an evaluation as one HTML page that needs nothing else: no network, no script, no other file.

    Parameters
    ----------
    evaluation : Evaluated
        What to show. A figure that cannot be drawn is replaced by a sentence that says why.

    Returns
    -------
    str
        Below 1 MB. All texts of the evaluation are escaped.
    """
    shown = _worst_first(evaluation)[:MAX_ASSETS]
    template = environment().get_template("report.html.j2")
    with quiet_numpy():
        return template.render(
            e=evaluation,
            settings=_settings(evaluation),
            groups=_groups(evaluation.table),
            counts=_counts(evaluation.table),
            fold_from=FOLD_FROM,
            has_baselines=bool((evaluation.table["baseline"].fillna("") != "").any()),
            controls=records(evaluation.controls),
            ranking=None if evaluation.ranking is None else records(evaluation.ranking),
            model=MODEL,
            shown=[evaluation.assets[i] for i in shown],
            asset_charts=[(evaluation.assets[i], _asset_charts(evaluation, i)) for i in shown],
            cross_charts=_cross_charts(evaluation),
            neighbour_chart=_neighbour_chart(evaluation.copies.get("pairs") or []),
            conditions=_conditions(evaluation.conditions),
            training=None if evaluation.training is None else _training(evaluation.training),
            notes=_listed(evaluation.settings.get("notes")),
        )


# tables ---------------------------------------------------------------------------------------------------------------


def _groups(table: pd.DataFrame) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Verdict, title and rows, the worst verdict first and the largest ratio first within it."""
    ordered = table.assign(baseline=table["baseline"].fillna(""), ratio=pd.to_numeric(table["ratio"])).sort_values(
        "ratio", ascending=False, na_position="last", kind="stable"
    )
    found = []
    for verdict, title in GROUPS.items():
        rows = records(ordered[ordered["verdict"] == verdict])
        if rows:
            found.append((verdict, title, [row | {"strip": _strip(row)} for row in rows]))
    return found


def _strip(row: Mapping[str, Any]) -> dict[str, float] | None:
    """Where the band of the floor and the distance lie on a strip from 0 to 100, for a small picture."""
    low, high, distance = (float(row[name]) for name in ("floor_low", "floor_high", "distance"))
    if not all(map(isfinite, (low, high, distance))) or not high > 0:
        return None
    end = 1.15 * max(high, min(distance, 4 * high))
    at = {"low": 100 * max(low, 0) / end, "high": 100 * high / end, "at": 100 * distance / end}
    return {name: round(min(max(value, 0), 97), 1) for name, value in at.items()}


def _counts(table: pd.DataFrame) -> list[tuple[str, int]]:
    return [
        (verdict, int((table["verdict"] == verdict).sum())) for verdict in ("fail", "warn", "pass", "not computable")
    ]


def _worst_first(evaluation: Evaluated) -> list[int]:
    """Positions of the assets, the one with the largest ratio first; the order of the file where ratios are equal."""
    ratios = pd.to_numeric(evaluation.table["ratio"]).groupby(evaluation.table["asset"].astype(str)).max()
    worst = [float(ratios.get(str(name), float("nan"))) for name in evaluation.assets]
    return sorted(range(len(worst)), key=lambda i: float("inf") if isnan(worst[i]) else -worst[i])


def _settings(evaluation: Evaluated) -> list[tuple[str, str, bool]]:
    """Name, value, and whether it is code: what was compared, and how to do it again."""
    given, dates = dict(evaluation.settings), evaluation.real_prices.index
    given.pop("notes", None)
    paths, length, assets = evaluation.synthetic.shape
    first, last = (as_text(dates[i]) if len(dates) else "–" for i in (0, -1))
    rows = [
        ("Files", as_text(given.pop("files", None)), False),
        ("Real history", f"{len(evaluation.real_prices):,} rows, {first} to {last}", False),
        (
            "Synthetic paths",
            f"{paths:,} paths × {length:,} steps × {assets:,} asset{'' if assets == 1 else 's'}",
            False,
        ),
        ("Assets", ", ".join(map(str, evaluation.assets)), False),
        ("Seed", as_text(given.pop("seed", None)), False),
        ("Command", as_text(given.pop("command", None)), True),
        ("Versions", as_text(given.pop("versions", None)), False),
        ("Date", as_text(given.pop("date", None) or datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z")), False),
    ]
    return rows + [(name.replace("_", " ").capitalize(), as_text(value), False) for name, value in given.items()]


def _listed(notes: object) -> list[str]:
    if notes is None:
        return []
    return [str(note) for note in notes] if isinstance(notes, list | tuple) else [str(notes)]


# figures --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Asset:
    """Usable numbers of one asset: finite returns, and only the paths that are finite throughout."""

    real: Floats  # (time,)
    synthetic: Floats  # (paths, length)
    real_prices: Floats  # (time,)
    synthetic_prices: Floats  # (paths, length or length + 1)
    starts_at: int  # step of the first synthetic price: 0 where it is the price that the path starts from

    @property
    def x(self) -> Floats:
        """Real returns as one path, (1, time, 1)."""
        return self.real[None, :, None]

    @property
    def y(self) -> Floats:
        """Synthetic returns, (paths, length, 1)."""
        return self.synthetic[..., None]


def _asset(evaluation: Evaluated, i: int) -> _Asset:
    real, synthetic = np.asarray(evaluation.real[:, i], float), np.asarray(evaluation.synthetic[..., i], float)
    history = evaluation.real_prices.iloc[:, i].to_numpy(dtype=np.float64, na_value=np.nan)
    prices = np.asarray(evaluation.synthetic_prices[..., i], float)
    return _Asset(
        real=real[np.isfinite(real)],
        synthetic=synthetic[np.isfinite(synthetic).all(axis=1)],
        real_prices=history[np.isfinite(history) & (history > 0)],
        synthetic_prices=prices[(np.isfinite(prices) & (prices > 0)).all(axis=1)],
        starts_at=1 - (prices.shape[1] - synthetic.shape[1]),
    )


Draw: TypeAlias = "Callable[[Axes, _Asset], str]"  # draws, and returns a sentence of numbers for the caption


def _asset_charts(evaluation: Evaluated, i: int) -> list[Chart]:
    asset = _asset(evaluation, i)
    return [
        _chart(f"a{i}-{number}", title, caption, draw, asset) for number, (title, caption, draw) in enumerate(PANELS)
    ]


def _chart(key: str, title: str, caption: str, draw: Draw, asset: _Asset) -> Chart:
    """Draw one panel, or say why it cannot be drawn."""
    try:
        with new_figure() as (figure, axes):
            says = draw(axes[0], asset)
            frame(figure, axes[0])
        return Chart(title, f"{caption} {says}".strip(), inline(figure, key, f"{title}. {says or caption}"))
    except DataError as error:
        return Chart(title, caption, reason=str(error))


def _draw_paths(axes: Axes, asset: _Asset) -> str:
    from matplotlib.ticker import MaxNLocator

    history, prices = asset.real_prices, asset.synthetic_prices
    if not len(prices):
        raise DataError("No synthetic path has positive prices throughout.")
    if len(history) < 2 or prices.shape[1] < 2:
        raise DataError("A path needs at least two prices on both sides.")
    says = ""
    start = float(np.median(prices[:, 0]))
    if abs(np.log(history[-1] / start)) > JUMP:
        prices = prices * (history[-1] / start)
        says = "The synthetic prices are scaled to start at the last real one."
    history = history[-max(HISTORY_STEPS, plots.HISTORY_RATIO * prices.shape[1]) :]
    before, after = thinned(len(history), POINTS), thinned(prices.shape[1], POINTS)
    plots.draw_paths(
        axes, before - len(history) + 1, history[before], after + asset.starts_at, prices[:, after],
        headroom=0.05, singles=4,
    )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("steps after the last real price")
    return says


def _draw_density(axes: Axes, asset: _Asset) -> str:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    _require_spread(asset)
    plots.draw_density(axes, asset.real, asset.synthetic.ravel())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    return "Worst steps: {}, {}.".format(*(f"{name} {as_percent(r.min())}" for name, r in _named(asset)))


def _draw_quantiles(axes: Axes, asset: _Asset) -> str:
    _require_spread(asset)
    plots.draw_quantiles(axes, asset.real, asset.synthetic.ravel(), dots=150)
    tails = (f"{name} {as_percent(np.quantile(r, 0.01))}" for name, r in _named(asset))
    return "1 % quantile: {}, {}.".format(*tails)


def _named(asset: _Asset) -> tuple[tuple[str, Floats], tuple[str, Floats]]:
    return ("real", asset.real), ("synthetic", asset.synthetic)


def _draw_memory(of: Callable[[Floats], Floats], most: int) -> Draw:
    def draw(axes: Axes, asset: _Asset) -> str:
        _require_lags(asset, of)
        plots.draw_memory(axes, asset.x, asset.y, of, most)
        return _mean_over_lags(asset, most, lambda r, lags: acf(of(r), lags))

    return draw


def _draw_leverage(axes: Axes, asset: _Asset) -> str:
    _require_lags(asset, np.square)
    plots.draw_leverage(axes, asset.x, asset.y, LEVERAGE_LAGS)
    return _mean_over_lags(asset, 10, lambda r, lags: cross_correlation(r, np.square(r), lags))


def _mean_over_lags(asset: _Asset, most: int, function: Callable[[Floats, int], Floats]) -> str:
    """Say the mean of both sides over lags and pieces of one length."""
    length = min(asset.real.size, asset.synthetic.shape[1])
    lags = min(most, length // 2)
    means = [float(np.nanmean(function(pieces(r, length), lags))) for r in (asset.x, asset.y)]
    return f"Mean over lags 1–{lags}: real {_signed(means[0])}, synthetic {_signed(means[1])}."


def _signed(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}".replace("-", "−")  # + 0 makes −0 a 0


def _draw_kurtosis(axes: Axes, asset: _Asset) -> str:
    _require_spread(asset)
    horizons, real, ours = plots.draw_kurtosis(axes, asset.x, asset.y)
    left = [h for h in HORIZONS if h not in horizons]
    says = "; ".join(
        f"{h} step{'' if h == 1 else 's'}: real {a:.2f}, synthetic {b:.2f}"
        for h, a, b in zip(horizons, real, ours, strict=True)
    )
    missing = f" Paths are too short for {', '.join(map(str, left))} steps." if left else ""
    return f"{says[:1].upper()}{says[1:]}.{missing}"


def _draw_drawdowns(axes: Axes, asset: _Asset) -> str:
    _require_spread(asset)
    real, ours = plots.draw_drawdowns(axes, asset.x, asset.y)
    length = min(asset.real.size, asset.synthetic.shape[1])
    return f"Median over {length:,} steps: real {as_percent(real)}, synthetic {as_percent(ours)}."


def _require_spread(asset: _Asset) -> None:
    for name, r in _named(asset):
        if r.size < 2:
            raise DataError(f"There are no finite {name} returns to draw.")
        if not r.std() > 0:
            raise DataError(f"All {name} returns are equal.")


def _require_lags(asset: _Asset, of: Callable[[Floats], Floats]) -> None:
    _require_spread(asset)
    length = min(asset.real.size, asset.synthetic.shape[1])
    if length < 2 * MIN_LAGS:
        raise DataError(
            f"The paths are too short: {MIN_LAGS} lags need at least {2 * MIN_LAGS} returns a path, "
            f"these have {length}."
        )
    for (name, _), r in zip(_named(asset), (asset.x, asset.y), strict=True):
        if not of(pieces(r, length)).std(axis=1).any():
            raise DataError(f"The {name} returns do not vary within a path.")


PANELS: tuple[tuple[str, str, Draw], ...] = (
    (
        "Prices",
        "The recent history, and the synthetic paths as a fan (5–95 % and 25–75 %) with a few of them singly.",
        _draw_paths,
    ),
    ("Density of one return", "The logarithmic axis shows the tails; dashed: the normal law.", _draw_density),
    ("Quantiles against quantiles", "Dots on the dashed line: equal laws. The ends are the tails.", _draw_quantiles),
    (
        "Autocorrelation of r",
        "Near 0 in liquid markets. Band: single synthetic paths, 5–95 %.",
        _draw_memory(np.asarray, RETURN_LAGS),
    ),
    (
        "Autocorrelation of |r|",
        "Volatility clustering. Band: single synthetic paths, 5–95 %.",
        _draw_memory(np.abs, CLUSTER_LAGS),
    ),
    (
        "Autocorrelation of r²",
        "Clustering, with weight on the large returns. Band: single synthetic paths, 5–95 %.",
        _draw_memory(np.square, CLUSTER_LAGS),
    ),
    (
        "Leverage effect",
        "Correlation of r with the r² of later steps; below 0: losses raise volatility. "
        "Band: single synthetic paths, 5–95 %.",
        _draw_leverage,
    ),
    (
        "Kurtosis of aggregated returns",
        "Hogg's, of sums over so many steps; it falls to 2.585 (dashed) where returns become normal. "
        "Band: batches of paths as long as the history, 5–95 %.",
        _draw_kurtosis,
    ),
    (
        "Drawdowns",
        "Share of paths whose deepest drawdown is at most so deep. "
        "Band: 90 % of the curves of so few pieces as the history has.",
        _draw_drawdowns,
    ),
)


# figures of several assets --------------------------------------------------------------------------------------------


def _cross_charts(evaluation: Evaluated) -> list[Chart]:
    """Heat maps of the correlations and the dependence of tails; none for one asset."""
    if len(evaluation.assets) < 2:
        return []
    chosen = sorted(_worst_first(evaluation)[:MAX_FIELDS])
    names = [_short(str(evaluation.assets[i])) for i in chosen]
    x = evaluation.real[:, chosen]
    x = x[np.isfinite(x).all(axis=1)]
    y = evaluation.synthetic[..., chosen]
    y = y[np.isfinite(y).all(axis=(1, 2))]
    if len(x) < 2 or not len(y) or y.shape[0] * y.shape[1] < 2:
        reason = "There are too few finite returns to compare several assets."
        return [Chart("Correlation of returns", "", reason=reason)]
    matrices = [_correlations(r.reshape(-1, r.shape[-1])) for r in (x, y)]
    charts = [
        _heat_map(f"h{number}", side, matrix, names, difference)
        for number, (side, matrix, difference) in enumerate(
            (("real", matrices[0], None), ("synthetic", matrices[1], matrices[1] - matrices[0]))
        )
    ]
    for number, (side, sign) in enumerate((("losses", 1.0), ("gains", -1.0))):
        charts.append(_tail_chart(f"t{number}", side, sign * x, sign * y))
    return charts


def _short(name: str) -> str:
    return name if len(name) <= 12 else f"{name[:11]}…"


def _correlations(r: Floats) -> Floats:
    """Correlation matrix; NaN beside an asset that does not vary."""
    return np.atleast_2d(np.corrcoef(r, rowvar=False))


def _heat_map(key: str, side: str, matrix: Floats, names: list[str], difference: Floats | None) -> Chart:
    pairs = np.triu_indices(len(names), 1)
    title = f"Correlation of returns, {side}"
    caption = f"Mean over pairs: {_signed(float(np.nanmean(matrix[pairs])))}."
    if difference is not None and np.isfinite(difference[pairs]).any():
        at = int(np.nanargmax(np.abs(difference[pairs])))
        i, j = int(pairs[0][at]), int(pairs[1][at])
        caption += f" Largest difference from the real one: {names[i]} and {names[j]}, {_plus(difference[i, j])}."
    size = max(3.2, 0.22 * len(names) + 1.2)
    with new_figure(size=(size, size), framed=False) as (figure, axes):
        plots.draw_correlation(axes[0], matrix, names)
    return Chart(title, caption, inline(figure, key, f"{title}. {caption}"))


def _plus(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _tail_chart(key: str, side: str, x: Floats, y: Floats) -> Chart:
    title = f"Tail dependence: {side}"
    caption = (
        f"Chance that an asset is among its worst {side} when another one is, mean over pairs; dashed: independence. "
        "Band: batches of paths as long as the history, 5–95 %."
        if side == "losses"
        else "The same for the largest gains."
    )
    try:
        with new_figure() as (figure, axes):
            plots.draw_tail_dependence(axes[0], x, y)
            frame(figure, axes[0])
        return Chart(title, caption, inline(figure, key, f"{title}. {caption}"))
    except DataError as error:
        return Chart(title, caption, reason=str(error))


# paths under conditions -----------------------------------------------------------------------------------------------


def _conditions(cases: Sequence[Case]) -> dict[str, Any] | None:
    """What the section of conditions holds; None if there is no model."""
    first = next((case.paths for case in cases if case.paths is not None), None)
    if first is None:
        return None
    shown = plots.fan_range(cases)
    rows = [row | {"asked": _asked(row)} for row in records(conditions_table(cases))]
    charts = [_fan_chart(f"c{number}", case, shown) for number, case in enumerate(cases)]
    return {"charts": charts, "rows": rows, "worth": plots.worth_of(first.columns)}


def _fan_chart(key: str, case: Case, shown: tuple[float, float]) -> Chart:
    if case.paths is None:
        return Chart(case.title, "", reason=case.reason)
    caption = f"Realised volatility {as_percent(case.volatility)} a year."
    with new_figure(size=FAN) as (figure, axes):
        plots.draw_fan(axes[0], case.paths, shown)
        frame(figure, axes[0], bottom=0.28, top=0.05)
    return Chart(case.title, caption, inline(figure, key, f"{case.title}. {caption}"))


def _asked(row: Mapping[str, Any]) -> str:
    low, high = row["volatility_low"], row["volatility_high"]
    if low is None and high is None:
        return "–"
    if low is None or high is None:
        return f"{'below' if low is None else 'above'} {as_percent(high if low is None else low)}"
    return as_percent(low) if low == high else f"{as_percent(low)} to {as_percent(high)}"


# training -------------------------------------------------------------------------------------------------------------


def _training(trained: curves.Curves) -> dict[str, Any]:
    """What the section of the training holds."""
    charts = []
    for number, panel in enumerate(curves.PANELS):
        with new_figure() as (figure, axes):
            panel.draw(axes[0], trained)
            frame(figure, axes[0])
        drawing = inline(figure, f"t{number}", f"{panel.title}. {panel.caption}")
        charts.append(Chart(panel.title, panel.caption, drawing))
    failures = [failure for failure in trained.history[2:] if failure]
    said = [f"The {failure.sentence}; {failure.advice}." for failure in failures]
    return {"charts": charts, "headline": curves.headline(trained), "failures": said}


def _neighbour_chart(pairs: list[tuple[Floats, Floats, float]]) -> Chart:
    title = "Nearest neighbours"
    caption = (
        "Synthetic windows of returns, each over the nearest window of the training data; the first asset, centred and "
        "in units of its own deviation, since likeness is a matter of shape."
    )
    drawn = [(_standardised(a), _standardised(b), float(d)) for a, b, d in pairs[:3]]
    drawn = [(a, b, d) for a, b, d in drawn if a.shape == b.shape and np.isfinite(a).all() and np.isfinite(b).all()]
    if not drawn:
        return Chart(title, caption, reason="There are no windows to show: the paths or the history are too short.")
    with new_figure(columns=3, size=(10.5, 2.6), framed=False) as (figure, axes):
        for axis, (ours, theirs, distance) in zip(axes, drawn, strict=False):
            plots.draw_neighbours(axis, ours, theirs)
            axis.set_title(f"distance {as_number(distance)}")
        for axis in axes[len(drawn) :]:
            axis.set_axis_off()
        axes[0].set_ylabel("standardised return")
    distances = ", ".join(as_number(distance) for *_, distance in drawn)
    return Chart(title, caption, inline(figure, "n", f"{title}. {caption} Distances: {distances}."))


def _standardised(window: Floats) -> Floats:
    centred = np.ravel(window) - np.mean(window)
    deviation = centred.std()
    return np.asarray(centred / deviation if deviation > 0 else centred)
