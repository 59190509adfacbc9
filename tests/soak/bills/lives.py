"""The lives of accounts: who comes, what happens to subscriptions, what is used in time and late, and what becomes of invoices."""

from __future__ import annotations

import bisect
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.accounts import service as accounts
from carbonledger.domains.catalog.types import Charge
from carbonledger.domains.catalog.types.charges import Flat, Timing
from carbonledger.domains.invoices.service import standing, upcoming
from carbonledger.domains.invoices.types.invoices import InvoicesFault
from carbonledger.domains.invoices.types.sellers import LateUsage
from carbonledger.domains.subscriptions import service as subscriptions
from carbonledger.domains.subscriptions.service import following
from carbonledger.domains.subscriptions.types import SubscriptionsFault, When
from carbonledger.infra import clock, db
from carbonledger.kernel import errors, ids
from carbonledger.kernel.period import CalendarUnit, Interval
from tests import conftest
from tests.integration.domains.invoices.shops import PAGES, PLATFORM, SEATS, SUPPORT, Shop
from tests.integration.domains.telemetry import kit as ledger

ZONES: Final = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Auckland")
BEGAN: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIVES_EVERY_DAYS, USES_EVERY_DAYS = 20, 12
"""How often something happens to an account in the mean, and how often it uses something."""
_MOVED: Final = 0.1
_UNPAID: Final = """
SELECT id FROM invoices WHERE organization_id = $1 AND state = 'issued' AND payment IN ('unpaid', 'failed') ORDER BY series, sequence
"""


