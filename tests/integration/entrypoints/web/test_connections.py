"""Connections by their pages: added after the provider was asked, read, moved, given another key, deleted; and no key in any answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx2
import pytest

from carbonledger.domains.connections import service
from carbonledger.infra import clock
from tests import logged, standins
from tests.integration.entrypoints.rest.identity.conftest import Installation, Opener
from tests.integration.entrypoints.web import usage
from tests.integration.entrypoints.web.conftest import Person
from tests.integration.entrypoints.worker.conftest import Bench

NEW = "/connections/new"
KEY = standins.KEYS["openai"]
NOW = clock.now().replace(minute=0, second=0, microsecond=0)  # the stand-ins' last day is this one, so that the last 30 days hold usage


@pytest.fixture
def world() -> Iterator[standins.StandIns]:
    with standins.running(NOW, now=clock.now()) as served:
        yield served


@pytest.fixture
async def ledger(install: Opener, world: standins.StandIns) -> Installation:
    return await install(**world.settings)


async def project_id(owner: Person) -> str:
    [default] = (await owner.key.get("/v1/projects")).json()["data"]
    return str(default["id"])


async def add(owner: Person, *, provider: str = "openai", **more: str) -> httpx2.Response:
    fields: dict[str, Any] = {
        "provider": provider,
        "label": "Production",
        "api_key": standins.KEYS[provider],
        "project_id": await project_id(owner),
    }
    return await owner.send(NEW, **(fields | more))


async def connect(owner: Person, **more: str) -> str:
    """Connect the OpenAI account and return the address of its page."""
    answer = await add(owner, **more)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].partition("?")[0]


async def fail(owner: Person, address: str, times: int) -> None:
    """Let so many polls in a row find the key revoked."""
    organization_id = UUID((await owner.key.get("/v1/organizations/me")).json()["id"])
    bench = Bench(services=owner.ledger.services, organization_id=organization_id)
    for _ in range(times):
        await bench.ask(service.POLL_JOB, connection_id=address.rpartition("/")[2])
        await owner.ledger.run_jobs()


async def test_an_empty_list_teaches_which_key_each_provider_wants(owner: Person, viewer: Person) -> None:
    text = await owner.read("/connections")
    assert "No provider is connected yet" in text
    for name, address in (("OpenAI", "platform.openai.com"), ("Anthropic", "console.anthropic.com"), ("OpenRouter", "openrouter.ai")):
        assert f">{name}</th>" in text
        assert f'href="https://{address}/settings/' in text
    assert f'href="{NEW}"' in text
    assert f'href="{NEW}"' not in await viewer.read("/connections")


async def test_an_account_is_connected_and_seen_being_read_and_then_read(owner: Person) -> None:
    address = await connect(owner)
    text = await owner.read(f"{address}?done=connected")
    assert "Connected." in text
    assert ">reading back</span>" in text
    assert "It is read in a moment." in text
    assert 'data-hx-trigger="every 2s"' in text, "it refreshes itself while it is read"
    assert "Reload the page" in text, "and says what to do without script"
    assert "once its past has been read" in text, "half a past is not compared"
    assert 'data-hx-trigger="every 2s"' in await owner.read("/connections")
    await owner.ledger.run_jobs()
    text = await owner.read(address)
    assert ">active</span>" in text
    assert re.search(r"(less than a|\d+) minutes? ago", text)
    assert "every 2s" not in text
    assert ">Completions</th>" in text
    listed = await owner.read("/connections")
    assert ">active</span>" in listed
    assert "every 2s" not in listed


async def test_its_figures_are_those_of_the_api(owner: Person) -> None:
    address = await connect(owner)
    await owner.ledger.run_jobs()
    connection_id = address.rpartition("/")[2]
    totals = (await owner.key.get("/v1/telemetry/summary", params={"connection_id": connection_id})).json()["totals"]
    exact = f"{_grouped(totals['cost']['amount'])} USD"
    for path in (address, "/connections", f"/explore?connection={connection_id}"):
        assert f'value="{exact}"' in await owner.read(path), path
    days = (await owner.key.get(f"/v1/connections/{connection_id}/costs")).json()["days"]
    text = await owner.read(f"{address}?period=90d")
    assert days
    for day in days:
        assert f'value="{_grouped(day["reported"]["amount"])} USD"' in text
    assert ">Production</span>" in await owner.read(f"/explore?connection={connection_id}"), "Explore names it"
    assert f'href="/explore?period=30d&amp;connection={connection_id}&amp;by=model"' in await owner.read(address)


def _grouped(number: str) -> str:
    whole, point, fraction = number.partition(".")
    return f"{int(whole):,}{point}{fraction}"


@pytest.mark.parametrize(
    "more,field,words",
    [
        ({"api_key": "sk-proj-demo-openai"}, "api_key", "sk-admin-"),
        ({"api_key": "sk-admin-demo-openai-revoked"}, "api_key", "OpenAI does not know it"),
        ({"api_key": ""}, "api_key", "characters"),
        ({"label": ""}, "label", "printable characters"),
        ({"label": "x" * 10_000}, "label", "printable characters"),
        ({"project_id": "nonsense"}, "project_id", "Choose a project"),
        ({"project_id": "01932d3c-5f6a-7c3e-9b4d-2f1a6e8c0d11"}, "project_id", "no project"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field_in_the_providers_words(
    owner: Person, more: dict[str, str], field: str, words: str
) -> None:
    answer = await add(owner, **more)
    assert answer.status_code in {404, 422}
    found = re.search(rf'id="{field}-wrong">([^<]*)<', answer.text)
    assert found is not None, answer.text
    assert words in found[1]
    for key in (KEY, more.get("api_key")):
        assert not key or key not in answer.text
    assert (await owner.key.get("/v1/connections")).json()["data"] == []


async def test_a_provider_that_is_away_is_said_and_nothing_is_kept(owner: Person, world: standins.StandIns) -> None:
    world.spoil("openai", "html")
    answer = await add(owner, label="Half written")
    assert answer.status_code == 503
    assert "Nothing was kept. Try again in a moment." in answer.text
    assert 'value="Half written"' in answer.text
    assert KEY not in answer.text
    assert (await owner.key.get("/v1/connections")).json()["data"] == []


async def test_the_same_key_twice_and_a_provider_that_nobody_reads_are_refused(owner: Person) -> None:
    await connect(owner)
    twice = await add(owner, label="Again")
    assert twice.status_code == 409
    assert re.search(r'id="api_key-wrong">[^<]*another connection', twice.text)
    unknown = await owner.send(NEW, provider="acme", label="x", api_key=KEY, project_id=await project_id(owner))
    assert unknown.status_code == 422
    assert 'class="wrong">Give one of anthropic' in unknown.text


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_an_account_is_shown_and_another_key_of_it_refused_beside_the_key(owner: Person, provider: str) -> None:
    address = await connect(owner, provider=provider)
    account = (await owner.key.get(f"/v1{address}")).json()["account"]
    assert f"<dt>Account</dt><dd><code>{account}</code></dd>" in await owner.read(address)
    twice = await add(owner, provider=provider, label="Again", api_key=standins.new_key(provider, anchor=NOW))
    assert twice.status_code == 409
    assert re.search(r'id="api_key-wrong">[^<]*The connection “Production” reads the account of this key', twice.text)
    assert 'value="Again"' in twice.text
    other = await owner.send(f"{address}/key", api_key=standins.new_account(provider, anchor=NOW))
    assert other.status_code == 409
    assert re.search(rf'id="api_key-wrong">[^<]*this connection reads {account}', other.text)


async def test_of_an_account_that_is_not_told_nothing_is_shown(owner: Person) -> None:
    assert "<dt>Account</dt>" not in await owner.read(await connect(owner, provider="openrouter"))


async def test_it_is_read_on_request_at_most_once_in_five_minutes(owner: Person) -> None:
    address = await connect(owner)
    assert (await owner.send(f"{address}/sync")).headers["location"] == f"{address}?done=sync"
    again = await owner.send(f"{address}/sync")
    assert again.status_code == 429
    assert re.search("at most once in five minutes on request. Ask again in [1-5] minutes?.", again.text)
    assert f'action="{address}"' in again.text, "other periods are shown by the page itself, not by where the form went"


async def test_after_it_moved_new_usage_is_booked_elsewhere_and_history_stays(owner: Person) -> None:
    address = await connect(owner)
    await owner.ledger.run_jobs()
    before = await booked(owner)
    assert len(before) == 1
    search = await usage.project(owner.key, "Search")
    answer = await owner.send(f"{address}/project", project_id=search)
    assert answer.headers["location"] == f"{address}?done=moved"
    assert f'href="/projects/{search}?' in await owner.read(address)
    assert await booked(owner) == before
    same = await owner.send(f"{address}/project", project_id=search)
    assert same.status_code == 409
    assert 'id="project_id-wrong"' in same.text


async def booked(owner: Person) -> dict[str, Any]:
    answer = (await owner.key.get("/v1/telemetry/breakdown", params={"group_by": "project"})).json()
    return {str(group["label"]): group for group in answer["groups"] if group["tokens"]["total"]}


async def test_a_connection_that_fails_and_stops_says_why_and_a_new_key_revives_it(owner: Person, world: standins.StandIns) -> None:
    key = standins.new_key("openai", anchor=NOW)
    address = await connect(owner, api_key=key)
    await owner.ledger.run_jobs()
    world.state.keys[key].revoked = True
    await fail(owner, address, 1)
    for path in (address, "/connections", "/"):
        text = await owner.read(path)
        assert ">error</span>" in text, path
        assert "OpenAI does not know it, or no longer." in text, path
    await fail(owner, address, 4)
    text = await owner.read(address)
    assert ">stopped</span>" in text
    assert "With a new key it goes on where it stopped." in text
    assert "Sync now" not in text
    assert (await owner.send(f"{address}/sync")).status_code == 409
    assert "1 connection is not read." in await owner.read("/")
    wrong = await owner.send(f"{address}/key", api_key="sk-proj-demo-openai")
    assert wrong.status_code == 422
    assert re.search(r'id="api_key-wrong">[^<]*sk-admin-', wrong.text)
    assert "sk-proj-demo-openai" not in wrong.text
    assert (await owner.send(f"{address}/key", api_key=KEY)).headers["location"] == f"{address}?done=rekeyed"
    await owner.ledger.run_jobs()
    assert ">active</span>" in await owner.read(address)
    assert "is not read." not in await owner.read("/")
    assert "1 read every hour" in await owner.read("/")


async def test_deleting_says_what_follows_and_keeps_what_was_read(owner: Person) -> None:
    address = await connect(owner)
    await owner.ledger.run_jobs()
    before = await booked(owner)
    assert "What was read stays, with all its figures" in await owner.read(address)
    assert (await owner.send(f"{address}/delete")).headers["location"] == "/connections?done=deleted"
    assert f'href="{address}' not in await owner.read("/connections?done=deleted")
    text = await owner.read(address)
    assert ">deleted</span>" in text
    assert f'action="{address}/' not in text
    assert await booked(owner) == before
    assert (await owner.send(f"{address}/sync")).status_code == 404


async def test_a_viewer_sees_it_and_meets_no_way_to_act(owner: Person, viewer: Person) -> None:
    address = await connect(owner)
    text = await viewer.read(address)
    assert set(re.findall(r'action="([^"]+)"', text)) == {address, "/search", "/sign-out"}
    for act in ("sync", "project", "key", "delete"):
        assert (await viewer.send(f"{address}/{act}", api_key=KEY, project_id="x")).status_code == 403
        assert (await owner.send(f"{address}/{act}", token="forged", api_key=KEY)).status_code == 403
    assert (await viewer.open(NEW)).status_code == 403
    assert ">active</span>" not in await viewer.read(address)


async def test_no_key_is_in_any_answer_nor_in_the_log_also_where_the_session_has_ended(owner: Person) -> None:
    with logged.said(owner.ledger.services.settings) as lines:
        address = await connect(owner)
        await add(owner)
        await owner.send(f"{address}/key", api_key=KEY)
        for path in ("/connections", address, "/activity", "/"):
            assert KEY not in await owner.read(path)
        token = await owner.token()
        await owner.send("/sign-out")
        answer = await owner.client.post(NEW, data={"csrf_token": token, "page": NEW, "label": "Long thought about", "api_key": KEY})
    assert answer.status_code == 401
    assert "Long thought about" in answer.text
    assert KEY not in answer.text
    routes = [line["route"] for line in lines if line["event"] == "request" and line["method"] == "POST"]
    assert {"/connections/{connection_id}/key", NEW} <= set(routes)
    assert KEY not in repr(lines)


async def test_nobody_sees_another_organizations_connection(owner: Person, ledger: Installation) -> None:
    _, other = await ledger.open_organization(name="Other")
    made = await other.post("/v1/connections", json={"provider": "openai", "label": "Theirs", "api_key": KEY})
    address = f"/connections/{made.json()['id']}"
    assert (await owner.open(address)).status_code == 404
    for act in ("sync", "delete"):
        assert (await owner.send(f"{address}/{act}")).status_code == 404
    assert "Theirs" not in await owner.read("/connections")


async def test_a_hostile_label_stays_text_and_search_finds_the_connection(owner: Person) -> None:
    address = await connect(owner, provider="openrouter", label=usage.HOSTILE)
    await owner.ledger.run_jobs()
    for path in (address, "/connections", "/", "/explore?by=connection", "/search?q=script"):
        text = await owner.read(path)
        assert usage.HOSTILE not in text, path
    assert f'href="{address}"' in await owner.read("/search?q=alert")
    found = await owner.open(f"/search?q={address.rpartition('/')[2]}")
    assert found.headers["location"] == address
