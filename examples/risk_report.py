"""
From Yahoo tickers to a risk report
===================================

Value at risk and expected shortfall from today, and their trial on past dates. With your own tickers, begin with

.. code-block:: console

   $ tsgan download SPY QQQ --start 2004-01-01 --out prices.csv
   $ python risk_report.py prices.csv

which asks Yahoo Finance. Without a file, as on this page, two indices that ship with the package ``arch`` take their
place, so that nothing needs a network.
"""

import sys

import matplotlib.pyplot as plt
import pandas as pd

from tsgan import TSGAN, Config
from tsgan.datasets import load, read_prices
from tsgan.evaluation import rolling_backtest, var_es

if len(sys.argv) > 1:
    prices = read_prices(sys.argv[1])
else:
    prices = pd.concat([load("sp500"), load("nasdaq")], axis=1, join="inner").loc["2004":]
print(prices.tail(3))

# %%
# Learn the law. ``steps=0`` keeps the warm start, maximum likelihood alone: seconds instead of a minute. Leave
# ``config=`` out and the critics work too; the last 15 % of the days then say what that was worth. The verdict
# comes from those days, by a law that has not seen them.

warm_start = Config().with_training(steps=0)
model = TSGAN(config=warm_start, random_state=0).fit(prices)
print("\n".join(model.verdict_))

# %%
# Ten days from today
# -------------------
# 20,000 paths that go on from the state of the market after the last row. Intervals are for the number of paths; how
# uncertain the law itself is, they do not say.

paths = model.sample(20_000, length=10, start="last", random_state=1)
print(var_es(paths, levels=(0.05, 0.01)).map("{:+.2%}".format))

# %%
# The same of a portfolio with half the money in each, as simple returns:

weights = dict.fromkeys(prices.columns, 1 / len(prices.columns))
risk = var_es(paths, levels=(0.05, 0.01), weights=weights)
print(risk.map("{:+.2%}".format))

profit = (paths.prices[:, -1] / paths.start_price - 1).mean(axis=1)
fig, axes = plt.subplots(figsize=(8, 4), layout="constrained")
axes.hist(100 * profit, bins=120, range=(-20, 15), color="#0072B2", alpha=0.7)
for level, style in ((0.05, "--"), (0.01, "-")):
    axes.axvline(100 * risk.loc[level, "VaR"], color="#D55E00", linestyle=style, label=f"VaR {level:.0%}")
    axes.axvline(100 * risk.loc[level, "ES"], color="black", linestyle=style, label=f"ES {level:.0%}")
axes.set(xlabel="ten-day return of the portfolio, %", ylabel="paths of 20,000")
axes.legend()

# %%
# On trial
# --------
# Would such forecasts have been right? One asset, every day from 2014 on, by a law that is fitted to the 2,500 returns
# before and never again, beside classical methods fitted to the same rows. ``tsgan backtest prices.csv`` does the
# same and writes ``backtest.html``.

asset = prices.iloc[:, [0]]
trial = rolling_backtest(TSGAN(config=warm_start, random_state=0), asset, "2014", levels=(0.05, 0.01))
print(trial.headline)
print(trial.table[["level", "method", "breaches", "share", "fz0", "dm_t"]].round(4).to_string(index=False))

# %%
# ``fz0`` is the joint loss of VaR and ES, lower is better; ``dm_t`` below -1.96 would say that the model is clearly
# better than that method.

(name,) = trial.realised.columns
forecast = trial.of("tsgan", name)
came = 100 * trial.realised[name]
fig, axes = plt.subplots(figsize=(8, 4), layout="constrained")
axes.plot(came.index, came, ".", color="black", markersize=2, label="returns")
for level, colour in ((0.05, "#0072B2"), (0.01, "#D55E00")):
    var = 100 * forecast["VaR", level]
    breaches = came[came <= var]
    axes.plot(var.index, var, color=colour, linewidth=0.9, label=f"VaR {level:.0%}, {len(breaches)} breaches")
    axes.plot(breaches.index, breaches, "o", color=colour, markersize=4, fillstyle="none")
axes.set_ylabel(f"{name}: return of a day, %")
axes.legend(fontsize=8)

# %%
# Whether whole paths look like the data is another question, which ``tsgan evaluate prices.csv synth.csv``
# answers in ``report.html``: see :doc:`/evaluation`.
