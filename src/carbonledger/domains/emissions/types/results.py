"""What an estimate says: energy, CO2e and water of usage, what has to be said against them, and the steps that explain them.

Owns those values and what follows from one of them alone. It does not own choosing factors or computing with them (``core``).

Amounts are held as whole quanta: 10^-18 of a watt-hour, a gram or a millilitre. So they add up exactly, whatever is split or summed
first, and each quantity fits PostgreSQL's ``numeric`` and Arrow's decimal128 with 18 digits after the point.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, TypeVar

from carbonledger.domains.emissions.types.factors import Grid, Host, Source, Tier
from carbonledger.kernel import decimals
from carbonledger.kernel.quantity import Co2eG, EnergyWh, Range, WaterMl

PLACES = 18  # digits after the point of an amount
Quanta = tuple[int, int, int]  # low, mid, high
# Energy, CO2e by location, CO2e by market, water.
Amounts = tuple[Quanta | None, Quanta | None, Quanta | None, Quanta | None]
# Quanta of one token: of prefill, cached and decode for low, then the same for mid, then for high.
PerToken = tuple[int, int, int, int, int, int, int, int, int]
R = TypeVar("R", bound=Range)


class Flag(enum.Enum):
    """What has to be said about an estimate. Stored with it by these words: add at the end, rename none."""

    # Not covered: there are no amounts.
    NOT_MODELLED = "not_modelled"  # images, sound, video: the factor set has no energy per token
    TOKENS_UNKNOWN = "tokens_unknown"  # a count that the estimate needs is unknown
    # Covered, by a stated assumption.
    MODEL_UNKNOWN = "model_unknown"  # no rule fits the model: the fallback tier, with its bounds moved out
    PROVIDER_UNKNOWN = "provider_unknown"  # the factors of an unknown host
    REGION_UNKNOWN = "region_unknown"  # the provider's default place, for a region that the factor set does not know
    CACHE_SPLIT_UNKNOWN = "cache_split_unknown"  # cached tokens may be inside uncached input: counted as prefill, so too high if so
    REQUESTS_UNKNOWN = "requests_unknown"  # long context can't be decided: low and mid with the least there can be, high with the most

    @property
    def is_covered(self) -> bool:
        """Whether an estimate with this flag can have amounts."""
        return self not in _NOT_COVERED

    @property
    def bit(self) -> int:
        """Its place in a set of flags held as an integer."""
        return _BITS[self]


_NOT_COVERED = frozenset((Flag.NOT_MODELLED, Flag.TOKENS_UNKNOWN))
_BITS = {flag: 1 << place for place, flag in enumerate(Flag)}


@functools.lru_cache(maxsize=1024)
def flags_of(bits: int) -> tuple[Flag, ...]:
    """Return the flags of a set held as an integer, in their order."""
    return tuple(flag for flag in Flag if bits & flag.bit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which factors usage of this provider, model and region takes. ``rule`` is the place of the model's rule, None for the fallback.

    ``region_map`` is the map of the factor set that knew the region, None where none was asked or the region named a grid itself.
    """

    version: str  # of the factor set
    digest: str
    model: str  # normalised
    rule: int | None
    tier: Tier
    host: Host
    grid: Grid
    market: Grid | None  # None: no market-based figure is known, which is not zero and not the location's
    region_map: str | None
    is_batch: bool
    bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What one token of each phase takes and emits."""

    it: PerToken  # energy of accelerators and their hosts, before PUE
    energy: PerToken
    embodied: PerToken
    co2e_location: PerToken  # embodied included
    co2e_market: PerToken | None  # embodied included
    water: PerToken


class Emissions(NamedTuple):
    """What usage emits: tokens of each phase, and the rates that they are multiplied with. A tuple because one is made for every event.

    Amounts are quanta, and ranges with their unit; all are None where the estimate is not covered, and a flag says why. The market
    basis alone is None also where no market-based figure is known. Both bases include the embodied share, and are never summed.
    """

    match: Match
    bits: int
    prefill_tokens: int  # cache creation included
    cached_tokens: int
    decode_tokens: int
    rates: Rates | None  # None: not covered, and the counts are those that are known

    @property
    def is_covered(self) -> bool:
        """Whether there are amounts."""
        return self.rates is not None

    @property
    def version(self) -> str:
        """The version of the factor set."""
        return self.match.version

    @property
    def digest(self) -> str:
        """The digest of the factor set."""
        return self.match.digest

    @property
    def tier(self) -> str:
        """The model tier."""
        return self.match.tier.name

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What has to be said about it."""
        return flags_of(self.bits)

    def amounts(self) -> Amounts:
        """Return what a ledger keeps: the four amounts at once, at less cost than one by one."""
        _, _, prefill, cached, decode, rates = self
        if rates is None:
            return None, None, None, None
        market = rates.co2e_market
        return (
            times(rates.energy, prefill, cached, decode),
            times(rates.co2e_location, prefill, cached, decode),
            None if market is None else times(market, prefill, cached, decode),
            times(rates.water, prefill, cached, decode),
        )

    @property
    def energy(self) -> Quanta | None:
        """Energy of the facility: IT energy times PUE."""
        return None if self.rates is None else self._times(self.rates.energy)

    @property
    def co2e_location(self) -> Quanta | None:
        """Gross emissions by the grid at the place of use, embodied share included."""
        return None if self.rates is None else self._times(self.rates.co2e_location)

    @property
    def co2e_market(self) -> Quanta | None:
        """Gross emissions by the electricity bought under contract, embodied share included."""
        return None if self.rates is None or self.rates.co2e_market is None else self._times(self.rates.co2e_market)

    @property
    def embodied(self) -> Quanta | None:
        """The share of making the hardware, which is inside both bases."""
        return None if self.rates is None else self._times(self.rates.embodied)

    @property
    def water(self) -> Quanta | None:
        """Water consumed on site and in generating the electricity."""
        return None if self.rates is None else self._times(self.rates.water)

    @property
    def energy_wh(self) -> EnergyWh | None:
        """``energy`` as a range."""
        return to_range(self.energy, EnergyWh)

    @property
    def co2e_location_g(self) -> Co2eG | None:
        """``co2e_location`` as a range."""
        return to_range(self.co2e_location, Co2eG)

    @property
    def co2e_market_g(self) -> Co2eG | None:
        """``co2e_market`` as a range."""
        return to_range(self.co2e_market, Co2eG)

    @property
    def embodied_g(self) -> Co2eG | None:
        """``embodied`` as a range."""
        return to_range(self.embodied, Co2eG)

    @property
    def water_ml(self) -> WaterMl | None:
        """``water`` as a range."""
        return to_range(self.water, WaterMl)

    @property
    def it_energy_wh(self) -> EnergyWh | None:
        """Energy before PUE: the sum of the three phases."""
        return None if self.rates is None else to_range(self._times(self.rates.it), EnergyWh)

    @property
    def prefill_wh(self) -> EnergyWh | None:
        """Energy of reading input, before PUE."""
        return None if self.rates is None else to_range(times(self.rates.it, self.prefill_tokens, 0, 0), EnergyWh)

    @property
    def cached_wh(self) -> EnergyWh | None:
        """Energy of input served from the provider's cache, before PUE. Rests on an assumption."""
        return None if self.rates is None else to_range(times(self.rates.it, 0, self.cached_tokens, 0), EnergyWh)

    @property
    def decode_wh(self) -> EnergyWh | None:
        """Energy of writing output, before PUE."""
        return None if self.rates is None else to_range(times(self.rates.it, 0, 0, self.decode_tokens), EnergyWh)

    def _times(self, rate: PerToken) -> Quanta:
        return times(rate, self.prefill_tokens, self.cached_tokens, self.decode_tokens)


