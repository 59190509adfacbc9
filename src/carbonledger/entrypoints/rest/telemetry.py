"""What the ledger answers: the summary, time series, models, single events. Taking usage in is another module."""

from __future__ import annotations

import datetime as dt
from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import Query
from pydantic import Field

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import answering, caching
from carbonledger.domains.telemetry.types import answers
from carbonledger.domains.telemetry.types.caching import CacheSaving
from carbonledger.entrypoints.rest import filters, measures, routing, shapes
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.kernel import decimals, zone
from carbonledger.kernel.period import CalendarUnit

router = routing.Router(prefix="/v1/telemetry", tag="Telemetry")

_ASKED: Final = (types.PeriodInvalid, zone.ZoneUnknown, answers.AnswerTooLarge)
_BY_MODEL: Final[dict[str, Any]] = {"provider": "openai", "model": "gpt-4o", **measures.EXAMPLE}
_SUMMARY: Final[dict[str, Any]] = {
    "period": measures.PERIOD_EXAMPLE,
    "totals": measures.EXAMPLE,
    "by_model": [_BY_MODEL],
    "daily": [{"date": "2026-11-25", **measures.EXAMPLE}],
    "coverage": measures.EXAMPLE["coverage"],
    "cost_coverage": measures.EXAMPLE["cost_coverage"],
    "not_covered_events": measures.EXAMPLE["not_covered_events"],
    "cost_not_covered_events": measures.EXAMPLE["cost_not_covered_events"],
    "unknown": measures.EXAMPLE["unknown"],
    "duplicates": measures.EXAMPLE["duplicates"],
    "cache_saving": measures.CACHE_SAVING_EXAMPLE,
    "metered_events": 0,
}


class ModelMeasuresOut(measures.MeasuresOut):
    """Sums of one model."""

    provider: str
    model: str


class DayOut(measures.MeasuresOut):
    """Sums of one day of the zone."""

    date: dt.date


class SummaryOut(shapes.Out):
    """A period at a glance."""

    period: measures.PeriodOut
    totals: measures.MeasuresOut
    by_model: list[ModelMeasuresOut] = Field(description="Most tokens first.")
    daily: list[DayOut] = Field(description="Every day of the period, in order.")
    coverage: measures.CoverageOut = Field(description="Of the totals' energy, CO2e and water.")
    cost_coverage: measures.CoverageOut = Field(description="Of the totals' cost.")
    not_covered_events: int = Field(description=measures.NOT_COVERED_EVENTS)
    cost_not_covered_events: int = Field(description=measures.COST_NOT_COVERED_EVENTS)
    unknown: measures.UnknownOut
    duplicates: measures.DuplicatesOut
    cache_saving: measures.CacheSavingOut
    metered_events: int = Field(description="Events that are no calls of a model, in no sum here.")


class ModelSeenOut(measures.MeasuresOut):
    """Sums of one model in the period, and when it was ever used."""

    provider: str
    model: str
    first_day: date = Field(description="First day (UTC) with usage, whatever the period.")
    last_day: date


class ModelsOut(shapes.Out):
    """Models used in a period, most tokens first."""

    period: measures.PeriodOut
    models: list[ModelSeenOut]


class BucketOut(measures.MeasuresOut):
    """Sums of one stretch of the calendar, cut where the period begins or ends inside it."""

    start: datetime
    end: datetime
    date: dt.date = Field(description="The local day that it begins on.")


class SeriesOut(shapes.Out):
    """One group over time."""

    label: str | bool | UUID | None = Field(description="What it is called or its id; null: without one, or the others.")
    is_other: bool = Field(description="All groups beyond the largest, together.")
    totals: measures.MeasuresOut
    buckets: list[BucketOut]


class TimeseriesOut(shapes.Out):
    """Sums over time."""

    period: measures.PeriodOut
    bucket: str
    totals: measures.MeasuresOut
    buckets: list[BucketOut] = Field(description="Of everything: every stretch of the period, in order.")
    series: list[SeriesOut] = Field(description="Of the twenty groups with most tokens, then of all others; none without `group_by`.")


