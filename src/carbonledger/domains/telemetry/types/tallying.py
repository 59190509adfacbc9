"""Words of tallies: what a query makes of the events of one series in an hour or a day, so that they needn't be read again.

    events of a series and a slot ─> tally (for each group of properties) ─┐
    events of what no tally is of ─> tally, at once ───────────────────────┴─> answer
A tally can be put together with others of the query, whatever its aggregation; that makes it more than a quantity.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID


class Tally(NamedTuple):
    """What became of one group of the events of a series in a stretch of time.

    ``labels``: the properties that the query groups by, in its order. ``value``: the sum, the largest or the last; None: there was none.
    ``area``: for a weighted sum, units times seconds to the stretch's end. ``last_at``, ``last_id``: of the event with the last value.
    ``members``: the different values of a property that are counted. ``co2e`` None: not asked for.
    """

    labels: tuple[str | None, ...]
    events: int
    skipped: int
    value: Decimal | None
    area: Decimal | None
    last_at: datetime | None
    last_id: UUID | None
    members: tuple[str, ...] | None
    cost: Decimal
    without_cost: int
    without_co2e: int
    co2e: tuple[Decimal, ...] | None
    factors: tuple[str, ...]


class Stretch(NamedTuple):
    """From when to when, UTC."""

    start: datetime
    end: datetime


class Slot(NamedTuple):
    """An hour or a day (UTC), or as much of it as is asked for, in which a series has events.

    ``tallies`` None: there are none that stand, so its events are to be read; none of them counts where it is empty.
    """

    start: datetime
    end: datetime
    events: int
    tallies: tuple[Tally, ...] | None


class Range(NamedTuple):
    """An account's time that is asked for. ``is_before``: it goes before the period, and weighs as much as it left standing."""

    account: str
    start: datetime
    end: datetime
    is_before: bool = False


class Told(NamedTuple):
    """A tally as part of an answer: what its series is, by the query's fields, and where its stretch ended."""

    tally: Tally
    series: tuple[str | None, ...]
    end: datetime
    is_before: bool
