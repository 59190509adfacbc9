"""The clock of a sandbox organization: it stands, it is moved, and on its way everything due happens, once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import callers, due, organizations, test_clock
from carbonledger.entrypoints.worker import identity as worker_identity
from carbonledger.entrypoints.worker import runner
from carbonledger.infra import db, queue
from carbonledger.infra.queue import registry
from carbonledger.kernel.actor import Actor
from tests.integration.entrypoints.rest.identity.conftest import Installation
from tests.integration.entrypoints.worker.conftest import Bench

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def at(day: int) -> str:
    return (START + timedelta(days=day)).isoformat().replace("+00:00", "Z")


class Diary:
    """Something that comes due on given days: what a later domain registers. It lives in the organization's name, so in its transaction."""

    def __init__(self, word: str, *days: int) -> None:
        self.word = word
        self.days = days
        self.calls = 0
        self.fail_on: int | None = None

    async def _done(self, uow: db.UnitOfWork) -> list[int]:
        name: str = await uow.conn.fetchval("SELECT name FROM organizations")
        return [int(part.partition(":")[2]) for part in name.split() if part.startswith(f"{self.word}:")]

    async def next_due(self, uow: db.UnitOfWork, organization_id: UUID, until: datetime) -> datetime | None:
        done = await self._done(uow)
        left = [START + timedelta(days=day) for day in self.days if day not in done]
        return min((instant for instant in left if instant <= until), default=None)

    async def run_due(self, uow: db.UnitOfWork, actor: Actor, now: datetime) -> None:
        self.calls += 1
        assert uow.organization_id is not None
        assert await organizations.business_now(uow, organization_id=uow.organization_id, at=datetime.now(UTC)) == now
        done = await self._done(uow)
        for day in self.days:
            if day not in done and START + timedelta(days=day) <= now:
                await uow.conn.execute("UPDATE organizations SET name = name || $1", f" {self.word}:{day}")
                if day == self.fail_on:
                    self.fail_on = None
                    raise ConnectionError("of the test")


Register = Callable[[Diary], Diary]


@pytest.fixture
def register() -> Iterator[Register]:
    names: list[str] = []

    def add(diary: Diary) -> Diary:
        due.register(diary.word, next_due=diary.next_due, run_due=diary.run_due)
        names.append(diary.word)
        return diary

    yield add
    for name in names:
        due.unregister(name)


async def sandbox(ledger: Installation) -> tuple[dict[str, Any], httpx2.AsyncClient]:
    made, client = await ledger.open_organization(name="S", sandbox=True, clock_start=at(0))
    assert made["first_key"]["secret"].startswith("cl_test_")
    return made, client


async def move(ledger: Installation, client: httpx2.AsyncClient, day: int) -> httpx2.Response:
    answer = await client.post("/v1/test-clock/advance", json={"to": at(day)})
    assert answer.status_code == 202, answer.text
    await ledger.run_jobs()
    return answer


async def state(ledger: Installation, organization_id: str, answer: httpx2.Response) -> str:
    async with ledger.services.database.transaction(UUID(organization_id)) as uow:
        return (await queue.job(uow, job_id=UUID(answer.json()["job_id"]))).state.value


async def test_the_clock_stands_until_it_is_moved(ledger: Installation) -> None:
    made, client = await sandbox(ledger)
    assert made["clock_at"] == at(0)
    answer = await move(ledger, client, 3)
    assert answer.headers["location"] == answer.json()["status_url"] == f"/v1/jobs/{answer.json()['job_id']}"
    assert await state(ledger, made["id"], answer) == "succeeded"
    assert (await client.get("/v1/test-clock")).json() == {"clock_at": at(3), "target": None}
    assert (await client.get("/v1/organizations/me")).json()["clock_at"] == at(3)


async def test_what_is_due_happens_once_in_order_and_what_is_not_does_not(ledger: Installation, register: Register) -> None:
    first, second = register(Diary("a", 1, 3, 30)), register(Diary("b", 2, 3, 10, 11))
    _, client = await sandbox(ledger)
    await move(ledger, client, 10)
    assert (await client.get("/v1/organizations/me")).json()["name"] == "S a:1 b:2 a:3 b:3 b:10"
    await move(ledger, client, 12)
    assert (await client.get("/v1/organizations/me")).json()["name"] == "S a:1 b:2 a:3 b:3 b:10 b:11"
    assert (first.calls, second.calls) == (2, 4)


async def test_a_move_that_fails_on_its_way_goes_on_where_it_was(ledger: Installation, register: Register) -> None:
    diary = register(Diary("a", 1, 2, 3))
    diary.fail_on = 2
    made, client = await sandbox(ledger)
    answer = await move(ledger, client, 5)
    assert await state(ledger, made["id"], answer) == "succeeded"
    assert (await client.get("/v1/organizations/me")).json()["name"] == "S a:1 a:2 a:3"
    assert (await client.get("/v1/test-clock")).json()["clock_at"] == at(5)


