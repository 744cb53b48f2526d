"""
A stress test of a 60/40 portfolio
==================================

What a year does to 60 % stocks and 40 % bonds, and what it does when stocks, bonds or both fall. The data ship with
the package ``arch``: monthly returns of the US stock market from Kenneth French's library, and Moody's yields of AAA
corporate bonds, 1926 to 2018. A bond index does not ship, so the bond's return is computed from the yield: of a bond
of 20 years that is bought at par and sold a month later. Moody's yields are averages of a month, which smooths the
returns: their first autocorrelation is .33, and the model learns that as if it were the market's.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from arch.data import default, frenchdata

from tsgan import TSGAN, Config

french = frenchdata.load()
months = pd.period_range("1926-07", periods=len(french), freq="M").to_timestamp(how="end").normalize()
stocks = pd.Series((french["Mkt-RF"] + french["RF"]).to_numpy() / 100, index=months)

yields = default.load()["AAA"] / 100
yields.index = yields.index + pd.offsets.MonthEnd(0)
coupon, discount, half_years = yields.shift() / 2, 1 + yields / 2, 40
at_sale = coupon * (1 - discount**-half_years) / (discount - 1) + discount**-half_years
bonds = at_sale * discount ** (1 / 6) - 1  # a month's carry

returns = pd.DataFrame({"STOCKS": stocks, "BONDS": bonds}).dropna()
prices = 100 * (1 + returns).cumprod()
print((12 * returns.mean()).map("{:.1%} a year".format).to_string())
print(f"correlation {returns.corr().iloc[0, 1]:.2f}, {len(prices):,} months")

# %%
# Learn both together, by the warm start (``steps=0``) since this page is to be quick. The verdict is sober: 1,108
# months, of which 167 are held out, do not tell the model from a GJR-GARCH or from history itself.

model = TSGAN(config=Config().with_training(steps=0), random_state=0).fit(prices)
print("\n".join(model.verdict_))

# %%
# An ordinary year
# ----------------
# Paths of twelve months from random dates of the 92 years, bought at the start and held, beside the twelve months that
# really followed each other.

WEIGHTS = [0.6, 0.4]


def year(paths):
    """Simple return of the portfolio from start to end of each path."""
    return (paths.prices[:, -1] / paths.start_price - 1) @ WEIGHTS


def shortfall(profit, level=0.05):
    """Mean of the worst profits."""
    return np.sort(profit)[: int(len(profit) * level)].mean()


paths = model.sample(10_000, length=12, random_state=1)
history = ((prices.shift(-12) / prices - 1) @ WEIGHTS).dropna().to_numpy()
for name, profit in (("paths", year(paths)), ("history", history)):
    low, middle = np.quantile(profit, [0.05, 0.5])
    print(f"{name:8} median {middle:+.1%}, VaR 5 % {low:+.1%}, expected shortfall {shortfall(profit):+.1%}")

# %%
# Under stress
# ------------
# Each condition holds on every path; ``conditioning`` says how rare such a year is by the model, whose tails that
# figure is as good as. A carry of 4 %, about the yield at the end of 2018, takes the place of the 6 % that bonds
# returned over the 92 years: ``trend`` is the expected log return a year.

stresses = {
    "any year": {},
    "bonds carry 4 %": {"BONDS:trend": 0.04},
    "stocks lose 25 % or more": {"STOCKS": (None, -0.25)},
    "bonds lose 10 % or more": {"BONDS": (None, -0.10)},
    "stocks lose 15 %, bonds 5 %, or more": {"STOCKS": (None, -0.15), "BONDS": (None, -0.05)},
    "stocks at 30 % volatility": {"STOCKS:volatility": 0.30},
}
results = {}
for name, condition in stresses.items():
    stressed = model.sample(2000, length=12, condition=condition or None, random_state=2)
    results[name] = profit = year(stressed)
    reached = stressed.conditioning
    rare = f"{reached.probability:.2%} of years" if reached is not None and reached.probability else ""
    print(f"{name:37} median {np.median(profit):+6.1%}, shortfall {shortfall(profit):+6.1%}  {rare}")

# %%
# The thick lines hold half of the paths, the thin ones nine of ten, the dots are medians.

fig, axes = plt.subplots(figsize=(8, 4), layout="constrained")
names = list(results)[::-1]
low, lower, middle, upper, high = np.percentile([100 * results[name] for name in names], (5, 25, 50, 75, 95), axis=1)
axes.hlines(names, low, high, color="#0072B2")
axes.hlines(names, lower, upper, color="#0072B2", linewidth=8)
axes.plot(middle, names, "o", color="white", markeredgecolor="#0072B2")
axes.axvline(0, color="#8A8A8A", linewidth=0.8)
axes.set(xlabel="return of the 60/40 portfolio over twelve months, %")
plt.show()

# %%
# What this cannot know: paths repeat the joint behaviour of 1926 to 2018. A stress of a kind that those years do not
# hold, such as an inflation with another relation of bonds to stocks, has to be put in by hand.
