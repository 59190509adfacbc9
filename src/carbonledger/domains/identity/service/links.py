"""One-use links: made for a person, followed once. Only the hash is kept, so a link that is lost is made anew."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import credentials
from carbonledger.domains.identity.core import links as rules
from carbonledger.domains.identity.store import lookups, people, tenancy
from carbonledger.infra import crypto, db
from carbonledger.kernel import ids

# Where the pages of the links are. Each takes the token out of its address at once, into a cookie (docs/decisions/0014-dashboard.md).
PATHS = {
    types.LinkPurpose.VERIFY_EMAIL: "/verify-email",
    types.LinkPurpose.RESET_PASSWORD: "/reset-password",
    types.LinkPurpose.SIGN_IN: "/sign-in",
}
INVITATION_PATH = "/accept-invitation"


def url(address: str, *, purpose: types.LinkPurpose, token: str) -> str:
    """Return the link to send or print. ``address`` is where people reach the installation."""
    return f"{address}{PATHS[purpose]}?token={token}"


def invitation_url(address: str, *, token: str) -> str:
    """Return the link of an invitation."""
    return f"{address}{INVITATION_PATH}?token={token}"


def is_token(text: str) -> bool:
    """Say whether a text can be what a link holds."""
    return credentials.is_token(text)


async def make(uow: db.UnitOfWork, *, at: datetime, user_id: UUID, purpose: types.LinkPurpose) -> str:
    """Make a link for a person and return its token; those of the same purpose that were made before stop working."""
    await tenancy.enter_user(uow, user_id=user_id)
    await people.withdraw_links(uow, user_id=user_id, purpose=purpose)
    token = crypto.new_token().reveal()
    link = types.Link(
        id=ids.new_id(at),
        user_id=user_id,
        purpose=purpose,
        state=types.LinkState.UNUSED,
        expires_at=at + rules.LIFETIMES[purpose],
    )
    await people.add_link(uow, link=link, token_hash=crypto.digest(token), at=at)
    return token


async def address(uow: db.UnitOfWork, *, at: datetime, token: str, purpose: types.LinkPurpose) -> str:
    """Return the e-mail address of whom a link is for, without using it up. Raises ``LinkUnusable``."""
    found = await _found(uow, token=token, purpose=purpose)
    if not rules.is_link_usable(state=found.state, expires_at=found.expires_at, at=at):
        raise types.LinkUnusable
    await tenancy.enter_user(uow, user_id=found.user_id)
    user = await people.user(uow, user_id=found.user_id)
    if user is None or user.email is None:
        raise types.LinkUnusable
    return user.email


async def follow(uow: db.UnitOfWork, *, at: datetime, token: str, purpose: types.LinkPurpose) -> UUID:
    """Use up a link and return whose it is; the transaction has entered that user. Raises ``LinkUnusable``, always the same."""
    found = await _found(uow, token=token, purpose=purpose)
    await tenancy.enter_user(uow, user_id=found.user_id)
    link = await people.link(uow, user_id=found.user_id, link_id=found.id)
    if link is None or not rules.is_link_usable(state=link.state, expires_at=link.expires_at, at=at):
        raise types.LinkUnusable
    await people.move_link(uow, user_id=link.user_id, link_id=link.id, state=types.LinkState.USED)
    return link.user_id


async def _found(uow: db.UnitOfWork, *, token: str, purpose: types.LinkPurpose) -> types.Link:
    found = await lookups.link_by_hash(uow, token_hash=crypto.digest(token)) if credentials.is_token(token) else None
    if found is None or found.purpose is not purpose:
        raise types.LinkUnusable
    return found
