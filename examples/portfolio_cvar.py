"""
The portfolio of least expected shortfall, by skfolio
=====================================================

Weights of least ten-day expected shortfall (CVaR), on scenarios that go on from today's market and on the past alone.
Needs ``pip install "tsgan[skfolio]"``. Without a file of prices: S&P 500, Nasdaq and oil, from the package ``arch``.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from skfolio import RiskMeasure
from skfolio.optimization import MeanRisk
from skfolio.prior import SyntheticData

from tsgan import TSGAN, Config
from tsgan.adapters.skfolio import TSGANDistribution
from tsgan.datasets import load, read_prices

DAYS = 10

if len(sys.argv) > 1:
    prices = read_prices(sys.argv[1])
else:
    prices = pd.concat([load(name) for name in ("sp500", "nasdaq", "wti")], axis=1, join="inner").loc["2010":]
returns = prices.pct_change().iloc[1:]  # skfolio works with linear returns

# The warm start alone, since this is to be quick; without config= the critic works, for minutes.
model = TSGAN(config=Config().with_training(steps=0), random_state=0)
scenarios = SyntheticData(TSGANDistribution(model, horizon=DAYS, random_state=1), n_samples=5000)
past = prices.pct_change(DAYS).iloc[DAYS:]  # every ten days that were, overlapping
options = {"risk_measure": RiskMeasure.CVAR, "max_weights": 0.6}
portfolios = {
    "the scenarios": MeanRisk(prior_estimator=scenarios, **options).fit(returns),
    "the past": MeanRisk(**options).fit(past),
}

drawn = portfolios["the scenarios"].prior_estimator_.return_distribution_.returns
for name, portfolio in portfolios.items():
    weights = ", ".join(f"{asset} {w:.1%}" for asset, w in zip(returns.columns, portfolio.weights_, strict=True))
    now, before = (np.sort(r @ portfolio.weights_) for r in (drawn, past.to_numpy()))
    shortfall = [f"{profit[: len(profit) // 20].mean():+.2%}" for profit in (now, before)]
    print(f"by {name}: {weights}; expected shortfall (5 %) in the scenarios {shortfall[0]}, in the past {shortfall[1]}")

weights = pd.DataFrame({f"by {name}": portfolio.weights_ for name, portfolio in portfolios.items()}, returns.columns)
fig, axes = plt.subplots(figsize=(8, 2.8), layout="constrained")
weights.T.mul(100).plot.barh(ax=axes, stacked=True, color=["#0072B2", "#D55E00", "#8A8A8A"])
axes.set(title="Weights of least ten-day expected shortfall", xlabel="%")
axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
plt.show()
