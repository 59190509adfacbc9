"""Erasure: of a person nothing is left but an id, in no table and no column."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from carbonledger.domains.identity.service import callers, erasure
from carbonledger.infra import clock
from tests import conftest
from tests.integration.entrypoints.rest.identity.conftest import COOKIE, OWNER, PASSWORD, Browser, Installation, Opener

EMAIL, NAME = "zebulon.quatermain@example.com", "Zebulon Quatermain"


async def columns_with(database: conftest.TestDatabase, *words: str) -> list[str]:
    """Look for the words in every column of every table that can hold text, and in bytes too."""
    conn = await asyncpg.connect(database.superuser)
    try:
        tables = await conn.fetch(
            "SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        )
        found = []
        for table in tables:
            for word in words:
                pattern, in_bytes = f"%{word}%", f"%{word.encode().hex()}%"
                row = await conn.fetchval(
                    f"SELECT t::text FROM {table['name']} t WHERE t::text ILIKE $1 OR t::text ILIKE $2 LIMIT 1", pattern, in_bytes
                )
                if row is not None:
                    found.append(f"{table['name']}: {row}")
        return found
    finally:
        await conn.close()


async def a_busy_person(ledger: Installation) -> tuple[dict[str, Any], Browser, str]:
    """Somebody who left traces wherever one can: sign-ins, wrong passwords, links, keys, invitations, a profile."""
    made, client = await ledger.open_organization()
    browser = await ledger.join(client, EMAIL, role="admin")
    await browser.send("PATCH", "/v1/auth/me", json={"name": NAME, "locale": "en"})
    await browser.send("POST", "/v1/api-keys", json={"label": "mine", "scopes": ["members:read"]}, headers={"idempotency-key": "a"})
    await ledger.client(made["first_key"]["secret"]).post(
        "/v1/invitations", json={"email": "someone.else@example.com", "role": "viewer"}, headers={"idempotency-key": "b"}
    )
    await ledger.browser().sign_in(EMAIL, "wrong password 1")
    await ledger.browser().sign_in(EMAIL)
    await ledger.client().post("/v1/auth/password-reset", json={"email": EMAIL})
    await ledger.run_jobs()
    _, other = await ledger.open_organization(name="Elsewhere")
    answer = await other.post("/v1/invitations", json={"email": EMAIL, "role": "viewer"}, headers={"idempotency-key": "c"})
    assert answer.status_code == 201
    await ledger.run_jobs()
    user_id: str = (await browser.send("GET", "/v1/auth/me")).json()["id"]
    return made, browser, user_id


async def test_of_an_erased_person_nothing_is_left_in_any_column(install: Opener, fresh_database: conftest.TestDatabase) -> None:
    ledger = await install()
    made, browser, user_id = await a_busy_person(ledger)
    assert await columns_with(fresh_database, EMAIL, NAME)
    cookie = browser.client.cookies[COOKIE]
    for wrong in ({}, {"password": "wrong password 1"}):
        assert (await browser.send("POST", "/v1/auth/me/erase", json=wrong)).status_code == 401
    answer = await browser.send("POST", "/v1/auth/me/erase", json={"password": PASSWORD})
    assert answer.status_code == 204
    assert await columns_with(fresh_database, EMAIL, NAME, "Quatermain") == []
    assert (await ledger.client().get("/v1/auth/me", headers={"cookie": f"{COOKIE}={cookie}"})).status_code == 401
    assert (await ledger.browser().sign_in(EMAIL)).status_code == 401
    client = ledger.client(made["first_key"]["secret"])
    assert (await client.get("/v1/members")).json()["data"] == []
    async with ledger.services.database.transaction() as uow:
        await uow.conn.execute("SELECT set_config('carbonledger.user_id', $1, true)", user_id)
        row = await uow.conn.fetchrow("SELECT * FROM users")
    assert row is not None
    assert (row["email"], row["name"], row["locale"], row["erased_at"] is not None) == (None, None, None, True)


async def test_the_trail_stays_whole_and_says_that_a_person_was_erased(ledger: Installation) -> None:
    made, browser, user_id = await a_busy_person(ledger)
    async with ledger.services.database.transaction(made["id"]) as uow:
        before = [row["id"] for row in await uow.conn.fetch("SELECT id FROM events ORDER BY id")]
    await browser.send("POST", "/v1/auth/me/erase", json={"password": PASSWORD})
    async with ledger.services.database.transaction(made["id"]) as uow:
        rows = await uow.conn.fetch("SELECT * FROM events ORDER BY id")
    assert [row["id"] for row in rows[: len(before)]] == before
    assert [row["action"] for row in rows[len(before) :]] == ["member.removed", "member.erased"]
    assert {row["target_id"] for row in rows[len(before) :]} == {user_id}


async def test_the_address_may_begin_anew_after_an_erasure(install: Opener) -> None:
    ledger = await install(sign_up="open")
    _, browser, user_id = await a_busy_person(ledger)
    await browser.send("POST", "/v1/auth/me/erase", json={"password": PASSWORD})
    body = {"email": EMAIL, "name": "Zeb", "password": PASSWORD, "organization_name": "New"}
    assert (await ledger.client().post("/v1/auth/sign-up", json=body)).status_code == 202
    await ledger.run_jobs()
    token = ledger.mailbox.token(EMAIL)
    assert (await ledger.client().post("/v1/auth/verify-email", json={"token": token})).status_code == 204
    anew = ledger.browser()
    assert (await anew.sign_in(EMAIL)).json()["user_id"] != user_id


async def test_an_organization_erases_a_member_of_its_own_only(ledger: Installation) -> None:
    made, browser, user_id = await a_busy_person(ledger)
    client = ledger.client(made["first_key"]["secret"])
    _, other = await ledger.open_organization(name="Second home")
    await ledger.run_jobs()
    assert (await other.post("/v1/invitations", json={"email": EMAIL, "role": "viewer"})).status_code == 201
    await ledger.run_jobs()
    assert (await browser.send("POST", "/v1/invitations/accept", json={"token": ledger.mailbox.token(EMAIL)})).status_code == 204
    refused = await client.post(f"/v1/members/{user_id}/erase")
    assert (refused.status_code, refused.json()["code"]) == (409, "member_elsewhere")
    assert (await other.delete(f"/v1/members/{user_id}")).status_code == 204
    assert (await client.post(f"/v1/members/{user_id}/erase")).status_code == 204
    assert (await client.post(f"/v1/members/{user_id}/erase")).status_code == 404


async def test_the_last_owner_is_not_erased_by_themselves_but_by_the_operator(ledger: Installation) -> None:
    browser = ledger.browser()
    await browser.sign_in()
    answer = await browser.send("POST", "/v1/auth/me/erase", json={"password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")
    assert (await ledger.browser().sign_in(OWNER)).status_code == 200
    async with ledger.services.database.transaction() as uow:
        await erasure.erase(uow, actor=callers.operator_actor(None), at=clock.now(), user_id=ledger.owner_id)
    assert (await ledger.browser().sign_in(OWNER)).status_code == 401


@pytest.mark.parametrize("role", ["viewer", "billing"])
async def test_lesser_roles_erase_nobody(ledger: Installation, role: str) -> None:
    _, client = await ledger.open_organization()
    lesser = await ledger.join(client, "ben@example.com", role=role)
    victim = await ledger.join(client, "cleo@example.com", role="viewer")
    user_id = (await victim.send("GET", "/v1/auth/me")).json()["id"]
    assert (await lesser.send("POST", f"/v1/members/{user_id}/erase")).status_code == 403
