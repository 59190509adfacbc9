"""Identifiers: UUIDv7 as RFC 9562 lays it out, growing strictly within a process."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.kernel import ids

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
RFC_EXAMPLE = uuid.UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")  # RFC 9562, appendix A.6


@pytest.fixture(autouse=True)
def fresh_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start as a new process does, and leave the process's own counter alone."""
    monkeypatch.setattr(ids, "_last_ms", 0)
    monkeypatch.setattr(ids, "_counter", 0)


def test_an_id_is_a_uuid_of_version_7() -> None:
    made = ids.new_id(NOW)
    assert made.version == 7
    assert made.variant == uuid.RFC_4122


def test_the_time_of_the_standards_example_is_read() -> None:
    assert ids.made_at(RFC_EXAMPLE) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


def test_the_time_stands_in_the_first_48_bits() -> None:
    assert ids.new_id(datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)).hex[:12] == RFC_EXAMPLE.hex[:12]


def test_another_version_carries_no_time() -> None:
    with pytest.raises(ValueError, match="UUIDv7"):
        ids.made_at(uuid.uuid4())


def test_ids_of_one_millisecond_grow() -> None:
    made = [ids.new_id(NOW) for _ in range(10_000)]
    assert made == sorted(set(made))
    assert {ids.made_at(one) for one in made} == {NOW}


def test_ids_grow_when_the_clock_steps_back() -> None:
    before = ids.new_id(NOW)
    after = ids.new_id(NOW - timedelta(seconds=5))
    assert after > before


def test_a_full_counter_borrows_the_next_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ids.new_id(NOW)
    monkeypatch.setattr(ids, "_counter", 2**26 - 1)
    after = ids.new_id(NOW)
    assert after > before
    assert ids.made_at(after) == NOW + timedelta(milliseconds=1)


@given(st.lists(st.integers(-5_000, 5_000), min_size=2, max_size=50))
def test_ids_grow_whatever_the_clock_does(offsets_ms: list[int]) -> None:
    made = [ids.new_id(NOW + timedelta(milliseconds=offset)) for offset in offsets_ms]
    assert made == sorted(set(made))


def test_threads_never_share_an_id() -> None:
    made: list[list[uuid.UUID]] = [[] for _ in range(4)]

    def make(mine: list[uuid.UUID]) -> None:
        mine.extend(ids.new_id(NOW) for _ in range(2_000))

    threads = [threading.Thread(target=make, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == sorted(mine) for mine in made)
    assert len({one for mine in made for one in mine}) == 8_000
