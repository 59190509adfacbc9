"""What is asked of a connection while it is read, waits to be read, or is just done: another key, a sync, its end."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.connections import service, types
from carbonledger.domains.vault import service as vault
from carbonledger.domains.vault import types as vault_types
from carbonledger.infra import queue
from carbonledger.infra.queue import attempts
from carbonledger.kernel import actor
from carbonledger.kernel.secret import SecretText
from tests import conftest, until
from tests.integration.entrypoints.worker import provider
from tests.integration.entrypoints.worker.conftest import Bench
from tests.integration.entrypoints.worker.provider import COMPLETIONS, COSTS, MODELS, NOW

RUNNING, TODAY = NOW.replace(minute=0), NOW.replace(hour=0, minute=0)
_STATES = "SELECT name, state FROM jobs WHERE organization_id = $1 AND name LIKE 'connections.%' AND state <> 'succeeded'"
_FAILED = """
SELECT error_type, error_text FROM job_attempts
WHERE organization_id = $1 AND error_type NOT IN ('ProviderLimited', 'WorkerLost')
"""
Change = Callable[[provider.World, UUID], Coroutine[Any, Any, Any]]
CHANGES: tuple[Change, ...] = (provider.World.rekey, provider.World.delete)


class Killed(BaseException):
    """The worker is no more."""


class Outside:
    """An outside store that, when asked for a key, first lets something happen, and does not have it any more."""

    def __init__(self, happens: Callable[[], Awaitable[Any]]) -> None:
        self._happens = happens

    async def get(self, **_: object) -> SecretText:
        await self._happens()
        raise vault_types.SecretNotFound("It is not in the store any more.")

    async def delete(self, *, ref: str) -> None:
        del ref


async def opened(bench: Bench, **more: Any) -> tuple[provider.World, UUID]:
    """Connect an account that has used one model in the hour that runs, for a dollar, and read it."""
    one = await provider.world(bench, provider.Provider(**more))
    one.provider.truth = {(COMPLETIONS.name, RUNNING): {MODELS[0]: 10}, (COSTS.name, TODAY): {"input": 1}}
    connection_id = (await one.account.connect(key=provider.KEY)).view.connection.id
    await one.account.run()
    return one, connection_id


async def reading(one: provider.World, connection_id: UUID, job: str) -> UUID:
    """Ask for a job that reads the connection."""
    if job == service.POLL_JOB:
        return await one.account.ask(connection_id)
    return await one.account.bench.ask(job, organization_id=one.account.organization_id, connection_id=str(connection_id))


async def done_or_held_up(one: provider.World, task: asyncio.Task[Any]) -> None:
    """Return when what ``task`` does is done, or waits for a lock that somebody holds."""

    async def holds() -> bool:
        return task.done() or await conftest.waits_for_a_lock(one.account.bench.database)

    await until.comes(holds)


def once_asked(one: provider.World, happens: Callable[[], Awaitable[Any]]) -> None:
    """Let something happen when the provider is asked next, before it answers."""
    poll = one.provider.poll

    async def asked(key: SecretText, **more: Any) -> types.RawPage:
        one.provider.poll = poll  # type: ignore[method-assign]
        await happens()
        return await poll(key, **more)

    one.provider.poll = asked  # type: ignore[method-assign]


def limited() -> None:
    raise types.ProviderLimited("OpenAI answered 429.", retry_after_s=3600)


async def is_well(one: provider.World, connection_id: UUID) -> None:
    """Check that the connection was read, and its jobs as below."""
    connection = (await one.account.show(connection_id)).connection
    assert (connection.state, connection.failures, connection.last_error) == (types.State.ACTIVE, 0, None)
    await jobs_are_well(one)


async def jobs_are_well(one: provider.World) -> None:
    """Check that no job is left or was set aside, and that none failed but by what the test does to it."""
    assert await one.account.rows(_STATES) == []
    assert await one.account.rows(_FAILED) == []


@pytest.mark.parametrize("job", [service.POLL_JOB, service.RECONCILE_JOB])
@pytest.mark.parametrize("change", CHANGES)
async def test_a_key_is_not_destroyed_between_the_looks_of_who_begins(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, job: str, change: Change
) -> None:
    one, connection_id = await opened(bench)
    find, changes = vault.find, list[asyncio.Task[Any]]()

    async def found(*arguments: Any, **more: Any) -> vault_types.Located:
        if not changes:
            changes.append(asyncio.create_task(change(one, connection_id)))
            await done_or_held_up(one, changes[0])
        return await find(*arguments, **more)

    monkeypatch.setattr(vault, "find", found)
    await reading(one, connection_id, job)
    await one.account.run()
    await changes[0]
    await one.account.run()
    await jobs_are_well(one)
    if change is provider.World.rekey:
        await is_well(one, connection_id)


@pytest.mark.parametrize(
    "job, change, outcome",
    [
        (service.POLL_JOB, provider.World.rekey, "changed"),
        (service.POLL_JOB, provider.World.delete, "not_polled"),
        (service.RECONCILE_JOB, provider.World.rekey, "read"),
        (service.RECONCILE_JOB, provider.World.delete, "not_polled"),
    ],
)
async def test_a_key_that_is_gone_from_the_outside_store_because_it_was_replaced_is_no_failure(
    bench: Bench, job: str, change: Change, outcome: str
) -> None:
    one, connection_id = await opened(bench)
    await move_outside(one, connection_id, lambda: change(one, connection_id))
    job_id = await reading(one, connection_id, job)
    await one.account.run()
    assert (await one.account.result(job_id))["outcome"] == outcome
    await jobs_are_well(one)


async def move_outside(one: provider.World, connection_id: UUID, happens: Callable[[], Awaitable[Any]]) -> None:
    """Let the connection's key be in an outside store that loses it."""
    secret_id = (await one.account.show(connection_id)).connection.secret_id
    assert secret_id is not None
    bench, organization_id = one.account.bench, one.account.organization_id
    async with bench.database.transaction(organization_id) as uow:
        await vault.moved(
            uow, organization_id=organization_id, secret_id=secret_id, ref="there", now=NOW, actor=actor.system(organization_id)
        )
    bench.services = dataclasses.replace(bench.services, outside_secrets=Outside(happens))  # type: ignore[arg-type]


