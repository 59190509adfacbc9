"""What a price is for, a rate of the book, a cost and what may be said against it, and the faults.

Owns those values and what follows from one of them alone. It does not own choosing a rate or computing a cost (``core``).

Money here is US dollars, the one currency of the book. Unit prices are whole numbers of 10^-12 USD ("pico"), per token or per
request, so that a cost is a sum of products of integers: exact, and never rounded. Whoever puts it on a document rounds it there.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from carbonledger.kernel import currency, decimals, errors
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import TokenBuckets

USD = currency.by_code("USD")
PLACES = 12  # digits after the point of a unit price, and so of an exact cost
_PICO = Decimal("1E-12")
STANDARD = "standard"
BATCH = "batch"


class PricingFault(errors.Fault):
    """Pricing could not do this."""

    code = "pricing"


class BookUnreadable(PricingFault):
    """The price book can't be read."""

    kind = errors.Kind.INTERNAL
    code = "price_book_unreadable"


class BookUnpublished(PricingFault):
    """The price book could not be published."""

    kind = errors.Kind.INTERNAL
    code = "price_book_unpublished"


class OtherBookUnreadable(PricingFault):
    """The book to compare with can't be read."""

    kind = errors.Kind.INVALID
    code = "other_book_unreadable"


class PriceKind(enum.Enum):
    """What one price of a rate is for. The first five are the token buckets, then come parts of them, then the call itself."""

    UNCACHED_INPUT = "uncached_input"
    CACHED_INPUT = "cached_input"
    CACHE_CREATION_5M = "cache_creation_5m"
    CACHE_CREATION_1H = "cache_creation_1h"
    OUTPUT = "output"
    REASONING = "reasoning"  # only where the provider bills it apart from other output
    AUDIO_INPUT = "audio_input"
    IMAGE_INPUT = "image_input"
    CACHED_AUDIO_INPUT = "cached_audio_input"
    CACHED_IMAGE_INPUT = "cached_image_input"
    AUDIO_OUTPUT = "audio_output"
    IMAGE_OUTPUT = "image_output"
    REQUEST = "request"


BUCKETS = tuple(PriceKind)[:5]
# The parts that may have a price of their own, by the bucket that they are inside.
PARTS = {
    PriceKind.UNCACHED_INPUT: (PriceKind.AUDIO_INPUT, PriceKind.IMAGE_INPUT),
    PriceKind.CACHED_INPUT: (PriceKind.CACHED_AUDIO_INPUT, PriceKind.CACHED_IMAGE_INPUT),
    PriceKind.CACHE_CREATION_5M: (),
    PriceKind.CACHE_CREATION_1H: (),
    PriceKind.OUTPUT: (PriceKind.REASONING, PriceKind.AUDIO_OUTPUT, PriceKind.IMAGE_OUTPUT),
}


class Flag(enum.Enum):
    """What has to be said about a cost. Stored with it by these words: add at the end, rename none."""

    # Not covered: there is no amount.
    PROVIDER_UNKNOWN = "provider_unknown"  # not in the book
    MODEL_UNKNOWN = "model_unknown"  # the book has the provider, and no such model
    PRICE_UNKNOWN = "price_unknown"  # the book has the model, and no price by token at that time
    RATE_MISSING = "rate_missing"  # tokens of a kind that has neither a price nor one that may be taken for it
    TOKENS_UNKNOWN = "tokens_unknown"  # a count that the price needs is unknown
    # Estimated: the amount rests on a stated assumption.
    CACHE_SPLIT_UNKNOWN = "cache_split_unknown"  # cached tokens may be inside uncached input: charged as uncached
    PARTS_UNKNOWN = "parts_unknown"  # sound, images or reasoning have their own price and were not told apart
    CACHED_RATE_MISSING = "cached_rate_missing"  # charged as uncached input
    CACHE_CREATION_RATE_MISSING = "cache_creation_rate_missing"  # charged as 5-minute creation, or as uncached input
    TIER_AVERAGED = "tier_averaged"  # many requests, priced as if each had the average size, and some may be over a threshold
    REQUESTS_UNKNOWN = "requests_unknown"  # the lowest price tier, or no fee per request, for want of the number of requests
    BATCH_RATE_ASSUMED = "batch_rate_assumed"  # the provider's general discount for batches, for want of a price of the model
    BATCH_RATE_MISSING = "batch_rate_missing"  # the standard price, for want of a price for batches
    SERVICE_TIER_RATE_MISSING = "service_tier_rate_missing"  # the standard price, for want of one for that service tier
    OTHER_CHARGES = "other_charges"  # the provider also bills what is not counted in tokens; that is missing here
    MAKER_PRICE = "maker_price"  # the model's maker's price, for want of one of the provider that served it
    DISPUTED = "disputed"  # public sources disagree on this price; the rate tells which one was followed and why

    @property
    def is_covered(self) -> bool:
        """Whether a cost with this flag can have an amount."""
        return self not in _NOT_COVERED

    @property
    def bit(self) -> int:
        """Its place in a set of flags held as an integer."""
        return _BITS[self]


