"""Words of projects: what usage is grouped by, where it is booked, who causes it; and the faults.

A workload's life has one step, active to inactive. It never changes its project: to move it is to close it and open another.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carbonledger.kernel import errors

NAME_MAX_CHARS = 200
EXTERNAL_ID_MAX_CHARS = 200
DEFAULT_NAME = "Default"
"""What the default project is called until somebody calls it something else."""


class WorkloadState(enum.Enum):
    """Whether usage may still be booked to a workload."""

    ACTIVE = "active"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class Project:
    """A product, a team, a customer: what an organization groups usage by. ``archived_at`` is None while it is in use."""

    id: UUID
    name: str
    is_default: bool
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


@dataclass(frozen=True, slots=True)
class Workload:
    """Where the usage of a connection is booked, in a project. ``closed_at`` is None while it is active."""

    id: UUID
    project_id: UUID
    name: str
    state: WorkloadState
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Agent:
    """A named AI worker of a project. ``external_id`` is the caller's own; ``archived_at`` is None while it is in use."""

    id: UUID
    project_id: UUID
    name: str
    external_id: str | None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


@dataclass(frozen=True, slots=True)
class Known:
    """What an organization has of the ids that were asked for. An id that is in none of the four is not there at all.

    Only ``projects`` and ``agents`` (each with its project) take new usage. ``default_project_id`` is None until something made it.
    """

    projects: frozenset[UUID]
    archived_projects: frozenset[UUID]
    agents: Mapping[UUID, UUID]
    archived_agents: frozenset[UUID]
    default_project_id: UUID | None


class ProjectsFault(errors.Fault):
    """Something about projects, workloads or agents does not fit."""

    kind = errors.Kind.CONFLICT
    code = "projects"


class ProjectNotFound(ProjectsFault):
    """There is no such project."""

    kind = errors.Kind.NOT_FOUND
    code = "project_not_found"


class ProjectNameTaken(ProjectsFault):
    """Another project has this name."""

    code = "project_name_taken"


class ProjectArchived(ProjectsFault):
    """The project is archived: its history stays, and nothing new comes to it."""

    code = "project_archived"


class ProjectIsDefault(ProjectsFault):
    """The default project can't be deleted."""

    code = "project_is_default"


class ProjectHasActiveWorkloads(ProjectsFault):
    """Usage is still booked to this project."""

    code = "project_has_active_workloads"


class ProjectHasAgents(ProjectsFault):
    """Agents still work for this project."""

    code = "project_has_agents"


class WorkloadNotFound(ProjectsFault):
    """There is no such workload."""

    kind = errors.Kind.NOT_FOUND
    code = "workload_not_found"


class WorkloadInactive(ProjectsFault):
    """The workload is closed, and a closed one stays as it is."""

    code = "workload_inactive"


class WorkloadThereAlready(ProjectsFault):
    """The workload is in this project already."""

    code = "workload_there_already"


class AgentNotFound(ProjectsFault):
    """There is no such agent."""

    kind = errors.Kind.NOT_FOUND
    code = "agent_not_found"


class AgentNameTaken(ProjectsFault):
    """Another agent has this name."""

    code = "agent_name_taken"


class AgentExternalIdTaken(ProjectsFault):
    """Another agent has this external id."""

    code = "agent_external_id_taken"


class AgentArchived(ProjectsFault):
    """The agent is archived: its history stays, and it does nothing new."""

    code = "agent_archived"
