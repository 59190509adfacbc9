"""326 recorded answers of six providers, 96 of them streams: each is counted to its own total, or says why it can't be."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from carbonledger.domains.telemetry.core import bodies
from carbonledger.domains.telemetry.core.bodies import Note, Outcome, Reading
from carbonledger.kernel.usage import TokenBuckets, UsageQuality

RECORDED = Path(__file__).parents[2] / "fixtures/traces/provider_responses_recorded.jsonl.gz"
PROVIDERS = {
    "api.anthropic.com": "anthropic",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.openai.com": "openai",
    "api.together.xyz": "together",
    "generativelanguage.googleapis.com": "google",
}
ROWS: list[dict[str, Any]] = [json.loads(line) for line in gzip.decompress(RECORDED.read_bytes()).decode().splitlines()]


def read(row: dict[str, Any], body: str | None = None) -> Reading:
    return bodies.read_response(
        provider=PROVIDERS[row["host"]],
        path=row["path"],
        status=row["status"],
        content_type=row["content_type"],
        body=row["body"] if body is None else body,
    )


def streams(host: str, *paths: str) -> list[dict[str, Any]]:
    return [row for row in ROWS if row["stream"] and row["host"] == host and row["path"].partition("#")[0] in paths]


def usages(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the usage objects of an answer, found by nothing but their names."""
    texts = (
        [line[5:] for line in row["body"].splitlines() if line.startswith("data:") and "[DONE]" not in line]
        if row["stream"]
        else [row["body"]]
    )
    found = []
    for text in texts:
        event = json.loads(text)
        for place in (event, event.get("message") or {}, event.get("response") or {}):
            found += [usage for name in ("usage", "usageMetadata") if (usage := place.get(name))]
    return found


def test_every_answer_ends_as_its_recording_does() -> None:
    assert len(ROWS) == 326
    assert sum(row["stream"] for row in ROWS) == 96
    assert Counter(read(row).outcome for row in ROWS) == {Outcome.COUNTED: 269, Outcome.NO_USAGE: 53, Outcome.NOT_BILLED: 4}


def test_errors_are_not_billed() -> None:
    errors = [row for row in ROWS if row["status"] != 200]
    assert sorted(row["status"] for row in errors) == [400, 400, 404, 404]
    for row in errors:
        reading = read(row)
        assert not reading.is_billed
        assert reading.tokens == TokenBuckets()


def test_openai_streams_have_usage_if_it_was_asked_for_and_none_else() -> None:
    found = streams("api.openai.com", "/v1/chat/completions", "/v1/completions")
    asked = [row for row in found if (row["request"].get("stream_options") or {}).get("include_usage")]
    assert (len(found), len(asked)) == (62, 9)
    for row in found:
        reading = read(row)
        if row in asked:
            assert (reading.outcome, reading.quality) == (Outcome.COUNTED, UsageQuality.REPORTED)
        else:
            assert (reading.outcome, reading.quality) == (Outcome.NO_USAGE, UsageQuality.ESTIMATED)
            assert reading.tokens == TokenBuckets()  # unknown, which is not zero
            assert reading.model is not None


def test_streams_of_the_responses_api_all_have_usage() -> None:
    found = streams("api.openai.com", "/v1/responses")
    assert len(found) == 23
    assert {read(row).outcome for row in found} == {Outcome.COUNTED}


def test_anthropics_input_comes_first_and_the_last_output_wins() -> None:
    found = streams("api.anthropic.com", "/v1/messages")
    assert len(found) == 10
    assert sum("input_tokens" in usages(row)[-1] for row in found) == 2  # the others tell it in message_start alone
    for row in found:
        first, *_, last = usages(row)
        reading = read(row)
        assert reading.tokens.uncached_input == first["input_tokens"] > 0
        assert reading.tokens.output == last["output_tokens"] > 0
        assert reading.quality is UsageQuality.REPORTED


def test_every_counted_answer_adds_up_to_its_providers_total() -> None:
    for row in ROWS:
        reading = read(row)
        if reading.outcome is Outcome.COUNTED:
            merged = {name: value for usage in usages(row) for name, value in usage.items() if value is not None}
            total = merged.get("total_tokens", merged.get("totalTokenCount"))
            own = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
            assert reading.tokens.total == (sum(merged.get(name, 0) for name in own) if total is None else total)


def test_answers_tell_their_model_and_their_id() -> None:
    told = [read(row) for row in ROWS if row["status"] == 200]
    assert {reading.model is not None for reading in told} == {True}
    assert Counter(reading.operation for reading in told if reading.response_id is None) == {"embeddings": 8}  # OpenAI's have none
    assert {note for reading in told for note in reading.notes} == {Note.CACHE_TIME_UNTOLD}


@pytest.mark.parametrize("row", streams("api.anthropic.com", "/v1/messages"), ids=lambda row: row["id"])
def test_a_stream_that_is_cut_anywhere_is_partial_and_never_more_than_the_whole(row: dict[str, Any]) -> None:
    whole = read(row).tokens
    assert whole.output is not None
    stops_at = row["body"].index("event: message_delta")
    for place in range(0, stops_at, 97):
        reading = read(row, row["body"][:place])
        assert (reading.outcome, reading.quality) == (Outcome.CUT, UsageQuality.PARTIAL)
        assert (reading.tokens.output or 0) <= whole.output
        assert reading.tokens.uncached_input in {None, whole.uncached_input}


@pytest.mark.parametrize("row", streams("api.openai.com", "/v1/responses")[:5], ids=lambda row: row["id"])
def test_a_stream_without_its_last_event_is_cut_and_unknown(row: dict[str, Any]) -> None:
    reading = read(row, row["body"][: row["body"].index("event: response.completed")])
    assert (reading.outcome, reading.quality, reading.tokens) == (Outcome.CUT, UsageQuality.PARTIAL, TokenBuckets())
