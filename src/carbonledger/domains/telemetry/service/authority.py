"""Which of two sources of the same tokens counts: a connection may be the authority for what is also sent directly.

While it is, usage of its provider that comes by API, spans, import or gateway is kept and shown as a duplicate, and added to nothing.
Without an authority everything counts, because connection and direct usage may well be of different accounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import rollup
from carbonledger.domains.telemetry.service import comparing, judging
from carbonledger.domains.telemetry.store import authorities, known, writing
from carbonledger.domains.telemetry.store.packing import Staged
from carbonledger.domains.telemetry.types import Fact, Source
from carbonledger.infra import db

_DUPLICATE: Final = int(Fact.DUPLICATE)


async def claim(uow: db.UnitOfWork, *, organization_id: UUID, provider: str, connection_id: UUID, since: datetime) -> None:
    """Make a connection the authority for a provider's usage from ``since`` on. What is there already: ``mark_past``."""
    await authorities.add(uow, organization_id=organization_id, provider=provider, connection_id=connection_id, since=since)


async def release(uow: db.UnitOfWork, *, organization_id: UUID, connection_id: UUID) -> None:
    """End the connection's authority: what comes directly counts. What is a duplicate: ``count_again``."""
    await authorities.remove(uow, organization_id=organization_id, connection_id=connection_id)


async def since(uow: db.UnitOfWork, *, organization_id: UUID, source: Source) -> Mapping[str, datetime]:
    """Return by provider from when on another source than this one is the authority."""
    return {} if source is Source.CONNECTION else await authorities.since(uow, organization_id=organization_id)


def marked(judged: judging.Judged, *, drafts: Sequence[tuple[UUID, types.AnyDraft]], since: Mapping[str, datetime]) -> judging.Judged:
    """Return what was judged, ``drafts`` by rows, with the fact DUPLICATE where another source is the authority (``since``'s)."""
    if not since:
        return judged
    rows = []
    for row, (_, item) in zip(judged.rows, drafts, strict=True):
        from_when = since.get(item.usage.provider) if isinstance(item, types.Draft) else None
        is_duplicate = from_when is not None and row.occurred_at >= from_when
        rows.append(_marked(row) if is_duplicate else row)
    return judged._replace(rows=rows, lines=[(line, _marked(sample) if line.is_duplicate else sample) for line, sample in judged.lines])


def _marked(row: Staged) -> Staged:
    return row._replace(facts=row.facts | _DUPLICATE)


async def mark_past(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    provider: str,
    since: datetime,
    until: datetime | None = None,
    after: tuple[datetime, UUID],
    at_most: int,
) -> tuple[datetime, UUID] | None:
    """Make up to ``at_most`` events that came directly before the authority was there duplicates.

    Returns the (time, id) of the last, to go on behind it; None when there are no more.
    """
    return await _turn(
        uow, organization_id=organization_id, provider=provider, since=since, until=until, after=after, at_most=at_most, is_duplicate=True
    )


async def count_again(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    provider: str,
    since: datetime,
    until: datetime | None,
    after: tuple[datetime, UUID],
    at_most: int,
) -> tuple[datetime, UUID] | None:
    """Make up to ``at_most`` events that came directly and are duplicates count, from ``since`` to before ``until``.

    For time of which no authority tells: only an authority makes duplicates. Returns as ``mark_past``.
    """
    return await _turn(
        uow, organization_id=organization_id, provider=provider, since=since, until=until, after=after, at_most=at_most, is_duplicate=False
    )


async def _turn(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    provider: str,
    since: datetime,
    until: datetime | None,
    after: tuple[datetime, UUID],
    at_most: int,
    is_duplicate: bool,
) -> tuple[datetime, UUID] | None:
    found = await authorities.direct_events(
        uow,
        organization_id=organization_id,
        provider=provider,
        fact=_DUPLICATE,
        has_fact=not is_duplicate,
        since=since,
        until=until,
        after=after,
        at_most=at_most,
    )
    if not found:
        return None
    locked = await known.lock(uow, organization_id=organization_id, event_ids=sorted(event_id for _, event_id in found))
    turned = {event: event.facts ^ _DUPLICATE for event in locked.values() if bool(event.facts & _DUPLICATE) is not is_duplicate}
    await known.set_facts(uow, organization_id=organization_id, facts=[(event.id, facts) for event, facts in turned.items()])
    changes = [change for event, facts in turned.items() for change in comparing.refacted(event, facts=facts)]
    await writing.add(uow, organization_id=organization_id, changes=rollup.merged(changes))
    return found[-1]
