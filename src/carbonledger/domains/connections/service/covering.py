"""What a connection covered, once it is deleted: where it told nothing, what came directly counts again."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.connections.core import covering
from carbonledger.domains.connections.core.covering import Stretch
from carbonledger.domains.connections.store import connections
from carbonledger.domains.connections.types import Connection, Connector, State
from carbonledger.infra import db, queue
from carbonledger.kernel.actor import Actor

UNCOVER_JOB: Final = "connections.uncover"


async def ask_uncovering(uow: db.UnitOfWork, *, actor: Actor, now: datetime, connection: Connection) -> None:
    """Ask for what a connection covered and did not tell to count again, if it covered anything."""
    if connection.covers_direct:
        args = {"connection_id": str(connection.id)}
        await queue.enqueue(uow, name=UNCOVER_JOB, args=args, now=now, actor=actor, dedupe_key=f"connection:{connection.id}")


async def told_up_to(uow: db.UnitOfWork, *, organization_id: UUID, connector: Connector, connection: Connection) -> datetime:
    """Return up to when a deleted connection has told all tokens."""
    states = await connections.stream_states(uow, organization_id=organization_id, connection_ids=[connection.id])
    by_name = {state.stream: state for state in states.get(connection.id, ())}
    return covering.told_up_to(connector.streams, by_name, since=connection.reads_from)


async def uncovered(uow: db.UnitOfWork, *, organization_id: UUID, connector: Connector, connection: Connection) -> list[Stretch]:
    """Return the time that a deleted connection covered and in which no connection that covers its provider told, or will tell."""
    others = await connections.covering(uow, organization_id=organization_id, provider=connection.provider)
    told = []
    for one in others:
        is_over = one.state is State.DELETED
        end = await told_up_to(uow, organization_id=organization_id, connector=connector, connection=one) if is_over else None
        told.append(Stretch(one.reads_from, end))
    return covering.gaps(connection.reads_from, told)
