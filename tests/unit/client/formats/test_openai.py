"""OpenAI's usage: buckets that add up to the provider's own totals, and a key that outlives a new export."""

from __future__ import annotations

from typing import Any

import pytest

from carbonledger_client import items, rows
from carbonledger_client.formats import openai

# The example of the published description of GET /organization/usage/completions (openai-openapi, 2026-08): 1000 = 400 + 100 + 500.
RESULT: dict[str, Any] = {
    "object": "organization.usage.completions.result",
    "input_tokens": 1000,
    "input_cached_tokens": 400,
    "input_cache_write_tokens": 100,
    "input_uncached_tokens": 500,
    "output_tokens": 500,
    "input_text_tokens": 400,
    "output_text_tokens": 400,
    "input_cached_text_tokens": 300,
    "input_audio_tokens": 50,
    "input_cached_audio_tokens": 50,
    "output_audio_tokens": 50,
    "input_image_tokens": 50,
    "input_cached_image_tokens": 50,
    "output_image_tokens": 50,
    "num_model_requests": 5,
    "project_id": "proj_1",
    "model": "gpt-5.6-2026-07-01",
    "batch": False,
    "service_tier": "default",
    "start_time": 1_730_419_200,
    "end_time": 1_730_422_800,
}
# A row of the dashboard's table, whose cells are texts and whose counts may have a fraction of nothing.
ROW = {
    "start_time": "1761523200",
    "end_time": "1761523260",
    "start_time_iso": "2025-10-27T00:00:00+00:00",
    "end_time_iso": "2025-10-27T00:01:00+00:00",
    "project_id": "proj_1",
    "num_model_requests": "3.0",
    "api_key_id": "key_a",
    "model": "gpt-4o-mini-2024-07-18",
    "batch": "",
    "service_tier": "",
    "input_tokens": "7162",
    "output_tokens": "1280",
    "input_cached_tokens": "1280",
    "input_uncached_tokens": "5882",
    "input_audio_tokens": "0",
}


def test_a_result_of_the_api_becomes_disjoint_buckets() -> None:
    item = openai.read(RESULT)

    assert {name: item["tokens"][name] for name in items.BUCKETS if name in item["tokens"]} == {
        "uncached_input": 500, "cached_input": 400, "cache_creation_5m": 100, "output": 500
    }  # fmt: skip
    assert {name: number for name, number in item["tokens"].items() if name not in items.BUCKETS} == {
        "audio_input": 50, "cached_audio_input": 50, "audio_output": 50, "image_input": 50, "cached_image_input": 50, "image_output": 50
    }  # fmt: skip
    assert (item["occurred_at"], item["provider"], item["model"]) == ("2024-11-01T00:00:00Z", "openai", "gpt-5.6-2026-07-01")
    assert (item["requests"], item["batch"], item["service_tier"]) == (5, False, "default")
    assert (item["duration_s"], item["properties"]) == (3600, {"project": "proj_1"})
    assert items.checked(item)


def test_a_row_of_the_table_reads_the_same_way() -> None:
    item = openai.read(ROW)

    assert item["tokens"] == {"uncached_input": 5882, "cached_input": 1280, "output": 1280, "audio_input": 0}
    assert (item["occurred_at"], item["requests"]) == ("2025-10-27T00:00:00Z", 3)
    assert "batch" not in item
    assert "service_tier" not in item


def test_a_new_export_with_other_counts_keeps_its_keys() -> None:
    later = {**ROW, "input_tokens": "8000", "input_uncached_tokens": "6720", "num_model_requests": "4"}
    assert openai.read(ROW)["idempotency_key"] == openai.read(later)["idempotency_key"]


@pytest.mark.parametrize(
    "change",
    [
        {"api_key_id": "key_b"},
        {"project_id": "proj_2"},
        {"model": "gpt-4o"},
        {"batch": "true"},
        {"service_tier": "flex"},
        {"api_source": "responses"},  # a dimension that came later
        {"start_time": "1761523140", "end_time": "1761523200"},
    ],
)
def test_another_dimension_is_another_event(change: dict[str, str]) -> None:
    assert openai.read(ROW)["idempotency_key"] != openai.read({**ROW, **change})["idempotency_key"]


def test_embeddings_put_nothing_out() -> None:
    result = {name: value for name, value in RESULT.items() if not name.startswith(("input_", "output_"))}
    item = openai.read({**result, "object": "organization.usage.embeddings.result", "input_tokens": 16})

    assert (item["tokens"], item["operation"]) == ({"uncached_input": 16, "output": 0}, "embeddings")


@pytest.mark.parametrize(
    "change, code",
    [
        ({"input_cached_tokens": 1001, "input_uncached_tokens": None}, "cached_above_input"),
        ({"input_uncached_tokens": 600}, "parts_differ"),
        ({"model": None}, "model_missing"),
        ({"end_time": 1_730_419_200}, "bucket_width_invalid"),
        ({"end_time": 1_730_419_200 - 3600}, "bucket_width_invalid"),
        ({"end_time": 1_730_419_200 + 7200}, "bucket_width_invalid"),
        ({"start_time": 0}, "occurred_at_invalid"),
        ({"input_tokens": -5}, "count_invalid"),
        ({"object": "organization.usage.images.result"}, "not_counted_in_tokens"),
        ({"object": "organization.costs.result"}, "not_usage"),
    ],
)
def test_what_is_wrong_with_a_row_has_its_code(change: dict[str, Any], code: str) -> None:
    with pytest.raises(rows.Rejected) as refused:
        openai.read({**RESULT, **change})
    assert refused.value.code == code


def test_the_same_bucket_as_a_table_and_as_a_page_is_one_event() -> None:
    cells = {name: str(value) for name, value in RESULT.items() if name not in {"object", "input_uncached_tokens"}}
    assert openai.read(cells)["idempotency_key"] == openai.read(RESULT)["idempotency_key"]


def test_a_bucket_in_which_nothing_happened_is_skipped() -> None:
    empty = {name: ROW[name] for name in ("start_time", "end_time", "start_time_iso", "end_time_iso")}
    with pytest.raises(rows.Skipped, match="empty bucket"):
        openai.read({**empty, "input_tokens": "", "output_tokens": ""})


@pytest.mark.parametrize("change", [{"start_time": None}, {"end_time": "soon"}])
def test_what_used_nothing_at_no_time_is_no_empty_bucket(change: dict[str, Any]) -> None:
    empty = {"start_time": 1_730_419_200, "end_time": 1_730_422_800, "input_tokens": 0, "num_model_requests": 0}
    with pytest.raises(rows.Skipped, match="empty bucket"):
        openai.read(empty)
    with pytest.raises(rows.Rejected) as refused:
        openai.read({**empty, **change})
    assert refused.value.code == "occurred_at_invalid"


def test_a_page_opens_into_the_results_of_its_buckets() -> None:
    plain = {name: value for name, value in RESULT.items() if name not in {"start_time", "end_time"}}
    bucket = {"object": "bucket", "start_time": 1_730_419_200, "end_time": 1_730_422_800, "results": [plain, plain]}
    page = {"object": "page", "data": [bucket, {**bucket, "results": []}], "has_more": False, "next_page": None}

    assert list(openai.FORMAT.expand(page)) == [RESULT, RESULT]
    assert list(openai.FORMAT.expand(bucket)) == [RESULT, RESULT]
