"""What came again: an event of a known key, compared with what stands in the ledger.

Its identity must be the same. Other counts are a revision: the event is priced and rated anew, stays booked where it was, and the database
keeps what it replaces. The same counts change nothing, except that what was provisional may now be final.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import rollup
from carbonledger.domains.telemetry.core.rollup import ZERO, SlotKey, Sums
from carbonledger.domains.telemetry.service import judging, serials
from carbonledger.domains.telemetry.store import known as store
from carbonledger.domains.telemetry.store.known import Change, Known, Measures
from carbonledger.domains.telemetry.store.packing import Staged
from carbonledger.domains.telemetry.types import Fact, Result, SeriesKey, Status
from carbonledger.infra import db
from carbonledger.kernel import decimals

_PICO: Final = Decimal("1E-12")
_PROVISIONAL: Final = int(Fact.PROVISIONAL)
_DUPLICATE: Final = int(Fact.DUPLICATE)


class Compared(NamedTuple):
    """What became of the items, and what that changes of the roll-ups."""

    results: list[Result]
    changes: list[tuple[SlotKey, Sums]]


class _Again(NamedTuple):
    """An item whose key is known, beside what stands."""

    place: int
    draft: types.AnyDraft
    known: Known


def rounds(again: Sequence[tuple[UUID, int]]) -> list[list[tuple[UUID, int]]]:
    """Return items that repeat a key in rounds with no key twice, each key's items in their order."""
    seen: dict[UUID, int] = {}
    parts: list[list[tuple[UUID, int]]] = []
    for event_id, index in again:
        number = seen.get(event_id, 0)
        seen[event_id] = number + 1
        if number == len(parts):
            parts.append([])
        parts[number].append((event_id, index))
    return parts


async def compare(
    uow: db.UnitOfWork, *, organization_id: UUID, at: datetime, sent: judging.Sent, pairs: Sequence[tuple[UUID, int]]
) -> Compared:
    """Compare items (id, place) with what stands, and revise what differs. No id is twice in ``pairs``."""
    locked = await store.lock(uow, organization_id=organization_id, event_ids=sorted(event_id for event_id, _ in pairs))
    results: list[Result] = []
    again: list[_Again] = []
    for event_id, index in pairs:
        draft, event = judging.drafted(sent.items[index]), locked[event_id]
        if not _is_same(draft, event):
            results.append(Result(index, Status.REJECTED, event_id, types.IDENTITY_CHANGED))
        else:
            again.append(_Again(index, draft, event))
    rows = await judging.rows_of(
        uow,
        at=at,
        organization_id=organization_id,
        booking=sent.booking,
        drafts=[(one.known.id, one.draft) for one in again],
        keys=[_stays_booked(one, sent) for one in again],
    )
    changes: list[tuple[SlotKey, Sums]] = []
    revised: list[Change] = []
    settled: list[tuple[UUID, int]] = []
    book_id = await pricing.book_id(uow, at=at) if rows else None
    for one, row in zip(again, rows, strict=True):
        present = one.known
        if _counts(row) == _counts_of(present):
            results.append(Result(one.place, Status.DUPLICATE, present.id, None))
            facts = present.facts & ~_PROVISIONAL if not row.facts & _PROVISIONAL else present.facts
            if facts != present.facts:
                settled.append((present.id, facts))
                changes += moved(present, facts=facts, measures=present.measures)
            continue
        results.append(Result(one.place, Status.REVISED, present.id, None))
        measures = measures_of(row, None if row.quantity is not None else book_id)
        facts = row.facts | present.facts & _DUPLICATE  # which source counts was decided when it came
        revised.append(Change(present.id, facts, present.revision + 1, measures))
        changes += moved(present, facts=facts, measures=measures)
    await store.revise(uow, organization_id=organization_id, changes=revised)
    await store.set_facts(uow, organization_id=organization_id, facts=settled)
    return Compared(results, changes)


def _is_same(draft: types.AnyDraft, known: Known) -> bool:
    """Say whether key, time and model are those of the event that stands."""
    if draft.idempotency_key != known.idempotency_key:
        return False  # another key that has the same id by chance
    if isinstance(draft, types.MeteredDraft):
        return (draft.occurred_at, draft.event) == (known.occurred_at, known.series.event)
    usage, series = draft.usage, known.series
    identity = (usage.occurred_at, draft.duration_s, usage.provider, usage.model)
    return identity == (known.occurred_at, known.duration_s, series.provider, series.model)


def _stays_booked(one: _Again, sent: judging.Sent) -> SeriesKey:
    """Return the series of a revision: served as the item says, booked where the event is."""
    told = serials.key_of(one.draft, sent.booking, sent.places)
    there = one.known.series
    return told._replace(
        source=there.source,
        connection_id=there.connection_id,
        project_id=there.project_id,
        workload_id=there.workload_id,
        agent_id=there.agent_id,
        account=there.account,
        operation=there.operation,
    )


def _counts(row: Staged) -> tuple[object, ...]:
    return (row.series_id, *row[5:19], row.reported_cost, row.reported_currency)


def _counts_of(known: Known) -> tuple[object, ...]:
    measures = known.measures
    return (*measures[:15], measures.reported_cost, measures.reported_currency)


def measures_of(row: Staged, price_book_id: int | None) -> Measures:
    """Return what an event's row says after a revision."""
    pico = row.cost_large if row.cost_large is not None else row.cost_pico
    amount = None if pico is None else decimals.multiply(decimals.of(pico), _PICO)
    return Measures(
        row.series_id,
        *row[5:19],
        amount,
        row.cost_flags,
        price_book_id,
        row.reported_cost,
        row.reported_currency,
        row.emission_rate_id,
        row.emission_flags,
    )


def moved(known: Known, *, facts: int, measures: Measures) -> list[tuple[SlotKey, Sums]]:
    """Return what takes the event out of its old row of the roll-ups and puts it into its new one."""
    quarter = rollup.quarter_of(known.occurred_at)
    before = SlotKey(
        quarter, known.measures.series_id, known.facts, known.measures.emission_rate_id or 0, known.measures.price_book_id or 0
    )
    after = SlotKey(quarter, measures.series_id, facts, measures.emission_rate_id or 0, measures.price_book_id or 0)
    return [(before, rollup.minus(_sums(known.measures))), (after, _sums(measures))]


def refacted(known: Known, *, facts: int) -> list[tuple[SlotKey, Sums]]:
    """Return what other facts of an event change of the roll-ups."""
    return moved(known, facts=facts, measures=known.measures)


def _sums(measures: Measures) -> Sums:
    return Sums(
        1,
        measures.requests or 0,
        measures.uncached_input or 0,
        measures.cached_input or 0,
        measures.cache_creation_5m or 0,
        measures.cache_creation_1h or 0,
        measures.output or 0,
        measures.reasoning or 0,
        measures.quantity or ZERO,
        measures.cost_amount or ZERO,
        (measures.reported_cost or ZERO) if measures.reported_currency == "USD" else ZERO,
    )
