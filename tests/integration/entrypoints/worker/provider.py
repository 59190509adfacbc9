"""A provider whose usage the test writes itself: pages of any size, served from memory, with things that happen on the way."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from carbonledger.domains.connections import service, types
from carbonledger.domains.connections.types import Carries, Stream
from carbonledger.infra import clock, db
from carbonledger.kernel import actor
from carbonledger.kernel.currency import by_code
from carbonledger.kernel.money import Money
from carbonledger.kernel.secret import SecretText
from carbonledger.kernel.usage import TokenBuckets
from tests import standins
from tests.integration.entrypoints.worker import polling
from tests.integration.entrypoints.worker.conftest import Bench

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COMPLETIONS = Stream(name="completions", bucket_width_s=3600, carries=Carries.TOKENS)
IMAGES = Stream(name="images", bucket_width_s=3600, carries=Carries.ACTIVITY)
COSTS = Stream(name="costs", bucket_width_s=86_400, carries=Carries.COSTS)
MODELS = ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18")
NOW = datetime(2026, 11, 20, 12, 20, tzinfo=UTC)
Contents = dict[str, int]
"""What a bucket says: a count of each thing it tells apart."""


def nothing() -> None:
    """Nothing happens."""


@dataclass
class Provider:
    """A ``types.Connector`` over ``truth``: contents by stream and start. ``before`` is called with each question, and may raise."""

    truth: dict[tuple[str, datetime], Contents] = field(default_factory=dict)
    page_size: int = 24
    before: Callable[[], None] = nothing
    provider: str = "openai"
    name: str = "OpenAI"
    streams: tuple[Stream, ...] = (COMPLETIONS, IMAGES, COSTS)
    readable: tuple[str, ...] = ("completions", "images", "costs")
    first_read_days: int = 3
    asked: int = 0
    check_fault: types.ProviderFault | None = None
    told_account: str | None = None

    async def validate(self, key: SecretText, *, now: datetime) -> types.KeyCheck:
        del key, now
        if self.check_fault is not None:
            raise self.check_fault
        return types.KeyCheck("Anybody's key.", self.readable, self.told_account)

    async def poll(self, key: SecretText, *, stream: Stream, window: types.Window, cursor: str | None = None) -> types.RawPage:
        del key
        window.checked(stream)
        self.asked += 1
        self.before()
        if stream.name not in self.readable:
            raise types.StreamRefused("Not here.")
        starts = window.bucket_starts(stream)
        first = int(cursor or 0)
        page = starts[first : first + self.page_size]
        more = first + self.page_size < len(starts)
        told = {
            "buckets": [[start.isoformat(), self.truth.get((stream.name, start), {})] for start in page],
            "next": str(first + self.page_size) if more else None,
        }
        return types.RawPage(stream=stream, window=window, body=json.dumps(told).encode())

    def normalise(self, raw: types.RawPage) -> types.Page:
        told = json.loads(raw.body)
        buckets = [bucket(raw.stream, datetime.fromisoformat(start), contents) for start, contents in told["buckets"]]
        return types.Page(types.arranged(buckets, stream=raw.stream, window=raw.window), told["next"], raw.payload_digest)


def bucket(stream: Stream, start: datetime, contents: Contents) -> types.Bucket:
    """Return a bucket; names of contents are a model, or anything that tells activities or costs apart."""
    made = types.Bucket(stream=stream.name, starts_at=start, ends_at=start + stream.bucket_width)
    names = sorted(contents)
    if stream is COSTS:
        costs = [
            types.ReportedCost(dimensions=(("line_item", name),), item=name, amount=Money(Decimal(contents[name]), by_code("USD")))
            for name in names
        ]
        return dataclasses.replace(made, costs=tuple(costs))
    if stream is IMAGES:
        activities = [types.Activity(dimensions=(("size", name),), event="images", quantity=Decimal(contents[name])) for name in names]
        return dataclasses.replace(made, activities=tuple(activities))
    rows = [
        types.Row(
            dimensions=types.dimensions({"model": name, "project_id": "proj_1"}),
            model=name,
            tokens=TokenBuckets(
                uncached_input=contents[name], cached_input=contents[name] // 3, cache_creation_5m=0, cache_creation_1h=0, output=7
            ),
            requests=1,
        )
        for name in names
    ]
    return dataclasses.replace(made, rows=tuple(rows))


@dataclass(slots=True)
class World:
    """A provider and an organization that reads it."""

    provider: Provider
    account: polling.Account

    async def ledger(self) -> dict[str, dict[str, Any]]:
        """Return all that was read and is not nought: events by stream, time and row, with all that was made of them; and costs."""
        events = await self.account.rows(_EVENTS)
        costs = await self.account.rows(_COSTS)
        return {
            **{event.pop("key"): event for event in events},
            **{f"cost {cost['occurred_at']} {cost['digest']}": cost for cost in costs},
        }

    def told(self, now: datetime) -> dict[tuple[str, datetime], Contents]:
        """Return the tokens and costs that the provider would tell at ``now``, without what is nought."""
        first = now.replace(hour=0, minute=0, second=0, microsecond=0) - self.provider.first_read_days * DAY
        kept = {place: {name: count for name, count in said.items() if count} for place, said in self.provider.truth.items()}
        return {place: said for place, said in kept.items() if said and place[1] >= first and place[0] != IMAGES.name}

    async def read(self) -> dict[tuple[str, datetime], Contents]:
        """Return the same as the ledger has it."""
        found: dict[tuple[str, datetime], Contents] = {}
        for row in await self.account.rows(_TOLD):
            found.setdefault((row["stream"], row["starts_at"]), {})[row["name"]] = int(row["count"])
        return found

    async def rekey(self, connection_id: UUID) -> UUID:
        """Give the connection another key; return the job that reads on with it."""
        async with self._database.transaction(self._names["organization_id"]) as uow:
            made = await service.rekey(
                uow,
                now=await self.account.now(),
                at=clock.now(),
                sealer=self.account.bench.services.sealer,
                connectors={self.provider.provider: self.provider},
                connection_id=connection_id,
                check=types.KeyCheck("", self.provider.readable),
                key=SecretText(f"sk-admin-another-key-of-the-account-{uuid4()}"),
                outside=False,
                **self._names,
            )
        return made.job_id

    async def delete(self, connection_id: UUID) -> None:
        """End the connection."""
        async with self._database.transaction(self._names["organization_id"]) as uow:
            await service.delete(uow, now=await self.account.now(), connection_id=connection_id, **self._names)

    async def sync(self, connection_id: UUID) -> UUID:
        """Ask for the connection to be read now; return the job."""
        async with self._database.transaction(self._names["organization_id"]) as uow:
            return await service.sync(uow, now=await self.account.now(), at=clock.now(), connection_id=connection_id, **self._names)

    @property
    def _database(self) -> db.Database:
        return self.account.bench.database

    @property
    def _names(self) -> dict[str, Any]:
        organization_id = self.account.organization_id
        return {"organization_id": organization_id, "actor": actor.system(organization_id)}


_SERIES = "JOIN telemetry_series s ON s.organization_id = e.organization_id AND s.id = e.series_id"
_EVENTS = f"""
SELECT substr(e.idempotency_key, 39) AS key, e.occurred_at, e.duration_s, e.uncached_input, e.cached_input, e.output, e.requests,
    e.quantity, e.cost_amount, e.cost_flags, e.emission_rate_id, e.facts, s.provider, s.model, s.operation, s.event
FROM telemetry_events e {_SERIES}
WHERE e.organization_id = $1 AND (e.uncached_input > 0 OR e.quantity > 0)
"""
_COSTS = "SELECT starts_at AS occurred_at, digest, amount, item FROM reported_costs WHERE organization_id = $1 AND amount <> 0"
_TOLD = f"""
SELECT 'completions' AS stream, e.occurred_at AS starts_at, s.model AS name, e.uncached_input AS count FROM telemetry_events e {_SERIES}
WHERE e.organization_id = $1 AND e.uncached_input > 0
UNION ALL
SELECT 'costs', starts_at, item, amount FROM reported_costs WHERE organization_id = $1 AND amount <> 0
"""


async def world(bench: Bench, provider: Provider | None = None, *, now: datetime = NOW) -> World:
    """Open an organization whose only provider is ``provider``."""
    found = provider or Provider()
    bench.services = dataclasses.replace(bench.services, connectors={found.provider: found})
    return World(found, await polling.account(bench, now=now))


KEY = standins.KEYS["openai"]
