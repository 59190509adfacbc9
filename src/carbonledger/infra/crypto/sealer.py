"""Sealing: a secret as text that only the right row, with the right key, opens again.

A sealed text is ``cl1.<fingerprint of the key>.<Fernet token>``. Inside the token stand a version byte, 32 bytes that bind the
organization, the secret's id and its purpose, then the secret. So a text moved to another row, another tenant or another use does not open,
and a rotation finds what it still has to do by the prefix alone, in SQL.

Stored format, never to change: the prefix, the order inside the token, and what ``_binding`` hashes. A new layout is ``cl2``.

Three ways to fail, each its own class, none with anything of the secret: ``SealKeyUnknown`` (sealed by a key we do not have),
``SealTampered`` (not what a sealer wrote) and ``SealForeign`` (whole, but another row's).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken

from carbonledger.infra.crypto.keyring import FixedKeys, KeyRing, KeySource
from carbonledger.kernel import errors
from carbonledger.kernel.secret import SecretText

SEALED_BYTES_MAX = 4 * 2**20  # the largest thing stored sealed is an answer kept for its idempotency key
_LAYOUT = "cl1"
_VERSION = b"\x01"
_BINDING_BYTES = 32


class SealFault(errors.Fault):
    """A stored secret can't be opened."""

    code = "seal_fault"


class SealKeyUnknown(SealFault):
    """A stored secret was sealed with a key that this installation does not have."""

    code = "seal_key_unknown"


class SealTampered(SealFault):
    """A stored secret was changed after it was sealed."""

    code = "seal_tampered"


class SealForeign(SealFault):
    """A stored secret belongs to another row."""

    code = "seal_foreign"


class Sealer:
    """Seals and opens with the keys of ``source``, which is asked each time: a key added while serving is seen at once."""

    def __init__(self, source: KeySource | KeyRing) -> None:
        self._source: KeySource = FixedKeys(source) if isinstance(source, KeyRing) else source

    def seal(self, secret: SecretText, *, organization_id: UUID | None, secret_id: UUID | str, purpose: str) -> str:
        """Return ``secret`` sealed for one row. ``organization_id`` is None for what belongs to the installation itself."""
        try:
            text = secret.reveal().encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("a secret with a lone surrogate can't be sealed") from None  # the cause holds the secret
        return self.seal_bytes(text, organization_id=organization_id, secret_id=secret_id, purpose=purpose)

    def seal_bytes(self, secret: bytes, *, organization_id: UUID | None, secret_id: UUID | str, purpose: str) -> str:
        """Return the bytes ``secret`` sealed for one row. Raises ``ValueError`` above ``SEALED_BYTES_MAX``."""
        if len(secret) > SEALED_BYTES_MAX:
            raise ValueError(f"what is sealed may hold {SEALED_BYTES_MAX} bytes, not {len(secret)}")
        ring = self._source.ring()
        token = ring.multi.encrypt(_VERSION + _binding(organization_id, secret_id, purpose) + secret)
        return _join(ring.current, token)

    def open(self, sealed: str, *, organization_id: UUID | None, secret_id: UUID | str, purpose: str) -> SecretText:
        """Return the secret of one row. Raises ``SealKeyUnknown``, ``SealTampered`` or ``SealForeign``."""
        secret = self.open_bytes(sealed, organization_id=organization_id, secret_id=secret_id, purpose=purpose)
        try:
            return SecretText(secret.decode("utf-8"))
        except UnicodeDecodeError:
            # Without the cause: it holds the bytes.
            raise SealTampered("It was sealed as bytes, not as text.") from None

    def open_bytes(self, sealed: str, *, organization_id: UUID | None, secret_id: UUID | str, purpose: str) -> bytes:
        """Return the sealed bytes of one row. Raises like ``open``."""
        content = _decrypt(self._source.ring(), sealed)
        bound = content[1 : 1 + _BINDING_BYTES]
        if not hmac.compare_digest(bound, _binding(organization_id, secret_id, purpose)):
            raise SealForeign(f"It was not sealed for {purpose} of this row.")
        return content[1 + _BINDING_BYTES :]

    def rotate(self, sealed: str) -> str:
        """Return the same content sealed by the newest key, still bound to its row. Raises ``SealKeyUnknown`` or ``SealTampered``."""
        ring = self._source.ring()
        _decrypt(ring, sealed)  # the strict reading first: MultiFernet's own is lenient about stray characters
        return _join(ring.current, ring.multi.rotate(_split(sealed)[1]))

    def is_current(self, sealed: str) -> bool:
        """Say whether ``sealed`` names the newest key. Raises ``SealTampered`` for what is no sealed text."""
        return _split(sealed)[0] == self._source.ring().current

    def current_prefix(self) -> str:
        """Return how every text sealed by the newest key begins; a rotation works on the rows that do not."""
        return f"{_LAYOUT}.{self._source.ring().current}."

    def fingerprints(self) -> tuple[str, ...]:
        """Return the public names of the keys, newest first."""
        return self._source.ring().fingerprints


def key_of(sealed: str) -> str:
    """Return the fingerprint of the key that ``sealed`` names. Raises ``SealTampered``."""
    return _split(sealed)[0]


def _binding(organization_id: UUID | None, secret_id: UUID | str, purpose: str) -> bytes:
    # JSON of strings is injective: no choice of id and purpose reads like another's.
    owner = None if organization_id is None else str(organization_id)
    return hashlib.sha256(json.dumps(["carbonledger.seal.v1", owner, str(secret_id), purpose]).encode("ascii")).digest()


def _join(fingerprint: str, token: bytes) -> str:
    return f"{_LAYOUT}.{fingerprint}.{token.decode('ascii')}"


def _split(sealed: str) -> tuple[str, bytes]:
    layout, _, rest = sealed.partition(".")
    fingerprint, _, token = rest.partition(".")
    if layout != _LAYOUT or not token.isascii():
        raise SealTampered("It is not a sealed text.")
    raw = token.encode("ascii")
    # Fernet ignores stray characters and spare bits of the last one; we accept only the one spelling that a sealer writes.
    try:
        canonical = base64.urlsafe_b64encode(base64.b64decode(raw, altchars=b"-_", validate=True))
    except binascii.Error:
        canonical = b""
    if not raw or canonical != raw:
        raise SealTampered("It is not a sealed text.")
    return fingerprint, raw


def _decrypt(ring: KeyRing, sealed: str) -> bytes:
    fingerprint, token = _split(sealed)
    key: Fernet | None = ring.by_fingerprint.get(fingerprint)
    if key is None:
        # The fingerprint is shown only where it has the shape of one: anything else is unknown text.
        named = fingerprint if len(fingerprint) == len(ring.current) and fingerprint.isalnum() else "?"
        raise SealKeyUnknown(f"It needs the key {named}; this installation has {', '.join(ring.fingerprints)}.")
    try:
        content = key.decrypt(token)
    except InvalidToken:
        raise SealTampered("It does not match its own checksum.") from None
    if content[:1] != _VERSION or len(content) <= _BINDING_BYTES:
        raise SealTampered("It has an unknown layout.")
    return content
