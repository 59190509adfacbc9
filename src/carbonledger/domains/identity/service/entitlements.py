"""What an organization's plan allows: quotas and features, kept here for every domain to ask, written by the domain that sells plans.

A key is declared where it is used, as ``types.Quota("agents", default=3)`` or ``types.Feature("receipts", default=False)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.store import organizations
from carbonledger.infra import db, outbox
from carbonledger.kernel.actor import Actor


async def quota(uow: db.UnitOfWork, *, organization_id: UUID, key: types.Quota) -> int | None:
    """Return how much of ``key`` the plan allows; None: as much as you like."""
    found = await organizations.entitlement(uow, organization_id=organization_id, name=key.name)
    return key.default if found is None else found.quota


async def has(uow: db.UnitOfWork, *, organization_id: UUID, key: types.Feature) -> bool:
    """Say whether the plan includes ``key``."""
    found = await organizations.entitlement(uow, organization_id=organization_id, name=key.name)
    if found is not None and found.enabled is not None:
        return found.enabled
    if key.default or not key.is_paid_for:
        return key.default
    organization = await organizations.find(uow, organization_id=organization_id)
    return organization is not None and organization.tier is not types.Tier.FREE


async def require(uow: db.UnitOfWork, *, organization_id: UUID, key: types.Feature, upgrade_url: str) -> None:
    """Raise ``UpgradeRequired`` unless the plan includes ``key``."""
    if not await has(uow, organization_id=organization_id, key=key):
        raise types.UpgradeRequired(f"The plan does not include {key.name}.", extra={"upgrade_url": upgrade_url})


async def require_room(uow: db.UnitOfWork, *, organization_id: UUID, key: types.Quota, used: int) -> None:
    """Raise ``QuotaReached`` unless one more fits beside the ``used`` ones."""
    allowed = await quota(uow, organization_id=organization_id, key=key)
    if allowed is not None and used >= allowed:
        raise types.QuotaReached(f"The plan allows {allowed} {key.name}.")


async def every(uow: db.UnitOfWork, *, organization_id: UUID) -> tuple[types.Entitlement, ...]:
    """Return everything that was written for the organization, by name."""
    return await organizations.all_entitlements(uow, organization_id=organization_id)


async def grant(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    quotas: Mapping[types.Quota, int | None],
    features: Mapping[types.Feature, bool],
) -> None:
    """Write what a plan allows under each key; other keys stay as they are. Raises ``ValueError`` for a negative quota."""
    written = [types.Entitlement(name=key.name, quota=value, enabled=None) for key, value in quotas.items()]
    written += [types.Entitlement(name=key.name, quota=None, enabled=value) for key, value in features.items()]
    if any(entitlement.quota is not None and entitlement.quota < 0 for entitlement in written):
        raise ValueError("a quota is not negative")
    for entitlement in sorted(written, key=lambda found: found.name):
        await organizations.put_entitlement(uow, organization_id=organization_id, now=at, entitlement=entitlement)
    after = {
        "quotas": {key.name: value for key, value in quotas.items()},
        "features": {key.name: value for key, value in features.items()},
    }
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action="entitlements.granted",
        target_type="organization",
        target_id=organization_id,
        after=after,
    )
