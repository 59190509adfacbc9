"""Words of payment methods: how an account pays, as a reference to what a processor keeps.

A number of a card never comes here: whoever would charge it asks the processor for a reference, and that is what is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts.types import AccountsFault
from carbonledger.kernel import errors

PROCESSOR_MAX_CHARS: Final = 40
REFERENCE_MAX_CHARS: Final = 200
BRAND_MAX_CHARS: Final = 40
LABEL_MAX_CHARS: Final = 100
METHODS_MAX: Final = 20
"""Of one account: a company has some cards and a bank account, and a list that is read at a glance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethod:
    """A way to pay. ``processor``: who keeps it, a word such as ``stripe``. ``reference``: its id there.

    ``brand`` (``visa``, ``sepa_debit``) and ``last4`` (of a card or a bank account) are for people to know it by, as is ``label``. One
    of an account is its default, or none.
    """

    id: UUID
    account_id: UUID
    processor: str
    reference: str
    brand: str | None
    last4: str | None
    label: str | None
    is_default: bool
    created_at: datetime


class PaymentMethodNotFound(AccountsFault):
    """There is no such payment method."""

    kind = errors.Kind.NOT_FOUND
    code = "payment_method_not_found"


class PaymentMethodTaken(AccountsFault):
    """A payment method with this reference is there already."""

    code = "payment_method_taken"


class PaymentMethodsFull(AccountsFault):
    """The account has as many payment methods as one may have."""

    code = "payment_methods_full"
