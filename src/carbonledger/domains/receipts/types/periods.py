"""Periods: the months of an organization, their states, the steps of closing one, and what a closed one says.

    open ── the month is over, and paid or free ──> closing ── every step is done ──> closed
      └─── the month is over, and payment failed ──> failed ── paid after all ──> closing

A month that is over and not paid yet stays open. Closing begins to work 48 hours after the month's end, or when it was paid, whichever is
later; its steps are in ``Step``. A closed period never changes: what comes for it later is an adjustment, booked in a later period.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from carbonledger.kernel import errors
from carbonledger.kernel.period import Period as Window

RECONCILIATION: Final = timedelta(hours=48)
"""What providers revise and what arrives late is waited for so long after a month's end."""
CLOCKS_APART_MAX: Final = timedelta(minutes=5)
"""A closed month is never opened again, so none is closed by a clock that another one contradicts by more."""


class ReceiptsFault(errors.Fault):
    """Closing and proving could not do this."""

    code = "receipts"


class PeriodNotFound(ReceiptsFault):
    """There is no such period."""

    kind = errors.Kind.NOT_FOUND
    code = "period_not_found"


class PeriodNotOver(ReceiptsFault):
    """The month is not over yet."""

    kind = errors.Kind.CONFLICT
    code = "period_not_over"


class PeriodUnpaid(ReceiptsFault):
    """The month is not paid yet."""

    kind = errors.Kind.PAYMENT_REQUIRED
    code = "period_unpaid"


class PeriodWaits(ReceiptsFault):
    """The 48 hours in which late usage is waited for have not passed."""

    kind = errors.Kind.CONFLICT
    code = "period_waits"


class PeriodClosed(ReceiptsFault):
    """The period is closed, and nothing of it changes any more."""

    kind = errors.Kind.CONFLICT
    code = "period_closed"


class PaymentSettled(ReceiptsFault):
    """The month's payment is settled already."""

    kind = errors.Kind.CONFLICT
    code = "payment_settled"


class PollsUnfinished(ReceiptsFault, errors.Unavailable):
    """Connections are still being read for the last time before the period is frozen."""

    kind = errors.Kind.UNAVAILABLE
    code = "polls_unfinished"


class ClocksDiffer(ReceiptsFault, errors.Unavailable):
    """The clocks of this machine and of the database differ, so that it is not known whether the month is over."""

    kind = errors.Kind.UNAVAILABLE
    code = "clocks_differ"


class EventNotInPeriod(ReceiptsFault):
    """The period has no such event."""

    kind = errors.Kind.NOT_FOUND
    code = "event_not_in_period"


class State(enum.Enum):
    """Where a period stands. Stored by these words."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"
    FAILED = "failed"  # its payment failed: nothing is closed, nothing retired


class Payment(enum.Enum):
    """Whether the month is paid. Stored by these words."""

    NOT_NEEDED = "not_needed"
    AWAITED = "awaited"
    PAID = "paid"
    FAILED = "failed"


class Move(enum.Enum):
    """What happens to a period."""

    BEGIN = "begin"  # the month is over, and paid or free
    FAIL = "fail"  # the month is over, and its payment failed
    CLOSE = "close"  # every step of closing is done


TRANSITIONS: Final[Mapping[Move, tuple[frozenset[State], State]]] = {
    Move.BEGIN: (frozenset({State.OPEN, State.FAILED}), State.CLOSING),
    Move.FAIL: (frozenset({State.OPEN}), State.FAILED),
    Move.CLOSE: (frozenset({State.CLOSING}), State.CLOSED),
}
"""Each move: the states it may start from, and the one it leads to."""


class Step(enum.Enum):
    """How far closing has come; each is done once. Stored by these words, in this order."""

    NONE = "none"
    RECONCILED = "reconciled"  # connections were read for the last time, or it was given up and noted
    FROZEN = "frozen"  # the cut is made: from here on, what comes for the period is late
    SUMMED = "summed"  # its lines are written
    ADJUSTED = "adjusted"  # what came late for earlier periods since their cut is booked here
    PROVEN = "proven"  # the Merkle tree over its events is written
    CLOSED = "closed"


STEPS: Final = tuple(Step)


def is_done(step: Step, *, within: Step) -> bool:
    """Say whether ``step`` is done in a closing that has come to ``within``."""
    return STEPS.index(step) <= STEPS.index(within)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A month of an organization: ``[starts_at, ends_at)``, from local midnight to local midnight in ``zone``.

    ``ended_at``: when its end was noticed; ``closes_at``: when closing begins to work;
    ``asked_at``: when its job was first asked for; ``cut``: the number of its freeze among the
    organization's; ``unread``: connections that could not be read to the end before it was frozen. ``events``, ``leaves`` and ``root``
    (32 bytes) stand once they are known: how many events are summed, and the Merkle tree over them and over what was adjusted.
    """

    id: UUID
    month: date
    zone: str
    starts_at: datetime
    ends_at: datetime
    state: State
    payment: Payment
    step: Step = Step.NONE
    ended_at: datetime | None = None
    closes_at: datetime | None = None
    asked_at: datetime | None = None
    cut: int | None = None
    frozen_at: datetime | None = None
    events: int | None = None
    leaves: int | None = None
    root: bytes | None = None
    unread: tuple[Mapping[str, Any], ...] = ()
    closed_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def window(self) -> Window:
        """The period as a stretch of time."""
        return Window(self.starts_at, self.ends_at)
