"""What ingest asks of projects for every batch: one statement, one round trip, written out because it is on the hot path."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from carbonledger.domains.projects import types
from carbonledger.infra import db

_KNOWN = """
SELECT 'project' AS kind, id, NULL::uuid AS project_id, archived_at IS NULL AS in_use
FROM projects WHERE organization_id = $1 AND id = ANY ($2::uuid[])
UNION ALL
SELECT 'agent', id, project_id, archived_at IS NULL FROM agents WHERE organization_id = $1 AND id = ANY ($3::uuid[])
UNION ALL
SELECT 'default', id, NULL, true FROM projects WHERE organization_id = $1 AND is_default
"""


async def known(uow: db.UnitOfWork, *, organization_id: UUID, project_ids: Sequence[UUID], agent_ids: Sequence[UUID]) -> types.Known:
    """Return what the organization has of these ids, which may repeat."""
    rows = await uow.conn.fetch(_KNOWN, organization_id, project_ids, agent_ids)
    return types.Known(
        projects=frozenset(row["id"] for row in rows if row["kind"] == "project" and row["in_use"]),
        archived_projects=frozenset(row["id"] for row in rows if row["kind"] == "project" and not row["in_use"]),
        agents={row["id"]: row["project_id"] for row in rows if row["kind"] == "agent" and row["in_use"]},
        archived_agents=frozenset(row["id"] for row in rows if row["kind"] == "agent" and not row["in_use"]),
        default_project_id=next((row["id"] for row in rows if row["kind"] == "default"), None),
    )


_NAMES = "SELECT id, name FROM projects WHERE organization_id = $1 AND id = ANY ($2::uuid[])"


async def names(uow: db.UnitOfWork, *, organization_id: UUID, project_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the names of projects, those that were deleted too."""
    return {row["id"]: row["name"] for row in await uow.conn.fetch(_NAMES, organization_id, project_ids)}
