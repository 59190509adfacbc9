"""Printed and mailed links, without a script: opening one uses nothing up, the form does, and the token stays nowhere."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

import httpx2
import pytest

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import links
from carbonledger.infra import clock
from tests.integration.entrypoints.rest.identity import conftest as kit
from tests.integration.entrypoints.web.conftest import Person

NEW = "another dozen quiet otters"
_CSRF: Final = re.compile(r'name="csrf_token" value="([^"]+)"')
PAGES = ("/sign-in", "/reset-password", "/verify-email", "/accept-invitation")


async def opened(client: httpx2.AsyncClient, path: str, token: str) -> httpx2.Response:
    """Open a link as a browser does, and return the page that it ends at."""
    first = await client.get(path, params={"token": token}, follow_redirects=False)
    assert (first.status_code, first.headers["location"]) == (303, path)
    assert first.headers["referrer-policy"] == "no-referrer"
    assert first.headers["cache-control"] == "no-store"
    return await client.get(path, follow_redirects=False)


def link(page: httpx2.Response) -> str:
    found = re.search(r'name="link" value="([0-9a-f]{16})"', page.text)
    assert found is not None, page.text
    return found[1]


async def asked(ledger: kit.Installation, path: str, email: str) -> str:
    """Ask for a link by the form of a page, and return the token that is mailed."""
    answer = await ledger.client().post(path, data={"email": email}, follow_redirects=False)
    assert answer.status_code == 303
    await ledger.run_jobs()
    return ledger.mailbox.token(email)


@pytest.mark.parametrize("path", PAGES)
async def test_the_token_goes_into_a_cookie_of_that_page_alone_and_out_of_the_address(ledger: kit.Installation, path: str) -> None:
    answer = await ledger.client().get(path, params={"token": "a" * 43}, follow_redirects=False)
    assert answer.headers["set-cookie"] == f"carbonledger_link={'a' * 43}; Path={path}; Max-Age=1800; HttpOnly; SameSite=Lax"
    assert (answer.status_code, answer.headers["location"], answer.content) == (303, path, b"")


@pytest.mark.parametrize("token", ["x", "a" * 44, "a; Path=/", "a\r\nset-cookie: b=c", "<script>"])
async def test_what_is_no_token_never_gets_into_a_cookie(ledger: kit.Installation, token: str) -> None:
    answer = await ledger.client().get("/reset-password", params={"token": token}, follow_redirects=False)
    assert answer.headers["set-cookie"] == "carbonledger_link=; Path=/reset-password; Max-Age=0; HttpOnly; SameSite=Lax"


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_without_a_link_says_how_to_get_one(ledger: kit.Installation, path: str) -> None:
    answer = await ledger.client().get(path)
    assert answer.status_code == 200
    assert "<script type" not in answer.text
    assert "JavaScript" not in answer.text


async def test_a_password_is_set_by_a_link_that_was_looked_at_before(owner: Person, ledger: kit.Installation) -> None:
    token = await asked(ledger, "/forgotten-password", "owner@example.com")
    for _ in range(3):  # a mail scanner, a preview, a person who changes their mind
        scanner = await opened(ledger.client(), "/reset-password", token)
        assert "owner@example.com" in scanner.text
    client = ledger.client()
    page = await opened(client, "/reset-password", token)
    assert token not in page.text
    short = await client.post("/reset-password", data={"link": link(page), "password": "short"})
    assert short.status_code == 422
    assert 'aria-invalid="true"' in short.text
    done = await client.post("/reset-password", data={"link": link(page), "password": NEW}, follow_redirects=False)
    assert done.headers["location"] == "/sign-in?done=password"
    assert "Max-Age=0" in done.headers["set-cookie"]
    assert (await owner.open("/")).status_code == 303, "all sessions end"
    signed_in = await client.post("/sign-in", data={"email": "owner@example.com", "password": NEW}, follow_redirects=False)
    assert signed_in.status_code == 303
    again = await opened(ledger.client(), "/reset-password", token)
    assert (again.status_code, "was used already" in again.text) == (404, True)


async def test_a_form_never_acts_on_the_link_that_another_tab_opened(owner: Person, ledger: kit.Installation) -> None:
    opened_first = await kit_invitation(ledger, owner, "ben@example.com", "viewer")
    opened_last = await kit_invitation(ledger, owner, "eve@example.com", "admin")
    client = ledger.client()
    first = await opened(client, "/accept-invitation", opened_first)
    await opened(client, "/accept-invitation", opened_last)
    given = {"link": link(first), "name": "Ben", "password": NEW}
    refused = await client.post("/accept-invitation", data=given, follow_redirects=False)
    assert (refused.status_code, "Another link was opened" in refused.text) == (409, True)
    assert NEW not in refused.text


async def test_a_form_of_another_site_uses_no_link_up(owner: Person, ledger: kit.Installation) -> None:
    token = await asked(ledger, "/forgotten-password", "owner@example.com")
    client = ledger.client()
    page = await opened(client, "/reset-password", token)
    given = {"link": link(page), "password": NEW}
    foreign = await client.post("/reset-password", data=given, headers={"sec-fetch-site": "cross-site"})
    assert foreign.status_code == 403
    assert (await client.post("/reset-password", data=given, follow_redirects=False)).status_code == 303


async def kit_invitation(ledger: kit.Installation, owner: Person, email: str, role: str) -> str:
    answer = await owner.send("/settings/people", email=email, role=role)
    assert answer.status_code == 303
    await ledger.run_jobs()
    return ledger.mailbox.token(email)


async def test_an_invitation_is_accepted_by_somebody_new(owner: Person, ledger: kit.Installation) -> None:
    token = await kit_invitation(ledger, owner, "ben@example.com", "viewer")
    client = ledger.client()
    page = await opened(client, "/accept-invitation", token)
    assert "ben@example.com" in page.text
    assert "<b>Sons" not in page.text
    wrong = await client.post("/accept-invitation", data={"link": link(page), "name": "", "password": NEW})
    assert (wrong.status_code, 'id="name-wrong"' in wrong.text) == (422, True)
    joined = await client.post("/accept-invitation", data={"link": link(page), "name": "Ben", "password": NEW}, follow_redirects=False)
    assert (joined.status_code, joined.headers["location"]) == (303, "/")
    assert "Overview" in (await client.get("/")).text


async def test_an_invitation_is_accepted_by_a_user_after_signing_in(owner: Person, ledger: kit.Installation) -> None:
    _, other = await ledger.open_organization(name="Second")
    assert (await other.post("/v1/invitations", json={"email": "owner@example.com", "role": "viewer"})).status_code == 201
    await ledger.run_jobs()
    token, client = ledger.mailbox.token("owner@example.com"), ledger.client()
    page = await opened(client, "/accept-invitation", token)
    taken = await client.post("/accept-invitation", data={"link": link(page), "name": "Ann", "password": NEW})
    assert (taken.status_code, "is a user&#39;s already" in taken.text) == (422, True)
    led = await client.get("/accept-invitation/as-member", follow_redirects=False)
    assert led.headers["location"] == "/sign-in?next=%2Faccept-invitation%2Fas-member"
    given = {"email": "owner@example.com", "password": kit.PASSWORD, "next": "/accept-invitation/as-member"}
    onward = await client.post("/sign-in", data=given, follow_redirects=False)
    assert onward.headers["location"] == "/accept-invitation/as-member"
    form = await client.get("/accept-invitation/as-member")
    assert "Second" in form.text
    found = re.search(r'name="csrf_token" value="([^"]+)"', form.text)
    assert found is not None
    forged = await client.post("/accept-invitation/as-member", data={"link": link(form)}, follow_redirects=False)
    assert forged.status_code == 403
    done = await client.post("/accept-invitation/as-member", data={"csrf_token": found[1], "link": link(form)}, follow_redirects=False)
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert "Second · Carbon Ledger</title>" in (await client.get("/")).text, "one works there at once"


async def test_an_address_is_confirmed_by_a_link_that_can_be_asked_for_again(install: kit.Opener) -> None:
    ledger = await install(sign_up="open")
    given = {"email": "new@example.com", "name": "New", "password": kit.PASSWORD, "organization_name": "New Ltd"}
    assert (await ledger.client().post("/v1/auth/sign-up", json=given)).status_code == 202
    await ledger.run_jobs()
    client = ledger.client()
    early = await client.post("/sign-in", data={"email": "new@example.com", "password": kit.PASSWORD})
    assert (early.status_code, 'href="/verify-email"' in early.text) == (422, True)
    token = await asked(ledger, "/verify-email/again", "new@example.com")
    page = await opened(client, "/verify-email", token)
    assert "new@example.com" in page.text
    done = await client.post("/verify-email", data={"link": link(page)}, follow_redirects=False)
    assert done.headers["location"] == "/sign-in?done=verified"
    assert (
        await client.post("/sign-in", data={"email": "new@example.com", "password": kit.PASSWORD}, follow_redirects=False)
    ).status_code == 303


async def test_the_same_is_said_of_any_address(ledger: kit.Installation) -> None:
    answers = []
    for email in (kit.OWNER, "nobody@example.com", "no address"):
        client = ledger.client()
        answer = await client.post("/forgotten-password", data={"email": email}, follow_redirects=False)
        answers.append((answer.status_code, answer.headers["location"]))
    assert set(answers) == {(303, "/forgotten-password?done=sent")}


async def test_the_token_is_in_no_log_line(ledger: kit.Installation, capsys: pytest.CaptureFixture[str]) -> None:
    token = "Zz9" * 14 + "Q"
    await opened(ledger.client(), "/reset-password", token)
    await ledger.client().get("/no-such-page", params={"token": token})
    written = capsys.readouterr()
    assert token not in written.out + written.err


async def test_the_first_owner_signs_in_once_and_chooses_a_password(ledger: kit.Installation) -> None:
    _, browser = await ledger.new_member("first@example.com")
    person = Person(ledger, browser.client, browser.client)
    user = (await browser.client.get("/v1/auth/me")).json()
    async with ledger.services.database.transaction() as uow:
        token = await links.make(uow, at=clock.now(), user_id=UUID(user["id"]), purpose=types.LinkPurpose.SIGN_IN)
    client = ledger.client()
    page = await opened(client, "/sign-in", token)
    assert "Sign in with the link" in page.text
    done = await client.post("/sign-in/link", data={"link": link(page)}, follow_redirects=False)
    assert done.headers["location"] == "/sign-in/password"
    assert ">Choose a password</h1>" in (await client.get("/sign-in/password")).text
    # Whoever has a password proves it where it is changed: a link that was lost changes none.
    form = _CSRF.search((await client.get("/sign-in/password")).text)
    assert form is not None
    kept = await client.post("/sign-in/password", data={"csrf_token": form[1], "password": NEW}, follow_redirects=False)
    assert kept.headers["location"] == "/settings/you"
    assert (await person.open("/")).status_code == 200
    used = await opened(ledger.client(), "/sign-in", token)
    assert (used.status_code, "was used already" in used.text) == (200, True)
    assert 'name="password"' in used.text
