"""Replaying a log finds double use and rewritten history; each rule has a log that breaks it, and only it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonledger_proof import audit, checkpoint, errors, keys, leaves, merkle, signature, statement
from carbonledger_proof.audit import Problem
from tests.unit.proof import worlds

OLD = worlds.receipt()
ROTATED_PUBLIC, ROTATED_SIGN = signature.signer(b"\x03" * 32)
ROTATED = keys.Key(public=ROTATED_PUBLIC, purpose=keys.Purpose.RECEIPTS, nbf=worlds.BEGIN)


def replacement() -> statement.Receipt:
    return worlds.receipt(
        serial=worlds.serial(1),
        supersedes=OLD.serial,
        issued_at=datetime(2026, 12, 5, tzinfo=UTC),
        allocations=(worlds.allocation(1_000_000, 4_600_000),),
    )


NEW = replacement()


def superseded() -> list[leaves.Leaf]:
    """A receipt, and another in its place that takes a part of the same credits."""
    at = NEW.issued_at
    return [
        *worlds.log_of(OLD),
        *(worlds.released(one, OLD.serial, at) for one in OLD.allocations),
        *(worlds.made(one, NEW.serial, at) for one in NEW.allocations),
        leaves.of_receipt(NEW),
        leaves.ReceiptSuperseded(at=at, serial=OLD.serial, by=NEW.serial),
    ]


def problems(log: Sequence[leaves.Leaf], *notes: str) -> list[Problem]:
    given_ = notes or (worlds.signed_checkpoint(log),)
    found = audit.audit(map(leaves.content, log), given_, origin=worlds.ORIGIN)
    return [finding.problem for finding in found]


def rotation(**changes: object) -> leaves.KeyRotated:
    at = datetime(2026, 12, 2, tzinfo=UTC)
    given_ = leaves.rotate_key(
        worlds.RECEIPT_KEY, ROTATED, at=at, old_exp=int(at.timestamp()), old_sign=worlds.RECEIPT_SIGN, sign=ROTATED_SIGN
    )
    return dataclasses.replace(given_, **changes)  # type: ignore[arg-type]  # each test gives what the field takes


def revocation() -> list[leaves.Leaf]:
    at = datetime(2026, 12, 6, tzinfo=UTC)
    return [
        *worlds.log_of(OLD),
        *(worlds.released(one, OLD.serial, at) for one in OLD.allocations),
        leaves.ReceiptRevoked(at=at, serial=OLD.serial, reason=leaves.RevocationReason.REQUESTED),
    ]


def rotated() -> list[leaves.Leaf]:
    receipt = worlds.receipt(kid=ROTATED.kid)
    return [*worlds.beginning(), rotation(), *worlds.log_of(receipt)[3:]]


@pytest.mark.parametrize("log", [worlds.beginning(), worlds.world().log, superseded(), revocation(), rotated(), []])
def test_a_log_in_order_has_no_findings(log: list[leaves.Leaf]) -> None:
    assert problems(log) == ([] if log else [Problem.CHECKPOINT_INVALID])  # of an empty log no key is known
    assert audit.audit(map(leaves.content, log), [worlds.signed_checkpoint(log)], origin=worlds.ORIGIN, trusted_keys=worlds.KEYS) == []


def without(log: list[leaves.Leaf], kind: type[leaves.Leaf]) -> list[leaves.Leaf]:
    return [leaf for leaf in log if type(leaf) is not kind]


def moved_last(log: list[leaves.Leaf], kind: type[leaves.Leaf]) -> list[leaves.Leaf]:
    """The leaves of a kind at the end, with the time of the last, so that only the order is wrong."""
    end = log[-1].at
    return [*without(log, kind), *(dataclasses.replace(leaf, at=end) for leaf in log if type(leaf) is kind)]


def same_events_again() -> list[leaves.Leaf]:
    other = worlds.receipt(serial=worlds.serial(2), allocations=(worlds.allocation(10_000_000, 13_600_000),))
    return [*worlds.log_of(OLD), *(worlds.made(one, other.serial) for one in other.allocations), leaves.of_receipt(other)]


def no_events_twice() -> list[leaves.Leaf]:
    """Two organizations without any usage have the same, empty, root: that is no double use."""
    empty = statement.Events(root=merkle.EMPTY_ROOT.hex(), count=0)
    first = worlds.receipt(events=empty, allocations=(), compensation=None)
    second = worlds.receipt(events=empty, allocations=(), compensation=None, serial=worlds.serial(2))
    return [*worlds.beginning(), leaves.of_receipt(first), leaves.of_receipt(second)]


def allocated_twice() -> list[leaves.Leaf]:
    other = worlds.receipt(
        serial=worlds.serial(2),
        events=statement.Events(root="12" * 32, count=1),
        allocations=(worlds.allocation(2_999_999, 6_599_999),),
    )
    return [*worlds.log_of(OLD), *(worlds.made(one, other.serial) for one in other.allocations), leaves.of_receipt(other)]


def beyond_the_lot() -> list[leaves.Leaf]:
    begin, *rest = OLD.allocations
    far = dataclasses.replace(begin, from_mg=100 * 10**9 - 1, to_mg=100 * 10**9 + 2_999_999)
    receipt = worlds.receipt(allocations=(far, *rest))
    return worlds.log_of(receipt)


def unsaid() -> list[leaves.Leaf]:
    """The new receipt stands in the log as one that supersedes, and the log never says that the old one is superseded."""
    return without(superseded(), leaves.ReceiptSuperseded)


def other_superseding() -> list[leaves.Leaf]:
    """The log says that a receipt is superseded by one that doesn't say so."""
    plain = worlds.receipt(serial=worlds.serial(1), issued_at=NEW.issued_at, allocations=NEW.allocations)
    log = superseded()
    place = log.index(leaves.of_receipt(NEW))
    end = log.pop()
    log.insert(place - 1, end)
    log[log.index(leaves.of_receipt(NEW))] = leaves.of_receipt(plain)
    return log


