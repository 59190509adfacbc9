"""The steps of closing a period, each done once and recorded with its effect. Killed between any two, it goes on where it stood.

    none ─> reconciled ─> frozen ─> summed ─> adjusted ─> proven (``proving``) ─> closed

A step holds the period's row while it works; whoever comes second finds it done. What a step computes follows from the cut alone, so it is
the same whenever it is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.connections.service import finishing
from carbonledger.domains.receipts.core import periods as rules
from carbonledger.domains.receipts.service import periods as keeping
from carbonledger.domains.receipts.store import periods as store
from carbonledger.domains.receipts.types import periods as types
from carbonledger.domains.receipts.types.periods import Move, Period, Step
from carbonledger.domains.telemetry.service import closing as ledger
from carbonledger.domains.telemetry.types.closing import Change, Stretch
from carbonledger.infra import db, outbox, server
from carbonledger.kernel import instant
from carbonledger.kernel.actor import Actor

CLOSED: Final = "receipts.period_closed"
_CLOCKS_RETRY_S: Final = 60


async def held(uow: db.UnitOfWork, organization_id: UUID, period_id: UUID, *, step: Step) -> Period | None:
    """Return the period, held, if ``step`` is what is to be done next; None: it is done. Raises ``PeriodNotFound``."""
    period = await store.find(uow, organization_id=organization_id, period_id=period_id, lock=True)
    if period is None:
        raise types.PeriodNotFound(f"There is no period {period_id}.")
    if types.is_done(step, within=period.step):
        return None
    if types.STEPS.index(step) != types.STEPS.index(period.step) + 1:
        message = f"{period.id} has come to {period.step.value}, and {step.value} is not what follows"
        raise AssertionError(message)
    return period


async def begin(uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, period_id: UUID) -> Period:
    """Return the period that is to be closed, and ask every connection for the last time, unless that is done. ``at`` is the real time.

    Raises ``PeriodNotFound``, what ``core.periods.require_due`` raises, ``ClocksDiffer``.
    """
    told = await server.now(uow.conn)
    if abs(told - at) > types.CLOCKS_APART_MAX:
        message = (
            f"Here it is {instant.to_api_instant(at)}, at the database {instant.to_api_instant(told)}. Set the clocks; it goes on then."
        )
        raise types.ClocksDiffer(message, retry_after_s=_CLOCKS_RETRY_S)
    period = await keeping.find(uow, organization_id=organization_id, period_id=period_id)
    if period.state is not types.State.CLOSED:
        rules.require_due(period, now=now)
    if period.step is Step.NONE:
        await finishing.ask_all(uow, actor=actor, now=now, organization_id=organization_id)
    return period


async def is_read(uow: db.UnitOfWork, *, organization_id: UUID) -> bool:
    """Say whether every poll that was asked for has come to its end."""
    return not await finishing.is_any_running(uow, organization_id=organization_id)


async def reconciled(uow: db.UnitOfWork, *, now: datetime, organization_id: UUID, period_id: UUID) -> None:
    """Write that the last reading is over, with the connections that were not read through the end of the period."""
    period = await held(uow, organization_id, period_id, step=Step.RECONCILED)
    if period is None:
        return
    missing = [
        {
            "connection_id": str(one.connection_id),
            "provider": one.provider,
            "read_to": None if one.read_to is None else instant.to_api_instant(one.read_to),
            "code": one.code,
        }
        for one in await finishing.unread(uow, organization_id=organization_id, through=period.ends_at)
    ]
    after = replace(period, step=Step.RECONCILED, unread=tuple(missing), updated_at=now)
    await store.change(uow, organization_id=organization_id, period=after)


async def freeze(uow: db.UnitOfWork, *, now: datetime, at: datetime, organization_id: UUID, period_id: UUID) -> None:
    """Make the cut: from its commit on, what comes for the period is late. Earlier periods that have none, such as unpaid ones, get theirs.

    Ingest of the organization waits until the transaction ends. Raises ``CutBusy``: try again.
    """
    if await held(uow, organization_id, period_id, step=Step.FROZEN) is None:
        return
    every = await store.every(uow, organization_id=organization_id, lock=True)
    place = next(place for place, one in enumerate(every) if one.id == period_id)
    to_cut = [one for one in every[: place + 1] if one.cut is None]
    numbers: Sequence[int] = ()
    if to_cut:
        numbers = await ledger.cut(uow, organization_id=organization_id, closed_through=[one.ends_at for one in to_cut], at=at)
    for one, number in zip(to_cut, numbers, strict=True):
        await store.change(uow, organization_id=organization_id, period=replace(one, cut=number, frozen_at=now, updated_at=now))
    period = await keeping.find(uow, organization_id=organization_id, period_id=period_id)
    await store.change(uow, organization_id=organization_id, period=replace(period, step=Step.FROZEN, updated_at=now))


async def sum_up(uow: db.UnitOfWork, *, now: datetime, organization_id: UUID, period_id: UUID) -> None:
    """Write the lines of the period as it stood at its cut. Begin the transaction after the cut is committed."""
    period = await held(uow, organization_id, period_id, step=Step.SUMMED)
    if period is None:
        return
    await ledger.take_time(uow)
    lines = await ledger.lines(uow, organization_id=organization_id, stretch=stretch(period), cut=cut_of(period))
    await store.add_lines(uow, organization_id=organization_id, period_id=period_id, made=lines)
    after = replace(period, step=Step.SUMMED, events=sum(line.sums.events for line in lines), updated_at=now)
    await store.change(uow, organization_id=organization_id, period=after)


async def adjust(uow: db.UnitOfWork, *, now: datetime, organization_id: UUID, period_id: UUID) -> None:
    """Book here what came late for earlier periods between the cut before this period's and its own."""
    await keeping.ensure(uow, organization_id=organization_id, now=now)  # what came late may be of a month before the first
    period = await held(uow, organization_id, period_id, step=Step.ADJUSTED)
    if period is None:
        return
    await ledger.take_time(uow)
    changes = await late_for(uow, organization_id=organization_id, period=period)
    made = [(change.stretch_id, change.line) for change in changes]
    await store.add_adjustments(uow, organization_id=organization_id, booked_in=period_id, made=made)
    await store.change(uow, organization_id=organization_id, period=replace(period, step=Step.ADJUSTED, updated_at=now))


