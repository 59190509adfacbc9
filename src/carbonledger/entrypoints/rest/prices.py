"""The price book: what providers charge at an instant, with the dates, tiers and sources of each price."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, Field

from carbonledger.domains.pricing import service
from carbonledger.domains.pricing import types as price_types
from carbonledger.entrypoints.rest import quantities, routing, shapes
from carbonledger.entrypoints.rest.estimates import FIRST, LAST
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import decimals, page, usage

router = routing.Router(prefix="/v1/prices", tag="Cost and carbon")

_PER_MILLION = 6


class PriceTierOut(shapes.Out):
    """Prices of a request whose input is above so many tokens."""

    above_input_tokens: int = Field(description="0: the lowest tier. At the threshold a request is still in the tier below.")
    per_million_tokens: dict[str, str] = Field(
        description="By kind of token, those that have a price; another costs as the methodology says. Divide by 1,000,000 for one token."
    )
    per_request: str | None = Field(pattern=quantities.DECIMAL, description="The fee of a call, where there is one.")


class PriceOut(shapes.Out):
    """What one model costs at one service of its provider, in the currency named."""

    provider: str
    model: str = Field(description="The book's name of the model; others may mean the same one.")
    service: str = Field(description="`standard`, `batch`, or a service tier such as `flex` or `priority`.")
    currency: str = Field(max_length=3)
    valid_from: datetime | None = Field(description="Null: since ever.")
    valid_until: datetime | None = Field(description="The instant at which another price begins; null: none is known.")
    at_certain_hours: bool = Field(description="It holds at certain hours or on certain days only.")
    tiers: list[PriceTierOut] = Field(description="Lowest first. The input of one request decides.")
    flags: list[str] = Field(description="What has to be said about every cost at this price.")
    rules: list[str] = Field(description="Names of the entries of the book that the price was made of.")
    reasons: list[str] = Field(description="Why, where we decided.")
    links: list[str] = Field(description="What was published.")
    price_version: str = Field(description="Version of the price book.")


_EXAMPLE = {
    "provider": "openai",
    "model": "gpt-4o",
    "service": "standard",
    "currency": "USD",
    "valid_from": None,
    "valid_until": None,
    "at_certain_hours": False,
    "tiers": [
        {
            "above_input_tokens": 0,
            "per_million_tokens": {"uncached_input": "2.5", "cached_input": "1.25", "output": "10"},
            "per_request": None,
        }
    ],
    "flags": [],
    "rules": ["openai/gpt-4o"],
    "reasons": [],
    "links": ["https://developers.openai.com/api/docs/pricing"],
    "price_version": "2026-11-21-35dc9ae5b5ea",
}


@router.get(
    "",
    access=access.scope("prices:read"),
    summary="List prices",
    operation_id="listPrices",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None}, "parameters": {"provider": "openai", "model": "gpt-4o"}},
    errors=(page.CursorUnreadable,),
    transaction=False,
)
async def list_prices(
    call: routing.CallDep,
    *,
    provider: Annotated[str | None, Query(min_length=1, max_length=64, description="Only what it serves; any of its names.")] = None,
    model: Annotated[str | None, Query(min_length=1, max_length=usage.MODEL_CHARS_MAX, description="A model by any of its names.")] = None,
    at: Annotated[AwareDatetime | None, Query(ge=FIRST, lt=LAST, description="The prices of that instant; else those of now.")] = None,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[PriceOut]:
    """List the prices in force at an instant, by provider, model and service. What the book does not have is not in the list."""
    asked = call.page(limit=limit, cursor=cursor, parts=3)
    after = None if asked.after is None else (asked.after[0], asked.after[1], asked.after[2])
    found = service.prices(provider=provider, model=model, at=at or call.now, after=after)
    shown = page.cut(list(itertools.islice(found, limit + 1)), limit=limit, key=lambda one: one.key)
    version = service.book().version
    return shapes.ListOut[PriceOut](data=[to_api_price(one, version) for one in shown.data], next_cursor=shown.next_cursor)


def to_api_price(listed: price_types.Listed, version: str) -> PriceOut:
    """Return a rate as callers see it."""
    rate = listed.rate
    return PriceOut(
        provider=listed.provider,
        model=rate.model,
        service=rate.service,
        currency=price_types.USD.code,
        valid_from=rate.starts_at,
        valid_until=rate.ends_at,
        at_certain_hours=rate.is_daily,
        tiers=[_tier(tier) for tier in rate.tiers],
        flags=[flag.value for flag in rate.flags],
        rules=list(rate.rules),
        reasons=[origin.reason for origin in rate.origins if origin.reason],
        links=list(dict.fromkeys(link for origin in rate.origins for link in origin.links)),
        price_version=version,
    )


def _tier(tier: price_types.PriceTier) -> PriceTierOut:
    kinds = [kind for kind in price_types.PriceKind if kind is not price_types.PriceKind.REQUEST]
    fee = tier.price(price_types.PriceKind.REQUEST)
    return PriceTierOut(
        above_input_tokens=tier.above_tokens,
        per_million_tokens={kind.value: _per_million(price) for kind in kinds if (price := tier.price(kind)) is not None},
        per_request=None if fee is None else decimals.to_api_decimal(price_types.dollars(fee)),
    )


def _per_million(pico: int) -> str:
    return decimals.to_api_decimal(decimals.shifted(price_types.dollars(pico), _PER_MILLION))
