"""A place for data folders that the database's user can reach, leases that end with the test, and other users of the server.

Each test makes its own cluster: these tests kill it. Run by root, the server runs as an unprivileged user and an ordinary
user is one that root becomes; run by an ordinary user, both are that user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from carbonledger.infra import postgres
from carbonledger.infra.postgres import folder, lease, programs, state
from tests import embedded, until

PATIENCE_S = until.DEADLINE_S
IS_ROOT = os.geteuid() == 0

_HOLD = """
import sys
from pathlib import Path
from carbonledger.infra import postgres
lease = postgres.ensure(postgres.ClusterOptions(data_dir=Path(sys.argv[1])))
print(lease.supervisor_pid, lease.postmaster_pid, lease.dsn("owner"), flush=True)
sys.stdin.read()
"""


def alive(pid: int | None) -> bool:
    assert pid is not None
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(pid: int | None) -> None:
    """End a process as the kernel would for want of memory, and wait until it is gone."""
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until.holds_now(lambda: not alive(pid))


async def fetch(dsn: str, query: str, *args: object) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(query, *args))
    finally:
        await connection.close()


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@dataclass(slots=True)
class User:
    """Another process that holds the server, until its input closes or it is killed."""

    process: subprocess.Popen[str]
    supervisor_pid: int
    postmaster_pid: int
    dsn: str

    def leave(self) -> None:
        self.process.communicate()


@dataclass(slots=True)
class Place:
    """A folder for data folders, and what was started there."""

    root: Path
    leases: list[postgres.Lease] = field(default_factory=list)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def options(self, name: str = "db", **wanted: Any) -> postgres.ClusterOptions:
        return postgres.ClusterOptions(data_dir=self.root / name, **wanted)

    def ensure(self, name: str = "db", **wanted: Any) -> postgres.Lease:
        lease = postgres.ensure(self.options(name, **wanted))
        self.leases.append(lease)
        return lease

    def folder(self, name: str = "db") -> folder.Folder:
        return folder.Folder(self.root / name)

    def supervisor(self, name: str = "db") -> state.State | None:
        """Return what the supervisor says of itself, if one is alive."""
        return lease.supervisor_state(self.folder(name))

    def until_ended(self, name: str = "db") -> None:
        until.holds_now(lambda: self.supervisor(name) is None, deadline_s=PATIENCE_S)

    def python(self, code: str, *args: str | Path, ordinary: bool = False) -> subprocess.Popen[str]:
        """Run code in a process, and a process group, of its own; as an ordinary user if asked."""
        python, environment = self._ordinary_python() if ordinary else (sys.executable, None)
        process = subprocess.Popen(
            [python, "-c", code, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=environment,
            **(as_ordinary() if ordinary else {}),
        )
        self.processes.append(process)
        return process

    def user(self, name: str = "db", *, ordinary: bool = False) -> User:
        """Start another process that uses the server; return when it does."""
        process = self.python(_HOLD, self.root / name, ordinary=ordinary)
        assert process.stdout is not None
        supervisor_pid, postmaster_pid, dsn = process.stdout.readline().split()
        return User(process, int(supervisor_pid), int(postmaster_pid), dsn)

    def programs(self, *, initdb: str, postgres_says: str | None = None) -> Path:
        """Make a folder of programs: the real server, unless it is to say another version, and another initdb."""
        folder = self.root / "bin"
        folder.mkdir()
        real = programs.bundled()[0].bin_dir
        say = f'exec {real / "postgres"} "$@"' if postgres_says is None else f"echo '{postgres_says}'"
        for name, script in (("postgres", say), ("initdb", f'[ "$1" = --version ] && exit 0\n{initdb}')):
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
        folder.chmod(0o755)
        return folder

    def _ordinary_python(self) -> tuple[str, dict[str, str]]:
        """Return a Python that an ordinary user can run, and its environment.

        Ours may lie in root's home, and the code as well: then it is the system's, with a copy of what it needs.
        """
        site = self.root / "site"
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(site)}
        pythons = [sys.executable, *(str(path) for path in sorted(Path("/usr/bin").glob("python3.1[1-9]")))]
        for provide in (_link, _copy):
            site.mkdir(exist_ok=True)
            provide(site)
            for python in pythons:
                if _works(python, environment):
                    return python, environment
            shutil.rmtree(site)
        raise AssertionError(f"none of {pythons} can be run by {ordinary().pw_name}")

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()
        for held in self.leases:
            held.close()
        for path in self.root.iterdir():
            embedded.end(path)
        shutil.rmtree(self.root)


@pytest.fixture
def place() -> Iterator[Place]:
    # Not pytest's own folder, which only its user may pass through.
    root = Path(tempfile.mkdtemp(prefix="cl-pg-"))
    root.chmod(0o711)
    place = Place(root)
    yield place
    place.end()


def ordinary() -> pwd.struct_passwd:
    """Return an ordinary user: ourselves, unless we are root."""
    return pwd.getpwnam("nobody") if IS_ROOT else pwd.getpwuid(os.geteuid())


def as_ordinary() -> dict[str, Any]:
    """Return the arguments of ``Popen`` that make a process an ordinary user's."""
    user = ordinary()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"} if IS_ROOT else {}


def _packages() -> tuple[Path, ...]:
    wheel = programs.bundled()[0].bin_dir.parents[1]
    return (Path(postgres.__file__).parents[2], wheel, wheel.with_name(f"{wheel.name}.libs"))


def _link(site: Path) -> None:
    for package in _packages():
        if not (site / package.name).exists():
            (site / package.name).symlink_to(package)


def _copy(site: Path) -> None:
    for package in _packages():
        shutil.copytree(package, site / package.name, symlinks=True)


def _works(python: str, environment: dict[str, str]) -> bool:
    code = "from carbonledger.infra.postgres import programs; assert programs.bundled()"
    try:
        return subprocess.run([python, "-c", code], env=environment, capture_output=True, check=False, **as_ordinary()).returncode == 0
    except PermissionError:
        return False
