"""Words of the keys that sign: a key with its time and purpose, a key that is open, and the faults. Pure.

A key is **current** from when it is made until another follows it (``retired_at``); then its private part is destroyed. It stays valid
until ``not_after``, a little later, because the clocks of processes differ. Either may be **revoked**; a current one is replaced at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from carbonledger.kernel import errors
from carbonledger_proof import keys, signature


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key as the installation keeps it, and where its private part is (None: destroyed)."""

    key: keys.Key
    house_id: UUID
    secret_id: UUID | None
    retired_at: datetime | None
    created_at: datetime

    @property
    def kid(self) -> str:
        """Its name: the thumbprint of RFC 7638."""
        return self.key.kid

    @property
    def is_current(self) -> bool:
        """Whether it is the one that signs."""
        return self.retired_at is None


@dataclass(frozen=True, slots=True)
class Signing:
    """A key that is current, and what signs with it."""

    key: keys.Key
    sign: signature.Signer = field(repr=False)


class KeysFault(errors.Fault):
    """A signing key could not be used."""

    code = "signing_keys"


class SigningKeyClosed(KeysFault):
    """The current signing key is not open in this process yet; it is opened before the next attempt."""

    kind = errors.Kind.UNAVAILABLE
    code = "signing_key_closed"


class SigningKeyMissing(KeysFault):
    """There is no signing key yet, or no house that could have one."""

    kind = errors.Kind.UNAVAILABLE
    code = "signing_key_missing"


class SigningKeyNotFound(KeysFault):
    """There is no signing key of this name."""

    kind = errors.Kind.NOT_FOUND
    code = "signing_key_not_found"


class SigningKeyForeign(KeysFault):
    """The private part that is kept is not that of the published key."""

    kind = errors.Kind.UNAVAILABLE
    code = "signing_key_foreign"


class SigningKeyRevoked(KeysFault):
    """The key was revoked already."""

    kind = errors.Kind.CONFLICT
    code = "signing_key_revoked"
