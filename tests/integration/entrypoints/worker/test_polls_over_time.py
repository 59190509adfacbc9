"""Connections through the days: what is provisional and when it is final, what is told late, what stays secret."""

from __future__ import annotations

import dataclasses
import gzip
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import prometheus_client
import pytest
import structlog

from carbonledger.domains.connections import service, types
from carbonledger.domains.connections.service import costs
from carbonledger.entrypoints.worker import connections as jobs
from carbonledger.infra import clock
from carbonledger.kernel import actor
from carbonledger.kernel.currency import by_code
from carbonledger.kernel.money import Money
from carbonledger.kernel.secret import SecretText
from tests import conftest
from tests.integration.domains.telemetry import kit
from tests.integration.entrypoints.worker import polling, provider
from tests.integration.entrypoints.worker.conftest import Bench
from tests.integration.entrypoints.worker.provider import COMPLETIONS, COSTS, HOUR, MODELS, NOW

RUNNING = NOW.replace(minute=0)
_EVENT = """
SELECT uncached_input, output, requests, revision, facts & 512 <> 0 AS is_provisional, facts & 1024 <> 0 AS is_duplicate
FROM telemetry_events WHERE organization_id = $1 ORDER BY occurred_at, id
"""


async def opened(bench: Bench, **more: Any) -> tuple[provider.World, UUID]:
    """Connect an account that has used one model in the hour that runs."""
    one = await provider.world(bench, provider.Provider(**more))
    one.provider.truth[COMPLETIONS.name, RUNNING] = {MODELS[0]: 10}
    connection_id = (await one.account.connect(key=provider.KEY)).view.connection.id
    await one.account.run()
    return one, connection_id


async def test_a_bucket_is_provisional_until_it_was_read_unchanged_48_hours_after_its_end(bench: Bench) -> None:
    one, connection_id = await opened(bench)
    seen = []
    for hours in (0, 1, 48, 49, 50):
        await one.account.set_clock(NOW + hours * HOUR)
        await one.account.poll(connection_id)
        [event] = await one.account.rows(_EVENT)
        seen.append((hours, event["is_provisional"]))
        assert event["revision"] == 0
    # The hour ends at 13:00; at 12:20 two days later that is 47:20 ago, at 13:20 it is 48:20.
    assert seen == [(0, True), (1, True), (48, True), (49, False), (50, False)]
    await kit.rollups_equal_raw(bench.database, one.account.organization_id)


async def test_a_revision_replaces_the_row_keeps_the_old_and_takes_another_reading_to_be_final(bench: Bench) -> None:
    one, connection_id = await opened(bench)
    await one.account.set_clock(NOW + 49 * HOUR)
    one.provider.truth[COMPLETIONS.name, RUNNING] = {MODELS[0]: 12, MODELS[1]: 5}
    await one.account.poll(connection_id)
    events = await one.account.rows(_EVENT)
    assert sorted((event["uncached_input"], event["revision"], event["is_provisional"]) for event in events) == [
        (5, 0, True),
        (12, 1, True),
    ]
    [old] = await one.account.rows("SELECT uncached_input FROM telemetry_revisions WHERE organization_id = $1")
    assert old["uncached_input"] == 10
    await one.account.pass_time(HOUR)
    await one.account.poll(connection_id)
    assert [event["is_provisional"] for event in await one.account.rows(_EVENT)] == [False, False]
    assert await one.account.events("connection.revised_late") == []


async def test_a_row_that_vanishes_becomes_a_known_zero(bench: Bench) -> None:
    one, connection_id = await opened(bench)
    one.provider.truth[COMPLETIONS.name, RUNNING] = {}
    await one.account.poll(connection_id)
    [event] = await one.account.rows(_EVENT)
    assert (event["uncached_input"], event["output"], event["requests"], event["revision"]) == (0, 0, 0, 1)
    one.provider.truth[COMPLETIONS.name, RUNNING] = {MODELS[0]: 10}
    await one.account.poll(connection_id)
    [event] = await one.account.rows(_EVENT)
    assert (event["uncached_input"], event["revision"]) == (10, 2)


