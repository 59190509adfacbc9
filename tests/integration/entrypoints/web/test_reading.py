"""Every page, for whoever may see it: it renders, escapes what people wrote, is kept by nobody, and says the API's numbers."""

from __future__ import annotations

import html
import re
import urllib.parse
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from carbonledger.domains.identity import types
from carbonledger.domains.identity.service import entitlements, organizations
from carbonledger.domains.receipts.types.receipts import RECEIPTS
from carbonledger.infra import clock
from carbonledger.kernel import actor, humane
from tests.integration.entrypoints.rest.identity import conftest as kit
from tests.integration.entrypoints.web import usage
from tests.integration.entrypoints.web.conftest import Person

READ = (
    "/",
    "/explore",
    "/explore?by=time",
    "/explore?by=cached",
    "/explore/events",
    "/connections",
    "/projects",
    "/models",
    "/models/estimate",
    "/meters",
    "/plans",
    "/invoices/tax-rates",
    "/receipts",
    "/receipts/packs",
    "/settings",
    "/settings/people",
    "/settings/you",
    "/search?q=a",
)
SOLD = (
    "/invoices",
    "/invoices?view=overdue",
    "/invoices/new",
    "/invoices/late",
    "/invoices/seller",
    "/invoices/numbers",
    "/subscriptions",
    "/subscriptions/new",
)
KEPT = ("/activity", "/settings/keys", "/connections/new", "/accounts", "/accounts/new", "/meters/new", "/plans/new", *SOLD)


@pytest.mark.parametrize("path", [*READ, *KEPT])
async def test_a_page_is_there_for_an_owner_with_and_without_usage(owner: Person, path: str) -> None:
    empty = await owner.open(path)
    assert empty.status_code == 200, empty.text
    await usage.send(owner.key, usage.event("a"), usage.event("b", model="nobodys-model", days=40))
    full = await owner.open(path)
    assert full.status_code == 200
    assert full.headers["content-type"] == "text/html; charset=utf-8"
    assert full.headers["cache-control"] == "no-store", "the back button shows nothing after signing out"
    assert "'unsafe" not in full.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in full.headers["content-security-policy"]
    assert full.headers["x-frame-options"] == "DENY"
    assert full.text.count("<h1") == 1
    assert "<title>" in full.text


async def test_a_viewer_reads_but_meets_no_way_to_act(viewer: Person) -> None:
    for path in READ:
        assert (await viewer.open(path)).status_code == 200, path
    for path in KEPT:
        assert (await viewer.open(path)).status_code == 403, path
    for path in ("/connections", "/projects", "/settings", "/settings/people"):
        acts = set(re.findall(r'action="([^"]+)"', await viewer.read(path)))
        own = {act for act in acts if act in {path, "/search", "/sign-out"} or act.endswith("/remove")}
        assert acts == own, "what is left is choosing days, searching, signing out and leaving"
        assert f'method="post" action="{path}"' not in await viewer.read(path)
    assert 'href="/activity' not in await viewer.read("/")


@pytest.mark.parametrize("path", [*READ, *KEPT, "/projects/01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11"])
async def test_who_is_not_signed_in_is_led_to_sign_in_and_back(ledger: kit.Installation, path: str) -> None:
    answer = await ledger.client().get(path, follow_redirects=False)
    assert answer.status_code == 303
    part = await ledger.client().get(path, headers={"hx-request": "true"})
    assert part.headers["hx-redirect"] == answer.headers["location"]
    address = answer.headers["location"]
    assert address.startswith("/sign-in?next=%2F")
    page = await ledger.client().get(address)
    assert f'name="next" value="{html.escape(path)}"' in page.text


@pytest.mark.parametrize("name", [usage.HOSTILE, "مشروع 🌍 تجربة", "\u202eevil", '" onmouseover="x', "{{ 7 * 7 }}"])
async def test_what_people_write_stays_text(owner: Person, name: str) -> None:
    created = await owner.key.post("/v1/projects", json={"name": name})
    if created.status_code == 422:  # the domain refuses what no name may hold
        assert name == "\u202eevil"
        return
    project_id = created.json()["id"]
    properties = {usage.HOSTILE: usage.HOSTILE}
    await usage.send(owner.key, usage.event("a", project_id=project_id, model=usage.HOSTILE, account=usage.HOSTILE, properties=properties))
    places = ["/", "/projects", f"/projects/{project_id}", "/models", "/activity", "/explore/events"]
    for path in [*places, "/explore?by=project", "/explore?by=account", f"/search?q={usage.HOSTILE}"]:
        text = await owner.read(path)
        assert "<script>alert" not in text, path
        assert "<b>Sons" not in text
    assert str(html.escape(name, quote=False)) in (await owner.read(f"/projects/{project_id}")).replace("&#34;", '"').replace("&#39;", "'")


