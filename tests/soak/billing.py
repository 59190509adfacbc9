"""Years of subscriptions with random lives and random kills: every night the books are compared with themselves.

Accounts in five time zones begin, change, pause, resume, cancel and pay; usage comes in time and late. Another process does every night
what the worker's jobs do, and is killed by the kernel, or fails, after a step that the seed chooses, and does it again. Every night: no
line twice, no number missing, every invoice the sum of its lines, nothing that was issued ever changed, and everything that the facts say
is due is billed with the amount that a hand would work out. Exit code 1 on any violation, with the seed to replay it.

The accounts are those of a few sellers, each with processes of its own, which share a database. That one is never killed here (the chaos
run does it), so its commits don't wait for the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

import asyncpg
import psutil

from carbonledger.infra import migrations, reach, settings
from tests.soak.bills import lives, seller

DAYS: Final = 3652  # at scale 1: ten years
ACCOUNTS: Final = 1000  # at scale 1
SELLERS: Final = 2
SCALE_LEAST, SCALE_MOST = 0.0001, 4.0
_SERVER: Final = ("synchronous_commit=off",)
# By what the judge and the lives ask, day after day, of all the invoices there ever were; the product asks for none of it.
_INDEXES: Final = (
    "CREATE INDEX soak_changed ON invoices (organization_id, updated_at)",
    "CREATE INDEX soak_unpaid ON invoices (organization_id, series, sequence) WHERE state = 'issued' AND payment IN ('unpaid', 'failed')",
)


async def _prepare(owner: str) -> None:
    await migrations.upgrade(owner)
    conn = await asyncpg.connect(owner)
    try:
        for statement in _INDEXES:
            await conn.execute(statement)
    finally:
        await conn.close()


def _shares(accounts: int, sellers: int) -> list[int]:
    """Return how many accounts each seller has, at least one."""
    return [accounts // sellers + (place < accounts % sellers) for place in range(min(sellers, accounts))]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 dev.py soak billing", description=(__doc__ or "").partition("\n")[0])
    told = f"{DAYS} days and {ACCOUNTS} accounts are 1; {SCALE_LEAST:g} to {SCALE_MOST:g}"
    parser.add_argument("--scale", type=float, default=1.0, help=told)
    parser.add_argument("--days", type=int, default=None, help="instead of what the scale says")
    parser.add_argument("--accounts", type=int, default=None, help="instead of what the scale says")
    parser.add_argument("--sellers", type=int, default=SELLERS, help="whose accounts they are; each keeps a core busy")
    parser.add_argument("--seed", type=int, default=None, help="of the lives and the kills; a new one if left out")
    options = parser.parse_args()
    if not SCALE_LEAST <= options.scale <= SCALE_MOST:
        parser.error(f"--scale is {SCALE_LEAST:g} to {SCALE_MOST:g}")
    if options.sellers < 1:
        parser.error("--sellers is 1 or more")
    root = options.scale**0.5  # twice the scale is twice the work: more days and more accounts, each by its root
    options.days = options.days or max(round(DAYS * root), 40)
    options.accounts = options.accounts or max(round(ACCOUNTS * root), 5)
    options.seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    return options


def _database_s(home: Path) -> float:
    """Return the processor's seconds of the database, what its ended processes took included."""
    [file] = home.rglob("postmaster.pid")
    server = psutil.Process(int(file.read_text().splitlines()[0]))
    return sum(sum(process.cpu_times()[:2]) for process in (server, *server.children())) + sum(server.cpu_times()[2:4])


def main() -> int:
    """Run and say how it went."""
    options = _options()
    signal.signal(signal.SIGTERM, seller.terminated)
    named = f"--days {options.days} --accounts {options.accounts} --sellers {options.sellers} --seed {options.seed}"
    print(f"billing: {named}, {len(lives.ZONES)} zones, {os.cpu_count()} cores", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="carbonledger-soak-") as name:
        os.chmod(name, 0o711)  # noqa: PTH101, S103 - the database's own user goes through it to its folder
        home = Path(name) / "home"
        with reach.reached(settings.load(home=home, postgres_settings=_SERVER), wait=True) as reached:
            asyncio.run(_prepare(reached.addresses.owner))
            tasks = [
                seller.Task(number, reached.addresses, options.seed, options.days, accounts)
                for number, accounts in enumerate(_shares(options.accounts, options.sellers), start=1)
            ]
            found, database_s = seller.lived(tasks), _database_s(home)
    violations = _say(found, database_s, took_s=time.monotonic() - began)
    if violations:
        print(f"replay: python3 dev.py soak billing {named}")
    return 1 if violations else 0


def _say(found: list[seller.Lived], database_s: float, *, took_s: float) -> int:
    """Print what came of it and return how many violations there are."""
    counts, happened = (sum(ones, Counter()) for ones in ([one.counts for one in found], [one.happened for one in found]))
    own_s, billing_s = sum(one.own_s for one in found), sum(one.billing_s for one in found)
    days = counts["account days"]
    each_us = (own_s + billing_s + database_s) / days * 1e6
    violations = [words for one in found for words in one.violations]
    print(f"  happened         {dict(happened)}")
    print(f"  issued           {sum(one.invoices for one in found)} invoices, {counts['lines']} lines")
    print(f"  killed           {counts['killed']} times; failed {counts['failed']} times")
    print(f"  took             {took_s:.0f} s in all; of a core {own_s:.0f} s for lives and judging, {billing_s:.0f} s for billing,")
    print(f"                   {database_s:.0f} s for the database: {each_us:,.0f} us for each of {days:,} days of an account")
    print(f"  violations       {len(violations)}", *violations[: seller.SHOWN_MAX], sep="\n    ")
    return len(violations)


if __name__ == "__main__":
    raise SystemExit(main())
