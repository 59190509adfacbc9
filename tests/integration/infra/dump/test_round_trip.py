"""A dump put back is the same database: rows, rights, policies; and whatever forbids a restore leaves the target as it was."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from carbonledger.infra import clock, db, dump, migrations, server
from carbonledger.infra.dump import archive
from tests.conftest import TestDatabase, make_organization

KEYS = ("aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb")


async def take(database: TestDatabase, path: Path, *, keys: tuple[str, ...] = ()) -> dump.Manifest:
    return await dump.take(path, owner=database.owner, version="0.1.0", keys=keys, now=clock.now(), programs_dir=None, replace=False)


async def put_back(path: Path, database: TestDatabase, *, keys: tuple[str, ...] = (), force: bool = False) -> dump.Manifest:
    return await dump.restore(path, owner=database.owner, keys=keys, keys_place="/home/secrets/vault.keys", programs_dir=None, force=force)


async def fill(database: TestDatabase, *names: str) -> list[UUID]:
    opened = await db.connect(database.app, size=1, application="test")
    try:
        return [await make_organization(opened, name=name) for name in names]
    finally:
        await opened.close()


async def names_seen(database: TestDatabase, organization_id: UUID | None) -> list[str]:
    opened = await db.connect(database.app, size=1, application="test")
    try:
        async with opened.transaction(organization_id) as uow:
            return [row["name"] for row in await uow.conn.fetch("SELECT name FROM organizations ORDER BY name")]
    finally:
        await opened.close()


def rewrite(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change the manifest of a dump, as an attacker or a defect would."""
    with zipfile.ZipFile(path) as source:
        database, manifest = source.read(archive.DATABASE), json.loads(source.read(archive.MANIFEST))
    change(manifest)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        target.writestr(archive.DATABASE, database)
        target.writestr(archive.MANIFEST, json.dumps(manifest))


@pytest.fixture
async def filled(fresh_database: TestDatabase) -> TestDatabase:
    await fill(fresh_database, "One", "Two")
    return fresh_database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a dump"


async def test_rows_come_back_and_each_tenant_still_sees_only_its_own(fresh_database: TestDatabase, path: Path) -> None:
    one, two = await fill(fresh_database, "One", "Two ✓ 'quoted'")
    await take(fresh_database, path)
    await fill(fresh_database, "Made after the dump")

    restored = await put_back(path, fresh_database, force=True)

    assert restored.tables["organizations"] == 2
    assert await names_seen(fresh_database, one) == ["One"]
    assert await names_seen(fresh_database, two) == ["Two ✓ 'quoted'"]
    assert await names_seen(fresh_database, None) == []


async def test_the_dump_says_what_it_holds(filled: TestDatabase, path: Path) -> None:
    await take(filled, path, keys=KEYS)

    manifest = dump.read_manifest(path)

    assert manifest.tables["organizations"] == 2
    assert manifest.revision == migrations.head()
    assert manifest.keys == KEYS
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


async def test_look_up_functions_act_for_their_own_role_again(filled: TestDatabase, path: Path) -> None:
    await take(filled, path)
    await put_back(path, filled, force=True)

    async with server.connected(filled.owner) as conn:
        definers = await conn.fetch(
            "SELECT pg_get_userbyid(proowner) AS owner FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
        )
        may_create = await conn.fetchval("SELECT has_schema_privilege('carbonledger_lookup', 'public', 'CREATE')")

    assert {row["owner"] for row in definers} == {"carbonledger_lookup"}
    assert may_create is False


async def test_the_restored_service_role_is_still_safe_and_bound(filled: TestDatabase, path: Path) -> None:
    await take(filled, path)
    await put_back(path, filled, force=True)

    async with server.connected(filled.app) as conn:
        await server.require_safe(conn)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("TRUNCATE organizations CASCADE")


async def test_a_dump_taken_twice_differs_in_nothing_that_counts(filled: TestDatabase, path: Path, tmp_path: Path) -> None:
    first = await take(filled, path)
    await put_back(path, filled, force=True)
    second = await take(filled, tmp_path / "second")

    assert second.tables == first.tables
    assert second.protection == first.protection


async def test_a_dump_does_not_replace_a_file_unless_told_to(filled: TestDatabase, path: Path) -> None:
    path.write_text("precious")

    with pytest.raises(dump.DumpExists, match="exists already"):
        await take(filled, path)

    assert path.read_text() == "precious"


async def test_data_is_not_replaced_unless_told_to(filled: TestDatabase, path: Path) -> None:
    await take(filled, path)

    with pytest.raises(dump.TargetNotEmpty, match=r"holds 2 organizations.*--force"):
        await put_back(path, filled)


