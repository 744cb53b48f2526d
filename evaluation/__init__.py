"""Whether synthetic paths are good: measures, noise floor, controls, classical opponents, scores, report, pictures."""

from tsgan.evaluation.baselines import BASELINES, Baseline, fit_baselines, fixed_forecasts
from tsgan.evaluation.curves import training_figure
from tsgan.evaluation.judge import Evaluation, evaluate
from tsgan.evaluation.measures import MEASURES, Measure
from tsgan.evaluation.path_plots import overview
from tsgan.evaluation.plots import conditions_figure
from tsgan.evaluation.report import write_report
from tsgan.evaluation.risk import (
    breach_share,
    fz0,
    quantile_loss,
    rolling_backtest,
    rolling_forecasts,
    strategy_distribution,
    var_es,
)
from tsgan.evaluation.tables import read_paths

__all__ = [
    "BASELINES",
    "MEASURES",
    "Baseline",
    "Evaluation",
    "Measure",
    "breach_share",
    "conditions_figure",
    "evaluate",
    "fit_baselines",
    "fixed_forecasts",
    "fz0",
    "overview",
    "quantile_loss",
    "read_paths",
    "rolling_backtest",
    "rolling_forecasts",
    "strategy_distribution",
    "training_figure",
    "var_es",
    "write_report",
]
