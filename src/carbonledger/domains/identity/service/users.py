"""Users: people who can sign in. They sign up, confirm their address, set and change their password, change what is kept of them.

What is answered never tells whether an address is a user's: ``sign_up`` and ``ask_link`` say nothing to their caller, and write to the
address instead. Events of a person stand in the trail of the first organization they joined.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import fields, lockout, password_policy
from carbonledger.domains.identity.service import attempts, links, organizations
from carbonledger.domains.identity.service import members as member_service
from carbonledger.domains.identity.store import lookups, people, tallies, tenancy
from carbonledger.infra import db, outbox, queue
from carbonledger.kernel import ids
from carbonledger.kernel.actor import Actor, ActorKind, Role
from carbonledger.kernel.errors import Problem

LINK_JOB = "identity.mail_link"
EXISTS_JOB = "identity.mail_user_exists"

SignUp = Literal["open", "invite", "off"]


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody who signs up, checked: a person and the organization they begin with."""

    email: str
    name: str
    organization: organizations.Draft


def checked(*, email: str, name: str, password: str, organization_name: str, time_zone: str, currency: str) -> tuple[Newcomer, str]:
    """Return who signs up and the password as it is hashed. Raises ``Invalid`` with all that is wrong."""
    problems: list[Problem] = []
    newcomer = Newcomer(
        email=fields.email(problems, "/email", email),
        name=fields.text(problems, "/name", name, max_chars=fields.NAME_MAX_CHARS),
        organization=organizations.Draft(
            name=fields.text(problems, "/organization_name", organization_name, max_chars=fields.NAME_MAX_CHARS),
            time_zone=fields.time_zone(problems, "/time_zone", time_zone),
            currency=fields.currency_code(problems, "/currency", currency),
        ),
    )
    problems += password_policy.problems(password, pointer="/password", email=newcomer.email)
    fields.refuse(problems)
    return newcomer, password_policy.normal(password)


def checked_password(password: str, *, email: str) -> str:
    """Return a new password as it is hashed. Raises ``Invalid``."""
    problems = list(password_policy.problems(password, pointer="/password", email=email))
    fields.refuse(problems)
    return password_policy.normal(password)


def given_password(password: str) -> str | None:
    """Return a password given at sign-in as it is checked, or None if it can be nobody's."""
    return password_policy.normal(password) if password_policy.may_be_right(password) else None


def require_open(mode: SignUp) -> None:
    """Raise ``SignUpClosed`` unless anybody may sign up."""
    if mode != "open":
        raise types.SignUpClosed("Ask somebody for an invitation." if mode == "invite" else None)


def require_newcomers(mode: SignUp) -> None:
    """Raise ``SignUpClosed`` where not even an invitation makes a user."""
    if mode == "off":
        raise types.SignUpClosed("Ask the operator of this installation.")


async def sign_up(
    uow: db.UnitOfWork, *, at: datetime, newcomer: Newcomer, password_hash: str, by_mail: bool, request_id: str | None
) -> None:
    """Make a person and their organization, on the free tier; or, if the address is a user's, write that to it."""
    user = types.User(
        id=ids.new_id(at),
        email=newcomer.email,
        name=newcomer.name,
        locale=None,
        verified_at=None,
        created_at=at,
        erased_at=None,
    )
    if not await people.add_user(uow, user):
        if by_mail:
            await _write_to(uow, at=at, email=newcomer.email, job=EXISTS_JOB, args={}, request_id=request_id)
        return
    await people.put_password(uow, user_id=user.id, password_hash=password_hash, at=at)
    actor = Actor(kind=ActorKind.MEMBER, id=user.id, organization_id=None, role=Role.OWNER, request_id=request_id)
    organization = await organizations.create(uow, actor=actor, at=at, draft=newcomer.organization)
    async with tenancy.inside(uow, organization_id=organization.id):
        await member_service.add(uow, actor=actor, now=at, at=at, organization_id=organization.id, user_id=user.id, role=Role.OWNER)
        if by_mail:
            args = {"user_id": str(user.id), "purpose": types.LinkPurpose.VERIFY_EMAIL.value}
            await queue.enqueue(uow, name=LINK_JOB, args=args, now=at, actor=actor)


async def ask_link(
    uow: db.UnitOfWork, *, at: datetime, email: str, purpose: types.LinkPurpose, by_mail: bool, request_id: str | None
) -> None:
    """Have a link mailed to the address, if it is a user's (and, to confirm it, is not confirmed yet)."""
    problems: list[Problem] = []
    folded = fields.email(problems, "/email", email)
    if problems or not by_mail:
        return  # the same answer as for an address that is nobody's
    found = await lookups.password_by_email(uow, email=folded)
    if purpose is not types.LinkPurpose.VERIFY_EMAIL or (found is not None and found.verified_at is None):
        await _write_to(uow, at=at, email=folded, job=LINK_JOB, args={"purpose": purpose.value}, request_id=request_id)


async def _write_to(uow: db.UnitOfWork, *, at: datetime, email: str, job: str, args: dict[str, str], request_id: str | None) -> None:
    """Ask for a job that writes to the user of this address, unless many letters went there; who is in no organization gets none."""
    may_write = await attempts.may_write(uow, at=at, email=email)
    user_id = await lookups.user_by_email(uow, email=email)
    if user_id is None or not may_write:
        return
    async with in_first_organization(uow, user_id=user_id) as organization_id:
        if organization_id is not None:
            await queue.enqueue(uow, name=job, args={"user_id": str(user_id), **args}, now=at, request_id=request_id)


