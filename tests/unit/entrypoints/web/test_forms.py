"""What a form says: a code made of a name, and what a fault says of it."""

from __future__ import annotations

import pytest

from carbonledger.entrypoints.web import forms
from carbonledger.kernel import errors


@pytest.mark.parametrize(
    "fields, code",
    [
        ({"code": " pro-2026 ", "name": "Team"}, "pro-2026"),
        ({"code": "", "name": "Team"}, "team"),
        ({"name": "Pro & Größe, 2026!"}, "pro-groe-2026"),  # what has no plain letter under it is left out
        ({"name": "  --  "}, ""),
        ({"name": "الفواتير"}, ""),  # nothing to make one of: the rule of codes says what is wanted
        ({"name": "a" * 39 + " b"}, "a" * 39),
        ({}, ""),
    ],
)
def test_a_code_is_the_given_one_or_made_of_the_name(fields: dict[str, str], code: str) -> None:
    assert forms.code(fields) == code


class Taken(errors.Conflict):
    """Another one has this name."""

    code = "taken"


@pytest.mark.parametrize(
    "fault, words",
    [
        (Taken("Choose another."), "Another one has this name. Choose another."),
        (Taken(), "Another one has this name."),
        (errors.invalid("/name", "required", "Write a name."), "Write a name."),
        (errors.Invalid(), "The request breaks one or more rules."),
    ],
)
def test_a_fault_says_what_is_in_the_way_and_what_to_do(fault: errors.Fault, words: str) -> None:
    assert forms.words(fault) == words


def test_of_a_fault_without_a_place_one_field_may_be_named() -> None:
    fields = forms.Fields((("name", "x"),))
    assert forms.refused(Taken("Choose another."), fields, only="name").beside == {"name": "Another one has this name. Choose another."}
    placed = errors.invalid("/name/0", "required", "Write a name.")
    assert forms.refused(placed, fields, only="other").beside == {"name": "Write a name."}
