"""The last look at every connection before a month is frozen: polls are asked for, and what could not be read to its end is named."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.connections import types
from carbonledger.domains.connections.service import polling
from carbonledger.domains.connections.store import connections
from carbonledger.infra import db
from carbonledger.kernel.actor import Actor

_PAGE: Final = 200


async def ask_all(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID) -> int:
    """Ask for a poll of every connection that is polled, and return of how many."""
    asked = 0
    for connection in await _every(uow, organization_id):
        if connection.state in types.POLLED:
            await polling.ask(uow, actor=actor, now=now, connection=connection)
            asked += 1
    return asked


async def is_any_running(uow: db.UnitOfWork, *, organization_id: UUID) -> bool:
    """Say whether a poll of the organization is queued or runs."""
    found = await _every(uow, organization_id)
    return bool(await polling.running(uow, of=found))


async def unread(uow: db.UnitOfWork, *, organization_id: UUID, through: datetime) -> tuple[types.Unread, ...]:
    """Return the connections that were not read to their end through an instant: what they would say of the time before is missing."""
    found = await _every(uow, organization_id)
    streams = await connections.stream_states(uow, organization_id=organization_id, connection_ids=[one.id for one in found])
    missing = []
    for connection in found:
        reached = [state.read_to for state in streams.get(connection.id, ()) if state.is_read]
        known = [end for end in reached if end is not None]
        read_to = min(known) if known and len(known) == len(reached) else None
        if read_to is None or read_to < through:
            code = None if connection.last_error is None else connection.last_error.code
            missing.append(types.Unread(connection.id, connection.provider, read_to, code))
    return tuple(missing)


async def _every(uow: db.UnitOfWork, organization_id: UUID) -> list[types.Connection]:
    found: list[types.Connection] = []
    before: UUID | None = None
    while True:
        some = await connections.some(uow, organization_id=organization_id, provider=None, before=before, limit=_PAGE)
        found += some
        if len(some) < _PAGE:
            return found
        before = some[-1].id
