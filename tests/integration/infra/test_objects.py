"""Objects in a local folder and in S3 (moto's server, over HTTP, with the real client): the same rules in both."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from carbonledger.infra import objects, retry
from tests.integration.infra.http import peer

ORGANIZATION = UUID("01890000-0000-7000-8000-000000000001")
OTHER = UUID("01890000-0000-7000-8000-000000000002")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def bucket(endpoint: str) -> str:
    name = f"bucket-{uuid4()}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    client.create_bucket(Bucket=name)
    client.close()
    return name


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> objects.Objects:
    if request.param == "folder":
        return objects.connect((tmp_path / "objects").as_uri())
    request.getfixturevalue("credentials")
    endpoint = request.getfixturevalue("s3_endpoint")
    return objects.connect(f"s3://{bucket(endpoint)}/some/prefix?endpoint={endpoint}&region=us-east-1")


async def keys(store: objects.Objects, folder: str = "", *, at_most: int = 1000) -> set[str]:
    return {info.key async for info in store.below(folder, at_most=at_most)}


async def test_what_was_put_is_read(store: objects.Objects) -> None:
    await store.put("receipts/CL-202611-AB3DE.pdf", b"content")
    assert await store.read("receipts/CL-202611-AB3DE.pdf") == b"content"
    info = await store.head("receipts/CL-202611-AB3DE.pdf")
    assert (info.key, info.size_bytes) == ("receipts/CL-202611-AB3DE.pdf", 7)
    assert info.modified_at.tzinfo is not None


async def test_an_object_is_written_once(store: objects.Objects) -> None:
    await store.put("a", b"first")
    with pytest.raises(objects.ObjectExists):
        await store.put("a", b"second")
    with pytest.raises(objects.ObjectExists):
        await store.put("a", b"first")
    assert await store.read("a") == b"first"


async def test_of_many_who_write_at_once_one_wins(store: objects.Objects) -> None:
    async def write(content: bytes) -> bytes | None:
        try:
            await store.put("contested", content)
        except objects.ObjectExists:
            return None
        return content

    written = await asyncio.gather(*(write(str(number).encode()) for number in range(8)))
    winners = [content for content in written if content is not None]
    assert len(winners) == 1
    assert await store.read("contested") == winners[0]


async def test_ensure_creates_once_and_accepts_the_same_content_only(store: objects.Objects) -> None:
    assert await store.ensure("a", b"content") is True
    assert await store.ensure("a", b"content") is False
    for other in (b"", b"contenT", b"content and more", b"con"):
        with pytest.raises(objects.ObjectExists):
            await store.ensure("a", other)


@pytest.mark.parametrize("size", [0, 1, 3 * 2**20])
async def test_sizes_from_nothing_to_many_chunks(store: objects.Objects, size: int) -> None:
    content = os.urandom(size)
    await store.put("a", content)
    download = await store.get("a")
    assert download.info.size_bytes == size
    chunks = [chunk async for chunk in download.chunks]
    assert b"".join(chunks) == content
    assert all(type(chunk) is bytes for chunk in chunks)


async def test_reading_is_bounded_before_the_first_byte(store: objects.Objects) -> None:
    await store.put("a", b"12345")
    assert await store.read("a", limit_bytes=5) == b"12345"
    with pytest.raises(objects.ObjectTooLarge):
        await store.get("a", limit_bytes=4)


async def test_a_missing_object_is_missing(store: objects.Objects) -> None:
    with pytest.raises(objects.ObjectMissing):
        await store.get("nothing/here")
    with pytest.raises(objects.ObjectMissing) as caught:
        await store.head("nothing/here")
    assert retry.classify(caught.value) is retry.Outcome.PERMANENT


async def test_deleting_twice_is_deleting_once(store: objects.Objects) -> None:
    await store.put("a/b", b"1")
    await store.delete("a/b")
    await store.delete("a/b")
    with pytest.raises(objects.ObjectMissing):
        await store.head("a/b")
    await store.put("a/b", b"2")
    assert await store.read("a/b") == b"2"


async def test_listing_names_what_is_below_a_folder(store: objects.Objects) -> None:
    for key in ("receipts/1", "receipts/2", "receipts/deep/3", "receipts-old/4", "invoices/5"):
        await store.put(key, b"x")
    assert await keys(store, "receipts") == {"receipts/1", "receipts/2", "receipts/deep/3"}
    assert await keys(store) == {"receipts/1", "receipts/2", "receipts/deep/3", "receipts-old/4", "invoices/5"}
    assert await keys(store, "nothing") == set()
    assert len(await keys(store, at_most=2)) == 2
    assert await keys(store, at_most=0) == set()


async def test_an_organization_sees_its_own_alone(store: objects.Objects) -> None:
    ours, theirs = store.of_organization(ORGANIZATION), store.of_organization(OTHER)
    await ours.put("receipts/1", b"ours")
    await theirs.put("receipts/1", b"theirs")
    assert await ours.read("receipts/1") == b"ours"
    assert await keys(ours) == {"receipts/1"}
    assert await keys(ours, "receipts") == {"receipts/1"}
    assert f"organizations/{ORGANIZATION}/receipts/1" in await keys(store)
    await ours.delete("receipts/1")
    assert await keys(theirs) == {"receipts/1"}


KEYS = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    "..",
    "../a",
    "a/../b",
    "a/..",
    ".",
    "a/./b",
    ".hidden",
    "a/.hidden",
    "-a",
    "a\\b",
    "a b",
    "a\nb",
    "a\0b",
    "%2e%2e/a",
    "a%2fb",
    "a?b",
    "a#b",
    "ü",
    "a" * 129,
    "/".join(["a"] * 300),
    "~root",
    "C:a",
]


@pytest.mark.parametrize("key", KEYS, ids=ascii)
async def test_a_key_that_could_be_read_as_something_else_is_refused(store: objects.Objects, key: str) -> None:
    narrowed = store.of_organization(ORGANIZATION)
    with pytest.raises(objects.ObjectKeyInvalid):
        await narrowed.put(key, b"x")
    with pytest.raises(objects.ObjectKeyInvalid):
        await narrowed.get(key)
    with pytest.raises(objects.ObjectKeyInvalid):
        await narrowed.head(key)
    with pytest.raises(objects.ObjectKeyInvalid):
        await narrowed.delete(key)
    if key:
        with pytest.raises(objects.ObjectKeyInvalid):
            await keys(narrowed, key)
    assert await keys(store) == set()


async def test_more_than_one_request_takes_is_refused(store: objects.Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "OBJECT_BYTES_MAX", 3)
    with pytest.raises(objects.ObjectTooLarge):
        await store.put("a", b"1234")
    await store.put("a", b"123")


async def test_a_local_folder_is_closed_to_others(tmp_path: Path) -> None:
    store = objects.connect((tmp_path / "new" / "objects").as_uri())
    await store.put("a/b", b"x")
    assert stat.S_IMODE((tmp_path / "new" / "objects").stat().st_mode) == 0o700
    assert (tmp_path / "new" / "objects" / "a" / "b").read_bytes() == b"x"


async def test_a_local_folder_that_can_not_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(objects.ObjectsAddressInvalid, match="can't be opened"):
        objects.connect((tmp_path / "file" / "objects").as_uri())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "objects",
        "/var/objects",
        "file://",
        "file:///",
        "file://host/objects",
        "file:objects",
        "file:///objects?x=1",
        "s3://",
        "s3:///prefix",
        "s3://key:hunter2@bucket",
        "s3://bucket?secret=hunter2",
        "s3://bucket?endpoint",
        "s3://bucket#x",
        "http://example.com/",
        "gs://bucket",
        "memory:///",
        "s3://[",
    ],
)
def test_an_address_of_another_kind_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(objects.ObjectsAddressInvalid) as caught:
        objects.connect(url)
    assert "hunter2" not in str(caught.value)


async def test_a_bucket_that_does_not_exist_is_a_fault(s3_endpoint: str, credentials: None) -> None:
    store = objects.connect(f"s3://bucket-{uuid4()}?endpoint={s3_endpoint}&region=us-east-1")
    with pytest.raises(objects.ObjectFault):
        await store.put("a", b"x")


@pytest.mark.parametrize(
    "status, fault, outcome",
    [
        (403, objects.ObjectsRefused, retry.Outcome.PERMANENT),
        (401, objects.ObjectsRefused, retry.Outcome.PERMANENT),
        (412, objects.ObjectExists, retry.Outcome.UNKNOWN),
        (409, objects.ObjectExists, retry.Outcome.UNKNOWN),
        (500, objects.ObjectsUnavailable, retry.Outcome.TRANSIENT),
        (503, objects.ObjectsUnavailable, retry.Outcome.TRANSIENT),
    ],
)
async def test_what_s3_answers_decides_whether_to_try_again(
    credentials: None, status: int, fault: type[objects.ObjectFault], outcome: retry.Outcome
) -> None:
    async with peer.running(peer.always(peer.answer(status, b"<Error/>", content_type="application/xml"))) as server:
        store = objects.connect(f"s3://bucket?endpoint={server.url}&region=us-east-1")
        with pytest.raises(objects.ObjectFault) as caught:
            await store.put("a", b"x")
    assert type(caught.value) is fault
    assert retry.classify(caught.value) is outcome
    assert server.requests[0].headers["if-none-match"] == "*"  # the create is conditional on the wire


async def test_an_s3_that_is_away_is_transient(credentials: None) -> None:
    async with peer.running(peer.always(peer.answer())) as server:
        pass
    store = objects.connect(f"s3://bucket?endpoint={server.url}&region=us-east-1")
    with pytest.raises(objects.ObjectsUnavailable):
        await store.read("a")


async def test_an_s3_without_tls_needs_to_be_written_out(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer.running(peer.always(peer.answer())) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.delenv("AWS_ALLOW_HTTP", raising=False)
        with pytest.raises(objects.ObjectFault):
            await objects.connect("s3://bucket?region=us-east-1").read("a")
    assert server.requests == []