async def test_a_change_of_what_was_final_is_a_revision_and_somebody_is_told(bench: Bench) -> None:
    one, connection_id = await opened(bench)
    for hours in (49, 50):
        await one.account.set_clock(NOW + hours * HOUR)
        await one.account.poll(connection_id)
    later = NOW + 50 * HOUR
    one.provider.truth[COMPLETIONS.name, RUNNING] = {MODELS[0]: 11}
    one.provider.truth[COMPLETIONS.name, RUNNING - HOUR] = {MODELS[0]: 4}
    async with bench.database.transaction(one.account.organization_id) as uow:
        bucket = provider.bucket(COMPLETIONS, RUNNING, {MODELS[0]: 11})
        await service.take(
            uow,
            actor=actor.system(one.account.organization_id),
            now=later,
            at=clock.now(),
            organization_id=one.account.organization_id,
            connection=(await one.account.show(connection_id)).connection,
            stream=COMPLETIONS,
            buckets=[bucket],
            payload_digest=b"p" * 32,
        )
    [event] = await one.account.rows(_EVENT)
    assert (event["uncached_input"], event["revision"], event["is_provisional"]) == (11, 1, False)
    [told] = await one.account.events("connection.revised_late")
    assert (told["severity"], told["after"]) == ("info", {"provider": "openai", "stream": "completions", "buckets": 1})


async def test_what_the_provider_reports_as_cost_is_kept_with_what_it_said_before(bench: Bench) -> None:
    one, connection_id = await opened(bench)
    day = NOW.replace(hour=0, minute=0)
    for amount in (5, 7):
        one.provider.truth[COSTS.name, day] = {"input": amount, "credit": -1}
        await one.account.poll(connection_id, everything=True)
    one.provider.truth[COSTS.name, day] = {"input": 7}
    await one.account.poll(connection_id, everything=True)
    query = "SELECT item, amount::int AS amount, revision FROM {} WHERE organization_id = $1 ORDER BY item"
    present = await one.account.rows(query.format("reported_costs"))
    assert [(cost["item"], cost["amount"], cost["revision"]) for cost in present] == [("credit", 0, 1), ("input", 7, 1)]
    old = await one.account.rows("SELECT amount::int, revision FROM reported_cost_revisions WHERE organization_id = $1 ORDER BY 1")
    assert [(cost["amount"], cost["revision"]) for cost in old] == [(-1, 0), (5, 0)]


async def test_a_day_of_amounts_with_the_longest_tails_is_compared(bench: Bench) -> None:
    """0.333… of 38 places and 12.5 have 40 digits together: the day is told with 24 places, and our cost can be taken from it."""
    one, connection_id = await opened(bench)
    day, usd = NOW.replace(hour=0, minute=0), by_code("USD")
    amounts = {"a": Decimal("0." + "3" * 38), "b": Decimal("12.5")}
    told = tuple(
        types.ReportedCost(dimensions=(("line_item", item),), item=item, amount=Money(amount, usd)) for item, amount in amounts.items()
    )
    async with bench.database.transaction(one.account.organization_id) as uow:
        await service.take(
            uow,
            actor=actor.system(one.account.organization_id),
            now=NOW,
            at=clock.now(),
            organization_id=one.account.organization_id,
            connection=(await one.account.show(connection_id)).connection,
            stream=COSTS,
            buckets=[types.Bucket(stream=COSTS.name, starts_at=day, ends_at=day + provider.DAY, costs=told)],
            payload_digest=b"p" * 32,
        )
    asked = costs.period(start=day, end=day + provider.DAY, now=NOW + provider.DAY)
    async with bench.database.transaction(one.account.organization_id) as uow:
        found = await costs.compare(uow, organization_id=one.account.organization_id, connection_id=connection_id, asked=asked)
    assert [compared.reported.amount for compared in found] == [Money(Decimal("12.8" + "3" * 23), usd)]
    assert found[0].computed is not None
    assert found[0].difference == found[0].computed - Decimal("12.8" + "3" * 23)


