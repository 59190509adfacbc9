"""What a payment of the house's own invoices means for the periods of its customers: the months that a plan was paid for, or was not.

The house bills its customers' organizations as any seller bills accounts: an account's external id is the organization's id. Periods know
only months, so a service period is the months from that of its first day on: a year that begins on 15 January is twelve, January the first.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    """An invoice of the house that was paid, or whose payment failed: whose plan it is for, and which times."""

    organization_id: UUID
    outcome: Outcome
    services: tuple[Period, ...]


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
    return Settled(customer, outcome, tuple(sorted(services, key=lambda one: one.start)))


def _organization(external_id: str | None) -> UUID | None:
    try:
        return None if external_id is None else UUID(external_id)
    except ValueError:
        return None


async def record(uow: db.UnitOfWork, *, actor: Actor, at: datetime, settled: Settled) -> tuple[date, ...]:
    """Write in the customer's own transaction which months were paid, or not, and return those that have begun.

    A month that has not begun, or that the organization has no period of, is left out; one that was paid before stays paid.
    """
    try:
        organization = await organizations.find(uow, organization_id=settled.organization_id)
    except identity_types.OrganizationUnknown:
        return ()
    now = organization.business_now(at)
    recorded = []
    for month in _months(settled.services, organization.time_zone):
        if zones.midnight(month, zones.named(organization.time_zone)) > now:
            continue
        try:
            await periods.record_payment(uow, actor=actor, now=now, organization_id=organization.id, month=month, outcome=settled.outcome)
        except (types.PaymentSettled, types.PeriodNotFound):  # paid by an earlier invoice, or from before its first period
            continue
        recorded.append(month)
    return tuple(recorded)


def _months(services: Iterable[Period], zone: str) -> list[date]:
    """Return the first days of the months of service periods, each once, in order."""
    place = zones.named(zone)
    found: set[date] = set()
    for service in services:
        month = rules.first_of(zones.local_date(service.start, place))
        end = zones.local_date(service.end or service.start, place)
        found.add(month)
        while (month := rules.next_month(month)) < rules.first_of(end):
            found.add(month)
    return sorted(found)
