"""What the tests of subscriptions share: a customer, plans, and use cases called in a transaction of their own at a given time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import pytest

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog import service as catalog
from carbonledger.domains.catalog.types import Charge, Plan
from carbonledger.domains.catalog.types.charges import Flat, Timing
from carbonledger.domains.catalog.types.drafts import PlanDraft, VersionDraft
from carbonledger.domains.subscriptions import service, types
from carbonledger.domains.subscriptions.service import billing
from carbonledger.infra import clock, db
from carbonledger.kernel import actor, currency, instant

T = TypeVar("T")
START = datetime(2026, 6, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    """An instant of RFC 3339; a date is its midnight in UTC."""
    return instant.from_api_instant(text if "T" in text else f"{text}T00:00:00Z")


def flat(price: str, **given: Any) -> Charge:
    """A flat charge in advance."""
    return Charge(code="base", name="Base", timing=Timing.ADVANCE, model=Flat(Decimal(price)), **given)


@dataclass(slots=True)
class Desk:
    """One organization's subscriptions, worked on in one transaction a call, at ``now``."""

    database: db.Database
    organization_id: UUID
    now: datetime = START
    plans: dict[str, Plan] = field(default_factory=dict)
    account_id: UUID | None = None

    async def do(self, use_case: Callable[..., Awaitable[T]], **given: Any) -> T:
        """Run a use case that takes an actor and the organization's time, committed on return."""
        async with self.database.transaction(self.organization_id) as uow:
            return await use_case(
                uow, actor=actor.system(self.organization_id), now=self.now, organization_id=self.organization_id, **given
            )

    async def see(self, query: Callable[..., Awaitable[T]], **given: Any) -> T:
        """Run what takes no actor."""
        async with self.database.transaction(self.organization_id) as uow:
            return await query(uow, organization_id=self.organization_id, **given)

    async def account(self, name: str = "Initech", **given: Any) -> UUID:
        """Make a customer in UTC, and return its id."""
        draft = accounts.Draft(name=name, currency="USD", time_zone=given.pop("time_zone", "UTC"), **given)
        return (await self.do(accounts.create, at=clock.now(), draft=draft)).id

    async def plan(self, code: str, *charges: Charge, **values: Any) -> Plan:
        """Make a plan in dollars, effective long since."""
        version = VersionDraft(values={"currency": currency.by_code("USD"), **values}, charges=charges or (flat("30"),))
        draft = PlanDraft(code=code, name=code.title(), version=version)
        self.plans[code] = await self.do(catalog.create_plan, at=clock.now(), draft=draft)
        return self.plans[code]

    async def begin(self, code: str = "basic", **given: Any) -> types.View:
        """Begin a subscription of the first customer to a plan, each made where it is missing."""
        self.account_id = self.account_id or await self.account()
        plan = self.plans.get(code) or await self.plan(code)
        draft = service.Draft(account_id=given.pop("account_id", self.account_id), plan_id=plan.id, **given)
        return await self.do(service.create, at=clock.now(), draft=draft)

    async def advance(self, to: datetime) -> int:
        """Move time to ``to`` and bring what is due to it."""
        self.now = to
        return await self.do(service.advance)

    async def bill(self, **given: Any) -> list[types.DueCharge]:
        """Take what is due now, as a bill run does, and note it."""
        async with self.database.transaction(self.organization_id) as uow:
            names = {"organization_id": self.organization_id, "until": self.now, **given}
            found = await billing.due(uow, **names)
            await billing.billed(uow, **names)
        return [due for charges in found.values() for due in charges]

    async def row(self, subscription_id: UUID) -> dict[str, Any]:
        """The row as it is kept."""
        async with self.database.transaction(self.organization_id) as uow:
            found = await uow.conn.fetchrow("SELECT * FROM subscriptions WHERE id = $1", subscription_id)
        assert found is not None
        return dict(found)

    async def actions(self, subscription_id: UUID) -> list[tuple[str, str]]:
        """What the trail says of it, first to last: action and day."""
        async with self.database.transaction(self.organization_id) as uow:
            rows = await uow.conn.fetch(
                "SELECT action, occurred_at FROM events WHERE target_id = $1 ORDER BY occurred_at, id", str(subscription_id)
            )
        return [(row["action"].removeprefix("subscription."), f"{row['occurred_at']:%m-%d}") for row in rows]


@pytest.fixture
def desk(database: db.Database, organization_id: UUID) -> Desk:
    return Desk(database, organization_id)
