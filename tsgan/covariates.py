"""What a market is conditioned on: numbers such as the VIX, categories such as a regime; known at t, used for t + 1.

Each covariate becomes a block of inputs: a number is standardised, in logs where all its values are > 0 and that makes
it less skewed, and its effect may bend at the mean and half and a whole deviation from it; a category becomes one
input a category. The last input of a block is 1 where the value is known, and a
block is 0 where it is not.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from scipy.stats import skew

from tsgan.datasets.checks import warn
from tsgan.errors import ConfigError, DataError, ModelFileError
from tsgan.events import FACTS
from tsgan.returns import Floats

FORETELL_NOTHING = "they foretell nothing beyond the returns themselves"  # in the verdict on them
_KNOTS = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])  # deviations from the mean at which the effect of a number may bend
_MANY = 20  # categories; more are an identifier, or numbers read as text
_MOST = 8  # covariates, every subset of which can be given
_FEW = 30  # known values below which nothing can be learned


class Covariate(NamedTuple):
    """How one covariate becomes a block of inputs."""

    name: str
    categories: list[str] | None
    """None for a number"""
    in_logs: bool = False
    mean: float = 0.0
    deviation: float = 1.0
    least: float = 0.0
    most: float = 0.0
    """The range of the numbers that were seen"""

    @classmethod
    def learn(cls, name: str, values: pd.Series[Any]) -> Self:
        """Find out what a column holds from its known values.

        Raises
        ------
        DataError
            Nothing can be learned from it.
        """
        known = values.dropna()
        if len(known) < _FEW:
            raise DataError(f"covariate {name!r} has {len(known)} known values on the dates of the prices; give {_FEW}")
        if pd.api.types.is_bool_dtype(known.dtype) or not pd.api.types.is_numeric_dtype(known.dtype):
            categories = sorted(known.astype(str).unique())
            if not 2 <= len(categories) <= _MANY:
                raise DataError(
                    f"covariate {name!r} has {len(categories):,} different texts, such as {categories[0]!r}; "
                    f"expected numbers, or 2 to {_MANY} categories"
                )
            return cls(name, categories)
        numbers = known.to_numpy(np.float64)
        if not np.isfinite(numbers).all() or numbers.std() == 0:
            raise DataError(f"covariate {name!r} must hold finite numbers that are not all the same")
        in_logs = bool(numbers.min() > 0 and abs(skew(np.log(numbers))) < abs(skew(numbers)))
        numbers = np.log(numbers) if in_logs else numbers
        least, most = float(known.min()), float(known.max())
        return cls(name, None, in_logs, float(numbers.mean()), float(numbers.std()), least, most)

    def is_possible(self) -> bool:
        """Whether :meth:`learn` can have made it."""
        values: list[Any] = list(self)  # of any types
        name, categories, in_logs, *numbers = values
        if not isinstance(name, str) or not isinstance(in_logs, bool):
            return False
        if categories is not None:
            texts = isinstance(categories, list) and all(isinstance(text, str) for text in categories)
            return texts and 2 <= len(set(categories)) == len(categories) <= _MANY
        return all(isinstance(x, int | float) and abs(x) <= sys.float_info.max for x in numbers) and self.deviation > 0

    @property
    def inputs(self) -> int:
        """Size of the block."""
        return 1 + (1 + len(_KNOTS) if self.categories is None else len(self.categories))

    def encode(self, values: Sequence[Any] | pd.Series[Any]) -> Floats:
        """Values, None or NaN where unknown -> (n, inputs).

        Raises
        ------
        ConfigError
            There is no such value.
        """
        column = pd.Series(values, dtype=object) if not isinstance(values, pd.Series) else values
        known = column.notna().to_numpy()
        block = np.zeros((len(column), self.inputs))
        block[known, -1] = 1
        block[known, :-1] = self._numbers(column[known]) if self.categories is None else self._marks(column[known])
        return block

    def describe(self) -> dict[str, Any]:
        """Plain values for people."""
        if self.categories is not None:
            return {"categories": self.categories}
        mean = np.exp(self.mean) if self.in_logs else self.mean
        return {"usual value": round(float(mean), 4), "seen": [self.least, self.most], "in logs": self.in_logs}

    def warn_beyond(self, values: pd.Series[Any]) -> None:
        """Say it where numbers lie outside the range that was seen."""
        if self.categories is not None:
            return
        numbers = pd.to_numeric(values, errors="coerce")
        far = numbers[(numbers < self.least) | (numbers > self.most)]
        if len(far):
            warn(
                f"{self.name} = {far.iloc[0]:g} lies outside what the model has seen, {self.least:g} to "
                f"{self.most:g}: its law there is an extrapolation"
            )

    def _numbers(self, column: pd.Series[Any]) -> Floats:
        numbers = np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)
        wrong = ~np.isfinite(numbers) | ((numbers <= 0) if self.in_logs else np.zeros(len(numbers), bool))
        if wrong.any():
            expected = "a number > 0" if self.in_logs else "a number"
            raise ConfigError(f"{self.name} must be {expected}, not {column[wrong].iloc[0]}")
        numbers = np.log(numbers) if self.in_logs else numbers
        z = ((numbers - self.mean) / self.deviation)[:, None]
        return np.hstack((z, np.maximum(z - _KNOTS, 0)))

    def _marks(self, column: pd.Series[Any]) -> Floats:
        assert self.categories is not None
        texts = column.astype(str).to_numpy()
        unknown = next((text for text in texts if text not in self.categories), None)
        if unknown is not None:
            raise ConfigError(f"{self.name} must be one of {', '.join(self.categories)}, not {unknown!r}")
        return np.asarray(texts[:, None] == np.array(self.categories), dtype=np.float64)


class Inputs(NamedTuple):
    """Encoded covariates of every step of a history."""

    values: Floats
    """(time, inputs)"""
    blocks: tuple[int, ...]
    """Inputs of each covariate"""

    def until(self, end: int) -> Self:
        """Return those of the first steps."""
        return self._replace(values=self.values[:end])


class Covariates(NamedTuple):
    """All covariates of a model."""

    each: tuple[Covariate, ...] = ()

    @classmethod
    def learn(cls, table: pd.DataFrame) -> Self:
        """Learn what the columns of a table, aligned with the prices, hold.

        Raises
        ------
        DataError
            Nothing can be learned from a column, or it has the name of something else.
        """
        taken = next((name for name in table.columns if name in FACTS or ":" in name), None)
        if taken:
            raise DataError(f"a covariate cannot be called {taken!r}: that is a condition on paths; rename the column")
        if table.shape[1] > _MOST:
            raise DataError(f"{table.shape[1]} covariates are too many; choose the {_MOST} that matter most")
        return cls(tuple(Covariate.learn(name, table[name]) for name in table.columns))

    @classmethod
    def from_list(cls, values: list[list[Any]]) -> Self:
        """Invert :meth:`to_list`.

        Raises
        ------
        ModelFileError
            These are no covariates that :meth:`learn` can have learned.
        """
        if not all(isinstance(value, list) and 2 <= len(value) <= len(Covariate._fields) for value in values):
            raise ModelFileError("covariates in its text are of another type")
        each = tuple(Covariate(*value) for value in values)
        for covariate in each:
            if not covariate.is_possible():
                raise ModelFileError(f"no covariate is learned as {list(covariate)!s:.100}")
        if len(each) > _MOST or len({covariate.name for covariate in each}) < len(each):
            raise ModelFileError(f"{len(each)} covariates; expected at most {_MOST} of different names")
        return cls(each)

    def to_list(self) -> list[list[Any]]:
        """Plain values for JSON."""
        return [list(covariate) for covariate in self.each]

    @property
    def names(self) -> list[str]:
        """Names in order."""
        return [covariate.name for covariate in self.each]

    @property
    def blocks(self) -> tuple[int, ...]:
        """Inputs of each."""
        return tuple(covariate.inputs for covariate in self.each)

    def encode(self, table: pd.DataFrame) -> Floats:
        """Inputs of a table with a column a covariate: (rows, inputs)."""
        parts = [covariate.encode(table[covariate.name]) for covariate in self.each]
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(table), 0))

    def before_steps(self, inputs: Floats) -> Inputs | None:
        """Inputs that condition the steps, of (time + 1, inputs) known before each and after the last; None if none."""
        return Inputs(inputs[:-1], self.blocks) if self.each else None

    def is_input_of(self, names: Mapping[str, Any] | Sequence[str]) -> Floats:
        """1 for the inputs of some covariates, 0 for those of others: (inputs,)."""
        return np.repeat([float(name in names) for name in self.names], self.blocks)

    def over(self, given: Mapping[str, Any], dates: pd.DatetimeIndex) -> Floats:
        """Inputs of the steps of a path, unknown where nothing is given.

        Parameters
        ----------
        given : a constant, one value a step (what is known the step before), or a Series with dates, of which each
            step takes the last value before its own date
        dates : (length,) dates of the steps

        Returns
        -------
        (length, inputs)

        Raises
        ------
        ConfigError
            A value is not possible, or there are too many or too few.
        """
        length = len(dates)
        table = pd.DataFrame(index=range(length), columns=self.names, dtype=object)
        for name, value in given.items():
            if isinstance(value, pd.Series) and isinstance(value.index, pd.DatetimeIndex):
                before = known_at(value.to_frame(name), dates - pd.Timedelta(1, "us"))
                table[name] = before[name].to_numpy(object)
            elif isinstance(value, list | np.ndarray | pd.Series):
                if len(value) != length:
                    raise ConfigError(f"{name} has {len(value):,} values for {length:,} steps; give one a step")
                table[name] = np.asarray(value, dtype=object)
            else:
                table[name] = value
        inputs = self.encode(table)
        for covariate in self.each:
            covariate.warn_beyond(table[covariate.name])
        return inputs


def known_at(table: pd.DataFrame, dates: pd.DatetimeIndex) -> pd.DataFrame:
    """Last value of each column on or before each date; missing before the first."""
    columns = {name: table[name].dropna().sort_index().reindex(dates, method="ffill") for name in table.columns}
    return pd.DataFrame(columns, index=dates)
