"""A body is bounded by what its operation needs, and what is wrong with it is told in bounded time and memory."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from carbonledger.entrypoints.rest import areas, routing, shapes
from carbonledger.entrypoints.shared import access, exchange, strict_json
from carbonledger.infra import settings
from carbonledger.kernel import errors

KIB, MIB = 2**10, 2**20


class RowIn(shapes.In):
    """One row of a table."""

    amount: int


class TableIn(shapes.In):
    """What the routes of this test take."""

    rows: list[RowIn] = Field(default_factory=list)
    notes: dict[str, Any] = Field(default_factory=dict)


async def take(call: routing.CallDep, body: TableIn) -> None:
    """Take a table."""


def route(*, public: bool = False, **declared: Any) -> routing.Route:
    router = routing.Router(prefix="/v1/tables", tag="Tables")
    demand = access.public(limit="public") if public else access.scope("api_keys:write")
    router.post("", access=demand, operation_id="takeTable", summary="Take", examples={"request": {}}, **declared)(take)
    return router.routes[0]


def read(asked: routing.Route, body: bytes) -> dict[str, Any]:
    scope = {"type": "http", "method": "POST", "path": "/v1/tables", "headers": [], "query_string": b""}

    async def receive() -> exchange.Message:
        raise AssertionError("the body is given")

    return asked.reader.values(exchange.Exchange(scope, receive, at=datetime(2026, 11, 21, tzinfo=UTC)), {}, body)


def refused(asked: routing.Route, body: bytes) -> errors.Fault:
    with pytest.raises(errors.Fault) as caught:
        read(asked, body)
    return caught.value


def fields(count: int) -> bytes:
    return b"{" + b",".join(b'"%x":0' % number for number in range(count)) + b"}"


@pytest.mark.parametrize(
    "asked, given, limit_bytes",
    [
        (route(), {}, MIB),
        (route(public=True), {}, 64 * KIB),
        (route(large=True), {}, 10 * MIB),
        (route(public=True, large=True), {}, 10 * MIB),  # who opts in has said so
        (route(ingest=True), {}, 32 * MIB),
        (route(), {"body_limit_bytes": 2 * KIB}, 2 * KIB),  # the installation's ceiling is above all
        (route(public=True), {"body_limit_bytes": 2 * KIB}, 2 * KIB),
        (route(large=True), {"body_limit_bytes": 2 * MIB}, 2 * MIB),
    ],
)
def test_a_route_takes_what_it_needs_and_never_more_than_the_installation(
    asked: routing.Route, given: dict[str, int], limit_bytes: int, tmp_path: Path
) -> None:
    assert asked.body_limit_bytes(settings.Settings.model_validate({"home": tmp_path, **given})) == limit_bytes


def test_no_public_operation_takes_more_than_64_kib(tmp_path: Path) -> None:
    configuration = settings.Settings.model_validate({"home": tmp_path})
    public = [one for one in areas.routes() if one.demand.is_public and one.accepted]
    assert public
    assert {one.body_limit_bytes(configuration) for one in public} == {64 * KIB}


@pytest.mark.parametrize("declared", [{}, {"large": True}, {"ingest": True}])
def test_an_object_has_at_most_1000_members(declared: dict[str, bool]) -> None:
    assert read(route(**declared), b'{"notes":%s}' % fields(1_000))["body"].notes.keys() == {f"{number:x}" for number in range(1_000)}
    fault = refused(route(**declared), b'{"notes":%s}' % fields(1_001))
    assert (fault.code, fault.problems[0].code) == ("json_unreadable", "object_too_large")


def test_an_array_has_at_most_1000_items_unless_the_route_takes_large_bodies() -> None:
    def table(count: int) -> bytes:
        return b'{"rows":[' + b",".join([b'{"amount":1}'] * count) + b"]}"

    assert len(read(route(), table(1_000))["body"].rows) == 1_000
    fault = refused(route(), table(1_001))
    assert (fault.code, fault.problems[0].code) == ("json_unreadable", "array_too_long")
    nested = refused(route(), b'{"notes":{"a":[{"b":[0%s]}]}}' % (b",0" * 1_000))
    assert nested.problems[0].code == "array_too_long"
    assert len(read(route(large=True), table(5_000))["body"].rows) == 5_000


def test_up_to_1000_things_that_are_wrong_are_told_and_more_are_counted() -> None:
    def table(count: int) -> bytes:
        return b'{"rows":[' + b",".join([b'{"amount":"1"}'] * count) + b"]}"

    listed = refused(route(large=True), table(1_000))
    assert (listed.code, len(listed.problems), listed.problems[7].pointer) == ("request_invalid", 1_000, "/rows/7/amount")
    counted = refused(route(large=True), table(1_001))
    assert (counted.code, counted.problems) == ("request_invalid", ())
    assert "1001 things are wrong" in (counted.detail or "")


@pytest.mark.parametrize("declared", [{}, {"large": True}])
def test_a_body_of_unknown_fields_takes_memory_in_proportion_to_its_size(declared: dict[str, bool]) -> None:
    asked, body = route(**declared), fields(90_000)  # 0.8 MB; each field told as a problem was about 1 KB
    tracemalloc.start()
    try:
        fault = refused(asked, body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (fault.code, len(fault.problems)) == (strict_json.JsonUnreadable.code, 1)
    assert peak < 25 * len(body)
