"""Reads a body up to a limit, on the wire and inflated, and never further.

Only ``gzip`` is asked for and accepted, once: nested encodings multiply the work that a few bytes can cause, and a truncated gzip
stream must show. A bomb is inflated in steps of at most ``_STEP_BYTES`` and left at the limit.
"""

from __future__ import annotations

import zlib

import httpx2

from carbonledger.infra.http import faults

ACCEPT_ENCODING = "gzip"
_STEP_BYTES = 256 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class _Plain:
    """No encoding."""

    finished = True

    def feed(self, data: bytes, room: int) -> bytes:
        del room
        return data


class _Gzip:
    """One gzip stream, of one or more members (RFC 1952, section 2.2), inflated no further than asked."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_GZIP)
        self._has_begun = False

    @property
    def finished(self) -> bool:
        return self._inflate.eof or not self._has_begun  # an empty body is whole

    def feed(self, data: bytes, room: int) -> bytes:
        """Return what ``data`` inflates to, at most about ``room`` bytes and one more: enough to see that it is too much."""
        self._has_begun = True
        parts: list[bytes] = []
        size = 0
        while data and size <= room:
            if self._inflate.eof:
                self._inflate = zlib.decompressobj(_GZIP)
            part = self._inflate.decompress(data, min(_STEP_BYTES, room - size + 1))
            parts.append(part)
            size += len(part)
            data = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
        return b"".join(parts)


async def read(response: httpx2.Response, *, limit_bytes: int, where: str) -> bytes:
    """Return the whole body, inflated. Raises ``AnswerTooLarge``, ``AnswerTruncated`` or ``AnswerMalformed``, or the library's errors."""
    decoder = _decoder(response, where)
    stated = response.headers.get("content-length", "")
    if stated.isascii() and stated.isdigit() and (len(stated) > 18 or int(stated) > limit_bytes):  # noqa: PLR2004 - no slow int()
        raise faults.AnswerTooLarge(f"{where}: announces {stated[:20]} bytes, {limit_bytes} are allowed.")
    parts: list[bytes] = []
    raw_size = size = 0
    async for chunk in response.aiter_raw():
        raw_size += len(chunk)
        try:
            part = decoder.feed(chunk, limit_bytes - size)
        except zlib.error as error:
            raise faults.AnswerMalformed(f"{where}: its gzip stream is damaged.") from error
        parts.append(part)
        size += len(part)
        # The wire counts too: a stream of empty blocks inflates to nothing for ever.
        if max(size, raw_size) > limit_bytes:
            raise faults.AnswerTooLarge(f"{where}: its answer is larger than {limit_bytes} bytes.")
    if not decoder.finished:
        raise faults.AnswerTruncated(f"{where}: its gzip stream ended before its end.")
    return b"".join(parts)


def _decoder(response: httpx2.Response, where: str) -> _Plain | _Gzip:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        return _Plain()
    if encoding in {"gzip", "x-gzip"}:
        return _Gzip()
    raise faults.AnswerMalformed(f"{where}: uses a content encoding that was not asked for.")
