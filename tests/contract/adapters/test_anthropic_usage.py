"""Anthropic's reports, read: the shapes of the Admin API's pages (platform.claude.com, 2026-11), numbers worked by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from carbonledger.adapters import anthropic
from carbonledger.domains.connections import types
from carbonledger.domains.connections.types import RawPage, Stream, Window
from carbonledger.infra import http
from carbonledger.kernel import currency
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import RequestSize, TokenBuckets

CONNECTOR = anthropic.Anthropic(anthropic.api(http.Client("anthropic")))
STARTS = datetime(2026, 11, 1, tzinfo=UTC)
DAY = Window(STARTS, STARTS + timedelta(days=1))
RESULT = {
    "uncached_input_tokens": 1500,
    "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
    "cache_read_input_tokens": 200,
    "output_tokens": 500,
    "server_tool_use": {"web_search_requests": 10},
    "api_key_id": None,
    "workspace_id": "wrkspc_01",
    "model": "claude-sonnet-4-20250514",
    "service_tier": "standard",
    "context_window": "0-200k",
    "inference_geo": "global",
}
COST = {
    "currency": "USD",
    "amount": "123.45",
    "workspace_id": "wrkspc_01",
    "description": "Claude Sonnet 4 Usage - Input Tokens",
    "cost_type": "tokens",
    "context_window": "0-200k",
    "model": "claude-sonnet-4-20250514",
    "service_tier": "standard",
    "token_type": "uncached_input_tokens",
    "inference_geo": "global",
}


def read(*results: object, stream: Stream = anthropic.MESSAGES, ending: str = "2026-11-01T01:00:00Z", **page: object) -> types.Page:
    document: dict[str, Any] = {
        "data": [{"starting_at": "2026-11-01T00:00:00Z", "ending_at": ending, "results": list(results)}],
        "has_more": False,
        "next_page": None,
        **page,
    }
    return CONNECTOR.normalise(RawPage(stream=stream, window=DAY, body=json.dumps(document).encode()))


def row(**members: object) -> types.Row:
    return read({**RESULT, **members}).buckets[0].rows[0]


def test_messages_keep_both_times_of_the_cache() -> None:
    found = row()
    # 1,500 + 200 read + 500 for five minutes + 1,000 for an hour
    assert found.tokens == TokenBuckets(uncached_input=1500, cached_input=200, cache_creation_5m=500, cache_creation_1h=1000, output=500)
    assert found.tokens.total_input == 3200


def test_requests_are_unknown_and_not_none() -> None:
    assert row().requests is None


def test_the_context_window_says_how_large_each_request_was() -> None:
    sizes = {"0-200k": RequestSize(0, 200_000), "200k-1M": RequestSize(200_000, 1_000_000), None: None, "long": None}
    assert {window: row(context_window=window).size for window in sizes} == sizes


def test_a_batch_is_a_service_tier_here() -> None:
    assert (row(service_tier="batch").batch, row().batch) == (True, False)
    assert row(service_tier="flex").service_tier == "flex"


def test_a_region_is_where_it_was_served_if_that_is_told() -> None:
    assert [row(inference_geo=geo).region for geo in ("us", "global", "not_available", None)] == ["us", "global", None, None]


def test_dimensions_are_those_that_have_a_value() -> None:
    assert row(workspace_id=None).dimensions == (
        ("context_window", "0-200k"),
        ("inference_geo", "global"),
        ("model", "claude-sonnet-4-20250514"),
        ("service_tier", "standard"),
    )


def test_web_searches_are_activity() -> None:
    (activity,) = read(RESULT).buckets[0].activities
    assert (activity.event, activity.quantity, activity.model) == ("web_searches", Decimal(10), "claude-sonnet-4-20250514")
    assert read({**RESULT, "server_tool_use": {"web_search_requests": 0}}).buckets[0].activities == ()


def test_costs_are_cents_in_a_text() -> None:
    (cost,) = read(COST, stream=anthropic.COSTS, ending="2026-11-02T00:00:00Z").buckets[0].costs
    assert cost.amount == Money(Decimal("1.2345"), currency.by_code("USD"))
    assert (cost.item, cost.model) == ("Claude Sonnet 4 Usage - Input Tokens", "claude-sonnet-4-20250514")
    assert dict(cost.dimensions)["token_type"] == "uncached_input_tokens"


def test_cents_may_have_an_exponent_and_any_number_of_places() -> None:
    amounts = {"1.2E-7": "0.0000000012", "0E-6176": "0", "1E-999999999": "0", "-1e2": "-1", "0." + "3" * 40: "0.00" + "3" * 36}
    for text, dollars in amounts.items():
        (cost,) = read({**COST, "amount": text}, stream=anthropic.COSTS, ending="2026-11-02T00:00:00Z").buckets[0].costs
        assert cost.amount.amount == Decimal(dollars), text


@pytest.mark.parametrize("members", [{"amount": 123.45}, {"amount": None}, {"amount": "1e38x"}, {"currency": "EUR"}, {"currency": None}])
def test_a_cost_that_can_not_be_read_exactly_is_refused(members: dict[str, object]) -> None:
    with pytest.raises(types.AnswerUnreadable):
        read({**COST, **members}, stream=anthropic.COSTS, ending="2026-11-02T00:00:00Z")


REFUSED = [
    ({"model": None}, types.ModelMissing),
    ({"uncached_input_tokens": -1}, types.CountInvalid),
    ({"cache_creation": None}, types.AnswerUnreadable),
    ({"cache_creation": {"ephemeral_5m_input_tokens": 5}}, types.CountInvalid),
    ({"cache_read_input_tokens": None}, types.CountInvalid),
    # the members of the Messages API are not those of the report
    ({"uncached_input_tokens": None, "input_tokens": 1500}, types.CountInvalid),
]


@pytest.mark.parametrize("members, fault", REFUSED)
def test_a_bad_row_is_refused_by_name(members: dict[str, object], fault: type[types.AnswerUnreadable]) -> None:
    with pytest.raises(types.AnswerUnreadable) as caught:
        row(**members)
    assert type(caught.value) is fault


def test_a_day_is_not_taken_for_an_hour() -> None:
    with pytest.raises(types.BucketWidthWrong):
        read(RESULT, ending="2026-11-02T00:00:00Z")


def test_more_without_a_way_there_is_refused() -> None:
    assert read(RESULT, has_more=True, next_page="page_MjAyNS0wNS0xNA==").next_cursor == "page_MjAyNS0wNS0xNA=="
    with pytest.raises(types.AnswerUnreadable):
        read(RESULT, has_more=True)
