"""From a provider's usage to the ledger: three accounts are connected over HTTP, read by the worker, and every token is where it should be.

The expected numbers come from ``trace_totals.py``, which reads the raw traces and knows nothing of ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.connections import service
from carbonledger.infra import clock
from carbonledger_sandbox import state
from tests import conftest, standins
from tests.contract import worlds
from tests.integration.domains.telemetry import kit
from tests.integration.entrypoints.worker import polling
from tests.integration.entrypoints.worker.conftest import Bench
from tests.journeys import trace_totals


async def test_three_accounts_are_connected_and_the_ledger_says_what_the_traces_say(
    fresh_database: conftest.TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: standins.NOON)  # where the providers' own clock stands
    async with worlds.installed(fresh_database, tmp_path) as (services, ledger):
        organization, client = await ledger.open_organization()
        account = polling.Account(Bench(services=services, organization_id=ledger.house_id), UUID(organization["id"]))
        connections: list[dict[str, Any]] = []
        for provider, key in standins.KEYS.items():
            answer = await client.post("/v1/connections", json={"provider": provider, "label": provider, "api_key": key})
            assert answer.status_code == 201, answer.text
            connections.append(answer.json())
        await ledger.run_jobs()
        for connection in connections:
            job = (await client.get(connection["status_url"])).json()
            assert (job["state"], job["result"]["outcome"]) == ("succeeded", "read")
            assert job["progress"]["done"] == job["progress"]["total"]
            # Once more: one hour was revised after it was read for the first time.
            await account.bench.ask(service.POLL_JOB, organization_id=account.organization_id, connection_id=connection["id"])
        await ledger.run_jobs()

        counted = trace_totals.totals(
            trace_totals.DATA,
            until=standins.NOON.timestamp() - state.LAG_S,
            anchor=standins.NOON.replace(hour=0).timestamp(),
        )
        expected = {key: counts for provider in standins.KEYS for key, counts in polling.expected(counted, provider).items()}
        assert await account.totals() == expected
        shown = (await client.get("/v1/connections")).json()["data"]
        assert {one["provider"]: (one["state"], one["last_error"]) for one in shown} == dict.fromkeys(standins.KEYS, ("active", None))
        [revised] = await account.rows("SELECT revision FROM telemetry_events WHERE organization_id = $1 AND revision > 0")
        assert revised["revision"] == 1
        await kit.rollups_equal_raw(services.database, account.organization_id)
