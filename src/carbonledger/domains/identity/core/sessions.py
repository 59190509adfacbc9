"""How long a sign-in lasts, and what of it is worth writing down."""

from __future__ import annotations

from datetime import datetime, timedelta

IDLE = timedelta(hours=12)  # a working day and its lunch: whoever comes back the next morning signs in again
ABSOLUTE = timedelta(days=7)  # a stolen cookie that is kept warm dies within a week
TOUCH_EVERY = timedelta(minutes=1)  # finer than anybody reads it, coarser than one write per request


def expires_at(created_at: datetime) -> datetime:
    """Return the instant at which a session ends however much it is used."""
    return created_at + ABSOLUTE


def is_alive(*, seen_at: datetime, expires_at: datetime, at: datetime) -> bool:
    """Say whether a session may be used at the instant ``at``. Both ends are exclusive: at the instant of expiry it is over."""
    return at < expires_at and at < seen_at + IDLE


def is_worth_touching(seen_at: datetime | None, *, at: datetime) -> bool:
    """Say whether a use at ``at`` is to be written down, given the last one that was."""
    return seen_at is None or at - seen_at >= TOUCH_EVERY
