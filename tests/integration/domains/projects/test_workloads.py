"""Workloads on a real database: history stays where it was booked, whatever order and whoever else is at it."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonledger.domains.projects import service, types
from carbonledger.infra import clock, db
from carbonledger.kernel import errors, page
from tests import conftest
from tests.integration.domains.projects.conftest import Desk

ACTIVE, INACTIVE = types.WorkloadState.ACTIVE, types.WorkloadState.INACTIVE
WHOLE = page.PageRequest(limit=page.LIMIT_MAX)


async def of_project(desk: Desk, project: types.Project, state: types.WorkloadState | None = None) -> list[types.Workload]:
    return list((await desk.see(service.list_workloads, project_id=project.id, page=WHOLE, state=state)).data)


async def test_a_workload_is_opened_and_closed_once(desk: Desk) -> None:
    project = await desk.project()
    workload = await desk.workload(project, " openai ")
    assert workload == types.Workload(
        id=workload.id, project_id=project.id, name="openai", state=ACTIVE, opened_at=desk.now, closed_at=None
    )
    later = dataclasses.replace(desk, now=desk.now + timedelta(days=1))
    ended = await later.do(service.close_workload, workload_id=workload.id)
    assert ended == dataclasses.replace(workload, state=INACTIVE, closed_at=later.now)
    again = dataclasses.replace(desk, now=desk.now + timedelta(days=2))
    assert await again.do(service.close_workload, workload_id=workload.id) == ended
    assert await desk.see(service.find_workload, workload_id=workload.id) == ended
    at = {"project_id": str(project.id)}
    assert await desk.actions(workload.id) == [("workload.opened", None, {**at, "name": "openai"}), ("workload.closed", at, None)]


async def test_moving_leaves_history_where_it_was(desk: Desk) -> None:
    one, two = await desk.project("One"), await desk.project("Two")
    old = await desk.workload(one)
    later = dataclasses.replace(desk, now=desk.now + timedelta(days=1))
    new = await later.make(service.move, workload_id=old.id, project_id=two.id)
    assert (new.project_id, new.name, new.state, new.opened_at) == (two.id, old.name, ACTIVE, later.now)
    assert await of_project(desk, one) == [dataclasses.replace(old, state=INACTIVE, closed_at=later.now)]
    assert await of_project(desk, two) == [new]
    assert [action for action, _, _ in await desk.actions(old.id)] == ["workload.opened", "workload.closed", "workload.moved"]
    assert (await desk.actions(old.id))[-1][1:] == ({"project_id": str(one.id)}, {"project_id": str(two.id), "workload_id": str(new.id)})
    assert [action for action, _, _ in await desk.actions(new.id)] == ["workload.opened"]


async def test_what_can_not_move_stays_as_it_was(desk: Desk) -> None:
    one, gone = await desk.project("One"), await desk.project("Gone")
    workload, ended = await desk.workload(one), await desk.workload(one)
    await desk.do(service.close_workload, workload_id=ended.id)
    await desk.do(service.archive_project, project_id=gone.id)
    default = await desk.make(service.default_project)
    for workload_id, project_id, fault in (
        (workload.id, one.id, types.WorkloadThereAlready),
        (workload.id, gone.id, types.ProjectArchived),
        (workload.id, uuid4(), types.ProjectNotFound),
        (ended.id, default.id, types.WorkloadInactive),
        (uuid4(), default.id, types.WorkloadNotFound),
    ):
        with pytest.raises(fault):
            await desk.make(service.move, workload_id=workload_id, project_id=project_id)
    assert await of_project(desk, one, ACTIVE) == [workload]
    assert await of_project(desk, default) == []


async def test_workloads_are_listed_by_state_newest_first(desk: Desk) -> None:
    project = await desk.project()
    one, two, three = [await desk.workload(project, name) for name in ("one", "two", "three")]
    await desk.do(service.close_workload, workload_id=two.id)
    assert [found.id for found in await of_project(desk, project)] == [three.id, two.id, one.id]
    assert [found.id for found in await of_project(desk, project, ACTIVE)] == [three.id, one.id]
    assert [found.id for found in await of_project(desk, project, INACTIVE)] == [two.id]


async def test_a_workload_without_a_name_or_a_project_is_refused(desk: Desk) -> None:
    project = await desk.project()
    with pytest.raises(errors.Invalid):
        await desk.workload(project, "\x00")
    with pytest.raises(types.ProjectNotFound):
        await desk.make(service.open_workload, project_id=uuid4(), name="x")
    with pytest.raises(types.WorkloadNotFound):
        await desk.do(service.close_workload, workload_id=uuid4())
    with pytest.raises(types.WorkloadNotFound):
        await desk.see(service.find_workload, workload_id=uuid4())


async def test_of_twenty_that_move_the_same_workload_at_once_one_does(desk: Desk) -> None:
    old = await desk.workload(await desk.project("One"))
    targets = [await desk.project(f"target {number}") for number in range(5)]
    results = await asyncio.gather(
        *(desk.make(service.move, workload_id=old.id, project_id=target.id) for target in targets * 4), return_exceptions=True
    )
    [moved] = [result for result in results if isinstance(result, types.Workload)]
    assert sum(isinstance(result, types.WorkloadInactive) for result in results) == 19
    active = list(itertools.chain.from_iterable([await of_project(desk, target, ACTIVE) for target in targets]))
    assert active == [moved]


@pytest.mark.parametrize("attempt", range(10))
async def test_moving_into_a_project_and_deleting_it_at_once_never_leaves_usage_in_an_archived_one(desk: Desk, attempt: int) -> None:
    one, two = await desk.project("One"), await desk.project("Two")
    workloads = [await desk.workload(one) for _ in range(3)]
    moves = [desk.make(service.move, workload_id=workload.id, project_id=two.id) for workload in workloads]
    opening, deleting = desk.workload(two), desk.do(service.archive_project, project_id=two.id)
    making = desk.agent(project_id=two.id)
    tasks = [*moves, opening, making]
    tasks.insert(attempt % (len(tasks) + 1), deleting)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    faults = [result for result in results if isinstance(result, BaseException)]
    archived = (await desk.see(service.find_project, project_id=two.id)).archived_at is not None
    if archived:
        assert [type(fault) for fault in faults] == [types.ProjectArchived] * 5
        assert await of_project(desk, two) == []
        assert len(await of_project(desk, one, ACTIVE)) == 3, "what could not move is still booked where it was"
    else:
        assert len(faults) == 1
        assert isinstance(faults[0], types.ProjectHasActiveWorkloads | types.ProjectHasAgents)
        assert len(await of_project(desk, two, ACTIVE)) == 4


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE workloads SET project_id = $1",
        "UPDATE workloads SET name = $1::uuid::text",
        "UPDATE workloads SET opened_at = closed_at WHERE $1::uuid IS NOT NULL",
        "DELETE FROM workloads WHERE project_id <> $1",
    ],
)
async def test_the_running_role_can_not_rewrite_where_usage_was_booked(desk: Desk, statement: str) -> None:
    project = await desk.project()
    await desk.workload(project)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with desk.database.transaction(desk.organization_id) as uow:
            await uow.conn.execute(statement, project.id)


Step = tuple[str, int, int]
steps = st.lists(st.tuples(st.sampled_from(["open", "close", "move", "archive"]), st.integers(0, 4), st.integers(0, 2)), max_size=12)


@given(steps)
@settings(max_examples=25)
def test_any_order_of_steps_leaves_what_a_plain_list_of_lives_leaves(worker_database: conftest.TestDatabase, tried: list[Step]) -> None:
    """The model is a list of (project, is active) and a set of archived projects; the database says the same after every order."""
    with asyncio.Runner() as runner:
        runner.run(_follow(worker_database.app, tried))


async def _follow(dsn: str, tried: list[Step]) -> None:
    database = await db.connect(dsn, size=1, application="test")
    try:
        desk = Desk(database, await conftest.make_organization(database), clock.now())
        projects = [await desk.project(f"project {number}") for number in range(3)]
        workloads: list[UUID] = []
        model: list[tuple[int, bool]] = []
        archived: set[int] = set()
        for action, which, project in tried:
            index = which % len(model) if model else None
            done = await _tried(desk, action, None if index is None else workloads[index], projects[project])
            if action == "archive":
                assert done is (project in archived or (project, True) not in model)
                archived |= {project} if done else set()
            elif action == "open":
                assert isinstance(done, types.Workload) is (project not in archived)
            elif index is not None and action == "close":
                model[index] = (model[index][0], False)
            elif index is not None:
                may = model[index][1] and model[index][0] != project and project not in archived
                assert isinstance(done, types.Workload) is may
                model[index] = (model[index][0], model[index][1] and not may)
            if action in {"open", "move"} and isinstance(done, types.Workload):
                workloads.append(done.id)
                model.append((project, True))
        await _agrees(desk, projects, workloads, model)
    finally:
        await database.close()


async def _tried(desk: Desk, action: str, workload_id: UUID | None, project: types.Project) -> types.Workload | bool:
    """Take one step; True or a workload if it was taken, False if it was refused or there is nothing to take it on."""
    try:
        if action == "archive":
            await desk.do(service.archive_project, project_id=project.id)
            return True
        if action == "open":
            return await desk.workload(project)
        if workload_id is None:
            return False
        if action == "close":
            return await desk.do(service.close_workload, workload_id=workload_id)
        return await desk.make(service.move, workload_id=workload_id, project_id=project.id)
    except types.ProjectsFault:
        return False


async def _agrees(desk: Desk, projects: list[types.Project], workloads: list[UUID], model: list[tuple[int, bool]]) -> None:
    for number, project in enumerate(projects):
        expected = [(workloads[index], active) for index, (of, active) in enumerate(model) if of == number]
        found = await of_project(desk, project)
        assert [(one.id, one.state is ACTIVE) for one in reversed(found)] == expected
