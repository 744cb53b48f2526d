"""
Synthetic data for a machine-learning model
===========================================

Train on synthetic, test on real. The task: foretell the volatility of the S&P 500 over the next 20 days from what its
returns were. Real data before the split give a few hundred samples that overlap; a fitted law gives as many as one
likes. Is that worth anything on later real days, and is it worth more than paths of a GARCH or a bootstrap?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from tsgan import TSGAN, Config
from tsgan.datasets import load
from tsgan.evaluation import fit_baselines

AHEAD, PAST = 20, 250
prices = load("sp500")
returns = np.log(prices["SP500"]).diff().dropna()


def samples(paths):
    """Features and target, at every fifth day of (paths, days) log returns."""
    sums = [np.cumsum(np.pad(x, ((0, 0), (1, 0))), axis=1) for x in (paths, paths**2, np.minimum(paths, 0) ** 2)]
    days = np.arange(PAST, paths.shape[1] - AHEAD + 1, 5)

    def over(values, first, last):
        return values[:, days + last] - values[:, days + first]

    total, square, falling = sums
    features = [np.log(over(square, -k, 0) / k + 1e-8) for k in (1, 5, 20, 60, 250)]
    features += [over(falling, -k, 0) / (over(square, -k, 0) + 1e-12) for k in (5, 20)]
    features += [over(total, -k, 0) / np.sqrt(over(square, -PAST, 0)) for k in (5, 20)]
    target = np.log(over(square, 0, AHEAD) / AHEAD)
    return np.stack(features, axis=-1).reshape(-1, len(features)), target.ravel()


# %%
# Two splits. Before each, the real days, and 200 paths of 500 days from laws that are fitted to those days: this
# model's (the warm start, ``steps=0``), a GJR-GARCH's and a stationary bootstrap's. After it, all real days to 2018.


def train_and_test(split):
    """R² on the real days after the split, by what was trained on."""
    before, after = returns[:split].to_numpy(), returns[split:].to_numpy()
    model = TSGAN(config=Config().with_training(steps=0), random_state=0).fit(prices[:split])
    classical = fit_baselines(before[:, None], ["GJR-skewt", "stationary bootstrap"])
    training = {"real days": before[None], "tsgan": model.sample(200, length=500, random_state=1).returns[..., 0]}
    training |= {name: law.sample(200, 500, 1)[..., 0] for name, law in classical.items()}

    seen, truth = samples(np.concatenate([before[-PAST:], after])[None])
    naive = np.mean((truth - samples(before[None])[1].mean()) ** 2)
    scores = {"last 20 days": 1 - np.mean((truth - seen[:, 2]) ** 2) / naive}
    for name, paths in training.items():
        learner = HistGradientBoostingRegressor(learning_rate=0.05, min_samples_leaf=50, random_state=0)
        forecast = learner.fit(*samples(paths)).predict(seen)
        scores[name] = 1 - np.mean((truth - forecast) ** 2) / naive
    return scores


table = {split: train_and_test(split) for split in ("2006-12-31", "2012-12-31")}
for split, scores in table.items():
    print(split, ", ".join(f"{name} {score:.3f}" for name, score in scores.items()))

# %%
# R² against the mean of the days before the split; the reference "last 20 days" takes the volatility of the last
# twenty for the forecast.

names = list(next(iter(table.values())))
fig, axes = plt.subplots(figsize=(8, 4), layout="constrained")
for i, name in enumerate(names):
    values = [scores[name] for scores in table.values()]
    axes.bar(np.arange(len(table)) + 0.16 * (i - 2), values, width=0.15, label=name)
axes.set_xticks(range(len(table)), [f"trained to {split[:4]}" for split in table])
axes.set_ylabel("R² on later real days")
axes.set_ylim(0, 0.7)
axes.legend(ncols=3, fontsize=8, loc="upper center")
plt.show()

# %%
# A learner trained on paths of a fitted law is better on later real days than one trained on the few real samples,
# in both splits. But a GJR-GARCH's paths do it nearly as well, and a bootstrap's do not help: what counts is that the
# law is smooth and has the right memory, and for one index a GARCH has it. One seed, one learner, one task: measure it
# on your own before you rely on it.
