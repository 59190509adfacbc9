"""Identifiers: UUIDv7 (RFC 9562, section 5.7), made in Python so that PostgreSQL 15 serves as well as 18.

Ids made in one process grow strictly, also within a millisecond and when the clock steps back: the 12 bits of ``rand_a``
and the top of ``rand_b`` are a counter (RFC 9562, section 6.2, method 1), which keeps inserts at the right end of the index.
"""

from __future__ import annotations

import secrets
import threading
import uuid
from datetime import UTC, datetime

_COUNTER_BITS = 26  # 12 of rand_a, 14 of rand_b: 67 million ids a millisecond before the time is borrowed from
_RANDOM_BITS = 48
_lock = threading.Lock()
_last_ms = 0
_counter = 0


def new_id(now: datetime) -> uuid.UUID:
    """Return a UUIDv7 for the aware instant ``now``; greater than every id made before it in this process.

    ``now`` is real time, never a sandbox organization's: an instant ahead would carry every later id of the process ahead with it.
    """
    global _last_ms, _counter  # noqa: PLW0603 - the counter is the process's own
    now_ms = int(now.timestamp() * 1000)
    with _lock:
        if now_ms > _last_ms:
            _last_ms = now_ms
            _counter = secrets.randbits(_COUNTER_BITS - 1)  # top bit clear: room to count up
        else:
            _counter += 1
            if _counter >> _COUNTER_BITS:
                _last_ms += 1
                _counter = 0
        at_ms, count = _last_ms, _counter
    value = (at_ms & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76
    value |= (count >> 14) << 64
    value |= 0b10 << 62
    value |= (count & 0x3FFF) << _RANDOM_BITS
    value |= secrets.randbits(_RANDOM_BITS)
    return uuid.UUID(int=value)


def made_at(identifier: uuid.UUID) -> datetime:
    """Return the instant (to the millisecond, UTC) that a UUIDv7 carries. Raises ``ValueError`` for another version."""
    if identifier.version != 7:  # noqa: PLR2004 - the version's name is its number
        message = f"{identifier} is not a UUIDv7"
        raise ValueError(message)
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)
