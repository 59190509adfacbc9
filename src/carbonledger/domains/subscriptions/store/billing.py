"""What is billable of subscriptions, by account, and the note of how far they are billed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.subscriptions.store import subscriptions
from carbonledger.domains.subscriptions.types import Subscription
from carbonledger.infra import db

_OF: Final = "organization_id = $1 AND billable_at <= $2 AND ($3::uuid[] IS NULL OR account_id = ANY ($3::uuid[]))"
_BILLABLE: Final = f"SELECT * FROM subscriptions WHERE {_OF} ORDER BY id FOR NO KEY UPDATE"
_BILLED: Final = f"""
UPDATE subscriptions SET billed_until = $2, billed_facts = facts, billable_at = next_due_at WHERE {_OF}
"""
_NEXT: Final = "SELECT min(billable_at) FROM subscriptions WHERE organization_id = $1 AND billable_at <= $2"
_AWAITING: Final = """
SELECT id FROM subscriptions
WHERE organization_id = $1 AND id = ANY ($2) AND status IN ('incomplete', 'past_due') ORDER BY id
"""
_ACCOUNTS: Final = """
SELECT DISTINCT account_id FROM subscriptions
WHERE organization_id = $1 AND billable_at <= $2 AND ($3::uuid IS NULL OR account_id > $3) ORDER BY account_id LIMIT $4
"""


async def billable(
    uow: db.UnitOfWork, *, organization_id: UUID, account_ids: Sequence[UUID] | None, until: datetime
) -> tuple[Subscription, ...]:
    """Return subscriptions of which something may be billable by ``until``, by id, held."""
    rows = await uow.conn.fetch(_BILLABLE, organization_id, until, account_ids)
    return await subscriptions.whole(uow, rows, organization_id=organization_id)


async def billed(uow: db.UnitOfWork, *, organization_id: UUID, account_ids: Sequence[UUID] | None, until: datetime) -> None:
    """Note that everything billable by ``until`` is billed; what was advanced to then is next billable when it is next due."""
    await uow.conn.execute(_BILLED, organization_id, until, account_ids)


async def next_billable_at(uow: db.UnitOfWork, *, organization_id: UUID, until: datetime) -> datetime | None:
    """Return when the next thing is billable, at or before ``until``."""
    found: datetime | None = await uow.conn.fetchval(_NEXT, organization_id, until)
    return found


async def awaiting_payment(uow: db.UnitOfWork, *, organization_id: UUID, subscription_ids: Sequence[UUID]) -> tuple[UUID, ...]:
    """Return those of the subscriptions that wait for a payment, by id."""
    rows = await uow.conn.fetch(_AWAITING, organization_id, list(subscription_ids))
    return tuple(row["id"] for row in rows)


async def accounts(uow: db.UnitOfWork, *, organization_id: UUID, until: datetime, after: UUID | None, limit: int) -> tuple[UUID, ...]:
    """Return accounts of which something may be billable by ``until``, by id from the one after ``after``."""
    rows = await uow.conn.fetch(_ACCOUNTS, organization_id, until, after, limit)
    return tuple(row["account_id"] for row in rows)
