"""Amounts and bounds as they stand on the wire: decimal strings with the currency beside them, or the unit in the name."""

from __future__ import annotations

from pydantic import Field

from carbonledger.entrypoints.rest import shapes
from carbonledger.kernel import decimals
from carbonledger.kernel.quantity import Range

DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"


class RangeOut(shapes.Out):
    """A number within bounds, as decimal strings; the unit is in the field's name."""

    low: str = Field(pattern=DECIMAL)
    mid: str = Field(pattern=DECIMAL)
    high: str = Field(pattern=DECIMAL)


def to_api_range(value: Range | None) -> RangeOut | None:
    """Return a range as callers see it; None stays None."""
    return None if value is None else known(value)


def known(value: Range) -> RangeOut:
    """Return a range as callers see it."""
    low, mid, high = (decimals.to_api_decimal(bound) for bound in (value.low, value.mid, value.high))
    return RangeOut(low=low, mid=mid, high=high)
