"""What is billable of subscriptions, by account, and the note of how far they are billed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.subscriptions.store import subscriptions
from carbonledger.domains.subscriptions.types import Subscription
from carbonledger.infra import db

# Each question that a run asks batch after batch is a text of its own for "all" and for "these": one text for both, with "$3 IS NULL OR",
# is planned once for any parameters, and then looks at everything that is due of the organization for each batch of it.
_ALL: Final = "billable_at <= $2"
_THESE: Final = f"{_ALL} AND account_id = ANY ($3::uuid[])"
# Held in the order of ids, so that two runs wait for each other and don't lock each other out. The claim tells those that were held from
# others of the same accounts that were committed between the two statements of a bill run. What was held is an array, since by a join the
# planner may look at every subscription for the few hundred of a batch.
_CLAIM: Final = """
WITH held AS (SELECT id FROM subscriptions WHERE organization_id = $1 AND <of> ORDER BY id FOR NO KEY UPDATE)
UPDATE subscriptions s SET claimed_until = $2 WHERE s.organization_id = $1 AND s.id = ANY (ARRAY(SELECT id FROM held)) RETURNING s.*
"""
_CLAIM_ALL, _CLAIM_THESE = (_CLAIM.replace("<of>", of) for of in (_ALL, _THESE))
# An account is billed as a whole: where another transaction holds one of its subscriptions, or has billed it, the account is left out.
_HOLD: Final = f"""
WITH held AS MATERIALIZED (SELECT id FROM subscriptions WHERE organization_id = $1 AND {_THESE} ORDER BY id FOR NO KEY UPDATE <wait>)
SELECT s.account_id FROM subscriptions s LEFT JOIN held h ON h.id = s.id
WHERE s.organization_id = $1 AND s.billable_at <= $2 AND s.account_id = ANY ($3::uuid[])
GROUP BY s.account_id HAVING bool_and(h.id IS NOT NULL) ORDER BY s.account_id
"""
_HOLDS: Final = {True: _HOLD.replace("<wait>", ""), False: _HOLD.replace("<wait>", "SKIP LOCKED")}
_BILLED: Final = """
UPDATE subscriptions SET billed_until = $2, billed_facts = facts, billable_at = next_due_at, claimed_until = NULL
WHERE organization_id = $1 AND <of> AND claimed_until = $2
"""
_BILLED_ALL, _BILLED_THESE = (_BILLED.replace("<of>", of) for of in (_ALL, _THESE))
_SETTLED: Final = """
UPDATE subscriptions SET billed_until = $2, billed_facts = facts, billable_at = next_due_at, claimed_until = NULL
WHERE organization_id = $1 AND id = ANY ($3::uuid[])
"""
_NEXT: Final = "SELECT min(billable_at) FROM subscriptions WHERE organization_id = $1 AND billable_at <= $2"
_AWAITING: Final = """
SELECT id FROM subscriptions
WHERE organization_id = $1 AND id = ANY ($2) AND status IN ('incomplete', 'past_due') ORDER BY id
"""
_ACCOUNTS: Final = """
SELECT DISTINCT account_id FROM subscriptions
WHERE organization_id = $1 AND billable_at <= $2 <after> ORDER BY account_id LIMIT $3
"""
_ACCOUNTS_FIRST, _ACCOUNTS_AFTER = (_ACCOUNTS.replace("<after>", after) for after in ("", "AND account_id > $4"))


async def hold(uow: db.UnitOfWork, *, organization_id: UUID, account_ids: Sequence[UUID], until: datetime, wait: bool) -> tuple[UUID, ...]:
    """Hold what may be billable by ``until`` of accounts, and return those of which all of it is held; ``wait`` for who holds it now."""
    rows = await uow.conn.fetch(_HOLDS[wait], organization_id, until, account_ids, timeout=db.PATIENCE_S)
    return tuple(row["account_id"] for row in rows)


async def claim(
    uow: db.UnitOfWork, *, organization_id: UUID, account_ids: Sequence[UUID] | None, until: datetime
) -> tuple[Subscription, ...]:
    """Return subscriptions of which something may be billable by ``until``, by id, held and claimed for this run."""
    if account_ids is None:
        rows = await uow.conn.fetch(_CLAIM_ALL, organization_id, until)
    else:
        rows = await uow.conn.fetch(_CLAIM_THESE, organization_id, until, account_ids)
    return await subscriptions.whole(uow, sorted(rows, key=lambda row: row["id"]), organization_id=organization_id)


async def billed(uow: db.UnitOfWork, *, organization_id: UUID, account_ids: Sequence[UUID] | None, until: datetime) -> None:
    """Note that everything billable by ``until`` is billed of what was claimed; it is next billable when it is next due."""
    if account_ids is None:
        await uow.conn.execute(_BILLED_ALL, organization_id, until)
    else:
        await uow.conn.execute(_BILLED_THESE, organization_id, until, account_ids)


async def settled(uow: db.UnitOfWork, *, organization_id: UUID, subscription_ids: Sequence[UUID], until: datetime) -> None:
    """Note the same of these subscriptions, which the transaction holds."""
    await uow.conn.execute(_SETTLED, organization_id, until, subscription_ids)


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
    if after is None:
        rows = await uow.conn.fetch(_ACCOUNTS_FIRST, organization_id, until, limit)
    else:
        rows = await uow.conn.fetch(_ACCOUNTS_AFTER, organization_id, until, limit, after)
    return tuple(row["account_id"] for row in rows)
