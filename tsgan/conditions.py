"""What a path can be asked to satisfy: ``condition=`` in Python, ``--given`` on the command line, one meaning.

====================  ==========================================  =====================================================
key                   value                                       every path
====================  ==========================================  =====================================================
volatility            x, or (low, high)                           has this annualised volatility
trend                 x, or (low, high)                           x: has this expected annualised log return
return                x, (low, high), or one x a path             has this simple return from start to end
drawdown              (low, high)                                 falls so far from its highest price, as a share
regime                calm, normal, stressed                      begins in this regime and has its volatility
a covariate's name    x, a category, one a step, Series           follows what was learned of it
====================  ==========================================  =====================================================

In (low, high) None leaves an end open. The first four speak of equal money in all assets, held from the start;
``"SPY:volatility"`` of one asset, and ``"SPY"`` alone of its return.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from tsgan.errors import ConfigError, option
from tsgan.events import FACTS, Goal
from tsgan.regimes import NAMES
from tsgan.returns import Floats

Condition: TypeAlias = Mapping[str, Any] | pd.DataFrame

_POSSIBLE = {
    "volatility": (0.0, math.inf, "a number > 0, or (low, high), such as 0.4 for 40 % a year and 20 at most"),
    "trend": (-math.inf, math.inf, "a number, or (low, high)"),
    "return": (-1.0, math.inf, "a number > -1, such as -0.2 for a loss of 20 %, or (low, high)"),
    "drawdown": (0.0, 1.0, "bounds between 0 and 1"),
}
_WILDEST = 20.0  # volatility a year that can be asked for; beyond it 40 is meant as 40 %
_LONGEST = 60  # characters of a value in a sentence
_GIVEN = re.compile(r"\s*(?P<name>[^<>\n]+?)\s*(?P<sign><=|>=|=)\s*(?P<value>[^<>=]+?)\s*$")


class Wish(NamedTuple):
    """A condition, taken apart."""

    goals: tuple[Goal, ...]
    """Facts that every path must have"""
    each: tuple[Goal, Floats] | None
    """A return with a value of its own for every path: the goal without its value, and the (n,) values"""
    trends: tuple[tuple[int | None, float], ...]
    """Assets, None for all, and the annualised mean log return that they are to have"""
    regime: str | None
    covariates: dict[str, Any]


def understand(condition: Condition | None, columns: Sequence[str], covariates: Sequence[str]) -> Wish:
    """Take a condition apart.

    Parameters
    ----------
    columns : names of the assets
    covariates : names that the model learned to follow; they go before facts of the same name

    Raises
    ------
    ConfigError
        There is no such condition, or no path can satisfy it.
    """
    goals, trends, given = list[Goal](), list[tuple[int | None, float]](), dict[str, Any]()
    each, regime = None, None
    condition = {} if condition is None else condition
    if not isinstance(condition, Mapping | pd.DataFrame):
        raise ConfigError(
            f'a condition is a dict of names and values, such as {{"volatility": 0.4}}, not {_shown(condition)}'
        )
    wishes: dict[Any, Any] = dict(condition)
    for name, value in wishes.items():
        if name in covariates:
            if isinstance(value, tuple):
                raise ConfigError(
                    f"{name} is a covariate: give its value, or a list of one a step; "
                    f"only {', '.join(FACTS)} have bounds"
                )
            given[name] = value
            continue
        if name == "regime":
            regime = _regime(value)
            continue
        fact, asset = _fact(name, columns, covariates)
        if fact == "return" and _is_series(value):
            if each:
                raise ConfigError("only one return can have a value for each path; give the others one value or bounds")
            each = (Goal(fact, asset, 0, 0), np.array([_number(name, fact, v) for v in value]))
        elif fact == "trend" and not isinstance(value, tuple):
            trends.append((asset, _number(name, fact, value)))
        else:
            goals.append(Goal(fact, asset, *_bounds(name, fact, value)))
    _check_together(goals, trends, columns)
    return Wish(tuple(goals), each, tuple(trends), regime, given)


def parse_given(texts: Iterable[str]) -> dict[str, Any]:
    """Turn the texts of ``--given`` into a condition.

    >>> parse_given(["volatility=0.4", "return>=-0.3", "return<=-0.2", "regime=stressed"])
    {'volatility': 0.4, 'return': (-0.3, -0.2), 'regime': 'stressed'}

    Raises
    ------
    ConfigError
        A text is no condition, or two contradict each other.
    """
    condition: dict[str, Any] = {}
    for text in texts:
        match = _GIVEN.match(text)
        if match is None:
            raise ConfigError(
                f"--given must be NAME=VALUE, NAME<=VALUE or NAME>=VALUE, such as volatility=0.4, got {text!r:.100}; "
                "quote one with < or >, which a shell takes for itself: 'return<=-0.2'"
            )
        name, sign, value = match["name"], match["sign"], _value(match["value"])
        if sign == "=":
            new: Any = value
        else:
            if not isinstance(value, float):
                raise ConfigError(f"--given {text:.100}: {sign} needs a number, not {value!r:.100}")
            new = (None, value) if sign == "<=" else (value, None)
        condition[name] = _both(name, condition[name], new) if name in condition else new
    return condition


def _value(text: str) -> float | str:
    share = text.removesuffix("%")
    try:
        return float(share) / (100 if share != text else 1)
    except ValueError:
        return text


def _both(name: str, old: Any, new: Any) -> tuple[Any, Any]:
    """Lower bound of one text and upper bound of the other."""
    if isinstance(old, tuple) and isinstance(new, tuple):
        (low, high), (other_low, other_high) = old, new
        if None in (low, other_low) and None in (high, other_high):
            return (other_low if low is None else low, other_high if high is None else high)
    raise ConfigError(f"--given says {name:.100} twice; give it once, or one >= and one <=")


def _fact(name: str, columns: Sequence[str], covariates: Sequence[str]) -> tuple[str, int | None]:
    """Fact and asset that a name speaks of."""
    if name in FACTS:
        return name, None
    if name in columns:
        return "return", columns.index(name)
    asset, _, fact = str(name).rpartition(":")
    if asset in columns and fact in FACTS:
        return fact, columns.index(asset)
    possible = [*FACTS, "regime", *covariates, *columns]
    close = difflib.get_close_matches(str(name), [*possible, *(f"{c}:{f}" for c in columns for f in FACTS)], 1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    shown = ", ".join(possible[:12]) + (", …" if len(possible) > 12 else "")
    raise ConfigError(
        f"there is no condition {name!r:.100}; {hint}possible: {shown}; "
        f"a fact of one asset is written {columns[0]}:return; "
        f"other data must be learned first, with {option('condition_on', ['VIX'])} in the fit"
    )


def _bounds(name: str, fact: str, value: Any) -> tuple[float, float]:
    least, most, _ = _POSSIBLE[fact]
    if not isinstance(value, tuple):
        number = _number(name, fact, value)
        if fact == "drawdown":
            raise ConfigError(f"{name} needs bounds such as {name}>={number:g} or ({number:g}, None), not one value")
        return number, number
    if len(value) != 2 or all(v is None for v in value):
        raise ConfigError(f"{name} needs (low, high), of which one may be None, not {_shown(value)}")
    low, high = (end if v is None else _number(name, fact, v) for v, end in zip(value, (least, most), strict=True))
    if low > high:
        raise ConfigError(f"no path can have {name} >= {low:g} and <= {high:g}; the lower bound must come first")
    if fact == "drawdown" and low == most:
        raise ConfigError(f"no path can have {name} >= {most:g}, since prices stay above 0; ask for less than {most:g}")
    if fact == "drawdown" and low == high > 0:
        raise ConfigError(f"{name} needs bounds that differ, of which one may be None, not {_shown(value)}")
    return low, high


def _number(name: str, fact: str, value: Any) -> float:
    least, most, expected = _POSSIBLE[fact]
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:  # a whole number of more than 308 digits
        number = math.nan
    most = min(most, _WILDEST) if fact == "volatility" else most
    strict = fact in ("volatility", "return")
    if not math.isfinite(number) or not least <= number <= most or (strict and number == least):
        raise ConfigError(f"{name} must be {expected}, not {_shown(value)}")
    return number


def _check_together(goals: Sequence[Goal], trends: Sequence[tuple[int | None, float]], columns: Sequence[str]) -> None:
    """Refuse facts that no path can have together: one under two names, or a whole and its part."""
    alone = 0 if len(columns) == 1 else None  # of one asset, equal money in all is that asset
    found = dict[tuple[str, int | None], Goal]()
    for goal in goals:
        same = (goal.fact, alone if goal.asset is None else goal.asset)
        other = found.setdefault(same, goal)
        low, high = max(goal.low, other.low), min(goal.high, other.high)
        if low > high:
            raise ConfigError(f"no path can have {goal.fact} >= {low:g} and <= {high:g}; leave out one of them")
        found[same] = goal._replace(low=low, high=high)
    if len(trends) > 1 and None in (asset for asset, _ in trends):
        raise ConfigError(
            "trend is that of equal money in all assets and cannot be given beside that of one asset; give the trend "
            f"of each asset, such as {columns[0]}:trend"
        )


def _regime(value: Any) -> str:
    if not isinstance(value, str) or value not in NAMES:
        raise ConfigError(
            f"regime must be one of {', '.join(NAMES)}, not {_shown(value)}; `tsgan info` shows what they are"
        )
    return value


def _is_series(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, np.ndarray | pd.Series) and value.ndim == 1)


def _shown(value: Any) -> str:
    """A value in one line of a sentence."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
