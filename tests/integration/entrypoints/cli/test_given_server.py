"""An installation on a server that DATABASE_URL names: migrated, served and examined like the embedded one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from carbonledger.infra import server as servers
from carbonledger.infra import turn
from tests import conftest, installation, until


@dataclass(frozen=True, slots=True)
class Given:
    """An empty database, and an address in it for a login that nobody has made yet."""

    owner: str
    app: str


@pytest.fixture
async def given(server: conftest.Server) -> AsyncIterator[Given]:
    name = f"test_{uuid4().hex[:12]}"
    async with servers.connected(server.superuser) as conn:
        await conn.execute(f"CREATE DATABASE {name}")
        owner = server.dsn("superuser", name)
        scheme, _, rest = owner.partition("://")
        try:
            yield Given(owner=owner, app=f"{scheme}://{name}:word@{rest.rpartition('@')[2]}")
        finally:
            await conn.execute(f"DROP DATABASE {name} WITH (FORCE)")
            await conn.execute(f"DROP ROLE IF EXISTS {name}")


@pytest.fixture
def home() -> Iterator[Path]:
    with installation.new_home(prepared=False) as path:
        yield path


def test_the_service_gets_a_login_of_its_own_and_never_the_owners_address(home: Path, given: Given) -> None:
    addresses = {"DATABASE_URL": given.owner, "CARBONLEDGER_APP_DATABASE_URL": given.app}
    with installation.up(home, DATABASE_URL=given.owner, CARBONLEDGER_APP_DATABASE_URL=given.app) as running:
        until.holds_now(running.is_ready)
        found = json.loads(installation.run(home, "doctor", "--json", **addresses).stdout)
        known = {name: running.part(name).environ().keys() & addresses.keys() for name in ("api", "worker")}
        assert running.stop() == 0

    database = [check for check in found["checks"] if check["name"] == "database"]
    login = given.app.partition("://")[2].partition(":")[0]
    assert [check["status"] for check in database] == ["ok"]
    assert database[0]["detail"].endswith(f"the service runs as {login}")
    assert known == {"api": {"CARBONLEDGER_APP_DATABASE_URL"}, "worker": {"CARBONLEDGER_APP_DATABASE_URL"}}
    assert not (home / "postgres").exists()


async def test_two_first_starts_on_one_server_take_turns(home: Path, given: Given) -> None:
    addresses = {"DATABASE_URL": given.owner, "CARBONLEDGER_APP_DATABASE_URL": given.app}
    login = given.app.partition("://")[2].partition(":")[0]
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1::bigint::oid)"
    async with servers.connected(given.owner) as conn:

        async def waits() -> bool:
            assert not start.done(), start.result()
            return bool(await conn.fetchval(waiting, turn.LOCK & 0xFFFF_FFFF))

        async with turn.taken(conn):  # the other one
            start = asyncio.create_task(asyncio.to_thread(installation.run, home, "migrate", **addresses))
            await until.comes(waits)
            assert not await conn.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", login)
        done = await start

        assert done.returncode == 0, done.stderr
        assert await conn.fetchval("SELECT rolcanlogin FROM pg_roles WHERE rolname = $1", login)


def test_on_a_laptop_the_owners_login_serves_and_doctor_says_so(home: Path, given: Given) -> None:
    assert installation.run(home, "migrate", DATABASE_URL=given.owner).returncode == 0

    found = json.loads(installation.run(home, "doctor", "--json", DATABASE_URL=given.owner).stdout)

    warnings = [check["detail"] for check in found["checks"] if check["name"] == "database" and check["status"] == "warning"]
    assert warnings == ["The service has no login of its own: it uses postgres, the owner's."]


def test_a_service_whose_login_could_see_every_tenant_does_not_start(home: Path, given: Given) -> None:
    tried = installation.run(home, "migrate", DATABASE_URL=given.owner, CARBONLEDGER_APP_DATABASE_URL=given.owner)

    assert tried.returncode == 3
    assert "The service would run as postgres, which is a superuser and bypasses row-level security" in tried.stderr


def test_the_services_address_alone_serves_but_does_not_operate(home: Path, given: Given) -> None:
    addresses = {"DATABASE_URL": given.owner, "CARBONLEDGER_APP_DATABASE_URL": given.app}
    assert installation.run(home, "migrate", **addresses).returncode == 0

    refused = installation.run(home, "org", "list", CARBONLEDGER_APP_DATABASE_URL=given.app)

    assert refused.returncode == 3
    assert "set DATABASE_URL for this command" in refused.stderr


def test_a_process_that_is_ahead_of_its_database_says_what_to_run(home: Path, given: Given) -> None:
    for command in ("api", "worker"):
        tried = installation.run(home, command, DATABASE_URL=given.owner)

        assert tried.returncode != 0
        assert "carbonledger migrate" in tried.stderr
        assert "Traceback" not in tried.stderr
