"""One number of what several stretches of a period had."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from carbonledger.domains.catalog.types import Aggregation
from carbonledger.kernel import decimals

_ADDED = frozenset({Aggregation.COUNT, Aggregation.SUM})


def together(aggregation: Aggregation, quantities: Sequence[Decimal]) -> Decimal | None:
    """Return the quantity of stretches in their order, 0 of none; None where it doesn't follow from theirs.

    The same thing may have been counted in two stretches (unique), and a weighted sum is weighted with the time of each.
    """
    if len(quantities) <= 1:
        return quantities[0] if quantities else Decimal(0)
    if aggregation in _ADDED:
        total = Decimal(0)
        for quantity in quantities:
            total = decimals.add(total, quantity)
        return total
    if aggregation is Aggregation.MAX:
        return max(quantities)
    return quantities[-1] if aggregation is Aggregation.LATEST else None
