"""Plain events by columns: what they say, one sequence for each member, so that one question is asked of all of them at once.

Python runs ``all``, ``min``, ``sum``, ``map`` and ``zip`` over a column at some 20 ns a value; one line of Python for each event takes as
long as all of those together.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, Literal, NamedTuple

from carbonledger.domains.telemetry.types import Plain, PlainTokens

Column = Sequence[int | None]
State = Literal[0, 1] | None
"""What is known of a count: nothing, that it is zero, or that it is above."""
COUNTS: Final = 6
# One by one: asked for all six at once, an event answers in a tuple, and to take these apart again takes longer than five more walks.
_counts: Sequence[Callable[[PlainTokens], int | None]] = tuple(
    map(operator.attrgetter, ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output", "reasoning"))
)
_tokens: Callable[[Plain], PlainTokens] = operator.attrgetter("tokens")
_key: Callable[[Plain], str] = operator.attrgetter("idempotency_key")


class Events(NamedTuple):
    """Events, at least one, by columns of one length.

    ``places``: where they stand in the batch; ``ids``: empty until they are made; ``at_us``: when they happened, counted as the ledger
    stores it, since numbers are compared in half the time that instants are.
    """

    places: Sequence[int]
    ids: Sequence[bytes]
    items: Sequence[Plain]
    keys: Sequence[str]
    at_us: Sequence[int]
    uncached_input: Column
    cached_input: Column
    cache_creation_5m: Column
    cache_creation_1h: Column
    output: Column
    reasoning: Column

    @property
    def counts(self) -> tuple[Column, ...]:
        """The columns of counts, in their order."""
        return self[-COUNTS:]


def of(items: Sequence[Plain], places: Sequence[int], at_us: Sequence[int]) -> Events:
    """Return events by columns, without ids."""
    tokens = list(map(_tokens, items))
    return Events(places, (), items, list(map(_key, items)), at_us, *(list(map(count, tokens)) for count in _counts))


def picked(events: Events, numbers: Sequence[int]) -> Events:
    """Return those of the events with these numbers, which are not where they stand in the batch; in this order."""
    if len(numbers) == len(events.places):
        return events
    if len(numbers) == 1:
        return Events._make([column[numbers[0] : numbers[0] + 1] for column in events])
    pick = operator.itemgetter(*numbers)
    return Events._make([pick(column) if column else column for column in events])


def without(events: Events, places: AbstractSet[int]) -> Events | None:
    """Return the events that stand at none of these places in the batch; None, where there is none."""
    numbers = [number for number, place in enumerate(events.places) if place not in places]
    return picked(events, numbers) if numbers else None


def split(events: Events, marks: Sequence[Any]) -> Iterator[tuple[tuple[Any, ...], Events]]:
    """Yield the events in parts whose marks are the same, with these. Of the marks, a list tells one for each, all else one for all."""
    mixed = [mark for mark in marks if isinstance(mark, list)]
    if not mixed:
        yield tuple(marks), events
        return
    by_mark: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for number, found in enumerate(zip(*mixed, strict=True)):
        by_mark[found].append(number)
    for found, numbers in by_mark.items():
        told = iter(found)
        yield tuple(next(told) if isinstance(mark, list) else mark for mark in marks), picked(events, numbers)


def states(column: Column) -> State | list[State]:
    """Return what is known of the counts of a column: the same of all of them, or else a list."""
    if all(column):
        return 1
    if not any(column):
        nones = column.count(None)
        if nones in {0, len(column)}:
            return None if nones else 0
    return [count and 1 for count in column]  # None and 0 are what they are


def known(column: Column) -> Sequence[int]:
    """Return a column with 0 for what is unknown."""
    return [count or 0 for count in column]


def reasoning_fits(events: Events) -> bool:
    """Say whether reasoning, where it is known, is a part of output that is known."""
    output, reasoning = events.output, events.reasoning
    if None not in reasoning and None not in output:
        return all(map(operator.ge, output, reasoning))  # type: ignore[arg-type]  # no None is in them
    return all(part is None or (whole is not None and part <= whole) for part, whole in zip(reasoning, output, strict=True))
