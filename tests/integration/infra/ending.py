"""A server that ends while a connection to it is made, with what it may say last."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


def error_response(sqlstate: str) -> bytes:
    """Return an ErrorResponse as the protocol writes it (https://www.postgresql.org/docs/current/protocol-message-formats.html)."""
    fields = b"SFATAL\0VFATAL\0C" + sqlstate.encode() + b"\0Mthe server ends\0\0"
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


@contextlib.asynccontextmanager
async def server(last_word: bytes) -> AsyncIterator[str]:
    """Give the address of one that says ``last_word`` to whoever comes, and hangs up."""

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(last_word)
        writer.close()

    async with await asyncio.start_server(end, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"postgresql://nobody@127.0.0.1:{port}/none?sslmode=disable"
