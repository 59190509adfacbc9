"""What the tests of the catalog share: use cases called in a transaction of their own, each as one request would."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest

from carbonledger.domains.catalog import service, types
from carbonledger.domains.catalog.types import charges as models
from carbonledger.domains.catalog.types.drafts import PlanDraft, VersionDraft
from carbonledger.infra import clock, db
from carbonledger.kernel import actor, currency

T = TypeVar("T")
EUR = currency.by_code("EUR")
NOTHING = VersionDraft()


def seat(amount: str = "20") -> types.Charge:
    return types.Charge(code="seat", name="Seat", timing=models.Timing.ADVANCE, model=models.Flat(Decimal(amount)), per_seat=True)


def calls(price: str = "0.10", **given: Any) -> types.Charge:
    return types.Charge(code="calls", name="Calls", model=models.Standard(Decimal(price)), meter_code="calls", **given)


def a_meter(code: str = "calls", **given: Any) -> types.Meter:
    now = clock.now()
    told = {"aggregation": types.Aggregation.COUNT, "name": code.title(), **given}
    return types.Meter(id=uuid4(), code=code, created_at=now, updated_at=now, **told)


@dataclass(frozen=True, slots=True)
class Desk:
    """One organization's catalog, worked on in one transaction a call."""

    database: db.Database
    organization_id: UUID
    now: datetime

    async def do(self, use_case: Callable[..., Awaitable[T]], *, now: datetime | None = None, **given: Any) -> T:
        """Run a use case that takes an actor and the organization's time, committed on return."""
        async with self.database.transaction(self.organization_id) as uow:
            return await use_case(
                uow, actor=actor.system(self.organization_id), now=now or self.now, organization_id=self.organization_id, **given
            )

    async def make(self, use_case: Callable[..., Awaitable[T]], **given: Any) -> T:
        """Run a use case that also makes an id."""
        return await self.do(use_case, at=clock.now(), **given)

    async def see(self, query: Callable[..., Awaitable[T]], **given: Any) -> T:
        """Run a query, or what takes no actor."""
        async with self.database.transaction(self.organization_id) as uow:
            return await query(uow, organization_id=self.organization_id, **given)

    async def meter(self, code: str = "calls", **given: Any) -> types.Meter:
        return await self.make(service.create_meter, meter=a_meter(code, **given))

    async def tax_rate(self, code: str = "vat", percent: str = "19") -> types.TaxRate:
        return await self.make(service.create_tax_rate, code=code, name=code.upper(), percent=Decimal(percent), inclusive=False)

    async def plan(
        self, code: str = "pro", *charges: types.Charge, effective_at: datetime | None = None, now: datetime | None = None, **values: Any
    ) -> types.Plan:
        version = VersionDraft(values={"currency": EUR, **values}, charges=charges or (seat(),), effective_at=effective_at)
        return await self.make(service.create_plan, now=now, draft=PlanDraft(code=code, name=code.title(), version=version))

    async def change(
        self,
        plan: types.Plan,
        *charges: types.Charge,
        effective_at: datetime | None = None,
        now: datetime | None = None,
        named: dict[str, Any] | None = None,
        **values: Any,
    ) -> types.Plan:
        draft = VersionDraft(values=values, charges=charges or None, effective_at=effective_at)
        return await self.make(service.change_plan, now=now, plan_id=plan.id, values=named or {}, draft=draft)

    async def trail(self, target_id: UUID) -> list[tuple[str, Any, Any]]:
        """Return what the trail says of one thing, first to last: action, before, after."""
        async with self.database.transaction(self.organization_id) as uow:
            rows = await uow.conn.fetch("SELECT action, before, after FROM events WHERE target_id = $1 ORDER BY id", str(target_id))
        return [(row["action"], row["before"], row["after"]) for row in rows]


@pytest.fixture
def desk(database: db.Database, organization_id: UUID) -> Desk:
    return Desk(database, organization_id, clock.now())
