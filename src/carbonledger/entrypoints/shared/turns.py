"""Opens all that a receipt is issued, superseded or revoked with, and then the transaction in which that is done."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carbonledger import bootstrap
from carbonledger.domains.identity.service import organizations
from carbonledger.domains.receipts.service import issuing
from carbonledger.domains.vault import types as vault_types
from carbonledger.entrypoints.shared import salting, signing
from carbonledger.infra import crypto, db
from carbonledger.kernel.actor import Actor


@dataclass(frozen=True, slots=True)
class Means:
    """What it takes: the database, what opens secrets, and the address that names the log. ``outside``: the outside store of secrets."""

    database: db.Database
    sealer: crypto.Sealer
    outside: vault_types.SecretStore | None
    address: str


def of(services: bootstrap.Services) -> Means:
    """Return the means of a running process."""
    return Means(services.database, services.sealer, services.outside_secrets, services.settings.address)


@contextlib.asynccontextmanager
async def taken(means: Means, *, actor: Actor, at: datetime, organization_id: UUID) -> AsyncIterator[tuple[db.UnitOfWork, issuing.Turn]]:
    """Open a transaction of the organization, with the turn for it. ``at`` is the real time.

    Raises ``OrganizationUnknown``, ``SecretUnreadable`` and what ``signing.open_current`` raises.
    """
    await signing.open_current(means.database, at=at, sealer=means.sealer, outside=means.outside, address=means.address)
    salt = await salting.opened(
        means.database, actor=actor, at=at, organization_id=organization_id, sealer=means.sealer, outside=means.outside
    )
    async with means.database.transaction(organization_id) as uow:
        now = await organizations.business_now(uow, organization_id=organization_id, at=at)
        yield uow, issuing.Turn(actor=actor, now=now, at=at, organization_id=organization_id, salt=salt.secret)
