"""Every SQL statement of receipts."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import Select, and_, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from carbonledger.domains.receipts.tables import periods as period_tables
from carbonledger.domains.receipts.tables import receipts as tables
from carbonledger.domains.receipts.types.receipts import Public, Receipt, Revocation, Signed, State
from carbonledger.infra import db
from carbonledger_proof import canonical, serials, statement

_receipts = tables.receipts
_periods = period_tables.periods
_PUBLIC: Final = ("serial", "state", "payload", "signature", "log_index", "revocation", "ended_at", "bundle", "superseded_by")


async def count_one(uow: db.UnitOfWork, *, month: date, seed: bytes) -> tuple[bytes, int]:
    """Take the next number of a month's serials, from 0 on, and return it with the month's seed; ``seed`` is for the first of a month.

    The row is held until the transaction ends, so numbers that are rolled back are given again. ``serials.PER_MONTH``: there is none left.
    """
    await uow.execute(upsert(tables.receipt_counters).values(month=month, seed=seed, issued=0).on_conflict_do_nothing())
    row = await uow.fetch_one(
        select(tables.receipt_counters.c.seed, tables.receipt_counters.c.issued)
        .where(tables.receipt_counters.c.month == month)
        .with_for_update()
    )
    if row is None:
        raise RuntimeError("a counter that was just made is gone")
    if row["issued"] < serials.PER_MONTH:
        await uow.execute(update(tables.receipt_counters).where(tables.receipt_counters.c.month == month).values(issued=row["issued"] + 1))
    return row["seed"], row["issued"]


async def add(uow: db.UnitOfWork, *, organization_id: UUID, receipt: Receipt) -> None:
    """Keep a receipt that is new."""
    await uow.execute(insert(_receipts).values(organization_id=organization_id, **_row(receipt)))


async def put(uow: db.UnitOfWork, *, organization_id: UUID, receipt: Receipt) -> None:
    """Keep what became of a receipt."""
    statement = update(_receipts).where(_receipts.c.organization_id == organization_id, _receipts.c.id == receipt.id)
    await uow.execute(statement.values(**_row(receipt)))


def _asked(organization_id: UUID) -> Select[Any]:
    """Return the question for receipts of an organization, each with its month."""
    theirs = and_(_periods.c.organization_id == _receipts.c.organization_id, _periods.c.id == _receipts.c.period_id)
    return select(_receipts, _periods.c.month).join_from(_receipts, _periods, theirs).where(_receipts.c.organization_id == organization_id)


async def find(uow: db.UnitOfWork, *, organization_id: UUID, receipt_id: UUID, lock: bool = False) -> Receipt | None:
    """Return a receipt; locked, it stays so until the transaction ends."""
    asked = _asked(organization_id).where(_receipts.c.id == receipt_id)
    row = await uow.fetch_one(asked.with_for_update(of=_receipts) if lock else asked)
    return None if row is None else _from_row(row)


async def newest(uow: db.UnitOfWork, *, organization_id: UUID, period_id: UUID) -> Receipt | None:
    """Return the receipt of a period that stands or waits for credits, or else the last that was made, locked."""
    stands = _receipts.c.state.in_([State.DEFERRED.value, State.ISSUED.value])
    row = await uow.fetch_one(
        _asked(organization_id)
        .where(_receipts.c.period_id == period_id)
        .order_by(stands.desc(), _receipts.c.id.desc())
        .limit(1)
        .with_for_update(of=_receipts)
    )
    return None if row is None else _from_row(row)


async def some(uow: db.UnitOfWork, *, organization_id: UUID, before: UUID | None, limit: int) -> list[Receipt]:
    """Return receipts, the newest first."""
    asked = _asked(organization_id)
    if before is not None:
        asked = asked.where(_receipts.c.id < before)
    return [_from_row(row) for row in await uow.fetch(asked.order_by(_receipts.c.id.desc()).limit(limit))]


async def of_period(uow: db.UnitOfWork, *, organization_id: UUID, period_id: UUID) -> list[Receipt]:
    """Return every receipt of a period in the order in which they were made, those that wait and those that ended too."""
    return [
        _from_row(row)
        for row in await uow.fetch(_asked(organization_id).where(_receipts.c.period_id == period_id).order_by(_receipts.c.id))
    ]


async def serials_of(uow: db.UnitOfWork, *, organization_id: UUID) -> dict[UUID, str]:
    """Return the serial of each period's receipt that stands."""
    rows = await uow.fetch(
        select(_receipts.c.period_id, _receipts.c.serial).where(
            _receipts.c.organization_id == organization_id, _receipts.c.state == State.ISSUED.value
        )
    )
    return {row["period_id"]: row["serial"] for row in rows}


