"""Writing invoices, many in few statements: a bill run writes some hundred with all their lines in two, and their numbers in one more.

Each statement takes its columns as arrays, so that it is the same for one row and for thousands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg

from carbonledger.domains.invoices.store import packing
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.invoices import Invoice, Line
from carbonledger.infra import db

_CAUSE: Final = "invoice_lines_organization_id_cause_key"
_JSON: Final = "jsonb"  # travels as text: an array of lists would be taken for an array of more dimensions


def _places(forms: Mapping[str, str]) -> str:
    return ", ".join(f"${place}::{'text' if form == _JSON else form}[]" for place, form in enumerate(forms.values(), start=2))


def _values(forms: Mapping[str, str]) -> str:
    return ", ".join(f"c.{name}::jsonb" if form == _JSON else f"c.{name}" for name, form in forms.items())


_NAMES: Final = ", ".join(packing.INVOICE)
_PLACES: Final = _places(packing.INVOICE)
_VALUES: Final = _values(packing.INVOICE)
_LINE_NAMES: Final = ", ".join(packing.LINE)
_LINE_PLACES: Final = _places(packing.LINE)
_LINE_VALUES: Final = _values(packing.LINE)
_GIVEN: Final = f"unnest({_PLACES}) AS c ({_NAMES})"
_ADD: Final = f"INSERT INTO invoices (organization_id, {_NAMES}) SELECT $1, {_VALUES} FROM {_GIVEN}"
_ADD_LINES: Final = f"""
INSERT INTO invoice_lines (organization_id, {_LINE_NAMES}) SELECT $1, {_LINE_VALUES} FROM unnest({_LINE_PLACES}) AS c ({_LINE_NAMES})
"""
# What is put into a row that is there: everything but whose it is and when it was made.
_KEPT: Final = {"id", "account_id", "currency", "origin", "created_at"}
_SET: Final = ", ".join(
    f"{name} = c.{name}{'::jsonb' if form == _JSON else ''}" for name, form in packing.INVOICE.items() if name not in _KEPT
)
_PUT: Final = f"UPDATE invoices i SET {_SET} FROM {_GIVEN} WHERE i.organization_id = $1 AND i.id = c.id"
_DROP_LINES: Final = "DELETE FROM invoice_lines WHERE organization_id = $1 AND invoice_id = ANY ($2)"
_DROP: Final = "DELETE FROM invoices WHERE organization_id = $1 AND id = ANY ($2)"


async def add(uow: db.UnitOfWork, *, organization_id: UUID, invoices: Sequence[Invoice]) -> None:
    """Keep invoices that are new, drafts or gathering."""
    if invoices:
        await uow.conn.execute(_ADD, organization_id, *_columns(packing.invoice_row(invoice) for invoice in invoices))


async def add_lines(uow: db.UnitOfWork, *, organization_id: UUID, lines: Sequence[tuple[UUID, Line]]) -> None:
    """Add lines, each with its invoice. Raises ``CauseBilled`` for one whose cause has a line already; the transaction is lost then."""
    if not lines:
        return
    try:
        await uow.conn.execute(_ADD_LINES, organization_id, *_columns(packing.line_row(invoice_id, line) for invoice_id, line in lines))
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != _CAUSE:
            raise
        raise types.CauseBilled("Another bill run was faster.") from error


async def put(uow: db.UnitOfWork, *, organization_id: UUID, invoices: Sequence[Invoice]) -> None:
    """Keep what became of invoices: the database refuses what may not become of them."""
    if invoices:
        await uow.conn.execute(_PUT, organization_id, *_columns(packing.invoice_row(invoice) for invoice in invoices))


async def drop_lines(uow: db.UnitOfWork, *, organization_id: UUID, invoice_ids: Iterable[UUID]) -> None:
    """Take all lines off drafts."""
    await uow.conn.execute(_DROP_LINES, organization_id, list(invoice_ids))


async def drop(uow: db.UnitOfWork, *, organization_id: UUID, invoice_ids: Sequence[UUID]) -> None:
    """Drop drafts with their lines; none is nothing."""
    if invoice_ids:
        await drop_lines(uow, organization_id=organization_id, invoice_ids=invoice_ids)
        await uow.conn.execute(_DROP, organization_id, list(invoice_ids))


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
