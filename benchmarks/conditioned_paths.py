"""Protocol C, paths on which something was asked for: calibration, facts, events, stress (see conditioning.py)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from conditioned import LONG, MAIN, Found, Run, all_series, cases_of, fitted, own_volatility, present, share
from records import markdown
from scipy import stats

from tsgan import TSGAN
from tsgan.conditions import parse_given
from tsgan.errors import ConfigError
from tsgan.evaluation import measures as m
from tsgan.evaluation.forecasts import tail_of_sample
from tsgan.paths import Paths
from tsgan.scenarios import find_period


def log_steps(paths: Paths) -> np.ndarray:
    """Log returns of the one asset, worked out from the prices: (n, time)."""
    start = np.broadcast_to(paths.start_price[0], (len(paths.prices), 1))
    return np.diff(np.log(np.concatenate((start, paths.prices[:, :, 0]), axis=1)), axis=1)


# calibration ----------------------------------------------------------------------------------------------------------

LENGTHS, MULTIPLES = (20, 252), (0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0)


def calibration(run: Run) -> Found:
    model, found = fitted(run.series, run.steps), Found()
    for length in LENGTHS:
        for multiple in MULTIPLES:
            found |= calibrated(model, length, multiple, run.seed)
    return found


def calibrated(model: TSGAN, length: int, multiple: float, seed: int) -> Found:
    asked, case = multiple * own_volatility(model), f"{length} {multiple:g}"
    start = time.perf_counter()
    try:
        paths = model.sample(1000, length=length, condition={"volatility": asked}, random_state=seed)
    except ConfigError:
        return {(case, "ratio"): math.nan}
    seconds = time.perf_counter() - start
    r, year = log_steps(paths), model.periods_per_year_**0.5
    ratios = r.std(axis=1) * year / asked
    assert paths.conditioning is not None
    values = {
        "ratio": ratios.mean(),
        "worst": np.abs(ratios - 1).max(),
        "ratio, n - 1": r.std(axis=1, ddof=1).mean() * year / asked,
        "worth": paths.conditioning.effective_samples,
        "seconds": seconds,
    }
    return {(case, measure): float(value) for measure, value in values.items()}


def show_calibration(known: pd.DataFrame) -> str:
    parts = ["**Calibration.** Realised volatility / asked for; independent paths that 1,000 are worth; seconds."]
    table = {(series, case): values for series, case, values in cases_of(known)}
    for length in LENGTHS:
        lines = []
        for series in known.series.unique():
            cells = {f"{x:g}": calibration_cell(table[series, f"{length} {x:g}"]) for x in MULTIPLES}
            lines.append({f"{length} steps, times own": series, **cells})
        parts.append(markdown(lines))
    values = known.set_index("measure")["value"]
    parts.append(
        f"Farthest mean ratio from 1: {np.abs(values['ratio'] - 1).max():.1e}; farthest path "
        f"{values['worst'].max():.1e}; with the divisor n - 1 the ratio is {values['ratio, n - 1'].min():.4f} to "
        f"{values['ratio, n - 1'].max():.4f}."
    )
    return "\n\n".join(parts)


def calibration_cell(values: pd.Series) -> str:
    if math.isnan(values["ratio"]):
        return "out of reach"
    return f"{values['ratio']:.4f}; {values['worth']:.0f}; {values['seconds']:.1f} s"


# facts ----------------------------------------------------------------------------------------------------------------

WINDOW, NEAR, FACT_MULTIPLES = 252, 0.1, (0.5, 0.6, 0.75, 1.0, 1.25, 1.5, 2.0)
LEAST_DISJOINT, LEAST_OVERLAPPING, LEAST_FOR_BAND = 5, 100, 3
TOP = round(0.05 * WINDOW)  # absolute returns in the tail
LOWEST = round(0.025 * WINDOW)


def fact_series() -> Iterator[tuple[str, int]]:
    yield from all_series()
    if present():
        yield LONG, 0


def clustering(r: np.ndarray) -> np.ndarray:
    return m.acf(np.abs(r)[:, :, None], 20)[:, :, 0].mean(axis=1)


def tail(r: np.ndarray) -> np.ndarray:
    """Hill's estimator of 1 / index."""
    logs = np.log(np.sort(np.abs(r), axis=1)[:, -TOP - 1 :])
    return logs[:, 1:].mean(axis=1) - logs[:, 0]


