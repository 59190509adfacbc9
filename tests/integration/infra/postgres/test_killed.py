"""Whatever is killed, at whatever moment: nothing committed is lost, and the server is there again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import asyncpg
import psutil
import pytest

from carbonledger.infra import postgres
from carbonledger.infra.postgres import programs
from tests import until
from tests.integration.infra.postgres import conftest
from tests.integration.infra.postgres.conftest import Place

# What a client sees when its server goes; the last is asyncpg's for a server that says goodbye in the middle of a statement.
_GONE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
# A user who asks for the server and does nothing with it.
_ASK = """
import sys
from pathlib import Path
from carbonledger.infra import postgres
binaries = Path(sys.argv[2]) if sys.argv[2:] else None
postgres.ensure(postgres.ClusterOptions(data_dir=Path(sys.argv[1]), binaries=binaries, grace_s=0))
"""


def _until_restarted(lease: postgres.Lease) -> None:
    def restarted() -> bool:
        lease.ensure()
        return lease.restarts == 1

    until.holds_now(restarted)


class _Writer:
    """Commits numbers one by one, as fast as it can, on a connection that it makes again whenever it is lost."""

    def __init__(self, lease: postgres.Lease) -> None:
        self._lease = lease
        self.committed: list[int] = []
        self._next = 0

    async def run(self) -> None:
        while True:
            try:
                await self._write()
            except _GONE:
                await asyncio.to_thread(self._lease.ensure)

    async def _write(self) -> None:
        connection = await asyncpg.connect(self._lease.dsn("owner"), timeout=10)
        try:
            while True:
                self._next += 1
                await connection.execute("INSERT INTO written VALUES ($1)", self._next)
                self.committed.append(self._next)
        finally:
            connection.terminate()

    async def until_written(self, more: int) -> None:
        goal = len(self.committed) + more
        await until.holds(lambda: len(self.committed) >= goal, deadline_s=conftest.PATIENCE_S)


def _supervisor_and_postmaster(lease: postgres.Lease) -> None:
    conftest.kill(lease.supervisor_pid)
    with contextlib.suppress(ProcessLookupError):  # it notices, and may be gone first
        conftest.kill(lease.postmaster_pid)


_VICTIMS = {
    "the postmaster": lambda lease: conftest.kill(lease.postmaster_pid),
    "the supervisor": lambda lease: conftest.kill(lease.supervisor_pid),
    "both": _supervisor_and_postmaster,
}


@pytest.mark.parametrize("victim", _VICTIMS)
async def test_nothing_committed_is_lost(place: Place, victim: str) -> None:
    lease = place.ensure()
    await conftest.execute(lease.dsn("owner"), "CREATE TABLE written (number bigint PRIMARY KEY)")
    writer = _Writer(lease)
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(writer.run())
        for _ in range(3):
            await writer.until_written(50)
            await asyncio.to_thread(lease.ensure)  # learn who runs now
            await asyncio.to_thread(_VICTIMS[victim], lease)
        await writer.until_written(50)
        writing.cancel()

    found = {row["number"] for row in await conftest.fetch(lease.dsn("owner"), "SELECT number FROM written")}
    assert set(writer.committed) <= found


async def test_a_killed_postmaster_is_started_again_by_its_parent(place: Place) -> None:
    lease = place.ensure()
    killed, supervisor = lease.postmaster_pid, lease.supervisor_pid
    assert killed is not None
    assert psutil.Process(killed).ppid() == supervisor
    conftest.kill(killed)

    lease.ensure()
    _until_restarted(lease)
    assert lease.supervisor_pid == supervisor
    assert await conftest.fetch(lease.dsn(), "SELECT 1")
    assert f"the postmaster (process {killed}) ended with signal 9" in lease.log.read_text()


async def test_a_busy_backend_of_a_killed_postmaster_does_not_stay(place: Place) -> None:
    lease = place.ensure()
    connection = await asyncpg.connect(lease.dsn("owner"))
    backend = connection.get_server_pid()
    # Computes without waiting for anything, so that it does not notice by itself that its postmaster has gone.
    computing = asyncio.ensure_future(connection.fetch("SELECT count(*) FROM generate_series(1, 1000000000000) AS n WHERE n < 0"))
    await until.holds(lambda: psutil.Process(backend).cpu_times().user > 0.05)
    conftest.kill(lease.postmaster_pid)

    with pytest.raises(_GONE):
        await computing
    connection.terminate()
    _until_restarted(lease)
    assert not conftest.alive(backend)


async def test_a_server_without_its_supervisor_ends_before_another_starts(place: Place) -> None:
    lease = place.ensure()
    orphan = lease.postmaster_pid
    conftest.kill(lease.supervisor_pid)

    other = place.user()  # another process comes, and finds nobody in charge
    assert other.postmaster_pid != orphan
    assert not conftest.alive(orphan)
    assert psutil.Process(other.postmaster_pid).ppid() == other.supervisor_pid
    lease.ensure()
    assert lease.postmaster_pid == other.postmaster_pid
    assert await conftest.fetch(lease.dsn(), "SELECT 1")


async def test_sigterm_to_the_supervisor_is_a_clean_shutdown_that_a_user_may_undo(place: Place) -> None:
    lease = place.ensure()
    first = lease.postmaster_pid
    os.kill(lease.supervisor_pid, signal.SIGTERM)
    place.until_ended()
    assert not conftest.alive(first)
    assert "database system is shut down" in lease.log.read_text()

    lease.ensure()
    assert await conftest.fetch(lease.dsn(), "SELECT 1")
    assert "automatic recovery" not in lease.log.read_text()


def _database_user(place: Place) -> dict[str, int | list[int]]:
    """Return the arguments of ``Popen`` for a process of the user that the server runs as."""
    owner = place.folder().server.stat()
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if conftest.IS_ROOT else {}


async def test_stale_files_that_name_a_living_stranger_do_not_keep_it_from_starting(place: Place) -> None:
    place.ensure().close(wait=True)
    folder = place.folder()
    # As after a reboot: the process id of the killed postmaster has gone to another program of the same user.
    stranger = subprocess.Popen(["sleep", "600"], **_database_user(place))  # type: ignore[call-overload]
    try:
        lines = f"{stranger.pid}\n{folder.data}\n1700000000\n5432\n{folder.socket}\n\n  1234567         1\nready   \n"
        for path in (folder.data / "postmaster.pid", folder.socket / ".s.PGSQL.5432.lock"):
            path.write_text(lines)
            shutil.chown(path, folder.server.stat().st_uid, folder.server.stat().st_gid)
        (folder.socket / ".s.PGSQL.5432").touch()

        lease = place.ensure()
        assert await conftest.fetch(lease.dsn(), "SELECT 1")
        assert stranger.poll() is None  # and the stranger was left alone
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_that_somebody_else_started_on_the_data_is_named_and_left_alone(place: Place) -> None:
    lease = place.ensure()
    lease.close(wait=True)
    folder = place.folder()
    by_hand = subprocess.Popen(
        [lease.bin_dir / "postgres", "-D", folder.data, "-c", "listen_addresses=", "-c", f"unix_socket_directories={folder.socket}"],
        stderr=subprocess.DEVNULL,
        cwd="/",
        **_database_user(place),  # type: ignore[call-overload]
    )
    try:
        pid_file = folder.data / "postmaster.pid"
        until.holds_now(lambda: pid_file.exists() and "ready" in pid_file.read_text())
        with pytest.raises(postgres.InUse, match=f"process {by_hand.pid}"):
            place.ensure()
        assert by_hand.poll() is None
    finally:
        by_hand.send_signal(signal.SIGINT)
        by_hand.wait()
    place.ensure()


async def test_an_initdb_that_was_killed_half_way_leaves_nothing_in_the_way(place: Place) -> None:
    folder = place.folder()
    standing = place.programs(initdb=f'{programs.bundled()[0].bin_dir / "initdb"} "$@" && exec sleep 3600')  # before the roles are made
    first = place.python(_ASK, folder.root, standing)
    until.holds_now(lambda: any(folder.server.glob("data.new-*/global/*")), deadline_s=conftest.PATIENCE_S)
    supervisor = place.supervisor()
    assert supervisor is not None
    conftest.kill(supervisor.pid)
    first.kill()
    assert not folder.data.exists()  # it was indeed half-way

    lease = place.ensure()
    assert await conftest.fetch(lease.dsn("owner"), "SELECT 1")
    assert sorted(path.name for path in folder.server.glob("data*")) == ["data"]


def test_a_first_user_that_is_killed_while_waiting_leaves_no_server_behind(place: Place) -> None:
    folder = place.folder()
    first = place.python(_ASK, folder.root)
    until.holds_now(lambda: any(folder.server.glob("data.new-*")), deadline_s=conftest.PATIENCE_S)
    conftest.kill(first.pid)
    place.until_ended()
    assert not [process for process in psutil.process_iter(["cmdline"]) if str(folder.root) in " ".join(process.info["cmdline"] or [])]
    place.ensure()


async def test_a_server_that_can_not_start_again_says_why_and_does_so_once_that_is_mended(place: Place) -> None:
    lease = place.ensure()
    configuration = place.folder().data / "postgresql.conf"
    good = configuration.read_text()
    configuration.write_text(good + "\nwork_mem = 'plenty'\n")
    conftest.kill(lease.postmaster_pid)
    place.until_ended()  # after some tries, each later than the one before

    with pytest.raises(postgres.StartFailed, match=r"postgresql\.conf") as failure:
        lease.ensure()
    assert 'invalid value for parameter "work_mem": "plenty"' in str(failure.value)  # the log's last lines

    configuration.write_text(good)
    lease.ensure()
    assert await conftest.fetch(lease.dsn(), "SELECT 1")


async def test_a_socket_that_a_cleaner_removed_comes_back(place: Place) -> None:
    lease = place.ensure()
    next(place.folder().socket.glob(".s.PGSQL.*[0-9]")).unlink()
    _until_restarted(lease)
    assert await conftest.fetch(lease.dsn(), "SELECT 1")


def _removed(root: Path) -> bool:
    shutil.rmtree(root, ignore_errors=True)  # the server, which notices, may remove a file first
    return not root.exists()


async def test_a_server_whose_folder_was_removed_ends_and_another_may_take_the_place(place: Place) -> None:
    lease = place.ensure()
    until.holds_now(lambda: _removed(place.folder().root))
    second = place.ensure()
    until.holds_now(lambda: not conftest.alive(lease.postmaster_pid) and not conftest.alive(lease.supervisor_pid))

    lease.ensure()  # its user of before joins the new one
    second.close(wait=True)  # and so keeps it from ending
    assert lease.postmaster_pid == second.postmaster_pid
    assert await conftest.fetch(lease.dsn(), "SELECT 1")


async def test_lost_passwords_are_made_anew(place: Place) -> None:
    lease = place.ensure()
    old = lease.dsn()
    lease.close(wait=True)
    shutil.rmtree(place.folder().secrets)

    lease = place.ensure()
    assert lease.dsn() != old
    for role in postgres.LOGINS:
        assert await conftest.fetch(lease.dsn(role), "SELECT 1")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await conftest.fetch(old, "SELECT 1")


def test_the_log_keeps_to_its_size(place: Place) -> None:
    lease = place.ensure()
    with lease.log.open("ab") as log:
        log.write(b"x" * (9 * 2**20))
    until.holds_now(lambda: lease.log.stat().st_size < 2**20)
    assert Path(f"{lease.log}.1").stat().st_size > 8 * 2**20
