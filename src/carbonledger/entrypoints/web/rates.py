"""What one model costs and takes, for the eye: prices of a million tokens, energy of a thousand, by this process's book and factors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.emissions import types as emission_types
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.pricing import types as price_types
from carbonledger.domains.pricing.types import PriceKind
from carbonledger.entrypoints.web import steps
from carbonledger.kernel import decimals, errors, humane
from carbonledger.kernel.humane import Shown
from carbonledger.kernel.quantity import Range
from carbonledger.kernel.usage import BUCKETS, TokenBuckets, Usage

_PER_MILLION: Final = 6
_THOUSAND: Final = 1000
_WH: Final = humane.ENERGY.step(0)  # the base unit, so that models can be compared
_G: Final = humane.CO2E.step(0)
_RATES_MAX: Final = 40  # services and regions of one model
_HISTORY_MAX: Final = 100
WORDS: Final = {
    PriceKind.UNCACHED_INPUT: "Uncached input",
    PriceKind.CACHED_INPUT: "Cached input",
    PriceKind.CACHE_CREATION_5M: "Written to cache, 5 minutes",
    PriceKind.CACHE_CREATION_1H: "Written to cache, 1 hour",
    PriceKind.OUTPUT: "Output",
}
_COLOURS: Final = {PriceKind.UNCACHED_INPUT: "c-uncached", PriceKind.CACHED_INPUT: "c-cached", PriceKind.OUTPUT: "c-output"}
_TAKEN: Final = (("Uncached input", "uncached_input"), ("Cached input", "cached_input"), ("Output", "output"))


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of a model at one service in USD per million tokens, by kind, for requests up to a size."""

    service: str
    region: str | None
    above_tokens: int
    amounts: dict[str, str]
    valid_from: datetime | None
    valid_until: datetime | None
    links: tuple[str, ...]


def prices(provider: str, model: str, *, at: datetime) -> list[Price]:
    """Return the prices in force, the standard service first; none for what the book does not have."""
    found = itertools.islice(pricing.prices(provider=provider, model=model, at=at), _RATES_MAX)
    rates = sorted((one.rate for one in found), key=lambda rate: (rate.service != price_types.STANDARD, rate.service, rate.region or ""))
    return [_price(rate, tier) for rate in rates for tier in rate.tiers]


def _price(rate: price_types.Rate, tier: price_types.PriceTier) -> Price:
    return Price(
        service=rate.service,
        region=rate.region,
        above_tokens=tier.above_tokens,
        amounts={words: per_million(tier.price(kind)) for kind, words in WORDS.items()},
        valid_from=rate.starts_at,
        valid_until=rate.ends_at,
        links=tuple(dict.fromkeys(link for origin in rate.origins for link in origin.links)),
    )


def per_million(pico: int | None) -> str:
    """Return a price of one token in pico-USD as USD per million; empty where there is none."""
    if pico is None:
        return ""
    return humane.grouped(decimals.to_api_decimal(decimals.shifted(price_types.dollars(pico), _PER_MILLION)))


def kinds(found: Sequence[Price]) -> list[str]:
    """Return the kinds of token that any of the prices is for."""
    return [words for words in WORDS.values() if any(one.amounts[words] for one in found)]


def in_and_out(provider: str, model: str, *, at: datetime) -> tuple[str, str] | None:
    """Return the standard price of a million input and output tokens; None for what the book does not have."""
    found = prices(provider, model, at=at)
    return (found[0].amounts[WORDS[PriceKind.UNCACHED_INPUT]], found[0].amounts[WORDS[PriceKind.OUTPUT]]) if found else None


@dataclass(frozen=True, slots=True)
class Since:
    """A price of the standard service with the stretch of time that it held or holds. ``is_daily``: at certain hours of each day only."""

    price: Price
    is_daily: bool
    is_now: bool


