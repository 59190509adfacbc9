"""A database that goes away under a migration is said to be away, however the driver or SQLAlchemy puts it."""

from __future__ import annotations

import asyncpg
import pytest
import sqlalchemy
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from carbonledger.infra import db, passing
from tests import conftest


async def run(dsn: str, statement: str) -> None:
    async def connect(*_: object, **__: object) -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(dsn)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(sqlalchemy.text(statement))


async def test_a_session_that_is_ended_under_sqlalchemy_is_a_database_that_is_away(worker_database: conftest.TestDatabase) -> None:
    with pytest.raises(db.DatabaseUnavailable, match="The database went away"), passing.told_under_alembic():
        await run(worker_database.owner, "SELECT pg_terminate_backend(pg_backend_pid())")


async def test_a_session_that_is_ended_under_the_driver_is_a_database_that_is_away(worker_database: conftest.TestDatabase) -> None:
    connection = await asyncpg.connect(worker_database.owner)
    with pytest.raises(db.DatabaseUnavailable, match="The database went away"), passing.told_under_alembic():
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


async def test_a_wrong_statement_stays_a_defect(worker_database: conftest.TestDatabase) -> None:
    with pytest.raises(exc.ProgrammingError), passing.told_under_alembic():
        await run(worker_database.owner, "SELECT nothing_there")


@pytest.mark.parametrize("error", [ConnectionRefusedError(), FileNotFoundError("a socket"), TimeoutError()])
def test_a_connection_that_can_not_be_made_is_a_database_that_is_away(error: Exception) -> None:
    with pytest.raises(db.DatabaseUnavailable), passing.told_under_alembic():
        raise error


@pytest.mark.parametrize("error", [ValueError(), PermissionError(), asyncpg.UndefinedTableError("nothing there")])
def test_another_error_is_left_alone(error: Exception) -> None:
    with pytest.raises(type(error)), passing.told_under_alembic():
        raise error
