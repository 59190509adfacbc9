"""Lists of events by a filter: every page of them is what the events say, in their order, however rare they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.telemetry.service import answering, events
from carbonledger.domains.telemetry.types import Fact
from carbonledger.domains.telemetry.types.answers import Filters
from carbonledger.infra import db
from carbonledger.kernel import page as pages
from tests.integration.domains.telemetry import books, kit

START = datetime(2026, 10, 22, tzinfo=UTC)
DAYS = 14
FIRST = START + timedelta(hours=5, minutes=40)
LAST = START + timedelta(days=DAYS, minutes=-50)


@pytest.fixture
async def ledger(database: db.Database, organization_id: UUID) -> list[dict[str, Any]]:
    """Fill the ledger, one series of it with three events alone, and return its events, the latest first."""
    await books.write(database, organization_id, seed=11, start=START, days=DAYS, number=400)
    rare = [kit.draft(f"rare {day}", at=START + timedelta(days=day, hours=6), model="o3", account="rare") for day in (0, 1, 9)]
    await kit.accept(database, organization_id, *rare)
    found = await books.events(database, organization_id)
    return sorted(found, key=lambda row: (row["occurred_at"], row["id"]), reverse=True)


@pytest.mark.parametrize("kind", [None, "cache_creation_5m"])
@pytest.mark.parametrize("limit", [1, 7, 200])
@pytest.mark.parametrize(
    "filters, facts, meets",
    [
        (Filters(), None, lambda _: True),
        (Filters(provider="openai"), None, lambda row: row["provider"] == "openai"),
        (Filters(account="rare"), None, lambda row: row["account"] == "rare"),
        (Filters(batch=True), None, lambda row: row["is_batch"]),
        (Filters(), Fact.ESTIMATED, lambda row: row["facts"] & Fact.ESTIMATED),
        (Filters(account="acme"), Fact.METERED | Fact.ESTIMATED, lambda row: (
            row["account"] == "acme" and row["facts"] & (Fact.METERED | Fact.ESTIMATED))),
        (Filters(model="unheard-of"), None, lambda _: False),
    ],
    ids=["all", "frequent", "rare", "batches", "estimated", "account and facts", "nothing"],
)  # fmt: skip
async def test_pages_are_the_events_that_meet_the_filter(
    database: db.Database,
    organization_id: UUID,
    ledger: list[dict[str, Any]],
    filters: Filters,
    facts: Fact | None,
    meets: Callable[[dict[str, Any]], bool],
    limit: int,
    kind: str | None,
) -> None:
    over = answering.asked(start=FIRST, end=LAST, now=START, time_zone="UTC")
    shown: list[UUID] = []
    page = pages.PageRequest(limit=limit)
    for _ in range(len(ledger) + 1):
        async with database.transaction(organization_id, read_only=True) as uow:
            found = await events.list_events(
                uow, organization_id=organization_id, asked=over, filters=filters, facts=facts, kind=kind, page=page
            )
        shown += [one.event.id for one in found.data]
        if found.next_cursor is None:
            break
        page = pages.PageRequest(limit=limit, after=pages.decode_cursor(found.next_cursor, parts=2))
    inside = [row for row in ledger if FIRST <= row["occurred_at"] < LAST and meets(row)]
    expected = [row["id"] for row in inside if kind is None or row[kind]]
    assert shown == expected
