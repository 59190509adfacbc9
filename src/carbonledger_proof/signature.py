"""Ed25519 signatures (RFC 8032) over statements, each kind under a name of its own, and the keys that make them.

What is signed is ``<name of the kind>`` + newline + canonical JSON, so that a signature over one kind never fits another. Verifying is
stricter than RFC 8032 asks: an encoding that is not the only one of its point, a key or a commitment of small order, and a
scalar beyond the group's order are refused, so that everybody who verifies comes to the same result (Chalkias, Garillot, Nikolaenko:
Taming the many EdDSAs, 2020).
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

from carbonledger_proof import canonical, errors

KEY_BYTES = 32
SIGNATURE_BYTES = 64
RECEIPT = "carbon-ledger/receipt/v1"
BUNDLE = "carbon-ledger/bundle/v1"
PDF = "carbon-ledger/pdf/v1"
LOG_KEY = "carbon-ledger/log-key/v1"
MANIFEST = "carbon-ledger/manifest/v1"
DOMAINS = frozenset((RECEIPT, BUNDLE, PDF, LOG_KEY, MANIFEST))
_FIELD = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_SIGN = 1 << 255
# The y of the eight points whose order divides 8, without the sign of x: 0, 1, -1 and those of order 8 (RFC 8032, section 5.1).
_ORDER_8_Y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER = frozenset((0, 1, _FIELD - 1, _ORDER_8_Y, _FIELD - _ORDER_8_Y))

Signer = Callable[[bytes], bytes]  # a message to its signature of 64 bytes; whoever holds the private key gives one


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key of Ed25519: 32 bytes. Raises ``KeyInvalid`` for one under which a signature would prove nothing."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_BYTES:
            raise errors.KeyInvalid(f"A public key is of {KEY_BYTES} bytes, this one is of {len(self.raw)}.")
        if not _is_point(self.raw):
            raise errors.KeyInvalid("The public key is not the encoding of a point, or of one of small order.")

    @property
    def kid(self) -> str:
        """Its name: the thumbprint of RFC 7638 over the JWK of RFC 8037."""
        return _thumbprint(self.raw)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raise ``SignatureInvalid`` unless this key signed the message."""
        if len(signature) != SIGNATURE_BYTES:
            raise errors.SignatureInvalid(f"A signature is of {SIGNATURE_BYTES} bytes, this one is of {len(signature)}.")
        if not _is_point(signature[:KEY_BYTES]) or int.from_bytes(signature[KEY_BYTES:], "little") >= _ORDER:
            raise errors.SignatureInvalid("The signature is not in the only form that it may have.")
        try:
            ed25519.Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise errors.SignatureInvalid("The signature does not fit what it signs.") from error


def signer(seed: bytes) -> tuple[PublicKey, Signer]:
    """Return the public key of a private one (the 32 bytes of RFC 8032, section 5.1.5), and what signs with it."""
    private = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    return PublicKey(private.public_key().public_bytes_raw()), private.sign


def message(domain: str, payload: bytes) -> bytes:
    """Return the bytes that are signed. Raises ``SignatureInvalid`` for a kind that there is not."""
    if domain not in DOMAINS:
        raise errors.SignatureInvalid(f"There is no kind {domain[:64]!r} of signed statement.")
    return domain.encode() + b"\n" + payload


def sign(domain: str, value: canonical.Json, signer: Signer) -> str:
    """Return the signature over a JSON value, as it stands in JSON."""
    return to_base64url(signer(message(domain, canonical.write(value))))


def verify(domain: str, payload: bytes, signature: str, key: PublicKey) -> None:
    """Raise ``SignatureInvalid`` unless ``key`` signed these canonical bytes as a statement of this kind."""
    key.verify(from_base64url(signature, SIGNATURE_BYTES), message(domain, payload))


def to_base64url(content: bytes) -> str:
    """Return base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def from_base64url(text: str, length: int) -> bytes:
    """Return the ``length`` bytes that are written in the only way they can be. Raises ``SignatureInvalid``."""
    try:
        content = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.SignatureInvalid(f"{text[:96]!r} is not base64url.") from error
    if len(content) != length or to_base64url(content) != text:
        raise errors.SignatureInvalid(f"{text[:96]!r} is not {length} bytes in base64url without padding.")
    return content


@functools.lru_cache(maxsize=256)
def _thumbprint(raw: bytes) -> str:
    return to_base64url(hashlib.sha256(b'{"crv":"Ed25519","kty":"OKP","x":"%s"}' % to_base64url(raw).encode()).digest())


def _is_point(encoded: bytes) -> bool:
    """Say whether 32 bytes can be the only encoding of a point that is not of small order. Being on the curve is left to the library."""
    y = int.from_bytes(encoded, "little") & (_SIGN - 1)
    return y < _FIELD and y not in _SMALL_ORDER
