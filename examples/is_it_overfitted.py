"""
Is my strategy overfitted?
==========================

Twelve variants of a momentum rule, one history: the best of them looks good by selection alone. Paths of the same law
show how far a Sharpe ratio moves by luck, and two figures, the probability of backtest overfitting and the deflated
Sharpe ratio, how much of the best one's is selection.
"""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np

from tsgan import TSGAN, Config
from tsgan.datasets import load
from tsgan.evaluation import strategy_distribution
from tsgan.evaluation.risk import momentum

DAYS = 1250
prices = load("nasdaq")
history = prices.tail(DAYS + 1)

# %%
# A variant is a function from prices to returns; this one is long while the price has risen over so many days, and
# short while it has fallen.

variants = {f"{days} days": partial(momentum, window=days) for days in range(20, 260, 20)}

# %%
# The model is fitted to the days before, so that the histories it draws know nothing of the one on trial
# (``steps=0``: the warm start alone, for speed).

model = TSGAN(config=Config().with_training(steps=0), random_state=0).fit(prices.iloc[:-DAYS])
paths = model.sample(200, length=DAYS, random_state=1)
result = strategy_distribution(variants, paths, history=history)

sharpe = result.summary().xs("sharpe", level="figure")
print(sharpe.round(2).drop(columns="undefined").to_string())

# %%
# ``low`` to ``high`` is where nine of ten paths lie, ``rank`` the share of paths below what really came. The widths
# are the lesson: five years of one history leave a Sharpe ratio uncertain by about .7 on either side.

best = result.best
print(f"best on the history: {best}, Sharpe ratio {sharpe.loc[best, 'historical']:.2f}")
print(f"probability of backtest overfitting, by cross-validation on the history: {result.pbo:.0%}")
print(f"deflated Sharpe ratio, the twelve being the trials: {result.deflated_sharpe[best]:.0%}")
print(f"on {result.best_below_median:.0%} of the paths it is no better than the median variant")

# %%
# Were the selection skill, the best variant would be among the better half on nearly all paths, its deflated Sharpe
# ratio near 100 % and the probability of overfitting near 0.

table = result.table["sharpe"].unstack("variant")[list(variants)]
best_of_each = table.max(axis=1)
print(f"best of twelve on a path: median Sharpe ratio {best_of_each.median():.2f}")
fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
axes[0].hist(table[best], bins=25, color="#0072B2", alpha=0.6, label=f"{best}, on each path")
axes[0].hist(best_of_each, bins=25, color="#E59A62", alpha=0.6, label="the best of twelve, on each path")
axes[0].axvline(sharpe.loc[best, "historical"], color="black", label="best on the history")
axes[0].set(xlabel="Sharpe ratio", ylabel="paths of 200")
axes[0].set_ylim(top=32)
axes[0].legend(fontsize=8, loc="upper left")
place = np.arange(len(variants))
axes[1].fill_between(place, sharpe["low"], sharpe["high"], color="#0072B2", alpha=0.25, label="nine of ten paths")
axes[1].plot(place, sharpe["median"], color="#0072B2", label="median path")
axes[1].plot(place, sharpe["historical"], "ko", label="history")
axes[1].set_xticks(place, [name.split()[0] for name in variants])
axes[1].set(xlabel="window, days", ylabel="Sharpe ratio")
axes[1].set_ylim(-1.3, 1)
axes[1].legend(fontsize=8, loc="lower center", ncols=3)
plt.show()

# %%
# On half of the paths, where no variant was chosen for a reason, the best of twelve reaches a Sharpe ratio of .48 or
# more: most of the .57 on the history is what a search of twelve finds anywhere.
#
# The paths have the autocorrelation that the model found, so a rule may have an edge on them; they hold no trend that
# begins when a rule says so. For strategies that need open, high, low or volume see :meth:`tsgan.Paths.iter_prices`.
