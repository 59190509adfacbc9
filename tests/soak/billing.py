"""Years of subscriptions with random lives and random kills: every night the books are compared with themselves.

Accounts in five time zones begin, change, pause, resume, cancel and pay; usage comes in time and late. Another process does every night
what the worker's jobs do, and is killed by the kernel, or fails, after a step that the seed chooses, and does it again. Every night: no
line twice, no number missing, every invoice the sum of its lines, nothing that was issued ever changed, and everything that the facts say
is due is billed with the amount that a hand would work out. Exit code 1 on any violation, with the seed to replay it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import secrets
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn

from carbonledger.entrypoints.worker import registry
from carbonledger.infra import db, migrations, reach, settings
from tests.soak.bills import clerk, lives
from tests.soak.bills.clerk import Clerk, Done, Night
from tests.soak.bills.judge import Judge
from tests.soak.bills.lives import Lives

DAYS: Final = 3652  # at scale 1: ten years
ACCOUNTS: Final = 1000  # at scale 1
SCALE_LEAST, SCALE_MOST = 0.0001, 4.0
_SHOWN_MAX: Final = 40
_STEPS_FIRST: Final = 60
_NIGHTLY: Final = timedelta(hours=11)
_KILLED, _FAILED = 0.12, 0.12


@dataclass(slots=True)
class Run:
    """One run as far as it is."""

    seed: int
    days: int
    accounts: int
    lives: Lives
    clerk: Clerk
    judge: Judge
    dice: random.Random
    day: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)
    shown: int = 0
    billing_s: float = 0.0  # of a core, but for nights over which a clerk was killed
    steps: int = _STEPS_FIRST  # of the last night that went through

    async def live(self) -> None:
        """Live all the days; every month tell how far it is."""
        for day in range(1, self.days + 1):
            self.day = day
            now = lives.BEGAN + timedelta(days=self.day - 1)
            await self.lives.day(now, accounts=max(1, self.accounts * self.day // self.days))
            if day % 5 == 0:
                await self.lives.settle(now)
            night = now + _NIGHTLY
            await self._bill(night)
            if day % 7 == 0 and (wrong := await self.lives.foreseen(night)):
                self.judge.violations.append(wrong)
            await self.judge.night(now, night)
            self._show()
            if (now + timedelta(days=1)).month != now.month:
                await self.judge.everything(night)
                self._show()
                self.tell(now)
        await self.judge.everything(lives.BEGAN + timedelta(days=self.days))

    async def _bill(self, now: datetime) -> None:
        """Run the bills; now and then they are killed or fail, once or twice, and are run again."""
        is_late_settled = self.day % 7 == 0
        while True:
            chance = self.dice.random()
            die_at = self.dice.randrange(1, self.steps + 1) if chance < _KILLED else 0
            fault = self.dice.randrange(len(clerk.FAULTS)) if _KILLED <= chance < _KILLED + _FAILED else None
            done = await self.clerk.work(Night(now=now, is_late_settled=is_late_settled, die_at=die_at, fault=fault))
            if done is None:
                self.counts["killed"] += 1
                continue
            self.billing_s += done.core_s
            if done.has_failed:
                self.counts["failed"] += 1
            else:
                self._went(done, now)
                return

    def _went(self, done: Done, now: datetime) -> None:
        self.steps = max(done.steps, 1)
        self.counts["lines"] += done.lines
        if done.failed:
            self.judge.violations.append(f"{now:%Y-%m-%d}: {done.failed} accounts could not be rated")

    def _show(self) -> None:
        """Print what was found since it was shown last."""
        for words in self.judge.violations[self.shown : self.shown + _SHOWN_MAX]:
            print(f"  ! {words}", flush=True)
        self.shown = len(self.judge.violations)

    def tell(self, now: datetime) -> None:
        """Say how far it is, so that a run that is stopped has said how far it came."""
        spent, counts = os.times(), self.counts
        print(
            f"  {now:%Y-%m} day {self.day}: {len(self.lives.accounts)} accounts, {len(self.judge.fixed)} invoices, {counts['lines']} lines,"
            f" {counts['killed']} kills, {counts['failed']} faults, {len(self.judge.violations)} violations,"
            f" {time.monotonic() - self.began:.0f} s;"
            f" of a core {spent.user + spent.system:.0f} s for lives and judging, {self.billing_s:.0f} s for billing",
            flush=True,
        )


async def _main(reached: reach.Reached, *, seed: int, days: int, accounts: int) -> Run:
    await migrations.upgrade(reached.addresses.owner)
    registry.load()
    address, role = reached.addresses.app, reached.addresses.app_role
    database = await db.connect(address, size=3, application="soak", role=role)
    try:
        lived = await lives.begun(database, random.Random(f"{seed} lives"))
        bills = Clerk(address, role, lived.shop.organization_id)
        run = Run(seed, days, accounts, lived, bills, Judge(lived.shop, lived.used), random.Random(f"{seed} kills"))
        try:
            await run.live()
        finally:
            await bills.leave()
        return run
    finally:
        await database.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 dev.py soak billing", description=(__doc__ or "").partition("\n")[0])
    told = f"{DAYS} days and {ACCOUNTS} accounts are 1; {SCALE_LEAST:g} to {SCALE_MOST:g}"
    parser.add_argument("--scale", type=float, default=1.0, help=told)
    parser.add_argument("--days", type=int, default=None, help="instead of what the scale says")
    parser.add_argument("--accounts", type=int, default=None, help="instead of what the scale says")
    parser.add_argument("--seed", type=int, default=None, help="of the lives and the kills; a new one if left out")
    options = parser.parse_args()
    if not SCALE_LEAST <= options.scale <= SCALE_MOST:
        parser.error(f"--scale is {SCALE_LEAST:g} to {SCALE_MOST:g}")
    root = options.scale**0.5  # twice the scale is twice the work: more days and more accounts, each by its root
    options.days = options.days or max(round(DAYS * root), 40)
    options.accounts = options.accounts or max(round(ACCOUNTS * root), 5)
    options.seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    return options


def _terminated(number: int, _: object) -> NoReturn:
    """End as after Ctrl-C: the database is stopped and its folder removed on the way out."""
    raise SystemExit(128 + number)


def main() -> int:
    """Run and say how it went."""
    options = _options()
    signal.signal(signal.SIGTERM, _terminated)
    named = f"--days {options.days} --accounts {options.accounts} --seed {options.seed}"
    print(f"billing: {named}, {len(lives.ZONES)} zones, {os.cpu_count()} cores", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="carbonledger-soak-") as name:
        os.chmod(name, 0o711)  # noqa: PTH101, S103 - the database's own user goes through it to its folder
        with reach.reached(settings.load(home=Path(name) / "home"), wait=True) as reached:
            run = asyncio.run(_main(reached, seed=options.seed, days=options.days, accounts=options.accounts))
    violations = run.judge.violations
    print(f"  happened         {dict(run.lives.counts)}")
    print(f"  issued           {len(run.judge.fixed)} invoices, {run.counts['lines']} lines")
    print(f"  killed           {run.counts['killed']} times; failed {run.counts['failed']} times")
    print(f"  took             {time.monotonic() - began:.0f} s in all")
    print(f"  violations       {len(violations)}", *violations[:_SHOWN_MAX], sep="\n    ")
    if violations:
        print(f"replay: python3 dev.py soak billing {named}")
    return 1 if violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
