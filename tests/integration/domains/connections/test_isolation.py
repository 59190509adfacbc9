"""No organization sees, moves, reads or ends another's connection, whatever it asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.connections import service, types
from carbonledger.domains.projects import service as projects
from carbonledger.infra import clock, db
from carbonledger.kernel import actor, ids, page
from tests import conftest
from tests.integration.domains.connections import making
from tests.integration.domains.connections.making import NOW


async def connect(database: db.Database, organization_id: UUID, key: str = "sk-admin-of-somebody-1234") -> types.Connection:
    async with database.transaction(organization_id) as uow:
        return await making.connect(uow, organization_id, key=key, covers_direct=True)


async def delete(uow: db.UnitOfWork, **names: Any) -> None:
    await service.delete(uow, actor=actor.system(names["organization_id"]), now=NOW, **names)


async def sync(uow: db.UnitOfWork, **names: Any) -> None:
    await service.sync(uow, actor=actor.system(names["organization_id"]), now=NOW, at=clock.now(), **names)


async def move(uow: db.UnitOfWork, **names: Any) -> None:
    own = await projects.default_project(
        uow, actor=actor.system(names["organization_id"]), now=NOW, at=clock.now(), organization_id=names["organization_id"]
    )
    await service.move(uow, actor=actor.system(names["organization_id"]), now=NOW, at=clock.now(), project_id=own.id, **names)


@pytest.mark.parametrize("use_case", [service.show, delete, sync, move])
async def test_anothers_connection_is_not_there(
    database: db.Database, organization_id: UUID, use_case: Callable[..., Awaitable[Any]]
) -> None:
    other = await conftest.make_organization(database)
    theirs = await connect(database, other)
    with pytest.raises(types.ConnectionNotFound):
        async with database.transaction(organization_id) as uow:
            await use_case(uow, organization_id=organization_id, connection_id=theirs.id)
    async with database.transaction(other) as uow:
        assert (await service.show(uow, organization_id=other, connection_id=theirs.id)).connection == theirs


async def test_lists_polls_and_duplicates_are_an_organizations_own(database: db.Database, organization_id: UUID) -> None:
    other = await conftest.make_organization(database)
    theirs = await connect(database, other)
    async with database.transaction(organization_id) as uow:
        whole = page.PageRequest(limit=page.LIMIT_MAX)
        assert (await service.list_connections(uow, organization_id=organization_id, provider=None, page=whole)).data == ()
        begun = await service.begin(
            uow, actor=actor.system(organization_id), now=NOW, organization_id=organization_id, connection_id=theirs.id, reason="poll"
        )
        assert begun is None
        # Whoever names the other organization in the query still sees no row of it: the database itself holds it back.
        with pytest.raises(types.ConnectionNotFound):
            await service.show(uow, organization_id=other, connection_id=theirs.id)
        for table in ("connections", "connection_streams", "connection_buckets", "reported_costs", "telemetry_authorities"):
            assert await uow.conn.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    await connect(database, organization_id)  # the same key may be another organization's too


async def test_a_connection_that_never_was_is_not_polled(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id) as uow:
        asked = await service.poll_if_due(
            uow, actor=actor.system(organization_id), now=NOW, organization_id=organization_id, connection_id=ids.new_id(NOW)
        )
    assert asked is False
