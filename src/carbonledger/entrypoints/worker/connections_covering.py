"""Which usage that came directly a connection stands for: marked when it has read its past."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from carbonledger.domains.connections import service, types
from carbonledger.domains.telemetry.service import authority
from carbonledger.entrypoints.worker import runner

_AT_MOST: Final = 1_000  # events of one transaction


async def mark_past(work: runner.StepsJob, connection: types.Connection) -> None:
    """Make what came directly before a connection was there duplicates of what it has read, in its first poll.

    Called when all tokens are read to their end: until then they count where they came first. Raises ``ConnectionChanged``.
    """
    if not connection.covers_direct or connection.last_polled_at is not None:
        return
    after = (connection.reads_from, UUID(int=0))
    while True:
        async with work.transaction() as uow:
            await service.unchanged(uow, organization_id=work.organization_id, connection=connection)
            last = await authority.mark_past(
                uow,
                organization_id=work.organization_id,
                provider=connection.provider,
                since=connection.reads_from,
                after=after,
                at_most=_AT_MOST,
            )
        if last is None:
            return
        after = last
