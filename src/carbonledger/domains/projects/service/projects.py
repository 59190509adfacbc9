"""Projects: made, listed, renamed, archived. Every organization has one default project from the moment anything needs it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg

from carbonledger.domains.projects import core, types
from carbonledger.domains.projects.store import agents, projects, workloads
from carbonledger.infra import db, outbox
from carbonledger.kernel import ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor


async def default_project(uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID) -> types.Project:
    """Return the organization's default project, making it at the first need. Of several who need it at once, one makes it."""
    found = await projects.default(uow, organization_id=organization_id)
    if found is not None:
        return found
    await _add(uow, actor=actor, now=now, at=at, organization_id=organization_id, name=types.DEFAULT_NAME, is_default=True)
    # Ours, or that of another transaction, for whose end the insert has waited.
    found = await projects.default(uow, organization_id=organization_id)
    if found is None:
        raise AssertionError("an organization without a default project has another of its name")
    return found


async def _add(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, name: str, is_default: bool
) -> types.Project | None:
    made = types.Project(id=ids.new_id(at), name=name, is_default=is_default, created_at=now, updated_at=now, archived_at=None)
    if not await projects.add(uow, organization_id=organization_id, project=made):
        return None
    after = {"name": name, "is_default": is_default}
    await outbox.emit(uow, actor=actor, now=now, action="project.created", target_type="project", target_id=made.id, after=after)
    return made


async def create_project(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, name: str
) -> types.Project:
    """Make a project. Raises ``errors.Invalid``, ``ProjectNameTaken``."""
    tidy = core.name(name)
    # First, so that no other project takes the default's name before it is there.
    await default_project(uow, actor=actor, now=now, at=at, organization_id=organization_id)
    made = await _add(uow, actor=actor, now=now, at=at, organization_id=organization_id, name=tidy, is_default=False)
    if made is None:
        raise types.ProjectNameTaken(f"There is a project {tidy!r} already. Choose another name.")
    return made


async def find_project(uow: db.UnitOfWork, *, organization_id: UUID, project_id: UUID) -> types.Project:
    """Return a project, archived or not. Raises ``ProjectNotFound``."""
    return await held(uow, organization_id=organization_id, project_id=project_id, lock="none")


async def held(uow: db.UnitOfWork, *, organization_id: UUID, project_id: UUID, lock: projects.Lock) -> types.Project:
    """Return a project, held until the transaction ends. Raises ``ProjectNotFound``."""
    found = await projects.find(uow, organization_id=organization_id, project_id=project_id, lock=lock)
    if found is None:
        raise types.ProjectNotFound(f"There is no project {project_id}.")
    return found


async def list_projects(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    at: datetime,
    organization_id: UUID,
    page: pages.PageRequest,
    archived: bool = False,
) -> pages.Page[types.Project]:
    """Return projects in use, or those archived, newest first."""
    await default_project(uow, actor=actor, now=now, at=at, organization_id=organization_id)
    rows = await projects.some(uow, organization_id=organization_id, archived=archived, before=pages.before_id(page), limit=page.limit + 1)
    return pages.cut(rows, limit=page.limit, key=lambda project: (str(project.id),))


async def rename_project(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, project_id: UUID, name: str
) -> types.Project:
    """Give a project another name. Raises ``errors.Invalid``, ``ProjectNotFound``, ``ProjectArchived``, ``ProjectNameTaken``."""
    tidy = core.name(name)
    old = await held(uow, organization_id=organization_id, project_id=project_id, lock="change")
    core.refuse_archived_project(old)
    if old.name == tidy:
        return old
    try:
        new = await projects.change(uow, organization_id=organization_id, project_id=project_id, now=now, values={"name": tidy})
    except asyncpg.UniqueViolationError as error:
        raise types.ProjectNameTaken(f"There is a project {tidy!r} already. Choose another name.") from error
    if new is None:
        raise types.ProjectNotFound(f"There is no project {project_id}.")
    await outbox.emit(
        uow,
        actor=actor,
        now=now,
        action="project.changed",
        target_type="project",
        target_id=project_id,
        before={"name": old.name},
        after={"name": new.name},
    )
    return new


async def archive_project(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, project_id: UUID) -> None:
    """Archive a project: its history stays and its name is free again. Archiving it again changes nothing.

    Raises ``ProjectNotFound``, ``ProjectIsDefault``, ``ProjectHasActiveWorkloads``, ``ProjectHasAgents``.
    """
    project = await held(uow, organization_id=organization_id, project_id=project_id, lock="change")
    core.refuse_default(project)
    if project.archived_at is not None:
        return
    # Whoever opens a workload or puts an agent here holds the project first, so what is found is all there will be.
    limit = core.NAMED_MAX + 1
    core.refuse_in_use(
        workloads=await workloads.some(
            uow,
            organization_id=organization_id,
            project_id=project_id,
            state=types.WorkloadState.ACTIVE,
            before=None,
            limit=limit,
        ),
        agents=await agents.some(uow, organization_id=organization_id, project_id=project_id, archived=False, before=None, limit=limit),
    )
    await projects.change(uow, organization_id=organization_id, project_id=project_id, now=now, values={"archived_at": now})
    before = {"name": project.name}
    await outbox.emit(uow, actor=actor, now=now, action="project.archived", target_type="project", target_id=project_id, before=before)
