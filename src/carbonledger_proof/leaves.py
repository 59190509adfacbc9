"""The leaves of the public log: what happened to receipts, credits and keys, each in canonical JSON, hashed as RFC 6962 has it.

The log is public, so that leaves name no organization, no usage and no person: of a receipt there is its digest and the root of its events,
which are salted. The order of the leaves is the order of what happened; ``audit`` says what order is right. The members are a published
format: none is ever renamed.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias

from carbonledger_proof import canonical, errors, keys, measures, merkle, shape, signature, statement

SCHEMA = "carbon-ledger/log/v1"
MG_PER_UNIT = 10**9  # one unit of every registry here is a tonne of CO2e
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class RevocationReason(enum.Enum):
    """Why a receipt stopped being valid without another in its place."""

    ISSUED_IN_ERROR = "issued_in_error"
    CREDITS_INVALID = "credits_invalid"
    KEY_COMPROMISED = "key_compromised"
    REQUESTED = "requested"


@dataclass(frozen=True, slots=True, kw_only=True)
class LotImported:
    """A block of credits that was retired, units ``block_start`` to ``block_end`` (both in it) of what the prefix names."""

    at: datetime
    registry: str
    project_id: str
    project_name: str
    standard: str
    kind: statement.Kind
    vintage: int
    block: str
    block_prefix: str
    block_start: int
    block_end: int
    quantity_mg: int
    retired_on: date
    retirement_reference: str
    retirement_url: str
    beneficiary: str
    evidence_sha256: str | None

    def __post_init__(self) -> None:
        if self.block_start > self.block_end:
            raise errors.StatementInvalid("The block is reversed.", "/block_end")
        if self.quantity_mg > (self.block_end - self.block_start + 1) * MG_PER_UNIT:
            raise errors.StatementInvalid("It is more than the block's units.", "/quantity_mg")
        if self.retired_on > self.at.date():
            raise errors.StatementInvalid("It is after the import.", "/retired_on")


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationMade:
    """A part ``[from_mg, to_mg)`` of a block is given to a receipt."""

    at: datetime
    serial: str
    registry: str
    block: str
    from_mg: int
    to_mg: int

    def __post_init__(self) -> None:
        if self.from_mg >= self.to_mg:
            raise errors.StatementInvalid("It is not beyond from_mg.", "/to_mg")


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationReleased(AllocationMade):
    """A part that was given to a receipt is free again: exactly one that was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPublished:
    """A key that no earlier one vouches for: the first of its purpose, or one after a loss. Signed by itself."""

    at: datetime
    key: keys.Key
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRotated:
    """A key follows another of the same purpose, which signs no more from ``old_exp`` on. Signed by both."""

    at: datetime
    old_kid: str
    old_exp: int
    key: keys.Key
    old_signature: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRevoked:
    """A key ended before its time."""

    at: datetime
    kid: str
    revoked: keys.Revoked


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptIssued:
    """A receipt, by its digest."""

    at: datetime
    serial: str
    sha256: str
    kid: str
    events_root: str
    supersedes: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptSuperseded:
    """A receipt is replaced by another, whose leaf stands before this one."""

    at: datetime
    serial: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRevoked:
    """A receipt is no longer valid, and none replaces it."""

    at: datetime
    serial: str
    reason: RevocationReason


Leaf: TypeAlias = (
    LotImported
    | AllocationMade
    | AllocationReleased
    | KeyPublished
    | KeyRotated
    | KeyRevoked
    | ReceiptIssued
    | ReceiptSuperseded
    | ReceiptRevoked
)


def _day(value: canonical.Json) -> date:
    written = shape.text(10, _DATE).read(value)
    try:
        return date.fromisoformat(written)
    except ValueError:
        shape.refuse(f"There is no day {written}.")


