"""The stories of a connection in a real browser: from the first sign-in to a chart, moved while history stays, failing in plain sight."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from playwright import sync_api
from playwright.sync_api import expect

from tests import installation, standins
from tests.browser import seeding, signing

pytestmark = pytest.mark.requires("chromium")

AXE = (Path(__file__).parents[1] / "fixtures/axe/axe.min.js").read_text()
SERIOUS = frozenset({"serious", "critical"})
READ_MS = 600_000  # sixty days of usage, by a worker that shares the machine
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


@pytest.fixture(scope="module")
def world() -> Iterator[standins.StandIns]:
    with standins.running(NOW, now=datetime.now(UTC)) as served:
        yield served


@pytest.fixture
def running(world: standins.StandIns) -> Iterator[installation.Installation]:
    with seeding.started(**seeding.reading(world)) as started:
        yield started


@pytest.fixture
def state(running: installation.Installation) -> sync_api.StorageState:
    """Return the cookies of the owner; asked for before ``browser``, because it starts one of its own."""
    return signing.first_owner(running)


def test_from_the_first_sign_in_to_the_first_chart_and_moved_while_history_stays(
    state: sync_api.StorageState, browser: sync_api.Browser, running: installation.Installation
) -> None:
    with signing.context(browser, storage_state=state) as context:
        page = context.new_page()
        page.on("console", lambda said: pytest.fail(said.text) if "Content Security Policy" in said.text else None)
        page.goto(running.address)
        page.get_by_role("link", name="Connect a provider").click()
        expect(page.get_by_role("link", name="platform.openai.com")).to_be_visible()
        page.get_by_label("Name of the connection").fill("Production")
        page.get_by_label("OpenAI key").fill("sk-proj-demo-openai")
        page.get_by_role("button", name="Connect it").click()
        expect(page.locator("#api_key-wrong")).to_contain_text("sk-admin-")
        expect(page.get_by_label("OpenAI key")).to_have_value("")
        expect(page.get_by_label("Name of the connection")).to_have_value("Production")
        page.get_by_label("OpenAI key").fill(standins.KEYS["openai"])
        page.get_by_role("button", name="Connect it").click()

        expect(page.get_by_role("heading", level=1)).to_have_text("Production")
        page.evaluate("window.isSame = true")
        expect(page.locator(".mark.good", has_text="active")).to_be_visible(timeout=READ_MS)
        assert page.evaluate("window.isSame"), "it came to its end on the page that was open"
        expect(page.get_by_role("region", name="Costs by day").get_by_role("row").nth(1)).to_be_visible()
        own = page.url.partition("?")[0]

        page.get_by_role("navigation", name="Sections").get_by_role("link", name="Overview").click()
        expect(page.locator(".canvas canvas")).to_be_visible()
        expect(page.get_by_text("1 read every hour")).to_be_visible()
        move(page, running, own)


def move(page: sync_api.Page, running: installation.Installation, own: str) -> None:
    """Move the connection to another project; what was booked is found where it was."""
    page.goto(f"{running.address}/explore?by=project")
    before = page.get_by_role("table", name="By project").inner_text()
    status, made = running.request("POST", "/v1/projects", headers=seeding.HEADERS, body={"name": "Search"})
    assert status == 201
    page.goto(own)
    page.get_by_label("Book it in the project").select_option(made["id"])
    page.get_by_role("button", name="Move it").click()
    expect(page.get_by_role("status")).to_contain_text("history stays where it was")
    expect(page.locator("dl.facts").get_by_role("link", name="Search")).to_be_visible()
    page.goto(f"{running.address}/explore?by=project")
    assert page.get_by_role("table", name="By project").inner_text() == before
    page.goto(f"{running.address}/explore?by=workload")
    expect(page.get_by_role("table", name="By workload").locator("tbody tr")).to_have_count(1)
    page.goto(own)
    page.get_by_role("link", name="Explore its usage").click()
    expect(page.locator(".chips")).to_contain_text("Production")


def test_a_failing_connection_is_in_plain_sight_on_pages_that_axe_passes_and_a_viewer_cant_act(
    state: sync_api.StorageState, browser: sync_api.Browser, running: installation.Installation, world: standins.StandIns
) -> None:
    key = standins.new_key("openrouter", anchor=NOW)
    connection = seeding.connect(running, "openrouter", "Experiments", api_key=key)
    world.state.keys[key].revoked = True
    own = f"{running.address}/connections/{connection}"
    with signing.context(browser, storage_state=state) as context:
        page = context.new_page()
        page.goto(own)
        page.get_by_role("button", name="Sync now").click()
        expect(page.locator(".mark.problem", has_text="error")).to_be_visible(timeout=READ_MS)
        expect(page.get_by_text("It could not be read.")).to_be_visible()
        page.get_by_role("button", name="Sync now").click()
        expect(page.get_by_role("alert")).to_contain_text("at most once in five minutes on request. Ask again in")
        page.goto(running.address)
        page.get_by_role("region", name="Health of connections").get_by_role("link", name="Experiments").click()
        expect(page).to_have_url(f"{own}?period=30d")
    assert [found for scheme in ("light", "dark") for found in judged(browser, state, running, own, scheme)] == []
    see_as_a_viewer(browser, running, own)


def judged(
    browser: sync_api.Browser,
    state: sync_api.StorageState,
    running: installation.Installation,
    own: str,
    scheme: Literal["light", "dark"],
) -> list[str]:
    """Return what axe finds serious, and what is wider than a phone."""
    found: list[str] = []
    viewport: sync_api.ViewportSize = {"width": 360, "height": 800}
    with signing.context(browser, color_scheme=scheme, storage_state=state, bypass_csp=True, viewport=viewport) as context:
        page = context.new_page()
        for address in (running.address, f"{running.address}/connections", f"{running.address}/connections/new", own):
            page.goto(address)
            page.evaluate(AXE)
            violations = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
            serious = [one for one in violations if one["impact"] in SERIOUS]
            found += [f"{scheme} {address}: {one['id']}: {one['nodes'][0]['html'][:200]}" for one in serious]
            if page.evaluate("document.documentElement.scrollWidth") > viewport["width"]:
                found.append(f"{address} is wider than the screen")
    return found


def see_as_a_viewer(browser: sync_api.Browser, running: installation.Installation, own: str) -> None:
    """Join as a viewer and find everything to read and nothing to act with."""
    body = {"email": "ben@example.org", "role": "viewer"}
    status, answer = running.request("POST", "/v1/invitations", headers=seeding.HEADERS, body=body)
    assert status == 201
    with signing.context(browser) as context:
        page = context.new_page()
        page.goto(answer["link"])
        page.get_by_label("Your name").fill("Ben")
        page.get_by_label("Password", exact=True).fill(seeding.PASSWORD)
        page.get_by_role("button", name="Accept with a new account").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        page.goto(own)
        expect(page.get_by_text("It could not be read.")).to_be_visible()
        expect(page.get_by_role("button", name="Sync now")).to_have_count(0)
        expect(page.get_by_text("Change it")).to_have_count(0)
        page.goto(f"{running.address}/connections")
        expect(page.get_by_role("link", name="Connect a provider")).to_have_count(0)
        expect(page.get_by_role("link", name="Experiments")).to_be_visible()
