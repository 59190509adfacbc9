"""Two keys of one account over HTTP: whose account it is is shown, counted once, and never mixed with another."""

from __future__ import annotations

import httpx2
import pytest

from tests import standins
from tests.integration.entrypoints.rest.connections.test_connections import PATH, body, code_of, connect
from tests.integration.entrypoints.rest.identity.conftest import Installation

TELLING = ("openai", "anthropic")


@pytest.mark.parametrize("provider", TELLING)
async def test_a_second_key_of_an_account_is_refused_in_words(ledger: Installation, provider: str) -> None:
    _, client = await ledger.open_organization()
    made = await connect(client, provider=provider)
    assert made["account"]
    assert (await client.get(f"{PATH}/{made['id']}")).json()["account"] == made["account"]
    again = await client.post(PATH, json=body(provider, label="Again", api_key=standins.new_key(provider)))
    assert again.headers["content-type"] == "application/problem+json"
    assert code_of(again) == (409, "account_connected")
    told = again.json()
    assert told["title"] == "There is a connection with this account already."
    assert told["detail"] == (
        f"The connection “Production” reads the account of this key ({made['account']}) already. Two would count the same usage twice. "
        "Give that one the new key instead."
    )
    assert [one["id"] for one in (await client.get(PATH)).json()["data"]] == [made["id"]]
    rekeyed = await client.put(f"{PATH}/{made['id']}/key", json={"api_key": standins.new_key(provider)})
    assert (rekeyed.status_code, rekeyed.json()["account"]) == (200, made["account"])


async def test_another_account_is_connected_beside_it_and_another_organization_reads_the_same(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    made = await connect(client)
    beside = await connect(client, label="Beside", api_key=standins.new_account("openai"))
    assert beside["account"] != made["account"]
    _, other = await ledger.open_organization(name="Other")
    assert (await connect(other, api_key=standins.new_key("openai")))["account"] == made["account"]


@pytest.mark.parametrize("provider", TELLING)
async def test_a_new_key_of_another_account_is_refused_and_changes_nothing(ledger: Installation, provider: str) -> None:
    _, client = await ledger.open_organization()
    made = await connect(client, provider=provider)
    refused = await client.put(f"{PATH}/{made['id']}/key", json={"api_key": standins.new_account(provider)})
    assert code_of(refused) == (409, "account_differs")
    assert refused.json()["title"] == "The key is of another account than the connection."
    assert f"this connection reads {made['account']}" in refused.json()["detail"]
    assert await without_lag(client, made["id"]) == {
        name: value for name, value in made.items() if name not in {"job_id", "status_url", "lag_s"}
    }


async def without_lag(client: httpx2.AsyncClient, connection_id: str) -> dict[str, object]:
    shown: dict[str, object] = (await client.get(f"{PATH}/{connection_id}")).json()
    return {name: value for name, value in shown.items() if name != "lag_s"}


async def test_a_deleted_connection_frees_its_account(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    made = await connect(client)
    assert (await client.delete(f"{PATH}/{made['id']}")).status_code == 204
    assert (await connect(client, api_key=standins.new_key("openai")))["account"] == made["account"]


async def test_of_a_provider_that_does_not_tell_nothing_is_known_and_nothing_refused(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    made = await connect(client, provider="openrouter")
    assert made["account"] is None
    await connect(client, provider="openrouter", label="Again", api_key=standins.new_key("openrouter"))
