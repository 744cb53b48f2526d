"""Volatility models of single assets: fitted by `arch`, simulated and filtered over paths and assets at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log, pi, sqrt
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tsgan.datasets.checks import warn
from tsgan.evaluation.forecasts import tail_of_law, tail_of_sample

__all__ = ["MODELS", "SCORES", "Margin", "constant_volatility", "filter_volatility", "fit_margin", "run_margins"]

Floats: TypeAlias = npt.NDArray[np.float64]

SCORES = np.linspace(-9.0, 9.0, 18_001)  # where quantile functions are tabulated; beyond lie 2e-19 of all draws
_MEAN_ABS = sqrt(2 / pi)  # E|z| of a standard normal z: what arch's EGARCH subtracts, whatever the law
_LOG_LIMIT = 600.0  # log variance up to which numbers can be represented

# Options of arch.arch_model.
MODELS: dict[str, dict[str, Any]] = {
    "GARCH-normal": {"vol": "GARCH", "p": 1, "o": 0, "q": 1, "dist": "normal"},
    "GARCH-t": {"vol": "GARCH", "p": 1, "o": 0, "q": 1, "dist": "t"},
    "GJR-skewt": {"vol": "GARCH", "p": 1, "o": 1, "q": 1, "dist": "skewt"},
    "EGARCH-skewt": {"vol": "EGARCH", "p": 1, "o": 1, "q": 1, "dist": "skewt"},
}


@dataclass(frozen=True, eq=False)
class Margin:
    """Volatility model of one asset: r = mean + s z, with z independent over time.

    ``exponential`` false: GJR-GARCH, s² = omega + (alpha + gamma 1{z < 0}) (s z)² + beta s² of the step before.
    True: EGARCH, log s² = omega + alpha (|z| - sqrt(2 / pi)) + gamma z + beta log s² of the step before.

    Parameters
    ----------
    mean, omega, alpha, gamma, beta : float
        As in the formulas, in the unit of the returns.
    exponential : bool
        Which of the two.
    law : arch.univariate.distribution.Distribution or None
        Law of z; None for the empirical one of the residuals.
    shape : array (parameters,)
        Its shape parameters.
    variance : array (time,)
        Fitted s² of the training days.
    residuals : array (time,)
        Fitted z of the training days.

    Source: Bollerslev (1986, 1987); Nelson (1991); Glosten, Jagannathan and Runkle (1993); Hansen (1994).
    """

    mean: float
    omega: float
    alpha: float
    gamma: float
    beta: float
    exponential: bool
    law: Any
    shape: Floats
    variance: Floats = field(repr=False)
    residuals: Floats = field(repr=False)

    def tail(self, level: float, filtered: bool) -> tuple[float, float]:
        """Quantile of z and the mean below it, of the residuals where ``filtered``, else of the law."""
        if filtered or self.law is None:
            quantile, mean = tail_of_sample(self.residuals, level)
            return float(quantile), float(mean)
        return tail_of_law(self.law, self.shape, level)

    def quantiles(self) -> Floats:
        """Quantiles of z at the probabilities of a normal law: the map from normal scores to z, as a table."""
        from scipy.special import ndtr

        if self.law is None:
            return np.asarray(np.quantile(self.residuals, ndtr(SCORES)))
        # probabilities near 1 cannot be told apart, near 0 they can: the upper tail is the lower one of -z, whose law
        # has the same shape but for the sign of the second parameter, the skewness
        lower, mirrored = ndtr(SCORES[SCORES <= 0]), self.shape * [1.0, -1.0][: len(self.shape)]
        left, right = (np.asarray(self.law.ppf(lower, shape)) for shape in (self.shape, mirrored))
        return np.concatenate((left, -right[-2::-1]))

    def scores(self, table: Floats) -> Floats:
        """Normal scores of the residuals, (time,), by the law; ``table`` is `quantiles`."""
        from scipy.special import ndtri
        from scipy.stats import rankdata

        if self.law is None:
            return np.asarray(ndtri((rankdata(self.residuals) - 0.5) / len(self.residuals)))
        return np.interp(self.residuals, table, SCORES)

    def persistence(self, filtered: bool) -> float:
        """Factor by which a deviation of s², or of log s², from its mean is expected to shrink in one step.

        With z drawn from the residuals where ``filtered``, else from the law.
        """
        if self.exponential:
            return self.beta
        if filtered or self.law is None:
            square = self.residuals**2
            return float(self.beta + self.alpha * square.mean() + self.gamma * (square * (self.residuals < 0)).mean())
        return self.beta + self.alpha + self.gamma * float(self.law.partial_moment(2, 0.0, self.shape))


def fit_margin(y: Floats, model: str) -> Margin | None:
    """Fit a volatility model with constant mean.

    Parameters
    ----------
    y : array (time,)
        Returns per step, in any unit.
    model : str
        A key of `MODELS`.

    Returns
    -------
    Margin or None
        None if the fit did not converge.
    """
    from arch import arch_model

    scale, options = float(y.std()), MODELS[model]  # the optimiser works best near unit deviation
    model_of_y = arch_model(y / scale, mean="Constant", rescale=False, **options)
    try:
        result = model_of_y.fit(disp="off", show_warning=False)
    except (ValueError, np.linalg.LinAlgError):
        return None
    if result.convergence_flag or not np.isfinite(result.params).all():
        return None
    p, exponential = {name: float(value) for name, value in result.params.items()}, options["vol"] == "EGARCH"
    beta, law = p["beta[1]"], model_of_y.distribution
    return Margin(
        mean=scale * p["mu"],
        omega=p["omega"] + 2 * log(scale) * (1 - beta) if exponential else scale**2 * p["omega"],
        alpha=p["alpha[1]"],
        gamma=p.get("gamma[1]", 0.0),
        beta=beta,
        exponential=exponential,
        law=law,
        shape=result.params.to_numpy()[len(p) - law.num_params :],
        variance=(scale * np.asarray(result.conditional_volatility)) ** 2,
        residuals=np.asarray(result.std_resid),
    )


def constant_volatility(y: Floats) -> Margin:
    """Margin without a memory: constant volatility with the empirical law of the returns y, (time,)."""
    mean, variance = float(y.mean()), float(y.var())
    residuals = (y - mean) / sqrt(variance)
    return Margin(mean, variance, 0.0, 0.0, 0.0, False, None, np.empty(0), np.full(len(y), variance), residuals)


@dataclass(frozen=True, eq=False)
class _Recursion:
    """Volatility recursion of the assets that share a formula; its state is s², or log s² where ``exponential``."""

    exponential: bool
    assets: list[int]
    omega: Floats  # (assets,), as the following
    alpha: Floats
    gamma: Floats
    beta: Floats

    @property
    def limit(self) -> float:
        return _LOG_LIMIT if self.exponential else np.inf

    def state(self, variance: Floats) -> Floats:
        return np.log(variance) if self.exponential else variance

    def volatility(self, state: Floats) -> Floats:
        if np.any(state >= self.limit):
            warn(f"an EGARCH log variance reached {self.limit:g}, beyond which numbers end, and was held there")
        return np.asarray(np.exp(state / 2) if self.exponential else np.sqrt(state))

    def terms(self, z: Floats) -> tuple[Floats, Floats]:
        """Terms a and b of the next state, a + b state, where the innovation is z: (..., assets) each."""
        if self.exponential:
            a, b = self.omega + self.alpha * (np.abs(z) - _MEAN_ABS) + self.gamma * z, self.beta
        else:
            a, b = self.omega, (self.alpha + self.gamma * (z < 0)) * z**2 + self.beta
        return np.broadcast_to(a, z.shape), np.broadcast_to(b, z.shape)


def _recursions(margins: tuple[Margin, ...]) -> list[_Recursion]:
    """Both formulas can occur in one baseline, where a fit failed and a simpler model took its place."""
    recursions = []
    for exponential in (False, True):
        assets = [asset for asset, margin in enumerate(margins) if margin.exponential == exponential]
        columns = np.array([(m.omega, m.alpha, m.gamma, m.beta) for m in (margins[asset] for asset in assets)])
        if assets:
            recursions.append(_Recursion(exponential, assets, *columns.T))
    return recursions


def run_margins(margins: tuple[Margin, ...], volatility: Floats, z: Floats) -> Floats:
    """Simulate paths, vectorised over paths and assets.

    Parameters
    ----------
    margins : tuple of Margin
        One an asset.
    volatility : array (paths, assets)
        s of the first step of each path.
    z : array (time, paths, assets)
        Innovations.

    Returns
    -------
    array (time, paths, assets)
        Returns.

    Warns
    -----
    DataWarning
        An EGARCH log variance had to be held at the end of the range of numbers.
    """
    returns = np.empty_like(z)
    for recursion in _recursions(margins):
        shocks = z[..., recursion.assets]
        a, b = recursion.terms(shocks)
        states, state = np.empty_like(shocks), recursion.state(np.square(volatility[:, recursion.assets]))
        for t in range(len(z)):
            states[t] = state
            state = np.minimum(a[t] + b[t] * state, recursion.limit)
        returns[..., recursion.assets] = recursion.volatility(states) * shocks
    return np.asarray(returns + np.array([margin.mean for margin in margins]))


def filter_volatility(margins: tuple[Margin, ...], history: Floats) -> Floats:
    """Filter the volatility of the step after each row of a history.

    Parameters
    ----------
    margins : tuple of Margin
        One an asset.
    history : array (time, assets)
        Returns; the variance of the first is taken to be the mean of those of the training days.

    Returns
    -------
    array (time, assets)
        Entry t knows ``history[: t + 1]``.
    """
    residuals, volatility = history - np.array([margin.mean for margin in margins]), np.empty_like(history)
    variance = np.array([margin.variance.mean() for margin in margins])
    for recursion in _recursions(margins):
        shocks, states = residuals[:, recursion.assets], np.empty((len(history), len(recursion.assets)))
        state = recursion.state(variance[recursion.assets])
        for t, shock in enumerate(shocks):
            a, b = recursion.terms(shock / recursion.volatility(state))
            state = states[t] = np.minimum(a + b * state, recursion.limit)
        volatility[:, recursion.assets] = recursion.volatility(states)
    return volatility
