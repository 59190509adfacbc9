"""How a cost came about, step by step, for a person who wants to follow it.

Owns the words. Every number in them is one that the cost holds; nothing is computed anew but the average size of a request.
"""

from __future__ import annotations

from collections.abc import Iterator

from carbonledger.domains.pricing.types import Cost, CostPart, Flag, PriceKind, Rate, Step
from carbonledger.kernel import decimals, instant, money

SAID = {
    Flag.PROVIDER_UNKNOWN: "The price book does not have this provider, so there is no cost.",
    Flag.MODEL_UNKNOWN: "The price book does not have this model, so there is no cost.",
    Flag.PRICE_UNKNOWN: "The price book has no price by token for this model at that time, so there is no cost.",
    Flag.RATE_MISSING: "There are tokens of a kind that has no price, so there is no cost.",
    Flag.TOKENS_UNKNOWN: "A count of tokens that the price needs is unknown, so there is no cost.",
    Flag.CACHE_SPLIT_UNKNOWN: "Cached tokens were not told apart: any that there are were charged as uncached input.",
    Flag.PARTS_UNKNOWN: "Sound, images or reasoning have a price of their own and were not told apart: charged as the rest.",
    Flag.CACHED_RATE_MISSING: "Cached input has no price of its own: charged as uncached input.",
    Flag.CACHE_CREATION_RATE_MISSING: "Cache creation has no price of its own: charged as 5-minute creation, or else as uncached input.",
    Flag.TIER_AVERAGED: "Many requests are known only as a sum: the price tier is that of a request of the average size.",
    Flag.REQUESTS_UNKNOWN: "The number of requests is unknown: the lowest price tier was taken, and no fee per request.",
    Flag.BATCH_RATE_ASSUMED: "There is no batch price of this model at that time: the provider's general discount was taken.",
    Flag.BATCH_RATE_MISSING: "There is no batch price of this model at that time: the standard price was taken.",
    Flag.SERVICE_TIER_RATE_MISSING: "There is no price of this service tier at that time: the standard price was taken.",
    Flag.OTHER_CHARGES: "The provider also bills what is not counted in tokens; that is not in this cost.",
    Flag.MAKER_PRICE: "There is no price of the provider that served it: the price of the model's maker was taken.",
    Flag.DISPUTED: "Public sources disagree on this price; the reason for the one taken stands with its entry.",
}


def explain(cost: Cost) -> tuple[Step, ...]:
    """Return the steps: the rate and where it comes from, its tier, each product, the sum, what must be said, the provider's figure."""
    return tuple(_steps(cost))


def _steps(cost: Cost) -> Iterator[Step]:
    rate = cost.rate
    for place, origin in enumerate(rate.origins):
        yield Step(f"{_named(rate, cost.version) if place == 0 else 'Over it'}: {origin.rule}.", origin.links)
        if origin.reason:
            yield Step(origin.reason)
    if cost.tier is not None and len(rate.tiers) > 1:
        yield Step(_tier_said(cost))
    for part in cost.parts:
        yield Step(_product(part))
    if cost.amount is not None:
        yield Step(f"In sum {decimals.to_api_decimal(cost.amount)} USD, unrounded.")
    for flag in cost.flags:
        yield Step(SAID[flag])
    if cost.reported is not None:
        yield Step(_reported_said(cost, cost.reported))


def _named(rate: Rate, version: str) -> str:
    since = f" from {instant.to_api_instant(rate.starts_at)}" if rate.starts_at else ""
    until = f" until {instant.to_api_instant(rate.ends_at)}" if rate.ends_at else ""
    hours = ", at these hours" if rate.is_daily else ""
    region = f" in region {rate.region}" if rate.region else ""
    return f"Price book {version}, {rate.provider}/{rate.model}, {rate.service} service{region}{since}{until}{hours}"


def _tier_said(cost: Cost) -> str:
    above = cost.tier.above_tokens if cost.tier else 0
    which = f"more than {above}" if above else f"at most {cost.rate.tiers[1].above_tokens}"
    said = f"Price tier of requests with {which} input tokens"
    return f"{said}: {cost.tokens.total_input} in {cost.requests} requests." if (cost.requests or 0) > 1 else f"{said}."


def _product(part: CostPart) -> str:
    kind = "requests" if part.kind is PriceKind.REQUEST else f"tokens of {part.kind.value}"
    price = decimals.to_api_decimal(part.unit_price)
    return f"{part.count} {kind} at {price} USD each: {decimals.to_api_decimal(part.amount)} USD."


def _reported_said(cost: Cost, reported: money.Money) -> str:
    said = f"The provider reports {money.to_api_amount(reported)} {reported.currency}."
    if cost.money is None or reported.currency != cost.money.currency:
        return said
    return f"{said} Ours less that: {decimals.to_api_decimal((cost.money - reported).amount)} USD."
