"""Mooncake's trace as events: how much of each prompt a shared prefix cache would have served, by the rule of the trace's own description.

Of a request, ``hash_ids`` name its prompt's blocks of 512 tokens; the leading blocks that an earlier request had are cached. With one
shared cache and no eviction that is 25,555,226 of 73,604,194 input tokens. Imports nothing of ours.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

BLOCK_TOKENS = 512
START = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


def rows(packed: Path) -> Iterator[dict[str, Any]]:
    """Yield the trace's rows from the packed file."""
    with lzma.open(packed, "rt", encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)


def events(trace: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield an API item for each row."""
    seen: set[int] = set()
    for number, row in enumerate(trace, start=1):
        leading = 0
        while leading < len(row["hash_ids"]) and row["hash_ids"][leading] in seen:
            leading += 1
        seen.update(row["hash_ids"])
        cached = min(BLOCK_TOKENS * leading, row["input_length"])
        yield {
            "idempotency_key": f"mooncake-{number}",
            "occurred_at": (START + timedelta(milliseconds=row["timestamp"])).isoformat(),
            "provider": "moonshotai",
            "model": "kimi-k2.6",
            "operation": "chat",
            "tokens": {
                "uncached_input": row["input_length"] - cached,
                "cached_input": cached,
                "cache_creation_5m": 0,
                "cache_creation_1h": 0,
                "output": row["output_length"],
            },
        }
