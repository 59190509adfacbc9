"""What meters say of accounts: any number of accounts, meters and periods at once, in a few statements.

A quantity is what a price takes: never below zero, with at most 12 places. Both are only ever in question for running sums over time and
for numbers of the caller's own in properties, and for CO2e and energy, whose rates have more digits; rounding is half up, once, here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.catalog.store import entries
from carbonledger.domains.catalog.types import Charge, Meter, Quantity, Request, details_of
from carbonledger.domains.catalog.types.charges import QUANTITY_PLACES, TokenKind, Usage
from carbonledger.domains.telemetry.service import metering, priced
from carbonledger.domains.telemetry.types.metering import Answer, Asked, Detail, Group, Measure, Query
from carbonledger.infra import db
from carbonledger.kernel import decimals
from carbonledger.kernel.decimals import Rounding

_NOTHING: Final = Decimal(0)


def request_of(charge: Charge, meter: Meter, *, account: str, start: datetime, end: datetime) -> Request:
    """Return the question that a usage charge asks of its meter, with the details that its price needs."""
    return Request(meter=meter, account=account, start=start, end=end, details=details_of(charge.model))


async def quantities(uow: db.UnitOfWork, *, organization_id: UUID, requests: Sequence[Request]) -> tuple[Quantity, ...]:
    """Return what each meter says of its account and period, in the order asked; zero where nothing was used.

    Requests that look at the same events share a statement, whatever their number: ask for a whole batch of bills at once. Raises
    ``UsageInvalid`` for more than a million single events of one percentage charge, ``NumberOutOfRange`` for sums of more than 38 digits.
    """
    queries = {id(one.meter): one.meter.query for one in requests}  # a batch of bills asks the same few meters thousands of times
    asked = [Asked(queries[id(one.meter)], one.account, one.start, one.end, one.details) for one in requests]
    return tuple(_quantity(answer) for answer in await metering.answer(uow, organization_id=organization_id, asked=asked))


async def price_versions(uow: db.UnitOfWork, *, organization_id: UUID, requests: Sequence[Request]) -> tuple[tuple[str, ...], ...]:
    """Return the versions of the price book by which what each request counts was priced, in the order asked.

    None for what doesn't rest on providers' prices.
    """
    resting = [place for place, one in enumerate(requests) if _rests_on_prices(one)]
    found: list[tuple[str, ...]] = [()] * len(requests)
    if resting:
        queries = {id(one.meter): one.meter.query for one in requests}
        asked = [Asked(queries[id(one.meter)], one.account, one.start, one.end) for one in (requests[place] for place in resting)]
        for place, versions in zip(resting, await priced.versions(uow, organization_id=organization_id, asked=asked), strict=True):
            found[place] = versions
    return tuple(found)


def _rests_on_prices(request: Request) -> bool:
    return Detail.COST in request.details or request.meter.measure is Measure.COST


async def tallied(uow: db.UnitOfWork, *, organization_id: UUID) -> tuple[Query, ...]:
    """Return what the meters in use ask that no roll-up answers, each once."""
    found = await entries.meters.in_use(uow, organization_id=organization_id)
    return tuple(dict.fromkeys(meter.query for meter in found if metering.is_single(meter.query)))


def _quantity(answer: Answer) -> Quantity:
    return Quantity(
        usage=Usage(
            quantity=_fitting(answer.quantity),
            event_count=answer.events,
            event_amounts=None if answer.amounts is None else tuple(_fitting(amount) for amount in answer.amounts),
            metered_cost=answer.cost_usd,
            cost_by_kind={TokenKind(kind): cost for kind, cost in answer.cost_by_kind.items()},
            co2e=answer.co2e_g,
        ),
        factors=answer.factors,
        groups=tuple(Group(group.values, _fitting(group.quantity), group.events) for group in answer.groups),
        skipped=answer.skipped,
        without_cost=answer.without_cost,
        without_co2e=answer.without_co2e,
    )


def _fitting(number: Decimal) -> Decimal:
    if number < _NOTHING:
        return _NOTHING
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -QUANTITY_PLACES:  # nearly all, and there may be a million of them
        return number
    return decimals.rounded(number, places=QUANTITY_PLACES, mode=Rounding.HALF_UP)
