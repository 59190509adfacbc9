"""How months and receipts are put into words, and what a check of one comes to."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from carbonledger.domains.receipts.types.periods import Payment, Period, State, Step
from carbonledger.domains.receipts.types.receipts import Public, Revocation, Signed
from carbonledger.domains.receipts.types.receipts import State as Standing
from carbonledger.entrypoints.web.sections.receipts import judging, shown, wording
from carbonledger.entrypoints.web.sections.receipts.judging import Verdict
from carbonledger_proof import measures, pack, verify
from tests.unit.proof import worlds

BERLIN = ZoneInfo("Europe/Berlin")
BEGINS, ENDS = datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC)
CLOSES = ENDS + timedelta(hours=48)
OCTOBER = Period(
    id=UUID(int=1),
    month=date(2026, 10, 1),
    zone="Europe/Berlin",
    starts_at=BEGINS,
    ends_at=ENDS,
    state=State.OPEN,
    payment=Payment.AWAITED,
    created_at=BEGINS,
    updated_at=BEGINS,
)
CLOSING = dataclasses.replace(OCTOBER, state=State.CLOSING, payment=Payment.PAID, closes_at=CLOSES)
PAID_AHEAD = dataclasses.replace(OCTOBER, payment=Payment.PAID)
DURING, AFTER, DUE = ENDS - timedelta(days=9), ENDS + timedelta(hours=1), CLOSES + timedelta(hours=1)


@pytest.mark.parametrize(
    "period, now, needs_payment, word, words, is_due",
    [
        (OCTOBER, DURING, False, "open", "Ends on 31 Oct 2026, 24:00 and closes by itself on 2 Nov 2026, 24:00.", False),
        (OCTOBER, DURING, True, "open", "closes on 2 Nov 2026, 24:00, or when it is paid if that is later.", False),
        (PAID_AHEAD, DURING, True, "open", "Ends on 31 Oct 2026, 24:00 and closes by itself on 2 Nov 2026, 24:00.", False),
        (PAID_AHEAD, AFTER, True, "over", "Closing is about to begin", False),
        (PAID_AHEAD, DUE, True, "over", "Closing is about to begin", True),
        (OCTOBER, AFTER, True, "waits for payment", "not before 2 Nov 2026, 24:00.", False),
        (OCTOBER, DUE, True, "waits for payment", "closes once it is paid", False),
        (OCTOBER, DUE, False, "over", "Closing is about to begin", True),
        (CLOSING, AFTER, True, "closing", "Late usage still counts until 2 Nov 2026, 24:00.", False),
        (CLOSING, DUE, True, "closing", "connections are read for the last time", True),
        (dataclasses.replace(CLOSING, step=Step.ADJUSTED), DUE, True, "closing", "sealed into one fingerprint", True),
        (dataclasses.replace(OCTOBER, state=State.FAILED), DUE, True, "payment failed", "until the month is paid", False),
        (
            dataclasses.replace(CLOSING, state=State.CLOSED, closed_at=CLOSES + timedelta(minutes=7)),
            DUE,
            True,
            "closed",
            "Closed on 3 Nov 2026, 00:07. Nothing of it changes any more.",
            False,
        ),
    ],
)
def test_a_month_says_how_it_stands_and_what_is_next(
    period: Period, now: datetime, needs_payment: bool, word: str, words: str, is_due: bool
) -> None:
    found = wording.standing(period, now=now, zone=BERLIN, needs_payment=needs_payment)
    assert found.word == word
    assert words in found.next
    assert wording.is_due(period, now=now, needs_payment=needs_payment) is is_due


@pytest.mark.parametrize(
    "payment, now, needs_payment, word",
    [
        (Payment.AWAITED, DURING, True, "not due yet"),
        (Payment.AWAITED, AFTER, True, "awaited"),
        (Payment.AWAITED, AFTER, False, "not needed"),
        (Payment.PAID, DURING, True, "paid"),
        (Payment.FAILED, DURING, True, "failed"),
    ],
)
def test_a_payment_is_said_only_where_there_is_one(payment: Payment, now: datetime, needs_payment: bool, word: str) -> None:
    period = dataclasses.replace(OCTOBER, payment=payment)
    assert wording.payment(period, now=now, needs_payment=needs_payment)[0] == word


@pytest.mark.parametrize("count, words", [(0, "revised events"), (1, "1 event more"), (-1, "1 event fewer"), (1_200, "1,200 events more")])
def test_late_events_are_counted_in_words(count: int, words: str) -> None:
    assert wording.event_count(count) == words


def test_the_proof_is_three_sentences_and_speaks_of_credits_only_where_there_are_any() -> None:
    given = wording.proof(issued="3 Nov 2026, 00:07", index=1_200, events=1, has_credits=True)
    assert len(given) == 3
    assert all(sentence.count(". ") == 0 and sentence.endswith(".") for sentence in given)
    assert "entry 1,200" in given[1]
    assert "the one event" in given[2]
    assert "credit" not in " ".join(wording.proof(issued="", index=0, events=2, has_credits=False))
    assert "of no event at all" in wording.proof(issued="", index=0, events=0, has_credits=False)[2]


BUNDLE = worlds.world().bundled()
FILE = BUNDLE.encode()
BOOKS = Public(
    state=Standing.ISSUED,
    signed=Signed(receipt=BUNDLE.receipt, signature=BUNDLE.signature, digest=bytes.fromhex(BUNDLE.receipt.sha256), log_index=3),
    superseded_by=None,
    revocation=None,
    ended_at=None,
    bundle=FILE,
)


def checked(content: bytes = FILE) -> verify.Report:
    return verify.file(content, trusted_keys=worlds.KEYS)


@pytest.mark.parametrize(
    "found, verdict, words",
    [
        (BOOKS, Verdict.VALID, "it still stands in our books"),
        (
            dataclasses.replace(BOOKS, state=Standing.SUPERSEDED, superseded_by="CL-202611-0000A"),
            Verdict.ENDED,
            "CL-202611-0000A has taken",
        ),
        (dataclasses.replace(BOOKS, state=Standing.REVOKED, revocation=Revocation.REQUESTED), Verdict.ENDED, "its owner asked for it"),
        (None, Verdict.FAILED, "1 of the checks does not hold"),
        (
            dataclasses.replace(BOOKS, signed=dataclasses.replace(BOOKS.signed, digest=bytes(32))),
            Verdict.FAILED,
            "1 of the checks does not hold",
        ),
    ],
)
def test_of_our_own_receipts_the_books_decide(found: Public | None, verdict: Verdict, words: str) -> None:
    judged = judging.of_file(checked(), is_ours=True, found=found)
    assert judged.verdict is verdict
    assert words in judged.says
    assert [check.name for check in judged.checks] == [*verify.CHECKS, "books"]


def test_a_sound_file_of_somebody_elses_is_valid_and_no_books_are_asked() -> None:
    judged = judging.of_file(verify.file(FILE), is_ours=False, found=None)
    assert (judged.verdict, judged.is_ours, len(judged.checks)) == (Verdict.VALID, False, len(verify.CHECKS))


@pytest.mark.parametrize("place", range(0, len(FILE), 97))
def test_whatever_byte_is_changed_nothing_is_believed(place: int) -> None:
    changed = bytearray(FILE)
    changed[place] ^= 1
    report = checked(bytes(changed))
    judged = judging.of_file(report, is_ours=report.receipt is not None, found=BOOKS if report.receipt is not None else None)
    assert judged.verdict is Verdict.FAILED


def test_every_check_has_a_title() -> None:
    names = {*verify.CHECKS, *verify.EVENT_CHECKS, "page", "books"}
    assert set(judging.TITLES) == names
    assert set(judging.PACK_TITLES) == {*pack.CHECKS, "books"}


def test_figures_of_a_receipt_are_its_own_digits() -> None:
    """The issuer of the tests states 0.4, 1.2 and 3.6 kg; energy and money are as ``worlds`` has them."""
    found = {one.metric.key: one for one in shown.of_receipt(BUNDLE.receipt)}
    co2e = found["co2e"]
    assert co2e.value is not None
    assert co2e.spread is not None
    assert (co2e.value.exact, co2e.spread.exact) == ("1,200 g CO2e", "low 400, mid 1,200, high 3,600 g CO2e")
    assert (co2e.value.text, co2e.spread.text) == ("1.2 kg CO2e", "0.4 to 3.6 kg CO2e")
    assert "market" not in found, "it is not known on this basis"


def test_bounds_are_not_known_where_a_part_is_not() -> None:
    gross = worlds.gross()
    assert shown.bounds(gross, measures.Basis.LOCATION) == (400_000, 1_200_000, 3_600_000)
    assert shown.bounds(gross, measures.Basis.MARKET) is None
    assert shown.bounds((), measures.Basis.LOCATION) is None
