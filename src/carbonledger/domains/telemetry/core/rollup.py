"""Sums of roll-ups: what an event adds to its quarter of an hour, and what a change of it takes away and adds.

Owns the key and the measures of a roll-up's row. Unknown counts add 0; that they are unknown stands in the facts, which are part of the
key, so that a sum of known counts is never mistaken for a total.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from carbonledger.kernel import decimals

ZERO: Final = Decimal(0)


NARROW: Final = frozenset({"workload_id", "agent_id", "account"})
"""What the broad roll-up does not tell apart, as there may be any number of it. Series that agree in all else are one to it."""


class SlotKey(NamedTuple):
    """What a change of the roll-ups is about: a quarter of an hour, from which those of its hour and its days follow."""

    quarter: datetime
    series_id: int
    facts: int
    emission_rate_id: int  # 0: not covered
    price_book_id: int = 0  # what it was priced by; 0: by none. Days note it, and no roll-up is apart by it


class Sums(NamedTuple):
    """What a row of a roll-up adds up; a change may be negative."""

    events: int
    requests: int
    uncached_input: int
    cached_input: int
    cache_creation_5m: int
    cache_creation_1h: int
    output: int
    reasoning: int
    quantity: Decimal
    cost_amount: Decimal
    reported_usd: Decimal


Changes = Mapping[SlotKey, Sums]
_COUNTS: Final = 8  # of Sums; then come amounts, which Python's own arithmetic would round to 28 digits


def plus(left: Sums, right: Sums) -> Sums:
    """Return both together."""
    counts = (left[place] + right[place] for place in range(_COUNTS))
    amounts = (decimals.add(mine, its) for mine, its in zip(left[_COUNTS:], right[_COUNTS:], strict=True))
    return Sums(*counts, *amounts)  # type: ignore[arg-type]  # eight counts, then three amounts


def minus(sums: Sums) -> Sums:
    """Return what takes ``sums`` away."""
    return Sums(*(-count for count in sums[:_COUNTS]), *(amount.copy_negate() for amount in sums[_COUNTS:]))  # type: ignore[arg-type]  # as in plus


def merged(parts: Iterable[tuple[SlotKey, Sums]]) -> dict[SlotKey, Sums]:
    """Return one change for each row, in the order in which rows are locked.

    Those that come to nothing stay: events whose changes cancel out changed all the same, and the row counts that.
    """
    changes: dict[SlotKey, Sums] = {}
    for key, sums in parts:
        before = changes.get(key)
        changes[key] = sums if before is None else plus(before, sums)
    return {key: changes[key] for key in sorted(changes)}


def quarter_of(instant: datetime) -> datetime:
    """Return the start of the quarter of an hour (UTC) that ``instant`` is in."""
    return instant.replace(minute=instant.minute // 15 * 15, second=0, microsecond=0)
