"""Meters: what of the ledger is counted for a customer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import Field as Member

from carbonledger.domains.catalog import service, types
from carbonledger.domains.catalog.service import metering
from carbonledger.domains.catalog.types.meters import Aggregation, Dimension, Field, Filter, Measure, Meter
from carbonledger.domains.telemetry import types as telemetry_types
from carbonledger.entrypoints.rest import measures, routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import decimals, page
from carbonledger.kernel.errors import Problem

router = routing.Router(prefix="/v1/meters", tag="Catalog")

_READ: Final = access.scope("catalog:read")
_WRITE: Final = access.scope("catalog:write")
_PREFIX: Final = "properties."
_SENT: Final[dict[str, Any]] = {
    "code": "output-tokens",
    "name": "Output tokens",
    "aggregation": "sum",
    "measure": "output",
    "filters": [{"field": "provider", "values": ["openai"], "excluded": False}],
    "group_by": ["model"],
}
_EXAMPLE: Final[dict[str, Any]] = {
    "id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0f11",
    **_SENT,
    "event": None,
    "property": None,
    "unique": None,
    "recurring": False,
    "created_at": "2026-11-01T09:00:00Z",
    "updated_at": "2026-11-01T09:00:00Z",
    "archived_at": None,
}
_Name = Annotated[str, Member(max_length=1000, description="1 to 200 printable characters.")]
_Text = Annotated[str, Member(max_length=1000)]
_Label = Annotated[
    str,
    Member(
        max_length=1000,
        description=f"{', '.join(one.value for one in Field if one is not Field.PROPERTY)}, or properties. and the name of a property.",
        examples=["model"],
    ),
]


class FilterIn(shapes.In):
    """Only events whose field has one of the values."""

    field: _Label
    values: Annotated[list[_Text], Member(max_length=1000, description="1 to 50.")]
    excluded: bool = Member(default=False, description="Only events whose field has none of the values, or nothing at all.")


class MeterIn(shapes.In):
    """A meter to make."""

    code: Annotated[str, Member(max_length=1000, description="Your own name for it, which charges give.")]
    name: _Name
    aggregation: Aggregation = Member(
        description="count: events. sum, max, latest: of the measure. unique: different values. "
        "weighted_sum: the running sum of the measure, weighted with the time for which it stood."
    )
    event: _Text | None = Member(default=None, description="The name of metered events. Not given: usage of models.")
    measure: Measure | None = Member(
        default=None,
        description="What of an event is measured: for usage tokens, cost (USD), CO2e (g) or energy (Wh); quantity of metered events.",
    )
    property: _Text | None = Member(default=None, description="Which property, where the measure is property.")
    unique: _Label | None = Member(default=None, description="Whose different values are counted.")
    recurring: bool = Member(default=False, description="Whether a weighted sum goes on with what stood at the end of the period before.")
    filters: Annotated[list[FilterIn], Member(max_length=100, description="At most 10; all of them hold.")] = Member(default_factory=list)
    group_by: Annotated[list[_Label], Member(max_length=100, description="At most 4.")] = Member(default_factory=list)


class MeterChangeIn(shapes.In):
    """What to change. What a meter counts never changes: bills rest on it."""

    name: _Name | None = None


class FilterOut(shapes.Out):
    """Only events whose field has one of the values, or none of them."""

    field: str
    values: list[str]
    excluded: bool


class MeterOut(shapes.Out):
    """What is counted."""

    id: UUID
    code: str
    name: str
    aggregation: Aggregation
    event: str | None
    measure: Measure | None
    property: str | None
    unique: str | None
    recurring: bool
    filters: list[FilterOut]
    group_by: list[str]
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class GroupOut(shapes.Out):
    """The quantity of one group."""

    values: dict[str, str | None] = Member(description="By the meter's `group_by`; null where an event has none.")
    quantity: str
    events: int


class MeterUsageOut(shapes.Out):
    """What a meter says of an account in a period."""

    period: measures.PeriodOut
    account: str
    quantity: str
    events: int = Member(description="How many events it rests on.")
    skipped: int = Member(description="How many events have a property that is no number.")
    groups: list[GroupOut] = Member(description="Largest first. For max, latest and unique they do not add up.")


def _dimension(problems: list[Problem], pointer: str, label: str) -> Dimension | None:
    if label.startswith(_PREFIX):
        return Dimension(Field.PROPERTY, label.removeprefix(_PREFIX))
    try:
        field = Field(label)
    except ValueError:
        field = Field.PROPERTY
    if field is Field.PROPERTY:
        problems.append(Problem(pointer, "field_unknown", "Name a field of events, or properties. and the name of a property."))
        return None
    return Dimension(field)


def from_api_meter(body: MeterIn, *, now: datetime) -> Meter:
    """Return the meter that is wanted. Raises ``MeterInvalid`` with what can't be read of it."""
    problems: list[Problem] = []
    filters = [(_dimension(problems, f"/filters/{place}/field", one.field), one) for place, one in enumerate(body.filters)]
    groups = [_dimension(problems, f"/group_by/{place}", label) for place, label in enumerate(body.group_by)]
    unique = None if body.unique is None else _dimension(problems, "/unique", body.unique)
    if problems:
        raise types.MeterInvalid(" ".join(dict.fromkeys(one.detail for one in problems)), problems=tuple(problems))
    return Meter(
        id=UUID(int=0),
        code=body.code,
        name=body.name,
        aggregation=body.aggregation,
        event=body.event,
        measure=body.measure,
        property_name=body.property,
        unique=unique,
        recurring=body.recurring,
        filters=tuple(Filter(dimension, tuple(one.values), one.excluded) for dimension, one in filters if dimension is not None),
        group_by=tuple(one for one in groups if one is not None),
        created_at=now,
        updated_at=now,
    )


