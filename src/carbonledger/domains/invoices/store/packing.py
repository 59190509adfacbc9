"""Invoices and lines as rows and back: the columns in the order in which they are written, with their types in the database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from carbonledger.domains.accounts import types as accounts
from carbonledger.domains.invoices.types.invoices import (
    Explained,
    Invoice,
    Issued,
    Line,
    LineKind,
    Origin,
    Party,
    Payment,
    State,
    TaxTotal,
    Totals,
)
from carbonledger.domains.invoices.types.totals import DocumentDiscount, TaxRounding
from carbonledger.kernel import currency as currencies
from carbonledger.kernel import decimals, instant
from carbonledger.kernel.period import Period

if TYPE_CHECKING:
    import asyncpg

INVOICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "id": "uuid",
        "account_id": "uuid",
        "currency": "text",
        "origin": "text",
        "state": "text",
        "payment": "text",
        "subtotal": "numeric",
        "discount": "numeric",
        "tax": "numeric",
        "total": "numeric",
        "taxes": "jsonb",
        "lines": "integer",
        "discounts": "jsonb",
        "tax_treatment": "text",
        "tax_rounding": "text",
        "locale": "text",
        "zone": "text",
        "terms_days": "integer",
        "billed_at": "timestamptz",
        "collects_until": "timestamptz",
        "corrects": "uuid",
        "memo": "text",
        "series": "text",
        "sequence": "bigint",
        "number": "text",
        "issued_at": "timestamptz",
        "due_on": "date",
        "seller": "jsonb",
        "buyer": "jsonb",
        "paid_at": "timestamptz",
        "reference": "text",
        "ended_at": "timestamptz",
        "created_at": "timestamptz",
        "updated_at": "timestamptz",
    }
)
LINE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "invoice_id": "uuid",
        "position": "integer",
        "id": "uuid",
        "cause": "text",
        "kind": "text",
        "description": "text",
        "subscription_id": "uuid",
        "plan_version_id": "uuid",
        "charge_code": "text",
        "undoes": "text",
        "service_start": "timestamptz",
        "service_end": "timestamptz",
        "part_start": "timestamptz",
        "part_end": "timestamptz",
        "quantity": "numeric",
        "unit_price": "numeric",
        "unrounded": "numeric",
        "amount": "numeric",
        "discount": "numeric",
        "tax": "numeric",
        "tax_included": "numeric",
        "tax_codes": "jsonb",
        "rated": "jsonb",
        "meter_id": "uuid",
        "meter_code": "text",
        "events": "bigint",
        "digest": "text",
        "prices": "jsonb",
        "factors": "jsonb",
        "metered_at": "timestamptz",
    }
)


def to_json(value: object) -> str:
    """Return plain values as the text in which they travel."""
    return "[]" if value == [] else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def invoice_row(invoice: Invoice) -> tuple[Any, ...]:
    """Return an invoice in the order of ``INVOICE``."""
    issued, totals = invoice.issued, invoice.totals
    numbered = (
        (None,) * 7
        if issued is None
        else (
            issued.series,
            issued.sequence,
            issued.number,
            issued.at,
            issued.due_on,
            to_json(party_to_json(issued.seller)),
            to_json(party_to_json(issued.buyer)),
        )
    )
    return (
        invoice.id,
        invoice.account_id,
        invoice.currency.code,
        invoice.origin.value,
        invoice.state.value,
        invoice.payment.value,
        totals.subtotal,
        totals.discount,
        totals.tax,
        totals.total,
        to_json([_tax_to_json(one) for one in totals.taxes]),
        invoice.lines,
        to_json([_discount_to_json(one) for one in invoice.discounts]),
        invoice.tax_treatment.value,
        invoice.tax_rounding.value,
        invoice.locale.value,
        invoice.zone,
        invoice.terms_days,
        invoice.billed_at,
        invoice.collects_until,
        invoice.corrects,
        invoice.memo,
        *numbered,
        invoice.paid_at,
        invoice.reference,
        invoice.ended_at,
        invoice.created_at,
        invoice.updated_at,
    )


def invoice_from_row(row: asyncpg.Record) -> Invoice:
    """Return the invoice of a row."""
    return Invoice(
        id=row["id"],
        account_id=row["account_id"],
        currency=currencies.by_code(row["currency"]),
        origin=Origin(row["origin"]),
        state=State(row["state"]),
        payment=Payment(row["payment"]),
        totals=Totals(
            subtotal=row["subtotal"],
            discount=row["discount"],
            tax=row["tax"],
            total=row["total"],
            taxes=tuple(_tax_from_json(one) for one in row["taxes"]),
        ),
        lines=row["lines"],
        discounts=tuple(_discount_from_json(one) for one in row["discounts"]),
        tax_treatment=accounts.TaxTreatment(row["tax_treatment"]),
        tax_rounding=TaxRounding(row["tax_rounding"]),
        locale=accounts.Locale(row["locale"]),
        zone=row["zone"],
        terms_days=row["terms_days"],
        billed_at=row["billed_at"],
        collects_until=row["collects_until"],
        corrects=row["corrects"],
        memo=row["memo"],
        issued=None if row["number"] is None else _issued(row),
        paid_at=row["paid_at"],
        reference=row["reference"],
        ended_at=row["ended_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _issued(row: asyncpg.Record) -> Issued:
    return Issued(
        series=row["series"],
        sequence=row["sequence"],
        number=row["number"],
        at=row["issued_at"],
        due_on=row["due_on"],
        seller=party_from_json(row["seller"]),
        buyer=party_from_json(row["buyer"]),
    )


def line_row(invoice_id: UUID, line: Line) -> tuple[Any, ...]:
    """Return a line in the order of ``LINE``."""
    explained = line.explained
    return (
        invoice_id,
        line.position,
        line.id,
        line.cause,
        line.kind.value,
        line.description,
        line.subscription_id,
        line.plan_version_id,
        line.charge_code,
        line.undoes,
        line.service_start,
        line.service_end,
        line.part_start,
        line.part_end,
        line.quantity,
        line.unit_price,
        line.unrounded,
        line.amount,
        line.discount,
        line.tax,
        line.tax_included,
        to_json(list(line.tax_codes)),
        to_json(dict(explained.rated)),
        explained.meter_id,
        explained.meter_code,
        explained.events,
        explained.digest,
        to_json(list(explained.prices)),
        to_json(list(explained.factors)),
        explained.metered_at,
    )


def line_from_row(row: asyncpg.Record) -> Line:
    """Return the line of a row."""
    return Line(
        id=row["id"],
        cause=row["cause"],
        kind=LineKind(row["kind"]),
        description=row["description"],
        position=row["position"],
        subscription_id=row["subscription_id"],
        plan_version_id=row["plan_version_id"],
        charge_code=row["charge_code"],
        undoes=row["undoes"],
        service_start=row["service_start"],
        service_end=row["service_end"],
        part_start=row["part_start"],
        part_end=row["part_end"],
        quantity=row["quantity"],
        unit_price=row["unit_price"],
        unrounded=row["unrounded"],
        amount=row["amount"],
        discount=row["discount"],
        tax=row["tax"],
        tax_included=row["tax_included"],
        tax_codes=tuple(row["tax_codes"]),
        explained=Explained(
            rated=MappingProxyType(row["rated"]),
            meter_id=row["meter_id"],
            meter_code=row["meter_code"],
            events=row["events"],
            digest=row["digest"],
            prices=tuple(row["prices"]),
            factors=tuple(row["factors"]),
            metered_at=row["metered_at"],
        ),
    )


def party_to_json(party: Party) -> dict[str, Any]:
    """Return a party as it is kept; what is not known is left out."""
    found = {"name": party.name, "email": party.email, "reference": party.reference}
    return {key: value for key, value in found.items() if value is not None} | {
        "address": address_to_json(party.address),
        "tax_ids": tax_ids_to_json(party.tax_ids),
    }


def party_from_json(found: Mapping[str, Any]) -> Party:
    """Return a party that was kept."""
    return Party(
        name=found["name"],
        email=found.get("email"),
        reference=found.get("reference"),
        address=accounts.Address(**found["address"]),
        tax_ids=tax_ids_from_json(found["tax_ids"]),
    )


def address_to_json(address: accounts.Address) -> dict[str, str]:
    """Return an address as it is kept; what is not known is left out."""
    names = ("line1", "line2", "city", "postal_code", "region", "country")
    return {name: value for name in names if (value := getattr(address, name)) is not None}


def tax_ids_to_json(tax_ids: Sequence[accounts.TaxId]) -> list[dict[str, str]]:
    """Return tax ids as they are kept."""
    return [{"kind": one.kind, "value": one.value} for one in tax_ids]


def tax_ids_from_json(found: Sequence[Mapping[str, str]]) -> tuple[accounts.TaxId, ...]:
    """Return tax ids that were kept."""
    return tuple(accounts.TaxId(one["kind"], one["value"]) for one in found)


def _discount_to_json(one: DocumentDiscount) -> dict[str, Any]:
    kept: dict[str, Any] = {"amount": decimals.to_api_decimal(one.amount), "name": one.name}
    if one.service is not None and one.service.end is not None:
        kept |= {
            "subscription_id": str(one.subscription_id),
            "plan_version_id": str(one.plan_version_id),
            "service": [instant.to_api_instant(one.service.start), instant.to_api_instant(one.service.end)],
        }
    return kept


def _discount_from_json(kept: Mapping[str, Any]) -> DocumentDiscount:
    if "service" not in kept:
        return DocumentDiscount(amount=Decimal(kept["amount"]), name=kept["name"])
    return DocumentDiscount(
        amount=Decimal(kept["amount"]),
        name=kept["name"],
        subscription_id=UUID(kept["subscription_id"]),
        plan_version_id=UUID(kept["plan_version_id"]),
        service=Period(*(instant.from_api_instant(bound) for bound in kept["service"])),
    )


def _tax_to_json(one: TaxTotal) -> dict[str, Any]:
    return {
        "code": one.code,
        "name": one.name,
        "percent": decimals.to_api_decimal(one.percent),
        "inclusive": one.is_inclusive,
        "base": decimals.to_api_decimal(one.base),
        "amount": decimals.to_api_decimal(one.amount),
    }


def _tax_from_json(found: Mapping[str, Any]) -> TaxTotal:
    return TaxTotal(
        code=found["code"],
        name=found["name"],
        percent=Decimal(found["percent"]),
        is_inclusive=found["inclusive"],
        base=Decimal(found["base"]),
        amount=Decimal(found["amount"]),
    )