def unvouched() -> list[leaves.Leaf]:
    at = datetime(2026, 12, 2, tzinfo=UTC)
    return [*worlds.beginning(), leaves.publish_key(ROTATED, at=at, sign=ROTATED_SIGN)]


def late_receipt() -> list[leaves.Leaf]:
    late = worlds.receipt(issued_at=datetime(2027, 3, 1, tzinfo=UTC))
    return worlds.log_of(late)


def key_ended_by_rotation() -> list[leaves.Leaf]:
    return [*worlds.beginning(), rotation(), *worlds.log_of(OLD)[3:]]


def key_revoked() -> list[leaves.Leaf]:
    at = datetime(2026, 12, 2, tzinfo=UTC)
    ended = keys.Revoked(revoked_at=int(at.timestamp()), reason=keys.Reason.COMPROMISED)
    return [*worlds.beginning(), leaves.KeyRevoked(at=at, kid=worlds.RECEIPT_KEY.kid, revoked=ended), *worlds.log_of(OLD)[3:]]


def ended_twice() -> list[leaves.Leaf]:
    return [
        *revocation(),
        leaves.ReceiptRevoked(at=NEW.issued_at.replace(day=7), serial=OLD.serial, reason=leaves.RevocationReason.REQUESTED),
    ]


@pytest.mark.parametrize(
    "make,expected",
    [
        (same_events_again, [Problem.EVENTS_DUPLICATE]),
        (no_events_twice, []),
        (allocated_twice, [Problem.ALLOCATIONS_OVERLAP]),
        (beyond_the_lot, [Problem.LOT_EXCEEDED]),
        (lambda: without(worlds.log_of(OLD), leaves.LotImported), [Problem.LOT_UNKNOWN, Problem.LOT_UNKNOWN]),
        (lambda: [*worlds.beginning(), worlds.lot("other", 100, 120)], [Problem.LOTS_OVERLAP]),
        (lambda: [*worlds.beginning(), worlds.lot("other", 1, 200)], [Problem.LOTS_OVERLAP]),
        (lambda: [*worlds.beginning(), worlds.lot("other", 50, 50)], [Problem.LOTS_OVERLAP]),
        (lambda: [*worlds.beginning(), worlds.lot("12082-1-100-VCS-VCU-304", 300, 400)], [Problem.LOTS_OVERLAP]),
        (lambda: [*worlds.beginning(), worlds.lot("other", 1, 100, block_prefix="12083")], []),
        (lambda: [*worlds.beginning(), worlds.lot("other", 101, 101)], []),
        (lambda: [*worlds.log_of(OLD), leaves.of_receipt(OLD)], [Problem.SERIAL_DUPLICATE]),
        (lambda: worlds.log_of(OLD)[:-1], [Problem.ALLOCATION_WITHOUT_RECEIPT]),
        (lambda: [*worlds.log_of(OLD), worlds.made(worlds.allocation(9_000_000, 9_000_001), OLD.serial)], [Problem.ALLOCATION_TOO_LATE]),
        (lambda: [*worlds.log_of(OLD), worlds.released(OLD.allocations[0], OLD.serial)], [Problem.RELEASED_FROM_STANDING]),
        (lambda: [*worlds.log_of(OLD), worlds.released(worlds.allocation(1, 2), OLD.serial)], [Problem.ALLOCATION_UNKNOWN]),
        (lambda: [*worlds.log_of(OLD), worlds.released(OLD.allocations[0], NEW.serial)], [Problem.ALLOCATION_UNKNOWN]),
        (lambda: without(revocation(), leaves.AllocationReleased), [Problem.NOT_RELEASED]),
        (lambda: moved_last(revocation(), leaves.AllocationReleased), [Problem.NOT_RELEASED]),  # released after it ended
        (lambda: without(superseded(), leaves.AllocationReleased), [Problem.ALLOCATIONS_OVERLAP, Problem.NOT_RELEASED]),
        (unsaid, [Problem.RELEASED_FROM_STANDING, Problem.SUPERSEDING_UNSAID]),
        (other_superseding, [Problem.SUPERSEDING_UNSAID]),
        (ended_twice, [Problem.RECEIPT_ENDED_TWICE]),
        (
            lambda: [*worlds.beginning(), leaves.ReceiptSuperseded(at=worlds.ISSUED, serial=worlds.serial(3), by=worlds.serial(4))],
            [Problem.RECEIPT_UNKNOWN],
        ),
        (late_receipt, [Problem.KEY_NOT_VALID]),
        (key_ended_by_rotation, [Problem.KEY_NOT_VALID]),
        (key_revoked, [Problem.KEY_NOT_VALID]),
        (lambda: worlds.log_of(worlds.receipt(kid=ROTATED.kid)), [Problem.KEY_UNKNOWN]),
        (lambda: worlds.log_of(worlds.receipt(kid=worlds.LOG_KEY.kid)), [Problem.KEY_UNKNOWN]),
        (unvouched, [Problem.KEY_UNVOUCHED]),
        (lambda: [*worlds.beginning(), rotation(signature=rotation().old_signature)], [Problem.SIGNATURE_INVALID]),
        (lambda: [*worlds.beginning(), rotation(old_signature=rotation().signature)], [Problem.SIGNATURE_INVALID]),
        (lambda: [*worlds.beginning(), rotation(old_exp=1)], [Problem.SIGNATURE_INVALID, Problem.SIGNATURE_INVALID]),
        (
            lambda: [*worlds.beginning(), worlds.lot("12084", 1, 2, block_prefix="12084", at=datetime(2026, 1, 31, tzinfo=UTC))],
            [Problem.TIME_REVERSED],
        ),
    ],
)
def test_each_broken_rule_is_found_and_nothing_else(make: Callable[[], list[leaves.Leaf]], expected: list[Problem]) -> None:
    assert sorted(problems(make()), key=str) == sorted(expected, key=str)


