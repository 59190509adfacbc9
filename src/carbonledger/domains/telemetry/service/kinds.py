"""What the tokens of each kind cost in accounts' usage, for prices that have a margin of their own for some of them.

A cost is kept as one amount, so its parts are computed anew: sums of tokens, times the price of that time in the book of this process
(``service.caching``). Where they come to more than the cost that was kept, as after a change of the book, each is cut in proportion; what
they leave of it (fees, sound, images, price tiers) is of no kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.pricing import types as price_types
from carbonledger.domains.telemetry.core import caching, slots
from carbonledger.domains.telemetry.core.slots import Grain
from carbonledger.domains.telemetry.service import caching as prices
from carbonledger.domains.telemetry.store import caching as sums
from carbonledger.domains.telemetry.store import metering as store
from carbonledger.domains.telemetry.types.caching import KINDS
from carbonledger.domains.telemetry.types.metering import Asked, Query
from carbonledger.infra import db
from carbonledger.kernel import decimals
from carbonledger.kernel.decimals import Rounding

_PLACES: Final = 12
_Costs = dict[str, dict[str, Decimal]]


async def costs(uow: db.UnitOfWork, *, organization_id: UUID, asked: Mapping[int, Asked]) -> dict[int, dict[str, Decimal]]:
    """Return USD by kind of token for each that asks; queries without filters by property. A kind that cost nothing is left out.

    Two statements for all accounts of one query and one time.
    """
    alike: dict[tuple[Query, datetime, datetime], dict[str, list[int]]] = {}
    for place, one in asked.items():
        key = (one.query, one.start.astimezone(UTC), one.end.astimezone(UTC))
        alike.setdefault(key, {}).setdefault(one.account, []).append(place)
    found: dict[int, dict[str, Decimal]] = {}
    for (query, start, end), places in alike.items():
        by_account = await _costs(uow, organization_id, query, (start, end), list(places))
        found |= {place: by_account.get(account, {}) for account, several in places.items() for place in several}
    return found


async def _costs(uow: db.UnitOfWork, organization_id: UUID, query: Query, time: tuple[datetime, datetime], accounts: list[str]) -> _Costs:
    served = await store.served(uow, organization_id=organization_id, query=query, accounts=accounts)
    if not served:
        return {}
    owners = {one.series_id: account for account, one in served}
    stretches = prices.stretches_of([one for _, one in served], *time)
    has_hourly = any(one.is_hourly for one in stretches)
    priced, _ = await sums.sums(
        uow,
        organization_id=organization_id,
        stretches=stretches,
        daily=slots.plan(time),
        hourly=slots.plan(time, coarsest=Grain.HOUR) if has_hourly else (),
        is_broad=False,
    )
    unit_prices = caching.prices_of(stretches)
    by_account: dict[str, dict[str, int]] = {}
    for one in priced:
        if one.is_covered:
            mine = by_account.setdefault(owners[one.series_id], {})
            for kind, count, price in zip(KINDS, one.counts, unit_prices[one.series_id, one.place], strict=False):
                mine[kind] = mine.get(kind, 0) + count * (price or 0)
    return {account: {kind: price_types.dollars(pico) for kind, pico in kinds.items() if pico} for account, kinds in by_account.items()}


def within(parts: Mapping[str, Decimal], whole: Decimal) -> dict[str, Decimal]:
    """Return the parts if they come to no more than the whole; else each in proportion, rounded down to 12 places."""
    total = Decimal(0)
    for part in parts.values():
        total = decimals.add(total, part)
    if total <= whole:
        return dict(parts)
    return {kind: decimals.quotient(whole, part, total, places=_PLACES, mode=Rounding.DOWN) for kind, part in parts.items()}
