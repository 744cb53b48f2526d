"""Pictures of a training: one panel a question, the same on a page of a file and in the report.

A panel is a function ``draw(axes, trained)``; it draws, labels its axes and sets neither title nor legend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tsgan.errors import DataError
from tsgan.evaluation.plots import MEDIAN, REAL, REFERENCE, STYLE, SYNTHETIC

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tsgan.diagnostics import Record
    from tsgan.estimator import TSGAN
    from tsgan.history import History

__all__ = ["training_figure"]

COLOURS = (SYNTHETIC, MEDIAN, REAL)


class Curves(NamedTuple):
    """What is drawn."""

    history: History
    steps: int
    """That were chosen"""
    scores: Mapping[int, float]
    """Path score of each candidate on the validation slice"""

    @classmethod
    def of(cls, model: TSGAN) -> Curves:
        """Take it from a fitted model.

        Raises
        ------
        DataError
            No adversarial step was recorded.
        """
        history, fit = model.training_, model.fit_
        if not history.choosing:
            raise DataError("the model has no record of an adversarial step, of which there would be curves")
        return cls(history, fit["steps"], {int(step): score for step, score in fit["scores"].items()})

    @property
    def halves(self) -> Iterator[tuple[str, str, Sequence[Record]]]:
        """Name, line style and records of each half that has any."""
        yield "choosing", "-", self.history.choosing
        if self.history.final:
            yield "all rows", ":", self.history.final


def training_figure(model: TSGAN) -> Figure:
    """Draw how a model was trained, nine panels on a page; both halves of the fit, the chosen step marked.

    Returns
    -------
    Figure
        With an Agg canvas: ``figure.savefig("training.png")`` needs no display. No state of pyplot is touched.

    Raises
    ------
    DataError
        No adversarial step was recorded.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    trained = Curves.of(model)
    with rc_context(STYLE):
        figure = Figure(figsize=(14, 10.4), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(f"{headline(trained)}\n(solid: choosing, dotted: all rows)", fontweight="bold")
        all_axes: Any = figure.subplots(3, 3)
        for mark, axes, panel in zip("abcdefghi", all_axes.flat, PANELS, strict=True):
            panel.draw(axes, trained)
            axes.set_title(f"({mark}) {panel.title}")
            if axes.get_legend_handles_labels()[1]:
                axes.legend(loc="best", fontsize=8.5)
    return figure


def headline(trained: Curves) -> str:
    """Steps, their duration, the choice and what went wrong, in a line."""
    parts = []
    for name, _, records in trained.halves:
        each = records[-1].seconds / len(records)
        parts.append(f"{name}: {len(records):,} steps, {each:.2g} s each")
    parts.append(f"{trained.steps:,} steps chosen" if trained.steps else "the warm start chosen")
    failures = filter(None, (trained.history.failed_choosing, trained.history.failed_final))
    return "; ".join([*parts, *(f"{failure.kind} at step {failure.step}" for failure in failures)])


# panels ---------------------------------------------------------------------------------------------------------------


def draw_estimates(axes: Axes, trained: Curves) -> None:
    """Draw the estimate of the first half: single batches, fixed training windows and validation windows."""
    _estimates(axes, trained.history.choosing)
    failure = trained.history.failed_choosing
    _mark(axes, trained.steps, failure.step if failure else None)


def draw_final_estimates(axes: Axes, trained: Curves) -> None:
    """Draw that of the second half, which has no validation windows."""
    records = trained.history.final
    if not records:
        axes.annotate("the warm start was chosen: no steps", (0.5, 0.5), xycoords="axes fraction", ha="center")
        axes.set(xlabel="step", ylabel="f(real) − f(generated)", xticks=[], yticks=[])
        return
    _estimates(axes, records, "training windows, none held out")
    failure = trained.history.failed_final
    _mark(axes, None, failure.step if failure else None)


def _estimates(axes: Axes, records: Sequence[Record], label: str = "training windows") -> None:
    axes.axhline(0, color=REFERENCE, linewidth=0.8)
    _line(axes, records, "wasserstein", color=REFERENCE, linewidth=0.7, alpha=0.8, label="single batches")
    _line(axes, records, "training", color=SYNTHETIC, marker=".", linewidth=1.5, label=label)
    _line(axes, records, "validation", color=MEDIAN, marker=".", linewidth=1.5, label="validation windows")
    _finish(axes, "f(real) − f(generated)")


def draw_scores(axes: Axes, trained: Curves) -> None:
    """Draw the path score of each candidate on the validation slice, and mark the chosen one."""
    steps = sorted(trained.scores)
    axes.plot(steps, [trained.scores[step] for step in steps], color=SYNTHETIC, marker="o", label="candidates")
    _mark(axes, trained.steps, None)
    _finish(axes, "energy score")


def _curves(ylabel: str, labels: Mapping[str, str], reference: float | None = None, log: bool = False) -> Any:
    """Return a panel of some values of the records, both halves of each."""

    def draw(axes: Axes, trained: Curves) -> None:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        if reference is not None:
            axes.axhline(reference, color=REFERENCE, linestyle="--", linewidth=1)
        for colour, (field, label) in zip(COLOURS, labels.items(), strict=False):
            for name, style, records in trained.halves:
                shown = label if name == "choosing" else None
                _line(axes, records, field, color=colour, linestyle=style, linewidth=1.3, label=shown)
        if log:
            axes.set_yscale("log")
            low, high = axes.get_ylim()
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))  # room for each
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.margins(y=0.3)  # room for a legend of three
        else:
            axes.ticklabel_format(axis="y", useOffset=False)
        _finish(axes, ylabel)

    return draw


