"""The relay between a process and its database: passes everything on, and cuts off where the fate strikes, before and within a step."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.soak.bystep.fate import Fate, Place, Step
from tests.soak.bystep.relay import Relay

PORT = 5432


def message(kind: str, content: bytes = b"") -> bytes:
    return kind.encode() + struct.pack("!I", 4 + len(content)) + content


STARTUP = struct.pack("!II", 8 + len(b"user\0ann\0\0"), 196608) + b"user\0ann\0\0"
READY = message("Z", b"I")
GREETING = message("R", struct.pack("!I", 0)) + message("K", struct.pack("!II", 4711, 1)) + READY


class Server:
    """As much of a database as hears statements and says that each is done."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(STARTUP))
        writer.write(GREETING)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while head := await reader.readexactly(5):
                self.heard.append(await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4))
                writer.write(message("C", b"DONE\0") + READY)
        writer.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    found = Server()
    (tmp_path / "server").mkdir()
    async with await asyncio.start_unix_server(found.serve, tmp_path / "server" / f".s.PGSQL.{PORT}"):
        yield found


@pytest.fixture
async def relay(server: Server, tmp_path: Path) -> AsyncIterator[Relay]:
    del server  # which must be there
    (tmp_path / "relay").mkdir()
    found = Relay(tmp_path / "relay", tmp_path / "server", port=PORT)
    async with found.serving():
        yield found


async def said(relay: Relay, *statements: bytes) -> bytes:
    """Say statements one after the other as a process does, and return all that was heard until the end."""
    reader, writer = await asyncio.open_unix_connection(relay.folder / f".s.PGSQL.{PORT}")
    writer.write(STARTUP)
    heard = await reader.readuntil(READY)
    for statement in statements:
        writer.write(message("Q", statement + b"\0"))
        try:
            heard += await reader.readuntil(READY)
        except asyncio.IncompleteReadError as cut:
            heard += cut.partial
            break
        except ConnectionError:  # it was cut off before this one was heard
            break
    writer.close()
    return heard


async def test_everything_is_passed_on_and_counted(relay: Relay, server: Server) -> None:
    done = message("C", b"DONE\0") + READY
    assert await said(relay, b"BEGIN", b"COMMIT") == GREETING + done + done
    assert server.heard == [b"BEGIN\0", b"COMMIT\0"]
    assert relay.fate.passed == [Step("BEGIN", 1), Step("COMMIT after BEGIN", 1)]


@pytest.mark.parametrize("place, heard, answers", [(Place.BEFORE, 1, 1), (Place.WITHIN, 2, 1), (Place.AFTER, 2, 2)])
async def test_the_fate_strikes_before_a_step_is_heard_or_before_or_after_its_answer_is_given(
    relay: Relay, server: Server, place: Place, heard: int, answers: int
) -> None:
    killed: list[int | None] = []
    relay.fate = Fate((Step("COMMIT after BEGIN", 1), place), killed.append)
    given = await said(relay, b"BEGIN", b"COMMIT", b"SELECT 1")
    assert (len(server.heard), given.count(READY), killed) == (heard, 1 + answers, [4711])


async def test_a_database_that_is_away_hangs_up(relay: Relay, tmp_path: Path) -> None:
    (tmp_path / "server" / f".s.PGSQL.{PORT}").unlink()
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await said(relay)
