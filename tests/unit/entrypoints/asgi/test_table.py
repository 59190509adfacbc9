"""Operations are found by their address: literals before parameters, methods told apart, nothing found twice."""

from __future__ import annotations

import pytest

from carbonledger.entrypoints.asgi import table
from carbonledger.entrypoints.rest import routing
from carbonledger.entrypoints.shared import access, faults

PATHS = {
    "/v1/things": ["GET", "POST"],
    "/v1/things/me": ["GET"],
    "/v1/things/{thing_id}": ["GET", "DELETE"],
    "/v1/things/{thing_id}/parts/{part_id}": ["GET"],
    "/v1/things/me/parts": ["PUT"],
    "/tiles/{rest:path}": ["GET"],
    "/": ["GET"],
}


async def endpoint(call: routing.CallDep) -> None:
    raise NotImplementedError


def routes(paths: dict[str, list[str]]) -> list[routing.Route]:
    made = routing.Router(prefix="", tag="Test")
    for path, methods in paths.items():
        for method in methods:
            declare = getattr(made, method.lower())
            declare(path, access=access.caller(), operation_id=f"{method} {path}", summary="x", idempotent=False)(endpoint)
    return made.routes


TABLE = table.Table(routes(PATHS))


@pytest.mark.parametrize(
    "method, path, template, values",
    [
        ("GET", "/v1/things", "/v1/things", {}),
        ("POST", "/v1/things", "/v1/things", {}),
        ("HEAD", "/v1/things", "/v1/things", {}),
        ("GET", "/v1/things/me", "/v1/things/me", {}),  # a literal before a parameter
        ("GET", "/v1/things/me2", "/v1/things/{thing_id}", {"thing_id": "me2"}),
        ("GET", "/v1/things/me/parts/2", "/v1/things/{thing_id}/parts/{part_id}", {"thing_id": "me", "part_id": "2"}),  # and back again
        ("PUT", "/v1/things/me/parts", "/v1/things/me/parts", {}),
        ("GET", "/tiles/8/2/x001.p/5", "/tiles/{rest:path}", {"rest": "8/2/x001.p/5"}),
        ("GET", "/", "/", {}),
    ],
)
def test_an_address_leads_to_one_operation(method: str, path: str, template: str, values: dict[str, str]) -> None:
    route, found = TABLE.find(method, path)
    assert (route.path, found) == (template, values)


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/", "/v1/things/", "/v1/things//parts/2", "/v1/things/1/parts", "//v1/things", "", "/V1/things"]
)
def test_what_is_no_address_is_not_found(path: str) -> None:
    with pytest.raises(faults.RouteUnknown):
        TABLE.find("GET", path)


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("DELETE", "/v1/things", ("GET", "POST", "HEAD")),
        ("TRACE", "/v1/things", ("GET", "POST", "HEAD")),
        ("HEAD", "/v1/things/me/parts", ("PUT",)),
        ("DELETE", "/v1/things/me", ("GET", "HEAD")),  # the literal is another thing than the parameter's
    ],
)
def test_another_method_is_refused_with_those_that_are_taken(method: str, path: str, allowed: tuple[str, ...]) -> None:
    with pytest.raises(faults.MethodNotAllowed) as caught:
        TABLE.find(method, path)
    assert caught.value.allowed == allowed


def test_two_operations_of_one_address_or_one_name_are_a_mistake_of_ours() -> None:
    twice = routes({"/a": ["GET"]})
    with pytest.raises(TypeError, match="two operations are called GET /a"):
        table.Table([*twice, *twice])
    with pytest.raises(TypeError, match=r"two operations answer GET /a/\{y\}"):
        table.Table([*routes({"/a/{x}": ["GET"]}), *routes({"/a/{y}": ["GET"]})])
