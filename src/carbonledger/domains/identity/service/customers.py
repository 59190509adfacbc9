"""An organization that the house or the operator opens for somebody, with a way in: a first key, an invitation of a first owner."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import api_keys, invitations, organizations
from carbonledger.domains.identity.store import tenancy
from carbonledger.infra import db
from carbonledger.kernel.actor import Actor, Role


@dataclass(frozen=True, slots=True)
class FirstKey:
    """The key that a new organization begins with."""

    label: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """What was made; key and invitation hold their secret this once."""

    organization: types.Organization
    key: types.NewApiKey | None
    invitation: types.NewInvitation | None


async def open_organization(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    at: datetime,
    draft: organizations.Draft,
    first_key: FirstKey | None = None,
    owner_email: str | None = None,
    by_mail: bool = False,
) -> Opened:
    """Make an organization and what is asked for to get into it, all or nothing. Raises ``Invalid``, ``ExternalIdTaken``."""
    organization = await organizations.create(uow, actor=actor, at=at, draft=draft)
    now = organization.business_now(at)
    # Whoever opens an organization is its owner until it has one.
    opener = replace(actor, organization_id=organization.id, role=Role.OWNER, scopes=types.SCOPE_NAMES)
    key = invitation = None
    async with tenancy.inside(uow, organization_id=organization.id):
        if first_key is not None:
            key = await api_keys.create(
                uow,
                actor=opener,
                now=now,
                at=at,
                organization_id=organization.id,
                label=first_key.label,
                granted=first_key.scopes,
            )
        if owner_email is not None:
            invitation = await invitations.invite(
                uow, actor=opener, now=now, at=at, organization_id=organization.id, email=owner_email, role=Role.OWNER, by_mail=by_mail
            )
    return Opened(organization=organization, key=key, invitation=invitation)
