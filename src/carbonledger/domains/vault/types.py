"""Words of the vault: secrets and where they are kept, LLM keys, and the faults.

A secret's value is a ``SecretText`` from the moment it enters until it leaves; no type here can hold it in clear.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from carbonledger.kernel import errors
from carbonledger.kernel.secret import SecretText

LABEL_MAX = 100
KEY_MAX = 1024
HINT_FROM = 12
"""A key of at least this many characters shows its last four; of a shorter one they would be too much of it."""


class Purpose(enum.Enum):
    """What a secret is for; bound into the sealed text, so that one can't stand in for another."""

    LLM_KEY = "llm_key"
    CONNECTION = "connection"
    SIGNING_KEY = "signing_key"
    RECEIPT_SALT = "receipt_salt"


class Place(enum.Enum):
    """Where a secret's value is now."""

    DATABASE = "database"  # sealed, in the row
    OUTSIDE = "outside"  # in the outside secret store, under the row's ref


class VaultFault(errors.Fault):
    """The vault could not do this."""

    code = "vault"


class LlmKeyDuplicate(VaultFault):
    """The organization already has this key."""

    kind = errors.Kind.CONFLICT
    code = "llm_key_duplicate"


class LlmKeyNotFound(VaultFault):
    """There is no such LLM key."""

    kind = errors.Kind.NOT_FOUND
    code = "llm_key_not_found"


class SecretNotFound(VaultFault):
    """There is no such secret."""

    kind = errors.Kind.NOT_FOUND
    code = "secret_not_found"


class SecretUnreadable(VaultFault):
    """A sealed secret can't be opened: its key is missing, or the row is not what was sealed."""

    kind = errors.Kind.UNAVAILABLE
    code = "secret_unreadable"


@dataclass(frozen=True, slots=True)
class Located:
    """A secret found and its opening audited, but not yet open: ``sealed`` in the database or ``ref`` in the outside store."""

    organization_id: UUID
    secret_id: UUID
    purpose: Purpose
    place: Place
    sealed: str | None
    ref: str | None


@dataclass(frozen=True, slots=True)
class KeyMark:
    """By what a key is known again without its value: its last four characters, and a digest of it within its organization and provider.

    Either is None for a key too short to tell even that much of it.
    """

    hint: str | None
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class LlmKey:
    """A provider's key as an organization sees it: never the value."""

    id: UUID
    provider: str
    label: str
    key_hint: str | None
    secret_id: UUID
    created_at: datetime
    rotated_at: datetime | None


class SecretStore(Protocol):
    """An outside place for secrets (AWS Secrets Manager). Each call is idempotent by ``secret_id``."""

    def ref_of(self, *, organization_id: UUID, secret_id: UUID) -> str:
        """Return the reference that ``put`` gives this secret, whether or not it is there."""
        ...

    async def put(self, *, organization_id: UUID, secret_id: UUID, secret: SecretText) -> str:
        """Keep the secret and return its reference."""
        ...

    async def get(self, *, organization_id: UUID, secret_id: UUID, ref: str) -> SecretText:
        """Return the secret. Raises when it is bound to another organization or id."""
        ...

    async def delete(self, *, ref: str) -> None:
        """Forget the secret; nothing happens when it is gone already."""
        ...
