"""What operators see: one line for each request, measurements, health, traces; and nothing of any secret."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest

from carbonledger.infra import health, settings
from tests import conftest, logged
from tests.integration.entrypoints.edge import kit

PASSWORD = "plenty of quiet otters"
BEARER = "sk-ant-api03-0123456789abcdef0123456789abcdef"


@pytest.fixture
def configuration(worker_database: conftest.TestDatabase, tmp_path: Path) -> settings.Settings:
    return kit.configure(worker_database, tmp_path, log_format="json")


@pytest.fixture
async def client(configuration: settings.Settings, organization_id: UUID) -> AsyncIterator[httpx2.AsyncClient]:
    async with kit.client(configuration, organization_id) as opened:
        yield opened


@pytest.fixture(name="logged")
def _logged(configuration: settings.Settings) -> Iterator[io.BytesIO]:
    """The process's log, for this test."""
    with logged.written(configuration) as stream:
        yield stream


def lines(stream: io.BytesIO, event: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [line for line in found if line["event"] == event]


async def test_each_request_is_one_line(logged: io.BytesIO, client: httpx2.AsyncClient, organization_id: UUID) -> None:
    answer = await client.post(f"/v1/things/{kit.ID}/touch", headers={"x-request-id": "of-this-test"})
    assert answer.status_code == 204
    [line] = lines(logged, "request")
    assert 0 < line.pop("duration_ms") < 60_000
    assert line.pop("at")
    assert line == {
        "event": "request",
        "level": "info",
        "logger": "carbonledger.entrypoints.asgi.application",
        "request_id": "of-this-test",
        "method": "POST",
        "route": "/v1/things/{thing_id}/touch",
        "status": 204,
        "organization_id": str(organization_id),
        "actor_kind": "api_key",
        "actor_id": str(kit.ID),
    }


async def test_what_is_not_there_has_no_path_in_the_line(logged: io.BytesIO, client: httpx2.AsyncClient) -> None:
    await client.get(f"/v1/{BEARER}")
    [line] = lines(logged, "request")
    assert (line["route"], line["status"], line["method"]) == ("unmatched", 404, "")
    assert BEARER not in logged.getvalue().decode()


async def test_an_unforeseen_failure_is_logged_once_with_its_traceback(logged: io.BytesIO, client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/things", json={"name": "broken"})
    [failure] = lines(logged, "request failed")
    assert (failure["level"], failure["request_id"]) == ("error", answer.json()["request_id"])
    assert "ValueError" in failure["exception"]
    assert "create_thing" in failure["exception"]


async def test_what_was_foreseen_is_not_logged_as_a_failure(logged: io.BytesIO, client: httpx2.AsyncClient) -> None:
    await client.post("/v1/things", json={"name": "odd"})
    assert lines(logged, "request failed") == []


async def test_secrets_in_headers_bodies_and_exceptions_are_nowhere_in_the_log(
    logged: io.BytesIO, client: httpx2.AsyncClient, organization_id: UUID
) -> None:
    body = {"name": "broken", "properties": {"password": PASSWORD, "api_key": BEARER}}
    for headers in (
        {"authorization": f"Bearer {BEARER}"},
        {"cookie": f"session={BEARER}"},
        {"x-request-id": BEARER, "idempotency-key": BEARER},
        {"traceparent": BEARER, "user-agent": BEARER, "referer": f"https://example.com/?token={BEARER}"},
    ):
        await client.post(f"/v1/things?api_key={BEARER}", json=body, headers=headers)
        await client.post("/v1/things", json=body, headers=headers)
    await client.post("/v1/things/secret", headers={"idempotency-key": "a"})
    text = logged.getvalue().decode()
    assert lines(logged, "request failed"), "the exception held a secret, and was logged"
    for secret in (PASSWORD, BEARER, kit.SECRET):
        assert secret not in text


async def test_a_trace_of_the_caller_is_on_every_line_and_nonsense_is_not(logged: io.BytesIO, client: httpx2.AsyncClient) -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"  # the example of W3C Trace Context
    await client.get("/v1/things/mine", headers={"traceparent": traceparent})
    await client.get("/v1/things/mine", headers={"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-01"})
    first, second = lines(logged, "request")
    assert first["traceparent"] == traceparent
    assert "traceparent" not in second


# --- health


async def test_health_needs_no_database(tmp_path: Path, worker_database: conftest.TestDatabase) -> None:
    configuration = kit.configure(worker_database, tmp_path)
    async with kit.running(configuration) as app:
        await app._services.database.close()
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://edge.test") as client:
            alive = await client.get("/health")
            ready = await client.get("/health/ready")
    assert (alive.status_code, alive.json()["status"]) == (200, "alive")
    assert (ready.status_code, ready.json()["code"], ready.headers["retry-after"]) == (503, "not_ready", "5")
    assert {one["pointer"]: one["code"] for one in ready.json()["errors"]} == {
        "/parts/database": "database_unwell",
        "/parts/schema": "schema_unwell",
        "/parts/queue": "queue_unwell",
        "/parts/polls": "polls_unwell",
    }
    assert "asyncpg" not in ready.text
    assert worker_database.name not in ready.text


async def test_ready_tells_of_every_part(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/health/ready")
    assert answer.status_code == 200
    parts = answer.json()["parts"]
    assert {name: part["status"] for name, part in parts.items()} == {"database": "ok", "schema": "ok", "queue": "ok", "polls": "ok"}
    assert parts["queue"]["numbers"].keys() == {"waiting", "oldest_s"}
    assert "connections" in parts["polls"]["numbers"]


async def test_a_database_of_another_version_is_not_ready(fresh_database: conftest.TestDatabase, tmp_path: Path) -> None:
    conn = await asyncpg.connect(fresh_database.owner)
    await conn.execute("UPDATE alembic_version SET version_num = '9999'")
    await conn.close()
    async with kit.client(kit.configure(fresh_database, tmp_path)) as client:
        answer = await client.get("/health/ready")
    assert answer.status_code == 503
    assert [one["code"] for one in answer.json()["errors"]] == ["schema_other_version"]


async def test_a_part_that_hangs_does_not_hang_the_check(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_: object) -> health.Check:
        raise TimeoutError

    monkeypatch.setattr(health, "jobs", hang)
    answer = await client.get("/health/ready")
    assert [one["code"] for one in answer.json()["errors"]] == ["queue_slow"]


# --- measurements


async def test_measurements_are_for_this_machine(configuration: settings.Settings, organization_id: UUID) -> None:
    async with kit.client(configuration, organization_id, peer="127.0.0.1") as client:
        await client.get("/v1/things/mine")
        answer = await client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert 'carbonledger_http_requests_total{method="GET",route="/v1/things/mine",status="2xx"}' in answer.text
        assert "carbonledger_database_connections{" in answer.text
        assert "carbonledger_queue_depth" in answer.text
        assert str(organization_id) not in answer.text
        through_proxy = await client.get("/metrics", headers={"x-forwarded-for": "198.51.100.7"})
        assert (through_proxy.status_code, through_proxy.json()["code"]) == (403, "metrics_forbidden")
    async with kit.client(configuration, peer="203.0.113.9") as stranger:
        assert (await stranger.get("/metrics")).status_code == 403


async def test_measurements_may_have_a_token(worker_database: conftest.TestDatabase, tmp_path: Path) -> None:
    configuration = kit.configure(worker_database, tmp_path, metrics_token="of the operator")
    async with kit.client(configuration, peer="203.0.113.9") as client:
        for headers, status in (
            ({}, 401),
            ({"authorization": "Bearer of another"}, 401),
            ({"authorization": "Bearer of the operator"}, 200),
        ):
            assert (await client.get("/metrics", headers=headers)).status_code == status
    async with kit.client(configuration, peer="127.0.0.1") as local:
        assert (await local.get("/metrics")).status_code == 401
