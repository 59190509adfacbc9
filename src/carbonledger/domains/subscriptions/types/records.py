"""Subscriptions as they are kept and shown: the facts, and what follows from them at an instant."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from carbonledger.domains.catalog.types import Charge, PlanVersion, Proration
from carbonledger.domains.subscriptions.types.facts import Fact
from carbonledger.domains.subscriptions.types.states import Status
from carbonledger.kernel.period import Period

EXTERNAL_ID_MAX_CHARS = 200
NAME_MAX_CHARS = 200
REASON_MAX_CHARS = 500
QUANTITY_MAX = 1_000_000_000
FACTS_MAX = 10_000
"""Of one subscription: three a day for nine years. It bounds what one look at it costs."""


class When(enum.Enum):
    """When a change takes effect."""

    NOW = "now"
    RENEWAL = "renewal"  # when the current period ends


class Direction(enum.Enum):
    """What a change of plan is, by ``core.changes.direction``."""

    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """One service period of a subscription.

    ``service`` is the whole one, from local midnight to local midnight, and ``first`` and ``after`` are the dates of its bounds, so that
    ``(after - first).days`` are its days also where a change of zone made the first or last of them longer or shorter. ``part`` is what the
    subscription has of it: less only in a first period that the calendar began earlier, or in a last that something cut.
    ``zone`` is what its days are counted in.
    """

    service: Period
    part: Period
    first: date
    after: date
    zone: str

    @property
    def last(self) -> date:
        """The last day inside."""
        return self.after - timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the facts say at an instant.

    ``owing``: a payment failed and nothing was settled since. ``trial``: it has not been charged yet. ``pending`` are facts that take
    effect later, in order. ``over_at`` is when it was canceled or ended, ``expires_at`` when it ends unless its first payment comes,
    ``paused_at`` when the present pause began.
    """

    status: Status
    plan_version_id: UUID
    overrides: tuple[Charge, ...]
    quantity: int
    zone: str
    started_at: datetime
    trial: bool
    owing: bool
    trial_ends_at: datetime | None
    paused_at: datetime | None
    resumes_at: datetime | None
    pauses_at: datetime | None
    cancels_at: datetime | None
    expires_at: datetime | None
    over_at: datetime | None
    pending: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A subscription: who takes what, its facts in order of recording, and how far they are billed.

    ``status`` is what the facts said at ``advanced_until``, ``next_due_at`` when the next of them takes effect or a period ends, and
    ``billable_at`` from when something may be billable; they are kept for finding. Everything that was billable by ``billed_until`` from
    the first ``billed_facts`` facts is billed.
    """

    id: UUID
    account_id: UUID
    external_id: str | None
    name: str | None
    currency: str
    metadata: Mapping[str, str]
    facts: tuple[Fact, ...]
    status: Status
    advanced_until: datetime
    next_due_at: datetime | None
    billable_at: datetime | None
    billed_until: datetime | None
    billed_facts: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """A subscription as its row has it: with the plan and the number of facts that are kept for finding too."""

    subscription: Subscription
    plan_id: UUID
    facts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A subscription as it stands at an instant: its plan version (this customer's own charges in it), the current period, what is planned.

    ``period`` is None where none runs: before the start, in a trial, after the end.
    """

    subscription: Subscription
    standing: Standing
    version: PlanVersion
    period: Cycle | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a subscription that is to start is told.

    ``trial_days`` None: as the plan says. ``anchor`` None: the first day that is charged. ``ends_at``: it ends by itself then.
    """

    plan_version_id: UUID
    quantity: int
    start_at: datetime
    zone: str
    anchor: date | None = None
    trial_days: int | None = None
    ends_at: datetime | None = None
    payment_first: bool = False
    proration: Proration | None = None
    overrides: tuple[Charge, ...] = ()
