"""Protocol C, laws given a history or covariates: ranks, the simulated process, scores (see conditioning.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from conditioned import Found, Run, cases_of, fitted, half, prices_of, share, unfitted
from records import markdown
from scipy import stats

from tsgan import TSGAN
from tsgan.datasets.processes import MarkovSwitching
from tsgan.datasets.processes import prices as as_prices
from tsgan.device import random_stream
from tsgan.evaluation import fit_baselines, fz0
from tsgan.evaluation.forecasts import tail_of_sample
from tsgan.evaluation.risk import berkowitz, rolling_pit
from tsgan.evaluation.risk.comparisons import diebold_mariano
from tsgan.returns import log_returns


@cache
def fitted_classical(name: str) -> dict[str, Any]:
    """Classical methods fitted to the first half of a series."""
    returns = log_returns(prices_of(name).iloc[: half(name)].to_numpy())
    return dict(fit_baselines(returns, ["GJR-skewt", "FHS GJR-skewt", "historical"]))


# probability integral transform ---------------------------------------------------------------------------------------

YEARLY = 250


def pit(run: Run) -> Found:
    prices, rows = prices_of(run.series), half(run.series)
    ours, start = fitted(run.series, run.steps, rows), prices.index[rows]
    yearly = {"refit_every": YEARLY, "train_window": rows - 1}
    laws: dict[str, tuple[Any, dict[str, Any]]] = {
        "tsgan": (ours, {}),
        "tsgan, yearly": (unfitted(run.steps, 0), yearly),
        **{name: (baseline, {}) for name, baseline in fitted_classical(run.series).items()},
        "GJR-skewt, yearly": ("GJR-skewt", yearly),
    }
    ranks = {
        name: rolling_pit(law, prices, start, random_state=run.seed, **options).iloc[:, 0].to_numpy()
        for name, (law, options) in laws.items()
    }
    came = log_returns(prices.iloc[rows - 1 :].to_numpy())[:, 0]
    ranks["tsgan, no history"] = ranks_in(one_step_sample(ours, run.seed), came)
    return {(name, k): v for name, u in ranks.items() for k, v in uniformity(u).items()}


def one_step_sample(model: TSGAN, seed: int) -> np.ndarray:
    """Sorted one-step returns of a market of which nothing is known."""
    return np.sort(model.sample(2000, 100, random_state=seed).returns.ravel())


def ranks_in(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    return (np.searchsorted(ordered, values) + 0.5) / (len(ordered) + 1)


def uniformity(u: np.ndarray) -> dict[str, float]:
    z = stats.norm.ppf(u)
    return {
        "Berkowitz": berkowitz(u).p_value,
        "KS": float(stats.kstest(u, "uniform").pvalue),
        "mean": z.mean(),
        "deviation": z.std(),
        "autocorrelation": np.corrcoef(z[1:], z[:-1])[0, 1],
        "clustering": np.corrcoef(np.abs(z[1:]), np.abs(z[:-1]))[0, 1],
        "dates": len(u),
        **{f"decile {k}": v for k, v in enumerate(np.histogram(u, 10, (0, 1))[0] / len(u), 1)},
    }


def show_pit(known: pd.DataFrame) -> str:
    table = {(series, law): values for series, law, values in cases_of(known)}
    laws, series = (list(dict.fromkeys(key[i] for key in table)) for i in (1, 0))
    passed = [
        {
            "law": law,
            **{f"{s} ({table[s, law]['dates']:.0f})": pit_cell(table[s, law]) for s in series},
            "Berkowitz > .05": share([table[s, law]["Berkowitz"] > 0.05 for s in series]),
            "KS > .05": share([table[s, law]["KS"] > 0.05 for s in series]),
        }
        for law in laws
    ]
    scores = [{"normal scores": law, **{s: score_cell(table[s, law]) for s in series}} for law in laws]
    return "\n\n".join(
        (
            "**PIT** of one-step forecasts of the second half (dates): p of Berkowitz / of KS.",
            markdown(passed),
            "Normal scores of the ranks: mean / deviation / autocorrelation / that of sizes, expected 0 / 1 / 0 / 0.",
            markdown(scores),
        )
    )


def pit_cell(values: pd.Series) -> str:
    return f"{p_value(values['Berkowitz'])} / {p_value(values['KS'])}"


def p_value(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def score_cell(values: pd.Series) -> str:
    return " / ".join(f"{values[k]:+.2f}".replace("+1.", "1.").replace("+0.", ".").replace("-0.", "-.")
                      for k in ("mean", "deviation", "autocorrelation", "clustering"))  # fmt: skip


# process --------------------------------------------------------------------------------------------------------------

LAW = MarkovSwitching(means=(0.0006, -0.0010), volatilities=(0.006, 0.020), persistence=(0.99, 0.97))
PROCESS_ROWS, PROCESS_PATHS, EXACT_PATHS, FLOOR_DRAWS = 5000, 10_000, 200_000, 50
PROCESS_SEEDS, PROCESS_STEPS = 5, 20
SIGNAL_NOISE, NEWS_EFFECT = 0.25, 0.4
NAMES = ("calm", "wild")
ALTERNATING = (1.0, -1.0) * (PROCESS_STEPS // 2)


class Given(NamedTuple):
    """What is known of a path, on all its steps; None is not known."""

    state: int | None = None
    news: float | tuple[float, ...] | None = None
    """One number, or one a step"""


class World(NamedTuple):
    """A variant of the process: its covariates, and what is asked of it."""

    news: bool
    covariates: Callable[[np.ndarray, np.ndarray, np.random.Generator], dict[str, Any]]
    """States and news of all steps -> columns"""
    cases: dict[str, tuple[dict[str, Any], Given]]
    """Name -> condition, and what is then known"""


WORLDS = {
    "category": World(
        False,
        lambda states, news, rng: {"regime": np.array(NAMES)[states]},
        {
            "calm": ({"regime": "calm"}, Given(0)),
            "wild": ({"regime": "wild"}, Given(1)),
            "not known": ({}, Given()),
            "its own history": ({}, Given()),
        },
    ),
    "number": World(
        False,
        lambda states, news, rng: {"signal": states + SIGNAL_NOISE * rng.standard_normal(len(states))},
        {"0": ({"signal": 0.0}, Given(0)), "1": ({"signal": 1.0}, Given(1)), "not known": ({}, Given())},
    ),
    "two": World(
        True,
        lambda states, news, rng: {"regime": np.array(NAMES)[states], "news": news},
        {
            "calm": ({"regime": "calm"}, Given(0)),
            "wild": ({"regime": "wild"}, Given(1)),
            "news -1": ({"news": -1.0}, Given(None, -1.0)),
            "news 1": ({"news": 1.0}, Given(None, 1.0)),
            "calm, news -1": ({"regime": "calm", "news": -1.0}, Given(0, -1.0)),
            "calm, news 1": ({"regime": "calm", "news": 1.0}, Given(0, 1.0)),
            "wild, news -1": ({"regime": "wild", "news": -1.0}, Given(1, -1.0)),
            "wild, news 1": ({"regime": "wild", "news": 1.0}, Given(1, 1.0)),
            "news 1, -1, 1, ...": ({"news": list(ALTERNATING)}, Given(None, ALTERNATING)),
            "not known": ({}, Given()),
        },
    ),
}


def process_runs() -> Iterator[tuple[str, int]]:
    yield from ((world, seed) for seed in range(PROCESS_SEEDS) for world in WORLDS)


def returns_in(
    states: np.ndarray, news: np.ndarray | float, rng: np.random.Generator, law: MarkovSwitching
) -> np.ndarray:
    scale = np.array(law.volatilities)[states] * np.exp(NEWS_EFFECT * news)
    return np.array(law.means)[states] + scale * rng.standard_normal(states.shape)


def exact(world: World, given: Given, n: int, seed: int, law: MarkovSwitching = LAW) -> np.ndarray:
    """(n, steps) returns of the process where something is known."""
    rng, shape = np.random.default_rng((seed, 1)), (n, PROCESS_STEPS)
    states = law.simulate_with_states(*shape, seed)[1] if given.state is None else np.full(shape, given.state)
    if not world.news:
        return returns_in(states, 0.0, rng, law)
    return returns_in(states, rng.standard_normal(shape) if given.news is None else np.asarray(given.news), rng, law)


class History(NamedTuple):
    """One history of a world."""

    prices: pd.DataFrame
    covariates: pd.DataFrame
    """Row t announces the step from t to t + 1"""
    estimated: MarkovSwitching
    """The true model with parameters estimated from this history, its states and its news"""


def make_history(world: World, seed: int) -> History:
    rng = np.random.default_rng((seed, 2))
    states = LAW.simulate_with_states(1, PROCESS_ROWS, seed)[1][0]
    news = rng.standard_normal(PROCESS_ROWS)
    r = returns_in(states, news if world.news else 0.0, rng, LAW)
    prices = as_prices(r)
    covariates = pd.DataFrame(world.covariates(states, news, rng), index=prices.index[:-1])
    return History(prices, covariates, estimate(r, states, news if world.news else np.zeros(len(r))))


def estimate(r: np.ndarray, states: np.ndarray, news: np.ndarray) -> MarkovSwitching:
    """Maximum likelihood where states and news are known."""
    inverse = np.exp(-NEWS_EFFECT * news)
    means = [float(np.average(r[states == s], weights=inverse[states == s] ** 2)) for s in (0, 1)]
    spreads = [float(np.sqrt((((r - means[s]) * inverse)[states == s] ** 2).mean())) for s in (0, 1)]
    stays = [float((states[1:] == s)[states[:-1] == s].mean()) for s in (0, 1)]
    return MarkovSwitching(tuple(means), tuple(spreads), tuple(stays))  # type: ignore[arg-type]


def process(run: Run) -> Found:
    world = WORLDS[run.series]
    history = make_history(world, run.seed)
    model = unfitted(run.steps, run.seed).fit(history.prices, covariates=history.covariates)
    found = Found()
    for case, (condition, given) in world.cases.items():
        truth = exact(world, given, EXACT_PATHS, 10**6)
        missing: Any = "history" if case == "its own history" else "ignore"
        ours = model.sample(
            PROCESS_PATHS, PROCESS_STEPS, condition=condition, missing=missing, random_state=run.seed
        ).returns[:, :, 0]
        theirs = exact(world, given, PROCESS_PATHS, 10**5 + run.seed, history.estimated)
        for steps in (1, PROCESS_STEPS):
            of_truth, of_ours, of_theirs = (x[:, :steps].sum(axis=1) for x in (truth, ours, theirs))
            values = {
                **{f"{k}: ours": v for k, v in distances(of_truth, of_ours).items()},
                **{f"{k}: estimated": v for k, v in distances(of_truth, of_theirs).items()},
                "mean": (of_ours.mean() - of_truth.mean()) / of_truth.std(),
                "deviation": of_ours.std() / of_truth.std(),
            }
            found |= {(f"{case}; {steps}", k): float(v) for k, v in (values | floors(run.series, case, steps)).items()}
    return found


@cache
def floors(world: str, case: str, steps: int) -> dict[str, float]:
    """Median and 95 % quantile of the distances of exact samples from the exact law."""
    given = WORLDS[world].cases[case][1]
    truth = exact(WORLDS[world], given, EXACT_PATHS, 10**6)[:, :steps].sum(axis=1)
    draws = [
        exact(WORLDS[world], given, PROCESS_PATHS, 2 * 10**6 + k)[:, :steps].sum(axis=1) for k in range(FLOOR_DRAWS)
    ]
    table = pd.DataFrame([distances(truth, draw) for draw in draws])
    return {f"{k}: floor {q}": table[k].quantile(q / 100) for k in table for q in (50, 95)}


def distances(truth: np.ndarray, sample: np.ndarray) -> dict[str, float]:
    return {
        "W1": float(stats.wasserstein_distance(truth, sample) / truth.std()),
        "KS": float(stats.ks_2samp(truth, sample, method="asymp").statistic),
    }


def show_process(known: pd.DataFrame) -> str:
    lines = []
    for (world, case), rows in known.groupby(["series", "case"], sort=False):
        name, steps = case.split("; ")
        value = rows.groupby("measure")["value"]
        middle, highest = value.median(), value.max()
        lines.append(
            {
                "covariates": world,
                "given": name,
                "steps": steps,
                **{k: process_cell(k, middle, highest) for k in ("W1", "KS")},
                "mean off, in deviations": f"{middle['mean']:+.3f}",
                "deviation / exact": f"{middle['deviation']:.3f}",
            }
        )
    title = (
        f"**Process**, {known.seed.nunique()} seeds: tsgan, median (highest); the true model estimated, median "
        "(highest); floor of two exact samples, median and 95 % quantile."
    )
    return "\n\n".join((title, markdown(lines)))


def process_cell(measure: str, middle: pd.Series, highest: pd.Series) -> str:
    ours, estimated = (
        f"{middle[f'{measure}: {side}']:.3f} ({highest[f'{measure}: {side}']:.3f})" for side in ("ours", "estimated")
    )
    return f"{ours}; {estimated}; {middle[f'{measure}: floor 50']:.3f}, {middle[f'{measure}: floor 95']:.3f}"


# CRPS -----------------------------------------------------------------------------------------------------------------

DRAWS, DATES_AT_ONCE, LEVELS = 4000, 250, (0.05, 0.01)
OTHERS = ("tsgan, no history", "historical", "FHS GJR-skewt", "GJR-skewt")


def crps(run: Run) -> Found:
    prices, rows = prices_of(run.series), half(run.series)
    r = 100 * log_returns(prices.to_numpy())  # in %
    came, model = r[rows - 1 :, 0], fitted(run.series, run.steps, rows)
    losses = {
        "tsgan": losses_of_model(model, prices, rows, came, run.seed),
        "tsgan, no history": losses_of_sample(100 * one_step_sample(model, run.seed)[::10], came),
        **{name: losses_of_classical(b, r / 100, rows, came) for name, b in fitted_classical(run.series).items()},
    }
    found = {(name, k): float(v.mean()) for name, each in losses.items() for k, v in each.items()}
    found |= {
        (name, f"t of {k}"): diebold_mariano(losses["tsgan"][k], losses[name][k]).statistic
        for name in OTHERS
        for k in losses[name]
    }
    return found | {("tsgan", "dates"): len(came)}


def losses_of_model(
    model: TSGAN, prices: pd.DataFrame, rows: int, came: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    states = model.states(prices)[rows - 1 : -1]
    draws = (
        model.law_.run(states[i : i + DATES_AT_ONCE], 1, random_stream(seed, i, device=model.law_.device), DRAWS)
        for i in range(0, len(came), DATES_AT_ONCE)
    )
    tails = {level: tuple(100 * x[:, 0] for x in model.law_.value_at_risk(states, level)) for level in LEVELS}
    return losses_of(draws, tails, came)


def losses_of_classical(baseline: Any, r: np.ndarray, rows: int, came: np.ndarray) -> dict[str, np.ndarray]:
    states, forecasts = baseline.states(r)[rows - 2 : -1], baseline.one_step(r, LEVELS)
    draws = (
        baseline.run(states[i : i + DATES_AT_ONCE], 1, np.random.default_rng(i), DRAWS)
        for i in range(0, len(came), DATES_AT_ONCE)
    )
    tails = {k: (100 * f.var[rows - 2 : -1, 0], 100 * f.es[rows - 2 : -1, 0]) for k, f in forecasts.items()}
    return losses_of(draws, tails, came)


def losses_of(
    draws: Iterator[np.ndarray], tails: Mapping[float, tuple[np.ndarray, ...]], came: np.ndarray
) -> dict[str, np.ndarray]:
    each = [100 * d.reshape(-1, DRAWS) for d in draws]
    scores = [crps_of(x, y) for x, y in zip(each, np.split(came, np.cumsum([len(x) for x in each])[:-1]), strict=True)]
    fz = {f"FZ0 {100 * level:g} %": fz0(came, *tails[level], level) for level in LEVELS}
    return {"CRPS": np.concatenate(scores), **fz}


def losses_of_sample(ordered: np.ndarray, came: np.ndarray) -> dict[str, np.ndarray]:
    """Losses of one law for all dates."""
    tails = {level: tail_of_sample(ordered, level) for level in LEVELS}
    scores = np.concatenate([crps_of(ordered[None], np.array([y])) for y in came])
    return {"CRPS": scores, **{f"FZ0 {100 * level:g} %": fz0(came, *tails[level], level) for level in LEVELS}}


def crps_of(draws: np.ndarray, came: np.ndarray) -> np.ndarray:
    """E|X - y| - E|X - X'| / 2 of (dates, n) draws, without bias."""
    n = draws.shape[1]
    weight = 2 * np.arange(1, n + 1) - n - 1
    spread = np.sort(draws, axis=1) @ weight / (n * (n - 1))
    return np.abs(draws - came[:, None]).mean(axis=1) - spread


def show_crps(known: pd.DataFrame) -> str:
    table = {(series, law): values for series, law, values in cases_of(known)}
    lines = []
    for series in known.series.unique():
        line = {"series (dates)": f"{series} ({table[series, 'tsgan']['dates']:.0f})"}
        for k in ("CRPS", *(f"FZ0 {100 * level:g} %" for level in LEVELS)):
            others = (f"{table[series, law][k]:.4f} ({table[series, law][f't of {k}']:+.1f})" for law in OTHERS)
            line[k] = " / ".join((f"{table[series, 'tsgan'][k]:.4f}", *others))
        lines.append(line)
    head = f"**CRPS and FZ0** of returns in %: tsgan / {' / '.join(OTHERS)} (t of tsgan less it; < 0: tsgan is better)."
    return f"{head}\n\n{markdown(lines)}"
