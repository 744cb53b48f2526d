"""Scenarios for skfolio: the law of linear returns, learned and sampled in skfolio's manners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self, cast

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from tsgan.config import check_whole
from tsgan.datasets.checks import naive_dates
from tsgan.errors import ConfigError, DataError
from tsgan.estimator import TSGAN
from tsgan.returns import Floats

__all__ = ["TSGANDistribution"]

_UNDATED = "1900-01-01"  # business days from here stand for rows without dates; no fitted model remembers them


class TSGANDistribution(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no annotations
    """Law of the assets' linear returns, for ``skfolio.prior.SyntheticData(distribution_estimator=...)``.

    Every fit learns the law anew, so a cross-validation takes a fit for each fold. To fit only once, freeze one of two
    things with scikit-learn's ``FrozenEstimator``. The model, ``TSGANDistribution(FrozenEstimator(fitted_tsgan))``:
    it keeps the law and reads the state of the market off the returns given to :meth:`fit`. Or the whole estimator,
    ``FrozenEstimator(TSGANDistribution().fit(X))``: its scenarios then always continue from the end of that ``X``.
    In a backtest either has seen what it was fitted to, so fit it to data before the first fold.

    Parameters
    ----------
    model : TSGAN or FrozenEstimator of a fitted TSGAN, optional
        The model to clone and fit; None for the defaults.
    horizon : int, default=1
        Steps that a sample spans; their returns are compounded. With weights that are held for h steps, the risk that
        counts is that of ``horizon=h``. Whatever skfolio computes from the samples is then per horizon: moments, risk
        measures, and the costs and fees that one gives it.
    start : {"last", "stationary"}, default="last"
        ``"last"``: what comes next, given the state of the market at the end of ``X``, since a portfolio is held from
        there on. ``"stationary"``: every sample starts from the state of a random training date, for an allocation
        that is to hold in any market, as skfolio's own distributions mean it.
    random_state : int, optional
        Seed of the samples, and of the fit where ``model`` has none. With a seed, every call of :meth:`sample` returns
        the same scenarios.

    Attributes
    ----------
    model_ : TSGAN
        The fitted model.
    prices_ : DataFrame
        The prices, from 100, that the returns were turned into; made-up business days where they had no dates.
    n_features_in_ : int
        Number of assets.
    feature_names_in_ : ndarray of str
        Their names, where ``X`` has names.

    Examples
    --------
    >>> from skfolio import RiskMeasure  # doctest: +SKIP
    >>> from skfolio.optimization import MeanRisk  # doctest: +SKIP
    >>> from skfolio.prior import SyntheticData  # doctest: +SKIP
    >>> prior = SyntheticData(TSGANDistribution(horizon=20, random_state=0), n_samples=5000)  # doctest: +SKIP
    >>> MeanRisk(risk_measure=RiskMeasure.CVAR, prior_estimator=prior).fit(X).weights_  # doctest: +SKIP
    """

    def __init__(
        self,
        model: Any = None,
        *,
        horizon: int = 1,
        start: Literal["last", "stationary"] = "last",
        random_state: int | None = None,
    ) -> None:
        self.model = model
        self.horizon = horizon
        self.start = start
        self.random_state = random_state

    def fit(self, X: Any, y: None = None) -> Self:
        """Learn the law of linear returns.

        Parameters
        ----------
        X : array-like of shape (n_observations, n_assets)
            Linear (simple) returns a step, 0.01 for 1 %, all > -1, in the order of time. The dates of a frame are used;
            rows without dates count as business days.
        y : ignored, scikit-learn passes it

        Raises
        ------
        DataError
            The returns cannot be used, or a frozen model knows other assets.
        ConfigError
            A parameter is not possible.
        TrainingError
            Nothing usable came of it.
        """
        from sklearn.utils.validation import validate_data  # scikit-learn 1.6, which skfolio needs

        self._check_parameters()
        model = self._unfitted()
        returns = validate_data(self, X, dtype=np.float64, ensure_all_finite=False)
        self.prices_ = _prices(returns, _dates(X, len(returns)), self._names(model))
        self.model_ = model.fit(self.prices_, None)  # a frozen model stays as it is
        _check_assets(self.model_.columns_, list(self.prices_.columns))
        return self

    def sample(self, n_samples: int = 1, conditioning: Mapping[Any, Any] | None = None) -> Floats:
        """Draw scenarios.

        Parameters
        ----------
        n_samples : number of scenarios
        conditioning : not possible yet; only None

        Returns
        -------
        ndarray of shape (n_samples, n_assets)
            Linear returns over ``horizon`` steps, all > -1 and finite, in the order of the columns of ``X``.

        Raises
        ------
        ConfigError
            A parameter is not possible.
        sklearn.exceptions.NotFittedError
            There is no model yet.
        """
        check_is_fitted(self, "model_")
        self._check_parameters()
        if conditioning is not None:
            raise ConfigError(
                f"conditioning must be None in this version, not {conditioning!r}; what samples can be conditioned on "
                "is the state of the market at the end of X, with start='last'"
            )
        paths = self.model_.sample(
            n_samples,
            length=self.horizon,
            history=self.prices_ if self.start == "last" else None,
            random_state=self.random_state,
        )
        order = [paths.columns.index(name) for name in self.prices_.columns]
        return np.asarray(np.expm1(paths.returns.sum(axis=1))[:, order])

    def _check_parameters(self) -> None:
        if self.start not in ("last", "stationary"):
            raise ConfigError(f"start must be 'last' or 'stationary', not {self.start!r}")
        check_whole("horizon", self.horizon)

    def _unfitted(self) -> TSGAN:
        """A clone of the model; the same model if it is frozen."""
        model = TSGAN() if self.model is None else clone(self.model)
        if isinstance(model, TSGAN) and model.random_state is None:
            model.random_state = self.random_state
        return cast("TSGAN", model)

    def _names(self, model: TSGAN) -> list[str]:
        """Names of the assets; columns without names follow the order of a frozen model."""
        if hasattr(self, "feature_names_in_"):
            return list(self.feature_names_in_)
        known: list[str] = getattr(model, "columns_", [])
        return known if len(known) == self.n_features_in_ else [f"x{i}" for i in range(self.n_features_in_)]


def _dates(X: Any, rows: int) -> pd.DatetimeIndex:
    """Dates of the rows of prices, one more than of returns."""
    index = getattr(X, "index", None)
    if not isinstance(index, pd.DatetimeIndex | pd.PeriodIndex):
        return pd.bdate_range(_UNDATED, periods=rows + 1)
    dates = naive_dates(index)
    if not (dates.is_monotonic_increasing and dates.is_unique):
        raise DataError("the dates of X must increase from row to row, since returns are compounded; sort X by date")
    spacing = pd.Series(dates).diff().median() if rows > 1 else pd.Timedelta(days=1)
    return dates.insert(0, dates[0] - spacing)


def _prices(returns: Floats, dates: pd.DatetimeIndex, names: list[str]) -> pd.DataFrame:
    """Prices from 100 whose linear returns are (time, assets) ``returns``."""
    for problem, bad in (("is not finite", ~np.isfinite(returns)), ("is not above -1, a loss of all", returns <= -1)):
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise DataError(
                f"the linear return of {names[column]!r} in row {row} of X is {returns[row, column]:g}, which "
                f"{problem} ({int(bad.sum()):,} in all); expected fractions such as 0.01 for 1 %, none missing: drop "
                "those rows or assets, or divide percentages by 100"
            )
    growth = np.vstack([np.zeros((1, returns.shape[1])), np.log1p(returns)]).cumsum(axis=0)
    return pd.DataFrame(100 * np.exp(growth), index=dates, columns=names)


def _check_assets(known: list[str], given: list[str]) -> None:
    if set(known) != set(given):
        raise DataError(
            f"the frozen model knows the assets {', '.join(known)}, but X has {', '.join(given)}; "
            "give returns of the same assets, or a model that is not frozen, which is then fitted to X"
        )
