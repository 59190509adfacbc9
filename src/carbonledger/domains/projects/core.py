"""Decisions about projects, workloads and agents: names, what stands in the way of archiving, the life of a workload. Pure.

A workload is active until it is closed, once; id, project, name and opening never change. Moving closes one and opens another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from carbonledger.domains.projects import types
from carbonledger.kernel import errors, line
from carbonledger.kernel.errors import Problem

NAMED_MAX = 20  # of those that stand in the way: enough to begin with, and the answer stays small


class Named(Protocol):
    """Anything with an id and a name."""

    @property
    def id(self) -> UUID: ...
    @property
    def name(self) -> str: ...


def name(value: str) -> str:
    """Return a name of 1 to 200 printable characters in its one form. Raises ``errors.Invalid``."""
    problems: list[Problem] = []
    kept = line.tidy(problems, "/name", value, max_chars=types.NAME_MAX_CHARS)
    errors.refuse(problems)
    return kept


def agent_words(value: str, external_id: str | None) -> tuple[str, str | None]:
    """Return an agent's name and external id, each 1 to 200 printable characters, in their one form. Raises ``errors.Invalid``."""
    problems: list[Problem] = []
    kept = line.tidy(problems, "/name", value, max_chars=types.NAME_MAX_CHARS)
    kept_id = None
    if external_id is not None:
        kept_id = line.tidy(problems, "/external_id", external_id, max_chars=types.EXTERNAL_ID_MAX_CHARS)
    errors.refuse(problems)
    return kept, kept_id


def opened(*, workload_id: UUID, project: types.Project, name: str, now: datetime) -> types.Workload:
    """Return a new workload of a project. Raises ``ProjectArchived``."""
    refuse_archived_project(project)
    return types.Workload(id=workload_id, project_id=project.id, name=name, state=types.WorkloadState.ACTIVE, opened_at=now, closed_at=None)


def closed(workload: types.Workload, *, now: datetime) -> types.Workload:
    """Return the workload closed. One that was closed before is returned as it is. ``now`` is never before the opening."""
    if workload.state is types.WorkloadState.INACTIVE:
        return workload
    # Two machines' clocks may differ by a little; a life never ends before it began.
    return replace(workload, state=types.WorkloadState.INACTIVE, closed_at=max(now, workload.opened_at))


def moved(workload: types.Workload, *, workload_id: UUID, project: types.Project, now: datetime) -> tuple[types.Workload, types.Workload]:
    """Return the workload closed and, beside it, a new one of the same name in ``project``.

    Raises ``WorkloadInactive``, ``WorkloadThereAlready``, ``ProjectArchived``.
    """
    if workload.state is types.WorkloadState.INACTIVE:
        raise types.WorkloadInactive(f"Workload {workload.id} was closed. Move the one that took its place.")
    if workload.project_id == project.id:
        raise types.WorkloadThereAlready(f"Workload {workload.id} is in project {project.name!r}. Name another.")
    new = opened(workload_id=workload_id, project=project, name=workload.name, now=now)
    return closed(workload, now=now), new


def refuse_archived_project(project: types.Project) -> None:
    """Raise ``ProjectArchived`` for a project that takes nothing new."""
    if project.archived_at is not None:
        raise types.ProjectArchived(f"Project {project.name!r} was deleted. Name another.")


def refuse_default(project: types.Project) -> None:
    """Raise ``ProjectIsDefault`` for the project that takes what names none."""
    if project.is_default:
        raise types.ProjectIsDefault("What names no project is booked here. It can be renamed.")


def refuse_in_use(*, workloads: Sequence[types.Workload], agents: Sequence[types.Agent]) -> None:
    """Raise ``ProjectHasActiveWorkloads`` or ``ProjectHasAgents``, naming up to 20 of what a project to be archived still has."""
    if workloads:
        raise types.ProjectHasActiveWorkloads(
            f"Active workloads: {_listed(workloads)}. Move their connections to another project, or delete these.",
            extra={"workloads": _named(workloads)},
        )
    if agents:
        raise types.ProjectHasAgents(
            f"Agents: {_listed(agents)}. Move them to another project, or delete them.", extra={"agents": _named(agents)}
        )


def _listed(found: Sequence[Named]) -> str:
    shown = ", ".join(f"{one.name!r} ({one.id})" for one in found[:NAMED_MAX])
    return f"{shown} and more" if len(found) > NAMED_MAX else shown


def _named(found: Sequence[Named]) -> list[dict[str, str]]:
    return [{"id": str(one.id), "name": one.name} for one in found[:NAMED_MAX]]


def refuse_archived_agent(agent: types.Agent) -> None:
    """Raise ``AgentArchived`` for an agent that can't be changed any more."""
    if agent.archived_at is not None:
        raise types.AgentArchived(f"Agent {agent.name!r} was deleted. Make another.")