def test_findings_say_at_which_leaf() -> None:
    log = same_events_again()
    [finding] = audit.audit(map(leaves.content, log), [], origin=worlds.ORIGIN)
    assert finding.leaf == len(log) - 1
    assert OLD.serial in finding.text


def test_rewritten_history_is_found_by_any_checkpoint_kept_from_before() -> None:
    log = superseded()
    kept = worlds.signed_checkpoint(log[:5])
    assert problems(log, kept, worlds.signed_checkpoint(log)) == []
    rewritten = [*log[:2], worlds.lot(beneficiary="Somebody else"), *log[3:]]
    assert problems(rewritten, kept, worlds.signed_checkpoint(rewritten)) == [Problem.HISTORY_REWRITTEN]
    assert problems(log[:4], kept) == [Problem.LEAVES_MISSING, Problem.ALLOCATION_WITHOUT_RECEIPT]


def test_a_checkpoint_that_nobody_known_signed_is_found() -> None:
    log = superseded()
    root = merkle.tree_root(map(leaves.leaf_hash, log))
    assert problems(log, checkpoint.Checkpoint(worlds.ORIGIN, len(log), root).signed(ROTATED_PUBLIC, ROTATED_SIGN)) == [
        Problem.CHECKPOINT_INVALID
    ]
    assert problems(log, "no note") == [Problem.CHECKPOINT_INVALID]
    found = audit.audit(map(leaves.content, log), [worlds.signed_checkpoint(log)], origin="other.example/log")
    assert [finding.problem for finding in found] == [Problem.CHECKPOINT_INVALID]


