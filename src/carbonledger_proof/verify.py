"""Verifies a bundle, or the proof of one event, offline: a list of named checks in words, and a verdict that needs all of them.

Nothing here raises for bad input: what is wrong is a failed check with its reason. It reads no clock; a bundle says how things stood when
it was made. What no check can show is said too: ``Report.trust``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from carbonledger_proof import bundle as bundles
from carbonledger_proof import canonical, checkpoint, errors, event, keys, leaves, merkle, pdf, signature, statement
from carbonledger_proof import manifest as manifests

FROM_BUNDLE = (
    "The keys came with the bundle. This shows that nothing in it was changed since whoever holds those keys made it, not who that is: "
    "compare the key below with the issuer's own list at /.well-known/jwks.json, or verify with that list."
)
PINNED = "The keys are those you gave, so that the receipt was signed by whoever you got them from."
PINNED_PACK = "The keys are those you gave, so that the pack was made by whoever you got them from."
LIMITS = "That the log shows everybody the same is for those who mirror it: see its checkpoints and audit it."
TEST = "This is a TEST receipt, issued to a sandbox: it is about no real usage, holds no real credits, and compensates nothing."
PAGE = "The figures to trust are those printed here; compare the page with them."


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked: its name, whether it holds, and what was found, in words."""

    name: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked. ``bundle`` or, of an audit pack, ``manifest`` is there if it could be read; without ``ok`` nothing in it is to be
    believed.
    """

    checks: tuple[Check, ...]
    trust: tuple[str, ...]
    bundle: bundles.Bundle | None = None
    event: canonical.Json = None
    manifest: manifests.Manifest | None = None

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def receipt(self) -> statement.Receipt | None:
        return None if self.bundle is None else self.bundle.receipt

    @property
    def is_test(self) -> bool:
        """Whether what was read is of a sandbox."""
        said = self.receipt or self.manifest
        return said is not None and said.test


CHECKS = ("format", "seal", "signature", "key", "checkpoint", "log", "status")
EVENT_CHECKS = ("event", "event in receipt")
_NOT_REACHED = "Not checked, because the file could not be read."


def bundle(data: bytes, *, trusted_keys: keys.KeySet | None = None) -> Report:
    """Check a bundle's file. ``trusted_keys`` are the issuer's, got another way; None: those in the bundle, and the report says so."""
    try:
        value = canonical.read(data)
        opened = bundles.BUNDLE.read(value)
        parts = bundles.parts_of(value)
        if bundles.joined(parts) != data:
            raise errors.JsonInvalid(canonical.NOT_CANONICAL)
    except errors.ProofError as error:
        return _unread(str(error), CHECKS, trusted_keys)
    return Report(tuple(_of_bundle(parts, opened, trusted_keys)), _trust(opened, trusted_keys), opened)


def event_proof(data: bytes, *, trusted_keys: keys.KeySet | None = None) -> Report:
    """Check the proof that an event is inside a receipt, and the receipt's bundle with it."""
    try:
        value = canonical.read_canonical(data)
        opened = bundles.EVENT_PROOF.read(value)
        parts = bundles.parts_of(value["bundle"] if isinstance(value, dict) else None)
    except errors.ProofError as error:
        return _unread(str(error), (*CHECKS, *EVENT_CHECKS), trusted_keys)
    checks = (*_of_bundle(parts, opened.bundle, trusted_keys), *_of_event(opened))
    return Report(checks, _trust(opened.bundle, trusted_keys), opened.bundle, opened.event)


def document(data: bytes, *, trusted_keys: keys.KeySet | None = None) -> Report:
    """Check a PDF: the bundle attached to it, and the seal over the PDF itself."""
    try:
        [content] = [attached.content for attached in pdf.attachments(data) if attached.name == bundles.FILE_NAME]
    except errors.ProofError as error:
        return _unread(str(error), ("page", *CHECKS), trusted_keys)
    except ValueError:
        return _unread(f"It holds no {bundles.FILE_NAME}, or more than one.", ("page", *CHECKS), trusted_keys)
    inside = bundle(content, trusted_keys=trusted_keys)
    if inside.bundle is None:
        return Report((Check("page", ok=False, text=_NOT_REACHED), *inside.checks), inside.trust)
    opened = inside.bundle
    known = trusted_keys or opened.keys
    page = _check("page", lambda: _page(data, opened, known))
    return Report((page, *inside.checks), (*inside.trust, PAGE), opened)


def file(data: bytes, *, trusted_keys: keys.KeySet | None = None) -> Report:
    """Check a file of any of these kinds, by what it begins with."""
    if data.startswith(b"%PDF-"):
        return document(data, trusted_keys=trusted_keys)
    if data.startswith(b'{"bundle":'):
        return event_proof(data, trusted_keys=trusted_keys)
    return bundle(data, trusted_keys=trusted_keys)


def _of_bundle(parts: Mapping[str, bytes], opened: bundles.Bundle, trusted: keys.KeySet | None) -> Iterator[Check]:
    known = opened.keys if trusted is None else trusted
    receipt = opened.receipt
    written = parts["receipt"]
    kind = "TEST receipt" if receipt.test else "Receipt"
    yield Check("format", ok=True, text=f"{kind} {receipt.serial} for {receipt.period.month}, complete and in canonical form.")
    yield _check("seal", lambda: _seal(parts, opened, known))
    yield _check("signature", lambda: _signature(opened, written, known))
    yield _check("key", lambda: _key(receipt, known))
    signed = _checkpoint(opened, known)
    yield _check("checkpoint", lambda: _log_signed(signed))
    yield _check("log", lambda: _log(opened, written, signed))
    yield _check("status", lambda: _status(opened))