def to_api_meter(meter: Meter) -> MeterOut:
    """Return a meter as callers see it."""
    return MeterOut(
        id=meter.id,
        code=meter.code,
        name=meter.name,
        aggregation=meter.aggregation,
        event=meter.event,
        measure=meter.measure,
        property=meter.property_name,
        unique=None if meter.unique is None else meter.unique.label,
        recurring=meter.recurring,
        filters=[FilterOut(field=one.dimension.label, values=list(one.values), excluded=one.excluded) for one in meter.filters],
        group_by=[one.label for one in meter.group_by],
        created_at=meter.created_at,
        updated_at=meter.updated_at,
        archived_at=meter.archived_at,
    )


@router.post(
    "",
    access=_WRITE,
    status_code=201,
    summary="Make a meter",
    operation_id="createMeter",
    examples={"request": _SENT, "response": _EXAMPLE},
    errors=(types.MeterInvalid, types.MeterCodeTaken),
)
async def create_meter(call: routing.CallDep, body: MeterIn) -> MeterOut:
    """Make a meter, which charges of plans name by its code."""
    made = await service.create_meter(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        meter=from_api_meter(body, now=call.now),
    )
    call.created(f"/v1/meters/{made.id}")
    return to_api_meter(made)


@router.get(
    "",
    access=_READ,
    summary="List meters",
    operation_id="listMeters",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_meters(
    call: routing.CallDep,
    *,
    archived: Annotated[bool, Query(description="Those that were deleted, instead of those in use.")] = False,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[MeterOut]:
    """List meters, newest first."""
    found = await service.list_meters(
        call.uow,
        organization_id=call.caller.organization_id,
        page=call.page(limit=limit, cursor=cursor, parts=1),
        archived=archived,
    )
    return shapes.ListOut[MeterOut](data=[to_api_meter(meter) for meter in found.data], next_cursor=found.next_cursor)


@router.get(
    "/{meter_id}",
    access=_READ,
    summary="Show a meter",
    operation_id="getMeter",
    examples={"response": _EXAMPLE},
    errors=(types.MeterNotFound,),
)
async def get_meter(call: routing.CallDep, meter_id: UUID) -> MeterOut:
    """Return one meter, also one that was deleted."""
    return to_api_meter(await service.find_meter(call.uow, organization_id=call.caller.organization_id, meter_id=meter_id))


@router.get(
    "/{meter_id}/usage",
    access=_READ,
    summary="Read a meter",
    operation_id="getMeterUsage",
    examples={
        "response": {
            "period": measures.PERIOD_EXAMPLE,
            "account": "customer-17",
            "quantity": "1284030",
            "events": 412,
            "skipped": 0,
            "groups": [{"values": {"model": "gpt-4o"}, "quantity": "1284030", "events": 412}],
        }
    },
    errors=(types.MeterNotFound, telemetry_types.PeriodInvalid),
)
async def get_meter_usage(
    call: routing.CallDep,
    meter_id: UUID,
    *,
    account: Annotated[str, Query(min_length=1, max_length=200, description="The external id of an account, as its usage carries it.")],
    start: measures.From = None,
    end: measures.To = None,
) -> MeterUsageOut:
    """Return what a meter says of an account in a period, at once also of what was used a moment ago: what a bill would be made of."""
    organization_id = call.caller.organization_id
    asked = measures.asked(call, start, end)
    meter = await service.find_meter(call.uow, organization_id=organization_id, meter_id=meter_id)
    request = types.Request(meter, account, asked.period.start, asked.end)
    [found] = await metering.quantities(call.uow, organization_id=organization_id, requests=[request])
    labels = [one.label for one in meter.group_by]
    return MeterUsageOut(
        period=measures.to_api_period(asked),
        account=account,
        quantity=decimals.to_api_decimal(found.usage.quantity),
        events=found.usage.event_count or 0,
        skipped=found.skipped,
        groups=[
            GroupOut(
                values=dict(zip(labels, group.values, strict=True)),
                quantity=decimals.to_api_decimal(group.quantity),
                events=group.events,
            )
            for group in found.groups
        ],
    )


@router.patch(
    "/{meter_id}",
    access=_WRITE,
    summary="Rename a meter",
    operation_id="changeMeter",
    examples={"request": {"name": "Tokens out"}, "response": {**_EXAMPLE, "name": "Tokens out"}},
    errors=(types.MeterNotFound,),
)
async def change_meter(call: routing.CallDep, meter_id: UUID, body: MeterChangeIn) -> MeterOut:
    """Give a meter another name."""
    organization_id = call.caller.organization_id
    if body.name is None:
        return to_api_meter(await service.find_meter(call.uow, organization_id=organization_id, meter_id=meter_id))
    changed = await service.rename_meter(
        call.uow, actor=call.actor, now=call.now, organization_id=organization_id, meter_id=meter_id, name=body.name
    )
    return to_api_meter(changed)


@router.delete(
    "/{meter_id}",
    access=_WRITE,
    status_code=204,
    summary="Delete a meter",
    operation_id="deleteMeter",
    errors=(types.MeterNotFound, types.MeterInUse),
)
async def delete_meter(call: routing.CallDep, meter_id: UUID) -> None:
    """Delete a meter that no version of a plan charges by. Its code is free again.

    While one does, the answer is 409, and its member `plans` has up to 20 of their codes.
    """
    await service.archive_meter(call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, meter_id=meter_id)
