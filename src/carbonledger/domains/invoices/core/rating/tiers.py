"""Prices by tier: graduated, volume and graduated percentage. Pure.

A tier's bound is inside it, the next begins right above. Its flat price is charged once something falls into it; the first tier's also when
there is nothing at all, unless the model says otherwise (``flat_at_zero``).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from carbonledger.domains.catalog.types.charges import Graduated, GraduatedPercentage, PercentTier, Tier, Volume
from carbonledger.domains.invoices.types.rating import TierPart
from carbonledger.kernel import decimals

_ZERO: Final = Decimal(0)


def graduated(model: Graduated | GraduatedPercentage, quantity: Decimal) -> tuple[TierPart, ...]:
    """Return the tiers that ``quantity`` (0 or more) fills, each at its own price."""
    return tuple(_filled(model, quantity))


def _filled(model: Graduated | GraduatedPercentage, quantity: Decimal) -> Iterator[TierPart]:
    above = _ZERO
    for tier in model.tiers:
        is_first_at_zero = model.flat_at_zero and not quantity and not above
        if quantity <= above and not is_first_at_zero:
            return
        end = quantity if tier.up_to is None else min(quantity, tier.up_to)
        yield _part(tier, above, decimals.subtract(end, above))
        if tier.up_to is None:
            return
        above = tier.up_to


def volume(model: Volume, quantity: Decimal) -> tuple[TierPart, ...]:
    """Return the one tier that ``quantity`` (0 or more) falls into, with all of it in it; none without quantity and flat price."""
    if not quantity and not model.flat_at_zero:
        return ()
    above = _ZERO
    for tier in model.tiers:
        if tier.up_to is None or quantity <= tier.up_to:
            return (_part(tier, above, quantity),)
        above = tier.up_to
    message = "the last tier has no bound"
    raise AssertionError(message)


def _part(tier: Tier | PercentTier, above: Decimal, quantity: Decimal) -> TierPart:
    if isinstance(tier, PercentTier):
        priced = percent_of(quantity, tier.rate_percent)
        unit_price, rate_percent = None, tier.rate_percent
    else:
        priced = decimals.multiply(quantity, tier.unit_price)
        unit_price, rate_percent = tier.unit_price, None
    return TierPart(
        above=above,
        up_to=tier.up_to,
        quantity=quantity,
        unit_price=unit_price,
        rate_percent=rate_percent,
        flat_price=tier.flat_price,
        amount=decimals.add(priced, tier.flat_price),
    )


def percent_of(amount: Decimal, percent: Decimal) -> Decimal:
    """Return so many percent of an amount, exactly. Raises ``NumberOutOfRange``."""
    return decimals.shifted(decimals.multiply(amount, percent), -2)
