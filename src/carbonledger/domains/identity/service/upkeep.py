"""What identity forgets by itself: sessions and links that ran out, tallies of attempts, ids of messages."""

from __future__ import annotations

from datetime import datetime, timedelta

from carbonledger.domains.identity.core import lockout
from carbonledger.domains.identity.store import lookups, people, tallies, tenancy
from carbonledger.infra import db

_KEPT_AFTER_END = timedelta(days=1)  # so that a page of one's sessions can't lose one while it is read
_MESSAGES_KEPT = timedelta(days=30)  # Svix repeats a message for less than two days
_PEOPLE_AT_ONCE = 500


async def purge_people(uow: db.UnitOfWork, *, at: datetime) -> int:
    """Delete sessions and links that ran out, of some people at a time; return how many rows went, none when there are no more."""
    before = at - _KEPT_AFTER_END
    gone = 0
    for user_id in await lookups.users_with_expired(uow, before=before, at_most=_PEOPLE_AT_ONCE):
        await tenancy.enter_user(uow, user_id=user_id)
        gone += await people.drop_expired(uow, user_id=user_id, before=before)
    return gone


async def purge_tallies(uow: db.UnitOfWork, *, at: datetime) -> int:
    """Delete tallies that no rule looks at any more, and old message ids."""
    forgiven = max(rule.forgiven_after for rule in (lockout.PERSON, lockout.ADDRESS, lockout.LETTERS))
    return await tallies.purge(uow, tallies_before=at - forgiven, messages_before=at - _MESSAGES_KEPT)