def leverage(r: np.ndarray) -> np.ndarray:
    return m.cross_correlation(r[:, :, None], np.square(r)[:, :, None], 10)[:, :, 0].mean(axis=1)


FACTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # (windows, time) standardised returns -> (windows,)
    "ACF(|r|), lags 1-20": clustering,
    "kurtosis": lambda r: (r**4).mean(axis=1),
    "1 / Hill index, 5 %": tail,
    "ES 97.5 %": lambda r: -np.sort(r, axis=1)[:, :LOWEST].mean(axis=1),
    "leverage, lags 1-10": leverage,
}


def facts(run: Run) -> Found:
    model, found = fitted(run.series, run.steps), Found()
    r, year = model.returns_[:, 0], model.periods_per_year_**0.5
    windows = np.lib.stride_tricks.sliding_window_view(r, WINDOW)
    volatility = windows.std(axis=1) * year
    control = np.random.default_rng(run.seed).choice(r, (2000, WINDOW))
    for multiple in FACT_MULTIPLES:
        asked = multiple * own_volatility(model)
        starts = np.flatnonzero(np.abs(volatility / asked - 1) <= NEAR)
        count = disjoint(starts)
        if count < (LEAST_FOR_BAND if len(starts) >= LEAST_OVERLAPPING else LEAST_DISJOINT):
            continue
        paths = log_steps(model.sample(2000, length=WINDOW, condition={"volatility": asked}, random_state=run.seed))
        case = f"{multiple:g}"
        found |= {(case, "windows"): len(starts), (case, "disjoint"): count}
        found |= {
            (case, f"{fact}: {side}"): value
            for fact in FACTS
            for side, value in compared(fact, windows[starts], count, paths, control).items()
        }
    return found


def disjoint(starts: np.ndarray) -> int:
    """Largest number of windows that share no day."""
    count, free = 0, -1
    for start in starts:
        if start >= free:
            count, free = count + 1, start + WINDOW
    return count


def compared(fact: str, real: np.ndarray, count: int, ours: np.ndarray, control: np.ndarray) -> dict[str, float]:
    of_real, of_ours, of_control = (FACTS[fact](standardised(r)) for r in (real, ours, control))
    half_width = stats.t.ppf(0.975, count - 1) * of_real.std() / math.sqrt(count)
    centre = of_real.mean()
    band = {"low": centre - half_width, "high": centre + half_width}
    return {"real": centre, **band, "ours": of_ours.mean(), "control": of_control.mean()}


def standardised(r: np.ndarray) -> np.ndarray:
    return (r - r.mean(axis=1, keepdims=True)) / r.std(axis=1, keepdims=True)


def show_facts(known: pd.DataFrame) -> str:
    lines, inside = [], {(fact, side): list[bool]() for fact in FACTS for side in ("ours", "control")}
    for series, case, values in cases_of(known):
        line = {
            "series": series,
            "x": case,
            "windows (disjoint)": f"{values['windows']:.0f} ({values['disjoint']:.0f})",
        }
        for fact in FACTS:
            real, low, high, *sides = (values[f"{fact}: {s}"] for s in ("real", "low", "high", "ours", "control"))
            for side, value in zip(("ours", "control"), sides, strict=True):
                inside[fact, side].append(low <= value <= high)
            ours, control = (f"{v:.3f}" + ("" if low <= v <= high else " !") for v in sides)
            line[fact] = f"{real:.3f} [{low:.3f}, {high:.3f}]; {ours}; {control}"
        lines.append(line)
    counts = [
        {"inside the band": name, **{fact: share(inside[fact, side]) for fact in FACTS}}
        for side, name in (("ours", "tsgan"), ("control", "i.i.d. days"))
    ]
    title = (
        "**Facts at a volatility** of x times the sample's own: real windows [95 % band]; paths; i.i.d. days. ! is "
        "outside."
    )
    return "\n\n".join((title, markdown(lines), markdown(counts)))