async def test_what_follows_from_a_step_is_done_before_the_next_one(
    ledger: Installation, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that a step asks for sees the clock of that step, since the clock waits for it."""
    seen: list[datetime] = []

    async def note(uow: db.UnitOfWork, job: runner.Job) -> None:
        seen.append(job.now)

    handlers = {**registry.declared.handlers, "tests.note": registry.Handler("tests.note", note, True, 30.0, None)}
    monkeypatch.setattr(registry.declared, "handlers", handlers)
    diary = register(Diary("a", 1, 2, 3))
    run_due = diary.run_due

    async def and_ask(uow: db.UnitOfWork, actor: Actor, now: datetime) -> None:
        await run_due(uow, actor, now)
        await queue.enqueue(uow, name="tests.note", args={}, now=now)

    due.unregister("a")
    due.register("a", next_due=diary.next_due, run_due=and_ask)
    made, client = await sandbox(ledger)
    answer = await client.post("/v1/test-clock/advance", json={"to": at(5)})
    bench = Bench(services=ledger.services, organization_id=UUID(made["id"]))
    [entry] = await bench.pick()
    moving = asyncio.create_task(bench.run([entry]))
    while not moving.done():
        await bench.run_once()
        await ledger.services.database.ping()
    await moving
    assert seen == [START + timedelta(days=day) for day in (1, 2, 3)]
    assert await state(ledger, made["id"], answer) == "succeeded"


async def test_what_never_ends_is_given_up_and_said(ledger: Installation, register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_identity, "_STEPS_AT_ONE_INSTANT_MAX", 5)
    diary = register(Diary("a", 1))

    async def nothing(uow: db.UnitOfWork, actor: Actor, now: datetime) -> None:
        return None

    due.unregister("a")
    due.register("a", next_due=diary.next_due, run_due=nothing)
    made, client = await sandbox(ledger)
    answer = await client.post("/v1/test-clock/advance", json={"to": at(5)})
    bench = Bench(services=ledger.services, organization_id=UUID(made["id"]))
    assert await bench.run_once() == 1
    job = await bench.job(UUID(answer.json()["job_id"]))
    assert job.state is queue.JobState.PARKED
    assert "always something left to do" in (job.error or "")
    assert (await client.get("/v1/test-clock")).json() == {"clock_at": at(1), "target": at(5)}


@pytest.mark.parametrize(
    "to, status, code",
    [
        (at(-1), 409, "clock_backwards"),
        ("2026-01-31T11:59:59.999999Z", 409, "clock_backwards"),
        (at(0), 202, None),  # where it stands already
        ("2026-01-31T13:00:00+01:00", 202, None),  # the same instant, written elsewhere
        ("2036-02-20T00:00:00Z", 422, "invalid"),  # more than ten years
        ("2500-01-01T00:00:00Z", 422, "request_invalid"),
        ("2026-02-01T00:00:00", 422, "request_invalid"),  # without its offset it is no instant
        ("soon", 422, "request_invalid"),
        (1769860800, 422, "request_invalid"),
    ],
)
async def test_where_the_clock_may_go(ledger: Installation, to: object, status: int, code: str | None) -> None:
    _, client = await sandbox(ledger)
    answer = await client.post("/v1/test-clock/advance", json={"to": to})
    assert answer.status_code == status, answer.text
    assert answer.json().get("code") == code


async def test_a_clock_that_moves_is_not_moved_by_another(ledger: Installation) -> None:
    _, client = await sandbox(ledger)
    answers = await asyncio.gather(*(client.post("/v1/test-clock/advance", json={"to": at(day)}) for day in (1, 2, 3, 4)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"clock_moving"}
    await ledger.run_jobs()
    assert (await client.post("/v1/test-clock/advance", json={"to": at(9)})).status_code == 202


async def test_a_real_organization_has_no_clock_to_move(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    for answer in (await client.get("/v1/test-clock"), await client.post("/v1/test-clock/advance", json={"to": at(1)})):
        assert (answer.status_code, answer.json()["code"]) == (403, "sandbox_only")


async def test_credentials_follow_real_time_in_a_sandbox_too(ledger: Installation) -> None:
    _, client = await sandbox(ledger)
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    made = (await client.post("/v1/api-keys", json={"label": "x", "scopes": ["organization:read"], "expires_at": soon})).json()
    assert abs(datetime.fromisoformat(made["created_at"]) - datetime.now(UTC)) < timedelta(minutes=5)
    await move(ledger, client, 3000)  # years past the key's expiry by the sandbox's clock
    assert (await ledger.client(made["secret"]).get("/v1/organizations/me")).status_code == 200


async def test_two_sorts_of_the_same_name_are_a_defect(register: Register) -> None:
    diary = register(Diary("a", 1))
    with pytest.raises(ValueError, match="a is registered"):
        due.register("a", next_due=diary.next_due, run_due=diary.run_due)


async def test_the_clock_of_a_real_organization_is_no_step_away(ledger: Installation) -> None:
    async with ledger.services.database.transaction(ledger.house_id) as uow:
        with pytest.raises(types.SandboxOnly):
            await test_clock.step(uow, actor=callers.operator_actor(ledger.house_id), at=START, organization_id=ledger.house_id)
