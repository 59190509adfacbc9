"""A bundle verifies offline as a whole or not at all: any byte changed, and any part exchanged for another, fails a named check."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbonledger_proof import bundle, canonical, checkpoint, keys, leaves, merkle, signature, verify
from tests.unit.proof import worlds

WORLD = worlds.world()
FILE = WORLD.bundled().encode()
EVENT_FILE = WORLD.event_proof().encode()
OTHER_PUBLIC, OTHER_SIGN = signature.signer(b"\x09" * 32)


def failed(report: verify.Report) -> list[str]:
    return [check.name for check in report.checks if not check.ok]


def test_a_bundle_verifies_and_says_what_was_checked_and_what_trust_remains() -> None:
    report = verify.bundle(FILE)
    assert report.ok
    assert [check.name for check in report.checks] == list(verify.CHECKS)
    assert report.receipt == WORLD.receipt
    assert worlds.RECEIPT_KEY.kid in report.trust[0]
    assert "jwks.json" in report.trust[0]
    pinned = verify.bundle(FILE, trusted_keys=worlds.KEYS)
    assert pinned.ok
    assert "those you gave" in pinned.trust[0]


def test_every_byte_of_a_bundle_counts() -> None:
    survivors = []
    for place in range(len(FILE)):
        changed = bytearray(FILE)
        changed[place] ^= 1 << place % 8
        if verify.bundle(bytes(changed)).ok:
            survivors.append(place)
    assert not survivors


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(FILE) - 1), st.integers(0, 255), st.booleans())
def test_no_byte_can_be_exchanged_removed_or_doubled(place: int, byte: int, removes: bool) -> None:
    exchanged = FILE[:place] + bytes((byte,)) + FILE[place + 1 :]
    assert not verify.bundle(exchanged).ok or exchanged == FILE
    assert not verify.bundle(FILE[:place] + FILE[place + (1 if removes else -1) :] if place else FILE[1:]).ok
    assert not verify.bundle(FILE[:place]).ok


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(EVENT_FILE) - 1), st.integers(0, 255))
def test_no_byte_of_an_event_s_proof_can_be_exchanged(place: int, byte: int) -> None:
    exchanged = EVENT_FILE[:place] + bytes((byte,)) + EVENT_FILE[place + 1 :]
    assert not verify.event_proof(exchanged).ok or exchanged == EVENT_FILE


@given(st.binary(max_size=300))
def test_bad_input_is_a_failed_check_and_never_an_error(data: bytes) -> None:
    for check in (verify.bundle, verify.event_proof, verify.document, verify.file):
        report = check(data)
        assert not report.ok
        assert failed(report)


def members(value: object, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every member and item of a document."""
    inner: list[tuple[Any, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [*([at] if at else []), *(place for name, member in inner for place in members(member, (*at, name)))]


PLACES = members(json.loads(FILE))


@pytest.mark.parametrize("replacement", [None, 0, -1, 1.5, "x", [], {}, True])
def test_every_member_exchanged_for_another_kind_is_a_failed_check(replacement: object) -> None:
    for place in PLACES:
        document = json.loads(FILE)
        inner = document
        for name in place[:-1]:
            inner = inner[name]
        if inner[place[-1]] == replacement and type(inner[place[-1]]) is type(replacement):
            continue
        inner[place[-1]] = replacement
        data = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
        assert not verify.bundle(data).ok, place


@pytest.mark.parametrize(
    "data",
    [b"", b"[" * 100_000, b"{}", b"null", b'{"schema":"carbon-ledger/bundle/v1"}', FILE + b"\n", b" " + FILE, b"\xef\xbb\xbf" + FILE],
)
def test_what_is_no_bundle_says_so(data: bytes) -> None:
    report = verify.bundle(data)
    assert failed(report) == list(verify.CHECKS)
    assert report.bundle is None


def changed_receipt() -> bundle.Bundle:
    """Another receipt under the first one's signature, sealed again by the true key."""
    other = worlds.world(serial=worlds.serial(1))
    return WORLD.bundled(receipt=other.receipt)


def of_another_size() -> bundle.Bundle:
    place = WORLD.bundled().inclusion
    return WORLD.bundled(inclusion=dataclasses.replace(place, size=place.size + 1))


def at_another_index() -> bundle.Bundle:
    place = WORLD.bundled().inclusion
    return WORLD.bundled(inclusion=dataclasses.replace(place, index=place.index - 1))


def too_long() -> bundle.Bundle:
    place = WORLD.bundled().inclusion
    return WORLD.bundled(inclusion=dataclasses.replace(place, path=(*place.path, place.path[0])))


def too_short() -> bundle.Bundle:
    place = WORLD.bundled().inclusion
    return WORLD.bundled(inclusion=dataclasses.replace(place, path=place.path[:-1]))


def another_root() -> bundle.Bundle:
    rewritten = [*WORLD.log[:-1], worlds.lot("12082-201-300-VCS-VCU-304", 201, 300)]
    return WORLD.bundled(checkpoint=worlds.signed_checkpoint(rewritten))


def another_log_s_key() -> bundle.Bundle:
    root = merkle.tree_root(map(leaves.leaf_hash, WORLD.log))
    return WORLD.bundled(checkpoint=checkpoint.Checkpoint(worlds.ORIGIN, len(WORLD.log), root).signed(OTHER_PUBLIC, OTHER_SIGN))


def another_log() -> bundle.Bundle:
    root = merkle.tree_root(map(leaves.leaf_hash, WORLD.log))
    return WORLD.bundled(
        checkpoint=checkpoint.Checkpoint("other.example/log", len(WORLD.log), root).signed(worlds.LOG_PUBLIC, worlds.LOG_SIGN)
    )


def a_checkpoint_by_the_receipts_key() -> bundle.Bundle:
    root = merkle.tree_root(map(leaves.leaf_hash, WORLD.log))
    return WORLD.bundled(
        checkpoint=checkpoint.Checkpoint(worlds.ORIGIN, len(WORLD.log), root).signed(worlds.RECEIPT_PUBLIC, worlds.RECEIPT_SIGN)
    )


def signed_as_another_kind() -> bundle.Bundle:
    return WORLD.bundled(signature=signature.sign(signature.BUNDLE, WORLD.receipt.to_json(), worlds.RECEIPT_SIGN))


def signed_by_another_key() -> bundle.Bundle:
    return WORLD.bundled(signature=signature.sign(signature.RECEIPT, WORLD.receipt.to_json(), OTHER_SIGN))


@pytest.mark.parametrize(
    "make,names",
    [
        (changed_receipt, ["signature", "log"]),
        (of_another_size, ["log"]),
        (at_another_index, ["log"]),
        (too_long, ["log"]),
        (too_short, ["log"]),
        (another_root, ["log"]),
        (another_log_s_key, ["checkpoint", "log"]),
        (another_log, ["checkpoint", "log"]),
        (a_checkpoint_by_the_receipts_key, ["checkpoint", "log"]),
        (signed_as_another_kind, ["signature"]),
        (signed_by_another_key, ["signature"]),
        (lambda: WORLD.bundled(made_at=worlds.ISSUED.replace(day=2)), ["seal"]),
        (lambda: WORLD.bundled(made_at=datetime(2027, 2, 1, tzinfo=UTC)), ["seal"]),  # the key ended with the year
        (lambda: WORLD.bundled(status=bundle.Status(state=bundle.State.REVOKED)), ["status"]),
        (lambda: WORLD.bundled(status=bundle.Status(state=bundle.State.SUPERSEDED, by=worlds.serial(7))), ["status"]),
    ],
)
def test_a_part_that_does_not_belong_fails_its_check_though_the_seal_is_true(make: Callable[[], bundle.Bundle], names: list[str]) -> None:
    assert failed(verify.bundle(make().encode())) == names


def with_keys(*given: keys.Key) -> verify.Report:
    return verify.bundle(WORLD.bundled(keys=keys.KeySet(given)).encode())


def revoked(at: datetime, reason: keys.Reason, key: keys.Key = worlds.RECEIPT_KEY) -> keys.Key:
    return dataclasses.replace(key, revoked=keys.Revoked(revoked_at=int(at.timestamp()), reason=reason))


def test_a_receipt_is_judged_by_the_time_in_which_its_key_could_sign() -> None:
    after = datetime(2026, 12, 10, tzinfo=UTC)
    before = datetime(2026, 12, 1, tzinfo=UTC)
    retired = dataclasses.replace(worlds.RECEIPT_KEY, exp=int(after.timestamp()))
    assert with_keys(retired, worlds.LOG_KEY).ok
    ended = dataclasses.replace(worlds.RECEIPT_KEY, exp=int(worlds.ISSUED.timestamp()))
    assert failed(with_keys(ended, worlds.LOG_KEY)) == ["seal", "key"]
    later = dataclasses.replace(worlds.RECEIPT_KEY, nbf=int(worlds.ISSUED.timestamp()) + 1)
    assert failed(with_keys(later, worlds.LOG_KEY)) == ["key"]
    assert failed(with_keys(revoked(before, keys.Reason.COMPROMISED), worlds.LOG_KEY)) == ["seal", "key"]
    assert failed(with_keys(revoked(before, keys.Reason.SUPERSEDED), worlds.LOG_KEY)) == ["seal", "key"]
    told = with_keys(revoked(after, keys.Reason.COMPROMISED), worlds.LOG_KEY)
    assert told.ok
    assert "compromised" in told.checks[3].text


def test_a_checkpoint_by_a_compromised_key_of_the_log_proves_nothing() -> None:
    """A checkpoint has no time, so nobody can say that it is from before."""
    after = datetime(2026, 12, 10, tzinfo=UTC)
    assert failed(with_keys(worlds.RECEIPT_KEY, revoked(after, keys.Reason.COMPROMISED, worlds.LOG_KEY))) == ["checkpoint", "log"]
    retired = dataclasses.replace(worlds.LOG_KEY, exp=worlds.BEGIN + 1)
    assert with_keys(worlds.RECEIPT_KEY, retired).ok


def test_keys_that_are_unknown_or_for_something_else_verify_nothing() -> None:
    assert failed(with_keys(worlds.LOG_KEY)) == ["seal", "signature", "key"]
    assert failed(with_keys(worlds.RECEIPT_KEY)) == ["checkpoint", "log"]
    swapped = [
        dataclasses.replace(worlds.RECEIPT_KEY, purpose=keys.Purpose.LOG),
        dataclasses.replace(worlds.LOG_KEY, purpose=keys.Purpose.RECEIPTS),
    ]
    assert failed(with_keys(*swapped)) == ["seal", "signature", "key", "checkpoint", "log"]
    stranger = keys.Key(public=OTHER_PUBLIC, purpose=keys.Purpose.RECEIPTS, nbf=worlds.BEGIN)
    assert failed(verify.bundle(FILE, trusted_keys=keys.KeySet((stranger, worlds.LOG_KEY)))) == ["seal", "signature", "key"]


def test_whoever_makes_up_keys_is_found_out_by_the_issuer_s_own() -> None:
    """A bundle of somebody else's making holds in itself; the report says that this shows nothing of who made it."""
    forged_key = keys.Key(public=OTHER_PUBLIC, purpose=keys.Purpose.RECEIPTS, nbf=worlds.BEGIN)
    forged_log = dataclasses.replace(worlds.LOG_KEY, public=signature.signer(b"\x08" * 32)[0])
    receipt = worlds.receipt(kid=forged_key.kid)
    log = worlds.log_of(receipt)
    root = merkle.tree_root(map(leaves.leaf_hash, log))
    forged = bundle.make(
        receipt,
        signed=signature.sign(signature.RECEIPT, receipt.to_json(), OTHER_SIGN),
        inclusion=worlds.inclusion([leaves.leaf_hash(leaf) for leaf in log], len(log) - 1),
        checkpoint=checkpoint.Checkpoint(worlds.ORIGIN, len(log), root).signed(*signature.signer(b"\x08" * 32)),
        known=keys.KeySet((forged_key, forged_log)),
        status=bundle.Status(state=bundle.State.VALID),
        made_at=worlds.MADE,
        kid=forged_key.kid,
        sign=OTHER_SIGN,
    ).encode()
    report = verify.bundle(forged)
    assert report.ok
    assert forged_key.kid in report.trust[0]
    assert failed(verify.bundle(forged, trusted_keys=worlds.KEYS)) == ["seal", "signature", "key", "checkpoint", "log"]


def test_an_event_is_proven_inside_a_receipt_without_the_others() -> None:
    for index in range(3):
        data = WORLD.event_proof(index).encode()
        report = verify.event_proof(data)
        assert report.ok
        assert [check.name for check in report.checks] == [*verify.CHECKS, *verify.EVENT_CHECKS]
        for other in worlds.contents(worlds.events()):
            if canonical.read(other) != report.event:
                assert json.loads(other)["salt"].encode() not in data
        assert verify.file(data).ok


def test_an_event_that_is_not_inside_fails() -> None:
    proof = WORLD.event_proof()
    assert isinstance(proof.event, dict)
    for changed in (
        dataclasses.replace(proof, event={**proof.event, "requests": 2}),
        dataclasses.replace(proof, inclusion=dataclasses.replace(proof.inclusion, index=0)),
        dataclasses.replace(proof, inclusion=dataclasses.replace(proof.inclusion, size=4)),
        dataclasses.replace(proof, inclusion=dataclasses.replace(proof.inclusion, path=proof.inclusion.path[:-1])),
    ):
        assert failed(verify.event_proof(changed.encode())) == ["event in receipt"]
    missing = dataclasses.replace(proof, event={**proof.event, "more": 1})
    assert failed(verify.event_proof(missing.encode())) == ["event", "event in receipt"]


def test_a_leaf_of_the_log_is_never_taken_for_an_event_or_a_node() -> None:
    """The two hashes of a node, given as a leaf: RFC 6962 hashes leaves and nodes differently for this."""
    proof = WORLD.event_proof(0)
    assert isinstance(proof.event, dict)
    up = dataclasses.replace(proof, inclusion=dataclasses.replace(proof.inclusion, path=proof.inclusion.path[1:]))
    assert not verify.event_proof(up.encode()).ok
