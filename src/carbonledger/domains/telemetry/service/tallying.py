"""Tallies: kept of busy hours and days by a job, and put together with what is left to be read whenever somebody asks.

Both are exact whether the job runs or not: a tally is used only while it is of the events as they are (``core.tallying``), and what has
none is read. Ingest does nothing for them but count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from itertools import groupby
from typing import Final
from uuid import UUID

from carbonledger.domains.telemetry.core import checks
from carbonledger.domains.telemetry.core import tallying as core
from carbonledger.domains.telemetry.core.slots import Grain
from carbonledger.domains.telemetry.store import aggregating
from carbonledger.domains.telemetry.store import tallying as store
from carbonledger.domains.telemetry.types.metering import Answer, Asked, Detail, Query
from carbonledger.domains.telemetry.types.tallying import Range, Slot, Stretch, Told
from carbonledger.infra import db

TALLY_JOB: Final = "telemetry.tally"
BUSY: Final = 32
"""As many events a tally has to spare reading; from fewer it would save less than it takes room."""
AGAIN_DAYS: Final = 40
"""How far back, once a day, tallies are made anew of what came late; what came later still is read of its events."""
_Series = tuple[int, int]
"""Which range, and which series of it."""


async def answer(
    uow: db.UnitOfWork, *, organization_id: UUID, query: Query, details: frozenset[Detail], asked: Mapping[int, Asked]
) -> dict[int, Answer]:
    """Return what a query says of accounts and times, by the places at which they are asked, without amounts of single events."""
    ranges: dict[Range, int] = {}
    of: dict[int, list[Range]] = {}
    for place, one in asked.items():
        start, end = one.start.astimezone(UTC), one.end.astimezone(UTC)
        of[place] = core.ranges(query, one.account, start, end, earliest=checks.EARLIEST)
        for each in of[place]:
            ranges.setdefault(each, len(ranges))
    told = await _told(uow, organization_id, query, list(ranges), co2e=Detail.CO2E in details)
    return {
        place: core.answer(
            query, details, Stretch(mine[0].start, mine[0].end), [one for each in mine for one in told.get(ranges[each], ())]
        )
        for place, mine in of.items()
    }


async def _told(uow: db.UnitOfWork, organization_id: UUID, query: Query, ranges: Sequence[Range], *, co2e: bool) -> dict[int, list[Told]]:
    """Return all tallies of ranges: those that are kept, and of what is left those that are made now. No instant is in two of them."""
    days = await store.days(uow, organization_id=organization_id, query=query, number=core.number_of(query), ranges=ranges)
    fields: dict[_Series, tuple[str | None, ...]] = {(one.range, one.series_id): one.series for one in days}
    slots = await _by_hours(uow, organization_id, query, _by_days(days, ranges))
    found: dict[int, list[Told]] = {}
    owners: list[_Series] = []
    parts: list[store.Part] = []
    for key, mine in slots.items():
        is_before = ranges[key[0]].is_before
        for slot in mine:
            found.setdefault(key[0], []).extend(Told(one, fields[key], slot.end, is_before) for one in slot.tallies or ())
        for stretch in core.left(mine):
            owners.append(key)
            parts.append(store.Part(key[1], stretch))
    if parts:
        times = core.joined(part.time for part in parts)
        for number, tally in await store.read(uow, organization_id=organization_id, query=query, parts=parts, times=times, co2e=co2e):
            key = owners[number]
            found.setdefault(key[0], []).append(Told(tally, fields[key], parts[number].time.end, ranges[key[0]].is_before))
    return found


def _by_days(days: Iterable[store.Day], ranges: Sequence[Range]) -> dict[_Series, list[Slot]]:
    slots: dict[_Series, list[Slot]] = {}
    for (number, series_id, day), rows in groupby(days, key=lambda one: (one.range, one.series_id, one.day)):
        several, whole = list(rows), _day(day)
        kept = [one.tally for one in several if one.tally is not None]
        slots.setdefault((number, series_id), []).append(
            Slot(
                max(whole.start, ranges[number].start),
                min(whole.end, ranges[number].end),
                several[0].events,
                tuple(tally for place, tally in kept if place) if kept else None,
            )
        )
    return slots


async def _by_hours(
    uow: db.UnitOfWork, organization_id: UUID, query: Query, slots: Mapping[_Series, Sequence[Slot]]
) -> dict[_Series, list[Slot]]:
    """Split days without tallies in which much happened into their hours, of which some may have theirs."""
    asked: list[tuple[_Series, int]] = []
    parts: list[store.Part] = []
    for key, mine in slots.items():
        for place, slot in enumerate(mine):
            hours = core.hours_of(slot)
            if slot.tallies is None and slot.events >= _busy(query) and hours is not None:
                asked.append((key, place))
                parts.append(store.Part(key[1], hours))
    found: dict[tuple[_Series, int], list[Slot]] = {one: [] for one in asked}
    if parts:
        rows = await store.hours(uow, organization_id=organization_id, number=core.number_of(query), parts=parts)
        for (number, hour), several in groupby(rows, key=lambda row: row[:2]):
            kept = [one for _, _, one in several if one is not None]
            tallies = tuple(tally for place, tally in kept if place) if kept else None
            found[asked[number]].append(Slot(hour, hour + core.HOUR, 0, tallies))
    return {key: [part for place, slot in enumerate(mine) for part in _split(slot, found.get((key, place)))] for key, mine in slots.items()}


def _split(slot: Slot, hours: Sequence[Slot] | None) -> list[Slot]:
    return [slot] if hours is None else core.split(slot, hours)


def _busy(query: Query) -> int:
    """Return how many events a slot has to have for a tally: where all of everybody are read to find them, one is too many."""
    return BUSY if aggregating.needs_property(query) else 1


def _day(day: date) -> Stretch:
    start = datetime.combine(day, time(), UTC)
    return Stretch(start, start + core.DAY)


async def due(uow: db.UnitOfWork, *, organization_id: UUID, query: Query, days: Sequence[date], today: date) -> list[date]:
    """Return which of the ledger's ``days`` may have anything to tally: all, until it was done once; then those of late; then today."""
    through = await store.mark(uow, organization_id=organization_id, number=core.number_of(query))
    if through is None:
        return [day for day in days if day <= today]
    first = today if through >= today else date.fromordinal(through.toordinal() - AGAIN_DAYS)
    return [day for day in days if first <= day <= today]


