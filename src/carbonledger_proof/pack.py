"""Verifies an audit pack offline: the zip file byte for byte, its manifest's seal, every file's hash, the receipts inside, the log.

A pack may be of any size: it is read through ``archive.Read``, a stretch at a time, and never whole. Nothing here raises for bad input:
what is wrong is a failed check. That the figures follow from the events is what ``recompute.py`` in the pack computes, not this.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from carbonledger_proof import archive, bundle, canonical, checkpoint, errors, keys, manifest, merkle, pdf, shape, statement, verify
from carbonledger_proof.manifest import Manifest

CHECKS = ("archive", "format", "seal", "files", "receipts", "log")
MAGIC = b"PK"
RECOMPUTE = "recompute.py"
KEYS, CHECKPOINT, EARLIER, CONSISTENCY = "log/jwks.json", "log/checkpoint", "log/checkpoint-before", "log/consistency.json"
CONSISTENCY_SCHEMA = "carbon-ledger/consistency/v1"
FROM_PACK = (
    "The keys came with the pack. This shows that nothing in it was changed since whoever holds those keys made it, not who that is: "
    "compare the key below with the issuer's own list at /.well-known/jwks.json, or verify with that list."
)
FIGURES = f"That the figures follow from the events is not checked here: unzip the pack and run `python3 {RECOMPUTE}` in it."
TEST = "This is a TEST pack, of a sandbox: it is about no real usage and no real credits."
_OF_RECEIPT = (manifest.STATEMENT, manifest.BUNDLE, manifest.PAGE)
_CHUNK = 1 << 20
_NOTE_BYTES_MAX = 64 * 1024
_NOT_REACHED = "Not checked, because what comes before does not hold."


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """That the log of ``new`` leaves only adds to that of ``old``; no proof where there is no earlier checkpoint (``old`` 0)."""

    old: int
    new: int
    path: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Return the file."""
        return canonical.write(_CONSISTENCY.write(self))


def _hash(value: canonical.Json) -> bytes:
    return bytes.fromhex(shape.hash_hex().read(value))


_CONSISTENCY = shape.record(
    Consistency,
    {"schema": CONSISTENCY_SCHEMA},
    old=shape.integer(0),
    new=shape.integer(1),
    path=shape.array(shape.Shape(_hash, bytes.hex), most=128),
)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A pack whose archive could be read."""

    read_at: archive.Read
    plan: archive.Plan
    places: Mapping[str, int]

    def content(self, name: str, *, at_most: int) -> bytes:
        """Return a file whole. Raises ``PackInvalid`` if it is not there, or larger."""
        place = self.places.get(name)
        if place is None:
            raise errors.PackInvalid(f"There is no {name}.")
        entry = self.plan.entries[place]
        if entry.size > at_most:
            raise errors.PackInvalid(f"{name} is larger than {at_most} bytes.")
        return self.read_at(self.plan.starts[place], entry.size)

    def hashed(self, name: str) -> str:
        """Return the SHA-256 of a file in hex. Raises ``PackInvalid`` if its checksum is not what the archive says."""
        place = self.places[name]
        entry, start = self.plan.entries[place], self.plan.starts[place]
        sha256, crc32 = hashlib.sha256(), 0
        for at in range(0, entry.size, _CHUNK):
            piece = self.read_at(start + at, min(_CHUNK, entry.size - at))
            sha256.update(piece)
            crc32 = zlib.crc32(piece, crc32)
        if crc32 != entry.crc32:
            raise errors.PackInvalid(f"{name} was changed: its checksum in the archive does not fit.")
        return sha256.hexdigest()


def check(read_at: archive.Read, size: int, *, trusted_keys: keys.KeySet | None = None) -> verify.Report:
    """Check a pack of ``size`` bytes. ``trusted_keys`` are the issuer's, got another way; None: those in the pack, and it says so."""
    try:
        plan = archive.read(read_at, size)
    except errors.ProofError as error:
        return _unread("archive", str(error), trusted_keys)
    opened = _Opened(read_at, plan, {entry.name: place for place, entry in enumerate(plan.entries)})
    whole = verify.Check(
        "archive", ok=True, text=f"{len(plan.entries)} files, {size:,} bytes, written as an audit pack is and in no other way."
    )
    try:
        data = opened.content(manifest.FILE_NAME, at_most=canonical.BYTES_MAX)
        said = manifest.read(data)
    except errors.ProofError as error:
        return _unread("format", str(error), trusted_keys, whole)
    known = trusted_keys if trusted_keys is not None else said.keys
    checks = (
        whole,
        verify.Check("format", ok=True, text=f"{'TEST audit' if said.test else 'Audit'} pack {said.number} for {said.period.month}."),
        _check("seal", lambda: _seal(data, said, known)),
        _check("files", lambda: _files(opened, said)),
        _check("receipts", lambda: _receipts(opened, said, known)),
        _check("log", lambda: _log(opened, said, known)),
    )
    return verify.Report(checks, _trust(said, trusted_keys), manifest=said)


def in_memory(data: bytes, *, trusted_keys: keys.KeySet | None = None) -> verify.Report:
    """Check a pack that is here as a whole."""
    return check(lambda offset, length: data[offset : offset + length], len(data), trusted_keys=trusted_keys)


def receipts_inside(data: bytes) -> int:
    """Return how many pages of receipts a pack holds, which is what checking it takes; 0 for what is no pack."""
    try:
        plan = archive.read(lambda offset, length: data[offset : offset + length], len(data))
    except errors.ProofError:
        return 0
    return sum(entry.name.endswith(f"/{manifest.PAGE}") for entry in plan.entries)


