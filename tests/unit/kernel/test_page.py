"""Cursors: what comes back is what was given out, and anything else is refused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.kernel import errors, ids, page

ID = UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")


def cursor_of(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


# What a text column of the database can hold: no NUL, no lone surrogate.
stored = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10)


@given(st.lists(stored, min_size=1, max_size=3))
def test_a_cursor_gives_back_its_key(parts: list[str]) -> None:
    key = tuple(parts)
    assert page.decode_cursor(page.encode_cursor(key), parts=len(key)) == key


def test_a_cursor_is_safe_in_an_address() -> None:
    cursor = page.encode_cursor(("2026-11-21T10:00:00+00:00", str(ID), "ÿ>?~"))
    assert cursor.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "a",  # no base64 has this length
        "é",
        "YWJj\n",
        cursor_of("text"),  # JSON, but no list
        cursor_of({"0": "x"}),
        cursor_of([]),
        cursor_of(["one"]),  # too short for two parts
        cursor_of(["one", "two", "three"]),
        cursor_of(["one", 2]),
        cursor_of(["one", None]),
        cursor_of(["one", ["two"]]),
        base64.urlsafe_b64encode(b'["\xff","x"]').decode(),  # not UTF-8
        base64.urlsafe_b64encode(b"[" * 300).decode(),  # deep
        cursor_of(["x" * 1600, "y"]),  # long
        cursor_of(["nul\0", "y"]),
        cursor_of(["\ud800", "y"]),  # a lone surrogate
    ],
    ids=lambda cursor: cursor[:16] or "empty",
)
def test_what_no_list_gave_out_is_refused(cursor: str) -> None:
    with pytest.raises(page.CursorUnreadable) as caught:
        page.decode_cursor(cursor, parts=2)
    assert caught.value.kind is errors.Kind.MALFORMED


def test_a_key_too_long_to_be_taken_back_is_refused_when_the_cursor_is_made() -> None:
    with pytest.raises(ValueError, match="shorter columns"):
        page.encode_cursor(("\u00ff" * 300,))


@given(st.text(max_size=600))
def test_any_text_is_a_key_or_refused(text: str) -> None:
    try:
        assert len(page.decode_cursor(text, parts=1)) == 1
    except page.CursorUnreadable:
        return


def test_a_list_by_id_goes_on_below_its_last_row() -> None:
    rows = [ids.new_id(datetime(2026, 11, 21, tzinfo=UTC)) for _ in range(3)]
    first = page.cut(rows, limit=2, key=lambda row: (str(row),))
    assert first.data == tuple(rows[:2])
    assert first.next_cursor is not None
    after = page.decode_cursor(first.next_cursor, parts=1)
    assert page.before_id(page.PageRequest(limit=2, after=after)) == rows[1]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_list_that_does_not_go_on_has_no_cursor(count: int) -> None:
    assert page.cut(["row"] * count, limit=2, key=lambda row: (row,)) == page.Page(("row",) * count, None)


def test_a_list_by_id_begins_without_a_cursor() -> None:
    assert page.before_id(page.PageRequest()) is None


@pytest.mark.parametrize("after", [(), ("not-an-id",), (str(ID), str(ID))], ids=repr)
def test_a_cursor_of_another_list_is_refused(after: tuple[str, ...]) -> None:
    with pytest.raises(page.CursorUnreadable):
        page.before_id(page.PageRequest(after=after))