@dataclass(slots=True)
class Lives:
    """Who there is, and what happened."""

    shop: Shop
    dice: random.Random
    plans: list[UUID]
    accounts: list[tuple[UUID, str]] = field(default_factory=list)
    used: dict[UUID, list[tuple[datetime, Decimal]]] = field(default_factory=dict)
    subscriptions: list[UUID] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def _names(self) -> dict[str, Any]:
        return {"actor": self.shop.actor, "organization_id": self.shop.organization_id}

    def _many(self, every_days: int) -> int:
        """Return how often something happens today that happens to each account every so many days in the mean."""
        mean = len(self.accounts) / every_days
        return int(mean) + (self.dice.random() < mean % 1)

    async def day(self, now: datetime, *, accounts: int) -> None:
        """Live a day, in which there come to be so many accounts."""
        while len(self.accounts) < accounts:
            await self._arrive(now)
        for _ in range(self._many(LIVES_EVERY_DAYS)):
            await self._live(now)
        await self._use(now, self._many(USES_EVERY_DAYS))

    async def _arrive(self, now: datetime) -> None:
        label = f"customer-{len(self.accounts)}"
        account_id = await self.shop.account(external_id=label, time_zone=self.dice.choice(ZONES))
        self.accounts.append((account_id, label))
        given: dict[str, Any] = {"quantity": self.dice.randrange(1, 6)}
        if self.dice.random() < 0.1:
            given["trial_days"] = self.dice.randrange(1, 30)
        self.subscriptions.append(await self.shop.subscribe(account_id, self.dice.choice(self.plans), now=now, **given))

    async def _live(self, now: datetime) -> None:
        """Something happens to a subscription; what it can't do as it stands is refused, and nothing happens. Or its account moves."""
        if self.dice.random() < _MOVED:
            await self._move(now)
            return
        subscription_id, when = self.dice.choice(self.subscriptions), self.dice.choice([When.NOW, When.RENEWAL])
        acts: list[tuple[str, Callable[..., Awaitable[Any]], dict[str, Any]]] = [
            ("quantity", subscriptions.change_quantity, {"quantity": self.dice.randrange(0, 9)}),
            ("plan", subscriptions.change_plan, {"plan_id": self.dice.choice(self.plans), "when": self.dice.choice([None, when])}),
            ("pause", subscriptions.pause, {"when": when}),
            ("resume", subscriptions.resume, {}),
            ("cancel", subscriptions.cancel, {"when": when, "credit": self.dice.random() < 0.5}),
            ("reactivate", subscriptions.reactivate, {}),
        ]
        word, act, given = self.dice.choices(acts, weights=[6, 5, 2, 4, 2, 4])[0]
        try:
            async with self.shop.database.transaction(self.shop.organization_id) as uow:
                await act(uow, now=now, subscription_id=subscription_id, **self._names, **given)
        except (SubscriptionsFault, errors.Invalid):
            self.counts["refused"] += 1
        else:
            self.counts[word] += 1

    async def _move(self, now: datetime) -> None:
        """An account moves to another time zone, and its subscriptions follow, as the job has them."""
        account_id, _ = self.dice.choice(self.accounts)
        async with self.shop.database.transaction(self.shop.organization_id) as uow:
            await accounts.change(uow, now=now, account_id=account_id, values={"time_zone": self.dice.choice(ZONES)}, **self._names)
            self.counts["moved"] += await following.move_zone(uow, now=now, account_id=account_id, **self._names)

    async def _use(self, now: datetime, times: int) -> None:
        """Customers use something, or what they used a while ago is told now."""
        told = []
        for _ in range(times):
            is_late = self.dice.random() < 0.2
            at = max(BEGAN, now - timedelta(days=self.dice.randrange(1, 40))) if is_late else now
            quantity, (account_id, label) = self.dice.randrange(1, 500), self.dice.choice(self.accounts)
            told.append(ledger.metered(str(ids.new_id(clock.now())), str(quantity), at=at, event="pages", account=label))
            bisect.insort(self.used.setdefault(account_id, []), (at, Decimal(quantity)))
            self.counts["late usage" if is_late else "usage"] += 1
        if told:
            await self.shop.send(*told, at=now)

    async def settle(self, now: datetime) -> None:
        """Some of what is owed is paid, fails, is made void or given up."""
        acts = (standing.record_payment, standing.fail_payment, standing.void, standing.give_up)
        async with self.shop.database.transaction(self.shop.organization_id) as uow:
            for row in await uow.conn.fetch(_UNPAID, self.shop.organization_id):
                if self.dice.random() < 0.7:
                    continue
                act: Callable[..., Awaitable[Any]] = self.dice.choices(acts, weights=[20, 3, 1, 1])[0]
                given = {"reference": "SEPA"} if act is standing.record_payment else {}
                await act(uow, now=now, invoice_id=row["id"], **self._names, **given)
                self.counts[act.__name__] += 1

    async def foreseen(self, now: datetime) -> str | None:
        """Return what is wrong with the preview of a subscription after the bills: its next invoice is ahead."""
        subscription_id = self.dice.choice(self.subscriptions)
        try:
            async with self.shop.database.transaction(self.shop.organization_id, read_only=True) as uow:
                seen = await upcoming.next_invoice(uow, now=now, at=clock.now(), subscription_id=subscription_id, **self._names)
        except InvoicesFault:
            return None
        if seen.invoice.billed_at > now:
            return None
        return f"{now:%Y-%m-%d}: {subscription_id} should have been billed at {seen.invoice.billed_at}"


async def begun(database: db.Database, dice: random.Random) -> Lives:
    """Return a seller with plans and settings that the dice choose."""
    shop = Shop(database, await conftest.make_organization(database, name="Soak"))
    await shop.meter()
    await shop.settings(
        grace=timedelta(hours=dice.choice([0, 0, 30])), late_usage=dice.choice([LateUsage.NEXT_INVOICE, LateUsage.CORRECTION])
    )
    dear = Charge(code="platform", name="Platform fee", timing=Timing.ADVANCE, model=Flat(Decimal("199.00")))
    weeks = Interval(CalendarUnit.WEEK, 2)
    plans = [
        await shop.plan("small", PLATFORM, SEATS, PAGES, now=BEGAN),
        await shop.plan("large", dear, SEATS, SUPPORT, PAGES, now=BEGAN, minimum_commitment=Decimal("250.00")),
        await shop.plan("often", PLATFORM, SUPPORT, now=BEGAN, interval=weeks, setup_fee=Decimal("25.00"), trial_days=7),
    ]
    return Lives(shop, dice, plans)
