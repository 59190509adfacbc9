"""The dashboard in a real browser, over ninety days of usage: its stories, its keyboard, and what a strict reader of WCAG finds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright import sync_api
from playwright.sync_api import expect

from carbonledger.entrypoints.web import site
from tests import installation
from tests.browser import seeding, signing

pytestmark = pytest.mark.requires("chromium")

AXE = (Path(__file__).parents[1] / "fixtures/axe/axe.min.js").read_text()
SERIOUS = frozenset({"serious", "critical"})
# Where an address has a part in braces, the page of the first such thing is opened.
PAGES = (
    "/",
    "/?metric=co2e",
    "/explore?by=project",
    "/explore?by=time",
    "/explore?by=cached",
    "/explore/events",
    "/explore/events/{event_id}",
    "/connections",
    "/connections/new?provider=anthropic",
    "/projects",
    "/projects/{project_id}",
    "/models",
    "/models/one?provider=openai&model=gpt-5",
    "/models/one?provider=openai&model=o3",
    "/models/estimate?provider=openai&model=gpt-4o&uncached_input=1000&output=500",
    "/accounts",
    "/accounts/new",
    "/accounts/{account_id}",
    "/accounts/{account_id}/edit",
    "/meters",
    "/meters/new",
    "/meters/{meter_id}",
    "/plans",
    "/plans/new",
    "/plans/{plan_id}",
    "/plans/{plan_id}/edit",
    "/subscriptions",
    "/subscriptions/new",
    "/subscriptions/{subscription_id}",
    "/subscriptions/{subscription_id}/change?quantity=12",
    "/invoices",
    "/invoices?view=drafts",
    "/invoices/{invoice_id}",
    "/invoices/{invoice_id}/lines/{line_id}",
    "/invoices/new",
    "/invoices/new?account={account_id}",
    "/invoices/late",
    "/invoices/seller",
    "/invoices/tax-rates",
    "/invoices/numbers",
    "/receipts",
    "/receipts/{receipt_id}",
    "/receipts/periods/{period_id}",
    "/receipts/credits",
    "/receipts/packs",
    "/receipts/verify",
    "/receipts/verify?serial=nonsense",
    "/receipts/verify/{serial}",
    "/activity",
    "/settings",
    "/settings/people",
    "/settings/keys",
    "/settings/you",
    "/search?q=gpt",
    "/no-such-page",
    "/methodology",
    "/sign-in",
    "/sign-in/password",
    "/forgotten-password",
    "/reset-password",
    "/verify-email",
    "/accept-invitation",
    "/accept-invitation/as-member",
)
ELSEWHERE = {
    "/connections/{connection_id}": "test_connections",
    "/static/{name}": "no page",
    "/explore/table.csv": "no page",
    "/invoices/table.csv": "no page",
    "/receipts/{receipt_id}/pdf": "no page",
    "/invoices/{invoice_id}/pdf": "no page",
    "/receipts/{receipt_id}/bundle": "no page",
    "/receipts/packs/{month}/{number}": "no page",
}


@pytest.fixture(scope="module")
def running() -> Iterator[installation.Installation]:
    with seeding.seeded() as started:
        yield started


@pytest.fixture(scope="module")
def state(running: installation.Installation) -> sync_api.StorageState:
    """Return the cookies of the owner, who has just signed in for the first time."""
    return signing.first_owner(running)


def addresses(running: installation.Installation) -> list[str]:
    """Return the addresses of all pages."""
    [event] = running.request("GET", "/v1/telemetry/events?limit=1", headers=seeding.HEADERS)[1]["data"]
    receipt = seeding.receipts(running)[0]
    known = {"event_id": event["id"], "project_id": event["project_id"], "receipt_id": receipt["id"]}
    known |= {"period_id": receipt["period_id"], "serial": receipt["serial"], **seeding.sold(running)}
    return [f"{running.address}{path.format(**known)}" for path in PAGES]


def test_no_page_is_left_out() -> None:
    served = {route.path for route in site.routes() if route.method == "GET"}
    assert served - {path.partition("?")[0] for path in PAGES} == set(ELSEWHERE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(
    browser: sync_api.Browser, running: installation.Installation, state: sync_api.StorageState, scheme: Literal["light", "dark"]
) -> None:
    found: list[str] = []
    with signing.context(browser, color_scheme=scheme, storage_state=state, bypass_csp=True) as context:
        page = context.new_page()
        for address in addresses(running):
            page.goto(address)
            page.evaluate(AXE)
            judged = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            serious = [one for one in judged["violations"] if one["impact"] in SERIOUS]
            found += [f"{address}: {one['id']}: {one['nodes'][0]['html'][:200]}" for one in serious]
    assert found == []


@pytest.mark.parametrize("width", [360, 768, 2560])
def test_every_page_fits_the_screen_and_obeys_the_policy(
    browser: sync_api.Browser, running: installation.Installation, state: sync_api.StorageState, width: int
) -> None:
    wrong: list[str] = []
    with signing.context(browser, viewport={"width": width, "height": 900}, storage_state=state) as context:
        page = context.new_page()
        page.on("console", lambda said: wrong.append(said.text) if "Security Policy" in said.text else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        for address in addresses(running):
            page.goto(address)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wrong.append(f"{address} is wider than the screen")
    assert wrong == []


def test_the_most_expensive_model_leads_to_the_calculation_of_one_of_its_events(
    browser: sync_api.Browser, running: installation.Installation, state: sync_api.StorageState
) -> None:
    with signing.context(browser, storage_state=state) as context:
        page = context.new_page()
        page.goto(running.address)
        expect(page.locator(".canvas canvas")).to_be_visible()
        page.get_by_role("table", name="Top models").get_by_role("link").first.click()
        expect(page.get_by_text("claude-sonnet-4-5").first).to_be_visible()
        page.get_by_role("link", name="Single events").click()
        page.get_by_role("region", name="Events").get_by_role("link").first.click()
        expect(page.get_by_role("heading", name="How the cost came about")).to_be_visible()
        expect(page.get_by_text(re.compile(r"In sum [0-9.]+ USD, unrounded"))).to_be_visible()


def test_the_plot_changes_its_metric_without_leaving_the_page(
    browser: sync_api.Browser, running: installation.Installation, state: sync_api.StorageState
) -> None:
    with signing.context(browser, storage_state=state) as context:
        page = context.new_page()
        page.goto(running.address)
        page.evaluate("window.isSame = true")
        page.get_by_role("link", name="CO2e", exact=True).click()
        expect(page.get_by_role("heading", name="What did it emit?")).to_be_visible()
        expect(page.locator(".canvas canvas")).to_be_visible()
        assert page.evaluate("window.isSame")
        assert "metric=co2e" in page.url


def test_the_keyboard_reaches_the_content_and_the_search(
    browser: sync_api.Browser, running: installation.Installation, state: sync_api.StorageState
) -> None:
    with signing.context(browser, storage_state=state) as context:
        page = context.new_page()
        page.goto(running.address)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type("code rev")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Code review").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Code review")


def test_what_is_copied_is_exact(browser: sync_api.Browser, running: installation.Installation, state: sync_api.StorageState) -> None:
    with signing.context(browser, storage_state=state, permissions=["clipboard-read", "clipboard-write"]) as context:
        page = context.new_page()
        page.goto(running.address)
        cost = page.locator(".figure data.exact").first
        exact = cost.get_attribute("value")
        cost.evaluate("figure => getSelection().selectAllChildren(figure)")
        page.keyboard.press("ControlOrMeta+c")
        assert page.evaluate("navigator.clipboard.readText()") == exact
        page.get_by_role("table", name="Top projects").evaluate("table => getSelection().selectAllChildren(table.tBodies[0])")
        page.keyboard.press("ControlOrMeta+c")
        rows = page.evaluate("navigator.clipboard.readText()").splitlines()
        assert rows[0].startswith("Code review\t")
        assert rows[0].count("\t") == 4
        assert " USD\t" in rows[0]


def test_reading_works_without_javascript(
    browser: sync_api.Browser, running: installation.Installation, state: sync_api.StorageState
) -> None:
    with signing.context(browser, storage_state=state, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(running.address)
        expect(page.get_by_role("region", name="Cost each day").get_by_role("row").nth(1)).to_be_visible()
        expect(page.locator(".canvas")).to_be_hidden()
        page.locator("summary", has_text="Last 30 days").click()
        page.get_by_role("link", name="Last 7 days").click()
        expect(page.get_by_text("What AI cost and emitted, last 7 days")).to_be_visible()


def test_an_invoice_is_written_with_the_keyboard_and_without_javascript(
    browser: sync_api.Browser, running: installation.Installation, state: sync_api.StorageState
) -> None:
    account = seeding.sold(running)["account_id"]
    with signing.context(browser, storage_state=state, java_script_enabled=False, viewport={"width": 360, "height": 800}) as context:
        page = context.new_page()
        page.goto(f"{running.address}/invoices/new?account={account}")
        page.get_by_role("textbox", name="What is billed").focus()
        page.keyboard.type("Workshop")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.type("450")
        page.get_by_role("combobox", name="Tax").select_option(label="No tax")
        page.get_by_role("button", name="Work it out").press("Enter")
        expect(page.locator(".sums .total")).to_have_text(re.compile("450.00"))
        page.get_by_role("button", name="Save the draft").press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Draft")
        page.get_by_role("button", name="Issue it").press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("INV-"))


def test_another_line_keeps_the_focus_where_it_was(
    browser: sync_api.Browser, running: installation.Installation, state: sync_api.StorageState
) -> None:
    account = seeding.sold(running)["account_id"]
    with signing.context(browser, storage_state=state) as context:
        page = context.new_page()
        page.goto(f"{running.address}/invoices/new?account={account}")
        page.get_by_role("button", name="Another line").press("Enter")
        expect(page.get_by_role("textbox", name="What is billed")).to_have_count(2)
        expect(page.get_by_role("button", name="Another line")).to_be_focused()


def test_anybody_verifies_a_receipt_by_its_file_without_an_account_and_without_javascript(
    browser: sync_api.Browser, running: installation.Installation, state: sync_api.StorageState
) -> None:
    receipt = seeding.receipts(running)[0]
    with signing.context(browser, storage_state=state) as context:
        content = context.request.get(f"{running.address}/receipts/{receipt['id']}/pdf").body()
    changed = content.replace(b"startxref", b"startxreF")
    with signing.context(browser, java_script_enabled=False) as context:
        page = context.new_page()
        for sent, verdict in (
            (content, "it still stands in our books"),
            (changed, "no receipt that can be read"),
            (bytes(10 * 2**20), "5 MiB"),
        ):
            page.goto(f"{running.address}/receipts/verify")
            page.get_by_label("PDF, bundle or audit pack").set_input_files({"name": "a.pdf", "mimeType": "application/pdf", "buffer": sent})
            page.get_by_role("button", name="Check the file").click()
            expect(page.get_by_text(verdict)).to_be_visible()
        page.goto(f"{running.address}/receipts/verify")
        page.get_by_role("textbox", name="Serial").fill(receipt["serial"].lower())
        page.get_by_role("button", name="Check the serial").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"Carbon receipt {receipt['serial']}")


def test_the_theme_stays_as_it_was_chosen(
    browser: sync_api.Browser, running: installation.Installation, state: sync_api.StorageState
) -> None:
    with signing.context(browser, storage_state=state, color_scheme="light") as context:
        page = context.new_page()
        page.goto(running.address)
        page.locator("summary", has_text="Account").click()
        page.get_by_role("button", name="Dark", exact=True).click()
        page.goto(f"{running.address}/models")
        assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"


def test_a_form_whose_session_has_ended_in_another_tab_says_what_to_do(
    browser: sync_api.Browser, running: installation.Installation, state: sync_api.StorageState
) -> None:
    del state
    with signing.context(browser) as context:
        page, other = context.new_page(), context.new_page()
        for tab in (page, other):
            signing.sign_in(tab, running.address)
            tab.goto(f"{running.address}/projects")
        other.locator("summary", has_text="Account").click()
        other.get_by_role("button", name="Sign out", exact=True).click()
        page.locator("summary", has_text="Make a project").click()
        page.get_by_role("textbox", name="Name").fill("Half written")
        page.get_by_role("button", name="Make the project").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Your session has ended")
        expect(page.get_by_text("Half written")).to_be_visible()
        page.get_by_role("link", name="Sign in").click()
        signing.fill(page)
        expect(page.get_by_role("heading", level=1)).to_have_text("Projects")


def test_no_other_site_can_show_a_page_in_a_frame(
    browser: sync_api.Browser, running: installation.Installation, state: sync_api.StorageState
) -> None:
    with signing.context(browser, storage_state=state) as context:
        page = context.new_page()
        page.set_content(f'<iframe src="{running.address}/settings/keys"></iframe>')
        page.wait_for_function("document.querySelector('iframe').contentDocument === null")
        expect(page.frame_locator("iframe").get_by_text("Make a key")).to_have_count(0)
        assert page.frames[1].url.startswith("chrome-error://")


def test_two_tabs_of_one_session_both_work_and_one_of_an_earlier_sign_in_says_so(
    browser: sync_api.Browser, running: installation.Installation, state: sync_api.StorageState
) -> None:
    del state
    with signing.context(browser) as context:
        page, other = context.new_page(), context.new_page()
        signing.sign_in(page, running.address)
        for tab, name in ((page, "From one tab"), (other, "From the other tab")):
            tab.goto(f"{running.address}/projects")
            tab.locator("summary", has_text="Make a project").click()
            tab.get_by_role("textbox", name="Name").fill(name)
        for tab, name in ((page, "From one tab"), (other, "From the other tab")):
            tab.get_by_role("button", name="Make the project").click()
            expect(tab.get_by_role("heading", level=1)).to_have_text(name)
        page.goto(f"{running.address}/projects")
        context.clear_cookies()
        signing.sign_in(other, running.address)
        page.locator("summary", has_text="Make a project").click()
        page.get_by_role("textbox", name="Name").fill("Of an earlier sign-in")
        page.get_by_role("button", name="Make the project").click()
        expect(page.get_by_text("belongs to an earlier sign-in")).to_be_visible()
        expect(page.get_by_text("Of an earlier sign-in")).to_be_visible()