@given(st.binary(max_size=100))
def test_what_is_no_leaf_is_a_finding_and_the_audit_goes_on(content: bytes) -> None:
    log = [*map(leaves.content, worlds.beginning()), content, leaves.content(worlds.lot("other", 1, 1))]
    found = audit.audit(log, [], origin=worlds.ORIGIN)
    assert [finding.problem for finding in found] == [Problem.LEAF_UNREADABLE, Problem.LOTS_OVERLAP]


EVERY_KIND = {leaves.word_of(leaf): leaf for leaf in [*superseded(), *revocation(), *rotated(), *key_revoked()]}


@pytest.mark.parametrize("leaf", EVERY_KIND.values(), ids=EVERY_KIND)
def test_a_leaf_is_read_as_it_was_written(leaf: leaves.Leaf) -> None:
    assert len(EVERY_KIND) == 9
    assert leaves.parse(leaves.content(leaf)) == leaf
    assert leaves.leaf_hash(leaf) == merkle.leaf_hash(leaves.content(leaf))
    with pytest.raises(errors.ProofError):
        leaves.parse(leaves.content(leaf).replace(b'"leaf":', b'"more":1,"leaf":'))
    with pytest.raises(errors.ProofError):
        leaves.parse(leaves.content(leaf).replace(b"carbon-ledger/log/v1", b"carbon-ledger/log/v2"))


@pytest.mark.parametrize(
    "changes", [{"begin": 5, "end": 4}, {"quantity_mg": 100 * 10**9 + 1}, {"retired_on": datetime(2026, 2, 2, tzinfo=UTC).date()}]
)
def test_a_lot_that_is_reversed_too_much_or_retired_in_the_future_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(errors.StatementInvalid):
        worlds.lot(**changes)


def test_leaves_of_receipts_name_no_organization_and_no_usage() -> None:
    public = b"".join(map(leaves.content, superseded()))
    for private in (OLD.organization, "1200000", str(worlds.PROJECT), "Support bot", "4500000003"):
        assert private.encode() not in public
