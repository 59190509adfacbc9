"""Connections made and given keys by the service itself, with a check that no provider was asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from carbonledger.domains.connections import service, types
from carbonledger.infra import clock, crypto, db
from carbonledger.kernel import actor, ids
from tests.integration.entrypoints.worker import provider

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SEALER = crypto.Sealer(crypto.FixedKeys(crypto.parse_keys(crypto.generate_key())))


def a_key() -> str:
    return f"sk-admin-{ids.new_id(clock.now()).hex}"


async def connect(
    uow: db.UnitOfWork,
    organization_id: UUID,
    account: str | None = None,
    *,
    label: str = "Production",
    key: str | None = None,
    of: str = "openai",
    covers_direct: bool = False,
) -> types.Connection:
    made = await service.connect(
        uow,
        **_given(organization_id, account, key),
        connector=provider.Provider(provider=of),
        label=label,
        project_id=None,
        covers_direct=covers_direct,
    )
    return made.view.connection


async def rekey(
    uow: db.UnitOfWork, organization_id: UUID, connection_id: UUID, account: str | None, *, key: str | None = None
) -> types.Connection:
    connectors = {"openai": provider.Provider()}
    made = await service.rekey(uow, **_given(organization_id, account, key), connectors=connectors, connection_id=connection_id)
    return made.view.connection


def _given(organization_id: UUID, account: str | None, key: str | None) -> dict[str, Any]:
    return {
        "actor": actor.system(organization_id),
        "now": NOW,
        "at": clock.now(),
        "sealer": SEALER,
        "organization_id": organization_id,
        "check": types.KeyCheck("Anybody's key.", ("completions",), account),
        "key": crypto.SecretText(key or a_key()),
        "outside": False,
    }
