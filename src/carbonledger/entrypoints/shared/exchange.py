"""One request being answered: what the layers of an edge tell each other about it, and the answer they make.

Owns the request's id, its time, its headers and what the log line will say. It reads no body (``bodies``) and makes no decision.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from carbonledger.infra import redact

if TYPE_CHECKING:
    from carbonledger.kernel import actor

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = b"application/json"
UNMATCHED = "unmatched"  # the route of an address that nothing serves: paths are the callers', and would make metrics grow without end

_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:=/+-]{1,128}")


def request_id_from(given: str | None) -> str:
    """Return the caller's request id if it is sane and holds no credential (it goes into logs and jobs as it is), else a new one."""
    if given is not None and _SANE_REQUEST_ID.fullmatch(given) and redact.redact_text(given) == given:
        return given
    return secrets.token_hex(16)


@dataclass(slots=True)
class Answer:
    """What goes back: status, body, and headers beyond those that every answer has."""

    status: int
    body: bytes = b""
    media_type: bytes | None = JSON
    headers: list[Header] = field(default_factory=list)


class Exchange:
    """A request, from its first byte to its log line. Made once, by the application's outermost layer."""

    __slots__ = (
        "actor",
        "address",
        "answer_headers",
        "at",
        "cache_s",
        "headers",
        "method",
        "path",
        "receive",
        "request_id",
        "route",
        "scope",
        "started",
    )

    def __init__(self, scope: Scope, receive: Receive, *, at: datetime) -> None:
        self.scope = scope
        self.receive = receive
        self.at = at
        self.started = time.perf_counter()
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: Mapping[str, str] = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        """By lower-case name; of a repeated header, the last."""
        self.request_id = request_id_from(self.headers.get("x-request-id"))
        client = scope.get("client")
        self.address: str = client[0] if client else ""
        """The client's, once the outermost layer has looked behind the trusted proxies."""
        self.route = UNMATCHED
        self.cache_s: int | None = None
        self.actor: actor.Actor | None = None
        self.answer_headers: list[Header] = []
        """Headers that the layers add to whatever answer is made, such as ``RateLimit``."""

    def seconds(self) -> float:
        """Return how long the request has been here."""
        return time.perf_counter() - self.started