async def test_every_figure_can_be_traced_to_the_page_that_it_came_with(bench: Bench) -> None:
    one, connection_id = await opened(bench)
    [stored] = await one.account.rows("SELECT payload_digest FROM connection_buckets WHERE organization_id = $1")
    files = bench.services.objects.of_organization(one.account.organization_id)
    page = json.loads(gzip.decompress(await files.read(f"raw/{connection_id}/{stored['payload_digest'].hex()}.json.gz")))
    assert [RUNNING.isoformat(), {MODELS[0]: 10}] in page["buckets"]
    kept = [info.key async for info in files.below("raw", at_most=100)]
    await one.account.poll(connection_id)  # nothing new: no page more
    assert [info.key async for info in files.below("raw", at_most=100)] == kept


async def test_the_reconciliation_reads_the_last_day_again_and_writes_down_what_differs(bench: Bench) -> None:
    one, connection_id = await opened(bench)
    await one.account.set_clock(NOW + HOUR)
    await one.account.poll(connection_id)
    one.provider.truth[COMPLETIONS.name, RUNNING] = {MODELS[0]: 10, MODELS[1]: 3}
    for expected in (1, 0):
        await bench.ask(service.RECONCILE_JOB, organization_id=one.account.organization_id, connection_id=str(connection_id))
        await one.account.run()
        event = (await one.account.events("connection.reconciled"))[-1]
        assert (event["after"]["differences"], event["after"]["buckets"]) == (expected, 24)
        assert event["after"]["windows"] == {"completions": ["2026-11-19T13:00:00Z", "2026-11-20T13:00:00Z"]}
    assert (await one.read())[COMPLETIONS.name, RUNNING] == {MODELS[0]: 10, MODELS[1]: 3}


async def test_what_is_due_is_asked_for_once_and_sandboxes_and_stopped_ones_are_left_out(bench: Bench) -> None:
    one, _ = await opened(bench)
    live = polling.Account(bench, await conftest.make_organization(bench.database))
    made = await live.connect(key=provider.KEY)
    await live.run()
    at = clock.now() + timedelta(hours=2)
    async with bench.database.transaction() as uow:
        assert await service.due(uow, at=at, at_most=10) == [(live.organization_id, made.view.connection.id)]
        assert await service.due(uow, at=clock.now(), at_most=10) == []
        assert await service.read_before(uow, at_most=10) == [(live.organization_id, made.view.connection.id)]
    for expected in (True, False):
        async with bench.database.transaction(live.organization_id) as uow:
            asked = await service.poll_if_due(
                uow,
                actor=actor.system(live.organization_id),
                now=at,
                organization_id=live.organization_id,
                connection_id=made.view.connection.id,
            )
        assert asked is expected
    await live.run()
    async with bench.database.transaction(live.organization_id) as uow:
        await uow.conn.execute("UPDATE connections SET next_poll_at = now() - interval '1 second'")
    job_id = await bench.ask(jobs.DUE_JOB)
    await bench.run_once()
    assert (await bench.job(job_id)).result == {"asked": 1}
    async with bench.database.transaction(live.organization_id) as uow:
        await uow.conn.execute("UPDATE connections SET state = 'stopped'")
        assert await service.due(uow, at=at + timedelta(hours=2), at_most=10) == []
    del one


async def test_a_connection_that_is_deleted_while_it_is_read_ends_quietly(bench: Bench) -> None:
    one, connection_id = await opened(bench)
    poll = one.provider.poll

    async def deleted(key: SecretText, **more: Any) -> types.RawPage:
        await one.delete(connection_id)
        return await poll(key, **more)

    one.provider.poll = deleted  # type: ignore[method-assign]
    one.provider.truth[COMPLETIONS.name, RUNNING] = {MODELS[0]: 99}
    assert (await one.account.poll(connection_id))["outcome"] == "not_polled"
    assert [event["uncached_input"] for event in await one.account.rows(_EVENT)] == [10]


