"""A job is done exactly once in effect, whatever fails in between, and what becomes of a failure follows from its kind."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from typing import Any
from uuid import UUID

import pytest
import structlog

from carbonledger import bootstrap
from carbonledger.infra import clock, db, outbox, queue, retry
from carbonledger.infra.queue import attempts, engine, registry, types, work
from carbonledger.kernel import actor, errors
from tests.integration.entrypoints.worker.conftest import Bench

NAME = "tests.job"
Steps = work.Steps[bootstrap.Services]
Work = work.Work[bootstrap.Services]


class Refused(errors.Invalid):
    """The other side will never take this."""

    code = "refused"


class Away(errors.Unavailable):
    """The other side is away."""

    code = "away"


class Killed(BaseException):
    """Stands for kill -9: nothing after it runs, not even what follows an ordinary error."""


class Most(random.Random):
    """Draws the longest wait that full jitter allows."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


async def kill_during(bench: Bench, run: registry.Run, *, in_transaction: bool = True) -> UUID:
    """Run a job until it raises ``Killed``, as if its worker had been killed there."""
    bench.declare(NAME, run, in_transaction=in_transaction)
    job_id = await bench.ask(NAME)
    [entry] = await bench.pick()
    with pytest.raises(Killed):
        await bench.runner().run(engine.read_ticket(entry))
    return job_id


async def test_a_job_that_is_one_transaction_commits_its_effect_with_its_success(bench: Bench) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> dict[str, Any]:
        await bench.mark(uow, "x")
        return {"seen": job.args["n"]}

    bench.declare(NAME, run)
    job_id = await bench.ask(NAME, n=7)
    assert await bench.run_once() == 1
    job = await bench.job(job_id)
    assert (job.state, job.result, job.error, job.attempts, job.failures) == (types.JobState.SUCCEEDED, {"seen": 7}, None, 1, 0)
    assert job.started_at is not None
    assert job.finished_at is not None
    assert await bench.marks() == "-x"
    assert await bench.queue_row(job_id) is None
    [attempt] = await bench.attempts(job_id)
    assert (attempt["number"], attempt["outcome"], attempt["worker"], attempt["error_type"]) == (1, "succeeded", "bench", None)


async def test_a_failed_attempt_undoes_its_effect_and_the_next_one_does_it(bench: Bench) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        await bench.mark(uow, "x")
        if job.attempt.number == 1:
            raise Away

    bench.declare(NAME, run)
    job_id = await bench.ask(NAME)
    await bench.run_once()
    job = await bench.job(job_id)
    assert (job.state, job.failures, job.error) == (types.JobState.QUEUED, 1, "The other side is away.")
    assert await bench.marks() == "-"
    await bench.run_once()
    assert await bench.marks() == "-x"
    assert (await bench.job(job_id)).error is None
    assert [(row["outcome"], row["classification"], row["error_type"]) for row in await bench.attempts(job_id)] == [
        ("retried", "transient", "Away"),
        ("succeeded", None, None),
    ]


# --- what follows from a failure


async def test_a_peer_that_names_a_wait_is_given_it(bench: Bench) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        raise Away(retry_after_s=120)

    bench.declare(NAME, run)
    job_id = await bench.ask(NAME)
    await bench.run_once()
    row = await bench.queue_row(job_id)
    assert row is not None
    assert row["state"] == "queued"
    assert 60 < row["wait_s"] <= 120
    assert await bench.run_once() == 0


async def test_the_wait_grows_with_the_failures(bench: Bench) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        raise Away

    bench.declare(NAME, run, attempts_max=9)
    bench.policy = retry.Policy(attempts_max=9, unknown_attempts_max=9, base_s=100.0, cap_s=350.0)
    job_id = await bench.ask(NAME)
    waits = []
    for _ in range(4):
        [entry] = await bench.pick()
        await dataclasses.replace(bench.runner(), rng=Most()).run(engine.read_ticket(entry))
        row = await bench.queue_row(job_id)
        assert row is not None
        waits.append(float(row["wait_s"]))
        await bench.make_due()
    # Some of it has passed by the time that it is read.
    assert [wait - 60 < left <= wait for wait, left in zip((100, 200, 350, 350), waits, strict=True)] == [True] * 4, waits


