"""The unit of work against a real PostgreSQL: one transaction for statements and raw queries, tenants kept apart, faults named."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import func, insert, select, update

from carbonledger.domains.identity import tables
from carbonledger.infra import clock, db
from tests import conftest
from tests.integration.infra import ending

organizations = tables.organizations


async def test_without_a_tenant_there_are_no_rows(database: db.Database) -> None:
    await conftest.make_organization(database)
    async with database.transaction() as uow:
        assert await uow.fetch_value(select(func.count()).select_from(organizations)) == 0


async def test_a_tenant_sees_and_changes_only_its_own_rows(database: db.Database) -> None:
    mine, other = await conftest.make_organization(database), await conftest.make_organization(database)
    async with database.transaction(mine) as uow:
        assert [row["id"] for row in await uow.fetch(select(organizations.c.id))] == [mine]
        assert await uow.execute(update(organizations).where(organizations.c.id == other).values(name="taken")) == 0


async def test_a_row_for_another_tenant_is_refused_by_the_database(database: db.Database) -> None:
    now = clock.now()
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        async with database.transaction(uuid4()) as uow:
            await uow.execute(insert(organizations).values(id=uuid4(), name="x", created_at=now, updated_at=now))


async def test_a_statement_and_a_raw_query_share_the_transaction(database: db.Database, organization_id: UUID) -> None:
    with pytest.raises(RuntimeError, match="undo"):
        async with database.transaction(organization_id) as uow:
            await uow.execute(update(organizations).values(name="changed"))
            assert await uow.conn.fetchval("SELECT name FROM organizations") == "changed"
            raise RuntimeError("undo")
    async with database.transaction(organization_id) as uow:
        assert await uow.fetch_value(select(organizations.c.name)) == "Test"


async def test_patience_is_of_one_transaction(worker_database: conftest.TestDatabase) -> None:
    single = await db.connect(worker_database.app, size=1, application="test")
    try:
        async with single.transaction() as uow:
            usual = await uow.conn.fetchval("SHOW statement_timeout")
            await uow.be_patient()
            assert await uow.conn.fetchval("SHOW statement_timeout") == "10min" != usual
        async with single.transaction() as uow:  # the same connection, since the pool has one
            assert await uow.conn.fetchval("SHOW statement_timeout") == usual
    finally:
        await single.close()


async def test_the_tenant_does_not_outlive_its_transaction(worker_database: conftest.TestDatabase) -> None:
    single = await db.connect(worker_database.app, size=1, application="test")
    try:
        organization_id = await conftest.make_organization(single)
        async with single.transaction(organization_id) as uow:
            assert await uow.fetch_value(select(func.count()).select_from(organizations)) == 1
        async with single.transaction() as uow:  # the same connection, since the pool has one
            assert await uow.fetch_value(select(func.count()).select_from(organizations)) == 0
    finally:
        await single.close()


async def test_a_savepoint_undoes_only_its_block(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id) as uow:
        await uow.execute(update(organizations).values(name="kept"))
        with pytest.raises(asyncpg.CheckViolationError):
            async with uow.savepoint():
                await uow.execute(update(organizations).values(currency="euro"))
    async with database.transaction(organization_id) as uow:
        assert await uow.fetch_value(select(organizations.c.name)) == "kept"


async def test_of_savepoints_inside_each_other_each_undoes_its_own_block(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id) as uow:
        with pytest.raises(RuntimeError, match="outer"):
            async with uow.savepoint():
                await uow.execute(update(organizations).values(name="outer work"))
                with pytest.raises(RuntimeError, match="inner"):
                    async with uow.savepoint():
                        raise RuntimeError("inner")
                raise RuntimeError("outer")
    async with database.transaction(organization_id) as uow:
        assert await uow.fetch_value(select(organizations.c.name)) == "Test"


async def test_after_commit_runs_only_when_committed(database: db.Database, organization_id: UUID) -> None:
    ran: list[str] = []
    async with database.transaction(organization_id) as uow:
        uow.after_commit(lambda: ran.append("committed"))
        assert ran == []
    with pytest.raises(RuntimeError, match="undo"):
        async with database.transaction(organization_id) as uow:
            uow.after_commit(lambda: ran.append("rolled back"))
            raise RuntimeError("undo")
    assert ran == ["committed"]


async def test_a_transaction_that_is_read_only_refuses_to_write(database: db.Database, organization_id: UUID) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with database.transaction(organization_id, read_only=True) as uow:
            await uow.execute(update(organizations).values(name="x"))


async def test_the_applications_role_owns_nothing_and_cannot_leave(database: db.Database) -> None:
    async with database.transaction() as uow:
        row = await uow.conn.fetchrow(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        )
        assert row is not None
        assert not any(row.values())
        owned = "SELECT count(*) FROM pg_class WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
        assert await uow.conn.fetchval(owned) == 0
    for role in ("carbonledger_owner", "carbonledger_lookup", "carbonledger_maintenance", "postgres"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.transaction() as uow:
                await uow.conn.execute(f"SET ROLE {role}")


async def test_the_owner_sees_no_rows_until_it_enters_the_maintenance_role(
    database: db.Database, worker_database: conftest.TestDatabase, organization_id: UUID
) -> None:
    conn = await asyncpg.connect(worker_database.owner)
    try:
        assert await conn.fetchval("SELECT count(*) FROM organizations") == 0
        await conn.execute("SET ROLE carbonledger_maintenance")
        assert await conn.fetchval("SELECT count(*) FROM organizations WHERE id = $1", organization_id) == 1
    finally:
        await conn.close()


async def test_a_connection_that_the_server_ends_is_a_named_fault_and_the_next_one_works(
    database: db.Database, worker_database: conftest.TestDatabase, organization_id: UUID
) -> None:
    superuser = await asyncpg.connect(worker_database.superuser)
    try:
        with pytest.raises(db.DatabaseUnavailable):
            async with database.transaction(organization_id) as uow:
                await superuser.execute("SELECT pg_terminate_backend($1)", uow.conn.get_server_pid())
                await uow.fetch(select(organizations))
    finally:
        await superuser.close()
    async with database.transaction(organization_id) as uow:
        assert await uow.fetch_value(select(func.count()).select_from(organizations)) == 1


async def test_a_transaction_that_is_cut_off_leaves_its_tenant_to_nobody(
    worker_database: conftest.TestDatabase,
) -> None:
    single = await db.connect(worker_database.app, size=1, application="test")

    async def cut_off(organization_id: UUID) -> None:
        async with single.transaction(organization_id) as uow:
            await uow.conn.execute("SELECT pg_sleep(30)")

    try:
        organization_id = await conftest.make_organization(single)
        task = asyncio.create_task(cut_off(organization_id))
        superuser = await asyncpg.connect(worker_database.superuser)
        try:
            while not await _sleeps(superuser):  # bounded by the statement itself
                assert not task.done()
        finally:
            await superuser.close()
        task.cancel()
        await asyncio.sleep(0)  # the rollback has begun
        task.cancel()  # and is cut off as well
        with pytest.raises(asyncio.CancelledError):
            await task
        async with single.transaction() as uow:
            assert await uow.fetch_value(select(func.count()).select_from(organizations)) == 0
    finally:
        await single.close()


async def _sleeps(conn: asyncpg.Connection[asyncpg.Record]) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    return bool(await conn.fetchval(query))


@pytest.mark.parametrize(
    "last_word",
    [
        b"",  # killed: it hangs up
        ending.error_response("57P01"),  # asked to stop
        ending.error_response("57P02"),  # another of its processes was killed
        ending.error_response("57P03"),  # starting or stopping
        ending.error_response("53300"),  # too many connections
    ],
)
async def test_a_server_that_ends_while_a_connection_is_made_is_a_named_fault(last_word: bytes) -> None:
    async with ending.server(last_word) as address, asyncpg.create_pool(address, min_size=0, max_size=1) as pool:
        with pytest.raises(db.DatabaseUnavailable):
            async with db.Database(pool).transaction():
                pass


async def test_a_server_that_became_a_standby_is_one_that_is_away(worker_database: conftest.TestDatabase) -> None:
    database = await db.connect(worker_database.app, size=1, application="test")
    try:
        with pytest.raises(db.DatabaseUnavailable):
            async with database.transaction() as uow:
                await uow.conn.execute("SET TRANSACTION READ ONLY")  # as every transaction of a standby is
                await uow.conn.execute("DELETE FROM jobs")
        async with database.transaction() as uow:  # on another connection, which leads to the primary
            assert await uow.conn.execute("DELETE FROM jobs WHERE false") == "DELETE 0"
    finally:
        await database.close()


async def test_an_address_where_nothing_answers_is_a_named_fault() -> None:
    with pytest.raises(db.DatabaseUnavailable):
        await db.connect("postgresql://nobody@127.0.0.1:1/none", size=1, application="test")


async def test_what_waits_for_the_commit_of_undone_work_does_not_happen(database: db.Database) -> None:
    done: list[str] = []
    async with database.transaction() as uow:
        uow.after_commit(lambda: done.append("before"))
        with pytest.raises(RuntimeError):
            async with uow.savepoint():
                uow.after_commit(lambda: done.append("undone"))
                raise RuntimeError
        async with uow.savepoint():
            uow.after_commit(lambda: done.append("kept"))
        assert done == []
    assert done == ["before", "kept"]


async def test_a_unit_of_work_that_has_ended_speaks_in_nobody_elses_transaction(database: db.Database, organization_id: UUID) -> None:
    async with database.transaction(organization_id) as kept:
        pass

    async with database.transaction() as other:
        with pytest.raises(RuntimeError, match="has ended"):
            await kept.conn.execute("SELECT 1")
        assert await other.conn.fetchval("SELECT 1") == 1
