"""Projects, workloads and agents over HTTP: what callers see, what they are refused and why, and who may do it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from carbonledger.domains.identity import types as identity_types
from carbonledger.domains.identity.service import callers, entitlements
from carbonledger.domains.projects import service, types
from carbonledger.infra import clock
from tests.integration.entrypoints.rest.identity.conftest import KEY, Installation, install, ledger

__all__ = ["install", "ledger"]  # fixtures

READS = ("/v1/projects", "/v1/agents")


async def make(client: httpx2.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{path}/{made['id']}"
    return made


async def shown(client: httpx2.AsyncClient, path: str) -> dict[str, Any]:
    """A project as lists show it: without what it used."""
    project: dict[str, Any] = (await client.get(path)).json()
    del project["telemetry"]
    return project


async def open_workload(ledger: Installation, organization: dict[str, Any], project: dict[str, Any], name: str) -> types.Workload:
    organization_id, now = UUID(organization["id"]), clock.now()
    async with ledger.services.database.transaction(organization_id) as uow:
        return await service.open_workload(
            uow,
            actor=callers.operator_actor(organization_id),
            now=now,
            at=now,
            organization_id=organization_id,
            project_id=UUID(project["id"]),
            name=name,
        )


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_the_life_of_a_project(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    made = await make(client, "/v1/projects", name=" Search ")
    assert (made["name"], made["is_default"], made["archived_at"]) == ("Search", False, None)
    path = f"/v1/projects/{made['id']}"
    assert await shown(client, path) == made
    renamed = (await client.patch(path, json={"name": "Find"})).json()
    assert renamed["name"] == "Find"
    assert (await client.patch(path, json={})).json() == renamed
    assert [one["name"] for one in (await client.get("/v1/projects")).json()["data"]] == ["Find", "Default"]
    assert (await client.delete(path)).status_code == 204
    assert [one["name"] for one in (await client.get("/v1/projects")).json()["data"]] == ["Default"]
    archived = (await client.get("/v1/projects", params={"archived": "true"})).json()["data"]
    assert archived == [await shown(client, path)]
    assert archived[0]["archived_at"] is not None
    assert (await client.delete(path)).status_code == 204
    assert code_of(await client.patch(path, json={"name": "Back"})) == (409, "project_archived")


async def test_the_default_project_is_listed_at_once_and_stays(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    [default] = (await client.get("/v1/projects")).json()["data"]
    assert (default["name"], default["is_default"]) == ("Default", True)
    assert code_of(await client.delete(f"/v1/projects/{default['id']}")) == (409, "project_is_default")


async def test_a_project_with_active_workloads_is_409_naming_them(ledger: Installation) -> None:
    organization, client = await ledger.open_organization()
    project = await make(client, "/v1/projects", name="Search")
    opened = [await open_workload(ledger, organization, project, name) for name in ("openai", "anthropic")]
    answer = await client.delete(f"/v1/projects/{project['id']}")
    assert code_of(answer) == (409, "project_has_active_workloads")
    said = answer.json()
    assert said["workloads"] == [{"id": str(one.id), "name": one.name} for one in reversed(opened)]
    assert all(str(one.id) in said["detail"] and one.name in said["detail"] for one in opened)
    listed = (await client.get(f"/v1/projects/{project['id']}/workloads", params={"state": "active"})).json()["data"]
    assert [(one["id"], one["project_id"], one["state"], one["closed_at"]) for one in listed] == [
        (str(one.id), project["id"], "active", None) for one in reversed(opened)
    ]
    assert (await client.get(f"/v1/projects/{project['id']}/workloads", params={"state": "inactive"})).json()["data"] == []
    assert (await client.get(f"/v1/projects/{project['id']}/workloads", params={"state": "asleep"})).status_code == 422


async def test_a_project_with_agents_is_409_naming_them(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    project = await make(client, "/v1/projects", name="Search")
    agent = await make(client, "/v1/agents", name="Support", project_id=project["id"])
    answer = await client.delete(f"/v1/projects/{project['id']}")
    assert code_of(answer) == (409, "project_has_agents")
    assert answer.json()["agents"] == [{"id": agent["id"], "name": "Support"}]


async def test_the_life_of_an_agent(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    made = await make(client, "/v1/agents", name="Support", external_id="bot-17")
    [default] = (await client.get("/v1/projects")).json()["data"]
    assert (made["project_id"], made["external_id"]) == (default["id"], "bot-17")
    project = await make(client, "/v1/projects", name="Search")
    path = f"/v1/agents/{made['id']}"
    changed = (await client.patch(path, json={"name": "First line", "project_id": project["id"]})).json()
    assert (changed["name"], changed["project_id"]) == ("First line", project["id"])
    assert (await client.get("/v1/agents", params={"project_id": project["id"]})).json()["data"] == [changed]
    assert (await client.get("/v1/agents", params={"project_id": default["id"]})).json()["data"] == []
    assert (await client.delete(path)).status_code == 204
    assert (await client.get("/v1/agents")).json()["data"] == []
    assert (await client.get("/v1/agents", params={"archived": "true"})).json()["data"] == [(await client.get(path)).json()]
    assert code_of(await client.patch(path, json={"name": "Back"})) == (409, "agent_archived")
    await make(client, "/v1/agents", name="First line", external_id="bot-17")


async def test_names_and_external_ids_that_are_taken_are_409(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    await make(client, "/v1/projects", name="Search")
    await make(client, "/v1/agents", name="Support", external_id="bot")
    assert code_of(await client.post("/v1/projects", json={"name": "SEARCH"})) == (409, "project_name_taken")
    assert code_of(await client.post("/v1/agents", json={"name": "support"})) == (409, "agent_name_taken")
    assert code_of(await client.post("/v1/agents", json={"name": "Other", "external_id": "bot"})) == (409, "agent_external_id_taken")
    assert code_of(await client.post("/v1/agents", json={"name": "Other", "project_id": str(uuid4())})) == (404, "project_not_found")


async def test_a_plan_that_allows_no_more_agents_is_402(ledger: Installation) -> None:
    organization, client = await ledger.open_organization()
    organization_id, now = UUID(organization["id"]), clock.now()
    async with ledger.services.database.transaction(organization_id) as uow:
        await entitlements.grant(
            uow,
            actor=callers.operator_actor(organization_id),
            now=now,
            at=now,
            organization_id=organization_id,
            quotas={identity_types.Quota("agents", default=None): 1},
            features={},
        )
    await make(client, "/v1/agents", name="one")
    assert code_of(await client.post("/v1/agents", json={"name": "two"})) == (402, "quota_reached")


@pytest.mark.parametrize("name", ["<script>alert('x')</script>", "\u05e2\u05d1\u05e8\u05d9\u05ea", "🌍" * 200, "' OR 1=1 --", "{{7*7}}"])
async def test_any_text_is_a_name_and_comes_back_as_it_went_in(ledger: Installation, name: str) -> None:
    _, client = await ledger.open_organization()
    for path in READS:
        made = await make(client, path, name=name)
        assert (await client.get(f"{path}/{made['id']}")).json()["name"] == name


@pytest.mark.parametrize("name", ["", "   ", "\u200b", "two\nlines", "bell\x07", "x" * 201, "x" * 10_000, 7, None, ["x"]])
async def test_what_is_no_name_is_422_and_points_there(ledger: Installation, name: object) -> None:
    _, client = await ledger.open_organization()
    for path in READS:
        answer = await client.post(path, json={"name": name})
        assert answer.status_code == 422, answer.text
        assert {one["pointer"] for one in answer.json()["errors"]} == {"/name"}


async def test_all_that_is_wrong_with_an_agent_is_said_at_once(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    answer = await client.post("/v1/agents", json={"name": "", "external_id": "a\tb"})
    assert [one["pointer"] for one in answer.json()["errors"]] == ["/name", "/external_id"]
    answer = await client.post("/v1/agents", json={"name": "x", "project_id": "seven", "budget": 1})
    assert {one["pointer"] for one in answer.json()["errors"]} == {"/project_id", "/budget"}


async def test_a_sandboxs_projects_carry_its_own_time(ledger: Installation) -> None:
    _, client = await ledger.open_organization(sandbox=True, clock_start="2020-02-29T12:00:00Z")
    assert (await make(client, "/v1/projects", name="Then"))["created_at"] == "2020-02-29T12:00:00Z"


@pytest.mark.parametrize("role, may_write", [("admin", True), ("billing", False), ("viewer", False)])
async def test_every_role_reads_and_keepers_write(ledger: Installation, role: str, may_write: bool) -> None:
    _, client = await ledger.open_organization()
    browser = await ledger.join(client, "ben@example.com", role=role)
    for path in READS:
        assert (await browser.send("GET", path)).status_code == 200
        answer = await browser.send("POST", path, json={"name": "x"})
        assert answer.status_code == (201 if may_write else 403), answer.text


async def test_the_trail_says_who_made_changed_and_deleted_a_project(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    made = await make(client, "/v1/projects", name="Search")
    await client.patch(f"/v1/projects/{made['id']}", json={"name": "Find"})
    await client.delete(f"/v1/projects/{made['id']}")
    events = (await client.get("/v1/events", params={"target_id": made["id"]})).json()["data"]
    assert [event["action"] for event in events] == ["project.archived", "project.changed", "project.created"]
    assert {event["actor"]["kind"] for event in events} == {"api_key"}


async def test_a_project_shows_what_it_used_and_only_to_who_may_see_usage(ledger: Installation) -> None:
    client = ledger.client(KEY)
    made = (await client.post("/v1/projects", json={"name": "Search"})).json()
    tokens = {"uncached_input": 1000, "cached_input": 0, "cache_creation_5m": 0, "cache_creation_1h": 0, "output": 500}
    event = {"occurred_at": clock.now().isoformat(), "provider": "openai", "model": "gpt-4o", "tokens": tokens}
    sent = [{**event, "idempotency_key": "a", "project_id": made["id"]}, {**event, "idempotency_key": "b"}]
    assert (await client.post("/v1/telemetry/events", json={"events": sent})).json()["accepted"] == 2
    shown = (await client.get(f"/v1/projects/{made['id']}")).json()
    assert (shown["telemetry"]["events"], shown["telemetry"]["cost"]["amount"]) == (1, "0.0075"), "what names another project is not in it"
    reader = (await client.post("/v1/api-keys", json={"label": "reader", "scopes": ["projects:read"]})).json()
    assert (await ledger.client(reader["secret"]).get(f"/v1/projects/{made['id']}")).json()["telemetry"] is None