async def test_a_permanent_failure_parks_at_once_and_tells_those_who_can_help(bench: Bench) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        await bench.mark(uow, "x")
        raise Refused("Card 4 of anna@example.com was refused with sk-live-abcdefghijklmnop.")

    bench.declare(NAME, run)
    job_id = await bench.ask(NAME)
    await bench.run_once()
    job = await bench.job(job_id)
    assert job.state is types.JobState.PARKED
    assert job.error == "The other side will never take this. Card 4 of [removed] was refused with [redacted]."
    assert await bench.queue_row(job_id) is None
    assert await bench.marks() == "-"
    [event] = await bench.events()
    assert (event["action"], event["target_id"], event["severity"]) == ("job.parked", str(job_id), "critical")
    assert event["audience"] == ["admin", "operators", "owner"]
    assert event["after"] == {"name": NAME, "attempts": 1, "classification": "permanent", "error": job.error}
    [attempt] = await bench.attempts(job_id)
    assert (attempt["outcome"], attempt["classification"], attempt["error_type"]) == ("parked", "permanent", "Refused")
    assert "anna" not in attempt["error_text"]


async def test_a_defect_is_tried_a_few_times_then_parked_without_a_word_of_our_insides(bench: Bench) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        raise KeyError("inside")

    bench.declare(NAME, run)
    job_id = await bench.ask(NAME)
    while await bench.run_once():
        pass
    job = await bench.job(job_id)
    assert (job.state, job.attempts, job.error) == (types.JobState.PARKED, 3, "An unexpected failure (KeyError).")  # the setting says 3
    assert [row["outcome"] for row in await bench.attempts(job_id)] == ["retried", "retried", "parked"]
    assert len(await bench.events()) == 1


async def test_a_handler_that_hangs_is_stopped(bench: Bench) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        await asyncio.Event().wait()

    bench.declare(NAME, run, timeout_s=0.05)
    job_id = await bench.ask(NAME)
    await bench.run_once()
    job = await bench.job(job_id)
    assert (job.state, job.error) == (types.JobState.QUEUED, "It took longer than 0.05 s and was stopped.")


async def test_a_key_that_fails_again_within_a_day_is_recorded_but_alerts_nobody_twice(bench: Bench) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        raise Refused

    bench.declare(NAME, run)
    for _ in range(2):
        await bench.ask(NAME, dedupe_key="hourly")
        await bench.run_once()
    assert [event["severity"] for event in await bench.events()] == ["critical", None]


async def test_a_delivery_that_fails_is_not_announced_by_deliveries(bench: Bench) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        raise Refused

    bench.declare(NAME, run, delivers=True)
    registry.declared.subscribers.append(registry.Subscriber(NAME, ("*",), alerts_only=True))
    bench.declare("tests.other", run)
    await bench.ask("tests.other")
    assert [await bench.run_once() for _ in range(3)] == [1, 1, 0]  # the job, its alert's delivery, and no more
    assert [event["severity"] for event in await bench.events()] == ["critical", "critical"]


async def test_unparking_starts_anew(bench: Bench) -> None:
    is_mended = False

    async def run(uow: db.UnitOfWork, job: Work) -> None:
        if not is_mended:
            raise Refused

    bench.declare(NAME, run)
    job_id = await bench.ask(NAME)
    await bench.run_once()
    is_mended = True
    async with bench.database.transaction(bench.organization_id) as uow:
        job = await queue.unpark(uow, job_id=job_id)
    assert (job.state, job.failures, job.error, job.finished_at) == (types.JobState.QUEUED, 0, None, None)
    await bench.run_once()
    assert (await bench.job(job_id)).state is types.JobState.SUCCEEDED
    async with bench.database.transaction(bench.organization_id) as uow:
        with pytest.raises(queue.JobNotParked):
            await queue.unpark(uow, job_id=job_id)


async def test_a_parked_job_whose_twin_is_live_stays_parked(bench: Bench) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        raise Refused

    bench.declare(NAME, run)
    job_id = await bench.ask(NAME, dedupe_key="k")
    await bench.run_once()
    await bench.ask(NAME, dedupe_key="k")
    async with bench.database.transaction(bench.organization_id) as uow:
        with pytest.raises(types.JobHasLiveTwin):
            await queue.unpark(uow, job_id=job_id)


