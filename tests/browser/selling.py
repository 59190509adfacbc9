"""Run as a program in an installation's environment: has the house sell to customers for some months, as time went by then.

Customers with names of all kinds, a plan with every sort of line, usage that the house's own telemetry carries, and what happens to
invoices and subscriptions: paid, overdue, void, failed, changed, paused, canceled.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.accounts.types import Address, Locale, TaxId
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog.types import AmountDiscount, Charge, Measure, PercentDiscount
from carbonledger.domains.catalog.types.charges import Bound, Carbon, CostPlus, Flat, Graduated, Tier, Timing
from carbonledger.domains.invoices.service import failing, standing
from carbonledger.domains.invoices.types.failures import Step
from carbonledger.domains.invoices.types.invoices import Invoice, Origin, State, TaxUnknown
from carbonledger.domains.subscriptions import service as subscriptions
from carbonledger.domains.subscriptions.types import When
from carbonledger.entrypoints.cli import operating
from carbonledger.infra import clock
from carbonledger.kernel import currency
from tests.integration.domains.invoices.shops import Shop
from tests.integration.domains.telemetry import kit as ledger

HOSTILE: Final = '<script>alert(1)</script> & "Söhne" <b>KG</b>'
MONTHS: Final = 3
EVENTS_A_DAY: Final = 3  # of each kind and customer
PAID: Final = 3
_TIERS: Final = (
    Tier(Decimal(1_000), Decimal("0.02"), Decimal(5)),
    Tier(Decimal(10_000), Decimal("0.01")),
    Tier(None, Decimal("0.005")),
)
PLATFORM: Final = Charge(code="platform", name="Platform fee", timing=Timing.ADVANCE, model=Flat(Decimal("49.00")))
SEATS: Final = Charge(code="seats", name="Seats", timing=Timing.ADVANCE, model=Flat(Decimal("12.50")), per_seat=True)
PAGES: Final = Charge(code="pages", name="Pages read", model=Graduated(_TIERS), meter_code="pages", included=Decimal(500))
AI: Final = Charge(code="ai", name="AI usage", model=CostPlus(Decimal(20)), meter_code="ai-cost")
CARBON: Final = Charge(code="carbon", name="CO2e of AI usage", model=Carbon(Decimal("0.25"), Bound.HIGH), meter_code="ai-co2e")


@dataclass(frozen=True, slots=True)
class Customers:
    """Who is sold to, and the subscriptions that something happens to."""

    acme: UUID
    idle: UUID
    main: UUID
    canceled: UUID
    paused: UUID


@dataclass(frozen=True, slots=True)
class Selling:
    """The house, from when on it sells, and now."""

    shop: Shop
    beginning: datetime
    now: datetime

    def by(self, at: datetime) -> dict[str, Any]:
        """Return who does something, and when."""
        return {"actor": self.shop.actor, "now": at, "organization_id": self.shop.organization_id}

    async def prepare(self) -> None:
        """Say how the house sells, and make what is counted."""
        async with self.shop.database.transaction(self.shop.organization_id) as uow:
            vat: dict[str, Any] = {"code": "vat", "name": "VAT", "percent": Decimal(19), "inclusive": False}
            await catalog.create_tax_rate(uow, at=clock.now(), **self.by(self.beginning), **vat)
        await self.shop.settings(
            name="Carbon & Ledger GmbH",
            address=Address(line1="Torstr. 1", postal_code="10119", city="Berlin", country="DE"),
            tax_ids=(TaxId("eu_vat", "DE123456789"),),
            email="billing@ledger.example",
            tax_rate_codes=("vat",),
            grace=timedelta(hours=6),
        )
        await self.shop.meter("pages")
        await self.shop.meter("ai-cost", event=None, measure=Measure.COST)
        await self.shop.meter("ai-co2e", event=None, measure=Measure.CO2E_MID)

    async def plan(self, code: str, *charges: Charge, **fields: Any) -> UUID:
        return await self.shop.plan(code, *charges, currency=currency.by_code("USD"), now=self.beginning, **fields)

    async def subscribe(self) -> Customers:
        """Return the customers with what they subscribe to."""
        growth = await self.plan(
            "growth", PLATFORM, SEATS, PAGES, AI, CARBON, setup_fee=Decimal(99), discounts=(PercentDiscount(Decimal(10), "Founders"),)
        )
        starter = await self.plan("starter", PLATFORM, PAGES, trial_days=14)
        await self.plan("scale", PLATFORM, PAGES, AI, minimum_commitment=Decimal(500), discounts=(AmountDiscount(Decimal(5)),))
        shop, market = self.shop, Address(line1="1 Market St", city="San Francisco", region="CA", postal_code="94105", country="US")
        acme = await shop.account(name="Acme Robotics", external_id="acme", currency="USD", email="ap@acme.example", address=market)
        arabic = await shop.account(name="شركة الأفق للذكاء", external_id="horizon", currency="USD", time_zone="Asia/Riyadh")
        hostile = await shop.account(name=HOSTILE, external_id="soehne", currency="USD", locale=Locale.DE, time_zone="Europe/Berlin")
        idle = await shop.account(name="Idle Ltd", currency="USD")
        start = {"now": self.beginning}
        await shop.subscribe(arabic, growth, quantity=2, name="الإنتاج", **start)
        return Customers(
            acme=acme,
            idle=idle,
            main=await shop.subscribe(acme, growth, quantity=5, name="Production", **start),
            canceled=await shop.subscribe(hostile, starter, name=HOSTILE, **start),
            paused=await shop.subscribe(idle, starter, **start),
        )

    async def use(self, account: str, *, seed: int) -> None:
        """Send what a customer used, a few events each day."""
        dice = random.Random(seed)
        at = self.beginning + timedelta(hours=9)
        while at < self.now - timedelta(hours=1):
            places = [f"{account} {at} {place}" for place in range(EVENTS_A_DAY)]
            pages = [ledger.metered(f"{one} pages", str(dice.randrange(20, 400)), at=at, event="pages", account=account) for one in places]
            calls = [ledger.draft(f"{one} call", at=at, account=account) for one in places]
            await self.shop.send(*pages, *calls, at=at)
            at += timedelta(days=1)

    async def change(self, customers: Customers, at: datetime) -> None:
        """More seats for one, a pause for another."""
        async with self.shop.database.transaction(self.shop.organization_id) as uow:
            await subscriptions.change_quantity(uow, subscription_id=customers.main, quantity=8, when=When.NOW, **self.by(at))
            await subscriptions.pause(uow, subscription_id=customers.paused, reason="Between two projects", **self.by(at))

    async def end(self, customers: Customers) -> None:
        """Some invoices are paid, one is void, the payment of one failed; what is planned; what could not be billed."""
        issued = [one for one in await self.shop.invoices() if one.state is State.ISSUED and one.totals.total > 0]
        for one in issued[:PAID]:
            await self.pay(one)
        now, house_id = self.by(self.now), self.shop.organization_id
        async with self.shop.database.transaction(house_id) as uow:
            await standing.void(uow, invoice_id=issued[-1].id, **now)
            await standing.fail_payment(uow, invoice_id=issued[-2].id, **now)
            await subscriptions.cancel(uow, subscription_id=customers.canceled, when=When.RENEWAL, reason="Moves to Growth", **now)
            await subscriptions.change_quantity(uow, subscription_id=customers.main, quantity=4, when=When.RENEWAL, **now)
            await failing.write(
                uow,
                now=self.now,
                at=clock.now(),
                organization_id=house_id,
                account_id=customers.idle,
                invoice_id=None,
                step=Step.RATE,
                fault=TaxUnknown("There is no tax rate mwst."),
            )
        dates = {"billed_at": self.now, "created_at": self.now, "updated_at": self.now}
        await self.shop.draft(customers.acme, "1200.00", "80.50", origin=Origin.ONE_OFF, **dates)

    async def pay(self, invoice: Invoice) -> None:
        if invoice.issued is not None:
            await self.shop.pay(invoice, reference=f"SEPA {invoice.issued.number}", now=invoice.issued.at + timedelta(days=9))

    async def be_late(self) -> None:
        """Usage comes when its invoice is issued, and is gathered for the next one."""
        at = self.now.replace(day=1) - timedelta(days=3)
        await self.shop.send(ledger.metered("late", "700", at=at, event="pages", account="acme"), at=at)
        await self.shop.settle_late(self.now)


async def sell(operator: operating.Operator) -> None:
    """Sell, and let time go by."""
    house_id = await operator.organization(operating.HOUSE)
    long_ago = operator.at - timedelta(days=31 * MONTHS)
    beginning = long_ago.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    selling = Selling(Shop(operator.database, house_id), beginning, operator.at)
    await selling.prepare()
    customers = await selling.subscribe()
    for seed, account in enumerate(("acme", "horizon", "soehne")):
        await selling.use(account, seed=seed)
    middle = beginning + timedelta(days=45)
    await selling.shop.pass_time(middle)
    await selling.change(customers, middle)
    await selling.shop.pass_time(selling.now)
    await selling.end(customers)
    await selling.be_late()


if __name__ == "__main__":
    operating.run(sell)
