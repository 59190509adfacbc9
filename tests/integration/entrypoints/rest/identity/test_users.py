"""Users: signing up, confirming, a new password. What is answered never tells whether an address is a user's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from carbonledger.domains.identity.service import users
from carbonledger.infra import clock
from tests.integration.entrypoints.rest.identity.conftest import COOKIE, OWNER, PASSWORD, Installation, Opener

NEW = {"email": "cleo@example.com", "name": "Cleo", "password": PASSWORD, "organization_name": "Cleo & Co"}


async def sign_up(ledger: Installation, **changed: Any) -> tuple[int, dict[str, Any]]:
    answer = await ledger.client().post("/v1/auth/sign-up", json={**NEW, **changed})
    document = answer.json()
    document.pop("request_id", None)
    return answer.status_code, document


async def test_signing_up_makes_a_person_and_an_organization_that_work_once_the_address_is_confirmed(install: Opener) -> None:
    ledger = await install(sign_up="open")
    assert await sign_up(ledger, time_zone="Europe/Berlin", currency="EUR") == (202, {"status": "accepted"})
    browser = ledger.browser()
    answer = await browser.sign_in(NEW["email"])
    assert (answer.status_code, answer.json()["code"]) == (403, "email_unverified")
    await ledger.run_jobs()
    token = ledger.mailbox.token(NEW["email"])
    assert (await ledger.client().post("/v1/auth/verify-email", json={"token": token})).status_code == 204
    assert (await browser.sign_in(NEW["email"])).status_code == 200
    organization = (await browser.send("GET", "/v1/organizations/me")).json()
    assert (organization["name"], organization["tier"]) == ("Cleo & Co", "free")
    assert (organization["time_zone"], organization["currency"]) == ("Europe/Berlin", "EUR")
    assert (await ledger.client().post("/v1/auth/verify-email", json={"token": token})).status_code == 404  # once


async def test_an_address_that_is_a_users_gets_the_same_answer_and_a_letter_and_keeps_its_password(install: Opener) -> None:
    ledger = await install(sign_up="open")
    fresh = await sign_up(ledger)
    taken = await sign_up(ledger, email=OWNER.upper(), password="another dozen quiet otters")
    assert taken == fresh
    await ledger.run_jobs()
    [letter] = [letter for letter in ledger.mailbox.letters if letter.to == OWNER]
    assert letter.subject == "You have signed up already"
    assert (await ledger.browser().sign_in(OWNER, "another dozen quiet otters")).status_code == 401
    assert (await ledger.browser().sign_in()).status_code == 200


async def test_the_same_address_signed_up_by_many_at_once_is_one_user(install: Opener) -> None:
    ledger = await install(sign_up="open")
    answers = await asyncio.gather(*(sign_up(ledger, organization_name=f"Try {number}") for number in range(5)))
    assert answers == [(202, {"status": "accepted"})] * 5
    await ledger.run_jobs()
    assert len([letter for letter in ledger.mailbox.letters if "Confirm" in letter.subject]) == 1
    token = ledger.mailbox.token(NEW["email"])
    assert (await ledger.client().post("/v1/auth/verify-email", json={"token": token})).status_code == 204
    browser = ledger.browser()
    await browser.sign_in(NEW["email"])
    assert len((await browser.send("GET", "/v1/auth/session")).json()["organizations"]) == 1


async def test_all_that_is_wrong_with_a_sign_up_is_said_at_once(install: Opener) -> None:
    ledger = await install(sign_up="open")
    wrong = {"email": "cleo", "name": " ", "password": "short", "organization_name": "x" * 300, "time_zone": "Mars/Base", "currency": "ZZZ"}
    status, document = await sign_up(ledger, **wrong)
    assert status == 422
    pointers = [problem["pointer"] for problem in document["errors"]]
    assert pointers == ["/email", "/name", "/organization_name", "/time_zone", "/currency", "/password"]


@pytest.mark.parametrize("mode", ["invite", "off"])
async def test_where_sign_up_is_closed_nobody_signs_up(install: Opener, mode: str) -> None:
    ledger = await install(sign_up=mode)
    status, document = await sign_up(ledger)
    assert (status, document["code"]) == (403, "sign_up_closed")


async def test_without_a_mail_server_a_user_may_sign_in_at_once(install: Opener) -> None:
    ledger = await install(mailer=False, sign_up="open")
    await sign_up(ledger)
    assert (await ledger.browser().sign_in(NEW["email"])).status_code == 200
    assert await ledger.run_jobs() == 0


@pytest.mark.parametrize("path", ["/v1/auth/password-reset", "/v1/auth/verification"])
async def test_asking_for_a_link_tells_nobody_whether_the_address_is_a_users(ledger: Installation, path: str) -> None:
    answers = []
    for email in (OWNER, "nobody@example.com", "no address", "x" * 999):
        answer = await ledger.client().post(path, json={"email": email})
        answers.append((answer.status_code, answer.json(), sorted(answer.headers.keys())))
    assert answers[0][0] == 202
    assert all(one == answers[0] for one in answers)
    await ledger.run_jobs()
    assert [letter.to for letter in ledger.mailbox.letters] == ([OWNER] if path.endswith("reset") else [])  # Ann's is confirmed


async def test_a_reset_link_sets_a_password_once_and_ends_all_sessions(ledger: Installation) -> None:
    signed_in = ledger.browser()
    await signed_in.sign_in()
    await ledger.client().post("/v1/auth/password-reset", json={"email": OWNER})
    await ledger.run_jobs()
    token = ledger.mailbox.token(OWNER)
    client = ledger.client()
    weak = await client.post("/v1/auth/password-reset/confirm", json={"token": token, "password": "password1234"})
    assert (weak.status_code, weak.json()["errors"][0]["code"]) == (422, "too_common")  # and the link is still good
    new = "another dozen quiet otters"
    assert (await client.post("/v1/auth/password-reset/confirm", json={"token": token, "password": new})).status_code == 204
    assert (await signed_in.send("GET", "/v1/auth/session")).status_code == 401
    assert (await ledger.browser().sign_in()).status_code == 401
    assert (await ledger.browser().sign_in(OWNER, new)).status_code == 200
    again = await client.post("/v1/auth/password-reset/confirm", json={"token": token, "password": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (404, "link_unusable")


async def test_a_newer_link_ends_the_older_one(ledger: Installation) -> None:
    tokens = []
    for _ in range(2):
        await ledger.client().post("/v1/auth/password-reset", json={"email": OWNER})
        await ledger.run_jobs()
        tokens.append(ledger.mailbox.token(OWNER))
    answers = [
        (await ledger.client().post("/v1/auth/password-reset/confirm", json={"token": token, "password": PASSWORD})).status_code
        for token in tokens
    ]
    assert answers == [404, 204]


async def test_one_reset_link_used_twice_at_once_sets_one_password(ledger: Installation) -> None:
    async with ledger.services.database.transaction() as uow:
        token = await users.reset_link(uow, at=clock.now(), email=OWNER)
    tries = [f"quiet otters number {number}" for number in range(4)]
    answers = await asyncio.gather(
        *(ledger.client().post("/v1/auth/password-reset/confirm", json={"token": token, "password": one}) for one in tries)
    )
    assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404]
    right = [one for one, answer in zip(tries, answers, strict=True) if answer.status_code == 204]
    assert (await ledger.browser().sign_in(OWNER, right[0])).status_code == 200


async def test_a_reset_lifts_the_wait_of_a_person_who_was_locked_out(ledger: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    at = clock.now()
    monkeypatch.setattr(clock, "now", lambda: at)  # the wait, of seconds, does not end meanwhile
    for _ in range(6):
        await ledger.browser().sign_in(OWNER, "wrong password 1")
    assert (await ledger.browser().sign_in()).status_code == 429
    async with ledger.services.database.transaction() as uow:
        token = await users.reset_link(uow, at=clock.now(), email=OWNER)
    await ledger.client().post("/v1/auth/password-reset/confirm", json={"token": token, "password": PASSWORD})
    assert (await ledger.browser().sign_in()).status_code == 200


async def test_changing_the_password_needs_the_present_one_and_ends_the_other_sessions(ledger: Installation) -> None:
    here, there = ledger.browser(), ledger.browser()
    await here.sign_in()
    await there.sign_in()
    new = "another dozen quiet otters"
    for wrong in ({}, {"current_password": "wrong password 1"}):
        assert (await here.send("PUT", "/v1/auth/password", json={"password": new, **wrong})).status_code == 401
    answer = await here.send("PUT", "/v1/auth/password", json={"password": new, "current_password": PASSWORD})
    assert answer.status_code == 204
    assert (await here.send("GET", "/v1/auth/session")).status_code == 200
    assert (await there.send("GET", "/v1/auth/session")).status_code == 401


async def test_no_letter_and_no_job_holds_a_token_that_the_database_could_give_away(ledger: Installation) -> None:
    await ledger.client().post("/v1/auth/password-reset", json={"email": OWNER})
    await ledger.run_jobs()
    token = ledger.mailbox.token(OWNER)
    async with ledger.services.database.transaction(ledger.house_id) as uow:
        kept = await uow.conn.fetch(
            "SELECT j::text FROM jobs j UNION ALL SELECT s::text FROM job_steps s UNION ALL SELECT e::text FROM events e"
        )
    assert kept
    assert not [row for row in kept if token in row[0] or OWNER in row[0]]


async def test_a_session_is_of_no_use_after_its_person_left_the_organization(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    ben = await ledger.join(client, "ben@example.com", role="viewer")
    cookie = ben.client.cookies[COOKIE]
    user_id = (await ben.send("GET", "/v1/auth/me")).json()["id"]
    assert (await client.delete(f"/v1/members/{user_id}")).status_code == 204
    answer = await ledger.client().get("/v1/organizations/me", headers={"cookie": f"{COOKIE}={cookie}"})
    assert answer.status_code == 401


async def test_a_stranger_who_asks_again_and_again_fills_nobodys_mailbox(ledger: Installation) -> None:
    for _ in range(20):
        assert (await ledger.client().post("/v1/auth/password-reset", json={"email": OWNER})).status_code == 202
    await ledger.run_jobs()
    assert len(ledger.mailbox.letters) == 3
