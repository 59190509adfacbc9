"""What a subscription has used of its current period, beside its allowance, and what that comes to so far: by what bills it.

Nothing is written. What is left out: a charge whose usage is not measured in the period that runs now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from carbonledger.domains.accounts import service as accounts_service
from carbonledger.domains.catalog.types import Charge
from carbonledger.domains.catalog.types.charges import Usage
from carbonledger.domains.invoices.core import exact, pieces, rating
from carbonledger.domains.invoices.service import measuring
from carbonledger.domains.invoices.types.rating import Part, Rated
from carbonledger.domains.subscriptions.service import previewing
from carbonledger.domains.subscriptions.types import DueCharge, DueKind
from carbonledger.infra import db
from carbonledger.kernel.actor import Actor
from carbonledger.kernel.currency import Currency
from carbonledger.kernel.period import Period


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumed:
    """The usage of one charge until now.

    ``allowance``: what costs nothing, free units and what is included, for the part of the period that is charged. ``used`` and
    ``billable`` (what is left after the allowance) are in the charge's unit: units, an amount, what providers charged in USD, kilograms
    of CO2e.
    ``amount``: what it comes to so far, rounded to the minor unit, before discounts and tax.
    """

    charge: Charge
    part: Period
    usage: Usage
    used: Decimal
    allowance: Decimal
    billable: Decimal
    amount: Decimal
    currency: Currency
    events: int | None


async def consumed(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, subscription_id: UUID
) -> tuple[Consumed, ...]:
    """Return what was used of the period that runs now, in the order of the plan's charges.

    Raises ``SubscriptionNotFound``, and what counting and rating would.
    """
    seen = await previewing.preview_upcoming(
        uow, actor=actor, now=now, organization_id=organization_id, subscription_id=subscription_id, periods=1
    )
    running = [(one, one.charge) for one in seen.charges if one.charge is not None and _is_running(one, one.charge, now)]
    if not running:
        return ()
    account = await accounts_service.find(uow, organization_id=organization_id, account_id=running[0][0].account_id)
    wanted = [measuring.Wanted(due.cause, account.external_id, charge, due.stretches) for due, charge in running]
    measured = await measuring.measure(uow, now=now, organization_id=organization_id, wanted=wanted)
    return tuple(_consumed(due, charge, measured[due.cause], seen.versions[due.plan_version_id].currency) for due, charge in running)


def _is_running(due: DueCharge, charge: Charge, now: datetime) -> bool:
    return due.kind is DueKind.CHARGE and pieces.is_usage(charge) and due.service.contains(now)


def _consumed(due: DueCharge, charge: Charge, measured: pieces.Measured, currency: Currency) -> Consumed:
    part = Part(due.numerator, due.denominator)
    rated = rating.rate(charge.model, measured.usage, pieces.terms_of(charge, seats=due.quantity), part)
    return Consumed(
        charge=charge,
        part=due.part,
        usage=measured.usage,
        used=rated.quantity,
        allowance=_allowance(charge, due.quantity, part),
        billable=rated.billable,
        amount=_amount(rated, currency),
        currency=currency,
        events=measured.events,
    )


def _allowance(charge: Charge, seats: int, part: Part) -> Decimal:
    terms = pieces.terms_of(charge, seats=seats)
    return exact.shown(Fraction(terms.free_units) + Fraction(terms.included) * part.share)


def _amount(rated: Rated, currency: Currency) -> Decimal:
    return exact.rounded(rated.amount, currency.minor_digits)
