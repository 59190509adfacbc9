"""A connection that covers what is also sent directly: what counts before it is read, when it is, and when the connection is no more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.connections import service, types
from carbonledger.domains.telemetry.service import authority
from carbonledger.domains.telemetry.types import Fact
from carbonledger.entrypoints.worker import connections_covering as covering
from carbonledger.infra import db
from carbonledger.kernel import actor
from carbonledger.kernel.secret import SecretText
from tests.integration.domains.telemetry import kit
from tests.integration.entrypoints.worker import provider
from tests.integration.entrypoints.worker.conftest import Bench
from tests.integration.entrypoints.worker.provider import COMPLETIONS, MODELS, NOW

RUNNING, MINUTE = NOW.replace(minute=0), timedelta(minutes=1)


async def test_the_connection_is_the_authority_for_what_is_also_sent_directly(bench: Bench) -> None:
    one = await provider.world(bench)
    one.provider.truth[COMPLETIONS.name, RUNNING] = {MODELS[0]: 10}
    organization_id = one.account.organization_id
    sent = [kit.draft(f"before {number}", at=RUNNING) for number in range(3)]
    await kit.accept(bench.database, organization_id, *sent, kit.draft("another's", at=RUNNING, provider="anthropic"), at=NOW)
    made = await one.account.connect(key=provider.KEY, covers_direct=True)
    await one.account.run()
    await kit.accept(
        bench.database, organization_id, kit.draft("after", at=RUNNING), kit.draft("too old", at=NOW - 9 * provider.DAY), at=NOW
    )
    flagged = await one.account.rows(
        "SELECT idempotency_key AS key FROM telemetry_events WHERE organization_id = $1 AND facts & $2 <> 0 ORDER BY 1", int(Fact.DUPLICATE)
    )
    assert [row["key"] for row in flagged] == ["after", "before 0", "before 1", "before 2"]
    # A revision does not make it count again, and neither does the end of the authority.
    await kit.accept(bench.database, organization_id, kit.draft("after", at=RUNNING, counts=kit.tokens(5)), at=NOW)
    async with bench.database.transaction(organization_id) as uow:
        await service.delete(
            uow, actor=actor.system(organization_id), now=NOW, organization_id=organization_id, connection_id=made.view.connection.id
        )
    await kit.accept(bench.database, organization_id, kit.draft("alone", at=RUNNING), at=NOW)
    query = "SELECT idempotency_key, facts & 1024 <> 0 AS gone FROM telemetry_events WHERE organization_id = $1"
    found = {row["idempotency_key"]: row["gone"] for row in await one.account.rows(query)}
    assert (found["after"], found["before 1"], found["alone"]) == (True, True, False)
    await kit.rollups_equal_raw(bench.database, organization_id)


_DUPLICATES = "SELECT idempotency_key AS key FROM telemetry_events WHERE organization_id = $1 AND facts & 1024 <> 0 ORDER BY 1"


async def covered(bench: Bench) -> tuple[provider.World, UUID]:
    """Connect an account whose usage was sent directly too: three events; nothing is read yet."""
    one = await provider.world(bench)
    one.provider.truth[COMPLETIONS.name, RUNNING] = {MODELS[0]: 10}
    sent = [kit.draft(f"before {number}", at=RUNNING - number * provider.DAY) for number in range(3)]
    await kit.accept(bench.database, one.account.organization_id, *sent, at=NOW)
    return one, (await one.account.connect(key=provider.KEY, covers_direct=True)).view.connection.id


async def test_what_came_directly_counts_until_the_connection_has_read_its_past(bench: Bench) -> None:
    """A first read that fails leaves it counted, and the poll that at last comes to its end marks it."""
    one, connection_id = await covered(bench)
    asked = one.provider.asked

    def third() -> None:
        if one.provider.asked > asked + 2:
            raise types.KeyRefused("OpenAI does not know it, or no longer.")

    one.provider.before = third
    await one.account.run()
    assert one.provider.asked == asked + 3
    assert (await one.account.show(connection_id)).connection.state is types.State.ERROR
    assert await one.account.rows(_DUPLICATES) == []
    one.provider.before = provider.nothing
    await one.account.poll(connection_id)
    assert [row["key"] for row in await one.account.rows(_DUPLICATES)] == ["before 0", "before 1", "before 2"]
    await kit.rollups_equal_raw(bench.database, one.account.organization_id)


async def test_marking_stops_when_the_connection_is_deleted_and_goes_on_with_another_key(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(covering, "_AT_MOST", 1)
    mark_past, marked = authority.mark_past, list[object]()
    one, connection_id = await covered(bench)

    async def before_the_second(uow: db.UnitOfWork, **more: Any) -> Any:  # noqa: ANN401 - what it returns
        last = await mark_past(uow, **more)
        marked.append(last)
        return last

    unchanged = service.unchanged

    async def checked(uow: db.UnitOfWork, **more: Any) -> types.Connection:
        if len(marked) == 1:
            marked.append(None)
            await one.rekey(connection_id)
        return await unchanged(uow, **more)

    monkeypatch.setattr(authority, "mark_past", before_the_second)
    monkeypatch.setattr(service, "unchanged", checked)
    await bench.run_once()
    assert [row["key"] for row in await one.account.rows(_DUPLICATES)] == ["before 2"]  # the oldest
    await one.account.run()
    assert [row["key"] for row in await one.account.rows(_DUPLICATES)] == ["before 0", "before 1", "before 2"]


async def test_a_broken_stream_without_tokens_does_not_keep_what_is_read_counted_twice(bench: Bench) -> None:
    one, connection_id = await covered(bench)
    poll = one.provider.poll

    async def broken(key: SecretText, *, stream: types.Stream, **more: Any) -> types.RawPage:
        if stream.name == broken_one[0]:
            raise types.AnswerUnreadable("It is 3 bytes that are no JSON.")
        return await poll(key, stream=stream, **more)

    one.provider.poll = broken  # type: ignore[method-assign]
    broken_one = [COMPLETIONS.name]
    await one.account.run()
    assert await one.account.rows(_DUPLICATES) == []  # nothing that they could be duplicates of was read
    broken_one[:] = [provider.IMAGES.name]
    await one.account.poll(connection_id)
    assert (await one.account.show(connection_id)).connection.state is types.State.ERROR
    assert len(await one.account.rows(_DUPLICATES)) == 3


async def test_what_a_deleted_connection_never_told_counts_again(bench: Bench) -> None:
    """Read at 12:20, deleted later: what was sent for 12:00 was told, what was sent for 12:40 and 14:00 never will be."""
    one, connection_id = await covered(bench)
    await one.account.run()
    sent = [kit.draft("told", at=RUNNING), *(kit.draft(f"untold {minutes}", at=RUNNING + minutes * MINUTE) for minutes in (40, 120))]
    await kit.accept(bench.database, one.account.organization_id, *sent, at=NOW + 2 * provider.HOUR)
    before = {"before 0", "before 1", "before 2"}
    assert {row["key"] for row in await one.account.rows(_DUPLICATES)} == before | {"told", "untold 120", "untold 40"}
    await one.delete(connection_id)
    await one.account.run()
    assert {row["key"] for row in await one.account.rows(_DUPLICATES)} == before | {"told"}
    await kit.rollups_equal_raw(bench.database, one.account.organization_id)


async def test_all_counts_again_that_a_connection_covered_which_was_never_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covering, "_AT_MOST", 1)
    one, connection_id = await covered(bench)
    await kit.accept(bench.database, one.account.organization_id, *(kit.draft(f"n{n}", at=RUNNING) for n in range(3)), at=NOW)
    assert len(await one.account.rows(_DUPLICATES)) == 3
    await one.delete(connection_id)
    await one.account.run()
    assert await one.account.rows(_DUPLICATES) == []
    await kit.rollups_equal_raw(bench.database, one.account.organization_id)


async def test_a_job_that_breaks_off_between_two_events_is_done_again_and_turns_each_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(covering, "_AT_MOST", 1)
    one, connection_id = await covered(bench)
    await kit.accept(bench.database, one.account.organization_id, *(kit.draft(f"n{n}", at=RUNNING) for n in range(3)), at=NOW)
    count_again, left = authority.count_again, list[int]()

    async def breaking(uow: db.UnitOfWork, **more: Any) -> Any:  # noqa: ANN401 - what it returns
        last = await count_again(uow, **more)
        left.append(len(await one.account.rows(_DUPLICATES)))
        if len(left) == 2:
            raise db.DatabaseUnavailable("The database does not answer.", retry_after_s=1)  # what this transaction did is lost
        return last

    monkeypatch.setattr(authority, "count_again", breaking)
    await one.delete(connection_id)
    await one.account.run()
    assert left == [3, 2, 2, 1, 0], "as seen from outside before each commit; the second and the third try turn the same event"
    await kit.rollups_equal_raw(bench.database, one.account.organization_id)


async def test_what_another_connection_covers_stays_a_duplicate(bench: Bench) -> None:
    one, connection_id = await covered(bench)
    await one.account.connect(key=provider.KEY + "-of-another-account", covers_direct=True)
    await kit.accept(bench.database, one.account.organization_id, kit.draft("meanwhile", at=RUNNING), at=NOW)
    await one.delete(connection_id)
    await one.account.run()
    assert len(await one.account.rows(_DUPLICATES)) == 4
    await kit.rollups_equal_raw(bench.database, one.account.organization_id)


async def test_what_a_first_read_told_before_it_broke_off_counts_once_when_the_connection_is_deleted(bench: Bench) -> None:
    """The key is refused at the second week: of three events the one of the first week was told, and the others never will be."""
    one = await provider.world(
        bench, provider.Provider(first_read_days=10, streams=(COMPLETIONS,), readable=("completions",), page_size=200)
    )
    sent = [kit.draft(f"{days} days ago", at=RUNNING - days * provider.DAY) for days in (9, 2, 0)]
    await kit.accept(bench.database, one.account.organization_id, *sent, at=NOW)
    connection_id = (await one.account.connect(key=provider.KEY, covers_direct=True)).view.connection.id

    def second() -> None:
        if one.provider.asked > 1:
            raise types.KeyRefused("OpenAI does not know it, or no longer.")

    one.provider.before = second
    await one.account.run()
    assert await one.account.rows(_DUPLICATES) == []
    await one.delete(connection_id)
    await one.account.run()
    assert [row["key"] for row in await one.account.rows(_DUPLICATES)] == ["9 days ago"]
    await kit.rollups_equal_raw(bench.database, one.account.organization_id)
