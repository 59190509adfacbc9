"""Single events: a list of them, one of them with its rates and what it was before, and the erasure of its properties."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.telemetry.store import answers, finding
from carbonledger.domains.telemetry.types import Event, Fact, SeriesKey
from carbonledger.domains.telemetry.types.answers import Filters, Listed, Rating, Replaced
from carbonledger.infra import db
from carbonledger.kernel import usage
from carbonledger.kernel.period import Period
from carbonledger.kernel.quantity import Co2eG, EnergyWh, WaterMl

COUNTS: Final = (*usage.BUCKETS, *usage.PARTS)
RATES: Final = ("energy_wh", "co2e_location_g", "co2e_market_g", "water_ml")
_PREFILL: Final = "coalesce(e.uncached_input, 0) + coalesce(e.cache_creation_5m, 0) + coalesce(e.cache_creation_1h, 0)"


def _product(rates: str, bound: int) -> str:
    prefill, cached, decode = (f"r.{rates}[{bound * 3 + phase}]" for phase in (1, 2, 3))
    return f"(({_PREFILL}) * {prefill} + coalesce(e.cached_input, 0) * {cached} + coalesce(e.output, 0) * {decode})"


AMOUNTS: Final = tuple(_product(rates, bound) for rates in RATES for bound in range(3))
"""What an event ``e`` with rates ``r`` emits, exactly: low, mid and high of each of ``RATES``; NULL without rates."""
_SERIES: Final = ", ".join(f"s.{name}" for name in SeriesKey._fields)
_COUNTS: Final = ", ".join(f"e.{name}" for name in COUNTS)
_AMOUNTS: Final = ", ".join(AMOUNTS)
_SELECT: Final = f"""
SELECT e.id, e.idempotency_key, e.occurred_at, e.duration_s, e.requests, e.quantity, e.cost_amount, e.cost_flags, b.version,
    e.reported_cost, e.reported_currency, e.emission_rate_id, e.emission_flags, e.facts, e.revision, e.properties, e.recorded_at,
    r.factor_version, {_SERIES}, {_COUNTS}, {_AMOUNTS}
FROM telemetry_events e JOIN telemetry_series s ON s.organization_id = e.organization_id AND s.id = e.series_id
LEFT JOIN price_books b ON b.id = e.price_book_id LEFT JOIN emission_rates r ON r.id = e.emission_rate_id
WHERE e.organization_id = $1
"""
_FILTERS_FROM: Final = 9
_MATCHES: Final = answers.matches(_FILTERS_FROM)
_COUNTED: Final = " ".join(f"WHEN '{kind}' THEN e.{kind} > 0" for kind in usage.BUCKETS)
_LIST: Final = f"""{_SELECT} AND e.occurred_at >= $2 AND e.occurred_at < $3
    AND ($4::timestamptz IS NULL OR (e.occurred_at, e.id) < ($4, $5::uuid)) AND ($6::integer = 0 OR e.facts & $6 <> 0)
    AND CASE $8::text {_COUNTED} ELSE true END AND {_MATCHES}
ORDER BY e.occurred_at DESC, e.id DESC LIMIT $7
"""
_HOURS: Final = _FILTERS_FROM + len(answers.values(Filters()))
# The same in some hours alone; what is known of these is that they hold few more than are asked for, so these may be sorted.
_LIST_IN: Final = _LIST.replace(
    "FROM telemetry_events e JOIN",
    f"""FROM unnest(${_HOURS}::timestamptz[]) AS h (hour) CROSS JOIN LATERAL (
    SELECT * FROM telemetry_events e WHERE e.organization_id = $1 AND e.occurred_at >= h.hour AND e.occurred_at < h.hour + interval '1 hour'
    OFFSET 0
) e JOIN""",
)
_FIND: Final = f"{_SELECT} AND e.id = $2"
_RATING: Final = """
SELECT r.factor_version, r.model_tier, r.is_fallback, r.host, r.grid, r.market_grid, r.is_batch,
    r.energy_wh, r.co2e_location_g, r.co2e_market_g, r.water_ml
FROM telemetry_events e JOIN emission_rates r ON r.id = e.emission_rate_id WHERE e.organization_id = $1 AND e.id = $2
"""
_REVISIONS: Final = f"""
SELECT e.revision, e.requests, e.quantity, e.cost_amount, e.reported_cost, e.reported_currency, b.version, r.factor_version, e.replaced_at,
    {_COUNTS}
