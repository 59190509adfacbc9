"""Words of plans: what a customer agrees to, version by version.

A plan is a name that stays; what it costs stands in its versions. A version never changes: editing makes the next one, with the instant
from which it is the plan's. Which version a subscription is on is the subscription's own fact, so that a new version moves nobody by
itself.

A charge is known by its ``code``, which means the same in every version of its plan: so an upgrade can tell what went on from what began.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeAlias
from uuid import UUID

from carbonledger.domains.catalog.types.charges import Model, Timing
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.period import Interval

CODE_MAX_CHARS: Final = 64
NAME_MAX_CHARS: Final = 200
DESCRIPTION_MAX_CHARS: Final = 2000
CHARGES_MAX: Final = 100  # a document that a person can still check
DISCOUNTS_MAX: Final = 10
TAX_RATES_MAX: Final = 5  # of one charge
TRIAL_MAX_DAYS: Final = 730
INTERVAL_COUNT_MAX: Final = 36  # of years: longer than anybody agrees on a price
INTERVAL_MAX_DAYS: Final = INTERVAL_COUNT_MAX * 366
"""No interval has more. No part of a period is as few seconds, so a part of more is told in seconds."""
NONE: Final = Decimal(0)


class AnchorKind(enum.Enum):
    """Which day billing periods are counted from."""

    ANNIVERSARY = "anniversary"  # the day on which the subscription started
    CALENDAR = "calendar"  # the first of the calendar's own week, month, quarter, half-year or year


class ChangePolicy(enum.Enum):
    """When a change of plan or quantity takes effect, unless the change itself says."""

    NOW = "now"
    RENEWAL = "renewal"


class Proration(enum.Enum):
    """How a part of a period is charged."""

    DAY = "day"  # local days of the part over local days of the period; the day of a change belongs to what is new
    SECOND = "second"
    NONE = "none"  # a part costs what the whole does, and nothing is credited


class PlanState(enum.Enum):
    """Whether new subscriptions may take the plan. An archived plan goes on for those that have it."""

    ACTIVE = "active"
    ARCHIVED = "archived"


class Migration(enum.Enum):
    """What a new version means for the subscriptions that are on an older one."""

    STAY = "stay"  # they keep the version that they agreed to
    NOW = "now"  # they change when the version becomes effective
    RENEWAL = "renewal"  # they change with the first period that begins once it is effective


@dataclass(frozen=True, slots=True)
class PercentDiscount:
    """So many percent off (above 0 to 100)."""

    percent: Decimal
    name: str | None = None


@dataclass(frozen=True, slots=True)
class AmountDiscount:
    """So much off, in the plan's currency, never more than there is (above 0). Of a plan: once a period of a subscription, prorated."""

    amount: Decimal
    name: str | None = None


Discount: TypeAlias = PercentDiscount | AmountDiscount


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One thing that a plan charges for: a flat amount, or the usage that a meter finds, priced by a model.

    ``timing``: a flat charge is due at the start of its period or at the end; usage, which is only known then, at the end.
    ``per_seat``: a flat amount is for each seat of the subscription, and an allowance too.
    ``prorated``: for a part of a period a flat amount, an allowance, a minimum and a maximum are that part of what they are for the whole.
    ``included``: the allowance, taken off usage before it is priced. ``free_units``: taken off as well, in full however short the part.
    ``minimum``, ``maximum``: what the line comes to at the least and at the most, after its price and before its discount.
    ``tax_rate_codes``: the rates of its tax; none: those of whoever bills it.
    """

    code: str
    name: str
    timing: Timing = Timing.ARREARS
    model: Model
    meter_code: str | None = None
    per_seat: bool = False
    prorated: bool = True
    included: Decimal = NONE
    free_units: Decimal = NONE
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    tax_rate_codes: tuple[str, ...] = ()
    discount: Discount | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanVersion:
    """What a plan costs from ``effective_at`` on, until its next version is effective.

    ``number`` counts from 1. All amounts are in ``currency``. ``setup_fee``: once, when a subscription starts. ``trial_days``: days before
    the first period for which nothing is charged. ``minimum_commitment``: what the charges of one interval come to at the least, before
    document discounts and tax; what is missing is charged at the end (true-up), prorated for a part. ``discounts``: off the document, in
    this order; an amount is off what a period is charged, once. ``upgrade``, ``downgrade``: when a change to a dearer or cheaper plan takes
    effect. ``migration``: what became of those on older versions.
    """

    id: UUID
    plan_id: UUID
    number: int
    effective_at: datetime
    currency: Currency
    interval: Interval
    anchor: AnchorKind = AnchorKind.ANNIVERSARY
    charges: tuple[Charge, ...] = ()
    setup_fee: Decimal | None = None
    trial_days: int = 0
    minimum_commitment: Decimal | None = None
    discounts: tuple[Discount, ...] = ()
    upgrade: ChangePolicy = ChangePolicy.NOW
    downgrade: ChangePolicy = ChangePolicy.RENEWAL
    proration: Proration = Proration.DAY
    migration: Migration = Migration.STAY
    created_at: datetime

    def charge(self, code: str) -> Charge | None:
        """Return the charge of this code, or None."""
        return next((charge for charge in self.charges if charge.code == code), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan with the version that is effective now; ``latest_number`` counts those that are yet to be effective too.

    ``version`` None: its first version is not effective yet. ``code`` is the caller's own and unique in the organization for ever.
    """

    id: UUID
    code: str
    name: str
    description: str | None
    state: PlanState
    version: PlanVersion | None
    latest_number: int
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


def overridden(version: PlanVersion, charges: Sequence[Charge]) -> PlanVersion:
    """Return the version with charges of one account's own in place of those of the same code; a new code comes at the end.

    What it returns is not stored by the catalog: who overrides keeps the charges (``documents``).
    """
    own = {charge.code: charge for charge in charges}
    kept = [own.pop(charge.code, charge) for charge in version.charges]
    return replace(version, charges=(*kept, *own.values()))
