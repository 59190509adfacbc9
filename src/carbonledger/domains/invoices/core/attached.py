"""An issued invoice as the JSON file that goes with its PDF: all that is on it, so that a program need not read the page. Pure.

The form is versioned (``SCHEMA``) and kept with documents for ever: a name here never gets another meaning. Numbers are decimal strings,
members are sorted, and the same invoice is the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from carbonledger.domains.invoices.types.invoices import Invoice, Line, Party
from carbonledger.kernel import decimals, instant
from carbonledger.kernel import money as moneys
from carbonledger.kernel.money import Money

SCHEMA: Final = "carbon-ledger/invoice/v1"


def attached(invoice: Invoice, lines: Sequence[Line]) -> bytes:
    """Return an issued invoice as JSON. Raises ``ValueError`` before it is issued."""
    issued = invoice.issued
    if issued is None:
        raise ValueError("an invoice is written out once it is issued")
    said = {
        "schema": SCHEMA,
        "id": str(invoice.id),
        "number": issued.number,
        "issued_at": instant.to_api_instant(issued.at),
        "due_on": issued.due_on.isoformat(),
        "currency": invoice.currency.code,
        "seller": _party(issued.seller),
        "buyer": _party(issued.buyer),
        "tax_treatment": invoice.tax_treatment.value,
        "lines": [_line(invoice, line) for line in lines],
        "subtotal": _amount(invoice, invoice.totals.subtotal),
        "discount": _amount(invoice, invoice.totals.discount),
        "tax": _amount(invoice, invoice.totals.tax),
        "taxes": [
            {
                "code": one.code,
                "name": one.name,
                "percent": decimals.to_api_decimal(one.percent),
                "inclusive": one.is_inclusive,
                "base": _amount(invoice, one.base),
                "amount": _amount(invoice, one.amount),
            }
            for one in invoice.totals.taxes
        ],
        "total": _amount(invoice, invoice.totals.total),
    }
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _party(party: Party) -> dict[str, Any]:
    address = {name: value for name, value in asdict(party.address).items() if value is not None}
    tax_ids = [{"kind": one.kind, "value": one.value} for one in party.tax_ids]
    return {"name": party.name, "email": party.email, "reference": party.reference, "address": address, "tax_ids": tax_ids}


def _line(invoice: Invoice, line: Line) -> Mapping[str, Any]:
    explained = line.explained
    return {
        "id": str(line.id),
        "kind": line.kind.value,
        "description": line.description,
        "charge": line.charge_code,
        "service": _stretch(line.service_start, line.service_end),
        "part": _stretch(line.part_start, line.part_end),
        "quantity": decimals.to_api_decimal(line.quantity),
        "unit_price": None if line.unit_price is None else decimals.to_api_decimal(line.unit_price),
        "amount": _amount(invoice, line.amount),
        "amount_unrounded": decimals.to_api_decimal(line.unrounded),
        "discount": _amount(invoice, line.discount),
        "tax": _amount(invoice, line.tax),
        "rated": dict(explained.rated),
        "meter": explained.meter_code,
        "events": explained.events,
        "events_sha256": explained.digest,
        "prices": list(explained.prices),
        "factors": list(explained.factors),
    }


def _stretch(start: datetime | None, end: datetime | None) -> dict[str, str] | None:
    if start is None or end is None:
        return None
    return {"start": instant.to_api_instant(start), "end": instant.to_api_instant(end)}


def _amount(invoice: Invoice, value: Decimal) -> str:
    return moneys.to_api_amount(Money(value, invoice.currency))
