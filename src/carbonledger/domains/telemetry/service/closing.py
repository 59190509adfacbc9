"""Closing stretches of the ledger, for the domain of periods: making cuts, and telling how everything stood at one.

Nothing here decides when a cut is made, or what is done with what came late.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from carbonledger.domains.telemetry.store import auditing, leaves, standing
from carbonledger.domains.telemetry.store import closing as store
from carbonledger.domains.telemetry.types import closing as types
from carbonledger.infra import db

HEADER_BYTES = leaves.HEADER_BYTES
ROW_BYTES = leaves.ROW_BYTES
Salting = leaves.Salting
Take = leaves.Take


async def take_time(uow: db.UnitOfWork) -> None:
    """Let the statements of this transaction take as long as they need: for jobs, never for a request."""
    await uow.conn.execute(standing.PATIENT)


async def find(uow: db.UnitOfWork, *, organization_id: UUID) -> types.Closing:
    """Return how far the ledger is closed."""
    return await store.find(uow, organization_id=organization_id)


async def first_event_at(uow: db.UnitOfWork, *, organization_id: UUID) -> datetime | None:
    """Return the time of the earliest event; None: there is none."""
    return await store.first_event_at(uow, organization_id=organization_id)


async def first_late_at(uow: db.UnitOfWork, *, organization_id: UUID, cut: int) -> datetime | None:
    """Return the time of the earliest event that came or changed late after a cut and before the next; None: there is none."""
    return await store.first_late_at(uow, organization_id=organization_id, cut=cut)


async def cut(uow: db.UnitOfWork, *, organization_id: UUID, closed_through: Sequence[datetime], at: datetime) -> list[int]:
    """Close the ledger through each of these times in turn, and return the number of each cut; ``at`` is the real time.

    Ingest of the organization waits until the transaction ends, so end it soon, and sum in another one, which begins after this is
    committed. Raises ``CutBusy``, ``CutTaken``.
    """
    await store.lock(uow)
    present = await store.find(uow, organization_id=organization_id)
    numbers = []
    for through in closed_through:
        if present.closed_through is not None and through <= present.closed_through:
            raise types.CutTaken(f"The ledger is closed through {present.closed_through.isoformat()} already.")
        number = await store.cut(uow, organization_id=organization_id, closed_through=through, at=at)
        present = types.Closing(number, through)
        numbers.append(number)
    return numbers


async def lines(uow: db.UnitOfWork, *, organization_id: UUID, stretch: types.Stretch, cut: int) -> list[types.Line]:
    """Return the sums of the events of a stretch as they stood at a cut, by line, in the order of their keys."""
    return await standing.lines(uow, organization_id=organization_id, stretch=stretch, cut=cut)


async def changes(uow: db.UnitOfWork, *, organization_id: UUID, cut: int, stretches: Sequence[types.Stretch]) -> list[types.Change]:
    """Return what came late after ``cut`` and before the next, or until now, changed of these stretches, by line."""
    return await standing.changes(uow, organization_id=organization_id, cut=cut, stretches=stretches)


async def leaf_hashes(uow: db.UnitOfWork, *, organization_id: UUID, frozen: types.Frozen, salting: Salting, take: Take) -> None:
    """Give ``take`` ids and leaf hashes in the order of the ids, in pieces of any length.

    Together they are a header of ``HEADER_BYTES``, rows of ``ROW_BYTES`` (the id from byte 6, the hash from byte 26) and two bytes.
    """
    await leaves.stream(uow, organization_id=organization_id, frozen=frozen, salting=salting, take=take)


async def leaf(uow: db.UnitOfWork, *, organization_id: UUID, frozen: types.Frozen, salting: Salting, event_id: UUID) -> bytes | None:
    """Return the content of an event's leaf; None: the event is not among those that are meant."""
    return await leaves.content(uow, organization_id=organization_id, frozen=frozen, salting=salting, event_id=event_id)


async def rows(uow: db.UnitOfWork, *, organization_id: UUID, frozen: types.Frozen, salting: Salting, take: Take) -> None:
    """Give ``take`` the events whose leaf hashes ``leaf_hashes`` gives, as CSV with all that their leaves are made of, in that order."""
    await auditing.stream_events(uow, organization_id=organization_id, frozen=frozen, salting=salting, take=take)


async def rows_before(uow: db.UnitOfWork, *, organization_id: UUID, cut: int, salting: Salting, take: Take) -> None:
    """Give ``take`` the events that changed late after a cut and before the next, as they stood at that cut, as the same CSV."""
    await auditing.stream_before(uow, organization_id=organization_id, cut=cut, salting=salting, take=take)
