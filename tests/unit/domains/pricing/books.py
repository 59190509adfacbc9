"""Price books for tests: the shipped one, and small ones written beside the assertion. Usage with everything that is not named at zero."""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime
from typing import Any

from carbonledger.domains.pricing import data
from carbonledger.domains.pricing.core import book
from carbonledger.domains.pricing.types import PARTS as PRICED_PARTS
from carbonledger.kernel.usage import BUCKETS, PARTS, TokenBuckets, Usage

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HEAD = {"format": 1, "as_of": "2026-11-21", "source": {"name": "made up"}}
NOTHING: dict[str, Any] = {"format": 1, "providers": {}, "services": {}, "models": [], "prices": [], "batches": [], "regions": []}


@functools.cache
def shipped() -> book.PriceBook:
    return book.load(data.prices(), data.overrides())


def prices(*rows: dict[str, Any]) -> bytes:
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode()


def small(*models: dict[str, Any], **ours: Any) -> book.PriceBook:
    """A book with one provider, "acme", that has these models."""
    return book.load(prices(HEAD, {"provider": "acme", "name": "Acme"}, *models), json.dumps(NOTHING | ours).encode())


def override(**row: Any) -> dict[str, Any]:
    return {"id": "ours", "provider": "acme", "models": ["m"], "reason": "why", "links": ["https://example.org/prices"]} | row


def tokens(**counts: int | None) -> TokenBuckets:
    """Counts that are not named are 0, but for parts of an unknown bucket."""
    of_unknown = [part.value for bucket, parts in PRICED_PARTS.items() for part in parts if counts.get(bucket.value, 0) is None]
    return TokenBuckets(**(dict.fromkeys((*BUCKETS, *PARTS), 0) | dict.fromkeys(of_unknown) | counts))


def usage(
    provider: str = "acme",
    model: str = "m",
    *,
    at: datetime = NOON,
    requests: int | None = 1,
    batch: bool = False,
    service_tier: str | None = None,
    region: str | None = None,
    **counts: int | None,
) -> Usage:
    return Usage(
        provider=provider,
        model=model,
        occurred_at=at,
        tokens=tokens(**counts),
        requests=requests,
        batch=batch,
        service_tier=service_tier,
        region=region,
    )
