"""A seller of the billing run: a process that lives its customers' days, has the bills run every night, and compares the books.

Sellers share a database and nothing else, so that there is one for each core, and the bills of one are run beside those of another.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Final, NoReturn

from carbonledger.entrypoints.shared import collector
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import db, reach
from tests.soak.bills import clerk, lives
from tests.soak.bills.clerk import Clerk, Done, Night
from tests.soak.bills.judge import Judge
from tests.soak.bills.lives import Lives

SHOWN_MAX: Final = 40
_STEPS_FIRST: Final = 60
_NIGHTLY: Final = timedelta(hours=11)
_KILLED, _FAILED = 0.12, 0.12


@dataclass(frozen=True, slots=True)
class Task:
    """What a seller is to live through; ``number`` counts from 1 and makes its lives and kills others than those of the next."""

    number: int
    addresses: reach.Addresses
    seed: int
    days: int
    accounts: int


@dataclass(frozen=True, slots=True)
class Lived:
    """What came of it. ``own_s`` and ``billing_s`` are seconds of a core: for lives and judging, and for billing."""

    happened: Counter[str]
    counts: Counter[str]
    invoices: int
    violations: list[str]
    own_s: float
    billing_s: float


@dataclass(slots=True)
class Run:
    """One run as far as it is."""

    number: int
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
            self.counts["account days"] += len(self.lives.accounts)
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
        for words in self.judge.violations[self.shown : self.shown + SHOWN_MAX]:
            print(f"  ! seller {self.number}: {words}", flush=True)
        self.shown = len(self.judge.violations)

    def tell(self, now: datetime) -> None:
        """Say how far it is, so that a run that is stopped has said how far it came."""
        counts = self.counts
        print(
            f"  {now:%Y-%m} day {self.day}, seller {self.number}: {len(self.lives.accounts)} accounts,"
            f" {len(self.judge.fixed)} invoices, {counts['lines']} lines,"
            f" {counts['killed']} kills, {counts['failed']} faults, {len(self.judge.violations)} violations,"
            f" {time.monotonic() - self.began:.0f} s;"
            f" of a core {_own_s():.0f} s for lives and judging, {self.billing_s:.0f} s for billing",
            flush=True,
        )


def lived(tasks: Sequence[Task]) -> list[Lived]:
    """Have each task done by a process of its own, all at once. Raises ``RuntimeError`` if one ends without having done it."""
    context = multiprocessing.get_context("spawn")
    wires: list[Connection] = []
    processes: list[SpawnProcess] = []
    try:
        for task in tasks:
            wire, theirs = context.Pipe(duplex=False)
            processes.append(context.Process(target=_serve, args=(theirs, task)))
            processes[-1].start()
            theirs.close()
            wires.append(wire)
        return [_heard(wire, process) for wire, process in zip(wires, processes, strict=True)]
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _heard(wire: Connection, process: SpawnProcess) -> Lived:
    try:
        told: Lived = wire.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"a seller ended by itself, with {process.exitcode}") from None
    return told


def terminated(number: int, _: object) -> NoReturn:
    """End as after Ctrl-C: whatever was begun is ended on the way out."""
    raise SystemExit(128 + number)


def _serve(wire: Connection, task: Task) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends this one
    signal.signal(signal.SIGTERM, terminated)
    wire.send(asyncio.run(_live(task)))


async def _live(task: Task) -> Lived:
    registry.load()
    address, role = task.addresses.app, task.addresses.app_role
    database = await db.connect(address, size=3, application="soak", role=role)
    try:
        begun = await lives.begun(database, random.Random(f"{task.seed} {task.number} lives"))
        bills = Clerk(address, role, begun.shop.organization_id)
        dice = random.Random(f"{task.seed} {task.number} kills")
        run = Run(task.number, task.days, task.accounts, begun, bills, Judge(begun.shop, begun.used), dice)
        collector.calm()  # as a worker does
        try:
            await run.live()
        finally:
            await bills.leave()
        return Lived(begun.counts, run.counts, len(run.judge.fixed), run.judge.violations, _own_s(), run.billing_s)
    finally:
        await database.close()


def _own_s() -> float:
    spent = os.times()
    return spent.user + spent.system
