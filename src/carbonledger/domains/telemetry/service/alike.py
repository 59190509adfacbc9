"""Judging plain events together: most of a batch differ in nothing but their key, their time and their counts.

    plain events ─> alike (provider, model, service, project, …) ─> rate at their time ─> lines ─> their cost: sums of products

A **line** is all of them that are judged the same way: at one rate, with the same counts unknown, zero and above zero, and with input
between the same two edges, above each of which a price tier or a step of long context begins. Flags, facts and emission rate are then
those of the line's first event, which is judged as a draft, by the way that every other event goes; and the amount is linear in the
counts (``pricing.factors``). What that does not hold for is made into a draft and judged alone.

Events go by columns (``columns.Events``): what is asked of all of them is asked once, in C, and of each only where they differ.
"""

from __future__ import annotations

import bisect
import itertools
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.pricing.types import Rate, Rates
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import checks, columns, identity
from carbonledger.domains.telemetry.core.columns import Column, Events, State
from carbonledger.domains.telemetry.service import serials
from carbonledger.domains.telemetry.store import packing
from carbonledger.domains.telemetry.types import Plain, SeriesKey

_PICO_MAX: Final = 2**63 - 1  # what the staging table's column takes
_INPUTS: Final = 4  # of an event's counts, the first are its input
_EARLIEST_US: Final = packing.microseconds(checks.EARLIEST)
_at: Callable[[Plain], datetime] = operator.attrgetter("occurred_at")
_what: Callable[[Plain], tuple[Any, ...]] = operator.attrgetter(
    "provider",
    "model",
    "operation",
    "batch",
    "service_tier",
    "region",
    "project_id",
    "agent_id",
    "account",
    "quality",
    "duration_s",
    "requests",
)


@dataclass(slots=True, eq=False)
class Line:
    """Events that are judged the same way, by columns, and the first of them. ``states``: those of its counts, the same in all of them."""

    series: SeriesKey
    draft: types.Draft
    factors: tuple[int, ...] | None  # None: there is no amount
    fee: int
    requests: int | None
    is_duplicate: bool  # another source is the authority for it
    states: tuple[State, ...]
    ids: list[bytes] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    at_us: list[int] = field(default_factory=list)  # as ``packing.microseconds``
    items: list[Plain] = field(default_factory=list)
    counts: tuple[list[int], ...] = field(
        default_factory=lambda: tuple([] for _ in range(columns.COUNTS))
    )  # empty, where none is above zero
    picos: list[int] = field(default_factory=list)  # pico-USD; empty, where there is no amount

    def amounts(self, events: Events) -> list[int]:
        """Return what events cost in pico-USD; empty, where there is no amount."""
        if self.factors is None:
            return []
        found: Iterable[int] = itertools.repeat(self.fee, len(events.ids))
        for factor, state, column in zip(self.factors, self.states, events.counts, strict=True):
            if factor and state:
                found = map(operator.add, found, map(operator.mul, column, itertools.repeat(factor)))
        return list(found)

    def extend(self, events: Events, picos: Sequence[int]) -> None:
        """Add events that are judged as this line is, and what they cost."""
        if not self.ids:
            self.draft = _drafted(events.items[0])
        self.ids += events.ids
        self.keys += events.keys
        self.at_us += events.at_us
        self.items += events.items
        self.picos += picos
        for state, column, added in zip(self.states, self.counts, events.counts, strict=True):
            if state:
                column.extend(added)  # type: ignore[arg-type]  # above zero


@dataclass(slots=True, eq=False)
class _AtRate:
    """The lines of one rate, by what decides them, and the edges of input between which they lie."""

    edges: tuple[int, ...]
    lines: dict[tuple[object, ...], Line] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Alike:
    """Plain events that differ in key, time and counts alone."""

    series: SeriesKey
    requests: int | None
    rates: Rates
    duplicate_from_us: int | None
    at_rates: dict[int, _AtRate] = field(default_factory=dict)  # by the address of the rate, which the price book keeps alive

    def at_rate(self, rate: Rate) -> _AtRate:
        """Return the lines of a rate."""
        found = self.at_rates.get(id(rate))
        if found is None:
            found = self.at_rates[id(rate)] = _AtRate(tuple(sorted({*rate.edges, *emissions.edges()})))
        return found


Group = tuple[Alike, Events]


