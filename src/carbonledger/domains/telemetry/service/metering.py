"""Metering: what queries say of accounts, for many accounts and queries at once, in a few statements whatever their number.

What is a sum over whole events is read from roll-ups, and at the bounds of the time from single events, so it is exact whatever the bounds
(``core.slots``). The largest, the last, how many different properties, running sums over time, and whatever looks at properties is put
together of tallies (``service.tallying``); only amounts of single events are always read from these. Queries that look at the same events
share a statement, those that tell less of them apart included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from carbonledger.domains.telemetry.core import slots
from carbonledger.domains.telemetry.core import tallying as core
from carbonledger.domains.telemetry.core.slots import Part
from carbonledger.domains.telemetry.service import kinds, tallying
from carbonledger.domains.telemetry.store import aggregating
from carbonledger.domains.telemetry.store import metering as store
from carbonledger.domains.telemetry.types.metering import (
    ESTIMATES,
    Aggregation,
    Answer,
    Asked,
    Detail,
    Dimension,
    Field,
    Group,
    Measure,
    Query,
)
from carbonledger.infra import db
from carbonledger.kernel import decimals
from carbonledger.kernel.decimals import Rounding
from carbonledger.kernel.quantity import Co2eG

_NOTHING: Final = Decimal(0)


async def answer(uow: db.UnitOfWork, *, organization_id: UUID, asked: Sequence[Asked]) -> list[Answer]:
    """Return what each query says of its account and time, in the order asked."""
    answers: dict[int, Answer] = {}
    rolled: dict[_Shape, list[int]] = {}
    single: dict[tuple[Query, frozenset[Detail]], list[int]] = {}
    # Alike are put together twice: a query that is the same object is not looked into for each of thousands of accounts.
    alike: dict[tuple[int, frozenset[Detail]], list[int]] = {}
    for place, one in enumerate(asked):
        alike.setdefault((id(one.query), one.details), []).append(place)
    for places in alike.values():
        one = asked[places[0]]
        if _is_rolled(one):
            rolled.setdefault(_shape(one), []).extend(places)
        else:
            single.setdefault((one.query, one.details), []).extend(places)
    for shape, places in _together(rolled, asked).items():
        answers |= await _rolled(uow, organization_id, shape, {place: asked[place] for place in places})
    for (query, details), places in single.items():
        mine = {place: asked[place] for place in places}
        if Detail.EVENT_AMOUNTS in details:
            answers |= await _single(uow, organization_id, query, details, mine)
        else:
            answers |= await tallying.answer(uow, organization_id=organization_id, query=query, details=details, asked=mine)
    by_kind = {place: one for place, one in enumerate(asked) if Detail.COST_BY_KIND in one.details}
    for place, costs in (await kinds.costs(uow, organization_id=organization_id, asked=by_kind)).items():
        answers[place] = replace(answers[place], cost_by_kind=kinds.within(costs, answers[place].cost_usd or _NOTHING))
    return [answers[place] for place in range(len(asked))]


class _Shape(NamedTuple):
    """Which events queries look at, and what they tell apart: those that agree in it share a statement."""

    query: Query
    has_estimates: bool


def _together(rolled: Mapping[_Shape, list[int]], asked: Sequence[Asked]) -> dict[_Shape, list[int]]:
    """Put what looks at the same events of the same accounts and times, and tells less of them apart, to what tells the most apart.

    To plan and to read a statement costs more than to add up groups of another: a page asks for calls, tokens by model and cost at once.
    """
    found: dict[_Shape, list[int]] = {}
    for shape, places in sorted(rolled.items(), key=lambda each: -len(each[0].query.group_by)):
        host = next((one for one in found if _holds(one, found[one], shape, places, asked)), None)
        if host is None:
            found[shape] = places
        else:
            joined = found.pop(host) + places
            found[_Shape(host.query, host.has_estimates or shape.has_estimates)] = joined
    return found


def _holds(host: _Shape, hosted: Iterable[int], shape: _Shape, places: Iterable[int], asked: Sequence[Asked]) -> bool:
    mine, other = shape.query, host.query
    if (mine.event, mine.filters) != (other.event, other.filters) or not set(mine.group_by) <= set(other.group_by):
        return False
    return {asked[place][1:4] for place in places} <= {asked[place][1:4] for place in hosted}


def _is_rolled(asked: Asked) -> bool:
    return not is_single(asked.query) and Detail.EVENT_AMOUNTS not in asked.details


def is_single(query: Query) -> bool:
    """Say whether no roll-up answers a query, so that single events do, or tallies of them."""
    told = [*query.group_by, *(one.dimension for one in query.filters), *([query.unique] if query.unique is not None else [])]
    if query.measure is Measure.PROPERTY or any(one.field is Field.PROPERTY for one in told):
        return True
    return query.aggregation not in {Aggregation.COUNT, Aggregation.SUM, Aggregation.UNIQUE}


def _shape(asked: Asked) -> _Shape:
    """Return the events that a query looks at, as a query that counts them."""
    query = asked.query
    # How many different values of a field there are is how many groups it makes.
    groups = query.group_by if query.unique is None else (*query.group_by, query.unique)
    has_estimates = query.measure in ESTIMATES or Detail.CO2E in asked.details
    return _Shape(Query(aggregation=Aggregation.COUNT, event=query.event, filters=query.filters, group_by=groups), has_estimates)


def _utc(asked: Asked) -> tuple[datetime, datetime]:
    return asked.start.astimezone(UTC), asked.end.astimezone(UTC)


async def _rolled(uow: db.UnitOfWork, organization_id: UUID, shape: _Shape, asked: Mapping[int, Asked]) -> dict[int, Answer]:
    plans: dict[tuple[datetime, datetime], Sequence[Part]] = {}
    windows: dict[tuple[str, datetime, datetime], int] = {}
    for one in asked.values():
        windows.setdefault((one.account, *_utc(one)), len(windows))
    for _, start, end in windows:
        if (start, end) not in plans:
            plans[start, end] = slots.plan((start, end))
    rows = await store.sums(
        uow,
        organization_id=organization_id,
        query=shape.query,
        dimensions=shape.query.group_by,
        windows=[(account, plans[start, end]) for account, start, end in windows],
        estimates=shape.has_estimates,
    )
    by_window: dict[int, list[store.Sums]] = {}
    for row in rows:
        by_window.setdefault(row.window, []).append(row)
    told = {dimension: place for place, dimension in enumerate(shape.query.group_by)}
    return {place: _summed(one, by_window.get(windows[one.account, *_utc(one)], []), told) for place, one in asked.items()}


def _summed(asked: Asked, rows: Sequence[store.Sums], told: Mapping[Dimension, int]) -> Answer:
    """Return the answer from the rows of its window; ``told``: at which place of their labels a dimension is."""
    query, details = asked.query, asked.details
    return Answer(
        quantity=_value(query, rows, told),
        events=sum(row.events for row in rows),
        groups=_groups(query, rows, told) if query.group_by else (),
        cost_usd=core.total(row.cost for row in rows) if Detail.COST in details else None,
        co2e_g=core.co2e([row.estimates[:3] for row in rows if row.estimates is not None]) if Detail.CO2E in details else None,
        factors=tuple(sorted({one for row in rows for one in row.factors})) if Detail.CO2E in details else (),
        without_cost=sum(row.without_cost for row in rows),
        without_co2e=sum(row.without_co2e for row in rows),
    )


def _groups(query: Query, rows: Sequence[store.Sums], told: Mapping[Dimension, int]) -> tuple[Group, ...]:
    places = [told[dimension] for dimension in query.group_by]
    groups: dict[tuple[str | None, ...], list[store.Sums]] = {}
    for row in rows:
        groups.setdefault(tuple(row.labels[place] for place in places), []).append(row)
    return core.largest(Group(labels, _value(query, found, told), sum(row.events for row in found)) for labels, found in groups.items())


def _value(query: Query, rows: Sequence[store.Sums], told: Mapping[Dimension, int]) -> Decimal:
    if query.unique is not None:
        return Decimal(len({row.labels[told[query.unique]] for row in rows} - {None}))
    if query.aggregation is Aggregation.COUNT or query.measure is None:
        return Decimal(sum(row.events for row in rows))
    measure = query.measure
    return core.total(row.of(measure) for row in rows)


async def _single(
    uow: db.UnitOfWork, organization_id: UUID, query: Query, details: frozenset[Detail], asked: Mapping[int, Asked]
) -> dict[int, Answer]:
    windows: dict[aggregating.Window, int] = {}
    for one in asked.values():
        windows.setdefault(aggregating.Window(one.account, *_utc(one)), len(windows))
    rows = await aggregating.aggregates(
        uow,
        organization_id=organization_id,
        query=query,
        windows=list(windows),
        amounts=Detail.EVENT_AMOUNTS in details,
        co2e=Detail.CO2E in details,
    )
    by_window: dict[int, list[aggregating.Aggregate]] = {}
    for row in rows:
        by_window.setdefault(row.window, []).append(row)
    found = {}
    for place, one in asked.items():
        window = aggregating.Window(one.account, *_utc(one))
        found[place] = _aggregated(query, details, window, by_window.get(windows[window], []))
    return found


def _aggregated(query: Query, details: frozenset[Detail], window: aggregating.Window, rows: Sequence[aggregating.Aggregate]) -> Answer:
    whole = next((row for row in rows if row.labels is None), None)
    groups = [Group(row.labels, _value_of(query, row.value, window), row.events) for row in rows if row.labels is not None]
    if whole is None:
        empty = () if Detail.EVENT_AMOUNTS in details else None
        cost = _NOTHING if Detail.COST in details else None
        return Answer(quantity=_NOTHING, events=0, amounts=empty, cost_usd=cost, co2e_g=Co2eG.zero() if Detail.CO2E in details else None)
    amounts = tuple(decimals.checked(amount) for amount in whole.amounts or ())
    return Answer(
        quantity=_value_of(query, whole.value, window),
        events=whole.events,
        skipped=whole.skipped,
        groups=core.largest(groups),
        amounts=amounts if Detail.EVENT_AMOUNTS in details else None,
        cost_usd=decimals.checked(whole.cost) if Detail.COST in details else None,
        co2e_g=None if whole.co2e is None else core.co2e([whole.co2e]),
        factors=whole.factors,
        without_cost=whole.without_cost,
        without_co2e=whole.without_co2e,
    )


def _value_of(query: Query, value: Decimal | None, window: aggregating.Window) -> Decimal:
    """Return what an aggregate comes to: of a weighted sum its units times seconds over the seconds of the time."""
    if value is None:
        return _NOTHING
    exact = decimals.checked(value)
    if query.aggregation is not Aggregation.WEIGHTED_SUM:
        return exact
    passed = window.end - window.start
    micros = decimals.of(passed.days * 86_400_000_000 + passed.seconds * 1_000_000 + passed.microseconds)
    return decimals.quotient(exact, Decimal(1_000_000), micros, places=core.WEIGHTED_PLACES, mode=Rounding.HALF_UP)
