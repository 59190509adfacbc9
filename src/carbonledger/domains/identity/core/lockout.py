"""How attempts slow down the next: wrong passwords per person and per address, and letters that strangers have sent.

The first are free, since people mistype. Then each doubles the wait, up to a bound, and a wait refuses even the right password.
What is counted is the e-mail or address as given, so an unknown address is slowed exactly as a known one. An attempt counts as failed when
it begins and is taken back when it succeeds: a thousand at the same moment get no more tries than a thousand in a row.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonledger.kernel import address as addresses


@dataclass(frozen=True, slots=True)
class Rule:
    """``free`` attempts cost nothing; the next waits ``first``, each further one twice as long, up to ``longest``. Silence forgives."""

    free: int
    first: timedelta
    longest: timedelta
    forgiven_after: timedelta


# Five tries, then 2 s, 4 s … 15 min: about 110 guesses a day at one password, which outlasts any password that is not on a list.
# The bound keeps a stranger from locking someone out for long; a reset link works meanwhile.
PERSON = Rule(free=5, first=timedelta(seconds=2), longest=timedelta(minutes=15), forgiven_after=timedelta(days=1))
# An office shares one address, so it has more tries; success does not wipe them, or an attacker's own sign-ins would.
ADDRESS = Rule(free=50, first=timedelta(seconds=2), longest=timedelta(minutes=15), forgiven_after=timedelta(hours=1))
# Nobody's mailbox is filled by a stranger who asks for links in their name.
LETTERS = Rule(free=3, first=timedelta(minutes=2), longest=timedelta(hours=4), forgiven_after=timedelta(days=1))

_DOUBLINGS_MAX = 30  # far past any bound; keeps the power small


@dataclass(frozen=True, slots=True)
class Tally:
    """How many attempts there were, and when the last one was."""

    count: int
    last_at: datetime


def wait(rule: Rule, tally: Tally | None, *, at: datetime) -> timedelta:
    """Return how long the next attempt must still wait; nothing if it may be made now."""
    if tally is None or tally.count < rule.free or _is_forgiven(rule, tally, at):
        return timedelta()
    doublings = min(tally.count - rule.free, _DOUBLINGS_MAX)
    until = tally.last_at + min(rule.first * (1 << doublings), rule.longest)
    return max(until - at, timedelta())


def counted(rule: Rule, tally: Tally | None, *, at: datetime) -> Tally:
    """Return the tally after one more attempt."""
    if tally is None or _is_forgiven(rule, tally, at):
        return Tally(count=1, last_at=at)
    return Tally(count=tally.count + 1, last_at=at)


def _is_forgiven(rule: Rule, tally: Tally, at: datetime) -> bool:
    return at - tally.last_at >= rule.forgiven_after


def person_key(email: str) -> bytes:
    """Return what a person's failures are counted under: the hash of the address in its one form (``fields.email``)."""
    return hashlib.sha256(f"person {email}".encode(errors="replace")).digest()


def address_key(address: str) -> bytes:
    """Return what an address's failures are counted under. Of IPv6 the /64 counts, which is what one customer of a provider has."""
    return hashlib.sha256(f"address {addresses.customer(address)}".encode(errors="replace")).digest()


def letters_key(email: str) -> bytes:
    """Return what the letters to an address are counted under."""
    return hashlib.sha256(f"letters {email}".encode(errors="replace")).digest()
