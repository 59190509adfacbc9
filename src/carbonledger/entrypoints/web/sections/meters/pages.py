"""Meters: the list, making one, and what one says of each account at this moment."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog import service, types
from carbonledger.domains.catalog.service import metering
from carbonledger.domains.catalog.types.meters import Aggregation, Field, Measure, Meter, Request
from carbonledger.entrypoints.rest import meters as api
from carbonledger.entrypoints.rest import problems, routing
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.entrypoints.web import chosen as periods
from carbonledger.entrypoints.web import forms, routes, screens
from carbonledger.infra import db
from carbonledger.kernel import decimals, errors, humane, page
from carbonledger.kernel.humane import Shown

router = routes.Router()
_READ: Final = access.scope("catalog:read")
_WRITE: Final = access.scope("catalog:write")
_LIVE_ACCOUNTS: Final = 100  # the newest: a page that is read at a glance, and asked for again every few seconds
_DONE: Final = {"made": "The meter is made. Charges name it by its code.", "renamed": "Renamed.", "archived": "The meter is archived."}
WORDS: Final = {
    Aggregation.COUNT: "Number of events",
    Aggregation.SUM: "Sum",
    Aggregation.MAX: "Largest",
    Aggregation.UNIQUE: "Different values",
    Aggregation.LATEST: "Latest",
    Aggregation.WEIGHTED_SUM: "Sum over time",
}
MEASURES: Final = {
    Measure.REQUESTS: "requests",
    Measure.TOKENS: "tokens",
    Measure.INPUT: "input tokens",
    Measure.UNCACHED_INPUT: "uncached input tokens",
    Measure.CACHED_INPUT: "cached input tokens",
    Measure.CACHE_CREATION_5M: "tokens written to a cache (5 minutes)",
    Measure.CACHE_CREATION_1H: "tokens written to a cache (1 hour)",
    Measure.OUTPUT: "output tokens",
    Measure.REASONING: "reasoning tokens",
    Measure.COST: "provider cost, USD",
    Measure.CO2E_LOW: "CO2e, low, g",
    Measure.CO2E_MID: "CO2e, mid, g",
    Measure.CO2E_HIGH: "CO2e, high, g",
    Measure.ENERGY_LOW: "energy, low, Wh",
    Measure.ENERGY_MID: "energy, mid, Wh",
    Measure.ENERGY_HIGH: "energy, high, Wh",
    Measure.QUANTITY: "quantity of metered events",
    Measure.PROPERTY: "a property of the event",
}
_FIELDS: Final = tuple(field.value for field in Field if field is not Field.PROPERTY)


def said(meter: Meter) -> str:
    """Return what a meter counts, in words."""
    words = WORDS[meter.aggregation]
    if meter.measure is not None:
        words += f" of {MEASURES[meter.measure]}"
    if meter.property_name is not None:
        words += f" ({meter.property_name})"
    if meter.unique is not None:
        words += f" of {meter.unique.label}"
    return words + (f", of events “{meter.event}”" if meter.event is not None else ", of usage of models")


@dataclass(frozen=True, slots=True)
class Row:
    """What a meter says of one account."""

    account_id: UUID
    name: str
    external_id: str
    quantity: Shown
    events: int
    skipped: int
    largest: str


@router.page("/meters", _READ)
async def meters(call: routing.CallDep) -> exchange.Answer:
    """Show the meters."""
    fields = screens.query(call)
    request = call.page(limit=page.LIMIT_DEFAULT, cursor=fields.given("cursor"), parts=1)
    archived = fields.text("archived") == "yes"
    async with screens.reading(call) as uow:
        found = await service.list_meters(uow, organization_id=call.caller.organization_id, page=request, archived=archived)
        return await screens.show(
            call,
            uow,
            "meters/list.html",
            section="meters",
            title="Meters",
            meters=[(one, said(one)) for one in found.data],
            next_cursor=found.next_cursor,
            archived=archived,
            done=_DONE.get(fields.text("done"), ""),
        )


@router.page("/meters/new", _WRITE)
async def new_meter(call: routing.CallDep) -> exchange.Answer:
    """Show the form for a meter."""
    async with screens.reading(call) as uow:
        return await _form(call, uow, forms.Refused())


async def _form(call: routing.Call, uow: db.UnitOfWork, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    return await screens.show(
        call,
        uow,
        "meters/form.html",
        section="meters",
        title="Make a meter",
        path="/meters/new",
        status=status,
        refused=refused,
        aggregations=[(one.value, words) for one, words in WORDS.items()],
        measures=[("", "nothing: events are counted"), *((one.value, words) for one, words in MEASURES.items())],
        fields=_FIELDS,
    )


@router.act("/meters", _WRITE)
async def make_meter(call: routing.CallDep) -> exchange.Answer:
    """Make a meter."""
    fields = screens.sent(call)

    async def make(uow: db.UnitOfWork) -> str:
        meter = api.from_api_meter(_sent(fields), now=call.now)
        made = await service.create_meter(
            uow, actor=call.actor, now=call.now, at=call.at, organization_id=call.caller.organization_id, meter=meter
        )
        return f"/meters/{made.id}?done=made"

    async def refusal(fault: errors.Fault) -> exchange.Answer:
        only = "code" if isinstance(fault, types.MeterCodeTaken) else None
        async with screens.reading(call) as uow:
            return await _form(call, uow, forms.refused(fault, fields, only=only), status=problems.status_of(fault))

    return await screens.attempt(call, make, refusal)


def _sent(fields: forms.Fields) -> api.MeterIn:
    """Return the form as the API would be sent it."""
    try:
        aggregation = Aggregation(fields.text("aggregation"))
        measure = Measure(fields.text("measure")) if fields.given("measure") else None
    except ValueError:
        raise errors.invalid("/aggregation", "unknown", "Choose one of the list.") from None
    values = [value.strip() for value in fields.text("values").split(",") if value.strip()]
    filtered = fields.given("filters")
    return api.MeterIn(
        code=forms.code(dict(fields.pairs)),
        name=fields.text("name"),
        aggregation=aggregation,
        event=fields.given("event"),
        measure=measure,
        property=fields.given("property"),
        unique=fields.given("unique"),
        recurring=fields.text("recurring") == "yes",
        filters=[api.FilterIn(field=filtered, values=values, excluded=fields.text("excluded") == "yes")] if filtered else [],
        group_by=[label.strip() for label in fields.text("group_by").split(",") if label.strip()],
    )


@router.page("/meters/{meter_id}", _READ)
async def meter(call: routing.CallDep, meter_id: UUID) -> exchange.Answer:
    """Show a meter, and what it says of each account."""
    return await _detail(call, meter_id, forms.Refused())


async def _detail(call: routing.Call, meter_id: UUID, refused: forms.Refused, *, status: int = 200) -> exchange.Answer:
    fields = screens.query(call)
    chosen = periods.read(call, fields)
    organization_id = call.caller.organization_id
    async with screens.reading(call) as uow:
        found = await service.find_meter(uow, organization_id=organization_id, meter_id=meter_id)
        path = f"/meters/{meter_id}"
        return await screens.show(
            call,
            uow,
            "meters/detail.html",
            section="meters",
            title=found.name,
            path=path,
            status=status,
            chosen=chosen,
            refused=refused,
            done=_DONE.get(fields.text("done"), ""),
            meter=found,
            said=said(found),
            rows=await _rows(call, uow, found, chosen) if call.actor.may("accounts:read") else None,
            at=call.now,
        )


async def _rows(call: routing.Call, uow: db.UnitOfWork, meter: Meter, chosen: periods.Chosen) -> list[Row]:
    """Return what the meter says of the newest accounts, largest first."""
    organization_id = call.caller.organization_id
    listed = await accounts.some(uow, organization_id=organization_id, page=page.PageRequest(limit=_LIVE_ACCOUNTS))
    named = [(one, one.external_id) for one in listed.data if one.external_id is not None]
    requests = [Request(meter, external_id, chosen.asked.period.start, chosen.asked.end) for _, external_id in named]
    answers = await metering.quantities(uow, organization_id=organization_id, requests=requests)
    ranked = sorted(zip(named, answers, strict=True), key=lambda pair: pair[1].usage.quantity, reverse=True)
    return [
        Row(
            account_id=account.id,
            name=account.name,
            external_id=external_id,
            quantity=_shown(answer),
            events=answer.usage.event_count or 0,
            skipped=answer.skipped,
            largest=", ".join(value or "none" for value in answer.groups[0].values) if answer.groups else "",
        )
        for (account, external_id), answer in ranked
    ]


def _shown(answer: types.Quantity) -> Shown:
    exact = decimals.to_api_decimal(answer.usage.quantity)
    return Shown(number=humane.COUNT.show(answer.usage.quantity).text, unit="", exact=exact)


@router.act("/meters/{meter_id}", _WRITE)
async def rename(call: routing.CallDep, meter_id: UUID) -> exchange.Answer:
    """Give a meter another name."""
    fields = screens.sent(call)

    async def named(uow: db.UnitOfWork) -> str:
        await service.rename_meter(
            uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, meter_id=meter_id, name=fields.text("name")
        )
        return f"/meters/{meter_id}?done=renamed"

    return await screens.attempt(call, named, functools.partial(_refusal, call, meter_id))


@router.act("/meters/{meter_id}/archive", _WRITE)
async def archive(call: routing.CallDep, meter_id: UUID) -> exchange.Answer:
    """Archive a meter."""

    async def archived(uow: db.UnitOfWork) -> str:
        await service.archive_meter(uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, meter_id=meter_id)
        return "/meters?done=archived"

    return await screens.attempt(call, archived, functools.partial(_refusal, call, meter_id))


async def _refusal(call: routing.Call, meter_id: UUID, fault: errors.Fault) -> exchange.Answer:
    return await _detail(call, meter_id, forms.refused(fault, screens.sent(call)), status=problems.status_of(fault))