# events ---------------------------------------------------------------------------------------------------------------

YEAR = 252
EVENTS = (
    "return<=-0.1",
    "return<=-0.2",
    "return<=-0.35",
    "return<=-0.5",
    "return<=-0.7",
    "drawdown>=0.2",
    "drawdown>=0.3",
    "drawdown>=0.5",
)
SOON = "return<=-0.05"  # in 10 steps from the last state
SOON_CASE = f"{SOON}, 10 steps from the last state"
OFTEN = ("return<=-0.5", "return<=-0.7", "drawdown>=0.5")  # with many seeds
EVENT_SEEDS, PLAIN, PLAIN_CHUNK = 20, 1_000_000, 20_000
PLAIN_SEED = -1
LOOKS = ("volatility", "worst day", "half way")  # log return of the first half


def event_runs() -> Iterator[tuple[str, int]]:
    yield from ((MAIN, seed) for seed in (PLAIN_SEED, *range(EVENT_SEEDS)))


def events(run: Run) -> Found:
    model = fitted(run.series, run.steps)
    if run.seed == PLAIN_SEED:
        return plain_shares(model)
    found = Found()
    for event in EVENTS if run.seed == 0 else OFTEN:
        found |= reached(model, event, event, YEAR, "stationary", run.seed)
    return found | (reached(model, SOON_CASE, SOON, 10, "last", 0) if run.seed == 0 else {})


def reached(model: TSGAN, case: str, event: str, length: int, start: Any, seed: int) -> Found:
    begin = time.perf_counter()
    paths = model.sample(1000, length, condition=parse_given([event]), start=start, random_state=seed)
    seconds, told = time.perf_counter() - begin, paths.conditioning
    assert told is not None
    assert told.probability is not None
    assert told.interval is not None
    r = log_steps(paths)
    values = {
        "probability": told.probability,
        "low": told.interval[0],
        "high": told.interval[1],
        "worth": told.effective_samples,
        "splitting": float(told.method == "splitting"),
        "hits": float(happens(event, r).mean()),
        "seconds": seconds,
    }
    return {(case, measure): value for measure, value in (values | described(looks(r))).items()}


def happens(event: str, r: np.ndarray) -> np.ndarray:
    """Whether an event is there, on (n, time) log returns: (n,), with the rounding of a price allowed for."""
    log_price = np.pad(r.cumsum(axis=1), ((0, 0), (1, 0)))
    name, bound = event.split("=")
    if name == "return<":
        return np.expm1(log_price[:, -1]) <= float(bound) + 1e-12
    return np.expm1((log_price - np.maximum.accumulate(log_price, axis=1)).min(axis=1)) <= -float(bound) + 1e-12


