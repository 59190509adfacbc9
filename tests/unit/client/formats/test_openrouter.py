"""OpenRouter's activity: generations with their cached tokens, days without, each under the key that OpenRouter knows it by."""

from __future__ import annotations

from typing import Any

import pytest

from carbonledger_client import items, rows
from carbonledger_client.formats import openrouter

GENERATION = {
    "generation_id": "gen-1771967930-1gsys6ZhRaY0TPbuRsDR",
    "created_at": "2026-03-30 02:37:51.271",
    "model_permaslug": "anthropic/claude-opus-4.7",
    "provider_name": "Anthropic",
    "api_key_name": "Primary",
    "app_name": "",
    "tokens_prompt": "100",
    "tokens_completion": "20",
    "tokens_reasoning": "3",
    "tokens_cached": "80",
    "cost_total": "0.0012",
    "cancelled": "false",
}
DAY_ROW = {
    "Date": "2026-05-12 00:00:00",
    "Slug": "anthropic/claude-opus-4.7",
    "Usage": "430.07",
    "BYOK Usage": "0",
    "Requests": "4115",
    "Prompt Tokens": "70965665",
    "Completion Tokens": "3009973",
    "Reasoning Tokens": "0",
}
# The example of ActivityItem in OpenRouter's published description (typescript-sdk, 2026-08).
DAY: dict[str, Any] = {
    "byok_usage_inference": 0.012, "completion_tokens": 125, "date": "2025-08-24", "endpoint_id": "550e8400-e29b-41d4-a716-446655440000",
    "model": "openai/gpt-4.1", "model_permaslug": "openai/gpt-4.1-2025-04-14", "prompt_tokens": 50, "provider_name": "OpenAI",
    "reasoning_tokens": 25, "requests": 5, "usage": 0.015,
}  # fmt: skip


def test_a_generation_tells_its_cached_tokens_inside_the_prompt() -> None:
    item = openrouter.read(GENERATION)

    assert item["tokens"] == {"uncached_input": 20, "cached_input": 80, "output": 20, "reasoning": 3}
    assert item["idempotency_key"] == "openrouter:gen-1771967930-1gsys6ZhRaY0TPbuRsDR"
    assert (item["occurred_at"], item["provider"], item["model"]) == (
        "2026-03-30T02:37:51.271000Z",
        "openrouter",
        "anthropic/claude-opus-4.7",
    )
    assert (item["requests"], item["reported_cost"]) == (1, {"amount": "0.0012", "currency": "USD"})
    assert items.checked(item)


@pytest.mark.parametrize(
    "row, model, tokens, requests",
    [
        (DAY_ROW, "anthropic/claude-opus-4.7", {"uncached_input": 70_965_665, "output": 3_009_973, "reasoning": 0}, 4115),
        (DAY, "openai/gpt-4.1", {"uncached_input": 50, "output": 125, "reasoning": 25}, 5),
    ],
)
def test_a_day_does_not_tell_cached_tokens_which_stay_unknown(
    row: dict[str, Any], model: str, tokens: dict[str, int], requests: int
) -> None:
    item = openrouter.read(row)

    assert (item["model"], item["tokens"], item["requests"]) == (model, tokens, requests)
    assert item["duration_s"] == 86_400


def test_endpoints_of_one_day_are_told_apart_and_counts_are_not_part_of_the_key() -> None:
    key = openrouter.read(DAY)["idempotency_key"]

    assert openrouter.read({**DAY, "endpoint_id": "other"})["idempotency_key"] != key
    assert openrouter.read({**DAY, "requests": 6, "usage": 1})["idempotency_key"] == key
    assert (
        openrouter.read({**DAY_ROW, "API Key": "b"})["idempotency_key"] != openrouter.read({**DAY_ROW, "API Key": "a"})["idempotency_key"]
    )


@pytest.mark.parametrize(
    "row, code",
    [
        ({**GENERATION, "tokens_cached": "101"}, "cached_above_input"),
        ({**GENERATION, "generation_id": ""}, "idempotency_key_missing"),
        ({**GENERATION, "created_at": ""}, "occurred_at_invalid"),
        ({**DAY_ROW, "Slug": ""}, "model_missing"),
        ({**DAY, "prompt_tokens": "many"}, "count_invalid"),
    ],
)
def test_what_is_wrong_with_a_row_has_its_code(row: dict[str, Any], code: str) -> None:
    with pytest.raises(rows.Rejected) as refused:
        openrouter.read(row)
    assert refused.value.code == code


NOTHING_USED: list[tuple[dict[str, Any], str]] = [
    ({**GENERATION, "tokens_prompt": "0", "tokens_completion": "0", "tokens_reasoning": "0", "tokens_cached": "0"}, "created_at"),
    ({**DAY, "prompt_tokens": 0, "completion_tokens": 0, "reasoning_tokens": 0, "requests": 0}, "date"),
]


@pytest.mark.parametrize("row, time", NOTHING_USED, ids=["generation", "day"])
def test_what_used_nothing_is_skipped_but_not_what_has_no_time(row: dict[str, Any], time: str) -> None:
    with pytest.raises(rows.Skipped):
        openrouter.read(row)
    with pytest.raises(rows.Rejected) as refused:
        openrouter.read({**row, time: None})
    assert refused.value.code == "occurred_at_invalid"


def test_an_answer_opens_into_its_days() -> None:
    assert list(openrouter.FORMAT.expand({"data": [DAY, DAY]})) == [DAY, DAY]
    with pytest.raises(rows.Rejected):
        list(openrouter.FORMAT.expand({"data": [3]}))
