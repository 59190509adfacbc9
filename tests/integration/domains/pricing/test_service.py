"""Publishing the price book: once for each version, whoever comes first, and never changed afterwards."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from carbonledger.domains.pricing import data, service
from carbonledger.infra import clock, db
from tests import conftest

ROWS = "SELECT id, version, as_of, source, prices, overrides FROM price_books"


async def opened(at: conftest.TestDatabase, *, size: int = 8) -> db.Database:
    return await db.connect(at.app, size=size, application="test")


async def book_id(database: db.Database) -> int:
    async with database.transaction() as uow:
        return await service.book_id(uow, at=clock.now())


async def test_a_book_is_published_once_byte_for_byte(fresh_database: conftest.TestDatabase) -> None:
    first, second = await opened(fresh_database), await opened(fresh_database)  # as two processes
    try:
        ids = {await book_id(first), await book_id(first), await book_id(second)}
        async with first.transaction(read_only=True) as uow:
            rows = await uow.conn.fetch(ROWS)
    finally:
        await first.close()
        await second.close()
    assert len(rows) == 1
    assert ids == {rows[0]["id"]}
    assert rows[0]["version"] == service.book().version
    assert (rows[0]["prices"], rows[0]["overrides"]) == (data.prices(), data.overrides())
    assert rows[0]["source"]["name"] == "genai-prices"


async def test_many_that_publish_at_once_get_one_id(fresh_database: conftest.TestDatabase) -> None:
    databases = [await opened(fresh_database, size=2) for _ in range(5)]
    try:
        ids = await asyncio.gather(*(book_id(database) for database in databases for _ in range(2)))
    finally:
        await asyncio.gather(*(database.close() for database in databases))
    assert len(set(ids)) == 1


async def test_an_id_of_a_transaction_that_was_rolled_back_is_not_remembered(fresh_database: conftest.TestDatabase) -> None:
    database = await opened(fresh_database)
    try:
        with pytest.raises(RuntimeError):
            async with database.transaction() as uow:
                await service.book_id(uow, at=clock.now())
                raise RuntimeError
        found = await book_id(database)
        async with database.transaction(read_only=True) as uow:
            assert [row["id"] for row in await uow.conn.fetch(ROWS)] == [found]
    finally:
        await database.close()


@pytest.mark.parametrize("table", ["price_books", "factor_sets", "emission_rates"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
async def test_even_the_owner_changes_and_removes_nothing_that_is_published(
    fresh_database: conftest.TestDatabase, table: str, statement: str
) -> None:
    await published(fresh_database)
    column = "version" if table == "factor_sets" else "digest" if table == "emission_rates" else "as_of"
    for dsn in (fresh_database.owner, fresh_database.superuser):
        conn = await asyncpg.connect(dsn)
        try:
            with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
                await conn.execute(statement.format(table, column, column))
        finally:
            await conn.close()


async def published(at: conftest.TestDatabase) -> None:
    from carbonledger.domains.emissions import service as emissions
    from tests.integration.domains.emissions import events

    database = await opened(at)
    try:
        async with database.transaction() as uow:
            await service.book_id(uow, at=clock.now())
            await emissions.rate_ids(uow, at=clock.now(), emissions=[emissions.estimate(events.usage())])
    finally:
        await database.close()