async def test_a_script_in_every_name_there_is_stays_text(owner: Person) -> None:
    hostile = usage.HOSTILE
    assert (await owner.send("/settings", name=hostile, time_zone="UTC", currency="USD")).status_code == 303
    assert (await owner.send("/settings/you", name=hostile)).status_code == 303
    assert (await owner.send("/settings/keys", label=hostile, purpose="read", lasts="30")).status_code == 201
    project = await usage.project(owner.key, hostile)
    agent = (await owner.key.post("/v1/agents", json={"name": hostile, "project_id": project})).json()["id"]
    names: dict[str, Any] = dict.fromkeys(("model", "account", "operation", "service_tier", "region"), hostile)
    [made] = await usage.send(owner.key, usage.event("a", project_id=project, agent_id=agent, properties={hostile: hostile}, **names))
    dimensions = ("model", "project", "workload", "agent", "account", "operation", "service_tier", "region", "time", "cached")
    paths = [*READ, *KEPT, *(f"/explore?by={one}" for one in dimensions), f"/projects/{project}", f"/explore/events/{made['id']}"]
    model = urllib.parse.urlencode({"provider": "openai", "model": hostile})
    filters = urllib.parse.urlencode({**names, "agent": agent, "project": project})
    for path in (*paths, f"/models/one?{model}", f"/models/estimate?{model}", f"/explore?{filters}", f"/explore/events?{filters}"):
        assert "<script>alert" not in await owner.read(path), path
    table = await owner.open("/explore/table.csv?by=account")
    assert table.headers["x-content-type-options"] == "nosniff"


async def test_the_numbers_are_those_of_the_api(owner: Person) -> None:
    search = await usage.project(owner.key, "Search")
    drafts = [usage.event(str(place), days=place % 20 + 0.5, project_id=search if place % 3 else None) for place in range(30)]
    await usage.send(owner.key, *({key: value for key, value in one.items() if value is not None} for one in drafts))
    await usage.send(owner.key, usage.event("other", provider="anthropic", model="claude-sonnet-4-5"))
    api = (await owner.key.get("/v1/telemetry/summary")).json()
    page = await owner.read("/")
    for said in figures(api["totals"]):
        assert f'value="{said}"' in page, said
    explored = await owner.read(f"/explore?by=model&project={search}")
    for said in figures((await owner.key.get("/v1/telemetry/summary", params={"project_id": search})).json()["totals"]):
        assert f'value="{said}"' in explored
    listed = await owner.read("/models")
    for model in api["by_model"]:
        assert f'value="{exact(model["cost"]["amount"])} USD"' in listed


def exact(number: str | int) -> str:
    return humane.grouped(str(number))


def figures(totals: dict[str, Any]) -> list[str]:
    spread = totals["co2e_g"]
    return [
        f"{exact(totals['cost']['amount'])} USD",
        exact(totals["tokens"]["total"]),
        f"{exact(totals['energy_wh']['mid'])} Wh",
        f"low {exact(spread['low'])}, mid {exact(spread['mid'])}, high {exact(spread['high'])} g CO2e",
    ]


async def test_the_plots_table_adds_up_to_the_total(owner: Person) -> None:
    models = ("gpt-4o", "gpt-4o-mini", "o3")
    await usage.send(owner.key, *(usage.event(f"{day} {model}", days=day, model=model) for day in range(1, 9) for model in models))
    api = (await owner.key.get("/v1/telemetry/summary")).json()
    cells = re.findall(r'data-value="([0-9.]+)"', await owner.read("/"))
    unit = re.search(r'<table data-unit="([^"]+)"', await owner.read("/"))
    assert unit is not None
    power = {step.unit: step.power for step in humane.USD.steps}[unit[1]]
    assert sum((Decimal(cell) for cell in cells), Decimal(0)).scaleb(power) == Decimal(api["totals"]["cost"]["amount"])


