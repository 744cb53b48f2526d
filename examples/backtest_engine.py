"""
A strategy in a backtest engine
===============================

Its Sharpe ratio on the history that came and on histories that could have been, by backtesting.py: ``pip install
backtesting``, which is under the AGPL; tsgan does not depend on it, and this page shows no output. The bars are made
of closing prices: they have no range within the day and no volume, so test nothing on them that needs either.
"""

import sys

import numpy as np
import pandas as pd

from tsgan import TSGAN, Config, Paths
from tsgan.datasets import load, read_prices

try:
    from backtesting import Backtest, Strategy
    from backtesting.lib import crossover
except ImportError:
    sys.exit("this example needs backtesting.py (AGPL): pip install backtesting")


class MovingAverages(Strategy):
    """In the market while the mean of 20 closes is above that of 100."""

    def init(self):
        def mean(closes, days):
            return pd.Series(closes).rolling(days).mean()

        self.fast = self.I(mean, self.data.Close, 20)
        self.slow = self.I(mean, self.data.Close, 100)

    def next(self):
        if crossover(self.fast, self.slow):
            self.buy()
        elif crossover(self.slow, self.fast):
            self.position.close()


def sharpe(bars):
    return Backtest(bars, MovingAverages, cash=1e6, finalize_trades=True).run()["Sharpe Ratio"]


prices = (read_prices(sys.argv[1]) if len(sys.argv) > 1 else load("sp500")).iloc[-1500:, :1]
# The warm start alone, since this is to be quick; without config= the critic works, for minutes.
model = TSGAN(config=Config().with_training(steps=0), random_state=0).fit(prices)
paths = model.sample(100, length=len(prices) - 1, random_state=1)

# The real history goes through the same door, so that its bars are made as those of the paths are.
returns = np.log(prices).diff().iloc[1:].to_numpy()
history = Paths(returns[None], prices.iloc[0].to_numpy(), pd.DatetimeIndex(prices.index[1:]), list(prices.columns))
real = sharpe(next(history.iter_prices("ohlcv")))
could_be = [sharpe(bars) for bars in paths.iter_prices("ohlcv")]
low, middle, high = np.nanquantile(could_be, [0.05, 0.5, 0.95])
print(f"Sharpe ratio on the history that came {real:.2f}; on {len(paths)} that could have come {middle:.2f}")
print(f"({low:.2f} to {high:.2f} in nine of ten); {np.mean(np.array(could_be) >= real):.0%} were at least as good.")
