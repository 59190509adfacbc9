"""Signing in and out: what a browser gets, what a stranger learns (nothing), and what a thousand tries come to."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import links
from carbonledger.infra import clock
from tests.integration.entrypoints.rest.identity.conftest import COOKIE, KEY, OWNER, PASSWORD, Installation, Opener


async def test_a_password_opens_a_session_with_a_cookie_that_no_script_reads(ledger: Installation) -> None:
    browser = ledger.browser()
    answer = await browser.sign_in("  Ann@Example.COM ")
    assert answer.status_code == 200
    assert UUID(answer.json()["organization"]["organization_id"]) == ledger.house_id
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    token = cookie.split("=", 1)[1].split(";")[0]
    assert token not in answer.text
    present = await browser.send("GET", "/v1/auth/session")
    assert present.json()["csrf_token"] == answer.json()["csrf_token"]
    assert [one["role"] for one in present.json()["organizations"]] == ["owner"]


async def test_over_https_the_cookie_is_bound_to_the_host(install: Opener) -> None:
    ledger = await install(public_url="https://ledger.test")
    cookie = (await ledger.browser().sign_in()).headers["set-cookie"]
    assert cookie.startswith("__Host-carbonledger_session=")
    assert cookie.endswith("; Secure")


async def test_an_unknown_address_and_a_wrong_password_get_the_same_answer(ledger: Installation) -> None:
    answers = []
    for email, password in (
        (OWNER, "wrong password 1"),
        ("nobody@example.com", PASSWORD),
        ("no address", "x"),
        (OWNER, ""),
        (OWNER, "x" * 2000),
    ):
        answer = await ledger.browser().sign_in(email, password)
        assert "set-cookie" not in answer.headers
        document = answer.json()
        assert document.pop("request_id")
        answers.append((answer.status_code, document))
    assert answers[0][0] == 401
    assert answers[0][1]["code"] == "sign_in_refused"
    assert all(one == answers[0] for one in answers)


async def test_an_unknown_address_costs_the_work_of_a_hash_too(ledger: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str | None] = []
    check = ledger.services.passwords.check

    async def count(password: str, *, stored: str | None) -> bool:
        checked.append(stored)
        return await check(password, stored=stored)

    monkeypatch.setattr(ledger.services.passwords, "check", count)
    await ledger.browser().sign_in("nobody@example.com")
    await ledger.browser().sign_in(OWNER, "x" * 1025)
    assert checked == [None, None]


@pytest.mark.parametrize("email, right", [(OWNER, 200), ("nobody@example.com", 401)])
async def test_a_thousand_wrong_passwords_at_once_get_five_tries_and_then_the_right_one_waits_too(
    ledger: Installation, monkeypatch: pytest.MonkeyPatch, email: str, right: int
) -> None:
    browser = ledger.browser()
    gate = asyncio.Semaphore(20)
    at = clock.now()
    monkeypatch.setattr(clock, "now", lambda: at)

    async def guess(number: int) -> int:
        async with gate:
            return (await browser.client.post("/v1/auth/login", json={"email": email, "password": f"guess {number} of many"})).status_code

    # The instant stands still: five tries are free, then each doubles the wait, from 2 s.
    assert Counter(await asyncio.gather(*(guess(number) for number in range(1_000)))) == {401: 5, 429: 995}
    for wait_s in (2, 4, 8):
        answer = await browser.sign_in(email)
        assert (answer.status_code, answer.json()["code"]) == (429, "sign_in_limited")
        assert answer.headers["retry-after"] == str(wait_s)
        at += timedelta(seconds=wait_s)
        assert Counter(await asyncio.gather(*(guess(number) for number in range(10)))) == {401: 1, 429: 9}
    at += timedelta(seconds=15)
    assert (await browser.sign_in(email)).status_code == 429
    at += timedelta(seconds=1)
    assert (await browser.sign_in(email)).status_code == right


async def test_the_right_password_wipes_the_persons_count(ledger: Installation) -> None:
    for _ in range(3):
        for _ in range(4):
            assert (await ledger.browser().sign_in(OWNER, "wrong password 1")).status_code == 401
        assert (await ledger.browser().sign_in()).status_code == 200


async def test_a_thousand_wrong_keys_are_slowed_and_a_right_one_still_works(install: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = await install(rate_sign_in_per_min=60)
    at = clock.now()
    monkeypatch.setattr(clock, "now", lambda: at)
    client = ledger.client()
    statuses = []
    for number in range(1_000):
        answer = await client.get("/v1/organizations/me", headers={"authorization": f"Bearer cl_live_{number:040}"})
        statuses.append(answer.status_code)
    assert statuses == [401] * 60 + [429] * 940
    assert (await ledger.client(KEY).get("/v1/organizations/me")).status_code == 200


async def test_a_change_needs_the_sessions_csrf_token(ledger: Installation) -> None:
    browser, other = ledger.browser(), ledger.browser()
    await browser.sign_in()
    await other.sign_in()
    for token in (None, "", "x", other.csrf):
        headers = {} if token is None else {"x-csrf-token": token}
        answer = await browser.client.patch("/v1/auth/me", json={"name": "Eve"}, headers=headers)
        assert answer.status_code == 403, token
        assert answer.json()["code"] == "csrf_token_wrong"
    assert (await browser.send("PATCH", "/v1/auth/me", json={"name": "Ann Lee"})).json()["name"] == "Ann Lee"


async def test_signing_out_ends_the_session_at_the_server(ledger: Installation) -> None:
    browser = ledger.browser()
    await browser.sign_in()
    stolen = browser.client.cookies[COOKIE]
    answer = await browser.send("POST", "/v1/auth/logout")
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    thief = ledger.client()
    assert (await thief.get("/v1/auth/session", headers={"cookie": f"{COOKIE}={stolen}"})).status_code == 401


async def test_signing_out_everywhere_ends_all_sessions_of_the_person_and_of_nobody_else(ledger: Installation) -> None:
    first, second = ledger.browser(), ledger.browser()
    await first.sign_in()
    await second.sign_in()
    _, ben = await ledger.new_member("ben@example.com")
    assert (await first.send("DELETE", "/v1/auth/sessions")).status_code == 204
    assert (await second.send("GET", "/v1/auth/session")).status_code == 401
    assert (await ben.send("GET", "/v1/auth/session")).status_code == 200


async def test_sessions_are_listed_and_one_can_be_ended_elsewhere(ledger: Installation) -> None:
    here, there = ledger.browser(), ledger.browser()
    await there.send("POST", "/v1/auth/login", json={"email": OWNER, "password": PASSWORD}, headers={"user-agent": b"\xdcnknown\x7f/1.0"})
    await here.sign_in()
    listed = (await here.send("GET", "/v1/auth/sessions")).json()["data"]
    assert [one["is_current"] for one in listed] == [True, False]
    assert listed[1]["user_agent"].endswith("nknown?/1.0")
    assert (await here.send("DELETE", f"/v1/auth/sessions/{listed[1]['id']}")).status_code == 204
    assert (await there.send("GET", "/v1/auth/session")).status_code == 401


async def test_another_persons_session_can_be_neither_seen_nor_ended(ledger: Installation) -> None:
    ann = ledger.browser()
    await ann.sign_in()
    _, ben = await ledger.new_member("ben@example.com")
    [mine] = (await ann.send("GET", "/v1/auth/sessions")).json()["data"]
    assert mine["id"] not in (await ben.send("GET", "/v1/auth/sessions")).text
    for session_id in (mine["id"], str(uuid4())):
        answer = await ben.send("DELETE", f"/v1/auth/sessions/{session_id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "session_unknown")
    assert (await ann.send("GET", "/v1/auth/session")).status_code == 200


async def test_a_token_known_before_signing_in_is_worth_nothing_after_it(ledger: Installation) -> None:
    planted = "A" * 43
    browser = ledger.browser()
    browser.client.cookies.set(COOKIE, planted, domain="ledger.test")
    answer = await browser.sign_in()
    assert planted not in answer.headers["set-cookie"]
    assert (await ledger.client().get("/v1/auth/session", headers={"cookie": f"{COOKIE}={planted}"})).status_code == 401


async def test_switching_moves_the_session_under_a_new_token(ledger: Installation) -> None:
    made, ben = await ledger.new_member("ben@example.com")
    other, client = await ledger.open_organization(name="Other")
    answer = await client.post("/v1/invitations", json={"email": "ben@example.com", "role": "viewer"})
    await ledger.run_jobs()
    assert answer.status_code == 201
    token = ledger.mailbox.token("ben@example.com")
    assert (await ben.send("POST", "/v1/invitations/accept", json={"token": token})).status_code == 204
    before = ben.client.cookies[COOKIE]
    answer = await ben.send("PUT", "/v1/auth/session/organization", json={"organization_id": other["id"]})
    assert answer.json()["organization"]["role"] == "viewer"
    assert ben.client.cookies[COOKIE] != before
    assert (await ledger.client().get("/v1/auth/session", headers={"cookie": f"{COOKIE}={before}"})).status_code == 401
    assert (await ben.send("GET", "/v1/organizations/me")).json()["id"] == other["id"]
    assert (await ben.send("PATCH", "/v1/organizations/me", json={"name": "x"})).status_code == 403  # a viewer here
    for stranger in (str(ledger.house_id), str(uuid4())):
        answer = await ben.send("PUT", "/v1/auth/session/organization", json={"organization_id": stranger})
        assert (answer.status_code, answer.json()["code"]) == (404, "organization_unknown")
    assert (await ben.send("PUT", "/v1/auth/session/organization", json={"organization_id": made["id"]})).status_code == 200


async def test_a_key_is_no_person(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    for method, path in (("GET", "/v1/auth/session"), ("GET", "/v1/auth/me"), ("GET", "/v1/auth/sessions"), ("POST", "/v1/auth/logout")):
        answer = await client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (403, "session_only"), path


async def test_a_one_time_link_signs_in_once(ledger: Installation) -> None:
    now = clock.now()
    async with ledger.services.database.transaction() as uow:
        token = await links.make(uow, at=now, user_id=ledger.owner_id, purpose=types.LinkPurpose.SIGN_IN)
    browser = ledger.browser()
    assert (await browser.send("POST", "/v1/auth/sign-in-link", json={"token": token})).status_code == 200
    for used in (token, "x" * 43, "x", "\u0000"):
        answer = await browser.client.post("/v1/auth/sign-in-link", json={"token": used})
        assert answer.status_code in {404, 400, 422}, used


async def test_a_one_time_link_followed_twice_at_once_signs_in_once(ledger: Installation) -> None:
    async with ledger.services.database.transaction() as uow:
        token = await links.make(uow, at=clock.now(), user_id=ledger.owner_id, purpose=types.LinkPurpose.SIGN_IN)
    answers = await asyncio.gather(*(ledger.client().post("/v1/auth/sign-in-link", json={"token": token}) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404, 404]


async def test_an_outdated_hash_is_renewed_at_the_next_sign_in(ledger: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stored() -> str:
        async with ledger.services.database.transaction() as uow:
            await uow.conn.execute("SELECT set_config('carbonledger.user_id', $1, true)", str(ledger.owner_id))
            found: str = await uow.conn.fetchval("SELECT hash FROM passwords")
        return found

    before = await stored()
    monkeypatch.setattr(ledger.services.passwords, "is_outdated", lambda _: True)
    assert (await ledger.browser().sign_in()).status_code == 200
    assert await stored() != before
    assert (await ledger.browser().sign_in()).status_code == 200
