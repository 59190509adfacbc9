"""Issuing: drafts get their numbers, many at once, last of all in their transaction; what may stand on their paper is fixed with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.identity.service import organizations
from carbonledger.domains.invoices.core import sellers as parties
from carbonledger.domains.invoices.core import states
from carbonledger.domains.invoices.service import sellers, settling
from carbonledger.domains.invoices.store import numbers, upkeep, writing
from carbonledger.domains.invoices.types import sellers as seller_types
from carbonledger.domains.invoices.types.invoices import Invoice, Issued, Payment
from carbonledger.infra import db, outbox, queue
from carbonledger.kernel import money as moneys
from carbonledger.kernel import zone as zones
from carbonledger.kernel.actor import Actor
from carbonledger.kernel.money import Money

ISSUED: Final = "invoices.issued"
PAID: Final = "invoices.paid"
TARGET: Final = "invoice"
PRINT_JOB: Final = "invoices.print"


async def issue_all(
    uow: db.UnitOfWork,
    *,
    actor: Actor,
    now: datetime,
    organization_id: UUID,
    drafts: Sequence[Invoice],
    settings: seller_types.SellerSettings | None = None,
) -> list[Invoice]:
    """Issue drafts, which this transaction holds, with numbers in their order; ask for their PDFs; return them.

    Nothing but the commit comes after the numbers are taken: until then nobody else of the seller takes any. Raises
    ``InvoiceStateForbids``, ``InvoiceEmpty``.
    """
    if not drafts:
        return []
    settings = settings or await sellers.settings(uow, organization_id=organization_id)
    organization = await organizations.find(uow, organization_id=organization_id)
    buyers = await accounts.find_many(uow, organization_id=organization_id, account_ids=[draft.account_id for draft in drafts])
    await sellers.series(uow, organization_id=organization_id, code=settings.series, now=now)
    await queue.enqueue(uow, name=PRINT_JOB, args={"invoice_ids": [str(draft.id) for draft in drafts]}, now=now, actor=actor)
    await upkeep.done_with(uow, organization_id=organization_id, invoice_ids=[draft.id for draft in drafts])
    seller = parties.seller(settings, organization=organization.name)
    taken = await numbers.take(uow, organization_id=organization_id, code=settings.series, count=len(drafts))
    if taken is None:
        raise seller_types.SeriesNotFound(f"There is no series {settings.series}.")
    series, first = taken
    issued = [
        states.issued(
            draft,
            by=Issued(
                series=series.code,
                sequence=sequence,
                number=series.number(sequence),
                at=now,
                due_on=zones.local_date(now, zones.named(draft.zone)) + timedelta(days=draft.terms_days),
                seller=seller,
                buyer=parties.buyer(buyers[draft.account_id]),
            ),
        )
        for sequence, draft in enumerate(drafts, start=first)
    ]
    await writing.put(uow, organization_id=organization_id, invoices=issued)
    told = [(one.id, told_of(one)) for one in issued]
    await outbox.emit_many(uow, actor=actor, now=now, action=ISSUED, target_type=TARGET, changes=told)
    paid = [(one.id, told_of(one)) for one in issued if one.payment is Payment.PAID]
    await outbox.emit_many(uow, actor=actor, now=now, action=PAID, target_type=TARGET, changes=paid)
    if paid:
        await settling.settle(
            uow, actor=actor, now=now, organization_id=organization_id, invoice_ids=[invoice_id for invoice_id, _ in paid]
        )
    return issued


def told_of(invoice: Invoice) -> dict[str, object]:
    """Return what events say of an invoice: nobody's name, and no line."""
    issued = invoice.issued
    return {
        "number": None if issued is None else issued.number,
        "account_id": str(invoice.account_id),
        "currency": invoice.currency.code,
        "total": moneys.to_api_amount(Money(invoice.totals.total, invoice.currency)),
        "state": invoice.state.value,
        "payment": invoice.payment.value,
        "due_on": None if issued is None else issued.due_on.isoformat(),
    }