async def tally(uow: db.UnitOfWork, *, organization_id: UUID, query: Query, day: date, now: datetime) -> int:
    """Keep the tallies of a day (UTC) and its hours that are over and lack theirs. Return how many hours and days that were."""
    number, whole, count = core.number_of(query), _day(day), 0
    await store.share(uow)
    for grain, step in ((Grain.HOUR, core.HOUR), (Grain.DAY, core.DAY)):
        over = Stretch(whole.start, min(whole.end, core.floor(now.astimezone(UTC), step)))
        if over.start >= over.end:
            continue
        parts = await store.due(
            uow, organization_id=organization_id, query=query, number=number, grain=grain, time=over, events_min=_busy(query)
        )
        if parts:
            times = core.joined(part.time for part in parts)
            await store.keep(uow, organization_id=organization_id, query=query, number=number, grain=grain, parts=parts, times=times)
        count += len(parts)
    return count


async def done(uow: db.UnitOfWork, *, organization_id: UUID, query: Query, today: date) -> None:
    """Note that all days through ``today`` were tallied."""
    await store.set_through(uow, organization_id=organization_id, number=core.number_of(query), day=today)


async def forget(uow: db.UnitOfWork, *, organization_id: UUID, queries: Sequence[Query]) -> None:
    """Delete the tallies of all queries but these."""
    await store.drop_others(uow, organization_id=organization_id, numbers=[core.number_of(query) for query in queries])
