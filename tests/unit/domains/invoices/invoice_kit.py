"""Invoices for tests: one as a bill run leaves it, changed by keywords."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from carbonledger.domains.accounts import types as accounts
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types import totals as totals_types
from carbonledger.kernel import currency

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ID = UUID("01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11")
ACCOUNT = UUID("01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d12")


def totals(total: str, *, subtotal: str | None = None, tax: str = "0", discount: str = "0") -> types.Totals:
    """Totals without rates."""
    return types.Totals(subtotal=Decimal(subtotal or total), discount=Decimal(discount), tax=Decimal(tax), total=Decimal(total), taxes=())


def invoice(**changes: Any) -> types.Invoice:
    """A draft of 12.34 EUR with one line."""
    fields: dict[str, Any] = {
        "id": ID,
        "account_id": ACCOUNT,
        "currency": currency.by_code("EUR"),
        "origin": types.Origin.SUBSCRIPTION,
        "state": types.State.DRAFT,
        "payment": types.Payment.UNPAID,
        "totals": totals("12.34"),
        "lines": 1,
        "tax_treatment": accounts.TaxTreatment.STANDARD,
        "tax_rounding": totals_types.TaxRounding.DOCUMENT,
        "locale": accounts.Locale.EN,
        "zone": "Europe/Berlin",
        "terms_days": 30,
        "billed_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return types.Invoice(**(fields | changes))


def issued(sequence: int = 1, *, at: datetime = NOW) -> types.Issued:
    """What issuing writes."""
    return types.Issued(
        series="main",
        sequence=sequence,
        number=f"INV-{sequence:05d}",
        at=at,
        due_on=date(2026, 3, 31),
        seller=types.Party(name="Seller"),
        buyer=types.Party(name="Buyer"),
    )
