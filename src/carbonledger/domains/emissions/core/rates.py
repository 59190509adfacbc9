"""What one token emits: the factors of one tier at one place, multiplied once and for all.

Owns the products and how their bounds combine. The rule of schema ``carbon-factors/1``: independent factors combine as the root of
the sum of squares of their log ratios (JCGM 100:2008, 5.1.6, in logarithms), sums add low to low and high to high. It is applied to
each phase by itself, and the phases are then added; docs/decisions/0010-emissions.md proves what that changes. So an estimate
is a sum of token counts times these numbers, and everything that needs a logarithm happens here, once for a tier and a place.

Mids are exact (``loading`` refuses sets whose are not). Bounds are rounded twice: to 12 digits where they combine, then away from
mid to a whole quantum (10^-18 Wh, g or ml).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from decimal import Decimal

from carbonledger.domains.emissions import types
from carbonledger.kernel import decimals, quantity
from carbonledger.kernel.quantity import Range

Energies = Mapping[types.Phase, Range]  # Wh per 1,000 tokens at IT level
Product = Callable[..., Range]  # quantity.combine, or quantity.envelope for the outermost bounds
_PER_1000_TOKENS = 3
_PER_KWH = 3


def energies(factors: types.FactorSet, tier: types.Tier, *, is_fallback: bool, step: types.ContextStep | None, is_batch: bool) -> Energies:
    """Return what 1,000 tokens of each phase take, in Wh before PUE: the tier's, moved out for an unknown model, times modifiers."""
    if tier.wh_per_1k is None:
        raise ValueError(f"tier {tier.name} is not modelled")
    batch = factors.batch_multiplier if is_batch else Decimal(1)
    multipliers = {
        types.Phase.PREFILL: decimals.multiply(batch, step.prefill if step else Decimal(1)),
        types.Phase.CACHED: batch,
        types.Phase.DECODE: decimals.multiply(batch, step.decode if step else Decimal(1)),
    }
    widened = {phase: moved_out(energy, factors.fallback) if is_fallback else energy for phase, energy in tier.wh_per_1k.items()}
    return {phase: energy * multipliers[phase] for phase, energy in widened.items()}


def moved_out(energy: Range, fallback: types.Fallback) -> Range:
    """Return the bounds of a model that no rule knows: low divided, high multiplied; mid stays."""
    low = decimals.quotient(energy.low, Decimal(1), fallback.low_divisor, places=types.PLACES, mode=decimals.Rounding.DOWN)
    return Range(low, energy.mid, decimals.multiply(energy.high, fallback.high_multiplier))


def rates(
    factors: types.FactorSet,
    it: Energies,
    *,
    host: types.Host,
    grid: types.Grid,
    market: types.Grid | None,
    product: Product = quantity.combine,
) -> types.Rates:
    """Return quanta per token of every quantity. CO2e includes the embodied share; water is what the site and the grid take."""

    def each(*others: Range) -> Energies:
        return {phase: product(energy, *others, unit=Range) for phase, energy in it.items()}

    def co2e(electricity: types.Grid) -> types.PerToken:
        return _sum(_per_token(each(pue, electricity.intensity.value), _PER_1000_TOKENS + _PER_KWH), embodied)

    pue = host.pue.value
    energy = each(pue)
    embodied = _per_token(each(factors.embodied.value), _PER_1000_TOKENS + _PER_KWH)
    generation = {phase: value * (grid.water or Decimal(0)) for phase, value in energy.items()}
    return types.Rates(
        it=_per_token(it, _PER_1000_TOKENS),
        energy=_per_token(energy, _PER_1000_TOKENS),
        embodied=embodied,
        co2e_location=co2e(grid),
        co2e_market=None if market is None else co2e(market),
        # Watt-hours times litres per kilowatt-hour are millilitres.
        water=_sum(_per_token(each(host.water.value), _PER_1000_TOKENS), _per_token(generation, _PER_1000_TOKENS)),
    )


def without_requests(short: types.Rates, longest: types.Rates) -> types.Rates:
    """Return rates for usage whose context can't be told: low and mid as if it were the shortest possible, high as if the longest."""

    def mixed(low: types.PerToken, high: types.PerToken) -> types.PerToken:
        return (*low[:6], *high[6:])

    return types.Rates(
        it=mixed(short.it, longest.it),
        energy=mixed(short.energy, longest.energy),
        embodied=mixed(short.embodied, longest.embodied),
        co2e_location=mixed(short.co2e_location, longest.co2e_location),
        co2e_market=None if short.co2e_market is None or longest.co2e_market is None else mixed(short.co2e_market, longest.co2e_market),
        water=mixed(short.water, longest.water),
    )


def _sum(left: types.PerToken, right: types.PerToken) -> types.PerToken:
    one, two, three, four, five, six, seven, eight, nine = map(operator.add, left, right)
    return (one, two, three, four, five, six, seven, eight, nine)


def _per_token(values: Energies, places: int) -> types.PerToken:
    """Return quanta for values ``places`` decimal places larger, in the order of ``PerToken``."""
    prefill, cached, decode = (_quanta(values[phase], places) for phase in types.Phase)
    low, mid, high = zip(prefill, cached, decode, strict=True)
    return (*low, *mid, *high)


def _quanta(value: Range, places: int) -> types.Quanta:
    low, mid, high = (decimals.shifted(bound, types.PLACES - places) for bound in (value.low, value.mid, value.high))
    down, up = decimals.Rounding.DOWN, decimals.Rounding.UP
    exact = decimals.rounded(mid, places=0, mode=down)
    if exact != mid:
        raise ValueError(f"{value.mid} is not whole in quanta")
    return int(decimals.rounded(low, places=0, mode=down)), int(exact), int(decimals.rounded(high, places=0, mode=up))