@contextlib.asynccontextmanager
async def in_first_organization(uow: db.UnitOfWork, *, user_id: UUID) -> AsyncIterator[UUID | None]:
    """Enter the user, and for the block the first organization they joined; None if they have none."""
    await tenancy.enter_user(uow, user_id=user_id)
    memberships = await lookups.organizations_of_current_user(uow)
    if not memberships:
        yield None
        return
    async with tenancy.inside(uow, organization_id=memberships[0].organization_id):
        yield memberships[0].organization_id


async def reset_link(uow: db.UnitOfWork, *, at: datetime, email: str) -> str:
    """Make a reset link for an operator to hand over, and return its token. Raises ``UserUnknown``."""
    problems: list[Problem] = []
    user_id = await lookups.user_by_email(uow, email=fields.email(problems, "/email", email))
    if user_id is None:
        raise types.UserUnknown
    async with in_first_organization(uow, user_id=user_id) as organization_id:
        if organization_id is not None:
            actor = Actor(kind=ActorKind.OPERATOR, id=None, organization_id=organization_id)
            await outbox.emit(uow, actor=actor, now=at, action="user.reset_link_made", target_type="user", target_id=user_id)
    return await links.make(uow, at=at, user_id=user_id, purpose=types.LinkPurpose.RESET_PASSWORD)


async def find(uow: db.UnitOfWork, *, user_id: UUID) -> types.User:
    """Return a user. Raises ``UserUnknown``."""
    await tenancy.enter_user(uow, user_id=user_id)
    found = await people.user(uow, user_id=user_id)
    if found is None:
        raise types.UserUnknown
    return found


async def verify_email(uow: db.UnitOfWork, *, at: datetime, token: str, request_id: str | None) -> None:
    """Confirm an address by the link that was mailed to it. Raises ``LinkUnusable``."""
    user_id = await links.follow(uow, at=at, token=token, purpose=types.LinkPurpose.VERIFY_EMAIL)
    await people.change_user(uow, user_id=user_id, at=at, values={"verified_at": at})
    await _emit_own(uow, at=at, user_id=user_id, action="user.email_verified", request_id=request_id)


async def reset_password(uow: db.UnitOfWork, *, at: datetime, token: str, password_hash: str, request_id: str | None) -> UUID:
    """Set a new password by a link and end all sessions; return whose. Raises ``LinkUnusable``."""
    user_id = await links.follow(uow, at=at, token=token, purpose=types.LinkPurpose.RESET_PASSWORD)
    found = await find(uow, user_id=user_id)
    await people.put_password(uow, user_id=user_id, password_hash=password_hash, at=at)
    if found.verified_at is None:
        # The link went to the address, or the operator vouches for who asked.
        await people.change_user(uow, user_id=user_id, at=at, values={"verified_at": at})
    await people.end_sessions(uow, user_id=user_id)
    await people.withdraw_links(uow, user_id=user_id, purpose=types.LinkPurpose.SIGN_IN)
    if found.email is not None:
        await tallies.drop(uow, key=lockout.person_key(found.email))
    await _emit_own(uow, at=at, user_id=user_id, action="user.password_reset", request_id=request_id)
    return user_id


async def change_password(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, user_id: UUID, session_id: UUID, password_hash: str
) -> None:
    """Set a new password of a person who proved the old one, or has none yet; their other sessions and links end."""
    await tenancy.enter_user(uow, user_id=user_id)
    await people.put_password(uow, user_id=user_id, password_hash=password_hash, at=at)
    await people.end_sessions(uow, user_id=user_id, but=session_id)
    for purpose in (types.LinkPurpose.RESET_PASSWORD, types.LinkPurpose.SIGN_IN):
        await people.withdraw_links(uow, user_id=user_id, purpose=purpose)
    await outbox.emit(uow, actor=actor, now=now, action="user.password_changed", target_type="user", target_id=user_id)


async def renew_hash(uow: db.UnitOfWork, *, user_id: UUID, old_hash: str, new_hash: str) -> None:
    """Store the same password under today's parameters, unless it was changed meanwhile."""
    await tenancy.enter_user(uow, user_id=user_id)
    await people.replace_hash(uow, user_id=user_id, old_hash=old_hash, new_hash=new_hash)


async def has_password(uow: db.UnitOfWork, *, user_id: UUID) -> bool:
    """Say whether a person has set a password yet."""
    await tenancy.enter_user(uow, user_id=user_id)
    return await people.password_hash(uow, user_id=user_id) is not None


async def change_profile(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, user_id: UUID, name: str | None, locale: str | None
) -> types.User:
    """Change what is given of a person's name and language. Raises ``Invalid``."""
    problems: list[Problem] = []
    values: dict[str, object] = {}
    if name is not None:
        values["name"] = fields.text(problems, "/name", name, max_chars=fields.NAME_MAX_CHARS)
    if locale is not None:
        values["locale"] = fields.locale(problems, "/locale", locale)
    fields.refuse(problems)
    if values:
        await tenancy.enter_user(uow, user_id=user_id)
        await people.change_user(uow, user_id=user_id, at=at, values=values)
        after = {"changed": sorted(values)}
        await outbox.emit(uow, actor=actor, now=now, action="user.changed", target_type="user", target_id=user_id, after=after)
    return await find(uow, user_id=user_id)


async def _emit_own(uow: db.UnitOfWork, *, at: datetime, user_id: UUID, action: str, request_id: str | None) -> None:
    async with in_first_organization(uow, user_id=user_id) as organization_id:
        if organization_id is not None:
            actor = Actor(kind=ActorKind.MEMBER, id=user_id, organization_id=organization_id, request_id=request_id)
            await outbox.emit(uow, actor=actor, now=at, action=action, target_type="user", target_id=user_id)