# --- killed


async def test_killed_before_the_commit_the_effect_is_done_by_the_next_worker(bench: Bench) -> None:
    async def dies(uow: db.UnitOfWork, job: Work) -> None:
        await bench.mark(uow, "x")
        raise Killed

    async def lives(uow: db.UnitOfWork, job: Work) -> None:
        await bench.mark(uow, "x")

    job_id = await kill_during(bench, dies)
    assert (await bench.job(job_id)).state is types.JobState.RUNNING
    bench.declare(NAME, lives)
    assert await bench.run_once() == 0  # its heartbeat is fresh
    assert await bench.run_once(heartbeat_timeout_s=0) == 1
    assert await bench.marks() == "-x"
    assert [row["outcome"] for row in await bench.attempts(job_id)] == ["lost", "succeeded"]
    assert (await bench.job(job_id)).failures == 1


async def test_killed_between_the_effect_of_a_step_and_its_end_the_step_is_not_done_again(bench: Bench) -> None:
    calls: list[str] = []

    async def first(uow: db.UnitOfWork) -> str:
        calls.append("first")
        await bench.mark(uow, "1")
        return "one"

    async def second(uow: db.UnitOfWork) -> None:
        calls.append("second")
        await bench.mark(uow, "2")

    async def dies(job: Steps) -> None:
        assert await job.step("first", first) == "one"
        raise Killed

    async def lives(job: Steps) -> str:
        said: str = await job.step("first", first)
        await job.step("second", second)
        return said

    job_id = await kill_during(bench, dies, in_transaction=False)
    bench.declare(NAME, lives, in_transaction=False)
    await bench.run_once(heartbeat_timeout_s=0)
    assert calls == ["first", "second"]
    assert await bench.marks() == "-12"
    assert (await bench.job(job_id)).result == "one"


async def test_a_call_to_another_system_is_remembered_and_repeated_with_the_same_key(bench: Bench) -> None:
    calls: list[str] = []

    async def run(job: Steps) -> None:
        async def call() -> int:
            calls.append(job.key("charge"))
            if len(calls) == 1:
                raise ConnectionResetError
            return 5

        assert await job.outside("charge", call) == 5
        if job.attempt.number == 2:
            raise Away
        assert await job.outside("charge", call) == 5

    bench.declare(NAME, run, in_transaction=False)
    job_id = await bench.ask(NAME)
    while await bench.run_once():
        pass
    assert calls == [f"{job_id}:charge"] * 2  # the second one was remembered through the third attempt
    assert (await bench.job(job_id)).state is types.JobState.SUCCEEDED


async def test_a_job_that_kills_its_workers_is_parked_without_another_try(bench: Bench) -> None:
    async def dies(uow: db.UnitOfWork, job: Work) -> None:
        raise Killed

    bench.declare(NAME, dies)
    job_id = await bench.ask(NAME)
    for _ in range(3):  # the setting says 3
        [entry] = await bench.pick(heartbeat_timeout_s=0)
        with pytest.raises(Killed):
            await bench.runner().run(engine.read_ticket(entry))
    assert await bench.run_once(heartbeat_timeout_s=0) == 1
    job = await bench.job(job_id)
    assert (job.state, job.error) == (types.JobState.PARKED, "The process that worked on it ended unexpectedly.")
    assert [row["outcome"] for row in await bench.attempts(job_id)] == ["lost", "lost", "lost", "parked"]
    assert [event["severity"] for event in await bench.events()] == ["critical"]


