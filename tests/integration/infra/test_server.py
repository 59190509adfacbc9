"""The server under an installation: who may run the service, and what is said when it can't be had."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from urllib.parse import quote
from uuid import uuid4

import pytest

from carbonledger.infra import ddl, server
from tests import conftest
from tests.integration.infra import ending


@pytest.fixture
async def login(worker_database: conftest.TestDatabase) -> AsyncIterator[str]:
    """Return the name of a login that only this test uses, to be made by it."""
    name = f"test_{uuid4().hex[:12]}"
    yield name
    async with server.connected(worker_database.superuser) as conn:
        await conn.execute(f"DROP ROLE IF EXISTS {name}")


def address_of(database: conftest.TestDatabase, login: str, password: str = "word") -> str:
    """Return the app's address with another user."""
    scheme, _, rest = database.app.partition("://")
    return f"{scheme}://{login}:{password}@{rest.rpartition('@')[2]}"


async def test_the_role_of_the_service_is_safe(worker_database: conftest.TestDatabase) -> None:
    async with server.connected(worker_database.app) as conn:
        await server.require_safe(conn)
        standing = await server.standing(conn)

    assert (standing.login, standing.role, standing.faults, standing.serves) == (ddl.APP, ddl.APP, (), True)


@pytest.mark.parametrize(
    "role, fault",
    [
        ("superuser", "is a superuser and bypasses row-level security"),
        ("owner", "owns tables"),
    ],
)
async def test_a_role_that_could_see_every_tenant_is_refused_with_the_remedy(
    worker_database: conftest.TestDatabase, role: str, fault: str
) -> None:
    async with server.connected(getattr(worker_database, role)) as conn:
        with pytest.raises(server.RoleUnsafe) as caught:
            await server.require_safe(conn)

    assert fault in str(caught.value)
    assert "CARBONLEDGER_APP_DATABASE_URL" in str(caught.value)


async def test_a_login_that_may_enter_maintenance_is_refused(worker_database: conftest.TestDatabase, login: str) -> None:
    async with server.connected(worker_database.superuser) as conn:
        await conn.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'word' IN ROLE {ddl.APP}, {ddl.MAINTENANCE}")

    async with server.connected(address_of(worker_database, login)) as conn:
        with pytest.raises(server.RoleUnsafe, match=f"may enter {ddl.MAINTENANCE}"):
            await server.require_safe(conn)


async def test_a_login_without_the_services_rights_is_told_which(worker_database: conftest.TestDatabase, login: str) -> None:
    async with server.connected(worker_database.superuser) as conn:
        await conn.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'word'")

    async with server.connected(address_of(worker_database, login)) as conn:
        with pytest.raises(server.RoleUnsafe, match=f"lacks the rights of the service: GRANT {ddl.APP} TO {login}"):
            await server.require_safe(conn)


@pytest.mark.parametrize("password", ["plain", "p@ss/w:rd'\\ %"])
async def test_the_services_login_is_made_from_its_address_and_left_alone_afterwards(
    worker_database: conftest.TestDatabase, login: str, password: str
) -> None:
    address = address_of(worker_database, login, quote(password, safe=""))
    async with server.connected(worker_database.superuser) as conn:
        assert await server.ensure_login(conn, address) is True
        assert await server.ensure_login(conn, address_of(worker_database, login, "another")) is False

    async with server.connected(address) as conn:
        await server.require_safe(conn)
    with pytest.raises(server.ServerRefused, match=f"refuses the user '{login}' or the password"):
        async with server.connected(address_of(worker_database, login, "another")):
            pass


async def test_somebody_elses_group_is_not_turned_into_a_login(worker_database: conftest.TestDatabase, login: str) -> None:
    async with server.connected(worker_database.superuser) as conn:
        await conn.execute(f"CREATE ROLE {login} NOLOGIN")

        assert await server.ensure_login(conn, address_of(worker_database, login)) is False
        assert await conn.fetchval("SELECT rolcanlogin FROM pg_roles WHERE rolname = $1", login) is False


