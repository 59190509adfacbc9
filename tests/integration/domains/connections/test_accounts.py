"""An organization has one connection of an account at a time, and a connection one account, as far as the provider tells."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from carbonledger.domains.connections import service, types
from carbonledger.infra import db
from carbonledger.kernel import actor
from tests import conftest, until
from tests.integration.domains.connections.making import NOW, a_key, connect, rekey

MINE, OTHER = "org-mine", "org-other"


class Undone(Exception):
    """What ends a transaction that is not to be kept."""


async def delete(uow: db.UnitOfWork, organization_id: UUID, connection_id: UUID) -> None:
    await service.delete(uow, actor=actor.system(organization_id), now=NOW, organization_id=organization_id, connection_id=connection_id)


async def added(database: db.Database, organization_id: UUID, account: str | None, *, label: str = "Production") -> types.Connection:
    async with database.transaction(organization_id) as uow:
        return await connect(uow, organization_id, account, label=label)


async def shown(database: db.Database, organization_id: UUID, connection_id: UUID) -> types.Connection:
    async with database.transaction(organization_id) as uow:
        return (await service.show(uow, organization_id=organization_id, connection_id=connection_id)).connection


async def test_a_second_key_of_an_account_is_refused_and_told_which_connection_reads_it(
    database: db.Database, organization_id: UUID
) -> None:
    made = await added(database, organization_id, MINE)
    assert made.account == MINE
    with pytest.raises(types.AccountConnected, match=r"The connection “Production” reads .*org-mine.* Give that one the new key"):
        await added(database, organization_id, MINE, label="Again")
    async with database.transaction(organization_id) as uow:
        assert await uow.conn.fetchval("SELECT count(*) FROM connections") == 1
        assert await uow.conn.fetchval("SELECT count(*) FROM secrets") == 1


async def test_the_very_same_key_is_told_as_such_though_its_account_is_the_same_too(database: db.Database, organization_id: UUID) -> None:
    key = a_key()
    async with database.transaction(organization_id) as uow:
        await connect(uow, organization_id, MINE, key=key)
    for account in (MINE, OTHER, None):
        with pytest.raises(types.ConnectionDuplicate):
            async with database.transaction(organization_id) as uow:
                await connect(uow, organization_id, account, label="Again", key=key)


async def test_other_accounts_providers_and_organizations_are_not_in_the_way(database: db.Database, organization_id: UUID) -> None:
    await added(database, organization_id, MINE)
    await added(database, organization_id, OTHER, label="Other")
    async with database.transaction(organization_id) as uow:
        await connect(uow, organization_id, MINE, label="Elsewhere", of="anthropic")
    other = await conftest.make_organization(database)
    assert (await added(database, other, MINE)).account == MINE


async def test_accounts_that_are_not_told_are_all_taken(database: db.Database, organization_id: UUID) -> None:
    for label in ("One", "Two"):
        assert (await added(database, organization_id, None, label=label)).account is None


async def test_a_deleted_connection_frees_its_account_and_still_names_it(database: db.Database, organization_id: UUID) -> None:
    made = await added(database, organization_id, MINE)
    async with database.transaction(organization_id) as uow:
        await delete(uow, organization_id, made.id)
    assert (await added(database, organization_id, MINE, label="Again")).account == MINE
    assert (await shown(database, organization_id, made.id)).account == MINE


async def test_of_two_at_once_the_one_that_comes_later_is_refused(database: db.Database, organization_id: UUID) -> None:
    await added(database, organization_id, OTHER, label="There before")  # and the default project with it
    async with database.transaction(organization_id) as uow:
        await connect(uow, organization_id, MINE, label="First")
        second = asyncio.create_task(added(database, organization_id, MINE, label="Second"))
        await until.comes(lambda: conftest.waits_for_a_lock(database))
    with pytest.raises(types.AccountConnected, match="“First”"):
        await second


async def test_one_that_comes_later_is_taken_where_the_first_is_undone(database: db.Database, organization_id: UUID) -> None:
    await added(database, organization_id, OTHER, label="There before")
    seconds: list[asyncio.Task[types.Connection]] = []
    with pytest.raises(Undone):
        async with database.transaction(organization_id) as uow:
            await connect(uow, organization_id, MINE, label="First")
            seconds.append(asyncio.create_task(added(database, organization_id, MINE, label="Second")))
            await until.comes(lambda: conftest.waits_for_a_lock(database))
            raise Undone
    assert (await seconds[0]).account == MINE


async def test_a_new_key_of_the_same_account_is_taken_and_one_of_another_is_refused(database: db.Database, organization_id: UUID) -> None:
    made = await added(database, organization_id, MINE)
    async with database.transaction(organization_id) as uow:
        assert (await rekey(uow, organization_id, made.id, MINE)).account == MINE
    before = await shown(database, organization_id, made.id)
    with pytest.raises(types.AccountDiffers, match="org-other"):
        async with database.transaction(organization_id) as uow:
            await rekey(uow, organization_id, made.id, OTHER)
    assert await shown(database, organization_id, made.id) == before
    async with database.transaction(organization_id) as uow:
        assert (await rekey(uow, organization_id, made.id, None)).account == MINE
    assert await shown(database, organization_id, made.id) != before


async def test_a_connection_of_an_unknown_account_learns_it_from_a_new_key(database: db.Database, organization_id: UUID) -> None:
    made = await added(database, organization_id, None)
    async with database.transaction(organization_id) as uow:
        await rekey(uow, organization_id, made.id, MINE)
    assert (await shown(database, organization_id, made.id)).account == MINE
    with pytest.raises(types.AccountConnected):
        await added(database, organization_id, MINE, label="Again")


async def test_an_account_that_another_connection_reads_is_not_taken_over(database: db.Database, organization_id: UUID) -> None:
    await added(database, organization_id, MINE)
    unknown = await added(database, organization_id, None, label="Unknown")
    with pytest.raises(types.AccountConnected, match="“Production”"):
        async with database.transaction(organization_id) as uow:
            await rekey(uow, organization_id, unknown.id, MINE)
    assert await shown(database, organization_id, unknown.id) == unknown


async def test_a_connections_own_key_once_more_is_not_taken_for_anothers(database: db.Database, organization_id: UUID) -> None:
    key = a_key()
    await added(database, organization_id, MINE)
    async with database.transaction(organization_id) as uow:
        unknown = await connect(uow, organization_id, None, label="Unknown", key=key)
    with pytest.raises(types.AccountConnected, match="“Production”"):
        async with database.transaction(organization_id) as uow:
            await rekey(uow, organization_id, unknown.id, MINE, key=key)


async def test_another_connections_key_is_not_taken_over(database: db.Database, organization_id: UUID) -> None:
    key = a_key()
    async with database.transaction(organization_id) as uow:
        await connect(uow, organization_id, MINE, key=key)
    unknown = await added(database, organization_id, None, label="Unknown")
    with pytest.raises(types.ConnectionDuplicate):
        async with database.transaction(organization_id) as uow:
            await rekey(uow, organization_id, unknown.id, MINE, key=key)
