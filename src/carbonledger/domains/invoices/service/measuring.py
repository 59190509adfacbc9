"""What was used of what is to be billed: one question to the meters for all charges of a batch, with what shows the answer later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carbonledger.domains.accounts.types import Account
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog.service import metering
from carbonledger.domains.catalog.types import Charge, Meter, MeterNotFound, Request
from carbonledger.domains.invoices.core import pieces, usage
from carbonledger.domains.invoices.core.pieces import Measured
from carbonledger.domains.invoices.core.usage import Said
from carbonledger.domains.subscriptions.types import DueCharge
from carbonledger.infra import db
from carbonledger.kernel.period import Period


@dataclass(frozen=True, slots=True)
class Wanted:
    """The usage that is wanted for a cause: what carries an account's name, by a charge, in some stretches of time."""

    cause: str
    account: str | None
    charge: Charge
    stretches: tuple[Period, ...]


def of_due(due: Iterable[DueCharge], *, accounts: Mapping[UUID, Account]) -> list[Wanted]:
    """Return what is wanted for the charges of usage among what is due."""
    return [
        Wanted(one.cause, accounts[one.account_id].external_id, one.charge, one.stretches)
        for one in due
        if one.charge is not None and one.credits is None and pieces.is_usage(one.charge)
    ]


async def measure(uow: db.UnitOfWork, *, now: datetime, organization_id: UUID, wanted: Sequence[Wanted]) -> dict[str, Measured]:
    """Return what was used until ``now``, by cause. An account without an external id has used nothing: no usage carries its name.

    Raises ``MeterNotFound``, ``UsageInvalid``, ``NumberOutOfRange``.
    """
    if not wanted:
        return {}
    meters = await catalog.charge_meters(uow, organization_id=organization_id, charges=_different(wanted))
    asked: list[tuple[str, Period, Request]] = []
    for one in wanted:
        for stretch in _past(one.stretches, now):
            if one.account is not None and stretch.end is not None:
                meter = _meter(meters, one.charge)
                request = metering.request_of(one.charge, meter, account=one.account, start=stretch.start, end=stretch.end)
                asked.append((one.cause, stretch, request))
    requests = [request for _, _, request in asked]
    answers = await metering.quantities(uow, organization_id=organization_id, requests=requests)
    prices = await metering.price_versions(uow, organization_id=organization_id, requests=requests)
    said: dict[str, list[Said]] = {one.cause: [] for one in wanted}
    for (cause, stretch, _), answer, versions in zip(asked, answers, prices, strict=True):
        said[cause].append(Said(stretch, answer.usage, answer.factors, versions))
    return {one.cause: _measured(_meter(meters, one.charge), one.account, said[one.cause], now=now) for one in wanted}


def _different(wanted: Sequence[Wanted]) -> list[Charge]:
    """Return a charge of each meter; hundreds of accounts have the same few."""
    by_meter = {(one.charge.meter_code, pieces.is_usage(one.charge)): one.charge for one in wanted}
    return list(by_meter.values())


def _meter(meters: Mapping[str | None, Meter], charge: Charge) -> Meter:
    found = meters.get(charge.meter_code)
    if found is None:
        raise MeterNotFound(f"There is no meter {charge.meter_code}.")
    return found


def _past(stretches: Iterable[Period], now: datetime) -> list[Period]:
    """Return the parts of stretches that have been."""
    return [one if one.end is not None and one.end <= now else Period(one.start, now) for one in stretches if one.start < now]


def _measured(meter: Meter, account: str | None, said: Sequence[Said], *, now: datetime) -> Measured:
    found = usage.together(meter.aggregation, said)
    return Measured(
        usage=found,
        meter_id=meter.id,
        meter_code=meter.code,
        events=found.event_count,
        digest=usage.digest(meter, account, said),
        factors=usage.versions(one.factors for one in said),
        prices=usage.versions(one.prices for one in said),
        at=now,
        account=account,
    )
