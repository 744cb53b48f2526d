"""Periods that have a name: ``tsgan sample --like gfc``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsgan.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


class Period(NamedTuple):
    """First and last day, and what happened."""

    first: str
    last: str
    what: str


PERIODS = {
    "gulf-war": Period("1990-08-02", "1991-02-28", "oil doubles and falls back: invasion of Kuwait to cease-fire"),
    "dot-com": Period("2000-03-24", "2002-10-09", "technology shares lose three quarters"),
    "gfc": Period("2007-10-09", "2009-03-09", "global financial crisis, peak to trough"),
    "lehman": Period("2008-09-01", "2009-03-31", "its worst half year, from the week before Lehman's bankruptcy"),
    "euro-crisis": Period("2011-07-22", "2011-11-30", "sovereign debt crisis and downgrade of the United States"),
    "oil-glut": Period("2014-07-01", "2016-02-11", "oil falls by three quarters"),
    "china-2015": Period("2015-08-10", "2016-02-11", "devaluation of the renminbi"),
    "calm-2017": Period("2017-01-03", "2017-12-29", "the calmest year of US shares in half a century"),
    "volmageddon": Period("2018-01-29", "2018-03-29", "short-volatility funds collapse"),
    "winter-2018": Period("2018-10-03", "2018-12-31", "US shares fall by a fifth"),
    "covid": Period("2020-02-20", "2020-04-30", "pandemic"),
}
"""The bundled series reach from 1999 to 2018 (sp500, nasdaq), 1986 to 2019 (wti) and 2014 to 2019 (vix)."""


def find_period(text: str, dates: pd.DatetimeIndex) -> slice:
    """Positions of the steps of a period among the steps that end on ``dates[1:]``.

    Parameters
    ----------
    text : a name in :data:`PERIODS`, or two dates such as 2008-09-01:2009-03-31; a month or a year means all of it
    dates : all dates that are known, the first of which ends no step

    Raises
    ------
    ConfigError
        There is no such period, or the dates do not hold it.
    """
    import pandas as pd  # here, so that a shell completes the names at once

    from tsgan.calendars import iso

    named = PERIODS.get(str(text))
    first, _, last = (named.first, ":", named.last) if named else str(text).partition(":")
    try:
        begin, last_day = pd.Timestamp(first), pd.Timestamp(last)
        if pd.isna(begin) or pd.isna(last_day):
            raise ValueError("a date is missing")
        end = pd.Period(last).end_time  # 2009-03 means all of March
    except ValueError as error:
        raise ConfigError(
            f"a period is FIRST:LAST, such as 2008-09-01:2009-03-31, or a name, not {text!r}; names: "
            f"{', '.join(PERIODS)}"
        ) from error
    steps = slice(int(dates[1:].searchsorted(begin)), int(dates[1:].searchsorted(end, side="right")))
    if steps.stop - steps.start < 5 or dates[0] > end or dates[-1] < begin:
        raise ConfigError(
            f"the model knows {iso(dates[0])} to {iso(dates[-1])}, of which fewer than 5 steps lie in {text!r} "
            f"({first} to {last}); name a period of at least 5 steps in its data"
        )
    return steps
