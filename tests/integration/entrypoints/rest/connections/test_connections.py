"""Connections over HTTP: what callers see, what they are refused and why, and who may do it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx2
import pytest

from carbonledger.domains.connections import service
from tests import standins
from tests.integration.entrypoints.rest.identity.conftest import Installation
from tests.integration.entrypoints.worker.conftest import Bench

PATH = "/v1/connections"


def body(provider: str = "openai", **more: Any) -> dict[str, Any]:
    return {"provider": provider, "label": "Production", "api_key": standins.KEYS[provider], **more}


async def connect(client: httpx2.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json=body(**more))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{PATH}/{made['id']}"
    return made


async def poll(ledger: Installation, organization: dict[str, Any], connection: dict[str, Any]) -> None:
    """Read a connection once more, as at its next hour."""
    bench = Bench(services=ledger.services, organization_id=UUID(organization["id"]))
    await bench.ask(service.POLL_JOB, connection_id=connection["id"])
    await ledger.run_jobs()


async def rows(ledger: Installation, organization: dict[str, Any], query: str) -> list[dict[str, Any]]:
    async with ledger.services.database.transaction(UUID(organization["id"])) as uow:
        return [dict(row) for row in await uow.conn.fetch(query)]


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_an_account_is_connected_and_its_past_is_read(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    made = await connect(client, provider="anthropic")
    assert (made["state"], made["key_hint"], made["last_polled_at"], made["lag_s"]) == ("reading_back", "opic", None, None)
    [default] = (await client.get("/v1/projects")).json()["data"]
    assert made["project_id"] == default["id"]
    await ledger.run_jobs()
    job = (await client.get(made["status_url"])).json()
    assert (job["state"], job["progress"]["words"]) == ("succeeded", "61 of 61 days")
    shown = (await client.get(f"{PATH}/{made['id']}")).json()
    assert (shown["state"], shown["failures"], shown["last_error"]) == ("active", 0, None)
    assert shown["last_polled_at"] is not None
    assert shown["lag_s"] < 60
    assert shown["next_poll_at"] > shown["last_polled_at"]
    assert {stream["stream"] for stream in shown["streams"] if stream["read_to"]} == {"messages", "costs"}
    assert (await client.get(PATH)).json()["data"] == [{**shown, "lag_s": (await client.get(PATH)).json()["data"][0]["lag_s"]}]
    ready = (await ledger.client().get("/health/ready")).json()["parts"]["polls"]["numbers"]
    assert (ready["connections"], ready["last_poll_age_s"] < 60) == (1, True)


@pytest.mark.parametrize(
    "provider, key, code, word",
    [
        ("openai", "sk-proj-demo-openai", "provider_key_insufficient", "sk-admin-"),
        ("openai", "sk-admin-demo-openai-revoked", "provider_key_refused", "OpenAI does not know it"),
        ("anthropic", "sk-ant-api-demo-anthropic", "provider_key_insufficient", "sk-ant-admin"),
        ("openrouter", "sk-or-v1-demo-inference", "provider_key_insufficient", "management key"),
        ("openrouter", "sk-or-v1-nobody-knows-this", "provider_key_refused", "does not know it"),
    ],
)
async def test_a_key_that_may_not_read_usage_is_refused_with_the_reason(
    ledger: Installation, provider: str, key: str, code: str, word: str
) -> None:
    organization, client = await ledger.open_organization()
    answer = await client.post(PATH, json=body(provider, api_key=key))
    assert code_of(answer) == (422, "connection_key_unusable")
    [problem] = answer.json()["errors"]
    assert (problem["pointer"], problem["code"]) == ("/api_key", code)
    assert word in problem["detail"]
    assert key not in answer.text
    assert await rows(ledger, organization, "SELECT FROM connections UNION ALL SELECT FROM secrets") == []


async def test_what_is_wrong_by_itself_is_told_before_anybody_is_asked(ledger: Installation, world: standins.StandIns) -> None:
    _, client = await ledger.open_organization()
    asked = world.asked("openai")
    answer = await client.post(PATH, json=body(label=" ", api_key="with a blank"))
    assert {problem["pointer"] for problem in answer.json()["errors"]} == {"/label", "/api_key"}
    answer = await client.post(PATH, json=body() | {"provider": "acme"})
    assert code_of(answer) == (422, "provider_unknown")
    assert [problem["pointer"] for problem in answer.json()["errors"]] == ["/provider"]
    assert world.asked("openai") == asked


async def test_a_provider_that_is_away_is_503_and_nothing_is_kept(ledger: Installation, world: standins.StandIns) -> None:
    organization, client = await ledger.open_organization()
    world.spoil("openai", "html")
    assert code_of(await client.post(PATH, json=body())) == (503, "provider_answer_unreadable")
    assert await rows(ledger, organization, "SELECT FROM connections UNION ALL SELECT FROM secrets") == []


async def test_a_repeated_idempotency_key_gets_the_first_answer_and_the_provider_is_not_asked_again(
    ledger: Installation, world: standins.StandIns
) -> None:
    organization, client = await ledger.open_organization()
    key = {"idempotency-key": "connect-1"}
    first = await client.post(PATH, json=body(), headers=key)
    asked = world.asked("openai")
    world.spoil("openai", "html")
    again = await client.post(PATH, json=body(), headers=key)
    assert (again.status_code, again.headers["idempotent-replayed"], again.json()) == (201, "true", first.json())
    assert world.asked("openai") == asked
    assert code_of(await client.post(PATH, json=body(label="Other"), headers=key)) == (409, "idempotency_key_reused")
    assert len(await rows(ledger, organization, "SELECT FROM connections")) == 1


async def test_the_same_key_is_connected_once(ledger: Installation) -> None:
    organization, client = await ledger.open_organization()
    made = await connect(client)
    assert code_of(await client.post(PATH, json=body(label="Again"))) == (409, "connection_duplicate")
    assert len(await rows(ledger, organization, "SELECT FROM secrets")) == 1
    _, other = await ledger.open_organization(name="Other")
    await connect(other)
    assert (await client.delete(f"{PATH}/{made['id']}")).status_code == 204
    await connect(client)


async def test_it_is_read_on_request_once_in_five_minutes(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    made = await connect(client, provider="anthropic")
    running = await client.post(f"{PATH}/{made['id']}/sync")
    assert (running.status_code, running.json()["job_id"]) == (202, made["job_id"])
    refused = await client.post(f"{PATH}/{made['id']}/sync")
    assert code_of(refused) == (429, "sync_too_soon")
    assert 60 <= int(refused.headers["retry-after"]) <= 300


async def test_a_revoked_key_is_an_error_then_stops_and_a_new_key_goes_on(ledger: Installation, world: standins.StandIns) -> None:
    organization, client = await ledger.open_organization()
    made = await connect(client, provider="anthropic")
    await ledger.run_jobs()
    path = f"{PATH}/{made['id']}"
    key = standins.KEYS["anthropic"]
    world.state.keys[key].revoked = True
    await poll(ledger, organization, made)
    shown = (await client.get(path)).json()
    assert (shown["state"], shown["failures"], shown["last_error"]["code"]) == ("error", 1, "provider_key_refused")
    assert "Anthropic does not know it, or no longer." in shown["last_error"]["words"]
    for _ in range(4):
        await poll(ledger, organization, made)
    shown = (await client.get(path)).json()
    assert (shown["state"], shown["failures"], shown["next_poll_at"]) == ("stopped", 5, None)
    asked = world.asked("anthropic")
    await poll(ledger, organization, made)
    assert world.asked("anthropic") == asked
    assert code_of(await client.post(f"{path}/sync")) == (409, "connection_stopped")
    told = [(alert["action"], alert["severity"]) for alert in (await client.get("/v1/notifications")).json()["data"]]
    assert told == [("connection.stopped", "critical"), ("connection.failed", "warning")]

    assert code_of(await client.put(f"{path}/key", json={"api_key": "sk-ant-api-demo-anthropic"})) == (422, "connection_key_unusable")
    new = standins.new_key("anthropic")
    world.state.keys[new].revoked = False
    rekeyed = (await client.put(f"{path}/key", json={"api_key": new})).json()
    assert (rekeyed["state"], rekeyed["failures"], rekeyed["last_error"], rekeyed["key_hint"]) == ("reading_back", 0, None, new[-4:])
    await ledger.run_jobs()
    assert (await client.get(path)).json()["state"] == "active"
    assert len(await rows(ledger, organization, "SELECT FROM secrets")) == 1


async def test_it_is_booked_elsewhere_from_now_on_and_history_stays(ledger: Installation, world: standins.StandIns) -> None:
    organization, client = await ledger.open_organization()
    made = await connect(client, provider="anthropic")
    await ledger.run_jobs()
    booked = "SELECT s.project_id::text, count(*) FROM telemetry_events e JOIN telemetry_series s ON s.id = e.series_id GROUP BY 1"
    before = await rows(ledger, organization, booked)
    assert [row["project_id"] for row in before] == [made["project_id"]]
    other = (await client.post("/v1/projects", json={"name": "Other"})).json()
    path = f"{PATH}/{made['id']}/project"
    moved = await client.put(path, json={"project_id": other["id"]})
    assert (moved.status_code, moved.json()["project_id"]) == (200, other["id"])
    assert code_of(await client.put(path, json={"project_id": other["id"]})) == (409, "workload_there_already")
    [closed] = (await client.get(f"/v1/projects/{made['project_id']}/workloads")).json()["data"]
    [opened] = (await client.get(f"/v1/projects/{other['id']}/workloads")).json()["data"]
    assert (closed["state"], opened["state"], opened["name"]) == ("inactive", "active", "Production")
    world.set_clock(standins.NOON.replace(hour=20))
    await poll(ledger, organization, made)
    after = {row["project_id"]: row["count"] for row in await rows(ledger, organization, booked)}
    assert after[made["project_id"]] == before[0]["count"]
    assert after[other["id"]] > 0


async def test_a_deleted_connection_leaves_its_history_and_no_key(ledger: Installation) -> None:
    organization, client = await ledger.open_organization()
    made = await connect(client, provider="anthropic")
    await ledger.run_jobs()
    used = await rows(ledger, organization, "SELECT FROM telemetry_events")
    path = f"{PATH}/{made['id']}"
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 204
    shown = (await client.get(path)).json()
    assert (shown["state"], shown["next_poll_at"], shown["deleted_at"] is None) == ("deleted", None, False)
    assert (await client.get(PATH)).json()["data"] == []
    assert code_of(await client.post(f"{path}/sync")) == (404, "connection_not_found")
    assert code_of(await client.put(f"{path}/key", json={"api_key": standins.new_key("anthropic")})) == (404, "connection_not_found")
    assert await rows(ledger, organization, "SELECT FROM secrets") == []
    [workload] = (await client.get(f"/v1/projects/{made['project_id']}/workloads")).json()["data"]
    assert workload["state"] == "inactive"
    assert len(await rows(ledger, organization, "SELECT FROM telemetry_events")) == len(used) > 0


async def test_every_role_sees_connections_and_owners_and_admins_keep_them(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    made = await connect(client)
    for role, status in (("viewer", 403), ("billing", 403), ("admin", 202), ("owner", 429)):
        browser = await ledger.join(client, f"{role}@example.com", role=role)
        assert (await browser.send("GET", f"{PATH}/{made['id']}")).status_code == 200
        assert (await browser.send("POST", f"{PATH}/{made['id']}/sync")).status_code == status, role
