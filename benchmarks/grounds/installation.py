"""An installation of its own for a benchmark that asks over HTTP: database, one API process, a key, and CPU and memory of both."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import asyncpg
import psutil

from benchmarks.http import wait_until_it_answers
from carbonledger.infra import db, ddl, reach, settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Installation:
    """What runs, and what it is reached by."""

    port: int
    token: str
    organization_id: UUID
    addresses: reach.Addresses
    api: psutil.Process
    database: psutil.Process

    def cpu_s(self) -> tuple[float, float]:
        """Return the CPU seconds that the API's process and the database's processes have taken so far."""
        return _cpu_s(self.api), _cpu_s(self.database)

    def run(self, work: Callable[[db.Database], Awaitable[T]]) -> T:
        """Run ``work`` with the database as the service sees it, and return what it returns."""

        async def connected() -> T:
            database = await db.connect(self.addresses.app, size=1, application="bench", role=self.addresses.app_role)
            try:
                return await work(database)
            finally:
                await database.close()

        return asyncio.run(connected())


def _cpu_s(process: psutil.Process) -> float:
    seconds = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        seconds = times.user + times.system + sum(map(_cpu_s, process.children()))
    return seconds


@contextlib.contextmanager
def running() -> Iterator[Installation]:
    """Start an installation in a folder of its own, and end it."""
    token = "cl_live_" + secrets.token_hex(24)
    with tempfile.TemporaryDirectory(prefix="carbonledger-bench-") as name:
        os.chmod(name, 0o711)  # noqa: PTH101, S103 - the database's own user goes through it to its folder
        home, log = Path(name) / "home", Path(name) / "log"
        environ = os.environ | {
            "CARBONLEDGER_HOME": str(home),
            "CARBONLEDGER_BOOTSTRAP_API_KEY": token,
            "CARBONLEDGER_LOG_LEVEL": "warning",
        }
        command = [sys.executable, "-m", "carbonledger.entrypoints.cli.main"]
        with reach.reached(settings.load(home=home), wait=True) as reached, socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
            port, descriptor = listener.getsockname()[1], listener.fileno()
            with log.open("ab") as stream:
                subprocess.run([*command, "migrate"], env=environ, stdout=stream, stderr=stream, check=True)
                arguments = [*command, "api", "--fd", str(descriptor)]
                child = subprocess.Popen(arguments, env=environ, stdout=stream, stderr=stream, pass_fds=[descriptor])
            try:
                api = psutil.Process(child.pid)
                wait_until_it_answers(port, api, log)
                organization_id = asyncio.run(_organization(reached.addresses.owner))
                yield Installation(port, token, organization_id, reached.addresses, api, psutil.Process(_postmaster(home)))
            finally:
                child.terminate()
                child.wait()


async def _organization(owner: str) -> UUID:
    conn = await asyncpg.connect(owner)
    try:
        await conn.execute(f"SET ROLE {ddl.MAINTENANCE}")
        found: UUID = await conn.fetchval("SELECT id FROM organizations")
        return found
    finally:
        await conn.close()


def _postmaster(home: Path) -> int:
    [file] = home.rglob("postmaster.pid")
    return int(file.read_text().splitlines()[0])
