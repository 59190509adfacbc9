"""What usage costs at a rate.

Owns the arithmetic and its flags. Integers only, no rounding: a count of tokens times a price in pico-USD.

Every bucket's tokens are charged at the bucket's price; audio, image and reasoning tokens that have a price of their own at that, the
rest of their bucket at the bucket's. A price tier is decided by the input of one request. Where only a sum over many requests is
known, each is taken to have the average size; where even their number is unknown, the lowest tier is taken. Both are flagged, unless
the sum itself is below the threshold, when no single request can be above it.
"""

from __future__ import annotations

from carbonledger.domains.pricing.types import Cost, Factors, Flag, PriceKind, PriceTier, Rate
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import RequestSize, TokenBuckets, Usage

_TOKENS_UNKNOWN = Flag.TOKENS_UNKNOWN.bit
_RATE_MISSING = Flag.RATE_MISSING.bit
_PARTS_UNKNOWN = Flag.PARTS_UNKNOWN.bit
_REQUESTS_UNKNOWN = Flag.REQUESTS_UNKNOWN.bit
_TIER_AVERAGED = Flag.TIER_AVERAGED.bit
_DISPUTED = Flag.DISPUTED.bit


def cost(rate: Rate, usage: Usage, *, version: str, size: RequestSize | None = None, reported: Money | None = None) -> Cost:
    """Return what ``usage`` costs at ``rate``. ``size``: how large the input of each request was, where the source told.

    Runs for every event that is ingested: what is rare is left to the functions below, behind one comparison each.
    """
    tokens, requests = usage.tokens, usage.requests
    if not rate.tiers:
        return Cost(None, rate, None, tokens, requests, rate.bits, version, reported)
    bits, tier = rate.bits, rate.tiers[0]
    uncached, output = tokens.uncached_input, tokens.output
    if uncached is None or output is None or not rate.is_whole:
        missing = _missing(tier, tokens)
        if missing:
            return Cost(None, rate, tier, tokens, requests, bits | missing, version, reported)
        uncached, output = uncached or 0, output or 0
    cached, creation, hour = tokens.cached_input, tokens.cache_creation_5m, tokens.cache_creation_1h
    if rate.threshold is not None and uncached + (cached or 0) + (creation or 0) + (hour or 0) > rate.threshold:
        tier, more = _tier(rate, usage, size)
        bits |= more
    charged = tier.charged
    amount = uncached * charged[0] + output * charged[4]
    if not cached == creation == hour == 0:
        amount += (cached or 0) * charged[1] + (creation or 0) * charged[2] + (hour or 0) * charged[3]
        bits |= _cache_bits(rate, cached, creation, hour)
    if tier.apart:
        extra, more = _apart(tier, tokens)
        amount += extra
        bits |= more
    if rate.has_fee:
        amount += (requests or 0) * (tier.price(PriceKind.REQUEST) or 0)
        bits |= _REQUESTS_UNKNOWN if requests is None else 0
    return Cost(amount, rate, tier, tokens, requests, bits, version, reported)


def factors(cost: Cost) -> Factors | None:
    """Return what the amount of a cost is made of, None where there is none; an unknown count adds nothing.

    The same factors hold, and the same flags, for all usage at the same rate whose counts are unknown, zero and above zero where this
    one's are, whose input is between the same two of the rate's ``edges``, and which has as many requests: at most 1, or, of usage
    below every edge, any number. Only parts that are reasoning are taken into account; usage that tells audio or images has other ones.
    """
    tier = cost.tier
    if cost.amount_pico is None or tier is None:
        return None
    reasoning = sum(difference for part, _, difference in tier.apart if part == PriceKind.REASONING.value)
    fee = (cost.requests or 0) * (tier.price(PriceKind.REQUEST) or 0) if cost.rate.has_fee else 0
    uncached, cached, creation, hour, output = tier.charged
    return Factors(uncached, cached, creation, hour, output, reasoning, fee)


def _missing(tier: PriceTier, tokens: TokenBuckets) -> int:
    """Return the flags of what makes the cost unknown. Output that has no price (of an embedding) is nothing that has to be known."""
    output_price = tier.price(PriceKind.OUTPUT)
    bits = 0
    if tokens.uncached_input is None or (tokens.output is None and output_price is not None):
        bits |= _TOKENS_UNKNOWN
    if tier.price(PriceKind.UNCACHED_INPUT) is None and tokens.total_input:
        bits |= _RATE_MISSING
    if output_price is None and tokens.output:
        bits |= _RATE_MISSING
    return bits


def _cache_bits(rate: Rate, cached: int | None, creation: int | None, hour: int | None) -> int:
    bits = 0
    for place, count in ((1, cached), (2, creation), (3, hour)):
        if count:
            bits |= rate.substitute_bits[place]
        elif count is None:
            bits |= rate.split_bits[place]
    return bits


def _apart(tier: PriceTier, tokens: TokenBuckets) -> tuple[int, int]:
    """Return by how much the parts that have their own price change the amount, as they are in their bucket's already, and a flag."""
    amount = bits = 0
    for part, bucket, difference in tier.apart:
        count = getattr(tokens, part)
        if count:
            amount += count * difference
        elif count is None and getattr(tokens, bucket):
            bits |= _PARTS_UNKNOWN
    return amount, bits


def _tier(rate: Rate, usage: Usage, size: RequestSize | None) -> tuple[PriceTier, int]:
    """Return the price tier of the usage's requests, and flags: it was assumed, or the size of a request is what is disputed."""
    total = usage.tokens.total_input or 0
    requests = usage.requests
    least, most = (total, total) if requests == 1 else (size.above + 1, size.up_to) if size else (0, total)
    most = total if most is None else min(most, total)
    bits = _DISPUTED if rate.disputed_above is not None and most > rate.disputed_above else 0
    lowest, highest = _tier_of(rate, least), _tier_of(rate, most)
    if lowest is highest:
        return lowest, bits
    if not requests:
        return lowest, bits | _REQUESTS_UNKNOWN
    average = next(tier for tier in reversed(rate.tiers) if total > tier.above_tokens * requests or not tier.above_tokens)
    bounded = min(max(average.above_tokens, lowest.above_tokens), highest.above_tokens)
    return _tier_of(rate, bounded + 1), bits | _TIER_AVERAGED


def _tier_of(rate: Rate, input_tokens: int) -> PriceTier:
    return next(tier for tier in reversed(rate.tiers) if input_tokens > tier.above_tokens or not tier.above_tokens)
