"""The database under a run: one embedded server, a copy of a prepared database for each kill, and the killing of the server itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg

from carbonledger.infra import postgres
from carbonledger.infra.postgres import folder as folders
from carbonledger.infra.postgres import passwords
from tests.soak.storm import pacing

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

RUN: Final = "run"
"""The database that the processes of the product use: made anew for each kill."""
COMES_BACK_S: Final = 120.0
_OWNER: Final = passwords.LOGINS["owner"]


class Ground:
    """The server. Its databases are reached as its superuser, whom no policy holds."""

    def __init__(self, lease: postgres.Lease) -> None:
        self._lease = lease
        self._folder = folders.Folder(lease.options.data_dir)
        self._hands: Connection | None = None

    @property
    def sockets(self) -> Path:
        """The folder of the server's own socket."""
        asked = urllib.parse.urlsplit(self._lease.dsn())
        return Path(urllib.parse.parse_qs(asked.query)["host"][0])

    def address(self, role: passwords.Role, *, database: str = RUN) -> str:
        """Return how a login reaches a database."""
        return self._lease.dsn(role, database=database)

    def kill_postmaster(self) -> None:
        """Kill the whole server, whose supervisor starts it again."""
        pid = int((self._folder.data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        os.kill(pid, signal.SIGKILL)

    @staticmethod
    def kill_backend(pid: int) -> None:
        """Kill one backend, after which the postmaster ends all of them and recovers."""
        with contextlib.suppress(ProcessLookupError):  # it went with its connection
            os.kill(pid, signal.SIGKILL)

    async def copy(self, template: str, name: str = RUN) -> None:
        """Make a database that is a copy of another one, in place of one of this name."""
        await self.drop(name)
        await self._do(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {_OWNER} STRATEGY FILE_COPY")

    async def drop(self, name: str = RUN) -> None:
        """Drop a database, whoever uses it."""
        await self._do(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def _do(self, statement: str) -> None:
        """Do it, as soon as the server is back if it is away."""

        async def done() -> bool:
            try:
                if self._hands is None or self._hands.is_closed():
                    self._hands = await asyncpg.connect(self.address("superuser", database="postgres"), timeout=10)
                await self._hands.execute(statement)
            except (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InterfaceError):
                return False
            return True

        if not await pacing.holds(done, deadline_s=COMES_BACK_S):
            raise TimeoutError(f"not in {COMES_BACK_S:.0f} s: {statement}")

    @contextlib.asynccontextmanager
    async def connected(self, database: str = RUN) -> AsyncIterator[Connection]:
        """Connect past the relay. Raises what says that the server is away."""
        conn: Connection = await asyncpg.connect(self.address("superuser", database=database), timeout=10, command_timeout=60)
        try:
            yield conn
        finally:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncio.TimeoutError):
                await conn.close(timeout=5)


@contextlib.contextmanager
def standing(home: Path) -> Iterator[Ground]:
    """Run a server as the product runs it, but with less memory: a database that is dropped is looked for in all of it."""
    programs = os.environ.get("CARBONLEDGER_TEST_PG_BIN")
    options = postgres.ClusterOptions(
        data_dir=home / "postgres", binaries=Path(programs) if programs else None, settings={"shared_buffers": "64MB"}
    )
    lease = postgres.ensure(options)
    try:
        yield Ground(lease)
    finally:
        lease.close(wait=True)