async def test_a_database_in_use_is_left_alone(filled: TestDatabase, path: Path) -> None:
    await take(filled, path)
    serving = await db.connect(filled.app, size=1, application="carbonledger-api")

    with pytest.raises(dump.InUse, match=r"Connected to the database: carbonledger-api\. Stop every API"):
        await put_back(path, filled, force=True)

    await serving.close()


async def test_without_the_keys_its_secrets_need_nothing_is_restored(filled: TestDatabase, path: Path) -> None:
    await take(filled, path, keys=KEYS)

    with pytest.raises(dump.KeysMissing) as caught:
        await put_back(path, filled, keys=(KEYS[0], "cccccccccccccccc"), force=True)

    assert "of which bbbbbbbbbbbbbbbb is not here (here: aaaaaaaaaaaaaaaa, cccccccccccccccc)" in str(caught.value)
    assert "Put the exported keys at /home/secrets/vault.keys" in str(caught.value)


async def test_with_more_keys_than_needed_it_is_restored(filled: TestDatabase, path: Path) -> None:
    await take(filled, path, keys=KEYS[:1])

    assert (await put_back(path, filled, keys=KEYS, force=True)).keys == KEYS[:1]


async def test_a_dump_of_a_later_version_is_refused(filled: TestDatabase, path: Path) -> None:
    await take(filled, path)
    rewrite(path, lambda manifest: manifest.update(revision="9999", version="7.0.0"))

    with pytest.raises(dump.DumpTooNew, match=r"schema 9999 of version 7\.0\.0"):
        await put_back(path, filled, force=True)


# Counted from the end, the manifest is before the zip's directory, where some bits change nothing that is read.
@pytest.mark.parametrize("place", [100, 0.5, -200], ids=["near the start", "in the middle", "in the manifest"])
async def test_one_changed_byte_is_noticed_before_anything_is_touched(filled: TestDatabase, path: Path, place: float) -> None:
    await take(filled, path)
    content = bytearray(path.read_bytes())
    content[int(place * len(content)) if isinstance(place, float) else place] ^= 1
    path.write_bytes(content)

    with pytest.raises(dump.DumpDamaged, match="damaged"):
        await put_back(path, filled, force=True)

    async with server.connected(filled.superuser) as conn:
        assert await conn.fetchval("SELECT count(*) FROM organizations") == 2


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
async def test_a_dump_that_was_cut_off_is_noticed(filled: TestDatabase, path: Path, share: float) -> None:
    await take(filled, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])

    with pytest.raises(dump.DumpDamaged, match="cut off"):
        await put_back(path, filled, force=True)


async def test_a_file_of_something_else_is_named(filled: TestDatabase, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as other:
        other.writestr("holiday.jpg", b"...")

    with pytest.raises(dump.DumpDamaged, match="not a dump of Carbon Ledger"):
        await put_back(path, filled, force=True)


async def test_a_file_that_is_not_there_is_named(filled: TestDatabase, path: Path) -> None:
    with pytest.raises(dump.DumpMissing, match="There is no file"):
        await put_back(path, filled, force=True)


def one_row_less(manifest: dict[str, object]) -> None:
    tables = manifest["tables"]
    assert isinstance(tables, dict)
    tables["organizations"] -= 1


def one_policy_less(manifest: dict[str, object]) -> None:
    lines = manifest["protection"]
    assert isinstance(lines, list)
    lines.remove(next(line for line in lines if line.startswith("policy organizations tenant ")))


@pytest.mark.parametrize(
    "change, sentence",
    [(one_row_less, "The table organizations had 1 rows and would now have 2"), (one_policy_less, "first: policy organizations tenant")],
)
async def test_what_is_restored_differently_is_rolled_back(
    filled: TestDatabase, path: Path, change: Callable[[dict[str, object]], None], sentence: str
) -> None:
    await take(filled, path)
    [later] = await fill(filled, "Made after the dump")
    rewrite(path, change)

    with pytest.raises(dump.RestoreDiffers, match=sentence):
        await put_back(path, filled, force=True)

    assert await names_seen(filled, later) == ["Made after the dump"]


async def test_a_dump_that_the_server_refuses_is_rolled_back_and_says_why(filled: TestDatabase, path: Path) -> None:
    await take(filled, path)
    with zipfile.ZipFile(path) as source:
        manifest = archive.read_manifest(path)
        whole = source.read(archive.DATABASE)
    cut = whole[: len(whole) // 2]
    digest = hashlib.sha256(cut).hexdigest()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        target.writestr(archive.DATABASE, cut)
        target.writestr(archive.MANIFEST, json.dumps({"format": archive.FORMAT, **dataclasses.asdict(manifest), "sha256": digest}))

    with pytest.raises(dump.ProgramFailed, match="failed: "):
        await put_back(path, filled, force=True)

    async with server.connected(filled.superuser) as conn:
        assert await conn.fetchval("SELECT count(*) FROM organizations") == 2
