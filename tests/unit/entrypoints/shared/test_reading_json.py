"""JSON within bounds: what is refused, where and by which code; what is read, and exactly how."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.entrypoints.shared import strict_json
from carbonledger.kernel import errors

DEEPEST = strict_json.DEPTH_MAX


@pytest.mark.parametrize(
    "raw, value",
    [
        (b"null", None),
        (b"[1, 2.5, -0, 1e3]", [1, 2.5, 0, 1000.0]),
        (b'{"a": {"a": 1}, "b": {"a": 2}}', {"a": {"a": 1}, "b": {"a": 2}}),  # the same name in two objects is two names
        ('"\N{SNOWMAN}"'.encode(), "\N{SNOWMAN}"),
        (b'"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
        (b'"\\\\u0000"', "\\u0000"),  # a backslash, then letters: no U+0000
        (b"-9223372036854775808", strict_json.INTEGER_MIN),
        (b"9223372036854775807", strict_json.INTEGER_MAX),
        (b"1234567890123456789.5", 1234567890123456789.5),  # many digits, but no integer
        (b"[" * DEEPEST + b"]" * DEEPEST, None),
        (b"[" + b"[]," * 1000 + b"[]]", None),  # many, but not deep
    ],
)
def test_what_is_sound_is_read(raw: bytes, value: object) -> None:
    assert strict_json.loads(raw) == (json.loads(raw) if value is None else value)


@pytest.mark.parametrize(
    "raw, pointer, code",
    [
        (b"", "", "json_invalid"),
        (b"{'a': 1}", "", "json_invalid"),
        (b"[1,]", "", "json_invalid"),
        (b'"\x01"', "", "json_invalid"),
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "", "json_too_deep"),
        (b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1), "", "json_too_deep"),
        (b"[" * 100_000, "", "json_too_deep"),
        (b'[{"a": 1, "b": 2, "a": 1}]', "", "name_doubled"),
        (b"[NaN]", "", "number_invalid"),
        (b"Infinity", "", "number_invalid"),
        (b"1e309", "", "number_too_large"),
        (b"9223372036854775808", "", "number_too_large"),
        (b"-9223372036854775809", "", "number_too_large"),
        (b"1" * 5000, "", "number_too_large"),  # past what Python itself would turn into a number
        (b'{"a": [0, {"b/~": "\\u0000"}]}', "/a/1/b~1~0", "text_unstorable"),
        (b'"\\uDBFF"', "", "text_unstorable"),
        (b'"\\udc00"', "", "text_unstorable"),
        (b"\xff", "", "utf8_invalid"),
        (b"\xc0\x80", "", "utf8_invalid"),  # U+0000, spelt too long
    ],
)
def test_what_is_not_is_refused_with_its_place(raw: bytes, pointer: str, code: str) -> None:
    with pytest.raises(strict_json.JsonUnreadable) as caught:
        strict_json.loads(raw)
    assert [(one.pointer, one.code) for one in caught.value.problems] == [(pointer, code)]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(strict_json.INTEGER_MIN, strict_json.INTEGER_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_every_sound_document_is_read_as_the_standard_library_reads_it(value: object) -> None:
    assert strict_json.loads(json.dumps(value).encode()) == value
    assert strict_json.loads(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    problems: tuple[errors.Problem, ...] | None = None
    try:
        strict_json.loads(raw)
    except strict_json.JsonUnreadable as fault:
        problems = fault.problems
    assert problems is None or len(problems) > 0
