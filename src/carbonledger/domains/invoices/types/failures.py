"""What did not go as planned: steps of billing that failed, each tried again alone, and usage that came late. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from carbonledger.domains.invoices.types.invoices import Invoice, InvoicesFault, Line
from carbonledger.domains.invoices.types.sellers import LateUsage
from carbonledger.kernel import errors
from carbonledger.kernel.currency import Currency


class Step(enum.Enum):
    """What can fail by itself. Stored by these words."""

    RATE = "rate"  # of an account: its charges could not be rated, so nothing of it is billed
    COLLECT = "collect"  # of a draft: its usage could not be counted again, so it is not issued
    PRINT = "print"  # of an issued invoice: its PDF could not be made


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A step that failed, of an account or one of its invoices. It stands until the step is done; ``attempts`` counts its failures."""

    id: UUID
    account_id: UUID
    invoice_id: UUID | None
    step: Step
    code: str
    detail: str
    attempts: int
    first_failed_at: datetime
    last_failed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """Usage that came when its line was issued: what it is now, what that is worth more (or less), and what was decided about it.

    ``cause``: of the line. ``amount``: of the difference, in the line's currency, rounded. ``digest``: over all its events as they are now.
    """

    id: UUID
    cause: str
    invoice_id: UUID
    account_id: UUID
    decision: LateUsage
    quantity_before: Decimal
    quantity_after: Decimal
    amount: Decimal
    currency: Currency
    events: int
    digest: str
    found_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LateReport:
    """Usage that came late, with the line and the invoice it is of, and where it is billed: a line of the next invoice or a correction.

    ``billing`` is None where nothing is billed for it.
    """

    late: Late
    line: Line
    invoice: Invoice
    billing: tuple[Invoice, Line] | None


class FailureNotFound(InvoicesFault):
    """There is no such failed step; it may have been done since."""

    kind = errors.Kind.NOT_FOUND
    code = "billing_failure_not_found"
