"""Exit codes: one for every kind of fault, and a meaning for every code."""

from __future__ import annotations

import pytest

from carbonledger.entrypoints.cli import exits
from carbonledger.kernel import errors

CASES = [
    (errors.Invalid, 3),
    (errors.Malformed, 3),
    (errors.NotFound, 4),
    (errors.Conflict, 5),
    (errors.Unavailable, 6),
    (errors.Limited, 6),  # trying again later helps
    (errors.Forbidden, 7),
    (errors.Unauthenticated, 7),
    (errors.Fault, 70),  # no kind of its own: our defect
]


@pytest.mark.parametrize("fault, code", CASES)
def test_a_fault_ends_with_the_code_of_its_kind(fault: type[errors.Fault], code: int) -> None:
    assert exits.of(fault()) == code


@pytest.mark.parametrize("kind", errors.Kind)
def test_every_kind_of_fault_has_a_code(kind: errors.Kind) -> None:
    made = type("Made", (errors.Fault,), {"kind": kind})

    assert exits.of(made()) != exits.Code.DONE


def test_every_code_has_a_meaning() -> None:
    assert set(exits.MEANING) == set(exits.Code)


def test_what_may_pass_by_itself_is_tried_again() -> None:
    assert not {exits.Code.UNAVAILABLE, exits.Code.DEFECT, exits.Code.CONFLICT} & exits.PERMANENT
