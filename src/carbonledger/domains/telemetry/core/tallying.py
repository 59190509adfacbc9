"""Tallies put together: which stretches of time are left to be read, and what tallies of a period come to.

Owns what makes a tally stand. Each row of a roll-up by hours and days counts what was added to it, in the transaction that added the
events or changed them. The sum of these numbers over the rows of a series and a slot only grows, so a tally that was made when it was the
same, in one snapshot with the events, is of the events as they are. Nothing has to be told that a tally is out of date, and none is used
that is. What goes round the roll-ups, since it adds nothing to them (erasing properties, making roll-ups anew), deletes tallies itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from carbonledger.domains.telemetry.core import identity
from carbonledger.domains.telemetry.types.metering import Aggregation, Answer, Detail, Dimension, Field, Group, Query
from carbonledger.domains.telemetry.types.tallying import Range, Slot, Stretch, Told
from carbonledger.kernel import decimals
from carbonledger.kernel.decimals import Rounding
from carbonledger.kernel.quantity import Co2eG

WEIGHTED_PLACES: Final = 12
"""Of a weighted sum, which is a quotient: as many as a metered quantity has."""
DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
FORM: Final = 1
"""What tallies are made of, as a number: another reading of events is another form, and leaves all tallies behind."""
_NOTHING: Final = Decimal(0)
_US: Final = timedelta(microseconds=1)


def number_of(query: Query) -> UUID:
    """Return what tallies of a query are kept under, made of everything that it counts."""
    told = {
        "form": FORM,
        "aggregation": query.aggregation.value,
        "event": query.event,
        "measure": None if query.measure is None else query.measure.value,
        "property": query.property_name,
        "unique": None if query.unique is None else query.unique.label,
        "filters": [[one.dimension.label, list(one.values), one.excluded] for one in query.filters],
        "group_by": [one.label for one in query.group_by],
    }
    return identity.query_digest(json.dumps(told, sort_keys=True).encode())


def ranges(query: Query, account: str, start: datetime, end: datetime, *, earliest: datetime) -> list[Range]:
    """Return what has to be known for a period: itself, and where a sum goes on from before, all since ``earliest``, where events begin."""
    asked = [Range(account, start, end)]
    if query.recurring and earliest < start:
        asked.append(Range(account, earliest, start, is_before=True))
    return asked


def hours_of(slot: Slot) -> Stretch | None:
    """Return the whole hours of a slot; None: there is none."""
    start, end = floor(slot.start, HOUR), floor(slot.end, HOUR)
    if start < slot.start:
        start += HOUR
    return Stretch(start, end) if start < end else None


def floor(at: datetime, step: timedelta) -> datetime:
    """Return the start of the hour or the day (UTC) that an instant is in."""
    return at - (at - datetime(2000, 1, 1, tzinfo=UTC)) % step


def split(slot: Slot, hours: Sequence[Slot]) -> list[Slot]:
    """Return a slot by its ``hours``, those that have events, with what lies before the first and after the last whole one."""
    whole = hours_of(slot)
    if whole is None:
        return [slot]
    edges = [Slot(slot.start, whole.start, 0, None), *hours, Slot(whole.end, slot.end, 0, None)]
    return [one for one in edges if one.start < one.end]


def left(slots: Iterable[Slot]) -> list[Stretch]:
    """Return the stretches whose events are to be read, as few as may be. ``slots`` ascend; between them nothing happened."""
    found: list[Stretch] = []
    is_open = False
    for slot in slots:
        if slot.tallies is not None:
            is_open = False
        elif is_open:
            found[-1] = Stretch(found[-1].start, slot.end)
        else:
            found.append(Stretch(slot.start, slot.end))
            is_open = True
    return found


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Return the same time without any of it twice, ascending."""
    found: list[Stretch] = []
    for one in sorted(stretches):
        if found and one.start <= found[-1].end:
            found[-1] = Stretch(found[-1].start, max(found[-1].end, one.end))
        else:
            found.append(one)
    return found


def series_fields(query: Query) -> tuple[Dimension, ...]:
    """Return what a query tells apart by series: those of its groups, then whose different values it counts."""
    counted = () if query.unique is None else (query.unique,)
    return tuple(one for one in (*query.group_by, *counted) if one.field is not Field.PROPERTY)


