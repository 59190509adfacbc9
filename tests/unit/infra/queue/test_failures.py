"""A failure in words: what members may read holds nothing of our insides, what operators may read no credential and no person."""

from __future__ import annotations

import pytest

from carbonledger.infra import retry
from carbonledger.infra.queue import failures
from carbonledger.kernel import errors


class Closed(errors.Conflict):
    """The shop is closed."""

    code = "closed"


class Broken(errors.Fault):
    """Something of ours broke."""

    code = "broken"


class Again(errors.Limited):
    """Too many."""

    code = "again"


CASES = [
    # error, what members read, classification
    (Closed(), "The shop is closed.", retry.Outcome.UNKNOWN),
    (Closed("Come back at 9."), "The shop is closed. Come back at 9.", retry.Outcome.UNKNOWN),
    (
        Again("Bearer sk-abcdefghijklmnop was used by ann@example.org."),
        "Too many. Bearer [redacted] was used by [removed].",
        retry.Outcome.TRANSIENT,
    ),
    (Broken("table x"), "An unexpected failure (Broken).", retry.Outcome.UNKNOWN),  # of kind internal: ours
    (KeyError("x"), "An unexpected failure (KeyError).", retry.Outcome.UNKNOWN),
    (ConnectionResetError("10.0.0.7"), "An unexpected failure (ConnectionResetError).", retry.Outcome.TRANSIENT),
]


@pytest.mark.parametrize("error,words,outcome", CASES)
def test_members_read_public_words_only(error: Exception, words: str, outcome: retry.Outcome) -> None:
    described = failures.describe(error)
    assert (described.words, described.outcome) == (words, outcome)


def test_operators_read_the_error_without_credentials_people_and_nul() -> None:
    described = failures.describe(RuntimeError("row (ann@example.org)\0 password=hunter2hunter2"))
    assert described.error_type == "RuntimeError"
    assert described.text == "row ([removed]) password=[redacted]"


def test_everything_has_a_bound() -> None:
    described = failures.describe(Closed("x" * 100_000))
    assert (len(described.words), len(described.text)) == (1000, 2000)
    named = failures.describe(type("E" * 300, (Exception,), {})())
    assert len(named.error_type) == 200


def test_the_wait_that_a_peer_asks_for_is_kept() -> None:
    assert failures.describe(Again(retry_after_s=7)).retry_after_s == 7.0
    assert failures.describe(ValueError()).retry_after_s is None


def test_a_handler_stopped_for_its_time_is_told_so() -> None:
    assert failures.describe(TimeoutError(), timeout_s=300).words == "It took longer than 300 s and was stopped."
