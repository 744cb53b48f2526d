"""Protocol P: what two strategies earn on synthetic paths, held against the years that followed.

    python benchmarks/strategy_profit.py [--quick] [--panels sp etf fx] [--generators "tsgan warm start" ...]
                                         [--seeds 1] [--jobs 1] [--summary]
                                         [--out benchmarks/results/strategy_profit.csv]

Every generator is fitted to the training days of each series of protocol H alone and draws 200 unconditional paths of
the test's length. Momentum (sign of the last 60 days) and mean reversion (against the last 5) run on all of them, and
on 1,000 block bootstraps (mean block 250) of the test days. A figure (annual return, volatility, Sharpe ratio, 5 % VaR
of a day, maximum drawdown) is met where its median over the generator's paths lies inside the 5 to 95 % interval of the
bootstraps. The spread is the width of the generator's own 5 to 95 % interval over that of the bootstraps, geometric
mean over the figures.

That finds absurd paths and does not rank good ones: the intervals are wide, and even independent normal days are mostly
inside. Volatility, VaR and drawdown are missed where the test days are calmer or wilder than the training days.

Rows (panel, series, generator, seed, strategy, figure, and its quantiles low, median, high at 5, 50, 95 %) are appended
to --out as soon as they are known, and what is there is not computed again; --summary computes nothing. "bootstrap" are
the bootstraps, "real" the test days themselves. --quick takes 3 series. Prints Markdown. Reads the tidy daily files in
the folder TSGAN_DATA (default: beside the repository).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from generators import GENERATORS, MODELS, Sampler, block_bootstrap, fit_classical, fit_model
from heldout import FLOOR_SEED, PANELS, PATHS, Series, load_panel
from records import append, markdown, read, work

from tsgan.evaluation.risk.strategies import mean_reversion, momentum, strategy_distribution
from tsgan.paths import Paths

OUT = Path(__file__).parent / "results" / "strategy_profit.csv"
QUICK = {("sp", "2004"), ("etf", "TLT"), ("fx", "EUR")}
STRATEGIES = {"momentum": momentum, "mean reversion": mean_reversion}
FIGURES = {  # of strategy_distribution -> heading
    "annual_return": "return",
    "volatility": "volatility",
    "sharpe": "Sharpe",
    "var_5": "VaR",
    "max_drawdown": "drawdown",
}
BOOTSTRAPS = 1000
KEY = ["panel", "series", "generator", "seed", "strategy", "figure"]
QUANTILES = ["low", "median", "high"]


def main() -> None:
    options = parse()
    all_series = list(chosen(options))
    if not options.summary:
        for rows in work(list(missing(options, all_series, read(options.out, KEY))), options.jobs):
            append(options.out, rows)
    known = read(options.out, KEY)
    wanted = {(s.panel, s.name) for s in all_series}
    print(summary(known[[pair in wanted for pair in zip(known.panel, known.series, strict=True)]]))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 series instead of 46")
    parser.add_argument("--panels", nargs="+", choices=PANELS, default=list(PANELS))
    parser.add_argument("--generators", nargs="+", choices=GENERATORS, default=list(GENERATORS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="series at once, one thread each")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--summary", action="store_true", help="only print what --out holds")
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> Iterator[Series]:
    for panel in options.panels:
        for series in load_panel(panel):
            if not options.quick or (panel, series.name) in QUICK:
                yield series


# work -----------------------------------------------------------------------------------------------------------------


def missing(
    options: argparse.Namespace, all_series: Sequence[Series], known: pd.DataFrame
) -> Iterator[Callable[[], pd.DataFrame]]:
    """Pieces of work that are not in the file: quick ones of all series first, models of ours last."""
    done = {key for key, rows in known.groupby(KEY[:4]) if len(rows) == len(STRATEGIES) * len(FIGURES)}
    classical = [name for name in options.generators if name not in MODELS]
    for s in all_series:
        if not {(s.panel, s.name, name, 0) for name in ("bootstrap", "real")} <= done:
            yield partial(judge_real, s)
        keys = [(name, seed) for name in classical for seed in range(options.seeds)]
        todo = [key for key in keys if (s.panel, s.name, *key) not in done]
        if todo:
            yield partial(judge_classical, s, todo)
    for name in (name for name in MODELS if name in options.generators):
        for seed in range(options.seeds):
            for s in all_series:
                if (s.panel, s.name, name, seed) not in done:
                    yield partial(judge_model, s, name, seed)


def judge_real(series: Series) -> pd.DataFrame:
    """The test days, and the interval that chance alone makes of them."""
    sampler = block_bootstrap(series.test)
    parts = {"bootstrap": sampler(BOOTSTRAPS, len(series.test), FLOOR_SEED), "real": series.test[None, :, None]}
    return pd.concat([rows(series, name, 0, returns) for name, returns in parts.items()])


def judge_classical(series: Series, keys: Sequence[tuple[str, int]]) -> pd.DataFrame:
    samplers = fit_classical(series.prices, list({name for name, _ in keys}))
    return pd.concat([judge(series, name, samplers[name], seed) for name, seed in keys])


def judge_model(series: Series, name: str, seed: int) -> pd.DataFrame:
    return judge(series, name, fit_model(series.prices, name, seed), seed)


def judge(series: Series, name: str, sampler: Sampler, seed: int) -> pd.DataFrame:
    return rows(series, name, seed, sampler(PATHS, len(series.test), seed))


def rows(series: Series, generator: str, seed: int, returns: np.ndarray) -> pd.DataFrame:
    dates = pd.bdate_range(series.prices.index[-1], periods=returns.shape[1] + 1)[1:]
    paths = Paths(returns, series.prices.to_numpy()[-1], dates, list(series.prices.columns))
    found = strategy_distribution(STRATEGIES, paths, periods_per_year=252).summary()[QUANTILES]
    found = found[found.index.isin(FIGURES, level="figure")].rename_axis(["strategy", "figure"]).reset_index()
    about = dict(zip(KEY, (series.panel, series.name, generator, seed), strict=False))
    return found.assign(**about)[[*KEY, *QUANTILES]]


# summary --------------------------------------------------------------------------------------------------------------


def summary(known: pd.DataFrame) -> str:
    place = ["panel", "series", "strategy", "figure"]
    bootstraps = known["generator"] == "bootstrap"
    chance = known[bootstraps].set_index(place)[["low", "high"]].add_prefix("chance ")
    cases = known[~bootstraps].join(chance, on=place)
    cases["inside"] = cases["median"].between(cases["chance low"], cases["chance high"])
    width = (cases["high"] - cases["low"]).where(cases["generator"] != "real")  # one history has no width
    cases["spread"] = np.log(width / (cases["chance high"] - cases["chance low"]))
    series, seeds = cases.groupby(["panel", "series"]).ngroups, cases["seed"].nunique()
    title = (
        f"Strategy profit: {series} series, {seeds} seed{'s' * (seeds > 1)}; share of figures whose median over "
        "the paths lies inside the test days' block-bootstrap 90 % interval, ± standard error over series; of each "
        "figure for momentum / mean reversion."
    )
    return f"{title}\n\n{markdown([line(cases[cases['generator'] == name], name) for name in shown(cases)])}"


def shown(cases: pd.DataFrame) -> list[str]:
    return [name for name in (*GENERATORS, "real") if (cases["generator"] == name).any()]


def line(cases: pd.DataFrame, name: str) -> dict[str, str]:
    each = cases.groupby(["panel", "series"])["inside"].mean()
    share = cases.groupby(["figure", "strategy"])["inside"].mean()
    return {
        "generator": name,
        "series": str(len(each)),
        "inside": f"{each.mean():.3f}" + (f" ± {each.sem():.3f}" if len(each) > 1 else ""),
        "spread": f"{np.exp(cases['spread'].mean()):.2f}" if name != "real" else "",
        **{title: " / ".join(f"{share[figure, s]:.2f}" for s in STRATEGIES) for figure, title in FIGURES.items()},
    }


if __name__ == "__main__":
    main()
