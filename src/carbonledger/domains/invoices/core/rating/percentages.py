"""A percentage of an amount, with a fee, a minimum and a maximum for each event that makes it up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from carbonledger.domains.catalog.types.charges import Percentage, Usage
from carbonledger.domains.invoices.core.rating.tiers import percent_of
from carbonledger.kernel import decimals

_ZERO: Final = Decimal(0)


def percentage(model: Percentage, usage: Usage, *, base: Decimal, free: Decimal) -> Decimal:
    """Return what a percentage comes to. ``base``: the whole amount; ``free``: what of it, the first to come, has no rate.

    Events are priced one by one only where a bound of each asks for it; otherwise that comes to the same as pricing their sum.
    """
    if usage.event_amounts is not None and (model.per_event_minimum is not None or model.per_event_maximum is not None):
        return _by_event(model, usage.event_amounts, free)
    charged = max(decimals.subtract(base, free), _ZERO)
    events = usage.event_count if usage.event_amounts is None else len(usage.event_amounts)
    paying = max((events or 0) - model.free_event_count, 0)
    return decimals.add(percent_of(charged, model.rate_percent), decimals.multiply(model.fixed_fee_per_event, Decimal(paying)))


def _by_event(model: Percentage, amounts: Sequence[Decimal], free: Decimal) -> Decimal:
    total = _ZERO
    for place, amount in enumerate(amounts):
        taken = min(free, amount)
        free = decimals.subtract(free, taken)
        fee = percent_of(decimals.subtract(amount, taken), model.rate_percent)
        total = decimals.add(total, _bounded(model, fee, is_free=place < model.free_event_count))
    return total


def _bounded(model: Percentage, fee: Decimal, *, is_free: bool) -> Decimal:
    """Return what one event costs. A free one has no fixed fee, and no minimum that would charge it after all."""
    if not is_free:
        fee = decimals.add(fee, model.fixed_fee_per_event)
        if model.per_event_minimum is not None:
            fee = max(fee, model.per_event_minimum)
    return fee if model.per_event_maximum is None else min(fee, model.per_event_maximum)
