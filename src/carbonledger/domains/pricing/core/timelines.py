"""What a model's entries come to: for each stretch of time the rates that hold in it.

Owns that of the entries in force the last one counts; how the prices of a service lie over the standard ones, and a provider's discounts
and surcharges over both; which price is taken for a missing one, and with which flag; and the compiled form that makes a cost a few
multiplications. It does not own finding the model (``matching``, ``book``) nor the cost itself (``costing``).
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from carbonledger.domains.pricing import types
from carbonledger.domains.pricing.core.entries import Dated, Entry, Model, Multiplier
from carbonledger.domains.pricing.types import Flag, PriceKind, PriceTier, Rate
from carbonledger.kernel import decimals, errors

_KINDS = tuple(PriceKind)
_PER_MILLION_PLACES = 6  # a price per million tokens with six places is one per token with twelve
_NAMES = frozenset(kind.value for kind in PriceKind)
_STEP = 2  # a step of a price: above so many tokens, so much
_Dated = TypeVar("_Dated", bound=Dated)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The rates of a stretch of time: those of certain hours, latest entry first, and the one of the rest."""

    daily: tuple[tuple[Entry, Rate], ...]
    base: Rate


class Timeline:
    """The rates of one model for one service through all time. ``only``: the one rate, where there is but one."""

    __slots__ = ("_starts", "_stretches", "only")

    def __init__(self, starts: Sequence[datetime], stretches: Sequence[Stretch]) -> None:
        """Take the stretches in order, one before the first start and one from each start on."""
        self._starts = list(starts)
        self._stretches = list(stretches)
        self.only = stretches[0].base if len(stretches) == 1 and not stretches[0].daily else None

    def at(self, at: datetime) -> Rate:
        """Return the rate in force at an instant in UTC."""
        stretch = self._stretches[bisect.bisect_right(self._starts, at)]
        for entry, rate in stretch.daily:
            if entry.holds_at(at):
                return rate
        return stretch.base

    def throughout(self, first: datetime, last: datetime) -> Rate | None:
        """Return the one rate in force from the first to the last of two instants in UTC, both included; None: there are more."""
        place = bisect.bisect_right(self._starts, first)
        stretch = self._stretches[place]
        return None if stretch.daily or place != bisect.bisect_right(self._starts, last) else stretch.base

    def between(self, start: datetime, end: datetime) -> list[tuple[datetime, Rate]]:
        """Return the rates in force from ``start`` to before ``end`` (UTC), each with the instant from which it holds."""
        found: list[tuple[datetime, Rate]] = []
        for at in sorted({start, *(edge for edge in self._starts if start < edge < end), *self._hours(start, end)}):
            rate = self.at(at)
            if not found or found[-1][1] is not rate:
                found.append((at, rate))
        return found

    def _hours(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield each instant at which a rate of certain hours or weekdays may begin or end."""
        edges = [start, *(edge for edge in self._starts if start < edge < end), end]
        for begins, ends in itertools.pairwise(edges):
            daily = self._stretches[bisect.bisect_right(self._starts, begins)].daily
            minutes = sorted({0, *(minute for entry, _ in daily for edge in entry.hours for minute in edge)}) if daily else []
            day = begins.replace(hour=0, minute=0, second=0, microsecond=0)
            while minutes and day < ends:
                yield from (at for minute in minutes if begins < (at := day + timedelta(minutes=minute)) < ends)
                day += timedelta(days=1)

    def rates(self) -> Iterator[Rate]:
        """Yield all rates, earliest first."""
        for stretch in self._stretches:
            yield stretch.base
            yield from (rate for _, rate in stretch.daily)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """For whom the rates of a model are compiled: who served it, by which service and in which region, and what that does to prices."""

    provider: str
    service: str
    region: str | None = None
    batches: tuple[Multiplier, ...] = ()
    regions: tuple[Multiplier, ...] = ()

    def is_maker(self, model: Model) -> bool:
        """Whether the provider itself has this price, rather than the maker of a model that it serves."""
        return self.provider == model.provider


def unpriced(*, provider: str, model: str, service: str, flag: Flag) -> Timeline:
    """Return the timeline of what the book does not have."""
    rate = Rate(provider=provider, model=model, service=service, tiers=(), origins=(), bits=flag.bit)
    return Timeline((), (Stretch((), rate),))


def compiled(model: Model, terms: Terms) -> Timeline:
    """Return the timeline of a model. Raises ``BookUnreadable`` where an entry is not one."""
    standard = model.entries.get(types.STANDARD, ())
    special: tuple[Entry, ...] = ()
    multipliers: tuple[Multiplier, ...] = ()
    if terms.is_maker(model):  # prices of a service, discounts and surcharges are the provider's own
        special = model.entries.get(terms.service, ()) if terms.service != types.STANDARD else ()
        multipliers = (*(terms.batches if terms.service == types.BATCH else ()), *terms.regions)
    dated: tuple[Dated, ...] = (*standard, *special, *multipliers)
    starts = sorted({edge for entry in dated for edge in (entry.starts_at, entry.ends_at) if edge is not None})
    edges = [None, *starts, None]
    stretches = [_stretch(model, terms, (start, end), _last(special, start, end), multipliers) for start, end in itertools.pairwise(edges)]
    return Timeline(starts, stretches)


def _last(entries: Sequence[_Dated], start: datetime | None, end: datetime | None) -> _Dated | None:
    return next((entry for entry in reversed(entries) if entry.holds(start, end)), None)


def _stretch(
    model: Model,
    terms: Terms,
    edges: tuple[datetime | None, datetime | None],
    special: Entry | None,
    multipliers: Sequence[Multiplier],
) -> Stretch:
    start, end = edges
    standard = [entry for entry in model.entries.get(types.STANDARD, ()) if entry.holds(start, end)]
    base = next((place for place in reversed(range(len(standard))) if not standard[place].is_daily), None)
    daily = standard if base is None else standard[base + 1 :]
    region = _last([one for one in multipliers if one.region is not None and one.region == terms.region], start, end)
    batch = None if special else _last([one for one in multipliers if one.region is None], start, end)
    compiler = _Compiler(model, terms, edges, special, batch, region)
    return Stretch(
        daily=tuple((entry, compiler.rate(entry)) for entry in reversed(daily)),
        base=compiler.rate(None if base is None else standard[base]),
    )


@dataclass(frozen=True, slots=True)
class _Compiler:
    """Compiles the rate that a standard entry gives in a stretch, under the service's own entry, a discount and a surcharge."""

    model: Model
    terms: Terms
    edges: tuple[datetime | None, datetime | None]
    special: Entry | None
    batch: Multiplier | None
    region: Multiplier | None

    def rate(self, standard: Entry | None) -> Rate:
        rates = {**(standard.rates if standard else {}), **(self.special.rates if self.special else {})}
        tiers = _tiers(rates, [one for one in (self.batch, self.region) if one is not None])
        if not tiers:
            return self._rate(standard, tiers=(), bits=Flag.PRICE_UNKNOWN.bit)
        bits = self._service_bits()
        bits |= 0 if self.terms.is_maker(self.model) else Flag.MAKER_PRICE.bit
        bits |= Flag.OTHER_CHARGES.bit if self.model.other else 0
        disputed = next((entry for entry in (self.special, standard) if entry and entry.is_disputed), None)
        if disputed and disputed.disputed_above is None:
            bits |= Flag.DISPUTED.bit
        return self._rate(standard, tiers=tiers, bits=bits, disputed_above=disputed.disputed_above if disputed else None)

    def _service_bits(self) -> int:
        """Return the flag of a service without a price of its own."""
        if self.terms.service == types.STANDARD or self.special is not None:
            return 0
        if self.terms.service != types.BATCH:
            return Flag.SERVICE_TIER_RATE_MISSING.bit
        return (Flag.BATCH_RATE_MISSING if self.batch is None else Flag.BATCH_RATE_ASSUMED).bit

    def _rate(self, standard: Entry | None, *, tiers: tuple[PriceTier, ...], bits: int, disputed_above: int | None = None) -> Rate:
        made_of = (standard, self.special, self.batch, self.region)
        edges = (*(tier.above_tokens for tier in tiers[1:2]), *(() if disputed_above is None else (disputed_above,)))
        return Rate(
            provider=self.model.provider,
            model=self.model.id,
            service=self.terms.service,
            region=None if self.region is None else self.region.region,
            tiers=tiers,
            origins=tuple(one.origin for one in made_of if one is not None),
            bits=bits,
            threshold=min(edges, default=None),
            disputed_above=disputed_above,
            substitute_bits=_substitute_bits(tiers),
            split_bits=_split_bits(tiers),
            has_fee=any(tier.price(PriceKind.REQUEST) is not None for tier in tiers),
            is_whole=all(tier.price(kind) is not None for tier in tiers for kind in (PriceKind.UNCACHED_INPUT, PriceKind.OUTPUT)),
            starts_at=self.edges[0],
            ends_at=self.edges[1],
            is_daily=standard is not None and standard.is_daily,
        )


def _tiers(rates: Mapping[str, object], multipliers: Sequence[Multiplier]) -> tuple[PriceTier, ...]:
    """Return the price tiers, lowest first. Tiers of different prices are laid over each other; a price without them holds in all."""
    unknown = rates.keys() - _NAMES
    if unknown:
        raise types.BookUnreadable(f"{', '.join(sorted(unknown))}: nothing that a price can be for.")
    steps = {PriceKind(name): _steps(PriceKind(name), value, multipliers) for name, value in rates.items()}
    edges = sorted({above for found in steps.values() for above, _ in found})
    found = []
    for edge in edges:
        prices = tuple(_price_at(steps.get(kind, ()), edge) for kind in _KINDS)
        charged = _charged(prices)
        found.append(PriceTier(edge, prices, charged, _apart(prices, charged)))
    return tuple(found)


def _steps(kind: PriceKind, value: object, multipliers: Sequence[Multiplier]) -> tuple[tuple[int, int], ...]:
    """Return [(above tokens, pico-USD)], lowest first, of a price as the book writes it."""
    written: list[Any] = value if isinstance(value, list) and value else [value]
    base, *above = written
    if any(not isinstance(step, list) or len(step) != _STEP or type(step[0]) is not int for step in above):
        raise types.BookUnreadable(f"{value!r} is no price.")
    edges = [0, *(edge for edge, _ in above)]
    if edges != sorted(set(edges)):
        raise types.BookUnreadable(f"{value!r} has no price tiers in rising order.")
    return tuple((edge, _pico(kind, text, multipliers)) for edge, text in ((0, base), *above))


def _pico(kind: PriceKind, text: object, multipliers: Sequence[Multiplier]) -> int:
    """Return a price of the book in pico-USD; multiplied, rounded half up to one."""
    places = types.PLACES if kind is PriceKind.REQUEST else _PER_MILLION_PLACES
    try:
        number = decimals.from_api_decimal(text, places=places)
    except errors.Invalid as error:
        raise types.BookUnreadable(f"{text!r} is no price: {error}") from error
    if number < 0:
        raise types.BookUnreadable(f"{text!r} is below zero.")
    for one in multipliers:
        number = decimals.multiply(number, one.times) if kind.value in one.kinds else number
    return int(decimals.shifted(decimals.rounded(number, places=places, mode=decimals.Rounding.HALF_UP), places))


def _price_at(steps: Sequence[tuple[int, int]], edge: int) -> int | None:
    return next((price for above, price in reversed(steps) if above <= edge), None)


def _charged(prices: tuple[int | None, ...]) -> tuple[int, ...]:
    """Return what the tokens of each bucket cost: of an input bucket without a price, what the nearest dearer one does."""
    uncached, cached, five_minutes, hour, output = prices[: len(types.BUCKETS)]
    creation = uncached if five_minutes is None else five_minutes
    found = (uncached, uncached if cached is None else cached, creation, creation if hour is None else hour, output)
    return tuple(price or 0 for price in found)


def _apart(prices: tuple[int | None, ...], charged: tuple[int, ...]) -> tuple[tuple[str, str, int], ...]:
    """Return the parts that cost something else than their bucket.

    Refused: a price of reasoning beside one of a modality of output, since which tokens are both is never told.
    """
    price_of = dict(zip(_KINDS, prices, strict=True))
    if price_of[PriceKind.REASONING] is not None and (price_of[PriceKind.AUDIO_OUTPUT] or price_of[PriceKind.IMAGE_OUTPUT]):
        raise types.BookUnreadable("Reasoning and a modality of output can't both have a price: they may be the same tokens.")
    differences = [
        (part.value, bucket.value, price - charged[place])
        for place, bucket in enumerate(types.BUCKETS)
        for part in types.PARTS[bucket]
        if (price := price_of[part]) is not None
    ]
    return tuple(one for one in differences if one[2])


def _substitute_bits(tiers: Sequence[PriceTier]) -> tuple[int, ...]:
    flags = (None, Flag.CACHED_RATE_MISSING, Flag.CACHE_CREATION_RATE_MISSING, Flag.CACHE_CREATION_RATE_MISSING, None)
    missing = [any(tier.prices[place] is None for tier in tiers) for place in range(len(types.BUCKETS))]
    return tuple(flag.bit if flag and gone else 0 for flag, gone in zip(flags, missing, strict=True))


def _split_bits(tiers: Sequence[PriceTier]) -> tuple[int, ...]:
    """Return by bucket the flag that an untold count raises: only where the bucket costs something else than uncached input."""
    differs = [any(tier.charged[place] != tier.charged[0] for tier in tiers) for place in range(len(types.BUCKETS))]
    return tuple(Flag.CACHE_SPLIT_UNKNOWN.bit if one else 0 for one in differs)
