"""Years of subscriptions with random lives and random kills: every night the books are compared with themselves.

Accounts in five time zones begin, change, pause, resume, cancel and pay; usage comes in time and late; runs of bills die after a step that
the seed chooses and are run again. Every night: no line twice, no number missing, every invoice the sum of its lines, nothing that was
issued ever changed, and no preview finds anything that should have been billed. Exit code 1 on any violation, with the seed to replay it.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.catalog.types import Charge
from carbonledger.domains.catalog.types.charges import Flat, Timing
from carbonledger.domains.invoices.service import checking, standing, upcoming
from carbonledger.domains.invoices.store import numbers, writing
from carbonledger.domains.invoices.types.invoices import InvoicesFault, Payment, State
from carbonledger.domains.invoices.types.sellers import LateUsage
from carbonledger.domains.subscriptions import service as subscriptions
from carbonledger.domains.subscriptions.service import billing as due_charges
from carbonledger.domains.subscriptions.types import SubscriptionsFault
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import clock, db, migrations, reach, settings
from carbonledger.kernel import errors
from tests import conftest
from tests.integration.domains.invoices.shops import PAGES, PLATFORM, SEATS, SUPPORT, Shop

DAYS: Final = 365  # at scale 1
ACCOUNTS: Final = 40  # at scale 1
SCALE_LEAST, SCALE_MOST = 0.05, 25.0
ZONES: Final = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Auckland")
BEGAN: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
_STEPS: Final = ((writing, "add"), (writing, "add_lines"), (due_charges, "billed"), (numbers, "take"), (writing, "put"))
_ISSUED: Final = """
SELECT i.id, i.state, i.payment, i.number, i.total, i.issued_at,
    (SELECT string_agg(l::text, '|' ORDER BY l.position) FROM invoice_lines l
     WHERE l.organization_id = i.organization_id AND l.invoice_id = i.id) AS lines
FROM invoices i WHERE i.organization_id = $1 AND i.state NOT IN ('gathering', 'draft')
"""
_TWICE: Final = "SELECT cause FROM invoice_lines WHERE organization_id = $1 GROUP BY cause HAVING count(*) > 1"


class Killed(Exception):
    """The run is gone, with its transaction."""


@dataclass
class Life:
    """One run: who there is, what was seen, and what went wrong."""

    shop: Shop
    dice: random.Random
    plans: list[UUID]
    accounts: list[tuple[UUID, str]] = field(default_factory=list)
    subscriptions: list[UUID] = field(default_factory=list)
    seen: dict[UUID, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    @property
    def _names(self) -> dict[str, Any]:
        return {"actor": self.shop.actor, "organization_id": self.shop.organization_id}

    async def arrive(self, now: datetime) -> None:
        """A customer comes and takes a plan."""
        label = f"customer-{len(self.accounts)}"
        account_id = await self.shop.account(external_id=label, time_zone=self.dice.choice(ZONES))
        self.accounts.append((account_id, label))
        taken = await self.shop.subscribe(account_id, self.dice.choice(self.plans), now=now, quantity=self.dice.randrange(1, 6))
        self.subscriptions.append(taken)

    async def live(self, now: datetime) -> None:
        """Something happens to a subscription; what it can't do as it stands is refused, and nothing happens."""
        subscription_id = self.dice.choice(self.subscriptions)
        acts: list[tuple[str, Callable[..., Awaitable[Any]], dict[str, Any]]] = [
            ("quantity", subscriptions.change_quantity, {"quantity": self.dice.randrange(0, 9)}),
            ("plan", subscriptions.change_plan, {"plan_id": self.dice.choice(self.plans)}),
            ("pause", subscriptions.pause, {}),
            ("resume", subscriptions.resume, {}),
            ("cancel", subscriptions.cancel, {"credit": self.dice.random() < 0.5}),
            ("reactivate", subscriptions.reactivate, {}),
        ]
        word, act, given = self.dice.choices(acts, weights=[6, 4, 2, 4, 1, 2])[0]
        try:
            async with self.shop.database.transaction(self.shop.organization_id) as uow:
                await act(uow, now=now, subscription_id=subscription_id, **self._names, **given)
        except (SubscriptionsFault, errors.Invalid):
            self.counts["refused"] += 1
        else:
            self.counts[word] += 1

    async def use(self, now: datetime) -> None:
        """A customer uses something, or what it used a while ago is told now."""
        _, label = self.dice.choice(self.accounts)
        is_late = self.dice.random() < 0.2
        at = max(BEGAN, now - timedelta(days=self.dice.randrange(1, 40))) if is_late else now
        await self.shop.use(label, str(self.dice.randrange(1, 500)), at=at)
        self.counts["late usage" if is_late else "usage"] += 1

    async def settle(self, now: datetime) -> None:
        """Some of what is owed is paid, fails, is made void or given up."""
        acts = (standing.record_payment, standing.fail_payment, standing.void, standing.give_up)
        for invoice in await self.shop.invoices(state=State.ISSUED, payment=Payment.UNPAID):
            if self.dice.random() < 0.7:
                continue
            act: Callable[..., Awaitable[Any]] = self.dice.choices(acts, weights=[20, 3, 1, 1])[0]
            given = {"reference": "SEPA"} if act is standing.record_payment else {}
            async with self.shop.database.transaction(self.shop.organization_id) as uow:
                await act(uow, now=now, invoice_id=invoice.id, **self._names, **given)
            self.counts[act.__name__] += 1

    async def bill(self, now: datetime) -> None:
        """Run the bills; now and then they die after a step, and are run again."""
        if self.dice.random() < 0.3:
            module, name = self.dice.choice(_STEPS)
            rightly = getattr(module, name)

            async def killed(*args: Any, **named: Any) -> None:
                await rightly(*args, **named)
                raise Killed

            setattr(module, name, killed)
            try:
                await self.shop.bill(now)
            except Killed:
                self.counts["killed"] += 1
            finally:
                setattr(module, name, rightly)
        ran = await self.shop.bill(now)
        self.counts["lines"] += ran.lines
        if ran.failed:
            self.violations.append(f"{now:%Y-%m-%d}: {ran.failed} accounts could not be rated")
        while await self.shop.collect(now):
            pass

    async def foresee(self, now: datetime) -> None:
        """After a run nothing of a subscription is left that should have been billed: its next invoice is ahead."""
        subscription_id = self.dice.choice(self.subscriptions)
        try:
            async with self.shop.database.transaction(self.shop.organization_id, read_only=True) as uow:
                seen = await upcoming.next_invoice(uow, now=now, at=clock.now(), subscription_id=subscription_id, **self._names)
        except InvoicesFault:
            return
        if seen.invoice.billed_at > now:
            return
        self.violations.append(f"{now:%Y-%m-%d}: {subscription_id} should have been billed at {seen.invoice.billed_at}")

    async def judge(self, now: datetime) -> None:
        """Compare the books with themselves, and with what they said before."""
        day = f"{now:%Y-%m-%d}"
        async with self.shop.database.transaction(self.shop.organization_id) as uow:
            wrong = await checking.check(uow, organization_id=self.shop.organization_id)
        if wrong.is_wrong:
            self.violations.append(f"{day}: {wrong}")
        self.violations += [f"{day}: {row['cause']} is billed twice" for row in await self.shop.fetch(_TWICE, self.shop.organization_id)]
        for row in await self.shop.fetch(_ISSUED, self.shop.organization_id):
            fixed = hashlib.sha256(repr((row["number"], row["total"], row["issued_at"], row["lines"])).encode()).hexdigest()
            if self.seen.setdefault(row["id"], fixed) != fixed:
                self.violations.append(f"{day}: {row['number']} changed after it was issued")


