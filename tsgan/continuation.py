"""Prices that go on from a known history: whether they do, and the returns that are new in them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tsgan.calendars import iso
from tsgan.errors import DataError
from tsgan.returns import Floats, log_returns

_AGREE = 0.1  # deviations by which returns of the same dates may differ in the median: room for rounded prices


def new_returns(prices: pd.DataFrame, dates: pd.DatetimeIndex, returns: Floats, last_price: Floats) -> Floats:
    """Log returns after the last known date, (new rows, assets).

    Parameters
    ----------
    prices : of which :func:`check_continues` has made sure that they continue the known ones
    dates : (time + 1,) known dates
    returns : (time, assets) known log returns, between them
    last_price : (assets,) price on the last known date, for prices that do not reach back
    """
    common = prices.index.intersection(dates)
    start = last_price
    if len(common):  # their own level, from the last date that both know
        since = returns[dates.get_loc(common[-1]) :].sum(axis=0)
        start = prices.loc[common[-1]].to_numpy() * np.exp(since)
    return log_returns(np.vstack((start, prices[prices.index > dates[-1]].to_numpy())))


def check_continues(
    prices: pd.DataFrame, dates: pd.DatetimeIndex, near: pd.Timestamp, returns: Floats, deviation: Floats
) -> None:
    """Refuse prices that do not continue a known history with a DataError.

    Parameters
    ----------
    prices : checked prices of the same assets
    dates : (time + 1,) known dates
    near : last date on which prices may begin that do not hold the last known date
    returns : (time, assets) known log returns
    deviation : (assets,) their deviation, the unit in which they are compared
    """
    last, new = dates[-1], prices.index[prices.index > dates[-1]]
    if not len(new):
        raise DataError(
            f"the prices end on {iso(prices.index[-1])} and the model knows those up to {iso(last)}: "
            "there is nothing to update; give prices of later dates"
        )
    if last not in prices.index and new[0] > near:
        raise DataError(
            f"the prices go on with {iso(new[0])} and the model knows those up to {iso(last)}: rows between are "
            f"missing; give prices that reach back to {iso(last)}"
        )
    _check_dates(pd.DatetimeIndex(prices.index), dates)
    _check_returns(prices, dates, returns, deviation)


def _check_dates(given: pd.DatetimeIndex, dates: pd.DatetimeIndex) -> None:
    """Where they overlap, most dates must be the same: weekly or hourly prices do not continue daily ones."""
    ours = dates[dates >= given[0]]
    theirs = given[(given >= dates[0]) & (given <= dates[-1])]
    common = len(ours.intersection(theirs))
    if 2 * common < max(len(ours), len(theirs)):
        raise DataError(
            f"up to {iso(dates[-1])} the prices have {len(theirs):,} rows and the model {len(ours):,}, of which only "
            f"{common:,} have the same date; give prices at the dates that the model learned from"
        )


def _check_returns(prices: pd.DataFrame, dates: pd.DatetimeIndex, returns: Floats, deviation: Floats) -> None:
    """Between common dates, returns must be the same but for rounding."""
    common = prices.index.intersection(dates)
    if len(common) < 2:
        return
    known = np.concatenate((np.zeros_like(returns[:1]), returns.cumsum(axis=0)))[dates.get_indexer(common)]
    differences = np.abs(log_returns(prices.loc[common].to_numpy()) - np.diff(known, axis=0)) / deviation
    differing = np.median(differences, axis=0) > _AGREE
    if differing.any():
        asset = int(np.argmax(differing))
        first = common[1 + int(np.argmax(differences[:, asset] > _AGREE))]
        raise DataError(
            f"the prices do not continue what the model learned from: the returns of {prices.columns[asset]!r} on "
            f"dates that both have differ, first on {iso(first)}; give prices of the same assets, adjusted alike"
        )
