"""The check of an audit pack that is open to everybody: what was checked is said in words, and what is no pack costs nothing."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import httpx2
import pytest

from carbonledger_proof import archive, bundle, manifest, serials
from tests.integration.entrypoints.rest.identity import conftest as kit
from tests.integration.entrypoints.web import months, test_packs
from tests.integration.entrypoints.web.conftest import Person
from tests.integration.entrypoints.web.test_verifying import MIB, PATH, upload
from tests.unit.proof import packs, worlds


@pytest.fixture
def stranger(ledger: kit.Installation) -> httpx2.AsyncClient:
    """Somebody without an account."""
    return ledger.client()


async def made(owner: Person) -> tuple[str, bytes]:
    """The serial of a month's receipt, and the month's pack."""
    await test_packs.plan(owner)
    one = await months.issued(owner)
    await owner.send(test_packs.PATH, month=f"{one.month:%Y-%m}")
    await owner.ledger.run_jobs()
    assert one.serial is not None
    return one.serial, (await owner.open(f"{test_packs.PATH}/{one.month:%Y-%m}/1")).content


async def test_a_stranger_checks_a_pack_without_script(owner: Person, stranger: httpx2.AsyncClient) -> None:
    serial, content = await made(owner)
    form = await stranger.get(PATH)
    assert 'enctype="multipart/form-data"' in form.text
    assert ".zip" in form.text
    page = await upload(stranger, content, name="<script>alert(1)</script>.zip")
    assert page.status_code == 200
    assert "It is genuine and unchanged, and its receipts still stand in our books as it says." in page.text
    assert (page.text.count(">holds<"), page.text.count(">fails<")) == (7, 0), "six of the pack, and the books"
    for words in (
        "The file is a pack and nothing else",
        "Every file is as it was made",
        "The receipts inside are genuine",
        "bundles and pages verify",
        f"{serial} is valid now.",
        "That the figures follow from the events is not checked here",
        "python3 recompute.py",
        "The signatures were checked with the keys that are published here",
    ):
        assert words in page.text
    assert f'href="{PATH}/{serial}"' in page.text
    assert "<script>alert" not in page.text


async def test_whatever_byte_of_a_pack_is_changed_shows(owner: Person, stranger: httpx2.AsyncClient) -> None:
    _, content = await made(owner)
    plan = archive.read(lambda offset, length: content[offset : offset + length], len(content))
    places = {0, 12, len(content) - 1, len(content) - len(plan.tail), *(plan.starts[number] for number in range(len(plan.starts)))}
    for place in sorted(places):
        changed = bytearray(content)
        changed[place] ^= 1
        page = await upload(stranger, bytes(changed))
        assert page.status_code == 200, place
        assert "not verified" in page.text, place
        assert "What it is of" not in page.text, "nothing of it is shown as if it were so"
        assert "genuine and unchanged" not in page.text, place


async def test_a_pack_whose_receipt_ended_since_is_out_of_date(owner: Person, stranger: httpx2.AsyncClient) -> None:
    serial, content = await made(owner)
    old = next(one for one in await months.receipts(owner) if one.serial == serial)
    newer = await months.supersede(owner, old.id)
    page = await upload(stranger, content)
    assert "out of date" in page.text
    assert f"{newer} has taken the place of {serial}. A later pack of the month says so." in page.text
    new = next(one for one in await months.receipts(owner) if one.serial == newer)
    await months.revoke(owner, new.id)
    assert "superseded now" in (await upload(stranger, content)).text


async def test_a_pack_of_another_issuer_is_not_taken_for_ours(owner: Person, stranger: httpx2.AsyncClient) -> None:
    await months.issued(owner)
    page = await upload(stranger, packs.packed())
    assert page.status_code == 200
    assert "It is not a pack of ours." in page.text
    assert "It is genuine and unchanged." in page.text
    assert "our books" not in page.text


async def test_one_that_takes_our_name_is_checked_with_our_keys(owner: Person, stranger: httpx2.AsyncClient) -> None:
    """Sealed with keys that it brings along, under this installation's name."""
    await months.issued(owner)
    origin = (await stranger.get("/v1/public/log/checkpoint")).text.splitlines()[0]
    page = await upload(stranger, packs.packed(issuer=origin))
    assert "not verified" in page.text
    assert "genuine" not in page.text.split("What was checked")[0]


def _zip(method: int, **contents: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as file:
        for name, content in contents.items():
            file.writestr(name.replace("__", "."), content)
    return made.getvalue()


def _lying() -> bytes:
    """A directory that claims a file of a terabyte, behind a few bytes."""
    plan = archive.plan([archive.Entry("manifest.json", 2**40, 0)])
    return plan.heads[0] + b"{}" + plan.tail


@pytest.mark.parametrize(
    "content",
    [
        b"PK",
        b"PK\x05\x06" + bytes(18),
        b"PK\x03\x04" + bytes(4 * MIB),
        _zip(zipfile.ZIP_DEFLATED, manifest__json=bytes(512 * MIB)),  # half a megabyte that would be a thousand times as much
        _zip(zipfile.ZIP_STORED, manifest__json=b"{}"),
        _lying(),
        packs.zipped({manifest.FILE_NAME: b"[" * 3 * MIB}),
        packs.zipped({manifest.FILE_NAME: b"{}" + bytes(5 * MIB)}),
        packs.zipped({f"x{number}": b"" for number in range(archive.ENTRIES_MAX)}),
        packs.packed()[:-1],
        packs.packed() + packs.packed(),
    ],
)
async def test_a_bomb_or_what_else_is_no_pack_is_told_so_and_takes_no_memory(stranger: httpx2.AsyncClient, content: bytes) -> None:
    tracemalloc.start()
    try:
        page = await upload(stranger, content, name="pack.zip")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert page.status_code == 200
    assert "The file holds no audit pack that can be read." in page.text
    assert "What it is of" not in page.text
    assert peak < 64 * MIB


async def test_a_pack_larger_than_is_taken_is_refused_with_what_takes_it(stranger: httpx2.AsyncClient) -> None:
    page = await upload(stranger, b"PK" + bytes(25 * MIB), name="pack.zip")
    assert page.status_code == 413
    assert "A file has at most 24 MiB here. The command line takes larger ones." in page.text
    assert f'href="{PATH}"' in page.text
    assert (await upload(stranger, b"PK" + bytes(23 * MIB), name="pack.zip")).status_code == 200


async def test_a_pack_of_many_receipts_is_left_to_the_command(stranger: httpx2.AsyncClient) -> None:
    many = [serials.make(worlds.SECRET, month=worlds.MONTH, counter=counter) for counter in range(6)]
    some = packs.files()
    for serial in many:
        some |= {f"{manifest.folder(serial)}/{name}": b"" for name in (manifest.BUNDLE, manifest.PAGE, manifest.STATEMENT)}
    stated = tuple(manifest.Stated(serial=serial, state=bundle.State.VALID) for serial in many)
    page = await upload(stranger, packs.packed(some, receipts=stated))
    assert page.status_code == 422
    assert "carbonledger verify PACK.zip" in page.text
