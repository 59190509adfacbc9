"""Declaring an operation: what can't work is refused when the code is loaded, and what is declared is described."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import pydantic
import pytest
from fastapi import Cookie, Depends, Query

from carbonledger.entrypoints.rest import areas, openapi, problems, routing, shapes
from carbonledger.entrypoints.shared import access, exchange
from carbonledger.kernel import errors
from tests import described


class ThingIn(shapes.In):
    """A thing."""

    name: str = pydantic.Field(max_length=10)
    at: datetime | None = None


class ThingOut(shapes.Out):
    """A thing."""

    name: str


async def takes_body(call: routing.CallDep, body: ThingIn) -> ThingOut:
    raise NotImplementedError


async def takes_two_bodies(call: routing.CallDep, body: ThingIn, other: ThingIn) -> None:
    raise NotImplementedError


async def takes_optional_body(call: routing.CallDep, body: ThingIn | None = None) -> None:
    raise NotImplementedError


async def takes_cookie(call: routing.CallDep, session: Annotated[str, Cookie()]) -> None:
    raise NotImplementedError


async def takes_another_dependency(call: routing.CallDep, other: Annotated[int, Depends(lambda: 1)]) -> None:
    raise NotImplementedError


def pair(*, first: int = 1, second: Annotated[int, Query(alias="2nd")] = 2) -> tuple[int, int]:
    return first, second


async def makes_pair(*, first: int = 1) -> int:
    return first


async def takes_a_set(call: routing.CallDep, chosen: Annotated[tuple[int, int], Depends(pair)], third: int = 3) -> None:
    raise NotImplementedError


async def takes_a_set_that_waits(call: routing.CallDep, chosen: Annotated[int, Depends(makes_pair)]) -> None:
    raise NotImplementedError


async def takes_nothing(call: routing.CallDep) -> None:
    raise NotImplementedError


Endpoint = Callable[..., Awaitable[Any]]
REQUEST, RESPONSE = {"request": {"name": "a"}}, {"response": {"name": "a"}}


@pytest.mark.parametrize(
    "endpoint, options, complaint",
    [
        (takes_body, {"examples": RESPONSE}, "give an example of the request"),
        (takes_body, {"examples": REQUEST}, "give an example of the response"),
        (takes_two_bodies, {"examples": REQUEST}, "one body model"),
        (takes_optional_body, {"examples": REQUEST}, "a body is required"),
        (takes_cookie, {}, "cookies are read by the callers"),
        (takes_another_dependency, {}, "no other dependencies"),
        (takes_a_set_that_waits, {}, "a plain function"),
        (takes_nothing, {"transaction": False}, "needs idempotent=False"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_declared(endpoint: Endpoint, options: dict[str, Any], complaint: str) -> None:
    router = routing.Router(prefix="/v1/things", tag="Things")
    with pytest.raises(TypeError, match=complaint):
        router.post("", access=access.caller(), operation_id="postThing", summary="x", **options)(endpoint)


@pytest.mark.parametrize(
    "method, demand, options, idempotent",
    [
        ("post", access.caller(), {}, True),
        ("post", access.scope("api_keys:write"), {"idempotent": False}, False),
        ("post", access.public(limit="sign_in"), {}, False),  # a key belongs to an organization, and nobody has none
        ("put", access.caller(), {}, False),
        ("patch", access.caller(), {}, False),
        ("delete", access.caller(), {}, False),
        ("get", access.caller(), {}, False),
    ],
)
def test_every_post_of_a_caller_takes_an_idempotency_key(
    method: str, demand: access.Access, options: dict[str, Any], idempotent: bool
) -> None:
    router = routing.Router(prefix="/v1/things", tag="Things")
    getattr(router, method)("", access=demand, operation_id="thing", summary="x", **options)(takes_nothing)
    assert router.routes[0].options.idempotent is idempotent


# --- the whole document

DOCUMENT = described.document()
ROUTES = [pytest.param(route, id=route.unique_id) for route in areas.routes()]


@pytest.mark.parametrize("route", ROUTES)
def test_an_operation_is_described_whole(route: routing.Route) -> None:
    described = DOCUMENT["paths"][route.path_format][route.method.lower()]
    assert described["operationId"] == route.unique_id
    assert described["summary"]
    assert described["description"], "the endpoint's docstring"
    assert described["x-access"] == route.demand.described()
    assert bool(described["security"]) is not route.demand.is_public
    for fault in openapi.faults_of(route):
        reference = described["responses"][str(problems.status_of(fault))]["$ref"].rpartition("/")[2]
        assert fault.code in DOCUMENT["components"]["responses"][reference]["x-codes"]


@pytest.mark.parametrize("route", ROUTES)
def test_every_example_is_what_it_is_an_example_of(route: routing.Route) -> None:
    if "request" in route.examples:
        own = route.options.body_model
        adapter = route.reader._body_adapter if own is None else pydantic.TypeAdapter(own)
        assert adapter is not None
        adapter.validate_json(json.dumps(route.examples["request"]))
    if "response" in route.examples and route.response_model is not None:
        pydantic.TypeAdapter(route.response_model).validate_python(route.examples["response"])


def test_fields_have_bounds() -> None:
    """Every text, list and number that comes in has a bound of its own."""
    unbounded = [
        f"{name}.{field}"
        for name, schema in DOCUMENT["components"]["schemas"].items()
        if name.endswith("In")
        for field, described in schema.get("properties", {}).items()
        if not all(is_bounded(part) for part in described.get("anyOf", [described]))
    ]
    assert unbounded == []


def is_bounded(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    if kind == "string":
        return bool({"maxLength", "format", "enum", "const", "pattern"} & schema.keys())
    if kind == "array":
        return "maxItems" in schema and is_bounded(schema.get("items", {}))
    if kind in {"integer", "number"}:
        return bool({"maximum", "exclusiveMaximum"} & schema.keys())
    return True  # an object of its own, a boolean, null


def test_an_undocumented_failure_would_be_found() -> None:
    router = routing.Router(prefix="/v1/things", tag="Things")

    class Odd(errors.Conflict):
        """It is odd."""

        code = "odd"

    declare = router.get("", access=access.caller(), operation_id="getThing", summary="x", errors=(Odd,), cache_s=5)
    declare(takes_nothing)
    assert Odd in openapi.faults_of(router.routes[0])
    made = openapi.document(router.routes)
    assert any("odd" in response["x-codes"] for response in made["components"]["responses"].values())


# --- times


@pytest.mark.parametrize(
    "text, is_time",
    [
        ('"2026-11-21T10:00:00Z"', True),
        ('"2026-11-21T10:00:00.123456+01:00"', True),
        ("null", True),
        ('"2026-11-21 10:00:00Z"', False),
        ('"2026-11-21T10:00:00"', False),  # no offset: no instant
        ('"2026-11-21"', False),
        ('"1700000000"', False),
        ("1700000000", False),
        ('"2026-02-30T10:00:00Z"', False),
    ],
)
def test_a_time_in_a_body_is_rfc_3339(text: str, is_time: bool) -> None:
    adapter = pydantic.TypeAdapter(ThingIn)
    raw = f'{{"name": "a", "at": {text}}}'
    if is_time:
        adapter.validate_json(raw, strict=True)
    else:
        with pytest.raises(pydantic.ValidationError):
            adapter.validate_json(raw, strict=True)


def test_parameters_that_several_operations_share_are_declared_once_and_make_one_argument() -> None:
    router = routing.Router(prefix="/v1/things", tag="Things")
    router.get("", access=access.caller(), operation_id="getThing", summary="x")(takes_a_set)
    [route] = router.routes
    request = exchange.Exchange(
        {"type": "http", "method": "GET", "path": "/v1/things", "headers": [], "query_string": b"2nd=20&third=30"},
        None,  # type: ignore[arg-type]  # no body is read
        at=datetime(2026, 11, 25, tzinfo=UTC),
    )
    assert route.reader.values(request, {}, b"") == {"chosen": (1, 20), "third": 30}
    [described] = openapi.document([route])["paths"]["/v1/things"].values()
    assert {one["name"] for one in described["parameters"]} >= {"first", "2nd", "third"}
