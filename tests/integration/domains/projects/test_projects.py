"""Projects on a real database: one default made once, names free again after archiving, nothing archived that is in use."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from carbonledger.domains.projects import service, types
from carbonledger.infra import db
from carbonledger.kernel import errors, page
from tests import conftest
from tests.integration.domains.projects.conftest import Desk

PAGE = page.PageRequest()


async def listed(desk: Desk, *, archived: bool = False) -> list[str]:
    found = await desk.make(service.list_projects, page=PAGE, archived=archived)
    return [project.name for project in found.data]


async def test_an_organization_has_a_default_project_from_the_first_look(desk: Desk) -> None:
    found = await desk.make(service.list_projects, page=PAGE)
    assert [(project.name, project.is_default, project.archived_at) for project in found.data] == [("Default", True, None)]
    assert await desk.make(service.default_project) == found.data[0]
    assert await desk.actions(found.data[0].id) == [("project.created", None, {"name": "Default", "is_default": True})]


async def test_of_twenty_that_need_the_default_project_at_once_one_makes_it(desk: Desk) -> None:
    made = await asyncio.gather(*(desk.make(service.default_project) for _ in range(20)))
    assert len({project.id for project in made}) == 1
    assert await listed(desk) == ["Default"]


async def test_the_first_project_that_anybody_makes_does_not_take_the_defaults_name(desk: Desk) -> None:
    with pytest.raises(types.ProjectNameTaken):
        await desk.project("default")
    await desk.project("Search")
    assert await listed(desk) == ["Search", "Default"]


async def test_a_renamed_default_stays_the_default_and_frees_its_name(desk: Desk) -> None:
    default = await desk.make(service.default_project)
    renamed = await desk.do(service.rename_project, project_id=default.id, name="Everything else")
    other = await desk.project("Default")
    assert (renamed.is_default, other.is_default) == (True, False)
    assert (await desk.make(service.default_project)).id == default.id


async def test_the_default_project_is_not_deleted(desk: Desk) -> None:
    default = await desk.make(service.default_project)
    with pytest.raises(types.ProjectIsDefault):
        await desk.do(service.archive_project, project_id=default.id)


@pytest.mark.parametrize("again", ["Search", "SEARCH", "  search "])
async def test_a_name_is_one_projects_whatever_its_case(desk: Desk, again: str) -> None:
    await desk.project("Search")
    with pytest.raises(types.ProjectNameTaken):
        await desk.project(again)
    other = await desk.project("Other")
    with pytest.raises(types.ProjectNameTaken):
        await desk.do(service.rename_project, project_id=other.id, name=again)


async def test_only_the_case_of_a_to_z_is_folded_so_that_every_server_says_the_same(desk: Desk) -> None:
    await desk.project("Äpfel")
    await desk.project("äpfel")
    with pytest.raises(types.ProjectNameTaken):
        await desk.project("äPFEL")


async def test_two_organizations_may_use_the_same_name(desk: Desk) -> None:
    other = dataclasses.replace(desk, organization_id=await conftest.make_organization(desk.database))
    assert (await desk.project()).name == (await other.project()).name


async def test_of_twenty_that_make_the_same_project_at_once_one_does(desk: Desk) -> None:
    results = await asyncio.gather(*(desk.project(name) for name in ("Search", "search") * 10), return_exceptions=True)
    assert sum(isinstance(result, types.Project) for result in results) == 1
    assert sum(isinstance(result, types.ProjectNameTaken) for result in results) == 19


async def test_renaming_is_in_the_trail_and_the_same_name_again_is_not(desk: Desk) -> None:
    project = await desk.project()
    later = dataclasses.replace(desk, now=desk.now + timedelta(hours=1))
    renamed = await later.do(service.rename_project, project_id=project.id, name="Find")
    assert renamed == dataclasses.replace(project, name="Find", updated_at=later.now)
    assert await later.do(service.rename_project, project_id=project.id, name=" Find ") == renamed
    assert await desk.actions(project.id) == [
        ("project.created", None, {"name": "Search", "is_default": False}),
        ("project.changed", {"name": "Search"}, {"name": "Find"}),
    ]


async def test_a_change_of_case_alone_is_a_change(desk: Desk) -> None:
    project = await desk.project("search")
    assert (await desk.do(service.rename_project, project_id=project.id, name="Search")).name == "Search"


async def test_an_archived_project_is_there_for_its_history_and_its_name_is_free(desk: Desk) -> None:
    project = await desk.project()
    await desk.do(service.archive_project, project_id=project.id)
    kept = await desk.see(service.find_project, project_id=project.id)
    assert kept == dataclasses.replace(project, archived_at=desk.now, updated_at=desk.now)
    again = await desk.project()
    assert again.id != project.id
    assert (await listed(desk), await listed(desk, archived=True)) == (["Search", "Default"], ["Search"])
    await desk.do(service.archive_project, project_id=project.id)  # again: changes nothing
    assert [action for action, _, _ in await desk.actions(project.id)] == ["project.created", "project.archived"]
    with pytest.raises(types.ProjectArchived):
        await desk.do(service.rename_project, project_id=project.id, name="Back")
    with pytest.raises(types.ProjectArchived):
        await desk.workload(project)
    with pytest.raises(types.ProjectArchived):
        await desk.agent(project_id=project.id)


async def test_a_project_with_active_workloads_is_refused_naming_them(desk: Desk) -> None:
    project = await desk.project()
    one, two = await desk.workload(project, "openai"), await desk.workload(project, "anthropic")
    await desk.do(service.close_workload, workload_id=one.id)
    with pytest.raises(types.ProjectHasActiveWorkloads) as refused:
        await desk.do(service.archive_project, project_id=project.id)
    assert refused.value.extra == {"workloads": [{"id": str(two.id), "name": "anthropic"}]}
    await desk.do(service.close_workload, workload_id=two.id)
    await desk.do(service.archive_project, project_id=project.id)


async def test_a_project_with_agents_is_refused_naming_them(desk: Desk) -> None:
    project = await desk.project()
    agent = await desk.agent(project_id=project.id)
    with pytest.raises(types.ProjectHasAgents) as refused:
        await desk.do(service.archive_project, project_id=project.id)
    assert refused.value.extra == {"agents": [{"id": str(agent.id), "name": "Support"}]}
    await desk.do(service.archive_agent, agent_id=agent.id)
    await desk.do(service.archive_project, project_id=project.id)


async def test_a_name_that_is_none_makes_nothing(desk: Desk) -> None:
    for name in ("", "two\nlines", "x" * 10_000):
        with pytest.raises(errors.Invalid) as refused:
            await desk.project(name)
        assert [problem.pointer for problem in refused.value.problems] == ["/name"]
    assert await listed(desk) == ["Default"]


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "\u05e2\u05d1\u05e8\u05d9\u05ea \u200f1", "🌍" * 200, "'; DROP TABLE projects; --", "\u202eevil"]
)
async def test_a_name_of_any_script_is_kept_as_it_is(desk: Desk, name: str) -> None:
    project = await desk.project(name)
    assert (await desk.see(service.find_project, project_id=project.id)).name == name


async def test_projects_are_listed_newest_first_in_pages_that_join(desk: Desk) -> None:
    made = [await desk.project(f"project {number}") for number in range(5)]
    seen: list[UUID] = []
    request = page.PageRequest(limit=2)
    while True:
        found = await desk.make(service.list_projects, page=request)
        seen += [project.id for project in found.data]
        if found.next_cursor is None:
            break
        request = page.PageRequest(limit=2, after=page.decode_cursor(found.next_cursor, parts=1))
    default = await desk.make(service.default_project)
    assert seen == [*(project.id for project in reversed(made)), default.id]


async def test_what_is_not_there_is_not_found(desk: Desk) -> None:
    for use_case in (service.archive_project, service.rename_project):
        more = {"name": "x"} if use_case is service.rename_project else {}
        with pytest.raises(types.ProjectNotFound):
            await desk.do(use_case, project_id=uuid4(), **more)
    with pytest.raises(types.ProjectNotFound):
        await desk.see(service.list_workloads, project_id=uuid4(), page=PAGE)


# --- what ingest asks


async def test_ingest_learns_of_a_whole_batch_in_one_statement(desk: Desk, database: db.Database) -> None:
    project, gone = await desk.project(), await desk.project("Gone")
    agent, idle = await desk.agent(project_id=project.id), await desk.agent("Idle")
    await desk.do(service.archive_project, project_id=gone.id)
    await desk.do(service.archive_agent, agent_id=idle.id)
    default = await desk.make(service.default_project)
    other = dataclasses.replace(desk, organization_id=await conftest.make_organization(database))
    theirs, their_agent = await other.project(), await other.agent()
    project_ids = [project.id, project.id, gone.id, theirs.id, uuid4()]
    agent_ids = [agent.id, idle.id, their_agent.id, uuid4()]
    asked: list[str] = []
    async with database.transaction(desk.organization_id) as uow:
        # The driver learns the types of the arguments once for each connection.
        await service.known(uow, organization_id=desk.organization_id, project_ids=[], agent_ids=[])
        with uow.conn.query_logger(lambda record: asked.append(record.query)):
            known = await service.known(uow, organization_id=desk.organization_id, project_ids=project_ids, agent_ids=agent_ids)
    assert known == types.Known(
        projects=frozenset({project.id}),
        archived_projects=frozenset({gone.id}),
        agents={agent.id: project.id},
        archived_agents=frozenset({idle.id}),
        default_project_id=default.id,
    )
    assert len(asked) == 1


async def test_ingest_into_a_new_organization_knows_nothing_and_makes_nothing(desk: Desk) -> None:
    known = await desk.see(service.known, project_ids=[], agent_ids=[])
    assert known == types.Known(frozenset(), frozenset(), {}, frozenset(), None)
    assert (await desk.see(service.known, project_ids=[], agent_ids=[])).default_project_id is None
