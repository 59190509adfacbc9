"""What a payment of the house's own invoices means for the periods of its customers: the months that a plan was paid for, or was not.

The house bills its customers' organizations as any seller bills accounts: an account's external id is the organization's id. Periods know
only months, so a service period is some months (``core.periods.months_served``), counted in the zone of the invoice; a month of the
customer's own calendar is the one of the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.identity import types as identity_types
from carbonledger.domains.identity.service import organizations
from carbonledger.domains.invoices.service import standing
from carbonledger.domains.invoices.types.invoices import LineKind, Payment
from carbonledger.domains.receipts.core import periods as rules
from carbonledger.domains.receipts.service import periods
from carbonledger.domains.receipts.service.periods import Outcome
from carbonledger.domains.receipts.types import periods as types
from carbonledger.infra import db
from carbonledger.kernel import zone as zones
from carbonledger.kernel.actor import Actor
from carbonledger.kernel.period import Period


@dataclass(frozen=True, slots=True)
class Settled:
    """An invoice of the house that was paid, or whose payment failed: whose plan it is for, and which months, by their first days."""

    invoice_id: UUID
    organization_id: UUID
    outcome: Outcome
    months: tuple[date, ...]


async def of_invoice(uow: db.UnitOfWork, *, organization_id: UUID, invoice_id: UUID) -> Settled | None:
    """Return what an invoice of the transaction's organization says of a customer's plan.

    None where it is not the house's, is of an account that is no organization, or was not settled. Raises ``InvoiceNotFound``.
    """
    if not (await organizations.find(uow, organization_id=organization_id)).is_house:
        return None
    invoice = await standing.find(uow, organization_id=organization_id, invoice_id=invoice_id)
    outcome = {Payment.PAID: Outcome.PAID, Payment.FAILED: Outcome.FAILED}.get(invoice.payment)
    account = await accounts.find(uow, organization_id=organization_id, account_id=invoice.account_id)
    customer = _organization(account.external_id)
    if outcome is None or customer is None:
        return None
    lines = await standing.every_line(uow, organization_id=organization_id, invoice_id=invoice_id)
    services = {
        Period(line.service_start, line.service_end)
        for line in lines
        if line.kind is LineKind.CHARGE and line.service_start is not None and line.service_end is not None
    }
    return Settled(invoice_id, customer, outcome, rules.months_served(services, zones.named(invoice.zone)))


def _organization(external_id: str | None) -> UUID | None:
    try:
        return None if external_id is None else UUID(external_id)
    except ValueError:
        return None


async def record(uow: db.UnitOfWork, *, actor: Actor, at: datetime, settled: Settled) -> tuple[date, ...]:
    """Write in the customer's own transaction which months were paid, or not, and return those of which that is new.

    What was paid is kept for months that have not begun as well. A payment that failed says nothing of those: they wait for theirs once
    they are there. A month that was paid stays paid.
    """
    try:
        organization = await organizations.find(uow, organization_id=settled.organization_id)
    except identity_types.OrganizationUnknown:
        return ()
    now = organization.business_now(at)
    if settled.outcome is Outcome.PAID:
        return await periods.pay_months(
            uow, actor=actor, now=now, organization_id=organization.id, months=settled.months, invoice_id=settled.invoice_id
        )
    recorded = []
    for month in settled.months:
        try:
            await periods.record_payment(uow, actor=actor, now=now, organization_id=organization.id, month=month, outcome=settled.outcome)
        except (types.PaymentSettled, types.PeriodNotFound):  # paid by an earlier invoice; from before its first period, or not begun
            continue
        recorded.append(month)
    return tuple(recorded)
