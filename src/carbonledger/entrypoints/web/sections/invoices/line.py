"""One line explained: its charge and plan version as they stood, tier by tier, the meter, each day, and each event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog.types import Charge
from carbonledger.domains.catalog.types.charges import Carbon, CostPlus
from carbonledger.domains.invoices.service import explaining
from carbonledger.domains.invoices.service.explaining import Explanation
from carbonledger.domains.invoices.types import days
from carbonledger.domains.telemetry.types.answers import Listed
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import exchange
from carbonledger.entrypoints.web import routes, screens
from carbonledger.entrypoints.web.sections.invoices import one, pages, shown, wording
from carbonledger.infra import db
from carbonledger.kernel import humane
from carbonledger.kernel import zone as zones
from carbonledger.kernel.humane import Shown
from carbonledger.kernel.period import Period

router = routes.Router()
_EVENTS: Final = 50
_LATE: Final = {
    "Less what was billed of it before, or let go": "billed",
    "Not given back, since it was off and never paid": "kept",
}


@dataclass(frozen=True, slots=True)
class Day:
    """What was counted on a day, and its share of the most."""

    day: str
    quantity: str
    events: str
    share: Decimal


@dataclass(frozen=True, slots=True)
class Counted:
    """An event that was counted. ``cost`` None: not covered."""

    listed: Listed
    name: str
    provider: str
    quantity: str
    cost: Shown | None


@router.page(pages.PATH + "/{invoice_id}/lines/{line_id}", pages.READ)
async def line(call: routing.CallDep, invoice_id: UUID, line_id: UUID) -> exchange.Answer:
    """Explain a line."""
    organization_id = call.caller.organization_id
    async with screens.reading(call) as uow:
        found = await explaining.explain(uow, now=call.now, organization_id=organization_id, invoice_id=invoice_id, line_id=line_id)
        events = await explaining.events(
            uow,
            organization_id=organization_id,
            invoice_id=invoice_id,
            line_id=line_id,
            page=call.page(limit=_EVENTS, cursor=screens.query(call).given("cursor"), parts=2),
        )
        known = await one.names(call, uow, [found.line])
        return await screens.show(
            call,
            uow,
            "invoices/line.html",
            section="invoices",
            title=found.line.description,
            found=found,
            line=found.line,
            name=wording.name(found.invoice),
            is_issued=found.invoice.issued is not None,
            row=shown.row(found.invoice, found.line),
            kind=wording.KINDS[found.line.kind],
            currency=found.invoice.currency.code,
            document_zone=found.invoice.zone,
            service=shown.service(found.invoice, found.line),
            subscription=known.get(found.line.subscription_id) if found.line.subscription_id else None,
            plan=await _plan(call, uow, found),
            facts=list(_facts(found)),
            steps=list(_steps(found)),
            undone=None if found.undone is None else shown.row(found.invoice, found.undone),
            days=_days(found),
            co2e=None if found.usage is None else shown.co2e(found.usage.counted),
            bound=_bound(found.charge),
            cost=_cost(found),
            stretches=_stretches(found),
            is_unchanged=found.usage is not None and found.usage.digest == found.line.explained.digest,
            events=[_event(each) for each in events.data],
            next_cursor=events.next_cursor,
        )


async def _plan(call: routing.Call, uow: db.UnitOfWork, found: Explanation) -> tuple[UUID, str] | None:
    if found.version is None:
        return None
    plans = await catalog.find_plans(uow, organization_id=call.caller.organization_id, plan_ids=[found.version.plan_id], now=call.now)
    return next(((plan.id, plan.name) for plan in plans.values()), None)


def _facts(found: Explanation) -> Iterable[tuple[str, str]]:
    """Yield what the charge says, in words."""
    charge, currency = found.charge, found.invoice.currency
    if charge is None:
        return
    yield "Price", wording.MODELS.get(charge.model.name, charge.model.name)
    if isinstance(charge.model, CostPlus):
        yield "Margin", f"{shown.number(charge.model.markup_percent)} %"
        for kind, percent in charge.model.by_token_kind.items():
            yield f"Margin on {kind.value.replace('_', ' ')}", f"{shown.number(percent)} %"
    if isinstance(charge.model, Carbon):
        yield "Price of a kilogram", f"{shown.money(charge.model.price_per_kg, currency)} {currency.code}"
        yield "Which estimate is charged", charge.model.bound.value
    if charge.included:
        yield "Included", f"{shown.number(charge.included)}{' for each seat' if charge.per_seat else ''}"
    if charge.free_units:
        yield "Free units", shown.number(charge.free_units)
    for words, amount in (("Minimum", charge.minimum), ("Maximum", charge.maximum)):
        if amount is not None:
            yield words, f"{shown.money(amount, currency)} {currency.code}"


def _steps(found: Explanation) -> Iterable[tuple[str, str]]:
    """Yield how the amount came about, step by step, from what is kept with the line."""
    kept, line, currency = found.line.explained.rated, found.line, found.invoice.currency
    rated = kept.get("rated")
    if rated is not None:
        unit = shown.row(found.invoice, line).quantity.unit
        yield "Measured" if found.usage else "Quantity", f"{shown.number(rated['quantity'])} {unit}".strip()
        if rated["billable"] != rated["quantity"] and found.usage:
            yield "Left after what is free or included", f"{shown.number(rated['billable'])} {unit}".strip()
        yield "By its price", f"{shown.number(rated['priced'])} {currency.code}"
        if rated["bounded"]:
            yield f"Held at the {rated['bounded']}", f"{shown.number(rated['amount'])} {currency.code}"
    part = days.part(line)
    if part is not None:
        yield "Part of the period", wording.part(*part)
    for off in kept.get("discounts", ()):
        yield "Discount", f"{shown.number(off['percent'])} %" if "percent" in off else f"{shown.number(off['amount'])} {currency.code}"
    yield from ((words, f"{shown.number(kept[name])} {currency.code}") for words, name in _LATE.items() if name in kept)
    yield "Unrounded", f"{shown.number(line.unrounded)} {currency.code}"
    yield "On the document, rounded half up once", f"{shown.money(line.amount, currency)} {currency.code}"
    beside = (
        ("Its part of the discount on the document", line.discount),
        ("Its part of the tax", line.tax),
        ("Tax inside the amount", line.tax_included),
    )
    yield from ((words, f"{shown.money(amount, currency)} {currency.code}") for words, amount in beside if amount)


def _days(found: Explanation) -> list[Day]:
    if found.usage is None:
        return []
    most = humane.most(day.quantity for day in found.usage.days)
    return [
        Day(wording.day(day.date), shown.number(day.quantity), f"{day.events:,}", humane.share(day.quantity, most))
        for day in found.usage.days
    ]


def _cost(found: Explanation) -> Shown | None:
    """Return what providers charged for the usage, as the ledger says now; None where the price doesn't ask for it."""
    cost = None if found.usage is None else found.usage.counted.metered_cost
    return None if cost is None else humane.USD.show(cost)


def _bound(charge: Charge | None) -> str:
    return charge.model.bound.value if charge is not None and isinstance(charge.model, Carbon) else ""


def _stretches(found: Explanation) -> list[str]:
    zone = zones.named(found.invoice.zone)
    return [] if found.usage is None else [wording.days(Period(one.start, one.end), zone) for one in found.usage.stretches]


def _event(listed: Listed) -> Counted:
    event = listed.event
    return Counted(
        listed=listed,
        name=event.series.model or event.series.event or "",
        provider=event.series.provider or "metered",
        quantity="" if event.quantity is None else shown.number(event.quantity),
        cost=None if event.cost_amount is None else humane.USD.show(event.cost_amount),
    )
