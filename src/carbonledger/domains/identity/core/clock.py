"""How the clock of a sandbox moves: from one thing that is due to the next, never back, and at last to where it was told to go."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

ADVANCE_MAX = timedelta(days=3660)  # ten years at a time: enough for any plan, and an end to what one request can ask for


def next_stop(clock_at: datetime, target: datetime, due: Iterable[datetime | None]) -> datetime | None:
    """Return the instant of the next thing due, or None when nothing is left before ``target`` (inclusive).

    What is overdue happens at the clock's own time: it stands, it does not go back.
    """
    earliest = min((instant for instant in due if instant is not None and instant <= target), default=None)
    return None if earliest is None else max(earliest, clock_at)
