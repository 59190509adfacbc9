"""Series: where an event is booked and what it was, found or written once and then remembered.

A series is remembered for each database by its organization and key, once it is committed; ids of a transaction that is rolled back are
forgotten with it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import identity
from carbonledger.domains.telemetry.store import writing
from carbonledger.domains.telemetry.types import Rejection, SeriesKey
from carbonledger.infra import db

REMEMBERED_MAX = 100_000  # some 60 MB; names in them come from whoever sends usage
_REMEMBERED = "telemetry.series"
_Ids = dict[tuple[UUID, SeriesKey], int]


@dataclass(frozen=True, slots=True)
class Places:
    """The projects and agents that take new usage, each agent with its project, and the project of what names none."""

    default: UUID
    projects: frozenset[UUID]
    agents: Mapping[UUID, UUID]

    def rejection(self, item: types.AnyDraft) -> Rejection | None:
        """Return why the item can't be booked where it says, or None."""
        if item.project_id is not None and item.project_id not in self.projects:
            return types.PROJECT_UNKNOWN
        if item.agent_id is not None and item.agent_id not in self.agents:
            return types.AGENT_UNKNOWN
        return None

    def project_of(self, item: types.AnyDraft) -> UUID:
        """Return the item's project: the one it names, its agent's, or the default."""
        if item.project_id is not None:
            return item.project_id
        return self.default if item.agent_id is None else self.agents[item.agent_id]


def key_of(item: types.AnyDraft, booking: types.Booking, places: Places) -> SeriesKey:
    """Return the series that the item belongs to."""
    source, connection_id, workload_id = booking.source.value, booking.connection_id, booking.workload_id
    where = (source, connection_id, places.project_of(item), workload_id, item.agent_id, item.account)
    if isinstance(item, types.MeteredDraft):
        return SeriesKey(*where, None, None, None, False, None, None, item.event)
    usage = item.usage
    size = (None, None) if item.size is None else (item.size.above, item.size.up_to)
    return SeriesKey(*where, usage.provider, usage.model, item.operation, usage.batch, usage.service_tier, usage.region, None, *size)


async def ids(uow: db.UnitOfWork, *, organization_id: UUID, keys: Iterable[SeriesKey], at: datetime) -> Mapping[SeriesKey, int]:
    """Return the id of each series, written where it is new."""
    remembered: _Ids = uow.remembered.setdefault(_REMEMBERED, {})
    found: dict[SeriesKey, int] = {}
    missing: dict[UUID, SeriesKey] = {}
    for key in keys:
        known = remembered.get((organization_id, key))
        if known is None:
            missing[identity.series_digest(key)] = key
        else:
            found[key] = known
    if missing:
        added = await writing.add_series(uow, organization_id=organization_id, series=missing, at=at)
        new = {missing[digest]: number for digest, number in added.items()}
        uow.after_commit(functools.partial(_remember, remembered, organization_id, new))
        found |= new
    return found


def _remember(remembered: _Ids, organization_id: UUID, new: Mapping[SeriesKey, int]) -> None:
    if len(remembered) + len(new) > REMEMBERED_MAX:
        remembered.clear()
    for key, number in new.items():
        remembered[organization_id, key] = number
