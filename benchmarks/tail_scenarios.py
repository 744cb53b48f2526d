"""Protocol T: tail risk of 65 strategies on scenarios of Tail-GAN's synthetic market (Cont et al. 2025).

    python benchmarks/tail_scenarios.py [--market published] [--rows 50000] [--generators "tsgan warm start" ...]
                                        [--seeds 1] [--histories 1] [--jobs 1] [--summary]
                                        [--out benchmarks/results/tail_scenarios.csv]

Five assets, scenarios of 100 steps. Every generator is fitted to the same history of --rows steps (50,000 are 500
scenarios; Tail-GAN was trained on 50,000 scenarios) and draws 20 samples of 1,000 new scenarios. The error is |VaR or
ES at 5 % of a sample / the true one - 1|, mean over samples, over VaR and ES, and over the strategies, as published; in
brackets, also as published, its standard deviation over samples, mean over the others. 55 of the 65 strategies are
static, so that the mean over all hides the dynamic ones: each group has its column. "Law alone" is the same error of
all samples pooled, to which sampling adds little: what the generator has wrong.

Definitions are those of Tail-GAN's public code. What it leaves open, and where this departs from it:
- Noise: normal, correlated across assets; that of the GARCH assets divided by sqrt(chi²(nu) / nu), nu 5 and 10. Assets:
  the noise itself; AR(1) with .5 and with -.12 (the paper's appendix is said to have -.15); GARCH(1,1). Drawn there and
  never published: omega from .03 to .07, alpha .08 to .12, beta .825 to .875, annual volatility .3 to .5 at 25,000
  steps a year, and correlations, absolute values of a random matrix (5 to 95 %: .02 to .57, mean .26). Here .05, .1,
  .85; .30, .35 ... .50; a fixed matrix of mean .275. The AR assets there use the noise of the step before; not here.
- --market published: noise has the size of a step, .2 to .3 %, so that alpha times a squared step is nothing beside
  omega and volatility stands still; every scenario is then divided by its own standard deviation. A history is
  scenarios one after another. --market stationary: the same assets, but the noise in the recursions makes steps of
  variance 1, so that volatility does move (alpha + beta .95), and no scenario is rescaled. A history is one path.
- Increments of prices there are log returns here. Profit is that of the sum of log returns, as there of prices that
  start at 1 and add up increments; capital cancels in relative errors.
- Static: each asset held; 50 random portfolios long and short, normal weights, a tenth of them 0, absolute sum 1.
- Mean reversion, each asset: distance of the price from its mean over the steps 0 to 10. Short from where it crosses
  its 69 % quantile upwards, long from where it crosses its 31 % quantile downwards, until it crosses 0. Trend
  following: mean of the last 10 prices less that of the last 20; long from where it crosses its 69 % quantile upwards,
  short from where it crosses its 31 % quantile downwards, until it crosses 0. Positions earn from the next step on. The
  quantiles are those of all assets together, there of 100 scenarios, here of 10,000. No position before the means are
  known (there the reversion looks ahead for ten steps, which the paper's definition of a strategy rules out).
- The truth: mean over 10 parts of 100,000 scenarios, known to about .1 %. There it is 10,000 test scenarios, from which
  the floor's samples are drawn: sqrt(1 - 1 / 10) of the error of new ones, so that 3.2 here is 3.0 there. Published
  historical simulation draws from 5,000 other scenarios: sqrt(1 + 1 / 10), 3.3. Tail-GAN's 4.6 is the mean over five
  models of that of the training epoch where this very error is least.

Historical simulation draws scenarios from the history: its disjoint windows, or windows from any step on. The classical
volatility models have no autocorrelation, so they cannot know the risk of the AR assets: last table.

Rows (market, rows, history, generator, seed, strategy, measure; value of all samples pooled, distance, spread) are
appended to --out as soon as they are known, and what is there is not computed again; --summary computes nothing. Prints
Markdown. The truth takes 2 minutes, once; the warm start of 5,000 / 10,000 / 20,000 / 50,000 rows 26 / 45 / 85 / 200 s
of one thread, and 1 GiB of memory.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from generators import GENERATORS, MODELS, Sampler, fit_classical, fit_model
from records import append, markdown, read, work

from tsgan.datasets.processes import prices
from tsgan.evaluation.forecasts import tail_of_sample
from tsgan.returns import log_returns

OUT = Path(__file__).parent / "results" / "tail_scenarios.csv"
MARKETS = ("published", "stationary")
ASSETS = ("Gaussian", "AR(.5)", "AR(-.12)", "GARCH-t5", "GARCH-t10")
STEPS, SIZE, LEVEL = 100, 1000, 0.05
BURN_IN = 250  # .95^250 = 3e-6 is left of the starting variance
STEPS_A_YEAR = 25_000
SCALES = np.array([0.30, 0.35, 0.40, 0.45, 0.50]) / np.sqrt(STEPS_A_YEAR)  # standard deviation of a step
CORRELATION = np.array(
    [[1.0, 0.4, 0.2, 0.3, 0.1],
     [0.4, 1.0, 0.3, 0.5, 0.2],
     [0.2, 0.3, 1.0, 0.1, 0.4],
     [0.3, 0.5, 0.1, 1.0, 0.25],
     [0.1, 0.2, 0.4, 0.25, 1.0]]
)  # fmt: skip
PHI = np.array([0.0, 0.5, -0.12, 0.0, 0.0])
NU = {3: 5, 4: 10}  # asset -> degrees of freedom
OMEGA = np.array([1.0, 1.0, 1.0, 0.05, 0.05])
ALPHA = np.array([0.0, 0.0, 0.0, 0.10, 0.10])
BETA = np.array([0.0, 0.0, 0.0, 0.85, 0.85])
UNIT = np.sqrt([1.0, 1 - PHI[1] ** 2, 1 - PHI[2] ** 2, 3 / 5, 8 / 10])  # of the noise: steps of variance 1

PORTFOLIOS = 50
WINDOW = 10
ENTRY = (0.31, 0.69)
GROUPS = {"static": ("hold", "portfolio"), "mean reversion": ("mean reversion",), "trend": ("trend",)}
STRATEGIES = (
    *(f"hold: {asset}" for asset in ASSETS),
    *(f"portfolio: {k}" for k in range(PORTFOLIOS)),
    *(f"mean reversion: {asset}" for asset in ASSETS),
    *(f"trend: {asset}" for asset in ASSETS),
)
RISKS, STEP_MEASURES = ("VaR", "ES"), ("sd", "ACF(1)")

TRUTH, FLOOR = "truth", "sampling floor"
WINDOWS = ("historical windows", "overlapping windows")
CHOICE = (*WINDOWS, *GENERATORS)
TRUTH_PARTS, TRUTH_SIZE, CHUNK = 10, 100_000, 10_000
SAMPLES, FLOOR_SAMPLES = 20, 200
THRESHOLD_STREAM, TRUTH_STREAM, HISTORY_STREAM = range(3)  # of random numbers
KEY = ["market", "rows", "history", "generator", "seed", "strategy", "measure"]
ROWS_A_RUN = len(STRATEGIES) * len(RISKS) + len(ASSETS) * len(STEP_MEASURES)
PUBLISHED = {
    "sampling floor, published": "3.0 (2.2)",
    "historical simulation, published": "3.4 (2.6)",
    "Tail-GAN, published": "4.6 (1.6)",
    "WGAN, published": "21.3 (2.2)",
}


def main() -> None:
    options = parse()
    if not options.summary:
        truth = known_truth(options)
        for rows in work(list(missing(options, truth, read(options.out, KEY))), options.jobs):
            append(options.out, rows)
    known = read(options.out, KEY)
    print(summary(known[(known.market == options.market) & known.rows.isin((0, options.rows))]))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--market", choices=MARKETS, default=MARKETS[0])
    parser.add_argument("--rows", type=int, default=50_000, help="steps of the history, a multiple of 100")
    parser.add_argument("--generators", nargs="+", choices=CHOICE, default=list(CHOICE), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--histories", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="histories or models at once, one thread each")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--summary", action="store_true", help="only print what --out holds")
    options = parser.parse_args()
    if options.rows < STEPS or options.rows % STEPS:
        parser.error(f"--rows must be a multiple of {STEPS}")
    return options


# market ---------------------------------------------------------------------------------------------------------------


def simulate(market: str, n: int, steps: int, rng: np.random.Generator) -> np.ndarray:
    """(n, steps, assets) log returns of independent scenarios."""
    r = rng.standard_normal((BURN_IN + steps, n, len(ASSETS))) @ np.linalg.cholesky(CORRELATION).T
    for asset, nu in NU.items():
        r[..., asset] /= np.sqrt(rng.chisquare(nu, r.shape[:2]) / nu)
    r *= SCALES if market == "published" else UNIT
    variance = np.ones(r.shape[1:])
    for t in range(len(r)):  # from noise to returns, in place
        r[t] *= np.sqrt(variance)
        r[t] += PHI * r[t - 1] if t else 0
        variance = OMEGA + ALPHA * r[t] ** 2 + BETA * variance
    r = r[BURN_IN:].transpose(1, 0, 2)
    return SCALES * (r / r.std(axis=1, keepdims=True) if market == "published" else r)


def scenarios(market: str, n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Scenarios, a few at a time."""
    for first in range(0, n, CHUNK):
        yield simulate(market, min(CHUNK, n - first), STEPS, rng)


