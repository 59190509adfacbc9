"""uvicorn's HTTP/1.1 protocol with the bounds it leaves out: how large a request's head may be, and how long it may take to arrive.

httptools hands over headers one by one and sets no limit to their number or size, and uvicorn waits for the end of a head as long as the
client likes; either would let one client hold memory or a connection for ever. Here a head has ``HEAD_BYTES_MAX``, ``HEADERS_MAX`` and
``HEAD_TIMEOUT_S``; bodies are bounded where they are read (``shared.bodies``). What can't even be parsed is answered with the same problem
documents as everything else.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http import httptools_impl

from carbonledger.entrypoints.rest import problems
from carbonledger.entrypoints.shared import exchange, faults
from carbonledger.kernel import errors

HEAD_BYTES_MAX: Final = 64 * 1024  # of a request's target and headers; nginx takes 32 kB
HEADERS_MAX: Final = 100
HEAD_TIMEOUT_S: Final = 10.0


class RequestUnparseable(faults.HttpFault):
    """The request is not HTTP/1.1."""

    code = "request_unparseable"


class BoundedProtocol(httptools_impl.HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._head_is_open = True  # a connection that has said nothing yet owes a head
        self._head_deadline: asyncio.TimerHandle | None = None
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Start waiting for a first head."""
        super().connection_made(transport)
        self._head_deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless this connection was refused; then it is only drained until it closes."""
        if self._refused:
            return
        super().data_received(data)
        if self._head_is_open and self._head_deadline is None and self._head_bytes and not self._refused:
            self._head_deadline = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._head_bytes = 1
        self._head_is_open = True

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._weigh(len(url))
        if not self._refused:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer after the body."""
        self._weigh(len(name) + len(value))
        if len(self.headers) >= HEADERS_MAX:
            self._refuse(faults.HeadersTooLarge(f"Send at most {HEADERS_MAX} headers."))
        if not self._refused:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: answer it."""
        self._head_is_open = False
        self._stop_waiting()
        if not self._refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._head_bytes = 0
        if not self._refused:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Tell that the request can't be parsed."""
        del msg
        self._refuse(RequestUnparseable("Send a well-formed HTTP/1.1 request."))

    def _weigh(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(faults.HeadersTooLarge(f"Target and headers may have {HEAD_BYTES_MAX} bytes together."))

    def _head_is_late(self) -> None:
        self._head_deadline = None
        if self._head_bytes:
            self._refuse(faults.RequestTimeout(f"The head of a request must arrive within {HEAD_TIMEOUT_S:.0f} seconds."))
        elif not self.transport.is_closing():
            self.transport.close()  # it never said anything: nobody waits for an answer

    def _stop_waiting(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _refuse(self, fault: errors.Fault) -> None:
        """Answer a request that never reaches the application, and close. Only where no answer is under way on this connection."""
        if self._refused:
            return
        self._refused = True
        self._stop_waiting()
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(_written(problems.answer(fault, request_id=exchange.request_id_from(None))))
        self.transport.close()


def _written(answer: exchange.Answer) -> bytes:
    lines = [
        httptools_impl.STATUS_LINE[answer.status].rstrip(),
        b"content-type: " + (answer.media_type or exchange.JSON),
        b"content-length: " + str(len(answer.body)).encode(),
        b"cache-control: no-store",
        b"x-content-type-options: nosniff",
        b"connection: close",
        *(name + b": " + value for name, value in answer.headers),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + answer.body
