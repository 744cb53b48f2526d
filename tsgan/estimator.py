"""TSGAN: the face of the package, in scikit-learn's manners."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from tsgan import procedure
from tsgan.calendars import Calendar, infer_calendar, iso
from tsgan.checkpoint import Checkpoint
from tsgan.conditioning import Conditioning, Reach, reach_each, with_trend
from tsgan.conditions import Condition, understand
from tsgan.config import Config, check_whole
from tsgan.contents import Contents, check_law, fill
from tsgan.continuation import check_continues, new_returns
from tsgan.covariates import Covariates, known_at
from tsgan.datasets import check_prices
from tsgan.datasets.checks import HUGE, naive_dates, warn_jumps
from tsgan.device import resolve_device, threads_for
from tsgan.errors import ConfigError, DataError, ModelFileError
from tsgan.failures import Failure
from tsgan.fitting import build
from tsgan.history import History
from tsgan.joint import JointNoise
from tsgan.law import Law, Scaling
from tsgan.paths import Paths
from tsgan.progress import Listener, Shares, fit_progress, share_progress, untold
from tsgan.ranks import check_devices, on_devices
from tsgan.regimes import Regimes
from tsgan.returns import Floats, log_returns
from tsgan.scenes import MISSING, Known, Missing, goals_of, scene_of
from tsgan.season import Season
from tsgan.store import FORMAT_VERSION, read_model, write_model

Prices = pd.DataFrame | pd.Series
Seed = int | np.random.Generator | np.random.RandomState | None
StartPrice = float | Mapping[str, float] | pd.Series

_NEAR = 5  # steps after the last known date within which prices still continue its memory
_WARM_START = "The model is its warm start: "  # how the sentence begins that a failure of the second half is told by
_REFITTED = "Refitted to "  # how the sentence of a refit begins, so that the next one replaces it


class TSGAN(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no annotations
    """Wasserstein GAN of financial returns: learns their law from prices and gives back dated price paths.

    Parameters
    ----------
    config : sizes, steps and rates of the fit; None for the defaults. ``Config().with_training(objective="cramer")``
        trains as that paper did, and no objective by tsgan's own settings
    condition_on : names of covariates, columns of the prices or of ``covariates``, that paths can be conditioned on;
        None takes all columns of ``covariates``
    random_state : seed of the fit; the same seed gives the same model on the same machine and device. A generator of
        numpy.random gives another seed each time
    device : auto, cpu, cuda, cuda:1 or mps
    devices : how many processes train, each with a CPU's core or a GPU of its own; several need ``tsgan[fabric]``
    strategy : how they share the work; "ddp" gives each a share of every batch
    calendar : an exchange such as NYSE, whose sessions the dates of paths follow; None infers the pattern of the data
    periods_per_year : steps in a year, for annualised figures; None infers it from the calendar

    Attributes
    ----------
    verdict_ : list of str
        What held-out days said about the law, beside the classical methods.
    training_ : History
        Records of every adversarial step, and why training ended early if it did (:mod:`tsgan.history`).
    columns_ : list of str
        Names of the assets.
    n_features_in_, feature_names_in_ : int and (assets,) array
        Their number, and the same names, as scikit-learn calls them.
    dates_, last_price_ : DatetimeIndex and (assets,) array
        All dates that are known, and the prices of the last.
    season_ : Season
        How the volatility of a bar depends on its time of the week (:mod:`tsgan.season`); of business days nothing.
    fitted_until_ : Timestamp
        Last date that the law was fitted to; those after it came by :meth:`update`.

    Examples
    --------
    >>> from tsgan.datasets import load
    >>> model = TSGAN(random_state=0).fit(load("sp500"))  # doctest: +SKIP
    >>> model.sample(1000, length=252, random_state=1).prices.shape  # doctest: +SKIP
    (1000, 252, 1)
    """

    def __init__(
        self,
        *,
        config: Config | None = None,
        condition_on: Sequence[str] | None = None,
        random_state: Seed = None,
        device: str = "auto",
        devices: int = 1,
        strategy: str = "ddp",
        calendar: str | None = None,
        periods_per_year: float | None = None,
    ) -> None:
        self.config = config
        self.condition_on = condition_on
        self.random_state = random_state
        self.device = device
        self.devices = devices
        self.strategy = strategy
        self.calendar = calendar
        self.periods_per_year = periods_per_year

    def fit(
        self,
        prices: Prices,
        y: None = None,
        *,
        covariates: pd.DataFrame | None = None,
        progress: bool | Listener = False,
        checkpoint: str | PathLike[str] | None = None,
        resume: bool = False,
    ) -> Self:
        """Learn the law of the returns of all columns together.

        Parameters
        ----------
        prices : frame with a DatetimeIndex and a column an asset, or a series; all > 0, none missing
        y : ignored, scikit-learn passes it
        covariates : frame with a DatetimeIndex and a column a covariate, numbers or categories, on any dates; what is
            known at one price is used for the return to the next, and missing values are unknown
        progress : True shows it on stderr; a callable is called with a :class:`~tsgan.progress.Progress` again and
            again, in a resumed fit first with what an earlier run recorded; :mod:`tsgan.logs` has some that write files
        checkpoint : file that keeps how far the fit is, every few seconds and at Ctrl-C; remove it when the model is
            saved
        resume : go on from the checkpoint, to the same bits, if it is of the same data, configuration, seed, device
            and version, and otherwise start anew

        Raises
        ------
        DataError
            The prices cannot be used; the message says which and why.
        ConfigError
            The configuration is not possible.
        TrainingError
            Nothing usable came of it.
        """
        config, device = self._settings(), self._device()
        prices, table = self._covariates_apart(prices, covariates)
        prices = check_prices(prices, min_rows=procedure.rows_needed(config))
        procedure.require_moving(prices)
        index = pd.DatetimeIndex(prices.index)
        learned, inputs = _learned(table, index)
        calendar = infer_calendar(index, self.calendar)
        seed = _seed(self.random_state)
        returns, dates = log_returns(prices.to_numpy()), index[1:]

        known = learned.before_steps(inputs)
        fingerprint = self._fingerprint(prices, inputs, seed, learned)
        kept = Checkpoint(Path(checkpoint) if checkpoint else None, fingerprint, resume=resume)
        with (
            threads_for(prices.shape[1]),
            on_devices(device, self.devices) as ranks,
            fit_progress(progress) as report,
        ):
            choice = procedure.choose(returns, dates, calendar, config, seed, device, report, known, ranks, kept)
            season = Season.of(returns, dates, calendar)
            told = season.without(returns, dates), choice, config, seed, device, report, known, ranks
            law, records, failure = procedure.fit_all(*told, kept)
        self._set(
            law,
            season,
            returns,
            index,
            prices.iloc[-1].to_numpy(),
            list(prices.columns),
            calendar,
            learned,
            inputs,
            {
                "seed": seed,
                "steps": choice.steps,
                "scores": {str(steps): score for steps, score in choice.scores.items()},
                "verdict": [*choice.verdict, *_on_jumps(returns, dates, prices.columns), *_on_failure(failure)],
                "training": History(choice.records, records, choice.failure, failure).to_dict(),
                "fitted_rows": len(prices),
                "fingerprint": fingerprint,
                "versions": _versions(),
            },
        )
        return self

    def update(
        self,
        prices: Prices,
        *,
        covariates: pd.DataFrame | None = None,
        refit: bool = False,
        progress: bool | Listener = False,
        checkpoint: str | PathLike[str] | None = None,
        resume: bool = False,
    ) -> Self:
        """Take in the rows after the last known date; paths, states and dates go on from the new last row.

        The law stays the one that was fitted, unless ``refit`` asks for another. If anything fails, nothing changes.

        Parameters
        ----------
        prices : prices of the same assets: the new rows alone, or the whole history downloaded again. Where they reach
            back to known dates, the first new return and the last price are of their own level, since adjusted prices
            change with every dividend
        covariates : as in :meth:`fit`; those of the new rows are unknown where neither this nor prices have them
        refit : fit the law anew to all rows, with the steps that :meth:`fit` chose; about half of a fit, no verdict
        progress, checkpoint, resume : as in :meth:`fit`, for a refit

        Raises
        ------
        DataError
            There is no new row, rows between are missing, or these are not prices of the same market.
        TrainingError
            Nothing usable came of a refit.
        sklearn.exceptions.NotFittedError
            There is no model yet.
        """
        check_is_fitted(self, "law_")
        table = _columns_of(self.covariates_.names, prices, covariates)
        prices = self._check_history(prices, min_rows=1)
        check_continues(prices, self.dates_, self._near_end(), self.returns_, self.law_.scaling.deviation)
        added = new_returns(prices, self.dates_, self.returns_, self.last_price_)
        if prices.index[0] > self.dates_[-1]:  # the step onto the new rows is in no table that was checked
            seam = [self.last_price_, prices.iloc[0].to_numpy()]
            warn_jumps(pd.DataFrame(seam, [self.dates_[-1], prices.index[0]], self.columns_))
        returns = np.concatenate((self.returns_, added))
        dates = pd.DatetimeIndex(self.dates_.append(prices.index[-len(added) :]))
        new_inputs = self.covariates_.encode(
            known_at(table.reindex(columns=self.covariates_.names), dates[-len(added) :])
        )
        inputs = np.concatenate((self.inputs_, new_inputs))
        law, season, fit = self.law_, self.season_, self.fit_
        if refit:
            file = Path(checkpoint) if checkpoint else None
            with fit_progress(progress) as report:
                law, season, fit = self._refit(returns, dates, inputs, report, file, resume)
        last_price = prices.iloc[-1].to_numpy()
        self._set(law, season, returns, dates, last_price, self.columns_, self.calendar_, self.covariates_, inputs, fit)
        return self

    def plan(self, prices: Prices, *, covariates: pd.DataFrame | None = None) -> dict[str, Any]:
        """Say what :meth:`fit` would do, after the same checks; trains nothing. Plain values."""
        config, device = self._settings(), self._device()
        prices, table = self._covariates_apart(prices, covariates)
        prices = check_prices(prices, min_rows=procedure.rows_needed(config))
        procedure.require_moving(prices)
        index = pd.DatetimeIndex(prices.index)
        calendar = infer_calendar(index, self.calendar)
        train_end, choose_end = procedure.slices(len(prices) - 1)
        learned, inputs = _learned(table, index)
        generator, critics = build(prices.shape[1], config, 0, torch.device("cpu"), learned.blocks)
        year = self.periods_per_year or calendar.periods_per_year
        deviation = log_returns(prices.to_numpy()).std(axis=0) * year**0.5
        slices = {"trains": (1, train_end), "chooses": (train_end + 1, choose_end), "judges": (choose_end + 1, -1)}
        return {
            "rows": len(prices),
            "assets": list(prices.columns),
            "covariates": {covariate.name: covariate.describe() for covariate in learned.each},
            "dates": [iso(index[0]), iso(index[-1])],
            "calendar": calendar.description,
            "periods_per_year": year,
            "annual_volatility": dict(zip(prices.columns, deviation.tolist(), strict=True)),
            "slices": {name: [iso(index[i]) for i in ends] for name, ends in slices.items()},
            "parameters": {
                "generator": sum(p.numel() for p in generator.parameters()),
                "critics": sum(p.numel() for critic in critics for p in critic.parameters()),
            },
            "steps": config.training.steps,
            "objective": config.training.objective,
            "critic": config.training.critic,
            "device": str(device),
            "fingerprint": self._fingerprint(prices, inputs, _seed(self.random_state), learned),
        }

    def sample(
        self,
        n_samples: int,
        length: int = 252,
        *,
        start: Literal["stationary", "last"] = "stationary",
        history: Prices | None = None,
        condition: Condition | None = None,
        like: str | None = None,
        missing: Missing = "ignore",
        start_price: StartPrice | None = None,
        start_date: str | pd.Timestamp | None = None,
        random_state: Seed = None,
        progress: bool | Shares = False,
    ) -> Paths:
        """Draw price paths.

        Parameters
        ----------
        n_samples : number of paths
        length : steps of each
        start : "stationary" starts each path from the market's state on a random known date, "last" from the state
            after the last of them
        history : prices of the same assets; every path continues from their last row, in state, price and date
        condition : what the paths satisfy, such as ``{"volatility": 0.4, "return": (None, -0.2)}``; all keys and
            values are in :mod:`tsgan.conditions`. Facts of a path hold on every path, and ``paths.conditioning`` says
            how rare that is. A DataFrame gives covariates over the dates of the paths
        like : a period of the data, such as "2008-09-01:2009-03-31", or its name in :mod:`tsgan.scenarios`: paths start
            in the state before it, with its volatility and its covariates over and over again, unless condition
            says otherwise
        missing : what to do about covariates that the model learned and condition does not give: "ignore" averages
            over them, "history" lets them follow their own history from where the path starts, "error" refuses
        start_price : price before the first step, one number or one an asset; the last known row's by default
        start_date : paths begin at the first date of the calendar on or after it; by default they continue the
            last known row
        random_state : seed; path i is the same however many paths are drawn, on however many threads
        progress : True shows it on stderr, for paths under a condition can take minutes; a callable is called with the
            stage and the share that is done

        Raises
        ------
        ConfigError
            An option is not possible.
        DataError
            The history cannot be used.
        sklearn.exceptions.NotFittedError
            There is no model yet.
        """
        with share_progress(progress) as report:
            parts = self.iter_sample(
                n_samples,
                length,
                start=start,
                history=history,
                condition=condition,
                like=like,
                missing=missing,
                start_price=start_price,
                start_date=start_date,
                random_state=random_state,
                progress=report,
            )
            returns = np.empty((n_samples, length, len(self.columns_)))
            report("sampling", 0.0)
            for part in parts:
                returns[part.first : part.first + len(part)] = part.returns
                report("sampling", (part.first + len(part)) / n_samples)
        told = part.start_price, part.dates, part.columns, part.conditioning
        return Paths(returns, *told, random_start=part.random_start)

    def iter_sample(
        self,
        n_samples: int,
        length: int = 252,
        *,
        start: Literal["stationary", "last"] = "stationary",
        history: Prices | None = None,
        condition: Condition | None = None,
        like: str | None = None,
        missing: Missing = "ignore",
        start_price: StartPrice | None = None,
        start_date: str | pd.Timestamp | None = None,
        random_state: Seed = None,
        first: int = 0,
        progress: Shares = untold,
    ) -> Iterator[Paths]:
        """Draw the paths of :meth:`sample` some at a time, more than fit in memory.

        Together they are what :meth:`sample` returns, to the bit; ``part.first`` is the number of the first path of a
        part. With a condition ``part.conditioning`` speaks of all paths so far, so that the last part's is that of the
        whole; paths that each have a return of their own come in one part.

        Parameters
        ----------
        first : begin with this path instead of path 0, to go on where an earlier run ended; the other parameters are
            those of :meth:`sample`, with the same random_state
        progress : called with the stage and the share that is done while paths under a condition are searched for

        Yields
        ------
        Paths
            A few hundred to a few thousand paths.

        Raises
        ------
        ConfigError, DataError, sklearn.exceptions.NotFittedError
            As :meth:`sample` does, before the first part.
        """
        check_is_fitted(self, "law_")
        check_whole("n_samples", n_samples)
        check_whole("length", length)
        check_whole("first", first, 0)
        if start not in ("stationary", "last"):
            raise ConfigError(f"start must be 'stationary' or 'last', not {start!r}")
        if missing not in MISSING:
            raise ConfigError(f"missing must be one of {', '.join(MISSING)}, not {missing!r}")
        if like is not None and (history is not None or start == "last"):
            raise ConfigError("like says where the paths start, as history and a start of 'last' do; give one of them")
        prices = None if history is None else self._check_history(history)
        last_price, last_date = self.last_price_, self.dates_[-1]
        if prices is not None:
            last_price, last_date = prices.iloc[-1].to_numpy(), prices.index[-1]
        dates = self._dates(last_date, start_date, length)
        price = last_price if start_price is None else self._start_price(start_price)
        wish = understand(condition, self.columns_, self.covariates_.names)
        told = self.covariates_.names if missing == "history" or like is not None else wish.covariates
        of_told = self.covariates_.is_input_of(told)
        known, after = self._known(of_told), None if prices is None else self._states(prices, of_told)[-1:]
        if wish.each and len(wish.each[1]) != n_samples:
            raise ConfigError(f"one return a path is {len(wish.each[1]):,} values for {n_samples:,} paths")
        scene = scene_of(known, wish, like, after, start == "last", missing, dates)
        goals, seed, year = goals_of(known, wish, like, length), _seed(random_state), self.periods_per_year_
        if wish.trends:
            scene = with_trend(scene, length, goals, wish.trends, year, seed)
        parts: Iterator[tuple[Floats, Conditioning | None]]
        if wish.each:
            parts = iter([reach_each(scene, length, *wish.each, year, seed)])
        elif goals:
            parts = Reach(scene, length, goals, year, seed).batches(n_samples, progress)
        else:
            parts = ((returns, None) for returns in scene.batches(n_samples, length, seed, first))
            anywhere = start == "stationary" and history is None and like is None and condition is None
            return self._numbered(parts, first, price, dates, random_start=anywhere)
        return self._numbered(parts, 0, price, dates, first)

    def _numbered(
        self,
        parts: Iterator[tuple[Floats, Conditioning | None]],
        number: int,
        price: Floats,
        dates: pd.DatetimeIndex,
        first: int = 0,
        *,
        random_start: bool = False,
    ) -> Iterator[Paths]:
        """Paths of returns whose first has a number, without those before another one."""
        for returns, conditioning in parts:
            wanted = returns[max(0, first - number) :]
            number += len(returns)
            if len(wanted):
                told = price, dates, self.columns_, conditioning, number - len(wanted)
                yield Paths(wanted, *told, random_start=random_start)

    def states(self, history: Prices) -> torch.Tensor:
        """Work out the market's state after each row of a history.

        Parameters
        ----------
        history : prices of the same assets; what came before is what the model knows where they follow it, and taken
            to be usual elsewhere

        Returns
        -------
        (rows, assets, 3, half-lives); entry t knows the rows up to t, and is where ``law_.run`` and
        ``law_.value_at_risk`` go on from; ``season_.back`` gives what they return the season of its dates.

        Raises
        ------
        DataError
            The history cannot be used.
        """
        check_is_fitted(self, "law_")
        return self._states(self._check_history(history), np.zeros(self.inputs_.shape[1]))

    def known_before(self, date: pd.Timestamp) -> int:
        """Count the known steps before a date, which :meth:`states` remembers; 0 long after the last of them."""
        check_is_fitted(self, "law_")
        if date > self._near_end():
            return 0
        return max(0, int(self.dates_.searchsorted(date, side="right")) - 1)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model file: safetensors weights and JSON; it appears under its name only when it is complete."""
        check_is_fitted(self, "law_")
        tensors = {f"generator.{k}": v for k, v in self.law_.generator.state_dict().items()}
        tensors |= {f"noise.{k}": v for k, v in self.law_.noise.state_dict().items()}
        tensors["returns"] = torch.tensor(self.returns_)
        tensors["dates"] = torch.tensor(self.dates_.to_numpy().astype("datetime64[us]").astype(np.int64))
        tensors["last_price"] = torch.tensor(self.last_price_)
        tensors["covariates"] = torch.tensor(self.inputs_)
        if len(self.season_.times):
            tensors |= {f"season.{name}": torch.tensor(value) for name, value in self.season_._asdict().items()}
        document = {
            "config": (self._settings()).to_dict(),
            "parameters": {
                "random_state": self.random_state if isinstance(self.random_state, int | np.integer) else None,
                "calendar": self.calendar,
                "periods_per_year": self.periods_per_year,
            },
            "covariates": self.covariates_.to_list(),
            "columns": self.columns_,
            "calendar": self.calendar_.to_dict(),
            "fit": self.fit_,
        }
        write_model(path, tensors, document)

    @classmethod
    def load(cls, path: str | PathLike[str], device: str = "auto") -> Self:
        """Read a model file, on any device; executes nothing of it.

        Raises
        ------
        ModelFileError
            The file is no model, damaged, or of a newer format.
        """
        tensors, document = read_model(path)
        target = resolve_device(device)
        if "generator.guidance.neutral" in tensors:
            raise ModelFileError(f"{path} has covariates of an earlier tsgan, whose law was another; fit it again")
        try:
            held = Contents.of(tensors, document)
            model = cls(config=held.config, device=device, **held.parameters)
            model.condition_on = held.covariates.names or None
            generator, _ = build(len(held.columns), held.config, 0, target, held.covariates.blocks)
            fill(generator, held.generator)
            with np.errstate(all="ignore"):  # what comes of the numbers is looked at instead
                blur, neighbours = held.config.generator.blur, held.config.generator.neighbours
                noise = JointNoise(held.noise["scores"], held.noise["levels"], blur, neighbours)
                fill(noise, held.noise)
                usual = held.season.without(held.returns, held.dates[1:])
                scaling = Scaling.of(usual[: held.fit["fitted_rows"] - 1], generator)
                law = Law(generator, noise.to(target), scaling)
                history = held.returns, held.dates, held.last_price
                model._set(
                    law, held.season, *history, held.columns, held.calendar, held.covariates, held.inputs, held.fit
                )
                check_law(law, model.states_, usual, held.inputs)
        except (ModelFileError, ConfigError, RuntimeError) as error:
            raise ModelFileError(f"{path} does not hold what a model of its format holds: {error}") from error
        return model

    def describe(self) -> dict[str, Any]:
        """Everything that is known about the fitted model, as plain values for JSON."""
        check_is_fitted(self, "law_")
        deviation = self.returns_.std(axis=0) * self.periods_per_year_**0.5
        return {
            "format_version": FORMAT_VERSION,
            "assets": self.columns_,
            "rows": len(self.dates_),
            "dates": [iso(self.dates_[0]), iso(self.dates_[-1])],
            "last_price": dict(zip(self.columns_, self.last_price_.tolist(), strict=True)),
            "fitted_until": iso(self.fitted_until_),
            "calendar": self.calendar_.description,
            "periods_per_year": self.periods_per_year_,
            "volatility_by_time_of_day": self.season_.by_time_of_day(),
            "volatility_by_day_of_week": self.season_.by_day_of_week(),
            "regimes": Regimes.of(self.returns_, self.periods_per_year_).describe(self.dates_),
            "covariates": {covariate.name: covariate.describe() for covariate in self.covariates_.each},
            "annual_volatility": dict(zip(self.columns_, deviation.tolist(), strict=True)),
            "config": (self._settings()).to_dict(),
            **self.fit_,
        }

    def _set(
        self,
        law: Law,
        season: Season,
        returns: Floats,
        dates: pd.DatetimeIndex,
        last_price: Floats,
        columns: list[str],
        calendar: Calendar,
        covariates: Covariates,
        inputs: Floats,
        fit: dict[str, Any],
    ) -> None:
        states = law.states(season.without(returns, dates[1:]))  # first, since it can fail
        self.law_, self.season_, self.states_ = law, season, states
        self.returns_, self.dates_, self.last_price_ = returns, dates, last_price
        self.columns_, self.calendar_, self.fit_ = columns, calendar, fit
        self.covariates_, self.inputs_ = covariates, inputs
        self.fitted_until_ = dates[fit["fitted_rows"] - 1]
        self.verdict_: list[str] = fit["verdict"]
        self.periods_per_year_ = self.periods_per_year or calendar.periods_per_year
        self.feature_names_in_, self.n_features_in_ = np.array(columns, dtype=object), len(columns)

    def _refit(
        self,
        returns: Floats,
        dates: pd.DatetimeIndex,
        inputs: Floats,
        report: Listener,
        checkpoint: Path | None,
        resume: bool,
    ) -> tuple[Law, Season, dict[str, Any]]:
        """Fit to all returns with the chosen steps; the law, its season, and what is then known about the fit."""
        fit, config, device = self.fit_, self._settings(), self._device()
        choice = procedure.Choice(fit["steps"], {}, [], [])  # what a fit to all rows needs of it
        known = self.covariates_.before_steps(inputs)
        table = pd.DataFrame(returns, dates[1:], self.columns_)
        fingerprint = self._fingerprint(table, inputs, fit["seed"], self.covariates_, choice.steps)
        kept = Checkpoint(checkpoint, fingerprint, resume=resume)
        season = Season.of(returns, dates[1:], self.calendar_)
        usual = season.without(returns, dates[1:])
        with threads_for(len(self.columns_)), on_devices(device, self.devices) as ranks:
            told = usual, choice, config, fit["seed"], device, report, known, ranks
            law, records, failure = procedure.fit_all(*told, kept)
        said = [said for said in fit["verdict"] if not said.startswith((_REFITTED, _WARM_START))]
        sentence = (
            f"{_REFITTED}{len(dates):,} rows up to {iso(dates[-1])} with the steps chosen at the first fit; "
            "the verdict is that of the first fit."
        )
        found = {
            **fit,
            "verdict": [*said, sentence, *_on_failure(failure)],
            "training": self.training_._replace(final=records, failed_final=failure).to_dict(),
            "fitted_rows": len(dates),
            "fingerprint": fingerprint,
            "versions": _versions(),
        }
        return law, season, found

    @property
    def training_(self) -> History:
        """Records of the training and what went wrong in it, as the model file keeps them."""
        check_is_fitted(self, "law_")
        return History.from_dict(self.fit_["training"])

    def _settings(self) -> Config:
        config: Any = self.config  # whatever a user or a grid search has set
        if not isinstance(config, Config | None):
            example = "such as Config().with_training(steps=60)"
            raise ConfigError(f"config must be a Config, {example}, or None, not {config!r:.100}")
        return config or Config()

    def _device(self) -> torch.device:
        device = resolve_device(self.device)
        check_devices(self.devices, self.strategy, device, self._settings())
        return device

    def _fingerprint(
        self, table: pd.DataFrame, inputs: Floats, seed: int, learned: Covariates, steps: int | None = None
    ) -> str:
        """Digest of everything that decides a fit: to prices, or with so many steps anew to returns."""
        versions = version("tsgan"), version("torch")
        options = self._settings(), self.calendar, self.periods_per_year, self._device().type, self.devices
        digest = hashlib.sha256(repr((list(table.columns), seed, steps, versions, options, learned)).encode())
        for values in (table.index.to_numpy().astype("datetime64[us]"), table.to_numpy(), inputs):
            digest.update(values.tobytes())
        return digest.hexdigest()

    def _covariates_apart(self, prices: Prices, covariates: pd.DataFrame | None) -> tuple[Prices, pd.DataFrame | None]:
        """Prices without the columns that are covariates, and these, or None."""
        names = list(self.condition_on or [])
        if covariates is not None and not names:
            names = [str(name) for name in covariates.columns]
        if not names:
            return prices, None
        table = _columns_of(names, prices, covariates)
        absent = [name for name in names if name not in table]
        if absent:
            raise DataError(f"there is no covariate {absent[0]!r}; it must be a column of the prices or of covariates")
        mine = [name for name in names if isinstance(prices, pd.DataFrame) and name in prices.columns]
        return (prices.drop(columns=mine) if mine else prices), table

    def _known(self, told: Floats) -> Known:
        return Known(
            self.law_,
            self._known_states(told),
            self.returns_,
            self.dates_,
            self.covariates_,
            self.inputs_,
            self.season_,
            self.periods_per_year_,
        )

    def _known_states(self, told: Floats) -> torch.Tensor:
        """Memory on known dates, and of what some covariates do not explain: told is 1 for their inputs."""
        if not told.any():
            return self.states_
        usual = self.season_.without(self.returns_, self.dates_[1:])
        return self.law_.states(usual, given=self.inputs_[:-1] * told)

    def _states(self, prices: pd.DataFrame, told: Floats) -> torch.Tensor:
        """Memory after each row of checked prices; covariates are known where the dates are."""
        returns = self.season_.without(log_returns(prices.to_numpy()), pd.DatetimeIndex(prices.index[1:]))
        before = self._memory_before(prices.index[0], told)
        if not told.any():
            return self.law_.states(returns, before)
        rows = self.dates_.get_indexer(prices.index[:-1])
        given = np.where(rows[:, None] < 0, 0.0, self.inputs_[rows] * told)
        return self.law_.states(returns, before, given)

    def _check_history(self, history: Prices, min_rows: int = 2) -> pd.DataFrame:
        if isinstance(history, pd.Series) and len(self.columns_) == 1:
            history = history.to_frame(self.columns_[0])
        if isinstance(history, pd.DataFrame) and set(self.columns_) <= set(history.columns):
            history = history[self.columns_]
        prices = check_prices(history, min_rows=min_rows)
        missing = [name for name in self.columns_ if name not in prices.columns]
        if missing:
            raise DataError(
                f"the history has no column {', '.join(map(repr, missing))}; it needs the model's columns: "
                f"{', '.join(self.columns_)}; it has {', '.join(map(str, prices.columns))}"
            )
        return prices[self.columns_]

    def _memory_before(self, first: pd.Timestamp, told: Floats) -> Floats:
        """Memory at a date: that of the known returns where they reach it, the usual one elsewhere."""
        known = self.known_before(first)
        if not known:
            return self.law_.scaling.usual[..., None]
        return np.asarray(self._known_states(told)[min(known, len(self.returns_))].cpu().double().numpy())

    def _near_end(self) -> pd.Timestamp:
        """Last date on which prices may begin and still continue the known ones."""
        return self.calendar_.after(self.dates_[-1], _NEAR)[-1]

    def _start_price(self, given: StartPrice) -> Floats:
        if isinstance(given, Mapping | pd.Series):
            values = dict(given)
            unknown = sorted(set(map(str, values)) ^ set(self.columns_))
            if unknown:
                raise ConfigError(f"start_price needs one price for each of {', '.join(self.columns_)}; see {unknown}")
            numbers = np.array([values[name] for name in self.columns_], dtype=np.float64)
        else:
            numbers = np.full(len(self.columns_), given, dtype=np.float64)
        if not (np.isfinite(numbers).all() and (numbers > 0).all()):
            raise ConfigError(f"start_price must be finite and > 0, not {numbers.tolist()}")
        return numbers

    def _dates(self, last: pd.Timestamp, start_date: str | pd.Timestamp | None, length: int) -> pd.DatetimeIndex:
        if start_date is None:
            return self.calendar_.after(last, length)
        try:
            first = pd.Timestamp(start_date)
        except ValueError as error:
            raise ConfigError(f"start_date must be a date such as 2024-01-31, not {start_date!r}") from error
        return self.calendar_.after(first - pd.Timedelta(1, "us"), length)