class Batch:
    """The plain events of one batch, sorted into lines as they come."""

    def __init__(
        self, *, prefix: bytes, booking: types.Booking, places: serials.Places, last: datetime, since: Mapping[str, datetime]
    ) -> None:
        """Take ``identity.of_organization``, where events are booked, ``core.checks.latest``, and ``authority.since``."""
        self._prefix = prefix
        self._since_us = {provider: packing.microseconds(at) for provider, at in since.items()}
        self._booking = booking
        self._places = places
        self._last = last
        self._last_us = packing.microseconds(last)
        self._alike: dict[tuple[Any, ...], Alike] = {}
        self.lines: list[Line] = []

    def groups(self, items: Sequence[Plain], places: Sequence[int]) -> tuple[list[Group], list[int]]:
        """Return events by what they are like, with their ids; and the places of those that break a rule, whose drafts tell which."""
        events = columns.of(items, places, packing.all_microseconds(map(_at, items)))
        sound = self._sound(events, range(len(items)))
        left = sorted({*places}.difference(places[number] for number in sound)) if len(sound) < len(items) else []
        by_what: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for number, what in zip(sound, map(_what, map(items.__getitem__, sound)), strict=True):
            by_what[what].append(number)
        groups: list[Group] = []
        for what, numbers in by_what.items():
            alike = self._alike.get(what) or self._first(what, items[numbers[0]])
            if alike is None:
                left += [places[number] for number in numbers]
                continue
            group = columns.picked(events, numbers)
            groups.append((alike, group._replace(ids=identity.event_ids(self._prefix, map(str.encode, group.keys)))))
        return groups, left

    def _sound(self, events: Events, numbers: Sequence[int]) -> Sequence[int]:
        """Return those of the events that break no rule of key, time, properties and reasoning: all at once, or else by halves."""
        if not numbers or self._are_sound(columns.picked(events, numbers)):
            return numbers
        if len(numbers) == 1:
            return ()
        middle = len(numbers) // 2
        return [*self._sound(events, numbers[:middle]), *self._sound(events, numbers[middle:])]

    def _are_sound(self, events: Events) -> bool:
        if min(events.at_us) < _EARLIEST_US or max(events.at_us) > self._last_us:
            return False
        if not checks.are_labels(events.keys, types.KEY_CHARS_MAX):
            return False
        told = [item.properties for item in events.items if item.properties is not None]
        return all(map(checks.are_properties, told)) and columns.reasoning_fits(events)

    def _first(self, what: tuple[Any, ...], item: Plain) -> Alike | None:
        draft = item.drafted()
        if not isinstance(draft, types.Draft) or checks.draft(draft, last=self._last) or self._places.rejection(draft):
            return None
        series = serials.key_of(draft, self._booking, self._places)
        found = self._alike[what] = Alike(series, item.requests, pricing.rates(draft.usage), self._since_us.get(item.provider))
        return found

    def add(self, alike: Alike, events: Events) -> Iterator[tuple[int, bytes]]:
        """Add events to their lines; yield place and id of those that none fits and that have to be judged alone."""
        for (at_rate,), at_one in columns.split(events, [_at_rates(alike, events.at_us)]):
            edges, states = at_rate.edges, [columns.states(column) for column in at_one.counts]
            marks = [_are_duplicates(alike.duplicate_from_us, at_one.at_us), _bands(edges, at_one.counts[:_INPUTS], states), *states]
            for mark, part in columns.split(at_one, marks):
                left = self._add(alike, at_rate, mark, part)
                if left is not None:
                    yield from zip(left.places, left.ids, strict=True)

    def _add(self, alike: Alike, at_rate: _AtRate, mark: tuple[Any, ...], events: Events) -> Events | None:
        is_duplicate, band, *states = mark
        if band and alike.requests is not None and alike.requests > 1:
            return events  # an average decides
        line = at_rate.lines.get(mark)
        if line is None:
            line = at_rate.lines[mark] = self._line(alike, events.items[0], is_duplicate=is_duplicate, states=tuple(states))
        picos = line.amounts(events)
        if max(picos, default=0) <= _PICO_MAX:
            line.extend(events, picos)
            return None
        small = [number for number, pico in enumerate(picos) if pico <= _PICO_MAX]
        if small:
            line.extend(columns.picked(events, small), [picos[number] for number in small])
        return columns.picked(events, [number for number, pico in enumerate(picos) if pico > _PICO_MAX])

    def _line(self, alike: Alike, item: Plain, *, is_duplicate: bool, states: tuple[State, ...]) -> Line:
        draft = _drafted(item)
        factors = pricing.factors(pricing.price(draft.usage))
        line = Line(
            series=alike.series,
            draft=draft,
            factors=None if factors is None else factors[:-1],
            fee=0 if factors is None else factors.fee,
            requests=alike.requests,
            is_duplicate=is_duplicate,
            states=states,
        )
        self.lines.append(line)
        return line


def _drafted(item: Plain) -> types.Draft:
    draft = item.drafted()
    if not isinstance(draft, types.Draft):
        message = "an event that is like a sound one is no draft"
        raise TypeError(message)
    return draft


def _at_rates(alike: Alike, at_us: Sequence[int]) -> _AtRate | list[_AtRate]:
    rate = alike.rates.throughout(packing.instant(min(at_us)), packing.instant(max(at_us)))
    if rate is not None:
        return alike.at_rate(rate)
    return [alike.at_rate(alike.rates.at(packing.instant(at))) for at in at_us]


def _are_duplicates(since_us: int | None, at_us: Sequence[int]) -> bool | list[bool]:
    if since_us is None or max(at_us) < since_us:
        return False
    return True if min(at_us) >= since_us else [at >= since_us for at in at_us]


def _bands(edges: Sequence[int], inputs: Sequence[Column], states: Sequence[State | list[State]]) -> int | list[int]:
    """Return between which edges the input of events lies."""
    known = [columns.known(column) for column, state in zip(inputs, states, strict=False) if state]
    if not known or not edges or sum(map(max, known)) <= edges[0]:
        return 0
    return [bisect.bisect_left(edges, total) for total in map(sum, zip(*known, strict=True))]
