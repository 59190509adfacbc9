"""What one model costs and takes, for the eye: prices of a million tokens, energy of a thousand, by this process's book and factors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from carbonledger.domains.emissions import service as emissions
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.pricing import types as price_types
from carbonledger.domains.pricing.types import PriceKind
from carbonledger.kernel import decimals, errors, humane
from carbonledger.kernel.humane import Shown
from carbonledger.kernel.usage import TokenBuckets, Usage

_PER_MILLION: Final = 6
_THOUSAND: Final = 1000
_WH: Final = humane.ENERGY.step(0)  # the base unit, so that models can be compared
_RATES_MAX: Final = 40  # services and regions of one model
WORDS: Final = {
    PriceKind.UNCACHED_INPUT: "Uncached input",
    PriceKind.CACHED_INPUT: "Cached input",
    PriceKind.CACHE_CREATION_5M: "Written to cache, 5 minutes",
    PriceKind.CACHE_CREATION_1H: "Written to cache, 1 hour",
    PriceKind.OUTPUT: "Output",
}


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
        amounts={words: _per_million(tier.price(kind)) for kind, words in WORDS.items()},
        valid_from=rate.starts_at,
        valid_until=rate.ends_at,
        links=tuple(dict.fromkeys(link for origin in rate.origins for link in origin.links)),
    )


def _per_million(pico: int | None) -> str:
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


def energy(provider: str, model: str, *, at: datetime) -> tuple[Shown, Shown] | None:
    """Return the energy of a thousand uncached input and output tokens as ranges; None where the factors have none."""
    made = [_energy(provider, model, at, count) for count in ((_THOUSAND, 0), (0, _THOUSAND))]
    return None if made[0] is None or made[1] is None else (made[0], made[1])


def _energy(provider: str, model: str, at: datetime, count: tuple[int, int]) -> Shown | None:
    tokens = TokenBuckets(uncached_input=count[0], cached_input=0, cache_creation_5m=0, cache_creation_1h=0, output=count[1], reasoning=0)
    try:
        found = emissions.estimate(Usage(provider=provider, model=model, occurred_at=at, tokens=tokens, requests=1)).energy_wh
    except errors.Invalid:
        return None
    return None if found is None else humane.ENERGY.show_range(found, step=_WH)
