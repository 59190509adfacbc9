"""Due charges: what a subscription's facts make billable, for which time, and which part of a price.

Amounts are not here: a flat price times ``numerator / denominator``, or the usage in ``stretches``, is rated by invoices.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from carbonledger.domains.catalog.types import Charge, Proration
from carbonledger.domains.catalog.types.charges import Flat
from carbonledger.kernel.period import Period


def is_usage(charge: Charge) -> bool:
    """Say whether a charge is for usage: every one that isn't flat; without a meter of its own it is for all usage."""
    return not isinstance(charge.model, Flat)


class DueKind(enum.Enum):
    """What sort of line it becomes. Stored in causes by these words."""

    CHARGE = "charge"
    CREDIT = "credit"  # gives back a part of what the charge ``credits`` debited, at the price that was debited
    SETUP = "setup"
    COMMITMENT_TRUE_UP = "commitment_true_up"


Days = tuple[date, date]
"""The first and the last of several days; the same where it is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueCharge:
    """One thing to charge, or to give back.

    ``cause`` is unique for ever: the same facts give the same causes, whatever is recorded later. ``service`` is the whole service period,
    ``part`` the time in it that this is about, ``stretches`` the times within ``part`` that count (one, unless something interrupted it: a
    pause, or another plan for a while); usage is measured in them. ``numerator / denominator`` is the part of the price: local days
    (``proration`` day) or whole seconds of ``stretches`` and of ``service``; 1/1 where the whole price is due. Of usage, whose stretches
    end to the instant, it is the part that a flat price would have: that of its allowance, minimum and maximum.

    ``charge`` is None for a setup fee and for a commitment; then ``amount`` is the plan's figure, before ``numerator / denominator``. A
    commitment is compared with everything charged for the same subscription, plan version and service period. For a credit ``credits`` is
    the cause it undoes and ``debited`` that one's numerator, so that ``numerator / debited`` of what was debited is given back.

    ``fact`` is the number of the fact it follows from, ``billable_at`` when it may be billed: in advance the start of its period or when
    it was decided, in arrears the end of its period or of the subscription. ``alone``: it became billable while the first payment was
    awaited, so it is billed on an invoice of its own, which is void if that doesn't come.

    ``days`` and ``service_days``: the first and the last local day of ``part`` and of ``service`` as they are counted, which after a move
    are not the dates that a calendar of the new zone shows.
    """

    cause: str
    kind: DueKind
    subscription_id: UUID
    account_id: UUID
    plan_version_id: UUID
    charge: Charge | None
    service: Period
    part: Period
    stretches: tuple[Period, ...]
    proration: Proration
    numerator: int
    denominator: int
    quantity: int
    billable_at: datetime
    fact: int
    amount: Decimal | None = None
    credits: str | None = None
    debited: int | None = None
    alone: bool = False
    days: Days | None = None
    service_days: Days | None = None
