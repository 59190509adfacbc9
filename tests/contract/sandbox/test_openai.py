"""The stand-in of OpenAI's usage and costs against OpenAI's published specification."""

from __future__ import annotations

from typing import Any

import pytest

from carbonledger_sandbox import state
from tests.contract.sandbox.kit import World, contract, valid

Page = dict[str, Any]
FILE = "openai_usage_costs.openapi.json"
USAGE = "/v1/organization/usage"
YESTERDAY = 1795478400  # 2026-11-24T00:00:00Z
DAY = 86400
ENDPOINTS = sorted(path.rpartition("/")[2] for path in contract(FILE)["paths"] if "/usage/" in path)
RESULTS = contract(FILE)["components"]["schemas"]


def documented(page: Page) -> None:
    """Valid, and without a field that the specification does not know."""
    valid(page, FILE, contract(FILE)["paths"]["/organization/costs"]["get"]["responses"]["200"]["content"]["application/json"]["schema"])
    by_object = {
        schema["properties"]["object"]["enum"][0]: schema for schema in RESULTS.values() if "object" in schema.get("properties", {})
    }
    for bucket in page["data"]:
        for result in bucket["results"]:
            assert result.keys() <= by_object[result["object"]]["properties"].keys()


def items(page: Page) -> list[Any]:
    return [result for bucket in page["data"] for result in bucket["results"]]


async def test_the_specification_names_ten_usage_endpoints_and_all_of_them_answer(world: World) -> None:
    assert len(ENDPOINTS) == 10
    for endpoint in ENDPOINTS:
        page = await world.read("openai", f"{USAGE}/{endpoint}", {"start_time": YESTERDAY, "bucket_width": "1h"})
        documented(page)
        assert bool(items(page)) is (endpoint in {"completions", "embeddings"})


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_every_group_of_the_specification_is_taken_and_any_other_refused(world: World, endpoint: str) -> None:
    (asked,) = (p for p in contract(FILE)["paths"][f"/organization/usage/{endpoint}"]["get"]["parameters"] if p["name"] == "group_by")
    names = asked["schema"]["items"]["enum"]
    page = await world.read("openai", f"{USAGE}/{endpoint}", [("start_time", YESTERDAY), *(("group_by", name) for name in names)])
    documented(page)
    refused = await world.ask("openai", f"{USAGE}/{endpoint}", {"start_time": YESTERDAY, "group_by": "line_item"})
    assert refused.status_code == 400
    valid(refused.json(), FILE, RESULTS["ErrorResponse"])


async def test_every_answer_names_the_organization_of_the_key(world: World) -> None:
    keys = {"a": "acme-openai", "b": "acme-openai", "c": "other"}
    world.state.keys.update({key: state.Key(key, "openai", account, "admin", revoked=False) for key, account in keys.items()})
    query = {"start_time": YESTERDAY}
    told: dict[str, set[str]] = {}
    for key in keys:
        for path in (f"{USAGE}/completions", "/v1/organization/costs", f"{USAGE}/nothing"):
            answer = await world.ask("openai", path, query, authorization=f"Bearer {key}")
            told.setdefault(key, set()).add(answer.headers["openai-organization"])
    assert told["a"] == told["b"] != told["c"]
    assert {len(names) for names in told.values()} == {1}
    unknown = await world.ask("openai", f"{USAGE}/completions", query, authorization="Bearer nobody")
    assert (unknown.status_code, "openai-organization" in unknown.headers) == (401, False)


async def test_a_dimension_is_null_unless_grouped_by(world: World) -> None:
    plain = await world.read("openai", f"{USAGE}/completions", {"start_time": YESTERDAY, "end_time": YESTERDAY + DAY})
    (only,) = items(plain)
    names = ("project_id", "user_id", "api_key_id", "model", "batch", "service_tier")
    assert {name: only[name] for name in names} == dict.fromkeys(names)
    grouped = await world.read(
        "openai",
        f"{USAGE}/completions",
        [("start_time", YESTERDAY), ("end_time", YESTERDAY + DAY), ("group_by[]", "model"), ("group_by[]", "batch")],
    )
    assert {(item["model"], item["batch"]) for item in items(grouped)} == {
        ("gpt-4o-mini-2024-07-18", False),
        ("gpt-4o-mini-2024-07-18", True),
        ("gpt-5-2025-08-07", False),
        ("gpt-5-mini-2025-08-07", False),
        ("gpt-5.6-luna", False),
    }
    assert {item["project_id"] for item in items(grouped)} == {None}
    for count in ("input_tokens", "input_cached_tokens", "input_cache_write_tokens", "output_tokens", "num_model_requests"):
        assert sum(item[count] for item in items(grouped)) == only[count] > 0


async def test_input_tokens_are_cached_and_written_and_uncached_ones(world: World) -> None:
    page = await world.read(
        "openai", f"{USAGE}/completions", {"start_time": YESTERDAY, "bucket_width": "1h", "limit": 24, "group_by": "model"}
    )
    assert any(item["input_cache_write_tokens"] for item in items(page))
    for item in items(page):
        parts = item["input_cached_tokens"] + item["input_cache_write_tokens"] + item["input_uncached_tokens"]
        assert item["input_tokens"] == parts


