"""What is no usage of a format: rejected with words that say what it seems to be, and never skipped as if nothing had been used."""

from __future__ import annotations

from typing import Any

import pytest

from carbonledger_client import rows
from carbonledger_client.formats import shape
from carbonledger_client.importing import plans

ERRORS: list[dict[str, Any]] = [
    {"error": {"message": "No such key", "type": "invalid_request_error", "code": None}},  # OpenAI, LiteLLM
    {"type": "error", "error": {"type": "authentication_error", "message": "No such key"}},  # Anthropic
    {"error": {"code": 403, "message": "No such key"}, "user_id": "u"},  # OpenRouter
    {"error": "No such key"},
    {"detail": "No such key"},  # FastAPI, of which LiteLLM's proxy is made
    {"detail": {"error": "No such key"}},
]
GENERATION = {"id": "gen-1", "model": "openai/gpt-4o", "tokens_prompt": 100, "native_tokens_prompt": 100, "tokens_completion": 5}
ANALYTICS = {"data": [{"date__hour": "2026-09-29 13:00:00", "tokens_prompt": "100"}], "metadata": {"truncated": False}}
DAY = {"date": "2026-01-01", "metrics": {"prompt_tokens": 100}, "breakdown": {}}
OTHERS: list[tuple[str, dict[str, Any], str]] = [
    ("openai", {"id": "chatcmpl-1", "object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 9}}, "of the chat completions"),
    (
        "openai",
        {"object": "bucket", "start_time": 1_767_225_600, "end_time": 1_767_229_200, "results": None},
        "it has 'object', 'start_time'",
    ),
    ("openai", {"start_time": 1_767_225_600, "end_time": 1_767_229_200, "n_context_tokens_total": 9}, "'n_context_tokens_total'"),
    ("openai", {}, "it has no member"),
    ("openai", {"error": None, "warning": ""}, "it has 'error', 'warning'"),
    ("openai", {"object": "bucket", "start_time": 1_767_225_600, "end_time": 1_767_229_200, "input_tokens": 0}, "calls itself 'bucket'"),
    ("anthropic", {"id": "msg_1", "stop_reason": "end_turn", "usage": {"input_tokens": 9}}, "of the Messages API"),
    ("anthropic", {"date": "2026-01-01T00:00:00Z", "actor": {}, "model_breakdown": []}, "of the Claude Code report"),
    ("anthropic", {"starting_at": "2026-01-01T00:00:00Z", "ending_at": "2026-01-02T00:00:00Z", "tokens": 9}, "'tokens'"),
    ("openrouter", {"data": GENERATION}, "of GET /generation"),
    ("openrouter", GENERATION, "of GET /generation"),
    ("openrouter", {"data": ANALYTICS}, "of /analytics/query"),
    ("openrouter", {"data": {"total_credits": 9, "total_usage": 8}}, "'data.total_usage'"),
    ("litellm", {"results": [DAY], "metadata": {"total_prompt_tokens": 100}}, "of /user/daily/activity"),
    ("litellm", DAY, "of /user/daily/activity"),
    ("litellm", {"startTime": "2026-01-01", "spend": 1.5, "users": {"u": 1.5}, "models": {"m": 1.5}}, "summarize=false"),
]


def refusal(kind: str, document: dict[str, Any]) -> rows.Rejected:
    """Return why the only row of a document was rejected."""
    known = plans.KNOWN[kind]
    [row] = known.expand(document)
    with pytest.raises(rows.Rejected) as refused:
        known.read(row)
    return refused.value


@pytest.mark.parametrize("kind", sorted(plans.KNOWN))
@pytest.mark.parametrize("document", ERRORS, ids=range(len(ERRORS)))
def test_an_error_is_said_to_be_one_in_its_own_words(kind: str, document: dict[str, Any]) -> None:
    refused = refusal(kind, document)
    assert refused.code == "error_answer"
    assert "'No such key'" in refused.detail


@pytest.mark.parametrize("kind, document, said", OTHERS, ids=range(len(OTHERS)))
def test_another_document_is_said_to_be_what_it_seems_and_what_a_row_needs(kind: str, document: dict[str, Any], said: str) -> None:
    refused = refusal(kind, document)
    assert refused.code == "row_unknown"
    assert said in refused.detail
    assert refused.detail.startswith("It calls itself ") or ". A row needs " in refused.detail


def test_of_many_members_and_of_strange_ones_a_few_are_shown_in_plain_letters() -> None:
    with pytest.raises(rows.Rejected) as refused:
        shape.require({"\ud800" + "x" * 100: 1, **{str(number): 0 for number in range(20)}}, "x", (frozenset({"needed"}),), {})
    assert refused.value.detail.isascii() is False  # the marks of what was cut off
    assert r"'\ud800xxx" in refused.value.detail
    assert "'6' …. A row needs needed." in refused.value.detail


def test_the_words_about_a_row_can_be_printed_and_written_whatever_it_calls_itself() -> None:
    refused = refusal("openai", {"object": "organization.usage.\ud800"})
    assert refused.code == "not_counted_in_tokens"
    assert refused.detail.isascii()