async def test_where_hours_are_refused_days_take_their_place_and_no_time_is_read_twice(bench: Bench) -> None:
    days = types.Stream(
        name="days", bucket_width_s=86_400, carries=types.Carries.TOKENS, is_completed_only=True, instead_of=COMPLETIONS.name
    )
    one, connection_id = await opened(bench, streams=(COMPLETIONS, days), readable=("completions",))
    one.provider.readable = ("days",)
    await one.account.poll(connection_id)
    states = {state.stream: state for state in (await one.account.show(connection_id)).streams}
    assert (states["completions"].is_read, states["days"].is_read, states["days"].read_from) == (False, True, None)
    await one.account.pass_time(3 * provider.DAY)
    await one.account.poll(connection_id)
    states = {state.stream: state for state in (await one.account.show(connection_id)).streams}
    assert states["completions"].read_to is not None
    assert (states["days"].read_from, states["days"].read_to) == (
        NOW.replace(day=21, hour=0, minute=0),
        NOW.replace(day=23, hour=0, minute=0),
    )


async def test_a_key_is_nowhere_but_sealed_in_the_vault(
    bench: Bench, log: list[structlog.typing.EventDict], fresh_database: conftest.TestDatabase
) -> None:
    secret = "sk-admin-3f9d0c7e5b1a48269d7c0e1f"
    one = await provider.world(bench)
    connection_id = (await one.account.connect(key=secret)).view.connection.id
    await one.account.run()
    one.provider.before = refused
    await one.account.poll(connection_id)
    assert secret not in repr(log)
    assert secret not in repr(await one.account.show(connection_id))
    conn = await asyncpg.connect(fresh_database.superuser)
    try:
        tables = await conn.fetch(
            "SELECT c.oid::regclass::text AS name FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        for table in tables:
            found = await conn.fetchval(f"SELECT count(*) FROM {table['name']} t WHERE t::text LIKE '%' || $1 || '%'", secret)
            assert found == 0, table["name"]
    finally:
        await conn.close()
    files = bench.services.objects.of_organization(one.account.organization_id)
    async for info in files.below("raw", at_most=100):
        assert secret.encode() not in gzip.decompress(await files.read(info.key))


def refused() -> None:
    raise types.KeyRefused("OpenAI does not know it, or no longer.")


@pytest.mark.parametrize("cursor", ["0", "8"])
async def test_a_cursor_that_leads_in_a_circle_ends_the_walk(bench: Bench, cursor: str) -> None:
    one, connection_id = await opened(bench, streams=(COMPLETIONS,), readable=("completions",), page_size=8)
    normalise, asked = one.provider.normalise, one.provider.asked
    one.provider.normalise = lambda raw: dataclasses.replace(normalise(raw), next_cursor=cursor)  # type: ignore[method-assign]
    result = await one.account.poll(connection_id)
    assert (result["outcome"], result["code"]) == ("failed", {"0": "provider_page_repeated", "8": "provider_cursor_looped"}[cursor])
    assert one.provider.asked - asked == 2 * service.POLL_ATTEMPTS


async def test_a_provider_that_asks_us_to_wait_is_left_alone_so_long(bench: Bench) -> None:
    one, connection_id = await opened(bench)
    asked = one.provider.asked
    one.provider.before = limited
    job_id = await bench.ask(service.POLL_JOB, organization_id=one.account.organization_id, connection_id=str(connection_id))
    await bench.run_once()
    assert one.provider.asked - asked == 1
    row = await bench.queue_row(job_id)
    assert row is not None
    assert 60 < row["wait_s"] <= 120
    assert (await one.account.show(connection_id)).connection.state is types.State.ACTIVE  # it has not failed yet


def limited() -> None:
    raise types.ProviderLimited("OpenAI answered 429.", retry_after_s=120)


async def test_what_a_poll_did_is_measured(bench: Bench) -> None:
    def measured(name: str, **labels: str) -> float:
        return prometheus_client.REGISTRY.get_sample_value(name, labels) or 0.0

    polls, pages = (
        measured("carbonledger_polls_total", provider="openai", outcome="read"),
        measured("carbonledger_poll_pages_total", provider="openai"),
    )
    one, _ = await opened(bench, page_size=1000)
    assert measured("carbonledger_polls_total", provider="openai", outcome="read") - polls == 1
    assert measured("carbonledger_poll_pages_total", provider="openai") - pages == one.provider.asked == 3
