"""What came late, for people: with the line it is of, and the line that bills it."""

from __future__ import annotations

from uuid import UUID

from carbonledger.domains.invoices.core import late as core
from carbonledger.domains.invoices.store import reading, upkeep
from carbonledger.domains.invoices.types.failures import LateReport
from carbonledger.infra import db
from carbonledger.kernel import page as pages


async def late(
    uow: db.UnitOfWork,
    *,
    organization_id: UUID,
    page: pages.PageRequest,
    account_id: UUID | None = None,
    invoice_id: UUID | None = None,
) -> pages.Page[LateReport]:
    """Return what came late, the newest first: of everybody, of an account, or of an invoice."""
    rows = await upkeep.late(
        uow,
        organization_id=organization_id,
        account_id=account_id,
        invoice_id=invoice_id,
        before=pages.before_id(page),
        limit=page.limit + 1,
    )
    found = [(one, core.billed_by(one, times)) for one, times in rows]
    causes = {one.cause for one, _ in found} | {cause for _, cause in found if cause is not None}
    lines = await reading.caused(uow, organization_id=organization_id, causes=causes)
    wanted = {invoice_id for invoice_id, _ in lines.values()}
    invoices = {one.id: one for one in await reading.some(uow, organization_id=organization_id, invoice_ids=wanted)}
    reports = []
    for one, cause in found:
        _, line = lines[one.cause]
        bills = None if cause is None else lines.get(cause)
        billing = None if bills is None else (invoices[bills[0]], bills[1])
        reports.append(LateReport(late=one, line=line, invoice=invoices[one.invoice_id], billing=billing))
    return pages.cut(tuple(reports), limit=page.limit, key=lambda last: (str(last.late.id),))
