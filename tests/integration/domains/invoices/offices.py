"""A seller with customers, and documents that are made by hand: what tests of invoices as documents work with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.invoices.service import issuing, standing
from carbonledger.domains.invoices.store import writing
from carbonledger.domains.invoices.types import invoices as types
from carbonledger.domains.invoices.types.invoices import Invoice, Line
from carbonledger.infra import clock, db
from carbonledger.kernel import actor, ids
from tests import conftest
from tests.unit.domains.invoices import invoice_kit as kit

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Office:
    """An organization that sells."""

    database: db.Database
    organization_id: UUID

    @property
    def actor(self) -> actor.Actor:
        return actor.system(self.organization_id)

    async def account(self, **fields: Any) -> UUID:
        """Return a new customer."""
        draft = accounts.Draft(**({"name": "Acme Robotics", "currency": "EUR"} | fields))
        async with self.database.transaction(self.organization_id) as uow:
            made = await accounts.create(uow, actor=self.actor, now=NOW, at=clock.now(), organization_id=self.organization_id, draft=draft)
        return made.id

    async def draft(self, account_id: UUID, *amounts: str, **fields: Any) -> Invoice:
        """Write a draft with a line for each amount, and return it."""
        total = str(sum((Decimal(amount) for amount in amounts), Decimal(0)))
        made = kit.invoice(
            **({"id": ids.new_id(clock.now()), "account_id": account_id, "totals": kit.totals(total), "lines": len(amounts)} | fields)
        )
        async with self.database.transaction(self.organization_id) as uow:
            await writing.add(uow, organization_id=self.organization_id, invoices=[made])
            rows = [(made.id, line(amount, position)) for position, amount in enumerate(amounts, start=1)]
            await writing.add_lines(uow, organization_id=self.organization_id, lines=rows)
        return made

    async def issue(self, *drafts: Invoice, now: datetime = NOW) -> list[Invoice]:
        """Issue drafts in one transaction."""
        async with self.database.transaction(self.organization_id) as uow:
            return await issuing.issue_all(uow, actor=self.actor, now=now, organization_id=self.organization_id, drafts=drafts)

    async def issued(self, *amounts: str) -> Invoice:
        """Return an issued invoice of a new customer with a line for each amount."""
        (made,) = await self.issue(await self.draft(await self.account(), *amounts))
        return made

    async def pay(self, invoice: Invoice, *, reference: str = "SEPA 1", now: datetime = NOW) -> Invoice:
        async with self.database.transaction(self.organization_id) as uow:
            return await standing.record_payment(
                uow, actor=self.actor, now=now, organization_id=self.organization_id, invoice_id=invoice.id, reference=reference
            )

    async def find(self, invoice: Invoice) -> Invoice:
        async with self.database.transaction(self.organization_id) as uow:
            return await standing.find(uow, organization_id=self.organization_id, invoice_id=invoice.id)

    async def lines(self, invoice: Invoice) -> list[Line]:
        async with self.database.transaction(self.organization_id) as uow:
            return await standing.every_line(uow, organization_id=self.organization_id, invoice_id=invoice.id)

    async def run(self, query: str, *args: Any) -> str:
        """Run SQL as the application."""
        async with self.database.transaction(self.organization_id) as uow:
            return await uow.conn.execute(query, *args)

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        async with self.database.transaction(self.organization_id) as uow:
            return await uow.conn.fetch(query, *args)


def line(amount: str, position: int = 1, **fields: Any) -> Line:
    """A line over ``amount`` whose cause is its own."""
    line_id = ids.new_id(clock.now())
    made = Line(
        id=line_id,
        cause=f"test:{line_id}",
        kind=types.LineKind.ITEM,
        description="Consulting",
        position=position,
        quantity=Decimal(1),
        unit_price=Decimal(amount),
        unrounded=Decimal(amount),
        amount=Decimal(amount),
    )
    return replace(made, **fields)


async def opened(database: db.Database) -> Office:
    """Return a new seller."""
    return Office(database, await conftest.make_organization(database, name="Seller"))
