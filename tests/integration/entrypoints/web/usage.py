"""Usage for pages to show: sent through the API, as anybody's would be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

HOSTILE = "<script>alert(1)</script>"


async def project(client: httpx2.AsyncClient, name: str) -> str:
    answer = await client.post("/v1/projects", json={"name": name})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def send(client: httpx2.AsyncClient, *events: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await client.post("/v1/telemetry/events", json={"events": list(events)})
    assert answer.status_code == 202, answer.text
    assert answer.json()["rejected"] == 0, answer.text
    return list(answer.json()["results"])


def event(key: str, *, days: float = 1, model: str = "gpt-4o", provider: str = "openai", **more: Any) -> dict[str, Any]:
    return {
        "idempotency_key": key,
        "occurred_at": (datetime.now(UTC) - timedelta(days=days)).isoformat(),
        "provider": provider,
        "model": model,
        "tokens": {"uncached_input": 120_000, "cached_input": 40_000, "cache_creation_5m": 0, "cache_creation_1h": 0, "output": 9_000},
        **more,
    }