def answer(query: Query, details: frozenset[Detail], period: Stretch, told: Sequence[Told]) -> Answer:
    """Return what tallies of a period come to."""
    tallies = [one.tally for one in told]
    groups: dict[tuple[str | None, ...], list[Told]] = {}
    if query.group_by:
        for one in told:
            groups.setdefault(_labels(query, one), []).append(one)
    has_co2e = Detail.CO2E in details
    return Answer(
        quantity=_value(query, period, told),
        events=_events(query, told),
        skipped=sum(one.skipped for one in tallies),
        groups=largest(Group(labels, _value(query, period, mine), _events(query, mine)) for labels, mine in groups.items()),
        cost_usd=total(one.cost for one in tallies) if Detail.COST in details else None,
        co2e_g=co2e([one.co2e for one in tallies if one.co2e is not None]) if has_co2e else None,
        factors=tuple(sorted({one for tally in tallies for one in tally.factors})) if has_co2e else (),
        without_cost=sum(one.without_cost for one in tallies),
        without_co2e=sum(one.without_co2e for one in tallies),
    )


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return the exact sum. Raises ``NumberOutOfRange``."""
    found: Decimal | None = None
    for amount in amounts:  # most often one, and a bill run asks for hundreds of thousands
        found = decimals.checked(amount) if found is None else decimals.add(found, decimals.checked(amount))
    return _NOTHING if found is None else found


def co2e(bounds: Sequence[tuple[Decimal, ...]]) -> Co2eG:
    """Return the sum of estimates by their bounds."""
    low, mid, high = (total(one[place] for one in bounds) for place in range(3))
    return Co2eG(low, mid, high)


def largest(groups: Iterable[Group]) -> tuple[Group, ...]:
    """Return groups, the largest first, and of equals by their values."""
    return tuple(sorted(groups, key=lambda group: (-group.quantity, tuple((value is not None, value or "") for value in group.values))))


def _labels(query: Query, told: Told) -> tuple[str | None, ...]:
    of_series, of_events = iter(told.series), iter(told.tally.labels)
    return tuple(next(of_events if one.field is Field.PROPERTY else of_series) for one in query.group_by)


def _events(query: Query, told: Sequence[Told]) -> int:
    if _is_of_series(query):  # an event of a series that has none there does not count
        return sum(one.tally.events for one in told if one.series[-1] is not None)
    return sum(one.tally.events for one in told)


def _is_of_series(query: Query) -> bool:
    return query.unique is not None and query.unique.field is not Field.PROPERTY


def _value(query: Query, period: Stretch, told: Sequence[Told]) -> Decimal:
    return _VALUES[query.aggregation](query, period, told)


def _count(_query: Query, _period: Stretch, told: Sequence[Told]) -> Decimal:
    return Decimal(sum(one.tally.events for one in told))


def _sum(_query: Query, _period: Stretch, told: Sequence[Told]) -> Decimal:
    return total(one.tally.value for one in told if one.tally.value is not None)


def _max(_query: Query, _period: Stretch, told: Sequence[Told]) -> Decimal:
    return decimals.checked(max((one.tally.value for one in told if one.tally.value is not None), default=_NOTHING))


def _unique(query: Query, _period: Stretch, told: Sequence[Told]) -> Decimal:
    if _is_of_series(query):
        return Decimal(len({one.series[-1] for one in told} - {None}))
    return Decimal(len({member for one in told for member in one.tally.members or ()}))


def _latest(_query: Query, _period: Stretch, told: Sequence[Told]) -> Decimal:
    found: tuple[datetime, bytes] | None = None
    value = _NOTHING
    for one in told:
        tally = one.tally
        if tally.value is not None and tally.last_at is not None and tally.last_id is not None:
            at = (tally.last_at, tally.last_id.bytes)
            if found is None or at > found:
                found, value = at, tally.value
    return decimals.checked(value)


def _weighted(_query: Query, period: Stretch, told: Sequence[Told]) -> Decimal:
    """Return units times seconds over the seconds of the period: each tally's to its end, and then what it left standing."""
    areas: list[Decimal] = []
    for one in told:
        value, area = one.tally.value, one.tally.area
        if value is None or area is None:
            continue
        if one.is_before:
            areas.append(decimals.multiply(decimals.checked(value), _seconds(period.end - period.start)))
        else:
            areas += [area, decimals.multiply(decimals.checked(value), _seconds(period.end - one.end))]
    if not areas:
        return _NOTHING
    micros = decimals.of((period.end - period.start) // _US)
    return decimals.quotient(total(areas), Decimal(1_000_000), micros, places=WEIGHTED_PLACES, mode=Rounding.HALF_UP)


def _seconds(passed: timedelta) -> Decimal:
    return decimals.shifted(decimals.of(passed // _US), -6)


_VALUES: Final[dict[Aggregation, Callable[[Query, Stretch, Sequence[Told]], Decimal]]] = {
    Aggregation.COUNT: _count,
    Aggregation.SUM: _sum,
    Aggregation.MAX: _max,
    Aggregation.UNIQUE: _unique,
    Aggregation.LATEST: _latest,
    Aggregation.WEIGHTED_SUM: _weighted,
}
