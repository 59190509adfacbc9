"""Codes of errors are an interface: the page that lists them is the one that the code makes, and a code means one thing."""

from __future__ import annotations

import collections
import re

import pytest

from carbonledger.entrypoints.rest import problems
from carbonledger.kernel import errors
from tools import errors as reference

FAULTS = [fault for fault in reference.raised() if fault.__module__.startswith("carbonledger.")]


def test_the_page_lists_the_codes_of_the_code() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "python -m tools.errors --fix"


def test_every_failure_has_a_code_a_title_and_a_status() -> None:
    for fault in FAULTS:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", fault.code), fault
        assert fault.title().endswith("."), f"{fault.__name__}: the docstring is the public message, a sentence"
        assert 400 <= problems.status_of(fault) <= 599


def test_a_code_has_one_status() -> None:
    statuses: dict[str, set[int]] = collections.defaultdict(set)
    for fault in FAULTS:
        if fault.kind is not errors.Kind.INTERNAL:
            statuses[fault.code].add(problems.status_of(fault))
    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}


@pytest.mark.parametrize("fault", [pytest.param(fault, id=code) for code, fault in reference.shown().items()])
def test_no_message_speaks_of_our_insides(fault: type[errors.Fault]) -> None:
    for word in ("asyncpg", "postgres", "sqlalchemy", "pydantic", "traceback", "exception"):
        assert word not in fault.title().lower()