async def unproven(uow: db.UnitOfWork, *, organization_id: UUID, signed_size: int) -> list[Receipt]:
    """Return what is among the first ``signed_size`` leaves of the log and has no bundle yet, locked."""
    rows = await uow.fetch(
        _asked(organization_id)
        .where(_receipts.c.log_index < signed_size, _receipts.c.bundle.is_(None))
        .order_by(_receipts.c.id)
        .with_for_update(of=_receipts)
    )
    return [_from_row(row) for row in rows]


async def by_serial(uow: db.UnitOfWork, *, serial: str) -> Public | None:
    """Return what everybody may see of a receipt, whoever's it is."""
    found = func.receipt_by_serial(serial).table_valued(*_PUBLIC).render_derived()
    row = await uow.fetch_one(select(found))  # house: allow tenant-query - a serial is everybody's; the function tells no organization
    if row is None:
        return None
    return Public(
        state=State(row["state"]),
        signed=_signed(row),
        superseded_by=row["superseded_by"],
        revocation=None if row["revocation"] is None else Revocation(row["revocation"]),
        ended_at=row["ended_at"],
        bundle=row["bundle"],
    )


async def owner(uow: db.UnitOfWork, *, serial: str) -> tuple[UUID, UUID] | None:
    """Return organization and id of a receipt, whoever's it is; for the role that sees every organization."""
    row = await uow.fetch_one(select(_receipts.c.organization_id, _receipts.c.id).where(_receipts.c.serial == serial))
    return None if row is None else (row["organization_id"], row["id"])


async def deferred(uow: db.UnitOfWork) -> list[tuple[UUID, UUID]]:
    """Return organization and period of every receipt that waits for credits, whoever's it is, the oldest first."""
    rows = await uow.fetch(select(func.deferred_receipts().table_valued("organization_id", "period_id").render_derived()))
    return [(row["organization_id"], row["period_id"]) for row in rows]


def _row(receipt: Receipt) -> dict[str, object]:
    signed = receipt.signed
    return {
        "id": receipt.id,
        "period_id": receipt.period_id,
        "state": receipt.state.value,
        "required_mg": receipt.required_mg,
        "serial": None if signed is None else signed.serial,
        "payload": None if signed is None else canonical.write(signed.receipt.to_json()),
        "digest": None if signed is None else signed.digest,
        "signature": None if signed is None else signed.signature,
        "kid": None if signed is None else signed.receipt.kid,
        "log_index": None if signed is None else signed.log_index,
        "issued_at": None if signed is None else signed.receipt.issued_at,
        "supersedes": receipt.supersedes,
        "superseded_by": receipt.superseded_by,
        "revocation": None if receipt.revocation is None else receipt.revocation.value,
        "deferred_at": receipt.deferred_at,
        "ended_at": receipt.ended_at,
        "bundle": receipt.bundle,
        "document": receipt.document,
        "created_at": receipt.created_at,
        "updated_at": receipt.updated_at,
    }


def _signed(row: asyncpg.Record) -> Signed:
    made = statement.from_json(canonical.read(row["payload"]))
    return Signed(receipt=made, signature=row["signature"], digest=bytes.fromhex(made.sha256), log_index=row["log_index"])


def _from_row(row: asyncpg.Record) -> Receipt:
    return Receipt(
        id=row["id"],
        period_id=row["period_id"],
        month=row["month"],
        state=State(row["state"]),
        required_mg=row["required_mg"],
        signed=None if row["payload"] is None else _signed(row),
        supersedes=row["supersedes"],
        superseded_by=row["superseded_by"],
        revocation=None if row["revocation"] is None else Revocation(row["revocation"]),
        deferred_at=row["deferred_at"],
        ended_at=row["ended_at"],
        bundle=row["bundle"],
        document=row["document"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
