"""What an endpoint is given: one call of one operation, with its caller, its time and its open transaction.

Owns nothing of the request's order (``routing``). An endpoint takes it as its first argument, ``call: routing.CallDep``.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import Depends
from starlette.requests import Request

from carbonledger.entrypoints.rest import shapes
from carbonledger.entrypoints.shared import bodies
from carbonledger.entrypoints.shared.exchange import Exchange, Header
from carbonledger.kernel import page

if TYPE_CHECKING:
    from datetime import datetime

    from carbonledger import bootstrap
    from carbonledger.domains.identity import types as identity_types
    from carbonledger.entrypoints.shared import gate
    from carbonledger.infra import db
    from carbonledger.kernel import actor


@dataclass(frozen=True, slots=True)
class Edge:
    """What answering takes: made once, when the application starts."""

    services: bootstrap.Services
    gate: gate.Gate
    uploads: bodies.Budget = field(default_factory=lambda: bodies.Budget(bodies.UPLOADS_HELD_BYTES_MAX))
    bodies: bodies.Budget = field(default_factory=bodies.Budget)
    checking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    """Held while a file is checked that anybody may send, which can take a second: one at a time, so that all else is still answered."""


@dataclass(slots=True)
class Call:
    """One call of one operation. ``now`` is the organization's business time, ``at`` the real one."""

    edge: Edge
    exchange: Exchange
    actor: actor.Actor
    now: datetime
    at: datetime
    body: bytes = b""
    """The body as it came (inflated), for operations that check a signature over it."""
    status: int = 200
    headers: list[Header] = field(default_factory=list)
    known_caller: identity_types.Caller | None = None
    open_uow: db.UnitOfWork | None = None
    found: Any = None
    """What the route's ``before`` returned."""

    @property
    def services(self) -> bootstrap.Services:
        """What use cases take."""
        return self.edge.services

    @property
    def uow(self) -> db.UnitOfWork:
        """The open transaction: of the caller's organization, or of none on a public route."""
        if self.open_uow is None:
            raise RuntimeError("this route says transaction=False: it opens its own through call.services.database")
        return self.open_uow

    @property
    def caller(self) -> identity_types.Caller:
        """Who calls. A public route has no caller."""
        if self.known_caller is None:
            raise RuntimeError("a public route has no caller")
        return self.known_caller

    @property
    def request_id(self) -> str:
        """The request's id, for whatever follows from it."""
        return self.exchange.request_id

    @property
    def request(self) -> Request:
        """The request as Starlette shows it, for cookies and rare headers; its body is ``body``."""
        return Request(self.exchange.scope)

    def header(self, name: str, value: str) -> None:
        """Add a header to the answer."""
        self.headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))

    def created(self, location: str) -> None:
        """Answer 201 with the address of what was made."""
        self.status = 201
        self.header("location", location)

    def accepted(self, job_id: UUID) -> shapes.Accepted:
        """Answer 202 with the address of the job that does the work."""
        status_url = f"/v1/jobs/{job_id}"
        self.status = 202
        self.header("location", status_url)
        return shapes.Accepted(job_id=job_id, status_url=status_url)

    def page(self, *, limit: int, cursor: str | None, parts: int) -> page.PageRequest:
        """Return what stretch of a list is asked for; ``parts`` is the number of columns in its sort key. Raises ``CursorUnreadable``."""
        after = None if cursor is None else page.decode_cursor(cursor, parts=parts)
        return page.PageRequest(limit=limit, after=after)


def provide() -> Any:  # noqa: ANN401 - never called: it marks the parameter that routing fills
    """Mark the parameter that takes the call."""
    raise RuntimeError("routing fills the call itself")


CallDep = Annotated[Call, Depends(provide)]
