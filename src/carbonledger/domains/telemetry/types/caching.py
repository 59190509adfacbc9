"""Words of what caching saved, and of usage told apart by kind of token.

Both are computed from roll-ups: token sums of an hour or a day, times the price that the book has for it and the rate of its emissions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from carbonledger.domains.pricing.types import UnitPrices
from carbonledger.domains.telemetry.types.answers import Asked, Coverage
from carbonledger.kernel import usage
from carbonledger.kernel.quantity import Co2eG, EnergyWh

KINDS: Final = usage.BUCKETS


class Counts(NamedTuple):
    """Known tokens of a sum by kind."""

    uncached_input: int = 0
    cached_input: int = 0
    cache_creation_5m: int = 0
    cache_creation_1h: int = 0
    output: int = 0

    def plus(self, other: Counts) -> Counts:
        """Return both together."""
        return Counts(*(mine + its for mine, its in zip(self, other, strict=True)))


class Served(NamedTuple):
    """What decides the price of a series: by whom, how and in what sizes its model was served."""

    series_id: int
    provider: str
    model: str
    is_batch: bool
    service_tier: str | None
    region: str | None
    size_above: int | None
    size_up_to: int | None


class Stretches(NamedTuple):
    """From when on each price of a series holds, ascending. ``is_hourly``: a price changes within a day (UTC) of the period."""

    series_id: int
    starts: Sequence[datetime]
    prices: Sequence[UnitPrices]
    is_hourly: bool


class Priced(NamedTuple):
    """Tokens of one series in one stretch of its price. ``is_covered``: their events have a cost; ``guessed``: it is an estimate."""

    series_id: int
    place: int
    is_covered: bool
    counts: Counts
    guessed: Counts
    provisional: Counts


class Rated(NamedTuple):
    """Tokens at one emission rate: what one of prefill, cached and decode takes for low, then mid, then high; None: not covered."""

    energy_wh: Sequence[Decimal] | None
    co2e_g: Sequence[Decimal] | None
    counts: Counts
    assumed: Counts
    provisional: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSaving:
    """What caching saved in a period, in USD, Wh and g. None: nothing of it is covered.

    ``cost`` is net of what writing to the cache cost, and so may be below zero; of it the coverage is by tokens read from and written to
    a cache. Energy and CO2e are of the tokens read, as those written take what any input takes.
    """

    asked: Asked
    tokens: int
    cost: Decimal | None
    cost_coverage: Coverage
    energy_wh: EnergyWh | None
    co2e_g: Co2eG | None
    coverage: Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class KindSum:
    """Tokens of one kind with their part of cost, energy and CO2e; None: nothing of it is covered."""

    kind: str
    tokens: int
    cost: Decimal | None
    cost_coverage: Coverage
    energy_wh: EnergyWh | None
    co2e_g: Co2eG | None
    coverage: Coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class ByKind:
    """Usage of a period by kind of token, and the cost that no kind has by itself: fees, price tiers, sound, images, reasoning apart."""

    asked: Asked
    kinds: tuple[KindSum, ...]
    other_cost: Decimal