def make_history(market: str, rows: int, seed: int) -> pd.DataFrame:
    """Prices of one history: scenarios one after another, or one path."""
    rng = np.random.default_rng((HISTORY_STREAM, seed))
    cut = (rows // STEPS, STEPS) if market == "published" else (1, rows)
    history = prices(simulate(market, *cut, rng).reshape(rows, -1), first_date="1700-01-03")
    return history.set_axis(list(ASSETS), axis=1)


# strategies -----------------------------------------------------------------------------------------------------------


def profits(market: str, returns: np.ndarray) -> np.ndarray:
    """(n, steps, assets) -> (n, strategies) profit of each over the scenario, of a price that starts at 1."""
    held, levels = returns.sum(axis=1), cumulated(returns)
    reversion, trend = (positions(s(levels), q) for s, q in zip(SIGNALS, thresholds(market), strict=True))
    dynamic = [(position[:, :-1] * returns).sum(axis=1) for position in (-reversion, trend)]
    return np.concatenate((held, held @ weights(), *dynamic), axis=1)


@cache
def weights() -> np.ndarray:
    """(assets, portfolios)."""
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((len(ASSETS), PORTFOLIOS)) * (rng.random((len(ASSETS), PORTFOLIOS)) < 0.9)
    return drawn / np.abs(drawn).sum(axis=0)


@cache
def thresholds(market: str) -> list[np.ndarray]:
    """Quantiles of each signal where positions begin."""
    levels = cumulated(simulate(market, CHUNK, STEPS, np.random.default_rng(THRESHOLD_STREAM)))
    return [np.nanquantile(signal(levels), ENTRY) for signal in SIGNALS]


def cumulated(x: np.ndarray) -> np.ndarray:
    """Sums of the first 0, 1, ... steps."""
    return np.concatenate((np.zeros_like(x[:, :1]), x.cumsum(axis=1)), axis=1)


def reversion_signal(levels: np.ndarray) -> np.ndarray:
    """Distance from the mean of the first prices, once it is known."""
    signal = levels - levels[:, : WINDOW + 1].mean(axis=1, keepdims=True)
    signal[:, :WINDOW] = np.nan
    return signal


def trend_signal(levels: np.ndarray) -> np.ndarray:
    """Mean of the last prices less that of the last twice as many, once both are known."""
    sums, signal = cumulated(levels), np.full_like(levels, np.nan)
    short, long = ((sums[:, k:] - sums[:, :-k]) / k for k in (WINDOW, 2 * WINDOW))
    signal[:, 2 * WINDOW - 1 :] = short[:, WINDOW:] - long
    return signal


SIGNALS = (reversion_signal, trend_signal)


def positions(signal: np.ndarray, entry: np.ndarray) -> np.ndarray:
    """1 from where a signal rises to the upper entry, -1 from where it falls to the lower, until it crosses 0."""
    before, now = signal[:, :-1], signal[:, 1:]
    up, down = (before < entry[1]) & (now >= entry[1]), (before > entry[0]) & (now <= entry[0])
    event = up | down | ((before < 0) & (now >= 0)) | ((before > 0) & (now <= 0))
    step = np.arange(1, signal.shape[1])[:, None]
    latest = np.maximum.accumulate(np.where(event, step, 0), axis=1)  # event so far; there is none at step 0
    side = np.concatenate((np.zeros_like(signal[:, :1]), up.astype(float) - down), axis=1)
    return np.concatenate((side[:, :1], np.take_along_axis(side, latest, axis=1)), axis=1)


# work -----------------------------------------------------------------------------------------------------------------


def known_truth(options: argparse.Namespace) -> np.ndarray:
    """True values, computed once, in the order of `table`."""
    known = read(options.out, KEY)
    truth = known[(known.market == options.market) & (known.generator == TRUTH)]
    if len(truth) < ROWS_A_RUN:
        truth = true_values(options.market)
        append(options.out, truth)
    return truth["value"].to_numpy()


def true_values(market: str) -> pd.DataFrame:
    """VaR and ES of every strategy; the distance is the relative standard error."""
    rng, parts = np.random.default_rng(TRUTH_STREAM), []
    for _ in range(TRUTH_PARTS):
        pieces = [(profits(market, r), step_measures(r)) for r in scenarios(market, TRUTH_SIZE, rng)]
        risks = tail_of_sample(np.concatenate([profit for profit, _ in pieces]).T, LEVEL)
        parts.append(np.concatenate((*risks, np.mean([measured for _, measured in pieces], axis=0))))
    mean, error = np.mean(parts, axis=0), np.std(parts, axis=0) / np.sqrt(TRUTH_PARTS - 1)
    return table(market, (0, 0, TRUTH, 0), mean, error / unit(mean), np.zeros_like(mean))


def unit(truth: np.ndarray) -> np.ndarray:
    """What an error is relative to: the true risk; measures of steps have errors as they are."""
    return np.where(np.arange(len(truth)) < len(STRATEGIES) * len(RISKS), np.abs(truth), 1.0)


def missing(
    options: argparse.Namespace, truth: np.ndarray, known: pd.DataFrame
) -> Iterator[Callable[[], pd.DataFrame]]:
    """Pieces of work that are not in the file: quick ones first, models of ours last."""
    market, rows = options.market, options.rows
    done = {key for key, found in known.groupby(KEY[:5]) if len(found) == ROWS_A_RUN}
    if (market, 0, 0, FLOOR, 0) not in done:
        yield partial(judge_floor, market, truth)
    runs = [(h, seed) for h in range(options.histories) for seed in range(options.seeds)]
    for history in range(options.histories):
        keys = [(name, seed) for name in options.generators if name not in MODELS for seed in range(options.seeds)]
        todo = [(name, seed) for name, seed in keys if (market, rows, history, name, seed) not in done]
        if todo:
            yield partial(judge_classical, options, truth, history, todo)
    for name in (name for name in MODELS if name in options.generators):
        for history, seed in runs:
            if (market, rows, history, name, seed) not in done:
                yield partial(judge_model, options, truth, history, name, seed)


def judge_floor(market: str, truth: np.ndarray) -> pd.DataFrame:
    sampler = partial(fresh, market)
    return judge(market, truth, (0, 0, FLOOR, 0), sampler, FLOOR_SAMPLES)


def fresh(market: str, n: int, steps: int, seed: int) -> np.ndarray:
    return simulate(market, n, steps, np.random.default_rng(seed))


def judge_classical(
    options: argparse.Namespace, truth: np.ndarray, history: int, keys: Sequence[tuple[str, int]]
) -> pd.DataFrame:
    past = make_history(options.market, options.rows, history)
    samplers = fit_classical(past, list({name for name, _ in keys}))
    samplers |= {name: partial(draw_windows, log_returns(past.to_numpy()), name == WINDOWS[1]) for name in WINDOWS}
    runs = [(name, (options.rows, history, name, seed)) for name, seed in keys]
    return pd.concat([judge(options.market, truth, run, samplers[name]) for name, run in runs])


def draw_windows(returns: np.ndarray, overlap: bool, n: int, steps: int, seed: int) -> np.ndarray:
    """Windows of the history, disjoint ones or from any step on."""
    starts = np.arange(0, len(returns) - steps + 1, 1 if overlap else steps)
    drawn = np.random.default_rng(seed).choice(starts, n)
    return returns[drawn[:, None] + np.arange(steps)]


def judge_model(options: argparse.Namespace, truth: np.ndarray, history: int, name: str, seed: int) -> pd.DataFrame:
    sampler = fit_model(make_history(options.market, options.rows, history), name, seed)
    return judge(options.market, truth, (options.rows, history, name, seed), sampler)


def judge(
    market: str, truth: np.ndarray, run: tuple[int, int, str, int], sampler: Sampler, samples: int = SAMPLES
) -> pd.DataFrame:
    """Errors of samples of 1,000 scenarios; the value is that of all of them."""
    found, errors, steps = [], [], []
    for sample in range(samples):
        returns = sampler(SIZE, STEPS, zlib.crc32(f"{market} {run} {sample}".encode()))
        profit = profits(market, returns)
        measured = step_measures(returns)
        risks = np.concatenate((*tail_of_sample(profit.T, LEVEL), measured))
        found.append(profit)
        steps.append(measured)
        errors.append(np.abs(risks - truth) / unit(truth))
    pooled = np.concatenate((*tail_of_sample(np.concatenate(found).T, LEVEL), np.mean(steps, axis=0)))
    return table(market, run, pooled, np.mean(errors, axis=0), np.std(errors, axis=0))


def step_measures(returns: np.ndarray) -> np.ndarray:
    """Standard deviation and autocorrelation at lag 1 of the steps of each asset, one after the other."""
    square = np.square(returns).mean(axis=(0, 1))
    return np.concatenate((np.sqrt(square), (returns[:, 1:] * returns[:, :-1]).mean(axis=(0, 1)) / square))


def table(
    market: str, run: tuple[int, int, str, int], value: np.ndarray, distance: np.ndarray, spread: np.ndarray
) -> pd.DataFrame:
    """Rows in the order of the values: VaR of all strategies, ES of all, then the measures of steps."""
    names = [(strategy, risk) for risk in RISKS for strategy in STRATEGIES]
    names += [(f"step: {asset}", measure) for measure in STEP_MEASURES for asset in ASSETS]
    rows = pd.DataFrame([(market, *run, *name) for name in names], columns=KEY)
    return rows.assign(value=value, distance=distance, spread=spread)


# summary --------------------------------------------------------------------------------------------------------------


def summary(known: pd.DataFrame) -> str:
    place = ["strategy", "measure"]
    truth = known[known.generator == TRUTH].set_index(place)["value"].rename("true")
    cases = known[known.generator != TRUTH].join(truth, on=place)
    cases["off"] = cases["value"] / cases["true"] - 1
    cases["group"], cases["asset"] = zip(*cases.strategy.str.split(": "), strict=True)
    names = [name for name in (FLOOR, *CHOICE) if (cases.generator == name).any()]
    risks, steps = cases[cases.measure.isin(RISKS)], cases[cases.measure.isin(STEP_MEASURES)]
    title = (
        f"Tail-GAN's synthetic market, {cases.market.iloc[0]}: a history of {max(cases['rows']):,} steps; error in % "
        "of VaR and ES at 5 % from samples of 1,000 scenarios, mean (standard deviation over samples)."
    )
    heads = (
        "Error in % of all samples pooled, with its sign (+: risk overstated), mean of VaR and ES: held / mean "
        "reversion / trend following.",
        "Steps: autocorrelation at lag 1; standard deviation / the true one.",
    )
    tables = ([main_line(risks, name) for name in names], [asset_line(risks, name) for name in names],
              [true_line(truth), *(step_line(steps, name) for name in names)])  # fmt: skip
    tables[0].extend({**dict.fromkeys(tables[0][0], ""), "generator": k, "all": v} for k, v in PUBLISHED.items())
    return "\n\n".join((title, markdown(tables[0]), heads[0], markdown(tables[1]), heads[1], markdown(tables[2])))


def main_line(risks: pd.DataFrame, name: str) -> dict[str, str]:
    runs = risks[risks.generator == name]
    each = 100 * runs.groupby(["history", "seed"])["distance"].mean()
    line = {"generator": name, "runs": f"{len(each)}" + (f", ± {each.std():.2f}" if len(each) > 1 else "")}
    line["all"] = cell(runs)
    line |= {group: cell(runs[runs.group.isin(members)]) for group, members in GROUPS.items()}
    return line | {"law alone": f"{100 * runs.off.abs().mean():.2f}"}


def cell(runs: pd.DataFrame) -> str:
    return f"{100 * runs.distance.mean():.2f} ({100 * runs.spread.mean():.2f})"


def asset_line(risks: pd.DataFrame, name: str) -> dict[str, str]:
    off = 100 * risks[risks.generator == name].groupby(["asset", "group"])["off"].mean()
    kinds = ("hold", "mean reversion", "trend")
    return {"generator": name} | {a: " / ".join(f"{off[a, kind]:+.1f}" for kind in kinds) for a in ASSETS}


def true_line(truth: pd.Series) -> dict[str, str]:
    return {"generator": TRUTH} | {asset: f"{truth[f'step: {asset}', 'ACF(1)']:+.3f}" for asset in ASSETS}


def step_line(steps: pd.DataFrame, name: str) -> dict[str, str]:
    runs = steps[steps.generator == name].groupby(["asset", "measure"])
    value, off = runs["value"].mean(), runs["off"].mean()
    return {"generator": name} | {a: f"{value[a, 'ACF(1)']:+.3f}; {1 + off[a, 'sd']:.3f}" for a in ASSETS}


if __name__ == "__main__":
    main()
