"""What forms do: for who may, with the session's token, with all that is wrong beside its field, and never from elsewhere."""

from __future__ import annotations

import re

import pytest

from carbonledger.entrypoints.web import csrf
from tests.integration.entrypoints.rest.identity import conftest as kit
from tests.integration.entrypoints.web import usage
from tests.integration.entrypoints.web.conftest import Person

ACTS = ("/connections/new", "/projects", "/settings", "/settings/people", "/settings/keys")


@pytest.mark.parametrize("token", ["", "nonsense", csrf.masked("A" * 43)])
async def test_a_form_without_the_sessions_token_does_nothing(owner: Person, token: str) -> None:
    answer = await owner.send("/projects", token=token, name="Forged")
    assert answer.status_code == 403
    assert "What you had written" in answer.text
    assert "Forged" not in await owner.read("/projects")


async def test_a_form_of_another_site_does_nothing(owner: Person) -> None:
    answer = await owner.send("/projects", headers={"sec-fetch-site": "cross-site"}, name="Forged")
    assert answer.status_code == 403
    assert "Forged" not in await owner.read("/projects")
    foreign = await owner.client.post("/sign-in", data={"email": "a@b.c", "password": "x"}, headers={"sec-fetch-site": "cross-site"})
    assert foreign.status_code == 403


@pytest.mark.parametrize("path", ACTS)
async def test_a_viewer_cannot_act_by_hand_either(viewer: Person, path: str) -> None:
    answer = await viewer.send(path, name="Mine", email="x@example.com", role="owner", label="mine", purpose="all")
    assert answer.status_code == 403


async def test_a_form_that_comes_after_its_session_is_not_lost(owner: Person) -> None:
    token = await owner.token()
    await owner.send("/sign-out")
    answer = await owner.client.post("/projects", data={"csrf_token": token, "page": "/projects", "name": "Long thought about"})
    assert answer.status_code == 401
    assert "Long thought about" in answer.text
    assert 'href="/sign-in?next=%2Fprojects"' in answer.text
    assert token not in answer.text


async def test_signing_in_leads_back_to_where_one_was_going_and_nowhere_else(ledger: kit.Installation) -> None:
    for onward, location in (("/projects?period=7d", "/projects?period=7d"), ("//evil.example", "/"), ("", "/")):
        client = ledger.client()
        given = {"email": kit.OWNER, "password": kit.PASSWORD, "next": onward}
        answer = await client.post("/sign-in", data=given, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, location)
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert (await client.get("/")).status_code == 200
    wrong = await ledger.client().post("/sign-in", data={"email": kit.OWNER, "password": "not this"})
    assert wrong.status_code == 422
    assert "The e-mail address or the password is wrong." in wrong.text
    assert "not this" not in wrong.text


async def test_a_project_is_made_renamed_and_archived(owner: Person) -> None:
    made = await owner.send("/projects", name="  Search  ")
    assert made.status_code == 303
    address = made.headers["location"]
    assert ">Search</h1>" in await owner.read(address)
    assert (await owner.send(address, name="Search 🌍")).headers["location"].endswith("?done=renamed")
    assert ">Search 🌍</h1>" in await owner.read(address)
    assert (await owner.send(f"{address}/archive")).status_code == 303
    assert "Search 🌍" in await owner.read("/projects?archived=yes")
    assert "Search 🌍" not in await owner.read("/projects")


@pytest.mark.parametrize("name", ["", "x" * 10_000, "🌍" * 10_000, "a\x07b"])
async def test_what_is_wrong_with_a_name_stands_beside_it_with_what_was_written(owner: Person, name: str) -> None:
    answer = await owner.send("/projects", name=name)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert 'id="name-wrong"' in answer.text
    if name.isprintable() and name:
        assert name in answer.text


async def test_a_name_that_is_taken_is_said_beside_the_field(owner: Person) -> None:
    await usage.project(owner.key, "Search")
    answer = await owner.send("/projects", name="search")
    assert answer.status_code == 409
    assert re.search(r'id="name-wrong">[^<]*already', answer.text)