class GroupOut(measures.MeasuresOut):
    """Sums of what has a word or id in common."""

    label: str | bool | UUID | None = Field(description="Null: without one.")
    metered_events: int = Field(description="Events that are no calls of a model.")
    quantity: str = Field(description="The sum of their quantities.")


class BreakdownOut(shapes.Out):
    """Sums by group, most tokens first."""

    period: measures.PeriodOut
    group_by: str
    totals: measures.MeasuresOut
    groups: list[GroupOut]


def to_api_summary(summary: answers.Summary, saving: CacheSaving) -> dict[str, Any]:
    """Return a summary as callers see it: what ``SummaryOut`` describes, as plain values (``measures.measures``)."""
    totals = measures.measures(summary.totals)
    return {
        "period": measures.to_api_period(summary.asked).model_dump(mode="json"),
        "totals": totals,
        "by_model": [
            {"provider": group.labels[0], "model": group.labels[1], **measures.measures(group.measures)} for group in summary.by_model
        ],
        "daily": [{"date": slot.local, **measures.measures(slot.measures)} for slot in summary.daily],
        "coverage": totals["coverage"],
        "cost_coverage": totals["cost_coverage"],
        "not_covered_events": totals["not_covered_events"],
        "cost_not_covered_events": totals["cost_not_covered_events"],
        "unknown": totals["unknown"],
        "duplicates": totals["duplicates"],
        "cache_saving": measures.to_api_cache_saving(saving).model_dump(mode="json"),
        "metered_events": summary.totals.metered_events,
    }


def to_api_bucket(slot: answers.Slot) -> BucketOut:
    """Return a stretch of time as callers see it."""
    end = slot.period.end or slot.period.start
    return BucketOut(start=slot.period.start, end=end, date=slot.local, **measures.measures(slot.measures))


def to_api_timeseries(found: answers.Timeseries) -> TimeseriesOut:
    """Return a time series as callers see it."""
    return TimeseriesOut(
        period=measures.to_api_period(found.asked),
        bucket=found.unit.value,
        totals=measures.to_api_measures(found.totals),
        buckets=[to_api_bucket(slot) for slot in found.slots],
        series=[
            SeriesOut(
                label=series.labels[0],
                is_other=series.is_other,
                totals=measures.to_api_measures(series.totals),
                buckets=[to_api_bucket(slot) for slot in series.slots],
            )
            for series in found.series
        ],
    )


def to_api_group(group: answers.Group) -> GroupOut:
    """Return a group as callers see it."""
    found = group.measures
    quantity = decimals.to_api_decimal(found.quantity)
    return GroupOut(label=group.labels[0], metered_events=found.metered_events, quantity=quantity, **measures.measures(found))


@router.get(
    "/summary",
    access=access.scope("telemetry:read"),
    answer_model=SummaryOut,
    summary="Summarize usage",
    operation_id="getTelemetrySummary",
    examples={"response": _SUMMARY},
    errors=_ASKED,
)
async def get_summary(
    call: routing.CallDep,
    *,
    start: measures.From = None,
    end: measures.To = None,
    time_zone: measures.TimeZone = None,
    chosen: filters.Dep,
) -> exchange.Answer:
    """Return tokens, cost, energy and CO2e of a period: in all, by model and by day. Each sum says what part of it is covered,
    estimated and provisional, and how many events have no cost and how many no emissions. Without `from` and `to` it is the last thirty
    days of the organization's clock, today included.
    """
    asked, organization_id = measures.asked(call, start, end, time_zone), call.caller.organization_id
    found = await answering.summary(call.uow, organization_id=organization_id, asked=asked, filters=chosen)
    saving = await caching.saving(call.uow, organization_id=organization_id, asked=asked, filters=chosen)
    return exchange.Answer(call.status, body=orjson.dumps(to_api_summary(found, saving)), headers=call.headers)


