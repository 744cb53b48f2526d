"""Simulated returns whose law is known exactly: what every measure must recover and every model can learn.

Each process is a frozen dataclass with ``simulate(n_paths, length, seed)`` and its exact moments as methods. Returns
are log returns per step, with mean 0 but for `MarkovSwitching`; kurtosis is 3 for a normal law.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isinf, sqrt
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from tsgan.errors import ConfigError, DataError

__all__ = ["AR1", "Garch", "GarchPair", "MarkovSwitching", "StudentT", "prices"]

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]

BURN_IN = 1_000  # steps before the first one returned: .98^1000 = 2e-9 is left of the starting volatility


@dataclass(frozen=True)
class Garch:
    """GJR-GARCH(1,1): r = s e, s² = omega + (alpha + gamma 1{r < 0}) r² + beta s² of the step before.

    With ``gamma`` 0 a GARCH(1,1). The innovation e is standard normal, or Student t with variance 1.

    Parameters
    ----------
    omega, alpha, beta, gamma : float
        As in the formula; omega is a squared log return. By default 1 % a step and a half-life of 34 steps.
    nu : float
        Degrees of freedom of the innovation; infinite for a normal one.

    Raises
    ------
    ConfigError
        The variance would not be finite.

    Source: Bollerslev (1986, 1987); Glosten, Jagannathan and Runkle (1993).
    """

    omega: float = 2e-6
    alpha: float = 0.08
    beta: float = 0.90
    gamma: float = 0.0
    nu: float = inf

    def __post_init__(self) -> None:
        if not self.persistence() < 1:
            raise ConfigError(
                f"alpha + gamma / 2 + beta must be below 1 for a finite variance, got {self.persistence():g}"
            )
        _require_variance(self.nu)

    def simulate(self, n_paths: int, length: int, seed: int) -> Floats:
        """Simulate from the stationary law.

        Parameters
        ----------
        n_paths, length : int
            Number of paths and of steps.
        seed : int
            Seed of the random numbers.

        Returns
        -------
        array (n_paths, length)
        """
        e = _innovations(np.random.default_rng(seed), (BURN_IN + length, n_paths), self.nu)
        r = np.empty_like(e)
        variance = np.full(n_paths, self.variance())
        for t in range(len(e)):
            r[t] = np.sqrt(variance) * e[t]
            variance = self._next_variance(r[t], variance)
        return np.ascontiguousarray(r[BURN_IN:].T)

    def persistence(self) -> float:
        """Factor by which a deviation of the variance from its mean is expected to shrink in one step."""
        return self.alpha + self.gamma / 2 + self.beta

    def variance(self) -> float:
        """Variance of a return."""
        return self.omega / (1 - self.persistence())

    def kurtosis(self) -> float:
        """Kurtosis of a return, infinite where the fourth moment is (He and Teräsvirta 1999)."""
        fourth = _student_kurtosis(self.nu)
        spread = self._second_moment_of_growth(fourth)
        return fourth * (1 - self.persistence() ** 2) / (1 - spread) if spread < 1 else inf

    def acf_squares(self, lags: int) -> Floats:
        """Autocorrelation of squared returns (He and Teräsvirta 1999).

        Parameters
        ----------
        lags : int
            Highest lag.

        Returns
        -------
        array (lags,)
            At the lags 1 ... ``lags``.

        Raises
        ------
        ConfigError
            The fourth moment is infinite.
        """
        if isinf(self.kurtosis()):
            raise ConfigError("squared returns have no autocorrelation: their variance is infinite")
        fourth, persistence = _student_kurtosis(self.nu), self.persistence()
        spread = self.kurtosis() / fourth  # E s⁴ / (E s²)²
        carried = self.beta + fourth * (self.alpha + self.gamma / 2)  # E[e² (s'² - omega) / s²]
        first = (carried * spread - persistence) / (self.kurtosis() - 1)
        return np.asarray(first * persistence ** np.arange(lags))

    def one_step_volatility(self, returns: Floats) -> Floats:
        """Standard deviation of each return given those before it.

        Parameters
        ----------
        returns : array (..., time)
            A history; its first volatility is taken to be the unconditional one, which is forgotten at the rate beta.

        Returns
        -------
        array (..., time + 1)
            Entry t knows ``returns[..., :t]``; the last is for the step that comes.
        """
        r = np.asarray(returns, dtype=np.float64)
        variance = np.empty((*r.shape[:-1], r.shape[-1] + 1))
        variance[..., 0] = self.variance()
        for t in range(r.shape[-1]):
            variance[..., t + 1] = self._next_variance(r[..., t], variance[..., t])
        return np.asarray(np.sqrt(variance))

    def one_step_quantile(self, returns: Floats, level: float) -> Floats:
        """Quantile of each return given those before it: `one_step_volatility` times that of the innovation.

        Parameters
        ----------
        returns : array (..., time)
            A history.
        level : float
            Probability in the lower tail.

        Returns
        -------
        array (..., time + 1)
        """
        return np.asarray(self.one_step_volatility(returns) * _standard_quantile(self.nu, level))

    def _next_variance(self, r: Floats, variance: Floats) -> Floats:
        return np.asarray(self.omega + (self.alpha + self.gamma * (r < 0)) * r**2 + self.beta * variance)

    def _second_moment_of_growth(self, fourth: float) -> float:
        """E[((s'² - omega) / s²)²] with E[e⁴] = ``fourth``; the returns have a fourth moment where it is below 1."""
        mean = self.alpha + self.gamma / 2
        square = self.alpha**2 + self.alpha * self.gamma + self.gamma**2 / 2
        return self.beta**2 + 2 * self.beta * mean + (fourth * square if square else 0.0)


@dataclass(frozen=True)
class AR1:
    """Gaussian autoregression: r = phi r of the step before + noise.

    Parameters
    ----------
    phi : float
        Autocorrelation at lag 1, between -1 and 1.
    volatility : float
        Standard deviation of a return.
    """

    phi: float = 0.5
    volatility: float = 0.01

    def __post_init__(self) -> None:
        if not abs(self.phi) < 1:
            raise ConfigError(f"phi must lie between -1 and 1 for a finite variance, got {self.phi:g}")

    def simulate(self, n_paths: int, length: int, seed: int) -> Floats:
        """Simulate from the stationary law; parameters and result as of `Garch.simulate`."""
        r = np.random.default_rng(seed).standard_normal((length, n_paths))
        noise = sqrt(1 - self.phi**2)
        for t in range(1, length):
            r[t] = self.phi * r[t - 1] + noise * r[t]
        return np.ascontiguousarray(self.volatility * r.T)

    def variance(self) -> float:
        """Variance of a return."""
        return self.volatility**2

    def kurtosis(self) -> float:
        """Kurtosis of a return: normal."""
        return 3.0

    def acf(self, lags: int) -> Floats:
        """Autocorrelation of returns at the lags 1 ... ``lags``."""
        return np.asarray(self.phi ** np.arange(1, lags + 1))

    def acf_squares(self, lags: int) -> Floats:
        """Autocorrelation of squared returns at the lags 1 ... ``lags``: the square of that of a Gaussian series."""
        return np.square(self.acf(lags))


@dataclass(frozen=True)
class StudentT:
    """Independent returns with a Student t law.

    Parameters
    ----------
    nu : float
        Degrees of freedom, above 2: the index of both tails.
    volatility : float
        Standard deviation of a return.
    """

    nu: float = 5.0
    volatility: float = 0.01

    def __post_init__(self) -> None:
        _require_variance(self.nu)

    def simulate(self, n_paths: int, length: int, seed: int) -> Floats:
        """Simulate; parameters and result as of `Garch.simulate`."""
        return self.volatility * _innovations(np.random.default_rng(seed), (n_paths, length), self.nu)

    def variance(self) -> float:
        """Variance of a return."""
        return self.volatility**2

    def kurtosis(self) -> float:
        """Kurtosis of a return, infinite up to 4 degrees of freedom."""
        return _student_kurtosis(self.nu)

    def acf_squares(self, lags: int) -> Floats:
        """Autocorrelation of squared returns at the lags 1 ... ``lags``: none."""
        return np.zeros(lags)

    def quantile(self, level: float) -> float:
        """Quantile of a return, with ``level`` the probability in the lower tail."""
        return self.volatility * _standard_quantile(self.nu, level)

    def expected_shortfall(self, level: float) -> float:
        """Mean of a return below its quantile (McNeil, Frey and Embrechts 2015, section 2.3).

        Parameters
        ----------
        level : float
            Probability in the lower tail.

        Returns
        -------
        float
            A log return, below 0.
        """
        from scipy.stats import norm, t

        if isinf(self.nu):
            return -self.volatility * float(norm.pdf(norm.ppf(level))) / level
        q = float(t.ppf(level, self.nu))
        density = float(t.pdf(q, self.nu))
        return -self.volatility * sqrt((self.nu - 2) / self.nu) * density / level * (self.nu + q**2) / (self.nu - 1)


@dataclass(frozen=True)
class GarchPair:
    """Two assets with a scalar BEKK law: H = (1 - alpha - beta) S + alpha r r' + beta H of the step before.

    Each asset by itself is exactly a GARCH(1,1) with normal innovations (see `margin`), and S is exactly the covariance
    of the returns.

    Parameters
    ----------
    correlation : float
        Correlation of the two returns, between -1 and 1.
    volatilities : pair of float
        Standard deviations of the returns.
    alpha, beta : float
        As in the formula.

    Source: Engle and Kroner (1995), Multivariate simultaneous generalized ARCH, Econometric Theory 11.
    """

    correlation: float = 0.6
    volatilities: tuple[float, float] = (0.01, 0.02)
    alpha: float = 0.08
    beta: float = 0.90

    def __post_init__(self) -> None:
        if not self.alpha + self.beta < 1:
            raise ConfigError(f"alpha + beta must be below 1 for a finite variance, got {self.alpha + self.beta:g}")
        if not abs(self.correlation) < 1:
            raise ConfigError(f"the correlation must lie between -1 and 1, got {self.correlation:g}")

    def simulate(self, n_paths: int, length: int, seed: int) -> Floats:
        """Simulate from the stationary law.

        Parameters
        ----------
        n_paths, length : int
            Number of paths and of steps.
        seed : int
            Seed of the random numbers.

        Returns
        -------
        array (n_paths, length, 2)
        """
        z = np.random.default_rng(seed).standard_normal((BURN_IN + length, 2, n_paths))
        r = np.empty_like(z)
        mean = self.covariance()[..., None]
        h = np.broadcast_to(mean, (2, 2, n_paths))
        for t in range(len(z)):
            first = np.sqrt(h[0, 0])
            loading = h[0, 1] / first
            r[t, 0] = first * z[t, 0]
            r[t, 1] = loading * z[t, 0] + np.sqrt(h[1, 1] - loading**2) * z[t, 1]
            h = (1 - self.alpha - self.beta) * mean + self.alpha * r[t, :, None] * r[t, None] + self.beta * h
        return np.ascontiguousarray(r[BURN_IN:].transpose(2, 0, 1))

    def covariance(self) -> Floats:
        """Covariance matrix of the returns, (2, 2)."""
        s = np.array(self.volatilities)
        return np.asarray(np.outer(s, s) * np.array([[1.0, self.correlation], [self.correlation, 1.0]]))

    def margin(self, asset: int) -> Garch:
        """Return the law of asset 0 or 1 by itself."""
        omega = self.volatilities[asset] ** 2 * (1 - self.alpha - self.beta)
        return Garch(omega, self.alpha, self.beta)

    def variance(self) -> Floats:
        """Variances of the returns, (2,)."""
        return np.asarray(np.square(self.volatilities))

    def kurtosis(self) -> Floats:
        """Kurtosis of the returns, (2,)."""
        return np.array([self.margin(asset).kurtosis() for asset in (0, 1)])

    def acf_squares(self, lags: int) -> Floats:
        """Autocorrelation of squared returns at the lags 1 ... ``lags``, (lags,): that of either asset."""
        return self.margin(0).acf_squares(lags)


@dataclass(frozen=True)
class MarkovSwitching:
    """Independent normal returns whose mean and volatility are those of a state, 0 or 1, that follows a Markov chain.

    Parameters
    ----------
    means, volatilities : pair of float
        Mean and standard deviation of a return in each state.
    persistence : pair of float
        Probability that a step has the state of the step before, between 0 and 1, for each state.

    Source: Hamilton (1989), A new approach to the economic analysis of nonstationary time series, Econometrica 57.
    """

    means: tuple[float, float] = (0.0006, -0.0010)
    volatilities: tuple[float, float] = (0.006, 0.020)
    persistence: tuple[float, float] = (0.99, 0.97)

    def __post_init__(self) -> None:
        if not all(0 < stay < 1 for stay in self.persistence):
            raise ConfigError(f"the persistence of a state must lie between 0 and 1, got {self.persistence}")
        if not all(s > 0 for s in self.volatilities):
            raise ConfigError(f"volatilities must be above 0, got {self.volatilities}")

    def simulate(self, n_paths: int, length: int, seed: int) -> Floats:
        """Simulate from the stationary law; parameters and result as of `Garch.simulate`."""
        return self.simulate_with_states(n_paths, length, seed)[0]

    def simulate_with_states(self, n_paths: int, length: int, seed: int) -> tuple[Floats, Integers]:
        """Simulate from the stationary law.

        Parameters
        ----------
        n_paths, length : int
            Number of paths and of steps.
        seed : int
            Seed of the random numbers.

        Returns
        -------
        array (n_paths, length), array of 0 and 1 (n_paths, length)
            The returns, and the state that each was drawn in.
        """
        rng = np.random.default_rng(seed)
        uniform, stays = rng.random((length, n_paths)), np.array(self.persistence)
        states = np.empty((length, n_paths), dtype=np.int64)
        states[0] = uniform[0] < self.shares()[1]
        for t in range(1, length):
            before = states[t - 1]
            states[t] = np.where(uniform[t] < stays[before], before, 1 - before)
        z = rng.standard_normal((length, n_paths))
        returns = np.array(self.means)[states] + np.array(self.volatilities)[states] * z
        return np.ascontiguousarray(returns.T), np.ascontiguousarray(states.T)

    def shares(self) -> Floats:
        """Share of the steps in each state, (2,)."""
        leave = 1 - np.array(self.persistence)
        return np.asarray(leave[::-1] / leave.sum())

    def mean(self) -> float:
        """Mean of a return."""
        return float(self.shares() @ self.means)

    def variance(self) -> float:
        """Variance of a return."""
        return float(self.shares() @ self._squares())

    def kurtosis(self) -> float:
        """Kurtosis of a return."""
        d, s = np.array(self.means) - self.mean(), np.array(self.volatilities)
        return float(self.shares() @ (d**4 + 6 * d**2 * s**2 + 3 * s**4)) / self.variance() ** 2

    def acf(self, lags: int) -> Floats:
        """Autocorrelation of returns at the lags 1 ... ``lags``."""
        return self._covariances(np.array(self.means), lags) / self.variance()

    def acf_squares(self, lags: int) -> Floats:
        """Autocorrelation of squared deviations from the mean at the lags 1 ... ``lags``."""
        return self._covariances(self._squares(), lags) / (self.variance() ** 2 * (self.kurtosis() - 1))

    def law_of_sum(self, steps: int) -> tuple[Floats, Floats, Floats]:
        """Exact law of the sum of so many consecutive returns, a mixture of normal laws.

        Parameters
        ----------
        steps : int
            Number of returns.

        Returns
        -------
        weights, means, deviations : array (steps + 1,)
            Entry k is for k steps in state 1.
        """
        shares, stay = self.shares(), np.array(self.persistence)
        weights = np.zeros((2, steps + 1))  # probability of the state of the last step and of k
        weights[0, 0], weights[1, 1] = shares
        for _ in range(steps - 1):
            calm = stay[0] * weights[0] + (1 - stay[1]) * weights[1]
            wild = (1 - stay[0]) * weights[0] + stay[1] * weights[1]
            weights = np.stack((calm, np.roll(wild, 1)))
        wild_steps = np.arange(steps + 1)
        means, variances = (
            (steps - wild_steps) * a + wild_steps * b for a, b in (self.means, np.square(self.volatilities))
        )
        return weights.sum(axis=0), np.asarray(means), np.sqrt(variances)

    def _squares(self) -> Floats:
        """Mean squared deviation of a return from the mean of all, in each state: (2,)."""
        return np.asarray(np.square(self.volatilities) + (np.array(self.means) - self.mean()) ** 2)

    def _covariances(self, values: Floats, lags: int) -> Floats:
        """Autocovariances of something that has these means in the states."""
        memory = sum(self.persistence) - 1
        return np.asarray(self.shares().prod() * (values[0] - values[1]) ** 2 * memory ** np.arange(1, lags + 1))


def prices(returns: Floats, start: float = 100.0, first_date: str = "2000-01-03") -> pd.DataFrame:
    """Turn one path of returns into a table of prices on business days.

    Parameters
    ----------
    returns : array (time,) or (time, assets)
        Log returns per step.
    start : float
        Price of every asset on the first date.
    first_date : str
        Date of the start price.

    Returns
    -------
    DataFrame
        ``time + 1`` rows, columns A, B, ... (up to 26 assets), index ``date``.

    Raises
    ------
    DataError
        The returns are not one path.
    """
    r = np.asarray(returns, dtype=np.float64)
    r = r[:, None] if r.ndim == 1 else r
    if r.ndim != 2 or r.shape[1] > 26:
        raise DataError(
            f"prices are made from one path of returns (time,) or (time, up to 26), got the shape {r.shape}"
        )
    log_prices = np.vstack((np.zeros((1, r.shape[1])), np.cumsum(r, axis=0)))
    dates = pd.bdate_range(first_date, periods=len(log_prices), name="date")
    return pd.DataFrame(
        start * np.exp(log_prices), index=dates, columns=list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: r.shape[1]])
    )


def _require_variance(nu: float) -> None:
    if not nu > 2:
        raise ConfigError(f"nu must be above 2 for a finite variance, got {nu:g}")


def _innovations(rng: np.random.Generator, shape: tuple[int, int], nu: float) -> Floats:
    """Draws with variance 1, normal or Student t."""
    if isinf(nu):
        return rng.standard_normal(shape)
    return rng.standard_t(nu, shape) * sqrt((nu - 2) / nu)


def _student_kurtosis(nu: float) -> float:
    if isinf(nu):
        return 3.0
    return 3 * (nu - 2) / (nu - 4) if nu > 4 else inf


def _standard_quantile(nu: float, level: float) -> float:
    """Quantile of the normal or Student t law with variance 1."""
    from scipy.stats import norm, t

    return float(norm.ppf(level)) if isinf(nu) else float(t.ppf(level, nu)) * sqrt((nu - 2) / nu)
