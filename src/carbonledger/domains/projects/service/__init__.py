"""The front door of projects: projects, workloads, agents, and what ingest asks.

``now`` is the organization's time, which rows and events carry; ``at`` the real one, from which ids are made.
"""

from __future__ import annotations

from carbonledger.domains.projects.service.agents import archive_agent, change_agent, create_agent, find_agent, list_agents
from carbonledger.domains.projects.service.known import known, names
from carbonledger.domains.projects.service.projects import (
    archive_project,
    create_project,
    default_project,
    find_project,
    list_projects,
    rename_project,
)
from carbonledger.domains.projects.service.workloads import (
    close_workload,
    find_workload,
    find_workloads,
    list_workloads,
    move,
    open_workload,
)

__all__ = [
    "archive_agent",
    "archive_project",
    "change_agent",
    "close_workload",
    "create_agent",
    "create_project",
    "default_project",
    "find_agent",
    "find_project",
    "find_workload",
    "find_workloads",
    "known",
    "list_agents",
    "list_projects",
    "list_workloads",
    "move",
    "names",
    "open_workload",
    "rename_project",
]
