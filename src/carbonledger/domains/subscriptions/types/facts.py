"""Facts: what was decided about a subscription, when it was recorded, and from when it holds.

A subscription is the list of its facts and nothing else. A fact is never changed or taken back; one that has not taken effect yet can be
withdrawn by another. Facts count from 1 in the order of recording, which also decides between facts of one instant.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from carbonledger.domains.catalog.types import Charge, Proration


class FactKind(enum.Enum):
    """What was decided. Stored by these words."""

    STARTED = "started"
    TRIAL_ENDED = "trial_ended"
    PLAN_CHANGED = "plan_changed"
    QUANTITY_CHANGED = "quantity_changed"
    ZONE_CHANGED = "zone_changed"
    PAUSED = "paused"
    RESUMED = "resumed"
    PAST_DUE = "past_due"
    SETTLED = "settled"
    CANCELED = "canceled"
    ENDED = "ended"
    EXPIRED = "expired"  # its first payment did not come in time
    REACTIVATED = "reactivated"
    WITHDRAWN = "withdrawn"  # of a fact that has not taken effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing decided.

    ``recorded_at`` never goes back from one number to the next. ``effective_at`` is never before ``recorded_at``, but for a start in the
    past and what was planned with it. ``planned``: it was decided before its instant came, so whoever billed that instant knew of it; one
    that was decided at an instant may find it billed already. Which of the other fields stand depends on the kind:

    - ``plan_version_id``: started, plan_changed. ``quantity`` (seats, 0 or more): started, quantity_changed, and plan_changed with another.
    - ``proration``: how the change cuts what is charged: started, plan_changed, quantity_changed, paused, resumed, canceled, ended,
      reactivated.
    - ``overrides``: charges of this customer's own in place of the version's with the same codes: started, plan_changed.
    - ``zone`` (IANA name): started, zone_changed, reactivated. ``anchor``: started, where dates are counted from another day than that.
    - ``trialing``: started: a trial comes first, and ends with ``trial_ended``. ``payment_first``: started: incomplete until paid.
    - ``credit``: canceled: whether what was charged ahead is given back.
    - ``withdraws``: withdrawn: the number of the fact.
    """

    number: int
    kind: FactKind
    effective_at: datetime
    recorded_at: datetime
    planned: bool = False
    actor_kind: str = "system"
    actor_id: UUID | None = None
    plan_version_id: UUID | None = None
    overrides: tuple[Charge, ...] = ()
    quantity: int | None = None
    proration: Proration | None = None
    zone: str | None = None
    anchor: date | None = None
    trialing: bool = False
    payment_first: bool = False
    credit: bool | None = None
    withdraws: int | None = None
    reason: str | None = None
