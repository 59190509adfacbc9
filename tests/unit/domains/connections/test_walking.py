"""A walk over pages ends, whatever the provider says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.connections import types
from carbonledger.domains.connections.core import walking as core

AT = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def page(first: int, count: int, cursor: str | None) -> types.Page:
    starts = [AT + number * HOUR for number in range(first, first + count)]
    return types.Page(tuple(types.Bucket(stream="completions", starts_at=at, ends_at=at + HOUR) for at in starts), cursor, "digest")


def test_a_walk_goes_from_cursor_to_cursor_and_ends_without_one() -> None:
    walk = core.advanced(core.Walk(), page(0, 24, "b"))
    assert (walk.cursor, walk.pages, walk.read_until, walk.is_done) == ("b", 1, AT + 24 * HOUR, False)
    walk = core.advanced(walk, page(24, 24, None))
    assert (walk.cursor, walk.pages, walk.read_until, walk.is_done) == (None, 2, AT + 48 * HOUR, True)


def test_nothing_follows_the_last_page() -> None:
    done = core.advanced(core.Walk(), page(0, 1, None))
    with pytest.raises(ValueError, match="over"):
        core.advanced(done, page(1, 1, None))


@pytest.mark.parametrize("first", [0, 23])  # the same page again, and one that begins inside what was read
def test_a_page_that_repeats_is_refused(first: int) -> None:
    walk = core.advanced(core.Walk(), page(0, 24, "b"))
    with pytest.raises(types.PageRepeated):
        core.advanced(walk, page(first, 24, "c"))


def test_a_cursor_that_loops_is_refused() -> None:
    walk = core.advanced(core.advanced(core.Walk(), page(0, 1, "b")), page(1, 1, "c"))
    with pytest.raises(types.CursorLooped):
        core.advanced(walk, page(2, 1, "b"))


def test_a_page_that_leads_to_itself_is_refused() -> None:
    walk = core.advanced(core.Walk(), page(0, 1, "b"))
    with pytest.raises(types.CursorLooped):
        core.advanced(walk, page(1, 1, "b"))


def test_pages_without_end_are_refused() -> None:
    walk = core.Walk()
    for number in range(types.PAGES_MAX - 1):
        walk = core.advanced(walk, page(0, 0, f"cursor {number}"))  # empty pages: nothing else stops them
    with pytest.raises(types.PagesTooMany):
        core.advanced(walk, page(0, 0, "one more"))
    assert core.advanced(walk, page(0, 0, None)).is_done


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5), st.sampled_from(["a", "b", "c", "d", None])), max_size=12))
def test_whatever_is_accepted_has_each_bucket_once_and_each_cursor_once(pages: list[tuple[int, int, str | None]]) -> None:
    walk, starts, cursors = core.Walk(), [], []
    for first, count, cursor in pages:
        one = page(first, count, cursor)
        try:
            walk = core.advanced(walk, one)
        except types.AnswerUnreadable:
            break
        starts += [bucket.starts_at for bucket in one.buckets]
        cursors += [cursor] if cursor else []
        if walk.is_done:
            break
    assert starts == sorted(set(starts))
    assert len(cursors) == len(set(cursors))
