"""Lots, what is left of them, and what was given to receipts. Whoever changes any of it has taken the head of the log before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import delete, func, insert, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql

from carbonledger.domains.receipts.tables import credits as tables
from carbonledger.domains.receipts.types import credits as types
from carbonledger.domains.receipts.types.credits import Allocation, AllocationState, Block, Credit, Interval, Lot, Remainder
from carbonledger.infra import db

_PLAIN: Final = (
    *("quantity_mg", "project_id", "project_name", "standard", "vintage", "retired_on", "retirement_reference", "retirement_url"),
    *("beneficiary", "reason", "corresponding_adjustment", "evidence_sha256"),
)
_CREDIT: Final = (
    *(tables.lots.c[name] for name in (*_PLAIN, "kind", "block", "block_start", "block_end")),
    tables.blocks.c.registry,
    tables.blocks.c.prefix,
)
_ROWS: Final = 500  # in one statement, which takes at most 32,767 arguments
_MEETING: Final = """
SELECT DISTINCT l.*, b.registry, b.prefix
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS asked (registry, prefix, first_unit, last_unit)
JOIN credit_blocks b ON b.registry = asked.registry AND b.prefix = asked.prefix
JOIN credit_lots l ON l.block_id = b.id AND l.block_start <= asked.last_unit AND asked.first_unit <= l.block_end
"""
_NEXT: Final = """
SELECT * FROM (
    SELECT r.lot_id, l.number, l.vintage, l.retired_on, r.from_mg, r.to_mg,
        sum(r.to_mg - r.from_mg) OVER (ORDER BY l.vintage, l.retired_on, l.number, r.from_mg) AS upto
    FROM credit_remainders r JOIN credit_lots l ON l.id = r.lot_id JOIN credit_blocks b ON b.id = l.block_id
    WHERE (b.registry = $3) = $2
) AS ordered
WHERE upto - (to_mg - from_mg) < $1
ORDER BY upto
"""
_IMBALANCES: Final = """
SELECT l.id, l.quantity_mg, coalesce(r.milligrams, 0)::bigint AS remaining_mg, coalesce(a.milligrams, 0)::bigint AS allocated_mg
FROM credit_lots l
LEFT JOIN (SELECT lot_id, sum(to_mg - from_mg) AS milligrams FROM credit_remainders GROUP BY lot_id) r ON r.lot_id = l.id
LEFT JOIN allocated_credits() a ON a.lot_id = l.id
WHERE coalesce(r.milligrams, 0) + coalesce(a.milligrams, 0) <> l.quantity_mg
ORDER BY l.number
"""


def _credit_from_row(row: asyncpg.Record) -> Credit:
    return Credit(
        block=Block(row["registry"], row["prefix"], row["block"], row["block_start"], row["block_end"]),
        kind=types.CreditKind(row["kind"]),
        **{name: row[name] for name in _PLAIN},
    )


def _credit_to_row(credit: Credit) -> dict[str, Any]:
    return {
        **{name: getattr(credit, name) for name in _PLAIN},
        "kind": credit.kind.value,
        "block": credit.block.text,
        "block_start": credit.block.start,
        "block_end": credit.block.end,
    }


# --- lots


async def meeting(uow: db.UnitOfWork, *, blocks: Sequence[Block]) -> tuple[Credit, ...]:
    """Return the lots that share a unit with any of the blocks, each once."""
    names = [block.registry for block in blocks], [block.prefix for block in blocks]
    rows = await uow.conn.fetch(_MEETING, *names, [block.start for block in blocks], [block.end for block in blocks])
    return tuple(_credit_from_row(row) for row in rows)


async def add_lots(uow: db.UnitOfWork, *, lots: Sequence[tuple[UUID, Credit]], at: datetime) -> tuple[Lot, ...]:
    """Add lots, each with all of it left, and return them in their order. Raises ``asyncpg.ExclusionViolationError`` for shared units."""
    block_ids = await _block_ids(uow, {(credit.block.registry, credit.block.prefix) for _, credit in lots})
    rows = [
        {
            "id": lot_id,
            "block_id": block_ids[credit.block.registry, credit.block.prefix],
            "imported_at": at,
            **_credit_to_row(credit),
        }
        for lot_id, credit in lots
    ]
    numbers: dict[UUID, int] = {}
    for start in range(0, len(rows), _ROWS):
        statement = insert(tables.lots).values(rows[start : start + _ROWS]).returning(tables.lots.c.id, tables.lots.c.number)
        numbers |= {row["id"]: row["number"] for row in await uow.fetch(statement)}
    added = tuple(Lot(lot_id, numbers[lot_id], credit, credit.quantity_mg, at) for lot_id, credit in lots)
    await _add_remainders(uow, [(lot.id, lot.number, lot.credit.quantity_mg, Interval(0, lot.remaining_mg)) for lot in added])
    return added


async def _block_ids(uow: db.UnitOfWork, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    asked, found = sorted(keys), dict[tuple[str, str], int]()
    columns = tables.blocks.c
    for start in range(0, len(asked), _ROWS):
        part = asked[start : start + _ROWS]
        rows = [{"registry": registry, "prefix": prefix} for registry, prefix in part]
        await uow.execute(postgresql.insert(tables.blocks).values(rows).on_conflict_do_nothing())
        known = select(tables.blocks).where(tuple_(columns.registry, columns.prefix).in_(part))
        found |= {(row["registry"], row["prefix"]): row["id"] for row in await uow.fetch(known)}
    return found


async def some_lots(uow: db.UnitOfWork, *, before: UUID | None, limit: int) -> tuple[Lot, ...]:
    """Return lots, the last imported first, at most ``limit``, from before the one named."""
    left = (
        select(func.coalesce(func.sum(tables.remainders.c.to_mg - tables.remainders.c.from_mg), 0))
        .where(tables.remainders.c.lot_id == tables.lots.c.id)
        .correlate(tables.lots)
        .scalar_subquery()
    )
    statement = select(tables.lots.c.id, tables.lots.c.number, tables.lots.c.imported_at, left.label("remaining_mg"), *_CREDIT).join(
        tables.blocks
    )
    if before is not None:
        statement = statement.where(tables.lots.c.id < before)
    rows = await uow.fetch(statement.order_by(tables.lots.c.id.desc()).limit(limit))
    return tuple(Lot(row["id"], row["number"], _credit_from_row(row), int(row["remaining_mg"]), row["imported_at"]) for row in rows)


# --- what is left


async def next_remainders(uow: db.UnitOfWork, *, milligrams: int, is_sandbox: bool) -> tuple[Remainder, ...]:
    """Return the remainders that are used next, as many as hold ``milligrams`` together, or all that there are.

    Those of the registry of sandboxes are for sandbox organizations, and no other is.
    """
    rows = await uow.conn.fetch(_NEXT, milligrams, is_sandbox, types.SANDBOX_REGISTRY)
    return tuple(
        Remainder(row["lot_id"], row["number"], row["vintage"], row["retired_on"], Interval(row["from_mg"], row["to_mg"])) for row in rows
    )


async def touching(uow: db.UnitOfWork, *, lot_id: UUID, parts: Sequence[Interval]) -> tuple[Interval, ...]:
    """Return the remainders of a lot that end where one of the parts begins, or begin where one ends."""
    begins, ends = [part.from_mg for part in parts], [part.to_mg for part in parts]
    statement = select(tables.remainders.c.from_mg, tables.remainders.c.to_mg).where(
        tables.remainders.c.lot_id == lot_id,
        or_(tables.remainders.c.to_mg.in_(begins), tables.remainders.c.from_mg.in_(ends)),
    )
    return tuple(Interval(row["from_mg"], row["to_mg"]) for row in await uow.fetch(statement))


async def replace_remainders(uow: db.UnitOfWork, *, lot_id: UUID, old: Sequence[Interval], new: Sequence[Interval]) -> None:
    """Put other remainders of a lot in the place of some."""
    gone = [one.from_mg for one in old]
    await uow.execute(delete(tables.remainders).where(tables.remainders.c.lot_id == lot_id, tables.remainders.c.from_mg.in_(gone)))
    row = await uow.fetch_one(select(tables.lots.c.number, tables.lots.c.quantity_mg).where(tables.lots.c.id == lot_id))
    if row is None:
        raise RuntimeError(f"there is no lot {lot_id}")
    await _add_remainders(uow, [(lot_id, row["number"], row["quantity_mg"], one) for one in new])


async def _add_remainders(uow: db.UnitOfWork, found: Sequence[tuple[UUID, int, int, Interval]]) -> None:
    rows = [
        {"lot_id": lot_id, "lot_number": number, "quantity_mg": quantity_mg, "from_mg": one.from_mg, "to_mg": one.to_mg}
        for lot_id, number, quantity_mg, one in found
    ]
    await uow.execute_many(insert(tables.remainders), rows)


async def imbalances(uow: db.UnitOfWork) -> tuple[types.Imbalance, ...]:
    """Return the lots of which remainders and allocations of all organizations do not add up to the quantity."""
    return tuple(types.Imbalance(*row.values()) for row in await uow.conn.fetch(_IMBALANCES))


# --- what was given


async def of_receipt(uow: db.UnitOfWork, *, organization_id: UUID, receipt_id: UUID, state: AllocationState) -> tuple[Allocation, ...]:
    """Return what a receipt was given, in the order in which it was."""
    given = tables.allocations.c
    statement = (
        select(given.id, given.receipt_id, given.serial, given.lot_id, given.from_mg, given.to_mg, given.state, given.made_at)
        .add_columns(given.released_at, *_CREDIT)
        .join_from(tables.allocations, tables.lots, tables.lots.c.id == tables.allocations.c.lot_id)
        .join(tables.blocks)
        .where(given.organization_id == organization_id, given.receipt_id == receipt_id, given.state == state.value)
        .order_by(given.id)
    )
    return tuple(
        Allocation(
            credit=_credit_from_row(row),
            interval=Interval(row["from_mg"], row["to_mg"]),
            state=AllocationState(row["state"]),
            **{name: row[name] for name in ("id", "receipt_id", "serial", "lot_id", "made_at", "released_at")},
        )
        for row in await uow.fetch(statement)
    )


async def give(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    receipt_id: UUID,
    serial: str,
    shares: Sequence[tuple[UUID, types.Share]],
    at: datetime,
) -> None:
    """Write what a receipt is given, under these ids. Raises ``asyncpg.ExclusionViolationError`` for what is given already."""
    statement = select(tables.lots.c.id, tables.lots.c.number, tables.lots.c.quantity_mg).where(
        tables.lots.c.id.in_([share.lot_id for _, share in shares])
    )
    known = {row["id"]: row for row in await uow.fetch(statement)}
    rows = [
        {
            "organization_id": organization_id,
            "id": allocation_id,
            "receipt_id": receipt_id,
            "serial": serial,
            "lot_id": share.lot_id,
            "lot_number": known[share.lot_id]["number"],
            "quantity_mg": known[share.lot_id]["quantity_mg"],
            "from_mg": share.interval.from_mg,
            "to_mg": share.interval.to_mg,
            "state": AllocationState.MADE.value,
            "made_at": at,
            "released_at": None,
        }
        for allocation_id, share in shares
    ]
    await uow.execute_many(insert(tables.allocations), rows)


async def release(uow: db.UnitOfWork, *, organization_id: UUID, receipt_id: UUID, at: datetime) -> None:
    """Write that what a receipt was given is released."""
    given = tables.allocations.c
    statement = update(tables.allocations).where(
        given.organization_id == organization_id, given.receipt_id == receipt_id, given.state == AllocationState.MADE.value
    )
    await uow.execute(statement.values(state=AllocationState.RELEASED.value, released_at=at))
