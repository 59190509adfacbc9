"""Previews over HTTP: the documented example, and hostile input told by its place. Amounts are in the golden table."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from carbonledger.entrypoints.rest import invoice_previews
from tests.integration.entrypoints.rest.identity.conftest import Installation, install, ledger

__all__ = ["install", "ledger"]  # fixtures

_STANDARD = {"charge_model": "standard", "quantity": "3", "unit_price": "1.5"}
_TIER = {"up_to": None, "unit_price": "1"}


@pytest.fixture
async def client(ledger: Installation) -> httpx2.AsyncClient:
    _, client = await ledger.open_organization()
    return client


async def test_the_documented_example_is_what_is_answered(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/invoices/preview", json=invoice_previews._REQUEST)
    assert (answer.status_code, answer.json()) == (200, invoice_previews._RESPONSE)


@pytest.mark.parametrize(
    "line, pointer",
    [
        ({**_STANDARD, "quantity": "1" * 40}, "/lines/1/quantity"),
        ({**_STANDARD, "quantity": "1e9"}, "/lines/1/quantity"),
        ({**_STANDARD, "quantity": "NaN"}, "/lines/1/quantity"),
        ({**_STANDARD, "quantity": "9" * 10_000}, "/lines/1/quantity"),
        ({**_STANDARD, "quantity": 1.5}, "/lines/1/quantity"),
        ({**_STANDARD, "quantity": "9" * 38}, "/lines/1"),
        ({"charge_model": "volume", "quantity": "1", "tiers": [_TIER] * 200}, "/lines/1/tiers"),
        ({"charge_model": "volume", "quantity": "1", "tiers": [_TIER, _TIER]}, "/lines/1/tiers/0/up_to"),
    ],
)
async def test_hostile_lines_are_refused_at_their_place(client: httpx2.AsyncClient, line: dict[str, Any], pointer: str) -> None:
    answer = await client.post("/v1/invoices/preview", json={"currency": "USD", "lines": [_STANDARD, line]})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_ten_thousand_tiers_are_refused_before_they_are_looked_at(client: httpx2.AsyncClient) -> None:
    line = {"charge_model": "graduated", "quantity": "1", "tiers": [_TIER] * 10_000}
    answer = await client.post("/v1/invoices/preview", json={"currency": "USD", "lines": [line]})
    assert (answer.status_code, answer.json()["code"]) == (400, "json_unreadable")


async def test_a_number_that_json_does_not_have_is_no_json(client: httpx2.AsyncClient) -> None:
    content = b'{"currency": "USD", "lines": [{"charge_model": "standard", "quantity": NaN, "unit_price": "1"}]}'
    answer = await client.post("/v1/invoices/preview", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


async def test_of_very_many_problems_a_hundred_are_told(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/invoices/preview", json={"currency": "USD", "lines": [{**_STANDARD, "quantity": "x"}] * 1000})
    told = answer.json()
    assert (answer.status_code, len(told["errors"]), told["errors_left_out"]) == (422, 100, 900)


async def test_a_key_without_the_scope_may_not_preview(ledger: Installation, client: httpx2.AsyncClient) -> None:
    made = (await client.post("/v1/api-keys", json={"label": "narrow", "scopes": ["prices:read"]})).json()
    answer = await client.post(
        "/v1/invoices/preview",
        json={"currency": "USD", "lines": [_STANDARD]},
        headers={"Authorization": f"Bearer {made['secret']}"},
    )
    assert answer.status_code == 403
