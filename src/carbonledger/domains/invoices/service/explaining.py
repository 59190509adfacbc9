"""What a line was made of, down to the events: its charge and plan version as they stood, tiers, the meter, each day, each event.

What was billed is what is kept with the line. What the ledger says now is asked anew and told beside it, so that anybody sees whether it is
still the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts_service
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog.service import metering
from carbonledger.domains.catalog.types import Charge, Meter, PlanVersion, charges, documents
from carbonledger.domains.invoices.core import counting, pieces, rating
from carbonledger.domains.invoices.service import collecting, measuring, standing
from carbonledger.domains.invoices.service.measuring import Wanted
from carbonledger.domains.invoices.store import reading
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.invoices import Invoice, Line
from carbonledger.domains.telemetry.service import events as ledger
from carbonledger.domains.telemetry.types.answers import Asked, Filters, Listed
from carbonledger.infra import db
from carbonledger.kernel import page as pages
from carbonledger.kernel import zone as zones
from carbonledger.kernel.period import Period

DAYS_MAX: Final = 400
"""Of one line: a year of days, and some."""


@dataclass(frozen=True, slots=True)
class Day:
    """What was counted on a local day: what the line's price is for, such as the cost or the kilograms."""

    date: date
    quantity: Decimal
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a line of usage rests on. ``digest``, ``counted`` and ``prices`` are what the ledger says now; the line has its own.

    ``prices``: the versions of the price book by which its events are priced, where it rests on providers' prices.
    """

    meter: Meter
    stretches: tuple[Period, ...]
    digest: str | None
    counted: charges.Usage
    days: tuple[Day, ...]
    prices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A line with what it was made of.

    ``version_digest``: SHA-256 over the plan version. ``undone``: the line that it gives back or adds to.
    """

    invoice: Invoice
    line: Line
    charge: Charge | None
    version: PlanVersion | None
    version_digest: str | None
    undone: Line | None
    usage: Usage | None


async def explain(uow: db.UnitOfWork, *, now: datetime, organization_id: UUID, invoice_id: UUID, line_id: UUID) -> Explanation:
    """Explain a line. Raises ``InvoiceNotFound``, ``LineNotFound``."""
    invoice, line = await _found(uow, organization_id=organization_id, invoice_id=invoice_id, line_id=line_id)
    version = None
    if line.plan_version_id is not None:
        found = await catalog.find_versions(uow, organization_id=organization_id, version_ids=[line.plan_version_id])
        version = found.get(line.plan_version_id)
    undone = {} if line.undoes is None else await reading.billed(uow, organization_id=organization_id, causes=[line.undoes])
    charge = pieces.details(line.explained)
    return Explanation(
        invoice=invoice,
        line=line,
        charge=charge,
        version=version,
        version_digest=None if version is None else documents.digest(version).hex(),
        undone=undone.get(line.undoes or ""),
        usage=await _usage(uow, now=now, organization_id=organization_id, invoice=invoice, line=line, charge=charge),
    )


async def events(
    uow: db.UnitOfWork, *, organization_id: UUID, invoice_id: UUID, line_id: UUID, page: pages.PageRequest
) -> pages.Page[Listed]:
    """Return the events that a line of usage counted, the latest first; none for another line. A page may have fewer than asked for.

    Raises ``InvoiceNotFound``, ``LineNotFound``, ``CursorUnreadable``.
    """
    invoice, line = await _found(uow, organization_id=organization_id, invoice_id=invoice_id, line_id=line_id)
    charge, stretches = pieces.details(line.explained), pieces.stretches(line.explained)
    account = await accounts_service.find(uow, organization_id=organization_id, account_id=invoice.account_id)
    label = collecting.named(line, account)
    if charge is None or not stretches or label is None:
        return pages.Page((), None)
    meters = await catalog.charge_meters(uow, organization_id=organization_id, charges=[charge])
    found = await ledger.list_events(
        uow,
        organization_id=organization_id,
        asked=Asked(period=Period(stretches[0].start, stretches[-1].end), time_zone=account.time_zone, is_default=False),
        filters=Filters(account=label),
        facts=None,
        page=page,
    )
    meter = meters[charge.meter_code]
    counted = tuple(one for one in found.data if counting.is_counted(one.event, meter, stretches))
    return pages.Page(counted, found.next_cursor)


async def _found(uow: db.UnitOfWork, *, organization_id: UUID, invoice_id: UUID, line_id: UUID) -> tuple[Invoice, Line]:
    invoice = await standing.find(uow, organization_id=organization_id, invoice_id=invoice_id)
    line = await reading.line(uow, organization_id=organization_id, invoice_id=invoice_id, line_id=line_id)
    if line is None:
        raise types.LineNotFound(f"There is no line {line_id} on invoice {invoice_id}.")
    return invoice, line


async def _usage(
    uow: db.UnitOfWork,
    *,
    now: datetime,
    organization_id: UUID,
    invoice: Invoice,
    line: Line,
    charge: Charge | None,
) -> Usage | None:
    stretches = pieces.stretches(line.explained)
    if charge is None or not pieces.is_usage(charge) or not stretches:
        return None
    meters = await catalog.charge_meters(uow, organization_id=organization_id, charges=[charge])
    meter = meters[charge.meter_code]
    account = await accounts_service.find(uow, organization_id=organization_id, account_id=invoice.account_id)
    wanted = Wanted(line.cause, collecting.named(line, account), charge, stretches)
    measured = await measuring.measure(uow, now=now, organization_id=organization_id, wanted=[wanted])
    return Usage(
        meter=meter,
        stretches=stretches,
        digest=measured[line.cause].digest,
        counted=measured[line.cause].usage,
        prices=measured[line.cause].prices,
        days=await _days(uow, organization_id=organization_id, wanted=wanted, meter=meter, zone=invoice.zone),
    )


async def _days(uow: db.UnitOfWork, *, organization_id: UUID, wanted: Wanted, meter: Meter, zone: str) -> tuple[Day, ...]:
    """Return each local day of the stretches on which something was used."""
    account = wanted.account
    if account is None:
        return ()
    days = _split(wanted.stretches, zone)
    requests = [
        metering.request_of(wanted.charge, meter, account=account, start=part.start, end=part.end)
        for _, part in days
        if part.end is not None
    ]
    answers = await metering.quantities(uow, organization_id=organization_id, requests=requests)
    model = wanted.charge.model
    found = [Day(day, rating.measured(model, one.usage), one.usage.event_count or 0) for (day, _), one in zip(days, answers, strict=True)]
    return tuple(one for one in found if one.events)


def _split(stretches: Sequence[Period], zone: str) -> list[tuple[date, Period]]:
    """Return the parts of stretches by local days, at most ``DAYS_MAX``."""
    place = zones.named(zone)
    parts: list[tuple[date, Period]] = []
    for stretch in stretches:
        start = stretch.start
        while stretch.end is not None and start < stretch.end and len(parts) < DAYS_MAX:
            day = zones.local_date(start, place)
            end = min(zones.midnight(day + timedelta(days=1), place), stretch.end)
            if end <= start:  # a day that the zone's clocks made longer than its calendar says
                end = stretch.end
            parts.append((day, Period(start, end)))
            start = end
    return parts
