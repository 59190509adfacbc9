"""Periods: made as months pass, moved by the clock and by payment, listed, and asked to be closed.

``now`` is the organization's time, ``at`` the real one. Real organizations are looked at every hour by a schedule; the clock of a sandbox
stops at each instant at which something is due (``next_due``, ``run_due``).
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.identity import types as identity_types
from carbonledger.domains.identity.service import organizations
from carbonledger.domains.receipts.core import periods as rules
from carbonledger.domains.receipts.store import periods as store
from carbonledger.domains.receipts.types import periods as types
from carbonledger.domains.receipts.types.periods import Payment, Period, State, Step
from carbonledger.domains.telemetry.service import closing as ledger
from carbonledger.infra import db, outbox, queue
from carbonledger.kernel import errors, ids, instant
from carbonledger.kernel import page as pages
from carbonledger.kernel import zone as zones
from carbonledger.kernel.actor import Actor, Role
from carbonledger_proof import merkle

CLOSE_JOB: Final = "receipts.close_period"
CLOSING: Final = "receipts.period_closing"
FAILED: Final = "receipts.period_failed"
UNPAID: Final = "receipts.period_unpaid"
PAYMENT: Final = "receipts.payment_recorded"
MONTHS_PAID: Final = "receipts.months_paid"
_PAYERS: Final = (Role.OWNER, Role.BILLING)


class Outcome(enum.Enum):
    """What became of the payment of a month."""

    PAID = "paid"
    FAILED = "failed"


async def hold(uow: db.UnitOfWork, *, organization_id: UUID, period_id: UUID) -> Period:
    """Return a period that nobody else holds until the transaction ends. Raises ``PeriodNotFound``."""
    period = await store.find(uow, organization_id=organization_id, period_id=period_id, lock=True)
    if period is None:
        raise types.PeriodNotFound(f"There is no period {period_id}.")
    return period


async def of_month(uow: db.UnitOfWork, *, organization_id: UUID, month: date) -> Period:
    """Return the period of a month, named by its first day, held until the transaction ends. Raises ``PeriodNotFound``."""
    period = await store.find_month(uow, organization_id=organization_id, month=month)
    if period is None:
        raise types.PeriodNotFound(f"There is no period {month:%Y-%m}.")
    return period


async def ensure(uow: db.UnitOfWork, *, organization_id: UUID, now: datetime, is_needed: bool = False) -> tuple[Period, ...]:
    """Make the months that are missing, from that of the first event to that of ``now``, and return all by time.

    Where there is no event yet nothing is made, unless one ``is_needed``. A month before the first one, once the ledger was closed, is
    closed as the nothing that it was then: what came for it since is adjustments.
    """
    organization = await organizations.find(uow, organization_id=organization_id)
    zone = zones.named(organization.time_zone)
    known = await store.every(uow, organization_id=organization_id)
    first = await ledger.first_event_at(uow, organization_id=organization_id)
    made: list[Period] = []
    if known:
        made += [_opened(month, now=now) for month in rules.missing_after(known[-1], now=now, zone=zone)]
        if first is not None and first < known[0].starts_at:
            made += _before(known[0], first=first, now=now)
    elif first is not None or is_needed:
        begin = rules.month_of(now if first is None else min(first, now), zone)
        made += [_opened(month, now=now) for month in (begin, *rules.missing_after(begin, now=now, zone=zone))]
    if not made:
        return known
    await store.add(uow, organization_id=organization_id, made=made)
    return await store.every(uow, organization_id=organization_id)


def _opened(month: rules.Month, *, now: datetime) -> Period:
    return Period(
        id=ids.new_id(now),
        month=month.month,
        zone=month.zone,
        starts_at=month.starts_at,
        ends_at=month.ends_at,
        state=State.OPEN,
        payment=Payment.AWAITED,
        created_at=now,
        updated_at=now,
    )


def _before(known: Period, *, first: datetime, now: datetime) -> list[Period]:
    months = rules.missing_before(known, at=first, zone=zones.named(known.zone))
    opened = [_opened(month, now=now) for month in months]
    if known.cut is None:
        return opened
    return [
        replace(
            month,
            state=State.CLOSED,
            payment=Payment.NOT_NEEDED,
            step=Step.CLOSED,
            ended_at=now,
            cut=known.cut,  # the first there was: through it everything before was closed
            frozen_at=known.frozen_at,
            closed_at=now,
            events=0,
            leaves=0,
            root=merkle.EMPTY_ROOT,
        )
        for month in opened
    ]


async def advance(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID) -> list[Period]:
    """Move every period as the clock and its payment say, ask for the closing of what is due, and return what is being closed."""
    organization = await organizations.find(uow, organization_id=organization_id)
    await ensure(uow, organization_id=organization_id, now=now)
    paid = await store.paid(uow, organization_id=organization_id)
    due = []
    for before in await store.every(uow, organization_id=organization_id, lock=True):
        period = before
        if before.month in paid:
            period = await _paid(
                uow, actor=actor, now=now, organization_id=organization_id, before=before, after=rules.paid(before, now=now)
            )
        after = rules.advanced(period, now=now, needs_payment=_needs_payment(organization))
        if after != period:
            await _moved(uow, actor=actor, now=now, organization_id=organization_id, before=period, after=after)
        if after.state is State.CLOSING and after.closes_at is not None and after.closes_at <= now:
            await _ask(uow, actor=actor, now=now, organization_id=organization_id, period=after)
            due.append(after)
    return due


def _needs_payment(organization: identity_types.Organization) -> bool:
    return organization.tier is not identity_types.Tier.FREE and not organization.is_house


async def _moved(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, before: Period, after: Period) -> None:
    await store.change(uow, organization_id=organization_id, period=after)
    action = {State.CLOSING: CLOSING, State.FAILED: FAILED, State.OPEN: UNPAID}.get(after.state)
    if action is None or (after.state is before.state and after.ended_at == before.ended_at):
        return
    is_alert = after.state is State.FAILED
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action=action,
        target_type="period",
        target_id=after.id,
        after=_told(after),
        severity="warning" if is_alert else None,
        audience=_PAYERS if is_alert else None,
    )


def _told(period: Period) -> dict[str, object]:
    closes_at = None if period.closes_at is None else instant.to_api_instant(period.closes_at)
    return {"month": f"{period.month:%Y-%m}", "payment": period.payment.value, "closes_at": closes_at}


async def _ask(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, period: Period) -> UUID:
    if period.asked_at is None:
        await store.change(uow, organization_id=organization_id, period=replace(period, asked_at=now))
    args = {"period_id": str(period.id)}
    return await queue.enqueue(uow, name=CLOSE_JOB, args=args, now=now, actor=actor, dedupe_key=f"period:{period.id}")


async def close(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, period_id: UUID) -> UUID:
    """Ask for a period that is due to be closed now, and return the job; while it runs, that one.

    Raises ``PeriodNotFound``, ``PeriodClosed``, ``PeriodNotOver``, ``PeriodUnpaid``, ``PeriodWaits``.
    """
    await advance(uow, actor=actor, now=now, organization_id=organization_id)
    period = await _held(uow, organization_id=organization_id, period_id=period_id)
    rules.require_due(period, now=now)
    return await _ask(uow, actor=actor, now=now, organization_id=organization_id, period=period)


async def _held(uow: db.UnitOfWork, *, organization_id: UUID, period_id: UUID) -> Period:
    period = await store.find(uow, organization_id=organization_id, period_id=period_id, lock=True)
    if period is None:
        raise types.PeriodNotFound(f"There is no period {period_id}.")
    return period


async def record_payment(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, month: date, outcome: Outcome
) -> Period:
    """Write that the organization's own plan was paid for a month, or that its payment failed, and return the period.

    For payments that failed, and for operators. Saying the same again is nothing. Raises ``PeriodNotFound`` for a month that
    has not begun, ``PaymentSettled`` where it failed after it was paid.
    """
    await ensure(uow, organization_id=organization_id, now=now, is_needed=True)
    first = rules.first_of(month)
    before = await store.find_month(uow, organization_id=organization_id, month=first)
    if before is None:
        raise types.PeriodNotFound(f"There is no period of {first:%Y-%m} here.")
    after = rules.paid(before, now=now) if outcome is Outcome.PAID else rules.payment_failed(before, now=now)
    return await _paid(uow, actor=actor, now=now, organization_id=organization_id, before=before, after=after)


async def pay_months(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, months: Sequence[date], invoice_id: UUID
) -> tuple[date, ...]:
    """Write which months an invoice of the house paid for, by their first days, and return those that no invoice had paid before.

    A month that has no period yet, since it has not begun or nothing of it came, is noted: ``advance`` pays it once there is one.
    """
    made = await store.add_paid(uow, organization_id=organization_id, months=months, invoice_id=invoice_id, at=now)
    if not made:
        return ()
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action=MONTHS_PAID,
        target_type="organization",
        target_id=organization_id,
        after={"months": [f"{month:%Y-%m}" for month in made], "invoice_id": str(invoice_id)},
    )
    organization = await organizations.find(uow, organization_id=organization_id)
    has_begun = made[0] <= rules.month_of(now, zones.named(organization.time_zone)).month
    await ensure(uow, organization_id=organization_id, now=now, is_needed=has_begun)
    await advance(uow, actor=actor, now=now, organization_id=organization_id)
    return made


async def _paid(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, before: Period, after: Period) -> Period:
    """Write and tell what a payment made of a period, and return it."""
    if after == before:
        return before
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action=PAYMENT,
        target_type="period",
        target_id=after.id,
        before={"payment": before.payment.value},
        after={"payment": after.payment.value, "month": f"{after.month:%Y-%m}"},
    )
    await _moved(uow, actor=actor, now=now, organization_id=organization_id, before=before, after=after)
    return after


async def list_periods(uow: db.UnitOfWork, *, organization_id: UUID, page: pages.PageRequest) -> pages.Page[Period]:
    """Return periods, the latest first. Raises ``CursorUnreadable``."""
    before = _place(page)
    rows = await store.some(uow, organization_id=organization_id, before=before, limit=page.limit + 1)
    return pages.cut(rows, limit=page.limit, key=lambda period: (instant.to_api_instant(period.starts_at),))


def _place(page: pages.PageRequest) -> datetime | None:
    if page.after is None:
        return None
    try:
        (place,) = page.after
        return instant.from_api_instant(place)
    except (ValueError, errors.Fault) as error:
        raise pages.CursorUnreadable("This cursor belongs to another list.") from error


async def find(uow: db.UnitOfWork, *, organization_id: UUID, period_id: UUID) -> Period:
    """Return a period. Raises ``PeriodNotFound``."""
    period = await store.find(uow, organization_id=organization_id, period_id=period_id)
    if period is None:
        raise types.PeriodNotFound(f"There is no period {period_id}.")
    return period


async def next_due(uow: db.UnitOfWork, organization_id: UUID, until: datetime) -> datetime | None:
    """Return the organization's time at which the clock has something to do for a period next, at or before ``until``."""
    organization = await organizations.find(uow, organization_id=organization_id)
    known: Sequence[Period] = await store.every(uow, organization_id=organization_id)
    if known:
        times = [time for time in map(rules.next_due, known) if time is not None]
    else:
        first = await ledger.first_event_at(uow, organization_id=organization_id)
        times = [] if first is None else [rules.month_of(first, zones.named(organization.time_zone)).ends_at]
    return min((time for time in times if time <= until), default=None)


async def run_due(uow: db.UnitOfWork, actor: Actor, now: datetime) -> None:
    """Do what is due for the periods of the transaction's organization at ``now``, so that it is due no more."""
    if uow.organization_id is None:
        raise queue.NoOrganization("Periods are an organization's.")
    await advance(uow, actor=actor, now=now, organization_id=uow.organization_id)