def looks(r: np.ndarray) -> np.ndarray:
    """Facts of paths, in the order of LOOKS: (n, time) -> (n, 3)."""
    return np.stack((r.std(axis=1) * YEAR**0.5, r.min(axis=1), r[:, : r.shape[1] // 2].sum(axis=1)), axis=1)


def described(facts_of_paths: np.ndarray) -> dict[str, float]:
    """Mean and deviation over paths of each fact."""
    each = zip(LOOKS, facts_of_paths.mean(axis=0), facts_of_paths.std(axis=0), strict=True)
    return {
        f"{name}: {what}": float(v) for name, *both in each for what, v in zip(("mean", "deviation"), both, strict=True)
    }


def plain_shares(model: TSGAN) -> Found:
    """Shares of plain paths on which each event happens, and how those look."""
    cases = [(event, event, YEAR, "stationary") for event in EVENTS] + [(SOON_CASE, SOON, 10, "last")]
    hits: dict[str, list[np.ndarray]] = {case: [] for case, *_ in cases}
    for chunk in range(PLAIN // PLAIN_CHUNK):
        seed = 10_000 + chunk  # far from those of the events
        drawn = {
            start: model.sample(PLAIN_CHUNK, length, start=start, random_state=seed).returns[:, :, 0]
            for length, start in ((YEAR, "stationary"), (10, "last"))
        }
        for case, event, _, start in cases:
            r = drawn[start]
            hits[case].append(looks(r[happens(event, r)]))
    found = Found()
    for case, pieces in hits.items():
        all_looks = np.concatenate(pieces)
        values = {"probability": len(all_looks) / PLAIN, "paths": float(len(all_looks))} | described(all_looks)
        found |= {(case, measure): value for measure, value in values.items()}
    return found


def show_events(known: pd.DataFrame) -> str:
    one, plain = ({case: values for _, case, values in cases_of(known[known.seed == seed])} for seed in (0, PLAIN_SEED))
    lines = [event_line(case, values, plain[case]) for case, values in one.items()]
    coverage = [coverage_line(case, known[known.case == case], plain[case]["probability"]) for case in OFTEN]
    title = f"**Events**, S&P 500: probability in %, 1,000 paths against {PLAIN:,} plain ones; z in standard errors."
    return "\n\n".join((title, markdown(lines), markdown(coverage)))


def event_line(case: str, values: pd.Series, plain: pd.Series) -> dict[str, str]:
    p, expected = values["probability"], plain["probability"]
    error = math.sqrt(expected * (1 - expected) / PLAIN)
    claimed = math.log(values["high"] / values["low"]) / 3.92 * p  # the interval is even in logs
    return {
        "event": case,
        "method": "splitting" if values["splitting"] else "rejection",
        "estimate [95 %]": f"{100 * p:.4g} [{100 * values['low']:.4g}, {100 * values['high']:.4g}]",
        "plain": f"{100 * expected:.4g} ± {100 * error:.2g}",
        "z": f"{(p - expected) / math.hypot(error, claimed):+.1f}",
        "paths with it": f"{100 * values['hits']:.4g} %",
        "worth": f"{values['worth']:.0f}",
        "seconds": f"{values['seconds']:.1f}",
        **{name: look(name, values, plain) for name in LOOKS},
    }


def look(name: str, values: pd.Series, plain: pd.Series) -> str:
    """Mean of a fact of the paths / of plain paths with the event, and the difference in standard errors."""
    mean, expected = values[f"{name}: mean"], plain[f"{name}: mean"]
    spread = plain[f"{name}: deviation"]
    error = spread * math.sqrt(1 / values["worth"] + 1 / plain["paths"])
    return f"{mean:.3f} / {expected:.3f} ({(mean - expected) / error:+.1f})"


def coverage_line(case: str, known: pd.DataFrame, expected: float) -> dict[str, str]:
    table = known[known.seed >= 0].pivot(index="seed", columns="measure", values="value")
    inside = list((table["low"] <= expected) & (expected <= table["high"]))
    claimed = np.log(table["high"] / table["low"]).mean() / 3.92
    return {
        "event": case,
        "interval holds the plain share": share(inside),
        "mean estimate / plain share": f"{table['probability'].mean() / expected:.3f}",
        "deviation of log estimates": f"{np.log(table['probability']).std():.3f}",
        "claimed": f"{claimed:.3f}",
        "worth, median": f"{table['worth'].median():.0f}",
    }


# stress ---------------------------------------------------------------------------------------------------------------

STRESS_STEPS, STRESS_PATHS, TAIL = 20, 4000, 0.025
VOLATILITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
PERIODS = (
    "calm-2017",
    "oil-glut",
    "china-2015",
    "volmageddon",
    "dot-com",
    "winter-2018",
    "gfc",
    "euro-crisis",
    "lehman",
)


def stress(run: Run) -> Found:
    model = fitted(run.series, run.steps)
    year, found = model.periods_per_year_, Found()
    for regime in ("calm", "normal", "stressed"):
        found |= shortfalls(model, f"regime: {regime}", run.seed, condition={"regime": regime})
        tomorrow = model.sample(100_000, 1, condition={"regime": regime}, random_state=run.seed).returns[:, :, 0]
        found |= dict(
            zip([(f"regime: {regime}", f"next {w}") for w in ("ES", "error")], shortfall(tomorrow), strict=True)
        )
    if run.series != MAIN:
        return found
    for volatility in VOLATILITIES:
        found |= shortfalls(model, f"volatility: {volatility:g}", run.seed, condition={"volatility": volatility})
    for name in PERIODS:
        found |= shortfalls(model, f"like: {name}", run.seed, like=name)
        real = model.returns_[find_period(name, model.dates_), 0]
        found[f"like: {name}", "days"] = len(real)
        found[f"like: {name}", "real volatility"] = float(real.std() * year**0.5)
        found[f"like: {name}", "real ES"] = shortfall(real[:, None])[0]
    return found


def shortfalls(model: TSGAN, case: str, seed: int, **asked: Any) -> Found:
    paths = model.sample(STRESS_PATHS, STRESS_STEPS, random_state=seed, **asked)
    r = paths.returns[:, :, 0]
    worth = paths.conditioning.effective_samples if paths.conditioning else float(len(r))
    found = Found()
    for days in (1, 10):
        sums = r.reshape(len(r), -1, days).sum(axis=2)
        found |= dict(zip([(case, f"ES {days}"), (case, f"error {days}")], shortfall(sums, worth), strict=True))
    return found


def shortfall(r: np.ndarray, worth: float | None = None) -> tuple[float, float]:
    """ES of all values of (paths, values), and its standard error: worth independent paths, whose values are not."""
    quantile, mean = tail_of_sample(r.ravel(), TAIL)
    influence = (quantile - np.maximum(quantile - r, 0) / TAIL - mean).mean(axis=1)
    return -float(mean), float(influence.std() / math.sqrt(worth or len(r)))


def show_stress(known: pd.DataFrame) -> str:
    lines, verdicts = [], []
    for (series, kind), rows in known.assign(kind=known.case.str.split(":").str[0]).groupby(
        ["series", "kind"], sort=False
    ):
        values = {case: measured for _, case, measured in cases_of(rows)}
        if kind == "like":
            values = dict(sorted(values.items(), key=lambda item: item[1]["real volatility"]))
        lines.extend(stress_line(series, case, measured) for case, measured in values.items())
        verdicts.append({"series": series, "stress by": kind, **{f"ES, {d}": rises(values, d) for d in (1, 10)}})
    head = "**Stress.** ES 97.5 % in % (standard error), 20-step paths; `like` in the order of the period's volatility."
    alike = (
        "One-day ES of the paths like a period and of the period's own days: rank correlation "
        f"{agreement(known[known.case.str.startswith('like')]):.2f}."
    )
    return "\n\n".join(
        (head, markdown(lines), "Rises from each to the next (t of the smallest rise):", markdown(verdicts), alike)
    )


def agreement(known: pd.DataFrame) -> float:
    table = known.pivot(index="case", columns="measure", values="value")
    return float(stats.spearmanr(table["ES 1"], table["real ES"]).statistic)


def stress_line(series: str, case: str, values: pd.Series) -> dict[str, str]:
    real = "" if "days" not in values else f"{100 * values['real volatility']:.1f}; {100 * values['real ES']:.2f}"
    return {
        "series": series,
        "asked for": case,
        **{
            f"ES, {days}": f"{100 * values[f'ES {days}']:.2f} ({100 * values[f'error {days}']:.2f})" for days in (1, 10)
        },
        "next day alone": f"{100 * values['next ES']:.2f} ({100 * values['next error']:.2f})"
        if "next ES" in values
        else "",
        "period: volatility; ES": real + (f" ({values['days']:.0f} days)" if real else ""),
    }


def rises(values: Mapping[str, pd.Series], days: int) -> str:
    each = np.array([(v[f"ES {days}"], v[f"error {days}"]) for v in values.values()])
    t = np.diff(each[:, 0]) / np.hypot(each[1:, 1], each[:-1, 1])
    return f"{share(list(t > 0))} ({t.min():+.1f})"
