"""Bodies within bounds of size, counted as they come and as they inflate."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Sequence

import pytest

from carbonledger.entrypoints.shared import bodies, exchange, faults
from carbonledger.infra import clock

LIMIT = 1000


def request(parts: Sequence[bytes], **headers: str) -> exchange.Exchange:
    messages: list[exchange.Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages = [*messages[:-1], {**messages[-1], "more_body": False}]
    waiting = iter([*messages, {"type": "http.disconnect"}])

    async def receive() -> exchange.Message:
        return next(waiting)

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return exchange.Exchange({"method": "POST", "path": "/", "headers": given, "client": None}, receive, at=clock.now())


async def read_from(asked: exchange.Exchange) -> bytes:
    with bodies.Budget().lease() as lease:
        return await bodies.read(asked, limit_bytes=LIMIT, lease=lease)


async def read(parts: Sequence[bytes], **headers: str) -> bytes:
    return await read_from(request(parts, **headers))


def split(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


@pytest.mark.parametrize("parts", [[b""], [b"whole"], [b"in ", b"", b"parts"], [b"x" * LIMIT], split(b"y" * LIMIT, 1)])
async def test_a_body_is_read_whole(parts: list[bytes]) -> None:
    assert await read(parts) == b"".join(parts)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("encoding, compress", [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("Deflate", zlib.compress)])
async def test_a_compressed_body_is_inflated_however_it_is_cut(encoding: str, compress: type, size: int) -> None:
    body = bytes(range(250)) * 4
    assert await read(split(compress(body), size), content_encoding=encoding) == body


@pytest.mark.parametrize(
    "parts, headers, fault",
    [
        ([b"x" * (LIMIT + 1)], {}, faults.BodyTooLarge),
        ([b"x" * LIMIT, b"x"], {}, faults.BodyTooLarge),
        ([b""], {"content_length": str(LIMIT + 1)}, faults.BodyTooLarge),  # refused before it is sent
        ([b""], {"content_length": "9" * 400}, faults.BodyTooLarge),
        ([gzip.compress(b"x" * (LIMIT + 1))], {"content_encoding": "gzip"}, faults.BodyTooLarge),
        ([gzip.compress(b"x" * 100 * 2**20)], {"content_encoding": "gzip"}, faults.BodyTooLarge),
        ([gzip.compress(b"x")[:-1]], {"content_encoding": "gzip"}, bodies.BodyUndecodable),
        ([b""], {"content_encoding": "gzip"}, bodies.BodyUndecodable),
        ([b"plain"], {"content_encoding": "gzip"}, bodies.BodyUndecodable),
        ([gzip.compress(b"x") * 2], {"content_encoding": "gzip"}, bodies.BodyUndecodable),  # two streams
        ([gzip.compress(b"x"), b"x"], {"content_encoding": "gzip"}, bodies.BodyUndecodable),
        ([zlib.compress(b"x")], {"content_encoding": "gzip"}, bodies.BodyUndecodable),
        ([b"x"], {"content_encoding": "br"}, faults.EncodingUnsupported),
        ([b"x"], {"content_encoding": "gzip, identity"}, faults.EncodingUnsupported),
    ],
)
async def test_what_is_too_large_or_not_what_it_says_is_refused(
    parts: list[bytes], headers: dict[str, str], fault: type[Exception]
) -> None:
    with pytest.raises(fault):
        await read(parts, **headers)


async def test_a_client_that_leaves_is_nobody_to_answer() -> None:
    asked = request([b"only a part"])

    async def gone() -> exchange.Message:
        return {"type": "http.disconnect"}

    asked.receive = gone
    with pytest.raises(faults.ClientGone):
        await read_from(asked)


async def test_a_body_that_stalls_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "CHUNK_TIMEOUT_S", 0.0)
    asked = request([b"x"])

    async def never() -> exchange.Message:
        await asyncio.Event().wait()
        raise AssertionError

    asked.receive = never
    with pytest.raises(faults.RequestTimeout):
        await read_from(asked)
