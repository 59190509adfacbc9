"""The leaf of an event: one content for one event, written fast as it would be written carefully, under a salt nobody can guess."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger_proof import canonical, errors, event, merkle
from tests.unit.proof import worlds

COUNT = st.none() | st.integers(0, 2**53 - 1)
LABEL = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
SALT = bytes(range(16))


def test_the_content_is_exactly_this() -> None:
    """By hand, from the decision that describes it."""
    [one, *_] = worlds.events()
    assert one.content(SALT).decode() == (
        '{"cost":{"amount":"1500000000","currency":"USD","scale":12},"duration_s":0,"emission_rate":"' + "ab" * 32 + '","event":null,'
        '"id":"00000000-0000-0001-0000-000000000000","model":"gpt-5.4 \\"mini\\" %s","occurred_at":"2026-11-01T09:30:00.000001Z",'
        '"price_book":"2026-11-20-0123456789ab","project":"018f0000-0000-7000-8000-000000000001","provider":"openai","quantity":null,'
        '"requests":1,"revision":0,"salt":"000102030405060708090a0b0c0d0e0f","schema":"carbon-ledger/event/v1","standing":"counted",'
        '"tokens":{"audio_input":null,"audio_output":null,"cache_creation_1h":null,"cache_creation_5m":null,"cached_audio_input":null,'
        '"cached_image_input":null,"cached_input":200,"image_input":null,"image_output":null,"output":50,"reasoning":null,'
        '"uncached_input":1000}}'
    )


def test_the_salt_is_hmac_of_the_event_and_its_revision() -> None:
    identity = UUID(int=7).bytes
    message = b"carbon-ledger/event-salt/v1\n" + identity + b"\x00\x00\x00\x02"
    assert event.salt_of(worlds.SECRET, identity, 2) == hmac.new(worlds.SECRET, message, hashlib.sha256).digest()[:16]
    with pytest.raises(errors.StatementInvalid):
        event.salt_of(b"short", identity, 2)


@given(st.data())
def test_what_is_written_fast_is_canonical_and_what_it_says(data: st.DataObject) -> None:
    metered = data.draw(st.booleans())
    named: dict[str, Any] = {"event": data.draw(LABEL) if metered else None}
    named |= dict.fromkeys(("provider", "model")) if metered else {"provider": data.draw(LABEL), "model": data.draw(LABEL)}
    series = worlds.series(**named, price_book=data.draw(st.none() | LABEL), standing=data.draw(st.sampled_from(event.Standing)))
    one = event.Event(
        id=data.draw(st.uuids()),
        revision=data.draw(st.integers(0, 2**31)),
        occurred_at=data.draw(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))),  # noqa: DTZ001
        duration_s=data.draw(st.integers(0, 2**31)),
        series=series,
        requests=data.draw(COUNT),
        tokens=tuple(data.draw(st.lists(COUNT, min_size=12, max_size=12))),
        quantity=data.draw(st.none() | st.sampled_from(["0", "1.5", "-2", "0.000000000000000001"])),
        cost_amount=data.draw(st.none() | st.integers(-(10**38) + 1, 10**38 - 1)),
    )
    content = one.content(SALT)
    found = canonical.read_canonical(content)
    assert isinstance(found, dict)
    assert found["tokens"] == dict(zip(event.BUCKETS, one.tokens, strict=True))
    assert (found["provider"], found["model"], found["event"]) == (series.provider, series.model, series.event)
    assert (found["id"], found["revision"], found["requests"], found["quantity"]) == (str(one.id), one.revision, one.requests, one.quantity)
    assert found["cost"] == (None if one.cost_amount is None else {"amount": str(one.cost_amount), "currency": "USD", "scale": 12})
    assert event.read(found)["occurred_at"] == one.occurred_at


@pytest.mark.parametrize(
    "changes",
    [
        {"revision": -1},
        {"duration_s": -1},
        {"requests": 2**53},
        {"tokens": (-1, *(None,) * 11)},
        {"quantity": "01"},
        {"quantity": "1.50"},
        {"quantity": "1e3"},
        {"cost_amount": 10**38},
        {"series": worlds.series(provider=None)},
        {"series": worlds.series(event="image")},
        {"series": worlds.series(model="two\nlines")},
        {"series": worlds.series(emission_rate="AB" * 32)},
        {"series": worlds.series(cost_scale=19)},
    ],
)
def test_what_can_be_no_leaf_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(errors.ProofError):
        dataclasses.replace(worlds.events()[0], **changes).content(SALT)


def test_the_root_is_over_events_in_the_order_of_their_ids_however_they_come() -> None:
    found = [
        (one.id.bytes, merkle.leaf_hash(content)) for one, content in zip(worlds.events(), worlds.contents(worlds.events()), strict=True)
    ]
    assert event.root(found) == event.root(found[::-1]) == worlds.receipt().events.root
    assert event.root([]) == hashlib.sha256(b"").hexdigest()
    with pytest.raises(errors.StatementInvalid):
        event.root([*found, found[0]])


def test_a_revision_is_another_leaf_with_another_salt() -> None:
    [one, *_] = worlds.events()
    again = dataclasses.replace(one, revision=one.revision + 1)
    first, second = worlds.contents([one, again])
    assert json.loads(first)["salt"] != json.loads(second)["salt"]
