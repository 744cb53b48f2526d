"""
Crisis scenarios
================

Paths that begin as a crisis did, that are as volatile as asked, or that fall as far as asked, with the probability of
that. The S&P 500 of 1999 to 2018 ships with the package ``arch``.
"""

import matplotlib.pyplot as plt
import numpy as np

from tsgan import TSGAN, Config
from tsgan.datasets import load

prices = load("sp500")
model = TSGAN(config=Config().with_training(steps=0), random_state=0).fit(prices)  # the warm start alone, for speed

# %%
# Three ways to ask
# -----------------
# ``like`` takes the state before a period of the data and its volatility, not its prices; ``regime`` begins in the
# wildest tenth of days; ``volatility`` is a number, met on every path. Sixty days each.

scenarios = {
    "from today": {"start": "last"},
    "calm": {"condition": {"regime": "calm"}},
    "stressed": {"condition": {"regime": "stressed"}},
    "like dot-com": {"like": "dot-com"},
    "like lehman": {"like": "lehman"},
    "volatility 40 %": {"condition": {"volatility": 0.40}},
}
drawn = {name: model.sample(1000, length=60, random_state=1, **asked) for name, asked in scenarios.items()}

for name, paths in drawn.items():
    daily, whole = paths.returns[..., 0].ravel(), paths.prices[:, -1, 0] / paths.start_price[0] - 1
    volatility = daily.std() * np.sqrt(model.periods_per_year_)
    loss = np.sort(whole)[:25].mean()
    print(f"{name:16} volatility {volatility:5.1%}, expected shortfall of 60 days at 2.5 % {loss:+.1%}")

# %%
# All begin at the last price. Bands hold half and nine tenths of the paths.

fig, grid = plt.subplots(2, 3, figsize=(9, 5), sharex=True, sharey=True, layout="constrained")
for axes, (name, paths) in zip(grid.flat, drawn.items(), strict=True):
    values = paths.prices[..., 0]
    low, first, middle, third, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    days = np.arange(1, paths.length + 1)
    axes.fill_between(days, low, high, color="#0072B2", alpha=0.2)
    axes.fill_between(days, first, third, color="#0072B2", alpha=0.3)
    axes.plot(days, middle, color="#D55E00")
    axes.plot(days, values[:3].T, color="black", linewidth=0.5)
    axes.set_title(name, fontsize=10)
for axes in grid[:, 0]:
    axes.set_ylabel("S&P 500")
for axes in grid[1]:
    axes.set_xlabel("day")

# %%
# A fall of a fifth
# -----------------
# A year that ends 20 % lower or worse, and the same at 35 % from the highest point: how rare by the model, and how the
# rest of the path looks. What is rare is reached by splitting; then some paths are relatives, and the effective
# number says what they are worth.

crashes = {
    "a year of -20 % or worse": {"return": (None, -0.20)},
    "a fall of 35 % or more": {"drawdown": (0.35, None)},
    "a year of -50 % or worse": {"return": (None, -0.50)},
}
for name, condition in crashes.items():
    crash = model.sample(500, length=252, condition=condition, random_state=1)
    reached, returns = crash.conditioning, crash.returns[..., 0]
    year = returns.std(axis=1).mean() * np.sqrt(252)
    print(f"{name:25} {reached.probability:.2%} of years; 500 paths worth {reached.effective_samples:.0f};", end=" ")
    print(f"volatility {year:.0%}, worst day {returns.min(axis=1).mean():+.1%} in the mean")

# %%
# The probability is the model's and as good as its tails: of 20 years of one index, hardly anything is known about
# years of -50 %. Paths of a scenario have the mean volatility of the period, not its range: over a long crisis they
# are too even, and their shortfall too mild (for 2007 to 2009 6.2 % a day where 7.4 % came; ``docs/experiments.md``).
