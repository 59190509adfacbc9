"""The same request with the same Idempotency-Key has one effect and one answer, also when it comes at once or after a crash."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest

from carbonledger.infra import clock, db, idempotency, settings
from tests import conftest, until
from tests.integration.entrypoints.edge import kit
from tests.integration.entrypoints.worker import conftest as benches

KEY = {"idempotency-key": "6f1c2a52-8f0e-4b8e-9a0e-2f5f7b0c9d11"}


@pytest.fixture
def configuration(worker_database: conftest.TestDatabase, tmp_path: Path) -> settings.Settings:
    return kit.configure(worker_database, tmp_path)


@pytest.fixture
async def client(configuration: settings.Settings, organization_id: UUID) -> AsyncIterator[httpx2.AsyncClient]:
    async with kit.client(configuration, organization_id) as opened:
        yield opened


async def kept(database: conftest.TestDatabase, organization_id: UUID) -> list[asyncpg.Record]:
    conn = await asyncpg.connect(database.superuser)
    try:
        return await conn.fetch("SELECT * FROM idempotent_answers WHERE organization_id = $1", organization_id)
    finally:
        await conn.close()


async def test_the_same_request_again_gets_the_first_answer_and_has_no_second_effect(
    client: httpx2.AsyncClient, worker_database: conftest.TestDatabase, organization_id: UUID
) -> None:
    first, again = [await client.post("/v1/things", json={"name": "lamp"}, headers=KEY) for _ in range(2)]
    assert (again.status_code, again.json(), again.headers["location"]) == (201, first.json(), first.headers["location"])
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
    assert again.headers["content-type"] == "application/json"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert await kit.effects(worker_database, organization_id) == 1


async def test_without_a_key_each_request_has_its_effect(
    client: httpx2.AsyncClient, worker_database: conftest.TestDatabase, organization_id: UUID
) -> None:
    for _ in range(2):
        await client.post("/v1/things", json={"name": "lamp"})
    assert await kit.effects(worker_database, organization_id) == 2


async def test_an_answer_without_a_body_is_replayed_too(
    client: httpx2.AsyncClient, worker_database: conftest.TestDatabase, organization_id: UUID
) -> None:
    answers = [await client.post(f"/v1/things/{kit.ID}/touch", headers=KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert "content-type" not in answers[1].headers
    assert await kit.effects(worker_database, organization_id) == 1


async def test_a_key_stands_for_one_body(client: httpx2.AsyncClient, worker_database: conftest.TestDatabase, organization_id: UUID) -> None:
    await client.post("/v1/things", json={"name": "lamp"}, headers=KEY)
    other = await client.post("/v1/things", json={"name": "desk"}, headers=KEY)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert await kit.effects(worker_database, organization_id) == 1


async def test_a_key_belongs_to_its_path_and_its_organization(
    client: httpx2.AsyncClient, database: db.Database, organization_id: UUID
) -> None:
    other = await conftest.make_organization(database)
    first = await client.post("/v1/things", json={"name": "lamp"}, headers=KEY)
    elsewhere = await client.post(f"/v1/things/{kit.ID}/touch", headers=KEY)
    theirs = await client.post("/v1/things", json={"name": "lamp"}, headers={**KEY, "authorization": f"Bearer {other}"})
    assert elsewhere.status_code == 204
    assert theirs.json()["id"] != first.json()["id"]
    assert "idempotent-replayed" not in theirs.headers


async def test_a_token_that_may_less_is_not_given_what_another_of_the_same_subject_was_answered(
    client: httpx2.AsyncClient, worker_database: conftest.TestDatabase, organization_id: UUID
) -> None:
    for words, status in (("jwt", 201), ("jwt", 201), ("jwt:few", 409), ("few", 409)):
        answer = await client.post("/v1/things/secret", headers={**KEY, "authorization": f"Bearer {organization_id}:{words}"})
        assert answer.status_code == status
        if status == 409:
            assert answer.json()["code"] == "idempotency_key_reused"
            assert kit.SECRET not in answer.text
    assert await kit.effects(worker_database, organization_id) == 1


async def test_what_failed_may_be_sent_again(
    client: httpx2.AsyncClient, worker_database: conftest.TestDatabase, organization_id: UUID
) -> None:
    for _ in range(2):
        assert (await client.post("/v1/things", json={"name": "odd"}, headers=KEY)).json()["code"] == "thing_odd"
    assert await kept(worker_database, organization_id) == []
    assert (await client.post("/v1/things", json={"name": "lamp"}, headers=KEY)).status_code == 201


@pytest.mark.parametrize("key", ["", " ", "two words", "a" * 256, "kéy"])
async def test_a_key_is_1_to_255_visible_ascii_characters(client: httpx2.AsyncClient, key: str) -> None:
    answer = await client.post("/v1/things", json={"name": "lamp"}, headers=[(b"idempotency-key", key.encode())])
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_malformed")


async def test_a_secret_in_an_answer_is_kept_sealed_and_replayed_open(
    client: httpx2.AsyncClient, worker_database: conftest.TestDatabase, organization_id: UUID
) -> None:
    first, again = [await client.post("/v1/things/secret", headers=KEY) for _ in range(2)]
    assert again.json() == first.json() == {"id": str(kit.ID), "secret": kit.SECRET}
    [row] = await kept(worker_database, organization_id)
    assert row["body"] is None
    assert kit.SECRET not in str(dict(row))
    assert await kit.effects(worker_database, organization_id) == 1


async def test_an_answer_whose_sealing_key_is_gone_is_said_to_be_lost_and_nothing_is_done_twice(
    client: httpx2.AsyncClient, configuration: settings.Settings, worker_database: conftest.TestDatabase, organization_id: UUID
) -> None:
    await client.post("/v1/things/secret", headers=KEY)
    rekeyed = kit.configure(worker_database, configuration.home, vault_keys="b" * 43 + "=")
    async with kit.client(rekeyed, organization_id) as other:
        answer = await other.post("/v1/things/secret", headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotent_answer_lost")
    assert await kit.effects(worker_database, organization_id) == 1


async def test_twenty_at_once_have_one_effect(
    client: httpx2.AsyncClient, worker_database: conftest.TestDatabase, organization_id: UUID
) -> None:
    answers = await asyncio.gather(*(client.post("/v1/things", json={"name": "lamp"}, headers=KEY) for _ in range(20)))
    made = [answer for answer in answers if answer.status_code == 201]
    waiting = [answer for answer in answers if answer.status_code == 409]
    assert len(made) + len(waiting) == 20
    assert len({answer.json()["id"] for answer in made}) == 1
    assert all((answer.json()["code"], answer.headers["retry-after"]) == ("in_progress", "1") for answer in waiting)
    assert await kit.effects(worker_database, organization_id) == 1


async def test_while_the_first_runs_a_second_is_told_to_wait(
    client: httpx2.AsyncClient, database: db.Database, organization_id: UUID
) -> None:
    content = b'\n{"name":"lamp"}'
    key = KEY["idempotency-key"]
    asked = idempotency.request(organization_id, key=key, method="POST", path="/v1/things", asker=f"key {kit.ID}", content=content)
    async with database.transaction(organization_id) as uow:
        assert await idempotency.begin(uow, asked=asked, at=clock.now(), sealer=kit.sealer()) is None
        answer = await client.post("/v1/things", content=b'{"name":"lamp"}', headers={**KEY, "content-type": "application/json"})
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (409, "in_progress", "1")


async def test_after_a_day_a_key_is_new_again_and_what_was_kept_is_purged(
    client: httpx2.AsyncClient, database: db.Database, worker_database: conftest.TestDatabase, organization_id: UUID
) -> None:
    await client.post("/v1/things", json={"name": "lamp"}, headers=KEY)
    [row] = await kept(worker_database, organization_id)
    assert row["expires_at"] - row["created_at"] == timedelta(hours=24)
    asked = idempotency.Request(organization_id=organization_id, place=row["place"], digest=row["digest"])
    for moment, is_kept in ((row["expires_at"] - timedelta(microseconds=1), True), (row["expires_at"], False)):
        async with database.transaction(organization_id) as uow:
            found = await idempotency.begin(uow, asked=asked, at=moment, sealer=kit.sealer())
        assert (found is not None) is is_kept
    await idempotency.purge(database, at=row["expires_at"] - timedelta(microseconds=1))
    assert len(await kept(worker_database, organization_id)) == 1
    await idempotency.purge(database, at=row["expires_at"])
    assert await kept(worker_database, organization_id) == []


# --- crashes: a server in a process of its own, killed at a chosen instant


async def sent(port: int, organization_id: UUID, body: dict[str, Any]) -> httpx2.Response:
    headers = {**KEY, "authorization": f"Bearer {organization_id}"}
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=until.DEADLINE_S) as opened:
        return await opened.post("/v1/things", json=body, headers=headers)


@pytest.mark.parametrize("name, effects", [("die before commit", 0), ("die after commit", 1)])
async def test_a_server_killed_around_the_commit_leaves_effect_and_answer_or_neither(
    name: str, effects: int, worker_database: conftest.TestDatabase, organization_id: UUID, tmp_path: Path
) -> None:
    with kit.served(worker_database, tmp_path) as (port, child):
        with pytest.raises(httpx2.TransportError):
            await sent(port, organization_id, {"name": name})
        assert child.wait(until.DEADLINE_S) == 9
    assert await kit.effects(worker_database, organization_id) == effects
    assert len(await kept(worker_database, organization_id)) == effects


async def test_what_was_committed_before_a_crash_is_answered_after_it(
    client: httpx2.AsyncClient, worker_database: conftest.TestDatabase, organization_id: UUID, tmp_path: Path
) -> None:
    with kit.served(worker_database, tmp_path) as (port, _), pytest.raises(httpx2.TransportError):
        await sent(port, organization_id, {"name": "die after commit"})
    answer = await client.post("/v1/things", json={"name": "die after commit"}, headers=KEY)
    assert (answer.status_code, answer.headers["idempotent-replayed"]) == (201, "true")
    assert answer.json()["name"] == "die after commit"
    assert await kit.effects(worker_database, organization_id) == 1


async def has_effect(database: conftest.TestDatabase, organization_id: UUID) -> bool:
    return await kit.effects(database, organization_id) > 0


async def test_a_client_that_leaves_before_the_answer_finds_it_when_it_comes_back(
    client: httpx2.AsyncClient, worker_database: conftest.TestDatabase, organization_id: UUID, tmp_path: Path
) -> None:
    content = b'{"name":"lamp"}'
    head = (
        f"POST /v1/things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {organization_id}\r\nIdempotency-Key: {KEY['idempotency-key']}\r\n"
    )
    request = head.encode() + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(content) + content
    with kit.served(worker_database, tmp_path) as (port, _):
        with socket.create_connection(("127.0.0.1", port), timeout=until.DEADLINE_S) as gone:
            gone.sendall(request)
        await benches.eventually(lambda: has_effect(worker_database, organization_id))
    answer = await client.post("/v1/things", content=content, headers={**KEY, "content-type": "application/json"})
    assert answer.headers["idempotent-replayed"] == "true"
    assert await kit.effects(worker_database, organization_id) == 1
