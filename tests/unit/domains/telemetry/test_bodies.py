"""Reading usage objects and answers: the shapes' traps, one a case, with numbers worked by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.telemetry.core import bodies
from carbonledger.domains.telemetry.core.bodies import Note, Outcome, Reading, UsageUnreadable, flavours
from carbonledger.domains.telemetry.core.bodies import responses as reading_responses
from carbonledger.kernel.usage import BUCKETS, COUNT_MAX, PARTS, UsageQuality

# (usage, what is known of its buckets and parts, notes)
SHAPES: dict[str, tuple[dict[str, Any], dict[str, int], set[Note]]] = {
    # OpenAI's own example: 1000 = 400 cached + 100 written + 500 uncached
    "chat with cache reads and writes": (
        {"prompt_tokens": 1000, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 400, "cache_write_tokens": 100}},
        {"uncached_input": 500, "cached_input": 400, "cache_creation_5m": 100, "cache_creation_1h": 0, "output": 7},
        set(),
    ),
    "chat that tells no cache: it is inside, not zero": (
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        {"uncached_input": 10, "output": 5},
        set(),
    ),
    "an explicit zero is a count": (
        {"prompt_tokens": 0, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 0}},
        {"uncached_input": 0, "cached_input": 0, "output": 0},
        set(),
    ),
    "DeepSeek's hits": (
        {"prompt_tokens": 12, "completion_tokens": 789, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 4},
        {"uncached_input": 4, "cached_input": 8, "output": 789},
        set(),
    ),
    "a proxy that leaves cached tokens out of a chat's prompt, by its total": (
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115, "cache_read_input_tokens": 100},
        {"uncached_input": 10, "cached_input": 100, "output": 5},
        {Note.CACHE_OUTSIDE},
    ),
    "xAI's reasoning beside the completion": (
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45, "completion_tokens_details": {"reasoning_tokens": 30}},
        {"uncached_input": 10, "output": 35, "reasoning": 30},
        {Note.REASONING_OUTSIDE},
    ),
    "a total beyond its parts": (
        {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109},
        {"uncached_input": 35, "output": 74},
        {Note.REST_IN_OUTPUT},
    ),
    "a total below its parts": (
        {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 40},
        {"uncached_input": 35, "output": 12},
        {Note.TOTAL_TOO_SMALL},
    ),
    "audio of a prompt that nothing of is cached": (
        {"prompt_tokens": 64, "completion_tokens": 9, "prompt_tokens_details": {"audio_tokens": 44, "cached_tokens": 0}},
        {"uncached_input": 64, "cached_input": 0, "output": 9, "audio_input": 44, "cached_audio_input": 0},
        set(),
    ),
    "audio that may be cached or not": (
        {"prompt_tokens": 64, "completion_tokens": 9, "prompt_tokens_details": {"audio_tokens": 44, "cached_tokens": 32}},
        {"uncached_input": 32, "cached_input": 32, "output": 9},
        {Note.PARTS_UNCLEAR},
    ),
    "realtime with cached audio": (
        {
            "input_tokens": 100,
            "output_tokens": 20,
            "total_tokens": 120,
            "input_token_details": {"audio_tokens": 60, "cached_tokens": 50, "cached_tokens_details": {"audio_tokens": 40}},
            "output_token_details": {"audio_tokens": 15},
        },
        {
            "uncached_input": 50,
            "cached_input": 50,
            "output": 20,
            "audio_input": 20,
            "cached_audio_input": 40,
            "audio_output": 15,
        },
        set(),
    ),
    "embeddings have no output": ({"prompt_tokens": 4, "total_tokens": 4}, {"uncached_input": 4, "output": 0}, set()),
    "Anthropic's input stands beside the cache": (
        {
            "input_tokens": 6,
            "cache_read_input_tokens": 20443,
            "cache_creation_input_tokens": 574,
            "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 74},
            "output_tokens": 489,
            "output_tokens_details": {"thinking_tokens": 77},
        },
        {
            "uncached_input": 6,
            "cached_input": 20443,
            "cache_creation_5m": 500,
            "cache_creation_1h": 74,
            "output": 489,
            "reasoning": 77,
        },
        set(),
    ),
    "Anthropic's cache writes beyond the split": (
        {
            "input_tokens": 1,
            "cache_creation_input_tokens": 100,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            "output_tokens": 2,
        },
        {"uncached_input": 1, "cache_creation_5m": 80, "cache_creation_1h": 20, "output": 2},
        {Note.CACHE_TIME_UNTOLD},
    ),
    # Anthropic's documentation of compaction: 23,000 / 1,000 at the top, and 180,000 / 3,500 beside it
    "a compaction is beside the counts": (
        {
            "input_tokens": 23_000,
            "output_tokens": 1_000,
            "iterations": [
                {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
                {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000},
            ],
        },
        {"uncached_input": 203_000, "output": 4_500},
        set(),
    ),
    "a step of an unknown kind": (
        {"input_tokens": 3, "output_tokens": 1, "iterations": [{"type": "dream", "input_tokens": 9, "output_tokens": 9}]},
        {"uncached_input": 3, "output": 1},
        {Note.UNCOUNTED_STEPS},
    ),
    "Gemini's thoughts and tools are outside": (
        {
            "promptTokenCount": 17,
            "candidatesTokenCount": 201,
            "thoughtsTokenCount": 213,
            "toolUsePromptTokenCount": 119,
            "totalTokenCount": 550,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 17}],
            "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 119}],
        },
        {"uncached_input": 136, "cached_input": 0, "output": 414, "reasoning": 213, "audio_input": 0, "image_input": 0},
        set(),
    ),
    "Gemini's cached images, a document among them": (
        {
            "promptTokenCount": 345,
            "cachedContentTokenCount": 230,
            "candidatesTokenCount": 51,
            "totalTokenCount": 396,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 87}, {"modality": "DOCUMENT", "tokenCount": 258}],
            "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 58}, {"modality": "DOCUMENT", "tokenCount": 172}],
        },
        {
            "uncached_input": 115,
            "cached_input": 230,
            "output": 51,
            "reasoning": 0,
            "audio_input": 0,
            "cached_audio_input": 0,
            "image_input": 86,
            "cached_image_input": 172,
        },
        set(),
    ),
    "Bedrock's cache by its times": (
        {
            "inputTokens": 5,
            "outputTokens": 6,
            "cacheReadInputTokens": 7,
            "cacheWriteInputTokens": 30,
            "totalTokens": 48,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 20}, {"ttl": "5m", "inputTokens": 10}],
        },
        {"uncached_input": 5, "cached_input": 7, "cache_creation_5m": 10, "cache_creation_1h": 20, "output": 6},
        set(),
    ),
    "what Cohere charges, not what it processed": (
        {
            "billed_units": {"input_tokens": 41, "output_tokens": 28},
            "tokens": {"input_tokens": 1442, "output_tokens": 29},
            "cached_tokens": 1040,
        },
        {"uncached_input": 41, "output": 28},
        {Note.BILLED_UNITS},
    ),
    "Cohere's search": ({"billed_units": {"input_tokens": 3, "search_units": 1}}, {"uncached_input": 3, "output": 0}, {Note.OTHER_UNITS}),
    "Ollama": ({"prompt_eval_count": 26, "eval_count": 259}, {"uncached_input": 26, "output": 259}, set()),
    "an output that nobody counted": ({"prompt_tokens": 9}, {"uncached_input": 9}, set()),
}


@pytest.mark.parametrize("case", SHAPES)
def test_every_token_of_a_shape_is_in_one_bucket(case: str) -> None:
    usage, known, notes = SHAPES[case]
    reading = bodies.read_usage("whoever", usage)
    counts = {name: getattr(reading.tokens, name) for name in (*BUCKETS, *PARTS)}
    zero_parts = {name: 0 for name in PARTS if counts[name] == 0}  # which parts are told to be none is not the point of each case
    assert {name: count for name, count in counts.items() if count is not None} == zero_parts | known
    assert reading.notes == notes
    assert reading.quality is UsageQuality.REPORTED


@pytest.mark.parametrize("count", [-1, COUNT_MAX + 1, 10**400, 1.0, float("nan"), float("inf"), Decimal("NaN"), True, "5", [5]])
def test_what_is_no_count_is_refused_with_its_pointer(count: object) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": count}}
    with pytest.raises(UsageUnreadable) as caught:
        bodies.read_usage("openai", usage)
    assert [(one.pointer, one.code) for one in caught.value.problems] == [("/prompt_tokens_details/cached_tokens", "count_invalid")]


@pytest.mark.parametrize(
    "usage,code",
    [
        (
            {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6, "prompt_tokens_details": {"cached_tokens": 9}},
            "parts_exceed_whole",
        ),
        ({"prompt_tokens": 5, "prompt_tokens_details": 5}, "type_wrong"),
        ({"promptTokenCount": 5, "promptTokensDetails": {"TEXT": 5}}, "type_wrong"),
        ({"input_tokens": COUNT_MAX, "cache_read_input_tokens": 1, "output_tokens": 1}, "count_invalid"),
    ],
)
def test_counts_that_can_not_be_true_are_refused(usage: dict[str, Any], code: str) -> None:
    with pytest.raises(UsageUnreadable) as caught:
        bodies.read_usage("openai", usage)
    assert [one.code for one in caught.value.problems] == [code]


@pytest.mark.parametrize(
    "usage,outcome",
    [
        ({}, Outcome.NO_USAGE),
        ({"prompt_tokens": None}, Outcome.NO_USAGE),
        ({"completion_tokens": 5}, Outcome.NO_USAGE),  # of the input nothing is known
        ({"type": "duration", "seconds": 9}, Outcome.SHAPE_UNKNOWN),
    ],
)
def test_usage_without_counts_is_never_zero(usage: dict[str, Any], outcome: Outcome) -> None:
    reading = bodies.read_usage("openai", usage)
    assert (reading.outcome, reading.quality, reading.tokens.total) == (outcome, UsageQuality.ESTIMATED, None)


def test_what_openrouter_charged_is_kept_exactly_unless_the_key_is_the_callers() -> None:
    body = '{"model": "x/y", "usage": {"prompt_tokens": 14, "completion_tokens": 4, "cost": 0.000102, "is_byok": %s}}'
    reading = read(body % "false", provider="openrouter")
    assert reading.reported is not None
    assert str(reading.reported) == "0.000102 USD"
    assert read(body % "true", provider="openrouter").reported is None
    assert read(body % "false", provider="elsewhere").reported is None


def read(body: str, *, provider: str = "openai", status: int = 200, content_type: str = "application/json") -> Reading:
    return bodies.read_response(provider=provider, path="/v1/chat/completions", status=status, content_type=content_type, body=body)


def stream(*events: object) -> str:
    return "".join(f"data: {one if isinstance(one, str) else json.dumps(one)}\n\n" for one in events)


CHUNK = {"id": "c1", "model": "m", "choices": [{"delta": {"content": "Hi"}, "finish_reason": None}]}
STOP = {"id": "c1", "model": "m", "choices": [{"delta": {}, "finish_reason": "stop"}]}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
STARTED = {"type": "message_start", "message": {"id": "msg_1", "model": "c", "usage": {"input_tokens": 9, "output_tokens": 1}}}
# (events, how it ended, output tokens)
STREAMS: dict[str, tuple[tuple[object, ...], Outcome, int | None]] = {
    "Groq's own place": ((CHUNK, STOP | {"x_groq": {"id": "req_1", "usage": USAGE}}, "[DONE]"), Outcome.COUNTED, 2),
    "usage after the stop, without [DONE]": ((CHUNK, STOP, CHUNK | {"choices": [], "usage": USAGE}), Outcome.COUNTED, 2),
    "usage in every event, cut": ((CHUNK | {"usage": USAGE},), Outcome.CUT, 2),
    "whole, and not asked for usage": ((CHUNK, STOP, "[DONE]"), Outcome.NO_USAGE, None),
    "cut before any usage": ((CHUNK,), Outcome.CUT, None),
    "an error in the middle": ((CHUNK, {"error": {"message": "overloaded"}}), Outcome.CUT, None),
    "cumulative, the last that is not null wins": (
        (
            STARTED,
            {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 5}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 8, "input_tokens": None}},
            {"type": "message_stop"},
        ),
        Outcome.COUNTED,
        8,
    ),
    "Anthropic breaks off": ((STARTED, {"type": "error", "error": {"type": "overloaded_error"}}), Outcome.CUT, 1),
    "an incomplete answer is whole": (
        ({"type": "response.incomplete", "response": {"usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}}},),
        Outcome.COUNTED,
        3,
    ),
    "Gemini repeats its counts": (
        (
            {"candidates": [{}], "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 1, "totalTokenCount": 5}},
            {
                "candidates": [{"finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 6, "totalTokenCount": 10},
            },
        ),
        Outcome.COUNTED,
        6,
    ),
    "Cohere's end": (
        ({"type": "message-end", "delta": {"usage": {"billed_units": {"input_tokens": 1, "output_tokens": 9}}}},),
        Outcome.COUNTED,
        9,
    ),
    "no events at all": ((), Outcome.CUT, None),
}


@pytest.mark.parametrize("case", STREAMS)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_stream_is_counted_or_says_why_not(case: str, newline: str) -> None:
    events, outcome, output = STREAMS[case]
    reading = read(stream(*events).replace("\n", newline), content_type="text/event-stream; charset=utf-8")
    assert (reading.outcome, reading.tokens.output) == (outcome, output)
    qualities = {Outcome.COUNTED: UsageQuality.REPORTED, Outcome.CUT: UsageQuality.PARTIAL, Outcome.NO_USAGE: UsageQuality.ESTIMATED}
    assert reading.quality is qualities[outcome]


def test_gemini_without_sse_is_a_list_of_events() -> None:
    events = STREAMS["Gemini repeats its counts"][0]
    assert read(json.dumps(events)).tokens.output == 6
    assert read(json.dumps(events)[:-9]).outcome is Outcome.CUT


def test_json_lines_are_events() -> None:
    lines = '{"model": "q", "done": false}\n{"model": "q", "done": true, "usage": {"prompt_eval_count": 26, "eval_count": 259}}\n'
    reading = read(lines, content_type="application/x-ndjson")
    assert (reading.model, reading.tokens.total) == ("q", 285)


@pytest.mark.parametrize("status", [301, 400, 429, 500])
def test_an_answer_that_is_no_success_is_not_billed_whatever_it_holds(status: int) -> None:
    assert read(json.dumps({"usage": USAGE}), status=status).outcome is Outcome.NOT_BILLED


def test_an_error_with_a_status_of_success_is_not_billed_either() -> None:
    assert read('{"error": {"message": "no"}}').outcome is Outcome.NOT_BILLED


@pytest.mark.parametrize("body", ["", "<html>", "5", '"text"', "NaN"])
def test_what_is_no_answer_has_no_known_shape(body: str) -> None:
    assert read(body).outcome is Outcome.SHAPE_UNKNOWN


def test_names_that_can_not_be_kept_are_dropped_and_said() -> None:
    reading = read(json.dumps({"id": "a\u0000b", "model": "m" * 257, "service_tier": "flex", "usage": USAGE}))
    assert (reading.model, reading.response_id, reading.service_tier) == (None, None, "flex")
    assert reading.notes == {Note.LABEL_DROPPED}


@pytest.mark.parametrize(
    "path,operation",
    [
        ("/v1/chat/completions?x=1", "chat"),
        ("/v1/completions", "text_completion"),
        ("/v1/messages", "chat"),
        ("/v1beta/models/g:streamGenerateContent", "generate_content"),
        ("/openai/deployments/d/embeddings", "embeddings"),
        ("/v2/embed", "embeddings"),
        ("/v1/images/generations", None),
    ],
)
def test_a_path_tells_the_operation(path: str, operation: str | None) -> None:
    assert reading_responses.operation_of(path) == operation


counts = st.one_of(st.integers(0, 5000), st.none())
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=8,
)
NAMES = sorted(
    {step.name for flavour in flavours.FLAVOURS for terms in flavour.counts.values() for term in terms for place in term for step in place}
    | {"iterations", "type", "model", "usage", "message", "response", "delta", "choices", "error", "id", "meta", "modality"}
)
named = st.recursive(
    st.one_of(
        counts, st.integers(), st.booleans(), st.floats(), st.text(max_size=3), st.sampled_from(["message", "compaction", "AUDIO", "error"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)),
    max_leaves=20,
)


def check(read_it: Callable[[], Reading]) -> None:
    """A reading whose unknown counts are unknown, or the one named fault with the places of what is wrong."""
    reading, fault = _tried(read_it)
    if reading is None:
        assert fault is not None
        assert fault.problems
        assert all(one.pointer == "" or one.pointer.startswith("/") for one in fault.problems)
        return
    known = reading.outcome in {Outcome.COUNTED, Outcome.CUT} and reading.flavour is not None
    assert known or reading.tokens.total is None
    assert reading.outcome is not Outcome.COUNTED or reading.tokens.total_input is not None


def _tried(read_it: Callable[[], Reading]) -> tuple[Reading | None, UsageUnreadable | None]:
    try:
        return read_it(), None
    except UsageUnreadable as fault:
        return None, fault


@given(st.dictionaries(st.sampled_from(NAMES), named, max_size=10))
def test_no_usage_object_breaks_the_reader(usage: dict[str, object]) -> None:
    check(lambda: bodies.read_usage("openai", usage))


@given(
    st.lists(st.one_of(anything, named), max_size=4),
    st.sampled_from(["application/json", "text/event-stream", "application/x-ndjson", ""]),
    st.booleans(),
)
def test_no_answer_breaks_the_reader(events: list[object], content_type: str, is_cut: bool) -> None:
    body = stream(*events) if content_type == "text/event-stream" else "\n".join(map(json.dumps, events))
    check(lambda: read(body[:-3] if is_cut else body, content_type=content_type))


@given(st.text(max_size=200), st.sampled_from(["application/json", "text/event-stream"]))
def test_no_text_breaks_the_reader(body: str, content_type: str) -> None:
    check(lambda: read(body, content_type=content_type))


def test_nesting_beyond_the_parser_does_not_break_the_reader() -> None:
    assert read("[" * 200_000).outcome is Outcome.CUT
    assert read('{"usage":{"prompt_tokens":' + "9" * 5000 + "}}").outcome is Outcome.CUT


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_inclusive_and_exclusive_shapes_of_the_same_call_give_the_same_buckets(
    uncached: int, cached: int, short: int, hour: int, output: int
) -> None:
    written = short + hour
    anthropic = {
        "input_tokens": uncached,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": written,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": hour},
        "output_tokens": output,
    }
    chat = {
        "prompt_tokens": uncached + cached + written,
        "completion_tokens": output,
        "total_tokens": uncached + cached + written + output,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
    }
    one, other = bodies.read_usage("anthropic", anthropic).tokens, bodies.read_usage("openai", chat).tokens
    assert one.total == other.total == uncached + cached + written + output
    assert (one.uncached_input, one.cached_input) == (other.uncached_input, other.cached_input) == (uncached, cached)
    assert (one.cache_creation_5m, one.cache_creation_1h, other.cache_creation_5m) == (short, hour, written)
