"""The house: the operator's own organization, made at the first start with its first owner and key.

Safe to run at every start and by several at once: one takes its turn after the other and finds what is there.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import fields
from carbonledger.domains.identity.service import api_keys, callers, links, organizations
from carbonledger.domains.identity.store import api_keys as key_store
from carbonledger.domains.identity.store import locks, lookups, members, people, tenancy
from carbonledger.infra import crypto, db, outbox
from carbonledger.kernel import ids
from carbonledger.kernel.actor import Actor, Role
from carbonledger.kernel.errors import Problem

OWNER_EMAIL = "owner@localhost"
"""The first owner's address where the operator gives none."""

_NAME = "House"
_KEY_LABEL = "First key"


async def find(uow: db.UnitOfWork) -> UUID | None:
    """Return the house, or None before the first start; from a transaction without organization, too."""
    return await lookups.house_organization(uow)


async def ensure(
    uow: db.UnitOfWork,
    *,
    at: datetime,
    email: str | None = None,
    password_hash: str | None = None,
    api_key: str | None = None,
) -> types.House:
    """Make what is missing of the house, its first owner and its first key; ``api_key`` has passed the settings' check.

    As long as the first owner has no password, a new one-time sign-in link is returned each time. Raises ``Invalid``.
    """
    await locks.take_house(uow)
    house_id = await lookups.house_organization(uow)
    was_made = house_id is None
    if house_id is None:
        draft = organizations.Draft(name=_NAME, tier=types.Tier.ENTERPRISE, is_house=True)
        house_id = (await organizations.create(uow, actor=callers.operator_actor(None), at=at, draft=draft)).id
    actor = callers.operator_actor(house_id)
    async with tenancy.inside(uow, organization_id=house_id):
        owner_id = await _first_owner(uow, actor, at=at, house_id=house_id, email=email or OWNER_EMAIL, password_hash=password_hash)
        if api_key is not None:
            await _keep_key(uow, actor, at=at, house_id=house_id, api_key=api_key)
        token = None
        await tenancy.enter_user(uow, user_id=owner_id)
        if await people.password_hash(uow, user_id=owner_id) is None:
            token = await links.make(uow, at=at, user_id=owner_id, purpose=types.LinkPurpose.SIGN_IN)
    return types.House(organization_id=house_id, owner_id=owner_id, was_made=was_made, sign_in_token=token)


async def _first_owner(uow: db.UnitOfWork, actor: Actor, *, at: datetime, house_id: UUID, email: str, password_hash: str | None) -> UUID:
    owners = await members.owners(uow, organization_id=house_id)
    if owners:
        return owners[0]
    problems: list[Problem] = []
    address = fields.email(problems, "/email", email)
    fields.refuse(problems)
    # The operator vouches for the address, so it needs no confirmation.
    owner = types.User(id=ids.new_id(at), email=address, name=None, locale=None, verified_at=at, created_at=at, erased_at=None)
    if await people.add_user(uow, owner):
        user_id = owner.id
        if password_hash is not None:
            await people.put_password(uow, user_id=user_id, password_hash=password_hash, at=at)
    else:
        known = await lookups.user_by_email(uow, email=address)
        if known is None:
            raise types.UserUnknown
        user_id = known
    await members.add(uow, organization_id=house_id, user_id=user_id, role=Role.OWNER, at=at)
    after = {"role": Role.OWNER.value}
    await outbox.emit(uow, actor=actor, now=at, action="member.added", target_type="member", target_id=user_id, after=after)
    return user_id


async def _keep_key(uow: db.UnitOfWork, actor: Actor, *, at: datetime, house_id: UUID, api_key: str) -> None:
    # A key that was revoked stays revoked, though the setting still names it.
    if not await key_store.is_kept(uow, organization_id=house_id, token_hash=crypto.digest(api_key)):
        await api_keys.keep(
            uow,
            actor=actor,
            now=at,
            at=at,
            organization_id=house_id,
            label=_KEY_LABEL,
            granted=(types.EVERY_SCOPE,),
            secret=api_key,
        )
