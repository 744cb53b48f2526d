"""Protocol C: do paths have what was asked for, and is their law right given that?

    python benchmarks/conditioning.py [--parts calibration facts events stress pit process crps pictures] [--steps 0]
                                      [--summary] [--out benchmarks/results/conditioning.csv]

Series: the S&P 500 that ships with arch (1999 to 2018) and, where the folder TSGAN_DATA (default: beside the
repository) exists, an ETF, a bond ETF, a currency, crude oil and a coin, chosen once. Models are warm starts unless
--steps allows adversarial steps; they are fitted to all rows for calibration, facts, events and stress.

calibration  1,000 paths of 20 and 252 steps with .5 to 3 times the sample's own volatility: mean realised volatility,
             measured on the prices, over the one asked for; what the paths are worth in independent ones; seconds.
facts        2,000 paths of 252 steps of a given volatility against the real windows within 10 % of it, where 5 of them
             are disjoint, or 100 overlap and 3 are disjoint: means over windows of facts of the window's own
             standardised returns. The band is real mean +- t s / sqrt(m), s the deviation over all overlapping
             windows, m the largest number of disjoint ones, t Student's 97.5 % point with m - 1 degrees of freedom. The
             control draws days of the whole history independently.
events       1,000 paths on which a rare event happens, with its estimated probability, against 1,000,000 plain paths.
             Twenty seeds for three of the events: how often the interval holds the share of the plain paths.
stress       ES 97.5 % of log returns of one day and of ten under rising stress, 4,000 paths of 20 steps; standard
             errors by the estimator's influence function, paths being the clusters and worth what `conditioning` says.
pit          Ranks of one-step returns of the second half of each series in their forecast laws: Berkowitz and KS.
             Parameters are those of the first half, or fitted anew every 250 dates to as many rows.
process      A Markov-switching process of two states, 5,000 steps: the covariate at t announces the state of the step
             to t + 1. Laws of 1 and 20 steps given a constant covariate against the exact ones: W1 in exact deviations
             and KS, of 10,000 paths against 200,000 exact ones; the floor is the same distance of 10,000 exact paths,
             and "estimated" that of the true model with parameters estimated from the same 5,000 steps and their
             states. Variants: the state as a category; a number, state + .25 noise, so that 0 and 1 tell the state;
             the category and "news", independent standard normal numbers n that multiply the volatility by exp(.4 n).
             "Not known" starts from random dates and gives nothing; "its own history" lets the covariate follow it.
crps         CRPS of 4,000 draws and FZ0 of one-step forecasts of the second half of each series; t is Diebold and
             Mariano's of the law with its history less the other (negative: history is better).
pictures     docs/pictures/fans.png and process.png, from models fitted for it; calibration.png and ranks.png
             from the rows of calibration, events and pit.

Rows (part, series, steps, seed, case, measure, value) are appended to --out, and what is there is not computed again;
--summary computes no part. Prints Markdown. 22 minutes of one thread, 6 of them for events and 6 for pit.
"""

from __future__ import annotations

import argparse
import warnings
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from conditioned import Part, Run, all_series
from conditioned_laws import crps, pit, process, process_runs, show_crps, show_pit, show_process
from conditioned_paths import (
    calibration,
    event_runs,
    events,
    fact_series,
    facts,
    show_calibration,
    show_events,
    show_facts,
    show_stress,
    stress,
)
from records import append, read, work

from tsgan.errors import DataWarning, TrainingWarning

OUT = Path(__file__).parent / "results" / "conditioning.csv"
KEY = ["part", "series", "steps", "seed", "case", "measure"]
PARTS = {
    "calibration": Part(all_series, calibration, show_calibration),
    "facts": Part(fact_series, facts, show_facts),
    "events": Part(event_runs, events, show_events),
    "stress": Part(all_series, stress, show_stress),
    "pit": Part(all_series, pit, show_pit),
    "process": Part(process_runs, process, show_process),
    "crps": Part(all_series, crps, show_crps),
}


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    parts = [name for name in options.parts if name != "pictures"]
    if not options.summary:
        known = read(options.out, KEY)
        done = set(known[KEY[:4]].itertuples(index=False, name=None))
        todo = [Run(part, series, options.steps, seed) for part in parts for series, seed in PARTS[part].runs()]
        for rows in work([partial(judge, run) for run in todo if run not in done], 1):
            append(options.out, rows)
    known = read(options.out, KEY)
    known = known[known.steps == options.steps]
    for part in parts:
        print(PARTS[part].show(known[known.part == part]), end="\n\n")
    if "pictures" in options.parts:
        from conditioned_pictures import draw

        draw(options.steps, known)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=(*PARTS, "pictures"), default=[*PARTS, "pictures"])
    parser.add_argument("--steps", type=int, default=0, help="adversarial steps at most; 0 is the warm start")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--summary", action="store_true", help="only print what --out holds")
    return parser.parse_args()


def judge(run: Run) -> pd.DataFrame:
    """Rows of one piece of work."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)  # few steps are what the warm start is
        warnings.simplefilter("ignore", DataWarning)
        found = PARTS[run.part].judge(run)
    rows = [(*run, case, measure, value) for (case, measure), value in found.items()]
    return pd.DataFrame(rows, columns=[*KEY, "value"])


if __name__ == "__main__":
    main()
