"""Adding measures, and the shares that say what of a sum is covered, estimated and provisional."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from carbonledger.domains.telemetry.types import answers
from carbonledger.domains.telemetry.types.answers import Coverage, Measures
from carbonledger.kernel import decimals

COUNTS: Final = Measures._fields.index("quantity")  # so many integers, then decimals
_NONE: Final = Decimal(0)
_ONE: Final = Decimal(1)
ZERO: Final = Measures._make([*(0,) * COUNTS, *(_NONE,) * (len(Measures._fields) - COUNTS)])


def plus(left: Measures, right: Measures) -> Measures:
    """Return both together, exactly."""
    return Measures._make(map(_plus, left, right))


def _plus(mine: object, its: object) -> int | Decimal:
    if isinstance(mine, Decimal) and isinstance(its, Decimal):
        return decimals.add(mine, its)
    if isinstance(mine, int) and isinstance(its, int):
        return mine + its
    raise TypeError("a count and an amount were mixed up")


def total(parts: Iterable[Measures]) -> Measures:
    """Return all together."""
    return functools.reduce(plus, parts, ZERO)


def emissions_coverage(measures: Measures) -> Coverage:
    """Return what part of the tokens has emissions, and how far these can be trusted."""
    return _coverage(measures, measures.not_covered_tokens, measures.estimated_tokens)


def cost_coverage(measures: Measures) -> Coverage:
    """Return what part of the tokens has a cost, and how far it can be trusted."""
    return _coverage(measures, measures.cost_not_covered_tokens, measures.cost_estimated_tokens)


def _coverage(measures: Measures, not_covered: int, estimated: int) -> Coverage:
    whole = measures.tokens
    missing = share(not_covered, whole)
    return Coverage(
        covered=decimals.subtract(_ONE, missing) if whole else _NONE,
        not_covered=missing,
        estimated=share(estimated, whole),
        provisional=share(measures.provisional_tokens, whole),
    )


def share(part: int, whole: int) -> Decimal:
    """Return ``part / whole`` rounded up to six places; 0 of nothing."""
    if not whole or not part:
        return _NONE
    return decimals.shifted(Decimal(-(-part * 10**answers.SHARE_PLACES // whole)), -answers.SHARE_PLACES)
