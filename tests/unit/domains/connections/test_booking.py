"""What a bucket becomes in the ledger, when it is final, and what a provider says that it charges."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.connections.core import booking, reporting, settling
from carbonledger.domains.connections.types import Activity, Bucket, Carries, ReportedCost, Row, StoredBucket, Stream, ToldRow
from carbonledger.domains.telemetry.types import Draft, MeteredDraft
from carbonledger.kernel.currency import by_code
from carbonledger.kernel.money import Money
from carbonledger.kernel.usage import TokenBuckets

STREAM = Stream(name="completions", bucket_width_s=3600, carries=Carries.TOKENS)
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
ID = UUID("01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11")


def row(model: str = "gpt-4o", *, uncached: int = 10, project: str = "p", **more: Any) -> Row:
    tokens = TokenBuckets(uncached_input=uncached, cached_input=0, cache_creation_5m=0, cache_creation_1h=0, output=1)
    return Row(dimensions=(("model", model), ("project_id", project)), model=model, tokens=tokens, requests=1, **more)


def activity(quantity: int = 3, size: str = "large") -> Activity:
    return Activity(dimensions=(("size", size),), event="images", quantity=Decimal(quantity), model="gpt-image-1")


def cost(amount: str, item: str = "input", currency: str = "USD") -> ReportedCost:
    return ReportedCost(dimensions=(("line_item", item),), item=item, amount=Money(Decimal(amount), by_code(currency)))


def bucket(*rows: Row, activities: tuple[Activity, ...] = (), costs: tuple[ReportedCost, ...] = ()) -> Bucket:
    return Bucket(stream=STREAM.name, starts_at=AT, ends_at=AT + timedelta(hours=1), rows=rows, activities=activities, costs=costs)


def drafts(found: Bucket, *known: ToldRow) -> dict[str, Draft | MeteredDraft]:
    return {one.idempotency_key: one for one in booking.drafts(ID, "openai", stream=STREAM, bucket=found, known=known)}


def test_a_key_names_connection_stream_bucket_and_dimensions_and_never_a_count() -> None:
    [key] = drafts(bucket(row(uncached=10)))
    start, digest = key.rsplit(":", 1)
    assert start == "conn:01932d3c5f6a7c3e9b4d2f1a6e8c0d11:completions:20261120T120000Z:3600"
    assert len(digest) == 32
    assert list(drafts(bucket(row(uncached=99)))) == [key]
    assert list(drafts(bucket(row(project="q")))) != [key]


def test_rows_and_activities_become_drafts_of_their_bucket() -> None:
    found = list(drafts(bucket(row(batch=True, service_tier="flex", region="us"), activities=(activity(),))).values())
    [usage] = [one for one in found if isinstance(one, Draft)]
    [images] = [one for one in found if isinstance(one, MeteredDraft)]
    assert (usage.usage.model, usage.usage.occurred_at, usage.duration_s, usage.operation) == ("gpt-4o", AT, 3600, "completions")
    assert (usage.usage.batch, usage.usage.service_tier, usage.usage.region) == (True, "flex", "us")
    assert (images.event, images.quantity, images.properties) == ("openai.images", Decimal(3), {"model": "gpt-image-1"})


def test_a_row_that_is_told_no_more_becomes_a_known_zero_under_its_key() -> None:
    before = bucket(row(), row("gpt-4o-mini"), activities=(activity(),))
    after = drafts(bucket(row()), *booking.told(before))
    assert after.keys() == drafts(before).keys()
    zeros = [one for one in after.values() if isinstance(one, Draft) and one.usage.model == "gpt-4o-mini"]
    assert [(one.usage.tokens, one.usage.requests) for one in zeros] == [(TokenBuckets.zero(), 0)]
    assert [one.quantity for one in after.values() if isinstance(one, MeteredDraft)] == [Decimal(0)]


def test_the_content_is_the_same_in_any_order_and_another_with_any_other_count() -> None:
    one = bucket(row(), row("gpt-4o-mini"), activities=(activity(), activity(size="small")))
    other = bucket(row("gpt-4o-mini"), row(), activities=(activity(size="small"), activity()))
    assert booking.content_digest(one) == booking.content_digest(other)
    changed = (
        bucket(row(uncached=11), row("gpt-4o-mini"), activities=one.activities),
        bucket(row(), activities=one.activities),
        bucket(*one.rows, activities=(activity(4), activity(size="small"))),
        bucket(*one.rows, activities=one.activities, costs=(cost("1"),)),
    )
    assert len({booking.content_digest(found) for found in (one, *changed)}) == 5
    assert booking.content_digest(bucket(costs=(cost("1.50"),))) == booking.content_digest(bucket(costs=(cost("1.5"),)))


def test_a_bucket_is_never_cut() -> None:
    pages = [bucket(*(row(project=str(number)) for number in range(count))) for count in (2, 3, 1, 9, 1)]
    assert [[len(one.rows) for one in part] for part in booking.parts(pages, rows_max=5)] == [[2, 3], [1], [9], [1]]


def stored(digest: bytes, *, is_final: bool) -> StoredBucket:
    return StoredBucket(starts_at=AT, payload_digest=b"p" * 32, content_digest=digest, told=(), read_at=AT, is_final=is_final, revisions=0)


SAME, OTHER = b"s" * 32, b"o" * 32


@pytest.mark.parametrize(
    "known, hours, is_changed, is_final",
    [
        (None, 1, True, False),
        (None, 48, True, True),  # the first reading comes so late
        (stored(SAME, is_final=False), 47, False, False),
        (stored(SAME, is_final=False), 48, False, True),
        (stored(OTHER, is_final=False), 48, True, False),  # it has just changed: once more
        (stored(SAME, is_final=True), 72, False, True),
        (stored(OTHER, is_final=True), 72, True, True),  # a late change
    ],
)
def test_when_a_bucket_is_final(known: StoredBucket | None, hours: int, is_changed: bool, is_final: bool) -> None:
    verdict = settling.judge(known, content_digest=SAME, ends_at=AT, now=AT + timedelta(hours=hours))
    assert (verdict.is_changed, verdict.is_final) == (is_changed, is_final)


def test_costs_are_new_revised_or_taken_back_and_else_left_alone() -> None:
    first = reporting.changes([bucket(costs=(cost("1.5"), cost("2", "output"), cost("-3", "credit")))], {}, width_s=86_400, now=NOW)
    assert [(one.item, one.amount, one.revision) for one in first] == [
        ("input", Decimal("1.5"), 0),
        ("output", Decimal(2), 0),
        ("credit", Decimal(-3), 0),
    ]
    known = {(one.starts_at, one.digest): one for one in first}
    later = NOW + timedelta(days=1)
    again = reporting.changes([bucket(costs=(cost("1.50"), cost("2.25", "output")))], known, width_s=86_400, now=later)
    assert [(one.item, one.amount, one.revision, one.read_at) for one in again] == [
        ("output", Decimal("2.25"), 1, later),
        ("credit", Decimal(0), 1, later),
    ]
    known |= {(one.starts_at, one.digest): one for one in again}
    assert reporting.changes([bucket(costs=(cost("1.5"), cost("2.25", "output")))], known, width_s=86_400, now=later) == []


def test_all_rows_ever_told_are_remembered_as_they_were_told_last() -> None:
    one, other = booking.told(bucket(row(service_tier="flex"))), booking.told(bucket(row(), row("gpt-4o-mini")))
    assert {(found.model, found.service_tier) for found in booking.together(one, other)} == {("gpt-4o", None), ("gpt-4o-mini", None)}
    assert booking.together(other, ()) == other
    assert dataclasses.replace(one[0], service_tier=None) in other
