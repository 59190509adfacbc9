"""Where a subscription stands, and the one table of how it may move.

    scheduled ──> trialing ──> active <──> past_due
                     │    └──> incomplete ──> active        (payment first)
                     └───> paused <──> active
    every one of them ──> canceled (somebody wanted that) or ended (its term is over; an incomplete one also by expiring, ``FIRST_PAYMENT``
        after it began to wait), which only a reactivation leaves

A status is never set: it follows from the facts by these moves (``core.standing``). A fact whose move the table refuses at its instant,
such as a pause planned for a day on which the subscription is canceled already, has no effect.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

FIRST_PAYMENT: Final = timedelta(hours=23)
"""How long an incomplete subscription waits for its first payment: as long as at Stripe, where it is ``incomplete_expired`` after 23 hours
(docs.stripe.com/billing/subscriptions/overview, "Subscription statuses", read 2026-11).
"""


class Status(enum.Enum):
    """Where a subscription stands. Stored by these words, and written so on the wire."""

    SCHEDULED = "scheduled"  # begins later
    TRIALING = "trialing"  # nothing is charged yet
    INCOMPLETE = "incomplete"  # its first payment is awaited
    ACTIVE = "active"
    PAST_DUE = "past_due"  # active, but a payment failed
    PAUSED = "paused"  # nothing is charged for the time it lasts
    CANCELED = "canceled"
    ENDED = "ended"


class Move(enum.Enum):
    """What can happen to a subscription."""

    BEGIN_TRIAL = "begin_trial"
    AWAIT_PAYMENT = "await_payment"
    ACTIVATE = "activate"
    CHANGE = "change"  # of plan, quantity or zone: the status stays
    PAUSE = "pause"
    RESUME = "resume"
    RESUME_TRIAL = "resume_trial"
    RESUME_OWING = "resume_owing"
    FAIL_PAYMENT = "fail_payment"
    SETTLE = "settle"
    CANCEL = "cancel"
    END = "end"
    EXPIRE = "expire"
    REACTIVATE = "reactivate"


BILLED: Final = frozenset({Status.INCOMPLETE, Status.ACTIVE, Status.PAST_DUE})
"""While it stands so, its time is charged."""

OVER: Final = frozenset({Status.CANCELED, Status.ENDED})
"""It is over until it is reactivated."""

TRANSITIONS: Final[Mapping[Move, Mapping[Status, Status]]] = {
    Move.BEGIN_TRIAL: {Status.SCHEDULED: Status.TRIALING},
    Move.AWAIT_PAYMENT: {Status.SCHEDULED: Status.INCOMPLETE, Status.TRIALING: Status.INCOMPLETE},
    Move.ACTIVATE: {Status.SCHEDULED: Status.ACTIVE, Status.TRIALING: Status.ACTIVE},
    Move.CHANGE: {status: status for status in (Status.SCHEDULED, Status.TRIALING, Status.ACTIVE, Status.PAST_DUE, Status.PAUSED)},
    Move.PAUSE: {Status.TRIALING: Status.PAUSED, Status.ACTIVE: Status.PAUSED},
    Move.RESUME: {Status.PAUSED: Status.ACTIVE},
    Move.RESUME_TRIAL: {Status.PAUSED: Status.TRIALING},
    Move.RESUME_OWING: {Status.PAUSED: Status.PAST_DUE},
    # A payment may fail or arrive at any time after the first charge; only where it decides something does the status move.
    Move.FAIL_PAYMENT: {
        Status.ACTIVE: Status.PAST_DUE,
        **{same: same for same in (Status.INCOMPLETE, Status.PAST_DUE, Status.PAUSED, Status.CANCELED, Status.ENDED)},
    },
    Move.SETTLE: {
        Status.INCOMPLETE: Status.ACTIVE,
        Status.PAST_DUE: Status.ACTIVE,
        **{same: same for same in (Status.ACTIVE, Status.PAUSED, Status.CANCELED, Status.ENDED)},
    },
    Move.CANCEL: {status: Status.CANCELED for status in Status if status not in OVER},
    Move.END: {status: Status.ENDED for status in Status if status not in OVER},
    Move.EXPIRE: {Status.INCOMPLETE: Status.ENDED},
    Move.REACTIVATE: {Status.CANCELED: Status.ACTIVE, Status.ENDED: Status.ACTIVE},
}
"""Each move: from which status to which. What is not here can't happen."""
