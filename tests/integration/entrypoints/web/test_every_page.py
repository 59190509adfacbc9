"""Every page and every form there is, also those that are made after this file: found by following links, met with what people paste."""

from __future__ import annotations

from typing import Any

import pytest

from carbonledger.entrypoints.web import site
from tests.integration.entrypoints.web import crawling, months, selling, test_packs, usage
from tests.integration.entrypoints.web.conftest import Person
from tests.integration.entrypoints.web.crawling import Page

HOSTILE = "<script>alert(1)</script>\"'><b>{{ 7777 * 7777 }}"
PASTED = (
    HOSTILE,
    "x" * 10_000,
    "\u202egnihtemos \u0645\u0634\u0631\u0648\u0639 \u0627\u0644\u0639\u0645\u0644\u0627\u0621",
    "🌍👩‍🔬" * 50,
    "a\x07b\x1b[31m",
    "9" * 400,
    "NaN",
    "-0.0000000000000000000000000001",
)
BY_MAIL = (
    "/sign-in/password",
    "/reset-password",
    "/forgotten-password",
    "/verify-email",
    "/accept-invitation",
    "/accept-invitation/as-member",
)
ELSEWHERE = {
    "/receipts/credits": "test_inventory: the house alone has it",
    "/connections/{connection_id}": "test_connections: needs a provider, and so does the form that adds one",
    "/sign-in": "test_acting: leads on who is signed in",
    "/search": "test_reading: no link leads there",
    "/static/{name}": "no page",
}


async def whole(owner: Person) -> None:
    """Let there be something of everything, named by somebody who means harm."""
    assert (await owner.send("/settings", name=HOSTILE, time_zone="Asia/Kathmandu", currency="EUR")).status_code == 303
    assert (await owner.send("/settings/keys", label=HOSTILE, purpose="read", lasts="30")).status_code == 201
    sold = await selling.sold(owner, name=HOSTILE)
    await sold.shop.draft(sold.account_id, "12.00")
    project = await usage.project(owner.key, HOSTILE)
    named: dict[str, Any] = dict.fromkeys(("model", "operation", "service_tier", "region"), HOSTILE)
    await usage.send(owner.key, usage.event("now", project_id=project, account="acme", properties={HOSTILE: HOSTILE}, **named))
    one = await months.issued(owner)
    await test_packs.plan(owner)
    assert (await owner.send("/receipts/packs", month=f"{one.month:%Y-%m}")).status_code == 303
    await owner.ledger.run_jobs()


def wrong(page: Page) -> list[str]:
    """Return what is wrong with a page."""
    text, headers = page.answer.text, page.answer.headers
    found = [] if page.answer.status_code == 200 else [f"it answers {page.answer.status_code}"]
    if "no-store" not in headers.get("cache-control", "") and page.route != "/methodology":
        found.append("the back button shows it after signing out")
    if "frame-ancestors 'none'" not in headers["content-security-policy"] or "'unsafe" in headers["content-security-policy"]:
        found.append("another site can show it, or a script of others runs")
    if "<script>alert" in text or "<b>{{" in text or "60481729" in text.partition("<title>")[2].partition("</title>")[0]:
        found.append("what was written is no text")
    if text.count("<h1") != 1 or "<title>" not in text:
        found.append("it has no title, or several")
    if ">None<" in text or "Undefined" in text:
        found.append("it says what only programs say")
    found += [f"its form to {one.action} has no token" for one in crawling.forms(text) if not dict(one.fields).get("csrf_token", "public")]
    return [f"{page.address}: {said}" for said in found]


def unmet(pages: list[Page]) -> set[str]:
    """Return the routes of pages that no link led to."""
    served = {route.path for route in site.routes() if route.method == "GET"}
    return served - {page.route for page in pages} - set(ELSEWHERE)


async def test_links_lead_to_every_page_and_each_is_sound_whatever_things_are_called(owner: Person) -> None:
    await whole(owner)
    pages = await crawling.crawl(owner, *BY_MAIL)
    assert unmet(pages) == set(), "no link leads there"
    assert [said for page in pages if page.is_html for said in wrong(page)] == []


async def test_every_page_is_there_before_anything_happened(owner: Person) -> None:
    pages = await crawling.crawl(owner, *BY_MAIL)
    assert [said for page in pages if page.is_html for said in wrong(page)] == []


async def test_a_viewer_meets_no_link_that_refuses_them(owner: Person, viewer: Person) -> None:
    await whole(owner)
    pages = await crawling.crawl(viewer, *BY_MAIL)
    assert [page.address for page in pages if page.answer.status_code != 200] == []
    assert len({page.route for page in pages}) > 15


async def test_every_page_takes_ten_years_and_refuses_what_is_no_period_in_words(owner: Person) -> None:
    await whole(owner)
    for page in await crawling.crawl(owner):
        path = page.address.partition("?")[0]
        if not page.is_html or page.route == "/methodology" or "verify" in page.route:
            continue
        assert (await owner.open(f"{path}?from=2017-01-01&to=2026-12-31")).status_code == page.answer.status_code == 200, path
        refused = await owner.open(f"{path}?from=nonsense")
        assert refused.status_code in {200, 422}, path
        assert refused.headers["content-type"].startswith("text/html"), path


async def test_no_form_does_anything_without_its_token_from_elsewhere_or_after_its_session(owner: Person) -> None:
    await whole(owner)
    forms = [form for form in crawling.sent_from(await crawling.crawl(owner)) if "csrf_token" in dict(form.fields)]
    assert len(forms) > 25
    for form in forms:
        typed = dict.fromkeys(form.typed, "Long thought about")
        assert (await form.send(owner, typed | {"csrf_token": ""})).status_code == 403, form.action
        assert (await form.send(owner, typed, headers={"sec-fetch-site": "cross-site"})).status_code == 403, form.action
    assert (await owner.send("/sign-out")).status_code == 303
    for form in forms:
        answer = await form.send(owner, dict.fromkeys(form.typed, "Long thought about"))
        assert answer.status_code == 401, form.action
        shown = [name for name in form.typed if "password" not in name and name != "api_key"]
        assert not shown or "Long thought about" in answer.text or form.is_multipart, f"what was written for {form.action} is lost"


@pytest.mark.parametrize("pasted", PASTED, ids=lambda one: one[:12].encode("ascii", "replace").decode())
async def test_whatever_is_pasted_into_every_field_of_every_form_is_taken_as_text_or_refused_in_words(owner: Person, pasted: str) -> None:
    await selling.sold(owner)
    await usage.project(owner.key, "Search")
    forms = [form for form in crawling.sent_from(await crawling.crawl(owner)) if form.typed and form.action != "/connections/new"]
    assert len(forms) > 12
    for form in forms:
        everywhere = [dict.fromkeys(form.typed, pasted)]
        each = [{name: pasted} for name in form.typed] if pasted == HOSTILE else []
        for values in everywhere + each:
            answer = await form.send(owner, values)
            told = f"{form.action}: {answer.status_code} for {list(values)}"
            assert answer.status_code in {201, 303, 404, 409, 413, 422, 429, 200}, told
            assert "<script>alert" not in answer.text, told
    await owner.ledger.run_jobs()
    assert [said for page in await crawling.crawl(owner) if page.is_html for said in wrong(page)] == []
