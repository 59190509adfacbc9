"""The links that are printed and mailed lead to pages that work: in a real browser, against a real installation."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright import sync_api
from playwright.sync_api import expect

from tests import installation

pytestmark = pytest.mark.requires("chromium")

PASSWORD = "correct horse battery staple"
KEY = "cl_live_" + "b" * 40


@pytest.fixture
def running() -> Iterator[installation.Installation]:
    with (
        installation.new_home() as home,
        installation.up(home, CARBONLEDGER_BOOTSTRAP_EMAIL="ada@example.org", CARBONLEDGER_BOOTSTRAP_API_KEY=KEY) as started,
    ):
        yield started


def printed_link(running: installation.Installation) -> str:
    found = re.search(r"http://\S+/sign-in[?]token=\S+", running.output)
    assert found is not None
    return found[0]


def sign_in(page: sync_api.Page, address: str, password: str) -> None:
    page.goto(f"{address}/sign-in")
    page.get_by_label("E-mail").fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page: sync_api.Page) -> None:
    page.locator("summary", has_text="Account").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_the_first_owner_gets_in_by_the_printed_link_and_makes_a_working_key(
    running: installation.Installation, page: sync_api.Page
) -> None:
    page.goto(printed_link(running))
    page.get_by_role("button", name="Sign in with the link").click()
    assert "token" not in page.url, "what a link holds must not stay in the address"
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Keep it").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    expect(page.get_by_role("heading", name="No usage yet")).to_be_visible()
    page.get_by_role("link", name="Make an API key").click()
    page.get_by_label("Name of the key").fill("laptop")
    page.get_by_label("Everything you may do").check()
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator("#secret")).to_have_text(re.compile(r"^cl_live_\w{32,}$"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the key").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    secret = page.locator("#secret").inner_text()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    status, answer = running.request("GET", "/v1/organizations/me", headers={"Authorization": f"Bearer {secret}"})
    assert (status, answer["name"]) == (200, "House")
    page.reload()
    expect(page.get_by_text(secret)).to_have_count(0)

    sign_out(page)
    sign_in(page, running.address, "not the password")
    expect(page.get_by_role("status")).to_have_text("The e-mail address or the password is wrong.")
    sign_in(page, running.address, PASSWORD)
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_a_used_link_says_so_and_the_back_button_shows_nothing_after_signing_out(
    running: installation.Installation, page: sync_api.Page
) -> None:
    link = printed_link(running)
    page.goto(link)
    page.get_by_role("button", name="Sign in with the link").click()
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    sign_out(page)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")

    page.goto(link)
    expect(page.get_by_role("status")).to_contain_text("was used already")
    expect(page.get_by_role("button", name="Sign in with the link")).to_have_count(0)


def test_an_invited_person_joins_with_a_new_account(running: installation.Installation, page: sync_api.Page) -> None:
    body = {"email": "ben@example.org", "role": "viewer"}
    status, answer = running.request("POST", "/v1/invitations", headers={"Authorization": f"Bearer {KEY}"}, body=body)
    assert status == 201
    page.goto(answer["link"])
    expect(page.get_by_role("main")).to_contain_text("House invites ben@example.org with the role viewer.")
    page.get_by_label("Your name").fill("<script>alert(1)</script>")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Accept with a new account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    expect(page.get_by_role("link", name="Activity")).to_have_count(0)
    expect(page.get_by_role("link", name="Make an API key")).to_have_count(0)
