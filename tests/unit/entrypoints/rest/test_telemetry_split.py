"""Where the items of a body begin and end that can't be decoded in one piece, and which bodies have none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.entrypoints.rest import telemetry_split

DEEP = b'{"a": ["}]", {"b\\"]": ' * 3_000 + b"1" + b"}]}" * 3_000


def split(body: bytes, items_max: int = 100) -> list[bytes]:
    return telemetry_split.split(body, items_max=items_max)


CUT = {
    "NaN": (b'{"events": [{"a": NaN} , {"b": -Infinity}]}', [b'{"a": NaN}', b'{"b": -Infinity}']),
    "digits": (b'{"events":[' + b"9" * 5_000 + b",1]}", [b"9" * 5_000, b"1"]),
    "half a pair": (b'{"events":["\\ud800"]}', [b'"\\ud800"']),
    "no UTF-8": (b'{"events":["\xff", "\xc3\xa9", "\xf0\x9f"]}', [b'"\xff"', b'"\xc3\xa9"', b'"\xf0\x9f"']),
    "control characters": (b'{"events":["\n"]}', [b'"\n"']),
    "deep, with brackets in text": (b'{"events":[1,' + DEEP + b", " + DEEP + b",2]}", [b"1", DEEP, DEEP, b"2"]),
    "blank around": (b'\xef\xbb\xbf \t\r\n{ "events" : [ 1 , [NaN] ] } \n', [b"1", b"[NaN]"]),
    "one": (b' {"a": NaN, "b": {"events": 1}} ', [b'{"a": NaN, "b": {"events": 1}}']),
    "one that is deep": (DEEP + b"\n", [DEEP]),
}


@pytest.mark.parametrize("case", CUT)
def test_each_item_is_the_bytes_that_it_came_in(case: str) -> None:
    body, items = CUT[case]
    assert split(body) == items


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"NaN",
        b"[NaN]",
        b'{"events": [NaN]',
        b'{"events": [NaN]}}',
        b'{"events": [NaN,]}',
        b'{"events": [,NaN]}',
        b'{"events": [NaN NaN]}',
        b'{"events": [NaN}',
        b'{"events": [NaN], "more": 1}',
        b'{"more": 1, "events": [NaN]}',
        b'{"events": {"a": NaN}}',
        b'{"events": [NaN, {"a":}]}',
        b'{"events": [NaN, "a]}',
        b'{"a": NaN} {}',
        b'{"events": [' + DEEP[:-1] + b"]}",
        b'{"events": [' + b'["' * 3_000 + b"]}",
        b'{"more": ' + DEEP + b', "events": [1]}',
    ],
)
def test_what_is_no_json_or_holds_no_events_is_refused(body: bytes) -> None:
    with pytest.raises(telemetry_split.NoItems):
        split(body)


def test_no_more_items_are_made_than_say_that_there_are_too_many() -> None:
    assert len(split(b'{"events": [' + b"0," * 1_000 + b"NaN]}", items_max=10)) == 11


def test_how_much_is_looked_through_by_hand_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"events": [' + DEEP + b"," + DEEP + b"]}"
    monkeypatch.setattr(telemetry_split, "DEEP_CHARS_MAX", 2 * len(DEEP))
    assert len(split(body)) == 2
    monkeypatch.setattr(telemetry_split, "DEEP_CHARS_MAX", 2 * len(DEEP) - 1)
    with pytest.raises(telemetry_split.NoItems):
        split(body)


values = st.recursive(
    st.one_of(st.none(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=10,
)


@given(st.lists(values, min_size=1, max_size=5), st.booleans())
def test_the_items_are_those_of_the_document(items: list[object], as_they_are: bool) -> None:
    body = json.dumps({"events": items}, ensure_ascii=not as_they_are, indent=1 if as_they_are else None)
    assert [json.loads(item) for item in split(body.encode())] == items