async def test_an_owner_without_a_second_login_enters_the_services_role(worker_database: conftest.TestDatabase) -> None:
    async with server.connected(worker_database.superuser) as superuser:
        await superuser.execute(f"GRANT {ddl.APP} TO carbonledger_owner WITH ADMIN OPTION")  # as the one who made the role has it
        try:
            async with server.connected(worker_database.owner) as conn:
                await server.allow_entering(conn)
                await server.allow_entering(conn)
            async with server.connected(worker_database.owner, role=ddl.APP) as conn:
                await server.require_safe(conn)
                standing = await server.standing(conn)
        finally:
            await superuser.execute(f"REVOKE {ddl.APP} FROM carbonledger_owner CASCADE")

    assert (standing.login, standing.role) == ("carbonledger_owner", ddl.APP)


@pytest.mark.parametrize(
    "dsn, fault, words",
    [
        ("postgresql://u:hidden@127.0.0.1:1/cl", server.ServerUnreachable, "Nothing answers at 127.0.0.1:1/cl (Connection refused)"),
        ("postgresql://u:hidden@/cl?host=/nowhere", server.ServerUnreachable, "Nothing answers at /nowhere/cl (No such file or directory)"),
        ("postgresql://u:hidden@db.invalid/cl", server.ServerUnreachable, "The host of db.invalid:5432/cl is unknown; check the network"),
        ("postgresql://u:hidden@db:http/cl", server.ServerRefused, "is not an address of PostgreSQL"),
        ("https://u:hidden@db/cl", server.ServerRefused, "is not an address of PostgreSQL"),
    ],
)
async def test_a_server_that_cannot_be_had_is_one_sentence_without_the_password(dsn: str, fault: type[Exception], words: str) -> None:
    with pytest.raises(fault) as caught:
        async with server.connected(dsn):
            pass

    assert words in str(caught.value)
    assert "hidden" not in str(caught.value)


AUTHENTICATED = b"R" + struct.pack("!II", 8, 0)


@pytest.mark.parametrize(
    "said, fault",
    [
        (b"", server.ServerUnreachable),  # it hangs up: killed, or a proxy whose server is away
        (AUTHENTICATED, server.ServerUnreachable),
        *(
            (ending.error_response(state), server.ServerUnreachable)
            for state in ("57P01", "57P02", "57P03", "53300", "53200", "08006", "08P01")
        ),
        (ending.error_response("XX000"), server.ServerUnreachable),  # could not fork
        (ending.error_response("58000"), server.ServerUnreachable),
        *((ending.error_response(state), server.ServerRefused) for state in ("28000", "28P01", "3D000", "42501", "22023", "0A000")),
    ],
)
async def test_only_what_is_wrong_with_the_settings_is_a_refusal(said: bytes, fault: type[Exception]) -> None:
    async with ending.server(said) as address:
        with pytest.raises(fault):
            async with server.connected(address):
                pass


async def test_a_missing_database_and_a_wrong_password_are_told_apart(worker_database: conftest.TestDatabase) -> None:
    missing = worker_database.app.replace(worker_database.name, "no_such_database")

    with pytest.raises(server.ServerRefused, match="The server has no such database"):
        async with server.connected(missing):
            pass
    with pytest.raises(server.ServerRefused, match="refuses the user 'carbonledger_app' or the password"):
        async with server.connected(address_of(worker_database, "carbonledger_app", "wrong")):
            pass


async def test_a_role_that_no_migration_has_made_yet_leads_to_the_migration(worker_database: conftest.TestDatabase) -> None:
    with pytest.raises(server.ServerRefused, match=r'is not prepared \(role "no_such_role" does not exist\); run: carbonledger migrate'):
        async with server.connected(worker_database.superuser, role="no_such_role"):
            pass


async def test_the_version_is_one_that_we_run_on(worker_database: conftest.TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    async with server.connected(worker_database.app) as conn:
        text = await server.version(conn)
        monkeypatch.setattr(server, "MAJOR_MAX", int(text.split(".")[0]) - 1)

        with pytest.raises(server.ServerUnsupported, match=f"The server is PostgreSQL {text}; Carbon Ledger runs on 15 to"):
            await server.version(conn)
