"""Opens all that a receipt is issued, superseded or revoked with, and then the transaction in which that is done."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from carbonledger import bootstrap
from carbonledger.domains.identity.service import organizations
from carbonledger.domains.receipts.service import issuing
from carbonledger.entrypoints.shared import salting, signing
from carbonledger.infra import db
from carbonledger.kernel.actor import Actor


@contextlib.asynccontextmanager
async def taken(
    services: bootstrap.Services, *, actor: Actor, at: datetime, organization_id: UUID
) -> AsyncIterator[tuple[db.UnitOfWork, issuing.Turn]]:
    """Open a transaction of the organization, with the turn for it. ``at`` is the real time.

    Raises ``OrganizationUnknown``, ``SecretUnreadable`` and what ``signing.ready`` raises.
    """
    await signing.ready(services, at=at)
    salt = await salting.ready(services, actor=actor, at=at, organization_id=organization_id)
    async with services.database.transaction(organization_id) as uow:
        now = await organizations.business_now(uow, organization_id=organization_id, at=at)
        yield uow, issuing.Turn(actor=actor, now=now, at=at, organization_id=organization_id, salt=salt.secret)
