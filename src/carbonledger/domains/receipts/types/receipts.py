"""Words of receipts: how one stands, what is kept of it, what its period comes to in its own terms, and the faults. Pure.

    (due) ── enough credits ──> issued ── another takes its place ──> superseded
      └── too few ──> deferred ── a lot came ──┘    └────────────────> revoked

What was signed never changes. A receipt that is superseded or revoked stays, says so, and its credits are free again.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.identity import types as identity_types
from carbonledger.kernel import errors
from carbonledger_proof import leaves, statement

RECEIPTS: Final = identity_types.Feature("receipts", default=False, is_paid_for=True)
"""Whether a plan has receipts; the free tier has a summary instead."""
Revocation = leaves.RevocationReason


class State(enum.Enum):
    """How a receipt stands. Stored by these words."""

    DEFERRED = "deferred"
    ISSUED = "issued"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


TRANSITIONS: Final[Mapping[State, frozenset[State]]] = {
    State.DEFERRED: frozenset({State.ISSUED}),
    State.ISSUED: frozenset({State.SUPERSEDED, State.REVOKED}),
    State.SUPERSEDED: frozenset(),
    State.REVOKED: frozenset(),
}
"""From each state the ones that may follow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What was signed: the receipt, its signature (base64url), the SHA-256 of its canonical bytes, and its leaf in the log."""

    receipt: statement.Receipt
    signature: str
    digest: bytes
    log_index: int

    @property
    def serial(self) -> str:
        """Its serial."""
        return self.receipt.serial


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt as it is kept. ``signed`` is None while it is deferred; ``bundle`` and ``document`` until a checkpoint covers its leaf.

    ``month``: its period's. ``required_mg``: what is compensated, or has to be. ``deferred_at``: since when it waited for credits, if
    it did. ``superseded_by``: the receipt that took its place.
    """

    id: UUID
    period_id: UUID
    month: date
    state: State
    required_mg: int
    signed: Signed | None
    supersedes: UUID | None
    superseded_by: UUID | None
    revocation: Revocation | None
    deferred_at: datetime | None
    ended_at: datetime | None
    bundle: bytes | None
    document: bytes | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    """What everybody who has a serial may see: no organization, no person."""

    state: State
    signed: Signed
    superseded_by: str | None
    revocation: Revocation | None
    ended_at: datetime | None
    bundle: bytes | None


class ReceiptFault(errors.Fault):
    """A receipt could not do this."""

    code = "receipt"


class ReceiptNotFound(ReceiptFault):
    """There is no such receipt."""

    kind = errors.Kind.NOT_FOUND
    code = "receipt_not_found"


class ReceiptDeferred(ReceiptFault):
    """The receipt waits for retired credits, so that there is no document of it yet."""

    kind = errors.Kind.CONFLICT
    code = "receipt_deferred"


class ReceiptUnproven(ReceiptFault, errors.Unavailable):
    """The receipt was issued a moment ago, and the log is being signed."""

    kind = errors.Kind.UNAVAILABLE
    code = "receipt_unproven"


class ReceiptEnded(ReceiptFault):
    """The receipt was superseded or revoked."""

    kind = errors.Kind.CONFLICT
    code = "receipt_ended"


class SerialsExhausted(ReceiptFault):
    """Every serial of the month is taken."""

    kind = errors.Kind.CONFLICT
    code = "serials_exhausted"
