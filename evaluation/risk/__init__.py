"""Value at risk and expected shortfall: figures, rolling forecasts, and the tests a regulator would make."""

from tsgan.evaluation.risk.estimates import var_es
from tsgan.evaluation.risk.rolling import rolling_forecasts
from tsgan.evaluation.risk.scores import breach_share, fz0, quantile_loss

__all__ = [
    "breach_share",
    "fz0",
    "quantile_loss",
    "rolling_forecasts",
    "var_es",
]
