"""Signing in, and proving a password again: the order of count, check and effect, the same for every edge.

The count of the attempt is committed first, then the hash is worked on without a transaction, then the effect and the taking back of
the count are one transaction. So a thousand wrong passwords are slowed whether they come in a row or at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carbonledger import bootstrap
from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import attempts, invitations, links, sessions, users


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a sign-in comes from."""

    address: str
    user_agent: str | None
    request_id: str


async def proven(services: bootstrap.Services, *, at: datetime, email: str, password: str, address: str) -> attempts.Attempt:
    """Return an attempt whose password was right, for ``attempts.succeed``. Raises ``SignInRefused``, ``SignInLimited``."""
    async with services.database.transaction() as uow:
        attempt = await attempts.begin(uow, at=at, email=email, address=address)
    given = users.given_password(password)
    # What can be nobody's password is checked against nobody's hash: the time must not tell.
    is_right = await services.passwords.check(given or "", stored=None if given is None else attempt.hash)
    if given is None or not is_right:
        raise types.SignInRefused
    if attempt.user_id is not None and attempt.hash is not None and services.passwords.is_outdated(attempt.hash):
        new_hash = await services.passwords.hash(given)
        async with services.database.transaction() as uow:
            await users.renew_hash(uow, user_id=attempt.user_id, old_hash=attempt.hash, new_hash=new_hash)
    return attempt


async def by_password(
    services: bootstrap.Services, *, at: datetime, email: str, password: str, organization_id: UUID | None, browser: Browser
) -> types.NewSession:
    """Sign in. Raises ``SignInRefused``, ``SignInLimited``, ``EmailUnverified``, ``OrganizationUnknown``."""
    attempt = await proven(services, at=at, email=email, password=password, address=browser.address)
    async with services.database.transaction() as uow:
        # By itself: the password was right, whatever stands in the way of a session.
        user_id = await attempts.succeed(uow, attempt=attempt)
    if attempt.verified_at is None and services.mailer is not None:
        raise types.EmailUnverified("Follow the link that was sent to it, or ask for another.")
    async with services.database.transaction() as uow:
        return await sessions.open_for(
            uow,
            at=at,
            user_id=user_id,
            organization_id=organization_id,
            user_agent=browser.user_agent,
            address=browser.address,
            request_id=browser.request_id,
        )


async def by_link(services: bootstrap.Services, *, at: datetime, token: str, browser: Browser) -> types.NewSession:
    """Sign in by a one-time link. Raises ``LinkUnusable``."""
    async with services.database.transaction() as uow:
        user_id = await links.follow(uow, at=at, token=token, purpose=types.LinkPurpose.SIGN_IN)
        return await sessions.open_for(
            uow, at=at, user_id=user_id, user_agent=browser.user_agent, address=browser.address, request_id=browser.request_id
        )


async def reset_password(services: bootstrap.Services, *, at: datetime, token: str, password: str, request_id: str) -> None:
    """Set a new password by a link and end all sessions. Raises ``LinkUnusable``, ``Invalid``."""
    async with services.database.transaction() as uow:
        # Looked at before the work of a hash is done for it; used up with the effect.
        email = await links.address(uow, at=at, token=token, purpose=types.LinkPurpose.RESET_PASSWORD)
    password_hash = await services.passwords.hash(users.checked_password(password, email=email))
    async with services.database.transaction() as uow:
        await users.reset_password(uow, at=at, token=token, password_hash=password_hash, request_id=request_id)


async def join(services: bootstrap.Services, *, at: datetime, token: str, name: str, password: str, browser: Browser) -> types.NewSession:
    """Become a user by the link of an invitation, join, and sign in.

    Raises ``SignUpClosed``, ``LinkUnusable``, ``Invalid``, ``UserExists``.
    """
    users.require_newcomers(services.settings.sign_up)
    async with services.database.transaction() as uow:
        offered = await invitations.offer(uow, at=at, token=token)
    password_hash = await services.passwords.hash(users.checked_password(password, email=offered.email or ""))
    async with services.database.transaction() as uow:
        offered, user_id = await invitations.accept_as_new(
            uow,
            at=at,
            token=token,
            name=name,
            password_hash=password_hash,
            proves_address=services.mailer is not None,
            request_id=browser.request_id,
        )
        return await sessions.open_for(
            uow,
            at=at,
            user_id=user_id,
            organization_id=offered.organization_id,
            user_agent=browser.user_agent,
            address=browser.address,
            request_id=browser.request_id,
        )
