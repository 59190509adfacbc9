"""One run from the first organization to the last check, in its phases:

    prepare ─> storm (load and kills) ─> back ─> load ends ─> drained ─> last change of the vault's key ─> read ─> judge ─> stopped ─> whole

Owns the order and every deadline. What is compared with what is ``judge``'s; what is looked at, ``found``'s and ``checks``'.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from carbonledger_sandbox import smtp
from tests import installation
from tests.soak.storm import checks, facts, found, judge, operators, pacing, writers
from tests.soak.storm import client as clients
from tests.soak.storm import family as families
from tests.soak.storm.book import Book

WRITERS = 8
CUSTOMERS = 3
SANDBOXES = 6
KILL_EVERY_S = 5.0
READY_S = 60.0
ANSWER_S = 60.0  # after the storm, until every request is answered
# A killed worker's jobs are taken over after 45 s at the latest. One that failed waits up to 15 s more, 30 s after a second failure, and so
# on; the longer the storm, the more failures one job may have seen.
DRAIN_S, DRAIN_PER_STORM_S = 80.0, 2.0
REST_S = 150.0  # for reading everything back

Worker = writers.Writer | operators.ClockMover | operators.Resealer


class NotRecovered(Exception):
    """The installation did not come back, or did not come to rest."""


@dataclass(slots=True)
class Run:
    """One run, and what it has seen."""

    seed: int
    storm_s: float
    home: Path
    running: installation.Installation
    mailbox: smtp.SmtpServer
    house: str
    """The house's key."""
    book: Book = field(default_factory=Book)
    family: families.Family = field(init=False)
    tenants: list[writers.Tenant] = field(default_factory=list)
    sandboxes: list[writers.Tenant] = field(default_factory=list)
    killed: Counter[families.Victim] = field(default_factory=Counter)
    absent: Counter[families.Victim] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    letters: tuple[facts.Letter, ...] = ()
    jobs: tuple[facts.Job, ...] = ()
    was_checked: str = ""
    took: dict[str, float] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    give_up_at: float = float("inf")

    def __post_init__(self) -> None:
        self.family = families.Family(self.running.process.pid, self.home)

    @property
    def everyone(self) -> tuple[writers.Tenant, ...]:
        """Every organization of the installation."""
        return (*self.tenants, *self.sandboxes, writers.Tenant("house", "", self.house))

    @property
    def drain_s(self) -> float:
        """How long jobs may take to end after the storm."""
        return DRAIN_S + DRAIN_PER_STORM_S * self.storm_s

    def rng(self, purpose: str) -> random.Random:
        """Return random numbers for one part of the run, so that one part's luck does not change another's."""
        return random.Random(f"{self.seed}:{purpose}")

    @contextlib.asynccontextmanager
    async def client(self, purpose: str) -> AsyncIterator[clients.Client]:
        """Open one client's connections."""
        async with httpx2.AsyncClient(base_url=self.running.address, trust_env=False) as http:
            yield clients.Client(http, self.book.tally, self.rng(f"client {purpose}"), lambda: self.give_up_at)

    @contextlib.contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Note how long a phase takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.took[phase] = time.monotonic() - began


