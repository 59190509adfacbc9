"""An organization that connects accounts, and what its ledger then says: shared by the tests of polls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from carbonledger.domains.connections import service, types
from carbonledger.domains.connections.service import polling as steps
from carbonledger.infra import clock, crypto
from carbonledger.kernel import actor
from tests import conftest, standins
from tests.integration.entrypoints.worker.conftest import Bench

COUNTS = ("requests", "uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output")
_TOTALS = f"""
SELECT s.provider, s.model, {", ".join(f"sum({name})::bigint AS {name}" for name in COUNTS)}
FROM telemetry_events e JOIN telemetry_series s ON s.organization_id = e.organization_id AND s.id = e.series_id
WHERE e.organization_id = $1 AND s.source = 'connection' AND s.model IS NOT NULL GROUP BY 1, 2
"""
Totals = dict[tuple[str, str], dict[str, int | None]]


@dataclass(slots=True)
class Account:
    """An organization, in whose time connections are read: a sandbox with a clock of its own, or one of the real time."""

    bench: Bench
    organization_id: UUID

    async def set_clock(self, now: datetime) -> None:
        async with self.bench.database.transaction(self.organization_id) as uow:
            await uow.conn.execute("UPDATE organizations SET clock_at = $2 WHERE id = $1", self.organization_id, now)

    async def now(self) -> datetime:
        async with self.bench.database.transaction(self.organization_id) as uow:
            found: datetime | None = await uow.conn.fetchval("SELECT clock_at FROM organizations WHERE id = $1", self.organization_id)
        return found or clock.now()

    async def connect(
        self, provider: str = "openai", *, key: str | None = None, project_id: UUID | None = None, covers_direct: bool = False
    ) -> service.Made:
        """Connect an account; its first read is asked for and not yet made."""
        connector = self.bench.services.connectors[provider]
        secret, now = crypto.SecretText(key or standins.KEYS[provider]), await self.now()
        check = await service.check_key(connector, key=secret, now=now)
        async with self.bench.database.transaction(self.organization_id) as uow:
            return await service.connect(
                uow,
                actor=actor.system(self.organization_id),
                now=now,
                at=clock.now(),
                sealer=self.bench.services.sealer,
                organization_id=self.organization_id,
                connector=connector,
                check=check,
                label=f"of {provider}",
                key=secret,
                project_id=project_id,
                covers_direct=covers_direct,
                outside=False,
            )

    async def run(self) -> None:
        """Run all jobs, those that wait for another try too, until none is left."""
        while await self.bench.run_once():
            await self.bench.make_due()

    async def ask(self, connection_id: UUID, *, everything: bool = False) -> UUID:
        """Ask for one more poll and return its job."""
        connection, now = (await self.show(connection_id)).connection, await self.now()
        async with self.bench.database.transaction(self.organization_id) as uow:
            return await steps.ask(uow, actor=actor.system(self.organization_id), now=now, connection=connection, everything=everything)

    async def poll(self, connection_id: UUID, *, everything: bool = False) -> dict[str, Any]:
        """Run one more poll to its end and return its result."""
        job_id = await self.ask(connection_id, everything=everything)
        await self.run()
        return await self.result(job_id)

    async def result(self, job_id: UUID) -> dict[str, Any]:
        """Return what came of a job."""
        result: dict[str, Any] = (await self.bench.job(job_id, organization_id=self.organization_id)).result
        return result

    async def pass_time(self, delta: timedelta, world: standins.StandIns | None = None) -> datetime:
        """Move the organization's clock, and that of the stand-ins."""
        now = await self.now() + delta
        await self.set_clock(now)
        if world is not None:
            world.set_clock(now)
        return now

    async def show(self, connection_id: UUID) -> types.ConnectionView:
        async with self.bench.database.transaction(self.organization_id) as uow:
            return await service.show(uow, organization_id=self.organization_id, connection_id=connection_id)

    async def rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        async with self.bench.database.transaction(self.organization_id) as uow:
            return [dict(row) for row in await uow.conn.fetch(query, self.organization_id, *arguments)]

    async def totals(self) -> Totals:
        """Return the tokens of what was read, by provider and model, without those that are all nought."""
        found = {(row["provider"], row["model"]): {name: row[name] for name in COUNTS} for row in await self.rows(_TOTALS)}
        return {key: counts for key, counts in found.items() if any(counts.values())}

    async def events(self, *actions: str) -> list[dict[str, Any]]:
        """Return the trail's events of these actions, first to last."""
        return await self.rows("SELECT * FROM events WHERE organization_id = $1 AND action = ANY ($2) ORDER BY id", list(actions))


async def account(bench: Bench, *, now: datetime = standins.NOON) -> Account:
    """Open an organization whose clock stands at ``now``."""
    organization_id = await conftest.make_organization(bench.database, sandbox=True)
    opened = Account(bench, organization_id)
    await opened.set_clock(now)
    return opened


def expected(found: Mapping[str, Mapping[str, Mapping[str, int]]], provider: str) -> Totals:
    """Return what the independent script counts, as far as the provider tells it apart."""
    unknown = {
        "openai": (),
        "anthropic": ("requests",),
        "openrouter": ("cache_creation_5m", "cache_creation_1h"),
    }[provider]
    return {
        (provider, model): {name: None if name in unknown else counts[name] for name in COUNTS} for model, counts in found[provider].items()
    }
