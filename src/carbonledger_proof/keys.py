"""Sets of public keys (JWKS, RFC 7517 and RFC 8037) with the time in which each may sign and what it may sign.

``nbf``, ``exp`` and ``revoked`` stand in a key as OpenID Federation 1.0 (section 8.7, historical keys) has them, in seconds since 1970. A
key stays in the set for ever: what it signed in its time goes on being verified. ``purpose`` is a word of ours.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from carbonledger_proof import canonical, errors, shape, signature

KEYS_MAX = 1000  # a key a month is 80 years
SECONDS_MAX = 253_402_300_799  # the end of the year 9999


class Purpose(enum.Enum):
    """What a key signs."""

    RECEIPTS = "receipts"  # receipts, bundles, documents
    LOG = "log"  # checkpoints


class Reason(enum.Enum):
    """Why a key was revoked."""

    UNSPECIFIED = "unspecified"
    COMPROMISED = "compromised"  # somebody else may sign with it
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """When and why a key ended before its time."""

    revoked_at: int
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A public key, from when to before when it may sign (seconds since 1970; None: open), and what."""

    public: signature.PublicKey
    purpose: Purpose
    nbf: int
    exp: int | None = None
    revoked: Revoked | None = None

    @property
    def kid(self) -> str:
        return self.public.kid

    @property
    def is_compromised(self) -> bool:
        return self.revoked is not None and self.revoked.reason is Reason.COMPROMISED

    def is_valid(self, at: int) -> bool:
        """Say whether it may sign at a time, in seconds since 1970."""
        ends = [end for end in (self.exp, None if self.revoked is None else self.revoked.revoked_at) if end is not None]
        return self.nbf <= at < min(ends, default=SECONDS_MAX + 1)

    def check(self, at: datetime) -> None:
        """Raise ``KeyNotValid`` unless it may sign at that instant."""
        if not self.is_valid(int(at.timestamp())):
            raise errors.KeyNotValid(f"{at:%Y-%m-%d %H:%M:%S} UTC is outside of the time in which key {self.kid} may sign: {self.window}.")

    @property
    def window(self) -> str:
        """Its time, in words."""
        ended = f", revoked on {_day(self.revoked.revoked_at)} ({self.revoked.reason.value})" if self.revoked else ""
        return f"from {_day(self.nbf)} {'on' if self.exp is None else f'to before {_day(self.exp)}'}{ended}"


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys by their name, in the order of the names."""

    keys: tuple[Key, ...] = ()

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.keys, key=lambda key: key.kid))
        if len({key.kid for key in ordered}) != len(ordered):
            raise errors.KeyInvalid("A key is in the set twice.")
        object.__setattr__(self, "keys", ordered)

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys)

    def get(self, kid: str, purpose: Purpose) -> Key:
        """Return the key of that name. Raises ``KeyUnknown`` if there is none, or none that may sign this."""
        for key in self.keys:
            if key.kid == kid and key.purpose is purpose:
                return key
        raise errors.KeyUnknown(f"Key {kid[:64]} is not among the known keys for {purpose.value}.")

    def of(self, purpose: Purpose) -> tuple[Key, ...]:
        """Return the keys that sign this."""
        return tuple(key for key in self.keys if key.purpose is purpose)

    def to_json(self) -> canonical.Json:
        """Return the JWKS."""
        return {"keys": [to_json(key) for key in self.keys]}


SECONDS = shape.integer(0, SECONDS_MAX)
REVOKED = shape.record(Revoked, revoked_at=SECONDS, reason=shape.choice(Reason))
_MEMBERS: dict[str, shape.Shape[Any]] = {
    "kty": shape.constant("OKP"),
    "crv": shape.constant("Ed25519"),
    "alg": shape.constant("EdDSA"),
    "use": shape.constant("sig"),
    "x": shape.text(43),
    "kid": shape.text(43),
    "purpose": shape.choice(Purpose),
    "nbf": SECONDS,
    "exp": shape.nullable(SECONDS),
    "revoked": shape.nullable(REVOKED),
}
_JWK = shape.members(_MEMBERS)


def _read(value: canonical.Json) -> Key:
    found = _JWK.read(value)
    try:
        public = signature.PublicKey(signature.from_base64url(found["x"], signature.KEY_BYTES))
    except (errors.SignatureInvalid, errors.KeyInvalid) as error:
        raise errors.StatementInvalid(str(error), "/x") from error
    if public.kid != found["kid"]:
        raise errors.StatementInvalid(f"It is not the thumbprint (RFC 7638) of the key, which is {public.kid}.", "/kid")
    return Key(public=public, purpose=found["purpose"], nbf=found["nbf"], exp=found["exp"], revoked=found["revoked"])


def to_json(key: Key) -> dict[str, canonical.Json]:
    """Return a key as a JWK."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
        "x": signature.to_base64url(key.public.raw),
        "kid": key.kid,
        "purpose": key.purpose.value,
        "nbf": key.nbf,
        "exp": key.exp,
        "revoked": None if key.revoked is None else REVOKED.write(key.revoked),
    }


KEY = shape.Shape(_read, to_json)
_SET = shape.members({"keys": shape.array(KEY, most=KEYS_MAX)})


def from_json(value: canonical.Json) -> KeySet:
    """Return the keys of a JWKS. Raises ``KeyInvalid`` for one that is not exactly as it is written here."""
    try:
        return read_set(value)
    except errors.StatementInvalid as error:
        raise errors.KeyInvalid(str(error)) from error


def read_set(value: canonical.Json) -> KeySet:
    """Return the keys of a JWKS that is a part of a statement. Raises ``StatementInvalid``."""
    found = _SET.read(value)["keys"]
    try:
        return KeySet(tuple(found))
    except errors.KeyInvalid as error:
        raise errors.StatementInvalid(str(error)) from error


KEY_SET = shape.Shape(read_set, KeySet.to_json)


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def pinned(data: bytes) -> KeySet:
    """Return the keys of a JWKS file, as ``/.well-known/jwks.json`` gives it. Raises ``JsonInvalid`` or ``KeyInvalid``."""
    return from_json(canonical.read(data))
