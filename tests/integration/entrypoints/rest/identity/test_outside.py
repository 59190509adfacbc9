"""Identities from outside: JWTs of a trusted issuer, and Clerk's webhook."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from joserfc import jwk, jwt

from carbonledger.adapters import jwks
from carbonledger.domains.identity import types
from carbonledger.infra import clock, http
from tests.integration.entrypoints.rest.identity.conftest import KEY, Installation, Opener

ISSUER, AUDIENCE = "https://issuer.example.com", "carbonledger"
SIGNER = jwk.ECKey.generate_key("P-256", {"kid": "one"})
SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()


async def key_set() -> bytes:
    return json.dumps({"keys": [SIGNER.as_dict(private=False)]}).encode()


async def nothing() -> bytes:
    raise http.ConnectFailed("jwks: GET issuer.example.com: no connection")


def trusted(*, is_up: bool = True) -> dict[str, Any]:
    fetch = key_set if is_up else nothing
    tokens = jwks.IssuerTokens(fetch, issuer=ISSUER, audience=AUDIENCE, algorithms=frozenset({"ES256"}))
    return {"trust": types.Trust(tokens=tokens, issuer=ISSUER, organization_claim="org_id")}


def token(**changed: Any) -> str:
    seconds = int(clock.now().timestamp())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user_1", "iat": seconds, "exp": seconds + 600, "org_role": "org:admin", **changed}
    return jwt.encode({"alg": "ES256", "kid": "one"}, {key: value for key, value in claims.items() if value is not None}, SIGNER)


async def test_a_token_works_in_the_organization_it_names_by_id_or_external_id(install: Opener) -> None:
    ledger = await install(replaced=trusted())
    made, _ = await ledger.open_organization(external_id="org_clerk_1")
    for name in (made["id"], "org_clerk_1"):
        client = ledger.client(token(org_id=name))
        assert (await client.get("/v1/organizations/me")).json()["id"] == made["id"]
        assert (await client.patch("/v1/organizations/me", json={"name": f"By {name}"})).status_code == 200
    async with ledger.services.database.transaction(UUID(made["id"])) as uow:
        rows = await uow.conn.fetch("SELECT actor_kind, actor_id FROM events WHERE action = 'organization.changed'")
    assert {row["actor_kind"] for row in rows} == {"token"}
    assert len({row["actor_id"] for row in rows}) == 1


async def test_an_organization_that_we_do_not_know_is_a_404(install: Opener) -> None:
    ledger = await install(replaced=trusted())
    for name in ("org_unknown", str(uuid4()), None):
        answer = await ledger.client(token(org_id=name)).get("/v1/organizations/me")
        assert (answer.status_code, answer.json()["code"]) == (404, "organization_unknown"), name


async def test_a_token_holds_what_its_role_holds(install: Opener) -> None:
    ledger = await install(replaced=trusted())
    made, _ = await ledger.open_organization()
    viewer = ledger.client(token(org_id=made["id"], org_role="org:member"))
    assert (await viewer.get("/v1/organizations/me")).status_code == 200
    assert (await viewer.patch("/v1/organizations/me", json={"name": "x"})).status_code == 403
    admin = ledger.client(token(org_id=made["id"]))
    assert (await admin.post("/v1/organizations", json={"name": "x"})).json()["code"] == "house_only"
    narrow = ledger.client(token(org_id=made["id"], scope="members:read"))
    assert (await narrow.get("/v1/organizations/me")).status_code == 403
    assert (await narrow.get("/v1/members")).status_code == 200


@pytest.mark.parametrize("changed", [{"exp": 1}, {"aud": "other"}, {"iss": "https://other.example.com"}, {"sub": None}])
async def test_a_token_that_is_not_valid_is_a_401(install: Opener, changed: dict[str, Any]) -> None:
    ledger = await install(replaced=trusted())
    answer = await ledger.client(token(org_id=str(ledger.house_id), **changed)).get("/v1/organizations/me")
    assert answer.status_code == 401


async def test_while_the_issuer_is_down_tokens_are_a_503_and_keys_still_work(install: Opener) -> None:
    ledger = await install(replaced=trusted(is_up=False))
    answer = await ledger.client(token(org_id=str(ledger.house_id))).get("/v1/organizations/me")
    assert (answer.status_code, answer.json()["code"]) == (503, "issuer_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert (await ledger.client(KEY).get("/v1/organizations/me")).status_code == 200


async def test_without_a_trusted_issuer_no_token_is_taken(ledger: Installation) -> None:
    answer = await ledger.client(token(org_id=str(ledger.house_id))).get("/v1/organizations/me")
    assert answer.status_code == 401


# --- Clerk


async def deliver(ledger: Installation, document: object, *, message_id: str = "msg_1", secret: str = SECRET) -> httpx2.Response:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    stamp = str(int(clock.now().timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    headers = {
        "content-type": "application/json",
        "svix-id": message_id,
        "svix-timestamp": stamp,
        "svix-signature": f"v1,{base64.b64encode(mac).decode()}",
    }
    return await ledger.client().post("/v1/auth/webhook", content=body, headers=headers)


def created(clerk_id: str = "org_2abc", name: str = "From Clerk") -> dict[str, Any]:
    return {"type": "organization.created", "object": "event", "data": {"id": clerk_id, "name": name, "slug": "x", "created_at": 1}}


async def organizations_of(ledger: Installation, external_id: str) -> int:
    async with ledger.services.database.transaction() as uow:
        found: int = await uow.conn.fetchval("SELECT count(*) FROM organization_by_claim($1)", external_id)
    return found


async def test_an_organization_made_at_clerk_is_made_here_on_the_free_tier(install: Opener) -> None:
    ledger = await install(clerk_webhook_secret=SECRET, replaced=trusted())
    answer = await deliver(ledger, created())
    assert (answer.status_code, answer.json()) == (200, {"done": True})
    own = (await ledger.client(token(org_id="org_2abc")).get("/v1/organizations/me")).json()
    assert (own["name"], own["external_id"], own["tier"], own["is_sandbox"]) == ("From Clerk", "org_2abc", "free", False)


async def test_a_message_counts_once_also_when_it_comes_twice_at_once_or_under_another_id(install: Opener) -> None:
    ledger = await install(clerk_webhook_secret=SECRET)
    answers = await asyncio.gather(*(deliver(ledger, created()) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert [answer.json()["done"] for answer in answers].count(True) == 1
    again = await deliver(ledger, created(), message_id="msg_2")
    assert (again.status_code, again.json()) == (200, {"done": False})
    assert await organizations_of(ledger, "org_2abc") == 1


@pytest.mark.parametrize("kind", ["organization.updated", "user.created", "", None, 7])
async def test_other_messages_are_taken_and_do_nothing(install: Opener, kind: object) -> None:
    ledger = await install(clerk_webhook_secret=SECRET)
    answer = await deliver(ledger, {**created(), "type": kind})
    assert (answer.status_code, answer.json()) == (200, {"done": False})
    assert await organizations_of(ledger, "org_2abc") == 0


async def test_a_bad_signature_is_a_400_and_does_nothing(install: Opener) -> None:
    ledger = await install(clerk_webhook_secret=SECRET)
    answer = await deliver(ledger, created(), secret="whsec_" + base64.b64encode(b"another secret").decode())
    assert (answer.status_code, answer.json()["code"]) == (400, "signature_refused")
    bare = await ledger.client().post("/v1/auth/webhook", json=created())
    assert (bare.status_code, bare.json()["code"]) == (400, "signature_refused")
    assert await organizations_of(ledger, "org_2abc") == 0


@pytest.mark.parametrize(
    "document, status",
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        ({"type": "organization.created"}, 422),
        ({"type": "organization.created", "data": {"id": "", "name": "x"}}, 422),
        ({"type": "organization.created", "data": {"id": "org_1", "name": "\u0007"}}, 422),
        ({"type": "organization.created", "data": {"id": "x" * 201, "name": "x"}}, 422),
    ],
)
async def test_a_signed_message_that_makes_no_sense_is_refused_and_may_come_again(install: Opener, document: object, status: int) -> None:
    ledger = await install(clerk_webhook_secret=SECRET)
    assert (await deliver(ledger, document)).status_code == status
    assert (await deliver(ledger, created())).json() == {"done": True}


async def test_without_a_secret_there_is_no_webhook(ledger: Installation) -> None:
    answer = await deliver(ledger, created())
    assert (answer.status_code, answer.json()["code"]) == (404, "webhook_off")
