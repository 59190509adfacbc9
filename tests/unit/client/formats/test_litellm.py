"""LiteLLM's spend logs: an inclusive prompt taken apart by the row's metadata, and calls that used nothing left out by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from carbonledger_client import items, rows
from carbonledger_client.formats import litellm

ROW: dict[str, Any] = {
    "request_id": "chatcmpl-EVwHveLA6x5SajBJwyjU60y5TdrZf",
    "call_type": "acompletion",
    "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
    "spend": 0.0000345,
    "total_tokens": 4020,
    "prompt_tokens": 4000,
    "completion_tokens": 20,
    "startTime": "2026-02-24 21:19:33.705",
    "model": "claude-sonnet-4-5",
    "custom_llm_provider": "anthropic",
    "team_id": "team-1",
    "cache_hit": "False",
    "metadata": {"usage_object": {"cache_read_input_tokens": 3000, "cache_creation_input_tokens": 500}},
    "messages": {"role": "user", "content": "never read"},
}
BARE = {"uncached_input": 4000, "output": 20}


def usage_of(metadata: object) -> dict[str, int | None]:
    tokens = litellm.read({**ROW, "metadata": metadata})["tokens"]
    assert isinstance(tokens, dict)
    return tokens


def test_a_call_becomes_disjoint_buckets_under_its_own_id() -> None:
    item = litellm.read(ROW)

    assert item["tokens"] == {"uncached_input": 500, "cached_input": 3000, "cache_creation_5m": 500, "output": 20}
    assert item["idempotency_key"] == "litellm:chatcmpl-EVwHveLA6x5SajBJwyjU60y5TdrZf"
    assert (item["occurred_at"], item["provider"], item["model"]) == ("2026-02-24T21:19:33.705000Z", "anthropic", "claude-sonnet-4-5")
    assert (item["operation"], item["requests"]) == ("chat", 1)
    assert item["properties"] == {"team": "team-1"}
    assert item["reported_cost"] == {"amount": "0.0000345", "currency": "USD"}
    assert items.checked(item)


def test_messages_and_keys_are_never_part_of_an_item() -> None:
    told = json.dumps(litellm.read(ROW))
    assert "never read" not in told
    assert "88dc28d0" not in told


@pytest.mark.parametrize(
    "metadata, tokens",
    [
        (None, BARE),  # the split is not told: it stays inside uncached_input
        ("", BARE),
        ({}, BARE),
        ({"usage_object": None, "additional_usage_values": {"prompt_tokens_details": None}}, BARE),
        # OpenAI's shape, in an older row's metadata
        (
            {"additional_usage_values": {"prompt_tokens_details": {"cached_tokens": 800}}},
            {"uncached_input": 3200, "cached_input": 800, "output": 20},
        ),
        # a table's cell holds it as text, some exports as text of text
        (json.dumps({"usage_object": {"cache_read_input_tokens": 1}}), {"uncached_input": 3999, "cached_input": 1, "output": 20}),
        (
            json.dumps(json.dumps({"usage_object": {"cache_read_input_tokens": 1}})),
            {"uncached_input": 3999, "cached_input": 1, "output": 20},
        ),
        (
            {
                "usage_object": {
                    "cache_creation_input_tokens": 700,
                    "prompt_tokens_details": {
                        "cached_tokens": 0,
                        "cache_creation_token_details": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 400},
                    },
                    "completion_tokens_details": {"reasoning_tokens": 12},
                }
            },
            {"uncached_input": 3300, "cached_input": 0, "cache_creation_5m": 300, "cache_creation_1h": 400, "output": 20, "reasoning": 12},
        ),
    ],
)
def test_the_split_is_what_the_metadata_tells(metadata: object, tokens: dict[str, int]) -> None:
    assert usage_of(metadata) == tokens


@pytest.mark.parametrize("told", ["True", "true", True, "1"], ids=repr)
def test_what_its_own_cache_answered_used_no_tokens(told: object) -> None:
    with pytest.raises(rows.Skipped, match="own cache"):
        litellm.read({**ROW, "cache_hit": told})


def test_a_call_without_tokens_is_skipped() -> None:
    with pytest.raises(rows.Skipped, match="without tokens"):
        litellm.read({**ROW, "prompt_tokens": 0, "completion_tokens": 0, "metadata": {}})


def test_a_call_without_tokens_and_without_an_id_is_no_call() -> None:
    with pytest.raises(rows.Rejected) as refused:
        litellm.read({**ROW, "prompt_tokens": 0, "completion_tokens": 0, "metadata": {}, "request_id": ""})
    assert refused.value.code == "idempotency_key_missing"


@pytest.mark.parametrize(
    "change, code",
    [
        ({"metadata": {"usage_object": {"cache_read_input_tokens": 4001}}}, "cached_above_input"),
        ({"metadata": "{broken"}, "json_broken"),
        ({"request_id": None}, "idempotency_key_missing"),
        ({"startTime": None}, "occurred_at_invalid"),
        ({"prompt_tokens": 1.5}, "count_invalid"),
    ],
)
def test_what_is_wrong_with_a_row_has_its_code(change: dict[str, Any], code: str) -> None:
    with pytest.raises(rows.Rejected) as refused:
        litellm.read({**ROW, **change})
    assert refused.value.code == code


@pytest.mark.parametrize(
    "model, provider, made",
    [
        ("anthropic/claude-sonnet-4-5", "anthropic", ("anthropic", "claude-sonnet-4-5")),
        ("meta-llama/Llama-3-70b", "together_ai", ("together_ai", "meta-llama/Llama-3-70b")),
        ("gpt-4o", "", (None, "gpt-4o")),  # not guessed at: --set provider=… says it
        ("gpt-4o", "OpenAI", ("openai", "gpt-4o")),
    ],
)
def test_a_model_loses_the_name_of_its_provider_alone(model: str, provider: str, made: tuple[str | None, str]) -> None:
    item = litellm.read({**ROW, "model": model, "custom_llm_provider": provider})
    assert (item["provider"], item["model"]) == made


def test_a_very_long_id_becomes_a_key_that_fits() -> None:
    item = litellm.read({**ROW, "request_id": "x" * 500})
    assert items.checked(item)
