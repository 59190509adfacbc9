"""The vault on a real database: secrets sealed to their row, openings audited, keys unique, and the master key changed while serving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from carbonledger.domains.vault import service, types
from carbonledger.entrypoints.worker import registry
from carbonledger.infra import clock, crypto, db
from carbonledger.kernel import actor, errors, page
from tests import conftest

KEY = "sk-proj-aaaabbbbccccddddeeeeffff"


@pytest.fixture(autouse=True)
def declarations() -> None:
    registry.load()


@pytest.fixture
def ring() -> crypto.KeyRing:
    return crypto.parse_keys(crypto.generate_key())


@pytest.fixture
def sealer(ring: crypto.KeyRing) -> crypto.Sealer:
    return crypto.Sealer(ring)


async def add(
    database: db.Database, organization_id: UUID, sealer: crypto.Sealer, *, label: str = "main", key: str = KEY, outside: bool = False
) -> types.LlmKey:
    async with database.transaction(organization_id) as uow:
        return await service.add_llm_key(
            uow,
            actor=actor.system(organization_id),
            now=clock.now(),
            at=clock.now(),
            sealer=sealer,
            organization_id=organization_id,
            provider="openai",
            label=label,
            key=crypto.SecretText(key),
            outside=outside,
        )


async def opened(database: db.Database, organization_id: UUID, sealer: crypto.Sealer, secret_id: UUID) -> str:
    async with database.transaction(organization_id) as uow:
        located = await service.find(
            uow,
            actor=actor.system(organization_id),
            now=clock.now(),
            organization_id=organization_id,
            secret_id=secret_id,
            reason="test",
        )
    return (await service.reveal(located, sealer=sealer, outside=None)).reveal()


async def test_a_kept_key_opens_to_its_value_and_the_opening_is_in_the_trail(
    database: db.Database, organization_id: UUID, sealer: crypto.Sealer
) -> None:
    kept = await add(database, organization_id, sealer)
    assert await opened(database, organization_id, sealer, kept.secret_id) == KEY
    async with database.transaction(organization_id) as uow:
        rows = await uow.conn.fetch("SELECT action, after FROM events WHERE target_id = $1", str(kept.secret_id))
    assert [(row["action"], row["after"]) for row in rows] == [("secret.opened", {"purpose": "llm_key", "reason": "test"})]


async def test_the_value_is_nowhere_in_the_database(database: db.Database, organization_id: UUID, sealer: crypto.Sealer) -> None:
    await add(database, organization_id, sealer)
    async with database.transaction(organization_id) as uow:
        for table in ("secrets", "llm_keys", "events", "jobs"):
            found = await uow.conn.fetchval(f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%aaaabbbbcccc%'")
            assert found == 0, table


async def test_a_sealed_text_moved_to_another_row_or_tenant_does_not_open(
    database: db.Database, organization_id: UUID, sealer: crypto.Sealer
) -> None:
    other = await conftest.make_organization(database)
    mine, theirs = await add(database, organization_id, sealer), await add(database, other, sealer, key=KEY + "x")
    async with database.transaction(organization_id) as uow:
        sealed = await uow.conn.fetchval("SELECT sealed FROM secrets WHERE id = $1", mine.secret_id)
    async with database.transaction(other) as uow:
        await uow.conn.execute("UPDATE secrets SET sealed = $1 WHERE id = $2", sealed, theirs.secret_id)
    with pytest.raises(types.SecretUnreadable):
        await opened(database, other, sealer, theirs.secret_id)


async def test_another_tenants_secret_is_not_found(database: db.Database, organization_id: UUID, sealer: crypto.Sealer) -> None:
    kept = await add(database, organization_id, sealer)
    other = await conftest.make_organization(database)
    with pytest.raises(types.SecretNotFound):
        await opened(database, other, sealer, kept.secret_id)
    with pytest.raises(types.LlmKeyNotFound):
        async with database.transaction(other) as uow:
            await service.remove_llm_key(uow, actor=actor.system(other), now=clock.now(), organization_id=other, key_id=kept.id)


@pytest.mark.parametrize(
    "label, key",
    [
        ("main", "sk-proj-another-value-00000000"),  # the same label
        ("other", KEY),  # the same value
    ],
)
async def test_a_label_and_a_value_are_kept_once(
    database: db.Database, organization_id: UUID, sealer: crypto.Sealer, label: str, key: str
) -> None:
    await add(database, organization_id, sealer)
    with pytest.raises(types.LlmKeyDuplicate) as caught:
        await add(database, organization_id, sealer, label=label, key=key)
    assert key not in str(caught.value)


async def test_two_organizations_may_keep_the_same_key(database: db.Database, organization_id: UUID, sealer: crypto.Sealer) -> None:
    other = await conftest.make_organization(database)
    await add(database, organization_id, sealer)
    assert (await add(database, other, sealer)).label == "main"


async def test_of_twenty_that_add_the_same_key_at_once_one_does(
    database: db.Database, organization_id: UUID, sealer: crypto.Sealer
) -> None:
    results = await asyncio.gather(*(add(database, organization_id, sealer) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(result, types.LlmKey) for result in results) == 1
    assert sum(isinstance(result, types.LlmKeyDuplicate) for result in results) == 19


async def test_rotating_a_key_keeps_its_id_and_destroys_the_old_value(
    database: db.Database, organization_id: UUID, sealer: crypto.Sealer
) -> None:
    old = await add(database, organization_id, sealer)
    async with database.transaction(organization_id) as uow:
        new = await service.rotate_llm_key(
            uow,
            actor=actor.system(organization_id),
            now=clock.now(),
            at=clock.now(),
            sealer=sealer,
            organization_id=organization_id,
            key_id=old.id,
            key=crypto.SecretText("sk-proj-the-new-value-zzzz1234"),
            outside=False,
        )
    assert (new.id, new.key_hint) == (old.id, "1234")
    assert await opened(database, organization_id, sealer, new.secret_id) == "sk-proj-the-new-value-zzzz1234"
    with pytest.raises(types.SecretNotFound):
        await opened(database, organization_id, sealer, old.secret_id)


async def test_all_problems_of_a_key_are_told_at_once_and_nothing_is_kept(
    database: db.Database, organization_id: UUID, sealer: crypto.Sealer
) -> None:
    with pytest.raises(errors.Invalid) as caught:
        await add(database, organization_id, sealer, label="", key="has space")
    assert {problem.pointer for problem in caught.value.problems} == {"/label", "/api_key"}
    async with database.transaction(organization_id) as uow:
        assert await uow.conn.fetchval("SELECT count(*) FROM secrets") == 0


async def test_keys_are_listed_newest_first_in_pages_that_join(database: db.Database, organization_id: UUID, sealer: crypto.Sealer) -> None:
    made = [await add(database, organization_id, sealer, label=f"key {number}", key=f"{KEY}{number}") for number in range(5)]
    seen: list[UUID] = []
    request = page.PageRequest(limit=2)
    while True:
        async with database.transaction(organization_id) as uow:
            found = await service.list_llm_keys(uow, organization_id=organization_id, provider="openai", page=request)
        seen += [key.id for key in found.data]
        if found.next_cursor is None:
            break
        request = page.PageRequest(limit=2, after=page.decode_cursor(found.next_cursor, parts=1))
    assert seen == [key.id for key in reversed(made)]


@pytest.fixture
async def own(fresh_database: conftest.TestDatabase) -> AsyncIterator[db.Database]:
    """A database whose secrets are this test's alone: a change of the master key goes over all organizations."""
    opened = await db.connect(fresh_database.app, size=4, application="test")
    try:
        yield opened
    finally:
        await opened.close()


