"""Months, the lines that were frozen of them, adjustments, and where the secret of salts is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import insert, select, update
from sqlalchemy.dialects import postgresql

from carbonledger.domains.receipts.tables import periods as tables
from carbonledger.domains.receipts.types.periods import Payment, Period, State, Step
from carbonledger.domains.receipts.types.totals import Booked
from carbonledger.domains.telemetry.types.closing import Line, LineKey, LineSums
from carbonledger.infra import db

periods = tables.periods
lines = tables.lines
adjustments = tables.adjustments
salts = tables.salts
paid_months = tables.paid_months
_PLAIN: Final = (
    *("id", "month", "zone", "starts_at", "ends_at", "ended_at", "closes_at", "asked_at", "cut", "frozen_at", "events", "leaves", "root"),
    *("closed_at", "created_at", "updated_at"),
)
_LINE: Final = (*LineKey._fields, *LineSums._fields)


def _from_row(row: asyncpg.Record) -> Period:
    return Period(
        **{name: row[name] for name in _PLAIN},
        state=State(row["state"]),
        payment=Payment(row["payment"]),
        step=Step(row["step"]),
        unread=tuple(row["unread"]),
    )


def _to_row(period: Period) -> dict[str, Any]:
    words = {"state": period.state.value, "payment": period.payment.value, "step": period.step.value}
    return {**{name: getattr(period, name) for name in _PLAIN}, **words, "unread": [dict(one) for one in period.unread]}


async def add(uow: db.UnitOfWork, *, organization_id: UUID, made: Iterable[Period]) -> None:
    """Insert months; one that somebody else has inserted meanwhile stays as it is."""
    for period in made:
        statement = postgresql.insert(periods).values(organization_id=organization_id, **_to_row(period))
        await uow.execute(statement.on_conflict_do_nothing(index_elements=["organization_id", "month"]))


async def change(uow: db.UnitOfWork, *, organization_id: UUID, period: Period) -> None:
    """Write a period, whose row the transaction holds."""
    statement = update(periods).where(periods.c.organization_id == organization_id, periods.c.id == period.id)
    await uow.execute(statement.values(_to_row(period)))


async def every(uow: db.UnitOfWork, *, organization_id: UUID, lock: bool = False) -> tuple[Period, ...]:
    """Return all periods by time. ``lock`` holds their rows until the transaction ends."""
    statement = select(periods).where(periods.c.organization_id == organization_id).order_by(periods.c.starts_at)
    return tuple(_from_row(row) for row in await uow.fetch(statement.with_for_update(key_share=True) if lock else statement))


async def some(uow: db.UnitOfWork, *, organization_id: UUID, before: datetime | None, limit: int) -> tuple[Period, ...]:
    """Return periods, the latest first, at most ``limit``, those that start before ``before``."""
    statement = select(periods).where(periods.c.organization_id == organization_id)
    if before is not None:
        statement = statement.where(periods.c.starts_at < before)
    return tuple(_from_row(row) for row in await uow.fetch(statement.order_by(periods.c.starts_at.desc()).limit(limit)))


async def find(uow: db.UnitOfWork, *, organization_id: UUID, period_id: UUID, lock: bool = False) -> Period | None:
    """Return a period. ``lock`` holds its row until the transaction ends."""
    statement = select(periods).where(periods.c.organization_id == organization_id, periods.c.id == period_id)
    row = await uow.fetch_one(statement.with_for_update(key_share=True) if lock else statement)
    return None if row is None else _from_row(row)


async def find_month(uow: db.UnitOfWork, *, organization_id: UUID, month: date) -> Period | None:
    """Return the period of a month, whose row is held until the transaction ends."""
    statement = select(periods).where(periods.c.organization_id == organization_id, periods.c.month == month)
    row = await uow.fetch_one(statement.with_for_update(key_share=True))
    return None if row is None else _from_row(row)


async def add_paid(
    uow: db.UnitOfWork, *, organization_id: UUID, months: Sequence[date], invoice_id: UUID, at: datetime
) -> tuple[date, ...]:
    """Note months, by their first days, as paid for by an invoice of the house; return by time those that were not noted before."""
    rows = [{"organization_id": organization_id, "month": month, "invoice_id": invoice_id, "created_at": at} for month in months]
    statement = postgresql.insert(paid_months).values(rows).on_conflict_do_nothing(index_elements=["organization_id", "month"])
    return tuple(sorted(row["month"] for row in await uow.fetch(statement.returning(paid_months.c.month))))


async def paid(uow: db.UnitOfWork, *, organization_id: UUID) -> frozenset[date]:
    """Return the first days of the months that invoices of the house paid for, begun or not."""
    statement = select(paid_months.c.month).where(paid_months.c.organization_id == organization_id)
    return frozenset(row["month"] for row in await uow.fetch(statement))


async def add_lines(uow: db.UnitOfWork, *, organization_id: UUID, period_id: UUID, made: Sequence[Line]) -> None:
    """Write the lines of a period."""
    rows = [
        {"organization_id": organization_id, "period_id": period_id, "number": number, **line.key._asdict(), **line.sums._asdict()}
        for number, line in enumerate(made)
    ]
    await uow.execute_many(insert(lines), rows)


async def lines_of(uow: db.UnitOfWork, *, organization_id: UUID, period_id: UUID) -> tuple[Line, ...]:
    """Return the lines of a period as they were frozen."""
    statement = select(lines).where(lines.c.organization_id == organization_id, lines.c.period_id == period_id).order_by(lines.c.number)
    return tuple(_line(row) for row in await uow.fetch(statement))


async def add_adjustments(uow: db.UnitOfWork, *, organization_id: UUID, booked_in: UUID, made: Sequence[tuple[UUID, Line]]) -> None:
    """Write what is booked in a period, each with the period that it is of."""
    rows = [
        {
            "organization_id": organization_id,
            "period_id": period_id,
            "booked_in": booked_in,
            "number": number,
            **line.key._asdict(),
            **line.sums._asdict(),
        }
        for number, (period_id, line) in enumerate(made)
    ]
    await uow.execute_many(insert(adjustments), rows)


async def booked(
    uow: db.UnitOfWork, *, organization_id: UUID, booked_in: UUID | None = None, period_id: UUID | None = None
) -> tuple[Booked, ...]:
    """Return what was booked in a period, or of one, by both."""
    statement = select(adjustments).where(adjustments.c.organization_id == organization_id)
    if booked_in is not None:
        statement = statement.where(adjustments.c.booked_in == booked_in)
    if period_id is not None:
        statement = statement.where(adjustments.c.period_id == period_id)
    found: dict[tuple[UUID, UUID], list[Line]] = {}
    for row in await uow.fetch(statement.order_by(adjustments.c.booked_in, adjustments.c.number)):
        found.setdefault((row["period_id"], row["booked_in"]), []).append(_line(row))
    return tuple(Booked(*key, tuple(some)) for key, some in found.items())


def _line(row: asyncpg.Record) -> Line:
    keys = len(LineKey._fields)
    values = [row[name] for name in _LINE]
    return Line(LineKey(*values[:keys]), LineSums(*values[keys:]))


async def salt(uow: db.UnitOfWork, *, organization_id: UUID) -> UUID | None:
    """Return where the secret of the organization's salts is in the vault; None: there is none yet."""
    found: UUID | None = await uow.fetch_value(select(salts.c.secret_id).where(salts.c.organization_id == organization_id))
    return found


async def add_salt(uow: db.UnitOfWork, *, organization_id: UUID, secret_id: UUID, at: datetime) -> bool:
    """Write where it is; False: another transaction has written one meanwhile."""
    statement = postgresql.insert(salts).values(organization_id=organization_id, secret_id=secret_id, created_at=at)
    return await uow.execute(statement.on_conflict_do_nothing(index_elements=["organization_id"])) == 1