async def test_a_job_that_has_to_be_done_goes_on_later_though_its_workers_died(bench: Bench) -> None:
    """The one that was parked stays so, to be seen; another with its key and arguments comes two minutes later, again and again."""

    async def dies(job: Steps) -> None:
        raise Killed

    bench.declare(NAME, dies, in_transaction=False, resumes_after_s=120.0)
    job_id = await bench.ask(NAME, dedupe_key="schedule:tests", month="2026-11")
    for _ in range(2):
        for _ in range(3):  # the setting says 3
            [entry] = await bench.pick(heartbeat_timeout_s=0)
            with pytest.raises(Killed):
                await bench.runner().run(engine.read_ticket(entry))
        assert await bench.run_once(heartbeat_timeout_s=0) == 1
        assert (await bench.job(job_id)).state is types.JobState.PARKED
        assert await bench.run_once() == 0
        async with bench.database.transaction(bench.organization_id) as uow:
            live = await queue.live(uow, name=NAME, dedupe_keys=["schedule:tests"])
        next_one = live["schedule:tests"]
        assert (next_one.id != job_id, next_one.args, next_one.failures) == (True, {"month": "2026-11"}, 0)
        row = await bench.queue_row(next_one.id)
        assert row is not None
        assert 60 < row["wait_s"] <= 120
        await bench.make_due()
        job_id = next_one.id
    # Operators are told once a day.
    assert [event["severity"] for event in await bench.events()] == ["critical", None]


async def test_a_worker_that_was_believed_dead_writes_nothing_any_more(bench: Bench) -> None:
    slow_may_go_on, slow_is_in = asyncio.Event(), asyncio.Event()

    async def run(job: Steps) -> None:
        if job.attempt.number == 1:
            slow_is_in.set()
            await slow_may_go_on.wait()
        await job.step(f"by {job.attempt.number}", lambda uow: bench.mark(uow, str(job.attempt.number)))

    bench.declare(NAME, run, in_transaction=False)
    job_id = await bench.ask(NAME)
    [entry] = await bench.pick()
    slow = asyncio.create_task(bench.runner().run(engine.read_ticket(entry)))
    await slow_is_in.wait()
    await bench.run_once(heartbeat_timeout_s=0)
    slow_may_go_on.set()
    await slow
    assert await bench.marks() == "-2"
    assert [row["outcome"] for row in await bench.attempts(job_id)] == ["lost", "succeeded"]
    assert (await bench.job(job_id)).state is types.JobState.SUCCEEDED


async def test_two_workers_with_one_job_do_it_once(bench: Bench) -> None:
    """The first holds the row in its transaction; the second, which believes it dead, neither waits nor runs it."""
    may_go_on, is_in = asyncio.Event(), asyncio.Event()

    async def run(uow: db.UnitOfWork, job: Work) -> None:
        await bench.mark(uow, "x")
        is_in.set()
        await may_go_on.wait()

    bench.declare(NAME, run)
    job_id = await bench.ask(NAME)
    [entry] = await bench.pick()
    first = asyncio.create_task(bench.runner().run(engine.read_ticket(entry)))
    await is_in.wait()
    assert await bench.run_once(heartbeat_timeout_s=0) == 1
    row = await bench.queue_row(job_id)
    assert row is not None
    assert row["state"] == "queued"
    may_go_on.set()
    await first
    assert await bench.marks() == "-x"
    assert await bench.queue_row(job_id) is None
    assert [attempt["outcome"] for attempt in await bench.attempts(job_id)] == ["succeeded"]


async def test_an_acknowledgement_that_was_lost_with_the_connection_changes_nothing(bench: Bench) -> None:
    """COMMIT arrived, its answer did not: the worker sees an error, and must not undo or repeat what is done."""

    async def run(job: Steps) -> None:
        async with job.transaction() as uow:
            await bench.mark(uow, "x")
            await attempts.succeed(uow, attempt=job.attempt, result=None, at=clock.now())
        raise ConnectionResetError

    bench.declare(NAME, run, in_transaction=False)
    job_id = await bench.ask(NAME)
    await bench.run_once()
    assert await bench.run_once(heartbeat_timeout_s=0) == 0
    assert await bench.marks() == "-x"
    assert [attempt["outcome"] for attempt in await bench.attempts(job_id)] == ["succeeded"]


async def test_a_ticket_of_a_job_that_is_gone_is_dropped(bench: Bench) -> None:
    bench.declare(NAME, bench.mark)
    job_id = await bench.ask(NAME)
    async with bench.database.transaction(bench.organization_id) as uow:
        await uow.conn.execute("DELETE FROM jobs WHERE id = $1", job_id)
    assert await bench.run_once() == 1
    assert await bench.queue_row(job_id) is None


