"""Single events: a list, one with its calculation and its history, and the erasure of what a sender attached to one.

An amount of the ledger never changes by being looked at: what stands with the event is what is shown. The steps that lead to it are made
anew by the price book and the factor set of this process, and are shown only if they lead to the very same amount by the same version.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.emissions.types import Explanation
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.pricing.types import Step as CostStep
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.store import events as store
from carbonledger.domains.telemetry.store import tallying
from carbonledger.domains.telemetry.types import Event, Fact
from carbonledger.domains.telemetry.types.answers import Asked, Calculated, Filters, Listed
from carbonledger.infra import db, outbox
from carbonledger.kernel import currency, instant, money
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor
from carbonledger.kernel.usage import Usage

ERASED: Final = "telemetry.properties_erased"


async def list_events(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    asked: Asked,
    filters: Filters,
    facts: Fact | None,
    kind: str | None = None,
    page: pages.PageRequest,
) -> pages.Page[Listed]:
    """Return events of the period, the latest first. ``facts``: of which any of them is true; ``kind``: with tokens of it.

    Raises ``CursorUnreadable``.
    """
    rows = await store.events(
        uow,
        organization_id=organization_id,
        period=asked.period,
        filters=filters,
        facts=0 if facts is None else int(facts),
        kind=kind,
        before=pages.after_instant(page),
        limit=page.limit + 1,
    )
    return pages.cut(rows, limit=page.limit, key=_key)


def _key(row: Listed) -> tuple[str, ...]:
    return instant.to_api_instant(row.event.occurred_at), str(row.event.id)


async def find_event(uow: db.UnitOfWork, *, organization_id: UUID, event_id: UUID) -> Calculated:
    """Return an event with its calculation and what it was before. Raises ``EventUnknown``."""
    found = await store.event(uow, organization_id=organization_id, event_id=event_id)
    if found is None:
        raise types.EventUnknown(f"There is no event {event_id} here.")
    usage = usage_of(found.event)
    explained = None if usage is None else _explained(found, usage)
    return Calculated(
        listed=found,
        rating=await store.rating(uow, organization_id=organization_id, event_id=event_id),
        cost_steps=() if usage is None else _cost_steps(found.event, usage),
        emission_steps=() if explained is None else explained.steps,
        envelope=None if explained is None else explained.envelope,
        history=await store.revisions(uow, organization_id=organization_id, event_id=event_id),
    )


def usage_of(event: Event) -> Usage | None:
    """Return what an event was priced and rated as; None for a metered event."""
    series = event.series
    if series.provider is None or series.model is None:
        return None
    return Usage(
        provider=series.provider,
        model=series.model,
        occurred_at=event.occurred_at,
        tokens=event.tokens,
        requests=event.requests,
        batch=series.is_batch,
        service_tier=series.service_tier,
        region=series.region,
    )


def _cost_steps(event: Event, usage: Usage) -> tuple[CostStep, ...]:
    reported = None
    if event.reported_cost is not None and event.reported_currency is not None:
        reported = money.Money(event.reported_cost, currency.by_code(event.reported_currency))
    cost = pricing.price(usage, size=event.series.size, reported=reported)
    is_same = cost.version == event.price_version and cost.amount == event.cost_amount and cost.bits == event.cost_flags
    return pricing.explain(cost) if is_same else ()


def _explained(listed: Listed, usage: Usage) -> Explanation | None:
    explained = emissions.explain(usage, size=listed.event.series.size)
    made = explained.emissions
    is_same = (
        (made.energy_wh, made.co2e_location_g, made.co2e_market_g, made.water_ml)
        == (listed.energy_wh, listed.co2e_g, listed.co2e_market_g, listed.water_ml)
        and made.bits == listed.event.emission_flags
        and listed.factor_version in {None, made.version}
    )
    return explained if is_same else None


async def erase_properties(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, event_id: UUID) -> None:
    """Erase what the sender attached to an event; its identity, counts and amounts stay. Doing it again is nothing.

    Raises ``EventUnknown``.
    """
    if await store.erase_properties(uow, organization_id=organization_id, event_id=event_id):
        await tallying.drop_of(uow, organization_id=organization_id, event_id=event_id)
        await outbox.emit(uow, actor=actor, now=now, action=ERASED, target_type="telemetry_event", target_id=event_id)
        return
    if await store.event(uow, organization_id=organization_id, event_id=event_id) is None:
        raise types.EventUnknown(f"There is no event {event_id} here.")
