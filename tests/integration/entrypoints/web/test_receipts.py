"""Months and receipts on pages: what happens next in words, the API's numbers, and nothing of anybody else's."""

from __future__ import annotations

import json
import re

import pytest

from carbonledger.domains.identity import types as identity_types
from carbonledger.domains.identity.service import organizations
from carbonledger.infra import clock
from carbonledger.kernel import actor, humane
from carbonledger_proof import __main__ as command
from carbonledger_proof import verify
from tests.integration.entrypoints.rest.identity import conftest as kit
from tests.integration.entrypoints.web import months, usage
from tests.integration.entrypoints.web.conftest import Person

NOBODYS = "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d71"


def said_range(mg: dict[str, int]) -> str:
    """A range of milligrams as a page says it exactly, in grams."""
    low, mid, high = (f"{mg[name] // 1000:,}.{mg[name] % 1000:03}".rstrip("0").rstrip(".") for name in ("low", "mid", "high"))
    return f"low {low}, mid {mid}, high {high} g CO2e"


async def test_a_month_closes_and_its_receipt_says_the_apis_numbers(owner: Person) -> None:
    project = await usage.project(owner.key, "Search")
    await months.plan(owner)
    await months.stock(owner.ledger, project_name="Forest of the north")
    await months.used(owner, project_id=project)
    before = await owner.read("/receipts")
    assert "Closing is about to begin" in before
    assert "The first receipt is issued when the first month is closed" in before

    await months.close(owner)
    one = await months.first(owner)
    api = (await owner.key.get(f"/v1/receipts/{one.id}")).json()
    assert api["state"] == "issued"
    signed = api["receipt"]
    listed = await owner.read("/receipts")
    assert api["serial"] in listed
    assert "Nothing of it changes any more" in listed
    page = await owner.read(f"/receipts/{one.id}")
    [gross] = [entry["co2e_mg"] for entry in signed["gross"] if entry["basis"] == "location"]
    assert page.count(f'value="{said_range(gross)}"') == 2, "of the whole, and of the one project"
    assert f'href="/projects/{project}?' in page
    assert "Forest of the north" in page
    [given] = signed["allocations"]
    assert f'href="{given["retirement_url"]}"' in page
    assert f"{given['from_mg']:,} to {given['to_mg']:,}" in page
    assert f"entry {api_index(page)} of a public log" in page
    assert "the one event behind its figures" in page
    for hidden in ("net zero", "net-zero", "carbon neutral"):
        assert hidden not in page.lower()
    month = await owner.read(f"/receipts/periods/{one.period_id}")
    assert "By project" in month
    assert api["serial"] in month


def api_index(page: str) -> str:
    found = re.search(r'href="/v1/public/log/proof\?index=(\d+)"', page)
    assert found is not None
    return humane.grouped(found[1])


