"""Names of what the ledger knows by id: projects, workloads, agents, connections. An id that leads nowhere is shown as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.connections import service as connections
from carbonledger.domains.connections import types as connection_types
from carbonledger.domains.projects import service as projects
from carbonledger.domains.projects import types as project_types
from carbonledger.domains.telemetry.types.answers import Dimension
from carbonledger.infra import db

Label = str | UUID | bool | None
NAMED_MAX: Final = 200  # a page shows no more rows of them; each is a look-up
_Find = tuple[Callable[..., Any], str, Callable[[Any], str]]
_FIND: Final[dict[Dimension, _Find]] = {
    Dimension.PROJECT: (projects.find_project, "project_id", lambda found: found.name),
    Dimension.WORKLOAD: (projects.find_workload, "workload_id", lambda found: found.name),
    Dimension.AGENT: (projects.find_agent, "agent_id", lambda found: found.name),
    Dimension.CONNECTION: (connections.show, "connection_id", lambda found: found.connection.label),
}
_WITHOUT: Final = {
    Dimension.PROJECT: "No project",
    Dimension.WORKLOAD: "No workload",
    Dimension.AGENT: "No agent",
    Dimension.ACCOUNT: "No account",
    Dimension.CONNECTION: "No connection",
    Dimension.MODEL: "No model",
    Dimension.PROVIDER: "No provider",
}


async def of(uow: db.UnitOfWork, *, organization_id: UUID, dimension: Dimension, labels: Iterable[Label]) -> dict[Label, str]:
    """Return words for the labels of a dimension."""
    found: dict[Label, str] = {}
    find = _FIND.get(dimension)
    for label in labels:
        if isinstance(label, UUID) and find is not None and len(found) < NAMED_MAX:
            found[label] = await _name(uow, organization_id, find, label)
        else:
            found[label] = words(dimension, label)
    return found


def words(dimension: Dimension, label: Label) -> str:
    """Return a label that is no id in words."""
    if label is None:
        return _WITHOUT.get(dimension, "Not told")
    if isinstance(label, bool):
        return "Batch" if label else "Not batch"
    return str(label)


async def _name(uow: db.UnitOfWork, organization_id: UUID, find: _Find, label: UUID) -> str:
    look_up, argument, name = find
    try:
        return name(await look_up(uow, organization_id=organization_id, **{argument: label}))
    except (project_types.ProjectsFault, connection_types.ConnectionNotFound):
        return str(label)
