"""What caching saved, and what each kind of token cost and took, from sums of tokens at dated prices and at rates of emissions.

Owns the arithmetic: exact, linear in the sums, so that the parts of a period add up to the whole. It does not own prices (pricing) or
rates (emissions), nor which roll-ups are read.

Energy and CO2e saved: of each bound, what a token of prefill takes less what a cached one does, times the tokens read from a cache. What
is written to a cache takes what other input takes, so it saves and costs nothing. A bound of the difference is the difference of the
bounds: hardware, place and overhead are the same on both sides and move together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from carbonledger.domains.pricing import types as pricing
from carbonledger.domains.telemetry.core import measuring
from carbonledger.domains.telemetry.types.answers import Coverage
from carbonledger.domains.telemetry.types.caching import KINDS, Counts, Priced, Rated, Stretches
from carbonledger.kernel import decimals
from carbonledger.kernel.quantity import Range

_PHASE: Final = {"uncached_input": 0, "cached_input": 1, "cache_creation_5m": 0, "cache_creation_1h": 0, "output": 2}
_PHASES: Final = 3
_PREFILL, _CACHED = 0, 1
Prices = Mapping[tuple[int, int], pricing.UnitPrices]


def stretches(series_id: int, rates: Sequence[tuple[datetime, pricing.UnitPrices]]) -> Stretches:
    """Return the stretches of a series' prices, those that are the same made one. Shape: one or more, ascending."""
    kept = [pair for pair, before in zip(rates, [None, *rates], strict=False) if before is None or before[1] != pair[1]]
    is_hourly = any((at.hour, at.minute, at.second, at.microsecond) != (0, 0, 0, 0) for at, _ in kept[1:])
    return Stretches(series_id, [at for at, _ in kept], [prices for _, prices in kept], is_hourly)


def prices_of(found: Iterable[Stretches]) -> dict[tuple[int, int], pricing.UnitPrices]:
    """Return prices by series and place of the stretch."""
    return {(one.series_id, place): prices for one in found for place, prices in enumerate(one.prices)}


def cache_tokens(counts: Counts) -> pricing.CacheTokens:
    """Return the tokens that have to do with a cache."""
    return pricing.CacheTokens(counts.cached_input, counts.cache_creation_5m, counts.cache_creation_1h)


def saved_cost(
    sums: Iterable[Priced], prices: Prices, saving: Callable[[pricing.UnitPrices, pricing.CacheTokens], pricing.Saving]
) -> tuple[Decimal | None, Coverage]:
    """Return the USD saved, and of what part of the tokens of a cache that is known. Where an event has no cost, nothing is."""
    whole, guessed, provisional = pricing.Saving(), 0, 0
    for one in sums:
        unit = prices[one.series_id, one.place] if one.is_covered else pricing.UnitPrices()
        found = saving(unit, cache_tokens(one.counts))
        whole = whole.plus(found)
        # The tokens of a lowest tier are estimated, all of them; of the others those whose count is.
        guessed += found.covered if found.lowest else (cache_tokens(one.guessed).total if found.covered else 0)
        provisional += cache_tokens(one.provisional).total
    return whole.amount, _coverage(whole.covered + whole.not_covered, whole.not_covered, guessed, provisional)


def saved_emissions(sums: Iterable[Rated]) -> tuple[Range | None, Range | None, Coverage]:
    """Return the Wh and the g of CO2e saved, and of what part of the tokens read from a cache that is known."""
    rows = list(sums)
    differences = [(one, one.counts.cached_input) for one in rows if one.counts.cached_input]
    energy = _sum((_less(one.energy_wh), count) for one, count in differences)
    co2e = _sum((_less(one.co2e_g), count) for one, count in differences)
    return energy, co2e, _kind_coverage(rows, "cached_input")


def cost_of(kind: str, sums: Iterable[Priced], prices: Prices) -> tuple[Decimal | None, Coverage]:
    """Return what the tokens of a kind cost at the price of the kind, in USD."""
    place = KINDS.index(kind)
    amount = covered = missing = guessed = provisional = 0
    for one in sums:
        count, unit = one.counts[place], prices[one.series_id, one.place]
        price = unit[place] if one.is_covered else None
        provisional += one.provisional[place]
        if price is None:
            missing += count
            continue
        amount += price * count
        covered += count
        guessed += count if unit.is_lowest else one.guessed[place]
    known = None if missing and not covered else pricing.dollars(amount)
    return known, _coverage(covered + missing, missing, guessed, provisional)


def emissions_of(kind: str, sums: Iterable[Rated]) -> tuple[Range | None, Range | None, Coverage]:
    """Return what the tokens of a kind take in Wh, and emit in g."""
    rows, place, phase = list(sums), KINDS.index(kind), _PHASE[kind]
    counted = [(one, one.counts[place]) for one in rows if one.counts[place]]
    energy = _sum((_phase(one.energy_wh, phase), count) for one, count in counted)
    co2e = _sum((_phase(one.co2e_g, phase), count) for one, count in counted)
    return energy, co2e, _kind_coverage(rows, kind)


def _kind_coverage(rows: Sequence[Rated], kind: str) -> Coverage:
    place = KINDS.index(kind)
    whole = sum(one.counts[place] for one in rows)
    missing = sum(one.counts[place] for one in rows if one.energy_wh is None)
    assumed = sum(one.assumed[place] for one in rows if one.energy_wh is not None)
    return _coverage(whole, missing, assumed, sum(one.provisional[place] for one in rows))


def _phase(rates: Sequence[Decimal] | None, phase: int) -> tuple[Decimal, ...] | None:
    return None if rates is None else tuple(rates[phase::_PHASES])


def _less(rates: Sequence[Decimal] | None) -> tuple[Decimal, ...] | None:
    if rates is None:
        return None
    return tuple(decimals.subtract(*pair) for pair in zip(rates[_PREFILL::_PHASES], rates[_CACHED::_PHASES], strict=True))


def _sum(parts: Iterable[tuple[tuple[Decimal, ...] | None, int]]) -> Range | None:
    """Return low, mid and high of rates times counts; zero of nothing, None where no rate is known.

    Bounds of a difference may cross, where a set of factors gives phases unlike bounds; the range is then what they span.
    """
    every = list(parts)
    known = [(rates, count) for rates, count in every if rates is not None]
    if every and not known:
        return None
    sums = [decimals.of(0)] * _PHASES
    for rates, count in known:
        sums = [decimals.add(total, decimals.multiply(rate, decimals.of(count))) for total, rate in zip(sums, rates, strict=True)]
    return Range(min(sums), sums[1], max(sums))


def _coverage(whole: int, missing: int, estimated: int, provisional: int) -> Coverage:
    gone = measuring.share(missing, whole)
    return Coverage(
        covered=decimals.subtract(Decimal(1), gone) if whole else Decimal(0),
        not_covered=gone,
        estimated=measuring.share(estimated, whole),
        provisional=measuring.share(provisional, whole),
    )
