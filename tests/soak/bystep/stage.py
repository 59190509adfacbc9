"""Where a run takes place: the server, the relay before it, the provider, the processes of the product and what they keep on disk."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

from carbonledger.infra import crypto, db
from tests.soak.bystep import asking, parts
from tests.soak.bystep.fate import Fate
from tests.soak.bystep.ground import RUN, Ground
from tests.soak.bystep.provider import Provider
from tests.soak.bystep.relay import Relay
from tests.soak.storm import pacing

HOUSE: Final = "cl_live_" + "h" * 40
NOBODY: Final = UUID(int=0)
_PORT = 5432  # in the name of the socket
_COMES_S: Final = 120.0


@dataclass(slots=True)
class Stage:
    """``fate`` is that of the run under way."""

    home: Path
    ground: Ground
    relay: Relay
    provider: Provider
    api_port: int
    fate: Fate = field(default_factory=Fate)
    keys: str = field(default_factory=lambda: crypto.generate_key().reveal())
    token: str = HOUSE
    organization_id: UUID = NOBODY

    @property
    def objects(self) -> Path:
        """Where the run's files are kept."""
        return self.home / "objects"

    @property
    def log(self) -> Path:
        """What the run's processes say."""
        return self.home / "log"

    def begin(self, fate: Fate) -> None:
        """Let everything be counted, and struck, by this fate."""
        self.fate = self.relay.fate = self.provider.fate = fate

    def part(self, name: str, *, is_owner: bool = False) -> parts.Part:
        """Return a process of the product that is not started yet."""
        direct = self.ground.address("app")
        environ = {
            "PATH": "/usr/bin:/bin",
            "CARBONLEDGER_HOME": str(self.home / "product"),
            "CARBONLEDGER_OBJECTS_URL": self.objects.as_uri(),
            "CARBONLEDGER_VAULT_KEYS": self.keys,
            "CARBONLEDGER_APP_DATABASE_URL": f"{direct.partition('?')[0]}?host={self.relay.folder}&port={_PORT}",
            "CARBONLEDGER_BOOTSTRAP_API_KEY": HOUSE,
            "CARBONLEDGER_LOG_LEVEL": "warning",
            "CARBONLEDGER_LOG_FORMAT": "json",
            **{f"CARBONLEDGER_{name.upper()}_URL": f"{self.provider.address}/{name}" for name in ("openai", "anthropic", "openrouter")},
            **({"DATABASE_URL": self.ground.address("owner")} if is_owner else {}),
        }
        return parts.Part(name, environ, self.log, port=self.api_port)

    @contextlib.asynccontextmanager
    async def running(self, name: str) -> AsyncIterator[None]:
        """Run a process of the product while the block does; at its end it is killed."""
        part = self.part(name)
        part.start()
        try:
            yield
        finally:
            part.kill()

    async def do(self, statement: str, *arguments: object) -> None:
        """Have the run's database do it."""
        async with self.ground.connected() as conn:
            await conn.execute(statement, *arguments)

    async def comes(self, question: str) -> None:
        """Return once the run's database says yes. Raises ``TimeoutError`` with what the processes said."""
        async with self.ground.connected() as conn:

            async def holds() -> bool:
                return bool(await conn.fetchval(question))

            if not await pacing.holds(holds, deadline_s=_COMES_S):
                raise TimeoutError(f"not in {_COMES_S:.0f} s: {question}\n{self.log.read_text()[-4000:]}")

    async def ask(self, request: asking.Request) -> asking.Answer:
        """Ask the API, with the organization's key. Raises ``NeverAnswered``."""
        return await asking.ask(self.api_port, self.signed(request), Fate(), between=lambda: None)

    def signed(self, request: asking.Request) -> asking.Request:
        """Return the request with the organization's key."""
        headers = {"Authorization": f"Bearer {self.token}", **request.headers}
        return asking.Request(request.method, request.path, request.body, request.media_type, headers)

    async def keep(self, name: str) -> None:
        """Keep the database and the files as they are under a name; no process may run."""
        await self.relay.cut()
        await self.ground.copy(RUN, f"kept_{name}")
        shutil.rmtree(self.home / f"kept_{name}", ignore_errors=True)
        shutil.copytree(self.objects, self.home / f"kept_{name}")

    async def back_to(self, name: str) -> None:
        """Have the database and the files as they were kept."""
        await self.relay.cut()
        await self.ground.copy(f"kept_{name}")
        shutil.rmtree(self.objects)
        shutil.copytree(self.home / f"kept_{name}", self.objects)
        self.log.unlink(missing_ok=True)

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[db.Database]:
        """Open the run's database as the superuser, past the relay."""
        opened = await db.connect(self.ground.address("superuser"), size=1, application="soak")
        try:
            yield opened
        finally:
            await opened.close()


@contextlib.asynccontextmanager
async def built(home: Path, ground: Ground) -> AsyncIterator[Stage]:
    """Have a stage while the block runs."""
    sockets = home / "relay"
    sockets.mkdir(mode=0o700)
    (home / "objects").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    relay, provider = Relay(sockets, ground.sockets, port=_PORT), Provider()
    async with relay.serving(), provider.serving():
        yield Stage(home, ground, relay, provider, port)
