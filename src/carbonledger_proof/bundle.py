"""A bundle: one JSON file with a receipt and all that is needed to verify it offline. And the proof of one event inside a receipt.

A bundle is sealed: what makes it signs all of it, so that not a byte can change, the keys' windows and the receipt's state included. It
says how things stood at ``made_at``. The file is canonical JSON, byte for byte. Verifying is in ``verify``.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from carbonledger_proof import canonical, errors, keys, measures, shape, signature, statement

SCHEMA = signature.BUNDLE
EVENT_SCHEMA = "carbon-ledger/event-proof/v1"
FILE_NAME = "carbon-ledger-bundle.json"  # of the attachment in a PDF
_PATH_MAX = 64


class State(enum.Enum):
    """How a receipt stands."""

    VALID = "valid"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a receipt stands, and which one replaced it."""

    state: State
    by: str | None = None

    def __post_init__(self) -> None:
        if (self.by is not None) != (self.state is State.SUPERSEDED):
            raise errors.StatementInvalid("It names what supersedes, and nothing else.", "/by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """That a leaf stands at ``index`` of a tree of ``size``: the hashes from the leaf upwards."""

    index: int
    size: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The signature over everything else in a bundle."""

    kid: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Everything that proves a receipt. ``checkpoint`` is a signed note, verbatim."""

    receipt: statement.Receipt
    signature: str
    inclusion: Inclusion
    checkpoint: str
    keys: keys.KeySet
    status: Status
    made_at: datetime
    seal: Seal

    def to_json(self) -> canonical.Json:
        """Return it as JSON."""
        return BUNDLE.write(self)

    def encode(self) -> bytes:
        """Return the file."""
        return canonical.write(self.to_json())


@dataclass(frozen=True, slots=True, kw_only=True)
class EventProof:
    """That an event is inside a receipt: the leaf's content as JSON, its place, and the receipt's bundle."""

    event: canonical.Json
    inclusion: Inclusion
    bundle: Bundle

    def encode(self) -> bytes:
        """Return the file."""
        return canonical.write(EVENT_PROOF.write(self))


def seal(unsealed: Bundle, *, kid: str, sign: signature.Signer) -> Bundle:
    """Return the bundle with the seal of a key, whatever seal it had."""
    made = signature.to_base64url(sign(signature.message(SCHEMA, sealed_part(parts_of(unsealed.to_json())))))
    return dataclasses.replace(unsealed, seal=Seal(kid=kid, signature=made))


def make(
    receipt: statement.Receipt,
    *,
    signed: str,
    inclusion: Inclusion,
    checkpoint: str,
    known: keys.KeySet,
    status: Status,
    made_at: datetime,
    kid: str,
    sign: signature.Signer,
) -> Bundle:
    """Return a sealed bundle, after reading it as a verifier will; ``kid`` and ``sign`` are the seal's. Raises ``StatementInvalid``."""
    unsealed = Bundle(
        receipt=receipt,
        signature=signed,
        inclusion=inclusion,
        checkpoint=checkpoint,
        keys=known,
        status=status,
        made_at=made_at,
        seal=Seal(kid=kid, signature="-"),
    )
    sealed = seal(unsealed, kid=kid, sign=sign)
    if BUNDLE.read(sealed.to_json()) != sealed:
        raise errors.StatementInvalid("It would be read as another bundle.")
    return sealed


def parts_of(value: canonical.Json) -> dict[str, bytes]:
    """Return each member of an object as canonical bytes, in canonical order. Names are ASCII, or it is none of ours."""
    if not isinstance(value, dict):
        raise errors.StatementInvalid("It has to be an object.")
    return {name: canonical.write_known(value[name]) for name in sorted(value)}


def joined(parts: Mapping[str, bytes]) -> bytes:
    """Return the canonical bytes of the object with these members."""
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), part) for name, part in parts.items()) + b"}"


def sealed_part(parts: Mapping[str, bytes]) -> bytes:
    """Return what the seal signs: all members but the seal."""
    return joined({name: part for name, part in parts.items() if name != "seal"})


def _hash(value: canonical.Json) -> bytes:
    return bytes.fromhex(shape.hash_hex().read(value))


def _note(value: canonical.Json) -> str:
    if not isinstance(value, str):
        shape.refuse("It has to be a text.")
    return value


def _object(value: canonical.Json) -> canonical.Json:
    if not isinstance(value, dict):
        shape.refuse("It has to be an object.")
    return value


_INCLUSION = shape.record(
    Inclusion,
    index=measures.COUNT,
    size=measures.COUNT,
    path=shape.array(shape.Shape(_hash, bytes.hex), most=_PATH_MAX),
)
SEAL = shape.record(Seal, kid=statement.KID, signature=shape.text(86))
BUNDLE = shape.record(
    Bundle,
    {"schema": SCHEMA},
    receipt=statement.RECEIPT,
    signature=shape.text(86),
    inclusion=_INCLUSION,
    checkpoint=shape.Shape(_note, lambda value: value),
    keys=keys.KEY_SET,
    status=shape.record(Status, state=shape.choice(State), by=shape.nullable(statement.SERIAL)),
    made_at=shape.instant(),
    seal=SEAL,
)
EVENT_PROOF = shape.record(
    EventProof,
    {"schema": EVENT_SCHEMA},
    event=shape.Shape(_object, lambda value: value),
    inclusion=_INCLUSION,
    bundle=BUNDLE,
)
