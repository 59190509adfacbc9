"""Clerk's messages: an organization that is made there is made here, on the free tier, with Clerk's id as its external id."""

from __future__ import annotations

from datetime import datetime

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import organizations
from carbonledger.domains.identity.store import tallies
from carbonledger.infra import db
from carbonledger.kernel.actor import Actor


async def take(uow: db.UnitOfWork, *, at: datetime, message_id: str) -> bool:
    """Write down that a message is being done, in the transaction that does it; False if it was done before."""
    return await tallies.take_message(uow, message_id=message_id, at=at)


async def organization_created(uow: db.UnitOfWork, *, actor: Actor, at: datetime, external_id: str, name: str) -> types.Organization | None:
    """Make the organization; None if there is one of this external id already, as after a message under another id."""
    try:
        return await organizations.create(uow, actor=actor, at=at, draft=organizations.Draft(name=name, external_id=external_id))
    except types.ExternalIdTaken:
        return None
