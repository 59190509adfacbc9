"""A person's organization that sells: a plan with usage, a customer, a month that went by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from carbonledger.domains.catalog.types import Charge
from carbonledger.domains.catalog.types.charges import Graduated, Tier
from tests.integration.domains.invoices.shops import PLATFORM, SEATS, Shop
from tests.integration.entrypoints.web.conftest import Person

START = datetime(2026, 9, 1, tzinfo=UTC)
PAGES = Charge(
    code="pages",
    name="Pages",
    model=Graduated((Tier(Decimal(100), Decimal("0.10")), Tier(None, Decimal("0.05"))), flat_at_zero=False),
    meter_code="pages",
    included=Decimal(50),
)


@dataclass(frozen=True, slots=True)
class Sold:
    """What was sold: 49.00 for the platform and 2 seats at 10.00 in advance, and 450 pages, 50 of them included, in September.

    100 x 0.10 + 300 x 0.05 = 25.00 EUR of pages.
    """

    shop: Shop
    account_id: UUID
    plan_id: UUID
    subscription_id: UUID


async def opened(person: Person) -> Shop:
    """Return the person's own organization as a seller."""
    organization_id = UUID((await person.key.get("/v1/organizations/me")).json()["id"])
    return Shop(person.ledger.services.database, organization_id)


async def sold(person: Person, *, name: str = "Acme Robotics", until: datetime = datetime(2026, 10, 1, 12, tzinfo=UTC)) -> Sold:
    """Sell, and let time go by until then."""
    shop = await opened(person)
    await shop.meter()
    plan_id = await shop.plan("pro", PLATFORM, SEATS, PAGES, now=START)
    account_id = await shop.account(name=name, external_id="acme", currency="EUR")
    subscription_id = await shop.subscribe(account_id, plan_id, now=START, quantity=2, name="Production")
    for day, quantity in ((3, "200"), (17, "250")):
        await shop.use("acme", quantity, at=START.replace(day=day, hour=9))
    await shop.pass_time(until)
    return Sold(shop, account_id, plan_id, subscription_id)
