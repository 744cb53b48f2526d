"""What the HTML pages share: the shell around them, values for people, and figures as inline SVG."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tsgan.evaluation import plots

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "PANEL",
    "VARIABLES",
    "WIDE",
    "Chart",
    "as_number",
    "as_percent",
    "as_ratio",
    "as_text",
    "environment",
    "frame",
    "inline",
    "new_figure",
    "quiet_numpy",
    "records",
    "thinned",
]

Size: TypeAlias = tuple[float, float]

SYMBOLS = {"pass": "✓", "warn": "!", "fail": "✗", "not computable": "–"}


def environment() -> Environment:
    """Return what renders the templates beside this module; all texts that are put into them are escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = resources.files("tsgan.evaluation")
    made = Environment(
        loader=FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(number=as_number, ratio=as_ratio, percent=as_percent)
    made.globals.update(symbols=SYMBOLS)
    return made


@contextmanager
def quiet_numpy() -> Iterator[None]:
    """Whatever the returns hold, a page must come out: overflow and 0/0 end as gaps in a figure."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


# values ---------------------------------------------------------------------------------------------------------------


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as dictionaries."""
    return [{str(key): value for key, value in record.items()} for record in frame.to_dict("records")]


def as_text(value: object) -> str:
    """Any setting as text for people."""
    match value:
        case None:
            return "–"
        case float():
            return as_number(value)
        case pd.Timestamp():
            return value.isoformat(sep=" ").removesuffix(" 00:00:00")
        case Mapping():
            return ", ".join(f"{key} {as_text(item)}" for key, item in value.items())
        case list() | tuple():
            return ", ".join(map(as_text, value))
    return str(value)


def as_number(value: Any) -> str:
    """Four significant digits; a dash for what is no number."""
    if value is None or isinstance(value, str) or isnan(value):
        return "–"
    if not isfinite(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:,.4g}".replace("-", "−") if abs(value) < 1e4 else f"{value:,.0f}".replace("-", "−")


def as_ratio(value: Any) -> str:
    """Two decimals and a multiplication sign, as 1.25 ×."""
    text = as_number(value)
    return text if text in "–∞" else f"{value:,.2f} ×" if value < 1000 else f"{text} ×"


def as_percent(value: Any) -> str:
    """Three significant digits, as 12.5 %."""
    if value is None or not isfinite(value):
        return "–"
    return f"{100 * value:.3g} %".replace("-", "−")


# figures --------------------------------------------------------------------------------------------------------------

# What the style sheet of the pages calls the colours, so that it can change them with the theme
VARIABLES = {
    plots.REAL: "real",
    plots.SYNTHETIC: "synthetic",
    plots.MEDIAN: "median",
    plots.REFERENCE: "reference",
    plots.ABOVE: "above",
    plots.BELOW: "below",
    plots.EDGE: "edge",
    plots.GRID: "grid",
}
PANEL: Size = (4.2, 2.8)  # inches
WIDE: Size = (12.0, 3.3)
SVG_STYLE: Any = plots.STYLE | {
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "svg.fonttype": "none",  # text stays text: searchable, in the font and the colour of the page
    "svg.hashsalt": "tsgan",
    "path.simplify_threshold": 0.3,
}


@dataclass(frozen=True)
class Chart:
    """A figure of a page.

    Parameters
    ----------
    title, caption : str
        What it shows and how to read it.
    svg : str
        The drawing, safe to be put into HTML; empty where there is none.
    reason : str
        Why there is none.
    """

    title: str
    caption: str
    svg: str = ""
    reason: str = ""

    @property
    def markup(self) -> Any:
        """The drawing as text that the template does not escape."""
        from markupsafe import Markup

        return Markup(self.svg)


def thinned(length: int, points: int) -> npt.NDArray[np.int64]:
    """Positions of at most ``points`` steps, the first and the last among them."""
    return np.unique(np.linspace(0, length - 1, min(length, points)).round().astype(np.int64))


@contextmanager
def new_figure(columns: int = 1, size: Size = PANEL, *, framed: bool = True) -> Iterator[tuple[Figure, list[Axes]]]:
    """Make a figure with axes beside one another, in the style of the pages; its margins by `frame`, or measured."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(SVG_STYLE):
        figure = Figure(figsize=size, layout=None if framed else "constrained")
        yield figure, list(figure.subplots(1, columns, squeeze=False)[0])


def frame(figure: Figure, axes: Axes, *, right: float = 0.08, bottom: float = 0.46, top: float = 0.24) -> None:
    """Give a panel its margins (inches), all the same: to measure them takes half the time of a drawing.

    What stands beside the vertical axis goes above it, where it is read without turning the head.
    """
    width, height = figure.get_size_inches()
    figure.subplots_adjust(left=0.56 / width, right=1 - right / width, bottom=bottom / height, top=1 - top / height)
    axes.set_title(axes.get_ylabel(), x=0, loc="left")
    axes.set_ylabel("")


def inline(figure: Figure, key: str, label: str) -> str:
    """Return a figure as an SVG element of an HTML page: no declarations, own identifiers, colours by name.

    Parameters
    ----------
    figure : Figure
        The drawing.
    key : str
        What its identifiers begin with, different for every figure of a page.
    label : str
        What it shows, for those who do not see it.
    """
    from io import StringIO

    from markupsafe import escape
    from matplotlib import rc_context

    buffer = StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with rc_context(SVG_STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    drawing = buffer.getvalue()
    drawing = re.sub(r"<!--.*?-->|<style.*?</style>|<metadata.*?</metadata>", "", drawing, flags=re.DOTALL)
    opening = re.search(r'<svg[^>]*viewBox="([^"]*)"[^>]*>', drawing)
    assert opening is not None  # matplotlib always writes one
    used = set(re.findall(r'(?:url\(#|href="#)([\w.-]+)', drawing))
    body = re.sub(r"<[^>]*>", lambda tag: _tag(tag[0], key, used), drawing[opening.end() :])
    body = re.sub(r">\s+<", "><", re.sub(r"<g>\s*</g>|<defs>\s*</defs>", "", body)).strip()
    return f'<svg viewBox="{opening[1]}" role="img" aria-label="{escape(label)}">{body}'


def _tag(tag: str, key: str, used: set[str]) -> str:
    """Return a tag of matplotlib's for use within a page."""
    tag = tag.replace("xlink:href", "href")
    tag = re.sub(r' id="([^"]*)"', lambda m: f' id="{key}-{m[1]}"' if m[1] in used else "", tag)
    tag = re.sub(r'(url\(#|href="#)', rf"\1{key}-", tag)
    tag = re.sub(r"-?\d+\.\d{2,}", lambda m: f"{float(m[0]):.1f}".removesuffix(".0"), tag)
    tag = re.sub(r"; font-family: [^;\"]*| transform=\"rotate\(-0 [^\"]*\"", "", tag)  # in the font of the page
    tag = re.sub(r"\s+", " ", tag)
    return re.sub(r"#[0-9a-fA-F]{6}\b", lambda m: _variable(m[0]), tag)


def _variable(colour: str) -> str:
    names = {known.lower(): name for known, name in VARIABLES.items()}
    return f"var(--{names[colour.lower()]})" if colour.lower() in names else colour
