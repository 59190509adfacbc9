"""Ids of events: made from organization and key, UUIDv8 by its bits, and the same in another program."""

from __future__ import annotations

import hashlib
import uuid
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.telemetry.core import identity
from carbonledger.domains.telemetry.types import SeriesKey

ORGANIZATION = UUID("01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def by_hand(organization_id: UUID, key: str) -> UUID:
    """RFC 9562, section 5.8, with integer arithmetic instead of bytes."""
    number = int.from_bytes(hashlib.sha256(b"carbonledger/event\0" + organization_id.bytes + key.encode()).digest()[:16], "big")
    number = number & ~(0xF << 76) | 8 << 76
    return UUID(int=number & ~(0b11 << 62) | 0b10 << 62)


@given(texts)
def test_an_id_is_a_version_8_uuid_of_organization_and_key(key: str) -> None:
    made = identity.event_id(ORGANIZATION, key)
    assert made == by_hand(ORGANIZATION, key)
    assert (made.version, made.variant) == (8, uuid.RFC_4122)


def test_an_id_is_the_same_for_ever() -> None:
    # printf 'carbonledger/event\0' + the organization's 16 bytes + 'chat-1' | sha256sum
    assert str(identity.event_id(ORGANIZATION, "chat-1")) == str(by_hand(ORGANIZATION, "chat-1"))
    assert identity.event_id(ORGANIZATION, "chat-1") != identity.event_id(UUID(int=1), "chat-1")


@given(st.lists(st.one_of(st.none(), texts), min_size=13, max_size=13), st.lists(st.one_of(st.none(), texts), min_size=13, max_size=13))
def test_series_that_differ_have_different_digests(left: list[str | None], right: list[str | None]) -> None:
    """Also where one member's end could be read as the next one's beginning, and nothing is not an empty text."""
    one, other = SeriesKey(*left), SeriesKey(*right)  # type: ignore[arg-type]  # any texts will do
    assert (identity.series_digest(one) == identity.series_digest(other)) is (one == other)


def test_nothing_and_an_empty_text_are_told_apart() -> None:
    base = SeriesKey("api", None, ORGANIZATION, None, None, None, "openai", "gpt-4o", None, False, None, None, None)
    assert identity.series_digest(base) != identity.series_digest(base._replace(account=""))


@given(st.lists(texts))
def test_many_ids_at_once_are_those_of_each_key(keys: list[str]) -> None:
    found = identity.event_ids(identity.of_organization(ORGANIZATION), map(str.encode, keys))
    assert [UUID(bytes=raw) for raw in found] == [by_hand(ORGANIZATION, key) for key in keys]
