"""Rows of subscriptions: found, held, and written with what their facts say now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import Select, insert, select

from carbonledger.domains.subscriptions import tables
from carbonledger.domains.subscriptions.store import facts
from carbonledger.domains.subscriptions.types import Kept, Status, Subscription
from carbonledger.infra import db

subscriptions = tables.subscriptions


async def whole(uow: db.UnitOfWork, rows: Sequence[asyncpg.Record], *, organization_id: UUID) -> tuple[Subscription, ...]:
    """Return the subscriptions of these rows, in their order, with their facts."""
    known = await facts.of(uow, organization_id=organization_id, subscription_ids=[row["id"] for row in rows]) if rows else {}
    return tuple(
        Subscription(
            id=row["id"],
            account_id=row["account_id"],
            external_id=row["external_id"],
            name=row["name"],
            currency=row["currency"],
            metadata=row["metadata"],
            facts=known[row["id"]],
            status=Status(row["status"]),
            advanced_until=row["advanced_until"],
            next_due_at=row["next_due_at"],
            billable_at=row["billable_at"],
            billed_until=row["billed_until"],
            billed_facts=row["billed_facts"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )
        for row in rows
    )


def _to_row(organization_id: UUID, subscription: Subscription, plan_id: UUID) -> dict[str, Any]:
    return {
        "organization_id": organization_id,
        "id": subscription.id,
        "account_id": subscription.account_id,
        "external_id": subscription.external_id,
        "name": subscription.name,
        "currency": subscription.currency,
        "metadata": dict(subscription.metadata),
        "plan_id": plan_id,
        "status": subscription.status.value,
        "advanced_until": subscription.advanced_until,
        "next_due_at": subscription.next_due_at,
        "billable_at": subscription.billable_at,
        "billed_until": subscription.billed_until,
        "billed_facts": subscription.billed_facts,
        "facts": len(subscription.facts),
        "created_at": subscription.created_at,
        "updated_at": subscription.updated_at,
    }


async def add(uow: db.UnitOfWork, *, organization_id: UUID, subscription: Subscription, plan_id: UUID) -> None:
    """Insert a subscription and its facts. Raises ``asyncpg.UniqueViolationError`` for an external id that is taken."""
    await uow.execute(insert(subscriptions).values(_to_row(organization_id, subscription, plan_id)))
    await facts.add(uow, organization_id=organization_id, recorded=[(subscription.id, fact) for fact in subscription.facts])


def _select(organization_id: UUID) -> Select[Any]:
    return select(subscriptions).where(subscriptions.c.organization_id == organization_id)


async def find(uow: db.UnitOfWork, *, organization_id: UUID, subscription_id: UUID, lock: bool = False) -> Subscription | None:
    """Return a subscription. ``lock``: nobody else adds to it, or bills it, until the transaction ends."""
    statement = _select(organization_id).where(subscriptions.c.id == subscription_id)
    rows = await uow.fetch(statement.with_for_update(key_share=True) if lock else statement)
    found = await whole(uow, rows, organization_id=organization_id)
    return found[0] if found else None


async def some(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    account_id: UUID | None,
    plan_id: UUID | None,
    status: Status | None,
    external_id: str | None,
    before: UUID | None,
    limit: int,
) -> tuple[Subscription, ...]:
    """Return subscriptions, newest first, at most ``limit``, made before the one named."""
    statement = _select(organization_id)
    for column, value in (
        (subscriptions.c.account_id, account_id),
        (subscriptions.c.plan_id, plan_id),
        (subscriptions.c.status, None if status is None else status.value),
        (subscriptions.c.external_id, external_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if before is not None:
        statement = statement.where(subscriptions.c.id < before)
    rows = await uow.fetch(statement.order_by(subscriptions.c.id.desc()).limit(limit))
    return await whole(uow, rows, organization_id=organization_id)


async def on_plan(uow: db.UnitOfWork, *, organization_id: UUID, plan_id: UUID, after: UUID | None, limit: int) -> tuple[Subscription, ...]:
    """Return up to ``limit`` subscriptions of a plan that are not over, by id from the one after ``after``, held."""
    statement = _select(organization_id).where(subscriptions.c.plan_id == plan_id, subscriptions.c.status.not_in(("canceled", "ended")))
    if after is not None:
        statement = statement.where(subscriptions.c.id > after)
    rows = await uow.fetch(statement.order_by(subscriptions.c.id).limit(limit).with_for_update(key_share=True))
    return await whole(uow, rows, organization_id=organization_id)


async def of_account(uow: db.UnitOfWork, *, organization_id: UUID, account_id: UUID) -> tuple[Subscription, ...]:
    """Return the subscriptions of an account that are not over, held."""
    statement = _select(organization_id).where(
        subscriptions.c.account_id == account_id, subscriptions.c.status.not_in(("canceled", "ended"))
    )
    rows = await uow.fetch(statement.order_by(subscriptions.c.id).with_for_update(key_share=True))
    return await whole(uow, rows, organization_id=organization_id)


_WRITE: Final = """
UPDATE subscriptions s SET plan_id = w.plan_id, status = w.status, advanced_until = w.advanced_until, next_due_at = w.next_due_at,
    billable_at = w.billable_at, facts = w.facts, updated_at = w.updated_at
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[], $8::integer[], $9::timestamptz[])
    AS w (id, plan_id, status, advanced_until, next_due_at, billable_at, facts, updated_at)