async def test_every_secret_of_every_organization_is_sealed_anew_and_still_opens(own: db.Database) -> None:
    first, second = crypto.generate_key(), crypto.generate_key()
    before = crypto.Sealer(crypto.parse_keys(first))
    after = crypto.Sealer(crypto.parse_keys(crypto.SecretText(f"{second.reveal()},{first.reveal()}")))
    only_new = crypto.Sealer(crypto.parse_keys(second))
    organizations = [await conftest.make_organization(own) for _ in range(3)]
    kept = {organization_id: await add(own, organization_id, before) for organization_id in organizations}

    async with own.transaction() as uow:
        pairs = await service.to_reseal(uow, sealer=after, after=UUID(int=0), at_most=10)
    assert {organization_id for organization_id, _ in pairs} == set(organizations)
    for organization_id, secret_id in pairs:
        async with own.transaction(organization_id) as uow:
            assert await service.reseal(uow, now=clock.now(), sealer=after, organization_id=organization_id, secret_id=secret_id)
        async with own.transaction(organization_id) as uow:  # a second run finds it done
            assert not await service.reseal(uow, now=clock.now(), sealer=after, organization_id=organization_id, secret_id=secret_id)

    async with own.transaction() as uow:
        assert await service.to_reseal(uow, sealer=after, after=UUID(int=0), at_most=10) == []
        assert await service.sealed_by(uow) == {only_new.fingerprints()[0]: 3}
    for organization_id, key in kept.items():
        assert await opened(own, organization_id, only_new, key.secret_id) == KEY


async def test_a_newer_key_has_a_job_of_its_own_because_the_one_that_runs_has_passed_secrets_by(
    database: db.Database, organization_id: UUID
) -> None:
    first, second = crypto.generate_key(), crypto.generate_key()
    older = crypto.Sealer(crypto.parse_keys(first))
    newer = crypto.Sealer(crypto.parse_keys(crypto.SecretText(f"{second.reveal()},{first.reveal()}")))
    jobs = []
    for sealer in (older, older, newer, newer):
        async with database.transaction(organization_id) as uow:
            asked = await service.request_reseal(uow, actor=actor.system(organization_id), now=clock.now(), sealer=sealer)
            jobs.append(asked)
    assert jobs[0] == jobs[1] != jobs[2] == jobs[3]


async def test_the_look_ups_over_all_organizations_give_ids_and_counts_only(own: db.Database) -> None:
    async with own.transaction() as uow:
        statement = await uow.conn.prepare("SELECT * FROM secrets_to_reseal('none', $1, 10)")
        assert [attribute.name for attribute in statement.get_attributes()] == ["organization_id", "id"]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await uow.conn.execute("SET ROLE carbonledger_lookup")


async def test_a_missing_secret_is_named(database: db.Database, organization_id: UUID, sealer: crypto.Sealer) -> None:
    with pytest.raises(types.SecretNotFound):
        await opened(database, organization_id, sealer, uuid4())