def _line(axes: Axes, records: Sequence[Record], field: str, **style: Any) -> None:
    there = [(record.step, value) for record in records if (value := getattr(record, field)) is not None]
    if there:
        axes.plot(*zip(*there, strict=True), **style)


def _mark(axes: Axes, chosen: int | None, failed: int | None) -> None:
    if chosen is not None:
        axes.axvline(chosen, color=REAL, linestyle="--", linewidth=1, label=f"chosen: {chosen:,}")
    if failed is not None:
        axes.axvline(failed, color=MEDIAN, linestyle=":", linewidth=1.6, label=f"stopped: {failed:,}")


def _finish(axes: Axes, ylabel: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.set(xlabel="step", ylabel=ylabel)


class Panel(NamedTuple):
    """A panel, and how to read it."""

    title: str
    caption: str
    draw: Callable[[Axes, Curves], None]


PANELS = (
    Panel(
        "Wasserstein estimate, choosing",
        "Grey: single batches; blue: fixed training windows; orange: windows of the validation slice; dashed: the "
        "chosen step. Where blue rises while orange falls, the critic learns its windows by heart.",
        draw_estimates,
    ),
    Panel(
        "Wasserstein estimate, all rows",
        "The same in the second half of the fit, for which nothing is held out.",
        draw_final_estimates,
    ),
    Panel(
        "Path score on the validation slice",
        "What chose the steps, lower is better: the warm start (step 0) is left only for a clear gain.",
        draw_scores,
    ),
    Panel(
        "Critics' slope",
        "Mean norm of the critics' gradient where the penalty asks for 1 (blue), and in generated paths, which is all "
        "that the generator hears (orange).",
        _curves("gradient norm", {"slope": "at the penalty's points", "pull": "in generated paths"}, 1.0),
    ),
    Panel(
        "Gradients and penalty",
        "Norms of the gradient in all parameters of the critics (blue) and of the generator (orange), and the gradient "
        "penalty (black).",
        _curves(
            "norm; penalty",
            {"critic_gradient": "critics' parameters", "generator_gradient": "generator's", "penalty": "penalty"},
            log=True,
        ),
    ),
    Panel(
        "One-step likelihood",
        "Mean log likelihood of a real step, the anchor that keeps one-step risk.",
        _curves("log likelihood (nats)", {"likelihood": "generator"}),
    ),
    Panel(
        "Paths against the data",
        "Over the data's: the distance of a path's shape to that of the path most like it (diversity, blue), and the "
        "deviation of returns (orange).",
        _curves("ratio to the data", {"diversity": "diversity", "volatility": "volatility"}, 1.0),
    ),
    Panel(
        "Stylized facts and copies",
        "Blue: mean difference of five facts, in deviations between real windows. Orange: share of generated windows "
        "nearer to the data than 1 % of new ones would be.",
        _curves("deviations; share", {"facts": "stylized facts", "copies": "copies"}, 0.0),
    ),
    Panel(
        "Learned parameters",
        "Means over assets. Blue: tail of the innovation (1 is normal, less is heavier); orange: persistence of the "
        "volatility; black: skew of the innovation.",
        _curves("parameter", {"tail": "tail", "persistence": "persistence", "skew": "skew"}),
    ),
)
