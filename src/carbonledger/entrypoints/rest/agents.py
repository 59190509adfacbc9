"""Agents: the named AI workers of projects."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from carbonledger.domains.identity import types as identity_types
from carbonledger.domains.projects import service, types
from carbonledger.entrypoints.rest import projects, routing, shapes
from carbonledger.entrypoints.shared import access
from carbonledger.kernel import page

router = routing.Router(prefix="/v1/agents", tag="Agents")

_EXAMPLE = {
    "id": "01932d3c-6a7b-7c8d-9eaf-b0c1d2e3f405",
    "project_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11",
    "name": "Support",
    "external_id": "bot-17",
    "created_at": "2026-11-01T09:00:00Z",
    "updated_at": "2026-11-01T09:00:00Z",
    "archived_at": None,
}


class AgentIn(shapes.In):
    """An agent to make."""

    name: projects.NameText
    project_id: UUID | None = Field(default=None, description="Whom it works for; the default project if left out.")
    external_id: str | None = Field(default=None, max_length=1000, description="Your own id of it, unique among agents in use.")


class AgentChangeIn(shapes.In):
    """What to change; what is left out stays."""

    name: projects.NameText | None = None
    project_id: UUID | None = None


class AgentOut(shapes.Out):
    """An agent."""

    id: UUID
    project_id: UUID
    name: str
    external_id: str | None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = Field(description="When it was deleted; its history stays.")


def to_api_agent(agent: types.Agent) -> AgentOut:
    """Return an agent as callers see it."""
    return AgentOut(
        id=agent.id,
        project_id=agent.project_id,
        name=agent.name,
        external_id=agent.external_id,
        created_at=agent.created_at,
        updated_at=agent.updated_at,
        archived_at=agent.archived_at,
    )


@router.post(
    "",
    access=access.scope("agents:write"),
    status_code=201,
    summary="Make an agent",
    operation_id="createAgent",
    examples={"request": {"name": "Support", "external_id": "bot-17"}, "response": _EXAMPLE},
    errors=(
        types.AgentNameTaken,
        types.AgentExternalIdTaken,
        types.ProjectNotFound,
        types.ProjectArchived,
        identity_types.QuotaReached,
    ),
)
async def create_agent(call: routing.CallDep, body: AgentIn) -> AgentOut:
    """Make an agent. Its name is unique among those in use, whatever the case of its letters A to Z."""
    agent = await service.create_agent(
        call.uow,
        actor=call.actor,
        now=call.now,
        at=call.at,
        organization_id=call.caller.organization_id,
        name=body.name,
        project_id=body.project_id,
        external_id=body.external_id,
    )
    call.created(f"/v1/agents/{agent.id}")
    return to_api_agent(agent)


@router.get(
    "",
    access=access.scope("agents:read"),
    summary="List agents",
    operation_id="listAgents",
    examples={"response": {"data": [_EXAMPLE], "next_cursor": None}},
    errors=(page.CursorUnreadable,),
)
async def list_agents(
    call: routing.CallDep,
    project_id: Annotated[UUID | None, Query(description="Only those of this project.")] = None,
    archived: Annotated[bool, Query(description="Those that were deleted, instead of those in use.")] = False,  # noqa: FBT002 - a query
    limit: Annotated[int, Query(ge=1, le=page.LIMIT_MAX)] = page.LIMIT_DEFAULT,
    cursor: Annotated[str | None, Query(max_length=page.CURSOR_MAX_CHARS)] = None,
) -> shapes.ListOut[AgentOut]:
    """List agents, newest first."""
    found = await service.list_agents(
        call.uow,
        organization_id=call.caller.organization_id,
        page=call.page(limit=limit, cursor=cursor, parts=1),
        project_id=project_id,
        archived=archived,
    )
    return shapes.ListOut[AgentOut](data=[to_api_agent(agent) for agent in found.data], next_cursor=found.next_cursor)


@router.get(
    "/{agent_id}",
    access=access.scope("agents:read"),
    summary="Show an agent",
    operation_id="getAgent",
    examples={"response": _EXAMPLE},
    errors=(types.AgentNotFound,),
)
async def get_agent(call: routing.CallDep, agent_id: UUID) -> AgentOut:
    """Return one agent, also one that was deleted: its usage still names it."""
    return to_api_agent(await service.find_agent(call.uow, organization_id=call.caller.organization_id, agent_id=agent_id))


@router.patch(
    "/{agent_id}",
    access=access.scope("agents:write"),
    summary="Change an agent",
    operation_id="changeAgent",
    examples={"request": {"name": "First-line support"}, "response": {**_EXAMPLE, "name": "First-line support"}},
    errors=(types.AgentNotFound, types.AgentArchived, types.AgentNameTaken, types.ProjectNotFound, types.ProjectArchived),
)
async def change_agent(call: routing.CallDep, agent_id: UUID, body: AgentChangeIn) -> AgentOut:
    """Give an agent another name, another project, or both. What it used so far stays where it was booked."""
    agent = await service.change_agent(
        call.uow,
        actor=call.actor,
        now=call.now,
        organization_id=call.caller.organization_id,
        agent_id=agent_id,
        name=body.name,
        project_id=body.project_id,
    )
    return to_api_agent(agent)


@router.delete(
    "/{agent_id}",
    access=access.scope("agents:write"),
    status_code=204,
    summary="Delete an agent",
    operation_id="deleteAgent",
    errors=(types.AgentNotFound,),
)
async def delete_agent(call: routing.CallDep, agent_id: UUID) -> None:
    """Delete an agent. Its history stays and its name is free again."""
    await service.archive_agent(call.uow, actor=call.actor, now=call.now, organization_id=call.caller.organization_id, agent_id=agent_id)
