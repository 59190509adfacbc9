"""The stand-in of Anthropic's usage and cost report against the fields that its reference pages name."""

from __future__ import annotations

import itertools
import uuid
from decimal import Decimal
from typing import Any

import pytest

from carbonledger_sandbox import state
from tests.contract.sandbox.kit import World, valid

Page = dict[str, Any]
FILE = "anthropic_usage_cost.schema.json"
MESSAGES = "/v1/organizations/usage_report/messages"
COSTS = "/v1/organizations/cost_report"
YESTERDAY = "2026-11-24T00:00:00Z"
TODAY = "2026-11-25T00:00:00Z"
GROUPS = ("api_key_id", "workspace_id", "model", "service_tier", "context_window", "inference_geo", "account_id", "service_account_id")


def like(body: object, name: str) -> None:
    valid(body, FILE, {"$ref": f"#/$defs/{name}"})


def items(report: Page) -> list[Any]:
    return [item for bucket in report["data"] for item in bucket["results"]]


def tokens(item: dict[str, Any]) -> int:
    created = item["cache_creation"]
    parts = (item["uncached_input_tokens"], item["cache_read_input_tokens"], item["output_tokens"], *created.values())
    return sum(int(part) for part in parts)


async def test_usage_has_the_documented_fields_and_dimensions_are_null_unless_grouped_by(world: World) -> None:
    plain = await world.read("anthropic", MESSAGES, {"starting_at": YESTERDAY, "ending_at": TODAY})
    like(plain, "UsageReport")
    (only,) = items(plain)
    assert {name: only[name] for name in GROUPS} == dict.fromkeys(GROUPS)
    grouped = await world.read("anthropic", MESSAGES, {"starting_at": YESTERDAY, "ending_at": TODAY, "group_by[]": list(GROUPS)})
    like(grouped, "UsageReport")
    assert sum(tokens(item) for item in items(grouped)) == tokens(only)
    found = {(item["model"], item["service_tier"], item["inference_geo"], item["workspace_id"]) for item in items(grouped)}
    assert found == {
        ("claude-haiku-4-5-20251001", "standard", "not_available", None),  # the default workspace has no id
        ("claude-haiku-4-5-20251001", "batch", "not_available", "wrkspc_demoData"),
        ("claude-opus-4-8", "standard", "global", "wrkspc_demoCode"),
        ("claude-sonnet-4-5-20250929", "standard", "not_available", "wrkspc_demoCode"),
        ("claude-sonnet-4-5-20250929", "priority", "not_available", "wrkspc_demoCode"),
    }


async def test_cache_writes_are_told_by_how_long_they_live(world: World) -> None:
    report = await world.read("anthropic", MESSAGES, {"starting_at": YESTERDAY, "ending_at": TODAY, "group_by[]": "model"})
    written = {item["model"]: item["cache_creation"] for item in items(report)}
    assert written["claude-opus-4-8"]["ephemeral_1h_input_tokens"] > 0 == written["claude-opus-4-8"]["ephemeral_5m_input_tokens"]
    assert written["claude-sonnet-4-5-20250929"]["ephemeral_5m_input_tokens"] > 0


@pytest.mark.parametrize("width, default, most", [("1d", 7, 31), ("1h", 24, 168), ("1m", 60, 1440)])  # the page on `limit`
async def test_a_page_holds_the_documented_number_of_buckets(world: World, width: str, default: int, most: int) -> None:
    query = {"starting_at": "2026-10-01T00:00:00Z", "bucket_width": width}
    report = await world.read("anthropic", MESSAGES, query)
    assert (len(report["data"]), report["has_more"]) == (default, True)
    assert len((await world.read("anthropic", MESSAGES, {**query, "limit": most}))["data"]) == most
    assert (await world.ask("anthropic", MESSAGES, {**query, "limit": most + 1})).status_code == 400


async def test_instants_are_snapped_and_a_bucket_that_ends_later_is_left_out(world: World) -> None:
    report = await world.read(
        "anthropic", MESSAGES, {"starting_at": "2026-11-24T05:40:00+02:00", "ending_at": "2026-11-24T06:59:59Z", "bucket_width": "1h"}
    )
    assert [bucket["starting_at"] for bucket in report["data"]] == [f"2026-11-24T0{hour}:00:00Z" for hour in (3, 4, 5)]


async def test_pages_join_without_gap_or_overlap(world: World) -> None:
    query = {"starting_at": "2026-11-01T00:00:00Z", "ending_at": TODAY, "bucket_width": "1h", "limit": 168}
    ends: list[tuple[str, str]] = []
    while True:
        report = await world.read("anthropic", MESSAGES, query)
        like(report, "UsageReport")
        ends += [(bucket["starting_at"], bucket["ending_at"]) for bucket in report["data"]]
        if not report["has_more"]:
            break
        query["page"] = report["next_page"]
    assert len(ends) == 24 * 24
    assert all(before[1] == after[0] for before, after in itertools.pairwise(ends))


