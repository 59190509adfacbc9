"""Periods: an organization's months, open, closing, closed or failed, with what was frozen of each and what was adjusted since."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import Field

from carbonledger.domains.receipts.service import periods as service
from carbonledger.domains.receipts.service import totals as reading
from carbonledger.domains.receipts.types import periods as types
from carbonledger.domains.receipts.types import totals as totals_types
from carbonledger.entrypoints.rest import measures, routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import decimals, page

router = routing.Router(prefix="/v1/periods", tag="Periods")

_ID: Final = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d71"
_NEXT: Final = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d72"
_RANGE: Final = {"low": "0.1", "mid": "0.45", "high": "1.6"}
_TOKENS: Final = {"uncached_input": 1000, "cached_input": 0, "cache_creation_5m": 0, "cache_creation_1h": 0, "output": 500}
_TOTALS: Final[dict[str, Any]] = {
    "events": 2,
    "duplicate_events": 0,
    "metered_events": 0,
    "requests": 2,
    "covered_tokens": _TOKENS,
    "not_covered_tokens": {**_TOKENS, "uncached_input": 0, "output": 0},
    "cost": {"amount": "0.0075", "currency": "USD"},
    "cost_not_covered_events": 0,
    "energy_wh": _RANGE,
    "co2e_g": _RANGE,
    "co2e_market_g": None,
}
_EXAMPLE: Final[dict[str, Any]] = {
    "id": _ID,
    "month": "2026-10",
    "time_zone": "Europe/Berlin",
    "starts_at": "2026-09-30T22:00:00Z",
    "ends_at": "2026-10-31T23:00:00Z",
    "state": "closed",
    "payment": "not_needed",
    "closes_at": "2026-11-02T23:00:00Z",
    "frozen_at": "2026-11-02T23:07:12Z",
    "closed_at": "2026-11-02T23:07:20Z",
    "events": 2,
    "leaves": 2,
    "root": "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "unread": [],
}
_WHOLE: Final[dict[str, Any]] = {
    **_EXAMPLE,
    "totals": _TOTALS,
    "adjustments": [],
    "adjusted": [{"period_id": _ID, "month": "2026-10", "booked_in": _NEXT, "totals": _TOTALS}],
}


class UnreadOut(shapes.Out):
    """A connection that could not be read to the end of the month before it was frozen: what it tells later is an adjustment."""

    connection_id: UUID
    provider: str
    read_to: dt.datetime | None
    code: str | None = Field(description="Why the last poll failed, where it did.")


class PeriodOut(shapes.Out):
    """A month of the organization, from local midnight to local midnight."""

    id: UUID
    month: str = Field(description="Such as `2026-10`.")
    time_zone: str = Field(description="Its zone; a change of the organization's takes effect with the next period.")
    starts_at: dt.datetime
    ends_at: dt.datetime = Field(description="The first instant that is not in it.")
    state: types.State = Field(description="`closing`: over, paid or free, and being closed. `failed`: its payment failed.")
    payment: types.Payment
    closes_at: dt.datetime | None = Field(description="When closing begins: 48 hours after the end, or when it was paid.")
    frozen_at: dt.datetime | None = Field(description="What came later is an adjustment of a later period.")
    closed_at: dt.datetime | None
    events: int | None = Field(description="Events that were frozen, duplicates and metered ones included; null: not frozen yet.")
    leaves: int | None = Field(description="Leaves of the Merkle tree: its events, and those of earlier months that are adjusted here.")
    root: str | None = Field(description="Root of that tree, SHA-256 in hex.")
    unread: list[UnreadOut]


class BucketsOut(shapes.Out):
    """Known tokens by bucket."""

    uncached_input: int
    cached_input: int
    cache_creation_5m: int
    cache_creation_1h: int
    output: int


class PeriodTotalsOut(shapes.Out):
    """Exact sums. Null: nothing of it is known, which is not zero. Of an adjustment they are changes, and may be negative."""

    events: int
    duplicate_events: int = Field(description="In no sum: another source counts them.")
    metered_events: int
    requests: int
    covered_tokens: BucketsOut = Field(description="Tokens that the emissions are of.")
    not_covered_tokens: BucketsOut
    cost: measures.MoneyOut
    cost_not_covered_events: int
    energy_wh: measures.RangeOut | None
    co2e_g: measures.RangeOut | None = Field(description="Gross, by the grid at the place of use.")
    co2e_market_g: measures.RangeOut | None = Field(description="By electricity bought under contract, where all of it is known.")


class AdjustmentOut(shapes.Out):
    """What late events and revisions changed of a month."""

    period_id: UUID
    month: str
    booked_in: UUID | None = Field(description="The period that it is booked in; null: it waits for the next that is frozen.")
    totals: PeriodTotalsOut


class WholePeriodOut(PeriodOut):
    """A period with its sums and adjustments."""

    totals: PeriodTotalsOut | None = Field(description="As frozen, without adjustments; null before. Until then see the telemetry summary.")
    adjustments: list[AdjustmentOut] = Field(description="Of earlier months, booked in this one (or waiting to be).")
    adjusted: list[AdjustmentOut] = Field(description="Of this month, booked in later ones (or waiting to be).")


def _period(period: types.Period) -> dict[str, Any]:
    return {
        "id": period.id,
        "month": f"{period.month:%Y-%m}",
        "time_zone": period.zone,
        **{name: getattr(period, name) for name in ("starts_at", "ends_at", "state", "payment", "closes_at", "frozen_at", "closed_at")},
        "events": period.events,
        "leaves": period.leaves,
        "root": None if period.root is None else period.root.hex(),
        "unread": [UnreadOut(**one) for one in period.unread],
    }


def to_api_period(period: types.Period) -> PeriodOut:
    """Return a period as callers see it."""
    return PeriodOut(**_period(period))


def to_api_totals(totals: totals_types.Totals) -> PeriodTotalsOut:
    """Return sums as callers see them."""
    return PeriodTotalsOut(
        events=totals.events,
        duplicate_events=totals.duplicates,
        metered_events=totals.metered,
        requests=totals.requests,
        covered_tokens=_buckets(totals.covered),
        not_covered_tokens=_buckets(totals.not_covered),
        cost=measures.MoneyOut(amount=decimals.to_api_decimal(totals.cost_usd), currency="USD"),
        cost_not_covered_events=totals.cost_not_covered,
        energy_wh=measures.to_api_quanta(totals.energy),
        co2e_g=measures.to_api_quanta(totals.co2e_location),
        co2e_market_g=measures.to_api_quanta(totals.co2e_market),
    )


def _buckets(tokens: totals_types.Tokens) -> BucketsOut:
    return BucketsOut(**{name: value for name, value in tokens._asdict().items() if name != "unknown"})


def _adjustment(found: totals_types.Adjustment) -> AdjustmentOut:
    return AdjustmentOut(
        period_id=found.period_id, month=f"{found.month:%Y-%m}", booked_in=found.booked_in, totals=to_api_totals(found.totals)
    )


@router.get(
    "",
    access=access.scope("periods:read"),
    summary="List periods",
    operation_id="listPeriods",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_periods(
    call: routing.CallDep,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[PeriodOut]:
    """List the organization's months, the latest first. A month is there within the hour after its first usage, or its beginning."""
    found = await service.list_periods(
        call.uow, organization_id=call.caller.organization_id, page=call.page(limit=limit, cursor=cursor, parts=1)
    )
    return shapes.ListOut[PeriodOut](data=[to_api_period(period) for period in found.data], next_cursor=found.next_cursor)


