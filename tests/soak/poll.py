"""kill -9 of everything at random, while three providers are read: in the end the ledger says what the trace says, to the token.

A real installation (``carbonledger up``, embedded PostgreSQL) reads the stand-ins while its postmaster, the postmaster's supervisor, the
API and the worker are killed again and again, connections are given new keys, and hours are revised. Then all is read once more, and
compared with what an independent script counts in the raw traces. Exit code 1 on any violation, with the seed.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import random
import secrets
import signal
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from carbonledger_sandbox import state
from tests import installation, standins
from tests.journeys import trace_totals
from tests.soak.storm import family, found, pacing

STORM_S = 240.0  # at scale 1
_SETTLE_S = 180.0  # what beginning and end take at most beside the storm
KILL_EVERY_S = 2.0  # in the mean
SCALE_LEAST, SCALE_MOST = 0.05, 10.0
QUIET_S = 150.0  # a killed worker's jobs are taken over within 45 s, and one that failed waits for its next try
ANSWER_S = 90.0
COUNTS = ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output")
_LOG_LINES = 40
_TOTALS = f"""
SELECT s.provider, s.model, {", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in COUNTS)}
FROM telemetry_events e JOIN telemetry_series s ON s.organization_id = e.organization_id AND s.id = e.series_id
WHERE s.source = 'connection' AND s.model IS NOT NULL GROUP BY 1, 2
"""
_ROLLED = "SELECT sum(events)::bigint, sum(uncached_input)::bigint, sum(output)::bigint, sum(quantity), sum(cost_amount) FROM {}"
_RAW = (
    "SELECT count(*), sum(uncached_input)::bigint, sum(output)::bigint, coalesce(sum(quantity), 0), sum(cost_amount) FROM telemetry_events"
)
_UNFINISHED = "SELECT count(*) FROM jobs WHERE name LIKE 'connections.%' AND state IN ('queued', 'running')"
_PARKED = "SELECT name, error FROM jobs WHERE state = 'parked'"
_POLLS = "SELECT count(*) FROM job_attempts a JOIN jobs j ON j.id = a.job_id WHERE j.name = 'connections.poll'"


class NotRecovered(Exception):
    """It did not come back in time; the message says what."""


@dataclass
class Run:
    """One run: the installation, the providers, and what went wrong."""

    seed: int
    storm_s: float
    home: Path
    running: installation.Installation
    world: standins.StandIns
    now: datetime
    token: str = ""
    connections: dict[str, str] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: object = None, *, token: str | None = None) -> Any:  # noqa: ANN401 - JSON
        """Ask until there is an answer, a POST always with the same idempotency key. Raises ``NotRecovered``."""
        headers = {"Authorization": f"Bearer {token or self.token}", "Idempotency-Key": secrets.token_hex(16)}
        end, last = time.monotonic() + ANSWER_S, "nothing"
        while time.monotonic() < end:
            try:
                status, answer = await asyncio.to_thread(self.running.request, method, path, body=body, headers=headers)
            except (OSError, http.client.HTTPException) as error:
                last = type(error).__name__
            else:
                if status < 400:
                    return answer
                last = f"{status} {answer}"
                if status < 500 and (answer or {}).get("code") not in {"in_progress", "connection_duplicate"}:
                    break
                if (answer or {}).get("code") == "connection_duplicate" and method == "PUT":
                    return answer  # the first answer was lost on its way; a PUT has no idempotency key
            await pacing.pause(0.3)
        raise NotRecovered(f"{method} {path}: {last}")

    async def connect(self) -> None:
        """Open an organization and connect the three accounts."""
        made = await self.ask("POST", "/v1/organizations", {"name": "Soak", "first_key": {"scopes": ["*"]}})
        self.token = made["first_key"]["secret"]
        for provider, key in standins.KEYS.items():
            connection = await self.ask("POST", "/v1/connections", {"provider": provider, "label": provider, "api_key": key})
            self.connections[provider] = connection["id"]

    async def read_again(self, provider: str) -> None:
        """Give a connection another key, which lets it be read at once."""
        key = standins.new_key(provider, anchor=self.now)
        await self.ask("PUT", f"/v1/connections/{self.connections[provider]}/key", {"api_key": key})

    async def storm(self) -> family.Killer:
        """Kill, rekey and revise until the time is over."""
        rng = random.Random(self.seed)
        killer = family.Killer(family.Family(self.running.process.pid, self.home), family.plan(rng, mean_s=KILL_EVERY_S))
        end = time.monotonic() + self.storm_s
        while time.monotonic() < end:
            await killer.one()
            if rng.random() < 0.5:
                self.world.state.revisions.append(state.Revision("oai-shop", -rng.randrange(1, 2), rng.randrange(24)))
            await self.read_again(rng.choice(tuple(self.connections)))
        return killer

    async def settle(self) -> None:
        """Read everything again, twice because a revision comes true when it was read, and wait for the end of each time."""
        for _ in range(2):
            for provider in self.connections:
                await self.read_again(provider)
            if not await pacing.holds(self._is_quiet, deadline_s=QUIET_S):
                raise NotRecovered("polls have not ended")

    async def _is_quiet(self) -> bool:
        try:
            async with found.connected(self.home) as conn:
                return bool(await conn.fetchval(_UNFINISHED) == 0)
        except (OSError, TimeoutError):
            return False

    async def judge(self) -> None:
        """Compare with the traces."""
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        counted = trace_totals.totals(trace_totals.DATA, until=int(self.now.timestamp()) - state.LAG_S, anchor=midnight)
        expected = {
            (provider, model): {name: of[name] for name in COUNTS} for provider, models in counted.items() for model, of in models.items()
        }
        async with found.connected(self.home) as conn:
            rows = await conn.fetch(_TOTALS)
            sums = [
                tuple(await conn.fetchrow(query) or ())
                for query in (_RAW, *(_ROLLED.format(f"telemetry_{by}") for by in ("hourly", "daily")))
            ]
            parked = await conn.fetch(_PARKED)
            polls = await conn.fetchval(_POLLS)
        read = {(row["provider"], row["model"]): {name: row[name] for name in COUNTS} for row in rows}
        for key in sorted(expected.keys() | read.keys()):
            if read.get(key) != expected.get(key):
                self.violations.append(f"{key}: the ledger says {read.get(key)}, the trace {expected.get(key)}")
        if len(set(sums)) != 1:
            self.violations.append(f"events, hours and days do not say the same: {sums}")
        self.violations += [f"{row['name']} is parked: {row['error']}" for row in parked]
        for provider, connection_id in self.connections.items():
            connection = await self.ask("GET", f"/v1/connections/{connection_id}")
            if connection["state"] != "active":
                self.violations.append(f"{provider} is {connection['state']}: {connection['last_error']}")
        print(f"  compared         {len(expected)} models, {sums[0][0]} events; {polls} attempts at polls", flush=True)


def main() -> int:
    """Run and say how it went."""
    parser = argparse.ArgumentParser(prog="python3 dev.py soak poll", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help=f"length in units of {STORM_S:.0f} s, {SCALE_LEAST} to {SCALE_MOST:g}")
    parser.add_argument("--seed", type=int, default=None, help="of the kills; a new one if left out")
    options = parser.parse_args()
    if not SCALE_LEAST <= options.scale <= SCALE_MOST:
        parser.error(f"--scale is {SCALE_LEAST} to {SCALE_MOST:g}")
    signal.signal(signal.SIGTERM, _terminated)
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    print(f"poll: seed {seed}, storm of {STORM_S * options.scale:.0f} s, {os.cpu_count()} cores", flush=True)
    began = time.monotonic()
    violations = asyncio.run(_main(seed, STORM_S * options.scale))
    print(f"  took             {time.monotonic() - began:.0f} s in all")
    print(f"  violations       {len(violations)}", *violations, sep="\n    ")
    if violations:
        print(f"replay: python3 dev.py soak poll --scale {options.scale:g} --seed {seed}")
    return 1 if violations else 0


def _terminated(number: int, _: object) -> NoReturn:
    """End as after Ctrl-C: the installation is ended and its folder removed on the way out."""
    raise SystemExit(128 + number)


async def _main(seed: int, storm_s: float) -> list[str]:
    await _midnight(storm_s + _SETTLE_S)
    now, house = datetime.now(UTC).replace(microsecond=0), f"cl_live_{secrets.token_hex(24)}"
    with standins.running(now) as world, installation.new_home() as home, _up(home, house, world) as running:
        run = Run(seed=seed, storm_s=storm_s, home=home, running=running, world=world, now=now, token=house)
        try:
            await run.connect()
            killer = await run.storm()
            print(
                f"  killed           {killer.killed.total()} times { ({victim.value: many for victim, many in killer.killed.items()}) }",
                flush=True,
            )
            await run.settle()
            await run.judge()
        except NotRecovered as failure:
            run.violations.append(str(failure))
        if run.violations:
            print("  its last words", *(f"    {line[:300].rstrip()}" for line in running.log[-_LOG_LINES:]), sep="\n")
        running.stop()
        return run.violations


async def _midnight(length_s: float) -> None:
    """Wait until midnight has passed if the run would cross it: the providers' clock stands still, and refuses the day that has ended."""
    now = datetime.now(UTC)
    left_s = (now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - now).total_seconds()
    if left_s < length_s:
        print(f"  waits            {left_s:.0f} s, for midnight", flush=True)
        await asyncio.sleep(left_s + 1)  # house: allow sleep-in-test - nothing but time makes it midnight


def _up(home: Path, house: str, world: standins.StandIns) -> AbstractContextManager[installation.Installation]:
    return installation.up(
        home,
        CARBONLEDGER_ANTHROPIC_URL=world.settings["anthropic_url"],
        CARBONLEDGER_BOOTSTRAP_API_KEY=house,
        CARBONLEDGER_BOOTSTRAP_EMAIL="operator@example.com",
        CARBONLEDGER_BOOTSTRAP_PASSWORD=secrets.token_urlsafe(24),
        CARBONLEDGER_LOG_LEVEL="warning",
        CARBONLEDGER_OPENAI_URL=world.settings["openai_url"],
        CARBONLEDGER_OPENROUTER_URL=world.settings["openrouter_url"],
        CARBONLEDGER_POSTGRES_BIN=os.environ.get("CARBONLEDGER_TEST_PG_BIN", ""),
    )


if __name__ == "__main__":
    sys.exit(main())
