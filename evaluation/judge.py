"""Whether synthetic paths are good: every measure against its noise floor, controls, copies and classical methods.

The rule: a measure fails where it is further from the data than 99 of 100 true replicates are in their *worst* measure,
and warns where it lies beyond its own 95 % quantile. So independent paths of the true law pass 99 times of 100, however
many measures there are.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import cpu_count

from tsgan.errors import DataError
from tsgan.evaluation.baselines import fit_baselines
from tsgan.evaluation.conditional import Case, conditions_table, under_conditions
from tsgan.evaluation.controls import CONTROLS
from tsgan.evaluation.copies import Copies, copy_guard
from tsgan.evaluation.curves import Curves
from tsgan.evaluation.floor import Draw, Floor, Sample, noise_floor, pseudo_histories
from tsgan.evaluation.measures import MEASURES, Floats, needs
from tsgan.evaluation.tables import path_arrays, price_returns
from tsgan.progress import Shares, share_progress

if TYPE_CHECKING:
    from tsgan.estimator import TSGAN
    from tsgan.paths import Paths

DRAWS = 300
OWN = "synthetic"
_CERTAIN = 0.99  # a true replicate passes so often
_CHANCE = 0.05  # of the measures lie beyond their own 95 % quantile by chance
_WORST = {"not computable": -1, "pass": 0, "warn": 1, "fail": 2}
_CANDIDATE_RETURNS = 10  # times the history's: returns of a control or a classical method


@dataclass(frozen=True)
class Evaluation:
    """The result of :func:`evaluate`.

    Attributes
    ----------
    table : one row a measure and asset: asset, fact, measure, meaning, unit, real, synthetic, distance, floor_low,
        floor_median, floor_high (5, 50, 95 % of the noise floor), ratio (distance over the floor's median), verdict
        (pass, warn, fail, not computable), words, baseline (the best classical method) and baseline_distance
    verdict : pass, warn or fail: the worst of the table and of the copy guard
    headline : the verdict in a sentence
    reasons : further sentences
    controls : one row a negative control: control, verdict, worst_measure, worst_ratio, words
    copies : what the copy guard found
    ranking : rank, name, mean_rank, pooled_ratio, failed, copies, words; None unless classical methods were asked for;
        those that fail a measure or replay the data come last
    real : (time, assets) log returns
    synthetic : (paths, length, assets) log returns
    real_prices : DatetimeIndex, one column an asset
    synthetic_prices : (paths, length + 1, assets)
    assets : names
    settings : seed, draws, command, versions, files, seconds
    conditions : paths of the model under a few conditions, where a model was given
    training : how that model was trained, where it says so
    """

    table: pd.DataFrame
    verdict: str
    headline: str
    reasons: list[str]
    controls: pd.DataFrame
    copies: dict[str, Any]
    ranking: pd.DataFrame | None
    real: Floats
    synthetic: Floats
    real_prices: pd.DataFrame
    synthetic_prices: Floats
    assets: list[str]
    settings: dict[str, Any]
    conditions: Sequence[Case] = ()
    training: Curves | None = None

    def failed(self, on: str) -> bool:
        """Whether the verdict is as bad as ``on``, "fail" or "warn"."""
        return _WORST[self.verdict] >= _WORST[on]

    def to_frame(self) -> pd.DataFrame:
        """The table of measures."""
        return self.table.copy()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; NaN where a measure cannot be computed. Conditions only where a model was given."""
        conditions = {"conditions": conditions_table(self.conditions).to_dict("records")} if self.conditions else {}
        copies = {name: value for name, value in self.copies.items() if name != "pairs"}
        return {
            "verdict": self.verdict,
            "headline": self.headline,
            "reasons": self.reasons,
            "measures": self.table.to_dict("records"),
            "controls": self.controls.to_dict("records"),
            "copies": copies,
            "ranking": None if self.ranking is None else self.ranking.to_dict("records"),
            **conditions,
            "settings": self.settings,
        }

    def _repr_html_(self) -> str:
        from html import escape

        columns = ["asset", "fact", "measure", "real", "synthetic", "ratio", "verdict"]
        table = self.table[columns].to_html(index=False, float_format="{:.4g}".format)
        return f"<p><b>{self.verdict}</b>: {escape(self.headline)}</p>{table}"


def evaluate(
    real: pd.DataFrame,
    paths: Paths | pd.DataFrame,
    *,
    against_baselines: bool = False,
    test: pd.DataFrame | None = None,
    model: TSGAN | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    progress: bool | Shares = False,
) -> Evaluation:
    """Judge synthetic price paths against the prices that they imitate.

    Parameters
    ----------
    real : DataFrame
        Prices that the generator has seen, one column an asset, DatetimeIndex; may hold more assets than the paths.
    paths : Paths or DataFrame
        What was sampled, or a long table of prices: path, date, then one column an asset, as `read_paths` returns it.
    against_baselines : bool
        Rank the paths among the classical methods, fitted to ``real``.
    test : DataFrame, optional
        Later prices that no one has seen: the ranking is made on them. Without them it is made on ``real``, where
        methods that replay the data look better than they are.
    model : TSGAN, optional
        The fitted model of these assets, whose training and paths under a few conditions the report then shows.
    draws : int
        Pseudo-histories of the noise floor.
    seed : int
        Of all random draws.
    settings : dict, optional
        What a report should say about where the data came from: files, command.
    progress : bool or callable
        True shows it on stderr, a callable is called with the stage and the share of the whole that is done.

    Raises
    ------
    DataError
        The prices cannot be used, an asset of the paths is not among the real ones, or the model has others.
    """
    begin = time.perf_counter()
    arrays = path_arrays(paths)
    synthetic, assets = arrays.returns, arrays.assets
    _require_assets(model, assets)
    prices = _columns(real, assets, "the real prices")
    history = price_returns(prices)
    with share_progress(progress) as report:
        report("noise floor", 0.0)
        judge = Judge.of(history, synthetic.shape, draws, seed, lambda share: report("noise floor", 0.6 * share))
        report("measures", 0.6)
        own = judge.scores(synthetic)
        copies = copy_guard(history, synthetic, seed)
        candidates = _Candidates(history, assets, synthetic.shape[1], seed)
        report("controls", 0.7)
        controls = _controls(judge, candidates, history, seed)
        ranking, best = None, None
        if against_baselines:
            report("classical methods", 0.8)
            others = candidates.baselines()
            scores = {OWN: own, **{name: judge.scores(drawn) for name, drawn in others.items()}}
            replays = {OWN: copies.verdict == "fail"}
            replays |= {name: copy_guard(history, drawn, seed).verdict == "fail" for name, drawn in others.items()}
            best = _best({name: scores[name] for name in others})
            bench = judge
            if test is not None:
                report("held-out prices", 0.85)
                later = price_returns(_columns(test, assets, "the later prices"))
                bench = Judge.of(later, synthetic.shape, draws, seed)
                scores = {name: bench.scores(drawn) for name, drawn in {OWN: synthetic, **others}.items()}
            ranking = _ranking(bench, scores, replays, held_out=test is not None)
        table = _table(judge, own, synthetic, assets, best)
        verdict = max([*table["verdict"], copies.verdict], key=_WORST.__getitem__)
        if not (table["verdict"] != "not computable").any():
            verdict = "fail"
        conditions = list[Case]()
        if model is not None:
            report("conditions", 0.9)
            conditions = under_conditions(
                model, random_state=seed, progress=lambda share: report("conditions", 0.9 + 0.1 * share)
            )
        report("done", 1.0)
    return Evaluation(
        table=table,
        verdict=verdict,
        headline=_headline(table, copies, verdict),
        reasons=[*_reasons(controls, copies, ranking), _use(table, controls, copies)],
        controls=controls,
        copies=copies.to_dict(),
        ranking=ranking,
        real=history,
        synthetic=synthetic,
        real_prices=prices,
        synthetic_prices=arrays.prices,
        assets=assets,
        settings={
            "seed": seed,
            "draws": draws,
            "versions": {"tsgan": version("tsgan"), "python": platform.python_version(), "numpy": np.__version__},
            "seconds": round(time.perf_counter() - begin, 1),
            **(settings or {}),
        },
        conditions=conditions,
        training=Curves.of(model) if model is not None and model.training_.choosing else None,
    )


class Judge(NamedTuple):
    """One history, what its measures are and how far from it chance alone goes."""

    real: Sample
    length: int
    floor: Floor
    limit: float
    """The excess from which a measure fails"""

    @classmethod
    def of(
        cls,
        history: Floats,
        shape: tuple[int, ...],
        draws: int = DRAWS,
        seed: int = 0,
        progress: Callable[[float], None] = lambda share: None,
        law: Draw | None = None,
    ) -> Judge:
        """Measure a history (time, assets) and its floor, for paths of a shape (paths, length, assets).

        The floor comes from pseudo-histories, or from the law where that is known.
        """
        paths, length, _ = shape
        floor = noise_floor(
            MEASURES,
            pseudo_histories(history) if law is None else [law],
            len(history),
            min(paths, 1000),
            length,
            draws=draws,
            seed=seed,
            jobs=min(cpu_count(), 4),
            progress=progress,
        )
        compared = min(len(history), length)
        return cls(Sample.of(history[None], compared), compared, floor, floor.limit(_CERTAIN))

    def scores(self, paths: Floats) -> Floats:
        """Distance of every column from the history: (columns,); NaN where it cannot be computed."""
        other = Sample.of(paths, self.length)
        parts = []
        for measure, columns in zip(self.floor.measures, self.floor.columns, strict=True):
            if needs(measure, other.seen_by(measure)) is None:
                here, there = (measure.statistic(side.seen_by(measure)) for side in (self.real, other))
                parts.append(measure.distance(here, there))
            else:
                parts.append(np.full(columns.stop - columns.start, np.nan))
        return np.concatenate(parts)

    def verdicts(self, scores: Floats) -> list[str]:
        """Verdict of every column."""
        return [
            "not computable"
            if np.isnan(excess)
            else "fail"
            if excess > self.limit
            else "warn"
            if excess > 1
            else "pass"
            for excess in self.floor.excess(scores)
        ]

    def names(self) -> list[str]:
        """Measure of every column."""
        return [
            m.name for m, c in zip(self.floor.measures, self.floor.columns, strict=True) for _ in range(c.start, c.stop)
        ]


class _Candidates:
    """Paths of other generators, enough of them to know their law."""

    def __init__(self, history: Floats, assets: list[str], length: int, seed: int) -> None:
        self.history, self.assets, self.length, self.seed = history, assets, length, seed
        self.paths = int(np.clip(np.ceil(_CANDIDATE_RETURNS * len(history) / length), 20, 1000))

    def controls(self) -> list[tuple[str, Floats]]:
        rng = np.random.default_rng((self.seed, 6))
        return [(name, draw(self.history, self.paths, self.length, rng)) for name, draw in CONTROLS.items()]

    def baselines(self) -> dict[str, Floats]:
        fitted = fit_baselines(pd.DataFrame(self.history, columns=self.assets))
        return {name: baseline.sample(self.paths, self.length, self.seed) for name, baseline in fitted.items()}


def _controls(judge: Judge, candidates: _Candidates, history: Floats, seed: int) -> pd.DataFrame:
    rows = []
    for name, drawn in candidates.controls():
        scores = judge.scores(drawn)
        copies = copy_guard(history, drawn, seed)
        worst = int(np.nanargmax(judge.floor.excess(scores)))
        verdicts = judge.verdicts(scores)
        verdict = max([*verdicts, copies.verdict], key=_WORST.__getitem__)
        failed = verdicts.count("fail")
        parts = [f"fails {failed} of {len(scores)} measures"] if failed else []
        parts += ["is a copy"] if copies.verdict == "fail" else []
        words = " and ".join(parts).capitalize() + "." if parts else "Not told from the data by these measures."
        rows.append(
            (name, verdict, judge.names()[worst], float(scores[worst] / judge.floor.quantile(0.5)[worst]), words)
        )
    return pd.DataFrame(rows, columns=["control", "verdict", "worst_measure", "worst_ratio", "words"])


def _best(scores: dict[str, Floats]) -> tuple[list[str], Floats]:
    """Best classical method of every column, and its distance."""
    names, values = list(scores), np.where(np.isnan(list(scores.values())), np.inf, list(scores.values()))
    return [names[i] for i in values.argmin(axis=0)], np.asarray(values.min(axis=0))


def _ranking(judge: Judge, distances: dict[str, Floats], replays: dict[str, bool], held_out: bool) -> pd.DataFrame:
    """Those that fail, or replay the data, come after all others; within each group the pooled ratio decides."""
    scores = np.array(list(distances.values()))
    median = judge.floor.quantile(0.5)
    usable = ~np.isnan(judge.floor.excess(scores[1:])).any(axis=0)  # a hole in the paths' own row counts against them
    scores[0] = np.where(np.isnan(scores[0]), np.inf, scores[0])
    failed = ["fail" in judge.verdicts(s) for s in scores]
    floored = np.maximum(scores[:, usable], median[usable])  # below the floor's median no difference means anything
    table = pd.DataFrame(
        {
            "name": list(distances),
            "mean_rank": pd.DataFrame(floored).rank(axis=0).mean(axis=1),
            "pooled_ratio": np.exp(np.log(floored / median[usable]).mean(axis=1)),
            "failed": failed,
            "copies": [replays[name] for name in distances],
        }
    )
    table["out"] = table["failed"] | table["copies"]
    table = table.sort_values(["out", "pooled_ratio", "mean_rank"], ignore_index=True).drop(columns="out")
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    where = "prices that no method has seen" if held_out else "the prices that all methods were fitted to"
    table["words"] = [
        f"{row['pooled_ratio']:.2f} times the noise floor's median over {int(usable.sum())} measures on {where}"
        + ("; fails a measure" if row["failed"] else "")
        + ("; replays the data" if row["copies"] else "")
        for row in table.to_dict("records")
    ]
    return table


def _table(
    judge: Judge, own: Floats, synthetic: Floats, assets: list[str], best: tuple[list[str], Floats] | None
) -> pd.DataFrame:
    low, median, high = (judge.floor.quantile(level) for level in (0.05, 0.5, 0.95))
    verdicts = judge.verdicts(own)
    shown = Sample.of(synthetic, judge.length)
    place = dict(zip([m.name for m in judge.floor.measures], judge.floor.columns, strict=True))
    rows: list[dict[str, Any]] = []
    for measure in MEASURES:
        about = {"fact": measure.fact, "measure": measure.name, "meaning": measure.meaning, "unit": measure.unit}
        why = needs(measure, judge.real.seen_by(measure)) or needs(measure, shown.seen_by(measure))
        if why is not None or measure.name not in place:
            if measure.min_assets <= len(assets):
                rows.append(
                    {
                        "asset": "all",
                        **about,
                        "verdict": "not computable",
                        "words": f"Not computable: {why}.",
                        "baseline": "",
                    }
                )
            continue
        here, there = (measure.number(measure.statistic(side.seen_by(measure))) for side in (judge.real, shown))
        for i, column in enumerate(range(place[measure.name].start, place[measure.name].stop)):
            row = {
                "asset": "all" if measure.together else assets[i],
                **about,
                "real": float(here[i]),
                "synthetic": float(there[i]),
                "distance": float(own[column]),
                "floor_low": float(low[column]),
                "floor_median": float(median[column]),
                "floor_high": float(high[column]),
                "ratio": float(own[column] / median[column]) if median[column] > 0 else float("nan"),
                "verdict": verdicts[column],
            }
            row |= {"words": _words(row), "baseline": ""}
            if best is not None:
                row |= {"baseline": best[0][column], "baseline_distance": float(best[1][column])}
            rows.append(row)
    columns = ["asset", "fact", "measure", "meaning", "unit", "real", "synthetic", "distance", "floor_low"]
    columns += ["floor_median", "floor_high", "ratio", "verdict", "words", "baseline", "baseline_distance"]
    return pd.DataFrame(rows, columns=columns)


def _words(row: dict[str, Any]) -> str:
    if row["verdict"] == "not computable":
        return "Not computable: the returns of one side are constant, or its tail holds no losses."
    numbers = f"{row['synthetic']:.3g} against {row['real']:.3g} in the data"
    if row["verdict"] == "fail":
        return f"{numbers}: further away than chance allows in any measure."
    if row["verdict"] == "warn":
        return f"{numbers}: further away than 95 of 100 independent samples."
    if row["distance"] < row["floor_low"]:
        return f"{numbers}: nearer than 95 of 100 independent samples; look at the copy guard."
    return f"{numbers}, a distance of {row['distance']:.2g}: within chance, which reaches {row['floor_high']:.2g}."


def _headline(table: pd.DataFrame, copies: Copies, verdict: str) -> str:
    known = table[table["verdict"] != "not computable"]
    if known.empty:
        return f"Nothing can be measured of these paths. {table['words'].iloc[0]}"
    failed, warned = (known[known["verdict"] == v] for v in ("fail", "warn"))
    if len(failed):
        worst = failed.to_dict("records")[int(failed["ratio"].to_numpy().argmax())]
        return (
            f"{len(failed)} of {len(known)} measures are further from the data than chance allows; the worst is "
            f"{worst['measure']} of {worst['asset']}, {worst['words']}"
        )
    if copies.verdict == "fail":
        return copies.words
    expected = _CHANCE * len(known)
    if verdict == "warn":
        than = "no more than" if len(warned) <= expected else "more than"
        return (
            f"No measure is beyond what chance allows; {len(warned)} of {len(known)} lie beyond their own 95 % "
            f"quantile, {than} the {expected:.0f} that chance gives."
        )
    new = ", and they are new" if copies.verdict == "pass" else ""
    return f"The paths are not told from the data by any of {len(known)} measures{new}."


def _reasons(controls: pd.DataFrame, copies: Copies, ranking: pd.DataFrame | None) -> list[str]:
    caught = controls[controls["verdict"] == "fail"]["control"].tolist()
    missed = [name for name in controls["control"] if name not in caught]
    sentences = [copies.words]
    if missed:
        sentences.append(
            f"Only {len(caught)} of {len(controls)} negative controls fail. Not caught: {', '.join(missed)}; history "
            "or paths are too short to tell, or have too little of what they violate. Passing then says little."
        )
    else:
        sentences.append(f"All {len(controls)} negative controls fail, as they must.")
    if ranking is not None:
        first, own = ranking.iloc[0], ranking[ranking["name"] == OWN].iloc[0]
        if first["name"] == OWN:
            sentences.append(f"Best of {len(ranking)}: the synthetic paths, {own['words']}.")
        else:
            sentences.append(
                f"{first['name']} is best of {len(ranking)}, {first['words']}; the synthetic paths come "
                f"{int(own['rank'])}. with {own['pooled_ratio']:.2f}."
            )
    return sentences


def _use(table: pd.DataFrame, controls: pd.DataFrame, copies: Copies) -> str:
    """What the verdict means for who wants to work with the paths."""
    by_verdict = {verdict: rows["fact"].value_counts() for verdict, rows in table.groupby("verdict")}
    failed, warned, passed = (by_verdict.get(verdict, pd.Series(dtype=int)) for verdict in ("fail", "warn", "pass"))
    if not (len(failed) or len(warned) or len(passed)):
        return "May they be used? Nothing is known that speaks for it."
    if copies.verdict == "fail":
        return "May they be used? As resampled history, not as new data."
    if len(failed):
        return f"May they be used? Not where these matter: {', '.join(failed.index)}."
    if warned.sum() > _CHANCE * (warned.sum() + passed.sum()):
        return f"May they be used? With care where these matter: {', '.join(warned.index)}."
    if (controls["verdict"] != "fail").any():
        return "May they be used? Nothing speaks against it, but history or paths are too short to tell much."
    return (
        "May they be used? Yes, for what the measures cover, such as strategies and stress tests; whether forecasts of "
        "VaR are right is for a backtest to say."
    )


def _require_assets(model: TSGAN | None, assets: list[str]) -> None:
    if model is not None and set(model.columns_) != set(assets):
        raise DataError(
            f"the model has the assets {', '.join(model.columns_)}, the paths have {', '.join(assets)}; give the model "
            "that the paths were drawn from"
        )


def _columns(prices: pd.DataFrame, assets: list[str], source: str) -> pd.DataFrame:
    missing = [name for name in assets if name not in {str(c) for c in prices.columns}]
    if missing:
        there = ", ".join(map(str, prices.columns))
        raise DataError(f"{source} have no column {', '.join(missing)}, which the paths have; there are {there}")
    return prices.set_axis([str(c) for c in prices.columns], axis=1)[assets]
