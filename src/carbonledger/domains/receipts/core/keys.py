"""Decisions about signing keys: how long one stays valid after another follows it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

VALID_AFTER = timedelta(minutes=5)
"""How long a key that was replaced stays valid: a process whose clock is ahead has just signed with it. Nothing signs with it any more."""


def to_second(at: datetime) -> datetime:
    """Return a time as keys state theirs: in UTC, to the second."""
    return at.astimezone(UTC).replace(microsecond=0)


def ends(at: datetime) -> datetime:
    """Return before when a key that is replaced at a time may have signed."""
    return to_second(at) + VALID_AFTER
