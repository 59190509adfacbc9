"""The check that is open to everybody: by serial and by file, with all that somebody may send in its place."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import httpx2
import pytest

from carbonledger.infra import clock
from carbonledger_proof import bundle
from tests.integration.entrypoints.rest.identity import conftest as kit
from tests.integration.entrypoints.web import months
from tests.integration.entrypoints.web.conftest import Person

PATH = "/receipts/verify"
FOREIGN = Path(__file__).parents[3] / "fixtures/proof/receipt.pdf"
MIB = 2**20


@pytest.fixture
def stranger(ledger: kit.Installation) -> httpx2.AsyncClient:
    """Somebody without an account."""
    return ledger.client()


async def upload(client: httpx2.AsyncClient, content: bytes, name: str = "receipt.pdf", **headers: str) -> httpx2.Response:
    return await client.post(PATH, files={"file": (name, content, "application/octet-stream")}, headers=headers)


async def test_a_stranger_checks_a_serial(owner: Person, stranger: httpx2.AsyncClient) -> None:
    one = await months.issued(owner)
    assert one.serial is not None
    asked = await stranger.get(PATH, params={"serial": f" {one.serial.lower()} "}, follow_redirects=False)
    assert (asked.status_code, asked.headers["location"]) == (303, f"{PATH}/{one.serial}")
    page = await stranger.get(asked.headers["location"])
    assert page.status_code == 200
    assert "It is genuine, unchanged, and it still stands in our books." in page.text
    assert page.text.count(">holds<") == 8, "seven of the bundle, and the books"
    assert ">fails<" not in page.text
    assert "Compensation claim" in page.text
    assert "the emissions took place, and the credits do not reduce them" in page.text
    assert "net zero" not in page.text.lower()
    for link in ("/v1/public/log/checkpoint", "/.well-known/jwks.json", "/v1/public/log/proof?index="):
        assert f'href="{link}' in page.text
    api = (await stranger.get(f"/v1/public/receipts/verify/{one.serial}")).json()
    assert api["is_valid"]
    [gross] = [entry["co2e_mg"] for entry in api["receipt"]["gross"] if entry["basis"] == "location"]
    assert f"mid {gross['mid'] // 1000}.{gross['mid'] % 1000:03}".rstrip("0") in page.text


@pytest.mark.parametrize(
    "given, words",
    [
        ("CL-202611-E9PEK", "its last character checks the others"),
        ("nonsense", "its last character checks the others"),
        ("<script>alert(1)</script>", "its last character checks the others"),
        ("9" * 5_000, "its last character checks the others"),
    ],
)
async def test_a_slip_in_a_serial_is_told_beside_the_field(stranger: httpx2.AsyncClient, given: str, words: str) -> None:
    answer = await stranger.get(PATH, params={"serial": given})
    assert answer.status_code == 422
    assert 'id="serial-wrong"' in answer.text
    assert words in answer.text
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("serial, status", [("CL-202611-E9PEJ", 404), ("CL-202611-E9PEK", 404), ("x", 404), ("..%2f..", 404), ("%00", 400)])
async def test_a_serial_that_nobody_has_leads_to_the_form_or_nowhere(stranger: httpx2.AsyncClient, serial: str, status: int) -> None:
    answer = await stranger.get(f"{PATH}/{serial}", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert "Traceback" not in answer.text


async def test_a_stranger_checks_the_files_and_a_changed_byte_shows(owner: Person, stranger: httpx2.AsyncClient) -> None:
    one = await months.issued(owner)
    for kind in ("pdf", "bundle"):
        content = (await owner.open(f"/receipts/{one.id}/{kind}")).content
        page = await upload(stranger, content, name="<script>alert(1)</script>")
        assert page.status_code == 200
        assert "It is genuine, unchanged, and it still stands in our books." in page.text
        assert "<script>alert" not in page.text
        place = content.index(b"%%EOF") - 30 if kind == "pdf" else content.index(b'"signature":"') + 20
        changed = bytearray(content)
        changed[place] ^= 1
        page = await upload(stranger, bytes(changed))
        assert page.status_code == 200
        assert "not verified" in page.text
        assert "What it states" not in page.text, "nothing of it is shown as if it were so"


async def test_the_books_win_over_a_file_of_before(owner: Person, stranger: httpx2.AsyncClient) -> None:
    old = await months.issued(owner)
    content = (await owner.open(f"/receipts/{old.id}/pdf")).content
    serial = await months.supersede(owner, old.id)
    page = await upload(stranger, content)
    assert f"It is genuine, but {serial} has taken its place." in page.text
    assert f'href="{PATH}/{serial}"' in page.text
    by_serial = await stranger.get(f"{PATH}/{old.serial}")
    assert f"It is genuine, but {serial} has taken its place." in by_serial.text
    new = next(one for one in await months.receipts(owner) if one.serial == serial)
    await months.revoke(owner, new.id)
    assert "it was revoked, because it was issued in error" in (await stranger.get(f"{PATH}/{serial}")).text


async def test_a_receipt_of_another_issuer_is_not_taken_for_ours(owner: Person, stranger: httpx2.AsyncClient) -> None:
    await months.issued(owner)
    page = await upload(stranger, FOREIGN.read_bytes())
    assert page.status_code == 200
    assert "It is not a receipt of ours." in page.text
    assert "still stands in our books" not in page.text


def bomb() -> bytes:
    """A PDF that is small, whose attachment inflates to a thousand times as much."""
    return _pdf(zlib.compress(b"\0" * 512 * MIB, 9))


def _pdf(stored: bytes) -> bytes:
    name = bundle.FILE_NAME.encode()
    parts = [
        b"<< /Type /Catalog /Names << /EmbeddedFiles << /Names [" + b"(%s) 2 0 R " % name * 100 + b"] >> >> >>",
        b"<< /Type /Filespec /EF << /F 3 0 R >> >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stored), stored),
    ]
    made, offsets = b"%PDF-1.7\n", []
    for number, part in enumerate(parts, start=1):
        offsets.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return made + b"xref\n0 4\n%strailer << /Size 4 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (table, len(made))


async def test_a_bomb_is_refused_before_it_goes_off(stranger: httpx2.AsyncClient) -> None:
    content = bomb()
    assert len(content) < MIB
    page = await upload(stranger, content)
    assert page.status_code == 200
    assert "The file holds no receipt that can be read." in page.text
    assert "larger than 4194304 bytes" in page.text


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-",
        b"{",
        b"[" * 100_000,
        b'{"bundle":' * 10_000,
        b'{"a":1,"a":2}',
        "ünïcode 🌍".encode(),
        b"\xff\xfe\x00\x00",
        b"\0" * 4 * MIB,
        FOREIGN.read_bytes()[:5_000],
        FOREIGN.read_bytes()[:-1],
        FOREIGN.read_bytes() + FOREIGN.read_bytes(),
    ],
)
async def test_whatever_else_is_sent_is_told_to_be_no_receipt(stranger: httpx2.AsyncClient, content: bytes) -> None:
    page = await upload(stranger, content)
    assert page.status_code == 200
    assert "not verified" in page.text
    assert "What it states" not in page.text


async def test_noise_of_ten_megabytes_is_refused_and_the_way_back_shown(stranger: httpx2.AsyncClient) -> None:
    page = await upload(stranger, b"\0" + os.urandom(10 * MIB))
    assert page.status_code == 413
    assert "A PDF or a bundle has at most 5 MiB here." in page.text
    assert f'href="{PATH}"' in page.text
    assert (await upload(stranger, b"\0" + os.urandom(4 * MIB))).status_code == 200


async def test_a_form_without_a_file_says_so(stranger: httpx2.AsyncClient) -> None:
    for content in (b"", None):
        answer = await (upload(stranger, content) if content is not None else stranger.post(PATH, files={"other": b"x"}))
        assert answer.status_code == 422
        assert "Choose the PDF or the bundle of a receipt, or an audit pack." in answer.text


async def test_what_is_no_form_is_refused(stranger: httpx2.AsyncClient) -> None:
    kind = {"content-type": "multipart/form-data; boundary=x"}
    assert (await stranger.post(PATH, content=b"--x\r\nnothing", headers=kind)).status_code == 400
    assert (await stranger.post(PATH, data={"file": "x"})).status_code == 415
    assert (await upload(stranger, b"{}", **{"sec-fetch-site": "cross-site"})).status_code == 403


async def test_an_address_checks_so_often_a_minute(install: kit.Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    at = clock.now()
    monkeypatch.setattr(clock, "now", lambda: at)  # no minute ends meanwhile
    client = (await install(rate_verify_per_min=3)).client()
    tried = [(await client.get(f"{PATH}/CL-202611-E9PEJ")).status_code for _ in range(2)]
    tried += [(await upload(client, b"{}")).status_code for _ in range(2)]
    assert tried == [404, 404, 200, 429]
    assert (await client.get(PATH)).status_code == 200, "looking at the form is no check"