_NOT_COVERED = frozenset((Flag.PROVIDER_UNKNOWN, Flag.MODEL_UNKNOWN, Flag.PRICE_UNKNOWN, Flag.RATE_MISSING, Flag.TOKENS_UNKNOWN))
_BITS = {flag: 1 << place for place, flag in enumerate(Flag)}


@functools.lru_cache(maxsize=1024)
def flags_of(bits: int) -> tuple[Flag, ...]:
    """Return the flags of a set held as an integer, in their order."""
    return tuple(flag for flag in Flag if bits & flag.bit)


@dataclass(frozen=True, slots=True)
class PriceTier:
    """Prices of a request whose input is more than ``above_tokens`` tokens, in pico-USD.

    ``prices`` by ``PriceKind``: what the book has, None where it has none. ``charged`` by token bucket: what its tokens cost, which
    for the input buckets may be another price taken for a missing one, and is 0 where there is none at all. ``apart``: the parts
    that cost something else than their bucket, as (part, bucket, difference).
    """

    above_tokens: int
    prices: tuple[int | None, ...]
    charged: tuple[int, ...]
    apart: tuple[tuple[str, str, int], ...]

    def price(self, kind: PriceKind) -> int | None:
        """Return the book's price of this kind."""
        return self.prices[_PLACE[kind]]