def _on_jumps(returns: Floats, dates: pd.DatetimeIndex, columns: pd.Index[Any]) -> list[str]:
    """Say which step is so large that it is hardly genuine: a forgotten warning would leave worthless paths behind."""
    step, asset = divmod(int(np.abs(returns).argmax()), returns.shape[1])
    largest = float(returns[step, asset])
    if abs(largest) <= HUGE:
        return []
    return [
        f"{columns[asset]} came to {np.exp(largest):.3g} times its price on {iso(dates[step])}, and paths do the like; "
        "if that is a split or a new unit, adjust the prices before it and fit again."
    ]


def _on_failure(failure: Failure | None) -> list[str]:
    return [f"{_WARM_START}{failure.sentence}."] if failure else []


def _seed(random_state: Seed) -> int:
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, bool) or not isinstance(random_state, int | np.integer) or random_state < 0:
        raise ConfigError(
            f"random_state must be a whole number >= 0, a generator of numpy.random or None, not {random_state!r}"
        )
    return int(random_state)


def _columns_of(names: Sequence[str], prices: Prices, covariates: pd.DataFrame | None) -> pd.DataFrame:
    """Columns of the covariates' frame or, for those it lacks, of the prices; ordered by date, without time zone."""
    columns: dict[str, Any] = {}
    for frame in (prices, covariates):
        if isinstance(frame, pd.DataFrame):
            named = frame.set_axis(naive_dates(frame.index), axis=0)
            columns |= {name: named[name] for name in names if name in frame.columns}
    found = {name: columns[name][~columns[name].index.duplicated(keep="last")] for name in names if name in columns}
    return pd.DataFrame(found, index=None if found else pd.DatetimeIndex([]))


def _learned(table: pd.DataFrame | None, dates: pd.DatetimeIndex) -> tuple[Covariates, Floats]:
    """Covariates of a table, and their inputs at the dates of the prices: (time + 1, inputs)."""
    if table is None:
        return Covariates(), np.zeros((len(dates), 0))
    aligned = known_at(table, dates)
    learned = Covariates.learn(aligned)
    return learned, learned.encode(aligned)


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("tsgan", "torch", "numpy", "pandas")},
    }
