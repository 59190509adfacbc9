"""An outside system for tests: a real server on loopback that says byte for byte what a test wants it to say."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int  # which connection it came on, counted from 1


Script = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Peer:
    """A server, what it was asked, and how often somebody connected."""

    script: Script
    port: int = 0
    scheme: str = "http"
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    _open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            while (request := await _read(reader, number)) is not None:
                self.requests.append(request)
                await self.script(request, writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the client left in the middle, as some tests want
        finally:
            writer.close()

    async def hang_up(self) -> None:
        """Close what is open and wait until every script has noticed."""
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*self._open)


@contextlib.asynccontextmanager
async def running(script: Script, *, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    peer = Peer(script, scheme="https" if context else "http")
    server = await asyncio.start_server(peer.serve, host, 0, ssl=context)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        await peer.hang_up()


@contextlib.contextmanager
def away() -> Iterator[str]:
    """Yield an address where nobody answers, nor anybody else can begin to: its port is held and not listened at."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> bytes:
    """A whole answer; ``content_type="x"`` becomes a header, and an empty one leaves it out."""
    named = {"content-type": "application/json", "content-length": str(len(body)), **{k.replace("_", "-"): v for k, v in headers.items()}}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in named.items() if value), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def always(raw: bytes, *, hang_up: bool = False) -> Script:
    """Say the same to every request."""
    return in_turn(raw, hang_up=hang_up)


def in_turn(*answers: bytes, hang_up: bool = False) -> Script:
    """Say one after the other, the last one again and again; ``hang_up`` after each."""
    left = list(answers)

    async def script(request: Request, writer: asyncio.StreamWriter) -> None:
        del request
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        if hang_up:
            await writer.drain()
            writer.close()

    return script


async def _read(reader: asyncio.StreamReader, connection: int) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, target, _ = first.split(" ", 2)
    return Request(method, target, headers, body, connection)
