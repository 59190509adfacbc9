"""Attempts to prove a password: counted when they begin, taken back when they succeed.

An edge runs one in three parts, because the work of a hash holds no transaction: ``begin`` (committed, so that the count stays whatever
happens), the check outside, then the use case that takes the count back in its own transaction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from carbonledger.domains.identity import types
from carbonledger.domains.identity.core import fields, lockout
from carbonledger.domains.identity.store import lookups, tallies
from carbonledger.infra import db
from carbonledger.kernel.errors import Problem


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that may go on: whose address it is (None: nobody's), and the hash to check against (None: none)."""

    person_key: bytes
    address_key: bytes
    user_id: UUID | None
    verified_at: datetime | None
    hash: str | None = field(repr=False)


async def begin(uow: db.UnitOfWork, *, at: datetime, email: str, address: str) -> Attempt:
    """Count an attempt on ``email`` from ``address``. Raises ``SignInLimited`` where one of them must wait; that is not counted."""
    problems: list[Problem] = []
    folded = fields.email(problems, "/email", email)
    person_key, address_key = lockout.person_key(folded), lockout.address_key(address)
    counted = await tallies.lock(uow, keys=(person_key, address_key), at=at)
    rules = {person_key: lockout.PERSON, address_key: lockout.ADDRESS}
    waits = [lockout.wait(rule, counted.get(key), at=at) for key, rule in rules.items()]
    if max(waits) > timedelta():
        seconds = math.ceil(max(waits).total_seconds())
        raise types.SignInLimited(f"Try again in {seconds} s, or set a new password by e-mail.", retry_after_s=seconds)
    for key, rule in rules.items():
        await tallies.put(uow, key=key, tally=lockout.counted(rule, counted.get(key), at=at))
    # What is no address is looked up all the same: it takes as long, and is never found.
    found = await lookups.password_by_email(uow, email=folded)
    if found is None:
        return Attempt(person_key=person_key, address_key=address_key, user_id=None, verified_at=None, hash=None)
    return Attempt(person_key=person_key, address_key=address_key, user_id=found.user_id, verified_at=found.verified_at, hash=found.hash)


async def succeed(uow: db.UnitOfWork, *, attempt: Attempt) -> UUID:
    """Take the count back and return whose attempt it was. Raises ``SignInRefused`` for nobody's."""
    if attempt.user_id is None:
        raise types.SignInRefused
    await tallies.drop(uow, key=attempt.person_key)
    await tallies.take_back(uow, key=attempt.address_key)
    return attempt.user_id


async def may_write(uow: db.UnitOfWork, *, at: datetime, email: str) -> bool:
    """Say whether one more letter may be sent to an address at a stranger's wish, and count it if so."""
    key = lockout.letters_key(email)
    tally = (await tallies.lock(uow, keys=(key,), at=at))[key]
    if lockout.wait(lockout.LETTERS, tally, at=at) > timedelta():
        return False
    await tallies.put(uow, key=key, tally=lockout.counted(lockout.LETTERS, tally, at=at))
    return True
