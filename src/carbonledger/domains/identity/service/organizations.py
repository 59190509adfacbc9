"""Organizations: made by the house, the operator, a sign-up or an outside directory; read and changed by their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import fields
from carbonledger.domains.identity.store import announcements, organizations, tenancy
from carbonledger.infra import db, outbox
from carbonledger.kernel import ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor
from carbonledger.kernel.errors import Problem

TIME_ZONE = "UTC"
CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Draft:
    """An organization to be made. ``clock_start`` is for a sandbox; without one its clock stands at the moment it is made."""

    name: str
    external_id: str | None = None
    tier: types.Tier = types.Tier.FREE
    time_zone: str = TIME_ZONE
    currency: str = CURRENCY
    is_house: bool = False
    is_sandbox: bool = False
    clock_start: datetime | None = None


async def create(uow: db.UnitOfWork, *, actor: Actor, at: datetime, draft: Draft) -> types.Organization:
    """Make an organization, also from a transaction that serves another one. Raises ``Invalid``, ``ExternalIdTaken``.

    Its trail begins with it; the trail of the organization that made it says so too.
    """
    organization = _checked(draft, at=at)
    async with tenancy.inside(uow, organization_id=organization.id):
        if not await organizations.add(uow, organization):
            raise types.ExternalIdTaken
        await _emit_created(uow, actor, organization)
    if uow.organization_id not in {None, organization.id}:
        await _emit_created(uow, actor, organization, now=at)
    return organization


async def _emit_created(uow: db.UnitOfWork, actor: Actor, organization: types.Organization, *, now: datetime | None = None) -> None:
    after = {"tier": organization.tier.value, "is_sandbox": organization.is_sandbox, "external_id": organization.external_id}
    await outbox.emit(
        uow,
        actor=actor,
        now=now or organization.business_now(organization.created_at),
        action="organization.created",
        target_type="organization",
        target_id=organization.id,
        after=after,
    )


def _checked(draft: Draft, *, at: datetime) -> types.Organization:
    problems: list[Problem] = []
    name = fields.text(problems, "/name", draft.name, max_chars=fields.NAME_MAX_CHARS)
    external_id = draft.external_id
    if external_id is not None:
        external_id = fields.text(problems, "/external_id", external_id, max_chars=fields.EXTERNAL_ID_MAX_CHARS)
    if draft.clock_start is not None and not draft.is_sandbox:
        problems.append(Problem("/clock_start", "sandbox_only", "Only a sandbox organization has a clock of its own."))
    organization = types.Organization(
        id=ids.new_id(at),
        name=name,
        external_id=external_id,
        tier=draft.tier,
        time_zone=fields.time_zone(problems, "/time_zone", draft.time_zone),
        currency=fields.currency_code(problems, "/currency", draft.currency),
        is_house=draft.is_house,
        is_sandbox=draft.is_sandbox,
        clock_at=(draft.clock_start or at) if draft.is_sandbox else None,
        clock_target=None,
        created_at=at,
        updated_at=at,
    )
    fields.refuse(problems)
    return organization


async def find(uow: db.UnitOfWork, *, organization_id: UUID) -> types.Organization:
    """Return an organization. Raises ``OrganizationUnknown``."""
    organization = await organizations.find(uow, organization_id=organization_id)
    if organization is None:
        raise types.OrganizationUnknown
    return organization


async def business_now(uow: db.UnitOfWork, *, organization_id: UUID, at: datetime) -> datetime:
    """Return an organization's business time at the real instant ``at``: its own clock in a sandbox."""
    return (await find(uow, organization_id=organization_id)).business_now(at)


async def change(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    name: str | None = None,
    time_zone: str | None = None,
    currency: str | None = None,
) -> types.Organization:
    """Change what is given of an organization's own settings. Raises ``Invalid``, ``OrganizationUnknown``."""
    problems: list[Problem] = []
    values: dict[str, object] = {}
    if name is not None:
        values["name"] = fields.text(problems, "/name", name, max_chars=fields.NAME_MAX_CHARS)
    if time_zone is not None:
        values["time_zone"] = fields.time_zone(problems, "/time_zone", time_zone)
    if currency is not None:
        values["currency"] = fields.currency_code(problems, "/currency", currency)
    fields.refuse(problems)
    return await _change(uow, actor=actor, now=now, at=at, organization_id=organization_id, values=values)


async def set_tier(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, tier: types.Tier
) -> types.Organization:
    """Put an organization on another tier: for the domain that sells plans, and for operators. Raises ``OrganizationUnknown``."""
    return await _change(uow, actor=actor, now=now, at=at, organization_id=organization_id, values={"tier": tier.value})


async def _change(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, values: Mapping[str, object]
) -> types.Organization:
    before = await organizations.find(uow, organization_id=organization_id, lock=True)
    if before is None:
        raise types.OrganizationUnknown
    old = {"name": before.name, "time_zone": before.time_zone, "currency": before.currency, "tier": before.tier.value}
    changed = {key: value for key, value in values.items() if old[key] != value}
    if not changed:
        return before
    after = await organizations.change(uow, organization_id=organization_id, now=at, values=changed)
    if after is None:
        raise types.OrganizationUnknown
    await announcements.announce(uow, organization_id=organization_id)
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action="organization.changed",
        target_type="organization",
        target_id=organization_id,
        before={key: old[key] for key in changed},
        after=changed,
    )
    return after


async def page(uow: db.UnitOfWork, *, request: pages.PageRequest) -> pages.Page[types.Organization]:
    """Return all organizations of the installation to an operator, whose transaction runs as ``carbonledger_maintenance``."""
    rows = await organizations.every(uow, before=pages.before_id(request), limit=request.limit + 1)
    return pages.cut(rows, limit=request.limit, key=lambda organization: (str(organization.id),))