def _check(name: str, run: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, text=run())
    except errors.ProofError as error:
        return Check(name, ok=False, text=str(error))


def _seal(parts: Mapping[str, bytes], opened: bundles.Bundle, known: keys.KeySet) -> str:
    key = known.get(opened.seal.kid, keys.Purpose.RECEIPTS)
    key.check(opened.made_at)
    signature.verify(bundles.SCHEMA, bundles.sealed_part(parts), opened.seal.signature, key.public)
    if opened.made_at < opened.receipt.issued_at:
        raise errors.StatementInvalid("The bundle was made before its receipt.")
    return f"Nothing in the bundle was changed since {_when(opened.made_at)}."


def _signature(opened: bundles.Bundle, written: bytes, known: keys.KeySet) -> str:
    key = known.get(opened.receipt.kid, keys.Purpose.RECEIPTS)
    signature.verify(signature.RECEIPT, written, opened.signature, key.public)
    return f"Key {key.kid} signed the receipt."


def _key(receipt: statement.Receipt, known: keys.KeySet) -> str:
    key = known.get(receipt.kid, keys.Purpose.RECEIPTS)
    key.check(receipt.issued_at)
    if key.is_compromised:
        return f"The key was compromised later than the receipt says it was issued ({key.window}); only its place in the log dates it."
    return f"The key may sign {key.window}, which covers {_when(receipt.issued_at)}."


def _checkpoint(opened: bundles.Bundle, known: keys.KeySet) -> checkpoint.Checkpoint | errors.NoteInvalid:
    usable = [key.public for key in known.of(keys.Purpose.LOG) if not key.is_compromised]
    try:
        return checkpoint.verified(opened.checkpoint, origin=opened.receipt.issuer, keys=usable)[0]
    except errors.NoteInvalid as error:
        return error


def _log_signed(signed: checkpoint.Checkpoint | errors.NoteInvalid) -> str:
    if isinstance(signed, errors.NoteInvalid):
        raise signed
    return f"The log {signed.origin} signed its state of {signed.size:,} leaves."


def _log(opened: bundles.Bundle, written: bytes, found: checkpoint.Checkpoint | errors.NoteInvalid) -> str:
    if isinstance(found, errors.NoteInvalid):
        raise errors.MerkleInvalid("Without a checkpoint there is no log to be in.")
    place = opened.inclusion
    if place.size != found.size:
        raise errors.MerkleInvalid(f"The proof is for a log of {place.size} leaves, the checkpoint for one of {found.size}.")
    leaf = leaves.leaf_hash(leaves.of_receipt(opened.receipt, sha256=hashlib.sha256(written).hexdigest()))
    merkle.verify_inclusion(leaf, index=place.index, size=place.size, proof=place.path, root=found.root)
    return f"The receipt is leaf {place.index:,} of the log."


def _status(opened: bundles.Bundle) -> str:
    when = _when(opened.made_at)
    if opened.status.state is bundles.State.SUPERSEDED:
        raise errors.StatementInvalid(f"The receipt was superseded by {opened.status.by} as of {when}.")
    if opened.status.state is bundles.State.REVOKED:
        raise errors.StatementInvalid(f"The receipt was revoked as of {when}.")
    return f"The receipt was neither superseded nor revoked as of {when}."


def _page(data: bytes, opened: bundles.Bundle, known: keys.KeySet) -> str:
    key = known.get(opened.seal.kid, keys.Purpose.RECEIPTS)
    pdf.verify(data, key.public)
    return "Nothing in the PDF was changed since it was made."


def _of_event(opened: bundles.EventProof) -> Iterator[Check]:
    yield _check("event", lambda: _event(opened))
    yield _check("event in receipt", lambda: _event_inside(opened))


def _event(opened: bundles.EventProof) -> str:
    found = event.read(opened.event)
    what = found["event"] or f"{found['provider']} {found['model']}"
    return f"Event {found['id']} of {_when(found['occurred_at'])}: {what}, revision {found['revision']}, {found['standing'].value}."


def _event_inside(opened: bundles.EventProof) -> str:
    events, place = opened.bundle.receipt.events, opened.inclusion
    if place.size != events.count:
        raise errors.MerkleInvalid(f"The proof is for {place.size} events, the receipt has {events.count}.")
    leaf = merkle.leaf_hash(canonical.write_known(opened.event))
    merkle.verify_inclusion(leaf, index=place.index, size=place.size, proof=place.path, root=bytes.fromhex(events.root))
    return f"It is one of the {events.count:,} events of receipt {opened.bundle.receipt.serial}."


def _trust(opened: bundles.Bundle, trusted: keys.KeySet | None) -> tuple[str, ...]:
    told = (PINNED if trusted is not None else f"{FROM_BUNDLE} Key: {opened.receipt.kid}.", LIMITS)
    return (TEST, *told) if opened.receipt.test else told


def _unread(problem: str, names: tuple[str, ...], trusted: keys.KeySet | None) -> Report:
    first = Check("format", ok=False, text=problem)
    rest = (Check(name, ok=False, text=_NOT_REACHED) for name in names if name != "format")
    return Report((first, *rest), (PINNED if trusted is not None else FROM_BUNDLE, LIMITS))


def _when(moment: object) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