async def test_settings_are_changed_and_wrong_ones_refused_beside_their_field(owner: Person) -> None:
    assert (await owner.send("/settings", name=usage.HOSTILE, time_zone="Europe/Berlin", currency="EUR")).headers[
        "location"
    ] == "/settings?done=saved"
    me = (await owner.key.get("/v1/organizations/me")).json()
    assert (me["name"], me["time_zone"], me["currency"]) == (usage.HOSTILE, "Europe/Berlin", "EUR")
    text = await owner.read("/settings?done=saved")
    assert "<script>alert" not in text
    assert "days in Europe/Berlin" in text
    wrong = await owner.send("/settings", name="", time_zone="Mars/Base", currency="XXX")
    assert wrong.status_code == 422
    assert wrong.text.count('class="wrong"') == 3


async def test_a_key_is_shown_once_and_works(owner: Person) -> None:
    answer = await owner.send("/settings/keys", label="laptop", purpose="read", lasts="30")
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    found = re.search(r'id="secret">(cl_live_\w+)<', answer.text)
    assert found is not None
    assert found[1] not in await owner.read("/settings/keys")
    client = owner.ledger.client(found[1])
    assert (await client.get("/v1/telemetry/summary")).status_code == 200
    assert (await client.get("/v1/members")).status_code == 403
    key_id = re.search(r"/settings/keys/([0-9a-f-]{36})/revoke", await owner.read("/settings/keys"))
    assert key_id is not None
    assert (await owner.send(f"/settings/keys/{key_id[1]}/revoke")).status_code == 303
    [kept] = [one for one in (await owner.key.get("/v1/api-keys")).json()["data"] if one["label"] == "laptop"]
    assert kept["revoked_at"] is not None
    assert (await owner.send("/settings/keys", label="x" * 5_000, purpose="read")).status_code == 422


async def test_people_are_invited_change_roles_and_are_removed(owner: Person, viewer: Person) -> None:
    assert (await owner.send("/settings/people", email="new@example.com", role="admin")).headers["location"].endswith("done=invited")
    assert "new@example.com" in await owner.read("/settings/people")
    twice = await owner.send("/settings/people", email="new@example.com", role="admin")
    assert twice.status_code == 422
    members = (await owner.key.get("/v1/members")).json()["data"]
    [ben] = [one["user_id"] for one in members if one["email"] == "viewer@example.com"]
    assert (await owner.send(f"/settings/people/{ben}/role", role="admin")).status_code == 303
    assert (await viewer.open("/activity")).status_code == 200
    assert (await owner.send(f"/settings/people/{ben}/remove")).status_code == 303
    assert (await viewer.open("/")).status_code == 303
    [ann] = [one["user_id"] for one in members if one["email"] == "owner@example.com"]
    last = await owner.send(f"/settings/people/{ann}/role", role="viewer")
    assert last.status_code == 422
    assert "owner" in last.text


async def test_the_password_is_changed_only_by_who_knows_it(owner: Person) -> None:
    wrong = await owner.send("/settings/you/password", current_password="nonsense", password="another dozen quiet otters")
    assert wrong.status_code == 422
    assert "not your present password" in wrong.text
    short = await owner.send("/settings/you/password", current_password=kit.PASSWORD, password="short")
    assert short.status_code == 422
    done = await owner.send("/settings/you/password", current_password=kit.PASSWORD, password="another dozen quiet otters")
    assert done.headers["location"].endswith("done=password")


async def test_signing_out_forgets_the_cookie_and_the_session(owner: Person) -> None:
    answer = await owner.send("/sign-out")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert (await owner.open("/")).status_code == 303


async def test_a_person_of_two_organizations_works_in_one_and_then_in_the_other(owner: Person, ledger: kit.Installation) -> None:
    opened, other = await ledger.open_organization(name="Second")
    answer = await other.post("/v1/invitations", json={"email": "owner@example.com", "role": "viewer"})
    assert answer.status_code == 201
    await ledger.run_jobs()
    session = (await owner.client.get("/v1/auth/session")).json()
    body = {"token": ledger.mailbox.token("owner@example.com")}
    joined = await owner.client.post("/v1/invitations/accept", json=body, headers={"x-csrf-token": session["csrf_token"]})
    assert joined.status_code == 204, joined.text
    assert ">Second</button>" in await owner.read("/")
    assert (await owner.send("/switch", organization_id=opened["id"])).headers["location"] == "/"
    assert "Second · Carbon Ledger</title>" in await owner.read("/")
    assert (await owner.send("/switch", organization_id="01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11")).status_code == 404
