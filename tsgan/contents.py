"""What a model file holds, checked before anything is built of it.

A checksum says that a file is as it was written, not who wrote it: whoever makes one can compute it. So types, shapes
and values are checked as those of any other input, and nothing is allocated whose size the text alone declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tsgan.calendars import Calendar
from tsgan.config import Config
from tsgan.covariates import Covariates
from tsgan.errors import ModelFileError
from tsgan.law import Law
from tsgan.returns import Floats
from tsgan.season import Season

_TYPES = {"config": dict, "parameters": dict, "columns": list, "covariates": list, "calendar": dict, "fit": dict}
_PARAMETERS = ("random_state", "calendar", "periods_per_year")
_LARGEST_RETURN = 1500.0  # no two prices of 64 bits have a log return beyond it
_PATHS, _STEPS = 64, 32  # of the free run that a law is tried with
_ODD_RETURN, _WILD = 20.0, 50.0  # in the law's deviations and in the data's: no fit that worked is near them
_FIRST_DATE, _END_DATE = (int(np.datetime64(day, "us").astype(np.int64)) for day in ("0001-01-01", "9999-12-31"))


class Contents(NamedTuple):
    """All parts of a model, each of the type and shape that goes with the others."""

    config: Config
    parameters: dict[str, Any]
    """Of :class:`~tsgan.TSGAN`, by name"""
    columns: list[str]
    calendar: Calendar
    covariates: Covariates
    fit: dict[str, Any]
    dates: pd.DatetimeIndex
    """(rows,)"""
    returns: Floats
    """(rows - 1, assets)"""
    last_price: Floats
    """(assets,)"""
    inputs: Floats
    """(rows, inputs) encoded covariates"""
    generator: dict[str, Tensor]
    noise: dict[str, Tensor]
    season: Season

    @classmethod
    def of(cls, tensors: dict[str, Tensor], document: dict[str, Any]) -> Self:
        """Take apart what :func:`tsgan.store.read_model` read.

        Raises
        ------
        ModelFileError, ConfigError
            A part is missing, unknown, or not what a model holds; the sentence lacks the name of the file.
        """
        document = {"covariates": [], **document}  # older files have none
        for name, kind in _TYPES.items():
            _require(isinstance(document.get(name), kind), f"{name} in its text is missing or of another type")
        columns = document["columns"]
        _require(len(columns) > 0 and _are_names(columns), "columns must be different names of assets")
        config = Config.from_dict(document["config"])
        covariates = Covariates.from_list(document["covariates"])
        alone, parts = _by_prefix(tensors)
        _require("dates" in alone, "it lacks the tensor 'dates'")
        assets, rows = len(columns), alone["dates"].numel()
        alone.setdefault("covariates", torch.zeros((rows, 0), dtype=torch.float64))
        fit = dict(document["fit"])
        fit.setdefault("fitted_rows", rows)  # files of before `update` do not say it
        _check_fit(fit, rows)
        size = len(config.generator.half_lives)
        shapes = {
            "dates": (rows,),
            "returns": (rows - 1, assets),
            "last_price": (assets,),
            "covariates": (rows, sum(covariates.blocks)),
        }
        days = fit["fitted_rows"] - 1
        _check_tensors(alone, shapes, torch.float64, {"dates": torch.int64})
        _check_tensors(parts["noise"], {"scores": (days, assets), "levels": (days,), "factor": (assets, assets)})
        # the tensor that is large in everything which the text declares; the generator checks the others
        _check_tensors(parts["generator"], {"hidden": (assets, 3 * size, config.generator.width)}, others=True)
        dates, returns, last_price = (alone[name].numpy() for name in ("dates", "returns", "last_price"))
        ascending = bool((dates[1:] > dates[:-1]).all()) and dates[0] >= _FIRST_DATE and dates[-1] < _END_DATE
        _require(ascending, "dates must ascend, from the year 1 to 9999")
        _require(bool((np.abs(returns) <= _LARGEST_RETURN).all()), "its returns are not those of prices")
        _require(bool((last_price > 0).all()), "its last prices must be > 0")
        return cls(
            config,
            _parameters(document["parameters"]),
            columns,
            Calendar.from_dict(document["calendar"]),
            covariates,
            fit,
            pd.DatetimeIndex(dates.astype("datetime64[us]"), name="date"),
            returns,
            last_price,
            alone["covariates"].numpy(),
            parts["generator"],
            parts["noise"],
            _season(parts["season"], returns),
        )


def fill(module: torch.nn.Module, weights: dict[str, Tensor]) -> None:
    """Put weights into a network whose names and shapes they must have.

    Raises
    ------
    ModelFileError
        They have others, or what follows from the configuration has other values.
    """
    own = module.state_dict()
    _check_tensors(weights, {name: tuple(value.shape) for name, value in own.items()})
    if "decay" in own:
        _require(torch.allclose(own["decay"].cpu(), weights["decay"]), "its decay is not that of its half-lives")
    module.load_state_dict(weights)


@torch.no_grad()
def check_law(law: Law, states: Tensor, returns: Floats, inputs: Floats) -> None:
    """Refuse a law that gives no finite returns, or that has nothing to do with the returns that it was fitted to.

    Parameters
    ----------
    states : (rows, assets, 3, half-lives) memory after each row
    returns : (rows - 1, assets) log returns between them, without their season
    inputs : (rows, inputs) covariates after each row

    Raises
    ------
    ModelFileError
        So it is; the sentence lacks the name of the file.
    """
    mean, scale, innovation = law.generator.prepare()(states)
    found = (states, mean, scale, *innovation, law.noise.near)
    usable = all(bool(values.isfinite().all()) for values in found) and bool((scale * innovation.scale > 0).all())
    _require(usable, "the law that its weights make gives no finite returns")
    odd = ((law.standardise(returns) - mean[:-1]) / scale[:-1]).abs().median(0).values
    starts = np.linspace(0, len(states) - 1, _PATHS).astype(int)
    noise = law.noise.draw(_PATHS, _STEPS, torch.Generator(law.device).manual_seed(0))
    runs = [law.follow(states[starts], noise)]
    if inputs.shape[1]:
        given = inputs[(starts[:, None] + np.arange(_STEPS)) % len(inputs)]
        explained = law.states(returns, given=inputs[:-1])[starts]
        runs.append(law.follow(explained, noise, given=torch.as_tensor(given, dtype=mean.dtype, device=law.device)))
    wild = np.stack([np.square(run - returns.mean(0)).mean((0, 1)) ** 0.5 for run in runs]) / law.scaling.deviation
    fits = bool((odd <= _ODD_RETURN).all()) and bool((wild <= _WILD).all())
    _require(fits, "the law that its weights make has nothing to do with its returns")


def _season(tensors: dict[str, Tensor], returns: Floats) -> Season:
    assets, times = returns.shape[1], tensors["times"].numel() if "times" in tensors else 0
    if not tensors:  # of daily bars, and in older files
        return Season.none(assets)
    shapes = {"times": (times,), "factors": (times, assets), "lift": (assets,)}
    _check_tensors(tensors, shapes, torch.float64, {"times": torch.int64})
    season = Season(*(tensors[name].numpy() for name in Season._fields))
    possible = season.is_possible and bool((np.abs(season.lift) <= np.abs(returns).max(axis=0)).all())
    _require(possible, "its season has impossible times, factors or means")
    return season


def _check_fit(fit: dict[str, Any], rows: int) -> None:
    fitted, verdict = fit["fitted_rows"], fit.get("verdict")
    _require(type(fitted) is int and 2 < fitted <= rows, f"fitted_rows must be a whole number from 3 to {rows}")
    for name in ("seed", "steps"):
        _require(type(fit.get(name)) is int and fit[name] >= 0, f"{name} must be a whole number >= 0")
    sentences = isinstance(verdict, list) and all(isinstance(sentence, str) for sentence in verdict)
    _require(sentences, "verdict must be a list of sentences")


def _parameters(given: dict[str, Any]) -> dict[str, Any]:
    _require(set(given) == set(_PARAMETERS), f"parameters must be {', '.join(_PARAMETERS)}")
    seed, calendar, year = (given[name] for name in _PARAMETERS)
    _require(seed is None or (type(seed) is int and seed >= 0), "random_state must be a whole number >= 0 or null")
    _require(calendar is None or isinstance(calendar, str), "calendar must be the name of an exchange or null")
    number = isinstance(year, int | float) and not isinstance(year, bool) and 0 < year < 1e9
    _require(year is None or number, "periods_per_year must be a number > 0 or null")
    return given


def _by_prefix(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Tensors of the model itself, and those of its parts by the names there."""
    alone: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {"generator": {}, "noise": {}, "season": {}}
    for name, tensor in tensors.items():
        prefix, _, rest = name.partition(".")
        parts.get(prefix, alone)[rest if prefix in parts else name] = tensor
    return alone, parts


def _check_tensors(
    found: Mapping[str, Tensor],
    shapes: Mapping[str, tuple[int, ...]],
    dtype: torch.dtype = torch.float32,
    dtypes: Mapping[str, torch.dtype] | None = None,
    *,
    others: bool = False,
) -> None:
    """Refuse a tensor that is missing, unknown, of another shape or type, or not finite."""
    unknown = None if others else next((name for name in found if name not in shapes), None)
    _require(unknown is None, f"it holds a tensor {unknown!r:.100}, which no model has")
    for name, shape in shapes.items():
        _require(name in found, f"it lacks the tensor {name!r}")
        tensor, expected = found[name], (dtypes or {}).get(name, dtype)
        have = f"{tensor.dtype} {tuple(tensor.shape)}".removeprefix("torch.")
        want = f"{expected} {shape}".removeprefix("torch.")
        _require(have == want, f"its tensor {name!r} is {have}, expected {want:.100}")
        _require(bool(tensor.isfinite().all()), f"its tensor {name!r} holds numbers that are not finite")


def _are_names(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values) and len(set(values)) == len(values)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ModelFileError(otherwise)
