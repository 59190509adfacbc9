"""Stands between a process and its database: passes every message on, counts those that ask, and lets the fate strike at one.

What the process has asked goes to the server in whole batches, so that "before" is before any of it. The connection on which a process
listens asks nothing of its own and is passed on as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

from tests.soak.bystep import wire
from tests.soak.bystep.fate import Fate, Place, Step

_CHUNK = 1 << 16
_LISTENS = " listen"


class _Cut(Exception):
    """The fate has struck here: nothing of this connection is passed on any more."""


class Relay:
    """Listens in ``folder`` as PostgreSQL would, before the server in ``upstream``."""

    def __init__(self, folder: Path, upstream: Path, *, port: int) -> None:
        self.folder = folder
        self.port = port
        self._upstream = upstream / f".s.PGSQL.{port}"
        self.fate = Fate()
        self.backend: int | None = None
        """The backend that was asked last."""
        self._links: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve while the block runs."""
        server = await asyncio.start_unix_server(self._meet, self.folder / f".s.PGSQL.{self.port}")
        async with server:
            yield
            await self.cut()

    async def cut(self) -> None:
        """End every connection and return when they are ended."""
        while self._links:
            for link in list(self._links):
                link.cancel()
            await asyncio.gather(*self._links, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        try:
            there, back = await asyncio.open_unix_connection(self._upstream)
        except OSError:  # it is away, as the process is about to find out
            writer.close()
        else:
            with contextlib.suppress(asyncio.CancelledError):
                await _Link(self, (reader, writer), (there, back)).run()
        finally:
            self._links.discard(task)


class _Link:
    """One connection of a process."""

    def __init__(
        self,
        relay: Relay,
        process: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._relay, self._fate = relay, relay.fate
        self._from_process, self._to_process = process
        self._from_server, self._to_server = server
        self._asker = wire.Asker()
        self._asked: deque[tuple[Step, bytes]] = deque()
        self._backend: int | None = None

    async def run(self) -> None:
        """Pass on until either side hangs up, or the fate strikes; then hang up on both."""
        ways = [asyncio.create_task(self._there()), asyncio.create_task(self._back())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for side in (self._to_server, self._to_process):
                side.close()
            ended = await asyncio.gather(*ways, return_exceptions=True)
        for failure in ended:
            if isinstance(failure, Exception) and not isinstance(failure, _Cut | OSError):
                raise failure

    async def _there(self) -> None:
        frames = wire.Frames(begins=True)
        while data := await self._from_process.read(_CHUNK):
            for kind, frame in frames.feed(data):
                batch, words = self._asker.hears(kind, frame)
                if words is not None and not self._asker.application.endswith(_LISTENS):
                    self._relay.backend = self._backend
                    step = self._fate.begins(words)
                    if self._fate.strikes(step, Place.BEFORE, backend=self._backend):
                        raise _Cut
                    self._asked.append((step, bytes([kind])))
                self._to_server.write(batch)
            if self._to_server.is_closing():
                return
            await self._to_server.drain()

    async def _back(self) -> None:
        frames = wire.Frames(begins=False)
        while data := await self._from_server.read(_CHUNK):
            for kind, frame in frames.feed(data):
                if kind == ord("K"):
                    self._backend = wire.backend(frame)
                if self._to_process.is_closing():
                    return  # it was killed, and nobody hears the rest
                await self._give(kind, frame)
            await self._to_process.drain()

    async def _give(self, kind: int, frame: bytes) -> None:
        if not self._asked or not wire.answers(self._asked[0][1], kind):
            self._to_process.write(frame)
            return
        step, _ = self._asked.popleft()
        if self._fate.strikes(step, Place.WITHIN, backend=self._backend):
            raise _Cut
        self._to_process.write(frame)
        if self._fate.at == (step, Place.AFTER):
            await self._to_process.drain()
            if self._fate.strikes(step, Place.AFTER, backend=self._backend):
                raise _Cut
