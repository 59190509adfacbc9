"""All bodies together stay within the process's budget, and what was held is given back however a request ends."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

import pytest

from carbonledger.entrypoints.shared import bodies, exchange, faults


def request(*parts: bytes, encoding: bytes = b"identity", gone: bool = False) -> exchange.Exchange:
    waiting: list[exchange.Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    waiting.append({"type": "http.disconnect"} if gone else {"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> exchange.Message:
        return waiting.pop(0)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-encoding", encoding)], "query_string": b""}
    return exchange.Exchange(scope, receive, at=datetime(2026, 11, 21, tzinfo=UTC))


async def test_a_body_is_held_until_its_request_is_answered() -> None:
    budget = bodies.Budget(100)
    with budget.lease() as lease:
        assert await bodies.read(request(b"a" * 30, b"b" * 30), limit_bytes=80, lease=lease) == b"a" * 30 + b"b" * 30
        assert budget.held_bytes == 60
    assert budget.held_bytes == 0


async def test_a_body_for_which_others_leave_no_room_is_refused_for_a_while() -> None:
    budget = bodies.Budget(100)
    with budget.lease() as first, budget.lease() as second:
        await bodies.read(request(b"a" * 60), limit_bytes=80, lease=first)
        with pytest.raises(bodies.BodiesHeld) as caught:
            await bodies.read(request(b"b" * 20, b"b" * 21), limit_bytes=80, lease=second)
        assert caught.value.retry_after_s
    with budget.lease() as third:
        assert len(await bodies.read(request(b"c" * 80), limit_bytes=80, lease=third)) == 80


async def test_a_compressed_body_counts_as_what_it_inflates_to() -> None:
    budget = bodies.Budget(1_000)
    with budget.lease() as lease, pytest.raises(bodies.BodiesHeld):
        await bodies.read(request(zlib.compress(b"a" * 1_001), encoding=b"deflate"), limit_bytes=2_000, lease=lease)


@pytest.mark.parametrize(
    "asked, failure",
    [
        (request(b"a" * 50, gone=True), faults.ClientGone),
        (request(b"a" * 50, b"a" * 31), faults.BodyTooLarge),
        (request(b"a" * 50, encoding=b"gzip"), bodies.BodyUndecodable),
    ],
)
async def test_what_was_held_is_given_back_when_the_request_fails(asked: exchange.Exchange, failure: type[Exception]) -> None:
    budget = bodies.Budget(100)
    with pytest.raises(failure), budget.lease() as lease:
        await bodies.read(asked, limit_bytes=80, lease=lease)
    assert budget.held_bytes == 0
