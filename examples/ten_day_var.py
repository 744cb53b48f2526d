"""Ten-day value at risk and expected shortfall from paths that continue the market from today.

    python examples/ten_day_var.py [prices.csv]

Without a file, the S&P 500 series of the `arch` package is used.
"""

import sys

import numpy as np

from tsgan import TSGAN
from tsgan.datasets import load, read_prices

prices = read_prices(sys.argv[1]) if len(sys.argv) > 1 else load("sp500")
model = TSGAN(random_state=0).fit(prices)
paths = model.sample(20_000, length=10, start="last", random_state=1)

for asset, last, ends in zip(paths.columns, paths.start_price, paths.prices[:, -1].T, strict=True):
    profit = ends / last - 1
    for level in (0.05, 0.01):
        value_at_risk = np.quantile(profit, level)
        shortfall = profit[profit <= value_at_risk].mean()
        print(f"{asset}: ten-day VaR {level:.0%} {value_at_risk:+.2%}, expected shortfall {shortfall:+.2%}")
