"""The schema as a whole: migrated equals declared, and every tenant table and partition is kept to its organization."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.schema import CreateIndex, CreateTable

from carbonledger.infra import columns, ddl
from tests import conftest

SOURCE = conftest.ROOT / "src" / "carbonledger"


def declared() -> list[Table]:
    """Every declared table, parents first."""
    files = [*SOURCE.glob("domains/*/tables.py"), *SOURCE.glob("domains/*/tables/[a-z]*.py")]
    modules = ["carbonledger.infra.tables", *(_module(path) for path in sorted(files))]
    for module in modules:
        importlib.import_module(module)
    return columns.metadata.sorted_tables


def _module(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)


TABLES = declared()
OURS = [table for table in TABLES if not table.name.startswith("pgqueuer")]  # the queue library brings its own schema

COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required, pg_get_expr(d.adbin, d.adrelid) AS default
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""
# Since PostgreSQL 18 NOT NULL has rows here as well; the columns say that already. A constraint trigger ('t') is a trigger.
CONSTRAINTS = """
SELECT conname AS name, pg_get_constraintdef(oid) AS rule FROM pg_constraint WHERE conrelid = $1::regclass AND contype NOT IN ('n', 't')
"""
INDEXES = "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS rule FROM pg_index WHERE indrelid = $1::regclass"
QUERIES = {"columns": COLUMNS, "constraints": CONSTRAINTS, "indexes": INDEXES}


async def snapshot(dsn: str, tables: Iterable[Table]) -> set[str]:
    """What PostgreSQL knows of each table, a line for each column, constraint and index."""
    conn = await asyncpg.connect(dsn)
    try:
        return {
            f"{table.name} {kind}: " + ", ".join(f"{name}={value}" for name, value in row.items())
            for table in tables
            for kind, query in QUERIES.items()
            for row in await conn.fetch(query, table.name)
        }
    finally:
        await conn.close()


async def test_the_migrated_schema_is_the_declared_one(server: conftest.Server, worker_database: conftest.TestDatabase) -> None:
    name = f"declared_{uuid4().hex[:12]}"
    conn = await asyncpg.connect(server.superuser)
    try:
        await conn.execute(f"CREATE DATABASE {name} OWNER carbonledger_owner")
        await create_declared(server.dsn("owner", name))
        expected = await snapshot(server.dsn("owner", name), OURS)
        migrated = await snapshot(worker_database.owner, OURS)
        assert (migrated - expected, expected - migrated) == (set(), set()), "(only migrated, only declared)"
    finally:
        await conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await conn.close()


async def create_declared(dsn: str) -> None:
    dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
    conn = await asyncpg.connect(dsn)
    try:
        for table in OURS:
            await conn.execute(str(CreateTable(table).compile(dialect=dialect)))
            for index in table.indexes:
                await conn.execute(str(CreateIndex(index).compile(dialect=dialect)))
    finally:
        await conn.close()


async def relations(dsn: str) -> dict[str, asyncpg.Record]:
    """Every table and partition of the database with its security."""
    query = """
    SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced, c.relispartition AS is_partition,
           EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) AS has_policy,
           (SELECT p.relname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent WHERE i.inhrelid = c.oid) AS parent,
           c.relacl::text AS grants
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    """
    conn = await asyncpg.connect(dsn)
    try:
        return {row["name"]: row for row in await conn.fetch(query)}
    finally:
        await conn.close()


async def test_every_table_and_partition_is_declared_as_a_tenants_or_as_global_with_a_reason(
    worker_database: conftest.TestDatabase,
) -> None:
    known = {table.name: table for table in TABLES}
    for name, row in (await relations(worker_database.superuser)).items():
        table = known.get(row["parent"] or name)
        assert table is not None or name == "alembic_version", f"{name} is not declared"
        if table is not None and not table.info[columns.TENANT]:
            assert table.info[columns.REASON], f"{name} is global without a reason"


async def test_every_tenant_table_and_partition_forces_row_level_security(worker_database: conftest.TestDatabase) -> None:
    tenants = {table.name for table in TABLES if table.info.get(columns.TENANT)}
    found = await relations(worker_database.superuser)
    assert tenants <= found.keys()
    for name, row in found.items():
        if (row["parent"] or name) in tenants:
            assert row["enabled"], f"{name} has row-level security off"
            assert row["forced"], f"{name} does not force row-level security on its owner"
            assert row["has_policy"] or row["is_partition"], f"{name} has no policy"


@pytest.mark.parametrize("table", [table for table in TABLES if table.info.get(columns.TENANT)], ids=lambda table: table.name)
def test_a_reference_from_tenant_to_tenant_names_the_organization_too(table: Table) -> None:
    """A foreign key's check passes by row-level security: without the organization it would accept, and betray, another tenant's id."""
    for key in table.foreign_key_constraints:
        target = key.referred_table
        if target.info.get(columns.TENANT) and target.name != "organizations":
            assert "organization_id" in key.column_keys, f"{table.name} -> {target.name}"


async def test_no_partition_is_granted_to_anybody_directly(worker_database: conftest.TestDatabase) -> None:
    for name, row in (await relations(worker_database.superuser)).items():
        if row["is_partition"]:
            assert not row["grants"] or "carbonledger_app" not in row["grants"], f"{name} can be reached past its parent's policy"


async def test_every_partition_of_the_ledger_is_kept_up_alike(worker_database: conftest.TestDatabase) -> None:
    """A partition that is made without these settings would be frozen years later, all of it at once (migration 0026)."""
    query = """
    SELECT c.relname, c.reloptions FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE i.inhparent = 'telemetry_events'::regclass AND c.relkind = 'r'
    """
    conn = await asyncpg.connect(worker_database.superuser)
    try:
        found = {row["relname"]: row["reloptions"] for row in await conn.fetch(query)}
    finally:
        await conn.close()
    assert found
    for name, options in found.items():
        assert "autovacuum_freeze_min_age=0" in (options or ()), name
        assert "autovacuum_vacuum_insert_scale_factor=0" in options, name
    assert len({*map(tuple, found.values())}) == 1


# A person may be a member of several organizations; what is theirs alone is kept to the user of the transaction instead.
PERSONAL = {"users", "passwords", "sessions", "one_use_tokens"}


async def test_every_policy_of_the_app_asks_for_the_organization_or_the_person_of_the_transaction(
    worker_database: conftest.TestDatabase,
) -> None:
    conn = await asyncpg.connect(worker_database.superuser)
    try:
        rows = await conn.fetch("SELECT tablename, policyname, roles, qual, with_check FROM pg_policies WHERE schemaname = 'public'")
    finally:
        await conn.close()
    assert rows
    for row in rows:
        where = f"{row['tablename']}.{row['policyname']}"
        assert set(row["roles"]) <= {ddl.APP, ddl.LOOKUP, ddl.MAINTENANCE}, f"{where} is open to {row['roles']}"
        for role in {ddl.LOOKUP, ddl.MAINTENANCE} & set(row["roles"]):
            # Before PostgreSQL 16 every member inherits, the schema's owner too.
            assert f"CURRENT_USER = '{role}'" in row["qual"], f"{where} also shows its rows to those who inherit from {role}"
        if ddl.APP in row["roles"]:
            for rule in (row["qual"], row["with_check"]):
                bound = rule is None or "current_organization()" in rule or (row["tablename"] in PERSONAL and "current_user_id()" in rule)
                assert bound, f"{where}: {rule}"


async def test_every_function_that_runs_as_another_role_is_narrow(worker_database: conftest.TestDatabase) -> None:
    query = """
    SELECT p.proname AS name, r.rolname AS owner, p.proconfig AS config,
           has_function_privilege('public', p.oid, 'EXECUTE') AS anybody
    FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
    WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace
    """
    conn = await asyncpg.connect(worker_database.superuser)
    try:
        rows = await conn.fetch(query)
        granted = await conn.fetch(
            "SELECT DISTINCT privilege_type FROM information_schema.role_table_grants WHERE grantee = 'carbonledger_lookup'"
        )
    finally:
        await conn.close()
    assert rows
    for row in rows:
        assert row["owner"] == ddl.LOOKUP, f"{row['name']} runs as {row['owner']}"
        assert any(setting.startswith("search_path=pg_catalog") for setting in row["config"] or ()), (
            f"{row['name']} has no fixed search path"
        )
        assert not row["anybody"], f"{row['name']} can be called by anybody"
    assert granted == [], "the look-up role is granted columns, never whole tables"


@pytest.mark.parametrize("table", [table for table in TABLES if table.info.get(columns.TENANT)], ids=lambda table: table.name)
async def test_the_app_sees_changes_and_deletes_no_row_of_another_tenant(table: Table, worker_database: conftest.TestDatabase) -> None:
    """Holds for rows that exist: as many as the database has by now, and at least the attempt itself is made for each table."""
    conn = await asyncpg.connect(worker_database.app)
    tenant = table.info[columns.TENANT_COLUMN]
    try:
        for organization_id in (None, uuid4()):
            async with conn.transaction():
                if organization_id is not None:
                    await conn.execute(f"SET LOCAL {ddl.TENANT_SETTING} = '{organization_id}'")
                assert await conn.fetchval(f"SELECT count(*) FROM {table.name}") == 0
        await refused(conn, f"UPDATE {table.name} SET {tenant} = {tenant}")
        await refused(conn, f"DELETE FROM {table.name}")
        await refused(conn, f"TRUNCATE {table.name}", denied=True)
    finally:
        await conn.close()


async def refused(conn: asyncpg.Connection[asyncpg.Record], statement: str, *, denied: bool = False) -> None:
    """The statement is denied, or (where the right itself is granted) touches no row."""
    transaction = conn.transaction()
    await transaction.start()
    try:
        await conn.execute(f"SET LOCAL {ddl.TENANT_SETTING} = '{UUID(int=1)}'")
        status = await conn.execute(statement)
        assert not denied, statement
        assert status.endswith(" 0"), f"{statement}: {status}"
    except asyncpg.InsufficientPrivilegeError:
        pass  # the right was never granted: the strongest refusal there is
    finally:
        await transaction.rollback()
