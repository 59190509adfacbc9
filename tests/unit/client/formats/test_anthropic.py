"""Anthropic's usage: disjoint counts as they are, requests unknown, and the two shapes that carry them."""

from __future__ import annotations

from typing import Any

import pytest

from carbonledger_client import items, rows
from carbonledger_client.formats import anthropic

# Columns of the Console's export as seen from 2025-12 to 2026-09 (docs/how-to/import-usage.md).
ROW = {
    "usage_date_utc": "2026-03-31 02:00",
    "model_version": "claude-haiku-4-5-20251001",
    "api_key": "crawler",
    "workspace": "Default",
    "usage_type": "standard",
    "context_window": "≤ 200k",
    "usage_input_tokens_no_cache": "1124832",
    "usage_input_tokens_cache_write_5m": "20",
    "usage_input_tokens_cache_write_1h": "30",
    "usage_input_tokens_cache_read": "40",
    "usage_output_tokens": "254558",
    "web_search_count": "0",
    "inference_geo": "not_available",
    "speed": "",
}
# The members that the reference page of usage_report/messages names.
RESULT: dict[str, Any] = {
    "starting_at": "2026-03-31T02:00:00Z",
    "ending_at": "2026-03-31T03:00:00Z",
    "uncached_input_tokens": 1500,
    "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
    "cache_read_input_tokens": 200,
    "output_tokens": 500,
    "server_tool_use": {"web_search_requests": 10},
    "api_key_id": "apikey_1",
    "workspace_id": None,
    "model": "claude-opus-4-6",
    "service_tier": "batch",
    "context_window": "0-200k",
    "inference_geo": "us",
}


def test_a_row_of_the_table_keeps_its_four_input_counts() -> None:
    item = anthropic.read(ROW)

    assert item["tokens"] == {
        "uncached_input": 1_124_832, "cached_input": 40, "cache_creation_5m": 20, "cache_creation_1h": 30, "output": 254_558
    }  # fmt: skip
    assert (item["occurred_at"], item["model"]) == ("2026-03-31T02:00:00Z", "claude-haiku-4-5-20251001")
    assert item["requests"] is None  # not told, which is not none
    assert (item["service_tier"], item["batch"]) == ("standard", False)
    assert "region" not in item
    assert item["properties"] == {"api_key": "crawler", "workspace": "Default", "context_window": "≤ 200k"}
    assert items.checked(item)


def test_a_result_of_a_page_reads_the_same_way() -> None:
    item = anthropic.read(RESULT)

    assert item["tokens"] == {
        "uncached_input": 1500, "cached_input": 200, "cache_creation_5m": 500, "cache_creation_1h": 1000, "output": 500
    }  # fmt: skip
    assert (item["service_tier"], item["batch"], item["region"]) == ("batch", True, "us")
    assert (item["duration_s"], item["properties"]) == (3600, {"api_key": "apikey_1", "context_window": "0-200k"})


def test_a_day_is_known_to_be_one() -> None:
    item = anthropic.read({**ROW, "usage_date_utc": "2026-03-31"})
    assert (item["occurred_at"], item["duration_s"]) == ("2026-03-31T00:00:00Z", 86_400)


def test_a_single_column_of_cache_writes_is_of_a_time_not_told() -> None:
    old = {name: value for name, value in ROW.items() if "cache_write" not in name}
    assert anthropic.read({**old, "usage_input_tokens_cache_write": "50"})["tokens"]["cache_creation_5m"] == 50


def test_a_new_export_with_other_counts_keeps_its_keys_and_another_dimension_does_not() -> None:
    key = anthropic.read(ROW)["idempotency_key"]

    assert anthropic.read({**ROW, "usage_output_tokens": "9"})["idempotency_key"] == key
    for name in ("model_version", "api_key", "workspace", "usage_type", "context_window", "inference_geo", "speed"):
        assert anthropic.read({**ROW, name: "other"})["idempotency_key"] != key
    assert anthropic.read({**ROW, "product": "a dimension that came later"})["idempotency_key"] != key
    assert anthropic.read({**ROW, "usage_thinking_tokens": "17"})["idempotency_key"] == key  # a measure that came later


@pytest.mark.parametrize(
    "row, code",
    [
        ({**ROW, "model_version": ""}, "model_missing"),
        ({**ROW, "usage_date_utc": "31/03/2026"}, "occurred_at_invalid"),
        ({**ROW, "usage_output_tokens": "1,5"}, "count_invalid"),
        ({**ROW, "token_type": "output", "cost_usd": "1"}, "not_usage"),
        ({**RESULT, "ending_at": "2026-03-31T02:00:00Z"}, "bucket_width_invalid"),
        ({**RESULT, "model": None}, "model_missing"),
    ],
)
def test_what_is_wrong_with_a_row_has_its_code(row: dict[str, Any], code: str) -> None:
    with pytest.raises(rows.Rejected) as refused:
        anthropic.read(row)
    assert refused.value.code == code


def test_a_bucket_in_which_nothing_happened_is_skipped() -> None:
    with pytest.raises(rows.Skipped):
        anthropic.read({**ROW, **dict.fromkeys((name for name in ROW if "tokens" in name), "0")})