def history(provider: str, model: str, *, at: datetime) -> list[Since]:
    """Return every price that the book has had for a model at the standard service, the latest first; equal ones made one."""
    rates = [rate for rate in pricing.dated(provider=provider, model=model) if rate.service == price_types.STANDARD and rate.tiers]
    found: list[Since] = []
    for rate in rates:
        is_now = (rate.starts_at is None or rate.starts_at <= at) and (rate.ends_at is None or at < rate.ends_at)
        for tier in rate.tiers:
            one = Since(_price(rate, tier), rate.is_daily, is_now)
            same = next((place for place, other in enumerate(found) if _continues(other, one)), None)
            if same is None:
                found.append(one)
            else:
                since = replace(one.price, valid_from=found[same].price.valid_from)
                found[same] = replace(one, price=since, is_now=is_now or found[same].is_now)
    found.sort(key=lambda one: (one.price.valid_from or datetime.min.replace(tzinfo=UTC), not one.is_daily), reverse=True)
    return found[:_HISTORY_MAX]


def _continues(before: Since, after: Since) -> bool:
    mine, its = before.price, after.price
    is_same = (mine.amounts, mine.above_tokens, before.is_daily) == (its.amounts, its.above_tokens, after.is_daily)
    return is_same and mine.valid_until is not None and mine.valid_until == its.valid_from


def drawn(provider: str, model: str, *, at: datetime) -> steps.Drawn | None:
    """Return the standard prices of a model as a plot of steps up to an instant; None where none ever changed.

    Of a price with tiers the lowest is drawn, of one that differs by the hour that of most of the day.
    """
    rates = [rate for rate in pricing.dated(provider=provider, model=model) if rate.service == price_types.STANDARD and not rate.is_daily]
    points = [(rate.starts_at, rate.tiers[0] if rate.tiers else None) for rate in rates if rate.starts_at is None or rate.starts_at < at]

    def price(tier: price_types.PriceTier | None, kind: PriceKind) -> int | None:
        return None if tier is None else tier.price(kind)

    series = [steps.Series(WORDS[kind], _COLOURS[kind], [(since, price(tier, kind)) for since, tier in points]) for kind in _COLOURS]
    return steps.drawn([one for one in series if any(value is not None for _, value in one.points)], until=at)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a thousand tokens of one kind take and emit: low, mid, high."""

    words: str
    energy: tuple[Shown, Shown, Shown]
    co2e: tuple[Shown, Shown, Shown]


def taken(provider: str, model: str, *, at: datetime) -> list[Taken]:
    """Return what a thousand tokens of each kind take, at the provider's usual place; none where the factors have nothing."""
    found = []
    for words, bucket in _TAKEN:
        one = _estimate(provider, model, at, bucket)
        if one is None or one.energy_wh is None or one.co2e_location_g is None:
            return []
        found.append(Taken(words, _three(humane.ENERGY, one.energy_wh, _WH), _three(humane.CO2E, one.co2e_location_g, _G)))
    return found


def _three(scale: humane.Scale, found: Range, step: humane.Step) -> tuple[Shown, Shown, Shown]:
    return scale.show(found.low, step=step), scale.show(found.mid, step=step), scale.show(found.high, step=step)


def energy(provider: str, model: str, *, at: datetime) -> tuple[tuple[Shown, Shown], ...] | None:
    """Return the energy of a thousand uncached input and output tokens: mid, and low to high; None where the factors have none."""
    made = [one and one.energy_wh for one in (_estimate(provider, model, at, bucket) for bucket in ("uncached_input", "output"))]
    known = [one for one in made if one is not None]
    if len(known) < len(made):
        return None
    return tuple((humane.ENERGY.show(one.mid, step=_WH), humane.ENERGY.show_range(one, step=_WH)) for one in known)


def _estimate(provider: str, model: str, at: datetime, bucket: str) -> emission_types.Emissions | None:
    counts = dict.fromkeys(BUCKETS, 0) | {bucket: _THOUSAND}
    try:
        return emissions.estimate(Usage(provider=provider, model=model, occurred_at=at, tokens=TokenBuckets(**counts), requests=1))
    except errors.Invalid:
        return None
