"""The jobs of a sandbox organization, as the mover of its clock needs to see them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from carbonledger.infra import db

_IS_LIVE = "SELECT EXISTS (SELECT FROM jobs WHERE organization_id = $1 AND name = $2 AND state IN ('queued', 'running'))"
# A job that waits for a later moment (its retry, say) does not hold the clock: what it waits for is real time.
_UNDER_WAY = """
SELECT count(*) FROM jobs j JOIN pgqueuer q ON q.dedupe_key = j.id::text
WHERE j.organization_id = $1 AND j.id <> $2 AND j.state IN ('queued', 'running') AND (q.status = 'picked' OR q.execute_after <= $3)
"""


async def is_live(uow: db.UnitOfWork, *, organization_id: UUID, job: str) -> bool:
    """Say whether a job of this name is queued or running."""
    live: bool = await uow.conn.fetchval(_IS_LIVE, organization_id, job)
    return live


async def under_way(uow: db.UnitOfWork, *, organization_id: UUID, but: UUID, at: datetime) -> int:
    """Return how many jobs run or are due at the real instant ``at``, not counting one."""
    return int(await uow.conn.fetchval(_UNDER_WAY, organization_id, but, at))
