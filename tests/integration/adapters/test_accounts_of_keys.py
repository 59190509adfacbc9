"""Whose key it is, as far as a provider tells: an id that may be kept, or nothing, which makes the key no worse."""

from __future__ import annotations

import asyncio

import pytest

from carbonledger.domains.connections import types
from tests.integration.adapters import test_connectors as kit
from tests.integration.infra.http import peer

ME = "/v1/organizations/me"
USED = kit.stated({"data": [], "has_more": False, "next_page": None})
HEADER = "openai-organization"


def anthropic_peer(me: bytes, *, hang_up: bool = False) -> peer.Script:
    """A report that may be read, and what stands at the organization's address."""

    async def script(request: peer.Request, writer: asyncio.StreamWriter) -> None:
        is_me = request.target == ME
        writer.write(me if is_me else USED)
        if is_me and hang_up:
            await writer.drain()
            writer.close()

    return script


async def of_anthropic(me: bytes, *, hang_up: bool = False) -> types.KeyCheck:
    async with peer.running(anthropic_peer(me, hang_up=hang_up)) as server, kit.client(server) as way:
        return await kit.MAKERS["anthropic"](way).validate(kit.KEY, now=kit.NOW)


async def of_openai(raw: bytes) -> tuple[types.KeyCheck, int]:
    async with peer.running(peer.always(raw)) as server, kit.client(server) as way:
        return await kit.MAKERS["openai"](way).validate(kit.KEY, now=kit.NOW), len(server.requests)


def named(name: bytes) -> bytes:
    """Return a page of OpenAI's usage whose header names this organization."""
    return USED.replace(b"content-type:", HEADER.encode() + b": " + name + b"\r\ncontent-type:", 1)


async def test_anthropic_tells_the_organization_of_an_admin_key() -> None:
    document = {"id": "12345678-1234-5678-1234-567812345678", "type": "organization", "name": "Organization Name"}
    async with peer.running(anthropic_peer(kit.stated(document))) as server, kit.client(server) as way:
        check = await kit.MAKERS["anthropic"](way).validate(kit.KEY, now=kit.NOW)
    assert check.account == document["id"]
    assert [request.target.partition("?")[0] for request in server.requests] == ["/v1/organizations/usage_report/messages", ME]
    assert server.requests[1].headers["x-api-key"] == kit.SECRET


@pytest.mark.parametrize("status", [400, 403, 404, 405, 304])
async def test_a_key_that_may_read_usage_and_not_its_organization_is_taken(status: int) -> None:
    check = await of_anthropic(peer.answer(status, b'{"type": "error"}'))
    assert (check.account, check.streams) == (None, ("messages", "costs"))


@pytest.mark.parametrize(
    "document", [[], {}, {"id": None}, {"id": 7}, {"id": ""}, {"id": " x"}, {"id": "x" * 201}, {"id": "a\u0000b"}, {"id": {"id": "x"}}]
)
async def test_an_organization_in_another_form_is_not_told(document: object) -> None:
    assert (await of_anthropic(kit.stated(document))).account is None


@pytest.mark.parametrize("raw", [peer.answer(body=b"<html>"), peer.answer(body=b"{}", content_type="text/html"), peer.answer(body=b"\xff")])
async def test_what_is_no_document_tells_no_organization(raw: bytes) -> None:
    assert (await of_anthropic(raw)).account is None


async def test_the_longest_id_that_is_kept() -> None:
    assert (await of_anthropic(kit.stated({"id": "x" * 200}))).account == "x" * 200


@pytest.mark.parametrize(
    "raw, fault",
    [
        (peer.answer(401), types.KeyRefused),  # about the key as a whole: it was revoked in this moment
        (peer.answer(429, retry_after="30"), types.ProviderLimited),
        (peer.answer(408), types.ProviderUnavailable),
        (peer.answer(500), types.ProviderUnavailable),
        (peer.answer(503), types.ProviderUnavailable),
        (b"", types.ProviderUnavailable),
    ],
)
async def test_what_passes_is_no_answer_to_whose_key_it_is(raw: bytes, fault: type[types.ProviderFault]) -> None:
    with pytest.raises(types.ProviderFault) as caught:
        await of_anthropic(raw, hang_up=True)
    assert type(caught.value) is fault


async def test_openai_tells_the_organization_beside_the_usage_without_another_request() -> None:
    check, asked = await of_openai(named(b"org-4f7c2a9b1e"))
    assert (check.account, asked) == ("org-4f7c2a9b1e", 1)


@pytest.mark.parametrize(
    "raw", [USED, named(b""), named(b"x" * 201), named(b"a\xadb"), named(b"a\tb")], ids=["none", "empty", "long", "hyphen", "tab"]
)
async def test_a_header_that_is_no_name_tells_no_organization(raw: bytes) -> None:
    check, _ = await of_openai(raw)
    assert check.account is None
    assert check.streams


async def test_openrouter_tells_no_account_though_it_names_who_made_the_key() -> None:
    document = {"data": {"is_management_key": True, "creator_user_id": "user_1", **kit.result()["data"]}}
    async with peer.running(peer.always(kit.stated(document))) as server, kit.client(server) as way:
        assert (await kit.MAKERS["openrouter"](way).validate(kit.KEY, now=kit.NOW)).account is None