@router.get(
    "/{period_id}",
    access=access.scope("periods:read"),
    summary="Show a period",
    operation_id="getPeriod",
    examples={"response": _WHOLE},
    errors=(types.PeriodNotFound,),
)
async def get_period(call: routing.CallDep, period_id: UUID) -> WholePeriodOut:
    """Show a month: its sums as they were frozen, and every adjustment. A closed period never changes; adjustments are beside it."""
    found = await reading.show(call.uow, organization_id=call.caller.organization_id, period_id=period_id)
    return WholePeriodOut(
        **_period(found.period),
        totals=None if found.totals is None else to_api_totals(found.totals),
        adjustments=[_adjustment(one) for one in found.booked],
        adjusted=[_adjustment(one) for one in found.moved],
    )


@router.post(
    "/{period_id}/close",
    access=access.scope("periods:write"),
    status_code=202,
    summary="Close a period now",
    operation_id="closePeriod",
    examples={"response": {"job_id": _NEXT, "status_url": f"/v1/jobs/{_NEXT}"}},
    errors=(types.PeriodNotFound, types.PeriodNotOver, types.PeriodUnpaid, types.PeriodWaits, types.PeriodClosed),
)
async def close_period(call: routing.CallDep, period_id: UUID) -> shapes.Accepted:
    """Close a month that is due, without waiting for the schedule: 48 hours after its end, once it is paid where it has to be."""
    job_id = await service.close(call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, period_id=period_id)
    return call.accepted(job_id)
