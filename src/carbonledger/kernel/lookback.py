"""Periods as people ask for them: the last thirty days, this month, from one date to another; and the one to compare with.

Owns: which instants such words mean in a zone. A period ends with a local day; one that is still running is compared with as much of the
one before as has passed of it, so that a morning is not compared with a day.
"""

from __future__ import annotations

import enum
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from carbonledger.kernel import period as periods
from carbonledger.kernel import zone as zones
from carbonledger.kernel.period import CalendarUnit, Period


class Lookback(enum.Enum):
    """A stretch of days that ends today, or with a month."""

    WEEK = "7d"
    DAYS_30 = "30d"
    DAYS_90 = "90d"
    THIS_MONTH = "month"
    LAST_MONTH = "last-month"
    THIS_YEAR = "year"
    MONTHS_12 = "12m"


_DAYS: Final = {Lookback.WEEK: 7, Lookback.DAYS_30: 30, Lookback.DAYS_90: 90, Lookback.MONTHS_12: 365}
_UNITS: Final = ((2, CalendarUnit.HOUR), (93, CalendarUnit.DAY), (731, CalendarUnit.WEEK))  # so many days at most: 48 to 105 stretches


def period(lookback: Lookback, *, now: datetime, zone: ZoneInfo) -> Period:
    """Return the instants that ``lookback`` means at ``now``."""
    today = zones.local_date(now, zone)
    if lookback in _DAYS:
        return between(today - timedelta(days=_DAYS[lookback] - 1), today, zone=zone)
    if lookback is Lookback.LAST_MONTH:
        this = periods.calendar_period(now, CalendarUnit.MONTH, zone)
        return periods.calendar_period(this.start - timedelta(hours=12), CalendarUnit.MONTH, zone)
    unit = CalendarUnit.YEAR if lookback is Lookback.THIS_YEAR else CalendarUnit.MONTH
    return between(zones.local_date(periods.calendar_period(now, unit, zone).start, zone), today, zone=zone)


def between(first: date, last: date, *, zone: ZoneInfo) -> Period:
    """Return the days from ``first`` to ``last``, both included. Raises ``PeriodInvalid`` where ``last`` is before ``first``."""
    return Period(zones.midnight(first, zone), zones.midnight(last + timedelta(days=1), zone))


def last_day(of: Period, zone: ZoneInfo) -> date:
    """Return the last local day of a period that has an end."""
    return zones.local_date((of.end or of.start) - timedelta(microseconds=1), zone)


def before(of: Period, *, now: datetime, zone: ZoneInfo) -> Period:
    """Return as many days right before, cut where ``now`` is in ``of``."""
    days = periods.local_days(of, zone) or 1
    start = zones.midnight(zones.local_date(of.start, zone) - timedelta(days=days), zone)
    if not of.contains(now) or now == of.start:
        return Period(start, of.start)
    return Period(start, min(start + (now - of.start), of.start))


def plot_unit(of: Period, zone: ZoneInfo) -> CalendarUnit:
    """Return the stretches that a plot of the period shows: few enough to read, many enough to see."""
    days = periods.local_days(of, zone)
    return next((unit for most, unit in _UNITS if days <= most), CalendarUnit.MONTH)