async def test_cost_is_in_cents_as_text_by_description_and_without_priority_tier(world: World) -> None:
    day = {"starting_at": YESTERDAY, "ending_at": TODAY}
    plain = await world.read("anthropic", COSTS, day)
    like(plain, "CostReport")
    (only,) = items(plain)
    described = await world.read("anthropic", COSTS, {**day, "group_by[]": ["description", "workspace_id"]})
    like(described, "CostReport")
    assert sum(Decimal(item["amount"]) for item in items(described)) == Decimal(only["amount"])
    assert {item["service_tier"] for item in items(described)} == {"standard", "batch"}
    usage = await world.read("anthropic", MESSAGES, {**day, "group_by[]": "model", "models[]": "claude-opus-4-8"})
    (opus,) = items(usage)
    (output,) = (i for i in items(described) if i["model"] == "claude-opus-4-8" and i["token_type"] == "output_tokens")
    assert Decimal(output["amount"]) == opus["output_tokens"] * Decimal(2500) / 10**6  # USD 25 a million tokens


async def test_filters_keep_only_what_they_name(world: World) -> None:
    day = {"starting_at": YESTERDAY, "ending_at": TODAY}
    whole = sum(tokens(item) for item in items(await world.read("anthropic", MESSAGES, day)))
    tiers = ("standard", "batch", "priority")
    parts = [items(await world.read("anthropic", MESSAGES, {**day, "service_tiers[]": tier})) for tier in tiers]
    assert sum(tokens(item) for part in parts for item in part) == whole
    assert items(await world.read("anthropic", MESSAGES, {**day, "context_window[]": "200k-1M"})) == []
    assert (await world.ask("anthropic", MESSAGES, {**day, "service_tiers[]": "flex"})).status_code == 400


async def test_speed_needs_its_beta_header(world: World) -> None:
    query = {"starting_at": YESTERDAY, "group_by[]": "speed"}
    assert (await world.ask("anthropic", MESSAGES, query)).status_code == 400
    told = await world.ask("anthropic", MESSAGES, query, **{"anthropic-beta": "fast-mode-2026-02-01"})
    like(told.json(), "UsageReport")


async def test_the_own_organization_is_told(world: World) -> None:
    told = await world.read("anthropic", "/v1/organizations/me")
    like(told, "Organization")
    assert (told["id"], told["name"]) == (str(uuid.UUID(told["id"])), "acme-anthropic")


async def test_every_key_of_an_account_tells_the_same_organization_and_another_accounts_another(world: World) -> None:
    keys = {"a": "acme-anthropic", "b": "acme-anthropic", "c": "other"}
    world.state.keys.update({key: state.Key(key, "anthropic", account, "admin", revoked=False) for key, account in keys.items()})
    told = {key: (await world.ask("anthropic", "/v1/organizations/me", None, **{"x-api-key": key})).json()["id"] for key in keys}
    assert told["a"] == told["b"] != told["c"]
    assert told["a"] == (await world.read("anthropic", "/v1/organizations/me"))["id"]


@pytest.mark.parametrize("key, status", [("sk-ant-unknown", 401), ("sk-ant-api-demo-anthropic", 403)])
async def test_the_organization_is_told_to_admin_keys_alone(world: World, key: str, status: int) -> None:
    refused = await world.ask("anthropic", "/v1/organizations/me", None, **{"x-api-key": key})
    assert refused.status_code == status
    like(refused.json(), "Error")


@pytest.mark.parametrize(
    "headers, query, status",
    [
        ({"x-api-key": "sk-ant-unknown"}, {"starting_at": YESTERDAY}, 401),
        ({"x-api-key": "sk-ant-api-demo-anthropic"}, {"starting_at": YESTERDAY}, 403),
        ({}, {}, 400),
        ({}, {"starting_at": "yesterday"}, 400),
        ({}, {"starting_at": YESTERDAY, "ending_at": YESTERDAY}, 400),
        ({}, {"starting_at": YESTERDAY, "group_by[]": "line_item"}, 400),
        ({}, {"starting_at": YESTERDAY, "page": "page_MTIz"}, 400),
    ],
)
async def test_refusals_have_the_documented_shape(world: World, headers: dict[str, str], query: dict[str, str], status: int) -> None:
    refused = await world.ask("anthropic", MESSAGES, query, **headers)
    assert refused.status_code == status
    like(refused.json(), "Error")


async def test_the_version_header_is_required(world: World) -> None:
    refused = await world.client.get(f"/anthropic{MESSAGES}", headers={"x-api-key": "sk-ant-admin-demo-anthropic"})
    assert refused.status_code == 400
