"""What a provider reports that it charges, beside our own costs of the same connection."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final
from uuid import UUID

from pydantic import Field

from carbonledger.domains.connections import types
from carbonledger.domains.connections.service import costs
from carbonledger.domains.telemetry import types as telemetry_types
from carbonledger.domains.telemetry.types import answers
from carbonledger.entrypoints.rest import measures, routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import money

router = routing.Router(prefix="/v1/connections", tag="Connections")

_DAY: Final[dict[str, Any]] = {
    "date": "2026-11-01",
    "reported": {"amount": "12.41", "currency": "USD"},
    "computed": {"amount": "12.4038", "currency": "USD"},
    "difference": {"amount": "-0.0062", "currency": "USD"},
    "read_at": "2026-11-02T03:00:00Z",
}


class ComparedDayOut(shapes.Out):
    """One day of the provider's cost report."""

    date: dt.date = Field(description="UTC, as providers report.")
    reported: measures.MoneyOut = Field(description="All items of the provider's report, also those that are not counted in tokens.")
    computed: measures.MoneyOut | None = Field(description="Ours, by the price book; null: nothing of it is covered.")
    difference: measures.MoneyOut | None = Field(description="Ours less theirs; null where one is missing or in another currency.")
    read_at: dt.datetime = Field(description="When the provider last said so.")


class ConnectionCostsOut(shapes.Out):
    """A provider's own costs beside ours."""

    period: measures.PeriodOut
    days: list[ComparedDayOut] = Field(description="Days wholly in the period that the provider has reported of, in order.")


def to_api_day(day: types.ComparedDay) -> ComparedDayOut:
    """Return a day as callers see it."""
    return ComparedDayOut(
        date=day.reported.day,
        reported=measures.MoneyOut(**money.to_api_money(day.reported.amount)),
        computed=measures.to_api_usd(day.computed),
        difference=measures.to_api_usd(day.difference),
        read_at=day.reported.read_at,
    )


@router.get(
    "/{connection_id}/costs",
    access=access.scope("connections:read"),
    summary="Compare costs with the provider's own",
    operation_id="getConnectionCosts",
    examples={"response": {"period": measures.PERIOD_EXAMPLE, "days": [_DAY]}},
    errors=(types.ConnectionNotFound, telemetry_types.PeriodInvalid, answers.AnswerTooLarge),
)
async def get_connection_costs(
    call: routing.CallDep, connection_id: UUID, *, start: measures.From = None, end: measures.To = None
) -> ConnectionCostsOut:
    """Show what the provider reports that it charged, day by day, beside what the ledger computed for what this connection read."""
    asked = costs.period(start=start, end=end, now=call.now)
    days = await costs.compare(call.uow, organization_id=call.caller.organization_id, connection_id=connection_id, asked=asked)
    return ConnectionCostsOut(period=measures.to_api_period(asked), days=[to_api_day(day) for day in days])
