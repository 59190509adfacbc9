"""The front door of connections: made, shown, moved, given a new key, ended; and the steps of a poll, which a worker takes one by one.

``now`` is the organization's time, by which windows are cut and polls are due; ``at`` the real one. No call to a provider is made here but
``check_key``, which takes no transaction.
"""

from __future__ import annotations

from carbonledger.domains.connections.core import outcomes, walking, windows
from carbonledger.domains.connections.core.outcomes import Reach
from carbonledger.domains.connections.core.walking import Walk
from carbonledger.domains.connections.core.windows import Reading
from carbonledger.domains.connections.service.covering import UNCOVER_JOB, told_up_to, uncovered
from carbonledger.domains.connections.service.keeping import (
    Made,
    check_key,
    connect,
    connector_of,
    delete,
    health,
    list_connections,
    move,
    refuse_given,
    rekey,
    show,
    sync,
)
from carbonledger.domains.connections.service.polling import (
    POLL_ATTEMPTS,
    POLL_JOB,
    RECONCILE_JOB,
    Begun,
    ask_reconciliation,
    begin,
    due,
    failed,
    gives_up,
    is_synced_since,
    plan,
    poll_if_due,
    polls,
    read,
    read_before,
    reconciled,
    reconciliation,
    running,
    set_streams,
    streams_refused,
    unchanged,
    window_read,
)
from carbonledger.domains.connections.service.taking import Taken, has_news, in_parts, take

advanced = walking.advanced
days_done = windows.days_done
first_told = outcomes.first_told
is_last = windows.is_last
reach = outcomes.reach

__all__ = [
    "POLL_ATTEMPTS",
    "POLL_JOB",
    "RECONCILE_JOB",
    "UNCOVER_JOB",
    "Begun",
    "Made",
    "Reach",
    "Reading",
    "Taken",
    "Walk",
    "advanced",
    "ask_reconciliation",
    "begin",
    "check_key",
    "connect",
    "connector_of",
    "days_done",
    "delete",
    "due",
    "failed",
    "first_told",
    "gives_up",
    "has_news",
    "health",
    "in_parts",
    "is_last",
    "is_synced_since",
    "list_connections",
    "move",
    "plan",
    "poll_if_due",
    "polls",
    "reach",
    "read",
    "read_before",
    "reconciled",
    "reconciliation",
    "refuse_given",
    "rekey",
    "running",
    "set_streams",
    "show",
    "streams_refused",
    "sync",
    "take",
    "told_up_to",
    "unchanged",
    "uncovered",
    "window_read",
]
