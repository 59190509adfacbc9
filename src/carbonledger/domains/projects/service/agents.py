"""Agents: made as far as the plan allows, listed, changed, archived."""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn
from uuid import UUID

import asyncpg

from carbonledger.domains.identity import types as identity_types
from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.projects import core, types
from carbonledger.domains.projects.service import projects as project_service
from carbonledger.domains.projects.store import agents
from carbonledger.infra import db, outbox
from carbonledger.kernel import ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor

AGENTS = identity_types.Quota("agents", default=None)


async def create_agent(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    name: str,
    project_id: UUID | None = None,
    external_id: str | None = None,
) -> types.Agent:
    """Make an agent of a project (None: the default project).

    Raises ``errors.Invalid``, ``ProjectNotFound``, ``ProjectArchived``, ``AgentNameTaken``, ``AgentExternalIdTaken``, and
    ``QuotaReached`` when the plan allows no more.
    """
    tidy, tidy_id = core.agent_words(name, external_id)
    default = await project_service.default_project(uow, actor=actor, now=now, at=at, organization_id=organization_id)
    # Who makes agents takes turns at the default project's row: counted alone, two at once would both be the last that fits.
    await project_service.held(uow, organization_id=organization_id, project_id=default.id, lock="change")
    await entitlements.require_room(
        uow, organization_id=organization_id, key=AGENTS, used=await agents.count(uow, organization_id=organization_id)
    )
    project = await _open_project(uow, organization_id=organization_id, project_id=project_id or default.id)
    made = types.Agent(
        id=ids.new_id(at),
        project_id=project.id,
        name=tidy,
        external_id=tidy_id,
        created_at=now,
        updated_at=now,
        archived_at=None,
    )
    try:
        await agents.add(uow, organization_id=organization_id, agent=made)
    except asyncpg.UniqueViolationError as error:
        _raise_taken(error, name=tidy)
    after = {"name": tidy, "project_id": str(project.id), "external_id": tidy_id}
    await outbox.emit(uow, actor=actor, now=now, action="agent.created", target_type="agent", target_id=made.id, after=after)
    return made


async def _open_project(uow: db.UnitOfWork, *, organization_id: UUID, project_id: UUID) -> types.Project:
    project = await project_service.held(uow, organization_id=organization_id, project_id=project_id, lock="share")
    core.refuse_archived_project(project)
    return project


def _raise_taken(error: asyncpg.UniqueViolationError, *, name: str) -> NoReturn:
    if error.constraint_name == agents.EXTERNAL_ID_INDEX:
        raise types.AgentExternalIdTaken("Is it the same agent? Then change that one.") from error
    raise types.AgentNameTaken(f"There is an agent {name!r} already. Choose another name.") from error


async def find_agent(uow: db.UnitOfWork, *, organization_id: UUID, agent_id: UUID) -> types.Agent:
    """Return an agent, archived or not. Raises ``AgentNotFound``."""
    found = await agents.find(uow, organization_id=organization_id, agent_id=agent_id)
    if found is None:
        raise types.AgentNotFound(f"There is no agent {agent_id}.")
    return found


async def _held(uow: db.UnitOfWork, *, organization_id: UUID, agent_id: UUID) -> types.Agent:
    found = await agents.find(uow, organization_id=organization_id, agent_id=agent_id, lock=True)
    if found is None:
        raise types.AgentNotFound(f"There is no agent {agent_id}.")
    return found


async def list_agents(
    uow: db.UnitOfWork, *, organization_id: UUID, page: pages.PageRequest, project_id: UUID | None = None, archived: bool = False
) -> pages.Page[types.Agent]:
    """Return agents in use, or those archived, of one project or of all, newest first."""
    rows = await agents.some(
        uow,
        organization_id=organization_id,
        project_id=project_id,
        archived=archived,
        before=pages.before_id(page),
        limit=page.limit + 1,
    )
    return pages.cut(rows, limit=page.limit, key=lambda agent: (str(agent.id),))


async def change_agent(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    organization_id: UUID,
    agent_id: UUID,
    name: str | None = None,
    project_id: UUID | None = None,
) -> types.Agent:
    """Give an agent another name, another project, or both; what it used so far stays where it was booked.

    Raises ``errors.Invalid``, ``AgentNotFound``, ``AgentArchived``, ``AgentNameTaken``, ``ProjectNotFound``, ``ProjectArchived``.
    """
    tidy = None if name is None else core.name(name)
    old = await _held(uow, organization_id=organization_id, agent_id=agent_id)
    core.refuse_archived_agent(old)
    values: dict[str, object] = {}
    if tidy is not None and tidy != old.name:
        values["name"] = tidy
    if project_id is not None and project_id != old.project_id:
        values["project_id"] = (await _open_project(uow, organization_id=organization_id, project_id=project_id)).id
    if not values:
        return old
    try:
        new = await agents.change(uow, organization_id=organization_id, agent_id=agent_id, now=now, values=values)
    except asyncpg.UniqueViolationError as error:
        _raise_taken(error, name=tidy or old.name)
    if new is None:
        raise types.AgentNotFound(f"There is no agent {agent_id}.")
    await _emit_changed(uow, actor=actor, now=now, old=old, new=new, names=tuple(values))
    return new


async def _emit_changed(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, old: types.Agent, new: types.Agent, names: tuple[str, ...]
) -> None:
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action="agent.changed",
        target_type="agent",
        target_id=new.id,
        before={name: str(getattr(old, name)) for name in names},
        after={name: str(getattr(new, name)) for name in names},
    )


async def archive_agent(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, agent_id: UUID) -> None:
    """Archive an agent: its history stays and its name is free again. Archiving it again changes nothing. Raises ``AgentNotFound``."""
    old = await _held(uow, organization_id=organization_id, agent_id=agent_id)
    if old.archived_at is not None:
        return
    await agents.change(uow, organization_id=organization_id, agent_id=agent_id, now=now, values={"archived_at": now})
    before = {"name": old.name, "project_id": str(old.project_id)}
    await outbox.emit(uow, actor=actor, now=now, action="agent.archived", target_type="agent", target_id=agent_id, before=before)
