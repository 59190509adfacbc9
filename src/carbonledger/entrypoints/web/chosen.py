"""The period that a page is about, as its address says it: ``period=30d``, or ``from`` and ``to`` as dates, both included.

Every link of the shell carries it on, so that going from page to page keeps the time in view. What the words mean is the kernel's matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from carbonledger.domains.telemetry.service import answering
from carbonledger.domains.telemetry.types.answers import Asked
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.web import forms
from carbonledger.kernel import errors, lookback
from carbonledger.kernel import zone as zones
from carbonledger.kernel.lookback import Lookback
from carbonledger.kernel.period import CalendarUnit

NAMES: Final = ("period", "from", "to")
WORDS: Final = {
    Lookback.WEEK: "Last 7 days",
    Lookback.DAYS_30: "Last 30 days",
    Lookback.DAYS_90: "Last 90 days",
    Lookback.THIS_MONTH: "This month",
    Lookback.LAST_MONTH: "Last month",
    Lookback.THIS_YEAR: "This year",
    Lookback.MONTHS_12: "Last 12 months",
}


class PeriodUnreadable(errors.Invalid):
    """The address names no period that can be shown."""

    code = "period_unreadable"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A period with its words, the one before it, and the part of an address that asks for it."""

    asked: Asked
    before: Asked
    words: str
    query: str
    lookback: Lookback | None
    zone: ZoneInfo
    unit: CalendarUnit

    @property
    def first(self) -> date:
        """The first local day."""
        return zones.local_date(self.asked.period.start, self.zone)

    @property
    def last(self) -> date:
        """The last local day."""
        return lookback.last_day(self.asked.period, self.zone)


def read(call: routing.Call, fields: forms.Fields) -> Chosen:
    """Return the period that an address asks for, the last thirty days where it names none.

    Raises ``PeriodUnreadable``, ``PeriodInvalid``.
    """
    zone = zones.named(call.caller.time_zone)
    first, last = fields.given("from"), fields.given("to")
    if first is None and last is None:
        word = _word(fields.given("period"))
        period, words, query = lookback.period(word, now=call.now, zone=zone), WORDS[word], f"period={word.value}"
    else:
        word = None
        today = zones.local_date(call.now, zone)
        begins, ends = _date(first or last), _date(last) if last else today
        try:
            period = lookback.between(begins, ends, zone=zone)
        except (errors.Invalid, OverflowError):
            raise PeriodUnreadable("The first day is after the last. Choose the period again.") from None
        words = f"{_said(begins)} to {_said(ends)}"
        query = f"from={begins.isoformat()}&to={ends.isoformat()}"
    asked = answering.asked(start=period.start, end=period.end, now=call.now, time_zone=zone.key)
    past = lookback.before(period, now=call.now, zone=zone)
    before = Asked(period=past, time_zone=zone.key, is_default=False)
    return Chosen(asked, before, words, query, word, zone, lookback.plot_unit(period, zone))


def _word(given: str | None) -> Lookback:
    try:
        return Lookback.DAYS_30 if given is None else Lookback(given)
    except ValueError:
        raise PeriodUnreadable("There is no such period. Choose one at the top of the page.") from None


def _date(given: str | None) -> date:
    try:
        return datetime.strptime(given or "", "%Y-%m-%d").date()  # noqa: DTZ007 - a local day has no zone
    except ValueError:
        raise PeriodUnreadable("Write dates like 2026-11-21.") from None


def _said(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
