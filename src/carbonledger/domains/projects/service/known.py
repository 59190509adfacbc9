"""Which projects and agents there are, for whoever takes usage in: asked once for a whole batch."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from carbonledger.domains.projects import types
from carbonledger.domains.projects.store import lookups
from carbonledger.infra import db


async def known(uow: db.UnitOfWork, *, organization_id: UUID, project_ids: Iterable[UUID], agent_ids: Iterable[UUID]) -> types.Known:
    """Return which of these ids the organization has, which take new usage, each agent's project, and the default project.

    One round trip, however many ids; they may repeat. Nothing is made: where there is no default project yet, call ``default_project``.
    """
    return await lookups.known(uow, organization_id=organization_id, project_ids=list(set(project_ids)), agent_ids=list(set(agent_ids)))


async def names(uow: db.UnitOfWork, *, organization_id: UUID, project_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the names of projects by their ids, also of those that were deleted: their usage still names them."""
    return await lookups.names(uow, organization_id=organization_id, project_ids=list(set(project_ids)))
