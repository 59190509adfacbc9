"""Opens the secret of an organization's salts, before a transaction that makes leaves, their proofs, or its name in receipts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from carbonledger import bootstrap
from carbonledger.domains.receipts.service import proving
from carbonledger.kernel.actor import Actor


async def ready(services: bootstrap.Services, *, actor: Actor, at: datetime, organization_id: UUID) -> proving.Salt:
    """Return the secret; made at first need. Raises ``SecretUnreadable``."""
    async with services.database.transaction(organization_id) as uow:
        located = await proving.salt(
            uow,
            actor=actor,
            now=at,
            at=at,
            sealer=services.sealer,
            organization_id=organization_id,
            outside=services.outside_secrets is not None,
        )
    return await proving.opened(located, sealer=services.sealer, outside=services.outside_secrets)