def _check(name: str, run: Callable[[], str]) -> verify.Check:
    try:
        return verify.Check(name, ok=True, text=run())
    except errors.ProofError as error:
        return verify.Check(name, ok=False, text=str(error))


def _seal(data: bytes, said: Manifest, known: keys.KeySet) -> str:
    manifest.check_seal(data, said, known)
    return f"Key {said.seal.kid} sealed the manifest at {said.made_at:%Y-%m-%d %H:%M:%S} UTC."


def _files(opened: _Opened, said: Manifest) -> str:
    names = [entry.name for entry in opened.plan.entries]
    if names != [manifest.FILE_NAME, *(file.name for file in said.files)]:
        strange = sorted({*names} ^ {manifest.FILE_NAME, *(file.name for file in said.files)})
        told = f": {', '.join(strange[:3])}" if strange else ", in their order"
        raise errors.PackInvalid(f"Its files are not those of the manifest{told}.")
    opened.hashed(manifest.FILE_NAME)
    for file in said.files:
        if opened.plan.entries[opened.places[file.name]].size != file.size or opened.hashed(file.name) != file.sha256:
            raise errors.PackInvalid(f"{file.name} is not the file that the manifest names.")
    return f"All {len(said.files)} files are there, each with the SHA-256 that the manifest names, and no other."


def _receipts(opened: _Opened, said: Manifest, known: keys.KeySet) -> str:
    expected = {f"{manifest.folder(one.serial)}/{name}" for one in said.receipts for name in _OF_RECEIPT}
    if {name for name in opened.places if name.startswith("receipts/")} != expected:
        raise errors.PackInvalid("The receipts inside are not those of the manifest.")
    for one in said.receipts:
        for name, most in ((manifest.BUNDLE, canonical.BYTES_MAX), (manifest.PAGE, pdf.BYTES_MAX)):
            report = verify.file(opened.content(f"{manifest.folder(one.serial)}/{name}", at_most=most), trusted_keys=known)
            receipt = _hold(report, one, said, name)
            written = opened.content(f"{manifest.folder(one.serial)}/{manifest.STATEMENT}", at_most=canonical.BYTES_MAX)
            if written != canonical.write(receipt.to_json()):
                raise errors.PackInvalid(f"{manifest.STATEMENT} of {one.serial} is not what its {name} holds.")
    standing = sum(one.state is bundle.State.VALID for one in said.receipts)
    if not said.receipts:
        return "The month has no receipt."
    return f"{len(said.receipts)} of the month, {standing} standing; bundles and pages verify, and say so."


def _hold(report: verify.Report, one: manifest.Stated, said: Manifest, name: str) -> statement.Receipt:
    """Return the receipt of a file. Raises ``PackInvalid`` unless it verifies, but for that it ended, and is of this pack."""
    wrong = next((check for check in report.checks if not check.ok and check.name != "status"), None)
    found = report.bundle
    if wrong is not None or found is None:
        raise errors.PackInvalid(f"{name} of {one.serial} does not verify: {'' if wrong is None else wrong.text}")
    receipt = found.receipt
    told = (receipt.serial, receipt.issuer, receipt.organization, receipt.period, receipt.events, receipt.test, found.status.state)
    if told != (one.serial, said.issuer, said.organization, said.period, said.events, said.test, one.state):
        raise errors.PackInvalid(f"{name} of {one.serial} is of another pack, or stands otherwise than the manifest says.")
    return receipt


def _log(opened: _Opened, said: Manifest, known: keys.KeySet) -> str:
    usable = [key.public for key in known.of(keys.Purpose.LOG) if not key.is_compromised]
    proof = _CONSISTENCY.read(canonical.read_canonical(opened.content(CONSISTENCY, at_most=_NOTE_BYTES_MAX)))
    new, _ = checkpoint.verified(opened.content(CHECKPOINT, at_most=_NOTE_BYTES_MAX), origin=said.issuer, keys=usable)
    if proof.new != new.size:
        raise errors.MerkleInvalid(f"The proof is for a log of {proof.new} leaves, the checkpoint for one of {new.size}.")
    if (EARLIER in opened.places) != (proof.old > 0):
        raise errors.MerkleInvalid("The earlier checkpoint and its proof are there together, or neither.")
    if not proof.old:
        return f"The log signed its state of {new.size:,} leaves; it is the first that a pack of this organization names."
    old, _ = checkpoint.verified(opened.content(EARLIER, at_most=_NOTE_BYTES_MAX), origin=said.issuer, keys=usable)
    if proof.old != old.size:
        raise errors.MerkleInvalid(f"The proof begins at {proof.old} leaves, the earlier checkpoint is of {old.size}.")
    merkle.verify_consistency(first=old.size, second=new.size, first_root=old.root, second_root=new.root, proof=proof.path)
    return f"The log of {new.size:,} leaves only adds to that of {old.size:,}, which an earlier pack names."


def _trust(said: Manifest, trusted: keys.KeySet | None) -> tuple[str, ...]:
    told = (verify.PINNED_PACK if trusted is not None else f"{FROM_PACK} Key: {said.seal.kid}.", verify.LIMITS, FIGURES)
    return (TEST, *told) if said.test else told


def _unread(name: str, problem: str, trusted: keys.KeySet | None, *before: verify.Check) -> verify.Report:
    def rest() -> Iterator[verify.Check]:
        for other in CHECKS[CHECKS.index(name) + 1 :]:
            yield verify.Check(other, ok=False, text=_NOT_REACHED)

    failed = verify.Check(name, ok=False, text=problem)
    return verify.Report((*before, failed, *rest()), (verify.PINNED_PACK if trusted is not None else FROM_PACK, verify.LIMITS))
