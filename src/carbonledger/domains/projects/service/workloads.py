"""Workloads: opened, closed, moved to another project by whoever books a connection's usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from carbonledger.domains.projects import core, types
from carbonledger.domains.projects.service import projects as project_service
from carbonledger.domains.projects.store import workloads
from carbonledger.infra import db, outbox
from carbonledger.kernel import ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.actor import Actor


async def open_workload(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, project_id: UUID, name: str
) -> types.Workload:
    """Open a workload in a project. Raises ``errors.Invalid``, ``ProjectNotFound``, ``ProjectArchived``."""
    tidy = core.name(name)
    project = await project_service.held(uow, organization_id=organization_id, project_id=project_id, lock="share")
    made = core.opened(workload_id=ids.new_id(at), project=project, name=tidy, now=now)
    await _open(uow, actor=actor, now=now, organization_id=organization_id, workload=made)
    return made


async def _open(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, workload: types.Workload) -> None:
    await workloads.add(uow, organization_id=organization_id, workload=workload)
    after = {"project_id": str(workload.project_id), "name": workload.name}
    await _emit(uow, actor=actor, now=now, action="workload.opened", workload=workload, after=after)


async def close_workload(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, workload_id: UUID) -> types.Workload:
    """Close a workload; what was booked stays where it is. Closing it again changes nothing. Raises ``WorkloadNotFound``."""
    old = await _held(uow, organization_id=organization_id, workload_id=workload_id)
    ended = core.closed(old, now=now)
    if ended is not old:
        await _close(uow, actor=actor, now=now, organization_id=organization_id, workload=ended)
    return ended


async def _close(uow: db.UnitOfWork, *, actor: Actor, now: datetime, organization_id: UUID, workload: types.Workload) -> None:
    await workloads.close(uow, organization_id=organization_id, workload=workload)
    await _emit(uow, actor=actor, now=now, action="workload.closed", workload=workload, before={"project_id": str(workload.project_id)})


async def move(
    uow: db.UnitOfWork, *, actor: Actor, now: datetime, at: datetime, organization_id: UUID, workload_id: UUID, project_id: UUID
) -> types.Workload:
    """Close a workload, open one of the same name in another project, and return that one. History stays where it was.

    Raises ``WorkloadNotFound``, ``WorkloadInactive``, ``WorkloadThereAlready``, ``ProjectNotFound``, ``ProjectArchived``.
    """
    old = await _held(uow, organization_id=organization_id, workload_id=workload_id)
    project = await project_service.held(uow, organization_id=organization_id, project_id=project_id, lock="share")
    ended, made = core.moved(old, workload_id=ids.new_id(at), project=project, now=now)
    await _close(uow, actor=actor, now=now, organization_id=organization_id, workload=ended)
    await _open(uow, actor=actor, now=now, organization_id=organization_id, workload=made)
    await _emit(
        uow,
        actor=actor,
        now=now,
        action="workload.moved",
        workload=old,
        before={"project_id": str(old.project_id)},
        after={"project_id": str(made.project_id), "workload_id": str(made.id)},
    )
    return made


async def find_workload(uow: db.UnitOfWork, *, organization_id: UUID, workload_id: UUID) -> types.Workload:
    """Return a workload, active or not. Raises ``WorkloadNotFound``."""
    found = await workloads.find(uow, organization_id=organization_id, workload_id=workload_id)
    if found is None:
        raise types.WorkloadNotFound(f"There is no workload {workload_id}.")
    return found


async def find_workloads(uow: db.UnitOfWork, *, organization_id: UUID, workload_ids: Sequence[UUID]) -> Mapping[UUID, types.Workload]:
    """Return workloads by id, active or not; an id that is none is left out."""
    found = await workloads.those(uow, organization_id=organization_id, workload_ids=workload_ids)
    return {workload.id: workload for workload in found}


async def _held(uow: db.UnitOfWork, *, organization_id: UUID, workload_id: UUID) -> types.Workload:
    found = await workloads.find(uow, organization_id=organization_id, workload_id=workload_id, lock=True)
    if found is None:
        raise types.WorkloadNotFound(f"There is no workload {workload_id}.")
    return found


async def list_workloads(
    uow: db.UnitOfWork, *, organization_id: UUID, project_id: UUID, page: pages.PageRequest, state: types.WorkloadState | None = None
) -> pages.Page[types.Workload]:
    """Return workloads of a project (``state`` None: active and not), newest first. Raises ``ProjectNotFound``."""
    await project_service.find_project(uow, organization_id=organization_id, project_id=project_id)
    rows = await workloads.some(
        uow,
        organization_id=organization_id,
        project_id=project_id,
        state=state,
        before=pages.before_id(page),
        limit=page.limit + 1,
    )
    return pages.cut(rows, limit=page.limit, key=lambda workload: (str(workload.id),))


async def _emit(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    action: str,
    workload: types.Workload,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    await outbox.emit(uow, actor=actor, now=now, action=action, target_type="workload", target_id=workload.id, before=before, after=after)
