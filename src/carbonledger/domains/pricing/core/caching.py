"""What reading input from a cache saves: the price of uncached input less that of what was used in its place.

Owns the prices of one token at a rate, and the saving at them. Integers only, no rounding. It does not own when a rate holds.

Tokens read from a cache save the difference between uncached and cached input; tokens written to it cost the difference between their
own price and that of uncached input, which is taken off. A price that the book does not have is unknown, not the same as another:
then nothing is known of the tokens of that sum. Price tiers: the saving is of the tier that the size of the requests decides, where the
source groups by it; of the lowest tier elsewhere, so that sums of sums are the sum (an average would depend on how a period is cut).
"""

from __future__ import annotations

from carbonledger.domains.pricing.types import BUCKETS, CacheTokens, PriceTier, Rate, Saving, UnitPrices
from carbonledger.kernel.usage import RequestSize

_NOTHING = UnitPrices()


def unit_prices(rate: Rate, *, size: RequestSize | None = None) -> UnitPrices:
    """Return what one token of each bucket costs at a rate. ``size``: how large the input of each request was, where the source told."""
    if not rate.tiers:
        return _NOTHING
    tier = _tier(rate, 1 if size is None else size.above + 1)
    most = None if size is None else size.up_to
    is_certain = len(rate.tiers) == 1 or tier is (rate.tiers[-1] if most is None else _tier(rate, most))
    uncached, cached, five_minutes, hour, output = (tier.price(bucket) for bucket in BUCKETS)
    return UnitPrices(uncached, cached, five_minutes, hour, output, not is_certain)


def saving(prices: UnitPrices, tokens: CacheTokens) -> Saving:
    """Return what the cache saved of these tokens."""
    if not tokens.total:
        return Saving()
    plain = prices.uncached_input
    apart = [(price, count) for price, count in zip(prices[1:4], tokens, strict=True) if count]
    if plain is None or any(price is None for price, _ in apart):
        return Saving(not_covered=tokens.total)
    amount = sum((plain - price) * count for price, count in apart if price is not None)
    return Saving(amount, covered=tokens.total, lowest=tokens.total if prices.is_lowest else 0)


def _tier(rate: Rate, input_tokens: int) -> PriceTier:
    return next(tier for tier in reversed(rate.tiers) if input_tokens > tier.above_tokens or not tier.above_tokens)
