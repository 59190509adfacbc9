"""PDFs of invoices: made once after issue, kept, and given out. One that can't be made keeps none of the others back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carbonledger.domains.identity.service import organizations
from carbonledger.domains.invoices.core import attached
from carbonledger.domains.invoices.core import sheet as sheets
from carbonledger.domains.invoices.service import sellers, standing
from carbonledger.domains.invoices.store import reading, upkeep
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types import printing
from carbonledger.domains.invoices.types.failures import Step
from carbonledger.infra import db
from carbonledger.kernel import ids


@dataclass(frozen=True, slots=True)
class Prepared:
    """An invoice as it will be printed."""

    invoice_id: UUID
    account_id: UUID
    sheet: printing.Sheet
    attachment: bytes


async def unprinted(uow: db.UnitOfWork, *, organization_id: UUID, invoice_ids: Sequence[UUID]) -> list[Prepared]:
    """Return what is to be printed of issued invoices: those that have no PDF yet."""
    missing = await upkeep.unprinted(uow, organization_id=organization_id, invoice_ids=invoice_ids)
    invoices = [one for one in await reading.some(uow, organization_id=organization_id, invoice_ids=missing) if one.issued is not None]
    if not invoices:
        return []
    lines = await reading.lines_of_many(uow, organization_id=organization_id, invoice_ids=[one.id for one in invoices])
    corrected = await reading.some(
        uow, organization_id=organization_id, invoice_ids=[one.corrects for one in invoices if one.corrects is not None]
    )
    numbers = {one.id: one.issued.number for one in corrected if one.issued is not None}
    settings = await sellers.settings(uow, organization_id=organization_id)
    is_test = (await organizations.find(uow, organization_id=organization_id)).is_sandbox
    return [
        Prepared(
            invoice_id=one.id,
            account_id=one.account_id,
            sheet=sheets.sheet(
                one,
                lines[one.id],
                settings=settings,
                is_test=is_test,
                corrects=None if one.corrects is None else numbers.get(one.corrects),
            ),
            attachment=attached.attached(one, lines[one.id]),
        )
        for one in invoices
    ]


async def printed(prepared: Prepared, *, printer: printing.InvoicePrinter) -> bytes:
    """Return the PDF: outside any transaction, since it takes its time."""
    return await asyncio.to_thread(printer.printed, prepared.sheet, attachment=prepared.attachment)


async def keep(uow: db.UnitOfWork, *, at: datetime, organization_id: UUID, invoice_id: UUID, content: bytes) -> None:
    """Keep the PDF of an invoice; the first one stays."""
    await upkeep.add_document(uow, organization_id=organization_id, invoice_id=invoice_id, content=content, at=at)
    await upkeep.done_with(uow, organization_id=organization_id, invoice_ids=[invoice_id], step=Step.PRINT)


async def failed(uow: db.UnitOfWork, *, now: datetime, at: datetime, organization_id: UUID, prepared: Prepared, detail: str) -> None:
    """Write that a PDF could not be made."""
    await upkeep.fail(
        uow,
        organization_id=organization_id,
        failure_id=ids.new_id(at),
        account_id=prepared.account_id,
        invoice_id=prepared.invoice_id,
        step=Step.PRINT,
        code="invoice_unprintable",
        detail=detail[:1000],
        now=now,
    )


async def document(uow: db.UnitOfWork, *, organization_id: UUID, invoice_id: UUID) -> tuple[str, bytes]:
    """Return number and PDF of an invoice. Raises ``InvoiceNotFound``, ``InvoiceNotIssued``, ``InvoiceUnprinted``."""
    found = await standing.find(uow, organization_id=organization_id, invoice_id=invoice_id)
    if found.issued is None:
        raise types.InvoiceNotIssued("Finalize it first.")
    content = await upkeep.document(uow, organization_id=organization_id, invoice_id=invoice_id)
    if content is None:
        raise types.InvoiceUnprinted("Its PDF follows in a moment.", retry_after_s=2)
    return found.issued.number, content