async def test_an_event_shows_its_calculation_and_what_it_was_before(owner: Person) -> None:
    again = usage.event("a")
    [made] = await usage.send(owner.key, again)
    again["tokens"]["output"] = 9_500
    await usage.send(owner.key, again)
    text = await owner.read(f"/explore/events/{made['id']}")
    assert "9500 tokens of output at 0.00001 USD each" in text
    assert 'href="/methodology#source-' in text
    assert "What it was before" in text
    assert "output 9,000" in text


async def test_an_event_and_a_what_if_say_their_outer_bounds(owner: Person) -> None:
    """1,000 in and 500 out: 0.145 Wh x 1.10 to 1.55 Wh x 1.35; at 250 to 500 g/kWh, and 20 to 100 g per kWh of the 0.145 to 1.55 Wh."""
    few = {"uncached_input": 1000, "cached_input": 0, "cache_creation_5m": 0, "cache_creation_1h": 0, "output": 500}
    [made, image] = await usage.send(owner.key, usage.event("a", tokens=few), usage.event("b", model="dall-e-3", tokens=few))
    what_if = "/models/estimate?provider=openai&model=gpt-4o&uncached_input=1000&output=500"
    for path in (f"/explore/events/{made['id']}", what_if):
        text = await owner.read(path)
        assert 'value="low 0.1595, mid 0.5605, high 2.0925 Wh"' in text
        assert 'value="low 0.042775, mid 0.2368312, high 1.20125 g CO2e"' in text
    assert "Outer bounds" not in await owner.read(f"/explore/events/{image['id']}")


async def test_the_table_can_be_taken_along_as_csv_that_no_spreadsheet_runs(owner: Person) -> None:
    await usage.send(owner.key, usage.event("a", account="=1+1"), usage.event("b", account="acme"), usage.event("c", account="\uff1d2"))
    answer = await owner.open("/explore/table.csv?by=account")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = answer.text.splitlines()
    assert rows[0].startswith("account,id,requests,tokens,cost_usd")
    assert any(row.startswith("'=1+1,") for row in rows)
    assert any(row.startswith("'\uff1d2,") for row in rows), "a full-width sign is a sign to a Japanese spreadsheet"
    assert len(rows) == 4


async def test_ten_years_are_shown_and_more_are_refused_in_words(owner: Person) -> None:
    await usage.send(owner.key, usage.event("a"))
    today = clock.now().date()
    text = await owner.read(f"/?from={today - timedelta(days=3650)}&to={today}")
    assert "Cost each month" in text
    for wrong in ("from=2001-01-01&to=2026-01-01", "from=2026-02-01&to=2026-01-01", "period=nonsense", "from=nonsense"):
        answer = await owner.open(f"/?{wrong}")
        assert answer.status_code == 422, wrong
        assert answer.headers["content-type"].startswith("text/html")


async def test_thousands_of_models_come_a_page_at_a_time(owner: Person) -> None:
    for start in range(0, 2_000, 1_000):
        await usage.send(owner.key, *(usage.event(str(place), model=f"model-{place:04}") for place in range(start, start + 1_000)))
    text = await owner.read("/models?sort=tokens&page=2")
    assert "2000 models, page 2 of 20" in text
    assert text.count('href="/models/one?') == 100
    for path in ("/", "/explore", "/explore?by=time", "/explore?by=cached"):
        assert len(await owner.read(path)) < 200_000, path


