"""Every operation of the OpenAPI document keeps the promises that all of them make.

Generated from the document: an operation is called by its example, or by its recipe where that is not enough (``recipes``). One that can be
called by neither fails, so that no operation is ever left out.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import jsonschema_rs
import pytest
import pytest_asyncio

from tests import conftest, described
from tests.contract import recipes, worlds
from tests.integration.entrypoints.rest.identity import conftest as kit

DOCUMENT = described.document()
PROBLEM_JSON = "application/problem+json"
# A scope that most operations do not ask for, and another for those that do.
HARMLESS = ("notifications:read", "jobs:read")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as the document describes it."""

    method: str
    path: str
    described: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.described["operationId"])

    @property
    def access(self) -> dict[str, str]:
        return dict(self.described["x-access"])

    @property
    def recipe(self) -> recipes.Recipe:
        return recipes.RECIPES.get(self.id, recipes.Recipe())

    @property
    def is_public(self) -> bool:
        return self.access["kind"] == "public"

    @property
    def is_idempotent(self) -> bool:
        return {"$ref": "#/components/parameters/IdempotencyKey"} in self.described.get("parameters", [])

    @property
    def is_list(self) -> bool:
        return {"limit", "cursor"} <= self.parameters("query")

    @property
    def takes_json(self) -> bool:
        return "example" in self.media("requestBody", "application/json")

    @property
    def success(self) -> int:
        return next(int(status) for status in self.described["responses"] if status.startswith("2"))

    def parameters(self, place: str) -> set[str]:
        return {one["name"] for one in self.described.get("parameters", []) if one.get("in") == place}

    def media(self, part: str, media_type: str) -> dict[str, Any]:
        return dict(self.described.get(part, {}).get("content", {}).get(media_type, {}))

    def who(self) -> recipes.Who:
        """Who calls, unless a test says otherwise."""
        of_kind: dict[str, recipes.Who] = {"public": "nobody", "caller": "session", "house": "house", "scope": "key"}
        return self.recipe.who or of_kind[self.access["kind"]]


OPERATIONS = [
    Operation(method.upper(), path, described) for path, methods in DOCUMENT["paths"].items() for method, described in methods.items()
]