_AT = shape.instant()
_SIGNATURE = shape.text(86)
_SPAN: Mapping[str, shape.Shape[Any]] = {
    "at": _AT,
    "serial": statement.SERIAL,
    "registry": shape.text(64),
    "block": statement.BLOCK,
    "from_mg": measures.COUNT,
    "to_mg": measures.COUNT,
}
_SHAPES: Mapping[str, tuple[type[Any], Mapping[str, shape.Shape[Any]]]] = {
    "lot.imported": (
        LotImported,
        {
            "at": _AT,
            **statement.CREDIT_MEMBERS,
            "block_prefix": statement.BLOCK,
            "block_start": measures.COUNT,
            "block_end": measures.COUNT,
            "quantity_mg": shape.integer(1),
            "retired_on": shape.Shape(_day, date.isoformat),
            "beneficiary": shape.text(200),
            "evidence_sha256": shape.nullable(shape.hash_hex()),
        },
    ),
    "allocation.made": (AllocationMade, _SPAN),
    "allocation.released": (AllocationReleased, _SPAN),
    "key.published": (KeyPublished, {"at": _AT, "key": keys.KEY, "signature": _SIGNATURE}),
    "key.rotated": (
        KeyRotated,
        {
            "at": _AT,
            "old_kid": statement.KID,
            "old_exp": keys.SECONDS,
            "key": keys.KEY,
            "old_signature": _SIGNATURE,
            "signature": _SIGNATURE,
        },
    ),
    "key.revoked": (KeyRevoked, {"at": _AT, "kid": statement.KID, "revoked": keys.REVOKED}),
    "receipt.issued": (
        ReceiptIssued,
        {
            "at": _AT,
            "serial": statement.SERIAL,
            "sha256": shape.hash_hex(),
            "kid": statement.KID,
            "events_root": shape.hash_hex(),
            "supersedes": shape.nullable(statement.SERIAL),
        },
    ),
    "receipt.superseded": (ReceiptSuperseded, {"at": _AT, "serial": statement.SERIAL, "by": statement.SERIAL}),
    "receipt.revoked": (
        ReceiptRevoked,
        {"at": _AT, "serial": statement.SERIAL, "reason": shape.choice(RevocationReason)},
    ),
}
_BY_WORD = {word: shape.record(kind, {"schema": SCHEMA, "leaf": word}, **members) for word, (kind, members) in _SHAPES.items()}
_WORDS = {kind: word for word, (kind, _) in _SHAPES.items()}


def content(leaf: Leaf) -> bytes:
    """Return the canonical bytes of a leaf, to be appended. Raises ``JsonInvalid`` or ``StatementInvalid`` if nobody could read it."""
    written = canonical.write(to_json(leaf))
    parse(written)
    return written


def to_json(leaf: Leaf) -> dict[str, canonical.Json]:
    """Return a leaf as JSON."""
    written = _BY_WORD[word_of(leaf)].write(leaf)
    if not isinstance(written, dict):
        raise TypeError("a leaf is an object")
    return written


def word_of(leaf: Leaf) -> str:
    """Return the word of a leaf's kind, such as ``receipt.issued``."""
    return _WORDS[type(leaf)]


def leaf_hash(leaf: Leaf) -> bytes:
    """Return SHA-256 of a zero byte and the canonical bytes."""
    return merkle.leaf_hash(canonical.write_known(to_json(leaf)))


def parse(data: bytes) -> Leaf:
    """Return the leaf that canonical bytes are. Raises ``JsonInvalid`` or ``StatementInvalid``."""
    value = canonical.read_canonical(data, bytes_max=2**16 - 1)
    word = value.get("leaf") if isinstance(value, dict) else None
    if not isinstance(word, str) or word not in _BY_WORD:
        shape.refuse(f"It has to be one of {', '.join(_BY_WORD)}.", "/leaf")
    found: Leaf = _BY_WORD[word].read(value)
    return found


def of_receipt(receipt: statement.Receipt, *, sha256: str | None = None) -> ReceiptIssued:
    """Return the leaf of a receipt, which follows from it: whoever has the receipt needs nothing else to know its hash.

    ``sha256`` is the receipt's, where it was computed already.
    """
    return ReceiptIssued(
        at=receipt.issued_at,
        serial=receipt.serial,
        sha256=sha256 or receipt.sha256,
        kid=receipt.kid,
        events_root=receipt.events.root,
        supersedes=receipt.supersedes,
    )


def publish_key(key: keys.Key, *, at: datetime, sign: signature.Signer) -> KeyPublished:
    """Return the leaf of a key that no earlier one vouches for, signed by itself."""
    unsigned = KeyPublished(at=at, key=key, signature="-")
    return KeyPublished(at=at, key=key, signature=signature.sign(signature.LOG_KEY, signed_part(unsigned), sign))


def rotate_key(
    old: keys.Key, key: keys.Key, *, at: datetime, old_exp: int, old_sign: signature.Signer, sign: signature.Signer
) -> KeyRotated:
    """Return the leaf of a key that follows another, signed by both. ``old_exp`` is when the old one stops, in seconds since 1970."""

    def made(old_signature: str, own: str) -> KeyRotated:
        return KeyRotated(at=at, old_kid=old.kid, old_exp=old_exp, key=key, old_signature=old_signature, signature=own)

    part = signed_part(made("-", "-"))
    return made(*(signature.sign(signature.LOG_KEY, part, signer) for signer in (old_sign, sign)))


def signed_part(leaf: KeyPublished | KeyRotated) -> canonical.Json:
    """Return what keys sign of their leaf: all but the signatures."""
    return {name: value for name, value in to_json(leaf).items() if name not in {"signature", "old_signature"}}