async def late_for(uow: db.UnitOfWork, *, organization_id: UUID, period: Period) -> list[Change]:
    """Return what is to be booked in a period that has its cut: changes of earlier periods."""
    every = await store.every(uow, organization_id=organization_id)
    earlier = [stretch(one) for one in every if one.starts_at < period.starts_at]
    return await ledger.changes(uow, organization_id=organization_id, cut=cut_of(period) - 1, stretches=earlier)


async def closed(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, period_id: UUID) -> None:
    """Close the period, and tell."""
    period = await held(uow, organization_id, period_id, step=Step.CLOSED)
    if period is None:
        return
    after = replace(rules.moved(period, Move.CLOSE, now=now), step=Step.CLOSED, closed_at=now)
    await store.change(uow, organization_id=organization_id, period=after)
    told = {
        "month": f"{after.month:%Y-%m}",
        "payment": after.payment.value,
        "events": after.events,
        "leaves": after.leaves,
        "root": None if after.root is None else after.root.hex(),
        "unread": len(after.unread),
    }
    await outbox.emit(uow, actor=actor, now=now, action=CLOSED, target_type="period", target_id=period_id, after=told)


def stretch(period: Period) -> Stretch:
    """Return the period as a stretch of the ledger."""
    return Stretch(period.id, period.starts_at, period.ends_at)


def cut_of(period: Period) -> int:
    """Return the number of a period's cut, which it has."""
    if period.cut is None:
        message = f"{period.id} has no cut yet"
        raise ValueError(message)
    return period.cut