FROM telemetry_revisions e LEFT JOIN price_books b ON b.id = e.price_book_id LEFT JOIN emission_rates r ON r.id = e.emission_rate_id
WHERE e.organization_id = $1 AND e.event_id = $2 ORDER BY e.revision
"""
_ERASE: Final = """
UPDATE telemetry_events SET properties = NULL WHERE organization_id = $1 AND id = $2 AND properties IS NOT NULL RETURNING id
"""
_PLAIN: Final = 18  # columns before the series
_GLANCE: Final = timedelta(hours=1)  # looked through first: a page of what is frequent is there already


async def events(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    period: Period,
    filters: Filters,
    facts: int,
    kind: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Listed]:
    """Return events of a period with any of ``facts`` (0: whatever they are), the latest first, those before an instant and id.

    ``kind``: only those with tokens of this kind.
    """
    end, last = before or (period.end, None)
    is_any = filters == Filters() and not facts and kind is None
    start = period.start if is_any or end is None else max(period.start, end - _GLANCE)
    found: list[Listed] = []
    values = answers.values(filters)
    arguments = (end if last else None, last, facts)
    rows = await uow.conn.fetch(_LIST, organization_id, start, period.end, *arguments, limit, kind, *values)
    found += [_listed(tuple(row)) for row in rows]
    while start > period.start and len(found) < limit:
        wanted = limit - len(found)
        hours = await finding.hours(
            uow, organization_id=organization_id, start=period.start, end=start, filters=filters, facts=facts, kind=kind, events=wanted
        )
        if not hours:
            break
        rows = await uow.conn.fetch(_LIST_IN, organization_id, period.start, start, *arguments, wanted, kind, *values, hours)
        found += [_listed(tuple(row)) for row in rows]
        start = hours[0]
    return found


async def event(uow: db.UnitOfWork, *, organization_id: UUID, event_id: UUID) -> Listed | None:
    """Return an event."""
    row = await uow.conn.fetchrow(_FIND, organization_id, event_id)
    return None if row is None else _listed(tuple(row))


async def rating(uow: db.UnitOfWork, *, organization_id: UUID, event_id: UUID) -> Rating | None:
    """Return the rates of an event; None: not covered."""
    row = await uow.conn.fetchrow(_RATING, organization_id, event_id)
    if row is None:
        return None
    *plain, energy, location, market, water = tuple(row)
    version, tier, is_fallback, host, grid, market_grid, is_batch = plain
    return Rating(
        factor_version=version,
        model_tier=tier,
        is_fallback=is_fallback,
        host=host,
        grid=grid,
        market_grid=market_grid,
        is_batch=is_batch,
        energy_wh=tuple(energy),
        co2e_location_g=tuple(location),
        co2e_market_g=None if market is None else tuple(market),
        water_ml=tuple(water),
    )


async def revisions(uow: db.UnitOfWork, *, organization_id: UUID, event_id: UUID) -> tuple[Replaced, ...]:
    """Return what an event was before, the first first."""
    rows = await uow.conn.fetch(_REVISIONS, organization_id, event_id)
    return tuple(
        Replaced(
            revision=row["revision"],
            counts={name: row[name] for name in COUNTS},
            requests=row["requests"],
            quantity=row["quantity"],
            cost_amount=row["cost_amount"],
            reported_cost=row["reported_cost"],
            reported_currency=row["reported_currency"],
            price_version=row["version"],
            factor_version=row["factor_version"],
            replaced_at=row["replaced_at"],
        )
        for row in rows
    )


async def erase_properties(uow: db.UnitOfWork, *, organization_id: UUID, event_id: UUID) -> bool:
    """Take an event's properties away, and say whether there were any."""
    return await uow.conn.fetchval(_ERASE, organization_id, event_id) is not None


def _listed(row: tuple[Any, ...]) -> Listed:
    series_end = _PLAIN + len(SeriesKey._fields)
    counts_end = series_end + len(COUNTS)
    amounts: Sequence[Any] = row[counts_end:]  # decimals, or all of one quantity None
    energy, location, market, water = (amounts[place : place + 3] for place in range(0, len(AMOUNTS), 3))
    event_id, key, at, duration_s, requests, quantity, cost, cost_flags, book, reported, currency, *rest = row[:_PLAIN]
    rate_id, emission_flags, facts, revision, properties, recorded_at, factor_version = rest
    found = Event(
        id=event_id,
        idempotency_key=key,
        occurred_at=at,
        duration_s=duration_s,
        series=SeriesKey(*row[_PLAIN:series_end]),
        tokens=usage.TokenBuckets(**dict(zip(COUNTS, row[series_end:counts_end], strict=True))),
        requests=requests,
        quantity=quantity,
        cost_amount=cost,
        cost_flags=cost_flags,
        price_version=book,
        reported_cost=reported,
        reported_currency=currency,
        emission_rate_id=rate_id,
        emission_flags=emission_flags,
        facts=Fact(facts),
        revision=revision,
        properties=properties,
        recorded_at=recorded_at,
    )
    return Listed(
        event=found,
        energy_wh=None if energy[0] is None else EnergyWh(*energy),
        co2e_g=None if location[0] is None else Co2eG(*location),
        co2e_market_g=None if market[0] is None else Co2eG(*market),
        water_ml=None if water[0] is None else WaterMl(*water),
        factor_version=factor_version,
    )
