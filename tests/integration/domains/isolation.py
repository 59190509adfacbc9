"""What every table of an organization withstands, attacked with raw SQL as the running role."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from carbonledger.infra import db
from tests import conftest


async def rows(database: conftest.TestDatabase, table: str, organization_id: UUID) -> list[str]:
    """Return an organization's rows as they are, read past the policies."""
    conn = await asyncpg.connect(database.superuser)
    try:
        found = await conn.fetch(f"SELECT t::text FROM {table} t WHERE organization_id = $1", organization_id)
        return sorted(row[0] for row in found)
    finally:
        await conn.close()


async def assert_nothing_without_a_tenant(database: db.Database, table: str) -> None:
    async with database.transaction() as uow:
        assert await uow.conn.fetchval(f"SELECT count(*) FROM {table}") == 0


async def assert_apart(database: db.Database, past_policies: conftest.TestDatabase, table: str, *, mine: UUID, theirs: UUID) -> None:
    """Of two organizations that both have rows, one sees only its own and can't change, take, plant or delete the other's."""
    async with database.transaction(mine) as uow:
        seen = await uow.conn.fetch(f"SELECT organization_id FROM {table}")
    assert {row[0] for row in seen} == {mine}
    before = await rows(past_policies, table, theirs)
    assert before
    for statement in (
        f"UPDATE {table} SET organization_id = '{mine}' WHERE organization_id = '{theirs}'",
        f"UPDATE {table} SET organization_id = '{theirs}' WHERE organization_id = '{mine}'",  # planting one's own rows there
        f"DELETE FROM {table} WHERE organization_id = '{theirs}'",
        f"DELETE FROM {table}",
    ):
        try:
            async with database.transaction(mine) as uow:
                await uow.conn.execute(statement)
        except (asyncpg.InsufficientPrivilegeError, asyncpg.IntegrityConstraintViolationError):
            continue  # refused, which is as good as done nothing
    assert await rows(past_policies, table, theirs) == before
