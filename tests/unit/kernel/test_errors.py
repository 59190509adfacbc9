"""Faults: a kind and a stable code each, a public message, and nothing that was not put there to be seen."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

from carbonledger import kernel
from carbonledger.kernel import errors


class TellerFault(errors.Fault):
    """The teller
    is away.

    Only the first paragraph is public.
    """


class TellerBusy(TellerFault):
    kind = errors.Kind.UNAVAILABLE
    code = "teller_busy"


def kernel_faults() -> list[type[errors.Fault]]:
    for module in pkgutil.iter_modules(kernel.__path__, f"{kernel.__name__}."):
        importlib.import_module(module.name)
    found, waiting = [], [errors.Fault]
    while waiting:
        fault = waiting.pop()
        waiting.extend(fault.__subclasses__())
        if fault.__module__.startswith(kernel.__name__):
            found.append(fault)
    return found


def test_the_public_message_is_the_first_paragraph_of_the_docstring() -> None:
    assert TellerFault.title() == "The teller is away."


def test_a_fault_without_words_says_the_general_thing() -> None:
    assert TellerBusy.title() == "The request could not be done."


def test_a_fault_is_internal_unless_it_says_otherwise() -> None:
    assert TellerFault.kind is errors.Kind.INTERNAL
    assert TellerFault.code == "internal"


def test_the_text_of_a_fault_is_its_detail_or_else_its_title() -> None:
    assert str(TellerFault("Come back at nine.")) == "Come back at nine."
    assert str(TellerFault()) == "The teller is away."
    assert TellerFault().detail is None


def test_a_fault_carries_what_the_caller_needs_next() -> None:
    problem = errors.Problem("/queue", "full", "Nine wait already.")
    extra = {"upgrade_url": "https://example.com"}
    fault = TellerBusy("Busy.", problems=(problem,), retry_after_s=60, extra=extra)
    extra["later"] = "changed"
    assert (fault.problems, fault.retry_after_s, fault.extra) == ((problem,), 60, {"upgrade_url": "https://example.com"})


def test_a_single_problem_is_an_invalid_request() -> None:
    fault = errors.invalid("/name", "too_long", "Use at most 200 characters.")
    assert fault.kind is errors.Kind.INVALID
    assert fault.problems == (errors.Problem("/name", "too_long", "Use at most 200 characters."),)


@pytest.mark.parametrize("fault", kernel_faults(), ids=lambda fault: fault.__name__)
def test_every_fault_of_the_kernel_has_words_and_a_code_of_its_own(fault: type[errors.Fault]) -> None:
    assert fault.__doc__
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", fault.code)
    assert [other for other in kernel_faults() if other.code == fault.code] == [fault]
