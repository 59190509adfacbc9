"""Every SQL statement of audit packs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import Select, and_, func, insert, select, update

from carbonledger.domains.receipts.tables import packs as tables
from carbonledger.domains.receipts.tables import periods as period_tables
from carbonledger.domains.receipts.types.packs import Contents, Listed, Pack, State, StoredFile
from carbonledger.infra import db

_packs = tables.audit_packs
_periods = period_tables.periods
_STANDING: Final = """
SELECT p.id AS period_id, p.month, p.zone, p.closed_at, p.root, r.receipts, m.basis AS newest, o.id IS NOT NULL AS is_ordered
FROM periods p
LEFT JOIN LATERAL (
    SELECT array_agg(concat(r.id, ' ', r.state) ORDER BY r.id) AS receipts FROM receipts r
    WHERE r.organization_id = $1 AND r.period_id = p.id
) r ON true
LEFT JOIN LATERAL (
    SELECT a.basis FROM audit_packs a
    WHERE a.organization_id = $1 AND a.period_id = p.id AND a.state = 'made' ORDER BY a.number DESC LIMIT 1
) m ON true
LEFT JOIN audit_packs o ON o.organization_id = $1 AND o.period_id = p.id AND o.state = 'ordered'
WHERE p.organization_id = $1 AND p.state = 'closed' AND (p.events + p.leaves > 0 OR r.receipts IS NOT NULL) ORDER BY p.starts_at
"""


def _asked(organization_id: UUID) -> Select[Any]:
    """Return the question for packs of an organization, each with its month."""
    theirs = and_(_periods.c.organization_id == _packs.c.organization_id, _periods.c.id == _packs.c.period_id)
    return select(_packs, _periods.c.month).join_from(_packs, _periods, theirs).where(_packs.c.organization_id == organization_id)


async def add(uow: db.UnitOfWork, *, organization_id: UUID, pack: Pack) -> None:
    """Keep a pack that is ordered."""
    row = {"id": pack.id, "period_id": pack.period_id, "number": pack.number, "state": pack.state.value, "ordered_at": pack.ordered_at}
    await uow.execute(insert(_packs).values(organization_id=organization_id, **row))


async def made(uow: db.UnitOfWork, *, organization_id: UUID, pack_id: UUID, contents: Contents, at: datetime) -> None:
    """Keep what a pack that was ordered is."""
    values = {
        "state": State.MADE.value,
        "made_at": at,
        "files": [file.to_json() for file in contents.files],
        "size_bytes": contents.size,
        "sha256": contents.sha256,
        "basis": contents.basis,
        "checkpoint_size": contents.checkpoint_size,
    }
    await uow.execute(update(_packs).where(_packs.c.organization_id == organization_id, _packs.c.id == pack_id).values(values))


async def find(uow: db.UnitOfWork, *, organization_id: UUID, pack_id: UUID, lock: bool = False) -> Pack | None:
    """Return a pack; locked, it stays so until the transaction ends."""
    asked = _asked(organization_id).where(_packs.c.id == pack_id)
    row = await uow.fetch_one(asked.with_for_update(of=_packs) if lock else asked)
    return None if row is None else _from_row(row)


async def of_month(
    uow: db.UnitOfWork, *, organization_id: UUID, month: date, number: int | None = None, state: State | None = None
) -> Pack | None:
    """Return the pack of a month with a number, or the newest; of a state, if one is given."""
    asked = _asked(organization_id).where(_periods.c.month == month)
    if number is not None:
        asked = asked.where(_packs.c.number == number)
    if state is not None:
        asked = asked.where(_packs.c.state == state.value)
    row = await uow.fetch_one(asked.order_by(_packs.c.number.desc()).limit(1))
    return None if row is None else _from_row(row)


async def before(uow: db.UnitOfWork, *, organization_id: UUID, month: date) -> int | None:
    """Return the size of the checkpoint in the newest pack of the latest earlier month that has one; None: there is none."""
    statement = _asked(organization_id).where(_periods.c.month < month, _packs.c.state == State.MADE.value)
    row = await uow.fetch_one(statement.order_by(_periods.c.month.desc(), _packs.c.number.desc()).limit(1))
    return None if row is None else row["checkpoint_size"]


async def some(uow: db.UnitOfWork, *, organization_id: UUID, before_id: UUID | None, limit: int) -> Sequence[Listed]:
    """Return packs, the last ordered first."""
    row = _packs.c
    theirs = and_(_periods.c.organization_id == row.organization_id, _periods.c.id == row.period_id)
    asked = (
        select(row.id, row.number, row.state, row.ordered_at, row.made_at, row.size_bytes, row.sha256, _periods.c.month)
        .add_columns(func.jsonb_array_length(row.files).label("count"))
        .join_from(_packs, _periods, theirs)
        .where(row.organization_id == organization_id)
    )
    if before_id is not None:
        asked = asked.where(row.id < before_id)
    return [
        Listed(
            id=found["id"],
            month=found["month"],
            number=found["number"],
            state=State(found["state"]),
            ordered_at=found["ordered_at"],
            made_at=found["made_at"],
            size=found["size_bytes"],
            sha256=found["sha256"],
            files=found["count"],
        )
        for found in await uow.fetch(asked.order_by(row.id.desc()).limit(limit))
    ]


async def standings(uow: db.UnitOfWork, *, organization_id: UUID) -> list[Mapping[str, Any]]:
    """Return each closed month that has anything in it: period, month, zone, when it was closed, its root, its receipts in words with their
    states, the basis of the newest pack that was made, and whether one is ordered.
    """
    return [dict(row) for row in await uow.conn.fetch(_STANDING, organization_id)]


def _from_row(row: asyncpg.Record) -> Pack:
    contents = None
    if row["files"] is not None:
        contents = Contents(
            files=tuple(StoredFile.from_json(file) for file in row["files"]),
            size=row["size_bytes"],
            sha256=row["sha256"],
            basis=row["basis"],
            checkpoint_size=row["checkpoint_size"],
        )
    names = ("id", "period_id", "month", "number", "ordered_at", "made_at")
    return Pack(state=State(row["state"]), contents=contents, **{name: row[name] for name in names})
