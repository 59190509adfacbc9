"""Ids of events: made from organization and key, UUIDv8 by its bits, and the same in another program."""

from __future__ import annotations

import hashlib
import uuid
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.telemetry.core import identity
from carbonledger.domains.telemetry.types import SeriesKey

ORGANIZATION = UUID("01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
PERMUTATION = sorted(range(256), key=lambda byte: hashlib.sha256(bytes([byte])).hexdigest())


def by_hand(organization_id: UUID, key: str) -> UUID:
    """RFC 9562, section 5.8, with integer arithmetic instead of bytes, and Pearson's hash a byte at a time."""
    raw = key.encode()
    start, end = raw[:15] + bytes(max(0, 15 - len(raw))), bytes(max(0, 18 - len(raw))) + raw[-18:]
    path = 0
    for part in (start[:6], start[:9], start[:12], start, end[:12], end[:14]):
        path = path << 8 | pearson(part)
    number = int.from_bytes(hashlib.sha256(b"carbonledger/event\0" + organization_id.bytes + raw).digest()[:16], "big")
    number = number & (1 << 80) - 1 | path << 80
    number = number & ~(0xF << 76) | 8 << 76
    return UUID(int=number & ~(0b11 << 62) | 0b10 << 62)


def pearson(text: bytes) -> int:
    state = 0
    for byte in text:
        state = PERMUTATION[state ^ byte]
    return state


@given(texts)
def test_an_id_is_a_version_8_uuid_of_organization_and_key(key: str) -> None:
    made = identity.event_id(ORGANIZATION, key)
    assert made == by_hand(ORGANIZATION, key)
    assert (made.version, made.variant) == (8, uuid.RFC_4122)


@pytest.mark.parametrize(
    "key, expected",
    [
        # Made with sha256sum, sort, xxd and the arithmetic of a shell.
        ("chat-1", "5559c07e-a8f9-84a8-bf3b-78bcf283f4b4"),
        ("resp_67cb32528d6881909eb2859a55e18a85", "7b9b11aa-fdd3-8761-a29c-20bdd87ef24f"),
    ],
)
def test_an_id_is_the_same_for_ever(key: str, expected: str) -> None:
    assert identity.event_id(ORGANIZATION, key) == UUID(expected)
    assert identity.event_id(UUID(int=1), key) != UUID(expected)


def test_keys_that_begin_alike_or_end_as_numbers_do_lie_together() -> None:
    """Of ten thousand keys at random hardly two share three bytes; those of a minute, and rows of a file, all do."""
    prefix, random = identity.of_organization(ORGANIZATION), Random(7)
    digest = random.randbytes(32).hex()
    hour = [b"01932d3c-%04x-7%03x-%s" % (n // 7, random.getrandbits(12), random.randbytes(8).hex().encode()) for n in range(10_000)]
    seconds = [b"resp_67cb325%x%s" % (n % 16, random.randbytes(12).hex().encode()) for n in range(10_000)]
    rows = [b"file:%s:%d" % (digest.encode(), row) for row in range(3_210_000, 3_220_000)]
    anything = [random.randbytes(16).hex().encode() for _ in range(10_000)]

    def places(keys: list[bytes], size: int) -> int:
        return len({raw[:size] for raw in identity.event_ids(prefix, keys)})

    assert places(hour, 2) == 1  # a minute, and less than 2^16 ms of it
    assert places(seconds, 3) == 1  # sixteen seconds
    assert places(rows, 6) == 1  # ten thousand rows
    assert places(anything, 3) > 9_900


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
