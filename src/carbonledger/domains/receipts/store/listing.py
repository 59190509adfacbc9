"""Lists of receipts and sums of the inventory. What was signed is not read for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import Select, select
from sqlalchemy.dialects import postgresql

from carbonledger.domains.receipts.tables import periods as period_tables
from carbonledger.domains.receipts.tables import receipts as tables
from carbonledger.domains.receipts.types import credits as credit_types
from carbonledger.domains.receipts.types.listing import Listed, Stock
from carbonledger.domains.receipts.types.receipts import State
from carbonledger.infra import db

_receipts = tables.receipts
_periods = period_tables.periods
_STOCK: Final = """
SELECT b.registry = $1 AS is_sandbox, count(*) AS lots, sum(l.quantity_mg) AS quantity_mg, coalesce(sum(r.mg), 0) AS remaining_mg
FROM credit_lots l JOIN credit_blocks b ON b.id = l.block_id
LEFT JOIN (SELECT lot_id, sum(to_mg - from_mg) AS mg FROM credit_remainders GROUP BY lot_id) r ON r.lot_id = l.id
GROUP BY 1 ORDER BY 1
"""
_STANDING: Final = (State.DEFERRED.value, State.ISSUED.value)


def _asked(organization_id: UUID) -> Select[Any]:
    row = _receipts.c
    same = (_periods.c.organization_id == row.organization_id) & (_periods.c.id == row.period_id)
    columns = (row.id, row.period_id, row.state, row.serial, row.required_mg, row.issued_at, row.deferred_at, row.ended_at)
    return select(*columns, _periods.c.month).join_from(_receipts, _periods, same).where(row.organization_id == organization_id)


async def some(uow: db.UnitOfWork, *, organization_id: UUID, before: UUID | None, limit: int) -> Sequence[Listed]:
    """Return receipts, the newest first."""
    asked = _asked(organization_id)
    if before is not None:
        asked = asked.where(_receipts.c.id < before)
    return [_from_row(row) for row in await uow.fetch(asked.order_by(_receipts.c.id.desc()).limit(limit))]


async def of_periods(uow: db.UnitOfWork, *, organization_id: UUID, period_ids: Iterable[UUID]) -> Sequence[Listed]:
    """Return one receipt of each period that has any: that which is issued or waits for credits, else the last that was made."""
    row = _receipts.c
    stands = row.state.in_(_STANDING)
    asked = _asked(organization_id).where(row.period_id.in_(list(period_ids)))
    newest = asked.ext(postgresql.distinct_on(row.period_id)).order_by(row.period_id, stands.desc(), row.id.desc())
    return [_from_row(found) for found in await uow.fetch(newest)]


async def with_serial(uow: db.UnitOfWork, *, organization_id: UUID, words: str, limit: int) -> Sequence[Listed]:
    """Return the receipts whose serial holds these words, the newest first."""
    asked = _asked(organization_id).where(_receipts.c.serial.contains(words, autoescape=True))
    return [_from_row(row) for row in await uow.fetch(asked.order_by(_receipts.c.id.desc()).limit(limit))]


async def with_id(uow: db.UnitOfWork, *, organization_id: UUID, asked: UUID) -> Listed | None:
    """Return the receipt with this id."""
    row = await uow.fetch_one(_asked(organization_id).where(_receipts.c.id == asked))
    return None if row is None else _from_row(row)


async def stock(uow: db.UnitOfWork) -> Sequence[Stock]:
    """Return what the inventory comes to: of real lots, and of those for sandboxes; either only where there are any."""
    rows = await uow.conn.fetch(_STOCK, credit_types.SANDBOX_REGISTRY)
    return [
        Stock(is_sandbox=row["is_sandbox"], lots=row["lots"], quantity_mg=int(row["quantity_mg"]), remaining_mg=int(row["remaining_mg"]))
        for row in rows
    ]


def _from_row(row: asyncpg.Record) -> Listed:
    names = ("id", "period_id", "month", "serial", "required_mg", "issued_at", "deferred_at", "ended_at")
    return Listed(state=State(row["state"]), **{name: row[name] for name in names})
