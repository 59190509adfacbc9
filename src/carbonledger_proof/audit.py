"""Audits a public log: replays all its leaves and says what is wrong with it. Pure; fetching the log is the caller's affair.

What is right is this order. A key is published before it signs. A lot is imported before anything of it is allocated, and no two lots share
units. An allocation lies inside its lot and meets no other that stands. A receipt is issued once, by a key that may sign then; no other
receipt that stands has the same events. When a receipt is superseded or revoked, everything allocated to it was released before; what
stands keeps what it was given.
"""

from __future__ import annotations

import bisect
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from carbonledger_proof import canonical, checkpoint, errors, keys, leaves, merkle, note, signature


class Problem(enum.Enum):
    """What can be wrong with a log."""

    LEAF_UNREADABLE = "leaf_unreadable"
    TIME_REVERSED = "time_reversed"
    CHECKPOINT_INVALID = "checkpoint_invalid"  # no known key of the log signed it
    HISTORY_REWRITTEN = "history_rewritten"  # the leaves lead to another root than a signed checkpoint says
    LEAVES_MISSING = "leaves_missing"  # a checkpoint is of more leaves than there are
    LOTS_OVERLAP = "lots_overlap"
    LOT_UNKNOWN = "lot_unknown"
    LOT_EXCEEDED = "lot_exceeded"
    ALLOCATIONS_OVERLAP = "allocations_overlap"
    ALLOCATION_UNKNOWN = "allocation_unknown"  # released without having been made
    ALLOCATION_TOO_LATE = "allocation_too_late"  # made for a receipt that stood already, or stands no more
    ALLOCATION_WITHOUT_RECEIPT = "allocation_without_receipt"
    RELEASED_FROM_STANDING = "released_from_standing"
    NOT_RELEASED = "not_released"  # a receipt ended, and credits are still allocated to it
    SERIAL_DUPLICATE = "serial_duplicate"
    RECEIPT_UNKNOWN = "receipt_unknown"
    RECEIPT_ENDED_TWICE = "receipt_ended_twice"
    SUPERSEDING_UNSAID = "superseding_unsaid"  # one of two receipts says that it replaces the other, the log does not, or the other way
    EVENTS_DUPLICATE = "events_duplicate"  # two standing receipts over the same events
    KEY_UNKNOWN = "key_unknown"
    KEY_NOT_VALID = "key_not_valid"
    KEY_UNVOUCHED = "key_unvouched"  # a later key of a purpose that no earlier one signed
    SIGNATURE_INVALID = "signature_invalid"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, at which leaf (None: not at one), in words."""

    problem: Problem
    leaf: int | None
    text: str


Interval = tuple[int, int]


@dataclass(slots=True)
class _Spans:
    """Half-open intervals that were taken: those that met none when they came, ascending, and those that did."""

    apart: list[Interval] = field(default_factory=list)
    doubled: list[Interval] = field(default_factory=list)

    def take(self, span: Interval) -> bool:
        """Add an interval, and say whether it meets none of the others."""
        begin, end = span
        place = bisect.bisect_left(self.apart, span)
        is_apart = (place == 0 or self.apart[place - 1][1] <= begin) and (place == len(self.apart) or end <= self.apart[place][0])
        if is_apart:
            self.apart.insert(place, span)
            return not any(begin < other_end and other_begin < end for other_begin, other_end in self.doubled)
        self.doubled.append(span)
        return False

    def give_back(self, span: Interval) -> None:
        """Remove an interval that was taken."""
        (self.doubled if span in self.doubled else self.apart).remove(span)


@dataclass(slots=True)
class _Receipt:
    leaf: leaves.ReceiptIssued
    index: int
    is_standing: bool = True
    superseded_by: str | None = None


@dataclass(slots=True)
class _Log:
    """What the leaves so far come to."""

    findings: list[Finding] = field(default_factory=list)
    index: int = 0
    keys: dict[str, keys.Key] = field(default_factory=dict)
    lots: dict[tuple[str, str], leaves.LotImported] = field(default_factory=dict)
    units: dict[tuple[str, str], _Spans] = field(default_factory=dict)  # of (registry, prefix)
    allocated: dict[tuple[str, str], _Spans] = field(default_factory=dict)  # of (registry, block)
    held: dict[str, dict[tuple[str, str, int, int], int]] = field(default_factory=dict)  # of a serial: what, made at which leaf
    receipts: dict[str, _Receipt] = field(default_factory=dict)
    standing: dict[str, str] = field(default_factory=dict)  # root of events -> serial
    released: dict[str, int] = field(default_factory=dict)  # serial -> leaf of its last release

    def find(self, problem: Problem, text: str, leaf: int | None = None) -> None:
        self.findings.append(Finding(problem, self.index if leaf is None else leaf, text))


def audit(contents: Iterable[bytes], checkpoints: Sequence[str], *, origin: str, trusted_keys: keys.KeySet | None = None) -> list[Finding]:
    """Return what is wrong with a log, in the order of the leaves, checkpoints first; nothing if all is right.

    ``contents`` are the bytes of all leaves, in order; ``checkpoints`` signed notes, the one that leads here among them. ``trusted_keys``
    are the log's, got another way; None: those that the log itself publishes.
    """
    log = _Log()
    opened = [_opened(log, text) for text in checkpoints]
    wanted = {found.size for found in opened if found is not None}
    roots = {0: merkle.EMPTY_ROOT} if 0 in wanted else {}
    edge, last = merkle.Frontier(), None
    for content in contents:
        edge = edge.extended([merkle.leaf_hash(content)])
        if edge.size in wanted:
            roots[edge.size] = edge.root()
        leaf = _parsed(log, content)
        if leaf is not None:
            if last is not None and leaf.at < last:
                log.find(Problem.TIME_REVERSED, f"It says {leaf.at}, after a leaf of {last}.")
            last = leaf.at
            _replay(log, leaf)
        log.index += 1
    _close(log)
    known = trusted_keys or keys.KeySet(tuple(log.keys.values()))
    for text, found in zip(checkpoints, opened, strict=True):
        if found is not None:
            _check_signed(log, text, origin, known)
            _compare(log, found, roots.get(found.size))
    return sorted(log.findings, key=lambda finding: -1 if finding.leaf is None else finding.leaf)


def _opened(log: _Log, text: str) -> checkpoint.Checkpoint | None:
    try:
        return checkpoint.parse(note.parse(text).text)
    except errors.NoteInvalid as error:
        log.findings.append(Finding(Problem.CHECKPOINT_INVALID, None, str(error)))
        return None


def _compare(log: _Log, found: checkpoint.Checkpoint, root: bytes | None) -> None:
    if root is None:
        text = f"A checkpoint is of {found.size} leaves, there are {log.index}."
        log.findings.append(Finding(Problem.LEAVES_MISSING, None, text))
    elif root != found.root:
        text = f"The first {found.size} leaves are not those that the log signed."
        log.findings.append(Finding(Problem.HISTORY_REWRITTEN, None, text))


def _check_signed(log: _Log, text: str, origin: str, known: keys.KeySet) -> None:
    try:
        checkpoint.verified(text, origin=origin, keys=[key.public for key in known.of(keys.Purpose.LOG)])
    except errors.NoteInvalid as error:
        log.findings.append(Finding(Problem.CHECKPOINT_INVALID, None, f"A checkpoint: {error}"))


def _parsed(log: _Log, content: bytes) -> leaves.Leaf | None:
    try:
        return leaves.parse(content)
    except errors.ProofError as error:
        log.find(Problem.LEAF_UNREADABLE, str(error))
        return None


def _replay(log: _Log, leaf: leaves.Leaf) -> None:
    match leaf:
        case leaves.LotImported():
            _lot(log, leaf)
        case leaves.AllocationReleased():
            _release(log, leaf)
        case leaves.AllocationMade():
            _allocate(log, leaf)
        case leaves.KeyPublished() | leaves.KeyRotated():
            _key(log, leaf)
        case leaves.KeyRevoked():
            _revoke_key(log, leaf)
        case leaves.ReceiptIssued():
            _issue(log, leaf)
        case leaves.ReceiptSuperseded():
            _end(log, leaf.serial, by=leaf.by)
        case leaves.ReceiptRevoked():
            _end(log, leaf.serial, by=None)


def _lot(log: _Log, leaf: leaves.LotImported) -> None:
    taken = log.units.setdefault((leaf.registry, leaf.block_prefix), _Spans())
    if not taken.take((leaf.block_start, leaf.block_end + 1)) or (leaf.registry, leaf.block) in log.lots:
        log.find(Problem.LOTS_OVERLAP, f"Units of {leaf.block} were imported before.")
    log.lots.setdefault((leaf.registry, leaf.block), leaf)


def _allocate(log: _Log, leaf: leaves.AllocationMade) -> None:
    block, span = (leaf.registry, leaf.block), (leaf.from_mg, leaf.to_mg)
    lot = log.lots.get(block)
    if lot is None:
        log.find(Problem.LOT_UNKNOWN, f"{leaf.block} was never imported.")
    elif leaf.to_mg > lot.quantity_mg:
        log.find(Problem.LOT_EXCEEDED, f"{leaf.block} has {lot.quantity_mg} mg, and is allocated up to {leaf.to_mg}.")
    if not log.allocated.setdefault(block, _Spans()).take(span):
        log.find(Problem.ALLOCATIONS_OVERLAP, f"A part of {leaf.block} from {leaf.from_mg} to {leaf.to_mg} mg is allocated already.")
    if leaf.serial in log.receipts:
        log.find(Problem.ALLOCATION_TOO_LATE, f"Receipt {leaf.serial} was issued before this was allocated to it.")
    log.held.setdefault(leaf.serial, {})[(*block, *span)] = log.index


def _release(log: _Log, leaf: leaves.AllocationReleased) -> None:
    made = log.held.get(leaf.serial, {}).pop((leaf.registry, leaf.block, leaf.from_mg, leaf.to_mg), None)
    if made is None:
        log.find(Problem.ALLOCATION_UNKNOWN, f"{leaf.block} from {leaf.from_mg} to {leaf.to_mg} mg is not allocated to {leaf.serial}.")
        return
    log.allocated[leaf.registry, leaf.block].give_back((leaf.from_mg, leaf.to_mg))
    log.released[leaf.serial] = log.index


def _issue(log: _Log, leaf: leaves.ReceiptIssued) -> None:
    if leaf.serial in log.receipts:
        log.find(Problem.SERIAL_DUPLICATE, f"Receipt {leaf.serial} was issued before.")
        return
    key = log.keys.get(leaf.kid)
    if key is None or key.purpose is not keys.Purpose.RECEIPTS:
        log.find(Problem.KEY_UNKNOWN, f"Key {leaf.kid} of receipt {leaf.serial} was not published.")
    elif not key.is_valid(int(leaf.at.timestamp())):
        log.find(Problem.KEY_NOT_VALID, f"Key {leaf.kid} may sign {key.window}, receipt {leaf.serial} is of {leaf.at}.")
    other = log.standing.get(leaf.events_root)
    if other is not None and other != leaf.supersedes and leaf.events_root != merkle.EMPTY_ROOT.hex():
        log.find(Problem.EVENTS_DUPLICATE, f"Receipts {other} and {leaf.serial} are over the same events.")
    if leaf.supersedes is not None and leaf.supersedes not in log.receipts:
        log.find(Problem.RECEIPT_UNKNOWN, f"Receipt {leaf.supersedes}, which {leaf.serial} supersedes, was never issued.")
    log.receipts[leaf.serial] = _Receipt(leaf, log.index)
    log.standing[leaf.events_root] = leaf.serial


def _end(log: _Log, serial: str, *, by: str | None) -> None:
    found = log.receipts.get(serial)
    if found is None:
        log.find(Problem.RECEIPT_UNKNOWN, f"Receipt {serial} was never issued.")
        return
    if not found.is_standing:
        log.find(Problem.RECEIPT_ENDED_TWICE, f"Receipt {serial} had ended before.")
    found.is_standing, found.superseded_by = False, by
    if log.held.get(serial):
        log.find(Problem.NOT_RELEASED, f"Receipt {serial} ended, and {len(log.held[serial])} parts of credits are still allocated to it.")
    if log.standing.get(found.leaf.events_root) == serial:
        del log.standing[found.leaf.events_root]
    replacing = None if by is None else log.receipts.get(by)
    if by is not None and (replacing is None or replacing.leaf.supersedes != serial):
        log.find(Problem.SUPERSEDING_UNSAID, f"Receipt {by} does not say that it supersedes {serial}.")


def _key(log: _Log, leaf: leaves.KeyPublished | leaves.KeyRotated) -> None:
    earlier = [key for key in log.keys.values() if key.purpose is leaf.key.purpose]
    old = log.keys.get(leaf.old_kid) if isinstance(leaf, leaves.KeyRotated) else None
    if isinstance(leaf, leaves.KeyRotated):
        if old is None or old.purpose is not leaf.key.purpose:
            log.find(Problem.KEY_UNKNOWN, f"Key {leaf.old_kid}, which {leaf.key.kid} follows, was not published for the same.")
    elif earlier:
        log.find(Problem.KEY_UNVOUCHED, f"No earlier key vouches for key {leaf.key.kid}.")
    _check_key(log, leaf, leaf.key, leaf.signature)
    if old is not None and isinstance(leaf, leaves.KeyRotated):
        _check_key(log, leaf, old, leaf.old_signature)
        if not old.is_valid(int(leaf.at.timestamp())):
            log.find(Problem.KEY_NOT_VALID, f"Key {old.kid} may sign {old.window}, and vouches for another on {leaf.at}.")
        log.keys[old.kid] = replace(old, exp=leaf.old_exp)
    log.keys.setdefault(leaf.key.kid, leaf.key)


def _check_key(log: _Log, leaf: leaves.KeyPublished | leaves.KeyRotated, key: keys.Key, made: str) -> None:
    try:
        signature.verify(signature.LOG_KEY, canonical.write(leaves.signed_part(leaf)), made, key.public)
    except errors.SignatureInvalid:
        log.find(Problem.SIGNATURE_INVALID, f"Key {key.kid} did not sign this leaf.")


def _revoke_key(log: _Log, leaf: leaves.KeyRevoked) -> None:
    key = log.keys.get(leaf.kid)
    if key is None:
        log.find(Problem.KEY_UNKNOWN, f"Key {leaf.kid} was not published.")
    else:
        log.keys[leaf.kid] = replace(key, revoked=leaf.revoked)


def _close(log: _Log) -> None:
    """Say what should have followed by the end."""
    for serial, held in log.held.items():
        if held and serial not in log.receipts:
            log.find(Problem.ALLOCATION_WITHOUT_RECEIPT, f"Credits are allocated to {serial}, which was never issued.", min(held.values()))
    for serial, found in log.receipts.items():
        if found.is_standing and serial in log.released:
            log.find(Problem.RELEASED_FROM_STANDING, f"Receipt {serial} stands, and credits of it were released.", log.released[serial])
        replaced = None if found.leaf.supersedes is None else log.receipts.get(found.leaf.supersedes)
        if replaced is not None and replaced.superseded_by != serial:
            log.find(Problem.SUPERSEDING_UNSAID, f"{found.leaf.supersedes} is not said to be superseded by {serial}.", found.index)
