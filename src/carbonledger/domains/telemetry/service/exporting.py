"""Exports: every event of a period as a row, a chunk at a time, so that any number of them takes the same memory.

Each chunk is a short transaction of its own. Between chunks nothing is held, neither a connection nor a snapshot: a client that reads
slowly, or leaves, costs nothing. What is added while an export runs is in it if its time comes after what was written already.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from carbonledger.domains.emissions import types as emission_types
from carbonledger.domains.pricing import service as pricing
from carbonledger.domains.pricing import types as pricing_types
from carbonledger.domains.projects import service as projects
from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.core import focus
from carbonledger.domains.telemetry.service import tabling
from carbonledger.domains.telemetry.store import events as event_store
from carbonledger.domains.telemetry.store import exporting as store
from carbonledger.domains.telemetry.types.answers import Filters
from carbonledger.domains.telemetry.types.exports import Cell, Chunk, Column, Columns, Format, Kind, Place, Row, Tables, Writer
from carbonledger.infra import db
from carbonledger.kernel.period import Period
from carbonledger.kernel.usage import TokenBuckets, Usage

CHUNK_ROWS: Final = 2_000  # some 20 ms of making rows, and 2 MB
_BOUNDS: Final = ("low", "mid", "high")
_AMOUNTS: Final = tuple(f"{name}_{bound}" for name in ("energy_wh", "co2e_g", "co2e_market_g", "water_ml") for bound in _BOUNDS)
COLUMNS: Final[Columns] = (
    Column("id", Kind.WORD),
    Column("idempotency_key", Kind.TEXT),
    Column("occurred_at", Kind.INSTANT),
    Column("duration_s", Kind.INTEGER),
    Column("source", Kind.WORD),
    Column("connection_id", Kind.WORD),
    Column("project_id", Kind.WORD),
    Column("project_name", Kind.TEXT),
    Column("workload_id", Kind.WORD),
    Column("agent_id", Kind.WORD),
    Column("account", Kind.TEXT),
    Column("provider", Kind.TEXT),
    Column("model", Kind.TEXT),
    Column("operation", Kind.TEXT),
    Column("batch", Kind.FLAG),
    Column("service_tier", Kind.TEXT),
    Column("region", Kind.TEXT),
    Column("event", Kind.TEXT),
    Column("quantity", Kind.MONEY),
    *(Column(name, Kind.INTEGER) for name in event_store.COUNTS),
    Column("requests", Kind.INTEGER),
    Column("cost_amount", Kind.MONEY),
    Column("cost_currency", Kind.WORD),
    Column("cost_flags", Kind.WORD),
    Column("price_version", Kind.WORD),
    Column("reported_cost", Kind.MONEY),
    Column("reported_currency", Kind.WORD),
    *(Column(name, Kind.AMOUNT) for name in _AMOUNTS),
    Column("emission_flags", Kind.WORD),
    Column("factor_version", Kind.WORD),
    Column("facts", Kind.WORD),
    Column("revision", Kind.INTEGER),
    Column("recorded_at", Kind.INSTANT),
)


@functools.lru_cache(maxsize=4096)
def _facts(bits: int) -> str:
    return " ".join(types.words(bits))


@functools.lru_cache(maxsize=1024)
def _cost_flags(bits: int) -> str:
    return " ".join(flag.value for flag in pricing_types.flags_of(bits))


@functools.lru_cache(maxsize=1024)
def _emission_flags(bits: int) -> str:
    return " ".join(flag.value for flag in emission_types.flags_of(bits))


def writer(format_: Format, *, parquet: Tables) -> Writer:
    """Return who writes an export in this format."""
    if format_ is Format.PARQUET:
        return parquet.writer(COLUMNS)
    if format_ is Format.FOCUS:
        return tabling.CsvWriter(focus.COLUMNS)
    if format_ is Format.CSV:
        return tabling.CsvWriter(COLUMNS)
    return tabling.JsonWriter(COLUMNS, is_lines=format_ is Format.JSONL)


@dataclass(slots=True)
class Export:
    """An export on its way: what is asked for, and the names met so far."""

    organization_id: UUID
    organization_name: str
    period: Period
    filters: Filters
    is_focus: bool
    _names: dict[UUID, str] = field(default_factory=dict)

    async def chunk(self, uow: db.UnitOfWork, *, after: Place | None) -> Chunk:
        """Return the rows after a place (None: the first), at most ``CHUNK_ROWS`` events."""
        read = store.charges if self.is_focus else store.rows
        found = await read(
            uow, organization_id=self.organization_id, period=self.period, filters=self.filters, after=after, limit=CHUNK_ROWS
        )
        events = [_Event(row) for row in found]
        await self._learn(uow, {event.series.project_id for event in events})
        # In a thread, as what comes after: thousands of rows would keep every other request of the process waiting.
        rows = await asyncio.to_thread(self._rows, events)
        return Chunk(rows, events[-1].place if len(events) == CHUNK_ROWS else None)

    async def _learn(self, uow: db.UnitOfWork, project_ids: set[UUID]) -> None:
        missing = project_ids - self._names.keys()
        if missing:
            self._names |= await projects.names(uow, organization_id=self.organization_id, project_ids=missing)

    def _rows(self, events: Sequence[_Event]) -> list[Row]:
        if self.is_focus:
            return [row for event in events for row in focus.rows(self._charge(event))]
        return [event.row(self._names) for event in events]

    def _charge(self, event: _Event) -> focus.Charge:
        series, plain = event.series, event.plain
        cost, reported, energy, co2e = event.rest
        tags = {"account": series.account, "agent_id": series.agent_id, "workload_id": series.workload_id, "operation": series.operation}
        return focus.Charge(
            organization_id=self.organization_id,
            organization_name=self.organization_name,
            event_id=plain["id"],
            occurred_at=plain["occurred_at"],
            duration_s=plain["duration_s"],
            project_id=series.project_id,
            project_name=self._names.get(series.project_id),
            provider=series.provider or "",
            model=series.model or "",
            operation=series.operation,
            region=series.region,
            service_tier=series.service_tier,
            is_batch=series.is_batch,
            tags={name: str(value) for name, value in tags.items() if value is not None},
            counts=event.counts,
            requests=plain["requests"],
            cost_amount=cost,
            parts=_parts(event, cost),
            price_version=event.versions[0],
            reported_usd=reported if plain["reported_currency"] == "USD" else None,
            energy_wh=energy,
            co2e_g=co2e,
            factor_version=event.versions[1],
            facts=_facts(plain["facts"]),
        )


class _Event:
    """A row of the store, told apart."""

    __slots__ = ("counts", "plain", "rest", "series", "versions")

    def __init__(self, row: tuple[Any, ...]) -> None:
        plain = len(store.PLAIN)
        counts = plain + len(event_store.COUNTS)
        versions = counts + len(store.VERSIONS)
        series = versions + len(store.SERIES)
        self.plain: dict[str, Any] = dict(zip(store.PLAIN, row[:plain], strict=True))
        self.counts: dict[str, int | None] = dict(zip(event_store.COUNTS, row[plain:counts], strict=True))
        self.versions: tuple[str | None, str | None] = row[counts:versions]
        self.series = types.SeriesKey(*row[versions:series])
        self.rest = row[series:]

    @property
    def place(self) -> Place:
        return Place(self.plain["occurred_at"], self.plain["id"])

    def row(self, names: dict[UUID, str]) -> tuple[Cell, ...]:
        plain, series = self.plain, self.series
        quantity, cost, reported, *amounts = self.rest
        at: datetime = plain["occurred_at"]
        return (
            str(plain["id"]),
            plain["idempotency_key"],
            at,
            plain["duration_s"],
            series.source,
            _id(series.connection_id),
            str(series.project_id),
            names.get(series.project_id),
            _id(series.workload_id),
            _id(series.agent_id),
            series.account,
            series.provider,
            series.model,
            series.operation,
            series.is_batch,
            series.service_tier,
            series.region,
            series.event,
            quantity,
            *self.counts.values(),
            plain["requests"],
            cost,
            None if cost is None else "USD",
            _cost_flags(plain["cost_flags"]),
            self.versions[0],
            reported,
            plain["reported_currency"],
            *amounts,
            _emission_flags(plain["emission_flags"]),
            self.versions[1],
            _facts(plain["facts"]),
            plain["revision"],
            plain["recorded_at"],
        )


def _id(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _parts(event: _Event, amount: Decimal | None) -> tuple[pricing_types.CostPart, ...] | None:
    """Return the products of a cost, if this process comes to the very same one by the same book."""
    series = event.series
    if amount is None or series.provider is None or series.model is None:
        return None
    usage = Usage(
        provider=series.provider,
        model=series.model,
        occurred_at=event.plain["occurred_at"],
        tokens=TokenBuckets(**event.counts),
        requests=event.plain["requests"],
        batch=series.is_batch,
        service_tier=series.service_tier,
        region=series.region,
    )
    cost = pricing.price(usage, size=series.size)
    return cost.parts if cost.version == event.versions[0] and cost.amount == amount else None
