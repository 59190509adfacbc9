"""Canonical JSON passes the vectors of RFC 8785's reference implementation; reading refuses whatever two readers could take differently."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger_proof import canonical, errors
from tests.unit.proof import vectors

JCS = vectors.FOLDER / "jcs"
NAMES = sorted(path.stem for path in (JCS / "input").iterdir())
MAX = 2**53 - 1


@pytest.mark.parametrize("name", NAMES)
def test_official_vectors_of_rfc_8785(name: str) -> None:
    value = json.loads((JCS / "input" / f"{name}.json").read_bytes())
    expected = bytes.fromhex((JCS / "outhex" / f"{name}.txt").read_text(encoding="ascii"))
    assert canonical.write(value) == expected
    assert expected == (JCS / "output" / f"{name}.json").read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":2}',  # two readers keep different ones
        b'{"a":{"b":1,"\\u0062":1}}',  # the same name, written in two ways
        b"[1.0]",
        b"[1e3]",
        b"[-0]",
        b"[9007199254740992]",
        b"[-9007199254740992]",
        b"[" + b"1" * 5000 + b"]",
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b'["\\ud800"]',
        b'{"\\udc00":1}',
        b'["\\ud800\\ud800"]',
        b'["\xff"]',
        b'["\xed\xa0\x80"]',  # a surrogate in UTF-8
        b"\xef\xbb\xbf[]",
        b'["a\nb"]',
        b"['a']",
        b"[1,]",
        b"[1] []",
        b"",
        b'["a',
        b"[" * 33 + b"]" * 33,
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b"[" * 1_000_000,
        b'"' + b'\\"' * 500_000,
    ],
)
def test_what_has_no_single_meaning_is_refused(text: bytes) -> None:
    with pytest.raises(errors.JsonInvalid):
        canonical.read(text)


def test_the_bounds_themselves_are_read() -> None:
    assert canonical.read(b"[9007199254740991,-9007199254740991]") == [MAX, -MAX]
    assert canonical.read(b"[" * 32 + b"]" * 32) is not None
    assert canonical.read(b'["\\ud83d\\ude02 [[[{{{"]') == ["\N{FACE WITH TEARS OF JOY} [[[{{{"]
    assert canonical.read(b"[]", bytes_max=2) == []
    with pytest.raises(errors.JsonInvalid):
        canonical.read(b"[] ", bytes_max=2)


@pytest.mark.parametrize("text", [b'{"b":1,"a":2}', b"[1, 2]", b"[1]\n", b'["\\u00e4"]', b'["\\/"]', b'["\\u000A"]'])
def test_another_form_of_the_same_value_is_not_canonical(text: bytes) -> None:
    canonical.read(text)
    with pytest.raises(errors.JsonInvalid):
        canonical.read_canonical(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX, MAX) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_read_as_the_same_value(value: canonical.Json) -> None:
    assert canonical.read_canonical(canonical.write(value)) == value
    assert canonical.write_known(value) == canonical.write(value)


def test_names_are_ordered_by_utf_16_also_where_they_are_written_fast() -> None:
    """RFC 8785, section 3.2.3: U+1F600 comes before U+FB33, as its first half in UTF-16 is smaller."""
    value = {"\ufb33": 1, "\U0001f600": 2}
    assert canonical.write_known(value) == canonical.write(value) == '{"\U0001f600":2,"\ufb33":1}'.encode()


@pytest.mark.parametrize("value", [2**53, -(2**53), "\ud800", {"\udfff": 1}, {1: 2}, object(), float("nan")])
def test_what_has_no_canonical_form_is_not_written(value: canonical.Json) -> None:
    with pytest.raises(errors.JsonInvalid):
        canonical.write(value)