# --- canceled


async def test_a_canceled_job_is_not_run(bench: Bench) -> None:
    bench.declare(NAME, bench.mark)
    job_id = await bench.ask(NAME)
    async with bench.database.transaction(bench.organization_id) as uow:
        assert (await queue.cancel(uow, job_id=job_id)).state is types.JobState.CANCELED
    assert await bench.run_once() == 0
    async with bench.database.transaction(bench.organization_id) as uow:
        with pytest.raises(types.JobOver):
            await queue.cancel(uow, job_id=job_id)


async def test_a_job_canceled_while_it_runs_stops_at_its_next_report(bench: Bench) -> None:
    async def run(job: Steps) -> None:
        await job.progress(1, 2, "half")
        async with bench.database.transaction(bench.organization_id) as uow:
            await queue.cancel(uow, job_id=job.job.id)
        await job.progress(2, 2, "whole")
        raise AssertionError("a canceled job went on")

    bench.declare(NAME, run, in_transaction=False)
    job_id = await bench.ask(NAME)
    await bench.run_once()
    job = await bench.job(job_id)
    assert (job.state, job.progress) == (types.JobState.CANCELED, types.Progress(1, 2, "half"))
    assert [attempt["outcome"] for attempt in await bench.attempts(job_id)] == ["canceled"]
    assert await bench.queue_row(job_id) is None


# --- carried on


async def test_request_and_trace_reach_the_job_its_follow_up_and_its_events(bench: Bench) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    seen: list[tuple[str | None, str | None]] = []

    async def follow_up(uow: db.UnitOfWork, job: Work) -> None:
        seen.append((job.job.request_id, job.job.traceparent))

    async def run(uow: db.UnitOfWork, job: Work) -> None:
        context = structlog.contextvars.get_contextvars()
        seen.append((context["request_id"], context["traceparent"]))
        await queue.enqueue(uow, name="tests.next", args={}, now=job.now, actor=job.actor)
        await outbox.emit(uow, actor=job.actor, now=job.now, action="tests.done", target_type="test", target_id="1")

    bench.declare(NAME, run)
    bench.declare("tests.next", follow_up)
    with structlog.contextvars.bound_contextvars(traceparent=trace):
        async with bench.database.transaction(bench.organization_id) as uow:
            who = actor.system(bench.organization_id, request_id="req-1")
            await queue.enqueue(uow, name=NAME, args={}, now=clock.now(), actor=who)
    structlog.contextvars.clear_contextvars()
    await bench.run_once()
    structlog.contextvars.clear_contextvars()
    await bench.run_once()
    assert seen == [("req-1", trace)] * 2
    assert [event["request_id"] for event in await bench.events()] == ["req-1"]


async def test_every_live_job_has_one_row_in_the_queue_and_nothing_else_has(bench: Bench) -> None:
    async def run(uow: db.UnitOfWork, job: Work) -> None:
        if job.args["end"] != "well":
            raise {"badly": Refused, "later": Away}[job.args["end"]]

    bench.declare(NAME, run)
    bench.policy = retry.Policy(attempts_max=8, unknown_attempts_max=8, base_s=3600.0, cap_s=3600.0)
    for end in ("well", "badly", "later", "well", "later"):
        await bench.ask(NAME, end=end)
    await bench.run_once()
    canceled = await bench.ask(NAME, end="later")
    async with bench.database.transaction(bench.organization_id) as uow:
        await queue.cancel(uow, job_id=canceled)
    async with bench.database.transaction(bench.organization_id) as uow:
        rows = await uow.conn.fetch(
            "SELECT j.state, count(q.id) AS rows FROM jobs j LEFT JOIN pgqueuer q ON q.dedupe_key = j.id::text GROUP BY j.id ORDER BY 1"
        )
        assert await uow.conn.fetchval("SELECT count(*) FROM pgqueuer") == 2
    assert [(row["state"], row["rows"]) for row in rows] == [
        ("canceled", 0),
        ("parked", 0),
        ("queued", 1),
        ("queued", 1),
        ("succeeded", 0),
        ("succeeded", 0),
    ]
