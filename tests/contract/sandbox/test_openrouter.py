"""The stand-in of OpenRouter's account side against its published specification, and of its analytics against its published guide."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.contract.sandbox.kit import World, contract, valid

FILE = "openrouter_account.openapi.json"
ANALYTICS = "openrouter_analytics.schema.json"
DAY = {"start": "2026-11-24T00:00:00Z", "end": "2026-11-25T00:00:00Z"}
COUNTS = ["tokens_prompt", "cached_tokens", "tokens_completion", "request_count"]
MODELS = {"deepseek/deepseek-v3.2", "google/gemini-2.5-flash", "meta-llama/llama-3.3-70b-instruct", "moonshotai/kimi-k2.6"}


def documented(path: str, response: httpx2.Response) -> None:
    described = contract(FILE)["paths"][path]["get"]["responses"][str(response.status_code)]
    valid(response.json(), FILE, described["content"]["application/json"]["schema"])


def rows(response: httpx2.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    valid(response.json(), ANALYTICS, {"$ref": "#/$defs/Query"})
    found: list[dict[str, Any]] = response.json()["data"]["data"]
    return found


@pytest.mark.parametrize("path", ["/activity", "/credits", "/key"])
async def test_answers_and_refusals_are_those_of_the_specification(world: World, path: str) -> None:
    for secret, status in (("demo-management", 200), ("demo-inference", 200 if path == "/key" else 403), ("unknown", 401)):
        response = await world.ask("openrouter", f"/api/v1{path}", authorization=f"Bearer sk-or-v1-{secret}")
        assert response.status_code == status
        documented(path, response)


async def test_the_key_tells_whether_it_may_manage(world: World) -> None:
    for secret, manages in (("management", True), ("inference", False)):
        response = await world.ask("openrouter", "/api/v1/key", authorization=f"Bearer sk-or-v1-demo-{secret}")
        data = response.json()["data"]
        assert data["is_management_key"] is manages
        assert data["rate_limit"]["requests"] == -1
        assert (data["usage"] > data["usage_weekly"] > data["usage_daily"] > 0) is not manages


async def test_activity_is_the_last_thirty_completed_days(world: World) -> None:
    data = (await world.read("openrouter", "/api/v1/activity"))["data"]
    days = sorted({item["date"] for item in data})
    assert (days[0], days[-1]) == ("2026-10-28", "2026-11-24")  # 28 days of the demo's OpenRouter account; today is not over
    for day, status in (("2026-11-24", 200), ("2026-11-25", 400), ("2026-10-25", 400), ("yesterday", 400)):
        response = await world.ask("openrouter", "/api/v1/activity", {"date": day})
        assert response.status_code == status
        documented("/activity", response)


async def test_activity_is_split_by_workspace_only_when_asked(world: World) -> None:
    plain = (await world.read("openrouter", "/api/v1/activity", {"date": "2026-11-24"}))["data"]
    split = (await world.read("openrouter", "/api/v1/activity", {"date": "2026-11-24", "group_by": "workspace"}))["data"]
    assert not any("workspace_id" in item for item in plain)
    assert all("workspace_id" in item for item in split)
    assert sum(item["prompt_tokens"] for item in plain) == sum(item["prompt_tokens"] for item in split) > 0


async def test_analytics_and_activity_agree_and_cached_is_inside_prompt(world: World) -> None:
    hours = rows(await world.query({"metrics": COUNTS, "dimensions": ["model"], "granularity": "hour", "time_range": DAY}))
    assert {row["model"] for row in hours} == MODELS
    assert [row["date__hour"] for row in hours] == sorted((row["date__hour"] for row in hours), reverse=True)
    assert all(int(row["cached_tokens"]) <= int(row["tokens_prompt"]) for row in hours)
    assert sum(int(row["cached_tokens"]) for row in hours) > 0
    daily = (await world.read("openrouter", "/api/v1/activity", {"date": "2026-11-24"}))["data"]
    for item in daily:
        mine = [row for row in hours if row["model"] == item["model"]]
        assert sum(int(row["tokens_prompt"]) for row in mine) == item["prompt_tokens"]
        assert sum(int(row["request_count"]) for row in mine) == item["requests"]


async def test_analytics_cut_at_the_limit_say_so(world: World) -> None:
    body = {"metrics": COUNTS, "dimensions": ["model", "workspace"], "granularity": "hour", "time_range": DAY}
    whole = await world.query(body)
    assert whole.json()["data"]["metadata"] == {"query_time_ms": 1, "row_count": len(rows(whole)), "truncated": False}
    cut = await world.query({**body, "limit": 3})
    assert rows(cut) == rows(whole)[:3]
    assert cut.json()["data"]["metadata"]["truncated"] is True
    one_each = await world.query({**body, "group_limit": 1})
    assert len(rows(one_each)) == len(MODELS)


async def test_analytics_without_granularity_are_one_row_a_group(world: World) -> None:
    (whole,) = rows(await world.query({"metrics": [*COUNTS, "total_usage", "cache_hit_rate"], "time_range": DAY}))
    order = {"field": "total_usage", "direction": "asc"}
    split = rows(await world.query({"metrics": ["total_usage"], "dimensions": ["provider"], "time_range": DAY, "order_by": order}))
    assert [row["total_usage"] for row in split] == sorted(row["total_usage"] for row in split)
    assert sum(row["total_usage"] for row in split) == pytest.approx(whole["total_usage"], abs=1e-9)
    assert whole["cache_hit_rate"] == int(whole["cached_tokens"]) / int(whole["tokens_prompt"])


async def test_filters_compare_with_ids_while_rows_show_names(world: World) -> None:
    body = {"metrics": ["request_count"], "dimensions": ["workspace"], "time_range": DAY}
    names = {row["workspace"] for row in rows(await world.query(body))}
    assert names == {"Default", "Experiments"}
    only = {"field": "workspace", "operator": "eq", "value": "8f3c2b1a-57de-4e0c-8b7a-94c6d5e4f302"}
    assert [row["workspace"] for row in rows(await world.query({**body, "filters": [only]}))] == ["Experiments"]
    rest = {**only, "operator": "not_in", "value": [only["value"]]}
    assert [row["workspace"] for row in rows(await world.query({**body, "filters": [rest]}))] == ["Default"]


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": []},
        {"metrics": ["tokens"]},
        {"dimensions": ["model", "provider", "workspace"]},
        {"dimensions": ["colour"]},
        {"granularity": "second"},
        {"time_range": {"start": DAY["end"], "end": DAY["start"]}},
        {"time_range": {"start": "2026-10-01T00:00:00Z", "end": DAY["end"]}, "dimensions": ["provider"]},  # 31 days for this dimension
        {"limit": 10_001},
        {"filters": [{"field": "model", "operator": "like", "value": "x"}]},
        {"order_by": {"field": "nothing", "direction": "asc"}},
        {"order_by": "date"},
        {"filters": ["model"]},
        {"filters": {}},
        {"metrics": [["request_count"]]},
        {"group_limit": 0},
        {"limit": "all"},
    ],
)
async def test_a_malformed_query_is_a_400(world: World, change: dict[str, Any]) -> None:
    refused = await world.query({"metrics": COUNTS, "time_range": DAY, **change})
    assert refused.status_code == 400
    valid(refused.json(), FILE, contract(FILE)["components"]["schemas"]["BadRequestResponse"])


async def test_the_live_schema_names_what_a_query_takes(world: World) -> None:
    meta = await world.read("openrouter", "/api/v1/analytics/meta")
    valid(meta, ANALYTICS, {"$ref": "#/$defs/Meta"})
    metrics = [metric["name"] for metric in meta["data"]["metrics"]]
    assert len(rows(await world.query({"metrics": metrics, "time_range": DAY}))) == 1


async def test_analytics_need_a_management_key(world: World) -> None:
    assert (await world.query({"metrics": COUNTS}, authorization="Bearer sk-or-v1-demo-inference")).status_code == 403