_PLACE = {kind: place for place, kind in enumerate(PriceKind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a rate comes from: a name that finds it again in the book, links to what was published, and a reason where we decided."""

    rule: str
    links: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """All prices of one model, for one service, in one stretch of time. Without price tiers it is no price, and ``bits`` say why.

    ``threshold``: up to so many input tokens in all, the lowest tier is certain and nothing is disputed. ``disputed_above``: the price
    of requests with more input tokens is disputed. ``substitute_bits`` by bucket: the flag that its tokens raise. ``split_bits`` by bucket:
    the flag that an untold count raises. ``is_whole``: uncached input and output have prices.
    """

    provider: str
    model: str
    service: str
    tiers: tuple[PriceTier, ...]
    origins: tuple[Origin, ...]
    bits: int = 0
    region: str | None = None  # only where the provider's prices depend on it
    threshold: int | None = None
    disputed_above: int | None = None
    substitute_bits: tuple[int, ...] = ()
    split_bits: tuple[int, ...] = ()
    has_fee: bool = False
    is_whole: bool = True
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    is_daily: bool = False  # holds at certain hours of the day only

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What holds for every cost at this rate."""
        return flags_of(self.bits)

    @property
    def edges(self) -> tuple[int, ...]:
        """Counts of input tokens, rising, above each of which one request may cost otherwise or its price be disputed."""
        above = {tier.above_tokens for tier in self.tiers[1:]} | ({self.disputed_above} if self.disputed_above is not None else set())
        return tuple(sorted(above))

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the entries of the book that the rate was made of."""
        return tuple(origin.rule for origin in self.origins)


class Rates(Protocol):
    """The rates of one model for one service through all time."""

    def at(self, at: datetime) -> Rate:
        """Return the rate in force at an instant in UTC."""
        ...

    def throughout(self, first: datetime, last: datetime) -> Rate | None:
        """Return the one rate in force from the first to the last of two instants in UTC, both included; None: there are more."""
        ...

    def between(self, start: datetime, end: datetime) -> Sequence[tuple[datetime, Rate]]:
        """Return the rates in force from ``start`` to before ``end``, each with the instant from which it holds, the first ``start``."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """A rate as the price of one provider, which the maker of the model need not be."""

    provider: str
    rate: Rate

    @property
    def key(self) -> tuple[str, str, str]:
        """What lists of prices are sorted by."""
        return self.provider, self.rate.model, self.rate.service


@dataclass(frozen=True, slots=True)
class CostPart:
    """One product of a cost: ``count`` tokens (or requests) at ``unit_price`` USD each."""

    kind: PriceKind
    count: int
    unit_price: Decimal
    amount: Decimal


class Factors(NamedTuple):
    """What an amount is made of, in pico-USD: what each count is multiplied with, and what is added once."""

    uncached_input: int
    cached_input: int
    cache_creation_5m: int
    cache_creation_1h: int
    output: int
    reasoning: int  # beside what output costs
    fee: int


class Cost(NamedTuple):
    """What usage costs, unrounded, with what it was computed from. A tuple because one is made for every event.

    ``amount_pico`` is None where the cost is not covered; a flag says why. ``reported`` is the provider's own figure, kept beside.
    """

    amount_pico: int | None
    rate: Rate
    tier: PriceTier | None
    tokens: TokenBuckets
    requests: int | None
    bits: int
    version: str
    reported: Money | None

    @property
    def is_covered(self) -> bool:
        """Whether there is an amount."""
        return self.amount_pico is not None

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What has to be said about it."""
        return flags_of(self.bits)

    @property
    def amount(self) -> Decimal | None:
        """US dollars, exact: at most 12 digits after the point. None: not covered."""
        return None if self.amount_pico is None else dollars(self.amount_pico)

    @property
    def money(self) -> Money | None:
        """The amount with its currency."""
        amount = self.amount
        return None if amount is None else Money(amount, USD)

    @property
    def difference(self) -> Money | None:
        """Ours less the provider's own figure; None where one of them is missing. Raises ``CurrencyMismatch`` unless it is in USD."""
        ours = self.money
        return None if ours is None or self.reported is None else ours - self.reported

    @property
    def parts(self) -> tuple[CostPart, ...]:
        """The products that add up to the amount; of a cost that is not covered, those that are known."""
        return tuple(_parts(self))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of how a cost came about, in words, with links to what was published."""

    text: str
    links: tuple[str, ...] = ()


def dollars(pico: int) -> Decimal:
    """Return pico-USD as USD, exactly. Raises ``NumberOutOfRange`` beyond 38 digits."""
    return decimals.multiply(decimals.of(pico), _PICO)


def _parts(cost: Cost) -> Iterator[CostPart]:
    tier = cost.tier
    if tier is None:
        return
    for bucket, charged in zip(BUCKETS, tier.charged, strict=True):
        left = getattr(cost.tokens, bucket.value) or 0
        for part in PARTS[bucket]:
            price = tier.price(part)
            count = getattr(cost.tokens, part.value)
            if price is not None and count:
                left -= count
                yield _part(part, count, price)
        if left and (charged or tier.price(bucket) is not None):
            yield _part(bucket, left, charged)
    fee = tier.price(PriceKind.REQUEST)
    if fee is not None and cost.requests:
        yield _part(PriceKind.REQUEST, cost.requests, fee)


def _part(kind: PriceKind, count: int, price: int) -> CostPart:
    return CostPart(kind, count, dollars(price), dollars(price * count))
