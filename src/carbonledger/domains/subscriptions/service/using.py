"""What was used of a subscription in its current period, charge by charge: what would be billed if it ended now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog.service import metering
from carbonledger.domains.catalog.types import Charge, Meter, Request
from carbonledger.domains.subscriptions.core import charging, using, writing
from carbonledger.domains.subscriptions.service import finding
from carbonledger.domains.subscriptions.types import View
from carbonledger.infra import db
from carbonledger.kernel.period import Period


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """The usage of one charge: by stretches in order, and together (None where that doesn't follow from the stretches)."""

    charge: Charge
    meter: Meter
    quantity: Decimal | None
    stretches: tuple[tuple[Period, Decimal], ...]


async def usage(uow: db.UnitOfWork, *, organization_id: UUID, now: datetime, subscription_id: UUID) -> tuple[View, tuple[Used, ...]]:
    """Return a subscription with what was used in its current period until ``now``, by charge in the plan's order.

    Nothing in a trial, before the start and after the end. Usage is found by the account's external id. Raises ``SubscriptionNotFound``,
    ``NumberOutOfRange``.
    """
    view = await finding.find(uow, organization_id=organization_id, now=now, subscription_id=subscription_id)
    one = view.subscription
    versions = await finding.versions_of(uow, organization_id=organization_id, subscription=one)
    books = writing.Books(subscription_id=one.id, account_id=one.account_id, versions=versions)
    open_ = charging.usage_so_far(one.facts, books, at=now)
    account = await accounts.find(uow, organization_id=organization_id, account_id=one.account_id)
    meters = await catalog.charge_meters(uow, organization_id=organization_id, charges=[charge for charge, _ in open_])
    asked: list[Request] = []
    for charge, stretches in open_:
        if account.external_id is not None:
            asked += [
                metering.request_of(charge, meters[charge.meter_code], account=account.external_id, start=part.start, end=part.end or now)
                for part in stretches
            ]
    answers = iter(await metering.quantities(uow, organization_id=organization_id, requests=asked))
    used = []
    for charge, stretches in open_:
        meter = meters[charge.meter_code]
        parts = tuple((part, next(answers).usage.quantity if account.external_id is not None else Decimal(0)) for part in stretches)
        together = using.together(meter.aggregation, [quantity for _, quantity in parts])
        used.append(Used(charge=charge, meter=meter, quantity=together, stretches=parts))
    return view, tuple(used)
