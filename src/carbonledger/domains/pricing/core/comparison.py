"""Where our price book and another one disagree.

Owns reading the form of LiteLLM's book (a JSON object by model: prices per token, with suffixes for size, batch and service tier) and
the comparison at one instant. It does not own fetching such a book, nor who is right: a settled disagreement is an override.

The other book states the present alone. Prices that it writes as binary fractions are rounded half up to 12 decimals, as ours have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from carbonledger.domains.pricing import types
from carbonledger.domains.pricing.core.book import PriceBook
from carbonledger.domains.pricing.types import Comparison, Disagreement, Flag, PriceKind, PriceTier, Rate
from carbonledger.kernel import decimals

MODELS_MAX = 50_000  # ten times what the largest public book has
_KINDS = {
    "input_cost_per_token": PriceKind.UNCACHED_INPUT,
    "cache_read_input_token_cost": PriceKind.CACHED_INPUT,
    "cache_creation_input_token_cost": PriceKind.CACHE_CREATION_5M,
    "cache_creation_input_token_cost_above_1hr": PriceKind.CACHE_CREATION_1H,
    "output_cost_per_token": PriceKind.OUTPUT,
    "output_cost_per_reasoning_token": PriceKind.REASONING,
    "input_cost_per_audio_token": PriceKind.AUDIO_INPUT,
    "input_cost_per_image_token": PriceKind.IMAGE_INPUT,
    "cache_read_input_audio_token_cost": PriceKind.CACHED_AUDIO_INPUT,
    "output_cost_per_audio_token": PriceKind.AUDIO_OUTPUT,
    "output_cost_per_image_token": PriceKind.IMAGE_OUTPUT,
}
_BUCKET = {kind: bucket for bucket, parts in types.PARTS.items() for kind in (bucket, *parts)}
_FIELD = re.compile(rf"({'|'.join(sorted(_KINDS, key=len, reverse=True))})(?:_above_([0-9]{{1,6}})k_tokens)?(?:_(batches|flex|priority))?")
_SERVICES = {None: types.STANDARD, "batches": types.BATCH, "flex": "flex", "priority": "priority"}
_WITHOUT_PRICE = Flag.BATCH_RATE_MISSING.bit | Flag.SERVICE_TIER_RATE_MISSING.bit
_EXAMPLE = "sample_spec"  # the other book explains its fields under this key
_PER_MILLION = 6


@dataclass(frozen=True, slots=True)
class OtherModel:
    """A model of the other book: prices in pico-USD per token, by service, then by (tier above so many tokens, kind)."""

    key: str
    provider: str
    name: str
    prices: Mapping[str, Mapping[tuple[int, PriceKind], int]]


def read_litellm(text: bytes) -> tuple[OtherModel, ...]:
    """Return the models that have a price by token. Raises ``OtherBookUnreadable``."""
    try:
        book = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except ValueError as error:
        raise types.OtherBookUnreadable("It is not JSON.") from error
    if not isinstance(book, dict) or len(book) > MODELS_MAX:
        raise types.OtherBookUnreadable(f"It has to be a JSON object of at most {MODELS_MAX} models.")
    models = (_model(key, row) for key, row in book.items() if isinstance(row, dict) and key != _EXAMPLE)
    return tuple(model for model in models if model.prices)


def compare(book: PriceBook, others: Sequence[OtherModel], *, at: datetime) -> Comparison:
    """Return where the books disagree at an instant: other prices, and prices that only one of them has for a model of both."""
    rows: list[Disagreement] = []
    agreed = 0
    only_theirs = []
    for other in others:
        provider = _provider(book, other.provider)
        if book.rate_at(provider=provider, model=other.name, at=at).bits & (Flag.PROVIDER_UNKNOWN.bit | Flag.MODEL_UNKNOWN.bit):
            only_theirs.append(other.key)
            continue
        for service, prices in other.prices.items():
            rate = book.rate_at(provider=provider, model=other.name, at=at, service_tier=service)
            found = list(_rows(provider, rate, prices, other.key))
            rows += (row for row in found if row.ours != row.theirs)
            agreed += sum(row.ours == row.theirs for row in found)
    rows.sort(key=lambda row: (row.provider, row.model, row.service, row.above_tokens, row.kind.value, row.key))
    return Comparison(rows=tuple(rows), agreed=agreed, only_theirs=tuple(sorted(only_theirs)))


def _model(key: str, row: Mapping[str, object]) -> OtherModel:
    provider = str(row.get("litellm_provider", ""))
    prices: dict[str, dict[tuple[int, PriceKind], int]] = {}
    for field, value in row.items():
        match = _FIELD.fullmatch(field)
        if match and isinstance(value, Decimal) and value >= 0:
            name, thousands, suffix = match.groups()
            prices.setdefault(_SERVICES[suffix], {})[int(thousands or 0) * 1000, _KINDS[name]] = _pico(value)
    return OtherModel(key, provider, key.removeprefix(f"{provider}/"), prices)


def _pico(value: Decimal) -> int:
    return int(decimals.shifted(decimals.rounded(value, places=types.PLACES, mode=decimals.Rounding.HALF_UP), types.PLACES))


def _provider(book: PriceBook, name: str) -> str:
    """Return a provider's name as ours: theirs may have a product's name behind it (vertex_ai-language-models)."""
    return name if book.models(name) else name.partition("-")[0]


def _rows(provider: str, rate: Rate, theirs: Mapping[tuple[int, PriceKind], int], key: str) -> Iterator[Disagreement]:
    """Yield a row for each price that either has, in each tier of either. What both give as nothing (none, and zero) is no row."""
    tiers = () if rate.bits & _WITHOUT_PRICE else rate.tiers
    for above in sorted({*(tier.above_tokens for tier in tiers), *(above for above, _ in theirs)}):
        tier = next((tier for tier in reversed(tiers) if tier.above_tokens <= above), None)
        for kind in _KINDS.values():
            their = _at(theirs, above, kind)
            our = _ours(tier, kind, their)
            if our or their:
                yield Disagreement(
                    provider=provider,
                    model=rate.model,
                    service=rate.service,
                    kind=kind,
                    above_tokens=above,
                    ours=_per_million(our),
                    theirs=_per_million(their),
                    rules=rate.rules,
                    key=key,
                )


def _ours(tier: PriceTier | None, kind: PriceKind, their: int | None) -> int | None:
    """Return our price, or theirs where we have none of this kind and would charge just that: reasoning as output, images as input."""
    if tier is None:
        return None
    price = tier.price(kind)
    charged = tier.charged[types.BUCKETS.index(_BUCKET[kind])]
    return their if price is None and their == charged else price


def _at(prices: Mapping[tuple[int, PriceKind], int], above: int, kind: PriceKind) -> int | None:
    """Return the price in a tier: its own, or that of the next lower one that has it."""
    edges = sorted((edge for edge, one in prices if one is kind and edge <= above), reverse=True)
    return prices[edges[0], kind] if edges else None


def _per_million(pico: int | None) -> Decimal | None:
    return None if pico is None else decimals.shifted(decimals.of(pico), -_PER_MILLION)
