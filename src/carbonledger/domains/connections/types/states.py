"""The states of a connection, and what may follow what.

    reading_back ─ read ─> active <─ read ─┐
         │                   │             │
         └────── fail ───────┴─> error ────┘
                                   │ give_up (the fifth failure in a row)
                                   └─> stopped            rekey leads from any state back to reading_back

A connection is polled in the first three states. Deleting ends it; its history stays.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

FAILURES_MAX: Final = 5
"""Failed polls in a row after which nobody asks the provider any more until there is a new key."""


class State(enum.Enum):
    """Where a connection stands. Stored by these words."""

    READING_BACK = "reading_back"  # with this key nothing has been read to the end yet
    ACTIVE = "active"
    ERROR = "error"  # the last poll failed; it is tried again by the hour
    STOPPED = "stopped"  # waits for a new key
    DELETED = "deleted"


class Step(enum.Enum):
    """What happens to a connection."""

    READ = "read"  # a poll came to its end
    FAIL = "fail"  # a poll failed for good, or too often
    GIVE_UP = "give_up"  # the last of too many failures
    REKEY = "rekey"
    DELETE = "delete"


POLLED: Final = frozenset({State.READING_BACK, State.ACTIVE, State.ERROR})
AILING: Final = frozenset({State.ERROR, State.STOPPED})
"""What somebody should look at: the last poll failed, or too many did."""
TRANSITIONS: Final[Mapping[Step, tuple[frozenset[State], State]]] = {
    Step.READ: (POLLED, State.ACTIVE),
    Step.FAIL: (POLLED, State.ERROR),
    Step.GIVE_UP: (POLLED, State.STOPPED),
    Step.REKEY: (POLLED | {State.STOPPED}, State.READING_BACK),
    Step.DELETE: (POLLED | {State.STOPPED}, State.DELETED),
}
"""Each step: the states it may start from, and the one it leads to."""


def allowed(state: State, step: Step) -> bool:
    """Say whether ``step`` may happen to a connection in ``state``."""
    return state in TRANSITIONS[step][0]
