"""Instants: aware, in UTC, to the microsecond; and their one spelling on the wire (RFC 3339).

It does not own the range of years that a caller accepts, nor local time (``zone``).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from carbonledger.kernel import errors

# RFC 3339, section 5.6: "T" and "Z" may be small, a minute may have a second 60. Nine digits of fraction are what the finest
# source has (OpenTelemetry's nanoseconds).
_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]((?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60))(?:\.([0-9]{1,9}))?"
    r"(?:[Zz]|([+-](?:[01][0-9]|2[0-3]):[0-5][0-9]))"
)


class InstantUnreadable(errors.Invalid):
    """The value is not a time of RFC 3339 with its offset."""

    code = "instant_unreadable"


def utc(value: datetime) -> datetime:
    """Return the aware instant ``value`` in UTC. Raises ``ValueError`` for a time without offset: it is no instant."""
    if value.tzinfo is UTC:
        return value
    if value.utcoffset() is None:
        raise ValueError("a time without its offset is no instant")
    return value.astimezone(UTC)


def to_api_instant(value: datetime) -> str:
    """Return the instant as ``2026-11-21T10:00:00Z``, with six digits of fraction where there is one."""
    return utc(value).replace(tzinfo=None).isoformat() + "Z"


def from_api_instant(text: object) -> datetime:
    """Return the instant that an RFC 3339 ``date-time`` names, in UTC. Raises ``InstantUnreadable``.

    Digits beyond the microsecond are dropped, not rounded, so that an instant never moves into the next period. ``-00:00``
    (offset unknown) is UTC. A leap second is refused: no clock here can tell it.
    """
    match = _RFC_3339.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InstantUnreadable("Write the time like 2026-11-21T10:00:00Z, with Z or an offset such as +01:00.")
    day, time, fraction, offset = match.groups()
    try:
        return datetime.fromisoformat(f"{day}T{time}.{(fraction or '')[:6]:0<6}{offset or '+00:00'}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InstantUnreadable("There is no such time in the calendar, or it is a leap second.") from error
