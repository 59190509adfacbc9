"""What the framework does around an endpoint: callers, access, parameters, transaction, answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import httpx2
import pytest

from carbonledger.infra import settings
from tests import conftest
from tests.integration.entrypoints.edge import kit


@pytest.fixture
def configuration(worker_database: conftest.TestDatabase, tmp_path: Path) -> settings.Settings:
    return kit.configure(worker_database, tmp_path)


@pytest.fixture
async def client(configuration: settings.Settings, organization_id: UUID) -> AsyncIterator[httpx2.AsyncClient]:
    async with kit.client(configuration, organization_id) as opened:
        yield opened


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, object]:
    assert answer.headers["content-type"] == "application/problem+json"
    said: dict[str, object] = answer.json()
    assert (answer.status_code, said["status"], said["code"]) == (status, status, code), said
    assert said["type"] == f"urn:carbonledger:problem:{code}"
    assert said["request_id"] == answer.headers["x-request-id"]
    assert said["title"]
    assert said["detail"]
    return said


async def test_a_created_thing_answers_201_with_its_address(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/things", json={"name": "lamp"})
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v1/things/{answer.json()['id']}")
    assert answer.headers["content-type"] == "application/json"


async def test_an_endpoint_works_in_the_transaction_of_its_caller(client: httpx2.AsyncClient, organization_id: UUID) -> None:
    assert (await client.get("/v1/things/mine")).json() == {"id": str(organization_id), "name": "Test"}


async def test_what_fails_has_no_effect(client: httpx2.AsyncClient, worker_database: conftest.TestDatabase, organization_id: UUID) -> None:
    problem(await client.post("/v1/things", json={"name": "odd"}), 409, "thing_odd")
    assert await kit.effects(worker_database, organization_id) == 0


async def test_a_failure_of_ours_says_nothing_but_the_request_id(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/things", json={"name": "broken"})
    said = problem(answer, 500, "internal")
    assert kit.SECRET not in answer.text
    assert "ValueError" not in answer.text
    assert "errors" not in said


@pytest.mark.parametrize(
    "method, path, status, code",
    [
        ("GET", "/v1/nothing", 404, "route_unknown"),
        ("GET", "/v1/things/", 404, "route_unknown"),  # a trailing slash is another address
        ("GET", "/", 404, "route_unknown"),
        ("PUT", "/v1/things", 405, "method_not_allowed"),
        ("TRACE", "/v1/things", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/things", 405, "method_not_allowed"),  # no origin is configured, so no preflight is answered
        ("BREW", "/v1/things", 405, "method_not_allowed"),
        ("GET", "/v1/" + "a" * 5000, 414, "address_too_long"),
        ("GET", "/v1/things?cursor=" + "a" * 9000, 414, "address_too_long"),
    ],
)
async def test_what_is_not_there_is_a_problem_too(client: httpx2.AsyncClient, method: str, path: str, status: int, code: str) -> None:
    answer = await client.request(method, path)
    problem(answer, status, code)
    if status == 405:
        assert answer.headers["allow"] == "GET, POST, HEAD"


async def test_head_is_answered_like_get(client: httpx2.AsyncClient) -> None:
    answer = await client.head("/v1/things/mine")
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) > 0


async def test_no_credentials_are_401_with_a_challenge(client: httpx2.AsyncClient) -> None:
    for headers in ({"authorization": ""}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic YTpi"}):
        answer = await client.get("/v1/things", headers=headers)
        problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == 'Bearer realm="carbonledger"'


async def test_a_caller_without_the_scope_is_refused_before_the_body_is_looked_at(client: httpx2.AsyncClient) -> None:
    headers = {"authorization": f"Bearer {uuid4()}:none"}
    said = problem(await client.post("/v1/things", content=b"{", headers=headers), 403, "scope_missing")
    assert "api_keys:write" in str(said["detail"])


async def test_what_is_the_houses_is_refused_to_others(client: httpx2.AsyncClient) -> None:
    problem(await client.post("/v1/things/house"), 403, "house_only")
    assert (await client.post("/v1/things/house", headers={"authorization": f"Bearer {uuid4()}:house"})).status_code == 200


async def test_a_session_repeats_its_csrf_token_when_it_changes_something(client: httpx2.AsyncClient, organization_id: UUID) -> None:
    client.headers.pop("authorization")
    cookie = {"cookie": f"session={organization_id}"}
    assert (await client.get("/v1/things/mine", headers=cookie)).status_code == 200
    for wrong in ({}, {"x-csrf-token": ""}, {"x-csrf-token": "csrf-of-another"}):
        problem(await client.post("/v1/things", json={"name": "lamp"}, headers={**cookie, **wrong}), 403, "csrf_token_wrong")
    right = {**cookie, "x-csrf-token": "csrf-of-the-session"}
    assert (await client.post("/v1/things", json={"name": "lamp"}, headers=right)).status_code == 201


async def test_a_cookie_beside_a_key_is_not_looked_at(client: httpx2.AsyncClient, organization_id: UUID) -> None:
    answer = await client.post("/v1/things", json={"name": "lamp"}, headers={"cookie": f"session={organization_id}"})
    assert answer.status_code == 201


async def test_everything_wrong_with_a_body_is_told_at_once(client: httpx2.AsyncClient) -> None:
    body = {"name": "", "count": 11, "tokens": {"output": "3"}, "labels": ["a", "b" * 11], "extra/field": 1}
    said = problem(await client.post("/v1/things", json=body), 422, "request_invalid")
    assert {(one["pointer"], one["code"]) for one in said["errors"]} == {  # type: ignore[attr-defined]
        ("/name", "string_too_short"),
        ("/count", "less_than_equal"),
        ("/tokens/output", "int_type"),  # "3" is text: JSON has numbers for numbers
        ("/labels/1", "string_too_long"),
        ("/extra~1field", "extra_forbidden"),
    }


async def test_a_missing_field_is_pointed_at(client: httpx2.AsyncClient) -> None:
    said = problem(await client.post("/v1/things", json={"tokens": {}}), 422, "request_invalid")
    assert {one["pointer"] for one in said["errors"]} == {"/name", "/tokens/output"}  # type: ignore[attr-defined]


async def test_an_answer_tells_a_hundred_problems_and_counts_the_rest(client: httpx2.AsyncClient) -> None:
    said = problem(await client.post("/v1/things", json={"name": "lamp", "labels": ["too long a label"] * 250}), 422, "request_invalid")
    assert (len(said["errors"]), said["errors_left_out"]) == (100, 150)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "query, pointer, code",
    [
        ("limit=0", "/query/limit", "greater_than_equal"),
        ("limit=201", "/query/limit", "less_than_equal"),
        ("limit=many", "/query/limit", "int_parsing"),
        ("limits=5", "/query/limits", "parameter_unknown"),  # a misspelt filter would give everything
        ("cursor=%00", "/query/cursor", "text_unstorable"),
        ("limit=1&limit=2", "/query/limit", "parameter_doubled"),
    ],
)
async def test_a_wrong_parameter_is_pointed_at(client: httpx2.AsyncClient, query: str, pointer: str, code: str) -> None:
    said = problem(await client.get(f"/v1/things?{query}"), 422, "request_invalid")
    assert said["errors"] == [{"pointer": pointer, "code": code, "detail": said["errors"][0]["detail"]}]  # type: ignore[index]


async def test_a_path_parameter_that_is_no_id_is_pointed_at(client: httpx2.AsyncClient) -> None:
    said = problem(await client.post("/v1/things/seven/touch"), 422, "request_invalid")
    assert said["errors"][0]["pointer"] == "/path/thing_id"  # type: ignore[index]


async def test_a_cursor_of_another_list_is_malformed(client: httpx2.AsyncClient) -> None:
    problem(await client.get("/v1/things?cursor=bm9uc2Vuc2U"), 400, "cursor_unreadable")


async def test_an_answer_without_a_body_has_none(client: httpx2.AsyncClient) -> None:
    answer = await client.post(f"/v1/things/{kit.ID}/touch")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-type" not in answer.headers
    assert "content-length" not in answer.headers


async def test_a_stream_is_sent_with_the_headers_of_every_answer(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v1/things/stream")
    assert (answer.status_code, answer.text) == (200, "part part part ")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "given, kept",
    [
        ("my-request.42", True),
        ("a" * 128, True),
        ("a" * 129, False),
        ("with space", False),
        ("sk-proj-0123456789abcdef0123456789abcdef", False),  # a credential would go into every log line
        ("", False),
    ],
)
async def test_a_sane_request_id_comes_back(client: httpx2.AsyncClient, given: str, kept: bool) -> None:
    answer = await client.get("/v1/things/mine", headers={"x-request-id": given})
    assert (answer.headers["x-request-id"] == given) is kept
    assert 1 <= len(answer.headers["x-request-id"]) <= 128


async def test_a_sandbox_lives_in_its_own_time(configuration: settings.Settings, organization_id: UUID) -> None:
    async with kit.client(configuration, f"{organization_id}:sandbox") as client:
        assert (await client.get("/v1/things/now")).json()["name"] == "2020-02-02"
    async with kit.client(configuration, organization_id) as client:
        assert (await client.get("/v1/things/now")).json()["name"] >= "2026"