async def test_a_key_that_the_outside_store_has_lost_is_a_failure(bench: Bench) -> None:
    one, connection_id = await opened(bench)
    await move_outside(one, connection_id, lambda: asyncio.sleep(0))
    job_id = await one.account.ask(connection_id)
    await one.account.run()
    assert (await bench.job(job_id, organization_id=one.account.organization_id)).state is queue.JobState.PARKED


async def test_a_key_that_is_replaced_while_it_is_used_counts_for_nothing(bench: Bench) -> None:
    """The old key's refusal arrives when the connection has a new one: its poll ends, and the new key's own reads."""
    one, connection_id = await opened(bench)
    jobs: list[UUID] = []

    async def replaced() -> None:
        jobs.append(await one.rekey(connection_id))
        raise types.KeyRefused("It was replaced.")

    once_asked(one, replaced)
    assert (await one.account.poll(connection_id))["outcome"] == "changed"
    assert (await one.account.result(jobs[0]))["outcome"] == "read"
    await is_well(one, connection_id)


async def made_to_wait(one: provider.World, connection_id: UUID) -> UUID:
    """Ask for a poll, which the provider sends away for a while; return its job."""
    one.provider.before = limited
    job_id = await one.account.ask(connection_id)
    await one.account.bench.run_once()
    one.provider.before = provider.nothing
    return job_id


async def test_a_new_key_does_not_wait_because_the_provider_made_the_old_one_wait(bench: Bench) -> None:
    one, connection_id = await opened(bench)
    old = await made_to_wait(one, connection_id)
    new = await one.rekey(connection_id)
    assert await bench.run_once() == 1
    assert (await one.account.result(new))["outcome"] == "read"
    asked = one.provider.asked
    await bench.make_due()
    await one.account.run()
    assert (await one.account.result(old), one.provider.asked) == ({"outcome": "changed"}, asked)
    await is_well(one, connection_id)


async def test_a_sync_leaves_the_provider_alone_as_long_as_it_asks_and_then_reads_all(bench: Bench) -> None:
    one, connection_id = await opened(bench)
    job_id = await made_to_wait(one, connection_id)
    one.provider.truth[COSTS.name, TODAY] = {"input": 2}
    assert await one.sync(connection_id) == job_id
    row = await bench.queue_row(job_id)
    assert row is not None
    assert row["wait_s"] > 1800
    await bench.make_due()
    await one.account.run()
    assert await one.read() == one.told(NOW)
    await is_well(one, connection_id)


async def test_a_sync_that_meets_a_poll_of_the_hour_has_its_days_and_refused_streams_read_by_that(bench: Bench) -> None:
    one, connection_id = await opened(bench, readable=("completions", "costs"))
    one.provider.truth[COSTS.name, TODAY] = {"input": 2}
    one.provider.readable = ("completions", "images", "costs")
    jobs: list[UUID] = []

    async def asked() -> None:
        jobs.append(await one.sync(connection_id))

    once_asked(one, asked)
    job_id = await one.account.ask(connection_id)
    await one.account.run()
    assert jobs == [job_id]
    assert await one.read() == one.told(NOW)
    states = {state.stream: state for state in (await one.account.show(connection_id)).streams}
    assert states["images"].read_to is not None
    await is_well(one, connection_id)


async def test_a_sync_that_a_poll_was_to_be_is_not_forgotten_when_its_worker_is_killed(bench: Bench) -> None:
    one, connection_id = await opened(bench)
    one.provider.truth[COSTS.name, TODAY] = {"input": 2}

    async def asked() -> None:
        await one.sync(connection_id)
        raise Killed

    once_asked(one, asked)
    await one.account.ask(connection_id)
    with pytest.raises(Killed):
        await bench.run_once()
    await bench.run_once(heartbeat_timeout_s=0.0)
    assert await one.read() == one.told(NOW)
    await is_well(one, connection_id)


async def test_who_asks_when_a_poll_has_read_all_gets_another(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync comes after the poll's last look at the connection and before its job has ended."""
    one, connection_id = await opened(bench)
    succeed, syncs = attempts.succeed, list[asyncio.Task[UUID]]()

    async def succeeding(*arguments: Any, **more: Any) -> None:
        if not syncs:
            one.provider.truth[COSTS.name, TODAY] = {"input": 2}
            syncs.append(asyncio.create_task(one.sync(connection_id)))
            await done_or_held_up(one, syncs[0])
        await succeed(*arguments, **more)

    monkeypatch.setattr(attempts, "succeed", succeeding)
    job_id = await one.account.ask(connection_id)
    await bench.run_once()
    assert await syncs[0] != job_id
    await one.account.run()
    assert await one.read() == one.told(NOW)
    await is_well(one, connection_id)


async def test_a_poll_that_waits_to_be_run_is_the_one_that_is_asked_for(bench: Bench) -> None:
    one = await provider.world(bench)
    made = await one.account.connect(key=provider.KEY)
    assert await one.sync(made.view.connection.id) == made.job_id
    assert (await bench.job(made.job_id, organization_id=one.account.organization_id)).state is queue.JobState.QUEUED
