"""A seller with plans and subscriptions, whose time goes on as a test says: what tests of bill runs work with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog.types import Aggregation, Charge, Measure, Meter
from carbonledger.domains.catalog.types.charges import Flat, Graduated, Tier, Timing
from carbonledger.domains.catalog.types.drafts import PlanDraft, VersionDraft
from carbonledger.domains.invoices.service import billing, collecting, late, running, sellers, standing
from carbonledger.domains.invoices.types.invoices import Filters, Invoice
from carbonledger.domains.subscriptions import service as subscriptions
from carbonledger.infra import clock, db
from carbonledger.kernel import currency, ids
from carbonledger.kernel import page as pages
from carbonledger.kernel.period import CalendarUnit, Interval
from tests import conftest
from tests.integration.domains.invoices.offices import Office
from tests.integration.domains.telemetry import kit as ledger

START = datetime(2026, 1, 31, tzinfo=UTC)
MONTH = Interval(CalendarUnit.MONTH)
PLATFORM = Charge(code="platform", name="Platform fee", timing=Timing.ADVANCE, model=Flat(Decimal("49.00")))
SEATS = Charge(code="seats", name="Seats", timing=Timing.ADVANCE, model=Flat(Decimal("10.00")), per_seat=True)
SUPPORT = Charge(code="support", name="Support", timing=Timing.ARREARS, model=Flat(Decimal("15.00")))

PAGES = Charge(
    code="pages",
    name="Pages",
    model=Graduated((Tier(Decimal(100), Decimal("0.10")), Tier(None, Decimal("0.05"))), flat_at_zero=False),
    meter_code="pages",
)


@dataclass(frozen=True, slots=True)
class Shop(Office):
    """An organization that sells plans."""

    async def plan(self, code: str = "pro", *charges: Charge, now: datetime = START, **fields: Any) -> UUID:
        """Return a new plan in EUR, by the month, with these charges (none: a platform fee)."""
        values = {"currency": currency.by_code("EUR"), "interval": MONTH} | fields
        version = VersionDraft(values=values, charges=charges or (PLATFORM,))
        async with self.database.transaction(self.organization_id) as uow:
            made = await catalog.create_plan(
                uow,
                actor=self.actor,
                now=now,
                at=clock.now(),
                organization_id=self.organization_id,
                draft=PlanDraft(code=code, name=code.title(), version=version),
            )
        return made.id

    async def subscribe(self, account_id: UUID, plan_id: UUID, *, now: datetime = START, **fields: Any) -> UUID:
        """Return a new subscription."""
        draft = subscriptions.Draft(plan_id=plan_id, account_id=account_id, **fields)
        async with self.database.transaction(self.organization_id) as uow:
            made = await subscriptions.create(
                uow, actor=self.actor, now=now, at=clock.now(), organization_id=self.organization_id, draft=draft
            )
        return made.subscription.id

    async def meter(self, code: str = "pages", **fields: Any) -> None:
        """Make a meter that sums the quantity of metered events of its name."""
        known: dict[str, Any] = {"aggregation": Aggregation.SUM, "event": code, "measure": Measure.QUANTITY}
        meter = Meter(id=UUID(int=0), code=code, name=code.title(), created_at=START, updated_at=START, **(known | fields))
        async with self.database.transaction(self.organization_id) as uow:
            await catalog.create_meter(uow, actor=self.actor, now=START, at=clock.now(), organization_id=self.organization_id, meter=meter)

    async def use(self, account: str, quantity: str, *, at: datetime, event: str = "pages") -> None:
        """Record that a customer, by its external id, used something."""
        item = ledger.metered(str(ids.new_id(clock.now())), quantity, at=at, event=event, account=account)
        await self.send(item, at=at)

    async def send(self, *items: Any, at: datetime) -> None:
        """Put events into the ledger; the newest may not be after ``at``."""
        done = await ledger.accept(self.database, self.organization_id, *items, at=max(at, START))
        assert set(ledger.statuses(done)) == {"accepted"}, ledger.statuses(done)

    async def settings(self, **values: Any) -> None:
        """Change how it sells."""
        async with self.database.transaction(self.organization_id) as uow:
            await sellers.change(uow, actor=self.actor, now=START, organization_id=self.organization_id, values=values)

    async def collect(self, now: datetime) -> int:
        """Issue the drafts that have waited, as the job does."""
        async with self.database.transaction(self.organization_id) as uow:
            done = await collecting.run(
                uow, actor=self.actor, now=now, at=clock.now(), organization_id=self.organization_id, limit=billing.BATCH
            )
        return done.issued

    async def settle_late(self, now: datetime, *, limit: int = 100) -> None:
        """Settle what came late, as the job does."""
        after: UUID | None = late.BEGINNING
        while after is not None:
            async with self.database.transaction(self.organization_id) as uow:
                after = await late.settle(
                    uow, actor=self.actor, now=now, at=clock.now(), organization_id=self.organization_id, after=after, limit=limit
                )

    async def bill(self, now: datetime, *, limit: int = billing.BATCH) -> billing.Ran:
        """Run the bills as the job does: batch by batch, each in a transaction of its own."""
        ran, after = billing.Ran(), None
        while True:
            async with self.database.transaction(self.organization_id) as uow:
                account_ids = (await billing.batch(uow, now=now, organization_id=self.organization_id, after=after))[:limit]
                if not account_ids:
                    return ran
                ran += await billing.run(
                    uow, actor=self.actor, now=now, at=clock.now(), organization_id=self.organization_id, account_ids=account_ids
                )
            after = account_ids[-1]

    async def pass_time(self, until: datetime) -> int:
        """Do everything that is due until then, stop by stop as the clock of a sandbox does; return how many stops there were."""
        stops = 0
        while True:
            async with self.database.transaction(self.organization_id) as uow:
                instants = (
                    await subscriptions.next_due(uow, self.organization_id, until),
                    await billing.next_due(uow, self.organization_id, until),
                )
                stop = min((one for one in instants if one is not None), default=None)
                if stop is None:
                    return stops
                await subscriptions.run_due(uow, self.actor, stop)
                await running.run_due(uow, self.actor, stop)
            stops += 1

    async def invoices(self, **filters: Any) -> list[Invoice]:
        """Return all invoices, the oldest first."""
        async with self.database.transaction(self.organization_id) as uow:
            found = await standing.listed(
                uow, organization_id=self.organization_id, filters=Filters(**filters), page=pages.PageRequest(limit=200)
            )
        assert found.next_cursor is None
        return list(reversed(found.data))


async def opened(database: db.Database) -> Shop:
    """Return a new seller."""
    return Shop(database, await conftest.make_organization(database, name="Seller"))
