"""What the tests of accounts share: use cases called in a transaction of their own, each as one request would."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import pytest

from carbonledger.domains.accounts import service, types
from carbonledger.domains.accounts.service import payment_methods
from carbonledger.domains.accounts.types.payment_methods import PaymentMethod
from carbonledger.infra import clock, db
from carbonledger.kernel import actor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """One organization's accounts, worked on in one transaction a call."""

    database: db.Database
    organization_id: UUID
    now: datetime

    async def do(self, use_case: Callable[..., Awaitable[T]], **given: Any) -> T:
        """Run a use case that takes an actor and the organization's time, committed on return."""
        async with self.database.transaction(self.organization_id) as uow:
            return await use_case(
                uow, actor=actor.system(self.organization_id), now=self.now, organization_id=self.organization_id, **given
            )

    async def see(self, query: Callable[..., Awaitable[T]], **given: Any) -> T:
        """Run a query, or what takes neither actor nor time."""
        async with self.database.transaction(self.organization_id) as uow:
            return await query(uow, organization_id=self.organization_id, **given)

    async def account(self, name: str = "Initech", **given: Any) -> types.Account:
        return await self.do(service.create, at=clock.now(), draft=service.Draft(name=name, **given))

    async def method(self, account_id: UUID, *, processor: str = "stripe", **given: Any) -> PaymentMethod:
        draft = payment_methods.Draft(processor=processor, **given)
        return await self.do(payment_methods.add, at=clock.now(), account_id=account_id, draft=draft)

    async def trail(self, target_id: UUID) -> list[tuple[str, Any, Any]]:
        """Return what the trail says of one thing, first to last: action, before, after."""
        async with self.database.transaction(self.organization_id) as uow:
            rows = await uow.conn.fetch("SELECT action, before, after FROM events WHERE target_id = $1 ORDER BY id", str(target_id))
        return [(row["action"], row["before"], row["after"]) for row in rows]


@pytest.fixture
def desk(database: db.Database, organization_id: UUID) -> Desk:
    return Desk(database, organization_id, clock.now())
