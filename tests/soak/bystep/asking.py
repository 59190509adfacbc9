"""A client that can be watched while it sends: a plain HTTP/1.1 request over a connection of its own, sent until it is answered.

Half of the request sent, all of it, and its answer are the places of a step. After a failure of the connection, a 5xx or a conflict with
its own first try it sends the same again, as clients are told to.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.soak.bystep.fate import Fate, Place
from tests.soak.storm import pacing

ANSWER_S = 90.0
_AGAIN_S = 0.03
_PATIENCE_S = 20.0


class NeverAnswered(Exception):
    """No answer came; the message says what did."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request; ``body`` is bytes of ``media_type``."""

    method: str
    path: str
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and how often the request was sent for it."""

    status: int
    body: bytes
    sent: int

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON
        """The body as JSON."""
        return json.loads(self.body)


async def ask(port: int, request: Request, fate: Fate, *, between: Callable[[], object]) -> Answer:
    """Send until answered; ``between`` is called before each repetition. Raises ``NeverAnswered``."""
    end, last, sent = time.monotonic() + ANSWER_S, "nothing", 0
    while time.monotonic() < end:
        sent += 1
        try:
            async with asyncio.timeout(_PATIENCE_S):
                status, body = await _once(port, request, fate)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            last = type(error).__name__
        else:
            if status < 500 and not (status == 409 and b'"in_progress"' in body):
                return Answer(status, body, sent)
            last = f"{status} {body[:300]!r}"
        between()
        await pacing.pause(_AGAIN_S)
    raise NeverAnswered(f"{request.method} {request.path}: {last}")


async def _once(port: int, request: Request, fate: Fate) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    step = fate.begins(f"client: {request.method} {request.path}")
    try:
        head = {
            "Host": "localhost",
            "Connection": "close",
            "Content-Length": str(len(request.body)),
            **({"Content-Type": request.media_type} if request.body else {}),
            **request.headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        half = len(request.body) // 2
        writer.write(f"{request.method} {request.path} HTTP/1.1\r\n{lines}\r\n".encode() + request.body[:half])
        await writer.drain()
        fate.strikes(step, Place.BEFORE)
        writer.write(request.body[half:])
        await writer.drain()
        fate.strikes(step, Place.WITHIN)
        answer = await _read(reader)
        fate.strikes(step, Place.AFTER)
        return answer
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read an answer to its end. Raises ``IncompleteReadError`` where it is cut off."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    told = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    return int(head[0].split(" ")[1]), await reader.readexactly(int(told["content-length"]))
