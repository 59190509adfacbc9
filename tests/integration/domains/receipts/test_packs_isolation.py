"""No organization sees or moves another's audit pack, and one that was made the database changes for nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from carbonledger.domains.identity.service import entitlements
from carbonledger.domains.receipts.service import packing, packs
from carbonledger.domains.receipts.store import packs as store
from carbonledger.domains.receipts.types import packs as types
from carbonledger.domains.receipts.types.packs import Contents, Pack
from carbonledger.infra import clock
from carbonledger.kernel import actor, ids
from carbonledger.kernel import page as pages
from tests import conftest
from tests.integration.domains.receipts import kit as months
from tests.integration.domains.receipts import logs, offices
from tests.integration.domains.receipts.offices import Office

OCTOBER = months.OCTOBER.date()
CONTENTS = Contents(
    files=(types.StoredFile(name="manifest.json", sha256="ab" * 32, crc32=1, parts=(types.Part("ab" * 32, 5),)),),
    size=100,
    sha256=b"s" * 32,
    basis=b"b" * 32,
    checkpoint_size=7,
)
_ORDER = "INSERT INTO audit_packs (organization_id, id, period_id, number, state, ordered_at) VALUES ($1, $2, $3, $4, 'ordered', now())"


@pytest.fixture
async def office(kit: logs.Kit, tmp_path: Path) -> Office:
    return await offices.opened(kit, tmp_path)


async def customer(office: Office) -> tuple[UUID, UUID]:
    """A customer with packs in the plan, and the period of a closed October."""
    made = await office.customer()
    at = clock.now()
    async with office.database.transaction(made) as uow:
        await entitlements.grant(
            uow, actor=actor.system(made), now=at, at=at, organization_id=made, quotas={}, features={types.AUDIT_PACKS: True}
        )
    return made, await office.closed(made)


async def ordered(office: Office, organization_id: UUID) -> Pack:
    async with office.database.transaction(organization_id) as uow:
        pack, _ = await packs.order(
            uow, actor=actor.system(organization_id), now=clock.now(), organization_id=organization_id, month=OCTOBER, upgrade_url=""
        )
    return pack


async def finish(office: Office, organization_id: UUID, pack_id: UUID) -> Pack:
    at = clock.now()
    async with office.database.transaction(organization_id) as uow:
        return await packing.finish(
            uow,
            actor=actor.system(organization_id),
            now=at,
            at=at,
            organization_id=organization_id,
            pack_id=pack_id,
            contents=CONTENTS,
        )


async def run(office: Office, organization_id: UUID, query: str, *args: Any) -> str:
    async with office.database.transaction(organization_id) as uow:
        return await uow.conn.execute(query, *args)


async def test_anothers_pack_is_not_there(office: Office) -> None:
    theirs, period_id = await customer(office)
    pack = await ordered(office, theirs)
    mine, _ = await customer(office)
    for organization_id in (mine, office.kit.house_id):
        async with office.database.transaction(organization_id) as uow:
            assert await store.find(uow, organization_id=theirs, pack_id=pack.id) is None
            assert (await packs.some(uow, organization_id=theirs, page=pages.PageRequest(limit=10))).data == ()
            assert await packs.standings(uow, organization_id=theirs) == []
        with pytest.raises(types.PackNotFound):
            await finish(office, organization_id, pack.id)
        assert await run(office, organization_id, "UPDATE audit_packs SET number = 9") == "UPDATE 0"
    async with office.database.transaction() as uow:
        assert await uow.conn.fetchval("SELECT count(*) FROM audit_packs") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):  # nor can one be put under another's name
        await run(office, mine, _ORDER, theirs, ids.new_id(clock.now()), period_id, 2)
    with pytest.raises(asyncpg.ForeignKeyViolationError):  # nor one's own hang on another's period
        await run(office, mine, _ORDER, mine, ids.new_id(clock.now()), period_id, 2)
    assert (await finish(office, theirs, pack.id)).state is types.State.MADE


@pytest.mark.parametrize(
    "change",
    [
        "state = 'ordered', files = NULL, size_bytes = NULL, sha256 = NULL, basis = NULL, checkpoint_size = NULL, made_at = NULL",
        "files = '[]'",
        "size_bytes = size_bytes + 1",
        "sha256 = sha256('')",
        "number = number + 1",
        "period_id = id",
        "made_at = now()",
    ],
)
async def test_not_even_the_owner_changes_a_pack_that_was_made(office: Office, fresh_database: conftest.TestDatabase, change: str) -> None:
    theirs, _ = await customer(office)
    made = await finish(office, theirs, (await ordered(office, theirs)).id)
    with pytest.raises(asyncpg.RestrictViolationError):
        await run(office, theirs, f"UPDATE audit_packs SET {change}")
    conn = await asyncpg.connect(fresh_database.superuser)
    try:
        for statement in (f"UPDATE audit_packs SET {change}", "DELETE FROM audit_packs", "TRUNCATE audit_packs"):
            with pytest.raises(asyncpg.RestrictViolationError):
                await conn.execute(statement)
    finally:
        await conn.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run(office, theirs, "DELETE FROM audit_packs")
    assert await finish(office, theirs, made.id) == made  # asked again it stays as it is


async def test_one_of_a_month_is_made_at_a_time(office: Office) -> None:
    theirs, period_id = await customer(office)
    await ordered(office, theirs)
    with pytest.raises(asyncpg.UniqueViolationError):
        await run(office, theirs, _ORDER, theirs, ids.new_id(clock.now()), period_id, 2)


@pytest.mark.parametrize("change", ["number = 2", "ordered_at = now() - interval '1 day'", "id = period_id"])
async def test_what_was_ordered_stays_what_it_is_of(office: Office, change: str) -> None:
    theirs, _ = await customer(office)
    await ordered(office, theirs)
    with pytest.raises(asyncpg.RestrictViolationError):
        await run(office, theirs, f"UPDATE audit_packs SET {change}")
