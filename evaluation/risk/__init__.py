"""Value at risk and expected shortfall: figures, rolling forecasts, and the tests a regulator would make."""

from tsgan.evaluation.risk.backtests import (
    Backtest,
    Simulation,
    acerbi_szekely,
    backtest,
    berkowitz,
    christoffersen_independence,
    conditional_coverage,
    dynamic_quantile,
    holm,
    kupiec,
    mcneil_frey,
    traffic_light,
)
from tsgan.evaluation.risk.comparisons import Comparison, diebold_mariano, model_confidence_set
from tsgan.evaluation.risk.estimates import realised_values, var_es
from tsgan.evaluation.risk.overfitting import (
    deflated_sharpe_ratio,
    probabilistic_sharpe_ratio,
    probability_of_backtest_overfitting,
)
from tsgan.evaluation.risk.rolling import rolling_forecasts, rolling_pit
from tsgan.evaluation.risk.rolling_backtest import RollingBacktest, rolling_backtest
from tsgan.evaluation.risk.scores import breach_share, fz0, quantile_loss
from tsgan.evaluation.risk.strategies import (
    StrategyDistribution,
    mean_reversion,
    momentum,
    strategy_distribution,
)

__all__ = [
    "Backtest",
    "Comparison",
    "RollingBacktest",
    "Simulation",
    "StrategyDistribution",
    "acerbi_szekely",
    "backtest",
    "berkowitz",
    "breach_share",
    "christoffersen_independence",
    "conditional_coverage",
    "deflated_sharpe_ratio",
    "diebold_mariano",
    "dynamic_quantile",
    "fz0",
    "holm",
    "kupiec",
    "mcneil_frey",
    "mean_reversion",
    "model_confidence_set",
    "momentum",
    "probabilistic_sharpe_ratio",
    "probability_of_backtest_overfitting",
    "quantile_loss",
    "realised_values",
    "rolling_backtest",
    "rolling_forecasts",
    "rolling_pit",
    "strategy_distribution",
    "traffic_light",
    "var_es",
]
