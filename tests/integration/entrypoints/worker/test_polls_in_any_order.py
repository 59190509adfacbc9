"""Whatever happens between provider and ledger, in whatever order: in the end the ledger says what one reading of it all would say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import hypothesis
from hypothesis import strategies as st

from carbonledger.domains.connections import service, types
from tests.integration.domains.telemetry import kit
from tests.integration.entrypoints.worker import polling, provider
from tests.integration.entrypoints.worker.conftest import Bench

HOURS_BACK = 40  # what is told late is told while its hour is still read again
CONTENTS = {
    provider.COMPLETIONS: st.dictionaries(st.sampled_from(provider.MODELS), st.integers(0, 10**9), max_size=2),
    provider.IMAGES: st.dictionaries(st.sampled_from(("1024x1024", "512x512")), st.integers(0, 1000), max_size=2),
    provider.COSTS: st.dictionaries(st.sampled_from(("input", "output")), st.integers(-50, 1000), max_size=2),
}


@st.composite
def said(draw: st.DrawFn) -> tuple[str, Any, int, dict[str, int]]:
    """Something that the provider says, or says otherwise than before, of an hour or a day so far back."""
    stream = draw(st.sampled_from(tuple(CONTENTS)))
    return "say", stream, draw(st.integers(0, HOURS_BACK)), draw(CONTENTS[stream])


STEPS = st.one_of(
    said(),
    said(),
    st.tuples(st.just("pass"), st.integers(1, 5)),
    st.tuples(st.just("poll"), st.integers(1, 30)),
    st.tuples(st.just("broken poll"), st.integers(1, 6)),
    st.tuples(st.just("two at once"), st.integers(1, 30)),
    st.tuples(st.just("reconcile")),
)


@hypothesis.settings(max_examples=12, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(before=st.lists(said(), max_size=8), steps=st.lists(STEPS, max_size=12))
async def test_any_order_of_pages_polls_and_revisions_gives_the_ledger_of_one_reading(
    bench: Bench, before: list[tuple[Any, ...]], steps: list[tuple[Any, ...]]
) -> None:
    one = await provider.world(bench)
    say(one, before, provider.NOW)
    connection_id = (await one.account.connect(key=provider.KEY)).view.connection.id
    await one.account.run()
    for step in steps:
        await take(one, connection_id, step)
    # Then nothing more happens, and everything becomes final.
    await one.account.poll(connection_id)
    await one.account.pass_time(timedelta(hours=50))
    await one.account.poll(connection_id)
    now = await one.account.now()
    assert {place: told for place, told in (await one.read()).items() if place[1] >= first(now)} == one.told(now)
    await kit.rollups_equal_raw(bench.database, one.account.organization_id)

    other = provider.World(one.provider, await polling.account(bench, now=now))
    await other.account.connect(key=provider.KEY)
    await other.account.run()
    assert {key: row for key, row in (await one.ledger()).items() if row["occurred_at"] >= first(now)} == await other.ledger()


def first(now: datetime) -> datetime:
    """Return where a first reading at ``now`` begins."""
    return now.replace(hour=0, minute=0) - 3 * provider.DAY


def say(world: provider.World, things: list[tuple[Any, ...]], now: datetime) -> None:
    for _, stream, hours, contents in things:
        at = now - hours * provider.HOUR
        start = at.replace(minute=0) if stream.bucket_width == provider.HOUR else at.replace(hour=0, minute=0)
        world.provider.truth[stream.name, start] = contents


async def take(world: provider.World, connection_id: UUID, step: tuple[Any, ...]) -> None:
    account, what = world.account, step[0]
    if what == "say":
        say(world, [step], await account.now())
    elif what == "pass":
        await account.poll(connection_id, everything=True)
        await account.pass_time(step[1] * provider.HOUR)
    elif what == "poll":
        world.provider.page_size = step[1]
        await account.poll(connection_id)
    elif what == "broken poll":
        world.provider.before = failing(world.provider, step[1])
        await account.poll(connection_id)
        world.provider.before = provider.nothing
    elif what == "two at once":
        world.provider.page_size = step[1]
        for name in (service.POLL_JOB, service.RECONCILE_JOB):
            await account.bench.ask(name, organization_id=account.organization_id, connection_id=str(connection_id))
        entries = await account.bench.pick()
        await asyncio.gather(*(account.bench.run([entry]) for entry in entries))
        await account.run()
    else:
        await account.bench.ask(service.RECONCILE_JOB, organization_id=account.organization_id, connection_id=str(connection_id))
        await account.run()


def failing(found: provider.Provider, after: int) -> Callable[[], None]:
    """Return what lets the provider be away once, after so many questions."""
    end = found.asked + after

    def before() -> None:
        if found.asked == end:
            raise types.ProviderUnavailable("Away for a moment.")

    return before
