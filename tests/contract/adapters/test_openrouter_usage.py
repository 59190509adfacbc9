"""OpenRouter's usage, read: its own examples and an answer of analytics as its reference describes it, numbers worked by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from carbonledger.adapters import openrouter
from carbonledger.domains.connections import types
from carbonledger.domains.connections.types import RawPage, Stream, Window
from carbonledger.infra import http
from carbonledger.kernel import currency
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import TokenBuckets
from tests.contract.adapters import usage_payloads as payloads

CONNECTOR = openrouter.OpenRouter(openrouter.api(http.Client("openrouter")))
CONTRACT = json.loads((payloads.CONTRACTS / "openrouter_usage.openapi.json").read_text(encoding="utf-8"))
EXAMPLE = CONTRACT["components"]["schemas"]["ActivityResponse"]["example"]
ITEM = EXAMPLE["data"][0]
DAY = Window(datetime(2025, 8, 24, tzinfo=UTC), datetime(2025, 8, 25, tzinfo=UTC))
ROW = {
    "date__hour": "2025-08-24 13:00:00",
    "model": "openai/gpt-4.1-2025-04-14",
    "provider": "Azure",
    "tokens_prompt": "186685",
    "cached_tokens": "84480",
    "tokens_completion": "1544",
    "reasoning_tokens": "1000",
    "request_count": "12",
}


def activity(stream: Stream, *items: object) -> types.Bucket:
    (bucket,) = CONNECTOR.normalise(RawPage(stream=stream, window=DAY, body=json.dumps({"data": items}).encode())).buckets
    return bucket


def analytics(*rows: object, truncated: bool = False) -> types.Page:
    metadata = {"query_time_ms": 142, "row_count": len(rows), "truncated": truncated}
    document: dict[str, Any] = {"data": {"data": rows, "metadata": metadata, "cachedAt": 1747699200000}}
    return CONNECTOR.normalise(RawPage(stream=openrouter.ANALYTICS, window=DAY, body=json.dumps(document).encode(), next_cursor="later"))


def test_activity_does_not_know_the_cache() -> None:
    (row,) = activity(openrouter.ACTIVITY, ITEM).rows
    assert row.tokens == TokenBuckets(uncached_input=50, output=125, reasoning=25)
    assert not row.tokens.is_split
    assert (row.model, row.requests) == ("openai/gpt-4.1-2025-04-14", 5)
    assert row.dimensions == (
        ("endpoint_id", "550e8400-e29b-41d4-a716-446655440000"),
        ("model", "openai/gpt-4.1-2025-04-14"),
        ("provider_name", "OpenAI"),
    )


def test_a_day_may_come_with_its_midnight_and_without_an_upstream() -> None:
    (row,) = activity(openrouter.ACTIVITY, {**ITEM, "date": "2025-08-24 00:00:00", "endpoint_id": ""}).rows
    assert [name for name, _ in row.dimensions] == ["model", "provider_name"]


def test_spend_is_credits_and_what_own_keys_cost() -> None:
    bucket = activity(openrouter.SPEND, ITEM)
    usd = currency.by_code("USD")
    assert bucket.rows == ()
    assert [(cost.item, cost.amount) for cost in bucket.costs] == [
        ("credits", Money(Decimal("0.015"), usd)),
        ("byok_inference", Money(Decimal("0.012"), usd)),
    ]


def test_a_day_without_use_is_a_bucket_too() -> None:
    bucket = activity(openrouter.ACTIVITY)
    assert (bucket.rows, bucket.starts_at, bucket.ends_at) == ((), DAY.starts_at, DAY.ends_at)


def test_analytics_tells_cached_tokens_apart_but_not_cache_writes() -> None:
    page = analytics(ROW)
    assert len(page.buckets) == 24
    (row,) = page.buckets[13].rows
    # 186,685 - 84,480 = 102,205; writes to the cache, if any, are among them
    assert row.tokens == TokenBuckets(uncached_input=102_205, cached_input=84_480, output=1544, reasoning=1000)
    assert row.tokens.total == 188_229
    assert (row.requests, row.dimensions) == (12, (("model", "openai/gpt-4.1-2025-04-14"), ("provider", "Azure")))
    assert all(bucket.rows == () for number, bucket in enumerate(page.buckets) if number != 13)
    assert page.next_cursor == "later"


@pytest.mark.parametrize("text", ["2025-08-24T13:00:00Z", "2025-08-24T13:00:00.000Z", "2025-08-24 13:00:00+00:00"])
def test_an_hour_may_be_written_otherwise(text: str) -> None:
    assert analytics({**ROW, "date__hour": text}).buckets[13].rows


def test_the_hour_that_begins_at_the_end_belongs_to_the_next_part() -> None:
    page = analytics({**ROW, "date__hour": "2025-08-25 00:00:00"})
    assert page.buckets[-1].ends_at == DAY.ends_at
    assert all(bucket.rows == () for bucket in page.buckets)


REFUSED: list[tuple[dict[str, object], type[types.AnswerUnreadable]]] = [
    ({"cached_tokens": "186686"}, types.CountsContradict),
    ({"reasoning_tokens": "1545"}, types.CountsContradict),
    ({"tokens_prompt": "-1"}, types.CountInvalid),
    ({"tokens_prompt": "NaN"}, types.CountInvalid),
    ({"cached_tokens": None}, types.CountInvalid),  # unknown is not zero
    ({"model": ""}, types.ModelMissing),
    ({"model": None}, types.ModelMissing),
    ({"date__hour": "2025-08-24"}, types.AnswerUnreadable),
    ({"date__hour": "2025-08-24 13:30:00"}, types.AnswerUnreadable),
    ({"date__hour": "2025-08-23 13:00:00"}, types.BucketMisplaced),
    ({"date__hour": "2025-08-25 01:00:00"}, types.BucketMisplaced),
]


@pytest.mark.parametrize("members, fault", REFUSED)
def test_a_bad_row_of_analytics_is_refused_by_name(members: dict[str, object], fault: type[types.AnswerUnreadable]) -> None:
    with pytest.raises(types.AnswerUnreadable) as caught:
        analytics({**ROW, **members})
    assert type(caught.value) is fault


def test_a_result_that_was_cut_is_not_taken_for_a_whole_one() -> None:
    with pytest.raises(types.AnswerIncomplete):
        analytics(ROW, truncated=True)


@pytest.mark.parametrize("stream", [openrouter.ACTIVITY, openrouter.SPEND])
def test_a_row_of_another_day_is_refused(stream: Stream) -> None:
    with pytest.raises(types.BucketMisplaced):
        activity(stream, {**ITEM, "date": "2025-08-23"})


def test_two_rows_of_one_upstream_are_refused() -> None:
    with pytest.raises(types.RowRepeated):
        analytics(ROW, {**ROW, "tokens_prompt": "90000"})


def test_activity_stands_in_for_analytics_and_is_whole_days() -> None:
    assert openrouter.ACTIVITY.instead_of == openrouter.ANALYTICS.name
    assert openrouter.ACTIVITY.is_completed_only
    assert DAY.ends_at - DAY.starts_at == timedelta(seconds=openrouter.ACTIVITY.bucket_width_s)