def times(rate: PerToken, prefill: int, cached: int, decode: int) -> Quanta:
    """Return what so many tokens of each phase come to: sums of products of integers, exact."""
    p_low, c_low, d_low, p_mid, c_mid, d_mid, p_high, c_high, d_high = rate
    return (
        prefill * p_low + cached * c_low + decode * d_low,
        prefill * p_mid + cached * c_mid + decode * d_mid,
        prefill * p_high + cached * c_high + decode * d_high,
    )


def to_range(quanta: Quanta | None, unit: type[R]) -> R | None:
    """Return quanta as a range of its unit, exactly. Raises ``NumberOutOfRange`` beyond 38 digits."""
    if quanta is None:
        return None
    low, mid, high = (decimals.shifted(decimals.of(bound), -PLACES) for bound in quanta)
    return unit(low, mid, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One number or word that a step uses.

    ``pointer`` leads to it in the file of the factor set (RFC 6901); None for what came with the usage or from an earlier step.
    """

    name: str
    value: Range | Decimal | int | str | None  # None: unknown
    unit: str
    pointer: str | None = None
    sources: tuple[Source, ...] = ()
    is_assumption: bool = False  # no published measurement stands behind it


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of an estimate, in the order of computing. ``result`` None: it could not be taken, and ``note`` says why."""

    name: str
    formula: str
    inputs: tuple[Input, ...]
    result: Range | Decimal | str | None
    unit: str
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The outermost bounds: every factor at its low, every factor at its high, as if no error ever made up for another."""

    energy_wh: EnergyWh
    co2e_location_g: Co2eG
    co2e_market_g: Co2eG | None
    water_ml: WaterMl


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """An estimate with the steps that lead to each of its numbers. ``envelope`` None: not covered."""

    emissions: Emissions
    steps: tuple[Step, ...]
    envelope: Envelope | None
