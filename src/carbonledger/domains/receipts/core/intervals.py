"""Intervals of a lot: which go first, how much is taken of them, and what is left. Milligrams, whole numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from carbonledger.domains.receipts.types.credits import Bound, Interval, InventoryShort, OffsetPolicy, Remainder, Share

_WHOLE = 100  # percent


def owed_mg(*, mid_mg: int, high_mg: int, policy: OffsetPolicy) -> int:
    """Return how many milligrams of gross emissions a plan has compensated: its percentage of the mid or high, rounded up.

    Never below zero: adjustments may make a month's gross negative, and credits are not given back for that.
    """
    gross_mg = high_mg if policy.bound is Bound.HIGH else mid_mg
    return max(0, -(-gross_mg * policy.percent // _WHOLE))


def in_order(remainders: Iterable[Remainder]) -> list[Remainder]:
    """Return remainders in the order in which they are used: oldest vintage, then first retired, first imported, from the beginning."""
    return sorted(remainders, key=lambda one: (one.vintage, one.retired_on, one.number, one.interval.from_mg))


def taken(remainders: Iterable[Remainder], *, milligrams: int) -> tuple[Share, ...]:
    """Return what is taken for a receipt, in the order of use: whole remainders, and the beginning of the last one.

    Parts that follow each other in a lot are one. Raises ``InventoryShort``, and ``ValueError`` for less than a milligram.
    """
    if milligrams < 1:
        raise ValueError(f"{milligrams} mg can't be allocated")
    shares: list[Share] = []
    missing = milligrams
    for one in in_order(remainders):
        if not missing:
            break
        part = Interval(one.interval.from_mg, min(one.interval.to_mg, one.interval.from_mg + missing))
        missing -= part.milligrams
        last = shares[-1] if shares else None
        if last is not None and last.lot_id == one.lot_id and last.interval.to_mg == part.from_mg:
            shares[-1] = Share(one.lot_id, Interval(last.interval.from_mg, part.to_mg))
        else:
            shares.append(Share(one.lot_id, part))
    if missing:
        raise InventoryShort(needed_mg=milligrams, available_mg=milligrams - missing)
    return tuple(shares)


def without(intervals: Iterable[Interval], part: Interval) -> tuple[Interval, ...]:
    """Return what is left of intervals once a part is taken out, ascending. Raises ``ValueError`` if it is not in them."""
    left: list[Interval] = []
    found = 0
    for one in merged(intervals):
        begin, end = max(one.from_mg, part.from_mg), min(one.to_mg, part.to_mg)
        if begin >= end:
            left.append(one)
            continue
        found += end - begin
        if one.from_mg < begin:
            left.append(Interval(one.from_mg, begin))
        if end < one.to_mg:
            left.append(Interval(end, one.to_mg))
    if found != part.milligrams:
        raise ValueError(f"[{part.from_mg}, {part.to_mg}) is not free")
    return tuple(left)


def merged(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the same milligrams in as few intervals as can be, ascending. Raises ``ValueError`` when two overlap."""
    whole: list[Interval] = []
    for one in sorted(intervals, key=lambda interval: interval.from_mg):
        if whole and one.from_mg < whole[-1].to_mg:
            raise ValueError(f"[{one.from_mg}, {one.to_mg}) overlaps what ends at {whole[-1].to_mg}")
        if whole and one.from_mg == whole[-1].to_mg:
            whole[-1] = Interval(whole[-1].from_mg, one.to_mg)
        else:
            whole.append(one)
    return tuple(whole)


def total_mg(intervals: Sequence[Interval]) -> int:
    """Return how much intervals are together."""
    return sum(one.milligrams for one in intervals)
