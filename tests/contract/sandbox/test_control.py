"""What can be told to the stand-ins: time, late data, revisions, keys, and everything that may go wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from carbonledger_sandbox import faults
from tests.contract.sandbox.kit import World

USAGE = "/v1/organization/usage/completions"
HOUR = 3600
NOON = 1795608000  # 2026-11-25T12:00:00Z
REVISED = 1795514400  # 2026-11-24T10:00:00Z, the hour that the demo revises
MORNING: dict[str, Any] = {"start_time": NOON - 12 * HOUR, "end_time": NOON, "bucket_width": "1h"}
ONE_HOUR: dict[str, Any] = {"start_time": NOON - 2 * HOUR, "end_time": NOON - HOUR, "bucket_width": "1h", "group_by": "project_id"}


async def requests(world: World, query: dict[str, Any]) -> int:
    page = await world.read("openai", USAGE, query)
    return sum(item["num_model_requests"] for bucket in page["data"] for item in bucket["results"])


async def test_calls_appear_when_the_clock_has_passed_them_by_the_lag(world: World) -> None:
    day = {**MORNING, "end_time": NOON + 12 * HOUR}
    seen = [await requests(world, day)]
    for _ in range(12):
        await world.control("clock", {"advance_s": HOUR})
        seen.append(await requests(world, day))
    assert seen == sorted(seen)
    assert seen[0] < seen[1] < seen[-1]
    await world.control("clock", {"now": "2026-11-25T12:00:00Z"})
    with_lag = await requests(world, MORNING)
    await world.control("lag", {"lag_s": 0})
    assert await requests(world, MORNING) > with_lag == seen[0]


async def test_nothing_is_told_of_the_future_and_the_present_hour_grows(world: World) -> None:
    page = await world.read("openai", USAGE, {"start_time": NOON - HOUR, "bucket_width": "1h"})
    assert [bucket["start_time"] for bucket in page["data"]] == [NOON - HOUR]
    await world.control("clock", {"advance_s": 1})
    page = await world.read("openai", USAGE, {"start_time": NOON - HOUR, "bucket_width": "1h"})
    assert [bucket["start_time"] for bucket in page["data"]] == [NOON - HOUR, NOON]


async def test_the_demo_revises_one_hour_once_it_was_read(world: World) -> None:
    hour = {"start_time": REVISED, "end_time": REVISED + HOUR, "bucket_width": "1h"}
    assert await requests(world, {**hour, "bucket_width": "1d"}) > 0  # a daily reading is not the reading of the hour
    first, second, third = [await requests(world, hour) for _ in range(3)]
    assert (second, third) == (first + 1, first + 1)


async def test_a_revision_may_wait_for_the_clock(world: World) -> None:
    whole = await requests(world, ONE_HOUR)
    await world.control("revisions", {"application": "oai-shop", "day": 0, "hour": 10, "rows": 2, "after_s": 900})
    assert await requests(world, ONE_HOUR) == whole - 2
    await world.control("clock", {"advance_s": 899})
    assert await requests(world, ONE_HOUR) == whole - 2
    await world.control("clock", {"advance_s": 1})
    assert await requests(world, ONE_HOUR) == whole


async def test_a_row_vanishes_and_comes_back(world: World) -> None:
    async def projects() -> set[str]:
        page = await world.read("openai", USAGE, ONE_HOUR)
        return {item["project_id"] for item in page["data"][0]["results"]}

    before = await projects()
    await world.control("vanished", {"application": "oai-shop", "day": 0, "hour": 10})
    assert before - await projects() == {"proj_demoShop"}
    assert (await world.client.delete("/control/vanished")).status_code == 200
    assert await projects() == before


async def test_a_key_is_revoked_and_restored(world: World) -> None:
    for revoked, status in ((True, 401), (False, 200)):
        await world.control("keys", {"key": "sk-admin-demo-openai", "revoked": revoked})
        assert (await world.ask("openai", USAGE, MORNING)).status_code == status
    await world.control("keys", {"key": "sk-admin-demo-openai-revoked", "revoked": False})
    page = (await world.ask("openai", USAGE, MORNING, authorization="Bearer sk-admin-demo-openai-revoked")).json()
    assert {len(bucket["results"]) for bucket in page["data"]} == {0}  # an account without usage


@pytest.mark.parametrize("provider", ["openai", "anthropic", "openrouter"])
async def test_too_many_requests_come_with_and_without_retry_after(world: World, provider: str) -> None:
    path = {"openai": "/v1/organization/costs", "anthropic": "/v1/organizations/me", "openrouter": "/api/v1/key"}[provider]
    query = {"start_time": NOON - 24 * HOUR}
    await world.control("failures", {"provider": provider, "kind": "rate_limit", "retry_after_s": 7, "skip": 1})
    await world.control("failures", {"provider": provider, "kind": "rate_limit"})
    answers = [await world.ask(provider, path, query) for _ in range(4)]
    # The first failure skips one request, which the second takes.
    assert [(answer.status_code, answer.headers.get("retry-after")) for answer in answers] == [
        (429, None),
        (429, "7"),
        (200, None),
        (200, None),
    ]


async def test_a_failure_holds_for_its_provider_and_path_and_as_often_as_told(world: World) -> None:
    await world.control("failures", {"provider": "openai", "kind": "server_error", "times": 2, "containing": "/usage/"})
    assert (await world.ask("openai", "/v1/organization/costs", {"start_time": NOON - HOUR})).status_code == 200
    assert (await world.ask("openrouter", "/api/v1/key")).status_code == 200
    assert [(await world.ask("openai", USAGE, MORNING)).status_code for _ in range(3)] == [500, 500, 200]


async def test_a_page_of_a_proxy_comes_with_status_200(world: World) -> None:
    await world.control("failures", {"provider": "openai", "kind": "html"})
    answer = await world.ask("openai", USAGE, MORNING)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")


async def test_half_a_page_is_no_json(world: World) -> None:
    await world.control("failures", {"provider": "openai", "kind": "half_page"})
    with pytest.raises(json.JSONDecodeError):
        json.loads((await world.ask("openai", USAGE, MORNING)).content)


async def test_a_slow_answer_is_the_right_one(world: World) -> None:
    right = await world.read("openai", USAGE, MORNING)
    await world.control("failures", {"provider": "openai", "kind": "slow", "delay_s": 0.01})
    assert await world.read("openai", USAGE, MORNING) == right


async def test_a_page_repeats_whatever_cursor_is_shown(world: World) -> None:
    first = await world.read("openai", USAGE, {**MORNING, "limit": 2})
    await world.control("failures", {"provider": "openai", "kind": "repeat_page"})
    assert await world.read("openai", USAGE, {**MORNING, "limit": 2, "page": first["next_page"]}) == first


async def test_a_cursor_loops(world: World) -> None:
    await world.control("failures", {"provider": "openai", "kind": "loop_cursor", "times": 9})
    page = await world.read("openai", USAGE, {**MORNING, "limit": 2})
    for _ in range(3):
        again = await world.read("openai", USAGE, {**MORNING, "limit": 2, "page": page["next_page"]})
        assert (again["has_more"], again["next_page"]) == (True, page["next_page"])
        assert again["data"] != page["data"]


REPLACED: list[tuple[list[str | int], Any]] = [
    (["data", 0, "results", 0, "input_tokens"], -1),
    (["data", 0, "results", 0, "input_tokens"], 2**63),
    (["data", 0, "results", 0, "input_cached_tokens"], 10**12),
    (["data", 0, "results", 0, "model"], None),
    (["data", 0, "start_time"], 0),
    (["data", 0, "end_time"], 4102444800),
    (["has_more"], "perhaps"),
]


@pytest.mark.parametrize("path, value", REPLACED)
async def test_any_value_of_an_answer_can_be_another(world: World, path: list[str | int], value: Any) -> None:  # noqa: ANN401 - any JSON
    query = {**MORNING, "group_by": "model"}
    right = await world.read("openai", USAGE, query)
    await world.control("failures", {"provider": "openai", "kind": "replace", "path": path, "value": value})
    wrong = await world.read("openai", USAGE, query)
    assert wrong == faults.replaced(right, tuple(path), value) != right


async def test_not_a_number_can_be_sent(world: World) -> None:
    body = '{"provider": "openai", "kind": "replace", "path": ["data", 0, "results", 0, "input_tokens"], "value": NaN}'
    assert (await world.client.post("/control/failures", content=body)).status_code == 200
    assert b'"input_tokens": NaN' in (await world.ask("openai", USAGE, MORNING)).content


@pytest.mark.parametrize(
    "path, body",
    [
        ("clock", {}),
        ("clock", {"now": "noon"}),
        ("keys", {"key": "sk-unknown", "revoked": True}),
        ("failures", {"provider": "openai", "kind": "strange"}),
        ("failures", {"provider": "nobody", "kind": "html"}),
        ("failures", {"provider": "openai"}),
        ("revisions", {"application": "unknown", "day": 0, "hour": 0}),
        ("vanished", {"application": "oai-shop", "day": 0}),
    ],
)
async def test_a_control_that_makes_no_sense_is_refused_in_words(world: World, path: str, body: dict[str, Any]) -> None:
    refused = await world.client.post(f"/control/{path}", json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]


async def test_reset_forgets_everything_but_the_clock(world: World) -> None:
    before = (await world.client.get("/control")).json()
    await world.control("failures", {"provider": "openai", "kind": "html"})
    await world.control("keys", {"key": "sk-admin-demo-openai", "revoked": True})
    await world.control("lag", {"lag_s": 5})
    assert await world.control("reset", {}) == before


async def test_what_was_asked_is_kept_without_keys(world: World) -> None:
    await world.ask("openai", USAGE, {"start_time": 1})
    await world.ask("anthropic", "/v1/nowhere")
    asked = (await world.client.get("/control/requests")).json()
    assert [(one["provider"], one["path"], one["status"]) for one in asked] == [
        ("openai", f"/openai{USAGE}", 200),
        ("anthropic", "/anthropic/v1/nowhere", 404),
    ]
    assert "demo" not in json.dumps(asked)