def those(condition: Callable[[Operation], object]) -> pytest.MarkDecorator:
    """Parametrize by the operations that meet the condition."""
    return pytest.mark.parametrize("operation", [pytest.param(one, id=one.id) for one in OPERATIONS if condition(one)])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ledger(server: conftest.Server, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[kit.Installation]:
    home: Path = tmp_path_factory.mktemp("home")
    async with conftest._clone(server, template) as database, worlds.installed(database, home) as (_, ledger):
        yield ledger


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def still(ledger: kit.Installation) -> worlds.World:
    """Return a world in which nothing ever happens: one for all calls that are refused before they look at it."""
    return await worlds.make(ledger)


async def body_of(operation: Operation, world: worlds.World) -> recipes.Body | None:
    if operation.recipe.body is not None:
        return await operation.recipe.body(world)
    return operation.media("requestBody", "application/json").get("example")


def sender(world: worlds.World, who: recipes.Who) -> worlds.Sender:
    senders: dict[recipes.Who, worlds.Sender] = {
        "key": world.key,
        "session": world.browser,
        "house": world.house,
        "nobody": world.nobody,
    }
    return senders[who]


async def call(
    operation: Operation,
    world: worlds.World,
    *,
    by: worlds.Sender | None = None,
    place: dict[str, str] | None = None,
    content: bytes | None = None,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
) -> httpx2.Response:
    """Call an operation by its recipe, with what the test changes."""
    if place is None:
        place = await operation.recipe.place(world)
    if content is None:
        body = await body_of(operation, world)
        content = b"" if body is None else json.dumps(body).encode()
    given = {"content-type": "application/json"} if content else {}
    given |= await operation.recipe.headers(content)
    return await (by or sender(world, operation.who())).send(
        operation.method,
        operation.path.format(**place),
        content=content,
        headers={**given, **(headers or {})},
        params={**operation.recipe.query, **(query or {})},
    )


async def prepared(operation: Operation, ledger: kit.Installation) -> worlds.World:
    return await worlds.make(ledger, sandbox=operation.recipe.sandbox)


def problem(answer: httpx2.Response, operation: Operation, status: int, code: str | None = None) -> dict[str, Any]:
    """Return the problem document; fail unless it is one, of this status, that the operation documents."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM_JSON
    said: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= said.keys()
    assert said["status"] == status
    assert code in {None, said["code"]}, said
    assert said["code"] in documented(operation, status), f"{said['code']} is not among the documented codes of {status}"
    return said


def documented(operation: Operation, status: int) -> list[str]:
    reference = operation.described["responses"][str(status)]["$ref"]
    codes: list[str] = DOCUMENT["components"]["responses"][reference.rpartition("/")[2]]["x-codes"]
    return codes


def conforms(answer: httpx2.Response, operation: Operation) -> None:
    """Fail unless a success is as the document describes it."""
    assert answer.status_code == operation.success, answer.text
    described = operation.described["responses"][str(operation.success)]
    if "content" not in described:
        assert answer.content == b""
        return
    media_type = answer.headers["content-type"].partition(";")[0]
    assert media_type in described["content"]
    if media_type == "application/json":
        schema = {**described["content"][media_type]["schema"], "components": DOCUMENT["components"]}
        jsonschema_rs.validate(schema, answer.json(), validate_formats=True)


# --- the promises


async def test_every_operation_can_be_called() -> None:
    left_out = [
        one.id
        for one in OPERATIONS
        if (one.parameters("path") and one.recipe.place is recipes._nothing)
        or ("requestBody" in one.described and not one.takes_json and one.recipe.body is None)
    ]
    assert left_out == [], "add their recipes to tests/contract/recipes.py"
    assert set(recipes.RECIPES) <= {one.id for one in OPERATIONS}, "these recipes are for operations that are no more"


@those(lambda one: True)
async def test_it_succeeds_as_documented(operation: Operation, ledger: kit.Installation) -> None:
    world = await prepared(operation, ledger)
    answer = await call(operation, world)
    conforms(answer, operation)
    if operation.success == 201:
        assert answer.headers["location"].startswith("/v1/")
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    if not operation.is_public:
        kept = answer.headers["cache-control"]
        assert kept == "no-store" or (operation.described["tags"] == ["Cost and carbon"] and kept.startswith("private, "))


@those(lambda one: not one.is_public)
async def test_without_credentials_it_is_401(operation: Operation, still: worlds.World) -> None:
    place = {name: str(uuid4()) for name in operation.parameters("path")}
    for headers in ({}, {"authorization": "Bearer cl_live_" + "0" * 40}, {"cookie": f"{kit.COOKIE}=nonsense"}):
        answer = await call(operation, still, by=still.nobody, place=place, content=b"", headers=headers)
        problem(answer, operation, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


@those(lambda one: "scope" in one.access)
async def test_without_the_scope_it_is_403(operation: Operation, ledger: kit.Installation) -> None:
    world = await prepared(operation, ledger)
    other = next(scope for scope in HARMLESS if scope != operation.access["scope"])
    place = {name: str(uuid4()) for name in operation.parameters("path")}
    answer = await call(operation, world, by=await world.weak_key(other), place=place, content=b"")
    problem(answer, operation, 403, "scope_missing")


@those(lambda one: one.access["kind"] == "house")
async def test_what_is_the_houses_is_403_for_others(operation: Operation, ledger: kit.Installation) -> None:
    world = await prepared(operation, ledger)
    answer = await call(operation, world, by=world.key)
    problem(answer, operation, 403, "house_only")


@those(lambda one: one.parameters("path") and not one.recipe.is_everybodys)
async def test_another_organizations_row_is_404(operation: Operation, ledger: kit.Installation) -> None:
    world, other = await prepared(operation, ledger), await prepared(operation, ledger)
    theirs = await operation.recipe.place(other)
    answer = await call(operation, world, place=theirs)
    said = problem(answer, operation, 404)
    # A number counts what is inside the thing that an id names.
    nowhere = {name: value if value.isdecimal() else str(uuid4()) for name, value in theirs.items()}
    absent = await call(operation, world, place=nowhere)
    assert problem(absent, operation, 404)["code"] == said["code"], "what is another's must look like what is not there"
    assert operation.success == (await call(operation, other, place=theirs)).status_code, "and it is untouched"


@those(lambda one: one.is_idempotent)
async def test_the_same_key_replays_the_first_answer(operation: Operation, ledger: kit.Installation) -> None:
    world = await prepared(operation, ledger)
    place = await operation.recipe.place(world)
    body = await body_of(operation, world)
    content = b"" if body is None else json.dumps(body).encode()
    headers = {"idempotency-key": str(uuid4())}
    first, again = [await call(operation, world, place=place, content=content, headers=headers) for _ in range(2)]
    conforms(first, operation)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers.get("location") == first.headers.get("location")
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
    if content:
        other = await call(operation, world, place=place, content=content + b" ", headers=headers)
        problem(other, operation, 409, "idempotency_key_reused")


@those(lambda one: one.takes_json and one.recipe.reads_itself)
async def test_what_an_endpoint_cannot_read_itself_is_400(operation: Operation, ledger: kit.Installation) -> None:
    world = await prepared(operation, ledger)
    for content in (b'{"a":', b"[1]", b"7"):
        problem(await call(operation, world, content=content), operation, 400)
    problem(await call(operation, world, content=b"{}", headers={"content-type": "text/plain"}), operation, 415)


@those(lambda one: one.takes_json and not one.recipe.reads_itself)
async def test_what_cannot_be_read_is_400_and_what_is_wrong_is_422(operation: Operation, still: worlds.World) -> None:
    place = {name: str(uuid4()) for name in operation.parameters("path")}
    said = problem(await call(operation, still, place=place, content=b'{"a":'), operation, 400, "json_unreadable")
    assert said["errors"][0]["code"] == "json_invalid"
    problem(await call(operation, still, place=place, content=b"{}", headers={"content-type": "text/plain"}), operation, 415)
    body = {**(operation.media("requestBody", "application/json")["example"]), "a_field_of_no_operation": 1}
    said = problem(await call(operation, still, place=place, content=json.dumps(body).encode()), operation, 422, "request_invalid")
    assert {"/a_field_of_no_operation"} == {one["pointer"] for one in said["errors"]}, "the example is valid but for this field"


@those(lambda one: one.parameters("path") and not one.recipe.is_everybodys)
async def test_a_path_parameter_that_is_no_id_is_422(operation: Operation, ledger: kit.Installation) -> None:
    world = await prepared(operation, ledger)
    answer = await call(operation, world, place=dict.fromkeys(operation.parameters("path"), "seven"))
    assert problem(answer, operation, 422)["errors"][0]["pointer"].startswith("/path/")


@those(lambda one: one.is_list)
async def test_a_list_is_read_in_pages(operation: Operation, ledger: kit.Installation) -> None:
    world = await prepared(operation, ledger)
    place = await operation.recipe.place(world)
    for query, code in (({"limit": "0"}, 422), ({"limit": "201"}, 422), ({"cursor": "nonsense"}, 400), ({"limits": "1"}, 422)):
        problem(await call(operation, world, place=place, query=query), operation, code)
    await fill(world)
    whole = (await call(operation, world, place=place, query={"limit": "200"})).json()
    assert whole["next_cursor"] is None
    paged: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": "1", "cursor": cursor} if cursor else {"limit": "1"}
        page = (await call(operation, world, place=place, query=query)).json()
        assert len(page["data"]) <= 1
        paged += page["data"]
        cursor = page["next_cursor"]
    assert unused(paged) == unused(whole["data"])
    ids = [row["id"] for row in whole["data"] if "id" in row]
    assert len(set(ids)) == len(ids)


def unused(rows: list[Any]) -> list[Any]:
    """Rows without when they were last used, which is this very moment."""
    return [{name: value for name, value in row.items() if name != "last_used_at"} for row in rows]


async def fill(world: worlds.World) -> None:
    """Make some of everything that lists show."""
    for _ in range(2):
        assert (await world.house.send("POST", "/v1/credit-lots", json=await recipes.a_file_of_lots(world))).is_success
    for make in (recipes.an_api_key, recipes.an_llm_key, recipes.an_invitation, recipes.a_member, recipes.a_project, recipes.an_agent):
        for _ in range(2):
            await make(world)
