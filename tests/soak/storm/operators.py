"""The rest of the load: what makes the worker's larger jobs. Sandbox clocks are moved, and the vault's key is changed while serving."""

from __future__ import annotations

import asyncio
import random
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests import installation
from tests.soak.storm import client as clients
from tests.soak.storm import pacing
from tests.soak.storm.book import Book, Move
from tests.soak.storm.writers import Tenant

CLOCK_START = datetime(2026, 1, 1, tzinfo=UTC)
FINAL = frozenset({"succeeded", "parked", "canceled"})
RESEALS_MAX = 10  # each leaves a key in the file, which holds sixteen
_COMMAND_S = 60.0
_LOOK_S = 0.05
_JOB = re.compile(r"\(job ([0-9a-f-]{36})\)")


def written(moment: datetime) -> str:
    """Return a whole second as the service writes it."""
    return moment.isoformat().replace("+00:00", "Z")


class ClockMover:
    """Moves the clock of one sandbox a day at a time, and sees it arrive."""

    def __init__(self, tenant: Tenant, client: clients.Client, book: Book) -> None:
        self._tenant = tenant
        self._client = client
        self._book = book

    async def run(self, stop: asyncio.Event) -> None:
        """Move on until ``stop``."""
        to = CLOCK_START
        try:
            while not stop.is_set():
                to += timedelta(days=1)
                await self._move(Move(self._tenant.name, written(to)), stop)
        except (clients.Refused, clients.NeverAnswered) as surprise:
            self._book.surprises.append(f"clock of {self._tenant.name}: {surprise}")

    async def _move(self, move: Move, stop: asyncio.Event) -> None:
        self._book.moves.append(move)
        key = f"{move.organization}-{move.to}"
        asked = await self._client.ask("POST", "/v1/test-clock/advance", token=self._tenant.token, body={"to": move.to}, key=key)
        move.job_id = asked.body["job_id"]
        while (await self._get(f"/v1/jobs/{move.job_id}"))["state"] not in FINAL:
            if await pacing.pause_until(stop, _LOOK_S):
                return
        shown = (await self._get("/v1/test-clock"))["clock_at"]
        if shown != move.to:
            self._book.surprises.append(f"clock of {move.organization}: its job ended, and it shows {shown}, not {move.to}")

    async def _get(self, path: str) -> dict[str, str]:
        body: dict[str, str] = (await self._client.ask("GET", path, token=self._tenant.token)).body
        return body


class Resealer:
    """Changes the vault's key with the operator's command, now and then."""

    def __init__(self, home: Path, book: Book, rng: random.Random, *, every_s: tuple[float, float]) -> None:
        self._home = home
        self._book = book
        self._rng = rng
        self._every_s = every_s

    async def run(self, stop: asyncio.Event) -> None:
        """Change it until ``stop``."""
        for _ in range(RESEALS_MAX):
            if await pacing.pause_until(stop, self._rng.uniform(*self._every_s)):
                return
            await self.once()

    async def once(self) -> bool:
        """Change it now; say whether the command said that it was done."""
        code, said = await command(self._home, "vault", "rotate")
        found = _JOB.search(" ".join(said.split()))  # wrapped to the terminal's width
        if code == 0 and found is not None:
            self._book.resealing.job_ids.append(found[1])
            return True
        self._book.resealing.unanswered += 1
        return False


async def command(home: Path, *arguments: str) -> tuple[int, str]:
    """Run a command of the installation and return its exit code and all it said; one that hangs is killed."""
    async with _started(home, arguments) as process:
        try:
            said, _ = await asyncio.wait_for(process.communicate(), _COMMAND_S)
        except TimeoutError:
            return -1, f"killed after {_COMMAND_S:.0f} s"
        return process.returncode or 0, said.decode(errors="replace")


@asynccontextmanager
async def _started(home: Path, arguments: tuple[str, ...]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *installation.COMMAND,
        *arguments,
        env=installation.environment(home, {}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd="/",
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
