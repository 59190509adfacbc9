"""Amounts and bounds as they stand on the wire: decimal strings with the currency beside them, or the unit in the name."""

from __future__ import annotations

from pydantic import Field

from carbonledger.domains.emissions.types import Envelope
from carbonledger.entrypoints.rest import shapes
from carbonledger.kernel import decimals
from carbonledger.kernel.quantity import Range

DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"


class RangeOut(shapes.Out):
    """A number within bounds, as decimal strings; the unit is in the field's name."""

    low: str = Field(pattern=DECIMAL)
    mid: str = Field(pattern=DECIMAL)
    high: str = Field(pattern=DECIMAL)


class BoundsOut(shapes.Out):
    """The two ends of a range, as decimal strings; the unit is in the field's name."""

    low: str = Field(pattern=DECIMAL)
    high: str = Field(pattern=DECIMAL)


class EnvelopeOut(shapes.Out):
    """The outermost bounds of an estimate: every factor at its low, every factor at its high, as if no error ever made up for another."""

    energy_wh: BoundsOut
    co2e_g: BoundsOut = Field(description="By the grid at the place of use.")
    co2e_market_g: BoundsOut | None = Field(description="By contract; null where no such figure is published.")
    water_ml: BoundsOut


def to_api_envelope(value: Envelope | None) -> EnvelopeOut | None:
    """Return an envelope as callers see it; None stays None."""
    if value is None:
        return None
    return EnvelopeOut(
        energy_wh=_bounds(value.energy_wh),
        co2e_g=_bounds(value.co2e_location_g),
        co2e_market_g=None if value.co2e_market_g is None else _bounds(value.co2e_market_g),
        water_ml=_bounds(value.water_ml),
    )


def _bounds(value: Range) -> BoundsOut:
    return BoundsOut(low=decimals.to_api_decimal(value.low), high=decimals.to_api_decimal(value.high))


def to_api_range(value: Range | None) -> RangeOut | None:
    """Return a range as callers see it; None stays None."""
    return None if value is None else known(value)


def known(value: Range) -> RangeOut:
    """Return a range as callers see it."""
    low, mid, high = (decimals.to_api_decimal(bound) for bound in (value.low, value.mid, value.high))
    return RangeOut(low=low, mid=mid, high=high)
