"""kill -9 of everything at random, under a write load: nothing acknowledged is lost, nothing is done twice.

A real installation (``carbonledger up``, embedded PostgreSQL) is written to while its postmaster, the postmaster's supervisor, the API and
the worker are killed again and again; then everything that clients were told is compared with what is there. ``docs/runbooks/soak.md`` says
what that proves. Exit code 1 on any violation, with the seed that gives the same load and the same kills again.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shutil
import signal
import sys
import time
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

from carbonledger_sandbox import smtp
from tests import installation
from tests.soak.storm import client as clients
from tests.soak.storm import judge
from tests.soak.storm import run as runs
from tests.soak.storm.book import REFUSED

STORM_S = 120.0  # at scale 1
SCALE_LEAST, SCALE_MOST = 0.05, 10.0  # what clients were told is kept in memory, about 100 MB at the most
PROGRAMS = "CARBONLEDGER_TEST_PG_BIN"
"""Folder of other PostgreSQL programs to run on, as for the tests; those of a distribution bring amcheck."""
_SHOWN_MAX = 40
_LOG_LINES, _LOG_CHARS = 40, 300


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, _terminated)
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    print(f"chaos: seed {seed}, storm of {STORM_S * options.scale:.0f} s, {os.cpu_count()} cores", flush=True)
    began = time.monotonic()
    violations = asyncio.run(_main(seed, STORM_S * options.scale, options.keep))
    print(f"  took             {time.monotonic() - began:.0f} s in all")
    print(f"  violations       {len(violations)}")
    for words in violations[:_SHOWN_MAX]:
        print(f"    {words}")
    if violations:
        print(f"replay: python3 dev.py soak chaos --scale {options.scale:g} --seed {seed}")
    return 1 if violations else 0


def _options() -> argparse.Namespace:
    def scale(text: str) -> float:
        value = float(text)
        if not SCALE_LEAST <= value <= SCALE_MOST:
            raise ValueError(text)
        return value

    parser = argparse.ArgumentParser(prog="python3 dev.py soak chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--scale", type=scale, default=1.0, help=f"length of the storm in units of {STORM_S:.0f} s, {SCALE_LEAST} to {SCALE_MOST:g}"
    )
    parser.add_argument("--seed", type=int, default=None, help="of the load and the kills; a new one if left out")
    parser.add_argument("--keep", type=Path, default=None, metavar="FOLDER", help="keep the stopped installation's data and log there")
    return parser.parse_args()


def _terminated(number: int, _: object) -> NoReturn:
    """End as after Ctrl-C: the installation is ended and its folder removed on the way out."""
    raise SystemExit(128 + number)


async def _main(seed: int, storm_s: float, keep: Path | None) -> list[str]:
    """Run and return the violations, the inability to go on among them."""
    house = f"cl_live_{secrets.token_hex(24)}"
    mailbox = smtp.SmtpServer()
    mailbox.fail("RCPT", "550 5.1.1 no such person", times=sys.maxsize, containing=REFUSED)
    async with mailbox.running():
        with installation.new_home() as home, _up(home, house, mailbox) as running:
            run = runs.Run(seed=seed, storm_s=storm_s, home=home, running=running, mailbox=mailbox, house=house)
            try:
                await runs.perform(run)
                runs.stop(run)
            except (runs.NotRecovered, clients.Refused, clients.NeverAnswered) as failure:
                run.violations += [str(failure), *run.book.surprises]
            _report(run)
            if run.violations:
                print("  its last words", *(f"    {line[:_LOG_CHARS].rstrip()}" for line in running.log[-_LOG_LINES:]), sep="\n")
            if keep is not None:
                _keep(run, keep)
    return run.violations


def _up(home: Path, house: str, mailbox: smtp.SmtpServer) -> AbstractContextManager[installation.Installation]:
    return installation.up(
        home,
        CARBONLEDGER_BOOTSTRAP_API_KEY=house,
        CARBONLEDGER_BOOTSTRAP_EMAIL="operator@example.com",
        CARBONLEDGER_BOOTSTRAP_PASSWORD=secrets.token_urlsafe(24),
        CARBONLEDGER_LOG_LEVEL="warning",
        CARBONLEDGER_MAIL_FROM="soak@example.com",
        CARBONLEDGER_POSTGRES_BIN=os.environ.get(PROGRAMS, ""),
        CARBONLEDGER_RATE_SIGN_IN_PER_MIN="100000",  # links and revoked keys are tried from one address
        CARBONLEDGER_SMTP_URL=f"smtp+plain://{mailbox.host}:{mailbox.port}",
    )


def _keep(run: runs.Run, folder: Path) -> None:
    shutil.copytree(run.home, folder / "home", ignore=shutil.ignore_patterns(".s.PGSQL.*"))
    (folder / "up.log").write_text(run.running.told)


def _report(run: runs.Run) -> None:
    tally, letters = run.book.tally, Counter(letter.message_id for letter in run.letters)
    jobs = Counter(job.name for job in run.jobs)
    _line("killed", f"{run.killed.total()} times", {victim.value: many for victim, many in run.killed.items()})
    _line("not there to kill", f"{run.absent.total()} times", {victim.value: many for victim, many in run.absent.items()})
    _line("requests", f"{tally.sent} sent, {tally.answered} answered, {tally.sent - tally.answered} retries", tally.retries)
    _line("acknowledged", f"{run.book.acknowledged} effects; {tally.replayed} answers given again for their key", {})
    _line("jobs", f"{len(run.jobs)}", jobs)
    _line("attempts", f"{run.attempts.total()}", run.attempts)
    transactional = sum(many for name, many in jobs.items() if name not in {judge.INVITE, judge.TELL})
    _line("exactly once", f"{transactional} jobs, whose effect is in the database", {})
    _line("at least once", f"{letters.total()} letters under {len(letters)} Message-Ids, no two links under one", {})
    _line("longest wait", f"{tally.longest_s:.1f} s of a client for one answer, retries included", {})
    _line("phases", " ".join(f"{phase} {seconds:.1f} s" for phase, seconds in run.took.items()), {})
    _line("database", run.was_checked or "not checked", {})


def _line(name: str, words: str, counts: Counter[str] | dict[str, int]) -> None:
    told = ", ".join(f"{key} {many}" for key, many in sorted(counts.items(), key=lambda item: -item[1]))
    print(f"  {name:16} {words}{f' ({told})' if told else ''}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
