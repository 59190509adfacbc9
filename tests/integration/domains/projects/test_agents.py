"""Agents on a real database: made as far as the plan allows, of one project each, archived without losing their history."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from uuid import uuid4

import pytest

from carbonledger.domains.identity import types as identity_types
from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.projects import service, types
from carbonledger.kernel import errors, page
from tests import conftest
from tests.integration.domains.projects.conftest import Desk

PAGE = page.PageRequest()
AGENTS = identity_types.Quota("agents", default=None)


async def allow(desk: Desk, count: int | None) -> None:
    await desk.make(entitlements.grant, quotas={AGENTS: count}, features={})


async def test_an_agent_of_no_project_is_the_default_projects(desk: Desk) -> None:
    agent = await desk.agent(" Support ", external_id="bot-17")
    default = await desk.make(service.default_project)
    assert agent == types.Agent(
        id=agent.id,
        project_id=default.id,
        name="Support",
        external_id="bot-17",
        created_at=desk.now,
        updated_at=desk.now,
        archived_at=None,
    )
    assert await desk.see(service.find_agent, agent_id=agent.id) == agent
    after = {"name": "Support", "project_id": str(default.id), "external_id": "bot-17"}
    assert await desk.actions(agent.id) == [("agent.created", None, after)]


async def test_a_name_and_an_external_id_are_one_agents_while_it_is_in_use(desk: Desk) -> None:
    agent = await desk.agent(external_id="bot")
    with pytest.raises(types.AgentNameTaken):
        await desk.agent("SUPPORT")
    with pytest.raises(types.AgentExternalIdTaken):
        await desk.agent("Other", external_id="bot")
    await desk.do(service.archive_agent, agent_id=agent.id)
    again = await desk.agent(external_id="bot")
    assert again.id != agent.id
    other = dataclasses.replace(desk, organization_id=await conftest.make_organization(desk.database))
    assert (await other.agent(external_id="bot")).name == again.name


async def test_of_twenty_that_make_the_same_agent_at_once_one_does(desk: Desk) -> None:
    results = await asyncio.gather(*(desk.agent() for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(result, types.Agent) for result in results) == 1
    assert sum(isinstance(result, types.AgentNameTaken) for result in results) == 19


async def test_a_plan_allows_so_many_agents_and_an_archived_one_makes_room(desk: Desk) -> None:
    await allow(desk, 2)
    first, _ = await desk.agent("one"), await desk.agent("two")
    with pytest.raises(identity_types.QuotaReached):
        await desk.agent("three")
    await desk.do(service.archive_agent, agent_id=first.id)
    await desk.agent("three")
    await allow(desk, None)
    await desk.agent("four")


async def test_of_twenty_that_ask_for_the_last_places_no_more_get_in_than_there_are(desk: Desk) -> None:
    await allow(desk, 3)
    projects = [await desk.project(f"project {number}") for number in range(2)]
    results = await asyncio.gather(
        *(desk.agent(f"agent {number}", project_id=projects[number % 2].id) for number in range(20)), return_exceptions=True
    )
    assert sum(isinstance(result, types.Agent) for result in results) == 3
    assert sum(isinstance(result, identity_types.QuotaReached) for result in results) == 17


async def test_a_change_of_name_and_project_is_in_the_trail(desk: Desk) -> None:
    agent, project = await desk.agent(), await desk.project()
    later = dataclasses.replace(desk, now=desk.now + timedelta(hours=1))
    changed = await later.do(service.change_agent, agent_id=agent.id, name="First line", project_id=project.id)
    assert changed == dataclasses.replace(agent, name="First line", project_id=project.id, updated_at=later.now)
    assert await later.do(service.change_agent, agent_id=agent.id, name="First line", project_id=project.id) == changed
    assert await later.do(service.change_agent, agent_id=agent.id) == changed
    assert (await desk.actions(agent.id))[1:] == [
        (
            "agent.changed",
            {"name": "Support", "project_id": str(agent.project_id)},
            {"name": "First line", "project_id": str(project.id)},
        )
    ]


async def test_a_change_that_does_not_fit_changes_nothing(desk: Desk) -> None:
    agent, _ = await desk.agent(), await desk.agent("Other")
    gone = await desk.project("Gone")
    await desk.do(service.archive_project, project_id=gone.id)
    changes = (
        ({"name": "other"}, types.AgentNameTaken),
        ({"name": ""}, errors.Invalid),
        ({"project_id": uuid4()}, types.ProjectNotFound),
        ({"project_id": gone.id, "name": "New"}, types.ProjectArchived),
    )
    for change, fault in changes:
        with pytest.raises(fault):
            await desk.do(service.change_agent, agent_id=agent.id, **change)
    assert await desk.see(service.find_agent, agent_id=agent.id) == agent


async def test_an_archived_agent_stays_as_it_was(desk: Desk) -> None:
    agent = await desk.agent()
    await desk.do(service.archive_agent, agent_id=agent.id)
    kept = await desk.see(service.find_agent, agent_id=agent.id)
    assert kept == dataclasses.replace(agent, archived_at=desk.now, updated_at=desk.now)
    with pytest.raises(types.AgentArchived):
        await desk.do(service.change_agent, agent_id=agent.id, name="Back")
    await desk.do(service.archive_agent, agent_id=agent.id)
    assert [action for action, _, _ in await desk.actions(agent.id)] == ["agent.created", "agent.archived"]


async def test_agents_are_listed_by_project_and_by_use(desk: Desk) -> None:
    project = await desk.project()
    one, two, three = await desk.agent("one"), await desk.agent("two", project_id=project.id), await desk.agent("three")
    await desk.do(service.archive_agent, agent_id=one.id)
    for given, expected in (
        ({}, [three.id, two.id]),
        ({"project_id": project.id}, [two.id]),
        ({"archived": True}, [one.id]),
        ({"project_id": uuid4()}, []),
    ):
        found = await desk.see(service.list_agents, page=PAGE, **given)
        assert [agent.id for agent in found.data] == expected


async def test_what_is_not_there_is_not_found(desk: Desk) -> None:
    with pytest.raises(types.AgentNotFound):
        await desk.do(service.archive_agent, agent_id=uuid4())
    with pytest.raises(types.AgentNotFound):
        await desk.do(service.change_agent, agent_id=uuid4())
    with pytest.raises(types.AgentNotFound):
        await desk.see(service.find_agent, agent_id=uuid4())
