"""Jobs of invoices: their PDFs."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from carbonledger.domains.invoices.service import issuing, printing
from carbonledger.entrypoints.worker import runner
from carbonledger.infra import queue

_TIMEOUT_S: Final = 3600.0


@queue.steps(issuing.PRINT_JOB, timeout_s=_TIMEOUT_S)
async def print_invoices(work: runner.StepsJob) -> dict[str, int]:
    """Make the PDFs of invoices that were issued together. Those that have one are left; one that fails keeps none of the others back."""
    invoice_ids = [UUID(each) for each in work.args["invoice_ids"]]
    async with work.database.transaction(work.organization_id, read_only=True) as uow:
        waiting = await printing.unprinted(uow, organization_id=work.organization_id, invoice_ids=invoice_ids)
    failures: list[Exception] = []
    for prepared in waiting:
        try:
            content = await printing.printed(prepared, printer=work.services.invoice_printer)
        except Exception as error:  # noqa: BLE001 - typst says everything with one class, and the rest are printed all the same
            failures.append(error)
            async with work.transaction() as uow:
                detail = type(error).__name__
                await printing.failed(uow, now=work.now, at=work.at, organization_id=work.organization_id, prepared=prepared, detail=detail)
            continue
        async with work.transaction() as uow:
            await printing.keep(uow, at=work.at, organization_id=work.organization_id, invoice_id=prepared.invoice_id, content=content)
    if failures:
        raise failures[0]
    return {"printed": len(waiting)}
