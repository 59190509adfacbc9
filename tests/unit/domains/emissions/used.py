"""Usage as tests write it: provider, model and tokens; everything told unless a test says otherwise."""

from __future__ import annotations

from datetime import UTC, datetime

from carbonledger.kernel.usage import TokenBuckets, Usage

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
TOLD = {"uncached_input": 0, "cached_input": 0, "cache_creation_5m": 0, "cache_creation_1h": 0, "output": 0}


def used(
    model: str = "gpt-4o",
    *,
    provider: str = "openai",
    requests: int | None = 1,
    region: str | None = None,
    batch: bool = False,
    **tokens: int | None,
) -> Usage:
    """Return usage with zero tokens but for those given; a count of None is unknown."""
    return Usage(
        provider=provider,
        model=model,
        occurred_at=AT,
        tokens=TokenBuckets(**{**TOLD, **tokens}),
        requests=requests,
        batch=batch,
        region=region,
    )
