"""Opens the secret of an organization's salts, before a transaction that makes leaves, their proofs, or its name in receipts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from carbonledger.domains.identity.service import organizations
from carbonledger.domains.receipts.service import proving
from carbonledger.domains.vault import types as vault_types
from carbonledger.infra import crypto, db
from carbonledger.kernel.actor import Actor


async def opened(
    database: db.Database,
    *,
    actor: Actor,
    at: datetime,
    organization_id: UUID,
    sealer: crypto.Sealer,
    outside: vault_types.SecretStore | None,
) -> proving.Salt:
    """Return the secret; made at first need. ``at`` is the real time. Raises ``OrganizationUnknown``, ``SecretUnreadable``."""
    async with database.transaction(organization_id) as uow:
        located = await proving.salt(
            uow,
            actor=actor,
            now=await organizations.business_now(uow, organization_id=organization_id, at=at),
            at=at,
            sealer=sealer,
            organization_id=organization_id,
            outside=outside is not None,
        )
    return await proving.opened(located, sealer=sealer, outside=outside)