async def perform(run: Run) -> None:
    """Do everything. Raises ``NotRecovered``, also when the installation ends by itself or the run hangs."""
    bound_s = 3 * run.storm_s + READY_S + ANSWER_S + run.drain_s + REST_S
    working = asyncio.create_task(_phases(run))
    watching = asyncio.create_task(_until_it_ends(run))
    try:
        done, _ = await asyncio.wait({working, watching}, timeout=bound_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.wait({working, watching})
    if not done:
        raise NotRecovered(f"The run did not end within {bound_s:.0f} s; its phases so far: {run.took}.")
    (working if working in done else watching).result()


async def _until_it_ends(run: Run) -> None:
    """Raise when ``up`` is gone though nobody asked it to stop."""
    while run.running.process.poll() is None:
        await pacing.pause(0.2)
    raise NotRecovered(f"`carbonledger up` ended by itself, with exit code {run.running.process.returncode}.")


async def _phases(run: Run) -> None:
    await _prepare(run)
    await _storm(run)
    with run.timed("drained"):
        await _drain(run)
    await _change_the_key_once_more(run)
    run.violations += await checks.tidiness(run.home, run.family)
    with run.timed("judged"):
        await _judge(run)
    run.was_checked, broken = await checks.amcheck(run.home)
    run.violations += broken


# --- before


async def _prepare(run: Run) -> None:
    run.give_up_at = time.monotonic() + READY_S
    async with run.client("prepare") as client:
        for number in range(CUSTOMERS):
            run.tenants.append(await _organization(run, client, f"customer-{number}", {}))
        for number in range(SANDBOXES):
            sandbox = {"sandbox": True, "clock_start": operators.written(operators.CLOCK_START)}
            run.sandboxes.append(await _organization(run, client, f"sandbox-{number}", sandbox))
        for tenant in run.everyone:
            run.book.given |= {row["id"] for row in await found.rows(client, tenant, "/v1/api-keys")}


async def _organization(run: Run, client: clients.Client, name: str, more: dict[str, object]) -> writers.Tenant:
    body = {"name": name, "external_id": name, "tier": "enterprise", "first_key": {"label": "First key", "scopes": ["*"]}, **more}
    made = (await client.ask("POST", "/v1/organizations", token=run.house, body=body, key=name)).body
    return writers.Tenant(name, made["id"], made["first_key"]["secret"])


# --- the storm


async def _storm(run: Run) -> None:
    """Load and kill; the load goes on until everything is back, so that clients see it come back."""
    run.give_up_at = time.monotonic() + 3 * run.storm_s + READY_S + ANSWER_S
    stop = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        load = [asyncio.create_task(each.run(stop)) for each in await _load(run, stack)]
        try:
            with run.timed("storm"):
                await _kill(run)
            with run.timed("back"):
                await _come_back(run)
            stop.set()
            run.give_up_at = time.monotonic() + ANSWER_S
            with run.timed("answered"):
                await asyncio.gather(*load)
        finally:
            for task in load:
                task.cancel()
            await asyncio.wait(load)


async def _load(run: Run, stack: contextlib.AsyncExitStack) -> list[Worker]:
    async def client(name: str) -> clients.Client:
        return await stack.enter_async_context(run.client(name))

    load: list[Worker] = []
    for name, tenant in ((f"writer-{number}", run.tenants[number % CUSTOMERS]) for number in range(WRITERS)):
        load.append(writers.Writer(name, tenant, await client(name), run.book, run.rng(name)))
    load += [operators.ClockMover(tenant, await client(tenant.name), run.book) for tenant in run.sandboxes]
    every_s = (0.1 * run.storm_s, 0.3 * run.storm_s)
    return [*load, operators.Resealer(run.home, run.book, run.rng("resealer"), every_s=every_s)]


async def _kill(run: Run) -> None:
    """Kill until the storm's time is over and each part was killed once; a slow machine gets twice the time for that."""
    killer = families.Killer(run.family, families.plan(run.rng("kills"), mean_s=min(KILL_EVERY_S, run.storm_s / 5)))
    run.killed, run.absent = killer.killed, killer.absent
    began = time.monotonic()
    while (passed_s := time.monotonic() - began) < run.storm_s or (
        len(killer.killed) < len(families.Victim) and passed_s < 2 * run.storm_s
    ):
        await killer.one()


async def _come_back(run: Run) -> None:
    async with httpx2.AsyncClient(base_url=run.running.address, trust_env=False, timeout=10.0) as http:
        if not await pacing.holds(lambda: checks.is_ready(http, run.family), deadline_s=READY_S):
            missing = [victim.value for victim in families.Victim if run.family.find(victim) is None]
            raise NotRecovered(f"The installation was not ready {READY_S:.0f} s after the last kill; missing: {missing or 'no process'}.")


# --- after


async def _drain(run: Run) -> None:
    if not await pacing.holds(lambda: checks.is_drained(run.home), deadline_s=run.drain_s):
        async with found.connected(run.home) as conn:
            left = Counter((job.name, job.state) for job in await found.jobs(conn) if job.state in {"queued", "running"})
        raise NotRecovered(f"Jobs were still under way {run.drain_s:.0f} s after the storm: {dict(left)}.")


async def _change_the_key_once_more(run: Run) -> None:
    """Change the vault's key with nobody in the way: afterwards every secret must be under the newest, so the old keys may go."""
    resealer = operators.Resealer(run.home, run.book, run.rng("last"), every_s=(0.0, 0.0))
    if not await resealer.once():
        run.violations.append("`carbonledger vault rotate` failed with nothing in its way")
    await _drain(run)
    code, said = await operators.command(run.home, "vault", "rotate", "--finish")
    if code != 0:
        run.violations.append(f"`carbonledger vault rotate --finish` ended with {code}: {said}")


async def _judge(run: Run) -> None:
    """Read everything and compare it with the book."""
    run.give_up_at = time.monotonic() + REST_S
    run.letters = found.letters(run.mailbox.mails)
    async with run.client("judge") as client, found.connected(run.home) as conn:
        items, events = [], []
        for tenant in run.tenants:
            items += await found.items(client, tenant)
        for tenant in run.everyone:
            events += await found.events(client, tenant)
        run.jobs = await found.jobs(conn)
        run.attempts = await found.attempts(conn)
        values, unopened = await found.values(conn, run.home)
        there = facts.Found(tuple(items), tuple(events), run.jobs, run.letters, values, await found.clocks(conn))
        run.violations += [*judge.violations(run.book, there), *unopened]
        run.violations += await checks.links(client, run.book, run.letters, run.rng("links"))
        run.violations += await checks.keys(client, run.book, run.tenants, run.rng("keys"))
        run.violations += checks.unwell((await client.ask("GET", "/health/ready")).body)


def stop(run: Run) -> None:
    """Stop the installation as Ctrl-C does, and look at what it leaves."""
    with run.timed("stopped"):
        code = run.running.stop()
    if code != 0:
        run.violations.append(f"`carbonledger up` stopped with exit code {code}")
    run.violations += [f"process {process.pid} outlives `carbonledger up`" for process in run.family.everybody()]
    run.violations += checks.checksums(run.home)
