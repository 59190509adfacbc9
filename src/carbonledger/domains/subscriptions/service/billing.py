"""What the bill run asks of subscriptions: what is due and not billed yet, when the next of it comes, and the note that it is billed.

How a bill run uses it, all in one transaction: ``due`` (which holds the subscriptions until the transaction ends, so that nobody
changes one of them meanwhile and two bill runs take turns), write the lines, ``billed`` with the same arguments. Where it dies in between,
nothing is written, and the next run gets the same charges with the same causes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from carbonledger.domains.subscriptions.types import DueCharge
from carbonledger.infra import db


async def due(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    account_ids: Sequence[UUID] | None = None,
    until: datetime,
) -> Mapping[UUID, tuple[DueCharge, ...]]:
    """Return, by account, the charges that are billable by ``until`` (inside) and not billed yet, by the time at which they became so.

    ``account_ids`` None: of every account of the organization. An account of which nothing is due is left out. A charge and the credit of
    all of it, both not billed, are left out too: together they are nothing. The subscriptions are held until the transaction ends.
    """
    raise NotImplementedError


async def billed(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    account_ids: Sequence[UUID] | None = None,
    until: datetime,
) -> None:
    """Note that what ``due`` returned for the same arguments in this transaction is billed, so that it is never returned again."""
    raise NotImplementedError


async def accounts_due(uow: db.UnitOfWork, *, organization_id: UUID, until: datetime, after: UUID | None, limit: int) -> tuple[UUID, ...]:
    """Return up to ``limit`` accounts with something billable by ``until``, by id, from the one after ``after``: a bill run's batches."""
    raise NotImplementedError


async def next_billable_at(uow: db.UnitOfWork, *, organization_id: UUID, until: datetime) -> datetime | None:
    """Return when the next charge becomes billable, at or before ``until``; None if none does. What waits already counts with its time."""
    raise NotImplementedError
