"""Made-up answers of the providers' usage APIs, of every shape that their descriptions allow, and what they sum to by a second way.

The totals are taken from the answer alone, by names of members, so that they share nothing with the connectors.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from carbonledger.domains.connections.types import RawPage, Stream, Window

CONTRACTS = Path(__file__).parents[2] / "fixtures/contracts"
AT = datetime(2026, 11, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEK = Window(AT, AT + 7 * DAY)
COUNT = st.integers(0, 10**12)

Json = dict[str, Any]


def raw(stream: Stream, document: object, *, window: Window = WEEK, next_cursor: str | None = None) -> RawPage:
    return RawPage(stream=stream, window=window, body=json.dumps(document).encode(), next_cursor=next_cursor)


def parts_of(draw: st.DrawFn, whole: int, count: int) -> list[int]:
    """Cut ``whole`` into ``count`` parts, some of them nothing."""
    cuts = sorted(draw(st.lists(st.integers(0, whole), min_size=count - 1, max_size=count - 1)))
    return [end - start for start, end in zip([0, *cuts], [*cuts, whole], strict=True)]


@st.composite
def openai_result(draw: st.DrawFn, number: int) -> Json:
    total, output = draw(COUNT), draw(COUNT)
    uncached, cached, written = parts_of(draw, total, 3)
    result: Json = {
        "object": "organization.usage.completions.result",
        "input_tokens": total,
        "output_tokens": output,
        "num_model_requests": draw(st.integers(0, 10**6)),
        "model": draw(st.sampled_from(["gpt-4o-2024-08-06", "gpt-6-sol-2026-06-01"])),
        "project_id": f"proj_{number}",  # what tells the rows of a bucket apart
        "batch": draw(st.sampled_from([True, False, None])),
        "service_tier": draw(st.sampled_from(["default", "flex", "priority", None])),
    }
    told = draw(st.sampled_from(["nothing", "cached", "cached and written", "all"]))
    if told == "nothing":
        return result
    result["input_cached_tokens"] = cached
    if told == "cached":
        return result
    result["input_cache_write_tokens"] = written
    if told == "all":
        result["input_uncached_tokens"] = uncached
    for names, whole in (
        (("input_text_tokens", "input_audio_tokens", "input_image_tokens"), uncached),
        (("input_cached_text_tokens", "input_cached_audio_tokens", "input_cached_image_tokens"), cached),
        (("output_text_tokens", "output_audio_tokens", "output_image_tokens"), output),
    ):
        if draw(st.booleans()):
            result |= dict(zip(names, parts_of(draw, whole, 3), strict=True))
    return result


@st.composite
def openai_page(draw: st.DrawFn) -> Json:
    hours = sorted(draw(st.sets(st.integers(0, 167), max_size=4)))
    buckets = [
        {
            "object": "bucket",
            "start_time": int((AT + hour * HOUR).timestamp()),
            "end_time": int((AT + (hour + 1) * HOUR).timestamp()),
            "results": [draw(openai_result(number)) for number in range(draw(st.integers(0, 3)))],
        }
        for hour in hours
    ]
    has_more = draw(st.booleans())
    return {"object": "page", "data": buckets, "has_more": has_more, "next_page": "page_AAAAAGdGxdEiJdKO" if has_more else None}


@st.composite
def anthropic_page(draw: st.DrawFn) -> Json:
    buckets = []
    for hour in sorted(draw(st.sets(st.integers(0, 167), max_size=4))):
        results = [
            {
                "uncached_input_tokens": draw(COUNT),
                "cache_creation": {"ephemeral_5m_input_tokens": draw(COUNT), "ephemeral_1h_input_tokens": draw(COUNT)},
                "cache_read_input_tokens": draw(COUNT),
                "output_tokens": draw(COUNT),
                "server_tool_use": draw(st.sampled_from([{"web_search_requests": 0}, {"web_search_requests": 3}])),
                "model": draw(st.sampled_from(["claude-sonnet-4-20250514", "claude-opus-4-8"])),
                "service_tier": draw(st.sampled_from(["standard", "batch", "priority", "flex"])),
                "context_window": draw(st.sampled_from(["0-200k", "200k-1M", None])),
                "workspace_id": f"wrkspc_{number}",
                "inference_geo": draw(st.sampled_from(["global", "us", "not_available", None])),
                "api_key_id": None,
            }
            for number in range(draw(st.integers(0, 3)))
        ]
        at = AT + hour * HOUR
        buckets.append({"starting_at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "ending_at": f"{at + HOUR:%Y-%m-%dT%H:%M:%SZ}", "results": results})
    return {"data": buckets, "has_more": False, "next_page": None}


@st.composite
def analytics_page(draw: st.DrawFn) -> Json:
    rows = []
    for number in range(draw(st.integers(0, 6))):
        prompt, completion = draw(COUNT), draw(COUNT)
        rows.append(
            {
                "date__hour": f"{AT + draw(st.integers(0, 23)) * HOUR:%Y-%m-%d %H:%M:%S}",
                "model": f"openai/gpt-{number}",
                "provider": draw(st.sampled_from(["OpenAI", "Azure", "", None])),
                "tokens_prompt": str(prompt),
                "cached_tokens": str(draw(st.integers(0, prompt))),
                "tokens_completion": str(completion),
                "reasoning_tokens": str(draw(st.integers(0, completion))),
                "request_count": str(draw(st.integers(0, 10**6))),
            }
        )
    return {"data": {"data": rows, "metadata": {"query_time_ms": 1.5, "row_count": len(rows), "truncated": False}}}


@st.composite
def activity_page(draw: st.DrawFn) -> Json:
    items = []
    for number in range(draw(st.integers(0, 4))):
        completion = draw(COUNT)
        items.append(
            {
                "date": f"{AT:%Y-%m-%d}",
                "model": "openai/gpt-4.1",
                "model_permaslug": "openai/gpt-4.1-2025-04-14",
                "endpoint_id": f"550e8400-e29b-41d4-a716-44665544000{number}",
                "provider_name": "OpenAI",
                "usage": draw(st.integers(0, 10**6)) / 1000,
                "byok_usage_inference": draw(st.sampled_from([0, 0.012])),
                "requests": draw(st.integers(0, 10**6)),
                "prompt_tokens": draw(COUNT),
                "completion_tokens": completion,
                "reasoning_tokens": draw(st.integers(0, completion)),
            }
        )
    return {"data": items}


def sums(document: object, names: frozenset[str]) -> int:
    """Add up every member of these names, wherever it is."""
    if isinstance(document, dict):
        own = sum(int(value) for name, value in document.items() if name in names)
        return own + sum(sums(value, names) for value in document.values())
    return sum(sums(value, names) for value in document) if isinstance(document, list) else 0


GARBAGE: tuple[object, ...] = (
    *(None, True, -1, 2**53, 10**40, 1.5, float("nan"), float("inf")),
    *("", "x" * 300, "1970-01-01T00:00:00Z", "2100-01-01 00:00:00", "\x00", "\ud800", "<html>"),
    *([], {}, [{}], {"object": "bucket"}),
)


@st.composite
def spoiled(draw: st.DrawFn, page: st.SearchStrategy[Json]) -> object:
    """A good page with one value in it that is garbage, or one member that is missing."""
    document: Json = draw(page)
    paths = list(places(document))
    path = draw(st.sampled_from(paths))
    target: Any = document
    for step in path[:-1]:
        target = target[step]
    if isinstance(path[-1], str) and draw(st.booleans()):
        del target[path[-1]]
    else:
        target[path[-1]] = draw(st.sampled_from(GARBAGE))
    return document


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path] if path else []
    for name, inner in members:
        found += places(inner, (*path, name))
    return found