async def test_an_address_that_nothing_serves_is_told_to_a_browser_as_a_page(ledger: kit.Installation) -> None:
    page = await ledger.client().get("/no-such-page", headers={"accept": "text/html,*/*"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    api = await ledger.client().get("/v1/no-such", headers={"accept": "application/json"})
    assert (api.status_code, api.headers["content-type"]) == (404, "application/problem+json")


async def test_files_may_be_kept_for_ever_by_their_changing_name(owner: Person) -> None:
    found = re.search(r'href="(/static/app\.[0-9a-f]{12}\.css)"', await owner.read("/"))
    assert found is not None
    answer = await owner.open(found[1], headers={"accept-encoding": "gzip"})
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    plain = await owner.open("/static/app.css")
    assert plain.headers["cache-control"] == "no-cache"
    again = await owner.open("/static/app.css", headers={"if-none-match": plain.headers["etag"]})
    assert again.status_code == 304
    assert (await owner.open("/static/..%2fassets.py")).status_code == 404


async def test_search_leads_straight_to_what_is_named_by_its_id(owner: Person) -> None:
    search = await usage.project(owner.key, "Search and find")
    [made] = await usage.send(owner.key, usage.event("a"))
    assert (await owner.open(f"/search?q={search}")).headers["location"] == f"/projects/{search}"
    assert (await owner.open(f"/search?q={made['id']}")).headers["location"] == f"/explore/events/{made['id']}"
    assert f'href="/projects/{search}"' in await owner.read("/search?q=find")
    assert "Nothing is called that" in await owner.read("/search?q=zzzz")


async def test_nobody_sees_another_organizations_project(owner: Person, ledger: kit.Installation) -> None:
    _, other = await ledger.open_organization(name="Other")
    theirs = await usage.project(other, "Theirs")
    assert (await owner.open(f"/projects/{theirs}")).status_code == 404
    assert (await owner.send(f"/projects/{theirs}", name="Mine")).status_code == 404


async def test_what_caching_saved_is_said_as_the_api_says_it(owner: Person) -> None:
    """gpt-4o: 40,000 tokens read at 1.25 in place of 2.50 USD a million save 0.05 USD; nothing is known of a model without a price."""
    await usage.send(owner.key, usage.event("a"), usage.event("b", model="dall-e-3"))
    saving = (await owner.key.get("/v1/telemetry/summary")).json()["cache_saving"]
    assert (saving["cost"], saving["tokens"]) == ({"amount": "0.05", "currency": "USD"}, 80_000)
    assert saving["cost_coverage"]["not_covered"] == "0.5"
    page = await owner.read("/")
    spread = saving["co2e_g"]
    assert 'value="0.05 USD"' in page
    assert f'value="low {exact(spread["low"])}, mid {exact(spread["mid"])}, high {exact(spread["high"])} g CO2e"' in page
    assert f'value="{exact(saving["energy_wh"]["mid"])} Wh"' in page
    assert 'title="50 % of the tokens of a cache have no such figure' in page


async def test_a_cache_that_cost_more_than_it_saved_says_so(owner: Person) -> None:
    """Claude Sonnet 4.5: 100,000 tokens written for five minutes at 3.75 in place of 3.00 USD a million cost 0.075 USD more."""
    tokens = {"uncached_input": 10, "cached_input": 0, "cache_creation_5m": 100_000, "cache_creation_1h": 0, "output": 10}
    await usage.send(owner.key, usage.event("a", provider="anthropic", model="claude-sonnet-4-5", tokens=tokens))
    assert (await owner.key.get("/v1/telemetry/summary")).json()["cache_saving"]["cost"]["amount"] == "-0.075"
    page = await owner.read("/")
    assert "Cost added" in page
    assert "cost more than reading from it saved" in page


async def test_usage_is_explored_by_what_came_from_a_cache_and_leads_to_those_events(owner: Person) -> None:
    """gpt-4o: 120,000 x 2.50, 40,000 x 1.25 and 9,000 x 10.00 USD a million."""
    plain = {"uncached_input": 10, "cached_input": 0, "cache_creation_5m": 0, "cache_creation_1h": 0, "output": 0}
    await usage.send(owner.key, usage.event("a"), usage.event("b", model="o3", tokens=plain))
    page = await owner.read("/explore?by=cached&model=gpt-4o")
    for said in ("0.3 USD", "0.05 USD", "0.09 USD", "120,000", "40,000", "9,000"):
        assert f'value="{said}"' in page, said
    assert "of the cost is of no kind" not in page
    listed = await owner.read("/explore/events?tokens=cached_input")
    assert listed.count('href="/explore/events/') == 1
    assert "gpt-4o" in listed
    rows = (await owner.open("/explore/table.csv?by=cached")).text.splitlines()
    assert rows[2].startswith("Read from a cache,cached_input,,40000,0.05,")
    assert rows[-1].startswith("Of no kind by itself,other,,,0,")


async def test_usage_is_explored_by_time_and_each_day_opens(owner: Person) -> None:
    await usage.send(owner.key, usage.event("a", days=1), usage.event("b", days=3))
    page = await owner.read("/explore?by=time")
    days = re.findall(r'href="/explore\?from=(\d{4}-\d\d-\d\d)&amp;to=(\d{4}-\d\d-\d\d)&amp;by=project"', page)
    assert len(days) == 2
    assert all(first == last for first, last in days)
    assert days[0] > days[1], "the latest first"
    one = await owner.read(f"/explore?from={days[1][0]}&to={days[1][0]}&by=time")
    assert 'value="0.44 USD"' in one, "120,000 x 2.50 + 40,000 x 1.25 + 9,000 x 10.00 a million"
    rows = (await owner.open("/explore/table.csv?by=time&period=7d")).text.splitlines()
    assert len(rows) == 8


async def test_every_group_opens_also_that_of_what_is_missing(owner: Person) -> None:
    await usage.send(owner.key, usage.event("a", service_tier="priority", region="eu"), usage.event("b"))
    page = await owner.read("/explore?by=service_tier")
    assert 'href="/explore?period=30d&amp;service_tier=priority&amp;by=project"' in page
    assert 'href="/explore?period=30d&amp;without=service_tier&amp;by=project"' in page
    for query, filters in (
        ("service_tier=priority", {"service_tier": "priority"}),
        ("without=service_tier", {"without": ["service_tier"]}),
        ("without=service_tier&without=region", {"without": ["service_tier", "region"]}),
    ):
        api = (await owner.key.get("/v1/telemetry/summary", params=filters)).json()["totals"]
        assert api["events"] == 1
        explored = await owner.read(f"/explore?by=model&{query}")
        assert f'value="{exact(api["cost"]["amount"])} USD"' in explored
        listed = await owner.read(f"/explore/events?{query}")
        assert listed.count('href="/explore/events/') == 1
    for wrong in ("without=model", "by=nothing", "project=nonsense", "source=nothing"):
        assert (await owner.open(f"/explore?{wrong}")).status_code == 422


async def test_a_model_shows_how_its_price_changed_and_what_it_takes(owner: Person) -> None:
    """OpenAI lowered o3 from 10 and 40 to 2 and 8 USD a million on 10 June 2025. A thousand tokens of output, factor set 1.0, tier
    reasoning: mid 1.2 Wh before the overhead of 1.18.
    """
    page = await owner.read("/models/one?provider=openai&model=o3")
    history = page[page.index("How did its price change?") :]
    rows = re.findall(r"<tr><th scope=.row.*?</tr>", history)
    cells = [re.findall(r'<td class="num">([^<]*)</td>', row) for row in rows]
    assert [(row[0], row[-1]) for row in cells[:2]] == [("2", "8"), ("10", "40")]
    assert "10 Jun 2025" in rows[0]
    assert "10 Jun 2025" in rows[1]
    assert re.search(r'<path class="c-output" d="M0 0H[0-9.]+V160H1000"', page), "40 is the top of the box, 8 a fifth of it"
    assert 'value="1.416 Wh"' in page
    assert "<script" not in page[page.index("<svg viewBox") : page.index("</svg>", page.index("<svg viewBox"))]


async def test_the_free_tier_is_shown_what_a_plan_would_offset_and_others_are_not(owner: Person) -> None:
    assert "Upgrade to offset" not in await owner.read("/"), "nothing to offset"
    await usage.send(owner.key, usage.event("a"))
    assert "Upgrade to offset" in await owner.read("/")
    organization_id = UUID((await owner.key.get("/v1/organizations/me")).json()["id"])
    await grant(owner, organization_id, features={RECEIPTS: True})
    assert "Upgrade to offset" not in await owner.read("/"), "the plan has receipts"
    await grant(owner, organization_id, features={RECEIPTS: False})
    async with owner.ledger.services.database.transaction(organization_id) as uow:
        at = clock.now()
        await organizations.set_tier(
            uow, actor=actor.system(organization_id), now=at, at=at, organization_id=organization_id, tier=types.Tier.STARTER
        )
    assert "Upgrade to offset" not in await owner.read("/")


async def grant(owner: Person, organization_id: UUID, *, features: dict[types.Feature, bool]) -> None:
    async with owner.ledger.services.database.transaction(organization_id) as uow:
        at = clock.now()
        await entitlements.grant(
            uow, actor=actor.system(organization_id), now=at, at=at, organization_id=organization_id, quotas={}, features=features
        )
