"""Request bodies, read within bounds of size and time, also after inflation.

A body is counted as it comes and as it inflates, so neither a large one, nor a slow one, nor a small one that inflates to a large one
takes more memory than the limit or more time than the deadline; all together take no more than the process's budget. It is read before a
transaction is open: a slow client holds no connection of the database.
"""

from __future__ import annotations

import asyncio
import zlib
from types import TracebackType
from typing import Final, Self

from carbonledger.entrypoints.shared import exchange, faults
from carbonledger.kernel import errors

CHUNK_TIMEOUT_S = 15.0  # silence that long is a stalled client, even on a telephone
BODY_TIMEOUT_S = 120.0  # 32 MiB at 300 kB/s
# Bodies that one process holds at once: 8 of ingest, 4,096 public ones. A container of 1 GiB, the smallest we run in, survives them while
# one is being parsed; more of them is no load that we serve, but somebody who opens connections and waits.
HELD_BYTES_MAX = 256 * 2**20
# Files that people upload, apart from these: anybody may send one to have it checked, and must not keep usage from being taken in.
UPLOADS_HELD_BYTES_MAX = 64 * 2**20  # two of the largest, or a dozen others; a form that is read takes as much again
_RETRY_S = 5  # bodies come and go within seconds, unless somebody holds them back
_INFLATE_STEP = 64 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
_ENCODINGS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}


class BodyUndecodable(faults.HttpFault):
    """The request's body is not in the content encoding that it names."""

    code = "body_undecodable"


class BodiesHeld(errors.Unavailable):
    """This process holds as many bytes of requests' bodies as it may. Send the request again."""

    code = "bodies_held"


class Budget:
    """How many bytes of bodies may be held at once. One for each process."""

    def __init__(self, limit_bytes: int = HELD_BYTES_MAX) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0

    def lease(self) -> Lease:
        """Return the share of one request, to be entered; it is given back when the block ends, however it ends."""
        return Lease(self)


class Lease:
    """What one request holds of the budget."""

    __slots__ = ("_budget", "_held_bytes")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._budget.held_bytes -= self._held_bytes
        self._held_bytes = 0

    def take(self, count: int) -> None:
        """Take ``count`` bytes more. Raises ``BodiesHeld`` when there are not so many left."""
        if self._budget.held_bytes + count > self._budget.limit_bytes:
            raise BodiesHeld(retry_after_s=_RETRY_S)
        self._budget.held_bytes += count
        self._held_bytes += count


async def read(request: exchange.Exchange, *, limit_bytes: int, lease: Lease) -> bytes:
    """Return the whole body, inflated, while ``lease`` holds its size.

    Raises an ``HttpFault`` for one that is too large, too slow or not as announced, ``BodiesHeld`` when others hold too much.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        inflator = None
    elif encoding in _ENCODINGS:
        inflator = _Inflator(_ENCODINGS[encoding], limit_bytes)
    else:
        raise faults.EncodingUnsupported("Send the body plain, or with Content-Encoding gzip or deflate.")
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced[:20]) > limit_bytes:
        raise _too_large(limit_bytes)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _read(request.receive, inflator, limit_bytes, lease)
    except TimeoutError:
        raise faults.RequestTimeout("The body did not arrive in time. Send it again over a faster connection.") from None


async def _read(receive: exchange.Receive, inflator: _Inflator | None, limit_bytes: int, lease: Lease) -> bytes:
    whole = bytearray()  # not a list of parts: a body dripped byte by byte must not cost an object for each
    more = True
    while more:
        async with asyncio.timeout(CHUNK_TIMEOUT_S):
            message = await receive()
        if message["type"] == "http.disconnect":
            raise faults.ClientGone
        part: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        if part:
            plain = part if inflator is None else inflator.feed(part)
            lease.take(len(plain))
            whole += plain
        if len(whole) > limit_bytes:
            raise _too_large(limit_bytes)
    if inflator is not None:
        inflator.finish()
    return bytes(whole)


def _too_large(limit_bytes: int) -> faults.BodyTooLarge:
    return faults.BodyTooLarge(f"The limit is {limit_bytes} bytes, also after inflation. Send less in one request.")


class _Inflator:
    """Inflates a stream in small steps, and stops at the limit: a bomb costs the limit, not what it would become."""

    def __init__(self, window_bits: int, limit_bytes: int) -> None:
        self._stream = zlib.decompressobj(window_bits)
        self._room = limit_bytes
        self._limit_bytes = limit_bytes

    def feed(self, part: bytes) -> bytes:
        """Return what ``part`` inflates to. Raises ``BodyTooLarge`` once the whole has grown past the limit."""
        made = bytearray()
        try:
            while True:
                step = self._stream.decompress(part, _INFLATE_STEP)
                made += step
                if len(made) > self._room:
                    raise _too_large(self._limit_bytes)
                if self._stream.unused_data:
                    raise BodyUndecodable("The compressed body goes on after its end; send one stream.")
                part = self._stream.unconsumed_tail
                if not part and len(step) < _INFLATE_STEP:  # a full step may leave more in the window
                    break
        except zlib.error:
            raise BodyUndecodable("The body can't be inflated.") from None
        self._room -= len(made)
        return bytes(made)

    def finish(self) -> None:
        """Raise ``BodyUndecodable`` unless the stream has come to its end."""
        if not self._stream.eof:
            raise BodyUndecodable("The compressed body ends too early.")
