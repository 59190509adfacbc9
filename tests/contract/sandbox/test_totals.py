"""Everything that the stand-ins tell, page by page, adds up to the traces: counted by a script that knows none of our code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.contract.sandbox.kit import World

SCRIPT = Path(__file__).parents[2] / "journeys/trace_totals.py"
BEFORE_ALL = 1790294400  # 2026-09-25T00:00:00Z, a day before the first of the 60
Totals = dict[str, Counter[str]]


def counted(*arguments: str) -> Any:  # noqa: ANN401 - JSON
    """What the independent script says."""
    return json.loads(subprocess.run([sys.executable, "-I", str(SCRIPT), *arguments], capture_output=True, text=True, check=True).stdout)


async def openai(world: World) -> Totals:
    found: Totals = {}
    for endpoint in ("completions", "embeddings"):
        query = {"start_time": BEFORE_ALL, "bucket_width": "1h", "limit": 168, "group_by": "model"}
        more = True
        while more:
            page = await world.read("openai", f"/v1/organization/usage/{endpoint}", query)
            query, more = {**query, "page": page["next_page"]}, page["has_more"]
            for item in (item for bucket in page["data"] for item in bucket["results"]):
                found.setdefault(item["model"], Counter()).update(
                    requests=item["num_model_requests"],
                    input=item["input_tokens"],
                    uncached_input=item.get("input_uncached_tokens", item["input_tokens"]),
                    cached_input=item.get("input_cached_tokens", 0),
                    cache_creation_5m=item.get("input_cache_write_tokens", 0),
                    output=item.get("output_tokens", 0),
                )
    return found


async def anthropic(world: World) -> Totals:
    found: Totals = {}
    query = {"starting_at": "2026-09-25T00:00:00Z", "bucket_width": "1h", "limit": 168, "group_by[]": "model"}
    more = True
    while more:
        page = await world.read("anthropic", "/v1/organizations/usage_report/messages", query)
        query, more = {**query, "page": page["next_page"]}, page["has_more"]
        for item in (item for bucket in page["data"] for item in bucket["results"]):
            created = item["cache_creation"]
            read, uncached = item["cache_read_input_tokens"], item["uncached_input_tokens"]
            found.setdefault(item["model"], Counter()).update(
                input=uncached + read + created["ephemeral_5m_input_tokens"] + created["ephemeral_1h_input_tokens"],
                uncached_input=uncached,
                cached_input=read,
                cache_creation_5m=created["ephemeral_5m_input_tokens"],
                cache_creation_1h=created["ephemeral_1h_input_tokens"],
                output=item["output_tokens"],
            )
    return found


async def openrouter(world: World) -> Totals:
    found: Totals = {}
    time_range = {"start": "2026-10-01T00:00:00Z", "end": "2026-11-30T00:00:00Z"}
    metrics = ["request_count", "tokens_prompt", "cached_tokens", "tokens_completion"]
    answer = await world.query({"metrics": metrics, "dimensions": ["model"], "granularity": "hour", "time_range": time_range})
    assert answer.json()["data"]["metadata"]["truncated"] is False
    for row in answer.json()["data"]["data"]:
        count = {name: int(row[name]) for name in metrics}
        found.setdefault(row["model"], Counter()).update(
            requests=count["request_count"],
            input=count["tokens_prompt"],
            uncached_input=count["tokens_prompt"] - count["cached_tokens"],
            cached_input=count["cached_tokens"],
            output=count["tokens_completion"],
        )
    return found


async def told(world: World) -> dict[str, Totals]:
    await openai(world)  # the revised hour comes true by being read
    return {"openai": await openai(world), "anthropic": await anthropic(world), "openrouter": await openrouter(world)}


def same(found: dict[str, Totals], expected: Any) -> None:  # noqa: ANN401 - JSON
    assert found.keys() == expected.keys()
    for provider, models in expected.items():
        assert found[provider].keys() == models.keys()
        for model, counts in models.items():
            given = counts if provider != "anthropic" else {**counts, "requests": 0}  # which its report doesn't tell
            assert {name: found[provider][model][name] for name in given} == given


async def test_all_that_is_told_is_all_that_is_in_the_traces(world: World) -> None:
    await world.control("clock", {"now": "2026-11-26T00:10:00Z"})  # the anchor day is over, and the lag
    same(await told(world), counted())


@pytest.mark.parametrize("now, until", [("2026-11-25T12:00:00Z", "2026-11-25T11:50:00Z"), ("2026-11-08T03:07:01Z", "2026-11-08T02:57:01Z")])
async def test_at_any_time_it_is_what_had_happened_by_then(world: World, now: str, until: str) -> None:
    await world.control("clock", {"now": now})
    same(await told(world), counted("--anchor", "2026-11-25", "--until", until))


def test_the_script_counts_what_the_traces_readme_states() -> None:
    every = [counts for models in counted().values() for counts in models.values()]
    assert sum(counts["requests"] for counts in every) == 19_366 + 5_719
    assert sum(counts["input"] for counts in every) == 22_361_870 + 73_604_194
    assert sum(counts["output"] for counts in every) == 4_088_665 + 1_977_204 - 129_175  # embeddings have no output
    for counts in every:
        buckets = ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h")
        assert sum(counts[bucket] for bucket in buckets) == counts["input"]
