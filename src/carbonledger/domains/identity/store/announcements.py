"""Word to every process that something which callers carry has changed, sent with the commit of the change."""

from __future__ import annotations

from uuid import UUID

from carbonledger.infra import db

CHANNEL = "carbonledger_identity"


async def announce(uow: db.UnitOfWork, *, organization_id: UUID) -> None:
    """Tell all listeners, once the transaction is committed, to forget what they remember of this organization."""
    await uow.conn.execute("SELECT pg_notify($1, $2)", CHANNEL, str(organization_id))
