"""From a time as people write it to the RFC 3339 instant in UTC that the API takes.

Accepted: RFC 3339 and its usual relatives (a blank for the T, no seconds, a date alone, up to nine fraction digits, an offset of hours
alone), and Unix time as 10 digits of seconds or 13 of milliseconds, with a fraction or without. Digits past the microsecond
are cut off, as the ledger keeps microseconds. Day-first and month-first dates are not guessed at.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from carbonledger_client import rows

_WRITTEN = re.compile(r"(\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)?)( ?(?:[Zz]|UTC|[+-]\d\d(?::?\d\d)?))?", re.ASCII)
_UNIX = re.compile(r"(\d{10}|\d{13})(?:\.(\d{1,9}))?", re.ASCII)
_SECONDS_DIGITS = 10
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, as every moment without a zone here
EARLIEST = "2015-01-01"  # the ledger's first day


def instant(value: object, zone: tzinfo = UTC) -> str:
    """Return the instant of a written time; one without an offset is a time of ``zone``. Raises ``Rejected``.

    A local time that clocks skip or repeat takes the offset in force before the change.
    """
    written = _WRITTEN.fullmatch(value) if type(value) is str else None
    moment = _unix(value) if written is None else _written(written[1], written[2], zone)
    if moment is None:
        raise rows.Rejected(
            "occurred_at_invalid",
            f"The time is {rows.shown(value)}: write it like 2026-01-31T12:00:00Z, or as Unix seconds or milliseconds.",
        )
    text = moment.isoformat() + "Z"
    if text < EARLIEST:
        raise rows.Rejected("occurred_at_out_of_range", f"The time is {rows.shown(value)}: the ledger begins with {EARLIEST}.")
    return text


def width_s(start: str, end: str) -> int:
    """Return the seconds between two instants of ``instant``."""
    return int((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())


def _written(local: str, offset: str | None, zone: tzinfo) -> datetime | None:
    try:
        if offset is not None:
            offset = offset.strip().upper().replace("UTC", "Z")
            return datetime.fromisoformat(f"{local}{offset}").astimezone(UTC).replace(tzinfo=None)
        moment = datetime.fromisoformat(local)
        return moment if zone is UTC else moment.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None  # the 31st of a shorter month, or a year that UTC can't hold


def _unix(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    found = _UNIX.fullmatch(str(value).strip())
    if found is None:
        return None
    whole, fraction = found.groups(default="")
    scale = 1_000_000 if len(whole) == _SECONDS_DIGITS else 1000  # microseconds in a second, in a millisecond
    return _EPOCH + timedelta(microseconds=int(whole) * scale + int((fraction + "0" * 9)[:9]) * scale // 10**9)
