"""The calendar of periods and what moves one: the clock, payment, and the end of closing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from carbonledger.domains.receipts.types import periods as types
from carbonledger.domains.receipts.types.periods import Move, Payment, Period, State
from carbonledger.kernel import zone as zones
from carbonledger.kernel.period import Period as Window

MONTHS_MAX: Final = 12 * 200
"""Months made at a time: more than there are between the first usage that the ledger takes (2015) and any organization's clock."""
_HALF_DAY: Final = timedelta(hours=12)
_SETTLED: Final = frozenset({Payment.NOT_NEEDED, Payment.PAID})


@dataclass(frozen=True, slots=True)
class Month:
    """A month's first day, and the window that it is in an organization's calendar."""

    month: date
    zone: str
    starts_at: datetime
    ends_at: datetime


def first_of(day: date) -> date:
    """Return the first day of the month that ``day`` is in."""
    return day.replace(day=1)


def next_month(month: date) -> date:
    """Return the first day of the month after."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def previous_month(month: date) -> date:
    """Return the first day of the month before."""
    return date(month.year - (month.month == 1), (month.month - 2) % 12 + 1, 1)


def month_of(at: datetime, zone: ZoneInfo) -> Month:
    """Return the month that holds the instant ``at`` in ``zone``."""
    first = first_of(zones.local_date(at, zone))
    return Month(first, zone.key, zones.midnight(first, zone), zones.midnight(next_month(first), zone))


def months_served(services: Iterable[Window], zone: ZoneInfo) -> tuple[date, ...]:
    """Return the first days of the months that service periods are for, each once, in order: from that of the first day on, as many as
    there are months in it. A year from 15 January is twelve, January the first; a week is that which it begins in.

    ``zone`` is the one that the services were counted in, whatever the customer's own calendar is. Services begin and end at local
    midnight; where the account has moved to another zone since, the nearest midnight of that one is meant.
    """
    found: set[date] = set()
    for service in services:
        month, last = _first_near(service.start, zone), _first_near(service.end or service.start, zone)
        found.add(month)
        while (month := next_month(month)) < last:
            found.add(month)
    return tuple(sorted(found))


def _first_near(at: datetime, zone: ZoneInfo) -> date:
    return first_of(zones.local_date(at + _HALF_DAY, zone))


def following(last: Period | Month, zone: ZoneInfo) -> Month:
    """Return the month after ``last``. It starts where that ended, also in another zone: no instant is in two, or none."""
    month = next_month(last.month)
    return Month(month, zone.key, last.ends_at, zones.midnight(next_month(month), zone))


def missing_after(last: Period | Month, *, now: datetime, zone: ZoneInfo) -> Iterator[Month]:
    """Yield the months after ``last`` up to the one that holds ``now``, at most ``MONTHS_MAX``."""
    for _ in range(MONTHS_MAX):
        if now < last.ends_at:
            return
        last = following(last, zone)
        yield last


def missing_before(first: Period, *, at: datetime, zone: ZoneInfo) -> Iterator[Month]:
    """Yield the months before ``first``, the latest first, back to the one that holds ``at``, at most ``MONTHS_MAX``."""
    ends_at, month = first.starts_at, first.month
    for _ in range(MONTHS_MAX):
        if at >= ends_at:
            return
        month = previous_month(month)
        made = Month(month, zone.key, zones.midnight(month, zone), ends_at)
        yield made
        ends_at = made.starts_at


def moved(period: Period, move: Move, *, now: datetime) -> Period:
    """Return the period after ``move``. Raises ``ValueError`` where it can't happen."""
    before, after = types.TRANSITIONS[move]
    if period.state not in before:
        message = f"a period that is {period.state.value} can't {move.value}"
        raise ValueError(message)
    return replace(period, state=after, updated_at=now)


def advanced(period: Period, *, now: datetime, needs_payment: bool) -> Period:
    """Return what the clock and its payment make of a period at ``now``; the same one where nothing follows.

    ``needs_payment``: whether the organization's plan is a paid one now. What was paid, or failed, stays so.
    """
    if period.state not in {State.OPEN, State.FAILED} or now < period.ends_at:
        return period
    payment = period.payment
    if payment in {Payment.NOT_NEEDED, Payment.AWAITED}:
        payment = Payment.AWAITED if needs_payment else Payment.NOT_NEEDED
    ended = replace(period, payment=payment, ended_at=period.ended_at or now)
    if payment in _SETTLED:
        return replace(moved(ended, Move.BEGIN, now=now), closes_at=max(period.ends_at + types.RECONCILIATION, now))
    if payment is Payment.FAILED and period.state is State.OPEN:
        return moved(ended, Move.FAIL, now=now)
    return period if ended == period else replace(ended, updated_at=now)


def paid(period: Period, *, now: datetime) -> Period:
    """Return the period once it is paid; the same one where it was, or closed without having to be."""
    if period.payment is Payment.PAID or period.state is State.CLOSED:
        return period
    return advanced(replace(period, payment=Payment.PAID, updated_at=now), now=now, needs_payment=True)


def payment_failed(period: Period, *, now: datetime) -> Period:
    """Return the period once its payment failed. Raises ``PaymentSettled`` where it was paid, or is closing without having to be."""
    if period.payment is Payment.PAID or period.state in {State.CLOSING, State.CLOSED}:
        raise types.PaymentSettled(f"{period.month:%Y-%m} is {period.state.value}, and its payment {period.payment.value}.")
    if period.payment is Payment.FAILED:
        return period
    return advanced(replace(period, payment=Payment.FAILED, updated_at=now), now=now, needs_payment=True)


def require_due(period: Period, *, now: datetime) -> None:
    """Raise unless closing may begin to work: ``PeriodClosed``, ``PeriodNotOver``, ``PeriodUnpaid`` or ``PeriodWaits``."""
    if period.state is State.CLOSED:
        raise types.PeriodClosed(f"{period.month:%Y-%m} was closed at {period.closed_at}.")
    if now < period.ends_at:
        raise types.PeriodNotOver(f"{period.month:%Y-%m} ends at {period.ends_at.isoformat()}.")
    if period.state is not State.CLOSING:
        raise types.PeriodUnpaid(f"The payment of {period.month:%Y-%m} is {period.payment.value}.")
    if period.closes_at is None or now < period.closes_at:
        raise types.PeriodWaits(f"{period.month:%Y-%m} closes by itself at {period.closes_at and period.closes_at.isoformat()}.")


def next_due(period: Period) -> datetime | None:
    """Return when the clock has something to do for the period next; None: nothing, or it waits for something else than the clock."""
    if period.state is State.OPEN and period.ended_at is None:
        return period.ends_at
    return period.closes_at if period.state is State.CLOSING and period.asked_at is None else None
