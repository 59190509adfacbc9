"""The jobs of audit packs: made step by step, killed at each, the same bytes each time, and ordered when they are due."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from uuid import UUID

import pytest

from carbonledger.domains.identity.service import entitlements, house
from carbonledger.domains.receipts.data import recompute
from carbonledger.domains.receipts.service import closing, issuing, log, packing, packs, proving
from carbonledger.domains.receipts.service import credits as inventory
from carbonledger.domains.receipts.store import packs as store
from carbonledger.domains.receipts.types import packs as types
from carbonledger.domains.receipts.types.packs import AUDIT_PACKS, Pack, State
from carbonledger.domains.receipts.types.receipts import RECEIPTS
from carbonledger.entrypoints.shared import turns
from carbonledger.entrypoints.worker import receipts as jobs
from carbonledger.entrypoints.worker import receipts_packs
from carbonledger.infra import clock, queue
from carbonledger.kernel import actor
from carbonledger_proof import pack as proof
from tests.integration.domains.receipts import kit as months
from tests.integration.domains.receipts import logs
from tests.integration.domains.receipts.offices import Office
from tests.integration.entrypoints.worker.conftest import Bench
from tests.integration.entrypoints.worker.test_receipts import run_to_the_end
from tests.integration.entrypoints.worker.test_receipts_periods import Killed, dying
from tests.unit.domains.receipts import credit_files as files

OCTOBER = months.OCTOBER.date()


@pytest.fixture
async def office(bench: Bench) -> Office:
    """A customer whose plan has receipts and packs, with a closed October of one event and its receipt."""
    queue.subscriber(closing.CLOSED, job=jobs.ISSUE_JOB)  # the bench forgets what subscribes
    queue.subscriber(inventory.IMPORTED, job=jobs.RETRY_JOB)
    at = clock.now()
    async with bench.database.transaction() as uow:
        found = await house.ensure(uow, at=at, email="owner@example.com")
    made = Office(logs.Kit(bench.database, found.organization_id, bench.services.sealer), bench.services.settings.home / "objects")
    async with bench.database.transaction(bench.organization_id) as uow:
        await entitlements.grant(
            uow,
            actor=actor.system(bench.organization_id),
            now=at,
            at=at,
            organization_id=bench.organization_id,
            quotas={},
            features={RECEIPTS: True, AUDIT_PACKS: True},
        )
    await made.inventory.take_in(files.block(1, 1))
    await run_to_the_end(bench)
    await months.accept(bench.database, bench.organization_id, months.draft("a", uncached=1_000_000), now=months.NOVEMBER)
    await months.advance(
        bench.database, bench.organization_id, now=months.NOVEMBER + months.CLOSES
    )  # by the job, which makes leaves with the organization's own salt
    await run_to_the_end(bench)
    return made


async def order(bench: Bench) -> Pack:
    async with bench.database.transaction(bench.organization_id) as uow:
        now = clock.now()
        ordered, _ = await packs.order(
            uow, actor=actor.system(bench.organization_id), now=now, organization_id=bench.organization_id, month=OCTOBER, upgrade_url=""
        )
    return ordered


async def found(bench: Bench, pack_id: UUID) -> Pack:
    async with bench.database.transaction(bench.organization_id) as uow:
        pack = await store.find(uow, organization_id=bench.organization_id, pack_id=pack_id)
    assert pack is not None
    return pack


async def content(bench: Bench, pack: Pack) -> bytes:
    mine = bench.services.objects.of_organization(bench.organization_id)
    return b"".join([piece async for piece in packs.content(mine, packs.made(pack))])


def recomputed(data: bytes, folder: Path) -> subprocess.CompletedProcess[str]:
    """Unzip a pack and let its own program compute it again, in a Python that sees nothing of ours."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return subprocess.run(
        [sys.executable, "-I", "-S", str(folder / "recompute.py")], capture_output=True, text=True, check=False, timeout=120, env={}
    )


async def is_whole(bench: Bench, pack_id: UUID, folder: Path) -> bytes:
    pack = await found(bench, pack_id)
    assert pack.state is State.MADE
    data = await content(bench, pack)
    contents = packs.made(pack)
    assert (len(data), hashlib.sha256(data).digest()) == (contents.size, contents.sha256)
    report = proof.in_memory(data)
    assert report.ok, [check for check in report.checks if not check.ok]
    done = recomputed(data, folder)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "RECOMPUTED" in done.stdout
    return data


