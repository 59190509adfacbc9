"""Run as a program in an installation's environment: has the house sell to customers for some months, as time went by then.

Customers with names of all kinds, a plan with every sort of line, usage that the house's own telemetry carries, and what happens to
invoices and subscriptions: paid, overdue, void, failed, changed, paused, canceled.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
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

HOSTILE = '<script>alert(1)</script> & "Söhne" <b>KG</b>'
MONTHS = 3
EVENTS_A_DAY = 6


@dataclass(frozen=True, slots=True)
class Sold:
    """What was sold to whom."""

    shop: Shop
    beginning: datetime
    now: datetime

    async def charges(self) -> tuple[Charge, ...]:
        """Return what the plan charges for, its meters made."""
        await self.shop.meter("pages")
        await self.shop.meter("ai-cost", event=None, measure=Measure.COST)
        await self.shop.meter("ai-co2e", event=None, measure=Measure.CO2E_MID)
        async with self.shop.database.transaction(self.shop.organization_id) as uow:
            given = {"actor": self.shop.actor, "now": self.beginning, "at": clock.now(), "organization_id": self.shop.organization_id}
            await catalog.create_tax_rate(uow, code="vat", name="VAT", percent=Decimal(19), inclusive=False, **given)
        tiers = (Tier(Decimal(1_000), Decimal("0.02"), Decimal(5)), Tier(Decimal(10_000), Decimal("0.01")), Tier(None, Decimal("0.005")))
        return (
            Charge(code="platform", name="Platform fee", timing=Timing.ADVANCE, model=Flat(Decimal("49.00"))),
            Charge(code="seats", name="Seats", timing=Timing.ADVANCE, model=Flat(Decimal("12.50")), per_seat=True),
            Charge(code="pages", name="Pages read", model=Graduated(tiers), meter_code="pages", included=Decimal(500)),
            Charge(code="ai", name="AI usage", model=CostPlus(Decimal(20)), meter_code="ai-cost"),
            Charge(code="carbon", name="CO2e of AI usage", model=Carbon(Decimal("0.25"), Bound.HIGH), meter_code="ai-co2e"),
        )

    async def subscribe(self, account_id: UUID, plan_id: UUID, **fields: Any) -> UUID:
        return await self.shop.subscribe(account_id, plan_id, now=self.beginning, **fields)

    async def use(self, account: str, *, seed: int) -> None:
        """Send what a customer used, a few events each day."""
        dice = random.Random(seed)
        at = self.beginning + timedelta(hours=9)
        while at < self.now - timedelta(hours=1):
            pages = [
                ledger.metered(f"{account} {at} {n}", str(dice.randrange(20, 400)), at=at, event="pages", account=account)
                for n in range(EVENTS_A_DAY // 2)
            ]
            calls = [ledger.draft(f"{account} {at} c{n}", at=at, account=account) for n in range(EVENTS_A_DAY // 2)]
            await self.shop.send(*pages, *calls, at=at)
            at += timedelta(days=1)

    async def pay(self, invoice: Invoice, *, after: timedelta) -> None:
        assert invoice.issued is not None
        await self.shop.pay(invoice, reference=f"SEPA {invoice.issued.number}", now=invoice.issued.at + after)


async def sell(operator: operating.Operator) -> None:
    """Sell, and let time go by."""
    house_id = await operator.organization(operating.HOUSE)
    now = operator.at
    first = (now - timedelta(days=31 * MONTHS)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    sold = Sold(Shop(operator.database, house_id), first, now)
    shop = sold.shop
    await shop.settings(
        name="Carbon & Ledger GmbH",
        address=Address(line1="Torstr. 1", postal_code="10119", city="Berlin", country="DE"),
        tax_ids=(TaxId("eu_vat", "DE123456789"),),
        email="billing@ledger.example",
        tax_rate_codes=(),
        grace=timedelta(hours=6),
    )
    charges = await sold.charges()
    usd = {"currency": currency.by_code("USD"), "now": first}
    await shop.settings(tax_rate_codes=("vat",))
    pro = await shop.plan("growth", *charges, setup_fee=Decimal(99), discounts=(PercentDiscount(Decimal(10), "Founders"),), **usd)
    small = await shop.plan("starter", charges[0], charges[2], trial_days=14, **usd)
    await shop.plan("scale", charges[0], *charges[2:], minimum_commitment=Decimal(500), discounts=(AmountDiscount(Decimal(5)),), **usd)
    acme = await shop.account(
        name="Acme Robotics",
        external_id="acme",
        currency="USD",
        email="ap@acme.example",
        address=Address(line1="1 Market St", city="San Francisco", region="CA", postal_code="94105", country="US"),
    )
    arabic = await shop.account(name="شركة الأفق للذكاء الاصطناعي", external_id="horizon", currency="USD", time_zone="Asia/Riyadh")
    hostile = await shop.account(name=HOSTILE, external_id="soehne", currency="USD", locale=Locale.DE, time_zone="Europe/Berlin")
    idle = await shop.account(name="Idle Ltd", currency="USD")
    for seed, account in enumerate(("acme", "horizon", "soehne")):
        await sold.use(account, seed=seed)
    main = await sold.subscribe(acme, pro, quantity=5, name="Production")
    await sold.subscribe(arabic, pro, quantity=2, name="الإنتاج")
    canceled = await sold.subscribe(hostile, small, name=HOSTILE[:60])
    paused = await sold.subscribe(idle, small)
    middle = first + timedelta(days=45)
    await shop.pass_time(middle)
    async with shop.database.transaction(house_id) as uow:
        known = {"actor": shop.actor, "now": middle, "organization_id": house_id}
        await subscriptions.change_quantity(uow, subscription_id=main, quantity=8, when=When.NOW, **known)
        await subscriptions.pause(uow, subscription_id=paused, reason="Between two projects", **known)
    await shop.pass_time(now)
    issued = [one for one in await shop.invoices() if one.state is State.ISSUED and one.totals.total > 0]
    for one in issued[:3]:
        await sold.pay(one, after=timedelta(days=9))
    async with shop.database.transaction(house_id) as uow:
        known = {"actor": shop.actor, "now": now, "organization_id": house_id}
        await standing.void(uow, invoice_id=issued[-1].id, **known)
        await standing.fail_payment(uow, invoice_id=issued[-2].id, **known)
        await subscriptions.cancel(uow, subscription_id=canceled, when=When.RENEWAL, reason="Moves to Growth", **known)
        await subscriptions.change_quantity(uow, subscription_id=main, quantity=4, when=When.RENEWAL, **known)
        await failing.write(
            uow,
            now=now,
            at=clock.now(),
            organization_id=house_id,
            account_id=idle,
            invoice_id=None,
            step=Step.RATE,
            fault=TaxUnknown("There is no tax rate mwst."),
        )
    # Usage that came when its invoice was issued: it is gathered for the next one.
    late = now.replace(day=1) - timedelta(days=3)
    await shop.send(ledger.metered("late", "700", at=late, event="pages", account="acme"), at=late)
    await shop.settle_late(now)
    await shop.draft(acme, "1200.00", "80.50", origin=Origin.ONE_OFF, billed_at=now, created_at=now, updated_at=now)


if __name__ == "__main__":
    operating.run(sell)
