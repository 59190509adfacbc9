"""A body is read to its limit and no further, however small it is on the wire."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import httpx2
import pytest

from carbonledger.infra import http
from carbonledger.infra.http import body

LIMIT = 1000


class Stream(httpx2.AsyncByteStream):
    def __init__(self, data: bytes, step: int) -> None:
        self.data = data
        self.step = step
        self.given = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.data), self.step):
            self.given = min(start + self.step, len(self.data))
            yield self.data[start : start + self.step]


async def read(data: bytes, *, limit: int = LIMIT, step: int = 64, **headers: str) -> bytes:
    response = httpx2.Response(200, headers={k.replace("_", "-"): v for k, v in headers.items()}, stream=Stream(data, step))
    return await body.read(response, limit_bytes=limit, where="x")


@pytest.mark.parametrize("step", [1, 7, 64, 10_000])
@pytest.mark.parametrize("size", [0, 1, 999, 1000])
async def test_up_to_the_limit_a_body_is_whole(size: int, step: int) -> None:
    data = bytes(index % 251 for index in range(size))
    assert await read(data, step=step) == data
    assert await read(gzip.compress(data, mtime=0), limit=2000, step=step, content_encoding="gzip") == data


@pytest.mark.parametrize("step", [1, 64, 10_000])
async def test_one_byte_more_is_too_much(step: int) -> None:
    with pytest.raises(http.AnswerTooLarge):
        await read(bytes(LIMIT + 1), step=step)
    with pytest.raises(http.AnswerTooLarge):
        await read(gzip.compress(bytes(LIMIT + 1)), step=step, content_encoding="gzip")


@pytest.mark.parametrize("stated", ["1001", "99999999999999999999999999"])
async def test_an_announced_excess_is_refused_unread(stated: str) -> None:
    with pytest.raises(http.AnswerTooLarge, match="announces"):
        await read(b"x", content_length=stated)


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = bytes(2**20)
    return b"".join([packer.compress(piece) for _ in range(size // len(piece))]) + packer.flush()


async def test_a_bomb_costs_the_limit_and_not_its_size() -> None:
    data = bomb(512 * 2**20)
    assert len(data) < 2**20  # half a gigabyte in half a megabyte
    stream = Stream(data, 64 * 1024)
    tracemalloc.start()
    try:
        with pytest.raises(http.AnswerTooLarge):
            await body.read(httpx2.Response(200, headers={"content-encoding": "gzip"}, stream=stream), limit_bytes=2**20, where="x")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * 2**20
    assert stream.given == 64 * 1024  # the rest was never asked for


async def test_a_stream_that_inflates_to_nothing_ends_at_the_limit_too() -> None:
    empty_blocks = gzip.compress(b"", mtime=0)[:10] + b"\x00\x00\x00\xff\xff" * 1000  # stored blocks of length 0 (RFC 1951, section 3.2.4)
    with pytest.raises(http.AnswerTooLarge):
        await read(empty_blocks, content_encoding="gzip")


async def test_several_members_are_one_body() -> None:
    assert await read(gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0), step=5, content_encoding="gzip") == b"ab"


async def test_a_gzip_stream_that_breaks_off_shows() -> None:
    data = gzip.compress(bytes(range(256)))
    for cut in (1, 9, 10, 11, len(data) // 2, len(data) - 8, len(data) - 1):
        with pytest.raises(http.AnswerTruncated):
            await read(data[:cut], content_encoding="gzip")
    with pytest.raises(http.AnswerTruncated):
        await read(data + data[:20], content_encoding="gzip")  # in the second member


@pytest.mark.parametrize(
    "data",
    [
        b"plain text",
        gzip.compress(b"a", mtime=0)[:-8] + b"\x00" * 8,  # another checksum and length
        gzip.compress(b"a", mtime=0) + b"rubbish",
    ],
)
async def test_a_damaged_gzip_stream_is_malformed(data: bytes) -> None:
    with pytest.raises(http.AnswerMalformed, match="damaged"):
        await read(data, content_encoding="gzip")


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "compress", "gzip, gzip", "gzip, identity", "aws-chunked"])
async def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(http.AnswerMalformed, match="encoding"):
        await read(b"", content_encoding=encoding)


@pytest.mark.parametrize("encoding", ["", "identity", "Identity", "GZIP", "x-gzip"])
async def test_the_usual_spellings_are_read(encoding: str) -> None:
    data = gzip.compress(b"a", mtime=0) if "zip" in encoding.lower() else b"a"
    assert await read(data, content_encoding=encoding) == b"a"