async def test_a_pack_is_made_verifies_and_is_computed_again_by_its_own_program(bench: Bench, office: Office, tmp_path: Path) -> None:
    pack = await order(bench)
    await run_to_the_end(bench)
    data = await is_whole(bench, pack.id, tmp_path / "pack")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        points = json.loads(archive.read("esrs-e1.json"))
    (receipt,) = await office.every(bench.organization_id)
    assert receipt.signed is not None
    assert names[0] == "manifest.json"
    assert {f"receipts/{receipt.signed.serial}/{name}" for name in ("receipt.json", "bundle.json", "receipt.pdf")} < set(names)
    cancelled = next(point for point in points["data_points"] if point["meaning"] == "carbon_credits_cancelled")
    assert sum(cancelled["value"].values()) == receipt.required_mg
    assert cancelled["paragraphs"] == ["E1-7 59 (a)"]


STEPS: list[tuple[ModuleType, str]] = [
    (proving, "salt"),
    (log, "checkpoint"),
    (packing, "gather"),
    (packing, "put"),
    (packing, "stream"),
    (packing, "seal"),
    (packing, "check"),
    (packing, "finish"),
    (store, "made"),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("module, name", STEPS)
async def test_killed_at_any_step_it_is_made_once_and_whole(
    bench: Bench, office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: ModuleType, name: str, after: bool
) -> None:
    pack = await order(bench)
    dying(monkeypatch, module, name, after=after)
    with pytest.raises(Killed):
        await run_to_the_end(bench)
    assert (await found(bench, pack.id)).state is State.ORDERED
    await run_to_the_end(bench)
    await is_whole(bench, pack.id, tmp_path / "pack")
    assert [event["action"] for event in await bench.events()].count(packing.MADE) == 1


async def test_one_whose_job_was_parked_is_made_when_packs_are_ordered_next(
    bench: Bench, office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pack = await order(bench)

    async def fails(*args: object, **given: object) -> None:
        raise types.PackDamaged("of the test")

    with monkeypatch.context() as patch:
        patch.setattr(packing, "check", fails)
        await run_to_the_end(bench)
    assert (await found(bench, pack.id)).state is State.ORDERED
    for _ in range(2):  # while one makes it there is no second
        job_id = await bench.ask(receipts_packs.ORDER_JOB)
        [entry] = [one for one in await bench.pick() if one.entrypoint == receipts_packs.ORDER_JOB]
        await bench.run([entry])
        assert (await bench.job(job_id)).result == {"ordered": 0}
    await run_to_the_end(bench)
    await is_whole(bench, pack.id, tmp_path / "pack")
    async with bench.database.transaction(bench.organization_id) as uow:
        states = [row["state"] for row in await uow.conn.fetch("SELECT state FROM jobs WHERE name = $1 ORDER BY id", packs.MAKE_JOB)]
    assert states == ["parked", "succeeded"]


async def test_what_was_streamed_is_the_same_parts_whoever_streams_and_in_whatever_pieces(bench: Bench, office: Office) -> None:
    pack = await order(bench)
    await run_to_the_end(bench)
    first = packs.made(await found(bench, pack.id))
    again = await order(bench)
    await run_to_the_end(bench)
    second = packs.made(await found(bench, again.id))
    assert (pack.number, again.number) == (1, 2)
    changed = {one.name for one in first.files} - {one.name for one in first.files if one in second.files}
    assert changed == {"manifest.json", "README.txt"}, "their number, and when they were made"
    mine = bench.services.objects.of_organization(bench.organization_id)

    async def told(size: int) -> None: ...

    salt = await _salt(bench)
    async with bench.database.transaction(bench.organization_id, read_only=True) as uow:
        small = await packing.stream(
            uow, organization_id=bench.organization_id, pack_id=pack.id, salting=salt, files=mine, told=told, part_bytes=100
        )
    events = next(one for one in first.files if one.name == packing.EVENTS)
    assert [(one.sha256, one.crc32, one.size) for one in small if one.name == packing.EVENTS] == [
        (events.sha256, events.crc32, events.size)
    ]
    assert len(small[0].parts) == -(-events.size // 100)


async def _salt(bench: Bench) -> proving.Salt:
    at = clock.now()
    async with bench.database.transaction(bench.organization_id) as uow:
        located = await proving.salt(
            uow,
            actor=actor.system(bench.organization_id),
            now=at,
            at=at,
            sealer=bench.services.sealer,
            organization_id=bench.organization_id,
            outside=False,
        )
    return await proving.opened(located, sealer=bench.services.sealer, outside=None)


async def test_ordered_twice_while_one_is_made_it_is_one(bench: Bench, office: Office) -> None:
    assert (await order(bench)).id == (await order(bench)).id
    await run_to_the_end(bench)
    async with bench.database.transaction(bench.organization_id) as uow:
        assert await uow.conn.fetchval("SELECT count(*) FROM jobs WHERE name = $1", packs.MAKE_JOB) == 1


async def test_the_schedule_orders_what_is_due_and_again_only_when_a_receipt_changed(bench: Bench, office: Office) -> None:
    async def ordered() -> int:
        job_id = await bench.ask(receipts_packs.ORDER_JOB)
        await run_to_the_end(bench)
        result = (await bench.job(job_id)).result
        assert result is not None
        return int(result["ordered"])

    assert await ordered() == 1
    assert await ordered() == 0
    (receipt,) = await office.every(bench.organization_id)
    await office.revoke(bench.organization_id, receipt.id)
    await run_to_the_end(bench)
    assert await ordered() == 1
    assert await ordered() == 0


async def test_a_pack_says_of_a_receipt_that_ended_that_it_did(bench: Bench, office: Office, tmp_path: Path) -> None:
    (old,) = await office.every(bench.organization_id)
    means = turns.of(bench.services)  # by its own name in receipts, which the office makes up
    async with turns.taken(means, actor=actor.system(bench.organization_id), at=clock.now(), organization_id=bench.organization_id) as (
        uow,
        turn,
    ):
        await issuing.supersede(uow, turn=turn, receipt_id=old.id)
    await run_to_the_end(bench)
    pack = await order(bench)
    await run_to_the_end(bench)
    report = proof.in_memory(await is_whole(bench, pack.id, tmp_path / "pack"))
    assert report.manifest is not None
    assert sorted(one.state.value for one in report.manifest.receipts) == ["superseded", "valid"]


async def test_a_byte_changed_in_any_file_of_a_pack_is_found_by_both_programs(bench: Bench, office: Office, tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    pack = await order(bench)
    await run_to_the_end(bench)
    data = await content(bench, await found(bench, pack.id))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
        inside = {info.filename: (info.header_offset + 30 + len(info.filename), info.file_size) for info in archive.infolist()}
    assert recompute.recompute(folder)
    for name, (start, size) in inside.items():
        for place in (0, size // 2, size - 1):
            changed = bytearray(data)
            changed[start + place] ^= 1 << place % 8
            assert not proof.in_memory(bytes(changed)).ok, name
            file = folder / name
            file.write_bytes(changed[start : start + size])
            with pytest.raises((recompute.Wrong, ValueError, KeyError, TypeError)):
                recompute.recompute(folder)
            file.write_bytes(data[start : start + size])
    assert recompute.recompute(folder)
    (folder / "strange.txt").write_text("hello")
    with pytest.raises(recompute.Wrong, match=r"strange\.txt"):
        recompute.recompute(folder)


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("events.csv", b"1000000", b"1000001"),
        ("events.csv", b"counted", b"duplicate"),
        ("trace/lines.csv", b"1000000", b"1000001"),
        ("trace/totals.json", b'"requests": "1"', b'"requests": "2"'),
        ("trace/rates.json", b'"tier": "medium"', b'"tier": "large"'),
        ("factors/1.0.json", b'"proposed"', b'"final"'),
        ("receipts/SERIAL/receipt.json", b'"share_bp":10000', b'"share_bp":9999'),
    ],
)
async def test_figures_that_were_changed_before_the_pack_was_sealed_are_found_too(
    bench: Bench, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, old: bytes, new: bytes
) -> None:
    """The manifest's hashes fit: whoever made the pack changed it. What is computed again still differs."""
    folder = tmp_path / "pack"
    pack = await order(bench)
    await run_to_the_end(bench)
    with zipfile.ZipFile(io.BytesIO(await content(bench, await found(bench, pack.id)))) as archive:
        archive.extractall(folder)
    manifest = recompute.checked_manifest(folder)
    monkeypatch.setattr(recompute, "checked_manifest", lambda _: manifest)
    assert recompute.recompute(folder)
    (receipt,) = await office.every(bench.organization_id)
    assert receipt.signed is not None
    file = folder / name.replace("SERIAL", receipt.signed.serial)
    before = file.read_bytes()
    file.write_bytes(before.replace(old, new, 1))
    assert file.read_bytes() != before
    with pytest.raises(recompute.Wrong):
        recompute.recompute(folder)
