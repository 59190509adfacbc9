"""The public log over HTTP: as C2SP tlog-tiles says, for anybody, cacheable, limited by address; and proofs that verify."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from carbonledger.domains.receipts.service import log
from carbonledger.entrypoints.shared import signing
from carbonledger.infra import clock, settings
from carbonledger_proof import audit, checkpoint, keys, merkle, tiles
from tests.integration.domains.receipts import logs
from tests.integration.entrypoints.rest.identity.conftest import Installation, Opener, install, ledger

__all__ = ["install", "ledger"]  # fixtures

PREFIX = "/v1/public/log"
ORIGIN = "ledger.test/v1/public/log"
FOR_EVER = "public, max-age=31536000, immutable"


@pytest.fixture
async def anybody(ledger: Installation) -> httpx2.AsyncClient:
    """Return a client without a key, of an installation whose log has 300 leaves: two keys, and 298 lots."""
    await fill(ledger, 298)
    return ledger.client()


async def fill(ledger: Installation, count: int) -> logs.Kit:
    services = ledger.services
    await signing.ready(services, at=clock.now())
    kit = logs.Kit(services.database, ledger.house_id, services.sealer)
    await kit.append(*range(count))
    await kit.sign()
    return kit


async def the_keys(client: httpx2.AsyncClient) -> keys.KeySet:
    return keys.pinned((await client.get("/.well-known/jwks.json")).content)


async def said(client: httpx2.AsyncClient) -> checkpoint.Checkpoint:
    answer = await client.get(f"{PREFIX}/checkpoint")
    known = (await the_keys(client)).of(keys.Purpose.LOG)
    found, _ = checkpoint.verified(answer.content, origin=ORIGIN, keys=[key.public for key in known])
    return found


async def leaf_contents(client: httpx2.AsyncClient) -> list[bytes]:
    bundles = [await client.get(f"{PREFIX}/tile/{path}") for path in ("entries/000", "entries/001.p/44")]
    assert all(bundle.status_code == 200 for bundle in bundles)
    return [content for bundle in bundles for content in tiles.unpack_entries(bundle.content)]


async def test_checkpoint_keys_and_entries_are_all_that_an_auditor_needs(anybody: httpx2.AsyncClient) -> None:
    answer = await anybody.get(f"{PREFIX}/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=5"
    contents = await leaf_contents(anybody)
    found = await said(anybody)
    assert (found.size, found.root) == (300, merkle.tree_root(map(merkle.leaf_hash, contents)))
    assert audit.audit(contents, [answer.text], origin=ORIGIN, trusted_keys=await the_keys(anybody)) == []


async def test_keys_are_a_jwk_set_with_their_times(anybody: httpx2.AsyncClient) -> None:
    answer = await anybody.get("/.well-known/jwks.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert {(one["kty"], one["crv"], one["purpose"], one["exp"]) for one in answer.json()["keys"]} == {
        ("OKP", "Ed25519", "receipts", None),
        ("OKP", "Ed25519", "log", None),
    }


async def test_tiles_are_bytes_that_may_be_kept_for_ever(anybody: httpx2.AsyncClient) -> None:
    hashes = [merkle.leaf_hash(content) for content in await leaf_contents(anybody)]
    for path, wanted in {
        "0/000": b"".join(hashes[:256]),
        "0/001.p/44": b"".join(hashes[256:]),
        "0/001.p/7": b"".join(hashes[256:263]),
        "1/000.p/1": merkle.tree_root(hashes[:256]),
    }.items():
        answer = await anybody.get(f"{PREFIX}/tile/{path}")
        assert answer.content == wanted, path
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["cache-control"] == FOR_EVER


@pytest.mark.parametrize(
    "path",
    [
        *("0/001", "0/001.p/45", "0/000.p/256", "0/000.p/0", "2/000.p/1", "entries/002", "63/000"),  # not there, or not yet
        *("0/1", "0/x000/000", "00/000", "-1/000", "0/000/", "0/0%D9%A00"),  # no name of a tile
    ],
)
async def test_what_is_no_tile_or_not_yet_is_404_and_not_cached(anybody: httpx2.AsyncClient, path: str) -> None:
    answer = await anybody.get(f"{PREFIX}/tile/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "log_tile_not_found")
    assert answer.headers["cache-control"] == "no-store"


async def test_a_leaf_is_proven_by_its_index_and_by_its_hash(anybody: httpx2.AsyncClient) -> None:
    hashes = [merkle.leaf_hash(content) for content in await leaf_contents(anybody)]
    found = await said(anybody)
    for query in ({"index": "270"}, {"hash": hashes[270].hex()}):
        answer = (await anybody.get(f"{PREFIX}/proof", params=query)).json()
        path = [bytes.fromhex(one) for one in answer["path"]]
        merkle.verify_inclusion(hashes[270], index=answer["index"], size=answer["size"], proof=path, root=found.root)
        assert answer["checkpoint"] == (await anybody.get(f"{PREFIX}/checkpoint")).text
    small = await anybody.get(f"{PREFIX}/proof", params={"index": "3", "size": "8"})
    assert (small.json()["checkpoint"], len(small.json()["path"])) == (None, 3)
    assert small.headers["cache-control"] == FOR_EVER


async def test_growth_is_proven(anybody: httpx2.AsyncClient) -> None:
    hashes = [merkle.leaf_hash(content) for content in await leaf_contents(anybody)]
    answer = (await anybody.get(f"{PREFIX}/consistency", params={"old": "100", "new": "300"})).json()
    merkle.verify_consistency(
        first=100,
        second=300,
        first_root=merkle.tree_root(hashes[:100]),
        second_root=merkle.tree_root(hashes),
        proof=[bytes.fromhex(one) for one in answer["path"]],
    )


@pytest.mark.parametrize(
    "query,status,code",
    [
        ({}, 422, "log_leaf_wanted"),
        ({"index": "1", "hash": "0" * 64}, 422, "log_leaf_wanted"),
        ({"index": "300"}, 404, "log_entry_not_found"),
        ({"hash": "0" * 64}, 404, "log_entry_not_found"),
        ({"index": "1", "size": "301"}, 422, "log_size_invalid"),
        ({"index": "9", "size": "9"}, 422, "log_size_invalid"),
        ({"hash": "xyz"}, 422, "request_invalid"),
        ({"index": "9007199254740992"}, 422, "request_invalid"),
    ],
)
async def test_what_can_not_be_proven_says_why(anybody: httpx2.AsyncClient, query: dict[str, str], status: int, code: str) -> None:
    answer = await anybody.get(f"{PREFIX}/proof", params=query)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_sizes_the_wrong_way_round_are_refused(anybody: httpx2.AsyncClient) -> None:
    answer = await anybody.get(f"{PREFIX}/consistency", params={"old": "10", "new": "9"})
    assert (answer.status_code, answer.json()["code"]) == (422, "log_size_invalid")


async def test_what_is_not_signed_yet_is_not_shown(ledger: Installation) -> None:
    kit = await fill(ledger, 10)
    await kit.append(1000)
    client = ledger.client()
    assert (await client.get(f"{PREFIX}/tile/0/000.p/12")).status_code == 200
    assert (await client.get(f"{PREFIX}/tile/0/000.p/13")).status_code == 404
    assert (await client.get(f"{PREFIX}/tile/entries/000.p/13")).status_code == 404


async def test_before_anything_was_signed_there_are_no_checkpoint_and_no_keys(ledger: Installation) -> None:
    client = ledger.client()
    assert (await client.get(f"{PREFIX}/checkpoint")).json()["code"] == "log_checkpoint_not_found"
    assert (await client.get("/.well-known/jwks.json")).json() == {"keys": []}
    assert (await client.get(f"{PREFIX}/tile/0/000.p/1")).status_code == 404


async def test_an_address_may_ask_as_often_as_the_setting_says(install: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = await install(rate_public_per_min=5)
    await fill(ledger, 3)
    at = clock.now()
    monkeypatch.setattr(clock, "now", lambda: at)  # no minute ends meanwhile
    answers = [await ledger.client().get(f"{PREFIX}/tile/0/000.p/5") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert settings.Settings.model_fields["rate_public_per_min"].default == 6000


async def test_tiles_stay_right_while_the_log_grows(ledger: Installation) -> None:
    kit = await fill(ledger, 100)
    client = ledger.client()

    async def grow() -> None:
        for number in range(20):
            await kit.append(*range(1000 + 20 * number, 1020 + 20 * number))
            await kit.sign()

    async def watch() -> None:
        earlier = await said(client)
        for _ in range(20):
            found = await said(client)
            proof = (await client.get(f"{PREFIX}/consistency", params={"old": str(earlier.size), "new": str(found.size)})).json()["path"]
            merkle.verify_consistency(
                first=earlier.size,
                second=found.size,
                first_root=earlier.root,
                second_root=found.root,
                proof=[bytes.fromhex(one) for one in proof],
            )
            earlier = found

    await asyncio.gather(grow(), watch())
    async with ledger.services.database.transaction(read_only=True) as uow:
        assert (await log.latest(uow)).size == 502
