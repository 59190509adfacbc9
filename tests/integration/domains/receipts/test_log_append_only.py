"""The log can't be changed, shortened, forked or left with a hole: not by the service, not by dumps, not by the schema's owner."""

from __future__ import annotations

import asyncpg
import pytest

from carbonledger.infra import ddl
from carbonledger_proof import leaves, merkle
from tests import conftest
from tests.integration.domains.receipts import logs

REFUSED = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.RestrictViolationError,
    asyncpg.UniqueViolationError,
    asyncpg.CheckViolationError,
)
ROLES = ["app", "owner", "superuser", "maintenance"]
TABLES = ["log_leaves", "log_nodes", "log_checkpoints", "log_head", "signing_keys"]
NEXT = "(SELECT size FROM log_head)"


@pytest.fixture
async def filled(kit: logs.Kit) -> logs.Kit:
    """Return a log with two keys, 256 lots and a checkpoint, so that each of its tables has rows."""
    await kit.ready()
    await kit.append(*range(256))
    await kit.sign()
    return kit


async def connect(database: conftest.TestDatabase, role: str) -> asyncpg.Connection[asyncpg.Record]:
    if role == "maintenance":
        conn = await asyncpg.connect(database.owner)
        await conn.execute(f"SET ROLE {ddl.MAINTENANCE}")
        return conn
    return await asyncpg.connect(getattr(database, role))


async def refused(database: conftest.TestDatabase, role: str, *statements: str) -> None:
    """Each statement, in a transaction of its own that would commit, is refused."""
    conn = await connect(database, role)
    try:
        for statement in statements:
            with pytest.raises(REFUSED):
                async with conn.transaction():
                    await conn.execute(statement)
    finally:
        await conn.close()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", TABLES)
async def test_no_role_deletes_or_truncates(filled: logs.Kit, fresh_database: conftest.TestDatabase, role: str, table: str) -> None:
    await refused(fresh_database, role, f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_changes_what_stands(filled: logs.Kit, fresh_database: conftest.TestDatabase, role: str) -> None:
    await refused(
        fresh_database,
        role,
        "UPDATE log_leaves SET leaf = leaf || ' ', hash = sha256('\\x00'::bytea || leaf || ' ') WHERE index = 3",
        "UPDATE log_leaves SET at = at",
        "UPDATE log_nodes SET hash = sha256(hash)",
        "UPDATE log_checkpoints SET note = 'other'",
        "UPDATE log_checkpoints SET size = size + 1",
        "UPDATE signing_keys SET not_before = not_before - interval '1 day'",
        "UPDATE signing_keys SET public = sha256(public)",
        "UPDATE signing_keys SET purpose = 'log' WHERE purpose = 'receipts'",
    )


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_moves_the_head_where_its_leaves_do_not_lead(
    filled: logs.Kit, fresh_database: conftest.TestDatabase, role: str
) -> None:
    await refused(
        fresh_database,
        role,
        "UPDATE log_head SET size = size - 1",
        "UPDATE log_head SET size = 0, peaks = '', signed_size = 0",
        "UPDATE log_head SET size = size + 1, peaks = substr(peaks || peaks, 1, 32 * bit_count((size + 1)::bit(64))::int)",
        "UPDATE log_head SET peaks = substr(sha256(peaks) || sha256(peaks), 1, octet_length(peaks))",
        "UPDATE log_head SET signed_size = signed_size - 1",
        "UPDATE log_head SET last_at = last_at - interval '1 second'",
        "UPDATE log_head SET origin = 'another.example/log'",
        "INSERT INTO log_head (is_head, size, peaks, signed_size, last_at) VALUES (true, 0, '', 0, now())",
        "INSERT INTO log_head (is_head, size, peaks, signed_size, last_at) VALUES (false, 0, '', 0, now())",
    )


def insertion(index: str, *, leaf: str = "{}", hash_: str | None = None) -> str:
    digest = f"sha256('\\x00'::bytea || '{leaf}'::bytea)" if hash_ is None else hash_
    return f"INSERT INTO log_leaves (index, kind, leaf, hash, at) VALUES ({index}, 'lot.imported', '{leaf}', {digest}, now())"


@pytest.mark.parametrize("role", ROLES)
async def test_no_role_adds_a_leaf_past_a_hole_twice_or_beyond_the_head(
    filled: logs.Kit, fresh_database: conftest.TestDatabase, role: str
) -> None:
    await refused(
        fresh_database,
        role,
        insertion(f"{NEXT} + 1"),
        insertion("-1"),
        insertion("7"),
        insertion(NEXT),  # the head does not count it: refused when the transaction would commit
        insertion(NEXT, hash_="sha256('another')"),
        insertion(NEXT, leaf=""),
        "INSERT INTO log_checkpoints SELECT size, root, 'another', kid, signed_at FROM log_checkpoints",
        "INSERT INTO log_nodes SELECT level, index, sha256(hash) FROM log_nodes",
        "INSERT INTO log_nodes VALUES (7, 0, sha256('x'))",
    )


async def test_after_all_that_the_log_is_what_it_was_and_goes_on(filled: logs.Kit) -> None:
    before = await filled.contents()
    [entry] = await filled.append(9999)
    assert entry.index == len(before) == 258
    assert await filled.sign() is not None
    assert merkle.tree_root(map(merkle.leaf_hash, before)) != merkle.tree_root(map(merkle.leaf_hash, await filled.contents()))
    assert isinstance(leaves.parse(before[0]), leaves.KeyPublished)
