"""Prices over HTTP: rates with their dates, tiers and sources, at the instant asked for."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.integration.entrypoints.rest.identity.conftest import Installation, install, ledger

__all__ = ["install", "ledger"]  # fixtures


@pytest.fixture
async def client(ledger: Installation) -> httpx2.AsyncClient:
    _, client = await ledger.open_organization()
    return client


async def prices(client: httpx2.AsyncClient, **asked: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/prices", params=asked)
    assert answer.status_code == 200, answer.text
    shown: list[dict[str, Any]] = answer.json()["data"]
    return shown


async def test_a_price_has_its_rates_dates_and_sources(client: httpx2.AsyncClient) -> None:
    found = {price["service"]: price for price in await prices(client, provider="openai", model="gpt-4o", at="2026-11-25T00:00:00Z")}
    standard = found["standard"]
    assert standard["tiers"] == [
        {
            "above_input_tokens": 0,
            "per_million_tokens": {"uncached_input": "2.5", "cached_input": "1.25", "output": "10"},
            "per_request": None,
        }
    ]
    assert (standard["provider"], standard["model"], standard["currency"]) == ("openai", "gpt-4o", "USD")
    assert standard["links"][0].startswith("https://")
    assert found["batch"]["tiers"][0]["per_million_tokens"]["output"] == "5"
    assert found["batch"]["valid_from"] == "2026-10-14T00:00:00Z"


async def test_a_price_is_that_of_the_instant(client: httpx2.AsyncClient) -> None:
    (then,) = await prices(client, provider="deepseek", model="deepseek-chat", at="2025-09-20T00:00:00Z")
    assert then["tiers"][0]["per_million_tokens"] == {"uncached_input": "0.56", "cached_input": "0.07", "output": "1.68"}
    assert (then["valid_from"], then["valid_until"]) == ("2025-09-05T16:00:00Z", "2025-09-29T00:00:00Z")
    assert then["rules"] == ["override:deepseek-v3.1"]
    assert then["reasons"][0].startswith("DeepSeek set one price")


async def test_a_dispute_is_flagged_and_reasoned(client: httpx2.AsyncClient) -> None:
    found = await prices(client, provider="deepseek", model="deepseek-chat", at="2026-11-25T00:00:00Z")
    assert "disputed" in found[0]["flags"]


async def test_price_tiers_are_listed_lowest_first(client: httpx2.AsyncClient) -> None:
    found = await prices(client, provider="google", model="gemini-2.5-pro", at="2026-11-25T00:00:00Z")
    (standard,) = (one for one in found if one["service"] == "standard")
    assert [(tier["above_input_tokens"], tier["per_million_tokens"]["output"]) for tier in standard["tiers"]] == [
        (0, "10"),
        (200_000, "15"),
    ]


async def test_a_makers_price_is_listed_for_the_provider_that_serves_it(client: httpx2.AsyncClient) -> None:
    found = await prices(client, model="claude-sonnet-4-5")
    assert {"anthropic"} < {one["provider"] for one in found}


async def test_what_the_book_does_not_have_is_not_listed(client: httpx2.AsyncClient) -> None:
    assert await prices(client, provider="nobody") == []
    assert await prices(client, provider="openai", model="no-such-model") == []


async def test_pages_follow_each_other(client: httpx2.AsyncClient) -> None:
    whole = await prices(client, provider="anthropic", limit=200)
    first = (await client.get("/v1/prices", params={"provider": "anthropic", "limit": 5})).json()
    rest = (await client.get("/v1/prices", params={"provider": "anthropic", "limit": 200, "cursor": first["next_cursor"]})).json()
    assert first["data"] + rest["data"] == whole
    assert len(first["data"]) == 5


@pytest.mark.parametrize(
    "query, pointer",
    [
        ({"at": "yesterday"}, "/query/at"),
        ({"at": "1970-01-01T00:00:00Z"}, "/query/at"),
        ({"provider": ""}, "/query/provider"),
        ({"provder": "openai"}, "/query/provder"),
        ({"limit": "0"}, "/query/limit"),
    ],
)
async def test_a_wrong_question_is_refused(client: httpx2.AsyncClient, query: dict[str, str], pointer: str) -> None:
    answer = await client.get("/v1/prices", params=query)
    assert answer.status_code == 422, answer.text
    assert pointer in {problem["pointer"] for problem in answer.json()["errors"]}


async def test_every_role_reads_prices(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    viewer = await ledger.join(client, "viewer@example.org", role="viewer")
    assert (await viewer.send("GET", "/v1/prices?provider=openai&model=gpt-4o")).status_code == 200
