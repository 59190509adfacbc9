"""By which versions of the price book what queries count was priced: as days tell it, and of the few that don't by their events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from uuid import UUID

from carbonledger.domains.telemetry.core import priced as core
from carbonledger.domains.telemetry.store import priced as store
from carbonledger.domains.telemetry.store.aggregating import Window
from carbonledger.domains.telemetry.types.metering import Asked, Field, Query
from carbonledger.domains.telemetry.types.tallying import Stretch
from carbonledger.infra import db


async def versions(uow: db.UnitOfWork, *, organization_id: UUID, asked: Sequence[Asked]) -> list[tuple[str, ...]]:
    """Return the versions by which the events that each query counts were priced, in their order; a few statements for each query.

    Days on which the book changed, or that were priced anew, are read by their events: all of the organization's of that day.
    """
    found: list[set[int]] = [set() for _ in asked]
    alike: dict[Query, list[int]] = {}
    for place, one in enumerate(asked):
        alike.setdefault(one.query, []).append(place)
    for query, places in alike.items():
        windows = [Window(one.account, one.start.astimezone(UTC), one.end.astimezone(UTC)) for one in (asked[place] for place in places)]
        for place, books in zip(places, await _books(uow, organization_id, query, windows), strict=True):
            found[place] = books
    names = await store.versions(uow, ids={book for books in found for book in books})
    return [tuple(sorted(names[book] for book in books)) for books in found]


async def _books(uow: db.UnitOfWork, organization_id: UUID, query: Query, windows: Sequence[Window]) -> list[set[int]]:
    days: list[list[store.Day]] = [[] for _ in windows]
    for one in await store.days(uow, organization_id=organization_id, query=query, windows=windows):
        days[one.window].append(one)
    is_by_property = any(one.dimension.field is Field.PROPERTY for one in query.filters)
    found: list[set[int]] = []
    owners: list[int] = []
    doubtful: list[Window] = []
    for number, window in enumerate(windows):
        time = Stretch(window.start, window.end)
        certain, parts = core.told([(one.day, one.books) for one in days[number]], time)
        if is_by_property and days[number]:  # which of a series' events count, days don't tell
            certain, parts = frozenset(), [time]
        found.append(set(certain))
        owners += [number] * len(parts)
        doubtful += [Window(window.account, part.start, part.end) for part in parts]
    if doubtful:
        for place, book in await store.books(uow, organization_id=organization_id, query=query, windows=doubtful):
            found[owners[place]].add(book)
    return found
