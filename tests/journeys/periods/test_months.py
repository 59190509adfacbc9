"""Months of a sandbox organization pass on its own clock: they close, late usage becomes adjustments, and every event can be proven."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx2
import pytest

from carbonledger.domains.receipts.service import periods, proving, totals
from carbonledger.domains.receipts.types.periods import State
from carbonledger.infra import clock
from carbonledger.kernel import actor
from carbonledger_proof import merkle
from tests.integration.entrypoints.rest.identity.conftest import Installation
from tests.integration.entrypoints.worker.conftest import Bench

TOKENS = {"cached_input": 0, "cache_creation_5m": 0, "cache_creation_1h": 0, "output": 100}


def call(key: str, at: str, uncached: int, **more: object) -> dict[str, object]:
    usage = {"provider": "openai", "model": "gpt-4o", "tokens": {"uncached_input": uncached, **TOKENS}}
    return {"idempotency_key": key, "occurred_at": at, **usage, **more}


async def send(client: httpx2.AsyncClient, *events: dict[str, object]) -> dict[str, Any]:
    answer = await client.post("/v1/telemetry/events", json={"events": list(events)})
    assert answer.status_code == 202, answer.text
    return {name: answer.json()[name] for name in ("accepted", "duplicate", "revised", "rejected")}


async def move(ledger: Installation, client: httpx2.AsyncClient, to: str) -> None:
    """Move the clock, with a worker for it and one for what it waits for."""
    answer = await client.post("/v1/test-clock/advance", json={"to": to})
    assert answer.status_code == 202, answer.text
    organization_id = UUID((await client.get("/v1/organizations/me")).json()["id"])
    bench = Bench(services=ledger.services, organization_id=organization_id)
    while (job := await bench.job(UUID(answer.json()["job_id"]))).state.value in {"queued", "running"}:
        entries = await bench.pick()
        moving = asyncio.create_task(bench.run(entries))
        while not moving.done():
            await bench.run_once()
            await ledger.services.database.ping()
        await moving
    assert job.state.value == "succeeded", job.error


async def months(client: httpx2.AsyncClient) -> dict[str, dict[str, Any]]:
    answer = await client.get("/v1/periods")
    assert answer.status_code == 200, answer.text
    return {period["month"]: period for period in answer.json()["data"]}


@pytest.fixture
async def sandbox(ledger: Installation) -> tuple[UUID, httpx2.AsyncClient]:
    made, client = await ledger.open_organization(name="S", sandbox=True, clock_start="2026-01-10T12:00:00Z")
    answer = await client.patch("/v1/organizations/me", json={"time_zone": "Europe/Berlin"})
    assert answer.status_code == 200, answer.text
    return UUID(made["id"]), client


async def test_two_months_pass_and_what_comes_late_is_adjusted(ledger: Installation, sandbox: tuple[UUID, httpx2.AsyncClient]) -> None:
    organization_id, client = sandbox
    # Berlin is an hour ahead of UTC in winter: the last of these is in its February.
    january = [call("a", "2026-01-05T08:00:00Z", 1000), call("b", "2026-01-09T08:00:00Z", 10)]
    assert (await send(client, *january))["accepted"] == 2
    await move(ledger, client, "2026-01-31T23:30:00Z")
    assert (await send(client, call("c", "2026-01-31T23:15:00Z", 7)))["accepted"] == 1
    before = await months(client)
    assert {month: one["state"] for month, one in before.items()} == {"2026-01": "closing", "2026-02": "open"}
    assert before["2026-01"]["ends_at"] == "2026-01-31T23:00:00Z"
    assert before["2026-01"]["closes_at"] == "2026-02-02T23:00:00Z"
    refused = await client.post(f"/v1/periods/{before['2026-01']['id']}/close")
    assert (refused.status_code, refused.json()["code"]) == (409, "period_waits")

    # Within the 48 hours it still counts; after them it is late.
    assert (await send(client, call("d", "2026-01-20T08:00:00Z", 5)))["accepted"] == 1
    await move(ledger, client, "2026-02-03T00:00:00Z")
    january_id = (await months(client))["2026-01"]["id"]
    closed = (await client.get(f"/v1/periods/{january_id}")).json()
    assert (closed["state"], closed["events"], closed["leaves"]) == ("closed", 3, 3)
    assert closed["totals"]["covered_tokens"]["uncached_input"] == 1015
    late = await send(client, call("e", "2026-01-21T08:00:00Z", 100), call("b", "2026-01-09T08:00:00Z", 12))
    assert (late["accepted"], late["revised"]) == (1, 1)
    waiting = (await client.get(f"/v1/periods/{january_id}")).json()
    assert [(one["booked_in"], one["totals"]["covered_tokens"]["uncached_input"]) for one in waiting["adjusted"]] == [(None, 102)]

    await move(ledger, client, "2026-03-05T00:00:00Z")
    passed = await months(client)
    assert {month: one["state"] for month, one in passed.items()} == {"2026-01": "closed", "2026-02": "closed", "2026-03": "open"}
    february = (await client.get(f"/v1/periods/{passed['2026-02']['id']}")).json()
    assert february["totals"]["covered_tokens"]["uncached_input"] == 7
    assert [(one["month"], one["totals"]["events"]) for one in february["adjustments"]] == [("2026-01", 1)]
    assert (await client.get(f"/v1/periods/{january_id}")).json() == {
        **closed,
        "adjusted": [{**waiting["adjusted"][0], "booked_in": february["id"]}],
    }
    await _proven(ledger, organization_id, february)
    async with ledger.services.database.transaction(organization_id) as uow:
        now = clock.now()
        assert [one.differences for one in await totals.check(uow, now=now, organization_id=organization_id)][:2] == [(), ()]


async def _proven(ledger: Installation, organization_id: UUID, period: dict[str, Any]) -> None:
    """Every leaf of the period, those of adjusted events included, leads to its root; shown with content and salt of that leaf alone."""
    services = ledger.services
    files = services.objects.of_organization(organization_id)
    period_id, now = UUID(period["id"]), clock.now()
    async with services.database.transaction(organization_id) as uow:
        located = await proving.salt(
            uow,
            actor=actor.system(organization_id),
            now=now,
            at=now,
            sealer=services.sealer,
            organization_id=organization_id,
            outside=False,
        )
    salting = await proving.opened(located, sealer=services.sealer, outside=None)
    proven = []
    async with services.database.transaction(organization_id) as uow:
        for event_id, key in await uow.conn.fetch(
            "SELECT id, idempotency_key FROM telemetry_events WHERE idempotency_key = ANY ($1)", list("bce")
        ):
            names: dict[str, Any] = {"organization_id": organization_id, "period_id": period_id, "event_id": event_id}
            path = await proving.event_path(uow, **names, files=files)
            content = await proving.leaf(uow, **names, salting=salting)
            assert path.leaf_hash == merkle.leaf_hash(content)
            merkle.verify_inclusion(path.leaf_hash, index=path.index, size=path.size, proof=path.path, root=bytes.fromhex(period["root"]))
            proven.append(key)
    assert (sorted(proven), period["leaves"]) == (["b", "c", "e"], 3)


async def test_a_paying_organizations_month_waits_for_its_payment(ledger: Installation, sandbox: tuple[UUID, httpx2.AsyncClient]) -> None:
    organization_id, client = sandbox
    async with ledger.services.database.transaction(organization_id) as uow:
        await uow.conn.execute("UPDATE organizations SET tier = 'growth' WHERE id = $1", organization_id)
    await send(client, call("a", "2026-01-05T08:00:00Z", 1000))
    await move(ledger, client, "2026-02-05T00:00:00Z")
    january = (await months(client))["2026-01"]
    assert (january["state"], january["payment"]) == ("open", "awaited")
    refused = await client.post(f"/v1/periods/{january['id']}/close")
    assert (refused.status_code, refused.json()["code"]) == (402, "period_unpaid")

    async def pay(outcome: periods.Outcome) -> State:
        async with ledger.services.database.transaction(organization_id) as uow:
            now = await uow.conn.fetchval("SELECT clock_at FROM organizations WHERE id = $1", organization_id)
            month = now.replace(month=1).date()
            return (
                await periods.record_payment(
                    uow, actor=actor.system(organization_id), now=now, organization_id=organization_id, month=month, outcome=outcome
                )
            ).state

    assert await pay(periods.Outcome.FAILED) is State.FAILED
    told = (await client.get("/v1/notifications")).json()["data"]
    assert [one["action"] for one in told] == ["receipts.period_failed"]
    assert await pay(periods.Outcome.PAID) is State.CLOSING
    assert (await client.post(f"/v1/periods/{january['id']}/close")).status_code == 202
    await ledger.run_jobs()
    assert (await months(client))["2026-01"]["state"] == "closed"
