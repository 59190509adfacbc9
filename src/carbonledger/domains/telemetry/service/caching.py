"""What caching saved in a period, and what each kind of token cost and took.

Made of roll-ups: sums of a day, or of an hour where a price changes within a day, times the price of that time in the book of this
process. So figures follow the book, not the costs that events keep; no event is read but those of an hour that a bound cuts.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.pricing import types as price_types
from carbonledger.domains.telemetry.core import caching, slots
from carbonledger.domains.telemetry.core.slots import Grain
from carbonledger.domains.telemetry.service import answering
from carbonledger.domains.telemetry.store import caching as store
from carbonledger.domains.telemetry.store import planning
from carbonledger.domains.telemetry.types.answers import Asked, Dimension, Filters
from carbonledger.domains.telemetry.types.caching import KINDS, ByKind, CacheSaving, KindSum, Priced, Rated, Served, Stretches
from carbonledger.infra import db
from carbonledger.kernel import decimals
from carbonledger.kernel.quantity import Co2eG, EnergyWh, Range
from carbonledger.kernel.usage import RequestSize, TokenBuckets, Usage

_MARGIN: Final = timedelta(days=1)  # a plan reads beyond a bound and takes it off again (``core.slots``), by less than a day
_Rates = list[tuple[datetime, price_types.UnitPrices]]
_UNTOLD: Final = TokenBuckets(uncached_input=None, cached_input=None, cache_creation_5m=None, cache_creation_1h=None, output=None)


async def saving(uow: db.UnitOfWork, *, organization_id: UUID, asked: Asked, filters: Filters) -> CacheSaving:
    """Return what caching saved in the period."""
    found, priced, rated = await _sums(uow, organization_id, asked, filters, only_cached=True)
    cost, cost_coverage = caching.saved_cost(priced, caching.prices_of(found), pricing.cache_saving)
    energy, co2e, coverage = caching.saved_emissions(rated)
    return CacheSaving(
        asked=asked,
        tokens=sum(one.counts.cached_input for one in rated),
        cost=cost,
        cost_coverage=cost_coverage,
        energy_wh=_energy(energy),
        co2e_g=_co2e(co2e),
        coverage=coverage,
    )


async def by_kind(uow: db.UnitOfWork, *, organization_id: UUID, asked: Asked, filters: Filters) -> ByKind:
    """Return usage of the period by kind of token. The ledger's cost is theirs and ``other_cost`` together."""
    found, priced, rated = await _sums(uow, organization_id, asked, filters, only_cached=False)
    whole = await answering.breakdown(uow, organization_id=organization_id, asked=asked, filters=filters, group_by=[Dimension.PROVIDER])
    kinds = tuple(_kind(kind, found, priced, rated) for kind in KINDS)
    known = functools.reduce(decimals.add, (kind.cost for kind in kinds if kind.cost is not None), Decimal(0))
    other = decimals.subtract(whole.totals.cost or Decimal(0), known)
    return ByKind(asked=asked, kinds=kinds, other_cost=other)


def _kind(kind: str, found: list[Stretches], priced: list[Priced], rated: list[Rated]) -> KindSum:
    cost, cost_coverage = caching.cost_of(kind, priced, caching.prices_of(found))
    energy, co2e, coverage = caching.emissions_of(kind, rated)
    tokens = sum(one.counts[KINDS.index(kind)] for one in rated)
    return KindSum(
        kind=kind,
        tokens=tokens,
        cost=cost,
        cost_coverage=cost_coverage,
        energy_wh=_energy(energy),
        co2e_g=_co2e(co2e),
        coverage=coverage,
    )


def _energy(found: Range | None) -> EnergyWh | None:
    return None if found is None else EnergyWh(found.low, found.mid, found.high)


def _co2e(found: Range | None) -> Co2eG | None:
    return None if found is None else Co2eG(found.low, found.mid, found.high)


async def _sums(
    uow: db.UnitOfWork, organization_id: UUID, asked: Asked, filters: Filters, *, only_cached: bool
) -> tuple[list[Stretches], list[Priced], list[Rated]]:
    start, end = asked.period.start.astimezone(UTC), asked.end.astimezone(UTC)
    first, last = (start - _MARGIN).date(), (end + _MARGIN).date()
    is_broad = answering.is_broad(filters)
    daily = slots.plan((start, end))
    async with planning.planned(uow, parts=daily, is_broad=is_broad):
        served = await store.served(
            uow, organization_id=organization_id, first=first, last=last, filters=filters, only_cached=only_cached, is_broad=is_broad
        )
        found = stretches_of(served, start, end)
        if not found:
            return [], [], []
        has_hourly = any(one.is_hourly for one in found)
        hourly = slots.plan((start, end), coarsest=Grain.HOUR) if has_hourly else ()
        priced, rated = await store.sums(
            uow, organization_id=organization_id, stretches=found, daily=daily, hourly=hourly, is_broad=is_broad
        )
    return found, priced, rated


def stretches_of(served: Sequence[Served], start: datetime, end: datetime) -> list[Stretches]:
    """Return from when on each price of the series holds between two instants, and beyond them as far as a plan reads."""
    rates: dict[Served, _Rates] = {}  # series of one model differ in project, account and the like: their prices are the same
    found = []
    for one in served:
        alike = one._replace(series_id=0)
        if alike not in rates:
            rates[alike] = _rates(one, start - _MARGIN, end + _MARGIN)
        found.append(caching.stretches(one.series_id, rates[alike]))
    return found


def _rates(one: Served, start: datetime, end: datetime) -> _Rates:
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    size = None if one.size_above is None else RequestSize(one.size_above, one.size_up_to)
    usage = Usage(
        provider=one.provider,
        model=one.model,
        occurred_at=midnight,
        tokens=_UNTOLD,
        requests=None,
        batch=one.is_batch,
        service_tier=one.service_tier,
        region=one.region,
    )
    return [(at, pricing.unit_prices(rate, size=size)) for at, rate in pricing.rates(usage).between(midnight, end)]
