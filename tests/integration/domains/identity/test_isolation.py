"""Attacks on identity's tables as the running role, with raw SQL: another organization's rows, another person's rows, nobody's."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import pytest

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import api_keys, callers, entitlements, invitations, links, organizations, sessions, users
from carbonledger.infra import db
from carbonledger.kernel.actor import Role
from tests import conftest
from tests.integration.domains.identity.conftest import AT

TENANT = ("organizations", "entitlements", "members", "invitations", "api_keys")
PERSONAL = ("users", "passwords", "sessions", "one_use_tokens")
HASH = "$argon2id$of-a-test"


async def populate(database: db.Database, email: str) -> tuple[UUID, UUID]:
    """Make an organization with a row in every table of identity, and return it with its owner."""
    newcomer, _ = users.checked(
        email=email, name="Somebody", password="plenty of quiet otters", organization_name="Org", time_zone="UTC", currency="USD"
    )
    async with database.transaction() as uow:
        await users.sign_up(uow, at=AT, newcomer=newcomer, password_hash=HASH, by_mail=False, request_id=None)
    async with database.transaction() as uow:
        user_id: UUID = await uow.conn.fetchval("SELECT user_by_email($1)", email)
        [membership] = await sessions.memberships(uow, user_id=user_id)
        await links.make(uow, at=AT, user_id=user_id, purpose=types.LinkPurpose.RESET_PASSWORD)
        await sessions.open_for(uow, at=AT, user_id=user_id, user_agent="x", address="203.0.113.7", request_id=None)
    organization_id = membership.organization_id
    actor = callers.operator_actor(organization_id)
    async with database.transaction(organization_id) as uow:
        await api_keys.create(uow, actor=actor, now=AT, at=AT, organization_id=organization_id, label="x", granted=("*",))
        await invitations.invite(
            uow,
            actor=actor,
            now=AT,
            at=AT,
            organization_id=organization_id,
            email=f"friend.of.{email}",
            role=Role.VIEWER,
            by_mail=False,
        )
        await entitlements.grant(
            uow,
            actor=actor,
            now=AT,
            at=AT,
            organization_id=organization_id,
            quotas={types.Quota("agents", default=None): 3},
            features={},
        )
    return organization_id, user_id


async def enter(uow: db.UnitOfWork, user_id: UUID) -> None:
    await uow.conn.execute("SELECT set_config('carbonledger.user_id', $1, true)", str(user_id))


@pytest.mark.parametrize("table", [*TENANT, *PERSONAL])
async def test_without_tenant_and_person_no_row_is_seen(own_database: db.Database, table: str) -> None:
    await populate(own_database, "ann@example.com")
    async with own_database.transaction() as uow:
        assert await uow.conn.fetchval(f"SELECT count(*) FROM {table}") == 0


@pytest.mark.parametrize("table", TENANT)
async def test_of_another_organization_no_row_is_seen_changed_or_deleted(
    own_database: db.Database, fresh_database: conftest.TestDatabase, table: str
) -> None:
    victim, _ = await populate(own_database, "ann@example.com")
    mine, _ = await populate(own_database, "ben@example.com")
    column = "id" if table == "organizations" else "organization_id"
    async with own_database.transaction(mine) as uow:
        seen = await uow.conn.fetch(f"SELECT {column} FROM {table}")
        assert {row[0] for row in seen} == {mine}
        assert await uow.conn.fetchval(f"SELECT count(*) FROM {table} WHERE {column} = $1", victim) == 0
    before = await snapshot(fresh_database, table, column, victim)
    assert before
    for statement in (
        f"UPDATE {table} SET {column} = '{mine}' WHERE {column} = '{victim}'",
        f"UPDATE {table} SET {column} = '{victim}' WHERE {column} = '{mine}'",  # planting one's own rows there
        f"DELETE FROM {table} WHERE {column} = '{victim}'",
        f"DELETE FROM {table}",
    ):
        try:
            async with own_database.transaction(mine) as uow:
                await uow.conn.execute(statement)
        except (asyncpg.InsufficientPrivilegeError, asyncpg.ForeignKeyViolationError):
            continue  # refused, which is as good as done nothing
    assert await snapshot(fresh_database, table, column, victim) == before


async def snapshot(database: conftest.TestDatabase, table: str, column: str, victim: UUID) -> list[str]:
    conn = await asyncpg.connect(database.superuser)
    try:
        return sorted(row[0] for row in await conn.fetch(f"SELECT t::text FROM {table} t WHERE {column} = $1", victim))
    finally:
        await conn.close()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO members VALUES ($1, $2, 'owner', $3, $3)",
        "INSERT INTO entitlements VALUES ($1, 'agents2', 'quota', 7, NULL, $3)",
        "INSERT INTO invitations (organization_id, id, email, role, created_at, expires_at) VALUES ($1, $2, 'e@x', 'owner', $3, $3)",
        "INSERT INTO api_keys (organization_id, id, label, prefix, last_four, token_hash, scopes, created_at)"
        " VALUES ($1, $2, 'x', 'cl_live_abcd', 'wxyz', sha256('x'), '{*}', $3)",
    ],
)
async def test_no_row_is_planted_in_another_organization(own_database: db.Database, statement: str) -> None:
    victim, _ = await populate(own_database, "ann@example.com")
    mine, my_user = await populate(own_database, "ben@example.com")
    arguments = [victim, my_user, AT][: max(int(place) for place in "123" if f"${place}" in statement)]
    if "$2" not in statement:
        statement, arguments = statement.replace("$3", "$2"), [victim, AT]
    for organization_id in (mine, None):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            async with own_database.transaction(organization_id) as uow:
                await uow.conn.execute(statement, *arguments)


@pytest.mark.parametrize("table", PERSONAL)
async def test_of_another_person_no_row_is_seen_changed_or_deleted(
    own_database: db.Database, fresh_database: conftest.TestDatabase, table: str
) -> None:
    organization_id, victim = await populate(own_database, "ann@example.com")
    _, mine = await populate(own_database, "ben@example.com")
    column = "id" if table == "users" else "user_id"
    before = await snapshot(fresh_database, table, column, victim)
    assert before
    for tenant in (None, organization_id):
        async with own_database.transaction(tenant) as uow:
            await enter(uow, mine)
            others = await uow.conn.fetchval(f"SELECT count(*) FROM {table} WHERE {column} = $1", victim)
            # An organization sees who its members are, and nothing else of them.
            assert others == (1 if table == "users" and tenant is not None else 0)
    for statement in (
        f"UPDATE {table} SET {column} = '{mine}' WHERE {column} = '{victim}'",
        f"DELETE FROM {table} WHERE {column} = '{victim}'",
        f"DELETE FROM {table} WHERE {column} <> '{mine}'",
        "UPDATE users SET email = 'stolen@example.com', verified_at = NULL WHERE id <> '" + str(mine) + "'",
    ):
        try:
            async with own_database.transaction(organization_id) as uow:
                await enter(uow, mine)
                await uow.conn.execute(statement)
        except (asyncpg.InsufficientPrivilegeError, asyncpg.IntegrityConstraintViolationError):
            continue  # refused, which is as good as done nothing
    assert await snapshot(fresh_database, table, column, victim) == before


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO passwords VALUES ($1, '$argon2id$planted', $2)",
        "INSERT INTO sessions (id, user_id, organization_id, token_hash, created_at, seen_at, expires_at)"
        " SELECT gen_random_uuid(), $1, id, sha256('x'), $2, $2, 'infinity' FROM organizations LIMIT 1",
        "INSERT INTO one_use_tokens (id, user_id, purpose, token_hash, created_at, expires_at)"
        " VALUES (gen_random_uuid(), $1, 'sign_in', sha256('x'), $2, 'infinity')",
    ],
)
async def test_no_way_in_is_planted_for_another_person(own_database: db.Database, statement: str) -> None:
    organization_id, victim = await populate(own_database, "ann@example.com")
    _, mine = await populate(own_database, "ben@example.com")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        async with own_database.transaction(organization_id) as uow:
            await enter(uow, mine)
            await uow.conn.execute(statement, victim, AT)


async def test_the_look_ups_show_no_more_than_they_must(own_database: db.Database) -> None:
    """What each returns is their whole surface: no e-mail, no name of a person, no hash but the password's of one address."""
    query = """
    SELECT p.proname, array_agg(a.name ORDER BY a.name) AS columns FROM pg_proc p
    CROSS JOIN LATERAL unnest(coalesce(p.proargnames, '{}'), coalesce(p.proargmodes, '{}')) AS a (name, mode)
    WHERE p.prosecdef AND a.mode = 't' GROUP BY 1
    """
    async with own_database.transaction() as uow:
        shown = {row["proname"]: set(row["columns"]) for row in await uow.conn.fetch(query)}
    secrets = {"token_hash", "password", "email", "hash", "user_agent", "address"}
    leaks = {name: columns & secrets for name, columns in shown.items() if columns & secrets}
    assert leaks == {"password_by_email": {"hash"}, "invitation_by_hash": {"email"}}


async def test_forgetting_invitations_reaches_only_those_to_the_person_of_the_transaction(own_database: db.Database) -> None:
    victim, _ = await populate(own_database, "ann@example.com")
    _, mine = await populate(own_database, "ben@example.com")
    for user_id in (mine, uuid4(), None):
        async with own_database.transaction() as uow:
            if user_id is not None:
                await enter(uow, user_id)
            await uow.conn.execute("SELECT forget_invitations($1)", AT)
    async with own_database.transaction(victim) as uow:
        assert await uow.conn.fetchval("SELECT count(*) FROM invitations WHERE state = 'pending'") == 1


async def test_an_external_id_that_looks_like_an_organizations_id_does_not_pose_as_it(own_database: db.Database) -> None:
    victim, _ = await populate(own_database, "ann@example.com")
    actor = callers.operator_actor(None)
    async with own_database.transaction() as uow:
        await organizations.create(uow, actor=actor, at=AT, draft=organizations.Draft(name="Poser", external_id=str(victim)))
    async with own_database.transaction() as uow:
        assert await uow.conn.fetchval("SELECT organization_id FROM organization_by_claim($1)", str(victim)) == victim
