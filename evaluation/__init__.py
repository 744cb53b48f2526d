"""Whether synthetic paths are good: facts of returns, scores of risk forecasts, classical opponents, pictures."""

from tsgan.evaluation.baselines import gjr_forecasts, historical_forecasts
from tsgan.evaluation.facts import compare, read_paths
from tsgan.evaluation.plots import overview
from tsgan.evaluation.scores import breach_share, fz0, quantile_loss

__all__ = [
    "breach_share",
    "compare",
    "fz0",
    "gjr_forecasts",
    "historical_forecasts",
    "overview",
    "quantile_loss",
    "read_paths",
]
