"""Migrating a real database: by many at once, against somebody else's lock, and from a later version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from carbonledger.infra import migrations
from carbonledger.infra import server as servers
from tests import conftest


@pytest.fixture
async def empty(server: conftest.Server) -> AsyncIterator[str]:
    """Give the owner's address of a database that nobody has migrated."""
    name = f"test_{uuid4().hex[:12]}"
    async with servers.connected(server.superuser) as conn:
        await conn.execute(f"CREATE DATABASE {name} OWNER carbonledger_owner")
        try:
            yield server.dsn("owner", name)
        finally:
            await conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_many_that_migrate_at_once_take_turns(empty: str) -> None:
    reached = await asyncio.gather(*(migrations.upgrade(empty) for _ in range(4)))

    assert set(reached) == {migrations.head()}


async def test_a_migration_that_waits_for_a_lock_gives_up_soon_changes_nothing_and_can_be_repeated(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await migrations.upgrade(empty, revision="0004") == "0004"
    conn = await asyncpg.connect(empty)
    try:
        async with conn.transaction():
            await conn.execute("LOCK TABLE organizations IN ACCESS EXCLUSIVE MODE")  # 0005 refers to it
            with monkeypatch.context() as soon, pytest.raises(migrations.MigrationBlocked, match=r"at revision 0004"):
                soon.setattr(migrations, "LOCK_TIMEOUT_MS", 100)
                await migrations.upgrade(empty)
        assert await migrations.current(empty) == "0004"
    finally:
        await conn.close()

    assert await migrations.upgrade(empty) == migrations.head()


async def test_a_database_of_a_later_version_is_left_alone(fresh_database: conftest.TestDatabase) -> None:
    conn = await asyncpg.connect(fresh_database.owner)
    try:
        await conn.execute("UPDATE alembic_version SET version_num = '9999'")
    finally:
        await conn.close()

    with pytest.raises(migrations.SchemaFromTheFuture, match="9999"):
        await migrations.upgrade(fresh_database.owner)
    with pytest.raises(migrations.SchemaFromTheFuture, match="9999"):
        await migrations.require_current(fresh_database.owner)
    assert await migrations.current(fresh_database.owner) == "9999"
