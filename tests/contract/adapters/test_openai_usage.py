"""OpenAI's own examples, read: numbers worked by hand from the recorded answers, and what must not be read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from carbonledger.adapters import openai
from carbonledger.domains.connections import types
from carbonledger.domains.connections.types import Carries, RawPage, Stream, Window
from carbonledger.infra import http
from carbonledger.kernel import currency
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import TokenBuckets
from tests.contract.adapters import usage_payloads as payloads

CONNECTOR = openai.OpenAi(openai.api(http.Client("openai")))
STREAMS = {stream.name: stream for stream in CONNECTOR.streams}
EXAMPLES = json.loads((payloads.CONTRACTS / "openai_usage_examples.json").read_text(encoding="utf-8"))["examples"]
PATHS = {
    "completions": "usage/completions",
    "embeddings": "usage/embeddings",
    "moderations": "usage/moderations",
    "images": "usage/images",
    "speeches": "usage/audio_speeches",
    "transcriptions": "usage/audio_transcriptions",
    "vector_stores": "usage/vector_stores",
    "code_interpreter_sessions": "usage/code_interpreter_sessions",
    "file_searches": "usage/file_search_calls",
    "web_searches": "usage/web_search_calls",
    "costs": "costs",
}
# The examples are of 1 November 2024, a day; they were asked for without groups.
STARTS = datetime(2024, 11, 1, tzinfo=UTC)
DAY = Window(STARTS, STARTS + timedelta(days=1))


def daily(name: str) -> Stream:
    return Stream(name=name, bucket_width_s=86_400, carries=STREAMS[name].carries)


def example(name: str, **members: object) -> payloads.Json:
    document: payloads.Json = json.loads(EXAMPLES[f"/organization/{PATHS[name]}"])
    document["data"][0]["results"][0].update(members)
    return document


def read(name: str, document: object, *, stream: Stream | None = None) -> types.Page:
    return CONNECTOR.normalise(
        RawPage(stream=stream or daily(name), window=DAY, body=json.dumps(document).encode()),
    )


def test_every_stream_has_its_recorded_example() -> None:
    assert list(PATHS) == list(STREAMS)
    assert {f"/organization/{path}" for path in PATHS.values()} == set(EXAMPLES)


def test_completions_become_buckets_that_never_overlap() -> None:
    page = read("completions", example("completions", model="gpt-4o-2024-08-06", project_id="proj_abc", batch=True, service_tier="default"))
    (bucket,) = page.buckets
    (row,) = bucket.rows
    # 1,000 input tokens: 400 cached, 100 written to the cache, and 500 neither; all the rest are parts of these.
    assert row.tokens == TokenBuckets(
        uncached_input=500,
        cached_input=400,
        cache_creation_5m=100,
        cache_creation_1h=0,
        output=500,
        audio_input=50,
        image_input=50,
        cached_audio_input=50,
        cached_image_input=50,
        audio_output=50,
        image_output=50,
    )
    assert (row.tokens.total_input, row.tokens.total) == (1000, 1500)
    assert (row.model, row.requests, row.batch, row.service_tier) == ("gpt-4o-2024-08-06", 5, True, "default")
    assert row.dimensions == (("batch", "true"), ("model", "gpt-4o-2024-08-06"), ("project_id", "proj_abc"), ("service_tier", "default"))
    assert (bucket.starts_at, bucket.ends_at) == (DAY.starts_at, DAY.ends_at)
    assert page.next_cursor == "page_AAAAAGdGxdEiJdKOAAAAAGcqsYA="


WITHOUT = [
    # members that the answer lacks, uncached, cached, written
    (["input_uncached_tokens"], 500, 400, 100),  # before 2026: worked out
    (["input_uncached_tokens", "input_cache_write_tokens"], 600, 400, None),  # writes, if any, are among the uncached
    (["input_uncached_tokens", "input_cache_write_tokens", "input_cached_tokens"], 1000, None, None),
]


@pytest.mark.parametrize("missing, uncached, cached, written", WITHOUT)
def test_what_completions_do_not_tell_is_unknown_and_the_total_stays(
    missing: list[str], uncached: int, cached: int | None, written: int | None
) -> None:
    document = example("completions", model="gpt-4o-2024-08-06")
    result = document["data"][0]["results"][0]
    for name in [*missing, *(name for name in result if "audio" in name or "image" in name or "text" in name)]:
        del result[name]
    tokens = read("completions", document).buckets[0].rows[0].tokens
    assert (tokens.uncached_input, tokens.cached_input, tokens.cache_creation_5m) == (uncached, cached, written)
    assert tokens.total_input == 1000
    assert tokens.audio_input is None


def test_embeddings_have_neither_output_nor_cache() -> None:
    (row,) = read("embeddings", example("embeddings", model="text-embedding-3-small")).buckets[0].rows
    assert row.tokens == TokenBuckets(uncached_input=16, cached_input=0, cache_creation_5m=0, cache_creation_1h=0, output=0)
    assert row.requests == 2


ACTIVITIES = [
    # stream, event, quantity, requests
    ("moderations", "moderation_tokens", 16, 2),
    ("images", "images", 2, 2),
    ("speeches", "speech_characters", 45, 1),
    ("transcriptions", "transcription_seconds", 20, 1),
    ("vector_stores", "vector_store_byte_days", 1024, None),
    ("code_interpreter_sessions", "code_interpreter_sessions", 1, None),
    ("file_searches", "file_searches", 2, None),
    ("web_searches", "web_searches", 2, 2),
]


@pytest.mark.parametrize("name, event, quantity, requests", ACTIVITIES)
def test_what_is_not_tokens_is_activity(name: str, event: str, quantity: int, requests: int | None) -> None:
    (bucket,) = read(name, example(name, project_id="proj_abc")).buckets
    assert bucket.rows == ()
    assert bucket.activities == (
        types.Activity(dimensions=(("project_id", "proj_abc"),), event=event, quantity=Decimal(quantity), requests=requests),
    )


def test_costs_are_what_openai_says_exactly() -> None:
    document = example("costs", line_item="gpt-4o-2024-08-06, input", project_id="proj_abc", quantity=10000, quantity_unit="tokens")
    (cost,) = read("costs", document).buckets[0].costs
    assert cost.amount == Money(Decimal("0.06"), currency.by_code("USD"))
    assert (cost.item, cost.quantity, cost.unit) == ("gpt-4o-2024-08-06, input", Decimal(10000), "tokens")
    assert cost.dimensions == (("project_id", "proj_abc"),)


def test_an_amount_may_be_a_text_and_negative() -> None:
    (cost,) = read("costs", example("costs", amount={"value": "-0.0600000000000000000001", "currency": "usd"})).buckets[0].costs
    assert cost.amount.amount == Decimal("-0.0600000000000000000001")
    assert cost.item is None


def test_an_hour_without_use_is_a_bucket_too() -> None:
    document = example("completions")
    document["data"][0]["results"] = []
    assert read("completions", document).buckets[0].rows == ()


def spoilt(**members: object) -> payloads.Json:
    return example("completions", **{"model": "gpt-4o-2024-08-06", **members})


REFUSED = [
    # what is wrong, document, fault
    ("no model, though grouped by it", spoilt(model=None), types.ModelMissing),
    ("cached above input", spoilt(input_cached_tokens=1001, input_uncached_tokens=None), types.CountsContradict),
    ("cached and written above input", spoilt(input_cached_tokens=950, input_uncached_tokens=None), types.CountsContradict),
    ("audio above what it is a part of", spoilt(input_audio_tokens=501), types.CountsContradict),
    ("uncached that does not fit", spoilt(input_uncached_tokens=501), types.TotalsDisagree),
    ("a negative count", spoilt(output_tokens=-1), types.CountInvalid),
    ("an enormous count", spoilt(output_tokens=2**53), types.CountInvalid),
    ("a count that is NaN", spoilt(output_tokens=float("nan")), types.AnswerUnreadable),
    ("a fraction", spoilt(input_tokens=1000.5), types.CountInvalid),
    ("a missing count", spoilt(num_model_requests=None), types.CountInvalid),
    ("another kind of result", spoilt(object="organization.usage.embeddings.result"), types.AnswerUnreadable),
    ("a model that is no name", spoilt(model=5), types.AnswerUnreadable),
    ("half a page", {"object": "page", "data": []}, types.AnswerUnreadable),
    ("more, and no way there", {"data": [], "has_more": True, "next_page": None}, types.AnswerUnreadable),
    ("a null list", {"data": None, "has_more": False, "next_page": None}, types.AnswerUnreadable),
    ("an error with status 200", {"error": {"message": "overloaded"}}, types.AnswerUnreadable),
]


@pytest.mark.parametrize("document, fault", [pytest.param(document, fault, id=why) for why, document, fault in REFUSED])
def test_a_bad_page_is_refused_by_name(document: object, fault: type[types.AnswerUnreadable]) -> None:
    with pytest.raises(types.AnswerUnreadable) as caught:
        read("completions", document)
    assert type(caught.value) is fault


def test_a_day_is_not_taken_for_an_hour() -> None:
    with pytest.raises(types.BucketWidthWrong):
        read("completions", spoilt(), stream=STREAMS["completions"])


@pytest.mark.parametrize("year", [1970, 2100])
def test_a_bucket_of_another_year_is_refused(year: int) -> None:
    document = spoilt()
    at = datetime(year, 1, 1, tzinfo=UTC)
    document["data"][0] |= {"start_time": int(at.timestamp()), "end_time": int((at + timedelta(days=1)).timestamp())}
    with pytest.raises(types.BucketMisplaced):
        read("completions", document)


def test_an_amount_may_have_an_exponent_as_a_number_or_as_a_text() -> None:
    for value, kept in (("1.2E-7", "0.00000012"), ("0E-6176", "0"), ("6e-2", "0.06"), (1.2e-7, "0.00000012"), (5e-324, "0")):
        (cost,) = read("costs", example("costs", amount={"value": value, "currency": "usd"}, quantity=1.5e-7)).buckets[0].costs
        assert (cost.amount.amount, cost.quantity) == (Decimal(kept), Decimal("0.00000015"))


@pytest.mark.parametrize("amount", [None, {}, {"value": "6e", "currency": "usd"}, {"value": 0.06, "currency": "xyz"}, {"value": 0.06}])
def test_a_cost_without_an_amount_is_refused_and_not_nothing(amount: object) -> None:
    with pytest.raises(types.AnswerUnreadable):
        read("costs", example("costs", amount=amount))


def test_rows_of_the_same_dimensions_are_refused() -> None:
    document = spoilt()
    document["data"][0]["results"] *= 2
    with pytest.raises(types.RowRepeated):
        read("completions", document)


def test_hours_are_asked_for_wherever_they_mean_something() -> None:
    assert {stream.name for stream in CONNECTOR.streams if stream.bucket_width_s == 86_400} == {"vector_stores", "costs"}
    assert {stream.name for stream in CONNECTOR.streams if stream.carries is Carries.TOKENS} == {"completions", "embeddings"}
