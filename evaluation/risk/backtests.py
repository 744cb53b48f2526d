"""Statistical tests of forecasts of value at risk and expected shortfall: one series of forecasts in, a result out.

VaR and ES are returns: the quantile v and the mean e below it, e <= v and e < 0. A breach is a return y <= v. Forecasts
are right if a breach has the probability a (the level) whatever is known before, and if the mean of y given a breach is
e. Every test returns a `Backtest` with a p-value: how often right forecasts look at least as wrong as these.

Forecasts that look h steps ahead and are made at every step overlap: breaches less than h steps apart depend on one
another even if the forecasts are right, and the textbook p-values reject far too often. A `Simulation` with that
``horizon`` compares with right forecasts that overlap in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isnan, nan, sqrt
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tsgan.errors import ConfigError, DataError

__all__ = [
    "Backtest",
    "Simulation",
    "acerbi_szekely",
    "backtest",
    "berkowitz",
    "christoffersen_independence",
    "conditional_coverage",
    "dynamic_quantile",
    "holm",
    "kupiec",
    "mcneil_frey",
    "traffic_light",
]

Bools: TypeAlias = npt.NDArray[np.bool_]
Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.integer[Any]]

_BATCH = 100  # series simulated at once: 4 MB an array of 5,000 days, which stays in the cache
_TIE = 1e-9  # relative; equal counts of breaches give statistics that differ by rounding


class Backtest(NamedTuple):
    """Result of a test.

    Parameters
    ----------
    name : str
        The test, as a heading in a table.
    statistic : float
        Its statistic, NaN where it is not defined.
    p_value : float
        Probability that right forecasts give a statistic at least as bad, NaN where the test cannot be made.
    words : str
        What was found, as a sentence.
    """

    name: str
    statistic: float
    p_value: float
    words: str


@dataclass(frozen=True)
class Simulation:
    """How p-values are simulated: by series of forecasts that are right.

    The rank u of a return in its forecast law is uniform on (0, 1). Over one step ranks are independent; over a horizon
    of h steps they are those of overlapping sums of h independent normal returns. Of exact ten-day forecasts of a GARCH
    with normal or Student t innovations (5 degrees of freedom) the tests reject 4 to 8 % at 5 %, Z1 up to 10 % and
    McNeil-Frey, which draws few clusters, 2 %; the one-day p-value of Kupiec's test rejects 40 %.

    Parameters
    ----------
    n : int
        Number of simulated series; p-values are multiples of 1 / (n + 1).
    horizon : int
        Steps that a forecast looks ahead, one forecast being made at every step.
    seed : int
        Seed of the random numbers.

    Raises
    ------
    ConfigError
        The number of series or the horizon is not positive.

    Source: Dufour (2006), Monte Carlo tests with nuisance parameters, Journal of Econometrics 133.
    """

    n: int = 2_000
    horizon: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("number of simulated series", self.n), ("horizon", self.horizon)):
            if value < 1:
                raise ConfigError(f"the {name} must be 1 or more, got {value}")

    def ranks(self, time: int) -> Iterator[Floats]:
        """Simulate the ranks of returns in their forecast laws, batch by batch.

        Parameters
        ----------
        time : int
            Number of forecasts.

        Yields
        ------
        array (batch, time)
            One series a row.
        """
        from scipy.special import ndtr

        rng = np.random.default_rng(self.seed)
        for first in range(0, self.n, _BATCH):
            batch = min(_BATCH, self.n - first)
            if self.horizon == 1:
                yield rng.random((batch, time))
            else:
                walk = rng.standard_normal((batch, time + self.horizon)).cumsum(axis=1)
                yield ndtr((walk[:, self.horizon :] - walk[:, : -self.horizon]) / sqrt(self.horizon))


ONE_STEP = Simulation()


def kupiec(breaches: npt.ArrayLike, level: float, *, simulation: Simulation | None = None) -> Backtest:
    """Test by a likelihood ratio whether the share of breaches is the level.

    Parameters
    ----------
    breaches : array of bool (time,)
        Whether each return was at or below its forecast quantile.
    level : float
        Probability of a breach if the forecasts are right, such as .05.
    simulation : Simulation, optional
        How to simulate the p-value; without, it is that of a chi-square law with 1 degree of freedom.

    Returns
    -------
    Backtest

    Raises
    ------
    DataError
        The breaches are not a series of true and false.
    ConfigError
        The level is not between 0 and .5.

    Source: Kupiec (1995), Techniques for verifying the accuracy of risk measurement models, Journal of Derivatives 3.
    """
    _require_level(level)
    hits = _breaches(breaches)
    statistic, p = _test_of_breaches(hits, level, lambda series: _coverage(series, level), 1, simulation)
    return _result("Kupiec", statistic, p, _count(hits, level))


def christoffersen_independence(breaches: npt.ArrayLike, *, simulation: Simulation | None = None) -> Backtest:
    """Test by a likelihood ratio whether a breach is as likely after a breach as after none.

    Over a horizon of h steps "after" is h steps later: the first forecast that shares no return with the one before.

    Parameters
    ----------
    breaches : array of bool (time,)
        Whether each return was at or below its forecast quantile.
    simulation : Simulation, optional
        How to simulate the p-value, of breaches as frequent as these; without, it is that of a chi-square law with 1
        degree of freedom, which is far from the statistic's where few breaches are expected to follow another: at a
        level of 1 % it rejects 1 to 2 % of right forecasts at 5 %.

    Returns
    -------
    Backtest
        The statistic is 0 if there is no breach.

    Raises
    ------
    DataError
        The breaches are not a series of true and false, or too few for one to come after another.

    Source: Christoffersen (1998), Evaluating interval forecasts, International Economic Review 39.
    """
    step = _step(simulation)
    hits = _breaches(breaches, step + 1)
    share = float(hits.mean())
    statistic, p = _test_of_breaches(hits, share, lambda series: _independence(series, step), 1, simulation)
    return _result("Christoffersen", statistic, p, _successions(hits, step))


def conditional_coverage(breaches: npt.ArrayLike, level: float, *, simulation: Simulation | None = None) -> Backtest:
    """Test the share of breaches and their independence at once, by the sum of the two likelihood ratios.

    Parameters
    ----------
    breaches : array of bool (time,)
        Whether each return was at or below its forecast quantile.
    level : float
        Probability of a breach if the forecasts are right, such as .05.
    simulation : Simulation, optional
        How to simulate the p-value; without, it is that of a chi-square law with 2 degrees of freedom.

    Returns
    -------
    Backtest

    Raises
    ------
    DataError
        The breaches are not a series of true and false, or too few for one to come after another.
    ConfigError
        The level is not between 0 and .5.

    Source: Christoffersen (1998), Evaluating interval forecasts, International Economic Review 39.
    """
    _require_level(level)
    step = _step(simulation)
    hits = _breaches(breaches, step + 1)
    statistic, p = _test_of_breaches(
        hits, level, lambda series: _coverage(series, level) + _independence(series, step), 2, simulation
    )
    return _result("conditional coverage", statistic, p, f"{_count(hits, level)}, and {_successions(hits, step)}")


def dynamic_quantile(
    breaches: npt.ArrayLike,
    var: npt.ArrayLike,
    level: float,
    *,
    lags: int = 4,
    simulation: Simulation | None = None,
) -> Backtest:
    """Test whether earlier breaches, or the forecast itself, explain breaches (the dynamic quantile test).

    I - a is regressed on a constant, ``lags`` lags of itself and v: with X the regressors and b the coefficients the
    statistic is b'X'X b / (a (1 - a)). Over a horizon of h steps the lags are h, 2 h, ... steps.

    Parameters
    ----------
    breaches : array of bool (time,)
        Whether each return was at or below its forecast quantile.
    var : array (time,)
        Forecast quantile v, in any unit; a constant one adds nothing to the constant.
    level : float
        Probability a of a breach if the forecasts are right, such as .05.
    lags : int
        Number of lags of the breaches.
    simulation : Simulation, optional
        How to simulate the p-value, of breaches at random among the ``var`` given. Without, it is that of a chi-square
        law with a degree of freedom for each linearly independent regressor, ``lags`` + 2 as a rule; at a level of 1 %
        it rejects 8 to 11 % of right forecasts at 5 %.

    Returns
    -------
    Backtest

    Raises
    ------
    DataError
        The breaches are not a series of true and false, the quantiles not as many finite numbers, or both too few.
    ConfigError
        The level is not between 0 and .5, or the number of lags is negative.

    Source: Engle and Manganelli (2004), CAViaR, Journal of Business and Economic Statistics 22, theorem 5.
    """
    _require_level(level)
    if lags < 0:
        raise ConfigError(f"the number of lags must be 0 or more, got {lags}")
    step = _step(simulation)
    hits = _breaches(breaches, lags * step + lags + 3)  # one row more than there are regressors
    (v,) = _series(len(hits), var=var)
    rank = int(_regression(hits[None], v, level, lags, step)[1][0])
    statistic, p = _test_of_breaches(
        hits, level, lambda series: _regression(series, v, level, lags, step)[0], rank, simulation
    )
    facts = f"what was known before explains the breaches with a statistic of {statistic:.1f} (regressors: {rank})"
    return _result("dynamic quantile", statistic, p, facts)


def acerbi_szekely(
    returns: npt.ArrayLike,
    var: npt.ArrayLike,
    es: npt.ArrayLike,
    level: float,
    *,
    draws: npt.ArrayLike | None = None,
    simulation: Simulation = ONE_STEP,
) -> tuple[Backtest, Backtest]:
    """Test ES given the breaches (Z1), and breaches and ES at once (Z2).

    With I = 1{y <= v}, x breaches and N days: Z1 = 1 - sum(I y / e) / x and Z2 = 1 - sum(I y / e) / (N a). Right
    forecasts have 0 on average, and a negative value says that risk is understated. P-values are one-sided.

    The laws of Z1 and Z2 depend on the whole tail below v, of which v and e fix only the quantile and the mean. Without
    ``draws`` the excess v - y of a breach is simulated from a generalised Pareto law of mean v - e, whose shape is that
    of the excesses that came, by their coefficient of variation: from 0, an exponential law, to .4. So the tests reject
    3 to 7 % of exact forecasts at 5 %, of normal returns as of Student's with 5 degrees of freedom.

    Parameters
    ----------
    returns : array (time,)
        What came, y, in any unit.
    var, es : array (time,)
        Forecast quantile v and expected shortfall e, in the same unit.
    level : float
        Probability a of a return at or below v if the forecasts are right, such as .025.
    draws : array (n, time), optional
        Returns simulated from the forecaster's own law, one series a row, instead; over a horizon the rows must overlap
        as the returns do.
    simulation : Simulation
        How to simulate without ``draws``.

    Returns
    -------
    z1, z2 : Backtest
        Z1 and its p-value are NaN if there is no breach.

    Raises
    ------
    DataError
        The series differ in length or are not finite, a forecast is not possible, or the draws are not for these dates.
    ConfigError
        The level is not between 0 and .5.

    Source: Acerbi and Szekely (2014), Backtesting expected shortfall, Risk, tests 1 and 2; Hosking and Wallis (1987),
    Parameter and quantile estimation for the generalized Pareto distribution, for the shape by moments.
    """
    _require_level(level)
    y, v, e = _forecasts(returns, var, es)
    z1, z2 = (float(z[0]) for z in _acerbi_szekely(*_ratios(y[None], v, e), len(y), level))
    if draws is None:
        shape = _tail_shape(y, v, e)
        batches = [_pareto_ratios(u, v, e, level, shape) for u in simulation.ranks(len(y))]
        count, total = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    else:
        count, total = _ratios(_draws(draws, len(y)), v, e)
    simulated1, simulated2 = _acerbi_szekely(count, total, len(y), level)
    x = int(np.count_nonzero(y <= v))
    facts1 = f"the mean return of {_breach(x)} is {1 - z1:.2f} times the forecast ES" if x else "there is no breach"
    facts2 = f"the returns at or below VaR add up to {1 - z2:.2f} times what right forecasts lead to expect"
    return (
        _result("Acerbi-Szekely Z1", z1, _share_at_least(-z1, -simulated1), facts1),
        _result("Acerbi-Szekely Z2", z2, _share_at_least(-z2, -simulated2), facts2),
    )


def mcneil_frey(
    returns: npt.ArrayLike,
    var: npt.ArrayLike,
    es: npt.ArrayLike,
    *,
    volatility: npt.ArrayLike | None = None,
    simulation: Simulation = ONE_STEP,
) -> Backtest:
    """Test whether the losses of breaches are larger than ES on average, whatever the shape of the tail.

    The exceedance residuals (y - e) / s have mean 0 if the forecasts are right, with s the volatility or -e. Their
    t-statistic is compared with its bootstrap law, residuals centred; one-sided. Over a horizon of h steps breaches
    less than h steps apart share returns: such clusters are drawn as one, and the standard error is that of clusters.

    Parameters
    ----------
    returns : array (time,)
        What came, y, in any unit.
    var, es : array (time,)
        Forecast quantile v and expected shortfall e, in the same unit.
    volatility : array (time,), optional
        Forecast standard deviation s, in the same unit; by default -e takes its place.
    simulation : Simulation
        Number of bootstrap samples, horizon and seed.

    Returns
    -------
    Backtest
        NaN if fewer than 2 breaches, or clusters of them, differ.

    Raises
    ------
    DataError
        The series differ in length or are not finite, a forecast is not possible, or a volatility is not positive.

    Source: McNeil and Frey (2000), Estimation of tail-related risk measures for heteroscedastic financial time series,
    Journal of Empirical Finance 7; Efron and Tibshirani (1993), An introduction to the bootstrap, chapter 16.
    """
    y, v, e = _forecasts(returns, var, es)
    s = -e if volatility is None else _series(len(y), volatility=volatility)[0]
    if not (s > 0).all():
        raise DataError(f"a volatility must be positive, but that of observation {int(np.argmin(s > 0))} is not")
    days = np.flatnonzero(y <= v)
    residuals = (y - e)[days] / s[days]
    excess = float((y / e)[days].mean()) - 1 if len(days) else nan
    totals, counts = _clusters(residuals, days, simulation.horizon)
    statistic, p = nan, nan
    if len(totals) > 1 and np.ptp(totals / counts) > 0:
        rng, batches = np.random.default_rng(simulation.seed), -(-simulation.n // _BATCH)
        drawn = (rng.integers(len(totals), size=(_BATCH, len(totals))) for _ in range(batches))
        bootstrap = np.concatenate([_cluster_t(totals[d], counts[d], residuals.mean()) for d in drawn])[: simulation.n]
        statistic = float(_cluster_t(totals, counts, 0.0))
        p = _share_at_least(-statistic, -bootstrap)
    facts = f"the mean loss of {_breach(len(days))} is {abs(excess):.1%} {'above' if excess > 0 else 'below'} ES"
    return _result("McNeil-Frey", statistic, p, facts if len(days) else "there is no breach")


def traffic_light(breaches: npt.ArrayLike, level: float = 0.01) -> Backtest:
    """Count breaches as a supervisor does: green, yellow or red.

    With F the binomial distribution function of the number of breaches, F(x) < .95 is green, < .9999 yellow and more
    red: 0 to 4, 5 to 9 and 10 or more in 250 days at 1 %. The p-value is the probability of x breaches or more.

    Parameters
    ----------
    breaches : array of bool (time,)
        Whether each return was at or below its forecast quantile; not of overlapping forecasts.
    level : float
        Probability of a breach if the forecasts are right.

    Returns
    -------
    Backtest
        The statistic is the number of breaches, and the words begin with the colour.

    Raises
    ------
    DataError
        The breaches are not a series of true and false.
    ConfigError
        The level is not between 0 and .5.

    Source: Basel Committee on Banking Supervision (1996), Supervisory framework for the use of backtesting.
    """
    from scipy.special import bdtr, bdtrc

    _require_level(level)
    hits = _breaches(breaches)
    x, n = int(hits.sum()), len(hits)
    below = float(bdtr(x, n, level))
    colour = "Green" if below < 0.95 else "Yellow" if below < 0.9999 else "Red"
    p = float(bdtrc(x - 1, n, level)) if x else 1.0
    return Backtest("Basel traffic light", float(x), p, f"{colour}: {_count(hits, level)} ({_probability(p)}).")


def berkowitz(pit: npt.ArrayLike) -> Backtest:
    """Test whether normal scores of the ranks are independent and standard normal, against a normal AR(1).

    z = Phi^-1(u), and z_t - m = rho (z_{t-1} - m) + s w_t: the likelihood ratio of m = rho = 0, s = 1, given z_1, is
    that of a chi-square law with 3 degrees of freedom.

    Parameters
    ----------
    pit : array (time,)
        Rank u of each return in its forecast law (probability integral transform); not of overlapping forecasts.

    Returns
    -------
    Backtest

    Raises
    ------
    DataError
        The ranks are not a series of numbers between 0 and 1, or too few.

    Source: Berkowitz (2001), Testing density forecasts, Journal of Business and Economic Statistics 19, section 2.
    """
    from scipy.special import chdtrc, ndtri

    (u,) = _series(None, pit=pit)
    _require_length(u, 5)  # three coefficients, one more, and the first score to start from
    inside = (u > 0) & (u < 1)
    if not inside.all():
        i = int(np.argmin(inside))
        raise DataError(
            f"ranks must lie between 0 and 1, both excluded, but that of observation {i} is {u[i]:g}; from a sample of "
            "n take (number at or below + .5) / (n + 1)"
        )
    z = ndtri(u)
    now, before = z[1:] - z[1:].mean(), z[:-1] - z[:-1].mean()
    rho = float(now @ before / (before @ before)) if before.any() else 0.0
    residual = now - rho * before
    variance = float(residual @ residual) / len(now)
    # -2 ln L is sum(z²) under the hypothesis and n (1 + ln s²) at the maximum, up to the same constant
    statistic = float(z[1:] @ z[1:]) - len(now) * (1 + float(np.log(variance))) if variance > 0 else np.inf
    facts = (
        f"normal scores of the returns have mean {z.mean():z.2f}, standard deviation {z.std():.2f} and autocorrelation "
        f"{rho:z.2f} where 0, 1 and 0 are expected"
    )
    return _result("Berkowitz", statistic, float(chdtrc(3, statistic)), facts)


def holm(p_values: npt.ArrayLike) -> Floats:
    """Adjust the p-values of several tests so that any of them errs with at most the probability of one (Holm).

    Parameters
    ----------
    p_values : array (tests,)
        P-values; NaN for a test that could not be made, which does not count.

    Returns
    -------
    array (tests,)
        Adjusted p-values in the same order.

    Raises
    ------
    DataError
        A p-value does not lie between 0 and 1.

    Source: Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6.
    """
    p = np.array(p_values, dtype=np.float64, ndmin=1)
    if p.ndim != 1 or ((p < 0) | (p > 1)).any():
        raise DataError(f"p-values must be a series of numbers between 0 and 1, got {p_values!r}")
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    p[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return p


def backtest(
    returns: npt.ArrayLike,
    var: npt.ArrayLike,
    es: npt.ArrayLike,
    level: float,
    *,
    horizon: int = 1,
    n_simulations: int = 2_000,
    seed: int = 0,
) -> tuple[Backtest, ...]:
    """Run every test that needs only returns, VaR and ES.

    Over one step Kupiec's and Christoffersen's p-values are those of their chi-square laws, and the others simulated;
    over a longer horizon all are simulated.

    Parameters
    ----------
    returns : array (time,)
        What came, y, in any unit; over a horizon the sum of the returns that end on each date.
    var, es : array (time,)
        Forecast quantile v and expected shortfall e, in the same unit.
    level : float
        Probability of a return at or below v if the forecasts are right, such as .025.
    horizon : int
        Steps that a forecast looks ahead, one forecast being made at every step.
    n_simulations : int
        Number of simulated series, and of bootstrap samples.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    tuple of Backtest
        Kupiec, Christoffersen, conditional coverage, dynamic quantile, Acerbi-Szekely Z1 and Z2, McNeil-Frey; at a
        level of 1 % over one step also Basel's traffic light.

    Raises
    ------
    DataError
        The series differ in length, are not finite or too short, or a forecast is not possible.
    ConfigError
        The level is not between 0 and .5, or the horizon or the number of simulations not positive.
    """
    y, v, e = _forecasts(returns, var, es)
    hits = y <= v
    simulation = Simulation(n_simulations, horizon, seed)
    overlap = simulation if horizon > 1 else None
    results = (
        kupiec(hits, level, simulation=overlap),
        christoffersen_independence(hits, simulation=overlap),
        conditional_coverage(hits, level, simulation=overlap),
        dynamic_quantile(hits, v, level, simulation=simulation),
        *acerbi_szekely(y, v, e, level, simulation=simulation),
        mcneil_frey(y, v, e, simulation=simulation),
    )
    return (*results, traffic_light(hits)) if level == 0.01 and horizon == 1 else results


# Statistics of many series at once: breaches (series, time) -> (series,)


def _log_likelihood(x: npt.ArrayLike, n: npt.ArrayLike, p: npt.ArrayLike) -> Floats:
    from scipy.special import xlogy

    return np.asarray(xlogy(x, p) + xlogy(np.subtract(n, x), np.subtract(1, p)))  # 0 ln 0 = 0


def _best_log_likelihood(x: npt.ArrayLike, n: npt.ArrayLike) -> Floats:
    return _log_likelihood(x, n, np.divide(x, np.maximum(n, 1)))


def _coverage(hits: Bools, level: float) -> Floats:
    x, n = hits.sum(axis=1), hits.shape[1]
    return np.asarray(np.maximum(0, 2 * (_best_log_likelihood(x, n) - _log_likelihood(x, n, level))))


def _independence(hits: Bools, step: int) -> Floats:
    before, now = hits[:, :-step], hits[:, step:]
    x, n = now.sum(axis=1), now.shape[1]
    after, both = before.sum(axis=1), (before & now).sum(axis=1)
    apart = _best_log_likelihood(both, after) + _best_log_likelihood(x - both, n - after)
    return np.asarray(np.maximum(0, 2 * (apart - _best_log_likelihood(x, n))))


def _regression(hits: Bools, v: Floats, level: float, lags: int, step: int) -> tuple[Floats, Integers]:
    """Statistic of the dynamic quantile test and the rank of its regressors, for hits (series, time)."""
    excess = hits - level
    first = lags * step
    X = np.empty((len(hits), lags + 2, hits.shape[1] - first))
    X[:, 0] = 1
    for lag in range(lags):
        X[:, 1 + lag] = excess[:, first - (lag + 1) * step : hits.shape[1] - (lag + 1) * step]
    centred = v[first:] - v[first:].mean()
    spread = float(np.abs(centred).max())
    varies = spread > 1e-10 * float(np.abs(v).max())  # more than rounding; a constant v is the constant again
    X[:, -1] = centred / spread if varies else 0.0
    XX = X @ X.transpose(0, 2, 1)
    Xy = (X @ excess[:, first:, None])[..., 0]
    values, vectors = np.linalg.eigh(XX)
    free = values > 1e-10 * values[:, -1:]  # collinear regressors leave about 1e-14 of the largest
    along = np.einsum("sk,skj->sj", Xy, vectors)
    explained = np.divide(along**2, values, out=np.zeros_like(values), where=free).sum(axis=1)
    return explained / (level * (1 - level)), free.sum(axis=1)


def _ratios(y: Floats, v: Floats, e: Floats) -> tuple[Integers, Floats]:
    """Number of breaches and sum of y / e over them, for returns (series, time)."""
    hits = y <= v
    return hits.sum(axis=1), np.where(hits, y / e, 0.0).sum(axis=1)


def _tail_shape(y: Floats, v: Floats, e: Floats) -> float:
    """Shape of a generalised Pareto law with the coefficient of variation of the excesses, from 0 to .4."""
    breach = (y <= v) & (e < v)
    excess = (v - y)[breach] / (v - e)[breach]
    if len(excess) < 2 or not excess.any():
        return 0.0
    spread = max(1.0, float(excess.var(ddof=1) / excess.mean() ** 2))
    return min(0.4, (1 - 1 / spread) / 2)


def _pareto_ratios(u: Floats, v: Floats, e: Floats, level: float, shape: float) -> tuple[Integers, Floats]:
    """As `_ratios`, for ranks (series, time) of returns with a generalised Pareto tail of mean e below v."""
    from scipy.special import boxcox

    series, day = np.nonzero(u <= level)
    excess = -(1 - shape) * boxcox(u[series, day] / level, -shape)  # of mean 1; -ln(u / a) where the shape is 0
    y = v[day] - (v - e)[day] * excess
    total = np.bincount(series, y / e[day], minlength=len(u))
    return np.bincount(series, minlength=len(u)), np.asarray(total, dtype=np.float64)


def _acerbi_szekely(count: Integers, total: Floats, n: int, level: float) -> tuple[Floats, Floats]:
    z1 = 1 - np.divide(total, count, out=np.full(len(total), nan), where=count > 0)
    return z1, 1 - total / (n * level)


def _clusters(residuals: Floats, days: Integers, horizon: int) -> tuple[Floats, Integers]:
    """Sum and number of the residuals of each cluster: breaches less than ``horizon`` steps after the one before."""
    cluster = np.cumsum(np.diff(days, prepend=days[:1]) >= horizon)  # from 0 on
    totals = np.asarray(np.bincount(cluster, residuals), dtype=np.float64)
    return totals, np.bincount(cluster)


def _cluster_t(totals: Floats, counts: Integers, centre: float) -> Floats:
    """Mean residual less the centre over its standard error from clusters, of samples (..., clusters)."""
    n = counts.sum(axis=-1)
    mean = totals.sum(axis=-1) / n
    error = np.sqrt(((totals - counts * mean[..., None]) ** 2).sum(axis=-1)) / n
    with np.errstate(divide="ignore", invalid="ignore"):  # a sample of one cluster alone has no error
        return np.asarray((mean - centre) / error)


# P-values


def _test_of_breaches(
    hits: Bools, level: float, statistic: Callable[[Bools], Floats], degrees: int, simulation: Simulation | None
) -> tuple[float, float]:
    from scipy.special import chdtrc

    observed = float(statistic(hits[None])[0])
    if simulation is None:
        return observed, float(chdtrc(degrees, observed))
    simulated = np.concatenate([statistic(u <= level) for u in simulation.ranks(len(hits))])
    return observed, _share_at_least(observed, simulated)


def _share_at_least(observed: float, simulated: Floats) -> float:
    """Share of values at least as large as the one observed, itself among them; NaN has no say."""
    if isnan(observed):
        return nan
    known = simulated[~np.isnan(simulated)]
    return (1 + int(np.count_nonzero(known >= observed - _TIE * abs(observed)))) / (1 + len(known))


# What the tests read


def _step(simulation: Simulation | None) -> int:
    return 1 if simulation is None else simulation.horizon


def _require_level(level: float) -> None:
    if not 0 < level < 0.5:
        raise ConfigError(f"the level is the probability of a breach and must lie between 0 and .5, got {level:g}")


def _require_length(series: npt.NDArray[np.generic], n: int) -> None:
    if len(series) < n:
        raise DataError(f"the test needs {n:,} observations or more, got {len(series):,}; test a longer period")


def _breaches(breaches: npt.ArrayLike, n: int = 1) -> Bools:
    """Breaches as booleans, at least ``n``."""
    values = np.asarray(breaches)
    if values.ndim != 1 or not np.isin(values, (0, 1)).all():
        raise DataError(
            f"breaches must be a series of true and false (returns <= var), got an array of {values.dtype} of shape "
            f"{values.shape}"
        )
    _require_length(values, n)
    return values.astype(np.bool_)


def _series(n: int | None, **arrays: npt.ArrayLike) -> tuple[Floats, ...]:
    """Each as a finite array of ``n`` numbers, or of any number where ``n`` is None."""
    series = []
    for name, values in arrays.items():
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 1 or (n is not None and len(array) != n):
            expected = "a series of numbers" if n is None else f"one number for each of the {n:,} observations"
            raise DataError(f"{name} must be {expected}, got an array of shape {array.shape}")
        if not np.isfinite(array).all():
            i = int(np.argmin(np.isfinite(array)))
            raise DataError(f"{name} must be finite, but that of observation {i} is {array[i]:g}; leave such dates out")
        series.append(array)
    return tuple(series)


def _forecasts(returns: npt.ArrayLike, var: npt.ArrayLike, es: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    (y,) = _series(None, returns=returns)
    _require_length(y, 1)
    v, e = _series(len(y), var=var, es=es)
    possible = (e <= v) & (e < 0)
    if not possible.all():
        i = int(np.argmin(possible))
        raise DataError(
            f"VaR and ES are returns with ES <= VaR and ES < 0, but those of observation {i} are VaR {v[i]:g} and ES "
            f"{e[i]:g}; change the sign of losses"
        )
    return y, v, e


def _draws(draws: npt.ArrayLike, n: int) -> Floats:
    array = np.asarray(draws, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != n or not np.isfinite(array).all():
        raise DataError(f"draws must be finite and of shape (n, {n}), one column an observation, got {array.shape}")
    return array


# What the tests say


def _result(name: str, statistic: float, p: float, facts: str) -> Backtest:
    if isnan(p):
        verdict = "the test cannot be made"
    else:
        verdict = f"{'compatible' if p >= 0.05 else 'hardly compatible'} with right forecasts ({_probability(p)})"
    return Backtest(name, statistic, p, f"{facts[0].upper()}{facts[1:]}; {verdict}.")


def _probability(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _breach(x: int) -> str:
    return f"{x:,} breach" if x == 1 else f"{x:,} breaches"


def _count(hits: Bools, level: float) -> str:
    return f"{_breach(int(hits.sum()))} in {len(hits):,} forecasts where {level * len(hits):,.1f} are expected"


def _successions(hits: Bools, step: int) -> str:
    before, now = hits[:-step], hits[step:]
    after, other = int((before & now).sum()), int((~before & now).sum())
    return (
        f"a breach came {step} {'step' if step == 1 else 'steps'} after {after:,} of {_breach(int(before.sum()))} and "
        f"after {other:,} of {int((~before).sum()):,} other forecasts"
    )