@router.get(
    "/timeseries",
    access=access.scope("telemetry:read"),
    summary="Show usage over time",
    operation_id="getTelemetryTimeseries",
    examples={
        "response": {
            "period": measures.PERIOD_EXAMPLE,
            "bucket": "day",
            "totals": measures.EXAMPLE,
            "buckets": [{"start": "2026-11-25T00:00:00Z", "end": "2026-11-26T00:00:00Z", "date": "2026-11-25", **measures.EXAMPLE}],
            "series": [],
        }
    },
    errors=_ASKED,
)
async def get_timeseries(
    call: routing.CallDep,
    *,
    start: measures.From = None,
    end: measures.To = None,
    time_zone: measures.TimeZone = None,
    bucket: Annotated[
        str, Query(pattern=f"^({'|'.join(unit.value for unit in answers.BUCKET_UNITS)})$", description="hour, day, week or month.")
    ] = "day",
    group_by: Annotated[answers.Dimension | None, Query(description="Tell apart by this, too.")] = None,
    chosen: filters.Dep,
) -> TimeseriesOut:
    """Return sums for each hour, day, week (from Monday) or month of the zone; with `group_by`, also for each of the largest groups."""
    found = await answering.timeseries(
        call.uow,
        organization_id=call.caller.organization_id,
        asked=measures.asked(call, start, end, time_zone),
        unit=CalendarUnit(bucket),
        group_by=group_by,
        filters=chosen,
    )
    return to_api_timeseries(found)


@router.get(
    "/models",
    access=access.scope("telemetry:read"),
    summary="List models used",
    operation_id="listTelemetryModels",
    examples={
        "response": {
            "period": measures.PERIOD_EXAMPLE,
            "models": [{**_BY_MODEL, "first_day": "2026-09-26", "last_day": "2026-11-25"}],
        }
    },
    errors=_ASKED,
)
async def list_models(
    call: routing.CallDep,
    *,
    start: measures.From = None,
    end: measures.To = None,
    chosen: filters.Dep,
) -> ModelsOut:
    """Return the models used in a period, most tokens first, each with its sums and with the first and last day that it was ever used."""
    found = await answering.models(
        call.uow,
        organization_id=call.caller.organization_id,
        asked=measures.asked(call, start, end),
        filters=chosen,
    )
    return ModelsOut(
        period=measures.to_api_period(found.asked),
        models=[
            ModelSeenOut(
                provider=one.provider, model=one.model, first_day=one.first_day, last_day=one.last_day, **measures.measures(one.measures)
            )
            for one in found.models
        ],
    )


@router.get(
    "/breakdown",
    access=access.scope("telemetry:read"),
    summary="Break usage down",
    operation_id="getTelemetryBreakdown",
    examples={
        "parameters": {"group_by": "project"},
        "response": {
            "period": measures.PERIOD_EXAMPLE,
            "group_by": "account",
            "totals": measures.EXAMPLE,
            "groups": [{"label": "acme", "metered_events": 0, "quantity": "0", **measures.EXAMPLE}],
        },
    },
    errors=_ASKED,
)
async def get_breakdown(
    call: routing.CallDep,
    *,
    group_by: Annotated[answers.Dimension, Query(description="What to tell apart by.")] = answers.Dimension.PROJECT,
    start: measures.From = None,
    end: measures.To = None,
    chosen: filters.Dep,
) -> BreakdownOut:
    """Return sums by project, workload, agent, account, provider, model or another dimension, most tokens first."""
    found = await answering.breakdown(
        call.uow,
        organization_id=call.caller.organization_id,
        asked=measures.asked(call, start, end),
        group_by=[group_by],
        filters=chosen,
    )
    return BreakdownOut(
        period=measures.to_api_period(found.asked),
        group_by=group_by.value,
        totals=measures.to_api_measures(found.totals),
        groups=[to_api_group(group) for group in found.groups],
    )
