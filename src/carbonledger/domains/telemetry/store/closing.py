"""How far a ledger is closed, and making a cut. What arrives after a cut for a time before it is noted by the database itself.

**The cut is exact.** Whoever inserts or changes events holds a lock of their organization, shared with all others who do, from then until
the end of their transaction, and reads after that how far the ledger is closed (triggers ``note_late`` and ``note_late_change``). Who
makes a cut takes the lock alone. So a transaction that writes is either committed before the cut, and in what is summed, or finds the cut,
and is noted.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from carbonledger.domains.telemetry.types.closing import NEVER_CUT, Closing, CutBusy
from carbonledger.infra import db

# Shorter than the second after which PostgreSQL looks for circles of waiting: one that this wait closes ends by itself, and nobody fails.
_ALONE: Final = "SET LOCAL lock_timeout = '500ms'"
_LOCK: Final = "SELECT pg_advisory_xact_lock(telemetry_closing_lock())"
_FIND: Final = "SELECT cuts, closed_through FROM telemetry_closings WHERE organization_id = $1"
_CUT: Final = """
INSERT INTO telemetry_closings AS c (organization_id, closed_through, cuts, frozen_at) VALUES ($1, $2, 1, $3)
ON CONFLICT (organization_id) DO UPDATE SET closed_through = $2, cuts = c.cuts + 1, frozen_at = $3 RETURNING c.cuts
"""
_FIRST: Final = "SELECT min(e.occurred_at) FROM telemetry_events e WHERE e.organization_id = $1"
_FIRST_LATE: Final = "SELECT min(l.occurred_at) FROM telemetry_late_changes l WHERE l.organization_id = $1 AND l.cut = $2"
_RETRY_S: Final = 1


async def find(uow: db.UnitOfWork, *, organization_id: UUID) -> Closing:
    """Return how far the ledger is closed."""
    row = await uow.conn.fetchrow(_FIND, organization_id)
    return Closing(NEVER_CUT, None) if row is None else Closing(row["cuts"], row["closed_through"])


async def lock(uow: db.UnitOfWork) -> None:
    """Wait a moment until nobody writes events of the transaction's organization, and hold them back. Raises ``CutBusy``."""
    await uow.conn.execute(_ALONE)
    try:
        await uow.conn.execute(_LOCK)
    except asyncpg.LockNotAvailableError as error:
        raise CutBusy("Try again in a moment.", retry_after_s=_RETRY_S) from error


async def cut(uow: db.UnitOfWork, *, organization_id: UUID, closed_through: datetime, at: datetime) -> int:
    """Make the next cut and return its number. Only under ``lock``."""
    number: int = await uow.conn.fetchval(_CUT, organization_id, closed_through, at)
    return number


async def first_event_at(uow: db.UnitOfWork, *, organization_id: UUID) -> datetime | None:
    """Return the time of the earliest event; None: there is none."""
    found: datetime | None = await uow.conn.fetchval(_FIRST, organization_id)
    return found


async def first_late_at(uow: db.UnitOfWork, *, organization_id: UUID, cut: int) -> datetime | None:
    """Return the time of the earliest event that came or changed late after a cut and before the next; None: there is none."""
    found: datetime | None = await uow.conn.fetchval(_FIRST_LATE, organization_id, cut)
    return found
