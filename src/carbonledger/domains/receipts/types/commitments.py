"""Words of commitments: removal that is ordered ahead and delivered years later. A commitment is never a credit: nothing is retired.

    asked ──> placed ──> confirmed ──> delivered
      │         │           │
      │         └───────────┴──> canceled        by the seller or the buyer; from any state before delivery
      └──> refused                               the seller did not take the order

What is delivered is imported as a lot, once the registry shows its retirement. A seller may be seen to have skipped states; it never goes
back, and from the three ends nothing follows.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

from carbonledger.domains.receipts.types.credits import CreditsFault
from carbonledger.kernel.errors import Kind
from carbonledger.kernel.money import Money

WORDS_CHARS_MAX: Final = 1_000


class CommitmentState(enum.Enum):
    """Where a commitment stands. Stored by these words."""

    ASKED = "asked"  # written here; whether the seller knows of it is not known yet
    PLACED = "placed"  # the seller has it, and waits for its money or its own confirmation
    CONFIRMED = "confirmed"
    DELIVERED = "delivered"
    CANCELED = "canceled"
    REFUSED = "refused"


_S = CommitmentState
FOLLOWS: Final[Mapping[CommitmentState, frozenset[CommitmentState]]] = {
    _S.ASKED: frozenset({_S.PLACED, _S.CONFIRMED, _S.DELIVERED, _S.CANCELED, _S.REFUSED}),
    _S.PLACED: frozenset({_S.CONFIRMED, _S.DELIVERED, _S.CANCELED}),
    _S.CONFIRMED: frozenset({_S.DELIVERED, _S.CANCELED}),
    _S.DELIVERED: frozenset(),
    _S.CANCELED: frozenset(),
    _S.REFUSED: frozenset(),
}
"""What may follow each state; a state that is seen again is no change."""
FOLLOWED: Final = (_S.PLACED, _S.CONFIRMED)
"""Those whose seller is asked again every day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Removal that can be ordered: how much there is, when it is delivered, and what a tonne costs with all fees, by currency."""

    id: str
    name: str
    available_mg: int
    delivery_year: int | None
    prices_per_tonne: tuple[Money, ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A part that was delivered. ``registry_url``: where its retirement is shown, once it is."""

    delivered_at: datetime
    quantity_mg: int
    supplier: str
    registry_url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a seller says of an order. ``total`` is with all fees."""

    id: str
    state: CommitmentState
    quantity_mg: int
    total: Money
    expected_year: int
    certificate_url: str | None
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """An order as we know it. Its id is the key under which the seller takes it once. ``order`` is None while it is asked or refused."""

    id: UUID
    seller: str
    offer_id: str
    quantity_mg: int
    beneficiary: str | None
    state: CommitmentState
    order: Order | None
    refused_words: str | None
    asked_at: datetime
    updated_at: datetime


class SellerFault(CreditsFault):
    """The seller of credits could not be asked."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "credit_seller"


class SellerUnavailable(SellerFault):
    """The seller of credits can't be reached now."""

    code = "credit_seller_unavailable"


class SellerAnswerUnreadable(SellerFault):
    """The answer of the seller of credits can't be read."""

    code = "credit_seller_answer_unreadable"


class SellerKeyRefused(SellerFault):
    """The seller of credits refuses the key."""

    kind = Kind.INVALID
    code = "credit_seller_key_refused"


class OrderRefused(SellerFault):
    """The seller of credits does not take the order."""

    kind = Kind.INVALID
    code = "credit_order_refused"


class SellerMissing(CreditsFault):
    """No seller of credits is set up here."""

    kind = Kind.CONFLICT
    code = "credit_seller_missing"


class CommitmentNotFound(CreditsFault):
    """There is no such commitment."""

    kind = Kind.NOT_FOUND
    code = "credit_commitment_not_found"


class CommitmentReversed(CreditsFault):
    """The seller says of an order what can't follow what it said before."""

    kind = Kind.CONFLICT
    code = "credit_commitment_reversed"
