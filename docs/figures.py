"""The figures of docs/how_it_works.md, drawn from the program as it is."""

import matplotlib.pyplot as plt
import numpy as np
import torch

from tsgan import TSGAN, Config
from tsgan.datasets import load
from tsgan.procedure import slices
from tsgan.windows import Windows

BLUE, RED, GREY = "#0072B2", "#D55E00", "#8A8A8A"
PRICES = load("sp500")
YEAR = np.sqrt(252)


def _fitted(prices):
    return TSGAN(config=Config().with_training(steps=0), random_state=0).fit(prices)


def memory():
    """Draw returns, what is remembered of them, and the scale of the next return."""
    model = _fitted(PRICES["2003":"2010"])
    law, dates = model.law_, model.dates_[1:]
    states = law.states(model.returns_)[:-1]
    deviation, half_lives = law.scaling.deviation[0], law.generator.config.half_lives
    with torch.no_grad():
        scale = law.generator.prepare()(states)[1][:, 0].numpy() * deviation
    _, (top, middle, bottom) = plt.subplots(3, 1, figsize=(8, 6.5), sharex=True, layout="constrained")
    top.plot(dates, 100 * model.returns_[:, 0], color="black", linewidth=0.5)
    top.set_ylabel("log return, %")
    top.set_title("the S&P 500's returns", loc="left")
    for half_life, colour in ((1, GREY), (16, BLUE), (256, RED)):
        squares = states[:, 0, :2, half_lives.index(half_life)].sum(-1).numpy()
        volatility = 100 * YEAR * deviation * np.sqrt(squares)
        middle.plot(dates, volatility, color=colour, linewidth=0.9, label=f"half-life {half_life} days")
    middle.set_ylabel("volatility, % a year")
    middle.set_title("memory: three of the ten averages of squares, falling and rising days together", loc="left")
    middle.legend(loc="upper left", fontsize=8)
    bottom.plot(dates, 100 * YEAR * scale, color=BLUE, linewidth=0.9)
    bottom.set_ylabel("volatility, % a year")
    bottom.set_title("scale: what the law makes of all of them for the next day", loc="left")


def innovation():
    """Draw the law of the next return on a calm and on a wild day, and the innovation alone."""
    model = _fitted(PRICES)
    law = model.law_
    states = law.states(model.returns_)[:-1]
    with torch.no_grad():
        step = law.generator.prepare()
        scale = step(states)[1][:, 0]
        order = scale.argsort()
        chosen = states[order[[len(order) // 20, -len(order) // 50]]]
        x = torch.linspace(-12, 12, 4001)
        _, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
        for state, name, colour in zip(chosen, ("a calm day", "a wild day"), (BLUE, RED), strict=True):
            mean, deviation, law_of_e = step(state[None])
            density = law_of_e.log_density(x[:, None])[:, 0].exp()
            unit = 100 * deviation.item() * law.scaling.deviation[0]
            left.plot(unit * (x + mean.item() / deviation.item()), density / unit, color=colour, label=name)
            right.semilogy(x, density, color=colour, label=name)
    right.semilogy(x, torch.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color=GREY, linestyle="--", label="normal")
    left.set(xlim=(-8, 8), xlabel="next log return, %", ylabel="density")
    right.set(xlim=(-8, 8), ylim=(1e-5, 1), xlabel="innovation: return / scale", ylabel="density")
    left.legend(fontsize=8)
    right.legend(fontsize=8, loc="lower center")


def critic():
    """Draw windows as a critic sees them."""
    model = _fitted(PRICES["2003":"2010"])
    law, returns = model.law_, model.returns_
    config = Config().training
    windows = Windows(law.standardise(returns), law.states(returns), config.past, config.future)
    batch = windows.at(torch.tensor([1290, 1450]))
    generated = law.run(batch.state, config.future, torch.Generator().manual_seed(1)) / law.scaling.deviation
    steps = np.arange(-config.past, config.future)
    _, grid = plt.subplots(2, 2, figsize=(8, 4.4), sharex=True, sharey=True, layout="constrained")
    for column, (past, future, drawn) in enumerate(zip(batch.past, batch.future, generated, strict=True)):
        for axes, values, name in ((grid[0, column], future, "real"), (grid[1, column], drawn, "generated")):
            axes.plot(steps[: config.past], past[:, 0], color="black", linewidth=0.6)
            axes.plot(steps[config.past :], values[:, 0], color=BLUE if name == "real" else RED, linewidth=0.6)
            axes.axvline(-0.5, color=GREY, linewidth=0.8)
            axes.set_title(f"real past | {name} future", loc="left", fontsize=10)
    for axes in grid[:, 0]:
        axes.set_ylabel("standardised return")
    for axes in grid[1]:
        axes.set_xlabel("day from the origin")


def split():
    """Draw what each part of the rows is for."""
    rows = len(PRICES) - 1
    train, choose = slices(rows)
    dates = PRICES.index
    _, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    axes.semilogy(dates, PRICES["SP500"], color="black", linewidth=0.7)
    parts = ((0, train, BLUE, "trains: 70 %"), (train, choose, GREY, "chooses\nthe steps: 15 %"))
    for first, last, colour, name in (*parts, (choose, rows, RED, "verdict:\n15 %")):
        axes.axvspan(dates[first], dates[last], color=colour, alpha=0.2, linewidth=0)
        axes.text(dates[(first + last) // 2], 690, name, ha="center", va="bottom", fontsize=9)
    axes.set_yticks([700, 1000, 1500, 2000, 3000], ["700", "1,000", "1,500", "2,000", "3,000"])
    axes.minorticks_off()
    axes.set(ylabel="S&P 500", xlim=(dates[0], dates[-1]))