async def test_the_files_are_the_apis_byte_for_byte_and_verify(owner: Person) -> None:
    one = await months.issued(owner)
    for path, kind in (("pdf", "application/pdf"), ("bundle", "application/json")):
        answer = await owner.open(f"/receipts/{one.id}/{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert answer.headers["content-disposition"].startswith(f'attachment; filename="{one.serial}.')
        assert answer.headers["cache-control"] == "no-store"
        assert answer.content == (await owner.key.get(f"/v1/receipts/{one.id}/{path}")).content
        assert verify.file(answer.content).ok


async def test_a_receipt_that_waits_for_credits_says_so_and_comes_by_itself(owner: Person) -> None:
    await months.plan(owner)
    await months.used(owner)
    await months.close(owner)
    one = await months.first(owner)
    page = await owner.read(f"/receipts/{one.id}")
    assert "It waits for retired credits." in page
    assert "You need not do anything" in page
    assert "Download" not in page
    assert "waits for credits" in await owner.read("/receipts")
    answer = await owner.open(f"/receipts/{one.id}/pdf")
    assert answer.status_code == 409
    assert "waits for retired credits" in answer.text
    house = await signed_in_house(owner.ledger)
    assert "1 receipt waits for credits" in await house.read("/receipts/credits")

    await months.stock(owner.ledger)
    await owner.ledger.run_jobs()
    assert "Download the PDF" in await owner.read(f"/receipts/{one.id}")


async def test_a_month_without_usage_has_a_receipt_that_says_so(owner: Person, ledger: kit.Installation) -> None:
    """Usage of more than three months ago, and none since: the month after it is over as well, and empty."""
    await months.plan(owner)
    await months.stock(owner.ledger)
    await usage.send(owner.key, usage.event("past", days=95))
    await months.close(owner)
    used, empty = sorted(await months.receipts(owner), key=lambda one: one.month)[:2]
    assert used.required_mg > 0 == empty.required_mg
    assert empty.serial is not None
    page = await owner.read(f"/receipts/{empty.id}")
    assert f"<strong>No usage was recorded in {empty.month:%B %Y}.</strong>" in page
    assert "Nothing had to be compensated: no usage was recorded in this month." in page
    assert "of no event at all" in page
    assert "not covered" not in page, "it is zero, and not unknown"
    assert "No usage was recorded" not in await owner.read(f"/receipts/{used.id}")
    public = await ledger.client().get(f"/receipts/verify/{empty.serial}")
    assert "It is genuine, unchanged, and it still stands in our books." in public.text
    assert "no usage was recorded in the month" in public.text
    report = verify.file((await owner.open(f"/receipts/{empty.id}/pdf")).content)
    assert report.ok
    told = "\n".join(command.lines(report))
    assert "Events        none: no usage was recorded in this period" in told
    assert "Compensated   nothing, as no emissions are stated" in told


async def signed_in_house(ledger: kit.Installation) -> Person:
    browser = ledger.browser()
    assert (await browser.sign_in()).status_code == 200
    return Person(ledger, browser.client, ledger.client(kit.KEY))


async def test_a_receipt_that_ended_says_so_and_names_what_took_its_place(owner: Person) -> None:
    old = await months.issued(owner)
    serial = await months.supersede(owner, old.id)
    page = await owner.read(f"/receipts/{old.id}")
    assert "This receipt is no longer valid." in page
    assert serial in page
    new = next(one for one in await months.receipts(owner) if one.serial == serial)
    assert f'href="/receipts/{old.id}?' in await owner.read(f"/receipts/{new.id}"), "what it supersedes"
    await months.revoke(owner, new.id)
    page = await owner.read(f"/receipts/{new.id}")
    assert "it was issued in error" in page
    assert "revoked" in await owner.read(f"/receipts/periods/{new.period_id}")


async def test_the_free_tier_sees_its_month_and_what_a_plan_would_add(owner: Person) -> None:
    await months.used(owner)
    await months.close(owner)
    assert await months.receipts(owner) == []
    page = await owner.read("/receipts")
    assert "Upgrade to get receipts" in page
    assert "The first receipt" not in page
    period = (await owner.key.get("/v1/periods")).json()["data"][-1]
    detail = (await owner.key.get(f"/v1/periods/{period['id']}")).json()
    assert detail["state"] == "closed"
    summary = await owner.read(f"/receipts/periods/{period['id']}")
    assert "Upgrade to get receipts" in summary
    assert f'value="{detail["totals"]["cost"]["amount"]} USD"' in summary
    assert "gpt-4o" in summary


async def test_a_month_that_is_due_is_closed_now_by_who_may(owner: Person, viewer: Person) -> None:
    await months.used(owner)
    assert "Close now" in await owner.read("/receipts")
    assert "Close now" not in await viewer.read("/receipts")
    earliest = re.findall(r"/receipts/periods/([0-9a-f-]{36})\?", await owner.read("/receipts"))[-1]
    path = f"/receipts/periods/{earliest}/close"
    assert (await viewer.send(path)).status_code == 403
    assert (await owner.send(path, token="")).status_code == 403
    answer = await owner.send(path)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/receipts/periods/{earliest}?done=closing")
    assert "being closed" in await owner.read(answer.headers["location"])


async def test_a_month_that_is_not_due_is_refused_in_words(owner: Person) -> None:
    await usage.send(owner.key, usage.event("a", days=0))
    page = await owner.read("/receipts")
    assert "Close now" not in page
    found = re.search(r"/receipts/periods/([0-9a-f-]{36})\?", page)
    assert found is not None
    answer = await owner.send(f"/receipts/periods/{found[1]}/close")
    assert answer.status_code == 409
    assert "The month is not over yet." in answer.text
    assert "What it comes to so far" in answer.text


async def test_a_paying_organization_is_told_that_its_month_waits_for_payment(owner: Person) -> None:
    mine = await months.organization_id(owner)
    async with owner.ledger.services.database.transaction(mine) as uow:
        at, tier = clock.now(), identity_types.Tier.STARTER
        await organizations.set_tier(uow, actor=actor.system(mine), now=at, at=at, organization_id=mine, tier=tier)
    await months.used(owner)
    await months.close(owner)
    page = await owner.read("/receipts")
    assert "closes once it is paid" in page
    assert "Close now" not in page


@pytest.mark.parametrize("path", ["/receipts/{}", "/receipts/{}/pdf", "/receipts/{}/bundle", "/receipts/periods/{}"])
async def test_nobody_sees_another_organizations_months_and_receipts(owner: Person, ledger: kit.Installation, path: str) -> None:
    one = await months.issued(owner)
    _, client = await ledger.open_organization(name="Other")
    browser = await ledger.join(client, "other@example.com", role="owner")
    other = Person(ledger, browser.client, client)
    theirs = one.period_id if "periods" in path else one.id
    assert (await owner.open(path.format(theirs))).status_code == 200
    foreign = await other.open(path.format(theirs))
    nowhere = await other.open(path.format(NOBODYS))
    assert (foreign.status_code, nowhere.status_code) == (404, 404)
    assert one.serial is not None
    assert one.serial not in foreign.text
    assert "Nothing is called that" in await other.read(f"/search?q={one.serial}")
    assert "Nothing is called that" in await other.read(f"/search?q={one.id}")
    assert (await other.send(f"/receipts/periods/{one.period_id}/close")).status_code == 404
    assert one.serial not in await other.read("/receipts")


async def test_names_stay_text(owner: Person) -> None:
    hostile = usage.HOSTILE
    project = await usage.project(owner.key, hostile)
    await months.plan(owner)
    cells = dict.fromkeys(("project_name", "standard", "retirement_reference", "beneficiary", "reason"), hostile)
    await months.stock(owner.ledger, **cells, retirement_url="https://registry.example/'\"><script>alert(1)</script>")
    await months.used(owner, project_id=project, model=hostile)
    await months.used(owner, "known", project_id=project)
    await months.close(owner)
    one = await months.first(owner)
    house = await signed_in_house(owner.ledger)
    for person, path in (
        (owner, "/receipts"),
        (owner, f"/receipts/{one.id}"),
        (owner, f"/receipts/periods/{one.period_id}"),
        (owner, f"/receipts/verify/{one.serial}"),
        (owner, "/"),
        (owner, "/activity"),
        (house, "/receipts/credits"),
    ):
        text = await person.read(path)
        assert "<script>alert" not in text, path
        assert "<b>Sons" not in text, path


async def test_a_receipt_is_found_by_its_serial_a_part_of_it_and_its_id(owner: Person) -> None:
    one = await months.issued(owner)
    assert one.serial is not None
    for words in (one.serial, one.serial.lower(), str(one.id)):
        answer = await owner.open(f"/search?q={words}")
        assert answer.headers["location"] == f"/receipts/{one.id}"
    assert f'href="/receipts/{one.id}"' in await owner.read(f"/search?q={one.serial[:9]}")
    assert "Nothing is called that" in await owner.read("/search?q=CL-190001-00000")


async def test_the_overview_shows_the_last_closed_month_and_its_receipt(owner: Person) -> None:
    assert "Last closed month" not in await owner.read("/")
    one = await months.issued(owner)
    await usage.send(owner.key, usage.event("now", days=0))
    page = await owner.read("/")
    assert "Last closed month" in page
    assert f'href="/receipts/{one.id}?' in page
    assert one.serial is not None
    assert one.serial in page


async def test_an_alert_leads_to_the_receipt_and_that_of_operators_to_the_inventory(owner: Person) -> None:
    await months.plan(owner)
    await months.used(owner)
    owner.ledger.mailbox.letters.clear()
    await months.close(owner)
    one = await months.first(owner)
    [told] = [letter for letter in owner.ledger.mailbox.letters if "deferred" in letter.subject]
    assert told.to == kit.OWNER
    assert "http://ledger.test/receipts/credits" in told.text
    await months.stock(owner.ledger)
    await owner.ledger.run_jobs()
    letters = [letter for letter in owner.ledger.mailbox.letters if "issued" in letter.subject]
    assert any(f"http://ledger.test/receipts/{one.id}" in letter.text for letter in letters)
    assert {letter.to for letter in letters} == {"owner@example.com"}
    assert f'href="/receipts/{one.id}"' in await owner.read("/activity?area=receipts.*")


async def test_what_comes_late_is_shown_where_it_waits(owner: Person) -> None:
    await months.used(owner)
    await months.close(owner)
    await months.used(owner, "late")
    page = await owner.read("/receipts")
    assert "1 event more since, waiting for the next month to close" in page
    period = (await owner.key.get("/v1/periods")).json()["data"][-1]
    assert "What came late for it" in await owner.read(f"/receipts/periods/{period['id']}")


async def test_the_bundle_of_a_receipt_names_neither_people_nor_the_organization(owner: Person) -> None:
    one = await months.issued(owner)
    page = await owner.ledger.client().get(f"/receipts/verify/{one.serial}")
    bundle = (await owner.open(f"/receipts/{one.id}/bundle")).text
    for text in (page.text, json.dumps(json.loads(bundle))):
        assert "Example" not in text
        assert str(await months.organization_id(owner)) not in text
        assert "owner@example.com" not in text
