"""JSON in any layout: the same objects come out, and where it breaks is said."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger_client import rows
from carbonledger_client.reading import documents

ONE, TWO = {"a": 1, "text": 'é "]}, {['}, {"b": {"c": [1, {"d": None}]}}


def read(text: str | bytes) -> list[Any]:
    """Return the objects, of broken ones the code."""
    content = io.BufferedReader(io.BytesIO(text.encode() if isinstance(text, str) else text))
    return [found.code if isinstance(found, rows.Rejected) else found for found in documents.anything(content)]


LAYOUTS = [
    json.dumps(ONE) + "\n" + json.dumps(TWO),
    "\ufeff" + json.dumps(ONE) + "\r\n\r\n" + json.dumps(TWO) + "\r\n",
    json.dumps([ONE, TWO]),
    json.dumps([ONE, TWO], indent=2),
    json.dumps(ONE, indent=2) + "\n" + json.dumps(TWO, indent=2),
    json.dumps([ONE]) + "\n" + json.dumps([TWO]),
    "[\n" + json.dumps(ONE) + "\n, " + json.dumps(TWO) + "]",
    "[\n" + json.dumps(ONE) + ",\n" + json.dumps(TWO) + "\n]\n",
]


@pytest.mark.parametrize("text", LAYOUTS)
def test_every_layout_gives_the_same_objects(text: str) -> None:
    assert read(text) == [ONE, TWO]


@pytest.mark.parametrize(
    "text, found",
    [
        ('{"a": 1}\n{"a": \n{"a": 2}\n', [{"a": 1}, "json_broken", {"a": 2}]),  # one line never sinks the others
        ('{"a": 1}\n[1]\n3\n', [{"a": 1}, "row_invalid", "row_invalid"]),
        ('[{"a": 1}, {"a": ', [{"a": 1}, "json_broken"]),  # half a page
        ('[{"a": 1},', [{"a": 1}, "json_broken"]),
        ('[{"a": 1}, 3, {"a": 2}]', [{"a": 1}, "row_invalid", {"a": 2}]),
        ('[null, {"a": 2}]', ["row_invalid", {"a": 2}]),
        ('{"a": 1,}\n{"a": 2}\n', ["json_broken", {"a": 2}]),
        ("[" * 5000, ["json_broken"]),
        ('{"a":\n' * 3000, ["json_broken"]),
        ("<html>", ["json_broken"]),
        ("", []),
        ("[]", []),
    ],
    ids=range(12),
)
def test_where_it_breaks_is_said_in_its_place(text: str, found: list[Any]) -> None:
    assert read(text) == found


@pytest.mark.parametrize("indent", [None, 2])
def test_an_integer_longer_than_python_converts_comes_out_as_its_text_and_what_follows_is_read(indent: int | None) -> None:
    text = json.dumps([ONE, {"a": "long"}, TWO], indent=indent).replace('"long"', "-" + "9" * 5000)
    assert read(text) == [ONE, {"a": "-" + "9" * 5000}, TWO]


def test_of_a_line_that_is_no_json_the_text_is_kept_as_it_was() -> None:
    content = io.BufferedReader(io.BytesIO(b'{"a": "\\ud800"}\n{"a": \xff}\n'))

    found = [entry.content for entry in documents.lines(content) if isinstance(entry, rows.Rejected)]

    assert found == [r'{"a": "\ud800"}', '{"a": \udcff}']


@given(
    st.lists(
        st.dictionaries(st.text(max_size=5), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=3), max_size=3),
        max_size=5,
    ),
    st.sampled_from([None, 2]),
)
def test_an_array_of_any_objects_comes_back_whole(found: list[dict[str, Any]], indent: int | None) -> None:
    assert read(json.dumps(found, indent=indent)) == found


def test_objects_larger_than_the_window_come_back_whole() -> None:
    large = [{"text": "x" * 700_000, "n": number} for number in range(3)]
    assert read(json.dumps(large)) == large


def test_a_line_past_the_bound_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "OBJECT_MAX_BYTES", 50)
    content = io.BufferedReader(io.BytesIO(b'{"a": 1}\n{"a": "' + b"x" * 200 + b'"}\n{"a": 2}\n'))

    found = [entry.code if isinstance(entry, rows.Rejected) else entry for entry in documents.lines(content)]

    assert found == [{"a": 1}, "json_broken", {"a": 2}]


@pytest.mark.parametrize(
    "text, is_json", [(b' \n{"a"', True), (b"\xef\xbb\xbf[", True), (b"a,b\n", False), (b"", False), (b'"a","b"\n', False)]
)
def test_json_is_known_by_its_beginning(text: bytes, is_json: bool) -> None:
    content = io.BufferedReader(io.BytesIO(text))
    assert documents.looks_like_json(content) is is_json
    assert content.read() == text
