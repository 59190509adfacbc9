"""A life of people and keys, with real processes: from the printed link to a team, a sandbox whose time passes, and a restart."""

from __future__ import annotations

import re
from typing import Any

import httpx2

from tests import installation, until

PASSWORD = "plenty of quiet otters"


class Person:
    """Somebody's browser: keeps the cookie and repeats the CSRF token."""

    def __init__(self, address: str, cookies: httpx2.Cookies | None = None) -> None:
        self.address = address
        self.cookies = cookies or httpx2.Cookies()
        self.csrf = ""

    def send(self, method: str, path: str, body: object = None, *, expect: int = 200) -> dict[str, Any]:
        with httpx2.Client(base_url=self.address, cookies=self.cookies, timeout=until.DEADLINE_S) as client:
            answer = client.request(method, path, json=body, headers={"x-csrf-token": self.csrf})
            self.cookies = client.cookies
        assert answer.status_code == expect, (method, path, answer.text)
        document: dict[str, Any] = answer.json() if answer.content else {}
        self.csrf = document.get("csrf_token", self.csrf)
        return document


def keyed(address: str, secret: str) -> httpx2.Client:
    return httpx2.Client(base_url=address, headers={"authorization": f"Bearer {secret}"}, timeout=until.DEADLINE_S)


def test_from_the_printed_link_to_a_team_a_sandbox_and_a_restart() -> None:
    with installation.new_home() as home:
        with installation.up(home) as running:
            token = re.search(r"/sign-in[?]token=(\w{43})", running.output)
            assert token is not None
            owner = Person(running.address)

            # The owner follows the link, once, and sets a password.
            owner.send("POST", "/v1/auth/sign-in-link", {"token": token[1]})
            Person(running.address).send("POST", "/v1/auth/sign-in-link", {"token": token[1]}, expect=404)
            owner.send("PUT", "/v1/auth/password", {"password": PASSWORD}, expect=204)
            owner.send("POST", "/v1/auth/logout", expect=204)
            owner.send("GET", "/v1/auth/me", expect=401)
            signed_in = owner.send("POST", "/v1/auth/login", {"email": "owner@localhost", "password": PASSWORD})
            assert signed_in["organization"]["is_house"]

            # They invite somebody, who joins by the link in the answer, for there is no mail server.
            invited = owner.send("POST", "/v1/invitations", {"email": "ben@example.com", "role": "admin"}, expect=201)
            ben = Person(running.address)
            newcomer = {"token": invited["link"].partition("?token=")[2], "name": "Ben", "password": PASSWORD}
            ben.send("POST", "/v1/invitations/accept-as-new", newcomer, expect=201)
            ben.send("PATCH", f"/v1/members/{signed_in['user_id']}", {"role": "viewer"}, expect=403)

            # Ben's key stops working as soon as its end has been heard of.
            made = ben.send("POST", "/v1/api-keys", {"label": "ben", "scopes": ["organization:read"]}, expect=201)
            with keyed(running.address, made["secret"]) as client:
                assert client.get("/v1/organizations/me").status_code == 200
                owner.send("DELETE", f"/v1/api-keys/{made['id']}", expect=204)
                until.holds_now(lambda: client.get("/v1/organizations/me").status_code == 401)

            # A sandbox organization lives a year in a moment, moved by the worker.
            asked = {"name": "Trial", "sandbox": True, "clock_start": "2026-01-31T00:00:00Z", "first_key": {"scopes": ["*"]}}
            trial = owner.send("POST", "/v1/organizations", asked, expect=201)
            with keyed(running.address, trial["first_key"]["secret"]) as client:
                moved = client.post("/v1/test-clock/advance", json={"to": "2027-01-31T00:00:00Z"})
                assert moved.status_code == 202
                until.holds_now(lambda: client.get(moved.json()["status_url"]).json()["state"] == "succeeded")
                assert client.get("/v1/test-clock").json() == {"clock_at": "2027-01-31T00:00:00Z", "target": None}
                back = client.post("/v1/test-clock/advance", json={"to": "2026-06-01T00:00:00Z"})
                assert (back.status_code, back.json()["code"]) == (409, "clock_backwards")

            # Ben leaves, and wants nothing of him to stay.
            ben.send("POST", "/v1/auth/me/erase", {"password": PASSWORD}, expect=204)
            assert [one["email"] for one in owner.send("GET", "/v1/members")["data"]] == ["owner@localhost"]
            Person(running.address).send("POST", "/v1/auth/login", {"email": "ben@example.com", "password": PASSWORD}, expect=401)
            cookies = owner.cookies
            assert running.stop() == 0
            assert PASSWORD not in running.told

        with installation.up(home) as running:
            assert "/sign-in?token=" not in running.output
            again = Person(running.address, cookies)
            assert again.send("GET", "/v1/auth/session")["user_id"] == signed_in["user_id"]
            assert running.stop() == 0
