"""Answering from the ledger: sums of any period, by model, by day of the organization's zone, by any dimension.

Every answer is made of roll-ups and, where a bound cuts an hour, of single events, so it is exact whatever the period (``core.slots``).
``now`` is the organization's time. A period that is not given ends with the local day of ``now``; one without start begins thirty days
before its end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import measuring, rollup, slots
from carbonledger.domains.telemetry.core.slots import Grain
from carbonledger.domains.telemetry.store import answers as store
from carbonledger.domains.telemetry.store import summing
from carbonledger.domains.telemetry.store.summing import Sets
from carbonledger.domains.telemetry.types import answers
from carbonledger.domains.telemetry.types.answers import (
    Asked,
    Breakdown,
    Coverage,
    Dimension,
    Filters,
    Group,
    Measures,
    Models,
    Providers,
    ProviderUsage,
    SeenModel,
    Series,
    Slot,
    Summary,
    Timeseries,
)
from carbonledger.infra import db
from carbonledger.kernel import period as periods
from carbonledger.kernel import zone as zones
from carbonledger.kernel.period import CalendarUnit, Period

DAYS_DEFAULT: Final = 30
PERIOD_MAX: Final = timedelta(days=3_660)  # ten years, with their leap days and an hour or so of a zone
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
BUCKETS_MAX: Final = 3_700  # ten years of days
GROUPS_MAX: Final = 10_000
CELLS_MAX: Final = 100_000  # of a time series by groups: some 100 MB while it is added up
DUPLICATED_MAX: Final = 1_000  # days of models; whoever has more has the same cause for all
SERIES_MAX: Final = 20  # shown by themselves; a plot has no more colours


def asked(*, start: datetime | None, end: datetime | None, now: datetime, time_zone: str) -> Asked:
    """Return the period that an answer is about. Raises ``PeriodInvalid``."""
    zone = zones.named(time_zone)
    if start is not None and end is not None:
        return _checked(start, end, time_zone, is_default=False)
    until = end if end is not None else _end_of_day(now, zone)
    if start is None:
        day = zones.local_date(until - timedelta(microseconds=1), zone) - timedelta(days=DAYS_DEFAULT - 1)
        start = zones.midnight(day, zone) if end is None else until - timedelta(days=DAYS_DEFAULT)
    return _checked(start, until, time_zone, is_default=True)


def _end_of_day(now: datetime, zone: ZoneInfo) -> datetime:
    end = periods.calendar_period(now, CalendarUnit.DAY, zone).end
    return now if end is None else end


def _checked(start: datetime, end: datetime, time_zone: str, *, is_default: bool) -> Asked:
    if not EARLIEST <= start < end <= LATEST:
        raise types.PeriodInvalid("Give a start before the end, both between the years 2000 and 2200.")
    if end - start > PERIOD_MAX:
        raise types.PeriodInvalid("Ask for ten years at most.")
    return Asked(period=Period(start, end), time_zone=time_zone, is_default=is_default)


async def summary(uow: db.UnitOfWork, *, organization_id: UUID, asked: Asked, filters: Filters) -> Summary:
    """Return totals of the period, by model and by local day."""
    days = _cut(asked, CalendarUnit.DAY)
    dimensions = (Dimension.PROVIDER, Dimension.MODEL)
    broad = is_broad(filters, dimensions)
    rows = await summing.sums(
        uow,
        organization_id=organization_id,
        parts=slots.plan(_bounds(days), is_broad=broad),
        filters=filters,
        sets=Sets.BUCKET_AND_GROUP,
        dimensions=dimensions,
        is_broad=broad,
        at_most=len(days) + GROUPS_MAX + 1,
    )
    groups = _groups(rows)
    return Summary(
        asked=asked,
        totals=measuring.total(group.measures for group in groups),
        by_model=tuple(group for group in groups if group.labels[0] is not None),
        daily=_slots(days, asked, rows),
    )


async def timeseries(
    uow: db.UnitOfWork, *, organization_id: UUID, asked: Asked, filters: Filters, unit: CalendarUnit, group_by: Dimension | None
) -> Timeseries:
    """Return measures in each hour, day, week or month of the zone, and of the groups with most tokens. Raises ``AnswerTooLarge``."""
    stretches = _cut(asked, unit)
    dimensions = () if group_by is None else (group_by,)
    broad = is_broad(filters, dimensions)
    coarsest = Grain.HOUR if unit is CalendarUnit.HOUR else Grain.DAY
    rows = await summing.sums(
        uow,
        organization_id=organization_id,
        parts=slots.plan(_bounds(stretches), coarsest=coarsest, is_broad=broad),
        filters=filters,
        sets=Sets.BUCKET if group_by is None else Sets.EACH,
        dimensions=dimensions,
        is_broad=broad,
        at_most=CELLS_MAX + 1,
    )
    if len(rows) > CELLS_MAX:
        raise answers.AnswerTooLarge("Ask for a shorter period, wider buckets, or fewer groups by a filter.")
    everything = _slots(stretches, asked, rows)
    return Timeseries(
        asked=asked,
        unit=unit,
        totals=measuring.total(slot.measures for slot in everything),
        slots=everything,
        series=() if group_by is None else _series(stretches, asked, rows),
    )


async def breakdown(
    uow: db.UnitOfWork, *, organization_id: UUID, asked: Asked, filters: Filters, group_by: Sequence[Dimension]
) -> Breakdown:
    """Return measures by what is in one or more dimensions. Raises ``AnswerTooLarge``."""
    broad = is_broad(filters, group_by)
    rows = await summing.sums(
        uow,
        organization_id=organization_id,
        parts=slots.plan((asked.period.start, asked.end), is_broad=broad),
        filters=filters,
        sets=Sets.GROUP,
        dimensions=tuple(group_by),
        is_broad=broad,
        at_most=GROUPS_MAX + 1,
    )
    groups = _groups(rows)
    return Breakdown(asked=asked, totals=measuring.total(group.measures for group in groups), groups=groups)


async def models(uow: db.UnitOfWork, *, organization_id: UUID, asked: Asked, filters: Filters) -> Models:
    """Return the models used in the period, each with the first and last day that it was ever used. Raises ``AnswerTooLarge``."""
    by = (Dimension.PROVIDER, Dimension.MODEL)
    found = await breakdown(uow, organization_id=organization_id, asked=asked, filters=filters, group_by=by)
    seen = await store.seen(uow, organization_id=organization_id)
    used = []
    for group in found.groups:
        provider, model = group.labels
        if isinstance(provider, str) and isinstance(model, str):
            first, last = seen[provider, model]
            used.append(SeenModel(provider=provider, model=model, measures=group.measures, first_day=first, last_day=last))
    return Models(asked=asked, models=tuple(used))


async def providers(uow: db.UnitOfWork, *, organization_id: UUID, asked: Asked, filters: Filters) -> Providers:
    """Return usage by provider and model beside what providers report, and what may be told twice. Raises ``AnswerTooLarge``."""
    by = (Dimension.PROVIDER, Dimension.MODEL, Dimension.SOURCE)
    found = await breakdown(uow, organization_id=organization_id, asked=asked, filters=filters, group_by=by)
    sources: dict[tuple[str, str], dict[str, Measures]] = {}
    for group in found.groups:
        provider, model, source = group.labels
        if isinstance(provider, str) and isinstance(model, str):
            sources.setdefault((provider, model), {})[str(source)] = group.measures
    models = [
        ProviderUsage(
            provider=provider,
            model=model,
            measures=measuring.total(told.values()),
            tokens_by_source={source: measures.tokens + measures.duplicate_tokens for source, measures in told.items()},
        )
        for (provider, model), told in sources.items()
    ]
    doubled = await store.duplicated(
        uow,
        organization_id=organization_id,
        first=asked.period.start.date(),
        last=(asked.end - timedelta(microseconds=1)).date(),
        at_most=DUPLICATED_MAX,
    )
    return Providers(
        asked=asked,
        totals=found.totals,
        models=tuple(sorted(models, key=lambda one: (-one.measures.tokens, one.provider, one.model))),
        possible_duplicates=tuple(doubled),
    )


def emissions_coverage(measures: Measures) -> Coverage:
    """Return what part of the tokens has emissions, and how far these can be trusted."""
    return measuring.emissions_coverage(measures)


def cost_coverage(measures: Measures) -> Coverage:
    """Return what part of the tokens has a cost, and how far it can be trusted."""
    return measuring.cost_coverage(measures)


def is_broad(filters: Filters, dimensions: Iterable[Dimension] = ()) -> bool:
    """Return whether the broad roll-up tells all of these apart; else every series is asked."""
    named = [field.name for field in dataclasses.fields(filters) if getattr(filters, field.name) != field.default]
    return rollup.NARROW.isdisjoint((*named, *(store.COLUMNS[dimension] for dimension in (*dimensions, *filters.without))))


def _cut(asked: Asked, unit: CalendarUnit) -> list[Period]:
    stretches = slots.cut(asked.period, unit, zones.named(asked.time_zone), at_most=BUCKETS_MAX)
    if stretches is None:
        raise answers.AnswerTooLarge(f"That is more than {BUCKETS_MAX} buckets: ask for a shorter period, or for wider ones.")
    return stretches


def _bounds(stretches: Sequence[Period]) -> list[datetime]:
    return [stretches[0].start, *(stretch.end for stretch in stretches if stretch.end is not None)]


def _groups(rows: Sequence[summing.Row]) -> tuple[Group, ...]:
    groups = tuple(Group(row.labels, row.measures) for row in rows if row.labels is not None)
    if len(groups) > GROUPS_MAX:
        raise answers.AnswerTooLarge(f"There are more than {GROUPS_MAX} groups. Narrow them by a filter.")
    return groups


def _slots(stretches: Sequence[Period], asked: Asked, rows: Sequence[summing.Row]) -> tuple[Slot, ...]:
    """Return every bucket, those without anything too; rows of several groups in a bucket are added up."""
    zone = zones.named(asked.time_zone)
    sums: dict[int, Measures] = {}
    for row in rows:
        if row.bucket is not None:
            before = sums.get(row.bucket)
            sums[row.bucket] = row.measures if before is None else measuring.plus(before, row.measures)
    return tuple(
        Slot(stretch, zones.local_date(stretch.start, zone), sums.get(place, measuring.ZERO)) for place, stretch in enumerate(stretches)
    )


def _series(stretches: Sequence[Period], asked: Asked, rows: Sequence[summing.Row]) -> tuple[Series, ...]:
    by_group: dict[summing.Labels, list[summing.Row]] = {}
    for row in rows:
        by_group.setdefault(row.labels or (), []).append(row)
    sizes = {labels: sum(row.measures.tokens + row.measures.metered_events for row in found) for labels, found in by_group.items()}
    largest = sorted(by_group, key=lambda labels: (-sizes[labels], str(labels)))
    named, rest = largest[:SERIES_MAX], largest[SERIES_MAX:]
    series = [_one(labels, by_group[labels], stretches, asked, is_other=False) for labels in named]
    if rest:
        others = [row for labels in rest for row in by_group[labels]]
        series.append(_one((None,), others, stretches, asked, is_other=True))
    return tuple(series)


def _one(labels: summing.Labels, rows: Sequence[summing.Row], stretches: Sequence[Period], asked: Asked, *, is_other: bool) -> Series:
    total = measuring.total(row.measures for row in rows)
    return Series(labels=labels, is_other=is_other, slots=_slots(stretches, asked, rows), totals=total)
