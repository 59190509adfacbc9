"""Usage to estimate, as events of the ledger bring it."""

from __future__ import annotations

from datetime import UTC, datetime

from carbonledger.kernel.usage import TokenBuckets, Usage


def usage(
    model: str = "gpt-4o",
    *,
    provider: str = "openai",
    region: str | None = None,
    uncached: int = 1000,
    cached: int = 0,
    output: int = 500,
    requests: int | None = 1,
    batch: bool = False,
) -> Usage:
    tokens = TokenBuckets(uncached_input=uncached, cached_input=cached, cache_creation_5m=0, cache_creation_1h=0, output=output)
    return Usage(
        provider=provider,
        model=model,
        occurred_at=datetime(2026, 11, 20, tzinfo=UTC),
        tokens=tokens,
        requests=requests,
        batch=batch,
        region=region,
    )
