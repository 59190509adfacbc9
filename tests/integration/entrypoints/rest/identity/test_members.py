"""Members and invitations: who may make whom what, and what happens when two do it at once."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from tests.integration.entrypoints.rest.identity.conftest import OWNER, PASSWORD, Browser, Installation, Opener


async def user_id(browser: Browser) -> str:
    found: str = (await browser.send("GET", "/v1/auth/me")).json()["id"]
    return found


async def test_an_invited_person_becomes_a_user_whose_address_is_confirmed(ledger: Installation) -> None:
    made, client = await ledger.open_organization(name="Example Ltd")
    answer = await client.post("/v1/invitations", json={"email": "Ben@Example.com", "role": "billing"})
    assert answer.status_code == 201
    assert answer.json()["link"] is None  # it went by mail
    await ledger.run_jobs()
    token = ledger.mailbox.token("ben@example.com")
    offer = await ledger.client().post("/v1/invitations/offer", json={"token": token})
    assert offer.json()["organization_name"] == "Example Ltd"
    browser = ledger.browser()
    body = {"token": token, "name": "Ben", "password": PASSWORD}
    joined = await browser.send("POST", "/v1/invitations/accept-as-new", json=body)
    assert joined.status_code == 201
    assert joined.json()["organization"] == {
        "organization_id": made["id"],
        "name": "Example Ltd",
        "role": "billing",
        "is_house": False,
        "is_sandbox": False,
    }
    assert (await browser.send("GET", "/v1/auth/me")).json()["email_verified"] is True
    [invitation] = (await client.get("/v1/invitations")).json()["data"]
    assert (invitation["state"], invitation["email"]) == ("accepted", None)
    again = await ledger.browser().send("POST", "/v1/invitations/accept-as-new", json=body)
    assert (again.status_code, again.json()["code"]) == (404, "link_unusable")


async def test_without_a_mail_server_the_inviter_gets_the_link_once(install: Opener) -> None:
    ledger = await install(mailer=False)
    _, client = await ledger.open_organization()
    made = (await client.post("/v1/invitations", json={"email": "ben@example.com", "role": "viewer"})).json()
    assert made["link"].startswith("http://ledger.test/accept-invitation?token=")
    token = made["link"].partition("?token=")[2]
    assert token not in (await client.get("/v1/invitations")).text
    assert "link" not in (await client.get(f"/v1/invitations/{made['id']}")).json()
    answer = await ledger.client().post("/v1/invitations/accept-as-new", json={"token": token, "name": "Ben", "password": PASSWORD})
    assert answer.status_code == 201


async def test_a_user_accepts_only_when_signed_in(ledger: Installation) -> None:
    _, ben = await ledger.new_member("ben@example.com")
    _, client = await ledger.open_organization(name="Second")
    await client.post("/v1/invitations", json={"email": "ben@example.com", "role": "admin"})
    await ledger.run_jobs()
    token = ledger.mailbox.token("ben@example.com")
    stranger = await ledger.client().post("/v1/invitations/accept-as-new", json={"token": token, "name": "Eve", "password": PASSWORD})
    assert (stranger.status_code, stranger.json()["code"]) == (409, "user_exists")
    _, other = await ledger.new_member("cleo@example.com")
    refused = await other.send("POST", "/v1/invitations/accept", json={"token": token})
    assert (refused.status_code, refused.json()["code"]) == (403, "address_differs")
    assert (await ben.send("POST", "/v1/invitations/accept", json={"token": token})).status_code == 204
    names = [one["name"] for one in (await ben.send("GET", "/v1/auth/session")).json()["organizations"]]
    assert names == ["Of ben@example.com", "Second"]


async def test_an_invitation_accepted_by_many_at_once_makes_one_member(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    await client.post("/v1/invitations", json={"email": "ben@example.com", "role": "viewer"})
    await ledger.run_jobs()
    token = ledger.mailbox.token("ben@example.com")
    body = {"token": token, "name": "Ben", "password": PASSWORD}
    answers = await asyncio.gather(*(ledger.client().post("/v1/invitations/accept-as-new", json=body) for _ in range(5)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 201
    assert set(statuses[1:]) <= {404, 409}  # used up, or the address is a user's by then
    assert len((await client.get("/v1/members")).json()["data"]) == 1


async def test_a_signed_in_person_who_accepts_twice_at_once_joins_once(ledger: Installation) -> None:
    _, ben = await ledger.new_member("ben@example.com")
    _, client = await ledger.open_organization(name="Second")
    await client.post("/v1/invitations", json={"email": "ben@example.com", "role": "viewer"})
    await ledger.run_jobs()
    token = ledger.mailbox.token("ben@example.com")
    answers = await asyncio.gather(*(ben.send("POST", "/v1/invitations/accept", json={"token": token}) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404]


async def test_a_revoked_invitation_is_of_no_use_and_makes_room_for_another(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    first = (await client.post("/v1/invitations", json={"email": "ben@example.com", "role": "viewer"})).json()
    again = await client.post("/v1/invitations", json={"email": "BEN@example.com", "role": "viewer"})
    assert (again.status_code, again.json()["code"]) == (409, "invitation_pending")
    await ledger.run_jobs()
    token = ledger.mailbox.token("ben@example.com")
    assert (await client.delete(f"/v1/invitations/{first['id']}")).status_code == 204
    assert (await client.delete(f"/v1/invitations/{first['id']}")).status_code == 204  # nothing more to end
    answer = await ledger.client().post("/v1/invitations/offer", json={"token": token})
    assert answer.status_code == 404
    assert (await client.post("/v1/invitations", json={"email": "ben@example.com", "role": "viewer"})).status_code == 201


async def test_an_accepted_invitation_cannot_be_withdrawn(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    await ledger.join(client, "ben@example.com", role="viewer")
    [invitation] = (await client.get("/v1/invitations")).json()["data"]
    answer = await client.delete(f"/v1/invitations/{invitation['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "transition_refused")


async def test_a_member_is_not_invited_again(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    await ledger.join(client, "ben@example.com", role="viewer")
    answer = await client.post("/v1/invitations", json={"email": "ben@example.com", "role": "admin"})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_member")


async def test_where_users_are_made_by_the_operator_an_invitation_makes_none(install: Opener) -> None:
    ledger = await install(sign_up="off")
    _, client = await ledger.open_organization()
    await client.post("/v1/invitations", json={"email": "ben@example.com", "role": "viewer"})
    await ledger.run_jobs()
    body = {"token": ledger.mailbox.token("ben@example.com"), "name": "Ben", "password": PASSWORD}
    answer = await ledger.client().post("/v1/invitations/accept-as-new", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "sign_up_closed")


async def test_a_key_makes_no_owners_and_gives_no_more_than_it_holds(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    answer = await client.post("/v1/invitations", json={"email": "ben@example.com", "role": "owner"})
    assert (answer.status_code, answer.json()["code"]) == (403, "role_refused")
    few = (await client.post("/v1/api-keys", json={"label": "few", "scopes": ["members:write"]})).json()["secret"]
    answer = await ledger.client(few).post("/v1/invitations", json={"email": "ben@example.com", "role": "admin"})
    assert (answer.status_code, answer.json()["code"]) == (403, "role_refused")


@pytest.mark.parametrize("role", ["billing", "viewer"])
async def test_lesser_roles_change_nothing(ledger: Installation, role: str) -> None:
    made, client = await ledger.open_organization()
    browser = await ledger.join(client, "ben@example.com", role=role)
    own = await user_id(browser)
    for method, path, body in (
        ("POST", "/v1/invitations", {"email": "x@example.com", "role": "viewer"}),
        ("PATCH", f"/v1/members/{own}", {"role": "owner"}),
        ("PATCH", "/v1/organizations/me", {"name": "Mine"}),
        ("POST", "/v1/api-keys", {"label": "x", "scopes": ["members:read"]}),
        ("POST", "/v1/organizations", {"name": "x"}),
    ):
        assert (await browser.send(method, path, json=body)).status_code == 403, path
    assert (await browser.send("GET", "/v1/organizations/me")).json()["name"] == made["name"]


async def test_an_admin_neither_makes_nor_unmakes_owners(ledger: Installation) -> None:
    _, owner = await ledger.new_member("ben@example.com")
    answer = await owner.send("POST", "/v1/invitations", json={"email": "cleo@example.com", "role": "admin"})
    assert answer.status_code == 201
    await ledger.run_jobs()
    admin = ledger.browser()
    token = ledger.mailbox.token("cleo@example.com")
    await admin.send("POST", "/v1/invitations/accept-as-new", json={"token": token, "name": "Cleo", "password": PASSWORD})
    ben, cleo = await user_id(owner), await user_id(admin)
    for member, role in ((ben, "viewer"), (cleo, "owner")):
        answer = await admin.send("PATCH", f"/v1/members/{member}", json={"role": role})
        assert (answer.status_code, answer.json()["code"]) == (403, "role_refused")
    assert (await admin.send("DELETE", f"/v1/members/{ben}")).status_code == 403
    assert (await owner.send("PATCH", f"/v1/members/{cleo}", json={"role": "viewer"})).json()["role"] == "viewer"
    assert (await owner.send("DELETE", f"/v1/members/{cleo}")).status_code == 204


async def test_the_last_owner_stays(ledger: Installation) -> None:
    _, owner = await ledger.new_member("ben@example.com")
    own = await user_id(owner)
    for method, body in (("PATCH", {"role": "admin"}), ("DELETE", None)):
        answer = await owner.send(method, f"/v1/members/{own}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")


async def test_two_owners_who_leave_at_once_leave_one_behind(ledger: Installation) -> None:
    for round_number in range(3):
        made, first = await ledger.new_member(f"a{round_number}@example.com")
        client = ledger.client(made["first_key"]["secret"])
        second = await ledger.join(client, f"b{round_number}@example.com", role="owner")
        ids = [await user_id(browser) for browser in (first, second)]
        answers = await asyncio.gather(
            first.send("DELETE", f"/v1/members/{ids[0]}"),
            second.send("PATCH", f"/v1/members/{ids[1]}", json={"role": "viewer"}),
        )
        assert sorted(answer.status_code for answer in answers) in ([200, 409], [204, 409])
        owners = [one for one in (await client.get("/v1/members")).json()["data"] if one["role"] == "owner"]
        assert len(owners) == 1


async def test_anybody_may_leave(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    viewer = await ledger.join(client, "ben@example.com", role="viewer")
    assert (await viewer.send("DELETE", f"/v1/members/{await user_id(viewer)}")).status_code == 204
    assert (await client.get("/v1/members")).json()["data"] == []


async def test_members_are_listed_page_by_page_each_once(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    for number in range(5):
        await ledger.join(client, f"m{number}@example.com", role="viewer")
    seen, cursor = [], None
    while True:
        answer = (await client.get("/v1/members", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seen += [one["email"] for one in answer["data"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"m{number}@example.com" for number in range(5)]


@pytest.mark.parametrize("path", ["/v1/members", "/v1/invitations", "/v1/api-keys"])
@pytest.mark.parametrize("cursor", ["x", "W10", "WyJ4Il0", "WyJ4IiwieSJd", "WzEsMl0", "\u0000", "ü", "A" * 512])
async def test_a_cursor_that_we_did_not_give_is_a_400(ledger: Installation, path: str, cursor: str) -> None:
    _, client = await ledger.open_organization()
    assert (await client.get(path, params={"cursor": cursor})).status_code in {400, 422}


async def test_another_organizations_members_and_invitations_are_not_there(ledger: Installation) -> None:
    _, ben = await ledger.new_member("ben@example.com")
    _, client = await ledger.open_organization()
    invitation = (await ben.send("POST", "/v1/invitations", json={"email": "x@example.com", "role": "viewer"})).json()["id"]
    member = await user_id(ben)
    for target in (member, str(uuid4())):
        for method, path, body in (
            ("GET", f"/v1/members/{target}", None),
            ("PATCH", f"/v1/members/{target}", {"role": "viewer"}),
            ("DELETE", f"/v1/members/{target}", None),
            ("POST", f"/v1/members/{target}/erase", None),
        ):
            answer = await client.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, "member_unknown"), path
    for target in (invitation, str(uuid4())):
        for method in ("GET", "DELETE"):
            answer = await client.request(method, f"/v1/invitations/{target}")
            assert (answer.status_code, answer.json()["code"]) == (404, "invitation_unknown")
    assert (await ben.send("GET", f"/v1/members/{member}")).status_code == 200


async def test_inviting_tells_nothing_about_users_elsewhere(ledger: Installation) -> None:
    _, client = await ledger.open_organization()
    answers = [(await client.post("/v1/invitations", json={"email": email, "role": "viewer"})) for email in (OWNER, "nobody@example.com")]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert {frozenset(answer.json()) for answer in answers} == {frozenset(answers[0].json())}
