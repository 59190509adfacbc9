"""Accounts over HTTP: what callers see, what they are refused and why, and who may do it."""

from __future__ import annotations

from typing import Any

import httpx2

from tests.integration.entrypoints.rest.identity.conftest import Installation, install, ledger
from tests.integration.entrypoints.rest.projects.test_projects import code_of, make

__all__ = ["install", "ledger"]  # fixtures

WHOLE: dict[str, Any] = {
    "external_id": "c-17",
    "name": "Initech GmbH",
    "email": "billing@initech.example",
    "currency": "EUR",
    "time_zone": "Europe/Berlin",
    "locale": "de",
    "address": {"line1": "Hauptstraße 1", "line2": None, "city": "Berlin", "postal_code": "10115", "region": None, "country": "DE"},
    "tax_ids": [{"kind": "eu_vat", "value": "DE123456789"}],
    "tax_treatment": "exempt",
    "payment_terms_days": 14,
    "metadata": {"segment": "enterprise"},
}


async def test_the_life_of_an_account(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    made = await make(client, "/v1/accounts", **WHOLE)
    assert {name: made[name] for name in WHOLE} == WHOLE
    path = f"/v1/accounts/{made['id']}"
    assert (await client.get(path)).json() == made
    assert (await client.patch(path, json={})).json() == made
    changed = (await client.patch(path, json={"email": None, "address": None, "locale": None, "metadata": {}})).json()
    assert (changed["email"], set(changed["address"].values()), changed["locale"], changed["metadata"]) == (None, {None}, "de", {})
    assert (await client.get("/v1/accounts", params={"external_id": "c-17"})).json()["data"] == [changed]
    assert (await client.get("/v1/accounts", params={"external_id": "c-1"})).json()["data"] == []
    assert code_of(await client.post("/v1/accounts", json={"name": "x", "external_id": "c-17"})) == (409, "account_external_id_taken")
    assert code_of(await client.post(f"{path}/erase")) == (409, "account_not_deleted")
    assert (await client.delete(path)).status_code == 204
    assert (await client.get("/v1/accounts")).json()["data"] == []
    assert [one["id"] for one in (await client.get("/v1/accounts", params={"deleted": "true"})).json()["data"]] == [made["id"]]
    assert code_of(await client.patch(path, json={"name": "Back"})) == (409, "account_deleted")
    assert (await client.post(f"{path}/erase")).json()["name"] == "Erased"


async def test_all_that_is_wrong_is_told_with_pointers(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    body = {"name": "", "email": "x", "currency": "EURO", "address": {"country": "Germany"}, "metadata": {"a/b": "\u0007"}}
    answer = await client.post("/v1/accounts", json=body)
    assert answer.status_code == 422
    assert {(one["pointer"], one["code"]) for one in answer.json()["errors"]} == {
        ("/name", "required"),
        ("/email", "email_invalid"),
        ("/currency", "currency_unknown"),
        ("/address/country", "country_unknown"),
        ("/metadata/a~1b", "characters"),
    }


async def test_what_cant_be_a_search_finds_nothing_or_is_refused(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    for search in ("\0", "%", "\\", "' OR 1=1 --"):
        answer: httpx2.Response = await client.get("/v1/accounts", params={"search": search})
        assert answer.status_code in {200, 422, 400}, answer.text
