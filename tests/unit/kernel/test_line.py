"""A line that people type: one form for what is the same, and a clean no to what is not text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.kernel import line
from carbonledger.kernel.errors import Problem


@pytest.mark.parametrize(
    "given_text, kept, code",
    [
        ("Example Ltd", "Example Ltd", None),
        ("  Example Ltd\t", "Example Ltd", None),
        ("Jose\u0301", "José", None),  # two ways to write one name
        ("李小龍", "李小龍", None),
        ("עברית", "עברית", None),
        ("👩\u200d🚀 crew", "👩\u200d🚀 crew", None),  # joined by an invisible character
        ("<script>1</script>", "<script>1</script>", None),  # text like any other
        ("", "", "required"),
        (" \t ", "", "required"),
        ("\u200b\u200b", "\u200b\u200b", "required"),  # nothing that anybody could see
        ("a\u200db", "a\u200db", None),  # joined letters are text
        ("x" * 20, "x" * 20, None),
        ("x" * 21, "x" * 21, "too_long"),
        ("a\x00b", "a\x00b", "characters"),  # PostgreSQL can't store it
        ("a\nb", "a\nb", "characters"),
        ("a\u2028b", "a\u2028b", "characters"),
        ("\ud800", "\ud800", "characters"),  # half a character
    ],
)
def test_a_text_is_tidied_or_refused(given_text: str, kept: str, code: str | None) -> None:
    problems: list[Problem] = []
    assert line.tidy(problems, "/name", given_text, max_chars=20) == kept
    assert [problem.code for problem in problems] == ([] if code is None else [code])


@given(st.text(max_size=80))
def test_what_is_kept_is_kept_again_as_it_is(anything: str) -> None:
    problems: list[Problem] = []
    kept = line.tidy(problems, "/name", anything, max_chars=50)
    again: list[Problem] = []
    assert line.tidy(again, "/name", kept, max_chars=50) == kept
    assert again == problems
    if not problems:
        assert 1 <= len(kept) <= 50
        assert unicodedata.is_normalized("NFC", kept)
