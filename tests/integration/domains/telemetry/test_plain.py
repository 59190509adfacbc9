"""Plain events, judged together, leave the same ledger as the same events made into drafts and judged one by one."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbonledger.domains.telemetry import types
from carbonledger.domains.telemetry.service import authority as claiming
from carbonledger.entrypoints.rest import telemetry_items, telemetry_told
from carbonledger.infra import db
from carbonledger.kernel.usage import COUNT_MAX
from tests import conftest
from tests.integration.domains.telemetry import kit

_COUNTS = st.sampled_from([None, None, 0, 0, 1, 7, 127_999, 128_000, 200_000, 200_001, COUNT_MAX])
_KEYS = ("a", "b", "c", "d", "e", "f", "key of a", " a", "", "k" * 200, "k" * 201, "\u00e9")
# What makes an item another kind of item, or none that is taken; the rest of it stays as it was drawn.
_TURNS: tuple[dict[str, Any], ...] = (
    {"properties": {"feature": "search", "note": "ü\ud7ff"}},
    {"properties": {"text": "x" * 5000}},
    {"properties": {"deep": [[[[[[[[[1]]]]]]]]]}},
    {"reported_cost": {"amount": "0.012345678901", "currency": "USD"}},
    {"reported_cost": {"amount": "1.5", "currency": "EUR"}},
    {"reported_cost": {"amount": "-1", "currency": "USD"}},
    {"tokens": None, "usage": {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}},
    {"tokens": {"uncached_input": 9, "output": 5, "audio_input": 4, "audio_output": 2}},
    {"tokens": {"uncached_input": 9, "output": 5, "reasoning": 6}},
    {"tokens": {"uncached_input": -1, "output": 5}},
    {"tokens": {"uncached_input": 9, "output": COUNT_MAX + 1}},
    {"tokens": {"uncached_input": 9, "output": "5"}},
    {"provider": None, "model": None, "tokens": None, "event": "pages", "quantity": "3.25", "batch": False, "operation": None},
    {"event": "pages"},
    {"provider": "OpenAI"},
    {"model": " gpt-4o"},
    {"operation": "chat\n"},
    {"account": "customer 1"},
    {"account": ""},
    {"duration_s": 86_400},
    {"duration_s": -1},
    {"requests": 100},
    {"requests": -1},
    {"quality": "guessed"},
    {"occurred_at": "2014-12-31T23:59:59Z"},
    {"occurred_at": "2026-11-01T10:30:00.123456+01:30"},
    {"occurred_at": "2026-11-01"},
    {"project_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11"},
    {"agent_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11"},
    {"price": 1},
)


@st.composite
def alike(draw: st.DrawFn) -> dict[str, Any]:
    """What events have in common."""
    provider, model = draw(
        st.sampled_from(
            [
                ("openai", "gpt-4o"),
                ("anthropic", "claude-haiku-5-5"),
                ("deepseek", "deepseek-chat"),
                ("perplexity", "sonar"),
                ("nobody", "x"),
            ]
        )
    )
    return {
        "provider": provider,
        "model": model,
        "requests": draw(st.sampled_from([1, 1, None, 0, 3])),
        "batch": draw(st.booleans()),
        "service_tier": draw(st.sampled_from([None, "priority"])),
        "region": draw(st.sampled_from([None, "eu"])),
        "operation": draw(st.sampled_from([None, "chat"])),
        "account": draw(st.sampled_from([None, "acme"])),
    }


@st.composite
def batches(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    """Batches of events of two kinds, whose keys come again, and of what is no such event."""
    kinds = [draw(alike()), draw(alike())]
    names = ("uncached_input", "cached_input", "cache_creation_5m", "cache_creation_1h", "output")

    def event() -> dict[str, Any]:
        return {
            **draw(st.sampled_from(kinds)),
            "idempotency_key": draw(st.sampled_from(_KEYS)),
            "occurred_at": draw(st.sampled_from(["2026-11-01T09:00:00Z", "2026-11-01T09:59:59.999999Z", "2026-11-02T00:00:00Z"])),
            "tokens": {name: draw(_COUNTS) for name in names} | {"reasoning": draw(st.sampled_from([None, 0, 1]))},
            **draw(st.sampled_from([{}, {}, {}, {}, *_TURNS])),
        }

    return [[event() for _ in range(draw(st.integers(0, 10)))] for _ in range(draw(st.integers(1, 4)))]


@given(batches(), st.booleans())
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_plain_events_leave_the_ledger_that_drafts_leave(
    worker_database: conftest.TestDatabase,
    sent: list[list[dict[str, Any]]],
    authority: bool,
) -> None:
    with asyncio.Runner() as runner:
        runner.run(_compare(worker_database.app, sent, authority=authority))


def test_a_batch_too_large_to_look_for_each_row_is_compared_all_the_same(worker_database: conftest.TestDatabase) -> None:
    """Beyond so many rows a batch is first inserted as if none were known: all new, then one of them known, then all."""
    event = {"occurred_at": "2026-11-01T09:00:00Z", "provider": "openai", "model": "gpt-4o", "tokens": {"uncached_input": 1, "output": 2}}
    named = [{**event, "idempotency_key": str(number)} for number in range(1800)]
    other = [{**one, "requests": 2} for one in named[:3]]
    with asyncio.Runner() as runner:
        runner.run(_compare(worker_database.app, [named[:600], named[599:1200], [*other, *named]]))


async def _compare(dsn: str, sent: list[list[dict[str, Any]]], *, authority: bool = False) -> None:
    database = await db.connect(dsn, size=1, application="test")
    try:
        one, other = await conftest.make_organization(database), await conftest.make_organization(database)
        for organization_id in (one, other) if authority else ():
            async with database.transaction(organization_id) as uow:
                since = kit.AT.replace(day=2, hour=0)
                await claiming.claim(uow, organization_id=organization_id, provider="openai", connection_id=UUID(int=1), since=since)
        for batch in sent:
            raws = [orjson.dumps(item) for item in batch]
            plain = await kit.accept(database, one, *telemetry_told.spread(telemetry_items.items(raws))[0])
            drafts = await kit.accept(database, other, *telemetry_told.spread([telemetry_items.drafted(raw) for raw in raws])[0])
            assert _said(plain) == _said(drafts)
        for query in _LEDGER:
            assert await kit.rows(database, one, query) == await kit.rows(database, other, query)
        await kit.rollups_equal_raw(database, one)
    finally:
        await database.close()


def _said(done: types.Accepted) -> list[tuple[int, types.Status, bool, types.Rejection | None]]:
    return [(result.place, result.status, isinstance(result.event_id, UUID), result.rejection) for result in done.results]


_SERIES = """
s.source, s.account, s.provider, s.model, s.operation, s.is_batch, s.service_tier, s.region, s.event
"""
_LEDGER = (
    f"""
    SELECT (to_jsonb(e) - '{{id, organization_id, series_id}}'::text[])::text AS event, {_SERIES}
    FROM telemetry_events e JOIN telemetry_series s ON s.id = e.series_id WHERE e.organization_id = $1 ORDER BY e.idempotency_key
    """,
    f"""
    SELECT (to_jsonb(r) - '{{event_id, organization_id, series_id, replaced_at}}'::text[])::text AS revision, e.idempotency_key, {_SERIES}
    FROM telemetry_revisions r JOIN telemetry_events e ON e.id = r.event_id JOIN telemetry_series s ON s.id = r.series_id
    WHERE r.organization_id = $1 ORDER BY e.idempotency_key, r.revision
    """,
    f"""
    SELECT (to_jsonb(h) - '{{organization_id, series_id}}'::text[])::text AS hour, {_SERIES}
    FROM telemetry_hourly h JOIN telemetry_series s ON s.id = h.series_id WHERE h.organization_id = $1
    ORDER BY h.hour, {_SERIES}, h.facts, h.emission_rate_id
    """,
    f"""
    SELECT (to_jsonb(d) - '{{organization_id, series_id}}'::text[])::text AS day, {_SERIES}
    FROM telemetry_daily d JOIN telemetry_series s ON s.id = d.series_id WHERE d.organization_id = $1
    ORDER BY d.day, {_SERIES}, d.facts, d.emission_rate_id
    """,
    f"SELECT {_SERIES} FROM telemetry_series s WHERE s.organization_id = $1 ORDER BY {_SERIES}",
)