WHERE s.organization_id = $1 AND s.id = w.id
"""


async def write(uow: db.UnitOfWork, *, organization_id: UUID, written: Sequence[tuple[Subscription, UUID]]) -> None:
    """Write what the facts of subscriptions say, each with its plan; the transaction holds their rows."""
    columns: tuple[list[Any], ...] = tuple([] for _ in range(8))
    for one, plan_id in written:
        row = (
            one.id,
            plan_id,
            one.status.value,
            one.advanced_until,
            one.next_due_at,
            one.billable_at,
            len(one.facts),
            one.updated_at,
        )
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    await uow.conn.execute(_WRITE, organization_id, *columns)


_DUE: Final = """
SELECT * FROM subscriptions WHERE organization_id = $1 AND next_due_at <= $2 ORDER BY id LIMIT $3 FOR NO KEY UPDATE
"""
_NEXT_DUE: Final = "SELECT min(next_due_at) FROM subscriptions WHERE organization_id = $1 AND next_due_at <= $2"


async def due(uow: db.UnitOfWork, *, organization_id: UUID, until: datetime, limit: int) -> tuple[Subscription, ...]:
    """Return up to ``limit`` subscriptions of which something is due by ``until``, by id, held."""
    return await whole(uow, await uow.conn.fetch(_DUE, organization_id, until, limit), organization_id=organization_id)


async def next_due_at(uow: db.UnitOfWork, *, organization_id: UUID, until: datetime) -> datetime | None:
    """Return when the next thing is due, at or before ``until``."""
    found: datetime | None = await uow.conn.fetchval(_NEXT_DUE, organization_id, until)
    return found


async def kept(uow: db.UnitOfWork, *, organization_id: UUID, after: UUID | None, limit: int) -> list[Kept]:
    """Return up to ``limit`` subscriptions as they are kept, by id from the one after ``after``."""
    statement = _select(organization_id)
    if after is not None:
        statement = statement.where(subscriptions.c.id > after)
    rows = await uow.fetch(statement.order_by(subscriptions.c.id).limit(limit))
    found = await whole(uow, rows, organization_id=organization_id)
    return [Kept(one, row["plan_id"], row["facts"]) for one, row in zip(found, rows, strict=True)]


_LIVE: Final = """
SELECT a.id, count(s.id)::integer AS live FROM unnest($2::uuid[]) AS a (id)
LEFT JOIN subscriptions s ON s.organization_id = $1 AND s.account_id = a.id AND s.status NOT IN ('canceled', 'ended') GROUP BY a.id
"""


async def live(uow: db.UnitOfWork, *, organization_id: UUID, account_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how many subscriptions of each account are not over."""
    return {row["id"]: row["live"] for row in await uow.conn.fetch(_LIVE, organization_id, account_ids)}
