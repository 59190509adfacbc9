"""Judging plain events together: most of a batch differ in nothing but their key, their time and their counts.

    plain event ─> alike (provider, model, service, project, …) ─> rate at its time ─> line ─> its cost: a sum of products

A **line** is all of them that are judged the same way: at one rate, with the same counts unknown, zero and above zero, and with input
between the same two edges, above each of which a price tier or a step of long context begins. Flags, facts and emission rate are then
those of the line's first event, which is judged as a draft, by the way that every other event goes; and the amount is linear in the
counts (``pricing.factors``). What that does not hold for is made into a draft and judged alone.
"""

from __future__ import annotations

import bisect
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.pricing.types import Rate, Rates
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import checks
from carbonledger.domains.telemetry.service import serials
from carbonledger.domains.telemetry.store import packing
from carbonledger.domains.telemetry.types import Plain, PlainTokens, SeriesKey
from carbonledger.kernel import instant

Counts = tuple[int | None, int | None, int | None, int | None, int | None, int | None]
_PICO_MAX: Final = 2**63 - 1  # what the staging table's column takes
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
_counts: Callable[[PlainTokens], Counts] = operator.attrgetter(
    "uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output", "reasoning"
)


# A plain event of a line: id, item, time as ``packing.microseconds``, counts, the same with 0 for what is unknown, pico-USD. A bare tuple,
# as one of a class would take longer to make than everything else here.
Counted = tuple[bytes, Plain, int, Counts, tuple[int, ...], int | None]


@dataclass(slots=True, eq=False)
class Line:
    """Events that are judged the same way, and the first of them."""

    series: SeriesKey
    draft: types.Draft
    factors: tuple[int, ...] | None  # None: there is no amount
    fee: int
    requests: int | None
    is_duplicate: bool  # another source is the authority for it
    events: list[Counted] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _AtRate:
    """The lines of one rate, by what decides them, and the edges of input between which they lie."""

    edges: tuple[int, ...]
    lines: dict[tuple[int | None, ...], Line] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Alike:
    """Plain events that differ in key, time and counts alone."""

    series: SeriesKey
    requests: int | None
    rates: Rates
    always: _AtRate | None
    duplicate_from: datetime | None
    at_rates: dict[int, _AtRate] = field(default_factory=dict)  # by the address of the rate, which the price book keeps alive

    def at_rate(self, at: datetime) -> _AtRate:
        """Return the lines of the rate in force at an instant (UTC)."""
        rate = self.rates.at(at)
        found = self.at_rates.get(id(rate))
        if found is None:
            found = self.at_rates[id(rate)] = _at_rate(rate)
        return found


def _at_rate(rate: Rate) -> _AtRate:
    return _AtRate(tuple(sorted({*rate.edges, *emissions.edges()})))


class Batch:
    """The plain events of one batch, sorted into lines as they come."""

    def __init__(self, *, booking: types.Booking, places: serials.Places, last: datetime, since: Mapping[str, datetime]) -> None:
        """Take where they are booked, ``core.checks.latest``, and ``authority.since``."""
        self._since = since
        self._booking = booking
        self._places = places
        self._last = last
        self._alike: dict[tuple[Any, ...], Alike] = {}
        self.lines: list[Line] = []

    def alike(self, item: Plain) -> Alike | None:
        """Return what the event is like, or None where it breaks a rule or needs a closer look: its draft tells."""
        key, properties = item.idempotency_key, item.properties
        if not checks.EARLIEST <= item.occurred_at <= self._last or not checks.is_label(key, types.KEY_CHARS_MAX):
            return None
        if properties is not None and not checks.are_properties(properties):
            return None
        tokens = item.tokens
        if tokens.reasoning is not None and (tokens.output is None or tokens.reasoning > tokens.output):
            return None
        what = _what(item)
        return self._alike.get(what) or self._first(what, item)

    def _first(self, what: tuple[Any, ...], item: Plain) -> Alike | None:
        draft = item.drafted()
        if not isinstance(draft, types.Draft) or checks.draft(draft, last=self._last) or self._places.rejection(draft):
            return None
        series = serials.key_of(draft, self._booking, self._places)
        rates = pricing.rates(draft.usage)
        always = None if rates.only is None else _at_rate(rates.only)
        found = self._alike[what] = Alike(series, item.requests, rates, always, self._since.get(item.provider))
        return found

    def add(self, event_id: bytes, item: Plain, alike: Alike) -> bool:
        """Add an event to its line; False where none fits it and it has to be judged alone."""
        counts = _counts(item.tokens)
        known = tuple([count or 0 for count in counts]) if None in counts else counts
        at = instant.utc(item.occurred_at)
        found = alike.always or alike.at_rate(at)
        band = bisect.bisect_left(found.edges, known[0] + known[1] + known[2] + known[3])  # type: ignore[operator]  # no None is in it
        if band and alike.requests is not None and alike.requests > 1:
            return False  # an average decides
        uncached, cached, creation, hour, output, reasoning = counts
        # Of a count only whether it is unknown, zero or more.
        is_duplicate = alike.duplicate_from is not None and at >= alike.duplicate_from
        decides = (is_duplicate, band, uncached and 1, cached and 1, creation and 1, hour and 1, output and 1, reasoning and 1)
        line = found.lines.get(decides)
        if line is None:
            line = self._line(item, alike, is_duplicate=is_duplicate)
            found.lines[decides] = line
        pico = None if line.factors is None else sum(map(operator.mul, line.factors, known), line.fee)
        if pico is not None and pico > _PICO_MAX:
            return False
        line.events.append((event_id, item, packing.microseconds(at), counts, known, pico))  # type: ignore[arg-type]  # as above
        return True

    def _line(self, item: Plain, alike: Alike, *, is_duplicate: bool) -> Line:
        draft = item.drafted()
        if not isinstance(draft, types.Draft):
            message = "an event that is like a sound one is no draft"
            raise TypeError(message)
        factors = pricing.factors(pricing.price(draft.usage))
        line = Line(
            series=alike.series,
            draft=draft,
            factors=None if factors is None else factors[:-1],
            fee=0 if factors is None else factors.fee,
            requests=alike.requests,
            is_duplicate=is_duplicate,
        )
        self.lines.append(line)
        return line
