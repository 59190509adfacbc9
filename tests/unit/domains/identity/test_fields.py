"""What people type: one form for what is the same, and a clean no to what is not text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger.domains.identity.core import fields
from carbonledger.kernel import errors
from carbonledger.kernel.errors import Problem


@pytest.mark.parametrize(
    "address, kept",
    [
        ("ann@example.com", "ann@example.com"),
        (" Ann@Example.COM ", "ann@example.com"),
        ("ANN+tag@example.com", "ann+tag@example.com"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("owner@localhost", "owner@localhost"),  # a mail domain of one's own
        ("用户@例子.公司", "用户@例子.公司"),  # RFC 6531
        ("jose\u0301@example.com", "josé@example.com"),
        ("STRASSE@example.com", "strasse@example.com"),
        ("x" * 64 + "@example.com", "x" * 64 + "@example.com"),
    ],
)
def test_an_address_has_one_form(address: str, kept: str) -> None:
    problems: list[Problem] = []
    assert fields.email(problems, "/email", address) == kept
    assert problems == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "ann@@example.com",
        "ann@example..com",
        "ann@.example.com",
        "ann@-example.com",
        "ann@example-.com",
        "ann@exam_ple!.com",
        ".ann@example.com",
        "ann.@example.com",
        "a..b@example.com",
        "an n@example.com",
        'ann"@example.com',
        "ann@example.com, ben@example.com",  # one letter would go to two
        "ann@example.com\nBcc: ben@example.com",  # or carry a header of its own
        "<ann@example.com>",
        "ann\x00@example.com",
        "ann\ud800@example.com",
        "x" * 65 + "@example.com",
        "ä" * 33 + "@example.com",  # 66 octets
        "ann@" + "x" * 64 + ".com",
        "ann@" + "x." * 125 + "com",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    problems: list[Problem] = []
    fields.email(problems, "/email", address)
    assert [problem.code for problem in problems] == ["email"]


@given(st.text(max_size=80))
def test_no_text_makes_the_checks_fail(anything: str) -> None:
    problems: list[Problem] = []
    fields.text(problems, "/a", anything, max_chars=50)
    folded = fields.email(problems, "/b", anything)
    fields.locale(problems, "/c", anything)
    fields.time_zone(problems, "/d", anything)
    fields.currency_code(problems, "/e", anything)
    if fields.is_email(folded):
        again: list[Problem] = []
        assert fields.email(again, "/b", folded) == folded
        assert again == []


@pytest.mark.parametrize(
    "name, known", [("Europe/Berlin", True), ("UTC", True), ("Mars/Base", False), ("../etc/passwd", False), ("", False)]
)
def test_a_time_zone_is_one_of_the_iana_database(name: str, known: bool) -> None:
    problems: list[Problem] = []
    fields.time_zone(problems, "/time_zone", name)
    assert (problems == []) is known


@pytest.mark.parametrize("code, known", [("EUR", True), ("eur", False), ("XAU", False), ("ZZZ", False), ("", False)])
def test_a_currency_is_one_that_amounts_can_be_in(code: str, known: bool) -> None:
    problems: list[Problem] = []
    fields.currency_code(problems, "/currency", code)
    assert (problems == []) is known


@pytest.mark.parametrize(
    "tag, known", [("en", True), ("pt-BR", True), ("zh-Hant-TW", True), ("english", False), ("e", False), ("en_GB", False)]
)
def test_a_language_is_a_tag_of_bcp_47(tag: str, known: bool) -> None:
    problems: list[Problem] = []
    fields.locale(problems, "/locale", tag)
    assert (problems == []) is known


def test_all_problems_are_said_at_once() -> None:
    problems: list[Problem] = []
    fields.text(problems, "/name", "", max_chars=20)
    fields.email(problems, "/email", "ann")
    with pytest.raises(errors.Invalid) as refused:
        fields.refuse(problems)
    assert [problem.pointer for problem in refused.value.problems] == ["/name", "/email"]


def test_nothing_wrong_is_nothing_raised() -> None:
    assert fields.refuse([]) is None