@pytest.mark.parametrize(
    "width, default, most",
    # the description of `limit` in the specification
    [("1d", 7, 31), ("1h", 24, 168), ("1m", 60, 1440)],
)
async def test_a_page_holds_the_documented_number_of_buckets(world: World, width: str, default: int, most: int) -> None:
    query = {"start_time": YESTERDAY - 40 * DAY, "bucket_width": width}
    page = await world.read("openai", f"{USAGE}/completions", query)
    assert (len(page["data"]), page["has_more"]) == (default, True)
    assert len((await world.read("openai", f"{USAGE}/completions", {**query, "limit": most}))["data"]) == most
    assert (await world.ask("openai", f"{USAGE}/completions", {**query, "limit": most + 1})).status_code == 400


async def test_pages_join_without_gap_or_overlap_and_empty_hours_are_there(world: World) -> None:
    query: dict[str, Any] = {"start_time": YESTERDAY - 70 * DAY, "end_time": YESTERDAY - 40 * DAY, "bucket_width": "1h", "limit": 100}
    starts: list[int] = []
    empty = 0
    while True:
        page = await world.read("openai", f"{USAGE}/completions", query)
        documented(page)
        starts += [bucket["start_time"] for bucket in page["data"]]
        empty += sum(not bucket["results"] for bucket in page["data"])
        if not page["has_more"]:
            break
        query["page"] = page["next_page"]
    assert page["next_page"] is None
    assert starts == list(range(YESTERDAY - 70 * DAY, YESTERDAY - 40 * DAY, 3600))
    assert empty >= 11 * 24  # before the first of the 60 days


async def test_filters_keep_only_what_they_name(world: World) -> None:
    async def total(**query: Any) -> int:
        page = await world.read("openai", f"{USAGE}/completions", {"start_time": YESTERDAY, "end_time": YESTERDAY + DAY, **query})
        return sum(item["num_model_requests"] for item in items(page))

    whole = await total()
    assert await total(batch="true") + await total(batch="false") == whole
    assert 0 < await total(models=["gpt-5.6-luna"]) < whole
    assert await total(project_ids=["proj_demoReview", "proj_demoShop", "proj_demoDesk"]) == whole
    assert await total(api_key_ids=["key_nobody"]) == 0


async def test_costs_are_by_the_day_and_their_lines_add_up(world: World) -> None:
    costs = "/v1/organization/costs"
    plain = await world.read("openai", costs, {"start_time": YESTERDAY, "end_time": YESTERDAY + DAY})
    documented(plain)
    (only,) = items(plain)
    assert (only["line_item"], only["quantity"], only["quantity_unit"]) == (None, None, None)
    lines = await world.read(
        "openai", costs, {"start_time": YESTERDAY, "end_time": YESTERDAY + DAY, "group_by": ["line_item", "project_id"]}
    )
    documented(lines)
    assert sum(item["amount"]["value"] for item in items(lines)) == pytest.approx(only["amount"]["value"], abs=1e-9)
    assert {item["quantity_unit"] for item in items(lines)} == {"tokens"}
    assert (await world.ask("openai", costs, {"start_time": YESTERDAY, "bucket_width": "1h"})).status_code == 400
    assert len((await world.read("openai", costs, {"start_time": YESTERDAY - 100 * DAY, "limit": 180}))["data"]) == 102


async def test_a_line_item_costs_its_tokens_at_the_published_price(world: World) -> None:
    lines = await world.read("openai", "/v1/organization/costs", {"start_time": YESTERDAY, "group_by": "line_item", "limit": 1})
    prices = {
        "gpt-4o-mini-2024-07-18, output": 0.60,
        "gpt-4o-mini-2024-07-18, batch, output": 0.30,
        "gpt-5.6-luna, cache write input": 0.25,
    }
    found = {item["line_item"]: item for item in items(lines)}
    for name, usd_per_million in prices.items():
        assert found[name]["amount"]["value"] == pytest.approx(found[name]["quantity"] * usd_per_million / 1e6, abs=1e-12)


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer sk-admin-unknown"}, 401),
        ({"authorization": "Bearer sk-admin-demo-openai-revoked"}, 401),
        ({"authorization": "Bearer sk-or-v1-demo-management"}, 401),  # another provider's
        ({"authorization": "Bearer sk-proj-demo-openai"}, 403),
    ],
)
async def test_only_an_admin_key_that_is_valid_opens(world: World, headers: dict[str, str], status: int) -> None:
    refused = await world.ask("openai", f"{USAGE}/completions", {"start_time": YESTERDAY}, **headers)
    assert refused.status_code == status
    valid(refused.json(), FILE, RESULTS["ErrorResponse"])


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"start_time": "yesterday"},
        {"start_time": YESTERDAY, "end_time": YESTERDAY},
        {"start_time": YESTERDAY, "bucket_width": "2h"},
        {"start_time": YESTERDAY, "limit": 0},
        {"start_time": YESTERDAY, "page": "page_!"},
        {"start_time": YESTERDAY, "page": "page_MTIz"},  # a cursor of another query
        {"start_time": YESTERDAY, "batch": "yes"},
    ],
)
async def test_a_malformed_question_is_a_400_in_the_published_shape(world: World, query: dict[str, Any]) -> None:
    refused = await world.ask("openai", f"{USAGE}/completions", query)
    assert refused.status_code == 400
    valid(refused.json(), FILE, RESULTS["ErrorResponse"])
