"""Projects and their workloads. A workload is opened and closed by the connection whose usage it books, so here it is only read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from carbonledger.domains.projects import service, types
from carbonledger.domains.telemetry.service import answering
from carbonledger.domains.telemetry.types import answers
from carbonledger.entrypoints.rest import measures, routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import page

router = routing.Router(prefix="/v1/projects", tag="Projects")

_EXAMPLE = {
    "id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11",
    "name": "Search",
    "is_default": False,
    "created_at": "2026-11-01T09:00:00Z",
    "updated_at": "2026-11-01T09:00:00Z",
    "archived_at": None,
}
_WORKLOAD = {
    "id": "01932d3c-7b8c-7d9e-8fa0-b1c2d3e4f506",
    "project_id": _EXAMPLE["id"],
    "name": "openai production",
    "state": "active",
    "opened_at": "2026-11-01T09:00:00Z",
    "closed_at": None,
}

# A bound that only keeps nonsense out; what is right is the domain's rule, told with all other problems.
NameText = Annotated[str, Field(max_length=1000, description="1 to 200 printable characters.")]


class ProjectIn(shapes.In):
    """A project to make."""

    name: NameText


class ProjectChangeIn(shapes.In):
    """What to change; what is left out stays."""

    name: NameText | None = None


class ProjectOut(shapes.Out):
    """A project."""

    id: UUID
    name: str
    is_default: bool = Field(description="Whether usage that names no project is booked here.")
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = Field(description="When it was deleted; its history stays.")


class ProjectUsageOut(measures.MeasuresOut):
    """What was used in the project within the last thirty days, today included."""

    period: measures.PeriodOut


class ProjectDetailOut(ProjectOut):
    """A project with what it used."""

    telemetry: ProjectUsageOut | None = Field(description="Null for a caller without the scope `telemetry:read`.")


class WorkloadOut(shapes.Out):
    """Where the usage of a connection is booked, or was until the connection moved to another project."""

    id: UUID
    project_id: UUID
    name: str
    state: types.WorkloadState
    opened_at: datetime
    closed_at: datetime | None


def to_api_project(project: types.Project) -> ProjectOut:
    """Return a project as callers see it."""
    return ProjectOut(
        id=project.id,
        name=project.name,
        is_default=project.is_default,
        created_at=project.created_at,
        updated_at=project.updated_at,
        archived_at=project.archived_at,
    )


def to_api_workload(workload: types.Workload) -> WorkloadOut:
    """Return a workload as callers see it."""
    return WorkloadOut(
        id=workload.id,
        project_id=workload.project_id,
        name=workload.name,
        state=workload.state,
        opened_at=workload.opened_at,
        closed_at=workload.closed_at,
    )


@router.post(
    "",
    access=access.scope("projects:write"),
    status_code=201,
    summary="Make a project",
    operation_id="createProject",
    examples={"request": {"name": "Search"}, "response": _EXAMPLE},
    errors=(types.ProjectNameTaken,),
)
async def create_project(call: routing.CallDep, body: ProjectIn) -> ProjectOut:
    """Make a project. Its name is unique among those in use, whatever the case of its letters A to Z."""
    project = await service.create_project(
        call.uow, actor=call.actor, now=call.now, at=call.at, organization_id=call.caller.organization_id, name=body.name
    )
    call.created(f"/v1/projects/{project.id}")
    return to_api_project(project)


@router.get(
    "",
    access=access.scope("projects:read"),
    summary="List projects",
    operation_id="listProjects",
    read_only=False,  # the default project is made at the first look
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_projects(
    call: routing.CallDep,
    archived: Annotated[bool, Query(description="Those that were deleted, instead of those in use.")] = False,  # noqa: FBT002 - a query
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[ProjectOut]:
    """List projects, newest first. Every organization has a default project."""
    found = await service.list_projects(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        page=call.page(limit=limit, cursor=cursor, parts=1),
        archived=archived,
    )
    return shapes.ListOut[ProjectOut](data=[to_api_project(project) for project in found.data], next_cursor=found.next_cursor)


@router.get(
    "/{project_id}",
    access=access.scope("projects:read"),
    summary="Show a project",
    operation_id="getProject",
    examples={"response": {**_EXAMPLE, "telemetry": {"period": measures.PERIOD_EXAMPLE, **measures.EXAMPLE}}},
    errors=(types.ProjectNotFound,),
)
async def get_project(call: routing.CallDep, project_id: UUID) -> ProjectDetailOut:
    """Return one project with its usage of the last thirty days; also one that was deleted: its usage still names it."""
    found = await service.find_project(call.uow, organization_id=call.caller.organization_id, project_id=project_id)
    used = await _used(call, project_id) if call.actor.may("telemetry:read") else None
    return ProjectDetailOut(**to_api_project(found).model_dump(), telemetry=used)


async def _used(call: routing.Call, project_id: UUID) -> ProjectUsageOut:
    asked = measures.asked(call, None, None, None)
    filters = answers.Filters(project_id=project_id)
    summary = await answering.summary(call.uow, organization_id=call.caller.organization_id, asked=asked, filters=filters)
    return ProjectUsageOut(period=measures.to_api_period(asked), **measures.measures(summary.totals))


@router.patch(
    "/{project_id}",
    access=access.scope("projects:write"),
    summary="Rename a project",
    operation_id="changeProject",
    examples={"request": {"name": "Search and find"}, "response": {**_EXAMPLE, "name": "Search and find"}},
    errors=(types.ProjectNotFound, types.ProjectArchived, types.ProjectNameTaken),
)
async def change_project(call: routing.CallDep, project_id: UUID, body: ProjectChangeIn) -> ProjectOut:
    """Give a project another name."""
    organization_id = call.caller.organization_id
    if body.name is None:
        return to_api_project(await service.find_project(call.uow, organization_id=organization_id, project_id=project_id))
    changed = await service.rename_project(
        call.uow, actor=call.actor, now=call.now, organization_id=organization_id, project_id=project_id, name=body.name
    )
    return to_api_project(changed)


@router.delete(
    "/{project_id}",
    access=access.scope("projects:write"),
    status_code=204,
    summary="Delete a project",
    operation_id="deleteProject",
    errors=(types.ProjectNotFound, types.ProjectIsDefault, types.ProjectHasActiveWorkloads, types.ProjectHasAgents),
)
async def delete_project(call: routing.CallDep, project_id: UUID) -> None:
    """Delete a project that nothing is booked to any more. Its history stays and its name is free again.

    While it has active workloads or agents the answer is 409, and its member `workloads` or `agents` names up to 20 of them.
    """
    await service.archive_project(
        call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, project_id=project_id
    )


@router.get(
    "/{project_id}/workloads",
    access=access.scope("projects:read"),
    summary="List a project's workloads",
    operation_id="listWorkloads",
    examples={"response": {"data": [_WORKLOAD], "next_cursor": None}},
    errors=(types.ProjectNotFound, page.CursorUnreadable),
)
async def list_workloads(
    call: routing.CallDep,
    project_id: UUID,
    state: Annotated[types.WorkloadState | None, Query(description="Only those in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[WorkloadOut]:
    """List the workloads of a project, newest first."""
    found = await service.list_workloads(
        call.uow,
        organization_id=call.caller.organization_id,
        project_id=project_id,
        page=call.page(limit=limit, cursor=cursor, parts=1),
        state=state,
    )
    return shapes.ListOut[WorkloadOut](data=[to_api_workload(workload) for workload in found.data], next_cursor=found.next_cursor)
