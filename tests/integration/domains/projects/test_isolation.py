"""Attacks on the tables of projects as the running role, with raw SQL: another organization's rows, and nobody's."""

from __future__ import annotations

import dataclasses
from typing import Any

import asyncpg
import pytest

from carbonledger.domains.projects import service, types
from carbonledger.infra import clock, db
from carbonledger.kernel import page
from tests import conftest
from tests.integration.domains import isolation
from tests.integration.domains.projects.conftest import Desk

TABLES = ("projects", "workloads", "agents")


async def populate(desk: Desk) -> types.Project:
    """Make a row in every table, and return the project."""
    project = await desk.project()
    await desk.workload(project)
    await desk.agent(project_id=project.id)
    return project


@pytest.fixture
async def victim(desk: Desk) -> Desk:
    return dataclasses.replace(desk, organization_id=await conftest.make_organization(desk.database))


@pytest.mark.parametrize("table", TABLES)
async def test_without_a_tenant_no_row_is_seen(desk: Desk, database: db.Database, table: str) -> None:
    await populate(desk)
    await isolation.assert_nothing_without_a_tenant(database, table)


@pytest.mark.parametrize("table", TABLES)
async def test_of_another_organization_no_row_is_seen_changed_or_deleted(
    desk: Desk, victim: Desk, worker_database: conftest.TestDatabase, table: str
) -> None:
    await populate(desk)
    await populate(victim)
    mine, theirs = desk.organization_id, victim.organization_id
    await isolation.assert_apart(desk.database, worker_database, table, mine=mine, theirs=theirs)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO projects (organization_id, id, name, created_at, updated_at) VALUES ($1, gen_random_uuid(), $2::uuid::text, $3, $3)",
        "INSERT INTO workloads (organization_id, id, project_id, name, opened_at) VALUES ($1, gen_random_uuid(), $2, 'x', $3)",
        "INSERT INTO agents (organization_id, id, project_id, name, created_at, updated_at)"
        " VALUES ($1, gen_random_uuid(), $2, 'x', $3, $3)",
    ],
)
async def test_no_row_is_planted_in_another_organization(desk: Desk, victim: Desk, statement: str) -> None:
    project = await populate(victim)
    for organization_id in (desk.organization_id, None):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with desk.database.transaction(organization_id) as uow:
                await uow.conn.execute(statement, victim.organization_id, project.id, clock.now())


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO workloads (organization_id, id, project_id, name, opened_at) VALUES ($1, gen_random_uuid(), $2, 'x', $3)",
        "INSERT INTO agents (organization_id, id, project_id, name, created_at, updated_at)"
        " VALUES ($1, gen_random_uuid(), $2, 'x', $3, $3)",
    ],
)
async def test_no_row_of_mine_points_into_another_organizations_project(desk: Desk, victim: Desk, statement: str) -> None:
    project = await populate(victim)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with desk.database.transaction(desk.organization_id) as uow:
            await uow.conn.execute(statement, desk.organization_id, project.id, clock.now())


async def test_another_organizations_rows_are_not_there_for_any_use_case(desk: Desk, victim: Desk) -> None:
    theirs = await populate(victim)
    [workload] = (await victim.see(service.list_workloads, project_id=theirs.id, page=page.PageRequest())).data
    [agent] = (await victim.see(service.list_agents, page=page.PageRequest())).data
    default = await desk.make(service.default_project)
    attacks: list[tuple[Any, dict[str, Any]]] = [
        (service.rename_project, {"project_id": theirs.id, "name": "x"}),
        (service.archive_project, {"project_id": theirs.id}),
        (service.close_workload, {"workload_id": workload.id}),
        (service.change_agent, {"agent_id": agent.id, "name": "x"}),
        (service.archive_agent, {"agent_id": agent.id}),
    ]
    made: list[tuple[Any, dict[str, Any]]] = [
        (service.open_workload, {"project_id": theirs.id, "name": "x"}),
        (service.move, {"workload_id": workload.id, "project_id": default.id}),
        (service.create_agent, {"project_id": theirs.id, "name": "x"}),
    ]
    not_found = (types.ProjectNotFound, types.WorkloadNotFound, types.AgentNotFound)
    for use_case, given in attacks:
        with pytest.raises(not_found):
            await desk.do(use_case, **given)
    for use_case, given in made:
        with pytest.raises(not_found):
            await desk.make(use_case, **given)
