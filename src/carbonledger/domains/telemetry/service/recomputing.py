"""Computing the ledger anew: by the factor set of this version of the software, and by its price book where that is asked for.

What comes out otherwise is a revision: the database keeps what it replaces, with the versions that it was computed by. Counts never
change here. Goes through the events by time, a batch a transaction, so it may be killed anywhere and go on from the last batch. Costs are
only computed anew when somebody asks, because what a provider charged is past; estimates get better with what is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import rollup
from carbonledger.domains.telemetry.core.rollup import SlotKey, Sums
from carbonledger.domains.telemetry.service import comparing, judging
from carbonledger.domains.telemetry.store import known as store
from carbonledger.domains.telemetry.store import writing
from carbonledger.domains.telemetry.store.known import Change, Known, Measures
from carbonledger.domains.telemetry.store.packing import Staged
from carbonledger.domains.telemetry.types import Fact
from carbonledger.infra import db, outbox, queue
from carbonledger.kernel import currency, money
from carbonledger.kernel.actor import Actor
from carbonledger.kernel.usage import BUCKETS, PARTS, TokenBuckets, Usage, UsageQuality

JOB: Final = "telemetry.recompute"
RECOMPUTED: Final = "telemetry.recomputed"
BATCH: Final = 5_000
_COST_FACTS: Final = int(Fact.COST_NOT_COVERED | Fact.COST_ESTIMATED)
_EMISSION_FACTS: Final = int(Fact.EMISSIONS_NOT_COVERED | Fact.EMISSIONS_ASSUMED)
_COST: Final = ("cost_amount", "cost_flags", "price_book_id")
_EMISSIONS: Final = ("emission_rate_id", "emission_flags")


@dataclass(frozen=True, slots=True)
class What:
    """What is computed anew."""

    costs: bool
    emissions: bool


class Place(NamedTuple):
    """The event after which it goes on."""

    occurred_at: datetime
    event_id: UUID


START: Final = Place(datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))


class Done(NamedTuple):
    """What a batch came to; ``place`` None: it was the last."""

    seen: int
    changed: int
    place: Place | None


def versions() -> str:
    """Name what this process computes by: price book and factor set."""
    return f"book {pricing.book().version} factors {emissions.current().version}"


async def ask(uow: db.UnitOfWork, *, actor: Actor, now: datetime, what: What) -> UUID:
    """Ask for an organization's ledger to be computed anew; return the job's id, which is that of one under way for the same."""
    args = {"costs": what.costs, "emissions": what.emissions}
    key = f"costs:{what.costs} emissions:{what.emissions} {versions()}"
    return await queue.enqueue(uow, name=JOB, args=args, now=now, actor=actor, dedupe_key=key)


async def recompute(uow: db.UnitOfWork, *, at: datetime, organization_id: UUID, what: What, place: Place) -> Done:
    """Compute the next batch of events anew and write what comes out otherwise."""
    batch = await store.after(uow, organization_id=organization_id, at=place.occurred_at, event_id=place.event_id, at_most=BATCH)
    if not batch:
        return Done(0, 0, None)
    locked = await store.lock(uow, organization_id=organization_id, event_ids=sorted(one.id for one in batch))
    events = list(locked.values())  # as they stand now: one may have been revised since it was looked at
    rows = await judging.rows_of(
        uow,
        at=at,
        organization_id=organization_id,
        booking=types.Booking(source=types.Source.API),
        drafts=[(one.id, _draft(one)) for one in events],
        keys=[one.series for one in events],
    )
    book_id = await pricing.book_id(uow, at=at)
    changes: list[Change] = []
    changed: list[tuple[SlotKey, Sums]] = []
    for one, row in zip(events, rows, strict=True):
        measures, facts = _anew(one, row, book_id, what)
        if measures != one.measures:
            changes.append(Change(one.id, facts, one.revision + 1, measures))
            changed += comparing.moved(one, facts=facts, measures=measures)
    await store.revise(uow, organization_id=organization_id, changes=changes)
    await writing.add(uow, organization_id=organization_id, changes=rollup.merged(changed))
    last = batch[-1]
    return Done(len(batch), len(changes), Place(last.occurred_at, last.id) if len(batch) == BATCH else None)


async def tell(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, what: What, seen: int, changed: int) -> None:
    """Put into the trail what was computed anew."""
    after = {"costs": what.costs, "emissions": what.emissions, "events": seen, "changed": changed}
    await outbox.emit(uow, actor=actor, now=now, action=RECOMPUTED, target_type="organization", target_id=organization_id, after=after)


def _draft(known: Known) -> types.Draft:
    """Return the event as its source told it."""
    measures, series = known.measures, known.series
    reported = None
    if measures.reported_cost is not None and measures.reported_currency is not None:
        reported = money.Money(measures.reported_cost, currency.by_code(measures.reported_currency))
    return types.Draft(
        idempotency_key="-",  # the row that is made of it is compared, not written
        usage=Usage(
            provider=series.provider or "",
            model=series.model or "",
            occurred_at=known.occurred_at,
            tokens=TokenBuckets(**{name: getattr(measures, name) for name in (*BUCKETS, *PARTS)}),
            requests=measures.requests,
            batch=series.is_batch,
            service_tier=series.service_tier,
            region=series.region,
        ),
        quality=_quality(known.facts),
        duration_s=known.duration_s,
        reported=reported,
        size=series.size,
    )


def _quality(facts: int) -> UsageQuality:
    if facts & Fact.PARTIAL:
        return UsageQuality.PARTIAL
    return UsageQuality.ESTIMATED if facts & Fact.ESTIMATED else UsageQuality.REPORTED


def _anew(known: Known, row: Staged, book_id: int, what: What) -> tuple[Measures, int]:
    """Return what the event becomes: the asked for part of what was computed, and all else as it stands."""
    computed = comparing.measures_of(row, book_id)
    names = (*(_COST if what.costs else ()), *(_EMISSIONS if what.emissions else ()))
    facts = (_COST_FACTS if what.costs else 0) | (_EMISSION_FACTS if what.emissions else 0)
    measures = known.measures._replace(**{name: getattr(computed, name) for name in names})
    return measures, (known.facts & ~facts) | (row.facts & facts)