async def lived(database: db.Database, *, seed: int, days: int, accounts: int) -> Life:
    """Live so many days with so many accounts in the end."""
    dice = random.Random(seed)
    shop = Shop(database, await conftest.make_organization(database, name="Soak"))
    await shop.meter()
    await shop.settings(
        grace=timedelta(hours=dice.choice([0, 0, 30])), late_usage=dice.choice([LateUsage.NEXT_INVOICE, LateUsage.CORRECTION])
    )
    dear = Charge(code="platform", name="Platform fee", timing=Timing.ADVANCE, model=Flat(Decimal("199.00")))
    plans = [
        await shop.plan("small", PLATFORM, SEATS, PAGES, now=BEGAN),
        await shop.plan("large", dear, SEATS, SUPPORT, PAGES, now=BEGAN, minimum_commitment=Decimal("250.00")),
    ]
    life = Life(shop, dice, plans)
    for day in range(days):
        now = BEGAN + timedelta(days=day)
        while len(life.accounts) < accounts * (day + 1) / days or not life.accounts:
            await life.arrive(now)
        for act, mean in ((life.live, 0.5), (life.use, 1.0)):
            for _ in range(dice.choices([0, 1, 2], weights=[1, mean, mean])[0]):
                await act(now)
        await life.bill(now + timedelta(hours=11))
        if day % 5 == 0:
            await life.settle(now + timedelta(hours=11))
        if day % 7 == 0:
            await shop.settle_late(now + timedelta(hours=11))
            await life.foresee(now + timedelta(hours=11))
            await life.judge(now)
    await life.judge(BEGAN + timedelta(days=days))
    return life


async def _main(reached: reach.Reached, *, seed: int, days: int, accounts: int) -> Life:
    await migrations.upgrade(reached.addresses.owner)
    registry.load()
    database = await db.connect(reached.addresses.app, size=3, application="soak", role=reached.addresses.app_role)
    try:
        return await lived(database, seed=seed, days=days, accounts=accounts)
    finally:
        await database.close()


def main() -> int:
    """Run and say how it went."""
    parser = argparse.ArgumentParser(prog="python3 dev.py soak billing", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--scale", type=float, default=1.0, help=f"{DAYS} days and {ACCOUNTS} accounts are 1; {SCALE_LEAST} to {SCALE_MOST:g}"
    )
    parser.add_argument("--seed", type=int, default=None, help="of the lives and the kills; a new one if left out")
    options = parser.parse_args()
    if not SCALE_LEAST <= options.scale <= SCALE_MOST:
        parser.error(f"--scale is {SCALE_LEAST} to {SCALE_MOST:g}")
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    root = options.scale**0.5  # twice the scale is twice the work: more days and more accounts, each by its root
    days, accounts = max(round(DAYS * root), 40), max(round(ACCOUNTS * root), 5)
    print(f"billing: seed {seed}, {days} days, {accounts} accounts in {len(ZONES)} zones, {os.cpu_count()} cores", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="carbonledger-soak-") as name:
        os.chmod(name, 0o711)  # noqa: PTH101, S103 - the database's own user goes through it to its folder
        with reach.reached(settings.load(home=Path(name) / "home"), wait=True) as reached:
            life = asyncio.run(_main(reached, seed=seed, days=days, accounts=accounts))
    print(f"  happened         {dict(life.counts)}")
    print(f"  issued           {len(life.seen)} invoices")
    print(f"  took             {time.monotonic() - began:.0f} s in all")
    print(f"  violations       {len(life.violations)}", *life.violations, sep="\n    ")
    if life.violations:
        print(f"replay: python3 dev.py soak billing --scale {options.scale:g} --seed {seed}")
    return 1 if life.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
