"""Which usage that came directly a connection stands for: marked when it has read its past, and turned back where it told nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.connections import service, types
from carbonledger.domains.telemetry.service import authority
from carbonledger.entrypoints.worker import runner
from carbonledger.infra import db, queue

_AT_MOST: Final = 1_000  # events of one transaction
_NOBODY: Final = UUID(int=0)  # before every id
_Place = tuple[datetime, UUID]


async def mark_past(work: runner.StepsJob, connection: types.Connection) -> None:
    """Make what came directly before a connection was there duplicates of what it has read, in its first poll.

    Called when all tokens are read to their end: until then they count where they came first. Raises ``ConnectionChanged``.
    """
    if not connection.covers_direct or connection.last_polled_at is not None:
        return
    after: _Place | None = (connection.reads_from, _NOBODY)
    while after is not None:
        async with work.transaction() as uow:
            await service.unchanged(uow, organization_id=work.organization_id, connection=connection)
            after = await _mark(uow, connection, organization_id=work.organization_id, until=None, after=after)


async def _mark(
    uow: db.UnitOfWork, connection: types.Connection, *, organization_id: UUID, until: datetime | None, after: _Place
) -> _Place | None:
    return await authority.mark_past(
        uow,
        organization_id=organization_id,
        provider=connection.provider,
        since=connection.reads_from,
        until=until,
        after=after,
        at_most=_AT_MOST,
    )


@queue.steps(service.UNCOVER_JOB)
async def uncover(work: runner.StepsJob) -> dict[str, int]:
    """Let what a deleted connection covered and never told count again, in transactions of some events each.

    First what it did tell becomes what its first poll would have made of it, if that never came so far: it stays told.
    """
    batches, after = 0, None
    async with work.transaction() as uow:
        view = await service.show(uow, organization_id=work.organization_id, connection_id=UUID(work.args["connection_id"]))
        connection = view.connection
        connector = work.services.connectors[connection.provider]
        told_to = await service.told_up_to(uow, organization_id=work.organization_id, connector=connector, connection=connection)
    marked: _Place | None = (connection.reads_from, _NOBODY) if connection.last_polled_at is None else None
    while marked is not None:
        async with work.transaction() as uow:
            marked = await _mark(uow, connection, organization_id=work.organization_id, until=told_to, after=marked)
    while True:
        async with work.transaction() as uow:
            after = await _count_again(uow, connection, connector, organization_id=work.organization_id, after=after)
        if after is None:
            return {"batches": batches}
        batches += 1


async def _count_again(
    uow: db.UnitOfWork, connection: types.Connection, connector: types.Connector, *, organization_id: UUID, after: _Place | None
) -> _Place | None:
    """Turn the next events back and return the last; None if there are none. Asks each time which time is free: others may cover it now."""
    for starts_at, ends_at in await service.uncovered(uow, organization_id=organization_id, connector=connector, connection=connection):
        begin = (starts_at, _NOBODY)
        last = await authority.count_again(
            uow,
            organization_id=organization_id,
            provider=connection.provider,
            since=starts_at,
            until=ends_at,
            after=begin if after is None else max(after, begin),
            at_most=_AT_MOST,
        )
        if last is not None:
            return last
    return None
